"""What a trustee refuses, one by one: by the function, and by a machine that meets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from crypto.errors import Rejected, SailauError
from crypto.group import Group, mpz
from crypto.parameters import TOY
from record.artifacts import (
    Ballot,
    DecryptionSession,
    EncryptedTally,
    Purpose,
    Role,
)
from record.state import Phase, SessionState, Status
from tests.ballots import Fate, Plain
from tests.decrypting import play_election
from tests.trustee_machines import Hall, OtherNonce, ceremony, fork, swap_closes, tallied
from tests.world import World, manifest_bytes, manifest_document, public_bytes, trustee_name
from trustees import policy, vault
from trustees.ceremony import KeyShares
from trustees.messages import PostNonceShares, Refusing, Waiting
from trustees.policy import Expected
from trustees.vault import Seen

DIGEST = bytes(32)


@cache
def the_tallied() -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], 3, 2)


def refused(hall: Hall, i: int) -> Rejected:
    """Why trustee i refuses what is due; it says nothing then, now and later."""
    step = hall.step(i)
    assert isinstance(step.event, Refusing)
    assert isinstance(step.event.reason, Rejected)
    assert step.message is None
    again = hall.trustees[i].step()
    assert again == step
    return step.event.reason


# --- the election


def test_another_election() -> None:
    """Another manifest, administrator, or key in our place is another election."""
    world = World.begin(TOY[-1], manifest_bytes(), 2, 2)
    context = world.context
    us = public_bytes(world.role_key(Role.TRUSTEE, trustee_name(1)))
    admin = public_bytes(world.role_key(Role.ADMINISTRATOR))
    right = Expected(1, us, context.base_hash, admin)
    right.check(context)
    for wrong, reason in (
        (replace(right, base_hash=DIGEST), "H_B differs"),
        (replace(right, administrator_key=us), "another administrator"),
        (replace(right, public_key=admin), "another key than this key store"),
        (replace(right, index=2), "another key than this key store"),
    ):
        with pytest.raises(Rejected, match=reason) as caught:
            wrong.check(context)
        assert caught.value.check == "P.election"


def test_key_store_of_another_election() -> None:
    """A key store serves one election; a board of another one is refused at artifact 0."""
    first = ceremony(TOY[-1], 2, 2)
    second = Hall(World.begin(TOY[-1], manifest_bytes(manifest_document("none")), 2, 2))
    second.stores[1] = first.stores[1].copy()
    second.restart(1)
    with pytest.raises(Rejected) as caught:
        second.feed(1)
    assert caught.value.check == "P.election"
    assert second.trustees[1].step().message is None


# --- the record


def test_extension() -> None:
    """The running hash tells every other record of the same size apart."""
    seen = Seen()
    for data in (b"a", b"b", b"c"):
        seen = policy.extend(seen, data)
    other = Seen()
    for data in (b"a", b"c", b"b"):
        other = policy.extend(other, data)
    policy.check_extension(seen, seen)
    policy.check_extension(policy.extend(other, b"d"), seen)
    with pytest.raises(Rejected) as caught:
        policy.check_extension(other, seen)
    assert caught.value.check == "P.extension"


def test_another_past_is_refused() -> None:
    """A board whose past is another one, valid in itself, is refused after a restart."""
    hall = fork(the_tallied())
    hall.feed(1)
    swap_closes(hall.world.artifacts)
    hall.restart(1)
    with pytest.raises(Rejected) as caught:
        hall.feed(1)
    assert (caught.value.check, caught.value.culprit) == ("P.extension", "server")


def test_shorter_record_is_waited_out() -> None:
    """While the board shows less than was seen before, nothing is said."""
    hall = fork(the_tallied())
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    hall.turn(1)
    hall.restart(1)
    *short, _, _ = hall.world.data()
    trustee = hall.trustees[1]
    for data in short:
        trustee.receive(data)
        step = trustee.step()
        assert step.message is None
        assert isinstance(step.event, Waiting)
    assert f"{len(short)} of the" in str(step.event)


# --- the session


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.CLOSED])
def test_before_the_close(phase: Phase) -> None:
    """No session before the polls have closed and every tally is there."""
    world = play_election(TOY[-1], until=phase)
    for purpose in (Purpose.TALLY, Purpose.BALLOT):
        with pytest.raises(Rejected) as caught:
            policy.check_session(world.state, 1, SessionState(1, (1, 2), 1, purpose))
        assert caught.value.check == "P.closed"
    # What is on drill is nothing that anybody has sent.
    drill = SessionState(1, (1, 2), 1, Purpose.DRILL)
    if phase is Phase.OPEN:
        policy.check_session(world.state, 1, drill)
    else:
        with pytest.raises(Rejected) as caught:
            policy.check_session(world.state, 1, drill)
        assert caught.value.check == "P.drill"
    # The rules of the record refuse it as well, so a board cannot show it.
    with pytest.raises(Rejected) as caught:
        world.append(DecryptionSession(1, (1, 2)))
    assert caught.value.check == ("R.order" if phase is Phase.CLOSED else "R.session")


def test_ballots_after_the_tallies() -> None:
    """A ballot is decrypted if it was challenged, and when the tallies have been."""
    state = the_tallied().world.state
    challenged = state.challenged[0]
    cast = next(code for code, e in state.ballots.items() if e.status is Status.CAST)
    for code, check in ((challenged, "P.closed"), (cast, "P.challenged"), (DIGEST, "P.challenged")):
        with pytest.raises(Rejected) as caught:
            policy.check_session(state, 1, SessionState(1, (1, 2), 1, Purpose.BALLOT, code))
        assert caught.value.check == check
    sealed = Plain(style="short", fate=Fate.CHALLENGE, encryptor=OtherNonce)
    hall = tallied(TOY[-1], 3, 2, [Plain(style="short"), sealed])
    hall.decrypt((1, 2))
    hall.tabulator.step()
    state = hall.world.state
    (challenged,) = state.challenged
    cast = next(code for code, e in state.ballots.items() if e.status is Status.CAST)
    policy.check_session(state, 1, SessionState(2, (1, 2), 1, Purpose.BALLOT, challenged))
    with pytest.raises(Rejected) as caught:
        policy.check_session(state, 1, SessionState(2, (1, 2), 1, Purpose.BALLOT, cast))
    assert caught.value.check == "P.challenged"


@pytest.mark.parametrize("trustees", [(1,), (1, 1), (2, 3), ()])
def test_quorum(trustees: tuple[int, ...]) -> None:
    """No session below the quorum, or without ourselves."""
    state = the_tallied().world.state
    policy.check_session(state, 1, SessionState(1, (1, 3), 1))
    with pytest.raises(Rejected) as caught:
        policy.check_session(state, 1, SessionState(1, trustees, 1))
    assert caught.value.check == "P.quorum"


def _other_a(tally: EncryptedTally, group: Group) -> EncryptedTally:
    first, *rest = tally.options
    return replace(tally, options=(replace(first, alpha=first.alpha * group.g % group.p), *rest))


def _other_b(tally: EncryptedTally, group: Group) -> EncryptedTally:
    *rest, last = tally.options
    return replace(tally, options=(*rest, replace(last, beta=last.beta * group.g % group.p)))


@pytest.mark.parametrize("cell", [0, 1, 2])
@pytest.mark.parametrize(("alter", "check"), [(_other_a, "9.A"), (_other_b, "9.B")])
def test_other_aggregates(
    cell: int, alter: Callable[[EncryptedTally, Group], EncryptedTally], check: str
) -> None:
    """A tally that is not our own product of the cast ballots is not decrypted."""
    hall = fork(the_tallied())
    world, at = hall.world, hall.log.size() - 3 + cell
    statement = world.artifacts[at].statement
    assert isinstance(statement, EncryptedTally)
    world.artifacts[at] = world.sign(alter(statement, world.group))
    hall = fork(hall)
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    reason = refused(hall, 1)
    assert (reason.check, reason.culprit) == (check, "server")
    assert vault.SESSION not in hall.stores[1].values


def test_a_single_ballot_as_a_tally() -> None:
    """One cast ballot in the place of a unit's sum is not decrypted."""
    hall = fork(the_tallied())
    state = hall.world.state
    entry = next(e for e in state.ballots.values() if e.status is Status.CAST)
    ballot = hall.world.read(entry.index).statement
    assert isinstance(ballot, Ballot)
    single = tuple(s.ciphertext for s in ballot.contests[0].selections)
    tally = hall.world.artifacts[-3].statement
    cell = state.encrypted_tallies[0]
    assert tally == cell
    wrong = hall.world.sign(replace(cell, options=single))
    hall.world.artifacts[-3] = wrong
    other = fork(hall)
    other.attend(1, 2)
    other.coordinator.start_decryption()
    assert refused(other, 1).check == "9.A"


