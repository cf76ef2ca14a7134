"""Any quorum opens a ciphertext and proves it; every altered part is noticed and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import decryption_proof
from crypto.decryption_proof import DecryptionProof, JointDecryption
from crypto.discrete_log import DiscreteLog
from crypto.elgamal import Ciphertext, PublicKey, encrypt
from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.hashing import index_bytes
from crypto.parameters import STANDARD, TOY
from crypto.secret_sharing import Polynomial, public_key_share, secret_key_share

GROUP = group_for(TOY[7])
HE = bytes(range(32))
CONTEXT = index_bytes(7) + index_bytes(3)
Parts = dict[int, tuple[mpz, mpz, mpz]]

deltas = st.integers(1, TOY[7].q - 1)


class Ceremony:
    """n trustees, any k of whom can decrypt, in one object."""

    def __init__(self, group: Group, n: int, k: int) -> None:
        self.group = group
        polynomials = [Polynomial.generate(group, k) for _ in range(n)]
        indices = range(1, n + 1)
        self.z = {
            i: secret_key_share(group, (x.evaluate(group, i) for x in polynomials)) for i in indices
        }
        commitments = [polynomial.commitments(group) for polynomial in polynomials]
        self.key = PublicKey(group, group.product(row[0] for row in commitments))
        self.public = {i: public_key_share(group, commitments, i) for i in indices}

    def decrypt(
        self, ciphertext: Ciphertext, available: set[int]
    ) -> tuple[Parts, JointDecryption, dict[int, mpz]]:
        """The parts, what follows from them, and the responses of these trustees."""
        group, parts, u = self.group, {}, {}
        for i in available:
            u[i], a_i, b_i = decryption_proof.commit(group, ciphertext.alpha)
            m_i = decryption_proof.partial_decryption(group, ciphertext.alpha, self.z[i])
            parts[i] = m_i, a_i, b_i
        (joint,) = decryption_proof.combine_all(group, HE, [(CONTEXT, ciphertext)], [parts])
        responses = {
            i: decryption_proof.respond(group, u[i], self.z[i], joint.challenges[i])
            for i in available
        }
        return parts, joint, responses


def run(ceremony: Ceremony, ciphertext: Ciphertext, available: set[int], count: int) -> None:
    """Decrypt, and check everything that there is to check."""
    group, key = ceremony.group, ceremony.key
    parts, joint, responses = ceremony.decrypt(ciphertext, available)
    for i, (m_i, a_i, b_i) in parts.items():
        decryption_proof.verify_response(
            group,
            ceremony.public[i],
            ciphertext.alpha,
            m_i,
            a_i,
            b_i,
            joint.challenges[i],
            responses[i],
        )
    value = decryption_proof.decrypted_value(group, ciphertext, joint.element)
    v = decryption_proof.combine_responses(group, responses.values())
    proof = DecryptionProof(joint.challenge, v)
    decryption_proof.verify(key, HE, CONTEXT, ciphertext, value, proof)
    decryption_proof.verify_count(key, value, count)
    assert DiscreteLog(group, key.element).find(value, 50) == count


@given(st.integers(1, 4), st.integers(0, 2), st.integers(0, 50), st.data())
def test_any_quorum_decrypts(k: int, more: int, count: int, data: st.DataObject) -> None:
    """For k .. n of n trustees the count comes out and all proofs hold."""
    n = k + more
    ceremony = Ceremony(GROUP, n, k)
    available = data.draw(st.sets(st.integers(1, n), min_size=k, max_size=n))
    run(ceremony, encrypt(ceremony.key, count, GROUP.random_scalar()), available, count)


@settings(max_examples=1)
@given(st.integers(0, 50))
def test_a_quorum_decrypts_in_the_real_group(count: int) -> None:
    """Trustees 2, 4 and 5 of a 3-of-5 do the same at 4096 bits."""
    group = group_for(STANDARD)
    ceremony = Ceremony(group, 5, 3)
    run(ceremony, encrypt(ceremony.key, count, group.random_scalar()), {2, 4, 5}, count)


def test_many_combine_like_one() -> None:
    """A list of ciphertexts gives what each gives alone; an empty one gives nothing."""
    ceremony = Ceremony(GROUP, 4, 2)
    ciphertexts = [encrypt(ceremony.key, t, GROUP.random_scalar()) for t in range(3)]
    contexts = [index_bytes(1) + index_bytes(j) for j in range(3)]
    parts = [ceremony.decrypt(ciphertext, {1, 2, 4})[0] for ciphertext in ciphertexts]
    places = list(zip(contexts, ciphertexts, strict=True))
    assert decryption_proof.combine_all(GROUP, HE, places, parts) == [
        decryption_proof.combine_all(GROUP, HE, [place], [part])[0]
        for place, part in zip(places, parts, strict=True)
    ]
    assert decryption_proof.combine_all(GROUP, HE, [], []) == []


def test_less_than_a_quorum_decrypts_to_nonsense() -> None:
    """Two of three needed trustees get a value that stands for no count, and no proof of it."""
    ceremony = Ceremony(GROUP, 4, 3)
    ciphertext = encrypt(ceremony.key, 5, mpz(99))
    _, joint, responses = ceremony.decrypt(ciphertext, {1, 2})
    value = decryption_proof.decrypted_value(GROUP, ciphertext, joint.element)
    v = decryption_proof.combine_responses(GROUP, responses.values())
    with pytest.raises(InvalidProof):
        decryption_proof.verify(
            ceremony.key, HE, CONTEXT, ciphertext, value, DecryptionProof(joint.challenge, v)
        )
    with pytest.raises(InvalidProof):
        decryption_proof.verify_count(ceremony.key, value, 5)


# --- one decryption, altered in every component

CEREMONY = Ceremony(GROUP, 3, 2)
COUNT = 9
CIPHERTEXT = encrypt(CEREMONY.key, COUNT, mpz(31337))
PARTS, JOINT, RESPONSES = CEREMONY.decrypt(CIPHERTEXT, {1, 3})
VALUE = decryption_proof.decrypted_value(GROUP, CIPHERTEXT, JOINT.element)
PROOF = DecryptionProof(
    JOINT.challenge, decryption_proof.combine_responses(GROUP, RESPONSES.values())
)


def joint_refused(part: Part = Part.EQUATION, **changes: Any) -> None:
    """The good joint proof with these arguments changed does not verify."""
    arguments: dict[str, Any] = {
        "key": CEREMONY.key,
        "he": HE,
        "context": CONTEXT,
        "ciphertext": CIPHERTEXT,
        "value": VALUE,
        "proof": PROOF,
    }
    decryption_proof.verify(**arguments)
    with pytest.raises(InvalidProof) as caught:
        decryption_proof.verify(**(arguments | changes))
    assert caught.value.part is part


def response_refused(part: Part = Part.EQUATION, **changes: Any) -> None:
    """Trustee 3's good part with these arguments changed does not verify."""
    m_i, a_i, b_i = PARTS[3]
    arguments: dict[str, Any] = {
        "group": GROUP,
        "public_share": CEREMONY.public[3],
        "pad": CIPHERTEXT.alpha,
        "m_i": m_i,
        "a_i": a_i,
        "b_i": b_i,
        "challenge": JOINT.challenges[3],
        "response": RESPONSES[3],
    }
    decryption_proof.verify_response(**arguments)
    with pytest.raises(InvalidProof) as caught:
        decryption_proof.verify_response(**(arguments | changes))
    assert caught.value.part is part


