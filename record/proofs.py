"""What an artifact proves by itself: the parts of a check that cost exponentiations.

Each `verify_*` returns None or raises `Rejected` with the check's id, the culprit and
the place. They need the election's fixed values but no history, so that they can run
anywhere and side by side; order and uniqueness are `transcript`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from crypto import decryption_proof, range_proof, schnorr, sealing
from crypto.batch import Claims, unproved
from crypto.commitments import Commitments
from crypto.elgamal import PublicKey, accumulate, encrypt
from crypto.errors import InvalidProof, Malformed, Part, Rejected
from crypto.group import mpz
from crypto.hashing import index_bytes
from crypto.secret_sharing import verify_share
from record.artifacts import (
    Ballot,
    BallotContest,
    ChallengedBallotDecryption,
    ChallengedContest,
    DecryptedBallot,
    DecryptedOption,
    EncryptedShare,
    EncryptedShares,
    ShareAnswer,
    TrusteeKeys,
)
from record.ballot_hashes import confirmation_code, contest_hash, identifier_hash
from record.election import ElectionContext, ElectionKeys
from record.hints import parse_hints
from record.manifest import BallotStyle, Contest
from record.state import Place

_Values: TypeAlias = Sequence[tuple[str, int]]
"""Labels of options and sigma."""

# Where the specification letters the parts of one verification.
_LETTERS: Mapping[tuple[str, Part], str] = {
    ("2.C", Part.MEMBERSHIP): "2.A",
    ("2.C", Part.RESPONSE_RANGE): "2.B",
    ("6.D", Part.SHAPE): "R.ballot",
    ("6.D", Part.MEMBERSHIP): "6.A",
    ("6.D", Part.CHALLENGE_RANGE): "6.B",
    ("6.D", Part.RESPONSE_RANGE): "6.C",
    ("7.D", Part.SHAPE): "R.ballot",
    ("7.D", Part.CHALLENGE_RANGE): "7.B",
    ("7.D", Part.RESPONSE_RANGE): "7.C",
    ("10.B", Part.RESPONSE_RANGE): "10.A",
}


@contextmanager
def rejecting(check: str, culprit: str, where: str) -> Iterator[None]:
    """Turn a failed proof into a rejection that says which check, who and where.

    `check` is the id of the proof's equation; its other parts have ids of their own.
    """
    try:
        yield
    except InvalidProof as error:
        letter = _LETTERS.get((check, error.part), check)
        raise Rejected(letter, error.problem, culprit=culprit, where=where) from error


def verify_trustee_keys(context: ElectionContext, keys: TrusteeKeys) -> None:
    """Verification 2 (spec 3.2.2) and the number of commitments (R.trustee-keys).

    Of several faults the first of docs/record.md, "Accusations", is raised.
    """
    k, culprit = context.quorum, f"trustee {keys.trustee}"
    sets = (
        ("vote", schnorr.VOTE_LABEL, keys.vote_commitments, keys.vote_proof),
        ("data", schnorr.DATA_LABEL, keys.data_commitments, keys.data_proof),
    )
    for name, _, commitments, proof in sets:
        if len(commitments) != k or len(proof.responses) != k + 1:
            raise Rejected(
                "R.trustee-keys",
                f"{len(commitments)} {name} commitments and {len(proof.responses)} responses "
                f"instead of {k} and {k + 1}: the polynomial has another degree",
                culprit=culprit,
                where=f"trustee_keys.{name}_commitments",
            )
    faults: list[Rejected] = []
    for name, label, commitments, proof in sets:
        publics = [*commitments, keys.communication_key]
        try:
            with rejecting("2.C", culprit, f"trustee_keys.{name}_proof"):
                schnorr.verify_keys(
                    context.group,
                    context.election.parameter_base_hash,
                    label,
                    keys.trustee,
                    publics,
                    proof,
                )
        except Rejected as error:
            faults.append(error)
    if faults:
        raise min(faults, key=lambda fault: fault.check)


def verify_encrypted_shares(context: ElectionContext, shares: EncryptedShares) -> None:
    """One share for each other trustee, each with its proof (spec 3.2.2, eq. 22)."""
    i = shares.trustee
    others = [x for x in range(1, context.trustees + 1) if x != i]
    if [s.recipient for s in shares.shares] != others:
        raise Rejected(
            "R.share-recipients",
            f"the shares are for {[s.recipient for s in shares.shares]}, not {others}",
            culprit=f"trustee {i}",
            where="encrypted_shares.shares",
        )
    for share in shares.shares:
        with rejecting("R.share-proof", f"trustee {i}", f"share for trustee {share.recipient}"):
            sealing.verify_sealed_shares(
                context.group,
                context.election.parameter_base_hash,
                i,
                share.recipient,
                share.sealed,
            )


def verify_share_answer(
    context: ElectionContext,
    sender: TrusteeKeys,
    receiver: TrusteeKeys,
    share: EncryptedShare,
    answer: ShareAnswer,
) -> tuple[mpz, mpz]:
    """R.share-answer: the nonce opens the share, and the share fits (spec 3.2.2, eq. 28, 29).

    `share` is what `sender` sent to `receiver`. Returns P_i(l) and P-hat_i(l), which
    everybody knows now.
    """
    group, i, ell = context.group, sender.trustee, receiver.trustee
    with rejecting("R.share-answer", f"trustee {i}", f"share for trustee {ell}"):
        shares = sealing.open_shares_with_nonce(
            group,
            context.election.parameter_base_hash,
            i,
            ell,
            answer.nonce,
            receiver.communication_key,
            share.sealed,
        )
        verify_share(group, shares[0], sender.vote_commitments, ell)
        verify_share(group, shares[1], sender.data_commitments, ell)
    return shares


def verify_ballot(context: ElectionContext, keys: ElectionKeys, ballot: Ballot) -> None:
    """All of a ballot that does not depend on other ballots.

    R.ballot (it fits the manifest), 5.B, 6.A, 6.D, 7.D, 8.A, 8.B, R.nonce-proof.
    """
    _check_ballot(context, keys, ballot, None)


def verify_ballots(
    context: ElectionContext,
    keys: ElectionKeys,
    ballots: Sequence[tuple[Ballot, bytes]],
    alone: Callable[[int], None] = lambda _: None,
) -> list[Rejected | None]:
    """What `verify_ballot` says of each ballot: what it raises, or None.

    Beside each ballot stand its hints (docs/record.md, "Hints"), untrusted, or nothing.
    They change the time that it takes and never the verdict: the proofs of ballots with
    hints are checked together (`crypto.batch`), and whatever does not pass there by itself.
    `alone` is told of each that is checked by itself: its hints are missing or not to be kept.
    """
    verdicts: list[Rejected | None] = [None] * len(ballots)
    claimants = [partial(_claim_ballot, context, keys, *ballot) for ballot in ballots]
    for i in unproved(context.group, claimants):
        alone(i)
        try:
            verify_ballot(context, keys, ballots[i][0])
        except Rejected as error:
            verdicts[i] = error
    return verdicts


def _claim_ballot(
    context: ElectionContext, keys: ElectionKeys, ballot: Ballot, hints: bytes, claims: Claims
) -> None:
    known = parse_hints(hints, ballot, context.group)
    _check_ballot(context, keys, ballot, _Together(claims, iter(known.proofs)))


@dataclass(frozen=True, slots=True)
class _Together:
    """Where the proofs of a ballot go that are not checked one by one, and their hints."""

    claims: Claims
    hints: Iterator[Commitments]


def _check_ballot(
    context: ElectionContext, keys: ElectionKeys, ballot: Ballot, together: _Together | None
) -> None:
    """`verify_ballot`, or all of it that costs little: then the rest is claimed."""
    style = _fit(context, ballot)
    where = f"ballot {ballot.confirmation_code.hex()[:16]}"
    culprit = f"device {ballot.device}"
    h_i = identifier_hash(keys.extended_base_hash, ballot.identifier)
    if ballot.identifier_hash != h_i:
        raise Rejected("5.B", "the identifier hash is wrong", culprit=culprit, where=where)
    for contest, encrypted in zip(style.contests, ballot.contests, strict=True):
        _check_contest(keys.vote_key, h_i, contest, encrypted, together, culprit, where)
    with rejecting("R.nonce-proof", culprit, f"{where}, encrypted_nonce"):
        if together is None:
            sealing.verify_sealed_nonce(context.group, h_i, ballot.encrypted_nonce)
        else:
            sealing.claim_sealed_nonce(
                together.claims, h_i, ballot.encrypted_nonce, next(together.hints)
            )
    code = confirmation_code(h_i, [c.contest_hash for c in ballot.contests], ballot.chaining_field)
    if ballot.confirmation_code != code:
        raise Rejected("8.B", "the confirmation code is wrong", culprit=culprit, where=where)


def _fit(context: ElectionContext, ballot: Ballot) -> BallotStyle:
    """The ballot's style, if style, unit, device and shape agree (R.ballot)."""
    manifest = context.manifest
    culprit = f"device {ballot.device}"

    def refuse(field: str, problem: str) -> Rejected:
        return Rejected("R.ballot", problem, culprit=culprit, where=f"ballot.{field}")

    try:
        device = manifest.device(ballot.device, "device")
        unit = manifest.unit(ballot.unit, "unit")
        if unit.label not in device.units:
            raise refuse("unit", f"device {device.label!r} does not serve unit {unit.label!r}")
        style = manifest.style(ballot.ballot_style, "ballot_style")
        if style.label not in unit.ballot_styles:
            raise refuse("ballot_style", f"unit {unit.label!r} has no style {style.label!r}")
    except Malformed as error:
        label, kind = getattr(ballot, error.field), error.field.replace("_", " ")
        raise refuse(error.field, f"the manifest has no {kind} {label!r}") from None
    expected = [c.index for c in style.contests]
    if [c.index for c in ballot.contests] != expected:
        raise refuse("contests", f"the ballot style has the contests {expected}, in this order")
    for i, (contest, encrypted) in enumerate(zip(style.contests, ballot.contests, strict=True)):
        if len(encrypted.selections) != len(contest.options):
            raise refuse(
                f"contests[{i}].selections",
                f"{len(encrypted.selections)} selections for {len(contest.options)} options",
            )
    return style


