"""No secret of a key store is in anything that programs write, or in what objects print."""

from __future__ import annotations

import base64
import gc
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from cli.backups import backup_of
from cli.confirming import Confirming
from cli.homes import open_home
from crypto.errors import SailauError
from identity.errors import KeystoreError
from identity.keystore import read_keystore
from identity.sealed import Secrets
from identity.tlskeys import TlsKey
from record.state import Phase
from tests.system.programs import TRUSTEES, Place
from trustees.machine import Membership, Trustee
from trustees.record_copy import FileCopy

pytestmark = pytest.mark.system

REFUSED, UNUSABLE, UNREACHABLE = 1, 2, 3
LOUD = (
    "-c",
    "import logging, sys; logging.basicConfig(level=logging.DEBUG); logging.debug('loud'); "
    "sys.argv[0] = 'sailau'; from cli.main import main; main()",
)
"""Programs that log everything that they can."""
ROOMS = {"cli", "crypto", "identity", "record", "trustees"}
PUBLIC = ("trustee.election", "trustee.seen", "trustee.tally", "trustee.keys", "trustee.sent.")
"""Names of values that are, or are about to be, on the record."""
SCALARS = ("trustee.polynomials", "trustee.share-nonces", "trustee.key-shares")
KEYED = 0
"""A session's value holds its nonce key, not answers, if this byte stands at its place."""


class Collected:
    """Every secret that the trustees' key stores have held, from whenever it was there."""

    def __init__(self, place: Place) -> None:
        self.names: set[str] = set()
        self.values: set[bytes] = {p.encode() for p in place.passphrases()}
        self._place = place
        self._passphrases = {
            i: Path(place.key(f"trustee-{i}")[1]).read_bytes().strip()
            for i in range(1, TRUSTEES + 1)
        }
        self._stop = threading.Event()
        self._kept: dict[tuple[int, bytes], Path] = {}

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep a copy of every version of the files, in a thread, and open them at the end."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        self._open()

    def _run(self) -> None:
        while not self._stop.wait(0.002):  # opening one takes a hundred times as long
            self._keep()

    def look(self) -> None:
        """Take what is there now."""
        self._keep()
        self._open()

    def _keep(self) -> None:
        for i in self._passphrases:
            with suppress(FileNotFoundError):
                data = (self._place.root / f"trustee-{i}/keystore").read_bytes()
                if (i, data) not in self._kept:
                    copy = self._place.root / f"kept-{len(self._kept)}"
                    copy.touch(0o600)
                    copy.write_bytes(data)
                    self._kept[i, data] = copy

    def _open(self) -> None:
        for (i, _), copy in self._kept.items():
            if copy.exists():
                with suppress(KeystoreError):
                    for name, value in read_keystore(copy, self._passphrases[i]).items():
                        self._take(name, value)
                copy.unlink()

    def _take(self, name: str, value: bytes) -> None:
        if name.startswith(PUBLIC):
            return
        self.names.add(name)
        if name in SCALARS:
            self.values |= {value[n : n + 32] for n in range(0, len(value), 32)}
        elif name == "trustee.session":
            if value[36] == KEYED:
                self.values.add(value[37:])
        elif value.startswith(b"-----BEGIN"):
            # The last line is of the public half alone.
            number = TlsKey.from_pem(value).private.private_numbers().private_value
            self.values |= {number.to_bytes(32, "big"), *value.splitlines()[1:-2]}
        else:
            self.values.add(value)

    def found_in(self, said: bytes) -> list[str]:
        """In which forms secrets are in what was said."""
        return [
            f"{form} of a secret of {len(value)} bytes"
            for value in self.values
            for form, text in _forms(value)
            if text in said
        ]


def _forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    """How a value may be written."""
    yield "the bytes", value
    yield "the repr", repr(value)[2:-1].encode()
    yield "hexadecimal", value.hex().encode()
    yield "HEXADECIMAL", value.hex().upper().encode()
    number = int.from_bytes(value, "big")
    yield "decimal", str(number).encode()
    yield "a hexadecimal number", f"{number:x}".encode()
    for shift in range(3):
        # Wherever it stands in something longer; the ends depend on what is beside it.
        encoded = base64.b64encode(bytes(shift) + value).rstrip(b"=")
        yield "base64", encoded[4 if shift else 0 : -2]


def test_what_is_looked_for_is_found() -> None:
    """The search itself finds a secret in every form."""
    value = bytes(range(100, 132))
    looked = Collected.__new__(Collected)
    looked.values = {value}
    for said in (
        b"x" + value,
        f"key={value!r}".encode(),
        value.hex().upper().encode(),
        str(int.from_bytes(value, "big")).encode(),
        base64.b64encode(b"??" + value + b"!"),
        base64.b64encode(b"?" + value),
    ):
        assert looked.found_in(said), said
    assert not looked.found_in(b"nothing")


