"""From the bytes of an artifact to its message and numbers, with the encoding checked.

A wrong width or a wrong form is reported under R.encoding, and reading goes on with
the value that was meant wherever one can be told: a verifier that stops at the first
crooked byte says less about a record than one that goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gmpy2 import mpz
from google.protobuf.message import DecodeError

from verifier.findings import Findings, Place
from verifier.group import Group
from verifier.hashing import HASH_WIDTH
from verifier.schema import NUMBERS, pb

MAX_ARTIFACT = 16 << 20
MAX_BALLOT = 1 << 20
MAX_TEXT = 2000
"""Bytes of a reason."""
SPARE = 100
"""Items beyond the expected ones that are looked at; a longer list has failed by then."""
_DOMAIN = b"sailau.v1.Artifact\0"


def parse_artifact(data: bytes) -> tuple[pb.Artifact | None, str]:
    """Parse an artifact: the message and what is wrong with its form, "" if nothing is.

    The message is None if there is no statement to be read.
    """
    artifact = pb.Artifact()
    try:
        artifact.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        return None, f"it is not a protobuf Artifact ({str(error)[:100]})"
    kind = artifact.WhichOneof("statement")
    if kind is None:
        return None, "it makes no statement"
    artifact.DiscardUnknownFields()
    if artifact.SerializeToString(deterministic=True) != data:
        return artifact, "it is not in the one valid encoding: fields ascending, nothing unknown"
    if kind == "ballot" and len(data) > MAX_BALLOT:
        return artifact, f"it is longer than a ballot may be ({MAX_BALLOT} bytes)"
    return artifact, ""


def kind_of(artifact: pb.Artifact) -> str:
    """Return the name of the statement an artifact makes."""
    kind = artifact.WhichOneof("statement")
    assert kind is not None, "parse_artifact returns artifacts with a statement only"
    return str(kind)


def unsigned(artifact: pb.Artifact) -> bytes:
    """Return an artifact's encoding without its signature."""
    signature = artifact.signature
    artifact.ClearField("signature")
    statement = artifact.SerializeToString(deterministic=True)
    artifact.signature = signature
    return statement


def signed_message(base_hash: bytes, artifact: pb.Artifact) -> bytes:
    """Return what an artifact's signature is over (docs/record.md, "Signatures")."""
    return _DOMAIN + base_hash + unsigned(artifact)


def kind_number(kind: str) -> int:
    """Return the field number of a kind of statement."""
    return NUMBERS[kind]


@dataclass(frozen=True, slots=True)
class Reader:
    """Decodes the fields of one artifact and reports wrong widths at its place."""

    group: Group
    findings: Findings
    place: Place
    culprit: str

    def problem(self, what: str, place: Place | None = None) -> None:
        """Report something malformed."""
        self.findings.failed("R.encoding", place or self.place, what, self.culprit)

    def _number(self, data: bytes, width: int, what: str, place: Place | None) -> mpz:
        if len(data) != width:
            self.problem(f"{what} is {len(data)} bytes long, not {width}", place)
            # The value that was meant, if it can be told; else one no check accepts.
            if len(data) > 2 * width:
                return mpz(-1)
        return mpz(int.from_bytes(data, "big"))

    def element(self, data: bytes, what: str, place: Place | None = None) -> mpz:
        """Decode an integer mod p. May be out of range: see `in_p`."""
        return self._number(data, self.group.element_width, what, place)

    def scalar(self, data: bytes, what: str, place: Place | None = None) -> mpz:
        """Decode an integer mod q. May be out of range: see `in_q`."""
        return self._number(data, self.group.scalar_width, what, place)

    def scalars(self, data: Iterable[bytes], what: str, place: Place | None = None) -> list[mpz]:
        """Decode several integers mod q."""
        return [self.scalar(item, what, place) for item in data]

    def in_p(self, x: mpz) -> bool:
        """Whether a decoded number is an element: 1 <= x < p."""
        return bool(0 < x < self.group.p)

    def in_q(self, x: mpz) -> bool:
        """Whether a decoded number is a scalar: 0 <= x < q."""
        return bool(0 <= x < self.group.q)

    def ranged_scalar(self, data: bytes, what: str, place: Place | None = None) -> mpz | None:
        """Decode a scalar whose range no numbered check covers; None if not below q."""
        x = self.scalar(data, what, place)
        if self.in_q(x):
            return x
        self.problem(f"{what} is not below q", place)
        return None

    def ranged_element(self, data: bytes, what: str, place: Place | None = None) -> mpz | None:
        """Decode an element whose range no numbered check covers; None outside 1..p-1."""
        x = self.element(data, what, place)
        if self.in_p(x):
            return x
        self.problem(f"{what} is not between 1 and p - 1", place)
        return None

    def fixed(self, data: bytes, width: int, what: str, place: Place | None = None) -> bytes | None:
        """Return bytes of one width, or None and a report."""
        if len(data) == width:
            return data
        self.problem(f"{what} is {len(data)} bytes long, not {width}", place)
        return None

    def check_text(self, text: str, low: int, high: int, what: str) -> None:
        """Report a text that has not `low` to `high` bytes."""
        size = len(text.encode())
        if not low <= size <= high:
            self.problem(f"{what} has {size} bytes, not {low} to {high}")

    def hash(self, data: bytes, what: str, place: Place | None = None) -> bytes | None:
        """Return a hash of 32 bytes, or None and a report."""
        return self.fixed(data, HASH_WIDTH, what, place)
