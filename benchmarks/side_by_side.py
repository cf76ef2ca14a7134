"""Ours and theirs on one core, in turns.

Everything that is compared on one core is measured here: what a device and the verifier do,
plain `powmod`, electionguard and belenios-tool. The ways take turns, several rounds of them,
so that whatever else the machine does disturbs all alike. Of every way the median counts.
All times are those of the processor, in milliseconds, also those of the peers' processes.

    with on_one_core(), Peers(python) as peers:
        found = measure(scale, peers, note)

The names of the ways are those of `SideBySide.ways`.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from ballotbox.encryption import encrypt_ballot, prepare
from benchmarks import belenios, proofs
from benchmarks.proofs import processor
from benchmarks.verification import DEVICE, OPTIONS, Plain, Sample, make_sample, open_books
from crypto.discrete_log import DiscreteLog
from crypto.elgamal import PublicKey
from crypto.group import Group, mpz
from record.artifacts import Ballot, Cast, Role, parse_artifact, sign_statement
from sailau.v1 import record_pb2 as pb
from verifier import verify
from verifier.ballot_proofs import BallotChecker

Note = Callable[[str], None]
Action = Callable[[], object]

MILLION = 1_000_000
MULTIPLICATIONS = 2_000
BALLOTS = 4
"""Encrypted in a turn."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: ballots have ten options, each a selection."""

    name: str
    rounds: int
    sizes: tuple[int, ...]
    """Ballots in a batch, ascending; the largest is the row of 2,000 selections."""
    exact: tuple[int, int]
    """Ballots of two records that are verified exactly; the verifier makes its large tables
    at the twentieth."""
    belenios: int
    job_rounds: int
    job_ballots: int
    units: int
    """Units whose tallies are decrypted and verified; one more is the base."""
    ciphertexts: int
    devices: int
    ballots: int
    """Each device's, over gRPC."""

    @property
    def largest(self) -> int:
        """Ballots in the largest batch."""
        return self.sizes[-1]


FULL = Scale("full", 5, (1, 2, 5, 10, 20, 50, 100, 200), (20, 60), 40, 2, 3200, 4, 256, 32, 30)
QUICK = Scale("quick", 2, (1, 10, 200), (20, 26), 6, 1, 400, 1, 32, 8, 15)
SMOKE = Scale("smoke", 1, (1, 2), (0, 1), 1, 1, 2, 1, 2, 2, 2)
"""So little that the figures mean nothing: to see that the command works."""
SCALES = {scale.name: scale for scale in (FULL, QUICK, SMOKE)}


