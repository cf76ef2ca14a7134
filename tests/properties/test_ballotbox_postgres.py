"""The store on PostgreSQL: who may write, and what is left when a server dies or fails over."""

from __future__ import annotations

import logging
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ballotbox import postgres
from ballotbox.dsn import Dsn, read_dsn
from ballotbox.epochs import lock_key
from ballotbox.errors import (
    StoreConflict,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreInUse,
    StoreNotLeading,
    StoreOutcomeUnknown,
    StoreUnsupported,
)
from ballotbox.sql_store import SqlStore
from ballotbox.store import StoredCheckpoint, create_store, open_store, read_all
from crypto.errors import Malformed
from identity.errors import KeystoreTooOpen
from tests.postgres import ADMIN, MISSING, Cluster, find_programs

BASE_HASH = b"h" * 32
PASSWORD = "Zx7-correct-horse"


def artifact(number: int) -> bytes:
    """Bytes that begin like an artifact; a store looks no further."""
    return b"\x0a\x04%04d" % (number % 10_000)


def group(first: int, count: int) -> list[bytes]:
    """The artifacts from `first` on."""
    return [artifact(number) for number in range(first, first + count)]


def checkpoint(size: int) -> StoredCheckpoint:
    """A checkpoint that says its size."""
    return StoredCheckpoint(size, bytes(32), b"checkpoint %d" % size)


def database_of(dsn: str) -> str:
    """The name of the database."""
    return psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]  # type: ignore[return-value]


@pytest.fixture
def store(postgres_dsn: str) -> Iterator[SqlStore]:
    """A leader with three artifacts."""
    store = create_store(postgres_dsn, BASE_HASH)
    store.append(0, group(0, 3), checkpoint(3))
    yield store
    store.close()


