"""Witnesses that answer well, slowly, wrongly, with lies, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.board import Board
from ballotbox.errors import StoreDamaged
from ballotbox.high_water import HighWater
from ballotbox.store import SqliteStore, StoredCheckpoint
from ballotbox.witnesses import Witnesses
from cli.checking_witnesses import ask_witnesses
from crypto.parameters import TOY
from observers.witness import NEVER, Answer, Latest, admit, decide, known_logs
from record.artifacts import Role
from record.checkpoint import Checkpoint, sign_checkpoint
from record.cosignature import cosign, cosigner_key
from record.policy import Log, Policy, Witness
from tests.world import World

Behaviour = Callable[[str, bytes], tuple[int, bytes, str]]


class Fake:
    """A witness in memory behind HTTP: the real decision, and whatever a test puts before it."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.secret = Ed25519PrivateKey.generate()
        public = self.secret.public_key().public_bytes_raw()
        self.key = cosigner_key(f"witness.example/{name}", public)
        self.name = name
        self.latest: Latest = NEVER
        self.asked: list[str] = []
        self.behaviour: Behaviour = self.answer

    def answer(self, path: str, body: bytes) -> tuple[int, bytes, str]:
        """What a witness answers."""
        if path.endswith("/checkpoint") and path != "/add-checkpoint":
            return (200, self.latest.note, "text/plain") if self.latest.note else (404, b"", "")
        logs = known_logs([Log(self.world.log_key)])
        request = admit(body, logs)
        if isinstance(request, Answer):
            return request.status, request.body, request.content_type
        answer = decide(
            request, self.latest, lambda text: cosign(text, self.key, self.secret, int(time.time()))
        )
        self.latest = answer.latest or self.latest
        return answer.status, answer.body, answer.content_type

    @contextmanager
    def listening(self) -> Iterator[Witness]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                self.answer(b"")

            def answer(self, body: bytes) -> None:
                fake.asked.append(self.path)
                status, data, kind = fake.behaviour(self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield Witness(self.name, self.key, f"http://127.0.0.1:{server.server_port}")
            server.shutdown()


class Watched:
    """A board and its policy's witnesses."""

    def __init__(self, directory: Path) -> None:
        self.world = World.create(TOY[-1])
        self.store = SqliteStore.create(directory / "board.db", self.world.context.base_hash)
        self.high_water = HighWater(directory / "high-water", self.world.log_key)
        self.board = Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(Role.SERVER),
            log_key=self.world.secrets.log,
            high_water=self.high_water,
        )

    def grow(self, count: int = 1) -> None:
        size = self.board.size()
        for data in self.world.data()[size : size + count]:
            self.board.append(data)

    def witnesses(self, *witnesses: Witness) -> Witnesses:
        policy = Policy((), witnesses)
        return Witnesses(self.board, policy, self.high_water, self.board.head)

    def cosigned(self, fake: Fake) -> list[int]:
        """The sizes that a witness has signed, each signature verified."""
        policy = Policy((Log(self.world.log_key),), (Witness(fake.name, fake.key),))
        found = []
        for size in self.store.cosigned():
            (checkpoint,) = self.store.checkpoints(size, 1)
            if policy.judge(self.board.note(checkpoint)).cosignatures:
                found.append(size)
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.store.close()


def test_a_witness_signs_one_checkpoint_after_the_other(watched: Watched) -> None:
    """With a proof from the last one; nothing is asked twice."""
    fake = Fake(watched.world, "north")
    with fake.listening() as witness:
        witnesses = watched.witnesses(witness)
        for _ in range(4):
            witnesses.ask_once(10)
            watched.grow(3)
        witnesses.ask_once(10)
        witnesses.ask_once(10)
        assert watched.cosigned(fake) == [1, 4, 7, 10, 13]
        # The first request learns that the witness knows nothing yet.
        assert len(fake.asked) == 6
        assert witnesses.notices() == ()
        assert [one.size for one in witnesses.standings()] == [13]
        # A server that was started again does not know what the witness knows.
        watched.grow(2)
        watched.witnesses(witness).ask_once(10)
        assert watched.cosigned(fake)[-1] == 14


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"", "text/plain"),
        (403, b"who are you\n", "text/plain"),
        (404, b"no\n", "text/plain"),
        (422, b"it does not hold\n", "text/plain"),
        (409, b"nonsense", "text/x.tlog.size"),
        (409, b"0\n", "text/plain"),
        (200, b"", "text/plain"),
        (200, b"nonsense\n", "text/plain"),
        (200, "— other AAAAAAAA\n".encode(), "text/plain"),
        (200, bytes(300_000), "text/plain"),
        (301, b"", "text/plain"),
    ],
)
def test_an_answer_that_is_none(watched: Watched, answer: tuple[int, bytes, str]) -> None:
    """Is a notice, nothing is stored, and the board goes on."""
    fake = Fake(watched.world, "north")
    fake.behaviour = lambda *_: answer
    with fake.listening() as witness:
        witnesses = watched.witnesses(witness)
        witnesses.ask_once(10)
        assert watched.store.cosigned() == []
        (notice,) = witnesses.notices()
        assert "north" in notice
        watched.grow()
        fake.behaviour = fake.answer
        witnesses.ask_once(10)
        witnesses.check()
        assert watched.cosigned(fake) == [2]
        assert witnesses.notices() == ()


