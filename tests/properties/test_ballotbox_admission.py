"""Checking in other processes: the same answers, whatever happens to the processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from ballotbox import admission as admissions
from ballotbox.admission import Admission
from ballotbox.errors import AdmissionBusy, AdmissionFailed
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Artifact
from tests.ballots import begin_device, encrypt
from tests.world import World


@pytest.fixture(scope="module")
def world() -> World:
    """Open polls with one device under way."""
    world = World.create(TOY[-1])
    begin_device(world)
    return world


@pytest.fixture(scope="module")
def pool(world: World) -> Iterator[Admission]:
    """Two workers for all tests here: starting them is what takes time."""
    pool = Admission(world.artifacts[0], workers=2)
    pool.warm(world.keys)
    yield pool
    pool.close()


def good(world: World) -> Artifact:
    """A ballot that holds."""
    return world.sign(encrypt(world).ballot)


def bad(world: World) -> Artifact:
    """A ballot with a wrong contest hash."""
    ballot = encrypt(world).ballot
    first, *rest = ballot.contests
    return world.sign(replace(ballot, contests=(replace(first, contest_hash=bytes(32)), *rest)))


def test_good_ballots_pass_and_bad_ones_come_back_whole(world: World, pool: Admission) -> None:
    """The rejection crosses the process boundary with all its parts, the same as inside."""
    artifact = bad(world)
    for admission in (pool, Admission(world.artifacts[0], workers=0)):
        admission.verify(world.keys, good(world))
        with pytest.raises(Rejected) as caught:
            admission.verify(world.keys, artifact)
        error = caught.value
        assert (error.check, error.culprit) == ("8.A", "device ballot-box-1")
        assert error.where.endswith("contest president")


def test_only_ballots_are_checked_here(world: World, pool: Admission) -> None:
    """Anything else is a mistake that is told, not passed."""
    with pytest.raises(Malformed, match="not a ballot"):
        pool.verify(world.keys, world.artifacts[1])


def test_the_checking_survives_its_processes(world: World, pool: Admission) -> None:
    """Killed between two ballots, they are replaced, and nobody notices."""
    pool.verify(world.keys, good(world))
    for child in multiprocessing.active_children():
        assert child.pid is not None
        # Where one is killed, the pool ends the others itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.join()
    pool.verify(world.keys, good(world))
    with pytest.raises(Rejected):
        pool.verify(world.keys, bad(world))


def _die(*_: object) -> None:
    os._exit(1)


def test_a_ballot_that_kills_every_process_is_given_up(
    world: World, pool: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three attempts its sender is told; the next ballot is checked."""
    with monkeypatch.context() as patch:
        patch.setattr(admissions, "_verify", _die)
        with pytest.raises(AdmissionFailed, match="three times"):
            pool.verify(world.keys, good(world))
    pool.verify(world.keys, good(world))


def test_a_full_queue_says_so_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ballot that is under way is finished; then there is room again."""
    admission = Admission(world.artifacts[0], workers=0, queue=1)
    entered, leave = threading.Event(), threading.Event()

    def slowly(*_: object) -> None:
        entered.set()
        assert leave.wait(60)

    artifact = good(world)
    with monkeypatch.context() as patch:
        patch.setattr(admissions, "verify_ballot", slowly)
        first = threading.Thread(target=admission.verify, args=(world.keys, artifact))
        first.start()
        assert entered.wait(60)
        with pytest.raises(AdmissionBusy):
            admission.verify(world.keys, artifact)
        leave.set()
        first.join()
    admission.verify(world.keys, artifact)


def test_a_rejected_ballot_leaves_its_place_in_the_queue(world: World) -> None:
    """Ten bad ballots do not fill a queue of one."""
    admission = Admission(world.artifacts[0], workers=0, queue=1)
    artifact = bad(world)
    for _ in range(10):
        with pytest.raises(Rejected):
            admission.verify(world.keys, artifact)


def test_a_closed_admission_checks_nothing(world: World) -> None:
    """It says that the server is stopping; closing twice does nothing more."""
    admission = Admission(world.artifacts[0], workers=1)
    admission.close()
    admission.close()
    with pytest.raises(AdmissionFailed, match="stopping"):
        admission.verify(world.keys, good(world))
