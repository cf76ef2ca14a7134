"""Threshold decryption (spec 3.6) against the formulas, restated with the standard library."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from gmpy2 import mpz

from crypto import decryption_proof
from crypto.decryption_proof import DecryptionProof
from crypto.discrete_log import DiscreteLog
from crypto.elgamal import Ciphertext, PublicKey
from crypto.group import Group, group_for
from crypto.parameters import STANDARD, TOY, Parameters

HE = hashlib.sha256(b"some H_E").digest()
CONTEXT = bytes([0, 0, 0, 7, 0, 0, 0, 3])


def h(data: bytes) -> bytes:
    return hmac.new(HE, data, hashlib.sha256).digest()


def scalar(parameters: Parameters, name: str) -> int:
    """A number below q that anybody can recompute."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % parameters.q


def elements(parameters: Parameters, *xs: int) -> bytes:
    return b"".join(x.to_bytes((parameters.p.bit_length() + 7) // 8, "big") for x in xs)


@pytest.mark.parametrize("parameters", [TOY[7], STANDARD], ids=lambda x: x.name)
def test_joint_decryption(parameters: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trustees 1 and 3 of a 2-of-3 open an encryption of 42 (84)-(93), with known nonces.

    For U = {1, 3} the Lagrange coefficients are 3/2 and -1/2.
    """
    group, p, q, g = group_for(parameters), parameters.p, parameters.q, parameters.g
    s, slope, xi = (scalar(parameters, name) for name in ("s", "slope", "xi"))
    z = {i: (s + slope * i) % q for i in (1, 3)}
    u = {i: scalar(parameters, f"u{i}") for i in (1, 3)}
    half = pow(2, -1, q)
    w = {1: 3 * half % q, 3: -half % q}
    k = pow(g, s, p)
    big_a, big_b = pow(g, xi, p), pow(k, xi + 42, p)
    a = {i: pow(g, u[i], p) for i in u}
    b = {i: pow(big_a, u[i], p) for i in u}
    m = {i: pow(big_a, z[i], p) for i in z}
    d_3 = h(
        b"\x30"
        + CONTEXT
        + bytes([0, 0, 0, 3])
        + elements(parameters, big_a, big_b, a[3], b[3], m[3])
        + bytes([0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3])
    )
    big_m = pow(big_a, s, p)
    joint_a, joint_b = a[1] * a[3] % p, b[1] * b[3] % p
    data = b"\x31" + CONTEXT + elements(parameters, big_a, big_b, joint_a, joint_b, big_m)
    c = int.from_bytes(h(data), "big") % q
    v = {i: (u[i] - c * w[i] * z[i]) % q for i in u}

    ciphertext = Ciphertext(mpz(big_a), mpz(big_b))
    parts = {}
    for i in (3, 1):
        monkeypatch.setattr(Group, "random_scalar", lambda _, u_i=u[i]: mpz(u_i))
        u_i, a_i, b_i = decryption_proof.commit(group, ciphertext.alpha)
        assert [u_i, a_i, b_i] == [u[i], a[i], b[i]]
        m_i = decryption_proof.partial_decryption(group, ciphertext.alpha, mpz(z[i]))
        assert m_i == m[i]
        parts[i] = (m_i, a_i, b_i)
    computed = decryption_proof.commitment_hash(
        group, HE, CONTEXT, 3, ciphertext, parts[3][1], parts[3][2], parts[3][0], (3, 1)
    )
    assert computed == d_3
    (joint,) = decryption_proof.combine_all(group, HE, [(CONTEXT, ciphertext)], [parts])
    assert [joint.element, joint.a, joint.b] == [big_m, joint_a, joint_b]
    assert joint.challenge == c
    assert joint.challenges == {i: c * w[i] % q for i in w}
    responses = {
        i: decryption_proof.respond(group, mpz(u[i]), mpz(z[i]), joint.challenges[i]) for i in u
    }
    assert responses == v
    total = decryption_proof.combine_responses(group, responses.values())
    assert total == (v[1] + v[3]) % q == (scalar(parameters, "u1") + u[3] - c * s) % q
    value = decryption_proof.decrypted_value(group, ciphertext, joint.element)
    assert value == pow(k, 42, p)
    key = PublicKey(group, mpz(k))
    decryption_proof.verify(
        key, HE, CONTEXT, ciphertext, value, DecryptionProof(joint.challenge, total)
    )
    decryption_proof.verify_count(key, value, 42)
    assert DiscreteLog(group, key.element).find(value, 100) == 42


def test_an_empty_tally_decrypts_to_zero() -> None:
    """A = B = 1, the tally of no ballots, has M = T = 1 and the count 0."""
    group = group_for(STANDARD)
    one = mpz(1)
    assert decryption_proof.partial_decryption(group, one, group.random_scalar()) == 1
    key = PublicKey(group, group.g_power(5))
    decryption_proof.verify_count(key, one, 0)
    u, a, b = decryption_proof.commit(group, one)
    c = decryption_proof.joint_challenge(group, HE, CONTEXT, Ciphertext(one, one), a, b, one)
    proof = DecryptionProof(c, (u - c * 5) % group.q)
    decryption_proof.verify(key, HE, CONTEXT, Ciphertext(one, one), one, proof)


def test_a_hundred_million_votes() -> None:
    """A count just under 10^8 is found under the standard parameters."""
    group = group_for(STANDARD)
    base = group.g_power(1234567)
    assert DiscreteLog(group, base).find(group.power(base, 99_999_999), 10**8) == 99_999_999
