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

Only what will stand on the record counts for a group that has to have so many members, and
for its time: whoever sends what is refused, or the same twice, hides nobody and ends no wait.

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
        self.came = 0.0
        """When it was queued, by the sequencer's clock."""
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
        counted: Callable[[Sequence[Member[T, R]]], Sequence[Member[T, R]]] | None = None,
    ) -> None:
        """`settle` makes every member of a group succeed or fail; what it raises, all fail with.

        `counted` gives those of the members, in their order, that count for a group with a
        minimum; it settles who cannot be in. It is called under the lock: it must be quick.
        """
        self._settle = settle
        self._counted = counted
        self._timing = timing
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Member[T, R]] = []  # for a group to be large enough
        self._since = 0.0  # when the first of them came
        self._idle = 0  # so many of them are known not to count
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
            self._waiting, self._idle = [], 0
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
        # The last one may be turned away while others are on their way.
        for member in reversed(members):
            while not member.settled:
                if group := self._next_group(member):
                    self._settle_group(group)

    def _queue(self, member: Member[T, R]) -> None:
        member.came = self._clock()
        if member.manner is Manner.CLOSING:
            self._ready += [group for group in (self._own, self._waiting, [member]) if group]
            self._own, self._waiting, self._idle = [], [], 0
        elif member.manner is Manner.PATIENT or self._waits_for(member.sender):
            if self._closed is not None:
                member.fail(self._closed)
                return
            if not self._waiting:
                self._since = member.came
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
                elif not (self._ready or self._own or self._waiting):
                    raise AssertionError("a member waits that nobody knows of")
                elif (wait := self._due_in()) > 0:
                    # One of those that wait wakes up by itself, for all of them.
                    first = self._waiting[0].sender == member.sender
                    self._changed.wait(wait if first else None)
                elif group := self._take():
                    self._busy = True
                    return group
            return []

    def _due_in(self) -> float:
        """Seconds until there is a group to settle. Something waits."""
        if self._ready or self._own or self._enough():
            return 0.0
        return self._since + self._timing.interval - self._clock()

    def _take(self) -> list[Member[T, R]]:
        """The next group; what its senders sent before is in it or was settled.

        Empty if those who wait turn out not to be enough.
        """
        if self._ready:
            return self._ready.popleft()
        if self._waiting and (copies := self._complete()) is not None:
            most = self._timing.most + copies
            group, self._waiting = self._waiting[:most], self._waiting[most:]
            senders = {member.sender for member in group}
            before = [member for member in self._own if member.sender in senders]
            self._own = [member for member in self._own if member.sender not in senders]
            self._since = self._waiting[0].came if self._waiting else 0.0
            self._idle = 0
            return before + group
        most = self._timing.most
        group, self._own = self._own[:most], self._own[most:]
        return group

    def _complete(self) -> int | None:
        """None unless those who wait are a group; of how many there is another in it."""
        if not self._enough() and not self._late():
            return None
        if self._timing.minimum is None or self._counted is None:
            return 0
        senders = {member.sender for member in self._waiting}
        before = [member for member in self._own if member.sender in senders]
        try:
            counted = self._counted([*before, *self._waiting])
        except Exception:  # settling will say what is wrong
            return 0
        self._waiting = [member for member in self._waiting if not member.settled]
        self._changed.notify_all()
        self._idle = 0
        if not self._waiting:
            return None
        if not counted:
            return 0
        self._since = counted[0].came
        if len(counted) < self._timing.enough and not self._late():
            self._idle = len(self._waiting) - len(counted)
            return None
        return len(self._waiting) - len(counted)

    def _enough(self) -> bool:
        return len(self._waiting) - self._idle >= self._timing.enough

    def _late(self) -> bool:
        return self._since + self._timing.interval <= self._clock()

    def _settle_group(self, group: Sequence[Member[T, R]]) -> None:
        failure: BaseException = AssertionError("the group was settled without this member")
        try:
            self._settle(shuffled([member for member in group if not member.settled]))
        except Exception as error:
            failure = error
        except BaseException as error:  # this thread ends, and the others of the group do not
            failure = error
            raise
        finally:
            with self._changed:
                for member in group:
                    if not member.settled:
                        member.fail(failure)
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
