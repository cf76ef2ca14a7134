"""A verification from beginning to end: three readings, one report.

1. `Survey` reads the log in order: hashes, order, keys, and which ballots are cast.
2. The ballots are read again and their proofs checked, in several processes if asked;
   the cast ones are multiplied up on the way.
3. What follows the close is read again and checked against those products.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.archive import Archive, FileDamaged, FileMissing, open_archive, read_file
from verifier.ballot_proofs import Factors, multiply
from verifier.ballots import CAST
from verifier.batch import batch_for
from verifier.comparison import Comparison
from verifier.count import Count
from verifier.election import without_file
from verifier.findings import Findings, Place
from verifier.given import PathLike, read_given
from verifier.log import Changed, Log
from verifier.manifest import Cell
from verifier.note import (
    MAX_NOTE,
    Checkpoint,
    NoteError,
    parse_checkpoint,
    verify_checkpoint,
)
from verifier.order import AWAITED, Phase
from verifier.outcome import make_report
from verifier.parameters import BY_NAME
from verifier.report import Report
from verifier.survey import Books, Survey
from verifier.workers import (
    Executor,
    ExecutorFailed,
    LocalExecutor,
    Opener,
    Result,
    Setting,
    Shard,
    Shards,
    useful_jobs,
)

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done and how much there is (0: unknown)."""

_ALWAYS = (
    *("R.checkpoint", "R.tile", "R.entry", "R.signature"),
    *("1.A", "1.B", "1.C", "1.D", "1.E", "1.F", "2.A", "2.B", "2.C", "3.A", "3.B", "4.A"),
    *("R.manifest", "R.role-keys", "R.trustee-keys", "R.confirmation", "R.joint-keys"),
    *("R.transcript", "R.key-commitment", "R.polls-close"),
)
_TALLIED = ("9.A", "9.B")
_DECRYPTED = ("10.A", "10.B", "10.C", "11.A", "11.B", "11.C", "R.session")


