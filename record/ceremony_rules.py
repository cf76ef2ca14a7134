"""Rules of the key ceremony: each trustee once a round, rounds one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crypto.errors import Rejected
from record.artifacts import EncryptedShares, KeyConfirmation, Opening, Role, TrusteeKeys
from record.election import check_confirmation, check_opening, joint_keys
from record.proofs import verify_encrypted_shares, verify_trustee_keys
from record.rule import Read, Rule
from record.state import Phase, State


def _once(done: Mapping[int, object], trustee: int, what: str) -> None:
    if trustee in done:
        raise Rejected(
            "R.order",
            f"trustee {trustee} has already sent other {what}",
            culprit=f"trustee {trustee}",
            where=what,
            advice="a message once sent is final; start again from the key store that sent it",
        )


def _check_keys(state: State, statement: TrusteeKeys) -> None:
    _once(state.trustee_keys, statement.trustee, "keys")


def _apply_keys(state: State, statement: TrusteeKeys, _: int) -> None:
    state.trustee_keys[statement.trustee] = statement
    if len(state.trustee_keys) == state.context.trustees:
        state.keys = joint_keys(state.context, state.all_keys())
        state.phase = Phase.SHARES


def _prove_keys(state: State, statement: TrusteeKeys, _: Read) -> None:
    verify_trustee_keys(state.context, statement)


def _check_shares(state: State, statement: EncryptedShares) -> None:
    _once(state.encrypted_shares, statement.trustee, "shares")


def _apply_shares(state: State, statement: EncryptedShares, _: int) -> None:
    state.encrypted_shares[statement.trustee] = statement
    if len(state.encrypted_shares) == state.context.trustees:
        state.phase = Phase.CONFIRMATION


def _prove_shares(state: State, statement: EncryptedShares, _: Read) -> None:
    verify_encrypted_shares(state.context, statement)


def _check_confirmation(state: State, statement: KeyConfirmation) -> None:
    _once(state.confirmations, statement.trustee, "confirmation")
    check_confirmation(state.context, state.need_keys(), statement)


def _apply_confirmation(state: State, statement: KeyConfirmation, _: int) -> None:
    state.confirmations[statement.trustee] = statement
    if len(state.confirmations) == state.context.trustees:
        state.phase = Phase.READY


def _check_opening(state: State, statement: Opening) -> None:
    check_opening(state.need_keys(), statement)


def _apply_opening(state: State, statement: Opening, _: int) -> None:
    state.phase = Phase.OPEN


RULES: Mapping[type, Rule[Any]] = {
    TrusteeKeys: Rule((Phase.KEYS,), Role.TRUSTEE, _check_keys, _apply_keys, _prove_keys),
    EncryptedShares: Rule(
        (Phase.SHARES,), Role.TRUSTEE, _check_shares, _apply_shares, _prove_shares
    ),
    KeyConfirmation: Rule(
        (Phase.CONFIRMATION,), Role.TRUSTEE, _check_confirmation, _apply_confirmation
    ),
    Opening: Rule((Phase.READY,), Role.ADMINISTRATOR, _check_opening, _apply_opening),
}
