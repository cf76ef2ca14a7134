"""The rules of the record after the close: aggregates, sessions, openings, the result.

As in `test_record_transcript`: each rule is broken once, by a statement that is right
in everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from crypto.elgamal import Ciphertext
from crypto.errors import Malformed, Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record.aggregate import totals
from record.artifacts import (
    PART,
    DecryptedTally,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShare,
    DecryptionShares,
    EncryptedTally,
    Result,
    Role,
    Statement,
)
from record.state import Phase, Round
from record.tally_rules import check_aggregates
from tests.ballots import Plain
from tests.decrypting import (
    EXPECTED,
    VOTES,
    Session,
    opening,
    play_decryption,
    play_election,
    play_result,
    play_tallies,
    resigned,
    tallies,
)
from tests.properties.test_record_transcript import refuse, snapshot
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


# --- encrypted tallies


def test_encrypted_tallies_in_order() -> None:
    """Every cell once, in the manifest's order, with a ciphertext for each option."""
    world = closed()
    cells = tallies(world)
    assert [(t.unit, t.contest, t.ballots) for t in cells] == [
        ("centre", "president", 3),
        ("centre", "council", 2),
        ("village", "president", 1),
    ]
    for position, tally in enumerate(cells):
        for other in cells[:position] + cells[position + 1 :]:
            refuse(world, other, "R.tally-cells", SERVER)
        for options in ((), tally.options[:-1], (*tally.options, tally.options[0])):
            refuse(world, replace(tally, options=options), "R.tally-cells", SERVER)
        refuse(world, replace(tally, unit="city"), "R.tally-cells", SERVER)
        refuse(world, replace(tally, contest="mayor"), "R.tally-cells", SERVER)
        world.append(tally)
    assert world.transcript.phase is Phase.TALLIED
    refuse(world, cells[-1], "R.order")


def test_aggregates() -> None:
    """Verification 9: the count, A and B of every cell are those of the cast ballots."""
    world = closed()
    with pytest.raises(Rejected) as caught:
        check_aggregates(world.state, world.read)
    assert caught.value.check == "R.tally-cells"
    play_tallies(world)
    check_aggregates(world.state, world.read)


def _first_a(tally: EncryptedTally) -> EncryptedTally:
    a, *rest = tally.options
    return replace(tally, options=(Ciphertext(a.beta, a.beta), *rest))


def _last_b(tally: EncryptedTally) -> EncryptedTally:
    *rest, b = tally.options
    return replace(tally, options=(*rest, Ciphertext(b.alpha, b.alpha)))


@pytest.mark.parametrize("cell", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "check", "where"),
    [
        (_first_a, "9.A", "option 1"),
        (_last_b, "9.B", "option"),
        (lambda t: replace(t, ballots=t.ballots + 1), "R.tally-cells", "contest"),
        (lambda t: replace(t, options=t.options[::-1]), "9.A", "option 1"),
    ],
)
def test_wrong_aggregates(
    cell: int, change: Callable[[EncryptedTally], EncryptedTally], check: str, where: str
) -> None:
    """A wrong product or count passes the order, and is found when the ballots are multiplied."""
    world = closed()
    for position, tally in enumerate(tallies(world)):
        world.append(change(tally) if position == cell else tally)
    before = snapshot(world.state)
    with pytest.raises(Rejected) as caught:
        check_aggregates(world.state, world.read)
    assert (caught.value.check, caught.value.culprit) == (check, SERVER)
    expected = tallies(world)[cell]
    assert f"unit {expected.unit}, contest {expected.contest}" in caught.value.where
    assert where in caught.value.where
    assert snapshot(world.state) == before


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
        (t.unit, t.contest): tuple(o.count for o in t.options)
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


def test_a_session_that_ends_while_a_part_is_proved() -> None:
    """Proofs that look for parts of another session refuse, and do not fall over."""
    world, session = at_shares()
    (shares,) = session.shares(2)
    session.play_round(session.shares)
    (responses,) = session.responses(2)
    world.append(Session(world).statement())
    for statement in (shares, responses):
        before = snapshot(world.state)
        with pytest.raises(Rejected) as caught:
            world.transcript.prove(world.sign(statement), world.read)
        assert caught.value.check == "R.session"
        assert snapshot(world.state) == before


