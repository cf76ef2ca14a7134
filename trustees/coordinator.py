"""The server's side of the trustees: who is there, what they say, and the next session.

The coordinator can delay and nothing else. What trustees say goes through the log, which
checks and proves it; what it decides itself, the set U, is published and signed. The
shares of challenged ballots' nonces are the one thing it is told in confidence.

A message that the record cannot take and that proves by itself that its trustee broke
the protocol is published in an accusation. If that ends a session, the next one begins
without the culprit as soon as enough of the others are there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from crypto.errors import Malformed, Rejected
from record.accusations import accusation_of
from record.artifacts import (
    PART,
    TRUSTEE_STATEMENTS,
    Artifact,
    DecryptionSession,
    Purpose,
)
from record.log import Log
from record.proofs import rejecting
from record.state import Phase, State, Status
from trustees import notices
from trustees.attendance import Attendance

LOGGER = logging.getLogger(__name__)


class NonceShareStore(Protocol):
    """Keeps nonce shares; `ballotbox.store.Store` is one."""

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """Keep m_i (107), encoded, by confirmation code; durable when this returns."""
        ...


class Coordinator:
    """Safe to use from several threads."""

    def __init__(
        self, log: Log, store: NonceShareStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._store = store
        self._attendance = Attendance(clock)
        self._beginning = threading.Lock()

    # --- who is there

    def attend(self, trustee: int, program: bytes = b"") -> None:
        """Trustee i was heard from; raises R.program if it was another program just now."""
        self._attendance.attend(trustee, program)
        self._go_on()

    def present(self) -> tuple[int, ...]:
        """Who was heard from in the last 10 seconds, ascending."""
        return self._attendance.present()

    def notices(self) -> tuple[str, ...]:
        """What holds things up, one sentence each, and what can be done."""
        return notices.notices(self._state, self.present())

    # --- what trustees say

    def parse(self, trustee: int, data: bytes) -> Artifact:
        """What trustee i has sent; raises `Malformed`.

        If it signed a value that is none, it is accused of it.
        """
        try:
            return self._log.transcript.parse(data)
        except Malformed:
            self._accuse(trustee, data)
            raise

    def post(self, trustee: int, artifact: Artifact) -> int:
        """Put a statement of trustee i on the record; returns its index.

        Raises as `Log.append`, and R.order for a statement that is not a trustee's. What
        proves that it broke the protocol is published before it is refused.
        """
        if not isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            raise Rejected(
                "R.order",
                f"a {artifact.name} is not a trustee's statement",
                where=artifact.name,
                advice="send it where its role sends its statements",
            )
        try:
            return self._log.append(artifact.data)
        except Rejected:
            self._accuse(trustee, artifact.data)
            raise

    def _accuse(self, trustee: int, message: bytes) -> None:
        """Publish what the message proves about its signer, if anything."""
        try:
            found = accusation_of(self._log.transcript, message, trustee, self._log.read)
            if found is None:
                return
            index = self._log.publish(found)
        except Rejected as error:
            # The record went on meanwhile, or somebody else was faster.
            LOGGER.info("trustee %d is not accused: %s", trustee, error.check)
            return
        LOGGER.warning("trustee %d is accused in artifact %d: %s", trustee, index, found.check)
        self._go_on()

    def post_nonce_shares(
        self, trustee: int, session: int, shares: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Store partial decryptions m_i of challenged ballots' nonces (spec 3.6.7, eq. 107).

        `shares` are codes (32 bytes) and encoded elements. Raises `Malformed` for one that
        is none, `Rejected` for another session than the one that is on (R.session), for
        a ballot that is not challenged (R.challenged) and for an element outside the
        subgroup (R.nonce-share); nothing is stored then.
        """
        if not 0 < len(shares) <= PART:
            raise Malformed("shares", f"has {len(shares)} entries, not 1..{PART}")
        self._check_session(trustee, session)
        for n, (code, element) in enumerate(shares):
            self._check_nonce_share(trustee, f"shares[{n}]", code, element)
        self._store.save_nonce_shares(session, trustee, dict(shares))

    def _check_session(self, trustee: int, session: int) -> None:
        now = self._state.session
        if (
            now is None
            or (now.number, now.purpose) != (session, Purpose.TALLY)
            or trustee not in now.trustees
            or trustee in self._state.accused
        ):
            raise Rejected(
                "R.session",
                f"trustee {trustee} is not in session {session}, or that is not the one that is on",
                culprit=f"trustee {trustee}",
                where="nonce shares",
            )

    def _check_nonce_share(self, trustee: int, path: str, code: bytes, element: bytes) -> None:
        entry = self._state.ballots.get(code)
        if entry is None or entry.status is not Status.CHALLENGED:
            raise Rejected(
                "R.challenged",
                "no challenged ballot has this code",
                culprit=f"trustee {trustee}",
                where=f"code {code.hex()[:16]}",
            )
        group = self._state.context.group
        m_i = group.parse_element(element, f"{path}.partial_decryption")
        with rejecting("R.nonce-share", f"trustee {trustee}", f"code {code.hex()[:16]}"):
            group.check_member(m_i, "m_i")

    # --- sessions

    def start_decryption(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Publish the next session with these trustees, or with all that are present.

        It is about the tallies; when those are decrypted, about the next challenged
        ballot that is not opened yet. Returns its number and U. A session whose trustee
        has disappeared is ended by starting the next one. Raises R.order before the
        encrypted tallies are there and once there is nothing left to decrypt, R.session
        if fewer than the quorum are asked for or present, if one that is asked for is
        not or is accused, and while tallies are being published.
        """
        with self._beginning:
            state = self._state
            if state.phase is not Phase.TALLIED:
                raise _not_now(
                    f"nothing is decrypted while the election is {state.phase.name.lower()}",
                    "close the polls first and wait for the encrypted tallies",
                )
            if _tallies_are_done(state):
                code = state.challenged[state.opened]
                return self._begin(Purpose.BALLOT, self._chosen(trustees), code)
            return self._begin(Purpose.TALLY, self._chosen(trustees))

    def start_drill(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Publish a drill with these trustees, or with all that are present.

        Returns its session's number and U. Raises R.order but in the phases ready and
        open, R.session as `start_decryption` does.
        """
        with self._beginning:
            state = self._state
            if state.phase not in (Phase.READY, Phase.OPEN):
                raise _not_now(
                    f"there are no drills while the election is {state.phase.name.lower()}",
                    "the time for them is from the confirmation of the keys to the close",
                )
            return self._begin(Purpose.DRILL, self._chosen(trustees))

    def _chosen(self, trustees: Sequence[int]) -> tuple[int, ...]:
        state, present = self._state, self.present()
        eligible = [i for i in present if i not in state.accused]
        chosen = tuple(sorted(set(trustees) or eligible))
        for i in chosen:
            if i in state.accused:
                raise _no_session(f"trustee {i} is accused ({state.accused[i].check})")
        absent = [i for i in chosen if i not in present]
        if absent:
            who = "trustee" if len(absent) == 1 else "trustees"
            raise _no_session(f"not connected: {who} {', '.join(map(str, absent))}")
        quorum = state.context.quorum
        if len(chosen) < quorum:
            raise _no_session(f"{len(chosen)} trustees are below the quorum, {quorum}")
        return chosen

    def _begin(
        self, purpose: Purpose, chosen: tuple[int, ...], code: bytes = b""
    ) -> tuple[int, tuple[int, ...]]:
        number = self._state.last_session + 1
        self._log.publish(DecryptionSession(number, chosen, purpose, code))
        return number, chosen

    def _go_on(self) -> None:
        """After an accusation: the same once more, with those that are left and there."""
        session = self._state.session
        if session is None or not session.over or session.round() is None:
            return
        with self._beginning:
            state, now = self._state, self._state.session
            if now is not session or state.phase >= Phase.COUNTED:
                return
            there = [i for i in self.present() if i not in state.accused]
            mine = [i for i in there if i in session.trustees]
            chosen = mine if len(mine) >= state.context.quorum else there
            if len(chosen) < state.context.quorum:
                return
            try:
                self._begin(session.purpose, tuple(chosen), session.confirmation_code)
            except Rejected as error:  # The polls closed, or the like.
                LOGGER.info("session %d has no successor: %s", session.number, error.check)

    @property
    def _state(self) -> State:
        return self._log.transcript.state


def _tallies_are_done(state: State) -> bool:
    """Whether a ballot's session is due instead of the tallies'.

    Where there are no tallies, the first session is about them all the same: it brings
    the nonces of challenged ballots.
    """
    if len(state.decrypted_tallies) < len(state.encrypted_tallies):
        return False
    session = state.session
    return bool(state.encrypted_tallies) or (session is not None and session.round() is None)


def _not_now(problem: str, advice: str) -> Rejected:
    return Rejected("R.order", problem, where="decryption_session", advice=advice)


def _no_session(problem: str) -> Rejected:
    return Rejected(
        "R.session",
        problem,
        where="decryption_session",
        advice="ask the trustees to start their programs, or choose others",
    )
