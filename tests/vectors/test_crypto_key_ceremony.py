"""Key generation (spec 3.2) against the formulas, restated with the standard library alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest
from gmpy2 import mpz

from crypto import schnorr, sealing, secret_sharing
from crypto.group import Group, group_for
from crypto.parameters import STANDARD, TOY, Parameters
from crypto.secret_sharing import Polynomial

HP = hashlib.sha256(b"some H_P").digest()

both = pytest.mark.parametrize("parameters", [TOY[7], STANDARD], ids=lambda x: x.name)
Randomness = Callable[..., None]


@pytest.fixture
def randomness(monkeypatch: pytest.MonkeyPatch) -> Randomness:
    """Lets a test say which scalars the next draws give."""

    def script(*scalars: int) -> None:
        queue = list(scalars)
        monkeypatch.setattr(Group, "random_scalar", lambda _: mpz(queue.pop(0)))

    return script


def h(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def scalar(parameters: Parameters, name: str) -> int:
    """A number below q that anybody can recompute."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % parameters.q


def element(parameters: Parameters, x: int) -> bytes:
    return x.to_bytes((parameters.p.bit_length() + 7) // 8, "big")


@both
def test_polynomial(parameters: Parameters) -> None:
    """Shares (7), commitments (8) and their values (14) are what the sums say."""
    group, p, q, g = group_for(parameters), parameters.p, parameters.q, parameters.g
    a = [scalar(parameters, f"a{j}") for j in range(3)]
    polynomial = Polynomial(tuple(map(mpz, a)))
    commitments = polynomial.commitments(group)
    assert list(commitments) == [pow(g, a_j, p) for a_j in a]
    for x in (1, 2, 7):
        share = (a[0] + a[1] * x + a[2] * x * x) % q
        assert polynomial.evaluate(group, x) == share
        assert secret_sharing.commitment_value(group, commitments, x) == pow(g, share, p)
        secret_sharing.verify_share(group, mpz(share), commitments, x)


def test_lagrange_by_hand() -> None:
    """For U = {1, 2, 4} the coefficients (85) are 8/3, -2 and 1/3."""
    group, q = group_for(STANDARD), STANDARD.q
    third = pow(3, -1, q)
    w = [secret_sharing.lagrange(group, i, [4, 1, 2]) for i in (1, 2, 4)]
    assert w == [8 * third % q, q - 2, third]
    assert secret_sharing.lagrange(group, 6, {6}) == 1


@both
@pytest.mark.parametrize("label", [b"pk_vote", b"pk_data"])
def test_key_proof(parameters: Parameters, randomness: Randomness, label: bytes) -> None:
    """The proof (10-13) for two coefficients and zeta, with known u."""
    group, p, q, g = group_for(parameters), parameters.p, parameters.q, parameters.g
    secrets = [scalar(parameters, name) for name in ("a0", "a1", "zeta")]
    u = [scalar(parameters, name) for name in ("u0", "u1", "u2")]
    publics = [pow(g, a, p) for a in secrets]
    data = b"\x10" + label + bytes([0, 0, 0, 4])
    for x in publics + [pow(g, u_j, p) for u_j in u]:
        data += element(parameters, x)
    assert len(data) == 12 + 2 * 3 * len(element(parameters, 1))
    c = int.from_bytes(h(HP, data), "big") % q

    randomness(*u)
    mine = list(map(mpz, publics))
    proof = schnorr.prove_keys(group, HP, label, 4, list(map(mpz, secrets)), mine)
    assert proof.challenge == c
    assert list(proof.responses) == [(u_j - c * a) % q for u_j, a in zip(u, secrets, strict=True)]
    schnorr.verify_keys(group, HP, label, 4, mine, proof)


@both
def test_sealed_shares(parameters: Parameters, randomness: Randomness) -> None:
    """The encrypted shares of trustee 2 for trustee 5 (15-23), with known nonces."""
    group, p, q, g = group_for(parameters), parameters.p, parameters.q, parameters.g
    zeta, xi, u = (scalar(parameters, name) for name in ("zeta", "xi", "u"))
    share, share_hat = scalar(parameters, "share"), scalar(parameters, "share hat")
    kappa = pow(g, zeta, p)
    alpha, beta = pow(g, xi, p), pow(kappa, xi, p)
    indices = bytes([0, 0, 0, 2, 0, 0, 0, 5])
    key = h(HP, b"\x11" + indices + b"".join(element(parameters, x) for x in (kappa, alpha, beta)))
    tail = b"share_enc_keys\x00share_encrypt" + indices + b"\x02\x00"
    mask = h(key, b"\x01" + tail) + h(key, b"\x02" + tail)
    plain = share.to_bytes(32, "big") + share_hat.to_bytes(32, "big")
    c1 = (int.from_bytes(plain, "big") ^ int.from_bytes(mask, "big")).to_bytes(64, "big")
    gamma = pow(g, u, p)
    data = b"\x12" + indices + element(parameters, gamma) + element(parameters, alpha) + c1
    c = int.from_bytes(h(HP, data), "big") % q

    randomness(u)
    sealed = sealing.seal_shares(group, HP, 2, 5, mpz(kappa), mpz(share), mpz(share_hat), mpz(xi))
    assert sealed.c0 == alpha
    assert sealed.c1 == c1
    assert sealed.c2.challenge == c
    assert sealed.c2.response == (u - c * xi) % q
    opened = sealing.open_shares(group, HP, 2, 5, mpz(zeta), mpz(kappa), sealed)
    assert opened == (mpz(share), mpz(share_hat))
    opened = sealing.open_shares_with_nonce(group, HP, 2, 5, mpz(xi), mpz(kappa), sealed)
    assert opened == (mpz(share), mpz(share_hat))


@both
def test_key_shares(parameters: Parameters) -> None:
    """z_i (24) is the sum of the shares, and g^z_i the product over all commitments (94)."""
    group, p, q, g = group_for(parameters), parameters.p, parameters.q, parameters.g
    a = [[scalar(parameters, f"a{i}{j}") for j in range(2)] for i in range(3)]
    commitments = [[mpz(pow(g, x, p)) for x in row] for row in a]
    z = sum(row[0] + row[1] * 4 for row in a) % q
    shares = [mpz((row[0] + row[1] * 4) % q) for row in a]
    assert secret_sharing.secret_key_share(group, shares) == z
    assert secret_sharing.public_key_share(group, commitments, 4) == pow(g, z, p)
