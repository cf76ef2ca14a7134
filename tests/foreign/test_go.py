"""Go's sumdb packages read our logs, and our observers read a log of theirs."""

from __future__ import annotations

import base64
import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import urllib3

from ballotbox.leaves import Leaves
from crypto.errors import InvalidProof
from crypto.parameters import TOY
from observers.mirror import Mirror
from observers.source import open_source
from observers.witness import known_logs
from observers.witness_store import create_witness, open_witness
from record.add_checkpoint import format_add_checkpoint, parse_known_size
from record.archive import ArchiveWriter
from record.checkpoint import parse_verifier_key, verify_checkpoint
from record.cosignature import parse_answer, parse_cosigner_key
from record.merkle import consistency_proof, inclusion_proof, verify_consistency
from record.policy import Log, log_alone
from record.tile_tree import TileTree
from tests.foreign.go import LogTool, Refused
from tests.observing import KEY, SmallLog, artifacts, files, leaves, note, serving, witness_key
from tests.publishing import publish
from tests.world import World

SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 700)


def encoded(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in hashes]


def grown(directory: Path, sizes: Sequence[int] = SIZES) -> tuple[SmallLog, list[Path]]:
    """A log that was published at each of these sizes, and the checkpoints kept on the way."""
    log, kept = SmallLog(directory / "log"), []
    for size in sizes:
        log.grow(size)
        kept.append(directory / f"checkpoint.{size}")
        kept[-1].write_bytes(log.checkpoint())
    return log, kept


def compare(report: dict[str, Any], kept: Sequence[int], ours: list[bytes]) -> None:
    """Every proof of the report is byte for byte what each of our three makers of proofs says."""
    size = report["size"]
    hashes, board = leaves(size), Leaves()
    for data in ours:
        board.append(data)
    tree = board.tree(size)
    assert report["root"] == base64.b64encode(tree.root()).decode()
    assert report["entries"] == size
    assert report["inclusion"]
    for one in report["inclusion"]:
        index = one["index"]
        assert one["leaf"] == base64.b64encode(hashes[index]).decode()
        assert one["proof"] == encoded(tree.inclusion_proof(index))
        assert one["proof"] == encoded(inclusion_proof(hashes, index))
    assert {(one["old"], one["size"]) for one in report["consistency"]} == set(
        itertools.combinations(kept, 2)
    )
    for one in report["consistency"]:
        proof = board.tree(one["size"]).consistency_proof(one["old"])
        assert one["proof"] == encoded(proof)
        assert one["proof"] == encoded(consistency_proof(hashes[: one["size"]], one["old"]))


def test_they_make_the_same_proofs(logtool: LogTool, tmp_path: Path) -> None:
    """From disk, every entry: hashes, inclusion, and consistency of all that was ever signed."""
    log, kept = grown(tmp_path)
    report = logtool.read(log.directory, KEY, kept=kept[:-1])
    assert (report["origin"], report["size"]) == (KEY.name, SIZES[-1])
    assert [one["index"] for one in report["inclusion"]] == list(range(SIZES[-1]))
    compare(report, SIZES, artifacts(SIZES[-1]))


@pytest.mark.parametrize("compress", [False, True])
def test_they_make_them_over_http(logtool: LogTool, tmp_path: Path, compress: bool) -> None:
    """Also compressed, and where the partial tiles of older sizes were deleted."""
    log, kept = grown(tmp_path, (200, 256, 300))
    for old in (log.directory / "tile").rglob("*.p"):
        if old.with_suffix("").exists():
            shutil.rmtree(old)
    with serving(log.directory, compress=compress) as server:
        report = logtool.read(server.url, KEY, kept=kept[:-1], every=64, random=9)
        assert server.asked["checkpoint"] == 1
    compare(report, (200, 256, 300), artifacts(300))


def test_they_read_a_tree_of_three_levels(logtool: LogTool, tmp_path: Path) -> None:
    """66,000 entries: a full tile on level 1 and one on level 2."""
    size = 66_000
    ours = artifacts(size)
    ArchiveWriter(tmp_path, KEY).write(ours, lambda _: note(size))
    report = logtool.read(tmp_path, KEY, every=3001, random=50)
    board = Leaves()
    for data in ours:
        board.append(data)
    tree = board.tree(size)
    assert report["entries"] == size
    assert len(report["inclusion"]) >= 22
    for one in report["inclusion"]:
        assert one["proof"] == encoded(tree.inclusion_proof(one["index"]))


