"""What `sailau serve` writes on standard error: JSON for machines, or lines for people.

Everything that our modules, uvicorn and SQLAlchemy log goes one way: `logging` collects
it, structlog writes it. Others than ours are heard from WARNING on; what they tell below
that has addresses and statements in it.

An entry never quotes an exception's message, which may hold what the code was working on,
unless the exception is one of ours. With `verbose` there is an entry for each call, so the
time of every entry is cut to the minute, as it is on the record: seconds beside calls would
tell when a ballot came more finely than its group does.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from crypto.errors import SailauError
from record.wire import MINUTE

JSON, CONSOLE = "json", "console"
OURS = ("ballotbox", "cli", "identity", "observers", "record", "rpc", "tally", "trustees")
"""The packages whose entries of every level are written."""


def configure_logs(
    *,
    verbose: bool,
    form: str | None = None,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Take over all logging of this process.

    `form` is JSON or CONSOLE; without one the stream decides, by being a terminal or not.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    form = form or (CONSOLE if terminal else JSON)
    before = _before(_Clock(clock, MINUTE if verbose else 1))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False)
                if form == CONSOLE
                else structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Whoever has asked for more before, in the program itself, gets it.
    root.setLevel(min(root.level, logging.WARNING))
    level = min(root.level, logging.INFO if verbose else logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _thread_died


def _before(clock: Processor) -> Sequence[Processor]:
    return (
        clock,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(["method", "role", "status", "in_thread"]),
        _without_messages,
    )


class _Clock:
    """Adds `timestamp` in UTC, cut to so many seconds, as the first of an entry."""

    def __init__(self, clock: Callable[[], float], step: int) -> None:
        self._clock, self._step = clock, step

    def __call__(self, _: WrappedLogger, __: str, entry: EventDict) -> EventDict:
        now = int(self._clock()) // self._step * self._step
        return {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)), **entry}


def _without_messages(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """An exception as its kind and the lines of code that it came through."""
    info = entry.pop("exc_info", None)
    entry.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        kind = type(error).__name__
        entry["error"] = f"{kind}: {error}" if isinstance(error, SailauError) else kind
        entry["frames"] = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return entry


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is None or isinstance(died.exc_value, SystemExit):
        return
    name = died.thread.name if died.thread else "-"
    logging.getLogger(__name__).error(
        "a thread of this server has ended with an error",
        exc_info=died.exc_value,
        extra={"in_thread": name},
    )
