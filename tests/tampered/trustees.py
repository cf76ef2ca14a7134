"""Cheating among trustees: commitments, transcripts, complaints, accusations, small units."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from crypto.parameters import TOY
from record.artifacts import (
    Accusation,
    Artifact,
    Purpose,
    Role,
    ShareAnswer,
    ShareComplaint,
    TrusteeStatement,
    sign_statement,
)
from record.state import Phase
from sailau.v1 import record_pb2 as pb
from tests.ballots import Fate, Plain
from tests.decrypting import (
    Session,
    decrypted_ballot,
    opening,
    play_on,
    play_result,
)
from tests.tampered.kit import Catalogue, Record, changed_manifest, flipped
from tests.world import World, trustee_name

TRUSTEES = Catalogue("trustees")
SERVER = "server"


# --- honest records in which more happens


@cache
def disputed() -> World:
    """Trustee 2 complains of trustee 1 without a reason, and is answered."""
    world = World.create(TOY[-1], until=Phase.CONFIRMATION)
    world.append(ShareComplaint(2, 1))
    world.append(ShareAnswer(1, 2, world.secrets.share_nonces[1, 2]))
    world.play_confirmations()
    world.play_opening()
    return play_on(world)


def drill(world: World, *trustees: int) -> Session:
    """A drill that everybody of U answers."""
    session = Session(world, trustees, Purpose.DRILL)
    session.play()
    return session


@cache
def drilled() -> World:
    """A drill before the opening, and one while the polls are open."""
    world = World.create(TOY[-1], until=Phase.READY)
    drill(world, 1, 2, 3)
    world.play_opening()
    drill(world, 2, 3)
    return play_on(world)


def sign_as(world: World, i: int, statement: TrusteeStatement) -> Artifact:
    """What trustee i signs on its own, in the round that is on."""
    statement = replace(statement, transcript=world.state.round_root)
    key = world.role_key(Role.TRUSTEE, trustee_name(i))
    return sign_statement(statement, world.group, world.context.base_hash, key)


@cache
def interrupted() -> World:
    """Trustee 3 gives a wrong answer in the decryption; the others finish without it."""
    world = play_on(World.create(TOY[-1]), until=Phase.TALLIED)
    session = Session(world, (1, 2, 3))
    world.append(session.statement())
    session.play_round(session.commitments)
    session.play_round(session.shares)
    world.append(session.responses(1)[0])
    (wrong,) = session.responses(3)
    wrong = replace(wrong, responses=(wrong.responses[0] + 1, *wrong.responses[1:]))
    message = sign_as(world, 3, wrong)
    world.append(Accusation(3, message.data, "R.decryption-share"))
    return _count(world, Session(world, (1, 2)))


def _count(world: World, session: Session) -> World:
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    for code in world.state.challenged:
        world.append(opening(world, code))
    play_result(world)
    return world


@cache
def shut() -> World:
    """The first challenged ballot is opened like a tally, the other through its nonce."""
    world = play_on(World.create(TOY[-1]), until=Phase.TALLIED)
    session = Session(world)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    first, second = world.state.challenged
    ballot = Session(world, (1, 3), Purpose.BALLOT, first)
    ballot.play()
    world.append(decrypted_ballot(ballot))
    world.append(opening(world, second))
    play_result(world)
    return world


def _with_floor(document: Any) -> None:
    """Three more villages, and a floor of three ballots."""
    village = document["units"][2]
    document["units"] += [village | {"label": label} for label in ("aul", "bekbau", "shieli")]
    document["devices"][0]["units"] = [u["label"] for u in document["units"] if u["ballot_styles"]]
    document["privacy_floor"] = 3


FLOOR = changed_manifest(_with_floor)
FEW_EACH = tuple(
    Plain({"president": (0, 1, 0)}, unit=unit, style="short")
    for unit, ballots in {"centre": 4, "village": 1, "aul": 2, "bekbau": 2, "shieli": 1}.items()
    for _ in range(ballots)
) + (Plain({"council": (1, 0)}), Plain(fate=Fate.CHALLENGE))


@cache
def joined() -> World:
    """Small villages are counted together; the council's contest has too few ballots."""
    return play_on(World.create(TOY[-1], manifest=FLOOR), FEW_EACH)


# --- commitments and transcripts


@TRUSTEES.edited("R.key-commitment", who="trustee 2", at="trustee_keys", standard=True)
def keys_chosen_later(record: Record) -> None:
    """Trustee 2 publishes other keys than it had committed to before it saw the others'."""
    commitment = record.every("key_commitment")[1]
    commitment.commitment = flipped(commitment.commitment)


@TRUSTEES.edited("R.transcript", who=SERVER, at="trustee_keys")
def commitments_shown_to_one(record: Record) -> None:
    """Trustee 1 reveals its keys to a record with other commitments in it."""
    keys = record.first("trustee_keys")
    keys.transcript = flipped(keys.transcript)


@TRUSTEES.edited("R.transcript", who=SERVER)
def ceremony_shown_to_one(record: Record) -> None:
    """Trustee 3 confirms the same keys in another record."""
    confirmation = record.last("key_confirmation")
    confirmation.transcript = flipped(confirmation.transcript)


@TRUSTEES.edited("R.transcript", who=SERVER)
def transcript_of_the_round_before(record: Record) -> None:
    """A trustee sends its shares upon the record of the round before."""
    shares = record.first("encrypted_shares")
    shares.transcript = record.first("trustee_keys").transcript


