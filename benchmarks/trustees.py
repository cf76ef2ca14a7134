"""What a trustee computes, in a key ceremony and for a large tally.

Prints two tables. The first is a key ceremony of 15 trustees with a quorum of 8, for one
of them, with everything that it reads and proves of the others. The second is a decryption
session of 8 of the 15, for one of them, a ciphertext at a time: every round from the bytes
of the others' messages to the bytes of its own, and beside it the exponentiations that it
cannot avoid, measured in turn with the rounds:

    A^z_i and A^u_i   with exponents that are secret
    g^u_i             by the table of g
    M                 from everybody's M_j, since c is a hash of it: one exponentiation

Run it with `make bench-trustees`, or `python -m benchmarks.trustees --help` for options.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias, TypeVar

from crypto.elgamal import encrypt
from crypto.group import mpz
from crypto.parameters import STANDARD
from crypto.secret_sharing import interpolation, secret_key_share
from record.artifacts import (
    PART,
    Artifact,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
    KeyCommitment,
    Role,
    Statement,
    key_commitment,
    parse_artifact,
    sign_statement,
    verify_signature,
)
from record.decryption import commitment_hash
from record.state import Place
from tests.world import World, manifest_bytes, public_bytes, trustee_name
from trustees import ceremony
from trustees.ceremony import Dealer, KeySecrets, KeyShares
from trustees.decryption import Committing, Resources, part_count
from trustees.nonces import NonceKey, Session
from trustees.parallel import Processes, cores
from trustees.reading import Posted
from trustees.scratch import FolderScratch

TRUSTEES, QUORUM = 15, 8
AVAILABLE = (3, 7, 9, 10, 11, 13, 14, 15)
"""U: no set of 8 of the 15 takes more steps to combine."""
ME = AVAILABLE[0]
WHOLE = 120_000
"""Ciphertexts of 10,000 units with 12 options."""

R = TypeVar("R")
Message: TypeAlias = DecryptionCommitments | DecryptionShares | DecryptionResponses


class Stopwatch(dict[str, float]):
    """Seconds by name: of this process's computing, or of the clock on the wall."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        super().__init__()
        self._clock = clock

    def time(self, name: str, action: Callable[[], R]) -> R:
        """What `action` returns; the time that it takes is added."""
        begin = self._clock()
        result = action()
        self[name] = self.get(name, 0.0) + self._clock() - begin
        return result

    def keep_least(self, other: Mapping[str, float]) -> None:
        """Of both, name by name."""
        for name, seconds in other.items():
            self[name] = min(seconds, self.get(name, seconds))

    def total(self) -> float:
        """All of them."""
        return sum(self.values())


# --- the key ceremony


def play_ceremony(watch: Stopwatch) -> tuple[World, Mapping[int, KeySecrets]]:
    """A ceremony in memory, timed for trustee 1; up to the confirmations."""
    world = World.begin(STANDARD, manifest_bytes(), TRUSTEES, QUORUM)
    context, n = world.context, range(1, TRUSTEES + 1)
    watch.time("table of g", lambda: world.group.g_power(1))
    made = {1: watch.time("make keys", lambda: ceremony.generate(context, 1))}
    made |= {i: ceremony.generate(context, i) for i in n[1:]}
    secrets, keys = {i: x for i, (x, _) in made.items()}, {i: x for i, (_, x) in made.items()}
    for i in n:
        hashed = key_commitment(keys[i], world.group, context.base_hash)
        world.append(KeyCommitment(i, hashed))
    _read(watch, "read and prove all keys", world, keys.values())
    dealer = watch.time("accept all keys", lambda: Dealer.accept(context, 1, secrets[1], keys))
    shares = {1: watch.time("encrypt shares", dealer.encrypted_shares)[1]}
    for i in n[1:]:
        shares[i] = Dealer(context, i, secrets[i], dealer.keys).encrypted_shares()[1]
    _read(watch, "read and prove all shares", world, shares.values())
    received = watch.time("open and check shares", lambda: dealer.receive(shares))
    watch.time("add up", lambda: dealer.finish(received, shares, {}))
    return world, secrets


def _read(watch: Stopwatch, name: str, world: World, statements: Iterable[Statement]) -> None:
    for statement in statements:
        watch.time(name, partial(world.append, statement))


# --- a decryption session


