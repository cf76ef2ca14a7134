"""Challenges: how a voter checks on another machine what a device encrypted.

The device hands over what it encrypted and the nonces; `audit` encrypts again and
compares with the ballot on the record. A challenged ballot never counts, so its choice
need not be the voter's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ballotbox.documents import Reader, write_document
from crypto.elgamal import encrypt
from crypto.errors import Rejected
from crypto.group import mpz
from record.artifacts import Ballot
from record.ballot_hashes import confirmation_code, contest_hash, identifier_hash, selection_nonce
from record.election import ElectionContext, ElectionKeys
from record.manifest import BallotStyle, Contest

FORMAT = "sailau-challenge/1"
CHECK = "R.challenge-file"

_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class OpenedOption:
    """sigma and xi_i,j of one option."""

    option: str
    value: int
    nonce: mpz


@dataclass(frozen=True, slots=True)
class OpenedContest:
    """The options of one contest, in the order of the manifest."""

    contest: str
    options: tuple[OpenedOption, ...]


@dataclass(frozen=True, slots=True)
class ChallengeFile:
    """A challenged ballot as its device claims to have encrypted it.

    It does not hold the ballot nonce: from the selections' nonces the encryption can
    be repeated, and nothing else that derives from the ballot nonce is given away.
    """

    election: str
    base_hash: bytes
    extended_base_hash: bytes
    confirmation_code: bytes
    device: str
    ballot_style: str
    unit: str
    contests: tuple[OpenedContest, ...]


def make_challenge_file(
    context: ElectionContext,
    keys: ElectionKeys,
    ballot: Ballot,
    ballot_nonce: bytes,
    selections: Sequence[Sequence[int]],
) -> ChallengeFile:
    """What the device hands to the voter; `selections` are the values by contest and option."""
    style = context.manifest.style(ballot.ballot_style)
    contests = tuple(
        OpenedContest(
            contest.label,
            tuple(
                OpenedOption(
                    option.label,
                    value,
                    selection_nonce(
                        context.group,
                        ballot.identifier_hash,
                        contest.index,
                        option.index,
                        ballot_nonce,
                    ),
                )
                for option, value in zip(contest.options, values, strict=True)
            ),
        )
        for contest, values in zip(style.contests, selections, strict=True)
    )
    return ChallengeFile(
        context.manifest.label,
        context.base_hash,
        keys.extended_base_hash,
        ballot.confirmation_code,
        ballot.device,
        ballot.ballot_style,
        ballot.unit,
        contests,
    )


def format_challenge(file: ChallengeFile, context: ElectionContext) -> bytes:
    """The file: JSON, hashes and nonces in hexadecimal."""
    encode = context.group.encode_scalar
    return write_document(
        {
            "format": FORMAT,
            "election": file.election,
            "base_hash": file.base_hash.hex(),
            "extended_base_hash": file.extended_base_hash.hex(),
            "confirmation_code": file.confirmation_code.hex(),
            "device": file.device,
            "ballot_style": file.ballot_style,
            "unit": file.unit,
            "contests": [
                {
                    "contest": contest.contest,
                    "selections": [
                        {"option": o.option, "value": o.value, "nonce": encode(o.nonce).hex()}
                        for o in contest.options
                    ],
                }
                for contest in file.contests
            ],
        }
    )


def parse_challenge_file(data: bytes, context: ElectionContext) -> ChallengeFile:
    """The challenge that a file holds, of this election. Raises Malformed with the path.

    Whether it is true is `audit`'s to say.
    """
    reader = Reader.of(data, "challenge", FORMAT, _LIMIT)
    file = ChallengeFile(
        reader.text("election"),
        reader.hex("base_hash", 32),
        reader.hex("extended_base_hash", 32),
        reader.hex("confirmation_code", 32),
        reader.text("device"),
        reader.text("ballot_style"),
        reader.text("unit"),
        tuple(_parse_contest(item, context) for item in reader.items("contests")),
    )
    reader.end()
    return file


def _parse_contest(reader: Reader, context: ElectionContext) -> OpenedContest:
    contest = OpenedContest(
        reader.text("contest"),
        tuple(_parse_option(item, context) for item in reader.items("selections")),
    )
    reader.end()
    return contest


def _parse_option(reader: Reader, context: ElectionContext) -> OpenedOption:
    width = context.group.parameters.scalar_width
    nonce = context.group.parse_scalar(reader.hex("nonce", width), reader.path("nonce"))
    option = OpenedOption(reader.text("option"), reader.integer("value", 2**31 - 1), nonce)
    reader.end()
    return option


def audit(
    context: ElectionContext, keys: ElectionKeys, ballot: Ballot, file: ChallengeFile
) -> None:
    """Encrypt again and compare with what the device submitted (spec 3.6.7).

    `ballot` is the one on the record. Raises Rejected with the place of the first
    difference: R.challenge-file (another ballot or election), 5.B, 13.B (a ciphertext),
    14.B, 14.D (labels), 14.E, 14.F (limits), 8.A (a contest hash), 8.B (the code).
    """
    style = _check_same_ballot(context, keys, ballot, file)
    h_i = identifier_hash(keys.extended_base_hash, ballot.identifier)
    if ballot.identifier_hash != h_i:
        raise _differs("5.B", "the identifier hash is wrong", ballot, "identifier_hash")
    hashes = [
        _audit_contest(context, keys, ballot, h_i, position, contest, opened)
        for position, (contest, opened) in enumerate(
            zip(style.contests, file.contests, strict=True)
        )
    ]
    code = confirmation_code(h_i, hashes, ballot.chaining_field)
    if code != ballot.confirmation_code:  # which is the file's, too
        raise _differs("8.B", "the confirmation code is another", ballot, "confirmation_code")


def _check_same_ballot(
    context: ElectionContext, keys: ElectionKeys, ballot: Ballot, file: ChallengeFile
) -> BallotStyle:
    for name, theirs, ours in (
        ("base_hash", file.base_hash, context.base_hash),
        ("extended_base_hash", file.extended_base_hash, keys.extended_base_hash),
        ("confirmation_code", file.confirmation_code, ballot.confirmation_code),
        ("device", file.device, ballot.device),
        ("ballot_style", file.ballot_style, ballot.ballot_style),
        ("unit", file.unit, ballot.unit),
    ):
        if theirs != ours:
            raise _differs(CHECK, "the file speaks of another one", ballot, name)
    style = context.manifest.style(ballot.ballot_style)
    labels = [contest.label for contest in style.contests]
    if [c.contest for c in file.contests] != labels or len(ballot.contests) != len(labels):
        raise _differs("14.B", "the contests are not those of the ballot style", ballot, "contests")
    return style


def _audit_contest(
    context: ElectionContext,
    keys: ElectionKeys,
    ballot: Ballot,
    h_i: bytes,
    position: int,
    contest: Contest,
    opened: OpenedContest,
) -> bytes:
    """The contest's hash, over the ciphertexts that come of encrypting again."""
    place = f"contest {contest.label}"
    sealed = ballot.contests[position]
    labels = [option.label for option in contest.options]
    if [o.option for o in opened.options] != labels or len(sealed.selections) != len(labels):
        raise _differs("14.D", "the options are not the contest's", ballot, place)
    again = [encrypt(keys.vote_key, o.value, o.nonce) for o in opened.options]
    for ciphertext, selection, o in zip(again, sealed.selections, opened.options, strict=True):
        for name in ("alpha", "beta"):
            if getattr(ciphertext, name) != getattr(selection, name):
                problem = f"value and nonce give another {name}"
                raise _differs("13.B", problem, ballot, f"{place}, option {o.option}")
        if o.value > contest.option_limit:
            raise _differs("14.E", "the value is above the option limit", ballot, place)
    if sum(o.value for o in opened.options) > contest.selection_limit:
        raise _differs("14.F", "the sum is above the selection limit", ballot, place)
    chi = contest_hash(context.group, h_i, contest.index, again)
    if chi != sealed.contest_hash:
        raise _differs("8.A", "the contest hash is another", ballot, place)
    return chi


def _differs(check: str, problem: str, ballot: Ballot, where: str) -> Rejected:
    return Rejected(
        check,
        problem,
        culprit=f"device {ballot.device}",
        where=f"ballot {ballot.confirmation_code.hex()[:16]}, {where}",
        advice="Keep the file and the receipt, and show both to the commission",
    )
