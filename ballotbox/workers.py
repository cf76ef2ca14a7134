"""A process that checks the proofs of ballots, a batch at a time.

It is spawned, not forked: gRPC does not survive a fork. It is less urgent to the system
than the server's own process, which has health checks to answer on a busy machine. One
that stands still is killed, and is then one that has died.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from crypto.errors import Malformed, Rejected
from record.artifacts import Artifact, Ballot, parse_artifact
from record.election import ElectionContext, ElectionKeys, check_election
from record.proofs import verify_ballots

LOGGER = logging.getLogger(__name__)

NICENESS = 10
STOP_SECONDS = 10.0
START_SECONDS = 120.0
"""For a process to start and to build its tables: a few seconds, unless others keep it waiting."""
SECONDS_PER_MIB = 480.0
"""For each MiB of a batch. The largest ballots cost most of it: proofs of large limits, checked
one by one, take some 45 s a MiB on one processor. Ten times that."""

Candidate: TypeAlias = tuple[bytes, bytes]
"""A ballot artifact's bytes, and the hints that came with it (empty for none)."""
Verdict: TypeAlias = Rejected | Malformed | bool
"""Why a ballot is refused; or that it holds, and whether its hints do, too."""


class WorkerDied(Exception):
    """The process ended before it answered, by itself or because it stood still."""


class Worker:
    """One process at a time, started again when it has died. For one thread."""

    def __init__(self, election: bytes) -> None:
        """Start it; does not wait until it runs."""
        self._election = election
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._keys: ElectionKeys | None = None
        self._start()

    def check(self, keys: ElectionKeys, batch: Sequence[Candidate]) -> list[Verdict]:
        """A verdict for each. Raises WorkerDied; the next call starts another process.

        It does not wait longer than any batch of this size can take (`patience`).
        """
        try:
            process, pipe = self._running()
            with _killed_after(patience(batch), process):
                self.use(keys)
                pipe.send(list(batch))
                verdicts: list[Verdict] | Exception = pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise WorkerDied from error
        if isinstance(verdicts, Exception):
            raise verdicts
        return verdicts

    def use(self, keys: ElectionKeys) -> None:
        """Have the tables of these keys built, unless they are or were tried. Raises OSError."""
        _, pipe = self._running()
        if self._keys is not keys:
            self._keys = keys
            try:
                pipe.send(keys)
            except OSError:
                self._end()
                raise

    @property
    def keys(self) -> ElectionKeys | None:
        """Whose tables it was last asked to have."""
        return self._keys

    def close(self) -> None:
        """Let it end. Twice does nothing."""
        self._end()

    def _running(self) -> tuple[BaseProcess, Connection]:
        if self._pipe is None:
            self._start()
        if self._pipe is None or self._process is None:
            raise AssertionError("started without a pipe")
        return self._process, self._pipe

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        try:
            self._process = context.Process(target=_run, args=(theirs, self._election), daemon=True)
            self._process.start()
        finally:
            theirs.close()  # so that its end is the pipe's end
        self._keys = None

    def _end(self) -> None:
        pipe, self._pipe = self._pipe, None
        process, self._process = self._process, None
        if pipe is not None:
            pipe.close()
        if process is not None and process.pid is not None:
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def patience(batch: Sequence[Candidate]) -> float:
    """Seconds after which a process that has not answered stands still."""
    size = sum(len(data) + len(hints) for data, hints in batch)
    return START_SECONDS + size / 2**20 * SECONDS_PER_MIB


@contextmanager
def _killed_after(seconds: float, process: BaseProcess) -> Iterator[None]:
    """Who waits for the process within this block does not wait for ever: its pipe ends."""

    def kill() -> None:
        LOGGER.error("a process that checks ballots stood still and is replaced")
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


# --- in the process


def _run(pipe: Connection, election: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    with suppress(OSError):
        os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    context = check_election(parse_artifact(election, None))
    keys: ElectionKeys | None = None
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        if isinstance(task, ElectionKeys):
            if task != keys:  # the object that came first has the tables
                keys = task
                _warm(context, keys)
        elif keys is not None:
            with suppress(BrokenPipeError):
                pipe.send(_answer(context, keys, task))


def _answer(
    context: ElectionContext, keys: ElectionKeys, batch: Sequence[Candidate]
) -> list[Verdict] | Exception:
    try:
        return check_batch(context, keys, batch)
    except Exception as error:  # a mistake of ours, and not a ballot's
        return RuntimeError(f"{type(error).__name__} in a process that checks ballots")


def _end_with_parent() -> None:
    """A server that is killed cannot tell its workers, and they would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _warm(context: ElectionContext, keys: ElectionKeys) -> None:
    context.group.g_power(1)
    keys.vote_key.power(1)


def check_batch(
    context: ElectionContext, keys: ElectionKeys, batch: Sequence[Candidate]
) -> list[Verdict]:
    """The verdict on each candidate."""
    verdicts: list[Verdict] = [False] * len(batch)
    places: list[int] = []
    ballots: list[tuple[Ballot, bytes]] = []
    for place, (data, hints) in enumerate(batch):
        try:
            ballots.append((_ballot(parse_artifact(data, context.group)), hints))
        except Malformed as error:
            verdicts[place] = error
        else:
            places.append(place)
    alone: set[int] = set()
    for i, refusal in enumerate(verify_ballots(context, keys, ballots, alone.add)):
        verdicts[places[i]] = i not in alone if refusal is None else refusal
    return verdicts


def _ballot(artifact: Artifact) -> Ballot:
    if not isinstance(artifact.statement, Ballot):
        raise Malformed("artifact", f"is a {artifact.name}, not a ballot")
    return artifact.statement