def _check_contest(
    key: PublicKey,
    h_i: bytes,
    contest: Contest,
    encrypted: BallotContest,
    together: _Together | None,
    culprit: str,
    where: str,
) -> None:
    group = key.group
    where = f"{where}, contest {contest.label}"
    for option, selection in zip(contest.options, encrypted.selections, strict=True):
        place = f"{where}, option {option.label}"
        context = index_bytes(contest.index) + index_bytes(option.index)
        with rejecting("6.D", culprit, place):
            statement = selection.ciphertext, selection.proof, contest.option_limit, h_i, context
            if together is None:
                range_proof.verify_with_membership(key, *statement)
            else:
                range_proof.claim_with_membership(
                    together.claims, key, *statement, next(together.hints)
                )
    ciphertexts = [s.ciphertext for s in encrypted.selections]
    with rejecting("7.D", culprit, where):
        limits = encrypted.limit_proof, contest.selection_limit, h_i, index_bytes(contest.index)
        if together is None:
            range_proof.verify(key, accumulate(group, ciphertexts), *limits)
        else:
            range_proof.claim(together.claims, key, ciphertexts, *limits, next(together.hints))
    if encrypted.contest_hash != contest_hash(group, h_i, contest.index, ciphertexts):
        raise Rejected("8.A", "the contest hash is wrong", culprit=culprit, where=where)


