"""A part of a decryption, checked as a whole, fails where its first wrong entry stands."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto import batch
from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record import decryption
from record.artifacts import DecryptionShare
from record.decryption import JointDecryption, combine, combine_all, verify_responses, verify_shares
from record.state import Phase
from record.tally_rules import share_key
from tests.decrypting import Session, play_election

FIRST = 512
TRUSTEE = 2


@cache
def session() -> Session:
    """All of the tally's ciphertexts, several times over."""
    made = Session(play_election(TOY[-1], until=Phase.TALLIED))
    for i in made.available:
        made.nonces[i] *= 3
        made.parts[i] *= 3
    made.places *= 3
    return made


@cache
def joints() -> tuple[JointDecryption, ...]:
    return tuple(session().joint())


@cache
def responses() -> tuple[mpz, ...]:
    return tuple(answer for part in session().responses(TRUSTEE) for answer in part.responses)


COUNT = len(session().places)
places = st.lists(st.integers(0, COUNT - 1), max_size=4, unique=True)


@pytest.fixture(params=[True, False], ids=["together", "one by one"])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy group with batches, and without."""
    if request.param:
        monkeypatch.setattr(batch, "batchable", lambda _: True)


def refusal(error: Rejected, wrong: list[int]) -> None:
    """It names the trustee and the first of these places."""
    assert error.check == "R.decryption-share"
    assert error.culprit == f"trustee {TRUSTEE}"
    assert error.where == f"ciphertext {FIRST + min(wrong)}"


several = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@several
@given(places, st.sampled_from(["partial_decryption", "a", "b"]))
def test_shares(batches: None, wrong: list[int], field: str) -> None:
    """M_i, a_i and b_i of every entry are members."""
    group, shares = session().world.group, list(session().parts[TRUSTEE])
    for n in wrong:
        outside = group.p - getattr(shares[n], field)
        shares[n] = replace(shares[n], **{field: outside})
    if not wrong:
        verify_shares(group, shares, TRUSTEE, FIRST)
        return
    with pytest.raises(Rejected) as caught:
        verify_shares(group, shares, TRUSTEE, FIRST)
    refusal(caught.value, wrong)


def check(shares: list[DecryptionShare], answers: list[mpz]) -> None:
    world = session().world
    public = share_key(world.state, TRUSTEE)
    verify_responses(joints(), shares, answers, TRUSTEE, public, FIRST)


@several
@given(places, st.sampled_from(["response", "partial_decryption", "a", "b", "range"]))
def test_responses(batches: None, wrong: list[int], what: str) -> None:
    """Each response fits its M_i, a_i and b_i (94, 95) and is in Z_q."""
    group = session().world.group
    shares, answers = list(session().parts[TRUSTEE]), list(responses())
    for n in wrong:
        match what:
            case "response":
                answers[n] = (answers[n] + 1) % group.q
            case "range":
                answers[n] += group.q
            case _:
                value = getattr(shares[n], what) * group.g % group.p
                shares[n] = replace(shares[n], **{what: value})
    if not wrong:
        check(shares, answers)
        return
    with pytest.raises(Rejected) as caught:
        check(shares, answers)
    refusal(caught.value, wrong)


def test_responses_are_not_checked_one_by_one(
    batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With batches only what is suspected is: of a right part nothing, of a wrong one that."""
    checked: list[int] = []
    original = decryption.JointDecryption.verify_response

    def recording(joint: JointDecryption, *arguments: object) -> None:
        checked.append(joints().index(joint))
        original(joint, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(decryption.JointDecryption, "verify_response", recording)
    shares, answers = list(session().parts[TRUSTEE]), list(responses())
    together = batch.batchable(TOY[-1])
    check(shares, answers)
    assert len(checked) == (0 if together else COUNT)
    checked.clear()
    answers[4] = (answers[4] + 1) % session().world.group.q
    with pytest.raises(Rejected):
        check(shares, answers)
    assert len(checked) == (1 if together else 5)


def test_nothing_to_check() -> None:
    """A session of no ciphertexts has parts of nothing."""
    verify_responses([], [], [], TRUSTEE, mpz(1), 0)
    verify_shares(session().world.group, [], TRUSTEE, 0)


def test_combining_together() -> None:
    """What all ciphertexts combine to is what each does."""
    world, made = session().world, session()
    rows = [{i: made.parts[i][m] for i in made.available} for m in range(COUNT)]
    found = combine_all(world.keys, made.places, rows)
    assert found == [
        combine(world.keys, place, row) for place, row in zip(made.places, rows, strict=True)
    ]
