"""A board and a trustee that work together against the others."""

from __future__ import annotations

from functools import cache

import pytest

from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import PART, DecryptionShares
from record.state import Phase, Round
from sailau.v1 import coordinator_pb2
from tests.decrypting import EXPECTED, play_result
from tests.trustee_machines import Hall, counts, fork, tallied
from trustees.service import CoordinatorServicer


@cache
def the_tallied() -> Hall:
    """An election up to its tallies, three trustees of whom two decrypt; fork it."""
    return tallied(TOY[-1], 3, 2)


def begun(trustees: tuple[int, ...] = (1, 2)) -> Hall:
    """A hall in which a session has begun."""
    hall = fork(the_tallied())
    hall.attend(*trustees)
    hall.coordinator.start_decryption(trustees)
    return hall


def play(hall: Hall, i: int, round_: Round) -> None:
    """Trustee i, until it has done this round."""
    session = hall.world.state.session
    assert session is not None
    while not session.done(round_, i):
        assert hall.turn(i)


def test_what_others_committed_to_is_fixed_before_anything_is_revealed() -> None:
    """Who has seen a_i and b_i cannot have the other commitments chosen anew after a restart.

    Commitments chosen with knowledge of many a_i at once are what attacks on concurrent
    Schnorr proofs need, and what the hashes of the first round are there to prevent.
    """
    hall = begun()
    play(hall, 1, Round.COMMITMENTS)
    branch = fork(hall)
    play(hall, 2, Round.COMMITMENTS)
    play(hall, 1, Round.SHARES)
    assert any(isinstance(a.statement, DecryptionShares) for a in hall.world.artifacts)
    # The board takes it all back, and trustee 2 commits to something else.
    play(branch, 2, Round.COMMITMENTS)
    branch.stores[1] = hall.stores[1].copy()
    branch.restart(1)
    with pytest.raises(Rejected) as caught:
        branch.feed(1)
    assert caught.value.check == "P.extension"
    assert branch.trustees[1].step().message is None


def test_nonce_shares_without_end_are_refused_before_they_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One more than a message may hold is one too many."""
    hall = fork(the_tallied())
    servicer = CoordinatorServicer(hall.log, hall.coordinator)
    monkeypatch.setattr(CoordinatorServicer, "_caller", lambda *_: 1)
    monkeypatch.setattr(hall.coordinator, "post_nonce_shares", lambda *_: pytest.fail("looked at"))
    shares = [coordinator_pb2.NonceShare() for _ in range(PART + 1)]
    request = coordinator_pb2.PostNonceSharesRequest(session=1, shares=shares)
    with pytest.raises(Malformed, match="more than 512"):
        servicer.PostNonceShares(request, None)  # type: ignore[arg-type]


# --- wrong shares of a challenged ballot's nonce


def spoil(hall: Hall, session: int, trustee: int) -> None:
    """Every nonce share of the trustee becomes another member of the subgroup."""
    group = hall.world.group
    rows = hall.nonce_shares.rows
    for number, code, i in rows:
        if (number, i) == (session, trustee):
            m = group.parse_element(rows[number, code, i], "m")
            rows[number, code, i] = group.encode_element(m * group.g % group.p)


def test_a_trustee_with_wrong_nonce_shares_cannot_prevent_the_end() -> None:
    """The counts do not wait for it, and the ballots are opened like tallies."""
    hall = begun()
    hall.run()
    spoil(hall, 1, 2)
    assert hall.tabulator.step()
    assert counts(hall.world) == EXPECTED
    assert hall.world.state.opened == 0
    (notice,) = hall.tabulator.notices()
    assert "session for this ballot is due" in notice
    for opened in (1, 2):
        hall.decrypt((2, 3))
        hall.tabulator.step()
        assert hall.world.state.opened == opened
    kinds = [a.name for a in hall.world.artifacts if a.name.endswith(("_ballot", "_decryption"))]
    assert kinds == ["decrypted_ballot", "decrypted_ballot"]
    assert hall.world.state.phase is Phase.COUNTED
    play_result(hall.world)
