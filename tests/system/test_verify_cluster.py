"""`sailau verify --cluster`: a scheduler and workers as programs, and the report of one machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from cli import verify_cluster, verify_cluster_worker
from cli.verify import extension
from cli.verify_cluster import Cluster, Credentials, address_problem
from tests.authorities import Authority
from tests.clusters import DaskCluster, running_cluster
from tests.observing import serving
from tests.publishing import publish
from tests.system.programs import PATIENCE, wait_until
from tests.tampered.kit import TOY_NAME, Record, crowded
from verifier import Report, verify
from verifier.archive import NotARecord
from verifier.cli import main
from verifier.log import Changed
from verifier.workers import ExecutorFailed, Result, Setting, Shard, WorkerDied

pytest.importorskip(
    "distributed",
    reason="the extra `cluster` is not installed: verifying on several machines is NOT tested",
)
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two artifact files, with wrong proofs in both."""
    path = tmp_path_factory.mktemp("crowded")
    record = Record(crowded())
    ballots = record.every("ballot")
    for ballot in (ballots[3], ballots[-1]):
        selections = ballot.contests[0].selections
        selections[0].proof.CopyFrom(selections[1].proof)
    publish(record.world, path, record.encoded())
    return path


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers."""
    with running_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


def connected(dask: DaskCluster, records_at: str | None = None) -> Cluster:
    """A cluster of at least two workers."""
    cluster = Cluster.connect(dask.address, None, records_at)
    cluster._client.wait_for_workers(2, timeout=PATIENCE)
    return cluster


def verified(folder: Path, cluster: Cluster, **more: Any) -> Report:
    """What the cluster comes to."""
    return verify(folder, parameters=TOY_NAME, executor=cluster, jobs=2, **more)


def setting_of(folder: Path) -> Setting:
    """The setting of a record, as the verifier hands it out."""
    found: list[Setting] = []

    class Curious:
        def run(self, setting: Setting, shards: Any) -> Iterator[Result]:
            found.append(setting)
            raise ExecutorFailed("seen enough")

    with pytest.raises(ExecutorFailed, match="seen enough"):
        verify(folder, parameters=TOY_NAME, executor=Curious())
    return found[0]


# --- the same report ---------------------------------------------------------------------


def test_the_same_report(
    folder: Path, dask: DaskCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the JSON that it prints without a cluster, byte for byte."""
    arguments = [str(folder), "--parameters", TOY_NAME, "--json", "--quiet"]
    assert main([*arguments, "--jobs", "1"]) == 1
    alone = capsys.readouterr().out
    assert '"6.D"' in alone
    options = ["--cluster", dask.address]
    assert main([*arguments, *options], extension=extension()) == 1
    assert capsys.readouterr().out == alone


