"""What was given besides the record, as the report shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from verifier.policy import Cosignature


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file and what it shows about the record; with a policy also the record's checkpoint.

    `holds` is None where nothing could be compared. A dispute holds if it convicts the log.
    """

    kind: str
    """`record`, `checkpoint`, `receipt` or `dispute`."""
    file: str
    holds: bool | None
    finding: str
    """A sentence: why it does not hold, or what it shows."""
    size: int
    root: str
    cosignatures: tuple[Cosignature, ...] = ()
    """Of the policy's witnesses, those that hold."""
    quorum: bool | None = None
    """Whether they are the policy's quorum; None without a policy."""
    details: dict[str, Any] = field(default_factory=dict)
    """Of a receipt: what it acknowledges."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "kind": self.kind,
            "file": self.file,
            "holds": self.holds,
            "finding": self.finding,
            "size": self.size,
            "root": self.root,
            "cosignatures": cosignatures_json(self.cosignatures),
            "quorum": self.quorum,
            **self.details,
        }


def cosignatures_json(cosignatures: tuple[Cosignature, ...]) -> list[dict[str, Any]]:
    """Return cosignatures as JSON-ready values."""
    return [{"witness": c.name, "key": c.key, "time": c.time} for c in cosignatures]


def clock(time: int) -> str:
    """Return POSIX seconds as UTC, as far as calendars go."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time} s"


_WORDS = {True: "holds", False: "FAILS", None: "-"}
_DISPUTED = {True: "PROVED", False: "nothing", None: "-"}


def exhibit_lines(exhibits: tuple[Exhibit, ...]) -> Iterator[str]:
    """Yield the lines for people; whoever prints them makes them fit for a terminal."""
    for exhibit in exhibits:
        words = _DISPUTED if exhibit.kind == "dispute" else _WORDS
        yield f"  {exhibit.kind:<10} {words[exhibit.holds]:<7} {exhibit.file}"
        yield f"  {'':<10}   {exhibit.finding}"
        yield from (f"  {'':<10}   {line}" for line in witness_lines(exhibit))


def witness_lines(exhibit: Exhibit) -> Iterator[str]:
    """Yield who has cosigned, and whether that is the quorum."""
    for cosignature in exhibit.cosignatures:
        yield f"cosigned by {cosignature.name} ({cosignature.key}), {clock(cosignature.time)}"
    if exhibit.quorum:
        yield "the policy's quorum has signed"
    elif exhibit.quorum is not None:
        asked = "" if exhibit.kind == "record" else ", which is asked of the record's checkpoint"
        yield f"the policy's quorum has not signed{asked}"
