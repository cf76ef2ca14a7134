"""The hash function H, its domains, and the hashes that found an election.

H(B0; B1) is HMAC-SHA-256 with key B0, always 32 bytes, and the concatenation of
the inputs as data (spec 5.2, 5.3). No input needs a separator: each has a fixed
width or carries its length in front. The first byte of B1 is the domain (5.5).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from enum import IntEnum

from gmpy2 import mpz

from crypto.group import Group

VERSION = b"v2.1.0" + bytes(26)
"""ver, the key of H_P (spec 3.1.2): 32 bytes."""


class Domain(IntEnum):
    """Every domain separation byte of spec 5.5, after the equation it stands in."""

    # 5.5.1
    PARAMETER_BASE_HASH = 0x00  # (4) H_P
    BASE_HASH = 0x01  # (5) H_B
    # 5.5.2
    KEY_PROOF = 0x10  # (11), (13)
    SHARE_KEY = 0x11  # (16)
    SHARE_PROOF = 0x12  # (22)
    KEY_CEREMONY_HASH = 0x13  # (27) H_G
    EXTENDED_BASE_HASH = 0x14  # (30) H_E
    # 5.5.3
    IDENTIFIER_HASH = 0x20  # (32) H_I
    SELECTION_NONCE = 0x21  # (33)
    NONCE_KEY = 0x22  # (35)
    NONCE_PROOF = 0x23  # (38)
    RANGE_PROOF = 0x24  # (59), (62)
    CONTEST_DATA_NONCE = 0x25  # (64)
    CONTEST_DATA_KEY = 0x26  # (65)
    CONTEST_DATA_PROOF = 0x27  # (69)
    CONTEST_HASH = 0x28  # (70)
    CONFIRMATION_CODE = 0x29  # (71), (74), (77)
    DEVICE_HASH = 0x2A  # (72) H_DI
    CHAIN_CLOSE = 0x2B  # (78)
    # 5.5.4
    TALLY_COMMITMENT = 0x30  # (88)
    TALLY_CHALLENGE = 0x31  # (90)
    CONTEST_DATA_COMMITMENT = 0x32  # (99)
    CONTEST_DATA_CHALLENGE = 0x33  # (101)
    # 5.5.5, pre-encrypted ballots
    PRE_ENCRYPTED_SELECTION_HASH = 0x40  # (113), (114)
    PRE_ENCRYPTED_CONTEST_HASH = 0x41  # (115)
    PRE_ENCRYPTED_CONFIRMATION_CODE = 0x42  # (116), (117), (118)
    PRE_ENCRYPTED_DEVICE_HASH = 0x43  # (119)
    PRE_ENCRYPTED_CHAIN_CLOSE = 0x44  # (120)
    PRE_ENCRYPTED_NONCE = 0x45  # (121)


def index_bytes(i: int) -> bytes:
    """b(i, 4) of a small integer (spec 5.1.3). `ValueError` unless 0 <= i < 2^31."""
    if not 0 <= i < 2**31:
        raise ValueError(f"{i} is not a small integer")
    return i.to_bytes(4, "big")


def sized_bytes(data: bytes) -> bytes:
    """An input of variable length: its length in 4 bytes, then itself (spec 5.1.4, 5.1.5)."""
    return index_bytes(len(data)) + data


def hash_bytes(key: bytes, domain: Domain, *parts: bytes) -> bytes:
    """H(key; domain, parts...) (130): 32 bytes from a key of 32 bytes."""
    return keyed_hash(key, bytes([domain]), *parts)


def hash_to_scalar(group: Group, key: bytes, domain: Domain, *parts: bytes) -> mpz:
    """H_q(key; domain, parts...): H as a big-endian integer, reduced mod q (131, 132)."""
    return mpz.from_bytes(hash_bytes(key, domain, *parts), "big") % group.q


def keyed_hash(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256(key, parts...) without a domain, as the key derivations use it."""
    if len(key) != 32:
        raise ValueError("the key of H has 32 bytes")
    return hmac.digest(key, b"".join(parts), "sha256")


def parameter_base_hash(group: Group, n: int, k: int) -> bytes:
    """H_P (4), for n trustees of whom k are a quorum."""
    return hash_bytes(
        VERSION,
        Domain.PARAMETER_BASE_HASH,
        group.p.to_bytes(group.parameters.element_width, "big"),
        group.q.to_bytes(group.parameters.scalar_width, "big"),
        group.encode_element(group.g),
        index_bytes(n),
        index_bytes(k),
    )


def base_hash(hp: bytes, manifest: bytes) -> bytes:
    """H_B (5), over the exact bytes of the manifest file."""
    return hash_bytes(hp, Domain.BASE_HASH, sized_bytes(manifest))


def extended_base_hash(group: Group, hb: bytes, vote_key: mpz, data_key: mpz) -> bytes:
    """H_E (30), over the joint keys K and K-hat."""
    return hash_bytes(
        hb,
        Domain.EXTENDED_BASE_HASH,
        group.encode_element(vote_key),
        group.encode_element(data_key),
    )


def key_ceremony_hash(
    group: Group,
    hb: bytes,
    vote_key: mpz,
    data_key: mpz,
    vote_commitments: Sequence[Sequence[mpz]],
    data_commitments: Sequence[Sequence[mpz]],
    communication_keys: Sequence[mpz],
) -> bytes:
    """H_G (27).

    `vote_commitments[i - 1]` are K_i,0 .. K_i,k-1 of trustee i,
    `data_commitments` likewise, `communication_keys[i - 1]` is kappa_i.
    """
    elements = [vote_key, data_key]
    for row in (*vote_commitments, *data_commitments):
        elements.extend(row)
    elements.extend(communication_keys)
    return hash_bytes(hb, Domain.KEY_CEREMONY_HASH, *map(group.encode_element, elements))
