"""Processes give what one process gives, in order, and nothing outlives the program."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trustees.parallel import SERIAL, Executor, Processes, cores

EXECUTORS: list[Executor] = [SERIAL, Processes(1), Processes(2), Processes(3)]


def add(shared: int, task: int) -> int:
    """Stands for a computation."""
    if task < 0:
        raise ValueError(f"{task} is negative")
    return shared + task


def process(shared: None, task: int) -> int:
    """Says where it runs."""
    return os.getpid()


def die(shared: int, task: int) -> int:
    """Is killed, unless it runs in the program's own process."""
    if task == 5 and multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return shared + task


def sleep(shared: str, task: int) -> None:
    """Says which process it is, and takes longer than a test."""
    print(os.getpid(), flush=True)
    time.sleep(600)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_results_are_in_order(executor: Executor) -> None:
    """As many as there are tasks, whatever the number that was announced."""
    for count in (0, 1, 2, 20):
        results = executor.map(add, 100, iter(range(count)), count)
        assert list(results) == list(range(100, 100 + count))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_errors_come_in_their_place(executor: Executor) -> None:
    """What the function raises for a task is raised when that result is due."""
    results = executor.map(add, 1, [1, 2, -3, 4], 4)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ValueError, match="-3 is negative"):
        next(results)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_tasks_are_taken_as_they_are_needed(executor: Executor) -> None:
    """Only a few tasks are in hand; none is taken after `close`."""
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(1000):
            taken.append(task)
            yield task

    results = executor.map(add, 0, tasks(), 1000)
    for expected in range(10):
        assert next(results) == expected
        assert len(taken) <= expected + 5
    results.close()
    assert next(results, None) is None
    assert len(taken) <= 15


def test_little_work_stays_here() -> None:
    """One task, or one process, is not worth starting another process."""
    here = os.getpid()
    assert list(Processes(4).map(process, None, [1], 1)) == [here]
    assert set(Processes(1).map(process, None, [1, 2, 3], 3)) == {here}
    assert here not in set(Processes(2).map(process, None, [1, 2, 3], 3))


def test_a_killed_process() -> None:
    """If one of the pool is killed, the rest is computed here and comes out the same."""
    assert list(Processes(2).map(die, 100, range(20), 20)) == list(range(100, 120))


def test_processes_end_with_the_program() -> None:
    """A program that is killed leaves no process with its secrets behind."""
    program = (
        "from tests.properties.test_trustees_parallel import sleep\n"
        "from trustees.parallel import Processes\n"
        "if __name__ == '__main__':\n"
        "    next(Processes(2).map(sleep, 'hunter2', range(8), 8))\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root
    ) as started:
        assert started.stdout is not None
        pool = [int(started.stdout.readline()) for _ in range(2)]
        for pid in pool:
            for name in ("cmdline", "environ"):
                path = Path(f"/proc/{pid}/{name}")
                if path.exists():
                    assert b"hunter2" not in path.read_bytes()
        started.kill()
    deadline = time.monotonic() + 60
    while any(map(_alive, pool)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_how_many() -> None:
    """All cores by default; at least one."""
    assert Processes().jobs == cores() >= 1
    with pytest.raises(ValueError, match="at least one"):
        Processes(0)
