"""The monitor: what it believes, what it remembers, when it raises the alarm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from crypto.errors import Rejected
from identity.errors import KeystoreInUse
from observers import evidence
from observers.errors import Fault, Misbehaviour, NotThere, Unreachable
from observers.metrics import Metrics, MetricsFile, MetricsServer, open_metrics
from observers.monitor import Alarm, Limits, Monitor, Times
from observers.source import DirectorySource, open_source
from record.checkpoint import parse_checkpoint
from record.policy import Policy
from tests.observing import TRUST, SmallLog, demanding, note, serving


@pytest.fixture
def log(tmp_path: Path) -> SmallLog:
    log = SmallLog(tmp_path / "log")
    log.grow(300)
    return log


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def watch(log: SmallLog, state: Path, policy: Policy = TRUST, now: float = 100) -> Monitor:
    return Monitor(DirectorySource(log.directory), policy, state, now)


def remembered(state: Path) -> int:
    return parse_checkpoint((state / "checkpoint").read_bytes()).checkpoint.size


def test_a_log_that_grows(log: SmallLog, state: Path) -> None:
    """Each new checkpoint is believed and on the disk; the same one again is nothing new."""
    with watch(log, state) as monitor:
        assert monitor.poll(1)
        assert not monitor.poll(2)
        for size in (301, 512, 700):
            log.grow(size)
            assert monitor.poll(size)
            assert (state / "checkpoint").read_bytes() == log.checkpoint()
            assert monitor.times.grown == size
        with pytest.raises(KeystoreInUse):
            watch(log, state)


def test_it_remembers_across_restarts(log: SmallLog, state: Path, tmp_path: Path) -> None:
    """A fork is noticed by a monitor that was off while it happened."""
    with watch(log, state) as monitor:
        monitor.poll(5)
    fork = SmallLog(tmp_path / "fork")
    fork.grow(600, 150)
    with watch(fork, state) as monitor:
        assert monitor.times == Times(5)
        with pytest.raises(Misbehaviour) as caught:
            monitor.poll(6)
    assert caught.value.fault is Fault.FORK
    assert caught.value.kept is not None
    assert (caught.value.kept / "older").read_bytes() == log.checkpoint()
    assert (caught.value.kept / "newer").read_bytes() == fork.checkpoint()
    assert remembered(state) == 300


def test_few_tiles_are_asked_for(log: SmallLog, state: Path) -> None:
    """From 300 to 70,000 entries a handful would do; here those of 600."""
    with watch(log, state) as monitor:
        monitor.poll(1)
        log.grow(600)
        with serving(log.directory) as server:
            monitor._source = open_source(server.url)
            assert monitor.poll(2)
            assert set(server.asked) <= {
                "checkpoint",
                "tile/0/001",
                "tile/0/002.p/88",
                "tile/1/000.p/2",
            }


FAULTS = {
    "fork of the same size": (300, 7, Fault.FORK),
    "larger fork": (301, 299, Fault.FORK),
    "smaller": (299, None, Fault.ROLLBACK),
    "smaller fork": (200, 3, Fault.ROLLBACK),
    "empty": (0, None, Fault.ROLLBACK),
}


@pytest.mark.parametrize(("size", "fork_at", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_does_not_continue(
    log: SmallLog, state: Path, tmp_path: Path, size: int, fork_at: int | None, fault: Fault
) -> None:
    """Evidence is kept and the old checkpoint stays."""
    other = SmallLog(tmp_path / "other")
    other.grow(size, fork_at)
    with watch(log, state) as monitor:
        monitor.poll(1)
        monitor._source = DirectorySource(other.directory)
        for _ in range(2):
            with pytest.raises(Misbehaviour) as caught:
                monitor.poll(2)
            assert caught.value.fault is fault
    assert remembered(state) == 300
    (kept,) = (state / "evidence").iterdir()
    assert kept.name.startswith(fault.value)
    assert {file.name for file in kept.iterdir()} == {"older", "newer", "report.json"}


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", note(301).replace(b"\n301\n", b"\n302\n"), note(301) + b"x"],
    ids=["empty", "a page", "changed", "cut"],
)
def test_what_is_not_signed(log: SmallLog, state: Path, data: bytes) -> None:
    """Kept as it came: it may be somebody in between, or a broken server."""
    with watch(log, state) as monitor:
        monitor.poll(1)
        (log.directory / "checkpoint").write_bytes(data)
        with pytest.raises(Misbehaviour) as caught:
            monitor.poll(2)
    assert caught.value.fault is Fault.UNSIGNED
    assert caught.value.kept is not None
    assert (caught.value.kept / "newer").read_bytes() == data


def test_tiles_that_are_wrong_or_withheld(log: SmallLog, state: Path) -> None:
    """Wrong ones are a fault of the server; withheld ones leave the checkpoint unproved."""
    with watch(log, state) as monitor:
        tile = log.directory / "tile/1/000.p/1"
        good = tile.read_bytes()
        tile.write_bytes(bytes(32))
        with pytest.raises(Misbehaviour) as caught:
            monitor.poll(1)
        assert caught.value.fault is Fault.TILES
        tile.write_bytes(good)
        monitor.poll(2)
        log.grow(301)
        (log.directory / "tile/0/001.p/45").unlink()
        with pytest.raises(NotThere):
            monitor.poll(3)
        assert remembered(state) == 300
        kept = monitor.keep_alarm(Alarm.STALE)
        assert (kept / "unproved").read_bytes() == log.checkpoint()
        assert (kept / "last").read_bytes() == note(300)
        assert json.loads((kept / "report.json").read_bytes())["alarm"] == "stale"


def test_a_full_disk_does_not_hide_a_fork(
    log: SmallLog, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence that cannot be written is lost; the alarm is not."""

    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evidence, "keep_evidence", full)
    with watch(log, state) as monitor:
        monitor.poll(1)
        fork = SmallLog(tmp_path / "fork")
        fork.grow(300, 3)
        monitor._source = DirectorySource(fork.directory)
        with pytest.raises(Misbehaviour) as caught:
            monitor.poll(2)
    assert caught.value.kept is None


