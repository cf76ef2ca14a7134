"""What programs say to people: numbers with nouns, and a home that is not a server's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.checking_findings import Finding, ok, problem, summary, warning
from cli.common import counted
from cli.serve_config import ServerConfig
from crypto.errors import Malformed


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 ballots"), (1, "1 ballot"), (2, "2 ballots"), (2000, "2,000 ballots")],
)
def test_a_number_with_its_noun(number: int, words: str) -> None:
    """One thing is one."""
    assert counted(number, "ballot") == words


def test_another_plural() -> None:
    """Where an s is not enough."""
    assert [counted(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([problem("disk", "full", "")], "Not ready. 1 check: 0 ok, 0 warnings, 1 problem."),
        (
            [ok("disk", ""), warning("clock", "", ""), warning("drill", "", "")],
            "Ready. 3 checks: 1 ok, 2 warnings, 0 problems.",
        ),
    ],
)
def test_the_outcome_of_a_check(findings: list[Finding], words: str) -> None:
    """In one sentence."""
    assert summary(findings) == words


def test_a_home_that_is_not_the_servers(tmp_path: Path) -> None:
    """The server's is named, where it is near."""
    other, server = tmp_path / "administrator", tmp_path / "server"
    other.mkdir()
    with pytest.raises(Malformed, match=r"has no server\.json.*`sailau election new` makes"):
        ServerConfig.read(other)
    server.mkdir()
    (server / "server.json").write_text("{}")
    for place in (other, tmp_path):
        with pytest.raises(Malformed) as caught:
            ServerConfig.read(place)
        assert str(caught.value).endswith(f"that is {server.resolve()}.")
    with pytest.raises(Malformed, match="no such directory"):
        ServerConfig.read(tmp_path / "away")
