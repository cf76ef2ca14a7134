"""The server's database: whose it is, who has it open, and what became of its bytes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ballotbox.database import open_database
from ballotbox.errors import (
    StoreConflict,
    StoreDamaged,
    StoreExists,
    StoreFailed,
    StoreForeign,
    StoreInUse,
    StoreMissing,
    StoreUnsupported,
)
from ballotbox.sql_store import SqlStore
from ballotbox.store import (
    SqliteStore,
    StoredCheckpoint,
    create_store,
    is_dsn,
    kind_of,
    open_store,
    read_all,
)
from ballotbox.tables import LAYOUT
from crypto.errors import Malformed
from crypto.parameters import TOY
from record.state import Phase
from tests.world import World

BASE_HASH = b"h" * 32


@pytest.fixture(scope="module")
def artifacts() -> list[bytes]:
    """Some real artifacts."""
    return World.create(TOY[-1], until=Phase.OPEN).data()


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made: every test that asks for one runs on both kinds."""
    if request.param == "sqlite":
        return str(tmp_path / "board.db")
    return str(request.getfixturevalue("postgres_dsn"))


@pytest.fixture
def location(empty: str, artifacts: list[bytes]) -> str:
    """A store with all of them, closed."""
    return filled(empty, artifacts)


@pytest.fixture
def path(tmp_path: Path, artifacts: list[bytes]) -> Path:
    """The same, always a file."""
    return Path(filled(str(tmp_path / "board.db"), artifacts))


def filled(location: str, artifacts: list[bytes]) -> str:
    """Make a store with these artifacts and close it."""
    store = create_store(location, BASE_HASH)
    for index, data in enumerate(artifacts):
        store.append(index, data)
    store.close()
    return location


def opened(location: str) -> SqlStore:
    """A store that may be written."""
    store = open_store(location, BASE_HASH)
    assert store.wait_for_leadership(10)
    assert store.leads()
    return store


@pytest.fixture
def store(location: str) -> Iterator[SqlStore]:
    """The store with all artifacts, open."""
    store = opened(location)
    yield store
    store.close()


def behind_its_back(location: str | Path, statement: str, *values: object) -> None:
    """Change the closed database without our code."""
    if is_dsn(location):
        with psycopg.connect(str(location)) as session:
            session.execute(statement.replace("?", "%s").encode(), values or None)
        return
    connection = sqlite3.connect(location)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_what_is_stored_is_read_back(store: SqlStore, artifacts: list[bytes]) -> None:
    """After closing and opening: size, ranges, hashes, kinds."""
    assert store.size() == len(artifacts)
    assert list(store.read(0, 100)) == artifacts
    assert list(store.read(2, 3)) == artifacts[2:5]
    assert list(read_all(store, len(artifacts))) == artifacts
    assert store.find(hashlib.sha256(artifacts[4]).digest()) == 4
    assert store.find(bytes(32)) is None
    assert kind_of(artifacts[0]) == 1
    assert store.base_hash == BASE_HASH


def test_a_group_and_its_checkpoint_are_stored_together(empty: str, artifacts: list[bytes]) -> None:
    """From the empty log's checkpoint on, one transaction a group."""
    store = create_store(empty, BASE_HASH)
    assert store.newest_checkpoint() is None
    store.append(0, (), StoredCheckpoint(0, bytes(32), b"empty"))
    store.append(0, artifacts[:3], StoredCheckpoint(3, b"3" * 32, b"three"))
    store.append(3, artifacts[3:5], StoredCheckpoint(5, b"5" * 32, b"five"))
    store.close()
    store = opened(empty)
    assert list(store.read(0, 100)) == artifacts[:5]
    assert store.newest_checkpoint() == StoredCheckpoint(5, b"5" * 32, b"five")
    assert [known.note for known in store.checkpoints()] == [b"empty", b"three", b"five"]
    assert [known.size for known in store.checkpoints(1, 1)] == [3]
    store.close()


