"""The rounds of key generation (spec 3.2.2), for one trustee.

    secrets, keys = generate(context, i)         # post their commitment, then the keys
    dealer = Dealer.accept(context, i, secrets, all_keys)
    nonces, shares = dealer.encrypted_shares()   # post the shares
    received = dealer.receive(all_shares)        # complain of everybody in received.wrong
    result = dealer.finish(received, all_shares, answers)
    result.confirmation                          # post once a person has agreed

Each round consumes what the one before returned and what everybody has posted, so
the order cannot be got wrong. `generate` and `encrypted_shares` draw randomness: keep
what they return before it leaves, and send that again instead of calling them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from crypto import schnorr, sealing
from crypto.errors import InvalidProof, Rejected
from crypto.group import mpz
from crypto.secret_sharing import Polynomial, secret_key_share, verify_share
from record.artifacts import (
    EncryptedShare,
    EncryptedShares,
    KeyConfirmation,
    ShareAnswer,
    TrusteeKeys,
)
from record.election import ElectionContext, ElectionKeys, joint_keys
from record.proofs import (
    verify_encrypted_shares,
    verify_share_answer,
    verify_trustee_keys,
)

SHARE_CHECK = "R.key-share"
"""The id of the check that a share fits its sender's commitments (28, 29)."""

_Pair: TypeAlias = tuple[mpz, mpz]
"""P_j(i) and P-hat_j(i)."""


@dataclass(frozen=True, slots=True, repr=False)
class KeySecrets:
    """P_i, P-hat_i and zeta_i (spec 3.2.2). Must not be sent; erased after round 3."""

    vote: Polynomial
    data: Polynomial
    zeta: mpz

    def __repr__(self) -> str:
        return "KeySecrets(<redacted>)"


@dataclass(frozen=True, slots=True, repr=False)
class KeyShares:
    """z_i and z-hat_i (24), all that a trustee keeps. Must not be sent."""

    vote: mpz
    data: mpz

    def __repr__(self) -> str:
        return "KeyShares(<redacted>)"


@dataclass(frozen=True, slots=True)
class Received:
    """The shares for one trustee: what is right (secret), and who sent one that is wrong."""

    right: Mapping[int, _Pair] = field(repr=False)
    wrong: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of the rounds: the key shares (secret), the joint keys, and what to sign."""

    shares: KeyShares
    keys: ElectionKeys
    confirmation: KeyConfirmation


# --- the keys


def generate(context: ElectionContext, i: int) -> tuple[KeySecrets, TrusteeKeys]:
    """Draw trustee i's secrets; return them and the public half with its proofs (7-13)."""
    group, k = context.group, context.quorum
    vote, data = Polynomial.generate(group, k), Polynomial.generate(group, k)
    secrets = KeySecrets(vote, data, group.random_scalar())
    return secrets, _public_half(context, i, secrets)


def _public_half(context: ElectionContext, i: int, secrets: KeySecrets) -> TrusteeKeys:
    group, h_p = context.group, context.election.parameter_base_hash
    kappa = group.g_power(secrets.zeta)
    vote = secrets.vote.commitments(group)
    data = secrets.data.commitments(group)
    vote_proof, data_proof = (
        schnorr.prove_keys(
            group, h_p, label, i, [*polynomial.coefficients, secrets.zeta], [*commitments, kappa]
        )
        for label, polynomial, commitments in (
            (schnorr.VOTE_LABEL, secrets.vote, vote),
            (schnorr.DATA_LABEL, secrets.data, data),
        )
    )
    return TrusteeKeys(i, vote, data, kappa, vote_proof, data_proof)


# --- the shares


