"""Challenged ballots that are opened through their nonces: V13."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from verifier.ballot_hashes import chosen_identifier_hash, hash_of_contest
from verifier.ceremony import JointKeys
from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group
from verifier.hashing import confirmation_code, contest_hash
from verifier.manifest import Contest
from verifier.opened import Form, Opened, Row
from verifier.schema import pb
from verifier.wire import Reader

_Nonces = dict[tuple[str, str], tuple[int, mpz]]
"""By contest and option: the value and its nonce."""


class Reencryption:
    """Checks what was opened by encrypting it once more."""

    def __init__(self, group: Group, keys: JointKeys, table: FixedBase, findings: Findings) -> None:
        """Take the keys, and the table of K."""
        self._group = group
        self._keys = keys
        self._table = table
        self._findings = findings

    def check(
        self,
        statement: pb.ChallengedBallotDecryption,
        ballot: pb.Ballot,
        contests: Sequence[Contest],
        place: Place,
        reader: Reader,
    ) -> None:
        """Check one opening against its ballot."""
        rows = [
            (contest.contest, [Row(x.option, x.value, x.nonce) for x in contest.selections])
            for contest in statement.contests
        ]
        opened = Form(self._findings, reader.culprit).contests(rows, contests, place)
        nonces = self._nonces(opened, place, reader) if opened is not None else None
        if nonces is not None:
            # Only what V14 finds well-formed can be encrypted again.
            self._encrypt_again(nonces, contests, ballot, place, reader)

    def _nonces(self, opened: Opened[bytes], place: Place, reader: Reader) -> _Nonces | None:
        """Decode every nonce; None if one is not below q."""
        nonces: _Nonces = {}
        good = True
        for contest, rows in opened.items():
            for option, row in rows.items():
                here = place.at(contest=contest, option=option)
                nonce = reader.scalar(row.item, "the nonce", here)
                nonces[contest, option] = (row.value, nonce)
                if not reader.in_q(nonce):
                    message = "the nonce is not below q"
                    self._findings.failed("R.challenged", here, message, reader.culprit)
                    good = False
        return nonces if good else None

    # --- V13 ----------------------------------------------------------------------------------

    def _encrypt_again(
        self,
        nonces: _Nonces,
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
            pairs = [self._encryption(*nonces[contest.label, label]) for label in contest.options]
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
