"""What an accusation can prove: each fault of docs/record.md, made with the culprit's own key.

The culprit is trustee 2 everywhere. What no accusation proves is in `test_record_accusations`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from crypto.errors import Malformed, Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record.accusations import accusation_of, fault
from record.artifacts import (
    Accusation,
    EncryptedShares,
    KeyConfirmation,
    Purpose,
    ShareComplaint,
    Statement,
)
from record.state import Accused, Phase
from sailau.v1 import record_pb2
from tests.decrypting import Session, play_election
from tests.properties.test_record_ceremony import KEY_FAULTS
from tests.properties.test_record_complaints import MISFITS
from tests.refusing import outside, refuse, snapshot
from tests.world import World
from tests.wrong_statements import (
    Deal,
    answer,
    committed_to,
    complained,
    dealt,
    other_keys,
    signed_by_hand,
)

CHECKS = (
    "R.encoding",
    "R.equivocation",
    "R.key-commitment",
    "R.trustee-keys",
    "2.A",
    "2.B",
    "2.C",
    "R.share-recipients",
    "R.share-proof",
    "R.share-answer",
    "R.decryption-commitment",
    "R.decryption-share",
)
"""Every check that an accusation may name."""

Bad: TypeAlias = tuple[World, bytes]
"""A record, and the message of trustee 2 that it cannot take."""


def of(world: World, statement: Statement) -> Bad:
    """The statement as trustee 2 signs it now."""
    return world, world.sign(statement).data


def accused(bad: Bad, check: str) -> World:
    """Accuse trustee 2 of the message, after everything about the accusation was refused."""
    world, data = bad
    before = snapshot(world.state)
    with pytest.raises((Malformed, Rejected)):
        world.append_artifact(world.transcript.parse(data))
    good = accusation_of(world.transcript, data, 2, world.read)
    assert good == Accusation(2, data, check)
    assert snapshot(world.state) == before
    for other in (*CHECKS, "R.transcript", "R.order", "3.A", "X"):
        if other != check:
            error = refuse(world, replace(good, check=other), "R.accusation", "server")
            assert f"fails {check}, not {other}" in error.problem
    for i in (1, 3):
        assert fault(world.transcript, data, i, world.read) is None
        refuse(world, replace(good, trustee=i), "R.accusation", "server")
    phase, index = world.state.phase, len(world.artifacts)
    world.append(good)
    assert world.state.accused == {2: Accused(check, index)}
    assert world.state.phase is (Phase.ABORTED if phase < Phase.READY else phase)
    return world


# --- R.encoding

Edit: TypeAlias = Callable[[record_pb2.Artifact], object]


def edited(world: World, statement: Statement, edit: Edit) -> Bad:
    """The statement with some bytes that are no value, signed by trustee 2."""
    message = record_pb2.Artifact()
    message.ParseFromString(world.sign(statement).data)
    edit(message)
    return world, signed_by_hand(world, message)


def _set(name: str, value: bytes) -> Edit:
    kind, *inner, last = name.split(".")

    def edit(message: record_pb2.Artifact) -> None:
        target: Any = getattr(message, kind)
        for part in inner:
            target = getattr(target, part)
        if isinstance(getattr(target, last), bytes):
            setattr(target, last, value)
        else:
            getattr(target, last)[0] = value

    return edit


def _wide(number: int, width: int) -> bytes:
    return number.to_bytes(width, "big")


P, Q = TOY[-1].p, TOY[-1].q


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key_commitment.commitment", b""),
        ("key_commitment.commitment", bytes(31)),
        ("key_commitment.commitment", bytes(33)),
        ("key_commitment.transcript", b""),
        ("trustee_keys.communication_key", bytes(32)),
        ("trustee_keys.communication_key", _wide(P, 32)),
        ("trustee_keys.communication_key", b"\0" * 2),
        ("trustee_keys.vote_commitments", bytes(32)),
        ("trustee_keys.data_commitments", b""),
        ("trustee_keys.vote_proof.challenge", _wide(Q, 8)),
        ("trustee_keys.data_proof.responses", b"\xff" * 8),
    ],
)
def test_no_value(name: str, value: bytes) -> None:
    """Bytes of the wrong width or range, in the one valid encoding, are their signer's fault."""
    keys = name.startswith("trustee_keys")
    world = World.create(TOY[-1], until=Phase.KEYS if keys else Phase.COMMITMENT)
    statement = world.trustee_keys(2) if keys else world.commitment(2)
    accused(edited(world, statement, _set(name, value)), "R.encoding")


