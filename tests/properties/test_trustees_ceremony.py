"""Key generation: everybody ends with shares of one key, and every cheat is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import schnorr, sealing
from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import STANDARD, TOY, Parameters
from crypto.secret_sharing import Polynomial, lagrange
from record.artifacts import EncryptedShare, EncryptedShares, ShareAnswer, TrusteeKeys
from record.election import ElectionContext
from tests.world import World, manifest_bytes
from trustees.ceremony import Dealer, KeySecrets, Outcome, Received, generate

SIZES = [(1, 1), (2, 1), (2, 2), (3, 2), (5, 3), (4, 4)]


@dataclass
class Table:
    """A ceremony of functions only: what everybody drew and posted."""

    context: ElectionContext
    secrets: dict[int, KeySecrets]
    keys: dict[int, TrusteeKeys]
    nonces: dict[int, tuple[mpz, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, n: int, k: int, parameters: Parameters = TOY[-1]) -> Table:
        """Round 1 of n trustees."""
        context = World.begin(parameters, manifest_bytes(), n, k).context
        made = {i: generate(context, i) for i in range(1, n + 1)}
        return cls(
            context, {i: s for i, (s, _) in made.items()}, {i: m for i, (_, m) in made.items()}
        )

    def dealer(self, i: int) -> Dealer:
        """Trustee i after round 1."""
        return Dealer.accept(self.context, i, self.secrets[i], self.keys)

    def shares(self) -> dict[int, EncryptedShares]:
        """Everybody's shares; `nonces` has what opens them."""
        made = {i: self.dealer(i).encrypted_shares() for i in self.keys}
        self.nonces.update({i: nonces for i, (nonces, _) in made.items()})
        return {i: shares for i, (_, shares) in made.items()}

    def finish(
        self,
        i: int,
        shares: dict[int, EncryptedShares],
        answers: Mapping[int, ShareAnswer] | None = None,
    ) -> Outcome:
        """Trustee i's last round."""
        dealer = self.dealer(i)
        return dealer.finish(dealer.receive(shares), shares, answers or {})


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_every_quorum_holds_the_keys(n: int, k: int) -> None:
    """The shares of any k trustees determine the secrets of K and of K-hat; H_G is one."""
    table = Table.of(n, k)
    group, shares = table.context.group, table.shares()
    outcomes = {i: table.finish(i, shares) for i in table.keys}
    assert len({o.confirmation.key_ceremony_hash for o in outcomes.values()}) == 1
    keys = outcomes[1].keys
    for chosen in combinations(outcomes, k):
        weights = {i: lagrange(group, i, chosen) for i in chosen}
        s = sum((weights[i] * outcomes[i].shares.vote for i in chosen), mpz(0))
        s_hat = sum((weights[i] * outcomes[i].shares.data for i in chosen), mpz(0))
        assert group.g_power(s) == keys.vote_key.element
        assert group.g_power(s_hat) == keys.data_key.element


def test_real_group() -> None:
    """The same rounds over the standard parameters."""
    table = Table.of(2, 2, STANDARD)
    shares = table.shares()
    outcomes = [table.finish(i, shares) for i in (1, 2)]
    assert outcomes[0].keys == outcomes[1].keys


# --- round 1, altered


def _proof(keys: TrusteeKeys) -> TrusteeKeys:
    proof = keys.vote_proof
    return replace(keys, vote_proof=replace(proof, challenge=proof.challenge ^ 1))


def _data_proof(keys: TrusteeKeys) -> TrusteeKeys:
    first, *rest = keys.data_proof.responses
    return replace(keys, data_proof=replace(keys.data_proof, responses=(first ^ 1, *rest)))


def _commitment(keys: TrusteeKeys) -> TrusteeKeys:
    first, *rest = keys.vote_commitments
    return replace(keys, vote_commitments=(*rest, first))


def _outside(keys: TrusteeKeys) -> TrusteeKeys:
    return replace(keys, communication_key=mpz(TOY[-1].p - keys.communication_key))


def _degree(keys: TrusteeKeys) -> TrusteeKeys:
    return replace(keys, vote_commitments=keys.vote_commitments[:-1])


