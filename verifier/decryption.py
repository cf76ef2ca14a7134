"""Decryption sessions: rounds in order, every share's own proof, the combination (3.6).

The record holds, for each trustee and ciphertext, d_i in round 1, (M_i, a_i, b_i) in
round 2 and v_i in round 3. Only products over the trustees are kept in memory; the
shares are read again when their responses come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ceremony import Ceremony, JointKeys
from verifier.counting import Counting, Option, candidates
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.hashing import HASH_WIDTH, available, h, index
from verifier.proofs import decryption_challenge
from verifier.schema import pb
from verifier.tally import EncryptedCell, usable
from verifier.wire import Reader, parse_artifact

PART = 512
"""Entries a part holds, except a trustee's last."""

_ROUNDS = ("commitments", "shares", "responses")
_SERVER = "server"
_Part = pb.DecryptionCommitments | pb.DecryptionShares | pb.DecryptionResponses


@dataclass(slots=True)
class _Combined:
    """What the shares of one ciphertext multiply and add to."""

    a: mpz = field(default_factory=lambda: mpz(1))
    b: mpz = field(default_factory=lambda: mpz(1))
    factor: mpz = field(default_factory=lambda: mpz(1))
    response: mpz = field(default_factory=lambda: mpz(0))
    sound: bool = True


@dataclass(slots=True)
class _Session:
    """One session: who decrypts, how far each has come, and what came together."""

    number: int
    trustees: tuple[int, ...]
    total: int
    done: dict[tuple[int, str], int] = field(default_factory=dict)
    digests: dict[int, bytearray] = field(default_factory=dict)
    shares: dict[tuple[int, int], int] = field(default_factory=dict)
    """(trustee, first) to the artifact that holds those shares."""
    unopened: dict[tuple[int, int], Place] = field(default_factory=dict)
    """(trustee, ciphertext) of shares that do not open their d_i."""
    combined: list[_Combined] = field(default_factory=list)

    def finished(self, round_: str) -> bool:
        """Whether every trustee has finished a round."""
        return all(self.done.get((i, round_), 0) == self.total for i in self.trustees)