def test_a_group_is_stored_as_a_whole_or_not_at_all(empty: str, artifacts: list[bytes]) -> None:
    """An artifact that is there already, one that is none, a checkpoint that is there."""
    store = create_store(empty, BASE_HASH)
    store.append(0, artifacts[:2], StoredCheckpoint(2, bytes(32), b"note"))
    with pytest.raises(StoreConflict):
        store.append(2, [artifacts[2], artifacts[0]], StoredCheckpoint(4, bytes(32), b"x"))
    with pytest.raises(Malformed):
        store.append(2, [artifacts[2], b"garbage"])
    with pytest.raises(StoreConflict):
        store.append(2, (), StoredCheckpoint(2, bytes(32), b"another"))
    with pytest.raises(ValueError, match="another size"):
        store.append(2, [artifacts[2]], StoredCheckpoint(4, bytes(32), b"x"))
    assert store.size() == 2
    assert [known.note for known in store.checkpoints()] == [b"note"]
    store.append(2, artifacts[2:4], StoredCheckpoint(4, bytes(32), b"x"))
    assert list(store.read(0, 10)) == artifacts[:4]
    store.close()


@pytest.mark.parametrize("first", [0, 2, 4])
def test_a_group_begins_where_the_log_ends(empty: str, artifacts: list[bytes], first: int) -> None:
    """Whoever has another idea of the log's size has not seen what is in it."""
    store = create_store(empty, BASE_HASH)
    store.append(0, artifacts[:3])
    with pytest.raises(StoreConflict, match="has 3 artifacts"):
        store.append(first, artifacts[3:5])
    assert store.size() == 3
    store.close()


def test_bytes_that_are_no_artifact_are_not_stored(store: SqlStore) -> None:
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


def test_a_store_is_made_once_and_for_one_election(location: str) -> None:
    """Creating again, opening for another election: refused."""
    with pytest.raises(StoreExists):
        create_store(location, BASE_HASH)
    with pytest.raises(StoreForeign, match="another election"):
        open_store(location, b"i" * 32)


def test_a_store_that_is_not_there_is_not_begun_anew(empty: str) -> None:
    """An operator who has lost one must know it."""
    with pytest.raises(StoreMissing, match="restore it"):
        open_store(empty, BASE_HASH)


def test_an_interrupted_creation_can_be_repeated(tmp_path: Path) -> None:
    """What a crash leaves of it is an empty file, and that is no election's."""
    (tmp_path / "board.db").touch()
    store = SqliteStore.create(tmp_path / "board.db", BASE_HASH)
    assert store.size() == 0
    store.close()


def test_two_servers_never_open_one_file(path: Path) -> None:
    """The second is told so at once; when the first ends, the next may."""
    first = SqliteStore.open(path, BASE_HASH)
    with pytest.raises(StoreInUse, match="fork"):
        SqliteStore.open(path, BASE_HASH)
    first.close()
    SqliteStore.open(path, BASE_HASH).close()


# --- schemas


def test_another_schema_is_refused_by_name(location: str) -> None:
    """A newer version's database is not touched."""
    statement = "UPDATE meta SET value = ? WHERE name = 'schema'"
    behind_its_back(location, statement, b"sailau-board/99")
    before = None if is_dsn(location) else Path(location).read_bytes()
    with pytest.raises(StoreUnsupported, match="sailau-board/99"):
        open_store(location, BASE_HASH)
    assert before is None or Path(location).read_bytes() == before


def test_another_programs_database_is_refused(empty: str) -> None:
    """Its tables are not ours."""
    behind_its_back(empty, "CREATE TABLE others (id INTEGER)")
    with pytest.raises(StoreUnsupported, match="not one of our databases"):
        open_store(empty, BASE_HASH)
    with pytest.raises(StoreExists):
        create_store(empty, BASE_HASH)


