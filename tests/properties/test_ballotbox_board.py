"""The board: what it takes, what it refuses and with which check, and what it keeps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ballotbox.admission import Admission, Ticket
from ballotbox.arrivals import Accepted, Arrival, manner_of, timing_of
from ballotbox.board import Board
from ballotbox.errors import StoreDamaged, StoreFailed, StoreForeign
from ballotbox.high_water import HighWater
from ballotbox.sequencer import Manner, Timing
from ballotbox.store import SqliteStore
from crypto.errors import Malformed, Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from crypto.range_proof import RangeProof
from record.archive import read_archive
from record.artifacts import (
    Artifact,
    Ballot,
    Cast,
    Challenge,
    DecryptionSession,
    DeviceMissing,
    PollsClose,
    Purpose,
    Role,
    Selection,
    Statement,
    signed_message,
)
from record.checkpoint import verify_checkpoint
from record.election import ElectionKeys
from record.manifest import Manifest
from record.state import Phase, Status
from record.transcript import Transcript
from sailau.v1 import record_pb2
from tests.ballots import Plain, close_statement, device_statement, encrypt, rehashed
from tests.world import World, manifest_bytes, manifest_document

TOY_GROUP = TOY[-1]
FULL = Plain({"president": (0, 1, 0), "council": (2, 1)})


class Polls:
    """A world and a board that have the same record, with one device under way."""

    def __init__(self, directory: Path) -> None:
        self.world = World.create(TOY_GROUP)
        self.path = directory / "board.db"
        self.store = SqliteStore.create(self.path, self.world.context.base_hash)
        self.board = self._open()
        for data in self.world.data():
            self.board.append(data)
        self.take(self.world.append(device_statement(self.world, "ballot-box-1")).data)

    def _open(self, admission: Admission | None = None, timing: Timing | None = None) -> Board:
        world = self.world
        return Board.open(
            self.store,
            world.artifacts[0],
            server_key=world.role_key(Role.SERVER),
            log_key=world.secrets.log,
            admission=admission,
            timing=timing,
        )

    def reopen_with(self, timing: Timing) -> Board:
        """As `reopen`, with another patience."""
        self.store.close()
        self.store = SqliteStore.open(self.path, self.world.context.base_hash)
        return self._open(timing=timing)

    def reopen(self, admission: Admission | None = None) -> Board:
        """The board as a restarted server has it."""
        self.store.close()
        self.store = SqliteStore.open(self.path, self.world.context.base_hash)
        self.board = self._open(admission)
        return self.board

    def take(self, data: bytes) -> int:
        return self.board.append(data)

    def submit(self) -> Ballot:
        """The next good ballot, on both records."""
        ballot = encrypt(self.world, FULL).ballot
        self.take(self.world.append(ballot).data)
        return ballot

    def decide(self, statement: Cast | Challenge) -> bytes:
        artifact = self.world.append(statement)
        self.take(artifact.data)
        return artifact.data

    def close(self) -> None:
        """Close the polls, with the other device missing."""
        world = self.world
        for statement in (
            close_statement(world, "ballot-box-1"),
            DeviceMissing("ballot-box-2", "never switched on"),
        ):
            self.take(world.append(statement).data)
        self.take(world.append(world.state.counts()).data)


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    """Open polls."""
    polls = Polls(tmp_path)
    yield polls
    polls.store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polls]:
    """Open polls for tests that leave nothing but good ballots behind."""
    polls = Polls(tmp_path_factory.mktemp("shared"))
    yield polls
    polls.store.close()


def refused(polls: Polls, data: bytes) -> Malformed | Rejected:
    """The error with which the board refuses `data`; nothing is stored, the next ballot is."""
    before = polls.board.size(), polls.store.size(), polls.board.transcript.state.counts()
    error: Malformed | Rejected
    try:
        polls.take(data)
    except (Malformed, Rejected) as refusal:
        error = refusal
    else:
        pytest.fail("the board took it")
    after = polls.board.size(), polls.store.size(), polls.board.transcript.state.counts()
    assert before == after
    polls.submit()
    assert polls.board.size() == before[0] + 1
    return error


# --- ballots that do not prove what they claim


def in_selection(ballot: Ballot, change: Callable[[Selection], Selection]) -> Ballot:
    """The ballot with its first selection changed and its hashes as they were."""
    first, *rest = ballot.contests
    selection, *others = first.selections
    return replace(
        ballot, contests=(replace(first, selections=(change(selection), *others)), *rest)
    )


def bumped(proof: RangeProof, name: str) -> RangeProof:
    """The proof with the first scalar of `name` raised by one."""
    first, *rest = getattr(proof, name)
    return replace(proof, **{name: ((first + 1) % TOY_GROUP.q, *rest)})


def negated(x: mpz) -> mpz:
    """An element outside the subgroup: minus one has order 2."""
    return TOY_GROUP.p - x


TAMPERINGS: dict[str, tuple[str, Callable[[World, Ballot], Ballot]]] = {
    "alpha outside the subgroup": (
        "6.A",
        lambda w, b: rehashed(w, in_selection(b, lambda s: replace(s, alpha=negated(s.alpha)))),
    ),
    "beta outside the subgroup": (
        "6.A",
        lambda w, b: rehashed(w, in_selection(b, lambda s: replace(s, beta=negated(s.beta)))),
    ),
    "another ciphertext": (
        "6.D",
        lambda w, b: rehashed(
            w, in_selection(b, lambda s: replace(s, alpha=s.alpha * w.group.g % w.group.p))
        ),
    ),
    "selection proof, challenge": (
        "6.D",
        lambda _, b: in_selection(b, lambda s: replace(s, proof=bumped(s.proof, "challenges"))),
    ),
    "selection proof, response": (
        "6.D",
        lambda _, b: in_selection(b, lambda s: replace(s, proof=bumped(s.proof, "responses"))),
    ),
    "selection proof of another limit": (
        "R.ballot",
        lambda _, b: in_selection(
            b,
            lambda s: replace(
                s, proof=RangeProof((*s.proof.challenges, mpz(0)), (*s.proof.responses, mpz(0)))
            ),
        ),
    ),
    "limit proof": (
        "7.D",
        lambda _, b: replace(
            b,
            contests=(
                replace(b.contests[0], limit_proof=bumped(b.contests[0].limit_proof, "responses")),
                *b.contests[1:],
            ),
        ),
    ),
    "contest hash": (
        "8.A",
        lambda _, b: replace(
            b, contests=(replace(b.contests[0], contest_hash=bytes(32)), *b.contests[1:])
        ),
    ),
    "confirmation code": ("8.B", lambda _, b: replace(b, confirmation_code=b"\x01" * 32)),
    "identifier hash": ("5.B", lambda _, b: replace(b, identifier_hash=bytes(32))),
    "another identifier": ("5.B", lambda _, b: replace(b, identifier=b"\x02" * 32)),
    "sealed nonce": (
        "R.nonce-proof",
        lambda _, b: replace(b, encrypted_nonce=replace(b.encrypted_nonce, c1=b"\x03" * 32)),
    ),
    "sealed nonce outside the subgroup": (
        "R.nonce-proof",
        lambda _, b: replace(
            b, encrypted_nonce=replace(b.encrypted_nonce, c0=negated(b.encrypted_nonce.c0))
        ),
    ),
    "chain position": (
        "8.E",
        lambda w, b: rehashed(w, replace(b, chaining_field=b"\0\0\0\1" + bytes(32))),
    ),
    "chaining mode": (
        "8.E",
        lambda w, b: rehashed(w, replace(b, chaining_field=bytes(4) + b.chaining_field[4:])),
    ),
    "unknown style": ("R.ballot", lambda _, b: replace(b, ballot_style="wide")),
    "style of another unit": ("R.ballot", lambda _, b: replace(b, ballot_style="short")),
    "unknown unit": ("R.ballot", lambda _, b: replace(b, unit="moon")),
    "unit with children": ("R.ballot", lambda _, b: replace(b, unit="city")),
    "contest missing": ("R.ballot", lambda _, b: replace(b, contests=b.contests[:1])),
    "contests exchanged": ("R.ballot", lambda _, b: replace(b, contests=b.contests[::-1])),
    "unknown contest": (
        "R.ballot",
        lambda _, b: replace(b, contests=(*b.contests[:1], replace(b.contests[1], index=9))),
    ),
    "option missing": (
        "R.ballot",
        lambda _, b: replace(
            b,
            contests=(
                replace(b.contests[0], selections=b.contests[0].selections[:-1]),
                *b.contests[1:],
            ),
        ),
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_ballot_is_refused_by_its_check(shared: Polls, name: str) -> None:
    """Signed by its device all the same; the id says what was changed, and where."""
    check, change = TAMPERINGS[name]
    ballot = change(shared.world, encrypt(shared.world, FULL).ballot)
    error = refused(shared, shared.world.sign(ballot).data)
    assert isinstance(error, Rejected)
    assert error.check == check
    assert error.culprit == "device ballot-box-1"
    assert error.where


def test_a_ballot_of_a_device_that_is_not_in_the_manifest_is_refused(shared: Polls) -> None:
    """There is no key that could have signed it."""
    ballot = replace(encrypt(shared.world, FULL).ballot, device="ballot-box-9")
    signed = shared.world.sign(encrypt(shared.world, FULL).ballot)
    message = record_pb2.Artifact.FromString(signed.data)
    message.ballot.device = ballot.device
    error = refused(shared, message.SerializeToString(deterministic=True))
    assert isinstance(error, Rejected)
    assert error.check == "R.role-keys"


def test_a_ballot_of_a_device_that_has_not_begun_is_refused(shared: Polls) -> None:
    """The second device is in the manifest, but not on the record."""
    ballot = encrypt(shared.world, FULL).ballot
    error = refused(shared, shared.world.sign(replace(ballot, device="ballot-box-2")).data)
    assert isinstance(error, Rejected)
    assert error.check == "R.order"


# --- bytes that are no ballot


def raw(shared: Polls, change: Callable[[record_pb2.Artifact], None]) -> bytes:
    """A good ballot, changed on the wire and signed again by its device."""
    message = record_pb2.Artifact.FromString(
        shared.world.sign(encrypt(shared.world, FULL).ballot).data
    )
    message.ClearField("signature")
    change(message)
    unsigned = message.SerializeToString(deterministic=True)
    key = shared.world.device_key("ballot-box-1")
    message.signature = key.sign(signed_message(shared.world.context.base_hash, unsigned))
    return message.SerializeToString(deterministic=True)


P = TOY_GROUP.p.to_bytes(TOY_GROUP.element_width, "big")
Q = TOY_GROUP.q.to_bytes(TOY_GROUP.scalar_width, "big")
SELECTION = "ballot.contests[0].selections[0]"


def _set(path: str, value: bytes) -> Callable[[record_pb2.Artifact], None]:
    def change(message: record_pb2.Artifact) -> None:
        target: object = message
        *steps, last = path.replace("]", "").replace("[", ".").split(".")
        for step in steps:
            target = target[int(step)] if step.isdigit() else getattr(target, step)  # type: ignore[index]
        if last.isdigit():
            target[int(last)] = value  # type: ignore[index]
        else:
            setattr(target, last, value)

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{SELECTION}.alpha", b""),
        (f"{SELECTION}.alpha", b"\1" * (TOY_GROUP.element_width - 1)),
        (f"{SELECTION}.alpha", b"\0" + b"\1" * TOY_GROUP.element_width),
        (f"{SELECTION}.alpha", bytes(TOY_GROUP.element_width)),
        (f"{SELECTION}.beta", P),
        (f"{SELECTION}.beta", b"\xff" * TOY_GROUP.element_width),
        (f"{SELECTION}.proof.challenges[0]", Q),
        (f"{SELECTION}.proof.responses[1]", b"\xff" * TOY_GROUP.scalar_width),
        (f"{SELECTION}.proof.responses[1]", Q[:-1]),
        ("ballot.contests[1].limit_proof.responses[3]", Q),
        ("ballot.contests[1].contest_hash", bytes(31)),
        ("ballot.encrypted_nonce.c0", bytes(TOY_GROUP.element_width)),
        ("ballot.encrypted_nonce.c1", bytes(33)),
        ("ballot.encrypted_nonce.c2.response", Q),
        ("ballot.identifier", bytes(31)),
        ("ballot.identifier_hash", b""),
        ("ballot.chaining_field", bytes(32)),
        ("ballot.confirmation_code", bytes(64)),
    ],
)
def test_bytes_of_the_wrong_width_or_range_are_malformed(
    shared: Polls, path: str, value: bytes
) -> None:
    """Too narrow, too wide, 0, p and above, q and above: the error names the field."""
    error = refused(shared, raw(shared, _set(path, value)))
    assert isinstance(error, Malformed)
    assert error.field == path


def test_a_ballot_without_its_nonce_is_malformed(shared: Polls) -> None:
    """A missing message is not a message of defaults."""

    def change(message: record_pb2.Artifact) -> None:
        message.ballot.ClearField("encrypted_nonce")

    error = refused(shared, raw(shared, change))
    assert isinstance(error, Malformed)
    assert error.field == "ballot.encrypted_nonce"


@given(st.data())
def test_one_changed_bit_is_never_accepted(shared: Polls, data: st.DataObject) -> None:
    """Wherever it is, the artifact is malformed or rejected, and nothing is stored."""
    good = shared.world.sign(encrypt(shared.world, FULL).ballot).data
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    changed = bytearray(good)
    changed[bit // 8] ^= 1 << bit % 8
    size = shared.board.size()
    with pytest.raises((Malformed, Rejected)):
        shared.take(bytes(changed))
    assert shared.board.size() == size


@pytest.mark.parametrize("data", [b"", b"\x00", b"garbage", bytes(16 * 2**20 + 1)])
def test_bytes_that_are_no_artifact_are_malformed(shared: Polls, data: bytes) -> None:
    """Nothing, noise, too much."""
    assert isinstance(refused(shared, data), Malformed)


# --- the same again


def test_the_same_ballot_twice_is_one_ballot(polls: Polls) -> None:
    """The second answer is the first one's index; the store has it once."""
    artifact = polls.world.append(encrypt(polls.world, FULL).ballot)
    index = polls.take(artifact.data)
    assert polls.take(artifact.data) == index
    assert polls.take(polls.world.artifacts[3].data) == 3
    assert polls.board.size() == polls.store.size() == index + 1
    assert polls.board.read(index) == artifact


