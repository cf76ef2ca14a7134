"""Whole ceremonies and decryptions by trustees' machines, killed at every step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import STANDARD, TOY
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost
from record.artifacts import (
    UNSEEN,
    CeremonyAbandoned,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShares,
    key_commitment,
    verify_signature,
)
from record.state import Phase, Round
from tests.ballots import Fate, Plain, submit
from tests.cheating import WrongProof
from tests.decrypting import EXPECTED, close_polls, play_result
from tests.trustee_machines import (
    DictStore,
    Hall,
    after_nonces,
    ceremony,
    counts,
    fork,
    play_until,
    swap_closes,
    tallied,
)
from tests.world import World, manifest_bytes, manifest_document, trustee_name
from trustees import vault
from trustees.machine import Trustee
from trustees.messages import (
    Computing,
    ConfirmationDue,
    Finished,
    PostArtifact,
    PostNonceShares,
    Refusing,
    Waiting,
)
from trustees.record_copy import FileCopy
from trustees.scratch import FolderScratch

SIZES = [(1, 1), (2, 2), (3, 2), (5, 3)]
SUBSETS = [
    (n, k, chosen)
    for n, k in SIZES
    for size in range(k, n + 1)
    for chosen in (
        [*combinations(range(1, n + 1), size)][0],
        [*combinations(range(1, n + 1), size)][-1],
    )
]


@cache
def the_tallied(n: int, k: int) -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], n, k)


@pytest.mark.parametrize(("n", "k", "chosen"), sorted(set(SUBSETS)))
def test_election(n: int, k: int, chosen: tuple[int, ...]) -> None:
    """Any k or more of n trustees decrypt; the others have said their last word before."""
    hall = fork(the_tallied(n, k))
    hall.decrypt(chosen)
    assert hall.tabulator.step()
    assert counts(hall.world) == EXPECTED
    play_result(hall.world)
    hall.run()
    assert all(isinstance(hall.step(i).event, Finished) for i in hall.trustees)
    assert all(vault.SESSION not in hall.stores[i].values for i in hall.trustees)


def test_real_group() -> None:
    """The same over the standard parameters."""
    hall = tallied(STANDARD, 2, 2, [Plain({"president": (0, 1, 0)}, style="short")])
    hall.decrypt((1, 2))
    hall.tabulator.step()
    assert counts(hall.world)["centre", "president"] == (0, 1, 0)


def test_in_a_key_store(tmp_path: Path) -> None:
    """The real key store serves, and a new process opens it and goes on."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    path = tmp_path / "home" / "keys"
    cost = ScryptCost(n=2, r=1, p=1)
    with Keystore.create(path, b"passphrase", {"role": b"x"}, cost=cost) as store:
        hall.trustees[1] = hall.make(1, store)
        hall.turn(1)
    with Keystore.open(path, b"passphrase") as store:
        hall.trustees[1] = hall.make(1, store)
        hall.run()
        assert hall.world.state.phase is Phase.READY
        names = set(store.secrets)
    assert names == {"role", vault.ELECTION, vault.SEEN, vault.KEY_SHARES}


def test_with_a_file_copy(tmp_path: Path) -> None:
    """What was read before is not asked for again, unless the file has lost some of it."""
    hall = fork(the_tallied(3, 2))
    path = tmp_path / "record"
    copy = FileCopy(path)
    hall.trustees[1] = hall.make(1, copy=copy)
    hall.feed(1)
    copy.close()
    hall.trustees[1] = hall.make(1, copy=FileCopy(path))
    assert hall.trustees[1].size == hall.log.size()
    path.write_bytes(path.read_bytes()[:-10])
    hall.trustees[1] = hall.make(1, copy=FileCopy(path))
    assert hall.trustees[1].size == 0
    assert [*hall.feed(1).record] == hall.world.data()


