"""What Belenios 2.0 needs to verify a ballot of ten options, in its group of 2048 bits.

A peer to compare with: another program for the same purpose, in OCaml. It is used as it
is, through `belenios-tool`, in elections made for this in temporary directories. The cost
of a ballot is the difference of two verifications, of few ballots and of many, so that
starting the program and reading the election's keys are not counted. Times are those of the
processor.

    python -m benchmarks.belenios [--ballots N]

prints JSON; "installed" is false where there is no belenios-tool.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

TOOL = "belenios-tool"
GROUP = "BELENIOS-2048"
OPTIONS = 10
FEW = 2
ROUNDS = 3


class Election:
    """An election of one question, in a directory of its own."""

    def __init__(self, directory: Path, voters: int) -> None:
        self._directory = directory
        uuid = self._run("setup", "generate-token").strip()
        names = "".join(f"voter{i}@example.com\n" for i in range(voters))
        (directory / "voters.txt").write_text(names)
        common = ("--uuid", uuid, "--group", GROUP)
        self._run("setup", "generate-credentials", *common, "--file", "voters.txt")
        _only(directory, "*.pubcreds").rename(directory / "public_creds.json")
        private = _only(directory, "*.privcreds").read_text().splitlines()
        self._credentials = [line.split()[-1] for line in private]
        self._run("setup", "generate-trustee-key", "--group", GROUP)
        keys = _only(directory, "*.pubkey").read_text()
        (directory / "public_keys.jsons").write_text(keys)
        self._run("setup", "make-trustees")
        (directory / "public_keys.jsons").unlink()
        (directory / "questions.json").write_text(json.dumps(_questions()))
        self._run("setup", "make-election", *common, "--template", "questions.json")
        self._run("archive", "init")
        for name in ("election.json", "trustees.json", "public_creds.json"):
            (directory / name).unlink(missing_ok=True)

    def vote(self, first: int, last: int) -> None:
        """Voters `first` to before `last` vote, each for one option."""
        choice = self._directory / "choice"
        credential = self._directory / "credential"
        for voter in range(first, last):
            chosen = [0] * OPTIONS
            chosen[voter % OPTIONS] = 1
            choice.write_text(json.dumps([chosen]))
            credential.write_text(self._credentials[voter])
            ballot = self._run(
                "election", "generate-ballot", "--privcred", "credential", "--ballot", "choice"
            )
            self._run("archive", "add-event", "--type=Ballot", given=ballot)

    def verify(self) -> float:
        """Verify everything; returns the seconds of the processor that it took."""
        before = _children()
        self._run("election", "verify")
        return _children() - before

    def _run(self, *arguments: str, given: str | None = None) -> str:
        environment = {**os.environ, "BELENIOS_USE_URANDOM": "1"}
        done = subprocess.run(
            [TOOL, *arguments],
            cwd=self._directory,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{TOOL} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def _children() -> float:
    """Seconds of the processor of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


def _questions() -> dict[str, Any]:
    answers = [f"option {i}" for i in range(1, OPTIONS + 1)]
    question = {"answers": answers, "min": 0, "max": 1, "question": "which?"}
    names = {"name": "comparison", "description": "none"}
    people = {"administrator": "nobody", "credential_authority": "nobody"}
    return {**names, "questions": [question], **people}


@dataclass(frozen=True)
class Elections:
    """Two elections, of `FEW` ballots and of `ballots` more."""

    few: Election
    many: Election
    ballots: int

    def verify_ballot(self) -> float:
        """Milliseconds of the processor for a ballot."""
        few = self.few.verify()
        return (self.many.verify() - few) * 1000 / self.ballots


def is_installed() -> bool:
    """Whether there is a belenios-tool."""
    return shutil.which(TOOL) is not None


def version() -> str:
    """Of the tool that is installed."""
    done = subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def hold_elections(ballots: int) -> Iterator[Elections]:
    """Make both elections, which are there within this block."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        few = Election(Path(first), FEW)
        few.vote(0, FEW)
        many = Election(Path(second), FEW + ballots)
        many.vote(0, FEW + ballots)
        yield Elections(few, many, ballots)


def measure(ballots: int) -> dict[str, Any]:
    """Milliseconds to verify a ballot, the median of some rounds."""
    if not is_installed():
        return {"installed": False}
    with hold_elections(ballots) as elections:
        found = median(elections.verify_ballot() for _ in range(ROUNDS))
    return {
        "installed": True,
        "version": version(),
        "group": GROUP,
        "options": OPTIONS,
        "ballots": ballots,
        "verify_ballot_ms": found,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.belenios",
        description="Measure what belenios-tool needs to verify a ballot of ten options.",
    )
    parser.add_argument("--ballots", type=int, default=40, help="ballots to verify (%(default)s)")
    print(json.dumps(measure(parser.parse_args().ballots), indent=2))


if __name__ == "__main__":
    main()
