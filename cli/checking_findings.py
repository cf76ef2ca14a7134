"""What `sailau serve --check` found, and how it says it."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.common import counted, plain


class Verdict(enum.StrEnum):
    """What a finding means: go on, know about it, or mend it first."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: its name, what was found, and what to do about it."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""


def ok(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Verdict.OK, found)


def warning(subject: str, found: str, advice: str) -> Finding:
    """The election can be held; somebody should know."""
    return Finding(subject, Verdict.WARNING, found, advice)


def problem(subject: str, found: str, advice: str) -> Finding:
    """To be mended before the polls open."""
    return Finding(subject, Verdict.PROBLEM, found, advice)


def ready(findings: Iterable[Finding]) -> bool:
    """Whether nothing has to be mended."""
    return all(finding.verdict is not Verdict.PROBLEM for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """The outcome in one sentence."""
    count = {v: sum(1 for f in findings if f.verdict is v) for v in Verdict}
    warnings = counted(count[Verdict.WARNING], "warning")
    problems = counted(count[Verdict.PROBLEM], "problem")
    end = "Ready." if ready(findings) else "Not ready."
    checks = counted(len(findings), "check")
    return f"{end} {checks}: {count[Verdict.OK]:,} ok, {warnings}, {problems}."


def record_lines(findings: Iterable[Finding]) -> tuple[str, ...]:
    """A line for each check, for the public record: no paths, no addresses."""
    return tuple(f"{finding.subject}: {finding.verdict}" for finding in findings)


def as_dicts(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "subject": finding.subject,
            "verdict": finding.verdict.value,
            "found": finding.found,
            "advice": finding.advice,
        }
        for finding in findings
    ]


def table(findings: Iterable[Finding]) -> Table:
    """For people."""
    drawn = Table("checked", "", "found, and what to do", pad_edge=False)
    for finding in findings:
        style = _STYLES[finding.verdict]
        text = Text(plain(finding.found))
        if finding.advice:
            text.append(f"\n{plain(finding.advice)}", style="bold")
        verdict = Text(finding.verdict.value, style=style)
        drawn.add_row(Text(plain(finding.subject)), verdict, text)
    return drawn
