"""The order of decryption sessions: who decrypts, and which part may stand where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.schema import pb
from verifier.wire import Reader

PART = 512
"""Entries a part holds, except a trustee's last."""

ROUNDS = ("commitments", "shares", "responses")

Part = pb.DecryptionCommitments | pb.DecryptionShares | pb.DecryptionResponses


@dataclass(slots=True)
class Combined:
    """What the shares of one ciphertext multiply and add to (86, 89, 93)."""

    a: mpz = field(default_factory=lambda: mpz(1))
    b: mpz = field(default_factory=lambda: mpz(1))
    factor: mpz = field(default_factory=lambda: mpz(1))
    response: mpz = field(default_factory=lambda: mpz(0))
    sound: bool = True
    """Whether every share of it has passed its own checks."""


@dataclass(slots=True)
class Session:
    """One session: who decrypts, how far each has come, and what came together."""

    number: int
    trustees: tuple[int, ...]
    total: int
    """How many ciphertexts there are to decrypt."""
    done: dict[tuple[int, str], int] = field(default_factory=dict)
    digests: dict[int, bytearray] = field(default_factory=dict)
    """By trustee: its d_i, one after the other."""
    shares: dict[tuple[int, int], int] = field(default_factory=dict)
    """(trustee, first) to the artifact that holds those shares."""
    unopened: dict[tuple[int, int], Place] = field(default_factory=dict)
    """(trustee, ciphertext) of shares that do not open their d_i."""
    outside: set[tuple[int, int]] = field(default_factory=set)
    """(trustee, ciphertext) of shares that are not in the group."""
    combined: defaultdict[int, Combined] = field(default_factory=lambda: defaultdict(Combined))
    last: bool = True
    """Whether the decrypted tallies combine this session's shares."""

    def finished(self, round_: str) -> bool:
        """Whether every trustee has finished a round."""
        return all(self.done.get((i, round_), 0) == self.total for i in self.trustees)

    def misplaced(self, round_: str, part: Part, size: int) -> str:
        """Say why a part of `size` entries may not stand here, "" if it may."""
        if part.session != self.number:
            return "it is not part of the session that is open"
        if part.trustee not in self.trustees:
            return "the trustee is not in the session's set U"
        earlier = ROUNDS[: ROUNDS.index(round_)]
        if not all(self.finished(before) for before in earlier):
            return f"it stands before every trustee has finished its {earlier[-1]}"
        expected = self.done.get((part.trustee, round_), 0)
        if part.first != expected:
            return f"it begins at {part.first}, not at {expected}"
        if size != min(PART, self.total - expected) or size == 0:
            return f"a part of {size} entries; all but the last have {PART}"
        return ""


class Sessions:
    """Follows the sessions (R.session)."""

    def __init__(self, election: Election, total: int, findings: Findings) -> None:
        """Take the number of ciphertexts that every session decrypts."""
        self._election = election
        self._total = total
        self._findings = findings
        self._decrypting = False
        self.current: Session | None = None

    def begin(self, statement: pb.DecryptionSession, reader: Reader, last: bool) -> None:
        """Begin a session: its number, and a quorum of distinct trustees."""
        problem = self._problem(statement)
        self._findings.check("R.session", not problem, reader.place, problem, reader.culprit)
        # Below q, too, because Lagrange coefficients need them distinct mod q.
        # No more than have keys: what artifact 0 says of n need not be true.
        known = len(self._election.trustee_keys)
        bound = min(self._election.trustees, known, self._election.parameters.q - 1)
        trustees = tuple(i for i in sorted(set(statement.trustees)) if 1 <= i <= bound)
        self.current = Session(statement.session, trustees, self._total, last=last)

    def _problem(self, statement: pb.DecryptionSession) -> str:
        before = self.current.number if self.current else 0
        trustees = list(statement.trustees)
        if statement.session != before + 1:
            return f"session {statement.session} follows session {before}"
        if trustees != sorted(set(trustees)) or not all(
            1 <= i <= self._election.trustees for i in trustees
        ):
            return "its trustees are not distinct trustees in ascending order"
        if len(trustees) < self._election.quorum:
            return f"{len(trustees)} trustees are fewer than k = {self._election.quorum}"
        if self._decrypting:
            return "it begins after decrypted tallies of the session before it"
        return ""

    def admit(self, round_: str, part: Part, size: int, reader: Reader) -> Session | None:
        """Check that a part stands where it may; return its session, or None to skip it."""
        session = self.current
        problem = "no session is open"
        if session is not None:
            problem = session.misplaced(round_, part, size)
        self._findings.check("R.session", not problem, reader.place, problem, reader.culprit)
        if problem or session is None:
            return None
        session.done[part.trustee, round_] = part.first + size
        return session

    def decrypted_tally(self, reader: Reader) -> None:
        """Check that a decrypted tally stands after the session's last response."""
        self._decrypting = True
        holds = self.current is not None and self.current.finished("responses")
        message = "a decrypted tally stands before the session's responses are complete"
        self._findings.check("R.session", holds, reader.place, message, reader.culprit)