class Sample:
    """A session of `count` ciphertexts, and what the others post in it."""

    def __init__(self, world: World, secrets: Mapping[int, KeySecrets], count: int) -> None:
        self.world = world
        self.group = group = world.group
        polynomials = [x.vote for x in secrets.values()]
        self.shares = {
            i: secret_key_share(group, (p.evaluate(group, i) for p in polynomials))
            for i in AVAILABLE
        }
        # One part, again and again: it takes as long as if all ciphertexts were different.
        nonces = [group.random_scalar() for _ in range(min(count, PART))]
        self.part = tuple(
            Place(1, x, encrypt(world.keys.vote_key, x % 7, xi)) for x, xi in enumerate(nonces, 1)
        )
        self.sizes = [min(PART, count - first) for first in range(0, count, PART)]
        places = tuple(place for size in self.sizes for place in self.part[:size])
        self.session = Session(world.keys, ME, 1, AVAILABLE, places)
        self._posted = {j: [self._share(j, xi) for xi in nonces] for j in AVAILABLE[1:]}

    def _share(self, j: int, xi: mpz) -> DecryptionShare:
        """Trustee j's, who has A = g^xi raised by the table of g."""
        u, power = self.group.random_scalar(), self.group.g_power
        return DecryptionShare(power(xi * self.shares[j]), power(u), power(xi * u))

    def commitments(self) -> dict[int, list[bytes]]:
        """Round 1 of the others, as artifacts."""

        def hashes(j: int) -> tuple[bytes, ...]:
            keys, pairs = self.world.keys, zip(self.part, self._posted[j], strict=True)
            return tuple(commitment_hash(keys, place, j, s, AVAILABLE) for place, s in pairs)

        made = {j: hashes(j) for j in self._posted}
        return self._artifacts(lambda j, at, n: DecryptionCommitments(1, j, at, made[j][:n]))

    def revealed(self) -> dict[int, list[bytes]]:
        """Round 2 of the others, as artifacts."""
        made = {j: tuple(shares) for j, shares in self._posted.items()}
        return self._artifacts(lambda j, at, n: DecryptionShares(1, j, at, made[j][:n]))

    def _artifacts(self, make: Callable[[int, int, int], Message]) -> dict[int, list[bytes]]:
        return {
            j: [self.sign(make(j, PART * n, size)) for n, size in enumerate(self.sizes)]
            for j in self._posted
        }

    def sign(self, statement: Message) -> bytes:
        """The artifact of a trustee's statement."""
        key = self.world.role_key(Role.TRUSTEE, trustee_name(statement.trustee))
        return sign_statement(statement, self.group, self.world.context.base_hash, key).data

    def parse(self, data: bytes) -> Artifact:
        """A message that has been read before."""
        return parse_artifact(data, self.group)

    def read(self, data: bytes, j: int) -> None:
        """What costs time when a message of trustee j enters a trustee's copy of the record."""
        key = public_bytes(self.world.role_key(Role.TRUSTEE, trustee_name(j)))
        verify_signature(self.parse(data), self.world.context.base_hash, key, f"trustee {j}")


def play_session(sample: Sample, watch: Stopwatch, jobs: int) -> None:
    """All three rounds of one trustee."""
    session, parts = sample.session, range(part_count(sample.session))
    own = KeyShares(sample.shares[ME], mpz(0))
    with TemporaryDirectory() as home:
        resources = Resources(Processes(jobs), FolderScratch(Path(home) / "scratch"))
        committing = Committing(session, own, NonceKey.generate(session), resources)
        with closing(committing):
            said = watch.time("round 1", lambda: [sample.sign(committing.part(n)) for n in parts])
            everybody = {**sample.commitments(), ME: said}
            hashes = _posted(sample, watch, "round 1", everybody, DecryptionCommitments)
            revealing = watch.time("round 2", lambda: committing.reveal(hashes))
            said = watch.time("round 2", lambda: [sample.sign(revealing.part(n)) for n in parts])
            everybody = {**sample.revealed(), ME: said}
            shares = _posted(sample, watch, "round 2", everybody, DecryptionShares)
            answers = watch.time("round 3", lambda: revealing.answer(shares))
            watch.time("round 3", lambda: [sample.sign(answers.part(n)) for n in parts])


def _posted(
    sample: Sample, watch: Stopwatch, name: str, messages: dict[int, list[bytes]], kind: type[R]
) -> dict[int, Sequence[R]]:
    """Read everybody's messages of a round; they are parsed again when they are needed."""
    data = [message for mine in messages.values() for message in mine]
    senders = [j for j, mine in messages.items() for _ in mine]
    for message, sender in zip(data, senders, strict=True):
        watch.time(name, partial(sample.read, message, sender))

    def parse(index: int) -> Artifact:
        return sample.parse(data[index])

    indices = {j: [n for n, sender in enumerate(senders) if sender == j] for j in messages}
    return {j: Posted(parse, mine, kind) for j, mine in indices.items()}


