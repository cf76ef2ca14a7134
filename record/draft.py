"""What would come of statements of devices, one after the other, without a change of the record.

draft = Draft(state)
draft.take(ballot)  # Rejected if it could not stand here
draft.take(cast)
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from record.artifacts import Ballot, Cast, Challenge, Device, DeviceClose, Statement
from record.polls_rules import RULES
from record.state import State

K = TypeVar("K")
V = TypeVar("V")


class Draft:
    """A state that changes, over one that does not. It costs what it is given, and no more."""

    def __init__(self, state: State) -> None:
        """`state` does not change while the draft is used."""
        self._state = replace(
            state,
            devices=_Copies(state.devices),
            ballots=_Copies(state.ballots),
            identifiers=_Copies(state.identifiers),
            challenged=[],
            cast_in=Counter(),
        )

    def take(self, statement: Statement) -> None:
        """Check a statement of a device and take it in; any other is left alone.

        Its signature and its proofs are not looked at. Raises Rejected.
        """
        if isinstance(statement, Device | Ballot | Cast | Challenge | DeviceClose):
            rule = RULES[type(statement)]
            rule.check(self._state, statement)
            rule.apply(self._state, statement, self._state.size)


class _Copies(dict[K, V]):
    """A mapping over another one, whose values are copied when they are first asked for."""

    def __init__(self, below: Mapping[K, V]) -> None:
        super().__init__()
        self._below = below

    def __missing__(self, key: K) -> V:
        self[key] = value = copy.copy(self._below[key])
        return value

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._below

    def get(self, key: K, default: Any = None) -> Any:
        """As a dict does."""
        try:
            return self[key]
        except KeyError:
            return default