@TRUSTEES.edited("R.transcript", who=SERVER)
def commitments_to_decryption_shown_to_one(record: Record) -> None:
    """A trustee of a session reveals its shares to a record with other commitments in it."""
    shares = record.last("decryption_shares")
    shares.transcript = flipped(shares.transcript)


@TRUSTEES.edited("R.transcript", who=SERVER)
def answers_to_another_record(record: Record) -> None:
    """A trustee answers a challenge upon a record that is not this one."""
    responses = record.first("decryption_responses")
    responses.transcript = flipped(responses.transcript)


# --- complaints


@TRUSTEES.edited("R.share-answer", who="trustee 1", world=disputed)
def answer_that_opens_nothing(record: Record) -> None:
    """Trustee 1 answers a complaint with another nonce."""
    answer = record.first("share_answer")
    answer.nonce = record.more(answer.nonce)


@TRUSTEES.edited("R.share-answer", who=SERVER, world=disputed)
def answer_to_nobody(record: Record) -> None:
    """Trustee 3 opens a share of which nobody complained."""
    xi = record.world.secrets.share_nonces[3, 2]
    answer = pb.ShareAnswer(
        trustee=3,
        recipient=2,
        nonce=record.group.encode_scalar(xi),
        transcript=record.first("share_answer").transcript,
    )
    added = record.insert(record.position("share_answer") + 1, share_answer=answer)
    record.follow(added, "share_answer")


@TRUSTEES.edited("R.complaint", who="trustee 3", world=disputed, at="key_confirmation")
def confirmed_in_spite_of_a_complaint(record: Record) -> None:
    """Trustee 3 complains of trustee 1, and confirms without having been answered."""
    complaint = pb.ShareComplaint(trustee=3, sender=1)
    complaint.transcript = record.first("share_complaint").transcript
    added = record.insert(record.position("share_complaint"), share_complaint=complaint)
    record.follow(added, "share_complaint")


@TRUSTEES.edited("R.complaint", who="trustee 1", world=disputed)
def complained_after_the_confirmation(record: Record) -> None:
    """Trustee 1 has confirmed the keys and complains of trustee 2 then."""
    complaint = pb.ShareComplaint(trustee=1, sender=2)
    complaint.transcript = record.first("share_complaint").transcript
    xi = record.world.secrets.share_nonces[2, 1]
    answer = pb.ShareAnswer(trustee=2, recipient=1, nonce=record.group.encode_scalar(xi))
    answer.transcript = complaint.transcript
    place = record.position("key_confirmation") + 1
    record.follow(record.insert(place, share_complaint=complaint), "share_complaint")
    record.follow(record.insert(place + 1, share_answer=answer), "share_answer")


# --- accusations


@TRUSTEES.edited("R.accusation", who=SERVER, world=interrupted)
def accusation_of_something_else(record: Record) -> None:
    """The server says that the wrong answer was a commitment not honoured."""
    record.first("accusation").check = "R.decryption-commitment"


@TRUSTEES.edited("R.accusation", who=SERVER, at="accusation")
def accusation_of_the_honest(record: Record) -> None:
    """The server accuses trustee 1 with a message in which nothing is wrong."""
    message = record.artifacts[record.position("decryption_responses")]
    accusation = pb.Accusation(trustee=2, check="R.decryption-share")
    accusation.message = message.SerializeToString(deterministic=True)
    record.insert(record.position("decrypted_tally"), accusation=accusation)


@TRUSTEES.edited("R.accusation", who=SERVER, world=interrupted)
def accusation_without_a_signature(record: Record) -> None:
    """The server makes a wrong message up in a trustee's name."""
    accusation = record.first("accusation")
    message = pb.Artifact.FromString(accusation.message)
    message.signature = flipped(message.signature)
    accusation.message = message.SerializeToString(deterministic=True)


@TRUSTEES.edited("R.session", who=SERVER, world=interrupted, at="decryption_session")
def session_with_the_accused(record: Record) -> None:
    """A session is begun with a trustee that has been accused before."""
    session = pb.DecryptionSession(session=2, trustees=[1, 3])
    record.insert(record.position("decryption_session", 1), decryption_session=session)
    record.last("decryption_session").session = 3
    for kind in ("decryption_commitments", "decryption_shares", "decryption_responses"):
        for statement in record.every(kind):
            if statement.session == 2:
                statement.session = 3


# --- drills


@TRUSTEES.edited("R.decryption-share", who="trustee 2", world=drilled, at="decryption_responses")
def drill_answered_wrongly(record: Record) -> None:
    """A trustee answers a drill with a response that does not fit its key."""
    response = next(r for r in record.every("decryption_responses") if r.trustee == 2)
    response.responses[0] = record.more(response.responses[0])


# --- small units


def _split(record: Record, kind: str) -> None:
    tally = next(t for t in record.every(kind) if len(t.units) > 1)
    del tally.units[-1]


@TRUSTEES.edited("R.small-units", who=SERVER, world=joined, at="encrypted_tally decrypted_tally")
def village_said_to_be_counted_alone(record: Record) -> None:
    """The tally of a set of villages is published as that of fewer of them."""
    _split(record, "encrypted_tally")
    _split(record, "decrypted_tally")
