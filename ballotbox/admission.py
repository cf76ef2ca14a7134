"""Checking the proofs of ballots, in processes of their own.

A ballot costs some tens of milliseconds of arithmetic, and Python does that on one
processor a process. The workers start before any listener begins.

A worker that has nothing to do takes at once what waits: one ballot, or several together,
which cost less than one by one. No device waits behind another's backlog (`fair_queue`),
and what nobody waits for any more is dropped before it costs anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress

from ballotbox.errors import AdmissionAbandoned, AdmissionBusy, AdmissionFailed
from ballotbox.fair_queue import FairQueue, Full
from ballotbox.workers import Verdict, Worker, WorkerDied, check_batch
from record.artifacts import Artifact
from record.election import ElectionKeys, check_election

LOGGER = logging.getLogger(__name__)

QUEUE_PER_WORKER = 64
"""Ballots that wait at most, for each worker."""
SHARE = 32
"""Ballots of one device that wait at most."""
BATCH = 16
"""Ballots that a worker is given at once, at most: the next in line waits for all of them."""
ATTEMPTS = 3
_FIRST_GUESS = 0.1
"""Seconds that a ballot takes, before the first has been measured."""
_LEAST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


def _always() -> bool:
    return True


class Ticket:
    """A ballot under way; `result` waits for it."""

    def __init__(
        self, keys: ElectionKeys, artifact: Artifact, hints: bytes, wanted: Callable[[], bool]
    ) -> None:
        """For `Admission.submit` alone."""
        self.keys = keys
        self.artifact = artifact
        self.hints = hints
        self._wanted = wanted
        self._future: Future[bool] = Future()

    def result(self) -> bool:
        """Whether its hints hold, once the ballot does; wrong ones refuse nothing.

        Raises Rejected as `verify_ballots` finds it, Malformed for what is no ballot,
        AdmissionBusy if it gave way to another, AdmissionFailed if the workers died over it,
        AdmissionAbandoned if nobody wanted it any more when its turn came.
        """
        return self._future.result()

    def wait(self) -> None:
        """Until it is done."""
        wait_for((self._future,))

    @property
    def done(self) -> bool:
        """Whether `result` returns at once."""
        return self._future.done()

    def when_done(self, call: Callable[[], None]) -> None:
        """Have `call` called once, when it is done or now if it is; it must not wait or raise."""
        self._future.add_done_callback(lambda _: call())

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._wanted = lambda: False

    @property
    def wanted(self) -> bool:
        """Whether anybody waits for it."""
        try:
            return self._wanted()
        except Exception:  # of a call that has ended
            return False

    def settle(self, verdict: Verdict | Exception) -> None:
        """For `Admission` alone; the first verdict stays."""
        with suppress(InvalidStateError):
            if isinstance(verdict, Exception):
                self._future.set_exception(verdict)
            else:
                self._future.set_result(verdict)


class Admission:
    """Runs `record.proofs` for the ballots of an election. Safe to use from several threads.

    With `workers` = 0 it runs where it is called. At most `queue` ballots wait, and at most
    `share` of one sender; one that comes to a full queue displaces the newest of whoever has
    the most there, unless that is the sender itself.
    """

    def __init__(
        self,
        election: Artifact,
        *,
        workers: int,
        queue: int | None = None,
        share: int = SHARE,
        batch: int = BATCH,
    ) -> None:
        """Start the workers and wait for none of them."""
        self._context = check_election(election)
        self._limit = queue or QUEUE_PER_WORKER * max(workers, 1)
        self._batch = batch
        self._queue: FairQueue[Ticket] = FairQueue(self._limit, min(share, self._limit))
        self._changed = threading.Condition()
        self._closed = False
        self._inside = 0
        self._idle = 0
        self._pace = _FIRST_GUESS / max(workers, 1)
        self._keys: ElectionKeys | None = None
        self._threads: list[threading.Thread] = []
        for worker in [Worker(election.data) for _ in range(workers)]:
            name = f"admission-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._run, args=(worker,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(
        self,
        keys: ElectionKeys,
        artifact: Artifact,
        *,
        hints: bytes = b"",
        sender: str = "",
        wanted: Callable[[], bool] = _always,
    ) -> Ticket:
        """Have the proofs of a ballot artifact checked, and the hints that came with it.

        `wanted` is asked from another thread, when the ballot's turn comes. Raises
        AdmissionBusy if there is no room, AdmissionFailed when closed.
        """
        ticket = Ticket(keys, artifact, hints, wanted)
        if not self._threads:
            self._check_here(ticket)
            return ticket
        with self._changed:
            if self._closed:
                raise _stopping()
            try:
                gave_way = self._queue.put(sender, ticket)
            except Full:
                raise self._busy() from None
            self._changed.notify()
        if gave_way is not None:
            gave_way.settle(self._busy())
        return ticket

    @property
    def waiting(self) -> int:
        """How many ballots wait for a worker."""
        return len(self._queue)

    @property
    def limit(self) -> int:
        """How many may."""
        return self._limit

    def warm(self, keys: ElectionKeys) -> None:
        """Let the workers build their tables before the first ballot comes. Does not wait."""
        with self._changed:
            self._keys = keys
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the workers, after what they have begun. Twice does nothing."""
        with self._changed:
            self._closed = True
            left = self._queue.take(self._limit)
            self._changed.notify_all()
        for ticket in left:
            ticket.settle(_stopping())
        for thread in self._threads:
            thread.join()

    # --- inside

    def _busy(self) -> AdmissionBusy:
        pause = min(max(len(self._queue) * self._pace, _LEAST_PAUSE), _LONGEST_PAUSE)
        return AdmissionBusy("the server has as many ballots to check as it takes on", pause)

    def _check_here(self, ticket: Ticket) -> None:
        with self._changed:
            if self._closed:
                raise _stopping()
            if self._inside >= self._limit:
                raise self._busy()
            self._inside += 1
        try:
            batch = [(ticket.artifact.data, ticket.hints)]
            (verdict,) = check_batch(self._context, ticket.keys, batch)
            ticket.settle(verdict)
        finally:
            with self._changed:
                self._inside -= 1

    def _run(self, worker: Worker) -> None:
        """The life of a worker's thread."""
        try:
            while (batch := self._next_batch(worker)) is not None:
                try:
                    if batch:
                        self._check(worker, batch)
                    elif self._keys is not None:
                        with suppress(OSError):  # the next ballot will find out
                            worker.use(self._keys)
                except Exception:
                    LOGGER.exception("checking ballots has failed")
                finally:
                    # Somebody waits for each, and this thread goes on for the others.
                    for ticket in batch:
                        ticket.settle(AdmissionFailed("the checking itself has failed"))
        finally:
            worker.close()

    def _next_batch(self, worker: Worker) -> list[Ticket] | None:
        """What waits, as much of it as is this worker's part; None at the end."""

        def due() -> bool:
            return self._closed or bool(len(self._queue)) or self._cold(worker)

        with self._changed:
            self._idle += 1
            self._changed.wait_for(due)
            idle, self._idle = self._idle, self._idle - 1
            if self._closed:
                return None
            part = -(-len(self._queue) // idle)
            taken = self._queue.take(min(part, self._batch))
        for ticket in taken:
            if not ticket.wanted:
                ticket.settle(AdmissionAbandoned("nobody waits for this ballot any more"))
        return [ticket for ticket in taken if not ticket.done]

    def _cold(self, worker: Worker) -> bool:
        return self._keys is not None and worker.keys is None

    def _check(self, worker: Worker, batch: Sequence[Ticket], died: int = 0) -> None:
        """Settle every ticket. Whoever was there when a worker died is tried again alone."""
        begin = time.monotonic()
        keys = batch[0].keys
        self._keys = self._keys or keys
        try:
            verdicts = worker.check(keys, [(t.artifact.data, t.hints) for t in batch])
        except WorkerDied:
            for ticket in batch:
                if self._closed:
                    ticket.settle(_stopping())
                elif died + 1 < ATTEMPTS:
                    self._check(worker, [ticket], died + 1)
                else:
                    ticket.settle(
                        AdmissionFailed(
                            "the processes that check ballots died over this one, three times"
                        )
                    )
            return
        except Exception as error:
            for ticket in batch:
                ticket.settle(AdmissionFailed(str(error)))
            return
        for ticket, verdict in zip(batch, verdicts, strict=True):
            ticket.settle(verdict)
        each = (time.monotonic() - begin) / len(batch) / len(self._threads)
        self._pace += (each - self._pace) / 8


def _stopping() -> AdmissionFailed:
    return AdmissionFailed("the server is stopping")
