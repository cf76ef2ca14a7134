"""A whole polling day without a network: 5,000 voters, then everything at once."""

from __future__ import annotations

import resource
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ballotbox.client import DeviceClient
from ballotbox.device import DeviceMachine
from ballotbox.device_standing import read_standing
from ballotbox.journal import Journal
from ballotbox.line import Line, LineState
from ballotbox.store import SqliteStore
from ballotbox.terminal import Terminal
from identity.roles import Role
from record.artifacts import Ballot, Cast, Challenge, Device, DeviceClose
from record.state import Status
from record.transcript import Transcript
from tests.devices import DEVICE, KEY
from tests.system.test_ballotbox_crash import Servers

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1800)]

VOTERS = 5_000
SAID = (Device, Ballot, Cast, Challenge, DeviceClose)


def test_five_thousand_voters(tmp_path: Path) -> None:
    """Two thirds cast, some challenge, some leave; the server dies once while all comes over."""
    servers = Servers(tmp_path)
    world = servers.world
    path = tmp_path / "journal.sqlite"
    journal = Journal.create(path, world.context.base_hash, DEVICE, KEY)
    machine = DeviceMachine(world.context, world.keys, DEVICE, world.device_key(DEVICE), journal)
    servers.start()
    with closing(servers.network.role_channel(servers.port, Role.DEVICE, DEVICE)) as channel:
        client = DeviceClient(channel, world.context, deadline=5)
        arrived = threading.Event()
        line = Line(
            machine,
            client,
            state=LineState.DOWN,
            progress=lambda done: arrived.set() if done == VOTERS // 2 else None,
        )
        vote(Terminal(line))
        before = memory()
        assert read_standing(path).waiting == VOTERS + VOTERS * 9 // 10 + 2

        def kill() -> None:
            arrived.wait(600)
            servers.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        assert not line.catch_up()
        killer.join()
        servers.start()
        while not line.catch_up():
            pass
    # Not a ballot of the day is in memory while it is sent: 32 of them are, of 4 KB.
    assert memory() - before < 64 << 20
    check(servers, journal)


def vote(terminal: Terminal) -> None:
    """The day."""
    terminal.begin()
    for voter in range(VOTERS):
        code, receipt = terminal.submit("centre", "full", {"council": {"no": 1}})
        assert receipt is None
        if voter % 10 < 7:
            terminal.cast(code)
        elif voter % 10 < 9:
            terminal.challenge(code)
    assert not terminal.close()


def memory() -> int:
    """The most that this process has needed, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def check(servers: Servers, journal: Journal) -> None:
    """The record has the chain of the device, each message once and in its order."""
    assert journal.waiting() == 0
    servers.kill()
    store = SqliteStore.open(servers.path, servers.world.context.base_hash)
    transcript = Transcript(servers.world.artifacts[0])
    said = []
    for data in list(store.read(0, 10**6))[1:]:
        artifact = transcript.parse(data)
        transcript.append(artifact)
        if isinstance(artifact.statement, SAID):
            said.append(data)
    store.close()
    with journal._database.read() as connection:
        query = "SELECT data FROM messages ORDER BY position"
        assert said == list(connection.exec_driver_sql(query).scalars())
    state = transcript.state
    fates = [entry.status for entry in state.ballots.values()]
    assert len(fates) == VOTERS
    assert fates.count(Status.CAST) == VOTERS * 7 // 10
    assert fates.count(Status.CHALLENGED) == VOTERS * 2 // 10
    assert state.devices[DEVICE].closed
