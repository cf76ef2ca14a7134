"""Encrypted tallies: the cells they must cover, their ciphertexts, and V9."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ballot_proofs import Factors
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.group import Group
from verifier.manifest import Cell, Contest
from verifier.schema import pb
from verifier.wire import Reader

_SERVER = "server"


@dataclass(slots=True)
class EncryptedCell:
    """The published tally of one unit in one contest."""

    labels: Cell
    """Its unit and contest, as the record has them."""
    place: Place
    unit: str
    contest: Contest
    ballots: int
    published: Factors
    """(A, B) of each option, as the record has it."""
    computed: Factors = field(default_factory=list)
    """(A, B) of each option, as the cast ballots multiply to."""
    refuted: set[int] = field(default_factory=set)
    """Options, from 0, whose 9.A or 9.B has failed."""


class Tallies:
    """Follows the encrypted tallies and holds their ciphertexts."""

    def __init__(self, election: Election, cast_in: Counter[Cell], findings: Findings) -> None:
        """Take the election and the number of cast ballots by cell, which may still grow."""
        assert election.manifest is not None, "without a manifest there are no tallies"
        self._group = election.group
        self._findings = findings
        self._cast_in = cast_in
        self.expected = election.manifest.cells()
        """Every cell in the manifest's order."""
        self.cells_in_order = tuple(self.expected)
        self.position = {cell: i for i, cell in enumerate(self.expected)}
        self._last = -1
        self.cells: dict[Cell, EncryptedCell] = {}
        """In the order of the record."""

    def encrypted_tally(self, statement: pb.EncryptedTally, reader: Reader) -> bool:
        """Take one tally; return whether all are there now."""
        cell = self._meant(statement)
        problem = self._problem(statement, cell)
        self._findings.check("R.tally-cells", not problem, reader.place, problem, reader.culprit)
        contest = self.expected.get(cell)
        if contest is None or (cell in self.cells and not self._stands_in(cell, statement)):
            return len(self.cells) == len(self.expected)
        if len(statement.options) != len(contest.options):
            return False
        if self.position[cell] < self._last:
            message = "the tally does not stand in the manifest's order"
            self._findings.failed("R.order", reader.place, message, reader.culprit)
        self._last = max(self._last, self.position[cell])
        published = [
            (
                reader.element(option.a, "A", reader.place.at(option=label)),
                reader.element(option.b, "B", reader.place.at(option=label)),
            )
            for option, label in zip(statement.options, contest.options, strict=True)
        ]
        self.cells[cell] = EncryptedCell(
            (statement.unit, statement.contest),
            reader.place,
            cell[0],
            contest,
            statement.ballots,
            published,
        )
        return len(self.cells) == len(self.expected)

    def ciphertexts(self) -> list[tuple[EncryptedCell, int]]:
        """Every option of every tally in the order of the record: what sessions count."""
        return [
            (cell, option)
            for cell in self.cells.values()
            for option in range(len(cell.contest.options))
        ]

    def _meant(self, statement: pb.EncryptedTally) -> Cell:
        """Return the cell of a statement; one with unknown labels stands for the next."""
        cell = (statement.unit, statement.contest)
        if cell in self.expected:
            return cell
        following = self.cells_in_order[self._last + 1 : self._last + 2]
        return following[0] if following else cell

    def _stands_in(self, cell: Cell, statement: pb.EncryptedTally) -> bool:
        """Whether a tally of unknown labels stands in the place of this one, its own."""
        return (statement.unit, statement.contest) == cell != self.cells[cell].labels

    def _problem(self, statement: pb.EncryptedTally, cell: Cell) -> str:
        """Say why a statement is not the one tally of a cell, "" if it is."""
        if (statement.unit, statement.contest) not in self.expected:
            return "the manifest has no such unit and contest to tally"
        if cell in self.cells and not self._stands_in(cell, statement):
            return "this unit and contest has a tally already"
        if len(statement.options) != len(self.expected[cell].options):
            return "there is not one ciphertext for each option"
        return ""

    # --- once every ballot is read ------------------------------------------------------

    def ballots(self, cell: Cell) -> int:
        """How many cast ballots belong in a cell."""
        return self._cast_in[cell]

    def check(self, factors: dict[Cell, Factors], complete: bool) -> None:
        """Check every cell's count, 9.A, 9.B and membership; if complete, that it is there."""
        for (unit, label), contest in self.expected.items():
            cell = self.cells.get((unit, label))
            if cell is None and not complete:
                continue
            if cell is None:
                message = f"unit {unit!r} has no encrypted tally in contest {label!r}"
                place = Place(unit=unit, contest=label)
                self._findings.failed("R.tally-cells", place, message, _SERVER)
                continue
            expected = self.ballots((unit, label))
            message = f"{expected} cast ballots belong in it, not {cell.ballots}"
            self._findings.check(
                "R.tally-cells", cell.ballots == expected, cell.place, message, _SERVER
            )
            one = (mpz(1), mpz(1))
            cell.computed = factors.get((unit, label)) or [one] * len(contest.options)
            self._aggregates(cell)

    def _aggregates(self, cell: EncryptedCell) -> None:
        for i, (published, computed) in enumerate(zip(cell.published, cell.computed, strict=True)):
            place = cell.place.at(option=cell.contest.options[i])
            for check, name, mine, theirs in zip(
                ("9.A", "9.B"), ("A", "B"), computed, published, strict=True
            ):
                message = f"{name} is not the product over the cast ballots"
                if not self._findings.check(check, mine == theirs, place, message, _SERVER):
                    cell.refuted.add(i)
            member = all(self._group.is_member(x) for x in published)
            self._findings.check(
                "R.tally-membership",
                member,
                place,
                "A or B is not in the group",
                _SERVER,
                excused=i in cell.refuted or self._findings.has_failed("6.A"),
            )


def usable(group: Group, ciphertext: tuple[mpz, mpz]) -> bool:
    """Whether both numbers of a ciphertext are elements at all."""
    return all(0 < x < group.p for x in ciphertext)