def test_they_read_an_election(logtool: LogTool, tmp_path: Path) -> None:
    """The record of a key ceremony, with its own key and real artifacts."""
    world = World.create(TOY[-1])
    publish(world, tmp_path)
    report = logtool.read(tmp_path, world.log_key)
    assert report["entries"] == report["size"] == len(world.artifacts)
    assert report["origin"] == world.log_key.name


def test_they_verify_our_cosignatures(logtool: LogTool, tmp_path: Path) -> None:
    """Those of known witnesses with their times; the others are carried along."""
    log, _ = grown(tmp_path, (5,))
    log.cosign(1, 2, time=1_700_000_001)
    report = logtool.read(log.directory, KEY, witnesses=[witness_key(1), witness_key(3)])
    assert report["cosignatures"] == {witness_key(1).name: 1_700_000_001}
    assert report["unverified"] == [witness_key(2).name]


def _flip(place: Path, at: int = -1) -> None:
    data = bytearray(place.read_bytes())
    data[at] ^= 1
    place.write_bytes(data)


def _swap_signature(place: Path, line: int) -> None:
    lines = place.read_text().split("\n")
    letters = "".join("B" if letter == "A" else "A" for letter in lines[line][-20:-10])
    lines[line] = lines[line][:-20] + letters + lines[line][-10:]
    place.write_text("\n".join(lines))


ALTERED: dict[str, tuple[Callable[[SmallLog], object], str]] = {
    "leaf tile": (lambda log: _flip(log.directory / "tile/0/000"), "inconsistent|entry 255"),
    "partial tile": (lambda log: _flip(log.directory / "tile/0/001.p/44"), "inconsistent"),
    "upper tile": (lambda log: _flip(log.directory / "tile/1/000.p/1"), "inconsistent"),
    "entry": (lambda log: _flip(log.directory / "tile/entries/000"), "entry 255"),
    "cut bundle": (lambda log: _cut(log.directory / "tile/entries/000"), "breaks off"),
    "no tile": (lambda log: (log.directory / "tile/0/000").unlink(), "no such file"),
    "signature": (lambda log: _swap_signature(log.directory / "checkpoint", 4), "signature"),
    "cosignature": (lambda log: _swap_signature(log.directory / "checkpoint", 5), "signature"),
    "other log's key": (lambda log: (log.directory / "checkpoint").write_bytes(b"x"), "note"),
    "forked": (
        lambda log: (
            ArchiveWriter(_emptied(log), KEY).write(artifacts(300, 200), lambda _: note(300, 200))
            and None
        ),
        "did not grow",
    ),
}


def _cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-1])


def _emptied(log: SmallLog) -> Path:
    shutil.rmtree(log.directory)
    return log.directory


@pytest.mark.parametrize("what", ALTERED)
def test_they_refuse_what_was_altered(logtool: LogTool, tmp_path: Path, what: str) -> None:
    """One thing each, and the reason names it: this client can say no."""
    log, kept = grown(tmp_path, (250, 300))
    log.cosign(1)
    assert logtool.read(log.directory, KEY, witnesses=[witness_key(1)], kept=kept[:-1])
    alter, words = ALTERED[what]
    alter(log)
    with pytest.raises(Refused, match=words):
        logtool.read(log.directory, KEY, witnesses=[witness_key(1)], kept=kept[:-1])


# --- Their log, our observers


