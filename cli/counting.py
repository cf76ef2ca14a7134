"""Seeing the count through: decryption sessions until everything is opened."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ballotbox.client import ElectionStatus
from cli.administrator import Administrator, chosen_trustees, named_trustees
from cli.common import note
from cli.progress import Progress
from crypto.errors import Rejected
from record.artifacts import Purpose
from record.state import Phase, Round, State
from record.transcript import Transcript
from rpc.errors import Unavailable

_STALLED = 15.0
"""Seconds after which a session with an absent trustee is given up."""
_SETTLED = 5.0
"""Seconds without a new artifact after which a complete session is taken to be used up."""
_IDLE = 60.0
"""The same, where the server may still be at work on what the session has brought."""


class Count:
    """Starts decryption sessions: of the tallies, then of ballots that stayed closed.

    A session that has lost a trustee, or in which one keeps the others waiting, is followed
    by one without it. After an accusation the server begins the next one by itself.
    """

    def __init__(
        self,
        admin: Administrator,
        trustees: Sequence[int],
        deadline: float,
        patience: float,
    ) -> None:
        """`trustees` are those to begin with, or none for all; `patience` is in seconds."""
        self._admin = admin
        self._trustees = chosen_trustees(admin.context, trustees)
        self._deadline = deadline
        self._progress = Progress(patience, time.monotonic)
        self._left_out: set[int] = set()
        self._absent_since: float | None = None
        self._size, self._grown = 0, time.monotonic()
        self._transcript: Transcript | None = None
        self._said: tuple[str, ...] = ()
        self._warned: frozenset[int] = frozenset()

    def run(self) -> None:
        """Return when the election is counted; raises Rejected or Unavailable."""
        while True:
            status = self._admin.board.status()
            if status.phase > Phase.TALLIED:
                return
            if status.phase < Phase.CLOSED:
                raise Rejected("R.order", "the polls are not closed", advice="close them first")
            self._tell(status)
            self._check_enough(status)
            if time.monotonic() > self._deadline:
                raise self._too_late(status)
            if status.phase is Phase.TALLIED and self._due(status):
                self._start(status)
            time.sleep(0.5)

    # --- whether another session is due

    def _due(self, status: ElectionStatus) -> bool:
        if status.session == 0:
            wanted = set(self._trustees)
            return self._enough(status) and self._available(status) >= wanted
        if self._progress.complete(status):
            return self._used_up(status)
        if set(status.session_trustees) & set(status.trustees_excluded):
            return False  # The server itself begins the next one.
        return self._abandoned(status) or self._held_up(status)

    def _abandoned(self, status: ElectionStatus) -> bool:
        """Whether the session has lost a trustee for good."""
        if set(status.session_trustees) <= set(status.trustees_present):
            self._absent_since = None
            return False
        if self._absent_since is None:
            self._absent_since = time.monotonic()
            self._tell_absent(status)
        return self._enough(status) and time.monotonic() - self._absent_since > _STALLED

    def _held_up(self, status: ElectionStatus) -> bool:
        """Whether others wait for somebody who is there and does nothing.

        Without that trustee, if the others are enough; else with it: one that was restored
        from a backup has no part in a session that the lost machine had begun.
        """
        slow = self._progress.stalled(status)
        self._warn(status)
        if not slow or not self._enough(status):
            return False
        if self._enough(status, without=slow | self._left_out):
            self._left_out |= slow
            note(f"No progress from {self._names(slow)}; the others begin again without it.")
        else:
            self._left_out.clear()
            note(f"No progress from {self._names(slow)}; all begin again.")
        return True

    def _used_up(self, status: ElectionStatus) -> bool:
        """Whether the session has brought all that it can, and more is wanted.

        Raises Rejected if the counts are there and no session opens a challenged ballot.
        """
        if status.size != self._size:
            self._size, self._grown = status.size, time.monotonic()
        still = time.monotonic() - self._grown
        if still < _SETTLED:
            return False
        state = self._state()
        session = state.session
        if session is None or not session.complete(Round.RESPONSES):
            return False
        if len(state.decrypted_tallies) < len(state.encrypted_tallies):
            return still >= _IDLE and not state.decrypted_tallies
        if state.opened == len(state.challenged):
            return False
        code = state.challenged[state.opened]
        if session.purpose is not Purpose.BALLOT or session.confirmation_code != code:
            return self._enough(status)
        if still >= _IDLE:
            raise Rejected(
                "R.challenged",
                "the counts are on the board, but a challenged ballot cannot be opened, and the "
                "election is not complete: " + " ".join(status.notices),
                where=f"code {code.hex()[:16]}",
                advice="keep the device and the voter's challenge file",
            )
        return False

    def _state(self) -> State:
        """The record, read on from where it was left."""
        if self._transcript is None:
            self._transcript = self._admin.transcript(prove_until=Phase.COMMITMENT)
        else:
            self._admin.read_on(self._transcript)
        return self._transcript.state

    # --- who takes part

    def _available(self, status: ElectionStatus, without: Iterable[int] = ()) -> set[int]:
        there = set(status.trustees_present) - set(status.trustees_excluded)
        return there - set(without)

    def _enough(self, status: ElectionStatus, without: Iterable[int] = ()) -> bool:
        return len(self._available(status, without)) >= self._admin.context.quorum

    def _chosen(self, status: ElectionStatus) -> tuple[int, ...]:
        """Those that were named, if they are there; else all that do not hold others up."""
        named = set(self._trustees) - self._left_out
        there = self._available(status, without=self._left_out)
        if len(named) >= self._admin.context.quorum and named <= there:
            return tuple(sorted(named))
        if self._left_out and len(there) >= self._admin.context.quorum:
            return tuple(sorted(there))
        return ()

    def _start(self, status: ElectionStatus) -> None:
        self._absent_since, self._warned = None, frozenset()
        self._grown = time.monotonic()
        try:
            session, trustees = self._admin.client.start_decryption(self._chosen(status))
        except Rejected as error:
            # Somebody left at this moment, or the session has come to its end meanwhile.
            note(str(error))
            return
        who = "trustee" if len(trustees) == 1 else "trustees"
        note(f"session {session}: {who} {', '.join(map(str, trustees))}")

    # --- what is said

    def _check_enough(self, status: ElectionStatus) -> None:
        """Raise Rejected if those that are left can never decrypt."""
        context = self._admin.context
        left = context.trustees - len(status.trustees_excluded)
        if left < context.quorum:
            raise Rejected(
                "R.session",
                f"{self._names(status.trustees_excluded)} broke the protocol; {left} trustees are "
                f"left, and decrypting needs {context.quorum}: nobody can open the totals of this "
                "election any more",
                where="decryption",
                advice="nothing is damaged: the record stays as it is, and shows why",
            )

    def _too_late(self, status: ElectionStatus) -> Unavailable:
        """Whom to call, when time is up."""
        quorum = self._admin.context.quorum
        there = self._available(status)
        wanted = set(self._trustees or range(1, self._admin.context.trustees + 1))
        away = wanted - there - set(status.trustees_excluded)
        if status.session == 0 and away:
            return Unavailable(
                f"{len(there)} trustees came in time, and decrypting needs {quorum}",
                f"Call {self._names(away)}: they start `sailau trustee run`; then run this again",
            )
        late = set(status.session_trustees) - set(status.trustees_done)
        call = f"Call {self._names(late)}; then run" if late else "Run"
        return Unavailable("the trustees have not finished in time", f"{call} this again")

    def _warn(self, status: ElectionStatus) -> None:
        """Say once, at half time, without whom the others will begin again, and when."""
        soon = frozenset(self._progress.stalled(status, 0.5))
        if not soon or soon == self._warned:
            return
        self._warned = soon
        left = self._progress.patience() / 2
        note(
            f"The others wait for {self._names(soon)}, who is connected and sends nothing. In "
            f"{left:.0f} seconds they begin again, without it if they are enough."
        )

    def _tell_absent(self, status: ElectionStatus) -> None:
        """What will happen to a session that has lost a trustee, and when."""
        absent = set(status.session_trustees) - set(status.trustees_present)
        who = f"{self._names(absent)} is not connected any more"
        if self._enough(status):
            note(
                f"{who}. Unless it comes back, the others begin again without it in "
                f"{_STALLED:.0f} seconds."
            )
        else:
            note(f"{who}. The others are too few to go on without it; ask for its return.")

    def _tell(self, status: ElectionStatus) -> None:
        if status.notices != self._said:
            self._said = status.notices
            for notice in status.notices:
                note(notice)

    def _names(self, trustees: Iterable[int]) -> str:
        return named_trustees(self._admin.context, trustees)