def _copied(keys: TrusteeKeys) -> TrusteeKeys:
    return replace(keys, vote_proof=keys.data_proof)


@pytest.mark.parametrize(
    ("alter", "check"),
    [
        (_proof, "2.C"),
        (_data_proof, "2.C"),
        (_commitment, "2.C"),
        (_outside, "2.A"),
        (_degree, "R.trustee-keys"),
        (_copied, "2.C"),
    ],
)
def test_wrong_keys(alter: Callable[[TrusteeKeys], TrusteeKeys], check: str) -> None:
    """Keys with a wrong proof, degree or element stop round 2 and name their trustee."""
    table = Table.of(3, 2)
    table.keys[2] = alter(table.keys[2])
    for i in (1, 3):
        with pytest.raises(Rejected) as caught:
            table.dealer(i)
        assert (caught.value.check, caught.value.culprit) == (check, "trustee 2")


def test_higher_degree_with_good_proofs() -> None:
    """A polynomial of degree k, proved correctly, is refused for its degree."""
    table = Table.of(3, 2)
    other = Table.of(3, 3)
    table.keys[3] = other.keys[3]
    with pytest.raises(Rejected, match="another degree") as caught:
        table.dealer(1)
    assert caught.value.culprit == "trustee 3"


def test_missing_keys() -> None:
    """Round 2 does not begin before all keys are there."""
    table = Table.of(3, 2)
    del table.keys[3]
    with pytest.raises(Rejected) as caught:
        table.dealer(1)
    assert caught.value.culprit == "trustee 3"


def test_foreign_keys_in_our_name() -> None:
    """Keys in our own name that are not of our secrets are refused."""
    table = Table.of(3, 2)
    _, table.keys[1] = generate(table.context, 1)
    with pytest.raises(Rejected) as caught:
        table.dealer(1)
    assert (caught.value.check, caught.value.culprit) == ("R.trustee-keys", "trustee 1")


# --- round 2, altered


class Liar(Dealer):
    """Trustee that seals what it likes for trustee 1, with good proofs."""

    def sealed_for(
        self, recipient: int, share: mpz, data_share: mpz, xi: mpz | None = None
    ) -> EncryptedShare:
        """A share for one recipient."""
        sealed = sealing.seal_shares(
            self.context.group,
            self.context.election.parameter_base_hash,
            self.trustee,
            recipient,
            self.keys[recipient - 1].communication_key,
            share,
            data_share,
            self.context.group.random_scalar() if xi is None else xi,
        )
        return EncryptedShare(recipient, sealed.c0, sealed.c1, sealed.c2)

    def true_shares(self, recipient: int) -> tuple[mpz, mpz]:
        """P_i(l), P-hat_i(l)."""
        group = self.context.group
        return (
            self.secrets.vote.evaluate(group, recipient),
            self.secrets.data.evaluate(group, recipient),
        )


def liar(table: Table, i: int) -> Liar:
    """Trustee i as a liar."""
    honest = table.dealer(i)
    return Liar(honest.context, i, honest.secrets, honest.keys)


@given(delta=st.integers(1, TOY[-1].q - 1), data=st.booleans())
def test_wrong_share(delta: int, data: bool) -> None:
    """A share off by any amount fails (28) or (29), and its sender has to answer for it."""
    table = Table.of(3, 2)
    shares, cheat = table.shares(), liar(table, 3)
    share, data_share = cheat.true_shares(1)
    q = table.context.group.q
    if data:
        data_share = (data_share + delta) % q
    else:
        share = (share + delta) % q
    wrong = cheat.sealed_for(1, share, data_share)
    shares[3] = EncryptedShares(3, (wrong, shares[3].shares[1]))
    table.finish(2, shares)
    assert table.dealer(1).receive(shares).wrong == (3,)
    with pytest.raises(Rejected) as caught:
        table.finish(1, shares)
    assert (caught.value.check, caught.value.culprit) == ("R.key-share", "trustee 3")


