"""Whole ceremonies and decryptions by trustees' machines, killed at every step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from crypto import sealing
from crypto.errors import Rejected
from crypto.parameters import STANDARD, TOY
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost
from record.artifacts import (
    DecryptionShares,
    EncryptedShare,
    EncryptedShares,
    TrusteeKeys,
)
from record.state import Phase, Round
from tests.ballots import Plain
from tests.decrypting import EXPECTED, play_result
from tests.trustee_machines import DictStore, Hall, ceremony, fork, tallied
from tests.world import World, manifest_bytes, trustee_name
from trustees import vault
from trustees.messages import (
    ConfirmationDue,
    Finished,
    Message,
    PostArtifact,
    PostNonceShares,
    Refusing,
    Waiting,
)
from trustees.record_copy import FileCopy

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


def counts(world: World) -> dict[tuple[str, str], tuple[int, ...]]:
    return {
        (t.unit, t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }


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


# --- killed at every step


def same(before: Message | None, after: Message | None) -> bool:
    """Byte for byte; `repr` and equality of the dataclasses leave nothing out."""
    if isinstance(before, PostArtifact) and isinstance(after, PostArtifact):
        return before.data == after.data
    return before == after


def turn_with_restarts(hall: Hall, i: int) -> bool:
    """Ask, kill, ask again, kill: the same bytes each time; then post once, or twice."""
    step = hall.step(i)
    if isinstance(step.event, ConfirmationDue):
        hall.restart(i)
        assert hall.step(i).event == step.event
        hall.trustees[i].confirm()
        hall.restart(i)
        return True
    if step.message is None:
        return False
    for _ in range(2):
        if isinstance(step.message, PostNonceShares):
            break  # A restart begins these again, from the first one.
        hall.restart(i)
        again = hall.step(i).message
        while isinstance(again, PostNonceShares):
            hall.post(i, again)
            again = hall.step(i).message
        assert same(again, step.message)
    hall.post(i, step.message)
    if isinstance(step.message, PostArtifact):
        # The answer was lost: the program posts the same again and nothing comes of it.
        size = hall.log.size()
        hall.restart(i)
        hall.post(i, step.message)
        assert hall.log.size() == size
    return True


def test_killed_at_every_step() -> None:
    """A ceremony and a decryption in which every program dies before and after every word."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    while any(turn_with_restarts(hall, i) for i in hall.trustees):
        pass
    assert hall.world.state.phase is Phase.READY
    other = the_tallied(3, 2)
    hall = fork(other)
    hall.attend(1, 3)
    hall.coordinator.start_decryption()
    while any(turn_with_restarts(hall, i) for i in hall.trustees):
        pass
    hall.tabulator.step()
    assert counts(hall.world) == EXPECTED


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
    first, second, third, *rest = hall.world.data()
    # In another order, the rules of the record still hold.
    for data in (first, third, second, *rest):
        copy.append(data)
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
    for _ in range(3):
        step = hall.step(1)
        if isinstance(step.event, ConfirmationDue):
            hall.trustees[1].confirm()
            step = hall.step(1)
        assert hall.stores[1].writes > writes
        writes = hall.stores[1].writes
        assert isinstance(step.message, PostArtifact)
        assert step.message.data in hall.stores[1].values.values()
        hall.post(1, step.message)
        while hall.turn(2):
            pass
    assert hall.world.state.phase is Phase.READY


def test_confirmation_is_a_step_of_its_own() -> None:
    """Nothing is confirmed before somebody agrees to the hashes of the election that is on."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    with pytest.raises(ValueError, match="no confirmation is due"):
        hall.trustees[1].confirm()
    while not isinstance(hall.step(1).event, ConfirmationDue):
        assert hall.turn(1) or hall.turn(2)
    event = hall.step(1).event
    assert isinstance(event, ConfirmationDue)
    shown = event.confirmation
    assert shown.base_hash == hall.world.context.base_hash
    assert shown.key_ceremony_hash == hall.world.keys.key_ceremony_hash
    assert len(shown.spoken_key_ceremony_hash.split()) == 12
    assert shown.election["en"] == "Test election (en)"
    assert hall.step(1).message is None
    assert vault.KEY_SHARES not in hall.stores[1].values
    hall.trustees[1].confirm()
    assert hall.step(1).message is not None
    with pytest.raises(ValueError, match="no confirmation is due"):
        hall.trustees[1].confirm()


def test_who_is_waited_for() -> None:
    """While it waits, a trustee names those who are late."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    hall.turn(1)
    assert hall.step(1).event == Waiting(
        "the keys of the others", (trustee_name(2), trustee_name(3))
    )


# --- sessions


def play_until(hall: Hall, round_: Round, who: tuple[int, ...]) -> None:
    """Turns until everybody in `who` has finished `round_`."""
    while True:
        session = hall.world.state.session
        assert session is not None
        if all(session.done(round_, i) for i in who):
            return
        assert any(hall.turn(i) for i in who if not session.done(round_, i))