def test_no_session_once_tallies_are_decrypted() -> None:
    """A session that begins after a decrypted tally would mix two sets of shares."""
    world, session = responded()
    tally, *_ = session.decrypted_tallies()
    world.append(tally)
    refuse(world, DecryptionSession(2, (1, 2)), "R.session", SERVER)


# --- shares and responses


def at_shares() -> tuple[World, Session]:
    """All commitments of trustees 2 and 3 are there."""
    world = tallied()
    session = Session(world)
    world.append(session.statement())
    session.play_round(session.commitments)
    return world, session


def _change_share(session: Session, i: int, m: int, **changes: Any) -> DecryptionShares:
    """Trustee i's shares, of which number m is changed."""
    (part,) = session.shares(i)
    shares = list(part.shares)
    shares[m] = replace(shares[m], **changes)
    return replace(part, shares=tuple(shares))


@pytest.mark.parametrize("name", ["partial_decryption", "a", "b"])
@pytest.mark.parametrize("i", [2, 3])
def test_a_commitment_not_honoured(name: str, i: int) -> None:
    """M_i, a_i and b_i are those that d_i committed to; the trustee is to blame."""
    world, session = at_shares()
    for m in (0, 7):
        value = getattr(session.parts[i][m], name)
        other = value * world.group.g % world.group.p
        wrong = _change_share(session, i, m, **{name: other})
        error = refuse(world, wrong, "R.decryption-commitment", f"trustee {i}")
        assert error.where == f"ciphertext {m}"
    world.append(session.shares(i)[0])


@pytest.mark.parametrize("name", ["partial_decryption", "a", "b"])
def test_shares_outside_the_subgroup(name: str) -> None:
    """A share outside the subgroup is refused, committed to or not."""
    world = tallied()
    session = Session(world)
    world.append(session.statement())
    good = session.parts[2][3]
    value = getattr(good, name)
    session.parts[2][3] = replace(good, **{name: world.group.p - value})
    session.play_round(session.commitments)
    error = refuse(world, session.shares(2)[0], "R.decryption-share", "trustee 2")
    assert error.where == "ciphertext 3"


def test_shares_of_another_trustee_or_place() -> None:
    """A commitment is bound to its trustee and its ciphertext."""
    world, session = at_shares()
    swapped = replace(session.shares(3)[0], trustee=2)
    refuse(world, swapped, "R.decryption-commitment", "trustee 2")
    (part,) = session.shares(2)
    turned = replace(part, shares=part.shares[::-1])
    refuse(world, turned, "R.decryption-commitment", "trustee 2")


def test_a_commitment_is_bound_to_its_set() -> None:
    """d_i for another U does not open."""
    world = tallied()
    session, everybody = Session(world, (2, 3)), Session(world, (1, 2, 3))
    world.append(session.statement())
    everybody.parts[2] = session.parts[2]
    world.append(everybody.commitments(2)[0])
    world.append(session.commitments(3)[0])
    refuse(world, session.shares(2)[0], "R.decryption-commitment", "trustee 2")


@pytest.mark.parametrize("name", ["partial_decryption", "a", "b"])
@pytest.mark.parametrize("i", [2, 3])
def test_a_wrong_share_that_was_committed_to(name: str, i: int) -> None:
    """A false M_i, a_i or b_i under an honest d_i is found with the response: its own trustee's."""
    world = tallied()
    session = Session(world)
    world.append(session.statement())
    value = getattr(session.parts[i][1], name)
    other = value * world.group.g % world.group.p
    session.parts[i][1] = replace(session.parts[i][1], **{name: other})
    session.play_round(session.commitments)
    session.play_round(session.shares)
    honest = 5 - i
    world.append(session.responses(honest)[0])
    error = refuse(world, session.responses(i)[0], "R.decryption-share", f"trustee {i}")
    assert error.where == "ciphertext 1"


@pytest.mark.parametrize("m", [0, 4, 7])
def test_a_wrong_response(m: int) -> None:
    """A response that does not fit is refused; the right one is still accepted."""
    world, session = at_shares()
    session.play_round(session.shares)
    (part,) = session.responses(3)
    scalars = list(part.responses)
    scalars[m] = (scalars[m] + 1) % world.group.q
    wrong = replace(part, responses=tuple(scalars))
    error = refuse(world, wrong, "R.decryption-share", "trustee 3")
    assert error.where == f"ciphertext {m}"
    refuse(world, replace(session.responses(2)[0], trustee=3), "R.decryption-share", "trustee 3")
    world.append(part)


