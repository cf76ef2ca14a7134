"""The server's side of receipts: which checkpoint stands under one, and the path to it."""

from __future__ import annotations

from ballotbox.board import Board
from ballotbox.errors import StoreFailed
from ballotbox.receipts import Receipt, ReceiptKind, make_receipt
from ballotbox.store import StoredCheckpoint

_LOOKED_AT = 64
"""Cosigned checkpoints among which the best is chosen."""


class Receipts:
    """Makes receipts for what a board holds. Safe to use from several threads.

    Every method raises StoreFailed while the checkpoint may not be shown, and StoreErrors
    of the database.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._store = board.store

    def first(self, kind: ReceiptKind, code: bytes, index: int, artifact: bytes) -> Receipt:
        """The receipt under the checkpoint of the artifact's own group: always the same.

        It has the log's signature alone, whoever has cosigned since: so it waits for
        nobody, and an answer that is given again is the answer that was lost.
        """
        (known,) = self._store.checkpoints(index + 1, 1)
        return self._under(known, known.note, kind, code, index, artifact)

    def best(self, kind: ReceiptKind, code: bytes, index: int, artifact: bytes) -> Receipt:
        """The receipt under the checkpoint that most witnesses have signed, the first of those.

        Which witnesses count is for the policy to say of whoever reads it. Without any
        it is the first receipt again.
        """
        sizes = self._store.cosigned(index + 1, _LOOKED_AT)
        signed = {size: len(self._store.cosignatures(size)) for size in sizes}
        chosen = max(sizes, key=lambda size: (signed[size], -size), default=None)
        if chosen is None:
            return self.first(kind, code, index, artifact)
        (known,) = self._store.checkpoints(chosen, 1)
        return self._under(known, self._board.note(known), kind, code, index, artifact)

    def _under(
        self,
        head: StoredCheckpoint,
        note: bytes,
        kind: ReceiptKind,
        code: bytes,
        index: int,
        artifact: bytes,
    ) -> Receipt:
        if head.size > self._board.head().size:
            raise StoreFailed("the newest checkpoint is not on the disk everywhere yet")
        base_hash = self._board.transcript.context.base_hash
        hashes = self._board.inclusion_proof(index, head.size)
        return make_receipt(kind, base_hash, code, artifact, index, hashes, note)
