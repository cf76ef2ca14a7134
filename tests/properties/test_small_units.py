"""Small units: sets that are large enough, cover everything once, and give no less away."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from time import thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import verifier.manifest
import verifier.small_units
from record.manifest import Manifest, Unit, parse_manifest
from record.small_units import TallySet, ballots_in, partition, withheld
from tests.world import manifest_document

Counts = dict[tuple[str, int], int]
Tree = Sequence[tuple[str, str | None]]
"""Labels of units with their parents', in the manifest's order."""


def manifest_of(
    tree: Tree, floor: int, styles: Mapping[str, Sequence[str]] | None = None
) -> Manifest:
    """A manifest with these units; a leaf has the style `full` unless `styles` says otherwise."""
    parents = {parent for _, parent in tree}
    leaves = [label for label, _ in tree if label not in parents]
    document: dict[str, Any] = manifest_document()
    name = document["name"]
    document["units"] = [
        {
            "label": label,
            "name": name,
            "parent": parent,
            "ballot_styles": list((styles or {}).get(label, ["full"])) if label in leaves else [],
        }
        for label, parent in tree
    ]
    document["devices"] = [{"label": "d", "information": "", "units": leaves}]
    if floor:
        document["privacy_floor"] = floor
    return parse_manifest(json.dumps(document).encode())


def president(**ballots: int) -> Counts:
    """Numbers of cast ballots with contest 1, by unit."""
    return {(label, 1): n for label, n in ballots.items()}


def sets(manifest: Manifest, counts: Counts, contest: str = "president") -> list[str]:
    """The sets of a contest, each as its labels with spaces between."""
    found = [s for s in partition(manifest, counts) if s.contest.label == contest]
    return [" ".join(u.label for u in s.units) for s in found]


# --- the rule, step by step


def test_without_a_floor_every_cell_is_a_set() -> None:
    """One set a cell, in the order of the cells, empty ones included."""
    manifest = manifest_of([("top", None), ("a", "top"), ("b", "top"), ("c", None)], 0)
    found = partition(manifest, {("b", 2): 3})
    assert [(s.units[0], s.contest) for s in found] == list(manifest.cells())
    assert [s.ballots for s in found] == [0, 0, 0, 3, 0, 0]
    assert withheld(manifest, {}) == ()


FAMILY = [("top", None), ("a", "top"), ("b", "top"), ("c", "top"), ("d", "top")]


@pytest.mark.parametrize(
    ("ballots", "expected"),
    [
        pytest.param((5, 6, 7, 8), ["a", "b", "c", "d"], id="all large"),
        pytest.param((4, 6, 7, 8), ["a b", "c", "d"], id="one small takes the smallest"),
        pytest.param((7, 6, 6, 1), ["a", "b d", "c"], id="of several the first"),
        pytest.param((2, 9, 3, 8), ["a c", "b", "d"], id="two small are enough together"),
        pytest.param((3, 3, 3, 3), ["a b", "c d"], id="one after another"),
        pytest.param((3, 3, 3, 1), ["a b c d"], id="what is left joins the set just made"),
        pytest.param((0, 5, 0, 9), ["a b c", "d"], id="units without ballots"),
        pytest.param((1, 1, 1, 2), ["a b c d"], id="all are needed"),
        pytest.param((1, 1, 1, 1), [], id="not enough at all"),
    ],
)
def test_siblings(ballots: tuple[int, ...], expected: list[str]) -> None:
    """Small units below one parent, with a floor of 5."""
    counts = president(**dict(zip("abcd", ballots, strict=True)))
    assert sets(manifest_of(FAMILY, 5), counts) == expected


def test_what_is_left_over_goes_up() -> None:
    """Without a set below its parent a small unit joins below the parent's parent."""
    tree = [("top", None), ("left", "top"), ("a", "left"), ("b", "left"), ("c", "top"), ("d", None)]
    manifest = manifest_of(tree, 5)
    assert sets(manifest, president(a=1, b=1, c=9, d=6)) == ["a b c", "d"]
    assert sets(manifest, president(a=1, b=1, c=1, d=6)) == ["a b c d"]
    assert sets(manifest, president(a=1, b=6, c=1, d=9)) == ["a b c", "d"]


