"""The coordinator: who is there, when a session may begin, and what is kept for it."""

from __future__ import annotations

from functools import cache

import pytest

from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import TrusteeKeys
from record.state import Phase, Status
from tests.trustee_machines import Hall, fork, tallied
from tests.world import World, manifest_bytes
from trustees.ceremony import generate
from trustees.coordinator import PRESENT
from trustees.messages import PostArtifact, PostNonceShares


@cache
def the_tallied() -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], 3, 2)


def test_attendance() -> None:
    """Whoever was not heard from for ten seconds is not there any more."""
    hall = fork(the_tallied())
    hall.attend(3)
    hall.now = PRESENT
    hall.attend(1)
    assert hall.coordinator.present() == (1, 3)
    hall.now = PRESENT + 0.1
    assert hall.coordinator.present() == (1,)


@pytest.mark.parametrize(
    ("there", "asked", "reason"),
    [
        ((), (), "below the quorum"),
        ((2,), (), "below the quorum"),
        ((1, 2, 3), (3,), "below the quorum"),
        ((1, 2), (1, 2, 3), "not connected: trustees 3"),
        ((1, 2), (1, 9), "not connected: trustees 9"),
    ],
)
def test_no_session(there: tuple[int, ...], asked: tuple[int, ...], reason: str) -> None:
    """No session with fewer than the quorum or somebody who is not there; nothing is published."""
    hall = fork(the_tallied())
    hall.attend(*there)
    size = hall.log.size()
    with pytest.raises(Rejected, match=reason) as caught:
        hall.coordinator.start_decryption(asked)
    assert caught.value.check == "R.session"
    assert hall.log.size() == size


def test_session() -> None:
    """A session takes all that are there, or those that were asked for; then the next one."""
    hall = fork(the_tallied())
    hall.attend(1, 2, 3)
    assert hall.coordinator.start_decryption((3, 1)) == (1, (1, 3))
    assert hall.coordinator.start_decryption() == (2, (1, 2, 3))
    session = hall.world.state.session
    assert session is not None
    assert (session.number, session.trustees) == (2, (1, 2, 3))


def test_no_session_before_and_after() -> None:
    """Not before the tallies are there, and not once they are all decrypted."""
    early = Hall(World.create(TOY[-1], until=Phase.OPEN))
    early.attend(1, 2)
    late = fork(the_tallied())
    late.decrypt((1, 2))
    late.tabulator.step()
    for hall in (early, late):
        with pytest.raises(Rejected) as caught:
            hall.coordinator.start_decryption()
        assert caught.value.check == "R.order"


def test_notices() -> None:
    """In every round those who are late are named, and whether they are connected."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    hall.attend(2)
    assert hall.coordinator.notices() == (
        "Waiting for the keys of trustee 1, trustee-1 (not connected).",
        "Waiting for the keys of trustee 2, trustee-2 (connected).",
    )
    hall.turn(1)
    assert len(hall.coordinator.notices()) == 1
    hall.turn(2)
    assert "the shares of trustee 1" in hall.coordinator.notices()[0]
    hall.run()
    assert hall.coordinator.notices() == ()
    hall = fork(the_tallied())
    hall.attend(1)
    assert hall.coordinator.notices() == ("Trustees connected: 1; decrypting needs 2.",)
    hall.attend(2)
    hall.coordinator.start_decryption()
    hall.run((1,))
    assert hall.coordinator.notices() == (
        "Waiting for the commitments of trustee 2, trustee-2 (connected).",
    )


def test_other_roles_statements() -> None:
    """What is not a trustee's statement is not posted here, even if it is signed and due."""
    hall = Hall(World.create(TOY[-1], until=Phase.READY))
    opening = hall.world.sign(hall.world.keys.opening())
    size = hall.log.size()
    with pytest.raises(Rejected) as caught:
        hall.coordinator.post(opening)
    assert caught.value.check == "R.order"
    assert hall.log.size() == size


def test_the_same_again() -> None:
    """The same bytes have the same index; other ones in the same round are refused."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 2, 2))
    message = hall.step(1).message
    assert isinstance(message, PostArtifact)
    artifact = hall.world.transcript.parse(message.data)
    assert [hall.coordinator.post(artifact) for _ in range(3)] == [1, 1, 1]
    other = Hall(hall.world)
    with pytest.raises(Rejected) as caught:
        other.coordinator.post(hall.world.sign(_other_keys(hall)))
    assert (caught.value.check, caught.value.culprit) == ("R.order", "trustee 1")


def _other_keys(hall: Hall) -> TrusteeKeys:
    return generate(hall.world.context, 1)[1]


# --- nonce shares


def begun() -> tuple[Hall, PostNonceShares]:
    """A hall with a session of 1 and 2, and the nonce shares of trustee 1."""
    hall = fork(the_tallied())
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    message = hall.step(1).message
    assert isinstance(message, PostNonceShares)
    return hall, message


def test_nonce_shares_are_kept() -> None:
    """They are kept by session, code and trustee; the same again changes nothing."""
    hall, message = begun()
    for _ in range(2):
        hall.coordinator.post_nonce_shares(1, 1, message.shares)
    kept = hall.nonce_shares.nonce_shares(1)
    assert {code: m[1] for code, m in kept.items()} == dict(message.shares)
    assert hall.nonce_shares.nonce_shares(2) == {}


def test_wrong_nonce_shares() -> None:
    """Another session, trustee or ballot, and what is no member, are refused; nothing is kept."""
    hall, message = begun()
    group, state = hall.world.group, hall.world.state
    (code, m), *_ = message.shares
    cast = next(c for c, e in state.ballots.items() if e.status is Status.CAST)
    minus = group.encode_element(group.p - group.parse_element(m, "m"))
    for trustee, session, shares, check in (
        (1, 2, [(code, m)], "R.session"),
        (1, 0, [(code, m)], "R.session"),
        (3, 1, [(code, m)], "R.session"),
        (1, 1, [(code, m), (cast, m)], "R.challenged"),
        (1, 1, [(bytes(32), m)], "R.challenged"),
        (1, 1, [(code, minus)], "R.nonce-share"),
    ):
        with pytest.raises(Rejected) as caught:
            hall.coordinator.post_nonce_shares(trustee, session, shares)
        assert caught.value.check == check
    for shares in ([], [(code, m)] * 513, [(code, m[1:])], [(code, bytes(len(m)))]):
        with pytest.raises(Malformed):
            hall.coordinator.post_nonce_shares(1, 1, shares)
    assert hall.nonce_shares.rows == {}
