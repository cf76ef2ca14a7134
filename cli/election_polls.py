"""`sailau election open`, `drill` and `close`: the polls, and trying the keys before them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from ballotbox.client import ElectionStatus
from cli.administrator import (
    administrator,
    administrator_home,
    checked_reason,
    reason_option,
    this_minute,
    trustees_option,
)
from cli.common import aloud, passphrase_option, say
from cli.connect import server_option
from cli.drilling import Drill, answers_to_drill, check_drill, last_drill
from crypto.errors import Malformed, Rejected
from record.artifacts import DeviceMissing, PollsClose
from record.election import ElectionContext
from record.state import Phase, State


@click.command("open")
@administrator_home
@server_option
@click.option(
    "--require-drill", is_flag=True, help="Refuse unless all trustees answered the last drill."
)
@reason_option
@passphrase_option
def open_polls(
    home: Path,
    server: str | None,
    require_drill: bool,
    reason: str,
    passphrase_file: Path | None,
) -> None:
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
        _check_quorum(transcript.state)
        say(last_drill(transcript.state))
        if require_drill:
            check_drill(transcript.state, admin.context.trustees)
        keys = transcript.state.need_keys()
        index = admin.publish(replace(keys.opening(), reason=reason, time=this_minute()))
    say(f"The polls are open (artifact {index}).")
    say(f"Keys (H_G):\n{aloud(keys.key_ceremony_hash)}")


def _check_quorum(state: State) -> None:
    """Votes that nobody could ever count are not taken."""
    left, quorum = len(state.eligible()), state.context.quorum
    if left < quorum:
        raise Rejected(
            "R.session",
            f"{left} trustees are left that have not broken the protocol, and decrypting needs "
            f"{quorum}: nobody could ever open the totals",
            where="opening",
            advice="make the election again: sailau election restart",
        )


@click.command()
@administrator_home
@server_option
@click.option(
    "--missing",
    multiple=True,
    metavar="DEVICE=REASON",
    help="A device that cannot close, and why; published. Repeat.",
)
@click.option(
    "--require-drill",
    is_flag=True,
    help="Refuse unless enough trustees to decrypt answered the last drill.",
)
@reason_option
@passphrase_option
def close(
    home: Path,
    server: str | None,
    missing: tuple[str, ...],
    require_drill: bool,
    reason: str,
    passphrase_file: Path | None,
) -> None:
    """Close the polls. Every device has closed its chain, or is named with the reason."""
    with administrator(home, passphrase_file, server) as admin:
        statements = [_missing(text, admin.context) for text in missing]
        status = admin.board.status()
        if status.phase > Phase.OPEN:
            say("The polls have been closed before.")
            return
        _check_devices(status, statements)
        if any(statement.device not in status.unaccounted_devices for statement in statements):
            _check_none_closed(admin.transcript(prove_until=Phase.COMMITMENT).state, statements)
        if require_drill:
            # From the record itself, which may be long by now.
            state = admin.transcript(prove_until=Phase.COMMITMENT).state
            say(last_drill(state))
            check_drill(state, admin.context.quorum)
        else:
            say(answers_to_drill(status))
        for statement in statements:
            if statement.device in status.unaccounted_devices:
                admin.publish(replace(statement, time=this_minute()))
        status = admin.board.status()
        spoiled = status.submitted - status.cast - status.challenged
        counts = PollsClose(status.submitted, status.cast, status.challenged, spoiled)
        index = admin.publish(replace(counts, reason=reason, time=this_minute()))
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
    reason = checked_reason(text[len(device) + 1 :], "--missing")
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
            advice="run `sailau device close` on each, and `sailau device upload` if it was "
            "offline, or name it with --missing DEVICE=REASON",
        )


def _check_none_closed(state: State, missing: Sequence[DeviceMissing]) -> None:
    """Another device may be meant; one that was declared missing before may be named again."""
    for statement in missing:
        device = state.devices.get(statement.device)
        if device is not None and device.closed:
            raise Malformed(
                "--missing",
                f"{statement.device} has closed its chain and is not missing",
                "leave it out, or name the device that is meant. Nothing was published",
            )


@click.command(short_help="Try the trustees' shares of the key on a test value.")
@administrator_home
@server_option
@trustees_option
@click.option("--wait", default=300, show_default=True, help="Seconds to wait for trustees.")
@passphrase_option
def drill(
    home: Path,
    server: str | None,
    trustees: tuple[int, ...],
    wait: int,
    passphrase_file: Path | None,
) -> None:
    """Try the trustees' shares of the key on a test value, before the close of the polls.

    Waits until those who are named are connected, or enough to decrypt if nobody is named,
    and then for their answers. Nothing of any ballot is opened. Exit code 0 only if
    everybody who was asked has answered; the record shows who has.
    """
    with administrator(home, passphrase_file, server) as admin:
        Drill(admin, trustees, time.monotonic() + wait).run()
