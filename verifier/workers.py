"""The ballots' proofs in shards, which any executor may run anywhere.

A `Shard` is a stretch of one artifact file. It says which file, not what is in it: whoever
runs it opens the record and reads it, and returns the digest of what it read with what it
found. `check_shard` is all of the work; an executor decides where it is done.

    shards = ...                             # in the order of the record
    for result in LocalExecutor(jobs).run(setting, shards):
        ...                                  # in the same order
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from gmpy2 import mpz

from verifier.archive import Archive, open_archive
from verifier.ballot_proofs import BallotChecker, Outcome, Work
from verifier.election import Election
from verifier.hints import has_hints, read_hints
from verifier.log import Reading
from verifier.merkle import TILE_WIDTH

WITH_HINTS, WITHOUT = 128, 16
"""Ballots of a shard: about half a second's work with the standard parameters and ten options,
or several; enough of them with hints for a batch to pay."""
_AHEAD = 3
"""Shards a process that are handed out and not taken back."""


Opener = Callable[[str], Archive]
"""Opens a record where it says it is. Raises NotARecord; sent to workers by its name."""


class ExecutorFailed(Exception):
    """Whoever runs the shards cannot; nothing follows for the record."""


class WorkerDied(ExecutorFailed):
    """A worker process ended before its work was done."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all shards of one verification have in common.

    `record` says where the record is as the executor's processes see it: the path of the
    directory or .zip, or whatever else `opener` opens.
    """

    record: str
    election: Election
    extended_hash: bytes
    vote_key: int
    exact: bool = False
    opener: Opener = open_archive


@dataclass(frozen=True, slots=True)
class Shard:
    """Some ballots of one artifact file.

    The log covers `count` artifacts of file `file`; `ballots` are the numbers of those to
    check, ascending, with whether each is cast.
    """

    file: int
    count: int
    ballots: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a shard, and the SHA-256 of the artifacts of its file as they were read."""

    shard: Shard
    outcome: Outcome
    digest: bytes


class Executor(Protocol):
    """Runs shards, here or elsewhere."""

    def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
        """Yield the results in the order of the shards, one for each and with the same shard.

        Raises ExecutorFailed, archive.NotARecord or log.Changed.
        """
        ...


# --- the work of one shard --------------------------------------------------------------


class ShardChecker:
    """Checks shards of one record; keeps it open, with the tables for g and K."""

    def __init__(self, setting: Setting, archive: Archive | None = None) -> None:
        """Take the setting, and the record if it is open already."""
        self._archive = archive or setting.opener(setting.record)
        self._exact = setting.exact
        self._checker = BallotChecker(
            setting.election, setting.extended_hash, mpz(setting.vote_key), setting.exact
        )

    def check(self, shard: Shard) -> Result:
        """Read the shard's file and check its ballots. Raises log.Changed."""
        reading = Reading(self._archive, shard.file, shard.count)
        outcome = self._checker.check(self._works(shard, reading))
        return Result(shard, outcome, reading.digest)

    def _works(self, shard: Shard, reading: Reading) -> Iterator[Work]:
        is_cast = dict(shard.ballots)
        hints = iter(()) if self._exact else read_hints(self._archive, shard.file)
        for item in reading.items():
            hint = next(hints, b"")
            if item.number in is_cast:
                yield Work(item.number, item.data, is_cast[item.number], hint)


_checkers: list[ShardChecker] = []
"""The one of this process, in a worker."""


def _start(setting: Setting) -> None:
    _checkers[:] = [ShardChecker(setting)]


def _run(shard: Shard) -> Result:
    return _checkers[0].check(shard)


# --- executors --------------------------------------------------------------------------


class LocalExecutor:
    """Runs shards in this process, or in several of its own."""

    def __init__(self, jobs: int, archive: Archive | None = None) -> None:
        """Take the number of processes; `archive` is used if it is one."""
        self._jobs = jobs
        self._archive = archive

    def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
        """Yield the results in order. Worker processes are started afresh ("spawn")."""
        if self._jobs > 1:
            yield from self._pooled(setting, shards)
        else:
            yield from map(ShardChecker(setting, self._archive).check, shards)

    def _pooled(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        with ProcessPoolExecutor(
            max_workers=self._jobs,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(setting,),
        ) as pool:
            try:
                for shard in shards:
                    waiting.append(pool.submit(_run, shard))
                    if len(waiting) > _AHEAD * self._jobs:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BrokenProcessPool as error:
                raise WorkerDied("a worker process died; try again with --jobs 1") from error
            finally:
                for future in waiting:
                    future.cancel()


# --- cutting a record into shards -------------------------------------------------------


def useful_jobs(archive: Archive, exact: bool, jobs: int, first: int, total: int) -> int:
    """Return how many of `jobs` processes are worth starting for `total` ballots.

    A few ballots are checked sooner than a process is started. `first` is the number of
    the first of them.
    """
    hinted = not exact and has_hints(archive, first // TILE_WIDTH)
    return max(1, min(jobs, total // (WITH_HINTS // 2 if hinted else WITHOUT)))


class Shards:
    """The shards of some ballots, in order."""

    def __init__(self, archive: Archive, exact: bool, jobs: int) -> None:
        """Take the record, to see which files have hints beside them."""
        self._archive = archive
        self._exact = exact
        self._jobs = jobs

    def cut(
        self, ballots: Iterable[tuple[int, bool]], total: int, covered: Callable[[int], int]
    ) -> Iterator[Shard]:
        """Yield the shards of `total` ballots: artifact numbers with whether each is cast.

        `covered` says how many artifacts of a file were read; ballots of a file that could
        not be read are left out.
        """
        for file, group in groupby(ballots, lambda ballot: ballot[0] // TILE_WIDTH):
            count, members = covered(file), tuple(group)
            size = self._size(file, total)
            for i in range(0, len(members), size):
                if count:
                    yield Shard(file, count, members[i : i + size])

    def _size(self, file: int, total: int) -> int:
        if self._exact or not has_hints(self._archive, file):
            return WITHOUT
        # Few ballots are to keep every process busy; for that, they are divided further.
        return max(WITHOUT, min(WITH_HINTS, total // (2 * self._jobs)))
