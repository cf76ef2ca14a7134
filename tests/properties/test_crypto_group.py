"""Laws of the group, of its tables and encodings, and of encryption."""

from __future__ import annotations

import operator
import pickle
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.elgamal import PublicKey, accumulate, encrypt
from crypto.errors import InvalidProof, Malformed, Part
from crypto.group import FixedBase, Group, group_for
from crypto.parameters import STANDARD, TOY

TOYS = [group_for(parameters) for parameters in TOY]
REAL = group_for(STANDARD)

groups = st.sampled_from(TOYS)
# Reduced mod q by the test; small and extreme ones are the interesting ones.
numbers = st.one_of(st.integers(0, 2**256), st.integers(-3, 3))


@given(groups, numbers, numbers)
def test_tables_agree_with_powers(group: Group, s: int, e: int) -> None:
    """A table, `power_secret` and `power` give the same, for any base of order q."""
    e_q = mpz(e % group.q)
    base = group.g_power(s)
    assert base == group.power(group.g, s % group.q)
    assert group.power(base, e_q) == group.power_secret(base, e_q)
    assert FixedBase(group, base).power(e) == group.power(base, e_q)


@given(st.integers(1, 2**20), numbers)
def test_tables_of_every_size_agree(memory: int, e: int) -> None:
    """The budget decides about speed only, down to a window of one bit."""
    group = TOYS[7]
    table = FixedBase(group, group.g, memory)
    assert table.power(e) == group.power(group.g, e % group.q)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, STANDARD.q - 1))
def test_tables_agree_in_the_real_group(e: int) -> None:
    """The table of g and `power_secret` agree with powmod at 4096 bits."""
    expected = REAL.power(REAL.g, e)
    assert REAL.g_power(e) == expected
    assert REAL.power_secret(REAL.g, mpz(e)) == expected


def test_the_budget_chooses_the_window() -> None:
    """16 MiB allow windows of 10 bits, 26 multiplications; half of it does not."""
    assert FixedBase(REAL, REAL.g).window == 10
    assert FixedBase(REAL, REAL.g, 8 * 2**20).window < 10
    assert FixedBase(REAL, REAL.g, 1).window == 1


@given(groups, st.data())
def test_encodings_are_inverse_to_parsing(group: Group, data: st.DataObject) -> None:
    """Every element and scalar survives encoding; the width is that of p or q."""
    x = mpz(data.draw(st.integers(1, group.parameters.p - 1)))
    e = mpz(data.draw(st.integers(0, group.parameters.q - 1)))
    assert group.parse_element(group.encode_element(x), "x") == x
    assert group.parse_scalar(group.encode_scalar(e), "e") == e
    assert len(group.encode_element(x)) == group.parameters.element_width
    assert len(group.encode_scalar(e)) == group.parameters.scalar_width


@pytest.mark.parametrize("group", [TOYS[1], TOYS[7], REAL], ids=repr)
def test_bad_elements_and_scalars_are_malformed(group: Group) -> None:
    """Wrong widths, 0 (as an element), p, q and more are refused, naming the field."""
    wide, narrow = group.parameters.element_width, group.parameters.scalar_width
    p, q = int(group.p).to_bytes(wide, "big"), int(group.q).to_bytes(narrow, "big")
    one = bytes(wide - 1) + b"\1"
    for data in (b"", bytes(wide), p, b"\xff" * wide, one[1:], b"\0" + one):
        with pytest.raises(Malformed) as caught:
            group.parse_element(data, "ballot.alpha")
        assert caught.value.field == "ballot.alpha"
    for data in (b"", q, b"\xff" * narrow, bytes(narrow + 1), bytes(narrow - 1)):
        with pytest.raises(Malformed) as caught:
            group.parse_scalar(data, "proof.response")
        assert caught.value.field == "proof.response"
    assert group.parse_scalar(bytes(narrow), "zero") == 0


@pytest.mark.parametrize("group", [*TOYS, REAL], ids=repr)
def test_only_numbers_below_the_modulus_are_encoded(group: Group) -> None:
    """Encoding never reduces: p, q and negative numbers are our own mistakes."""
    for x in (group.p, mpz(-1)):
        with pytest.raises(ValueError, match="mod p"):
            group.encode_element(x)
    for x in (group.q, mpz(-1)):
        with pytest.raises(ValueError, match="mod q"):
            group.encode_scalar(x)


