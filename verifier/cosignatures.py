"""Cosignatures on a checkpoint (C2SP tlog-cosignature, Ed25519, type 04).

A witness signs the checkpoint's text behind a line with the time: as of then it has seen
no larger tree of this log, and this one grew from every tree that it had seen.
"""

from __future__ import annotations

from verifier.note import Checkpoint, NoteError, VerifierKey, ed25519_holds

_TIME = 8
_SIGNATURE = 64
_MAX_TIME = 2**63 - 1


def cosigned_at(checkpoint: Checkpoint, key: VerifierKey) -> int | None:
    """Return when a witness signed last (POSIX seconds), None if it did not.

    Every signature with the key's name and id has to hold: raises NoteError.
    """
    times = [_time(checkpoint, key, data) for data in checkpoint.signed_by(key)]
    return max(times, default=None)


def _time(checkpoint: Checkpoint, key: VerifierKey, data: bytes) -> int:
    time = int.from_bytes(data[:_TIME], "big")
    if len(data) != _TIME + _SIGNATURE or time > _MAX_TIME:
        raise NoteError(f"the cosignature of {key.name} is not a time and a signature")
    message = b"cosignature/v1\ntime %d\n" % time + checkpoint.text
    if not ed25519_holds(key.public_key, data[_TIME:], message):
        raise NoteError(f"the cosignature of {key.name} is wrong")
    return time
