"""A key ceremony given up, and the same election planned again with other trustees."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ballotbox.client import ElectionStatus
from cli.administrator import Administrator, connected, this_minute
from cli.common import REFUSED, UNUSABLE, fail, note
from cli.homes import open_home
from cli.plans import Plan, check_plan
from crypto.errors import Malformed, Rejected
from identity.enrolment import parse_enrolment
from record.artifacts import CeremonyAbandoned
from record.state import Phase
from rpc.errors import CallError, Unavailable


def restarted(
    old: Plan, without: Sequence[int], trustees: Sequence[bytes], quorum: int | None
) -> Plan:
    """The plan without some trustees and with some new ones.

    A new trustee takes the place, and so the index, of one that is left out; further ones
    come last. Raises Malformed or Rejected if no election can be made so.
    """
    unknown = [i for i in without if not 1 <= i <= len(old.trustees)]
    if unknown:
        raise Malformed("--without", f"there is no trustee {unknown[0]}")
    new = iter(trustees)
    kept = [
        next(new, None) if i in without else data for i, data in enumerate(old.trustees, start=1)
    ]
    everybody = [data for data in [*kept, *new] if data is not None]
    chosen = quorum or old.quorum
    if not 1 <= chosen <= len(everybody):
        raise Malformed(
            "--quorum",
            f"{chosen} of {len(everybody)} trustees cannot be",
            "add new trustees with --trustee, or choose a smaller --quorum",
        )
    plan = replace(
        old, trustees=everybody, quorum=chosen, before=(*old.before, old.base_hash())
    ).with_base_hash_of_its_own()
    check_plan(plan)
    return plan


def reason_for(old: Plan, without: Sequence[int]) -> str:
    """What the public reads, if the administrator does not say more."""
    names = [f"{i} ({parse_enrolment(old.trustees[i - 1]).identity.name})" for i in without]
    if not names:
        return "The election is made again."
    trustees = "trustee" if len(names) == 1 else "trustees"
    return f"The election is made again without {trustees} {', '.join(names)}."


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said at the old ceremony's end: the administrator's `reason`, or `usual`.

    `asked`: the administrator has been asked already, or is a script.
    """

    reason: str | None
    usual: str
    asked: bool


def end_ceremony(
    home: Path, passphrase: bytes, server: str | None, ending: Ending, *, offline: bool
) -> None:
    """Put the end of the old ceremony on its record, if it has not ended.

    Asks the person at the terminal first, and leaves if that person does not agree. Raises
    Rejected if the polls have opened, and Unavailable if the server cannot be reached and
    `offline` is not said.
    """
    opened = open_home(home, passphrase)
    try:
        with opened.keystore, connected(opened, server) as admin:
            _end(admin, ending)
    except CallError as error:
        if not offline:
            raise Unavailable(
                f"the old election's server: {error}",
                "start it, or add --offline: then its record does not show that it was given up",
            ) from None
        note(f"The old election's record does not show that it was given up: {error}")
        _tell_unused(ending)


def _end(admin: Administrator, ending: Ending) -> None:
    status = admin.board.status()
    phase = status.phase
    if phase is Phase.ABORTED:
        note("The old key ceremony has ended already.")
        _tell_unused(ending)
    elif phase > Phase.READY:
        raise Rejected(
            "R.order",
            "the polls of the old election have opened; its ballots would be lost",
            advice="go on with the trustees that there are: any k are enough",
        )
    else:
        if not ending.asked:
            _ask(admin, status)
        statement = CeremonyAbandoned(ending.reason or ending.usual, this_minute())
        index = admin.publish(statement)
        note(f"The old key ceremony was given up (artifact {index}).")


def _ask(admin: Administrator, status: ElectionStatus) -> None:
    """Leave unless the person agrees to the end of a ceremony that is on."""
    confirmed = sum(standing.confirmed for standing in status.standing)
    question = (
        f"Give up the ceremony of {admin.context.manifest.label}, in which {confirmed} of "
        f"{admin.context.trustees} have confirmed?"
    )
    if not sys.stdin.isatty():
        fail(f"{question} Nobody is there to ask; say --yes", UNUSABLE)
    if not click.confirm(question, default=False, err=True):
        fail("nothing was given up, and nothing made", REFUSED)


def _tell_unused(ending: Ending) -> None:
    if ending.reason:
        note("--reason is not used: it can no longer be published in the old record.")
