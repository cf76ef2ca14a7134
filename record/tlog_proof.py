"""Proofs of inclusion that are checked offline (C2SP tlog-proof, `*.tlog-proof`).

    c2sp.org/tlog-proof@v1
    index 73894
    <hashes from the leaf's sibling up, in base64, one a line>

    <the checkpoint with its signatures>

Whoever has the entry, the log's key and a policy needs nothing else to know that the
entry is in the log that the witnesses saw. `extra` is unauthenticated: nothing may be
believed because it stands there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from crypto.errors import InvalidProof, Malformed, Rejected
from record import note
from record.checkpoint import parse_checkpoint, parse_size
from record.hash_lines import format_hashes, parse_hashes, split_checkpoint
from record.merkle import verify_inclusion
from record.note import parse_base64
from record.policy import Judgement, Policy

CHECK = "R.inclusion"
"""The id of the check that an entry is in the tree of a checkpoint."""

HEADER = "c2sp.org/tlog-proof@v1"
MAX_EXTRA = 64 * 1024
MAX_BYTES = note.MAX_BYTES + 2 * MAX_EXTRA


@dataclass(frozen=True, slots=True)
class TlogProof:
    """The claim that some entry stands at `index` (from 0) of the checkpoint's log.

    `hashes` are the audit path, 32 bytes each, from the leaf upwards; `checkpoint` is
    the signed note, byte for byte; `extra` is None or 1 to 65,536 bytes of anything.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def format(self) -> bytes:
        """The file. Raises Malformed or ValueError if it could not be read again."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode('ascii')}")
        lines += [f"index {self.index}", *format_hashes(self.hashes), "", ""]
        data = "\n".join(lines).encode() + self.checkpoint
        if parse_tlog_proof(data) != self:
            raise ValueError("empty extra data cannot be written: leave it out")
        return data


def parse_tlog_proof(data: bytes, field: str = "tlog-proof") -> TlogProof:
    """The proof in a file, its checkpoint parsed and not verified; raises Malformed."""
    if len(data) > MAX_BYTES:
        raise Malformed(field, f"has {len(data)} bytes, more than {MAX_BYTES}")
    lines, checkpoint = split_checkpoint(data, field)
    if lines.pop(0) != HEADER:
        raise Malformed(field, f"does not begin with the line {HEADER}")
    extra = _extra(lines, field)
    index = _index(lines, field)
    hashes = parse_hashes(lines, field)
    parse_checkpoint(checkpoint, f"{field}, checkpoint", any_log=True)
    return TlogProof(index, hashes, checkpoint, extra)


def verify_tlog_proof(
    proof: TlogProof, leaf: bytes, policy: Policy, field: str = "tlog-proof"
) -> Judgement:
    """Check that the entry with the leaf hash `leaf` (32 bytes) is in a log of the policy.

    Returns what the checkpoint's signatures amount to. Raises Rejected: R.checkpoint for
    the log's signature, R.cosignature, R.quorum, and R.inclusion.
    """
    judgement = policy.verify(proof.checkpoint, f"{field}, checkpoint")
    verify_included(proof, leaf, judgement, field)
    return judgement


def verify_included(
    proof: TlogProof, leaf: bytes, judgement: Judgement, field: str = "tlog-proof"
) -> None:
    """Check the path alone, under a checkpoint that was judged; raises Rejected."""
    head = judgement.checkpoint
    try:
        verify_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    except InvalidProof as error:
        where = f"{field}, index {proof.index}"
        raise Rejected(CHECK, error.problem, culprit=head.origin, where=where) from None


def _extra(lines: list[str], field: str) -> bytes | None:
    if not lines or not lines[0].startswith("extra "):
        return None
    extra = parse_base64(lines.pop(0).removeprefix("extra "), field)
    if len(extra) > MAX_EXTRA:
        raise Malformed(field, f"has more than {MAX_EXTRA} bytes of extra data")
    return extra


def _index(lines: list[str], field: str) -> int:
    if not lines or not lines[0].startswith("index "):
        raise Malformed(field, "has no index line where it belongs")
    return parse_size(lines.pop(0).removeprefix("index "), f"{field}, index")
