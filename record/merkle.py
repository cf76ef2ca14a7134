"""The Merkle tree of RFC 6962 over SHA-256: hashes, roots and proofs.

Everything here is pure and knows no files. A tree is the list of its leaf
hashes; a subtree of n leaves splits at the largest power of two below n.
`MerkleTree` keeps the roots of complete subtrees only, about log2(n) of them, so
that a log of any length is hashed while it streams by. Hashes are 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from crypto.errors import InvalidProof

HASH_BYTES = 32

EMPTY_ROOT = hashlib.sha256().digest()
"""The root of the tree without leaves: the hash of the empty string."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(00 || data), the hash of an entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 || left || right), the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows at its right end and can tell its size and its root."""

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        # Of complete subtrees, left to right: one for every bit of the size.
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        node, rest = leaf, self.size
        while rest & 1:
            node = node_hash(self._roots.pop(), node)
            rest >>= 1
        self._roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves so far."""
        if not self._roots:
            return EMPTY_ROOT
        node = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree with these leaf hashes."""
    tree = MerkleTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of leaf `index`, counted from 0, from the leaf upwards.

    RFC 6962, 2.1.1. Raises ValueError if there is no such leaf.
    """
    size = len(leaves)
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """That the tree of the first `old_size` leaves grew into this one.

    RFC 6962, 2.1.2; empty if the sizes are equal. Raises ValueError unless
    1 <= old_size <= len(leaves): every tree grows from the empty one.
    """
    size = len(leaves)
    if not 1 <= old_size <= size:
        raise ValueError(f"a tree of {size} cannot have grown from one of {old_size}")
    path: list[bytes] = []
    start, end = 0, size
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    # Whoever checks the proof knows the old root; a part of it has to be given.
    if start > 0:
        path.append(root_of(leaves[start:end]))
    return tuple(reversed(path))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks that leaf hash `leaf` stands at `index` in the tree of that size and root.

    Raises InvalidProof (RFC 9162, 2.1.3.2).
    """
    if not 0 <= index < size:
        raise InvalidProof(f"no leaf {index} in a tree of {size}")
    node = leaf
    for sibling, on_the_left in _climb(index, size - 1, proof):
        node = node_hash(sibling, node) if on_the_left else node_hash(node, sibling)
    if node != root:
        raise InvalidProof("the proof leads to another root")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Checks that the tree of `old_size` and `old_root` is a prefix of the other.

    Raises InvalidProof (RFC 9162, 2.1.4.2).
    """
    if not 0 <= old_size <= size:
        raise InvalidProof(f"a tree of {size} cannot have grown from one of {old_size}")
    if old_size in (0, size):
        _verify_trivial(old_root, root if old_size else EMPTY_ROOT, proof)
        if size == 0 and root != EMPTY_ROOT:
            raise InvalidProof("the empty tree has another root")
        return
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    # An old tree that is complete is itself the first node of the path.
    steps = [old_root, *proof] if position == 0 else list(proof)
    if not steps:
        raise InvalidProof("the proof is too short")
    _check_width(steps[0])
    old_node = node = steps[0]
    for sibling, on_the_left in _climb(position, last, steps[1:]):
        if on_the_left:
            old_node, node = node_hash(sibling, old_node), node_hash(sibling, node)
        else:
            node = node_hash(node, sibling)
    if old_node != old_root:
        raise InvalidProof("the proof leads to another old root")
    if node != root:
        raise InvalidProof("the proof leads to another root")


def _verify_trivial(old_root: bytes, expected: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise InvalidProof("the proof is too long")
    if old_root != expected:
        raise InvalidProof("the old root is another one")


def _climb(position: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The siblings on the way up from `position`, and whether each is on the left.

    `last` is the position of the last node of the level. Raises InvalidProof if
    the proof does not have as many hashes as there are levels with a sibling.
    """
    for step in proof:
        _check_width(step)
        if last == 0:
            raise InvalidProof("the proof is too long")
        on_the_left = bool(position & 1) or position == last
        yield step, on_the_left
        # A last node without a sibling goes up unhashed.
        while on_the_left and position and not position & 1:
            position, last = position >> 1, last >> 1
        position, last = position >> 1, last >> 1
    if last != 0:
        raise InvalidProof("the proof is too short")


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _check_width(node: bytes) -> None:
    if len(node) != HASH_BYTES:
        raise InvalidProof(f"the proof has a hash of {len(node)} bytes instead of {HASH_BYTES}")
