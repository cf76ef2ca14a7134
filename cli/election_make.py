"""`sailau election new`, `enrolment` and `restart`: what an election begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.administrator import administrator_home
from cli.common import aloud, counted, passphrase, passphrase_option, say
from cli.connect import server_option
from cli.new_election import Made, make
from cli.parameters import parameters_option, warn_of_toys
from cli.plans import Plan, check_plan, read_plan
from cli.restarting import Ending, end_ceremony, reason_for, restarted
from crypto.errors import Malformed
from crypto.parameters import parameters_named
from identity.enrolment import parse_enrolment

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)
_server_passphrase_option = click.option(
    "--server-passphrase-file", type=_FILE, help="Passphrase of the server's key store."
)


@click.command()
@click.option(
    "--out",
    required=True,
    type=_OUT,
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
@_server_passphrase_option
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
    _check_out(out)
    chosen = parameters_named(parameters)
    warn_of_toys(chosen)
    plan = Plan(
        manifest=manifest.read_bytes(),
        parameters=chosen,
        trustees=_read(trustees),
        devices=_read(devices),
        quorum=quorum,
        hosts=hosts,
        public_port=public_port,
        roles_port=roles_port,
        origin=origin or "",
    )
    check_plan(plan)
    made = make(
        plan,
        out,
        passphrase(passphrase_file, "the administrator", new=True),
        passphrase(server_passphrase_file, "the server", new=True),
    )
    _announce(made, plan, out)


@click.command(short_help="Show an enrolment FILE, and the fingerprint to compare.")
@click.argument("file", type=_FILE)
def enrolment(file: Path) -> None:
    """Show whose enrolment FILE is, and the fingerprint to compare by voice."""
    parsed = parse_enrolment(file.read_bytes())
    say(f"{parsed.identity}\n{aloud(parsed.public_key)}")


@click.command(short_help="Give a key ceremony up and make the election again.")
@administrator_home
@server_option
@click.option("--out", required=True, type=_OUT, help="Directory to make the new election in.")
@click.option("--without", multiple=True, type=click.IntRange(1), metavar="I",
              help="Leave this trustee out, by index; repeat.")  # fmt: skip
@click.option("--trustee", "trustees", multiple=True, type=_FILE,
              help="Enrolment of a new trustee, in the place of one left out; repeat.")  # fmt: skip
@click.option(
    "--quorum", type=click.IntRange(1), help="k of the new election; as before by default."
)
@click.option("--reason", help="Why, for the public record of the old election.")
@click.option("--yes", is_flag=True, help="Give the ceremony up without asking (for scripts).")
@click.option("--offline", is_flag=True, help="Go on although the old server cannot be reached.")
@passphrase_option
@_server_passphrase_option
def restart(
    home: Path,
    server: str | None,
    out: Path,
    without: tuple[int, ...],
    trustees: tuple[Path, ...],
    quorum: int | None,
    reason: str | None,
    yes: bool,
    offline: bool,
    passphrase_file: Path | None,
    server_passphrase_file: Path | None,
) -> None:
    """Give a key ceremony up and make the same election again, before the polls open.

    For a trustee that is proved to have broken the protocol, or that does not come. The
    manifest, the addresses and the enrolments of all others stay; all keys are made anew,
    and everybody who stays gets a new invitation. It asks before it gives a ceremony up that
    is still on: that cannot be taken back.
    """
    if not (without or trustees or quorum):
        raise click.UsageError(
            "say what is to be different: --without I, --trustee FILE or --quorum K. With the "
            "same people, say --quorum as before"
        )
    _check_out(out)
    old = read_plan(home)
    plan = restarted(old, without, _read(trustees), quorum)
    warn_of_toys(plan.parameters)
    own = passphrase(passphrase_file, "the administrator")
    theirs = passphrase(server_passphrase_file, "the new server", new=True)
    ending = Ending(reason, reason_for(old, without), asked=yes)
    end_ceremony(home, own, server, ending, offline=offline)
    made = make(plan, out, own, theirs)
    _announce(made, plan, out)
    if plan.manifest != old.manifest:
        say("The manifest got an empty line at its end, so that its hash is another one.")
    say(
        "Publish the old record before you stop the old server: sailau election publish --home "
        f"{home} --out evidence. When everybody has seen the end (sailau election ceremony --home "
        f"{home}), stop it and start the new one with {out / 'server'}. Trustees and devices join "
        f"with their files in {out / 'invitations'}."
    )


def _check_out(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise Malformed(str(out), "is not empty", "choose another --out")


def _read(files: Sequence[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


def _announce(made: Made, plan: Plan, out: Path) -> None:
    """What everybody has to know to tell this election from another."""
    trustees = counted(len(plan.trustees), "trustee")
    say(f"{made.manifest.label}: {trustees}, of whom {plan.quorum} can decrypt")
    say("Announce, so that everybody knows this election's record:")
    for name, number in (
        ("manifest and numbers (H_B)", made.election.base_hash),
        ("administrator's key", made.administrator_key),
    ):
        say(f"  {name}:\n    {number.hex()}\n    to read aloud:\n{aloud(number, 6)}")
    say(f"  log key:\n    {made.election.log_key}")
    say(f"and publish {out / 'server' / 'authority.pem'}, with which voters reach the server.")
