"""`sailau board` as real processes: forked logs, kills, races, alarms."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from record.add_checkpoint import MAX_BYTES
from record.archive import read_archive
from record.checkpoint import verify_checkpoint
from record.cosignature import parse_answer, parse_cosigner_key
from record.note import VerifierKey, parse_note
from tests.observing import (
    KEY,
    ORIGIN,
    SmallLog,
    add_checkpoint,
    artifacts,
    files,
    note,
    serving,
    witness_key,
)
from tests.system.programs import PATIENCE, Program, wait_until

pytestmark = pytest.mark.system

# The group by itself, with the errors of the program: no other command is loaded.
_LAUNCH = """\
import sys
from cli.board import board
from cli.common import reporting_errors
with reporting_errors():
    raise SystemExit(board.main(prog_name="sailau board", standalone_mode=False))
"""
LOG_KEY = ("--log-key", str(KEY))


class Desk:
    """Starts observers, and ends with the test what still runs; no output has a traceback."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "out").mkdir()
        self._programs: list[Program] = []

    def start(self, *arguments: str | Path) -> Program:
        command = [sys.executable, "-c", _LAUNCH, *arguments]
        program = Program(command, self.root / "out" / f"{len(self._programs)}.log")
        self._programs.append(program)
        return program

    def end(self) -> None:
        for program in self._programs:
            if program.running():
                program.kill()
            assert "Traceback" not in program.err.read_text(), program.err.read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.end()


@pytest.fixture
def log(tmp_path: Path) -> SmallLog:
    log = SmallLog(tmp_path / "log")
    log.grow(300)
    return log


# --- The witness -----------------------------------------------------------------------