@given(groups, numbers)
def test_members_are_told_from_others(group: Group, e: int) -> None:
    """Powers of g pass; their negatives, squares outside and numbers beyond p do not."""
    x = group.g_power(e)
    group.check_member(x, "x")
    others = [group.p - x, x + group.p, -x, mpz(0), group.p]
    outside = mpz(4) * x % group.p
    if group.power(outside, group.q) != 1:
        others.append(outside)  # Jacobi symbol 1 all the same
    for other in others:
        with pytest.raises(InvalidProof, match="alpha is not in the subgroup") as caught:
            group.check_member(other, "alpha")
        assert caught.value.part is Part.MEMBERSHIP


@given(groups, st.lists(numbers, max_size=5))
def test_products_add_exponents(group: Group, exponents: list[int]) -> None:
    """A product of powers is the power of the sum, and x x^-1 = 1."""
    x = group.product(group.g_power(e) for e in exponents)
    assert x == group.g_power(sum(exponents))
    assert group.product([x, group.inverse(x)]) == 1


def test_random_scalars_are_uniform_in_range() -> None:
    """Random scalars cover all of Z_q and nothing else, 0 and q - 1 included."""
    group = TOYS[0]
    assert {int(group.random_scalar()) for _ in range(10_000)} == set(range(127))
    assert len({REAL.random_scalar() for _ in range(8)}) == 8


def test_groups_are_one_per_parameters_and_pickle_as_those() -> None:
    """A process has one group for each set, so one table of g."""
    assert group_for(TOY[0]) is TOYS[0] != TOYS[1]
    assert pickle.loads(pickle.dumps(REAL)) is REAL
    assert len(pickle.dumps(REAL)) < 5000
    assert Group(TOY[0]) == TOYS[0]
    assert hash(Group(TOY[0])) == hash(TOYS[0])


def test_a_table_is_built_once_by_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that need a key's table at the same time build it once and all agree."""
    built = []
    compute = FixedBase._compute_rows

    def counted(table: FixedBase) -> Iterable[list[mpz]]:
        built.append(table)
        time.sleep(0.05)  # long enough for every thread to find the table missing
        return compute(table)

    monkeypatch.setattr(FixedBase, "_compute_rows", counted)
    key = PublicKey(TOYS[7], TOYS[7].power(TOYS[7].g, 99))
    barrier = threading.Barrier(4)

    def use(e: int) -> mpz:
        barrier.wait()
        return key.power(e)

    with ThreadPoolExecutor(4) as pool:
        powers = list(pool.map(use, range(4)))
    assert powers == [key.group.power(key.element, e) for e in range(4)]
    assert len(built) == 1


@given(groups, st.lists(st.sampled_from([0, 2**10, 2**14, 2**18]), max_size=4), numbers)
def test_tables_are_widened_and_never_narrowed(
    group: Group, budgets: list[int], exponent: int
) -> None:
    """Powers stay what they were, whatever budgets come in which order."""
    table = FixedBase(group, group.g, 2**12)
    if budgets:
        table.prepare(budgets[0])
    for memory in budgets:
        before = table.window
        table.prepare(memory)
        assert table.window == max(before, FixedBase(group, group.g, memory).window)
        assert table.power(exponent) == group.power(group.g, exponent % group.q)
    assert pickle.loads(pickle.dumps(table)).window == table.window


def test_keys_work_in_spawned_processes() -> None:
    """A key whose table is built goes to a new process as its numbers and works there."""
    key = PublicKey(TOYS[7], TOYS[7].g_power(3))
    expected = key.power(5)
    assert len(pickle.dumps(key)) < 5000
    assert pickle.loads(pickle.dumps(key)) == key
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(operator.methodcaller("power", 5), key).result() == expected


@given(groups, numbers, st.lists(st.tuples(st.integers(0, 3), numbers), max_size=5))
def test_products_of_ciphertexts_encrypt_sums(
    group: Group, s: int, votes: list[tuple[int, int]]
) -> None:
    """The product of encryptions is the encryption of the sum under the sum of the nonces."""
    key = PublicKey(group, group.g_power(s))
    product = accumulate(group, (encrypt(key, value, mpz(nonce)) for value, nonce in votes))
    total = sum(value for value, _ in votes)
    assert product == encrypt(key, total, mpz(sum(nonce for _, nonce in votes)))
    # and whoever knows s opens it
    opened = product.beta * group.inverse(group.power(product.alpha, s % group.q)) % group.p
    assert opened == group.power(key.element, total)
