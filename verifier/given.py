"""What is given besides the record: checkpoints, receipts, a policy, a dispute.

They are read before the record is, and parsed once; `comparison` says what they show.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.disputes import MAX_DISPUTE, Dispute, parse_dispute
from verifier.note import MAX_NOTE, Checkpoint, NoteError, parse_checkpoint
from verifier.policy import MAX_POLICY, Policy, PolicyError, parse_policy
from verifier.receipts import Receipt, parse_receipt
from verifier.tlog_proof import MAX_PROOF

PathLike = str | os.PathLike[str]


class GivenError(Exception):
    """A file that was given is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class Given:
    """The files, parsed and not verified, with their names."""

    checkpoints: tuple[tuple[str, Checkpoint], ...] = ()
    receipts: tuple[tuple[str, Receipt], ...] = ()
    policy: Policy | None = None
    dispute: tuple[str, Dispute] | None = None

    def heads(self) -> Iterator[Checkpoint]:
        """Yield every checkpoint that is in them."""
        yield from (checkpoint for _, checkpoint in self.checkpoints)
        yield from (receipt.proof.checkpoint for _, receipt in self.receipts)
        if self.dispute is not None:
            yield from (self.dispute[1].receipt.proof.checkpoint, self.dispute[1].checkpoint)


def _read(path: PathLike, limit: int) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(limit + 1)  # what is longer is refused by its parser


def read_policy(path: PathLike) -> Policy:
    """Read a policy file. Raises GivenError with the line."""
    try:
        return parse_policy(_read(path, MAX_POLICY))
    except (OSError, PolicyError) as error:
        raise GivenError(f"the policy {os.fspath(path)} cannot be used: {error}") from error


def read_dispute(path: PathLike) -> Dispute:
    """Read a dispute file. Raises GivenError."""
    try:
        return parse_dispute(_read(path, MAX_DISPUTE))
    except (OSError, NoteError) as error:
        raise GivenError(f"{os.fspath(path)} is no dispute: {error}") from error


def _read_receipt(path: PathLike) -> Receipt:
    try:
        return parse_receipt(_read(path, MAX_PROOF))
    except (OSError, NoteError) as error:
        raise GivenError(f"{os.fspath(path)} is no receipt: {error}") from error


def _read_checkpoint(path: PathLike) -> Checkpoint:
    try:
        return parse_checkpoint(_read(path, MAX_NOTE), extensions=True)
    except (OSError, NoteError) as error:
        raise GivenError(f"{os.fspath(path)} is no checkpoint: {error}") from error


def read_given(
    checkpoints: Sequence[PathLike] = (),
    receipts: Sequence[PathLike] = (),
    policy: PathLike | None = None,
    dispute: PathLike | None = None,
) -> Given:
    """Read every file that was given. Raises GivenError for the first that cannot be used."""
    return Given(
        tuple((os.fspath(path), _read_checkpoint(path)) for path in checkpoints),
        tuple((os.fspath(path), _read_receipt(path)) for path in receipts),
        None if policy is None else read_policy(policy),
        None if dispute is None else (os.fspath(dispute), read_dispute(dispute)),
    )
