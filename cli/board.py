"""`sailau board`: those who watch the log and trust nobody. docs/observers.md."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.common import UNREACHABLE, counted, errors, fail, json_option, note, print_json, say
from cli.later import LaterGroup
from crypto.errors import Rejected
from record.checkpoint import parse_verifier_key
from record.policy import CHECK as QUORUM_CHECK
from record.policy import Judgement, Policy, log_alone
from record.policy_file import MAX_BYTES, parse_policy

if TYPE_CHECKING:
    from observers.mirror import Mirror

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)
# The web server of the witness is loaded only for the witness.
_LATER = {"monitor": "cli.board_monitor", "witness": "cli.board_witness"}


@click.group(cls=LaterGroup, later=_LATER)
def board() -> None:
    """Copy, watch or cosign a published log. docs/observers.md says how and why.

    URL is where the files of the log are published (http, https), or a directory.
    """


def trust_options(command: F) -> F:
    """`--log-key` and `--policy`: whose signatures are believed. At least one is given."""
    options = [
        click.option("--log-key", metavar="VKEY", help="The log's verifier key, as announced."),
        click.option(
            "--policy",
            "policy_file",
            type=_FILE,
            help="Policy file (C2SP tlog-policy): logs, witnesses, and the quorum to demand.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def trusted(log_key: str | None, policy_file: Path | None) -> Policy:
    """What the two options say together; the key narrows the policy to one log."""
    if log_key is None and policy_file is None:
        raise click.UsageError("Give --log-key or --policy: whose signature is to be believed?")
    policy = None
    if policy_file is not None:
        policy = parse_policy(read_file(policy_file, MAX_BYTES), str(policy_file))
    if log_key is not None:
        key = parse_verifier_key(log_key, "--log-key")
        return log_alone(key) if policy is None else policy.for_log(key)
    assert policy is not None
    if not policy.logs:
        raise click.UsageError(f"{policy_file} names no log: give --log-key too.")
    return policy


def read_file(place: Path, limit: int) -> bytes:
    """A file of ours, one byte beyond `limit` at most: parsers refuse what is longer."""
    with place.open("rb") as file:
        return file.read(limit + 1)


@board.command(short_help="Copy a log, every file hashed on its way in.")
@click.argument("url")
@click.argument("directory", type=_DIRECTORY)
@trust_options
@click.option("--watch", is_flag=True, help="Go on as the log grows, until interrupted.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=10,
    show_default=True,
    help="Seconds between looks at the checkpoint, with --watch.",
)
@click.option("--check", is_flag=True, help="Hash the artifacts of earlier runs again, too.")
@click.option("--no-artifacts", is_flag=True, help="For logs that publish entries alone.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Files that are fetched at the same time.",
)
@json_option
def mirror(
    url: str,
    directory: Path,
    log_key: str | None,
    policy_file: Path | None,
    watch: bool,
    interval: float,
    check: bool,
    no_artifacts: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Copy the log at URL into DIRECTORY, every file hashed on its way in.

    Run it again to go on. DIRECTORY is a published record like the original. A
    checkpoint that does not continue the mirrored one is refused; both notes are then
    in DIRECTORY/evidence. Exit code 0 if the mirror is complete, 1 if the log or a file
    is refused, 2 for wrong usage or unreadable files, 3 if the log cannot be reached.
    """
    policy = trusted(log_key, policy_file)
    from observers.mirror import Mirror
    from observers.source import open_source

    source = open_source(url, connections=jobs)
    with (
        _progress() as progress,
        Mirror(
            source,
            directory,
            policy,
            artifacts=not no_artifacts,
            check=check,
            jobs=jobs,
            progress=progress,
        ) as copy,
    ):
        last = _update(copy, None, as_json, patient=watch)
        while watch:
            time.sleep(interval)
            last = _update(copy, last, as_json, patient=True)


def _update(
    copy: Mirror, last: Judgement | None, as_json: bool, *, patient: bool
) -> Judgement | None:
    """Copy what is new and say so, unless it is the same as `last`.

    Whoever is patient waits for a log that cannot be reached, and for its witnesses.
    """
    from observers.errors import Misbehaviour, Unreachable

    try:
        judgement = copy.update()
    except Unreachable as error:
        if not patient:
            fail(str(error), UNREACHABLE)
        note(str(error))
        return last
    except Rejected as error:
        if patient and error.check == QUORUM_CHECK:
            note(str(error))
            return last
        if isinstance(error, Misbehaviour) and error.kept is not None:
            note(f"evidence: {error.kept}")
        raise
    if judgement != last:
        _report(judgement, as_json)
    return judgement


def _report(judgement: Judgement, as_json: bool) -> None:
    if as_json:
        print_json(described(judgement))
        return
    head = judgement.checkpoint
    names = ", ".join(judgement.cosignatures) or "nobody"
    size = counted(head.size, "entry", "entries")
    say(f"{head.origin}: {size}, root {head.root.hex()}, cosigned by {names}")


def described(judgement: Judgement) -> dict[str, Any]:
    """A judgement as JSON."""
    head = judgement.checkpoint
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "cosignatures": dict(judgement.cosignatures),
        "quorum": judgement.quorum,
    }


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while files are copied."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("copying"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=done < total)

        yield show
