"""What no accusation proves: messages of others, about other records, right, late, malformed.

The faults themselves are in `test_record_faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crypto.group import mpz
from crypto.parameters import TOY
from record.accusations import accusation_of, fault
from record.artifacts import (
    TRUSTEE_STATEMENTS,
    Accusation,
    Artifact,
    KeyConfirmation,
    Role,
    ShareAnswer,
    ShareComplaint,
    sign_statement,
)
from record.state import Phase
from record.transcript import Transcript
from sailau.v1 import record_pb2
from tests.decrypting import Session, close_polls, play_election, play_tallies
from tests.everything import play_everything
from tests.properties.test_record_faults import CHECKS
from tests.refusing import refuse, snapshot
from tests.world import Secrets, World, trustee_name
from tests.wrong_statements import committed_to, complained, dealt, signed_by_hand


def innocent(world: World, data: bytes, i: int = 2) -> None:
    """Nothing is proved, and whatever check an accusation names, it is refused."""
    before = snapshot(world.state)
    assert fault(world.transcript, data, i, world.read) is None
    assert accusation_of(world.transcript, data, i, world.read) is None
    assert snapshot(world.state) == before
    for check in CHECKS:
        refuse(world, Accusation(i, data, check), "R.accusation", "server")


def signed_by(world: World, statement: Any, role: Role, name: str = "") -> bytes:
    """The statement under another role's signature."""
    statement = replace(statement, transcript=world.state.round_root)
    key = world.role_key(role, name)
    return sign_statement(statement, world.group, world.context.base_hash, key).data


def wrong_keys() -> tuple[World, Any]:
    """Keys of trustee 2 that it has committed to, with a proof that does not hold."""
    return committed_to(lambda keys: replace(keys, vote_proof=keys.data_proof))


# --- whose message it is


def test_a_message_that_its_trustee_has_not_signed() -> None:
    """Without a signature, or under anybody else's, a message proves nothing about anybody."""
    world, statement = wrong_keys()
    right = world.sign(statement).data
    assert fault(world.transcript, right, 2, world.read) is not None
    innocent(world, right[:-64] + bytes(64))
    innocent(world, right[:-1] + bytes([right[-1] ^ 1]))
    innocent(world, right[:-67])
    for role, name in world.secrets.roles:
        if name != trustee_name(2):
            innocent(world, signed_by(world, statement, role, name))


def test_a_message_of_another_trustee() -> None:
    """Trustee 2's message accuses trustee 2 alone, and nobody can sign in its name."""
    world, statement = wrong_keys()
    for i in (1, 3):
        innocent(world, world.sign(statement).data, i)
        innocent(world, signed_by(world, statement, Role.TRUSTEE, trustee_name(i)), i)


def sibling(world: World) -> World:
    """Another election with the same manifest and the same roles: H_B is the same, too."""
    fresh = World.begin(TOY[-1], world.context.election.manifest, 3, 2)
    election = replace(world.context.election, log_key=str(fresh.log_key))
    key = world.role_key(Role.ADMINISTRATOR)
    first = sign_statement(election, world.group, election.base_hash, key)
    return World(Secrets(world.secrets.roles, fresh.secrets.log), [first], Transcript(first))


def test_messages_of_a_ceremony_that_was_begun_again() -> None:
    """What a trustee said in an election that was given up is nothing against it in the next."""
    old = play_election(TOY[-1])
    old_complaint = complained()
    new = sibling(old)
    assert new.context.base_hash == old.context.base_hash
    plays: list[Callable[[], None]] = [
        new.play_commitments,
        new.play_keys,
        new.play_shares,
        new.play_confirmations,
        new.play_opening,
        lambda: close_polls(new),
        lambda: play_tallies(new),
    ]
    for play in plays:
        _all_innocent(new, old.artifacts)
        _all_innocent(new, old_complaint.artifacts)
        play()
    session = Session(new)
    session.play()
    _all_innocent(new, old.artifacts)


