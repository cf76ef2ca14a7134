"""Proofs that a ciphertext encrypts one of 0 .. R (spec 3.3.7, 3.3.8).

A disjunction of Chaum-Pedersen proofs: for each j in 0 .. R there is a challenge
c_j, a response v_j and a commitment (a_j, b_j) to "the value is j". All but the
true one are simulated, and that their challenges add up to one hash leaves the
prover no choice in the last.

`hash_key` is the key of the hash, H_I; `context` are the index bytes that stand
behind the domain byte: contest and option in (59), the contest alone in (62).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from crypto.batch import Claims
from crypto.commitments import Commitments, encode_commitments
from crypto.elgamal import Ciphertext, PublicKey, accumulate
from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_to_scalar
from crypto.squarings import Squarings


@dataclass(frozen=True, slots=True)
class RangeProof:
    """(c_0 .. c_R, v_0 .. v_R): twice R + 1 scalars."""

    challenges: tuple[mpz, ...]
    responses: tuple[mpz, ...]


def prove(
    key: PublicKey,
    ciphertext: Ciphertext,
    nonce: mpz,
    value: int,
    limit: int,
    hash_key: bytes,
    context: bytes,
) -> RangeProof:
    """Prove that `ciphertext`, made from `value` and `nonce`, is within 0 .. `limit`.

    The value (the specification's l here) must be within the limit, or
    `ValueError`. Whatever the value is, the work is the same 2(R + 1) powers by
    the tables of g and K.
    """
    proof, _ = prove_and_commit(key, ciphertext, nonce, value, limit, hash_key, context)
    return proof


def prove_and_commit(
    key: PublicKey,
    ciphertext: Ciphertext,
    nonce: mpz,
    value: int,
    limit: int,
    hash_key: bytes,
    context: bytes,
) -> tuple[RangeProof, Commitments]:
    """`prove`, with the commitments that whoever verifies can recompute, a_0, b_0 .. a_R, b_R."""
    if not 0 <= value <= limit:
        raise ValueError("the value is not within the limit")
    group = key.group
    q = group.q
    u = [group.random_scalar() for _ in range(limit + 1)]
    c = [group.random_scalar() for _ in range(limit + 1)]
    # (57), (58). For j = l the exponent is u_l, whatever c_l.
    a = [group.g_power(u_j) for u_j in u]
    b = [key.power((u[j] + (value - j) * c[j]) % q) for j in range(limit + 1)]
    committed = encode_commitments(group, (x for pair in zip(a, b, strict=True) for x in pair))
    challenge = _challenge(group, ciphertext, committed, hash_key, context)
    c[value] = (challenge - (sum(c, mpz(0)) - c[value])) % q  # (60)
    v = ((u_j - c_j * nonce) % q for u_j, c_j in zip(u, c, strict=True))  # (61)
    return RangeProof(tuple(c), tuple(v)), committed


def verify(
    key: PublicKey,
    ciphertext: Ciphertext,
    proof: RangeProof,
    limit: int,
    hash_key: bytes,
    context: bytes,
) -> None:
    """Check a proof as Verifications 6 and 7 do, but for 6.A and 7.A.

    The caller has checked that alpha and beta are in the subgroup of order q
    (`Group.check_member`); without that a proof means nothing. It is not done
    here because a contest's proof is about a product of members. For both at
    once see `verify_with_membership`.

    Raises `InvalidProof`: SHAPE if there are not R + 1 challenges and responses,
    CHALLENGE_RANGE for 6.B and 7.B, RESPONSE_RANGE for 6.C and 7.C, EQUATION for
    6.D and 7.D.
    """
    chains = _chains(key.group, ciphertext)
    _verify(key, ciphertext, chains, proof, limit, hash_key, context)


def verify_with_membership(
    key: PublicKey,
    ciphertext: Ciphertext,
    proof: RangeProof,
    limit: int,
    hash_key: bytes,
    context: bytes,
) -> None:
    """`verify`, after the check that alpha and beta are members (6.A): MEMBERSHIP.

    That shares its squarings with the proof and so costs little besides.
    """
    chains = _chains(key.group, ciphertext)
    for chain, name in zip(chains, _NAMES, strict=True):
        chain.check_member(name)
    _verify(key, ciphertext, chains, proof, limit, hash_key, context)


def claim(
    claims: Claims,
    key: PublicKey,
    ciphertexts: Sequence[Ciphertext],
    proof: RangeProof,
    limit: int,
    hash_key: bytes,
    context: bytes,
    committed: Commitments,
) -> None:
    """All of `verify` that costs little; the rest becomes claims (`batch`).

    The proof is about the product of `ciphertexts`, whose membership the caller claims.
    `committed` are a_0, b_0 .. a_R, b_R as somebody says that they are. What is claimed,
    if true, proves that they are those that `commitments` would find, and the hash over
    them is checked here. Raises `InvalidProof` as `verify` does, and for commitments that
    are wrong; a proof that is right can have such, so `verify` has the last word.
    """
    _check_scalars(key.group, proof, limit)
    if len(committed.elements) != 2 * (limit + 1):
        raise InvalidProof(f"{len(committed.elements)} commitments for a limit of {limit}")
    ciphertext = ciphertexts[0] if len(ciphertexts) == 1 else accumulate(key.group, ciphertexts)
    _check_sum(key.group, ciphertext, proof, committed, hash_key, context)
    alphas = tuple(c.alpha for c in ciphertexts)
    betas = tuple(c.beta for c in ciphertexts)
    elements = iter(committed.elements)
    for j, (c_j, v_j) in enumerate(zip(proof.challenges, proof.responses, strict=True)):
        w_j = (v_j - j * c_j) % key.group.q
        claims.equation(next(elements), key.group.table, v_j, (alphas, c_j))
        claims.equation(next(elements), key.table, w_j, (betas, c_j))


def claim_with_membership(
    claims: Claims,
    key: PublicKey,
    ciphertext: Ciphertext,
    proof: RangeProof,
    limit: int,
    hash_key: bytes,
    context: bytes,
    committed: Commitments,
) -> None:
    """`claim` for one ciphertext, and that alpha and beta are members."""
    for x, name in zip((ciphertext.alpha, ciphertext.beta), _NAMES, strict=True):
        claims.member(x, name)
    claim(claims, key, [ciphertext], proof, limit, hash_key, context, committed)


def commitments(key: PublicKey, ciphertext: Ciphertext, proof: RangeProof) -> Commitments:
    """Recompute a_0, b_0 .. a_R, b_R from a proof (6.1, 6.2)."""
    return _commitments(key, _chains(key.group, ciphertext), proof)


_NAMES = ("alpha", "beta")
_Chains = tuple[Squarings, Squarings]


def _chains(group: Group, ciphertext: Ciphertext) -> _Chains:
    return Squarings(group, ciphertext.alpha), Squarings(group, ciphertext.beta)


def _verify(
    key: PublicKey,
    ciphertext: Ciphertext,
    chains: _Chains,
    proof: RangeProof,
    limit: int,
    hash_key: bytes,
    context: bytes,
) -> None:
    _check_scalars(key.group, proof, limit)
    committed = _commitments(key, chains, proof)
    _check_sum(key.group, ciphertext, proof, committed, hash_key, context)


def _check_scalars(group: Group, proof: RangeProof, limit: int) -> None:
    """The shape, and B and C of Verifications 6 and 7."""
    for scalars, name in ((proof.challenges, "challenges"), (proof.responses, "responses")):
        if len(scalars) != limit + 1:
            raise InvalidProof(f"{len(scalars)} {name} for a limit of {limit}", Part.SHAPE)
    for j, c_j in enumerate(proof.challenges):
        group.check_scalar(c_j, f"challenge {j}", Part.CHALLENGE_RANGE)
    for j, v_j in enumerate(proof.responses):
        group.check_scalar(v_j, f"response {j}", Part.RESPONSE_RANGE)


def _check_sum(
    group: Group,
    ciphertext: Ciphertext,
    proof: RangeProof,
    committed: Commitments,
    hash_key: bytes,
    context: bytes,
) -> None:
    """6.D and 7.D, given the commitments."""
    c = _challenge(group, ciphertext, committed, hash_key, context)
    if sum(proof.challenges, mpz(0)) % group.q != c:
        raise InvalidProof("the range proof does not hold")


def _commitments(key: PublicKey, chains: _Chains, proof: RangeProof) -> Commitments:
    group, (alpha, beta) = key.group, chains
    p, found = group.p, []
    for j, (c_j, v_j) in enumerate(zip(proof.challenges, proof.responses, strict=True)):
        w_j = (v_j - j * c_j) % group.q
        found.append(group.g_power(v_j) * alpha.power(c_j) % p)
        found.append(key.power(w_j) * beta.power(c_j) % p)
    return encode_commitments(group, found)


def _challenge(
    group: Group, ciphertext: Ciphertext, committed: Commitments, hash_key: bytes, context: bytes
) -> mpz:
    """c (59), (62): the ciphertext, then a_0, b_0, a_1, b_1 .. a_R, b_R."""
    encoded = map(group.encode_element, (ciphertext.alpha, ciphertext.beta))
    return hash_to_scalar(group, hash_key, Domain.RANGE_PROOF, context, *encoded, committed.encoded)
