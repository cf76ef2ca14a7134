"""Results as plain values: for tables, for JSON, and to compare with what was expected.

Counts only, as decrypted: nobody is declared elected here, and no turnout is given,
which would need a roll of voters. A share is of the votes in a contest, in per cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeAlias

from record.artifacts import DecryptedTally
from record.election import ElectionContext
from record.manifest import Contest, Manifest, Unit

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
    """A contest in one place: `ballots` cast with it, `votes` in it, options in order."""

    label: str
    name: str
    ballots: int
    votes: int
    options: tuple[OptionCount, ...]


@dataclass(frozen=True, slots=True)
class UnitCount:
    """A unit's contests; a parent's are the sums of what is below it. `parent` is a label."""

    label: str
    name: str
    parent: str | None
    contests: tuple[ContestCount, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """An election's counts in total and by unit, in the order of the manifest."""

    label: str
    name: str
    language: str
    contests: tuple[ContestCount, ...]
    units: tuple[UnitCount, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that is not the expected one; None where there should be or is none."""

    unit: str
    contest: str
    option: str
    expected: int | None
    found: int | None


def results(context: ElectionContext, tallies: Iterable[DecryptedTally], language: str) -> Results:
    """The counts of an election's decrypted tallies, with names in `language` ("kk", "ru", "en").

    Where the manifest lacks the language, names are in its first one.
    """
    manifest, tallies = context.manifest, tuple(tallies)
    return Results(
        manifest.label,
        manifest.name.in_language(language),
        language,
        tuple(_count(contest, tallies, language) for contest in manifest.contests),
        tuple(_unit(manifest, unit, tallies, language) for unit in manifest.units),
    )


def as_json(found: Results) -> dict[str, Any]:
    """The same as objects, lists, strings and numbers; shares become numbers."""
    return dict(_plain(asdict(found)))


def counts(found: Results) -> dict[str, dict[str, dict[str, int]]]:
    """Votes by label of unit, contest and option, for the units that take ballots."""
    parents = {unit.parent for unit in found.units}
    return {
        unit.label: {c.label: {o.label: o.votes for o in c.options} for c in unit.contests}
        for unit in found.units
        if unit.label not in parents
    }


def compare(found: Results, expected: Expected) -> tuple[Difference, ...]:
    """Where the counts differ from what is expected; empty if they agree everywhere.

    An option or contest that is left out of `expected` is expected to have no votes.
    """
    ours, theirs = _flat(counts(found)), _flat(expected)
    return tuple(
        Difference(*place, theirs.get(place), ours.get(place))
        for place in sorted(ours.keys() | theirs.keys())
        if place not in ours or theirs.get(place, 0) != ours[place]
    )


def _unit(
    manifest: Manifest, unit: Unit, tallies: tuple[DecryptedTally, ...], language: str
) -> UnitCount:
    below = _below(manifest, unit)
    mine = tuple(t for t in tallies if t.unit in below)
    voted = {t.contest for t in mine}
    contests = (c for c in manifest.contests if c.label in voted)
    name = unit.name.in_language(language)
    return UnitCount(
        unit.label, name, unit.parent, tuple(_count(c, mine, language) for c in contests)
    )


def _below(manifest: Manifest, unit: Unit) -> set[str]:
    """The unit's label and those of all units below it."""
    found, size = {unit.label}, 0
    while len(found) > size:
        size = len(found)
        found |= {u.label for u in manifest.units if u.parent in found}
    return found


def _count(contest: Contest, tallies: Iterable[DecryptedTally], language: str) -> ContestCount:
    mine = [t for t in tallies if t.contest == contest.label]
    votes = [sum(t.options[j].count for t in mine) for j in range(len(contest.options))]
    total = sum(votes)
    options = (
        OptionCount(option.label, option.name.in_language(language), v, _percent(v, total))
        for option, v in zip(contest.options, votes, strict=True)
    )
    return ContestCount(
        contest.label,
        contest.name.in_language(language),
        sum(t.ballots for t in mine),
        total,
        tuple(options),
    )


def _percent(votes: int, total: int) -> Decimal:
    share = Decimal(100 * votes) / Decimal(total) if total else Decimal(0)
    return share.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def _flat(by_unit: Expected) -> dict[tuple[str, str, str], int]:
    return {
        (unit, contest, option): votes
        for unit, by_contest in by_unit.items()
        for contest, by_option in by_contest.items()
        for option, votes in by_option.items()
    }


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case Decimal():
            return float(value)
    return value
