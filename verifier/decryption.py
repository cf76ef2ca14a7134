"""What decryption sessions say: every share, and that the tallies combine them (3.6).

The record holds, for each trustee and ciphertext, d_i in round 1, (M_i, a_i, b_i) in
round 2 and v_i in round 3. Only products over the trustees are kept in memory; the
shares are read again when their responses come.
"""

from __future__ import annotations

from collections.abc import Callable

from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.hashing import HASH_WIDTH
from verifier.schema import pb
from verifier.sessions import Combined, Session, Sessions
from verifier.shares import Share, Shares, read_share
from verifier.wire import Reader, parse_artifact

_SERVER = "server"


class Decryption:
    """Follows the rounds of every session."""

    def __init__(
        self,
        election: Election,
        shares: Shares,
        last_session: int,
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Take the checks of single shares, and which artifact begins the last session.

        `reread` returns an artifact's bytes again.
        """
        self._group = election.group
        self._last_session = last_session
        self._shares = shares
        self._sessions = Sessions(election, len(shares), findings)
        self._reread = reread
        self._findings = findings

    def session(self, statement: pb.DecryptionSession, reader: Reader) -> None:
        """Begin a session, which ends the one before it."""
        self.end()
        last = reader.place.artifact == self._last_session
        self._sessions.begin(statement, reader, last)

    def commitments(self, statement: pb.DecryptionCommitments, reader: Reader) -> None:
        """Keep a part of round 1, the hashes d_i."""
        hashes = statement.commitments
        session = self._sessions.admit("commitments", statement, len(hashes), reader)
        if session is None:
            return
        kept = session.digests.setdefault(statement.trustee, bytearray())
        for data in hashes:
            kept += reader.hash(data, "d_i") or bytes(HASH_WIDTH)

    def shares(self, statement: pb.DecryptionShares, reader: Reader) -> None:
        """Take a part of round 2: multiply it up, note shares that do not open their d_i.

        Membership is checked here: a session may end before its responses.
        """
        size = len(statement.shares)
        session = self._sessions.admit("shares", statement, size, reader)
        if session is None:
            return
        session.shares[statement.trustee, statement.first] = reader.place.artifact or 0
        weight = self._group.lagrange(statement.trustee, session.trustees)
        p = self._group.p
        for i, published in enumerate(statement.shares, start=statement.first):
            place = self._shares.place(reader.place, i)
            share = read_share(statement.trustee, published, reader, place)
            usable = all(reader.in_p(x) for x in share.numbers())
            if not all(self._group.is_member(x) for x in share.numbers()):
                session.outside.add((statement.trustee, i))
                message = "M_i, a_i or b_i is not in the group"
                self._findings.failed("R.decryption-share", place, message, reader.culprit)
            if not usable or not self._shares.opens(session, share, i):
                session.unopened[statement.trustee, i] = place
            if usable:
                combined = session.combined[i]
                combined.a = combined.a * share.a % p
                combined.b = combined.b * share.b % p
                factor = self._group.power(share.factor, weight)
                combined.factor = combined.factor * factor % p

    def responses(self, statement: pb.DecryptionResponses, reader: Reader) -> None:
        """Check a part of round 3 with the shares it belongs to."""
        size = len(statement.responses)
        session = self._sessions.admit("responses", statement, size, reader)
        if session is None:
            return
        published = self._shares_again(session, statement)
        for i, data in enumerate(statement.responses, start=statement.first):
            share = published[i - statement.first]
            place = self._shares.place(reader.place, i)
            self._response(session, share, i, data, reader, place)

    def _shares_again(self, session: Session, statement: pb.DecryptionResponses) -> list[Share]:
        number = session.shares[statement.trustee, statement.first]
        artifact, _ = parse_artifact(self._reread(number))
        assert artifact is not None, "the bytes are those that were parsed before"
        # Wrong widths were reported when the shares were read first.
        quiet = Reader(self._group, Findings(), Place(), "")
        return [
            read_share(statement.trustee, share, quiet, Place())
            for share in artifact.decryption_shares.shares
        ]

    def _response(
        self, session: Session, share: Share, i: int, data: bytes, reader: Reader, place: Place
    ) -> None:
        """Check R.decryption-share and R.decryption-commitment of one share.

        A share whose proof fails would fail to open d_i as well: that is one fault, and
        the share's. A share whose proof holds but that does not open d_i: the d_i's.
        """
        combined = session.combined[i]
        unopened = session.unopened.pop((share.trustee, i), None)
        response = reader.ranged_scalar(data, "v_i", place)
        if response is None or (share.trustee, i) in session.outside:
            combined.sound = False
            return
        combined.response = (combined.response + response) % self._group.q
        holds = self._shares.proven(session, share, i, response)
        message = "the share's proof (94, 95) is wrong"
        self._findings.check("R.decryption-share", holds, place, message, reader.culprit)
        combined.sound &= holds and unopened is None
        if holds:
            self._opened(unopened is None, unopened or place, reader.culprit)

    def _opened(self, holds: bool, place: Place, culprit: str) -> None:
        message = "d_i is not the hash (88) of the share"
        self._findings.check("R.decryption-commitment", holds, place, message, culprit)

    def decrypted_tally(self, reader: Reader) -> None:
        """Check that a decrypted tally stands after the session's last response."""
        self._sessions.decrypted_tally(reader)

    def end(self) -> None:
        """Close a session: shares that never got a response must open d_i all the same."""
        session = self._sessions.current
        if session is not None:
            for (trustee, i), place in session.unopened.items():
                if (trustee, i) not in session.outside:
                    self._opened(False, place, f"trustee {trustee}")
            session.unopened.clear()

    def combination(self) -> None:
        """Check that the published decryptions combine the last session (R.combination)."""
        session = self._sessions.current
        if session is None or not session.finished("responses"):
            return
        for i in range(session.total):
            if session.combined[i].sound:
                self._combines(session, session.combined[i], i)

    def _combines(self, session: Session, combined: Combined, i: int) -> None:
        published = self._shares.option(i)
        if published is None or not published.proven:
            return
        holds = any(
            published.challenge == self._shares.challenge(session, i, ciphertext)
            and published.response == combined.response
            and published.value == self._group.divide(ciphertext[1], combined.factor)
            for ciphertext in self._shares.ciphertexts(i)
        )
        message = "c, v or T is not what the session's shares combine to"
        self._findings.check("R.combination", holds, published.place, message, _SERVER)
