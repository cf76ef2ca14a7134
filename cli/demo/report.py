"""What came of the demo: tables for people, summary.json for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from cli.common import console, say
from cli.demo.election import REFUTED, Outcome
from cli.demo.votes import CONTEST, SHARES, actions, expected

SUMMARY = "summary.json"
VERIFIED = "verified"


def summary(outcome: Outcome) -> dict[str, Any]:
    """Everything that was compared, per unit and contest."""
    units = [_unit(outcome, u.label) for u in outcome.manifest.units if u.takes_ballots]
    return {
        "election": outcome.manifest.label,
        "seed": outcome.seed,
        "agreed": agreed(outcome),
        "ballots": outcome.verdict["counts"]["ballots"],
        "units": units,
        "totals": [_totals(outcome)],
        "audited": outcome.audited,
        "looked_up": outcome.looked_up,
        "verdict": outcome.verdict.get("verdict"),
        "altered": {
            "byte": outcome.altered.get("byte"),
            "verdict": outcome.altered.get("verdict"),
            "failed_checks": _failed(outcome.altered),
        },
        "seconds": outcome.seconds,
    }


def agreed(outcome: Outcome) -> bool:
    """Whether every comparison came out as it must."""
    units = [u.label for u in outcome.manifest.units if u.takes_ballots]
    sums = {option: sum(expected(outcome.voters, u)[option] for u in units) for option in SHARES}
    return (
        all(_decrypted(outcome, u) == expected(outcome.voters, u) for u in units)
        and all(_counted(outcome, u) == actions(outcome.voters, u)["cast"] for u in units)
        and _options(outcome.decrypted["totals"][0]) == sums
        and outcome.audited == sum(v.then == "challenge" for v in outcome.voters)
        and outcome.looked_up.get("status") in ("cast", "challenged", "spoiled")
        and outcome.verdict.get("verdict") == VERIFIED
        and outcome.verdict["counts"]["ballots"] == _ballots(outcome)
        and outcome.altered.get("exit_code") == REFUTED
    )


def write_summary(outcome: Outcome, file: Path) -> None:
    """Write summary.json."""
    file.write_text(json.dumps(summary(outcome), ensure_ascii=False, indent=2) + "\n")


def show(outcome: Outcome) -> None:
    """Tables on the terminal."""
    data = summary(outcome)
    for unit in outcome.manifest.units:
        if unit.takes_ballots:
            row = next(u for u in data["units"] if u["unit"] == unit.label)
            caption = (
                f"{row['cast']} cast, {row['challenged']} challenged, {row['spoiled']} spoiled"
            )
            _table(outcome, unit.name.in_language("en"), row["options"], caption)
    _table(outcome, "Total", data["totals"][0]["options"], "sums of the polling places")
    _show_checks(outcome, data)


def _table(outcome: Outcome, title: str, options: list[dict[str, Any]], caption: str) -> None:
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("candidate")
    for heading in ("went in", "came out", "share"):
        table.add_column(heading, justify="right")
    table.add_column("")
    total = sum(o["decrypted"] for o in options) or 1
    names = {o.label: o.name for o in outcome.manifest.contest(CONTEST).options}
    for o in options:
        same = "ok" if o["expected"] == o["decrypted"] else "DIFFERS"
        share = f"{100 * o['decrypted'] / total:.2f} %"
        name = names[o["option"]].in_language("en")
        table.add_row(name, str(o["expected"]), str(o["decrypted"]), share, same)
    console.print(table)


def _show_checks(outcome: Outcome, data: dict[str, Any]) -> None:
    found = outcome.looked_up
    say(f"Looked up {found['confirmation_code'][:16]}...: {found['status']}")
    say(f"Audited: {outcome.audited} challenged ballots show what their voters chose")
    say(f"Verdict on the record: {str(data['verdict']).upper()}")
    altered = data["altered"]
    failed = ", ".join(altered["failed_checks"]) or "nothing"
    say(f"With one bit flipped ({altered['byte']}): {str(altered['verdict']).upper()}, by {failed}")
    for failure in outcome.altered.get("failures", [])[:3]:
        place = ", ".join(f"{name} {value}" for name, value in failure["place"].items())
        say(f"    {failure['check']} at {place}: {failure['message']} ({failure['culprit']})")
    times = Table("step", "seconds", box=None)
    for name, seconds in outcome.seconds.items():
        times.add_row(name, f"{seconds:.1f}")
    console.print(times)


def _unit(outcome: Outcome, unit: str) -> dict[str, Any]:
    decrypted = _decrypted(outcome, unit)
    wanted = expected(outcome.voters, unit)
    return {
        "unit": unit,
        "contest": CONTEST,
        **actions(outcome.voters, unit),
        "options": [
            {"option": o, "expected": wanted[o], "decrypted": decrypted[o]} for o in SHARES
        ],
    }


def _totals(outcome: Outcome) -> dict[str, Any]:
    units = [u.label for u in outcome.manifest.units if u.takes_ballots]
    wanted = {o: sum(expected(outcome.voters, u)[o] for u in units) for o in SHARES}
    decrypted = _options(outcome.decrypted["totals"][0])
    return {
        "contest": CONTEST,
        "options": [
            {"option": o, "expected": wanted[o], "decrypted": decrypted[o]} for o in SHARES
        ],
    }


def _ballots(outcome: Outcome) -> dict[str, int]:
    """What the verifier has to count."""
    units = [u.label for u in outcome.manifest.units if u.takes_ballots]
    counts = [actions(outcome.voters, u) for u in units]
    return {
        "submitted": len(outcome.voters),
        **{s: sum(c[s] for c in counts) for s in ("cast", "challenged", "spoiled")},
    }


def _tally(outcome: Outcome, unit: str) -> dict[str, Any]:
    tallies: list[dict[str, Any]] = outcome.decrypted["units"]
    return next(t for t in tallies if t["unit"] == unit and t["contest"] == CONTEST)


def _decrypted(outcome: Outcome, unit: str) -> dict[str, int]:
    return _options(_tally(outcome, unit))


def _counted(outcome: Outcome, unit: str) -> int:
    return int(_tally(outcome, unit)["ballots"])


def _options(tally: dict[str, Any]) -> dict[str, int]:
    return {o["option"]: o["count"] for o in tally["options"]}


def _failed(report: dict[str, Any]) -> list[str]:
    return sorted({f["check"] for f in report.get("failures", [])})