def test_the_smallest_set_below_may_be_deep() -> None:
    """What is left over joins the smallest set anywhere below the parent, also a joined one."""
    inner = [("left", "top"), ("a", "left"), ("b", "left"), ("c", "left")]
    tree = [("top", None), *inner, ("d", "top"), ("e", "top")]
    assert sets(manifest_of(tree, 5), president(a=2, b=4, c=8, d=7, e=1)) == ["a b e", "c", "d"]


def test_what_a_child_leaves_over_is_not_divided() -> None:
    """Two units left over together by one child join as one."""
    tree = [("x", None), ("left", None), ("a", "left"), ("b", "left"), ("y", None)]
    # One unit at a time, x and a would have been enough, and b and y another set.
    assert sets(manifest_of(tree, 4), president(x=2, a=2, b=1, y=3)) == ["x a b y"]


def test_children_in_the_manifests_order() -> None:
    """The order is that of the children themselves, not of the units below them."""
    tree = [("a", "late"), ("b", None), ("late", None), ("c", None)]
    manifest = manifest_of(tree, 5)
    # b comes before `late`, though a stands before b.
    assert sets(manifest, president(a=4, b=4, c=9)) == ["a b", "c"]
    assert sets(manifest, president(a=1, b=4, c=4)) == ["a b c"]
    assert sets(manifest, president(b=2, a=3, c=5)) == ["a b", "c"]
    order = [(s.units[0].label, s.ballots) for s in partition(manifest, president(a=3, b=9, c=9))]
    assert order == [("a", 12), ("c", 9)]


def test_contests_are_joined_apart() -> None:
    """Each contest has its own sets, and a unit without the contest is in none of them."""
    tree = [("a", None), ("b", None), ("c", None)]
    manifest = manifest_of(tree, 3, {"b": ["short"], "c": ["short", "full"]})
    counts = {("a", 1): 9, ("a", 2): 1, ("b", 1): 2, ("c", 1): 4, ("c", 2): 2}
    found = [
        ([u.label for u in s.units], s.contest.label, s.ballots)
        for s in partition(manifest, counts)
    ]
    assert found == [
        (["a"], "president", 9),
        (["a", "c"], "council", 3),
        (["b", "c"], "president", 6),
    ]


def test_withheld() -> None:
    """A contest below the floor in total is withheld, and one on no ballot at all."""
    manifest = manifest_of(FAMILY, 5)
    counts = {("a", 1): 4, ("b", 1): 1, ("a", 2): 4}
    assert [c.label for c in withheld(manifest, counts)] == ["council"]
    assert sets(manifest, counts, "council") == []
    assert [c.label for c in withheld(manifest, {})] == ["president", "council"]
    assert partition(manifest, {}) == ()


# --- any manifest, any numbers


@st.composite
def elections(draw: st.DrawFn, most_units: int = 9) -> tuple[Manifest, Counts]:
    """Units in any order under any forest, with any styles, ballots and floor."""
    size = draw(st.integers(1, most_units))
    parents = [None, *(draw(st.none() | st.integers(0, i - 1)) for i in range(1, size))]
    order = draw(st.permutations(range(size)))
    tree = [(f"u{i}", None if parents[i] is None else f"u{parents[i]}") for i in order]
    style = st.sampled_from([["full"], ["short"], ["short", "full"]])
    styles = {f"u{i}": draw(style) for i in range(size)}
    manifest = manifest_of(tree, draw(st.integers(0, 8)), styles)
    ballots = st.sampled_from([0, 0, 1, 2, 3, 5, 8, 13])
    return manifest, {(u.label, c.index): draw(ballots) for u, c in manifest.cells()}


