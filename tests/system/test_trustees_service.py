"""Trustees' programs and the coordinator over gRPC with TLS on loopback."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ballotbox.board import Board
from ballotbox.client import AdministrationClient
from ballotbox.store import SqliteStore
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from identity.rolekeys import RoleKey
from identity.roles import Role
from record.artifacts import Accusation, CeremonyAbandoned, KeyCommitment
from record.artifacts import Role as SigningRole
from record.state import Phase
from rpc.errors import Denied, Unavailable
from tally.tabulator import Tabulator
from tests.ballots import submit
from tests.cheating import Cheat, CheatingTrustee, WrongResponse
from tests.decrypting import EXPECTED, VOTES, close_polls
from tests.listening import Listening, Network
from tests.ports import free_port
from tests.system.programs import PATIENCE, wait_until
from tests.trustee_machines import DictStore
from tests.world import ADMINISTRATOR, World, manifest_bytes, public_bytes, trustee_name
from trustees import attendance, vault
from trustees.client import (
    AnotherProgram,
    CoordinatorClient,
    Disconnected,
    TrusteeClient,
    feed,
    program_of,
)
from trustees.coordinator import Coordinator
from trustees.machine import Membership, Trustee
from trustees.messages import Aborted, ConfirmationDue, PostNonceShares
from trustees.service import CoordinatorServicer, add_to

pytestmark = pytest.mark.system


class Server:
    """A board, a coordinator and a tabulator behind TLS, on a database that outlives them."""

    def __init__(self, path: Path, world: World, network: Network, port: int = 0) -> None:
        self.world = world
        base_hash = world.context.base_hash
        known = path.exists()
        self.store = (SqliteStore.open if known else SqliteStore.create)(path, base_hash)
        self.board = Board.open(
            self.store,
            world.artifacts[0],
            server_key=world.role_key(SigningRole.SERVER),
            log_key=world.secrets.log,
        )
        self.coordinator = Coordinator(self.board, self.store)
        self.tabulator = Tabulator(self.board, self.store, self.board.sign_checkpoint)
        servicer = CoordinatorServicer(self.board, self.coordinator)
        self.listening = Listening(
            self.board,
            network=network,
            port=port,
            start_decryption=self.coordinator.start_decryption,
            start_drill=self.coordinator.start_drill,
            present=self.coordinator.present,
            notices=self.coordinator.notices,
            add=lambda server: add_to(server, servicer),
        )
        self.listening.__enter__()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.tabulator.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        """End everything but the database file."""
        self._stop.set()
        self.listening.__exit__(None, None, None)
        self._thread.join()
        self.store.close()

    def follow(self) -> None:
        """Bring the world up to what the board has."""
        for n in range(len(self.world.artifacts), self.board.size()):
            self.world.append_artifact(self.board.read(n))

    def put(self, play: Callable[[], object]) -> None:
        """Play something on the world and send it to the board."""
        self.follow()
        before = len(self.world.artifacts)
        play()
        for data in self.world.data()[before:]:
            self.board.append(data)

    def wait(self, done: Callable[[Board], bool]) -> None:
        """Until the board has come so far."""
        deadline = time.monotonic() + PATIENCE
        while not done(self.board):
            assert time.monotonic() < deadline, self.coordinator.notices()
            self.board.wait(self.board.size(), 0.1)


class Person:
    """A trustee's program in a thread."""

    def __init__(self, world: World, network: Network, port: int, i: int) -> None:
        self.store = DictStore()
        self.program = secrets.token_bytes(16)
        self.agrees = True
        self.cheat = Cheat()
        self._world, self._network, self._port, self._i = world, network, port, i
        self.events: list[object] = []
        self.aborted: Aborted | None = None
        self.failure: Exception | None = None

    def start(
        self,
        until: Callable[[Trustee], bool] = lambda trustee: False,
        progress: Callable[[object], None] = lambda event: None,
    ) -> Person:
        """A new process: what is left of an earlier one is the store."""
        world, i = self._world, self._i
        membership = Membership(
            i,
            RoleKey(world.role_key(SigningRole.TRUSTEE, trustee_name(i))),
            world.context.base_hash,
            public_bytes(world.role_key(SigningRole.ADMINISTRATOR, ADMINISTRATOR)),
        )

        def tell(event: object) -> None:
            self.events.append(event)
            progress(event)

        self.store = self.store.copy()
        self.trustee = CheatingTrustee(membership, self.store, lambda: None, cheat=self.cheat)
        self._channel = self._network.role_channel(self._port, Role.TRUSTEE, trustee_name(i))
        self.client = TrusteeClient(
            self.trustee,
            self._channel,
            confirm=lambda _, values: dict(values) if self.agrees else None,
            progress=tell,
            program=self.program,
        )
        self._thread = threading.Thread(target=self._run, args=(until,), daemon=True)
        self._thread.start()
        return self

    def join(self) -> None:
        """Until `run` has returned."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._channel.close()

    def stop(self) -> None:
        """Close the program."""
        self.client.stop()
        self.join()

    def _run(self, until: Callable[[Trustee], bool]) -> None:
        try:
            self.aborted = self.client.run(until)
        except Exception as error:
            self.failure = error


@pytest.fixture
def network() -> Network:
    """Certificates."""
    return Network()


@pytest.fixture
def world() -> World:
    """An election of three trustees, two of whom are enough, before its ceremony."""
    return World.begin(TOY[-1], manifest_bytes(), 3, 2)


@pytest.fixture
def server(tmp_path: Path, world: World, network: Network) -> Iterator[Server]:
    """Its server."""
    server = Server(tmp_path / "board.db", world, network)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to wait long for a server that is back."""
    monkeypatch.setattr(feed, "LONGEST_PAUSE", 0.4)
    monkeypatch.setattr(feed, "ATTEND_EVERY", 0.2)
    monkeypatch.setattr(attendance, "PRESENT", 5.0)


