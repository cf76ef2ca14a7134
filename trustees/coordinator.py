"""The server's side of the trustees: who is there, who is late, and the next session.

The coordinator can delay and nothing else. What trustees say goes through the log, which
checks and proves it; what it decides itself, the set U, is published and signed. The
shares of challenged ballots' nonces are the one thing it is told in confidence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from crypto.errors import Malformed, Rejected
from record.artifacts import (
    PART,
    Artifact,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShares,
    EncryptedShares,
    KeyConfirmation,
    TrusteeKeys,
)
from record.log import Log
from record.proofs import rejecting
from record.state import Phase, Round, SessionState, State, Status

PRESENT = 10.0
"""Seconds after which somebody who was heard from is not there any more."""

TRUSTEE_STATEMENTS = (
    TrusteeKeys,
    EncryptedShares,
    KeyConfirmation,
    DecryptionCommitments,
    DecryptionShares,
    DecryptionResponses,
)
_ROUND_NAMES = {
    Round.COMMITMENTS: "commitments",
    Round.SHARES: "partial decryptions",
    Round.RESPONSES: "responses",
}


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
        self._clock = clock
        self._heard: dict[int, float] = {}
        self._lock = threading.Lock()

    # --- who is there

    def attend(self, trustee: int) -> None:
        """Trustee i was heard from."""
        with self._lock:
            self._heard[trustee] = self._clock()

    def present(self) -> tuple[int, ...]:
        """Who was heard from in the last 10 seconds, ascending."""
        since = self._clock() - PRESENT
        with self._lock:
            return tuple(sorted(i for i, heard in self._heard.items() if heard >= since))

    def notices(self) -> tuple[str, ...]:
        """Who holds the round up that is due, one sentence each, and what can be done."""
        state = self._state
        due, present = _due(state), self.present()
        if due is None:
            return self._idle_notices(state, present)
        return tuple(
            f"Waiting for the {due.what} of trustee {i}, {state.context.trustee_key(i).name} "
            f"({'connected' if i in present else 'not connected'})."
            for i in due.expected
            if not due.done(i)
        )

    def _idle_notices(self, state: State, present: Sequence[int]) -> tuple[str, ...]:
        quorum = state.context.quorum
        if state.phase is Phase.TALLIED and state.session is None and len(present) < quorum:
            return (f"Trustees connected: {len(present)}; decrypting needs {quorum}.",)
        return ()

    # --- what trustees say

    def post(self, artifact: Artifact) -> int:
        """Put a trustee's statement on the record; returns its index.

        Raises as `Log.append`, and R.order for a statement that is not a trustee's.
        """
        if not isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            raise Rejected(
                "R.order",
                f"a {artifact.name} is not a trustee's statement",
                where=artifact.name,
                advice="send it where its role sends its statements",
            )
        return self._log.append(artifact.data)

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
        if now is None or now.number != session or trustee not in now.trustees:
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

    # --- the next session

    def start_decryption(self, trustees: Sequence[int] = ()) -> tuple[int, tuple[int, ...]]:
        """Publish the next session with these trustees, or with all that are present.

        Returns its number and U. A session whose trustee has disappeared is ended by
        starting the next one. Raises R.order before the encrypted tallies are there and
        once all are decrypted, R.session if fewer than the quorum are asked for or
        present, if one that is asked for is not, and once tallies are being published.
        """
        state, present = self._state, self.present()
        if state.phase is not Phase.TALLIED:
            raise Rejected(
                "R.order",
                f"nothing is decrypted while the election is {state.phase.name.lower()}",
                where="decryption_session",
                advice="close the polls first and wait for the encrypted tallies",
            )
        chosen = tuple(sorted(set(trustees) or present))
        absent = [i for i in chosen if i not in present]
        if absent:
            raise _no_session(f"not connected: trustees {', '.join(map(str, absent))}")
        if len(chosen) < state.context.quorum:
            raise _no_session(
                f"{len(chosen)} trustees are below the quorum, {state.context.quorum}"
            )
        number = state.session.number + 1 if state.session else 1
        self._log.publish(DecryptionSession(number, chosen))
        return number, chosen

    @property
    def _state(self) -> State:
        return self._log.transcript.state


def _no_session(problem: str) -> Rejected:
    return Rejected(
        "R.session",
        problem,
        where="decryption_session",
        advice="ask the trustees to start their programs, or choose others",
    )


# --- the round that is due


class _Due:
    """What is waited for, from whom, and who has done it."""

    def __init__(self, what: str, expected: Sequence[int], done: Callable[[int], bool]) -> None:
        self.what = what
        self.expected = expected
        self.done = done


def _due(state: State) -> _Due | None:
    everybody = range(1, state.context.trustees + 1)
    match state.phase:
        case Phase.KEYS:
            return _Due("keys", everybody, state.trustee_keys.__contains__)
        case Phase.SHARES:
            return _Due("shares", everybody, state.encrypted_shares.__contains__)
        case Phase.CONFIRMATION:
            return _Due("confirmation", everybody, state.confirmations.__contains__)
        case Phase.TALLIED if state.session is not None:
            return _due_in(state.session)
    return None


def _due_in(session: SessionState) -> _Due | None:
    for round_ in Round:
        if not session.complete(round_):
            return _Due(
                _ROUND_NAMES[round_],
                session.trustees,
                lambda i, round_=round_: session.done(round_, i),  # type: ignore[misc]
            )
    return None
