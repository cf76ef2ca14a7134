"""Whether one signed checkpoint continues another: the question all observers ask.

Nothing here knows where tiles come from. Every answer but "yes" carries the files that
show it to others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from crypto.errors import InvalidProof, Malformed, SailauError
from observers.errors import Fault, Misbehaviour
from record.checkpoint import Checkpoint
from record.merkle import EMPTY_ROOT, verify_consistency
from record.tile_tree import TileTree

CHECK = "R.append-only"
"""The id of the check that a log only ever grows."""
TREE_CHECK = "R.tile"
"""The id of the check that tiles lead to the checkpoint's root."""


@dataclass(frozen=True, slots=True)
class Head:
    """A verified checkpoint and the note it stood in, byte for byte."""

    checkpoint: Checkpoint
    note: bytes

    @property
    def size(self) -> int:
        """Leaves."""
        return self.checkpoint.size


def check_continues(older: Head, newer: Head, tree: TileTree) -> None:
    """Check that `newer`, whose tiles `tree` reads, grew from `older`, which was seen before.

    Raises Misbehaviour: an inconsistent tree (fork), a smaller one (rollback, without
    looking further: see `check_smaller`), tiles that are not the newer checkpoint's, or
    another log (unsigned). Raises Unreachable if tiles cannot be had.
    """
    _check_alike(older, newer)
    if newer.size < older.size:
        raise _fault(Fault.ROLLBACK, older, newer, f"{newer.size} entries after {older.size}")
    if newer.size > older.size:
        _check_grown(older, newer, tree)


def check_smaller(older: Head, newer: Head, tree: TileTree) -> None:
    """What to say about a smaller checkpoint `newer`; `tree` has the tiles of the older one.

    Raises Misbehaviour in any case: a fork if the first entries were others, otherwise a
    rollback, also if the tiles, which are our own, cannot be read.
    """
    _check_alike(older, newer)
    rollback = _fault(Fault.ROLLBACK, older, newer, f"{newer.size} entries after {older.size}")
    a, b = older.checkpoint, newer.checkpoint
    try:
        root, proof = tree.root_at(b.size), tree.consistency_proof(b.size) if b.size else ()
        verify_consistency(b.size, root, a.size, a.root, proof)
    except SailauError:
        raise rollback from None
    if root == b.root:
        raise rollback
    problem = f"the smaller checkpoint ({b.size} entries) is of another log"
    raise _fault(Fault.FORK, older, newer, problem, root, proof)


def _check_alike(older: Head, newer: Head) -> None:
    a, b = older.checkpoint, newer.checkpoint
    if a.origin != b.origin:
        raise _fault(Fault.UNSIGNED, older, newer, f"this is {b.origin}, not {a.origin}")
    if b.size == 0 and b.root != EMPTY_ROOT:
        raise _fault(Fault.FORK, older, newer, "an empty log with the root of another one")
    if a.size == b.size and a.root != b.root:
        raise _fault(Fault.FORK, older, newer, f"two logs of {a.size} entries, both signed")


def _check_grown(older: Head, newer: Head, tree: TileTree) -> None:
    check_tiles(newer, tree, older)
    if older.size == 0:
        return
    a, b = older.checkpoint, newer.checkpoint
    try:
        proof, root = tree.consistency_proof(a.size), tree.root_at(a.size)
        # With the root that the tiles give: so a proof that holds shows what the newer
        # checkpoint has there, whatever the older one says.
        verify_consistency(a.size, root, b.size, b.root, proof)
    except (InvalidProof, Malformed) as error:
        problem = f"the tiles are not those of the checkpoint: {error.problem}"
        raise _fault(Fault.TILES, older, newer, problem) from None
    if root != a.root:
        problem = f"the first {a.size} of {b.size} entries are not those that were signed before"
        raise _fault(Fault.FORK, older, newer, problem, root, proof)


def check_tiles(head: Head, tree: TileTree, older: Head | None = None) -> None:
    """Check that the tiles at the right edge lead to the root; raises Misbehaviour (tiles)."""
    try:
        fits = tree.root() == head.checkpoint.root
        problem = "the tiles lead to another root than the checkpoint's"
    except Malformed as error:
        fits, problem = False, str(error)
    if not fits:
        raise _fault(Fault.TILES, older, head, problem)


def _fault(
    fault: Fault,
    older: Head | None,
    newer: Head,
    problem: str,
    root: bytes | None = None,
    proof: tuple[bytes, ...] = (),
) -> Misbehaviour:
    files = {"newer": newer.note}
    report: dict[str, Any] = {
        "fault": fault.value,
        "problem": problem,
        "newer": _described(newer.checkpoint),
    }
    if older is not None:
        files["older"] = older.note
        report["older"] = _described(older.checkpoint)
    if root is not None:
        report["root_in_the_larger_tree"] = root.hex()
        report["consistency_proof"] = [step.hex() for step in proof]
    files["report.json"] = json.dumps(report, indent=2).encode() + b"\n"
    check = TREE_CHECK if fault is Fault.TILES else CHECK
    return Misbehaviour(fault, check, problem, files, where="checkpoint")


def _described(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
    }
