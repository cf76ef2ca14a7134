"""A published record with any file changed is refused or says the same as before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Malformed, Rejected
from record.archive import ArchiveWriter, entry_for, pack_zip, read_archive
from record.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from record.merkle import MerkleTree, leaf_hash
from record.tiles import format_bundle, parse_bundle

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = verifier_key("example.org/log", SECRET.public_key().public_bytes_raw())
SIGN = partial(sign_checkpoint, private_key=SECRET)

# A statement's tag and anything after it: the log does not look further.
ARTIFACTS = st.builds(
    lambda kind, rest: bytes([kind << 3 | 2]) + rest, st.integers(1, 15), st.binary(max_size=200)
)
LOG = [bytes([8 << 3 | 2]) + number.to_bytes(2, "big") * 20 for number in range(300)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    ArchiveWriter(root / "record", KEY).write(LOG, SIGN)
    pack_zip(root / "record", root / "record.zip")
    return root


def outcome(path: Path) -> list[bytes] | Malformed | Rejected:
    try:
        with read_archive(path) as record:
            return list(record.artifacts(KEY))
    except (Malformed, Rejected) as error:
        return error


@given(st.lists(ARTIFACTS, max_size=20), st.integers(0, 20))
def test_any_log_comes_back(artifacts: list[bytes], part: int) -> None:
    """Written at once or in two runs, as a directory or a .zip, a log is read as it was."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        writer = ArchiveWriter(root / "record", KEY)
        writer.write(artifacts[:part], SIGN)
        checkpoint = writer.write(artifacts, SIGN)
        pack_zip(root / "record", root / "record.zip")
        assert outcome(root / "record") == outcome(root / "record.zip") == artifacts
    tree = MerkleTree()
    for artifact in artifacts:
        tree.append(leaf_hash(entry_for(artifact)))
    assert checkpoint == Checkpoint(KEY.name, len(artifacts), tree.root())


def names() -> list[str]:
    return [
        "checkpoint",
        "artifacts/000",
        "artifacts/001",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ]


def edits(data: st.DataObject, original: bytes) -> Iterator[bytes]:
    """The file with a byte changed, cut, with a part removed, inserted or doubled."""
    place = data.draw(st.integers(0, len(original) - 1))
    end = data.draw(st.integers(place + 1, len(original)))
    flip = data.draw(st.integers(1, 255))
    yield original[:place] + bytes([original[place] ^ flip]) + original[place + 1 :]
    yield original[:place]
    yield original[:place] + original[end:]
    yield original[:place] + data.draw(st.binary(min_size=1, max_size=50)) + original[place:]
    yield original[:end] + original[place:]


@given(st.sampled_from(names()), st.data())
def test_an_edited_file_never_changes_what_is_read(
    published: Path, name: str, data: st.DataObject
) -> None:
    """Either the reader refuses, or it reads the very artifacts that were signed."""
    original = (published / "record" / name).read_bytes()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "record"
        shutil.copytree(published / "record", root)
        for edited in edits(data, original):
            (root / name).write_bytes(edited)
            result = outcome(root)
            assert not isinstance(result, list) or result == LOG


@given(st.sampled_from(names()), st.sampled_from(names()))
def test_swapped_files_are_refused(published: Path, one: str, other: str) -> None:
    """A file in the place of another is refused, unless it is the same one."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "record"
        shutil.copytree(published / "record", root)
        shutil.copy(published / "record" / other, root / one)
        result = outcome(root)
        assert result == LOG if one == other else not isinstance(result, list)


@given(st.data())
def test_an_edited_zip_never_changes_what_is_read(published: Path, data: st.DataObject) -> None:
    """The same for the bytes of the .zip, its headers included."""
    original = (published / "record.zip").read_bytes()
    # Most of a .zip is contents; look at its directory at the end as often.
    tail = data.draw(st.booleans())
    start = len(original) - 800 if tail else 0
    with tempfile.TemporaryDirectory() as place:
        packed = Path(place) / "record.zip"
        for edited in edits(data, original[start:]):
            packed.write_bytes(original[:start] + edited)
            result = outcome(packed)
            assert not isinstance(result, list) or result == LOG


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
def test_random_bytes_are_no_checkpoint(data: bytes) -> None:
    """Nothing but Malformed comes of them."""
    with pytest.raises(Malformed):
        parse_checkpoint(data)


@given(st.text(max_size=100) | st.text("+a/=", max_size=100))
def test_random_text_is_no_key(text: str) -> None:
    """Nothing but Malformed comes of it."""
    with pytest.raises(Malformed):
        parse_verifier_key(text)


@given(st.data())
def test_an_edited_checkpoint_is_refused(data: st.DataObject) -> None:
    """Any edit of a note is refused, or its signed text is the same."""
    head = Checkpoint(KEY.name, 300, bytes(32))
    for edited in edits(data, SIGN(head)):
        try:
            assert verify_checkpoint(edited, KEY) == head
        except (Malformed, Rejected):
            continue


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(0, 31))
def test_bundles_come_back(entries: list[bytes], width: int) -> None:
    """A bundle is read as it was written, at its own width and at no other."""
    data = format_bundle(entries)
    assert parse_bundle(data, len(entries), "bundle") == tuple(entries)
    if width != len(entries):
        with pytest.raises(Malformed):
            parse_bundle(data, width, "bundle")


@given(st.binary(max_size=100), st.integers(0, 40))
def test_random_bytes_are_a_bundle_in_one_way_or_none(data: bytes, width: int) -> None:
    """What parses is what would have been written."""
    try:
        entries = parse_bundle(data, width, "bundle")
    except Malformed:
        return
    assert format_bundle(entries) == data