def test_our_mirror_copies_their_log(logtool: LogTool, tmp_path: Path) -> None:
    """Step by step, and from the copy they read what they published."""
    theirs, copy = tmp_path / "theirs", tmp_path / "copy"
    sizes = (1, 255, 256, 300, 1000)
    key = parse_verifier_key(logtool.publish(theirs, sizes))
    for size in sizes:
        shutil.copy(theirs / f"checkpoint.{size}", theirs / "checkpoint")
        with Mirror(open_source(str(theirs)), copy, log_alone(key), artifacts=False) as mirror:
            assert mirror.update().checkpoint.size == size
    for path, data in files(copy).items():
        assert (theirs / path).read_bytes() == data
    kept = [theirs / f"checkpoint.{size}" for size in sizes[:-1]]
    assert len(logtool.read(copy, key, kept=kept)["consistency"]) == 10
    _flip(theirs / "tile/0/001")
    with pytest.raises(Refused):
        logtool.read(theirs, key)


def test_our_witness_cosigns_their_log(logtool: LogTool, tmp_path: Path) -> None:
    """Asked with proofs from their tiles; what it answers they verify, and a fork it refuses."""
    theirs, fork = tmp_path / "theirs", tmp_path / "fork"
    sizes = (1, 7, 256, 300)
    key = parse_verifier_key(logtool.publish(theirs, sizes))
    name = create_witness(tmp_path / "witness", "witness.example/ours", b"secret words")
    with open_witness(tmp_path / "witness", known_logs([Log(key)]), b"secret words") as witness:
        tree = TileTree(sizes[-1], open_source(str(theirs)).read_tile)
        report = logtool.read(theirs, key, kept=[theirs / f"checkpoint.{s}" for s in sizes[:-1]])
        proofs = {
            (one["old"], one["size"]): tuple(base64.b64decode(step) for step in one["proof"])
            for one in report["consistency"]
        }
        old = 0
        for size in sizes:
            data = (theirs / f"checkpoint.{size}").read_bytes()
            answer = witness.add_checkpoint(
                format_add_checkpoint(old, proofs.get((old, size), ()), data)
            )
            assert answer.status == 200
            (theirs / "checkpoint").write_bytes(data + answer.body)
            seen = logtool.read(theirs, key, witnesses=[name])
            assert list(seen["cosignatures"]) == [name.name]
            old = size
        assert tree.root() == verify_checkpoint(data, key).root
        # A log of the same name with another key is another log.
        logtool.publish(fork, (400,))
        other = (fork / "checkpoint").read_bytes()
        assert witness.add_checkpoint(format_add_checkpoint(300, (), other)).status == 403


def test_their_witness_cosigns_our_log(logtool: LogTool, tmp_path: Path) -> None:
    """Our requests, with our proofs, are checked by their code; a fork of ours is refused."""
    with logtool.witness(KEY) as (vkey, url):
        key = parse_cosigner_key(vkey)

        def ask(old: int, size: int, fork_at: int | None = None) -> tuple[int, bytes]:
            proof = consistency_proof(leaves(size, fork_at), old) if 0 < old <= size else ()
            body = format_add_checkpoint(old, proof, note(size, fork_at))
            answer = urllib3.request("POST", f"{url}add-checkpoint", body=body, retries=False)
            return answer.status, answer.data

        for old, size in itertools.pairwise((0, *SIZES)):
            status, body = ask(old, size)
            assert status == 200, body
            text = note(size).decode().split("\n\n")[0] + "\n"
            assert parse_answer(body, key, text)
        status, body = ask(5, 800)
        assert (status, parse_known_size(body)) == (409, SIZES[-1])
        assert ask(SIZES[-1], 800, 400)[0] == 422
        assert ask(SIZES[-1], 800)[0] == 200


def test_we_verify_their_proofs(logtool: LogTool, tmp_path: Path) -> None:
    """And not with another root."""
    _, kept = grown(tmp_path)
    report = logtool.read(tmp_path / "log", KEY, kept=kept[:-1], every=700)
    roots = {size: verify_checkpoint(note(size), KEY).root for size in SIZES}
    assert len(report["consistency"]) == len(SIZES) * (len(SIZES) - 1) // 2
    for one in report["consistency"]:
        old, size = one["old"], one["size"]
        proof = [base64.b64decode(step) for step in one["proof"]]
        verify_consistency(old, roots[old], size, roots[size], proof)
        for wrong in ((bytes(32), roots[size]), (roots[old], bytes(32))):
            with pytest.raises(InvalidProof):
                verify_consistency(old, wrong[0], size, wrong[1], proof)
