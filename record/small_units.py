"""Which units are counted together, so that no published number is about a few ballots.

What is decrypted is a partition of each contest's cast ballots into sets of units. Without
a privacy floor every unit is a set of its own. With one, a unit below the floor joins
siblings, then units farther away, by the rule of docs/record.md, "Small units", which has
nothing to choose: the sets follow from the manifest and the numbers of cast ballots.

Sums over sets are all that anybody can publish, and differences of sums over sets are
again whole sets: nothing below the floor can be computed from what is known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappush, heapreplace
from typing import TypeAlias

from record.manifest import Contest, Manifest, Unit

Counts: TypeAlias = Mapping[tuple[str, int], int]
"""Cast ballots by the label of a unit and the index of a contest; what is missing is 0."""


@dataclass(frozen=True, slots=True)
class TallySet:
    """Units whose cast ballots are counted together in a contest, in the manifest's order.

    `ballots` is how many cast ballots of theirs hold the contest.
    """

    units: tuple[Unit, ...]
    contest: Contest
    ballots: int


def partition(manifest: Manifest, counts: Counts) -> tuple[TallySet, ...]:
    """The sets in the order of the encrypted tallies: by first unit, then by contest.

    Takes time in proportion to n log n for n pairs of a unit and a contest, however deep
    the units are nested.
    """
    if not manifest.privacy_floor:
        return tuple(
            TallySet((unit,), contest, counts.get((unit.label, contest.index), 0))
            for unit, contest in manifest.cells()
        )
    found = sorted(
        (first, contest, ballots, members)
        for contest, groups in _all_groups(manifest, counts).items()
        for ballots, first, members in groups
        if ballots >= manifest.privacy_floor
    )
    return tuple(
        TallySet(_units(manifest, members), manifest.contests[contest - 1], ballots)
        for _, contest, ballots, members in found
    )


def withheld(manifest: Manifest, counts: Counts) -> tuple[Contest, ...]:
    """The contests with fewer cast ballots than the floor: nothing of them is decrypted."""
    totals = ballots_in(counts)
    return tuple(c for c in manifest.contests if totals[c.index] < manifest.privacy_floor)


def ballots_in(counts: Counts) -> Counter[int]:
    """How many cast ballots hold each contest, by its index."""
    totals: Counter[int] = Counter()
    for (_, contest), ballots in counts.items():
        totals[contest] += ballots
    return totals


_Members: TypeAlias = "int | tuple[_Members, _Members]"
"""Places in the manifest's list of units, from 0, paired as they were joined."""
_Group: TypeAlias = tuple[int, int, _Members]
"""Units taken together: their ballots, the first of them, and all of them.

Groups of a contest have no unit in common, so a comparison never comes to the members.
They are plain tuples of numbers because there may be a million of them.
"""
_Groups: TypeAlias = list[_Group]
"""What there is of one contest at and below a unit, as a heap: its sets, or, where there is
none, the one group below the floor that is left over. Never empty."""


def _all_groups(manifest: Manifest, counts: Counts) -> dict[int, _Groups]:
    """The groups of every contest at the parent of all units without one, by contest.

    Every unit is gone through once, after its children, for all contests at a time.
    """
    units = manifest.units
    children: dict[str | None, list[int]] = defaultdict(list)
    for n, unit in enumerate(units):
        children[unit.parent].append(n)
    order = list(children[None])
    for n in order:
        order.extend(children.get(units[n].label, ()))
    done: dict[int, dict[int, _Groups]] = {}
    for n in reversed(order):
        below = children.get(units[n].label, ())
        if below:
            done[n] = _parent([done.pop(child) for child in below], manifest.privacy_floor)
        else:
            done[n] = _leaf(manifest, n, counts)
    return _parent([done.pop(n) for n in children[None]], manifest.privacy_floor)


def _leaf(manifest: Manifest, n: int, counts: Counts) -> dict[int, _Groups]:
    unit = manifest.units[n]
    return {
        contest.index: [(counts.get((unit.label, contest.index), 0), n, n)]
        for contest in manifest.contests_of(unit)
    }


def _parent(children: list[dict[int, _Groups]], floor: int) -> dict[int, _Groups]:
    """The groups of a unit from those of its children, which are in the manifest's order.

    What a single child has stays as it is. So the child with the most contests is kept, and
    only what the others have is gone through: little, where units are nested deeply.
    """
    largest = max(children, key=len)
    meeting = {contest for child in children if child is not largest for contest in child}
    parts: dict[int, list[_Groups]] = defaultdict(list)
    for child in children:
        for contest in meeting if child is largest else child:
            if contest in child:
                parts[contest].append(child[contest])
    largest.update((contest, _joined(met, floor)) for contest, met in parts.items())
    return largest


def _joined(parts: Sequence[_Groups], floor: int) -> _Groups:
    """Steps 2 and 3 of the rule for one contest, from what each child has of it."""
    sets: _Groups = []
    left: _Group | None = None
    for part in parts:
        if part[0][0] >= floor:
            sets = _merged(sets, part)
            continue
        left = part[0] if left is None else _together(left, part[0])
        if left[0] >= floor:
            heappush(sets, left)
            left = None
    if left is None:
        return sets
    if not sets:
        return [left]
    heapreplace(sets, _together(sets[0], left))
    return sets


def _merged(one: _Groups, other: _Groups) -> _Groups:
    """Both heaps in one; the smaller is poured into the larger."""
    if len(one) < len(other):
        one, other = other, one
    for group in other:
        heappush(one, group)
    return one


def _together(one: _Group, other: _Group) -> _Group:
    return one[0] + other[0], min(one[1], other[1]), (one[2], other[2])


def _units(manifest: Manifest, members: _Members) -> tuple[Unit, ...]:
    """The units of a group in the manifest's order."""
    found, rest = [], [members]
    while rest:
        next_ = rest.pop()
        if isinstance(next_, int):
            found.append(next_)
        else:
            rest += next_
    return tuple(manifest.units[n] for n in sorted(found))