def verify_decrypted_option(
    keys: ElectionKeys, place: Place, option: DecryptedOption, where: str = ""
) -> None:
    """Verification 10 (spec 3.6.5); `where` says where besides contest and option."""
    where = f"{where}contest {place.contest}, option {option.option}"
    with rejecting("10.C", "server", where):
        decryption_proof.verify_count(keys.vote_key, option.value, option.count)
    with rejecting("10.B", "server", where):
        decryption_proof.verify(
            keys.vote_key,
            keys.extended_base_hash,
            index_bytes(place.contest) + index_bytes(place.option),
            place.ciphertext,
            option.value,
            decryption_proof.DecryptionProof(option.challenge, option.response),
        )


def verify_challenged_ballot(
    context: ElectionContext,
    keys: ElectionKeys,
    ballot: Ballot,
    opened: ChallengedBallotDecryption,
) -> None:
    """Verifications 14 and 13 (spec 3.6.7), selection by selection.

    `ballot` is the submitted one and has passed `verify_ballot`, so that its code
    follows from its ciphertexts: what gives those gives the code (13.B). V14 comes
    first, since only a well-formed opening can be encrypted again.
    """
    values = [(c.contest, [(s.option, s.value) for s in c.selections]) for c in opened.contests]
    where, contests = _opened_contests(context, ballot, values)
    for contest, plain, sealed in zip(contests, opened.contests, ballot.contests, strict=True):
        _encrypts(keys.vote_key, plain, sealed, f"{where}, contest {contest.label}")


