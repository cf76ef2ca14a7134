"""The encrypted tallies: products of cast ballots, unit by unit (spec 3.5).

Trustees and server both compute them from the ballots on the board; nobody takes
somebody else's word for an aggregate.
"""

from __future__ import annotations

from collections.abc import Iterable

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


def encrypted_tallies(
    context: ElectionContext, cast: Iterable[Ballot]
) -> tuple[EncryptedTally, ...]:
    """Multiply the cast ballots into one tally for each unit and contest (eq. 79).

    Takes verified ballots, one pass, in any order. The tallies come in the order of
    docs/record.md; where a unit has no cast ballot, A = B = 1. Raises `Rejected`
    (R.ballot) for a ballot that does not fit the manifest, and so was not verified.
    """
    p, one = context.group.p, mpz(1)
    cells = context.cells
    products = {(u.label, c.index): [[one, one] for _ in c.options] for u, c in cells}
    counts = dict.fromkeys(products, 0)
    for ballot in cast:
        for contest in ballot.contests:
            cell = ballot.unit, contest.index
            mine = products.get(cell, ())
            if not 0 < len(mine) == len(contest.selections):
                raise _misfit(ballot)
            counts[cell] += 1
            for product, selection in zip(mine, contest.selections, strict=True):
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


def _misfit(ballot: Ballot) -> Rejected:
    return Rejected(
        "R.ballot",
        "the ballot does not fit the tallies of its unit",
        culprit=f"device {ballot.device}",
        where=f"ballot {ballot.confirmation_code.hex()[:16]}",
    )


def totals(context: ElectionContext, tallies: Iterable[DecryptedTally]) -> Result:
    """Add the decrypted counts up, contest by contest."""
    by_contest: dict[str, list[DecryptedTally]] = {}
    for tally in tallies:
        by_contest.setdefault(tally.contest, []).append(tally)
    contests = []
    for contest in context.manifest.contests:
        mine = by_contest.get(contest.label, [])
        sums = (sum(t.options[j].count for t in mine) for j in range(len(contest.options)))
        contests.append(
            ContestResult(
                contest.label,
                sum(t.ballots for t in mine),
                tuple(OptionResult(o.label, s) for o, s in zip(contest.options, sums, strict=True)),
            )
        )
    return Result(tuple(contests))
