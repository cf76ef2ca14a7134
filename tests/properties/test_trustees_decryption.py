"""The rounds of a decryption: what comes out is right, and every cheat is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import decryption_proof
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
from trustees import decryption, own_parts
from trustees.ceremony import KeyShares
from trustees.decryption import Answers, Committing, Resources, Revealing, nonce_share
from trustees.nonces import NonceKey, Session
from trustees.parallel import SERIAL, Processes
from trustees.scratch import MemoryScratch

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
U = (1, 2, 3)
NAMES = [f"trustee {i}" for i in U]


@cache
def the_world() -> World:
    """An election with its tallies; three trustees of whom two are enough. Read only."""
    return play_election(TOY[-1], until=Phase.TALLIED)


def session(i: int) -> Session:
    world = the_world()
    return Session(world.keys, i, 1, U, world.state.tally_places())


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
        about = Session(world.keys, i, 1, U, world.state.tally_places())
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
    for i, r in revealing.items():
        with pytest.raises(Rejected) as caught:
            r.answer(wrong)
        # What stands in its own name and is not its own, a trustee knows without d_i.
        check = "P.key-store" if i == who else "R.decryption-commitment"
        assert (caught.value.check, caught.value.culprit) == (check, f"trustee {who}")
    # Nothing was answered: with what was committed to the session can go on.
    assert len(revealing[1].answer(shares).responses) == len(the_world().state.tally_places())


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
    for incomplete in ({1: shares[1], 2: shares[2]}, {**shares, 3: shares[2]}):
        with pytest.raises(Rejected) as caught:
            revealing[1].answer(incomplete)
        assert (caught.value.check, caught.value.culprit) == ("R.session", "trustee 3")


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


# --- many parts


class Forgetful:
    """A scratch that keeps nothing."""

    def read(self, name: str) -> bytes:
        return b""

    def write(self, name: str, data: bytes) -> None:
        """Forget it."""

    def clear(self) -> None:
        """Forget everything."""


class Counting:
    """An executor that counts what it has computed, by the name of the function."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    def map(
        self, function: Callable[[S, T], R], shared: S, tasks: Iterable[T], count: int
    ) -> Generator[R, None, None]:
        for task in tasks:
            self.done[function.__name__] += 1
            yield function(shared, task)


