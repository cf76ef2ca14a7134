"""Transcripts: every statement of a trustee names the root of the log where its round began.

The roots are computed here from the table of docs/record.md, "Transcripts", and the bytes of
the artifacts; nothing is asked of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.parameters import TOY
from record.artifacts import (
    TRUSTEE_STATEMENTS,
    Artifact,
    KeyCommitment,
    KeyConfirmation,
    Purpose,
    Role,
    ShareComplaint,
    Statement,
    TrusteeKeys,
    sign_statement,
)
from record.entry import entry_for
from record.merkle import leaf_hash, root_of
from record.state import Phase, State
from record.transcript import Transcript
from tests.ballots import begin_device, close_statement
from tests.decrypting import Session, close_polls, play_election, play_tallies
from tests.everything import play_everything
from tests.refusing import refuse
from tests.world import World, manifest_bytes
from tests.wrong_statements import answer, dealt

ENDS = {
    "key_commitment": "election",
    "trustee_keys": "key_commitment",
    "encrypted_shares": "trustee_keys",
    "share_complaint": "encrypted_shares",
    "share_answer": "encrypted_shares",
    "key_confirmation": "encrypted_shares",
    "decryption_commitments": "decryption_session",
    "decryption_shares": "decryption_commitments",
    "decryption_responses": "decryption_shares",
}
"""The kind of which the last one before the round is the last of the log."""


def root(artifacts: Sequence[Artifact]) -> bytes:
    """The root of the log of these artifacts."""
    return root_of([leaf_hash(entry_for(a.data)) for a in artifacts])


def expected(artifacts: Sequence[Artifact], number: int) -> bytes:
    """What artifact `number`, a trustee's, has to name."""
    end = ENDS[artifacts[number].name]
    last = max(n for n in range(number) if artifacts[n].name == end)
    return root(artifacts[: last + 1])


@cache
def complete() -> World:
    """An election with statements of every kind. Not to be changed."""
    return play_everything()


def replayed(size: int) -> World:
    """A world of its own with the first `size` artifacts of `complete()`."""
    source = complete()
    world = World(source.secrets, [source.artifacts[0]], Transcript(source.artifacts[0]))
    for artifact in source.artifacts[1:size]:
        world.append_artifact(artifact)
    return world


def spoken() -> list[int]:
    """Where trustees speak in `complete()`."""
    return [
        n for n, a in enumerate(complete().artifacts) if isinstance(a.statement, TRUSTEE_STATEMENTS)
    ]


def changed(statement: Statement, transcript: bytes) -> Statement:
    """The statement of a trustee, about another record."""
    assert isinstance(statement, TRUSTEE_STATEMENTS)
    return replace(statement, transcript=transcript)


def test_the_roots_of_a_whole_election() -> None:
    """Every statement of a trustee stands with the root of the table, and with no other."""
    artifacts = complete().artifacts
    found: set[str] = set()
    for n in spoken():
        statement: Any = artifacts[n].statement
        assert statement.transcript == expected(artifacts, n), artifacts[n].name
        found.add(artifacts[n].name)
    assert found == set(ENDS)
    assert len(found) == len(TRUSTEE_STATEMENTS)


def test_roots_of_other_rounds() -> None:
    """The root of an earlier artifact, or of the last one before it, is refused in every kind."""
    artifacts = complete().artifacts
    every = {n: root(artifacts[: n + 1]) for n in range(len(artifacts))}
    seen: set[str] = set()
    for n in spoken():
        right = expected(artifacts, n)
        if artifacts[n].name in seen:
            continue
        seen.add(artifacts[n].name)
        world = replayed(n)
        for other in {every[m] for m in range(n)} - {right} | {bytes(31) + b"\1", every[n]}:
            error = refuse(world, changed(artifacts[n].statement, other), "R.transcript", "")
            assert "another record" in error.problem
        world.append_artifact(artifacts[n])


def test_another_record_of_the_same_content() -> None:
    """One artifact that says the same in other bytes makes another record of it.

    The server shows some trustees another log key: H_B is the same, and so are all hashes
    of the ceremony.
    """
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    election: Any = world.artifacts[0].statement
    other = replace(election, log_key=str(World.create(TOY[-1]).log_key))
    administrator = world.role_key(Role.ADMINISTRATOR)
    first = sign_statement(other, world.group, other.base_hash, administrator)
    fork = World(world.secrets, [first], Transcript(first))
    assert fork.context.base_hash == world.context.base_hash
    commitment = fork.sign(world.commitment(2))
    refuse(world, commitment, "R.transcript", "")
    assert fork.append_artifact(commitment)


