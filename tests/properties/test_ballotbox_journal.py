"""The device's journal: what survives a sudden end, and what does not survive a cast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from ballotbox.device import DeviceMachine
from ballotbox.device_standing import DeviceStanding, read_standing
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
from ballotbox.journal import PAGE, Journal, Kind, Outgoing, journal_key
from ballotbox.store import SqliteStore
from crypto.parameters import TOY
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost
from record.artifacts import Ballot
from tests.world import World

KEY = bytes(range(32))
DEVICE = "ballot-box-1"
BASE_HASH = bytes(32)


def create(path: Path, key: bytes = KEY) -> Journal:
    """A new journal of no election in particular."""
    return Journal.create(path, BASE_HASH, DEVICE, key)


def reopen(path: Path, key: bytes = KEY) -> Journal:
    """The same again."""
    return Journal.open(path, BASE_HASH, DEVICE, key)


def test_a_device_that_ends_after_every_step_makes_one_chain(tmp_path: Path) -> None:
    """Reopened before each step, the machine goes on, and the record takes all of it."""
    world = World.create(TOY[-1])
    path = tmp_path / "journal.db"
    Journal.create(path, world.context.base_hash, DEVICE, KEY).close()

    def step(work: Callable[[DeviceMachine], object]) -> None:
        journal = Journal.open(path, world.context.base_hash, DEVICE, KEY)
        work(DeviceMachine(world.context, world.keys, DEVICE, world.device_key(DEVICE), journal))
        journal.close()

    step(lambda machine: machine.begin())
    for _ in range(3):
        step(lambda machine: machine.encrypt("centre", "full", {"president": {"abai": 1}}))
    step(lambda machine: machine.cast(machine.undecided()[0]))
    step(lambda machine: machine.challenge(machine.undecided()[0]))
    step(lambda machine: machine.close())
    sent: list[bytes] = []
    step(lambda machine: sent.extend(m.data for m in machine.outgoing()))
    again: list[bytes] = []
    step(lambda machine: again.extend(m.data for m in machine.outgoing()))
    assert sent == again
    for data in sent:
        world.append_artifact(world.transcript.parse(data))
    assert world.state.devices[DEVICE].closed
    assert world.state.devices[DEVICE].ballots == 3


def test_what_is_acknowledged_is_not_sent_again(tmp_path: Path) -> None:
    """Also not after a restart; the rest stays in order."""
    journal = create(tmp_path / "journal.db")
    journal.add(Kind.BEGIN, b"begin")
    journal.add_ballot(b"c" * 32, b"ballot", b"secrets")
    journal.acknowledge(journal.outgoing()[0].position, 12)
    journal.close()
    (left,) = reopen(tmp_path / "journal.db").outgoing()
    assert (left.kind, left.code, left.data) == (Kind.BALLOT, b"c" * 32, b"ballot")


def test_secrets_are_never_on_the_disk_in_clear(tmp_path: Path) -> None:
    """Neither in the database nor in its write-ahead log; the journal gives them back."""
    journal = create(tmp_path / "journal.db")
    secrets = b"the voter chose abai, nonce 0123456789"
    journal.add_ballot(b"c" * 32, b"ballot", secrets)
    files = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert secrets not in files
    assert b"ballot" in files
    assert journal.secrets(b"c" * 32) == secrets


def test_a_cast_erases_the_secrets_even_in_their_encrypted_form(tmp_path: Path) -> None:
    """No file of the journal holds a trace of them afterwards; a challenge keeps them."""
    journal = create(tmp_path / "journal.db")
    journal.add_ballot(b"a" * 32, b"ballot one", b"s" * 100)
    journal.add_ballot(b"b" * 32, b"ballot two", b"t" * 100)
    sealed = _sealed(journal, b"a" * 32), _sealed(journal, b"b" * 32)
    files = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert all(s[20:80] in files for s in sealed)
    journal.add_decision(Kind.CAST, b"a" * 32, b"cast one")
    journal.add_decision(Kind.CHALLENGE, b"b" * 32, b"challenge two")
    files = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert sealed[0][20:80] not in files
    assert journal.secrets(b"a" * 32) is None
    assert journal.secrets(b"b" * 32) == b"t" * 100


def test_undecided_ballots_are_forgotten_after_the_polls(tmp_path: Path) -> None:
    """`erase_undecided` takes theirs and leaves those of challenged ballots."""
    journal = create(tmp_path / "journal.db")
    for name in (b"a", b"b"):
        journal.add_ballot(name * 32, b"ballot " + name, b"secret")
    journal.add_decision(Kind.CHALLENGE, b"b" * 32, b"challenge")
    journal.erase_undecided()
    assert journal.secrets(b"a" * 32) is None
    assert journal.secrets(b"b" * 32) == b"secret"


def test_secrets_under_another_key_are_refused(tmp_path: Path) -> None:
    """A journal beside another key store says so instead of giving nonsense."""
    journal = create(tmp_path / "journal.db")
    journal.add_ballot(b"c" * 32, b"ballot", b"secrets")
    journal.close()
    with pytest.raises(StoreDamaged, match="another key store"):
        reopen(tmp_path / "journal.db", bytes(32)).secrets(b"c" * 32)


def test_a_journal_is_one_device_in_one_election(tmp_path: Path) -> None:
    """Another device, another election, another kind of database and none are refused."""
    path = tmp_path / "journal.db"
    create(path).close()
    with pytest.raises(StoreForeign, match="another device"):
        Journal.open(path, BASE_HASH, "ballot-box-2", KEY)
    with pytest.raises(StoreForeign, match="another election"):
        Journal.open(path, b"1" * 32, DEVICE, KEY)
    with pytest.raises(StoreExists):
        create(path)
    with pytest.raises(StoreMissing):
        reopen(tmp_path / "none.db")
    SqliteStore.create(tmp_path / "board.db", BASE_HASH).close()
    with pytest.raises(StoreUnsupported, match="sailau-board/"):
        reopen(tmp_path / "board.db")


def test_two_programs_never_drive_one_device(tmp_path: Path) -> None:
    """The second is turned away while the first runs."""
    path = tmp_path / "journal.db"
    first = create(path)
    with pytest.raises(StoreInUse):
        reopen(path)
    first.close()
    reopen(path).close()


def test_the_key_comes_from_the_key_store_and_stays(tmp_path: Path) -> None:
    """Made once, 32 bytes, the same after the store was closed."""
    home = tmp_path / "home"
    with Keystore.create(home / "keys", b"pass", {}, cost=ScryptCost(2, 1, 1)) as store:
        key = journal_key(store)
    with Keystore.open(home / "keys", b"pass") as store:
        assert journal_key(store) == key
    assert len(key) == 32


def test_a_ballot_and_its_secrets_are_one_transaction(tmp_path: Path) -> None:
    """A code that is there already leaves nothing of the second ballot behind."""
    journal = create(tmp_path / "journal.db")
    journal.add_ballot(b"c" * 32, b"ballot", b"secrets")
    with pytest.raises(StoreConflict, match="UNIQUE"):
        journal.add_ballot(b"c" * 32, b"another", b"others")
    assert [m.data for m in journal.outgoing()] == [b"ballot"]
    assert journal.ballots() == 1


def test_the_chain_of_a_machine_goes_on_from_its_journal(tmp_path: Path) -> None:
    """The next ballot chains to the last code that was journaled, sent or not."""
    world = World.create(TOY[-1])
    path = tmp_path / "journal.db"
    codes = []
    for attempt in range(2):
        make = Journal.open if attempt else Journal.create
        journal = make(path, world.context.base_hash, DEVICE, KEY)
        machine = DeviceMachine(
            world.context, world.keys, DEVICE, world.device_key(DEVICE), journal
        )
        machine.begin()
        ballot = machine.encrypt("centre", "short", {}).statement
        assert isinstance(ballot, Ballot)
        codes.append((ballot.chaining_field, ballot.confirmation_code))
        journal.close()
    assert codes[1][0] == b"\x00\x00\x00\x01" + codes[0][1]


def _sealed(journal: Journal, code: bytes) -> bytes:
    row = journal._ballot_row(code)
    assert row is not None
    return bytes(row.secrets)


# --- a day without a network


def test_what_waits_is_read_in_pages(tmp_path: Path) -> None:
    """So many at a time, in order, behind a position; acknowledged ones are left out."""
    journal = create(tmp_path / "journal.db")
    journal.add(Kind.BEGIN, b"begin")
    for n in range(3 * PAGE):
        journal.add_ballot(n.to_bytes(32), b"ballot %d" % n, b"secrets")
    assert (len(journal.outgoing()), journal.waiting()) == (PAGE, 3 * PAGE + 1)
    for message in journal.outgoing(limit=5):
        journal.acknowledge(message.position, message.position + 100)
    pages: list[Outgoing] = []
    after = 0
    while page := journal.outgoing(after):
        assert len(page) <= PAGE
        pages += page
        after = page[-1].position
    assert [m.position for m in pages] == list(range(6, 3 * PAGE + 2))
    assert journal.waiting() == len(pages)
    assert journal.submission((0).to_bytes(32)).accepted == 102
    assert journal.submission((90).to_bytes(32)).accepted is None


def test_hints_wait_with_their_ballot_and_are_dropped(tmp_path: Path) -> None:
    """They are sent with it, and take no room once the server has it."""
    path = tmp_path / "journal.db"
    journal = create(path)
    hints = b"commitments " * 50
    journal.add_ballot(b"c" * 32, b"ballot", b"secrets", hints)
    journal.add_ballot(b"d" * 32, b"ballot without", b"secrets")
    journal.close()
    journal = reopen(path)
    one, two = journal.outgoing()
    assert (one.hints, two.hints) == (hints, b"")
    journal.acknowledge(one.position, 7)
    journal.close()
    assert hints not in path.read_bytes()
    assert reopen(path).ballot(b"c" * 32) == b"ballot"


PLANS = (
    lambda journal: journal.outgoing(),
    lambda journal: journal.waiting(),
    lambda journal: journal.find(Kind.CLOSE),
    lambda journal: journal.submission(bytes(32)),
    lambda journal: journal.decision(bytes(32)),
    lambda journal: journal.last_code(),
    lambda journal: journal.undecided(),
)


@pytest.mark.parametrize("ask", PLANS)
def test_no_question_reads_the_whole_journal(
    tmp_path: Path, ask: Callable[[Journal], object]
) -> None:
    """Each finds its rows by an index: a ballot costs the same at the end of the day."""
    journal = create(tmp_path / "journal.db")
    journal.add_ballot(bytes(32), b"ballot", b"secrets")
    journal.add_decision(Kind.CHALLENGE, bytes(32), b"challenge")
    asked: list[tuple[str, object]] = []

    def listen(_c: object, _r: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(journal._database._engine, "before_cursor_execute", listen)
    ask(journal)
    event.remove(journal._database._engine, "before_cursor_execute", listen)
    assert asked
    with journal._database.read() as connection:
        for statement, parameters in asked:
            query = f"EXPLAIN QUERY PLAN {statement}"
            plan = connection.exec_driver_sql(query, parameters).all()  # type: ignore[arg-type]
            for row in plan:
                assert not row[3].startswith("SCAN") or "USING" in row[3], (statement, row)


def test_a_journal_of_before_is_brought_up(tmp_path: Path) -> None:
    """Its messages, decisions and secrets are those of before, and it goes on."""
    path = tmp_path / "journal.db"
    _old_journal(path)
    before = read_standing(path)
    assert (before.ballots, before.cast, before.waiting, before.last_contact) == (2, 1, 2, None)
    journal = reopen(path)
    assert [(m.kind, m.data, m.hints) for m in journal.outgoing()] == [
        (Kind.CAST, b"cast one", b""),
        (Kind.BALLOT, b"ballot two", b""),
    ]
    assert journal.secrets(b"b" * 32) == b"secret"
    journal.add_ballot(b"c" * 32, b"ballot three", b"secret", b"hints")
    journal.acknowledge(4, 9)
    journal.close()
    assert [m.hints for m in reopen(path).outgoing()] == [b"", b"hints"]
    after = read_standing(path)
    assert (after.device, after.ballots, after.waiting_ballots) == (DEVICE, 3, 1)
    assert after.last_contact is not None


def _old_journal(path: Path) -> None:
    """A journal as the first schema had it: `sailau-journal/1`."""
    create(path).close()
    journal = reopen(path)
    sealed = journal._seal(b"b" * 32, b"secret")
    with journal._database.write() as connection:
        for statement in (
            "DROP TABLE facts",
            "DROP TABLE ballots",
            "DROP TABLE messages",
            "CREATE TABLE messages (position INTEGER NOT NULL, kind INTEGER NOT NULL, code BLOB, "
            "data BLOB NOT NULL, accepted INTEGER, PRIMARY KEY (position))",
            "CREATE TABLE ballots (code BLOB NOT NULL, position INTEGER NOT NULL, "
            "decision INTEGER, secrets BLOB, PRIMARY KEY (code), "
            "FOREIGN KEY(position) REFERENCES messages (position), "
            "FOREIGN KEY(decision) REFERENCES messages (position), UNIQUE (position), "
            "UNIQUE (decision))",
            "UPDATE meta SET value = CAST('sailau-journal/1' AS BLOB) WHERE name = 'schema'",
        ):
            connection.exec_driver_sql(statement)
        for row in (
            (1, 6, None, b"begin", 4),
            (2, 7, b"a" * 32, b"ballot one", 5),
            (3, 8, b"a" * 32, b"cast one", None),
            (4, 7, b"b" * 32, b"ballot two", None),
        ):
            connection.exec_driver_sql("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", row)
        for ballot in ((b"a" * 32, 2, 3, None), (b"b" * 32, 4, None, sealed)):
            connection.exec_driver_sql("INSERT INTO ballots VALUES (?, ?, ?, ?)", ballot)
    journal.close()


@pytest.mark.parametrize("home", [".", "box 7", "box#7?mode=rw&x=%41", "жәшік"])
def test_how_far_a_device_is_can_be_read_beside_it(tmp_path: Path, home: str) -> None:
    """Without its key and while it has the journal open, wherever its home is."""
    path = tmp_path / home / "journal.db"
    path.parent.mkdir(exist_ok=True)
    with pytest.raises(StoreMissing):
        read_standing(path)
    journal = create(path)
    journal.add(Kind.BEGIN, b"begin")
    journal.add_ballot(b"a" * 32, b"ballot one", b"secret")
    journal.add_ballot(b"b" * 32, b"ballot two", b"secret")
    journal.add_decision(Kind.CHALLENGE, b"a" * 32, b"challenge")
    found = read_standing(path)
    assert found == DeviceStanding(DEVICE, True, 2, 0, 1, 4, 2, False, None)
    assert found.undecided == 1
    journal.contacted()
    journal.add(Kind.CLOSE, b"close")
    assert read_standing(path).closed
    assert read_standing(path).last_contact is not None
    journal.add_ballot(b"c" * 32, b"it is open still", b"secret")


# --- a full disk


def _fill(journal: Journal, pages: int) -> None:
    """Let the file not grow by more than so many pages."""
    writer = journal._database._writer
    count = writer.exec_driver_sql("PRAGMA page_count").scalar_one()
    writer.exec_driver_sql(f"PRAGMA max_page_count = {count + pages}")
    writer.rollback()


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_full_disk_keeps_nothing_of_a_ballot(tmp_path: Path, pages: int) -> None:
    """Wherever in the transaction it ran full; with room again the chain goes on from before."""
    world = World.create(TOY[-1])
    path = tmp_path / "journal.db"
    journal = Journal.create(path, world.context.base_hash, DEVICE, KEY)
    machine = DeviceMachine(world.context, world.keys, DEVICE, world.device_key(DEVICE), journal)
    machine.begin()
    machine.encrypt("centre", "full", {})
    before = journal.last_code(), journal.waiting(), journal.ballots()
    _fill(journal, pages)
    full = 0
    while not full:
        try:
            machine.encrypt("centre", "full", {})
            before = journal.last_code(), journal.waiting(), journal.ballots()
        except StoreFailed:
            full += 1
    assert (journal.last_code(), journal.waiting(), journal.ballots()) == before
    _fill(journal, 1000)
    machine.encrypt("centre", "full", {})
    machine.cast(machine.undecided()[0])
    machine.close()
    for message in journal.outgoing(limit=1000):
        world.append_artifact(world.transcript.parse(message.data))
    assert world.state.devices[DEVICE].closed


def test_a_read_only_disk_keeps_nothing_of_a_ballot_either(tmp_path: Path) -> None:
    """It is the same to a voter, and passes like a full one."""
    journal = create(tmp_path / "journal.db")
    journal.add_ballot(b"a" * 32, b"ballot one", b"secret")
    for readonly in ("ON", "OFF"):
        writer = journal._database._writer
        writer.exec_driver_sql(f"PRAGMA query_only = {readonly}")
        writer.rollback()
        if readonly == "ON":
            with pytest.raises(StoreFailed, match="read-only"):
                journal.add_ballot(b"b" * 32, b"ballot two", b"secret")
            with pytest.raises(StoreFailed, match="read-only"):
                journal.add_decision(Kind.CAST, b"a" * 32, b"cast")
            assert (journal.waiting(), journal.decision(b"a" * 32)) == (1, None)
            assert journal.secrets(b"a" * 32) == b"secret"
    journal.add_ballot(b"b" * 32, b"ballot two", b"secret")
    assert journal.waiting() == 2


def test_a_cast_stands_even_if_the_log_cannot_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The voter is not told that it failed; the next cast erases both."""
    journal = create(tmp_path / "journal.db")
    for name in (b"a", b"b"):
        journal.add_ballot(name * 32, b"ballot " + name, b"s" * 100)
    sealed = _sealed(journal, b"a" * 32)

    def full() -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(journal._database, "forget", full)
        journal.add_decision(Kind.CAST, b"a" * 32, b"cast a")
    decision = journal.decision(b"a" * 32)
    assert decision is not None
    assert journal.secrets(b"a" * 32) is None
    journal.add_decision(Kind.CAST, b"b" * 32, b"cast b")
    assert sealed[20:80] not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
