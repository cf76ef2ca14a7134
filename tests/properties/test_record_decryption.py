"""What trustees prove when they decrypt: shares committed to, responses that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crypto.elgamal import Ciphertext
from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    DecryptionShare,
    DecryptionShares,
)
from record.state import Phase
from tests.decrypting import (
    Session,
    play_election,
)
from tests.refusing import refuse, snapshot
from tests.world import World

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
