"""What an observer may have to say: the log misbehaved, or the log is not to be had."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from crypto.errors import Rejected, SailauError


class Unreachable(SailauError):
    """No answer, or none that could be one: says nothing about the log itself."""


class NotThere(Unreachable):
    """The server answers that it has no such file."""


class Denied(Unreachable):
    """The server answers that it does not give the file, which may mean that there is none."""


class WitnessFailed(SailauError):
    """The witness's own files: missing, in use, damaged, of another witness, disk full."""


class Fault(StrEnum):
    """How a log, or who serves it, has failed its observers."""

    FORK = "fork"
    """Two signed checkpoints of which neither continues the other."""
    ROLLBACK = "rollback"
    """A smaller checkpoint after a larger one, and not known to contradict it."""
    TILES = "tiles"
    """Tiles that do not belong to the checkpoint they are served with."""
    UNSIGNED = "unsigned"
    """A checkpoint that is malformed or not signed as it has to be."""


class Misbehaviour(Rejected):
    """A fault, with the files that show it: name to content, `newer` and `older` among them.

    `kept` is the directory in which they were kept, once they were.
    """

    def __init__(
        self, fault: Fault, check: str, problem: str, files: Mapping[str, bytes], *, where: str = ""
    ) -> None:
        super().__init__(check, problem, where=where, advice=_ADVICE[fault])
        self.fault = fault
        self.files = dict(files)
        self.kept: Path | None = None


_ADVICE = {
    Fault.FORK: "The log has signed both: publish them.",
    Fault.ROLLBACK: "Somebody serves an older copy, or the log was restored from a backup.",
    Fault.TILES: "The files were published or copied wrongly, or changed on their way.",
    Fault.UNSIGNED: "Somebody else answers in its place, or its key is another one.",
}
