"""Ballots: each check of one, each wrong in one piece and consistent after it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from crypto.errors import Rejected
from crypto.parameters import TOY
from crypto.range_proof import RangeProof
from crypto.sealing import SealedNonce
from record import ballot_hashes
from record.artifacts import (
    Ballot,
    BallotContest,
    Selection,
)
from record.manifest import Contest, Option
from record.proofs import verify_ballot
from tests.ballots import (
    Encryptor,
    Plain,
    begin_device,
    encrypt,
    rehashed,
    submit,
)
from tests.refusing import outside, refuse
from tests.world import World, manifest_bytes, manifest_document

BOX = "ballot-box-1"
OTHER_BOX = "ballot-box-2"
DEVICE = f"device {BOX}"
FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})


def open_world(chaining: str = "simple", *devices: str) -> World:
    """The polls are open; these devices have begun (`ballot-box-1` if none is named)."""
    world = World.create(TOY[-1], manifest=manifest_bytes(manifest_document(chaining)))
    for label in devices or (BOX,):
        begin_device(world, label)
    return world


class WrongIdentifierHash(Encryptor):
    """H_I of another identifier; everything else follows from it."""

    def identifier_hash(self) -> bytes:
        return ballot_hashes.identifier_hash(self.keys.extended_base_hash, bytes(32))


class OtherElection(Encryptor):
    """H_I under H_B instead of H_E."""

    def identifier_hash(self) -> bytes:
        return ballot_hashes.identifier_hash(self.world.context.base_hash, self.id_b)


class AlphaOutside(Encryptor):
    """alpha of the first option is not in the subgroup."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        if (contest.index, option.index) != (1, 1):
            return made
        return replace(made, alpha=outside(self.world, made.alpha))


class BetaOutside(Encryptor):
    """beta of the last option is not in the subgroup."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        if (contest.index, option.index) != (2, 2):
            return made
        return replace(made, beta=outside(self.world, made.beta))


class ProofOfAnotherOption(Encryptor):
    """Every option has the proof of the first one."""

    def contest(self, contest: Contest) -> BallotContest:
        made = super().contest(contest)
        proof = made.selections[0].proof
        selections = tuple(replace(s, proof=proof) for s in made.selections)
        return replace(made, selections=selections)


class ShortProof(Encryptor):
    """A range proof without its last branch."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        proof = RangeProof(made.proof.challenges[:-1], made.proof.responses[:-1])
        return replace(made, proof=proof)


class LongProof(Encryptor):
    """A range proof of a larger limit: it holds, but not for this one."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        return super().selection(replace(contest, option_limit=contest.option_limit + 1), option)


class UnevenProof(Encryptor):
    """A limit proof with a response less than it has challenges."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        made = super().limit_proof(contest, selections)
        return RangeProof(made.challenges, made.responses[:-1])


class EmptyLimitProof(Encryptor):
    """A limit proof of nothing."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        return RangeProof((), ())


class HigherLimit(Encryptor):
    """A limit proof for L + 1."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        higher = replace(contest, selection_limit=contest.selection_limit + 1)
        return super().limit_proof(higher, selections)


