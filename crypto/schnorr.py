"""Proofs of knowledge of a discrete logarithm (spec 3.2.2).

Compact form: challenge and response, (c, v), from which a verifier recomputes
the commitment h = g^v x^c and then the challenge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_to_scalar, index_bytes

VOTE_LABEL = b"pk_vote"
"""Label of the proof for the keys that encrypt votes (11)."""

DATA_LABEL = b"pk_data"
"""Label of the proof for the keys that encrypt other ballot data (13)."""


@dataclass(frozen=True, slots=True)
class SchnorrProof:
    """(c, v): two scalars."""

    challenge: mpz
    response: mpz


@dataclass(frozen=True, slots=True)
class KeyProof:
    """(c_i, v_i,0 .. v_i,k): k + 1 proofs under one challenge (spec 3.2.2)."""

    challenge: mpz
    responses: tuple[mpz, ...]


def prove(group: Group, secret: mpz, challenge_of: Callable[[mpz], mpz]) -> SchnorrProof:
    """Prove knowledge of `secret`; `challenge_of` hashes the commitment g^u."""
    u = group.random_scalar()
    c = challenge_of(group.g_power(u))
    return SchnorrProof(c, (u - c * secret) % group.q)


def verify(
    group: Group,
    public: mpz,
    proof: SchnorrProof,
    challenge_of: Callable[[mpz], mpz],
    name: str,
) -> None:
    """Check a proof of knowledge of log_g(public), membership of `public` included.

    `name` is what messages call the element. Raises `InvalidProof`.
    """
    c, v = proof.challenge, proof.response
    group.check_member(public, name)
    group.check_scalar(c, f"the challenge for {name}", Part.CHALLENGE_RANGE)
    group.check_scalar(v, f"the response for {name}", Part.RESPONSE_RANGE)
    h = group.g_power(v) * group.power(public, c) % group.p
    if challenge_of(h) != c:
        raise InvalidProof(f"the proof of knowledge for {name} does not hold")


def prove_keys(
    group: Group, hp: bytes, label: bytes, i: int, secrets: Sequence[mpz], publics: Sequence[mpz]
) -> KeyProof:
    """Prove knowledge of trustee i's coefficients and communication key (10-13).

    `secrets` are a_i,0 .. a_i,k-1 and zeta_i, `publics` K_i,0 .. K_i,k-1 and
    kappa_i; `label` is VOTE_LABEL or DATA_LABEL.
    """
    if len(secrets) != len(publics):
        raise ValueError("a secret for every public key")
    u = [group.random_scalar() for _ in secrets]
    h = [group.g_power(u_j) for u_j in u]
    c = _key_challenge(group, hp, label, i, publics, h)
    v = ((u_j - c * a_j) % group.q for u_j, a_j in zip(u, secrets, strict=True))
    return KeyProof(c, tuple(v))


def verify_keys(
    group: Group, hp: bytes, label: bytes, i: int, publics: Sequence[mpz], proof: KeyProof
) -> None:
    """Check trustee i's proof, as Verification 2 has it for one of the two keys.

    `publics` are K_i,0 .. K_i,k-1 and kappa_i; their membership in the subgroup
    is part of the check. Raises `InvalidProof`: MEMBERSHIP for 2.A,
    RESPONSE_RANGE for 2.B, otherwise 2.C.
    """
    c, v = proof.challenge, proof.responses
    if len(v) != len(publics):
        raise InvalidProof(f"{len(v)} responses for {len(publics)} keys", Part.SHAPE)
    for j, key in enumerate(publics):
        group.check_member(key, _key_name(j, len(publics)))
    group.check_scalar(c, "the challenge", Part.CHALLENGE_RANGE)
    for j, v_j in enumerate(v):
        group.check_scalar(v_j, f"response {j}", Part.RESPONSE_RANGE)
    # (2.1) - (2.4)
    h = [
        group.g_power(v_j) * group.power(key, c) % group.p
        for key, v_j in zip(publics, v, strict=True)
    ]
    if _key_challenge(group, hp, label, i, publics, h) != c:
        raise InvalidProof("the proof of knowledge of the secret keys does not hold")


def _key_challenge(
    group: Group, hp: bytes, label: bytes, i: int, publics: Sequence[mpz], h: Sequence[mpz]
) -> mpz:
    """c_i (11), or c-hat_i (13)."""
    elements = map(group.encode_element, (*publics, *h))
    return hash_to_scalar(group, hp, Domain.KEY_PROOF, label, index_bytes(i), *elements)


def _key_name(j: int, count: int) -> str:
    return "the communication key" if j == count - 1 else f"commitment {j}"