class Verification:
    """One verification of one record."""

    def __init__(
        self,
        archive: Archive,
        parameters: str,
        until: str | None,
        jobs: int,
        progress: Progress,
        path: str = "",
        exact: bool = False,
        executor: Executor | None = None,
        opener: Opener = open_archive,
    ) -> None:
        """Take an open record and what is expected of it.

        `path` is where other processes find it with `opener`, `executor` who runs shards in
        place of `jobs` processes here.
        """
        self._archive = archive
        self._path = path
        self._exact = exact
        self._executor = executor
        self._opener = opener
        self._until = until
        self._jobs = jobs
        self._progress = progress
        self.findings = Findings()
        self.checkpoint = self._read_checkpoint()
        size = self.checkpoint.size if self.checkpoint else None
        self.log = Log(archive, self.findings, size)
        self.survey = Survey(self.log, self.findings, BY_NAME[parameters])
        self._root = b""

    # --- the log ----------------------------------------------------------------------

    def _read_checkpoint(self) -> Checkpoint | None:
        try:
            return parse_checkpoint(read_file(self._archive, "checkpoint", MAX_NOTE))
        except (FileMissing, FileDamaged, NoteError) as error:
            self._fail("R.checkpoint", str(error), "log")
            return None

    def _fail(self, check: str, message: str, culprit: str) -> None:
        file = "checkpoint" if check == "R.checkpoint" else None
        self.findings.failed(check, Place(file=file), message, culprit)

    def read_log(self) -> None:
        """Read the record once, and compare the tree with the checkpoint."""
        total = self.checkpoint.size if self.checkpoint else 0
        for item in self.log.survey():
            self.survey.take(item)
            self._progress("reading the log", item.number + 1, total)
        self.survey.end_drill()
        size, self._root = self.log.finish()
        if self.checkpoint is not None:
            self._check_checkpoint(self.checkpoint, size)

    def _check_checkpoint(self, checkpoint: Checkpoint, size: int) -> None:
        key = self.survey.election.log_key if self.survey.election else None
        problem = ""
        if key is not None:
            try:
                verify_checkpoint(checkpoint, key)
            except NoteError as error:
                problem = str(error)
        if not problem and size == checkpoint.size and self._root != checkpoint.root:
            problem = "its root is not that of the tree"
        if problem:
            self._fail("R.checkpoint", problem, "log")
        elif key is not None and size == checkpoint.size:
            self.findings.passed("R.checkpoint")

    def compare(self, log_key: str | None, manifest: bytes | None) -> None:
        """Compare what the record says with what the caller knows from elsewhere."""
        election = self.survey.election
        if log_key is not None:
            theirs = election.log_key.text if election and election.log_key else ""
            message = "the record names another log key than the one you gave"
            holds = theirs == log_key.strip()
            self.findings.check("R.given-log-key", holds, Place(), message, "publisher")
        if manifest is not None:
            holds = election is not None and election.manifest_file == manifest
            message = "the record's manifest is not the file you gave"
            self.findings.check("R.given-manifest", holds, Place(), message, "administrator")

    # --- the ballots --------------------------------------------------------------------

    def check_ballots(self, books: Books) -> dict[Cell, Factors]:
        """Check every ballot's proofs; return the products of the cast ones by cell."""
        ballots = books.ballots
        total = len(ballots.artifact)
        first = ballots.artifact[0] if total else 0
        jobs = useful_jobs(self._archive, self._exact, self._jobs, first, total)
        setting = Setting(
            self._path,
            without_file(books.election),
            books.keys.extended_hash,
            int(books.keys.vote),
            self._exact,
            self._opener,
        )
        fates = zip(ballots.artifact, (x == CAST for x in ballots.status), strict=True)
        shards = Shards(self._archive, self._exact, jobs).cut(fates, total, self.log.covered)
        executor = self._executor or LocalExecutor(jobs, self._archive)
        factors: dict[Cell, Factors] = {}
        done = 0
        for result in _matched(executor, setting, shards):
            self.log.compare(result.shard.file, result.digest)
            self.findings.merge(result.outcome.findings)
            for cell, product in result.outcome.factors.items():
                known = factors.get(cell)
                group = books.election.group
                factors[cell] = product if known is None else multiply(group, known, product)
            done += len(result.shard.ballots)
            self._progress("checking ballots", done, total)
        if done != total and not self.log.cut:
            raise Changed("the record became shorter while it was being verified")
        return factors

    # --- the count ------------------------------------------------------------------------

    def check_count(self, books: Books, factors: dict[Cell, Factors]) -> None:
        """Check what follows the close of the polls."""
        phase = self.survey.order.phase
        if phase < Phase.CLOSED or (phase == Phase.CLOSED and not books.tallies.cells):
            return
        group, key = books.election.group, books.keys.vote
        table = group.table(key)
        batch = None if self._exact else batch_for(group, key, table)
        books.tallies.check(factors, phase > Phase.CLOSED, batch)
        count = Count(self.survey, books, self.log, self.findings, table, batch)
        start = self.survey.first_after_close
        for item in self.log.again(start, self.log.size):
            count.take(item)
            self._progress("checking the count", item.number - start + 1, self.log.size - start)
        count.finish(phase >= Phase.COUNTED)

    # --- the end -----------------------------------------------------------------------------

    def check_end(self) -> None:
        """Check that the record goes as far as it must, and that there was something in it."""
        phase = self.survey.order.phase
        if not self.log.cut and self.survey.readable and self.survey.election is not None:
            self._complete(phase)
        if phase > Phase.OPEN and not self.findings.has_failed("R.after-close"):
            # Everything after the close has been looked at; nothing of the polls is there.
            self.findings.passed("R.after-close")
        made = all(check in self.findings.counts for check in self._required())
        already = self.findings.total_failed > 0 and self.survey.election is not None
        message = "there was nothing to check"
        self.findings.check("R.nothing", made or already, Place(), message, "publisher")

    def _complete(self, phase: Phase) -> None:
        needed = Phase.TALLIED if self._until == "close" else Phase.COMPLETE
        message = (
            f"the record ends while it waits for {AWAITED[phase]}: "
            "the election is still going on, or the rest is cut off"
        )
        culprit = "publisher"
        if self.survey.preparation is not None and self.survey.preparation.ended is not None:
            message, culprit = self.survey.preparation.ended
        self.findings.check("R.complete", phase >= needed, Place(), message, culprit)

    def _required(self) -> tuple[str, ...]:
        """Return the checks that a record cannot do without."""
        required: tuple[str, ...] = _ALWAYS
        books = self.survey.books
        # Where every contest is below the privacy floor nothing is tallied.
        if books is None or books.tallies.wanted.order:
            required += _TALLIED
            if self._until != "close":
                required += _DECRYPTED
        return required if self._until == "close" else (*required, "R.result")

    def report(self) -> Report:
        """Put everything together."""
        return make_report(self.findings, self.survey, self.log.size, self._root, self._until)


