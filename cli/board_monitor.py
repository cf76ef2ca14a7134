"""`sailau board monitor`: look at a log's checkpoint again and again, and raise the alarm."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from cli.board import trust_options, trusted
from cli.common import REFUSED, UNREACHABLE, counted, fail, note, say
from observers.errors import Misbehaviour, Unreachable
from observers.metrics import Metrics, MetricsFile, MetricsServer, open_metrics
from observers.monitor import Alarm, Limits, Monitor
from observers.source import open_source

CODES = {Alarm.STALE: 4, Alarm.QUORUM: 5}
"""Exit codes of --once, beside those of all commands."""
_HOOK_SECONDS = 60


@click.command(short_help="Watch that a log only grows, and raise the alarm.")
@click.argument("url")
@trust_options
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory that remembers the last checkpoint and keeps evidence.",
)
@click.option("--once", is_flag=True, help="Look once, and say it with the exit code.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--stale",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Raise the alarm when nothing new came for so long.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    help="Seconds the log has to collect the cosignatures that --policy demands; 0 with --once.",
)
@click.option("--metrics", metavar="PORT|FILE", help="Publish Prometheus metrics there.")
@click.option("--hook", metavar="COMMAND", help="Run on alarm, with the evidence's directory.")
def monitor(
    url: str,
    log_key: str | None,
    policy_file: Path | None,
    state: Path | None,
    once: bool,
    interval: float,
    stale: float | None,
    grace: float,
    metrics: str | None,
    hook: str | None,
) -> None:
    """Watch the log at URL: that it only grows, and (with --policy) who cosigns it.

    The first contradiction ends the monitor: both notes are kept as evidence. That
    nothing new comes, or cosignatures are missing, raises an alarm and may pass.

    Exit codes: 1 the log contradicts what it signed, rolled back, or does not verify;
    2 wrong usage or unreadable files; and with --once 0 all is well, 3 the log cannot
    be reached, 4 nothing new for --stale seconds, 5 the quorum is missing.
    """
    policy = trusted(log_key, policy_file)
    command = shlex.split(hook) if hook else []
    directory = state or _default_state(url)
    limits = Limits(stale, 0 if once else grace)
    published = open_metrics(metrics) if metrics else None
    with Monitor(open_source(url), policy, directory, time.time()) as watched:
        note(f"watching {url}, remembering in {directory}")
        watch = _Watch(watched, limits, published, command)
        while True:
            problem = watch.look()
            if once:
                _end(watch, problem)
            time.sleep(interval)


class _Watch:
    """One monitor and those whom it tells."""

    def __init__(
        self,
        watched: Monitor,
        limits: Limits,
        published: MetricsFile | MetricsServer | None,
        hook: list[str],
    ) -> None:
        self.alarms: tuple[Alarm, ...] = ()
        self._monitor, self._limits = watched, limits
        self._published, self._hook = published, hook
        self._metrics = Metrics()

    def look(self) -> str:
        """Poll once; why the log could not be reached, or nothing. Leaves on misbehaviour."""
        now, problem = time.time(), ""
        try:
            if self._monitor.poll(now):
                head = self._monitor.head
                assert head is not None
                size = counted(head.size, "entry", "entries")
                say(f"{head.checkpoint.origin}: {size}, consistent")
            self._metrics.polled("consistent", now)
        except Unreachable as error:
            problem = str(error)
            note(problem)
            self._metrics.polled("unreachable", now)
        except Misbehaviour as error:
            self._leave(error, now)
        self._raise(self._monitor.alarms(now, self._limits))
        return problem

    def _raise(self, alarms: tuple[Alarm, ...]) -> None:
        """Tell of the alarms that were not on before."""
        new = [alarm for alarm in alarms if alarm not in self.alarms]
        for alarm in self.alarms:
            if alarm not in alarms:
                note(f"the alarm is over: {alarm}")
        self.alarms = alarms
        self._metrics.raised(alarms)
        self._publish()
        for alarm in new:
            kept = None
            with suppress(OSError):
                kept = self._monitor.keep_alarm(alarm)
            self._tell(alarm, kept)

    def _leave(self, error: Misbehaviour, now: float) -> NoReturn:
        self._metrics.polled("misbehaviour", now)
        self._metrics.raised([error.fault])
        self._publish()
        self._tell(error.fault, error.kept)
        fail(str(error), REFUSED)

    def _tell(self, alarm: str, kept: Path | None) -> None:
        """Say it and run the hook, also if the evidence could not be written."""
        note(f"ALARM: {alarm}; evidence: {kept or 'could not be written'}")
        self._run_hook(kept or self._monitor.evidence)

    def _publish(self) -> None:
        if self._published is None:
            return
        try:
            self._published.publish(self._metrics.families(self._monitor))
        except OSError as error:
            # Whoever cannot tell goes on watching.
            note(f"the metrics could not be written: {error.strerror}")

    def _run_hook(self, evidence: Path) -> None:
        if not self._hook:
            return
        try:
            command = [*self._hook, str(evidence)]
            done = subprocess.run(command, timeout=_HOOK_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            note(f"the hook did not run: {error}")
        else:
            if done.returncode:
                note(f"the hook ended with exit code {done.returncode}")


def _end(watch: _Watch, problem: str) -> NoReturn:
    for alarm in watch.alarms:
        fail(f"alarm: {alarm}", CODES[alarm])
    if problem:
        fail(problem, UNREACHABLE)
    raise SystemExit(0)


def _default_state(url: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    return Path(base) / "sailau/monitor" / name