class WrongContestHash(Encryptor):
    """The hash of the first contest with another index."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        return super().contest_hash(replace(contest, index=contest.index + 1), selections)


class WrongCode(Encryptor):
    """A code over the contests in reverse."""

    def confirmation_code(self, contests: Sequence[BallotContest], b_c: bytes) -> bytes:
        return super().confirmation_code(list(reversed(contests)), b_c)


class NonceOutside(Encryptor):
    """C_0 of the ballot nonce is not in the subgroup."""

    def encrypted_nonce(self) -> SealedNonce:
        made = super().encrypted_nonce()
        return replace(made, c0=outside(self.world, made.c0))


class OtherNonce(Encryptor):
    """C_1 of the ballot nonce is changed after the proof."""

    def encrypted_nonce(self) -> SealedNonce:
        return replace(super().encrypted_nonce(), c1=bytes(32))


@pytest.mark.parametrize(
    ("encryptor", "check"),
    [
        (WrongIdentifierHash, "5.B"),
        (OtherElection, "5.B"),
        (AlphaOutside, "6.A"),
        (BetaOutside, "6.A"),
        (ProofOfAnotherOption, "6.D"),
        (ShortProof, "R.ballot"),
        (LongProof, "R.ballot"),
        (UnevenProof, "R.ballot"),
        (EmptyLimitProof, "R.ballot"),
        (HigherLimit, "R.ballot"),
        (WrongContestHash, "8.A"),
        (WrongCode, "8.B"),
        (NonceOutside, "R.nonce-proof"),
        (OtherNonce, "R.nonce-proof"),
    ],
)
def test_wrong_ballots(encryptor: type[Encryptor], check: str) -> None:
    """A ballot wrong in one piece, and consistent after it, fails exactly that check."""
    world = open_world()
    submit(world, FULL)
    refuse(world, encrypt(world, replace(FULL, encryptor=encryptor)).ballot, check, DEVICE)
    submit(world, FULL)


@pytest.mark.parametrize(
    ("values", "check"),
    [
        ({"president": (2, 0, 0)}, "6.D"),
        ({"president": (1, 1, 0)}, "7.D"),
        ({"council": (3, 0)}, "6.D"),
        ({"council": (2, 2)}, "7.D"),
    ],
)
def test_overvotes(values: dict[str, tuple[int, ...]], check: str) -> None:
    """More than R for an option, or more than L in a contest, has no proof."""
    world = open_world()
    refuse(world, encrypt(world, Plain(values)).ballot, check, DEVICE)


@pytest.mark.parametrize(
    "values",
    [{}, {"president": (0, 0, 1)}, {"council": (2, 1)}, {"council": (1, 2)}, {"council": (0, 2)}],
)
def test_votes_within_the_limits(values: dict[str, tuple[int, ...]]) -> None:
    """Blank, partial and full ballots are all accepted."""
    world = open_world()
    submit(world, Plain(values))


def _contests(ballot: Ballot, *indices: int) -> dict[str, Any]:
    return {"contests": tuple(ballot.contests[i] for i in indices)}


def _selections(ballot: Ballot, count: int) -> dict[str, Any]:
    first, *rest = ballot.contests
    selections = (first.selections * 2)[:count]
    return {"contests": (replace(first, selections=selections), *rest)}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda b: {"unit": "nowhere"}, "unit"),
        (lambda b: {"unit": "city"}, "unit"),
        (lambda b: {"unit": "village"}, "ballot_style"),
        (lambda b: {"ballot_style": "none"}, "ballot_style"),
        (lambda b: {"ballot_style": "short"}, "contests"),
        (_contests, "contests"),
        (lambda b: _contests(b, 0), "contests"),
        (lambda b: _contests(b, 1), "contests"),
        (lambda b: _contests(b, 1, 0), "contests"),
        (lambda b: _contests(b, 0, 0, 1), "contests"),
        (lambda b: _contests(b, 0, 1, 1), "contests"),
        (lambda b: _selections(b, 0), "contests[0].selections"),
        (lambda b: _selections(b, 2), "contests[0].selections"),
        (lambda b: _selections(b, 4), "contests[0].selections"),
    ],
)
def test_ballots_that_do_not_fit(change: Callable[[Ballot], dict[str, Any]], where: str) -> None:
    """Style, unit, device, contests and options are those of the manifest."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    wrong = rehashed(world, replace(ballot, **change(ballot)))
    assert refuse(world, wrong, "R.ballot", DEVICE).where == f"ballot.{where}"


