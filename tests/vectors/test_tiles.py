"""Tiles against the examples of C2SP tlog-tiles."""

from __future__ import annotations

from collections import Counter

import pytest

from crypto.errors import Malformed
from record.merkle import leaf_hash, root_of
from record.tiles import (
    Bundle,
    Tile,
    TileBuilder,
    bundles_of,
    format_bundle,
    index_path,
    parse_bundle,
    parse_tile,
    tiles_of,
)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


def build(size: int) -> dict[Tile, bytes]:
    builder = TileBuilder()
    made = [pair for leaf in leaves(size) for pair in builder.append(leaf)]
    return dict([*made, *builder.partial()])


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, "000"),
        (7, "007"),
        (999, "999"),
        (1000, "x001/000"),
        (1234067, "x001/x234/067"),
        (10**9, "x001/x000/x000/000"),
    ],
)
def test_paths_of_the_page(index: int, path: str) -> None:
    """Groups of three digits, all but the last with an x; 1234067 is the page's example."""
    assert index_path(index) == path


def test_paths_of_tiles_and_bundles() -> None:
    """Level, index and, for partial ones, the width; artifacts are parallel to entries."""
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(2, 0, 1).path == "tile/2/000.p/1"
    assert Bundle(1234067).entries_path == "tile/entries/x001/x234/067"
    assert Bundle(273, 112).entries_path == "tile/entries/273.p/112"
    assert Bundle(1273, 112).artifacts_path == "artifacts/x001/273"


@pytest.mark.parametrize("make", [lambda: index_path(-1), lambda: Tile(0, 0, 0).path])
def test_no_path_for_what_cannot_be(make: object) -> None:
    """Negative indices and empty tiles do not exist."""
    with pytest.raises(ValueError, match="is"):
        make()  # type: ignore[operator]


def test_the_example_of_70000() -> None:
    """273 full and one 112 wide at level 0, one full and one 17 wide at level 1, one of 1."""
    tiles = list(tiles_of(70000))
    assert Counter((t.level, t.width) for t in tiles) == {
        (0, 256): 273,
        (0, 112): 1,
        (1, 256): 1,
        (1, 17): 1,
        (2, 1): 1,
    }
    partial = [t.path for t in tiles if t.width < 256]
    assert partial == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    bundles = list(bundles_of(70000))
    assert len(bundles) == 274
    assert bundles[-1] == Bundle(273, 112)


def test_the_example_of_256() -> None:
    """One full tile and one hash above it, and no empty tile anywhere."""
    assert list(tiles_of(256)) == [Tile(0, 0, 256), Tile(1, 0, 1)]
    assert list(bundles_of(256)) == [Bundle(0, 256)]


def test_an_empty_log_has_no_tiles() -> None:
    """There are no empty tiles."""
    assert list(tiles_of(0)) == []
    assert list(bundles_of(0)) == []
    assert build(0) == {}


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 512, 700])
def test_the_builder_makes_the_listed_tiles(size: int) -> None:
    """Level 0 is the leaves, level 1 the roots of the full tiles, and nothing else."""
    made = build(size)
    assert set(made) == set(tiles_of(size))
    hashes = leaves(size)
    for tile, data in made.items():
        start = tile.index * 256
        if tile.level == 0:
            expected = hashes[start : start + tile.width]
        else:
            expected = [root_of(hashes[i * 256 : i * 256 + 256]) for i in range(tile.width)]
        assert data == b"".join(expected)
        assert parse_tile(data, tile.width, "tile") == tuple(expected)


def test_three_levels() -> None:
    """Of 65,536 leaves one hash reaches level 2: the root of the tree."""
    made = build(65536)
    assert made[Tile(2, 0, 1)] == root_of(leaves(65536))
    assert set(made) == set(tiles_of(65536))


def test_partial_tiles_change_nothing() -> None:
    """Asking for the partial tiles in between does not disturb the builder."""
    builder = TileBuilder()
    made: dict[Tile, bytes] = {}
    for leaf in leaves(300):
        made.update(builder.append(leaf))
        builder.partial()
    assert {**made, **dict(builder.partial())} == build(300)


@pytest.mark.parametrize("length", [0, 31, 33, 63, 96])
def test_a_tile_of_another_length_is_malformed(length: int) -> None:
    """A tile is exactly as long as its width says."""
    with pytest.raises(Malformed, match="instead of 64") as caught:
        parse_tile(bytes(length), 2, "tile/0/000.p/2")
    assert caught.value.field == "tile/0/000.p/2"


def test_bundles_have_two_bytes_of_length() -> None:
    """Entries of 0, 1 and 65,535 bytes, and nothing longer."""
    entries = (b"", b"a", bytes(65535))
    data = format_bundle(entries)
    assert data[:5] == b"\x00\x00\x00\x01a"
    assert parse_bundle(data, 3, "bundle") == entries
    with pytest.raises(ValueError, match="65,535"):
        format_bundle([bytes(65536)])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "does not hold 2"),
        (b"\x00\x01a", "does not hold 2"),
        (b"\x00\x01a\x00", "breaks off in entry 1"),
        (b"\x00\x01a\x00\x02b", "breaks off in entry 1"),
        (b"\x00\x01a\x00\x01b\x00", "does not hold 2"),
        (b"\x00\x01a\x00\x01b\x00\x00", "does not hold 2"),
    ],
)
def test_a_bundle_with_more_or_less_is_malformed(data: bytes, problem: str) -> None:
    """A bundle holds exactly as many entries as its width says."""
    with pytest.raises(Malformed, match=problem):
        parse_bundle(data, 2, "bundle")
