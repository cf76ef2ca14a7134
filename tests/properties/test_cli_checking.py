"""`serve --check`: what one look finds does not keep the others from looking."""

from __future__ import annotations

from pathlib import Path

from cli.checking_findings import Verdict
from cli.checking_machine import look_at_certificate, look_at_clock
from cli.serve_config import ServerConfig
from crypto.parameters import TOY
from record.state import Phase
from tests.world import World

NOW = 1_780_000_000.0


def test_a_certificate_that_is_none_is_a_finding() -> None:
    """Also where the clock is compared with it: that goes on with what there is."""
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    config = ServerConfig(Path(), world.artifacts[0], b"nothing", b"nothing", 1, 2, {})
    found = look_at_certificate(config, world.context, NOW)
    assert found.verdict is Verdict.PROBLEM
    assert look_at_clock(config, NOW, {"PostgreSQL": 0.5}, 0).verdict is Verdict.OK
    assert look_at_clock(config, NOW, {"PostgreSQL": 90.0}, 0).verdict is Verdict.PROBLEM
