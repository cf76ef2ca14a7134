"""The paper of `serve --check`: what was found, for the commission to sign.

Plain text of at most 80 columns, in English with the manifest's names as they are.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata

from cli.checking_findings import Finding, Verdict, summary
from cli.common import plain
from identity.rolekeys import spoken_rows
from record.election import ElectionContext

WIDTH = 80
_SIGNATURES = 5


def protocol(
    context: ElectionContext,
    key_ceremony_hash: bytes | None,
    findings: Sequence[Finding],
    now: float,
) -> str:
    """The protocol's text; `key_ceremony_hash` is H_G, None before all keys are there."""
    return "\n".join([*_lines(context, key_ceremony_hash, findings, now), ""])


def _lines(
    context: ElectionContext,
    key_ceremony_hash: bytes | None,
    findings: Sequence[Finding],
    now: float,
) -> Iterator[str]:
    manifest = context.manifest
    moment = datetime.fromtimestamp(now, UTC)
    yield "PROTOCOL OF THE CHECK OF THE ELECTION SERVER".center(WIDTH).rstrip()
    yield ""
    yield from _wrapped(f"Election: {manifest.label}")
    for language in manifest.languages:
        yield from _wrapped(f"Name ({language}): {manifest.name[language]}")
    yield f"Polls: {manifest.opens} to {manifest.closes}"
    yield f"Trustees: {context.trustees}, of whom {context.quorum} can decrypt"
    yield f"Checked: {moment:%Y-%m-%d %H:%M} UTC, with sailau {metadata.version('sailau')}"
    yield ""
    yield "The election (H_B), to be compared with what was announced:"
    yield from _groups(context.base_hash)
    yield ""
    if key_ceremony_hash is None:
        yield "The keys (H_G): not made yet."
    else:
        yield "The keys (H_G), to be compared with what the trustees read to each other:"
        yield from _groups(key_ceremony_hash)
    yield ""
    yield "The log's key:"
    yield from _chunks(context.election.log_key)
    yield ""
    yield "-" * WIDTH
    for finding in findings:
        yield from _finding(finding)
    yield "-" * WIDTH
    yield from _wrapped(summary(findings))
    yield ""
    yield "The commission has seen this."
    yield ""
    yield "Place: ______________________________  Date and time: ________________________"
    yield ""
    yield f"{'Name':<40}Signature"
    for _ in range(_SIGNATURES):
        yield ""
        yield ""
        yield f"{'_' * 36:<40}{'_' * 36}"


def _finding(finding: Finding) -> Iterator[str]:
    mark = {Verdict.OK: "[ok]", Verdict.WARNING: "[WARNING]", Verdict.PROBLEM: "[PROBLEM]"}
    yield from _wrapped(f"{mark[finding.verdict]:<10}{finding.subject}: {finding.found}", 10)
    if finding.advice:
        yield from _wrapped(f"{'':<10}To do: {finding.advice}", 10)


def _wrapped(text: str, indent: int = 4) -> Iterator[str]:
    """Lines that are at most so wide on paper, where some letters take two columns."""
    text = plain(text).replace("\n", " ")
    wide = any(unicodedata.east_asian_width(c) in "WF" for c in text)
    width = WIDTH // 2 if wide else WIDTH
    # Leading spaces are ours: the column below the mark.
    yield from textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * min(indent, width // 2),
        drop_whitespace=True,
        break_on_hyphens=False,
    )


def _groups(data: bytes) -> Iterator[str]:
    for row in spoken_rows(data):
        yield f"    {row}"


def _chunks(text: str) -> Iterator[str]:
    """A text without spaces, in pieces that fit."""
    for start in range(0, len(text), WIDTH - 4):
        yield f"    {text[start : start + WIDTH - 4]}"
