"""What the checks found: how often each passed and failed, and every failure's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

MAX_FAILURES = 1000
"""Failures kept with their message; beyond that they are only counted."""

_CLIP = 200
"""Characters that are kept of what a record says."""
_FEW = 8
"""Units that are kept of a set of them."""

Part = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands. Only what applies is set; labels are the manifest's."""

    artifact: int | None = None
    file: str | None = None
    trustee: int | None = None
    device: str | None = None
    ballot: str | None = None
    """Confirmation code, hexadecimal."""
    units: tuple[str, ...] | None = None
    """The units that are counted together."""
    contest: str | None = None
    option: str | None = None

    def at(self, **changes: Part) -> Place:
        """Return the same place, said more exactly; what is too long for a report is cut."""
        # Labels come from the record: a megabyte of one must not be kept a thousand times.
        cut = {name: _clipped(value) for name, value in changes.items()}
        return replace(self, **cut)  # type: ignore[arg-type]

    def items(self) -> Iterator[tuple[str, Part]]:
        """Yield the parts that are set, in reading order."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield field.name, value

    def __str__(self) -> str:
        """Return e.g. `artifact 17, device A, ballot 0123456789abcdef..., contest x`."""
        return ", ".join(f"{name} {_short(value)}" for name, value in self.items())


def _short(value: Part) -> str:
    if isinstance(value, tuple):
        return ", ".join(_short(item) for item in value)
    text = str(value)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 60 else f"{text[:16]}..."


def _clipped(value: Part) -> Part:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return value[:_CLIP]
    more = ("...",) if len(value) > _FEW else ()
    return (*(item[:_CLIP] for item in value[:_FEW]), *more)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed check: its id, its place, what is wrong, and who made the claim."""

    check: str
    place: Place
    message: str
    culprit: str


@dataclass(slots=True)
class Count:
    """How often a check passed and failed."""

    passed: int = 0
    failed: int = 0


class Findings:
    """Collects the outcome of checks; workers send theirs to be merged in order."""

    def __init__(self, limit: int = MAX_FAILURES) -> None:
        """Keep at most `limit` failures in full."""
        self._limit = limit
        self.counts: dict[str, Count] = {}
        self.failures: list[Failure] = []

    def _count(self, check: str) -> Count:
        return self.counts.setdefault(check, Count())

    def passed(self, check: str, times: int = 1) -> None:
        """Record that a check held."""
        self._count(check).passed += times

    def failed(self, check: str, place: Place, message: str, culprit: str) -> None:
        """Record that a check did not hold."""
        self._count(check).failed += 1
        if len(self.failures) < self._limit:
            clipped = place.at(**dict(place.items()))
            self.failures.append(Failure(check, clipped, message[: 2 * _CLIP], culprit[:_CLIP]))

    def check(
        self,
        check: str,
        holds: bool,
        place: Place,
        message: str,
        culprit: str,
        *,
        excused: bool = False,
    ) -> bool:
        """Record a check's outcome and return it.

        `excused` says that another check has already refuted something this one
        depends on: then only success is recorded, because a failure would name the
        same fault twice.
        """
        if holds:
            self.passed(check)
        elif not excused:
            self.failed(check, place, message, culprit)
        return holds

    def has_failed(self, *checks: str) -> bool:
        """Whether any of these checks has failed so far."""
        return any(self.counts[check].failed for check in checks if check in self.counts)

    def merge(self, other: Findings) -> None:
        """Add what somebody else found."""
        for check, count in other.counts.items():
            mine = self._count(check)
            mine.passed += count.passed
            mine.failed += count.failed
        self.failures += other.failures[: self._limit - len(self.failures)]

    @property
    def total_failed(self) -> int:
        """How many checks failed, kept in full or not."""
        return sum(count.failed for count in self.counts.values())