def test_many_threads_with_the_same_ballot_store_it_once(polls: Polls) -> None:
    """Also when they are at it at the same time."""
    data = polls.world.append(encrypt(polls.world, FULL).ballot).data
    with ThreadPoolExecutor(8) as pool:
        indices = list(pool.map(polls.take, [data] * 8))
    assert set(indices) == {polls.board.size() - 1}
    assert polls.store.size() == len(polls.world.artifacts)


class Together(Admission):
    """Lets two ballots pass only once both are being checked."""

    def __init__(self, world: World) -> None:
        super().__init__(world.artifacts[0], workers=0)
        self.barrier = threading.Barrier(2)

    def submit(
        self,
        keys: ElectionKeys,
        artifact: Artifact,
        *,
        hints: bytes = b"",
        sender: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Ticket:
        ticket = super().submit(keys, artifact, hints=hints, sender=sender, wanted=wanted)
        self.barrier.wait(60)
        return ticket


def test_of_two_ballots_for_the_same_place_in_the_chain_one_is_taken(polls: Polls) -> None:
    """Both were right when their proofs began to be checked; the chain does not fork."""
    polls.reopen(Together(polls.world))
    rivals = [polls.world.sign(encrypt(polls.world, FULL).ballot).data for _ in range(2)]

    def attempt(data: bytes) -> str:
        try:
            polls.take(data)
        except Rejected as error:
            return error.check
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, rivals)) == ["8.E", "taken"]
    assert polls.store.size() == len(polls.world.artifacts) + 1