def verify_decrypted_ballot(
    context: ElectionContext,
    keys: ElectionKeys,
    ballot: Ballot,
    places: Sequence[Place],
    opened: DecryptedBallot,
) -> None:
    """Verifications 14 and 10 of a challenged ballot that is opened like a tally (spec 3.6.7).

    `places` are the ciphertexts of `ballot`, in its order.
    """
    values = [(c.contest, [(o.option, o.count) for o in c.options]) for c in opened.contests]
    where, _ = _opened_contests(context, ballot, values)
    options = (option for contest in opened.contests for option in contest.options)
    for place, option in zip(places, options, strict=True):
        verify_decrypted_option(keys, place, option, f"{where}, ")


def _opened_contests(
    context: ElectionContext, ballot: Ballot, opened: Sequence[tuple[str, _Values]]
) -> tuple[str, tuple[Contest, ...]]:
    """Verification 14; the place of the ballot, and the contests of its style.

    `opened` are labels of contests with what was opened in each.
    """
    where = f"ballot {ballot.confirmation_code.hex()[:16]}"
    contests = context.manifest.style(ballot.ballot_style).contests
    labels = [contest.label for contest in contests]
    _same_labels(("14.A", "14.B"), [label for label, _ in opened], labels, where)
    for contest, (label, values) in zip(contests, opened, strict=True):
        _well_formed(contest, values, f"{where}, contest {label}")
    return where, contests


def _well_formed(contest: Contest, values: _Values, where: str) -> None:
    """14.C to 14.F."""
    labels = [o.label for o in contest.options]
    _same_labels(("14.C", "14.D"), [label for label, _ in values], labels, where)
    for label, value in values:
        if value > contest.option_limit:
            problem = f"the value {value} is above the option limit {contest.option_limit}"
            raise _wrong_opening("14.E", problem, f"{where}, option {label}")
    total = sum(value for _, value in values)
    if total > contest.selection_limit:
        problem = f"the sum {total} is above the selection limit {contest.selection_limit}"
        raise _wrong_opening("14.F", problem, where)


def _encrypts(key: PublicKey, plain: ChallengedContest, sealed: BallotContest, where: str) -> None:
    """13.B: the opened values under the opened nonces are the ballot's ciphertexts."""
    for chosen, selection in zip(plain.selections, sealed.selections, strict=True):
        if encrypt(key, chosen.value, chosen.nonce) != selection.ciphertext:
            problem = "the value under the nonce does not give the ciphertext"
            raise _wrong_opening("13.B", problem, f"{where}, option {chosen.option}")


def _same_labels(
    checks: tuple[str, str], found: Sequence[str], expected: Sequence[str], where: str
) -> None:
    """Each label is known (the first check), none is left out (the second), in order."""
    if unknown := [x for x in found if x not in expected]:
        raise _wrong_opening(checks[0], f"{unknown[0]!r} does not belong here", where)
    if absent := [x for x in expected if x not in found]:
        raise _wrong_opening(checks[1], f"{absent[0]!r} is left out", where)
    if list(found) != list(expected):
        raise _wrong_opening("R.challenged", "the labels are not in the manifest's order", where)


def _wrong_opening(check: str, problem: str, where: str) -> Rejected:
    return Rejected(check, problem, culprit="server", where=where)
