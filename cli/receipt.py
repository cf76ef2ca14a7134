"""`sailau receipt`: what a voter, or somebody a voter trusts, does with codes and files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import click

from ballotbox.challenges import ChallengeFile, audit, parse_challenge_file
from ballotbox.receipts import (
    Receipt,
    parse_code,
    parse_receipt_file,
    short_code,
    slip,
    verify_receipt,
)
from cli.common import REFUSED, json_option, print_json, say
from cli.connect import Found, Source, open_source, source_options
from crypto.errors import Rejected
from record.manifest import Text

_LIMIT = 16 << 20
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def receipt() -> None:
    """Check what a voter was given. docs/voters.md tells a voter what to do with it.

    A confirmation code and a receipt show that a ballot is in the record. They say
    nothing of the choice.
    """


@receipt.command()
@click.argument("file", type=_FILE)
@click.option("--language", type=click.Choice(["kk", "ru", "en"]), default="en", show_default=True)
def show(file: Path, language: str) -> None:
    """Print a receipt FILE as a slip."""
    data = _read(file)
    parsed = parse_receipt_file(data)
    # A receipt knows its election by label; names in languages stand in the manifest.
    say(slip(parsed, Text((("en", json.loads(data)["election"]),)), language))


@receipt.command("look-up")
@click.argument("code")
@source_options
@json_option
def look_up(
    code: str, record: Path | None, server: str | None, authority: Path | None, as_json: bool
) -> None:
    """Say what became of the ballot with this CODE.

    Exit code 0 if the ballot is in the record, 1 if it is not.
    """
    wanted = parse_code(code)
    with open_source(record, server, authority) as source:
        found = source.find([wanted]).get(wanted)
    if as_json:
        print_json(_found(wanted, found))
    elif found is None:
        say(f"No ballot with the code {short_code(wanted)} ... is in the record.")
    else:
        say(f"{short_code(wanted)} ...: {found.status}")
        say(f"ballot: artifact {found.ballot_index}, unit {found.ballot.unit}")
        if found.decision_index is not None:
            say(f"{found.status}: artifact {found.decision_index}")
    if found is None:
        raise SystemExit(REFUSED)


@receipt.command()
@click.argument("file", type=_FILE)
@source_options
@json_option
def verify(
    file: Path, record: Path | None, server: str | None, authority: Path | None, as_json: bool
) -> None:
    """Check the receipt in FILE: the server signed it, and the record keeps its promise."""
    parsed = parse_receipt_file(_read(file))
    with open_source(record, server, authority) as source:
        _check_receipt(source, parsed)
        found = source.find([parsed.confirmation_code]).get(parsed.confirmation_code)
    if as_json:
        print_json({"kept": True, **_found(parsed.confirmation_code, found)})
    else:
        status = found.status if found else "unknown"
        say(f"The server signed it, and artifact {parsed.index} is what it promised.")
        say(f"The ballot {short_code(parsed.confirmation_code)} ... is {status}.")


def _check_receipt(source: Source, parsed: Receipt) -> None:
    verify_receipt(source.context, parsed)
    data = source.artifact(parsed.index)
    if data is None or hashlib.sha256(data).digest() != parsed.artifact_sha256:
        raise Rejected(
            "R.receipt",
            f"artifact {parsed.index} of the record is not what the server promised",
            culprit="server",
            where=f"code {short_code(parsed.confirmation_code)}",
            advice="keep this file: it proves the broken promise to anybody",
        )


@receipt.command("audit")
@click.argument("files", type=_FILE, nargs=-1, required=True)
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
        challenges = [parse_challenge_file(_read(f), source.context) for f in files]
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


def _found(code: bytes, found: Found | None) -> dict[str, Any]:
    if found is None:
        return {"confirmation_code": code.hex(), "status": "absent"}
    return {
        "confirmation_code": code.hex(),
        "status": found.status,
        "ballot_index": found.ballot_index,
        "decision_index": found.decision_index,
        "unit": found.ballot.unit,
    }


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_LIMIT + 1)
