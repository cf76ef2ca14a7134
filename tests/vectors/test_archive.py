"""The published directory: what the writer leaves, and what the reader refuses."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected
from record.archive import (
    MAX_ARTIFACT,
    ArchiveWriter,
    entry_for,
    pack_zip,
    read_archive,
)
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.merkle import leaf_hash, root_of
from record.tiles import parse_bundle
from sailau.v1 import record_pb2

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = verifier_key("example.org/log", SECRET.public_key().public_bytes_raw())
SIGN = partial(sign_checkpoint, private_key=SECRET)


def artifact(number: int) -> bytes:
    """A cast; its content means nothing to the log."""
    cast = record_pb2.Cast(device="d", confirmation_code=number.to_bytes(32, "big"))
    return record_pb2.Artifact(cast=cast, signature=bytes(64)).SerializeToString()


def log(size: int, start: int = 0) -> list[bytes]:
    return [artifact(number) for number in range(start, size)]


def write(directory: Path, artifacts: list[bytes]) -> Checkpoint:
    return ArchiveWriter(directory, KEY).write(iter(artifacts), SIGN)


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in found}


def read(path: Path) -> list[bytes]:
    with read_archive(path) as record:
        return list(record.artifacts(KEY))


# --- Entries -----------------------------------------------------------------------


STATEMENTS = {
    field.name: field.number
    for field in record_pb2.Artifact.DESCRIPTOR.oneofs_by_name["statement"].fields
}


@pytest.mark.parametrize(("name", "number"), list(STATEMENTS.items()))
def test_the_kind_is_the_field_number(name: str, number: int) -> None:
    """Every statement of the schema, empty, has its own number as its kind."""
    message = record_pb2.Artifact()
    getattr(message, name).SetInParent()
    data = message.SerializeToString()
    entry = record_pb2.Entry.FromString(entry_for(data))
    assert entry.kind == number
    assert entry.sha256 == hashlib.sha256(data).digest()
    assert entry.size == len(data)


def test_an_entry_byte_by_byte() -> None:
    """Fields in order: 08 kind, 12 20 hash, 18 length."""
    data = b"\x42\x00"
    digest = hashlib.sha256(data).digest()
    assert entry_for(data) == b"\x08\x08\x12\x20" + digest + b"\x18\x02"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x08\x01",
        b"\xe2\x01\x00",
        b"\x82\x00\x00",
        b"\x82",
        b"\xc2\x3e\x40" + bytes(64),
        b"\xff" * 20,
    ],
    ids=["empty", "zero", "varint", "field 28", "long tag", "cut tag", "signature alone", "ones"],
)
def test_what_begins_with_no_statement_has_no_entry(data: bytes) -> None:
    """The first tag has to be that of a statement, in its shortest form."""
    with pytest.raises(Malformed, match="statement"):
        entry_for(data)


def test_an_artifact_has_a_largest_size() -> None:
    """16 MiB and not a byte more."""
    head = b"\x0a"
    assert entry_for(head + bytes(MAX_ARTIFACT - 1))
    with pytest.raises(Malformed, match="more than"):
        entry_for(head + bytes(MAX_ARTIFACT))


# --- The writer --------------------------------------------------------------------


def test_the_files_of_a_small_log(tmp_path: Path) -> None:
    """Three artifacts: one partial tile, one partial bundle, the artifacts, the checkpoint."""
    artifacts = log(3)
    checkpoint = write(tmp_path / "new" / "record", artifacts)
    found = files(tmp_path / "new" / "record")
    assert set(found) == {
        "checkpoint",
        "artifacts/000",
        "tile/0/000.p/3",
        "tile/entries/000.p/3",
    }
    entries = [entry_for(a) for a in artifacts]
    leaves = [leaf_hash(e) for e in entries]
    assert found["tile/0/000.p/3"] == b"".join(leaves)
    assert parse_bundle(found["tile/entries/000.p/3"], 3, "") == tuple(entries)
    assert found["artifacts/000"] == b"".join(bytes([len(a)]) + a for a in artifacts)
    assert checkpoint == Checkpoint(KEY.name, 3, root_of(leaves))
    assert found["checkpoint"] == SIGN(checkpoint)


def test_long_artifacts_have_a_varint_in_front(tmp_path: Path) -> None:
    """300 is AC 02: protobuf's delimited form."""
    data = b"\x0a" + bytes(299)
    write(tmp_path, [data])
    assert files(tmp_path)["artifacts/000"] == b"\xac\x02" + data