def test_who_cannot_be_reached_says_nothing(log: SmallLog, state: Path) -> None:
    """No evidence, no change; only time passes."""
    with watch(log, state) as monitor:
        monitor.poll(1)
        (log.directory / "checkpoint").unlink()
        with pytest.raises(Unreachable):
            monitor.poll(2)
        assert monitor.alarms(12, Limits(stale=10)) == (Alarm.STALE,)
        assert not (state / "evidence").exists()


def test_another_logs_memory_is_refused(log: SmallLog, state: Path) -> None:
    """A directory that remembers one log is not used for another."""
    with watch(log, state) as monitor:
        monitor.poll(1)
    data = (state / "checkpoint").read_bytes()
    (state / "checkpoint").write_bytes(data.replace(b"example.org/log", b"example.org/xxx"))
    with pytest.raises(Rejected):
        watch(log, state)


# --- Alarms that may pass ------------------------------------------------------------------


def test_nothing_new_for_too_long(log: SmallLog, state: Path) -> None:
    """Counted from the last new entry, also across a restart; over when there is a new one."""
    limits = Limits(stale=60)
    with watch(log, state, now=100) as monitor:
        assert monitor.alarms(160, limits) == ()
        assert monitor.alarms(161, limits) == (Alarm.STALE,)
        monitor.poll(200)
        monitor.poll(250)
        assert monitor.alarms(260, limits) == ()
    with watch(log, state, now=1000) as monitor:
        assert monitor.alarms(261, limits) == (Alarm.STALE,)
        log.grow(301)
        monitor.poll(261)
        assert monitor.alarms(261, limits) == ()
        assert monitor.alarms(10**9, Limits()) == ()


