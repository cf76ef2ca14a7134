"""Ballots as the record lists them: V5, V8.A and B, what fits the manifest, and casting.

This is the cheap half, done in order while the log is read. The proofs are the other
half, in `ballot_proofs`.
"""

from __future__ import annotations

from array import array
from collections import Counter

from verifier.ballot_hashes import chosen_identifier_hash, contest_misfit, hash_of_contest
from verifier.compact import DigestMap
from verifier.devices import Devices
from verifier.election import Election
from verifier.findings import Findings
from verifier.hashing import confirmation_code, identifier_hash
from verifier.manifest import Cell
from verifier.schema import pb
from verifier.wire import SPARE, Reader

SPOILED, CAST, CHALLENGED, LATE = range(4)
"""What became of a ballot. Spoiled until a statement decides; late ones never count."""


class Ballots:
    """Every ballot's fate, in a few bytes each."""

    def __init__(self, election: Election, extended_hash: bytes, findings: Findings) -> None:
        """Take the election; statements come through the methods below."""
        assert election.manifest is not None, "without a manifest there are no ballots"
        self._manifest = election.manifest
        self._group = election.group
        self._extended = extended_hash
        self._findings = findings
        self._identifiers = DigestMap()
        self._codes = DigestMap()
        self._units = {label: i for i, label in enumerate(self._manifest.units)}
        self._styles = {label: i for i, label in enumerate(self._manifest.styles)}
        self._device_index = {label: i for i, label in enumerate(self._manifest.devices)}
        self._unit_labels = tuple(self._units)
        self._style_labels = tuple(self._styles)
        self._unit = array("i")
        self._style = array("i")
        self._device = array("i")
        self.artifact = array("Q")
        self.status = array("B")
        self.submitted_in: Counter[Cell] = Counter()
        """Ballots submitted of a unit whose style has a contest."""
        self.cast_in: Counter[Cell] = Counter()
        """Ballots cast of a unit whose style has a contest."""
        self.challenges: dict[bytes, int] = {}
        """Code to artifact number of every challenged ballot, in the order of challenging."""

    # --- one ballot ------------------------------------------------------------------

    def ballot(self, ballot: pb.Ballot, devices: Devices, reader: Reader, late: bool) -> None:
        """Check a ballot's hashes and labels, and book it."""
        self._fits(ballot, reader)
        self._order(ballot, devices, reader)
        identifier = self._identifier(ballot, reader)
        computed, recorded = self._contest_hashes(ballot, identifier, reader)
        fields = devices.chaining_field(ballot, reader)
        codes = self._code(ballot, reader, identifier, (computed, recorded), fields)
        if not late:
            devices.append(ballot.device, codes)
        self._book(ballot, codes, reader, late)

    def _fits(self, ballot: pb.Ballot, reader: Reader) -> None:
        problem = self._misfit(ballot)
        self._findings.check("R.ballot", not problem, reader.place, problem, reader.culprit)

    def _misfit(self, ballot: pb.Ballot) -> str:
        """Say what does not fit the manifest, "" if everything does."""
        device = self._manifest.devices.get(ballot.device)
        styles = self._manifest.units.get(ballot.unit)
        contests = self._manifest.styles.get(ballot.ballot_style)
        if device is None or styles is None or contests is None:
            return "the manifest has no such device, unit or ballot style"
        if ballot.unit not in device.units:
            return f"the device may not serve unit {ballot.unit!r}"
        if ballot.ballot_style not in styles:
            return f"unit {ballot.unit!r} does not take ballot style {ballot.ballot_style!r}"
        if [contest.index for contest in ballot.contests] != [c.index for c in contests]:
            return "its contests are not those of its ballot style, ascending"
        for contest, known in zip(ballot.contests, contests, strict=True):
            problem = contest_misfit(contest, known)
            if problem:
                return f"contest {known.label!r}: {problem}"
        return ""

    def _order(self, ballot: pb.Ballot, devices: Devices, reader: Reader) -> None:
        chain = devices.chains.get(ballot.device)
        if chain is not None and chain.state != "begun":
            message = "the ballot's device has not begun, has closed or is missing"
            self._findings.failed("R.order", reader.place, message, reader.culprit)

    def _identifier(self, ballot: pb.Ballot, reader: Reader) -> bytes:
        """Check 5.A and 5.B; return the H_I to go on with."""
        identifier = reader.hash(ballot.identifier, "id_B")
        if identifier is not None:
            earlier = self._identifiers.add(identifier, reader.place.artifact or 0)
            message = f"artifact {earlier} has the same selection encryption identifier"
            self._findings.check("5.A", earlier is None, reader.place, message, reader.culprit)
        recorded = reader.hash(ballot.identifier_hash, "H_I")
        if recorded is not None:
            computed = identifier_hash(self._extended, ballot.identifier)
            message = "H_I is not the hash (32) of id_B"
            holds = recorded == computed
            self._findings.check("5.B", holds, reader.place, message, reader.culprit)
        return chosen_identifier_hash(self._group, self._extended, ballot)

    def _contest_hashes(
        self, ballot: pb.Ballot, identifier: bytes, reader: Reader
    ) -> tuple[list[bytes], list[bytes]]:
        """Check 8.A; return the hashes recomputed and recorded."""
        computed, recorded = [], []
        for contest in ballot.contests[: len(self._manifest.contests) + SPARE]:
            place = reader.place.at(contest=self._label(contest.index))
            mine = hash_of_contest(self._group, identifier, contest)
            theirs = reader.hash(contest.contest_hash, "the contest hash", place)
            if theirs is not None:
                message = "the contest hash is not that (70) of its selections"
                self._findings.check("8.A", mine == theirs, place, message, reader.culprit)
            computed.append(mine)
            recorded.append(contest.contest_hash)
        return computed, recorded

    def _label(self, index: int) -> str:
        contests = self._manifest.contests
        return contests[index - 1].label if 1 <= index <= len(contests) else f"#{index}"

    def _code(
        self,
        ballot: pb.Ballot,
        reader: Reader,
        identifier: bytes,
        contests: tuple[list[bytes], list[bytes]],
        fields: tuple[bytes, ...],
    ) -> tuple[bytes, ...]:
        """Check 8.B; return the recorded code and, where it is wrong, the right one.

        A wrong contest hash or chaining field is the fault of 8.A or 8.E alone, so the
        code may be over the recorded or the recomputed ones.
        """
        expected = [
            confirmation_code(identifier, hashes, chaining)
            for chaining in fields
            for hashes in contests
        ]
        recorded = reader.hash(ballot.confirmation_code, "H_C")
        if recorded is None:
            return tuple(expected)
        holds = recorded in expected
        message = "H_C is not the hash (71) of the contest hashes and B_C"
        self._findings.check("8.B", holds, reader.place, message, reader.culprit)
        return (recorded,) if holds else (recorded, *expected)

    def _book(
        self, ballot: pb.Ballot, codes: tuple[bytes, ...], reader: Reader, late: bool
    ) -> None:
        ordinal = len(self.status)
        known = {self._codes.add(code, ordinal) for code in dict.fromkeys(codes)}
        message = "another ballot has the same confirmation code"
        self._findings.check("R.duplicate", known == {None}, reader.place, message, reader.culprit)
        self.status.append(LATE if late else SPOILED)
        self.artifact.append(reader.place.artifact or 0)
        self._unit.append(self._units.get(ballot.unit, -1))
        self._style.append(self._styles.get(ballot.ballot_style, -1))
        self._device.append(self._device_index.get(ballot.device, -1))
        if not late:
            self._count(self.submitted_in, ordinal)

    def _count(self, cells: Counter[Cell], ordinal: int) -> None:
        """Add a ballot to every cell it belongs to; none if its labels are unknown."""
        unit, style = self._unit[ordinal], self._style[ordinal]
        if unit >= 0 and style >= 0:
            for contest in self._manifest.styles[self._style_labels[style]]:
                cells[self._unit_labels[unit], contest.label] += 1

    # --- casting and challenging ----------------------------------------------------------

    def decide(self, statement: pb.Cast | pb.Challenge, status: int, reader: Reader) -> None:
        """Check that a cast or challenge decides an undecided ballot of its device."""
        code = reader.hash(statement.confirmation_code, "the confirmation code")
        if code is None:
            return
        ordinal = self._codes.get(code)
        device = self._device_index.get(statement.device)
        problem = self._undecidable(ordinal) if device is not None else "there is no such device"
        if ordinal is not None and not problem:
            # Decided even if the device is another one: whoever tallied it took it so.
            self._decide(ordinal, code, status)
            if self._device[ordinal] != device:
                problem = "the ballot is another device's"
        self._findings.check("R.cast", not problem, reader.place, problem, reader.culprit)

    def _undecidable(self, ordinal: int | None) -> str:
        if ordinal is None:
            return "no ballot with this confirmation code stands before it"
        return {
            SPOILED: "",
            CAST: "the ballot is cast already",
            CHALLENGED: "the ballot is challenged already",
            LATE: "the ballot came after the close of the polls",
        }[self.status[ordinal]]

    def _decide(self, ordinal: int, code: bytes, status: int) -> None:
        self.status[ordinal] = status
        if status == CHALLENGED:
            self.challenges[code] = self.artifact[ordinal]
        if status == CAST:
            self._count(self.cast_in, ordinal)

    # --- counts ------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many ballots were submitted, cast, challenged and spoiled."""
        found = Counter(self.status)
        return {
            "submitted": len(self.status) - found[LATE],
            "cast": found[CAST],
            "challenged": found[CHALLENGED],
            "spoiled": found[SPOILED],
        }

    def polls_close(self, statement: pb.PollsClose, devices: Devices, reader: Reader) -> None:
        """Check the counts of the close, and that every device is accounted for."""
        wrong = [
            f"{name} is {getattr(statement, name)}, not {count}"
            for name, count in self.counts().items()
            if getattr(statement, name) != count
        ]
        place, culprit = reader.place, reader.culprit
        self._findings.check("R.polls-close", not wrong, place, "; ".join(wrong), culprit)
        for label in devices.unaccounted():
            message = "the device has neither closed nor been declared missing"
            self._findings.failed("R.polls-close", place.at(device=label), message, culprit)
