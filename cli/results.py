"""Results as tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.common import console
from record.aggregate import totals
from record.artifacts import ContestResult, DecryptedTally
from record.election import ElectionContext
from tally.results import ContestCount, results


def results_json(context: ElectionContext, tallies: Iterable[DecryptedTally]) -> dict[str, Any]:
    """Counts by unit and contest, and their totals, by label."""
    tallies = tuple(tallies)
    return {
        "election": context.manifest.label,
        "units": [
            {
                "unit": t.unit,
                "contest": t.contest,
                "ballots": t.ballots,
                "options": [{"option": o.option, "count": o.count} for o in t.options],
            }
            for t in tallies
        ],
        "totals": [_total(c) for c in totals(context, tallies).contests],
    }


def _total(contest: ContestResult) -> dict[str, Any]:
    return {
        "contest": contest.contest,
        "ballots": contest.ballots,
        "options": [{"option": o.option, "count": o.count} for o in contest.options],
    }


def show_results(
    context: ElectionContext, tallies: Iterable[DecryptedTally], language: str = "en"
) -> None:
    """A table for each unit and one for the total."""
    found = results(context, tallies, language)
    for unit in found.units:
        for contest in unit.contests:
            console.print(_table(f"{unit.name}: {contest.name}", contest))
    for contest in found.contests:
        console.print(_table(f"{found.name}: {contest.name}", contest))


def _table(title: str, contest: ContestCount) -> Table:
    table = Table(title=Text(title), caption=f"{contest.ballots} ballots", title_justify="left")
    table.add_column("option")
    table.add_column("votes", justify="right")
    table.add_column("%", justify="right")
    for option in contest.options:
        table.add_row(Text(option.name), str(option.votes), f"{option.percent}")
    return table
