"""`make bench-load` on the toy group: what it counts is what it sent."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system


def test_the_load_benchmark_counts_what_it_sent() -> None:
    """In a calm run and in a flood; the flooder gets nothing in."""
    options = ["--toy", "--devices", "2", "--ballots", "3", "--workers", "1", "--connections", "4"]
    command = [sys.executable, "-m", "benchmarks.load", *options, "--flood", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=True)
    report = json.loads(done.stdout)
    assert set(report["runs"]) == {"calm", "flooded"}
    for run in report["runs"].values():
        assert run["ballots"] == 6
        assert run["other_answers"] == {}
        assert run["latency_p99_ms"] >= run["latency_p50_ms"] > 0
        assert run["health_p99_ms"] > 0
    first, last = report["runs"]["flooded"]["artifacts"]
    assert last - first == 6
    told = report["runs"]["flooded"]["flooder_was_told"]
    assert told["Malformed"] > 0
    assert told["Rejected"] > 0
    assert "encrypted 13 of 13 ballots" in done.stderr
