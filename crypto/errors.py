"""The errors of this library, rooted by whose fault they are.

`Malformed`: the bytes are no value at all. `Rejected`: the values are well
formed, but the claim or the proof is false. `InvalidProof` is the rejection as
this room can know it, without a check's id, a culprit or a place; whoever calls
a `verify_*` function knows those and raises `Rejected` from it.

A wrong argument from our own code is none of these: it is a `ValueError`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class SailauError(Exception):
    """The root of every error that this library raises about somebody's input."""


class Malformed(SailauError):
    """Bytes that are not a value: wrong width, out of range, not canonical.

    `field` says where they stood, `problem` what is wrong with them, `advice`
    (possibly empty) what to do about it.
    """

    def __init__(self, field: str, problem: str, advice: str = "") -> None:
        super().__init__(field, problem, advice)
        self.field = field
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return _sentences(f"{self.field}: {self.problem}", self.advice)


class NotNow(SailauError):
    """Nobody's fault that asked: the system cannot do it at the moment; ask again.

    Asking again is safe: what was done all the same gives the same answer.
    """


class Rejected(SailauError):
    """A well-formed statement that is not true.

    `check` is the id of the check that failed ("6.D", "R.cast"), `culprit` who
    made the statement and `where` its place; both may be empty.
    """

    def __init__(
        self, check: str, problem: str, *, culprit: str = "", where: str = "", advice: str = ""
    ) -> None:
        super().__init__(check, problem, culprit, where, advice)
        self.check = check
        self.problem = problem
        self.culprit = culprit
        self.where = where
        self.advice = advice

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments would be lost on the way back from a process.
        return _rejected, self.args

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        blame = f" ({self.culprit})" if self.culprit else ""
        return _sentences(f"check {self.check} failed{place}{blame}: {self.problem}", self.advice)


class Part(StrEnum):
    """Which part of a verification a proof failed.

    The specification letters these separately (2.A, 2.B, 2.C; 6.A, 6.B, 6.C,
    6.D), so a caller that names the check has to be told.
    """

    SHAPE = "shape"
    MEMBERSHIP = "membership"
    CHALLENGE_RANGE = "challenge range"
    RESPONSE_RANGE = "response range"
    EQUATION = "equation"


class InvalidProof(SailauError):
    """A proof, a share or an element that a `verify_*` function refuses.

    `part` tells apart: the wrong number or width of components (SHAPE), an
    element outside the order-q subgroup (MEMBERSHIP), a challenge or response
    that is not in Z_q, and the equation itself.
    """

    def __init__(self, problem: str, part: Part = Part.EQUATION) -> None:
        super().__init__(problem, part)
        self.problem = problem
        self.part = part

    def __str__(self) -> str:
        return self.problem


def _rejected(check: str, problem: str, culprit: str, where: str, advice: str) -> Rejected:
    return Rejected(check, problem, culprit=culprit, where=where, advice=advice)


def _sentences(problem: str, advice: str) -> str:
    return f"{problem}. {advice[0].upper()}{advice[1:]}" if advice else problem
