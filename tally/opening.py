"""Opening a challenged ballot from the trustees' shares of its nonce (spec 3.6.7).

A share m_i = C_0^z-hat_i comes without a proof. Whether shares are right shows when the
nonces that follow from them reproduce every ciphertext of the ballot, and so a set of
shares is tried, and another one if it fails. Neither beta_B nor the ballot nonce is ever
published or written down: the ballot nonce would open what else hangs on it.

There can be very many sets. Those that are tried are chosen so that each trustee is left
out of some, which finds a good one where few shares are wrong; a ballot that stays closed
is opened in a decryption session of its own.

Nobody is blamed for a wrong share. Two trustees can give wrong ones that cancel out in a
set with a third, and make the right ones of others look wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

from crypto.decryption_proof import combine_shares
from crypto.errors import InvalidProof
from crypto.group import mpz
from crypto.sealing import open_nonce
from record.artifacts import (
    Ballot,
    BallotContest,
    ChallengedBallotDecryption,
    ChallengedContest,
    ChallengedSelection,
    Selection,
)
from record.ballot_hashes import selection_nonce
from record.election import ElectionContext, ElectionKeys
from record.manifest import Contest

MOST_SETS = 64
"""Sets of shares that are tried for a ballot at most, beside the one that is tried first."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A challenged ballot opened, by whose shares, and how many sets had failed before."""

    decryption: ChallengedBallotDecryption
    trustees: tuple[int, ...]
    failed: int


def open_ballot(
    context: ElectionContext,
    keys: ElectionKeys,
    ballot: Ballot,
    shares: Mapping[int, mpz],
    first: tuple[int, ...] = (),
) -> Opened | None:
    """Open `ballot` with shares m_i by trustee.

    Tries the set `first` before others (it worked for another ballot), then quorums among
    those who gave shares: every one, if there are at most 64. None if no set that was tried
    reproduces the ballot: then there are too few shares, or too many wrong ones, or the
    device sealed another nonce.
    """
    attempt = _Attempt(context, keys, ballot, shares)
    sets = _sets(tuple(sorted(shares)), context.quorum, first)
    for failed, chosen in enumerate(sets):
        decryption = attempt.open(chosen)
        if decryption is not None:
            return Opened(decryption, chosen, failed)
    return None


def _sets(
    available: tuple[int, ...], quorum: int, first: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """Quorums to try. Where there are many, each `quorum` neighbours in a circle.

    Neighbours leave out every trustee some time, and any others that stand together.
    """
    if first and set(first) <= set(available):
        yield first
    circle = (*available, *available)
    neighbours = (tuple(sorted(circle[n : n + quorum])) for n in range(len(available)))
    few = comb(len(available), quorum) <= MOST_SETS
    for chosen in islice(combinations(available, quorum) if few else neighbours, MOST_SETS):
        if chosen != first:
            yield chosen


@dataclass(frozen=True, slots=True, repr=False)
class _Attempt:
    context: ElectionContext
    keys: ElectionKeys
    ballot: Ballot
    shares: Mapping[int, mpz]

    def open(self, chosen: tuple[int, ...]) -> ChallengedBallotDecryption | None:
        """The ballot opened with the shares of `chosen`, if they reproduce it."""
        try:
            nonce = self._ballot_nonce(chosen)
            return ChallengedBallotDecryption(
                self.ballot.confirmation_code,
                tuple(self._contest(c, nonce) for c in self.ballot.contests),
            )
        except InvalidProof:
            return None

    def _ballot_nonce(self, chosen: tuple[int, ...]) -> bytes:
        """xi_B (108, 35, 36). Raises `InvalidProof`."""
        group, ballot = self.context.group, self.ballot
        beta = combine_shares(group, {i: self.shares[i] for i in chosen})
        return open_nonce(group, ballot.identifier_hash, ballot.encrypted_nonce, beta)

    def _contest(self, encrypted: BallotContest, nonce: bytes) -> ChallengedContest:
        contest = self.context.manifest.contests[encrypted.index - 1]
        selections = []
        for option, selection in zip(contest.options, encrypted.selections, strict=True):
            h_i = self.ballot.identifier_hash
            xi = selection_nonce(self.context.group, h_i, contest.index, option.index, nonce)
            value = self._value(contest, selection, xi)
            selections.append(ChallengedSelection(option.label, value, xi))
        return ChallengedContest(contest.label, tuple(selections))

    def _value(self, contest: Contest, selection: Selection, xi: mpz) -> int:
        """sigma, if alpha = g^xi and beta = K^(sigma + xi) (109); else `InvalidProof`."""
        group, key = self.context.group, self.keys.vote_key
        if group.g_power(xi) == selection.alpha:
            power = key.power(xi)
            for value in range(contest.option_limit + 1):
                if power == selection.beta:
                    return value
                power = power * key.element % group.p
        raise InvalidProof("the nonce does not reproduce the ciphertext")
