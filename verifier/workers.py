"""Ballots through worker processes, a bounded number at a time, results in order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from gmpy2 import mpz

from verifier.ballot_proofs import BallotChecker, Outcome, Work
from verifier.election import Election

BATCH = 8
"""Ballots a task: a few tenths of a second with the standard parameters."""

_checker: list[BallotChecker] = []


class WorkerDied(Exception):
    """A worker process ended before its work was done."""


def _start(election: Election, extended_hash: bytes, vote_key: int) -> None:
    _checker[:] = [BallotChecker(election, extended_hash, mpz(vote_key))]


def _run(works: list[Work]) -> Outcome:
    return _checker[0].check(works)


def _batches(works: Iterable[Work]) -> Iterator[list[Work]]:
    batch: list[Work] = []
    for work in works:
        batch.append(work)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def check_ballots(
    election: Election, extended_hash: bytes, vote_key: mpz, works: Iterable[Work], jobs: int
) -> Iterator[tuple[int, Outcome]]:
    """Check ballots; yield (how many, what came of them) in the order they came in.

    With more than one job, worker processes are started afresh ("spawn") and hold at
    most a few batches each. Raises WorkerDied.
    """
    if jobs <= 1:
        checker = BallotChecker(election, extended_hash, vote_key)
        for batch in _batches(works):
            yield len(batch), checker.check(batch)
        return
    with ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(election, extended_hash, int(vote_key)),
    ) as pool:
        waiting: deque[tuple[int, Future[Outcome]]] = deque()
        try:
            for batch in _batches(works):
                waiting.append((len(batch), pool.submit(_run, batch)))
                if len(waiting) > 3 * jobs:
                    size, future = waiting.popleft()
                    yield size, future.result()
            while waiting:
                size, future = waiting.popleft()
                yield size, future.result()
        except BrokenProcessPool as error:
            raise WorkerDied("a worker process died; try again with --jobs 1") from error
        finally:
            for _, future in waiting:
                future.cancel()
