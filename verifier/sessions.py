"""The order of decryption sessions: who decrypts what, and which part may stand where."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ceremony import JointKeys
from verifier.conduct import Conduct
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.order import ROUNDS
from verifier.schema import pb
from verifier.seats import Said
from verifier.targets import Target
from verifier.transcripts import check_transcript
from verifier.wire import Reader

PART = 512
"""Entries a part holds, except a trustee's last."""

TALLY = pb.SESSION_PURPOSE_UNSPECIFIED
DRILL = pb.SESSION_PURPOSE_DRILL
BALLOT = pb.SESSION_PURPOSE_BALLOT

Part = pb.DecryptionCommitments | pb.DecryptionShares | pb.DecryptionResponses


def well_formed(statement: pb.DecryptionSession, reader: Reader) -> bool:
    """Check that a session's purpose is known, and that a ballot is named by a whole code."""
    if statement.purpose not in (TALLY, DRILL, BALLOT):
        reader.problem(f"there is no purpose {statement.purpose}")
        return False
    code = statement.confirmation_code
    return statement.purpose != BALLOT or reader.hash(code, "the confirmation code") is not None


@dataclass(slots=True)
class Combined:
    """What the shares of one ciphertext multiply and add to (86, 89, 93)."""

    a: mpz = field(default_factory=lambda: mpz(1))
    b: mpz = field(default_factory=lambda: mpz(1))
    factor: mpz = field(default_factory=lambda: mpz(1))
    """The product of M_i^n_i (`group.Weights`); M itself once `rooted`."""
    rooted: bool = False
    response: mpz = field(default_factory=lambda: mpz(0))
    sound: bool = True
    """Whether every share of it has passed its own checks."""


