"""The encrypted tallies: products of cast ballots, unit by unit (spec 3.5).

Trustees and server both compute them from the ballots on the board; nobody takes
somebody else's word for an aggregate.
"""

from __future__ import annotations

from collections.abc import Iterable

from crypto.elgamal import Ciphertext
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


def encrypted_tallies(
    context: ElectionContext, cast: Iterable[Ballot]
) -> tuple[EncryptedTally, ...]:
    """Multiply the cast ballots into one tally for each unit and contest (eq. 79).

    Takes verified ballots, one pass, in any order. The tallies come in the order of
    docs/record.md; where a unit has no cast ballot, A = B = 1.
    """
    p, one = context.group.p, mpz(1)
    cells = context.manifest.cells()
    products = {(u.label, c.index): [[one, one] for _ in c.options] for u, c in cells}
    counts = dict.fromkeys(products, 0)
    for ballot in cast:
        for contest in ballot.contests:
            cell = ballot.unit, contest.index
            counts[cell] += 1
            for product, selection in zip(products[cell], contest.selections, strict=True):
                product[0] = product[0] * selection.alpha % p
                product[1] = product[1] * selection.beta % p
    return tuple(
        EncryptedTally(
            u.label,
            c.label,
            counts[u.label, c.index],
            tuple(Ciphertext(a, b) for a, b in products[u.label, c.index]),
        )
        for u, c in cells
    )


def totals(context: ElectionContext, tallies: Iterable[DecryptedTally]) -> Result:
    """Add the decrypted counts up, contest by contest."""
    tallies = tuple(tallies)
    contests = []
    for contest in context.manifest.contests:
        mine = [t for t in tallies if t.contest == contest.label]
        sums = (sum(t.options[j].count for t in mine) for j in range(len(contest.options)))
        contests.append(
            ContestResult(
                contest.label,
                sum(t.ballots for t in mine),
                tuple(OptionResult(o.label, s) for o, s in zip(contest.options, sums, strict=True)),
            )
        )
    return Result(tuple(contests))
