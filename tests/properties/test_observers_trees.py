"""Trees from tiles, and whether one checkpoint continues another."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from observers.errors import Fault, Misbehaviour
from observers.heads import Head, check_continues, check_smaller
from record.checkpoint import Checkpoint, parse_checkpoint
from record.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from record.tile_tree import TileTree
from record.tiles import Tile, TileBuilder
from tests.observing import ORIGIN, note
from tests.observing import leaves as small_leaves

SIZES = st.integers(1, 800)


def tree_of(hashes: list[bytes]) -> TileTree:
    """The tree of these leaf hashes, from exactly the tiles that a log of it publishes."""
    builder = TileBuilder()
    tiles = dict(pair for leaf in hashes for pair in builder.append(leaf))
    tiles.update(builder.partial())
    return TileTree(len(hashes), lambda tile: tiles[tile])


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


@given(SIZES, st.data())
@example(256, None)
@example(1, None)
def test_tiles_and_leaves_give_the_same(size: int, data: st.DataObject | None) -> None:
    """Roots of every prefix, and both kinds of proof, hash for hash."""
    hashes, old, index = leaves(size), size, 0
    if data is not None:
        old, index = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    tree = tree_of(hashes)
    assert tree.root() == root_of(hashes)
    assert tree.root_at(old) == root_of(hashes[:old])
    assert tree.leaf(index) == hashes[index]
    assert tree.consistency_proof(old) == consistency_proof(hashes, old)
    assert tree.inclusion_proof(index) == inclusion_proof(hashes, index)


def test_three_levels_of_tiles() -> None:
    """65,536 leaves and some: proofs reach across the levels, and read few tiles."""
    hashes = leaves(66_000)
    tree = tree_of(hashes)
    read: set[Tile] = set()

    def counted(tile: Tile) -> bytes:
        read.add(tile)
        return tree._read(tile)

    counting = TileTree(tree.size, counted)
    root = root_of(hashes)
    assert counting.root() == root
    for old in (1, 255, 256, 257, 65_535, 65_536, 65_537, 65_999, 66_000):
        proof = counting.consistency_proof(old)
        verify_consistency(old, root_of(hashes[:old]), 66_000, root, proof)
        assert counting.root_at(old) == root_of(hashes[:old])
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        verify_inclusion(hashes[index], index, 66_000, counting.inclusion_proof(index), root)
    assert len(read) < 20


@pytest.mark.parametrize("size", [-1, 4])
def test_there_is_nothing_beyond_the_tree(size: int) -> None:
    """No prefix, no leaf, no older tree but those that are there."""
    tree = tree_of(leaves(3))
    for ask in (tree.root_at, tree.leaf, tree.inclusion_proof, tree.consistency_proof):
        with pytest.raises(ValueError, match="of 3"):
            ask(size)


def head(size: int, fork_at: int | None = None) -> Head:
    data = note(size, fork_at)
    return Head(parse_checkpoint(data).checkpoint, data)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_log_that_grows_is_accepted(old: int, new: int) -> None:
    """From any size to any larger one, also from nothing."""
    old, new = sorted((old, new))
    check_continues(head(old), head(new), tree_of(small_leaves(new)))


@given(st.integers(1, 300), st.integers(0, 300), st.data())
def test_a_fork_is_proved(old: int, more: int, data: st.DataObject) -> None:
    """Whatever entry was changed: the evidence shows it to whoever has the two notes alone."""
    fork_at = data.draw(st.integers(0, old - 1))
    older, newer = head(old), head(old + more, fork_at)
    with pytest.raises(Misbehaviour) as caught:
        check_continues(older, newer, tree_of(small_leaves(old + more, fork_at)))
    assert caught.value.fault is Fault.FORK
    assert caught.value.files["older"] == older.note
    assert caught.value.files["newer"] == newer.note
    if more:
        _check_report(caught.value, newer.checkpoint, older.checkpoint)


@given(st.integers(1, 300), st.data())
def test_a_smaller_fork_is_proved(size: int, data: st.DataObject) -> None:
    """From the tiles of the larger tree, which the observer has."""
    smaller = data.draw(st.integers(1, size))
    fork_at = data.draw(st.integers(0, smaller - 1))
    older, newer = head(size), head(smaller, fork_at)
    with pytest.raises(Misbehaviour) as caught:
        check_smaller(older, newer, tree_of(small_leaves(size)))
    assert caught.value.fault is Fault.FORK
    if smaller < size:
        _check_report(caught.value, older.checkpoint, newer.checkpoint)


def _check_report(error: Misbehaviour, larger: Checkpoint, smaller: Checkpoint) -> None:
    """The larger tree has, at the smaller size, a root that the log did not sign there."""
    report = json.loads(error.files["report.json"])
    root = bytes.fromhex(report["root_in_the_larger_tree"])
    proof = [bytes.fromhex(step) for step in report["consistency_proof"]]
    verify_consistency(smaller.size, root, larger.size, larger.root, proof)
    assert root != smaller.root


@given(st.integers(1, 300), st.data())
def test_a_log_that_shrinks_is_rolled_back(size: int, data: st.DataObject) -> None:
    """The same log, smaller: no fork, and not accepted; also if nothing can be read."""
    older, newer = head(size), head(data.draw(st.integers(0, size - 1)))

    def unreadable(tile: Tile) -> bytes:
        return b"damaged"

    for check, tree in (
        (check_smaller, tree_of(small_leaves(size))),
        (check_smaller, TileTree(size, unreadable)),
        (check_continues, TileTree(newer.size, unreadable)),
    ):
        with pytest.raises(Misbehaviour) as caught:
            check(older, newer, tree)
        assert caught.value.fault is Fault.ROLLBACK


@given(st.integers(2, 600), st.data())
def test_tiles_of_another_tree_are_no_fork(size: int, data: st.DataObject) -> None:
    """Files that were published wrongly accuse nobody of having signed two logs."""
    old = data.draw(st.integers(1, size - 1))
    hashes = small_leaves(size)
    place = data.draw(st.integers(0, size - 1))
    hashes[place] = bytes(32)
    tree = tree_of(hashes)
    with pytest.raises(Misbehaviour) as caught:
        check_continues(head(old), head(size), tree)
    assert caught.value.fault is Fault.TILES
    assert caught.value.check == "R.tile"


def test_tiles_of_another_length_are_no_fork() -> None:
    """Inside the tree as well as at its edge."""
    good = tree_of(small_leaves(600))
    for cut in (Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)):

        def read(tile: Tile, cut: Tile = cut) -> bytes:
            return good._read(tile)[: 31 if tile == cut else None]

        with pytest.raises(Misbehaviour) as caught:
            check_continues(head(300), head(600), TileTree(600, read))
        assert caught.value.fault is Fault.TILES


def test_another_log_is_no_continuation() -> None:
    """Also if its tree is the same, or it is empty with a root of its own."""
    older = head(3)
    other = Head(Checkpoint(f"{ORIGIN}/2", 3, older.checkpoint.root), b"note")
    strange = Head(Checkpoint(ORIGIN, 0, older.checkpoint.root), b"note")
    for first, second, fault in (
        (older, other, Fault.UNSIGNED),
        (head(0), strange, Fault.FORK),
        (older, strange, Fault.FORK),
    ):
        with pytest.raises(Misbehaviour) as caught:
            check_continues(first, second, tree_of([]))
        assert caught.value.fault is fault
