"""What is given besides the record, compared with it.

Whoever serves a record can serve each reader another one. So the comparison is with what
others hold: a checkpoint that a mirror, a monitor or a slip has, a voter's receipt, a
witness's cosignature. The roots and leaves that they speak of are kept while the log is
read the first time; the rest follows when it has been read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from verifier.disputes import ENTRY, Dispute, judge
from verifier.election import Election
from verifier.exhibits import Exhibit
from verifier.findings import Findings, Place
from verifier.given import Given
from verifier.log import Log
from verifier.note import Checkpoint, NoteError, verify_checkpoint
from verifier.policy import Cosignature, FalseCosignature, Policy, shown
from verifier.receipts import Receipt, Refused, code_of

_LOG = "log"
_PUBLISHER = "publisher"
_BEARER = "bearer"
"""Whoever brought a file that shows nothing."""


class _Fault(Exception):
    """Something given does not hold: why, and by whose fault."""

    def __init__(self, problem: str, culprit: str, *, excused: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.culprit = culprit
        self.excused = excused


class _Unknown(Exception):
    """The record does not say enough to compare something."""


def _witnessed(policy: Policy, checkpoint: Checkpoint) -> tuple[tuple[Cosignature, ...], str]:
    """Return who of the known witnesses signed, or nobody and which signature is false."""
    try:
        return policy.cosignatures(checkpoint), ""
    except FalseCosignature as error:
        return (), str(error)


class Comparison:
    """Compares what is given with a record."""

    def __init__(self, given: Given, log: Log, findings: Findings) -> None:
        """Have the log keep what will be asked for; before it is read."""
        self._given = given
        self._log = log
        self._findings = findings
        self._election: Election | None = None
        # A record that refutes itself says who is to blame there, and convicts nobody else.
        self._torn = False
        sizes = frozenset(head.size for head in given.heads())
        log.watch(sizes, frozenset(receipt.index for _, receipt in given.receipts))

    def compare(
        self, checkpoint: Checkpoint | None, election: Election | None, log_key: str | None
    ) -> tuple[Exhibit, ...]:
        """Check everything, after the log was read; `log_key` is the one announced, if any.

        Raises log.Changed.
        """
        self._election = election
        self._torn = self._findings.has_failed("R.checkpoint", "R.tile", "R.entry")
        exhibits = []
        if self._given.policy is not None and checkpoint is not None:
            exhibits.append(self._record(self._given.policy, checkpoint, log_key))
        exhibits += [self._checkpoint(file, head) for file, head in self._given.checkpoints]
        exhibits += [self._receipt(file, receipt) for file, receipt in self._given.receipts]
        if self._given.dispute is not None:
            exhibits.append(self._dispute(*self._given.dispute))
        return tuple(exhibits)

    # --- R.given-policy

    def _record(self, policy: Policy, checkpoint: Checkpoint, log_key: str | None) -> Exhibit:
        key = self._election.log_key if self._election else None
        signed: tuple[Cosignature, ...] = ()
        place = Place(file="checkpoint")
        # The key that was announced takes the place of the policy's logs.
        if key is not None and log_key is None and not policy.knows(key):
            problem, place = f"the policy knows {policy.log_names}, not the record's log", Place()
        else:
            signed, problem = _witnessed(policy, checkpoint)
        met = policy.met_by(signed)
        if not problem and not met:
            names = ", ".join(c.name for c in signed) or "no known witness"
            problem = f"cosigned by {names}, which is not the quorum {shown(policy.quorum)!r}"
        holds = self._findings.check("R.given-policy", not problem, place, problem, _PUBLISHER)
        finding = problem or "the record's own checkpoint"
        head = checkpoint.size, checkpoint.root.hex()
        return Exhibit("record", "checkpoint", holds, finding, *head, signed, met)

    def _cosigned(
        self, checkpoint: Checkpoint, file: str
    ) -> tuple[tuple[Cosignature, ...], bool | None]:
        """Check the cosignatures on what was given; the quorum is asked of the record alone.

        Its checkpoint covers what is consistent with it, and witnesses sign later than
        receipts are written.
        """
        policy = self._given.policy
        if policy is None:
            return (), None
        signed, problem = _witnessed(policy, checkpoint)
        self._findings.check("R.given-policy", not problem, Place(file=file), problem, _BEARER)
        return signed, policy.met_by(signed) and not problem

    # --- R.given-checkpoint, R.given-receipt

    def _checkpoint(self, file: str, head: Checkpoint) -> Exhibit:
        def check() -> None:
            self._check_signed(head)
            self._check_continued(head)

        place = Place(file=file)
        holds, finding = self._outcome("R.given-checkpoint", place, check)
        signed, quorum = self._cosigned_if_ours(head, file)
        finding = finding or "the record continues it"
        size, root = head.size, head.root.hex()
        return Exhibit("checkpoint", file, holds, finding, size, root, signed, quorum)

    def _receipt(self, file: str, receipt: Receipt) -> Exhibit:
        place = Place(file=file, ballot=receipt.code.hex())
        holds, finding = self._outcome(
            "R.given-receipt", place, lambda: self._check_receipt(receipt)
        )
        head = receipt.proof.checkpoint
        signed, quorum = self._cosigned_if_ours(head, file)
        details = {
            "acknowledges": receipt.name,
            "confirmation_code": receipt.code.hex(),
            "index": receipt.index,
        }
        finding = finding or f"artifact {receipt.index} is the {receipt.name} with its code"
        size, root = head.size, head.root.hex()
        return Exhibit("receipt", file, holds, finding, size, root, signed, quorum, details)

    def _outcome(
        self, check: str, place: Place, run: Callable[[], None]
    ) -> tuple[bool | None, str]:
        try:
            run()
        except _Unknown as unknown:
            return None, str(unknown)
        except _Fault as fault:
            self._findings.check(
                check, False, place, fault.problem, fault.culprit, excused=fault.excused
            )
            return False, fault.problem
        self._findings.passed(check)
        return True, ""

    def _cosigned_if_ours(
        self, head: Checkpoint, file: str
    ) -> tuple[tuple[Cosignature, ...], bool | None]:
        """Look at the cosignatures of what the log has signed; of others they mean nothing."""
        try:
            self._check_signed(head)
        except (_Fault, _Unknown):
            return (), None
        return self._cosigned(head, file)

    def _check_signed(self, head: Checkpoint) -> None:
        key = self._election.log_key if self._election else None
        if key is None:
            raise _Unknown("the record names no log whose signature could be checked")
        try:
            verify_checkpoint(head, key)
        except NoteError as error:
            raise _Fault(
                f"the record's log did not sign its checkpoint: {error}", _BEARER
            ) from error
        if head.extended:
            raise _Fault("the log signed lines after the root, which no record has", _LOG)

    def _check_reached(self, head: Checkpoint, needed: int, what: str) -> None:
        if needed <= self._log.size:
            return
        if self._log.cut or self._torn:
            raise _Unknown(f"{what} is beyond what could be read of the record")
        raise _Fault(
            f"the log has signed {head.size} artifacts, the record ends after {self._log.size}: "
            f"{what} is cut off, or the record is an older one",
            _PUBLISHER,
        )

    def _check_continued(self, head: Checkpoint) -> None:
        self._check_reached(head, head.size, "the rest")
        if self._log.roots[head.size] != head.root:
            raise self._forked(f"the log has signed another tree of {head.size} artifacts")

    def _forked(self, problem: str) -> _Fault:
        if self._torn:
            return _Fault("it does not fit the record, which is refuted itself", _LOG, excused=True)
        return _Fault(f"{problem} than the record's", _LOG)

    def _check_receipt(self, receipt: Receipt) -> None:
        head = receipt.proof.checkpoint
        self._check_signed(head)
        try:
            receipt.check_path()
            receipt.check_contents()
        except (Refused, NoteError) as error:
            raise _Fault(str(error), _BEARER) from error
        if self._election is not None and receipt.base_hash != self._election.base_hash:
            raise _Fault("it is of another election: its H_B is not the record's", _BEARER)
        self._check_reached(head, receipt.index + 1, f"artifact {receipt.index}")
        if self._log.leaves[receipt.index] != receipt.leaf:
            raise self._forked(f"the log has signed another artifact {receipt.index}")
        self._check_continued(head)
        self._check_code(receipt)

    def _check_code(self, receipt: Receipt) -> None:
        """Check the code of a ballot, which is bound by the ballot in the record alone."""
        data = self._log.at(receipt.index)
        if hashlib.sha256(data).digest() != receipt.sha256:
            raise _Unknown(f"artifact {receipt.index} is not that of its entry (R.entry)")
        try:
            code = code_of(data, receipt.name)
        except NoteError as error:
            raise _Unknown(f"artifact {receipt.index} cannot be read") from error
        if code != receipt.code:
            raise _Fault(f"the {receipt.name} in the record has another code", _BEARER)

    # --- R.given-dispute

    def _dispute(self, file: str, dispute: Dispute) -> Exhibit:
        head = dispute.checkpoint
        size, root = head.size, head.root.hex()
        key = self._election.log_key if self._election else None
        if key is None:
            finding = "the record names no log that it could convict"
            return Exhibit("dispute", file, None, finding, size, root)
        known = self._given.policy or Policy(())
        try:
            judgement = judge(dispute, known.for_log(key))
        except NoteError as error:
            self._findings.passed("R.given-dispute")
            return Exhibit("dispute", file, False, f"it proves nothing: {error}", size, root)
        if judgement.refused is not None:
            finding = f"it proves nothing: {judgement.refused.problem}"
        else:
            finding = self._conviction(dispute)
        holds = judgement.proved
        self._findings.check("R.given-dispute", not holds, Place(file=file), finding, _LOG)
        details = {"claim": dispute.claim}
        return Exhibit("dispute", file, holds, finding, size, root, details=details)

    def _conviction(self, dispute: Dispute) -> str:
        """Say what the log did, and on which side the record stands."""
        sides = []
        for name, head in (
            ("the receipt's", dispute.receipt.proof.checkpoint),
            ("the later one", dispute.checkpoint),
        ):
            if self._log.roots.get(head.size) == head.root:
                sides.append(name)
        if dispute.claim == ENTRY:
            what = f"two trees with different entries {dispute.receipt.index}"
        else:
            what = "two trees of which the larger does not continue the smaller"
        side = sides[0] if sides else "neither that can be told"
        return f"the log has signed {what}; the record continues {side}"
