"""What has happened so far in an election: the state that the record's rules read and change."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from itertools import chain

from crypto.elgamal import Ciphertext
from record.artifacts import (
    PART,
    DecryptedTally,
    EncryptedShares,
    EncryptedTally,
    KeyConfirmation,
    PollsClose,
    Result,
    TrusteeKeys,
)
from record.ballot_hashes import Chain
from record.election import ElectionContext, ElectionKeys
from record.manifest import Contest


class Phase(enum.IntEnum):
    """The phases of docs/record.md, "Order", in order."""

    KEYS = 1
    SHARES = 2
    CONFIRMATION = 3
    READY = 4
    OPEN = 5
    CLOSED = 6
    TALLIED = 7
    COUNTED = 8
    COMPLETE = 9


class Status(enum.IntEnum):
    """What became of a ballot."""

    SUBMITTED = 0
    CAST = 1
    CHALLENGED = 2


class Round(enum.IntEnum):
    """The rounds of a decryption session (spec 3.6.5)."""

    COMMITMENTS = 1
    SHARES = 2
    RESPONSES = 3


@dataclass(slots=True)
class BallotEntry:
    """Where a submitted ballot stands and what became of it."""

    index: int
    device: str
    status: Status = Status.SUBMITTED
    decided: int | None = None


@dataclass(slots=True)
class DeviceState:
    """A device's chain: `last` is its last code, or H_0, or empty without chaining."""

    chain: Chain
    last: bytes
    ballots: int = 0
    closed: bool = False


@dataclass(slots=True)
class SessionState:
    """How far each trustee of U is: `parts[round, i]` are the indices of its artifacts."""

    number: int
    trustees: tuple[int, ...]
    ciphertexts: int
    parts: dict[tuple[Round, int], list[int]] = field(default_factory=dict)

    def part_count(self) -> int:
        """Parts that each trustee sends in each round."""
        return -(-self.ciphertexts // PART)

    def done(self, round_: Round, trustee: int) -> bool:
        """Whether `trustee` has sent all parts of `round_`."""
        return len(self.parts.get((round_, trustee), ())) == self.part_count()

    def complete(self, round_: Round) -> bool:
        """Whether everybody in U has."""
        return all(self.done(round_, i) for i in self.trustees)


@dataclass(frozen=True, slots=True)
class Place:
    """One ciphertext of the encrypted tallies: contest and option indices, as hashed in (88)."""

    contest: int
    option: int
    ciphertext: Ciphertext


@dataclass(slots=True)
class State:
    """The fold of a record; changed by `Transcript.append` alone."""

    context: ElectionContext
    size: int = 1
    phase: Phase = Phase.KEYS
    trustee_keys: dict[int, TrusteeKeys] = field(default_factory=dict)
    encrypted_shares: dict[int, EncryptedShares] = field(default_factory=dict)
    confirmations: dict[int, KeyConfirmation] = field(default_factory=dict)
    keys: ElectionKeys | None = None
    devices: dict[str, DeviceState] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ballots: dict[bytes, BallotEntry] = field(default_factory=dict)
    identifiers: dict[bytes, int] = field(default_factory=dict)
    challenged: list[bytes] = field(default_factory=list)
    cast: int = 0
    close: PollsClose | None = None
    encrypted_tallies: list[EncryptedTally] = field(default_factory=list)
    session: SessionState | None = None
    decrypted_tallies: list[DecryptedTally] = field(default_factory=list)
    decrypted_options: int = 0
    opened: int = 0
    result: Result | None = None
    _places: tuple[Place, ...] = ()

    def all_keys(self) -> tuple[TrusteeKeys, ...]:
        """The key messages of trustees 1..n; complete from the shares phase on."""
        return tuple(self.trustee_keys[i] for i in range(1, self.context.trustees + 1))

    def need_keys(self) -> ElectionKeys:
        """The joint keys; there from the shares phase on."""
        if self.keys is None:
            raise AssertionError("the joint keys do not exist yet")
        return self.keys

    def counts(self) -> PollsClose:
        """What the close must say."""
        submitted, challenged = len(self.ballots), len(self.challenged)
        return PollsClose(submitted, self.cast, challenged, submitted - self.cast - challenged)

    def places(self) -> tuple[Place, ...]:
        """Every ciphertext to be decrypted, in the order of the rounds' entries."""
        if self.phase < Phase.TALLIED:
            return self._all_places()  # there are more to come
        if not self._places:
            self._places = self._all_places()
        return self._places

    def _all_places(self) -> tuple[Place, ...]:
        return tuple(
            chain.from_iterable(
                (
                    Place(self.contest(t.contest).index, j, c)
                    for j, c in enumerate(t.options, start=1)
                )
                for t in self.encrypted_tallies
            )
        )

    def contest(self, label: str) -> Contest:
        """The manifest's contest."""
        return self.context.manifest.contest(label)

    def unaccounted_devices(self) -> list[str]:
        """Devices that have neither closed nor been declared missing."""
        return [
            d.label
            for d in self.context.manifest.devices
            if d.label not in self.missing
            and not (d.label in self.devices and self.devices[d.label].closed)
        ]
