"""Receipts: that an artifact about a ballot is in the log, checked offline.

    receipt = parse_receipt(Path("a0a1....tlog-proof").read_bytes())
    judgement = verify_receipt(receipt, policy)     # the log signed a tree that holds it
    check_ballot(receipt, ballot)                   # and the code is that ballot's

A receipt is a C2SP tlog-proof. Its `extra` line has what the leaf is computed from. There
is no signature of its own: the log's checkpoint is the promise, and a log that breaks it
has signed two trees that contradict each other (`disputes`). A receipt says nothing of
the choice, and neither does the confirmation code on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from google.protobuf.message import DecodeError

from crypto.errors import Malformed, Rejected
from record.entry import MAX_ARTIFACT, entry_for
from record.merkle import leaf_hash
from record.policy import Judgement, Policy
from record.tlog_proof import TlogProof, parse_tlog_proof, verify_included
from sailau.v1 import ballot_box_pb2, record_pb2

RECEIPT_CHECK = "R.receipt"
EXTENSION = ".tlog-proof"

_WIDTH = 32
_NAMES = {7: "ballot", 8: "cast", 9: "challenge"}
_MAX_ARTIFACT = 4096
"""Bytes of a cast or a challenge in a receipt; they have some two hundred."""


class ReceiptKind(IntEnum):
    """What a receipt acknowledges, as in ballot_box.proto."""

    SUBMITTED = 1
    CAST = 2
    CHALLENGED = 3

    @property
    def statement(self) -> int:
        """The kind in the entry: the field number of the statement in Artifact."""
        return self + 6


@dataclass(frozen=True, slots=True)
class Receipt:
    """The claim that an artifact about the ballot of this code is in the log.

    H_B and the code are 32 bytes. `entry` is the data of the leaf, a serialized Entry;
    `artifact` the Cast or Challenge that it describes, empty for a ballot. Only what
    `verify_receipt` and `check_ballot` have passed is more than a claim.
    """

    kind: ReceiptKind
    base_hash: bytes
    confirmation_code: bytes
    entry: bytes
    artifact: bytes
    proof: TlogProof

    @property
    def index(self) -> int:
        """Where the artifact stands in the log, from 0."""
        return self.proof.index

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf, 32 bytes."""
        return leaf_hash(self.entry)

    def to_bytes(self) -> bytes:
        """The file."""
        return self.proof.format()

    def to_message(self) -> ballot_box_pb2.Receipt:
        """As it travels."""
        return ballot_box_pb2.Receipt(
            confirmation_code=self.confirmation_code,
            index=self.index,
            tlog_proof=self.to_bytes(),
        )

    def under(self, checkpoint: bytes, hashes: Sequence[bytes]) -> Receipt:
        """The same promise with another checkpoint and the path that leads to it."""
        return replace(self, proof=replace(self.proof, hashes=tuple(hashes), checkpoint=checkpoint))


def make_receipt(
    kind: ReceiptKind,
    base_hash: bytes,
    code: bytes,
    artifact: bytes,
    index: int,
    hashes: Sequence[bytes],
    checkpoint: bytes,
) -> Receipt:
    """A receipt for `artifact` (its bytes), by its path in the tree of the signed note."""
    entry = entry_for(artifact)
    kept = b"" if kind is ReceiptKind.SUBMITTED else artifact
    contents = ballot_box_pb2.ReceiptContents(
        kind=ballot_box_pb2.ReceiptKind.Name(int(kind)),
        base_hash=base_hash,
        confirmation_code=code,
        entry=record_pb2.Entry.FromString(entry),
        artifact=kept,
    )
    extra = contents.SerializeToString(deterministic=True)
    proof = TlogProof(index, tuple(hashes), checkpoint, extra)
    return Receipt(kind, base_hash, code, entry, kept, proof)


def parse_receipt(data: bytes, field: str = "receipt") -> Receipt:
    """The receipt in a file, its form checked and nothing verified. Raises Malformed."""
    proof = parse_tlog_proof(data, field)
    if proof.extra is None:
        raise Malformed(field, "has no extra line", "It is a proof, but no receipt of ours.")
    path = f"{field}, extra"
    try:
        contents = ballot_box_pb2.ReceiptContents.FromString(proof.extra)
    except DecodeError:
        raise Malformed(path, "is no ReceiptContents") from None
    contents.DiscardUnknownFields()
    if contents.SerializeToString(deterministic=True) != proof.extra:
        raise Malformed(path, "has unknown fields, or is not serialized as it has to be")
    kind = _kind(contents.kind, f"{path}, kind")
    for name in ("base_hash", "confirmation_code"):
        _check_width(getattr(contents, name), f"{path}, {name}")
    _check_entry(contents.entry, f"{path}, entry")
    if len(contents.artifact) > _MAX_ARTIFACT:
        raise Malformed(f"{path}, artifact", f"has more than {_MAX_ARTIFACT} bytes")
    if bool(contents.artifact) is (kind is ReceiptKind.SUBMITTED):
        problem = "stands beside a ballot" if contents.artifact else "is missing"
        raise Malformed(f"{path}, artifact", problem)
    entry = contents.entry.SerializeToString(deterministic=True)
    return Receipt(
        kind, contents.base_hash, contents.confirmation_code, entry, contents.artifact, proof
    )


