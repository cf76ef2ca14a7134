"""What it costs to verify ballots: by plain powers, exactly, and in batches with hints.

Makes an election of one contest with ten options under the standard parameters, encrypts
ballots, and checks the same ballots in each way, in turn, in one run:

    plain    the equations as the specification writes them, every power by powmod
    exact    the verifier without hints (`sailau verify --exact`)
    batch    the verifier with the hints of devices, at several numbers of ballots
    jobs     the verifier's shards in one process and in two

Everything that is done to a ballot is in the verifier's figures, its signature and the
reading of its file included; in those of plain powers nothing but powers and hashes is.
Times are those of the processor, only those of the jobs are of the clock on the wall.

Part of `make bench`; by itself, `python -m benchmarks.verification --help` for options.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from gmpy2 import mpz, powmod

from ballotbox.encryption import encrypt_ballot
from benchmarks.proofs import processor
from crypto.parameters import STANDARD, Parameters
from record.artifacts import Role, sign_statement
from sailau.v1 import record_pb2 as pb
from tests.ballots import begin_device, device_chain
from tests.published_hints import write_entries
from tests.publishing import publish
from tests.world import World, manifest_bytes, manifest_document
from verifier.archive import open_archive
from verifier.ballot_proofs import BallotChecker, Work
from verifier.run import Verification
from verifier.survey import Books
from verifier.workers import LocalExecutor, Setting, Shard, Shards

OPTIONS = 10
DEVICE = "ballot-box-1"


# --- an election with ballots


def manifest() -> bytes:
    """One contest with ten options, of which one may be chosen."""
    document = manifest_document("none")
    contest = document["contests"][0]
    name = contest["name"]
    contest["options"] = [{"label": f"option-{i}", "name": name} for i in range(OPTIONS)]
    document["contests"] = [contest]
    for style in document["ballot_styles"]:
        style["contests"] = [contest["label"]]
    return manifest_bytes(document)


@dataclass(frozen=True)
class Sample:
    """Ballots of an election with open polls: artifacts from 0 on, and hints beside them."""

    world: World
    data: Sequence[bytes]
    hints: Sequence[bytes]

    def works(self, count: int, hinted: bool) -> list[Work]:
        """The last `count` ballots, as the verifier takes them."""
        first = len(self.data) - count
        return [
            Work(first + i, self.data[first + i], True, self.hints[first + i] if hinted else b"")
            for i in range(count)
        ]

    def publish(self, folder: Path) -> None:
        """Write the record and its hints."""
        publish(self.world, folder, self.data)
        write_entries(folder, self.hints)


def make_sample(ballots: int, parameters: Parameters = STANDARD) -> Sample:
    """Hold a small key ceremony and encrypt ballots."""
    world = World.create(parameters, manifest=manifest(), trustees=1, quorum=1)
    begin_device(world, DEVICE)
    chain = device_chain(world, DEVICE)
    key = world.role_key(Role.DEVICE, DEVICE)
    data, hints = [bytes(x) for x in world.data()], [b""] * len(world.data())
    for i in range(ballots):
        chosen = {"president": {f"option-{i % OPTIONS}": 1}}
        field = chain.field(b"")
        made = encrypt_ballot(world.context, world.keys, DEVICE, "centre", "full", chosen, field)
        artifact = sign_statement(made.ballot, world.group, world.context.base_hash, key)
        data.append(bytes(artifact.data))
        hints.append(made.hints)
    return Sample(world, data, hints)


# --- plain powers


class Plain:
    """The equations of V6, V7 and (38), one powmod a power."""

    def __init__(self, world: World) -> None:
        self.p, self.q = mpz(STANDARD.p), mpz(STANDARD.q)
        self.g, self.k = mpz(STANDARD.g), world.keys.vote_key.element

    def ballot(self, ballot: pb.Ballot) -> bool:
        """Whether every proof of a ballot holds."""
        holds = True
        for contest in ballot.contests:
            context = contest.index.to_bytes(4, "big")
            alphas = betas = mpz(1)
            for j, selection in enumerate(contest.selections, start=1):
                alpha, beta = self._number(selection.alpha), self._number(selection.beta)
                alphas, betas = alphas * alpha % self.p, betas * beta % self.p
                holds &= powmod(alpha, self.q, self.p) == 1 == powmod(beta, self.q, self.p)
                here = context + j.to_bytes(4, "big")
                holds &= self._range(ballot, here, alpha, beta, selection.proof)
            holds &= self._range(ballot, context, alphas, betas, contest.limit_proof)
        nonce = ballot.encrypted_nonce
        c0, c, v = (self._number(x) for x in (nonce.c0, nonce.c2.challenge, nonce.c2.response))
        holds &= powmod(c0, self.q, self.p) == 1
        a = powmod(self.g, v, self.p) * powmod(c0, c, self.p) % self.p
        data = b"\x23" + self._element(a) + nonce.c0 + nonce.c1
        return bool(holds and self._hash(ballot, data) == c)

    def _range(
        self, ballot: pb.Ballot, context: bytes, alpha: mpz, beta: mpz, proof: pb.RangeProof
    ) -> bool:
        p, total = self.p, mpz(0)
        data = b"\x24" + context + self._element(alpha) + self._element(beta)
        for j, (challenge, response) in enumerate(
            zip(proof.challenges, proof.responses, strict=True)
        ):
            c, v = self._number(challenge), self._number(response)
            total += c
            w = (v - j * c) % self.q
            a = powmod(self.g, v, p) * powmod(alpha, c, p) % p
            b = powmod(self.k, w, p) * powmod(beta, c, p) % p
            data += self._element(a) + self._element(b)
        return bool(self._hash(ballot, data) == total % self.q)

    def _hash(self, ballot: pb.Ballot, data: bytes) -> mpz:
        digest = hmac.digest(ballot.identifier_hash, data, hashlib.sha256)
        return mpz(int.from_bytes(digest, "big")) % self.q

    def _number(self, data: bytes) -> mpz:
        return mpz(int.from_bytes(data, "big"))

    def _element(self, x: mpz) -> bytes:
        return int(x).to_bytes(512, "big")


# --- measuring


def wall(action: Callable[[], object]) -> float:
    """Seconds of the clock."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def open_books(folder: Path) -> Books:
    """What the verifier knows after its first reading."""
    verification = Verification(open_archive(folder), "standard", "close", 1, lambda *_: None)
    verification.read_log()
    books = verification.survey.books
    assert books is not None, "there are ballots"
    return books


