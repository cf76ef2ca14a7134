"""The machine's part for decrypting: the session that is on, and what was said in it.

Before a word of a session the policy is asked, the session's nonce key is drawn, and key,
tally and the place in the record are written down in one write. When all answers of this
trustee are on the record, nothing is wanted from it any more, and the session is
forgotten. `running` says what happens in between.

A session in which this trustee has spoken already, but not out of this key store (it was
restored from a backup, or another machine holds a copy of it), is left to the others: no
word of it follows. In the next one this trustee takes part again.
"""

from __future__ import annotations

from collections.abc import Callable

from crypto.errors import Rejected
from record.artifacts import Purpose
from record.sessions import places
from record.state import Phase, Round, SessionState
from trustees import policy
from trustees.ceremony import KeyShares
from trustees.decryption import Answers, Resources
from trustees.desk import Desk
from trustees.messages import Event, Finished, PostNonceShares, Step, Waiting
from trustees.nonces import NonceKey, Session, tally_digest
from trustees.running import ROUND_NAMES, Running
from trustees.vault import SESSION, TALLY, nonce_key_value

_PURPOSES = {
    Purpose.TALLY: "decryption",
    Purpose.DRILL: "drill",
    Purpose.BALLOT: "decryption of a challenged ballot",
}


class SessionRounds:
    """The decryption sessions of one trustee, one after the other. Secret."""

    def __init__(
        self,
        desk: Desk,
        key_shares: Callable[[], KeyShares],
        verify: policy.Verify,
        resources: Resources,
    ) -> None:
        self._desk = desk
        self._key_shares = key_shares
        self._verify = verify
        self._resources = resources
        self._verified = False
        self._running: Running | None = None

    def __repr__(self) -> str:
        return "SessionRounds(<redacted>)"

    def step(self) -> Step:
        """What is due once the keys are confirmed; raises `Rejected` to refuse."""
        state = self._desk.state
        now = state.session
        if now is None or state.phase >= Phase.COUNTED or self._has_said_all(now):
            self.forget()
            return Step(idle(self._desk))
        if self._running is None or self._running.session.number != now.number:
            self.close()
            self._running = self._begin(now)
        if self._running is None:
            return Step(_OTHER_COPY)
        try:
            return self._running.step(now) or Step(idle(self._desk))
        except Rejected as error:
            if error.check != "P.key-store" or not self._spoke_in(now):
                raise
            # Another copy of the key store spoke in this session: it is not ours.
            self.forget()
            return Step(_OTHER_COPY)

    def posted(self, message: PostNonceShares) -> None:
        """The server has stored these nonce shares."""
        if self._running is not None and self._running.session.number == message.session:
            self._running.nonces_posted += len(message.shares)

    def close(self) -> None:
        """Stop what is being computed ahead."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def forget(self) -> None:
        """The session is over: its secrets will never be used again."""
        if self._running is not None or self._desk.vault.get(SESSION) is not None:
            self.close()
            self._resources.scratch.clear()
            if self._desk.reader.caught_up:
                # Or a board could show the session again, and have us sign other commitments.
                self._desk.vault.save(self._desk.reader.value())
            self._desk.vault.erase(SESSION)

    def _has_said_all(self, now: SessionState) -> bool:
        i = self._desk.index
        if now.over or i not in now.trustees:
            return True
        # Without ciphertexts a session of the tallies is about the nonces of ballots alone.
        nonces_only = now.purpose is Purpose.TALLY and now.part_count() == 0
        return now.done(Round.RESPONSES, i) and not nonces_only

    def _spoke_in(self, now: SessionState) -> bool:
        return bool(now.parts.get((Round.COMMITMENTS, self._desk.index)))

    def _begin(self, now: SessionState) -> Running | None:
        """Our part in the session; None if another copy of the key store has begun it."""
        desk, shares = self._desk, self._key_shares()
        state = desk.state
        ciphertexts = places(state, desk.reader.read)
        session = Session(state.need_keys(), desk.index, now.number, now.trustees, ciphertexts)
        stored = desk.vault.session(session.group)
        if stored is None or stored.number < now.number:
            if self._spoke_in(now):
                return None
            key: NonceKey | None = self._open_session(session, now)
            answers = None
        else:
            ours = (stored.number, stored.binding) == (now.number, session.binding())
            policy.check_own_message(ours, desk.index, f"session {stored.number}")
            key = stored.key
            answers = Answers(session, stored.answers) if key is None else None
            if key is None:
                self._resources.scratch.clear()  # a crash may have come before it
        return Running(desk, session, shares, key, answers, self._resources)

    def _open_session(self, session: Session, now: SessionState) -> NonceKey:
        """Ask the policy, then draw the nonce key and write it down."""
        desk = self._desk
        policy.check_session(desk.state, desk.index, now)
        values = {} if now.purpose is Purpose.DRILL else self._check_tally(session, now)
        self._resources.scratch.clear()
        key = NonceKey.generate(session)
        desk.vault.save({**values, **nonce_key_value(key), **desk.reader.value()})
        return key

    def _check_tally(self, session: Session, now: SessionState) -> dict[str, bytes]:
        """There is one tally, and the record behind it passes; what to remember of that."""
        desk = self._desk
        digest = tally_digest(session.group, desk.state.tally_places())
        begun = desk.vault.get(TALLY)
        if now.purpose is Purpose.TALLY:
            policy.check_tallies(desk.state, desk.reader.read)
        policy.check_same_tally(begun, digest)
        if begun is None and not self._verified:
            policy.check_verdict(self._verify)
            self._verified = True
        return {TALLY: digest} if now.purpose is Purpose.TALLY else {}


_OTHER_COPY = Waiting("the next session: this one was begun with another copy of the key store")


def idle(desk: Desk) -> Event:
    """What a trustee waits for that has nothing to say in a session."""
    state, i = desk.state, desk.index
    now = state.session
    if state.phase >= Phase.COUNTED:
        return Finished()
    if now is not None and now.over and now.round() is not None:
        accused = desk.names(j for j in now.trustees if j in state.accused)
        return Waiting("the next session, which leaves out", accused)
    if now is not None and (round_ := now.round()) is not None:
        if i not in now.trustees:
            return Waiting(f"the {_PURPOSES[now.purpose]} by the others")
        others = (j for j in now.trustees if not now.done(round_, j))
        return Waiting(f"the {ROUND_NAMES[round_]} of", desk.names(others))
    match state.phase:
        case Phase.READY:
            return Waiting("the polls to open")
        case Phase.OPEN:
            return Waiting("the polls to close")
        case Phase.CLOSED:
            return Waiting("the encrypted tallies")
    if now is None:
        return Waiting("the administrator to start the decryption")
    return Waiting("the server to publish the results")
