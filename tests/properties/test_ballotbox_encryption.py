"""What a device makes with a ballot: hints that are the commitments of its proofs."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballotbox import encryption
from ballotbox.encryption import EncryptedBallot, encrypt_ballot, prepare
from crypto.group import FixedBase, Group
from crypto.parameters import STANDARD, TOY
from record import proofs
from record.hints import parse_hints
from record.proofs import verify_ballots
from tests.hinting import encoded_hints, hints_of
from tests.world import World

FULL = {"president": {"gulnar": 1}, "council": {"yes": 2, "no": 1}}


@cache
def toy_world() -> World:
    return World.create(TOY[-1])


def encrypt(world: World, style: str, selections: encryption.Selections) -> EncryptedBallot:
    return encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", style, selections, bytes(36)
    )


@settings(max_examples=30)
@given(st.integers(0, 2), st.integers(0, 1), st.sampled_from(["full", "short"]))
def test_hints_are_the_commitments_of_the_proofs(yes: int, no: int, style: str) -> None:
    """Those that a verifier finds, for every ballot style and choice."""
    world = toy_world()
    chosen = {"president": {"abai": no}, "council": {"yes": yes, "no": no}}
    selections = {k: v for k, v in chosen.items() if k == "president" or style == "full"}
    made = encrypt(world, style, selections)
    assert made.hints == encoded_hints(world, made.ballot)
    assert parse_hints(made.hints, made.ballot, world.group) == hints_of(world, made.ballot)


def test_the_hints_of_a_device_are_all_that_a_batch_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 4096 bits no ballot that a device made is checked by itself."""
    world = World.create(STANDARD, trustees=1, quorum=1)
    made = [encrypt(world, "full", FULL) for _ in range(2)]

    def never(*_: object) -> None:
        raise AssertionError("a ballot was checked by itself")

    monkeypatch.setattr(proofs, "verify_ballot", never)
    hinted = [(m.ballot, m.hints) for m in made]
    assert verify_ballots(world.context, world.keys, hinted) == [None, None]


def test_encryption_takes_no_power_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare` builds all that it needs; a ballot then has no exponentiation."""
    world = World.create(TOY[-1])
    prepare(world.keys)

    def forbidden(*_: object) -> None:
        raise AssertionError("an exponentiation without a table")

    monkeypatch.setattr(Group, "power", forbidden)
    monkeypatch.setattr(Group, "power_secret", forbidden)
    encrypt(world, "full", FULL)


def test_tables_keep_to_their_budget() -> None:
    """With the standard parameters: 24, 24 and 32 multiplications a power, 65 MiB at most."""
    parameters, used = STANDARD, []
    for memory in encryption.TABLES:
        table = FixedBase(Group(parameters), Group(parameters).g, memory)
        rows = -(-256 // table.window)
        used.append((rows, (rows << table.window) * (parameters.element_width + 64)))
    assert [rows for rows, _ in used] == [24, 24, 32]
    assert all(size <= memory for (_, size), memory in zip(used, encryption.TABLES, strict=True))
    assert sum(size for _, size in used) < 65 * 2**20


def test_a_ballot_does_not_show_its_secrets() -> None:
    """Neither choices nor the ballot nonce are in the repr of what a device made."""
    made = encrypt(toy_world(), "full", FULL)
    shown = repr(made)
    assert "BallotSecrets(<redacted>)" in shown
    assert str(made.secrets.ballot_nonce) not in shown
    assert str(made.secrets.selections) not in shown
