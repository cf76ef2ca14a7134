"""What is stored, folded again: each artifact checked, but for its proofs, and each signed head."""

from __future__ import annotations

from collections.abc import Sequence

from ballotbox.errors import StoreContradicted, StoreDamaged, StoreForeign
from ballotbox.high_water import Head
from ballotbox.leaves import Leaves
from ballotbox.signed_heads import SignedHeads
from ballotbox.store import Store, read_all
from crypto.errors import Malformed, Rejected
from record.artifacts import Artifact
from record.merkle import EMPTY_ROOT
from record.transcript import Transcript


def fold(
    store: Store, election: Artifact, size: int, heads: Sequence[Head]
) -> tuple[Transcript, Leaves, StoreContradicted | None]:
    """The first `size` artifacts, which begin with `election`, and the hashes of their tree.

    They are compared with every checkpoint that is stored, and with `heads`, which others
    know: the third is None unless one of those is of a larger tree, or of another one.
    Raises StoreDamaged, StoreForeign.
    """
    transcript, leaves = Transcript(election), Leaves()
    signed = SignedHeads(store, heads)
    signed.check(0, lambda: EMPTY_ROOT)
    for index, data in enumerate(read_all(store, size)):
        if index == 0:
            check_first(data, election)
        else:
            _append(transcript, data)
        leaves.append(data)
        signed.check(index + 1, transcript.state.tree.root)
    signed.end(size)
    return transcript, leaves, signed.contradiction


def check_first(data: bytes, election: Artifact) -> None:
    """Raise StoreForeign unless a log that begins with these bytes is this election's."""
    if data != election.data:
        raise StoreForeign("the database has another election artifact")


def _append(transcript: Transcript, data: bytes) -> None:
    index = transcript.state.size
    try:
        transcript.append(transcript.parse(data))
    except (Malformed, Rejected) as error:
        raise StoreDamaged(
            f"artifact {index} of the database was changed: {error}. "
            "Restore a backup and compare it with the published record"
        ) from error
