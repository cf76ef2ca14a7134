"""A batch holds if everything claimed in it is true, and never otherwise.

Whoever claims something false knows everything but the random exponents, and may have
chosen all the rest. Each test does the best that can be done to get one thing through,
and the batch itself has to refuse, seed after seed; what an exact check would say
afterwards does not count here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import pytest
from gmpy2 import jacobi, mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import batch, decryption_proof, range_proof, schnorr, sealing
from crypto.batch import Claims, batchable, find_false, unproved, verify
from crypto.commitments import Commitments, encode_commitments
from crypto.elgamal import Ciphertext, PublicKey, accumulate, encrypt
from crypto.errors import InvalidProof, Part
from crypto.group import Group, group_for
from crypto.hashing import index_bytes
from crypto.parameters import REDUCED_3072, STANDARD, TOY
from crypto.range_proof import RangeProof
from tests.hinting import MIDDLE

GROUP = Group(MIDDLE)
REAL = group_for(STANDARD)
KEY = PublicKey(GROUP, GROUP.g_power(424242))
REAL_KEY = PublicKey(REAL, REAL.g_power(424242))
HI = bytes(range(32))
CONTEXT = index_bytes(7) + index_bytes(3)

seeds = st.integers(0, 2**64)
many = settings(max_examples=100, deadline=None)
few = settings(max_examples=5, deadline=None)
groups = pytest.mark.parametrize("group", [GROUP, pytest.param(REAL, id="standard")])


def seeds_for(group: Group) -> range:
    """How often a test is repeated."""
    return range(100 if group is GROUP else 4)


def of_order_s(group: Group, random: Random) -> mpz:
    """An element of order s."""
    while (x := group.power(mpz(random.randrange(2, 10**9)), 2 * group.q)) == 1:
        pass
    return x


def scalar(group: Group, random: Random) -> mpz:
    return mpz(random.randrange(1, group.parameters.q))


def member(group: Group, random: Random) -> mpz:
    return group.power(group.g, scalar(group, random))


@dataclass(frozen=True)
class Equations:
    """a = g^v x^c and b = g^w y^d, which hold unless somebody changes something."""

    group: Group
    x: mpz
    y: mpz
    v: mpz
    w: mpz
    c: mpz
    d: mpz
    a: mpz
    b: mpz

    @classmethod
    def on(cls, group: Group, random: Random, x: mpz, y: mpz, c: mpz | None = None) -> Equations:
        """Equations that hold, for these bases, whatever those are; `c` if it matters."""
        v, w, c_, d = (scalar(group, random) for _ in range(4))
        c = c_ if c is None else c
        a = group.power(group.g, v) * group.power(x, c) % group.p
        b = group.power(group.g, w) * group.power(y, d) % group.p
        return cls(group, x, y, v, w, c, d, a, b)

    @classmethod
    def right(cls, group: Group, random: Random) -> Equations:
        return cls.on(group, random, member(group, random), member(group, random))

    def claims(self) -> Claims:
        """Membership of x and y, and both equations."""
        claims = Claims(self.group)
        claims.member(self.x, "x")
        claims.member(self.y, "y")
        claims.equation(self.a, self.group.table, self.v, ((self.x,), self.c))
        claims.equation(self.b, self.group.table, self.w, ((self.y,), self.d))
        return claims

    def times(self, **factors: mpz) -> Equations:
        """With some of the elements multiplied by something."""
        p = self.group.p
        return replace(self, **{n: getattr(self, n) * f % p for n, f in factors.items()})


def refused(group: Group, *wrong: Equations) -> None:
    """The batch refuses these, alone and among right ones."""
    claims = [equations.claims() for equations in wrong]
    right = Equations.right(group, Random(17)).claims()
    for found in (claims, [right, *claims, right]):
        with pytest.raises(InvalidProof, match="a proof of the batch does not hold"):
            verify(group, found)


def without_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every exponent that should be random is 1."""
    monkeypatch.setattr(batch, "_random_exponents", lambda _: itertools.repeat(1))


