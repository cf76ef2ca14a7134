"""`sailau receipt`: what a voter, or somebody a voter trusts, does with codes and files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import click

from ballotbox.challenges import ChallengeFile, audit, parse_challenge_file
from ballotbox.receipts import Receipt, parse_code, parse_receipt, short_code
from ballotbox.slips import qr_code, qr_text, slip
from cli.common import REFUSED, json_option, print_json, say, write_new
from cli.connect import Found, Source, open_source, source_options
from cli.later import LaterGroup
from crypto.errors import Rejected

_LIMIT = 16 << 20
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
# What reads a published log is loaded only for the commands that do.
_LATER = {
    "dispute": "cli.receipt_disputes",
    "judge": "cli.receipt_disputes",
    "upgrade": "cli.receipt_disputes",
    "verify": "cli.receipt_verify",
}


@click.group(cls=LaterGroup, later=_LATER)
def receipt() -> None:
    """Check what a voter was given. docs/voters.md tells a voter what to do with it.

    A confirmation code and a receipt show that a ballot is in the record. They say
    nothing of the choice.
    """


@receipt.command()
@click.argument("file", type=FILE)
@click.option("--language", type=click.Choice(["kk", "ru", "en"]), default="en", show_default=True)
@click.option("--election", default="", help="The election's name, to stand on the slip.")
@click.option("--url", default="", help="Where to look, instead of the log's origin.")
@click.option("--qr", is_flag=True, help="Print the QR code below the slip.")
@click.option(
    "--qr-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the QR code to a file: .svg, .png or .pdf.",
)
def show(
    file: Path, language: str, election: str, url: str, qr: bool, qr_file: Path | None
) -> None:
    """Print a receipt FILE as a slip. Nothing is checked: `receipt verify` does that.

    The QR code has the code, the index and where to look: a web page, or the log's name.
    """
    parsed = parse_receipt(read_receipt_file(file))
    say(slip(parsed, election, language, url))
    if qr:
        say(qr_text(parsed, url))
    if qr_file is not None:
        _write_qr(qr_file, parsed, url)


def _write_qr(place: Path, parsed: Receipt, url: str) -> None:
    kind = place.suffix.lower().removeprefix(".")
    if kind not in ("svg", "png", "pdf"):
        raise click.UsageError("--qr-file ends in .svg, .png or .pdf")
    out = BytesIO()
    qr_code(parsed, url).save(out, kind=kind, scale=4)
    write_new(place, out.getvalue())


@receipt.command("look-up", short_help="Say what became of the ballot with this CODE.")
@click.argument("code", nargs=-1, required=True)
@source_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the encrypted ballot here, for `receipt verify --ballot`.",
)
@json_option
def look_up(
    code: tuple[str, ...],
    record: Path | None,
    server: str | None,
    authority: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what became of the ballot with this CODE, typed with or without spaces.

    Exit code 0 if the ballot is in the record, 1 if it is not.
    """
    wanted = parse_code(" ".join(code))
    with open_source(record, server, authority) as source:
        found = source.find([wanted]).get(wanted)
        artifact = source.artifact(found.ballot_index) if found and out else None
    if artifact is not None and out is not None:
        write_new(out, artifact)
    if as_json:
        print_json(found_json(wanted, found))
    elif found is None:
        say(f"No ballot with the code {short_code(wanted)} ... is in the record.")
    else:
        say(f"{short_code(wanted)} ...: {found.status}")
        say(f"ballot: artifact {found.ballot_index}, unit {found.ballot.unit}")
        if found.decision_index is not None:
            say(f"{found.status}: artifact {found.decision_index}")
    if found is None:
        raise SystemExit(REFUSED)


@receipt.command("audit", short_help="Compare challenged ballots with what FILES say.")
@click.argument("files", type=FILE, nargs=-1, required=True)
@source_options
@json_option
def audit_files(
    files: tuple[Path, ...],
    record: Path | None,
    server: str | None,
    authority: Path | None,
    as_json: bool,
) -> None:
    """Encrypt the choices in challenge FILES again and compare with the ballots.

    Do it on another machine than the one that encrypted. It shows what the device
    claims the voter chose; whether that is what the voter chose, the voter knows.
    Exit code 0 if every ballot agrees, 1 if one does not.
    """
    with open_source(record, server, authority) as source:
        challenges = [parse_challenge_file(read_receipt_file(f), source.context) for f in files]
        found = source.find([c.confirmation_code for c in challenges])
        results = [_audit(source, c, found.get(c.confirmation_code)) for c in challenges]
    if as_json:
        print_json(results)
    else:
        for result in results:
            _say_result(result)
    if not all(r["agrees"] for r in results):
        raise SystemExit(REFUSED)


def _audit(source: Source, file: ChallengeFile, found: Found | None) -> dict[str, Any]:
    choices = {c.contest: {o.option: o.value for o in c.options if o.value} for c in file.contests}
    result: dict[str, Any] = {"confirmation_code": file.confirmation_code.hex(), "agrees": False}
    if found is None:
        return {**result, "choices": choices, "problem": "no ballot with this code is there"}
    try:
        audit(source.context, source.keys, found.ballot, file)
    except Rejected as error:
        return {**result, "choices": choices, "problem": str(error)}
    return {**result, "agrees": True, "choices": choices, "status": found.status}


def _say_result(result: dict[str, Any]) -> None:
    code = short_code(bytes.fromhex(result["confirmation_code"]))
    if not result["agrees"]:
        say(f"{code} ...: DOES NOT AGREE: {result['problem']}")
        return
    say(f"{code} ... ({result['status']}): the ballot holds")
    for contest, options in result["choices"].items():
        chosen = ", ".join(f"{o} ({v})" if v != 1 else o for o, v in options.items())
        say(f"    {contest}: {chosen or 'nothing chosen'}")


def found_json(code: bytes, found: Found | None) -> dict[str, Any]:
    """What became of a ballot, as JSON."""
    if found is None:
        return {"confirmation_code": code.hex(), "status": "absent"}
    return {
        "confirmation_code": code.hex(),
        "status": found.status,
        "ballot_index": found.ballot_index,
        "decision_index": found.decision_index,
        "unit": found.ballot.unit,
    }


def read_receipt_file(file: Path) -> bytes:
    """A voter's file, one byte beyond the limit at most: parsers refuse what is longer."""
    with file.open("rb") as stream:
        return stream.read(_LIMIT + 1)