def people(server: Server, world: World, network: Network) -> list[Person]:
    """All trustees, not started."""
    port = server.listening.roles.port
    return [Person(world, network, port, i) for i in (1, 2, 3)]


def phase_is(phase: Phase) -> Callable[[Board], bool]:
    return lambda board: board.transcript.phase >= phase


def has_answered(board: Board) -> tuple[int, ...]:
    """Who has answered the last drill."""
    drill = board.transcript.state.drill
    return () if drill is None else drill.answered()


# --- a whole election


def test_election(server: Server, world: World, network: Network) -> None:
    """Three programs make the keys and answer a drill; after the close two of them decrypt."""
    trustees = people(server, world, network)
    for person in trustees:
        person.start()
    server.wait(phase_is(Phase.READY))
    server.wait(lambda board: len(server.coordinator.present()) == 3)
    channel = server.listening.role_channel(Role.ADMINISTRATOR, ADMINISTRATOR)
    administration = AdministrationClient(channel, deadline=PATIENCE)
    assert administration.start_drill() == (1, (1, 2, 3))
    server.wait(lambda board: has_answered(board) == (1, 2, 3))
    trustees[1].stop()
    server.put(world.play_opening)
    server.put(lambda: [submit(world, plain) for plain in VOTES])
    server.put(lambda: close_polls(world))
    server.wait(phase_is(Phase.TALLIED))
    server.wait(lambda board: set(server.coordinator.present()) >= {1, 3})
    assert administration.start_decryption((1, 3)) == (2, (1, 3))
    server.wait(phase_is(Phase.COUNTED))
    tallies = server.board.transcript.state.decrypted_tallies
    assert {(t.units[0], t.contest): tuple(o.count for o in t.options) for t in tallies} == EXPECTED
    for person in (trustees[0], trustees[2]):
        person.stop()
        assert person.failure is None
    assert server.tabulator.notices() == ()


