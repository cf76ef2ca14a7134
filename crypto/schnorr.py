"""Proofs of knowledge of a discrete logarithm (spec 3.2.2).

Compact form: challenge and response, (c, v), from which a verifier recomputes
the commitment h = g^v x^c and then the challenge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from crypto.batch import Claims
from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_to_scalar, index_bytes
from crypto.squarings import Squarings

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
    proof, _ = prove_and_commit(group, secret, challenge_of)
    return proof


def prove_and_commit(
    group: Group, secret: mpz, challenge_of: Callable[[mpz], mpz]
) -> tuple[SchnorrProof, mpz]:
    """`prove`, with the commitment, which whoever verifies can recompute."""
    u = group.random_scalar()
    h = group.g_power(u)
    c = challenge_of(h)
    return SchnorrProof(c, (u - c * secret) % group.q), h


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
    chain = Squarings(group, public)
    chain.check_member(name)
    _check_scalars(group, proof, name)
    h = group.g_power(proof.response) * chain.power(proof.challenge) % group.p
    _check_challenge(proof, challenge_of, h, name)


def claim(
    claims: Claims,
    public: mpz,
    proof: SchnorrProof,
    challenge_of: Callable[[mpz], mpz],
    name: str,
    committed: mpz,
) -> None:
    """All of `verify` that costs little; the rest becomes claims (`batch`).

    `committed` is the commitment as somebody says that it is. Raises `InvalidProof` as
    `verify` does, and for a wrong commitment, which a right proof can have.
    """
    group = claims.group
    claims.member(public, name)
    _check_scalars(group, proof, name)
    _check_challenge(proof, challenge_of, committed, name)
    claims.equation(committed, group.table, proof.response, ((public,), proof.challenge))


def _check_scalars(group: Group, proof: SchnorrProof, name: str) -> None:
    group.check_scalar(proof.challenge, f"the challenge for {name}", Part.CHALLENGE_RANGE)
    group.check_scalar(proof.response, f"the response for {name}", Part.RESPONSE_RANGE)


def _check_challenge(
    proof: SchnorrProof, challenge_of: Callable[[mpz], mpz], committed: mpz, name: str
) -> None:
    if challenge_of(committed) != proof.challenge:
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
    chains = [Squarings(group, key) for key in publics]
    for j, chain in enumerate(chains):
        chain.check_member(_key_name(j, len(publics)))
    group.check_scalar(c, "the challenge", Part.CHALLENGE_RANGE)
    for j, v_j in enumerate(v):
        group.check_scalar(v_j, f"response {j}", Part.RESPONSE_RANGE)
    # (2.1) - (2.4)
    h = [
        group.g_power(v_j) * chain.power(c) % group.p for chain, v_j in zip(chains, v, strict=True)
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
