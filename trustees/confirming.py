"""The last round of the key ceremony, for one trustee.

    open the shares of the others
    complain of a wrong one, and wait for its sender to open it for everybody
    answer whoever complains of ours, even after the own confirmation
    write the key shares down; confirm, when a person has made a backup and agrees

Complaints and answers follow from what is written, so that they come out the same after a
restart. An answer is given whoever complains: it opens one point of this trustee's
polynomials to the public, and the complainer has that point anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from record.artifacts import KeyConfirmation, ShareAnswer, ShareComplaint
from trustees import policy
from trustees.ceremony import Dealer, KeyShares, Received
from trustees.desk import Desk
from trustees.messages import Confirmation, ConfirmationDue, Step, Waiting
from trustees.vault import (
    BACKUP,
    SENT_CONFIRMATION,
    SENT_SHARES,
    UNTIL_CONFIRMED,
    key_shares_value,
)


class Confirming:
    """Complaints, answers and the confirmation. Secret."""

    def __init__(
        self, desk: Desk, dealer: Callable[[], Dealer], key_shares: Callable[[], KeyShares]
    ) -> None:
        self._desk = desk
        self._dealer = dealer
        self._key_shares = key_shares
        self._received: Received | None = None
        self._due: KeyConfirmation | None = None

    def __repr__(self) -> str:
        return "Confirming(<redacted>)"

    def backup(self) -> Mapping[str, bytes]:
        """What a backup holds beside the identity; `ValueError` before there are key shares."""
        found = {name: self._desk.vault.get(name) for name in BACKUP}
        values = {name: value for name, value in found.items() if value is not None}
        if len(values) < len(BACKUP):
            raise ValueError("there are no key shares to back up yet")
        return values

    def confirm(self, read_back: Mapping[str, bytes]) -> None:
        """A person agrees to what `ConfirmationDue` showed, and has a backup.

        Raises P.backup unless `read_back`, out of the backup, are the key shares. Keeps
        the signed confirmation, then erases every secret of the ceremony but those that
        answers to complaints need. `ValueError` if no confirmation is due.
        """
        desk, due = self._desk, self._due
        if due is None or desk.vault.get(SENT_CONFIRMATION) is not None:
            raise ValueError("no confirmation is due")
        policy.check_backup(self.backup(), read_back, desk.index)
        desk.keep(SENT_CONFIRMATION, due)
        desk.vault.erase(*UNTIL_CONFIRMED)
        self.forget()

    def forget(self) -> None:
        """Keep nothing in memory."""
        self._received = self._due = None

    def step(self) -> Step:
        """What is due; raises `Rejected` to refuse."""
        desk, done = self._desk, self._desk.state.confirmations
        if (answer := self._answer_due()) is not None:
            return answer
        if desk.index in done:
            self._key_shares()
            desk.vault.erase(*UNTIL_CONFIRMED)
            return desk.wait("the confirmations of the others", done.__contains__)
        if desk.vault.get(SENT_CONFIRMATION) is not None:
            desk.vault.erase(*UNTIL_CONFIRMED)
            return desk.send(SENT_CONFIRMATION, "confirmation")
        if desk.vault.key_shares(desk.context.group) is None:
            waiting = self._receive()
            if waiting is not None:
                return waiting
        self._key_shares()
        h_g = desk.state.need_keys().key_ceremony_hash
        self._due = KeyConfirmation(desk.index, desk.context.base_hash, h_g)
        return Step(ConfirmationDue(self._to_confirm(self._due)))

    def _answer_due(self) -> Step | None:
        """The answer to a complaint of ours, if one stands on the record without it."""
        desk, state, i = self._desk, self._desk.state, self._desk.index
        for (ell, sender), answer in state.complaints.items():
            if sender == i and answer is None:
                group, shares = desk.context.group, state.encrypted_shares[i].shares
                xi = policy.share_nonce(group, i, ell, shares, desk.vault.share_nonces(group))
                return desk.say(ShareAnswer(i, ell, xi), f"answer to trustee {ell}")
        return None

    def _receive(self) -> Step | None:
        """Open the shares of all others; None when all are right and the sums are written."""
        desk, state = self._desk, self._desk.state
        if self._received is None:
            desk.check_ours(state.encrypted_shares[desk.index], SENT_SHARES, "shares")
            self._received = self._dealer().receive(state.encrypted_shares)
        wrong = self._received.wrong
        for j in wrong:
            if (desk.index, j) not in state.complaints:
                return desk.say(ShareComplaint(desk.index, j), f"complaint about trustee {j}")
        answers = {j: a for j in wrong if (a := state.complaints[desk.index, j]) is not None}
        if len(answers) < len(wrong):
            late = desk.names(j for j in wrong if j not in answers)
            return Step(Waiting("the answer to its complaint from", late))
        outcome = self._dealer().finish(self._received, state.encrypted_shares, answers)
        values = key_shares_value(desk.context.group, outcome.shares)
        desk.vault.save({**values, **desk.reader.value()})
        return None

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
