"""Whatever bytes come in, a manifest comes out or a Malformed does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from crypto.errors import Malformed
from record.manifest import Manifest, parse_manifest

EXAMPLE = (Path(__file__).parents[2] / "cli" / "demo" / "manifest.json").read_bytes()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def outcome(data: bytes) -> Manifest | Malformed:
    try:
        return parse_manifest(data)
    except Malformed as error:
        return error


@given(st.binary())
@example(b"\xff\xfe")
@example(b"0" * 100)
def test_random_bytes_are_malformed(data: bytes) -> None:
    """No bytes raise anything else, and the error is printable text with a place."""
    error = outcome(data)
    assert isinstance(error, Malformed)
    assert error.field
    assert error.problem
    str(error).encode()


@given(JSON)
def test_random_json_is_malformed(document: object) -> None:
    """The same for JSON of any shape, with NaN and Infinity and unpaired surrogates."""
    error = outcome(json.dumps(document).encode())
    assert isinstance(error, Malformed)
    str(error).encode()


def all_places() -> list[tuple[Any, ...]]:
    document = json.loads(EXAMPLE)
    found: list[tuple[Any, ...]] = []
    stack: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    while stack:
        path, node = stack.pop()
        if path:
            found.append(path)
        if isinstance(node, dict):
            stack += [((*path, name), value) for name, value in node.items()]
        elif isinstance(node, list):
            stack += [((*path, i), value) for i, value in enumerate(node)]
    return found


@given(st.sampled_from(all_places()), JSON)
def test_any_value_anywhere_is_taken_or_refused(path: tuple[Any, ...], value: object) -> None:
    """One member of the example replaced: a manifest with those bytes, or a Malformed."""
    document = json.loads(EXAMPLE)
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    data = json.dumps(document).encode()
    result = outcome(data)
    if isinstance(result, Manifest):
        assert result.source == data
        assert result.cells()
    else:
        str(result).encode()


@given(st.sampled_from(all_places()))
def test_nothing_can_be_left_out_unnoticed(path: tuple[Any, ...]) -> None:
    """Without any one member, the example is refused; without a list item, perhaps not.

    The privacy floor alone is optional.
    """
    document = json.loads(EXAMPLE)
    node = document
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    result = outcome(json.dumps(document).encode())
    if isinstance(path[-1], str):
        assert isinstance(result, Malformed) != (path == ("privacy_floor",))


@given(st.data())
def test_any_tree_of_units_has_its_leaves_as_cells(data: st.DataObject) -> None:
    """Units in any order under any forest: the leaves take ballots, in the file's order."""
    size = data.draw(st.integers(1, 12))
    parents = [None, *(data.draw(st.none() | st.integers(0, i - 1)) for i in range(1, size))]
    order = data.draw(st.permutations(range(size)))
    leaves = [i for i in order if i not in parents]
    document = json.loads(EXAMPLE)
    name = document["name"]
    document["units"] = [
        {
            "label": f"u{i}",
            "name": name,
            "parent": None if parents[i] is None else f"u{parents[i]}",
            "ballot_styles": ["presidential"] if i in leaves else [],
        }
        for i in order
    ]
    for device in document["devices"]:
        device["units"] = ["u0"]
    manifest = parse_manifest(json.dumps(document).encode())
    assert [unit.label for unit, _ in manifest.cells()] == [f"u{i}" for i in leaves]


@given(st.integers(1, 8), st.data())
def test_a_parent_from_below_is_always_a_cycle(size: int, data: st.DataObject) -> None:
    """A chain of units whose top gets one of the chain as its parent is refused there."""
    bottom = data.draw(st.integers(0, size - 1))
    document = json.loads(EXAMPLE)
    document["units"] = [
        {
            "label": f"u{i}",
            "name": document["name"],
            "parent": f"u{i - 1 if i else bottom}",
            "ballot_styles": ["presidential"] if i == size - 1 != bottom else [],
        }
        for i in range(size)
    ]
    for device in document["devices"]:
        device["units"] = ["u0"]
    error = outcome(json.dumps(document).encode())
    assert isinstance(error, Malformed)
    assert error.field == "units[0].parent"
    assert "leads back" in error.problem
