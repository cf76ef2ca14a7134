"""From figures to rows, to the cost of an election, and to a plot; nothing is measured."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import report
from benchmarks.cost_model import Costs, Election, cost_model, count_batch
from benchmarks.plot import HEIGHT, Plot, Series, svg
from benchmarks.report import Row, Table, update
from benchmarks.side_by_side import SCALES, kind_of
from verifier.multipower import best_window

COSTS = Costs(
    multiplication=0.004,
    encrypt=8,
    hinted=8,
    exact=40,
    trustees=8,
    trustee=3.6,
    counted=6,
    counted_exact=36,
    record=13_000,
    hints=23_000,
    counted_bytes=1_000,
)


def figures(**milliseconds: float) -> dict[str, Any]:
    """As `collect` has them, with both peers and nothing but one core."""
    return {
        "sizes": [200],
        "peers": {"electionguard": True, "belenios": True},
        "one_core": {"milliseconds": milliseconds},
        "jobs": None,
        "load": None,
    }


def by_goal(found: dict[str, Any]) -> dict[float | None, Row]:
    """The rows that have a goal."""
    return {row.goal: row for row in Table(found).rows()}


def test_the_cost_of_an_election() -> None:
    """Two million ballots of ten options in 1,000 units, worked out by hand."""
    model = cost_model(COSTS, Election(2_000_000, 10, 1_000))
    assert model.multiplications_hinted == pytest.approx(200)
    assert model.multiplications_exact == pytest.approx(1_000)
    assert model.record_bytes == 1_300
    assert model.hint_bytes == 2_300
    assert model.encrypt_hours == pytest.approx(16_000 / 3_600)
    assert model.hinted_hours == pytest.approx((16_000 + 60) / 3_600)
    assert model.exact_hours == pytest.approx((80_000 + 360) / 3_600)
    assert model.aggregate_hours == pytest.approx(160 / 3_600)
    assert model.trustee_hours == pytest.approx(0.01)
    assert model.trustees_hours == pytest.approx(0.08)
    assert model.record_size == 26_000_000_000 + 10_000_000
    assert model.hints_size == 46_000_000_000


@pytest.mark.parametrize(("theirs", "reached"), [(24.0, True), (23.9, False)])
def test_a_goal_is_reached_or_not(theirs: float, reached: bool) -> None:
    """24 times faster than electionguard: exactly that is enough."""
    row = by_goal(figures(batch_200=1.0, electionguard_verify=theirs))[24]
    assert row.value == theirs
    assert row.reached is reached


@pytest.mark.parametrize(("ours", "reached"), [(10.0, True), (10.1, False)])
def test_of_a_time_less_is_better(ours: float, reached: bool) -> None:
    """A ballot of ten options is encrypted in ten milliseconds at most."""
    assert by_goal(figures(encrypt_ballot=ours))[10].reached is reached


def test_what_was_not_measured_is_neither() -> None:
    """Not reached would be a lie, and so would reached."""
    found = figures(batch_200=1.0, plain=12.0)
    found["peers"]["electionguard"] = False
    rows = by_goal(found)
    assert (rows[24].reached, rows[24].why_not) == (None, "not installed")
    assert (rows[60].reached, rows[60].why_not) == (None, "not measured")
    assert rows[11].reached is True


def test_functions_are_counted_by_what_they_do() -> None:
    """As a profile names them."""
    assert kind_of(("/x/verifier/multipower.py", 1, "_fold")).startswith("multiplications")
    assert kind_of(("~", 0, "<built-in method gmpy2.gmpy2.jacobi>")) == "Jacobi symbols"
    assert kind_of(("~", 0, "<built-in method _hashlib.hmac_digest>")).startswith("hashes")
    assert kind_of(("/x/verifier/multipower_other.py", 1, "f")) == "everything else"


def test_a_plot_puts_less_below_more() -> None:
    """Well-formed; both axes logarithmic, names beside their lines and apart."""
    lines = (Series("a < b", ((10, 8), (1000, 2))), Series("c", ((10, 2.01), (1000, 2.01))))
    root = ElementTree.fromstring(svg(Plot("title", "ballots", "time", lines)))
    space = "{http://www.w3.org/2000/svg}"
    circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{space}circle")]
    (x1, y1), (x2, y2), *_ = circles
    assert x1 < x2
    assert 0 < y1 < y2 < HEIGHT
    names = {t.text: float(t.attrib["y"]) for t in root.iter(f"{space}text")}
    assert abs(names["a < b"] - names["c"]) >= 15
    assert {"title", "ballots", "time", "100"} <= names.keys()


def test_a_plot_needs_points() -> None:
    """And has no more lines than colours."""
    with pytest.raises(ValueError, match="one to five"):
        svg(Plot("title", "x", "y", ()))


def test_update_replaces_what_is_between_the_markers_only(tmp_path: Any) -> None:
    """Without an end it does nothing."""
    document = tmp_path / "x.md"
    document.write_text("a\n<!-- measured: begin -->\nold\n")
    with pytest.raises(ValueError, match="are not there"):
        update(document, "new")
    assert "old" in document.read_text()


def test_a_larger_batch_needs_fewer_multiplications() -> None:
    """Of one ballot every number's own table; of 200, windows as the verifier chooses them."""
    one, many = count_batch(1, 10), count_batch(200, 10)
    assert one.commitments_window == one.bases_window == 0
    assert one.multiplications == (128 + 45 * (8 + 128 / 5) + 256 + 21 * (8 + 256 / 5)) / 10
    assert (many.commitments_window, many.bases_window) == (
        best_window(9_000, 128),
        best_window(4_200, 256),
    )
    assert many.multiplications < one.multiplications


def test_a_part_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and its row is not measured."""

    def fail(*_: object) -> dict[str, Any]:
        raise RuntimeError("the disk is full")

    def succeed(*_: object) -> dict[str, Any]:
        return {"ballots": 1, "one": 4.0, "two": 2.0, "ratio": 2.0}

    monkeypatch.setattr(report, "measure", fail)
    monkeypatch.setattr(report, "measure_load", fail)
    monkeypatch.setattr(report, "measure_jobs", succeed)
    skip = ("peers", "tally", "trustee")
    found = report.complete(report.collect(SCALES["smoke"], skip, report.Progress()))
    assert found["problems"] == ["one core: the disk is full", "load: the disk is full"]
    reached = {row["goal"]: row["reached"] for row in found["rows"]}
    assert (reached[1.8], reached[60], reached[11]) == (True, None, None)
    text = report.markdown(found)
    assert "Not measured: load: the disk is full" in text
    assert "| verify with two processes, against one | 2 s | 4 | 2.0 | 1.8 | yes |" in text
