"""Where an election stands: what the server says, and what the ceremony's record shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ballotbox.client import BoardClient, ElectionStatus
from cli.common import console, say
from cli.connect import first_artifact
from cli.drilling import answers_to_drill
from identity.rolekeys import spoken_rows
from record.artifacts import Purpose
from record.election import ElectionContext
from record.state import Phase
from record.transcript import Transcript

_LIMIT = 2_000
"""Artifacts that are read at most: a ceremony is much shorter."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What can be told at one moment.

    `key_ceremony_hash` is H_G (27), None before all keys are there; `accused` gives the
    check that a trustee's message failed, as far as the ceremony's record shows it;
    `abandoned` is the administrator's reason, if the ceremony was given up.
    """

    context: ElectionContext
    found: ElectionStatus
    key_ceremony_hash: bytes | None
    accused: Mapping[int, str]
    abandoned: str

    def name(self, i: int) -> str:
        """Trustee i's name."""
        return self.context.trustee_key(i).name

    def named(self, i: int) -> str:
        """Trustee i, by index and name."""
        return f"trustee {i}, {self.name(i)}"

    def everybody(self) -> range:
        """The trustees' indices."""
        return range(1, self.context.trustees + 1)

    def excluded(self, i: int) -> str:
        """Why trustee i takes no further part: a check's id; nothing if it does."""
        said = "yes" if i in self.found.trustees_excluded else ""
        return self.accused.get(i, said)


class Watch:
    """Asks a server where things stand, and reads the record up to the opening."""

    def __init__(self, board: BoardClient, context: ElectionContext) -> None:
        self._board = board
        self._context = context
        self._transcript: Transcript | None = None

    def now(self) -> Standing:
        """Where things stand. Raises Unavailable, or Rejected for a record that is none."""
        found = self._board.status()
        self._read()
        state = self._transcript.state if self._transcript else None
        keys = state.keys if state else None
        return Standing(
            self._context,
            found,
            keys.key_ceremony_hash if keys else None,
            {i: accused.check for i, accused in state.accused.items()} if state else {},
            state.abandoned if state else "",
        )

    def _read(self) -> None:
        """Take in what is new, until the polls open: what follows may be long."""
        read = self._transcript.state.size if self._transcript else 0
        if self._transcript is not None and self._transcript.phase >= Phase.OPEN:
            return
        for number, data in enumerate(stream := self._board.read(read)):
            if self._transcript is None:
                self._transcript = Transcript(first_artifact(iter([data])))
            else:
                self._transcript.append(self._transcript.parse(data))
            if self._transcript.phase >= Phase.OPEN or number > _LIMIT:
                stream.close()  # type: ignore[attr-defined]
                return


def as_dict(now: Standing) -> dict[str, Any]:
    """For programs."""
    found, h_g = now.found, now.key_ceremony_hash
    return {
        "phase": found.phase.name,
        "key_ceremony_hash": h_g.hex() if h_g else None,
        "size": found.size,
        "submitted": found.submitted,
        "cast": found.cast,
        "challenged": found.challenged,
        "open_devices": found.open_devices,
        "unaccounted_devices": found.unaccounted_devices,
        "trustees_done": found.trustees_done,
        "trustees_present": found.trustees_present,
        "trustees_excluded": found.trustees_excluded,
        "session": found.session,
        "session_purpose": found.session_purpose.name if found.session else None,
        "session_trustees": found.session_trustees,
        "drill": found.drill,
        "drill_answered": found.drill_answered,
        "abandoned": now.abandoned or None,
        "trustees": [_trustee(now, i) for i in now.everybody()],
        "notices": found.notices,
    }


def _trustee(now: Standing, i: int) -> dict[str, Any]:
    standing = now.found.of(i)
    return {
        "trustee": i,
        "name": now.name(i),
        "connected": i in now.found.trustees_present,
        "committed": standing.committed,
        "keys": standing.keys,
        "shares": standing.shares,
        "confirmed": standing.confirmed,
        "complaints": standing.complaints,
        "accused": now.excluded(i) or None,
        "session": {
            "commitments": standing.session_commitments,
            "shares": standing.session_shares,
            "responses": standing.session_responses,
            "parts": standing.session_parts,
        },
    }


@dataclass(frozen=True, slots=True)
class View:
    """A table, and what is said below it, a sentence a line."""

    table: Table
    lines: tuple[str, ...]

    def show(self) -> None:
        """Print it."""
        console.print(self.table)
        for line in self.lines:
            say(line)

    def drawn(self) -> Group:
        """For `rich.live.Live`."""
        return Group(self.table, Text("\n".join(self.lines)))


def spoken_keys(now: Standing) -> tuple[str, ...]:
    """H_G as it is read aloud, on lines of its own."""
    h_g = None if now.found.phase is Phase.ABORTED else now.key_ceremony_hash
    if h_g is None:
        return ()
    return ("Keys (H_G), as the record shows them:", *(f"  {row}" for row in spoken_rows(h_g)))


def status_view(now: Standing) -> View:
    """Each trustee's part in what is on, and what holds the election up."""
    context, found = now.context, now.found
    table = Table(title=Text(f"{context.manifest.label}: {found.phase.name.lower()}"))
    for heading in ("trustee", "name", "connected", "this round", "session", "accused"):
        table.add_column(heading)
    for i in now.everybody():
        table.add_row(
            str(i),
            Text(now.name(i)),
            "yes" if i in found.trustees_present else "no",
            "done" if i in found.trustees_done else "",
            _session(found, i),
            now.excluded(i),
        )
    counts = f"{found.submitted} ballots, {found.cast} cast, {found.challenged} challenged"
    open_devices = f"not closed: {', '.join(found.unaccounted_devices) or 'none'}"
    drill = (answers_to_drill(found),) if found.drill else ()
    lines = (f"{counts}; devices {open_devices}", *drill, *found.notices)
    return View(table, (*lines, *spoken_keys(now)))


def _session(found: ElectionStatus, i: int) -> str:
    """How much of the session trustee i has sent."""
    if i not in found.session_trustees:
        return ""
    standing = found.of(i)
    what = "" if found.session_purpose is Purpose.TALLY else f"{found.session_purpose.name.lower()}"
    return f"{what} {standing.session_sent}/{3 * standing.session_parts}".strip()
