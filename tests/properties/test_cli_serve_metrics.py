"""What the server counts, and that nothing of it is about a single ballot."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ballotbox.board import Board
from ballotbox.errors import StoreFailed
from ballotbox.high_water import HighWater
from ballotbox.http_connections import Limits
from ballotbox.store import SqliteStore
from cli.serve_metrics import (
    CountedAdmission,
    MetricsServer,
    ServerMetrics,
    board_gauges,
    by_name,
    place_gauges,
)
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Action, Operation, Role
from rpc.interceptor import Call
from tests.ballots import Plain, device_statement, encrypt
from tests.world import World

Samples = Mapping[tuple[str, tuple[str, ...]], float]


def samples(metrics: ServerMetrics) -> Samples:
    """Every number, by its name and the values of its labels."""
    text = generate_latest(metrics.registry).decode()
    return {
        (one.name, tuple(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_calls_and_refusals() -> None:
    """By method and status, and by the check that failed."""
    metrics = ServerMetrics()
    metrics.called(Call("/a/Submit", "device", "OK"))
    metrics.called(Call("/a/Submit", "device", "FAILED_PRECONDITION", "6.D"))
    metrics.called(Call("/a/Submit", "device", "FAILED_PRECONDITION", "6.D"))
    found = samples(metrics)
    assert found["sailau_calls_total", ("/a/Submit", "OK")] == 1
    assert found["sailau_calls_total", ("/a/Submit", "FAILED_PRECONDITION")] == 2
    assert found["sailau_refused_total", ("6.D",)] == 2
    # The library's own counters would tell when the first ballot came.
    assert not any(name.endswith("_created") for name, _ in found)


def test_groups_and_their_age() -> None:
    """Sizes as they came; the time since the last in whole minutes; another's do not count."""
    clock = Clock()
    metrics = ServerMetrics(clock)
    metrics.begins_at(4)
    for size in (5, 25, 25):
        metrics.grown(size)
    metrics.begins_at(1000)
    metrics.grown(1001)
    clock.now += 119
    found = samples(metrics)
    assert found["sailau_group_size_count", ()] == 3
    assert found["sailau_group_size_sum", ()] == 22
    assert found["sailau_group_size_bucket", ("1.0",)] == 2
    assert found["sailau_group_size_bucket", ("20.0",)] == 3
    assert found["sailau_group_age_seconds", ()] == 60


def test_a_checked_ballot_shows_with_its_group() -> None:
    """Sooner it would tell when the ballot came."""
    metrics = ServerMetrics()
    metrics.checked(0.2)
    assert samples(metrics)["sailau_admission_seconds_count", ()] == 0
    metrics.grown(2)
    found = samples(metrics)
    assert found["sailau_admission_seconds_count", ()] == 1
    assert found["sailau_admission_seconds_bucket", ("0.1",)] == 0
    assert found["sailau_admission_seconds_bucket", ("0.25",)] == 1


def test_admission_is_counted() -> None:
    """Good ballots and others, with the room that there is."""
    world = World.create(TOY[-1])
    world.append(device_statement(world, "ballot-box-1"))
    metrics = ServerMetrics()
    admission = CountedAdmission(world.artifacts[0], workers=0, numbers=metrics)
    plain = Plain({"president": (0, 1, 0)}, unit="village", style="short")
    ballot = world.sign(encrypt(world, plain).ballot)
    admission.submit(world.keys, ballot).result()
    metrics.grown(1)
    found = samples(metrics)
    assert found["sailau_admission_seconds_count", ()] == 1
    assert found["sailau_admission_waiting", ()] == 0
    assert found["sailau_admission_limit", ()] > 0
    admission.close()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    world = World.create(TOY[-1])
    store = SqliteStore.create(tmp_path / "board.db", world.context.base_hash)
    for index, data in enumerate(world.data()):
        store.append(index, data)
    yield Board.open(
        store,
        world.artifacts[0],
        server_key=world.role_key(Role.SERVER),
        log_key=world.secrets.log,
        high_water=HighWater(tmp_path / "high-water", world.log_key),
    )
    store.close()


