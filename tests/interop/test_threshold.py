"""Decryption by k of n (spec 3.6), which the two versions reach by different ways.

In 2.1.0 every available trustee i uses its share z_i of the joint secret, and
M is the product of M_i^w_i. In 1.x it uses its own secret key s_i, and the
available ones rebuild the part of each missing trustee. The product is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pytest
from gmpy2 import mpz

from crypto.decryption_proof import combine_shares, decrypted_value, partial_decryption
from crypto.elgamal import Ciphertext, PublicKey, encrypt
from crypto.group import Group
from crypto.secret_sharing import Polynomial, secret_key_share
from tests.interop.oracle import Load

N, K = 5, 3
VOTES = 1234


@pytest.fixture(scope="module")
def polynomials(group: Group) -> tuple[Polynomial, ...]:
    """The polynomials of trustees 1..N."""
    return tuple(Polynomial.generate(group, K) for _ in range(N))


@pytest.fixture(scope="module")
def key(group: Group, polynomials: Sequence[Polynomial]) -> PublicKey:
    """The joint key."""
    return PublicKey(group, group.product(one.commitments(group)[0] for one in polynomials))


@pytest.fixture(scope="module")
def ciphertext(group: Group, key: PublicKey) -> Ciphertext:
    """An encryption of VOTES."""
    return encrypt(key, VOTES, group.random_scalar())


def our_way(
    group: Group,
    polynomials: Sequence[Polynomial],
    ciphertext: Ciphertext,
    available: Sequence[int],
) -> mpz:
    """M from the shares of the joint secret."""
    shares = {
        i: secret_key_share(group, [one.evaluate(group, i) for one in polynomials])
        for i in available
    }
    return combine_shares(
        group, {i: partial_decryption(group, ciphertext.alpha, z) for i, z in shares.items()}
    )


def their_way(
    electionguard: Load,
    polynomials: Sequence[Polynomial],
    ciphertext: Ciphertext,
    available: Sequence[int],
) -> mpz:
    """M from the available trustees' own keys and the rebuilt parts of the missing ones."""
    numbers, shared = electionguard("group"), electionguard("election_polynomial")
    theirs = electionguard("elgamal").ElGamalCiphertext(
        numbers.ElementModP(int(ciphertext.alpha)), numbers.ElementModP(int(ciphertext.beta))
    )
    weights = {
        i: shared.compute_lagrange_coefficient(i, *(j for j in available if j != i))
        for i in available
    }
    parts = [
        theirs.partial_decrypt(numbers.ElementModQ(int(polynomials[i - 1].coefficients[0])))
        for i in available
    ]
    for missing in set(range(1, N + 1)) - set(available):
        polynomial = polynomials[missing - 1]
        parts.append(rebuilt(electionguard, polynomial, theirs, weights))
    product: mpz = numbers.mult_p(*parts).value
    return product


def rebuilt(
    electionguard: Load, polynomial: Polynomial, theirs: Any, weights: Mapping[int, Any]
) -> Any:
    """A missing trustee's partial decryption, from the others' compensated ones."""
    numbers, shared = electionguard("group"), electionguard("election_polynomial")
    base_hash = numbers.ElementModQ(1)
    backup = shared.ElectionPolynomial(
        [
            shared.Coefficient(numbers.ElementModQ(int(a)), None, None)
            for a in polynomial.coefficients
        ]
    )
    compensated = {
        i: electionguard("decryption").decrypt_with_threshold(
            shared.compute_polynomial_coordinate(i, backup), theirs, base_hash
        )[0]
        for i in weights
    }
    return numbers.mult_p(*(numbers.pow_p(compensated[i], weights[i]) for i in weights))


@pytest.mark.parametrize(
    "available", [U for size in range(K, N + 1) for U in combinations(range(1, N + 1), size)]
)
def test_every_quorum_opens_the_same(
    electionguard: Load,
    group: Group,
    polynomials: Sequence[Polynomial],
    key: PublicKey,
    ciphertext: Ciphertext,
    available: tuple[int, ...],
) -> None:
    """Both ways give the same M for every set of at least k trustees, and M opens the votes."""
    ours = our_way(group, polynomials, ciphertext, available)
    assert ours == their_way(electionguard, polynomials, ciphertext, available)
    assert decrypted_value(group, ciphertext, ours) == key.power(VOTES)


def test_fewer_than_a_quorum_open_nothing(
    electionguard: Load,
    group: Group,
    polynomials: Sequence[Polynomial],
    key: PublicKey,
    ciphertext: Ciphertext,
) -> None:
    """With k - 1 trustees neither way gives the M that opens the votes."""
    available = tuple(range(1, K))
    for combined in (
        our_way(group, polynomials, ciphertext, available),
        their_way(electionguard, polynomials, ciphertext, available),
    ):
        assert decrypted_value(group, ciphertext, combined) != key.power(VOTES)