# --- what is true


@groups
def test_what_is_true_holds(group: Group) -> None:
    """Batches of nothing, one and some; with an element in several places."""
    random = Random(1)
    verify(group, [])
    verify(group, [Claims(group)])
    some = [Equations.right(group, random) for _ in range(5)]
    verify(group, [some[0].claims()])
    verify(group, [equations.claims() for equations in some])
    again = Equations.on(group, random, some[0].x, some[0].x)
    commitment_of_another = Equations.on(group, random, some[1].a, some[1].b)
    claims = [e.claims() for e in (*some, again, commitment_of_another, some[0])]
    verify(group, claims)
    assert find_false(group, claims) == []


def test_members_that_are_known_need_no_claim() -> None:
    """A base may be a member for other reasons, and an equation may have no table."""
    random = Random(2)
    x, y, v, c = *(member(GROUP, random) for _ in range(2)), *(scalar(GROUP, random),) * 2
    claims = Claims(GROUP)
    claims.equation(
        GROUP.power(x, v) * GROUP.power(y, c) % GROUP.p, None, mpz(0), ((x,), v), ((y,), c)
    )
    product = x * y % GROUP.p
    claims.equation(GROUP.power(product, c), None, mpz(0), ((x, y), c))
    verify(GROUP, [claims])


# --- one element wrong, in each way that there is


@groups
@pytest.mark.parametrize("name", ["x", "y", "a", "b"])
def test_an_element_times_minus_one(group: Group, name: str) -> None:
    """Refused at once, for certain: its Jacobi symbol is -1."""
    for seed in seeds_for(group):
        wrong = Equations.right(group, Random(seed)).times(**{name: group.p - 1})
        assert jacobi(getattr(wrong, name), group.p) == -1
        with pytest.raises(InvalidProof) as caught:
            wrong.claims()
        assert caught.value.part is Part.MEMBERSHIP


@groups
def test_minus_one_that_its_own_equation_does_not_show(group: Group) -> None:
    """-x with an even c satisfies the equation; it is refused all the same."""
    for seed in seeds_for(group):
        random = Random(seed)
        right = Equations.right(group, random)
        even = replace(right, x=group.p - right.x, c=mpz(2))
        a = group.power(group.g, right.v) * right.x * right.x % group.p
        with pytest.raises(InvalidProof):
            replace(even, a=a).claims()


@groups
@pytest.mark.parametrize("name", ["x", "y", "a", "b"])
def test_an_element_times_one_of_order_s(group: Group, name: str) -> None:
    """It has the Jacobi symbol 1, and the batch refuses it."""
    for seed in seeds_for(group):
        random = Random(seed)
        refused(group, Equations.right(group, random).times(**{name: of_order_s(group, random)}))


@groups
def test_an_equation_that_holds_for_what_is_no_member(group: Group) -> None:
    """x has a part of order s, and a was made from it: only membership is false.

    A challenge so small that no multiple of it reaches q leaves nothing to chance but what
    membership itself brings into the product.
    """
    for seed in seeds_for(group):
        random = Random(seed)
        part = of_order_s(group, random)
        x, y = (member(group, random) * f % group.p for f in (part, group.inverse(part)))
        refused(group, *(Equations.on(group, random, z, z, mpz(1)) for z in (x, y)))
        for c in (None, mpz(0), mpz(1), mpz(2)):
            x = member(group, random) * of_order_s(group, random) % group.p
            refused(group, Equations.on(group, random, x, member(group, random), c))


@groups
@pytest.mark.parametrize("name", ["x", "y", "a", "b"])
def test_another_member(group: Group, name: str) -> None:
    """An element times a member, so that only the equation is false."""
    for seed in seeds_for(group):
        random = Random(seed)
        refused(group, Equations.right(group, random).times(**{name: member(group, random)}))


