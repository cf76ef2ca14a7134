"""Encryption on the device: what it makes holds, what it must not make it refuses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballotbox.challenges import (
    audit,
    format_challenge,
    make_challenge_file,
    parse_challenge_file,
)
from ballotbox.device import DeviceMachine
from ballotbox.encryption import Selections, encrypt_ballot
from ballotbox.journal import Journal
from crypto.errors import Malformed, Rejected
from crypto.parameters import STANDARD, TOY
from crypto.secret_sharing import lagrange
from record.artifacts import Ballot
from record.proofs import verify_ballot
from tests.world import World, manifest_bytes, manifest_document

FIELD = bytes(36)
CONTESTS = {"president": ("abai", "beimbet", "gulnar"), "council": ("yes", "no")}
KEY = bytes(range(32))


@cache
def toy_world() -> World:
    """One election for all tests that do not change it."""
    return World.create(TOY[-1])


def encrypt(world: World, selections: Selections) -> Ballot:
    """A full ballot of the centre."""
    return encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "full", selections, FIELD
    ).ballot


@st.composite
def allowed_selections(draw: st.DrawFn) -> dict[str, dict[str, int]]:
    """What a voter may choose on a full ballot; zeroes may be said or left out."""
    chosen: dict[str, dict[str, int]] = {}
    winner = draw(st.sampled_from([None, *CONTESTS["president"]]))
    if winner is not None:
        chosen["president"] = {winner: 1}
    yes = draw(st.integers(0, 2))
    no = draw(st.integers(0, min(2, 3 - yes)))
    if draw(st.booleans()):
        chosen["council"] = {"yes": yes, "no": no}
    return chosen


def decrypt(world: World, ballot: Ballot) -> dict[str, dict[str, int]]:
    """The values, opened with two trustees' shares of the vote key (spec 3.6.2)."""
    group, shares = world.group, world.secrets.vote_shares
    secret = sum(lagrange(group, i, (1, 3)) * shares[i] for i in (1, 3)) % group.q
    powers = {world.keys.vote_key.power(t): t for t in range(4)}
    opened: dict[str, dict[str, int]] = {}
    for contest, (label, options) in zip(ballot.contests, CONTESTS.items(), strict=True):
        opened[label] = {
            option: powers[s.beta * group.power(group.inverse(s.alpha), secret) % group.p]
            for option, s in zip(options, contest.selections, strict=True)
        }
    return opened


@given(allowed_selections())
def test_every_allowed_ballot_verifies_and_opens_to_the_choice(
    selections: dict[str, dict[str, int]],
) -> None:
    """Proofs hold, and trustees would find what the voter chose, absence meaning 0."""
    world = toy_world()
    ballot = encrypt(world, selections)
    verify_ballot(world.context, world.keys, ballot)
    assert decrypt(world, ballot) == {
        contest: {option: selections.get(contest, {}).get(option, 0) for option in options}
        for contest, options in CONTESTS.items()
    }


def test_a_ballot_over_the_standard_group_verifies() -> None:
    """The same over the real parameters, challenge and audit included."""
    world = World.create(STANDARD, trustees=2, quorum=2)
    made = encrypt_ballot(
        world.context,
        world.keys,
        "ballot-box-1",
        "centre",
        "full",
        {"president": {"gulnar": 1}, "council": {"yes": 2, "no": 1}},
        FIELD,
    )
    ballot, secrets = made.ballot, made.secrets
    verify_ballot(world.context, world.keys, ballot)
    file = make_challenge_file(
        world.context, world.keys, ballot, secrets.ballot_nonce, secrets.selections
    )
    read = parse_challenge_file(format_challenge(file, world.context), world.context)
    audit(world.context, world.keys, ballot, read)


def test_two_ballots_with_the_same_choice_share_nothing() -> None:
    """Identifier, code, nonce and every element are fresh."""
    world = toy_world()
    one, two = (encrypt(world, {"president": {"abai": 1}}) for _ in range(2))
    assert one.identifier != two.identifier
    assert one.confirmation_code != two.confirmation_code
    assert one.encrypted_nonce.c1 != two.encrypted_nonce.c1
    assert not {s.alpha for c in one.contests for s in c.selections} & {
        s.alpha for c in two.contests for s in c.selections
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device": "ballot-box-9"}, "device"),
        ({"unit": "moon"}, "unit"),
        ({"unit": "city"}, "unit"),
        ({"device": "ballot-box-2"}, "unit"),
        ({"style": "wide"}, "ballot_style"),
        ({"unit": "village"}, "ballot_style"),
        ({"selections": {"senate": {}}}, "selections['senate']"),
        ({"selections": {"president": {"nobody": 1}}}, "selections['president']['nobody']"),
        ({"selections": {"president": {"abai": 2}}}, "selections['president']"),
        ({"selections": {"president": {"abai": -1}}}, "selections['president']"),
        ({"selections": {"president": {"abai": True}}}, "selections['president']"),
        ({"selections": {"president": {"abai": 1, "gulnar": 1}}}, "selections['president']"),
        ({"selections": {"council": {"yes": 2, "no": 2}}}, "selections['council']"),
        ({"style": "short", "selections": {"council": {"yes": 1}}}, "selections['council']"),
    ],
)
def test_a_device_refuses_what_the_manifest_does_not_allow(
    change: dict[str, object], field: str
) -> None:
    """Unknown labels, values above a limit and overvotes name their place."""
    world = toy_world()
    arguments = {
        "device": "ballot-box-1",
        "unit": "centre",
        "style": "full",
        "selections": {},
        "chaining_field": FIELD,
        **change,
    }
    with pytest.raises(Malformed) as caught:
        encrypt_ballot(world.context, world.keys, **arguments)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_errors_and_reprs_do_not_tell_the_choice() -> None:
    """An overvote says by how much nobody knows; secrets print as redacted."""
    world = toy_world()
    with pytest.raises(Malformed) as caught:
        encrypt(world, {"president": {"abai": 1, "gulnar": 1}})
    assert "abai" not in str(caught.value)
    assert "gulnar" not in str(caught.value)
    made = encrypt_ballot(world.context, world.keys, "ballot-box-1", "centre", "short", {}, FIELD)
    assert repr(made.secrets) == "BallotSecrets(<redacted>)"


