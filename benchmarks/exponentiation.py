"""What an exponentiation costs: by table, by powmod, and with a secret exponent.

Prints the three side by side, measured in turn in one run, as times and ratios. Run it
with `make bench-exponentiation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from crypto import range_proof
from crypto.elgamal import PublicKey, encrypt
from crypto.group import FixedBase, Group, group_for, mpz
from crypto.parameters import REDUCED_3072, STANDARD, Parameters

ROUNDS, EACH = 15, 20


def measure(actions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each action in milliseconds; the actions take turns."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            begin = time.perf_counter()
            for _ in range(EACH):
                action()
            times[name].append((time.perf_counter() - begin) * 1000 / EACH)
    return {name: median(values) for name, values in times.items()}


def build_time(group: Group, base: mpz) -> tuple[FixedBase, float]:
    """A table of `base` and the seconds that it takes to build."""
    table = FixedBase(group, base)
    begin = time.perf_counter()
    table.power(1)
    return table, time.perf_counter() - begin


def report(parameters: Parameters) -> None:
    """Print the figures of one parameter set."""
    group = group_for(parameters)
    base = group.g_power(group.random_scalar())
    exponent = group.random_scalar()
    table, seconds = build_time(group, base)
    key = PublicKey(group, base)
    nonce = group.random_scalar()
    ciphertext = encrypt(key, 1, nonce)
    proof = range_proof.prove(key, ciphertext, nonce, 1, 1, bytes(32), b"")
    found = measure(
        {
            "powmod": lambda: group.power(base, exponent),
            "powmod_sec": lambda: group.power_secret(base, exponent),
            "table": lambda: table.power(exponent),
            "encrypt and prove 0/1": lambda: (
                encrypt(key, 1, nonce),
                range_proof.prove(key, ciphertext, nonce, 1, 1, bytes(32), b""),
            ),
            "verify 0/1": lambda: range_proof.verify(key, ciphertext, proof, 1, bytes(32), b""),
        }
    )
    print(f"\n{parameters.name}: window {table.window} bits, table built in {seconds:.2f} s\n")
    print("| what | ms | powmods |")
    print("|---|---|---|")
    for name, milliseconds in found.items():
        print(f"| {name} | {milliseconds:.3f} | {milliseconds / found['powmod']:.2f} |")


if __name__ == "__main__":
    for chosen in (STANDARD, REDUCED_3072):
        report(chosen)