@groups
@pytest.mark.parametrize("name", ["v", "w", "c", "d"])
def test_another_scalar(group: Group, name: str) -> None:
    """A response or challenge that is one too large."""
    for seed in seeds_for(group):
        right = Equations.right(group, Random(seed))
        refused(group, replace(right, **{name: (getattr(right, name) + 1) % group.q}))


# --- errors that cancel


@groups
def test_errors_that_cancel_in_a_plain_product(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a z and b / z, in one claimant or two: only the random exponents tell them apart."""
    pairs = []
    for seed in seeds_for(group):
        random = Random(seed)
        z = member(group, random)
        one, other = Equations.right(group, random), Equations.right(group, random)
        pairs += [
            (one.times(a=z, b=group.inverse(z)),),
            (one.times(a=z), other.times(a=group.inverse(z))),
            (one.times(a=z), other.times(b=group.inverse(z))),
        ]
    for pair in pairs:
        refused(group, *pair)
    without_randomness(monkeypatch)
    for pair in pairs:
        verify(group, [equations.claims() for equations in pair])


@groups
def test_parts_of_order_s_that_cancel(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two commitments; and in two members, whose commitments were made from them."""
    cases = []
    for seed in seeds_for(group):
        random = Random(seed)
        z = of_order_s(group, random)
        one, other = Equations.right(group, random), Equations.right(group, random)
        x, y = one.x * z % group.p, one.y * group.inverse(z) % group.p
        cases += [
            (one.times(a=z, b=group.inverse(z)),),
            (one.times(a=z), other.times(b=group.inverse(z))),
            # c = d, so that with one exponent for all x^c y^d has no part of order s.
            (_with_equal_scalars(Equations.on(group, random, x, y)),),
        ]
    for case in cases:
        refused(group, *case)
    without_randomness(monkeypatch)
    for case in cases[:2]:
        verify(group, [equations.claims() for equations in case])


def _with_equal_scalars(made: Equations) -> Equations:
    group = made.group
    b = group.power(group.g, made.w) * group.power(made.y, made.c) % group.p
    return replace(made, d=made.c, b=b)


def test_the_same_error_everywhere() -> None:
    """In both equations of one claimant, and in all of eight claimants."""
    for seed in seeds_for(GROUP):
        random = Random(seed)
        z = member(GROUP, random)
        refused(GROUP, Equations.right(GROUP, random).times(a=z, b=z))
        refused(GROUP, *[Equations.right(GROUP, random).times(a=z) for _ in range(8)])


def test_exponents_are_drawn_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two are equal, within a batch or between two of the same; all have 128 bits."""
    drawn: list[int] = []
    original = batch._random_exponents

    def recording(count: int) -> list[int]:
        found = list(original(count))
        drawn.extend(found)
        return found

    monkeypatch.setattr(batch, "_random_exponents", lambda count: iter(recording(count)))
    claims = Equations.right(GROUP, Random(3)).claims()
    for _ in range(16):
        verify(GROUP, [claims])
    assert len(set(drawn)) == len(drawn) == 16 * claims.size
    assert 120 < max(drawn).bit_length() <= batch.BITS


# --- whose claim it is


@many
@given(seeds, st.lists(st.booleans(), max_size=12))
def test_the_search_names_all_that_are_false(seed: int, wrong: list[bool]) -> None:
    """And nobody else, wherever they stand."""
    random = Random(seed)
    claims = [
        Equations.right(GROUP, random).times(a=GROUP.g if bad else mpz(1)).claims() for bad in wrong
    ]
    assert find_false(GROUP, claims) == [i for i, bad in enumerate(wrong) if bad]


@many
@given(seeds, st.lists(st.sampled_from(["right", "false", "malformed"]), max_size=12))
def test_claimants(seed: int, kinds: list[str]) -> None:
    """What is wrong at first sight does not reach the batch, and is named like the rest."""
    random = Random(seed)

    def claimant(kind: str, claims: Claims) -> None:
        made = Equations.right(GROUP, random)
        if kind == "false":
            made = made.times(b=GROUP.g)
        claims.members += made.claims().members
        claims.equations += made.claims().equations
        if kind == "malformed":
            raise InvalidProof("at first sight")

    found = unproved(GROUP, [partial(claimant, kind) for kind in kinds])
    assert found == [i for i, kind in enumerate(kinds) if kind != "right"]


def test_many_claimants_make_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product has more elements than fit, and nobody is lost between two."""
    monkeypatch.setattr(batch, "SIZE", 9)
    sizes: list[int] = []
    original = batch.find_false

    def recording(group: Group, found: list[Claims]) -> list[int]:
        sizes.append(len(found))
        return original(group, found)

    monkeypatch.setattr(batch, "find_false", recording)

    def claimant(i: int, claims: Claims) -> None:
        made = Equations.right(GROUP, Random(i)).times(a=GROUP.g if i in {2, 3, 10} else mpz(1))
        claims.members += made.claims().members
        claims.equations += made.claims().equations

    assert unproved(GROUP, [partial(claimant, i) for i in range(11)]) == [2, 3, 10]
    assert sizes == [3, 3, 3, 2]


def test_groups_without_batches() -> None:
    """Where q or s is short, a false claim could get through: nothing is claimed there."""
    assert [p.name for p in (STANDARD, REDUCED_3072, MIDDLE, *TOY) if batchable(p)] == [
        "standard",
        "reduced-3072",
        "middle-160-322",
    ]
    for parameters in TOY:
        group = group_for(parameters)
        with pytest.raises(ValueError, match="cannot be checked in batches"):
            Claims(group)

        def never(_: Claims) -> None:
            raise AssertionError("asked for claims that cannot be checked")

        assert unproved(group, [never, never]) == [0, 1]


# --- the proofs that make claims


@dataclass(frozen=True)
class Statement:
    """A contest of some selections: ciphertexts, proofs and commitments."""

    key: PublicKey
    ciphertexts: tuple[Ciphertext, ...]
    proofs: tuple[tuple[RangeProof, Commitments], ...]
    total: tuple[RangeProof, Commitments]

    @classmethod
    def on(cls, group: Group, random: Random, values: tuple[int, ...] = (0, 1, 0)) -> Statement:
        key = KEY if group is GROUP else REAL_KEY
        nonces = [scalar(group, random) for _ in values]
        made = tuple(encrypt(key, v, xi) for v, xi in zip(values, nonces, strict=True))
        proofs = tuple(
            range_proof.prove_and_commit(key, c, xi, v, 1, HI, CONTEXT)
            for c, v, xi in zip(made, values, nonces, strict=True)
        )
        product, nonce = accumulate(group, made), sum(nonces, mpz(0)) % group.q
        total = range_proof.prove_and_commit(key, product, nonce, sum(values), 2, HI, CONTEXT)
        return cls(key, made, proofs, total)

    def claims(self) -> Claims:
        claims = Claims(self.key.group)
        for c, (proof, committed) in zip(self.ciphertexts, self.proofs, strict=True):
            range_proof.claim_with_membership(claims, self.key, c, proof, 1, HI, CONTEXT, committed)
        proof, committed = self.total
        range_proof.claim(claims, self.key, self.ciphertexts, proof, 2, HI, CONTEXT, committed)
        return claims


@few
@given(seeds)
def test_proofs_of_a_contest(seed: int) -> None:
    """Honest proofs hold, in the real group too."""
    for group in (GROUP, REAL):
        verify(group, [Statement.on(group, Random(seed)).claims()])


@many
@given(seeds, st.integers(0, 3), st.integers(0, 10**6))
def test_a_hint_wrong_in_one_bit(seed: int, which: int, bit: int) -> None:
    """The hash is over the commitments' bytes: each bit of each commitment counts."""
    made = Statement.on(GROUP, Random(seed))
    proof, committed = (*made.proofs, made.total)[which]
    data = bytearray(committed.encoded)
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    width = GROUP.parameters.element_width
    elements = tuple(
        mpz.from_bytes(bytes(data[i : i + width]), "big") for i in range(0, len(data), width)
    )
    wrong = proof, Commitments(elements, bytes(data))
    if which == 3:
        made = replace(made, total=wrong)
    else:
        made = replace(made, proofs=(*made.proofs[:which], wrong, *made.proofs[which + 1 :]))
    with pytest.raises(InvalidProof):
        made.claims()


@many
@given(seeds, st.integers(0, 2))
def test_a_hint_that_goes_with_its_hash_and_not_with_the_proof(seed: int, which: int) -> None:
    """Whoever makes the challenge from other commitments passes the hash, and no more."""
    random = Random(seed)
    made = Statement.on(GROUP, random)
    other = encode_commitments(GROUP, (member(GROUP, random) for _ in range(4)))
    c = range_proof._challenge(GROUP, made.ciphertexts[which], other, HI, CONTEXT)
    proof = made.proofs[which][0]
    challenges = (proof.challenges[0], (c - proof.challenges[0]) % GROUP.q)
    forged = replace(proof, challenges=challenges), other
    proofs = (*made.proofs[:which], forged, *made.proofs[which + 1 :])
    with pytest.raises(InvalidProof, match="a proof of the batch"):
        verify(GROUP, [replace(made, proofs=proofs).claims()])


@pytest.mark.parametrize(("count", "k"), [(4, k) for k in range(4)] + [(6, k) for k in range(6)])
def test_each_commitment_counts(count: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover that commits to one wrong element, and does all else right with it.

    The hash is over what it committed to, so that one equation of the proof is false and
    nothing else: of a selection's (4 commitments) or of the contest's (6).
    """

    def altered(group: Group, elements: Iterable[mpz]) -> Commitments:
        found = list(elements)
        if len(found) == count:
            found[k] = found[k] * group.g % group.p
        return encode_commitments(group, found)

    monkeypatch.setattr(range_proof, "encode_commitments", altered)
    claims = Statement.on(GROUP, Random(6)).claims()
    with pytest.raises(InvalidProof, match="a proof of the batch"):
        verify(GROUP, [claims])


def _shape(proof: RangeProof) -> RangeProof:
    return RangeProof(proof.challenges[:-1], proof.responses)


def _challenge(proof: RangeProof) -> RangeProof:
    return replace(proof, challenges=(proof.challenges[0] + GROUP.q, *proof.challenges[1:]))


def _response(proof: RangeProof) -> RangeProof:
    return replace(proof, responses=(proof.responses[0] + GROUP.q, *proof.responses[1:]))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (_shape, Part.SHAPE),
        (_challenge, Part.CHALLENGE_RANGE),
        (_response, Part.RESPONSE_RANGE),
    ],
)
def test_claims_are_checked_at_first_sight(
    change: Callable[[RangeProof], RangeProof], part: Part
) -> None:
    """Shape and ranges do not wait for the batch, which would not see them."""
    made = Statement.on(GROUP, Random(4))
    (proof, committed), *rest = made.proofs
    with pytest.raises(InvalidProof) as caught:
        replace(made, proofs=((change(proof), committed), *rest)).claims()
    assert caught.value.part is part


def test_too_few_commitments() -> None:
    """A proof has two for each value; fewer claim nothing."""
    made = Statement.on(GROUP, Random(5))
    proof, committed = made.total
    short = encode_commitments(GROUP, committed.elements[:-1])
    with pytest.raises(InvalidProof, match="5 commitments for a limit of 2"):
        replace(made, total=(proof, short)).claims()


@few
@given(seeds)
def test_proofs_of_knowledge(seed: int) -> None:
    """The nonce of a ballot (38): right, with another commitment, and outside the subgroup."""
    random = Random(seed)
    sealed, a = sealing.seal_nonce_and_commit(KEY, HI, bytes(32))
    claims = Claims(GROUP)
    sealing.claim_sealed_nonce(claims, HI, sealed, a)
    verify(GROUP, [claims])
    other = encode_commitments(GROUP, [member(GROUP, random)])
    with pytest.raises(InvalidProof, match="proof of knowledge for C_0"):
        sealing.claim_sealed_nonce(Claims(GROUP), HI, sealed, other)
    with pytest.raises(InvalidProof) as caught:
        sealing.claim_sealed_nonce(Claims(GROUP), HI, replace(sealed, c0=GROUP.p - 1), a)
    assert caught.value.part is Part.MEMBERSHIP


@pytest.mark.parametrize("outside", [True, False])
def test_a_proof_of_knowledge_of_nothing(outside: bool) -> None:
    """C_0 of order s, with an a that fits it; and a member with an a that does not."""
    for seed in seeds_for(GROUP):
        random = Random(seed)
        u, c = scalar(GROUP, random), scalar(GROUP, random)
        public = of_order_s(GROUP, random) if outside else member(GROUP, random)
        a = GROUP.power(GROUP.g, u) * GROUP.power(public, c if outside else c + 1) % GROUP.p
        claims = Claims(GROUP)
        proof = schnorr.SchnorrProof(c, u)

        def challenge_of(_: mpz, c: mpz = c) -> mpz:
            return c

        schnorr.claim(claims, public, proof, challenge_of, "C_0", a)
        with pytest.raises(InvalidProof, match="a proof of the batch"):
            verify(GROUP, [claims])


@many
@given(seeds, st.sampled_from(["m_i", "a_i", "b_i", "challenge", "response", None]))
def test_responses_of_a_decryption(seed: int, wrong: str | None) -> None:
    """(94), (95): any of the five changed is refused, and nothing else is."""
    random = Random(seed)
    z, u, c = (scalar(GROUP, random) for _ in range(3))
    pad = member(GROUP, random)
    arguments = {
        "m_i": GROUP.power(pad, z),
        "a_i": GROUP.power(GROUP.g, u),
        "b_i": GROUP.power(pad, u),
        "challenge": c,
        "response": decryption_proof.respond(GROUP, u, z, c),
    }
    if wrong in {"m_i", "a_i", "b_i"}:
        arguments[wrong] = arguments[wrong] * member(GROUP, random) % GROUP.p
    elif wrong:
        arguments[wrong] = (arguments[wrong] + 1) % GROUP.q
    claims = Claims(GROUP)
    decryption_proof.claim_response(claims, GROUP.power(GROUP.g, z), pad, **arguments)
    if wrong is None:
        verify(GROUP, [claims])
    else:
        with pytest.raises(InvalidProof):
            verify(GROUP, [claims])


def test_partial_decryptions_outside_the_subgroup() -> None:
    """Two M_i have parts of order s that cancel, and b_i to fit: only membership is false."""
    for seed in seeds_for(GROUP):
        random = Random(seed)
        part = of_order_s(GROUP, random)
        batch_of_two = []
        for factor in (part, GROUP.inverse(part)):
            z, v, c = scalar(GROUP, random), scalar(GROUP, random), mpz(1)
            pad, public = member(GROUP, random), GROUP.power(GROUP.g, z)
            m_i = GROUP.power(pad, z) * factor % GROUP.p
            a_i = GROUP.power(GROUP.g, v) * GROUP.power(public, c) % GROUP.p
            b_i = GROUP.power(pad, v) * GROUP.power(m_i, c) % GROUP.p
            claims = Claims(GROUP)
            decryption_proof.claim_response(claims, public, pad, m_i, a_i, b_i, c, v)
            batch_of_two.append(claims)
        with pytest.raises(InvalidProof, match="a proof of the batch"):
            verify(GROUP, batch_of_two)
