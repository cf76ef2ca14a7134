"""What the ballot box takes in, and how others fare while one device floods it.

A server in a process of its own, with TLS, a database on the disk, published files and the
4096-bit group, takes ballots with one contest of ten options. They are encrypted beforehand,
for the time of devices is not the server's; sending them is done on the same machine. Each
device sends its chain, one ballot after another, as fast as it is answered. Meanwhile a
process that does nothing else asks for the server's health twenty times a second.

With `--flood` the same is done twice, the second time while one more device sends what it
can over many connections: bytes that are no ballot, and signed ballots with a wrong proof.

Run it with `make bench-load`, or `python -m benchmarks.load --help` for options.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from ballotbox.admission import Admission
from ballotbox.arrivals import timing_of
from ballotbox.board import Board
from ballotbox.encryption import encrypt_ballot, prepare
from ballotbox.publishing import Publisher
from ballotbox.service import (
    BALLOT_BOX_SERVICE,
    BOARD_SERVICE,
    READERS,
    AdministrationServicer,
    BallotBoxServicer,
    BoardServicer,
    add_public,
    add_roles,
    calls_at_once,
)
from ballotbox.store import create_store, open_store
from crypto.parameters import STANDARD, TOY
from identity.roles import Role
from identity.tlskeys import TlsKey
from record.artifacts import Ballot, Device, parse_artifact, sign_statement
from record.artifacts import Role as SigningRole
from record.ballot_hashes import Chain, information_hash
from record.election import ElectionKeys, check_election
from rpc.credentials import public_channel, public_server_credentials, roles_server_credentials
from rpc.errors import Busy, explain
from rpc.server import Server
from sailau.v1 import ballot_box_pb2
from tests.listening import Network, no_decryption
from tests.ports import HOST
from tests.world import World, manifest_bytes, manifest_document

SPAWN = multiprocessing.get_context("spawn")
SUBMIT = "/sailau.v1.BallotBoxService/Submit"
FLOODER = "flooder"
OPTIONS = 10
HEALTH_PAUSE = 0.05
WARM_SECONDS = 1.0


def note(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)


def device_name(number: int) -> str:
    """The label of a device, from 1."""
    return f"device-{number}"


def make_world(devices: int, toy: bool, groups: tuple[int, int] | None) -> World:
    """Open polls with one contest of ten options and so many devices, one a unit."""
    document = manifest_document()
    texts = document["name"]
    options = [{"label": f"option-{n}", "name": texts} for n in range(1, OPTIONS + 1)]
    contest = {"label": "contest", "name": texts, "selection_limit": 1, "option_limit": 1}
    document["contests"] = [contest | {"options": options}]
    document["ballot_styles"] = [{"label": "style", "name": texts, "contests": ["contest"]}]
    unit = {"label": "unit", "name": texts, "parent": None, "ballot_styles": ["style"]}
    document["units"] = [unit]
    labels = [*(device_name(n) for n in range(1, devices + 1)), FLOODER]
    document["devices"] = [
        {"label": label, "information": label, "units": ["unit"]} for label in labels
    ]
    if groups is not None:
        document["groups"] = {"ballots": groups[0], "seconds": groups[1]}
    parameters = TOY[-1] if toy else STANDARD
    world = World.create(parameters, manifest=manifest_bytes(document), trustees=1, quorum=1)
    h_e = world.keys.extended_base_hash
    for label in labels:
        hashed = information_hash(h_e, label)
        chain = Chain(world.context.manifest.chaining, h_e, hashed)
        world.append(Device(label, label, hashed, chain.start()))
    return world


# --- ballots, beforehand


def encrypt_chain(
    election: bytes, keys: ElectionKeys, label: str, key: bytes, ballots: int, hints: bool
) -> list[bytes]:
    """Serialized SubmitRequests of one device's ballots."""
    context = check_election(parse_artifact(election, None))
    prepare(keys)
    h_e, signer = keys.extended_base_hash, Ed25519PrivateKey.from_private_bytes(key)
    chain = Chain(context.manifest.chaining, h_e, information_hash(h_e, label))
    requests, last = [], chain.start()
    for n in range(ballots):
        chosen = {"contest": {f"option-{n % OPTIONS + 1}": 1}}
        made = encrypt_ballot(context, keys, label, "unit", "style", chosen, chain.field(last))
        artifact = sign_statement(made.ballot, context.group, context.base_hash, signer)
        request = ballot_box_pb2.SubmitRequest(
            artifact=artifact.data, hints=made.hints if hints else b""
        )
        requests.append(request.SerializeToString())
        last = made.ballot.confirmation_code
    return requests


