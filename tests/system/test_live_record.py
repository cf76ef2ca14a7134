"""A whole election on a live board: what it published is verified as it stands."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from record.archive import pack_zip
from record.cosignature import parse_cosigner_key
from record.note import VerifierKey
from record.policy import Log, Policy, Witness
from tests.foreign import go
from tests.system.living import Cosigner, LivePlace, policy_file
from tests.system.programs import Place, call, wait_until

pytestmark = pytest.mark.system

ORDERS = (
    {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "cast"},
    {"unit": "hall", "selections": {"council": {"south": 2}}, "then": "challenge"},
)


@pytest.mark.slow
def test_a_live_record_is_verified_as_it_stands(at: Callable[[str], Place], tmp_path: Path) -> None:
    """Cosigned: during the election it is not complete, afterwards verified; so are the mirror
    and its .zip. Where Go is installed, a foreign witness cosigns, and a foreign client reads.
    """
    live = LivePlace(at("open"))
    place = live.place
    with place.running(), ExitStack() as stack:
        logtool = None if go.missing() else go.build(tmp_path)
        keys = _witnesses(live, logtool, stack)
        policy = Policy((Log(live.key),), tuple(Witness(key.name, key) for key in keys))

        def settled() -> bool:
            cosigned = policy.judge(live.note()).cosignatures
            return live.published() == place.status().size and len(cosigned) == len(keys)

        server = live.serve()
        place.vote(1, *ORDERS)
        wait_until(settled)
        kept = tmp_path / "kept"
        kept.write_bytes(live.note())
        early = call("verify", live.directory, "--quiet")
        assert early.code == 1
        assert "R.complete" in early.out + early.err
        assert "1 check failed" in early.out + early.err
        trustees = [place.trustee(i) for i in (1, 3)]
        place.run("device", "close", *place.home("device-1"))
        place.run("election", "close", *place.admin, "--missing=box-2=not delivered")
        place.run("election", "tally", *place.admin, "--trustee", "1", "--trustee", "3")
        assert [trustee.wait().code for trustee in trustees] == [0, 0]
        place.run("election", "publish", *place.admin, "--out", place.root / "record")
        assert policy.judge((place.root / "record/checkpoint").read_bytes()).cosignatures
        wait_until(settled)
        copy, packed = place.root / "copy", tmp_path / "copy.zip"
        place.run("board", "mirror", f"http://{live.http}", copy, "--log-key", str(live.key))
        hints = {
            (at / "hints/000").read_bytes() for at in (live.directory, place.root / "record", copy)
        }
        assert len(hints) == 1
        if logtool is not None:
            _read(live, logtool, keys, kept)
        assert server.stop().code == 0
    pack_zip(copy, packed)
    for record in (live.directory, packed):
        verified = call("verify", record)
        assert verified.code == 0, verified.out
        assert "VERIFIED" in verified.out
    assert len(policy.judge((copy / "checkpoint").read_bytes()).cosignatures) == len(keys)


def _witnesses(live: LivePlace, logtool: go.LogTool | None, stack: ExitStack) -> list[VerifierKey]:
    """Ours, and a foreign one where there is one, in the server's policy."""
    north = Cosigner(live, "north")
    keys, lines = [north.key], [north.line]
    if logtool is not None:
        vkey, url = stack.enter_context(logtool.witness(live.key))
        keys.append(parse_cosigner_key(vkey))
        lines.append(f"witness foreign {vkey} {url}\n")
    policy_file(live, *lines)
    return keys


def _read(live: LivePlace, logtool: go.LogTool, keys: list[VerifierKey], kept: Path) -> None:
    """The foreign client makes the same proofs as the server's GetInclusionProof."""
    report = logtool.read(f"http://{live.http}", live.key, witnesses=keys, kept=[kept])
    assert set(report["cosignatures"]) == {key.name for key in keys}
    (grown,) = report["consistency"]
    with live.place.board() as board:
        ours = board.consistency_proof(grown["old"], grown["size"])
        assert grown["proof"] == [base64.b64encode(step).decode() for step in ours]
        assert report["inclusion"]
        for one in report["inclusion"]:
            ours = board.inclusion_proof(one["index"], one["size"])
            assert one["proof"] == [base64.b64encode(step).decode() for step in ours]