def by_the_letter(manifest: Manifest, counts: Counts) -> list[tuple[int, int, list[int]]]:
    """The rule of docs/record.md as it is written, slowly: first unit, contest, units."""
    floor, units = manifest.privacy_floor, manifest.units
    found = []
    for contest in manifest.contests:

        def number(members: list[int], index: int = contest.index) -> int:
            return sum(counts.get((units[n].label, index), 0) for n in members)

        def walk(
            parent: str | None, index: int = contest.index
        ) -> tuple[list[list[int]], list[int]]:
            below: list[list[int]] = []
            left: list[int] = []
            for n, unit in enumerate(units):
                if unit.parent != parent:
                    continue
                if unit.takes_ballots:
                    mine = [n] if index in {c.index for c in manifest.contests_of(unit)} else []
                    large = bool(mine) and number(mine) >= floor
                    sets_, over = ([mine], []) if large else ([], mine)
                else:
                    sets_, over = walk(unit.label)
                below += sets_
                left += over
                if over and number(left) >= floor:
                    below.append(left)
                    left = []
            if left and below:
                min(below, key=lambda members: (number(members), min(members))).extend(left)
                left = []
            return below, left

        found += [(min(s), contest.index, sorted(s)) for s in walk(None)[0]]
    return sorted(found)


def shape(manifest: Manifest, found: Sequence[TallySet]) -> list[tuple[int, int, list[int]]]:
    place = {unit.label: n for n, unit in enumerate(manifest.units)}
    rows = [(s.contest.index, [place[u.label] for u in s.units]) for s in found]
    return [(members[0], contest, members) for contest, members in rows]


@given(elections())
def test_the_rule_by_the_letter(election: tuple[Manifest, Counts]) -> None:
    """What comes out is what the rule says, in the order of the encrypted tallies."""
    manifest, counts = election
    assert shape(manifest, partition(manifest, counts)) == by_the_letter(manifest, counts)


@given(elections())
def test_the_verifier_finds_the_same_sets(election: tuple[Manifest, Counts]) -> None:
    """Whoever wrote the rule down a second time comes to the same tallies in the same order."""
    manifest, counts = election
    theirs, problems = verifier.manifest.parse_manifest(manifest.source)
    assert theirs is not None
    assert problems == ()
    labels = [c.label for c in manifest.contests]
    cast = {(unit, labels[contest - 1]): n for (unit, contest), n in counts.items()}
    ours = [(tuple(u.label for u in s.units), s.contest.label) for s in partition(manifest, counts)]
    assert list(verifier.small_units.tally_sets(theirs, cast)) == ours


@given(elections())
def test_a_partition_of_what_is_not_withheld(election: tuple[Manifest, Counts]) -> None:
    """Every cell stands in one set of its contest, and none of a contest that is withheld."""
    manifest, counts = election
    hidden = {c.label for c in withheld(manifest, counts)}
    covered = [(u.label, s.contest.label) for s in partition(manifest, counts) for u in s.units]
    cells = [(u.label, c.label) for u, c in manifest.cells() if c.label not in hidden]
    assert sorted(covered) == sorted(cells)
    totals = ballots_in(counts)
    for contest in manifest.contests:
        assert (contest.label in hidden) == (totals[contest.index] < manifest.privacy_floor)


@given(elections())
def test_every_set_reaches_the_floor(election: tuple[Manifest, Counts]) -> None:
    """No set has fewer ballots than the floor, and each says rightly how many it has."""
    manifest, counts = election
    for found in partition(manifest, counts):
        ballots = sum(counts[u.label, found.contest.index] for u in found.units)
        assert found.ballots == ballots >= manifest.privacy_floor


@given(elections(), st.randoms(use_true_random=False))
def test_the_order_of_the_counts_does_not_matter(
    election: tuple[Manifest, Counts], source: random.Random
) -> None:
    """The same numbers give the same sets, in whatever order they come, zeroes left out or not."""
    manifest, counts = election
    items = list(counts.items())
    source.shuffle(items)
    expected = partition(manifest, counts)
    assert partition(manifest, dict(items)) == expected
    assert partition(manifest, {cell: n for cell, n in items if n}) == expected


@given(elections(), st.data())
def test_labels_do_not_matter(election: tuple[Manifest, Counts], data: st.DataObject) -> None:
    """Other labels in the same places: the same sets."""
    manifest, counts = election
    places = data.draw(st.permutations(range(len(manifest.units))))
    new = {u.label: f"w{n}" for n, u in zip(places, manifest.units, strict=True)}
    renamed = replace(
        manifest,
        units=tuple(
            Unit(new[u.label], u.name, u.parent and new[u.parent], u.ballot_styles)
            for u in manifest.units
        ),
    )
    other = {(new[unit], contest): n for (unit, contest), n in counts.items()}
    assert shape(renamed, partition(renamed, other)) == shape(manifest, partition(manifest, counts))


