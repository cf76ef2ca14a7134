"""Trustees' machines around an election in memory: a hall in which they all sit.

    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 5, 3))
    hall.run()                                  # the ceremony, confirmations included
    hall.world.play_opening()
    hall.restart(2)                             # trustee 2 comes back from its key store
    hall.coordinator.start_decryption((1, 2, 4))

Messages go through the coordinator into a log in memory, which checks and proves them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crypto import sealing
from crypto.errors import Malformed, Rejected, SailauError
from crypto.parameters import Parameters
from crypto.sealing import SealedNonce
from identity.rolekeys import RoleKey
from record.artifacts import Artifact, DeviceClose, Role, Statement
from record.state import Phase, Round
from record.transcript import Transcript
from tally.tabulator import Tabulator
from tests.ballots import Encryptor, Plain, submit
from tests.cheating import Cheat, CheatingTrustee
from tests.decrypting import VOTES, close_polls
from tests.world import ADMINISTRATOR, World, manifest_bytes, public_bytes, trustee_name
from trustees.coordinator import Coordinator
from trustees.machine import Membership, Trustee
from trustees.messages import ConfirmationDue, Message, PostArtifact, PostNonceShares, Step
from trustees.reading import RecordCopy
from trustees.vault import SecretStore


@dataclass
class DictStore:
    """Secrets in memory, with the promises of a key store; `copy` is what a crash leaves."""

    values: dict[str, bytes] = field(default_factory=dict)
    history: list[dict[str, bytes]] = field(default_factory=list)

    @property
    def secrets(self) -> Mapping[str, bytes]:
        """What is stored."""
        return dict(self.values)

    def update(self, changes: Mapping[str, bytes]) -> None:
        """All at once."""
        self._write({**self.values, **changes})

    def remove(self, names: Iterable[str]) -> None:
        """What is not there is an error, as in the key store."""
        values = dict(self.values)
        for name in names:
            del values[name]
        self._write(values)

    def copy(self) -> DictStore:
        """Another store with the same contents."""
        return DictStore(dict(self.values))

    @property
    def writes(self) -> int:
        """How often something was written; `history` has what was there after each time."""
        return len(self.history)

    def _write(self, values: dict[str, bytes]) -> None:
        self.values = values
        self.history.append(values)


class MemoryLog:
    """A `record.log.Log` on a world. Safe to use from several threads."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._changed = threading.Condition(threading.RLock())

    @property
    def transcript(self) -> Transcript:
        """The world's."""
        return self.world.transcript

    def append(self, data: bytes) -> int:
        """Check, prove, take; known bytes give their index."""
        with self._changed:
            for index, known in enumerate(self.world.artifacts):
                if known.data == data:
                    return index
            return self._put(self.transcript.parse(data))

    def publish(self, statement: Statement) -> int:
        """Sign as the server."""
        with self._changed:
            return self._put(self.world.sign(statement))

    def read(self, index: int) -> Artifact:
        """The artifact at `index`."""
        return self.world.artifacts[index]

    def read_bytes(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts."""
        return [artifact.data for artifact in self.world.artifacts[first : first + limit]]

    def size(self) -> int:
        """How many there are."""
        return len(self.world.artifacts)

    def wait(self, size: int, timeout: float) -> int:
        """Wait for more than `size`."""
        with self._changed:
            self._changed.wait_for(lambda: self.size() > size, timeout)
            return self.size()

    def _put(self, artifact: Artifact) -> int:
        self.world.append_artifact(artifact)
        self._changed.notify_all()
        return self.size() - 1


@dataclass
class NonceShares:
    """The server's table of nonce shares, in memory."""

    rows: dict[tuple[int, bytes, int], bytes] = field(default_factory=dict)

    def save_nonce_shares(self, session: int, trustee: int, shares: Mapping[bytes, bytes]) -> None:
        """A later one replaces an earlier one."""
        self.rows.update({(session, code, trustee): m for code, m in shares.items()})

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """By code and trustee."""
        found: dict[bytes, dict[int, bytes]] = {}
        for (number, code, trustee), m in self.rows.items():
            if number == session:
                found.setdefault(code, {})[trustee] = m
        return found


class Hall:
    """A world, its log, its coordinator and all trustees."""

    def __init__(self, world: World, stores: Mapping[int, DictStore] | None = None) -> None:
        self.world = world
        self.log = MemoryLog(world)
        self.now = 0.0
        self.nonce_shares = NonceShares()
        self.coordinator = Coordinator(self.log, self.nonce_shares, lambda: self.now)
        self.verdicts: list[str | None] = []
        self.verdict: str | None = None
        self.checkpoints: list[int] = []
        indices = range(1, world.context.trustees + 1)
        self.stores = dict(stores) if stores else {i: DictStore() for i in indices}
        self.trustees = {i: self.make(i) for i in indices}
        self.posted: dict[int, list[Message]] = {i: [] for i in indices}
        self.refused: dict[int, list[SailauError]] = {}
        self.tabulator = Tabulator(self.log, self.nonce_shares, self._sign_checkpoint)

    def make(
        self, i: int, store: SecretStore | None = None, copy: RecordCopy | None = None
    ) -> Trustee:
        """Trustee i, from its store."""
        return Trustee(self.membership(i), store or self.stores[i], self._verify, copy)

    def cheat(self, i: int, cheat: Cheat) -> None:
        """Trustee i cheats from now on; what the server refuses is kept in `refused`."""
        store, self.refused[i] = self.stores[i], []
        self.trustees[i] = CheatingTrustee(self.membership(i), store, self._verify, cheat=cheat)

    def membership(self, i: int) -> Membership:
        """What trustee i's invitation says."""
        world = self.world
        return Membership(
            i,
            RoleKey(world.role_key(Role.TRUSTEE, trustee_name(i))),
            world.context.base_hash,
            public_bytes(world.role_key(Role.ADMINISTRATOR, ADMINISTRATOR)),
        )

    def restart(self, i: int) -> Trustee:
        """Trustee i's program is killed and started again."""
        self.stores[i] = self.stores[i].copy()
        self.trustees[i] = self.make(i)
        return self.trustees[i]

    def feed(self, i: int) -> Trustee:
        """Trustee i reads everything there is."""
        trustee = self.trustees[i]
        for artifact in self.log.read_bytes(trustee.size, self.log.size()):
            trustee.receive(artifact)
        return trustee

    def step(self, i: int) -> Step:
        """Trustee i reads everything and says what is due."""
        return self.feed(i).step()

    def post(self, i: int, message: Message) -> None:
        """The server takes a message of trustee i."""
        self.posted[i].append(message)
        if isinstance(message, PostArtifact):
            self.coordinator.post(i, self.coordinator.parse(i, message.data))
        else:
            self.coordinator.post_nonce_shares(i, message.session, message.shares)
        self.trustees[i].posted(message)

    def turn(self, i: int) -> bool:
        """One step of trustee i, posted and confirmed; whether there was anything to do."""
        if i in self.refused and self.trustees[i].refusal is not None:
            return False
        step = self.step(i)
        if isinstance(step.event, ConfirmationDue):
            self.confirm(i)
            return True
        if step.message is None:
            return False
        if i not in self.refused:
            self.post(i, step.message)
            return True
        size = self.log.size()
        try:
            self.post(i, step.message)
        except (Malformed, Rejected) as error:
            self.refused[i].append(error)
            return self.log.size() > size
        return True

    def confirm(self, i: int) -> None:
        """The person at trustee i has a backup and agrees."""
        self.trustees[i].confirm(dict(self.trustees[i].backup()))

    def run(self, only: Iterable[int] | None = None) -> None:
        """Turn after turn until nobody has anything to do."""
        indices = tuple(self.trustees if only is None else only)
        while any(self.turn(i) for i in indices):
            pass

    def attend(self, *indices: int) -> None:
        """These trustees are there now."""
        for i in indices:
            self.coordinator.attend(i)

    def decrypt(self, trustees: Sequence[int]) -> None:
        """A session of these trustees, up to the end of what they have to say."""
        self.attend(*trustees)
        self.coordinator.start_decryption(trustees)
        self.run()

    def _verify(self) -> str | None:
        self.verdicts.append(self.verdict)
        return self.verdict

    def _sign_checkpoint(self) -> None:
        self.checkpoints.append(self.log.size())


def ceremony(parameters: Parameters, n: int, k: int) -> Hall:
    """A hall whose trustees have made the keys."""
    hall = Hall(World.begin(parameters, manifest_bytes(), n, k))
    hall.run()
    return hall


def tallied(parameters: Parameters, n: int, k: int, votes: Sequence[Plain] = VOTES) -> Hall:
    """A hall whose election has been voted in and closed, with its encrypted tallies."""
    hall = ceremony(parameters, n, k)
    hall.world.play_opening()
    for plain in votes:
        submit(hall.world, plain)
    close_polls(hall.world)
    hall.tabulator.step()
    assert hall.world.state.phase is Phase.TALLIED
    return hall


def fork(hall: Hall) -> Hall:
    """The same hall, to go on differently: records, stores and trustees of its own."""
    old = hall.world
    world = World(old.secrets, list(old.artifacts), Transcript(old.artifacts[0]))
    for artifact in world.artifacts[1:]:
        world.transcript.append(artifact)
    other = Hall(world, {i: store.copy() for i, store in hall.stores.items()})
    other.nonce_shares.rows.update(hall.nonce_shares.rows)
    return other


def swap_closes(artifacts: list[Artifact]) -> None:
    """The devices close in another order; no rule and no signature is against it."""
    first, second = (n for n, a in enumerate(artifacts) if isinstance(a.statement, DeviceClose))
    artifacts[first], artifacts[second] = artifacts[second], artifacts[first]


class OtherNonce(Encryptor):
    """Seals another nonce than the one that it encrypts with."""

    def encrypted_nonce(self) -> SealedNonce:
        """Of a ballot nonce that opens nothing."""
        return sealing.seal_nonce(self.keys.data_key, self.h_i, bytes(32))


# --- what tests ask for


def counts(world: World) -> dict[tuple[str, str], tuple[int, ...]]:
    """The decrypted counts by unit and contest, where every unit is counted for itself."""
    return {
        (t.units[0], t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }


def same(before: Message | None, after: Message | None) -> bool:
    """Byte for byte; `repr` and equality of the dataclasses leave nothing out."""
    if isinstance(before, PostArtifact) and isinstance(after, PostArtifact):
        return before.data == after.data
    return before == after


def after_nonces(trustee: Trustee) -> Step:
    """What is due when the nonce shares, which a restart begins again, are posted."""
    step = trustee.step()
    while isinstance(step.message, PostNonceShares):
        trustee.posted(step.message)
        step = trustee.step()
    return step


def play_until(hall: Hall, round_: Round, who: tuple[int, ...]) -> None:
    """Turns until everybody in `who` has finished `round_`."""
    while True:
        session = hall.world.state.session
        assert session is not None
        if all(session.done(round_, i) for i in who):
            return
        assert any(hall.turn(i) for i in who if not session.done(round_, i))