@given(deltas)
def test_an_altered_joint_proof_is_refused(delta: int) -> None:
    """Another challenge, response, T, A, B or key: none of them fits the rest."""
    factor = GROUP.g_power(delta)
    joint_refused(proof=replace(PROOF, challenge=(PROOF.challenge + delta) % GROUP.q))
    joint_refused(proof=replace(PROOF, response=(PROOF.response + delta) % GROUP.q))
    joint_refused(value=VALUE * factor % GROUP.p)
    joint_refused(value=CEREMONY.key.power(COUNT + delta))
    joint_refused(ciphertext=replace(CIPHERTEXT, alpha=CIPHERTEXT.alpha * factor % GROUP.p))
    joint_refused(ciphertext=replace(CIPHERTEXT, beta=CIPHERTEXT.beta * factor % GROUP.p))
    joint_refused(key=PublicKey(GROUP, CEREMONY.key.element * factor % GROUP.p))


def test_a_count_moved_in_both_value_and_ciphertext_is_refused() -> None:
    """T and B multiplied by the same K leave M as it is, but the challenge has B in it."""
    k = CEREMONY.key.element
    joint_refused(
        value=VALUE * k % GROUP.p,
        ciphertext=replace(CIPHERTEXT, beta=CIPHERTEXT.beta * k % GROUP.p),
    )


def test_a_joint_proof_has_one_representative() -> None:
    """10.A: v + q and c + q are refused."""
    q = GROUP.q
    for shift in (q, -q):
        proof = replace(PROOF, response=PROOF.response + shift)
        joint_refused(Part.RESPONSE_RANGE, proof=proof)
        proof = replace(PROOF, challenge=PROOF.challenge + shift)
        joint_refused(Part.CHALLENGE_RANGE, proof=proof)