# --- the core and the peers


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process, and those that it starts, on one core within this block."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Peers:
    """electionguard, in an interpreter that has it, and belenios-tool, where they are installed."""

    def __init__(self, python: str | None) -> None:
        """Take the interpreter for electionguard; None leaves all peers out."""
        self._python = python
        self._process: subprocess.Popen[str] | None = None
        self.belenios = python is not None and belenios.is_installed()
        self.electionguard = False

    def __enter__(self) -> Self:
        if self._python is None:
            return self
        self._process = subprocess.Popen(
            [self._python, "-m", "benchmarks.electionguard_peer", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.electionguard = bool(self._answer()["installed"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.communicate()

    def ask_electionguard(self, what: str) -> float:
        """Milliseconds of one round of "encrypt" or "verify"."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that measures electionguard has ended")
        return json.loads(line)


# --- what is measured


def with_casts(sample: Sample) -> Sample:
    """The sample, every ballot of which is cast."""
    world, data = sample.world, list(sample.data)
    for encoded, hint in zip(sample.data, sample.hints, strict=True):
        if not hint:
            continue
        ballot = parse_artifact(encoded, world.group).statement
        assert isinstance(ballot, Ballot)
        cast = Cast(ballot.device, ballot.confirmation_code)
        key = world.role_key(Role.DEVICE, ballot.device)
        data.append(sign_statement(cast, world.group, world.context.base_hash, key).data)
    return Sample(world, data, [*sample.hints, *(b"" for _ in data[len(sample.hints) :])])


def first_ballots(sample: Sample, count: int) -> Sample:
    """The sample with its first `count` ballots alone."""
    empty = sum(1 for hint in sample.hints if not hint)
    return Sample(sample.world, sample.data[: empty + count], sample.hints[: empty + count])


def verify_whole(folder: Path, exact: bool, until: str | None = "close") -> None:
    """The verifier from outside, in one process."""
    report = verify(folder, jobs=1, until=until, exact=exact)
    failed = {failure.check for failure in report.failures}
    if not failed <= {"R.complete"}:  # of a sample, whose polls are never closed
        raise RuntimeError(f"the record does not verify: {sorted(failed)}")


def multiply_often(group: Group) -> None:
    """`MULTIPLICATIONS` of them, as the verifier writes them."""
    p, x = group.p, group.g_power(group.random_scalar())
    y = x
    for _ in range(MULTIPLICATIONS):
        y = y * x % p


def power_often(group: Group, by_table: bool) -> None:
    """`OPTIONS` powers of g with exponents below q: by a device's table, or by powmod."""
    exponent = group.random_scalar()
    for _ in range(OPTIONS):
        if by_table:
            group.g_power(exponent)
        else:
            group.power(group.g, exponent)


class SideBySide:
    """An election, and everything that is measured on it."""

    def __init__(self, scale: Scale, peers: Peers, note: Note) -> None:
        """Make the elections, ours and theirs."""
        self.scale, self.peers = scale, peers
        note(f"making an election of {scale.largest} ballots")
        self.sample = make_sample(scale.largest)
        self._stack = ExitStack()
        self.folders: dict[int, Path] = {}
        for count in sorted({0, *scale.exact, scale.largest}):
            folder = Path(self._stack.enter_context(TemporaryDirectory()))
            with_casts(first_ballots(self.sample, count)).publish(folder)
            self.folders[count] = folder
        self.books = open_books(self.folders[scale.largest])
        self.elections: belenios.Elections | None = None
        if peers.belenios:
            note(f"having belenios-tool make {scale.belenios} ballots")
            held = belenios.hold_elections(scale.belenios)
            self.elections = self._stack.enter_context(held)

    def close(self) -> None:
        """Remove what was made."""
        self._stack.close()

    def ways(self) -> Mapping[str, tuple[int, Action]]:
        """What is measured of ours, by name: (number of things, action on all of them)."""
        scale, world, books = self.scale, self.sample.world, self.books
        vote, extended = books.keys.vote, books.keys.extended_hash
        exact = BallotChecker(books.election, extended, vote, exact=True)
        exact.enlarge()  # as it does by itself after some ballots
        batch = BallotChecker(books.election, extended, vote)
        plain, few = Plain(world), self.sample.works(min(2, scale.largest), False)
        ballots = [pb.Artifact.FromString(work.data).ballot for work in few]
        if not all(plain.ballot(ballot) for ballot in ballots):
            raise RuntimeError("by plain powers a ballot does not verify")
        key = world.keys.vote_key
        one = len(few) * OPTIONS
        ways: dict[str, tuple[int, Action]] = {
            "multiplication": (MULTIPLICATIONS, partial(multiply_often, world.group)),
            "power": (OPTIONS, partial(power_often, world.group, False)),
            "table_power": (OPTIONS, partial(power_often, world.group, True)),
            "encrypt": (OPTIONS, lambda: [proofs.prove(key, 1) for _ in range(OPTIONS)]),
            "encrypt_ballot": (BALLOTS, self._encrypt),
            "plain": (one, lambda: [plain.ballot(ballot) for ballot in ballots]),
            "exact": (one, partial(exact.check, few)),
        }
        for size in scale.sizes:
            works = self.sample.works(size, True)
            ways[f"batch_{size}"] = (size * OPTIONS, partial(batch.check, works))
        return ways | self._alone(key)

    def _encrypt(self) -> None:
        world, field = self.sample.world, bytes(36)
        chosen = {"president": {"option-3": 1}}
        for _ in range(BALLOTS):
            encrypt_ballot(world.context, world.keys, DEVICE, "centre", "full", chosen, field)

    def _alone(self, key: PublicKey) -> dict[str, tuple[int, Action]]:
        """Single selections, without a ballot around them, by `crypto`."""
        many = [proofs.prove(key, i % 2) for i in range(self.scale.largest * OPTIONS)]
        few = many[:OPTIONS]
        return {
            "alone_exact": (len(few), partial(proofs.each, proofs.verify_exactly, key, few)),
            "alone_batch": (len(many), partial(proofs.verify_together, key, many)),
        }

    def turns(self) -> dict[str, Callable[[], float]]:
        """Everything that is measured in a round, each with its milliseconds for one thing."""
        turns: dict[str, Callable[[], float]] = {
            name: partial(processor, action, count) for name, (count, action) in self.ways().items()
        }
        turns["whole"] = partial(self._slope, False, 0, self.scale.largest)
        turns["whole_exact"] = partial(self._slope, True, *self.scale.exact)
        if self.peers.electionguard:
            for what in ("encrypt", "verify"):
                turns[f"electionguard_{what}"] = partial(self.peers.ask_electionguard, what)
        if self.elections is not None:
            turns["belenios_ballot"] = self.elections.verify_ballot
        return turns

    def _slope(self, exact: bool, few: int, many: int) -> float:
        """What a ballot adds to a whole verification."""
        less, more = (
            processor(partial(verify_whole, self.folders[count], exact)) for count in (few, many)
        )
        return (more - less) / (many - few)

    def sizes(self) -> dict[str, float]:
        """Bytes that a cast ballot adds to the record: its artifacts and the log, and its hints."""
        count = self.scale.largest
        bytes_of = {
            part: (_size(self.folders[count], part) - _size(self.folders[0], part)) / count
            for part in ("artifacts", "tile", "hints")
        }
        return bytes_of | {"artifact": float(len(self.sample.data[-1]))}

    def profile(self) -> list[tuple[str, float]]:
        """Where the largest batch spends its time: (what, share), the largest first."""
        books = self.books
        checker = BallotChecker(books.election, books.keys.extended_hash, books.keys.vote)
        works = self.sample.works(self.scale.largest, True)
        checker.check(works[:1])  # the tables are made
        profiler = cProfile.Profile()
        profiler.runcall(checker.check, works)
        return shares(pstats.Stats(profiler))


def _size(folder: Path, part: str) -> int:
    return sum(p.stat().st_size for p in (folder / part).rglob("*") if p.is_file())


# --- the profile

KINDS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("multiplications: buckets and tables", ("verifier/multipower.py", "verifier/group.py")),
    ("Jacobi symbols", ("gmpy2.jacobi",)),
    ("single powers", ("gmpy2.powmod", "gmpy2.invert")),
    ("signatures (Ed25519)", ("ed25519",)),
    ("hashes (HMAC, SHA-256)", ("hmac", "_hashlib", "verifier/hashing.py")),
    ("numbers from and to bytes", ("from_bytes", "to_bytes")),
    ("protobuf", ("ParseFromString", "FromString", "SerializeToString", "google")),
    ("hints into equations, product of a ballot's options", ("verifier/ballot_claims.py",)),
    ("equations into exponents", ("verifier/batch.py",)),
    (
        "widths, ranges, the tally's product, the report",
        ("verifier/ballot_proofs.py", "verifier/wire.py", "verifier/findings.py"),
    ),
)
OTHER = "everything else"


def kind_of(function: tuple[str, int, str]) -> str:
    """What a function of a profile (file, line, name) is counted as."""
    where = f"{function[0]}:{function[2]}"
    for kind, marks in KINDS:
        if any(mark in where for mark in marks):
            return kind
    return OTHER


def shares(stats: pstats.Stats) -> list[tuple[str, float]]:
    """The share of each kind in the time spent, the largest first."""
    found: dict[str, float] = {}
    table: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]]
    table = stats.stats  # type: ignore[attr-defined]
    for function, (_, _, own, _, _) in table.items():
        kind = kind_of(function)
        found[kind] = found.get(kind, 0.0) + own
    whole = sum(found.values())
    return sorted(((kind, own / whole) for kind, own in found.items()), key=lambda x: -x[1])


# --- all of it


def prepare_tables(sample: Sample) -> float:
    """Milliseconds to build the tables of a device."""
    return processor(partial(prepare, sample.world.keys))


def find_million(sample: Sample) -> float:
    """Milliseconds to find a million votes in K^t, the table included."""
    key = sample.world.keys.vote_key
    element = key.group.power(key.element, mpz(MILLION))
    return processor(lambda: DiscreteLog(key.group, key.element).find(element, MILLION))


def measure(scale: Scale, peers: Peers, note: Note) -> dict[str, Any]:
    """Take the turns; medians by name, sizes and the profile."""
    side = SideBySide(scale, peers, note)
    try:
        tables = prepare_tables(side.sample)
        turns = side.turns()
        times: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(1, scale.rounds + 1):
            note(f"round {number} of {scale.rounds} on one core: {len(turns)} ways in turn")
            for name, turn in turns.items():
                times[name].append(turn())
        note("profile")
        return {
            "milliseconds": {name: median(found) for name, found in times.items()},
            "spread": {name: [min(found), max(found)] for name, found in times.items()},
            "tables_ms": tables,
            "million_ms": median(find_million(side.sample) for _ in range(scale.rounds)),
            "bytes": side.sizes(),
            "profile": side.profile(),
        }
    finally:
        side.close()
