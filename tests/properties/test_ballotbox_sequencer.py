"""Groups: everything is settled once, in an order that is drawn, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballotbox.sequencer import Manner, Member, Sequencer, Timing, shuffled

Group = Sequence[Member[int, int]]


class Ledger:
    """Settles groups by writing them down; a negative number fails."""

    def __init__(self, pause: float = 0.0) -> None:
        self.groups: list[list[int]] = []
        self.pause = pause
        self._inside = threading.Lock()

    def settle(self, group: Group) -> None:
        """One group at a time."""
        assert self._inside.acquire(blocking=False), "two groups at once"
        time.sleep(self.pause)
        self.groups.append([member.item for member in group])
        for member in group:
            if member.item < 0:
                member.fail(ValueError(str(member.item)))
            else:
                member.succeed(member.item * 2)
        self._inside.release()


@pytest.mark.parametrize("timing", [Timing(), Timing(0.02), Timing(0.02, 3), Timing(0.0, 1)])
def test_everything_is_settled_once(timing: Timing) -> None:
    """Many threads: each gets the answer to its own item, in groups that are not too large."""
    ledger = Ledger()
    sequencer = Sequencer(ledger.settle, timing)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: sequencer.submit(n, f"device {n % 5}"), range(100)))
    assert answers == [2 * n for n in range(100)]
    assert sorted(n for group in ledger.groups for n in group) == list(range(100))
    assert max(map(len, ledger.groups)) <= timing.limit


def test_what_comes_meanwhile_is_one_group() -> None:
    """While one group is settled the next one gathers, without an interval, too."""
    ledger = Ledger(pause=0.05)
    sequencer = Sequencer(ledger.settle, Timing())
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: sequencer.submit(n, str(n)), range(20)))
    assert len(ledger.groups) <= 5


def test_a_full_group_does_not_wait() -> None:
    """The interval is for quiet hours."""
    ledger = Ledger()
    sequencer = Sequencer(ledger.settle, Timing(interval=30.0, limit=4))
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda n: sequencer.submit(n, str(n)), range(4)))) == 4
    assert len(ledger.groups) == 1


def test_one_failure_is_one_member() -> None:
    """Who fails gets its error; the others of the group are in."""
    ledger = Ledger()
    sequencer = Sequencer(ledger.settle, Timing(0.05))
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(sequencer.submit, n, str(n)) for n in (1, -2, 3)]
    assert [futures[0].result(), futures[2].result()] == [2, 6]
    with pytest.raises(ValueError, match="-2"):
        futures[1].result()


def test_a_group_that_cannot_be_settled_fails_as_one() -> None:
    """A full disk: everybody hears of it, and the next group is tried again."""
    broken = True

    def settle(group: Group) -> None:
        if broken:
            raise OSError("the disk is full")
        for member in group:
            member.succeed(member.item)

    sequencer = Sequencer(settle, Timing(0.02))
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(sequencer.submit, n, str(n)) for n in range(4)]
    for future in futures:
        with pytest.raises(OSError, match="full"):
            future.result()
    broken = False
    assert sequencer.submit(7, "again") == 7


@given(st.lists(st.integers(0, 3), max_size=30))
def test_the_order_of_one_sender_stays(senders: list[int]) -> None:
    """Shuffled: the same members, and those of each sender as they came."""
    group: list[Member[int, int]] = [Member(n, str(who)) for n, who in enumerate(senders)]
    mixed = shuffled(group)
    assert sorted(m.item for m in mixed) == list(range(len(group)))
    for who in set(senders):
        mine = [m.item for m in mixed if m.sender == str(who)]
        assert mine == sorted(mine)


def test_the_order_of_different_senders_is_drawn() -> None:
    """Of 20 members of 20 senders, two drawings are the same once in 20! times."""
    group: list[Member[int, int]] = [Member(n, str(n)) for n in range(20)]
    assert [m.item for m in shuffled(group)] != [m.item for m in shuffled(group)]


# --- groups that have a minimum, and what does not wait


class Watch:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A sequencer whose patient members wait an hour, and threads that wait there."""

    def __init__(self, **timing: int) -> None:
        self.ledger, self.watch = Ledger(), Watch()
        self.sequencer = Sequencer(self.ledger.settle, Timing(3600.0, **timing), self.watch)
        self.threads: list[threading.Thread] = []

    def send(self, number: int, sender: str, manner: Manner = Manner.PATIENT) -> None:
        """From a thread of its own; returns once it is queued."""
        self.chain([(number, manner)], sender)

    def chain(self, items: list[tuple[int, Manner]], sender: str) -> None:
        queued = threading.Event()
        real = self.sequencer._next_group

        def run() -> None:
            self.sequencer.submit_chain(items, sender)

        def next_group(member: Member[int, int]) -> list[Member[int, int]]:
            queued.set()
            return real(member)

        self.sequencer._next_group = next_group  # type: ignore[method-assign]
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()
        assert queued.wait(60)
        self.sequencer._next_group = real  # type: ignore[method-assign]

    def join(self) -> list[list[int]]:
        """Every thread got its answer; the groups, each in ascending order."""
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()
        return [sorted(group) for group in self.ledger.groups]


