"""What has happened so far in an election: the state that the record's rules read and change."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field

from crypto.elgamal import Ciphertext
from record.artifacts import (
    PART,
    Action,
    DecryptedTally,
    EncryptedShares,
    EncryptedTally,
    KeyCommitment,
    KeyConfirmation,
    Operation,
    PollsClose,
    Purpose,
    Result,
    ShareAnswer,
    TrusteeKeys,
)
from record.ballot_hashes import Chain
from record.election import ElectionContext, ElectionKeys
from record.manifest import Contest
from record.merkle import MerkleTree
from record.small_units import TallySet, partition


class Phase(enum.IntEnum):
    """The phases of docs/record.md, "Order", in order; an aborted election reaches none."""

    ABORTED = -1
    COMMITMENT = 0
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
    unit: str
    style: str
    status: Status = Status.SUBMITTED
    decided: int | None = None


@dataclass(slots=True)
class DeviceState:
    """A device's chain: `last` is its last code, or H_0, or empty without chaining."""

    chain: Chain
    last: bytes
    ballots: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One ciphertext to be decrypted: contest and option indices, as hashed in (88)."""

    contest: int
    option: int
    ciphertext: Ciphertext


@dataclass(slots=True)
class SessionState:
    """How far each trustee of U is: `parts[round, i]` are the indices of its artifacts.

    `ciphertexts` is their number (`sessions.places` gives them); `confirmation_code` is a
    ballot's, or empty; `over` says that a trustee of U was accused.
    """

    number: int
    trustees: tuple[int, ...]
    ciphertexts: int
    purpose: Purpose = Purpose.TALLY
    confirmation_code: bytes = b""
    parts: dict[tuple[Round, int], list[int]] = field(default_factory=dict)
    over: bool = False

    def part_count(self) -> int:
        """Parts that each trustee sends in each round."""
        return -(-self.ciphertexts // PART)

    def done(self, round_: Round, trustee: int) -> bool:
        """Whether `trustee` has sent all parts of `round_`."""
        return len(self.parts.get((round_, trustee), ())) == self.part_count()

    def complete(self, round_: Round) -> bool:
        """Whether everybody in U has."""
        return all(self.done(round_, i) for i in self.trustees)

    def round(self) -> Round | None:
        """The round that is on; None when all are complete."""
        return next((r for r in Round if not self.complete(r)), None)

    def answered(self) -> tuple[int, ...]:
        """Who has sent everything."""
        return tuple(i for i in self.trustees if self.done(Round.RESPONSES, i))


@dataclass(frozen=True, slots=True)
class Accused:
    """What a trustee is proved to have done: the check's id, and the accusation's index."""

    check: str
    index: int


@dataclass(slots=True)
class State:
    """The fold of a record; changed by `Transcript.append` alone.

    `configuration` is what the server last said about its settings, `last_server_action`
    whether it was started or stopped last.
    """

    context: ElectionContext
    size: int = 0
    phase: Phase = Phase.COMMITMENT
    tree: MerkleTree = field(default_factory=MerkleTree)
    round_root: bytes = b""
    key_commitments: dict[int, KeyCommitment] = field(default_factory=dict)
    trustee_keys: dict[int, TrusteeKeys] = field(default_factory=dict)
    encrypted_shares: dict[int, EncryptedShares] = field(default_factory=dict)
    confirmations: dict[int, KeyConfirmation] = field(default_factory=dict)
    complaints: dict[tuple[int, int], ShareAnswer | None] = field(default_factory=dict)
    accused: dict[int, Accused] = field(default_factory=dict)
    abandoned: str = ""
    keys: ElectionKeys | None = None
    devices: dict[str, DeviceState] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ballots: dict[bytes, BallotEntry] = field(default_factory=dict)
    identifiers: dict[bytes, int] = field(default_factory=dict)
    challenged: list[bytes] = field(default_factory=list)
    cast: int = 0
    cast_in: Counter[tuple[str, int]] = field(default_factory=Counter)
    close: PollsClose | None = None
    encrypted_tallies: list[EncryptedTally] = field(default_factory=list)
    session: SessionState | None = None
    last_session: int = 0
    drill: SessionState | None = None
    decrypted_tallies: list[DecryptedTally] = field(default_factory=list)
    decrypted_options: int = 0
    opened: int = 0
    result: Result | None = None
    operations: set[Operation] = field(default_factory=set)
    configuration: str = ""
    last_server_action: Action | None = None
    _sets: tuple[TallySet, ...] | None = None
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

    def eligible(self) -> tuple[int, ...]:
        """The trustees that are not accused, ascending."""
        return tuple(i for i in range(1, self.context.trustees + 1) if i not in self.accused)

    def tally_sets(self) -> tuple[TallySet, ...]:
        """What is tallied: docs/record.md, "Small units"; there from the close on."""
        if self.close is None:
            raise AssertionError("who is counted with whom is not known before the close")
        if self._sets is None:
            self._sets = partition(self.context.manifest, self.cast_in)
        return self._sets

    def tally_places(self) -> tuple[Place, ...]:
        """Every ciphertext of the encrypted tallies, in the order of the record."""
        if self.phase < Phase.TALLIED:
            return self._all_places()  # there are more to come
        if not self._places:
            self._places = self._all_places()
        return self._places

    def _all_places(self) -> tuple[Place, ...]:
        return tuple(
            Place(self.contest(t.contest).index, j, c)
            for t in self.encrypted_tallies
            for j, c in enumerate(t.options, start=1)
        )

    def advance(self) -> None:
        """Leave the phases after the close as soon as everything they wait for is there."""
        if self.phase is Phase.CLOSED and len(self.encrypted_tallies) == len(self.tally_sets()):
            self.phase = Phase.TALLIED
        if (
            self.phase is Phase.TALLIED
            and len(self.decrypted_tallies) == len(self.encrypted_tallies)
            and self.opened == len(self.challenged)
        ):
            self.phase = Phase.COUNTED

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