def test_a_response_with_another_key() -> None:
    """A trustee that answers with a secret that is not its share of the key is found."""
    world, session = at_shares()
    session.play_round(session.shares)
    world.secrets.vote_shares[2] += 1
    error = refuse(world, session.responses(2)[0], "R.decryption-share", "trustee 2")
    assert "trustee's key" in error.problem


# --- decrypted tallies


def _option(tally: DecryptedTally, **changes: Any) -> DecryptedTally:
    """The tally with its second option changed."""
    first, second, *rest = tally.options
    return replace(tally, options=(first, replace(second, **changes), *rest))


def test_wrong_decryptions() -> None:
    """t, T, c and v are proved (Verification 10); the server is to blame."""
    world, session = responded()
    key, q, p = world.keys.vote_key, world.group.q, world.group.p
    for tally in session.decrypted_tallies():
        right = tally.options[1]
        for changes, check in (
            ({"count": right.count + 1}, "10.C"),
            ({"count": 2**53}, "10.C"),
            ({"value": right.value * key.element % p}, "10.C"),
            ({"value": p - right.value}, "10.C"),
            ({"count": right.count + 1, "value": key.power(right.count + 1)}, "10.B"),
            ({"challenge": (right.challenge + 1) % q}, "10.B"),
            ({"response": (right.response + 1) % q}, "10.B"),
            ({"challenge": right.response, "response": right.challenge}, "10.B"),
        ):
            error = refuse(world, _option(tally, **changes), check, SERVER)
            assert f"option {right.option}" in error.where
        world.append(tally)


def test_proofs_are_bound_to_their_place() -> None:
    """The proof of another option does not hold, were its count the same."""
    world, session = responded()
    tally = session.decrypted_tallies()[0]
    assert tally.options[0].count == tally.options[1].count == 1
    other = tally.options[0]
    wrong = _option(tally, value=other.value, challenge=other.challenge, response=other.response)
    refuse(world, wrong, "10.B", SERVER)


def test_decrypted_tallies_in_order() -> None:
    """Each encrypted tally once, in order, with its labels and its number of ballots."""
    world, session = responded()
    opened = session.decrypted_tallies()
    for position, tally in enumerate(opened):
        for other in opened[:position] + opened[position + 1 :]:
            refuse(world, other, "R.tally-cells", SERVER)
        refuse(world, replace(tally, ballots=tally.ballots + 1), "R.tally-cells", SERVER)
        refuse(world, replace(tally, contest="mayor"), "R.tally-cells", SERVER)
        refuse(world, replace(tally, unit="nowhere"), "R.tally-cells", SERVER)
        options = tally.options
        for wrong, check in (
            ((), "11.C"),
            (options[:-1], "11.C"),
            (options[1:], "11.C"),
            ((replace(options[0], option="nobody"), *options[1:]), "11.B"),
            ((*options, replace(options[0], option="nobody")), "11.B"),
            (options[::-1], "R.order"),
            ((*options, options[0]), "R.order"),
        ):
            refuse(world, replace(tally, options=wrong), check, SERVER)
        world.append(tally)
    refuse(world, opened[-1], "R.tally-cells", SERVER)
    assert world.transcript.phase is Phase.TALLIED, "there are challenged ballots left"


# --- challenged ballots


def test_openings_in_order() -> None:
    """Every challenged ballot once, in the order of the challenges, and no other ballot."""
    world = tallied()
    first, second = (opening(world, code) for code in world.state.challenged)
    cast = next(c for c, e in world.state.ballots.items() if c not in world.state.challenged)
    for wrong in (second, opening(world, cast), replace(first, confirmation_code=bytes(32))):
        refuse(world, wrong, "R.challenged", SERVER)
    world.append(first)
    refuse(world, first, "R.challenged", SERVER)
    world.append(second)
    refuse(world, second, "R.challenged", SERVER)
    session = Session(world)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    assert world.transcript.phase is Phase.COUNTED


