"""A Dask cluster as it is started by hand: a scheduler and workers, each a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PATIENCE = 120
_ALLOWED = 1
"""Workers that a shard may end before it is given up."""


@dataclass
class DaskCluster:
    """A scheduler on the loopback, and the workers that were started."""

    folder: Path
    options: Sequence[str] = ()
    """Those of TLS, for all of them."""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    address: str = ""
    _programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start the scheduler, and wait for its address."""
        file = self.folder / "scheduler.json"
        self._run("scheduler", "--port", "0", "--scheduler-file", str(file))
        self.address = _when(lambda: str(json.loads(file.read_text())["address"]), self._failed)

    def start_worker(self, **environment: str) -> None:
        """Start a worker that computes on one thread, without a nanny that would replace it."""
        name = f"worker-{len(self.workers)}"
        options = ["--no-nanny", "--nthreads", "1", "--name", name]
        options += ["--local-directory", str(self.folder / name)]
        self.workers[name] = self._run("worker", self.address, *options, **environment)

    def _run(self, role: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", role, *arguments, *self.options]
        command += ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        environment = {
            **os.environ,
            "DASK_CONFIG": str(self.folder),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(_ALLOWED),
            **more,
        }
        with (self.folder / "dask.log").open("ab") as log:
            program = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log
            )
        self._programs.append(program)
        return program

    def kill_scheduler(self) -> None:
        """Kill the scheduler, which was started first."""
        self._programs[0].kill()

    def _failed(self) -> str:
        ended = any(program.poll() is not None for program in self._programs)
        return (self.folder / "dask.log").read_text() if ended else ""

    def end(self) -> None:
        """Kill everything, also what is stopped."""
        for program in self._programs:
            program.kill()
            program.wait()


@contextmanager
def running_cluster(
    folder: Path, workers: int = 2, options: Sequence[str] = ()
) -> Iterator[DaskCluster]:
    """A cluster with its workers, as they come."""
    cluster = DaskCluster(folder, options)
    try:
        cluster.start()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.end()


def _when(read: Callable[[], str], failed: Callable[[], str]) -> str:
    """What `read` returns, once it does."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return read()
        except (OSError, ValueError, KeyError):
            log = failed()
            assert not log, log
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)
