"""The report for people, in plain text."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.catalogue import CHECKS
from verifier.exhibits import exhibit_lines
from verifier.findings import Count
from verifier.parameters import BY_NAME
from verifier.report import Report

SHOWN = 50
"""Failures, and operations, that are printed; --json has more."""
WIDTH = 100
"""Characters of a reason that are printed."""
_SET = frozenset({"1.B", "1.C", "1.D"})


def clean(text: str) -> str:
    """Return text that cannot play tricks on a terminal, whoever wrote it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def counted(number: int, one: str) -> str:
    """Return a number with its noun: "1 ballot", "2,000 ballots"."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _status(count: Count) -> str:
    if count.failed:
        return "FAIL"
    return "ok" if count.passed else "-"


def _checks(report: Report) -> Iterator[str]:
    yield f"  {'check':<24} {'':<4} {'passed':>9} {'failed':>7}  what it shows"
    group = ""
    for check in CHECKS:
        count = report.checks.get(check.id, Count())
        if check.group != group:
            group = check.group
            yield f"{group}"
        yield (
            f"  {check.id:<24} {_status(count):<4} {count.passed:>9,} {count.failed:>7,}  "
            f"{check.meaning}"
        )


def _counts(report: Report) -> Iterator[str]:
    counts, header = report.counts, report.header
    yield f"Election     {clean(header.election) or '(unknown)'}"
    yield f"Parameters   {header.parameters or '(unknown)'}"
    yield f"Manifest     SHA-256 {header.manifest_sha256}"
    yield f"Log key      {clean(header.log_key)}"
    yield f"Log          {counted(header.size, 'artifact')}, root {header.root}"
    yield f"Trustees     {counts.trustees}, of whom {counts.quorum} decrypt"
    yield (
        f"Ballots      {counts.submitted:,} submitted: {counts.cast:,} cast, "
        f"{counts.challenged:,} challenged, {counts.spoiled:,} spoiled"
    )
    yield f"Devices      {counts.devices:,}, of which {len(counts.missing):,} missing"
    for device, reason in counts.missing:
        yield f"  missing    {clean(device)}: {clean(reason)}"


def _totals(report: Report) -> Iterator[str]:
    for total in report.totals:
        yield f"{clean(total.contest)} ({counted(total.ballots, 'ballot')})"
        if not total.options:
            yield "  not decrypted: fewer ballots than the privacy floor"
            continue
        width = max(len(clean(option)) for option, _ in total.options)
        for option, count in total.options:
            shown = "refuted" if count is None else f"{count:,}"
            yield f"  {clean(option):<{width}}  {shown:>12}"


def _indices(trustees: tuple[int, ...]) -> str:
    return ", ".join(str(i) for i in trustees) or "nobody"


def _drills(report: Report) -> Iterator[str]:
    for drill in report.drills:
        yield (
            f"  session {drill.session:<16} asked: {_indices(drill.trustees)}; "
            f"answered: {_indices(drill.answered)}"
        )


def _operations(report: Report) -> Iterator[str]:
    for act in report.operations[:SHOWN]:
        what = act.action.replace("_", " ")
        subject = f" {clean(act.subject)}" if act.subject else ""
        reason = f": {_clipped(clean(act.reason))}" if act.reason else ""
        yield (
            f"  {act.index:>9,}  {act.time or '(time not said)':<20}  {act.who:<13}  "
            f"{what}{subject}{reason}"
        )
    rest = report.operations_total - min(SHOWN, len(report.operations))
    if rest:
        yield f"  and {rest:,} more"


def _clipped(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def _misconduct(report: Report) -> Iterator[str]:
    for act in report.misconduct:
        yield f"  trustee {act.trustee:<16} {act.check}: {clean(act.message)}"
        yield f"  {'':<24}   proved in artifact {act.artifact}"


def _failures(report: Report) -> Iterator[str]:
    for failure in report.failures[:SHOWN]:
        yield f"  {failure.check:<24} {clean(failure.message)}"
        place = str(failure.place)
        yield f"  {'':<24}   at {place or 'the record'}; claimed by: {clean(failure.culprit)}"
    rest = report.failures_total - min(SHOWN, len(report.failures))
    if rest:
        yield f"  and {rest:,} more"


def _verdict(report: Report) -> str:
    upto = " up to the close" if report.until == "close" else ""
    if report.verdict == "verified":
        made = sum(count.passed for count in report.checks.values())
        return f"VERIFIED{upto}: {counted(made, 'check')}, none failed."
    ids = ", ".join(report.failed_ids())
    return f"REFUTED{upto}: {counted(report.failures_total, 'check')} failed ({ids})."


def _hint(report: Report) -> Iterator[str]:
    """What to type, if the record fits another known set than the one that it must use."""
    name = report.header.parameters
    if name in BY_NAME and not _SET.isdisjoint(report.failed_ids()):
        toys = BY_NAME[name].is_toy
        expect = "toys, which have no security" if toys else "them"
        yield f"These are the parameters {name}: --parameters {name}, if you expect {expect}."


def render(report: Report) -> str:
    """Return the whole report, ending in a newline."""
    sections = [list(_counts(report)), list(_checks(report))]
    if report.totals:
        refuted = report.verdict != "verified"
        title = "Totals (of a refuted record)" if refuted else "Totals"
        sections.append([title, *(f"  {line}" for line in _totals(report))])
    if report.operations:
        sections.append(["Operations, with the times that their signers say", *_operations(report)])
    if report.drills:
        sections.append(["Drills", *_drills(report)])
    if report.misconduct:
        sections.append(["Misconduct of trustees", *_misconduct(report)])
    if report.given:
        sections.append(["Given", *map(clean, exhibit_lines(report.given))])
    if report.failures_total:
        sections.append(["Failures", *_failures(report)])
    sections.append([*_hint(report), _verdict(report)])
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def render_brief(report: Report) -> str:
    """Return what trustees did wrong, the failures and the verdict only."""
    lines = [*_misconduct(report), *_failures(report), *_hint(report), _verdict(report)]
    return "\n".join(lines) + "\n"
