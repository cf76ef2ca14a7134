"""What a monitor counts, in Prometheus' text format: in a file or over HTTP.

A file is for the node exporter's textfile collector: it is replaced as a whole. The
format is a few lines of text, so nothing is needed to write it.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from observers.errors import Fault
from observers.monitor import Alarm, Monitor

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
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

    def text(self, monitor: Monitor) -> str:
        """All of them, for a monitor as it is now."""
        return "\n".join([*self._lines(monitor), ""])

    def _lines(self, monitor: Monitor) -> Iterator[str]:
        head, judgement = monitor.head, monitor.judgement
        yield from _metric("polls_total", "counter", "Polls by their result.")
        for result, count in self._polls.items():
            yield _sample("polls_total", count, result=result)
        yield from _metric("alarm", "gauge", "1 while an alarm is on.")
        for alarm in ALARMS:
            yield _sample("alarm", int(alarm in self._raised), alarm=alarm.value)
        yield from _metric("answered_timestamp_seconds", "gauge", "The last consistent answer.")
        yield _sample("answered_timestamp_seconds", self._answered)
        yield from _metric("grown_timestamp_seconds", "gauge", "The last new entry was seen.")
        yield _sample("grown_timestamp_seconds", monitor.times.grown)
        if head is not None and judgement is not None:
            origin = head.checkpoint.origin
            yield from _metric("tree_size", "gauge", "Entries of the last consistent checkpoint.")
            yield _sample("tree_size", head.size, origin=origin)
            yield from _metric("cosignatures", "gauge", "Known witnesses that cosigned it.")
            yield _sample("cosignatures", len(judgement.cosignatures), origin=origin)
            yield from _metric("quorum", "gauge", "1 if they are the policy's quorum.")
            yield _sample("quorum", int(judgement.quorum), origin=origin)


class MetricsFile:
    """Publishes the text in a file."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def publish(self, text: str) -> None:
        """Replace the file; a reader sees the old one or the new one. Raises OSError."""
        temporary = self._place.with_name(f".{self._place.name}.tmp")
        temporary.write_text(text)
        temporary.replace(self._place)

    def close(self) -> None:
        """Leaves the file with what was last known."""


class MetricsServer:
    """Publishes the text at http://HOST:PORT/metrics."""

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError if the port cannot be had."""
        self._text = ""
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, text: str) -> None:
        """What is answered from now on."""
        self._text = text

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == "/metrics"
                body = metrics._text.encode() if found else b"the metrics are at /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", _TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing: the monitor's output is about the log."""

        return Handler


def open_metrics(where: str) -> MetricsFile | MetricsServer:
    """PORT or HOST:PORT (a port alone is that of the loopback), or the name of a file."""
    host, _, port = where.rpartition(":")
    if port.isascii() and port.isdigit() and os.sep not in where:
        return MetricsServer(host.strip("[]") or "127.0.0.1", int(port))
    return MetricsFile(Path(where))


def _metric(name: str, kind: str, help_text: str) -> Iterator[str]:
    yield f"# HELP sailau_monitor_{name} {help_text}"
    yield f"# TYPE sailau_monitor_{name} {kind}"


def _sample(name: str, value: float, **labels: str) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return (
        f"sailau_monitor_{name}{{{inside}}} {value}"
        if inside
        else (f"sailau_monitor_{name} {value}")
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
