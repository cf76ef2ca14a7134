"""What the administrator's commands put into statements: the time, and reasons."""

from __future__ import annotations

from unittest import mock

import pytest

from cli.administrator import checked_reason, this_minute
from crypto.errors import Malformed


@pytest.mark.parametrize(
    ("clock", "minute"), [(60.0, 60), (119.999, 60), (120.0, 120), (1_764_849_659.5, 1_764_849_600)]
)
def test_this_minute(clock: float, minute: int) -> None:
    """The clock is cut, never rounded up: nothing is signed for a time that is still to come."""
    with mock.patch("time.time", return_value=clock):
        assert this_minute() == minute


def test_reasons() -> None:
    """They are trimmed, and as long as the record takes them: 2,000 bytes."""
    assert checked_reason("  a storm\n", "--reason") == "a storm"
    assert checked_reason(" ", "--reason") == ""
    assert checked_reason("ж" * 1000, "--reason") == "ж" * 1000
    with pytest.raises(Malformed, match="2002 bytes") as caught:
        checked_reason("ж" * 1001, "--missing")
    assert caught.value.field == "--missing"
