"""What is computed for one part of a decryption round, in whichever process.

A part goes in and comes out as bytes: places as they are hashed, elements and scalars in
the encodings of the record, one ciphertext after the other. Those bytes are what travels
between processes, what the scratch keeps, and what is compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crypto.decryption_proof import combine_all, encoded_commitment_hash, partial_decryption
from crypto.errors import Rejected
from crypto.group import Group, mpz
from record.artifacts import DecryptionShare
from record.decryption import commitment_hash, context_bytes
from record.election import ElectionKeys
from record.state import Place
from trustees.nonces import NonceKey, Session

COMMITMENT_CHECK = "R.decryption-commitment"
"""The id of the check that a share is what its trustee committed to (88)."""

HASH = 32


@dataclass(frozen=True, slots=True)
class Header:
    """A session without its ciphertexts: all of it public."""

    keys: ElectionKeys
    trustee: int
    trustees: tuple[int, ...]

    @classmethod
    def of(cls, session: Session) -> Header:
        """What every part of `session` has in common."""
        return cls(session.keys, session.trustee, session.trustees)

    @property
    def group(self) -> Group:
        """The election's group."""
        return self.keys.vote_key.group


@dataclass(frozen=True, slots=True, repr=False)
class ShareMaker:
    """What round 1 takes: z_i and the nonce key. Secret."""

    header: Header
    vote_share: mpz
    nonce_key: NonceKey

    def __repr__(self) -> str:
        return "ShareMaker(<redacted>)"


@dataclass(frozen=True, slots=True)
class Places:
    """The ciphertexts of one part; `first` is the place of its first."""

    first: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class PostedPart:
    """What everybody in U has posted in rounds 1 and 2 about one part.

    `commitments[n]` are the hashes d_j and `shares[n]` the packed shares of the n-th
    trustee of U.
    """

    first: int
    places: tuple[Place, ...]
    commitments: tuple[bytes, ...]
    shares: tuple[bytes, ...]

    def digest(self) -> bytes:
        """SHA-256 of everything that was posted; what it answers is the session's binding's."""
        h = hashlib.sha256()
        for data in (*self.commitments, *self.shares):
            h.update(len(data).to_bytes(8, "big") + data)
        return h.digest()


def make_shares(maker: ShareMaker, part: Places) -> bytes:
    """a_i, b_i and M_i (84, 87) of every ciphertext, packed, then the hashes d_i (88)."""
    header, group = maker.header, maker.header.group
    elements, hashes = bytearray(), bytearray()
    for x, place in enumerate(part.places, start=part.first):
        pad, u = place.ciphertext.alpha, maker.nonce_key.nonce(group, x)
        share = DecryptionShare(
            partial_decryption(group, pad, maker.vote_share),
            group.g_power(u),
            group.power_secret(pad, u),
        )
        elements += pack_shares(group, (share,))
        hashes += commitment_hash(header.keys, place, header.trustee, share, header.trustees)
    return bytes(elements + hashes)


def make_challenges(header: Header, part: PostedPart) -> bytes:
    """Check every d_j (88); then the challenges c_i (86, 89-91) of every ciphertext, packed.

    Raises `Rejected` naming the trustee whose share is not what it committed to. Nothing
    here is secret.
    """
    _check_commitments(header, part)
    group, he = header.group, header.keys.extended_base_hash
    rows = zip(*(_triples(group, data) for data in part.shares), strict=True)
    joint = combine_all(
        group,
        he,
        [(context_bytes(place), place.ciphertext) for place in part.places],
        [{j: (m, a, b) for j, (a, b, m) in zip(header.trustees, row, strict=True)} for row in rows],
    )
    return b"".join(group.encode_scalar(x.challenges[header.trustee]) for x in joint)


def _check_commitments(header: Header, part: PostedPart) -> None:
    he, width = header.keys.extended_base_hash, 3 * header.group.parameters.element_width
    for n, place in enumerate(part.places):
        context, pair = context_bytes(place), _pack_place(header.group, place)
        for j, shares, hashes in zip(header.trustees, part.shares, part.commitments, strict=True):
            elements = pair + shares[width * n : width * (n + 1)]
            d_j = encoded_commitment_hash(he, context, j, elements, header.trustees)
            if d_j != hashes[HASH * n : HASH * (n + 1)]:
                raise Rejected(
                    COMMITMENT_CHECK,
                    "the share is not what d_i committed to",
                    culprit=f"trustee {j}",
                    where=f"ciphertext {part.first + n}",
                )


# --- packing


def pack_shares(group: Group, shares: Iterable[DecryptionShare]) -> bytes:
    """a, b and M of every share in turn, in the order in which (88) hashes them."""
    encode = group.encode_element
    return b"".join(
        [encode(x) for share in shares for x in (share.a, share.b, share.partial_decryption)]
    )


def unpack_shares(group: Group, data: bytes) -> tuple[DecryptionShare, ...]:
    """The inverse of `pack_shares`."""
    return tuple(DecryptionShare(m, a, b) for a, b, m in _triples(group, data))


def _triples(group: Group, data: bytes) -> Iterator[tuple[mpz, mpz, mpz]]:
    """a, b and M of packed shares."""
    elements = _integers(data, group.parameters.element_width)
    return zip(elements, elements, elements, strict=True)


def _pack_place(group: Group, place: Place) -> bytes:
    """A and B."""
    pair = place.ciphertext
    return group.encode_element(pair.alpha) + group.encode_element(pair.beta)


def unpack_scalars(group: Group, data: bytes) -> Iterator[mpz]:
    """Packed scalars, one after the other."""
    return _integers(data, group.parameters.scalar_width)


def unpack_hashes(data: bytes) -> tuple[bytes, ...]:
    """Packed hashes."""
    return tuple(data[start : start + HASH] for start in range(0, len(data), HASH))


def _integers(data: bytes, width: int) -> Iterator[mpz]:
    return (
        mpz.from_bytes(data[start : start + width], "big") for start in range(0, len(data), width)
    )
