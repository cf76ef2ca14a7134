"""Every hash of the specification that a verifier recomputes (section 5).

H(key; data) is HMAC-SHA-256. Each function below is one line of the tables in 5.5,
with its domain byte; arguments are already encoded: elements and scalars at the
width of p and q, hashes 32 bytes. Indices are plain integers.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

VERSION = "v2.1.0"
"""The version of the specification this verifier checks (1.A)."""

HASH_WIDTH = 32


def h(key: bytes, domain: int, *parts: bytes) -> bytes:
    """H(key; domain, parts...), 32 bytes (5.2, 5.3)."""
    return hmac.digest(key, bytes((domain,)) + b"".join(parts), "sha256")


def hq(q: int, key: bytes, domain: int, *parts: bytes) -> int:
    """H_q: the same, reduced mod q (5.4, eq. 132)."""
    return int.from_bytes(h(key, domain, *parts), "big") % q


def index(number: int) -> bytes:
    """A small integer in 4 bytes (5.1.3)."""
    return number.to_bytes(4, "big")


def with_length(data: bytes) -> bytes:
    """A file or a string of variable length behind its 4-byte length (5.1.4, 5.1.5)."""
    return index(len(data)) + data


def version_key() -> bytes:
    """ver: the version in UTF-8, padded with zero bytes to 32 (3.1.2)."""
    return VERSION.encode().ljust(HASH_WIDTH, b"\0")


def parameter_base_hash(p: bytes, q: bytes, g: bytes, n: int, k: int) -> bytes:
    """H_P (eq. 4)."""
    return h(version_key(), 0x00, p, q, g, index(n), index(k))


def base_hash(parameter_hash: bytes, manifest: bytes) -> bytes:
    """H_B (eq. 5)."""
    return h(parameter_hash, 0x01, with_length(manifest))


def key_ceremony_hash(base: bytes, elements: Iterable[bytes]) -> bytes:
    """H_G over K, K-hat, all K_i,j, all K-hat_i,j and all kappa_i (eq. 27)."""
    return h(base, 0x13, *elements)


def extended_base_hash(base: bytes, vote_key: bytes, data_key: bytes) -> bytes:
    """H_E (eq. 30)."""
    return h(base, 0x14, vote_key, data_key)


def identifier_hash(extended: bytes, identifier: bytes) -> bytes:
    """H_I (eq. 32)."""
    return h(extended, 0x20, identifier)


def contest_hash(identifier: bytes, contest: int, ciphertexts: Sequence[bytes]) -> bytes:
    """chi_l over alpha_1, beta_1, ..., without contest data (eq. 70)."""
    return h(identifier, 0x28, index(contest), *ciphertexts)


def confirmation_code(identifier: bytes, contests: Sequence[bytes], chaining: bytes) -> bytes:
    """H_C (eq. 71)."""
    return h(identifier, 0x29, *contests, chaining)


def device_information_hash(extended: bytes, information: str) -> bytes:
    """H_DI (eq. 72)."""
    return h(extended, 0x2A, with_length(information.encode()))


def chain_hash(extended: bytes, chaining: bytes) -> bytes:
    """H_0 of a chain from B_C,0, and H-bar from B_C-bar (eq. 74, 77)."""
    return h(extended, 0x29, chaining)


def closing_input(extended: bytes, last: bytes, first_field: bytes) -> bytes:
    """H(H_E; 0x2B, H_l, B_C,0), the hash inside B_C-bar (eq. 78)."""
    return h(extended, 0x2B, last, first_field)


def available(trustees: Sequence[int]) -> bytes:
    """The set U: its size, then its indices ascending, 4 bytes each (5.5.4)."""
    return index(len(trustees)) + b"".join(index(i) for i in trustees)
