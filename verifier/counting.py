"""Decrypted tallies and the result: V10, V11 and the sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.ceremony import JointKeys
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.group import FixedBase
from verifier.manifest import Cell, Contest
from verifier.proofs import Decrypted, is_decryption
from verifier.schema import pb
from verifier.tally import EncryptedCell, Tallies, usable
from verifier.wire import SPARE, Reader

_SERVER = "server"
_ADMINISTRATOR = "administrator"


@dataclass(slots=True)
class Option:
    """One decrypted option: t, T, c and v, and whether V10 holds for it."""

    place: Place
    count: int
    value: mpz | None
    challenge: mpz | None
    response: mpz | None
    proven: bool = False
    counted: bool = False
    """Whether 10.C holds."""


class Counting:
    """Follows the decrypted tallies and the result."""

    def __init__(self, election: Election, tallies: Tallies, findings: Findings) -> None:
        """Take the encrypted tallies; statements come through the methods below."""
        assert election.manifest is not None, "without a manifest there is nothing to count"
        self._election = election
        self._manifest = election.manifest
        self._group = election.group
        self._tallies = tallies
        self._findings = findings
        self._expected = tallies.cells_in_order
        self._last = -1
        self.decrypted: dict[Cell, dict[int, Option]] = {}
        """By cell: the options, by position from 0."""
        self.result: tuple[pb.Result, Reader] | None = None

    def ciphertexts(self) -> list[tuple[EncryptedCell, int]]:
        """Return what there is to decrypt, in the order of the record."""
        return self._tallies.ciphertexts()

    # --- V11 -------------------------------------------------------------------------

    def decrypted_tally(self, statement: pb.DecryptedTally, reader: Reader) -> bool:
        """Check one tally's labels and keep its options; return whether all are there."""
        cell = self._cell(statement, reader)
        if cell is not None:
            self._options(statement, self._tallies.expected[cell], cell, reader)
            expected = self._tallies.ballots(cell)
            message = f"{expected} cast ballots belong in it, not {statement.ballots}"
            holds = statement.ballots == expected
            self._findings.check("R.tally-cells", holds, reader.place, message, reader.culprit)
        return len(self.decrypted) == len(self._expected)

    def _cell(self, statement: pb.DecryptedTally, reader: Reader) -> Cell | None:
        """Find the cell that is meant; unknown labels stand for the next cell."""
        findings, place, culprit = self._findings, reader.place, reader.culprit
        known = self._manifest.contest(statement.contest) is not None
        message = "the manifest has no such contest"
        findings.check("11.A", known, place, message, culprit)
        cell = (statement.unit, statement.contest)
        if known and (cell not in self._tallies.expected or cell in self.decrypted):
            message = "there is nothing to tally there, or it has been decrypted before"
            findings.failed("R.tally-cells", place, message, culprit)
        if cell not in self._tallies.expected:
            cell = self._following(cell)
        if cell in self.decrypted or cell not in self._tallies.expected:
            return None
        position = self._tallies.position[cell]
        if position < self._last:
            message = "the tally does not stand in the order of the encrypted ones"
            findings.failed("R.order", place, message, culprit)
        self._last = max(self._last, position)
        return cell

    def _following(self, cell: Cell) -> Cell:
        """Return the next cell if it shares the unit or the contest of an unknown one."""
        position = self._last + 1
        if position < len(self._expected):
            following = self._expected[position]
            if following[0] == cell[0] or following[1] == cell[1]:
                return following
        return cell

    def _options(
        self,
        statement: pb.DecryptedTally,
        contest: Contest,
        cell: Cell,
        reader: Reader,
    ) -> None:
        findings, culprit = self._findings, reader.culprit
        positions = {label: i for i, label in enumerate(contest.options)}
        found: dict[int, Option] = {}
        last = -1
        published = statement.options[: len(contest.options) + SPARE]
        for i, option in enumerate(published):
            place = reader.place.at(option=option.option)
            known = option.option in positions
            message = "the contest has no such option"
            findings.check("11.B", known, place, message, culprit)
            position = positions.get(option.option, i)
            if position >= len(contest.options) or position in found:
                if known:
                    message = "the option stands twice"
                    findings.failed("R.order", place, message, culprit)
                continue
            if position < last:
                message = "the options do not stand in the manifest's order"
                findings.failed("R.order", place, message, culprit)
            last = max(last, position)
            found[position] = Option(
                place,
                option.count,
                reader.ranged_element(option.value, "T", place),
                reader.ranged_scalar(option.challenge, "c", place),
                reader.scalar(option.response, "v", place),
            )
        labels = {option.option for option in published}
        for label in contest.options:
            place = reader.place.at(option=label)
            message = "the tally leaves out an option of the manifest"
            findings.check("11.C", label in labels, place, message, culprit)
        self.decrypted[cell] = found

    def contests_present(self, submitted_in: Counter[Cell], complete: bool) -> None:
        """Check 11.D, and that no other cell lacks its decrypted tally."""
        for unit, label in self._expected:
            place = Place(unit=unit, contest=label)
            message = "the contest is not in the decrypted tallies of the unit"
            present = (unit, label) in self.decrypted
            if not present and not complete:
                continue
            if submitted_in[unit, label]:
                self._findings.check("11.D", present, place, message, _SERVER)
            elif not present:
                self._findings.failed("R.tally-cells", place, message, _SERVER)

    # --- V10 ---------------------------------------------------------------------------

    def check(self, keys: JointKeys, table: FixedBase) -> None:
        """Check 10.A, 10.B and 10.C of every option."""
        for name, options in self.decrypted.items():
            cell = self._tallies.cells.get(name)
            for position, option in options.items():
                if cell is not None:
                    self._decryption(cell, position, option, keys, table)
                self._count(option, keys)

    def _decryption(
        self,
        cell: EncryptedCell,
        position: int,
        option: Option,
        keys: JointKeys,
        table: FixedBase,
    ) -> None:
        if option.response is None or option.value is None or option.challenge is None:
            return
        inside = 0 <= option.response < self._group.q
        if not self._findings.check("10.A", inside, option.place, "v is not below q", _SERVER):
            return
        for ciphertext in candidates(cell, position):
            if not usable(self._group, ciphertext):
                continue
            claim = Decrypted(
                cell.contest.index,
                position + 1,
                *ciphertext,
                option.value,
                option.challenge,
                option.response,
            )
            option.proven = is_decryption(self._group, table, keys.extended_hash, claim)
            if option.proven:
                break
        message = "the proof that (A, B) decrypts to T is wrong"
        self._findings.check("10.B", option.proven, option.place, message, _SERVER)

    def _count(self, option: Option, keys: JointKeys) -> None:
        if option.value is None:
            return
        # t may have more bits than the exponents of the table.
        power = self._group.power(keys.vote, option.count)
        option.counted = option.value == power
        message = f"T is not K^{option.count}"
        self._findings.check("10.C", option.counted, option.place, message, _SERVER)

    # --- the result ----------------------------------------------------------------------

    def totals(self) -> list[tuple[Contest, int, list[int | None]]]:
        """Sum the decrypted tallies: (contest, cast ballots, count of each option).

        A count is None where a tally is missing or its count has been refuted.
        """
        sums: dict[str, list[int | None]] = {
            contest.label: [0] * len(contest.options) for contest in self._manifest.contests
        }
        ballots: Counter[str] = Counter()
        for cell in self._expected:
            row = sums[cell[1]]
            ballots[cell[1]] += self._tallies.ballots(cell)
            for i, total in enumerate(row):
                option = self.decrypted.get(cell, {}).get(i)
                known = option is not None and option.counted and total is not None
                row[i] = (total or 0) + option.count if known and option else None
        return [
            (contest, ballots[contest.label], sums[contest.label])
            for contest in self._manifest.contests
        ]

    def check_result(self) -> None:
        """Check that the result is the sums of the decrypted tallies (R.result)."""
        if self.result is None:
            return
        statement, reader = self.result
        findings, place = self._findings, reader.place
        labels = [contest.contest for contest in statement.contests]
        expected = [contest.label for contest in self._manifest.contests]
        message = "its contests are not the manifest's, in order"
        if not findings.check("R.result", labels == expected, place, message, _ADMINISTRATOR):
            return
        for published, (contest, ballots, sums) in zip(
            statement.contests, self.totals(), strict=True
        ):
            here = place.at(contest=contest.label)
            options = [option.option for option in published.options]
            problem = ""
            if options != list(contest.options):
                problem = "its options are not the manifest's, in order"
            elif published.ballots != ballots:
                problem = f"{ballots} cast ballots hold it, not {published.ballots}"
            elif any(
                total is not None and option.count != total
                for option, total in zip(published.options, sums, strict=True)
            ):
                problem = "its counts are not the sums of the decrypted tallies"
            findings.check("R.result", not problem, here, problem, _ADMINISTRATOR)


def candidates(cell: EncryptedCell, option: int) -> list[tuple[mpz, mpz]]:
    """Return the ciphertexts that a decryption may be of.

    The published one; where 9.A or 9.B has refuted it, also the product of the ballots,
    so that an aggregate altered later is one failure and not many.
    """
    if option in cell.refuted:
        return [cell.published[option], cell.computed[option]]
    return [cell.published[option]]
