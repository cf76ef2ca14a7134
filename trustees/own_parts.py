"""What a trustee computes for its first two rounds, ahead of being asked for it.

`OwnParts` gives the parts of M_i, a_i, b_i and d_i in any order. What is not in the scratch
is computed, together with the parts behind it where there are processes for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeAlias

from record.artifacts import PART
from trustees.nonces import Session
from trustees.parallel import SERIAL, Executor
from trustees.parts import Places, ShareMaker, make_shares
from trustees.scratch import MemoryScratch, Scratch, SealedScratch

Progress: TypeAlias = Callable[[int, int, str], None]
"""Told after every part: how many ciphertexts are done, of how many, and what is done."""

_SHARES = "shares"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a session may use: processes, a place for what it has computed, an audience."""

    executor: Executor = SERIAL
    scratch: Scratch = field(default_factory=MemoryScratch)
    progress: Progress = lambda done, total, what: None


def part_count(session: Session) -> int:
    """How many parts each round has."""
    return -(-len(session.places) // PART)


def part_range(session: Session, part: int) -> range:
    """The places of a part."""
    if not 0 <= part < part_count(session):
        raise ValueError(f"there is no part {part}")
    return range(PART * part, min(PART * (part + 1), len(session.places)))


def part_places(session: Session, part: int) -> Places:
    """The ciphertexts of a part."""
    where = part_range(session, part)
    return Places(where.start, session.places[where.start : where.stop])


class OwnParts:
    """This trustee's shares and hashes as `make_shares` packs them, part by part. Secret."""

    def __init__(self, maker: ShareMaker, session: Session, resources: Resources) -> None:
        self.scratch = SealedScratch(resources.scratch, maker.nonce_key)
        self._maker = maker
        self._session = session
        self._resources = resources
        self._last: tuple[int, bytes] = (-1, b"")
        self._ahead: Generator[tuple[int, bytes], None, None] | None = None

    def known(self, part: int) -> bytes | None:
        """The part, if it does not have to be computed."""
        return self._last[1] if self._last[0] == part else self.scratch.get(_SHARES, part)

    def need(self, part: int) -> bytes:
        """The part, computed if it has to be."""
        data = self.known(part)
        if data is None:
            data = self._next(part)
            self.scratch.put(_SHARES, part, data)
            done, total = part_range(self._session, part).stop, len(self._session.places)
            self._resources.progress(done, total, "partial decryptions")
        self._last = part, data
        return data

    def close(self) -> None:
        """Stop what is being computed ahead."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _next(self, part: int) -> bytes:
        number, data = next(self._ahead, (-1, b"")) if self._ahead else (-1, b"")
        if number != part:
            self.close()
            self._ahead = self._from(part)
            _, data = next(self._ahead)
        return data

    def _from(self, first: int) -> Generator[tuple[int, bytes], None, None]:
        """The part `first` and those after it that are not in the scratch, with their numbers."""
        begun: deque[int] = deque()

        def tasks() -> Iterator[Places]:
            for part in range(first, part_count(self._session)):
                if part == first or self.known(part) is None:
                    begun.append(part)
                    yield part_places(self._session, part)

        count = part_count(self._session) - first
        results = self._resources.executor.map(make_shares, self._maker, tasks(), count)
        with closing(results):
            for data in results:
                yield begun.popleft(), data
