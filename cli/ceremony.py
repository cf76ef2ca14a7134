"""The key ceremony, live: who has done what, what is waited for, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from cli.standing import Standing, View, spoken_keys
from record.state import Phase

_ROUNDS = {
    Phase.COMMITMENT: "commitment",
    Phase.KEYS: "keys",
    Phase.SHARES: "shares",
    Phase.CONFIRMATION: "confirmation",
}


def ceremony_view(now: Standing) -> View:
    """A row for each trustee; below it what to do."""
    found = now.found
    title = Text(f"{now.context.manifest.label}: {_title(now)}")
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("", "name", "here", "commit", "keys", "shares", "confirm", "remarks"):
        table.add_column(heading)
    for i in now.everybody():
        done = found.of(i)
        table.add_row(
            str(i),
            Text(now.name(i)),
            "yes" if i in found.trustees_present else "no",
            *("done" if x else "" for x in (done.committed, done.keys, done.shares)),
            "done" if done.confirmed else "",
            _remarks(now, i),
        )
    return View(table, (*advice(now), *spoken_keys(now)))


def _remarks(now: Standing, i: int) -> str:
    complaints = [f"complains of {sender}" for sender in now.found.of(i).complaints]
    check = now.excluded(i)
    return "; ".join([*complaints, *([f"accused: {check}"] if check else [])])


def ceremony_line(now: Standing) -> str:
    """One line about the same, where there is no terminal to draw on."""
    found = now.found
    parts = [_title(now)]
    if found.phase in _ROUNDS:
        parts.append(f"done: {_indices(found.trustees_done)}")
    parts.append(f"connected: {_indices(found.trustees_present)}")
    return " ".join([f"{'; '.join(parts)}.", *advice(now)])


def over(now: Standing) -> bool:
    """Whether the ceremony has come to an end, good or bad."""
    return now.found.phase >= Phase.READY or now.found.phase is Phase.ABORTED


def advice(now: Standing) -> Iterable[str]:
    """What is waited for and what the administrator can do, one sentence each."""
    phase = now.found.phase
    if phase is Phase.ABORTED:
        yield from _aborted(now)
    elif phase in _ROUNDS:
        yield from _late(now, _ROUNDS[phase])
        yield from _complaints(now)
    elif phase is Phase.READY:
        yield "Everybody has confirmed. Try the keys with `sailau election drill`, then open."


def _title(now: Standing) -> str:
    """The round, counted."""
    phase = now.found.phase
    if phase in _ROUNDS:
        return f"round {list(_ROUNDS).index(phase) + 1} of {len(_ROUNDS)}, {_ROUNDS[phase]}"
    return "the key ceremony is over" if phase > Phase.READY else f"{phase.name.lower()}"


def _aborted(now: Standing) -> Iterable[str]:
    for i, check in now.accused.items():
        yield f"The record proves that {now.named(i)} broke the protocol (check {check})."
    if now.abandoned:
        yield f"The ceremony was given up: {now.abandoned}"
    without = "".join(f" --without {i}" for i in now.accused)
    yield (
        "Nothing can follow. Publish the record as evidence with `sailau election publish`, and "
        f"make the election again with `sailau election restart{without}`."
    )


def _late(now: Standing, what: str) -> Iterable[str]:
    found = now.found
    late = [i for i in now.everybody() if i not in found.trustees_done]
    away = [i for i in late if i not in found.trustees_present]
    # Who complains is not asked anything before the answer is there.
    here = [i for i in late if i in found.trustees_present and not found.of(i).complaints]
    if away:
        names = "; ".join(map(now.named, away))
        yield f"Waiting for the {what} of {names}: ask them to start `sailau trustee run`."
    if here and found.phase is Phase.CONFIRMATION:
        names = "; ".join(map(now.named, here))
        yield f"{names}: their screens ask them to compare the digits and to confirm."
    elif here:
        yield f"{'; '.join(map(now.named, here))}: connected and at work."


def _complaints(now: Standing) -> Iterable[str]:
    for i in now.everybody():
        for sender in now.found.of(i).complaints:
            yield (
                f"T{now.named(i)[1:]} says that the share from {now.named(sender)} is "
                f"wrong. The program of {now.name(sender)} answers by itself when it runs, and "
                "the answer shows who is right."
            )


def _indices(trustees: Iterable[int]) -> str:
    return ", ".join(map(str, trustees)) or "nobody"
