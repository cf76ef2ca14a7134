"""`sailau manifest`: check a manifest before an election is made from it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from cli.common import console, json_option, note, print_json, say, write_new
from record.electionguard_manifest import import_manifest
from record.manifest import Manifest, parse_manifest

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def manifest() -> None:
    """The election's manifest: contests, options, units, devices (docs/record.md)."""


@manifest.command()
@_FILE
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check FILE and show what it says."""
    checked = parse_manifest(file.read_bytes())
    if as_json:
        print_json(_summary(checked))
        return
    say(f"{checked.label}: {checked.name.in_language('en')}, {checked.opens} to {checked.closes}")
    table = Table("contest", "options", "at most", "per option", box=None)
    for contest in checked.contests:
        options = ", ".join(o.label for o in contest.options)
        table.add_row(
            Text(contest.label),
            Text(options),
            str(contest.selection_limit),
            str(contest.option_limit),
        )
    console.print(table)
    counts = _summary(checked)
    say(
        f"{counts['units']} units take ballots, {counts['devices']} devices, "
        f"{counts['tallies']} tallies, chaining {checked.chaining.value}"
    )
    if checked.privacy_floor:
        say(
            f"Nothing is opened of fewer than {checked.privacy_floor} cast ballots: smaller "
            "units are counted together with others"
        )
    if checked.groups:
        say(
            f"What voters do is published in groups of {checked.groups.ballots}, or after "
            f"{checked.groups.seconds} seconds"
        )


@manifest.command(name="import")
@_FILE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: print it.")
def import_file(file: Path, out: Path | None) -> None:
    """Turn an electionguard 1.x manifest (JSON) into one of ours.

    What could not be carried over is said on standard error.
    """
    data, left_out = import_manifest(file.read_bytes())
    for sentence in left_out:
        note(f"note: {sentence}")
    if out is None:
        click.echo(data.decode(), nl=False)
    else:
        write_new(out, data)


def _summary(checked: Manifest) -> dict[str, object]:
    return {
        "label": checked.label,
        "contests": len(checked.contests),
        "units": sum(1 for u in checked.units if u.takes_ballots),
        "devices": len(checked.devices),
        "tallies": len(checked.cells()),
        "chaining": checked.chaining.value,
        "privacy_floor": checked.privacy_floor,
        "groups": asdict(checked.groups) if checked.groups else None,
    }
