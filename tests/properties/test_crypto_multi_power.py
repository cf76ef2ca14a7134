"""Products of powers, and powers that share their squarings, are what they stand for."""

from __future__ import annotations

import pytest
from gmpy2 import is_prime, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.multi_power import multi_power
from crypto.parameters import REDUCED_3072, STANDARD, TOY, Parameters
from crypto.squarings import Squarings
from tests.hinting import MIDDLE

SMALL = [Group(parameters) for parameters in (*TOY, MIDDLE)]
REAL = group_for(STANDARD)

groups = st.sampled_from(SMALL)
exponents = st.one_of(st.integers(0, 20), st.integers(0, 2**128), st.integers(0, 2**400))


def one_by_one(group: Group, terms: list[tuple[mpz, int]]) -> mpz:
    """The product of the powers, each by itself."""
    return group.product(group.power(x, e) for x, e in terms)


@given(groups, st.lists(st.tuples(st.integers(1, 10**40), exponents), max_size=30))
def test_a_product_of_powers(group: Group, raw: list[tuple[int, int]]) -> None:
    """Whatever the exponents are: none, zero, equal, far apart; bases in any subgroup."""
    terms = [(1 + mpz(x) % (group.p - 1), e) for x, e in raw]
    assert multi_power(group, terms) == one_by_one(group, terms)


@settings(max_examples=3, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**64))
def test_a_product_of_powers_in_the_real_group(count: int, seed: int) -> None:
    """The same at 4096 bits, with exponents of the lengths that a batch has."""
    terms = [(REAL.g_power(seed + i), pow(seed + i, 9) % 2**384) for i in range(count)]
    assert multi_power(REAL, terms) == one_by_one(REAL, terms)


@given(groups, st.integers(1, 10**40), st.lists(st.integers(0, 10**60), max_size=4))
def test_powers_that_share_their_squarings(group: Group, x: int, raw: list[int]) -> None:
    """Every exponent in Z_q, the least and the greatest too, of a base in any subgroup."""
    base = 1 + mpz(x) % (group.p - 1)
    chain = Squarings(group, base)
    for e in [mpz(0), mpz(1), group.q - 1, *(mpz(e) % group.q for e in raw)]:
        assert chain.power(e) == group.power(base, e)


def is_member(group: Group, x: mpz) -> bool:
    """What the chain says."""
    try:
        Squarings(group, x).check_member("x")
    except InvalidProof:
        return False
    return True


@given(groups, st.integers(1, 10**40))
def test_membership_by_squarings(group: Group, x: int) -> None:
    """x^q = 1 by the chain is x^q = 1 by exponentiation."""
    base = 1 + mpz(x) % (group.p - 1)
    assert is_member(group, base) == (group.power(base, group.q) == 1)
    assert is_member(group, group.power(base, group.parameters.r))


@pytest.mark.parametrize("group", [*SMALL, REAL, group_for(REDUCED_3072)])
def test_what_is_no_member(group: Group) -> None:
    """0, p, numbers beyond, and members times an element of order 2 or s."""
    odd = group.power(mpz(5), 2 * group.q)
    assert odd != 1
    for x in (mpz(0), group.p, group.g + group.p, group.p - group.g, group.g * odd % group.p):
        assert not is_member(group, x)
    assert is_member(group, group.g)
    with pytest.raises(InvalidProof, match="^x is not in the subgroup") as caught:
        Squarings(group, group.p - 1).check_member("x")
    assert caught.value.part is Part.MEMBERSHIP


@pytest.mark.parametrize("parameters", [STANDARD, REDUCED_3072, *TOY, MIDDLE])
def test_the_prime_orders_of_a_group(parameters: Parameters) -> None:
    """p - 1 = 2 q s with three different primes, and -1 is not a square (spec 3.1.1)."""
    p, q, s = parameters.p, parameters.q, parameters.s
    assert p - 1 == 2 * q * s
    assert p % 4 == 3
    assert all(is_prime(mpz(x)) for x in (p, q, s))
    assert len({2, q, s}) == 3
