"""What the clients have in common."""

from __future__ import annotations

from crypto.errors import Rejected

DEADLINE = 60.0
"""Seconds for which a call is made again while the server cannot be reached."""
ANSWER = "R.answer"
"""The check that an answer fails which no honest server gives."""


def parse_index(index: int) -> int:
    """An index that a journal can hold. Raises Rejected for what no record reaches."""
    if index >= 2**53:
        raise Rejected(ANSWER, f"the server answered with index {index}", culprit="server")
    return int(index)
