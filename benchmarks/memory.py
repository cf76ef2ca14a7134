"""How much memory the verifier takes as a record grows.

Makes records of more and more ballots, with hints, and verifies each in a process of its
own with one job, so that the peak is that of a worker and of the process that reads the log
together. Prints a table of the peaks and what each further ballot has taken.

    python -m benchmarks.memory                                   # standard parameters
    python -m benchmarks.memory --parameters toy-64-256 --ballots 2000 8000 32000

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
import sys
from pathlib import Path
from verifier.cli import main
code = main(sys.argv[1:])
status = Path("/proc/self/status").read_text()
print(code, next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""
"""Verifies and says what it has taken at most (Linux): the system's own figure for a process
that has ended counts what its parent had, too."""


def peak(record: Path, parameters: str) -> float:
    """MiB that a verification of the record takes at most."""
    command = [sys.executable, "-c", CHILD, str(record), "--quiet", "--jobs", "1"]
    command += ["--until", "close", "--parameters", parameters]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, kilobytes = done.stdout.splitlines()[-1].split()
    if code != "1":  # refuted: the polls are never closed
        raise SystemExit(f"the verifier ended with {code}:\n{done.stderr}")
    return int(kilobytes) / 1024


def measure(parameters: str, counts: Sequence[int]) -> list[dict[str, float]]:
    """The peak for each number of ballots, and the size of the record."""
    rows: list[dict[str, float]] = []
    for count in counts:
        with TemporaryDirectory() as name:
            folder = Path(name)
            make_sample(count, SETS[parameters]).publish(folder)
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            rows.append({"ballots": count, "record": size, "peak": peak(folder, parameters)})
            print(f"{count:,} ballots: {rows[-1]['peak']:.0f} MiB", file=sys.stderr)
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
    print(
        "| ballots | record, MiB | peak, MiB | bytes for each further ballot |\n|---|---|---|---|"
    )
    for before, row in zip([None, *rows], rows, strict=False):
        grown = ""
        if before is not None:
            more = (row["peak"] - before["peak"]) * 2**20
            grown = f"{more / (row['ballots'] - before['ballots']):,.0f}"
        size = row["record"] / 2**20
        print(f"| {row['ballots']:,.0f} | {size:,.0f} | {row['peak']:,.0f} | {grown} |")


if __name__ == "__main__":
    main()
