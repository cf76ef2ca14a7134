"""What the verifier says of trustees: accusations, aborted ceremonies, drills, and who is named.

Every message here is one that a trustee really signed; the record around it is played by
`tests.world`, so that nothing but the one thing is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    Accusation,
    Artifact,
    CeremonyAbandoned,
    DecryptionCommitments,
    EncryptedShares,
    KeyCommitment,
    KeyConfirmation,
    Purpose,
    Role,
    ShareAnswer,
    ShareComplaint,
    TrusteeStatement,
    sign_statement,
)
from record.state import Phase
from sailau.v1 import record_pb2 as pb
from tests.decrypting import Session, TamperedWorld, opening, play_on, play_result
from tests.publishing import publish
from tests.tampered.kit import Record, flipped
from tests.world import World, trustee_name
from verifier import Report, verify
from verifier.text import render

NAME = "toy-64-256"
PARAMETERS = TOY[-1]


def unchecked(until: Phase) -> World:
    """An election that has come so far, and takes whatever comes then."""
    world = World.create(PARAMETERS, until=until)
    return TamperedWorld(world.secrets, world.artifacts, world.transcript)


def signed(world: World, statement: TrusteeStatement, root: bytes | None = None) -> Artifact:
    """A statement that its trustee signs in the round that is on, or upon another root."""
    statement = replace(statement, transcript=world.state.round_root if root is None else root)
    key = world.role_key(Role.TRUSTEE, trustee_name(statement.trustee))
    return sign_statement(statement, world.group, world.context.base_hash, key)


def edited(world: World, artifact: Artifact, change: Callable[[Any], None]) -> bytes:
    """The same message, changed as protobuf and signed again by its trustee."""
    message = pb.Artifact.FromString(artifact.data)
    statement = getattr(message, str(message.WhichOneof("statement")))
    change(statement)
    Record(world).sign(message, Role.TRUSTEE, trustee_name(statement.trustee))
    return message.SerializeToString(deterministic=True)


def judged(world: World, folder: Path, artifacts: Sequence[bytes] | None = None) -> Report:
    """The verdict on the record as it stands."""
    publish(world, folder / "record", artifacts)
    return verify(folder / "record", parameters=NAME)


# --- messages with a fault each: (id, phase, trustee, message)

Message = Callable[[World], bytes]


def _narrow_nonce(world: World) -> bytes:
    world.append(ShareComplaint(2, 1))
    answer = signed(world, ShareAnswer(1, 2, world.secrets.share_nonces[1, 2]))
    return edited(world, answer, lambda x: setattr(x, "nonce", x.nonce[1:]))


def _response_of_q(world: World) -> bytes:
    q = int(world.group.q).to_bytes(world.group.parameters.scalar_width, "big")

    def change(keys: Any) -> None:
        keys.data_proof.responses[0] = q

    return edited(world, signed(world, world.trustee_keys(1)), change)


def _other_commitment(world: World) -> bytes:
    return signed(world, KeyCommitment(1, bytes(32)), _transcript(world, 1)).data


def _transcript(world: World, number: int) -> bytes:
    """The transcript of a statement of the record."""
    statement = world.artifacts[number].statement
    return bytes(getattr(statement, "transcript", b""))


def _other_keys(world: World) -> bytes:
    other = world._generate(2)
    return signed(world, other).data


def _longer_polynomial(world: World) -> bytes:
    def change(keys: Any) -> None:
        keys.vote_commitments.append(keys.vote_commitments[0])

    return _committed(world, change)


def _committed(world: World, change: Callable[[Any], None]) -> bytes:
    """Keys of trustee 1 that are wrong, and those it committed to (see `_with_keys`)."""
    return edited(world, signed(world, world.trustee_keys(1)), change)


def _key_outside(world: World) -> bytes:
    def change(keys: Any) -> None:
        p = int(world.group.p)
        kappa = p - int.from_bytes(keys.communication_key, "big")
        keys.communication_key = kappa.to_bytes(len(keys.communication_key), "big")

    return _committed(world, change)


def _proof_wrong(world: World) -> bytes:
    def change(keys: Any) -> None:
        keys.vote_proof.challenge = flipped(keys.vote_proof.challenge)

    return _committed(world, change)


def _share_missing(world: World) -> bytes:
    return signed(world, EncryptedShares(1, tuple(world._shares_from(1)[:1]))).data


def _share_unproved(world: World) -> bytes:
    first, second = world._shares_from(1)
    wrong = replace(first, c1=flipped(first.c1))
    return signed(world, EncryptedShares(1, (wrong, second))).data


def _answer_wrong(world: World) -> bytes:
    world.append(ShareComplaint(2, 1))
    return signed(world, ShareAnswer(1, 2, mpz(1))).data


CEREMONY: tuple[tuple[str, Phase, Message], ...] = (
    ("R.encoding", Phase.CONFIRMATION, _narrow_nonce),
    ("R.encoding", Phase.KEYS, _response_of_q),
    ("R.equivocation", Phase.KEYS, _other_commitment),
    ("R.key-commitment", Phase.KEYS, _other_keys),
    ("R.trustee-keys", Phase.KEYS, _longer_polynomial),
    ("2.A", Phase.KEYS, _key_outside),
    ("2.C", Phase.KEYS, _proof_wrong),
    ("R.share-recipients", Phase.SHARES, _share_missing),
    ("R.share-proof", Phase.SHARES, _share_unproved),
    ("R.share-answer", Phase.CONFIRMATION, _answer_wrong),
)


@pytest.mark.parametrize(("check", "phase", "message"), CEREMONY)
def test_an_accusation_before_the_opening_ends_the_record(
    check: str, phase: Phase, message: Message, tmp_path: Path
) -> None:
    """It stands, the trustee is named with its fault, and only R.complete fails, for its sake."""
    world = unchecked(phase)
    if check in ("R.trustee-keys", "2.A", "2.C"):
        world = _committed_to_wrong_keys(message)
    data = message(world)
    trustee = _trustee_of(data)
    world.append(Accusation(trustee, data, check))
    report = judged(world, tmp_path)
    assert report.failed_ids() == ("R.complete",)
    (failure,) = report.failures
    assert failure.culprit == f"trustee {trustee}"
    number = len(world.artifacts) - 1
    assert f"artifact {number}" in failure.message
    assert check in failure.message
    (act,) = report.misconduct
    assert (act.trustee, act.check, act.artifact) == (trustee, check, number)
    assert "Misconduct of trustees" in render(report)


def _trustee_of(data: bytes) -> int:
    message = pb.Artifact.FromString(data)
    return int(getattr(message, str(message.WhichOneof("statement"))).trustee)


def _committed_to_wrong_keys(message: Message) -> World:
    """An election in the keys phase, where trustee 1 has committed to the wrong keys."""
    first = World.begin(PARAMETERS, _manifest(), 3, 2)
    world = TamperedWorld(first.secrets, first.artifacts, first.transcript)
    keys = pb.Artifact.FromString(message(world)).trustee_keys
    world.append(KeyCommitment(1, Record(world).commitment_to(keys)))
    for i in (2, 3):
        world.append(world.commitment(i))
    return world


def _manifest() -> bytes:
    return bytes(World.create(PARAMETERS, until=Phase.COMMITMENT).context.election.manifest)


@pytest.mark.parametrize("check", ["R.key-commitment", "2.C", "", "R.nothing"])
def test_an_accusation_names_the_first_fault(check: str, tmp_path: Path) -> None:
    """An accusation of something else does not stand, though the message is wrong."""
    world = unchecked(Phase.KEYS)
    data = _response_of_q(world)
    artifacts = [bytes(x) for x in world.data()]
    accusation = pb.Artifact(accusation=pb.Accusation(trustee=1, message=data, check=check))
    Record(world).sign(accusation)
    artifacts.append(accusation.SerializeToString(deterministic=True))
    report = judged(world, tmp_path, artifacts)
    assert set(report.failed_ids()) == {"R.accusation", "R.complete"}
    assert report.misconduct == ()


def _honest(world: World) -> bytes:
    return signed(world, world.trustee_keys(1)).data


def _shown_another_record(world: World) -> bytes:
    return signed(world, world._generate(1), bytes(32)).data


def _unsigned(world: World) -> bytes:
    message = pb.Artifact.FromString(_other_keys(world))
    message.signature = flipped(message.signature)
    return message.SerializeToString(deterministic=True)


def _commitment_to_another_record(world: World) -> bytes:
    return signed(world, KeyCommitment(1, bytes(32)), bytes(32)).data


def _of_another_phase(world: World) -> bytes:
    return signed(world, KeyConfirmation(1, bytes(32), bytes(32))).data


def _on_the_record(world: World) -> bytes:
    return bytes(world.data()[1])


def _padded(world: World) -> bytes:
    return _other_keys(world) + b"\xc2\x3e\x00"


def _of_the_server(world: World) -> bytes:
    message = pb.Artifact(accusation=pb.Accusation(trustee=1, message=b"x", check="2.A"))
    Record(world).sign(message, Role.TRUSTEE, trustee_name(1))
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    "message",
    [
        _honest,
        _shown_another_record,
        _unsigned,
        _commitment_to_another_record,
        _of_another_phase,
        _on_the_record,
        _padded,
        _of_the_server,
        lambda _: b"",
        lambda _: b"\xff" * 40,
        lambda _: bytes((15 << 20) + 1),
        lambda _: b"\x0a\x00",
        lambda _: b"\x12\x02\x08\x01",
        lambda _: b"\xc2\x01\x80" * 1000,
    ],
)
@pytest.mark.parametrize("trustee", [0, 1, 2, 4, 2**32 - 1])
def test_whatever_proves_nothing_does_not_stand(
    message: Message, trustee: int, tmp_path: Path
) -> None:
    """R.accusation fails, the server is to blame, no trustee is named, and the record goes on."""
    world = unchecked(Phase.KEYS)
    accused = pb.Accusation(trustee=trustee, message=message(world), check="R.key-commitment")
    artifact = pb.Artifact(accusation=accused)
    Record(world).sign(artifact)
    artifacts = [bytes(x) for x in world.data()]
    artifacts.append(artifact.SerializeToString(deterministic=True))
    if trustee == 2 and message is _other_keys:
        pytest.skip("that one stands")
    report = judged(world, tmp_path, artifacts)
    assert {f.check for f in report.failures} == {"R.accusation", "R.complete"}
    assert {f.culprit for f in report.failures} == {"server", "publisher"}
    assert report.misconduct == ()


def test_nothing_follows_an_aborted_ceremony(tmp_path: Path) -> None:
    """What stands after an accusation that ended it is R.order, once for each artifact."""
    world = unchecked(Phase.KEYS)
    world.append(Accusation(2, _other_keys(world), "R.key-commitment"))
    artifacts = [bytes(x) for x in world.data()]
    artifacts += [signed(world, world.trustee_keys(i)).data for i in (1, 3)]
    report = judged(world, tmp_path, artifacts)
    assert sorted(f.check for f in report.failures) == ["R.complete", "R.order", "R.order"]


def test_an_abandoned_ceremony(tmp_path: Path) -> None:
    """R.complete quotes the administrator's reason, whatever is in it."""
    world = unchecked(Phase.READY)
    world.append(CeremonyAbandoned("trustee 3 has\x1b[2J lost its key"))
    report = judged(world, tmp_path)
    (failure,) = report.failures
    assert (failure.check, failure.culprit) == ("R.complete", "administrator")
    assert "\x1b" not in failure.message
    assert "lost its key" in failure.message


