"""`sailau election tally` and `publish`: from the close to the published record."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ballotbox.client import BoardClient
from cli.administrator import (
    Administrator,
    administrator,
    administrator_home,
    this_minute,
    trustees_option,
)
from cli.common import json_option, note, passphrase_option, print_json, say
from cli.connect import server_option
from cli.counting import Count
from cli.results import results_json, show_results
from crypto.errors import Malformed, Rejected
from record.aggregate import totals
from record.archive import pack_zip
from record.checkpoint import VerifierKey, parse_verifier_key
from record.state import Phase, State
from rpc.errors import NotFound, Unavailable

_RECORD = ("checkpoint", "tile", "artifacts")
"""What a record's directory holds, one at least even if it was not written to its end."""


@click.command()
@administrator_home
@server_option
@trustees_option
@click.option("--wait", default=3600, show_default=True, help="Seconds to wait for trustees.")
@click.option(
    "--patience",
    default=120,
    show_default=True,
    type=click.IntRange(1),
    help="Seconds after which others go on without a trustee that only they wait for.",
)
@passphrase_option
def tally(
    home: Path,
    server: str | None,
    trustees: tuple[int, ...],
    wait: int,
    patience: int,
    passphrase_file: Path | None,
) -> None:
    """Have the trustees open the totals and the challenged ballots.

    Waits until enough trustees are connected. If one of them disappears on the way, makes
    no progress, or is proved to cheat, the others begin again without it, as long as they
    are enough. Exit code 3: not counted within --wait seconds, because too few trustees came
    or the server was away. Nothing is lost; run it again.
    """
    with administrator(home, passphrase_file, server) as admin:
        Count(admin, trustees, time.monotonic() + wait, patience).run()
    say("Everything is counted. Publish it with `sailau election publish`.")


@click.command(short_help="Add the totals up, sign them, and write the record.")
@administrator_home
@server_option
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the record.",
)
@click.option("--zip", "zip_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Also pack it into this .zip.")  # fmt: skip
@click.option("--as-it-is", is_flag=True, help="The record of an election that cannot be counted.")
@passphrase_option
@json_option
def publish(
    home: Path,
    server: str | None,
    out: Path,
    zip_file: Path | None,
    as_it_is: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Add the totals up, sign them, and write the record as static files.

    The totals are sums of the units' counts. Run it again for another copy. The record of
    a key ceremony that has come to nothing is written as it is, as evidence.
    """
    _check_out(out)
    with administrator(home, passphrase_file, server) as admin:
        transcript = admin.transcript(prove_until=Phase.OPEN)
        state = transcript.state
        if transcript.phase is Phase.COUNTED:
            result = totals(admin.context, state.decrypted_tallies, state.cast_in)
            admin.publish(replace(result, time=this_minute()))
        elif not (_ended(state) or (as_it_is and state.phase >= Phase.CLOSED)):
            raise Rejected(
                "R.order",
                f"the election is {transcript.phase.name.lower()}, not counted",
                advice="run `sailau election tally` first",
            )
        _export(admin, out)
    if zip_file is not None:
        pack_zip(out, zip_file)
    if as_json:
        print_json(_as_json(state))
        return
    until = ""
    if state.phase is Phase.ABORTED:
        say("The key ceremony has come to nothing; the record shows how.")
    elif state.phase < Phase.COUNTED:
        say("The election is not counted; the record is as it is.")
        until = " --until close"
    else:
        show_results(admin.context, state.decrypted_tallies, state.cast_in)
    say(f"The record is in {out}. Verify it: sailau verify {out}{until}")


def _check_out(out: Path) -> None:
    """A record may be written over itself; among other people's files it would be lost."""
    if out.exists() and any(out.iterdir()) and not any((out / n).exists() for n in _RECORD):
        raise Malformed(str(out), "is not empty and is no record", "choose another --out")


def _ended(state: State) -> bool:
    return state.phase in (Phase.COMPLETE, Phase.ABORTED)


def _as_json(state: State) -> dict[str, Any]:
    """The results; or, of an election without any, why."""
    if state.phase >= Phase.COUNTED:
        return results_json(state.context, state.decrypted_tallies, state.cast_in)
    return {
        "election": state.context.manifest.label,
        "phase": state.phase.name,
        "accused": {str(i): accused.check for i, accused in state.accused.items()},
        "abandoned": state.abandoned or None,
    }


def _export(admin: Administrator, out: Path) -> None:
    """Wait until the checkpoint covers the result, then write what it covers."""
    key = parse_verifier_key(admin.context.election.log_key)
    deadline = time.monotonic() + 60
    while True:
        size = admin.board.status().size
        _, checkpoint = admin.board.checkpoint(key)
        if checkpoint.size == size:
            break
        if time.monotonic() > deadline:
            raise Unavailable("the server has not signed the complete log", "run it again")
        time.sleep(0.2)
    _await_witness(admin.board, key)
    admin.board.export(key, out)


def _await_witness(board: BoardClient, key: VerifierKey, patience: float = 10.0) -> None:
    """Where witnesses cosign, the copy should have a signature of theirs, if they are awake."""
    deadline = time.monotonic() + patience
    while True:
        _, newest = board.checkpoint(key)
        try:
            _, cosigned = board.cosigned_checkpoint(key)
        except NotFound:
            return  # nobody cosigns this log
        if cosigned.size >= newest.size:
            return
        if time.monotonic() > deadline:
            note("No witness has cosigned the end of the log yet. Run this again for a later copy.")
            return
        time.sleep(0.2)