def test_another_tally() -> None:
    """Once a tally has been begun, no other one is, however right it looks."""
    policy.check_same_tally(None, DIGEST)
    policy.check_same_tally(DIGEST, DIGEST)
    hall = fork(the_tallied())
    hall.stores[1].update({vault.TALLY: DIGEST})
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    assert refused(hall, 1).check == "P.other-tally"


def test_verdict() -> None:
    """A record that the verifier does not pass is not decrypted, and its reason is told."""
    hall = fork(the_tallied())
    hall.verdict = "check 6.D failed at artifact 17"
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    reason = refused(hall, 1)
    assert reason.check == "P.verified"
    assert "check 6.D failed at artifact 17" in str(reason)
    assert vault.SESSION not in hall.stores[1].values


def test_verified_once() -> None:
    """The verifier runs once before the first decryption, and not for later sessions."""
    hall = fork(the_tallied())
    hall.run()
    assert hall.verdicts == []
    for _ in range(2):
        hall.attend(1, 2)
        hall.coordinator.start_decryption()
        hall.turn(1)
        hall.restart(1)
        hall.turn(1)
    assert hall.verdicts == [None]


# --- nonces


def test_challenged_only() -> None:
    """Nonces of cast and spoiled ballots, and of none, stay secret."""
    state = the_tallied().world.state
    for code, entry in state.ballots.items():
        if entry.status is Status.CHALLENGED:
            policy.check_challenged(state, code)
            continue
        with pytest.raises(Rejected) as caught:
            policy.check_challenged(state, code)
        assert caught.value.check == "P.challenged"
    with pytest.raises(Rejected):
        policy.check_challenged(state, DIGEST)