@pytest.mark.parametrize("size", [0, 2001])
def test_a_ceremony_is_abandoned_for_a_reason(size: int, tmp_path: Path) -> None:
    """No reason, or one too long, is R.encoding of the administrator."""
    world = unchecked(Phase.SHARES)
    artifact = pb.Artifact(ceremony_abandoned=pb.CeremonyAbandoned(reason="x" * size))
    artifact.ceremony_abandoned.SetInParent()
    Record(world).sign(artifact)
    artifacts = [*map(bytes, world.data()), artifact.SerializeToString(deterministic=True)]
    report = judged(world, tmp_path, artifacts)
    assert {(f.check, f.culprit) for f in report.failures} == {
        ("R.encoding", "administrator"),
        ("R.complete", "administrator"),
    }


# --- accusations in sessions


def _begun(*trustees: int) -> tuple[World, Session]:
    world = play_on(World.create(PARAMETERS), until=Phase.TALLIED)
    session = Session(world, trustees)
    world.append(session.statement())
    session.play_round(session.commitments)
    return world, session


def _finish(world: World, *trustees: int) -> None:
    """The others decrypt without the accused."""
    session = Session(world, trustees)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    for code in world.state.challenged:
        world.append(opening(world, code))
    play_result(world)


def _share_not_committed(world: World, session: Session) -> Artifact:
    (part,) = session.shares(3)
    first, *rest = part.shares
    square = replace(first, partial_decryption=first.partial_decryption**2 % world.group.p)
    return signed(world, replace(part, shares=(square, *rest)))


