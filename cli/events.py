"""`sailau election events`: the acts of a record as an event log of NIST SP 1500-101."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from ballotbox.client import BoardClient
from cli.common import counted, note, print_json, say, write_new
from record.archive import read_archive
from record.artifacts import parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import check_election
from record.event_log import event_log
from record.events import read_events
from rpc.credentials import public_channel

_EVERY = 2.0
"""Seconds between two lines that say how far it is."""


@click.command(short_help="Write what was done to run an election as a standard event log.")
@click.argument("record", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--server", metavar="HOST:PORT", help="Public address of a server, if no RECORD.")
@click.option(
    "--authority",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate (PEM) of the election's authority, for --server.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there; printed without it.",
)
def events(
    record: Path | None, server: str | None, authority: Path | None, out: Path | None
) -> None:
    """Write what was done to run an election as a log of NIST SP 1500-101 (1.0, JSON).

    RECORD is a published record, a directory or a .zip. Its order and signatures are checked;
    its proofs are not (`sailau verify`). Each event names its artifact (Sequence) and the
    SHA-256 of the artifact's bytes (Hash). Ballots, casts and challenges are left out.

    Times are those that operators say, to the minute. An event that says none has the last
    one before it, and its Details say so.

    \b
      sailau election events record --out events.json
      sailau election events --server vote.example.org:8443 --authority authority.pem
    """
    with _artifacts(record, server, authority) as artifacts:
        transcript, found = read_events(_telling(artifacts))
    document = event_log(transcript, found, datetime.now(UTC))
    if out is None:
        print_json(document)
        return
    write_new(out, json.dumps(document, indent=2).encode() + b"\n")
    count = sum(len(device["Event"]) for device in document["Device"])
    size = counted(transcript.state.size, "artifact")
    say(f"Wrote {counted(count, 'event')} of {size} to {out}.")
    if count < len(found):
        note(f"{len(found)} have no time: this record does not say any.")


@contextmanager
def _artifacts(
    record: Path | None, server: str | None, authority: Path | None
) -> Iterator[Iterator[bytes]]:
    """All artifacts, from where the options point; raises click.UsageError if they do not."""
    if record is not None and server is None:
        with read_archive(record) as reader:
            first = check_election(parse_artifact(reader.first_artifact(), None))
            yield reader.artifacts(parse_verifier_key(first.election.log_key))
    elif server is not None and authority is not None and record is None:
        channel = public_channel(server, authority.read_bytes())
        try:
            yield BoardClient(channel).read()
        finally:
            channel.close()
    else:
        raise click.UsageError("give RECORD, or --server HOST:PORT with --authority PEM")


def _telling(artifacts: Iterator[bytes]) -> Iterator[bytes]:
    """The same, with a line about progress now and then."""
    told = time.monotonic()
    for number, data in enumerate(artifacts):
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            note(f"read {counted(number, 'artifact')}")
        yield data
