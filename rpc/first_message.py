"""How long a call may wait for its one request.

On the wire, a unary call is opened before its request comes, and gRPC waits for that in
one of the listener's threads, without limit in time. Whoever opens such calls and says
nothing more would hold all threads for good.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

LOGGER = logging.getLogger(__name__)
FIRST_MESSAGE = 5.0
"""Seconds within which the request of a unary call comes, besides the time that its bytes take."""
SLOWEST_LINE = 64 << 10
"""Bytes a second of the slowest line that the longest request may take its time on."""
LOOK = 0.5
"""Seconds between two looks for calls that are late."""


class FirstMessages:
    """Ends calls whose request is late. Safe to use from several threads.

    A late call ends between `seconds` and `seconds` plus `LOOK` after the wait began,
    with DEADLINE_EXCEEDED and a sentence.
    """

    seconds: float

    def __init__(self, max_request: int) -> None:
        """`max_request`: bytes of the longest request."""
        self.seconds = FIRST_MESSAGE + max_request / SLOWEST_LINE
        # In the order in which their time is up.
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rpc-late", daemon=True)

    def start(self) -> None:
        """Begin to end late calls."""
        self._thread.start()

    def stop(self) -> None:
        """End no more calls; `start` cannot follow."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def awaited(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Within this block the call waits for its request.

        If it was late, the block's own result or error is of no use, and the call ends.
        """
        with self._guard:
            self._waiting[context] = time.monotonic() + self.seconds
        try:
            yield
        finally:
            with self._guard:
                late = self._waiting.pop(context, None) is None
            if late:
                context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, self._sentence())

    def _run(self) -> None:
        while not self._over.wait(LOOK):
            for context in self._late():
                try:
                    self._end(context)
                except Exception as error:  # the next one is to end all the same
                    LOGGER.warning("a late call could not be ended: %s", type(error).__name__)

    def _late(self) -> list[grpc.ServicerContext]:
        """Those whose time is up, which wait no longer."""
        late, now = [], time.monotonic()
        with self._guard:
            for context, end in self._waiting.items():
                if end > now:
                    break
                late.append(context)
            for context in late:
                del self._waiting[context]
        return late

    def _end(self, context: grpc.ServicerContext) -> None:
        """The thread that waits wakes when its call ends. It may end it in the same way."""
        # gRPC's own interface ends a call from another thread without a status of ours.
        call: Any = getattr(getattr(context, "_rpc_event", None), "call", None)
        try:
            call.cancel(grpc.StatusCode.DEADLINE_EXCEEDED.value[0], self._sentence())
        except Exception:  # whatever another version of gRPC makes of it
            context.cancel()

    def _sentence(self) -> str:
        return f"the request did not come, or did not end, within {self.seconds:.0f} s"
