"""A PostgreSQL cluster of the tests' own, and a line at the end when there is none.

    pytest_plugins = ["tests.postgres"]

gives `postgres_cluster` (one a session, in a temporary directory, on a Unix socket, with
fsync as for real) and `postgres_dsn` (a new database in it). PostgreSQL refuses to run as
root, so that root runs it as another user. Without its programs those tests are skipped,
and the summary names every one of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

OLDEST = 15
ADMIN = "cluster_admin"
MISSING = f"PostgreSQL {OLDEST} or newer is not on this machine"
ADVICE = "On Debian: apt install postgresql"

_PORT = 5432  # only the socket's name: nothing listens on the network
_DEADLINE = 120.0
_USERS = ("postgres", "nobody")
_DATABASES = itertools.count(1)


class Cluster:
    """One server process and its data. Not started until `start`."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        # Short, for a socket's path has 107 bytes at most.
        self.directory = Path(tempfile.mkdtemp(prefix="sailau-pg-", dir="/tmp"))
        self.data = self.directory / "data"
        self.process: subprocess.Popen[bytes] | None = None
        self._as = _other_user()
        if "user" in self._as:
            os.chown(self.directory, self._as["user"], self._as["group"])

    @classmethod
    def create(cls, programs: Path) -> Cluster:
        """A new cluster with checksums, running."""
        cluster = cls(programs)
        options = ("--auth=trust", f"--username={ADMIN}", "--encoding=UTF8", "--locale=C")
        cluster.run("initdb", "--no-sync", "--data-checksums", *options)
        with (cluster.data / "postgresql.conf").open("a") as file:
            file.write("max_connections = 60\nshared_buffers = 16MB\n")
            # Recovery syncs what a crash left; file by file that takes seconds.
            file.write("recovery_init_sync_method = syncfs\n")
        cluster.start()
        return cluster

    def copy(self, primary: Cluster) -> None:
        """Become a running standby of another cluster; this one is new."""
        host = ("--host", str(primary.directory), "--port", str(_PORT), "--username", ADMIN)
        self.run("pg_basebackup", *host, "--write-recovery-conf", "--checkpoint=fast")
        self.start()

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's programs on the data directory, to its end."""
        command = [str(self.programs / program), "-D", str(self.data), *arguments]
        done = subprocess.run(
            command, cwd=self.directory, capture_output=True, check=False, text=True, **self._as
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start, or start again after whatever happened, and wait until it answers."""
        deadline = time.monotonic() + _DEADLINE
        while True:
            # After `kill` the sessions of the old server may take a moment to end, and no
            # new one starts before.
            if self.process is None or self.process.poll() is not None:
                self.process = self._spawn()
            try:
                psycopg.connect(self.dsn("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End all sessions. SIGINT: everything is written (fast). SIGQUIT: nothing (immediate)."""
        self._end(how)

    def kill(self) -> None:
        """As the kernel does when there is no memory left: SIGKILL to the postmaster."""
        self._end(signal.SIGKILL)

    def crash(self) -> None:
        """As when the whole machine stops: SIGKILL to every process of the server."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # or it would replace them
        pid = self.process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """Stop and delete everything."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def dsn(self, database: str, *others: Cluster, user: str = ADMIN) -> str:
        """A connection string for a database here, or on whichever of the others serves it."""
        hosts = ",".join(str(cluster.directory) for cluster in (self, *others))
        return f"postgresql://{user}@/{database}?host={hosts}&port={_PORT}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement of the cluster's administrator, outside a transaction."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def configure(self, name: str, value: str) -> None:
        """Change a setting of the running server, and wait until it is in force."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _DEADLINE
        while self.execute(f"SHOW {name}") != [(value,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def terminate_sessions(self, database: str) -> None:
        """End every session of a database, as a failover manager or an operator does."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            f"WHERE datname = '{database}'"
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        where = ["-D", str(self.data), "-k", str(self.directory), "-p", str(_PORT)]
        command = [str(self.programs / "postgres"), *where, "-c", "listen_addresses="]
        with (self.directory / "log").open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                cwd=self.directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as,
            )
        return process

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_DEADLINE)
            self.process = None


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A running server."""
    programs = find_programs()
    if programs is None:
        pytest.skip(MISSING)
    cluster = Cluster.create(programs)
    yield cluster
    cluster.remove()


@pytest.fixture
def postgres_dsn(postgres_cluster: Cluster) -> Iterator[str]:
    """A new, empty database."""
    name = f"election_{next(_DATABASES)}"
    postgres_cluster.execute(f"CREATE DATABASE {name}")
    yield postgres_cluster.dsn(name)
    postgres_cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


def find_programs() -> Path | None:
    """The directory with the newest PostgreSQL's programs, if it is new enough."""
    places = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    versions = [(_version(place), place) for place in places]
    newest = max(versions, default=(0, Path()))
    return newest[1] if newest[0] >= OLDEST else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say aloud which tests were left out, and what to install."""
    skipped = terminalreporter.stats.get("skipped", [])
    names = sorted({report.nodeid for report in skipped if MISSING in str(report.longrepr)})
    if names:
        terminalreporter.section("NOT TESTED: PostgreSQL", red=True, bold=True)
        terminalreporter.line(f"{MISSING}. {ADVICE}. {len(names)} tests were left out:")
        for name in names:
            terminalreporter.line(f"  {name}")


def _version(programs: Path) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        done = subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, check=False, text=True
        )
        return int(done.stdout.split()[2].split(".")[0])
    return 0


def _other_user() -> dict[str, Any]:
    """How to start a process as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    for name in _USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError(f"PostgreSQL does not run as root, and there is none of {_USERS}")