def test_not_while_the_polls_are_open() -> None:
    """A challenged ballot's nonce stays secret until the close."""
    state = play_election(TOY[-1], until=Phase.OPEN).state
    with pytest.raises(Rejected):
        policy.check_challenged(state, state.challenged[0])


def test_nonces_sent_are_those_of_challenged_ballots() -> None:
    """What a machine hands over is about the challenged ballots and no other."""
    hall = fork(the_tallied())
    hall.decrypt((1, 3))
    for i in (1, 3):
        sent = [m for m in hall.posted[i] if isinstance(m, PostNonceShares)]
        codes = [code for message in sent for code, _ in message.shares]
        assert codes == hall.world.state.challenged


# --- the key store


def test_wrong_key_shares() -> None:
    """Key shares that are not those of the record's keys are not used."""
    hall = fork(the_tallied())
    hall.run()
    state, group = hall.world.state, hall.world.group
    shares = vault.Vault(hall.stores[2]).key_shares(group)
    assert shares is not None
    assert policy.check_key_shares(state, 2, shares) == shares
    for wrong in (
        None,
        replace(shares, vote=(shares.vote + 1) % group.q),
        replace(shares, data=(shares.data + 1) % group.q),
        KeyShares(mpz(0), mpz(0)),
    ):
        with pytest.raises(Rejected) as caught:
            policy.check_key_shares(state, 2, wrong)
        assert caught.value.check == "P.key-store"
    with pytest.raises(Rejected):
        policy.check_key_shares(state, 1, shares)
    hall.stores[2].remove([vault.KEY_SHARES])
    hall.restart(2)
    assert refused(hall, 2).check == "P.key-store"


def test_reasons_are_sentences() -> None:
    """Each refusal says who, where and what."""
    hall = fork(the_tallied())
    hall.stores[1].update({vault.TALLY: DIGEST})
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    text = str(refused(hall, 1))
    assert "another tally" in text
    assert "server" in text
    assert issubclass(Rejected, SailauError)
