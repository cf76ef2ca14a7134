"""Decryption sessions: who takes part, which round is on, how long a part is.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from crypto.errors import Malformed
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    PART,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShares,
    Role,
    Statement,
)
from record.state import Phase, Round
from tests.ballots import Plain
from tests.decrypting import (
    EXPECTED,
    Session,
    opening,
    play_election,
    play_result,
    resigned,
)
from tests.refusing import refuse
from tests.world import World, manifest_bytes, manifest_document, trustee_name

SERVER = "server"


def closed() -> World:
    """The polls have closed."""
    return play_election(TOY[-1], until=Phase.CLOSED)


def tallied() -> World:
    """All encrypted tallies are there."""
    return play_election(TOY[-1], until=Phase.TALLIED)


def responded() -> tuple[World, Session]:
    """A session is complete; nothing is decrypted yet."""
    world = tallied()
    session = Session(world)
    session.play()
    return world, session


# --- sessions


@pytest.mark.parametrize(
    ("number", "trustees"),
    [
        (2, (1, 2)),
        (2**31 - 1, (1, 2)),
        (1, ()),
        (1, (1,)),
        (1, (2, 1)),
        (1, (1, 1)),
        (1, (1, 1, 2)),
        (1, (1, 4)),
        (1, (1, 2, 3, 4)),
        (1, (2**31 - 2, 2**31 - 1)),
    ],
)
def test_wrong_sessions(number: int, trustees: tuple[int, ...]) -> None:
    """A session has the next number and an ascending set of at least k trustees."""
    world = tallied()
    refuse(world, DecryptionSession(number, trustees), "R.session", SERVER)


def test_malformed_sessions() -> None:
    """Neither a session nor a trustee has the number 0."""
    world = tallied()
    for number, trustees, field in ((0, (1, 2), "session"), (1, (0, 1), "trustees[0]")):
        artifact = world.sign(DecryptionSession(number, trustees))
        with pytest.raises(Malformed) as caught:
            world.transcript.parse(artifact.data)
        assert caught.value.field == f"decryption_session.{field}"


@pytest.mark.parametrize("available", [(1, 2), (1, 3), (2, 3), (1, 2, 3)])
def test_every_quorum(available: tuple[int, ...]) -> None:
    """Any k or more trustees come to the same counts."""
    world = play_election(TOY[-1], available=available)
    assert world.transcript.phase is Phase.COMPLETE
    counts = {
        (t.units[0], t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }
    assert counts == EXPECTED


def test_nothing_is_decrypted_without_a_session() -> None:
    """Rounds and decrypted tallies need a session."""
    world, session = responded()
    parts: list[Statement] = [
        *session.commitments(2),
        *session.shares(2),
        *session.responses(2),
    ]
    tally = session.decrypted_tallies()[0]
    assert world.transcript.phase is Phase.TALLIED
    early = tallied()
    assert len(parts) == 3
    for part in parts:
        refuse(early, part, "R.session", "trustee 2")
    refuse(early, tally, "R.session", SERVER)


def test_rounds_follow_each_other() -> None:
    """No shares before all commitments of U, no responses before all shares of U."""
    world = tallied()
    session = Session(world, (1, 3))
    world.append(session.statement())
    rounds: Sequence[Callable[[int], Sequence[Statement]]] = (
        session.commitments,
        session.shares,
        session.responses,
    )
    for position, round_ in enumerate(rounds):
        for i in session.available:
            for later in rounds[position + 1 :]:
                refuse(world, later(i)[0], "R.session", f"trustee {i}")
            refuse(world, session.decrypted_tallies()[0], "R.session", SERVER)
            (part,) = round_(i)
            world.append(part)
            refuse(world, part, "R.session", f"trustee {i}")
    world.append(session.decrypted_tallies()[0])


def test_who_is_in_a_session() -> None:
    """A trustee outside U, or one that does not exist, has no part in it."""
    world = tallied()
    session, everybody = Session(world, (1, 3)), Session(world, (1, 2, 3))
    world.append(session.statement())
    refuse(world, everybody.commitments(2)[0], "R.session", "trustee 2")
    nobody = replace(session.commitments(1)[0], trustee=4)
    refuse(world, resigned(world, nobody, Role.TRUSTEE, trustee_name(1)), "R.role-keys")


def test_parts_fit() -> None:
    """A part is as long as it has to be and begins where the last one ended."""
    world = tallied()
    session = Session(world)
    world.append(session.statement())
    (good,) = session.commitments(2)
    assert len(good.commitments) == 8
    for wrong in (
        replace(good, first=1),
        replace(good, first=PART),
        replace(good, first=2**53),
        replace(good, commitments=()),
        replace(good, commitments=good.commitments[:-1]),
        replace(good, commitments=(*good.commitments, bytes(32))),
        replace(good, commitments=good.commitments[1:], first=1),
        replace(good, session=2),
    ):
        refuse(world, wrong, "R.session", "trustee 2")
    session.play_round(session.commitments)
    (shares,) = session.shares(2)
    for entries in ((), shares.shares[:-1], (*shares.shares, shares.shares[0])):
        refuse(world, replace(shares, shares=entries), "R.session", "trustee 2")
    session.play_round(session.shares)
    (responses,) = session.responses(2)
    for scalars in ((), responses.responses[:-1], (*responses.responses, mpz(0))):
        refuse(world, replace(responses, responses=scalars), "R.session", "trustee 2")
    session.play_round(session.responses)


@cache
def large_manifest() -> bytes:
    """One contest of 600 options, of which two parts are made."""
    document = manifest_document()
    contest = document["contests"][0]
    name = contest["options"][0]["name"]
    contest["options"] = [{"label": f"option-{j}", "name": name} for j in range(600)]
    document["contests"] = [contest]
    for style in document["ballot_styles"]:
        style["contests"] = [contest["label"]]
    document["units"] = [{**document["units"][1], "parent": None, "ballot_styles": ["short"]}]
    for device in document["devices"]:
        device["units"] = ["centre"]
    return manifest_bytes(document)


def test_rounds_in_parts() -> None:
    """More than 512 ciphertexts come in parts: 512 first, then the rest, in order."""
    vote = Plain({"president": (*[0] * 599, 1)}, style="short")
    world = play_election(TOY[-1], [vote], manifest=large_manifest(), until=Phase.TALLIED)
    session = Session(world)
    world.append(session.statement())
    rounds: Sequence[Callable[[int], Sequence[Any]]] = (
        session.commitments,
        session.shares,
        session.responses,
    )
    for position, round_ in enumerate(rounds):
        for i in session.available:
            culprit = f"trustee {i}"
            first, second = round_(i)
            assert (first.first, second.first) == (0, 512)
            refuse(world, second, "R.session", culprit)
            refuse(world, _merged(first, second), "R.session", culprit)
            refuse(world, _merged(first, first, keep=511), "R.session", culprit)
            world.append(first)
            refuse(world, first, "R.session", culprit)
            refuse(world, replace(second, first=511), "R.session", culprit)
            refuse(world, replace(second, first=88), "R.session", culprit)
            if position < 2:
                refuse(world, rounds[position + 1](i)[0], "R.session", culprit)
            world.append(second)
            refuse(world, second, "R.session", culprit)
    assert session.world.state.session is not None
    assert session.world.state.session.complete(Round.RESPONSES)
    _misbehave_in_the_second_part()
    for tally in session.decrypted_tallies():
        world.append(tally)
    play_result(world)
    result = world.state.result
    assert result is not None
    assert [o.count for o in result.contests[0].options] == [0] * 599 + [1]


def _merged(first: Any, second: Any, keep: int = 600) -> Any:
    name = {
        DecryptionCommitments: "commitments",
        DecryptionShares: "shares",
        DecryptionResponses: "responses",
    }[type(first)]
    entries = (*getattr(first, name), *getattr(second, name))[:keep]
    return replace(first, **{name: entries})


def _misbehave_in_the_second_part() -> None:
    """A wrong share and a wrong response are found behind the first 512, and counted right."""
    world = play_election(TOY[-1], [], manifest=large_manifest(), until=Phase.TALLIED)
    session = Session(world)
    world.append(session.statement())
    session.play_round(session.commitments)
    good = session.parts[3][550]
    session.parts[3][550] = replace(good, a=good.b, b=good.a)
    first, second = session.shares(3)
    world.append(first)
    error = refuse(world, second, "R.decryption-commitment", "trustee 3")
    assert error.where == "ciphertext 550"
    session.parts[3][550] = good
    world.append(session.shares(3)[1])
    for part in session.shares(2):
        world.append(part)
    answer, last = session.responses(2)
    world.append(answer)
    scalars = list(last.responses)
    scalars[7] = (scalars[7] + 1) % world.group.q
    wrong = replace(last, responses=tuple(scalars))
    error = refuse(world, wrong, "R.decryption-share", "trustee 2")
    assert error.where == "ciphertext 519"


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_abandoned_session(after: int) -> None:
    """After any round another session may begin; the one before it is then over."""
    world = tallied()
    session = Session(world, (1, 2))
    world.append(session.statement())
    rounds = (session.commitments, session.shares, session.responses)
    for round_ in rounds[:after]:
        session.play_round(round_)
    for number in (1, 3):
        refuse(world, DecryptionSession(number, (1, 3)), "R.session", SERVER)
    second = Session(world, (1, 3))
    assert second.number == 2
    world.append(second.statement())
    for round_ in rounds:
        refuse(world, round_(1)[0], "R.session", "trustee 1")
    refuse(world, session.decrypted_tallies()[0], "R.session", SERVER)
    # Numbers do not make the old parts new ones.
    refuse(world, replace(session.shares(1)[0], session=2), "R.session", "trustee 1")
    for round_ in (second.commitments, second.shares, second.responses):
        second.play_round(round_)
    for tally in second.decrypted_tallies():
        world.append(tally)
    for code in world.state.challenged:
        world.append(opening(world, code))
    play_result(world)
    assert world.transcript.phase is Phase.COMPLETE


def test_no_session_once_tallies_are_decrypted() -> None:
    """A session that begins after a decrypted tally would mix two sets of shares."""
    world, session = responded()
    tally, *_ = session.decrypted_tallies()
    world.append(tally)
    refuse(world, DecryptionSession(2, (1, 2)), "R.session", SERVER)
