"""Small logs to observe: published directories, forks of them, and a server of files.

log = SmallLog(tmp_path / "log")
log.grow(300)
with serving(log.directory) as server:
    open_source(server.url)
"""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from record.archive import ArchiveWriter, entry_for
from record.checkpoint import Checkpoint, VerifierKey, sign_checkpoint, verifier_key
from record.cosignature import cosign, cosigner_key
from record.merkle import consistency_proof, leaf_hash, root_of
from record.note import with_signatures
from record.policy import Log, Policy, Witness, log_alone
from sailau.v1 import record_pb2

ORIGIN = "example.org/log"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = verifier_key(ORIGIN, SECRET.public_key().public_bytes_raw())
TRUST = log_alone(KEY)
TIME = 1_800_000_000


def artifact(number: int, branch: str = "") -> bytes:
    """A cast; its content means nothing to observers."""
    cast = record_pb2.Cast(device=branch or "d", confirmation_code=number.to_bytes(32, "big"))
    return record_pb2.Artifact(cast=cast, signature=bytes(64)).SerializeToString()


def artifacts(size: int, fork_at: int | None = None) -> list[bytes]:
    """The log's artifacts; from `fork_at` on, those of another log."""
    own = size if fork_at is None else fork_at
    return [artifact(i) if i < own else artifact(i, "forked") for i in range(size)]


def hints(number: int) -> bytes:
    """What came with an artifact to help verifiers; nothing with two of three."""
    return b"h" * 100 if number % 3 == 1 else b""


def leaves(size: int, fork_at: int | None = None) -> list[bytes]:
    """Their leaf hashes."""
    return [leaf_hash(entry_for(data)) for data in artifacts(size, fork_at)]


def note(size: int, fork_at: int | None = None, signer: Ed25519PrivateKey = SECRET) -> bytes:
    """The signed checkpoint of that log."""
    return sign_checkpoint(Checkpoint(ORIGIN, size, root_of(leaves(size, fork_at))), signer)


def add_checkpoint(old: int, size: int, fork_at: int | None = None) -> bytes:
    """A request to a witness, put together here by hand."""
    import base64

    proof = consistency_proof(leaves(size, fork_at), old) if 0 < old <= size else ()
    lines = [f"old {old}", *(base64.b64encode(step).decode() for step in proof), "", ""]
    return "\n".join(lines).encode() + note(size, fork_at)


class SmallLog:
    """A log published in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def grow(self, size: int, fork_at: int | None = None) -> Checkpoint:
        """Publish as many artifacts."""
        sign = partial(sign_checkpoint, private_key=SECRET)
        return ArchiveWriter(self.directory, KEY).write(artifacts(size, fork_at), sign, hints)

    def checkpoint(self) -> bytes:
        """The published note."""
        return (self.directory / "checkpoint").read_bytes()

    def cosign(self, *seeds: int, time: int = TIME) -> None:
        """Have witnesses (see `witnesses`) cosign what is published."""
        data = self.checkpoint()
        text = data.decode().split("\n\n")[0] + "\n"
        lines = [cosign(text, witness_key(seed), witness_secret(seed), time) for seed in seeds]
        (self.directory / "checkpoint").write_bytes(with_signatures(data, lines))


def witness_secret(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


def witness_key(seed: int) -> VerifierKey:
    return cosigner_key(
        f"witness.example/{seed}", witness_secret(seed).public_key().public_bytes_raw()
    )


def demanding(*seeds: int) -> Policy:
    """The log's key, and the first of these witnesses as quorum."""
    found = tuple(Witness(f"w{seed}", witness_key(seed)) for seed in seeds)
    return Policy((Log(KEY),), found, (), f"w{seeds[0]}")


def files(directory: Path) -> dict[str, bytes]:
    """All published files of a directory, without an observer's own and unfinished ones."""
    found = (path for path in directory.rglob("*") if path.is_file())
    names = {path.relative_to(directory).as_posix(): path for path in found}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if name.split("/")[0] in ("checkpoint", "tile", "artifacts", "hints")
        and path.name[0] != "."
    }


class FileServer:
    """What `serving` gives: the address, and what was asked for."""

    def __init__(self, directory: Path, ranges: bool, compress: bool) -> None:
        self.directory, self.ranges, self.compress = directory, ranges, compress
        self.asked: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.connections = 0
        self.status: dict[str, int] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.lstrip("/")
        self.asked[path] += 1
        status, headers, body = self.status.get(path, 200), {}, b""
        place = self.directory / path
        if status == 200 and not place.is_file():
            status = 404
        if status == 200:
            body = place.read_bytes()
            wanted = handler.headers.get("Range", "")
            if self.ranges and wanted.startswith("bytes="):
                start = int(wanted[6:].rstrip("-"))
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                status, body = (206, body[start:]) if start < len(body) else (416, b"")
            elif self.compress and "gzip" in handler.headers.get("Accept-Encoding", ""):
                headers["Content-Encoding"] = "gzip"
                body = gzip.compress(body)
        self.sent[path] += len(body)
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def serving(
    directory: Path, *, ranges: bool = True, compress: bool = False
) -> Iterator[FileServer]:
    """A web server of a directory, on loopback, while the block lasts."""
    served = FileServer(directory, ranges, compress)
    thread = threading.Thread(target=served.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.server.shutdown()
        served.server.server_close()
