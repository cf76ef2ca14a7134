"""No fork, ever: older databases, full disks and other servers, and who notices."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ballotbox.board import Board
from ballotbox.errors import (
    StoreContradicted,
    StoreDamaged,
    StoreFailed,
    StoreNotLeading,
    StoreOutcomeUnknown,
)
from ballotbox.high_water import HighWater
from ballotbox.store import SqliteStore
from cli.serve_recovery import recover
from crypto.parameters import TOY
from identity.errors import KeystoreWriteFailed
from record.archive import ArchiveWriter
from record.artifacts import Role
from record.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from record.entry import entry_for
from record.merkle import leaf_hash, verify_consistency, verify_inclusion
from tests.ballots import Plain, device_statement, encrypt
from tests.world import World

FULL = Plain({"president": (0, 1, 0), "council": (2, 1)})


class Home:
    """A server's home: database, high-water mark and published directory."""

    def __init__(self, directory: Path) -> None:
        self.world = World.create(TOY[-1])
        self.path = directory / "board.db"
        self.mark = directory / "high-water"
        self.record = directory / "record"
        self.store = SqliteStore.create(self.path, self.world.context.base_hash)
        self.board = self.open_board()
        for data in self.world.data()[1:]:
            self.board.append(data)
        self.take(device_statement(self.world, "ballot-box-1"))

    def open_board(self) -> Board:
        return Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(Role.SERVER),
            log_key=self.world.secrets.log,
            high_water=HighWater(self.mark, self.world.log_key, self.record),
        )

    def reopen(self) -> Board:
        self.store.close()
        self.store = SqliteStore.open(self.path, self.world.context.base_hash)
        self.board = self.open_board()
        return self.board

    def take(self, statement: object) -> int:
        return self.board.append(self.world.append(statement).data)  # type: ignore[arg-type]

    def submit(self) -> int:
        return self.take(encrypt(self.world, FULL).ballot)

    def backup(self) -> None:
        """A copy of the database, as a careful administrator makes it."""
        self.store.close()
        shutil.copy(self.path, self.path.with_suffix(".backup"))
        self.reopen()

    def restore(self) -> None:
        self.store.close()
        for left in self.path.parent.glob("board.db-*"):
            left.unlink()
        shutil.copy(self.path.with_suffix(".backup"), self.path)
        self.store = SqliteStore.open(self.path, self.world.context.base_hash)

    def marked(self) -> Checkpoint:
        return verify_checkpoint(self.mark.read_bytes(), self.world.log_key)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.store.close()


def test_the_mark_is_the_newest_checkpoint(home: Home) -> None:
    """After every group, and after a restart."""
    for _ in range(3):
        home.submit()
        assert home.mark.read_bytes() == home.board.sign_checkpoint()
        assert home.marked().size == home.board.size()
    home.reopen()
    assert home.marked().size == home.board.size()


def test_a_mark_is_made_for_a_database_that_has_none(home: Home) -> None:
    """Of an older version."""
    home.store.close()
    home.mark.unlink()
    home.reopen()
    assert home.marked().size == home.board.size()


@pytest.mark.parametrize("known_by", ["the mark", "the directory"])
def test_a_restored_backup_signs_nothing_and_says_how_to_recover(home: Home, known_by: str) -> None:
    """The mark alone is enough, and so is the published checkpoint alone."""
    home.backup()
    home.submit()
    home.board.export(home.record)
    if known_by == "the mark":
        shutil.rmtree(home.record)
    else:
        home.mark.unlink()
    home.restore()
    before = len(home.store.checkpoints())
    with pytest.raises(StoreDamaged, match=r"older copy.*Nothing is signed.*--recover"):
        home.open_board()
    assert len(home.store.checkpoints()) == before


