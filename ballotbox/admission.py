"""Checking the proofs of ballots, in processes of their own.

A ballot costs some tens of milliseconds of arithmetic, and Python does that on one
processor a process. The workers are spawned, not forked, before any listener begins:
gRPC does not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait

from ballotbox.errors import AdmissionBusy, AdmissionFailed
from crypto.errors import Malformed
from record.artifacts import Artifact, Ballot, parse_artifact
from record.election import ElectionContext, ElectionKeys, check_election
from record.proofs import verify_ballot

QUEUE_PER_WORKER = 8
ATTEMPTS = 3


class Admission:
    """Runs `record.proofs.verify_ballot` for an election.

    With `workers` = 0 it runs where it is called. `queue` ballots may be under way at
    once, waiting ones included. Safe to use from several threads.
    """

    def __init__(self, election: Artifact, *, workers: int, queue: int | None = None) -> None:
        """Start the workers and wait for none of them."""
        self._election = election
        self._context = check_election(election)
        self._workers = workers
        self._slots = threading.BoundedSemaphore(queue or QUEUE_PER_WORKER * max(workers, 1))
        self._guard = threading.Lock()
        self._closed = False
        self._pool = self._start() if workers else None

    def verify(self, keys: ElectionKeys, artifact: Artifact) -> None:
        """Check the proofs of a ballot artifact.

        Raises Rejected as `verify_ballot` does, AdmissionBusy at once if the queue is
        full, AdmissionFailed if the workers died over it.
        """
        if not self._slots.acquire(blocking=False):
            raise AdmissionBusy("the server has as many ballots to check as it takes on")
        try:
            if self._workers:
                self._verify_elsewhere(keys, artifact.data)
            else:
                verify_ballot(self._context, keys, _ballot(artifact))
        finally:
            self._slots.release()

    def warm(self, keys: ElectionKeys) -> None:
        """Let the workers build their tables before the first ballot comes. Does not wait."""
        pool = self._pool
        if pool is not None:
            for _ in range(self._workers):
                try:
                    pool.submit(_warm, keys)
                except (BrokenProcessPool, RuntimeError):
                    return  # the first ballot will find out and start others

    def close(self) -> None:
        """Stop the workers. Twice does nothing."""
        with self._guard:
            self._closed = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _verify_elsewhere(self, keys: ElectionKeys, data: bytes) -> None:
        # A worker that dies takes the whole pool with it, other ballots included.
        for _ in range(ATTEMPTS):
            pool = self._current()
            try:
                future: Future[None] = pool.submit(_verify, keys, data)
                future.result()
            except BrokenProcessPool:
                self._replace(pool)
            else:
                return
        raise AdmissionFailed("the processes that check ballots died over this one, three times")

    def _current(self) -> ProcessPoolExecutor:
        with self._guard:
            if self._closed:
                raise AdmissionFailed("the server is stopping")
            if self._pool is None:
                self._pool = self._start()
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._guard:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False)

    def _start(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._election.data,),
        )
        # Processes are started by tasks; so that they are there, give them some.
        for _ in range(self._workers):
            pool.submit(os.getpid)
        return pool


# --- in a worker

_here: list[ElectionContext] = []


def _begin(election: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here[:] = [check_election(parse_artifact(election, None))]


def _end_with_parent() -> None:
    """A server that is killed cannot tell its workers, and they would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _verify(keys: ElectionKeys, data: bytes) -> None:
    (context,) = _here
    verify_ballot(context, _same(keys), _ballot(parse_artifact(data, context.group)))


def _warm(keys: ElectionKeys) -> None:
    (context,) = _here
    context.group.g_power(1)
    _same(keys).vote_key.power(1)


@lru_cache(maxsize=2)
def _same(keys: ElectionKeys) -> ElectionKeys:
    """The object that came first among equal ones: it has the tables."""
    return keys


def _ballot(artifact: Artifact) -> Ballot:
    if not isinstance(artifact.statement, Ballot):
        raise Malformed("artifact", f"is a {artifact.name}, not a ballot")
    return artifact.statement
