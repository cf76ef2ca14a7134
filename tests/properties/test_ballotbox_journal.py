"""The device's journal: what survives a sudden end, and what does not survive a cast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ballotbox.device import DeviceMachine
from ballotbox.errors import (
    StoreDamaged,
    StoreExists,
    StoreForeign,
    StoreInUse,
    StoreMissing,
    StoreUnsupported,
)
from ballotbox.journal import Journal, Kind, journal_key
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
    with pytest.raises(Exception, match="UNIQUE"):
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
