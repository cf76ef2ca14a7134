"""`sailau election`: the administrator's commands. docs/administrators.md is their manual."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.live import Live

from ballotbox.client import ElectionStatus
from cli.administrator import Administrator, administrator
from cli.common import (
    console,
    home_option,
    json_option,
    passphrase,
    passphrase_option,
    print_json,
    say,
)
from cli.connect import checked_context, invited_board, public_server_option, server_option
from cli.counting import Count
from cli.parameters import parameters_option, warn_of_toys
from cli.results import results_json, show_results
from cli.standing import as_dict, as_table, key_ceremony_hash
from crypto.errors import Malformed, Rejected
from crypto.parameters import parameters_named
from identity.enrolment import Enrolment, parse_enrolment
from identity.rolekeys import spoken
from record.aggregate import totals
from record.archive import pack_zip
from record.artifacts import DeviceMissing, PollsClose
from record.checkpoint import parse_verifier_key
from record.election import ElectionContext
from record.state import Phase
from rpc.errors import Unavailable

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def election() -> None:
    """The administrator: make, open, close, tally, publish."""


@election.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory to make the election in.",
)
@click.option("--manifest", required=True, type=_FILE, help="The manifest (docs/record.md).")
@click.option("--trustee", "trustees", multiple=True, required=True, type=_FILE,
              help="Enrolment of a trustee; repeat, in the order of their indices.")  # fmt: skip
@click.option("--device", "devices", multiple=True, required=True, type=_FILE,
              help="Enrolment of a device; repeat, one for each in the manifest.")  # fmt: skip
@click.option("--quorum", required=True, type=click.IntRange(1), help="k: how many can decrypt.")
@click.option("--host", "hosts", multiple=True, required=True,
              help="Server's name or address; repeat. Invitations name the first.")  # fmt: skip
@click.option("--public-port", default=8443, show_default=True, type=click.IntRange(1, 65535))
@click.option("--roles-port", default=8444, show_default=True, type=click.IntRange(1, 65535))
@click.option("--origin", help="Name of the log; by default HOST/LABEL of the manifest.")
@parameters_option
@passphrase_option
@click.option("--server-passphrase-file", type=_FILE, help="Passphrase of the server's key store.")
def new(
    out: Path,
    manifest: Path,
    trustees: tuple[Path, ...],
    devices: tuple[Path, ...],
    quorum: int,
    hosts: tuple[str, ...],
    public_port: int,
    roles_port: int,
    origin: str | None,
    parameters: str,
    passphrase_file: Path | None,
    server_passphrase_file: Path | None,
) -> None:
    """Make an election from a manifest and everybody's enrolments.

    OUT/server goes to the server, OUT/administrator stays with you, and everybody
    gets a file of OUT/invitations.
    """
    from cli.new_election import Plan, make

    if out.exists() and any(out.iterdir()):
        raise Malformed(str(out), "is not empty", "choose another --out")
    chosen = parameters_named(parameters)
    warn_of_toys(chosen)
    source = manifest.read_bytes()
    plan = Plan(
        manifest=source,
        parameters=chosen,
        trustees=_enrolments(trustees),
        devices=_enrolments(devices),
        quorum=quorum,
        hosts=hosts,
        public_port=public_port,
        roles_port=roles_port,
        origin=origin or "",
    )
    made = make(
        plan,
        out,
        passphrase(passphrase_file, "the administrator", new=True),
        passphrase(server_passphrase_file, "the server", new=True),
    )
    say(f"{made.manifest.label}: trustees {len(trustees)}, needed to decrypt {quorum}")
    say("Announce, so that everybody knows this election's record:")
    say(f"  manifest and numbers (H_B)  {made.election.base_hash.hex()}")
    say(f"               to read aloud  {spoken(made.election.base_hash)}")
    say(f"  administrator's key         {made.administrator_key.hex()}")
    say(f"               to read aloud  {spoken(made.administrator_key)}")
    say(f"  log key                     {made.election.log_key}")
    say(f"and publish {out / 'server' / 'authority.pem'}, with which voters reach the server.")


@election.command()
@click.argument("file", type=_FILE)
def enrolment(file: Path) -> None:
    """Show whose enrolment FILE is, and the fingerprint to compare by voice."""
    parsed = parse_enrolment(file.read_bytes())
    say(f"{parsed.identity}\n{spoken(parsed.public_key)}")


def _enrolments(files: Sequence[Path]) -> list[Enrolment]:
    return [parse_enrolment(file.read_bytes()) for file in files]


_HOME = home_option("the administrator, made by `election new`")


@election.command("open")
@_HOME
@server_option
@passphrase_option
def open_polls(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """Open the polls, once every trustee has confirmed. Every key is checked first."""
    with administrator(home, passphrase_file, server) as admin:
        transcript = admin.transcript(prove_until=Phase.OPEN)
        if transcript.phase > Phase.READY:
            say("The polls have been opened before.")
            return
        if transcript.phase < Phase.READY:
            raise Rejected(
                "R.order",
                f"the key ceremony is not complete: {transcript.phase.name.lower()}",
                advice="`sailau election status` says who is late",
            )
        keys = transcript.state.need_keys()
        index = admin.publish(keys.opening())
    say(f"The polls are open (artifact {index}).")
    say(f"Keys (H_G): {spoken(keys.key_ceremony_hash)}")


@election.command()
@_HOME
@server_option
@click.option(
    "--missing",
    multiple=True,
    metavar="DEVICE=REASON",
    help="A device that cannot close, and why; published. Repeat.",
)
@passphrase_option
def close(
    home: Path, server: str | None, missing: tuple[str, ...], passphrase_file: Path | None
) -> None:
    """Close the polls. Every device has closed its chain, or is named with the reason."""
    with administrator(home, passphrase_file, server) as admin:
        statements = [_missing(text, admin.context) for text in missing]
        status = admin.board.status()
        if status.phase > Phase.OPEN:
            say("The polls have been closed before.")
            return
        _check_devices(status, statements)
        for statement in statements:
            if statement.device in status.unaccounted_devices:
                admin.publish(statement)
        status = admin.board.status()
        spoiled = status.submitted - status.cast - status.challenged
        counts = PollsClose(status.submitted, status.cast, status.challenged, spoiled)
        index = admin.publish(counts)
    say(
        f"The polls are closed (artifact {index}): {counts.submitted} ballots, "
        f"{counts.cast} cast, {counts.challenged} challenged, {counts.spoiled} spoiled."
    )


def _missing(text: str, context: ElectionContext) -> DeviceMissing:
    """DEVICE=REASON; a label may hold "=" itself, so the longest one that fits is meant."""
    labels = (d.label for d in context.manifest.devices if text.startswith(f"{d.label}="))
    device = max(labels, key=len, default=None)
    if device is None:
        raise Malformed(
            "--missing",
            f"{repr(text)} does not begin with a device of the manifest and '='",
            "write DEVICE=REASON",
        )
    reason = text[len(device) + 1 :].strip()
    if not reason:
        raise Malformed("--missing", f"gives no reason for {device}", "write DEVICE=REASON")
    return DeviceMissing(device, reason)


def _check_devices(status: ElectionStatus, missing: Sequence[DeviceMissing]) -> None:
    """Before anything is published: it cannot be taken back."""
    if status.phase < Phase.OPEN:
        raise Rejected("R.order", "the polls have not opened")
    named = {statement.device for statement in missing}
    late = [label for label in status.unaccounted_devices if label not in named]
    if late:
        raise Rejected(
            "R.polls-close",
            f"these devices have not closed: {', '.join(late)}",
            advice="run `sailau device close` on each, or name it with --missing DEVICE=REASON",
        )


@election.command()
@_HOME
@server_option
@click.option("--trustee", "trustees", multiple=True, type=int,
              help="Only these, by index; by default all that are connected.")  # fmt: skip
@click.option("--wait", default=3600, show_default=True, help="Seconds to wait for trustees.")
@passphrase_option
def tally(
    home: Path,
    server: str | None,
    trustees: tuple[int, ...],
    wait: int,
    passphrase_file: Path | None,
) -> None:
    """Have the trustees open the totals and the challenged ballots.

    Waits until enough trustees are connected. If one of them disappears on the way,
    the others begin again without it.
    """
    with administrator(home, passphrase_file, server) as admin:
        Count(admin, trustees, time.monotonic() + wait).run()
    say("Everything is counted. Publish it with `sailau election publish`.")


@election.command()
@_HOME
@server_option
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the record.",
)
@click.option("--zip", "zip_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Also pack it into this .zip.")  # fmt: skip
@passphrase_option
@json_option
def publish(
    home: Path,
    server: str | None,
    out: Path,
    zip_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Add the totals up, sign them, and write the record as static files.

    The totals are sums of the units' counts. Run it again for another copy.
    """
    with administrator(home, passphrase_file, server) as admin:
        transcript = admin.transcript(prove_until=Phase.OPEN)
        if transcript.phase < Phase.COUNTED:
            raise Rejected(
                "R.order",
                f"the election is {transcript.phase.name.lower()}, not counted",
                advice="run `sailau election tally` first",
            )
        tallies = transcript.state.decrypted_tallies
        if transcript.phase is Phase.COUNTED:
            admin.publish(totals(admin.context, tallies))
        _export(admin, out)
    if zip_file is not None:
        pack_zip(out, zip_file)
    if as_json:
        print_json(results_json(admin.context, tallies))
    else:
        show_results(admin.context, tallies)
        say(f"The record is in {out}. Verify it: sailau verify {out}")


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
    admin.board.export(key, out)


@election.command()
@_HOME
@public_server_option
@click.option("--watch", is_flag=True, help="Keep showing it until Ctrl-C.")
@json_option
def status(home: Path, server: str | None, watch: bool, as_json: bool) -> None:
    """Say where the election stands, and who or what is late. It needs no passphrase."""
    with invited_board(home, server) as (invitation, board):
        context = checked_context(board, invitation)
        found = board.status()
        h_g = key_ceremony_hash(board, found)
        if as_json:
            print_json(as_dict(found, h_g))
        elif watch:
            with Live(as_table(context, found, h_g), console=console, auto_refresh=False) as live:
                while found.phase is not Phase.COMPLETE:
                    time.sleep(1)
                    found = board.status()
                    h_g = h_g or key_ceremony_hash(board, found)
                    live.update(as_table(context, found, h_g), refresh=True)
        else:
            console.print(as_table(context, found, h_g))
