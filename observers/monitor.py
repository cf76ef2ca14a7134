"""A monitor: polls a log's checkpoint and sees to it that the log only ever grows.

    with Monitor(open_source(url), policy, directory) as monitor:
        monitor.poll(now)                     # raises Misbehaviour, with evidence kept
        monitor.alarms(now, limits)           # what is wrong without being a lie

The last checkpoint that was found consistent is on the disk before the next is asked for.
A new one takes its place only when the tiles show that it continues it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from crypto.errors import Malformed, Rejected
from identity.files import FileLock
from observers.errors import Fault, Misbehaviour, Unreachable
from observers.evidence import keep_evidence, keeping
from observers.heads import Head, check_continues, check_tiles
from observers.source import Source
from record import note
from record.policy import Judgement, Policy
from record.tile_tree import TileTree
from storage.files import make_directory, write_durably

_CHECKPOINT = "checkpoint"
_TIMES = "times.json"
EVIDENCE = "evidence"


class Alarm(StrEnum):
    """What is wrong without being a contradiction: it may pass."""

    STALE = "stale"
    """Nothing new came for too long."""
    QUORUM = "quorum"
    """The checkpoint lacks the policy's cosignatures for too long."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many seconds the log may take; None for as long as it likes."""

    stale: float | None = None
    quorum: float = 0


@dataclass(frozen=True, slots=True)
class Times:
    """Since when, in POSIX seconds: `grown`, the last new entry; `lacking`, a checkpoint
    without its quorum (None: it has it)."""

    grown: float
    lacking: float | None = None

    def after(self, grew: bool, quorum: bool, now: float) -> Times:
        """The times after a checkpoint that was found consistent."""
        since = self.lacking if self.lacking is not None else now
        return replace(self, grown=now if grew else self.grown, lacking=None if quorum else since)

    def alarms(self, now: float, limits: Limits) -> tuple[Alarm, ...]:
        """What lasts too long."""
        found: list[Alarm] = []
        if limits.stale is not None and now - self.grown > limits.stale:
            found.append(Alarm.STALE)
        if self.lacking is not None and now - self.lacking >= limits.quorum:
            found.append(Alarm.QUORUM)
        return tuple(found)


class Monitor:
    """One log, watched from one directory. Holds the directory's lock until `close`."""

    def __init__(self, source: Source, policy: Policy, directory: Path, now: float) -> None:
        """`now` is the time (POSIX seconds) from which on a new log may be called stale.

        Raises KeystoreInUse if another process watches from here, Malformed or Rejected if
        the checkpoint that is kept here is not of this policy's log, OSError.
        """
        make_directory(directory)
        self._lock = FileLock(directory / ".monitor")
        self._source, self._policy, self._directory = source, policy, directory
        self._unproved: bytes | None = None
        self.times = self._read_times(now)
        self.head, self.judgement = self._read_head()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the directory and end the connections."""
        self._source.close()
        self._lock.release()

    @property
    def evidence(self) -> Path:
        """Where evidence is kept."""
        return self._directory / EVIDENCE

    def poll(self, now: float) -> bool:
        """Ask for the checkpoint and check that it continues the last; whether the log grew.

        Raises Misbehaviour, its evidence kept; Unreachable, and then nothing is known;
        OSError.
        """
        self._unproved = None
        data = self._source.read(_CHECKPOINT, note.MAX_BYTES)
        with keeping(self.evidence):
            judgement = self._judge(data)
            head = Head(judgement.checkpoint, data)
            self._check(head)
        grew = self.head is None or head.size > self.head.size
        self._keep(head, judgement, self.times.after(grew, judgement.quorum, now))
        return grew

    def alarms(self, now: float, limits: Limits) -> tuple[Alarm, ...]:
        """What lasts too long now."""
        return self.times.alarms(now, limits)

    def keep_alarm(self, alarm: Alarm) -> Path:
        """Keep what there is to show for an alarm; returns its directory.

        Beside the last checkpoint, one for which the tiles were withheld (`unproved`).
        """
        report: Mapping[str, object] = {"alarm": alarm.value, **asdict(self.times)}
        files = {"report.json": json.dumps(report, indent=2).encode() + b"\n"}
        if self.head is not None:
            files["last"] = self.head.note
        if self._unproved is not None:
            files["unproved"] = self._unproved
        return keep_evidence(self.evidence, alarm.value, files)

    def _judge(self, data: bytes) -> Judgement:
        try:
            return self._policy.judge(data)
        except (Malformed, Rejected) as error:
            files = {"newer": data} | ({"older": self.head.note} if self.head else {})
            problem = error.problem
            check = error.check if isinstance(error, Rejected) else "R.checkpoint"
            raise Misbehaviour(Fault.UNSIGNED, check, problem, files, where=_CHECKPOINT) from None

    def _check(self, head: Head) -> None:
        tree = TileTree(head.size, self._source.read_tile)
        try:
            if self.head is None:
                check_tiles(head, tree)
            else:
                check_continues(self.head, head, tree)
        except Unreachable:
            self._unproved = head.note
            raise

    def _keep(self, head: Head, judgement: Judgement, times: Times) -> None:
        if self.head is None or self.head.note != head.note:
            write_durably(self._directory / _CHECKPOINT, head.note)
        if times != self.times:
            write_durably(self._directory / _TIMES, json.dumps(asdict(times)).encode() + b"\n")
        self.head, self.judgement, self.times = head, judgement, times

    def _read_head(self) -> tuple[Head | None, Judgement | None]:
        place = self._directory / _CHECKPOINT
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            return None, None
        judgement = self._policy.judge(data, str(place))
        return Head(judgement.checkpoint, data), judgement

    def _read_times(self, now: float) -> Times:
        """The times as they were kept; what cannot be read starts anew."""
        try:
            kept = json.loads((self._directory / _TIMES).read_bytes())
            lacking = kept["lacking"]
            return Times(float(kept["grown"]), None if lacking is None else float(lacking))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Times(now)
