"""Hints make ballots faster to verify and change nothing else, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto import batch, range_proof
from crypto.commitments import encode_commitments
from crypto.errors import Malformed, Rejected
from crypto.hashing import index_bytes
from crypto.parameters import STANDARD, TOY
from record import proofs
from record.artifacts import Ballot
from record.hints import MAX_HINTS, BallotHints, format_hints, parse_hints
from record.proofs import verify_ballot, verify_ballots
from sailau.v1 import record_pb2
from tests.ballots import Encryptor, Plain, begin_device, encrypt, rehashed
from tests.hinting import encoded_hints, hints_of
from tests.properties import test_record_ballots as wrong
from tests.world import World

FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy group is batched like a real one: an error then gets through once in 2^64."""
    monkeypatch.setattr(batch, "batchable", lambda _: True)


@cache
def toy_world() -> World:
    world = World.create(TOY[-1])
    begin_device(world)
    return world


@cache
def right_ballot() -> Ballot:
    """Always the same."""
    return encrypt(toy_world(), FULL).ballot


# --- the bytes


def refused(data: bytes, field: str, ballot: Ballot | None = None) -> None:
    """These are no hints for the ballot; the message names the field."""
    with pytest.raises(Malformed) as caught:
        parse_hints(data, ballot or right_ballot(), toy_world().group)
    assert caught.value.field == field


def entries(change: Callable[[list[bytes]], object]) -> bytes:
    """The right hints with some change to the list of their entries."""
    message = record_pb2.BallotHints.FromString(encoded_hints(toy_world(), right_ballot()))
    found = list(message.proofs)
    change(found)
    return record_pb2.BallotHints(proofs=found).SerializeToString()


def test_hints_have_one_encoding() -> None:
    """What is formatted parses to the same, entry by entry in the order of the ballot."""
    world, ballot = toy_world(), right_ballot()
    hints = hints_of(world, ballot)
    data = format_hints(hints)
    assert parse_hints(data, ballot, world.group) == hints
    # Three options with R = 1 and L = 1, two with R = 2 and L = 3, the nonce.
    assert [len(entry.elements) for entry in hints.proofs] == [4, 4, 4, 4, 6, 6, 8, 1]
    assert len(data) == sum(len(e.elements) for e in hints.proofs) * 32 + 7 * 3 + 2


def test_hints_of_another_shape() -> None:
    """One entry for each proof, with all of its elements and no more."""
    refused(b"", "hints.proofs")
    refused(entries(lambda found: found.pop()), "hints.proofs")
    refused(entries(lambda found: found.append(found[-1])), "hints.proofs")
    refused(entries(lambda found: found.insert(0, b"")), "hints.proofs")
    refused(entries(lambda found: found.reverse()), "hints.proofs[0]")
    refused(entries(lambda found: found.__setitem__(0, b"")), "hints.proofs[0]")
    for i in (0, 3, 7):
        for change in (_shorter, _longer, _rotated):
            refused(entries(partial(_changed, i, change)), f"hints.proofs[{i}]")


def _shorter(data: bytes) -> bytes:
    return data[:-1]


def _longer(data: bytes) -> bytes:
    return data + b"\0"


def _rotated(data: bytes) -> bytes:
    return data[32:] + data[:32] * 2


def _changed(i: int, change: Callable[[bytes], bytes], found: list[bytes]) -> None:
    found[i] = change(found[i])


def test_hints_that_are_no_elements() -> None:
    """Each element is at least 1 and below p."""
    p = int(toy_world().group.p)
    for value in (0, p, 2**256 - 1):
        element = value.to_bytes(32, "big")
        for i, j in ((0, 3), (7, 0)):
            last = partial(_last_element, element)
            refused(entries(partial(_changed, i, last)), f"hints.proofs[{i}][{j}]")


def _last_element(element: bytes, data: bytes) -> bytes:
    return data[:-32] + element


