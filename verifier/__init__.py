"""A standalone verifier of Sailau records.

It restates ElectionGuard 2.1.0 and docs/record.md a second time and shares no code with
the programs that make a record, so that one bug cannot both make and pass a bad one. It
needs Python, gmpy2, protobuf and cryptography. Copy this folder and record_pb2.py into
an empty one and run `python -m verifier RECORD`.

    >>> from verifier import verify
    >>> report = verify("record/")            # doctest: +SKIP
    >>> report.verdict, report.failed_ids()   # doctest: +SKIP
    ('verified', ())

Where to read on: `run` is the whole in three readings; `survey` the first of them, `count`
the last; `trustee_statements`, `ballot_proofs`, `decryption` and `challenged` the
mathematics; `batch` and `multipower` how thousands of proofs are checked as one, `workers`
how they are divided; `accusations` judges what is not on the record; `comparison` holds the
record to what others have, and `disputes` needs no record at all; `catalogue` lists every
check by its id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifier.cli import main
    from verifier.report import Report
    from verifier.run import verify

__all__ = ["Report", "main", "verify"]

_HOMES = {"Report": "verifier.report", "main": "verifier.cli", "verify": "verifier.run"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used.

    So that a missing dependency is a message of `__main__` and not a traceback.
    """
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
