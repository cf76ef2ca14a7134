"""Disputes: two signed trees of one log that cannot both be (docs/integration.md).

A log only grows: it has one leaf at an index for ever, and its smaller trees are the
beginnings of the larger ones. A dispute file holds a receipt, whose checkpoint the log has
signed, a later checkpoint that it has signed too, and the proof that they contradict each
other. Nobody has to be believed: the log's two signatures convict it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.manifest_rules import ShapeError, load_json
from verifier.note import Checkpoint, NoteError, VerifierKey, parse_checkpoint
from verifier.policy import Cosignature, FalseCosignature, Policy
from verifier.receipts import Receipt, Refused, parse_receipt
from verifier.tlog_proof import (
    MAX_PATH,
    MAX_PROOF,
    ProofError,
    parse_hash,
    verify_consistency,
    verify_inclusion,
)

FORMAT = "sailau-dispute/1"
ENTRY, PREFIX = "entry", "prefix"
MAX_DISPUTE = 2 * MAX_PROOF
"""Bytes of a file at most."""

_HEX = re.compile(r"[0-9a-f]{64}")
_MEMBERS = ("format", "receipt", "checkpoint", "claim", "hash", "proof")


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a file says. `digest` is what the later tree has instead, `proof` that it has.

    With the claim ENTRY it is the leaf hash at the receipt's index, and its audit path;
    with PREFIX the root of as many leaves as the receipt's tree has, and the proof that
    the later tree grew from there.
    """

    receipt: Receipt
    checkpoint: Checkpoint
    claim: str
    digest: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signatures hold: who signed it."""

    checkpoint: Checkpoint
    log: VerifierKey
    cosignatures: tuple[Cosignature, ...]
    quorum: bool
    """Whether the policy's quorum signed. A log is convicted without it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a dispute amounts to: both checkpoints, or the reason why it proves nothing."""

    dispute: Dispute
    refused: Refused | None
    signed: tuple[Signed, Signed] | None

    @property
    def proved(self) -> bool:
        """Whether the log is convicted."""
        return self.refused is None


# --- reading


def _members(data: bytes) -> dict[str, str]:
    if len(data) > MAX_DISPUTE:
        raise NoteError(f"it has {len(data)} bytes, more than {MAX_DISPUTE}")
    try:
        document = load_json(data)
    except ShapeError as error:
        raise NoteError(str(error)[:200]) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NoteError(f"it is not an object whose format is {FORMAT!r}")
    for name in (*_MEMBERS, *document):
        if name not in _MEMBERS or not isinstance(document.get(name), str):
            raise NoteError(f"the member {name[:100]!r} is missing, unknown or not a string")
    return document


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NoteError(f"the member {name!r} has half a surrogate pair") from error


def parse_dispute(data: bytes) -> Dispute:
    """Parse a dispute file. Raises NoteError; nothing is judged."""
    members = _members(data)
    if members["claim"] not in (ENTRY, PREFIX):
        raise NoteError(f"its claim is neither {ENTRY!r} nor {PREFIX!r}")
    if not _HEX.fullmatch(members["hash"]):
        raise NoteError("its hash is not 64 hexadecimal digits in lower case")
    *lines, rest = members["proof"].split("\n")
    if rest or len(lines) > 2 * MAX_PATH:
        raise NoteError("its proof is not a list of hashes, one a line")
    return Dispute(
        parse_receipt(_utf8(members["receipt"], "receipt")),
        parse_checkpoint(_utf8(members["checkpoint"], "checkpoint"), extensions=True),
        members["claim"],
        bytes.fromhex(members["hash"]),
        tuple(parse_hash(line) for line in lines),
    )


# --- judging


def judge(dispute: Dispute, policy: Policy) -> Judgement:
    """Decide whether a log of the policy has contradicted itself.

    Raises NoteError if what the receipt holds as its artifact is none at all.
    """
    try:
        signed = _judge(dispute, policy)
    except Refused as refused:
        return Judgement(dispute, refused, None)
    return Judgement(dispute, None, signed)


def _signed(checkpoint: Checkpoint, policy: Policy, what: str) -> Signed:
    try:
        log = policy.signer(checkpoint)
        cosignatures = policy.cosignatures(checkpoint)
    except FalseCosignature as error:
        raise Refused("R.cosignature", f"{what}: {error}") from error
    except NoteError as error:
        raise Refused("R.checkpoint", f"{what}: {error}") from error
    return Signed(checkpoint, log, cosignatures, policy.met_by(cosignatures))


def _judge(dispute: Dispute, policy: Policy) -> tuple[Signed, Signed]:
    receipt = dispute.receipt
    first = _signed(receipt.proof.checkpoint, policy, "the receipt's checkpoint")
    receipt.check_path()
    receipt.check_contents()
    later = _signed(dispute.checkpoint, policy, "the record's checkpoint")
    if first.checkpoint.origin != later.checkpoint.origin:
        raise Refused("R.dispute", "the two checkpoints are of different logs")
    old, new = first.checkpoint, later.checkpoint
    try:
        if dispute.claim == ENTRY:
            index, theirs = receipt.index, receipt.leaf
            verify_inclusion(dispute.digest, index, new.size, new.root, dispute.proof)
        else:
            theirs = old.root
            verify_consistency(old.size, dispute.digest, new.size, new.root, dispute.proof)
    except ProofError as error:
        raise Refused("R.dispute", str(error)) from error
    if dispute.digest == theirs:
        kept = "has the receipt's entry" if dispute.claim == ENTRY else "continues its tree"
        raise Refused("R.dispute", f"the record {kept}: the log kept its promise")
    return first, later