def test_cheat_in_a_decryption(server: Server, world: World, network: Network) -> None:
    """One of three answers wrongly: it learns that it was found out, and the others finish."""
    trustees = people(server, world, network)
    trustees[1].cheat = WrongResponse()
    for person in trustees:
        person.start()
    server.wait(phase_is(Phase.READY))
    server.put(world.play_opening)
    server.put(lambda: [submit(world, plain) for plain in VOTES])
    server.put(lambda: close_polls(world))
    server.wait(phase_is(Phase.TALLIED))
    server.wait(lambda board: len(server.coordinator.present()) == 3)
    assert server.coordinator.start_decryption() == (1, (1, 2, 3))
    server.wait(phase_is(Phase.COUNTED))
    state = server.board.transcript.state
    assert {i: accused.check for i, accused in state.accused.items()} == {2: "R.decryption-share"}
    trustees[1].join()
    assert isinstance(trustees[1].failure, Rejected)
    assert trustees[1].failure.check == "R.decryption-share"
    for person in (trustees[0], trustees[2]):
        person.stop()
        assert person.failure is None


def test_stopped_after_every_event(server: Server, world: World, network: Network) -> None:
    """Programs that stop after each thing they say, and start again, come to the same end."""
    trustees = people(server, world, network)
    for person in trustees[1:]:
        person.start()
    stopping, starts = trustees[0], 0
    while not phase_is(Phase.READY)(server.board):
        stopping.start(progress=lambda event: stopping.client.stop())
        stopping.join()
        assert stopping.failure is None
        starts += 1
        assert starts < 200
    assert starts > 3
    for person in trustees[1:]:
        person.stop()
        assert person.failure is None


def test_server_restarts(tmp_path: Path, world: World, network: Network) -> None:
    """While the server is away nothing is lost; the programs come back by themselves."""
    path, port = tmp_path / "board.db", free_port()
    server = Server(path, world, network, port)
    trustees = people(server, world, network)
    trustees[0].start()
    server.wait(lambda board: board.size() == 2)
    server.stop()
    wait_until(lambda: any(isinstance(e, Disconnected) for e in trustees[0].events))
    server = Server(path, world, network, port)
    for person in trustees[1:]:
        person.start()
    server.wait(phase_is(Phase.READY))
    for person in trustees:
        person.stop()
        assert person.failure is None
    server.stop()


def test_until(server: Server, world: World, network: Network) -> None:
    """`run` returns when what it was asked to wait for has happened."""
    trustees = people(server, world, network)
    for person in trustees:
        person.start(until=lambda trustee: trustee.phase is Phase.READY)
    for person in trustees:
        person.join()
        assert person.failure is None
        assert person.trustee.phase is Phase.READY


def test_nobody_confirms_for_a_person(server: Server, world: World, network: Network) -> None:
    """A person who finds a difference does not agree, and the ceremony does not go on."""
    trustees = people(server, world, network)
    trustees[0].agrees = False
    for person in trustees:
        person.start()
    server.wait(lambda board: len(board.transcript.state.confirmations) == 2)
    asked = ConfirmationDue
    server.wait(lambda board: any(isinstance(e, asked) for e in trustees[0].events))
    for person in trustees:
        person.stop()
    assert 1 not in server.board.transcript.state.confirmations
    trustees[0].agrees = True
    trustees[0].start()
    server.wait(phase_is(Phase.READY))
    trustees[0].stop()


def test_refusal_ends_the_program(server: Server, world: World, network: Network) -> None:
    """A trustee that refuses says why, ends, and is not there for a session any more."""
    server.board.append(world.sign(KeyCommitment(1, bytes(32))).data)
    person = people(server, world, network)[0].start()
    person.join()
    assert isinstance(person.failure, Rejected)
    assert person.failure.check == "P.key-store"
    # It has read the record before it said a word that would have accused it.
    assert server.board.size() == 2


def test_two_programs_of_one_trustee(server: Server, world: World, network: Network) -> None:
    """The second one says so and waits; when the first has gone it goes on in its place."""
    first, second, *others = people(server, world, network)[:2]
    first.start()
    server.wait(lambda board: board.size() == 2)
    second = Person(world, network, server.listening.roles.port, 1)
    second.store = first.store
    second.start()
    server.wait(lambda _: any(isinstance(e, AnotherProgram) for e in second.events))
    told = next(e for e in second.events if isinstance(e, AnotherProgram))
    assert "another program is connected as trustee 1" in str(told)
    assert second.failure is None
    assert server.board.size() == 2
    first.stop()
    for person in people(server, world, network)[1:]:
        others.append(person.start())
    server.wait(phase_is(Phase.READY))
    for person in (second, *others):
        person.stop()
        assert person.failure is None


