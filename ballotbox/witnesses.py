"""Asking witnesses for their cosignatures (C2SP tlog-witness), each in a thread of its own.

A witness that is slow, gone or lying delays neither the board nor the others: artifacts
and receipts never wait for one. What comes is verified, stored, and published with the
checkpoint that it is for.

    witnesses = Witnesses(board, policy, high_water, head)
    witnesses.ask_once(3.0)     before anything is signed: does anybody know a larger tree?
    witnesses.run(stop)         in a thread of its own
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from urllib3.exceptions import HTTPError

from ballotbox.board import Board
from ballotbox.high_water import Head, HighWater, behind
from ballotbox.store import StoredCheckpoint
from ballotbox.witness_calls import Reply, WitnessFailed, call, connections
from crypto.errors import Malformed, Rejected, SailauError
from record.add_checkpoint import PATH, SIZE_TYPE, format_add_checkpoint, parse_known_size
from record.checkpoint import parse_checkpoint, parse_verifier_key, verify_checkpoint
from record.cosignature import parse_answer
from record.policy import Policy, Witness

LOGGER = logging.getLogger(__name__)

_CONNECT, _READ, _WHOLE = 5.0, 10.0, 20.0
"""Seconds for a connection, for the next bytes on it, and for an answer in all."""
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_IDLE = 5.0
_ATTEMPTS = 3
"""Requests for one checkpoint in a row: the first may have to learn the witness's size."""
_EXPECTED = (SailauError, HTTPError, OSError, ValueError)
"""What a witness, or the way to it, may cause."""

Due = Callable[[], StoredCheckpoint | None]
"""The checkpoint that is to be cosigned now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a witness is: the size that it has cosigned, and what is wrong, if anything.

    `claim` is a size above ours that it says it knows, and does not show.
    """

    name: str
    size: int
    problem: str = ""
    claim: int = 0


