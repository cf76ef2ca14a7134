"""The challenged ballots, opened in their order from the trustees' shares of their nonces.

A ballot that its nonce does not open (a device sealed another, or too many shares are
wrong or missing) stops this way for those behind it, because the record wants the order
of the challenges. It is opened like a tally then, in a decryption session of its own, and
the others go on.

Shares m_i (107) depend on the trustee and the ballot alone, so those of earlier sessions
are as good as those of the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from crypto.group import mpz
from record.artifacts import Artifact, Ballot
from record.log import Log
from record.state import SessionState, State
from tally.opening import open_ballot


class NonceShareSource(Protocol):
    """Where trustees' nonce shares are kept; `ballotbox.store.Store` is one."""

    def nonce_shares(self, session: int) -> Mapping[bytes, Mapping[int, bytes]]:
        """m_i (107), encoded, of a session by confirmation code and trustee."""
        ...


class ChallengedBallots:
    """Opens what can be opened. In one thread."""

    def __init__(
        self, log: Log, nonce_shares: NonceShareSource, read: Callable[[int], Artifact]
    ) -> None:
        self._log = log
        self._source = nonce_shares
        self._read = read
        self._earlier: dict[int, Mapping[bytes, Mapping[int, bytes]]] = {}
        self._tried: dict[bytes, Mapping[int, mpz]] = {}
        self._working_set: tuple[int, ...] = ()
        self._waiting_in = 0
        self.warning = ""
        """That some shares were wrong, once that is known."""

    def wait(self, session: SessionState) -> str:
        """Whom to wait for before tallies are published, as a sentence, or nothing.

        Shares come before responses: who has not given them at the end of a session keeps
        them back. Another session, while tallies are sealed, has them from others for all
        ballots at once. That is worth one wait, and the counts are held up no longer.
        """
        state = self._state
        shares, due = self._shares(), state.challenged[state.opened :]
        given = {i for i in session.trustees if all(i in shares.get(code, ()) for code in due)}
        if len(given) >= state.context.quorum or state.decrypted_tallies:
            return ""
        self._waiting_in = self._waiting_in or session.number
        if self._waiting_in != session.number or len(session.trustees) == state.context.trustees:
            return ""
        absent = ", ".join(str(i) for i in session.trustees if i not in given)
        return (
            f"Waiting for the shares of challenged ballots' nonces from trustees {absent}; "
            "without them, start another session, with other trustees if there are any. After "
            "that one the tallies are published in any case."
        )

    def open(self) -> str:
        """Open what can be opened; what stops that, as a sentence, or nothing."""
        state = self._state
        due = state.challenged[state.opened :]
        shares = self._shares() if due else {}
        for code in due:
            notice = self._open_one(code, shares.get(code, {}))
            if notice:
                # The record wants them in order: none after this one can stand in it.
                return notice
        return ""

    @property
    def _state(self) -> State:
        return self._log.transcript.state

    def _shares(self) -> dict[bytes, dict[int, bytes]]:
        """m_i by code and trustee, the latest there is; proved members already."""
        found: dict[bytes, dict[int, bytes]] = {}
        last = self._state.last_session
        for number in range(1, last + 1):
            given = self._earlier.get(number)
            if given is None:
                given = self._source.nonce_shares(number)
            if number < last:
                self._earlier[number] = given  # nothing is added once it is over
            for code, of_code in given.items():
                found.setdefault(code, {}).update(of_code)
        return found

    def _open_one(self, code: bytes, encoded: Mapping[int, bytes]) -> str:
        state = self._state
        ballot = challenged_ballot(state, self._read, code)
        parse = state.context.group.parse_element
        shares = {i: parse(element, "nonce share") for i, element in encoded.items()}
        if self._tried.get(code) != shares:
            keys = state.need_keys()
            opened = open_ballot(state.context, keys, ballot, shares, self._working_set)
            if opened is not None:
                self._working_set = opened.trustees
                if opened.failed:
                    self.warning = _warning(opened.trustees)
                self._log.publish(opened.decryption)
                return ""
            self._tried[code] = shares
        return _closed(ballot, sorted(shares), state.context.quorum)


def challenged_ballot(state: State, read: Callable[[int], Artifact], code: bytes) -> Ballot:
    """The submitted ballot with this code."""
    statement = read(state.ballots[code].index).statement
    if not isinstance(statement, Ballot):
        raise AssertionError("a code stands for a ballot")
    return statement


def _closed(ballot: Ballot, given: Sequence[int], quorum: int) -> str:
    if len(given) < quorum:
        why = f"only {len(given)} trustees have given their shares of it, and {quorum} are needed"
    else:
        why = (
            f"no quorum found among trustees {', '.join(map(str, given))} gives one that "
            "reproduces it. Either shares are wrong or the device sealed another nonce"
        )
    return (
        f"The challenged ballot {ballot.confirmation_code.hex()} of device {ballot.device} "
        f"cannot be opened through its nonce: {why}. A decryption session for this ballot is "
        "due, once the tallies are published: have the decryption started again."
    )


def _warning(trustees: Sequence[int]) -> str:
    return (
        "Some shares of challenged ballots' nonces are wrong; those of trustees "
        f"{', '.join(map(str, trustees))} have opened the ballots."
    )
