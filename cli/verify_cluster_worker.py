"""What a Dask worker runs: the verifier's shards, one at a time.

A client sends nothing but the names of these functions, and bytes: they are unpickled only
once it is known that both sides run the same code.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from verifier.archive import NotARecord
from verifier.workers import Result, ShardChecker

RUN = 16
"""Bytes of a run's name: a record may change between two runs, never within one."""
_KEPT = 2
"""Records that a worker keeps open, with their tables."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker will not work for this client: not to be tried again elsewhere."""

    problem: str


@cache
def edition() -> str:
    """Name the code that decides: Sailau's version, a hash of its verifier, and Dask's version."""
    import sailau.v1.record_pb2 as schema
    import verifier

    folder = Path(str(verifier.__file__)).parent
    here = Path(__file__).parent
    files = [*sorted(folder.glob("*.py")), here / "record_url.py", Path(__file__)]
    files.append(Path(str(schema.__file__)))
    digest = sha256()
    for file in files:
        digest.update(sha256(file.name.encode()).digest() + sha256(file.read_bytes()).digest())
    return (
        f"sailau {metadata.version('sailau')} ({digest.hexdigest()[:12]}), "
        f"distributed {metadata.version('distributed')}"
    )


def keep(setting: bytes) -> bytes:
    """Hold what all shards have in common on the cluster; it is made again if it is lost."""
    return setting


_lock = threading.Lock()
"""A process computes on one core: its threads take turns, and share the tables."""
_checkers: OrderedDict[bytes, ShardChecker] = OrderedDict()


def check_shard(theirs: str, setting: bytes, shard: bytes) -> Result | Refused:
    """Check a shard; return what came of it.

    `theirs` is the client's edition; `shard` is pickled, and so is `setting` behind the name of
    the run. Raises NotARecord and log.Changed.
    """
    if theirs != edition():
        return Refused(f"it runs {edition()}, and you {theirs}")
    with _lock:
        try:
            return _checker(setting).check(pickle.loads(shard))
        except NotARecord as error:
            raise NotARecord(f"a worker ({_address()}) reports: {error}") from error


def _checker(setting: bytes) -> ShardChecker:
    name = sha256(setting).digest()
    if name not in _checkers:
        while len(_checkers) >= _KEPT:
            _checkers.popitem(last=False)
        _checkers[name] = ShardChecker(pickle.loads(setting[RUN:]))
    _checkers.move_to_end(name)
    return _checkers[name]


def _address() -> str:
    from distributed import get_worker

    worker: Any = get_worker()
    return str(worker.address)
