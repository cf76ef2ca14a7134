"""Channels from a role's home, and records from wherever a person points to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import grpc

from ballotbox.client import BoardClient
from cli.common import note
from cli.homes import Home, read_invitation
from crypto.errors import Rejected
from identity.invitation import Invitation
from record.archive import read_archive
from record.artifacts import Artifact, Ballot, parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import ElectionContext, ElectionKeys, check_election
from record.state import Phase, Status
from record.transcript import Transcript
from rpc.credentials import public_channel, role_channel
from rpc.errors import NotFound

_SLOW = 2.0
"""Seconds after which a person is told what is waited for."""

F = TypeVar("F", bound=Callable[..., Any])

server_option = click.option(
    "--server", metavar="HOST:PORT", help="Roles' address, if not the invitation's."
)
public_server_option = click.option(
    "--server", metavar="HOST:PORT", help="Public address, if not the invitation's."
)


@contextmanager
def role_connection(
    home: Home, invitation: Invitation, server: str | None = None, *, told: bool = True
) -> Iterator[grpc.Channel]:
    """A channel to the roles' listener with the certificate of this home.

    Unless `told` is false, a person is told when the server does not answer at once.
    """
    channel = role_channel(
        server or invitation.roles_address,
        invitation.authority,
        invitation.certificate,
        home.tls_key,
        server_name=invitation.server_name,
    )
    try:
        if told:
            _tell_if_slow(channel, server or invitation.roles_address)
        yield channel
    finally:
        channel.close()


def _tell_if_slow(channel: grpc.Channel, address: str) -> None:
    """Whoever waits for a server sees for which one."""
    try:
        grpc.channel_ready_future(channel).result(timeout=_SLOW)
    except grpc.FutureTimeoutError:
        note(f"{address} does not answer yet; still trying")


@contextmanager
def invited_board(
    path: Path, server: str | None = None, *, patience: float | None = None
) -> Iterator[tuple[Invitation, BoardClient]]:
    """The invitation of a home and its server's public listener.

    No key is opened for it, so it works beside a program that has the key store open. A
    call is given up after `patience` seconds, by default after the board's own deadline.
    """
    invitation = read_invitation(path)
    channel = public_channel(
        server or invitation.public_address,
        invitation.authority,
        server_name=invitation.server_name,
    )
    try:
        _tell_if_slow(channel, server or invitation.public_address)
        board = (
            BoardClient(channel) if patience is None else BoardClient(channel, deadline=patience)
        )
        yield invitation, board
    finally:
        channel.close()


def first_artifact(artifacts: Iterator[bytes]) -> Artifact:
    """Artifact 0 from a server that sends the record; it is not checked yet."""
    data = next(artifacts, None)
    if data is None:
        raise Rejected("R.answer", "the server has no record to show", culprit="server")
    return parse_artifact(data, None)


def checked_context(board: BoardClient, invitation: Invitation) -> ElectionContext:
    """The election that the server serves, if it is the invitation's; raises Rejected."""
    return check_invited(check_election(first_artifact(board.read(0, 1))), invitation)


def check_invited(context: ElectionContext, invitation: Invitation) -> ElectionContext:
    """Raise Rejected unless this is the election of the invitation."""
    administrator = context.election.role_keys[0].public_key
    if (context.base_hash, administrator) != (invitation.base_hash, invitation.administrator_key):
        raise Rejected(
            "invitation.election",
            "the server serves another election than the invitation's",
            culprit="server",
            advice="compare the address and the invitation with the administrator",
        )
    return context


@dataclass(frozen=True, slots=True)
class Found:
    """A ballot by its code: cast, challenged, spoiled, or submitted while the polls are open."""

    status: str
    ballot_index: int
    decision_index: int | None
    ballot: Ballot


class Source(Protocol):
    """Where a voter looks: a published record, or a server."""

    @property
    def context(self) -> ElectionContext:
        """The election."""
        ...

    @property
    def keys(self) -> ElectionKeys:
        """Its keys."""
        ...

    def find(self, codes: Sequence[bytes]) -> dict[bytes, Found]:
        """The ballots with these codes; what is not there is left out."""
        ...

    def artifact(self, index: int) -> bytes | None:
        """Artifact `index`; None if the record is shorter."""
        ...


