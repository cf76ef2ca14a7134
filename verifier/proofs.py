"""The zero-knowledge proofs of the record: recompute the commitments, compare the hash.

Each function returns whether the proof holds. Membership of the elements and the
ranges of the scalars are the caller's to check (and to report under their own ids);
here scalars are below q and elements between 1 and p - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.group import FixedBase, Group, Integer
from verifier.hashing import hq, index
from verifier.multipower import Chain, digits, interleaved


def keys_challenge(
    group: Group,
    parameter_hash: bytes,
    label: bytes,
    trustee: int,
    publics: Sequence[Chain],
    challenge: Integer,
    responses: Sequence[Integer],
) -> int:
    """Recompute c_i from k+1 public values, the last being kappa_i (2.1-2.4, eq. 11, 13)."""
    exponent = digits(int(challenge))
    commitments = [
        group.g_power(v) * public.power(exponent) % group.p
        for public, v in zip(publics, responses, strict=True)
    ]
    encoded = [group.element(x) for x in (*(public.base for public in publics), *commitments)]
    return hq(group.parameters.q, parameter_hash, 0x10, label, index(trustee), *encoded)


def knows_share_nonce(
    group: Group,
    parameter_hash: bytes,
    sender: int,
    recipient: int,
    c0: Chain,
    c1: bytes,
    challenge: Integer,
    response: Integer,
) -> bool:
    """Check the Schnorr proof of an encrypted share (eq. 22)."""
    gamma = group.g_power(response) * c0.power(digits(int(challenge))) % group.p
    expected = hq(
        group.parameters.q,
        parameter_hash,
        0x12,
        index(sender),
        index(recipient),
        group.element(gamma),
        group.element(c0.base),
        c1,
    )
    return challenge == expected


def knows_ballot_nonce(
    group: Group,
    identifier_hash: bytes,
    c0: Chain,
    c1: bytes,
    challenge: Integer,
    response: Integer,
) -> bool:
    """Check the Schnorr proof of an encrypted ballot nonce (eq. 38)."""
    a = group.g_power(response) * c0.power(digits(int(challenge))) % group.p
    expected = nonce_challenge(group, identifier_hash, group.element(c0.base), c1, group.element(a))
    return challenge == expected


def nonce_challenge(
    group: Group, identifier_hash: bytes, c0: bytes, c1: bytes, commitment: bytes
) -> int:
    """c of an encrypted ballot nonce, from its encoded parts and a (eq. 38)."""
    return hq(group.parameters.q, identifier_hash, 0x23, commitment, c0, c1)


def in_range(
    group: Group,
    vote_key: FixedBase,
    identifier_hash: bytes,
    context: bytes,
    ciphertext: tuple[Chain, Chain],
    challenges: Sequence[Integer],
    responses: Sequence[Integer],
) -> bool:
    """Check that a ciphertext holds one of 0..len(challenges)-1 (6.1-6.D, 7.3-7.D).

    `context` is what stands between 0x24 and alpha: the contest's index, and for a
    selection the option's (eq. 59, 62).
    """
    alpha, beta = ciphertext
    hashed = [group.element(alpha.base), group.element(beta.base)]
    for j, (c, v) in enumerate(zip(challenges, responses, strict=True)):
        exponent = digits(int(c))
        a = group.g_power(v) * alpha.power(exponent) % group.p
        b = vote_key.power((v - j * c) % group.q) * beta.power(exponent) % group.p
        hashed += (group.element(a), group.element(b))
    expected = range_challenge(group, identifier_hash, context, *hashed)
    return sum(challenges) % group.q == expected


def range_challenge(group: Group, identifier_hash: bytes, context: bytes, *elements: bytes) -> int:
    """c of a range proof, from the encoded alpha, beta, a_0, b_0, a_1, ... (eq. 59, 62)."""
    return hq(group.parameters.q, identifier_hash, 0x24, context, *elements)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """One decrypted ciphertext: its indices, (A, B), T and the proof (c, v)."""

    contest: int
    option: int
    a: mpz
    b: mpz
    value: mpz
    challenge: mpz
    response: mpz


def decryption_challenge(
    group: Group,
    extended_hash: bytes,
    indices: tuple[int, int],
    ciphertext: tuple[Integer, Integer],
    commitments: tuple[Integer, Integer],
    factor: Integer,
) -> int:
    """C of a decryption, from (A, B), (a, b) and M (eq. 90)."""
    elements = [group.element(x) for x in (*ciphertext, *commitments, factor)]
    context = index(indices[0]) + index(indices[1])
    return hq(group.parameters.q, extended_hash, 0x31, context, *elements)


def is_decryption(
    group: Group, vote_key: FixedBase, extended_hash: bytes, claim: Decrypted
) -> bool:
    """Check that T is what (A, B) decrypts to (10.1-10.3, 10.B)."""
    factor = group.divide(claim.b, claim.value)
    a = group.g_power(claim.response) * vote_key.power(claim.challenge) % group.p
    exponents = int(claim.response), int(claim.challenge)
    b = interleaved((claim.a, factor), exponents, group.p)
    expected = decryption_challenge(
        group,
        extended_hash,
        (claim.contest, claim.option),
        (claim.a, claim.b),
        (a, b),
        factor,
    )
    return claim.challenge == expected
