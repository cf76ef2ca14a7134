"""One trustee at work: its home opened, its program connected, until something is reached."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from types import FrameType

import click

from ballotbox.client import BoardClient
from cli.common import ABORTED, DECLINED, exit_code, fail
from cli.connect import role_connection
from cli.homes import Home
from cli.telling import Telling
from cli.verdicts import verify_copy
from crypto.errors import SailauError
from rpc.errors import Unavailable
from trustees.client import Confirm, TrusteeClient, program_of
from trustees.machine import Membership, Trustee
from trustees.messages import Aborted
from trustees.parallel import Processes
from trustees.record_copy import FileCopy
from trustees.scratch import FolderScratch

COPY, SCRATCH = "record.copy", "scratch"

NOT_CONFIRMED = (
    "You have not confirmed. Nothing was sent. Tell the others and the administrator. When the "
    "difference is explained, start the program again: it asks once more"
)


class Stop:
    """Whether a signal has asked the program to end, and whether it was Ctrl-C."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.interrupted = False


@dataclass(frozen=True, slots=True)
class Taken:
    """How taking part has ended: the machine as it is now, and whether Ctrl-C ended it."""

    machine: Trustee
    interrupted: bool


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Processes that compute; by default one for each core.",
)


def take_part(
    home: Home,
    server: str | None,
    *,
    jobs: int | None,
    confirm: Confirm,
    until: Callable[[Trustee], bool],
) -> Taken:
    """Run the trustee's program until `until` holds or it is stopped by a signal.

    Leaves with its own exit code if the key ceremony is aborted, or the person does not
    agree to its keys. Raises what `TrusteeClient.run` raises.
    """
    invitation, stop = home.invitation(), Stop()
    with (
        role_connection(home, invitation, server) as channel,
        closing(FileCopy(home.path / COPY)) as copy,
        Telling(invitation.index) as telling,
    ):
        machine = Trustee(
            Membership.from_invitation(invitation, home.role_key),
            home.keystore,
            partial(verify_copy, BoardClient(channel), invitation, copy, stop.asked),
            copy,
            executor=Processes(jobs),
            scratch=FolderScratch(home.path / SCRATCH),
        )
        telling.state = lambda: machine.state
        client = TrusteeClient(
            machine,
            channel,
            confirm=confirm,
            progress=telling,
            program=program_of(home.path),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stopping(client, stop))
        aborted = _run(client, until, stop, telling)
    if client.declined:
        fail(NOT_CONFIRMED, DECLINED)
    if aborted is not None:
        fail(
            f"the key ceremony of {invitation.election} has come to nothing: {aborted.reason}. "
            "Nothing can follow it. When the administrator makes the election again, join with "
            "your new invitation",
            ABORTED,
        )
    return Taken(machine, stop.interrupted)


def _run(
    client: TrusteeClient, until: Callable[[Trustee], bool], stop: Stop, telling: Telling
) -> Aborted | None:
    try:
        return client.run(until)
    except Unavailable:
        if not stop.asked.is_set():
            raise
        return None
    except SailauError as error:
        if error is telling.refused:
            fail(" ".join(f"refusing to go on: {error}".split()), exit_code(error))
        raise


def _stopping(client: TrusteeClient, stop: Stop) -> Callable[[int, FrameType | None], None]:
    def end(number: int, _: FrameType | None) -> None:
        """The first signal ends it in good order, a second one at once."""
        stop.interrupted = number == signal.SIGINT
        stop.asked.set()
        client.stop()
        signal.signal(number, signal.SIG_DFL)

    return end
