"""The command line: `python -m verifier RECORD`, or `--dispute FILE`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from verifier.archive import NotARecord, open_archive
from verifier.disputes import judge
from verifier.given import GivenError, read_dispute, read_policy
from verifier.log import Changed
from verifier.note import NoteError, parse_verifier_key
from verifier.parameters import BY_NAME
from verifier.policy import Policy
from verifier.report import FORMAT, Report
from verifier.run import verify
from verifier.text import clean, render, render_brief
from verifier.verdicts import FORMAT as JUDGEMENT_FORMAT
from verifier.verdicts import judgement_json, render_judgement
from verifier.workers import Executor, ExecutorFailed, Opener

VERIFIED, REFUTED, UNREADABLE = range(3)

_DESCRIPTION = """\
Verify the published record of a Sailau election with nothing but the record.

RECORD is the published directory or a .zip of it. The verifier follows the log from
its first artifact to its last, recomputes every hash, checks every proof and every
signature, multiplies the cast ballots up again and compares the totals. It goes on
after a failure and names each one: which check, where, and who made the claim.
"""

_EPILOG = """\
examples:
  python -m verifier record/
  python -m verifier record.zip --json --jobs 8 > report.json
  python -m verifier record/ --log-key "$(cat announced.vkey)" --manifest announced.json
  python -m verifier record/ --until close     (a trustee, before decrypting)
  python -m verifier record/ --receipt mine.tlog-proof --checkpoint from-a-mirror
  python -m verifier record/ --policy witnesses.policy
  python -m verifier --dispute dispute.json --log-key "$(cat announced.vkey)"

what the verdict rests on:
  The election's keys stand in the record's first artifact. Whether that artifact is the
  real election's is something a record cannot prove: compare the manifest (--manifest)
  and the log key (--log-key) with what was announced elsewhere. And it may be shown to
  you alone: compare it with what others hold (--checkpoint, --receipt, --policy).

exit codes:
  0  verified    every check held
  1  refuted     at least one check failed
  2  unreadable  there is no record there, it could not be read to the end, or a file
                 that you gave is not what it should be

--dispute without RECORD judges what `sailau receipt dispute` has written, by the
signatures of the log alone (--log-key, or the logs of --policy):
  0  proved      the log has signed two trees that contradict each other
  1  unproved    the file convicts nobody
  2  unreadable  it is no dispute
With RECORD the exit code is the record's, which a proved dispute refutes.

The ids of the checks are explained in docs/verification.md.
"""


def _jobs(text: str) -> int:
    jobs = int(text)
    if jobs < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return jobs


def _log_key(text: str) -> str:
    try:
        return parse_verifier_key(text.strip()).text
    except NoteError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Means:
    """With what to verify: who opens records and who runs shards; cut for how many `jobs`."""

    opener: Opener = open_archive
    executor: Executor | None = None
    jobs: int | None = None


class Extension(Protocol):
    """What a program around this one adds: it may use more than the verifier may."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add options to the command line."""
        ...

    def means(
        self, parser: argparse.ArgumentParser, arguments: argparse.Namespace
    ) -> AbstractContextManager[Means]:
        """Return what these options come to. Entering it raises ExecutorFailed."""
        ...


