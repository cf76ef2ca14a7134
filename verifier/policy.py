"""Policies: which logs and witnesses are known, and how many have to sign (C2SP tlog-policy).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> <k|any|all> <name>...
    quorum <name|none>

Lines of words between spaces and tabs, `#` begins a comment line. Names are octets: they
are compared as such, and shown as well as may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from verifier.cosignatures import cosigned_at
from verifier.note import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    NoteError,
    VerifierKey,
    parse_verifier_key,
    verify_checkpoint,
)

MAX_POLICY = 1 << 20
"""Bytes of a policy file at most."""

_MAX_LINES = 10_000
_MAX_NAME = 200
_NONE = b"none"
_WRONG_OCTET = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD = re.compile(rb"[0-9]{1,9}")


class PolicyError(ValueError):
    """A file is no policy; the message names the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A known witness: its name in the file, and its key."""

    name: bytes
    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Group:
    """Is met by `threshold` of its members, which stand before it."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """That a known witness signed: its name in the file, its key's, POSIX seconds."""

    witness: bytes
    key: str
    time: int

    @property
    def name(self) -> str:
        """The name in the file, as text."""
        return shown(self.witness)


class FalseCosignature(NoteError):
    """A signature under a known witness's name and key id is not its signature."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a file says. `quorum` is the name of a witness or group, or `none`."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: bytes = _NONE

    @property
    def log_names(self) -> str:
        """The known logs, for a message."""
        return ", ".join(dict.fromkeys(key.name for key in self.logs)) or "any log"

    def knows(self, key: VerifierKey) -> bool:
        """Whether a log is one of the file's; any is if the file names none."""
        return not self.logs or any(
            (known.name, known.public_key) == (key.name, key.public_key) for known in self.logs
        )

    def for_log(self, key: VerifierKey) -> Policy:
        """Return this policy for one log alone, whether or not it is listed."""
        return Policy((key,), self.witnesses, self.groups, self.quorum)

    def signer(self, checkpoint: Checkpoint) -> VerifierKey:
        """Return the first known key of the checkpoint's log that has signed it.

        Raises NoteError if there is none, or a signature under one of them is false.
        """
        ours = [key for key in self.logs if key.name == checkpoint.origin]
        if not ours:
            raise NoteError(f"it is of the log {checkpoint.origin!r}, not of {self.log_names}")
        signers = [key for key in ours if checkpoint.signed_by(key)]
        for key in signers:
            verify_checkpoint(checkpoint, key)
        if not signers:
            raise NoteError(f"it carries no signature of the log {checkpoint.origin!r}")
        return signers[0]

    def cosignatures(self, checkpoint: Checkpoint) -> tuple[Cosignature, ...]:
        """Return who of the known witnesses signed. Raises FalseCosignature."""
        found = []
        for witness in self.witnesses:
            try:
                time = cosigned_at(checkpoint, witness.key)
            except NoteError as error:
                raise FalseCosignature(str(error)) from error
            if time is not None:
                found.append(Cosignature(witness.name, witness.key.name, time))
        return tuple(found)

    def met_by(self, signed: Collection[Cosignature]) -> bool:
        """Whether these cosignatures are the quorum."""
        met = {_NONE} | {cosignature.witness for cosignature in signed}
        # Members stand before their group, so that one pass settles all of them.
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met


def shown(name: bytes) -> str:
    """Return a name for people."""
    text = name.decode("utf-8", "replace")
    return text if len(text) <= 60 else f"{text[:60]}..."


def parse_policy(data: bytes) -> Policy:
    """Parse a policy file. Raises PolicyError with the line."""
    if len(data) > MAX_POLICY:
        raise PolicyError(f"it has {len(data)} bytes, more than {MAX_POLICY}")
    *lines, rest = data.split(b"\n")
    if rest:
        raise PolicyError(f"line {len(lines) + 1} does not end with a newline")
    if len(lines) > _MAX_LINES:
        raise PolicyError(f"it has {len(lines)} lines, more than {_MAX_LINES}")
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        try:
            reader.read(line)
        except NoteError as error:
            raise PolicyError(f"line {number}: {error}") from error
    if reader.quorum is None:
        raise PolicyError("there is no quorum line; `quorum none` needs no witness")
    return Policy(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)


class _Reader:
    """What the lines so far say. Complaints are NoteErrors, to which the line is added."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: bytes | None = None
        self._names: set[bytes] = set()
        self._members: set[bytes] = set()
        self._log_keys: set[bytes] = set()
        self._witness_keys: set[bytes] = set()

    def read(self, line: bytes) -> None:
        """Take one line."""
        if wrong := _WRONG_OCTET.search(line):
            raise NoteError(f"it has the control character {wrong[0].hex()}")
        words = line.replace(b"\t", b" ").split(b" ")
        words = [word for word in words if word]
        if not words or words[0].startswith(b"#"):
            return
        keyword, arguments = words[0], words[1:]
        if keyword == b"log" and len(arguments) in (1, 2):
            self._log(arguments[0])
        elif keyword == b"witness" and len(arguments) in (2, 3):
            self._witness(arguments[0], arguments[1])
        elif keyword == b"group" and len(arguments) >= 3:
            self._group(arguments[0], arguments[1], tuple(arguments[2:]))
        elif keyword == b"quorum" and len(arguments) == 1:
            self._quorum(arguments[0])
        else:
            raise NoteError(
                "it is none of `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`, "
                "`group <name> <k|any|all> <name>...` and `quorum <name|none>`"
            )

    def _log(self, text: bytes) -> None:
        key = _key(text, ED25519)
        if key.public_key in self._log_keys:
            raise NoteError("it has the public key of another log line")
        self._log_keys.add(key.public_key)
        self.logs.append(key)

    def _witness(self, name: bytes, text: bytes) -> None:
        self._define(name)
        key = _key(text, COSIGNATURE)
        if key.public_key in self._witness_keys:
            raise NoteError("it has the public key of another witness line")
        self._witness_keys.add(key.public_key)
        self.witnesses.append(Witness(name, key))

    def _group(self, name: bytes, threshold: bytes, members: tuple[bytes, ...]) -> None:
        for member in members:
            self._known(member)
            if member in self._members:
                raise NoteError(f"{shown(member)!r} is a member of a group already")
            self._members.add(member)
        # Last: no group is a member of itself.
        self._define(name)
        self.groups.append(Group(name, _threshold(threshold, len(members)), members))

    def _quorum(self, name: bytes) -> None:
        if self.quorum is not None:
            raise NoteError("it is a second quorum line")
        if name != _NONE:
            self._known(name)
        self.quorum = name

    def _define(self, name: bytes) -> None:
        if name == _NONE or name in self._names:
            raise NoteError(f"the name {shown(name)!r} has a meaning already")
        self._names.add(name)

    def _known(self, name: bytes) -> None:
        if name not in self._names:
            raise NoteError(f"no line before it defines {shown(name)!r}")


def _threshold(text: bytes, members: int) -> int:
    if text in (b"any", b"all"):
        return 1 if text == b"any" else members
    if not _THRESHOLD.fullmatch(text) or not 1 <= int(text) <= members:
        raise NoteError(f"the threshold is not any, all or a number from 1 to {members}")
    return int(text)


def _key(text: bytes, kind: int) -> VerifierKey:
    try:
        key = parse_verifier_key(text.decode("utf-8"), kind)
    except UnicodeDecodeError as error:
        raise NoteError("a key that is not UTF-8") from error
    if len(key.name) > _MAX_NAME or not key.name.isprintable():
        raise NoteError(f"a key's name is not 1 to {_MAX_NAME} printable characters")
    return key