def test_a_damaged_file_copy_is_dropped(tmp_path: Path) -> None:
    """A copy that is not what the key store has the hash of is read again from the board."""
    hall = fork(the_tallied(3, 2))
    hall.feed(1)
    copy = FileCopy(tmp_path / "record")
    artifacts = list(hall.world.artifacts)
    swap_closes(artifacts)  # In another order, the rules of the record still hold.
    for artifact in artifacts:
        copy.append(artifact.data)
    trustee = hall.make(1, copy=copy)
    assert trustee.size == len(copy) == 0
    hall.trustees[1] = trustee
    assert hall.feed(1).refusal is None
    assert len(copy) == hall.log.size()


# --- what is kept


def test_only_shares_stay() -> None:
    """Once confirmed, of the ceremony's secrets z_i and z-hat_i alone are left."""
    hall = ceremony(TOY[-1], 3, 2)
    hall.run()
    for store in hall.stores.values():
        assert set(store.values) == {vault.ELECTION, vault.SEEN, vault.KEY_SHARES}
    assert set(vault.BACKUP) == {vault.ELECTION, vault.SEEN, vault.KEY_SHARES}


def test_written_before_spoken() -> None:
    """A message is handed out only after the write that makes it repeatable."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    writes = -1
    for _ in range(4):
        step = hall.step(1)
        if isinstance(step.event, ConfirmationDue):
            hall.confirm(1)
            step = hall.step(1)
        assert hall.stores[1].writes > writes
        writes = hall.stores[1].writes
        assert isinstance(step.message, PostArtifact)
        assert step.message.data in hall.stores[1].values.values()
        hall.post(1, step.message)
        while hall.turn(2):
            pass
    assert hall.world.state.phase is Phase.READY


def test_the_keys_that_were_committed_to() -> None:
    """They are drawn before the commitment leaves, and with their proofs, once."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.step(1)
    group = hall.world.group
    drawn = vault.Vault(hall.stores[1]).keys(group)
    hall.run()
    keys = hall.world.state.trustee_keys[1]
    assert drawn is not None
    assert replace(keys, transcript=UNSEEN) == drawn
    commitment = key_commitment(keys, group, hall.world.context.base_hash)
    assert hall.world.state.key_commitments[1].commitment == commitment


def test_nothing_is_signed_before_it_is_due() -> None:
    """The keys lie in the key store unsigned: a signature would be a second message."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.step(1)
    stored = hall.world.transcript.parse(hall.stores[1].values[vault.KEYS])
    with pytest.raises(Rejected) as caught:
        verify_signature(
            stored,
            hall.world.context.base_hash,
            hall.world.context.trustee_key(1).public_key,
            "trustee 1",
        )
    assert caught.value.check == "R.signature"


def test_confirmation_is_a_step_of_its_own() -> None:
    """Nothing is confirmed before somebody agrees to the hashes of the election that is on."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    with pytest.raises(ValueError, match="no confirmation is due"):
        hall.trustees[1].confirm({})
    while not isinstance(hall.step(1).event, ConfirmationDue):
        assert hall.turn(1) or hall.turn(2)
    event = hall.step(1).event
    assert isinstance(event, ConfirmationDue)
    shown = event.confirmation
    assert shown.base_hash == hall.world.context.base_hash
    assert shown.key_ceremony_hash == hall.world.keys.key_ceremony_hash
    assert shown.election["en"] == "Test election (en)"
    assert hall.step(1).message is None
    hall.confirm(1)
    assert hall.step(1).message is not None
    with pytest.raises(ValueError, match="no confirmation is due"):
        hall.confirm(1)


