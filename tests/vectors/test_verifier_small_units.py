"""The verifier's rule of small units, and records whose servers do not keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.parameters import TOY
from record import aggregate, state
from record.manifest import Manifest as RecordManifest
from record.small_units import TallySet as RecordSet
from record.state import Phase
from tests.ballots import Fate, Plain
from tests.decrypting import VOTES, opening, play_election, play_result
from tests.publishing import publish
from tests.tampered.kit import Record, changed_manifest
from tests.world import World
from verifier import Report, verify
from verifier.manifest import Contest, Manifest
from verifier.small_units import tally_sets
from verifier.text import render

NAME = "toy-64-256"
PARAMETERS = TOY[-1]
CONTEST = Contest(1, "c", 1, 1, ("a", "b"))
FAMILY = {"top": None, "a": "top", "b": "top", "c": "top", "d": "top"}


def manifest_of(parents: dict[str, str | None], floor: int) -> Manifest:
    """Units under their parents; those without children take one style with one contest."""
    inner = {parent for parent in parents.values() if parent}
    return Manifest(
        label="x",
        name={},
        chaining="none",
        contests=(CONTEST,),
        styles={"s": (CONTEST,)},
        units={unit: () if unit in inner else ("s",) for unit in parents},
        parents={unit: parent for unit, parent in parents.items() if parent},
        devices={},
        privacy_floor=floor,
    )


def sets(parents: dict[str, str | None], floor: int, ballots: dict[str, int]) -> list[str]:
    """The sets, each as its units in a row."""
    cast_in = {(unit, "c"): count for unit, count in ballots.items()}
    return [" ".join(units) for units, _ in tally_sets(manifest_of(parents, floor), cast_in)]


def test_without_a_floor_every_unit_is_a_set() -> None:
    """Even one in which nobody voted."""
    assert sets(FAMILY, 0, {"a": 1}) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("ballots", "expected"),
    [
        ((3, 3, 3, 3), ["a", "b", "c", "d"]),
        ((3, 1, 4, 3), ["a b", "c", "d"]),
        ((3, 1, 4, 1), ["a b d", "c"]),
        ((3, 2, 4, 1), ["a", "b d", "c"]),
        ((1, 1, 1, 1), ["a b c d"]),
        ((1, 2, 1, 2), ["a b", "c d"]),
        ((0, 0, 0, 9), ["a b c d"]),
        ((1, 0, 0, 1), []),
        ((0, 0, 0, 0), []),
    ],
)
def test_siblings_join(ballots: tuple[int, ...], expected: list[str]) -> None:
    """One small unit takes the smallest sibling along; several join until they are enough."""
    assert sets(FAMILY, 3, dict(zip("abcd", ballots, strict=True))) == expected


def test_what_is_left_over_rises_undivided() -> None:
    """Children without a set hand everything up; it joins siblings of their parent."""
    tree = {"top": None, "in": "top", "a": "in", "b": "in", "c": "top", "e": None}
    assert sets(tree, 4, {"a": 1, "b": 1, "c": 9, "e": 5}) == ["a b c", "e"]
    assert sets(tree, 4, {"a": 1, "b": 1, "c": 1, "e": 5}) == ["a b c e"]
    assert sets(tree, 4, {"a": 2, "b": 1, "c": 1, "e": 1}) == ["a b c e"]


def test_the_smallest_set_may_lie_deep_below() -> None:
    """All sets below the parent count, not only its own children's."""
    tree = {"top": None, "in": "top", "a": "in", "b": "in", "c": "top"}
    assert sets(tree, 3, {"a": 3, "b": 7, "c": 1}) == ["a c", "b"]


def test_units_nested_as_deeply_as_can_be() -> None:
    """A chain of parents is no recursion, and costs no more than its units."""
    tree: dict[str, str | None] = {"0": None}
    for i in range(1, 20_000):
        tree[str(i)] = str(i - 1)
        tree[f"leaf {i}"] = str(i - 1)
    assert sets(tree, 5, {"leaf 1": 4}) == []
    (everybody,) = sets(tree, 5, {"leaf 1": 5})
    assert everybody.count("leaf") == 19_999


