"""Which units are counted together, so that nothing is decrypted of a few ballots alone.

The rule of docs/record.md, "Small units", once more: contest by contest, from the
numbers of cast ballots and nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from verifier.manifest import Cell, Contest, Manifest

TallySet = tuple[tuple[str, ...], str]
"""Labels of the units of one tally, in the manifest's order, and of its contest."""


@dataclass(slots=True)
class _Bundle:
    """Units that are not to be parted: their positions in the manifest, and their ballots."""

    units: list[int]
    ballots: int
    first: int

    def swallow(self, other: _Bundle) -> None:
        """Take another bundle in. The shorter list is copied; their order does not matter."""
        if len(self.units) < len(other.units):
            self.units, other.units = other.units, self.units
        self.units += other.units
        self.ballots += other.ballots
        self.first = min(self.first, other.first)


@dataclass(slots=True)
class _Branch:
    """What has become of one contest below one unit: its sets, and what is left over.

    Something is left over only where there is no set.
    """

    sets: list[tuple[int, int, _Bundle]] = field(default_factory=list)
    """A heap by ballots, then by first unit; no two begin with the same unit."""
    left: _Bundle | None = None

    def add(self, bundle: _Bundle) -> None:
        """Take a set in."""
        heapq.heappush(self.sets, (bundle.ballots, bundle.first, bundle))

    def absorb(self, other: _Branch) -> None:
        """Take another branch's sets in."""
        if len(self.sets) < len(other.sets):
            self.sets, other.sets = other.sets, self.sets
        for item in other.sets:
            heapq.heappush(self.sets, item)

    def take(self, bundle: _Bundle, floor: int) -> None:
        """Join what a child has left over (step 2)."""
        if self.left is None:
            self.left = bundle
        else:
            self.left.swallow(bundle)
        if self.left.ballots >= floor:
            self.add(self.left)
            self.left = None

    def settle(self) -> None:
        """Give what is left over to the smallest set, if there is one (step 3)."""
        if self.left is None or not self.sets:
            return
        _, _, smallest = heapq.heappop(self.sets)
        smallest.swallow(self.left)
        self.left = None
        self.add(smallest)


_Branches = dict[int, _Branch]
"""By index of the contest."""


def tally_sets(manifest: Manifest, cast_in: Mapping[Cell, int]) -> dict[TallySet, Contest]:
    """Return what is to be tallied, in the order of the encrypted tallies.

    `cast_in` counts the cast ballots by unit and contest. A contest with fewer of them
    than the privacy floor has no set at all.
    """
    cells = manifest.cells()
    if not manifest.privacy_floor:
        return {((unit,), label): contest for (unit, label), contest in cells.items()}
    labels = tuple(manifest.units)
    found = []
    for index, branch in _whole(manifest, cast_in, cells).items():
        found += [(first, index, bundle) for _, first, bundle in branch.sets]
    contests = manifest.contests
    return {
        (tuple(labels[i] for i in sorted(bundle.units)), contests[c - 1].label): contests[c - 1]
        for _, c, bundle in sorted(found, key=lambda item: item[:2])
    }


def _whole(
    manifest: Manifest, cast_in: Mapping[Cell, int], cells: Mapping[Cell, Contest]
) -> _Branches:
    """What becomes of every contest, from the units without children up to all of them."""
    position = {label: i for i, label in enumerate(manifest.units)}
    own: dict[int, _Branches] = {}
    for (unit, label), contest in cells.items():
        i = position[unit]
        branch = _leaf(i, cast_in.get((unit, label), 0), manifest.privacy_floor)
        own.setdefault(i, {})[contest.index] = branch
    children: dict[int | None, list[int]] = {}
    for label, i in position.items():
        children.setdefault(position.get(manifest.parents.get(label, "")), []).append(i)
    order: list[int] = list(children.get(None, ()))
    for i in order:
        order += children.get(i, ())
    done: dict[int, _Branches] = {}
    for i in reversed(order):
        below = [done.pop(child) for child in children.get(i, ())]
        done[i] = _parent([own[i], *below] if i in own else below, manifest.privacy_floor)
    return _parent([done[i] for i in children.get(None, ())], manifest.privacy_floor)


def _leaf(unit: int, ballots: int, floor: int) -> _Branch:
    """Step 1."""
    branch = _Branch()
    branch.take(_Bundle([unit], ballots, unit), floor)
    return branch


def _parent(children: list[_Branches], floor: int) -> _Branches:
    """Steps 2 and 3 for one parent.

    A contest that only one child has stays as it is. So the contests of the child with
    the most of them need not all be looked at, however deep the units are nested.
    """
    if not children:
        return {}
    most = max(range(len(children)), key=lambda i: len(children[i]))
    result = children[most]
    shared = {c for i, child in enumerate(children) if i != most for c in child}
    for contest in shared:
        joined = _Branch()
        for child in children:
            branch = child.get(contest)
            if branch is not None:
                joined.absorb(branch)
                if branch.left is not None:
                    joined.take(branch.left, floor)
        joined.settle()
        result[contest] = joined
    return result
