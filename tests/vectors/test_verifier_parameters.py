"""The verifier's own parameter sets and arithmetic."""

from __future__ import annotations

import gmpy2
import pytest

from verifier.group import Group
from verifier.parameters import ALL, BY_NAME, REDUCED_3072, STANDARD, Parameters

TOY = BY_NAME["toy-64-256"]


@pytest.mark.parametrize("parameters", ALL, ids=lambda p: p.name)
def test_sets_are_what_the_specification_says_of_them(parameters: Parameters) -> None:
    """P and q are prime, q divides p - 1, (p-1)/2q is prime, g = 2^r has order q."""
    p, q, g = parameters.p, parameters.q, parameters.g
    r, remainder = divmod(p - 1, q)
    assert remainder == 0
    assert all(gmpy2.is_prime(x) for x in (p, q, r // 2))
    assert g == pow(2, r, p) != 1


def test_standard_parameters_have_their_widths_and_ends() -> None:
    """P is 4096 bits with 256 ones at both ends, q is 2^256 - 189."""
    assert (STANDARD.element_width, STANDARD.scalar_width) == (512, 32)
    assert (REDUCED_3072.element_width, REDUCED_3072.scalar_width) == (384, 32)
    assert STANDARD.q == 2**256 - 189
    ones = 2**256 - 1
    assert STANDARD.p % 2**256 == STANDARD.p >> (4096 - 256) == ones


@pytest.mark.parametrize("parameters", [STANDARD, TOY], ids=lambda p: p.name)
def test_tables_agree_with_powmod(parameters: Parameters) -> None:
    """A power from a table is the power, at the ends of the exponents' range too."""
    group = Group(parameters)
    table = group.table(group.power(group.g, 12345))
    for exponent in (0, 1, 255, 256, parameters.q // 3, parameters.q - 1):
        assert table.power(exponent) == group.power(group.power(group.g, 12345), exponent)
        assert group.g_power(exponent) == group.power(group.g, exponent)


@pytest.mark.parametrize("parameters", [STANDARD, TOY], ids=lambda p: p.name)
def test_membership_refuses_what_is_not_in_the_group(parameters: Parameters) -> None:
    """0, p, p + g, -1 and -g are not in the group; 1 and g are."""
    group = Group(parameters)
    for x in (0, group.p, group.p + group.g, group.p - 1, group.p - group.g, -1):
        assert not group.is_member(x)
    assert group.is_member(1)
    assert group.is_member(group.g)


def test_lagrange_coefficients_recover_a_polynomial_at_zero() -> None:
    """The sum of w_i P(i) is P(0), for every set of two of three."""
    group = Group(TOY)
    values = {i: (77 + 5 * i) % group.q for i in (1, 2, 3)}
    for trustees in ((1, 2), (1, 3), (2, 3), (1, 2, 3)):
        total = sum(group.lagrange(i, trustees) * values[i] for i in trustees)
        assert total % group.q == 77
