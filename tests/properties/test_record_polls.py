"""The rules of the polls: devices, what is cast or challenged, the close.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crypto.parameters import TOY
from record.artifacts import (
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    Statement,
    sign_statement,
)
from record.state import Phase
from tests.ballots import (
    Fate,
    Plain,
    begin_device,
    close_statement,
    decision,
    device_statement,
    encrypt,
    submit,
)
from tests.decrypting import play_election
from tests.refusing import refuse
from tests.world import World, manifest_bytes, manifest_document

BOX = "ballot-box-1"
OTHER_BOX = "ballot-box-2"
DEVICE = f"device {BOX}"
ADMINISTRATOR = "administrator"
FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})


def open_world(chaining: str = "simple", *devices: str) -> World:
    """The polls are open; these devices have begun (`ballot-box-1` if none is named)."""
    world = World.create(TOY[-1], manifest=manifest_bytes(manifest_document(chaining)))
    for label in devices or (BOX,):
        begin_device(world, label)
    return world


# --- devices


@pytest.mark.parametrize("chaining", ["simple", "none"])
def test_devices(chaining: str) -> None:
    """A device begins with the manifest's information, H_DI and H_0, once."""
    world = open_world(chaining, OTHER_BOX)
    good = device_statement(world, BOX)
    other = device_statement(world, OTHER_BOX)
    wrong_initial = bytes(32) if chaining == "none" else b""
    of_initial = "R.device" if chaining == "none" else "8.F"
    for changes, check in (
        ({"information": "Hall 2"}, "R.device"),
        ({"information": ""}, "R.device"),
        ({"information_hash": other.information_hash}, "8.C"),
        ({"initial_hash": wrong_initial}, of_initial),
        ({"initial_hash": good.information_hash}, of_initial),
    ):
        refuse(world, replace(good, **changes), check, DEVICE)
    world.append(good)
    refuse(world, good, "R.order", DEVICE)


@pytest.mark.parametrize("information", ["", "\U0001f5f3" * 500, "Зал № 1"])
def test_information_of_any_length(information: str) -> None:
    """Whatever information a manifest may give a device, the device can begin."""
    document = manifest_document()
    document["devices"][0]["information"] = information
    world = World.create(TOY[-1], manifest=manifest_bytes(document))
    artifact = begin_device(world)
    assert world.transcript.parse(artifact.data).statement.information == information  # type: ignore[union-attr]