@pytest.mark.slow
def test_nothing_is_written(at: Callable[[str], Place]) -> None:
    """A ceremony, a drill and a decryption, with errors on the way, at debug level."""
    place = at("made")
    place.launcher = LOUD
    secrets = Collected(place)
    with secrets.collecting():
        _hold(place)
    assert secrets.names >= {"role-key", "tls-key", *SCALARS, "trustee.session"}
    assert len(secrets.values) > 6 * TRUSTEES
    logs = list(place.logs.iterdir())
    loud = [log for log in logs if b"DEBUG:root:loud" in log.read_bytes()]
    assert len(loud) == len(logs) / 2, "every standard error begins so"
    for log in logs:
        assert not secrets.found_in(log.read_bytes()), log


def _hold(place: Place) -> None:
    server = place.serve()
    trustees = {i: place.trustee(i) for i in (1, 2)}
    place.wait(lambda status: {1, 2} <= set(status.trustees_done))
    trustees[1].kill()
    _provoke(place)
    trustees[1], trustees[3] = place.trustee(1), place.trustee(3)
    place.reach(Phase.READY)
    place.run("election", "drill", *place.admin)
    place.run("trustee", "status", *place.home("trustee-1")[:2], "--json")
    place.run("election", "ceremony", *place.admin[:2], "--json")
    place.open()
    missing = [f"--missing={label}=not delivered" for label in ("box-1", "box-2")]
    place.run("election", "close", *place.admin, *missing)
    place.run("election", "tally", *place.admin)
    for trustee in trustees.values():
        assert trustee.wait().code == 0
    server.stop()


def _provoke(place: Place) -> None:
    """Errors of every kind, with a key store that holds the ceremony's secrets."""
    broken, key = place.copy_home("trustee-1", "broken"), place.key("trustee-1")
    refused_run = ("trustee", "run", "--home", broken, "--yes", "--backup", place.root / "no/b")
    wrong = place.attempt(*refused_run, *place.key("trustee-2"))
    assert wrong.code == UNUSABLE
    lost = place.start(*refused_run, *key, "--server", "127.0.0.1:1")
    lost.until(lambda: b"does not answer" in lost.err.read_bytes())
    lost.stop()
    store = broken / "keystore"
    store.write_bytes(store.read_bytes()[:-5])
    assert place.attempt(*refused_run, *key).code == UNUSABLE
    early = ("trustee", "backup", *place.home("trustee-1"), "--out", place.root / "early")
    assert place.attempt(*early).code == REFUSED


@pytest.mark.slow
def test_nothing_is_printed(at: Callable[[str], Place]) -> None:
    """The repr of every object of ours, and the tracebacks of errors, with secrets loaded."""
    place = at("made")
    server = place.serve()
    trustees = [place.trustee(i) for i in (1, 2)]
    place.wait(lambda status: {1, 2} <= set(status.trustees_done))
    third = place.start("trustee", "run", *place.home("trustee-3"))
    place.reach(Phase.CONFIRMATION)
    place.wait(lambda status: {1, 2} <= set(status.trustees_done))
    third.kill()
    for trustee in trustees:
        trustee.stop()
    server.stop()
    secrets = Collected(place)
    secrets.look()
    assert "trustee.polynomials" in secrets.names
    passphrase = Path(place.key("trustee-3")[1]).read_bytes().strip()
    home = open_home(place.root / "trustee-3", passphrase)
    invitation = home.invitation()
    with home.keystore, closing(FileCopy(home.path / "record.copy")) as copy:
        member = Membership.from_invitation(invitation, home.role_key)
        machine = Trustee(member, home.keystore, lambda: None, copy)
        step = machine.step()
        values = machine.backup()
        kept = (
            backup_of({**home.keystore.secrets, **values}, b""),
            Confirming(home, True, None, lambda: passphrase),
            step,
        )
        said = [*_printed(), *map(repr, kept), *map(str, kept), *_tracebacks(machine, home.path)]
    assert len(said) > 50
    for text in said:
        assert not secrets.found_in(text.encode(errors="replace")), text[:200]


def _printed() -> Iterator[str]:
    """Every object of our rooms that is in memory."""
    for thing in gc.get_objects():
        kind = type(thing)
        ours = str(kind.__module__).partition(".")[0] in ROOMS
        if ours and not issubclass(kind, type):
            yield f"{kind.__qualname__}: {thing!r}"


def _tracebacks(machine: Trustee, home: Path) -> Iterator[str]:
    """As Python prints them."""
    damaged = Secrets({"trustee.backup": b"nothing"})
    for provoke in (
        lambda: machine.confirm(damaged),
        lambda: machine.confirm({}),
        machine.leave,
        lambda: machine.receive(b"\xff" * 50),
        lambda: read_keystore(home / "keystore", b"wrong"),
        lambda: open_home(home, b"wrong"),
    ):
        try:
            provoke()
        except (SailauError, ValueError) as error:
            yield "".join(traceback.format_exception(error))
        else:
            raise AssertionError("it should have failed")
