"""The machine's part for the key ceremony: which round is due, and what was said in it.

    commitment    draw everything, write it down, post the hash of the keys
    keys          post the very keys that were committed to
    shares        post everybody's share; keep the nonces
    confirmation  `confirming`

What is drawn at random is written down together with the signed message that depends on
it, in one write, before the message is handed out. From then on the written message is
the only one that ever goes out.
"""

from __future__ import annotations

from collections.abc import Mapping

from record.artifacts import KeyCommitment, key_commitment
from record.state import Phase
from trustees import policy
from trustees.ceremony import Dealer, KeyShares, generate
from trustees.confirming import Confirming
from trustees.desk import Desk
from trustees.messages import Aborted, Step, Waiting
from trustees.vault import (
    SECRETS,
    SENT_COMMITMENT,
    SENT_KEYS,
    SENT_SHARES,
    UNTIL_READY,
    key_secrets_value,
    share_nonces_value,
)


class KeyRounds:
    """The key ceremony for one trustee. Secret."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._dealer: Dealer | None = None
        self._shares: KeyShares | None = None
        self._confirming = Confirming(desk, self._need_dealer, self.key_shares)

    def __repr__(self) -> str:
        return "KeyRounds(<redacted>)"

    def step(self) -> Step:
        """What is due in the phases up to ready; raises `Rejected` to refuse."""
        match self._desk.state.phase:
            case Phase.ABORTED:
                return self._aborted()
            case Phase.COMMITMENT:
                return self._commitment_step()
            case Phase.KEYS:
                return self._keys_step()
            case Phase.SHARES:
                return self._shares_step()
            case Phase.CONFIRMATION:
                return self._confirming.step()
        self._forget(UNTIL_READY)
        self.key_shares()
        return Step(Waiting("the polls to open"))

    def backup(self) -> Mapping[str, bytes]:
        """See `Confirming.backup`."""
        return self._confirming.backup()

    def confirm(self, read_back: Mapping[str, bytes]) -> None:
        """See `Confirming.confirm`."""
        self._confirming.confirm(read_back)
        self._dealer = None

    def key_shares(self) -> KeyShares:
        """z_i and z-hat_i, compared once with the record's keys; raises `Rejected`."""
        if self._shares is None:
            state = self._desk.state
            stored = self._desk.vault.key_shares(state.context.group)
            self._shares = policy.check_key_shares(state, self._desk.index, stored)
        return self._shares

    # --- the rounds

    def _commitment_step(self) -> Step:
        desk, done = self._desk, self._desk.state.key_commitments
        if desk.index in done:
            desk.check_ours(done[desk.index], SENT_COMMITMENT, "a commitment to keys")
            return desk.wait("the commitments of the others", done.__contains__)
        if desk.vault.get(SENT_COMMITMENT) is None:
            group, base_hash = desk.context.group, desk.context.base_hash
            secrets, keys = generate(desk.context, desk.index)
            commitment = KeyCommitment(desk.index, key_commitment(keys, group, base_hash))
            drawn = key_secrets_value(group, base_hash, secrets, keys)
            desk.keep(SENT_COMMITMENT, commitment, drawn)
        return desk.send(SENT_COMMITMENT, "commitment to its keys")

    def _keys_step(self) -> Step:
        desk, done = self._desk, self._desk.state.trustee_keys
        if desk.index in done:
            desk.check_ours(done[desk.index], SENT_KEYS, "keys")
            return desk.wait("the keys of the others", done.__contains__)
        if desk.vault.get(SENT_KEYS) is None:
            commitment, what = desk.state.key_commitments[desk.index], "a commitment to keys"
            desk.check_ours(commitment, SENT_COMMITMENT, what)
            keys = desk.vault.keys(desk.context.group)
            desk.keep(SENT_KEYS, policy.our_own(keys, desk.index, what))
        return desk.send(SENT_KEYS, "keys")

    def _shares_step(self) -> Step:
        desk, done = self._desk, self._desk.state.encrypted_shares
        if desk.index in done:
            desk.check_ours(done[desk.index], SENT_SHARES, "shares")
            return desk.wait("the shares of the others", done.__contains__)
        if desk.vault.get(SENT_SHARES) is None:
            nonces, shares = self._need_dealer().encrypted_shares()
            desk.keep(SENT_SHARES, shares, share_nonces_value(desk.context.group, nonces))
        return desk.send(SENT_SHARES, "shares")

    def _need_dealer(self) -> Dealer:
        if self._dealer is None:
            desk, keys = self._desk, self._desk.state.trustee_keys
            desk.check_ours(keys[desk.index], SENT_KEYS, "keys")
            secrets = desk.vault.key_secrets(desk.context.group)
            ours = policy.our_own(secrets, desk.index, "keys")
            self._dealer = Dealer.accept(desk.context, desk.index, ours, keys)
        return self._dealer

    # --- the end

    def _forget(self, names: tuple[str, ...]) -> None:
        self._desk.vault.erase(*names)
        self._dealer = None
        self._confirming.forget()

    def _aborted(self) -> Step:
        """Nothing of this ceremony will ever be used."""
        self._forget(SECRETS)
        self._shares = None
        state = self._desk.state
        if state.abandoned:
            said = "".join(c if c.isprintable() else " " for c in state.abandoned)
            return Step(Aborted(f"the administrator has given it up: {said}"))
        i, accused = next(iter(state.accused.items()))
        (name,) = self._desk.names([i])
        reason = (
            f"trustee {i}, {name}, broke the protocol: artifact {accused.index} of the record "
            f"holds its message, which fails check {accused.check}"
        )
        return Step(Aborted(reason, i))
