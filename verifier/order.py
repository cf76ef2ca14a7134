"""The order of the record: which statement may stand where (docs/record.md).

The record passes through the phases below, each statement belongs to one or to several,
and a phase ends when everything it waits for is there. A statement that comes too early
is reported once and moves the record on, so that one missing statement is one failure.
"""

from __future__ import annotations

from enum import IntEnum

from verifier.findings import Findings, Place


class Phase(IntEnum):
    """Where the record stands. An aborted record has reached nothing."""

    ABORTED = -1
    START = 0
    COMMITMENT = 1
    KEYS = 2
    SHARES = 3
    CONFIRMATION = 4
    READY = 5
    OPEN = 6
    CLOSED = 7
    TALLIED = 8
    COUNTED = 9
    COMPLETE = 10


_CEREMONY = (Phase.COMMITMENT, Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION, Phase.READY)
_SESSIONS = (Phase.READY, Phase.OPEN, Phase.TALLIED)
_OPEN = (Phase.OPEN,)
_TALLIED = (Phase.TALLIED,)

PHASES: dict[str, tuple[Phase, ...]] = {
    "election": (Phase.START,),
    "key_commitment": (Phase.COMMITMENT,),
    "trustee_keys": (Phase.KEYS,),
    "encrypted_shares": (Phase.SHARES,),
    "share_complaint": (Phase.CONFIRMATION,),
    "share_answer": (Phase.CONFIRMATION,),
    "key_confirmation": (Phase.CONFIRMATION,),
    "ceremony_abandoned": _CEREMONY,
    "accusation": (*_CEREMONY, Phase.OPEN, Phase.CLOSED, Phase.TALLIED),
    "operation": (*_CEREMONY, Phase.OPEN, Phase.CLOSED, Phase.TALLIED, Phase.COUNTED),
    "opening": (Phase.READY,),
    "device": _OPEN,
    "ballot": _OPEN,
    "cast": _OPEN,
    "challenge": _OPEN,
    "device_close": _OPEN,
    "device_missing": _OPEN,
    "polls_close": _OPEN,
    "encrypted_tally": (Phase.CLOSED,),
    # Which of them a session may stand in depends on its purpose (R.session).
    "decryption_session": _SESSIONS,
    "decryption_commitments": _SESSIONS,
    "decryption_shares": _SESSIONS,
    "decryption_responses": _SESSIONS,
    "decrypted_tally": _TALLIED,
    "challenged_ballot_decryption": _TALLIED,
    "decrypted_ballot": _TALLIED,
    "result": (Phase.COUNTED,),
}

AWAITED: dict[Phase, str] = {
    Phase.ABORTED: "nothing",
    Phase.START: "the election",
    Phase.COMMITMENT: "the key commitment of every trustee",
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

ROUNDS: dict[str, str] = {
    "decryption_commitments": "commitments",
    "decryption_shares": "shares",
    "decryption_responses": "responses",
}
"""The rounds of a session, by the kind of statement that its parts are; in order."""
OF_SESSIONS = frozenset({"decryption_session", *ROUNDS})
"""What sessions are made of."""


class Order:
    """Follows the phases."""

    def __init__(self, findings: Findings) -> None:
        """Start before artifact 0."""
        self._findings = findings
        self.phase = Phase.START

    def enter(self, kind: str, place: Place) -> bool:
        """Check that a statement may stand here; False if it is to be passed over."""
        phases = PHASES[kind]
        if self.phase in phases:
            self._findings.passed("R.order")
            return True
        name = kind.replace("_", " ")
        later = [phase for phase in phases if phase > self.phase]
        if self.phase is Phase.ABORTED:
            self._failed(place, f"{name} stands here after the key ceremony has ended for good")
        elif later:
            return self._early(kind, name, later[0], place)
        elif phases == _OPEN:
            message = f"{name} stands after the close of the polls"
            self._findings.failed("R.after-close", place, message, "server")
        else:
            self._failed(place, f"{name} stands here after its phase has ended")
        return False

    def _early(self, kind: str, name: str, phase: Phase, place: Place) -> bool:
        """Report what comes too early, and go to its phase if it tells that we are there."""
        if not (self.phase in _NAMED_ELSEWHERE and phase == self.phase + 1):
            self._failed(place, f"{name} stands here before {AWAITED[self.phase]}")
        elif kind in ROUNDS:
            self._failed(place, f"{name} stands here outside of any session")
        # The statement that begins a phase is seldom a part or a drill.
        if kind in ROUNDS or (kind == "decryption_session" and self.phase is not Phase.CLOSED):
            return False
        self.phase = phase
        return True

    def _failed(self, place: Place, message: str) -> None:
        self._findings.failed("R.order", place, message, "server")

    def end(self, phase: Phase) -> None:
        """Leave a phase whose statements are all there."""
        if self.phase == phase:
            self.phase = Phase(phase + 1)

    def abort(self) -> None:
        """End the record here."""
        self.phase = Phase.ABORTED

    def reopen(self) -> None:
        """Go back to the encrypted tallies: there is one more than there should be."""
        self.phase = Phase.CLOSED


class Trustees:
    """One statement of each trustee of each kind of the ceremony, in any order."""

    def __init__(self, order: Order, findings: Findings, trustees: int) -> None:
        """Wait for `trustees` statements in each of the first phases."""
        self._order = order
        self._findings = findings
        self._trustees = trustees
        self._seen: dict[str, set[int]] = {}

    def known(self, trustee: int, place: Place) -> bool:
        """Check that there is such a trustee."""
        if 1 <= trustee <= self._trustees:
            return True
        self._findings.failed("R.order", place, f"there is no trustee {trustee}", "server")
        return False

    def enter(self, kind: str, trustee: int, place: Place, culprit: str) -> bool:
        """Check that this trustee exists and speaks here for the first time."""
        if not self.known(trustee, place):
            return False
        seen = self._seen.setdefault(kind, set())
        if trustee in seen:
            message = f"trustee {trustee} has made this statement before"
            self._findings.failed("R.order", place, message, culprit)
            return False
        seen.add(trustee)
        if len(seen) == self._trustees:
            self._order.end(PHASES[kind][0])
        return True