def test_hints_in_another_encoding() -> None:
    """No other fields, no other serialization, nothing that is no message, no flood."""
    right = encoded_hints(toy_world(), right_ballot())
    refused(right + b"\x10\x01", "hints")
    refused(right + b"\x0a", "hints")
    refused(b"\x0a\x80\x81\x00" + right[3:], "hints")
    refused(b"\xff" * 40, "hints")
    refused(b"\0" * (MAX_HINTS + 1), "hints")
    refused(right, "hints.proofs", replace(right_ballot(), contests=()))


# --- verdicts

FAULTS: tuple[type[Encryptor], ...] = (
    wrong.WrongIdentifierHash,
    wrong.AlphaOutside,
    wrong.BetaOutside,
    wrong.ProofOfAnotherOption,
    wrong.ShortProof,
    wrong.LongProof,
    wrong.UnevenProof,
    wrong.EmptyLimitProof,
    wrong.HigherLimit,
    wrong.WrongContestHash,
    wrong.WrongCode,
    wrong.NonceOutside,
    wrong.OtherNonce,
)


def _forged(world: World) -> tuple[Ballot, bytes]:
    """The first proof's last challenge is made from other commitments; those are the hints."""
    ballot = encrypt(world, FULL).ballot
    group, first = world.group, ballot.contests[0]
    selection = first.selections[0]
    other = encode_commitments(group, [group.g_power(7 + i) for i in range(4)])
    context = index_bytes(1) + index_bytes(1)
    h_i = ballot.identifier_hash
    c = range_proof._challenge(group, selection.ciphertext, other, h_i, context)
    c_0, _ = selection.proof.challenges
    proof = replace(selection.proof, challenges=(c_0, (c - c_0) % group.q))
    selections = (replace(selection, proof=proof), *first.selections[1:])
    contests = (replace(first, selections=selections), *ballot.contests[1:])
    made = rehashed(world, replace(ballot, contests=contests))
    hints = hints_of(world, made)
    return made, format_hints(BallotHints((other, *hints.proofs[1:])))


@cache
def ballots() -> tuple[tuple[Ballot, bytes], ...]:
    """Right ones, one for each fault, overvotes; each with what should be its hints."""
    world = toy_world()
    plains = [FULL, FULL, Plain({"president": (1, 1, 0)}), Plain({"council": (3, 0)})]
    plains += [replace(FULL, encryptor=fault) for fault in FAULTS]
    made = [encrypt(world, plain).ballot for plain in plains]
    made.append(replace(made[0], unit="nowhere"))
    return (*((b, _hints_or_none(world, b)) for b in made), _forged(world))


def _hints_or_none(world: World, ballot: Ballot) -> bytes:
    """Of a proof without its parts nothing can be recomputed."""
    try:
        return encoded_hints(world, ballot)
    except ValueError:
        return b""


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data or b"\0")
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


def said(error: Rejected | None) -> tuple[str, ...] | None:
    """Everything that a rejection says."""
    return None if error is None else (error.check, error.problem, error.culprit, error.where)


def exactly(ballot: Ballot) -> Rejected | None:
    world = toy_world()
    try:
        verify_ballot(world.context, world.keys, ballot)
    except Rejected as error:
        return error
    return None


hint_kinds = st.sampled_from(["none", "right", "one bit", "another's", "garbage", "negated"])


@st.composite
def with_hints(draw: st.DrawFn) -> tuple[Ballot, bytes]:
    """A ballot, right or wrong, with hints, right or wrong."""
    ballot, hints = draw(st.sampled_from(ballots()))
    match draw(hint_kinds):
        case "none":
            return ballot, b""
        case "one bit":
            return ballot, _flipped(hints, draw(st.integers(0, 2**16)))
        case "another's":
            return ballot, draw(st.sampled_from(ballots()))[1]
        case "garbage":
            return ballot, draw(st.binary(max_size=50))
        case "negated":
            return ballot, _negated(ballot, hints, draw(st.sampled_from([0, 4, 7])))
        case _:
            return ballot, hints