def test_how_the_board_stands(board: Board, tmp_path: Path) -> None:
    """Size, phase, lead and mark; a group that the board settles is counted."""
    metrics = ServerMetrics()
    size = board.size()
    high_water = HighWater(tmp_path / "high-water", board._key)
    metrics.add(board_gauges(board, high_water))
    metrics.begins_at(size)
    board.subscribe(lambda: metrics.grown(board.transcript.state.size))
    board.publish(Operation(Role.SERVER, Action.SERVER_STARTED, "first start", 60))
    found = samples(metrics)
    assert found["sailau_log_size", ()] == size + 1
    assert found["sailau_phase", ("open",)] == 1
    assert sum(found[key] for key in found if key[0] == "sailau_phase") == 1
    assert found["sailau_leads", ()] == 1
    assert found["sailau_high_water_size", ()] == size
    assert found["sailau_group_size_sum", ()] == 1
    board.pause()
    assert samples(metrics)["sailau_leads", ()] == 0


def test_places_and_certificate(tmp_path: Path) -> None:
    """A place that is gone has no room."""
    metrics = ServerMetrics()
    metrics.add(place_gauges({"home": tmp_path, "published": tmp_path / "gone"}, 1.8e9))
    found = samples(metrics)
    assert found["sailau_disk_free_bytes", ("home",)] > 0
    assert found["sailau_disk_free_bytes", ("published",)] == 0
    assert found["sailau_certificate_expiry_timestamp_seconds", ()] == 1.8e9


def test_what_cannot_be_told_is_left_out() -> None:
    """The rest is answered."""

    def broken() -> Iterator[Metric]:
        raise StoreFailed("away")
        yield

    metrics = ServerMetrics()
    metrics.add(broken)
    metrics.add(lambda: [by_name("sailau_witness_size", "Size.", "witness", {"north": 7})])
    assert samples(metrics)["sailau_witness_size", ("north",)] == 7


def test_over_http() -> None:
    """At HOST:PORT; another registry than the library's own."""
    metrics = ServerMetrics()
    metrics.called(Call("/a/Cast", "device", "OK"))
    server = MetricsServer("127.0.0.1:0", metrics)
    with urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        text = answer.read().decode()
    assert 'sailau_calls_total{method="/a/Cast",status="OK"} 1.0' in text
    with pytest.raises(StoreFailed, match="another program .* --metrics"):
        MetricsServer(f"127.0.0.1:{server.port}", metrics)
    server.stop()
    for wrong in ("", "host:", "host:70000", ":1", "70000"):
        with pytest.raises(Malformed):
            MetricsServer(wrong, metrics)


def test_a_port_alone_is_of_the_loopback() -> None:
    """Whoever wants others to read the numbers says so."""
    server = MetricsServer("0", ServerMetrics())
    assert server.url == f"http://127.0.0.1:{server.port}"
    server.stop()


def test_slow_readers_have_neither_threads_nor_all_places() -> None:
    """Half a request each: they make room for one that is whole."""
    metrics = ServerMetrics()
    server = MetricsServer("127.0.0.1:0", metrics)
    before = threading.active_count()
    with ExitStack() as stack:
        stack.callback(server.stop)
        for _ in range(100):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            with suppress(OSError):
                one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"sailau_group_age_seconds" in answer.read()
        assert threading.active_count() <= before + 2
        assert len(server._server.places._taken) <= 16


def test_a_slow_request_for_numbers_ends() -> None:
    """It is closed; what is asked for in a form of its own is answered in ours."""
    server = MetricsServer("127.0.0.1:0", ServerMetrics(), Limits(request_seconds=1))
    with ExitStack() as stack:
        stack.callback(server.stop)
        one = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
        one.sendall(b"GET /metrics")
        assert one.recv(1000) == b""
        url = f"http://127.0.0.1:{server.port}/metrics"
        for kind in ("application/openmetrics-text;version=zz", "\xff"):
            with urlopen(Request(url, headers={"Accept": kind}), timeout=30) as answer:
                assert answer.status == 200


def test_a_refused_ballot_is_counted_too() -> None:
    """It costs the server as much."""
    world = World.create(TOY[-1])
    world.append(device_statement(world, "ballot-box-1"))
    metrics = ServerMetrics()
    admission = CountedAdmission(world.artifacts[0], workers=0, numbers=metrics)
    plain = Plain({"president": (0, 1, 0)}, unit="village", style="short")
    other = World.create(TOY[-1])
    with pytest.raises(Rejected):
        admission.submit(other.keys, world.sign(encrypt(world, plain).ballot)).result()
    metrics.grown(1)
    assert samples(metrics)["sailau_admission_seconds_count", ()] == 1
    admission.close()


def test_checks_that_no_group_follows_are_not_kept_without_end() -> None:
    """A device that sends worthless ballots all day: they are forgotten, not collected."""
    metrics = ServerMetrics()
    for _ in range(10_100):
        metrics.checked(0.2)
    metrics.grown(1)
    assert metrics._checks.count == 10_000