def test_a_second_machine_draws_nothing(server: Server, world: World, network: Network) -> None:
    """With a copy of the key store from before, it refuses as soon as it may speak."""
    first = people(server, world, network)[0].start()
    server.wait(lambda board: board.size() == 2)
    second = people(server, world, network)[0].start()
    server.wait(lambda _: any(isinstance(e, AnotherProgram) for e in second.events))
    assert vault.POLYNOMIALS not in second.store.values
    first.stop()
    second.join()
    assert isinstance(second.failure, Rejected)
    assert second.failure.check == "P.key-store"


def test_abandoned(server: Server, world: World, network: Network) -> None:
    """Whatever the program waits for, it ends with the ceremony, and says why."""
    persons = [p.start(lambda t: t.phase is Phase.ABORTED) for p in people(server, world, network)]
    server.wait(lambda board: board.size() >= 4)
    server.follow()
    server.board.append(world.sign(CeremonyAbandoned("Trustee 2 is ill.")).data)
    for person in persons:
        person.join()
        assert person.failure is None
        assert person.aborted is not None
        assert "Trustee 2 is ill." in str(person.aborted)
        assert person.events[-1] == person.aborted
        assert vault.POLYNOMIALS not in person.store.values
        assert vault.KEY_SHARES not in person.store.values


# --- who may call