# --- what can be computed from everything that is published


def published(manifest: Manifest, counts: Counts, contest: int) -> list[frozenset[str]]:
    """The units behind every number of a contest: sets, and sums of those wholly below a parent."""
    mine = [s for s in partition(manifest, counts) if s.contest.index == contest]
    numbers = [frozenset(u.label for u in s.units) for s in mine]
    above = {u.label: u.parent for u in manifest.units}

    def below(label: str, parent: str) -> bool:
        up: str | None = label
        while up is not None and up != parent:
            up = above[up]
        return up is not None

    sums = [
        frozenset(x for s in numbers if all(below(y, u.label) for y in s) for x in s)
        for u in manifest.units
    ]
    return list(dict.fromkeys([*numbers, *sums, frozenset(x for s in numbers for x in s)]))


@given(elections(most_units=7))
def test_no_difference_gives_fewer_ballots_away(election: tuple[Manifest, Counts]) -> None:
    """The difference of two published sums is of no ballot, or of as many as the floor."""
    manifest, counts = election
    for contest in manifest.contests:
        sums = published(manifest, counts, contest.index)
        for one, other in product(sums, repeat=2):
            if other <= one:
                ballots = sum(counts.get((u, contest.index), 0) for u in one - other)
                assert one == other or ballots >= manifest.privacy_floor


@given(elections(most_units=7), st.data())
def test_no_combination_gives_fewer_ballots_away(
    election: tuple[Manifest, Counts], data: st.DataObject
) -> None:
    """Whatever published numbers are multiplied by and added: the floor holds for what remains."""
    manifest, counts = election
    for contest in manifest.contests:
        sums = published(manifest, counts, contest.index)
        factors = data.draw(st.lists(st.integers(-3, 3), min_size=len(sums), max_size=len(sums)))
        weight = {
            u.label: sum(f for f, units in zip(factors, sums, strict=True) if u.label in units)
            for u in manifest.units
        }
        # Units with the same weight cannot be told apart; those without are not in it.
        for value in set(weight.values()) - {0}:
            group = [u for u, w in weight.items() if w == value]
            assert sum(counts.get((u, contest.index), 0) for u in group) >= manifest.privacy_floor


# --- size


def test_deep_trees() -> None:
    """Five thousand parents above each other, each with a small unit of its own."""
    depth = 5_000
    tree: list[tuple[str, str | None]] = [("p0", None)]
    for n in range(1, depth):
        tree += [(f"p{n}", f"p{n - 1}"), (f"u{n}", f"p{n - 1}")]
    tree += [(f"u{depth}", f"p{depth - 1}")]
    manifest = manifest_of(tree, 3)
    one_each = {(f"u{n}", 1): 1 for n in range(1, depth + 1)}
    # The lowest three make a set, and everybody above finds no other.
    assert [s.ballots for s in partition(manifest, one_each)] == [depth]
    two_large = {**one_each, ("u1", 1): 9, (f"u{depth}", 1): 3}
    assert [s.ballots for s in partition(manifest, two_large)] == [9, depth + 1]


@pytest.mark.parametrize("flat", [True, False])
def test_many_cells(flat: bool) -> None:
    """2^14 cells take a moment: neither siblings nor ancestors are gone through again and again."""
    size = 2**13
    parents = ["top" if flat else f"p{n // 8}" for n in range(size)]
    tree: list[tuple[str, str | None]] = [("top", None)]
    if not flat:
        tree += [(f"p{n}", f"p{n - 1}" if n else "top") for n in range(size // 8)]
    tree += [(f"u{n}", parent) for n, parent in enumerate(parents)]
    manifest = manifest_of(tree, 100)
    source = random.Random(7)
    counts = {(f"u{n}", c): source.randrange(300) for n in range(size) for c in (1, 2)}
    begin = thread_time()
    found = partition(manifest, counts)
    assert thread_time() - begin < 5
    assert min(s.ballots for s in found) >= 100
    assert sum(len(s.units) for s in found) == 2 * size
