"""`sailau` commands as real processes, and small elections to hold with them.

    place = Place.make(directory)             # keys, enrolments, an election of its own
    with place.running():                     # ends what still runs, and looks at every output
        place.serve()
        place.trustee(1)
        place.run("election", "open", *place.admin)
    copy = place.copy(elsewhere)              # the same election at this moment, on other ports

Standard output and error of every process are files in `place.logs`. No output may hold
a traceback or a passphrase; `running` fails if one does.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from ballotbox.client import BoardClient, ElectionStatus
from cli import main as program
from record.artifacts import Operation, parse_artifact
from record.state import Phase
from record.transcript import Transcript
from rpc.credentials import public_channel
from rpc.errors import Unavailable
from sailau.v1 import record_pb2
from tests.ports import HOST, free_ports

TRUSTEES, QUORUM = 3, 2
DEVICES = ("box-1", "box-2")
PATIENCE = 120.0
"""Seconds after which whatever a test waits for is given up."""
UNFINISHED = ("*.new", "*.tmp")
"""Names of files that are about to get the name of a finished one."""

ROOT = Path(__file__).parents[2]
_TALKING = threading.Lock()


def text(words: str) -> dict[str, str]:
    return {"en": words, "kk": f"{words} (қазақша)"}


def manifest() -> dict[str, Any]:
    """Two contests (one of 3 votes, at most 2 for each), two polling places, two devices."""

    def contest(label: str, options: str, limit: int, each: int) -> dict[str, Any]:
        return {
            "label": label,
            "name": text(label.title()),
            "selection_limit": limit,
            "option_limit": each,
            "options": [{"label": o, "name": text(o.title())} for o in options.split()],
        }

    def style(label: str, *contests: str) -> dict[str, Any]:
        return {"label": label, "name": text(label), "contests": list(contests)}

    def unit(label: str, parent: str | None, *styles: str) -> dict[str, Any]:
        return {
            "label": label,
            "name": text(label),
            "parent": parent,
            "ballot_styles": list(styles),
        }

    def device(label: str, *units: str) -> dict[str, Any]:
        return {"label": label, "information": f"Terminal {label}", "units": list(units)}

    return {
        "format": "sailau-manifest/1",
        "label": "town-2026",
        "name": text("The town"),
        "languages": ["en", "kk"],
        "dates": {"opens": "2026-06-07", "closes": "2026-06-08"},
        "chaining": "simple",
        "contests": [
            contest("mayor", "asel daniyar marat", 1, 1),
            contest("council", "north south east west", 3, 2),
        ],
        "ballot_styles": [style("full", "mayor", "council"), style("mayor-only", "mayor")],
        "units": [
            unit("town", None),
            unit("hall", "town", "full"),
            unit("school", "town", "full", "mayor-only"),
        ],
        "devices": [device("box-1", "hall"), device("box-2", "hall", "school")],
    }


# --- processes


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Program:
    """A running command."""

    def __init__(self, command: Sequence[str | Path], log: Path, **options: Any) -> None:
        self.out, self.err = log.with_suffix(".out"), log.with_suffix(".err")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
                **options,
            )

    def feed(self, *orders: object) -> None:
        """A line of JSON for each of these; bytes as they are."""
        assert self._process.stdin is not None
        for order in orders:
            line = order if isinstance(order, bytes) else json.dumps(order).encode()
            self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def lines(self) -> list[str]:
        """The complete lines it has printed."""
        return [line.decode() for line in self.out.read_bytes().split(b"\n")[:-1]]

    def said(self) -> bool:
        """Whether it has said anything at all."""
        return bool(self.out.stat().st_size or self.err.stat().st_size)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to it and to the processes that it has started."""
        with suppress(ProcessLookupError):  # it has ended, and somebody has seen that already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)

    def send(self, number: signal.Signals) -> None:
        """A signal, to it and to the processes that it has started."""
        os.killpg(self._process.pid, number)

    def stop(self) -> Result:
        """SIGTERM, and wait for the end."""
        self._process.terminate()
        return self.wait()

    def interrupt(self) -> Result:
        """Ctrl-C, and wait for the end."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> Result:
        """End its standard input and wait for its end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait(PATIENCE)
        return Result(code, self.out.read_text(), self.err.read_text())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something, while this runs."""
        held = False

        def over() -> bool:
            nonlocal held
            alive = self.running()  # asked first: what it did last is seen all the same
            held = condition()
            return held or not alive

        wait_until(over)
        assert held, self.err.read_text()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that processes bring about."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def call(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """A command in this process: the same from its arguments to its exit code, but quick."""
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    with (
        _TALKING,
        mock.patch.object(sys, "argv", ["sailau", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            program.main()
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return Result(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def refused(result: Result, code: int, *words: str) -> str:
    """Check that a command ended so, with one readable line and no more; returns the line."""
    assert result.code == code, result
    (line,) = result.err.strip().splitlines()
    assert line.startswith("sailau: "), line
    assert "Traceback" not in result.out
    for word in words:
        assert word in line, line
    return line


# --- an election


class Place:
    """A directory with the homes of one election's roles, and what runs there.

    `election/` as `election new` makes it, `trustee-I/`, `device-N/` (from 1), `keys/`
    with a passphrase file for each role, `logs/`, and whatever tests keep beside.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self.logs.mkdir(exist_ok=True)
        self.launcher: tuple[str, ...] = ("-m", "cli.main")
        self._programs: list[Program] = []
        self._numbers: dict[str, int] = {}

    @classmethod
    def make(cls, root: Path) -> Place:
        """Everybody's keys, the election, and everybody invited."""
        root.mkdir(mode=0o700)
        place = cls(root)
        (root / "keys").mkdir(mode=0o700)
        (root / "manifest.json").write_text(json.dumps(manifest(), ensure_ascii=False))
        with place.running():
            place._make()
        return place

    def _make(self) -> None:
        roles = [*enumerate(("Aigerim", "Болат", "Dinara"), 1)], [*enumerate(DEVICES, 1)]
        people = [
            (role, f"{role}-{i}", name)
            for role, named in zip(("trustee", "device"), roles, strict=True)
            for i, name in named
        ]
        started = [
            self.start(role, "init", *self.home(home), "--name", name)
            for role, home, name in people
        ]
        assert [program.wait().code for program in started] == [0] * len(people)
        public, private = free_ports()
        enrolments: list[str | Path] = []
        for role, home, _ in people:
            enrolments += [f"--{role}", self.root / home / "enrolment.json"]
        self.run(
            *("election", "new", "--out", self.root / "election", "--quorum", str(QUORUM)),
            *("--manifest", self.root / "manifest.json", "--host", HOST),
            *("--public-port", str(public), "--roles-port", str(private)),
            *(*enrolments, *self.key("administrator")),
            *("--server-passphrase-file", self.key("server")[1]),
        )
        started = [
            self.start(role, "join", *self.home(home), self.invitation(home))
            for role, home, _ in people
        ]
        assert [program.wait().code for program in started] == [0] * len(people)

    # --- where things are

    def key(self, role: str) -> tuple[str | Path, ...]:
        """The option with a role's passphrase file, made when it is first asked for."""
        file = self.root / "keys" / role
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(f"{role}: {random.SystemRandom().getrandbits(128):032x}\n")
        return "--passphrase-file", file

    def home(self, role: str) -> tuple[str | Path, ...]:
        """The options of a trustee or device: its home and its passphrase file."""
        return "--home", self.root / role, *self.key(role)

    @property
    def admin(self) -> tuple[str | Path, ...]:
        """The options of the administrator."""
        return "--home", self.root / "election/administrator", *self.key("administrator")

    def invitation(self, role: str) -> Path:
        """The invitation that the administrator made for trustee-I or device-N."""
        (file,) = (self.root / "election/invitations").glob(f"{role}-*.json")
        return file

    def addresses(self) -> tuple[str, str]:
        """The public and the roles' address."""
        invitation = json.loads((self.root / "election/administrator/invitation.json").read_text())
        return invitation["public_address"], invitation["roles_address"]

    @property
    def public(self) -> tuple[str | Path, ...]:
        """The options of a voter who asks the server."""
        authority = self.root / "election/server/authority.pem"
        return "--server", self.addresses()[0], "--authority", authority

    def passphrases(self) -> list[str]:
        """All passphrases."""
        return [file.read_text().strip() for file in (self.root / "keys").iterdir()]

    # --- what runs

    @contextmanager
    def running(self) -> Iterator[Place]:
        """End everything with the block; then no output may hold what no output may hold."""
        try:
            yield self
        finally:
            for program in self._programs:
                if program.running():
                    program.kill()
            self._programs.clear()
        self.check_outputs()

    def check_outputs(self) -> None:
        """No traceback and no passphrase anywhere."""
        for file in self.logs.iterdir():
            said = file.read_text()
            assert "Traceback" not in said, f"{file}:\n{said}"
            for passphrase in self.passphrases():
                assert passphrase not in said, f"a passphrase in {file}"

    def start(self, *arguments: str | Path, **environment: str) -> Program:
        """Start `sailau ARGUMENTS`, with something more in the environment."""
        words = [a for a in arguments[:2] if isinstance(a, str) and not a.startswith("-")]
        name = "-".join(words)
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        log = self.logs / f"{name}-{os.getpid()}-{number}"
        command = [sys.executable, *self.launcher, *arguments]
        program = Program(command, log, env={**os.environ, **environment})
        self._programs.append(program)
        return program

    def run(self, *arguments: str | Path) -> Result:
        """Run `sailau ARGUMENTS`, which must end well."""
        result = self.start(*arguments).wait()
        assert result.code == 0, result
        return result

    def attempt(self, *arguments: str | Path) -> Result:
        """Run `sailau ARGUMENTS`, however it ends."""
        return self.start(*arguments).wait()

    def serve(self, *more: str | Path) -> Program:
        """The server, listening. It says everything that it ever says."""
        home = self.root / "election/server"
        options = ("--bind", HOST, "--workers", "1", "--verbose", *more)
        server = self.start("serve", "--home", home, *self.key("server"), *options)
        server.until(lambda: bool(server.lines()))
        return server

    def trustee(self, i: int, *options: str | Path) -> Program:
        """A trustee's program, which confirms without asking; its backup goes to backups/."""
        agrees = ("--yes", "--backup", self.backup(i))
        return self.start("trustee", "run", *self.home(f"trustee-{i}"), *agrees, *options)

    def cheat(self, name: str, i: int, module: str = "tests.cheating") -> Program:
        """Trustee i's program with a cheat of that module in it."""
        self.launcher, honest = ("-m", module, name), self.launcher
        try:
            return self.trustee(i)
        finally:
            self.launcher = honest

    def backup(self, i: int) -> Path:
        """Where a trustee's backup goes."""
        (self.root / "backups").mkdir(exist_ok=True)
        return self.root / f"backups/trustee-{i}"

    def device(self, n: int, *orders: object) -> Program:
        """A device with its first orders; receipts go to receipts/."""
        receipts = ("--receipts", self.root / "receipts")
        program = self.start("device", "run", *self.home(f"device-{n}"), *receipts)
        program.feed(*orders)
        return program

    def vote(self, n: int, *orders: object) -> list[dict[str, Any]]:
        """A device with all its orders; returns its answers."""
        result = self.device(n, *orders).wait()
        assert result.code == 0, result
        return [json.loads(line) for line in result.out.splitlines()]

    def open(self) -> None:
        """The key ceremony is complete: open the polls."""
        self.run("election", "open", *self.admin)

    def close(self) -> None:
        """Close the devices and the polls, and wait for the encrypted tallies."""
        for n in (1, 2):
            self.run("device", "close", *self.home(f"device-{n}"))
        self.run("election", "close", *self.admin)
        self.reach(Phase.TALLIED)

    # --- what the server says

    @contextmanager
    def board(self, deadline: float = 30.0) -> Iterator[BoardClient]:
        """The public listener."""
        authority = (self.root / "election/server/authority.pem").read_bytes()
        with closing(public_channel(self.addresses()[0], authority)) as channel:
            yield BoardClient(channel, deadline=deadline)

    def status(self) -> ElectionStatus:
        """Where the election stands."""
        with self.board() as board:
            return board.status()

    def wait(self, condition: Callable[[ElectionStatus], bool]) -> None:
        """Until the status is so; the server may be away meanwhile."""

        def now() -> bool:
            try:
                return condition(board.status())
            except Unavailable:
                return False

        with self.board(5.0) as board:
            wait_until(now)

    def operations(self) -> list[Operation]:
        """The acts that are on the record, in its order."""
        with self.board() as board:
            first, *artifacts = board.read(0, board.status().size)
        transcript = Transcript(parse_artifact(first, None))
        return [
            found
            for data in artifacts
            if record_pb2.Artifact.FromString(data).HasField("operation")
            and isinstance(found := transcript.parse(data).statement, Operation)
        ]

    def reach(self, phase: Phase) -> None:
        """Until the election has come so far."""
        self.wait(lambda status: status.phase >= phase)

    # --- another time

    def copy(self, root: Path) -> Place:
        """The election as it is now, also while its server and trustees run."""
        skip = shutil.ignore_patterns(
            *UNFINISHED, "*.lock", "board.sqlite*", "logs", "record", "record.zip"
        )
        shutil.copytree(self.root, root, ignore=skip)
        boards = [place / "election/server/board.sqlite" for place in (self.root, root)]
        if boards[0].exists():
            here, there = map(sqlite3.connect, boards)
            with closing(here), closing(there):
                here.backup(there)
            boards[1].chmod(0o600)
        copy = Place(root)
        copy._move()
        return copy

    def copy_home(self, role: str, name: str) -> Path:
        """A role's home under another name, also while its program writes there."""
        copy = self.root / name
        shutil.copytree(self.root / role, copy, ignore=shutil.ignore_patterns(*UNFINISHED))
        return copy

    def _move(self) -> None:
        """To ports of its own."""
        public, private = free_ports()
        server = self.root / "election/server/server.json"
        server.write_text(json.dumps({"public_port": public, "roles_port": private}))
        for file in self.root.rglob("*.json"):
            document = json.loads(file.read_text())
            if isinstance(document, Mapping) and "roles_address" in document:
                moved = {
                    "roles_address": f"{HOST}:{private}",
                    "public_address": f"{HOST}:{public}",
                }
                file.write_text(json.dumps({**document, **moved}))
