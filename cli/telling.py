"""What a trustee's program tells the person before it: lines, and a bar for long work."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import Progress

from cli.bars import progress_bar, tenths
from cli.common import errors, note
from crypto.errors import SailauError
from record.artifacts import Purpose
from record.state import State
from trustees.client import Told
from trustees.messages import Computing, Refusing, Sending, Waiting


class Telling:
    """Tells events on standard error. A bar where there is a terminal, lines elsewhere.

    What belongs to a drill is called so: `state` gives what trustee `index` has read. A
    refusal is kept in `refused` and told by whoever ends the program with it.
    """

    def __init__(self, index: int = 0) -> None:
        self.state: Callable[[], State | None] = lambda: None
        self.refused: SailauError | None = None
        self._index = index
        self._drill = 0
        self._bar: Progress | None = None
        self._what = ""
        self._tenths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_bar()

    def __call__(self, event: Told) -> None:
        """Tell one event."""
        if isinstance(event, Computing):
            if errors.is_terminal:
                self._show(event)
            else:
                self._count(event)
            return
        self._end_bar()
        if isinstance(event, Refusing):
            self.refused = event.reason
            return
        self._end_drill()
        drill = self._number_of_drill() if isinstance(event, Sending | Waiting) else 0
        note(f"drill {drill}: {event}" if drill else str(event))
        self._drill = drill or self._drill

    def _number_of_drill(self) -> int:
        """The session's number, if a drill is on in which this trustee takes part."""
        state = self.state()
        session = state.session if state is not None else None
        if session is None or session.purpose is not Purpose.DRILL:
            return 0
        on = not session.over and session.round() is not None
        return session.number if on and self._index in session.trustees else 0

    def _end_drill(self) -> None:
        """Say once that the drill is done that was told of."""
        state = self.state()
        drill = state.drill if state is not None else None
        if not self._drill or drill is None or drill.number < self._drill:
            return
        if drill.number > self._drill or self._index in drill.answered():
            if drill.number == self._drill:
                note(f"drill {drill.number}: answered; your share of the key works")
            self._drill = 0

    def _show(self, event: Computing) -> None:
        """Move the bar; a new one for new work."""
        if self._bar is None or event.what != self._what:
            self._end_bar()
            self._bar = progress_bar(errors)
            self._bar.add_task(f"computing the {event.what}", total=event.total)
            self._bar.start()
            self._what = event.what
        self._bar.update(self._bar.task_ids[0], completed=event.done, total=event.total)

    def _count(self, event: Computing) -> None:
        """A line for every tenth."""
        done = tenths(event.done, event.total)
        if event.what != self._what or done > self._tenths:
            note(str(event))
        self._what, self._tenths = event.what, done

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._what = None, ""