def test_the_files_of_a_log_over_one_tile(tmp_path: Path) -> None:
    """257 artifacts: the second bundle begins, and a hash stands at level 1."""
    write(tmp_path, log(257))
    assert set(files(tmp_path)) == {
        "checkpoint",
        "artifacts/000",
        "artifacts/001",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/1",
    }


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257])
def test_writing_twice_changes_nothing(tmp_path: Path, size: int) -> None:
    """The same log again: not one file is touched, the checkpoint neither."""
    write(tmp_path, log(size))
    before = {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*")}
    assert write(tmp_path, log(size)).size == size
    assert {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 2), (3, 256), (255, 257), (256, 600)])
def test_a_log_grows(tmp_path: Path, old: int, new: int) -> None:
    """A longer log adds files; everything of the older checkpoint but itself stays."""
    write(tmp_path / "grown", log(old))
    before = files(tmp_path / "grown")
    write(tmp_path / "grown", log(new))
    write(tmp_path / "at once", log(new))
    after, at_once = files(tmp_path / "grown"), files(tmp_path / "at once")
    assert at_once.items() <= after.items()
    kept = [path for path in before if path.startswith("tile/")]
    assert all(after[path] == before[path] for path in kept)
    assert set(after) == set(at_once) | set(before)
    assert read(tmp_path / "grown") == log(new)


def test_files_left_by_a_crash_are_taken_up(tmp_path: Path) -> None:
    """Without a checkpoint, with temporary files and a cut file of artifacts."""
    write(tmp_path, log(300))
    expected = files(tmp_path)
    (tmp_path / "checkpoint").unlink()
    (tmp_path / "tile/0/000").unlink()
    (tmp_path / "tile/0/.000.tmp").write_bytes(b"half")
    cut = expected["artifacts/001"][:-10]
    (tmp_path / "artifacts/001").write_bytes(cut)
    write(tmp_path, log(300))
    assert files(tmp_path) == expected


def test_more_artifacts_than_the_checkpoint_stay(tmp_path: Path) -> None:
    """Nothing published shrinks: the reader ignores what follows."""
    write(tmp_path, log(5))
    (tmp_path / "checkpoint").unlink()
    longer = files(tmp_path)["artifacts/000"]
    write(tmp_path, log(3))
    assert files(tmp_path)["artifacts/000"] == longer
    assert read(tmp_path) == log(3)


def test_cosignatures_survive_a_second_run(tmp_path: Path) -> None:
    """A checkpoint that covers the log already is not signed again."""
    write(tmp_path, log(2))
    note = (tmp_path / "checkpoint").read_bytes() + "— witness.example AAAAAAAAAAAA\n".encode()
    (tmp_path / "checkpoint").write_bytes(note)
    write(tmp_path, log(2))
    assert (tmp_path / "checkpoint").read_bytes() == note


def refusal(directory: Path, artifacts: list[bytes]) -> Rejected:
    before = files(directory)
    with pytest.raises(Rejected) as caught:
        write(directory, artifacts)
    assert files(directory) == before
    assert caught.value.check == "R.append-only"
    return caught.value


def test_a_shorter_log_is_refused(tmp_path: Path) -> None:
    """A database restored from an older backup must not publish."""
    write(tmp_path, log(5))
    error = refusal(tmp_path, log(4))
    assert "covers 5 artifacts, this log has 4" in error.problem
    assert "backup" in error.advice


@pytest.mark.parametrize("place", [0, 3, 255, 256, 299])
def test_another_artifact_is_refused(tmp_path: Path, place: int) -> None:
    """A changed artifact in a full or in the last bundle contradicts the files."""
    write(tmp_path, log(300))
    other = log(301)
    other[place] = artifact(9999)
    assert refusal(tmp_path, other).where == f"artifacts/00{place // 256}"


def test_a_tile_of_another_log_is_refused(tmp_path: Path) -> None:
    """A full tile never changes, even where there is no checkpoint yet."""
    write(tmp_path, log(256))
    (tmp_path / "checkpoint").unlink()
    tile = tmp_path / "tile/0/000"
    tile.write_bytes(bytes(8192))
    assert refusal(tmp_path, log(256)).where == "tile/0/000"


def test_a_lone_checkpoint_of_another_log_is_refused(tmp_path: Path) -> None:
    """With the files gone, the root of the published size still tells the logs apart."""
    write(tmp_path / "other", log(7, start=1))
    (tmp_path / "record").mkdir()
    shutil.copy(tmp_path / "other/checkpoint", tmp_path / "record/checkpoint")
    error = refusal(tmp_path / "record", log(7))
    assert error.where == "checkpoint"
    assert "first 6 artifacts" in error.problem


