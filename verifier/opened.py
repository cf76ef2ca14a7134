"""The form of an opened ballot, whichever way it was opened: V14."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from verifier.findings import Findings, Place
from verifier.manifest import Contest
from verifier.wire import SPARE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One opened option: its label, sigma, and what else is published of it."""

    option: str
    value: int
    item: T


Rows = Sequence[tuple[str, Sequence[Row[T]]]]
"""What is opened: contests by label, with their options."""
Opened = dict[str, dict[str, Row[T]]]
"""By contest and option."""


class Form:
    """Checks V14, and that everything stands in the order of the ballot (R.challenged)."""

    def __init__(self, findings: Findings, culprit: str) -> None:
        """Take where findings go, and who opened the ballot."""
        self._findings = findings
        self._culprit = culprit

    def _check(self, check: str, holds: bool, place: Place, message: str) -> bool:
        return self._findings.check(check, holds, place, message, self._culprit)

    def contests(
        self, rows: Rows[T], contests: Sequence[Contest], place: Place
    ) -> Opened[T] | None:
        """Check V14; return what is opened if all of it holds."""
        known = {contest.label: contest for contest in contests}
        opened: Opened[T] = {}
        good = True
        for label, options in rows[: len(contests) + SPARE]:
            here = place.at(contest=label)
            message = "the contest is not on the ballot's style"
            if not self._check("14.A", label in known, here, message):
                good = False
                continue
            values = self._options(options, known[label], here)
            good &= values is not None
            opened[label] = values or {}
        for label in known:
            message = "a contest of the ballot's style is not opened"
            good &= self._check("14.B", label in opened, place.at(contest=label), message)
        in_order = [label for label in known if label in opened]
        if good and [label for label, _ in rows] != in_order:
            message = "the contests do not stand in the order of the ballot"
            self._findings.failed("R.challenged", place, message, self._culprit)
        return opened if good else None

    def _options(
        self, rows: Sequence[Row[T]], known: Contest, place: Place
    ) -> dict[str, Row[T]] | None:
        """Check 14.C to 14.F of a contest; None if any of it fails."""
        values: dict[str, Row[T]] = {}
        options = set(known.options)
        good = True
        for row in rows[: len(options) + SPARE]:
            here = place.at(option=row.option)
            message = "the contest has no such option"
            good &= self._check("14.C", row.option in options, here, message)
            message = f"the value {row.value} is above {known.option_limit}"
            good &= self._check("14.E", row.value <= known.option_limit, here, message)
            values[row.option] = row
        for label in known.options:
            message = "an option of the manifest is not opened"
            good &= self._check("14.D", label in values, place.at(option=label), message)
        total = sum(row.value for row in rows)
        message = f"the values add up to {total}, above {known.selection_limit}"
        good &= self._check("14.F", total <= known.selection_limit, place, message)
        if good and [row.option for row in rows] != list(known.options):
            message = "the options do not stand in the manifest's order"
            self._findings.failed("R.challenged", place, message, self._culprit)
        return values if good else None
