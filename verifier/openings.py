"""Openings of challenged ballots, through nonces or like tallies: R.challenged."""

from __future__ import annotations

from collections.abc import Callable

from verifier.ceremony import JointKeys
from verifier.challenged import Reencryption
from verifier.decryption import Decryption
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.group import FixedBase
from verifier.opened import Form, Row
from verifier.options import Decryptions, read_option
from verifier.schema import pb
from verifier.sessions import Session
from verifier.targets import BallotTarget
from verifier.wire import Reader, parse_artifact

_SERVER = "server"
_Statement = pb.ChallengedBallotDecryption | pb.DecryptedBallot


class Openings:
    """Follows the openings of challenged ballots."""

    def __init__(
        self,
        election: Election,
        keys: JointKeys,
        table: FixedBase,
        challenges: dict[bytes, int],
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Take the challenges, code to artifact, in the order in which they were made."""
        assert election.manifest is not None, "without a manifest there are no ballots"
        self._manifest = election.manifest
        self._group = election.group
        self._keys = keys
        self._table = table
        self._challenges = challenges
        self._codes = tuple(challenges)
        self._order = {code: i for i, code in enumerate(challenges)}
        self._opened: set[bytes] = set()
        self._last = -1
        self._reread = reread
        self._last_read: tuple[bytes, pb.Ballot] | None = None
        self._findings = findings

    def awaited(self) -> bytes | None:
        """Return the code of the ballot to be opened next, None if there is none."""
        following = self._codes[self._last + 1 : self._last + 2]
        return following[0] if following else None

    def target(self, code: bytes) -> BallotTarget | None:
        """Return what is to be decrypted of a challenged ballot, None if it is none."""
        if code not in self._challenges:
            return None
        return BallotTarget(self._group, self._manifest, self._ballot(code), code)

    def _ballot(self, code: bytes) -> pb.Ballot:
        """Read a challenged ballot again, if it is not the one that was read last."""
        if self._last_read is None or self._last_read[0] != code:
            artifact, _ = parse_artifact(self._reread(self._challenges[code]))
            assert artifact is not None, "the bytes are those that were parsed before"
            self._last_read = code, artifact.ballot
        return self._last_read[1]

    def _place(self, statement: _Statement, reader: Reader) -> Place:
        return reader.place.at(ballot=statement.confirmation_code[:32].hex())

    def _admit(self, statement: _Statement, reader: Reader) -> pb.Ballot | None:
        """Check that the ballot is challenged and comes in its turn; return it, if it does."""
        code = statement.confirmation_code
        position = self._order.get(code)
        problem = ""
        if position is None:
            problem = "no challenged ballot has this confirmation code"
        elif code in self._opened:
            problem = "the ballot has been opened before"
        elif position < self._last:
            problem = "it does not stand in the order of the challenges"
        place = self._place(statement, reader)
        self._findings.check("R.challenged", not problem, place, problem, reader.culprit)
        if position is None or code in self._opened:
            return None
        self._opened.add(code)
        self._last = max(self._last, position)
        return self._ballot(code)

    def challenged_ballot(self, statement: pb.ChallengedBallotDecryption, reader: Reader) -> None:
        """Check an opening through nonces against its ballot."""
        ballot = self._admit(statement, reader)
        if ballot is not None:
            contests = self._manifest.styles.get(ballot.ballot_style, ())
            check = Reencryption(self._group, self._keys, self._table, self._findings)
            check.check(statement, ballot, contests, self._place(statement, reader), reader)

    def missing(self) -> None:
        """Report every challenged ballot that was not opened."""
        for code, artifact in self._challenges.items():
            if code not in self._opened:
                place = Place(artifact=artifact, ballot=code.hex())
                message = "the challenged ballot is not opened"
                self._findings.failed("R.challenged", place, message, _SERVER)

    # --- opened like a tally ------------------------------------------------------------------

    def decrypted_ballot(
        self, statement: pb.DecryptedBallot, reader: Reader, decryption: Decryption
    ) -> None:
        """Check an opening by a session of its own: V14, V10, and that it combines it."""
        place = self._place(statement, reader)
        ballot = self._admit(statement, reader)
        if ballot is None:
            return
        code = statement.confirmation_code
        session = decryption.sessions.decrypted_ballot(code, place, reader)
        target = BallotTarget(self._group, self._manifest, ballot, code)
        contests = self._manifest.styles.get(ballot.ballot_style, ())
        rows = [
            (contest.contest, [Row(x.option, x.count, x) for x in contest.options])
            for contest in statement.contests
        ]
        opened = Form(self._findings, reader.culprit).contests(rows, contests, place)
        if opened is None:
            return
        published = {}
        for i, (contest, option) in enumerate(target.labels()):
            row = opened.get(contest, {}).get(option)
            if row is not None:
                here = place.at(contest=contest, option=option)
                published[i] = read_option(row.item, reader, here)
        target.published = published
        self._proofs(target)
        if session is not None:
            self._combination(session, target, decryption)

    def _proofs(self, target: BallotTarget) -> None:
        """Check V10 of every selection."""
        decryptions = Decryptions(
            self._group, self._keys.vote, self._table, self._keys.extended_hash, self._findings
        )
        for i, option in target.published.items():
            decryptions.proof(option, target.indices(i), target.ciphertexts(i))
            decryptions.count(option)

    def _combination(self, session: Session, target: BallotTarget, decryption: Decryption) -> None:
        if isinstance(session.target, BallotTarget):
            session.target.published = target.published
            decryption.combination(session)
