"""The order of the record: which statement may stand where (docs/record.md).

The record passes through the phases below, each statement belongs to one, and a phase
ends when everything it waits for is there. A statement that comes too early is
reported once and moves the record on, so that one missing statement is one failure.
"""

from __future__ import annotations

from enum import IntEnum

from verifier.findings import Findings, Place


class Phase(IntEnum):
    """Where the record stands."""

    START = 0
    KEYS = 1
    SHARES = 2
    CONFIRMATION = 3
    READY = 4
    OPEN = 5
    CLOSED = 6
    TALLIED = 7
    COUNTED = 8
    COMPLETE = 9


PHASE_OF: dict[str, Phase] = {
    "election": Phase.START,
    "trustee_keys": Phase.KEYS,
    "encrypted_shares": Phase.SHARES,
    "key_confirmation": Phase.CONFIRMATION,
    "opening": Phase.READY,
    "device": Phase.OPEN,
    "ballot": Phase.OPEN,
    "cast": Phase.OPEN,
    "challenge": Phase.OPEN,
    "device_close": Phase.OPEN,
    "device_missing": Phase.OPEN,
    "polls_close": Phase.OPEN,
    "encrypted_tally": Phase.CLOSED,
    "decryption_session": Phase.TALLIED,
    "decryption_commitments": Phase.TALLIED,
    "decryption_shares": Phase.TALLIED,
    "decryption_responses": Phase.TALLIED,
    "decrypted_tally": Phase.TALLIED,
    "challenged_ballot_decryption": Phase.TALLIED,
    "result": Phase.COUNTED,
}

AWAITED: dict[Phase, str] = {
    Phase.START: "the election",
    Phase.KEYS: "the keys of every trustee",
    Phase.SHARES: "the encrypted shares of every trustee",
    Phase.CONFIRMATION: "the confirmation of every trustee",
    Phase.READY: "the opening of the polls",
    Phase.OPEN: "the close of the polls",
    Phase.CLOSED: "every encrypted tally",
    Phase.TALLIED: "every decrypted tally and challenged ballot",
    Phase.COUNTED: "the result",
    Phase.COMPLETE: "nothing",
}

# What is missing at these steps is reported piece by piece under its own id
# (R.tally-cells, 11.D, R.challenged).
_NAMED_ELSEWHERE = {Phase.CLOSED, Phase.TALLIED}


class Order:
    """Follows the phases."""

    def __init__(self, findings: Findings) -> None:
        """Start before artifact 0."""
        self._findings = findings
        self.phase = Phase.START

    def enter(self, kind: str, place: Place) -> bool:
        """Check that a statement may stand here; False if its phase is over."""
        phase = PHASE_OF[kind]
        if phase == self.phase:
            self._findings.passed("R.order")
            return True
        name = kind.replace("_", " ")
        if phase > self.phase:
            quiet = self.phase in _NAMED_ELSEWHERE and phase == self.phase + 1
            if not quiet:
                message = f"{name} stands here before {AWAITED[self.phase]}"
                self._findings.failed("R.order", place, message, "server")
            self.phase = phase
            return True
        if phase == Phase.OPEN and self.phase > Phase.OPEN:
            message = f"{name} stands after the close of the polls"
            self._findings.failed("R.after-close", place, message, "server")
        else:
            message = f"{name} stands here after its phase has ended"
            self._findings.failed("R.order", place, message, "server")
        return False

    def end(self, phase: Phase) -> None:
        """Leave a phase whose statements are all there."""
        if self.phase == phase:
            self.phase = Phase(phase + 1)


class Trustees:
    """One statement of each trustee in each phase of the ceremony, in any order."""

    def __init__(self, order: Order, findings: Findings, trustees: int) -> None:
        """Wait for `trustees` statements in each of the first phases."""
        self._order = order
        self._findings = findings
        self._trustees = trustees
        self._seen: dict[Phase, set[int]] = {}

    def enter(self, kind: str, trustee: int, place: Place, culprit: str) -> bool:
        """Check that this trustee exists and speaks here for the first time."""
        phase = PHASE_OF[kind]
        seen = self._seen.setdefault(phase, set())
        if not 1 <= trustee <= self._trustees:
            message = f"there is no trustee {trustee}"
            self._findings.failed("R.order", place, message, "server")
            return False
        if trustee in seen:
            message = f"trustee {trustee} has made this statement before"
            self._findings.failed("R.order", place, message, culprit)
            return False
        seen.add(trustee)
        if len(seen) == self._trustees:
            self._order.end(phase)
        return True
