"""What proofs cost: plain powmod, one by one, in batches; and what a ballot costs its device.

All ways are measured in turn in one run, on the same proofs, and printed as one table, as
times of the processor for one selection (0 or 1 of a contest, at 4096 bits) and as ratios
to plain `powmod`. Part of `make bench`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

from crypto import batch, range_proof
from crypto.batch import Claims
from crypto.commitments import Commitments
from crypto.elgamal import Ciphertext, PublicKey, encrypt
from crypto.group import Group, group_for, mpz
from crypto.parameters import Parameters, parameters_named
from crypto.range_proof import RangeProof

HASH_KEY, CONTEXT = bytes(32), bytes(8)
SIZES = (10, 100, 2_000)
MEMORY = 32 * 2**20
"""Bytes for each of the tables of g and K, as a device has them."""


@dataclass(frozen=True)
class Proved:
    """A selection with its proof, and the commitments that a device sends along."""

    ciphertext: Ciphertext
    proof: RangeProof
    committed: Commitments


@dataclass(frozen=True)
class Row:
    """One line of the table: milliseconds a selection, and plain powmod divided by that."""

    what: str
    selections: int
    milliseconds: float
    times_faster: float


def prove(key: PublicKey, value: int) -> Proved:
    """Encrypt and prove one selection: six powers, all by tables."""
    nonce = key.group.random_scalar()
    ciphertext = encrypt(key, value, nonce)
    made = range_proof.prove_and_commit(key, ciphertext, nonce, value, 1, HASH_KEY, CONTEXT)
    return Proved(ciphertext, *made)


def verify_plainly(key: PublicKey, proved: Proved) -> None:
    """Ten exponentiations, as the specification writes them, and nothing shared."""
    group, alpha, beta = key.group, proved.ciphertext.alpha, proved.ciphertext.beta
    right = group.power(alpha, group.q) == group.power(beta, group.q) == 1
    found: list[mpz] = []
    pairs = zip(proved.proof.challenges, proved.proof.responses, strict=True)
    for j, (c, v) in enumerate(pairs):
        found.append(group.power(group.g, v) * group.power(alpha, c) % group.p)
        w = (v - j * c) % group.q
        found.append(group.power(key.element, w) * group.power(beta, c) % group.p)
    if not right or tuple(found) != proved.committed.elements:
        raise AssertionError("a proof does not hold")


def verify_exactly(key: PublicKey, proved: Proved) -> None:
    """As the record's own reader does without hints."""
    range_proof.verify_with_membership(key, proved.ciphertext, proved.proof, 1, HASH_KEY, CONTEXT)


def verify_together(key: PublicKey, many: Sequence[Proved]) -> None:
    """As the record's own reader does with hints."""
    claims = Claims(key.group)
    for proved in many:
        range_proof.claim_with_membership(
            claims, key, proved.ciphertext, proved.proof, 1, HASH_KEY, CONTEXT, proved.committed
        )
    batch.verify(key.group, [claims])


def processor(action: Callable[[], object], count: int = 1) -> float:
    """Milliseconds of the processor for one of `count` things."""
    begin = time.process_time()
    action()
    return (time.process_time() - begin) * 1000 / count


def each(
    verify: Callable[[PublicKey, Proved], None], key: PublicKey, many: Sequence[Proved]
) -> None:
    """One after the other."""
    for proved in many:
        verify(key, proved)


def prepare(group: Group) -> tuple[PublicKey, float]:
    """A key whose table is built, like that of g; and the seconds that both took."""
    key = PublicKey(group, group.power(group.g, group.random_scalar()))
    begin = time.process_time()
    group.table.prepare(MEMORY)
    key.table.prepare(MEMORY)
    return key, time.process_time() - begin


def measure(key: PublicKey, rounds: int, largest: int) -> list[Row]:
    """The table. Of every way the median of `rounds` turns."""
    many = [prove(key, i % 2) for i in range(largest)]
    few = many[:5]

    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "verify, plain powmod": (len(few), partial(each, verify_plainly, key, few)),
        "verify, one by one": (len(few), partial(each, verify_exactly, key, few)),
        "encrypt and prove": (len(few), lambda: [prove(key, 1) for _ in few]),
    }
    for size in sorted({min(size, largest) for size in SIZES}):
        together = partial(verify_together, key, many[:size])
        ways[f"verify, batch of {size:,} with hints"] = (size, together)
    spent: dict[str, list[float]] = {what: [] for what in ways}
    for _ in range(rounds):
        for what, (count, action) in ways.items():
            spent[what].append(processor(action, count))
    plain = median(spent["verify, plain powmod"])
    return [
        Row(what, ways[what][0], median(found), plain / median(found))
        for what, found in spent.items()
    ]


def report(parameters: Parameters, rounds: int, largest: int, as_json: bool) -> None:
    """Measure and print the table of one parameter set."""
    key, seconds = prepare(group_for(parameters))
    rows = measure(key, rounds, largest)
    if as_json:
        document = {"parameters": parameters.name, "tables_seconds": seconds}
        print(json.dumps({**document, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(f"\n{parameters.name}: tables of g and K, {MEMORY >> 20} MiB each, in {seconds:.2f} s\n")
    print("| one 0/1 selection | ms | times faster than plain powmod |")
    print("|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.milliseconds:.2f} | {row.times_faster:.1f} |")


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs", description=__doc__)
    parser.add_argument("--parameters", default="standard", help="a parameter set (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way (%(default)s)")
    parser.add_argument(
        "--largest", type=int, default=max(SIZES), help="selections in a batch (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    report(parameters_named(chosen.parameters), chosen.rounds, chosen.largest, chosen.json)


if __name__ == "__main__":
    main()