class Witnesses:
    """All witnesses of a policy that have a URL."""

    def __init__(
        self,
        board: Board,
        policy: Policy,
        high_water: HighWater,
        head: Due,
        cosigned: Callable[[], None] = lambda: None,
    ) -> None:
        """`cosigned` is called when something was stored; it must not wait."""
        self._board, self._high_water = board, high_water
        self._askers = [
            Asker(board, witness, high_water, head, cosigned)
            for witness in policy.witnesses
            if witness.url
        ]

    def poke(self) -> None:
        """There is a new checkpoint to cosign. Waits for nothing."""
        for asker in self._askers:
            asker.poke()

    def ask_once(self, timeout: float) -> None:
        """Ask all at once, and wait so long at most; what they know is in the high-water mark."""
        threads = [
            threading.Thread(target=asker.attempt, daemon=True, name=f"witness {asker.name}")
            for asker in self._askers
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def check(self) -> None:
        """After `ask_once`, before anything is signed: does anybody know more than we do?

        Raises StoreDamaged. While nothing is served yet, a number alone is reason enough
        to ask people; they may take a witness that lies out of the policy.
        """
        head = self._board.head()
        self._high_water.check(head.size, head.root)
        for one in self.standings():
            if one.claim:
                where = f"what the witness {one.name} says it has cosigned"
                raise behind(head.size, Head(one.claim, b"", where))

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set. A request that is under way then is not waited for."""
        for asker in self._askers:
            name = f"witness {asker.name}"
            threading.Thread(target=asker.run, args=(stop,), daemon=True, name=name).start()
        stop.wait()
        self.poke()

    def standings(self) -> tuple[Standing, ...]:
        """Each witness, in the order of the policy."""
        return tuple(asker.standing for asker in self._askers)

    def notices(self) -> tuple[str, ...]:
        """What is wrong with witnesses, one sentence each."""
        return tuple(
            f"The witness {one.name} does not cosign, and is asked again: {one.problem}."
            for one in self.standings()
            if one.problem
        )


class Asker:
    """One witness, asked by one thread at a time."""

    def __init__(
        self,
        board: Board,
        witness: Witness,
        high_water: HighWater,
        head: Due,
        cosigned: Callable[[], None],
    ) -> None:
        self.name = witness.name
        self.standing = Standing(witness.name, 0)
        self._board, self._witness, self._high_water = board, witness, high_water
        self._head, self._cosigned = head, cosigned
        self._key = parse_verifier_key(board.transcript.context.election.log_key)
        self._url = witness.url.rstrip("/")
        self._pool = connections(_CONNECT, _READ)
        self._asking = threading.Lock()
        self._due = threading.Event()
        # What the witness knows; None before it was asked for the first time.
        self._known: int | None = None
        self._done: StoredCheckpoint | None = None
        self._claim = 0

    def poke(self) -> None:
        """Look again whether there is something to cosign."""
        self._due.set()

    def run(self, stop: threading.Event) -> None:
        """Ask for each new head until `stop` is set."""
        pause, said = _FIRST_PAUSE, ""
        while not stop.is_set():
            self._due.clear()
            if self.attempt():
                pause, said = _FIRST_PAUSE, ""
                self._due.wait(_IDLE)
            else:
                if said != (said := self.standing.problem):
                    LOGGER.warning("witness %s: %s", self.name, said)
                # Not all servers at the same time, after a witness was away.
                stop.wait(pause * (0.75 + secrets.randbelow(500) / 1000))
                pause = min(2 * pause, _LAST_PAUSE)

    def attempt(self) -> bool:
        """Ask for the head, if it is not cosigned yet; whether nothing went wrong."""
        with self._asking:
            try:
                head, self._claim = self._head(), 0
                if head is not None and head != self._done:
                    self._ask(head)
                    self._done = head
                    self.standing = Standing(self.name, head.size)
            except Exception as error:
                if not isinstance(error, _EXPECTED):  # a mistake of ours ends no thread
                    LOGGER.error("asking witness %s has failed", self.name, exc_info=error)
                size, problem = self.standing.size, _reason(error)
                self.standing = Standing(self.name, size, problem, self._claim)
                return False
        return True

    def _ask(self, head: StoredCheckpoint) -> None:
        # The first time this head itself may be the one it knows: nothing has to be proved.
        known = head.size if self._known is None else min(self._known, head.size)
        for _ in range(_ATTEMPTS):
            reply = self._request(head, known)
            if reply.status == 200:
                self._keep(head, reply.body)
                return
            if reply.status != 409 or reply.kind != SIZE_TYPE:
                raise WitnessFailed(f"it answers {reply.status} {_text(reply.body)}".strip())
            known = parse_known_size(reply.body)
            if known > head.size:
                self._is_ahead(known)
            self._known = known
        raise WitnessFailed("it names another size each time")

    def _keep(self, head: StoredCheckpoint, body: bytes) -> None:
        text = parse_checkpoint(head.note).text
        signatures = parse_answer(body, self._witness.key, text)
        lines = [signature.line().encode() for signature in signatures]
        self._board.store.add_cosignatures(head.size, lines)
        self._known = head.size
        self._cosigned()

    def _is_ahead(self, known: int) -> None:
        """It has seen a larger tree than the one that it is asked for.

        That is so if it knows more of this log than we do: then this database is an older
        copy, and nothing more may be signed. A number alone would let one witness stop the
        board, so a running board asks for the log's own signature.
        """
        newest = self._board.head()
        if known <= newest.size:
            self._known = known  # a later head will do
            raise WitnessFailed(f"it has cosigned {known} artifacts already")
        where = f"the checkpoint that the witness {self.name} has cosigned"
        try:
            shown = verify_checkpoint(self._latest(), self._key, where)
        except (WitnessFailed, Malformed, Rejected, HTTPError, OSError) as error:
            self._claim = known
            raise WitnessFailed(
                f"it says that it has cosigned {known} artifacts, more than the {newest.size} "
                f"there are, and does not show them: {_reason(error)}"
            ) from None
        self._high_water.report(where, shown.size, shown.root)
        raise WitnessFailed(f"it has a checkpoint of {shown.size} artifacts with our signature")

    def _request(self, head: StoredCheckpoint, known: int) -> Reply:
        proof = self._board.consistency_proof(known, head.size) if known < head.size else ()
        body = format_add_checkpoint(known, proof, head.note)
        return call(self._pool, f"{self._url}/{PATH}", body, _WHOLE)

    def _latest(self) -> bytes:
        origin = hashlib.sha256(self._key.name.encode()).hexdigest()
        reply = call(self._pool, f"{self._url}/{origin}/checkpoint", None, _WHOLE)
        if reply.status != 200:
            raise WitnessFailed(f"it answers {reply.status}")
        return reply.body


def _text(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip().splitlines()
    return text[0] if text else ""


def _reason(error: BaseException) -> str:
    if isinstance(error, SailauError):
        return str(error).rstrip(".")
    if not isinstance(error, _EXPECTED):
        return type(error).__name__
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}"[:200]