def test_workers_that_read_over_http(
    folder: Path, dask: DaskCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a URL that is RECORD, or from --records-at; the files are really asked for there."""
    alone = verify(folder, parameters=TOY_NAME).to_json()
    with serving(folder) as server:
        for record, more, least in (
            (server.url, (), 2),
            (str(folder), ("--records-at", server.url), 1),
        ):
            arguments = [record, "--parameters", TOY_NAME, "--json", "--cluster", dask.address]
            server.asked.clear()
            assert main([*arguments, *more], extension=extension()) == 1
            assert capsys.readouterr().out.strip() == alone
            assert server.asked["artifacts/001"] >= least


# --- what goes wrong ---------------------------------------------------------------------


def test_a_killed_worker_costs_its_shards_only(folder: Path, dask: DaskCluster) -> None:
    """It is killed while it reads: others do its work, and the report is the same."""
    alone = verify(folder, parameters=TOY_NAME)
    dask.start_worker()
    gate = threading.Event()
    killed: list[str] = []

    with serving(folder) as server, connected(dask, server.url) as cluster:
        client, answer = cluster._client, server.answer
        client.wait_for_workers(3, timeout=PATIENCE)

        def answer_when_killed(handler: BaseHTTPRequestHandler) -> None:
            if handler.path.startswith("/artifacts/"):
                gate.wait(PATIENCE)
            with suppress(OSError):  # of the dead
                answer(handler)

        def kill_at_work() -> None:
            while not (busy := [name for name, tasks in client.processing().items() if tasks]):
                time.sleep(0.02)
            workers = client.scheduler_info(n_workers=-1)["workers"]
            dask.workers[workers[busy[0]]["name"]].kill()
            killed.append(busy[0])
            gate.set()

        server.answer = answer_when_killed  # type: ignore[method-assign]
        killer = threading.Thread(target=kill_at_work, daemon=True)
        killer.start()
        report = verified(folder, cluster)
        killer.join(timeout=PATIENCE)
        assert killed
        wait_until(lambda: killed[0] not in client.nthreads())
    assert report == alone
    assert report.to_json() == alone.to_json()


def test_a_record_that_workers_see_otherwise(folder: Path, dask: DaskCluster) -> None:
    """Not there, or not the same: named, and no verdict."""
    with (
        connected(dask, "/nowhere/at/all") as cluster,
        pytest.raises(NotARecord, match=r"a worker \(tcp://.*/nowhere/at/all"),
    ):
        verified(folder, cluster)


def test_another_record_at_the_workers(folder: Path, dask: DaskCluster, tmp_path: Path) -> None:
    """What they read must be what was hashed here."""
    record = Record(crowded())
    publish(record.world, tmp_path, record.encoded())
    with connected(dask, str(tmp_path)) as cluster, pytest.raises(Changed, match="artifacts/000"):
        verified(folder, cluster)


def test_an_answer_that_is_not_of_the_shard(
    folder: Path, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other ballots, or none at all: there is no verdict."""
    usual = Cluster._answer

    def of_others(self: Cluster, future: Any, place: str) -> Any:
        answer = usual(self, future, place)
        return replace(answer, shard=replace(answer.shard, ballots=()))

    def other(self: Cluster, future: Any, place: str) -> Any:
        answer = usual(self, future, place)
        return answer.outcome, answer.digest

    for wrong, problem in ((of_others, "other ballots"), (other, "something else for artifacts")):
        monkeypatch.setattr(Cluster, "_answer", wrong)
        with connected(dask) as cluster, pytest.raises(ExecutorFailed, match=problem):
            verified(folder, cluster)


def test_another_version_is_refused(
    folder: Path, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When connecting, and for workers that come later with the first shard of theirs."""
    with connected(dask) as cluster:
        monkeypatch.setattr(verify_cluster, "edition", lambda: "sailau 0.0.1 (other)")
        with pytest.raises(ExecutorFailed, match=r"a worker cannot take part: it runs sailau .*, "):
            verified(folder, cluster)
    with pytest.raises(ExecutorFailed, match=r"worker tcp://.* and you sailau 0.0.1 \(other\)"):
        connected(dask)


@pytest.mark.slow
def test_a_worker_without_sailau_is_refused(tmp_path: Path) -> None:
    """Named, with what is missing there."""
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "cli.py").write_text("")
    with running_cluster(tmp_path, workers=0) as dask:
        dask.start_worker(PYTHONPATH=str(shadow))
        with pytest.raises(ExecutorFailed, match=r"worker tcp://.* cannot take part: .*'?cli"):
            Cluster.connect(dask.address, None, None)


def test_editions_name_the_code() -> None:
    """The version, a hash of the verifier, and Dask's version."""
    sailau, dask = verify_cluster_worker.edition().split(", ")
    assert sailau.startswith("sailau ")
    assert dask.startswith("distributed ")


def known(cluster: Cluster) -> list[str]:
    """The tasks of ours that the scheduler has."""

    def found(dask_scheduler: Any) -> list[str]:
        return [str(key) for key in dask_scheduler.tasks if "sailau" in str(key)]

    keys: list[str] = cluster._client.run_on_scheduler(found)
    return keys


def test_few_shards_are_on_their_way(folder: Path, dask: DaskCluster) -> None:
    """No more are cut than workers can use, and all are taken back when nobody wants them."""
    cut: list[Shard] = []

    def shards() -> Iterator[Shard]:
        for first in range(100, 250):
            cut.append(Shard(0, 256, ((first, False),)))
            yield cut[-1]

    with connected(dask) as cluster:
        results = cluster.run(setting_of(folder), shards())
        assert isinstance(results, Generator)
        assert next(results).shard == cut[0]
        assert len(cut) <= 3 * cluster.workers() + 1
        assert known(cluster)
        results.close()
        wait_until(lambda: not known(cluster))


@contextmanager
def silent_server() -> Iterator[tuple[str, threading.Event]]:
    """A URL whose server never answers, and whether it was asked."""
    asked = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connections.append(listener.accept()[0])
                asked.set()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for connection in (listener, *connections):
            connection.close()


def test_an_interrupted_client_takes_its_shards_back(folder: Path, dask: DaskCluster) -> None:
    """Ctrl-C while workers are busy: exit code 130, and nothing of it stays on the cluster."""
    with silent_server() as (url, asked), connected(dask) as cluster:
        command = [sys.executable, "-m", "cli.main", "verify", str(folder), "--quiet"]
        command += ["--parameters", TOY_NAME, "--cluster", dask.address, "--records-at", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
            assert asked.wait(PATIENCE)
            assert known(cluster)
            program.send_signal(signal.SIGINT)
            _, error = program.communicate(timeout=PATIENCE)
        assert program.returncode == 130
        assert error.splitlines()[-1] == "sailau: interrupted"
        assert "Traceback" not in error
        wait_until(lambda: not known(cluster))


class Deadly(str):
    """A path that kills the process that receives it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        """Be unpickled as an exit."""
        return os._exit, (1,)


@pytest.mark.slow
def test_a_shard_that_kills_workers_again_and_again(folder: Path, tmp_path: Path) -> None:
    """It is given up and named; so is a cluster without workers."""
    with running_cluster(tmp_path, workers=3) as dask, connected(dask) as cluster:
        cluster._client.wait_for_workers(3, timeout=PATIENCE)
        deadly = Cluster(cluster._client, records_at=Deadly("path"))
        shard = Shard(0, 256, ((100, False),))
        with pytest.raises(WorkerDied, match="they checked artifacts/000, from ballot 100"):
            list(deadly.run(setting_of(folder), [shard]))
        for worker in dask.workers.values():
            worker.kill()
        lonely = Cluster(cluster._client, patience=0)
        with pytest.raises(WorkerDied, match="no worker has been left"):
            list(lonely.run(setting_of(folder), [shard]))


@pytest.mark.slow
def test_a_scheduler_that_is_gone(folder: Path, tmp_path: Path) -> None:
    """While shards are on their way: said, and not waited for."""

    def kill_when_asked() -> None:
        asked.wait(PATIENCE)
        dask.kill_scheduler()

    with (
        running_cluster(tmp_path, workers=1) as dask,
        silent_server() as (url, asked),
        Cluster.connect(dask.address, None, url) as cluster,
    ):
        threading.Thread(target=kill_when_asked, daemon=True).start()
        with pytest.raises(ExecutorFailed, match="the scheduler "):
            list(cluster.run(setting_of(folder), [Shard(0, 256, ((100, False),))]))


def test_nobody_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that is not there: exit code 2, one line."""
    monkeypatch.setattr(verify_cluster, "_CONNECT", 1.0)
    assert main([str(tmp_path), "--cluster", "tcp://127.0.0.1:9"], extension=extension()) == 2
    error = capsys.readouterr().err
    assert "the cluster at tcp://127.0.0.1:9 cannot be used" in error
    assert len(error.splitlines()) == 1


def test_without_dask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says which extra is missing."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([str(tmp_path), "--cluster", "tcp://127.0.0.1:9"], extension=extension()) == 2
    assert "install sailau with the extra `cluster`" in capsys.readouterr().err


# --- TLS and usage ------------------------------------------------------------------------


def test_over_tls(folder: Path, tmp_path: Path) -> None:
    """With a certificate of the cluster's authority; not with another's."""
    ours, theirs = Authority.make(tmp_path / "ours"), Authority.make(tmp_path / "theirs")
    options = ("--protocol", "tls", *ours.dask_options())
    with running_cluster(tmp_path, workers=1, options=options) as dask:
        assert dask.address.startswith("tls://")
        credentials = Credentials(ours.certificate, ours.member, ours.member_key)
        with Cluster.connect(dask.address, credentials, None) as cluster:
            assert verified(folder, cluster) == verify(folder, parameters=TOY_NAME)
        stranger = Credentials(ours.certificate, theirs.member, theirs.member_key)
        impostor = Credentials(theirs.certificate, ours.member, ours.member_key)
        for wrong in (stranger, impostor):
            with pytest.raises(ExecutorFailed, match="cannot be used"):
                Cluster.connect(dask.address, wrong, None)


def test_addresses() -> None:
    """tcp:// stays on this machine unless one insists; tls:// needs certificates."""
    files = Credentials(Path("ca"), Path("cert"), Path("key"))
    for address, credentials, insecure, problem in (
        ("tls://scheduler:8786", files, False, ""),
        ("tls://scheduler:8786", None, False, "needs --cluster-ca"),
        ("tls://scheduler:8786", None, True, "needs --cluster-ca"),
        ("tcp://127.0.0.1:8786", None, False, ""),
        ("tcp://[::1]:8786", None, False, ""),
        ("tcp://localhost:8786", None, False, ""),
        ("tcp://192.0.2.7:8786", None, False, "--insecure-cluster"),
        ("tcp://localhost.example.org:8786", None, False, "--insecure-cluster"),
        ("tcp://192.0.2.7:8786", None, True, ""),
        ("tcp://127.0.0.1:8786", files, False, "tls://"),
        ("inproc://x:1", None, True, "is not an address"),
        ("scheduler:8786", None, True, "is not an address"),
        ("tls://scheduler", files, False, "is not an address"),
        ("tls://scheduler:port", files, False, "is not an address"),
    ):
        said = address_problem(address, credentials, insecure)
        assert problem in said
        assert bool(problem) == bool(said), address


@pytest.mark.parametrize(
    "options",
    [
        ("--records-at", "x"),
        ("--insecure-cluster",),
        ("--cluster", "tcp://192.0.2.7:8786"),
        ("--cluster", "tls://192.0.2.7:8786", "--cluster-ca", "x"),
    ],
)
def test_bad_usage(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Said before anything is read: exit code 2."""
    with pytest.raises(SystemExit) as stop:
        main(["x", *options], extension=extension())
    assert stop.value.code == 2
    assert "cluster" in capsys.readouterr().err


def test_dask_is_not_loaded_unless_asked_for(tmp_path: Path) -> None:
    """Neither for a local record nor for the help."""
    code = (
        "import sys; from cli.verify import extension; from verifier.cli import main\n"
        "try: main(sys.argv[1:], extension=extension())\n"
        "except SystemExit: pass\n"
        "print(sorted({'dask', 'distributed', 'urllib3'} & set(sys.modules)))"
    )
    for arguments in (["--help"], [str(tmp_path)]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
