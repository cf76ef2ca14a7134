"""The verifier's shards on a Dask cluster: the executor of `sailau verify --cluster`.

    with Cluster.connect("tls://scheduler:8786", security, records_at=None) as cluster:
        verify(record, executor=cluster, jobs=cluster.workers())

One task a shard; a few shards a worker are on their way at any time, and what comes back is
small: findings and products by cell. A worker that is lost costs its shards, which Dask gives
to others. Results are put together in the order of the record, so that the report is that of
one machine.

Dask's workers run what they are sent, and the client unpickles what they answer: a cluster
is trusted like the machine this runs on (docs/cluster.md).
"""

from __future__ import annotations

import logging
import pickle
import secrets
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from cli.record_url import open_record
from cli.verify_cluster_worker import RUN, Refused, check_shard, edition, keep
from verifier.archive import NotARecord
from verifier.log import Changed
from verifier.workers import ExecutorFailed, Result, Setting, Shard, WorkerDied

_AHEAD = 3
"""Shards a worker that are handed out and not taken back."""
_RETRIES = 2
"""How often a shard that failed is tried again: a disk or a network may have been away."""
_ASK = f"__import__({edition.__module__!r}, fromlist=['edition']).edition()"
"""What a worker is asked first. In words, since a function that it cannot import ends it."""
_CONNECT, _ANSWER = 20.0, 10.0
"""Seconds to reach the scheduler, and for a worker to say what it runs."""
_POLL = 2.0
"""Seconds between two looks at a cluster that is silent."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files (PEM) with which both sides of a connection prove that they belong to the cluster."""

    authority: Path
    certificate: Path
    key: Path


