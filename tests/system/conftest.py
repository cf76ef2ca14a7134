"""What tests of programs and services share: one election, held once, and open polls."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from record.state import Phase
from tests.once import made_once
from tests.system.polls import Polls
from tests.system.programs import Place

TIMEOUT = 900
"""Seconds for one test here: it waits for several things, one after the other, each of which
may take `PATIENCE`, and for the shared election, too."""

ORDERS: dict[int, tuple[dict[str, Any], ...]] = {
    1: (
        {
            "unit": "hall",
            "selections": {"mayor": {"asel": 1}, "council": {"north": 2, "west": 1}},
            "then": "cast",
        },
        {"unit": "hall", "selections": {"mayor": {"marat": 1}}, "then": "cast"},
        {"unit": "hall", "selections": {"council": {"south": 2}}, "then": "challenge"},
        {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "abandon"},
        {"unit": "hall", "then": "cast"},
    ),
    2: (
        {
            "unit": "school",
            "style": "full",
            "selections": {"council": {"east": 1, "north": 1}},
            "then": "cast",
        },
        {
            "unit": "school",
            "style": "mayor-only",
            "selections": {"mayor": {"daniyar": 1}},
            "then": "cast",
        },
        {"unit": "school", "style": "mayor-only", "then": "challenge"},
        {"unit": "hall", "style": "full", "selections": {"mayor": {"asel": 1}}, "then": "cast"},
    ),
}
"""What the voters of the shared election want, by device."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of programs get more time than others, unless they say how much."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@dataclass(frozen=True, slots=True)
class Held:
    """The shared election at its end, and copies from before.

    made: everybody has joined; ready: after the key ceremony; open; voted: all have
    voted, nothing is closed. `answers` are those of the devices, by device, as long as
    `ORDERS`; `published` is what `election publish --json` printed. Nothing of it runs.
    """

    root: Path

    @property
    def end(self) -> Place:
        """The homes after publication; receipts/, record/ and record.zip. Change nothing."""
        return Place(self.root / "end")

    @property
    def record(self) -> Path:
        """The published directory."""
        return self.root / "end/record"

    def answers(self) -> dict[int, list[dict[str, Any]]]:
        """What the devices answered."""
        answers = json.loads((self.root / "answers.json").read_text())
        return {int(device): lines for device, lines in answers.items()}

    def published(self) -> dict[str, Any]:
        """The results that were printed."""
        published: dict[str, Any] = json.loads((self.root / "published.json").read_text())
        return published

    def hold(self) -> None:
        """Hold it: all steps, one after the other, by the commands of the manuals."""
        place = Place.make(self.root / "end")
        with place.running():
            place.copy(self.root / "made")
            place.serve()
            trustees = [place.trustee(i) for i in (1, 2, 3)]
            place.reach(Phase.READY)
            trustees[1].kill()  # ... and never seen again.
            place.copy(self.root / "ready")
            place.open()
            place.copy(self.root / "open")
            devices = [place.device(n, *orders) for n, orders in ORDERS.items()]
            answers = {}
            for n, device in enumerate(devices, start=1):
                result = device.wait()
                assert result.code == 0, result
                answers[n] = [json.loads(line) for line in result.out.splitlines()]
            (self.root / "answers.json").write_text(json.dumps(answers))
            place.copy(self.root / "voted")
            place.close()
            place.run("election", "tally", *place.admin, "--trustee", "1", "--trustee", "3")
            for i in (1, 3):
                assert trustees[i - 1].wait().code == 0
            out = ("--out", place.root / "record", "--zip", place.root / "record.zip", "--json")
            published = place.run("election", "publish", *place.admin, *out)
            (self.root / "published.json").write_text(published.out)


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    """Open polls on which nothing has happened."""
    polls = Polls(tmp_path)
    with polls.listening:
        yield polls
    polls.store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polls]:
    """Open polls with one device under way, for tests that change nothing but add ballots."""
    polls = Polls(tmp_path_factory.mktemp("shared"))
    with polls.listening:
        polls.begin()
        yield polls
    polls.store.close()


@pytest.fixture(scope="session")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """The shared election: the first process that asks holds it, the others wait."""
    return Held(made_once(tmp_path_factory, "election", lambda root: Held(root).hold()))


@pytest.fixture
def at(held: Held, tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """`at("open")`: a copy of the shared election at a stage; ended with the test."""
    places: list[Place] = []

    def copy(stage: str) -> Place:
        place = Place(held.root / stage).copy(tmp_path / f"{stage}-{len(places)}")
        places.append(place)
        return place

    yield copy
    for place in places:
        with place.running():
            pass