SCHEMA_1 = (
    "CREATE TABLE meta (name VARCHAR NOT NULL, value BLOB NOT NULL, PRIMARY KEY (name))",
    "CREATE TABLE artifacts (idx INTEGER NOT NULL, kind INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY (idx), UNIQUE (sha256))",
    "CREATE TABLE nonce_shares (session INTEGER NOT NULL, trustee INTEGER NOT NULL,"
    " code BLOB NOT NULL, element BLOB NOT NULL, PRIMARY KEY (session, trustee, code))",
    "CREATE TABLE checkpoints (size INTEGER NOT NULL, last_idx INTEGER NOT NULL,"
    " root BLOB NOT NULL, note BLOB NOT NULL, PRIMARY KEY (size),"
    " FOREIGN KEY(last_idx) REFERENCES artifacts (idx))",
)


def make_schema_1(location: str, artifacts: list[bytes]) -> None:
    """A database as the first version made it."""
    for statement in SCHEMA_1:
        types = statement.replace("BLOB", "BYTEA") if is_dsn(location) else statement
        behind_its_back(location, types)
    for name, value in (("schema", b"sailau-board/1"), ("election", BASE_HASH)):
        behind_its_back(location, "INSERT INTO meta VALUES (?, ?)", name, value)
    for index, data in enumerate(artifacts):
        row = (index, kind_of(data), hashlib.sha256(data).digest(), data)
        behind_its_back(location, "INSERT INTO artifacts VALUES (?, ?, ?, ?)", *row)
    for size in (2, 5):
        row = (size, size - 1, bytes([size]) * 32, b"note %d" % size)
        behind_its_back(location, "INSERT INTO checkpoints VALUES (?, ?, ?, ?)", *row)
    share = (1, 2, b"c" * 32, b"element")
    behind_its_back(location, "INSERT INTO nonce_shares VALUES (?, ?, ?, ?)", *share)


def test_a_database_of_the_first_version_is_brought_up(empty: str, artifacts: list[bytes]) -> None:
    """Everything is found, and what the new schema has works."""
    make_schema_1(empty, artifacts)
    for _ in range(2):
        store = opened(empty)
        assert list(store.read(0, 100)) == artifacts
        assert list(store.checkpoints()) == [
            StoredCheckpoint(2, b"\2" * 32, b"note 2"),
            StoredCheckpoint(5, b"\5" * 32, b"note 5"),
        ]
        assert store.nonce_shares(1) == {b"c" * 32: {2: b"element"}}
        store.close()
    store = opened(empty)
    store.add_checkpoint(StoredCheckpoint(0, bytes(32), b"empty"))
    store.add_cosignatures(5, [b"line"])
    assert store.cosignatures(5) == [b"line"]
    assert store.hints(0, 100) == {}
    with pytest.raises(StoreConflict):
        store.add_checkpoint(StoredCheckpoint(store.size() + 1, bytes(32), b"note"))
    store.close()


def test_a_migration_that_fails_changes_nothing(empty: str, artifacts: list[bytes]) -> None:
    """It is one transaction; once the obstacle is gone, it is done."""
    make_schema_1(empty, artifacts)
    behind_its_back(empty, "CREATE TABLE cosignatures (id INTEGER)")
    with pytest.raises(StoreFailed, match="cosignatures"):
        open_store(empty, BASE_HASH)
    behind_its_back(empty, "UPDATE checkpoints SET last_idx = 0 WHERE size = 2")
    behind_its_back(empty, "DROP TABLE cosignatures")
    store = opened(empty)
    assert [known.size for known in store.checkpoints()] == [2, 5]
    store.close()


def test_a_foreign_database_is_not_brought_up(empty: str, artifacts: list[bytes]) -> None:
    """An operator who names the wrong one has changed nothing."""
    make_schema_1(empty, artifacts)
    with pytest.raises(StoreForeign):
        open_store(empty, b"i" * 32)
    with pytest.raises((sqlite3.Error, psycopg.Error), match="cosignatures"):
        behind_its_back(empty, "SELECT * FROM cosignatures")