def encrypt_all(world: World, devices: int, ballots: int, hints: bool) -> dict[str, list[bytes]]:
    """The requests of every device, and one of the flooder."""
    counts = {device_name(n): ballots for n in range(1, devices + 1)} | {FLOODER: 1}
    election, total, done = world.artifacts[0].data, sum(counts.values()), 0
    chains: dict[str, list[bytes]] = {}
    with ProcessPoolExecutor(os.cpu_count(), mp_context=SPAWN) as pool:
        futures = {
            label: pool.submit(
                encrypt_chain,
                election,
                world.keys,
                label,
                world.device_key(label).private_bytes_raw(),
                count,
                hints,
            )
            for label, count in counts.items()
        }
        for label, future in futures.items():
            chains[label] = future.result()
            done += len(chains[label])
            note(f"encrypted {done} of {total} ballots")
    return chains


def with_wrong_proof(world: World, request: bytes) -> bytes:
    """The flooder's ballot, signed, in its place in the chain, and not proved: it costs most."""
    data = ballot_box_pb2.SubmitRequest.FromString(request).artifact
    ballot = world.transcript.parse(data).statement
    if not isinstance(ballot, Ballot):
        raise AssertionError("made as a ballot")
    sealed = ballot.encrypted_nonce
    wrong = replace(sealed, c1=bytes(byte ^ 1 for byte in sealed.c1))
    artifact = world.sign(replace(ballot, encrypted_nonce=wrong))
    return ballot_box_pb2.SubmitRequest(artifact=artifact.data).SerializeToString()


# --- the server


@dataclass(frozen=True)
class Setup:
    """What the server's process is told."""

    location: str
    published: Path
    election: bytes
    server_key: bytes
    log_key: bytes
    certificate: bytes
    key: bytes
    authority: bytes
    workers: int


def serve(setup: Setup, pipe: Connection) -> None:
    """A server; tells its ports, then the processor time it took whenever it is asked."""
    first = parse_artifact(setup.election, None)
    context = check_election(first)
    admission = Admission(first, workers=setup.workers)
    store = open_store(setup.location, context.base_hash)
    store.wait_for_leadership(10)
    board = Board.open(
        store,
        first,
        server_key=Ed25519PrivateKey.from_private_bytes(setup.server_key),
        log_key=Ed25519PrivateKey.from_private_bytes(setup.log_key),
        admission=admission,
        timing=timing_of(context.manifest),
    )
    publisher, stop = Publisher(board, setup.published), threading.Event()
    board.subscribe(publisher.poke)
    publishing = threading.Thread(target=publisher.run, args=(stop,))
    publishing.start()
    key = TlsKey.from_pem(setup.key)
    public = Server(f"{HOST}:0", public_server_credentials(setup.certificate, key), [BOARD_SERVICE])
    roles = Server(
        f"{HOST}:0",
        roles_server_credentials(setup.certificate, key, setup.authority),
        [BOARD_SERVICE, BALLOT_BOX_SERVICE],
        workers=calls_at_once(board) + READERS + 16,
    )
    for server in (public, roles):
        add_public(server.grpc_server, BoardServicer(board))
    administration = AdministrationServicer(board, no_decryption)
    add_roles(roles.grpc_server, BallotBoxServicer(board), administration)
    with public, roles:
        pipe.send((public.port, roles.port))
        while pipe.recv():
            pipe.send((time.process_time(), board.size()))
        board.close()
    stop.set()
    publisher.poke()
    publishing.join()
    admission.close()
    store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pipe.send(peak)


class Running:
    """The server's process, as the benchmark sees it."""

    def __init__(
        self, world: World, network: Network, location: str, directory: Path, workers: int
    ):
        store = create_store(location, world.context.base_hash)
        for index, data in enumerate(world.data()):
            store.append(index, data)
        store.close()
        setup = Setup(
            location,
            directory / "record",
            world.artifacts[0].data,
            world.role_key(SigningRole.SERVER).private_bytes_raw(),
            world.secrets.log.private_bytes_raw(),
            network.certificate,
            network.key.private_pem(),
            network.authority.certificate_pem,
            workers,
        )
        self._location, self._base_hash = location, world.context.base_hash
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(setup, theirs))
        self._process.start()
        theirs.close()
        self.public_port, self.roles_port = self._pipe.recv()

    def usage(self) -> tuple[float, int]:
        """Seconds of processor time of the server's own process, and the size of the board."""
        self._pipe.send(True)
        seconds, size = self._pipe.recv()
        return seconds, size

    def stop(self) -> tuple[int, list[int]]:
        """MiB that its own process took at most, and the sizes of all signed trees."""
        self._pipe.send(False)
        peak = int(self._pipe.recv())
        self._process.join()
        store = open_store(self._location, self._base_hash)
        sizes = [head.size for head in store.checkpoints()]
        store.close()
        return peak, sizes

    def kill(self) -> None:
        """At the end, whatever happened."""
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def ask_health(port: int, authority: bytes, pipe: Connection) -> None:
    """A process: seconds that each health check took, until it is told to end."""
    with public_channel(f"{HOST}:{port}", authority) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        stub.Check(health_pb2.HealthCheckRequest(), timeout=30, wait_for_ready=True)
        pipe.send(None)
        taken = []
        while not pipe.poll(HEALTH_PAUSE):
            begin = time.perf_counter()
            stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
            taken.append(time.perf_counter() - begin)
        pipe.send(taken)


