"""Where the long computations of a session run: here, or on all cores.

    executor = Processes(jobs)                  # or SERIAL
    for result in executor.map(function, shared, tasks, count): ...

Results come in the order of the tasks and are those of `function(shared, task)`, wherever
they were computed. Tasks are taken from their iterator only a little ahead of the results
that have been asked for, so that neither fills the memory.

`shared` may be secret. It reaches a process once, through the pipe by which it is started,
and never stands in a command line, in an environment or on a disk. A process of the pool
ends with the program that started it, even if that is killed. If one of the pool is
killed instead, the rest is computed here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

_SPARE = 2
"""Tasks in hand beyond those that are being worked on, so that no process waits."""


class Executor(Protocol):
    """Applies a function to tasks, in order."""

    def map(
        self, function: Callable[[S, T], R], shared: S, tasks: Iterable[T], count: int
    ) -> Generator[R, None, None]:
        """`function(shared, task)` for each task; there are `count` at most.

        Raises what the function raises, at its place. Close the iterator to stop early.
        """
        ...


class Serial:
    """Computes in this process, each result when it is asked for."""

    def map(
        self, function: Callable[[S, T], R], shared: S, tasks: Iterable[T], count: int
    ) -> Generator[R, None, None]:
        """See `Executor`."""
        return (function(shared, task) for task in tasks)


SERIAL = Serial()


class Processes:
    """Computes in `jobs` processes, which live as long as one `map`.

    Fewer than two tasks are computed here: it would take longer to start a process.
    """

    def __init__(self, jobs: int | None = None) -> None:
        """`jobs` is the number of cores by default; with 1 everything is computed here."""
        if jobs is not None and jobs < 1:
            raise ValueError("at least one process is needed")
        self.jobs = cores() if jobs is None else jobs

    def map(
        self, function: Callable[[S, T], R], shared: S, tasks: Iterable[T], count: int
    ) -> Generator[R, None, None]:
        """See `Executor`. `function` is a module's, and everything can be pickled."""
        if min(self.jobs, count) < 2:
            return SERIAL.map(function, shared, tasks, count)
        return self._map(function, shared, iter(tasks), min(self.jobs, count))

    def _map(
        self, function: Callable[[S, T], R], shared: S, tasks: Iterator[T], jobs: int
    ) -> Generator[R, None, None]:
        pool = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _begin, (function, shared)
        )
        waiting: deque[tuple[T, Future[R] | None]] = deque()
        try:
            for task in tasks:
                waiting.append((task, _submit(pool, task)))
                if len(waiting) >= jobs + _SPARE:
                    yield _result(function, shared, *waiting.popleft())
            while waiting:
                yield _result(function, shared, *waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _submit(pool: ProcessPoolExecutor, task: T) -> Future[Any] | None:
    try:
        return pool.submit(_run, task)
    except BrokenProcessPool:
        return None


def _result(function: Callable[[S, T], R], shared: S, task: T, future: Future[R] | None) -> R:
    if future is not None:
        try:
            return future.result()
        except BrokenProcessPool:
            pass  # A process was killed. What it was asked for comes out the same here.
    return function(shared, task)


# --- in a process of the pool

_work: Callable[[Any], Any]


def _begin(function: Callable[[S, T], R], shared: S) -> None:
    """Keep what every task needs. Interruptions are for the program that started this one."""
    global _work  # noqa: PLW0603 - the only place that an initializer can leave something
    _work = partial(function, shared)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    # Without its parent a process of the pool would wait for tasks for ever, secrets and all.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(task: Any) -> Any:
    return _work(task)
