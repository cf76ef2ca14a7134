"""`sailau trustee run` and `drill`: taking part in whatever is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from cli.common import (
    INTERRUPTED,
    UNUSABLE,
    fail,
    home_option,
    note,
    passphrase,
    passphrase_option,
    say,
)
from cli.confirming import NO_PLACE, Confirming
from cli.connect import server_option
from cli.homes import Home, open_home
from cli.taking_part import jobs_option, take_part
from cli.trustee_backup import backup_passphrase_option
from crypto.errors import Rejected
from record.state import Phase
from trustees.machine import Trustee
from trustees.messages import Confirmation
from trustees.vault import KEY_SHARES


@click.command(short_help="Take part in whatever is due, and wait for the others.")
@home_option("the trustee")
@server_option
@click.option(
    "--until",
    type=click.Choice(["confirmed", "done"]),
    default="done",
    show_default=True,
    help="When to stop: after the key ceremony, or when the election is complete.",
)
@click.option("--yes", is_flag=True, help="Confirm the keys without asking (for scripts).")
@click.option(
    "--backup",
    type=click.Path(path_type=Path),
    help="Where the backup goes before you confirm; asked for on the terminal without it.",
)
@jobs_option
@passphrase_option
@backup_passphrase_option
def run(
    home: Path,
    server: str | None,
    until: str,
    yes: bool,
    backup: Path | None,
    jobs: int | None,
    passphrase_file: Path | None,
    backup_passphrase_file: Path | None,
) -> None:
    """Take part in whatever is due, wait for the others, and say what it waits for.

    It connects outwards only. Stop it whenever you like; it goes on where it was. Before
    it confirms the keys it writes a backup of your share and reads it back. Before it
    decrypts anything it verifies the whole record.

    Exit code 4: the key ceremony has come to nothing; 5: you did not agree to the keys;
    130: stopped with Ctrl-C before the end.
    """
    own = passphrase(passphrase_file, "the trustee")
    opened = open_home(home, own)
    with opened.keystore:
        opened.invitation()
        if yes and backup is None and KEY_SHARES not in opened.keystore.secrets:
            fail(NO_PLACE, UNUSABLE)

        def theirs() -> bytes:
            chosen = backup_passphrase_file
            return passphrase(chosen, "the backup", new=True) if chosen is not None else own

        end = _end(until)
        confirm = Confirming(opened, yes, backup, theirs)
        taken = take_part(opened, server, jobs=jobs, confirm=confirm, until=end)
    if not end(taken.machine):
        note("Stopped before the end; start it again and it goes on.")
        raise SystemExit(INTERRUPTED if taken.interrupted else 0)
    say("The key is confirmed." if until == "confirmed" else "Nothing is left to do.")


def _end(until: str) -> Callable[[Trustee], bool]:
    last = Phase.READY if until == "confirmed" else Phase.COUNTED
    return lambda machine: machine.phase is not None and machine.phase >= last


@click.command(short_help="Show that your share of the key works, and nothing else.")
@home_option("the trustee")
@server_option
@jobs_option
@passphrase_option
def drill(home: Path, server: str | None, jobs: int | None, passphrase_file: Path | None) -> None:
    """Show that your share of the key works: take part in one drill, and stop.

    Waits until the administrator demands a drill, or joins the one that is on. The
    trustees decrypt a test value that everybody knows; nothing of any ballot is opened.
    A trustee whose `run` is running takes part in drills by itself.
    """
    opened = open_home(home, passphrase(passphrase_file, "the trustee"))
    with opened.keystore:
        one = _OneDrill(opened)
        taken = take_part(opened, server, jobs=jobs, confirm=_not_now, until=one.over)
    one.tell(taken.machine)
    if taken.interrupted and not one.over(taken.machine):
        raise SystemExit(INTERRUPTED)


def _not_now(_: Confirmation, __: Mapping[str, bytes]) -> None:
    """The keys are confirmed in `run`, with the backup."""
    raise Rejected(
        "R.order",
        "the key ceremony is not complete: it waits for your confirmation",
        where="drill",
        advice="confirm the keys with `sailau trustee run` first",
    )


class _OneDrill:
    """Whether this trustee has done its part in a drill that it had not answered before."""

    def __init__(self, home: Home) -> None:
        self._index = home.invitation().index
        self._before: int | None = None

    def over(self, machine: Trustee) -> bool:
        """For `take_part`: it has, or drills are over."""
        state = machine.state
        if state is None:
            return False
        if self._before is None:
            self._before = state.drill.number if self._answered(machine) and state.drill else 0
        return state.phase >= Phase.CLOSED or self._done(machine)

    def tell(self, machine: Trustee) -> None:
        """What came of it; raises Rejected if drills are over."""
        state = machine.state
        if state is not None and state.drill is not None and self._done(machine):
            names = ", ".join(map(str, state.drill.trustees))
            say(
                f"Your share of the key works: you have done your part in the drill of session "
                f"{state.drill.number}, with trustees {names}. The proof is on the record."
            )
        elif state is not None and state.phase >= Phase.CLOSED:
            raise Rejected("R.order", "the polls have closed; the time of drills is over")
        else:
            note("Stopped before a drill was complete; start it again and it goes on.")

    def _done(self, machine: Trustee) -> bool:
        state = machine.state
        if state is None or state.drill is None or self._before is None:
            return False
        return state.drill.number > self._before and self._answered(machine)

    def _answered(self, machine: Trustee) -> bool:
        state = machine.state
        drill = state.drill if state is not None else None
        return drill is not None and self._index in drill.answered()