@pytest.fixture
def parts_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts in each round: 3, 3 and 2 ciphertexts."""
    for module in (decryption, own_parts):
        monkeypatch.setattr(module, "PART", 3)
    assert decryption.part_count(session(1)) == 3


@dataclass
class Played:
    """What trustee 1 needs of the others to play a session of three parts."""

    key: NonceKey
    commitments: dict[int, list[DecryptionCommitments]]
    shares: dict[int, list[DecryptionShares]]
    answers: Answers

    @classmethod
    def begin(cls) -> Played:
        """Everybody plays."""
        round_ = Round.begin()
        key = round_.committing[1].maker.nonce_key
        d = {i: [c.part(n) for n in range(3)] for i, c in round_.committing.items()}
        revealing = {i: c.reveal(d) for i, c in round_.committing.items()}
        shares = {i: [r.part(n) for n in range(3)] for i, r in revealing.items()}
        return cls(key, d, shares, revealing[1].answer(shares))

    def again(self, resources: Resources) -> None:
        """Trustee 1 says in each round what it has said."""
        committing = self.committing(resources)
        assert [committing.part(n) for n in range(3)] == self.commitments[1]
        revealing = self.revealing(resources)
        assert [revealing.part(n) for n in range(3)] == self.shares[1]
        assert self.revealing(resources).answer(self.shares) == self.answers

    def committing(self, resources: Resources) -> Committing:
        """Trustee 1 after a restart."""
        return Committing(session(1), key_shares(1), self.key, resources)

    def revealing(self, resources: Resources) -> Revealing:
        """Trustee 1 after a restart in round 2 or 3."""
        return self.committing(resources).reveal(self.commitments)


@pytest.mark.usefixtures("parts_of_three")
def test_many_parts() -> None:
    """Rounds of several parts cover every ciphertext once, in order."""
    answers = Played.begin().answers
    parts = [answers.part(n) for n in range(3)]
    assert [p.first for p in parts] == [0, 3, 6]
    assert sum((p.responses for p in parts), ()) == answers.responses
    with pytest.raises(ValueError, match="no part 3"):
        answers.part(3)


@pytest.mark.usefixtures("parts_of_three")
def test_processes_say_the_same() -> None:
    """Other processes give the same bytes in every round, and blame the same trustee."""
    played = Played.begin()
    resources = Resources(executor=Processes(2))
    played.again(resources)
    entries = list(played.shares[3][2].shares)
    entries[1] = replace(entries[1], b=entries[0].b)
    wrong = replace(played.shares[3][2], shares=tuple(entries))
    for executor in (Processes(2), SERIAL):
        with pytest.raises(Rejected) as caught:
            played.revealing(Resources(executor=executor)).answer(
                {**played.shares, 3: [*played.shares[3][:2], wrong]}
            )
        assert (caught.value.check, caught.value.culprit, caught.value.where) == (
            "R.decryption-commitment",
            "trustee 3",
            "ciphertext 7",
        )


@pytest.mark.usefixtures("parts_of_three")
def test_nothing_is_computed_twice() -> None:
    """Each part of rounds 1 and 3 is computed once, however often the trustee restarts."""
    played, executor, told = Played.begin(), Counting(), list[tuple[int, int, str]]()
    resources = Resources(executor, MemoryScratch(), lambda *done: told.append(done))
    for _ in range(3):
        played.again(resources)
    assert executor.done == {"make_shares": 3, "make_challenges": 3}
    assert told == [
        (done, 8, what)
        for what in ("partial decryptions", "joint challenges")
        for done in (3, 6, 8)
    ]


@pytest.mark.usefixtures("parts_of_three")
def test_a_restart_in_the_middle() -> None:
    """What was computed before a crash is taken up, in each round."""
    played, scratch = Played.begin(), MemoryScratch()
    before = Resources(Counting(), scratch)
    committing = played.committing(before)
    assert [committing.part(n) for n in range(2)] == played.commitments[1][:2]

    def crash(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    after = Counting()
    with pytest.raises(KeyboardInterrupt):
        played.revealing(Resources(after, scratch, crash)).answer(played.shares)
    played.again(Resources(after, scratch))
    assert after.done == {"make_shares": 1, "make_challenges": 3}


@pytest.mark.usefixtures("parts_of_three")
@pytest.mark.parametrize("damage", [lambda x: b"", lambda x: x[:-1], lambda x: bytes(len(x))])
def test_a_damaged_scratch(damage: Callable[[bytes], bytes]) -> None:
    """A scratch that lies costs time; what is said stays the same."""
    played, scratch, executor = Played.begin(), MemoryScratch(), Counting()
    for _ in range(2):
        played.again(Resources(executor, scratch))
        scratch.values = {name: damage(data) for name, data in scratch.values.items()}
    assert executor.done == {"make_shares": 6, "make_challenges": 6}
    played.again(Resources(scratch=Forgetful()))


@pytest.mark.usefixtures("parts_of_three")
def test_kept_challenges_are_those_of_the_record() -> None:
    """Challenges of other shares are not answered, even if they are still in the scratch."""
    played, scratch = Played.begin(), MemoryScratch()
    played.again(Resources(scratch=scratch))
    wrong = altered({3: played.shares[3][:1]}, 3, 0, a=mpz(4))
    with pytest.raises(Rejected) as caught:
        played.revealing(Resources(scratch=scratch)).answer(
            {**played.shares, 3: [*wrong[3], *played.shares[3][1:]]}
        )
    assert caught.value.check == "R.decryption-commitment"


@pytest.mark.usefixtures("parts_of_three")
def test_parts_in_any_order() -> None:
    """A part that is asked for out of turn is still that part."""
    played = Played.begin()
    for scratch in (Forgetful(), MemoryScratch()):
        committing = played.committing(Resources(scratch=scratch))
        for n in (2, 0, 0, 1, 2, 1):
            assert committing.part(n) == played.commitments[1][n]
        committing.close()
        committing.close()


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
    places = world.state.tally_places()
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
    pad = world.state.tally_places()[x].ciphertext.alpha
    group, z = world.group, world.secrets.vote_shares[i]
    return DecryptionShare(group.power(pad, z), group.g_power(u), group.power(pad, u))


def _responses(
    world: World, i: int, nonces: list[mpz], entries: dict[int, list[DecryptionShare]]
) -> DecryptionResponses:
    z = world.secrets.vote_shares[i]
    joints = (
        combine(world.keys, place, {j: entries[j][x] for j in entries})
        for x, place in enumerate(world.state.tally_places())
    )
    responses = (
        decryption_proof.respond(world.group, u, z, joint.challenges[i])
        for joint, u in zip(joints, nonces, strict=True)
    )
    return DecryptionResponses(1, i, 0, tuple(responses))


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
