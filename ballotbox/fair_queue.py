"""A bounded queue in which no sender can crowd out another.

Items are taken from one sender after another, in turns. When the queue is full, a sender
that has fewer items waiting than another still gets in: the newest item of whoever has
the most gives way.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Full(Exception):
    """There is no room for another item of this sender."""


class FairQueue(Generic[T]):
    """At most `limit` items, and at most `share` of one sender. Guard it with a lock."""

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share
        self._waiting: dict[str, deque[T]] = {}  # in the order of their turns
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, sender: str, item: T) -> T | None:
        """Add an item behind the sender's others; returns the item that gave way, if one did.

        Raises Full.
        """
        mine = len(self._waiting.get(sender, ()))
        if mine >= self._share:
            raise Full
        gave_way = None
        if self._size >= self._limit:
            largest = max(self._waiting, key=lambda name: len(self._waiting[name]), default=sender)
            if len(self._waiting.get(largest, ())) <= mine + 1:
                raise Full
            gave_way = self._waiting[largest].pop()
            self._size -= 1
        self._waiting.setdefault(sender, deque()).append(item)
        self._size += 1
        return gave_way

    def take(self, most: int) -> list[T]:
        """Up to `most` items, one of each sender in turn; those of one sender in order."""
        taken: list[T] = []
        while len(taken) < most and self._waiting:
            sender = next(iter(self._waiting))
            items = self._waiting.pop(sender)
            taken.append(items.popleft())
            self._size -= 1
            if items:
                self._waiting[sender] = items  # behind all others
        return taken
