"""The rounds of a decryption: what comes out is right, and every cheat is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    Ballot,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShare,
    DecryptionShares,
)
from record.decryption import combine, commitment_hash
from record.state import Phase
from tests.decrypting import play_election
from tests.world import World
from trustees import decryption
from trustees.ceremony import KeyShares
from trustees.decryption import Answers, Committing, Revealing, nonce_share
from trustees.nonces import NonceKey, Session

U = (1, 2, 3)
NAMES = [f"trustee {i}" for i in U]


@cache
def the_world() -> World:
    """An election with its tallies; three trustees of whom two are enough. Read only."""
    return play_election(TOY[-1], until=Phase.TALLIED)


def session(i: int) -> Session:
    world = the_world()
    return Session(world.keys, i, 1, U, world.state.places())


def key_shares(i: int) -> KeyShares:
    secrets = the_world().secrets
    return KeyShares(secrets.vote_shares[i], secrets.data_shares[i])


@dataclass
class Round:
    """One session of three trustees, step by step."""

    committing: dict[int, Committing]

    @classmethod
    def begin(cls) -> Round:
        """Everybody has a nonce key."""
        return cls(
            {i: Committing(session(i), key_shares(i), NonceKey.generate(session(i))) for i in U}
        )

    def commitments(self) -> dict[int, list[DecryptionCommitments]]:
        """Round 1."""
        return {i: [c.part(0)] for i, c in self.committing.items()}

    def revealing(self) -> dict[int, Revealing]:
        """Everybody goes on to round 2."""
        d = self.commitments()
        return {i: c.reveal(d) for i, c in self.committing.items()}


def shares_of(revealing: dict[int, Revealing]) -> dict[int, list[DecryptionShares]]:
    """Round 2."""
    return {i: [r.part(0)] for i, r in revealing.items()}


def altered(
    shares: dict[int, list[DecryptionShares]], i: int, place: int, **changes: mpz
) -> dict[int, list[DecryptionShares]]:
    """The same with one share of trustee i changed."""
    (part,) = shares[i]
    entries = list(part.shares)
    entries[place] = replace(entries[place], **changes)
    return {**shares, i: [replace(part, shares=tuple(entries))]}


def test_responses_are_accepted() -> None:
    """What the rounds give passes the record's own checks (88, 94, 95)."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    made = {}
    world.append(DecryptionSession(1, U))
    for i in U:
        about = Session(world.keys, i, 1, U, world.state.places())
        secrets = world.secrets
        own = KeyShares(secrets.vote_shares[i], secrets.data_shares[i])
        made[i] = Committing(about, own, NonceKey.generate(about))
    d = {i: [made[i].part(0)] for i in U}
    for i in U:
        world.append(d[i][0])
    revealing = {i: made[i].reveal(d) for i in U}
    shares = shares_of(revealing)
    for i in U:
        world.append(shares[i][0])
    for i in U:
        world.append(revealing[i].answer(shares).part(0))
    assert world.state.session is not None


@given(
    who=st.sampled_from(U),
    place=st.integers(0, 7),
    name=st.sampled_from(["partial_decryption", "a", "b"]),
    factor=st.integers(1, TOY[-1].q - 1),
)
def test_unkept_commitment(who: int, place: int, name: str, factor: int) -> None:
    """Any change to M_j, a_j or b_j after d_j is noticed before a response, and named."""
    group = the_world().group
    revealing = Round.begin().revealing()
    shares = shares_of(revealing)
    value = getattr(shares[who][0].shares[place], name) * group.g_power(factor) % group.p
    wrong = altered(shares, who, place, **{name: value})
    for r in revealing.values():
        with pytest.raises(Rejected) as caught:
            r.answer(wrong)
        assert (caught.value.check, caught.value.culprit) == (
            "R.decryption-commitment",
            f"trustee {who}",
        )
    # Nothing was answered: with what was committed to the session can go on.
    assert len(revealing[1].answer(shares).responses) == len(the_world().state.places())


def test_incomplete_rounds() -> None:
    """Neither round goes on without everybody in U; who is missing is named."""
    round_ = Round.begin()
    d = round_.commitments()
    for i in (2, 3):
        with pytest.raises(Rejected) as caught:
            round_.committing[1].reveal({j: parts for j, parts in d.items() if j != i})
        assert caught.value.culprit == f"trustee {i}"
        with pytest.raises(Rejected):
            round_.committing[1].reveal({**d, i: d[1]})
    revealing = round_.revealing()
    shares = shares_of(revealing)
    with pytest.raises(Rejected) as caught:
        revealing[1].answer({j: parts for j, parts in shares.items() if j != 3})
    assert caught.value.culprit == "trustee 3"


def test_answers_once() -> None:
    """After the answer the secrets are gone: no second one, whatever is asked."""
    revealing = Round.begin().revealing()
    shares = shares_of(revealing)
    revealing[2].answer(shares)
    for ask in (lambda: revealing[2].answer(shares), lambda: revealing[2].part(0)):
        with pytest.raises(ValueError, match="have been answered"):
            ask()


def test_commitments_in_our_name() -> None:
    """If the board shows commitments of ours that we did not make, nothing is revealed."""
    round_, other = Round.begin(), Round.begin()
    d = {**round_.commitments(), 1: other.commitments()[1]}
    revealing = round_.committing[1].reveal(d)
    with pytest.raises(Rejected) as caught:
        revealing.part(0)
    assert caught.value.check == "P.key-store"


def test_shares_in_our_name() -> None:
    """If the board shows shares of ours that we did not make, nothing is answered."""
    round_, other = Round.begin(), Round.begin()
    d = {**round_.commitments(), 1: other.commitments()[1]}
    ours = round_.committing[1].reveal(d)
    shares = {i: r.part(0) for i, r in round_.revealing().items()}
    theirs = other.revealing()[1].part(0)
    with pytest.raises(Rejected) as caught:
        ours.answer({1: [theirs], 2: [shares[2]], 3: [shares[3]]})
    assert caught.value.check == "P.key-store"