def test_no_confirmation_without_a_backup() -> None:
    """The key shares are written first; what is read back has to be they."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    with pytest.raises(ValueError, match="no key shares"):
        hall.trustees[1].backup()
    while not isinstance(hall.step(1).event, ConfirmationDue):
        assert hall.turn(1) or hall.turn(2)
    values = dict(hall.trustees[1].backup())
    assert set(values) == set(vault.BACKUP)
    assert values.items() <= hall.stores[1].values.items()
    wrong = bytes(len(values[vault.KEY_SHARES]))
    for read_back in ({}, {**values, vault.KEY_SHARES: wrong}, {**values, vault.ELECTION: b""}):
        with pytest.raises(Rejected) as caught:
            hall.trustees[1].confirm(read_back)
        assert caught.value.check == "P.backup"
        assert vault.SENT_CONFIRMATION not in hall.stores[1].values
    hall.trustees[1].confirm(values)
    assert dict(hall.trustees[1].backup()).keys() == values.keys()


def test_a_backup_confirms() -> None:
    """A trustee that loses its machine before it has confirmed does so from its backup."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    while not isinstance(hall.step(1).event, ConfirmationDue):
        assert any(hall.turn(i) for i in (1, 2, 3))
    event = hall.step(1).event
    assert isinstance(event, ConfirmationDue)
    hall.stores[1] = DictStore(dict(hall.trustees[1].backup()))
    hall.restart(1)
    assert hall.step(1).event == event
    hall.run()
    assert hall.world.state.phase is Phase.READY


def test_who_is_waited_for() -> None:
    """While it waits, a trustee names those who are late."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    hall.turn(1)
    assert hall.step(1).event == Waiting(
        "the commitments of the others", (trustee_name(2), trustee_name(3))
    )


# --- sessions


def test_lost_trustee() -> None:
    """After a trustee is lost in a round, another session with other nonces finishes."""
    hall = fork(the_tallied(5, 3))
    hall.attend(1, 2, 3, 4)
    hall.coordinator.start_decryption((1, 2, 3))
    play_until(hall, Round.COMMITMENTS, (1, 2, 3))
    play_until(hall, Round.SHARES, (1, 2))
    first = hall.stores[1].values[vault.SESSION]
    hall.coordinator.start_decryption((1, 2, 4))
    play_until(hall, Round.COMMITMENTS, (1, 2, 4))
    second = hall.stores[1].values[vault.SESSION]
    assert first[:4] != second[:4]
    hall.run((1, 2, 4, 5))
    assert hall.tabulator.step()
    assert counts(hall.world) == EXPECTED
    # Trustee 3 comes back, sees that its session is over, and forgets its nonces.
    assert vault.SESSION in hall.stores[3].values
    hall.restart(3)
    hall.step(3)
    assert vault.SESSION not in hall.stores[3].values


def test_sessions_share_no_nonce() -> None:
    """The same trustees and tallies in another session commit to other values."""
    hall = fork(the_tallied(2, 2))
    seen = []
    for _ in range(2):
        hall.attend(1, 2)
        hall.coordinator.start_decryption()
        play_until(hall, Round.SHARES, (1, 2))
        session = hall.world.state.session
        assert session is not None
        part = hall.log.read(session.parts[Round.SHARES, 1][0]).statement
        assert isinstance(part, DecryptionShares)
        seen.append(part.shares)
    first, second = seen
    assert all(
        x.partial_decryption == y.partial_decryption for x, y in zip(first, second, strict=True)
    )
    assert all(x.a != y.a and x.b != y.b for x, y in zip(first, second, strict=True))


def test_one_answer_only() -> None:
    """With its answers a trustee's nonce key is gone; other shares of others get no others."""
    hall = fork(the_tallied(2, 2))
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    play_until(hall, Round.SHARES, (1, 2))
    before = fork(hall)
    answer = hall.step(1).message
    assert isinstance(answer, PostArtifact)
    key = before.stores[1].values[vault.SESSION][37:]
    assert all(key not in value for value in hall.stores[1].values.values())
    # The same board, a new process: the same answer, out of what is written alone.
    again = fork(before)
    again.stores[1] = hall.stores[1].copy()
    again.restart(1)
    assert answer_of(again, 1) == answer.data


def test_another_board_gets_no_second_answer() -> None:
    """Trustee 2 and the board show two round twos: refused, and there is one answer only."""
    hall = fork(the_tallied(2, 2))
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    play_until(hall, Round.COMMITMENTS, (1,))
    branch = fork(hall)
    for board in (hall, branch):
        play_until(board, Round.COMMITMENTS, (1, 2))
        play_until(board, Round.SHARES, (1, 2))
    answer = answer_of(hall, 1)
    branch.stores[1] = hall.stores[1].copy()
    branch.restart(1)
    with pytest.raises(Rejected) as caught:
        branch.feed(1)
    assert caught.value.check == "P.extension"
    assert branch.trustees[1].step().message is None
    # Even if the key store had forgotten what it saw, it holds the one answer and no key.
    branch.stores[1].remove([vault.SEEN])
    branch.restart(1)
    again = answer_of(branch, 1)
    assert again != answer  # It is signed, and of the other record.
    assert responses(branch, again) == responses(hall, answer)