def test_a_checkpoint_by_another_key_is_refused(tmp_path: Path) -> None:
    """A directory of another election is not written over."""
    write(tmp_path, log(2))
    other = verifier_key(KEY.name, bytes(31) + b"\x01")
    with pytest.raises(Rejected, match="no signature"):
        ArchiveWriter(tmp_path, other).write(log(2), SIGN)


def test_a_signature_over_something_else_is_our_mistake(tmp_path: Path) -> None:
    """What the signing function returns is checked before it is published."""
    wrong = Checkpoint(KEY.name, 9, bytes(32))
    with pytest.raises(ValueError, match="another checkpoint"):
        ArchiveWriter(tmp_path, KEY).write(log(2), lambda _: SIGN(wrong))
    assert not (tmp_path / "checkpoint").exists()


def test_a_log_that_breaks_off_publishes_nothing(tmp_path: Path) -> None:
    """If the source of artifacts fails, the checkpoint is as it was and no part is left."""
    write(tmp_path, log(2))
    before = files(tmp_path)

    def failing() -> Iterator[bytes]:
        yield from log(5)
        raise OSError("the database is gone")

    with pytest.raises(OSError, match="database"):
        ArchiveWriter(tmp_path, KEY).write(failing(), SIGN)
    assert files(tmp_path) == before


def test_the_checkpoint_comes_last(tmp_path: Path) -> None:
    """When the signing function is called, everything else is in its place."""
    seen: set[str] = set()

    def sign(checkpoint: Checkpoint) -> bytes:
        seen.update(files(tmp_path))
        return SIGN(checkpoint)

    ArchiveWriter(tmp_path, KEY).write(log(257), sign)
    assert seen == set(files(tmp_path)) - {"checkpoint"}


def test_no_artifact_no_log(tmp_path: Path) -> None:
    """Bytes that are no artifact are refused by their number."""
    with pytest.raises(Malformed) as caught:
        write(tmp_path, [*log(2), b"no"])
    assert caught.value.field == "artifact 2"
    assert not (tmp_path / "checkpoint").exists()


def test_a_web_server_may_read_everything(tmp_path: Path) -> None:
    """Files get the rights that the umask leaves, not those of temporary files."""
    old = os.umask(0o022)
    try:
        write(tmp_path / "record", log(3))
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "record").rglob("*")}
    assert modes == {0o644, 0o755}


# --- The reader --------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 256, 257])
def test_what_was_written_is_read(tmp_path: Path, size: int) -> None:
    """A directory and its .zip hold the same artifacts."""
    write(tmp_path / "record", log(size))
    pack_zip(tmp_path / "record", tmp_path / "record.zip")
    assert read(tmp_path / "record") == read(tmp_path / "record.zip") == log(size)


def test_large_artifacts_are_read_whole(tmp_path: Path) -> None:
    """An artifact longer than one read, and one of the largest size."""
    artifacts = [b"\x0a" + bytes(200_000), b"\x12" + bytes(MAX_ARTIFACT - 1), *log(1)]
    write(tmp_path, artifacts)
    assert read(tmp_path) == artifacts


def test_artifact_0_can_be_read_before_its_key_is_known(tmp_path: Path) -> None:
    """The key of the log stands in artifact 0, so that one comes unchecked."""
    write(tmp_path, log(3))
    (tmp_path / "checkpoint").unlink()
    with read_archive(tmp_path) as record:
        assert record.first_artifact() == artifact(0)


