"""One trustee at work: its home opened, its program connected, until something is reached."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from functools import partial
from types import FrameType

import click

from ballotbox.client import BoardClient
from cli.common import ABORTED, fail
from cli.connect import role_connection
from cli.homes import Home
from cli.telling import Telling
from cli.verdicts import verify_copy
from trustees.client import Confirm, TrusteeClient, program_of
from trustees.machine import Membership, Trustee
from trustees.parallel import Processes
from trustees.record_copy import FileCopy
from trustees.scratch import FolderScratch

COPY, SCRATCH = "record.copy", "scratch"

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
) -> Trustee:
    """Run the trustee's program until `until` holds or it is stopped by a signal.

    Leaves with its own exit code if the key ceremony is aborted. Raises what
    `TrusteeClient.run` raises.
    """
    invitation = home.invitation()
    with (
        role_connection(home, invitation, server) as channel,
        closing(FileCopy(home.path / COPY)) as copy,
        Telling() as telling,
    ):
        machine = Trustee(
            Membership.from_invitation(invitation, home.role_key),
            home.keystore,
            partial(verify_copy, BoardClient(channel), invitation, copy),
            copy,
            executor=Processes(jobs),
            scratch=FolderScratch(home.path / SCRATCH),
        )
        client = TrusteeClient(
            machine,
            channel,
            confirm=confirm,
            progress=telling,
            program=program_of(home.path),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stopping(client))
        aborted = client.run(until)
    if aborted is not None:
        fail(
            f"the key ceremony of {invitation.election} has come to nothing: {aborted.reason}. "
            "Nothing can follow it. When the administrator makes the election again, join with "
            "your new invitation",
            ABORTED,
        )
    return machine


def _stopping(client: TrusteeClient) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, _: FrameType | None) -> None:
        """The first signal ends it in good order, a second one at once."""
        client.stop()
        signal.signal(number, signal.SIG_DFL)

    return stop
