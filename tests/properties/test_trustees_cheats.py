"""Every cheat is named by its check, with its trustee, on the record; the rest go on."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Accusation, Purpose
from record.state import Phase
from record.transcript import Transcript
from sailau.v1 import record_pb2
from tests.cheating import (
    CEREMONY_CHEATS,
    DECRYPTION_CHEATS,
    Cheat,
    FalseComplaint,
    SilentAboutShare,
    WrongResponse,
    WrongShare,
)
from tests.decrypting import EXPECTED
from tests.trustee_machines import Hall, ceremony, fork, tallied
from tests.world import World, manifest_bytes, trustee_name
from trustees import vault
from trustees.messages import Aborted, ConfirmationDue, PostArtifact, Refusing, Waiting


@cache
def the_tallied() -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], 4, 2)


def hall_with(cheat: Cheat, i: int = 2, n: int = 3, k: int = 2) -> Hall:
    """A ceremony that is about to begin, with one cheat in it."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), n, k))
    hall.cheat(i, cheat)
    return hall


def accusations(hall: Hall) -> list[Accusation]:
    found = (a.statement for a in hall.world.artifacts)
    return [s for s in found if isinstance(s, Accusation)]


def proved_again(hall: Hall) -> None:
    """Anybody who reads the record from the beginning finds every accusation proved."""
    first, *rest = hall.world.artifacts
    transcript = Transcript(first)
    for artifact in rest:
        transcript.check(artifact)
        transcript.prove(artifact, hall.world.read)
        transcript.take(artifact)


# --- the ceremony


@pytest.mark.parametrize("name", CEREMONY_CHEATS)
def test_in_the_ceremony(name: str) -> None:
    """The cheat is named, nobody goes on, every secret is erased, and the reason is told."""
    cheat, check = CEREMONY_CHEATS[name]
    hall = hall_with(cheat())
    hall.run()
    state = hall.world.state
    assert state.phase is Phase.ABORTED
    assert {i: a.check for i, a in state.accused.items()} == {2: check}
    (accusation,) = accusations(hall)
    assert (accusation.trustee, accusation.check) == (2, check)
    proved_again(hall)
    for i in hall.trustees:
        event = hall.step(i).event
        assert isinstance(event, Aborted)
        assert event.trustee == 2
        assert check in event.reason
        assert set(hall.stores[i].values) <= {vault.ELECTION, vault.SEEN, "trustee.cheated"}
    (notice,) = hall.coordinator.notices()
    assert f"trustee 2, {trustee_name(2)}, broke the protocol (check {check})" in notice
    assert "sailau election restart" in notice


def test_the_receiver_of_a_wrong_share_complains() -> None:
    """It does not confirm, nor refuse: it says so on the record, and waits for the answer."""
    hall = hall_with(SilentAboutShare(), i=2)
    hall.run()
    state = hall.world.state
    assert state.phase is Phase.CONFIRMATION
    assert dict(state.complaints) == {(1, 2): None}
    assert set(state.confirmations) == {3}
    assert hall.step(1).event == Waiting("the answer to its complaint from", (trustee_name(2),))
    assert vault.KEY_SHARES not in hall.stores[1].values
    with pytest.raises(ValueError, match="no key shares"):
        hall.trustees[1].backup()
    assert hall.coordinator.notices() == (
        "Waiting for trustee 2, trustee-2 (not connected) to answer trustee 1, which complains "
        "that its share is wrong.",
        "Waiting for the confirmation of trustee 2, trustee-2 (not connected).",
    )


def test_a_false_complaint_changes_nothing() -> None:
    """The share is opened, everybody sees that it was right, and the keys are made."""
    hall = hall_with(FalseComplaint(), i=3)
    hall.run()
    state = hall.world.state
    assert state.phase is Phase.READY
    assert state.complaints[3, 1] is not None
    assert not state.accused
    for store in hall.stores.values():
        assert set(store.values) == {vault.ELECTION, vault.SEEN, vault.KEY_SHARES}