def test_cosignatures_that_do_not_come(log: SmallLog, state: Path) -> None:
    """The log has some time to collect them; a checkpoint without them is watched all the same."""
    policy, limits = demanding(1), Limits(quorum=30)
    with watch(log, state, policy) as monitor:
        log.cosign(1)
        monitor.poll(100)
        assert monitor.alarms(1000, limits) == ()
        log.grow(301)
        assert monitor.poll(200)
        assert remembered(state) == 301
        assert monitor.alarms(229, limits) == ()
        monitor.poll(230)
        assert monitor.alarms(230, limits) == (Alarm.QUORUM,)
        assert monitor.alarms(200, Limits()) == (Alarm.QUORUM,)
    with watch(log, state, policy) as monitor:
        assert monitor.alarms(230, limits) == (Alarm.QUORUM,)
        log.cosign(1)
        assert not monitor.poll(240)
        assert monitor.alarms(240, limits) == ()
        assert (state / "checkpoint").read_bytes() == log.checkpoint()


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 50)), max_size=20))
def test_times_tell_since_when(steps: list[tuple[bool, bool, int]]) -> None:
    """Whatever comes: `grown` is the last growth, `lacking` the first of the last lacks."""
    now, times = 0.0, Times(0)
    grown, lacking = 0.0, None
    for grew, quorum, passed in steps:
        now += passed
        times = times.after(grew, quorum, now)
        grown = now if grew else grown
        lacking = None if quorum else (now if lacking is None else lacking)
        assert times == Times(grown, lacking)
        found = times.alarms(now, Limits(stale=10, quorum=20))
        assert (Alarm.STALE in found) == (now - grown > 10)
        assert (Alarm.QUORUM in found) == (lacking is not None and now - lacking >= 20)


@pytest.mark.parametrize("kept", [b"", b"{}", b"[]", b"null", b'{"grown": "x"}', b"\xff"])
def test_times_that_cannot_be_read_start_anew(log: SmallLog, state: Path, kept: bytes) -> None:
    """They decide when to call, never what to believe."""
    state.mkdir()
    (state / "times.json").write_bytes(kept)
    with watch(log, state, now=77) as monitor:
        assert monitor.times == Times(77)


# --- Metrics -----------------------------------------------------------------------------


@pytest.fixture
def monitor(log: SmallLog, state: Path) -> Iterator[Monitor]:
    with watch(log, state) as monitor:
        yield monitor


def _text(families: Sequence[Metric]) -> str:
    """As Prometheus' own library writes them."""

    class Source(Collector):
        def collect(self) -> Sequence[Metric]:
            return families

    return generate_latest(Source()).decode()


def _one(value: float) -> tuple[Metric, ...]:
    return (GaugeMetricFamily("one", "A number.", value=value),)


def test_metrics_as_text(monitor: Monitor) -> None:
    """Prometheus' text format: each metric with help and type, then its samples."""
    metrics = Metrics()

    def text() -> str:
        return _text(metrics.families(monitor))

    before = text()
    assert "tree_size" not in before
    assert 'sailau_monitor_polls_total{result="unreachable"} 0.0\n' in before
    monitor.poll(123)
    metrics.polled("consistent", 123)
    metrics.polled("unreachable", 124)
    metrics.raised([Alarm.STALE])
    lines = text().splitlines()
    assert 'sailau_monitor_tree_size{origin="example.org/log"} 300.0' in lines
    assert 'sailau_monitor_polls_total{result="consistent"} 1.0' in lines
    assert 'sailau_monitor_alarm{alarm="stale"} 1.0' in lines
    assert 'sailau_monitor_alarm{alarm="fork"} 0.0' in lines
    assert "sailau_monitor_answered_timestamp_seconds 123.0" in lines
    assert text().endswith("\n")
    names = [line.split(" ")[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    for line in lines:
        assert line.startswith("# ") or line.split("{")[0].split(" ")[0] in names


def test_metrics_in_a_file(tmp_path: Path) -> None:
    """Replaced as a whole."""
    published = open_metrics(str(tmp_path / "monitor.prom"))
    assert isinstance(published, MetricsFile)
    for number in (1, 2):
        families = _one(number)
        published.publish(families)
        assert (tmp_path / "monitor.prom").read_text() == _text(families)
        assert f"one {number}.0\n" in _text(families)
    published.close()
    assert [file.name for file in tmp_path.iterdir()] == ["monitor.prom"]


def test_metrics_over_http() -> None:
    """At /metrics, on the loopback unless a host is named."""
    published = open_metrics("0")
    assert isinstance(published, MetricsServer)
    published.publish(_one(1))
    with urlopen(f"http://127.0.0.1:{published.port}/metrics") as answer:
        assert answer.read().decode() == _text(_one(1))
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    published.close()
