"""`sailau demo`: what it says of itself, and what the record says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from cli.demo.votes import SHARES, actions, draw, expected
from record.manifest import Manifest, parse_manifest
from tests.system.programs import call, refused
from verifier import verify

pytestmark = pytest.mark.system

BALLOTS, SEED = 9, 7


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """The manifest of 2005."""
    return parse_manifest(files("cli.demo").joinpath("manifest.json").read_bytes())


def test_demo(tmp_path: Path, manifest: Manifest) -> None:
    """A small demo agrees; its summary is true of the record and of what was drawn."""
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "cli.main", "demo", "--out", str(out)]
    command += ["--ballots", str(BALLOTS), "--seed", str(SEED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "VERIFIED" in done.stdout
    assert "DIFFERS" not in done.stdout
    summary = json.loads((out / "summary.json").read_text())
    voters = draw(manifest, BALLOTS, SEED)
    assert summary["agreed"] is True
    assert summary["ballots"]["submitted"] == BALLOTS == len(voters)
    fates = Counter(v.then for v in voters)
    assert summary["audited"] == fates["challenge"] > 0
    assert summary["ballots"]["spoiled"] == fates["abandon"] > 0
    places = [unit["unit"] for unit in summary["units"]]
    for row in [*summary["sets"], *({**u, "units": [u["unit"]]} for u in summary["units"])]:
        counts = {o["option"]: o["decrypted"] for o in row.get("options", ())}
        assert counts in ({}, expected(voters, row["units"]))
        assert {k: row[k] for k in ("cast", "challenged", "spoiled")} == actions(
            voters, row["units"]
        )
    # Nine ballots at three places: the small ones can only be counted all together.
    assert [row["units"] for row in summary["sets"]] == [places]
    assert "counted together" in done.stdout
    assert (summary["verdict"], summary["altered"]["verdict"]) == ("verified", "refuted")
    assert summary["altered"]["failed_checks"]
    report = verify(out / "record", jobs=1)
    assert report.verdict == "verified"
    (total,) = report.totals
    assert total.options == tuple(
        (option, sum(s["options"][n]["decrypted"] for s in summary["sets"]))
        for n, option in enumerate(SHARES)
    )
    receipts = list((out / "receipts").glob("*.tlog-proof"))
    assert len(receipts) == BALLOTS
    assert call("receipt", "verify", receipts[0], "--record", out / "record").code == 0
    # Nothing is left of the roles' homes, and the next demo may have the place.
    assert sorted(f.name for f in out.iterdir() if not f.name.startswith(".")) == [
        "receipts", "record", "summary.json",
    ]  # fmt: skip


def test_somebody_elses_directory(tmp_path: Path) -> None:
    """A directory that is not a demo's is not replaced."""
    (tmp_path / "mine").write_text("mine")
    refused(call("demo", "--out", tmp_path), 2, "choose another")
    assert [f.name for f in tmp_path.iterdir()] == ["mine"]


def test_seed(manifest: Manifest) -> None:
    """The seed alone draws the choices: the same ones again, and others with another seed."""
    first, again = (draw(manifest, 150, 2005) for _ in range(2))
    assert first == again
    assert draw(manifest, 150, 2006) != first
    votes = Counter(v.choice for v in draw(manifest, 20_000, 1))
    for option, share in SHARES.items():
        assert abs(votes[option] / 200 - share) < 1


@pytest.mark.parametrize("ballots", [1, 2, 3, 7, 20, 150])
def test_everybody_does_something(manifest: Manifest, ballots: int) -> None:
    """Somebody casts; from three ballots on somebody challenges and somebody leaves."""
    fates = Counter(v.then for v in draw(manifest, ballots, 1))
    assert fates.total() == ballots
    assert fates["cast"] > 0
    if ballots >= 3:
        assert set(fates) == {"cast", "challenge", "abandon"}
