"""Rules of the key ceremony: each trustee once a round, rounds one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crypto.errors import Rejected
from record.artifacts import (
    Accusation,
    CeremonyAbandoned,
    EncryptedShares,
    KeyCommitment,
    KeyConfirmation,
    Opening,
    Role,
    ShareAnswer,
    ShareComplaint,
    TrusteeKeys,
    TrusteeStatement,
    key_commitment,
)
from record.election import check_confirmation, check_opening, joint_keys
from record.proofs import verify_encrypted_shares, verify_share_answer, verify_trustee_keys
from record.rule import Read, Rule
from record.state import Accused, Phase, State


def equivocation(trustee: int, what: str) -> Rejected:
    """R.equivocation: two different signed messages for one round."""
    return Rejected(
        "R.equivocation",
        f"trustee {trustee} has already sent other {what}",
        culprit=f"trustee {trustee}",
        where=what,
        advice="a message once sent is final; go on with the key store that sent it",
    )


def _once(done: Mapping[int, TrusteeStatement], trustee: int, what: str) -> None:
    if trustee in done:
        raise equivocation(trustee, what)


# --- commitments and keys


def _check_commitment(state: State, statement: KeyCommitment) -> None:
    _once(state.key_commitments, statement.trustee, "commitment to keys")


def _apply_commitment(state: State, statement: KeyCommitment, _: int) -> None:
    state.key_commitments[statement.trustee] = statement
    if len(state.key_commitments) == state.context.trustees:
        state.phase = Phase.KEYS


def _check_keys(state: State, statement: TrusteeKeys) -> None:
    i = statement.trustee
    _once(state.trustee_keys, i, "keys")
    context = state.context
    committed = state.key_commitments[i].commitment
    if key_commitment(statement, context.group, context.base_hash) != committed:
        raise Rejected(
            "R.key-commitment",
            "the keys are not those that the trustee committed to",
            culprit=f"trustee {i}",
            where="trustee_keys",
        )


def _apply_keys(state: State, statement: TrusteeKeys, _: int) -> None:
    state.trustee_keys[statement.trustee] = statement
    if len(state.trustee_keys) == state.context.trustees:
        state.keys = joint_keys(state.context, state.all_keys())
        state.phase = Phase.SHARES


def _prove_keys(state: State, statement: TrusteeKeys, _: Read) -> None:
    verify_trustee_keys(state.context, statement)


# --- shares, complaints and answers


def _check_shares(state: State, statement: EncryptedShares) -> None:
    _once(state.encrypted_shares, statement.trustee, "shares")


def _apply_shares(state: State, statement: EncryptedShares, _: int) -> None:
    state.encrypted_shares[statement.trustee] = statement
    if len(state.encrypted_shares) == state.context.trustees:
        state.phase = Phase.CONFIRMATION


def _prove_shares(state: State, statement: EncryptedShares, _: Read) -> None:
    verify_encrypted_shares(state.context, statement)


def _check_complaint(state: State, statement: ShareComplaint) -> None:
    ell, i = statement.trustee, statement.sender
    problem = ""
    if i == ell or i > state.context.trustees:
        problem = f"there is no share from trustee {i} for trustee {ell}"
    elif (ell, i) in state.complaints:
        problem = f"trustee {ell} has already complained of trustee {i}"
    elif ell in state.confirmations:
        problem = f"trustee {ell} has already confirmed the keys"
    if problem:
        culprit, where = f"trustee {ell}", f"share of trustee {i}"
        raise Rejected("R.complaint", problem, culprit=culprit, where=where)


def _apply_complaint(state: State, statement: ShareComplaint, _: int) -> None:
    pair = statement.trustee, statement.sender
    state.complaints[pair] = None


def _check_answer(state: State, statement: ShareAnswer) -> None:
    i, ell = statement.trustee, statement.recipient
    if (ell, i) not in state.complaints:
        raise Rejected(
            "R.share-answer",
            f"trustee {ell} has not complained of trustee {i}",
            culprit=f"trustee {i}",
            where=f"share for trustee {ell}",
        )
    if state.complaints[ell, i] is not None:
        raise equivocation(i, f"answer to trustee {ell}")


def _apply_answer(state: State, statement: ShareAnswer, _: int) -> None:
    state.complaints[statement.recipient, statement.trustee] = statement


def _prove_answer(state: State, statement: ShareAnswer, _: Read) -> None:
    shares = state.encrypted_shares[statement.trustee].shares
    share = next(s for s in shares if s.recipient == statement.recipient)
    sender, receiver = (state.trustee_keys[x] for x in (statement.trustee, statement.recipient))
    verify_share_answer(state.context, sender, receiver, share, statement)


# --- confirmations and the opening


def _check_confirmation(state: State, statement: KeyConfirmation) -> None:
    i = statement.trustee
    _once(state.confirmations, i, "confirmation")
    unanswered = [x for (ell, x), answer in state.complaints.items() if ell == i and answer is None]
    if unanswered:
        raise Rejected(
            "R.complaint",
            f"trustee {i} has complained of trustee {unanswered[0]} and has no answer yet",
            culprit=f"trustee {i}",
            where="key_confirmation",
        )
    check_confirmation(state.context, state.need_keys(), statement)


def _apply_confirmation(state: State, statement: KeyConfirmation, _: int) -> None:
    state.confirmations[statement.trustee] = statement
    if len(state.confirmations) == state.context.trustees:
        state.phase = Phase.READY


def _check_opening(state: State, statement: Opening) -> None:
    check_opening(state.need_keys(), statement)


def _apply_opening(state: State, statement: Opening, _: int) -> None:
    state.phase = Phase.OPEN


# --- accusations (what they prove is judged in `accusations`) and the end


def _check_accusation(state: State, statement: Accusation) -> None:
    i, problem = statement.trustee, ""
    if i > state.context.trustees:
        problem = f"there is no trustee {i}"
    elif i in state.accused:
        problem = f"trustee {i} is accused already"
    if problem:
        raise Rejected("R.accusation", problem, culprit="server", where="accusation")


def _apply_accusation(state: State, statement: Accusation, index: int) -> None:
    """The accused takes no further part; before the keys are confirmed, nobody does."""
    state.accused[statement.trustee] = Accused(statement.check, index)
    if state.phase < Phase.READY:
        state.phase = Phase.ABORTED
    elif state.session is not None and statement.trustee in state.session.trustees:
        state.session.over = True


def _check_abandoned(state: State, statement: CeremonyAbandoned) -> None:
    """The phase says all."""


def _apply_abandoned(state: State, statement: CeremonyAbandoned, _: int) -> None:
    state.abandoned = statement.reason
    state.phase = Phase.ABORTED


_CEREMONY = (Phase.COMMITMENT, Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION)
ACCUSATION: Rule[Accusation] = Rule(
    (*_CEREMONY, Phase.READY, Phase.OPEN, Phase.CLOSED, Phase.TALLIED),
    Role.SERVER,
    _check_accusation,
    _apply_accusation,
)
RULES: Mapping[type, Rule[Any]] = {
    KeyCommitment: Rule((Phase.COMMITMENT,), Role.TRUSTEE, _check_commitment, _apply_commitment),
    TrusteeKeys: Rule((Phase.KEYS,), Role.TRUSTEE, _check_keys, _apply_keys, _prove_keys),
    EncryptedShares: Rule(
        (Phase.SHARES,), Role.TRUSTEE, _check_shares, _apply_shares, _prove_shares
    ),
    ShareComplaint: Rule((Phase.CONFIRMATION,), Role.TRUSTEE, _check_complaint, _apply_complaint),
    ShareAnswer: Rule(
        (Phase.CONFIRMATION,), Role.TRUSTEE, _check_answer, _apply_answer, _prove_answer
    ),
    KeyConfirmation: Rule(
        (Phase.CONFIRMATION,), Role.TRUSTEE, _check_confirmation, _apply_confirmation
    ),
    CeremonyAbandoned: Rule(
        (*_CEREMONY, Phase.READY), Role.ADMINISTRATOR, _check_abandoned, _apply_abandoned
    ),
    Opening: Rule((Phase.READY,), Role.ADMINISTRATOR, _check_opening, _apply_opening),
}
