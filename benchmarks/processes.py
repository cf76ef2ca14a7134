"""What is measured in processes of its own: jobs, the tally, a trustee, the ballot box.

`measure_jobs` and `measure_load` are by the clock on the wall and use all cores;
`measure_tally` and `measure_trustee` are times of the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.proofs import processor
from benchmarks.side_by_side import Note, Scale, verify_whole
from benchmarks.verification import OPTIONS, make_sample, manifest, time_jobs
from crypto.parameters import STANDARD
from tests.decrypting import play_election
from tests.publishing import publish
from tests.world import manifest_bytes

JOB_SAMPLE = 200
QUORUM = 8
"""Trustees that decrypt, as in `benchmarks.trustees`."""


def measure_jobs(scale: Scale, note: Note) -> dict[str, Any]:
    """What `time_jobs` finds of batches."""

    def rounds() -> Iterator[int]:
        for number in range(1, scale.job_rounds + 1):
            note(f"one process and two, round {number} of {scale.job_rounds}")
            yield number

    size = min(JOB_SAMPLE, scale.job_ballots)
    with TemporaryDirectory() as name:
        folder, sample = Path(name), make_sample(size)
        sample.publish(folder)
        return time_jobs(sample, folder, False, scale.job_ballots // size, rounds())


def _manifest(units: int) -> bytes:
    """One contest with ten options in so many units."""
    document = json.loads(manifest())
    style = document["ballot_styles"][0]
    labels = [f"unit-{n}" for n in range(1, units + 1)]
    common = {"name": document["name"], "parent": None, "ballot_styles": [style["label"]]}
    document["ballot_styles"] = [style]
    document["units"] = [{"label": label, **common} for label in labels]
    document["devices"] = [{"label": "box", "information": "box", "units": labels}]
    return manifest_bytes(document)


def measure_tally(scale: Scale, note: Note) -> dict[str, Any]:
    """What a decrypted ciphertext adds to a record and to verifying it.

    The difference of two elections without ballots, counted by `QUORUM` trustees: milliseconds
    and bytes.
    """
    counts = (1, 1 + scale.units)
    bytes_of, batch, exact = list[int](), list[float](), list[float]()
    for units in counts:
        note(f"an election that is counted: ciphertexts {units * OPTIONS}")
        world = play_election(
            STANDARD, [], manifest=_manifest(units), trustees=QUORUM, quorum=QUORUM
        )
        with TemporaryDirectory() as name:
            folder = Path(name)
            publish(world, folder)
            bytes_of.append(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()))
            for found, way in ((batch, False), (exact, True)):
                times = (
                    processor(partial(verify_whole, folder, way, None))
                    for _ in range(scale.job_rounds)
                )
                found.append(median(times))
    more = scale.units * OPTIONS

    def each(values: Sequence[float]) -> float:
        return (values[1] - values[0]) / more

    return {
        "trustees": QUORUM,
        "verify_ms": each(batch),
        "verify_exact_ms": each(exact),
        "bytes": each(bytes_of),
    }


def _run_json(module: str, *arguments: str) -> Any:
    """What another benchmark prints. Raises RuntimeError with the last it said."""
    command = [sys.executable, "-m", f"benchmarks.{module}", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"benchmarks.{module} ended with {done.returncode}: {said[-1]}")
    return json.loads(done.stdout)


def measure_trustee(scale: Scale, note: Note) -> dict[str, Any]:
    """Milliseconds for a ciphertext of one trustee, of `QUORUM` that decrypt."""
    note("one trustee's part of a decryption")
    count, turns = str(scale.ciphertexts), str(scale.job_rounds)
    report = _run_json("trustees", "--ciphertexts", count, "--turns", turns, "--parallel", "0")
    return {"ms": report["tally"][0]["total_milliseconds"], "ciphertexts": scale.ciphertexts}


def measure_load(scale: Scale, note: Note) -> dict[str, Any]:
    """Ballots that the ballot box takes in a second, over gRPC."""
    note(f"the ballot box: {scale.devices} devices send {scale.ballots} ballots each")
    devices, ballots = str(scale.devices), str(scale.ballots)
    report = _run_json("load", "--devices", devices, "--ballots", ballots)
    return {"devices": scale.devices, "workers": report["workers"], **report["runs"]["calm"]}
