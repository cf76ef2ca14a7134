"""How much memory the verifier takes as a record grows.

Makes records of more and more ballots, with hints, and verifies each in a process of its
own: with one job, so that the peak is that of a worker and of the process that reads the log
together, and with two, so that each has its own. Prints a table of the peaks and what each
further ballot has taken.

    python -m benchmarks.memory                                   # standard parameters
    python -m benchmarks.memory --parameters toy-64-256 --ballots 10000 30000 100000

Ballots cost 40 kB each and as much again in hints; with toy parameters a tenth, so that
the growth of what is kept for each ballot shows sooner.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.verification import make_sample
from crypto.parameters import STANDARD, TOY, Parameters

SETS: dict[str, Parameters] = {"standard": STANDARD, "toy-64-256": TOY[-1]}


CHILD = """
import sys, threading
from pathlib import Path
from verifier.cli import main

def highest(process):
    status = Path(f"/proc/{process}/status").read_text()
    return next((int(x.split()[1]) for x in status.splitlines() if x.startswith("VmHWM")), 0)

def watch():
    while not done.wait(0.1):
        for child in Path("/proc/self/task").glob("*/children"):
            for process in child.read_text().split():
                try:
                    workers[process] = max(workers.get(process, 0), highest(process))
                except OSError:
                    pass

if __name__ == "__main__":
    workers, done = {}, threading.Event()
    threading.Thread(target=watch, daemon=True).start()
    code = main(sys.argv[1:])
    done.set()
    print(code, highest("self"), max(workers.values(), default=0))
"""
"""Verifies and says what it has taken at most, and its largest worker process (Linux): the
system's own figure for a process that has ended counts what its parent had, too."""


def peaks(record: Path, parameters: str, jobs: int) -> tuple[float, float]:
    """MiB that a verification of the record takes at most: this process, and a worker."""
    command = [sys.executable, "-c", CHILD, str(record), "--quiet", "--jobs", str(jobs)]
    command += ["--until", "close", "--parameters", parameters]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *kilobytes = done.stdout.splitlines()[-1].split()
    if code != "1":  # refuted: the polls are never closed
        raise SystemExit(f"the verifier ended with {code}:\n{done.stderr}")
    own, worker = (int(x) / 1024 for x in kilobytes)
    return own, worker


def measure(parameters: str, counts: Sequence[int]) -> list[dict[str, float]]:
    """The peak for each number of ballots, and the size of the record."""
    rows: list[dict[str, float]] = []
    for count in counts:
        with TemporaryDirectory() as name:
            folder = Path(name)
            make_sample(count, SETS[parameters]).publish(folder)
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            alone, _ = peaks(folder, parameters, 1)
            reader, worker = peaks(folder, parameters, 2)
            rows.append(
                {
                    "ballots": count,
                    "record": size,
                    "peak": alone,
                    "reader": reader,
                    "worker": worker,
                }
            )
            print(f"{count:,} ballots: {alone:.0f} MiB, a worker {worker:.0f}", file=sys.stderr)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory",
        description="Measure the verifier's memory on growing records.",
    )
    parser.add_argument("--parameters", choices=tuple(SETS), default="standard")
    parser.add_argument("--ballots", type=int, nargs="+", default=[125, 250, 500, 1000])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    chosen = parser.parse_args()
    rows = measure(chosen.parameters, chosen.ballots)
    if chosen.json:
        print(json.dumps({"parameters": chosen.parameters, "rows": rows}, indent=2))
        return
    print("| ballots | record, MiB | one process, MiB | bytes for each further ballot | ", end="")
    print("two jobs: who reads the log, MiB | a worker, MiB |\n|---|---|---|---|---|---|")
    for before, row in zip([None, *rows], rows, strict=False):
        grown = ""
        if before is not None:
            more = (row["peak"] - before["peak"]) * 2**20
            grown = f"{more / (row['ballots'] - before['ballots']):,.0f}"
        size = row["record"] / 2**20
        print(f"| {row['ballots']:,.0f} | {size:,.0f} | {row['peak']:,.0f} | {grown} | ", end="")
        print(f"{row['reader']:,.0f} | {row['worker']:,.0f} |")


if __name__ == "__main__":
    main()
