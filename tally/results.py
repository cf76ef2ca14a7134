"""Results as plain values: for tables, for JSON, and to compare with what was expected.

Counts only, as decrypted: nobody is declared elected here, and no turnout is given,
which would need a roll of voters. A share is of the votes in a contest, in per cent.

Where the manifest has a privacy floor, small units are counted together with others
(docs/record.md, "Small units"). A place that does not have its counts for itself shows
those of everybody who is counted with it, and whom; a contest below the floor shows none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeAlias

from record.artifacts import DecryptedTally
from record.election import ElectionContext
from record.manifest import Contest, Manifest, Unit
from record.small_units import Counts, ballots_in, withheld

Expected: TypeAlias = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Counts by label of unit, contest and option."""


@dataclass(frozen=True, slots=True)
class OptionCount:
    """An option's label and name, its votes, and its share of the contest's votes in per cent.

    The share has two decimals, and is 0.00 where nobody voted.
    """

    label: str
    name: str
    votes: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class ContestCount:
    """A contest in one place: `ballots` cast with it, `votes` in it, options in order.

    `together_with` are the labels of units elsewhere that are counted in these numbers,
    too, because they cannot be told apart. Where the contest is `withheld`, too few ballots
    hold it in the whole election: there are no votes and no options.
    """

    label: str
    name: str
    ballots: int
    votes: int
    options: tuple[OptionCount, ...]
    together_with: tuple[str, ...] = ()
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class UnitCount:
    """A unit's contests; a parent's are the sums of what is below it. `parent` is a label."""

    label: str
    name: str
    parent: str | None
    contests: tuple[ContestCount, ...]


@dataclass(frozen=True, slots=True)
class SetCount:
    """What was decrypted as one: the labels of the units, in order, and their contest."""

    units: tuple[str, ...]
    contest: ContestCount


