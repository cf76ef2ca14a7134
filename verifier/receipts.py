"""A voter's receipt: a proof that an artifact about a ballot is in the log.

It is a `.tlog-proof` whose extra line holds a ReceiptContents (docs/integration.md,
"Receipts"). Only what the log's signature and the audit path bind is more than a claim:
the entry; through the entry's hash a cast or challenge that stands beside it; and through
the artifact the confirmation code. A ballot is not beside its receipt: its code is bound
by the record.

ReceiptContents is of another schema than the record's, so it is read by hand, and in its
one form: fields ascending, each once, none with its default value, shortest varints.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from verifier.hashing import HASH_WIDTH
from verifier.merkle import leaf_hash
from verifier.note import NoteError
from verifier.schema import NUMBERS, pb
from verifier.tlog_proof import Proof, ProofError, parse_proof, verify_inclusion
from verifier.wire import MAX_ARTIFACT

KINDS = {1: "ballot", 2: "cast", 3: "challenge"}
"""What a receipt acknowledges, by the number of its kind."""

_MAX_STATEMENT = 4096
"""Bytes of a cast or challenge in a receipt; they have some two hundred."""


class Refused(Exception):
    """A receipt or a dispute does not show what it says: the check's id, and why."""

    def __init__(self, check: str, problem: str) -> None:
        """Take the id (docs/verification.md) and a sentence."""
        super().__init__(problem)
        self.check = check
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """The claim that an artifact about the ballot of this code is in the log.

    `entry` is the data of the leaf, of which `kind` (a field number of Artifact), `sha256`
    and `size` are the parts; `artifact` is the cast or challenge, empty for a ballot.
    """

    name: str
    """`ballot`, `cast` or `challenge`."""
    base_hash: bytes
    code: bytes
    entry: bytes
    kind: int
    sha256: bytes
    artifact: bytes
    proof: Proof

    @property
    def index(self) -> int:
        """Where the artifact stands in the log, from 0."""
        return self.proof.index

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf."""
        return leaf_hash(self.entry)

    def check_path(self) -> None:
        """Check that the leaf is in the tree of the checkpoint. Raises Refused."""
        head = self.proof.checkpoint
        try:
            verify_inclusion(self.leaf, self.index, head.size, head.root, self.proof.path)
        except ProofError as error:
            raise Refused("R.inclusion", str(error)) from error

    def check_contents(self) -> None:
        """Check that kind, entry, artifact and code say the same.

        Raises Refused, and NoteError if what stands for the artifact is none at all.
        """
        if self.kind != NUMBERS[self.name]:
            raise Refused("R.receipt", f"the entry is not that of a {self.name}")
        if not self.artifact:
            return
        if (_kind(self.artifact), hashlib.sha256(self.artifact).digest()) != (
            self.kind,
            self.sha256,
        ) or self.entry != _entry(self.kind, self.sha256, len(self.artifact)):
            raise Refused("R.receipt", f"the {self.name} beside it is not that of the entry")
        if code_of(self.artifact, self.name) != self.code:
            raise Refused("R.receipt", f"the {self.name} is about a ballot with another code")


def code_of(artifact: bytes, name: str) -> bytes:
    """Return the confirmation code in an artifact that is a ballot, cast or challenge.

    Raises NoteError.
    """
    try:
        statement = getattr(pb.Artifact.FromString(artifact), name)
    except (DecodeError, ValueError, RecursionError) as error:
        raise NoteError("the artifact cannot be read") from error
    return bytes(statement.confirmation_code)


def parse_receipt(data: bytes) -> Receipt:
    """Parse a receipt's file. Raises NoteError; nothing is verified."""
    proof = parse_proof(data)
    if proof.extra is None:
        raise NoteError("it has no extra line: it is a proof, and no receipt")
    contents = _fields(proof.extra, {1: int, 2: bytes, 3: bytes, 4: bytes, 5: bytes})
    name = KINDS.get(_number(contents, 1))
    if name is None:
        raise NoteError("its kind is not 1, 2 or 3")
    entry = _octets(contents, 4)
    parts = _fields(entry, {1: int, 2: bytes, 3: int})
    kind, size = _number(parts, 1), _number(parts, 3)
    if kind not in {NUMBERS[known] for known in KINDS.values()}:
        raise NoteError(f"its entry has the kind {kind}, for which there are no receipts")
    if not 0 < size <= MAX_ARTIFACT:
        raise NoteError(f"the size in its entry is not 1 to {MAX_ARTIFACT}")
    artifact = _octets(contents, 5)
    if bool(artifact) == (name == "ballot") or len(artifact) > _MAX_STATEMENT:
        raise NoteError("a cast or a challenge stands in its receipt, and a ballot does not")
    return Receipt(
        name,
        _hash(contents, 2, "its base hash"),
        _hash(contents, 3, "its confirmation code"),
        entry,
        kind,
        _hash(parts, 2, "the hash in its entry"),
        artifact,
        proof,
    )


# --- protobuf, in its one form

_Fields = dict[int, int | bytes]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                raise NoteError("a number in its contents has a needless byte")
            return value, at
    raise NoteError("its contents end inside a number")


def _fields(data: bytes, types: dict[int, type]) -> _Fields:
    """Read a message of which nothing but these fields may be there. Raises NoteError."""
    found: _Fields = {}
    at = last = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        size, at = _varint(data, at)
        value: int | bytes = size
        if wire == 2:
            value, at = data[at : at + size], at + size
        if types.get(number) is not {0: int, 2: bytes}.get(wire, object) or at > len(data):
            raise NoteError(f"its contents have a field {number} that does not belong there")
        if number <= last or not value:
            raise NoteError("its contents are not in the one valid encoding")
        found[number], last = value, number
    return found


def _number(fields: _Fields, number: int) -> int:
    value = fields.get(number, 0)
    return value if isinstance(value, int) else 0


def _octets(fields: _Fields, number: int) -> bytes:
    value = fields.get(number, b"")
    return value if isinstance(value, bytes) else b""


def _hash(fields: _Fields, number: int, what: str) -> bytes:
    value = _octets(fields, number)
    if len(value) != HASH_WIDTH:
        raise NoteError(f"{what} is {len(value)} bytes long, not {HASH_WIDTH}")
    return value


def _kind(artifact: bytes) -> int:
    """Return the field number that an artifact begins with. Raises NoteError if it is none."""
    tag, _ = _varint(artifact, 0)
    if tag & 7 != 2 or tag >> 3 not in NUMBERS.values():
        raise NoteError("what stands for the artifact does not begin with a statement")
    return tag >> 3


def _entry(kind: int, sha256: bytes, size: int) -> bytes:
    return bytes(pb.Entry(kind=kind, sha256=sha256, size=size).SerializeToString())
