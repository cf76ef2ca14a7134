"""`sailau election status` and `ceremony`: where things stand, once or live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from cli.administrator import administrator_home
from cli.ceremony import ceremony_line, ceremony_view, over
from cli.common import ABORTED, console, json_option, print_json, say
from cli.connect import checked_context, invited_board, public_server_option
from cli.standing import Standing, Watch, as_dict, status_view
from record.state import Phase
from rpc.errors import Busy, Unavailable

_PATIENCE = 5.0
"""Seconds that a server has to answer in, for somebody who keeps looking."""

_watch_option = click.option("--watch", is_flag=True, help="Keep showing it until Ctrl-C.")


@click.command()
@administrator_home
@public_server_option
@_watch_option
@json_option
def status(home: Path, server: str | None, watch: bool, as_json: bool) -> None:
    """Say where the election stands, and who or what is late. It needs no passphrase."""
    with _looking(home, server, watch) as seen:
        now = seen.now()
        if as_json:
            print_json(as_dict(now))
        elif watch:
            with Live(status_view(now).drawn(), console=console, auto_refresh=False) as live:
                while now.found.phase not in (Phase.COMPLETE, Phase.ABORTED):
                    time.sleep(1)
                    now = seen.now()
                    live.update(Group(status_view(now).drawn(), *seen.lost()), refresh=True)
        else:
            status_view(now).show()


@click.command(short_help="Show who is where in the key ceremony, and what is due.")
@administrator_home
@public_server_option
@_watch_option
@json_option
def ceremony(home: Path, server: str | None, watch: bool, as_json: bool) -> None:
    """Show the key ceremony: each trustee, each round, and what to do.

    It needs no passphrase. With --watch it stays until the ceremony is over. Exit code 4:
    the ceremony has come to nothing.
    """
    with _looking(home, server, watch) as seen:
        now = seen.now()
        if as_json:
            print_json(as_dict(now))
        elif watch and console.is_terminal:
            now = _draw(seen, now)
        elif watch:
            now = _tell(seen, now)
        else:
            ceremony_view(now).show()
    if now.found.phase is Phase.ABORTED:
        raise SystemExit(ABORTED)


class _Patient:
    """`Watch` for somebody who keeps looking: what was seen last stays, with its time."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._last: Standing | None = None
        self._seen = self._trouble = ""

    def now(self) -> Standing:
        """Where things stand, or stood; raises Unavailable only before the first answer."""
        try:
            self._last = self._watch.now()
        except (Unavailable, Busy) as error:
            if self._last is None:
                raise
            self._trouble = str(error)
            return self._last
        self._seen, self._trouble = time.strftime("%H:%M:%S"), ""
        return self._last

    def lost(self) -> tuple[Text, ...]:
        """What to say below a picture that is not of now."""
        return (Text(self.why()),) if self._trouble else ()

    def why(self) -> str:
        """The same as a line; nothing while the server answers."""
        if not self._trouble:
            return ""
        return f"Server not reached since {self._seen}; this is how it was then ({self._trouble})."


@contextmanager
def _looking(home: Path, server: str | None, watch: bool) -> Iterator[_Patient]:
    """The server of the invitation in this home, once or for as long as somebody watches."""
    patience = _PATIENCE if watch else None
    with invited_board(home, server, patience=patience) as (invitation, board):
        yield _Patient(Watch(board, checked_context(board, invitation)))


def _draw(seen: _Patient, now: Standing) -> Standing:
    """The table, redrawn every second."""
    with Live(ceremony_view(now).drawn(), console=console, auto_refresh=False) as live:
        while not over(now):
            time.sleep(1)
            now = seen.now()
            live.update(Group(ceremony_view(now).drawn(), *seen.lost()), refresh=True)
    return now


def _tell(seen: _Patient, now: Standing) -> Standing:
    """A line for every change, where nobody draws."""
    said = ""
    while True:
        line = seen.why() or ceremony_line(now)
        if line != said:
            say(line)
            said = line
        if over(now):
            return now
        time.sleep(1)
        now = seen.now()
