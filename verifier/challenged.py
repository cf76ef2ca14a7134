"""Challenged ballots, opened through their nonces: V13, V14 and R.challenged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gmpy2 import mpz

from verifier.ballot_hashes import chosen_identifier_hash, hash_of_contest
from verifier.ceremony import JointKeys
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.group import FixedBase
from verifier.hashing import confirmation_code, contest_hash
from verifier.manifest import Contest
from verifier.schema import pb
from verifier.wire import SPARE, Reader, parse_artifact

_SERVER = "server"
_Opened = dict[str, dict[str, tuple[int, mpz]]]
"""By contest and option: the value and its nonce."""


class Openings:
    """Follows the openings of challenged ballots."""

    def __init__(
        self,
        election: Election,
        keys: JointKeys,
        table: FixedBase,
        challenges: dict[bytes, int],
        reread: Callable[[int], bytes],
        findings: Findings,
    ) -> None:
        """Take the challenges, code to artifact, in the order in which they were made."""
        assert election.manifest is not None, "without a manifest there are no ballots"
        self._manifest = election.manifest
        self._group = election.group
        self._keys = keys
        self._table = table
        self._challenges = challenges
        self._order = {code: i for i, code in enumerate(challenges)}
        self._opened: set[bytes] = set()
        self._last = -1
        self._reread = reread
        self._findings = findings

    def opening(self, statement: pb.ChallengedBallotDecryption, reader: Reader) -> None:
        """Check one opening against its ballot."""
        code = statement.confirmation_code
        position = self._order.get(code)
        problem = ""
        if position is None:
            problem = "no challenged ballot has this confirmation code"
        elif code in self._opened:
            problem = "the ballot has been opened before"
        elif position < self._last:
            problem = "it does not stand in the order of the challenges"
        place = reader.place.at(ballot=code[:32].hex())
        self._findings.check("R.challenged", not problem, place, problem, reader.culprit)
        if position is None or code in self._opened:
            return
        self._opened.add(code)
        self._last = max(self._last, position)
        artifact, _ = parse_artifact(self._reread(self._challenges[code]))
        assert artifact is not None, "the bytes are those that were parsed before"
        self._check(statement, artifact.ballot, place, reader)

    def missing(self) -> None:
        """Report every challenged ballot that was not opened."""
        for code, artifact in self._challenges.items():
            if code not in self._opened:
                place = Place(artifact=artifact, ballot=code.hex())
                message = "the challenged ballot is not opened"
                self._findings.failed("R.challenged", place, message, _SERVER)

    # --- one ballot -----------------------------------------------------------------------

    def _check(
        self,
        statement: pb.ChallengedBallotDecryption,
        ballot: pb.Ballot,
        place: Place,
        reader: Reader,
    ) -> None:
        contests = self._manifest.styles.get(ballot.ballot_style, ())
        opened = self._contests(statement, contests, place, reader)
        if opened is not None:
            # Only what V14 finds well-formed can be encrypted again.
            self._encrypt_again(opened, contests, ballot, place, reader)

    def _contests(
        self,
        statement: pb.ChallengedBallotDecryption,
        contests: Sequence[Contest],
        place: Place,
        reader: Reader,
    ) -> _Opened | None:
        """Check V14; return the values and nonces if all of it holds."""
        known = {contest.label: contest for contest in contests}
        findings, culprit = self._findings, reader.culprit
        opened: _Opened = {}
        good = True
        for contest in statement.contests[: len(contests) + SPARE]:
            here = place.at(contest=contest.contest)
            message = "the contest is not on the ballot's style"
            if not findings.check("14.A", contest.contest in known, here, message, culprit):
                good = False
                continue
            values = self._selections(contest, known[contest.contest], here, reader)
            good &= values is not None
            opened[contest.contest] = values or {}
        for label in known:
            message = "a contest of the ballot's style is not opened"
            here = place.at(contest=label)
            good &= findings.check("14.B", label in opened, here, message, culprit)
        labels = [contest.contest for contest in statement.contests]
        in_order = [label for label in known if label in opened]
        if good and labels != in_order:
            message = "the contests do not stand in the order of the ballot"
            findings.failed("R.challenged", place, message, culprit)
        return opened if good else None

    def _selections(
        self, contest: pb.ChallengedContest, known: Contest, place: Place, reader: Reader
    ) -> dict[str, tuple[int, mpz]] | None:
        """Check 14.C to 14.F of a contest; None if any of it fails."""
        findings, culprit = self._findings, reader.culprit
        values: dict[str, tuple[int, mpz]] = {}
        options = set(known.options)
        good = True
        for selection in contest.selections[: len(options) + SPARE]:
            here = place.at(option=selection.option)
            message = "the contest has no such option"
            good &= findings.check("14.C", selection.option in options, here, message, culprit)
            message = f"the value {selection.value} is above {known.option_limit}"
            good &= findings.check(
                "14.E", selection.value <= known.option_limit, here, message, culprit
            )
            nonce = reader.scalar(selection.nonce, "the nonce", here)
            if not reader.in_q(nonce):
                findings.failed("R.challenged", here, "the nonce is not below q", culprit)
                good = False
            values[selection.option] = (selection.value, nonce)
        for label in known.options:
            message = "an option of the manifest is not opened"
            here = place.at(option=label)
            good &= findings.check("14.D", label in values, here, message, culprit)
        total = sum(selection.value for selection in contest.selections)
        message = f"the values add up to {total}, above {known.selection_limit}"
        inside = total <= known.selection_limit
        good &= findings.check("14.F", inside, place, message, culprit)
        if good and [s.option for s in contest.selections] != list(known.options):
            message = "the options do not stand in the manifest's order"
            findings.failed("R.challenged", place, message, culprit)
        return values if good else None

    # --- V13 ----------------------------------------------------------------------------------

    def _encrypt_again(
        self,
        opened: _Opened,
        contests: Sequence[Contest],
        ballot: pb.Ballot,
        place: Place,
        reader: Reader,
    ) -> None:
        """Check 13.B, and that the re-encryption is the ballot selection by selection.

        Where the code does not come out, the first differing selection is named with
        13.B; R.challenged-nonce fails by itself only where the code does come out.
        """
        identifier = chosen_identifier_hash(self._group, self._keys.extended_hash, ballot)
        hashes, differing = [], ""
        by_index = {contest.index: contest for contest in ballot.contests}
        for contest in contests:
            pairs = [self._encryption(*opened[contest.label][label]) for label in contest.options]
            encoded = [x for pair in pairs for x in pair]
            hashes.append(contest_hash(identifier, contest.index, encoded))
            published = by_index.get(contest.index)
            differing = differing or _first_difference(contest, published, pairs)
        code = confirmation_code(identifier, hashes, ballot.chaining_field)
        message = "encrypting the opened values again does not give the confirmation code"
        if differing:
            message += f" (first difference: {differing})"
        holds = code == ballot.confirmation_code
        excused = not differing and self._ballot_is_wrong(ballot, identifier, code)
        if self._findings.check("13.B", holds, place, message, reader.culprit, excused=excused):
            message = f"the re-encryption differs from the ballot: {differing}"
            self._findings.check(
                "R.challenged-nonce", not differing, place, message, reader.culprit
            )
        elif excused:
            self._findings.passed("R.challenged-nonce")

    def _ballot_is_wrong(self, ballot: pb.Ballot, identifier: bytes, code: bytes) -> bool:
        """Whether the ballot's own code is not that of its selections and B_C.

        8.B or 8.E has then named the fault already, and the opening is not to blame.
        """
        hashes = [hash_of_contest(self._group, identifier, c) for c in ballot.contests]
        return confirmation_code(identifier, hashes, ballot.chaining_field) == code

    def _encryption(self, value: int, nonce: mpz) -> tuple[bytes, bytes]:
        """Return alpha and beta of a value under a nonce (13.1, 13.2)."""
        alpha = self._group.g_power(nonce)
        beta = self._table.power((value + nonce) % self._group.q)
        return self._group.element(alpha), self._group.element(beta)


def _first_difference(
    contest: Contest, published: pb.BallotContest | None, pairs: list[tuple[bytes, bytes]]
) -> str:
    """Name the first option whose re-encryption is not the ballot's, "" if none is."""
    selections = list(published.selections) if published is not None else []
    for i, (label, (alpha, beta)) in enumerate(zip(contest.options, pairs, strict=True)):
        if i >= len(selections) or (selections[i].alpha, selections[i].beta) != (alpha, beta):
            return f"contest {contest.label!r}, option {label!r}"
    return ""
