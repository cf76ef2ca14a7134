"""What an election costs, from what a ballot was measured to cost.

    model = cost_model(Costs(...), NATIONAL)

Nothing is measured here. Figures go in and come out; `Costs` says in which units.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.multipower import best_window, multiplications


@dataclass(frozen=True, slots=True)
class Election:
    """Its size: one contest, every ballot cast, every unit tallied by itself."""

    ballots: int
    options: int
    units: int

    @property
    def selections(self) -> int:
        """Ciphertexts that voters' ballots have."""
        return self.ballots * self.options

    @property
    def ciphertexts(self) -> int:
        """Ciphertexts that are decrypted."""
        return self.units * self.options


NATIONAL = Election(12_000_000, 10, 10_000)


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured: milliseconds of one core, and bytes.

    `multiplication` is one modulo p. `encrypt`, `hinted` and `exact` are for a ballot of ten
    options: to encrypt it, and what it adds to a whole verification. `trustee` is for a
    ciphertext that one trustee decrypts, `counted` and `counted_exact` for verifying one that
    `trustees` have decrypted. `record` and `hints` are bytes of a cast ballot, `counted_bytes`
    of a decrypted ciphertext.
    """

    multiplication: float
    encrypt: float
    hinted: float
    exact: float
    trustees: int
    trustee: float
    counted: float
    counted_exact: float
    record: float
    hints: float
    counted_bytes: float


@dataclass(frozen=True, slots=True)
class Model:
    """What comes of it: a selection, then the whole election (core-hours, bytes)."""

    multiplications_hinted: float
    multiplications_exact: float
    multiplications_encrypt: float
    record_bytes: float
    hint_bytes: float
    encrypt_hours: float
    hinted_hours: float
    exact_hours: float
    aggregate_hours: float
    trustee_hours: float
    trustees_hours: float
    record_size: float
    hints_size: float


@dataclass(frozen=True, slots=True)
class Counted:
    """Multiplications for a selection that the products of a batch need, and their windows."""

    ballots: int
    commitments_window: int
    bases_window: int
    multiplications: float


def count_batch(ballots: int, options: int) -> Counted:
    """Count for ballots of one contest: ranges of 0 or 1, a limit of one, a nonce.

    A range proof has four commitments, the nonce's one; a selection has two bases, the nonce
    one. Exponents of commitments have 128 bits, those of bases 256.
    """
    commitments, bases = ballots * (4 * options + 4 + 1), ballots * (2 * options + 1)
    windows = best_window(commitments, 128), best_window(bases, 256)
    whole = multiplications(commitments, 128, windows[0]) + multiplications(bases, 256, windows[1])
    return Counted(ballots, *windows, whole / (ballots * options))


_HOUR = 3_600_000
"""In milliseconds."""

_TO_ADD = 2
"""Multiplications with which a selection is added to a tally: its alpha and its beta."""


def cost_model(costs: Costs, election: Election) -> Model:
    """Multiply out; ballots of `Costs` have as many options as those of the election."""
    options = election.options
    decrypting = costs.trustee * election.ciphertexts / _HOUR

    def hours(ballot: float, ciphertext: float) -> float:
        return (ballot * election.ballots + ciphertext * election.ciphertexts) / _HOUR

    return Model(
        multiplications_hinted=costs.hinted / options / costs.multiplication,
        multiplications_exact=costs.exact / options / costs.multiplication,
        multiplications_encrypt=costs.encrypt / options / costs.multiplication,
        record_bytes=costs.record / options,
        hint_bytes=costs.hints / options,
        encrypt_hours=hours(costs.encrypt, 0),
        hinted_hours=hours(costs.hinted, costs.counted),
        exact_hours=hours(costs.exact, costs.counted_exact),
        aggregate_hours=_TO_ADD * election.selections * costs.multiplication / _HOUR,
        trustee_hours=decrypting,
        trustees_hours=decrypting * costs.trustees,
        record_size=costs.record * election.ballots + costs.counted_bytes * election.ciphertexts,
        hints_size=costs.hints * election.ballots,
    )
