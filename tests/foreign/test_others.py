"""Second opinions on our trees and notes: pymerkle (Python) and Sigstore's verifier (JavaScript).

`make foreign` installs both beside the test environment.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from record.entry import entry_for
from record.merkle import inclusion_proof, root_of
from tests.observing import KEY, SmallLog, artifacts, leaves

INSTALLED = Path(sys.prefix) / "foreign"
SIZE = 300
ADVICE = "`make foreign` installs it"


@pytest.fixture
def pymerkle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package, which is nowhere else on the path."""
    place = INSTALLED / "python"
    if not (place / "pymerkle").is_dir():
        pytest.skip(f"pymerkle IS NOT INSTALLED, so it has no opinion on our trees. {ADVICE}")
    monkeypatch.syspath_prepend(place)
    import pymerkle  # type: ignore[import-not-found, unused-ignore]

    yield pymerkle
    for name in [name for name in sys.modules if name.split(".")[0] in ("pymerkle", "cachetools")]:
        del sys.modules[name]


def test_pymerkle_has_the_same_roots_and_proofs(pymerkle: Any) -> None:
    """The root at every size; inclusion byte for byte. (Its consistency proofs are of another
    form than RFC 6962's.)"""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    tree.append_entries([entry_for(data) for data in artifacts(SIZE)])
    hashes = leaves(SIZE)
    for size in range(SIZE + 1):
        assert tree.get_root(size) == root_of(hashes[:size])
    for size in (1, 2, 255, 256, 257, SIZE):
        for index in range(0, size, 3):
            leaf, *path = tree.prove_inclusion(index + 1, size).path
            assert leaf == hashes[index]
            assert tuple(path) == inclusion_proof(hashes[:size], index)


class Sigstore:
    """Sigstore's verifier in a process of Node."""

    def __init__(self, node: str) -> None:
        self._command = [node, str(Path(__file__).with_name("sigstore.cjs"))]

    def judge(self, question: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, str(INSTALLED / "node")],
            input=json.dumps(question),
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )


@pytest.fixture
def sigstore() -> Sigstore:
    node = shutil.which("node")
    if node is None or not (INSTALLED / "node/node_modules/@sigstore/verify").is_dir():
        pytest.skip(f"@sigstore/verify IS NOT INSTALLED, so it judges no note of ours. {ADVICE}")
    return Sigstore(node)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def question(tmp_path: Path) -> dict[str, Any]:
    """A published log, cosigned by a witness that Sigstore does not know."""
    log = SmallLog(tmp_path)
    log.grow(SIZE)
    log.cosign(1)
    hashes, data = leaves(SIZE), artifacts(SIZE)
    public = Ed25519PublicKey.from_public_bytes(KEY.public_key)
    return {
        "origin": KEY.name,
        "keyID": encoded(KEY.key_id),
        "key": encoded(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        "checkpoint": log.checkpoint().decode(),
        "entries": [
            {
                "index": index,
                "entry": encoded(entry_for(data[index])),
                "proof": [encoded(step) for step in inclusion_proof(hashes, index)],
            }
            for index in range(SIZE)
        ],
    }


def test_sigstore_accepts_our_checkpoint_and_proofs(
    sigstore: Sigstore, question: dict[str, Any]
) -> None:
    """The note with its signatures, and the inclusion of every entry."""
    answer = sigstore.judge(question)
    assert (answer.returncode, answer.stdout.strip()) == (0, str(SIZE)), answer.stderr


def test_sigstore_refuses_what_was_altered(sigstore: Sigstore, question: dict[str, Any]) -> None:
    """Another size under the signature, another entry, a step too few."""
    good = json.dumps(question)
    note = {**question, "checkpoint": question["checkpoint"].replace("\n300\n", "\n301\n")}
    assert "signature" in sigstore.judge(note).stderr
    other = json.loads(good)
    other["entries"][7]["entry"] = other["entries"][8]["entry"]
    assert "root hash" in sigstore.judge(other).stderr
    short = json.loads(good)
    short["entries"][7]["proof"].pop()
    assert "hash count" in sigstore.judge(short).stderr
