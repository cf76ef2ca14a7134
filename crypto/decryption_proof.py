"""Verifiable threshold decryption of one ciphertext (spec 3.6).

Each available trustee i gives a partial decryption M_i = A^z_i. Together they
prove that the combined M = A^s is right, in three rounds:

1. everybody publishes the hash d_i of its commitment (a_i, b_i) and of M_i;
2. everybody, having all hashes, publishes M_i, a_i and b_i;
3. everybody, having checked those against the hashes, publishes its response.

The nonce u_i of a commitment answers one challenge only: two answers with the
same nonce give the secret key away.

`he` is the extended base hash H_E and `context` are the index bytes of contest
and option that stand behind the domain byte. U is the set of the trustees that
decrypt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gmpy2 import mpz

from crypto.batch import Claims
from crypto.elgamal import Ciphertext, PublicKey
from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_bytes, hash_to_scalar, index_bytes
from crypto.secret_sharing import interpolation
from crypto.squarings import Squarings


@dataclass(frozen=True, slots=True)
class DecryptionProof:
    """(c, v) (90, 93): two scalars."""

    challenge: mpz
    response: mpz


@dataclass(frozen=True, slots=True)
class JointDecryption:
    """What follows from round 2: everything but the responses.

    `element` is M (86), `a` and `b` are the accumulated commitments (89),
    `challenge` is c (90) and `challenges[i]` is c_i (91) of trustee i.
    """

    element: mpz
    a: mpz
    b: mpz
    challenge: mpz
    challenges: Mapping[int, mpz]


# --- what a trustee does


def partial_decryption(group: Group, pad: mpz, z: mpz) -> mpz:
    """M_i = A^z_i (84), and m_i = C_0^z-hat_i (107).

    `pad` is A or C_0. It must be in the subgroup of order q, and checked to be.
    """
    return group.power_secret(pad, z)


def commit(group: Group, pad: mpz) -> tuple[mpz, mpz, mpz]:
    """Draw u_i; return it with a_i = g^u_i and b_i = A^u_i (87). u_i stays secret."""
    u = group.random_scalar()
    return u, group.g_power(u), group.power_secret(pad, u)


def commitment_hash(
    group: Group,
    he: bytes,
    context: bytes,
    i: int,
    ciphertext: Ciphertext,
    a_i: mpz,
    b_i: mpz,
    m_i: mpz,
    available: Collection[int],
) -> bytes:
    """d_i (88), by which trustee i commits to a_i, b_i and M_i: 32 bytes.

    `available` is U, in any order.
    """
    elements = (ciphertext.alpha, ciphertext.beta, a_i, b_i, m_i)
    encoded = b"".join(map(group.encode_element, elements))
    return encoded_commitment_hash(he, context, i, encoded, available)


def encoded_commitment_hash(
    he: bytes, context: bytes, i: int, elements: bytes, available: Collection[int]
) -> bytes:
    """d_i (88) from A, B, a_i, b_i and M_i in their encodings, one after the other."""
    u = _set_bytes(tuple(sorted(available)))
    return hash_bytes(he, Domain.TALLY_COMMITMENT, context, index_bytes(i), elements, u)


def respond(group: Group, u: mpz, z: mpz, challenge: mpz) -> mpz:
    """v_i = u_i - c_i z_i (92). `challenge` is trustee i's own c_i (91)."""
    return (u - challenge * z) % group.q


# --- what follows from the parts


def combine_shares(group: Group, partials: Mapping[int, mpz]) -> mpz:
    """M, the product of M_i^w_i over i in U (86, 108). The keys of `partials` are U.

    Every M_i has to be in the subgroup of order q (`Interpolation.combine`). Nothing
    here checks it. A part that proves that it is not is refuted by `verify_response`;
    what it combines to then has no meaning, here or by raising to each w_i.
    """
    return interpolation(group, partials.keys()).combine(group, partials)


def combine_all(
    group: Group,
    he: bytes,
    places: Sequence[tuple[bytes, Ciphertext]],
    parts: Sequence[Mapping[int, tuple[mpz, mpz, mpz]]],
) -> list[JointDecryption]:
    """Combine (M_i, a_i, b_i) of every i in U for each of `places` (86, 89-91).

    `places` are contexts and ciphertexts; the keys of `parts`, the same for all, are U.
    """
    if not parts:
        return []
    w = interpolation(group, parts[0].keys())
    elements = w.combine_all(group, [{i: m_i for i, (m_i, _, _) in p.items()} for p in parts])
    found = []
    for (context, ciphertext), part, m in zip(places, parts, elements, strict=True):
        a = group.product(a_i for _, a_i, _ in part.values())
        b = group.product(b_i for _, _, b_i in part.values())
        c = joint_challenge(group, he, context, ciphertext, a, b, m)
        challenges = {i: c * w.coefficients[i] % group.q for i in part}
        found.append(JointDecryption(m, a, b, c, challenges))
    return found


