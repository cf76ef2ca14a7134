"""ElGamal (spec 3.3.1): the same for zero and for products, another base for votes."""

from __future__ import annotations

from typing import Any

from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from crypto.elgamal import Ciphertext, PublicKey, accumulate, encrypt
from crypto.group import Group
from crypto.parameters import STANDARD
from tests.interop.oracle import Load

nonces = st.integers(1, STANDARD.q - 1)
values = st.integers(0, 1000)


def key_of(group: Group, secret: int) -> PublicKey:
    """g^s, for tests that have to know s."""
    return PublicKey(group, group.g_power(secret))


def pair(ciphertext: Any) -> Ciphertext:
    """Their ciphertext as one of ours."""
    return Ciphertext(ciphertext.pad.value, ciphertext.data.value)


def their_encryption(electionguard: Load, key: PublicKey, value: int, nonce: int) -> Any:
    """What they make of this value."""
    numbers = electionguard("group")
    return electionguard("elgamal").elgamal_encrypt(
        value, numbers.ElementModQ(nonce), numbers.ElementModP(int(key.element))
    )


@given(secret=nonces, nonce=nonces)
def test_encryptions_of_zero_are_the_same(
    electionguard: Load, group: Group, secret: int, nonce: int
) -> None:
    """Zero encrypts to (g^xi, K^xi) in both versions."""
    key = key_of(group, secret)
    assert encrypt(key, 0, mpz(nonce)) == pair(their_encryption(electionguard, key, 0, nonce))


@given(secret=nonces, nonce=nonces, value=values)
def test_votes_stand_on_another_base(
    electionguard: Load, group: Group, secret: int, nonce: int, value: int
) -> None:
    """Of a vote only alpha is the same: beta / K^xi is K^value here and g^value there."""
    key = key_of(group, secret)
    ours = encrypt(key, value, mpz(nonce))
    theirs = pair(their_encryption(electionguard, key, value, nonce))
    assert ours.alpha == theirs.alpha
    unblind = group.inverse(key.power(nonce))
    assert ours.beta * unblind % group.p == key.power(value)
    assert theirs.beta * unblind % group.p == group.g_power(value)


@given(secret=nonces, votes=st.lists(st.tuples(values, nonces), min_size=1, max_size=6))
def test_products_of_ciphertexts_are_the_same(
    electionguard: Load, group: Group, secret: int, votes: list[tuple[int, int]]
) -> None:
    """Their addition of our ciphertexts is our product, an encryption of the sum."""
    numbers, module = electionguard("group"), electionguard("elgamal")
    key = key_of(group, secret)
    ours = [encrypt(key, value, mpz(nonce)) for value, nonce in votes]
    theirs = [
        module.ElGamalCiphertext(
            numbers.ElementModP(int(one.alpha)), numbers.ElementModP(int(one.beta))
        )
        for one in ours
    ]
    product = accumulate(group, ours)
    assert product == pair(module.elgamal_add(*theirs))
    total, nonce = sum(value for value, _ in votes), sum(nonce for _, nonce in votes)
    assert product == encrypt(key, total, mpz(nonce) % group.q)


@given(secret=nonces, nonce=nonces)
def test_they_decrypt_our_zero(electionguard: Load, group: Group, secret: int, nonce: int) -> None:
    """Their decryption with the secret key finds the zero that we encrypted."""
    numbers = electionguard("group")
    ours = encrypt(key_of(group, secret), 0, mpz(nonce))
    theirs = electionguard("elgamal").ElGamalCiphertext(
        numbers.ElementModP(int(ours.alpha)), numbers.ElementModP(int(ours.beta))
    )
    assert theirs.decrypt(numbers.ElementModQ(secret)) == 0
