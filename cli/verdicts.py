"""The verifier's verdict on the record, for a trustee that is asked to decrypt."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ballotbox.client import BoardClient
from cli.common import note
from cli.connect import check_invited
from cli.parameters import warn_of_toys
from crypto.errors import Rejected, SailauError
from identity.invitation import Invitation
from record.archive import ArchiveWriter
from record.artifacts import parse_artifact
from record.checkpoint import Checkpoint, parse_verifier_key
from record.election import check_election
from rpc.errors import Busy, Unavailable
from trustees.record_copy import FileCopy

_PAUSE = 2.0


def verify_copy(
    board: BoardClient, invitation: Invitation, copy: FileCopy, stop: threading.Event
) -> str | None:
    """Verify the record as it was read, up to the close; None, or why not to decrypt.

    Waits for a server that cannot be reached, until `stop` is set; then raises Unavailable.
    """
    note("verifying the whole record before the first decryption ...")
    with tempfile.TemporaryDirectory(prefix="sailau-verify-") as directory:
        while True:
            try:
                parameters = _write(board, invitation, copy, Path(directory))
                break
            except (Unavailable, Busy) as error:
                if stop.wait(_PAUSE):
                    raise Unavailable("stopped before the record was verified") from None
                note(f"not connected: {error}")
            except SailauError as error:
                return str(error)
        # -P: not whatever the current directory holds under that name.
        command = [sys.executable, "-P", "-m", "verifier", directory, "--json", "--quiet"]
        command += ["--until", "close", "--log-key", invitation.log_key]
        command += ["--parameters", parameters]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        note("the record is verified")
        return None
    return _reason(done.stdout) or f"the verifier ended with {done.returncode}"


def _write(board: BoardClient, invitation: Invitation, copy: FileCopy, directory: Path) -> str:
    """The record as this trustee has read it, under the server's checkpoint."""
    context = check_election(parse_artifact(copy[0], None))
    check_invited(context, invitation)
    warn_of_toys(context.group.parameters)
    key = parse_verifier_key(invitation.log_key)
    checkpoint_note, checkpoint = board.checkpoint(key)

    def sign(made: Checkpoint) -> bytes:
        if made.size < checkpoint.size:
            raise Unavailable("the server has sent less than it has signed")
        if made != checkpoint:
            raise Rejected(
                "P.extension",
                "the server's checkpoint is of another record than this trustee has read",
                culprit="server",
                where=f"the first {min(len(copy), checkpoint.size)} artifacts",
                advice="keep your copy and tell the other trustees and the public",
            )
        return checkpoint_note

    ArchiveWriter(directory, key).write(_covered(board, copy, checkpoint.size), sign)
    return context.group.parameters.name


def _covered(board: BoardClient, copy: FileCopy, size: int) -> Iterator[bytes]:
    """So many artifacts as were read, and from the board what others have said since."""
    yield from islice(copy, size)
    if size > len(copy):
        yield from board.read(len(copy), size - len(copy))


def _reason(report: bytes) -> str:
    try:
        failures = json.loads(report)["failures"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(f"{f['check']}: {f['message']} ({f['culprit']})" for f in failures[:3])