@dataclass(frozen=True, slots=True)
class Dealer:
    """A trustee that has every other's keys and has checked them."""

    context: ElectionContext
    trustee: int
    secrets: KeySecrets
    keys: tuple[TrusteeKeys, ...]

    @classmethod
    def accept(
        cls,
        context: ElectionContext,
        i: int,
        secrets: KeySecrets,
        keys: Mapping[int, TrusteeKeys],
    ) -> Dealer:
        """Check everybody's keys (Verification 2); `keys` are by trustee, own ones included.

        Raises `Rejected` naming the trustee whose keys are wrong or missing. Own keys
        that are not those of `secrets` are R.trustee-keys, too: they came from elsewhere.
        """
        for j in range(1, context.trustees + 1):
            if j not in keys or keys[j].trustee != j:
                raise Rejected(
                    "R.trustee-keys", "there are no keys", culprit=f"trustee {j}", where="round 1"
                )
            verify_trustee_keys(context, keys[j])
        dealer = cls(context, i, secrets, tuple(keys[j] for j in sorted(keys)))
        dealer._check_own()
        return dealer

    def _check_own(self) -> None:
        group, own = self.context.group, self.keys[self.trustee - 1]
        made = (
            self.secrets.vote.commitments(group),
            self.secrets.data.commitments(group),
            group.g_power(self.secrets.zeta),
        )
        if made != (own.vote_commitments, own.data_commitments, own.communication_key):
            raise Rejected(
                "R.trustee-keys",
                "the keys are not those of this trustee's secrets",
                culprit=f"trustee {self.trustee}",
                where="keys",
            )

    def encrypted_shares(self) -> tuple[tuple[mpz, ...], EncryptedShares]:
        """The shares for all others, each under its recipient's key (15-22).

        The nonces xi_i,l come with them, secret, by ascending recipient l.
        """
        group, h_p = self.context.group, self.context.election.parameter_base_hash
        nonces, shares = [], []
        for keys in self.keys:
            ell = keys.trustee
            if ell != self.trustee:
                xi, kappa = group.random_scalar(), keys.communication_key
                own = self._own_share_for(ell)
                sealed = sealing.seal_shares(group, h_p, self.trustee, ell, kappa, *own, xi)
                nonces.append(xi)
                shares.append(EncryptedShare(ell, sealed.c0, sealed.c1, sealed.c2))
        return tuple(nonces), EncryptedShares(self.trustee, tuple(shares))

    def receive(self, shares: Mapping[int, EncryptedShares]) -> Received:
        """Open the shares of all others and check them (28, 29); `shares` are by sender.

        Raises `Rejected` naming the sender whose message is not to be opened: for the
        proof of (22), or the recipients.
        """
        right: dict[int, _Pair] = {self.trustee: self._own_share_for(self.trustee)}
        wrong = []
        for sender in self.keys:
            j = sender.trustee
            if j == self.trustee:
                continue
            if j not in shares or shares[j].trustee != j:
                raise Rejected(SHARE_CHECK, "there are no shares", culprit=f"trustee {j}")
            verify_encrypted_shares(self.context, shares[j])
            try:
                right[j] = self._opened(sender, self._mine(shares[j]))
            except InvalidProof:
                wrong.append(j)
        return Received(right, tuple(wrong))

    def finish(
        self,
        received: Received,
        shares: Mapping[int, EncryptedShares],
        answers: Mapping[int, ShareAnswer],
    ) -> Outcome:
        """Add everything up (24), with what the senders of wrong shares have published.

        `answers` are by sender. Raises `Rejected`: R.key-share naming a sender that has
        not answered, R.share-answer for one whose answer does not open a share that fits.
        """
        right, own = dict(received.right), self.keys[self.trustee - 1]
        for j in received.wrong:
            if j not in answers:
                problem = "the share does not fit, and its sender has not opened it"
                raise Rejected(SHARE_CHECK, problem, culprit=f"trustee {j}")
            share, sender = self._mine(shares[j]), self.keys[j - 1]
            right[j] = verify_share_answer(self.context, sender, own, share, answers[j])
        group, joint = self.context.group, joint_keys(self.context, self.keys)
        return Outcome(
            KeyShares(
                secret_key_share(group, (share for share, _ in right.values())),
                secret_key_share(group, (share for _, share in right.values())),
            ),
            joint,
            KeyConfirmation(self.trustee, self.context.base_hash, joint.key_ceremony_hash),
        )

    def _own_share_for(self, recipient: int) -> _Pair:
        """P_i(l) and P-hat_i(l)."""
        group = self.context.group
        return (
            self.secrets.vote.evaluate(group, recipient),
            self.secrets.data.evaluate(group, recipient),
        )

    def _mine(self, message: EncryptedShares) -> EncryptedShare:
        return next(s for s in message.shares if s.recipient == self.trustee)

    def _opened(self, sender: TrusteeKeys, share: EncryptedShare) -> _Pair:
        """P_j(i) and P-hat_j(i), checked (23, 28, 29); raises `InvalidProof`."""
        group, i = self.context.group, self.trustee
        h_p, kappa = self.context.election.parameter_base_hash, self.keys[i - 1].communication_key
        vote, data = sealing.open_shares(
            group, h_p, sender.trustee, i, self.secrets.zeta, kappa, share.sealed
        )
        verify_share(group, vote, sender.vote_commitments, i)
        verify_share(group, data, sender.data_commitments, i)
        return vote, data
