"""Secret sharing (spec 3.2.2, 3.6.4), which is the same in both versions."""

from __future__ import annotations

from typing import Any

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import InvalidProof
from crypto.group import Group
from crypto.parameters import STANDARD
from crypto.secret_sharing import Polynomial, commitment_value, lagrange, verify_share
from tests.interop.oracle import Load

scalars = st.integers(0, STANDARD.q - 1)
polynomials = st.lists(scalars, min_size=1, max_size=5).map(
    lambda coefficients: Polynomial(tuple(map(mpz, coefficients)))
)
indices = st.integers(1, 100)


def theirs(electionguard: Load, polynomial: Polynomial, commitments: tuple[mpz, ...]) -> Any:
    """Our polynomial as one of theirs; its proofs are not used."""
    module, numbers = electionguard("election_polynomial"), electionguard("group")
    return module.ElectionPolynomial(
        [
            module.Coefficient(numbers.ElementModQ(int(a)), numbers.ElementModP(int(k)), None)
            for a, k in zip(polynomial.coefficients, commitments, strict=True)
        ]
    )


@given(polynomial=polynomials, x=indices)
def test_shares_are_the_same(
    electionguard: Load, group: Group, polynomial: Polynomial, x: int
) -> None:
    """A polynomial has the same value at a trustee's index in both."""
    other = theirs(electionguard, polynomial, polynomial.commitments(group))
    value = electionguard("election_polynomial").compute_polynomial_coordinate(x, other)
    assert polynomial.evaluate(group, x) == value.value


@given(polynomial=polynomials)
def test_commitments_are_the_same(
    electionguard: Load, group: Group, polynomial: Polynomial
) -> None:
    """Commitments are powers of g with the same exponents in both."""
    g_pow_p = electionguard("group").g_pow_p
    expected = tuple(g_pow_p(int(a)).value for a in polynomial.coefficients)
    assert polynomial.commitments(group) == expected


@given(polynomial=polynomials, x=indices)
def test_their_check_takes_our_shares_and_no_others(
    electionguard: Load, group: Group, polynomial: Polynomial, x: int
) -> None:
    """Their verification accepts our share against our commitments, and refuses the next scalar."""
    numbers = electionguard("group")
    verify = electionguard("election_polynomial").verify_polynomial_coordinate
    commitments = [numbers.ElementModP(int(k)) for k in polynomial.commitments(group)]
    share = int(polynomial.evaluate(group, x))
    assert verify(numbers.ElementModQ(share), x, commitments)
    assert not verify(numbers.ElementModQ((share + 1) % STANDARD.q), x, commitments)


@given(k=st.integers(1, 5), x=indices)
def test_our_check_takes_their_shares_and_no_others(
    electionguard: Load, group: Group, k: int, x: int
) -> None:
    """Our verification accepts a share of a polynomial they drew, and refuses the next scalar."""
    module = electionguard("election_polynomial")
    drawn = module.generate_polynomial(k)
    share = module.compute_polynomial_coordinate(x, drawn).value
    commitments = [commitment.value for commitment in drawn.get_commitments()]
    verify_share(group, share, commitments, x)
    with pytest.raises(InvalidProof):
        verify_share(group, (share + 1) % group.q, commitments, x)


@given(polynomial=polynomials, x=indices)
def test_recovery_keys_are_the_same(
    electionguard: Load, group: Group, polynomial: Polynomial, x: int
) -> None:
    """g^P(x) from commitments alone is what they call a recovery public key."""
    commitments = polynomial.commitments(group)
    ceremony, numbers = electionguard("key_ceremony"), electionguard("group")
    elements = [numbers.ElementModP(int(k)) for k in commitments]
    recovered = electionguard("decryption").compute_recovery_public_key(
        ceremony.ElectionPublicKey("available", x, elements[0], [], []),
        ceremony.ElectionPublicKey("missing", 101, elements[0], elements, []),
    )
    assert commitment_value(group, commitments, x) == recovered.value


@given(available=st.sets(indices, min_size=2, max_size=9))
def test_lagrange_coefficients_are_the_same(
    electionguard: Load, group: Group, available: set[int]
) -> None:
    """Every trustee of a set U has the same weight in both."""
    compute = electionguard("election_polynomial").compute_lagrange_coefficient
    for i in available:
        assert lagrange(group, i, available) == compute(i, *(available - {i})).value
