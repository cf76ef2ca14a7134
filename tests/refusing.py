"""That a record refuses a statement, for one reason, and is none the worse for it.

refuse(world, replace(good, ballots=7), "R.tally-cells", "server")
"""

from __future__ import annotations

import dataclasses

import pytest

from crypto.errors import Rejected
from crypto.group import mpz
from record.artifacts import Artifact, Statement
from record.state import State
from tests.world import World

_COMPUTED = ("context", "tree", "_sets", "_places")
"""What does not change, what `snapshot` shows otherwise, and what is computed from the rest."""


def snapshot(state: State) -> dict[str, str]:
    """Everything in a state that may change, but for what it computes from the rest."""
    names = (f.name for f in dataclasses.fields(state) if f.name not in _COMPUTED)
    shown = {name: repr(getattr(state, name)) for name in names}
    return {**shown, "tree": f"{state.tree.size} {state.tree.root().hex()}"}


def refuse(
    world: World, statement: Statement | Artifact, check: str, culprit: str | None = None
) -> Rejected:
    """`statement` is refused with exactly this check and culprit, and nothing changes."""
    before, size = snapshot(world.state), len(world.artifacts)
    artifact = statement if isinstance(statement, Artifact) else world.sign(statement)
    artifact = world.transcript.parse(artifact.data)
    with pytest.raises(Rejected) as caught:
        world.append_artifact(artifact)
    assert caught.value.check == check, str(caught.value)
    if culprit is not None:
        assert caught.value.culprit == culprit
    assert caught.value.problem
    assert snapshot(world.state) == before
    assert len(world.artifacts) == size
    return caught.value


def outside(world: World, x: mpz) -> mpz:
    """An element outside the subgroup of order q: x times the element of order 2."""
    return world.group.p - x
