"""Small discrete logarithms are found exactly, or not at all."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from crypto.discrete_log import DiscreteLog
from crypto.errors import InvalidProof
from crypto.group import group_for
from crypto.parameters import STANDARD, TOY, Parameters

GROUP = group_for(TOY[7])
SHARED = DiscreteLog(GROUP, GROUP.g_power(77))


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_logarithms_up_to_the_bound_are_found(t: int, bound: int) -> None:
    """t is found exactly when it is within the bound; the table serves every call."""
    element = GROUP.g_power(77 * t)
    if t <= bound:
        assert SHARED.find(element, bound) == t
    else:
        with pytest.raises(InvalidProof):
            SHARED.find(element, bound)


@given(st.integers(0, 126), st.integers(127, 40_000))
def test_the_smallest_logarithm_is_found(t: int, bound: int) -> None:
    """Where the powers come round within the bound, or within the table, it is the first."""
    group = group_for(TOY[0])
    assert DiscreteLog(group, group.g).find(group.g_power(t), bound) == t


@pytest.mark.parametrize("parameters", [TOY[7], STANDARD], ids=lambda x: x.name)
def test_bounds_of_zero_and_one(parameters: Parameters) -> None:
    """Bound 0 accepts 1 = K^0 alone, bound 1 accepts K too."""
    group = group_for(parameters)
    base = group.g_power(77)
    log = DiscreteLog(group, base)
    assert log.find(mpz(1), 0) == 0
    assert [log.find(mpz(1), 1), log.find(base, 1)] == [0, 1]
    for element, bound in ((base, 0), (base * base % group.p, 1), (group.p - 1, 1)):
        with pytest.raises(InvalidProof, match="no power"):
            log.find(element, bound)


def test_a_negative_bound_is_our_mistake() -> None:
    """A negative bound is an error of the caller, not of the element."""
    with pytest.raises(ValueError, match="negative"):
        SHARED.find(mpz(1), -1)
