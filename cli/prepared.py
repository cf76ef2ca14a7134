"""What a device needs of the election, kept in its home: the record up to the opening.

HOME/prepared holds these artifacts as the server sent them, each with its length in front
(4 bytes, big-endian). They are untrusted until parsed again: each is checked as the next
one of the record when they are loaded. Only the proofs of the trustees' keys, which cost
seconds, are not computed again if the key store says that this program has done so for
exactly these bytes; whoever can write there has the device's keys anyway.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from cli.connect import check_invited, first_artifact
from cli.homes import Home
from crypto.errors import Malformed, Rejected
from identity.files import read_private, replace_durably
from identity.invitation import Invitation
from record.artifacts import Artifact, parse_artifact
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import NotFound

PREPARED = "prepared"
_SECRET = "prepared"
_LIMIT = 1 << 30
_CONTEXT = b"sailau.v1.Prepared\x00"
_ADVICE = "with a network, run `sailau device prepare` again"


@dataclass(frozen=True, slots=True)
class Opened:
    """The record up to the opening: its artifacts as bytes, and what they come to."""

    data: tuple[bytes, ...]
    transcript: Transcript


def read_opening(
    artifacts: Iterable[bytes], invitation: Invitation, *, proved: bool = False
) -> Opened:
    """The record up to the opening of the polls, each artifact checked, and proved.

    With `proved` the proofs are taken for granted. Raises NotFound if the polls have not
    opened, Rejected for another election than the invitation's or what does not prove.
    """
    stream = iter(artifacts)
    read: list[Artifact] = [first_artifact(stream)]
    transcript = Transcript(read[0])
    check_invited(transcript.context, invitation)
    while transcript.phase < Phase.OPEN:
        data = next(stream, None)
        if data is None:
            raise NotFound("the polls have not opened yet")
        artifact = transcript.parse(data)
        transcript.check(artifact)
        if not proved:
            transcript.prove(artifact, read.__getitem__)
        transcript.take(artifact)
        read.append(artifact)
    return Opened(tuple(artifact.data for artifact in read), transcript)


def load(home: Home, invitation: Invitation) -> Opened | None:
    """What is kept in this home; None if there is nothing for the invitation's election.

    Raises Malformed or Rejected if the file was damaged or changed.
    """
    path = home.path / PREPARED
    if not path.exists():
        return None
    data = read_private(path, _LIMIT)
    artifacts = tuple(_split(data))
    if not artifacts or not _invited(artifacts[0], invitation):
        return None
    known = home.keystore.secrets.get(_SECRET, b"")
    proved = hmac.compare_digest(known, _digest(data))
    opened = read_opening(artifacts, invitation, proved=proved)
    if len(opened.data) != len(artifacts):
        raise Malformed(PREPARED, "holds more than the opening", _ADVICE)
    if not proved:
        home.keystore.update({_SECRET: _digest(data)})
    return opened


def keep(home: Home, opened: Opened) -> None:
    """Keep what `read_opening` has just proved; does nothing if it is kept already."""
    data, path = _join(opened.data), home.path / PREPARED
    if not path.exists() or read_private(path, _LIMIT) != data:
        replace_durably(path, data)
    if home.keystore.secrets.get(_SECRET) != _digest(data):
        home.keystore.update({_SECRET: _digest(data)})


def check_same(opened: Opened, artifacts: Iterable[bytes]) -> None:
    """Raise Rejected unless the server shows the record with which this device was prepared."""
    theirs = iter(artifacts)
    for index, mine in enumerate(opened.data):
        if next(theirs, None) != mine:
            raise Rejected(
                "R.append-only",
                "the server shows another record than the one this device was prepared with",
                culprit="server",
                where=f"artifact {index}",
                advice="keep the device as it is and tell the commission and the observers",
            )


def _digest(data: bytes) -> bytes:
    """Binds the version of the program: a later one that checks more proves once more."""
    version = metadata.version("sailau").encode() + b"\x00"
    return hashlib.sha256(_CONTEXT + version + data).digest()


def _invited(first: bytes, invitation: Invitation) -> bool:
    context = Transcript(parse_artifact(first, None)).context
    election = context.election
    # An election that was made again has the same H_B; its log is another one.
    found = context.base_hash, election.role_keys[0].public_key, election.log_key
    return found == (invitation.base_hash, invitation.administrator_key, invitation.log_key)


def _join(artifacts: Sequence[bytes]) -> bytes:
    return b"".join(len(a).to_bytes(4) + a for a in artifacts)


def _split(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4])
        if at + 4 > len(data) or end > len(data):
            raise Malformed(PREPARED, "ends in the middle of an artifact", _ADVICE)
        yield data[at + 4 : end]
        at = end
