"""What a trustee's program tells the person before it: lines, and a bar for long work."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.common import errors, note
from trustees.client import Told
from trustees.messages import Computing

_TENTHS = 10


class Telling:
    """Tells events on standard error. A bar where there is a terminal, lines elsewhere."""

    def __init__(self) -> None:
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
        note(str(event))

    def _show(self, event: Computing) -> None:
        """Move the bar; a new one for new work."""
        if self._bar is None or event.what != self._what:
            self._end_bar()
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=errors,
            )
            self._bar.add_task(f"computing the {event.what}", total=event.total)
            self._bar.start()
            self._what = event.what
        self._bar.update(self._bar.task_ids[0], completed=event.done, total=event.total)

    def _count(self, event: Computing) -> None:
        """A line for every tenth."""
        tenths = _TENTHS * event.done // max(event.total, 1)
        if event.what != self._what or tenths > self._tenths:
            note(str(event))
        self._what, self._tenths = event.what, tenths

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._what = None, ""