def test_no_value_at_any_time() -> None:
    """What is no value has neither phase nor transcript: it is a fault whenever it comes."""
    for phase in (Phase.COMMITMENT, Phase.SHARES, Phase.READY, Phase.OPEN):
        world = World.create(TOY[-1], until=phase)
        edit = _set("key_commitment.commitment", b"?")
        accused(edited(world, world.commitment(2), edit), "R.encoding")
    world = play_election(TOY[-1], until=Phase.TALLIED)
    parts = Session(world).shares(2)[0]

    def first_m_is_zero(message: record_pb2.Artifact) -> None:
        message.decryption_shares.shares[0].partial_decryption = bytes(32)

    accused(edited(world, parts, first_m_is_zero), "R.encoding")


# --- R.equivocation


def _second_commitment() -> Bad:
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    world.append(world.commitment(2))
    return of(world, replace(world.commitment(2), commitment=bytes(32)))


def _second_keys() -> Bad:
    world = World.create(TOY[-1], until=Phase.KEYS)
    world.append(world.trustee_keys(2))
    return of(world, other_keys(world, 2))


def _second_shares() -> Bad:
    world = World.create(TOY[-1], until=Phase.SHARES)
    for _ in range(2):
        data = world.sign(EncryptedShares(2, tuple(world._shares_from(2)))).data
        if not world.state.encrypted_shares:
            world.append_artifact(world.transcript.parse(data))
    return world, data


def _second_answer() -> Bad:
    world = complained()
    world.append(answer(world))
    return of(world, replace(answer(world), nonce=mpz(1)))


def _second_confirmation() -> Bad:
    world = dealt()
    h_b, h_g = world.context.base_hash, world.keys.key_ceremony_hash
    world.append(KeyConfirmation(2, h_b, h_g))
    return of(world, KeyConfirmation(2, h_g, h_b))


@pytest.mark.parametrize(
    "make",
    [_second_commitment, _second_keys, _second_shares, _second_answer, _second_confirmation],
)
def test_two_messages_for_one_round(make: Callable[[], Bad]) -> None:
    """A second, different message in the same round of the ceremony."""
    accused(make(), "R.equivocation")


@pytest.mark.parametrize("phase", [Phase.KEYS, Phase.CONFIRMATION, Phase.READY, Phase.OPEN])
def test_two_messages_found_out_later(phase: Phase) -> None:
    """The other message of a past round, with the transcript of that round."""
    world = World.create(TOY[-1], until=phase)
    known = world.state.key_commitments[2]
    accused(of(world, replace(known, commitment=bytes(32))), "R.equivocation")