def measure_ways(sample: Sample, books: Books, sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Milliseconds a selection of each way; the ways take turns, the median counts."""
    vote, extended = books.keys.vote, books.keys.extended_hash
    exact = BallotChecker(books.election, extended, vote, exact=True)
    batch = BallotChecker(books.election, extended, vote)
    exact.enlarge()  # as it does by itself after some ballots
    plain, few = Plain(sample.world), sample.works(2, False)
    ballots = [pb.Artifact.FromString(work.data).ballot for work in few]
    assert all(plain.ballot(ballot) for ballot in ballots)
    actions: dict[str, tuple[int, Callable[[], object]]] = {
        "plain": (len(few), lambda: [plain.ballot(ballot) for ballot in ballots]),
        "exact": (len(few), partial(exact.check, few)),
    }
    for size in sizes:
        works = sample.works(size, True)
        actions[f"batch of {size * OPTIONS:,}"] = size, partial(batch.check, works)
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, (count, action) in actions.items():
            times[name].append(processor(action, count * OPTIONS))
    return {name: median(values) for name, values in times.items()}


def repeated(sample: Sample, folder: Path, exact: bool, times: int) -> Iterator[Shard]:
    """The record's shards, several times over."""
    archive = open_archive(folder)
    total = len(sample.data)
    ballots = [(work.number, True) for work in sample.works(_ballots(sample), False)]

    def covered(file: int) -> int:
        return min(256, total - 256 * file)

    for _ in range(times):
        yield from Shards(archive, exact, 2).cut(ballots, len(ballots) * times, covered)


def _ballots(sample: Sample) -> int:
    return sum(1 for hint in sample.hints if hint)


def run(executor: LocalExecutor, setting: Setting, shards: Sequence[Shard]) -> None:
    """Check the ballots of some shards."""
    assert not any(result.outcome.findings.total_failed for result in executor.run(setting, shards))


def time_jobs(
    sample: Sample, folder: Path, exact: bool, times: int, rounds: Iterable[int]
) -> dict[str, Any]:
    """Seconds of one and of two processes on the same ballots, in turns, started afresh.

    Of several rounds the least counts: the rest is what other programs took.
    """
    books = open_books(folder)
    vote, extended = int(books.keys.vote), books.keys.extended_hash
    setting = Setting(str(folder), books.election, extended, vote, exact)
    shards = list(repeated(sample, folder, exact, times))
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in rounds:
        for jobs, values in seconds.items():
            values.append(wall(partial(run, LocalExecutor(jobs), setting, shards)))
    ballots = sum(len(shard.ballots) for shard in shards)
    one, two = min(seconds[1]), min(seconds[2])
    return {"ballots": ballots, "one": one, "two": two, "ratio": one / two}


def measure_jobs(sample: Sample, folder: Path, rounds: int) -> dict[str, Any]:
    """`time_jobs` of each way."""
    return {
        "batch": time_jobs(sample, folder, False, 8, range(rounds)),
        "exact": time_jobs(sample, folder, True, 2, range(rounds)),
    }


def measure_whole(folder: Path) -> dict[str, float]:
    """Seconds of whole verifications of the record, programs of their own."""
    found = {}
    for way, options in (("batch", []), ("exact", ["--exact"])):
        for jobs in ("1", "2"):
            command = [sys.executable, "-m", "verifier", str(folder), "--quiet", "--jobs", jobs]
            program = partial(subprocess.run, [*command, *options], capture_output=True)
            found[f"{way}, jobs {jobs}"] = wall(program)
    return found


# --- reporting


def print_report(report: dict[str, Any]) -> None:
    """Tables in Markdown."""
    plain = report["milliseconds_a_selection"]["plain"]
    print(f"4096 bits, ballots of {OPTIONS} options with limit and nonce proof, one process\n")
    print("| way | ms a selection | times faster than plain powmod |")
    print("|---|---|---|")
    for name, value in report["milliseconds_a_selection"].items():
        print(f"| {name} | {value:.3f} | {plain / value:.1f} |")
    print("\n| shards | selections | one process, s | two, s | ratio |")
    print("|---|---|---|---|---|")
    for way, row in report["jobs"].items():
        figures = f"{row['one']:.2f} | {row['two']:.2f} | {row['ratio']:.2f}"
        print(f"| {way} | {row['ballots'] * OPTIONS:,} | {figures} |")
    print(f"\n| whole verification, {report['ballots']:,} ballots | s |\n|---|---|")
    for name, seconds in report["whole_seconds"].items():
        print(f"| {name} | {seconds:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verification",
        description="Measure what it costs to verify ballots, in each way, side by side.",
    )
    parser.add_argument("--ballots", type=int, default=200, help="of ten options (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    chosen = parser.parse_args()
    sample = make_sample(chosen.ballots)
    sizes = sorted({min(size, chosen.ballots) for size in (1, 10, 200)})
    with TemporaryDirectory() as name:
        folder = Path(name)
        sample.publish(folder)
        books = open_books(folder)
        report = {
            "ballots": chosen.ballots,
            "milliseconds_a_selection": measure_ways(sample, books, sizes, chosen.rounds),
            "jobs": measure_jobs(sample, folder, min(chosen.rounds, 2)),
            "whole_seconds": measure_whole(folder),
        }
    if chosen.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)


if __name__ == "__main__":
    main()
