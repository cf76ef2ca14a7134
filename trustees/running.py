"""One decryption session that a trustee takes part in: what it says in each round.

Commitments and shares follow from the session's nonce key, so a restart says the same.
Before anything is revealed it is written down how far the record was read: whoever has
seen a_i and b_i cannot have others commit anew in another record. The answers replace the
key in one write before the first of them goes out; from then on only they can be sent.

Shares of challenged ballots' nonces go out before anything that decrypts a tally: once
the answers are on the record, nothing is wanted from a trustee any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from record.artifacts import (
    PART,
    Ballot,
    DecryptionCommitments,
    DecryptionShares,
    Purpose,
    TrusteeStatement,
)
from record.state import Round, SessionState
from trustees import policy
from trustees.ceremony import KeyShares
from trustees.decryption import Answers, Committing, Resources, Revealing, nonce_share
from trustees.desk import Desk
from trustees.messages import PostArtifact, PostNonceShares, Sending, Step
from trustees.nonces import NonceKey, Session
from trustees.reading import Posted
from trustees.vault import answers_value

_M = TypeVar("_M", DecryptionCommitments, DecryptionShares)
ROUND_NAMES = {
    Round.COMMITMENTS: "commitments",
    Round.SHARES: "partial decryptions",
    Round.RESPONSES: "responses",
}


class Running:
    """One session. `key` is there until the answers are."""

    def __init__(
        self,
        desk: Desk,
        session: Session,
        shares: KeyShares,
        key: NonceKey | None,
        answers: Answers | None,
        resources: Resources,
    ) -> None:
        self.session = session
        self.nonces_posted = 0
        self._desk = desk
        self._shares = shares
        self._resources = resources
        self._committing: Committing | None = None
        if key is not None:
            self._committing = Committing(session, shares, key, resources)
        self._revealing: Revealing | None = None
        self._answers = answers

    def close(self) -> None:
        """Stop what is being computed ahead."""
        if self._committing is not None:
            self._committing.close()

    def step(self, now: SessionState) -> Step | None:
        """What is due; None while the others are late. Raises `Rejected` to refuse."""
        i = self.session.trustee
        challenged = self._desk.state.challenged
        if now.purpose is Purpose.TALLY and self.nonces_posted < len(challenged):
            return self._nonces_step(challenged)
        for round_, part in (
            (Round.COMMITMENTS, self._commitments),
            (Round.SHARES, self._partial_decryptions),
            (Round.RESPONSES, self._responses),
        ):
            if not now.done(round_, i):
                return self._send(round_, now, part)
            if not now.complete(round_):
                break
        return None

    def _send(
        self, round_: Round, now: SessionState, part: Callable[[int], TrusteeStatement]
    ) -> Step:
        number = len(now.parts.get((round_, self.session.trustee), ()))
        data = self._desk.sign(part(number))
        what = ROUND_NAMES[round_]
        return Step(Sending(what, number + 1, now.part_count()), PostArtifact(what, data))

    def _nonces_step(self, challenged: Sequence[bytes]) -> Step:
        first = self.nonces_posted
        codes = challenged[first : first + PART]
        shares = tuple((code, self._nonce_share(code)) for code in codes)
        event = Sending(
            "nonces of challenged ballots", first // PART + 1, -(-len(challenged) // PART)
        )
        return Step(event, PostNonceShares(self.session.number, shares))

    def _nonce_share(self, code: bytes) -> bytes:
        state, group = self._desk.state, self.session.group
        policy.check_challenged(state, code)
        ballot = self._desk.reader.read(state.ballots[code].index).statement
        if not isinstance(ballot, Ballot):
            raise AssertionError("a code stands for a ballot")
        return group.encode_element(nonce_share(group, ballot, self._shares))

    # --- the rounds

    def _commitments(self, part: int) -> TrusteeStatement:
        return self._need_committing().part(part)

    def _partial_decryptions(self, part: int) -> TrusteeStatement:
        return self._need_revealing().part(part)

    def _responses(self, part: int) -> TrusteeStatement:
        if self._answers is None:
            answers = self._need_revealing().answer(self._messages(Round.SHARES, DecryptionShares))
            session = self.session
            value = answers_value(
                session.group, session.number, session.binding(), answers.responses
            )
            self._desk.vault.save({**value, **self._desk.reader.value()})
            self._answers, self._committing, self._revealing = answers, None, None
            self._resources.scratch.clear()
        return self._answers.part(part)

    def _need_committing(self) -> Committing:
        # Answered already, but the record lacks what came before: not the record we answered.
        policy.check_own_message(
            self._committing is not None, self.session.trustee, "an unfinished round"
        )
        if self._committing is None:
            raise AssertionError("just checked")
        return self._committing

    def _need_revealing(self) -> Revealing:
        if self._revealing is None:
            messages = self._messages(Round.COMMITMENTS, DecryptionCommitments)
            revealing = self._need_committing().reveal(messages)
            # From here on the record with these commitments is the only one.
            self._desk.vault.save(self._desk.reader.value())
            self._revealing = revealing
        return self._revealing

    def _messages(self, round_: Round, kind: type[_M]) -> Mapping[int, Sequence[_M]]:
        now = self._desk.state.session
        if now is None:
            raise AssertionError("a session is on")
        read = self._desk.reader.read
        return {j: Posted(read, now.parts.get((round_, j), ()), kind) for j in now.trustees}