@given(st.data())
def test_one_artifact_is_another(data: st.DataObject) -> None:
    """Whichever artifact before a round is another one: what trustees say in it is refused."""
    artifacts = complete().artifacts
    n = data.draw(st.sampled_from(spoken()))
    last = next(m for m in range(n) if root(artifacts[: m + 1]) == expected(artifacts, n))
    m = data.draw(st.integers(0, last))
    other = replace(artifacts[m], data=artifacts[m].data[:-1] + bytes([artifacts[m].data[-1] ^ 1]))
    fork = [*artifacts[:m], other, *artifacts[m + 1 : last + 1]]
    statement = changed(artifacts[n].statement, root(fork))
    refuse(replayed(n), statement, "R.transcript", "")


# --- stable while others speak


def stays(state: State, act: Callable[[], object]) -> None:
    """The root of the round is the same before and after; the tree is another."""
    before, tree = state.round_root, state.tree.root()
    act()
    assert state.tree.root() != tree
    assert state.round_root == before


def test_the_root_is_the_same_for_everybody() -> None:
    """Within a round it is no matter who speaks first; the last one begins the next round."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    kinds: list[Callable[[int], KeyCommitment | TrusteeKeys]] = [
        world.commitment,
        world.trustee_keys,
    ]
    for make in kinds:
        before = world.state.round_root
        for i in (3, 1):
            stays(world.state, lambda i=i, make=make: world.append(make(i)))  # type: ignore[misc]
        world.append(make(2))
        assert before != world.state.round_root == world.state.tree.root()


def test_complaints_do_not_move_the_root() -> None:
    """Complaint, answer and confirmation are of one round: all name the end of the shares."""
    world = dealt()
    assert world.state.round_root == world.state.tree.root()
    for statement in (ShareComplaint(1, 2), ShareComplaint(3, 2), answer(world)):
        stays(world.state, lambda s=statement: world.append(s))  # type: ignore[misc]
    world.append(answer(world, 2, 3))
    h_b, h_g = world.context.base_hash, world.keys.key_ceremony_hash
    stays(world.state, lambda: world.append(KeyConfirmation(2, h_b, h_g)))


def test_a_drill_across_the_opening() -> None:
    """A drill that began before the opening goes on after it, about the same log."""
    world = World.create(TOY[-1], until=Phase.READY)
    session = Session(world, (1, 3), Purpose.DRILL)
    world.append(session.statement())
    assert world.state.round_root == world.state.tree.root()
    late = world.sign(session.commitments(3)[0])
    stays(world.state, lambda: world.append(session.commitments(1)[0]))
    stays(world.state, world.play_opening)
    stays(world.state, lambda: begin_device(world))
    world.append_artifact(late)
    assert world.state.round_root == world.state.tree.root()
    late = world.sign(session.shares(1)[0])
    stays(world.state, lambda: world.append(session.shares(3)[0]))
    stays(world.state, lambda: world.append(close_statement(world, "ballot-box-1")))
    world.append_artifact(late)
    session.play_round(session.responses)
    assert world.state.session is not None
    assert world.state.session.answered() == (1, 3)


def test_rounds_of_the_tallies() -> None:
    """Each round of a session is about the log at the end of the one before it."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(world, (1, 2, 3))
    world.append(session.statement())
    for round_ in (session.commitments, session.shares, session.responses):
        assert world.state.round_root == world.state.tree.root()
        for i in (3, 1):
            stays(world.state, lambda i=i, r=round_: world.append(r(i)[0]))  # type: ignore[misc]
        world.append(round_(2)[0])


def test_a_later_session_is_another_round() -> None:
    """What was signed for a session does not stand in the next, even under its number."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    first = Session(world)
    world.append(first.statement())
    early = replace(first.commitments(2)[0], transcript=world.state.round_root)
    second = Session(world)
    world.append(second.statement())
    refuse(world, replace(early, session=2), "R.transcript", "")


@pytest.mark.parametrize("drill", [True, False])
def test_the_roots_of_phases_without_trustees(drill: bool) -> None:
    """Neither the polls, nor a drill in them, nor the tallies disturb the session to come."""
    world = World.create(TOY[-1])
    if drill:
        session = Session(world, (1, 3), Purpose.DRILL)
        world.append(session.statement())
        session.play_round(session.commitments)
    close_polls(world)
    play_tallies(world)
    Session(world).play()
