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

from crypto.elgamal import Ciphertext, PublicKey
from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_to_scalar


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
    if not 0 <= value <= limit:
        raise ValueError("the value is not within the limit")
    group = key.group
    q = group.q
    u = [group.random_scalar() for _ in range(limit + 1)]
    c = [group.random_scalar() for _ in range(limit + 1)]
    # (57), (58). For j = l the exponent is u_l, whatever c_l.
    a = [group.g_power(u_j) for u_j in u]
    b = [key.power((u[j] + (value - j) * c[j]) % q) for j in range(limit + 1)]
    challenge = _challenge(group, ciphertext, a, b, hash_key, context)
    c[value] = (challenge - (sum(c, mpz(0)) - c[value])) % q  # (60)
    v = ((u_j - c_j * nonce) % q for u_j, c_j in zip(u, c, strict=True))  # (61)
    return RangeProof(tuple(c), tuple(v))


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
    here because a contest's proof is about a product of members, and because
    membership of many elements can be checked together.

    Raises `InvalidProof`: SHAPE if there are not R + 1 challenges and responses,
    CHALLENGE_RANGE for 6.B and 7.B, RESPONSE_RANGE for 6.C and 7.C, EQUATION for
    6.D and 7.D.
    """
    group = key.group
    for scalars, name in ((proof.challenges, "challenges"), (proof.responses, "responses")):
        if len(scalars) != limit + 1:
            raise InvalidProof(f"{len(scalars)} {name} for a limit of {limit}", Part.SHAPE)
    for j, c_j in enumerate(proof.challenges):
        group.check_scalar(c_j, f"challenge {j}", Part.CHALLENGE_RANGE)
    for j, v_j in enumerate(proof.responses):
        group.check_scalar(v_j, f"response {j}", Part.RESPONSE_RANGE)
    a, b = commitments(key, ciphertext, proof)
    c = _challenge(group, ciphertext, a, b, hash_key, context)
    if sum(proof.challenges, mpz(0)) % group.q != c:
        raise InvalidProof("the range proof does not hold")


def commitments(
    key: PublicKey, ciphertext: Ciphertext, proof: RangeProof
) -> tuple[list[mpz], list[mpz]]:
    """Recompute a_0 .. a_R and b_0 .. b_R from a proof (6.1, 6.2)."""
    group = key.group
    p, alpha, beta = group.p, ciphertext.alpha, ciphertext.beta
    a, b = [], []
    for j, (c_j, v_j) in enumerate(zip(proof.challenges, proof.responses, strict=True)):
        w_j = (v_j - j * c_j) % group.q
        a.append(group.g_power(v_j) * group.power(alpha, c_j) % p)
        b.append(key.power(w_j) * group.power(beta, c_j) % p)
    return a, b


def _challenge(
    group: Group,
    ciphertext: Ciphertext,
    a: Sequence[mpz],
    b: Sequence[mpz],
    hash_key: bytes,
    context: bytes,
) -> mpz:
    """c (59), (62): the ciphertext, then a_0, b_0, a_1, b_1 .. a_R, b_R."""
    elements = [ciphertext.alpha, ciphertext.beta]
    for pair in zip(a, b, strict=True):
        elements.extend(pair)
    encoded = map(group.encode_element, elements)
    return hash_to_scalar(group, hash_key, Domain.RANGE_PROOF, context, *encoded)
