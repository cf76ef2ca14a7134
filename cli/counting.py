"""Seeing the count through: decryption sessions until one comes to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ballotbox.client import ElectionStatus
from cli.administrator import Administrator
from cli.common import note
from crypto.errors import Malformed, Rejected
from record.state import Phase, Round
from rpc.errors import Unavailable

_STALLED = 15.0
"""Seconds after which a session with an absent trustee is given up."""
_IDLE = 60.0
"""Seconds without a new artifact after which the record is looked at for the reason."""


class Count:
    """Starts decryption sessions until one comes to its end."""

    def __init__(self, admin: Administrator, trustees: Sequence[int], deadline: float) -> None:
        self._admin = admin
        self._trustees = tuple(sorted(set(trustees)))
        self._check_trustees()
        self._deadline = deadline
        self._stalled_since: float | None = None
        self._size, self._grown = 0, time.monotonic()
        self._said: tuple[str, ...] = ()

    def run(self) -> None:
        """Return when the election is counted; raises Rejected or Unavailable."""
        while True:
            status = self._admin.board.status()
            if status.phase > Phase.TALLIED:
                return
            if status.phase < Phase.CLOSED:
                raise Rejected("R.order", "the polls are not closed", advice="close them first")
            self._tell(status)
            if time.monotonic() > self._deadline:
                raise Unavailable("the trustees have not finished in time", "run it again")
            if status.phase is Phase.TALLIED and (
                self._due(status) or self._came_to_nothing(status)
            ):
                self._start(status)
            time.sleep(0.5)

    def _check_trustees(self) -> None:
        context, chosen = self._admin.context, self._trustees
        if chosen and (
            len(chosen) < context.quorum or not 1 <= chosen[0] <= chosen[-1] <= context.trustees
        ):
            raise Malformed(
                "--trustee", f"names less than {context.quorum} of 1 to {context.trustees}"
            )

    def _due(self, status: ElectionStatus) -> bool:
        """Whether there is no session, or one that has lost a trustee."""
        present = set(status.trustees_present)
        enough = len(present) >= self._admin.context.quorum and present >= set(self._trustees)
        if status.session == 0:
            return enough
        if set(status.session_trustees) <= present:
            self._stalled_since = None
            return False
        self._stalled_since = self._stalled_since or time.monotonic()
        return enough and time.monotonic() - self._stalled_since > _STALLED

    def _came_to_nothing(self, status: ElectionStatus) -> bool:
        """Whether the session is complete and no count followed: others have to try.

        Raises Rejected if the counts are there and challenged ballots stay closed.
        """
        if status.size != self._size:
            self._size, self._grown = status.size, time.monotonic()
        if status.session == 0 or time.monotonic() - self._grown < _IDLE:
            return False
        self._grown = time.monotonic()
        state = self._admin.transcript(prove_until=Phase.KEYS).state
        if state.session is None or not state.session.complete(Round.RESPONSES):
            return False
        if len(state.decrypted_tallies) < len(state.encrypted_tallies):
            return not state.decrypted_tallies
        if state.opened == len(state.challenged):
            return False
        raise Rejected(
            "R.challenged",
            "the counts are on the board, but a challenged ballot cannot be opened, and the "
            "election is not complete: " + " ".join(status.notices),
            where=f"code {state.challenged[state.opened].hex()[:16]}",
            advice="keep the device and the voter's challenge file",
        )

    def _start(self, status: ElectionStatus) -> None:
        self._stalled_since = None
        chosen = self._trustees if status.session == 0 else ()
        try:
            session, trustees = self._admin.client.start_decryption(chosen)
        except Rejected as error:
            # Somebody left at this moment, or the session has come to its end meanwhile.
            note(str(error))
            return
        note(f"session {session}: trustees {', '.join(map(str, trustees))}")

    def _tell(self, status: ElectionStatus) -> None:
        if status.notices != self._said:
            self._said = status.notices
            for notice in status.notices:
                note(notice)
