"""How the server tells one program of a trustee from another one."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from pathlib import Path

_LABEL = b"sailau.v1.program\0"
PROGRAM = 16


def program_of(home: Path | str) -> bytes:
    """16 bytes for the program that works in this directory of this machine.

    They are the same when it is started again, so that a program that was killed has its
    place back at once, and others for every copy of the directory. That there are not two
    programs in one directory is the key store's lock's to see to. Raises OSError.
    """
    found = os.stat(home)
    parts = (found.st_dev, found.st_ino, uuid.getnode(), socket.gethostname())
    return hashlib.sha256(_LABEL + "\0".join(map(str, parts)).encode()).digest()[:PROGRAM]
