"""What holds an election up on the trustees' side, one sentence each, and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from record.state import Phase, Round, SessionState, State

_ROUND_NAMES = {
    Round.COMMITMENTS: "commitments",
    Round.SHARES: "partial decryptions",
    Round.RESPONSES: "responses",
}
_RESTART = "make the election again: sailau election restart"


def notices(state: State, present: Sequence[int]) -> tuple[str, ...]:
    """For the operators; `present` are the trustees that are there."""
    if state.phase is Phase.ABORTED:
        return (_aborted(state),)
    if state.phase >= Phase.COUNTED:
        return ()
    found = [*_excluded(state), *_late(state, present)]
    if state.phase is Phase.TALLIED:
        found += _between_sessions(state, present)
    elif state.phase >= Phase.READY and len(state.eligible()) < state.context.quorum:
        found.append(_too_few(state))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Due:
    """What is waited for, from whom, and who has done it."""

    what: str
    expected: Sequence[int]
    done: Callable[[int], bool]


def _due(state: State) -> _Due | None:
    everybody = range(1, state.context.trustees + 1)
    match state.phase:
        case Phase.COMMITMENT:
            return _Due("commitment to its keys", everybody, state.key_commitments.__contains__)
        case Phase.KEYS:
            return _Due("keys", everybody, state.trustee_keys.__contains__)
        case Phase.SHARES:
            return _Due("shares", everybody, state.encrypted_shares.__contains__)
        case Phase.CONFIRMATION:
            waits = {ell for (ell, _), answer in state.complaints.items() if answer is None}
            expected = [i for i in everybody if i not in waits]
            return _Due("confirmation", expected, state.confirmations.__contains__)
    return None if state.session is None else _due_in(state.session)


def _due_in(session: SessionState) -> _Due | None:
    round_ = session.round()
    if session.over or round_ is None:
        return None
    return _Due(_ROUND_NAMES[round_], session.trustees, lambda i: session.done(round_, i))


def _late(state: State, present: Sequence[int]) -> Iterator[str]:
    for (ell, i), answer in state.complaints.items():
        if answer is None and state.phase is Phase.CONFIRMATION:
            yield (
                f"Waiting for trustee {_name(state, i, present)} to answer trustee {ell}, "
                "which complains that its share is wrong."
            )
    due = _due(state)
    if due is not None:
        for i in due.expected:
            if not due.done(i):
                yield f"Waiting for the {due.what} of trustee {_name(state, i, present)}."


def _name(state: State, i: int, present: Sequence[int]) -> str:
    connected = "connected" if i in present else "not connected"
    return f"{i}, {state.context.trustee_key(i).name} ({connected})"


def _aborted(state: State) -> str:
    if state.abandoned:
        return f"The key ceremony was given up ({state.abandoned}); {_RESTART}."
    i, accused = next(iter(state.accused.items()))
    return (
        f"The key ceremony has failed: artifact {accused.index} shows that trustee {i}, "
        f"{state.context.trustee_key(i).name}, broke the protocol (check {accused.check}). "
        f"Without this trustee, {_RESTART}."
    )


def _excluded(state: State) -> Iterator[str]:
    for i, accused in state.accused.items():
        yield (
            f"Trustee {i}, {state.context.trustee_key(i).name}, is left out: artifact "
            f"{accused.index} shows that it broke the protocol (check {accused.check})."
        )


def _too_few(state: State) -> str:
    return (
        f"Only {len(state.eligible())} of {state.context.trustees} trustees are left, and "
        f"decrypting needs {state.context.quorum}: nobody can open the totals of this election "
        "any more."
    )


def _between_sessions(state: State, present: Sequence[int]) -> Iterator[str]:
    """When no session is on that could still be finished."""
    quorum, session = state.context.quorum, state.session
    if session is not None and not (session.over and session.round() is not None):
        return
    eligible = state.eligible()
    if len(eligible) < quorum:
        yield (f"{_too_few(state)} Publish the record as it is; the vote has to be held again.")
        return
    there = [i for i in eligible if i in present]
    if len(there) < quorum:
        yield f"Trustees connected: {len(there)}; decrypting needs {quorum}."
    elif session is not None:
        yield "The session is over: start the decryption again."