@st.composite
def counted(draw: st.DrawFn) -> tuple[dict[str, str | None], int, dict[str, int]]:
    """A forest of units in any order, a floor, and the ballots of the leaves."""
    size = draw(st.integers(1, 12))
    above = [draw(st.integers(-1, i - 1)) for i in range(size)]
    order = draw(st.permutations(range(size)))
    tree = {f"u{i}": f"u{above[i]}" if above[i] >= 0 else None for i in order}
    leaves = [unit for unit in tree if unit not in tree.values()]
    ballots = {unit: draw(st.integers(0, 6)) for unit in leaves}
    return tree, draw(st.integers(1, 8)), ballots


@given(counted())
def test_sets_are_a_partition_above_the_floor(
    case: tuple[dict[str, str | None], int, dict[str, int]],
) -> None:
    """Every unit once, every set large enough, unless there are too few ballots for any."""
    tree, floor, ballots = case
    found = [row.split(" ") for row in sets(tree, floor, ballots)]
    assert found == [row.split(" ") for row in sets(tree, floor, ballots)]
    if sum(ballots.values()) < floor:
        assert found == []
        return
    assert sorted(unit for row in found for unit in row) == sorted(ballots)
    assert all(sum(ballots[unit] for unit in row) >= floor for row in found)
    places = {unit: i for i, unit in enumerate(tree)}
    assert all([places[unit] for unit in row] == sorted(places[u] for u in row) for row in found)
    assert [places[row[0]] for row in found] == sorted(places[row[0]] for row in found)


@given(counted())
def test_large_units_stay_alone_when_nobody_is_small(
    case: tuple[dict[str, str | None], int, dict[str, int]],
) -> None:
    """Without a small unit nothing is joined; a floor of 1 joins only empty units."""
    tree, floor, ballots = case
    large = {unit: count + floor for unit, count in ballots.items()}
    assert sets(tree, floor, large) == [unit for unit in tree if unit in large]
    some = {unit: count + 1 for unit, count in ballots.items()}
    assert sets(tree, 1, some) == [unit for unit in tree if unit in some]


# --- records


def _villages(floor: int) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        village = document["units"][2]
        document["units"] += [village | {"label": label} for label in ("aul", "shieli")]
        every = [u["label"] for u in document["units"] if u["ballot_styles"]]
        document["devices"][0]["units"] = every
        if floor:
            document["privacy_floor"] = floor

    return change


def _ballots(unit: str, number: int) -> list[Plain]:
    return [Plain({"president": (0, 1, 0)}, unit=unit, style="short") for _ in range(number)]


BALLOTS = (
    *_ballots("centre", 4),
    *_ballots("village", 3),
    *_ballots("aul", 1),
    *_ballots("shieli", 1),
    Plain({"council": (1, 0)}),
    Plain(fate=Fate.CHALLENGE),
)
"""With a floor of 3: centre; village, with aul and shieli; the council has one ballot."""


def play(floor: int = 3, ballots: tuple[Plain, ...] = BALLOTS) -> World:
    """A whole election under this floor."""
    return play_election(PARAMETERS, ballots, manifest=changed_manifest(_villages(floor)))


def judged(world: World, folder: Path, artifacts: list[bytes] | None = None) -> Report:
    """The verdict on a record."""
    publish(world, folder / "record", artifacts)
    return verify(folder / "record", parameters=NAME)


def test_joined_villages_are_verified(tmp_path: Path) -> None:
    """The sets, the totals, and the contest that is not decrypted."""
    report = judged(play(), tmp_path)
    assert report.failures == ()
    president, council = report.totals
    assert president.options == (("abai", 0), ("beimbet", 9), ("gulnar", 0))
    assert (council.ballots, council.options) == (1, ())
    assert "not decrypted" in render(report)


@pytest.mark.parametrize("ballots", [(), BALLOTS[:2], (BALLOTS[0], BALLOTS[-1])])
def test_everything_below_the_floor(ballots: tuple[Plain, ...], tmp_path: Path) -> None:
    """No tallies at all: the phases go on, challenged ballots are opened, the result is empty."""
    manifest = changed_manifest(_villages(20))
    world = play_election(PARAMETERS, ballots, manifest=manifest, until=Phase.CLOSED)
    for code in world.state.challenged:
        world.append(opening(world, code))
    play_result(world)
    report = judged(world, tmp_path)
    assert report.failures == ()
    assert all(total.options == () for total in report.totals)
    assert verify(tmp_path / "record", parameters=NAME, until="close").failures == ()


Partition = Callable[[RecordManifest, Any], tuple[RecordSet, ...]]