class RecordSource:
    """A published record, its order and signatures checked (its proofs: `sailau verify`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with read_archive(path) as reader:
            first = parse_artifact(reader.first_artifact(), None)
            transcript = Transcript(first)
            self._key = parse_verifier_key(transcript.context.election.log_key)
            for index, data in enumerate(reader.artifacts(self._key)):
                if index:
                    transcript.append(transcript.parse(data))
        self._transcript = transcript

    @property
    def context(self) -> ElectionContext:
        """The election."""
        return self._transcript.context

    @property
    def keys(self) -> ElectionKeys:
        """Its keys."""
        return self._transcript.state.need_keys()

    def find(self, codes: Sequence[bytes]) -> dict[bytes, Found]:
        """The ballots with these codes, in one more reading of the record."""
        state = self._transcript.state
        entries = {code: state.ballots[code] for code in codes if code in state.ballots}
        artifacts = self._read({e.index for e in entries.values()})
        found = {}
        for code, entry in entries.items():
            ballot = parse_artifact(artifacts[entry.index], self.context.group).statement
            if not isinstance(ballot, Ballot):
                raise AssertionError("the transcript knows where ballots are")
            undecided = "submitted" if state.phase is Phase.OPEN else "spoiled"
            decided = entry.status is not Status.SUBMITTED
            status = entry.status.name.lower() if decided else undecided
            found[code] = Found(status, entry.index, entry.decided, ballot)
        return found

    def artifact(self, index: int) -> bytes | None:
        """Artifact `index`; None if the record is shorter."""
        return self._read({index}).get(index)

    def _read(self, wanted: set[int]) -> dict[int, bytes]:
        with read_archive(self._path) as reader:
            return {i: data for i, data in enumerate(reader.artifacts(self._key)) if i in wanted}


class ServerSource:
    """A server's public listener."""

    def __init__(self, board: BoardClient) -> None:
        self._board = board
        artifacts = board.read()
        transcript = Transcript(first_artifact(artifacts))
        while transcript.phase < Phase.OPEN:
            data = next(artifacts, None)
            if data is None:
                raise NotFound("the polls have not opened; there are no ballots yet")
            transcript.append(transcript.parse(data))
        self._transcript = transcript

    @property
    def context(self) -> ElectionContext:
        """The election."""
        return self._transcript.context

    @property
    def keys(self) -> ElectionKeys:
        """Its keys."""
        return self._transcript.state.need_keys()

    def find(self, codes: Sequence[bytes]) -> dict[bytes, Found]:
        """The ballots with these codes."""
        found = {}
        for code in codes:
            try:
                known = self._board.look_up(self.context, code)
            except NotFound:
                continue
            status = known.status.name.lower()
            found[code] = Found(status, known.ballot_index, known.decision_index, known.ballot)
        return found

    def artifact(self, index: int) -> bytes | None:
        """Artifact `index`; None if the record is shorter."""
        return next(self._board.read(index, 1), None)


def source_options(command: F) -> F:
    """`--record`, or `--server` with `--authority`."""
    for option in (
        click.option(
            "--authority",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Certificate (PEM) of the election's authority, for --server.",
        ),
        click.option("--server", metavar="HOST:PORT", help="Public address of a server."),
        click.option(
            "--record",
            type=click.Path(exists=True, path_type=Path),
            help="A published record: directory or .zip.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def open_source(
    record: Path | None, server: str | None, authority: Path | None
) -> Iterator[Source]:
    """Where the options point; raises click.UsageError if they do not."""
    if record is not None and server is None:
        yield RecordSource(record)
    elif server is not None and authority is not None and record is None:
        channel = public_channel(server, authority.read_bytes())
        try:
            _tell_if_slow(channel, server)
            yield ServerSource(BoardClient(channel))
        finally:
            channel.close()
    else:
        raise click.UsageError("give --record RECORD, or --server HOST:PORT with --authority PEM")