@pytest.fixture
def second(store: SqlStore, postgres_dsn: str) -> Iterator[SqlStore]:
    """Another server on the same database."""
    assert store.leads()
    second = open_store(postgres_dsn, BASE_HASH)
    yield second
    second.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost database is not waited for long. To be asked for before the stores."""
    monkeypatch.setattr(postgres, "PATIENCE", 0.5)


def end_sessions(cluster: Cluster, dsn: str) -> None:
    """What happens to every session when a database fails over."""
    cluster.terminate_sessions(database_of(dsn))


# --- one leader


def test_a_second_server_reads_and_waits(store: SqlStore, second: SqlStore) -> None:
    """It sees everything, writes nothing, and leads when the first has gone."""
    assert list(second.read(0, 10)) == group(0, 3)
    assert not second.leads()
    started = time.monotonic()
    assert not second.wait_for_leadership(0.4)
    assert time.monotonic() - started >= 0.4
    with pytest.raises(StoreNotLeading):
        second.append(3, artifact(3))
    store.append(3, artifact(3))
    assert second.size() == 4
    store.close()
    assert second.wait_for_leadership(60)
    assert second.leads()
    second.append(4, artifact(4))
    assert list(second.read(0, 10)) == group(0, 5)


def test_a_leader_whose_session_is_ended_does_not_write_again(
    store: SqlStore, second: SqlStore, postgres_dsn: str
) -> None:
    """The second takes over; the first changes nothing, until it leads anew."""
    with psycopg.connect(postgres_dsn, autocommit=True) as session:
        session.execute("SELECT pg_terminate_backend(%s, 10000)", (leader_pid(session),))
    assert second.wait_for_leadership(60)
    second.append(3, artifact(1003))
    for _ in range(2):
        with pytest.raises(StoreNotLeading):
            store.append(3, artifact(3), checkpoint(4))
        with pytest.raises(StoreNotLeading):
            store.add_cosignatures(3, [b"line"])
        with pytest.raises(StoreNotLeading):
            store.save_nonce_shares(1, 1, {bytes(32): b"x"})
        assert not store.leads()
    assert list(store.read(0, 10)) == [*group(0, 3), artifact(1003)]
    assert [known.size for known in store.checkpoints()] == [3]
    assert not store.cosignatures(3)
    second.close()
    assert store.wait_for_leadership(60)
    with pytest.raises(StoreConflict, match="has 4 artifacts"):
        store.append(3, artifact(3))
    store.append(4, artifact(4))


def leader_pid(session: psycopg.Connection[Any]) -> int:
    """The server process of the session that leads."""
    key = lock_key(BASE_HASH) & 0xFFFF_FFFF_FFFF_FFFF
    query = (
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND classid = %s AND objid = %s"
    )
    (row,) = session.execute(query, (key >> 32, key & 0xFFFF_FFFF)).fetchall()
    return int(row[0])


def test_a_leader_that_was_paused_is_fenced_off(store: SqlStore, second: SqlStore) -> None:
    """Even if it did not notice that its lock is gone: its epoch has ended."""
    with store._database.write() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
    assert second.wait_for_leadership(60)
    with pytest.raises(StoreNotLeading):
        store.append(3, artifact(3))
    assert not store.leads()
    second.append(3, artifact(4))
    assert list(second.read(0, 10)) == [*group(0, 3), artifact(4)]


def test_a_takeover_waits_for_a_transaction_that_is_on(store: SqlStore, second: SqlStore) -> None:
    """The row of the epoch settles who came first."""
    taken = threading.Event()

    def take() -> None:
        assert second.wait_for_leadership(60)
        taken.set()

    thread = threading.Thread(target=take)
    with store._database.write() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        thread.start()
        assert not taken.wait(0.7)
    thread.join()
    assert taken.is_set()
    with pytest.raises(StoreNotLeading):
        store.append(3, artifact(3))


def test_a_leader_that_nobody_replaced_goes_on(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """Its epoch has not ended, so nothing can have changed; nobody has to notice."""
    for number in range(3, 6):
        end_sessions(postgres_cluster, postgres_dsn)
        store.append(number, artifact(number))
    end_sessions(postgres_cluster, postgres_dsn)
    deadline = time.monotonic() + 60
    while not store.leads():
        assert time.monotonic() < deadline
    assert list(store.read(0, 10)) == group(0, 6)


def test_two_servers_race_for_every_index(postgres_dsn: str, postgres_cluster: Cluster) -> None:
    """While sessions are ended at random, every append that was acknowledged is there once."""
    create_store(postgres_dsn, BASE_HASH).close()
    acknowledged: dict[int, bytes] = {}
    stop = threading.Event()

    def serve(name: int) -> None:
        number = 0
        with closing(open_store(postgres_dsn, BASE_HASH)) as store:
            while not stop.is_set():
                try:
                    if not store.wait_for_leadership(0.2):
                        continue
                    size, data = store.size(), artifact(5000 * name + number)
                    number += 1
                    store.append(size, data)
                except StoreError:
                    continue
                assert acknowledged.setdefault(size, data) == data

    threads = [threading.Thread(target=serve, args=(name,)) for name in (0, 1)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.25)
        end_sessions(postgres_cluster, postgres_dsn)
    deadline = time.monotonic() + 60
    while len(acknowledged) <= 8:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    with closing(open_store(postgres_dsn, BASE_HASH)) as store:
        stored = dict(enumerate(read_all(store, store.size())))
    assert len(set(acknowledged.values())) == len(acknowledged) > 8
    assert {index: stored[index] for index in acknowledged} == acknowledged


# --- a server that dies


class Writer(threading.Thread):
    """Appends groups with their checkpoints until it is told to stop."""

    def __init__(self, store: SqlStore) -> None:
        super().__init__()
        self.store = store
        self.acknowledged = store.size()
        self.errors: list[StoreError] = []
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            first = self.acknowledged
            try:
                self.store.append(first, group(first, 3), checkpoint(first + 3))
            except StoreError as error:
                self.errors.append(error)
                time.sleep(0.05)
            else:
                self.acknowledged = first + 3

    def reach(self, size: int) -> None:
        """Wait until so many are acknowledged."""
        deadline = time.monotonic() + 60
        while self.acknowledged < size:
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.01)


@pytest.mark.parametrize("how", [Cluster.kill, Cluster.crash, Cluster.stop])
def test_what_was_acknowledged_survives_the_server(
    store: SqlStore, postgres_cluster: Cluster, how: Callable[[Cluster], None]
) -> None:
    """Killed or restarted in the middle of appends: each is there once, none is missing."""
    writer = Writer(store)
    writer.start()
    for _ in range(3):
        writer.reach(writer.acknowledged + 9)
        how(postgres_cluster)
        time.sleep(0.1)
        before = writer.acknowledged
        postgres_cluster.start()
        writer.reach(before + 9)
    writer.stop.set()
    writer.join()
    assert all(type(error) is StoreFailed for error in writer.errors), writer.errors
    size = writer.acknowledged
    assert store.size() == size
    assert list(read_all(store, size)) == group(0, size)
    assert [known.size for known in store.checkpoints()] == list(range(3, size + 1, 3))


def test_a_server_that_is_gone_is_an_error_that_passes(
    impatient: None, store: SqlStore, postgres_cluster: Cluster
) -> None:
    """Nothing is stored meanwhile; afterwards the store goes on as it is."""
    postgres_cluster.stop()
    try:
        assert not store.leads()
        with pytest.raises(StoreFailed):
            store.append(3, artifact(3))
        with pytest.raises(StoreFailed):
            store.size()
        assert not store.wait_for_leadership(0)
    finally:
        postgres_cluster.start()
    store.append(3, artifact(3))
    assert list(store.read(0, 10)) == group(0, 4)


def test_a_database_that_lost_what_it_acknowledged_is_never_written_again(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """As after a failover to a standby that was behind."""
    database = database_of(postgres_dsn)
    postgres_cluster.execute("UPDATE leaders SET writes = writes - 1", database)
    with pytest.raises(StoreDamaged, match="has lost what it had acknowledged"):
        store.append(3, artifact(3))
    end_sessions(postgres_cluster, postgres_dsn)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="has lost what it had acknowledged"):
            store.append(3, artifact(3))
        with pytest.raises(StoreDamaged, match="has lost what it had acknowledged"):
            store.wait_for_leadership(1)
    assert store.size() == 3


# --- commits without an answer


class Proxy:
    """Between a store and its server; `cut` says how the next commit goes wrong.

    "before": the server never hears of it. "after": the answer is lost. "late": the same,
    and the server keeps the old session for a while. With `then_refuse` nobody comes
    through afterwards until `refuse` is cleared.
    """

    def __init__(self, directory: Path, server: Path) -> None:
        self.directory = directory
        self.cut: str | None = None
        self.then_refuse = self.refuse = False
        self._server = str(server / ".s.PGSQL.5432")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):  # either may end at any moment
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if self.cut and source is client and b"COMMIT" in data:
                        self._break(client, server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _break(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        how, self.cut = self.cut, None
        self.refuse = self.then_refuse
        if how == "before":
            return
        server.sendall(data)
        server.recv(1 << 16)
        client.close()
        if how == "late":
            time.sleep(1)


@pytest.fixture
def proxy(postgres_cluster: Cluster) -> Iterator[Proxy]:
    """A socket of its own."""
    directory = postgres_cluster.directory / f"proxy-{time.monotonic_ns()}"
    directory.mkdir()
    proxy = Proxy(directory, postgres_cluster.directory)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(store: SqlStore, proxy: Proxy, postgres_dsn: str) -> Iterator[SqlStore]:
    """The leader, behind the proxy."""
    store.close()
    dsn = f"postgresql://cluster_admin@/{database_of(postgres_dsn)}?host={proxy.directory}"
    proxied = open_store(dsn, BASE_HASH)
    assert proxied.wait_for_leadership(60)
    yield proxied
    proxied.close()


@pytest.mark.parametrize("how", ["after", "late"])
def test_a_commit_whose_answer_is_lost_is_read_back(
    proxied: SqlStore, proxy: Proxy, how: str
) -> None:
    """It was done, so it is not done again, and the next goes on from there."""
    proxy.cut = how
    proxied.append(3, group(3, 2), checkpoint(5))
    assert proxy.cut is None
    proxied.append(5, artifact(5))
    assert list(proxied.read(0, 10)) == group(0, 6)


def test_a_commit_that_never_arrived_is_an_error(proxied: SqlStore, proxy: Proxy) -> None:
    """Nothing was stored, and trying again stores it once."""
    proxy.cut = "before"
    with pytest.raises(StoreFailed):
        proxied.append(3, group(3, 2), checkpoint(5))
    assert proxy.cut is None
    assert proxied.size() == 3
    proxied.append(3, group(3, 2), checkpoint(5))
    assert list(proxied.read(0, 10)) == group(0, 5)


@pytest.mark.parametrize(("how", "stored"), [("after", True), ("before", False)])
def test_another_leader_does_not_hide_the_outcome(
    proxied: SqlStore, proxy: Proxy, postgres_dsn: str, how: str, stored: bool
) -> None:
    """Who took over meanwhile may have written; the ended epoch still has the count."""
    second = open_store(postgres_dsn, BASE_HASH)

    def take_over() -> None:
        assert second.wait_for_leadership(60)
        second.append(second.size(), artifact(1000))
        proxy.refuse = False

    thread = threading.Thread(target=take_over)
    thread.start()
    proxy.cut, proxy.then_refuse = how, True
    if stored:
        proxied.append(3, artifact(3))
    else:
        with pytest.raises(StoreNotLeading):
            proxied.append(3, artifact(3))
    thread.join()
    assert not proxied.leads()
    with pytest.raises(StoreNotLeading):
        proxied.append(proxied.size(), artifact(4))
    assert list(second.read(0, 10)) == [*group(0, 4 if stored else 3), artifact(1000)]
    second.close()


def test_an_outcome_that_stays_unknown_is_said(
    impatient: None, proxied: SqlStore, proxy: Proxy
) -> None:
    """The store stops leading, so that its owner reads the state anew."""
    proxy.cut, proxy.then_refuse = "after", True
    with pytest.raises(StoreOutcomeUnknown):
        proxied.append(3, artifact(3))
    with pytest.raises(StoreNotLeading):
        proxied.append(3, artifact(3))
    proxy.refuse = False
    assert proxied.wait_for_leadership(60)
    assert proxied.size() == 4
    proxied.append(4, artifact(4))
    assert list(proxied.read(0, 10)) == group(0, 5)


def test_an_outcome_is_not_guessed_when_the_database_changed_hands(
    proxied: SqlStore, proxy: Proxy, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """A newer program brought the schema up in the very moment."""
    proxy.cut, proxy.then_refuse = "after", True

    def bring_up() -> None:
        time.sleep(0.3)
        statement = "UPDATE meta SET value = 'sailau-board/99' WHERE name = 'schema'"
        postgres_cluster.execute(statement, database_of(postgres_dsn))
        proxy.refuse = False

    thread = threading.Thread(target=bring_up)
    thread.start()
    with pytest.raises(StoreOutcomeUnknown):
        proxied.append(3, artifact(3))
    thread.join()
    with pytest.raises(StoreUnsupported, match="sailau-board/99"):
        proxied.wait_for_leadership(1)


# --- the server's disk, and its standby


@pytest.mark.parametrize(("state", "hint"), [("53100", "disk full"), ("58030", "failing")])
def test_errors_of_the_servers_disk_change_nothing(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str, state: str, hint: str
) -> None:
    """They are no damage, and they pass."""
    database = database_of(postgres_dsn)
    postgres_cluster.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{state}'; END $$",
        database,
    )
    postgres_cluster.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON checkpoints EXECUTE FUNCTION fail()", database
    )
    with pytest.raises(StoreFailed, match=hint):
        store.append(3, artifact(3), checkpoint(4))
    assert store.size() == 3
    postgres_cluster.execute("DROP TRIGGER fail ON checkpoints", database)
    store.append(3, artifact(3), checkpoint(4))
    assert store.size() == 4


def test_a_database_that_may_only_be_read(
    impatient: None, store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """As a standby is."""
    database = database_of(postgres_dsn)
    postgres_cluster.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    end_sessions(postgres_cluster, postgres_dsn)
    with pytest.raises(StoreFailed, match="read-only"):
        store.append(3, artifact(3))
    postgres_cluster.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    store.append(3, artifact(3))


def test_a_page_that_was_changed_on_the_disk_is_damage(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """PostgreSQL's checksums notice it; the error says what to do."""
    query = "SELECT pg_relation_filepath('artifacts')"
    ((name,),) = postgres_cluster.execute(query, database_of(postgres_dsn))
    postgres_cluster.stop()
    try:
        with (postgres_cluster.data / name).open("r+b") as file:
            file.seek(4000)
            file.write(b"damage")
    finally:
        postgres_cluster.start()
    with pytest.raises(StoreDamaged, match="Restore the newest backup"):
        store.read(0, 10)


