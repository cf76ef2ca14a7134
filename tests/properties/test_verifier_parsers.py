"""Whatever bytes the verifier is given, it says what is wrong with them and goes on."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from verifier import verify
from verifier.archive import FileDamaged, NotARecord, Stream, open_archive
from verifier.compact import DigestMap
from verifier.frames import Frames, split_bundle
from verifier.manifest import parse_manifest
from verifier.merkle import TILE_WIDTH, Frontier, Tiles, leaf_hash, node_hash
from verifier.note import NoteError, parse_checkpoint, parse_verifier_key
from verifier.schema import pb
from verifier.text import clean, render
from verifier.wire import parse_artifact

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.binary(max_size=300))
@example(b"")
@example(b"\x0a\x00")
def test_any_bytes_parse_as_an_artifact_or_do_not(data: bytes) -> None:
    """An artifact without a complaint is one that serializes to the same bytes."""
    artifact, problem = parse_artifact(data)
    if not problem:
        assert artifact is not None
        assert artifact.SerializeToString(deterministic=True) == data
    assert artifact is not None or problem


@given(
    st.integers(min_value=21, max_value=10_000).filter(lambda n: n != 1000), st.binary(max_size=9)
)
def test_unknown_fields_are_noticed(field: int, value: bytes) -> None:
    """A field the schema does not have is not canonical, wherever it stands."""
    cast = pb.Artifact(cast=pb.Cast(device="a", confirmation_code=bytes(32)))
    key = field << 3 | 2
    tag = b""
    while key > 0x7F:
        tag += bytes([key & 0x7F | 0x80])
        key >>= 7
    unknown = tag + bytes([key]) + bytes([len(value)]) + value
    data = cast.SerializeToString(deterministic=True)
    for crooked in (data + unknown, unknown + data):
        assert parse_artifact(crooked)[1]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_parse_as_a_note_or_do_not(data: bytes) -> None:
    """Checkpoints and verifier keys raise NoteError and nothing else."""
    with contextlib.suppress(NoteError):
        parse_checkpoint(data)
    with contextlib.suppress(NoteError):
        parse_verifier_key(data.decode("latin-1"))


@given(st.binary(max_size=200) | JSON.map(repr).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_parse_as_a_manifest_or_do_not(data: bytes) -> None:
    """Without a manifest there is a problem."""
    manifest, problems = parse_manifest(data)
    assert manifest is not None or problems


@given(st.binary(max_size=400))
def test_any_bytes_are_framed_or_damaged(data: bytes) -> None:
    """Frames and bundles end, or are damaged."""
    frames = Frames(Stream("x", io.BytesIO(data)))
    with contextlib.suppress(FileDamaged):
        while frames.next() is not None:
            pass
    with contextlib.suppress(ValueError):
        assert len(split_bundle(data, 3)) == 3


@given(st.binary(max_size=400), st.binary(max_size=400), st.binary(max_size=400))
def test_any_directory_is_refuted(checkpoint: bytes, artifacts: bytes, entries: bytes) -> None:
    """Random files are never verified, and what is printed about them can be printed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (
            ("checkpoint", checkpoint),
            ("artifacts/000", artifacts),
            ("tile/entries/000.p/1", entries),
        ):
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        report = verify(folder)
        assert report.verdict == "refuted"
        assert all(line.isprintable() for line in render(report).splitlines())
        report.to_json().encode("ascii")


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=200))
def test_any_file_is_no_record(data: bytes, position: int) -> None:
    """Random bytes, and a damaged .zip, are refuted or no record; never anything else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint", b"x" * 50)
        archive.writestr("artifacts/000", b"y" * 50)
    good = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.zip")
        for content in (data, good[:position] + data[:1] + good[position + 1 :]):
            path.write_bytes(content)
            with contextlib.suppress(NotARecord):
                open_archive(path).close()
                assert verify(path).verdict == "refuted"


@given(st.text())
def test_cleaned_text_is_printable(text: str) -> None:
    """Nothing a record says can move a cursor."""
    assert clean(text).isprintable()


# --- the tree and the map against simple models


def root(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962 defines it, recursively."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root(leaves[:k]), root(leaves[k:]))


@given(st.integers(min_value=1, max_value=1500))
def test_roots_and_tiles_are_those_of_the_definition(size: int) -> None:
    """The running root is the recursive one; tiles hold the roots of full tiles below."""
    leaves = [leaf_hash(i.to_bytes(4, "big")) for i in range(size)]
    tree, tiles = Frontier(), Tiles()
    rows: dict[int, list[bytes]] = {0: [], 1: []}
    for leaf in leaves:
        tree.append(leaf)
        for level, number, hashes in tiles.append(leaf):
            assert len(hashes) == TILE_WIDTH
            assert number * TILE_WIDTH == len(rows[level])
            rows[level] += hashes
    for level, _, hashes in tiles.partial():
        assert 1 <= len(hashes) < TILE_WIDTH
        rows[level] += hashes
    assert tree.root() == root(leaves)
    assert rows[0] == leaves
    whole = range(0, size - size % TILE_WIDTH, TILE_WIDTH)
    assert rows[1] == [root(leaves[i : i + TILE_WIDTH]) for i in whole]


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2**62)), max_size=3000))
def test_the_compact_map_is_a_map(pairs: list[tuple[int, int]]) -> None:
    """A key keeps its first value; others are unknown."""
    model: dict[bytes, int] = {}
    compact = DigestMap()
    for number, value in pairs:
        key = str(number).encode()
        assert compact.add(key, value) == model.get(key)
        model.setdefault(key, value)
    assert len(compact) == len(model)
    assert all(compact.get(key) == value for key, value in model.items())
    assert compact.get(b"never added") is None
