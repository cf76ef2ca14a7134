"""An election in memory as a published record."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from record.archive import ArchiveWriter
from record.checkpoint import Checkpoint, sign_checkpoint
from tests.world import World


def publish(
    world: World, directory: str | Path, artifacts: Iterable[bytes] | None = None
) -> Checkpoint:
    """Write the world's record into `directory`, with a checkpoint of its log's key.

    `artifacts` are written instead of the world's own, if given: a record that has
    been tampered with, under a good checkpoint.
    """
    writer = ArchiveWriter(directory, world.log_key)
    sign = partial(sign_checkpoint, private_key=world.secrets.log)
    return writer.write(world.data() if artifacts is None else artifacts, sign)
