"""The Merkle tree against RFC 6962: published roots and a naive recursion."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from crypto.errors import InvalidProof
from record.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The example that Certificate Transparency implementations share.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def naive_split(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k


def naive_root(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not entries:
        return sha256(b"")
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0])
    k = naive_split(len(entries))
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:]))


def naive_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, word for word."""
    if len(entries) == 1:
        return []
    k = naive_split(len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2, word for word."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = naive_split(len(entries))
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], False), naive_root(entries[:k])]


def numbered(size: int) -> list[bytes]:
    return [str(i).encode() for i in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The roots of the shared example, the empty tree first."""
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    """RFC 6962, 2.1: MTH of the empty list."""
    assert MerkleTree().root() == EMPTY_ROOT == sha256(b"")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 100, 255, 256, 257])
def test_the_accumulator_equals_the_recursion(size: int) -> None:
    """Appending leaf by leaf gives the root of the definition at every step."""
    entries = numbered(size)
    tree = MerkleTree()
    for i, entry in enumerate(entries):
        assert tree.size == i
        tree.append(leaf_hash(entry))
    assert tree.root() == naive_root(entries)


@pytest.mark.parametrize("size", range(1, 18))
def test_inclusion_proofs_are_those_of_the_definition(size: int) -> None:
    """Every leaf of every small tree: the path of RFC 6962, and it verifies."""
    entries = numbered(size)
    leaves = [leaf_hash(entry) for entry in entries]
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert list(proof) == naive_path(index, entries)
        verify_inclusion(leaves[index], index, size, proof, naive_root(entries))


@pytest.mark.parametrize("size", range(1, 18))
def test_consistency_proofs_are_those_of_the_definition(size: int) -> None:
    """Every prefix of every small tree: the proof of RFC 6962, and it verifies."""
    entries = numbered(size)
    leaves = [leaf_hash(entry) for entry in entries]
    for old in range(1, size + 1):
        proof = consistency_proof(leaves, old)
        assert list(proof) == naive_subproof(old, entries, True)
        verify_consistency(old, naive_root(entries[:old]), size, naive_root(entries), proof)


def test_every_tree_grows_from_the_empty_one() -> None:
    """An old size of 0 needs no proof, but the root of the empty tree."""
    root = root_of(LEAVES)
    verify_consistency(0, EMPTY_ROOT, 8, root, ())
    with pytest.raises(InvalidProof, match="old root"):
        verify_consistency(0, root, 8, root, ())
    with pytest.raises(InvalidProof, match="too long"):
        verify_consistency(0, EMPTY_ROOT, 8, root, (root,))
    with pytest.raises(InvalidProof, match="empty tree"):
        verify_consistency(0, EMPTY_ROOT, 0, root, ())


PROOF = inclusion_proof(LEAVES, 5)
ROOT = root_of(LEAVES)
OTHER = sha256(b"other")


@pytest.mark.parametrize(
    ("leaf", "index", "size", "proof", "root", "problem"),
    [
        (OTHER, 5, 8, PROOF, ROOT, "another root"),
        (LEAVES[5], 4, 8, PROOF, ROOT, "another root"),
        (LEAVES[5], 5, 8, PROOF, OTHER, "another root"),
        (LEAVES[5], 5, 8, (*PROOF[:2], OTHER), ROOT, "another root"),
        (LEAVES[5], 5, 8, PROOF[::-1], ROOT, "another root"),
        (LEAVES[5], 5, 8, PROOF[:-1], ROOT, "too short"),
        (LEAVES[5], 5, 8, (*PROOF, OTHER), ROOT, "too long"),
        (LEAVES[5], 5, 8, (b"short", *PROOF[1:]), ROOT, "5 bytes"),
        (LEAVES[5], 8, 8, PROOF, ROOT, "no leaf 8"),
        (LEAVES[5], -1, 8, PROOF, ROOT, "no leaf -1"),
        (LEAVES[5], 5, 16, PROOF, ROOT, "too short"),
        (ROOT, 0, 1, (), OTHER, "another root"),
    ],
)
def test_a_false_inclusion_proof_is_refused(
    leaf: bytes, index: int, size: int, proof: tuple[bytes, ...], root: bytes, problem: str
) -> None:
    """One thing wrong at a time: leaf, index, size, root, a hash, their number, their order."""
    verify_inclusion(LEAVES[5], 5, 8, PROOF, ROOT)
    with pytest.raises(InvalidProof, match=problem):
        verify_inclusion(leaf, index, size, proof, root)


GROWTH = consistency_proof(LEAVES, 6)
OLD = root_of(LEAVES[:6])


@pytest.mark.parametrize(
    ("old_size", "old_root", "size", "root", "proof", "problem"),
    [
        (6, OTHER, 8, ROOT, GROWTH, "old root"),
        (6, OLD, 8, OTHER, GROWTH, "another root"),
        (5, OLD, 8, ROOT, GROWTH, "too short"),
        (6, OLD, 16, ROOT, GROWTH, "too short"),
        (6, OLD, 8, ROOT, GROWTH[:-1], "too short"),
        (6, OLD, 8, ROOT, (), "too short"),
        (6, OLD, 8, ROOT, (*GROWTH, OTHER), "too long"),
        (6, OLD, 8, ROOT, (b"", *GROWTH[1:]), "0 bytes"),
        (6, OLD, 8, ROOT, (OTHER, *GROWTH[1:]), "old root"),
        (8, OLD, 8, ROOT, (), "old root"),
        (8, ROOT, 8, ROOT, GROWTH, "too long"),
        (9, OLD, 8, ROOT, GROWTH, "cannot have grown"),
        (-1, OLD, 8, ROOT, GROWTH, "cannot have grown"),
        (4, root_of(LEAVES[:4]), 8, OTHER, consistency_proof(LEAVES, 4), "another root"),
    ],
)
def test_a_false_consistency_proof_is_refused(
    old_size: int,
    old_root: bytes,
    size: int,
    root: bytes,
    proof: tuple[bytes, ...],
    problem: str,
) -> None:
    """One thing wrong at a time: a size, a root, a hash, their number."""
    verify_consistency(6, OLD, 8, ROOT, GROWTH)
    with pytest.raises(InvalidProof, match=problem):
        verify_consistency(old_size, old_root, size, root, proof)


def test_asking_for_what_is_not_there_is_our_own_mistake() -> None:
    """Proofs for leaves or sizes outside the tree are ValueErrors."""
    with pytest.raises(ValueError, match="no leaf 8"):
        inclusion_proof(LEAVES, 8)
    for old in (0, 9):
        with pytest.raises(ValueError, match="cannot have grown"):
            consistency_proof(LEAVES, old)
