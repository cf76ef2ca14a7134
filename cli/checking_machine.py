"""`serve --check`: what this machine has, namely keys, certificate, clock, disks, files."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.checking_findings import Finding, ok, problem, warning
from cli.homes import KEYSTORE, ROLE_KEY
from cli.new_election import AUTHORITY, CERTIFICATE, LOG_KEY
from cli.serve_config import ServerConfig
from crypto.errors import SailauError
from identity.authority import parse_certificate
from identity.errors import KeystoreRefused
from identity.keystore import read_keystore
from record.artifacts import Role
from record.election import ElectionContext

_SOON = timedelta(days=30)
_SECONDS_KNOWN, _SECONDS_WRONG = 5.0, 60.0
_LITTLE, _TOO_LITTLE = 5 << 30, 1 << 30
_FILES, _FEW_FILES = 4096, 1024
_PROBE = 4096
_SLOW_SYNC = 0.25


# --- keys and certificate


def look_at_keys(config: ServerConfig, context: ElectionContext, passphrase: bytes) -> Finding:
    """Whether the key store opens, and all that it holds is what the election pins.

    It may be open in a running server: it is only read.
    """
    place = config.home / KEYSTORE
    try:
        found = read_keystore(place, passphrase)
    except KeystoreRefused as error:
        return problem("keys", str(error), "Try the passphrase again.")
    except SailauError as error:
        return problem("keys", str(error), "Restore the server's home.")
    wrong = list(_wrong_keys(config, context, found))
    if wrong:
        advice = "Use the key store and the certificate that were made with this election."
        return problem("keys", "; ".join(wrong), advice)
    return ok("keys", "the key store opens; log, server and TLS keys are the pinned ones")


def _wrong_keys(
    config: ServerConfig, context: ElectionContext, found: Mapping[str, bytes]
) -> Iterator[str]:
    pinned = {
        ROLE_KEY: ("server", context.single_key(Role.SERVER).public_key),
        LOG_KEY: ("log", config.log_key.public_key),
    }
    for secret, (name, public) in pinned.items():
        if secret not in found:
            yield f"the {name} key is not in the key store"
            continue
        key = Ed25519PrivateKey.from_private_bytes(found[secret])
        if key.public_key().public_bytes_raw() != public:
            yield f"the {name} key is not the one pinned in the election artifact"
    try:
        config.tls_key(found)
    except KeyError:
        yield "the TLS key is not in the key store"
    except SailauError as error:
        yield str(error)


def look_at_certificate(config: ServerConfig, context: ElectionContext, now: float) -> Finding:
    """Whether the server's certificate is the authority's, and lasts until after the polls."""
    name = "certificate"
    again = "Make the election again, or have the authority issue another certificate."
    try:
        certificate = parse_certificate(config.certificate, CERTIFICATE)
        authority = parse_certificate(config.authority, AUTHORITY)
        certificate.verify_directly_issued_by(authority)
    except (SailauError, ValueError, TypeError, InvalidSignature) as error:
        what = str(error) if isinstance(error, SailauError) else "it is not by this authority"
        return problem(name, what, again)
    begin = max(certificate.not_valid_before_utc, authority.not_valid_before_utc)
    end = min(certificate.not_valid_after_utc, authority.not_valid_after_utc)
    moment = datetime.fromtimestamp(now, UTC)
    found = f"valid until {end:%Y-%m-%d}, {(end - moment).days} days from now"
    if moment < begin:
        return problem(name, f"valid from {begin:%Y-%m-%d %H:%M} UTC only", "Look at the clock.")
    if end <= moment:
        return problem(name, f"ended on {end:%Y-%m-%d}", again)
    if end.date() <= context.manifest.closes:
        return problem(name, f"{found}: before the polls close", again)
    if end - moment < _SOON:
        return warning(name, found, "Count and publish before that day.")
    return ok(name, found)


# --- clock


def look_at_clock(
    config: ServerConfig, now: float, others: Mapping[str, float], latest: int
) -> Finding:
    """This clock against others: how far each is ahead of it, in seconds, by its name.

    `latest` is the latest time on the record, 0 without one.
    """
    name, advice = "clock", "Set the clock (NTP), then check again."
    made = _made(config)
    at = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now < made:
        return problem(name, f"{at} is before this election was made", advice)
    if now < latest:
        return problem(name, f"{at} is before the latest time on the record", advice)
    if not others:
        return warning(
            name,
            f"{at}; compared with nothing but the day on which the election was made",
            "Compare it with another clock: neither PostgreSQL nor a witness was there to ask.",
        )
    told = ", ".join(f"{other} {ahead:+.1f} s" for other, ahead in others.items())
    worst = max(abs(ahead) for ahead in others.values())
    found = f"{at}; others against it: {told}"
    if worst > _SECONDS_WRONG:
        return problem(name, found, advice)
    return warning(name, found, advice) if worst > _SECONDS_KNOWN else ok(name, found)


def _made(config: ServerConfig) -> float:
    """When the election was made, in seconds; 0 if the certificate cannot tell."""
    try:
        certificate = parse_certificate(config.certificate, CERTIFICATE)
    except SailauError:
        return 0.0  # said with the certificate
    return certificate.not_valid_before_utc.timestamp()


# --- disks and files


def look_at_disks(places: Mapping[str, Path]) -> Iterator[Finding]:
    """Room in each place, and whether a file there is on the disk when it is said to be."""
    for name, place in places.items():
        yield _disk(f"disk: {name}", place)


def _disk(name: str, place: Path) -> Finding:
    there = place
    while not there.exists():
        there = there.parent
    try:
        free = shutil.disk_usage(there).free
        seconds = _probe(there)
    except OSError as error:
        what = f"{there} cannot be written: {error.strerror}"
        return problem(name, what, "Let the server's user write there, or make room.")
    new = "" if there == place else "; the directory is made at the start"
    found = (
        f"{free / (1 << 30):.1f} GiB free; a file is on the disk in {seconds * 1000:.0f} ms{new}"
    )
    if free < _TOO_LITTLE:
        return problem(name, found, "Make room.")
    if free < _LITTLE:
        return warning(name, found, "Make room, or watch it.")
    if seconds > _SLOW_SYNC:
        return warning(name, found, "The disk is slow: every group of ballots waits for it.")
    return ok(name, found)


def _probe(directory: Path) -> float:
    """Write a file, sync it, and remove it; the seconds that it took. Raises OSError."""
    path = directory / f".sailau-probe-{secrets.token_hex(4)}"
    begin = time.monotonic()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, bytes(_PROBE))
        os.fsync(descriptor)
        return time.monotonic() - begin
    finally:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()


def look_at_open_files() -> Finding:
    """How many files and connections this process may have; the server takes all it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    unlimited = most == resource.RLIM_INFINITY
    found = f"{'any number of' if unlimited else most} files and connections at once"
    advice = f"Raise the limit of open files (LimitNOFILE, ulimit -Hn) to {_FILES} or more."
    if unlimited or most >= _FILES:
        return ok("open files", found)
    return (warning if most >= _FEW_FILES else problem)("open files", found, advice)


def names(labels: Sequence[str], most: int = 8) -> str:
    """A few of many."""
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
