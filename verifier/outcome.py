"""From what the readings left behind to the report."""

from __future__ import annotations

import hashlib

from verifier.findings import Findings
from verifier.order import Phase
from verifier.report import Counts, Header, Report, Total
from verifier.survey import Survey


def make_report(
    findings: Findings, survey: Survey, size: int, root: bytes, until: str | None
) -> Report:
    """Put a report together; `size` and `root` are those of the tree that was read."""
    failures = sorted(
        findings.failures,
        key=lambda f: (f.place.artifact is None, f.place.artifact or 0),
    )
    return Report(
        verdict="refuted" if findings.total_failed else "verified",
        until=until or "end",
        header=_header(survey, size, root),
        checks=dict(findings.counts),
        failures=tuple(failures),
        failures_total=findings.total_failed,
        counts=_counts(survey, size),
        totals=_totals(survey),
        misconduct=survey.preparation.conduct.all() if survey.preparation else (),
        drills=tuple(survey.preparation.drills) if survey.preparation else (),
        operations=tuple(survey.operations.acts),
        operations_total=survey.operations.total,
    )


def _header(survey: Survey, size: int, root: bytes) -> Header:
    election = survey.election
    if election is None:
        return Header(size=size, root=root.hex())
    return Header(
        parameters=election.parameters.name,
        election=election.manifest.label if election.manifest else "",
        manifest_sha256=hashlib.sha256(election.manifest_file).hexdigest(),
        base_hash=election.base_hash.hex(),
        log_key=election.log_key.text if election.log_key else "",
        size=size,
        root=root.hex(),
    )


def _counts(survey: Survey, size: int) -> Counts:
    books, election = survey.books, survey.election
    found = books.ballots.counts() if books else {}
    chains = books.devices.chains if books else {}
    return Counts(
        artifacts=size,
        trustees=election.trustees if election else 0,
        quorum=election.quorum if election else 0,
        devices=len(chains),
        missing=tuple(
            (label, chain.reason) for label, chain in chains.items() if chain.state == "missing"
        ),
        **found,
    )


def _totals(survey: Survey) -> tuple[Total, ...]:
    books = survey.books
    if books is None or survey.order.phase < Phase.COUNTED:
        return ()
    return tuple(
        Total(
            contest.label,
            ballots,
            () if sums is None else tuple(zip(contest.options, sums, strict=True)),
        )
        for contest, ballots, sums in books.counting.totals()
    )