def test_a_unit_that_the_device_does_not_serve() -> None:
    """A device submits for its own units only."""
    world = open_world("simple", OTHER_BOX)
    plain = Plain(device=OTHER_BOX, unit="centre", style="short")
    wrong = refuse(world, encrypt(world, plain).ballot, "R.ballot", f"device {OTHER_BOX}")
    assert wrong.where == "ballot.unit"


@pytest.mark.parametrize("field", ["device", "unit", "ballot_style"])
def test_labels_that_no_manifest_has(field: str) -> None:
    """The proofs of a ballot are refused by label where nothing else was checked before."""
    world = open_world()
    ballot = replace(encrypt(world, FULL).ballot, **{field: "elsewhere"})  # type: ignore[arg-type]
    with pytest.raises(Rejected) as caught:
        verify_ballot(world.context, world.keys, ballot)
    assert (caught.value.check, caught.value.where) == ("R.ballot", f"ballot.{field}")
    assert "'elsewhere'" in caught.value.problem


def test_contest_indices_that_do_not_exist() -> None:
    """A contest index far beyond the manifest is a wrong ballot, not an accident."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    contests = tuple(replace(c, index=2**31 - 1) for c in ballot.contests)
    refuse(world, replace(ballot, contests=contests), "R.ballot", DEVICE)


@pytest.mark.parametrize("chaining", ["simple", "none"])
def test_chaining(chaining: str) -> None:
    """B_C continues the chain of its own device, in the mode of the manifest."""
    world = open_world(chaining, BOX, OTHER_BOX)
    check = "8.E" if chaining == "simple" else "8.D"
    village = Plain(unit="village", style="short")
    fields = [encrypt(world, village).ballot.chaining_field]
    submit(world, village)
    submit(world, replace(village, device=OTHER_BOX))
    fields += [
        bytes(36),
        encrypt(world, replace(village, device=OTHER_BOX)).ballot.chaining_field,
        (bytes(4) if chaining == "simple" else b"\0\0\0\1")
        + encrypt(world, village).ballot.chaining_field[4:],
    ]
    if chaining == "none":
        assert fields.pop(0) == encrypt(world, village).ballot.chaining_field
    for field in fields:
        ballot = replace(encrypt(world, village).ballot, chaining_field=field)
        refuse(world, rehashed(world, ballot), check, DEVICE)
    submit(world, village)


def test_two_ballots_prepared_at_once() -> None:
    """Of two ballots chained to the same code, only the first is accepted."""
    world = open_world()
    first, second = encrypt(world, FULL).ballot, encrypt(world, FULL).ballot
    world.append(first)
    error = refuse(world, second, "8.E", DEVICE)
    assert first.confirmation_code.hex() in error.advice


def test_identifiers_are_unique() -> None:
    """id_B of another ballot is refused, on another device, too."""
    world = open_world("none", BOX, OTHER_BOX)
    village = Plain(unit="village", style="short")
    used = submit(world, village).ballot

    class SameIdentifier(Encryptor):
        def identifier(self) -> bytes:
            return used.identifier

    again = replace(village, encryptor=SameIdentifier)
    refuse(world, encrypt(world, again).ballot, "5.A", DEVICE)
    other = encrypt(world, replace(again, device=OTHER_BOX)).ballot
    error = refuse(world, other, "5.A", f"device {OTHER_BOX}")
    assert f"artifact {world.state.ballots[used.confirmation_code].index}" in error.where


def test_codes_are_unique() -> None:
    """A ballot that claims the code of another one is refused."""
    world = open_world("none")
    used = submit(world, FULL).ballot
    other = replace(encrypt(world, FULL).ballot, confirmation_code=used.confirmation_code)
    refuse(world, other, "R.duplicate", DEVICE)


def test_the_same_values_twice() -> None:
    """A copy of somebody's ciphertexts under a fresh identifier has no proofs."""
    world = open_world("none")
    used = submit(world, FULL).ballot
    copy = rehashed(world, replace(used, identifier=secrets.token_bytes(32)))
    refuse(world, copy, "6.D", DEVICE)
