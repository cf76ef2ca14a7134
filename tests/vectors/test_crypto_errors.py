"""Errors are readable sentences that survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from crypto.errors import InvalidProof, Malformed, Part, Rejected, SailauError

EXAMPLES = [
    (Malformed("ballot.alpha", "3 bytes instead of 512"), "ballot.alpha: 3 bytes instead of 512"),
    (Malformed("n", "not a number", "Give one."), "n: not a number. Give one."),
    (Rejected("6.D", "the proof is wrong"), "check 6.D failed: the proof is wrong"),
    (
        Rejected(
            "6.D", "the proof is wrong", culprit="device a", where="artifact 7", advice="Ask."
        ),
        "check 6.D failed at artifact 7 (device a): the proof is wrong. Ask.",
    ),
    (InvalidProof("alpha is no member", Part.MEMBERSHIP), "alpha is no member"),
]


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_an_error_is_one_sentence(error: SailauError, text: str) -> None:
    """str() of an error says everything that its attributes hold."""
    assert str(error) == text


@pytest.mark.parametrize(("error", "text"), EXAMPLES)
def test_an_error_can_be_pickled(error: SailauError, text: str) -> None:
    """An error raised in a worker process arrives with all its attributes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == text
