"""Batches of the verifier: what they must never let through, and what they compute with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from unittest import mock

import pytest
from gmpy2 import is_prime, jacobi, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import multipower
from verifier.batch import SECURITY, SUITABLE, Batch, Claim, Equation, batch_for
from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group, Weights
from verifier.multipower import Chain, best_window, digits, interleaved, square_product
from verifier.options import Decryptions, Option
from verifier.parameters import ALL, BY_NAME, REDUCED_3072, STANDARD
from verifier.proofs import decryption_challenge
from verifier.shares import Share, Shares

TOY = Group(BY_NAME["toy-64-256"])
"""Its p - 1 is 2qs as in the sets that elections use: batches err with probability 2^-64."""
REAL = Group(STANDARD)
SECRET = 2**60 + 9
P, Q = int(TOY.p), int(TOY.q)
S = (P - 1) // (2 * Q)

ways = pytest.mark.parametrize("window", [None, 0, 4], ids=["chosen", "interleaved", "buckets"])
seeds = pytest.mark.parametrize("seed", range(12))


# --- claims to be spoilt


class Maker:
    """Makes claims that hold, with a key that everybody knows."""

    def __init__(self, group: Group, seed: int) -> None:
        self.group, self.random = group, random.Random(seed)
        self.p, self.q = int(group.p), int(group.q)
        self.key = int(group.power(group.g, SECRET))
        self.table = FixedBase(self.key, group.p, group.q.bit_length())

    def scalar(self) -> int:
        """A scalar that is not 0."""
        return self.random.randrange(1, self.q)

    def element(self) -> mpz:
        """An element of the group, not 1."""
        return self.group.power(self.group.g, self.scalar())

    def of_order_s(self) -> mpz:
        """An element whose order is the large prime beside q."""
        return self.group.power(self.random.randrange(2, self.p), 2 * self.q)

    def claim(self, outside: int = 1, small: bool = False) -> Claim:
        """A range proof of 0..1, whose alpha is multiplied with `outside` from the beginning.

        Its equations then hold as equations, for the commitments follow. `small` takes
        challenges 1 and 0, under which no exponent is reduced mod q.
        """
        group, p, q = self.group, self.p, self.q
        nonce, value = self.scalar(), self.random.randrange(2)
        alpha = group.power(group.g, nonce) * outside % p
        beta = group.power(self.key, (value + nonce) % q)
        claim = Claim()
        bases = claim.base(alpha), claim.base(beta)
        for j in range(2):
            c, v = (1 - j if small else self.scalar()), self.scalar()
            w = (v - j * c) % q
            a = group.power(group.g, v) * group.power(alpha, c) % p
            b = group.power(self.key, w) * group.power(beta, c) % p
            claim.equations.append(Equation(a, v, 0, ((bases[0], c),)))
            claim.equations.append(Equation(b, 0, w, ((bases[1], c),)))
        return claim

    def claims(self, count: int) -> list[Claim]:
        """Several, each with an element that is a member."""
        claims = [self.claim() for _ in range(count)]
        for claim in claims:
            claim.members.append(self.element())
        return claims

    def holds(self, claims: Sequence[Claim]) -> bool:
        """What a batch says."""
        return Batch(self.group, self.table).holds(claims)


def commitment_times(claim: Claim, i: int, factor: mpz | int, p: int) -> None:
    """Multiply one commitment."""
    old = claim.equations[i]
    claim.equations[i] = replace(old, commitment=old.commitment * factor % p)


Spoil = Callable[[Maker, list[Claim]], None]


def minus(maker: Maker, claims: list[Claim]) -> None:
    """One commitment times -1."""
    claim = maker.random.choice(claims)
    commitment_times(claim, maker.random.randrange(4), -1, maker.p)


def two_minuses(maker: Maker, claims: list[Claim]) -> None:
    """Two commitments times -1, which a plain product does not see."""
    for claim in maker.random.sample(claims, 2):
        commitment_times(claim, maker.random.randrange(4), -1, maker.p)


def all_minuses(maker: Maker, claims: list[Claim]) -> None:
    """Every commitment times -1."""
    for claim in claims:
        for i in range(4):
            commitment_times(claim, i, -1, maker.p)


def of_order_s(maker: Maker, claims: list[Claim]) -> None:
    """One commitment times an element of order s, which a power of q does not take away."""
    claim = maker.random.choice(claims)
    commitment_times(claim, maker.random.randrange(4), maker.of_order_s(), maker.p)


def two_of_order_s(maker: Maker, claims: list[Claim]) -> None:
    """An element of order s and its inverse, in two commitments."""
    u = maker.of_order_s()
    one, other = maker.random.sample(claims, 2)
    commitment_times(one, 0, u, maker.p)
    commitment_times(other, 0, maker.group.divide(1, u), maker.p)


def cancelling(maker: Maker, claims: list[Claim]) -> None:
    """Two errors in the group that cancel in a plain product."""
    u = maker.element()
    one, other = maker.random.sample(claims, 2)
    commitment_times(one, 1, u, maker.p)
    commitment_times(other, 1, maker.group.divide(1, u), maker.p)


def cancelling_in_one(maker: Maker, claims: list[Claim]) -> None:
    """The same in the two equations of one proof."""
    u = maker.element()
    commitment_times(claims[0], 0, u, maker.p)
    commitment_times(claims[0], 2, maker.group.divide(1, u), maker.p)


def wrong_response(maker: Maker, claims: list[Claim]) -> None:
    """One response larger by one."""
    old = claims[-1].equations[0]
    claims[-1].equations[0] = replace(old, g=(old.g + 1) % maker.q)


def negative_base(maker: Maker, claims: list[Claim]) -> None:
    """An alpha times -1 from the beginning: its equations hold, but it is not in the group."""
    claims[0] = maker.claim(outside=-1)


def two_negative_bases(maker: Maker, claims: list[Claim]) -> None:
    """Two of them."""
    claims[0], claims[-1] = maker.claim(outside=-1), maker.claim(outside=-1)


def base_of_order_s(maker: Maker, claims: list[Claim]) -> None:
    """An alpha times an element of order s from the beginning."""
    claims[0] = maker.claim(outside=int(maker.of_order_s()))


def base_and_small_challenges(maker: Maker, claims: list[Claim]) -> None:
    """The same under challenges so small that no exponent is ever reduced."""
    claims[0] = maker.claim(outside=int(maker.of_order_s()), small=True)


def negative_base_and_small_challenges(maker: Maker, claims: list[Claim]) -> None:
    """-alpha under such challenges."""
    claims[0] = maker.claim(outside=-1, small=True)


def negative_member(maker: Maker, claims: list[Claim]) -> None:
    """A member times -1."""
    claims[0].members[0] = maker.p - claims[0].members[0]


def two_negative_members(maker: Maker, claims: list[Claim]) -> None:
    """Two members times -1."""
    for claim in claims[:2]:
        claim.members[0] = maker.p - claim.members[0]


def member_of_order_s(maker: Maker, claims: list[Claim]) -> None:
    """A member times an element of order s."""
    claims[0].members[0] = claims[0].members[0] * maker.of_order_s() % maker.p


def member_against_commitment(maker: Maker, claims: list[Claim]) -> None:
    """An element of order s in a member, its inverse in a commitment."""
    u = maker.of_order_s()
    claims[0].members[0] = claims[0].members[0] * u % maker.p
    commitment_times(claims[0], 0, maker.group.divide(1, u), maker.p)


SPOILS: tuple[Spoil, ...] = (
    *(minus, two_minuses, all_minuses, of_order_s, two_of_order_s, cancelling),
    *(cancelling_in_one, wrong_response, negative_base, two_negative_bases, base_of_order_s),
    *(base_and_small_challenges, negative_base_and_small_challenges, negative_member),
    *(two_negative_members, member_of_order_s, member_against_commitment),
)
each = pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)


@ways
@seeds
@each
def test_no_batch_lets_it_through(spoil: Spoil, seed: int, window: int | None) -> None:
    """Each fault is found by the product itself, however it is computed."""
    maker = Maker(TOY, seed)
    # Of many bases the signs are found by bit, of few one by one.
    claims = maker.claims(maker.random.randrange(2, 9) if seed % 3 else 40)
    chosen = best_window if window is None else lambda *_: window
    with mock.patch.object(multipower, "best_window", chosen):
        assert maker.holds(claims)
        spoil(maker, claims)
        assert not maker.holds(claims)


@each
def test_not_at_full_width_either(spoil: Spoil) -> None:
    """The same with 4096 bits, where the error is 2^-128."""
    maker = Maker(REAL, 1)
    claims = maker.claims(3)
    assert maker.holds(claims)
    spoil(maker, claims)
    assert not maker.holds(claims)


@seeds
def test_the_claims_that_hold_are_found(seed: int) -> None:
    """The search finds exactly the right ones, wherever the wrong ones stand."""
    maker = Maker(TOY, seed)
    claims: list[Claim | None] = list(maker.claims(17))
    wrong = maker.random.sample(range(17), maker.random.randrange(5))
    for i in wrong:
        minus(maker, [claim for claim in (claims[i],) if claim is not None])
    claims[3] = None
    found = Batch(TOY, maker.table).search(claims)
    assert found == [i not in wrong and i != 3 for i in range(17)]
    assert Batch(TOY, maker.table).search([]) == []


@seeds
def test_where_very_much_is_wrong_the_search_ends(seed: int) -> None:
    """What was not tried is not found to hold, and so few products tell nothing wrong.

    Whoever has all of a record's ballots wrong could else have each of them tried in a
    product for every halving, which costs several times what it is to save.
    """
    maker, tried = Maker(TOY, seed), list[int]()
    claims: list[Claim | None] = list(maker.claims(64))
    few = set(maker.random.sample(range(64), 4))

    def wrong(those: set[int]) -> list[bool]:
        def holds(_: Batch, some: Sequence[Claim]) -> bool:
            tried.append(len(some))
            return not any(some_claim is claims[i] for some_claim in some for i in those)

        tried.clear()
        with mock.patch.object(Batch, "holds", holds):
            return Batch(TOY, maker.table).search(claims)

    assert wrong(few) == [i not in few for i in range(64)]
    assert sum(tried) <= 5 * 64
    assert wrong(set(range(64))) == [False] * 64
    assert sum(tried) <= 5 * 64
    half = set(maker.random.sample(range(64), 32))
    found = wrong(half)
    assert sum(tried) <= 5 * 64
    assert not any(found[i] for i in half)


def test_products_of_bases() -> None:
    """An equation about a product holds if its bases multiply to it, and else not."""
    maker = Maker(TOY, 5)
    elements = [maker.element() for _ in range(5)]
    for wrong in (1, maker.key, P - 1, maker.of_order_s()):
        claim = Claim()
        numbers = [claim.base(x) for x in elements]
        total = claim.product([claim.product(numbers[:2]), *numbers[2:], numbers[0]])
        c, v, product = maker.scalar(), maker.scalar(), elements[0]
        for x in elements:
            product = product * x % P
        commitment = TOY.power(TOY.g, v) * TOY.power(product, c) * wrong % P
        claim.equations.append(Equation(commitment, v, 0, ((total, c),)))
        assert maker.holds([claim]) == (wrong == 1)
        assert maker.holds([maker.claim(), claim, claim]) == (wrong == 1)


def test_random_exponents_are_fresh() -> None:
    """Two tests of the same batch take different exponents, of 128 bits."""
    maker, seen = Maker(TOY, 0), list[list[int]]()
    claims = maker.claims(40)
    product = square_product

    def watched(bases: Sequence[mpz], exponents: Sequence[int], bits: int, p: mpz) -> mpz | None:
        seen.append(list(exponents))
        return product(bases, exponents, bits, p)

    with mock.patch("verifier.batch.square_product", watched):
        assert maker.holds(claims)
        assert maker.holds(claims)
    weights = [row for row in seen if len(row) == 160]
    assert len(weights) == 2
    assert not set(weights[0]) & set(weights[1])
    assert SECURITY == 128 == max(x.bit_length() for row in weights for x in row)


def test_which_groups_are_suitable() -> None:
    """p - 1 = 2qs with primes q and s above 2^128 and p = 3 mod 4; toy sets are not."""
    assert {parameters.name for parameters in ALL if not parameters.is_toy} == SUITABLE
    for parameters in (REDUCED_3072, STANDARD):
        s, rest = divmod(parameters.p - 1, 2 * parameters.q)
        assert rest == 0
        assert parameters.p % 4 == 3
        assert min(s, parameters.q) > 2**SECURITY
        assert is_prime(parameters.q)
        assert is_prime(s, 3)
    assert is_prime(S)


# --- powers


exponents = st.integers(min_value=0, max_value=2**64 - 1)


@given(st.integers(1, P - 1), exponents)
def test_powers_of_a_chain(base: int, exponent: int) -> None:
    """Digits add up to their exponent, and a chain gives the power."""
    assert sum(digit << position for position, digit in digits(exponent)) == exponent
    assert all(digit % 2 and digit < 16 for _, digit in digits(exponent))
    chain = Chain(mpz(base), TOY.p, 64)
    assert chain.power(digits(exponent)) == pow(base, exponent, P)
    assert chain.has_order(TOY.q) == (pow(base, Q, P) == 1) == (TOY.member(base) is not None)


def test_members_have_the_order_q() -> None:
    """In every group: 1 and g are members, -1, 0, p and what is of order s are none."""
    for parameters in ALL:
        group = Group(parameters)
        for x in (1, group.g):
            assert group.member(x) is not None
        outside = group.power(group.g, 5) * group.power(3, 2 * group.q) % group.p
        for x in (0, -1, group.p, group.p + 1, group.p - 1, group.p - group.g, outside):
            assert (group.member(x) is not None) == group.is_member(x)
        assert group.member(group.p - 1) is None


@given(
    st.lists(st.tuples(st.integers(1, P - 1), exponents), max_size=12),
    st.sampled_from((0, 1, 3, 5)),
)
def test_products_of_powers(pairs: list[tuple[int, int]], window: int) -> None:
    """However it is computed, the product is that of the powers, of squares at least."""
    expected = 1
    for base, exponent in pairs:
        expected = expected * pow(base, exponent, P) % P
    bases, exps = [mpz(base) for base, _ in pairs], [exponent for _, exponent in pairs]
    assert interleaved(bases, exps, TOY.p) == expected
    squares = [base * base % P for base in bases]
    with mock.patch.object(multipower, "best_window", return_value=window):
        assert square_product(squares, exps, 64, TOY.p) == expected * expected % P
        found = square_product(bases, exps, 64, TOY.p)
        assert found in (None, expected)
        if all(jacobi(base, TOY.p) == 1 for base in bases):
            assert found == expected


@settings(max_examples=30)
@given(st.sets(st.integers(0, 79), min_size=1), st.integers(0, 2**32))
def test_bit_products_see_every_set_of_non_squares(negative: set[int], seed: int) -> None:
    """Whichever of 80 bases are multiplied with -1, and however many."""
    maker = Maker(TOY, seed)
    bases = [maker.element() * (-1 if i in negative else 1) % P for i in range(80)]
    weights = [maker.random.getrandbits(64) for _ in bases]
    with mock.patch.object(multipower, "best_window", return_value=5):
        assert square_product(bases, weights, 64, TOY.p) is None


@pytest.mark.parametrize("window", [8, 10])
def test_a_table_refuses_what_is_too_long(window: int) -> None:
    """Rather than to forget the upper bits."""
    table = FixedBase(3, TOY.p, 64, window)
    assert table.power(2**64 - 1) == pow(3, 2**64 - 1, P)
    for exponent in (2**80, -1):
        with pytest.raises(OverflowError):
            table.power(exponent)


@given(st.sets(st.integers(1, 300), min_size=1, max_size=12), st.integers(0, 2**32))
def test_weights(trustees: set[int], seed: int) -> None:
    """Small numerators and one root give what the coefficients w_i give (85)."""
    chosen = tuple(sorted(trustees))
    for group in (TOY, REAL):
        weights = Weights.of(chosen, group.q)
        for i in chosen:
            w = group.lagrange(i, chosen)
            assert (weights.numerators[i] * weights.root - w) % group.q == 0
    maker = Maker(TOY, seed)
    shares = {i: maker.element() for i in chosen}
    weights = Weights.of(chosen, TOY.q)
    small, plain = mpz(1), mpz(1)
    for i, share in shares.items():
        small = small * TOY.power(share, weights.numerators[i]) % P
        plain = plain * TOY.power(share, TOY.lagrange(i, chosen)) % P
    assert TOY.power(small, weights.root) == plain


def test_a_response_of_zero_makes_no_claim() -> None:
    """In (95) it is the exponent of A, and A to the power of 0 does not show where A is."""
    shares = Shares(mock.Mock(group=TOY), mock.Mock(refuted=True))
    session, share = mock.Mock(trustees=(1, 2)), Share(1, TOY.g, TOY.g, TOY.g)
    session.target.ciphertexts.return_value = [(TOY.g, TOY.g)]
    with mock.patch.object(Shares, "challenge", return_value=mpz(5)):
        assert shares.claim(session, share, 0, mpz(1)) is not None
        assert shares.claim(session, share, 0, mpz(0)) is None


@pytest.mark.parametrize("right", [True, False])
def test_a_decryption_whose_challenge_is_no_hash_makes_no_claim(right: bool) -> None:
    """Whoever may choose c proves anything: the equations alone hold for every c and v."""
    maker, extended = Maker(TOY, 1), bytes(32)
    p, alpha, u = TOY.p, maker.element(), maker.scalar()
    factor = TOY.power(alpha, SECRET)
    value = maker.element()
    commitments = TOY.power(TOY.g, u), TOY.power(alpha, u)
    pair = alpha, value * factor % p
    c = decryption_challenge(TOY, extended, (1, 1), pair, commitments, factor)
    c = c if right else c + 1
    option = Option(Place(), 0, value, mpz(c), mpz((u - c * SECRET) % TOY.q))
    key = mpz(maker.key)
    decryptions = Decryptions(TOY, key, maker.table, extended, Findings())
    claim = decryptions.claim(option, (1, 1), [pair], commitments)
    assert (claim is not None) == right
    assert claim is None or Batch(TOY, maker.table).holds([claim])


def test_under_which_keys_there_are_batches() -> None:
    """The key has to be in the group, and the group one of those for which all this is said."""
    table = mock.Mock()
    assert batch_for(REAL, REAL.g, table) is not None
    assert batch_for(REAL, REAL.p - REAL.g, table) is None
    assert batch_for(TOY, TOY.g, table) is None