def test_an_older_copy_is_filled_up_from_the_published_record(home: Home, tmp_path: Path) -> None:
    """Then it is the same log, and goes on."""
    home.backup()
    size = home.board.size()
    for _ in range(3):
        home.submit()
    home.board.export(home.record)
    head = home.board.head()
    home.restore()
    assert recover(home.store, home.record, home.world.log_key) == 3
    home.board = home.open_board()
    assert home.board.head() == head
    assert home.board.size() == size + 3
    assert recover(home.store, home.record, home.world.log_key) == 0
    home.submit()
    other = World.create(TOY[-1])
    forked = ArchiveWriter(tmp_path / "other", home.world.log_key)
    forked.write(
        [home.world.artifacts[0].data, *other.data()[1:]],
        lambda made: sign_checkpoint(made, home.world.secrets.log),
    )
    with pytest.raises(StoreDamaged, match="differ"):
        recover(home.store, tmp_path / "other", home.world.log_key)


@pytest.mark.parametrize("moment", ["read", "append"])
def test_a_mirror_that_grows_meanwhile_is_taken_as_it_was(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Artifacts, size and note are of one checkpoint, whenever the next one comes."""
    home.backup()
    home.submit()
    home.board.export(home.record)
    head = home.board.head()
    home.submit()
    home.board.export(tmp_path / "later")
    home.restore()
    usual = getattr(SqliteStore, moment)

    def meanwhile(*given: Any) -> Any:
        shutil.copytree(tmp_path / "later", home.record, dirs_exist_ok=True)
        return usual(*given)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, moment, meanwhile)
        assert recover(home.store, home.record, home.world.log_key) == 1
    newest = home.store.newest_checkpoint()
    assert newest == head
    assert verify_checkpoint(newest.note, home.world.log_key).size == home.store.size()
    assert recover(home.store, home.record, home.world.log_key) == 1
    home.open_board().sign_checkpoint()


def test_another_history_under_the_mark_is_refused(home: Home) -> None:
    """The same size, another root."""
    home.backup()
    one, two = (home.world.sign(encrypt(home.world, FULL).ballot).data for _ in range(2))
    home.board.append(one)
    home.restore()
    home.mark.rename(home.mark.with_suffix(".kept"))
    home.open_board().append(two)
    home.mark.with_suffix(".kept").replace(home.mark)
    with pytest.raises(StoreDamaged, match="must not fork"):
        home.reopen()


def test_a_damaged_mark_is_not_begun_anew(home: Home) -> None:
    """Cut, empty, of another log."""
    for data in (home.mark.read_bytes()[:-20], b"", World.create(TOY[-1]).data()[0]):
        home.mark.write_bytes(data)
        with pytest.raises(StoreDamaged, match="high-water mark cannot be read"):
            home.reopen()


def test_nothing_is_told_before_the_mark_is_on_the_disk(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is stored, but neither acknowledged nor shown; later it is, once."""
    head, size = home.board.head(), home.board.size()
    ballot = home.world.sign(encrypt(home.world, FULL).ballot).data

    def full(*_: object) -> None:
        raise KeystoreWriteFailed("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ballotbox.high_water.replace_durably", full)
        for _ in range(2):
            with pytest.raises(StoreFailed, match="high-water mark"):
                home.board.append(ballot)
        assert home.board.head() == head
    assert home.store.size() == size + 1
    assert home.board.append(ballot) == size
    assert home.board.head().size == home.marked().size == size + 1


def test_before_each_signature_the_published_checkpoint_is_asked(home: Home) -> None:
    """A larger one that appears there while the server runs: another server has signed."""
    fork = Checkpoint(home.world.log_key.name, home.board.size() + 5, bytes(32))
    home.record.mkdir()
    (home.record / "checkpoint").write_bytes(sign_checkpoint(fork, home.world.secrets.log))
    size = home.store.size()
    with pytest.raises(StoreDamaged, match="published checkpoint"):
        home.submit()
    assert home.store.size() == size
    # What is not signed by the log says nothing about it.
    (home.record / "checkpoint").write_text("nonsense")
    home.board.append(home.world.artifacts[-1].data)
    assert home.store.size() == size + 1


def test_what_a_witness_reports_stops_the_signing(home: Home) -> None:
    """As the published checkpoint does."""
    high_water = home.board._high_water
    high_water.report("the witness north", home.board.size())
    home.submit()
    high_water.report("the witness north", home.board.size() + 1)
    size, head = home.board.size(), home.board.head()
    for _ in range(2):
        with pytest.raises(StoreContradicted, match="the witness north"):
            home.submit()
        assert (home.board.size(), home.board.head()) == (size, head)
        assert len(home.board.read_bytes(0, size + 1)) == size
        assert home.board.wait(size, 0.01) == size
    (notice,) = home.board.notices()
    assert "older copy" in notice


def test_a_contradiction_reads_nothing_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends is turned away before anything is proved, taken or read."""
    home.board._high_water.report("the witness north", home.board.size() + 1)

    def read(*_: object) -> None:
        raise AssertionError("the whole log was read for one call")

    monkeypatch.setattr(home.store, "read", read)
    monkeypatch.setattr(home.board._admission, "submit", read)
    with pytest.raises(StoreContradicted):
        home.submit()


def test_a_log_that_was_read_anew_beside_another_one_signs_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the other tree is a smaller one, which nobody looks at before a signature."""
    size = home.board.size()
    home.board._high_water.report("the witness north", size - 1, bytes(32))

    def full(*_: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(home.store, "append", full)
        with pytest.raises(StoreFailed):
            home.submit()
    assert home.board.size() == size
    with pytest.raises(StoreContradicted, match="not those of the witness north"):
        home.submit()
    assert "not the log that was signed" in home.board.notices()[0]


def test_a_lead_that_comes_back_to_an_older_copy_is_not_taken(home: Home) -> None:
    """Another server may have signed more: this one ends, as it would not start."""
    home.board.pause()
    second = home.open_board()
    second.append(home.world.append(encrypt(home.world, FULL).ballot).data)
    home.board._high_water.report("the witness north", second.size() + 1)
    assert "does not write now" in home.board.notices()[0]
    with pytest.raises(StoreContradicted, match="the witness north"):
        home.board.resume()
    assert home.board.paused


def test_proofs_hold_for_every_size(home: Home) -> None:
    """Inclusion of everything, consistency of every pair, under the stored checkpoints."""
    roots = {checkpoint.size: checkpoint.root for checkpoint in home.store.checkpoints()}
    data = home.world.data()
    for size, root in roots.items():
        for index in range(size):
            leaf = leaf_hash(entry_for(data[index]))
            proof = home.board.inclusion_proof(index, size)
            verify_inclusion(leaf, index, size, proof, root)
        for old in range(size + 1):
            if old in roots:
                proof = home.board.consistency_proof(old, size)
                verify_consistency(old, roots[old], size, root, proof)
    for index, size in ((0, 0), (5, 5), (0, len(data) + 1)):
        with pytest.raises(ValueError, match="no "):
            home.board.inclusion_proof(index, size)


# --- several servers and one database


def test_a_paused_board_accepts_nothing_and_goes_on(home: Home) -> None:
    """Readers read; what another server wrote meanwhile is there after `resume`."""
    home.board.pause()
    ballot = home.world.append(encrypt(home.world, FULL).ballot).data
    with pytest.raises(StoreNotLeading):
        home.board.append(ballot)
    size = home.board.size()
    second = home.open_board()
    second.append(ballot)
    head = second.head()
    assert home.board.size() == size
    home.board.resume()
    assert (home.board.size(), home.board.head()) == (size + 1, head)
    home.submit()


@pytest.mark.parametrize("error", [StoreNotLeading, StoreOutcomeUnknown])
def test_a_lost_lead_pauses_the_board(
    home: Home, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """It shows nothing that may not be stored, and reads all anew when it leads again."""
    size = home.board.size()
    ballot = home.world.append(encrypt(home.world, FULL).ballot).data
    append = home.store.append

    def lost(*group: Any) -> None:
        if error is StoreOutcomeUnknown:
            append(*group)
        raise error("gone")

    with monkeypatch.context() as patch:
        patch.setattr(home.store, "append", lost)
        with pytest.raises(error):
            home.board.append(ballot)
    assert home.board.paused
    for read in (home.board.size, home.board.head, lambda: home.board.look_up(bytes(32))):
        with pytest.raises(StoreNotLeading):
            read()
    home.board.resume()
    assert home.board.append(ballot) == size
    assert home.board.size() == size + 1


def test_who_waits_is_woken_by_groups(home: Home) -> None:
    """`subscribe` is called after each."""
    called = threading.Event()
    home.board.subscribe(called.set)
    home.submit()
    assert called.is_set()