def test_a_share_that_the_receiver_cannot_open_is_opened_by_the_answer() -> None:
    """Whoever complains works with what the answer shows."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    while hall.world.state.phase is not Phase.CONFIRMATION:
        assert any(hall.turn(i) for i in hall.trustees)
    # Trustee 1 reads something else out of what trustee 3 has sent.
    keys = hall.trustees[1]._keys  # noqa: SLF001
    hall.feed(1)
    received = keys._need_dealer().receive(hall.world.state.encrypted_shares)  # noqa: SLF001
    right = {j: pair for j, pair in received.right.items() if j != 3}
    keys._confirming._received = type(received)(right, (3,))  # noqa: SLF001
    hall.run()
    assert len(hall.world.state.confirmations) == 3
    assert hall.world.state.complaints[1, 3] is not None
    assert not hall.world.state.accused


def test_answers_are_given_after_the_own_confirmation() -> None:
    """Of the ceremony's secrets the nonces alone outlive it, until everybody has confirmed."""
    hall = hall_with(FalseComplaint(), i=3)
    while not isinstance(hall.step(1).event, ConfirmationDue):
        assert any(hall.turn(i) for i in (1, 2, 3) if i != 3 or hall.world.state.phase < 3)
    hall.run((1, 2))
    assert set(hall.world.state.confirmations) == {1, 2}
    left = {vault.ELECTION, vault.SEEN, vault.KEY_SHARES, vault.SHARE_NONCES}
    assert set(hall.stores[1].values) == left | {vault.SENT_CONFIRMATION}
    hall.restart(1)
    hall.run()
    assert hall.world.state.phase is Phase.READY
    assert vault.SHARE_NONCES not in hall.stores[1].values


def test_nothing_is_answered_that_this_key_store_did_not_send() -> None:
    """A false answer in our name would be a proof against us."""
    hall = hall_with(FalseComplaint(), i=3)
    while not hall.world.state.complaints:
        assert any(hall.turn(i) for i in (1, 2, 3) if hall.world.state.phase < 3 or i == 3)
    group = hall.world.group
    (first, *rest) = vault.Vault(hall.stores[1]).share_nonces(group) or ()
    for nonces in ([*rest, first], [*rest, group.random_scalar()], []):
        hall.stores[1].update(vault.share_nonces_value(group, nonces))
        hall.restart(1)
        event = hall.step(1).event
        assert isinstance(event, Refusing)
        assert isinstance(event.reason, Rejected)
        assert event.reason.check == "P.key-store"


def test_given_up_by_the_administrator() -> None:
    """Whoever waits for nothing learns why, in the administrator's words."""
    from record.artifacts import CeremonyAbandoned

    hall = hall_with(SilentAboutShare(), i=2)
    hall.run()
    hall.world.append(CeremonyAbandoned("Trustee 2 does not answer.\nSorry."))
    event = hall.step(1).event
    assert event == Aborted(
        "the administrator has given it up: Trustee 2 does not answer. Sorry.", None
    )
    assert "does not answer" in hall.coordinator.notices()[0]


# --- messages that are no messages


