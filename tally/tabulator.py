"""The server's engine: what the tally needs done next, from the state of the log alone.

Phase closed: publish the encrypted tallies, then have a checkpoint signed. Tallied, once
a session's responses are complete: open the challenged ballots, then combine, count and
publish every tally. It keeps nothing of its own that matters, so it can be stopped at any
moment and goes on where the record ends.

The tallies wait until a quorum of the session has given its shares of the challenged
ballots' nonces: no session can follow once decrypted tallies stand in the record, and
what is missing then stays missing. They wait, too, when a challenged ballot cannot be
opened and there are trustees outside of the session, one time: a trustee that gives
wrong shares must not be able to prevent the end, nor a device that sealed another nonce
the counts.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Protocol, TypeVar

from crypto.discrete_log import DiscreteLog
from crypto.errors import SailauError
from crypto.group import mpz
from record.aggregate import encrypted_tallies
from record.artifacts import (
    PART,
    Artifact,
    Ballot,
    DecryptedOption,
    DecryptedTally,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
    EncryptedTally,
)
from record.decryption import combine
from record.log import Log
from record.state import Phase, Round, SessionState, State, Status
from tally.opening import open_ballot

S = TypeVar("S")
LOGGER = logging.getLogger(__name__)
POLL = 1.0
"""Seconds between looks at the nonce shares, which do not show in the log."""
PAUSE_AFTER_FAILURE = 5.0


class NonceShareSource(Protocol):
    """Where trustees' nonce shares are kept; `ballotbox.store.Store` is one."""

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i (107), encoded, of a session by confirmation code and trustee."""
        ...


class Tabulator:
    """`step` and `run` in one thread; `notices` from any."""

    def __init__(
        self,
        log: Log,
        nonce_shares: NonceShareSource,
        sign_checkpoint: Callable[[], object],
    ) -> None:
        """`sign_checkpoint` has the log as it is signed; it may be called again for the same."""
        self._log = log
        self._nonce_shares = nonce_shares
        self._sign_checkpoint = sign_checkpoint
        self._signed_in: set[Phase] = set()
        self._discrete_log: DiscreteLog | None = None
        self._unopened: dict[tuple[int, bytes], Mapping[int, mpz]] = {}
        self._working_set: tuple[int, ...] = ()
        self._notices: tuple[str, ...] = ()
        self._warning: tuple[str, ...] = ()
        self._read = lru_cache(maxsize=64)(log.read)

    def notices(self) -> tuple[str, ...]:
        """What keeps the tally from going on, one sentence each."""
        return self._notices

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop` is set; for a thread.

        A failure is logged, shown in `notices`, and tried again.
        """
        while not stop.is_set():
            size = self._log.size()
            try:
                self.step()
            except Exception as error:
                self._report(error)
                stop.wait(PAUSE_AFTER_FAILURE)
            else:
                self._log.wait(size, POLL)

    def step(self) -> bool:
        """Do all that is due now; whether anything was published."""
        before = self._log.size()
        notices: list[str] = []
        if self._state.phase is Phase.CLOSED:
            self._publish_encrypted()
        if self._state.phase is Phase.TALLIED:
            self._sign()
            notices = self._open_and_count()
        if self._state.phase is Phase.COMPLETE:
            self._sign()
        self._notices = (*self._warning, *notices)
        return self._log.size() > before

    @property
    def _state(self) -> State:
        return self._log.transcript.state

    def _sign(self) -> None:
        phase = self._state.phase
        if phase not in self._signed_in:
            self._sign_checkpoint()
            self._signed_in.add(phase)

    def _report(self, error: Exception) -> None:
        """The kind of error and where; an error that is not ours might quote a secret."""
        what = str(error) if isinstance(error, SailauError) else type(error).__name__
        frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
        LOGGER.error("the tally failed: %s\n%s", what, frames)
        self._notices = (f"The tally failed and is tried again: {what}.",)

    # --- closed

    def _publish_encrypted(self) -> None:
        state = self._state
        cast = (e.index for e in state.ballots.values() if e.status is Status.CAST)
        tallies = encrypted_tallies(state.context, map(self._ballot, cast))
        for tally in tallies[len(state.encrypted_tallies) :]:
            self._log.publish(tally)

    def _ballot(self, index: int) -> Ballot:
        return _need(self._log.read(index), Ballot)

    # --- tallied

    def _open_and_count(self) -> list[str]:
        session = self._state.session
        if session is None or not session.complete(Round.RESPONSES):
            return []
        shares = self._shares(session)
        waiting = self._missing_shares(session, shares)
        if waiting:
            return waiting
        notices = self._open_challenged(session, shares)
        if notices and self._others_may_help(session):
            return [*notices, _OTHERS]
        self._publish_decrypted(session)
        return notices

    def _others_may_help(self, session: SessionState) -> bool:
        """Whether a ballot that stays closed may be opened in a session to come."""
        state = self._state
        tried_before = any(number < session.number for number, _ in self._unopened)
        everybody = len(session.trustees) == state.context.trustees
        return not (tried_before or everybody or state.decrypted_tallies)

    # --- challenged ballots

    def _shares(self, session: SessionState) -> dict[bytes, dict[int, mpz]]:
        """m_i of every challenged ballot, by code and trustee; proved members already."""
        stored = self._nonce_shares.nonce_shares(session.number)
        parse = self._state.context.group.parse_element
        return {
            code: {
                i: parse(element, "nonce share")
                for i, element in stored.get(code, {}).items()
                if i in session.trustees
            }
            for code in self._state.challenged
        }

    def _missing_shares(
        self, session: SessionState, shares: Mapping[bytes, Mapping[int, mpz]]
    ) -> list[str]:
        state = self._state
        given = {i for i in session.trustees if all(i in of_code for of_code in shares.values())}
        if len(given) >= state.context.quorum:
            return []
        absent = ", ".join(str(i) for i in session.trustees if i not in given)
        return [
            f"Waiting for the shares of challenged ballots' nonces from trustees {absent}; "
            "without them, start another session."
        ]

    def _open_challenged(
        self, session: SessionState, shares: Mapping[bytes, Mapping[int, mpz]]
    ) -> list[str]:
        """Open what can be opened, in the order of the challenges."""
        state, notices = self._state, []
        for code in state.challenged[state.opened :]:
            notice = self._open_one(session, code, shares[code])
            if notice:
                # The record wants them in order: none after this one can stand in it.
                notices.append(notice)
                break
        return notices

    def _open_one(self, session: SessionState, code: bytes, shares: Mapping[int, mpz]) -> str:
        state = self._state
        ballot = self._ballot(state.ballots[code].index)
        tried = session.number, code
        if self._unopened.get(tried) != shares:
            opened = open_ballot(
                state.context, state.need_keys(), ballot, shares, self._working_set
            )
            if opened is not None:
                self._working_set = opened.trustees
                if opened.failed:
                    self._warning = (_warning(opened.trustees),)
                self._log.publish(opened.decryption)
                return ""
            self._unopened[tried] = dict(shares)
        given = sorted(shares)
        return (
            f"The challenged ballot {code.hex()} of device {ballot.device} cannot be opened: no "
            f"quorum among trustees {', '.join(map(str, given))} gives a nonce that reproduces "
            "it. Either shares are wrong or the device sealed another nonce; without it the "
            "election cannot be completed."
        )

    # --- counts

    def _publish_decrypted(self, session: SessionState) -> None:
        state = self._state
        places = iter(enumerate(state.places()))
        for n, tally in enumerate(state.encrypted_tallies):
            mine = list(islice(places, len(tally.options)))
            if n >= len(state.decrypted_tallies):
                self._log.publish(self._decrypt(session, tally, [x for x, _ in mine]))

    def _decrypt(
        self, session: SessionState, tally: EncryptedTally, numbers: Sequence[int]
    ) -> DecryptedTally:
        contest = self._state.contest(tally.contest)
        bound = tally.ballots * contest.option_limit
        options = (
            self._decrypt_option(session, x, option.label, bound)
            for x, option in zip(numbers, contest.options, strict=True)
        )
        return DecryptedTally(tally.unit, tally.contest, tally.ballots, tuple(options))

    def _decrypt_option(
        self, session: SessionState, x: int, label: str, bound: int
    ) -> DecryptedOption:
        """T, t and the joint proof (82, 90, 93) of ciphertext `x`."""
        state = self._state
        shares, responses = self._parts(session, x)
        joint = combine(state.need_keys(), state.places()[x], shares)
        value, proof = joint.value(), joint.proof(responses)
        count = self._logarithm().find(value, bound)
        return DecryptedOption(label, count, value, proof.challenge, proof.response)

    def _parts(
        self, session: SessionState, x: int
    ) -> tuple[dict[int, DecryptionShare], dict[int, mpz]]:
        part, n = divmod(x, PART)
        shares, responses = {}, {}
        for i in session.trustees:
            share = self._read(session.parts[Round.SHARES, i][part])
            response = self._read(session.parts[Round.RESPONSES, i][part])
            shares[i] = _need(share, DecryptionShares).shares[n]
            responses[i] = _need(response, DecryptionResponses).responses[n]
        return shares, responses

    def _logarithm(self) -> DiscreteLog:
        if self._discrete_log is None:
            key = self._state.need_keys().vote_key
            self._discrete_log = DiscreteLog(key.group, key.element)
        return self._discrete_log


_OTHERS = (
    "The tallies wait: start another session, with other trustees if there are any. "
    "After that one they are published in any case."
)


def _warning(trustees: Sequence[int]) -> str:
    return (
        "Some shares of challenged ballots' nonces are wrong; those of trustees "
        f"{', '.join(map(str, trustees))} have opened the ballots."
    )


def _need(artifact: Artifact, kind: type[S]) -> S:
    statement = artifact.statement
    if not isinstance(statement, kind):
        raise AssertionError(f"the rules of the record put a {kind.__name__} here")
    return statement
