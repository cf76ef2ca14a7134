"""A published log under a receipt: its signed note, and its tree from a few tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from cli.board import trusted
from cli.common import UNREACHABLE, fail
from crypto.errors import Malformed, Rejected
from record.archive_reader import read_archive
from record.artifacts import Election, parse_artifact
from record.checkpoint import MAX_BYTES, parse_verifier_key
from record.policy import NONE, Judgement, Policy, log_alone
from record.tile_tree import TileTree
from record.tiles import WIDTH, Tile


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A checkpoint that the log has signed, byte for byte, and the tree that it covers."""

    note: bytes
    tree: TileTree


@contextmanager
def open_log(where: str, policy: Policy) -> Iterator[PublishedLog]:
    """The log that is published at a URL, in a directory or in a .zip.

    Raises Rejected if no log of the policy has signed its checkpoint, or the tiles lead
    to another root (R.tile). Witnesses are for the caller to demand.
    """
    from observers.errors import Unreachable

    with ExitStack() as stack:
        try:
            read, read_tile = _files(where, stack)
            note = read("checkpoint", MAX_BYTES)
            head = policy.judge(note, f"{where}, checkpoint").checkpoint
            tree = TileTree(head.size, read_tile)
            if tree.root() != head.root:
                problem = "the tiles lead to another root than the checkpoint's"
                raise Rejected("R.tile", problem, culprit=head.origin, where=where)
            yield PublishedLog(note, tree)
        except Unreachable as error:
            fail(str(error), UNREACHABLE)


def _files(
    where: str, stack: ExitStack
) -> tuple[Callable[[str, int], bytes], Callable[[Tile], bytes]]:
    if Path(where).is_file():
        # The reader of records knows what a .zip may look like.
        files = stack.enter_context(read_archive(where))
        return files.read, lambda tile: files.read(tile.path, WIDTH * 32)
    from observers.source import open_source

    source = open_source(where)
    stack.callback(source.close)
    return source.read, source.read_tile


def believed(log_key: str | None, policy_file: Path | None, record: str | None) -> Policy:
    """Whose signatures are believed: what the options say, or the record's own log.

    The latter shows that receipt and record agree, and not whose they are.
    """
    if log_key is not None or policy_file is not None:
        return trusted(log_key, policy_file)
    if record is not None and "://" not in record and not Path(record).exists():
        raise Malformed(record, "is not there", "Give a directory, a .zip, or a URL")
    if record is None or not Path(record).exists():
        raise click.UsageError("Give --log-key or --policy: whose signature is to be believed?")
    with read_archive(record) as reader:
        election = parse_artifact(reader.first_artifact(), None).statement
    if not isinstance(election, Election):
        raise Malformed(record, "does not begin with an election")
    return log_alone(parse_verifier_key(election.log_key))


def signers(judgement: Judgement, policy: Policy) -> str:
    """Who has signed a checkpoint, for people."""
    if policy.quorum != NONE and judgement.quorum:
        return f"the log and {', '.join(judgement.cosignatures)}, which is the quorum"
    names = ", ".join(judgement.cosignatures)
    return f"the log and {names}, which is no quorum" if names else "the log alone"