def test_a_wait_for_a_standby_that_is_cut_short_is_not_success(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """PostgreSQL only warns. The append returns when a standby would have it."""
    thread = threading.Thread(target=store.append, args=(3, artifact(3)))
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    postgres_cluster.configure("synchronous_standby_names", "nobody")
    try:
        thread.start()
        deadline = time.monotonic() + 60
        for _ in range(2):
            while not (pids := postgres_cluster.execute(waiting)):
                assert time.monotonic() < deadline
            postgres_cluster.execute(f"SELECT pg_cancel_backend({pids[0][0]})")
            thread.join(0.3)
            assert thread.is_alive()
    finally:
        postgres_cluster.configure("synchronous_standby_names", "")
    thread.join()
    assert list(store.read(0, 10)) == group(0, 4)


def test_a_server_that_does_not_sync_is_not_used(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """What it acknowledges is not on its disk."""
    store.close()
    reader = open_store(postgres_dsn, BASE_HASH)
    postgres_cluster.configure("fsync", "off")
    try:
        with pytest.raises(StoreUnsupported, match="fsync"):
            reader.wait_for_leadership(60)
    finally:
        postgres_cluster.configure("fsync", "on")
    assert reader.wait_for_leadership(60)
    reader.close()


def test_sessions_commit_to_the_disk_whatever_the_default(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """`synchronous_commit` may be stronger than `on`, never weaker."""
    database = database_of(postgres_dsn)
    for default, expected in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
        postgres_cluster.execute(f"ALTER DATABASE {database} SET synchronous_commit = {default}")
        end_sessions(postgres_cluster, postgres_dsn)
        with store._database.write() as connection:
            found = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        assert found == expected


def test_a_standby_takes_over_with_everything() -> None:
    """The first server is killed for good; its synchronous standby has what was acknowledged."""
    programs = find_programs()
    if programs is None:
        pytest.skip(MISSING)
    primary = Cluster.create(programs)
    standby = Cluster(programs)
    try:
        standby.copy(primary)
        primary.configure("synchronous_standby_names", "*")
        primary.execute("CREATE DATABASE election")
        store = create_store(primary.dsn("election", standby), BASE_HASH)
        writer = Writer(store)
        writer.start()
        writer.reach(9)
        primary.kill()
        time.sleep(0.2)
        before = writer.acknowledged
        standby.run("pg_ctl", "promote", "--wait")
        writer.reach(before + 9)
        writer.stop.set()
        writer.join()
        size = writer.acknowledged
        assert list(read_all(store, store.size())) == group(0, size)
        store.close()
    finally:
        standby.remove()
        primary.remove()


# --- opening


def test_a_schema_is_not_changed_under_a_leader(store: SqlStore, postgres_dsn: str) -> None:
    """A newer program waits until the older one is stopped."""
    with psycopg.connect(postgres_dsn) as session:
        session.execute("UPDATE meta SET value = 'sailau-board/1' WHERE name = 'schema'")
    with pytest.raises(StoreInUse, match="Stop that one first"):
        open_store(postgres_dsn, BASE_HASH)


def test_a_leader_of_an_older_program_does_not_come_back(
    store: SqlStore, postgres_cluster: Cluster, postgres_dsn: str
) -> None:
    """After its session was lost, the schema may be a newer one."""
    with psycopg.connect(postgres_dsn) as session:
        session.execute("UPDATE meta SET value = 'sailau-board/99' WHERE name = 'schema'")
    end_sessions(postgres_cluster, postgres_dsn)
    with pytest.raises(StoreUnsupported, match="sailau-board/99"):
        store.append(3, artifact(3))


# --- passwords


@pytest.fixture
def protected(postgres_cluster: Cluster, postgres_dsn: str) -> Iterator[tuple[str, str]]:
    """A user who needs the password, and a DSN for the database without and with it."""
    database = database_of(postgres_dsn)
    rules = postgres_cluster.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all voter_box scram-sha-256\n" + before)
    postgres_cluster.execute(f"CREATE ROLE voter_box LOGIN PASSWORD '{PASSWORD}'")
    postgres_cluster.execute(f"ALTER DATABASE {database} OWNER TO voter_box")
    postgres_cluster.execute("SELECT pg_reload_conf()")
    plain = postgres_cluster.dsn(database, user="voter_box")
    yield plain, postgres_cluster.dsn(database, user=f"voter_box:{PASSWORD}")
    rules.write_text(before)
    postgres_cluster.execute("SELECT pg_reload_conf()")
    postgres_cluster.execute(f"REASSIGN OWNED BY voter_box TO {ADMIN}", database)
    postgres_cluster.execute("DROP ROLE voter_box")


def test_passwords_are_never_told(
    impatient: None,
    protected: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
    postgres_cluster: Cluster,
    postgres_dsn: str,
) -> None:
    """Neither in errors nor in logs nor in reprs, with everything logged that can be."""
    caplog.set_level(logging.DEBUG)
    _, dsn = protected
    store = create_store(dsn, BASE_HASH)
    told = [repr(store), repr(store._database), repr(vars(store._database)), repr(Dsn(dsn))]
    store.append(0, artifact(0))
    with pytest.raises(StoreConflict) as conflict:
        store.append(0, artifact(0))
    end_sessions(postgres_cluster, postgres_dsn)
    store.append(1, artifact(1))
    store.close()
    with pytest.raises(StoreError) as wrong:
        create_store(dsn.replace(PASSWORD, PASSWORD + "-wrong"), BASE_HASH)
    told += [str(conflict.value), repr(wrong.value), str(wrong.value), caplog.text]
    assert "password authentication failed" in str(wrong.value)
    assert not any(PASSWORD in text for text in told), told


def test_passwords_come_from_files(
    protected: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From ~/.pgpass, from a service file, from a private file with the whole string."""
    plain, whole = protected
    values = psycopg.conninfo.conninfo_to_dict(plain)
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:voter_box:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    create_store(plain, BASE_HASH).close()
    monkeypatch.delenv("PGPASSFILE")
    services = tmp_path / "services"
    lines = [f"{name}={value}" for name, value in values.items()]
    services.write_text("\n".join(["[election]", *lines, f"password={PASSWORD}", ""]))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    store = open_store("service=election", BASE_HASH)
    assert store.wait_for_leadership(5)
    store.close()
    file = tmp_path / "dsn"
    file.write_text(whole + "\n")
    with pytest.raises(KeystoreTooOpen):
        read_dsn(file)
    file.chmod(0o600)
    open_store(read_dsn(file), BASE_HASH).close()


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://box:s3cr@t@host/election",
        "postgresql://box:s3cr/t@host/election",
        "postgresql://box:s3cr:t@host:54x/election",
        "postgresql://box:s3cr%zzt@host/election",
        "postgresql://box:s3cr[t@host:s3cr/election",
        "service=election s3cr",
        "service=election s3cr=t",
    ],
)
def test_a_string_that_cannot_be_read_is_not_quoted(text: str) -> None:
    """What stands in the wrong place may be the password."""
    with pytest.raises(Malformed, match="pgpass") as caught:
        open_store(text, BASE_HASH)
    told = [repr(caught.value), *traceback.format_exception(caught.value)]
    assert not any("s3cr" in line for line in told)


def test_a_missing_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnsupported, match=r"sailau\[postgresql\]"):
        open_store("service=election", BASE_HASH)
