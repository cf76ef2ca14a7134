"""Accusations: what a message that is not on the record proves (docs/record.md).

The message is judged by the same checks as the record, in the state that the record has
reached, into findings of its own. Nothing that it says is taken in, and whatever it
holds, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterable

from verifier.ceremony import Ceremony
from verifier.complaints import Complaints
from verifier.conduct import Conduct, Misconduct
from verifier.decryption import Decryption
from verifier.election import Election
from verifier.encoding import misfit
from verifier.findings import Findings, Place
from verifier.note import ed25519_holds
from verifier.order import PHASES, Phase
from verifier.schema import pb
from verifier.seats import Seats, said_in
from verifier.signers import TRUSTEE
from verifier.transcripts import Transcripts, check_transcript
from verifier.trustee_statements import check_keys, check_shares
from verifier.wire import Reader, kind_of, parse_artifact, signed_message

Fault = tuple[str, str]
"""The id of a check that fails, and what is wrong."""

_ENCODING = "R.encoding"
_EQUIVOCATION = "R.equivocation"
_FAULTS = (
    "R.key-commitment",
    "R.trustee-keys",
    "2.A",
    "2.B",
    "2.C",
    "R.share-recipients",
    "R.share-proof",
    "R.share-answer",
    "R.decryption-commitment",
    "R.decryption-share",
)
"""In the order of docs/record.md, after those that need neither phase nor transcript."""
_MAX_MESSAGE = 15 << 20
_PATIENCE = 100
"""Accusations that do not stand; after so many, no other is looked at. Each can cost as much as
a part of a decryption, and takes far less room."""


class Accusations:
    """Judges accusations in the state of everything that is followed."""

    def __init__(
        self,
        election: Election,
        ceremony: Ceremony,
        complaints: Complaints,
        transcripts: Transcripts,
        seats: Seats,
        decryption: Decryption,
        conduct: Conduct,
    ) -> None:
        """Take what messages are judged by."""
        self._election = election
        self._ceremony = ceremony
        self._complaints = complaints
        self._transcripts = transcripts
        self._seats = seats
        self._decryption = decryption
        self._conduct = conduct
        self._failed = 0

    def accusation(self, statement: pb.Accusation, reader: Reader, phase: Phase) -> bool:
        """Check an accusation (R.accusation); one that stands is taken to heart."""
        trustee, fault = statement.trustee, None
        if self._failed >= _PATIENCE:
            return False
        if not 1 <= trustee <= self._election.trustees:
            problem = f"there is no trustee {trustee}"
        elif trustee in self._conduct.accused:
            earlier = self._conduct.accused[trustee].artifact
            problem = f"the trustee is accused already, in artifact {earlier}"
        else:
            fault, problem = self._fault(statement.message, trustee, phase)
            if fault is not None and fault[0] != statement.check:
                problem = f"the message fails {fault[0]}, not {statement.check[:40]!r}"
        reader.findings.check("R.accusation", not problem, reader.place, problem, reader.culprit)
        if problem or fault is None:
            self._failed += 1
            return False
        number = reader.place.artifact or 0
        self._conduct.accuse(Misconduct(trustee, fault[0], number, fault[1]))
        self._decryption.sessions.accuse(trustee)
        return True

    def _fault(self, message: bytes, trustee: int, phase: Phase) -> tuple[Fault | None, str]:
        """Return what a message proves; or None and why it proves nothing."""
        if len(message) > _MAX_MESSAGE:
            return None, f"what it shows has more than {_MAX_MESSAGE} bytes"
        artifact, problem = parse_artifact(message)
        if artifact is None or problem:
            return None, f"what it shows cannot be a trustee's: {problem}"
        kind = kind_of(artifact)
        if kind not in TRUSTEE or getattr(artifact, kind).trustee != trustee:
            return None, "what it shows is not a statement of this trustee"
        key = self._election.trustee_keys.get(trustee, b"")
        signed = signed_message(self._election.base_hash, artifact)
        if not ed25519_holds(key, artifact.signature, signed):
            return None, "the trustee has not signed what it shows"
        crooked = misfit(self._election.group, kind, getattr(artifact, kind))
        if crooked:
            return (_ENCODING, crooked), ""
        if self._contradicts(artifact):
            what = kind.replace("_", " ")
            return (_EQUIVOCATION, f"it has signed another {what} than that of the record"), ""
        fault = self._refuted(artifact, trustee, phase)
        return fault, "" if fault else "what it shows does not prove that the trustee did wrong"

    def _contradicts(self, artifact: pb.Artifact) -> bool:
        if kind_of(artifact).startswith("decryption_"):
            return self._decryption.contradicts(artifact)
        taken = self._seats.taken(artifact)
        return taken is not None and taken.contradicted_by(said_in(artifact))

    def _refuted(self, artifact: pb.Artifact, trustee: int, phase: Phase) -> Fault | None:
        """Return the first fault of a message that stands in its phase and round."""
        kind = kind_of(artifact)
        if phase not in PHASES[kind]:
            return None
        findings = Findings()
        place = Place(trustee=trustee)
        reader = Reader(self._election.group, findings, place, f"trustee {trustee}")
        if kind.startswith("decryption_"):
            self._decryption.judge(artifact, reader)
        elif self._seats.taken(artifact) is None:
            self._judge(artifact, kind, reader)
        if findings.has_failed("R.transcript"):
            return None
        return _first(findings, _FAULTS)

    def _judge(self, artifact: pb.Artifact, kind: str, reader: Reader) -> None:
        """Check a statement of the key ceremony as if it were the next artifact."""
        root = self._transcripts.root(kind)
        if root is None:
            return
        check_transcript(reader, getattr(artifact, kind).transcript, root)
        if kind == "trustee_keys":
            self._ceremony.check_commitment(artifact.trustee_keys, reader)
            check_keys(self._election, artifact.trustee_keys, reader)
        elif kind == "encrypted_shares":
            check_shares(self._election, artifact.encrypted_shares, reader)
        elif kind == "share_answer":
            answer = artifact.share_answer
            if self._complaints.awaits(answer.recipient, answer.trustee):
                self._complaints.check_answer(answer, reader)


def _first(findings: Findings, checks: Iterable[str]) -> Fault | None:
    """Return the first of these checks that has failed, and how it first did."""
    for check in checks:
        if findings.has_failed(check):
            messages = (x.message for x in findings.failures if x.check == check)
            return check, next(messages, "")
    return None