def test_lost_trustee() -> None:
    """After a trustee is lost in a round, another session with other nonces finishes."""
    hall = fork(the_tallied(5, 3))
    hall.attend(1, 2, 3, 4)
    hall.coordinator.start_decryption((1, 2, 3))
    play_until(hall, Round.COMMITMENTS, (1, 2, 3))
    play_until(hall, Round.SHARES, (1, 2))
    first = hall.stores[1].values[vault.SESSION]
    hall.coordinator.start_decryption((1, 2, 4))
    hall.run((1, 2, 4, 5))
    second = hall.stores[1].values[vault.SESSION]
    assert first[:4] != second[:4]
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
    assert after_nonces(again, 1) == answer.data


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
    answer = after_nonces(hall, 1)
    branch.stores[1] = hall.stores[1].copy()
    branch.restart(1)
    with pytest.raises(Rejected) as caught:
        branch.feed(1)
    assert caught.value.check == "P.extension"
    assert branch.trustees[1].step().message is None
    # Even if the key store had forgotten what it saw, it holds the one answer and no key.
    branch.stores[1].remove([vault.SEEN])
    branch.restart(1)
    assert after_nonces(branch, 1) == answer


def after_nonces(hall: Hall, i: int) -> bytes:
    """The artifact that is due when the nonce shares have been posted."""
    step = hall.step(i)
    while isinstance(step.message, PostNonceShares):
        hall.post(i, step.message)
        step = hall.step(i)
    assert isinstance(step.message, PostArtifact)
    return step.message.data


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


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_two_machines(turns: int) -> None:
    """Of two copies of a fresh key store, the second one stops as soon as the first spoke."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    for _ in range(turns):
        hall.turn(1)
        hall.turn(2)
    hall.stores[1] = DictStore()
    hall.restart(1)
    assert isinstance(hall.step(1).event, Refusing)


def test_copy_of_a_key_store_in_a_session() -> None:
    """A restored backup does not go on with a session that was begun without it."""
    hall = fork(the_tallied(2, 2))
    backup = hall.stores[1].copy()
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    play_until(hall, Round.COMMITMENTS, (1,))
    hall.stores[1] = backup
    hall.restart(1)
    event = hall.step(1).event
    assert isinstance(event, Refusing)
    assert "commitments" in str(event)
    # In the next session it takes part like any other.
    hall.coordinator.start_decryption()
    hall.restart(1)
    hall.run()
    assert hall.tabulator.step()


# --- cheats, by the other trustees and by the board


def test_wrong_share_stops_the_receiver() -> None:
    """A share that does not fit stops its receiver before it confirms, naming the sender."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    for i in (1, 2, 3):
        hall.turn(i)
    for i in (1, 3):
        hall.turn(i)
    hall.world.append(wrong_shares(hall, 2))
    for i in (1, 3):
        event = hall.step(i).event
        assert isinstance(event, Refusing)
        assert isinstance(event.reason, Rejected)
        assert (event.reason.check, event.reason.culprit) == ("R.key-share", "trustee 2")
        assert vault.KEY_SHARES not in hall.stores[i].values
        with pytest.raises(ValueError, match="no confirmation is due"):
            hall.trustees[i].confirm()


def wrong_shares(hall: Hall, i: int) -> EncryptedShares:
    """Shares of trustee i that are off by one, with good proofs."""
    context, keys = hall.world.context, hall.world.state.trustee_keys
    group, h_p = context.group, context.election.parameter_base_hash
    secrets = vault.Vault(hall.stores[i]).key_secrets(group)
    assert secrets is not None
    shares = []
    for j in sorted(keys.keys() - {i}):
        share = (secrets.vote.evaluate(group, j) + 1) % group.q
        data_share = secrets.data.evaluate(group, j)
        kappa = keys[j].communication_key
        sealed = sealing.seal_shares(group, h_p, i, j, kappa, share, data_share)
        shares.append(EncryptedShare(j, sealed.c0, sealed.c1, sealed.c2))
    return EncryptedShares(i, tuple(shares))


def test_keys_with_a_wrong_proof_are_refused_by_readers() -> None:
    """A board that lets wrong keys through is found out by every trustee that reads them."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.turn(1)
    step = hall.step(2)
    assert isinstance(step.message, PostArtifact)
    keys = hall.world.transcript.parse(step.message.data).statement
    assert isinstance(keys, TrusteeKeys)
    proof = replace(keys.vote_proof, challenge=keys.vote_proof.challenge ^ 1)
    wrong = hall.world.sign(replace(keys, vote_proof=proof))
    hall.world.artifacts.append(wrong)
    hall.world.transcript.append(wrong)
    with pytest.raises(Rejected) as caught:
        hall.feed(1)
    assert (caught.value.check, caught.value.culprit) == ("2.C", "trustee 2")
    assert hall.trustees[1].refusal is caught.value
    with pytest.raises(Rejected):
        hall.trustees[1].receive(b"")