@pytest.mark.parametrize("name", ["alpha", "beta", "value"])
def test_elements_outside_the_subgroup_are_refused(name: str) -> None:
    """A, B and T are in the order-q subgroup, or the proof is refused for that."""
    x = VALUE if name == "value" else getattr(CIPHERTEXT, name)
    for other in (GROUP.p - x, x * 4 % GROUP.p, mpz(0), x + GROUP.p):
        changes: dict[str, Any] = {"value": other}
        if name != "value":
            changes = {"ciphertext": replace(CIPHERTEXT, **{name: other})}
        joint_refused(Part.MEMBERSHIP, **changes)


def test_a_joint_proof_belongs_to_its_place() -> None:
    """A proof is refused for another option, swapped indices, or another election."""
    contest, option = index_bytes(7), index_bytes(3)
    for context in (option + contest, contest, contest + index_bytes(4)):
        joint_refused(context=context)
    joint_refused(he=bytes(32))


@given(deltas)
def test_an_altered_part_is_refused(delta: int) -> None:
    """M_i, a_i, b_i, v_i, c_i, A and the public share of a trustee all count."""
    m_i, a_i, b_i = PARTS[3]
    factor = GROUP.g_power(delta)
    response_refused(m_i=m_i * factor % GROUP.p)
    response_refused(a_i=a_i * factor % GROUP.p)
    response_refused(b_i=b_i * factor % GROUP.p)
    response_refused(response=(RESPONSES[3] + delta) % GROUP.q)
    response_refused(challenge=(JOINT.challenges[3] + delta) % GROUP.q)
    response_refused(pad=CIPHERTEXT.alpha * factor % GROUP.p)
    response_refused(public_share=CEREMONY.public[3] * factor % GROUP.p)


def test_parts_outside_the_subgroup_are_refused() -> None:
    """-M_i fits the equation where c_i is even; membership refuses it in any case."""
    m_i, a_i, b_i = PARTS[3]
    for other in (GROUP.p - m_i, m_i * 4 % GROUP.p, mpz(0), m_i + GROUP.p):
        response_refused(Part.MEMBERSHIP, m_i=other)
    for a, b in ((GROUP.p - a_i, b_i), (a_i, GROUP.p - b_i), (mpz(0), b_i), (a_i, mpz(0))):
        response_refused(a_i=a, b_i=b)


def test_a_part_belongs_to_its_trustee() -> None:
    """Trustee 1's public share, part or response is not trustee 3's."""
    response_refused(public_share=CEREMONY.public[1])
    response_refused(m_i=PARTS[1][0])
    response_refused(response=RESPONSES[1])
    response_refused(challenge=JOINT.challenges[1])


def test_a_response_has_one_representative() -> None:
    """v_i + q is refused."""
    response_refused(Part.RESPONSE_RANGE, response=RESPONSES[3] + GROUP.q)


@pytest.mark.parametrize("count", [COUNT - 1, COUNT + 1, 0, -1, COUNT + TOY[7].q])
def test_another_count_is_refused(count: int) -> None:
    """10.C: T = K^t for one t only; t + q, which gives the same T, is no count."""
    decryption_proof.verify_count(CEREMONY.key, VALUE, COUNT)
    with pytest.raises(InvalidProof, match=str(count)):
        decryption_proof.verify_count(CEREMONY.key, VALUE, count)


def test_a_commitment_hash_binds_everything() -> None:
    """d_i changes with each of its inputs, and not with the order in which U is given."""
    m_i, a_i, b_i = PARTS[3]
    other = GROUP.g_power(5)
    good = (HE, CONTEXT, 3, CIPHERTEXT, a_i, b_i, m_i, (1, 3))
    swaps: tuple[Any, ...] = (
        bytes(32),
        index_bytes(3) + index_bytes(7),
        1,
        replace(CIPHERTEXT, beta=other),
        other,
        other,
        other,
        (1, 2, 3),
    )
    hashes = [decryption_proof.commitment_hash(GROUP, *good)]
    for place, value in enumerate(swaps):
        arguments: tuple[Any, ...] = (*good[:place], value, *good[place + 1 :])
        hashes.append(decryption_proof.commitment_hash(GROUP, *arguments))
    assert len(set(hashes)) == len(hashes)
    assert decryption_proof.commitment_hash(GROUP, *good[:-1], {3, 1}) == hashes[0]