def parse_receipt_message(message: ballot_box_pb2.Receipt) -> Receipt:
    """The receipt in a server's answer. Raises Malformed, or Rejected if it differs from it."""
    receipt = parse_receipt(message.tlog_proof)
    if (message.confirmation_code, message.index) != (receipt.confirmation_code, receipt.index):
        raise _refused("the answer names another code or index than the receipt in it", "server")
    return receipt


def verify_receipt(
    receipt: Receipt, policy: Policy, *, quorum: bool = True, field: str = "receipt"
) -> Judgement:
    """Check offline that a log of the policy holds the artifact; what the signatures amount to.

    A cast or a challenge is checked against its code, too; a ballot's code stays a claim
    until `check_ballot`. Without `quorum` the log's word alone is enough, and the
    judgement says what more there is. Raises Rejected: R.checkpoint, R.cosignature,
    R.quorum, R.inclusion, R.receipt.
    """
    judgement = policy.judge(receipt.proof.checkpoint, f"{field}, checkpoint")
    verify_included(receipt.proof, receipt.leaf, judgement, field)
    _check_kind(receipt)
    if receipt.kind is not ReceiptKind.SUBMITTED:
        _check_artifact(receipt, receipt.artifact)
    if quorum:
        policy.check_quorum(judgement, f"{field}, checkpoint")
    return judgement


def check_ballot(receipt: Receipt, artifact: bytes) -> None:
    """Check that `artifact` (its bytes) is the one acknowledged, and bears the code.

    Raises Malformed if it is no artifact, Rejected (R.receipt) if it is another.
    """
    _check_kind(receipt)
    if entry_for(artifact) != receipt.entry:
        raise _refused("this is not the artifact that the receipt acknowledges", where="entry")
    _check_artifact(receipt, artifact)


def check_election(receipt: Receipt, base_hash: bytes) -> None:
    """Raise Rejected (R.receipt) unless the receipt is of the election with this H_B."""
    if receipt.base_hash != base_hash:
        raise _refused("the receipt is of another election", where="base_hash")


def is_about(receipt: Receipt, kind: ReceiptKind, code: bytes, artifact: bytes) -> bool:
    """Whether it claims to acknowledge this artifact about the ballot with this code."""
    said = receipt.kind, receipt.confirmation_code, receipt.entry
    return said == (kind, code, entry_for(artifact))


def _check_kind(receipt: Receipt) -> None:
    if record_pb2.Entry.FromString(receipt.entry).kind != receipt.kind.statement:
        raise _refused("the entry is of another kind than the receipt", where="kind")


def _check_artifact(receipt: Receipt, artifact: bytes) -> None:
    """That the bytes are those of the entry, and speak of the ballot with the code."""
    if entry_for(artifact, "receipt, artifact") != receipt.entry:
        raise _refused("the entry does not describe the artifact", where="entry")
    name = _NAMES[receipt.kind.statement]
    try:
        statement = getattr(record_pb2.Artifact.FromString(artifact), name)
    except DecodeError:
        raise Malformed("receipt, artifact", "is no artifact") from None
    if statement.confirmation_code != receipt.confirmation_code:
        raise _refused(
            f"the {name} is about a ballot with another code",
            "device",
            where="confirmation_code",
            advice="Keep the receipt, and show it to the commission and to observers",
        )


def _check_entry(entry: record_pb2.Entry, path: str) -> None:
    _check_width(entry.sha256, f"{path}, sha256")
    if entry.kind not in _NAMES:
        raise Malformed(f"{path}, kind", f"is {entry.kind}, for which there are no receipts")
    if not 0 < entry.size <= MAX_ARTIFACT:
        raise Malformed(f"{path}, size", f"is not in 1..{MAX_ARTIFACT}")


def _check_width(data: bytes, path: str) -> None:
    if len(data) != _WIDTH:
        raise Malformed(path, f"has {len(data)} bytes instead of {_WIDTH}")


def _kind(number: int, path: str) -> ReceiptKind:
    try:
        return ReceiptKind(number)
    except ValueError:
        raise Malformed(path, f"is {number}, which is no kind of receipt") from None


def _refused(problem: str, culprit: str = "", *, where: str = "", advice: str = "") -> Rejected:
    return Rejected(RECEIPT_CHECK, problem, culprit=culprit, where=where, advice=advice)


# --- codes as people see them


def display_code(code: bytes) -> str:
    """All of a code (32 bytes): 16 groups of four hexadecimal digits, in capitals."""
    digits = code.hex().upper()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def short_code(code: bytes) -> str:
    """The first four groups: to tell ballots apart on a screen, not to look one up."""
    return display_code(code[:8])


def parse_code(text: str, field: str = "code") -> bytes:
    """The code that a person typed: 64 digits, whatever separates them. Raises Malformed."""
    digits = re.sub(r"[\s:-]", "", text).lower()
    if len(digits) != 64 or not re.fullmatch("[0-9a-f]*", digits):
        raise Malformed(
            field, "is not 64 hexadecimal digits", "Spaces and dashes between them do not matter."
        )
    return bytes.fromhex(digits)
