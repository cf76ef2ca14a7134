"""What many calls run into is said once in the log: an anonymous caller must not fill it."""

from __future__ import annotations

import logging
import threading
import time

from ballotbox.errors import StoreError

AGAIN = 600.0
"""Seconds after which the same is said again, if it is still so."""
_MOST = 256

_guard = threading.Lock()
_said: dict[str, float] = {}


def error_once(logger: logging.Logger, what: str, error: StoreError) -> None:
    """Log "what: error" as an error, unless this error was said in the last ten minutes.

    Errors are the same if their words are: `what` may be different. Whoever answers a call
    with it sees in `said` that nothing is left to be logged.
    """
    error.said = True
    words, now = str(error), time.monotonic()
    with _guard:
        if now < _said.get(words, 0.0):
            return
        _said.pop(words, None)
        while len(_said) >= _MOST:
            del _said[next(iter(_said))]
        _said[words] = now + AGAIN
    logger.error("%s: %s", what, error)


def forget(error: StoreError) -> None:
    """It has passed: should it come again, it is said again."""
    with _guard:
        _said.pop(str(error), None)