def test_the_zip_is_the_same_every_time(tmp_path: Path) -> None:
    """Neither times nor files that mean nothing go into it."""
    write(tmp_path / "record", log(300))
    pack_zip(tmp_path / "record", tmp_path / "a.zip")
    (tmp_path / "record/artifacts/000").touch()
    (tmp_path / "record/notes.txt").write_text("private")
    (tmp_path / "record/tile/0/.000.tmp").write_text("half")
    pack_zip(tmp_path / "record", tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert set(packed.namelist()) == set(files(tmp_path / "record")) - {
            "notes.txt",
            "tile/0/.000.tmp",
        }


def test_packing_an_incomplete_directory_leaves_no_zip(tmp_path: Path) -> None:
    """A missing file is an error, and nothing half-made stays behind."""
    write(tmp_path / "record", log(3))
    (tmp_path / "record/artifacts/000").unlink()
    with pytest.raises(FileNotFoundError):
        pack_zip(tmp_path / "record", tmp_path / "record.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def repack(source: Path, target: Path, prefix: str = "", method: int = 0) -> Path:
    with zipfile.ZipFile(target, "w", method) as packed:
        for path, data in files(source).items():
            packed.writestr(prefix + path, data)
    return target


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_may_have_one_folder(tmp_path: Path, method: int) -> None:
    """Below one folder, stored or deflated, beside files that mean nothing."""
    write(tmp_path / "record", log(3))
    packed = repack(tmp_path / "record", tmp_path / "record.zip", "kz-2005/", method)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("README.txt", "hello")
        archive.writestr("kz-2005/deeper/checkpoint", "not this one")
    assert read(packed) == log(3)


def test_a_zip_with_two_records_is_refused(tmp_path: Path) -> None:
    """Which one is meant has to be clear."""
    write(tmp_path / "record", log(3))
    packed = repack(tmp_path / "record", tmp_path / "record.zip", "a/")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("b/checkpoint", "x")
    with pytest.raises(Malformed, match="2 records"):
        read_archive(packed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    """Readers differ in which of two files of one name they take."""
    write(tmp_path / "record", log(3))
    packed = repack(tmp_path / "record", tmp_path / "record.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("artifacts/000", b"other")
    with pytest.raises(Malformed, match="same name"):
        read_archive(packed)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_another_method_is_refused(tmp_path: Path, method: int) -> None:
    """Stored and deflate are what every reader knows."""
    write(tmp_path / "record", log(3))
    packed = repack(tmp_path / "record", tmp_path / "record.zip", "", method)
    with pytest.raises(Malformed, match="another method"):
        read(packed)


def test_a_damaged_zip_is_malformed(tmp_path: Path) -> None:
    """A flipped bit in a stored file fails its checksum, a cut file is no .zip."""
    write(tmp_path / "record", log(3))
    pack_zip(tmp_path / "record", tmp_path / "record.zip")
    data = bytearray((tmp_path / "record.zip").read_bytes())
    place = data.index(artifact(1))
    data[place + 5] ^= 1
    (tmp_path / "flipped.zip").write_bytes(data)
    (tmp_path / "cut.zip").write_bytes(data[:-30])
    with pytest.raises((Malformed, Rejected)):
        read(tmp_path / "flipped.zip")
    with pytest.raises(Malformed, match="is not a readable .zip"):
        read(tmp_path / "cut.zip")


def test_there_has_to_be_a_record(tmp_path: Path) -> None:
    """A path to nothing, an empty directory, an empty .zip, another file."""
    with pytest.raises(Malformed, match="neither"):
        read_archive(tmp_path / "nothing")
    with pytest.raises(Malformed, match="is missing"):
        read(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(Malformed, match="no checkpoint"):
        read_archive(tmp_path / "empty.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(Malformed, match="not a readable"):
        read_archive(tmp_path / "text.zip")


Tamper = Callable[[Path], object]


def flip(path: str, place: int = 0) -> Tamper:
    def change(root: Path) -> None:
        data = bytearray((root / path).read_bytes())
        data[place] ^= 1
        (root / path).write_bytes(data)

    return change


def remove(path: str) -> Tamper:
    return lambda root: (root / path).unlink()


def append(path: str, data: bytes) -> Tamper:
    return lambda root: (root / path).write_bytes((root / path).read_bytes() + data)


def cut(path: str) -> Tamper:
    return lambda root: (root / path).write_bytes((root / path).read_bytes()[:-1])


def replace(path: str, data: bytes) -> Tamper:
    return lambda root: (root / path).write_bytes(data)


def pipe(path: str) -> Tamper:
    def change(root: Path) -> None:
        (root / path).unlink()
        os.mkfifo(root / path)

    return change


def own_root(root: Path) -> None:
    """A tree of its own, hashed properly, under the signature of the real one."""
    note = (root / "checkpoint").read_bytes()
    shutil.rmtree(root)
    write(root, log(300, start=1) + log(1))
    (root / "checkpoint").write_bytes(note)


TAMPERED: list[tuple[str, Tamper, str, str]] = [
    ("no checkpoint", remove("checkpoint"), "", "checkpoint"),
    ("false checkpoint", flip("checkpoint", 17), "R.checkpoint", "checkpoint"),
    ("false leaf in a full tile", flip("tile/0/000", 100), "R.tile", "tile/1/000.p/1"),
    ("false leaf in the partial tile", flip("tile/0/001.p/44"), "R.tile", "tile/0"),
    ("false upper tile", flip("tile/1/000.p/1"), "R.tile", "tile/1/000.p/1"),
    ("missing leaf tile", remove("tile/0/001.p/44"), "", "tile/0/001.p/44"),
    ("missing upper tile", remove("tile/1/000.p/1"), "", "tile/1/000.p/1"),
    ("cut leaf tile", cut("tile/0/000"), "", "tile/0/000"),
    ("long leaf tile", append("tile/0/001.p/44", bytes(32)), "", "tile/0/001.p/44"),
    ("endless leaf tile", append("tile/0/000", bytes(10**6)), "", "tile/0/000"),
    ("endless upper tile", append("tile/1/000.p/1", bytes(10**6)), "", "tile/1/000.p/1"),
    ("another log below the checkpoint", own_root, "R.tile", "tile/0"),
    ("false entry", flip("tile/entries/000", 10), "R.entry", "tile/entries/000, entry 0"),
    ("false last entry", flip("tile/entries/001.p/44", -1), "R.entry", "001.p/44, entry 299"),
    ("missing bundle", remove("tile/entries/000"), "", "tile/entries/000"),
    ("cut bundle", cut("tile/entries/001.p/44"), "", "tile/entries/001.p/44"),
    ("long bundle", append("tile/entries/001.p/44", b"\0\0"), "", "tile/entries/001.p/44"),
    ("endless bundle", append("tile/entries/000", bytes(10**6)), "", "tile/entries/000"),
    ("false artifact", flip("artifacts/000", 20), "R.entry", "artifacts/000, artifact 0"),
    ("false last artifact", flip("artifacts/001", -1), "R.entry", "artifact 299"),
    ("artifact of no kind", flip("artifacts/000", 1), "", "artifact 0"),
    ("other length", flip("artifacts/000", 0), "R.entry", "artifact 0"),
    ("missing artifacts", remove("artifacts/001"), "", "artifacts/001"),
    ("cut artifacts", cut("artifacts/001"), "", "artifact 299"),
    ("empty artifacts", replace("artifacts/000", b""), "", "artifact 0"),
    ("empty artifact", replace("artifacts/000", b"\0"), "", "artifact 0"),
    ("endless length", replace("artifacts/000", b"\xff" * 99), "", "artifact 0"),
    ("17 MiB", replace("artifacts/000", b"\x80\x80\xc0\x08x"), "", "artifact 0"),
    ("length in a longer form", replace("artifacts/000", b"\x81\x00x"), "", "artifact 0"),
    ("artifacts are a pipe", pipe("artifacts/000"), "", "artifacts/000"),
    ("checkpoint is a pipe", pipe("checkpoint"), "", "checkpoint"),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("published") / "record"
    write(directory, log(300))
    return directory


@pytest.mark.parametrize(
    ("tamper", "check", "place"), [pytest.param(*row[1:], id=row[0]) for row in TAMPERED]
)
def test_a_tampered_record_is_refused(
    published: Path, tmp_path: Path, tamper: Tamper, check: str, place: str
) -> None:
    """One change, one error: its check (or malformed), and the file it was made in."""
    root = tmp_path / "record"
    shutil.copytree(published, root)
    assert read(root) == log(300)
    tamper(root)
    with pytest.raises((Malformed, Rejected)) as caught:
        read(root)
    error = caught.value
    if isinstance(error, Malformed):
        assert not check
        assert place in error.field
    else:
        assert isinstance(error, Rejected)
        assert error.check == check
        assert place in error.where


@pytest.mark.parametrize(
    "change",
    [
        append("artifacts/001", b"\x05later"),
        append("artifacts/001", b"\xff\xff\xff\xff"),
        lambda root: (root / "hints").mkdir(),
        lambda root: (root / "tile/0/002").write_bytes(b"junk"),
    ],
    ids=["more artifacts", "more bytes", "hints", "another tile"],
)
def test_what_the_checkpoint_does_not_cover_means_nothing(
    published: Path, tmp_path: Path, change: Tamper
) -> None:
    """More artifacts than the checkpoint has, and other files, are ignored."""
    root = tmp_path / "record"
    shutil.copytree(published, root)
    change(root)
    assert read(root) == log(300)


def test_nothing_comes_before_the_tree_is_checked(published: Path, tmp_path: Path) -> None:
    """A fault in the last tile is found before artifact 0 is handed on."""
    root = tmp_path / "record"
    shutil.copytree(published, root)
    flip("tile/0/001.p/44", -1)(root)
    with read_archive(root) as record, pytest.raises(Rejected):
        next(record.artifacts(KEY))


def test_a_tile_that_changes_while_it_is_read_is_noticed(published: Path, tmp_path: Path) -> None:
    """Both readings of a leaf tile have to give the same bytes."""
    root = tmp_path / "record"
    shutil.copytree(published, root)
    with read_archive(root) as record:
        artifacts = record.artifacts(KEY)
        next(artifacts)
        flip("tile/0/001.p/44")(root)
        with pytest.raises(Rejected, match="changed while") as caught:
            list(artifacts)
    assert caught.value.where == "tile/0/001.p/44"