@pytest.mark.parametrize("position", [0, 1, 2])
def test_two_parts_of_a_decryption(position: int) -> None:
    """The same for a part of each round of a session; the session is over then."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (2, 3))
    world.append(session.statement())
    rounds = (session.commitments, session.shares, session.responses)
    for round_ in rounds[:position]:
        session.play_round(round_)
    (part,) = rounds[position](2)
    world.append(part)
    name = ("commitments", "shares", "responses")[position]
    other: Any = replace(part, **{name: getattr(part, name)[::-1]})
    bad = of(world, other)
    shorter = of(world, replace(part, **{name: getattr(part, name)[:1]}))
    assert fault(world.transcript, shorter[1], 2, world.read) is not None
    accused(bad, "R.equivocation")
    assert world.state.session is not None
    assert world.state.session.over


# --- keys and shares


def test_keys_not_committed_to() -> None:
    """Other keys than those of the commitment, and those of somebody else."""
    for change in (lambda w: other_keys(w, 2), lambda w: replace(w.trustee_keys(1), trustee=2)):
        world = World.create(TOY[-1], until=Phase.KEYS)
        accused(of(world, change(world)), "R.key-commitment")


@pytest.mark.parametrize(("change", "check"), KEY_FAULTS)
def test_wrong_keys(change: Callable[[Any], dict[str, Any]], check: str) -> None:
    """Keys that were committed to and are wrong."""
    accused(of(*committed_to(lambda keys: replace(keys, **change(keys)))), check)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda a, b: (), "R.share-recipients"),
        (lambda a, b: (a,), "R.share-recipients"),
        (lambda a, b: (b, a), "R.share-recipients"),
        (lambda a, b: (a, b, replace(b, recipient=4)), "R.share-recipients"),
        (lambda a, b: (replace(a, c0=P - a.c0), b), "R.share-proof"),
        (lambda a, b: (a, replace(b, c1=bytes(64))), "R.share-proof"),
        (lambda a, b: (a, replace(b, c2=a.c2)), "R.share-proof"),
    ],
)
def test_wrong_shares(change: Callable[[Any, Any], tuple[Any, ...]], check: str) -> None:
    """Not one share for each other trustee, or one without its proof."""
    world = World.create(TOY[-1], until=Phase.SHARES)
    accused(of(world, EncryptedShares(2, change(*world._shares_from(2)))), check)


@pytest.mark.parametrize("deal", [deal for deal, _ in MISFITS])
def test_a_share_that_does_not_fit(deal: Deal) -> None:
    """The answer to a rightful complaint opens what convicts its signer."""
    world = complained(deal)
    accused(of(world, answer(world)), "R.share-answer")


@pytest.mark.parametrize("deal", [None, Deal(share=1)])
def test_an_answer_that_opens_nothing(deal: Deal | None) -> None:
    """Another nonce than that of C_0 convicts, too, whatever the share was."""
    world = complained(deal)
    accused(of(world, replace(answer(world), nonce=mpz(1))), "R.share-answer")


# --- decryption


def at_round(purpose: Purpose, position: int) -> tuple[World, Session]:
    """A session of everybody, so far that its second or third round is on."""
    world = (
        World.create(TOY[-1], until=Phase.READY)
        if purpose is Purpose.DRILL
        else play_election(TOY[-1], until=Phase.TALLIED)
    )
    session = Session(world, (1, 2, 3), purpose)
    world.append(session.statement())
    for round_ in (session.commitments, session.shares)[:position]:
        session.play_round(round_)
    return world, session


@pytest.mark.parametrize("purpose", [Purpose.TALLY, Purpose.DRILL])
@pytest.mark.parametrize("name", ["partial_decryption", "a", "b"])
def test_shares_not_committed_to(purpose: Purpose, name: str) -> None:
    """A share of a decryption that is not what d_i was made of."""
    world, session = at_round(purpose, 1)
    (part,) = session.shares(2)
    *rest, last = part.shares
    wrong = replace(last, **{name: getattr(last, name) * world.group.g % P})
    accused(of(world, replace(part, shares=(*rest, wrong))), "R.decryption-commitment")


@pytest.mark.parametrize("name", ["partial_decryption", "a", "b"])
def test_shares_outside_the_group(name: str) -> None:
    """A share outside the subgroup, although d_i was made of it."""
    world = World.create(TOY[-1], until=Phase.READY)
    session = Session(world, (1, 2, 3), Purpose.DRILL)
    share = session.parts[2][0]
    session.parts[2][0] = replace(share, **{name: outside(world, getattr(share, name))})
    world.append(session.statement())
    session.play_round(session.commitments)
    accused(of(world, session.shares(2)[0]), "R.decryption-share")


@pytest.mark.parametrize("purpose", [Purpose.TALLY, Purpose.DRILL])
def test_wrong_responses(purpose: Purpose) -> None:
    """A response that does not fit; those of the others say nothing against them."""
    world, session = at_round(purpose, 2)
    (part,) = session.responses(2)
    wrong = replace(part, responses=(*part.responses[:-1], (part.responses[-1] + 1) % Q))
    for i in (1, 3):
        (right,) = session.responses(i)
        assert accusation_of(world.transcript, world.sign(right).data, i, world.read) is None
    accused(of(world, wrong), "R.decryption-share")


def test_a_false_share_shows_with_its_response() -> None:
    """Who committed to a wrong M_i is convicted by any response, and nobody else is."""
    world = World.create(TOY[-1], until=Phase.READY)
    session = Session(world, (1, 2, 3), Purpose.DRILL)
    share = session.parts[2][0]
    m_i = share.partial_decryption * world.group.g % P
    session.parts[2][0] = replace(share, partial_decryption=m_i)
    world.append(session.statement())
    session.play_round(session.commitments)
    session.play_round(session.shares)
    for i in (1, 3):
        world.append(session.responses(i)[0])
    (part,) = session.responses(2)
    for scalar in (part.responses[0], mpz(0), mpz(1)):
        data = world.sign(replace(part, responses=(scalar,))).data
        found = fault(world.transcript, data, 2, world.read)
        assert found is not None
        assert (found.check, found.culprit) == ("R.decryption-share", "trustee 2")
    accused(of(world, part), "R.decryption-share")


def test_complaints_cannot_be_wrong() -> None:
    """Neither a complaint without a reason nor one too many proves anything."""
    world = complained()
    again = world.sign(ShareComplaint(2, 1)).data
    assert fault(world.transcript, again, 2, world.read) is None
