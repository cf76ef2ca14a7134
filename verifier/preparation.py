"""What is followed from artifact 0 on: the key ceremony, accusations, and drills."""

from __future__ import annotations

from collections.abc import Callable

from verifier.accusations import Accusations
from verifier.ceremony import Ceremony, JointKeys
from verifier.complaints import Complaints
from verifier.conduct import Conduct
from verifier.decryption import Decryption
from verifier.election import Election
from verifier.findings import Findings
from verifier.order import OF_SESSIONS, Order, Phase, Trustees
from verifier.report import Drill
from verifier.schema import pb
from verifier.seats import Seats
from verifier.sessions import DRILL, well_formed
from verifier.signers import TRUSTEE
from verifier.targets import DrillTarget
from verifier.transcripts import Transcripts, check_transcript
from verifier.trustee_statements import check_shares
from verifier.wire import MAX_TEXT, Reader

_CEREMONY = TRUSTEE - OF_SESSIONS


class Preparation:
    """Follows everything that does not need the ballots."""

    def __init__(
        self,
        election: Election,
        order: Order,
        transcripts: Transcripts,
        roots: dict[int, bytes],
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Begin the key ceremony of an election."""
        self.election = election
        self.conduct = Conduct()
        self.ceremony = Ceremony(election, findings)
        self.decryption = Decryption(election, self.ceremony, self.conduct, roots, reread, findings)
        self.drills: list[Drill] = []
        """Those that are over."""
        self.ended: tuple[str, str] | None = None
        """Why the key ceremony ended for good, and who is to blame."""
        self.keys: JointKeys | None = None
        """K, K-hat and H_E of the opening."""
        self._complaints = Complaints(election, self.ceremony, self.conduct, reread)
        self._seats = Seats()
        self._transcripts = transcripts
        self._trustees = Trustees(order, findings, election.trustees)
        self._order = order
        self._findings = findings
        self.accusations = Accusations(
            election,
            self.ceremony,
            self._complaints,
            transcripts,
            self._seats,
            self.decryption,
            self.conduct,
        )

    def take(self, artifact: pb.Artifact, kind: str, reader: Reader, root: bytes) -> None:
        """Check a statement of the ceremony, or the opening; `root` ends with it."""
        if kind == "opening":
            self.keys = self.ceremony.opening(artifact.opening, reader)
            self._order.end(Phase.READY)
        elif kind == "ceremony_abandoned":
            self._abandoned(artifact.ceremony_abandoned, reader)
        elif kind in _CEREMONY:
            self._trustee(artifact, kind, reader, root)

    # --- the ceremony -----------------------------------------------------------------------

    def _trustee(self, artifact: pb.Artifact, kind: str, reader: Reader, root: bytes) -> None:
        statement = getattr(artifact, kind)
        trustee = statement.trustee
        if kind in ("share_complaint", "share_answer"):
            admitted = self._trustees.known(trustee, reader.place)
        else:
            admitted = self._trustees.enter(kind, trustee, reader.place, reader.culprit)
        if not admitted:
            return
        check_transcript(reader, statement.transcript, self._transcripts.root(kind))
        self._transcripts.follow(kind, root)
        self._seats.take(artifact)
        if kind == "key_commitment":
            self.ceremony.key_commitment(statement, reader)
        elif kind == "trustee_keys":
            self.ceremony.trustee_keys(statement, reader)
        elif kind == "encrypted_shares":
            check_shares(self.election, statement, reader)
            self._complaints.shares(trustee, reader.place.artifact or 0)
        elif kind == "share_complaint":
            self._complaints.complaint(statement, reader)
        elif kind == "share_answer":
            self._complaints.answer(statement, reader)
        elif kind == "key_confirmation":
            self.ceremony.key_confirmation(statement, reader)
            self._complaints.confirmation(trustee, reader)

    def _abandoned(self, statement: pb.CeremonyAbandoned, reader: Reader) -> None:
        reader.check_text(statement.reason, 1, MAX_TEXT, "the reason")
        number = reader.place.artifact
        message = f"artifact {number} gives the key ceremony up: {statement.reason[:200]!r}"
        self.ended = (message, "administrator")
        self._order.abort()

    def accusation(self, statement: pb.Accusation, reader: Reader, phase: Phase) -> None:
        """Check an accusation; before the polls could open, one that stands is the end."""
        stands = self.accusations.accusation(statement, reader, phase)
        if stands and phase < Phase.READY:
            accused = self.conduct.accused[statement.trustee]
            message = (
                f"the key ceremony ended with the accusation of trustee {accused.trustee} "
                f"in artifact {accused.artifact} ({accused.check}: {accused.message})"
            )
            self.ended = (message, f"trustee {accused.trustee}")
            self._order.abort()

    # --- drills -------------------------------------------------------------------------------

    def session(
        self, statement: pb.DecryptionSession, reader: Reader, keys: JointKeys | None
    ) -> None:
        """Begin a session before the close of the polls: a drill, or something that is none.

        Before the opening, K and H_E are those that follow from the trustees' keys.
        """
        self.end_drill()
        keys = keys or self.keys or self.ceremony.without_opening()
        target, problem = None, "nothing but drills may be decrypted before the tallies"
        if not well_formed(statement, reader):
            problem = ""
        elif statement.purpose == DRILL:
            target = DrillTarget(self.election.group, keys, statement.session)
            problem = ""
            if statement.confirmation_code:
                problem = "a drill has no confirmation code"
        self.decryption.sessions.begin(statement, reader, keys, target, problem)

    def end_drill(self) -> None:
        """Close the drill that is on, if there is one."""
        self.decryption.end()
        session = self.decryption.sessions.current
        if session is not None and isinstance(session.target, DrillTarget):
            self.decryption.drill(session, session.target)
            answered = tuple(sorted(session.answered))
            self.drills.append(Drill(session.number, session.trustees, answered))
        self.decryption.sessions.close()