def test_a_group_waits_for_its_minimum() -> None:
    """Two wait; the third settles all of them."""
    scene = Scene(minimum=3)
    scene.send(1, "a")
    scene.send(2, "b")
    assert scene.ledger.groups == []
    scene.send(3, "c")
    assert scene.join() == [[1, 2, 3]]


def test_a_group_does_not_wait_longer_than_it_may() -> None:
    """By the clock of its first member, whoever comes then."""
    scene = Scene(minimum=100)
    scene.send(1, "a")
    scene.watch.now = 3599.0
    scene.send(2, "b")
    assert scene.ledger.groups == []
    scene.watch.now = 3600.0
    scene.send(3, "c")
    assert scene.join() == [[1, 2, 3]]


def test_a_minimum_may_be_more_than_the_usual_limit() -> None:
    """The limit is for those without."""
    assert Timing(limit=256, minimum=1000).most == 1000
    assert Timing(limit=256, minimum=2).most == 256


def test_what_says_nothing_about_voters_does_not_wait_and_ends_no_wait() -> None:
    """It is a group of its own, before those who wait."""
    scene = Scene(minimum=3)
    scene.send(1, "a")
    scene.send(2, "trustee", Manner.OWN)
    scene.threads[-1].join(60)
    assert scene.ledger.groups == [[2]]
    scene.send(3, "b")
    scene.send(4, "c")
    assert scene.join() == [[2], [1, 3, 4]]


def test_nothing_overtakes_what_its_own_sender_sent_before() -> None:
    """A device's close waits with its last ballot, and comes after it."""
    scene = Scene(minimum=3)
    scene.send(1, "a")
    scene.send(2, "a", Manner.OWN)
    assert scene.ledger.groups == []
    scene.send(3, "b")
    scene.join()
    (group,) = scene.ledger.groups
    assert group.index(1) < group.index(2)


def test_what_closes_the_door_lets_those_who_wait_in_first() -> None:
    """However few they are: a vote that was there before the close is not shut out."""
    scene = Scene(minimum=100)
    scene.send(1, "a")
    scene.send(2, "b")
    scene.send(3, "administrator", Manner.CLOSING)
    assert scene.join() == [[1, 2], [3]]


def test_a_chain_is_settled_in_order_and_in_one_group() -> None:
    """A stream of one sender: what does not wait is not behind what does, and nothing is lost."""
    scene = Scene(minimum=3)
    patient = [(n, Manner.PATIENT) for n in (2, 3, 4)]
    scene.chain([(1, Manner.OWN), *patient, (5, Manner.OWN)], "a")
    scene.join()
    assert [n for group in scene.ledger.groups for n in group] == [1, 2, 3, 4, 5]
    assert scene.ledger.groups[-1][-4:] == [2, 3, 4, 5]