def _other_commitments(world: World, session: Session) -> Artifact:
    (part,) = session.commitments(3)
    assert isinstance(part, DecryptionCommitments)
    number = next(
        n
        for n, artifact in enumerate(world.artifacts)
        if isinstance(artifact.statement, DecryptionCommitments) and artifact.statement.trustee == 3
    )
    other = replace(part, commitments=part.commitments[::-1])
    return signed(world, other, _transcript(world, number))


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("R.decryption-commitment", _share_not_committed),
        ("R.equivocation", _other_commitments),
    ],
)
def test_the_others_finish_without_the_accused(
    check: str, message: Callable[[World, Session], Artifact], tmp_path: Path
) -> None:
    """The record is verified, and says who broke the protocol."""
    world, session = _begun(1, 2, 3)
    world.append(Accusation(3, message(world, session).data, check))
    _finish(world, 1, 2)
    report = judged(world, tmp_path)
    assert report.failures == ()
    assert [(act.trustee, act.check) for act in report.misconduct] == [(3, check)]
    assert report.to_dict()["misconduct"][0]["trustee"] == 3


def test_nothing_of_a_session_follows_an_accusation(tmp_path: Path) -> None:
    """A part of the session that is over is R.session."""
    world, session = _begun(1, 2, 3)
    part = pb.Artifact.FromString(signed(world, session.shares(1)[0]).data).decryption_shares
    wrong = _share_not_committed(world, session)
    world.append(Accusation(3, wrong.data, "R.decryption-commitment"))
    number = len(world.artifacts)
    _finish(world, 1, 2)
    record = Record(world)
    record.insert(number, decryption_shares=part)
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.session",)
    assert report.failures[0].place.artifact == number