@dataclass
class Witnessing:
    """A running witness: its key and where it listens."""

    desk: Desk
    home: Path
    key: VerifierKey
    program: Program
    address: tuple[str, int]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=60)

    def ask(
        self, body: bytes, connection: http.client.HTTPConnection | None = None
    ) -> tuple[int, bytes, str]:
        """Status, body and content type of the answer."""
        connection = connection or self.connect()
        connection.request("POST", "/add-checkpoint", body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["Content-Type"]

    def checkpoint(self) -> bytes:
        """What it serves for the log."""
        connection = self.connect()
        connection.request("GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        return answer.read()

    def restart(self) -> None:
        """Start it again after it was killed."""
        self.program, self.address = run_witness(self.desk, self.home)


def secret(desk: Desk) -> tuple[str | Path, ...]:
    file = desk.root / "passphrase"
    if not file.exists():
        file.touch(0o600)
        file.write_text("a witness's passphrase\n")
    return "--passphrase-file", file


def run_witness(desk: Desk, home: Path) -> tuple[Program, tuple[str, int]]:
    program = desk.start(
        *("witness", "run", "--home", home, "--listen", "127.0.0.1:0", *secret(desk))
    )
    program.until(lambda: len(program.lines()) >= 2)
    parts = urlsplit(program.lines()[1])
    assert parts.hostname is not None
    assert parts.port is not None
    return program, (parts.hostname, parts.port)


@pytest.fixture
def witness(desk: Desk) -> Witnessing:
    home = desk.root / "witness"
    made = desk.start(
        *("witness", "init", "--home", home, "--name", "witness.example/w1"),
        *("--log", str(KEY), *secret(desk)),
    ).wait()
    assert made.code == 0, made.err
    program, address = run_witness(desk, home)
    key = parse_cosigner_key(made.out.strip())
    assert program.lines()[0] == str(key) == (home / "verifier-key").read_text().strip()
    return Witnessing(desk, home, key, program, address)


def text_of(size: int, fork_at: int | None = None) -> str:
    return note(size, fork_at).decode().split("\n\n")[0] + "\n"


def test_a_witness_refuses_a_second_log(witness: Witnessing) -> None:
    """One log grows and is cosigned; its fork, signed by the same key, never is. All of it
    over one connection."""
    connection, begin = witness.connect(), int(time.time())
    status, body, kind = witness.ask(add_checkpoint(0, 300), connection)
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    (signature,) = parse_answer(body, witness.key, text_of(300))
    assert begin <= int.from_bytes(signature.signature[:8], "big") <= time.time()
    local = connection.sock.getsockname() if connection.sock else None
    for fork in (add_checkpoint(300, 400, 200), add_checkpoint(300, 300, 299)):
        status, _, _ = witness.ask(fork, connection)
        assert status == 422
    assert witness.ask(add_checkpoint(0, 400, 200), connection) == (
        409,
        b"300\n",
        "text/x.tlog.size",
    )
    assert witness.ask(b"nonsense", connection)[0] == 400
    assert witness.ask(add_checkpoint(300, 301).replace(b"/log", b"/xxx"), connection)[0] == 404
    assert witness.ask(add_checkpoint(300, 301).replace(b"301", b"302"), connection)[0] == 403
    assert witness.ask(add_checkpoint(300, 400), connection)[0] == 200
    assert connection.sock is not None
    assert connection.sock.getsockname() == local
    served = witness.checkpoint()
    assert verify_checkpoint(served, KEY).size == 400
    assert parse_answer(served.partition(b"\n\n")[2], witness.key, text_of(400))
    (kept,) = (witness.home / "evidence").iterdir()
    assert (kept / "newer").read_bytes() == note(300, 299)
    assert witness.program.stop().code == 0


def test_a_witness_asked_for_too_much(witness: Witnessing) -> None:
    """Long bodies are cut off, other methods and places are not there."""
    connection = witness.connect()
    # No longer than what is read before the answer: of more the connection would die.
    connection.request("POST", "/add-checkpoint", bytes(MAX_BYTES + 1))
    assert connection.getresponse().status == 413
    for method, path, status in (
        ("GET", "/add-checkpoint", 405),
        ("POST", f"/{'0' * 64}/checkpoint", 405),
        ("GET", f"/{'0' * 64}/checkpoint", 404),
        ("GET", "/x/checkpoint", 404),
        ("GET", "/", 404),
    ):
        connection = witness.connect()
        connection.request(method, path)
        assert connection.getresponse().status == status


def test_slow_connections_make_room_at_a_witness(witness: Witnessing) -> None:
    """Hundreds that send half a request, or nothing, keep no log waiting."""
    with ExitStack() as stack:
        for half in 300 * (b"POST /add-checkpoint HTTP/1.1\r\n", b""):
            one = stack.enter_context(socket.create_connection(witness.address, 60))
            with suppress(OSError):  # closed already
                one.sendall(half)
        assert witness.ask(add_checkpoint(0, 5))[0] == 200
        assert len(list(Path(f"/proc/{witness.program.pid}/fd").iterdir())) < 300


def test_two_requests_at_once(witness: Witnessing) -> None:
    """Both build on 5: one is cosigned, the other is told so; again and again."""
    assert witness.ask(add_checkpoint(0, 5))[0] == 200
    size = 5
    for _ in range(10):
        bodies = [add_checkpoint(size, size + 1), add_checkpoint(size, size + 2)]
        answers: list[tuple[int, bytes]] = []
        start = threading.Barrier(2)

        def send(body: bytes, start: threading.Barrier = start, answers: list = answers) -> None:  # type: ignore[type-arg]
            start.wait()
            answers.append(witness.ask(body)[:2])

        threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in answers) == [200, 409]
        size = int(next(body for status, body in answers if status == 409))
        assert verify_checkpoint(witness.checkpoint(), KEY).size == size


def test_a_witness_that_is_killed(witness: Witnessing) -> None:
    """SIGKILL at any moment, again and again: whatever it ever answered 200 to is one log,
    and it knows it after the restart. The log's fork is offered all the time."""
    signed: list[tuple[int, int | None]] = []
    dice = random.Random(7)
    for _ in range(5):
        stop = threading.Event()
        asked = threading.Thread(target=_grow, args=(witness, stop, signed, dice), daemon=True)
        before = len(signed)
        asked.start()
        wait_until(lambda b=before, a=asked: len(signed) > b or not a.is_alive())  # type: ignore[misc]
        time.sleep(dice.uniform(0.0, 0.5))
        witness.program.kill()
        stop.set()
        asked.join(PATIENCE)
        assert not asked.is_alive()
        witness.restart()
        status, known, _ = witness.ask(add_checkpoint(290, 300, 1))
        assert (status, int(known) >= max((size for size, _ in signed), default=0)) == (409, True)
    assert signed
    assert [size for size, _ in signed] == sorted(size for size, _ in signed)
    for (size, branch), (larger, other) in zip(signed, signed[1:], strict=False):
        assert artifacts(larger, other)[:size] == artifacts(size, branch)


def _grow(
    witness: Witnessing,
    stop: threading.Event,
    signed: list[tuple[int, int | None]],
    dice: random.Random,
) -> None:
    """Ask for one cosignature after the other until the witness is gone."""
    try:
        connection = witness.connect()
        size = int(witness.ask(add_checkpoint(290, 300), connection)[1])
        while not stop.is_set() and size < 280:
            branch = dice.choice([None, None, size // 2 if size else None])
            more = size + dice.randint(1, 3)
            status, body, _ = witness.ask(add_checkpoint(size, more, branch), connection)
            if status == 200:
                parse_answer(body, witness.key, text_of(more, branch))
                signed.append((more, branch))
                size = more
            else:
                assert status == 422
    except (OSError, http.client.HTTPException):
        pass


def test_what_a_witness_needs(desk: Desk, witness: Witnessing) -> None:
    """One process, its own database, at least one log."""
    run = ("witness", "run", "--listen", "127.0.0.1:0", *secret(desk))
    second = desk.start(*run, "--home", witness.home).wait()
    assert second.code == 2
    assert "in use" in second.err
    witness.program.kill()
    (witness.home / "logs").write_text("# nobody\n")
    assert "names no log" in desk.start(*run, "--home", witness.home).wait().err
    (witness.home / "logs").write_text(f"log {KEY}\n")
    (witness.home / "witness.db").unlink()
    lost = desk.start(*run, "--home", witness.home).wait()
    assert lost.code == 2
    assert "must not sign again" in lost.err
    again = desk.start(
        *("witness", "init", "--home", witness.home, "--name", "w", *secret(desk))
    ).wait()
    assert again.code == 2


# --- The mirror -----------------------------------------------------------------------


def test_a_mirror_that_is_killed_goes_on(desk: Desk, log: SmallLog) -> None:
    """SIGKILL in the middle: no checkpoint, no false file; the next run fetches the rest."""
    log.grow(2000)
    copy = desk.root / "copy"
    with serving(log.directory) as server:
        for at in (5, 9):
            # The server stops answering here, so that the kill comes in the middle.
            hold = _holding(server.answer, lambda at=at: server.asked.total() >= at)  # type: ignore[misc]
            server.answer = hold  # type: ignore[method-assign]
            program = desk.start("mirror", server.url, copy, *LOG_KEY, "--jobs", "1")
            program.until(hold.reached.is_set)
            program.kill()
            hold.over.set()
            server.answer = hold.answer  # type: ignore[method-assign]
            assert "checkpoint" not in files(copy)
            assert files(copy).items() <= files(log.directory).items()
            server.asked.clear()
        there = set(files(copy))
        assert there
        done = desk.start("mirror", server.url, copy, *LOG_KEY, "--json").wait()
        assert done.code == 0, done.err
        assert json.loads(done.out)["size"] == 2000
        assert not [path for path in there if server.asked[path] > 1]
    assert not list(copy.rglob("*.tmp"))
    assert files(copy).items() <= files(log.directory).items()
    with read_archive(copy) as record:
        assert list(record.artifacts(KEY)) == artifacts(2000)


class _holding:
    """Answers requests until a condition holds; from then on they wait in vain, until `over`."""

    def __init__(self, answer: Callable[..., None], condition: Callable[[], bool]) -> None:
        self.answer, self.condition = answer, condition
        self.reached, self.over = threading.Event(), threading.Event()

    def __call__(self, handler: object) -> None:
        if self.condition():
            self.reached.set()
            self.over.wait(PATIENCE)
        else:
            self.answer(handler)


def test_a_mirror_that_watches(desk: Desk, log: SmallLog) -> None:
    """It follows the log, waits for one that is away, and ends when a fork is served."""
    copy = desk.root / "copy"
    with serving(log.directory) as server:
        watch = ("--watch", "--interval", "0.1")
        program = desk.start("mirror", server.url, copy, *LOG_KEY, *watch)
        for size in (300, 301, 700):
            log.grow(size)
            program.until(lambda size=size: f": {size} entries" in program.out.read_text())  # type: ignore[misc]
        server.status["checkpoint"] = 500
        program.until(lambda: "answers 500" in program.err.read_text())
        server.status.clear()
        assert files(copy).items() >= {"checkpoint": log.checkpoint()}.items()
        fork = SmallLog(desk.root / "fork")
        fork.grow(800, 650)
        server.directory = fork.directory
        ended = program.wait()
    assert ended.code == 1
    (kept,) = (copy / "evidence").iterdir()
    assert f"evidence: {kept}" in ended.err
    assert (kept / "newer").read_bytes() == fork.checkpoint()
    assert (copy / "checkpoint").read_bytes() == log.checkpoint()


def test_how_a_mirror_ends(desk: Desk, log: SmallLog) -> None:
    """3 for a log that cannot be reached, 1 for one that is refused, 2 for wrong usage."""
    copy = desk.root / "copy"
    assert desk.start("mirror", log.directory, copy).wait().code == 2
    assert desk.start("mirror", desk.root / "none", copy, *LOG_KEY).wait().code == 3
    policy = desk.root / "policy"
    policy.write_text(f"log {KEY}\nwitness w {witness_key(1)}\nquorum w\n")
    unsigned = desk.start("mirror", log.directory, copy, "--policy", policy).wait()
    assert unsigned.code == 1
    assert "R.quorum" in unsigned.err
    log.cosign(1)
    good = desk.start("mirror", log.directory, copy, "--policy", policy).wait()
    assert good.code == 0
    assert "cosigned by w" in good.out
    policy.write_text("quorum w\n")
    bad = desk.start("mirror", log.directory, copy, "--policy", policy).wait()
    assert bad.code == 2
    assert "line 1" in bad.err


# --- The monitor ----------------------------------------------------------------------


def test_a_monitor_looks_once(desk: Desk, log: SmallLog) -> None:
    """Its exit code says it all."""
    state, policy = desk.root / "state", desk.root / "policy"
    policy.write_text(f"log {KEY}\nwitness w {witness_key(1)}\nquorum w\n")
    once = ("monitor", log.directory, "--once", "--state", state)

    def look(*options: str | Path) -> int:
        return desk.start(*once, *options).wait().code

    assert look(*LOG_KEY) == 0
    assert look(*LOG_KEY, "--stale", "3600") == 0
    assert look(*LOG_KEY, "--stale", "0") == 4
    assert look("--policy", policy) == 5
    log.cosign(1)
    assert look("--policy", policy) == 0
    good = log.checkpoint()
    (log.directory / "checkpoint").unlink()
    assert look(*LOG_KEY) == 3
    for data in (note(299), note(300, 7), b"<html>", good.replace(b"\n300\n", b"\n301\n")):
        (log.directory / "checkpoint").write_bytes(data)
        assert look(*LOG_KEY) == 1
    assert look() == 2
    (log.directory / "checkpoint").write_bytes(good)
    assert look(*LOG_KEY) == 0
    assert {kept.name.partition("-")[0] for kept in (state / "evidence").iterdir()} == {
        *("stale", "quorum", "rollback", "fork", "unsigned")
    }


def test_a_monitor_raises_the_alarm(desk: Desk, log: SmallLog, tmp_path: Path) -> None:
    """Stale, then over, then a fork: the hook is called each time with the evidence, the
    metrics tell, and the fork ends it."""
    hook = tmp_path / "hook.py"
    hook.write_text("import sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')\n")
    called, metrics = tmp_path / "called", tmp_path / "monitor.prom"
    called.touch()
    fork = SmallLog(tmp_path / "fork")
    fork.grow(3000, 100)
    size = 300

    def over() -> bool:
        # Each time it grows by one, lest it be stale again before anybody has looked.
        nonlocal size
        log.grow(size := size + 1)
        return 'sailau_monitor_alarm{alarm="stale"} 0' in metrics.read_text()

    with serving(log.directory) as server:
        program = desk.start(
            *("monitor", server.url, *LOG_KEY, "--state", tmp_path / "state"),
            *("--interval", "0.1", "--stale", "2", "--metrics", metrics),
            *("--hook", shlex.join([sys.executable, str(hook), str(called)])),
        )
        program.until(lambda: len(called.read_text().splitlines()) == 1)
        assert 'sailau_monitor_alarm{alarm="stale"} 1' in metrics.read_text()
        program.until(over)
        assert "the alarm is over: stale" in program.err.read_text()
        # It has read all of this log before it gets to see the other one.
        program.until(lambda: f": {size} entries, consistent" in program.out.read_text())
        server.directory = fork.directory
        ended = program.wait()
    assert ended.code == 1
    assert "R.append-only" in ended.err
    *stale, forked = map(Path, called.read_text().splitlines())
    assert stale  # once, or again where this test was slow
    for kept in stale:
        assert json.loads((kept / "report.json").read_bytes())["alarm"] == "stale"
    assert (forked / "older").read_bytes() == log.checkpoint()
    assert (forked / "newer").read_bytes() == fork.checkpoint()
    assert 'sailau_monitor_alarm{alarm="fork"} 1' in metrics.read_text()
    assert len(parse_note(log.checkpoint()).signatures) == 1
