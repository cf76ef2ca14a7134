"""What decryption sessions say: every share, and what the shares combine to (3.6).

The record holds, for each trustee and ciphertext, d_i in round 1, (M_i, a_i, b_i) in
round 2 and v_i in round 3. Only products over the trustees are kept in memory; the
shares are read again when their responses come.
"""

from __future__ import annotations

from collections.abc import Callable

from verifier.batch import Batch, Claim
from verifier.ceremony import Ceremony
from verifier.conduct import Conduct
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.hashing import HASH_WIDTH
from verifier.options import Option, usable
from verifier.order import ROUNDS
from verifier.schema import pb
from verifier.seats import said_in
from verifier.sessions import Combined, Part, Session, Sessions
from verifier.shares import Share, Shares, read_share, target_of
from verifier.targets import DrillTarget
from verifier.transcripts import check_transcript
from verifier.wire import Reader, kind_of, parse_artifact

_SERVER = "server"


class Decryption:
    """Follows the rounds of every session."""

    def __init__(
        self,
        election: Election,
        ceremony: Ceremony,
        conduct: Conduct,
        roots: dict[int, bytes],
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Take what shares are checked against, and how to read an artifact again."""
        self._group = election.group
        self._quorum = election.quorum
        self._shares = Shares(election, ceremony)
        self.sessions = Sessions(election, conduct, roots, findings)
        self._reread = reread
        self._findings = findings
        self._batch: Batch | None = None

    def use(self, batch: Batch | None) -> None:
        """Check the shares of a part together from now on, if there is a way to."""
        self._batch = batch

    def part(self, artifact: pb.Artifact, reader: Reader) -> None:
        """Check a part of a round and take it in, if it stands where it may."""
        kind = kind_of(artifact)
        part: Part = getattr(artifact, kind)
        size = len(_entries(part))
        session = self.sessions.admit(ROUNDS[kind], part, size, said_in(artifact), reader)
        if session is None:
            return
        if isinstance(part, pb.DecryptionCommitments):
            self._take_commitments(session, part, reader)
        elif isinstance(part, pb.DecryptionShares):
            self._take_shares(session, part, reader)
        else:
            self._take_responses(session, part, reader)

    def _take_commitments(
        self, session: Session, part: pb.DecryptionCommitments, reader: Reader
    ) -> None:
        """Keep a part of round 1, the hashes d_i."""
        kept = session.digests.setdefault(part.trustee, bytearray())
        for data in part.commitments:
            kept += reader.hash(data, "d_i") or bytes(HASH_WIDTH)

    def _take_shares(self, session: Session, part: pb.DecryptionShares, reader: Reader) -> None:
        """Take a part of round 2: multiply it up, note shares that do not open their d_i.

        Membership is checked here: a session may end before its responses.
        """
        session.shares[part.trustee, part.first] = reader.place.artifact or 0
        p = self._group.p
        members = self._members(part)
        for i, published in enumerate(part.shares, start=part.first):
            place = target_of(session).place(reader.place, i)
            share = read_share(part.trustee, published, reader, place)
            is_usable = usable(self._group, share.numbers())
            if not members[i - part.first] and not self._is_member(share):
                session.outside.add((part.trustee, i))
                message = "M_i, a_i or b_i is not in the group"
                self._findings.failed("R.decryption-share", place, message, reader.culprit)
                # What it combines to has no meaning, and so no response of the others either.
                session.tainted[i].add(part.trustee)
            if not is_usable or not self._shares.opens(session, share, i):
                session.unopened[part.trustee, i] = place
                session.tainted[i].add(part.trustee)
            if is_usable:
                combined = session.combined[i]
                combined.a = combined.a * share.a % p
                combined.b = combined.b * share.b % p
                combined.factor = combined.factor * self._shares.weigh(session, share) % p

    def _is_member(self, share: Share) -> bool:
        return all(self._group.is_member(x) for x in share.numbers())

    def _members(self, part: pb.DecryptionShares) -> list[bool]:
        """Say of each share whether a batch has found it to be in the group."""
        if self._batch is None:
            return [False] * len(part.shares)
        claims: list[Claim | None] = []
        for share in self._quietly(part):
            numbers = share.numbers()
            claims.append(Claim(members=list(numbers)) if usable(self._group, numbers) else None)
        return self._batch.search(claims)

    def _quietly(self, part: pb.DecryptionShares) -> list[Share]:
        """Decode shares whose wrong widths are reported elsewhere."""
        quiet = Reader(self._group, Findings(), Place(), "")
        return [read_share(part.trustee, share, quiet, Place()) for share in part.shares]

    def _take_responses(
        self, session: Session, part: pb.DecryptionResponses, reader: Reader
    ) -> None:
        """Check a part of round 3 with the shares it belongs to."""
        published = self._shares_again(session, part)
        proven = self._proven(session, part, published)
        right = True
        for i, data in enumerate(part.responses, start=part.first):
            share = published[i - part.first]
            place = target_of(session).place(reader.place, i)
            known = proven[i - part.first]
            right &= self._response(session, share, i, data, reader, place, known)
        if right and session.done[part.trustee, "responses"] == session.total:
            session.answered.add(part.trustee)

    def _shares_again(self, session: Session, part: pb.DecryptionResponses) -> list[Share]:
        number = session.shares[part.trustee, part.first]
        artifact, _ = parse_artifact(self._reread(number))
        assert artifact is not None, "the bytes are those that were parsed before"
        # Wrong widths were reported when the shares were read first.
        return self._quietly(artifact.decryption_shares)

    def _proven(
        self, session: Session, part: pb.DecryptionResponses, published: list[Share]
    ) -> list[bool]:
        """Say of each share whether a batch has found its proof to hold."""
        if self._batch is None:
            return [False] * len(published)
        quiet = Reader(self._group, Findings(), Place(), "")
        claims: list[Claim | None] = []
        for i, (share, data) in enumerate(
            zip(published, part.responses, strict=True), start=part.first
        ):
            response = quiet.scalar(data, "v_i")
            fit = quiet.in_q(response) and (share.trustee, i) not in session.outside
            claims.append(self._shares.claim(session, share, i, response) if fit else None)
        return self._batch.search(claims)

    def _response(
        self,
        session: Session,
        share: Share,
        i: int,
        data: bytes,
        reader: Reader,
        place: Place,
        known: bool,
    ) -> bool:
        """Check R.decryption-share and R.decryption-commitment of one share.

        A share whose proof fails would fail to open d_i as well: that is one fault, and
        the share's. A share whose proof holds but that does not open d_i: the d_i's. Where
        another trustee's share does not open its d_i, c is not the one that was answered,
        and a response that fails under it is nobody's fault but that trustee's. `known` says
        that a batch has found the proof to hold.
        """
        combined = session.combined[i]
        unopened = session.unopened.pop((share.trustee, i), None)
        response = reader.ranged_scalar(data, "v_i", place)
        if response is None or (share.trustee, i) in session.outside:
            combined.sound = False
            return False
        combined.response = (combined.response + response) % self._group.q
        holds = known or self._shares.proven(session, share, i, response)
        message = "the share's proof (94, 95) is wrong"
        excused = unopened is None and bool(session.tainted.get(i, set()) - {share.trustee})
        self._findings.check(
            "R.decryption-share", holds, place, message, reader.culprit, excused=excused
        )
        combined.sound &= holds and unopened is None
        if holds:
            self._opened(unopened is None, unopened or place, reader.culprit)
        return holds and unopened is None

    def _opened(self, holds: bool, place: Place, culprit: str) -> None:
        message = "d_i is not the hash (88) of the share"
        self._findings.check("R.decryption-commitment", holds, place, message, culprit)

    # --- the end of a session -----------------------------------------------------------------

    def end(self) -> None:
        """Close a session: shares that never got a response must open d_i all the same."""
        session = self.sessions.current
        if session is None:
            return
        for (trustee, i), place in session.unopened.items():
            if (trustee, i) not in session.outside:
                self._opened(False, place, f"trustee {trustee}")
        session.unopened.clear()

    def combination(self, session: Session) -> None:
        """Check that published decryptions combine a session's shares (R.combination)."""
        if session.target is None or not session.finished("responses"):
            return
        for i in range(session.total):
            published = session.target.option(i)
            if session.combined[i].sound and published is not None and published.proven:
                self._combines(session, session.combined[i], published, i)

    def _combines(self, session: Session, combined: Combined, published: Option, i: int) -> None:
        holds = any(
            published.challenge == self._shares.challenge(session, i, ciphertext)
            and published.response == combined.response
            and published.value
            == self._group.divide(ciphertext[1], self._shares.factor(session, i))
            for ciphertext in target_of(session).ciphertexts(i)
        )
        message = "c, v or T is not what the session's shares combine to"
        self._findings.check("R.combination", holds, published.place, message, _SERVER)

    def drill(self, session: Session, target: DrillTarget) -> None:
        """Check that the shares of a drill combine to what everybody can compute (86).

        Where every share is proved this cannot fail, unless the keys have failed before.
        """
        combined = session.combined[0]
        few = len(session.trustees) < self._quorum
        if few or not session.finished("responses") or not combined.sound:
            return
        excused = self._findings.has_failed("2.A", "2.B", "2.C", "3.A", "3.B", "4.A")
        message = f"the shares of drill {session.number} do not combine to K^xi"
        holds = self._shares.factor(session, 0) == target.factor
        self._findings.check("R.combination", holds, Place(), message, _SERVER, excused=excused)

    # --- parts that are not on the record -----------------------------------------------------

    def contradicts(self, artifact: pb.Artifact) -> bool:
        """Whether the session that was begun last holds another part in this one's place."""
        kind = kind_of(artifact)
        part: Part = getattr(artifact, kind)
        session = self.sessions.current
        if session is None or session.number != part.session:
            return False
        known = session.statements.get((part.trustee, ROUNDS[kind], part.first))
        return known is not None and known.contradicted_by(said_in(artifact))

    def judge(self, artifact: pb.Artifact, reader: Reader) -> None:
        """Check a part as if it were the next artifact, and take nothing in.

        Finds nothing where the part could not stand here, or names another transcript.
        """
        kind = kind_of(artifact)
        part: Part = getattr(artifact, kind)
        session = self.sessions.current
        if session is None or session.target is None:
            return
        if session.misplaced(ROUNDS[kind], part, len(_entries(part))):
            return
        check_transcript(reader, part.transcript, session.root)
        if isinstance(part, pb.DecryptionShares):
            self._judge_shares(session, part, reader)
        elif isinstance(part, pb.DecryptionResponses):
            self._judge_responses(session, part, reader)

    def _judge_shares(self, session: Session, part: pb.DecryptionShares, reader: Reader) -> None:
        for i, published in enumerate(part.shares, start=part.first):
            share = read_share(part.trustee, published, reader, reader.place)
            member = all(self._group.is_member(x) for x in share.numbers())
            message = f"M_i, a_i or b_i of ciphertext {i} is not in the group"
            reader.findings.check(
                "R.decryption-share", member, reader.place, message, reader.culprit
            )
            opens = self._shares.opens(session, share, i)
            message = f"d_i of ciphertext {i} is not the hash (88) of the share"
            reader.findings.check(
                "R.decryption-commitment", opens, reader.place, message, reader.culprit
            )

    def _judge_responses(
        self, session: Session, part: pb.DecryptionResponses, reader: Reader
    ) -> None:
        published = self._shares_again(session, part)
        for i, data in enumerate(part.responses, start=part.first):
            response = reader.scalar(data, "v_i")
            share = published[i - part.first]
            others = session.tainted.get(i, set()) - {part.trustee}
            if not others and (part.trustee, i) not in session.outside:
                holds = self._shares.answers(session, share, i, response)
                message = f"the response for ciphertext {i} does not fit (94, 95)"
                reader.findings.check(
                    "R.decryption-share", holds, reader.place, message, reader.culprit
                )


def _entries(part: Part) -> list[bytes] | list[pb.DecryptionShare]:
    """Return what a part holds one of for each ciphertext."""
    if isinstance(part, pb.DecryptionCommitments):
        return list(part.commitments)
    if isinstance(part, pb.DecryptionShares):
        return list(part.shares)
    return list(part.responses)
