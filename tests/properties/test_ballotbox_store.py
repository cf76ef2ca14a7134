"""The server's database: whose it is, who has it open, and what became of its bytes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ballotbox.errors import (
    StoreDamaged,
    StoreExists,
    StoreFailed,
    StoreForeign,
    StoreInUse,
    StoreMissing,
    StoreUnsupported,
)
from ballotbox.store import SqliteStore, StoredCheckpoint, kind_of, read_all
from crypto.errors import Malformed
from crypto.parameters import TOY
from record.state import Phase
from tests.world import World

BASE_HASH = b"h" * 32


@pytest.fixture(scope="module")
def artifacts() -> list[bytes]:
    """Some real artifacts."""
    return World.create(TOY[-1], until=Phase.OPEN).data()


@pytest.fixture
def path(tmp_path: Path, artifacts: list[bytes]) -> Path:
    """A database with all of them, closed."""
    path = tmp_path / "board.db"
    store = SqliteStore.create(path, BASE_HASH)
    for index, data in enumerate(artifacts):
        store.append(index, data)
    store.close()
    return path


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """The same, open."""
    store = SqliteStore.open(path, BASE_HASH)
    yield store
    store.close()


def behind_its_back(path: Path, statement: str, *values: object) -> None:
    """Change the closed database without our code."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_what_is_stored_is_read_back(store: SqliteStore, artifacts: list[bytes]) -> None:
    """After closing and opening: size, ranges, hashes, kinds."""
    assert store.size() == len(artifacts)
    assert list(store.read(0, 100)) == artifacts
    assert list(store.read(2, 3)) == artifacts[2:5]
    assert list(read_all(store, len(artifacts))) == artifacts
    assert store.find(hashlib.sha256(artifacts[4]).digest()) == 4
    assert store.find(bytes(32)) is None
    assert kind_of(artifacts[0]) == 1


def test_bytes_that_are_no_artifact_are_not_stored(store: SqliteStore) -> None:
    """The last line of defence knows nothing but the kind."""
    size = store.size()
    with pytest.raises(Malformed):
        store.append(size, b"garbage")
    assert store.size() == size


def test_the_file_is_its_owners_alone(path: Path) -> None:
    """Mode 0600, also that of SQLite's other files."""
    store = SqliteStore.open(path, BASE_HASH)
    store.save_nonce_shares(1, 1, {bytes(32): b"x"})
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


def test_a_store_is_made_once_and_for_one_election(path: Path, tmp_path: Path) -> None:
    """Creating again, opening for another election, opening nothing: refused."""
    with pytest.raises(StoreExists):
        SqliteStore.create(path, BASE_HASH)
    with pytest.raises(StoreForeign, match="another election"):
        SqliteStore.open(path, b"i" * 32)
    with pytest.raises(StoreMissing, match="restore it"):
        SqliteStore.open(tmp_path / "none.db", BASE_HASH)


def test_an_interrupted_creation_can_be_repeated(tmp_path: Path) -> None:
    """What a crash leaves of it is an empty file, and that is no election's."""
    (tmp_path / "board.db").touch()
    store = SqliteStore.create(tmp_path / "board.db", BASE_HASH)
    assert store.size() == 0
    store.close()


def test_two_servers_never_open_one_database(path: Path) -> None:
    """The second is told so at once; when the first ends, the next may."""
    first = SqliteStore.open(path, BASE_HASH)
    with pytest.raises(StoreInUse, match="fork"):
        SqliteStore.open(path, BASE_HASH)
    first.close()
    SqliteStore.open(path, BASE_HASH).close()


def test_another_schema_is_refused_by_name(path: Path) -> None:
    """A newer version's database is not touched."""
    behind_its_back(path, "UPDATE meta SET value = ? WHERE name = 'schema'", b"sailau-board/2")
    before = path.read_bytes()
    with pytest.raises(StoreUnsupported, match="sailau-board/2"):
        SqliteStore.open(path, BASE_HASH)
    assert path.read_bytes() == before


def _zero_a_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    page = 2 * 4096
    data[page : page + 4096] = bytes(4096)
    path.write_bytes(data)


