"""The verifier's tree, tiles, checkpoints and framing against published examples."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verifier.archive import FileDamaged, Stream
from verifier.frames import Frames, split_bundle
from verifier.merkle import Frontier, leaf_hash, tile_name, tile_path
from verifier.note import (
    NoteError,
    VerifierKey,
    parse_checkpoint,
    parse_verifier_key,
    verify_checkpoint,
)

# The example of C2SP signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_root_of_the_empty_tree() -> None:
    """RFC 6962: the hash of an empty list is the hash of an empty string."""
    assert Frontier().root().hex() == hashlib.sha256().hexdigest()


def test_roots_of_the_published_examples() -> None:
    """The roots of the test leaves that RFC 6962 implementations share."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    leaves.append("606162636465666768696a6b6c6d6e6f")
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    tree = Frontier()
    for size, leaf in enumerate(leaves, start=1):
        tree.append(leaf_hash(bytes.fromhex(leaf)))
        if size in roots:
            assert tree.root().hex() == roots[size]


def test_tile_paths_are_written_in_groups_of_three() -> None:
    """All but the last group of digits has an x in front; partial tiles say their width."""
    assert tile_name(0) == "000"
    assert tile_name(1234067) == "x001/x234/067"
    assert tile_path(0, 273, 112) == "tile/0/273.p/112"
    assert tile_path("entries", 1000, 256) == "tile/entries/x001/000"


def test_verifier_key_of_the_example() -> None:
    """The published example parses, and its id is checked."""
    key = parse_verifier_key(EXAMPLE_KEY)
    assert key.name == "example.com/foo"
    assert len(key.public_key) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "exam ple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_wrong_verifier_keys_are_refused(text: str) -> None:
    """A missing part, a wrong id or name, capitals, bad base64, another type, a space."""
    with pytest.raises(NoteError):
        parse_verifier_key(text)


# --- checkpoints

ROOT = base64.b64encode(bytes(32)).decode()
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(32))


def log_key(name: str = "example.org/log") -> VerifierKey:
    """The verifier key of SECRET under a name."""
    data = b"\x01" + SECRET.public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8]
    return parse_verifier_key(f"{name}+{key_id}+{base64.b64encode(data).decode()}")


def signed(text: str, name: str = "example.org/log") -> bytes:
    """A note with SECRET's signature."""
    signature = log_key(name).key_id + SECRET.sign(text.encode())
    return f"{text}\n\u2014 {name} {base64.b64encode(signature).decode()}\n".encode()


def test_checkpoint_is_parsed_and_verified() -> None:
    """A good checkpoint gives its three lines and verifies, other signatures ignored."""
    other = f"\u2014 witness.example {base64.b64encode(bytes(80)).decode()}\n".encode()
    checkpoint = parse_checkpoint(signed(f"example.org/log\n17\n{ROOT}\n") + other)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (
        "example.org/log",
        17,
        bytes(32),
    )
    verify_checkpoint(checkpoint, log_key())


@pytest.mark.parametrize(
    "text",
    [
        f"\n17\n{ROOT}\n",
        f"example.org/log\n017\n{ROOT}\n",
        f"example.org/log\n-1\n{ROOT}\n",
        f"example.org/log\n1\u0661\n{ROOT}\n",
        f"example.org/log\n{2**63}\n{ROOT}\n",
        f"example.org/log\n17\n{ROOT[:-4]}\n",
        "example.org/log\n17\nAAAA\n",
        f"example.org/log\n17\n{ROOT}\nextension\n",
        f"example.org/log\r\n17\n{ROOT}\n",
    ],
)
def test_crooked_checkpoints_are_refused(text: str) -> None:
    """No origin, a padded, negative, foreign or huge size, a short root, more lines."""
    with pytest.raises(NoteError):
        parse_checkpoint(signed(text))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.replace(b"\n17\n", b"\n18\n"), "signature is wrong"),
        (lambda d: d.replace(b"example.org/log\n", b"example.org/lag\n", 1), "origin"),
        (lambda d: d.replace("\u2014 example.org/log".encode(), b"\xe2\x80\x94 x"), "no signature"),
    ],
)
def test_checkpoints_that_the_log_did_not_sign(change: object, problem: str) -> None:
    """Another size, another origin, or nobody's signature: each is named."""
    assert callable(change)
    data = change(signed(f"example.org/log\n17\n{ROOT}\n"))
    with pytest.raises(NoteError, match=problem):
        verify_checkpoint(parse_checkpoint(data), log_key())


# --- framing


def frames(data: bytes) -> Frames:
    """Frames over bytes."""
    return Frames(Stream("artifacts/000", io.BytesIO(data)))


def test_artifacts_stand_behind_their_length() -> None:
    """Frames come out one by one, then None."""
    reader = frames(b"\x02ab\x80\x01" + b"x" * 128)
    assert reader.next() == b"ab"
    assert reader.next() == b"x" * 128
    assert not reader.crooked
    assert reader.next() is None


def test_a_padded_length_is_noticed() -> None:
    """A length with a needless byte is read, and said to be crooked."""
    reader = frames(b"\x82\x00ab")
    assert reader.next() == b"ab"
    assert reader.crooked


@pytest.mark.parametrize(
    "data", [b"\x05ab", b"\x80", b"\x80\x80\x80\x80\x80\x01", b"\xff" * 4 + b"\x0f"]
)
def test_damaged_frames_are_refused(data: bytes) -> None:
    """An artifact or a length that is cut off, a length that is too long or too large."""
    with pytest.raises(FileDamaged):
        frames(data).next()


@pytest.mark.parametrize("data", [b"\0", b"\0\x03ab", b"\0\x01a", b"\0\x01a\0\x01b\0\x01c"])
def test_damaged_bundles_are_refused(data: bytes) -> None:
    """A bundle of two entries that is cut off, too short or too long."""
    with pytest.raises(ValueError, match="bundle"):
        split_bundle(data, 2)


def test_bundle_is_split() -> None:
    """Entries stand behind two bytes of length."""
    assert split_bundle(b"\0\x01a\0\x02bc", 2) == [b"a", b"bc"]