def _apart(manifest: RecordManifest, counts: Any, floor: int = 0) -> tuple[RecordSet, ...]:
    """Another floor than the manifest's: by default every unit alone."""
    from record.small_units import partition

    return partition(replace(manifest, privacy_floor=floor), counts)


def _all_in_one(manifest: RecordManifest, counts: Any) -> tuple[RecordSet, ...]:
    """Every unit of the first contest together, though there are large ones."""
    apart = [x for x in _apart(manifest, counts) if x.contest.index == 1]
    units = tuple(unit for x in apart for unit in x.units)
    return (RecordSet(units, apart[0].contest, sum(x.ballots for x in apart)),)


@pytest.mark.parametrize(
    ("partition", "fails"),
    [
        (_apart, {"R.small-units"}),
        (partial(_apart, floor=2), {"R.small-units"}),
        (_all_in_one, {"R.small-units"}),
    ],
)
def test_other_sets_than_the_rule_gives(
    partition: Partition, fails: set[str], tmp_path: Path
) -> None:
    """A whole election counted by another rule fails R.small-units and nothing else."""
    with (
        mock.patch.object(state, "partition", partition),
        mock.patch.object(aggregate, "partition", partition),
        mock.patch.object(aggregate, "withheld", lambda *_: _hidden(partition, *_)),
    ):
        world = play()
    report = judged(world, tmp_path)
    assert set(report.failed_ids()) == fails, report.failures
    assert {f.culprit for f in report.failures} == {"server"}


def _hidden(partition: Partition, manifest: RecordManifest, counts: Any) -> list[Any]:
    shown = {x.contest.index for x in partition(manifest, counts)}
    return [contest for contest in manifest.contests if contest.index not in shown]


def test_a_tally_where_nothing_is_tallied(tmp_path: Path) -> None:
    """All contests are below the floor; the server decrypts a unit all the same."""
    only = partial(_apart, floor=1)
    with (
        mock.patch.object(state, "partition", only),
        mock.patch.object(aggregate, "partition", only),
        mock.patch.object(aggregate, "withheld", lambda *_: _hidden(only, *_)),
    ):
        world = play(20, (*_ballots("aul", 2), BALLOTS[-1]))
    assert set(judged(world, tmp_path).failed_ids()) == {"R.small-units"}


def test_units_joined_without_a_floor(tmp_path: Path) -> None:
    """Without a floor nothing is joined: R.tally-cells."""
    with (
        mock.patch.object(state, "partition", _all_in_one),
        mock.patch.object(aggregate, "partition", _all_in_one),
        mock.patch.object(aggregate, "withheld", lambda *_: _hidden(_all_in_one, *_)),
    ):
        world = play(0)
    assert "R.tally-cells" in judged(world, tmp_path).failed_ids()


def test_units_in_another_order(tmp_path: Path) -> None:
    """The units of a set stand in the manifest's order."""
    record = Record(play())
    tally = next(t for t in record.every("encrypted_tally") if len(t.units) > 1)
    tally.units[:] = list(tally.units)[::-1]
    report = judged(record.world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.tally-cells",)


@pytest.mark.parametrize("units", [[], ["nowhere"], ["village", "village"], ["city"]])
def test_units_that_are_none(units: list[str], tmp_path: Path) -> None:
    """Unknown, repeated or no labels stand for the next set."""
    record = Record(play())
    record.first("encrypted_tally").units[:] = units
    report = judged(record.world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.tally-cells",)


def test_a_result_with_what_is_not_decrypted(tmp_path: Path) -> None:
    """The result lists the council's options, with zeros."""
    record = Record(play())
    for label in ("yes", "no"):
        record.first("result").contests[1].options.add(option=label)
    report = judged(record.world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.result",)


def test_a_small_set_decrypted_beside_its_own(tmp_path: Path) -> None:
    """A decrypted tally of a village that was counted with others is R.small-units."""
    record = Record(play())
    again = type(record.last("decrypted_tally"))()
    again.CopyFrom(record.last("decrypted_tally"))
    again.units[:] = ["aul"]
    record.insert(record.position("challenged_ballot_decryption"), decrypted_tally=again)
    report = judged(record.world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.small-units",)


def test_honest_without_a_floor(tmp_path: Path) -> None:
    """The check is not made where there is no floor."""
    report = judged(play_election(PARAMETERS, VOTES), tmp_path)
    assert "R.small-units" not in report.checks
