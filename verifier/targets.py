"""What a decryption session decrypts: the tallies, a ballot, or the ciphertext of a drill."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

from gmpy2 import mpz

from verifier.ballot_hashes import contests_of
from verifier.ceremony import JointKeys
from verifier.counting import Counting, candidates
from verifier.findings import Findings, Place
from verifier.group import Group
from verifier.hashing import index
from verifier.manifest import Manifest
from verifier.options import Option, usable
from verifier.schema import pb
from verifier.small_units import TallySet
from verifier.wire import Reader

Ciphertext = tuple[mpz, mpz]
_DRILL = b"sailau.v1.drill\0"


class Target(Protocol):
    """The ciphertexts of a session, counted from 0."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def place(self, place: Place, i: int) -> Place:
        """Say which ciphertext is meant."""
        ...

    def indices(self, i: int) -> tuple[int, int]:
        """Return the contest's and the option's index in (88) and (90)."""
        ...

    def ciphertexts(self, i: int) -> list[Ciphertext]:
        """Return what the shares of a ciphertext may be of: usually one (A, B)."""
        ...

    def option(self, i: int) -> Option | None:
        """Return the published decryption of a ciphertext, if there is one."""
        ...


class TallyTarget:
    """All options of all encrypted tallies."""

    def __init__(self, group: Group, counting: Counting) -> None:
        """Take the tallies, encrypted and decrypted."""
        self._group = group
        self._counting = counting
        self._ciphertexts = counting.ciphertexts()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ciphertexts)

    def key(self, i: int) -> tuple[TallySet, int]:
        """Return the units and contest of a ciphertext, and its option's position from 0."""
        cell, option = self._ciphertexts[i]
        return (cell.units, cell.contest.label), option

    def place(self, place: Place, i: int) -> Place:
        """Say which option of which tally."""
        cell, option = self._ciphertexts[i]
        label = cell.contest.options[option]
        return place.at(units=cell.units, contest=cell.contest.label, option=label)

    def indices(self, i: int) -> tuple[int, int]:
        """Return the contest's and the option's index."""
        cell, option = self._ciphertexts[i]
        return cell.contest.index, option + 1

    def ciphertexts(self, i: int) -> list[Ciphertext]:
        """Return (A, B), or both that it may be where 9.A or 9.B has failed."""
        cell, option = self._ciphertexts[i]
        return [pair for pair in candidates(cell, option) if usable(self._group, pair)]

    def option(self, i: int) -> Option | None:
        """Return the option of the decrypted tally."""
        cell, option = self._ciphertexts[i]
        return self._counting.decrypted.get((cell.units, cell.contest.label), {}).get(option)


class DrillTarget:
    """The one ciphertext of a drill, which everybody can make (docs/record.md, "Drills")."""

    def __init__(self, group: Group, keys: JointKeys, number: int) -> None:
        """Take the drill's number; its ciphertext is made when somebody decrypts it."""
        self._group, self._key, self._number = group, keys.vote, number
        digest = hmac.digest(keys.extended_hash, _DRILL + index(number), "sha256")
        self._nonce = mpz(int.from_bytes(digest, "big")) % group.q

    @cached_property
    def factor(self) -> mpz:
        """What M must be: K^xi."""
        return self._group.power(self._key, self._nonce)

    @cached_property
    def _pair(self) -> Ciphertext:
        beta = self._group.power(self._key, (self._nonce + self._number) % self._group.q)
        return self._group.g_power(self._nonce), beta

    def __len__(self) -> int:
        """One."""
        return 1

    def place(self, place: Place, i: int) -> Place:
        """There is only one."""
        return place

    def indices(self, i: int) -> tuple[int, int]:
        """Contest 0, which no manifest has, and the session's number."""
        return 0, self._number

    def ciphertexts(self, i: int) -> list[Ciphertext]:
        """Return the ciphertext."""
        return [self._pair]

    def option(self, i: int) -> Option | None:
        """Nothing is published."""
        return None


class BallotTarget:
    """All selections of a challenged ballot, in the order of the ballot."""

    def __init__(self, group: Group, manifest: Manifest, ballot: pb.Ballot, code: bytes) -> None:
        """Take a ballot of the record, which was checked before."""
        quiet = Reader(group, Findings(), Place(), "")
        self._group = group
        self._code = code.hex()
        self.published: Mapping[int, Option] = {}
        self._items = [
            (
                (contest.index, j),
                (known.label, known.options[j - 1]),
                (quiet.element(selection.alpha, "alpha"), quiet.element(selection.beta, "beta")),
            )
            for contest, known in contests_of(manifest, ballot)
            for j, selection in enumerate(contest.selections, start=1)
        ]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def place(self, place: Place, i: int) -> Place:
        """Say which option on which ballot."""
        contest, option = self._items[i][1]
        return place.at(ballot=self._code, contest=contest, option=option)

    def labels(self) -> list[tuple[str, str]]:
        """Return the contest and option of each."""
        return [labels for _, labels, _ in self._items]

    def indices(self, i: int) -> tuple[int, int]:
        """Return the contest's and the option's index."""
        return self._items[i][0]

    def ciphertexts(self, i: int) -> list[Ciphertext]:
        """Return alpha and beta."""
        pair = self._items[i][2]
        return [pair] if usable(self._group, pair) else []

    def option(self, i: int) -> Option | None:
        """Return the option of the decrypted ballot, once that has been read."""
        return self.published.get(i)