@contextmanager
def health_asked(port: int, authority: bytes, taken: list[float]) -> Iterator[None]:
    """Within this block; `taken` has the seconds afterwards."""
    pipe, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=ask_health, args=(port, authority, theirs))
    process.start()
    theirs.close()
    pipe.recv()
    try:
        yield
    finally:
        pipe.send(None)
        taken += pipe.recv()
        process.join()


# --- the devices


@dataclass
class Counts:
    """What became of one run's calls."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, status: str, seconds: float | None = None) -> None:
        """One call's end."""
        with self.guard:
            self.statuses[status] += 1
            if seconds is not None:
                self.latencies.append(seconds)


def send_chain(
    channel: grpc.Channel, requests: Sequence[bytes], counts: Counts, end: float
) -> None:
    """One device's ballots, each until it is taken; stops at the time `end`."""
    submit: Any = channel.unary_unary(SUBMIT)
    for request in requests:
        begin = time.perf_counter()
        while time.perf_counter() < end:
            try:
                submit(request, timeout=60)
            except grpc.RpcError as error:
                known = explain(error)
                counts.add(type(known).__name__)
                if not isinstance(known, Busy):
                    raise known from error
                time.sleep(known.retry_after)
            else:
                counts.add("taken", time.perf_counter() - begin)
                break


def flood(
    address: tuple[int, bytes, bytes, bytes], wrong: bytes, connections: int, pipe: Connection
) -> None:
    """A process: as many calls as it can, over many connections, until it is told to end."""
    port, authority, certificate, key = address
    from rpc.credentials import role_channel

    statuses: Counter[str] = Counter()
    stop = threading.Event()
    junk = ballot_box_pb2.SubmitRequest(artifact=secrets.token_bytes(30_000)).SerializeToString()

    def send(request: bytes) -> None:
        channel = role_channel(f"{HOST}:{port}", authority, certificate, TlsKey.from_pem(key))
        submit: Any = channel.unary_unary(SUBMIT)
        while True:
            try:
                submit(request, timeout=60)
            except grpc.RpcError as error:
                statuses[type(explain(error)).__name__] += 1
            if stop.is_set():  # each kind has been told something, however short the flood
                break
        channel.close()

    threads = [
        threading.Thread(target=send, args=(junk if n % 2 else wrong,)) for n in range(connections)
    ]
    for thread in threads:
        thread.start()
    pipe.send(None)
    pipe.recv()
    stop.set()
    for thread in threads:
        thread.join()
    pipe.send(dict(statuses))


@contextmanager
def flooded(
    network: Network, port: int, wrong: bytes, connections: int, answers: dict[str, int]
) -> Iterator[None]:
    """Within this block one device floods; `answers` counts what it was told."""
    from identity.roles import Identity

    identity, key = Identity(Role.DEVICE, FLOODER), TlsKey.generate()
    certificate = network.authority.issue_client(key.request(identity), identity)
    address = (port, network.authority.certificate_pem, certificate, key.private_pem())
    pipe, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=flood, args=(address, wrong, connections, theirs))
    process.start()
    theirs.close()
    pipe.recv()
    try:
        yield
    finally:
        pipe.send(None)
        answers |= pipe.recv()
        process.join()


def percentile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def run(
    server: Running,
    network: Network,
    chains: dict[str, list[bytes]],
    seconds: float,
) -> dict[str, Any]:
    """Send every chain; what was measured."""
    channels = {
        label: network.role_channel(server.roles_port, Role.DEVICE, label) for label in chains
    }
    for channel in channels.values():
        grpc.channel_ready_future(channel).result(timeout=60)
    counts, health = Counts(), list[float]()
    time.sleep(WARM_SECONDS)
    with health_asked(server.public_port, network.authority.certificate_pem, health):
        used, first = server.usage()
        begin = time.perf_counter()
        with ThreadPoolExecutor(len(chains)) as pool:
            sent = [
                pool.submit(send_chain, channels[label], chain, counts, begin + seconds)
                for label, chain in chains.items()
            ]
            for future in sent:
                future.result()
        took = time.perf_counter() - begin
        used_after, last = server.usage()
    for channel in channels.values():
        channel.close()
    taken = counts.statuses.pop("taken", 0)
    return {
        "ballots": taken,
        "seconds": took,
        "ballots_per_second": taken / took,
        "latency_p50_ms": percentile(counts.latencies, 0.5),
        "latency_p99_ms": percentile(counts.latencies, 0.99),
        "health_p50_ms": percentile(health, 0.5),
        "health_p99_ms": percentile(health, 0.99),
        "busy_answers": counts.statuses.pop("Busy", 0),
        "other_answers": dict(counts.statuses),
        "server_process_ms_per_ballot": 1000 * (used_after - used) / max(taken, 1),
        "artifacts": (first, last),
    }


