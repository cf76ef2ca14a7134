"""Encrypted tallies: the sets they must cover, their ciphertexts, and V9."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ballot_proofs import Factors, multiply
from verifier.batch import Batch, Claim
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.manifest import Cell, Contest
from verifier.options import TOGETHER, usable
from verifier.schema import pb
from verifier.small_units import TallySet, tally_sets
from verifier.wire import Reader

_SERVER = "server"


@dataclass(slots=True)
class EncryptedCell:
    """The published tally of one set of units in one contest."""

    misnamed: bool
    """Whether the record has other units or another contest here."""
    place: Place
    units: tuple[str, ...]
    contest: Contest
    ballots: int
    published: Factors
    """(A, B) of each option, as the record has it."""
    computed: Factors = field(default_factory=list)
    """(A, B) of each option, as the cast ballots multiply to."""
    refuted: set[int] = field(default_factory=set)
    """Options, from 0, whose 9.A or 9.B has failed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be decrypted, in order."""

    sets: dict[TallySet, Contest]
    position: dict[TallySet, int]
    order: tuple[TallySet, ...]


class Tallies:
    """Follows the encrypted tallies and holds their ciphertexts.

    A tally of another set than the rule gives has failed; its ciphertexts are then
    followed as if that set were right, so that nothing later fails for the same reason.
    """

    def __init__(self, election: Election, cast_in: Counter[Cell], findings: Findings) -> None:
        """Take the election and the number of cast ballots by cell, which may still grow."""
        assert election.manifest is not None, "without a manifest there are no tallies"
        self._group = election.group
        self._manifest = election.manifest
        self._findings = findings
        self._cast_in = cast_in
        self._pairs = election.manifest.cells()
        self._units = {label: i for i, label in enumerate(election.manifest.units)}
        self._last = (-1, 0)
        self._odd: dict[TallySet, Contest] = {}
        self._odd_contests: set[str] = set()
        self._rule: dict[TallySet, Contest] | None = None
        self._keys: tuple[TallySet, ...] = ()
        self._places: list[tuple[int, int]] = []
        self._uncovered: set[Cell] = set()
        self._set_of: dict[Cell, TallySet] = {}
        self._wanted: Wanted | None = None
        self.cells: dict[TallySet, EncryptedCell] = {}
        """In the order of the record."""

    @property
    def rule(self) -> dict[TallySet, Contest]:
        """The sets that the rule gives, in order; first asked for when the polls are closed."""
        if self._rule is None:
            self._rule = tally_sets(self._manifest, self._cast_in)
            self._keys = tuple(self._rule)
            self._places = [self._order(units[0], c) for (units, _), c in self._rule.items()]
            self._uncovered = {(unit, label) for units, label in self._rule for unit in units}
        return self._rule

    def _order(self, unit: str, contest: Contest) -> tuple[int, int]:
        return self._units[unit], contest.index

    def complete(self) -> bool:
        """Whether every unit is in a tally of every contest that is tallied."""
        return not (self.rule and self._uncovered)

    # --- one tally -----------------------------------------------------------------------

    def encrypted_tally(self, statement: pb.EncryptedTally, reader: Reader) -> bool:
        """Take one tally; return whether all are there now."""
        key = self._meant(statement, reader)
        contest = self.rule.get(key) or self._odd.get(key)
        if contest is None or (key in self.cells and not self._stands_in(key, statement)):
            return self.complete()
        if len(statement.options) != len(contest.options):
            return self.complete()
        order = self._order(key[0][0], contest)
        if order < self._last:
            message = "the tally does not stand in the manifest's order"
            self._findings.failed("R.order", reader.place, message, reader.culprit)
        self._last = max(self._last, order)
        published = [
            (
                reader.element(option.a, "A", reader.place.at(option=label)),
                reader.element(option.b, "B", reader.place.at(option=label)),
            )
            for option, label in zip(statement.options, contest.options, strict=True)
        ]
        self.cells[key] = EncryptedCell(
            _labels(statement) != key, reader.place, key[0], contest, statement.ballots, published
        )
        self._uncovered.difference_update((unit, contest.label) for unit in key[0])
        self._wanted = None
        return self.complete()

    def late(self, statement: pb.EncryptedTally) -> bool:
        """Whether a tally that comes when all are there is one more set of units."""
        key = _labels(statement)
        return key not in self.cells and (key in self.rule or self._contest(key) is not None)

    def _contest(self, key: TallySet) -> Contest | None:
        """The contest, if the units all take it and stand in the manifest's order."""
        units, label = key
        if not units or any((unit, label) not in self._pairs for unit in units):
            return None
        positions = [self._units[unit] for unit in units]
        return self._pairs[units[0], label] if positions == sorted(set(positions)) else None

    def _meant(self, statement: pb.EncryptedTally, reader: Reader) -> TallySet:
        """Check a tally's labels; one that has unknown ones stands for the next set."""
        key, problem, check = _labels(statement), "", "R.tally-cells"
        contest = self.rule.get(key)
        if contest is not None:
            if key in self.cells and not self._stands_in(key, statement):
                problem = "these units and this contest have a tally already"
        else:
            contest = self._contest(key)
            problem = "the manifest has no such units and contest to tally"
            if contest is not None and key in self.cells:
                problem = "these units and this contest have a tally already"
            elif contest is not None:
                problem = "the rule does not count these units together in this contest"
                check = "R.small-units" if self._manifest.privacy_floor else check
                self._odd[key] = contest
                self._odd_contests.add(contest.label)
            else:
                key = self._following(key)
                contest = self.rule.get(key)
        if not problem and contest and len(statement.options) != len(contest.options):
            problem = "there is not one ciphertext for each option"
        self._findings.check(check, not problem, reader.place, problem, reader.culprit)
        return key

    def _following(self, key: TallySet) -> TallySet:
        """Return the set that comes next by the rule."""
        position = bisect_right(self._places, self._last)
        return self._keys[position] if position < len(self._keys) else key

    def _stands_in(self, key: TallySet, statement: pb.EncryptedTally) -> bool:
        """Whether a tally of unknown labels stands in the place of this one, its own."""
        return _labels(statement) == key and self.cells[key].misnamed

    # --- what is to be decrypted ------------------------------------------------------------

    @property
    def wanted(self) -> Wanted:
        """The sets that are decrypted: the rule's, or others that were published for them."""
        if self._wanted is None:
            sets = self._decrypted_sets() if self._odd else self.rule
            self._wanted = Wanted(sets, {key: i for i, key in enumerate(sets)}, tuple(sets))
        return self._wanted

    def _decrypted_sets(self) -> dict[TallySet, Contest]:
        proper = {
            (unit, label)
            for units, label in self.cells
            if (units, label) in self.rule
            for unit in units
        }
        # A set published beside all the right ones is a tally too many, and no more.
        odd = {
            key: contest
            for key, contest in self._odd.items()
            if key in self.cells and not all((unit, key[1]) in proper for unit in key[0])
        }
        replaced = {(unit, label) for units, label in odd for unit in units}
        found = odd | {
            key: contest
            for key, contest in self.rule.items()
            if key in self.cells or not any((unit, key[1]) in replaced for unit in key[0])
        }
        ordered = sorted(found.items(), key=lambda item: self._order(item[0][0][0], item[1]))
        return dict(ordered)

    def is_set(self, key: TallySet) -> bool:
        """Whether a decrypted tally is of units that exist, whatever the rule says of them."""
        return self._contest(key) is not None

    def ciphertexts(self) -> list[tuple[EncryptedCell, int]]:
        """Every option of every tally in the order of the record: what sessions count."""
        return [
            (cell, option)
            for key, cell in self.cells.items()
            if key in self.wanted.sets
            for option in range(len(cell.contest.options))
        ]

    # --- once every ballot is read ------------------------------------------------------

    def ballots(self, key: TallySet) -> int:
        """How many cast ballots belong in a tally."""
        return sum(self._cast_in[unit, key[1]] for unit in key[0])

    def ballots_by_contest(self) -> Counter[str]:
        """How many cast ballots hold each contest."""
        ballots: Counter[str] = Counter()
        for (_, label), count in self._cast_in.items():
            ballots[label] += count
        return ballots

    def miscounted(self, key: TallySet, ballots: int) -> str:
        """Say what is wrong with a tally's number of ballots, "" if it is right."""
        expected = [self.ballots(meant) for meant in self._meanings(key)]
        if ballots in expected:
            return ""
        return f"{expected[0]} cast ballots belong in it, not {ballots}"

    def _meanings(self, key: TallySet) -> list[TallySet]:
        """Return what a tally may hold: its units, or where they are wrong, the rule's."""
        if key not in self._odd:
            return [key]
        if not self._set_of:
            self._set_of = {(unit, known[1]): known for known in self.rule for unit in known[0]}
        known = self._set_of.get((key[0][0], key[1]))
        return [key] if known is None else [key, known]

    def check(
        self, factors: dict[Cell, Factors], complete: bool, batch: Batch | None = None
    ) -> None:
        """Check every count, 9.A, 9.B and membership; if complete, that nothing is missing."""
        members = self._members(batch)
        for key, contest in self.wanted.sets.items():
            cell = self.cells.get(key)
            if cell is None:
                if complete:
                    message = "these units have no encrypted tally in the contest"
                    place = Place(units=key[0], contest=key[1])
                    self._findings.failed("R.tally-cells", place, message, _SERVER)
                continue
            problem = self.miscounted(key, cell.ballots)
            self._findings.check("R.tally-cells", not problem, cell.place, problem, _SERVER)
            products = [self._product(meant, contest, factors) for meant in self._meanings(key)]
            cell.computed = cell.published if cell.published in products else products[0]
            self._aggregates(cell, {i for i in range(len(products[0])) if (key, i) in members})
        if complete and self._manifest.privacy_floor:
            contests = {contest.label for contest in self._manifest.contests}
            self._findings.passed("R.small-units", len(contests - self._odd_contests))

    def _product(self, key: TallySet, contest: Contest, factors: dict[Cell, Factors]) -> Factors:
        product: Factors = [(mpz(1), mpz(1))] * len(contest.options)
        for unit in key[0]:
            found = factors.get((unit, key[1]))
            if found is not None:
                product = multiply(self._group, product, found)
        return product

    def _members(self, batch: Batch | None) -> set[tuple[TallySet, int]]:
        """Return the tallies' options whose A and B a batch has found to be in the group."""
        if batch is None:
            return set()
        pairs = [
            ((key, i), pair)
            for key, cell in self.cells.items()
            for i, pair in enumerate(cell.published)
            if usable(self._group, pair)
        ]
        found: set[tuple[TallySet, int]] = set()
        for start in range(0, len(pairs), TOGETHER):
            some = pairs[start : start + TOGETHER]
            holds = batch.search([Claim(members=list(pair)) for _, pair in some])
            found |= {key for (key, _), is_member in zip(some, holds, strict=True) if is_member}
        return found

    def _aggregates(self, cell: EncryptedCell, members: set[int]) -> None:
        for i, (published, computed) in enumerate(zip(cell.published, cell.computed, strict=True)):
            place = cell.place.at(option=cell.contest.options[i])
            for check, name, mine, theirs in zip(
                ("9.A", "9.B"), ("A", "B"), computed, published, strict=True
            ):
                message = f"{name} is not the product over the cast ballots"
                if not self._findings.check(check, mine == theirs, place, message, _SERVER):
                    cell.refuted.add(i)
            member = i in members or all(self._group.is_member(x) for x in published)
            self._findings.check(
                "R.tally-membership",
                member,
                place,
                "A or B is not in the group",
                _SERVER,
                excused=i in cell.refuted or self._findings.has_failed("6.A"),
            )


def _labels(statement: pb.EncryptedTally) -> TallySet:
    return tuple(statement.units), statement.contest
