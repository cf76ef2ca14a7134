"""Places for those who read the record as a stream, and an end to streams that nobody reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from ballotbox.service.answers import held
from identity.roles import Identity, Role
from record.election import ElectionContext
from rpc.interceptor import Places

EACH = 2
"""Places of one certificate: for its stream, and for one that a lost connection has left."""
MOST_SHARED = 32
"""Places that all devices share, at most."""
UNREAD_SECONDS = 60.0
"""After so long with an answer that is not taken a stream ends: others wait for its place."""

T = TypeVar("T")


class StreamPlaces:
    """Places for streams of one kind. Safe to use from several threads.

    Devices, and whoever shows no certificate, share a pool. A trustee or an administrator
    has places of its own, which nobody else can take. No certificate has more than `EACH`.
    """

    def __init__(self, shared: int) -> None:
        """`shared` is the size of the pool."""
        self._shared = threading.BoundedSemaphore(shared)
        self._each = Places(
            f"{EACH} such streams are open with this certificate", "End one, or try again."
        )

    @contextmanager
    def taken(self, who: Identity | None) -> Iterator[None]:
        """A place while the block lasts; raises Busy if there is none for this caller."""
        name = None if who is None else who.uri
        alone = who is not None and who.role is not Role.DEVICE
        with self._each.taken(name, EACH), nullcontext() if alone else held(self._shared):
            yield


def shared_by_devices(context: ElectionContext) -> int:
    """How large the pool of the roles' listener has to be, for each kind of stream.

    Up to 16 devices have all of their places in it; more have to take turns.
    """
    return max(EACH, min(EACH * len(context.manifest.devices), MOST_SHARED))


class Unread:
    """Ends streams whose answers nobody takes. Safe to use from several threads.

    A client that does not read keeps the thread of its call and its place for as long as it
    likes. One thread looks after all streams, while there are any.
    """

    def __init__(self, limit: float = UNREAD_SECONDS) -> None:
        """`limit` is in seconds, for each answer."""
        self._limit = limit
        self._guard = threading.Lock()
        self._streams: set[_Stream] = set()
        self._watching = False

    def watched(self, responses: Iterator[T], cancel: Callable[[], object]) -> Iterator[T]:
        """These responses; `cancel`, from another thread, ends the call if one is not taken."""
        stream = _Stream(cancel)
        self._add(stream)
        try:
            for response in responses:
                stream.since = time.monotonic()
                yield response
                stream.since = None
        finally:
            with self._guard:
                self._streams.discard(stream)

    def _add(self, stream: _Stream) -> None:
        with self._guard:
            self._streams.add(stream)
            if not self._watching:
                threading.Thread(target=self._watch, name="unread", daemon=True).start()
                self._watching = True

    def _watch(self) -> None:
        while True:
            time.sleep(self._limit / 4)
            before = time.monotonic() - self._limit
            with self._guard:
                if not self._streams:
                    self._watching = False
                    return
                late = [stream for stream in self._streams if stream.late(before)]
            for stream in late:
                stream.cancel()


class _Stream:
    """A call, and since when an answer of it waits to be taken (monotonic seconds), if one does."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel
        self.since: float | None = None

    def late(self, before: float) -> bool:
        """Whether an answer waits since before that moment."""
        since = self.since
        return since is not None and since < before
