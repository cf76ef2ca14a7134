"""The server as its operator sees it: acts on the record, logs, metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from cli.common import UNUSABLE
from record.artifacts import Action
from record.state import Phase
from tests.ports import HOST, free_port
from tests.system.conftest import ORDERS, Held
from tests.system.programs import DEVICES, Place, refused

pytestmark = pytest.mark.system


def entries(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def test_the_log_of_an_election_tells_nothing_of_ballots(held: Held) -> None:
    """Everything that --verbose ever logs, from the ceremony to the result."""
    logs = [file.read_text() for file in sorted(held.end.logs.glob("serve-*.err"))]
    found = [entry for log in logs for entry in entries(log)]
    calls = [entry for entry in found if entry["event"] == "call"]
    methods = {entry["method"].rpartition("/")[2] for entry in calls}
    assert methods >= {"PostArtifact", "Publish", "Submit", "Cast", "Challenge", "CloseDevice"}
    assert all(set(entry) == set(calls[0]) for entry in calls)
    assert all(re.fullmatch(r"[0-9-]{10}T[0-9:]{5}:00Z", entry["timestamp"]) for entry in found)
    text = "".join(logs)
    # No codes, identifiers, nonces or anything else of so many digits.
    assert not re.search(r"[0-9a-fA-F]{16}|(?:[0-9A-F]{4}[ -]){2}", text)
    codes = re.findall(r"[0-9A-Fa-f]{64}", json.dumps(held.answers()))
    assert codes
    assert not any(code in text for code in codes)
    for place in (*DEVICES, "hall", "school", "asel", "daniyar", "Aigerim"):
        assert not re.search(rf"\b{place}\b", text)
    # Nor who called: no addresses and no ports.
    assert HOST not in text
    assert not re.search(r"ipv[46]:|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[?::1\]?", text)


def test_reasons(at: Callable[[str], Place]) -> None:
    """Given and computed; an election that is over takes none."""
    place = at("open")
    server = place.serve("--reason", "New  disks")
    began = [Action.KEYS_USED, Action.CONFIGURED, Action.SERVER_STARTED]
    again = [Action.KEYS_USED, Action.SERVER_STARTED]
    assert [act.action for act in place.operations()] == [*began, *again]
    assert place.operations()[-1].reason == "New disks"
    assert place.operations()[-1].time % 60 == 0
    assert server.interrupt().code == 0
    server = place.serve()
    acts = place.operations()[5:]
    assert [(act.action, act.reason) for act in acts] == [
        (Action.SERVER_STOPPED, "stopped by SIGINT"),
        (Action.KEYS_USED, "start after an orderly end"),
        (Action.SERVER_STARTED, "start after an orderly end"),
    ]
    server.kill()
    server = place.serve("--http", f"{HOST}:{free_port()}")
    killed = "start again after an end that was not orderly"
    *_, keys, configured, started = place.operations()
    assert (keys.reason, started.reason) == (killed, killed)
    assert (configured.action, configured.reason) == (
        Action.CONFIGURED,
        "other settings than before",
    )
    settings = dict(line.split(": ", 1) for line in configured.details.splitlines())
    assert settings["http"] == settings["publish"] == "yes"
    assert settings["database"] == "sqlite"
    assert list(settings) == sorted(settings)
    assert HOST not in configured.details
    assert str(place.root) not in configured.details
    assert server.stop().code == 0
    home = place.root / "election/server"
    arguments = ("serve", "--home", home, *place.key("server"), "--bind", HOST)
    refused(place.attempt(*arguments, "--reason", "x" * 3000), UNUSABLE, "--reason")


def test_nothing_is_said_after_the_result(held: Held, tmp_path: Path) -> None:
    """The record ends with the result, whoever starts the server once more."""
    place = held.end.copy(tmp_path / "over")
    with place.running():
        server = place.serve()
        size = place.status().size
        assert place.status().phase is Phase.COMPLETE
        assert server.stop().code == 0
        place.serve()
        assert place.status().size == size


def test_metrics(at: Callable[[str], Place]) -> None:
    """Prometheus is answered where the settings say, and a voter moves the numbers."""
    place = at("open")
    listen = f"{HOST}:{free_port()}"
    place.serve("--metrics", listen)

    def metric(name: str) -> float:
        with urlopen(f"http://{listen}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    assert metric('sailau_phase{phase="open"}') == 1
    assert metric("sailau_leads") == 1
    assert metric("sailau_admission_seconds_count") == 0
    assert metric('sailau_disk_free_bytes{place="home"}') > 0
    place.vote(1, ORDERS[1][0])
    submit = 'sailau_calls_total{method="/sailau.v1.BallotBoxService/Submit",status="OK"}'
    assert metric(submit) == 1
    assert metric("sailau_admission_seconds_count") == 1
    size = place.status().size
    assert metric("sailau_log_size") == metric("sailau_high_water_size") == size
    with urlopen(f"http://{listen}/metrics") as answer:
        text = answer.read().decode()
    assert not re.search(rf"{'|'.join(DEVICES)}|\bhall\b|{HOST}|_created", text)
