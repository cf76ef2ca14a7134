"""What came of the demo: tables for people, summary.json for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from cli.common import console, say
from cli.demo.election import REFUTED, Outcome
from cli.demo.votes import CONTEST, SHARES, actions, expected
from cli.results import withheld_sentence

SUMMARY = "summary.json"
VERIFIED = "verified"


def summary(outcome: Outcome) -> dict[str, Any]:
    """Everything that was compared: units that are counted together, and the total."""
    return {
        "election": outcome.manifest.label,
        "seed": outcome.seed,
        "agreed": agreed(outcome),
        "ballots": outcome.verdict["counts"]["ballots"],
        "privacy_floor": outcome.manifest.privacy_floor,
        "units": [
            {"unit": u, "contest": CONTEST, **actions(outcome.voters, {u})} for u in _units(outcome)
        ],
        "sets": [_set(outcome, tally) for tally in outcome.decrypted["tallies"]],
        "totals": [_total(outcome)],
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
    return (
        _partition_agrees(outcome)
        and all(_set_agrees(outcome, tally) for tally in outcome.decrypted["tallies"])
        and _total_agrees(outcome)
        and outcome.audited == sum(v.then == "challenge" for v in outcome.voters)
        and outcome.looked_up.get("status") in ("cast", "challenged", "spoiled")
        and outcome.verdict.get("verdict") == VERIFIED
        and outcome.verdict["counts"]["ballots"] == _ballots(outcome)
        and outcome.altered.get("exit_code") == REFUTED
    )


def _partition_agrees(outcome: Outcome) -> bool:
    """Every unit is counted once, or all are withheld."""
    counted = sorted(unit for t in outcome.decrypted["tallies"] for unit in t["units"])
    return counted == ([] if _withheld(outcome) else sorted(_units(outcome)))


def _set_agrees(outcome: Outcome, tally: dict[str, Any]) -> bool:
    units, floor = tally["units"], outcome.manifest.privacy_floor
    cast = actions(outcome.voters, units)["cast"]
    return _options(tally) == expected(outcome.voters, units) and tally["ballots"] == cast >= floor


def _total_agrees(outcome: Outcome) -> bool:
    total, units = outcome.decrypted["totals"][0], _units(outcome)
    cast = actions(outcome.voters, units)["cast"]
    sums = {} if _withheld(outcome) else expected(outcome.voters, units)
    too_few = cast < outcome.manifest.privacy_floor
    return _withheld(outcome) == too_few and total["ballots"] == cast and _options(total) == sums


def write_summary(outcome: Outcome, file: Path) -> None:
    """Write summary.json."""
    file.write_text(json.dumps(summary(outcome), ensure_ascii=False, indent=2) + "\n")


def show(outcome: Outcome) -> None:
    """Tables on the terminal."""
    data = summary(outcome)
    names = {u.label: u.name.in_language("en") for u in outcome.manifest.units}
    for row in data["sets"]:
        title = " and ".join(names[unit] for unit in row["units"])
        _table(outcome, title, row["options"], _caption(outcome, row))
    if _withheld(outcome):
        say(f"Total: {withheld_sentence(outcome.manifest.privacy_floor)}")
    else:
        _table(outcome, "Total", data["totals"][0]["options"], "sums of the polling places")
    _show_checks(outcome, data)


def _caption(outcome: Outcome, row: dict[str, Any]) -> str:
    caption = f"{row['cast']} cast, {row['challenged']} challenged, {row['spoiled']} spoiled"
    if len(row["units"]) == 1:
        return caption
    floor = outcome.manifest.privacy_floor
    return f"{caption};\ncounted together, because one has fewer than {floor} cast ballots"


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
    challenged = "challenged ballot shows" if outcome.audited == 1 else "challenged ballots show"
    say(f"Audited: {outcome.audited} {challenged} what the voters chose")
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


def _units(outcome: Outcome) -> list[str]:
    return [u.label for u in outcome.manifest.units if u.takes_ballots]


def _withheld(outcome: Outcome) -> bool:
    return bool(outcome.decrypted["totals"][0]["withheld"])


def _set(outcome: Outcome, tally: dict[str, Any]) -> dict[str, Any]:
    units = tally["units"]
    compared = _compared(expected(outcome.voters, units), _options(tally))
    counted = actions(outcome.voters, units)
    return {"units": units, "contest": CONTEST, **counted, "options": compared}


def _total(outcome: Outcome) -> dict[str, Any]:
    total = outcome.decrypted["totals"][0]
    compared = _compared(expected(outcome.voters, _units(outcome)), _options(total))
    withheld = _withheld(outcome)
    return {"contest": CONTEST, "withheld": withheld, "options": [] if withheld else compared}


def _compared(wanted: dict[str, int], decrypted: dict[str, int]) -> list[dict[str, Any]]:
    return [{"option": o, "expected": wanted[o], "decrypted": decrypted.get(o, 0)} for o in SHARES]


def _ballots(outcome: Outcome) -> dict[str, int]:
    """What the verifier has to count."""
    return {"submitted": len(outcome.voters), **actions(outcome.voters, _units(outcome))}


def _options(tally: dict[str, Any]) -> dict[str, int]:
    return {o["option"]: o["count"] for o in tally["options"]}


def _failed(report: dict[str, Any]) -> list[str]:
    return sorted({f["check"] for f in report.get("failures", [])})
