"""A board that cannot be written or read: whoever asks is told so, and the log is not filled."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from ballotbox import once
from ballotbox.errors import StoreContradicted, StoreDamaged, StoreError, StoreFailed
from ballotbox.high_water import Head, Source, behind
from cli.serve_metrics import board_gauges
from identity.roles import Role
from record.artifacts import DeviceMissing
from rpc.errors import status_of
from sailau.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    ballot_box_pb2,
    bulletin_board_pb2,
    bulletin_board_pb2_grpc,
)
from tests.ballots import encrypt
from tests.system.living import Cosigner, LivePlace, policy_file
from tests.system.polls import FULL, Polls, failure
from tests.system.programs import Place, wait_until

pytestmark = pytest.mark.system

CODE = grpc.StatusCode
WITNESS = "the checkpoint that the witness north has cosigned"
TIMEOUT = 60.0
ORDER = {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "cast"}


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    polls = Polls(tmp_path)
    with polls.listening:
        polls.begin()
        yield polls
    polls.store.close()


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test of this process has logged is logged again."""
    monkeypatch.setattr(once, "_said", {})


class Asking:
    """The board's calls, raw, on the public listener."""

    def __init__(self, polls: Polls) -> None:
        self.stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(
            polls.listening.public_channel()
        )

    def status(self) -> bulletin_board_pb2.GetStatusResponse:
        request = bulletin_board_pb2.GetStatusRequest()
        answer: bulletin_board_pb2.GetStatusResponse = self.stub.GetStatus(request, timeout=TIMEOUT)
        return answer

    def checkpoint(self) -> bytes:
        request = bulletin_board_pb2.GetCheckpointRequest()
        note: bytes = self.stub.GetCheckpoint(request, timeout=TIMEOUT).checkpoint
        return note

    def artifacts(self) -> list[bytes]:
        request = bulletin_board_pb2.ReadArtifactsRequest()
        return [one.artifact for one in self.stub.ReadArtifacts(request, timeout=TIMEOUT)]

    def code(self, code: bytes) -> int:
        request = bulletin_board_pb2.LookUpCodeRequest(confirmation_code=code)
        index: int = self.stub.LookUpCode(request, timeout=TIMEOUT).ballot_index
        return index


def submitting(polls: Polls) -> Callable[[], object]:
    """A call with a ballot that is right."""
    artifact = polls.world.sign(encrypt(polls.world, FULL).ballot).data
    request = ballot_box_pb2.SubmitRequest(artifact=artifact)
    return lambda: polls.ballot_box.Submit(request, timeout=TIMEOUT)


def told(call: Callable[[], object], *words: str) -> str:
    """What a call is told that the board cannot answer: to come again, in a sentence."""
    code, info = failure(call)
    assert code is CODE.UNAVAILABLE
    assert info.reason == "Unavailable"
    said: str = info.metadata["problem"]
    assert not said.endswith(("\u2026", "."))
    for word in words:
        assert word in said, said
    return said


# --- sound, and behind what was signed


def test_reads_go_on_while_others_know_a_larger_tree(
    polls: Polls, caplog: pytest.LogCaptureFixture
) -> None:
    """All that is stored is answered; status and refusals say what to do; the log says it once."""
    code = polls.submit(polls.device_client()).confirmation_code
    size, asking, submit = polls.board.size(), Asking(polls), submitting(polls)
    assert list(asking.status().notices) == []
    checkpoint, artifacts = asking.checkpoint(), asking.artifacts()
    polls.board._high_water.report(WITNESS, size + 2)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            words = ("older copy", f"ends at {size}", WITNESS, f"of {size + 2}", "--recover")
            told(submit, *words, "docs/operations.md", "devices keep what they have")
            status = asking.status()
            (notice,) = status.notices
            assert notice.startswith("The server's database is an older copy")
            assert all(word in notice for word in words)
            assert (status.size, status.phase) == (size, bulletin_board_pb2.PHASE_OPEN)
            assert status.submitted == 1
            assert asking.checkpoint() == checkpoint
            assert asking.artifacts() == artifacts
            assert asking.code(code) == size - 1
    assert len(caplog.records) == 1
    assert "must not fork" in caplog.text
    assert polls.store.size() == size


