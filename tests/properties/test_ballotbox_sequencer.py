"""Groups: everything is settled once, in an order that is drawn, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballotbox.sequencer import Member, Sequencer, Timing, shuffled

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
