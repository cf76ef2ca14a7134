"""`make bench` with counts so small that only its shape can be looked at; no figure is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import belenios
from benchmarks.report import BEGIN, END

pytestmark = pytest.mark.system

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
GOALS = [12, 24, 11, 2.8, 2.5, 1.8, 60]
"""Of the first rows, in their order."""


def measure(folder: Path, *options: str) -> dict[str, Any]:
    """Run the command; its JSON."""
    written = folder / "report.json"
    command = [sys.executable, "-m", "benchmarks.report", "--scale", "smoke", "--json", written]
    done = subprocess.run(
        [*map(str, command), *options], capture_output=True, text=True, timeout=800, check=True
    )
    assert "round 1 of 1" in done.stderr
    assert done.stdout.count("| yes |") + done.stdout.count("| **no** |") >= 5
    report: dict[str, Any] = json.loads(written.read_text())
    assert [row["goal"] for row in report["rows"][: len(GOALS)]] == GOALS
    assert report["problems"] == []
    return report


def test_what_is_left_out_has_its_row_all_the_same(tmp_path: Path) -> None:
    """Rows, a document between its markers and a plot, without the parts that take long."""
    document = tmp_path / "document.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    skipped = ("--skip", "peers", "tally", "trustee", "load")
    report = measure(tmp_path, *skipped, "--update", str(document))
    by_goal = {row["goal"]: row for row in report["rows"]}
    assert by_goal[24]["value"] is None
    assert by_goal[24]["reached"] is None
    assert by_goal[24]["why_not"] == "not installed"
    assert by_goal[60]["why_not"] == "not measured"
    assert by_goal[2.8]["value"] == by_goal[2.8]["theirs"] / by_goal[2.8]["ours"]
    assert by_goal[1.8]["value"] > 0
    assert report["model"] is None
    whole = document.read_text()
    assert whole.startswith(f"before\n{BEGIN}\n")
    assert whole.endswith(f"\n{END}\nafter\n")
    assert "old" not in whole
    assert "verify exactly, against plain powmod" in whole
    ElementTree.parse(tmp_path / "performance.svg")


@pytest.mark.slow
def test_everything_is_measured(tmp_path: Path) -> None:
    """With the peers that are installed, and the cost model."""
    report = measure(tmp_path)
    peers = report["figures"]["peers"]
    assert peers["belenios"] == belenios.is_installed()
    for row in report["rows"]:
        there = all(peers[name] for name in peers if name in row["what"])
        assert (row["value"] is not None) == there, row["what"]
    assert report["costs"]["counted_bytes"] > 0
    assert all(value > 0 for name, value in report["model"].items() if name != "election")


def test_a_document_without_markers_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """And left as it is."""
    document = tmp_path / "document.md"
    document.write_text("before\n")
    command = [sys.executable, "-m", "benchmarks.report", "--update", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert BEGIN in done.stderr
    assert "round" not in done.stderr
    assert document.read_text() == "before\n"


def test_the_document_has_its_markers_and_a_table_of_the_command() -> None:
    """docs/performance.md, whose figures are all printed by the command."""
    text = DOCUMENT.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    between = text[text.index(BEGIN) : text.index(END)]
    assert "| times faster | goal | reached |" in between
    assert DOCUMENT.with_name("performance.svg").is_file()