def test_an_older_copy_is_noticed_while_a_group_is_under_way(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the signature: then all is read anew, and told as before."""
    polls.submit(polls.device_client())
    asking, size, settle = Asking(polls), polls.board.size(), polls.board._store_group

    def late(*group: object) -> None:
        polls.board._high_water.report(WITNESS, size + 1)
        settle(*group)  # type: ignore[arg-type]

    monkeypatch.setattr(polls.board, "_store_group", late)
    told(submitting(polls), "older copy")
    assert len(asking.artifacts()) == size
    assert asking.status().size == size
    assert "older copy" in asking.status().notices[0]


def test_an_administrator_is_told_as_well(polls: Polls) -> None:
    """What an administrator publishes is neither taken nor called wrong."""
    polls.board._high_water.report(WITNESS, polls.board.size() + 1)
    stub = administration_pb2_grpc.AdministrationServiceStub(
        polls.listening.role_channel(Role.ADMINISTRATOR, "administrator")
    )
    missing = polls.world.sign(DeviceMissing("ballot-box-2", "lost")).data
    request = administration_pb2.PublishRequest(artifact=missing)
    told(lambda: stub.Publish(request, timeout=TIMEOUT), "older copy")


# --- damaged


def test_a_damaged_board_shows_nothing_as_right(
    polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads get a sentence, status answers with what was known last; the log says it once."""
    code = polls.submit(polls.device_client()).confirmation_code
    size, asking, submit = polls.board.size(), Asking(polls), submitting(polls)

    def full(*_: object) -> None:
        raise StoreFailed("/srv/board.sqlite: database or disk is full")

    def changed(first: int, limit: int) -> Sequence[bytes]:
        raise StoreDamaged("artifact 3 of /srv/board.sqlite was changed")

    monkeypatch.setattr(polls.store, "append", full)
    monkeypatch.setattr(polls.store, "read", changed)
    with caplog.at_level(logging.WARNING):
        told(submit, "try again")
        reads: list[Callable[[], object]] = [asking.checkpoint, asking.artifacts]
        for read in (*reads, lambda: asking.code(code), submit):
            for _ in range(3):
                said = told(read, "not what was written", "restore")
                assert "/srv" not in said
        for _ in range(3):
            status = asking.status()
            (notice,) = status.notices
            assert "not what was written" in notice
            assert "/srv" not in notice
            assert (status.size, status.phase) == (size, bulletin_board_pb2.PHASE_OPEN)
    assert caplog.text.count("artifact 3") == 1
    monkeypatch.undo()
    submit()
    assert list(asking.status().notices) == []
    assert len(asking.artifacts()) == size + 1


@pytest.mark.parametrize("thorough", [False, True])
def test_an_artifact_that_was_changed_is_not_shown(polls: Polls, thorough: bool) -> None:
    """In the database, under a running server: the others are, and a notice says what to do."""
    code = polls.submit(polls.device_client()).confirmation_code
    size, asking = polls.board.size(), Asking(polls)
    checkpoint, artifacts = asking.checkpoint(), asking.artifacts()
    with closing(sqlite3.connect(polls.directory / "board.db")) as database, database:
        other = artifacts[-1] + b"more"
        there = hashlib.sha256(other if thorough else artifacts[-1]).digest()
        change = "UPDATE artifacts SET data = ?, sha256 = ? WHERE idx = ?"
        changed = database.execute(change, (other, there, size - 1))
        assert changed.rowcount == 1
    told(asking.artifacts, "not what was written")
    told(lambda: asking.code(code), "not what was written")
    request = bulletin_board_pb2.ReadArtifactsRequest(limit=size - 1)
    before = [one.artifact for one in asking.stub.ReadArtifacts(request, timeout=TIMEOUT)]
    assert before == artifacts[:-1]
    assert asking.checkpoint() == checkpoint
    assert "not what was written" in asking.status().notices[0]


# --- full


def test_a_full_disk_is_in_the_notices(
    polls: Polls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """From the first group that could not be stored to the next that was; logged once."""
    polls.submit(polls.device_client())
    size, asking, submit = polls.board.size(), Asking(polls), submitting(polls)

    def full(*_: object) -> None:
        raise StoreFailed("/srv/board.sqlite: database or disk is full")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(polls.store, "append", full)
        for _ in range(4):
            assert "/srv" not in told(submit, "cannot store")
            (notice,) = asking.status().notices
            assert notice.startswith("The board cannot be written: ")
            assert "nothing that was acknowledged is lost" in notice
            assert "/srv" not in notice
        assert storing_failing(polls) == 1
        assert caplog.text.count("disk is full") == 1
        assert asking.status().size == len(asking.artifacts()) == size
    submit()
    assert list(asking.status().notices) == []
    assert storing_failing(polls) == 0


def storing_failing(polls: Polls) -> float:
    """What Prometheus is told."""
    found = board_gauges(polls.board, polls.board._high_water)()
    (number,) = [one.samples[0].value for one in found if one.name == "sailau_storing_failing"]
    return number


def test_a_board_that_others_write_to_says_so(polls: Polls) -> None:
    """Reads are answered meanwhile."""
    asking, size = Asking(polls), polls.board.size()
    polls.board.pause()
    assert "another one leads" in told(submitting(polls))
    status = asking.status()
    assert status.size == size
    assert "does not write now" in status.notices[0]
    polls.board.resume()
    assert list(asking.status().notices) == []


# --- every error


def kinds(root: type[StoreError]) -> Iterator[type[StoreError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", [*kinds(StoreError)])
def test_each_error_of_a_database_has_a_status(kind: type[StoreError]) -> None:
    """UNAVAILABLE, with a sentence that names no file and no machine."""
    secret = "postgresql://board@db.example:5432/election"
    error: StoreError = (
        behind(3, Head(5, b"", secret)) if kind is StoreContradicted else kind(secret)
    )
    status = status_of(error)
    assert status is not None
    assert status.code is CODE.UNAVAILABLE
    if kind is not StoreContradicted:  # whose own place is asked for below
        assert secret not in status.details


def test_a_contradiction_names_no_path() -> None:
    """The mark's and the published checkpoint's paths are for the log."""
    for source, words in (
        (Source.MARK, "the high-water mark is of 5"),
        (Source.PUBLISHED, "the published checkpoint is of 5"),
        (Source.REPORTED, f"{WITNESS} is of 5"),
    ):
        where = WITNESS if source is Source.REPORTED else "the file /srv/home/x"
        error = behind(3, Head(5, b"", where, source))
        assert where in str(error)
        assert words in error.told
        assert "/srv" not in error.told
        assert len(error.told) < 500


# --- programs


class Restored:
    """A server on an older copy, whose mark and published record went with its database.

    Only the witness knows, which is away: `size` artifacts were acknowledged, `older` are left.
    """

    def __init__(self, live: LivePlace) -> None:
        self.place, self.live = live.place, live
        live.configure(publish="published")
        self.witness = Cosigner(live, "north")
        policy_file(live, self.witness.line)
        server = live.serve()
        self.place.vote(1, ORDER)
        copy = self._backup()
        self.older = self.place.status().size
        self.place.vote(1, *[ORDER] * 5)
        self.size = self.place.status().size
        wait_until(lambda: live.published() == self.size and b"example/north" in live.note())
        self.witness.program.kill()
        server.kill()
        self._restore(copy)
        self.server = live.serve()

    def _backup(self) -> Path:
        copy = self.place.root / "older.sqlite"
        database = self.live.home / "board.sqlite"
        with closing(sqlite3.connect(database)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
        return copy

    def _restore(self, copy: Path) -> None:
        for left in self.live.home.glob("board.sqlite*"):
            left.unlink()
        database = self.live.home / "board.sqlite"
        shutil.copy(copy, database)
        database.chmod(0o600)
        (self.live.home / "high-water").unlink()
        shutil.rmtree(self.live.directory)

    def vote(self, n: int) -> tuple[str, str]:
        """One voter's answer, and what the device said on standard error."""
        result = self.place.device(n, ORDER).wait()
        assert result.code == 0, result
        return result.out, result.err


@pytest.mark.slow
def test_a_witness_that_comes_back_stops_an_older_copy(at: Callable[[str], Place]) -> None:
    """Status says what to do, the record may be read, devices go on; so says `serve --check`."""
    live = LivePlace(at("open"))
    place = live.place
    with place.running():
        restored = Restored(live)
        out, said = restored.vote(1)  # it knows more than the server, and says so
        assert '"provisional": true' in out
        assert "does not have ballot" in said
        assert "tell the administrator" in said
        place.vote(2, ORDER)
        size = place.status().size
        assert restored.older < size < restored.size

        restored.witness.program = restored.witness.run()
        wait_until(lambda: any("--recover" in one for one in place.status().notices))
        cosigned = f"a checkpoint of {restored.size} artifacts with our signature"
        assert any(cosigned in one for one in place.status().notices)
        with place.board() as board:
            assert len(list(board.read())) == size
        assert '"provisional": true' in restored.vote(2)[0]
        shown = place.run("election", "status", *place.admin[:2]).out
        assert "older copy" in " ".join(shown.split())
        found = live.check()
        for subject in ("high-water mark", "witness north"):
            assert found[subject]["verdict"] == "problem"
        said = restored.server.err.read_text()
        assert sum("must not fork" in line for line in said.splitlines()) == 1
        restored.server.stop()