def _no_database(path: Path) -> None:
    path.write_bytes(b"this is not SQLite" * 1000)


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


@pytest.mark.parametrize("damage", [_zero_a_page, _no_database, _truncated])
def test_a_damaged_file_is_noticed_at_the_start(path: Path, damage: Callable[[Path], None]) -> None:
    """The error says which file, and what to do; the lock is given back."""
    damage(path)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="Restore the newest backup") as caught:
            SqliteStore.open(path, BASE_HASH)
        assert str(path) in str(caught.value)


def test_a_changed_artifact_is_noticed_when_it_is_read(path: Path, artifacts: list[bytes]) -> None:
    """Its bytes do not have the hash under which they were stored."""
    changed = artifacts[2][:-1] + bytes([artifacts[2][-1] ^ 1])
    behind_its_back(path, "UPDATE artifacts SET data = ? WHERE idx = 2", changed)
    store = SqliteStore.open(path, BASE_HASH)
    assert list(store.read(0, 2)) == artifacts[:2]
    with pytest.raises(StoreDamaged, match="artifact 2"):
        store.read(2, 1)
    store.close()


def test_a_missing_artifact_is_noticed(path: Path) -> None:
    """A gap in the order is no order."""
    behind_its_back(path, "DELETE FROM artifacts WHERE idx = 2")
    store = SqliteStore.open(path, BASE_HASH)
    with pytest.raises(StoreDamaged):
        store.size()
    with pytest.raises(StoreDamaged, match="artifact 2 is missing"):
        store.read(0, 5)
    store.close()


def test_a_missing_table_is_noticed(path: Path) -> None:
    """A half restored database does not start a server."""
    behind_its_back(path, "DROP TABLE nonce_shares")
    with pytest.raises(StoreDamaged, match="a table is missing"):
        SqliteStore.open(path, BASE_HASH)


def test_an_index_is_given_once(store: SqliteStore, artifacts: list[bytes]) -> None:
    """Neither an index nor the same bytes are stored twice."""
    with pytest.raises(Exception, match="UNIQUE"):
        store.append(len(artifacts), artifacts[0])
    assert store.size() == len(artifacts)


def test_a_store_that_cannot_write_says_so_and_keeps_what_it_has(
    store: SqliteStore, artifacts: list[bytes]
) -> None:
    """A full disk is neither damage nor success, and it passes."""
    database = store._database
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    share = {bytes(32): b"x" * 100_000}
    database._writer.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    database._writer.rollback()
    with pytest.raises(StoreFailed, match="full"):
        store.save_nonce_shares(1, 1, share)
    database._writer.exec_driver_sql("PRAGMA max_page_count = 1000000")
    database._writer.rollback()
    assert not store.nonce_shares(1)
    store.save_nonce_shares(1, 1, share)
    assert store.nonce_shares(1) == {bytes(32): {1: b"x" * 100_000}}
    assert store.size() == len(artifacts)


def test_nonce_shares_are_kept_by_session_trustee_and_code(store: SqliteStore) -> None:
    """A later share of the same place replaces the earlier one; sessions do not mix."""
    one, two = b"1" * 32, b"2" * 32
    store.save_nonce_shares(1, 1, {one: b"a", two: b"b"})
    store.save_nonce_shares(1, 3, {one: b"c"})
    store.save_nonce_shares(2, 1, {one: b"d"})
    store.save_nonce_shares(1, 1, {one: b"e"})
    store.save_nonce_shares(1, 1, {})
    assert store.nonce_shares(1) == {one: {1: b"e", 3: b"c"}, two: {1: b"b"}}
    assert store.nonce_shares(2) == {one: {1: b"d"}}
    assert store.nonce_shares(3) == {}


def test_checkpoints_are_kept_in_order(store: SqliteStore) -> None:
    """And only for trees whose artifacts are stored."""
    for size in (5, 7):
        store.add_checkpoint(StoredCheckpoint(size, bytes(32), b"note"))
    assert [c.size for c in store.checkpoints()] == [5, 7]
    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.add_checkpoint(StoredCheckpoint(store.size() + 1, bytes(32), b"note"))