def parser(program: str = "python -m verifier") -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog=program,
        description=_DESCRIPTION,
        epilog=_EPILOG.replace("python -m verifier", program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("record", metavar="RECORD", nargs="?", help="the published directory, or a .zip of it")
    add("--json", action="store_true", help="print the report as JSON (docs/verification.md)")
    add(
        "--jobs",
        type=_jobs,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that check ballots (default: one for each core, here %(default)s)",
    )
    add(
        "--exact",
        action="store_true",
        help="compute every proof by itself, without hints and batches: slower, same report",
    )
    add("--quiet", action="store_true", help="no progress, and only failures and the verdict")
    add(
        "--log-key",
        type=_log_key,
        metavar="VKEY",
        help="the log's verifier key as it was announced; must be the record's",
    )
    add("--manifest", type=Path, metavar="FILE", help="the manifest as it was announced")
    _add_given(add)
    add(
        "--parameters",
        choices=tuple(BY_NAME),
        default="standard",
        metavar="SET",
        help="the parameters the record must use (default: %(default)s): " + ", ".join(BY_NAME),
    )
    add(
        "--until",
        choices=("close",),
        help="verify up to the close and the encrypted tallies; demand nothing later",
    )
    add("--traceback", action="store_true", help=argparse.SUPPRESS)
    return result


def _add_given(add: Callable[..., argparse.Action]) -> None:
    """Add the options for what is compared with the record."""
    add(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint of the log that somebody else holds; may be given several times",
    )
    add(
        "--receipt",
        action="append",
        default=[],
        metavar="FILE",
        help="a voter's receipt (.tlog-proof); may be given several times",
    )
    add(
        "--policy",
        metavar="FILE",
        help="logs, witnesses and their quorum (C2SP tlog-policy), to hold the cosignatures to",
    )
    add("--dispute", metavar="FILE", help="a dispute about a receipt; needs no RECORD")


class ProgressLines:
    """Progress on stderr, from two seconds on: one line that moves, or a line now and then.

    With the rate and the time left of the stage, once a second of it has passed.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the stream to write to, and a clock in seconds."""
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._stage = ""
        self._shown = self._last = self._began = clock()
        self._before = 0
        self._wait = 2.0
        self._width = 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is, if it is time to."""
        now = self._clock()
        if stage != self._stage:
            # It began when the one before was last heard of; the first, now.
            self._began, self._before = (self._last, 0) if self._stage else (now, done)
            self._stage = stage
        self._last = now
        if now - self._shown < self._wait:
            return
        self._shown = now
        self._wait = 0.2 if self._terminal else 10.0
        share = f"{done:,} of {total:,} ({done * 100 // total} %)" if total else f"{done:,}"
        line = f"{stage}: {share}{self._pace(now - self._began, done, total)}"
        if self._terminal:
            self._stream.write(f"\r{line:<{self._width}}")
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _pace(self, seconds: float, done: int, total: int) -> str:
        """The rate, and the time that the rest takes at this rate."""
        if seconds < 1 or done <= self._before:
            return ""
        rate = (done - self._before) / seconds
        pace = f", {rate:,.0f} a second" if rate >= 10 else f", {rate:.1f} a second"
        if not total:
            return pace
        minutes, rest = divmod(round((total - done) / rate), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
        return f"{pace}, {left} left"

    def finish(self) -> None:
        """Take the moving line away."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()


def _unreadable(message: str, as_json: bool, form: str = FORMAT) -> int:
    if as_json:
        print(json.dumps({"format": form, "verdict": "unreadable", "error": message}, indent=2))
    print(f"verifier: {clean(message)}", file=sys.stderr)
    return UNREADABLE


def _broken(error: Exception, arguments: argparse.Namespace, form: str = FORMAT) -> int:
    if arguments.traceback:
        traceback.print_exc()
    message = f"the verifier itself failed ({type(error).__name__}: {error}); please report it"
    return _unreadable(message, arguments.json, form)


def _warn(parameters: str) -> None:
    set_ = BY_NAME[parameters]
    if set_.is_toy:
        print(
            f"WARNING: {parameters} are toy parameters without any security. A verdict under\n"
            "them says nothing about an election: anybody can compute every secret in it.",
            file=sys.stderr,
        )
    elif parameters != "standard":
        print(f"WARNING: {parameters} are not the standard parameters.", file=sys.stderr)


def _trusted(log_key: str | None, policy_file: str | None) -> Policy:
    """Return whose signatures a dispute is judged by: of these logs. Raises GivenError."""
    policy = Policy(()) if policy_file is None else read_policy(policy_file)
    if log_key is not None:
        return policy.for_log(parse_verifier_key(log_key))
    if not policy.logs:
        raise GivenError(f"{policy_file} names no log: give --log-key, too")
    return policy


def _judge(arguments: argparse.Namespace) -> int:
    """Judge a dispute without a record, and return the exit code."""
    try:
        policy = _trusted(arguments.log_key, arguments.policy)
        judgement = judge(read_dispute(arguments.dispute), policy)
    except (GivenError, NoteError) as error:
        return _unreadable(str(error), arguments.json, JUDGEMENT_FORMAT)
    except Exception as error:
        # Not a traceback's exit code, which would say that nothing is proved.
        return _broken(error, arguments, JUDGEMENT_FORMAT)
    if arguments.json:
        print(json.dumps(judgement_json(judgement), indent=2))
    else:
        sys.stdout.write(render_judgement(judgement))
    return VERIFIED if judgement.proved else REFUTED


def _verify(arguments: argparse.Namespace, means: Means, progress: ProgressLines | None) -> Report:
    return verify(
        arguments.record,
        jobs=means.jobs or arguments.jobs,
        until=arguments.until,
        parameters=arguments.parameters,
        log_key=arguments.log_key,
        manifest=arguments.manifest,
        checkpoints=arguments.checkpoint,
        receipts=arguments.receipt,
        policy=arguments.policy,
        dispute=arguments.dispute,
        progress=progress,
        exact=arguments.exact,
        executor=means.executor,
        opener=means.opener,
    )


def _check_usage(parser_: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Exit with 2 if what is asked for is nothing that can be done."""
    if arguments.record is not None:
        return
    if arguments.dispute is None:
        parser_.error("RECORD is missing: the published directory, or a .zip of it")
    for name in ("checkpoint", "receipt", "manifest", "until"):
        if getattr(arguments, name):
            parser_.error(f"--{name} is compared with a record: RECORD is missing")
    if arguments.log_key is None and arguments.policy is None:
        parser_.error("--dispute needs --log-key or --policy: whose signature is to be believed?")


def main(
    argv: Sequence[str] | None = None,
    program: str = "python -m verifier",
    extension: Extension | None = None,
) -> int:
    """Run the verifier and return its exit code. Bad usage exits by itself, with 2."""
    parser_ = parser(program)
    if extension is not None:
        extension.add_options(parser_)
    arguments = parser_.parse_args(argv)
    _check_usage(parser_, arguments)
    if arguments.record is None:
        return _judge(arguments)
    given = nullcontext(Means()) if extension is None else extension.means(parser_, arguments)
    _warn(arguments.parameters)
    progress = None if arguments.quiet else ProgressLines(sys.stderr)
    try:
        with given as means:
            report = _verify(arguments, means, progress)
    except (NotARecord, GivenError, Changed, ExecutorFailed, OSError, MemoryError) as error:
        return _unreadable(str(error) or type(error).__name__, arguments.json)
    except Exception as error:
        return _broken(error, arguments)
    finally:
        if progress is not None:
            progress.finish()
    if arguments.json:
        print(report.to_json())
    else:
        sys.stdout.write(render_brief(report) if arguments.quiet else render(report))
    return VERIFIED if report.verdict == "verified" else REFUTED
