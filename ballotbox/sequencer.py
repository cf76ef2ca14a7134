"""Groups: what arrives at about the same time becomes part of the record together.

One transaction and one signature serve a whole group, and within a group the order is
drawn at random: the record says of a ballot no more than in which group it came. What
one role sent stays in the order in which it sent it.

What a voter does is *patient*: it waits until its group is large enough, or its first
member has waited long enough. What says nothing about voters does not wait, and neither
does it end the wait of others: it is settled in a group of its own, which may stand on
the record before what came earlier and waits. There are two exceptions:

- what its own sender sent before, and what waits, comes first: then it waits with it;
- what *closes* the door to others (the close of the polls, a device declared missing) has
  the waiting group settled first, however small it is, and then follows. Otherwise it
  would shut out votes that were here before it.

There is no thread for this. The first of those who wait settles the group for all of
them; who comes meanwhile forms the next group, whose first then takes over.
"""

from __future__ import annotations

import enum
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_GROUP = 256
"""Members of a group at most, unless a group has to have more."""


class Manner(enum.Enum):
    """How something waits for its group."""

    PATIENT = "patient"
    OWN = "own"
    CLOSING = "closing"


class Member(Generic[T, R]):
    """Something that waits to be settled, sent by `sender`.

    `after` is what the same sender sent just before, if this one means nothing without it.
    """

    def __init__(
        self,
        item: T,
        sender: str,
        manner: Manner = Manner.PATIENT,
        after: Member[T, R] | None = None,
    ) -> None:
        self.item = item
        self.sender = sender
        self.manner = manner
        self.after = after
        self._result: R | None = None
        self._error: BaseException | None = None
        self.settled = False

    def succeed(self, result: R) -> None:
        """It is in, with this result."""
        self._result, self.settled = result, True

    def fail(self, error: BaseException) -> None:
        """It is not in; `error` is raised where it came from."""
        self._error, self.settled = error, True

    @property
    def failed(self) -> bool:
        """Whether it was settled, and is not in."""
        return self._error is not None

    def result(self) -> R:
        """What was settled; raises the error."""
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise AssertionError("settled without a result")
        return self._result


@dataclass(frozen=True, slots=True)
class Timing:
    """When a group of patient members is settled.

    It has waited `interval` seconds since its first came, or has `minimum` members; without
    a minimum only `limit`, which is the most that a group takes, cuts the wait short.
    """

    interval: float = 0.0
    limit: int = MAX_GROUP
    minimum: int | None = None

    @property
    def enough(self) -> int:
        """So many members do not wait for more."""
        return self.limit if self.minimum is None else self.minimum

    @property
    def most(self) -> int:
        """Members of a group at most."""
        return max(self.limit, self.enough)


class Sequencer(Generic[T, R]):
    """Forms groups and has each settled once. Safe to use from several threads."""

    def __init__(
        self,
        settle: Callable[[Sequence[Member[T, R]]], None],
        timing: Timing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settle` makes every member of a group succeed or fail; what it raises, all fail with."""
        self._settle = settle
        self._timing = timing
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Member[T, R]] = []  # for a group to be large enough
        self._since = 0.0  # when the first of them came
        self._own: list[Member[T, R]] = []
        self._ready: deque[list[Member[T, R]]] = deque()  # settled before anything else
        self._busy = False
        self._closed: BaseException | None = None

    def turn_away(self, error: BaseException) -> None:
        """Let whoever waits for a group fail with `error`, from now on: the server stops."""
        with self._changed:
            self._closed = error
            for member in self._waiting:
                member.fail(error)
            self._waiting = []
            self._changed.notify_all()

    def submit(self, item: T, sender: str, manner: Manner = Manner.PATIENT) -> R:
        """Wait until the item's group is settled; returns its result or raises its error."""
        member: Member[T, R] = Member(item, sender, manner)
        self._enter([member])
        return member.result()

    def submit_chain(
        self, items: Sequence[tuple[T, Manner]], sender: str
    ) -> Sequence[Member[T, R]]:
        """Wait until all are settled, in this order and in as few groups as may be.

        Each is `after` the one before. Returns them settled; raises nothing of theirs.
        """
        members: list[Member[T, R]] = []
        for item, manner in items:
            members.append(Member(item, sender, manner, members[-1] if members else None))
        if members:
            self._enter(members)
        return members

    def _enter(self, members: Sequence[Member[T, R]]) -> None:
        with self._changed:
            for member in members:
                self._queue(member)
        last = members[-1]
        while not last.settled:
            if group := self._next_group(last):
                self._settle_group(group)

    def _queue(self, member: Member[T, R]) -> None:
        if member.manner is Manner.CLOSING:
            earlier, self._own, self._waiting = [*self._own, *self._waiting], [], []
            self._ready += [group for group in (earlier, [member]) if group]
        elif member.manner is Manner.PATIENT or self._waits_for(member.sender):
            if self._closed is not None:
                member.fail(self._closed)
                return
            if not self._waiting:
                self._since = self._clock()
            self._waiting.append(member)
        else:
            self._own.append(member)

    def _waits_for(self, sender: str) -> bool:
        return any(member.sender == sender for member in self._waiting)

    def _next_group(self, member: Member[T, R]) -> list[Member[T, R]]:
        """Wait until `member` is settled, or until there is a group to settle."""
        with self._changed:
            while not member.settled:
                if self._busy:
                    self._changed.wait()
                elif (wait := self._due_in()) <= 0:
                    self._busy = True
                    return self._take()
                else:
                    # One of those that wait wakes up by itself, for all of them.
                    first = self._waiting[0].sender == member.sender
                    self._changed.wait(wait if first else None)
            return []

    def _due_in(self) -> float:
        """Seconds until there is a group to settle. Something waits."""
        if self._ready or self._own or len(self._waiting) >= self._timing.enough:
            return 0.0
        return self._since + self._timing.interval - self._clock()

    def _take(self) -> list[Member[T, R]]:
        """The next group; what its senders sent before is in it or was settled."""
        if self._ready:
            return self._ready.popleft()
        most, timing = self._timing.most, self._timing
        full = len(self._waiting) >= timing.enough
        if self._waiting and (full or self._since + timing.interval <= self._clock()):
            group, self._waiting = self._waiting[:most], self._waiting[most:]
            senders = {member.sender for member in group}
            before = [member for member in self._own if member.sender in senders]
            self._own = [member for member in self._own if member.sender not in senders]
            self._since = self._clock()
            return before + group
        group, self._own = self._own[:most], self._own[most:]
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
