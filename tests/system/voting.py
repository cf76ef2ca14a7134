"""Devices under load, and whether the board holds what they were promised.

    voting = Voting(place, 1)            # one voter after the other, in a thread
    voting.wait_for(5)                   # five answers more
    voting.stop()
    check_receipts(list(board.read()), voting.answers())

An answer counts as soon as its line is printed: whatever is killed then, the board has to
hold the ballot once, at the index that the receipt says. A code that was provisional has to
be there in the end (`delivered`).
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ballotbox.client import BoardClient
from ballotbox.store import SqliteStore, create_store, read_all
from record.artifacts import parse_artifact
from record.election import check_election
from record.state import State, Status
from record.transcript import Transcript
from rpc.errors import NotFound, Unavailable
from tests.ports import HOST
from tests.system.programs import PATIENCE, Place, Program, wait_until

_WAITING = 2
"""Orders that a device has beyond the one it works on."""
_OFFLINE = 1.0
"""Seconds between two voters while codes are provisional, so that the line can catch up."""


class Voting:
    """One device, started again when it ends or was killed, until `stop`."""

    def __init__(self, place: Place, n: int, rng: random.Random | None = None) -> None:
        self._place, self._n = place, n
        self._rng = rng or random.Random(n)
        self._programs: list[Program] = []
        self._fed = 0
        self._lock = threading.Lock()
        self._stop, self._paused = threading.Event(), threading.Event()
        self._start()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def answers(self) -> list[dict[str, Any]]:
        """Everything that any of its programs has answered."""
        with self._lock:
            programs = tuple(self._programs)
        return [json.loads(line) for program in programs for line in program.lines()]

    def wait_for(self, count: int) -> None:
        """Until so many more receipts are there."""
        wanted = promised(self.answers()) + count
        deadline = time.monotonic() + PATIENCE
        while promised(self.answers()) < wanted:
            assert time.monotonic() < deadline, self._programs[-1].err.read_text()
            time.sleep(0.05)

    def said(self) -> list[str]:
        """What the newest of its programs said on standard error."""
        return self._programs[-1].err.read_text().splitlines()

    def kill(self) -> None:
        """SIGKILL to the program; it is started again."""
        with self._lock:
            self._programs[-1].kill()

    def pause(self) -> None:
        """No more voters for a while; returns when the last one has an answer."""
        self._paused.set()
        deadline = time.monotonic() + PATIENCE
        while not self._idle():
            assert time.monotonic() < deadline, self._programs[-1].err.read_text()
            time.sleep(0.05)

    def resume(self) -> None:
        """Voters come again."""
        self._paused.clear()

    def delivered(self) -> None:
        """No more voters, and every code that was ever answered is on the record."""
        self.pause()
        first = parse_artifact(
            (self._place.root / "election/server/election.artifact").read_bytes(), None
        )
        context = Transcript(first).context
        waiting = {bytes.fromhex(answer["confirmation_code"]) for answer in self.answers()}

        def found(code: bytes, board: BoardClient) -> bool:
            try:
                board.look_up(context, code)
            except (NotFound, Unavailable):
                return False
            return True

        def all_found() -> bool:
            with self._place.board() as board:
                while waiting and found(next(iter(waiting)), board):
                    waiting.pop()
            return not waiting

        wait_until(all_found)

    def stop(self) -> None:
        """No more voters; the last ones get their answers."""
        self._stop.set()
        self._thread.join(PATIENCE)
        result = self._programs[-1].wait()
        assert result.code == 0, result

    def _start(self) -> None:
        self._programs.append(self._place.device(self._n))
        self._fed = 0

    def _idle(self) -> bool:
        with self._lock:
            program = self._programs[-1]
            return program.running() and len(program.lines()) == self._fed

    def _feed(self) -> None:
        pause = 0.0
        while not self._stop.wait(0.02 + pause):
            with self._lock:
                program = self._programs[-1]
                lines = program.lines()
                pause = _OFFLINE if lines and json.loads(lines[-1]).get("provisional") else 0.0
                if not program.running():
                    time.sleep(0.2)
                    self._start()
                elif not self._paused.is_set() and self._fed - len(lines) <= _WAITING:
                    with suppress(BrokenPipeError):
                        program.feed(self._order())
                    self._fed += 1

    def _order(self) -> dict[str, Any]:
        then = self._rng.choices(("cast", "challenge", "abandon"), (8, 1, 1))[0]
        return {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": then}


def promised(answers: Iterable[dict[str, Any]]) -> int:
    """How many of the answers say a place on the board."""
    return sum(answer.get("index") is not None for answer in answers)


def check_receipts(artifacts: Sequence[bytes], answers: Iterable[dict[str, Any]]) -> State:
    """The record holds by its own rules, and every promise once, where it was promised.

    Codes without an index are not looked for: see `Voting.delivered`.
    """
    assert len(set(artifacts)) == len(artifacts)
    transcript = Transcript(parse_artifact(artifacts[0], None))
    for data in artifacts[1:]:
        transcript.append(transcript.parse(data))
    state = transcript.state
    codes = set()
    for answer in answers:
        assert "error" not in answer, answer
        if answer.get("index") is None:
            continue
        code = bytes.fromhex(answer["confirmation_code"])
        assert code not in codes, "one code for two voters"
        codes.add(code)
        ballot = state.ballots[code]
        assert ballot.index == answer["index"]
        receipt = answer.get("receipt")
        if receipt is not None:
            decided = receipt["kind"] != "submitted"
            assert receipt["index"] == (ballot.decided if decided else ballot.index)
            assert ballot.status is Status[receipt["kind"].upper()]
    return state


# --- a database that is not a file


def move_to_postgres(home: Path, dsn: str) -> None:
    """Put the board of a server's home, which does not run, into an empty database."""
    first = parse_artifact((home / "election.artifact").read_bytes(), None)
    base_hash = check_election(first).base_hash
    with (
        closing(SqliteStore.open(home / "board.sqlite", base_hash)) as file,
        closing(create_store(dsn, base_hash)) as store,
    ):
        store.append(0, list(read_all(file, file.size())))
        for checkpoint in file.checkpoints():
            store.add_checkpoint(checkpoint)
    (home / "board.sqlite").unlink()
    secret = home / "dsn"
    secret.touch(0o600)
    secret.write_text(dsn)
    settings = json.loads((home / "server.json").read_text())
    (home / "server.json").write_text(json.dumps({**settings, "database_file": "dsn"}))


class Forwarder:
    """A port that leads to whichever of several servers is said, as a virtual address does."""

    def __init__(self, port: int) -> None:
        self._target = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, port: int) -> None:
        """From now on there; connections to where it led before are ended."""
        with self._lock:
            self._target = port
            ended, self._open = self._open, set()
        for connection in ended:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all of it."""
        self._listener.close()
        self.lead_to(0)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            target = self._target
            try:
                server = socket.create_connection((HOST, target))
            except OSError:
                client.close()
                continue
            with self._lock:
                stale = target != self._target
                if not stale:
                    self._open |= {client, server}
            if stale:  # nobody would ever end it
                client.close()
                server.close()
                continue
            for pair in itertools.permutations((client, server)):
                threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()