@pytest.fixture
def shared(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A server on which only artifact 0 stands; who was heard from once stays there."""
    monkeypatch.setattr(attendance, "PRESENT", PATIENCE)
    network, world = Network(), World.begin(TOY[-1], manifest_bytes(), 3, 2)
    server = Server(tmp_path_factory.mktemp("shared") / "board.db", world, network)
    yield server
    server.stop()


def a_client(
    server: Server,
    role: Role = Role.TRUSTEE,
    name: str = "trustee-1",
    program: bytes | None = None,
) -> CoordinatorClient:
    return CoordinatorClient(server.listening.role_channel(role, name), program)


def test_only_trustees(shared: Server) -> None:
    """Every call is for trustees of this election, and for nobody else."""
    keys = shared.world.sign(KeyCommitment(1, bytes(32))).data
    message = PostNonceShares(1, ((bytes(32), bytes(32)),))
    for role, name in (
        (Role.DEVICE, "ballot-box-1"),
        (Role.ADMINISTRATOR, ADMINISTRATOR),
        (Role.TRUSTEE, "trustee-4"),
        (Role.TRUSTEE, "ballot-box-1"),
    ):
        client = a_client(shared, role, name)
        calls: tuple[Callable[[], object], ...] = (
            client.attend,
            partial(client.post_artifact, keys),
            partial(client.post_nonce_shares, message),
        )
        for call in calls:
            with pytest.raises(Denied):
                call()
    assert shared.board.size() == 1
    assert shared.coordinator.present() == ()


def test_only_in_its_own_name(shared: Server) -> None:
    """A certificate of one trustee carries no statement of another, however well signed."""
    theirs = shared.world.sign(KeyCommitment(2, bytes(32))).data
    with pytest.raises(Denied, match="trustee 2's"):
        a_client(shared).post_artifact(theirs)
    assert shared.board.size() == 1


def test_statements(shared: Server) -> None:
    """The same bytes twice have one index; others, other roles' and no statements are refused."""
    client, world = a_client(shared), shared.world
    one, two = (world.sign(KeyCommitment(1, bytes([n] * 32))).data for n in (1, 2))
    with pytest.raises(Malformed):
        client.post_artifact(b"no artifact")
    with pytest.raises(Malformed):
        client.post_artifact(one + b"\0")
    election = world.data()[0]
    with pytest.raises(Rejected) as caught:
        client.post_artifact(election)
    assert caught.value.check == "R.order"
    assert [client.post_artifact(one) for _ in range(2)] == [1, 1]
    forged = two[:-1] + bytes([two[-1] ^ 1])
    other = a_client(shared, name=trustee_name(2))
    with pytest.raises(Denied):
        other.post_artifact(forged)
    assert shared.board.size() == 2


def test_a_cheat_is_published(shared: Server) -> None:
    """Two different messages for one round: the second is refused, and stands in an accusation."""
    client, world = a_client(shared), shared.world
    one, two = (world.sign(KeyCommitment(1, bytes([n] * 32))).data for n in (1, 2))
    client.post_artifact(one)
    with pytest.raises(Rejected) as caught:
        client.post_artifact(two)
    assert (caught.value.check, caught.value.culprit) == ("R.equivocation", "trustee 1")
    accusation = shared.board.read(2).statement
    assert accusation == Accusation(1, two, "R.equivocation")
    assert shared.board.transcript.phase is Phase.ABORTED


def test_another_program(shared: Server) -> None:
    """What a second program sends is not looked at."""
    first, second = a_client(shared), a_client(shared)
    first.attend()
    data = shared.world.sign(KeyCommitment(1, bytes(32))).data
    calls: tuple[Callable[[], object], ...] = (
        second.attend,
        partial(second.post_artifact, data),
        partial(second.post_nonce_shares, PostNonceShares(1, ((bytes(32), bytes(32)),))),
    )
    for call in calls:
        with pytest.raises(Rejected) as caught:
            call()
        assert caught.value.check == "R.program"
    assert shared.board.size() == 1


@pytest.mark.parametrize("size", [0, 1, 15, 17, 1_900_000])
def test_a_program_is_named_by_16_bytes(shared: Server, size: int) -> None:
    """In each call: what is told apart is kept, and so it has a size. Nothing else is looked at."""
    client = a_client(shared, program=bytes(size))
    data = shared.world.sign(KeyCommitment(1, bytes(32))).data
    calls: tuple[Callable[[], object], ...] = (
        client.attend,
        partial(client.post_artifact, data),
        partial(client.post_nonce_shares, PostNonceShares(1, ((bytes(32), bytes(32)),))),
    )
    for call in calls:
        with pytest.raises(Malformed, match=f"{size} bytes instead of 16") as caught:
            call()
        assert caught.value.field == "program"
    assert shared.coordinator.present() == ()
    assert shared.board.size() == 1


def test_wrong_signature(shared: Server) -> None:
    """A statement that its trustee did not sign is refused."""
    keys = shared.world.sign(KeyCommitment(1, bytes(32))).data
    with pytest.raises(Rejected) as caught:
        a_client(shared).post_artifact(keys[:-1] + bytes([keys[-1] ^ 1]))
    assert caught.value.check == "R.signature"


def test_presence(shared: Server) -> None:
    """Attending is noted; the status that everybody may ask for shows it."""
    a_client(shared).attend()
    a_client(shared, name=trustee_name(3)).attend()
    assert shared.coordinator.present() == (1, 3)


def test_no_session_no_nonce_shares(shared: Server) -> None:
    """Nonce shares outside a session are refused, and nothing is kept."""
    element = shared.world.group.encode_element(shared.world.group.g)
    client = a_client(shared)
    with pytest.raises(Rejected) as caught:
        client.post_nonce_shares(PostNonceShares(1, ((bytes(32), element),)))
    assert caught.value.check == "R.session"
    with pytest.raises(Malformed):
        client.post_nonce_shares(PostNonceShares(1, ()))


def test_the_program_of_a_home(tmp_path: Path) -> None:
    """It is the same after a restart, and another one for every copy of the home."""
    homes = [tmp_path / name for name in ("one", "two")]
    for home in homes:
        home.mkdir()
    one, two, again = (program_of(home) for home in (*homes, homes[0]))
    assert one == again != two
    assert len(one) == 16


def test_no_certificate(shared: Server) -> None:
    """Without a certificate there is no way in."""
    channel = shared.listening.network.public_channel(shared.listening.roles.port)
    with pytest.raises(Unavailable):
        CoordinatorClient(channel).attend()
    channel.close()