def _negated(ballot: Ballot, hints: bytes, which: int) -> bytes:
    """One commitment is p - a instead of a."""
    group = toy_world().group
    try:
        found = list(parse_hints(hints, ballot, group).proofs)
    except Malformed:
        return hints
    first, *rest = found[which].elements
    found[which] = encode_commitments(group, [group.p - first, *rest])
    return format_hints(BallotHints(tuple(found)))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=st.lists(with_hints(), max_size=6))
def test_verdicts_do_not_depend_on_hints(made: list[tuple[Ballot, bytes]], batches: None) -> None:
    """Ballot by ballot the rejection, its words included, that `verify_ballot` has, or none."""
    world = toy_world()
    found = verify_ballots(world.context, world.keys, made)
    assert [said(v) for v in found] == [said(exactly(ballot)) for ballot, _ in made]


def test_every_fault_is_named(batches: None) -> None:
    """All at once, each with its own hints: exactly the right ballots pass."""
    world = toy_world()
    found = verify_ballots(world.context, world.keys, ballots())
    assert [v.check if v else None for v in found] == [
        None, None, "7.D", "6.D",
        "5.B", "6.A", "6.A", "6.D", "R.ballot", "R.ballot", "R.ballot", "R.ballot", "R.ballot",
        "8.A", "8.B", "R.nonce-proof", "R.nonce-proof", "R.ballot", "6.D",
    ]  # fmt: skip


def test_forged_hints_pass_at_first_sight(batches: None) -> None:
    """So that it is the batch that refuses them, and not the hash."""
    world = toy_world()
    ballot, hints = _forged(world)
    claims = batch.Claims(world.group)
    proofs._claim_ballot(world.context, world.keys, ballot, hints, claims)
    assert batch.find_false(world.group, [claims]) == [0]


def exact_checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The codes of the ballots that are checked one by one from now on."""
    codes: list[bytes] = []
    original = proofs.verify_ballot

    def recording(context: Any, keys: Any, ballot: Ballot) -> None:
        codes.append(ballot.confirmation_code)
        original(context, keys, ballot)

    monkeypatch.setattr(proofs, "verify_ballot", recording)
    return codes


def test_a_wrong_hint_costs_its_ballot_an_exact_check(
    batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other ballot; right hints cost none."""
    world, checked = toy_world(), exact_checks(monkeypatch)
    made = [encrypt(world, FULL).ballot for _ in range(5)]
    hinted = [(ballot, encoded_hints(world, ballot)) for ballot in made]
    assert verify_ballots(world.context, world.keys, hinted) == [None] * 5
    assert checked == []
    hinted[1] = made[1], _flipped(hinted[1][1], 500)
    hinted[3] = made[3], b""
    assert verify_ballots(world.context, world.keys, hinted) == [None] * 5
    assert checked == [made[1].confirmation_code, made[3].confirmation_code]


def test_without_batches_every_ballot_is_checked_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a group that is too small for them, with the right hints too."""
    world, checked = toy_world(), exact_checks(monkeypatch)
    ballot = right_ballot()
    hinted = [(ballot, encoded_hints(world, ballot))] * 2
    assert verify_ballots(world.context, world.keys, hinted) == [None] * 2
    assert len(checked) == 2


def test_the_standard_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 4096 bits, without any help: right, without hints, wrong hints, forged, wrong."""
    world, checked = World.create(STANDARD, trustees=1, quorum=1), exact_checks(monkeypatch)
    begin_device(world)
    made = [encrypt(world, FULL).ballot for _ in range(4)]
    hinted = [(ballot, encoded_hints(world, ballot)) for ballot in made]
    hinted[1] = made[1], b""
    hinted[2] = made[2], _flipped(hinted[2][1], 12345)
    outside = encrypt(world, replace(FULL, encryptor=wrong.AlphaOutside)).ballot
    hinted += [_forged(world), (outside, encoded_hints(world, outside))]
    found = verify_ballots(world.context, world.keys, hinted)
    assert [v.check if v else None for v in found] == [None, None, None, None, "6.D", "6.A"]
    codes = [ballot.confirmation_code for ballot, _ in hinted]
    assert checked == [codes[1], codes[2], codes[4], codes[5]]
