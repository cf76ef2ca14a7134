"""What a device is told about ballots of before."""

from __future__ import annotations

import json

import pytest

from cli.orders import Decision, parse_order
from crypto.errors import Malformed
from crypto.parameters import TOY
from tests.world import World

CODE = bytes(range(32))


@pytest.fixture(scope="module")
def world() -> World:
    """An election."""
    return World.create(TOY[-1])


@pytest.mark.parametrize("then", ["cast", "challenge", "receipt"])
def test_an_order_about_a_ballot_of_before(world: World, then: str) -> None:
    """By its code, however that is written."""
    for code in (CODE.hex(), CODE.hex().upper()):
        line = json.dumps({"code": code, "then": then}).encode()
        assert parse_order(line, world.context.manifest) == Decision(CODE, then)


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"code": CODE.hex()}, "then"),
        ({"code": CODE.hex(), "then": "abandon"}, "then"),
        ({"code": "ab", "then": "receipt"}, "code"),
        ({"code": 1, "then": "receipt"}, "code"),
        ({"unit": "village", "then": "receipt"}, "then"),
        ({"unit": "village", "selections": {}}, "then"),
        ({"code": CODE.hex(), "then": "receipt", "unit": "village"}, "unit"),
    ],
)
def test_orders_that_are_none(world: World, order: dict[str, object], field: str) -> None:
    """A ballot has to be there before its receipt can be asked for."""
    with pytest.raises(Malformed) as caught:
        parse_order(json.dumps(order).encode(), world.context.manifest)
    assert caught.value.field == field