@dataclass(frozen=True, slots=True)
class Results:
    """An election's counts in total, by unit and by set, in the order of the manifest.

    `privacy_floor` is 0 if there is none.
    """

    label: str
    name: str
    language: str
    privacy_floor: int
    contests: tuple[ContestCount, ...]
    units: tuple[UnitCount, ...]
    sets: tuple[SetCount, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not the expected one; None where there should be or is none."""

    units: tuple[str, ...]
    contest: str
    option: str
    expected: int | None
    found: int | None


def results(
    context: ElectionContext, tallies: Iterable[DecryptedTally], cast: Counts, language: str
) -> Results:
    """The counts of an election's decrypted tallies, with names in `language` ("kk", "ru", "en").

    `cast` are the numbers of cast ballots (`State.cast_in`). Where the manifest lacks the
    language, names are in its first one.
    """
    return _Reading(context.manifest, tuple(tallies), cast, language).results()


def as_json(found: Results) -> dict[str, Any]:
    """The same as objects, lists, strings and numbers; shares become numbers."""
    return dict(_plain(asdict(found)))


def compare(found: Results, expected: Expected) -> tuple[Difference, ...]:
    """Where the counts differ from what is expected; empty if they agree everywhere.

    What is expected of units that are counted together is added up. An option or contest
    that is left out of `expected` is expected to have no votes. Nothing is compared in a
    contest that is withheld.
    """
    ours = {
        (one.units, one.contest.label, option.label): option.votes
        for one in found.sets
        for option in one.contest.options
    }
    theirs = _by_set(found, expected)
    return tuple(
        Difference(*place, theirs.get(place), ours.get(place))
        for place in sorted(ours.keys() | theirs.keys())
        if place not in ours or theirs.get(place, 0) != ours[place]
    )


def _by_set(found: Results, expected: Expected) -> dict[tuple[tuple[str, ...], str, str], int]:
    sets = {(unit, one.contest.label): one.units for one in found.sets for unit in one.units}
    hidden = {contest.label for contest in found.contests if contest.withheld}
    sums: dict[tuple[tuple[str, ...], str, str], int] = defaultdict(int)
    for unit, by_contest in expected.items():
        for contest, by_option in by_contest.items():
            for option, votes in by_option.items():
                if contest not in hidden:
                    sums[sets.get((unit, contest), (unit,)), contest, option] += votes
    return dict(sums)


class _Reading:
    """One election's tallies, found by the places that they belong to."""

    def __init__(
        self, manifest: Manifest, tallies: Sequence[DecryptedTally], cast: Counts, language: str
    ) -> None:
        self.manifest = manifest
        self.tallies = tallies
        self.cast = cast
        self.language = language
        self.hidden = {contest.label for contest in withheld(manifest, cast)}
        parents = {unit.label: unit.parent for unit in manifest.units}
        self.above = {u.label: _line(parents, u.label) for u in manifest.units if u.takes_ballots}
        """The label of each unit that takes ballots, and those of all above it."""
        self.contests_at: dict[str, set[int]] = defaultdict(set)
        self.ballots_at: dict[tuple[str, int], int] = defaultdict(int)
        self.tallies_at: dict[tuple[str, str], list[DecryptedTally]] = defaultdict(list)
        self.tallies_in: dict[str, list[DecryptedTally]] = defaultdict(list)
        self._read()

    def _read(self) -> None:
        for unit, contest in self.manifest.cells():
            for place in self.above[unit.label]:
                self.contests_at[place].add(contest.index)
                self.ballots_at[place, contest.index] += self.cast.get(
                    (unit.label, contest.index), 0
                )
        for tally in self.tallies:
            self.tallies_in[tally.contest].append(tally)
            for place in dict.fromkeys(p for u in tally.units for p in self.above.get(u, (u,))):
                self.tallies_at[place, tally.contest].append(tally)

    def results(self) -> Results:
        manifest, totals = self.manifest, ballots_in(self.cast)
        return Results(
            manifest.label,
            manifest.name.in_language(self.language),
            self.language,
            manifest.privacy_floor,
            tuple(
                self._withheld(c, totals[c.index])
                if c.label in self.hidden
                else self._count(c, self.tallies_in[c.label])
                for c in manifest.contests
            ),
            tuple(self._unit(unit) for unit in manifest.units),
            tuple(SetCount(t.units, self._count(self._contest(t), [t])) for t in self.tallies),
        )

    def _contest(self, tally: DecryptedTally) -> Contest:
        return self.manifest.contest(tally.contest)

    def _unit(self, unit: Unit) -> UnitCount:
        contests = (self.manifest.contests[n - 1] for n in sorted(self.contests_at[unit.label]))
        name = unit.name.in_language(self.language)
        return UnitCount(unit.label, name, unit.parent, tuple(self._at(unit, c) for c in contests))

    def _at(self, unit: Unit, contest: Contest) -> ContestCount:
        if contest.label in self.hidden:
            return self._withheld(contest, self.ballots_at[unit.label, contest.index])
        mine = self.tallies_at[unit.label, contest.label]
        others = (u for t in mine for u in t.units if unit.label not in self.above[u])
        return self._count(contest, mine, tuple(others))

    def _withheld(self, contest: Contest, ballots: int) -> ContestCount:
        name = contest.name.in_language(self.language)
        return ContestCount(contest.label, name, ballots, 0, (), withheld=True)

    def _count(
        self, contest: Contest, mine: Sequence[DecryptedTally], others: tuple[str, ...] = ()
    ) -> ContestCount:
        votes = [sum(t.options[j].count for t in mine) for j in range(len(contest.options))]
        total = sum(votes)
        options = (
            OptionCount(option.label, option.name.in_language(self.language), v, _percent(v, total))
            for option, v in zip(contest.options, votes, strict=True)
        )
        return ContestCount(
            contest.label,
            contest.name.in_language(self.language),
            sum(t.ballots for t in mine),
            total,
            tuple(options),
            others,
        )


def _line(parents: Mapping[str, str | None], label: str) -> dict[str, None]:
    """A unit, its parent, and so on up."""
    line: dict[str, None] = {}
    place: str | None = label
    while place is not None:
        line[place] = None
        place = parents[place]
    return line


def _percent(votes: int, total: int) -> Decimal:
    share = Decimal(100 * votes) / Decimal(total) if total else Decimal(0)
    return share.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Decimal():
            return float(value)
    return value
