"""The verifier's hashes against known answers and against HMAC written out by hand."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from verifier import hashing
from verifier.group import Group
from verifier.parameters import STANDARD

KNOWN = {
    (1, 1): "742fdee2753d416b072d4735e7030721cefc4f7d34bac49a0d592aee3bc52d44",
    (3, 2): "51bca66c1792739f07526b7422771fc4aec7ad9a40e92c1bb03bfde12ae8b661",
    (3, 3): "da7a87e10aa123565fe41ee06c5d26fd7aa612e0a126cac69bbdc96e3416b8a8",
    (5, 3): "944286970eafdb6f347f4eb93b30d48fa3edcc89bfbaea6f5ae8f29afb05ddce",
}

KEY = bytes(range(32))
X = b"\x11" * 512
Y = b"\x22" * 512


@pytest.mark.parametrize(("n", "k"), KNOWN)
def test_parameter_base_hash_has_the_known_values(n: int, k: int) -> None:
    """H_P of the standard parameters is what an independent implementation computes."""
    group = Group(STANDARD)
    p, q, g = group.element(group.p), group.scalar(group.q), group.element(group.g)
    assert hashing.parameter_base_hash(p, q, g, n, k).hex() == KNOWN[n, k]


def by_hand(data: bytes) -> bytes:
    """HMAC-SHA-256 under KEY from its definition (FIPS 198-1)."""
    inner = bytes(b ^ 0x36 for b in KEY.ljust(64, b"\0"))
    outer = bytes(b ^ 0x5C for b in KEY.ljust(64, b"\0"))
    return hashlib.sha256(outer + hashlib.sha256(inner + data).digest()).digest()


@pytest.mark.parametrize(
    ("computed", "data"),
    [
        (hashing.base_hash(KEY, b"{}"), b"\x01\0\0\0\x02{}"),
        (hashing.key_ceremony_hash(KEY, [X, Y]), b"\x13" + X + Y),
        (hashing.extended_base_hash(KEY, X, Y), b"\x14" + X + Y),
        (hashing.identifier_hash(KEY, b"\x07" * 32), b"\x20" + b"\x07" * 32),
        (hashing.contest_hash(KEY, 258, [X, Y]), b"\x28\0\0\x01\x02" + X + Y),
        (
            hashing.confirmation_code(KEY, [b"a" * 32, b"b" * 32], b"c" * 36),
            b"\x29" + b"a" * 32 + b"b" * 32 + b"c" * 36,
        ),
        (hashing.device_information_hash(KEY, "Зал 1"), b"\x2a\0\0\0\x08" + "Зал 1".encode()),
        (hashing.chain_hash(KEY, b"c" * 36), b"\x29" + b"c" * 36),
        (
            hashing.closing_input(KEY, b"h" * 32, b"c" * 36),
            b"\x2b" + b"h" * 32 + b"c" * 36,
        ),
    ],
)
def test_each_hash_is_over_the_bytes_of_section_5_5(computed: bytes, data: bytes) -> None:
    """Every hash puts its domain byte and its arguments exactly as the tables do."""
    assert computed == by_hand(data) == hmac.digest(KEY, data, "sha256")


def test_the_set_of_trustees_is_hashed_with_its_size() -> None:
    """U is its size, then its indices, 4 bytes each."""
    assert hashing.available((1, 3)) == bytes.fromhex("000000020000000100000003")


def test_version_key_is_padded() -> None:
    """Ver is the version in UTF-8 and 26 zero bytes."""
    assert hashing.version_key() == bytes.fromhex("76322e312e30") + bytes(26)
