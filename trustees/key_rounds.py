"""The machine's part for the key ceremony: which round is due, and what was said in it.

What is drawn at random is written down together with the signed message that depends on
it, in one write, before the message is handed out. From then on the written message is
the only one that ever goes out.
"""

from __future__ import annotations

from record.artifacts import EncryptedShares, KeyConfirmation, Statement, TrusteeKeys
from record.state import Phase
from trustees import policy
from trustees.ceremony import Dealer, KeyShares, Outcome, generate
from trustees.desk import Desk
from trustees.messages import (
    Confirmation,
    ConfirmationDue,
    PostArtifact,
    Sending,
    Step,
    Waiting,
)
from trustees.vault import (
    POLYNOMIALS,
    SENT_CONFIRMATION,
    SENT_KEYS,
    SENT_SHARES,
    key_secrets_value,
    key_shares_value,
)


class KeyRounds:
    """Rounds 1 to 3 for one trustee. Secret."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._dealer: Dealer | None = None
        self._outcome: Outcome | None = None
        self._shares: KeyShares | None = None

    def __repr__(self) -> str:
        return "KeyRounds(<redacted>)"

    def step(self) -> Step:
        """What is due in the phases up to ready; raises `Rejected` to refuse."""
        match self._desk.state.phase:
            case Phase.KEYS:
                return self._keys_step()
            case Phase.SHARES:
                return self._shares_step()
            case Phase.CONFIRMATION:
                return self._confirmation_step()
        self._tidy()
        self.key_shares()
        return Step(Waiting("the polls to open"))

    def confirm(self) -> None:
        """A person agrees to what `ConfirmationDue` showed.

        Keeps z_i, z-hat_i and the signed confirmation in one write; then erases every
        other secret of the ceremony. `ValueError` if no confirmation is due.
        """
        desk, outcome = self._desk, self._outcome
        if outcome is None or desk.vault.get(SENT_CONFIRMATION) is not None:
            raise ValueError("no confirmation is due")
        desk.vault.save(
            {
                **key_shares_value(desk.context.group, outcome.shares),
                SENT_CONFIRMATION: desk.sign(outcome.confirmation),
                **desk.reader.value(),
            }
        )
        self._forget()

    def key_shares(self) -> KeyShares:
        """z_i and z-hat_i, compared once with the record's keys; raises `Rejected`."""
        if self._shares is None:
            state = self._desk.state
            stored = self._desk.vault.key_shares(state.context.group)
            self._shares = policy.check_key_shares(state, self._desk.index, stored)
        return self._shares

    # --- round 1

    def _keys_step(self) -> Step:
        desk, done = self._desk, self._desk.state.trustee_keys
        if desk.index in done:
            self._check_ours(done[desk.index], SENT_KEYS, "keys")
            return Step(Waiting("the keys of the others", desk.missing(done.__contains__)))
        if desk.vault.get(SENT_KEYS) is None:
            secrets, keys = generate(desk.context, desk.index)
            desk.vault.save(
                {
                    **key_secrets_value(desk.context.group, secrets),
                    SENT_KEYS: desk.sign(keys),
                    **desk.reader.value(),
                }
            )
        return self._send(SENT_KEYS, "keys")

    # --- round 2

    def _shares_step(self) -> Step:
        desk, done = self._desk, self._desk.state.encrypted_shares
        if desk.index in done:
            self._check_ours(done[desk.index], SENT_SHARES, "shares")
            return Step(Waiting("the shares of the others", desk.missing(done.__contains__)))
        if desk.vault.get(SENT_SHARES) is None:
            shares = desk.sign(self._need_dealer().encrypted_shares())
            desk.vault.save({SENT_SHARES: shares, **desk.reader.value()})
        return self._send(SENT_SHARES, "shares")

    def _need_dealer(self) -> Dealer:
        if self._dealer is None:
            desk, keys = self._desk, self._desk.state.trustee_keys
            self._check_ours(keys[desk.index], SENT_KEYS, "keys")
            secrets = desk.vault.key_secrets(desk.context.group)
            policy.check_own_message(secrets is not None, desk.index, "keys")
            if secrets is None:
                raise AssertionError("just checked")
            self._dealer = Dealer.accept(desk.context, desk.index, secrets, keys)
        return self._dealer

    # --- round 3

    def _confirmation_step(self) -> Step:
        desk, done = self._desk, self._desk.state.confirmations
        if desk.index in done:
            self.key_shares()
            self._tidy()
            others = desk.missing(done.__contains__)
            return Step(Waiting("the confirmations of the others", others))
        if desk.vault.get(SENT_CONFIRMATION) is not None:
            self._forget()
            return self._send(SENT_CONFIRMATION, "confirmation")
        if self._outcome is None:
            self._outcome = self._open()
        return Step(ConfirmationDue(self._to_confirm(self._outcome.confirmation)))

    def _open(self) -> Outcome:
        shares = self._desk.state.encrypted_shares
        self._check_ours(shares[self._desk.index], SENT_SHARES, "shares")
        return self._need_dealer().open(shares)

    def _to_confirm(self, statement: KeyConfirmation) -> Confirmation:
        context = self._desk.context
        return Confirmation(
            context.manifest.name,
            context.manifest.label,
            context.trustees,
            context.quorum,
            statement.base_hash,
            statement.key_ceremony_hash,
        )

    # --- what was said, and what is erased

    def _send(self, name: str, what: str) -> Step:
        data = self._desk.vault.get(name)
        if data is None:
            raise AssertionError(f"{name} was written before")
        return Step(Sending(what), PostArtifact(what, data))

    def _check_ours(self, statement: TrusteeKeys | EncryptedShares, name: str, what: str) -> None:
        data = self._desk.vault.get(name)
        written: Statement | None = None
        if data is not None:
            written = self._desk.reader.transcript.parse(data).statement
        policy.check_own_message(statement == written, self._desk.index, what)

    def _forget(self) -> None:
        """The confirmation is written: of the ceremony only the key shares stay."""
        self._desk.vault.erase(POLYNOMIALS, SENT_KEYS, SENT_SHARES)
        self._dealer = self._outcome = None

    def _tidy(self) -> None:
        """The confirmation is on the record."""
        self._forget()
        self._desk.vault.erase(SENT_CONFIRMATION)
