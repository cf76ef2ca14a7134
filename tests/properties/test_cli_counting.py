"""What `sailau election tally` does when a session ends and the election does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from ballotbox.client import ElectionStatus
from cli import counting
from cli.administrator import Administrator
from cli.counting import Count
from crypto.errors import Rejected
from crypto.parameters import TOY
from record.artifacts import Artifact
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import Unavailable
from tests.decrypting import play_election
from tests.world import World


@dataclass
class Server:
    """An administrator's connection to a server whose record does not grow by itself."""

    world: World
    kept: Callable[[Artifact], bool]
    started: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def context(self) -> object:
        """What artifact 0 fixes."""
        return self.world.context

    @property
    def board(self) -> Server:
        """It answers for all clients."""
        return self

    client = board

    def transcript(self, *, prove_until: Phase) -> Transcript:
        """The record, as far as it is kept."""
        assert prove_until is Phase.KEYS
        transcript = Transcript(self.world.artifacts[0])
        for artifact in self.world.artifacts[1:]:
            if self.kept(artifact):
                transcript.append(artifact)
        return transcript

    def status(self) -> ElectionStatus:
        """Everybody is there; after a further session the election is counted."""
        phase = Phase.COUNTED if self.started else Phase.TALLIED
        everybody = tuple(range(1, self.world.context.trustees + 1))
        session = everybody[: self.world.context.quorum]
        notices = ("It cannot be opened.",)
        return ElectionStatus(phase, 50, 9, 5, 3, (), (), (), everybody, 1, session, notices)

    def start_decryption(self, trustees: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Begin another session."""
        self.started.append(tuple(trustees))
        return 2, (1, 2, 3)


def count(monkeypatch: pytest.MonkeyPatch, *without: str) -> Server:
    """Count on a record that ends without these artifacts and the result."""
    monkeypatch.setattr(counting, "_IDLE", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    left_out = {"result", *without}
    server = Server(play_election(TOY[-1]), lambda a: a.name not in left_out)
    Count(cast(Administrator, server), (), time.monotonic() + 5).run()
    return server


def test_another_session_begins_when_one_came_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete session without counts is followed by one with all who are there."""
    server = count(monkeypatch, "decrypted_tally", "challenged_ballot_decryption")
    assert server.started == [()]


def test_a_closed_challenged_ballot_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are out: the reason is told instead of waiting for ever."""
    with pytest.raises(Rejected, match=r"counts are on the board.*It cannot be opened") as caught:
        count(monkeypatch, "challenged_ballot_decryption")
    assert caught.value.check == "R.challenged"


def test_a_session_under_way_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Responses are missing and everybody is there: it waits, until its time is over."""
    monkeypatch.setattr(counting, "_IDLE", 0.0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    left_out = {
        "decryption_responses",
        "decrypted_tally",
        "challenged_ballot_decryption",
        "result",
    }
    server = Server(play_election(TOY[-1]), lambda a: a.name not in left_out)
    with pytest.raises(Unavailable):
        Count(cast(Administrator, server), (), time.monotonic() + 0.3).run()
    assert server.started == []