def play_bare(sample: Sample, watch: Stopwatch) -> None:
    """What cannot be avoided, for every ciphertext of the sample."""
    group, z = sample.group, sample.shares[ME]
    root = interpolation(group, AVAILABLE).root
    powers: Mapping[str, Callable[[mpz, mpz], object]] = {
        "A^z, A^u, g^u": lambda pad, u: (
            group.power_secret(pad, z),
            group.g_power(u),
            group.power_secret(pad, u),
        ),
        "M": lambda pad, u: group.power(pad, root),
    }
    pairs = [(place.ciphertext.alpha, group.random_scalar()) for place in sample.session.places]
    for name, power in powers.items():
        watch.time(name, partial(_each, power, pairs))


def _each(power: Callable[[mpz, mpz], object], pairs: Sequence[tuple[mpz, mpz]]) -> None:
    for pad, u in pairs:
        power(pad, u)


# --- the report


def measure(sample: Sample, jobs: int, turns: int) -> dict[str, Any]:
    """Milliseconds for a ciphertext; with one job beside the bare exponentiations.

    With one job it is the time of computing, otherwise that of the clock on the wall. Of
    several turns the least counts, name by name: the rest is what other programs took.
    """
    work, least = Stopwatch(), Stopwatch()
    for _ in range(turns):
        once, bare = Stopwatch(time.process_time if jobs == 1 else time.perf_counter), Stopwatch()
        if jobs == 1:
            play_bare(sample, bare)
        play_session(sample, once, jobs)
        work.keep_least(once)
        least.keep_least(bare)
    count = len(sample.session.places)
    report = {
        "jobs": jobs,
        "ciphertexts": count,
        "turns": turns,
        "milliseconds": {name: 1000 * x / count for name, x in work.items()},
        "total_milliseconds": 1000 * work.total() / count,
        "whole_tally_seconds": WHOLE * work.total() / count,
    }
    if jobs == 1:
        report["bare_milliseconds"] = {name: 1000 * x / count for name, x in least.items()}
        report["total_bare_milliseconds"] = 1000 * least.total() / count
        report["ratio"] = work.total() / least.total()
        report["ratio_to_own_exponentiations"] = work.total() / (least.total() - least["M"])
    return report


def peak_memory() -> dict[str, float]:
    """The most that this process, and any of the pools', has had: MiB."""
    kinds = {"this_process": resource.RUSAGE_SELF, "one_of_a_pool": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(kind).ru_maxrss / 1024 for name, kind in kinds.items()}


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """A table of two columns."""
    print(f"\n{title}\n\n| what | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def print_report(report: Mapping[str, Any]) -> None:
    """Both tables."""
    seconds = report["key_ceremony_seconds"]
    rows = {name: f"{x:.2f} s" for name, x in {**seconds, "all": sum(seconds.values())}.items()}
    print_table(f"key ceremony, {TRUSTEES} trustees, quorum {QUORUM}: one trustee", rows)
    for found in report["tally"]:
        rows = {name: f"{x:.3f} ms" for name, x in found["milliseconds"].items()}
        rows["all"] = f"{found['total_milliseconds']:.3f} ms"
        if "ratio" in found:
            rows |= {f"bare: {k}": f"{x:.3f} ms" for k, x in found["bare_milliseconds"].items()}
            rows["bare: all"] = f"{found['total_bare_milliseconds']:.3f} ms"
            rows["all / bare"] = f"{found['ratio']:.3f}"
            own = found["ratio_to_own_exponentiations"]
            rows["all / bare without M"] = f"{own:.3f}"
        rows[f"{WHOLE:,} ciphertexts"] = f"{found['whole_tally_seconds'] / 60:.1f} min"
        title = f"one of {QUORUM} trustees, for a ciphertext of {found['ciphertexts']:,}"
        print_table(f"{title}, processes: {found['jobs']}", rows)
    memory = report["peak_memory_mib"]
    print_table("peak memory", {name: f"{x:.0f} MiB" for name, x in memory.items()})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trustees")
    parser.add_argument("--ciphertexts", type=int, default=512, help="of one turn on one core")
    parser.add_argument("--turns", type=int, default=5, help="on one core")
    parser.add_argument("--parallel", type=int, default=4096, help="ciphertexts on all cores; or 0")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    chosen = parser.parse_args()
    watch = Stopwatch()
    world, secrets = play_ceremony(watch)
    tally = [measure(Sample(world, secrets, chosen.ciphertexts), 1, chosen.turns)]
    if chosen.parallel and cores() > 1:
        tally.append(measure(Sample(world, secrets, chosen.parallel), cores(), 1))
    report = {"key_ceremony_seconds": watch, "tally": tally, "peak_memory_mib": peak_memory()}
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == "__main__":
    main()
