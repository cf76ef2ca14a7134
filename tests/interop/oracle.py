"""Loads electionguard 1.4.0 as an oracle that works over our p, q and g.

Importing it the usual way fails on Python 3.11 and newer: its `__init__` imports
every module, and one has a dataclass whose default, an ElGamalCiphertext, is not
hashable. So the package object goes into `sys.modules` unexecuted, with its
`__path__`, and the class gets its `__hash__` before that module is imported.

Version 1 of the specification has another p and g (docs/interop.md), so its
constants are replaced by those of 2.1.0, which is where the two can agree.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

from crypto.parameters import STANDARD

Load = Callable[[str], Any]
"""`electionguard("group")` is the module electionguard.group over our parameters."""


def load_electionguard() -> Load | None:
    """Prepare the package once for a process; None if it is not installed."""
    spec = importlib.util.find_spec("electionguard")
    if spec is None:
        return None
    sys.modules["electionguard"] = importlib.util.module_from_spec(spec)

    constants = _load("constants")
    p, q, g = STANDARD.p, STANDARD.q, STANDARD.g
    constants.STANDARD_CONSTANTS = constants.create_constants(p, q, (p - 1) // q, g)
    if (constants.get_large_prime(), constants.get_generator()) != (p, g):
        raise RuntimeError("electionguard does not take our parameters: is PRIME_OPTION set?")

    ciphertext = _load("elgamal").ElGamalCiphertext
    ciphertext.__hash__ = lambda self: hash((self.pad, self.data))
    return _load


def _load(name: str) -> Any:
    return importlib.import_module(f"electionguard.{name}")
