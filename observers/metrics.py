"""What a monitor counts, in Prometheus' text format: in a file or over HTTP.

    metrics = Metrics()
    published = open_metrics("9100")
    published.publish(metrics.families(monitor))      after each poll

What is published is how things were then: who asks between two polls gets the same
answer. A file is for the node exporter's textfile collector: it is replaced as a whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from observers.errors import Fault
from observers.monitor import Alarm, Monitor

_PREFIX = "sailau_monitor"
ALARMS = (*Fault, *Alarm)


class Metrics:
    """The numbers of one monitor."""

    def __init__(self) -> None:
        self._polls: Counter[str] = Counter(consistent=0, unreachable=0, misbehaviour=0)
        self._raised: set[str] = set()
        self._answered = 0.0

    def polled(self, result: str, now: float) -> None:
        """Count a poll: consistent, unreachable or misbehaviour."""
        self._polls[result] += 1
        if result == "consistent":
            self._answered = now

    def raised(self, alarms: Iterable[str]) -> None:
        """The alarms that are on now."""
        self._raised = set(alarms)

    def families(self, monitor: Monitor) -> tuple[Metric, ...]:
        """All of them, for a monitor as it is now."""
        return tuple(self._families(monitor))

    def _families(self, monitor: Monitor) -> Iterator[Metric]:
        polls = CounterMetricFamily(f"{_PREFIX}_polls", "Polls by their result.", labels=["result"])
        for result, count in self._polls.items():
            polls.add_metric([result], count)
        yield polls
        alarms = _gauge("alarm", "1 while an alarm is on.", "alarm")
        for alarm in ALARMS:
            alarms.add_metric([alarm.value], int(alarm in self._raised))
        yield alarms
        yield _number("answered_timestamp_seconds", "The last consistent answer.", self._answered)
        grown = monitor.times.grown
        yield _number("grown_timestamp_seconds", "The last new entry was seen.", grown)
        head, judgement = monitor.head, monitor.judgement
        if head is not None and judgement is not None:
            for name, text, value in (
                ("tree_size", "Entries of the last consistent checkpoint.", head.size),
                ("cosignatures", "Known witnesses that cosigned it.", len(judgement.cosignatures)),
                ("quorum", "1 if they are the policy's quorum.", int(judgement.quorum)),
            ):
                family = _gauge(name, text, "origin")
                family.add_metric([head.checkpoint.origin], value)
                yield family


class _Snapshot(Collector):
    """What was published last."""

    families: Sequence[Metric] = ()

    def collect(self) -> Iterable[Metric]:
        return self.families


class MetricsFile:
    """Publishes in a file."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._snapshot = _Snapshot()

    def publish(self, families: Sequence[Metric]) -> None:
        """Replace the file; a reader sees the old one or the new one. Raises OSError."""
        self._snapshot.families = families
        temporary = self._place.with_name(f".{self._place.name}.tmp")
        temporary.write_bytes(generate_latest(self._snapshot))
        temporary.replace(self._place)

    def close(self) -> None:
        """Leaves the file with what was last known."""


class MetricsServer:
    """Publishes at http://HOST:PORT/metrics."""

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError if the port cannot be had."""
        self._snapshot = _Snapshot()
        registry = CollectorRegistry()
        registry.register(self._snapshot)
        self._server, self._thread = start_http_server(port, host, registry)
        self.port: int = self._server.server_port

    def publish(self, families: Sequence[Metric]) -> None:
        """What is answered from now on."""
        self._snapshot.families = families

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def open_metrics(where: str) -> MetricsFile | MetricsServer:
    """PORT or HOST:PORT (a port alone is that of the loopback), or the name of a file."""
    host, _, port = where.rpartition(":")
    if port.isascii() and port.isdigit() and os.sep not in where:
        return MetricsServer(host.strip("[]") or "127.0.0.1", int(port))
    return MetricsFile(Path(where))


def _gauge(name: str, text: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])


def _number(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)