def test_devices_that_do_not_exist() -> None:
    """A label that is not in the manifest is refused in every statement that has one."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    key = world.device_key(BOX)
    nobody = "ballot-box-9"
    statements: list[Statement] = [
        replace(device_statement(world, OTHER_BOX), device=nobody),
        replace(ballot, device=nobody),
        Cast(nobody, ballot.confirmation_code),
        Challenge(nobody, ballot.confirmation_code),
        replace(close_statement(world, BOX), device=nobody),
        Cast("administrator", ballot.confirmation_code),
    ]
    for statement in statements:
        artifact = sign_statement(statement, world.group, world.context.base_hash, key)
        refuse(world, artifact, "R.role-keys")
    refuse(world, DeviceMissing(nobody, "gone"), "R.device-close", ADMINISTRATOR)


def test_a_device_without_a_beginning() -> None:
    """A device that has not begun submits nothing and closes nothing."""
    world = open_world("simple", OTHER_BOX)
    other = Plain(device=OTHER_BOX, unit="village", style="short")
    ballot = replace(encrypt(world, other).ballot, device=BOX)
    refuse(world, ballot, "R.order", DEVICE)
    close = replace(close_statement(world, OTHER_BOX), device=BOX)
    refuse(world, close, "R.order", DEVICE)


@pytest.mark.parametrize("end", ["close", "missing"])
def test_a_device_after_its_end(end: str) -> None:
    """After its close, or once missing, a device begins, submits and closes nothing more.

    What it submitted can still be cast or challenged.
    """
    world = open_world()
    first, second = (submit(world, replace(FULL, fate=Fate.SPOIL)).ballot for _ in range(2))
    late, close = encrypt(world, FULL).ballot, close_statement(world, BOX)
    world.append(close if end == "close" else DeviceMissing(BOX, "It burnt."))
    refuse(world, late, "R.order", DEVICE)
    refuse(world, close, "R.order", DEVICE)
    refuse(world, DeviceMissing(BOX, "again"), "R.order", ADMINISTRATOR)
    world.append(decision(first, Fate.CAST))
    world.append(decision(second, Fate.CHALLENGE))
    begin_device(world, OTHER_BOX)
    world.append(close_statement(world, OTHER_BOX))
    world.append(world.state.counts())


def test_a_device_that_was_missing_before_it_began() -> None:
    """A device declared missing does not begin any more."""
    world = open_world("simple", OTHER_BOX)
    world.append(DeviceMissing(BOX, "It never came."))
    refuse(world, device_statement(world, BOX), "R.order", DEVICE)


@pytest.mark.parametrize("chaining", ["simple", "none"])
@pytest.mark.parametrize("ballots", [0, 2])
def test_device_close(chaining: str, ballots: int) -> None:
    """A close has the right number of ballots, B_C-bar and H-bar."""
    world = open_world(chaining)
    for _ in range(ballots):
        submit(world, FULL)
    good = close_statement(world, BOX)
    refuse(world, replace(good, ballots=ballots + 1), "R.device-close", DEVICE)
    wrong: list[dict[str, Any]] = [{"chaining_field": bytes(36)}, {"closing_hash": bytes(32)}]
    if chaining == "simple":
        wrong += [{"chaining_field": b""}, {"closing_hash": b""}]
        wrong += [{"chaining_field": b"", "closing_hash": b""}]
    for changes in wrong:
        check = "8.G" if chaining == "simple" else "R.device-close"
        refuse(world, replace(good, **changes), check, DEVICE)
    world.append(good)
    assert world.state.unaccounted_devices() == [OTHER_BOX]


# --- casting and challenging


@pytest.mark.parametrize("fate", [Fate.CAST, Fate.CHALLENGE])
def test_decisions(fate: Fate) -> None:
    """A decision names a submitted, undecided ballot of the same device."""
    world = open_world("simple", BOX, OTHER_BOX)
    ballot = submit(world, replace(FULL, fate=Fate.SPOIL)).ballot
    good = decision(ballot, fate)
    refuse(world, replace(good, confirmation_code=bytes(32)), "R.cast", DEVICE)
    refuse(world, replace(good, device=OTHER_BOX), "R.cast", f"device {OTHER_BOX}")
    world.append(good)
    for second in Fate.CAST, Fate.CHALLENGE:
        error = refuse(world, decision(ballot, second), "R.cast", DEVICE)
        assert f"artifact {len(world.artifacts) - 1}" in error.problem


def test_decisions_of_nothing() -> None:
    """Neither H_0 nor the code of a ballot still to be submitted can be cast."""
    world = open_world()
    initial = device_statement(world, BOX).initial_hash
    refuse(world, Cast(BOX, initial), "R.cast", DEVICE)
    ballot = encrypt(world, FULL).ballot
    refuse(world, Challenge(BOX, ballot.confirmation_code), "R.cast", DEVICE)


# --- the close


def test_polls_close() -> None:
    """The polls close when every device is accounted for, with the right counts."""
    world = open_world("simple", BOX, OTHER_BOX)
    for fate in (Fate.CAST, Fate.CAST, Fate.CHALLENGE, Fate.SPOIL, Fate.SPOIL, Fate.SPOIL):
        submit(world, replace(FULL, fate=fate))
    good = world.state.counts()
    assert (good.submitted, good.cast, good.challenged, good.spoiled) == (6, 2, 1, 3)
    error = refuse(world, good, "R.polls-close", ADMINISTRATOR)
    assert BOX in error.problem
    assert OTHER_BOX in error.problem
    world.append(close_statement(world, BOX))
    error = refuse(world, good, "R.polls-close", ADMINISTRATOR)
    assert BOX not in error.problem
    world.append(DeviceMissing(OTHER_BOX, "It was stolen."))
    for name in ("submitted", "cast", "challenged", "spoiled"):
        wrong = replace(good, **{name: getattr(good, name) + 1})
        refuse(world, wrong, "R.polls-close", ADMINISTRATOR)
    shifted = replace(good, cast=good.cast + 1, spoiled=good.spoiled - 1)
    error = refuse(world, shifted, "R.polls-close", ADMINISTRATOR)
    assert "6 ballots submitted, 2 cast, 1 challenged and 3 spoiled" in error.problem
    world.append(good)
    assert world.transcript.phase is Phase.CLOSED


def test_after_the_close() -> None:
    """Nothing of the polls stands after their close."""
    world = open_world("none", BOX, OTHER_BOX)
    undecided = submit(world, replace(FULL, fate=Fate.SPOIL)).ballot
    late = encrypt(world, FULL).ballot
    statements: list[Statement] = [
        late,
        decision(undecided, Fate.CAST),
        decision(undecided, Fate.CHALLENGE),
        close_statement(world, BOX),
        DeviceMissing(OTHER_BOX, "late"),
        device_statement(world, OTHER_BOX),
    ]
    for label in (BOX, OTHER_BOX):
        world.append(close_statement(world, label))
    world.append(world.state.counts())
    for statement in statements:
        refuse(world, statement, "R.after-close")
    refuse(world, world.state.counts(), "R.order")
    assert {type(s) for s in statements} == {
        Ballot,
        Cast,
        Challenge,
        DeviceClose,
        DeviceMissing,
        Device,
    }


def test_polls_without_ballots() -> None:
    """An election in which nobody votes comes to its end, all counts zero."""
    world = play_election(TOY[-1], [], missing=[BOX, OTHER_BOX])
    assert world.state.counts() == replace(world.state.counts(), submitted=0, cast=0)
    assert {o.count for t in world.state.decrypted_tallies for o in t.options} == {0}