def test_a_chain_knows_what_failed_before() -> None:
    """Each member knows the one before; whoever settles them may stop there."""

    def settle(group: Group) -> None:
        for member in group:
            if member.item < 0 or (member.after is not None and member.after.failed):
                member.fail(ValueError(str(member.item)))
            else:
                member.succeed(member.item)

    sequencer = Sequencer(settle, Timing())
    items = [(n, Manner.PATIENT) for n in (1, -2, 3, 4)]
    members = sequencer.submit_chain(items, "a")
    assert [member.failed for member in members] == [False, True, True, True]
    assert sequencer.submit_chain([], "a") == []


# --- whoever wants to end the wait of others without standing on the record


class Choosy(Scene):
    """Negative numbers are refused, and a number counts once."""

    def __init__(self, **timing: int) -> None:
        super().__init__(**timing)
        self.sequencer = Sequencer(
            self.ledger.settle, Timing(3600.0, **timing), self.watch, self.counted
        )

    @staticmethod
    def counted(members: Group) -> Group:
        """One of each number that is not refused."""
        for member in members:
            if member.item < 0:
                member.fail(ValueError(str(member.item)))
        return list({m.item: m for m in reversed(members) if m.item >= 0}.values())[::-1]


def test_what_is_refused_fills_no_group() -> None:
    """Three who will not be in do not make two a group of five; they hear of it at once."""
    scene = Choosy(minimum=3)
    scene.send(1, "a")
    scene.chain([(-2, Manner.PATIENT), (-3, Manner.PATIENT), (-4, Manner.PATIENT)], "b")
    scene.threads[-1].join(60)
    scene.send(5, "c")
    assert scene.ledger.groups == []
    scene.send(6, "d")
    assert scene.join() == [[1, 5, 6]]


def test_the_same_twice_fills_no_group() -> None:
    """All who sent it get the answer, with the group."""
    scene = Choosy(minimum=3)
    for _ in range(5):
        scene.send(1, "a")
    scene.send(2, "b")
    assert scene.ledger.groups == []
    scene.send(3, "c")
    assert scene.join() == [[1, 1, 1, 1, 1, 2, 3]]


def test_what_is_refused_starts_no_clock() -> None:
    """Who comes just before the end of its time does not go in alone."""
    scene = Choosy(minimum=4)
    scene.send(-1, "a")
    scene.watch.now = 3599.0
    scene.send(2, "b")
    scene.watch.now = 3600.0
    scene.send(3, "c")
    scene.threads[0].join(60)
    scene.send(4, "d")
    scene.send(5, "e")
    assert scene.join() == [[2, 3, 4, 5]]


def test_a_count_that_cannot_be_made_keeps_nobody_waiting() -> None:
    """A database that is away: the group is tried as it is."""

    def broken(_: Group) -> Group:
        raise OSError("away")

    scene = Scene(minimum=2)
    scene.sequencer._counted = broken
    scene.send(1, "a")
    scene.send(2, "b")
    assert scene.join() == [[1, 2]]


# --- nobody waits for ever


def test_who_is_turned_away_leaves_nothing_behind() -> None:
    """A device begins while the server stops: its begin is answered, its ballot turned away."""
    ledger = Ledger()
    sequencer = Sequencer(ledger.settle, Timing(3600.0, minimum=5))
    sequencer.turn_away(OSError("stopping"))
    begin, ballot = sequencer.submit_chain([(1, Manner.OWN), (2, Manner.PATIENT)], "a")
    assert begin.result() == 2
    with pytest.raises(OSError, match="stopping"):
        ballot.result()


@pytest.mark.parametrize("error", [SystemExit(), None])
def test_a_group_that_is_not_settled_is_not_waited_for(error: BaseException | None) -> None:
    """Whatever ends the thread that settles it: the others hear of it, and the next go on."""
    entered, leave, first = threading.Event(), threading.Event(), [True]

    def settle(group: Group) -> None:
        if first and first.pop():
            entered.set()
            assert leave.wait(60)
            if error is not None:
                raise error
            return
        for member in group:
            member.succeed(member.item)

    sequencer = Sequencer(settle, Timing(0.2))
    failures: list[BaseException] = []

    def submit(number: int) -> None:
        try:
            sequencer.submit(number, str(number))
        except BaseException as caught:
            failures.append(caught)

    threads = [threading.Thread(target=submit, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    leave.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures
    assert sequencer.submit(7, "again") == 7
