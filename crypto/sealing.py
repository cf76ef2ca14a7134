"""Signed hashed ElGamal: bytes encrypted for the holder of a secret key.

Used for the shares that trustees send each other (spec 3.2.2) and for ballot
nonces (3.3.4). A sealed value is (C_0, C_1, C_2): g to a random nonce, the bytes
under a key derived from it, and a proof of knowledge of the nonce.

The proof is always checked before anything is opened, and with it that C_0 is in
the subgroup of order q. A C_0 outside of it can satisfy the proof's equation by
itself, and what a trustee then computes from C_0 gives away its secret key mod
some small number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gmpy2 import mpz

from crypto import schnorr
from crypto.batch import Claims
from crypto.commitments import Commitments, encode_commitments
from crypto.elgamal import PublicKey
from crypto.errors import InvalidProof, Part
from crypto.group import Group
from crypto.hashing import Domain, hash_bytes, hash_to_scalar, index_bytes, keyed_hash
from crypto.schnorr import SchnorrProof

SHARE_WIDTH = 32
"""Bytes of one share inside C_1 (21), whatever the width of q."""

NONCE_WIDTH = 32
"""Bytes of a ballot nonce xi_B."""


@dataclass(frozen=True, slots=True)
class SealedShares:
    """E_l(P_i(l), P-hat_i(l)) (19-22): an element, 64 bytes and a proof."""

    c0: mpz
    c1: bytes
    c2: SchnorrProof


@dataclass(frozen=True, slots=True)
class SealedNonce:
    """C_xi (37, 38), the ballot nonce under K-hat: an element, 32 bytes and a proof."""

    c0: mpz
    c1: bytes
    c2: SchnorrProof


# --- shares, from trustee i (i) for trustee l (ell)


def seal_shares(
    group: Group, hp: bytes, i: int, ell: int, kappa: mpz, share: mpz, share_hat: mpz, xi: mpz
) -> SealedShares:
    """Encrypt P_i(l) and P-hat_i(l) under trustee l's communication key (15-22).

    `xi` is the nonce, drawn by the caller for this one share; it opens it, and stays
    secret unless the receiver complains.
    """
    c0 = group.g_power(xi)
    key = _share_key(group, hp, i, ell, kappa, c0, group.power_secret(kappa, xi))
    c1 = _xor(_share_bytes(share) + _share_bytes(share_hat), _share_mask(key, i, ell))
    c2 = schnorr.prove(group, xi, _share_challenge(group, hp, i, ell, c0, c1))
    return SealedShares(c0, c1, c2)


def verify_sealed_shares(group: Group, hp: bytes, i: int, ell: int, sealed: SealedShares) -> None:
    """Check the proof of (22) and that C_0 is in the subgroup. Raises `InvalidProof`."""
    _check_width(sealed.c1, 2 * SHARE_WIDTH)
    challenge_of = _share_challenge(group, hp, i, ell, sealed.c0, sealed.c1)
    schnorr.verify(group, sealed.c0, sealed.c2, challenge_of, "C_0")


def open_shares(
    group: Group, hp: bytes, i: int, ell: int, zeta: mpz, kappa: mpz, sealed: SealedShares
) -> tuple[mpz, mpz]:
    """Verify, then decrypt with trustee l's secret communication key (23).

    Returns P_i(l) and P-hat_i(l), still to be checked against the commitments of
    the sender (`secret_sharing.verify_share`). Raises `InvalidProof` if the
    proof fails or a share is not below q.
    """
    verify_sealed_shares(group, hp, i, ell, sealed)
    return _opened(group, hp, i, ell, kappa, group.power_secret(sealed.c0, zeta), sealed)


def open_shares_with_nonce(
    group: Group, hp: bytes, i: int, ell: int, xi: mpz, kappa: mpz, sealed: SealedShares
) -> tuple[mpz, mpz]:
    """Decrypt with the nonce that the sender has published (15, 16, 23).

    Returns P_i(l) and P-hat_i(l), still to be checked against the sender's commitments.
    Raises `InvalidProof` if it is not the nonce of C_0, or a share is not below q.
    """
    if group.g_power(xi) != sealed.c0:
        raise InvalidProof("the nonce is not that of C_0")
    return _opened(group, hp, i, ell, kappa, group.power(kappa, xi), sealed)


def _opened(
    group: Group, hp: bytes, i: int, ell: int, kappa: mpz, beta: mpz, sealed: SealedShares
) -> tuple[mpz, mpz]:
    key = _share_key(group, hp, i, ell, kappa, sealed.c0, beta)
    opened = _xor(sealed.c1, _share_mask(key, i, ell))
    share = mpz.from_bytes(opened[:SHARE_WIDTH], "big")
    share_hat = mpz.from_bytes(opened[SHARE_WIDTH:], "big")
    group.check_scalar(share, "the sealed share of the vote key", Part.SHAPE)
    group.check_scalar(share_hat, "the sealed share of the data key", Part.SHAPE)
    return share, share_hat


def _share_key(
    group: Group, hp: bytes, i: int, ell: int, kappa: mpz, alpha: mpz, beta: mpz
) -> bytes:
    """k_i,l (16)."""
    elements = map(group.encode_element, (kappa, alpha, beta))
    return hash_bytes(hp, Domain.SHARE_KEY, index_bytes(i), index_bytes(ell), *elements)


def _share_mask(key: bytes, i: int, ell: int) -> bytes:
    """k_i,l,1 and k_i,l,2 (17, 18), together 64 bytes."""
    context = b"share_encrypt" + index_bytes(i) + index_bytes(ell)
    return b"".join(_derive(key, counter, b"share_enc_keys", context, 512) for counter in (1, 2))


def _share_challenge(
    group: Group, hp: bytes, i: int, ell: int, c0: mpz, c1: bytes
) -> Callable[[mpz], mpz]:
    """c-bar_i,l (22) as a function of the commitment gamma."""

    def challenge_of(gamma: mpz) -> mpz:
        parts = (group.encode_element(gamma), group.encode_element(c0), c1)
        return hash_to_scalar(
            group, hp, Domain.SHARE_PROOF, index_bytes(i), index_bytes(ell), *parts
        )

    return challenge_of


def _share_bytes(share: mpz) -> bytes:
    return share.to_bytes(SHARE_WIDTH, "big")


# --- ballot nonces


def seal_nonce(data_key: PublicKey, hi: bytes, ballot_nonce: bytes) -> SealedNonce:
    """Encrypt the 32-byte ballot nonce xi_B under K-hat (34-38)."""
    sealed, _ = seal_nonce_and_commit(data_key, hi, ballot_nonce)
    return sealed


def seal_nonce_and_commit(
    data_key: PublicKey, hi: bytes, ballot_nonce: bytes
) -> tuple[SealedNonce, Commitments]:
    """`seal_nonce`, with the commitment a of its proof (38)."""
    if len(ballot_nonce) != NONCE_WIDTH:
        raise ValueError("a ballot nonce has 32 bytes")
    group = data_key.group
    xi = group.random_scalar()
    c0 = group.g_power(xi)
    c1 = _xor(ballot_nonce, _nonce_mask(group, hi, c0, data_key.power(xi)))
    c2, a = schnorr.prove_and_commit(group, xi, _nonce_challenge(group, hi, c0, c1))
    return SealedNonce(c0, c1, c2), encode_commitments(group, [a])


def verify_sealed_nonce(group: Group, hi: bytes, sealed: SealedNonce) -> None:
    """Check the proof of (38) and that C_0 is in the subgroup. Raises `InvalidProof`."""
    _check_width(sealed.c1, NONCE_WIDTH)
    challenge_of = _nonce_challenge(group, hi, sealed.c0, sealed.c1)
    schnorr.verify(group, sealed.c0, sealed.c2, challenge_of, "C_0")


def claim_sealed_nonce(
    claims: Claims, hi: bytes, sealed: SealedNonce, committed: Commitments
) -> None:
    """All of `verify_sealed_nonce` that costs little; the rest becomes claims (`batch`).

    `committed` is a, as somebody says that it is. Raises as `schnorr.claim` does.
    """
    _check_width(sealed.c1, NONCE_WIDTH)
    challenge_of = _nonce_challenge(claims.group, hi, sealed.c0, sealed.c1)
    (a,) = committed.elements
    schnorr.claim(claims, sealed.c0, sealed.c2, challenge_of, "C_0", a)


def open_nonce(group: Group, hi: bytes, sealed: SealedNonce, beta: mpz) -> bytes:
    """Verify, then decrypt the ballot nonce with beta = C_0^s-hat (3.6.7).

    `beta` is combined from the trustees' partial decryptions (107, 108). Raises
    `InvalidProof` if the proof fails. A wrong beta is not noticed here: it gives
    a wrong nonce, which does not reproduce the ballot.
    """
    verify_sealed_nonce(group, hi, sealed)
    return _xor(sealed.c1, _nonce_mask(group, hi, sealed.c0, beta))


def _nonce_mask(group: Group, hi: bytes, alpha: mpz, beta: mpz) -> bytes:
    """k_1 (36), from h (35): 32 bytes."""
    h = hash_bytes(hi, Domain.NONCE_KEY, group.encode_element(alpha), group.encode_element(beta))
    return _derive(h, 1, b"ballot_nonce", b"ballot_nonce_encrypt", 256)


def _nonce_challenge(group: Group, hi: bytes, c0: mpz, c1: bytes) -> Callable[[mpz], mpz]:
    """c_B (38) as a function of the commitment a_B."""

    def challenge_of(a: mpz) -> mpz:
        parts = (group.encode_element(a), group.encode_element(c0), c1)
        return hash_to_scalar(group, hi, Domain.NONCE_PROOF, *parts)

    return challenge_of


# --- common


def _derive(key: bytes, counter: int, label: bytes, context: bytes, bits: int) -> bytes:
    """One block of the key derivation of (17), (18) and (36): 32 bytes.

    SP 800-108 in counter mode, with a counter of 1 byte and the length of all
    key material, in bits, in 2 bytes.
    """
    return keyed_hash(key, bytes([counter]), label, b"\0", context, bits.to_bytes(2, "big"))


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(left, right, strict=True))


def _check_width(data: bytes, width: int) -> None:
    if len(data) != width:
        raise InvalidProof(f"{len(data)} sealed bytes instead of {width}", Part.SHAPE)
