"""`sailau election`: the administrator's commands. docs/administrators.md is their manual.

election_make    new, restart, enrolment
election_watch   status, ceremony
election_polls   drill, open, close
election_count   tally, publish
election_note    note
events           events
"""

from __future__ import annotations

import click

from cli.election_count import publish, tally
from cli.election_make import enrolment, new, restart
from cli.election_note import note
from cli.election_polls import close, drill, open_polls
from cli.election_watch import ceremony, status
from cli.events import events


@click.group()
def election() -> None:
    """The administrator: make, open, close, tally, publish; and what was done, as a log."""


for command in (
    *(new, enrolment, status, ceremony, restart),
    *(drill, open_polls, note, close, tally, publish, events),
):
    election.add_command(command)