def test_share_not_below_q() -> None:
    """A sealed number that is no scalar is wrong, too."""
    table = Table.of(3, 2)
    shares, cheat = table.shares(), liar(table, 2)
    wrong = cheat.sealed_for(1, mpz(2**256 - 1), mpz(1))
    shares[2] = EncryptedShares(2, (wrong, shares[2].shares[1]))
    assert table.dealer(1).receive(shares).wrong == (2,)


def test_another_polynomial_for_one_trustee() -> None:
    """A sender that gives one trustee shares of another polynomial is found by that one."""
    table = Table.of(3, 2)
    shares, cheat = table.shares(), liar(table, 2)
    group = table.context.group
    other = Polynomial.generate(group, 2)
    wrong = cheat.sealed_for(3, other.evaluate(group, 3), cheat.true_shares(3)[1])
    shares[2] = EncryptedShares(2, (shares[2].shares[0], wrong))
    assert table.dealer(1).receive(shares).wrong == ()
    assert table.dealer(3).receive(shares).wrong == (2,)


# --- answers


def test_what_an_answer_opens_takes_the_place_of_what_was_received() -> None:
    """The nonce of a right share gives everybody the same share as its receiver."""
    table = Table.of(3, 2)
    shares = table.shares()
    dealer = table.dealer(1)
    received = dealer.receive(shares)
    without = Received({j: x for j, x in received.right.items() if j != 3}, (3,))
    answers = {3: ShareAnswer(3, 1, table.nonces[3][0])}
    assert dealer.finish(without, shares, answers) == dealer.finish(received, shares, {})


@pytest.mark.parametrize("lie", ["share", "nonce"])
def test_an_answer_that_opens_no_right_share(lie: str) -> None:
    """A wrong share stays wrong when it is opened, and another nonce opens nothing."""
    table = Table.of(3, 2)
    shares, cheat, xi = table.shares(), liar(table, 3), table.context.group.random_scalar()
    share, data_share = cheat.true_shares(1)
    wrong = cheat.sealed_for(1, (share + 1) % table.context.group.q, data_share, xi)
    shares[3] = EncryptedShares(3, (wrong, shares[3].shares[1]))
    nonce = xi if lie == "share" else (xi + 1) % table.context.group.q
    with pytest.raises(Rejected) as caught:
        table.finish(1, shares, {3: ShareAnswer(3, 1, nonce)})
    assert (caught.value.check, caught.value.culprit) == ("R.share-answer", "trustee 3")


# --- messages that are not opened


def _garbled(share: EncryptedShare) -> EncryptedShare:
    return replace(share, c1=bytes([share.c1[0] ^ 1]) + share.c1[1:])


def _reproved(share: EncryptedShare) -> EncryptedShare:
    return replace(share, c2=schnorr.SchnorrProof(share.c2.challenge, share.c2.response ^ 1))


def _negated(share: EncryptedShare) -> EncryptedShare:
    return replace(share, c0=mpz(TOY[-1].p - share.c0))


@pytest.mark.parametrize("alter", [_garbled, _reproved, _negated])
def test_altered_ciphertext(alter: Callable[[EncryptedShare], EncryptedShare]) -> None:
    """A ciphertext that its proof is not about is never opened, and names its sender."""
    table = Table.of(3, 2)
    shares = table.shares()
    first, second = shares[3].shares
    shares[3] = EncryptedShares(3, (alter(first), second))
    with pytest.raises(Rejected) as caught:
        table.dealer(1).receive(shares)
    assert (caught.value.check, caught.value.culprit) == ("R.share-proof", "trustee 3")


def test_swapped_and_missing_shares() -> None:
    """Shares for the wrong recipients, too few of them, or none: their sender is named."""
    table = Table.of(3, 2)
    honest = table.shares()
    first, second = honest[2].shares
    swapped = (replace(second, recipient=1), replace(first, recipient=3))
    for message in (EncryptedShares(2, swapped), EncryptedShares(2, (second,))):
        with pytest.raises(Rejected) as caught:
            table.dealer(1).receive({**honest, 2: message})
        assert caught.value.culprit == "trustee 2"
    del honest[2]
    with pytest.raises(Rejected) as caught:
        table.dealer(1).receive(honest)
    assert caught.value.culprit == "trustee 2"