def _matched(executor: Executor, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
    """Yield what an executor returns, if it is what it was given: each shard once, in order.

    Raises ExecutorFailed otherwise: a shard that is passed over, or counted twice, would be
    ballots of which nobody knows anything.
    """
    given: deque[Shard] = deque()

    def handed_out() -> Iterator[Shard]:
        for shard in shards:
            given.append(shard)
            yield shard

    rest = handed_out()
    for result in executor.run(setting, rest):
        if not given or result.shard != given.popleft():
            raise ExecutorFailed(
                "the executor returned other ballots than it was given, or in another order"
            )
        yield result
    if given or next(rest, None) is not None:
        raise ExecutorFailed("the executor did not return all ballots that it was given")


def _silent(stage: str, done: int, total: int) -> None:
    """Report no progress."""


def verify(
    path: str | os.PathLike[str],
    *,
    jobs: int | None = 1,
    until: str | None = None,
    parameters: str = "standard",
    log_key: str | None = None,
    manifest: bytes | str | os.PathLike[str] | None = None,
    checkpoints: Sequence[PathLike] = (),
    receipts: Sequence[PathLike] = (),
    policy: PathLike | None = None,
    dispute: PathLike | None = None,
    progress: Progress | None = None,
    exact: bool = False,
    executor: Executor | None = None,
    opener: Opener = open_archive,
) -> Report:
    """Verify a published record, a directory or a .zip.

    `jobs` is the number of processes that check ballots (None: one for each core);
    `until="close"` ends with the encrypted tallies; `parameters` names the set the record
    must use; `log_key` (a C2SP verifier key) and `manifest` (its bytes, or a path) are
    compared with the record's, and so are the files `checkpoints` (signed notes), `receipts`,
    `policy` (of witnesses) and `dispute`. `exact` has every proof computed by itself, which
    takes longer and comes to the same report; `executor` runs the ballots' shards in place
    of `jobs` processes (see `workers`); `opener` opens records that are neither a directory
    nor a .zip, and is given `path` as it is. Whatever the record contains ends in a Report.

    Raises given.GivenError for a file that is not what it should be, archive.NotARecord if
    there is no record, log.Changed if it changes meanwhile, workers.ExecutorFailed if a
    worker process is killed or an executor returns something else than it was given, and
    ValueError for a wrong argument.
    """
    if until not in (None, "close"):
        raise ValueError(f"until is None or 'close', not {until!r}")
    if parameters not in BY_NAME:
        raise ValueError(f"there are no parameters {parameters!r}; known are {', '.join(BY_NAME)}")
    announced = manifest if isinstance(manifest, bytes | None) else Path(manifest).read_bytes()
    given = read_given(checkpoints, receipts, policy, dispute)
    jobs = jobs or os.cpu_count() or 1
    where = os.fspath(path)
    archive = opener(where)
    try:
        if opener is open_archive:
            where = os.path.abspath(where)
        verification = Verification(
            archive, parameters, until, jobs, progress or _silent, where, exact, executor, opener
        )
        comparison = Comparison(given, verification.log, verification.findings)
        verification.read_log()
        verification.compare(log_key, announced)
        exhibits = comparison.compare(
            verification.checkpoint, verification.survey.election, log_key
        )
        books = verification.survey.books
        if books is not None:
            factors = verification.check_ballots(books)
            if not verification.log.cut:
                verification.check_count(books, factors)
        verification.check_end()
        return replace(verification.report(), given=exhibits)
    finally:
        archive.close()