def responses(hall: Hall, data: bytes) -> tuple[mpz, ...]:
    statement = hall.world.transcript.parse(data).statement
    assert isinstance(statement, DecryptionResponses)
    return statement.responses


def answer_of(hall: Hall, i: int) -> bytes:
    """The artifact that is due when the nonce shares have been posted."""
    hall.feed(i)
    message = after_nonces(hall.trustees[i]).message
    assert isinstance(message, PostArtifact)
    return message.data


def test_only_nonces_of_ballots() -> None:
    """Where no contest reaches the floor, a session is about challenged ballots alone."""
    document = {**manifest_document(), "privacy_floor": 5}
    world = World.begin(TOY[-1], manifest_bytes(document), 2, 2)
    hall = Hall(world)
    hall.run()
    world.play_opening()
    for plain in (Plain(style="short"), Plain(style="short", fate=Fate.CHALLENGE)):
        submit(world, plain)
    close_polls(world)
    hall.tabulator.step()
    assert world.state.encrypted_tallies == []
    hall.decrypt((1, 2))
    assert not any(isinstance(a.statement, DecryptionCommitments) for a in world.artifacts)
    assert hall.tabulator.step()
    assert world.state.phase is Phase.COUNTED
    assert all(isinstance(hall.step(i).event, Finished) for i in hall.trustees)


# --- old and copied key stores


def test_old_key_store_in_the_ceremony() -> None:
    """A key store from before its own keys says nothing beside them."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.run()
    late = fork(hall)
    late.stores[1] = DictStore()
    late.restart(1)
    event = late.step(1).event
    assert isinstance(event, Refusing)
    assert isinstance(event.reason, Rejected)
    assert (event.reason.check, event.reason.culprit) == ("P.key-store", "trustee 1")


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_two_machines(turns: int) -> None:
    """Of two copies of a fresh key store, the second one stops as soon as the first spoke."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    for _ in range(turns):
        hall.turn(1)
        hall.turn(2)
    hall.stores[1] = DictStore()
    hall.restart(1)
    assert isinstance(hall.step(1).event, Refusing)


OTHER_COPY = Waiting("the next session: this one was begun with another copy of the key store")


@pytest.mark.parametrize("until", list(Round))
def test_copy_of_a_key_store_in_a_session(until: Round) -> None:
    """A restored backup leaves a session alone that was begun without it, and joins the next."""
    hall = fork(the_tallied(2, 2))
    backup = {name: hall.feed(1).backup()[name] for name in vault.BACKUP}
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    for round_ in Round:
        if round_ < until:
            play_until(hall, round_, (1, 2))
    play_until(hall, until, (1,))
    hall.stores[1] = DictStore(backup)
    hall.restart(1)
    if until is not Round.RESPONSES:
        for _ in range(2):
            step = hall.step(1)
            assert (step.event, step.message) == (OTHER_COPY, None)
            hall.restart(1)
    hall.coordinator.start_decryption()
    hall.run()
    assert hall.tabulator.step()


def test_two_copies_in_one_session() -> None:
    """Both draw a key; the one that is overtaken says no word of what it has begun."""
    hall = fork(the_tallied(2, 2))
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    copy = hall.make(1, hall.stores[1].copy())
    for artifact in hall.world.data():
        copy.receive(artifact)
    assert isinstance(copy.step().message, PostNonceShares)
    play_until(hall, Round.COMMITMENTS, (1, 2))
    for artifact in hall.world.data()[copy.size :]:
        copy.receive(artifact)
    step = after_nonces(copy)
    assert (step.event, step.message) == (OTHER_COPY, None)
    assert copy.refusal is None
    hall.run()
    assert hall.tabulator.step()