# --- the machine


def machine_for(world: World, directory: Path, device: str = "ballot-box-1") -> DeviceMachine:
    """A machine on a new journal."""
    journal = Journal.create(directory / f"{device}.db", world.context.base_hash, device, KEY)
    return DeviceMachine(world.context, world.keys, device, world.device_key(device), journal)


@pytest.mark.parametrize("chaining", ["simple", "none"])
def test_a_whole_chain_passes_the_transcript(tmp_path: Path, chaining: str) -> None:
    """Begin, ballots, cast, challenge and close are what the record's rules expect."""
    world = World.create(TOY[-1], manifest=manifest_bytes(manifest_document(chaining)))
    machine = machine_for(world, tmp_path)
    world.append_artifact(machine.begin())
    codes = []
    for _ in range(3):
        artifact = world.append_artifact(machine.encrypt("centre", "full", {}))
        assert isinstance(artifact.statement, Ballot)
        codes.append(artifact.statement.confirmation_code)
    assert machine.undecided() == tuple(codes)
    world.append_artifact(machine.cast(codes[0]))
    world.append_artifact(machine.challenge(codes[1]))
    world.append_artifact(machine.close())
    assert world.state.devices["ballot-box-1"].closed
    assert (world.state.counts().cast, world.state.counts().spoiled) == (1, 1)


def test_a_machine_says_the_same_thing_twice_and_never_two_things(tmp_path: Path) -> None:
    """Begin, cast and close again give the same bytes; a cast ballot is not challenged."""
    machine = machine_for(toy_world(), tmp_path)
    assert machine.begin().data == machine.begin().data
    ballot = machine.encrypt("centre", "short", {"president": {"abai": 1}}).statement
    assert isinstance(ballot, Ballot)
    code = ballot.confirmation_code
    assert machine.cast(code).data == machine.cast(code).data
    with pytest.raises(Rejected, match="already cast"):
        machine.challenge(code)
    assert machine.close().data == machine.close().data
    assert [message.position for message in machine.outgoing()] == [1, 2, 3, 4]


def test_a_machine_keeps_to_its_order(tmp_path: Path) -> None:
    """No ballot before the beginning or after the close, no decision about strangers."""
    machine = machine_for(toy_world(), tmp_path)
    with pytest.raises(Rejected, match="has not begun"):
        machine.encrypt("centre", "short", {})
    with pytest.raises(Rejected, match="has not begun"):
        machine.close()
    machine.begin()
    with pytest.raises(Rejected, match="no such ballot"):
        machine.cast(bytes(32))
    machine.close()
    assert machine.closed
    with pytest.raises(Rejected, match="has closed"):
        machine.encrypt("centre", "short", {})


def test_a_machine_wants_the_key_that_is_pinned(tmp_path: Path) -> None:
    """With another device's role key nothing would be accepted, so nothing begins."""
    world = toy_world()
    journal = Journal.create(tmp_path / "j.db", world.context.base_hash, "ballot-box-1", KEY)
    with pytest.raises(Rejected, match="not the device's"):
        DeviceMachine(
            world.context, world.keys, "ballot-box-1", world.device_key("ballot-box-2"), journal
        )


def test_nonces_are_handed_out_on_a_challenge_only(tmp_path: Path) -> None:
    """Before the decision and after a cast there is no challenge file; after it, it audits."""
    world = toy_world()
    machine = machine_for(world, tmp_path)
    machine.begin()
    ballots = [machine.encrypt("centre", "full", {"council": {"no": 2}}) for _ in range(2)]
    one, two = (b.statement for b in ballots)
    assert isinstance(one, Ballot)
    assert isinstance(two, Ballot)
    with pytest.raises(Rejected, match="not challenged"):
        machine.challenge_file(one.confirmation_code)
    machine.cast(one.confirmation_code)
    with pytest.raises(Rejected, match="not challenged"):
        machine.challenge_file(one.confirmation_code)
    machine.challenge(two.confirmation_code)
    file = machine.challenge_file(two.confirmation_code)
    audit(world.context, world.keys, two, file)
    assert [o.value for o in file.contests[1].options] == [0, 2]
