"""`sailau election`: the administrator's commands. docs/administrators.md is their manual."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from rich.live import Live
from rich.table import Table

from ballotbox.client import AdministrationClient, BoardClient, ElectionStatus
from cli.common import (
    console,
    home_option,
    json_option,
    note,
    passphrase,
    passphrase_option,
    print_json,
    say,
)
from cli.connect import (
    check_invited,
    checked_context,
    first_artifact,
    invited_board,
    public_server_option,
    role_connection,
    server_option,
)
from cli.homes import Home, open_home
from cli.parameters import parameters_option, warn_of_toys
from cli.results import results_json, show_results
from crypto.errors import Malformed, Rejected
from crypto.parameters import parameters_named
from identity.enrolment import Enrolment, parse_enrolment
from identity.invitation import Invitation
from identity.rolekeys import spoken
from record.aggregate import totals
from record.archive import pack_zip
from record.artifacts import (
    Artifact,
    DeviceMissing,
    PollsClose,
    Statement,
    sign_statement,
)
from record.checkpoint import parse_verifier_key
from record.election import ElectionContext
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import Unavailable

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STALLED = 15.0
"""Seconds after which a session with an absent trustee is given up."""


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
    say(f"{made.manifest.label}: {len(trustees)} trustees, any {quorum} can decrypt")
    say("Announce, so that observers know this election's record:")
    say(f"  manifest and numbers (H_B)  {made.election.base_hash.hex()}")
    say(f"             to read aloud    {spoken(made.election.base_hash)}")
    say(f"  administrator's key         {spoken(made.administrator_key)}")
    say(f"  log key                     {made.election.log_key}")


@election.command()
@click.argument("file", type=_FILE)
def enrolment(file: Path) -> None:
    """Show whose enrolment FILE is, and the fingerprint to compare by voice."""
    parsed = parse_enrolment(file.read_bytes())
    say(f"{parsed.identity}\n{spoken(parsed.public_key)}")


def _enrolments(files: Sequence[Path]) -> list[Enrolment]:
    return [parse_enrolment(file.read_bytes()) for file in files]


# --- connected


@dataclass(frozen=True, slots=True)
class _Administrator:
    """An open connection as administrator."""

    home: Home
    invitation: Invitation
    context: ElectionContext
    board: BoardClient
    client: AdministrationClient

    def publish(self, statement: Statement) -> int:
        """Sign a statement and put it on the record."""
        group, key = self.context.group, self.home.role_key
        artifact = sign_statement(statement, group, self.context.base_hash, key)
        return self.client.publish(artifact.data)

    def transcript(self, *, prove_until: Phase) -> Transcript:
        """The record so far, checked; what stands before `prove_until` is proved as well."""
        stream = self.board.read()
        artifacts: list[Artifact] = [first_artifact(stream)]
        transcript = Transcript(artifacts[0])
        check_invited(transcript.context, self.invitation)
        for data in stream:
            artifact = transcript.parse(data)
            transcript.check(artifact)
            if transcript.phase < prove_until:
                transcript.prove(artifact, artifacts.__getitem__)
                artifacts.append(artifact)
            transcript.take(artifact)
        return transcript


@contextmanager
def _administrator(
    home: Path, passphrase_file: Path | None, server: str | None
) -> Iterator[_Administrator]:
    opened = open_home(home, passphrase(passphrase_file, "the administrator"))
    with opened.keystore:
        invitation = opened.invitation()
        with role_connection(opened, invitation, server) as channel:
            yield _connected(opened, invitation, channel)


def _connected(home: Home, invitation: Invitation, channel: grpc.Channel) -> _Administrator:
    board = BoardClient(channel)
    context = checked_context(board, invitation)
    return _Administrator(home, invitation, context, board, AdministrationClient(channel))


_HOME = home_option("the administrator, made by `election new`")


@election.command("open")
@_HOME
@server_option
@passphrase_option
def open_polls(home: Path, server: str | None, passphrase_file: Path | None) -> None:
    """Open the polls, once every trustee has confirmed. Every key is checked first."""
    with _administrator(home, passphrase_file, server) as admin:
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
    statements = [_missing(text) for text in missing]
    with _administrator(home, passphrase_file, server) as admin:
        status = admin.board.status()
        if status.phase > Phase.OPEN:
            say("The polls have been closed before.")
            return
        _check_devices(admin.context, status, statements)
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


def _missing(text: str) -> DeviceMissing:
    device, equals, reason = text.partition("=")
    if not equals or not reason.strip():
        raise click.BadParameter(f"{text!r} is not DEVICE=REASON", param_hint="--missing")
    return DeviceMissing(device.strip(), reason.strip())


def _check_devices(
    context: ElectionContext, status: ElectionStatus, missing: Sequence[DeviceMissing]
) -> None:
    """Before anything is published: it cannot be taken back."""
    if status.phase < Phase.OPEN:
        raise Rejected("R.order", "the polls have not opened")
    named = {statement.device for statement in missing}
    unknown = named - {device.label for device in context.manifest.devices}
    if unknown:
        raise Malformed("--missing", f"no device of the manifest is {', '.join(sorted(unknown))}")
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
    with _administrator(home, passphrase_file, server) as admin:
        _Count(admin, trustees, time.monotonic() + wait).run()
    say("Everything is counted. Publish it with `sailau election publish`.")


class _Count:
    """Starts decryption sessions until one comes to its end."""

    def __init__(self, admin: _Administrator, trustees: Sequence[int], deadline: float) -> None:
        self._admin = admin
        self._trustees = tuple(sorted(set(trustees)))
        self._check_trustees()
        self._deadline = deadline
        self._stalled_since: float | None = None
        self._said: tuple[str, ...] = ()

    def run(self) -> None:
        """Return when the election is counted; raises Rejected or Unavailable."""
        while True:
            status = self._admin.board.status()
            if status.phase > Phase.TALLIED:
                return
            if status.phase < Phase.CLOSED:
                raise Rejected("R.order", "the polls are not closed", advice="close them first")
            self._tell(status)
            if time.monotonic() > self._deadline:
                raise Unavailable("the trustees have not finished in time", "run it again")
            if status.phase is Phase.TALLIED and self._due(status):
                self._start(status)
            time.sleep(0.5)

    def _check_trustees(self) -> None:
        context, chosen = self._admin.context, self._trustees
        if chosen and (
            len(chosen) < context.quorum or not 1 <= chosen[0] <= chosen[-1] <= context.trustees
        ):
            raise Malformed(
                "--trustee", f"names less than {context.quorum} of 1 to {context.trustees}"
            )

    def _due(self, status: ElectionStatus) -> bool:
        """Whether there is no session, or one that has lost a trustee."""
        present = set(status.trustees_present)
        enough = len(present) >= self._admin.context.quorum and present >= set(self._trustees)
        if status.session == 0:
            return enough
        if set(status.session_trustees) <= present:
            self._stalled_since = None
            return False
        self._stalled_since = self._stalled_since or time.monotonic()
        return enough and time.monotonic() - self._stalled_since > _STALLED

    def _start(self, status: ElectionStatus) -> None:
        self._stalled_since = None
        chosen = self._trustees if status.session == 0 else ()
        try:
            session, trustees = self._admin.client.start_decryption(chosen)
        except Rejected as error:
            # Somebody left at this moment, or the session has come to its end meanwhile.
            note(str(error))
            return
        note(f"session {session}: trustees {', '.join(map(str, trustees))}")

    def _tell(self, status: ElectionStatus) -> None:
        if status.notices != self._said:
            self._said = status.notices
            for notice in status.notices:
                note(notice)


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
    with _administrator(home, passphrase_file, server) as admin:
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


def _export(admin: _Administrator, out: Path) -> None:
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
        if as_json:
            print_json(_as_dict(found))
        elif watch:
            with Live(_table(context, found), console=console, auto_refresh=False) as live:
                while found.phase is not Phase.COMPLETE:
                    time.sleep(1)
                    found = board.status()
                    live.update(_table(context, found), refresh=True)
        else:
            console.print(_table(context, found))


def _as_dict(found: ElectionStatus) -> dict[str, object]:
    return {
        "phase": found.phase.name,
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


def _table(context: ElectionContext, found: ElectionStatus) -> Table:
    table = Table(title=f"{context.manifest.label}: {found.phase.name.lower()}")
    for heading in ("trustee", "name", "connected", "this round"):
        table.add_column(heading)
    for i in range(1, context.trustees + 1):
        table.add_row(
            str(i),
            context.trustee_key(i).name,
            "yes" if i in found.trustees_present else "no",
            "done" if i in found.trustees_done else "",
        )
    counts = f"{found.submitted} ballots, {found.cast} cast, {found.challenged} challenged"
    open_devices = f"not closed: {', '.join(found.unaccounted_devices) or 'none'}"
    table.caption = "\n".join([counts, f"devices {open_devices}", *found.notices])
    return table