@dataclass(slots=True)
class Session:
    """One session: who decrypts, how far each has come, and what came together."""

    number: int
    purpose: int
    trustees: tuple[int, ...]
    keys: JointKeys
    target: Target | None
    """None if nothing can be decrypted here; then its parts are passed over."""
    root: bytes | None
    """The log's root when the round that is on began."""
    code: bytes = b""
    """The confirmation code of the ballot, if it is one's."""
    last: bool = False
    """Whether the decrypted tallies combine this session's shares."""
    over: bool = False
    """Whether a trustee in it has been accused since it began."""
    done: dict[tuple[int, str], int] = field(default_factory=dict)
    statements: dict[tuple[int, str, int], Said] = field(default_factory=dict)
    """(trustee, round, first) to what that part says."""
    digests: dict[int, bytearray] = field(default_factory=dict)
    """By trustee: its d_i, one after the other."""
    shares: dict[tuple[int, int], int] = field(default_factory=dict)
    """(trustee, first) to the artifact that holds those shares."""
    unopened: dict[tuple[int, int], Place] = field(default_factory=dict)
    """(trustee, ciphertext) of shares that do not open their d_i, not reported yet."""
    tainted: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By ciphertext: the trustees whose shares do not open their d_i."""
    outside: set[tuple[int, int]] = field(default_factory=set)
    """(trustee, ciphertext) of shares that are not in the group."""
    combined: defaultdict[int, Combined] = field(default_factory=lambda: defaultdict(Combined))
    answered: set[int] = field(default_factory=set)
    """Trustees all of whose responses were right."""

    @property
    def total(self) -> int:
        """How many ciphertexts there are to decrypt."""
        return len(self.target) if self.target is not None else 0

    def finished(self, round_: str) -> bool:
        """Whether every trustee has finished a round."""
        return all(self.done.get((i, round_), 0) == self.total for i in self.trustees)

    def misplaced(self, round_: str, part: Part, size: int) -> str:
        """Say why a part of `size` entries may not stand here, "" if it may."""
        if part.session != self.number:
            return "it is not part of the session that is open"
        if self.over:
            return "a trustee of the session has been accused: it is over"
        if part.trustee not in self.trustees:
            return "the trustee is not in the session's set U"
        rounds = tuple(ROUNDS.values())
        earlier = rounds[: rounds.index(round_)]
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

    def __init__(
        self, election: Election, conduct: Conduct, roots: dict[int, bytes], findings: Findings
    ) -> None:
        """Take who is accused, and the log's root after every artifact of a session."""
        self._election = election
        self._conduct = conduct
        self._roots = roots
        self._findings = findings
        self._number = 0
        self._decrypting = False
        self.current: Session | None = None

    def begin(
        self,
        statement: pb.DecryptionSession,
        reader: Reader,
        keys: JointKeys,
        target: Target | None,
        problem: str,
    ) -> Session:
        """Begin a session: its number, and a quorum of distinct trustees.

        `problem` says why such a session may not stand here, "" if it may.
        """
        problem = self._problem(statement) or problem
        self._findings.check("R.session", not problem, reader.place, problem, reader.culprit)
        # Below q, too, because Lagrange coefficients need them distinct mod q.
        # No more than have keys: what artifact 0 says of n need not be true.
        known = len(self._election.trustee_keys)
        bound = min(self._election.trustees, known, self._election.parameters.q - 1)
        trustees = tuple(i for i in sorted(set(statement.trustees)) if 1 <= i <= bound)
        root = self._roots.get(reader.place.artifact or 0)
        self._number = statement.session
        self.current = Session(
            statement.session,
            statement.purpose,
            trustees,
            keys,
            target,
            root,
            statement.confirmation_code,
        )
        return self.current

    def _problem(self, statement: pb.DecryptionSession) -> str:
        trustees = list(statement.trustees)
        if statement.session != self._number + 1:
            return f"session {statement.session} follows session {self._number}"
        if trustees != sorted(set(trustees)) or not all(
            1 <= i <= self._election.trustees for i in trustees
        ):
            return "its trustees are not distinct trustees in ascending order"
        if len(trustees) < self._election.quorum:
            return f"{len(trustees)} trustees are fewer than k = {self._election.quorum}"
        for i in trustees:
            if i in self._conduct.accused:
                accused = self._conduct.accused[i]
                return f"trustee {i} is in it, whom artifact {accused.artifact} accuses"
        if statement.purpose == TALLY and self._decrypting:
            return "it begins after decrypted tallies of the session before it"
        return ""

    def admit(
        self, round_: str, part: Part, size: int, said: Said, reader: Reader
    ) -> Session | None:
        """Check that a part stands where it may; return its session, or None to skip it."""
        session = self.current
        if session is not None and session.target is None and session.number == part.session:
            return None  # that there is such a session at all has been reported
        problem = "no session is open"
        if session is not None:
            problem = session.misplaced(round_, part, size)
        # Who keeps the log gives it its order, and can leave parts out: nobody else is to blame.
        self._findings.check("R.session", not problem, reader.place, problem, "server")
        if problem or session is None:
            return None
        check_transcript(reader, part.transcript, session.root)
        session.statements[part.trustee, round_, part.first] = said
        session.done[part.trustee, round_] = part.first + size
        if session.finished(round_):
            session.root = self._roots.get(reader.place.artifact or 0)
        return session

    def accuse(self, trustee: int) -> None:
        """End the session that is on if an accused trustee is in it."""
        if self.current is not None and trustee in self.current.trustees:
            self.current.over = True

    def close(self) -> None:
        """End the session that is on."""
        self.current = None

    def decrypted_tally(self, reader: Reader) -> None:
        """Check that a decrypted tally stands after the last response of a session for it."""
        self._decrypting = True
        session = self.current
        holds = session is not None and session.purpose == TALLY and session.finished("responses")
        message = "a decrypted tally stands before the session's responses are complete"
        self._findings.check("R.session", holds, reader.place, message, reader.culprit)

    def decrypted_ballot(self, code: bytes, place: Place, reader: Reader) -> Session | None:
        """Check that a decrypted ballot combines the session before it; return that session."""
        session, problem = self.current, ""
        if session is not None and session.target is None:
            return None  # what is wrong with that session has been reported
        if session is None or session.purpose != BALLOT or session.code != code:
            problem = "the session before it is not that of this ballot"
        elif not session.finished("responses"):
            problem = "it stands before the session's responses are complete"
        self._findings.check("R.session", not problem, place, problem, reader.culprit)
        return None if problem else session
