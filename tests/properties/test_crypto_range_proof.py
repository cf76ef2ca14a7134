"""Range proofs hold for values in the range, and any change of anything breaks them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import range_proof
from crypto.elgamal import Ciphertext, PublicKey, accumulate, encrypt
from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.hashing import index_bytes
from crypto.parameters import STANDARD, TOY
from crypto.range_proof import RangeProof

GROUP = group_for(TOY[7])
REAL = group_for(STANDARD)
KEY = PublicKey(GROUP, GROUP.g_power(424242))
REAL_KEY = PublicKey(REAL, REAL.g_power(424242))
HI = bytes(range(32))
CONTEXT = index_bytes(7) + index_bytes(3)

LIMIT, VALUE, NONCE = 2, 1, mpz(31337)
CIPHERTEXT = encrypt(KEY, VALUE, NONCE)
PROOF = range_proof.prove(KEY, CIPHERTEXT, NONCE, VALUE, LIMIT, HI, CONTEXT)

deltas = st.integers(1, TOY[7].q - 1)
places = st.integers(0, LIMIT)


def refused(part: Part = Part.EQUATION, **changes: Any) -> None:
    """The good proof with these arguments changed does not verify."""
    arguments: dict[str, Any] = {
        "key": KEY,
        "ciphertext": CIPHERTEXT,
        "proof": PROOF,
        "limit": LIMIT,
        "hash_key": HI,
        "context": CONTEXT,
    }
    range_proof.verify(**arguments)
    with pytest.raises(InvalidProof) as caught:
        range_proof.verify(**(arguments | changes))
    assert caught.value.part is part


def changed(values: tuple[mpz, ...], j: int, value: mpz) -> tuple[mpz, ...]:
    return (*values[:j], value, *values[j + 1 :])


@given(
    st.sampled_from([group_for(parameters) for parameters in TOY]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 2**64),
)
def test_honest_proofs_hold(group: Group, limit: int, value: int, nonce: int) -> None:
    """Every value within every limit has a proof, 0 .. 0 included."""
    value = min(value, limit)
    key = PublicKey(group, group.g_power(12345))
    xi = mpz(nonce % group.q)
    ciphertext = encrypt(key, value, xi)
    proof = range_proof.prove(key, ciphertext, xi, value, limit, HI, CONTEXT)
    range_proof.verify(key, ciphertext, proof, limit, HI, CONTEXT)


@settings(max_examples=3)
@given(st.integers(0, 1), st.integers(0, STANDARD.q - 1))
def test_honest_proofs_hold_in_the_real_group(value: int, nonce: int) -> None:
    """The same at 4096 bits, where one changed challenge is noticed."""
    ciphertext = encrypt(REAL_KEY, value, mpz(nonce))
    proof = range_proof.prove(REAL_KEY, ciphertext, mpz(nonce), value, 1, HI, CONTEXT)
    range_proof.verify(REAL_KEY, ciphertext, proof, 1, HI, CONTEXT)
    wrong = changed(proof.challenges, 0, (proof.challenges[0] + 1) % REAL.q)
    with pytest.raises(InvalidProof):
        range_proof.verify(REAL_KEY, ciphertext, replace(proof, challenges=wrong), 1, HI, CONTEXT)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_contest_is_proved_by_the_sum_of_its_nonces(votes: list[int], seed: int) -> None:
    """The product of the selections has a proof from the sums of values and nonces (3.3.8)."""
    nonces = [mpz(seed * 7919 + j) for j in range(len(votes))]
    product = accumulate(
        GROUP, (encrypt(KEY, vote, nonce) for vote, nonce in zip(votes, nonces, strict=True))
    )
    xi = mpz(sum(nonces)) % GROUP.q
    proof = range_proof.prove(KEY, product, xi, sum(votes), 5, HI, index_bytes(7))
    range_proof.verify(KEY, product, proof, 5, HI, index_bytes(7))


@given(places, deltas)
def test_an_altered_challenge_is_refused(j: int, delta: int) -> None:
    """Each challenge counts."""
    altered = changed(PROOF.challenges, j, (PROOF.challenges[j] + delta) % GROUP.q)
    refused(proof=replace(PROOF, challenges=altered))


@given(places, places, deltas)
def test_challenges_with_the_same_sum_are_refused(i: int, j: int, delta: int) -> None:
    """It is not only the sum of the challenges that counts."""
    j = j if i != j else (i + 1) % (LIMIT + 1)
    altered = changed(PROOF.challenges, i, (PROOF.challenges[i] + delta) % GROUP.q)
    altered = changed(altered, j, (altered[j] - delta) % GROUP.q)
    refused(proof=replace(PROOF, challenges=altered))


@given(places, deltas)
def test_an_altered_response_is_refused(j: int, delta: int) -> None:
    """Each response counts."""
    altered = changed(PROOF.responses, j, (PROOF.responses[j] + delta) % GROUP.q)
    refused(proof=replace(PROOF, responses=altered))


@given(deltas)
def test_an_altered_ciphertext_is_refused(delta: int) -> None:
    """Another alpha, another beta, both of them re-encrypted, or another value."""
    factor = GROUP.g_power(delta)
    alpha, beta = CIPHERTEXT.alpha * factor % GROUP.p, CIPHERTEXT.beta * factor % GROUP.p
    refused(ciphertext=replace(CIPHERTEXT, alpha=alpha))
    refused(ciphertext=replace(CIPHERTEXT, beta=beta))
    refused(ciphertext=encrypt(KEY, VALUE, NONCE + delta))
    refused(ciphertext=encrypt(KEY, VALUE + delta, NONCE))
    refused(ciphertext=Ciphertext(CIPHERTEXT.beta, CIPHERTEXT.alpha))


@given(deltas)
def test_another_key_is_refused(delta: int) -> None:
    """The proof is about one key."""
    refused(key=PublicKey(GROUP, KEY.element * GROUP.g_power(delta) % GROUP.p))


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_an_element_outside_the_subgroup_is_refused(name: str) -> None:
    """An alpha or beta moved out of the subgroup does not fit the proof."""
    for factor in (4, -1):
        outside = getattr(CIPHERTEXT, name) * factor % GROUP.p
        refused(ciphertext=replace(CIPHERTEXT, **{name: outside}))


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_membership_is_the_callers_to_check(name: str) -> None:
    """A prover who tries often enough has even challenges, and a proof for -alpha.

    `verify` cannot know, and says so; `check_member` refuses the element.
    """
    outside = GROUP.p - getattr(CIPHERTEXT, name)
    ciphertext = replace(CIPHERTEXT, **{name: outside})
    for _ in range(1000):
        proof = range_proof.prove(KEY, ciphertext, NONCE, VALUE, LIMIT, HI, CONTEXT)
        if not any(c_j % 2 for c_j in proof.challenges):
            break
    range_proof.verify(KEY, ciphertext, proof, LIMIT, HI, CONTEXT)
    with pytest.raises(InvalidProof) as caught:
        GROUP.check_member(outside, name)
    assert caught.value.part is Part.MEMBERSHIP


@pytest.mark.parametrize("j", range(LIMIT + 1))
def test_scalars_have_one_representative(j: int) -> None:
    """6.B, 6.C: c + q and v + q, which satisfy the equation as c and v do, are refused."""
    for shift in (GROUP.q, -GROUP.q):
        c = changed(PROOF.challenges, j, PROOF.challenges[j] + shift)
        v = changed(PROOF.responses, j, PROOF.responses[j] + shift)
        refused(Part.CHALLENGE_RANGE, proof=replace(PROOF, challenges=c))
        refused(Part.RESPONSE_RANGE, proof=replace(PROOF, responses=v))


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_another_limit_is_refused(limit: int) -> None:
    """A proof for 0 .. 2 proves nothing about another range, nor do parts of it."""
    refused(Part.SHAPE, limit=limit)
    size = limit + 1
    padded = RangeProof((PROOF.challenges + (mpz(0),))[:size], (PROOF.responses + (mpz(0),))[:size])
    refused(limit=limit, proof=padded)
    refused(Part.SHAPE, proof=padded)
    refused(Part.SHAPE, proof=replace(PROOF, responses=padded.responses))


def test_swapped_contexts_are_refused() -> None:
    """A proof is for one option of one contest of one ballot."""
    contest, option = index_bytes(7), index_bytes(3)
    for context in (option + contest, contest, contest + index_bytes(4), b""):
        refused(context=context)
    refused(hash_key=bytes(32))


@pytest.mark.parametrize(("value", "claimed"), [(3, 2), (3, 0), (-1, 0), (TOY[7].q - 1, 1)])
def test_a_value_outside_the_range_has_no_proof(value: int, claimed: int) -> None:
    """Somebody who encrypts 3 or -1 and goes through the motions is refused."""
    ciphertext = encrypt(KEY, value, NONCE)
    forged = range_proof.prove(KEY, ciphertext, NONCE, claimed, LIMIT, HI, CONTEXT)
    refused(ciphertext=ciphertext, proof=forged)


def test_a_wrong_nonce_gives_no_proof() -> None:
    """Without the encryption nonce a prover is refused."""
    forged = range_proof.prove(KEY, CIPHERTEXT, NONCE + 1, VALUE, LIMIT, HI, CONTEXT)
    refused(proof=forged)


@pytest.mark.parametrize("value", [-1, LIMIT + 1])
def test_proving_a_value_outside_the_range_is_our_mistake(value: int) -> None:
    """The prover itself does not start on a value that is not within the limit."""
    with pytest.raises(ValueError, match="within the limit"):
        range_proof.prove(KEY, encrypt(KEY, value, NONCE), NONCE, value, LIMIT, HI, CONTEXT)


def test_proofs_differ_and_tables_do_all_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two proofs of one statement share no scalar, and proving never calls powmod."""
    KEY.power(1)

    def forbidden(*_: object) -> mpz:
        raise AssertionError("an exponentiation without a table")

    monkeypatch.setattr(Group, "power", forbidden)
    monkeypatch.setattr(Group, "power_secret", forbidden)
    again = range_proof.prove(KEY, CIPHERTEXT, NONCE, VALUE, LIMIT, HI, CONTEXT)
    assert not {*PROOF.challenges, *PROOF.responses} & {*again.challenges, *again.responses}


def test_commitments_are_those_of_the_prover() -> None:
    """The recomputed commitments (6.1, 6.2) reproduce the sum of the challenges."""
    proof, committed = range_proof.prove_and_commit(
        KEY, CIPHERTEXT, NONCE, VALUE, LIMIT, HI, CONTEXT
    )
    assert range_proof.commitments(KEY, CIPHERTEXT, proof) == committed
    assert len(committed.elements) == 2 * (LIMIT + 1)
    assert committed.encoded == b"".join(map(GROUP.encode_element, committed.elements))