def _all_innocent(world: World, artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        if isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            i = artifact.statement.trustee
            assert fault(world.transcript, artifact.data, i, world.read) is None, artifact.name


def test_messages_of_another_election() -> None:
    """A signature under another H_B is none."""
    world, statement = wrong_keys()
    key = world.role_key(Role.TRUSTEE, trustee_name(2))
    statement = replace(statement, transcript=world.state.round_root)
    innocent(world, sign_statement(statement, world.group, bytes(32), key).data)


# --- whether it is wrong at all


def test_what_was_said_of_another_record() -> None:
    """Who was shown another record is not to blame for what it said there."""
    world, statement = wrong_keys()
    for root in (b"\1" * 32, world.state.tree.root()[::-1]):
        innocent(world, world.sign(replace(statement, transcript=root)).data)
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world)
    world.append(session.statement())
    session.play_round(session.commitments)
    (part,) = session.shares(2)
    wrong = replace(part, shares=part.shares[::-1], transcript=bytes(31) + b"\1")
    innocent(world, world.sign(wrong).data)


def test_a_second_message_about_another_record() -> None:
    """Two messages in one place do not contradict each other if they are about two records."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    known = world.state.key_commitments[2]
    other = replace(known, commitment=bytes(32), transcript=b"\1" * 32)
    innocent(world, world.sign(other).data)
    world = complained()
    innocent(world, world.sign(ShareComplaint(1, 2, transcript=b"\1" * 32)).data, 1)


@cache
def complete() -> World:
    """An election in which everything happens, and nobody cheats but trustee 1."""
    return play_everything()


def replay() -> Iterator[tuple[World, Artifact]]:
    """The election again: each artifact, and the record before it."""
    source = complete()
    world = World(source.secrets, [source.artifacts[0]], Transcript(source.artifacts[0]))
    for artifact in source.artifacts[1:]:
        yield world, artifact
        world.append_artifact(artifact)


def test_right_messages() -> None:
    """No message of the record accuses anybody: before it is there, when it is, or ever after."""
    spoken = [a for a in complete().artifacts if isinstance(a.statement, TRUSTEE_STATEMENTS)]
    for world, _ in replay():
        for artifact in spoken:
            i = artifact.statement.trustee  # type: ignore[union-attr]
            if world.state.phase in (Phase.COUNTED, Phase.COMPLETE):
                refuse(world, Accusation(i, artifact.data, "2.C"), "R.order")
            else:
                assert fault(world.transcript, artifact.data, i, world.read) is None


def test_messages_of_other_roles() -> None:
    """Ballots, tallies and the rest are nobody's fault, were it a trustee that signed them."""
    source = complete()
    key = source.role_key(Role.TRUSTEE, trustee_name(2))
    world = World.create(TOY[-1])
    for artifact in source.artifacts:
        if not isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            for h_b in (source.context.base_hash, world.context.base_hash):
                data = sign_statement(artifact.statement, world.group, h_b, key).data
                assert fault(source.transcript, data, 2, source.read) is None
            innocent(world, artifact.data)


def test_an_accusation_in_an_accusation() -> None:
    """An accusation is no message of a trustee, whoever signs it."""
    world, statement = wrong_keys()
    inner = accusation_of(world.transcript, world.sign(statement).data, 2, world.read)
    assert inner is not None
    innocent(world, world.sign(inner).data)
    key = world.role_key(Role.TRUSTEE, trustee_name(2))
    innocent(world, sign_statement(inner, world.group, world.context.base_hash, key).data)


def test_what_is_wrong_and_no_fault() -> None:
    """Other rules than those of the table are broken without proving a fraud."""
    world = dealt()
    h_b, h_g = world.context.base_hash, world.keys.key_ceremony_hash
    innocent(world, world.sign(KeyConfirmation(2, h_g, h_b)).data)
    innocent(world, world.sign(ShareAnswer(2, 1, mpz(1))).data)
    innocent(world, world.sign(ShareComplaint(2, 2)).data)
    world.append(ShareComplaint(2, 1))
    innocent(world, world.sign(KeyConfirmation(2, h_b, h_g)).data)
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world)
    world.append(session.statement())
    (part,) = session.commitments(2)
    for changes in (
        {"first": 1},
        {"first": 512},
        {"commitments": part.commitments[1:]},
        {"session": 2},
    ):
        innocent(world, world.sign(replace(part, **changes)).data)


