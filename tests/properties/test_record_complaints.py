"""Complaints about shares, and their answers: who lied shows to everybody.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Malformed, Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import EncryptedShare, KeyConfirmation, ShareAnswer, ShareComplaint
from record.proofs import verify_share_answer
from record.state import Phase
from tests.refusing import refuse
from tests.world import World
from tests.wrong_statements import RECEIVER, SENDER, Deal, answer, complained, dealt

Q = TOY[-1].q
MISFITS = [
    (Deal(share=1), "the share does not fit"),
    (Deal(share_hat=1), "the share does not fit"),
    (Deal(share=Q - 1, share_hat=1), "the share does not fit"),
    (Deal(instead=(Q, 1)), "not below q"),
    (Deal(instead=(1, Q)), "not below q"),
    (Deal(instead=(2**256 - 1, 2**256 - 1)), "not below q"),
]
"""What trustee 2 sends trustee 1 with a proof that holds, and what is wrong with it."""


def confirmation(world: World, i: int) -> KeyConfirmation:
    """Trustee i agrees."""
    return KeyConfirmation(i, world.context.base_hash, world.keys.key_ceremony_hash)


# --- complaints


def test_a_complaint() -> None:
    """A trustee complains of each other one at most once, whoever has confirmed already."""
    world = dealt()
    world.append(confirmation(world, SENDER))
    for i in (2, 3):
        world.append(ShareComplaint(1, i))
        refuse(world, ShareComplaint(1, i), "R.complaint", "trustee 1")
    world.append(ShareComplaint(3, 1))
    assert world.state.complaints == {(1, 2): None, (1, 3): None, (3, 1): None}
    assert world.state.phase is Phase.CONFIRMATION


@pytest.mark.parametrize("sender", [1, 4, 2**31 - 1])
def test_a_complaint_of_nobody(sender: int) -> None:
    """There is no share from oneself, and none from a trustee that does not exist."""
    error = refuse(dealt(), ShareComplaint(1, sender), "R.complaint", "trustee 1")
    assert f"trustee {sender}" in error.where


def test_a_complaint_comes_before_the_confirmation() -> None:
    """Who has confirmed has accepted every share."""
    world = dealt()
    world.append(confirmation(world, 1))
    refuse(world, ShareComplaint(1, 2), "R.complaint", "trustee 1")
    world.append(ShareComplaint(2, 1))


def test_no_confirmation_without_an_answer() -> None:
    """A complaint holds up the trustee that complains until it is answered, and nobody else."""
    world = dealt()
    for i in (2, 3):
        world.append(ShareComplaint(1, i))
    for i in (2, 3):
        error = refuse(world, confirmation(world, 1), "R.complaint", "trustee 1")
        assert f"complained of trustee {i}" in error.problem
        world.append(answer(world, i, 1))
    for i in (2, 3, 1):
        world.append(confirmation(world, i))
    assert world.state.phase is Phase.READY
    assert None not in world.state.complaints.values()


@pytest.mark.parametrize("until", [Phase.SHARES, Phase.READY, Phase.OPEN])
def test_complaints_have_their_phase(until: Phase) -> None:
    """Neither complaint nor answer stands before the shares or after the confirmations."""
    world = World.create(TOY[-1], until=until)
    refuse(world, ShareComplaint(1, 2), "R.order")
    refuse(world, ShareAnswer(2, 1, mpz(1)), "R.order")


def test_a_complaint_names_its_sender() -> None:
    """Index 0 is no trustee, in a complaint or in an answer."""
    world = complained()
    for statement, field in (
        (ShareComplaint(1, 0), "share_complaint.sender"),
        (replace(answer(world), recipient=0), "share_answer.recipient"),
    ):
        with pytest.raises(Malformed) as caught:
            world.transcript.parse(world.sign(statement).data)
        assert caught.value.field == field


# --- answers


def test_an_answer() -> None:
    """The nonce opens the share that fits; the receiver works with what it opens."""
    world = complained()
    good = answer(world)
    world.append(good)
    known = world.state.complaints[RECEIVER, SENDER]
    assert known == replace(good, transcript=world.state.round_root)
    assert opened(world, good) == (
        world.secrets.vote_polynomials[SENDER].evaluate(world.group, RECEIVER),
        world.secrets.data_polynomials[SENDER].evaluate(world.group, RECEIVER),
    )
    for again in (good, replace(good, nonce=good.nonce + 1)):
        refuse(world, again, "R.equivocation", f"trustee {SENDER}")


def opened(world: World, given_answer: ShareAnswer) -> tuple[mpz, mpz]:
    """What `verify_share_answer` makes of the answer of trustee 2 to trustee 1."""
    share = next(s for s in _shares(world) if s.recipient == RECEIVER)
    keys = world.state.trustee_keys
    return verify_share_answer(world.context, keys[SENDER], keys[RECEIVER], share, given_answer)


def _shares(world: World) -> tuple[EncryptedShare, ...]:
    return world.state.encrypted_shares[SENDER].shares


def test_an_answer_belongs_to_a_complaint() -> None:
    """Who was not complained of has nothing to open."""
    world = complained()
    for i, ell in ((1, 2), (3, 1), (2, 3)):
        refuse(world, answer(world, i, ell), "R.share-answer", f"trustee {i}")
    for recipient in (2, 4, 2**31 - 1):
        refuse(world, replace(answer(world), recipient=recipient), "R.share-answer", "trustee 2")
    world.append(answer(world))


@given(st.integers(1, Q - 1))
def test_a_wrong_nonce(delta: int) -> None:
    """Any nonce but that of C_0 is refused, and blames the sender."""
    world = complained()
    good = answer(world)
    wrong = replace(good, nonce=(good.nonce + delta) % Q)
    error = refuse(world, wrong, "R.share-answer", "trustee 2")
    assert error.where == "share for trustee 1"
    assert "not that of C_0" in error.problem
    world.append(good)


def test_the_nonce_of_another_share() -> None:
    """The nonce for another receiver, or of another sender, does not open this share."""
    world = complained()
    for i, ell in ((2, 3), (1, 2), (3, 1)):
        wrong = replace(answer(world), nonce=world.secrets.share_nonces[i, ell])
        refuse(world, wrong, "R.share-answer", "trustee 2")


@pytest.mark.parametrize(("deal", "problem"), MISFITS)
def test_a_share_that_does_not_fit(deal: Deal, problem: str) -> None:
    """The right nonce of a wrong share convicts its sender; no other nonce saves it."""
    world = complained(deal)
    error = refuse(world, answer(world), "R.share-answer", "trustee 2")
    assert problem in error.problem, error.problem
    with pytest.raises(Rejected) as caught:
        opened(world, answer(world))
    assert (caught.value.check, caught.value.culprit) == ("R.share-answer", "trustee 2")
    refuse(world, replace(answer(world), nonce=mpz(1)), "R.share-answer", "trustee 2")
    refuse(world, confirmation(world, 1), "R.complaint", "trustee 1")


@given(st.integers(0, Q - 1), st.integers(0, Q - 1))
def test_an_answer_fits_only_the_right_shares(share: int, share_hat: int) -> None:
    """An answer stands exactly if what was sealed are P(l) and P-hat(l)."""
    world = complained(Deal(share, share_hat))
    if share == share_hat == 0:
        world.append(answer(world))
    else:
        refuse(world, answer(world), "R.share-answer", "trustee 2")


def test_the_ceremony_goes_on_after_a_false_complaint() -> None:
    """The answer stands, everybody confirms, and the polls open under the same keys."""
    world = complained()
    world.append(answer(world))
    world.play_confirmations()
    world.play_opening()
    assert world.state.phase is Phase.OPEN
    assert not world.state.accused
