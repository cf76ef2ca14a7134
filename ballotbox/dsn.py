"""How to reach a PostgreSQL database, without ever telling the password.

A connection string is read by libpq: `postgresql://user@host1,host2/database` or
`service=name` (pg_service.conf), with passwords best left to ~/.pgpass. What could be
part of a password is never quoted, not even in the error about a string that cannot be
read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from crypto.errors import Malformed
from identity.files import read_private

_MAX_FILE = 4096
_PLACES = ("host", "hostaddr", "port", "dbname", "user", "service")
# Used unless the string says otherwise: a dead connection is noticed within seconds.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "fallback_application_name": "sailau",
}
# A standby would answer with the state of some moments ago.
_ALWAYS: dict[str, Any] = {"target_session_attrs": "read-write"}

# What our sessions rely on. `synchronous_commit` may be stronger, never weaker; a limit
# on statements would cut short the wait for a synchronous standby, as if it were there.
_SESSION = """
SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
           WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
       set_config('statement_timeout', '0', false),
       set_config('idle_session_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false),
       set_config('lock_timeout', '10s', false),
       set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '10s', false)
"""


class Dsn:
    """A checked connection string. Prints as the name of the database and its place."""

    def __init__(self, text: str) -> None:
        """Raises Malformed, which does not quote the text."""
        try:
            found = conninfo_to_dict(text)
        except psycopg.Error:
            raise _malformed("cannot be read") from None
        values = {name: str(value) for name, value in found.items() if value is not None}
        _check_places(values)
        self._text = text
        self._password = values.get("password", "")
        self._options = {name: _DEFAULTS[name] for name in _DEFAULTS if name not in values}
        self.name = _name(values)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Dsn({self.name!r}, <redacted>)"

    def connect(self) -> psycopg.Connection[Any]:
        """A new session that commits to the disk. Raises psycopg.Error."""
        connection: psycopg.Connection[Any] = psycopg.connect(
            self._text, autocommit=True, **self._options, **_ALWAYS
        )
        try:
            connection.execute(_SESSION)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection

    def scrub(self, message: str) -> str:
        """An error's text on one line, and without the password if it were in it."""
        message = "; ".join(line.strip() for line in message.splitlines() if line.strip())
        return message.replace(self._password, "***") if self._password else message


def read_dsn(path: Path) -> str:
    """The connection string in a private file (mode 0600), on one line.

    Raises KeystoreMissing, KeystoreTooOpen or KeystoreDamaged, or Malformed.
    """
    try:
        text = read_private(path, _MAX_FILE).decode().strip()
    except UnicodeDecodeError:
        raise _malformed("cannot be read") from None
    Dsn(text)
    return text


def _check_places(values: dict[str, str]) -> None:
    """A password with a bare @, / or : in it moves what follows into other fields."""
    if any("@" in values.get(name, "") for name in _PLACES) or not re.fullmatch(
        "[0-9,]*", values.get("port", "")
    ):
        raise _malformed("has a character in a name or a password that is to be percent-encoded")


def _name(values: dict[str, str]) -> str:
    if "service" in values:
        return f"PostgreSQL service {values['service']}"
    place = values.get("host") or values.get("hostaddr") or "this machine"
    port = f" port {values['port']}" if "port" in values else ""
    return f"PostgreSQL database {values.get('dbname', '(of the user)')} on {place}{port}"


def _malformed(problem: str) -> Malformed:
    return Malformed(
        "PostgreSQL connection string",
        problem,
        "Write postgresql://user@host/database or service=name, the password in ~/.pgpass.",
    )
