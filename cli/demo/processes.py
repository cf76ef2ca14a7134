"""Child processes of the demo: each with a log file, all ended whatever happens."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_COMMAND = (sys.executable, "-m", "cli.main")
_TAIL = 12


class ChildFailed(Exception):
    """A child left with an exit code that it should not have."""


class Child:
    """A running `sailau` command; its standard output and error go to files."""

    def __init__(self, name: str, arguments: Sequence[str | Path], logs: Path) -> None:
        self.name = name
        self.output = logs / f"{name}.out"
        self._log = logs / f"{name}.log"
        self._stopped = False
        with self.output.open("wb") as out, self._log.open("wb") as err:
            self._process = subprocess.Popen(
                [*_COMMAND, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def feed(self, text: str) -> None:
        """Write all of its standard input and close it."""
        assert self._process.stdin is not None  # noqa: S101 - Popen was given a pipe
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.close()
        except BrokenPipeError:
            self.check()

    def lines(self) -> int:
        """Lines of output so far."""
        return self.output.read_bytes().count(b"\n")

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise `ChildFailed` if it has ended badly, and not because it was stopped."""
        code = self._process.poll()
        if code not in (None, 0) and not self._stopped:
            raise ChildFailed(f"{self.name} ended with exit code {code}:\n{self._tail()}")

    def wait(self, accept: Sequence[int] = (0,)) -> int:
        """Wait for its end; raises `ChildFailed` for another exit code."""
        code = self._process.wait()
        if code not in accept:
            raise ChildFailed(f"{self.name} ended with exit code {code}:\n{self._tail()}")
        return code

    def text(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def stop(self) -> None:
        """End it, first kindly."""
        self._stopped = True
        if self.running():
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL:])


class Children:
    """All children of one demo; leaving the block ends those that still run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._children):
            child.stop()

    def start(self, name: str, *arguments: str | Path) -> Child:
        """Start `sailau ARGUMENTS` in the background."""
        child = Child(name, arguments, self._logs)
        self._children.append(child)
        return child

    def run(
        self, name: str, *arguments: str | Path, accept: Sequence[int] = (0,)
    ) -> tuple[int, str]:
        """Run `sailau ARGUMENTS` to its end; returns exit code and output."""
        child = self.start(name, *arguments)
        child.feed("")
        return child.wait(accept), child.text()

    def until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait for `condition`, watching that no child dies meanwhile."""
        deadline = time.monotonic() + timeout
        while not condition():
            for child in self._children:
                child.check()
            if time.monotonic() > deadline:
                raise ChildFailed(f"{what}: not within {timeout:.0f} seconds")
            time.sleep(0.2)
