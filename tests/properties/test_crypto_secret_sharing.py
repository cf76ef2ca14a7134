"""Any quorum of shares determines the secret, and a wrong share is noticed."""

from __future__ import annotations

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.parameters import STANDARD, TOY
from crypto.secret_sharing import (
    Polynomial,
    commitment_value,
    interpolation,
    lagrange,
    public_key_share,
    secret_key_share,
    verify_share,
)

GROUP = group_for(TOY[7])
groups = st.sampled_from([group_for(parameters) for parameters in TOY])
quorums = st.tuples(st.integers(1, 5), st.integers(0, 3)).map(lambda x: (x[0], x[0] + x[1]))


@given(groups, quorums, st.data())
def test_any_quorum_reconstructs(
    group: Group, quorum: tuple[int, int], data: st.DataObject
) -> None:
    """For any U of k or more of n, the sum of w_i z_i is the joint secret (note 3.6)."""
    k, n = quorum
    polynomials = [Polynomial.generate(group, k) for _ in range(n)]
    available = data.draw(st.sets(st.integers(1, n), min_size=k, max_size=n))
    z = {
        i: secret_key_share(group, (polynomial.evaluate(group, i) for polynomial in polynomials))
        for i in available
    }
    secret = sum(polynomial.coefficients[0] for polynomial in polynomials) % group.q
    assert sum(lagrange(group, i, available) * z[i] for i in available) % group.q == secret
    # (14), (94): the same from the commitments alone
    commitments = [polynomial.commitments(group) for polynomial in polynomials]
    for i in available:
        assert public_key_share(group, commitments, i) == group.g_power(z[i])


def test_fewer_than_a_quorum_do_not_reconstruct() -> None:
    """Two of three needed shares give something else than the secret."""
    polynomial = Polynomial(tuple(map(mpz, (5, 6, 7))))
    z = {i: polynomial.evaluate(GROUP, i) for i in (1, 2)}
    assert sum(lagrange(GROUP, i, z.keys()) * z[i] for i in z) % GROUP.q != 5


@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, TOY[7].q - 1))
def test_shares_fit_their_commitments(k: int, x: int, delta: int) -> None:
    """The right share verifies (28); any other, another x, another commitment do not."""
    polynomial = Polynomial.generate(GROUP, k)
    commitments = polynomial.commitments(GROUP)
    share = polynomial.evaluate(GROUP, x)
    verify_share(GROUP, share, commitments, x)
    assert commitment_value(GROUP, commitments, x) == GROUP.g_power(share)
    with pytest.raises(InvalidProof, match="does not fit"):
        verify_share(GROUP, (share + delta) % GROUP.q, commitments, x)
    for j in range(k):
        altered = list(commitments)
        altered[j] = altered[j] * GROUP.g_power(delta) % GROUP.p
        with pytest.raises(InvalidProof, match="does not fit"):
            verify_share(GROUP, share, altered, x)
    with pytest.raises(InvalidProof) as caught:
        verify_share(GROUP, share + GROUP.q, commitments, x)
    assert caught.value.part is Part.SHAPE


def test_a_share_for_another_trustee_is_refused() -> None:
    """P(2) is not P(3), and a commitment outside the subgroup does not help."""
    polynomial = Polynomial(tuple(map(mpz, (5, 6))))
    commitments = polynomial.commitments(GROUP)
    with pytest.raises(InvalidProof):
        verify_share(GROUP, polynomial.evaluate(GROUP, 2), commitments, 3)
    with pytest.raises(InvalidProof):
        verify_share(
            GROUP, polynomial.evaluate(GROUP, 2), [GROUP.p - commitments[0], commitments[1]], 2
        )


@settings(max_examples=2)
@given(st.integers(1, 3), st.integers(1, 9))
def test_shares_fit_in_the_real_group(k: int, x: int) -> None:
    """The same at 4096 bits."""
    group = group_for(STANDARD)
    polynomial = Polynomial.generate(group, k)
    commitments = polynomial.commitments(group)
    share = polynomial.evaluate(group, x)
    verify_share(group, share, commitments, x)
    with pytest.raises(InvalidProof):
        verify_share(group, (share + 1) % group.q, commitments, x)


@pytest.mark.parametrize(
    ("i", "available"), [(1, [2, 3]), (1, [1, 1, 2]), (0, [0, 1]), (-1, [-1, 2]), (1, [])]
)
def test_coefficients_need_a_set_of_indices(i: int, available: list[int]) -> None:
    """U holds distinct indices from 1 on, the trustee's own among them."""
    with pytest.raises(ValueError, match="set of trustee indices"):
        lagrange(GROUP, i, available)
    if available:
        with pytest.raises(ValueError, match="set of trustee indices"):
            interpolation(GROUP, [i, *available, available[0]])


def plain(group: Group, elements: dict[int, mpz]) -> mpz:
    """The product of x_i^w_i as (86) has it."""
    return group.product(group.power(x, lagrange(group, i, elements)) for i, x in elements.items())


@given(groups, st.sets(st.integers(1, 20), min_size=1), st.data())
def test_combination_is_that_of_the_coefficients(
    group: Group, available: set[int], data: st.DataObject
) -> None:
    """Small exponents and one root give what raising to each coefficient gives."""
    exponents = st.integers(0, group.parameters.q - 1)
    elements = {i: group.g_power(data.draw(exponents)) for i in data.draw(orders(available))}
    found = interpolation(group, elements)
    assert found.combine(group, elements) == plain(group, elements)
    assert found.coefficients == {i: lagrange(group, i, available) for i in available}


@given(groups, st.sets(st.integers(1, 20), min_size=1), st.integers(0, 4))
def test_many_are_combined_like_one(group: Group, available: set[int], count: int) -> None:
    """Rows that share an inversion come out as each alone, in order."""
    rows = [{i: group.g_power(group.random_scalar()) for i in available} for _ in range(count)]
    found = interpolation(group, available)
    assert found.combine_all(group, rows) == [found.combine(group, row) for row in rows]


def orders(available: set[int]) -> st.SearchStrategy[list[int]]:
    """The set in any order."""
    return st.permutations(sorted(available))


@settings(max_examples=5)
@given(st.sets(st.integers(1, 20), min_size=1))
def test_combination_in_the_real_group(available: set[int]) -> None:
    """The same at 4096 bits."""
    group = group_for(STANDARD)
    elements = {i: group.g_power(group.random_scalar()) for i in available}
    assert interpolation(group, elements).combine(group, elements) == plain(group, elements)


@given(st.sets(st.integers(1, 20), min_size=1))
def test_combination_takes_few_steps(available: set[int]) -> None:
    """Some ten multiplications a trustee, where a power of 256 bits takes 300."""
    found = interpolation(group_for(STANDARD), available)
    assert len(found.steps) <= 10 * len(available)


@pytest.mark.parametrize("k", [1, 2, 8, 20])
def test_neighbours_need_no_root(k: int) -> None:
    """For U = 1 .. k the coefficients are whole numbers."""
    assert interpolation(group_for(STANDARD), range(1, k + 1)).root == 1


def test_polynomials_keep_their_secrets() -> None:
    """A printed polynomial shows no coefficient, and one without coefficients is none."""
    assert repr(Polynomial((mpz(314159), mpz(271828)))) == "Polynomial(<redacted>)"
    assert len(Polynomial.generate(GROUP, 3).coefficients) == 3
    with pytest.raises(ValueError, match="at least one"):
        Polynomial.generate(GROUP, 0)
