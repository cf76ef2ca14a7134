"""Decrypted tallies and the result: V10, V11 and the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from gmpy2 import mpz

from verifier.batch import Batch, Claim
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.manifest import Cell, Contest
from verifier.options import TOGETHER, Decryptions, Option, read_option
from verifier.schema import pb
from verifier.small_units import TallySet
from verifier.tally import EncryptedCell, Tallies
from verifier.wire import SPARE, Reader

_SERVER = "server"
_ADMINISTRATOR = "administrator"

Commitments = Mapping[tuple[TallySet, int], tuple[mpz, mpz]]
"""(a, b) of an option of a tally, by its position from 0; unchecked."""
_Entry = tuple[EncryptedCell | None, TallySet, int, Option]


class Counting:
    """Follows the decrypted tallies and the result."""

    def __init__(self, election: Election, tallies: Tallies, findings: Findings) -> None:
        """Take the encrypted tallies; statements come through the methods below."""
        assert election.manifest is not None, "without a manifest there is nothing to count"
        self._manifest = election.manifest
        self._tallies = tallies
        self._findings = findings
        self._last = -1
        self.decrypted: dict[TallySet, dict[int, Option]] = {}
        """By units and contest: the options, by position from 0."""
        self.result: tuple[pb.Result, Reader] | None = None

    def ciphertexts(self) -> list[tuple[EncryptedCell, int]]:
        """Return what there is to decrypt, in the order of the record."""
        return self._tallies.ciphertexts()

    # --- V11 -------------------------------------------------------------------------

    def complete(self) -> bool:
        """Whether everything that is to be decrypted is there."""
        if self._tallies.cells and not self.decrypted:
            return False
        return len(self.decrypted) == len(self._tallies.wanted.order)

    def decrypted_tally(self, statement: pb.DecryptedTally, reader: Reader) -> None:
        """Check one tally's labels and keep its options."""
        key = self._meant(statement, reader)
        if key is not None:
            self._options(statement, self._tallies.wanted.sets[key], key, reader)
            problem = self._tallies.miscounted(key, statement.ballots)
            self._findings.check(
                "R.tally-cells", not problem, reader.place, problem, reader.culprit
            )

    def _meant(self, statement: pb.DecryptedTally, reader: Reader) -> TallySet | None:
        """Find the set that is meant; unknown labels stand for the next one."""
        findings, place, culprit = self._findings, reader.place, reader.culprit
        wanted = self._tallies.wanted
        known = self._manifest.contest(statement.contest) is not None
        message = "the manifest has no such contest"
        findings.check("11.A", known, place, message, culprit)
        key = (tuple(statement.units), statement.contest)
        if known and (key not in wanted.sets or key in self.decrypted):
            message = "there is nothing to decrypt there, or it has been decrypted before"
            findings.failed(self._check_of(key), place, message, culprit)
        if key not in wanted.sets:
            key = self._following(key)
        if key in self.decrypted or key not in wanted.sets:
            return None
        position = wanted.position[key]
        if position < self._last:
            message = "the tally does not stand in the order of the encrypted ones"
            findings.failed("R.order", place, message, culprit)
        self._last = max(self._last, position)
        return key

    def _check_of(self, key: TallySet) -> str:
        """Return the check that a decryption of units that are not counted together fails."""
        small = self._manifest.privacy_floor and key not in self._tallies.wanted.sets
        return "R.small-units" if small and self._tallies.is_set(key) else "R.tally-cells"

    def _following(self, key: TallySet) -> TallySet:
        """Return the next set if it shares the units or the contest of an unknown one."""
        order, position = self._tallies.wanted.order, self._last + 1
        if position < len(order):
            following = order[position]
            if following[0] == key[0] or following[1] == key[1]:
                return following
        return key

    def _options(
        self,
        statement: pb.DecryptedTally,
        contest: Contest,
        key: TallySet,
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
            found[position] = read_option(option, reader, place)
        labels = {option.option for option in published}
        for label in contest.options:
            place = reader.place.at(option=label)
            message = "the tally leaves out an option of the manifest"
            findings.check("11.C", label in labels, place, message, culprit)
        self.decrypted[key] = found

    def contests_present(self, submitted_in: Counter[Cell], complete: bool) -> None:
        """Check 11.D, and that no other set lacks its decrypted tally."""
        for key in self._tallies.wanted.order:
            place = Place(units=key[0], contest=key[1])
            message = "the contest is not in the decrypted tallies of the units"
            present = key in self.decrypted
            if not present and not complete:
                continue
            if any(submitted_in[unit, key[1]] for unit in key[0]):
                self._findings.check("11.D", present, place, message, _SERVER)
            elif not present:
                self._findings.failed("R.tally-cells", place, message, _SERVER)

    # --- V10 ---------------------------------------------------------------------------

    def check(
        self,
        decryptions: Decryptions,
        batch: Batch | None = None,
        commitments: Commitments = MappingProxyType({}),
    ) -> None:
        """Check 10.A, 10.B and 10.C of every option.

        `commitments` are (a, b) of options as anybody may have named them, for the batch.
        """
        entries: list[_Entry] = [
            (self._tallies.cells.get(key), key, position, option)
            for key, options in self.decrypted.items()
            for position, option in options.items()
        ]
        for i in range(0, len(entries), TOGETHER):
            some = entries[i : i + TOGETHER]
            known = [False] * len(some)
            if batch is not None:
                known = batch.search([_claim(decryptions, commitments, *entry) for entry in some])
            for (cell, _, position, option), is_known in zip(some, known, strict=True):
                if cell is not None:
                    indices = (cell.contest.index, position + 1)
                    decryptions.proof(option, indices, candidates(cell, position), is_known)
                decryptions.count(option)

    # --- the result ----------------------------------------------------------------------

    def totals(self) -> list[tuple[Contest, int, list[int | None] | None]]:
        """Sum the decrypted tallies: (contest, cast ballots, count of each option).

        A count is None where a tally is missing or its count has been refuted. There are
        no counts at all of a contest that is below the privacy floor.
        """
        sums: dict[str, list[int | None]] = {}
        if not self._manifest.privacy_floor:
            sums = {c.label: [0] * len(c.options) for c in self._manifest.contests}
        for key, contest in self._tallies.wanted.sets.items():
            row = sums.setdefault(key[1], [0] * len(contest.options))
            for i, total in enumerate(row):
                option = self.decrypted.get(key, {}).get(i)
                known = option is not None and option.counted and total is not None
                row[i] = (total or 0) + option.count if known and option else None
        ballots = self._tallies.ballots_by_contest()
        return [
            (contest, ballots[contest.label], sums.get(contest.label))
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
            if options != (list(contest.options) if sums is not None else []):
                problem = "its options are not the manifest's, in order"
                if sums is None:
                    problem = "it has options, but is below the privacy floor"
            elif published.ballots != ballots:
                problem = f"{ballots} cast ballots hold it, not {published.ballots}"
            elif any(
                total is not None and option.count != total
                for option, total in zip(published.options, sums or (), strict=True)
            ):
                problem = "its counts are not the sums of the decrypted tallies"
            findings.check("R.result", not problem, here, problem, _ADMINISTRATOR)


def _claim(
    decryptions: Decryptions,
    commitments: Commitments,
    cell: EncryptedCell | None,
    key: TallySet,
    position: int,
    option: Option,
) -> Claim | None:
    """Return 10.B of an option as a claim, None where nobody has named its commitments."""
    named = commitments.get((key, position))
    if cell is None or named is None:
        return None
    indices = (cell.contest.index, position + 1)
    return decryptions.claim(option, indices, candidates(cell, position), named)


def candidates(cell: EncryptedCell, option: int) -> list[tuple[mpz, mpz]]:
    """Return the ciphertexts that a decryption may be of.

    The published one; where 9.A or 9.B has refuted it, also the product of the ballots,
    so that an aggregate altered later is one failure and not many.
    """
    if option in cell.refuted:
        return [cell.published[option], cell.computed[option]]
    return [cell.published[option]]
