"""Which trustees are there, and that there is one program for each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from crypto.errors import Rejected

PROGRAM_BYTES = 16
"""Bytes that name a program; see coordinator.proto."""
PRESENT = 10.0
"""Seconds after which somebody who was heard from is not there any more."""


@dataclass(frozen=True, slots=True)
class _Heard:
    program: bytes
    at: float


class Attendance:
    """Safe to use from several threads.

    Two programs of one trustee would each draw secrets of their own and say different
    things, which the record takes for a cheat. So the place is the first one's as long as
    it is heard from: both are told before anything of the second one counts.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[int, _Heard] = {}
        self._lock = threading.Lock()

    def attend(self, trustee: int, program: bytes) -> None:
        """Trustee i was heard from; no `program` is a program of its own.

        Raises R.program if it was another program a moment ago.
        """
        now = self._clock()
        with self._lock:
            last = self._heard.get(trustee)
            if last is not None and last.program != program and now - last.at <= PRESENT:
                raise Rejected(
                    "R.program",
                    f"another program is connected as trustee {trustee}",
                    where="attendance",
                    advice="close it, there or on the other machine; if it has just ended, "
                    f"its place is free in {PRESENT:.0f} seconds",
                )
            self._heard[trustee] = _Heard(program, now)

    def present(self) -> tuple[int, ...]:
        """Who was heard from in the last seconds, ascending."""
        since = self._clock() - PRESENT
        with self._lock:
            return tuple(sorted(i for i, heard in self._heard.items() if heard.at >= since))
