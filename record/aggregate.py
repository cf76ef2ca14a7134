"""The encrypted tallies: products of cast ballots, set of units by set of units (spec 3.5).

Trustees and server both compute them from the ballots on the board; nobody takes
somebody else's word for an aggregate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from crypto.elgamal import Ciphertext
from crypto.errors import Rejected
from crypto.group import mpz
from record.artifacts import (
    Ballot,
    ContestResult,
    DecryptedTally,
    EncryptedTally,
    OptionResult,
    Result,
)
from record.election import ElectionContext
from record.manifest import Contest
from record.small_units import Counts, ballots_in, partition, withheld

_Products: TypeAlias = list[list[mpz]]
"""A and B of each option so far."""


def encrypted_tallies(
    context: ElectionContext, cast: Iterable[Ballot]
) -> tuple[EncryptedTally, ...]:
    """Multiply the cast ballots into one tally for each set of units and contest (eq. 79).

    Takes verified ballots, one pass, in any order. Which units are counted together
    follows from how many ballots there are (`record.small_units`); the tallies come in the
    order of docs/record.md. Where a set has no cast ballot, A = B = 1. Raises `Rejected`
    (R.ballot) for a ballot that does not fit the manifest, and so was not verified.
    """
    p = context.group.p
    products, counts = _by_unit(context, cast)
    tallies = []
    for found in partition(context.manifest, counts):
        index = found.contest.index
        together = _ones(found.contest)
        for unit in found.units:
            _multiply(together, products[unit.label, index], p)
        tallies.append(
            EncryptedTally(
                tuple(unit.label for unit in found.units),
                found.contest.label,
                found.ballots,
                tuple(Ciphertext(a, b) for a, b in together),
            )
        )
    return tuple(tallies)


def _by_unit(
    context: ElectionContext, cast: Iterable[Ballot]
) -> tuple[dict[tuple[str, int], _Products], Counter[tuple[str, int]]]:
    """The products and the numbers of ballots by unit's label and contest's index."""
    products = {(unit.label, c.index): _ones(c) for unit, c in context.cells}
    counts: Counter[tuple[str, int]] = Counter()
    for ballot in cast:
        for contest in ballot.contests:
            cell = ballot.unit, contest.index
            mine = products.get(cell, [])
            if not 0 < len(mine) == len(contest.selections):
                raise _misfit(ballot)
            counts[cell] += 1
            _multiply(mine, ((s.alpha, s.beta) for s in contest.selections), context.group.p)
    return products, counts


def _ones(contest: Contest) -> _Products:
    return [[mpz(1), mpz(1)] for _ in contest.options]


def _multiply(products: _Products, factors: Iterable[Sequence[mpz]], p: mpz) -> None:
    for product, (alpha, beta) in zip(products, factors, strict=True):
        product[0] = product[0] * alpha % p
        product[1] = product[1] * beta % p


def _misfit(ballot: Ballot) -> Rejected:
    return Rejected(
        "R.ballot",
        "the ballot does not fit the tallies of its unit",
        culprit=f"device {ballot.device}",
        where=f"ballot {ballot.confirmation_code.hex()[:16]}",
    )


def totals(context: ElectionContext, tallies: Iterable[DecryptedTally], counts: Counts) -> Result:
    """Add the decrypted counts up, contest by contest.

    `counts` are the numbers of cast ballots: a contest that has fewer than the privacy floor
    is there with its number of ballots and without options.
    """
    by_contest: dict[str, list[DecryptedTally]] = {}
    for tally in tallies:
        by_contest.setdefault(tally.contest, []).append(tally)
    ballots = ballots_in(counts)
    hidden = {contest.index for contest in withheld(context.manifest, counts)}
    return Result(
        tuple(
            ContestResult(contest.label, ballots[contest.index], ())
            if contest.index in hidden
            else _total(contest, by_contest.get(contest.label, []))
            for contest in context.manifest.contests
        )
    )


def _total(contest: Contest, tallies: Sequence[DecryptedTally]) -> ContestResult:
    sums = (sum(t.options[j].count for t in tallies) for j in range(len(contest.options)))
    return ContestResult(
        contest.label,
        sum(t.ballots for t in tallies),
        tuple(OptionResult(o.label, s) for o, s in zip(contest.options, sums, strict=True)),
    )
