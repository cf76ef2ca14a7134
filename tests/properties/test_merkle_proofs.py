"""Merkle trees of any size: what is proved holds, what is changed does not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import InvalidProof
from record.merkle import (
    MerkleTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from record.tiles import Tile, TileBuilder, tiles_of

SIZES = st.integers(1, 600)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(i).encode()) for i in range(size)]


@given(SIZES, st.data())
def test_every_inclusion_proof_holds(size: int, data: st.DataObject) -> None:
    """A leaf is in its tree, with at most log2(size) + 1 hashes to show for it."""
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    proof = inclusion_proof(hashes, index)
    assert len(proof) <= (size - 1).bit_length()
    verify_inclusion(hashes[index], index, size, proof, root_of(hashes))


@given(SIZES, st.data())
def test_every_consistency_proof_holds(size: int, data: st.DataObject) -> None:
    """A tree is a prefix of every tree that grew from it."""
    old = data.draw(st.integers(1, size))
    hashes = leaves(size)
    verify_consistency(
        old, root_of(hashes[:old]), size, root_of(hashes), consistency_proof(hashes, old)
    )


@given(st.integers(2, 600), st.data())
def test_a_changed_inclusion_proof_fails(size: int, data: st.DataObject) -> None:
    """Any other leaf, any changed, missing or added hash is refused."""
    index = data.draw(st.integers(0, size - 1))
    hashes = leaves(size)
    root = root_of(hashes)
    proof = list(inclusion_proof(hashes, index))
    place = data.draw(st.integers(0, len(proof) - 1))
    changed = bytearray(proof[place])
    changed[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index))
    for leaf, steps in (
        (hashes[other], proof),
        (hashes[index], [*proof[:place], bytes(changed), *proof[place + 1 :]]),
        (hashes[index], [*proof[:place], *proof[place + 1 :]]),
        (hashes[index], [*proof[:place], bytes(32), *proof[place:]]),
    ):
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf, index, size, steps, root)


@given(st.integers(2, 600), st.data())
def test_a_log_that_changed_its_past_is_inconsistent(size: int, data: st.DataObject) -> None:
    """With one old leaf replaced, no proof made from the new tree fits the old root."""
    old = data.draw(st.integers(1, size - 1))
    hashes = leaves(size)
    old_root = root_of(hashes[:old])
    hashes[data.draw(st.integers(0, old - 1))] = hashlib.sha256(b"changed").digest()
    with pytest.raises(InvalidProof):
        verify_consistency(old, old_root, size, root_of(hashes), consistency_proof(hashes, old))


@given(st.integers(0, 600), st.integers(0, 600), st.lists(st.binary(max_size=33), max_size=12))
def test_random_proofs_are_refused(old: int, size: int, proof: list[bytes]) -> None:
    """Random hashes prove nothing, whatever the sizes, and raise nothing else."""
    roots = hashlib.sha256(b"old").digest(), hashlib.sha256(b"new").digest()
    with pytest.raises(InvalidProof):
        verify_consistency(old, roots[0], size, roots[1], proof)
    with pytest.raises(InvalidProof):
        verify_inclusion(roots[0], old, size, proof, roots[1])


@given(SIZES)
def test_tiles_hold_the_tree(size: int) -> None:
    """The top tiles of all levels, hashed together, give the root of the leaves."""
    hashes = leaves(size)
    builder, tree = TileBuilder(), MerkleTree()
    made: dict[Tile, bytes] = {}
    for leaf in hashes:
        made.update(builder.append(leaf))
        tree.append(leaf)
    made.update(builder.partial())
    assert set(made) == set(tiles_of(size))
    # What is partial at a level stands right of its full tiles, of which there are
    # at most two here: so the upper part is one complete subtree.
    root = b""
    for tile, data in sorted(made.items(), key=lambda item: item[0].level):
        if tile.width < 256:
            part = root_of([data[i : i + 32] for i in range(0, len(data), 32)])
            root = node_hash(part, root) if root else part
    assert root == tree.root() == root_of(hashes)
