"""What the server says about its own running, on the record (docs/record.md, "Operation").

`starting` and `stopping` say what is due, from the record and what happened; `Acts`
writes it, and again later if the database cannot take it now.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ballotbox.board import Board
from crypto.errors import NotNow, Rejected
from record.artifacts import Action, Operation, Role
from record.state import Phase, State
from record.wire import MAX_TEXT, MINUTE

LOGGER = logging.getLogger(__name__)

KEYS = ("log", "server", "tls")
"""The names of the keys in the server's key store, as the record has them."""
_TOOK_OVER = "took over from another server"
_MAX_VALUE = 1000
"""Characters of a setting that are published: all settings have to fit in one operation."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is known when the server may write.

    `reason` is the operator's; without one it is read off the record, and `purpose` says
    what it is for, if not for serving. `keys` were unlocked
    for this start: none if the lead only came back. `settings` are the public ones.
    `recovered` counts artifacts that were filled up, None if nothing was asked for.
    """

    settings: Mapping[str, str]
    reason: str = ""
    keys: tuple[str, ...] = ()
    recovered: int | None = None
    took_over: bool = False
    purpose: str = ""


def starting(state: State, start: Start, now: float) -> tuple[Operation, ...]:
    """What is to be said when the server begins to write; `now` in seconds."""
    reason = start.reason or _why(state)
    if start.took_over:
        reason = f"{_TOOK_OVER}: {start.reason}" if start.reason else _TOOK_OVER
    if start.purpose:
        reason = f"{reason}, {start.purpose}"
    acts: list[Operation] = []
    if start.keys:
        acts.append(_act(Action.KEYS_USED, reason, now, "\n".join(start.keys)))
    settings = settings_text(start.settings)
    if settings != state.configuration:
        how = "other settings than before" if state.configuration else "first settings"
        acts.append(_act(Action.CONFIGURED, how, now, settings))
    if start.recovered is not None:
        filled = f"filled up from a published record: {start.recovered} artifacts were not there"
        acts.append(_act(Action.RECOVERED, filled, now))
    acts.append(_act(Action.SERVER_STARTED, reason, now))
    return _due(state, acts)


def stopping(state: State, reason: str, now: float) -> tuple[Operation, ...]:
    """What is to be said last."""
    return _due(state, [_act(Action.SERVER_STOPPED, reason, now)])


def checked(state: State, lines: Sequence[str], now: float) -> tuple[Operation, ...]:
    """The outcome of `serve --check`, a line for each check."""
    return _due(state, [_act(Action.CHECKED, "serve --check", now, "\n".join(lines))])


def settings_text(settings: Mapping[str, str]) -> str:
    """One "name: value" a line, in the order of the names."""
    return "\n".join(f"{name}: {settings[name][:_MAX_VALUE]}" for name in sorted(settings))


def _why(state: State) -> str:
    if state.last_server_action is None:
        return "first start"
    if state.last_server_action is Action.SERVER_STOPPED:
        return "start after an orderly end"
    return "start again after an end that was not orderly"


def _act(action: Action, reason: str, now: float, details: str = "") -> Operation:
    minute = int(now) // MINUTE * MINUTE
    return Operation(Role.SERVER, action, _cut(reason), minute, details=details)


def _due(state: State, acts: Sequence[Operation]) -> tuple[Operation, ...]:
    if state.phase in (Phase.COMPLETE, Phase.ABORTED):
        return ()
    return tuple(_distinct(state, act) for act in acts)


def _distinct(state: State, act: Operation) -> Operation:
    """The act, or the same in other words: within a minute nothing is said twice (R.duplicate)."""
    number, one = 1, act
    while one in state.operations:
        number += 1
        more = f" (number {number} in this minute)"
        one = replace(act, reason=_cut(act.reason, len(more)) + more)
    return one


def _cut(reason: str, room: int = 0) -> str:
    """As much of it as the record takes, with so many bytes left."""
    return reason.encode()[: MAX_TEXT - room].decode(errors="ignore")


class Acts:
    """Writes the server's acts. For one thread."""

    def __init__(self, board: Board, start: Start, clock: Callable[[], float] = time.time) -> None:
        self._board, self._start, self._clock = board, start, clock
        self._due: list[Operation] = []
        self._size = 0

    def started(self) -> None:
        """The server may write: say so, now or at the next `write`."""
        with self._board.reading() as state:
            self._due = [*starting(state, self._start, self._clock())]
        self.write()

    def lost(self) -> None:
        """The server may not write now."""
        self._size = self._board.transcript.state.size

    def leads_again(self) -> None:
        """The server may write again, after `lost`; if it lost that again, nothing is said."""
        try:
            with self._board.reading() as state:
                others = state.size > self._size
                why = "another server wrote meanwhile" if others else "the database was away"
                start = Start(self._start.settings, f"leads again: {why}")
                # What could not be written before stays due.
                self._due += starting(state, start, self._clock())
        except NotNow as error:
            LOGGER.warning("lost again: %s", error)
            return
        self.write()

    def write(self) -> None:
        """Write what is due, as far as the database takes it; raises for anything else."""
        while self._due:
            try:
                self._board.publish(self._due[0])
            except NotNow as error:
                LOGGER.warning("not on the record yet: %s: %s", self._due[0].action.name, error)
                return
            except Rejected as error:  # The election has ended meanwhile.
                LOGGER.warning("not on the record: %s: %s", self._due[0].action.name, error)
            self._due.pop(0)

    def stopped(self, reason: str) -> None:
        """The last thing of an orderly end. It keeps nothing from ending."""
        if self._board.paused:
            return  # whoever leads now says what it does
        try:
            with self._board.reading() as state:
                self._due += stopping(state, reason, self._clock())
            self.write()
        except Exception as error:
            LOGGER.warning("the end is not on the record: %s", type(error).__name__)
