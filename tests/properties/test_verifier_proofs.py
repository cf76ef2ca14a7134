"""The verifier's proofs against provers written here, from the specification alone."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from verifier.group import Group
from verifier.hashing import index
from verifier.parameters import BY_NAME, STANDARD
from verifier.proofs import (
    Decrypted,
    in_range,
    is_decryption,
    keys_challenge,
    knows_ballot_nonce,
    knows_share_nonce,
)

TOY = Group(BY_NAME["toy-64-256"])
HASH = b"\x07" * 32
Q = int(TOY.q)

scalars = st.integers(min_value=1, max_value=Q - 1)


def hash_q(group: Group, data: bytes) -> int:
    """H_q under HASH."""
    return int.from_bytes(hmac.digest(HASH, data, "sha256"), "big") % int(group.q)


def stream(seed: int, group: Group) -> Any:
    """An endless supply of scalars."""
    counter = 0
    while True:
        counter += 1
        digest = hashlib.sha256(f"{seed} {counter}".encode()).digest()
        yield int.from_bytes(digest, "big") % int(group.q)


def prove_range(
    group: Group, key: mpz, nonce: int, value: int, limit: int, context: bytes, seed: int
) -> tuple[tuple[mpz, mpz], list[mpz], list[mpz]]:
    """A ciphertext of `value` and its proof of 0..limit (3.3.7); a lie if it is outside."""
    random = stream(seed, group)
    alpha = group.power(group.g, nonce)
    beta = group.power(key, (value + nonce) % group.q)
    us = [next(random) for _ in range(limit + 1)]
    cs = [next(random) for _ in range(limit + 1)]
    data = bytes([0x24]) + context + group.element(alpha) + group.element(beta)
    for j in range(limit + 1):
        t = us[j] if j == value else us[j] + (value - j) * cs[j]
        data += group.element(group.power(group.g, us[j]))
        data += group.element(group.power(key, t % group.q))
    true = min(value, limit)
    cs[true] = (hash_q(group, data) - sum(cs) + cs[true]) % int(group.q)
    vs = [(u - c * nonce) % int(group.q) for u, c in zip(us, cs, strict=True)]
    return (alpha, beta), [mpz(c) for c in cs], [mpz(v) for v in vs]


@given(scalars, scalars, st.integers(0, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_range_proofs_hold_exactly_within_the_range(
    secret: int, nonce: int, value: int, limit: int, seed: int
) -> None:
    """A proof holds for a value within 0..R, and a prover who lies does not get through."""
    key = TOY.power(TOY.g, secret)
    context = index(3) + index(5)
    ciphertext, cs, vs = prove_range(TOY, key, nonce, value, limit, context, seed)
    table = TOY.table(key)
    pair = TOY.chain(ciphertext[0]), TOY.chain(ciphertext[1])
    holds = in_range(TOY, table, HASH, context, pair, cs, vs)
    assert holds == (value <= limit)
    if holds:
        assert not in_range(TOY, table, HASH, index(3) + index(6), pair, cs, vs)
        assert not in_range(TOY, table, b"\x08" * 32, context, pair, cs, vs)
        changed = [(vs[0] + 1) % TOY.q, *vs[1:]]
        assert not in_range(TOY, table, HASH, context, pair, cs, changed)


def test_range_proof_under_the_standard_parameters() -> None:
    """The same at full width."""
    group = Group(STANDARD)
    key = group.power(group.g, 2**200 + 1)
    context = index(1)
    ciphertext, cs, vs = prove_range(group, key, 2**255 - 3, 1, 1, context, 9)
    table = group.table(key)
    pair = group.chain(ciphertext[0]), group.chain(ciphertext[1])
    assert in_range(group, table, HASH, context, pair, cs, vs)
    assert not in_range(group, table, HASH, context, pair, cs[::-1], vs)


@given(st.lists(scalars, min_size=2, max_size=4), st.integers(1, 9), st.integers(0, 2**32))
def test_key_proofs(secrets: list[int], trustee: int, seed: int) -> None:
    """A proof of all coefficients gives its challenge back, and for no other trustee."""
    random = stream(seed, TOY)
    publics = [TOY.power(TOY.g, s) for s in secrets]
    us = [next(random) for _ in secrets]
    data = b"\x10pk_vote" + index(trustee)
    data += b"".join(TOY.element(x) for x in publics)
    data += b"".join(TOY.element(TOY.power(TOY.g, u)) for u in us)
    c = hash_q(TOY, data)
    vs = [(u - c * s) % Q for u, s in zip(us, secrets, strict=True)]
    chains = [TOY.chain(x) for x in publics]
    assert keys_challenge(TOY, HASH, b"pk_vote", trustee, chains, c, vs) == c
    assert keys_challenge(TOY, HASH, b"pk_data", trustee, chains, c, vs) != c
    assert keys_challenge(TOY, HASH, b"pk_vote", trustee + 1, chains, c, vs) != c


@given(scalars, scalars)
def test_nonce_proofs(nonce: int, u: int) -> None:
    """The proofs under 0x12 and 0x23 hold for what was hashed and nothing else."""
    c0 = TOY.power(TOY.g, nonce)
    chain = TOY.chain(c0)
    commitment = TOY.element(TOY.power(TOY.g, u))
    c1 = b"x" * 64
    c = hash_q(TOY, b"\x12" + index(1) + index(2) + commitment + TOY.element(c0) + c1)
    v = (u - c * nonce) % Q
    assert knows_share_nonce(TOY, HASH, 1, 2, chain, c1, c, v)
    assert not knows_share_nonce(TOY, HASH, 2, 1, chain, c1, c, v)
    c1 = b"y" * 32
    c = hash_q(TOY, b"\x23" + commitment + TOY.element(c0) + c1)
    v = (u - c * nonce) % Q
    assert knows_ballot_nonce(TOY, HASH, chain, c1, c, v)
    assert not knows_ballot_nonce(TOY, HASH, chain, b"z" * 32, c, v)


@given(scalars, scalars, scalars, st.integers(0, 50))
def test_decryption_proofs(secret: int, nonce: int, u: int, count: int) -> None:
    """T = K^t is what (A, B) decrypts to; K^(t+1) is not, under any honest proof of t."""
    key = TOY.power(TOY.g, secret)
    a, b = TOY.power(TOY.g, nonce), TOY.power(key, (nonce + count) % Q)
    factor, value = TOY.power(a, secret), TOY.power(key, count)
    elements = [a, b, TOY.power(TOY.g, u), TOY.power(a, u), factor]
    data = b"\x31" + index(1) + index(2) + b"".join(TOY.element(x) for x in elements)
    c = mpz(hash_q(TOY, data))
    v = mpz((u - c * secret) % Q)
    table = TOY.table(key)
    assert is_decryption(TOY, table, HASH, Decrypted(1, 2, a, b, value, c, v))
    wrong = value * key % TOY.p
    assert not is_decryption(TOY, table, HASH, Decrypted(1, 2, a, b, wrong, c, v))
    assert not is_decryption(TOY, table, HASH, Decrypted(1, 3, a, b, value, c, v))


@pytest.mark.parametrize("name", [name for name in BY_NAME if name.startswith("toy-")])
def test_a_table_covers_every_exponent_below_q(name: str) -> None:
    """Also where q is a byte, or just below a power of 256."""
    group = Group(BY_NAME[name])
    for exponent in (0, 1, int(group.q) - 1):
        assert group.g_power(exponent) == group.power(group.g, exponent)
