"""How a decryption session goes on, and who of its trustees keeps the others waiting."""

from __future__ import annotations

from collections.abc import Callable

from ballotbox.client import ElectionStatus, TrusteeStanding


class Progress:
    """Sees one status after the other, and remembers when each trustee last sent something."""

    def __init__(self, patience: float, clock: Callable[[], float]) -> None:
        """`patience` is how long others wait for a trustee at the least, in seconds."""
        self._patience = patience
        self._clock = clock
        self._round = (0, 0)
        self._began = self._finished = 0.0
        self._done: frozenset[int] = frozenset()
        self._sent: dict[int, tuple[int, float]] = {}

    def complete(self, status: ElectionStatus) -> bool:
        """Whether every trustee of the session has sent everything."""
        return status.session > 0 and _round(status) == len(_ROUNDS)

    def stalled(self, status: ElectionStatus, share: float = 1.0) -> set[int]:
        """Trustees that are there, send nothing, and for whom others wait.

        Others wait when they have finished the round. How long they have to is `patience`,
        or as long as they themselves took for the round: what is much work for them may be
        more on a slower machine. With `share`, a part of that time is enough.
        """
        self._note(status)
        if not self._done:
            return set()
        patience = share * self.patience()
        late = set(status.session_trustees) - self._done
        now = self._clock()
        return {
            i
            for i in late & set(status.trustees_present)
            if now - max(self._sent[i][1], self._finished) > patience
        }

    def patience(self) -> float:
        """How long others wait in this round, in seconds."""
        return max(self._patience, self._finished - self._began)

    def _note(self, status: ElectionStatus) -> None:
        now, round_ = self._clock(), (status.session, _round(status))
        if round_ != self._round:
            self._round, self._began, self._finished = round_, now, now
            self._done = frozenset()
            self._sent.clear()
        for i in status.session_trustees:
            sent = status.of(i).session_sent
            if i not in self._sent or self._sent[i][0] != sent:
                self._sent[i] = sent, now
        done = frozenset(
            i for i in status.session_trustees if _rounds_done(status.of(i)) > round_[1]
        )
        if done != self._done:
            self._done, self._finished = done, now


_ROUNDS: tuple[Callable[[TrusteeStanding], int], ...] = (
    lambda s: s.session_commitments,
    lambda s: s.session_shares,
    lambda s: s.session_responses,
)


def _rounds_done(standing: TrusteeStanding) -> int:
    return next(
        (n for n, sent in enumerate(_ROUNDS) if sent(standing) < standing.session_parts),
        len(_ROUNDS),
    )


def _round(status: ElectionStatus) -> int:
    """Rounds of the session that all have finished."""
    return min((_rounds_done(status.of(i)) for i in status.session_trustees), default=0)
