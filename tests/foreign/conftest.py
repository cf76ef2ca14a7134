"""Programs of other people, where they are installed."""

from __future__ import annotations

import pytest

from tests.foreign import go


@pytest.fixture(scope="session")
def logtool(tmp_path_factory: pytest.TempPathFactory) -> go.LogTool:
    """Compiled once. Without Go its tests are skipped, and pytest's summary says so."""
    if reason := go.missing():
        pytest.skip(reason)
    return go.build(tmp_path_factory.mktemp("logtool"))
