"""The administrator's connection to the server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ballotbox.client import AdministrationClient, BoardClient
from cli.common import home_option, passphrase
from cli.connect import check_invited, checked_context, first_artifact, role_connection
from cli.homes import Home, open_home
from crypto.errors import Malformed
from identity.invitation import Invitation
from record.artifacts import Artifact, Statement, parse_artifact, sign_statement
from record.election import ElectionContext
from record.state import Phase
from record.transcript import Transcript
from record.wire import MAX_TEXT, MINUTE

administrator_home = home_option("the administrator, made by `election new`")


trustees_option = click.option(
    "--trustee",
    "trustees",
    multiple=True,
    type=int,
    help="Only these, by index; by default all that are connected.",
)


def chosen_trustees(context: ElectionContext, trustees: Sequence[int]) -> tuple[int, ...]:
    """What `trustees_option` says, in order; none for all. Raises Malformed for too few."""
    chosen = tuple(sorted(set(trustees)))
    if chosen and (
        len(chosen) < context.quorum or not 1 <= chosen[0] <= chosen[-1] <= context.trustees
    ):
        advice = f"Name at least {context.quorum}, by their numbers from 1 to {context.trustees}"
        raise Malformed("--trustee", "does not name enough trustees of this election", advice)
    return chosen


def named_trustees(context: ElectionContext, trustees: Iterable[int]) -> str:
    """Trustees by index and name, for people."""
    return "; ".join(f"trustee {i}, {context.trustee_key(i).name}" for i in sorted(trustees))


def this_minute() -> int:
    """When a statement is made, in seconds: this machine's clock, cut to a whole minute."""
    return int(time.time()) // MINUTE * MINUTE


def checked_reason(text: str, option: str) -> str:
    """A reason without outer white space; raises Malformed if it is too long to be published."""
    reason = text.strip()
    size = len(reason.encode())
    if size > MAX_TEXT:
        raise Malformed(option, f"has {size} bytes, not at most {MAX_TEXT}", "say it shorter")
    return reason


def _checked(_: click.Context, __: click.Parameter, value: str) -> str:
    return checked_reason(value, "--reason")


reason_option = click.option(
    "--reason",
    default="as planned",
    show_default=True,
    metavar="TEXT",
    callback=_checked,
    help='Why, for the public; it cannot be taken back. "" says nothing.',
)


@dataclass(frozen=True, slots=True)
class Administrator:
    """An open connection as administrator."""

    home: Home
    invitation: Invitation
    context: ElectionContext
    board: BoardClient
    client: AdministrationClient

    def publish(self, statement: Statement) -> int:
        """Sign a statement and put it on the record; raises Malformed if it cannot stand there."""
        group, key = self.context.group, self.home.role_key
        artifact = sign_statement(statement, group, self.context.base_hash, key)
        parse_artifact(artifact.data, group)
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

    def read_on(self, transcript: Transcript) -> None:
        """Take in what the record has more than `transcript`; proofs are not checked."""
        for data in self.board.read(transcript.state.size):
            transcript.append(transcript.parse(data))


@contextmanager
def administrator(
    home: Path, passphrase_file: Path | None, server: str | None
) -> Iterator[Administrator]:
    """Open the administrator's home and connect."""
    opened = open_home(home, passphrase(passphrase_file, "the administrator"))
    with opened.keystore, connected(opened, server) as admin:
        yield admin


@contextmanager
def connected(home: Home, server: str | None) -> Iterator[Administrator]:
    """The server, for an administrator's home that is open."""
    invitation = home.invitation()
    with role_connection(home, invitation, server) as channel:
        board = BoardClient(channel)
        context = checked_context(board, invitation)
        yield Administrator(home, invitation, context, board, AdministrationClient(channel))