def test_the_same_identifier_with_other_content_is_refused(polls: Polls) -> None:
    """Two ballots never share id_B: their nonces would be related (5.A)."""
    first = polls.submit()
    second = encrypt(polls.world, FULL).ballot
    error = refused(
        polls,
        polls.world.sign(rehashed(polls.world, replace(second, identifier=first.identifier))).data,
    )
    assert isinstance(error, Rejected)
    assert error.check == "5.A"


# --- a group that is not stored


class Failing:
    """A store whose next group fails; what reads the artifacts anew then waits for `go`."""

    def __init__(self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.appending, self.reading, self.go = (threading.Event() for _ in range(3))
        self.fails_to_read = False
        self._read = store.read
        monkeypatch.setattr(store, "append", self.append)
        monkeypatch.setattr(store, "read", self.read)

    def append(self, *_: object) -> None:
        self.appending.set()
        self.go.wait(60)
        raise StoreFailed("the disk is full")

    def read(self, first: int, limit: int) -> Sequence[bytes]:
        self.reading.set()
        if self.fails_to_read:
            raise StoreFailed("the disk is gone")
        return self._read(first, limit)


def test_nobody_is_refused_for_what_was_not_stored(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent again while its first copy is being stored, in vain: a ballot is right as it was."""
    artifact = polls.world.sign(encrypt(polls.world, FULL).ballot)
    failing, check = Failing(polls.store, monkeypatch), Transcript.check

    def late(transcript: Transcript, artifact: Artifact) -> None:
        if threading.current_thread() is threading.main_thread() and not failing.go.is_set():
            assert failing.appending.wait(60)
            try:
                check(transcript, artifact)
            finally:
                failing.go.set()
        else:
            check(transcript, artifact)

    monkeypatch.setattr(Transcript, "check", late)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(polls.take, artifact.data)
        assert polls.board.begin(artifact).known is None
        assert isinstance(first.exception(60), StoreFailed)
    monkeypatch.undo()
    assert polls.take(artifact.data) == polls.board.size() - 1


def test_proofs_go_on_while_the_board_is_read_anew(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks without waiting for it sees all of the log or what there was before."""
    size = polls.board.size()
    proof = polls.board.inclusion_proof(0, size)
    failing = Failing(polls.store, monkeypatch)
    failing.go.set()
    found: list[tuple[bytes, ...]] = []

    def read_all(store: SqliteStore, size: int) -> Iterator[bytes]:
        found.append(polls.board.inclusion_proof(0, size))
        yield from store.read(0, size)

    monkeypatch.setattr("ballotbox.folding.read_all", read_all)
    with pytest.raises(StoreFailed):
        polls.take(polls.world.sign(encrypt(polls.world, FULL).ballot).data)
    assert found == [proof]


def test_nothing_is_announced_that_was_not_stored(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything else, as long as the log cannot be read; then whoever looks reads it."""
    size = polls.board.size()
    failing = Failing(polls.store, monkeypatch)
    failing.go.set()
    failing.fails_to_read = True
    with pytest.raises(StoreFailed):
        polls.take(polls.world.sign(encrypt(polls.world, FULL).ballot).data)
    assert failing.reading.is_set()
    assert polls.board.wait(size, 0.01) == size
    for look in (polls.board.size, polls.board.head):
        with pytest.raises(StoreFailed):
            look()
    monkeypatch.undo()
    assert polls.board.size() == polls.board.head().size == size
    polls.submit()
    assert polls.board.wait(size, 60) == size + 1


def test_a_damaged_log_is_not_read_for_every_call(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said again and again to who looks; who sends something has it read again."""
    failing = Failing(polls.store, monkeypatch)
    failing.go.set()

    def changed(first: int, limit: int) -> Sequence[bytes]:
        failing.reading.set()
        raise StoreDamaged("artifact 3 was changed")

    monkeypatch.setattr(polls.store, "read", changed)
    with pytest.raises(StoreFailed):
        polls.take(polls.world.sign(encrypt(polls.world, FULL).ballot).data)
    assert failing.reading.is_set()
    failing.reading.clear()
    for look in (polls.board.size, polls.board.head):
        with pytest.raises(StoreDamaged, match="artifact 3"):
            look()
    assert not failing.reading.is_set()
    monkeypatch.undo()
    polls.submit()
    assert polls.board.size() == len(polls.world.artifacts)


def test_a_board_whose_mark_cannot_be_written_stays_paused(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another server has stored is not told before the high-water mark is on the disk."""
    artifact = polls.world.append(encrypt(polls.world, FULL).ballot)
    old = polls.board
    old.pause()
    polls._open().append(artifact.data)

    def full(*_: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(HighWater, "raise_to", full)
        with pytest.raises(StoreFailed):
            old.resume()
        assert old.paused
    old.resume()
    assert not old.paused
    assert old.head().size == old.size() == len(polls.world.artifacts)


# --- decisions


def test_decisions_are_made_once_about_ballots_that_there_are(polls: Polls) -> None:
    """Unknown, another device's, already cast, already challenged: all are R.cast."""
    cast, challenged = polls.submit(), polls.submit()
    polls.decide(Cast("ballot-box-1", cast.confirmation_code))
    polls.decide(Challenge("ballot-box-1", challenged.confirmation_code))
    polls.take(polls.world.append(device_statement(polls.world, "ballot-box-2")).data)
    for statement in (
        Cast("ballot-box-1", bytes(32)),
        Challenge("ballot-box-1", bytes(32)),
        Cast("ballot-box-2", polls.submit().confirmation_code),
        Challenge("ballot-box-1", cast.confirmation_code),
        Cast("ballot-box-1", challenged.confirmation_code),
    ):
        error = refused(polls, polls.world.sign(statement).data)
        assert isinstance(error, Rejected)
        assert error.check == "R.cast"
    counts = polls.board.transcript.state.counts()
    assert (counts.cast, counts.challenged) == (1, 1)


def test_a_decision_that_another_device_signed_is_refused(shared: Polls) -> None:
    """Its own name, another key."""
    code = shared.submit().confirmation_code
    artifact = shared.world.sign(Cast("ballot-box-1", code))
    message = record_pb2.Artifact.FromString(artifact.data)
    message.ClearField("signature")
    unsigned = message.SerializeToString(deterministic=True)
    other = shared.world.device_key("ballot-box-2")
    message.signature = other.sign(signed_message(shared.world.context.base_hash, unsigned))
    error = refused(shared, message.SerializeToString(deterministic=True))
    assert isinstance(error, Rejected)
    assert error.check == "R.signature"


# --- before and after


def test_nothing_is_taken_before_the_polls_open(tmp_path: Path) -> None:
    """A device that cannot wait is told to (R.order)."""
    world = World.create(TOY_GROUP, until=Phase.READY)
    store = SqliteStore.create(tmp_path / "b.db", world.context.base_hash)
    board = Board.open(
        store,
        world.artifacts[0],
        server_key=world.role_key(Role.SERVER),
        log_key=world.secrets.log,
    )
    for data in world.data():
        board.append(data)
    with pytest.raises(Rejected, match="Wait until the polls open") as caught:
        board.append(world.sign(device_statement(world, "ballot-box-1")).data)
    assert caught.value.check == "R.order"
    board.append(world.append(world.keys.opening()).data)
    board.append(world.append(device_statement(world, "ballot-box-1")).data)
    store.close()


def test_nothing_is_taken_after_the_polls_have_closed(polls: Polls) -> None:
    """No ballot, no cast, no second close; what was taken still gives its index."""
    ballot = polls.submit()
    late = polls.world.sign(encrypt(polls.world, FULL).ballot).data
    cast = polls.world.sign(Cast("ballot-box-1", ballot.confirmation_code)).data
    polls.close()
    again = polls.world.sign(PollsClose(1, 1, 0, 0)).data
    for data, check in ((late, "R.after-close"), (cast, "R.after-close"), (again, "R.order")):
        with pytest.raises(Rejected) as caught:
            polls.take(data)
        assert caught.value.check == check
    assert polls.take(polls.world.artifacts[-1].data) == polls.board.size() - 1
    found = polls.board.look_up(ballot.confirmation_code)
    assert found is not None
    assert (found.entry.status, found.phase) == (Status.SUBMITTED, Phase.CLOSED)


def test_a_device_that_has_closed_can_still_decide_and_not_submit(polls: Polls) -> None:
    """As docs/record.md has it."""
    ballot = polls.submit()
    late = polls.world.sign(encrypt(polls.world, FULL).ballot).data
    polls.take(polls.world.append(close_statement(polls.world, "ballot-box-1")).data)
    with pytest.raises(Rejected) as caught:
        polls.take(late)
    assert caught.value.check == "R.order"
    polls.decide(Cast("ballot-box-1", ballot.confirmation_code))


# --- reading and waiting


def test_readers_see_what_is_stored(polls: Polls) -> None:
    """One by one and in ranges that may end beyond the end."""
    polls.submit()
    data = polls.world.data()
    size = polls.board.size()
    assert list(polls.board.read_bytes(0, 10**6)) == data
    assert list(polls.board.read_bytes(3, 2)) == data[3:5]
    assert list(polls.board.read_bytes(size, 5)) == []
    assert polls.board.read(size - 1).data == data[-1]
    with pytest.raises(IndexError):
        polls.board.read(size)


def test_whoever_waits_is_woken_by_the_next_artifact(polls: Polls) -> None:
    """Or gets the old size when time is up, or when the board closes."""
    size = polls.board.size()
    assert polls.board.wait(size, 0.0) == size
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(polls.board.wait, size, 60.0)
        polls.submit()
        assert waiting.result(60) == size + 1
        waiting = pool.submit(polls.board.wait, size + 1, 60.0)
        threading.Timer(0.05, polls.board.close).start()
        assert waiting.result(60) == size + 1


def test_the_server_signs_its_own_statements(polls: Polls) -> None:
    """`publish` is checked like everything else: only a drill begins while the polls are open."""
    with pytest.raises(Rejected) as caught:
        polls.board.publish(DecryptionSession(1, (1, 2)))
    assert caught.value.check == "R.session"
    due = len(polls.world.artifacts)
    assert polls.board.publish(DecryptionSession(1, (1, 2), Purpose.DRILL)) == due


def test_a_code_leads_to_its_ballot(polls: Polls) -> None:
    """With its fate and the index that decided it; unknown codes lead nowhere."""
    ballot = polls.submit()
    polls.decide(Challenge("ballot-box-1", ballot.confirmation_code))
    found = polls.board.look_up(ballot.confirmation_code)
    assert found is not None
    assert found.entry.status is Status.CHALLENGED
    assert found.entry.decided == polls.board.size() - 1
    assert polls.board.read(found.entry.index).data == found.data
    assert polls.board.look_up(bytes(32)) is None


# --- restart


def test_a_restarted_server_has_the_same_record(polls: Polls) -> None:
    """State, order and tree are rebuilt; it goes on taking ballots."""
    ballot = polls.submit()
    polls.decide(Cast("ballot-box-1", ballot.confirmation_code))
    before = polls.board.transcript.state.counts(), polls.board.sign_checkpoint()
    board = polls.reopen()
    assert (board.transcript.state.counts(), board.sign_checkpoint()) == before
    assert list(board.read_bytes(0, 1000)) == polls.world.data()
    polls.submit()


def test_a_board_belongs_to_its_election_and_its_keys(polls: Polls) -> None:
    """Another election's artifact, another server key and another log key are refused."""
    world, other = polls.world, World.create(TOY_GROUP)
    with pytest.raises(StoreForeign):
        Board.open(
            polls.store,
            other.artifacts[0],
            server_key=other.role_key(Role.SERVER),
            log_key=other.secrets.log,
        )
    server_key, log_key = world.role_key(Role.SERVER), world.secrets.log
    stranger = Ed25519PrivateKey.generate()
    for keys in ((stranger, log_key), (server_key, stranger)):
        with pytest.raises(Rejected) as caught:
            Board.open(polls.store, world.artifacts[0], server_key=keys[0], log_key=keys[1])
        assert caught.value.check == "R.role-keys"


# --- checkpoints and the published record


def test_the_checkpoint_covers_everything_and_is_stored(polls: Polls) -> None:
    """There is one for every artifact that came alone, and one of the empty tree."""
    note = polls.board.sign_checkpoint()
    checkpoint = verify_checkpoint(note, polls.world.log_key)
    assert checkpoint.size == polls.board.size()
    assert polls.board.sign_checkpoint() == note
    polls.submit()
    assert verify_checkpoint(polls.board.sign_checkpoint(), polls.world.log_key).size == (
        checkpoint.size + 1
    )
    assert [c.size for c in polls.store.checkpoints()] == list(range(checkpoint.size + 2))


def test_whoever_has_an_older_head_finds_what_was_cosigned_by_then(polls: Polls) -> None:
    """Also after somebody with a newer one has asked."""
    sizes = []
    for _ in range(2):
        polls.submit()
        sizes.append(polls.board.head().size)
        polls.store.add_cosignatures(sizes[-1], [b"a witness's line"])
    for size in (sizes[1], sizes[0], sizes[1]):
        found = polls.board.newest_cosigned(size)
        assert found is not None
        assert found.size == size
    assert polls.board.newest_cosigned(sizes[0] - 1) is None


def test_the_exported_record_reads_back(polls: Polls, tmp_path: Path) -> None:
    """Exported twice, with growth in between, it is the log as it stands."""
    polls.submit()
    polls.board.export(tmp_path / "record")
    polls.submit()
    checkpoint = polls.board.export(tmp_path / "record")
    assert checkpoint.size == polls.board.size()
    with read_archive(tmp_path / "record") as archive:
        assert list(archive.artifacts(polls.world.log_key)) == polls.world.data()


def test_a_database_that_lost_artifacts_never_signs_again(polls: Polls) -> None:
    """An older copy under a newer checkpoint would fork the log."""
    polls.submit()
    polls.board.sign_checkpoint()
    with polls.store._database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("UPDATE checkpoints SET last_idx = 0")
        connection.exec_driver_sql(
            "DELETE FROM artifacts WHERE idx = (SELECT MAX(idx) FROM artifacts)"
        )
    with pytest.raises(StoreDamaged, match="must not fork"):
        polls.reopen()


def test_a_database_with_another_history_never_signs_again(polls: Polls) -> None:
    """The last ballot exchanged for another good one under a signed checkpoint."""
    ballots = [encrypt(polls.world, FULL).ballot for _ in range(2)]
    one, two = (polls.world.sign(ballot).data for ballot in ballots)
    polls.take(one)
    polls.board.sign_checkpoint()
    polls.store.close()
    other = SqliteStore.create(polls.path.with_name("other.db"), polls.world.context.base_hash)
    for data in [*polls.world.data(), two]:
        other.append(other.size(), data)
    polls.store = SqliteStore.open(polls.path, polls.world.context.base_hash)
    checkpoint = polls.store.newest_checkpoint()
    assert checkpoint is not None
    polls.store.close()
    other.add_checkpoint(checkpoint)
    polls.store = other
    with pytest.raises(StoreDamaged, match="must not fork"):
        polls._open()


# --- hints


class Judge(Admission):
    """Passes every ballot; hints hold if they say so."""

    def __init__(self, election: Artifact) -> None:
        super().__init__(election, workers=0)
        self.senders: list[str] = []

    def submit(
        self,
        keys: ElectionKeys,
        artifact: Artifact,
        *,
        hints: bytes = b"",
        sender: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Ticket:
        self.senders.append(sender)
        ticket = Ticket(keys, artifact, hints, wanted)
        ticket.settle(hints == b"right")
        return ticket


def test_hints_are_kept_with_their_ballot_if_they_hold(polls: Polls, tmp_path: Path) -> None:
    """Wrong ones refuse nothing and are forgotten; those of a known ballot are not looked at."""
    judge = Judge(polls.world.artifacts[0])
    board = polls.reopen(judge)
    indices = {}
    for hints in (b"right", b"wrong", b""):
        artifact = polls.world.append(encrypt(polls.world, FULL).ballot)
        indices[hints] = board.accept(artifact, hints).index
        assert not board.accept(artifact, b"right").new
    assert board.read_hints(0, 100) == {indices[b"right"]: b"right"}
    assert judge.senders == ["device ballot-box-1"] * 3
    board.export(tmp_path / "record")
    with read_archive(tmp_path / "record") as archive:
        pairs = list(archive.with_hints(polls.world.log_key))
    assert [data for data, _ in pairs] == polls.world.data()
    assert {n: hints for n, (_, hints) in enumerate(pairs) if hints} == {
        indices[b"right"]: b"right"
    }
    assert polls.reopen().read_hints(0, 100) == {indices[b"right"]: b"right"}


# --- many of one device, in order


def begun(polls: Polls, *artifacts: Artifact) -> list[Arrival]:
    return [polls.board.begin(artifact, alone=False) for artifact in artifacts]


def test_a_chain_of_one_device_is_settled_together(polls: Polls) -> None:
    """Ballots that nobody has seen, their decisions and what is known already, in order."""
    first = polls.world.append(encrypt(polls.world, FULL).ballot)
    known = polls.take(first.data)
    ballots = [polls.world.append(encrypt(polls.world, FULL).ballot) for _ in range(2)]
    code = ballots[0].statement.confirmation_code  # type: ignore[union-attr]
    cast = polls.world.append(Cast("ballot-box-1", code))
    size = polls.board.size()
    arrivals = begun(polls, first, *ballots, cast)
    assert list(polls.board.settle(arrivals)) == [
        Accepted(known, new=False),
        *(Accepted(n, new=True) for n in (size, size + 1, size + 2)),
    ]
    assert [known.size for known in polls.store.checkpoints(size)] == [size, size + 3]
    assert polls.board.read(size).data == ballots[0].data
    again = list(polls.board.settle(begun(polls, first, *ballots, cast)))
    assert [accepted.new for accepted in again] == [False] * 4


def test_nothing_is_stored_behind_what_is_refused(polls: Polls) -> None:
    """Neither for its proof nor for its place; what came before stays."""
    world = polls.world
    first = world.sign(encrypt(world, FULL).ballot)
    spare = encrypt(world, FULL).ballot
    for wrong, check in (
        (world.sign(replace(spare, confirmation_code=bytes(32))), "8.B"),
        (world.sign(Cast("ballot-box-1", bytes(32))), "R.cast"),
    ):
        polls.take(polls.world.append(encrypt(polls.world, FULL).ballot).data)
        first = world.append(encrypt(world, FULL).ballot)
        code = first.statement.confirmation_code  # type: ignore[union-attr]
        late = world.sign(Cast("ballot-box-1", code))
        size = polls.board.size()
        settling = polls.board.settle(begun(polls, first, wrong, late))
        assert next(settling).index == size
        with pytest.raises(Rejected) as caught:
            next(settling)
        assert caught.value.check == check
        assert polls.board.size() == size + 1


def test_a_chain_is_refused_before_it_costs_anything(polls: Polls) -> None:
    """A signature that is not the device's, and whatever comes when the polls are closed."""
    ballot = encrypt(polls.world, FULL).ballot
    artifact = polls.world.sign(ballot)
    judge = Judge(polls.world.artifacts[0])
    board = polls.reopen(judge)
    other = polls.world.sign(replace(ballot, unit="village"))
    with pytest.raises(Rejected) as caught:
        board.begin(replace(artifact, signature=other.signature), alone=False)
    assert caught.value.check == "R.signature"
    polls.close()
    with pytest.raises(Rejected) as caught:
        board.begin(artifact, alone=False)
    assert caught.value.check == "R.after-close"
    assert judge.senders == []


# --- groups of the manifest


def test_the_manifest_says_how_long_a_group_waits() -> None:
    """Without it a tenth of a second."""
    document = manifest_document()
    assert timing_of(manifest_of(document)) == Timing(0.1)
    document["groups"] = {"ballots": 300, "seconds": 20}
    timing = timing_of(manifest_of(document))
    assert timing == Timing(20, minimum=300)
    assert timing.most == 300


def manifest_of(document: dict[str, Any]) -> Manifest:
    return World.begin(TOY_GROUP, manifest_bytes(document), 1, 1).context.manifest


def test_how_statements_wait() -> None:
    """Voters' for a group; the close and a missing device go behind them; nobody else waits."""
    code = bytes(32)
    patient: list[Statement] = [Cast("a", code), Challenge("a", code)]
    assert {manner_of(statement) for statement in patient} == {Manner.PATIENT}
    closing: list[Statement] = [DeviceMissing("a", "lost"), PollsClose(0, 0, 0, 0)]
    assert {manner_of(statement) for statement in closing} == {Manner.CLOSING}
    assert manner_of(DecryptionSession(1, (1,), Purpose.DRILL)) is Manner.OWN


def test_a_vote_that_waits_is_not_shut_out_by_the_close(tmp_path: Path) -> None:
    """The close settles its group first; its own counts are wrong then, and it is told so."""
    polls = Polls(tmp_path)
    world = polls.world
    ballot = polls.submit()
    for statement in (
        close_statement(world, "ballot-box-1"),
        DeviceMissing("ballot-box-2", "lost"),
    ):
        polls.take(world.append(statement).data)
    closing = world.sign(world.state.counts())
    cast = world.append(Cast("ballot-box-1", ballot.confirmation_code))
    sequencer = polls.board._sequencer
    sequencer._timing = Timing(3600.0, minimum=100)
    voting = threading.Thread(target=polls.board.accept, args=(cast,))
    voting.start()
    for _ in range(600):
        if sequencer._waiting:
            break
        threading.Event().wait(0.1)
    with pytest.raises(Rejected) as caught:
        polls.board.accept(closing)
    assert caught.value.check == "R.polls-close"
    voting.join(60)
    assert polls.board.transcript.state.counts().cast == 1
    polls.board.accept(world.sign(world.state.counts()))
    assert polls.board.transcript.phase is Phase.CLOSED
    polls.store.close()


def test_a_device_cannot_fill_a_group_with_what_will_not_be_in_it(tmp_path: Path) -> None:
    """Worthless decisions and copies, in a stream or one by one: one voter is not left alone."""
    polls = Polls(tmp_path)
    world = polls.world
    ballots = [polls.submit() for _ in range(3)]
    polls.board = board = polls.reopen_with(Timing(3600.0, minimum=3))
    casts = [world.append(Cast("ballot-box-1", ballot.confirmation_code)) for ballot in ballots]
    size = board.size()
    threads = [threading.Thread(target=board.accept, args=(casts[0],), daemon=True)]
    threads[0].start()
    wait_for(lambda: len(board._sequencer._waiting) == 1)
    junk = [world.sign(Cast("ballot-box-1", bytes([n]) * 32)) for n in range(5)]
    with pytest.raises(Rejected) as caught:
        list(board.settle([board.begin(artifact, alone=False) for artifact in junk]))
    assert caught.value.check == "R.cast"
    for _ in range(3):
        threads.append(threading.Thread(target=board.accept, args=(casts[1],), daemon=True))
        threads[-1].start()
    wait_for(lambda: len(board._sequencer._waiting) == 4)
    assert board.size() == size
    assert board.accept(casts[2]).new
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [head.size for head in polls.store.checkpoints(size + 1)] == [size + 3]
    polls.store.close()


def test_a_device_goes_on_after_a_restart_in_groups_of_the_manifest(tmp_path: Path) -> None:
    """One that has begun before it, and one whose beginning comes with its first ballots."""
    polls = Polls(tmp_path)
    world = polls.world
    polls.submit()
    polls.board = board = polls.reopen_with(Timing(3600.0, minimum=3))
    size = board.size()
    first = [world.append(encrypt(world, FULL).ballot) for _ in range(3)]
    plain = replace(FULL, device="ballot-box-2", unit="village", style="short")
    second = [world.append(device_statement(world, "ballot-box-2"))]
    second += [world.append(encrypt(world, plain).ballot) for _ in range(3)]
    for chain in (first, second):
        arrivals = [board.begin(artifact, alone=False) for artifact in chain]
        taken = [accepted.index for accepted in board.settle(arrivals)]
        assert taken == list(range(size, size + len(chain)))
        size += len(chain)
    polls.store.close()


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it does not come")
