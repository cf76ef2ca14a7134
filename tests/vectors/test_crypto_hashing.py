"""Known answers for the hash function, its domains and the hashes of an election."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from gmpy2 import mpz

from crypto.group import group_for
from crypto.hashing import (
    Domain,
    base_hash,
    extended_base_hash,
    hash_bytes,
    hash_to_scalar,
    index_bytes,
    key_ceremony_hash,
    keyed_hash,
    parameter_base_hash,
    sized_bytes,
)
from crypto.parameters import STANDARD, TOY, Parameters

GROUP = group_for(STANDARD)


def h(key: bytes, data: bytes) -> bytes:
    """H as FIPS 198-1 writes it down, from SHA-256 alone."""
    block = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(x ^ 0x36 for x in block) + data).digest()
    return hashlib.sha256(bytes(x ^ 0x5C for x in block) + inner).digest()


# From spec/notes.md: values of an independent implementation.
PARAMETER_BASE_HASHES = [
    (1, 1, "742fdee2753d416b072d4735e7030721cefc4f7d34bac49a0d592aee3bc52d44"),
    (3, 2, "51bca66c1792739f07526b7422771fc4aec7ad9a40e92c1bb03bfde12ae8b661"),
    (3, 3, "da7a87e10aa123565fe41ee06c5d26fd7aa612e0a126cac69bbdc96e3416b8a8"),
    (5, 3, "944286970eafdb6f347f4eb93b30d48fa3edcc89bfbaea6f5ae8f29afb05ddce"),
]


@pytest.mark.parametrize(("n", "k", "expected"), PARAMETER_BASE_HASHES)
def test_parameter_base_hash(n: int, k: int, expected: str) -> None:
    """H_P has the values that another implementation of 2.1.0 computes."""
    assert parameter_base_hash(GROUP, n, k).hex() == expected


@pytest.mark.parametrize("parameters", [STANDARD, *TOY], ids=lambda x: x.name)
def test_parameter_base_hash_from_the_formula(parameters: Parameters) -> None:
    """H_P is (4) for every parameter set, p, q and g at their own widths."""
    p, q, g = parameters.p, parameters.q, parameters.g
    wide, narrow = (p.bit_length() + 7) // 8, (q.bit_length() + 7) // 8
    data = b"\x00" + p.to_bytes(wide, "big") + q.to_bytes(narrow, "big") + g.to_bytes(wide, "big")
    data += bytes([0, 0, 0, 5, 0, 0, 0, 3])
    ver = bytes.fromhex("76322E312E30") + bytes(26)
    assert parameter_base_hash(group_for(parameters), 5, 3) == h(ver, data)


def test_base_hash() -> None:
    """H_B (5) has the manifest's length in 4 bytes in front of the manifest."""
    hp, manifest = bytes(range(32)), b'{"format": "an example"}'
    assert base_hash(hp, manifest) == h(hp, b"\x01" + bytes([0, 0, 0, 24]) + manifest)
    assert base_hash(hp, b"") == h(hp, b"\x01" + bytes(4))


def test_extended_base_hash() -> None:
    """H_E (30) is over K and K-hat, 512 bytes each."""
    hb, k, k_hat = bytes(range(32)), pow(3, 1000, STANDARD.p), 5
    data = b"\x14" + k.to_bytes(512, "big") + k_hat.to_bytes(512, "big")
    assert len(data) == 1025
    assert extended_base_hash(GROUP, hb, mpz(k), mpz(k_hat)) == h(hb, data)


def test_key_ceremony_hash() -> None:
    """H_G (27): K, K-hat, all K_i,j by trustee, all K-hat_i,j by trustee, all kappa_i."""
    hb, n, k = bytes(32), 3, 2
    numbers = list(range(2, 2 + 2 + 2 * n * k + n))
    data = b"\x13" + b"".join(x.to_bytes(512, "big") for x in numbers)
    assert len(data) == 1 + (2 + 2 * n * k + n) * 512
    x = [mpz(number) for number in numbers]
    computed = key_ceremony_hash(
        GROUP, hb, x[0], x[1], (x[2:4], x[4:6], x[6:8]), (x[8:10], x[10:12], x[12:14]), x[14:]
    )
    assert computed == h(hb, data)


def test_hash_to_scalar_reduces() -> None:
    """H_q is H as a big-endian integer mod q (131, 132)."""
    key = bytes(range(32))
    number = int.from_bytes(h(key, b"\x24ab"), "big")
    assert hash_bytes(key, Domain.RANGE_PROOF, b"a", b"b") == number.to_bytes(32, "big")
    assert hash_to_scalar(GROUP, key, Domain.RANGE_PROOF, b"a", b"b") == number % STANDARD.q
    toy = group_for(TOY[0])
    assert hash_to_scalar(toy, key, Domain.RANGE_PROOF, b"ab") == number % 127


def test_hash_is_hmac() -> None:
    """The restated H agrees with the standard library's HMAC, and so does ours."""
    key, data = bytes(range(32)), bytes(200)
    assert h(key, data) == hmac.new(key, data, hashlib.sha256).digest() == keyed_hash(key, data)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    """H refuses a key of another length than 32 bytes (130)."""
    with pytest.raises(ValueError, match="32 bytes"):
        hash_bytes(bytes(length), Domain.BASE_HASH)


def test_domains_are_those_of_the_tables() -> None:
    """The domain bytes are exactly those of spec 5.5, each with one meaning."""
    tables = [
        *(0x00, 0x01),
        *range(0x10, 0x15),
        *range(0x20, 0x2C),
        *range(0x30, 0x34),
        *range(0x40, 0x46),
    ]
    assert [int(domain) for domain in Domain] == tables
    assert len(Domain.__members__) == len(tables)


def test_small_integers() -> None:
    """Indices take 4 bytes, big-endian, and are below 2^31 (spec 5.1.3)."""
    assert index_bytes(5) == b"\x00\x00\x00\x05"
    assert index_bytes(2**31 - 1) == b"\x7f\xff\xff\xff"
    assert sized_bytes(b"abc") == b"\x00\x00\x00\x03abc"
    for number in (-1, 2**31):
        with pytest.raises(ValueError, match="small integer"):
            index_bytes(number)