def test_a_false_cosignature_is_not_kept(watched: Watched) -> None:
    """Made over another text."""
    fake = Fake(watched.world, "north")

    def lie(path: str, body: bytes) -> tuple[int, bytes, str]:
        line = cosign("other\n", fake.key, fake.secret, 1).line()
        return 200, line.encode(), "text/plain"

    fake.behaviour = lie
    with fake.listening() as witness:
        witnesses = watched.witnesses(witness)
        witnesses.ask_once(10)
        assert watched.store.cosigned() == []
        assert "does not fit" in witnesses.notices()[0]


def test_a_slow_witness_and_a_dead_one_delay_nobody(watched: Watched) -> None:
    """The third signs at once, and so does the board."""
    slow, good = Fake(watched.world, "slow"), Fake(watched.world, "good")
    gate = threading.Event()

    def wait(path: str, body: bytes) -> tuple[int, bytes, str]:
        gate.wait(300)
        return slow.answer(path, body)

    slow.behaviour = wait
    dead = Witness("dead", Fake(watched.world, "dead").key, "http://127.0.0.1:9")
    stop = threading.Event()
    with slow.listening() as one, good.listening() as two:
        witnesses = watched.witnesses(one, dead, two)
        running = threading.Thread(target=witnesses.run, args=(stop,))
        running.start()
        for size in (1, 4):
            begin = time.monotonic()
            while watched.cosigned(good)[-1:] != [size]:
                assert time.monotonic() - begin < 60
                time.sleep(0.01)
            begin = time.monotonic()
            watched.grow(3)
            witnesses.poke()
            assert time.monotonic() - begin < 60
        assert watched.cosigned(slow) == []
        assert any("dead" in notice for notice in witnesses.notices())
        gate.set()
        begin = time.monotonic()
        while not watched.cosigned(slow):
            assert time.monotonic() - begin < 60
            time.sleep(0.01)
        stop.set()
        running.join(60)


def test_a_witness_that_shows_a_larger_tree_stops_the_signing(watched: Watched) -> None:
    """With the log's own signature: this database is an older copy."""
    fake = Fake(watched.world, "north")
    larger = Checkpoint(watched.world.log_key.name, 50, bytes(32))
    note = sign_checkpoint(larger, watched.world.secrets.log)
    fake.latest = Latest(50, bytes(32), note)
    with fake.listening() as witness:
        witnesses = watched.witnesses(witness)
        witnesses.ask_once(10)
        with pytest.raises(StoreDamaged, match=r"older copy.*Nothing is signed"):
            witnesses.check()
        with pytest.raises(StoreDamaged, match="north"):
            watched.grow()


def test_a_witness_that_only_says_so_stops_no_board_that_runs(watched: Watched) -> None:
    """Before anything is served people have to look; later it is a notice."""
    fake = Fake(watched.world, "north")
    fake.behaviour = lambda path, _: (
        (409, b"50\n", "text/x.tlog.size") if path == "/add-checkpoint" else (404, b"", "")
    )
    with fake.listening() as witness:
        witnesses = watched.witnesses(witness)
        witnesses.ask_once(10)
        with pytest.raises(StoreDamaged, match="says it has cosigned"):
            witnesses.check()
        watched.grow()
        assert "does not show them" in witnesses.notices()[0]


@contextmanager
def dripping(witness: Witness) -> Iterator[Witness]:
    """A witness whose answer never ends, a byte at a time."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not over.wait(0.02):
                    self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield replace(witness, url=f"http://127.0.0.1:{server.server_port}")
        over.set()
        server.shutdown()


def test_an_answer_that_never_ends_is_given_up(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server that runs, and by whoever checks one before it serves."""
    fake = Fake(watched.world, "north")
    monkeypatch.setattr("ballotbox.witnesses._WHOLE", 1.0)
    monkeypatch.setattr("cli.checking_witnesses._WHOLE", 1.0)
    with dripping(Witness("north", fake.key)) as witness:
        witnesses = watched.witnesses(witness)
        witnesses.ask_once(10)
        assert "takes too long" in witnesses.notices()[0]
        (asked,) = ask_witnesses(Policy((), (witness,)), watched.board.head())
        assert "takes too long" in asked.trouble


def test_a_mistake_of_ours_is_a_notice_and_asked_again(watched: Watched) -> None:
    """It neither ends the thread that asks nor hides; what it is about is not said."""
    fake = Fake(watched.world, "north")
    heads = iter([KeyError("secret")])

    def head() -> StoredCheckpoint:
        for error in heads:
            raise error
        return watched.board.head()

    with fake.listening() as witness:
        policy = Policy((), (witness,))
        witnesses = Witnesses(watched.board, policy, watched.high_water, head)
        witnesses.ask_once(10)
        assert [one.problem for one in witnesses.standings()] == ["KeyError"]
        witnesses.ask_once(10)
        assert watched.cosigned(fake) == [1]
        assert witnesses.notices() == ()


def test_a_witness_without_a_url_is_not_asked(watched: Watched) -> None:
    """Its cosignatures come some other way, or not at all."""
    witnesses = watched.witnesses(Witness("north", Fake(watched.world, "north").key))
    witnesses.ask_once(1)
    assert witnesses.standings() == ()
