"""PostgreSQL restarts, is cut off and fails over while a device votes: no promise is lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.ports import free_ports
from tests.postgres import MISSING, Cluster, find_programs
from tests.system.living import LivePlace
from tests.system.programs import Place, Program, wait_until
from tests.system.voting import Forwarder, Voting, check_receipts, move_to_postgres, promised

pytestmark = pytest.mark.system


class Pair:
    """An open election on PostgreSQL, two servers that share it, and one address for both."""

    def __init__(self, place: Place, dsn: str) -> None:
        self.place = place
        first = LivePlace(place)
        move_to_postgres(first.home, dsn)
        second = LivePlace(place)
        second.home = place.root / "election/second"
        second.directory = second.home / "published"
        shutil.copytree(first.home, second.home, ignore=shutil.ignore_patterns("*.lock"))
        settings = json.loads((first.home / "server.json").read_text())
        shown = settings["public_port"], settings["roles_port"]
        self._forwarders = [Forwarder(port) for port in shown]
        self._ports = [free_ports(), free_ports()]
        self.servers = [first, second]
        for server, ports in zip(self.servers, self._ports, strict=True):
            changed = {**settings, "public_port": ports[0], "roles_port": ports[1]}
            (server.home / "server.json").write_text(json.dumps(changed))
        self.programs: list[Program] = []

    def start(self, number: int = 0) -> Program:
        """A server, whether it comes to lead or to wait."""
        program = self.servers[number].start()
        self.programs.append(program)
        return program

    def lead_to(self, number: int) -> None:
        """Devices find this server from now on."""
        for forwarder, port in zip(self._forwarders, self._ports[number], strict=True):
            forwarder.lead_to(port)

    def close(self) -> None:
        for forwarder in self._forwarders:
            forwarder.close()

    def artifacts(self) -> list[bytes]:
        """The board, as the leading server tells it."""
        with self.place.board() as board:
            return list(board.read())


def serving(program: Program) -> None:
    """Until it leads."""
    says(program, "serving")


@contextmanager
def voting(place: Place, dsn: str, servers: int = 2) -> Iterator[tuple[Pair, Voting]]:
    """Servers, the first of which leads, and a device at work; the count at the end."""
    with place.running(), ExitStack() as stack:
        pair = Pair(place, dsn)
        stack.callback(pair.close)
        serving(pair.start())
        pair.lead_to(0)
        if servers > 1:
            # One that does not reach the database at its start ends and says so.
            says(pair.start(1), "waiting")
        voters = Voting(place, 1)
        voters.wait_for(1)
        yield pair, voters
        voters.wait_for(1)
        voters.delivered()
        voters.stop()
        check_receipts(pair.artifacts(), voters.answers())


def database_of(dsn: str) -> str:
    """The name of the database."""
    return str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])


def test_a_database_that_is_restarted_and_cut_off(
    at: Callable[[str], Place], postgres_dsn: str, postgres_cluster: Cluster
) -> None:
    """Fast, immediate, and each session ended: the server goes on, and so does the device."""
    with voting(at("open"), postgres_dsn, servers=1) as (_, voters):
        for how in (signal.SIGINT, signal.SIGQUIT):
            postgres_cluster.stop(how)
            postgres_cluster.start()
            voters.wait_for(1)
        postgres_cluster.terminate_sessions(database_of(postgres_dsn))
        voters.wait_for(1)


@pytest.mark.slow
def test_a_server_that_stands_still_and_comes_back(
    at: Callable[[str], Place], postgres_dsn: str, postgres_cluster: Cluster
) -> None:
    """SIGSTOP, and PostgreSQL restarts: the second one, which has waited, leads. SIGCONT: the
    first writes nothing."""
    with voting(at("open"), postgres_dsn) as (pair, voters):
        first, second = pair.programs
        says(second, "waiting")
        first.send(signal.SIGSTOP)
        postgres_cluster.stop()
        time.sleep(2.5)  # so that the second one finds nobody there
        postgres_cluster.start()
        serving(second)
        pair.lead_to(1)
        voters.wait_for(1)
        first.send(signal.SIGCONT)
        says(first, "does not write now")
        voters.wait_for(1)
        # And back again: the second is killed, the first has read what it wrote.
        second.kill()
        says(first, "leads again")
        pair.lead_to(0)


def stand_still(pair: Pair, cluster: Cluster, dsn: str, number: int) -> None:
    """Stop the server that leads; the database ends its sessions, and the other one leads."""
    other = pair.programs[1 - number]
    words = "leads again" if any("serving" in line for line in other.lines()) else "serving"
    before = said(other, words)
    pair.programs[number].send(signal.SIGSTOP)
    cluster.terminate_sessions(database_of(dsn))
    other.until(lambda: said(other, words) > before)
    pair.lead_to(1 - number)


def said(program: Program, words: str) -> int:
    """How many of its lines have these words."""
    return sum(words in line for line in program.lines())


def says(program: Program, words: str) -> None:
    """Until it has said so."""
    program.until(lambda: said(program, words) > 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_goes_wrong_at_random(
    at: Callable[[str], Place], postgres_dsn: str, postgres_cluster: Cluster, seed: int
) -> None:
    """Two dozen restarts, crashes, ended sessions and servers that stand still."""
    dice = random.Random(seed)
    leader = 0
    with voting(at("open"), postgres_dsn) as (pair, voters):
        for _ in range(24):
            voters.wait_for(dice.randrange(3))
            what = dice.choice(["fast", "immediate", "crash", "sessions", "still"])
            if what == "sessions":
                postgres_cluster.terminate_sessions(database_of(postgres_dsn))
            elif what == "still":
                stand_still(pair, postgres_cluster, postgres_dsn, leader)
                voters.wait_for(1)
                pair.programs[leader].send(signal.SIGCONT)
                says(pair.programs[leader], "does not write now")
                leader = 1 - leader
            else:
                if what == "crash":
                    postgres_cluster.crash()
                else:
                    postgres_cluster.stop(signal.SIGINT if what == "fast" else signal.SIGQUIT)
                postgres_cluster.start()
            leader = follow(pair, voters)


def follow(pair: Pair, voters: Voting) -> int:
    """After a loss either server may lead, and change its mind: until the device has receipts."""
    before, led, leader = promised(voters.answers()), -1, 0

    def going_on() -> bool:
        nonlocal led, leader
        leader = next((n for n, program in enumerate(pair.programs) if leads(program)), led)
        if leader != led:
            pair.lead_to(leader)
            led = leader
        return promised(voters.answers()) > before

    try:
        wait_until(going_on)
    except AssertionError as error:
        said = [program.lines()[-5:] for program in pair.programs]
        raise AssertionError(f"nobody goes on: {said}, {voters.said()[-5:]}") from error
    return leader


def leads(program: Program) -> bool:
    """Whether the last that it said about that is that it leads."""
    for line in reversed(program.lines()):
        if "serving" in line or "leads again" in line:
            return True
        if "waiting" in line or "does not write now" in line:
            return False
    return False


@pytest.mark.slow
def test_a_standby_takes_over(at: Callable[[str], Place]) -> None:
    """The primary is killed for good; its synchronous standby has every receipt."""
    programs = find_programs()
    if programs is None:
        pytest.skip(MISSING)
    primary = Cluster.create(programs)
    standby = Cluster(programs)
    try:
        standby.copy(primary)
        primary.configure("synchronous_standby_names", "*")
        primary.execute("CREATE DATABASE election")
        with voting(at("open"), primary.dsn("election", standby)) as (pair, voters):
            voters.wait_for(3)
            primary.kill()
            standby.run("pg_ctl", "promote", "--wait")
            follow(pair, voters)
            voters.wait_for(3)
    finally:
        standby.remove()
        primary.remove()