def test_messages_before_and_after_their_round() -> None:
    """A wrong part proves nothing outside its own round, or in a session that is past."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (1, 2))
    world.append(session.statement())
    (shares,) = session.shares(2)
    wrong = replace(shares, shares=shares.shares[::-1])
    innocent(world, world.sign(wrong).data)
    session.play_round(session.commitments)
    data = world.sign(wrong).data
    assert fault(world.transcript, data, 2, world.read) is not None
    (commitments,) = session.commitments(2)
    second = replace(
        commitments, commitments=commitments.commitments[::-1], transcript=_said(world, 2)
    )
    assert fault(world.transcript, world.sign(second).data, 2, world.read) is not None
    world.append(Session(world, (1, 3)).statement())
    innocent(world, data)
    innocent(world, world.sign(second).data)


def _said(world: World, i: int) -> bytes:
    """The transcript of trustee i's last message."""
    said = (a.statement for a in reversed(world.artifacts))
    return next(s.transcript for s in said if isinstance(s, TRUSTEE_STATEMENTS) and s.trustee == i)


def test_messages_in_another_encoding() -> None:
    """What is no valid encoding of a message may be anything; it is not held against anybody."""
    world, statement = wrong_keys()
    data = world.sign(statement).data
    message = record_pb2.Artifact()
    message.ParseFromString(data)
    message.trustee_keys.communication_key = b""
    assert fault(world.transcript, signed_by_hand(world, message), 2, world.read) is not None
    message.trustee_keys.MergeFromString(b"\xb8\x3e\x01")  # field 999
    innocent(world, signed_by_hand(world, message))
    innocent(world, data + b"\xb8\x3e\x01")
    innocent(world, data[-67:] + data[:-67])
    innocent(world, data + data)
    message.Clear()
    innocent(world, signed_by_hand(world, message))


def test_a_message_that_no_accusation_can_hold() -> None:
    """An accusation holds 15 MiB and is an artifact then; of a longer message there is none."""
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    message = record_pb2.Artifact()
    message.ParseFromString(world.sign(world.commitment(2)).data)
    message.key_commitment.commitment = bytes(15 * 2**20 - 120)
    spare = 15 * 2**20 - len(signed_by_hand(world, message))
    for more in (spare, spare + 1):
        message.key_commitment.commitment = bytes(15 * 2**20 - 120 + more)
        data = signed_by_hand(world, message)
        assert len(data) - more == 15 * 2**20 - spare
        accusation = accusation_of(world.transcript, data, 2, world.read)
        assert (accusation is None) is (more > spare)
        if accusation is not None:
            artifact = world.sign(accusation)
            assert world.transcript.parse(artifact.data) == artifact


# --- arbitrary bytes


@given(st.binary(min_size=1, max_size=200), st.integers(1, 3))
def test_random_bytes(data: bytes, i: int) -> None:
    """Whatever the bytes, nothing is raised and nobody accused."""
    assert fault(complete().transcript, data, i, complete().read) is None


@given(st.data())
def test_an_altered_byte(data: st.DataObject) -> None:
    """One other byte in anything on the record makes it nobody's."""
    world = complete()
    whole = bytearray(data.draw(st.sampled_from(world.artifacts)).data)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    for i in (1, 2, 3):
        assert fault(world.transcript, bytes(whole), i, world.read) is None


@given(st.data())
def test_an_altered_byte_under_a_signature(data: st.DataObject) -> None:
    """Whatever a trustee signs: there is a fault that everybody finds, or there is none."""
    size = data.draw(st.integers(1, len(complete().artifacts) - 1))
    world = World(complete().secrets, complete().artifacts[:size], _folded(size))
    spoken = [a for a in complete().artifacts if isinstance(a.statement, TRUSTEE_STATEMENTS)]
    artifact = data.draw(st.sampled_from(spoken))
    i = artifact.statement.trustee  # type: ignore[union-attr]
    whole = bytearray(artifact.data[:-67])
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    message = record_pb2.Artifact()
    try:
        message.ParseFromString(bytes(whole))
    except Exception:  # noqa: BLE001 - not to be parsed: nobody's, as above
        return
    signed = signed_by_hand(world, message, i)
    found = fault(world.transcript, signed, i, world.read)
    if found is not None:
        assert found.check in CHECKS
        assert found.culprit == f"trustee {i}"
    if world.state.phase > Phase.TALLIED or i in world.state.accused:
        return
    for check in CHECKS:
        if found is None or found.check != check:
            refuse(world, Accusation(i, signed, check), "R.accusation", "server")
    if found is not None:
        world.append(Accusation(i, signed, found.check))


def _folded(size: int) -> Transcript:
    transcript = Transcript(complete().artifacts[0])
    for artifact in complete().artifacts[1:size]:
        transcript.append(artifact)
    return transcript
