"""Programs of other people, where they are installed."""

from __future__ import annotations

import pytest

from tests.foreign import go
from tests.once import made_once


@pytest.fixture(scope="session")
def logtool(tmp_path_factory: pytest.TempPathFactory) -> go.LogTool:
    """Compiled once. Without Go its tests are skipped, and pytest's summary says so."""
    if reason := go.missing():
        pytest.skip(reason)
    return go.LogTool(made_once(tmp_path_factory, "logtool", go.build) / go.PROGRAM)