@contextmanager
def database(kind: str, directory: Path) -> Iterator[str]:
    """Where a new database may be made."""
    if kind == "sqlite":
        yield str(directory / "board.db")
        return
    from tests.postgres import Cluster, find_programs

    programs = find_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not on this machine. On Debian: apt install postgresql")
    cluster = Cluster.create(programs)
    try:
        cluster.execute("CREATE DATABASE load")
        yield cluster.dsn("load")
    finally:
        cluster.remove()


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    note("making the election")
    world = make_world(chosen.devices, chosen.toy, chosen.groups)
    rounds = 2 if chosen.flood else 1
    chains = encrypt_all(world, chosen.devices, rounds * chosen.ballots, not chosen.no_hints)
    wrong = with_wrong_proof(world, chains.pop(FLOODER)[0])
    network = Network()
    report: dict[str, Any] = {
        "machine": {"processors": os.cpu_count(), "python": sys.version.split()[0]},
        "devices": chosen.devices,
        "workers": chosen.workers,
        "hints": not chosen.no_hints,
        "database": chosen.database,
        "runs": {},
    }
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="sailau-load-")))
        location = stack.enter_context(database(chosen.database, directory))
        server = Running(world, network, location, directory, chosen.workers)
        stack.callback(server.kill)
        half = {label: chain[: chosen.ballots] for label, chain in chains.items()}
        note("sending")
        report["runs"]["calm"] = run(server, network, half, chosen.seconds)
        if chosen.flood:
            rest = {label: chain[chosen.ballots :] for label, chain in chains.items()}
            answers: dict[str, int] = {}
            note("sending once more, while one device floods")
            with flooded(network, server.roles_port, wrong, chosen.connections, answers):
                report["runs"]["flooded"] = run(server, network, rest, chosen.seconds)
            report["runs"]["flooded"]["flooder_was_told"] = answers
        peak, sizes = server.stop()
        report["server_process_peak_mib"] = peak
        for found in report["runs"].values():
            first, last = found["artifacts"]
            ends = [s for s in sizes if first < s <= last]
            own = [b - a for a, b in zip([first, *ends], ends, strict=False)]
            found["group_sizes"] = {"groups": len(own), "mean": sum(own) / max(len(own), 1)}
    return report


def print_report(report: dict[str, Any]) -> None:
    """As a table in Markdown, a column a run."""
    runs = report["runs"]
    shown = f"{report['devices']} devices, {report['workers']} workers, {report['database']}"
    print(f"\n{shown}, {'with' if report['hints'] else 'without'} hints")
    print(f"\n| | {' | '.join(runs)} |\n|---|{'---|' * len(runs)}")
    for name in next(iter(runs.values())):
        if name not in ("artifacts", "other_answers", "group_sizes"):
            cells = [found[name] for found in runs.values()]
            row = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells]
            print(f"| {name.replace('_', ' ')} | {' | '.join(row)} |")
    sizes = [f"{found['group_sizes']['mean']:.1f}" for found in runs.values()]
    print(f"| artifacts in a group, mean | {' | '.join(sizes)} |")
    for found in runs.values():
        if told := found.get("flooder_was_told"):
            print(f"\nthe flooder was told: {told}")
    print(f"\npeak memory of the server's own process: {report['server_process_peak_mib']} MiB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--devices", type=int, default=32)
    parser.add_argument("--ballots", type=int, default=30, help="of each device, in a run")
    parser.add_argument("--seconds", type=float, default=120.0, help="of a run at most")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-hints", action="store_true", help="devices send none")
    parser.add_argument("--flood", action="store_true", help="a second run, with a flood")
    parser.add_argument("--connections", type=int, default=16, help="of the flooding device")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument(
        "--groups", type=int, nargs=2, metavar=("N", "S"), help="the manifest's groups"
    )
    parser.add_argument("--toy", action="store_true", help="the toy group, to try it out")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    chosen = parser.parse_args()
    report = measure(chosen)
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == "__main__":
    main()