def test_parts_are_the_same_each_time() -> None:
    """A nonce key gives the same commitments and shares after a restart."""
    key = NonceKey.generate(session(1))
    first, second = (Committing(session(1), key_shares(1), key) for _ in range(2))
    assert first.part(0) == second.part(0)
    assert first.shares(0) == second.shares(0)


def test_another_sessions_key() -> None:
    """A nonce key serves the session it was made for and no other."""
    key = NonceKey.generate(session(1))
    with pytest.raises(ValueError, match="another session"):
        Committing(replace(session(1), number=2), key_shares(1), key)


def test_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of several parts cover every ciphertext once, in order."""
    monkeypatch.setattr(decryption, "PART", 3)
    monkeypatch.setattr(decryption, "_CACHED_PARTS", 1)
    count = decryption.part_count(session(1))
    assert count == 3
    round_ = Round.begin()
    d = {i: [c.part(n) for n in range(count)] for i, c in round_.committing.items()}
    revealing = {i: c.reveal(d) for i, c in round_.committing.items()}
    shares = {i: [r.part(n) for n in range(count)] for i, r in revealing.items()}
    answers = revealing[1].answer(shares)
    parts = [answers.part(n) for n in range(count)]
    assert [p.first for p in parts] == [0, 3, 6]
    assert sum((p.responses for p in parts), ()) == answers.responses
    with pytest.raises(ValueError, match="no part 3"):
        answers.part(3)


# --- what the record says of a cheat, so that anybody can name it


def _bad_m(share: DecryptionShare, world: World) -> DecryptionShare:
    """A partial decryption under another key share, committed to as the rules want."""
    group = world.group
    return replace(share, partial_decryption=share.partial_decryption * group.g % group.p)


def _bad_b(share: DecryptionShare, world: World) -> DecryptionShare:
    group = world.group
    return replace(share, b=share.b * group.g % group.p)


@pytest.mark.parametrize("alter", [_bad_m, _bad_b, None])
def test_wrong_share_or_response_is_named(
    alter: Callable[[DecryptionShare, World], DecryptionShare] | None,
) -> None:
    """A wrong M_i or b_i that d_i covers, and a wrong v_i, fail (94, 95) and are named."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    world.append(DecryptionSession(1, (1, 2)))
    places = world.state.places()
    nonces = {i: [world.group.random_scalar() for _ in places] for i in (1, 2)}
    entries = {i: [_share(world, i, x, nonces[i][x]) for x in range(len(places))] for i in (1, 2)}
    if alter is not None:
        entries[2][4] = alter(entries[2][4], world)
    for i in (1, 2):
        hashes = (
            commitment_hash(world.keys, p, i, s, (1, 2))
            for p, s in zip(places, entries[i], strict=True)
        )
        world.append(DecryptionCommitments(1, i, 0, tuple(hashes)))
    for i in (1, 2):
        world.append(DecryptionShares(1, i, 0, tuple(entries[i])))
    world.append(_responses(world, 1, nonces[1], entries))
    wrong = _responses(world, 2, nonces[2], entries)
    if alter is None:
        first, *rest = wrong.responses
        wrong = replace(wrong, responses=((first + 1) % world.group.q, *rest))
    with pytest.raises(Rejected) as caught:
        world.append(wrong)
    assert (caught.value.check, caught.value.culprit) == ("R.decryption-share", "trustee 2")


def _share(world: World, i: int, x: int, u: mpz) -> DecryptionShare:
    pad = world.state.places()[x].ciphertext.alpha
    group, z = world.group, world.secrets.vote_shares[i]
    return DecryptionShare(group.power(pad, z), group.g_power(u), group.power(pad, u))


def _responses(
    world: World, i: int, nonces: list[mpz], entries: dict[int, list[DecryptionShare]]
) -> DecryptionResponses:
    z = world.secrets.vote_shares[i]
    joints = (
        combine(world.keys, place, {j: entries[j][x] for j in entries})
        for x, place in enumerate(world.state.places())
    )
    return DecryptionResponses(
        1, i, 0, tuple(joint.respond(i, u, z) for joint, u in zip(joints, nonces, strict=True))
    )


# --- ballot nonces


def a_challenged_ballot() -> Ballot:
    world = the_world()
    ballot = world.read(world.state.ballots[world.state.challenged[0]].index).statement
    assert isinstance(ballot, Ballot)
    return ballot


def test_nonce_share_needs_the_proof() -> None:
    """No share for a C_0 outside the subgroup, or with a proof that does not hold (38)."""
    world, ballot = the_world(), a_challenged_ballot()
    group, sealed = world.group, ballot.encrypted_nonce
    m_i = nonce_share(group, ballot, key_shares(1))
    assert m_i == group.power(sealed.c0, key_shares(1).data)
    proof = sealed.c2
    for wrong in (
        replace(sealed, c0=group.p - sealed.c0),
        replace(sealed, c0=sealed.c0 * group.g % group.p),
        replace(sealed, c1=bytes(32)),
        replace(sealed, c2=replace(proof, response=proof.response ^ 1)),
    ):
        with pytest.raises(Rejected) as caught:
            nonce_share(group, replace(ballot, encrypted_nonce=wrong), key_shares(1))
        assert caught.value.check == "R.nonce-proof"
        assert caught.value.culprit == f"device {ballot.device}"


def test_answers_show_nothing_secret() -> None:
    """Only what will be public prints."""
    answers = Answers(session(1), (mpz(5),))
    assert repr(answers) == "Answers(session 1, 1 responses)"
