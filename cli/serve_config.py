"""What the server's home says about how to serve: its files and `server.json`.

    {
      "public_port": 9443, "roles_port": 9444,
      "database": "service=election",       or "database_file": "dsn", or neither: SQLite
      "publish": "/srv/record",             the published directory
      "http": "0.0.0.0:8080",               plain HTTP of its files
      "policy": "policy",                   the witnesses that are asked
      "metrics": "127.0.0.1:9464"           Prometheus' metrics
    }

Paths are relative to the home.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from cli.homes import TLS_KEY
from cli.new_election import ARTIFACT, AUTHORITY, CERTIFICATE, DATABASE, SERVER_FILE
from crypto.errors import Malformed
from identity.authority import certificate_key, parse_certificate
from identity.tlskeys import TlsKey
from record.artifacts import Artifact, parse_artifact
from record.checkpoint import VerifierKey, parse_verifier_key
from record.election import check_election
from record.policy import Policy
from record.policy_file import MAX_BYTES, parse_policy

HIGH_WATER = "high-water"
PUBLISHED = "published"
_PORTS = ("public_port", "roles_port")
_TEXTS = ("database", "database_file", "publish", "http", "policy", "metrics")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The public files of the server's home, and its settings."""

    home: Path
    election: Artifact
    certificate: bytes
    authority: bytes
    public_port: int
    roles_port: int
    settings: Mapping[str, str]

    @classmethod
    def read(cls, home: Path) -> ServerConfig:
        """Raises Malformed for no home of a server and bad settings, OSError for missing files."""
        try:
            ports, settings = _settings(home / SERVER_FILE)
        except FileNotFoundError:
            raise Malformed(str(home), f"has no {SERVER_FILE}", _whose(home)) from None
        return cls(
            home,
            parse_artifact((home / ARTIFACT).read_bytes(), None),
            (home / CERTIFICATE).read_bytes(),
            (home / AUTHORITY).read_bytes(),
            *ports,
            settings,
        )

    def with_options(self, **options: str | Path | None) -> ServerConfig:
        """With what the command line says in place of the settings of the same name."""
        given = {
            name: str(value.absolute() if isinstance(value, Path) else value)
            for name, value in options.items()
            if value is not None
        }
        return replace(self, settings={**self.settings, **given})

    def tls_key(self, secrets: Mapping[str, bytes]) -> TlsKey:
        """The server's TLS key, if the certificate is for it: gRPC would not say why not."""
        key = TlsKey.from_pem(secrets[TLS_KEY])
        parse_certificate(self.authority, AUTHORITY)
        certificate = parse_certificate(self.certificate, CERTIFICATE)
        if certificate_key(certificate, CERTIFICATE) != key.public_der:
            raise Malformed(CERTIFICATE, "is not for the key in this key store")
        return key

    @property
    def base_hash(self) -> bytes:
        """H_B of the election."""
        return check_election(self.election).base_hash

    @property
    def log_key(self) -> VerifierKey:
        """The key that the log's checkpoints are verified with."""
        return parse_verifier_key(check_election(self.election).election.log_key)

    @property
    def high_water(self) -> Path:
        """The file with the high-water mark."""
        return self.home / HIGH_WATER

    @property
    def http(self) -> str | None:
        """HOST:PORT of the plain HTTP listener, if there is to be one."""
        return self.settings.get("http")

    @property
    def metrics(self) -> str | None:
        """HOST:PORT where Prometheus asks, if it is to."""
        return self.settings.get("metrics")

    @property
    def publish(self) -> Path | None:
        """The published directory; one in the home, if HTTP is served and no other is named."""
        if "publish" in self.settings:
            return self.home / self.settings["publish"]
        return self.home / PUBLISHED if self.http else None

    def database(self) -> Path | str:
        """Where the board is stored: a path, or how to reach PostgreSQL.

        Raises Malformed, or KeystoreError for a file that others may read.
        """
        if "database" in self.settings:
            return self.settings["database"]
        if "database_file" in self.settings:
            from ballotbox.dsn import read_dsn

            return read_dsn(self.home / self.settings["database_file"])
        return self.home / DATABASE

    @property
    def on_postgres(self) -> bool:
        """Whether the board is stored in PostgreSQL."""
        return "database" in self.settings or "database_file" in self.settings

    @property
    def group(self) -> str:
        """When a group of what voters do goes onto the log, in words."""
        groups = check_election(self.election).manifest.groups
        if groups is None:
            return "whatever comes within 0.1 s"
        return f"{groups.ballots} together, or what comes within {groups.seconds} s"

    def places(self) -> dict[str, Path]:
        """The directories that the server writes to, by what is in them."""
        found = {"home": self.home}
        if (publish := self.publish) is not None:
            found["published"] = publish
        return found

    def public(self, workers: int) -> dict[str, str]:
        """The settings that go on the record: nothing secret, and no addresses.

        Raises as `policy` does.
        """
        policy = self.policy()
        names = [] if policy is None else [one.name for one in policy.witnesses if one.url]
        return {
            "version": metadata.version("sailau"),
            "database": "postgresql" if self.on_postgres else "sqlite",
            "group": self.group,
            "http": "yes" if self.http else "no",
            "publish": "yes" if self.publish else "no",
            "quorum": "none" if policy is None else policy.quorum,
            "witnesses": ", ".join(names) or "none",
            "workers": str(workers),
        }

    def policy(self) -> Policy | None:
        """Who is asked to cosign. Raises Malformed for a policy about other logs."""
        if "policy" not in self.settings:
            return None
        place = self.home / self.settings["policy"]
        with place.open("rb") as file:
            policy = parse_policy(file.read(MAX_BYTES + 1), str(place))
        for one in policy.witnesses:
            if one.url and not one.url.lower().startswith(("https://", "http://")):
                problem = f"has the URL {one.url!r} for the witness {one.name}"
                raise Malformed(str(place), problem, "begin it with https:// or http://")
        if policy.logs and self.log_key not in [log.key for log in policy.logs]:
            raise Malformed(str(place), "does not name this log", f"Its key is {self.log_key}")
        return policy


def _whose(home: Path) -> str:
    """Where the server's home is, as far as it can be guessed: `election new` makes OUT/server."""
    if not home.is_dir():
        return "There is no such directory."
    for near in (home.resolve().parent / "server", home / "server"):
        if (near / SERVER_FILE).is_file():
            return f"It is not a server's home; that is {near}."
    return "It is not a server's home, which `sailau election new` makes: OUT/server."


def _settings(place: Path) -> tuple[tuple[int, int], dict[str, str]]:
    try:
        found: Any = json.loads(place.read_text())
        ports = int(found["public_port"]), int(found["roles_port"])
    except (ValueError, KeyError, TypeError):
        raise Malformed(str(place), "does not name public_port and roles_port") from None
    settings = {name: value for name, value in found.items() if name not in _PORTS}
    for name, value in settings.items():
        if name not in _TEXTS or not isinstance(value, str) or not value:
            raise Malformed(
                str(place), f"has the setting {name!r}, which is not one of {', '.join(_TEXTS)}"
            )
    if {"database", "database_file"} <= set(settings):
        raise Malformed(str(place), "names both database and database_file")
    if not settings.get("database", "service=").startswith("service="):
        # The file is not a private one, and a connection string may hold a password.
        advice = "Write service=NAME, or put the connection string into a database_file."
        raise Malformed(str(place), "has a database that is no service=NAME", advice)
    return ports, settings
