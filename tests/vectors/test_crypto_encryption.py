"""Encryption and range proofs (spec 3.3) against the formulas, restated."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest
from gmpy2 import mpz

from crypto import range_proof, sealing
from crypto.elgamal import Ciphertext, PublicKey, accumulate, encrypt
from crypto.group import Group, group_for
from crypto.parameters import STANDARD, TOY, Parameters

HI = hashlib.sha256(b"some H_I").digest()
CONTEST, OPTION = bytes([0, 0, 0, 7]), bytes([0, 0, 0, 3])

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


def elements(parameters: Parameters, *xs: int) -> bytes:
    return b"".join(x.to_bytes((parameters.p.bit_length() + 7) // 8, "big") for x in xs)


def public_key(parameters: Parameters) -> int:
    return pow(parameters.g, scalar(parameters, "s"), parameters.p)


@both
def test_encryption(parameters: Parameters) -> None:
    """Enc(sigma, xi) = (g^xi, K^(sigma + xi)) (31)."""
    p, g, k = parameters.p, parameters.g, public_key(parameters)
    key = PublicKey(group_for(parameters), mpz(k))
    for sigma in (0, 1, 5):
        for xi in (0, 1, scalar(parameters, "xi"), parameters.q - 1):
            expected = Ciphertext(mpz(pow(g, xi, p)), mpz(pow(k, sigma, p) * pow(k, xi, p) % p))
            assert encrypt(key, sigma, mpz(xi)) == expected


def test_accumulation() -> None:
    """Ciphertexts are multiplied component by component (79)."""
    group = group_for(TOY[0])
    pairs = [(3, 5), (7, 11), (59182, 2)]
    product = accumulate(group, (Ciphertext(mpz(a), mpz(b)) for a, b in pairs))
    assert product == Ciphertext(mpz(21 * 59182 % 59183), mpz(110))
    assert accumulate(group, ()) == Ciphertext(mpz(1), mpz(1))


@both
@pytest.mark.parametrize("value", [0, 1])
def test_proof_of_zero_or_one(parameters: Parameters, randomness: Randomness, value: int) -> None:
    """The 0/1 proof, written out as in (39)-(44) for 0 and (48)-(53) for 1."""
    p, q, g, k = parameters.p, parameters.q, parameters.g, public_key(parameters)
    xi, u0, u1 = (scalar(parameters, name) for name in ("xi", "u0", "u1"))
    simulated, unused = scalar(parameters, "simulated"), scalar(parameters, "unused")
    alpha, beta = pow(g, xi, p), pow(k, xi + value, p)
    if value == 0:
        a0, b0 = pow(g, u0, p), pow(k, u0, p)
        a1, b1 = pow(g, u1, p), pow(k, u1 - simulated, p)
    else:
        a0, b0 = pow(g, u0, p), pow(k, u0 + simulated, p)
        a1, b1 = pow(g, u1, p), pow(k, u1, p)
    data = b"\x24" + CONTEST + OPTION + elements(parameters, alpha, beta, a0, b0, a1, b1)
    c = int.from_bytes(h(HI, data), "big") % q
    c0, c1 = ((c - simulated) % q, simulated) if value == 0 else (simulated, (c - simulated) % q)

    randomness(u0, u1, *((unused, simulated) if value == 0 else (simulated, unused)))
    key = PublicKey(group_for(parameters), mpz(k))
    ciphertext = Ciphertext(mpz(alpha), mpz(beta))
    proof = range_proof.prove(key, ciphertext, mpz(xi), value, 1, HI, CONTEST + OPTION)
    assert list(proof.challenges) == [c0, c1]
    assert list(proof.responses) == [(u0 - c0 * xi) % q, (u1 - c1 * xi) % q]
    range_proof.verify(key, ciphertext, proof, 1, HI, CONTEST + OPTION)


@both
def test_range_proof(parameters: Parameters, randomness: Randomness) -> None:
    """The general proof (57)-(61) for 2 of 0 .. 3, hashed as a contest's (62)."""
    p, q, g, k = parameters.p, parameters.q, parameters.g, public_key(parameters)
    value, limit, xi = 2, 3, scalar(parameters, "xi")
    u = [scalar(parameters, f"u{j}") for j in range(limit + 1)]
    c = [scalar(parameters, f"c{j}") for j in range(limit + 1)]
    drawn = u + c
    alpha, beta = pow(g, xi, p), pow(k, xi + value, p)
    data = b"\x24" + CONTEST + elements(parameters, alpha, beta)
    for j in range(limit + 1):
        t = u[j] if j == value else (u[j] + (value - j) * c[j]) % q
        data += elements(parameters, pow(g, u[j], p), pow(k, t, p))
    assert len(data) == 5 + (2 * limit + 4) * len(elements(parameters, 1))
    challenge = int.from_bytes(h(HI, data), "big") % q
    c[value] = (challenge - c[0] - c[1] - c[3]) % q

    randomness(*drawn)
    key = PublicKey(group_for(parameters), mpz(k))
    ciphertext = Ciphertext(mpz(alpha), mpz(beta))
    proof = range_proof.prove(key, ciphertext, mpz(xi), value, limit, HI, CONTEST)
    assert list(proof.challenges) == c
    assert list(proof.responses) == [(u[j] - c[j] * xi) % q for j in range(limit + 1)]
    range_proof.verify(key, ciphertext, proof, limit, HI, CONTEST)


@both
def test_sealed_nonce(parameters: Parameters, randomness: Randomness) -> None:
    """The encrypted ballot nonce (34)-(38), with known randomness."""
    p, q, g, k_hat = parameters.p, parameters.q, parameters.g, public_key(parameters)
    xi, u = scalar(parameters, "xi"), scalar(parameters, "u")
    nonce = hashlib.sha256(b"a ballot nonce").digest()
    alpha, beta = pow(g, xi, p), pow(k_hat, xi, p)
    key = h(HI, b"\x22" + elements(parameters, alpha, beta))
    mask = h(key, b"\x01ballot_nonce\x00ballot_nonce_encrypt\x01\x00")
    c1 = (int.from_bytes(nonce, "big") ^ int.from_bytes(mask, "big")).to_bytes(32, "big")
    data = b"\x23" + elements(parameters, pow(g, u, p), alpha) + c1
    c = int.from_bytes(h(HI, data), "big") % q

    randomness(xi, u)
    group = group_for(parameters)
    sealed = sealing.seal_nonce(PublicKey(group, mpz(k_hat)), HI, nonce)
    assert sealed.c0 == alpha
    assert sealed.c1 == c1
    assert sealed.c2.challenge == c
    assert sealed.c2.response == (u - c * xi) % q
    assert sealing.open_nonce(group, HI, sealed, mpz(beta)) == nonce
