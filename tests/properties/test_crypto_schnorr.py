"""Key proofs hold for those who know the keys, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import schnorr
from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.hashing import Domain, hash_to_scalar, index_bytes
from crypto.parameters import STANDARD, TOY
from crypto.schnorr import DATA_LABEL, VOTE_LABEL, KeyProof

GROUP = group_for(TOY[7])
REAL = group_for(STANDARD)
HP = bytes(range(32))
LABEL = VOTE_LABEL
I = 2  # noqa: E741 - the trustee

SECRETS = tuple(map(mpz, (123456, 0, 987654321)))
PUBLICS = tuple(GROUP.g_power(a) for a in SECRETS)
PROOF = schnorr.prove_keys(GROUP, HP, LABEL, I, SECRETS, PUBLICS)


def refused(publics: Sequence[mpz], proof: KeyProof, part: Part, i: int = I) -> None:
    with pytest.raises(InvalidProof) as caught:
        schnorr.verify_keys(GROUP, HP, LABEL, i, publics, proof)
    assert caught.value.part is part


def swapped(values: tuple[mpz, ...], j: int, value: mpz) -> tuple[mpz, ...]:
    return (*values[:j], value, *values[j + 1 :])


@given(
    st.sampled_from([group_for(parameters) for parameters in TOY]),
    st.lists(st.integers(0, 2**64), min_size=1, max_size=4),
    st.integers(1, 100),
    st.sampled_from([VOTE_LABEL, DATA_LABEL]),
)
def test_honest_proofs_hold(group: Group, numbers: list[int], i: int, label: bytes) -> None:
    """Whoever knows all secrets, 0 among them, makes a proof that verifies."""
    secrets = [mpz(x % group.q) for x in numbers]
    publics = [group.g_power(a) for a in secrets]
    proof = schnorr.prove_keys(group, HP, label, i, secrets, publics)
    schnorr.verify_keys(group, HP, label, i, publics, proof)


@settings(max_examples=2)
@given(st.lists(st.integers(0, STANDARD.q - 1), min_size=2, max_size=3))
def test_honest_proofs_hold_in_the_real_group(numbers: list[int]) -> None:
    """The same at 4096 bits, where one changed response is noticed."""
    secrets = [mpz(x) for x in numbers]
    publics = [REAL.g_power(a) for a in secrets]
    proof = schnorr.prove_keys(REAL, HP, LABEL, 1, secrets, publics)
    schnorr.verify_keys(REAL, HP, LABEL, 1, publics, proof)
    wrong = swapped(proof.responses, 0, (proof.responses[0] + 1) % REAL.q)
    with pytest.raises(InvalidProof):
        schnorr.verify_keys(REAL, HP, LABEL, 1, publics, replace(proof, responses=wrong))


@given(st.integers(1, TOY[7].q - 1))
def test_an_altered_challenge_is_refused(delta: int) -> None:
    """No other challenge fits the responses."""
    altered = (PROOF.challenge + delta) % GROUP.q
    refused(PUBLICS, replace(PROOF, challenge=altered), Part.EQUATION)


@given(st.integers(0, 2), st.integers(1, TOY[7].q - 1))
def test_an_altered_response_is_refused(j: int, delta: int) -> None:
    """Each response counts, that of the communication key too."""
    altered = swapped(PROOF.responses, j, (PROOF.responses[j] + delta) % GROUP.q)
    refused(PUBLICS, replace(PROOF, responses=altered), Part.EQUATION)


@given(st.integers(0, 2), st.integers(1, TOY[7].q - 1))
def test_an_altered_key_is_refused(j: int, delta: int) -> None:
    """The proof is for these keys and no others of the subgroup."""
    altered = PUBLICS[j] * GROUP.g_power(delta) % GROUP.p
    refused(swapped(PUBLICS, j, altered), PROOF, Part.EQUATION)


@pytest.mark.parametrize("j", range(3))
@pytest.mark.parametrize("kind", ["zero", "negative", "outside", "too large"])
def test_keys_outside_the_subgroup_are_refused(j: int, kind: str) -> None:
    """2.A: every commitment and the communication key is in the order-q subgroup."""
    x = PUBLICS[j]
    others = {"zero": mpz(0), "negative": GROUP.p - x, "outside": mpz(4), "too large": x + GROUP.p}
    refused(swapped(PUBLICS, j, others[kind]), PROOF, Part.MEMBERSHIP)


def test_membership_is_checked_although_the_equation_holds() -> None:
    """-K has a proof that satisfies the equation whenever c is even; 2.A refuses it."""
    secret = mpz(5)
    public = GROUP.p - GROUP.g_power(secret)
    for u in range(1000):
        h = GROUP.g_power(u)
        data = map(GROUP.encode_element, (public, h))
        c = hash_to_scalar(GROUP, HP, Domain.KEY_PROOF, LABEL, index_bytes(I), *data)
        if c % 2 == 0:
            break
    proof = KeyProof(c, ((u - c * secret) % GROUP.q,))
    assert GROUP.g_power(proof.responses[0]) * GROUP.power(public, c) % GROUP.p == h
    refused([public], proof, Part.MEMBERSHIP)


@pytest.mark.parametrize("j", range(3))
def test_a_response_has_one_representative(j: int) -> None:
    """2.B: v + q, which satisfies the equation as v does, is refused; so is v - q."""
    for value in (PROOF.responses[j] + GROUP.q, PROOF.responses[j] - GROUP.q):
        proof = replace(PROOF, responses=swapped(PROOF.responses, j, value))
        refused(PUBLICS, proof, Part.RESPONSE_RANGE)


def test_a_challenge_has_one_representative() -> None:
    """c + q is no challenge."""
    refused(PUBLICS, replace(PROOF, challenge=PROOF.challenge + GROUP.q), Part.CHALLENGE_RANGE)


def test_the_number_of_responses_is_that_of_the_keys() -> None:
    """A key without response, or a response without key, is refused."""
    for responses in (PROOF.responses[:-1], (*PROOF.responses, mpz(0)), ()):
        refused(PUBLICS, replace(PROOF, responses=responses), Part.SHAPE)
    refused(PUBLICS[:-1], PROOF, Part.SHAPE)


def test_a_proof_belongs_to_its_trustee_label_and_election() -> None:
    """A proof is refused for another trustee, the other key pair, or another H_P."""
    refused(PUBLICS, PROOF, Part.EQUATION, i=I + 1)
    for hp, label in ((HP, DATA_LABEL), (bytes(32), LABEL)):
        with pytest.raises(InvalidProof):
            schnorr.verify_keys(GROUP, hp, label, I, PUBLICS, PROOF)


def test_the_order_of_the_keys_counts() -> None:
    """Keys and responses swapped together are not the same statement."""
    k, v = PUBLICS, PROOF.responses
    refused((k[1], k[0], k[2]), replace(PROOF, responses=(v[1], v[0], v[2])), Part.EQUATION)


def test_every_key_needs_its_secret() -> None:
    """Proving with fewer secrets than keys is our own mistake."""
    with pytest.raises(ValueError, match="secret"):
        schnorr.prove_keys(GROUP, HP, LABEL, I, SECRETS[:-1], PUBLICS)
