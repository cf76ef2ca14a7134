"""What electionguard 1.4.0 needs for one selection of 0 or 1, at 4096 bits.

A peer to compare with: the published Python implementation of an earlier version of the
specification, which computes over our p, q and g here (docs/interop.md). It pins old
packages, so it is measured by the interpreter of an environment that has it:

    PYTHON -m benchmarks.electionguard_peer              # a JSON object
    PYTHON -m benchmarks.electionguard_peer --serve      # a JSON number for each line read

"installed" is false where it is not. With `--serve` it first says `{"installed": true}`,
then measures once for every line that is "encrypt" or "verify", so that another program can
take turns with it. Times are those of the processor, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from tests.interop.oracle import load_electionguard

ROUNDS, EACH = 7, 10

Actions = dict[str, Callable[[], object]]


def prepare() -> Actions | None:
    """What can be measured: "encrypt" with its proof, and "verify"; None if not installed."""
    logging.disable(logging.CRITICAL)  # it logs every ciphertext, which is not what is measured
    load = load_electionguard()
    if load is None:
        return None
    elgamal, proofs, group = load("elgamal"), load("chaum_pedersen"), load("group")
    keys = elgamal.elgamal_keypair_from_secret(group.rand_range_q(2))
    base_hash, seed = group.rand_q(), group.rand_q()

    def encrypt_and_prove() -> Any:
        nonce = group.rand_q()
        message = elgamal.elgamal_encrypt(1, nonce, keys.public_key)
        return message, proofs.make_disjunctive_chaum_pedersen(
            message, nonce, keys.public_key, base_hash, seed, 1
        )

    message, proof = encrypt_and_prove()
    if not proof.is_valid(message, keys.public_key, base_hash):
        raise RuntimeError("electionguard does not verify what it made")
    return {
        "encrypt": encrypt_and_prove,
        "verify": lambda: proof.is_valid(message, keys.public_key, base_hash),
    }


def milliseconds(action: Callable[[], object]) -> float:
    """Of the processor, the mean of a few."""
    begin = time.process_time()
    for _ in range(EACH):
        action()
    return (time.process_time() - begin) * 1000 / EACH


def measure(actions: Actions | None) -> dict[str, Any]:
    """The medians of some rounds."""
    if actions is None:
        return {"installed": False}
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            times[name].append(milliseconds(action))
    return {"installed": True} | {f"{name}_ms": median(found) for name, found in times.items()}


def serve(actions: Actions | None) -> None:
    """Answer every line with what was measured, until there is none."""
    print(json.dumps({"installed": actions is not None}), flush=True)
    if actions is not None:
        for line in sys.stdin:
            print(json.dumps(milliseconds(actions[line.strip()])), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.electionguard_peer",
        description="Measure electionguard 1.4.0: one selection, at 4096 bits.",
    )
    parser.add_argument("--serve", action="store_true", help="measure once for each line read")
    if parser.parse_args().serve:
        serve(prepare())
    else:
        print(json.dumps(measure(prepare()), indent=2))


if __name__ == "__main__":
    main()