def address_problem(address: str, credentials: Credentials | None, insecure: bool) -> str:
    """What is wrong with a scheduler's address and what was given for it; "" if nothing is."""
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return f"{address} is not an address like tls://scheduler:8786"
    if scheme not in ("tls", "tcp") or not host or port is None or parts.path:
        return f"{address} is not an address like tls://scheduler:8786"
    if scheme == "tls":
        return "" if credentials else "tls:// needs --cluster-ca, --cluster-cert and --cluster-key"
    if credentials is not None:
        return "tcp:// has no use for certificates: did you mean tls://?"
    if insecure or _is_loopback(host):
        return ""
    return (
        "tcp:// to another machine lets whoever is on the network forge the verdict and run "
        "programs on the workers: use tls://, or say --insecure-cluster"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Cluster:
    """A Dask cluster that runs shards; an Executor of `verifier.workers`."""

    def __init__(self, client: Any, records_at: str | None = None, patience: float = 60.0) -> None:
        """Take a connected client, where workers find the record if not where we do, and for
        how many seconds to wait where no worker is left."""
        self._client = client
        self._records_at = records_at
        self._patience = patience
        self._waiting: deque[tuple[Shard, Any]] = deque()

    @classmethod
    def connect(
        cls, address: str, credentials: Credentials | None, records_at: str | None
    ) -> Cluster:
        """Connect to a scheduler, and see that its workers run the same code.

        Raises ExecutorFailed.
        """
        try:
            from distributed import Client, Security
        except ModuleNotFoundError as error:
            raise ExecutorFailed(
                "--cluster needs Dask: install sailau with the extra `cluster`"
            ) from error
        # What goes wrong is said once, by us.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        security = None
        if credentials is not None:
            security = Security(
                tls_ca_file=str(credentials.authority),
                tls_client_cert=str(credentials.certificate),
                tls_client_key=str(credentials.key),
                require_encryption=True,
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other versions: see _check_editions
                client = Client(address, security=security, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ExecutorFailed(f"the cluster at {address} cannot be used: {reason}") from error
        cluster = cls(client, records_at)
        try:
            cluster._check_editions()
        except BaseException:
            cluster.close()
            raise
        return cluster

    def __enter__(self) -> Cluster:
        """Use it in a with statement."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take back what is on its way, and leave."""
        self.close()

    def close(self) -> None:
        """Cancel the shards that are on their way, and end the connection."""
        self._cancel()
        with suppress(Exception):
            self._client.close(timeout=5)

    def workers(self) -> int:
        """How many workers there are now."""
        return len(self._addresses())

    def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
        """Yield the results in the order of the shards.

        Raises WorkerDied if a shard ends one worker after the other or none is left,
        ExecutorFailed if workers cannot do it, and what ShardChecker raises.
        """
        run = secrets.token_bytes(RUN)
        where = self._records_at or setting.record
        setting = replace(setting, record=where, opener=open_record)
        held = self._submit("setting", run, keep, run + pickle.dumps(setting))
        room, looked = self._room(), time.monotonic()
        try:
            for shard in shards:
                name = f"{shard.file}-{shard.ballots[0][0]}"
                data = pickle.dumps(shard)
                self._waiting.append(
                    (shard, self._submit(name, run, check_shard, edition(), held, data))
                )
                if time.monotonic() > looked + _POLL:
                    # Workers come and go.
                    room, looked = self._room(), time.monotonic()
                while len(self._waiting) > room:
                    yield self._next()
            while self._waiting:
                yield self._next()
        finally:
            self._cancel()

    # --- with Dask ------------------------------------------------------------------

    def _submit(self, name: str, run: bytes, function: Any, *arguments: Any) -> Any:
        key = f"sailau-{run.hex()}-{name}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large manifest is sent once
            return self._client.submit(function, *arguments, key=key, retries=_RETRIES, pure=False)

    def _room(self) -> int:
        return _AHEAD * max(1, self.workers())

    def _addresses(self) -> Sequence[str]:
        try:
            return sorted(self._client.nthreads())
        except Exception as error:
            raise ExecutorFailed(f"the scheduler does not answer: {_said(error)}") from error

    def _next(self) -> Result:
        shard, future = self._waiting[0]
        place = f"artifacts/{shard.file:03}, from ballot {shard.ballots[0][0]} on"
        answer = self._answer(future, place)
        self._waiting.popleft()
        if isinstance(answer, Refused):
            raise ExecutorFailed(_refusal("a worker", answer.problem))
        if not isinstance(answer, Result):
            raise ExecutorFailed(f"a worker answered something else for {place}")
        return answer

    def _answer(self, future: Any, place: str) -> Any:
        """Wait for a result, as long as there is somebody who may bring it."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        alone_since: float | None = None
        while True:
            try:
                return future.result(timeout=_POLL)
            except TimeoutError:
                if future.done():
                    continue
                alone_since = self._alone(alone_since)
            except (NotARecord, Changed):
                raise
            except KilledWorker as error:
                raise WorkerDied(
                    f"workers died again and again while they checked {place}, at last "
                    f"{error.last_worker.address}: see what they logged (memory?)"
                ) from error
            except CancelledError as error:
                raise ExecutorFailed(
                    "the scheduler was lost, or has lost our tasks: see to it, and verify again"
                ) from error
            except Exception as error:
                raise ExecutorFailed(f"a worker cannot check {place}: {_said(error)}") from error

    def _alone(self, since: float | None) -> float | None:
        """Since when there has been no worker. Raises WorkerDied if that is too long."""
        if self.workers():
            return None
        now = time.monotonic()
        since = now if since is None else since
        if now - since >= self._patience:
            raise WorkerDied(
                f"no worker has been left for {self._patience:.0f} seconds: start some, and verify "
                "again"
            )
        return since

    def _check_editions(self) -> None:
        """See that there are workers, and that none of them runs other code.

        One that does not answer is not waited for: each shard says who it is for, too.
        """
        with suppress(Exception):
            self._client.wait_for_workers(1, timeout=_CONNECT)
        addresses = self._addresses()
        if not addresses:
            raise ExecutorFailed(
                "the cluster has no worker: start some with `dask worker` (docs/cluster.md)"
            )
        run = secrets.token_bytes(RUN)
        asked = {
            address: self._client.submit(
                eval,
                _ASK,
                key=f"sailau-{run.hex()}-edition-{number}",
                workers=[address],
                pure=False,
            )
            for number, address in enumerate(addresses)
        }
        deadline = time.monotonic() + _ANSWER
        for address, future in asked.items():
            try:
                theirs = future.result(timeout=max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                continue
            except Exception as error:
                raise ExecutorFailed(_refusal(f"worker {address}", _said(error))) from error
            if theirs != edition():
                problem = f"it runs {theirs}, and you {edition()}"
                raise ExecutorFailed(_refusal(f"worker {address}", problem))
        self._client.cancel([future for future in asked.values() if not future.done()])

    def _cancel(self) -> None:
        futures = [future for _, future in self._waiting]
        self._waiting.clear()
        if futures:
            with suppress(Exception):
                self._client.cancel(futures)


def _refusal(who: str, problem: str) -> str:
    return f"{who} cannot take part: {problem}. Install the same Sailau on all machines"


def _said(error: BaseException | None) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
