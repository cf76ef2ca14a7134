"""The report for people: which parameters a record has, and numbers with nouns."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto.parameters import TOY
from record.state import Phase
from tests.publishing import publish
from tests.world import World
from verifier import verify
from verifier.text import counted, render, render_brief

NAME = TOY[-1].name
HINT = f"These are the parameters {NAME}: --parameters {NAME}, if you expect toys"


def test_the_parameters_that_would_fit_are_named(tmp_path: Path) -> None:
    """Where 1.B, 1.C and 1.D fail because others were expected; the verdict stays."""
    publish(World.create(TOY[-1], until=Phase.COMMITMENT), tmp_path)
    wrong, other, right = (verify(tmp_path, parameters=p) for p in ("standard", TOY[-2].name, NAME))
    for report in (wrong, other):
        assert report.verdict == "refuted"
        assert {"1.B", "1.C", "1.D"} <= set(report.failed_ids())
        for text in (render(report), render_brief(report)):
            assert HINT in text
            assert text.splitlines()[-1].startswith("REFUTED")
    assert not {"1.B", "1.C", "1.D"} & set(right.failed_ids())
    assert "if you expect" not in render(right) + render_brief(right)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 checks"), (1, "1 check"), (1000, "1,000 checks")]
)
def test_a_number_with_its_noun(number: int, words: str) -> None:
    """One thing is one."""
    assert counted(number, "check") == words
