"""Reading policy files (C2SP tlog-policy).

Lines of words between spaces and tabs; `#` begins a comment line. Names are octets and
never compared in another way than byte by byte, so text that is not UTF-8 is carried as
it is. Every error says the line it is in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crypto.errors import Malformed
from record.note import SignatureType, VerifierKey, parse_verifier_key
from record.policy import NONE, Group, Log, Policy, Witness

MAX_BYTES = 1 << 20
MAX_LINES = 10_000

_SEPARATORS = re.compile(r"[ \t]+")
_FORBIDDEN = re.compile(rb"[^\x09\x0a\x20-\x7e\x80-\xff]")
_NUMBER = re.compile(r"[0-9]{1,9}")


def parse_policy(data: bytes, field: str = "policy") -> Policy:
    """The policy in a file; raises Malformed with the line.

    A file without a `quorum` line is none: say `quorum none` to need no witness.
    """
    reader = _read(data, field)
    if reader.quorum is None:
        raise Malformed(field, "has no quorum line", "Write `quorum none` to need no witness.")
    return reader.policy(reader.quorum)


def parse_logs(data: bytes, field: str = "logs") -> tuple[Log, ...]:
    """The `log` lines of a file in which everything else may be missing; raises Malformed.

    A whole policy file will do: what it says of witnesses is checked and left out.
    """
    return _read(data, field).policy(NONE).logs


def _read(data: bytes, field: str) -> _Reader:
    if len(data) > MAX_BYTES:
        raise Malformed(field, f"has {len(data)} bytes, more than {MAX_BYTES}")
    lines = data.split(b"\n")
    if lines.pop():
        problem = "does not end with a newline"
        raise Malformed(f"{field}, line {len(lines) + 1}", problem, "Is the file complete?")
    if len(lines) > MAX_LINES:
        raise Malformed(field, f"has {len(lines)} lines, more than {MAX_LINES}")
    reader = _Reader()
    for number, line in enumerate(lines, start=1):
        where = f"{field}, line {number}"
        if found := _FORBIDDEN.search(line):
            raise Malformed(where, f"has the control character {found[0][0]:02x}")
        text = line.decode("utf-8", "surrogateescape").strip(" \t")
        if text and not text.startswith("#"):
            reader.take(_SEPARATORS.split(text), where)
    return reader


class _Reader:
    """What the lines so far have said."""

    def __init__(self) -> None:
        self.quorum: str | None = None
        self._logs: dict[bytes, Log] = {}
        self._witnesses: dict[bytes, Witness] = {}
        self._groups: list[Group] = []
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._keywords: dict[str, Callable[[list[str], str], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def policy(self, quorum: str) -> Policy:
        logs, witnesses = tuple(self._logs.values()), tuple(self._witnesses.values())
        return Policy(logs, witnesses, tuple(self._groups), quorum)

    def take(self, words: list[str], where: str) -> None:
        """One line that is neither empty nor a comment; raises Malformed."""
        keyword, *arguments = words
        if keyword not in self._keywords:
            problem = f"begins with {_shown(keyword)}"
            raise Malformed(where, problem, "Lines say log, witness, group or quorum.")
        self._keywords[keyword](arguments, where)

    def _log(self, words: list[str], where: str) -> None:
        if len(words) not in (1, 2):
            raise Malformed(where, "is not `log <vkey> [<url>]`")
        key = _key(words[0], where, SignatureType.NOTE)
        if key.public_key in self._logs:
            raise Malformed(where, "has the public key of another log line")
        self._logs[key.public_key] = Log(key, *words[1:])

    def _witness(self, words: list[str], where: str) -> None:
        if len(words) not in (2, 3):
            raise Malformed(where, "is not `witness <name> <vkey> [<url>]`")
        self._define(words[0], where)
        key = _key(words[1], where, SignatureType.COSIGNATURE)
        if key.public_key in self._witnesses:
            raise Malformed(where, "has the public key of another witness line")
        self._witnesses[key.public_key] = Witness(words[0], key, *words[2:])

    def _group(self, words: list[str], where: str) -> None:
        if len(words) < 3:
            raise Malformed(where, "is not `group <name> <k|any|all> <name>...`")
        name, threshold, *members = words
        for member in members:
            self._check_defined(member, where)
            if member in self._members:
                raise Malformed(where, f"has {_shown(member)}, already a member of a group")
            self._members.add(member)
        # Only now: a group is no member of itself.
        self._define(name, where)
        self._groups.append(Group(name, _threshold(threshold, len(members), where), tuple(members)))

    def _quorum(self, words: list[str], where: str) -> None:
        if len(words) != 1:
            raise Malformed(where, "is not `quorum <name>`")
        if self.quorum is not None:
            raise Malformed(where, "is a second quorum line")
        if words[0] != NONE:
            self._check_defined(words[0], where)
        self.quorum = words[0]

    def _define(self, name: str, where: str) -> None:
        if name == NONE:
            raise Malformed(where, f"defines the name {NONE}, which says that nobody is needed")
        if name in self._names:
            raise Malformed(where, f"defines {_shown(name)} a second time")
        self._names.add(name)

    def _check_defined(self, name: str, where: str) -> None:
        if name not in self._names:
            raise Malformed(where, f"names {_shown(name)}, which no line before it defines")


def _threshold(text: str, members: int, where: str) -> int:
    words = {"any": 1, "all": members}
    if text in words:
        return words[text]
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= members:
        problem = f"has the threshold {_shown(text)}"
        raise Malformed(where, problem, f"It is any, all or a number from 1 to {members}.")
    return int(text)


def _key(text: str, where: str, kind: SignatureType) -> VerifierKey:
    # Key names are UTF-8 (signed-note), whatever other names may be.
    if any("\udc80" <= character <= "\udcff" for character in text):
        raise Malformed(where, "has a key that is not UTF-8")
    return parse_verifier_key(text, where, kind)


def _shown(name: str) -> str:
    """A name for an error message: short, and without octets that are no text."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