# --- leaving


def test_leaving() -> None:
    """A key store is free again after an aborted ceremony, and never of an open election."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    hall.stores[1].update({"role": b"x"})
    hall.trustees[1].leave()
    while hall.world.state.phase < Phase.SHARES:
        assert any(hall.turn(i) for i in hall.trustees)
    hall.feed(1)
    with pytest.raises(Rejected, match="insist") as caught:
        hall.trustees[1].leave()
    assert caught.value.check == "P.leave"
    other = fork(hall)
    other.feed(1).leave(insist=True)
    assert other.stores[1].values == {"role": b"x"}
    hall.world.append(CeremonyAbandoned("No."))
    hall.feed(1).leave()
    assert hall.stores[1].values == {"role": b"x"}


@pytest.mark.parametrize("read", [False, True])
def test_not_leaving_an_open_election(read: bool) -> None:
    """Nor one of which it is not known whether it is open."""
    hall = fork(the_tallied(2, 2))
    hall.feed(1)
    if not read:
        hall.restart(1)
    with pytest.raises(Rejected, match="may be open") as caught:
        hall.trustees[1].leave(insist=True)
    assert caught.value.check == "P.leave"
    assert vault.KEY_SHARES in hall.stores[1].values


# --- long computations


def test_scratch(tmp_path: Path) -> None:
    """What is computed is kept for a restart, and nothing of it when the answers are out."""
    hall, folder = fork(the_tallied(2, 2)), tmp_path / "scratch"
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    answers = []
    for round_ in Round:
        scratch = FolderScratch(folder)
        hall.trustees[1] = Trustee(
            hall.membership(1), hall.stores[1], lambda: None, scratch=scratch
        )
        answers.append(answer_of(hall, 1))
        assert folder.exists() is (round_ is not Round.RESPONSES)
        play_until(hall, round_, (1, 2))
    assert len(set(answers)) == 3
    hall.run()
    assert hall.tabulator.step()


def test_progress() -> None:
    """Of long computations every part is told, of short ones nothing; both can be stopped."""
    told: list[Computing] = []
    hall = fork(the_tallied(2, 2))
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    hall.trustees[1].listen(told.append)
    hall.run()
    assert told == []
    teller = hall.trustees[1]._teller  # noqa: SLF001
    for done in range(512, 120_512, 512):
        teller(min(done, 120_000), 120_000, "partial decryptions")
    assert len(told) <= 101
    assert told[-1] == Computing("partial decryptions", 120_000, 120_000)
    assert str(told[-1]) == "computing the partial decryptions: 120000 of 120000"


# --- cheats, by the other trustees and by the board


def test_keys_with_a_wrong_proof_are_refused_by_readers() -> None:
    """A board that lets wrong keys through is found out by every trustee that reads them."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.cheat(2, WrongProof())
    hall.turn(1)
    hall.turn(2)
    step = hall.step(2)
    assert isinstance(step.message, PostArtifact)
    wrong = hall.world.transcript.parse(step.message.data)
    hall.world.artifacts.append(wrong)
    hall.world.transcript.append(wrong)
    with pytest.raises(Rejected) as caught:
        hall.feed(1)
    assert (caught.value.check, caught.value.culprit) == ("2.C", "trustee 2")
    assert hall.trustees[1].refusal is caught.value
    with pytest.raises(Rejected):
        hall.trustees[1].receive(b"")


def test_another_record_is_not_what_was_signed_for() -> None:
    """Every statement says of which record it is: no other record can hold it."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.turn(1)
    branch = fork(hall)
    hall.turn(2)
    branch.stores[2] = DictStore()
    branch.restart(2)
    branch.turn(2)
    message = hall.step(1).message
    assert isinstance(message, PostArtifact)
    with pytest.raises(Rejected) as caught:
        branch.coordinator.post(1, branch.coordinator.parse(1, message.data))
    assert caught.value.check == "R.transcript"
    assert not branch.world.state.accused
