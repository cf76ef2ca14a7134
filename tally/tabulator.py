"""The server's engine: what the tally needs done next, from the state of the log alone.

Phase closed: publish the encrypted tallies, then have a checkpoint signed. Tallied, once
a session's responses are complete: open the challenged ballots, then combine, count and
publish every tally; or, in a session of a challenged ballot, that ballot. It keeps nothing
of its own that matters, so it can be stopped at any moment and goes on where the record
ends.

A challenged ballot never holds the counts up: one that its nonce does not open is left to
a session of its own, after the tallies. Only where trustees keep shares of nonces back,
the tallies wait, one time, for a session with others (`tally.challenged`).
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import lru_cache

from crypto.errors import InvalidProof, SailauError
from record.aggregate import encrypted_tallies
from record.artifacts import (
    Ballot,
    DecryptedBallot,
    DecryptedContest,
    DecryptedTally,
    Purpose,
)
from record.log import Log
from record.state import Phase, Round, SessionState, State, Status
from tally.challenged import ChallengedBallots, NonceShareSource, challenged_ballot
from tally.combining import Combiner

LOGGER = logging.getLogger(__name__)
POLL = 1.0
"""Seconds between looks at the nonce shares, which do not show in the log."""
PAUSE_AFTER_FAILURE = 5.0


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
        self._sign_checkpoint = sign_checkpoint
        self._read = lru_cache(maxsize=64)(log.read)
        self._challenged = ChallengedBallots(log, nonce_shares, self._read)
        self._combiner = Combiner(self._read)
        self._signed_in: set[Phase] = set()
        self._hopeless: dict[bytes, str] = {}
        self._notices: tuple[str, ...] = ()

    def notices(self) -> tuple[str, ...]:
        """What keeps the tally from going on, one sentence each."""
        return self._notices

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop` is set; for a thread.

        A failure is logged, shown in `notices`, and tried again.
        """
        while not stop.is_set():
            try:
                size = self._log.size()
                self.step()
            except Exception as error:
                self._report(error)
                stop.wait(PAUSE_AFTER_FAILURE)
            else:
                self._log.wait(size, POLL)

    def step(self) -> bool:
        """Do all that is due now; whether anything was published."""
        before, notice = self._log.size(), ""
        if self._state.phase is Phase.CLOSED:
            self._publish_encrypted()
        if self._state.phase is Phase.TALLIED:
            self._sign()
            notice = self._open_and_count()
        if self._state.phase is Phase.COMPLETE:
            self._sign()
        self._notices = tuple(n for n in (self._challenged.warning, notice) if n)
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
        # Anybody reads the notices: of a database no more than it says for clients.
        what = getattr(error, "told", "") or what
        self._notices = (f"The tally failed and is tried again: {what}.",)

    # --- closed

    def _publish_encrypted(self) -> None:
        state = self._state
        for tally in encrypted_tallies(state.context, self._cast())[len(state.encrypted_tallies) :]:
            self._log.publish(tally)

    def _cast(self) -> Iterator[Ballot]:
        for entry in self._state.ballots.values():
            if entry.status is Status.CAST:
                statement = self._log.read(entry.index).statement
                if not isinstance(statement, Ballot):
                    raise AssertionError("what was cast is a ballot")
                yield statement

    # --- tallied

    def _open_and_count(self) -> str:
        """Everything that the latest session allows; what stops it, or nothing."""
        session = self._state.session
        if session is None:
            return ""
        complete = session.complete(Round.RESPONSES)
        if session.purpose is Purpose.TALLY and complete:
            return self._count(session)
        if session.purpose is Purpose.BALLOT and (complete or session.over):
            return (self._decrypt_ballot(session) if complete else "") or self._challenged.open()
        return ""

    def _count(self, session: SessionState) -> str:
        waiting = self._challenged.wait(session)
        if waiting:
            return waiting
        notice = self._challenged.open()
        self._publish_decrypted()
        return notice

    def _publish_decrypted(self) -> None:
        state, first = self._state, 0
        for n, tally in enumerate(state.encrypted_tallies):
            if n >= len(state.decrypted_tallies):
                contest = state.contest(tally.contest)
                bound = tally.ballots * contest.option_limit
                options = self._combiner.options(state, contest, first, bound)
                self._log.publish(
                    DecryptedTally(tally.units, tally.contest, tally.ballots, options)
                )
            first += len(tally.options)

    def _decrypt_ballot(self, session: SessionState) -> str:
        """Publish the ballot that the session is for, if it is not open yet."""
        state, code = self._state, session.confirmation_code
        if code not in state.challenged[state.opened : state.opened + 1]:
            return ""
        if code not in self._hopeless:
            ballot = challenged_ballot(state, self._read, code)
            try:
                self._log.publish(self._decrypted_ballot(state, ballot))
            except InvalidProof as error:
                LOGGER.error("ballot %s of device %s: %s", code.hex(), ballot.device, error)
                self._hopeless[code] = _out_of_range(ballot)
        return self._hopeless.get(code, "")

    def _decrypted_ballot(self, state: State, ballot: Ballot) -> DecryptedBallot:
        contests, first = [], 0
        for encrypted in ballot.contests:
            contest = state.context.manifest.contests[encrypted.index - 1]
            options = self._combiner.options(state, contest, first, contest.option_limit)
            contests.append(DecryptedContest(contest.label, options))
            first += len(options)
        return DecryptedBallot(ballot.confirmation_code, tuple(contests))


def _out_of_range(ballot: Ballot) -> str:
    return (
        f"The challenged ballot {ballot.confirmation_code.hex()} of device {ballot.device} "
        "decrypts to a number that no option can have, against its proofs; without it the "
        "election cannot be completed."
    )
