"""Groups: what arrives at about the same time becomes part of the record together.

One transaction and one signature serve a whole group, and within a group the order is
drawn at random: the record says of a ballot no more than in which group it came. What
one role sent stays in the order in which it sent it. What says nothing about voters need
not wait for others: a group of such members alone is settled at once.

There is no thread for this. Who comes first waits for the others and settles the group
for all of them; who comes meanwhile forms the next group, whose first then takes over.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_GROUP = 256
"""Members of a group at most."""


class Member(Generic[T, R]):
    """Something that waits to be settled, sent by `sender`."""

    def __init__(self, item: T, sender: str, patient: bool = True) -> None:
        self.item = item
        self.sender = sender
        self.patient = patient
        self._result: R | None = None
        self._error: BaseException | None = None
        self.settled = False

    def succeed(self, result: R) -> None:
        """It is in, with this result."""
        self._result, self.settled = result, True

    def fail(self, error: BaseException) -> None:
        """It is not in; `error` is raised where it came from."""
        self._error, self.settled = error, True

    def result(self) -> R:
        """What was settled; raises the error."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise AssertionError("settled without a result")
        return self._result


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a group waits for more, in seconds, and how many it takes at most."""

    interval: float = 0.0
    limit: int = MAX_GROUP


class Sequencer(Generic[T, R]):
    """Forms groups and has each settled once. Safe to use from several threads."""

    def __init__(self, settle: Callable[[Sequence[Member[T, R]]], None], timing: Timing) -> None:
        """`settle` makes every member of a group succeed or fail; what it raises, all fail with."""
        self._settle = settle
        self._timing = timing
        self._changed = threading.Condition()
        self._queue: list[Member[T, R]] = []
        self._busy = False

    def submit(self, item: T, sender: str, *, patient: bool = True) -> R:
        """Wait until the item's group is settled; returns its result or raises its error.

        A group in which nobody is `patient` does not wait for more.
        """
        member: Member[T, R] = Member(item, sender, patient)
        with self._changed:
            self._queue.append(member)
            if len(self._queue) >= self._timing.limit:
                self._changed.notify_all()
        while not member.settled:
            if group := self._next_group(member):
                self._settle_group(group)
        return member.result()

    def _next_group(self, member: Member[T, R]) -> list[Member[T, R]]:
        """Wait until `member` is settled, or until it is its turn to settle a group."""
        limit = self._timing.limit

        def complete() -> bool:
            return len(self._queue) >= limit or not any(m.patient for m in self._queue)

        with self._changed:
            self._changed.wait_for(lambda: member.settled or not self._busy)
            if member.settled:
                return []
            self._busy = True
            if self._timing.interval:
                self._changed.wait_for(complete, self._timing.interval)
            group, self._queue = self._queue[:limit], self._queue[limit:]
            return group

    def _settle_group(self, group: Sequence[Member[T, R]]) -> None:
        try:
            self._settle(shuffled(group))
        except Exception as error:
            for member in group:
                if not member.settled:
                    member.fail(error)
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()


def shuffled(group: Sequence[Member[T, R]]) -> list[Member[T, R]]:
    """The members in a random order, but those of one sender as they came."""
    waiting: dict[str, list[Member[T, R]]] = {}
    for member in group:
        waiting.setdefault(member.sender, []).append(member)
    order = [member.sender for member in group]
    secrets.SystemRandom().shuffle(order)
    places = {sender: iter(members) for sender, members in waiting.items()}
    return [next(places[sender]) for sender in order]
