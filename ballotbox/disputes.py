"""Disputes: a receipt that a later record does not keep, in one file that proves it.

A log only grows. So every tree that it ever signs has the same leaf at an index, and its
smaller trees are the beginnings of the larger ones. Whoever holds two of its signed
checkpoints for which that is not so needs nothing else to convince a third party:

- `ENTRY`: the receipt's tree has one leaf at the index, the record's has another;
- `PREFIX`: the record is longer, and its first leaves are not the receipt's tree.

The file says nothing that the two checkpoints and the two proofs in it do not show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ballotbox.documents import Reader, write_document
from ballotbox.receipts import Receipt, parse_receipt, verify_receipt
from crypto.errors import InvalidProof, Malformed, Rejected
from record.checkpoint import Checkpoint, parse_checkpoint
from record.hash_lines import MAX_HASHES, format_hashes, parse_hashes
from record.merkle import HASH_BYTES, verify_consistency, verify_inclusion
from record.policy import Judgement, Policy
from record.tlog_proof import MAX_BYTES

DISPUTE_FORMAT = "sailau-dispute/1"
DISPUTE_CHECK = "R.dispute"

_LIMIT = 2 * MAX_BYTES


class Claim(StrEnum):
    """In what the two trees contradict each other."""

    ENTRY = "entry"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two signed checkpoints of one log, and what shows that one tree did not become the other.

    `checkpoint` is the record's signed note. For ENTRY, `digest` is the hash of the
    record's leaf at the receipt's index and `proof` its audit path; for PREFIX, the root
    of as many first leaves of the record as the receipt's tree has, and the proof that
    the record grew from there.
    """

    receipt: Receipt
    checkpoint: bytes
    claim: Claim
    digest: bytes
    proof: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The file: JSON with the receipt and the note as text."""
        return write_document(
            {
                "format": DISPUTE_FORMAT,
                "receipt": self.receipt.to_bytes().decode(),
                "checkpoint": self.checkpoint.decode(),
                "claim": self.claim.value,
                "hash": self.digest.hex(),
                "proof": "".join(f"{line}\n" for line in format_hashes(self.proof)),
            }
        )


class Tree(Protocol):
    """A log's tree as far as it is published (`record.tile_tree.TileTree`)."""

    @property
    def size(self) -> int:
        """How many leaves it has."""
        ...

    def root_at(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        ...

    def leaf(self, index: int) -> bytes:
        """The hash of a leaf."""
        ...

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """The audit path of a leaf."""
        ...

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        """That the first leaves grew into the tree."""
        ...


def find_dispute(receipt: Receipt, checkpoint: bytes, tree: Tree) -> Dispute | None:
    """What shows that `tree`, under its signed note, breaks the receipt; None if it does not.

    The signatures of both and the root of `tree` have been checked by the caller. A record
    that ends before the receipt's index breaks nothing: it may be an older one.
    """
    if tree.size > receipt.index and tree.leaf(receipt.index) != receipt.leaf:
        digest, proof = tree.leaf(receipt.index), tree.inclusion_proof(receipt.index)
        return Dispute(receipt, checkpoint, Claim.ENTRY, digest, proof)
    head = _head(receipt)
    if tree.size >= head.size and tree.root_at(head.size) != head.root:
        digest, proof = tree.root_at(head.size), tree.consistency_proof(head.size)
        return Dispute(receipt, checkpoint, Claim.PREFIX, digest, proof)
    return None


def parse_dispute(data: bytes, field: str = "dispute") -> Dispute:
    """The dispute in a file, its form checked and nothing judged. Raises Malformed."""
    reader = Reader.of(data, field, DISPUTE_FORMAT, _LIMIT)
    receipt = parse_receipt(reader.text("receipt").encode(), reader.path("receipt"))
    checkpoint = reader.text("checkpoint").encode()
    parse_checkpoint(checkpoint, reader.path("checkpoint"), any_log=True)
    claim = reader.text("claim")
    if claim not in list(Claim):
        raise Malformed(reader.path("claim"), f"is none of {', '.join(Claim)}")
    digest = reader.hex("hash", HASH_BYTES)
    proof = _hashes(reader.text("proof"), reader.path("proof"))
    reader.end()
    return Dispute(receipt, checkpoint, Claim(claim), digest, proof)


def judge(dispute: Dispute, policy: Policy, field: str = "dispute") -> tuple[Judgement, Judgement]:
    """Check that the log has contradicted itself; returns both checkpoints' judgements.

    Witnesses are not needed: the log's signatures are what convicts it. Raises Rejected
    with the reason why this proves nothing: R.checkpoint, R.inclusion, R.receipt for the
    receipt, R.dispute for the rest.
    """
    theirs = verify_receipt(dispute.receipt, policy, quorum=False, field=f"{field}, receipt")
    later = policy.judge(dispute.checkpoint, f"{field}, checkpoint")
    if theirs.checkpoint.origin != later.checkpoint.origin:
        raise _unproved("the two checkpoints are of different logs", "checkpoint")
    if dispute.claim is Claim.ENTRY:
        _judge_entry(dispute, later.checkpoint)
    else:
        _judge_prefix(dispute, theirs.checkpoint, later.checkpoint)
    return theirs, later


def _judge_entry(dispute: Dispute, record: Checkpoint) -> None:
    index, digest = dispute.receipt.index, dispute.digest
    _prove(lambda: verify_inclusion(digest, index, record.size, dispute.proof, record.root))
    if digest == dispute.receipt.leaf:
        raise _unproved("the record has the receipt's entry at this index", "hash")


def _judge_prefix(dispute: Dispute, receipt: Checkpoint, record: Checkpoint) -> None:
    old, digest = receipt.size, dispute.digest
    _prove(lambda: verify_consistency(old, digest, record.size, record.root, dispute.proof))
    if digest == receipt.root:
        raise _unproved("the record continues the tree of the receipt", "hash")


def _prove(verify: Callable[[], None]) -> None:
    try:
        verify()
    except InvalidProof as error:
        raise _unproved(error.problem, "proof") from None


def _unproved(problem: str, where: str) -> Rejected:
    return Rejected(DISPUTE_CHECK, problem, where=where, advice="This file proves nothing")


def _head(receipt: Receipt) -> Checkpoint:
    return parse_checkpoint(receipt.proof.checkpoint, any_log=True).checkpoint


def _hashes(text: str, path: str) -> tuple[bytes, ...]:
    *lines, rest = text.split("\n")
    if rest:
        raise Malformed(path, "is not a list of hashes, one a line")
    return parse_hashes(lines, path, 2 * MAX_HASHES)
