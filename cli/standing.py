"""Where an election stands, as a table and as JSON."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from ballotbox.client import BoardClient, ElectionStatus
from cli.connect import first_artifact
from identity.rolekeys import spoken
from record.election import ElectionContext
from record.state import Phase
from record.transcript import Transcript


def key_ceremony_hash(board: BoardClient, found: ElectionStatus) -> bytes | None:
    """H_G (27), computed from the trustees' keys on the board; None until all are there."""
    if found.phase <= Phase.KEYS:
        return None
    stream = board.read()
    transcript = Transcript(first_artifact(stream))
    for data in stream:
        transcript.append(transcript.parse(data))
        if transcript.state.keys is not None:
            return transcript.state.keys.key_ceremony_hash
    return None


def as_dict(found: ElectionStatus, h_g: bytes | None) -> dict[str, object]:
    """For programs."""
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
        "session": found.session,
        "session_trustees": found.session_trustees,
        "notices": found.notices,
    }


def as_table(context: ElectionContext, found: ElectionStatus, h_g: bytes | None) -> Table:
    """For people."""
    table = Table(title=Text(f"{context.manifest.label}: {found.phase.name.lower()}"))
    for heading in ("trustee", "name", "connected", "this round"):
        table.add_column(heading)
    for i in range(1, context.trustees + 1):
        table.add_row(
            str(i),
            Text(context.trustee_key(i).name),
            "yes" if i in found.trustees_present else "no",
            "done" if i in found.trustees_done else "",
        )
    counts = f"{found.submitted} ballots, {found.cast} cast, {found.challenged} challenged"
    open_devices = f"not closed: {', '.join(found.unaccounted_devices) or 'none'}"
    lines = [counts, f"devices {open_devices}", *found.notices]
    if h_g is not None:
        lines.append(f"keys (H_G) {spoken(h_g)}")
    table.caption = Text("\n".join(lines))
    return table