def test_wrong_openings() -> None:
    """Values, nonces and labels of an opening are those of the ballot (Verifications 13, 14)."""
    world = tallied()
    good = opening(world, world.state.challenged[0])
    president, council = good.contests
    assert [s.value for s in president.selections] == [0, 1, 0]
    assert [s.value for s in council.selections] == [0, 2]
    q = world.group.q
    yes, no = council.selections

    def contests(*items: Any) -> dict[str, Any]:
        return {"contests": items}

    def options(*items: Any) -> dict[str, Any]:
        return contests(president, replace(council, selections=items))

    moved = replace(yes, value=1, nonce=(yes.nonce - 1) % q)
    for changes, check in (
        (options(yes, replace(no, value=1)), "13.B"),
        (options(replace(yes, value=1), no), "13.B"),
        (options(moved, no), "13.B"),
        (options(yes, replace(no, nonce=(no.nonce + 1) % q)), "13.B"),
        (options(replace(yes, nonce=no.nonce), replace(no, nonce=yes.nonce)), "13.B"),
        (options(yes, replace(no, value=3)), "14.E"),
        (options(replace(yes, value=2**31 - 1), no), "14.E"),
        (options(replace(yes, value=2), no), "14.F"),
        (options(yes), "14.D"),
        (options(), "14.D"),
        (options(replace(yes, option="maybe"), no), "14.C"),
        (options(no, yes), "R.challenged"),
        (options(yes, no, no), "R.challenged"),
        (contests(president), "14.B"),
        (contests(), "14.B"),
        (contests(president, replace(council, contest="mayor")), "14.A"),
        (contests(council, president), "R.challenged"),
        (contests(president, council, council), "R.challenged"),
    ):
        error = refuse(world, replace(good, **changes), check, SERVER)
        assert f"ballot {good.confirmation_code.hex()[:16]}" in error.where
    world.append(good)


def test_the_opening_of_another_ballot() -> None:
    """The nonces of one challenged ballot do not open another of the same style."""
    votes = [replace(VOTES[1]), replace(VOTES[1])]
    world = play_election(TOY[-1], votes, until=Phase.TALLIED)
    first, second = (opening(world, code) for code in world.state.challenged)
    wrong = replace(second, confirmation_code=first.confirmation_code)
    refuse(world, wrong, "13.B", SERVER)


# --- the result


def test_result() -> None:
    """The result is the sum of the decrypted tallies, contest by contest, in order."""
    world = tallied()
    play_decryption(world)
    good = totals(world.context, world.state.decrypted_tallies)
    president, council = good.contests
    assert [o.count for o in president.options] == [1, 2, 0]
    assert (president.ballots, council.ballots) == (4, 2)
    first, *rest = president.options
    for contests in (
        (),
        (president,),
        (council, president),
        (president, council, council),
        (replace(president, ballots=5), council),
        (replace(president, contest="mayor"), council),
        (replace(president, options=(replace(first, count=2), *rest)), council),
        (replace(president, options=(replace(first, option="nobody"), *rest)), council),
        (replace(president, options=tuple(rest)), council),
        (president, replace(council, options=council.options[::-1])),
    ):
        refuse(world, Result(contests), "R.result", "administrator")
    world.append(good)
    assert world.transcript.phase is Phase.COMPLETE
    refuse(world, good, "R.order")


def test_a_contest_on_no_ballot() -> None:
    """A contest that no ballot style has stands in the result with zeroes."""
    document = manifest_document()
    for style in document["ballot_styles"]:
        style["contests"] = ["president"]
    world = play_election(TOY[-1], [VOTES[0]], manifest=manifest_bytes(document))
    result = world.state.result
    assert result is not None
    _, council = result.contests
    assert (council.ballots, [o.count for o in council.options]) == (0, [0, 0])


def test_places() -> None:
    """Ciphertexts are counted in the order of the tallies, whenever one looks."""
    world = closed()
    sizes = [len(world.state.places())]
    for tally in tallies(world):
        world.append(tally)
        sizes.append(len(world.state.places()))
    assert sizes == [0, 3, 5, 8]
    indices = [(p.contest, p.option) for p in world.state.places()]
    assert indices == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (1, 1), (1, 2), (1, 3)]


def test_shares_hide_nothing_in_zero() -> None:
    """Where nobody voted, A = B = 1, and M_i = 1 is the only share."""
    world = play_election(TOY[-1], [], until=Phase.TALLIED)
    session = Session(world)
    assert {p.ciphertext for p in session.places} == {Ciphertext(mpz(1), mpz(1))}
    g = world.group.g
    share = session.parts[2][0]
    assert share.partial_decryption == 1
    session.parts[2][0] = DecryptionShare(g, share.a, share.b)
    world.append(session.statement())
    session.play_round(session.commitments)
    session.play_round(session.shares)
    refuse(world, session.responses(2)[0], "R.decryption-share", "trustee 2")