def combine_responses(group: Group, responses: Iterable[mpz]) -> mpz:
    """v, the sum of all v_i (93)."""
    return sum(responses, mpz(0)) % group.q


def decrypted_value(group: Group, ciphertext: Ciphertext, element: mpz) -> mpz:
    """T = B M^-1 (82), which is K^t. `element` is M."""
    return ciphertext.beta * group.inverse(element) % group.p


def joint_challenge(
    group: Group, he: bytes, context: bytes, ciphertext: Ciphertext, a: mpz, b: mpz, m: mpz
) -> mpz:
    """c (90), from the accumulated a and b and the combined M."""
    elements = (ciphertext.alpha, ciphertext.beta, a, b, m)
    encoded = map(group.encode_element, elements)
    return hash_to_scalar(group, he, Domain.TALLY_CHALLENGE, context, *encoded)


# --- what everybody can check


def verify_response(
    group: Group,
    public_share: mpz,
    pad: mpz,
    m_i: mpz,
    a_i: mpz,
    b_i: mpz,
    challenge: mpz,
    response: mpz,
) -> None:
    """Check one trustee's part (94, 95), which names the culprit of a bad joint proof.

    `public_share` is g^z_i (`secret_sharing.public_key_share`, once a trustee),
    `pad` is A, `challenge` trustee i's c_i. M_i is checked to be in the
    subgroup; A has been. Raises `InvalidProof`.
    """
    group.check_member(m_i, "the partial decryption")
    group.check_scalar(response, "the response", Part.RESPONSE_RANGE)
    if group.g_power(response) * group.power(public_share, challenge) % group.p != a_i:
        raise InvalidProof("the response does not fit the trustee's key")
    if group.power(pad, response) * group.power(m_i, challenge) % group.p != b_i:
        raise InvalidProof("the response does not fit the partial decryption")


def claim_response(
    claims: Claims,
    public_share: mpz,
    pad: mpz,
    m_i: mpz,
    a_i: mpz,
    b_i: mpz,
    challenge: mpz,
    response: mpz,
) -> None:
    """`verify_response` with the equations as claims (`batch`); `public_share` is a member."""
    group = claims.group
    claims.member(m_i, "the partial decryption")
    group.check_scalar(response, "the response", Part.RESPONSE_RANGE)
    claims.equation(a_i, group.table, response, ((public_share,), challenge))
    claims.equation(b_i, None, mpz(0), ((pad,), response), ((m_i,), challenge))


def verify(
    key: PublicKey,
    he: bytes,
    context: bytes,
    ciphertext: Ciphertext,
    value: mpz,
    proof: DecryptionProof,
) -> None:
    """Check that T = `value` is the decryption of `ciphertext` (Verification 10, A and B).

    That A, B and T are in the subgroup, which the specification takes for
    granted, is part of it. Raises `InvalidProof`: MEMBERSHIP, RESPONSE_RANGE for
    10.A, otherwise 10.B. For 10.C see `verify_count`.
    """
    group, c, v = key.group, proof.challenge, proof.response
    pad = Squarings(group, ciphertext.alpha)
    pad.check_member("A")
    group.check_member(ciphertext.beta, "B")
    group.check_member(value, "T")
    group.check_scalar(c, "the challenge", Part.CHALLENGE_RANGE)
    group.check_scalar(v, "the response", Part.RESPONSE_RANGE)
    m = ciphertext.beta * group.inverse(value) % group.p  # (10.1)
    a = group.g_power(v) * key.power(c) % group.p  # (10.2)
    b = pad.power(v) * group.power(m, c) % group.p  # (10.3)
    if joint_challenge(group, he, context, ciphertext, a, b, m) != c:
        raise InvalidProof("the proof of decryption does not hold")


def verify_count(key: PublicKey, value: mpz, count: int) -> None:
    """Check that T = `value` is K^t for t = `count` (10.C). Raises `InvalidProof`."""
    if not 0 <= count < key.group.q or key.power(count) != value:
        raise InvalidProof(f"the decrypted value does not stand for {count}")


@lru_cache(maxsize=64)
def _set_bytes(available: tuple[int, ...]) -> bytes:
    """U as it is hashed: its size, then its indices in ascending order."""
    return b"".join(map(index_bytes, (len(available), *available)))