def test_a_signed_message_that_is_no_value() -> None:
    """What does not parse is published, too, if it is signed and canonical."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    message = hall.step(2).message
    assert isinstance(message, PostArtifact)
    raw = record_pb2.Artifact.FromString(message.data)
    raw.key_commitment.commitment = b"short"
    raw.ClearField("signature")
    unsigned = raw.SerializeToString(deterministic=True)
    from record.artifacts import Role, signed_message

    key = hall.world.role_key(Role.TRUSTEE, trustee_name(2))
    raw.signature = key.sign(signed_message(hall.world.context.base_hash, unsigned))
    data = raw.SerializeToString(deterministic=True)
    for sender in (1, 3):  # Who passes it on is not to blame.
        with pytest.raises(Malformed):
            hall.coordinator.parse(sender, data)
    assert hall.log.size() == 1
    with pytest.raises(Malformed):
        hall.coordinator.parse(2, data)
    assert hall.world.state.accused[2].check == "R.encoding"
    with pytest.raises(Malformed):
        hall.coordinator.parse(2, b"no artifact")
    assert hall.log.size() == 2


# --- decryptions


@pytest.mark.parametrize("name", DECRYPTION_CHEATS)
def test_in_a_decryption(name: str) -> None:
    """The cheat is named and left out; the others finish, and nobody has to ask them."""
    cheat, check = DECRYPTION_CHEATS[name]
    hall = fork(the_tallied())
    hall.cheat(2, cheat())
    hall.attend(1, 2, 3)
    hall.coordinator.start_decryption((1, 2, 3))
    hall.run()
    state = hall.world.state
    assert {i: a.check for i, a in state.accused.items()} == {2: check}
    assert state.session is not None
    assert (state.session.number, state.session.trustees) == (2, (1, 3))
    assert hall.tabulator.step()
    assert {
        (t.units[0], t.contest): tuple(o.count for o in t.options) for t in state.decrypted_tallies
    } == EXPECTED
    proved_again(hall)
    event = hall.trustees[2].step().event
    assert isinstance(event, Refusing)
    assert isinstance(event.reason, Rejected)
    assert (event.reason.check, event.reason.culprit) == (check, "trustee 2")


def test_others_take_the_place_of_the_culprit() -> None:
    """Where too few of U are left, whoever else is there comes in."""
    hall = fork(the_tallied())
    hall.cheat(2, WrongResponse())
    hall.attend(1, 2, 4)
    hall.coordinator.start_decryption((1, 2))
    hall.run()
    session = hall.world.state.session
    assert session is not None
    assert (session.number, session.trustees) == (2, (1, 4))
    assert hall.tabulator.step()
    (notice,) = hall.coordinator.notices() or ("",)
    assert notice == "" or "is left out" in notice


def test_the_next_session_waits_for_who_comes() -> None:
    """With too few connected, the next one begins when somebody comes back."""
    hall = fork(the_tallied())
    hall.cheat(2, WrongResponse())
    hall.attend(1, 2)
    hall.coordinator.start_decryption((1, 2))
    hall.run()
    session = hall.world.state.session
    assert session is not None
    assert session.over
    assert hall.step(1).event == Waiting("the next session, which leaves out", (trustee_name(2),))
    assert vault.SESSION not in hall.stores[1].values
    notices = hall.coordinator.notices()
    assert any("is left out" in notice for notice in notices)
    assert "Trustees connected: 1; decrypting needs 2." in notices
    with pytest.raises(Rejected, match="trustee 2 is accused"):
        hall.coordinator.start_decryption((1, 2))
    hall.attend(3)
    hall.run()
    assert hall.world.state.session is not session
    assert hall.tabulator.step()


def test_too_few_are_left() -> None:
    """When k-1 are left the server says plainly what that means, and nothing is lost."""
    hall = fork(tallied(TOY[-1], 2, 2))
    hall.cheat(2, WrongResponse())
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    hall.run()
    notices = hall.coordinator.notices()
    assert any("nobody can open the totals of this election any more" in n for n in notices)
    with pytest.raises(Rejected, match="below the quorum"):
        hall.coordinator.start_decryption()
    assert vault.KEY_SHARES in hall.stores[1].values


def test_in_a_drill() -> None:
    """A cheat in a drill is named and left out before anything depends on it."""
    hall = ceremony(TOY[-1], 3, 2)
    hall.cheat(1, WrongResponse())
    hall.attend(1, 2, 3)
    assert hall.coordinator.start_drill() == (1, (1, 2, 3))
    hall.run()
    state = hall.world.state
    assert state.phase is Phase.READY
    assert set(state.accused) == {1}
    assert state.drill is not None
    assert (state.drill.number, state.drill.answered()) == (2, (2, 3))
    assert state.drill.purpose is Purpose.DRILL


def test_one_after_the_other() -> None:
    """Two cheats in one session are found one after the other."""
    hall = fork(the_tallied())
    hall.cheat(2, WrongResponse())
    hall.cheat(3, WrongResponse())
    hall.attend(1, 2, 3, 4)
    hall.coordinator.start_decryption()
    hall.run()
    assert set(hall.world.state.accused) == {2, 3}
    assert hall.tabulator.step()
    indices = [a.index for a in hall.world.state.accused.values()]
    assert all(a < b for a, b in pairwise(sorted(indices)))


def test_a_cheat_that_is_restarted() -> None:
    """A cheat keeps to what it has sent, like anybody: a wrong share stays that one."""
    hall = hall_with(WrongShare(), i=2)
    while not hall.world.state.complaints:
        assert any(hall.turn(i) for i in hall.trustees)
        hall.cheat(2, WrongShare())
    hall.run()
    assert hall.world.state.accused[2].check == "R.share-answer"
