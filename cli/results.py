"""Results as tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.common import console, counted
from record.aggregate import totals
from record.artifacts import ContestResult, DecryptedTally
from record.election import ElectionContext
from record.small_units import Counts
from tally.results import ContestCount, Results, results


def results_json(
    context: ElectionContext, tallies: Iterable[DecryptedTally], cast: Counts
) -> dict[str, Any]:
    """Counts by set of units and contest, by unit, and their totals, by label.

    `cast` are the numbers of cast ballots (`State.cast_in`). A unit that is counted with
    others has the counts of all of them, and says with whom; a contest below the privacy
    floor is `withheld` and has no options.
    """
    tallies = tuple(tallies)
    found = results(context, tallies, cast, "en")
    parents = {unit.parent for unit in found.units}
    return {
        "election": context.manifest.label,
        "privacy_floor": context.manifest.privacy_floor,
        "tallies": [
            {
                "units": list(t.units),
                "contest": t.contest,
                "ballots": t.ballots,
                "options": [{"option": o.option, "count": o.count} for o in t.options],
            }
            for t in tallies
        ],
        "units": [
            {"unit": unit.label, **_count(contest)}
            for unit in found.units
            if unit.label not in parents
            for contest in unit.contests
        ],
        "totals": [_total(c, found.privacy_floor) for c in totals(context, tallies, cast).contests],
    }


def _count(contest: ContestCount) -> dict[str, Any]:
    return {
        "contest": contest.label,
        "ballots": contest.ballots,
        "together_with": list(contest.together_with),
        "withheld": contest.withheld,
        "options": [{"option": o.label, "count": o.votes} for o in contest.options],
    }


def _total(contest: ContestResult, floor: int) -> dict[str, Any]:
    return {
        "contest": contest.contest,
        "ballots": contest.ballots,
        "withheld": contest.ballots < floor,
        "options": [{"option": o.option, "count": o.count} for o in contest.options],
    }


def show_results(
    context: ElectionContext,
    tallies: Iterable[DecryptedTally],
    cast: Counts,
    language: str = "en",
) -> None:
    """A table for each unit and one for the total."""
    found = results(context, tallies, cast, language)
    for unit in found.units:
        for contest in unit.contests:
            console.print(_table(f"{unit.name}: {contest.name}", contest, found))
    for contest in found.contests:
        console.print(_table(f"{found.name}: {contest.name}", contest, found))


def _table(title: str, contest: ContestCount, found: Results) -> Table | Text:
    if contest.withheld:
        return Text(f"{title}\n{withheld_sentence(found.privacy_floor)}\n")
    table = Table(
        title=Text(title),
        caption=Text(_caption(contest, found)),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("option")
    table.add_column("votes", justify="right")
    table.add_column("%", justify="right")
    for option in contest.options:
        table.add_row(Text(option.name), str(option.votes), f"{option.percent}")
    return table


def _caption(contest: ContestCount, found: Results) -> str:
    names = {unit.label: unit.name for unit in found.units}
    others = ", ".join(names[label] for label in contest.together_with)
    ballots = counted(contest.ballots, "ballot")
    return f"{ballots}, counted together with: {others}" if others else ballots


def withheld_sentence(floor: int) -> str:
    """What stands in the place of counts that would be of fewer ballots than the floor."""
    return f"fewer than {counted(floor, 'ballot')} in the whole election: not opened"
