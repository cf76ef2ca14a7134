"""The rounds of key generation (spec 3.2.2), for one trustee.

    secrets, keys = generate(context, i)        # round 1; post keys
    dealer = Dealer.accept(context, i, secrets, all_keys)
    shares = dealer.encrypted_shares()          # round 2; post shares
    result = dealer.open(all_shares)            # round 3
    result.confirmation                         # post once a person has agreed

Each round consumes what the one before returned and what everybody has posted, so
the order cannot be got wrong. `generate` and `encrypted_shares` draw randomness: keep
what they return before it leaves, and send that again instead of calling them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crypto import schnorr, sealing
from crypto.errors import Rejected
from crypto.group import mpz
from crypto.secret_sharing import Polynomial, secret_key_share, verify_share
from record.artifacts import EncryptedShare, EncryptedShares, KeyConfirmation, TrusteeKeys
from record.election import ElectionContext, ElectionKeys, joint_keys
from record.proofs import rejecting, verify_encrypted_shares, verify_trustee_keys

SHARE_CHECK = "R.key-share"
"""The id of the check that a share fits its sender's commitments (28, 29)."""


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
class Outcome:
    """The end of round 3: the key shares (secret), the joint keys, and what to sign."""

    shares: KeyShares
    keys: ElectionKeys
    confirmation: KeyConfirmation


# --- round 1


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


# --- rounds 2 and 3


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
                where="round 1",
            )

    def encrypted_shares(self) -> EncryptedShares:
        """Round 2: the shares for all others, each under its recipient's key (15-22)."""
        shares = []
        for keys in self.keys:
            if keys.trustee != self.trustee:
                sealed = sealing.seal_shares(
                    self.context.group,
                    self.context.election.parameter_base_hash,
                    self.trustee,
                    keys.trustee,
                    keys.communication_key,
                    *self._own_share_for(keys.trustee),
                )
                shares.append(EncryptedShare(keys.trustee, sealed.c0, sealed.c1, sealed.c2))
        return EncryptedShares(self.trustee, tuple(shares))

    def open(self, shares: Mapping[int, EncryptedShares]) -> Outcome:
        """Round 3: open the shares of all others, check them (28, 29) and add them up (24).

        `shares` are by sender. Raises `Rejected` naming the sender whose message is
        wrong: the proof of (22), the recipients, or R.key-share for a share that does
        not fit its sender's commitments.
        """
        group = self.context.group
        received = [self._share_from(keys, shares) for keys in self.keys]
        joint = joint_keys(self.context, self.keys)
        return Outcome(
            KeyShares(
                secret_key_share(group, (share for share, _ in received)),
                secret_key_share(group, (share for _, share in received)),
            ),
            joint,
            KeyConfirmation(self.trustee, self.context.base_hash, joint.key_ceremony_hash),
        )

    def _own_share_for(self, recipient: int) -> tuple[mpz, mpz]:
        """P_i(l) and P-hat_i(l)."""
        group = self.context.group
        return (
            self.secrets.vote.evaluate(group, recipient),
            self.secrets.data.evaluate(group, recipient),
        )

    def _share_from(
        self, sender: TrusteeKeys, shares: Mapping[int, EncryptedShares]
    ) -> tuple[mpz, mpz]:
        """P_j(i) and P-hat_j(i), checked."""
        j, group = sender.trustee, self.context.group
        if j == self.trustee:
            return self._own_share_for(j)
        if j not in shares or shares[j].trustee != j:
            raise Rejected(SHARE_CHECK, "there are no shares", culprit=f"trustee {j}")
        share, data_share = self._decrypt(shares[j])
        with rejecting(SHARE_CHECK, f"trustee {j}", f"share of the vote key for {self.trustee}"):
            verify_share(group, share, sender.vote_commitments, self.trustee)
        with rejecting(SHARE_CHECK, f"trustee {j}", f"share of the data key for {self.trustee}"):
            verify_share(group, data_share, sender.data_commitments, self.trustee)
        return share, data_share

    def _decrypt(self, message: EncryptedShares) -> tuple[mpz, mpz]:
        verify_encrypted_shares(self.context, message)
        j = message.trustee
        mine = next(s for s in message.shares if s.recipient == self.trustee)
        with rejecting(SHARE_CHECK, f"trustee {j}", f"share for trustee {self.trustee}"):
            return sealing.open_shares(
                self.context.group,
                self.context.election.parameter_base_hash,
                j,
                self.trustee,
                self.secrets.zeta,
                self.keys[self.trustee - 1].communication_key,
                mine.sealed,
            )