def test_a_trustee_is_accused_once(tmp_path: Path) -> None:
    """The second accusation is one too many, right as it may be."""
    world, session = _begun(1, 2, 3)
    other = _other_commitments(world, session)
    wrong = _share_not_committed(world, session)
    world.append(Accusation(3, wrong.data, "R.decryption-commitment"))
    number = len(world.artifacts)
    _finish(world, 1, 2)
    record = Record(world)
    again = pb.Accusation(trustee=3, message=other.data, check="R.equivocation")
    record.insert(number, accusation=again)
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.accusation",)
    assert [act.check for act in report.misconduct] == ["R.decryption-commitment"]


def test_a_false_accusation_changes_nothing(tmp_path: Path) -> None:
    """The session goes on with whom it was to end: only R.accusation fails."""
    world = play_on(World.create(PARAMETERS))
    record = Record(world)
    shares = record.artifacts[record.position("decryption_shares")]
    accusation = pb.Accusation(trustee=shares.decryption_shares.trustee, check="R.equivocation")
    accusation.message = shares.SerializeToString(deterministic=True)
    record.insert(record.position("decryption_responses"), accusation=accusation)
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.accusation",)


# --- drills


def test_drills_say_who_answered(tmp_path: Path) -> None:
    """A drill that nobody finishes is none of anybody's faults; the report names who answered."""
    world = World.create(PARAMETERS, until=Phase.READY)
    Session(world, (1, 2), Purpose.DRILL).play()
    session = Session(world, (1, 2, 3), Purpose.DRILL)
    world.append(session.statement())
    session.play_round(session.commitments)
    session.play_round(session.shares)
    world.append(session.responses(2)[0])
    world.play_opening()
    report = judged(play_on(world), tmp_path)
    assert report.failures == ()
    assert report.to_dict()["drills"] == [
        {"session": 1, "trustees": [1, 2], "answered": [1, 2]},
        {"session": 2, "trustees": [1, 2, 3], "answered": [2]},
    ]
    assert "answered: 1, 2" in render(report)


