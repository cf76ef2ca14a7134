"""What `sailau serve --metrics` answers to Prometheus (docs/operations.md, "Metrics").

    metrics = ServerMetrics()
    Server(..., observe=metrics.called)
    board.subscribe(metrics.grown)
    metrics.add(board_gauges(...))
    server = MetricsServer("127.0.0.1:9464", metrics)

Numbers only, and none of a single voter or device: what counts ballots moves when their
group is on the record, and no sooner. For the same reason there is no time at which a
series began, which the library would add.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ballotbox.admission import Admission, Ticket
from ballotbox.board import Board
from ballotbox.high_water import HighWater
from ballotbox.http_connections import Limits
from ballotbox.web import HttpServer, listener_at
from crypto.errors import SailauError
from record.artifacts import Artifact
from record.election import ElectionKeys
from record.state import Phase
from rpc.interceptor import Call

LOGGER = logging.getLogger(__name__)

_GROUPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MINUTE = 60
_UNSAID = 10_000
_LOOPBACK = "127.0.0.1"
_LIMITS = Limits(connections=16)
"""Whoever collects numbers comes with one connection, every few seconds."""

Source = Callable[[], Iterable[Metric]]


class Histogram:
    """Counts of values by upper bounds. For one thread at a time."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def add(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        """As Prometheus has it."""
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=self.sum)


class ServerMetrics(Collector):
    """Everything that one server counts, in a registry of its own. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._guard = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._refused: Counter[str] = Counter()
        self._groups = Histogram(_GROUPS)
        self._checks = Histogram(_SECONDS)
        self._unsaid: list[float] = []
        self._size = 0
        self._last_group = clock()
        self._sources: list[Source] = []
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    # --- what is counted

    def called(self, call: Call) -> None:
        """A call has ended; see `rpc.interceptor`."""
        with self._guard:
            self._calls[call.method, call.status] += 1
            if call.check:
                self._refused[call.check] += 1

    def begins_at(self, size: int) -> None:
        """The log has so many artifacts, and what comes now is counted."""
        with self._guard:
            self._size = size

    def grown(self, size: int) -> None:
        """A group is on the record: the log has so many artifacts now."""
        with self._guard:
            if size > self._size:
                self._groups.add(size - self._size)
                self._last_group = self._clock()
            self._size = size
            for seconds in self._unsaid:
                self._checks.add(seconds)
            self._unsaid.clear()

    def checked(self, seconds: float) -> None:
        """A ballot's proofs were checked, in so many seconds; it shows with the next group."""
        with self._guard:
            if len(self._unsaid) < _UNSAID:  # refused ones come without end, and no group does
                self._unsaid.append(seconds)

    def add(self, source: Source) -> None:
        """More numbers, asked for at each scrape."""
        self._sources.append(source)

    # --- what is answered

    def collect(self) -> Iterator[Metric]:
        """For Prometheus' library. What cannot be told now is left out."""
        with self._guard:
            counted = tuple(self._counted())
        yield from counted
        for source in self._sources:
            try:
                yield from tuple(source())
            except (SailauError, OSError) as error:
                LOGGER.warning("a metric is left out: %s", type(error).__name__)

    def _counted(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "sailau_calls", "Calls that have ended.", labels=["method", "status"]
        )
        for names, count in sorted(self._calls.items()):
            calls.add_metric(names, count)
        yield calls
        refused = CounterMetricFamily(
            "sailau_refused", "Calls refused by a check of the record.", labels=["check"]
        )
        for check, count in sorted(self._refused.items()):
            refused.add_metric([check], count)
        yield refused
        yield self._groups.family("sailau_group_size", "Artifacts of each group.")
        age = (self._clock() - self._last_group) // _MINUTE * _MINUTE
        yield gauge("sailau_group_age_seconds", "Whole minutes since the last group.", age)
        text = "Time to check a ballot's proofs, waiting included; of groups on the record."
        yield self._checks.family("sailau_admission_seconds", text)


def board_gauges(board: Board, high_water: HighWater) -> Source:
    """How the log stands. It waits for nobody, so that it answers while the database is away."""

    def source() -> Iterator[Metric]:
        state = board.transcript.state
        yield gauge("sailau_log_size", "Artifacts of the log.", state.size)
        phase = GaugeMetricFamily("sailau_phase", "1 for the phase that is on.", labels=["phase"])
        for one in Phase:
            phase.add_metric([one.name.lower()], int(one is state.phase))
        yield phase
        yield gauge("sailau_leads", "1 while this server may write.", int(not board.paused))
        text = "1 while the last group could not be stored."
        yield gauge("sailau_storing_failing", text, int(board.failing))
        known = max((head.size for head in high_water.heads()), default=0)
        text = "The largest tree that is known to be signed."
        yield gauge("sailau_high_water_size", text, known)
        version = GaugeMetricFamily("sailau_build_info", "The version.", labels=["version"])
        version.add_metric([metadata.version("sailau")], 1)
        yield version

    return source


def place_gauges(places: Mapping[str, Path], expiry: float) -> Source:
    """Free bytes of the places that are written, by name, and the certificate's end."""

    def source() -> Iterator[Metric]:
        free = GaugeMetricFamily(
            "sailau_disk_free_bytes", "Free where the server writes.", labels=["place"]
        )
        for name, place in places.items():
            try:
                free.add_metric([name], shutil.disk_usage(place).free)
            except OSError:
                free.add_metric([name], 0)  # nobody writes there either
        yield free
        text = "When the server's certificate ends."
        yield gauge("sailau_certificate_expiry_timestamp_seconds", text, expiry)

    return source


def by_name(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """A gauge with a value for each name."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for one, value in values.items():
        family.add_metric([one], value)
    return family


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """One number."""
    return GaugeMetricFamily(name, text, value=value)


class CountedAdmission(Admission):
    """Tells how long ballots take, and how many wait."""

    def __init__(self, election: Artifact, *, workers: int, numbers: ServerMetrics) -> None:
        super().__init__(election, workers=workers)
        self._numbers = numbers
        numbers.add(self._gauges)

    def submit(
        self,
        keys: ElectionKeys,
        artifact: Artifact,
        *,
        hints: bytes = b"",
        sender: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Ticket:
        """As `Admission.submit`."""
        begin = time.monotonic()
        ticket = super().submit(keys, artifact, hints=hints, sender=sender, wanted=wanted)
        ticket.when_done(lambda: self._numbers.checked(time.monotonic() - begin))
        return ticket

    def _gauges(self) -> Iterator[Metric]:
        yield gauge("sailau_admission_waiting", "Ballots that wait.", self.waiting)
        yield gauge("sailau_admission_limit", "Ballots that may wait.", self.limit)


class MetricsServer(HttpServer):
    """Answers at http://HOST:PORT/metrics until `stop`."""

    def __init__(self, listen: str, metrics: ServerMetrics, limits: Limits = _LIMITS) -> None:
        """Begin, at HOST:PORT, or with a port alone on the loopback.

        Raises Malformed for an address that is none, StoreFailed if it cannot be had.
        """
        if listen.isascii() and listen.isdigit():
            listen = f"{_LOOPBACK}:{listen}"
        listener = listener_at(listen, "metrics", "--metrics")
        super().__init__(_app(metrics.registry), listener, limits, "The metrics are")
        self.start()


def _app(registry: CollectorRegistry) -> Starlette:
    # Always the plain form: choosing one fails at some headers, and every program reads it.
    encode, content_type = choose_encoder("")

    def answer(_: Request) -> Response:
        return Response(encode(registry), headers={"Content-Type": content_type})

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])
