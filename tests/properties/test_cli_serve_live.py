"""What the server says of the record that it publishes and serves."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
import uvicorn

from ballotbox.board import Board
from ballotbox.high_water import HighWater
from ballotbox.store import SqliteStore
from cli.serve_config import ServerConfig
from cli.serve_live import LiveBoard
from crypto.parameters import TOY
from record.artifacts import Role
from tests.world import World


def failing(live: LiveBoard) -> dict[str, float]:
    """The numbers that are 1 while something fails."""
    values = {one.name: one.samples[0].value for one in live.metrics()}
    return {name: value for name, value in values.items() if name.endswith("_failing")}


def test_files_that_are_not_served_are_in_notices_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as that lasts, and no longer."""
    world = World.create(TOY[-1])
    settings = {"publish": "published", "http": "127.0.0.1:0"}
    config = ServerConfig(tmp_path, world.artifacts[0], b"", b"", 1, 2, settings)
    store = SqliteStore.create(tmp_path / "board.db", world.context.base_hash)
    high_water = HighWater(config.high_water, world.log_key)
    with ExitStack() as stack:
        stack.callback(store.close)
        board = Board.open(
            store,
            world.artifacts[0],
            server_key=world.role_key(Role.SERVER),
            log_key=world.secrets.log,
        )
        stack.callback(board.close)
        live = LiveBoard(stack, board, config, high_water)
        live.start()
        assert live.notices() == []
        assert failing(live) == {"sailau_publishing_failing": 0, "sailau_http_failing": 0}

        def broken(self: uvicorn.Server, sockets: object = None) -> None:
            raise RuntimeError

        async def on_tick(self: uvicorn.Server, counter: int) -> bool:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(uvicorn.Server, "run", broken)
            patch.setattr(uvicorn.Server, "on_tick", on_tick)
            until(live, 1)
            (notice,) = live.notices()
            assert notice.endswith("and it is tried again: RuntimeError.")
        until(live, 0)
        assert live.notices() == []
        (url,) = re.findall("http://[0-9.:]+", notice)
        assert urllib3.request("GET", f"{url}/checkpoint", retries=False).status == 200


def until(live: LiveBoard, value: float) -> None:
    """Wait for the number of the HTTP server."""
    end = time.monotonic() + 60
    while failing(live)["sailau_http_failing"] != value:
        assert time.monotonic() < end
        time.sleep(0.01)
