"""The log client, log and witness in logtool/, which stands on Go's own sumdb packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from record.checkpoint import VerifierKey

SOURCES = Path(__file__).with_name("logtool")
PROGRAM = "logtool"
GOPATH = Path("/usr/share/gocode")
"""Where Debian puts the sources of Go's libraries."""
NEEDED = GOPATH / "src/golang.org/x/mod/sumdb/tlog"
ADVICE = "On Debian: apt install golang-go golang-golang-x-mod-dev"


def missing() -> str:
    """Why logtool cannot be built here; empty if it can."""
    if shutil.which("go") is None:
        return f"GO IS NOT INSTALLED, so no foreign client reads our log. {ADVICE}"
    if not NEEDED.is_dir():
        return f"golang.org/x/mod IS NOT INSTALLED, so no foreign client reads our log. {ADVICE}"
    return ""


def build(directory: Path) -> LogTool:
    """Compile logtool; what that needs of space is in `directory`, too."""
    program = directory / PROGRAM
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(directory / "cache"),
    }
    for command in (["build", "-o", str(program), "."], ["vet", "."]):
        done = subprocess.run(
            ["go", *command],
            cwd=SOURCES,
            env=environment,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return LogTool(program)


class Refused(Exception):
    """Logtool ended with 1, for this reason."""


class LogTool:
    """The compiled program."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def _run(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self._program, *arguments], capture_output=True, check=False, text=True, timeout=120
        )
        if done.returncode == 1:
            raise Refused(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return done.stdout

    def read(
        self,
        place: str | Path,
        key: VerifierKey | str,
        *,
        witnesses: Sequence[VerifierKey] = (),
        kept: Sequence[Path] = (),
        every: int = 1,
        random: int = 0,
    ) -> dict[str, Any]:
        """Read a published log; raises Refused with what is wrong with it."""
        options: list[str | Path] = ["-log", str(key), "-every", str(every)]
        for witness in witnesses:
            options += ["-witness", str(witness)]
        for path in kept:
            options += ["-kept", path]
        report: dict[str, Any] = json.loads(
            self._run("read", *options, "-random", str(random), place)
        )
        # Go's empty lists are null.
        return {name: [] if value is None else value for name, value in report.items()}

    def publish(self, directory: Path, sizes: Sequence[int]) -> str:
        """A foreign log with checkpoints at these sizes; returns its verifier key."""
        numbers = ",".join(str(size) for size in sizes)
        return self._run("publish", "-sizes", numbers, directory).strip()

    @contextmanager
    def witness(self, log: VerifierKey) -> Iterator[tuple[str, str]]:
        """A foreign witness while the block lasts: its verifier key and its URL."""
        process = subprocess.Popen(
            [self._program, "witness", "-log", str(log)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
