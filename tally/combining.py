"""What a session's ciphertexts come to, from what its trustees have put on the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from crypto.discrete_log import DiscreteLog
from crypto.group import mpz
from record.artifacts import (
    PART,
    Artifact,
    DecryptedOption,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
)
from record.decryption import combine
from record.manifest import Contest
from record.sessions import places
from record.state import Place, Round, SessionState, State

S = TypeVar("S")


class Combiner:
    """Combines shares and responses of the current session, which is complete."""

    def __init__(self, read: Callable[[int], Artifact]) -> None:
        """`read(index)` gives an artifact of the record; it is asked for the same ones often."""
        self._read = read
        self._discrete_log: DiscreteLog | None = None

    def options(
        self, state: State, contest: Contest, first: int, bound: int
    ) -> tuple[DecryptedOption, ...]:
        """A contest's options, whose ciphertexts stand from `first` on in the session.

        Raises `InvalidProof` for a count that is not between 0 and `bound`.
        """
        these = places(state, self._read)[first : first + len(contest.options)]
        return tuple(
            self._option(state, place, first + n, option.label, bound)
            for n, (place, option) in enumerate(zip(these, contest.options, strict=True))
        )

    def _option(
        self, state: State, place: Place, x: int, label: str, bound: int
    ) -> DecryptedOption:
        """T, t and the joint proof (82, 90, 93) of the session's ciphertext `x`."""
        if state.session is None:
            raise AssertionError("there is no session")
        shares, responses = self._parts(state.session, x)
        joint = combine(state.need_keys(), place, shares)
        value, proof = joint.value(), joint.proof(responses)
        count = self._logarithm(state).find(value, bound)
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

    def _logarithm(self, state: State) -> DiscreteLog:
        if self._discrete_log is None:
            key = state.need_keys().vote_key
            self._discrete_log = DiscreteLog(key.group, key.element)
        return self._discrete_log


def _need(artifact: Artifact, kind: type[S]) -> S:
    statement = artifact.statement
    if not isinstance(statement, kind):
        raise AssertionError(f"the rules of the record put a {kind.__name__} here")
    return statement
