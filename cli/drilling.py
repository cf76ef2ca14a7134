"""A drill, from the administrator's side: who is asked, who answers, what the record says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ballotbox.client import ElectionStatus
from cli.administrator import Administrator, chosen_trustees, named_trustees
from cli.common import REFUSED, fail, note, say
from crypto.errors import Rejected
from record.state import Phase, State


class Drill:
    """One drill: begun, watched, and seen to its end."""

    def __init__(self, admin: Administrator, trustees: Sequence[int], deadline: float) -> None:
        """`trustees` are indices, or none for all that are connected."""
        self._admin = admin
        self._trustees = chosen_trustees(admin.context, trustees)
        self._deadline = deadline
        self._answered: set[int] = set()

    def run(self) -> None:
        """Return when all who were asked have answered; leaves with code 1 if not all do."""
        self._wait_for_trustees()
        number, asked = self._admin.client.start_drill(self._trustees)
        note(f"Drill, session {number}: asked {self._names(asked)}.")
        while not self._over(number, asked):
            time.sleep(0.5)
        say(f"The shares of {self._names(asked)} work (session {number}).")
        absent = [i for i in range(1, self._admin.context.trustees + 1) if i not in asked]
        if absent:
            say(f"Not asked: {self._names(absent)}.")

    def _wait_for_trustees(self) -> None:
        said = False
        while True:
            status = self._admin.board.status()
            self._check_phase(status)
            missing = self._missing(status)
            if not missing:
                return
            if self._late():
                fail(f"nothing was tried: waiting for {missing}", REFUSED)
            if not said:
                note(f"Waiting for {missing}.")
                said = True
            time.sleep(0.5)

    def _missing(self, status: ElectionStatus) -> str:
        """Who has to be connected and is not, in words."""
        present = set(status.trustees_present) - set(status.trustees_excluded)
        named = [i for i in self._trustees if i not in present]
        if named:
            return f"{self._names(named)} to be connected"
        quorum = self._admin.context.quorum
        return f"{quorum} trustees to be connected" if len(present) < quorum else ""

    def _over(self, number: int, asked: Sequence[int]) -> bool:
        """Whether everybody has answered; leaves if that cannot be any more."""
        status = self._admin.board.status()
        if status.drill == number:
            for i in sorted(set(status.drill_answered) - self._answered):
                self._answered.add(i)
                note(f"{self._names([i])} has answered.")
        missing = [i for i in asked if i not in self._answered]
        if not missing:
            return True
        self._check_phase(status)
        cheats = sorted(set(asked) & set(status.trustees_excluded))
        if cheats:
            fail(
                f"{self._names(cheats)} is proved to have broken the protocol and takes no further "
                "part; the server goes on with the others (`sailau election status`)",
                REFUSED,
            )
        if status.drill != number:
            fail(f"another drill has begun; {self._names(missing)} did not answer", REFUSED)
        if self._late():
            late = [i for i in missing if i not in status.trustees_done]
            fail(
                f"no answer in time: the others wait for {self._names(late)}. Hold another drill, "
                "and name those who are to take part with --trustee",
                REFUSED,
            )
        return False

    def _check_phase(self, status: ElectionStatus) -> None:
        if status.phase not in (Phase.READY, Phase.OPEN):
            raise Rejected(
                "R.order",
                f"the election is {status.phase.name.lower()}: drills stand between the key "
                "ceremony and the close of the polls",
            )

    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _names(self, trustees: Iterable[int]) -> str:
        return named_trustees(self._admin.context, trustees)


def answers_to_drill(status: ElectionStatus) -> str:
    """How the last drill went as the server says, in a sentence."""
    if not status.drill:
        return "No drill was held."
    answered = ", ".join(map(str, status.drill_answered)) or "nobody"
    return f"Last drill (session {status.drill}): answered by {answered}."


def last_drill(state: State) -> str:
    """How the last drill of a record went, in a sentence."""
    drill = state.drill
    if drill is None:
        return "No drill was held."
    answered = ", ".join(map(str, drill.answered())) or "nobody"
    asked = ", ".join(map(str, drill.trustees))
    return f"Last drill (session {drill.number}): asked {asked}, answered {answered}."


def check_drill(state: State, enough: int) -> None:
    """Raise Rejected unless so many trustees, accused ones not counted, answered it.

    It names those who did not.
    """
    answered = state.drill.answered() if state.drill is not None else ()
    counted = [i for i in answered if i not in state.accused]
    if len(counted) < enough:
        names = named_trustees(state.context, set(state.eligible()) - set(counted))
        chosen = " ".join(f"--trustee {i}" for i in state.eligible())
        raise Rejected(
            "R.session",
            f"{len(counted)} trustees answered the last drill; {enough} have to; missing: {names}",
            where="drill",
            advice=f"hold one that waits for them: `sailau election drill {chosen}`",
        )
