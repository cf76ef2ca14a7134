"""Sealed shares and nonces open for the right reader; nothing altered is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import sealing
from crypto.elgamal import PublicKey
from crypto.errors import InvalidProof, Malformed, Part
from crypto.group import Group, group_for
from crypto.hashing import Domain, hash_to_scalar, index_bytes
from crypto.parameters import STANDARD, TOY
from crypto.schnorr import SchnorrProof
from crypto.sealing import SealedNonce, SealedShares

GROUP = group_for(TOY[7])
HP = bytes(range(32))
ZETA = mpz(271828)
KAPPA = GROUP.g_power(ZETA)
SHARES = mpz(1234), mpz(TOY[7].q - 1)
XI = mpz(314159)
SEALED = sealing.seal_shares(GROUP, HP, 2, 5, KAPPA, *SHARES, XI)

S_HAT = mpz(161803)
DATA_KEY = PublicKey(GROUP, GROUP.g_power(S_HAT))
NONCE = bytes(range(100, 132))
SEALED_NONCE = sealing.seal_nonce(DATA_KEY, HP, NONCE)

deltas = st.integers(1, TOY[7].q - 1)


def shares_refused(sealed: SealedShares, part: Part = Part.EQUATION) -> None:
    """Neither the verification nor the opening of these shares succeeds."""
    attempts: tuple[Callable[[], object], ...] = (
        lambda: sealing.verify_sealed_shares(GROUP, HP, 2, 5, sealed),
        lambda: sealing.open_shares(GROUP, HP, 2, 5, ZETA, KAPPA, sealed),
    )
    for attempt in attempts:
        with pytest.raises(InvalidProof) as caught:
            attempt()
        assert caught.value.part is part


def nonce_refused(sealed: SealedNonce, part: Part = Part.EQUATION) -> None:
    """Neither the verification nor the opening of this nonce succeeds."""
    attempts: tuple[Callable[[], object], ...] = (
        lambda: sealing.verify_sealed_nonce(GROUP, HP, sealed),
        lambda: sealing.open_nonce(GROUP, HP, sealed, GROUP.power(sealed.c0, S_HAT)),
    )
    for attempt in attempts:
        with pytest.raises(InvalidProof) as caught:
            attempt()
        assert caught.value.part is part


def proofs_refused(alter: Callable[[mpz, mpz], tuple[mpz, mpz]], part: Part) -> None:
    """Both sealed values are refused when their proofs (c, v) are altered so."""
    c2, c2_nonce = SEALED.c2, SEALED_NONCE.c2
    altered = SchnorrProof(*alter(c2.challenge, c2.response))
    shares_refused(replace(SEALED, c2=altered), part)
    altered = SchnorrProof(*alter(c2_nonce.challenge, c2_nonce.response))
    nonce_refused(replace(SEALED_NONCE, c2=altered), part)


@given(
    st.sampled_from([group_for(parameters) for parameters in TOY]),
    st.integers(0, 2**64),
    st.integers(0, 2**64),
    st.integers(0, 2**64),
)
def test_shares_come_back(group: Group, zeta: int, share: int, share_hat: int) -> None:
    """What is sealed for a trustee it opens; each share takes 32 bytes in every group."""
    z, x, y = (mpz(number % group.q) for number in (zeta, share, share_hat))
    kappa = group.g_power(z)
    sealed = sealing.seal_shares(group, HP, 1, 2, kappa, x, y, group.random_scalar())
    assert len(sealed.c1) == 64
    sealing.verify_sealed_shares(group, HP, 1, 2, sealed)
    assert sealing.open_shares(group, HP, 1, 2, z, kappa, sealed) == (x, y)


@given(
    st.sampled_from([group_for(parameters) for parameters in TOY]),
    st.binary(min_size=32, max_size=32),
)
def test_nonces_come_back(group: Group, nonce: bytes) -> None:
    """Any 32 bytes, not only numbers below q, are opened with C_0^s-hat."""
    s = mpz(S_HAT % group.q)
    sealed = sealing.seal_nonce(PublicKey(group, group.g_power(s)), HP, nonce)
    assert sealing.open_nonce(group, HP, sealed, group.power_secret(sealed.c0, s)) == nonce


@given(st.sampled_from([group_for(parameters) for parameters in TOY]), st.data())
def test_the_nonce_opens_what_the_key_opens(group: Group, data: st.DataObject) -> None:
    """The sender's xi and the receiver's zeta give the same two shares, whatever they are."""
    zeta, xi, x, y = (mpz(data.draw(st.integers(0, int(group.q) - 1))) for _ in range(4))
    kappa = group.g_power(zeta)
    sealed = sealing.seal_shares(group, HP, 3, 1, kappa, x, y, xi)
    assert sealed.c0 == group.g_power(xi)
    with_key = sealing.open_shares(group, HP, 3, 1, zeta, kappa, sealed)
    assert sealing.open_shares_with_nonce(group, HP, 3, 1, xi, kappa, sealed) == with_key == (x, y)


@given(deltas)
def test_a_wrong_nonce_opens_nothing(delta: int) -> None:
    """Only the nonce of C_0 opens a share; another one is refused and not tried."""
    with pytest.raises(InvalidProof, match="not that of C_0"):
        sealing.open_shares_with_nonce(GROUP, HP, 2, 5, (XI + delta) % GROUP.q, KAPPA, SEALED)
    other = replace(SEALED, c0=GROUP.g_power(delta) * SEALED.c0 % GROUP.p)
    with pytest.raises(InvalidProof, match="not that of C_0"):
        sealing.open_shares_with_nonce(GROUP, HP, 2, 5, XI, KAPPA, other)


OTHER_KAPPA = GROUP.g_power(ZETA + 1)


@pytest.mark.parametrize(
    ("hp", "i", "ell", "kappa"),
    [
        (bytes(32), 2, 5, KAPPA),
        (HP, 5, 2, KAPPA),
        (HP, 2, 6, KAPPA),
        (HP, 3, 5, KAPPA),
        (HP, 2, 5, OTHER_KAPPA),
    ],
)
def test_a_nonce_opens_for_its_own_receiver(hp: bytes, i: int, ell: int, kappa: mpz) -> None:
    """H_P, sender, receiver and kappa all enter the key (16); the rest is noise, above q."""
    with pytest.raises(InvalidProof, match="not below q"):
        sealing.open_shares_with_nonce(GROUP, hp, i, ell, XI, kappa, SEALED)


@settings(max_examples=2)
@given(st.binary(min_size=32, max_size=32), st.integers(0, STANDARD.q - 1))
def test_sealing_in_the_real_group(nonce: bytes, share: int) -> None:
    """The same at 4096 bits."""
    group = group_for(STANDARD)
    s = group.random_scalar()
    public = group.g_power(s)
    sealed = sealing.seal_nonce(PublicKey(group, public), HP, nonce)
    assert sealing.open_nonce(group, HP, sealed, group.power_secret(sealed.c0, s)) == nonce
    xi = group.random_scalar()
    shares = sealing.seal_shares(group, HP, 1, 2, public, mpz(share), mpz(0), xi)
    assert sealing.open_shares(group, HP, 1, 2, s, public, shares) == (mpz(share), mpz(0))
    opened = sealing.open_shares_with_nonce(group, HP, 1, 2, xi, public, shares)
    assert opened == (mpz(share), mpz(0))
    with pytest.raises(InvalidProof):
        sealing.verify_sealed_shares(group, HP, 1, 2, replace(shares, c0=group.g))


@given(deltas)
def test_an_altered_proof_is_refused(delta: int) -> None:
    """Another challenge or response proves nothing."""
    proofs_refused(lambda c, v: ((c + delta) % GROUP.q, v), Part.EQUATION)
    proofs_refused(lambda c, v: (c, (v + delta) % GROUP.q), Part.EQUATION)


@given(deltas)
def test_an_altered_c0_is_refused(delta: int) -> None:
    """Another C_0 of the subgroup has no proof."""
    factor = GROUP.g_power(delta)
    shares_refused(replace(SEALED, c0=SEALED.c0 * factor % GROUP.p))
    nonce_refused(replace(SEALED_NONCE, c0=SEALED_NONCE.c0 * factor % GROUP.p))


@given(st.integers(0, 511))
def test_every_bit_of_c1_counts(bit: int) -> None:
    """The proof binds the sealed bytes: no bit of them can be turned over."""
    c1 = (int.from_bytes(SEALED.c1, "big") ^ 1 << bit).to_bytes(64, "big")
    shares_refused(replace(SEALED, c1=c1))
    c1 = (int.from_bytes(SEALED_NONCE.c1, "big") ^ 1 << bit % 256).to_bytes(32, "big")
    nonce_refused(replace(SEALED_NONCE, c1=c1))


def test_c1_has_its_width() -> None:
    """Bytes cut off or added are refused."""
    for c1 in (b"", SEALED.c1[:-1], SEALED.c1 + b"\0"):
        shares_refused(replace(SEALED, c1=c1), Part.SHAPE)
    for c1 in (b"", SEALED_NONCE.c1[:-1], SEALED_NONCE.c1 + b"\0"):
        nonce_refused(replace(SEALED_NONCE, c1=c1), Part.SHAPE)


def test_scalars_have_one_representative() -> None:
    """c + q and v + q are refused."""
    proofs_refused(lambda c, v: (c + GROUP.q, v), Part.CHALLENGE_RANGE)
    proofs_refused(lambda c, v: (c, v + GROUP.q), Part.RESPONSE_RANGE)


@pytest.mark.parametrize("kind", ["negative", "outside", "minus one", "too large", "zero"])
def test_c0_outside_the_subgroup_is_refused(kind: str) -> None:
    """C_0 is checked to be in the order-q subgroup before anything else."""

    def other(c0: mpz) -> mpz:
        return {
            "negative": GROUP.p - c0,
            "outside": c0 * 4 % GROUP.p,
            "minus one": GROUP.p - 1,
            "too large": c0 + GROUP.p,
            "zero": mpz(0),
        }[kind]

    shares_refused(replace(SEALED, c0=other(SEALED.c0)), Part.MEMBERSHIP)
    nonce_refused(replace(SEALED_NONCE, c0=other(SEALED_NONCE.c0)), Part.MEMBERSHIP)


def test_zero_satisfies_the_equation_and_is_refused() -> None:
    """C_0 = 0 with commitment 0 fits any response: unparsable, and refused as a value."""
    zero = mpz(0)
    with pytest.raises(Malformed, match="0 is not an element"):
        GROUP.parse_element(bytes(GROUP.parameters.element_width), "c0")
    encoded = GROUP.encode_element(zero)
    c1 = SEALED_NONCE.c1
    c = hash_to_scalar(GROUP, HP, Domain.NONCE_PROOF, encoded, encoded, c1)
    assert GROUP.g_power(7) * GROUP.power(zero, c) % GROUP.p == zero
    nonce_refused(SealedNonce(zero, c1, SchnorrProof(c, mpz(7))), Part.MEMBERSHIP)
    indices = index_bytes(2), index_bytes(5)
    c = hash_to_scalar(GROUP, HP, Domain.SHARE_PROOF, *indices, encoded, encoded, SEALED.c1)
    shares_refused(SealedShares(zero, SEALED.c1, SchnorrProof(c, mpz(7))), Part.MEMBERSHIP)


def test_minus_c0_satisfies_the_equation_and_is_refused() -> None:
    """-g^xi with an even challenge fits the equation; only membership refuses it."""
    xi, c1 = mpz(99), SEALED_NONCE.c1
    c0 = GROUP.p - GROUP.g_power(xi)
    for u in range(1000):
        a = GROUP.g_power(u)
        data = GROUP.encode_element(a), GROUP.encode_element(c0), c1
        c = hash_to_scalar(GROUP, HP, Domain.NONCE_PROOF, *data)
        if c % 2 == 0:
            break
    v = (u - c * xi) % GROUP.q
    assert GROUP.g_power(v) * GROUP.power(c0, c) % GROUP.p == a
    nonce_refused(SealedNonce(c0, c1, SchnorrProof(c, v)), Part.MEMBERSHIP)


def test_shares_belong_to_sender_recipient_and_election() -> None:
    """Sealed shares are refused with sender and recipient swapped, or another H_P."""
    for hp, i, ell in ((HP, 5, 2), (HP, 2, 6), (HP, 3, 5), (bytes(32), 2, 5)):
        with pytest.raises(InvalidProof):
            sealing.verify_sealed_shares(GROUP, hp, i, ell, SEALED)


def test_a_nonce_belongs_to_its_ballot() -> None:
    """A sealed nonce is refused under another H_I, and no sealed share passes for one."""
    with pytest.raises(InvalidProof):
        sealing.verify_sealed_nonce(GROUP, bytes(32), SEALED_NONCE)
    nonce_refused(SealedNonce(SEALED.c0, SEALED.c1[:32], SEALED.c2))


def test_a_share_that_is_not_below_q_is_refused() -> None:
    """A sender whose sealed 32 bytes are no scalar is refused after opening."""
    for shares in ((GROUP.q, mpz(0)), (mpz(0), mpz(2**256 - 1))):
        sealed = sealing.seal_shares(GROUP, HP, 2, 5, KAPPA, *shares, XI)
        sealing.verify_sealed_shares(GROUP, HP, 2, 5, sealed)
        with pytest.raises(InvalidProof, match="not below q") as caught:
            sealing.open_shares(GROUP, HP, 2, 5, ZETA, KAPPA, sealed)
        assert caught.value.part is Part.SHAPE
        with pytest.raises(InvalidProof, match="not below q") as caught:
            sealing.open_shares_with_nonce(GROUP, HP, 2, 5, XI, KAPPA, sealed)
        assert caught.value.part is Part.SHAPE


def test_a_wrong_key_opens_nothing() -> None:
    """Another beta gives other bytes than the nonce, and no error: the caller re-encrypts."""
    beta = GROUP.power(SEALED_NONCE.c0, S_HAT + 1)
    assert sealing.open_nonce(GROUP, HP, SEALED_NONCE, beta) != NONCE


def test_a_ballot_nonce_has_32_bytes() -> None:
    """Nonces of another length are not sealed."""
    for nonce in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            sealing.seal_nonce(DATA_KEY, HP, nonce)
