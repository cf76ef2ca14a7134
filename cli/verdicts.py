"""The verifier's verdict on the record, for a trustee that is asked to decrypt."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ballotbox.client import BoardClient
from cli.common import note
from cli.connect import check_invited
from cli.parameters import warn_of_toys
from crypto.errors import SailauError
from identity.invitation import Invitation
from record.archive import ArchiveWriter
from record.artifacts import parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import check_election
from trustees.record_copy import FileCopy


def verify_copy(board: BoardClient, invitation: Invitation, copy: FileCopy) -> str | None:
    """Verify the record as it was read, up to the close; None, or why not to decrypt."""
    note("verifying the whole record before the first decryption ...")
    with tempfile.TemporaryDirectory(prefix="sailau-verify-") as directory:
        try:
            parameters = _write(board, invitation, copy, Path(directory))
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
    artifacts = (data for index, data in enumerate(copy) if index < checkpoint.size)
    ArchiveWriter(directory, key).write(artifacts, lambda _: checkpoint_note)
    return context.group.parameters.name


def _reason(report: bytes) -> str:
    try:
        failures = json.loads(report)["failures"]
    except (ValueError, KeyError, TypeError):
        return ""
    return "; ".join(f"{f['check']}: {f['message']} ({f['culprit']})" for f in failures[:3])