class Decryption:
    """Follows the sessions and checks what they say."""

    def __init__(
        self,
        election: Election,
        keys: JointKeys,
        ceremony: Ceremony,
        counting: Counting,
        ciphertexts: list[tuple[EncryptedCell, int]],
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Take what the shares are checked against.

        `ciphertexts` are in the order of the record; `reread` returns an artifact's bytes.
        """
        self._election = election
        self._group = election.group
        self._keys = keys
        self._ceremony = ceremony
        self._counting = counting
        self._ciphertexts = ciphertexts
        self._reread = reread
        self._findings = findings
        self._session: _Session | None = None
        self._share_keys: dict[int, mpz] = {}
        self._decrypting = False
        self._commitments_hold = not ceremony.refuted

    # --- the order of a session ----------------------------------------------------------

    def session(self, statement: pb.DecryptionSession, reader: Reader) -> None:
        """Begin a session: its number, and a quorum of distinct trustees."""
        self.end()
        before = self._session.number if self._session else 0
        trustees = tuple(statement.trustees)
        problem = ""
        if statement.session != before + 1:
            problem = f"session {statement.session} follows session {before}"
        elif list(trustees) != sorted(set(trustees)) or not all(
            1 <= i <= self._election.trustees for i in trustees
        ):
            problem = "its trustees are not distinct trustees in ascending order"
        elif len(trustees) < self._election.quorum:
            problem = f"{len(trustees)} trustees are fewer than k = {self._election.quorum}"
        elif self._decrypting:
            problem = "it begins after decrypted tallies of the session before it"
        self._findings.check("R.session", not problem, reader.place, problem, reader.culprit)
        # Below q, too, because Lagrange coefficients need them distinct mod q.
        bound = min(self._election.trustees, self._election.parameters.q - 1)
        distinct = tuple(i for i in sorted(set(trustees)) if 1 <= i <= bound)
        self._session = _Session(statement.session, distinct, len(self._ciphertexts))
        self._session.combined = [_Combined() for _ in self._ciphertexts]

    def _admit(self, round_: str, statement: _Part, size: int, reader: Reader) -> _Session | None:
        """Check that a part stands where it may; return its session, or None to skip it."""
        session = self._session
        problem = self._misplaced(round_, statement, size)
        self._findings.check("R.session", not problem, reader.place, problem, reader.culprit)
        if problem or session is None:
            return None
        session.done[statement.trustee, round_] = statement.first + size
        return session

    def _misplaced(self, round_: str, statement: _Part, size: int) -> str:
        session = self._session
        if session is None or statement.session != session.number:
            return "it is not part of the session that is open"
        if statement.trustee not in session.trustees:
            return "the trustee is not in the session's set U"
        earlier = _ROUNDS[: _ROUNDS.index(round_)]
        if not all(session.finished(before) for before in earlier):
            return f"it stands before every trustee has finished its {earlier[-1]}"
        expected = session.done.get((statement.trustee, round_), 0)
        if statement.first != expected:
            return f"it begins at {statement.first}, not at {expected}"
        if size != min(PART, session.total - expected) or size == 0:
            return f"a part of {size} entries; all but the last have {PART}"
        return ""

    def decrypted_tally(self, reader: Reader) -> None:
        """Check that a decrypted tally stands after the session's last response."""
        self._decrypting = True
        session = self._session
        holds = session is not None and session.finished("responses")
        message = "a decrypted tally stands before the session's responses are complete"
        self._findings.check("R.session", holds, reader.place, message, _SERVER)

    # --- the rounds ------------------------------------------------------------------------

    def commitments(self, statement: pb.DecryptionCommitments, reader: Reader) -> None:
        """Keep a part of round 1, the hashes d_i."""
        hashes = statement.commitments
        session = self._admit("commitments", statement, len(hashes), reader)
        if session is None:
            return
        kept = session.digests.setdefault(statement.trustee, bytearray())
        for data in hashes:
            kept += reader.hash(data, "d_i") or bytes(HASH_WIDTH)

    def shares(self, statement: pb.DecryptionShares, reader: Reader) -> None:
        """Check a part of round 2: membership, and that each d_i opens (88)."""
        session = self._admit("shares", statement, len(statement.shares), reader)
        if session is None:
            return
        artifact = reader.place.artifact or 0
        session.shares[statement.trustee, statement.first] = artifact
        weight = self._group.lagrange(statement.trustee, session.trustees)
        for i, share in enumerate(statement.shares, start=statement.first):
            place = self._place(reader.place, i)
            numbers = _numbers(share, reader, place)
            combined = session.combined[i]
            if not all(reader.in_p(x) for x in numbers):
                combined.sound = False
                session.unopened[statement.trustee, i] = place
                continue
            if not self._opens(session, statement.trustee, i, numbers):
                session.unopened[statement.trustee, i] = place
            factor, a, b = numbers
            combined.a = combined.a * a % self._group.p
            combined.b = combined.b * b % self._group.p
            combined.factor = combined.factor * self._group.power(factor, weight) % self._group.p

    def _place(self, place: Place, i: int) -> Place:
        cell, option = self._ciphertexts[i]
        label = cell.contest.options[option]
        return place.at(unit=cell.unit, contest=cell.contest.label, option=label)

    def _opens(
        self, session: _Session, trustee: int, i: int, numbers: tuple[mpz, mpz, mpz]
    ) -> bool:
        """Whether d_i is the hash (88) of a share."""
        kept = session.digests.get(trustee, bytearray())
        recorded = bytes(kept[i * HASH_WIDTH : (i + 1) * HASH_WIDTH])
        cell, option = self._ciphertexts[i]
        factor, a, b = numbers
        context = index(cell.contest.index) + index(option + 1) + index(trustee)
        element = self._group.element
        return any(
            recorded
            == h(
                self._keys.extended_hash,
                0x30,
                context,
                element(ciphertext[0]),
                element(ciphertext[1]),
                element(a),
                element(b),
                element(factor),
                available(session.trustees),
            )
            for ciphertext in candidates(cell, option)
            if usable(self._group, ciphertext)
        )

    def responses(self, statement: pb.DecryptionResponses, reader: Reader) -> None:
        """Check a part of round 3: every share's own proof (94, 95)."""
        session = self._admit("responses", statement, len(statement.responses), reader)
        if session is None:
            return
        published = self._shares_again(session, statement)
        for i, data in enumerate(statement.responses, start=statement.first):
            place = self._place(reader.place, i)
            response = reader.ranged_scalar(data, "v_i", place)
            numbers = _numbers(published[i - statement.first], None, None)
            combined = session.combined[i]
            unopened = session.unopened.pop((statement.trustee, i), None)
            holds = response is not None and self._proven(
                session, statement.trustee, i, numbers, response
            )
            if response is not None:
                combined.response = (combined.response + response) % self._group.q
                message = "the share's proof (94, 95) is wrong, or it is not in the group"
                self._findings.check("R.decryption-share", holds, place, message, reader.culprit)
            combined.sound &= holds and unopened is None
            if holds:
                # A share whose proof fails would fail to open d_i as well: one fault.
                self._opened(unopened is None, unopened or place, reader.culprit)

    def _opened(self, holds: bool, place: Place, culprit: str) -> None:
        message = "d_i is not the hash (88) of the share"
        self._findings.check("R.decryption-commitment", holds, place, message, culprit)

    def _shares_again(
        self, session: _Session, statement: pb.DecryptionResponses
    ) -> list[pb.DecryptionShare]:
        number = session.shares[statement.trustee, statement.first]
        artifact, _ = parse_artifact(self._reread(number))
        assert artifact is not None, "the bytes are those that were parsed before"
        return list(artifact.decryption_shares.shares)

    # --- one share ---------------------------------------------------------------------------

    def _proven(
        self,
        session: _Session,
        trustee: int,
        i: int,
        numbers: tuple[mpz, mpz, mpz],
        response: mpz,
    ) -> bool:
        """Whether a share is in the group and its proof holds.

        c is recomputed (90) from all shares. If another trustee's share was altered, that
        c is wrong for everybody; a published decryption whose proof holds then vouches
        for the right one, so that only the altered share fails.
        """
        if not all(self._group.is_member(x) for x in numbers):
            return False
        cell, option = self._ciphertexts[i]
        decrypted = self._option(cell, option)
        for ciphertext in candidates(cell, option):
            if not usable(self._group, ciphertext):
                continue
            challenges = [self._challenge(session, i, ciphertext)]
            if decrypted is not None and decrypted.proven and decrypted.challenge is not None:
                challenges.append(decrypted.challenge)
            if any(
                self._holds(session, trustee, ciphertext[0], numbers, c, response)
                for c in dict.fromkeys(challenges)
            ):
                return True
        return False

    def _option(self, cell: EncryptedCell, option: int) -> Option | None:
        options = self._counting.decrypted.get((cell.unit, cell.contest.label), {})
        return options.get(option)

    def _challenge(self, session: _Session, i: int, ciphertext: tuple[mpz, mpz]) -> mpz:
        cell, option = self._ciphertexts[i]
        combined = session.combined[i]
        return mpz(
            decryption_challenge(
                self._group,
                self._keys.extended_hash,
                (cell.contest.index, option + 1),
                ciphertext,
                (combined.a, combined.b),
                combined.factor,
            )
        )

    def _holds(
        self,
        session: _Session,
        trustee: int,
        alpha: mpz,
        numbers: tuple[mpz, mpz, mpz],
        challenge: mpz,
        response: mpz,
    ) -> bool:
        """Check (94) and (95); (94) says nothing once V2 has refuted the commitments."""
        group = self._group
        factor, a, b = numbers
        c = challenge * group.lagrange(trustee, session.trustees) % group.q
        if self._commitments_hold:
            if trustee not in self._share_keys:
                self._share_keys[trustee] = self._ceremony.share_key(trustee)
            key = self._share_keys[trustee]
            if group.g_power(response) * group.power(key, c) % group.p != a:
                return False
        return bool(group.power(alpha, response) * group.power(factor, c) % group.p == b)

    # --- the end of a session ------------------------------------------------------------------

    def end(self) -> None:
        """Close a session: shares that never got a response must open d_i all the same."""
        if self._session is not None:
            for (trustee, _), place in self._session.unopened.items():
                self._opened(False, place, f"trustee {trustee}")
            self._session.unopened.clear()

    def combination(self) -> None:
        """Check that the published decryptions combine the last session (R.combination)."""
        session = self._session
        if session is None or not session.finished("responses"):
            return
        for i, (cell, option) in enumerate(self._ciphertexts):
            combined, published = session.combined[i], self._option(cell, option)
            if published is None or not published.proven or not combined.sound:
                continue
            holds = any(
                published.challenge == self._challenge(session, i, ciphertext)
                and published.response == combined.response
                and published.value == self._group.divide(ciphertext[1], combined.factor)
                for ciphertext in candidates(cell, option)
                if usable(self._group, ciphertext)
            )
            message = "c, v or T is not what the session's shares combine to"
            self._findings.check("R.combination", holds, published.place, message, _SERVER)


def _numbers(
    share: pb.DecryptionShare, reader: Reader | None, place: Place | None
) -> tuple[mpz, mpz, mpz]:
    """Decode (M_i, a_i, b_i), with a report of wrong widths if there is a reader."""
    fields = (("M_i", share.partial_decryption), ("a_i", share.a), ("b_i", share.b))
    if reader is None:
        factor, a, b = (mpz(int.from_bytes(data, "big")) for _, data in fields)
    else:
        factor, a, b = (reader.element(data, name, place) for name, data in fields)
    return factor, a, b
