"""The server's side of an upload: many artifacts of one device, in order.

A thread reads ahead and has proofs checked while others are settled; what is unsettled is
bounded in number and bytes. Artifacts are settled strictly in order, as many together as
there are, so that a device with hundreds of ballots does not wait for as many groups.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from ballotbox.arrivals import Accepted, Arrival
from ballotbox.board import Board

AHEAD = 32
"""Artifacts that are read before the first is answered, at most; more if groups are large."""
AHEAD_BYTES = 32 << 20
IN_PROOF = 16
"""Ballots of one upload whose proofs are being checked, at most."""
TOGETHER = 16
"""Artifacts that are settled together, at most; or as many as a group has to have."""
GATHER_SECONDS = 1.0
"""How long a group of too few waits for the next artifact of the stream."""
STALLED_SECONDS = 60.0
"""After so long without a request, with an answer that is not taken, or with nothing but what
is on the record already, the call ends: others wait for its place."""

Q = TypeVar("Q")


class Stalled(Exception):
    """The client has sent nothing, or nothing new, for too long."""


@dataclass(frozen=True, slots=True)
class _Begun:
    arrival: Arrival
    size: int


class DeviceUpload(Generic[Q]):
    """One call. `answers` runs in the thread of the call, `give_up` in any."""

    def __init__(
        self,
        board: Board,
        begin: Callable[[Q], Arrival],
        size: Callable[[Q], int],
        cancel: Callable[[], object],
        stalled: float = STALLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`begin` makes an arrival of a request of `size` bytes; `cancel` ends the call."""
        self._board = board
        self._begin = begin
        self._sized = size
        self._cancel = cancel
        self._stalled = stalled
        self._clock = clock
        self._new_at = clock()
        self._enough = board.enough
        self._ahead = max(AHEAD, 4 * self._enough)
        self._ready: SimpleQueue[_Begun | Exception | None] = SimpleQueue()
        self._room = threading.Condition()
        self._unsettled = self._bytes = 0
        self._ended = threading.Event()
        self._sending_since: float | None = None
        self.current: Arrival | None = None
        """The first artifact without an answer, once `answers` has raised."""

    def answers(self, requests: Iterator[Q]) -> Iterator[int]:
        """The index of each artifact in the record, once it is durable there.

        Raises at the first that is refused, as `Board.settle` does, or Stalled.
        """
        helpers = (
            threading.Thread(target=self._read, args=(requests,), name="upload", daemon=True),
            threading.Thread(target=self._watch, name="upload-watch", daemon=True),
        )
        try:
            for helper in helpers:
                helper.start()
            last: Exception | None = None
            more = True
            while more and last is None:
                batch, last, more = self._gather()
                yield from self._settle(batch)
            if last is not None:
                self.current = None
                raise last
        finally:
            self._end()

    def give_up(self) -> None:
        """End the call from elsewhere."""
        self._cancel()

    # --- in the thread of the call

    def _gather(self) -> tuple[list[_Begun], Exception | None, bool]:
        """What is ready: artifacts, what ended the reading, and whether more may come."""
        batch: list[_Begun] = []
        patient = 0
        while len(batch) < max(TOGETHER, self._ahead // 2):
            try:
                if not batch:
                    item = self._ready.get(timeout=self._stalled)
                elif 0 < patient < self._enough:
                    item = self._ready.get(timeout=GATHER_SECONDS)
                else:
                    item = self._ready.get_nowait()
            except Empty:
                if batch:
                    break
                return [], Stalled(), False
            if item is None:
                return batch, None, False
            if isinstance(item, Exception):
                return batch, item, False
            batch.append(item)
            patient += item.arrival.patient
        return batch, None, True

    def _settle(self, batch: list[_Begun]) -> Iterator[int]:
        waiting = deque(batch)
        try:
            settled = self._board.settle([begun.arrival for begun in batch])
            while waiting:
                self.current = waiting[0].arrival
                accepted = next(settled)
                self._sending_since = time.monotonic()
                yield accepted.index
                self._sending_since = None
                self._give_back(waiting.popleft())
                self._look_for_news(accepted)
        finally:
            for begun in waiting:
                begun.arrival.drop()

    def _look_for_news(self, accepted: Accepted) -> None:
        now = self._clock()
        if accepted.new:
            self._new_at = now
        elif now - self._new_at > self._stalled:
            raise Stalled

    def _give_back(self, begun: _Begun) -> None:
        with self._room:
            self._unsettled -= 1
            self._bytes -= begun.size
            self._room.notify_all()

    def _end(self) -> None:
        self._ended.set()
        with self._room:
            self._room.notify_all()
        with suppress(Empty):
            while True:
                item = self._ready.get_nowait()
                if isinstance(item, _Begun):
                    item.arrival.drop()

    # --- in threads of its own

    def _read(self, requests: Iterator[Q]) -> None:
        in_proof: deque[Arrival] = deque()
        try:
            for request in requests:
                size = self._sized(request)
                if not self._take_room(size):
                    return
                while len(in_proof) >= IN_PROOF:
                    in_proof.popleft().wait()
                if self._ended.is_set():
                    return
                arrival = self._begin(request)
                if arrival.ticket is not None:
                    in_proof.append(arrival)
                self._ready.put(_Begun(arrival, size))
                if self._ended.is_set():
                    arrival.drop()
            self._ready.put(None)
        except Exception as error:  # a refusal, or a call that has ended
            self._ready.put(error)

    def _take_room(self, size: int) -> bool:
        """Wait for room for another artifact; False if nobody wants it any more."""

        def free() -> bool:
            few = self._unsettled < self._ahead and self._bytes + size <= AHEAD_BYTES
            return self._ended.is_set() or few or not self._unsettled

        with self._room:
            self._room.wait_for(free)
            self._unsettled += 1
            self._bytes += size
        return not self._ended.is_set()

    def _watch(self) -> None:
        """A client that does not take its answers keeps the call's thread: end it."""
        while not self._ended.wait(self._stalled / 4):
            since = self._sending_since
            if since is not None and time.monotonic() - since > self._stalled:
                self._cancel()
                return
