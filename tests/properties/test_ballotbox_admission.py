"""Checking in other processes: the same answers, whatever happens to the processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ballotbox import admission as admissions
from ballotbox import workers
from ballotbox.admission import Admission, Ticket
from ballotbox.encryption import encrypt_ballot
from ballotbox.errors import AdmissionAbandoned, AdmissionBusy, AdmissionFailed
from ballotbox.workers import Worker, WorkerDied, check_batch
from crypto.errors import Malformed, Rejected
from crypto.parameters import STANDARD, TOY
from record.artifacts import Artifact
from tests.ballots import begin_device, encrypt, rehashed
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
        admission.submit(world.keys, good(world)).result()
        with pytest.raises(Rejected) as caught:
            admission.submit(world.keys, artifact).result()
        error = caught.value
        assert (error.check, error.culprit) == ("8.A", "device ballot-box-1")
        assert error.where.endswith("contest president")


def test_only_ballots_are_checked_here(world: World, pool: Admission) -> None:
    """Anything else is a mistake that is told, not passed."""
    with pytest.raises(Malformed, match="not a ballot"):
        pool.submit(world.keys, world.artifacts[1]).result()


def test_the_checking_survives_its_processes(world: World, pool: Admission) -> None:
    """Killed between two ballots, they are replaced, and nobody notices."""
    pool.submit(world.keys, good(world)).result()
    for child in multiprocessing.active_children():
        assert child.pid is not None
        # Where one is killed, the pool ends the others itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.join()
    pool.submit(world.keys, good(world)).result()
    with pytest.raises(Rejected):
        pool.submit(world.keys, bad(world)).result()


def test_a_process_that_is_killed_over_a_ballot_is_replaced(world: World, pool: Admission) -> None:
    """Whoever was being checked is checked by another one."""
    pool.submit(world.keys, good(world)).result()
    children = [child for child in multiprocessing.active_children() if child.pid]
    for child in children:
        os.kill(child.pid or 0, signal.SIGSTOP)  # so that none can be done already
    tickets = [pool.submit(world.keys, good(world)) for _ in range(4)]
    for child in children:
        os.kill(child.pid or 0, signal.SIGKILL)
    assert [ticket.result() for ticket in tickets] == [False] * 4


@pytest.mark.parametrize("size", [0, 4 << 20], ids=["answer", "question"])
def test_a_process_that_stands_still_is_killed_and_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Whether it does not answer, or does not even take in what it is asked."""
    worker = Worker(world.artifacts[0].data)
    try:
        artifact = good(world)
        assert worker.check(world.keys, [(artifact.data, b"")]) == [False]
        (stopped,) = own_child(worker)
        os.kill(stopped, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(workers, "patience", lambda _: 0.5)
            with pytest.raises(WorkerDied):
                worker.check(world.keys, [(artifact.data, bytes(size))])
        assert own_child(worker) == []
        assert worker.check(world.keys, [(artifact.data, b"")]) == [False]
        assert own_child(worker) != [stopped]
    finally:
        worker.close()


def own_child(worker: Worker) -> list[int]:
    process = worker._process
    return [] if process is None or process.pid is None else [process.pid]


def test_ballots_are_checked_and_a_server_stops_though_a_process_stands_still(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as if the process had died: another checks the ballot; at the end nobody does."""
    others = set(multiprocessing.active_children())
    admission = Admission(world.artifacts[0], workers=1)
    assert admission.submit(world.keys, good(world)).result() is False
    usual, impatient, asked = workers.patience, list[float](), threading.Semaphore(0)

    def patience(batch: list[tuple[bytes, bytes]]) -> float:
        asked.release()
        return impatient.pop() if impatient else usual(batch)

    def stand_still() -> None:
        (child,) = set(multiprocessing.active_children()) - others
        os.kill(child.pid or 0, signal.SIGSTOP)

    monkeypatch.setattr(workers, "patience", patience)
    stand_still()
    impatient.append(0.5)
    assert admission.submit(world.keys, good(world)).result() is False
    assert asked.acquire(timeout=60)
    assert asked.acquire(timeout=60)
    stand_still()
    impatient.append(5.0)
    last = admission.submit(world.keys, good(world))
    assert asked.acquire(timeout=60)
    admission.close()
    with pytest.raises(AdmissionFailed, match="stopping"):
        last.result()


def test_patience_is_in_proportion_to_what_is_to_be_checked() -> None:
    """The largest batch that a server takes has hours, a usual ballot has minutes."""
    usual = [(bytes(20_000), bytes(20_000))]
    assert 120 < workers.patience(usual) < 180
    assert workers.patience(usual * 32) > 10 * 45 * 32 * 40_000 / 2**20


def test_a_full_queue_says_so_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ballot that is under way is finished; then there is room again."""
    admission = Admission(world.artifacts[0], workers=0, queue=1)
    entered, leave = threading.Event(), threading.Event()

    def slowly(*_: object) -> list[None]:
        entered.set()
        assert leave.wait(60)
        return [None]

    artifact = good(world)
    with monkeypatch.context() as patch:
        patch.setattr(workers, "verify_ballots", slowly)
        first = threading.Thread(target=admission.submit, args=(world.keys, artifact))
        first.start()
        assert entered.wait(60)
        with pytest.raises(AdmissionBusy) as caught:
            admission.submit(world.keys, artifact).result()
        assert 0 < caught.value.retry_after <= 10
        leave.set()
        first.join()
    admission.submit(world.keys, artifact).result()


def test_a_rejected_ballot_leaves_its_place_in_the_queue(world: World) -> None:
    """Ten bad ballots do not fill a queue of one."""
    admission = Admission(world.artifacts[0], workers=0, queue=1)
    artifact = bad(world)
    for _ in range(10):
        with pytest.raises(Rejected):
            admission.submit(world.keys, artifact).result()


def test_a_closed_admission_checks_nothing(world: World) -> None:
    """It says that the server is stopping; closing twice does nothing more."""
    admission = Admission(world.artifacts[0], workers=1)
    admission.close()
    admission.close()
    with pytest.raises(AdmissionFailed, match="stopping"):
        admission.submit(world.keys, good(world)).result()


# --- several together


def tampered(world: World, change: str) -> Artifact:
    """A signed ballot in which one thing is wrong, its hashes right where they can be."""
    ballot = encrypt(world).ballot
    first, *rest = ballot.contests
    chosen, *others = first.selections
    if change == "5.B":
        return world.sign(replace(ballot, identifier_hash=bytes(32)))
    if change == "8.B":
        return world.sign(replace(ballot, confirmation_code=bytes(32)))
    if change == "8.A":
        return world.sign(replace(ballot, contests=(replace(first, contest_hash=bytes(32)), *rest)))
    if change == "R.nonce-proof":
        nonce = replace(ballot.encrypted_nonce, c1=bytes(32))
        return world.sign(replace(ballot, encrypted_nonce=nonce))
    if change == "7.D":
        scalars = first.limit_proof.responses
        proof = replace(
            first.limit_proof, responses=((scalars[0] + 1) % world.group.q, *scalars[1:])
        )
        return world.sign(replace(ballot, contests=(replace(first, limit_proof=proof), *rest)))
    if change == "6.A":
        chosen = replace(chosen, beta=world.group.p - chosen.beta)
    elif change == "6.D":
        one, *more = chosen.proof.challenges
        proof = replace(chosen.proof, challenges=((one + 1) % world.group.q, *more))
        chosen = replace(chosen, proof=proof)
    first = replace(first, selections=(chosen, *others))
    return world.sign(rehashed(world, replace(ballot, contests=(first, *rest))))


CHECKS = ["5.B", "6.A", "6.D", "7.D", "8.A", "8.B", "R.nonce-proof"]


def test_a_batch_with_one_wrong_ballot_of_each_kind_names_exactly_those(world: World) -> None:
    """The good ones among them hold; each refusal is that of its own ballot."""
    batch = [good(world)]
    for check in CHECKS:
        batch += [tampered(world, check), good(world)]
    candidates = [(artifact.data, b"") for artifact in batch]
    candidates.append((world.artifacts[1].data, b""))
    *verdicts, last = check_batch(world.context, world.keys, candidates)
    assert isinstance(last, Malformed)
    assert verdicts[::2] == [False] * (len(CHECKS) + 1)
    refusals = verdicts[1::2]
    assert [r.check for r in refusals if isinstance(r, Rejected)] == CHECKS


def hinted(world: World) -> tuple[Artifact, bytes]:
    """A ballot with its hints, as a device makes them."""
    state = world.state.devices["ballot-box-1"]
    field = state.chain.field(state.last)
    chosen = {"president": {"abai": 1}}
    made = encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "full", chosen, field
    )
    return world.sign(made.ballot), made.hints


def test_hints_are_told_apart_by_whether_they_are_right() -> None:
    """Wrong ones, another's and garbage refuse nothing; a wrong ballot stays wrong with them."""
    world = World.create(STANDARD, trustees=1, quorum=1)
    begin_device(world)
    (one, hints), (two, others) = hinted(world), hinted(world)
    flipped = hints[:-1] + bytes([hints[-1] ^ 1])
    wrong = tampered(world, "R.nonce-proof")
    batch = [(one, hints), (one, b""), (one, b"garbage"), (one, flipped), (two, hints)]
    batch += [(two, others), (wrong, hints)]
    candidates = [(artifact.data, hint) for artifact, hint in batch]
    *verdicts, refusal = check_batch(world.context, world.keys, candidates)
    assert verdicts == [True, False, False, False, False, True]
    assert isinstance(refusal, Rejected)
    assert refusal.check == "R.nonce-proof"


# --- who waits, and for what: workers that do as they are told


class Desk:
    """Stands for the worker processes; each batch waits for `leave`."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.deadly: set[bytes] = set()

    def worker(self, _: bytes) -> _DeskWorker:
        return _DeskWorker(self)


class _DeskWorker:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.keys: object = None

    def use(self, keys: object) -> None:
        self.keys = keys

    def check(self, keys: object, batch: list[tuple[bytes, bytes]]) -> list[bool]:
        self.keys = keys
        self.desk.batches.append([data for data, _ in batch])
        self.desk.entered.release()
        assert self.desk.leave.acquire(timeout=60)
        if self.desk.deadly & {data for data, _ in batch}:
            raise WorkerDied
        return [False] * len(batch)

    def close(self) -> None:
        pass


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """In the place of processes."""
    desk = Desk()
    monkeypatch.setattr(admissions, "Worker", desk.worker)
    return desk


def artifact(world: World, data: bytes) -> Artifact:
    return replace(world.artifacts[1], data=data)


class Held:
    """An admission whose only worker is busy with a first ballot, so that others wait."""

    def __init__(self, world: World, desk: Desk, **options: int) -> None:
        self.world, self.desk = world, desk
        self.admission = Admission(world.artifacts[0], workers=1, **options)
        self.tickets: list[Ticket] = []
        self.submit(b"first", "first")
        assert desk.entered.acquire(timeout=60)

    def submit(self, data: bytes, sender: str, wanted: Callable[[], bool] = lambda: True) -> Ticket:
        ticket = self.admission.submit(
            self.world.keys, artifact(self.world, data), sender=sender, wanted=wanted
        )
        self.tickets.append(ticket)
        return ticket

    def finish(self) -> list[list[bytes]]:
        """Let everything be checked; the batches after the first."""
        for _ in range(100):
            self.desk.leave.release()
        for ticket in self.tickets:
            ticket.wait()
        self.admission.close()
        return self.desk.batches[1:]


def test_what_waits_is_checked_together_and_a_lone_ballot_at_once(world: World, desk: Desk) -> None:
    """The first did not wait for company; who came meanwhile is one batch, of bounded size."""
    held = Held(world, desk, batch=3)
    for n in range(4):
        held.submit(b"%d" % n, f"device {n}")
    batches = held.finish()
    assert desk.batches[0] == [b"first"]
    assert batches[0] == [b"0", b"1", b"2"]
    assert b"3" in batches[1]


def test_a_backlog_of_one_device_is_not_before_the_others(world: World, desk: Desk) -> None:
    """Turn by turn: the second device's first ballot is second, whatever the first has sent."""
    held = Held(world, desk, batch=2)
    for n in range(5):
        held.submit(b"a%d" % n, "a")
    held.submit(b"b0", "b")
    held.submit(b"c0", "c")
    order = [data for batch in held.finish() for data in batch]
    assert order == [b"a0", b"b0", b"c0", b"a1", b"a2", b"a3", b"a4"]


def test_a_device_has_its_share_of_the_queue_and_no_more(world: World, desk: Desk) -> None:
    """Beyond it, it is busy for this one and not for another."""
    held = Held(world, desk, queue=10, share=2)
    held.submit(b"a0", "a")
    held.submit(b"a1", "a")
    with pytest.raises(AdmissionBusy):
        held.submit(b"a2", "a")
    held.submit(b"b0", "b")
    assert sorted(data for batch in held.finish() for data in batch) == [b"a0", b"a1", b"b0"]


def test_whoever_has_most_gives_way_when_the_queue_is_full(world: World, desk: Desk) -> None:
    """A newcomer gets in; the newest of the largest backlog is told to come again."""
    held = Held(world, desk, queue=4, share=4)
    backlog = [held.submit(b"a%d" % n, "a") for n in range(4)]
    newcomer = held.submit(b"b0", "b")
    with pytest.raises(AdmissionBusy) as caught:
        backlog[3].result()
    assert caught.value.retry_after > 0
    held.submit(b"b1", "b")
    for sender in ("a", "b"):  # two each: nobody has more than the other
        with pytest.raises(AdmissionBusy):
            held.submit(b"x", sender)
    held.submit(b"c0", "c")
    held.finish()
    assert newcomer.result() is False
    assert backlog[0].result() is False


def test_what_nobody_waits_for_costs_nothing(world: World, desk: Desk) -> None:
    """Cancelled, or past its deadline, while it waited: it never reaches a worker."""
    held = Held(world, desk)
    gone = held.submit(b"gone", "a", wanted=lambda: False)
    dropped = held.submit(b"dropped", "a")
    dropped.drop()
    kept = held.submit(b"kept", "a")
    assert held.finish() == [[b"kept"]]
    assert kept.result() is False
    for ticket in (gone, dropped):
        with pytest.raises(AdmissionAbandoned):
            ticket.result()


def test_a_worker_that_dies_costs_its_batch_another_attempt(world: World, desk: Desk) -> None:
    """Whoever was in it is tried alone; the one over which they die is given up, and named."""
    held = Held(world, desk)
    desk.deadly = {b"deadly"}
    tickets = {name: held.submit(name, name.decode()) for name in (b"one", b"deadly", b"two")}
    batches = held.finish()
    assert batches[0] == [b"one", b"deadly", b"two"]
    assert sorted(batches[1:]) == [[b"deadly"], [b"deadly"], [b"one"], [b"two"]]
    assert tickets[b"one"].result() is tickets[b"two"].result() is False
    with pytest.raises(AdmissionFailed, match="three times"):
        tickets[b"deadly"].result()


def test_who_waits_at_the_end_is_told(world: World, desk: Desk) -> None:
    """Closing lets the batch that has begun finish, and turns the others away."""
    held = Held(world, desk)
    waiting = held.submit(b"waiting", "a")
    closing = threading.Thread(target=held.admission.close)
    closing.start()
    with pytest.raises(AdmissionFailed, match="stopping"):
        waiting.result()
    desk.leave.release()
    closing.join()
    assert held.tickets[0].result() is False


def test_a_mistake_in_the_checking_leaves_nobody_waiting(world: World, desk: Desk) -> None:
    """Too few verdicts, a call that cannot be asked any more: they are told, the next goes on."""
    held = Held(world, desk)
    short = held.submit(b"short", "a")
    gone = held.submit(b"gone", "b", wanted=lambda: bool(1 // 0))
    real, told = _DeskWorker.check, []

    def check(self: _DeskWorker, keys: object, batch: list[tuple[bytes, bytes]]) -> list[bool]:
        told.append(batch)
        return real(self, keys, batch)[1:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_DeskWorker, "check", check)
        for _ in range(2):
            desk.leave.release()
        with pytest.raises(AdmissionFailed, match="itself"):
            short.result()
    with pytest.raises(AdmissionAbandoned):
        gone.result()
    later = held.submit(b"later", "a")
    held.finish()
    assert told
    assert later.result() is False


def test_workers_that_die_do_not_keep_a_server_from_stopping(world: World, desk: Desk) -> None:
    """Whoever was being checked is not tried again then."""
    held = Held(world, desk)
    desk.deadly = {b"first"}
    closing = threading.Thread(target=held.admission.close)
    closing.start()
    while not held.admission._closed:
        threading.Event().wait(0.01)
    desk.leave.release()
    closing.join(60)
    assert not closing.is_alive()
    with pytest.raises(AdmissionFailed, match="stopping"):
        held.tickets[0].result()
    assert desk.batches == [[b"first"]]