def test_hints_are_kept_beside_their_artifacts(empty: str, artifacts: list[bytes]) -> None:
    """In the same transaction, or not at all; after opening again."""
    store = create_store(empty, BASE_HASH)
    store.append(0, artifacts[:3], None, {1: b"one", 2: b"two"})
    with pytest.raises(StoreConflict):
        store.append(3, artifacts[3:4], None, {2: b"again"})
    with pytest.raises(StoreConflict):
        store.append(3, artifacts[3:4], None, {9: b"of nothing"})
    assert store.size() == 3
    store.append(3, artifacts[3:4], None, {3: b"three"})
    store.close()
    store = opened(empty)
    assert store.hints(0, 10) == {1: b"one", 2: b"two", 3: b"three"}
    assert store.hints(2, 1) == {2: b"two"}
    assert store.hints(4, 10) == {}
    store.close()


# --- damage


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


def test_a_changed_artifact_is_noticed_when_it_is_read(
    location: str, artifacts: list[bytes]
) -> None:
    """Its bytes do not have the hash under which they were stored."""
    changed = artifacts[2][:-1] + bytes([artifacts[2][-1] ^ 1])
    behind_its_back(location, "UPDATE artifacts SET data = ? WHERE idx = 2", changed)
    store = open_store(location, BASE_HASH)
    assert list(store.read(0, 2)) == artifacts[:2]
    with pytest.raises(StoreDamaged, match="artifact 2"):
        store.read(2, 1)
    store.close()


def test_a_missing_artifact_is_noticed(location: str) -> None:
    """A gap in the order is no order."""
    behind_its_back(location, "DELETE FROM artifacts WHERE idx = 2")
    store = open_store(location, BASE_HASH)
    with pytest.raises(StoreDamaged):
        store.size()
    with pytest.raises(StoreDamaged, match="artifact 2 is missing"):
        store.read(0, 5)
    store.close()


def test_a_missing_table_is_noticed(location: str) -> None:
    """A half restored database does not start a server."""
    behind_its_back(location, "DROP TABLE nonce_shares")
    with pytest.raises(StoreDamaged, match="a table is missing"):
        open_store(location, BASE_HASH)


def test_an_artifact_is_stored_once(store: SqlStore, artifacts: list[bytes]) -> None:
    """The same bytes have one index."""
    with pytest.raises(StoreConflict):
        store.append(len(artifacts), artifacts[0])
    assert store.size() == len(artifacts)


def test_a_store_that_cannot_write_says_so_and_keeps_what_it_has(
    path: Path, artifacts: list[bytes]
) -> None:
    """A full disk is neither damage nor success, and it passes."""
    database = open_database(path, LAYOUT, {"election": BASE_HASH})
    store = SqlStore(database, BASE_HASH)
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
    store.close()


def test_nonce_shares_are_kept_by_session_trustee_and_code(store: SqlStore) -> None:
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


def test_checkpoints_are_kept_in_order(store: SqlStore) -> None:
    """And only for trees whose artifacts are stored."""
    for size in (5, 7):
        store.add_checkpoint(StoredCheckpoint(size, bytes(32), b"note"))
    assert [c.size for c in store.checkpoints()] == [5, 7]
    with pytest.raises(StoreConflict):
        store.add_checkpoint(StoredCheckpoint(store.size() + 1, bytes(32), b"note"))


def test_cosignatures_are_kept_with_their_checkpoint(store: SqlStore) -> None:
    """Each line once, however often a witness is asked, and however long it is."""
    for size in (3, 5, 7):
        store.add_checkpoint(StoredCheckpoint(size, bytes(32), b"note"))
    one, two, long = b"\xe2\x80\x94 one sig\n", b"\xe2\x80\x94 two sig\n", os.urandom(5000)
    store.add_cosignatures(3, [two, one, two])
    store.add_cosignatures(3, [one])
    store.add_cosignatures(7, [long])
    store.add_cosignatures(5, [])
    assert store.cosignatures(3) == [one, two]
    assert store.cosignatures(5) == []
    assert store.cosignatures(7) == [long]
    assert store.cosigned() == [3, 7]
    assert store.cosigned(4) == [7]
    assert store.cosigned(limit=1) == [3]
    with pytest.raises(StoreConflict):
        store.add_cosignatures(4, [one])