def test_one_wrong_share_in_a_drill_is_one_trustees_fault(tmp_path: Path) -> None:
    """Where a share was altered afterwards c is another for all; only its trustee fails."""
    world = World.create(PARAMETERS, until=Phase.READY)
    Session(world, (1, 2, 3), Purpose.DRILL).play()
    world.play_opening()
    record = Record(play_on(world))
    share = record.every("decryption_shares")[1].shares[0]
    share.a = record.times(share.a, record.number(share.a))
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.decryption-share",)
    assert {f.culprit for f in report.failures} == {"trustee 2"}
    assert report.drills[0].answered == ()


@pytest.mark.parametrize("purpose", [Purpose.TALLY, Purpose.BALLOT])
def test_only_drills_stand_before_the_tallies(purpose: Purpose, tmp_path: Path) -> None:
    """Another session there is R.session, and its parts are not looked at."""
    world = World.create(PARAMETERS, until=Phase.READY)
    session = Session(world, (1, 2), Purpose.DRILL)
    session.play()
    world.play_opening()
    record = Record(play_on(world))
    statement = record.first("decryption_session")
    statement.purpose = int(purpose)
    if purpose is Purpose.BALLOT:
        statement.confirmation_code = bytes(32)
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == ("R.session",)


def test_a_purpose_that_does_not_exist(tmp_path: Path) -> None:
    """It is R.encoding, and nothing else."""
    world = World.create(PARAMETERS, until=Phase.READY)
    Session(world, (1, 2), Purpose.DRILL).play()
    world.play_opening()
    record = Record(play_on(world))
    record.first("decryption_session").purpose = 7
    assert judged(world, tmp_path, record.encoded()).failed_ids() == ("R.encoding",)


def test_a_drill_below_the_quorum_is_one_fault(tmp_path: Path) -> None:
    """R.session of the server; that its shares combine to nothing is no news."""
    world = World.create(PARAMETERS, until=Phase.READY)
    session = Session(world, (1, 2), Purpose.DRILL)
    session.play()
    world.play_opening()
    record = Record(play_on(world))
    del record.first("decryption_session").trustees[-1]
    for kind in ("decryption_commitments", "decryption_shares", "decryption_responses"):
        part = next(a for a in record.artifacts if getattr(a, kind).trustee == 2)
        record.artifacts.remove(part)
    report = judged(world, tmp_path, record.encoded())
    assert "R.combination" not in report.failed_ids()
    assert "R.session" in report.failed_ids()


def test_patience_with_accusations_is_limited(tmp_path: Path) -> None:
    """After a hundred that do not stand no other is looked at, not even a right one."""
    world = unchecked(Phase.KEYS)
    artifacts = [bytes(x) for x in world.data()]
    honest, wrong = _honest(world), _other_keys(world)
    for i in range(101):
        accused = pb.Accusation(trustee=1, message=honest, check=f"R.{i}")
        artifact = pb.Artifact(accusation=accused)
        Record(world).sign(artifact)
        artifacts.append(artifact.SerializeToString(deterministic=True))
    accused = pb.Accusation(trustee=2, message=wrong, check="R.key-commitment")
    artifact = pb.Artifact(accusation=accused)
    Record(world).sign(artifact)
    report = judged(world, tmp_path, [*artifacts, artifact.SerializeToString(deterministic=True)])
    assert report.checks["R.accusation"].failed == 100
    assert report.misconduct == ()
