"""The machine's part for decrypting: the session that is on, and what was said in it.

Before a word of a session the policy is asked, the session's nonce key is drawn, and key,
tally and the place in the record are written down in one write. Commitments and shares
follow from what is written, so a restart says the same. Before anything is revealed it is
written down how far the record was read: whoever has seen a_i and b_i cannot have others
commit anew in another record. The answers replace the key in
one write before the first of them goes out; from then on only they can be sent.

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
    Statement,
)
from record.state import Phase, Round, SessionState
from trustees import policy
from trustees.ceremony import KeyShares
from trustees.decryption import Answers, Committing, Revealing, nonce_share
from trustees.desk import Desk
from trustees.messages import Finished, PostArtifact, PostNonceShares, Sending, Step, Waiting
from trustees.nonces import NonceKey, Session, tally_digest
from trustees.reading import Posted
from trustees.vault import SESSION, TALLY, answers_value, nonce_key_value

_M = TypeVar("_M", DecryptionCommitments, DecryptionShares)
_NAMES = {
    Round.COMMITMENTS: "commitments",
    Round.SHARES: "partial decryptions",
    Round.RESPONSES: "responses",
}


class SessionRounds:
    """The decryption sessions of one trustee, one after the other. Secret."""

    def __init__(
        self, desk: Desk, key_shares: Callable[[], KeyShares], verify: policy.Verify
    ) -> None:
        self._desk = desk
        self._key_shares = key_shares
        self._verify = verify
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return "SessionRounds(<redacted>)"

    def step(self) -> Step:
        """What is due from the close on; raises `Rejected` to refuse."""
        state, i = self._desk.state, self._desk.index
        if state.phase >= Phase.COUNTED:
            self._running = None
            self._desk.vault.erase(SESSION)
            return Step(Finished())
        if state.session is None:
            return Step(Waiting("the administrator to start the decryption"))
        if i not in state.session.trustees:
            self._running = None
            self._desk.vault.erase(SESSION)
            return Step(Waiting("the decryption by the others"))
        if self._running is None or self._running.session.number != state.session.number:
            self._running = self._begin(state.session)
        return self._running.step(state.session)

    def posted(self, message: PostNonceShares) -> None:
        """The server has stored these nonce shares."""
        if self._running is not None and self._running.session.number == message.session:
            self._running.nonces_posted += len(message.shares)

    def _begin(self, now: SessionState) -> _Running:
        desk, shares = self._desk, self._key_shares()
        state = desk.state
        session = Session(state.need_keys(), desk.index, now.number, now.trustees, state.places())
        stored = desk.vault.session(session.group)
        if stored is None or stored.number < now.number:
            key = self._open_session(session, now)
            return _Running(desk, session, shares, key, None)
        ours = (stored.number, stored.binding) == (now.number, session.binding())
        policy.check_own_message(ours, desk.index, f"session {stored.number}")
        answers = Answers(session, stored.answers) if stored.key is None else None
        return _Running(desk, session, shares, stored.key, answers)

    def _open_session(self, session: Session, now: SessionState) -> NonceKey:
        """Ask the policy, then draw the nonce key and write it down."""
        desk = self._desk
        state = desk.state
        said = now.parts.get((Round.COMMITMENTS, desk.index))
        policy.check_own_message(not said, desk.index, "commitments")
        policy.check_session(state, desk.index, now.number, now.trustees)
        policy.check_tallies(state, desk.reader.read)
        digest = tally_digest(session.group, session.places)
        begun = desk.vault.get(TALLY)
        policy.check_same_tally(begun, digest)
        if begun is None:
            policy.check_verdict(self._verify)
        key = NonceKey.generate(session)
        desk.vault.save({**nonce_key_value(key), TALLY: digest, **desk.reader.value()})
        return key


class _Running:
    """One session. `key` is there until the answers are."""

    def __init__(
        self,
        desk: Desk,
        session: Session,
        shares: KeyShares,
        key: NonceKey | None,
        answers: Answers | None,
    ) -> None:
        self.session = session
        self.nonces_posted = 0
        self._desk = desk
        self._shares = shares
        self._committing = Committing(session, shares, key) if key is not None else None
        self._revealing: Revealing | None = None
        self._answers = answers

    def step(self, now: SessionState) -> Step:
        i = self.session.trustee
        challenged = self._desk.state.challenged
        if self.nonces_posted < len(challenged) and not now.done(Round.RESPONSES, i):
            return self._nonces_step(challenged)
        for round_, part in (
            (Round.COMMITMENTS, self._commitments),
            (Round.SHARES, self._partial_decryptions),
            (Round.RESPONSES, self._responses),
        ):
            if not now.done(round_, i):
                return self._send(round_, now, part)
            if not now.complete(round_):
                others = (j for j in now.trustees if not now.done(round_, j))
                return Step(Waiting(f"the {_NAMES[round_]} of", self._desk.names(others)))
        return Step(Waiting("the server to publish the results"))

    def _send(self, round_: Round, now: SessionState, part: Callable[[int], Statement]) -> Step:
        number = len(now.parts.get((round_, self.session.trustee), ()))
        data = self._desk.sign(part(number))
        what = _NAMES[round_]
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

    def _commitments(self, part: int) -> Statement:
        return self._need_committing().part(part)

    def _partial_decryptions(self, part: int) -> Statement:
        return self._need_revealing().part(part)

    def _responses(self, part: int) -> Statement:
        if self._answers is None:
            answers = self._need_revealing().answer(self._messages(Round.SHARES, DecryptionShares))
            session = self.session
            value = answers_value(
                session.group, session.number, session.binding(), answers.responses
            )
            self._desk.vault.save({**value, **self._desk.reader.value()})
            self._answers, self._committing, self._revealing = answers, None, None
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
