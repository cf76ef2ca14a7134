"""The third reading: sessions of the tallies and of ballots, and what they open."""

from __future__ import annotations

from gmpy2 import mpz

from verifier.batch import Batch
from verifier.counting import Commitments
from verifier.findings import Findings
from verifier.frames import Item
from verifier.group import FixedBase
from verifier.log import Log
from verifier.openings import Openings
from verifier.options import Decryptions
from verifier.order import Phase
from verifier.schema import pb
from verifier.sessions import BALLOT, TALLY, well_formed
from verifier.signers import speaker
from verifier.survey import Books, Survey
from verifier.targets import TallyTarget, Target
from verifier.wire import Reader, kind_of, parse_artifact

_PATIENCE = 100
"""Sessions of ballots whose turn it is not; after so many, the parts of no other are looked at.
For each a ballot is read again, which takes far more room than the session."""


class Count:
    """Follows the record from the close of the polls once more."""

    def __init__(
        self,
        survey: Survey,
        books: Books,
        log: Log,
        findings: Findings,
        table: FixedBase,
        batch: Batch | None,
    ) -> None:
        """Take what the first two readings left behind; checks V10 of the tallies at once.

        `table` is that of K; without a batch every proof is computed by itself.
        """
        assert survey.preparation is not None, "there are no books without an election"
        group, keys = books.election.group, books.keys
        self._survey = survey
        self._books = books
        self._preparation = survey.preparation
        self._decryption = survey.preparation.decryption
        self._decryption.use(batch)
        self._findings = findings
        self._openings = Openings(
            books.election, keys, table, books.ballots.challenges, log.at, findings
        )
        self._tallies = TallyTarget(group, books.counting)
        self._astray = 0
        decryptions = Decryptions(group, keys.vote, table, keys.extended_hash, findings)
        commitments = self._commitments(log) if batch is not None else {}
        books.counting.check(decryptions, batch, commitments)

    def _commitments(self, log: Log) -> Commitments:
        """Multiply up (a, b) of the last session of the tallies, as its shares have them (89).

        Nothing is checked: the batch finds out whether the published proofs are over them.
        """
        p, width = self._books.election.group.p, self._books.election.group.element_width
        total = len(self._tallies)
        products: dict[int, tuple[mpz, mpz]] = {}
        stop = self._survey.last_tally if self._survey.last_session else 0
        for item in log.again(self._survey.last_session, stop):
            artifact, _ = parse_artifact(item.data)
            if artifact is None or kind_of(artifact) != "decryption_shares":
                continue
            part = artifact.decryption_shares
            for i, share in enumerate(part.shares, start=part.first):
                a, b = products.get(i, (mpz(1), mpz(1)))
                if i < total and len(share.a) == len(share.b) == width:
                    a = a * int.from_bytes(share.a, "big") % p
                    b = b * int.from_bytes(share.b, "big") % p
                    products[i] = a, b
        return {self._tallies.key(i): pair for i, pair in products.items() if 0 not in pair}

    def take(self, item: Item) -> None:
        """Check one artifact that follows the close."""
        artifact, _ = parse_artifact(item.data)
        if artifact is None or item.number in self._survey.ignored:
            return
        kind = kind_of(artifact)
        place, culprit = speaker(item.number, artifact)
        reader = Reader(self._books.election.group, self._findings, place, culprit)
        if kind == "decryption_session":
            self._session(artifact.decryption_session, reader)
        elif kind in ("decryption_commitments", "decryption_shares", "decryption_responses"):
            self._decryption.part(artifact, reader)
        elif kind == "decrypted_tally":
            self._decryption.sessions.decrypted_tally(reader)
        elif kind == "challenged_ballot_decryption":
            self._openings.challenged_ballot(artifact.challenged_ballot_decryption, reader)
        elif kind == "decrypted_ballot":
            self._openings.decrypted_ballot(artifact.decrypted_ballot, reader, self._decryption)
        elif kind == "accusation":
            self._preparation.accusation(artifact.accusation, reader, Phase.TALLIED)

    def _session(self, statement: pb.DecryptionSession, reader: Reader) -> None:
        """Begin a session, which ends the one before it."""
        self._end_session()
        target, problem = self._target(statement, reader)
        keys = self._books.keys
        session = self._decryption.sessions.begin(statement, reader, keys, target, problem)
        session.last = reader.place.artifact == self._survey.last_session

    def _target(self, statement: pb.DecryptionSession, reader: Reader) -> tuple[Target | None, str]:
        """Return what a session decrypts, and why it may not, "" if it may."""
        code = statement.confirmation_code
        if not well_formed(statement, reader):
            return None, ""
        if statement.purpose == TALLY:
            return self._tallies, "tallies have no confirmation code" if code else ""
        if statement.purpose != BALLOT:
            return None, "drills are over when the polls are closed"
        problem = ""
        if (reader.place.artifact or 0) < self._survey.last_tally or (
            len(self._tallies) and not self._survey.last_tally
        ):
            problem = "the ballot's session stands before the last decrypted tally"
        elif code != self._openings.awaited():
            problem = "the next challenged ballot that is not opened is another one"
        self._astray += bool(problem)
        if self._astray > _PATIENCE:
            return None, problem
        return self._openings.target(code), problem

    def _end_session(self) -> None:
        self._decryption.end()
        session = self._decryption.sessions.current
        if session is not None and session.last:
            self._decryption.combination(session)

    def finish(self, complete: bool) -> None:
        """Close the last session, and check what is there, and if all is, what is not."""
        self._end_session()
        self._books.counting.contests_present(self._books.ballots.submitted_in, complete)
        if complete:
            self._openings.missing()
        self._books.counting.check_result()
