"""Cheating with the log: its files, its order, its signatures, its ends."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

from record.artifacts import EncryptedTally, Role, Statement
from record.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint, verifier_key
from record.merkle import MerkleTree, leaf_hash
from sailau.v1 import record_pb2 as pb
from tests.decrypting import Altered, tallies
from tests.tampered.kit import (
    Catalogue,
    Files,
    Record,
    changed_manifest,
    crowded,
    flipped,
)
from tests.world import ORIGIN, World, public_bytes

LOG = Catalogue("log")

NOT_AN_ARTIFACT = "what is refused is bytes, before there is an artifact to check"
RETRIED = "the server answers a repetition as it answered the first time, and stores nothing"

# --- the checkpoint


def _checkpoint(files: Files) -> Checkpoint:
    return parse_checkpoint((files.root / "checkpoint").read_bytes()).checkpoint


def _publish(files: Files, checkpoint: Checkpoint) -> None:
    note = sign_checkpoint(checkpoint, files.world.secrets.log)
    (files.root / "checkpoint").write_bytes(note)


@LOG.filed("R.checkpoint", who="log", where={"file": "checkpoint"}, standard=True)
def checkpoint_of_a_fork(files: Files) -> None:
    """The log signs another history of the same length: one in which the result is left out."""
    tree = MerkleTree()
    for data in files.world.data()[:-1]:
        tree.append(leaf_hash(bytes(data)))
    tree.append(leaf_hash(b"another result"))
    _publish(files, Checkpoint(ORIGIN, tree.size, tree.root()))


@LOG.filed("R.checkpoint", who="log", where={"file": "checkpoint"})
def checkpoint_by_another_key(files: Files) -> None:
    """Whoever serves the record signs its checkpoint with a key of their own, under its name."""
    key = files.world.role_key(Role.SERVER)
    note = sign_checkpoint(_checkpoint(files), key).decode()
    theirs, ours = (
        k.key_id for k in (verifier_key(ORIGIN, public_bytes(key)), files.world.log_key)
    )
    head, _, encoded = note.rpartition(" ")
    signature = base64.b64decode(encoded)
    assert signature.startswith(theirs)
    forged = base64.b64encode(ours + signature[4:]).decode()
    (files.root / "checkpoint").write_text(f"{head} {forged}\n")


@LOG.filed("R.checkpoint", who="log", where={"file": "checkpoint"})
def checkpoint_of_another_log(files: Files) -> None:
    """The checkpoint names another log's origin, with the right key's signature."""
    _publish(files, replace(_checkpoint(files), origin="example.org/rehearsal"))


@LOG.filed("R.checkpoint", who="log", where={"file": "checkpoint"})
def checkpoint_with_a_fourth_line(files: Files) -> None:
    """The log signs a fourth line, which other programs may read as they like."""

    class Longer(Checkpoint):
        def text(self) -> str:
            return super().text() + "valid until noon\n"

    checkpoint = _checkpoint(files)
    _publish(files, Longer(checkpoint.origin, checkpoint.size, checkpoint.root))


@LOG.filed("R.checkpoint", who="log", where={"file": "checkpoint"})
def checkpoint_missing(files: Files) -> None:
    """The record is served without its checkpoint."""
    (files.root / "checkpoint").unlink()


@LOG.edited(
    "R.checkpoint",
    who="administrator",
    server="R.encoding",
    because=NOT_AN_ARTIFACT,
)
def log_key_that_is_none(record: Record) -> None:
    """Artifact 0 names a log key whose id is not the hash of its parts."""
    election = record.first("election")
    name, _, encoded = election.log_key.split("+", 2)
    election.log_key = f"{name}+00000000+{encoded}"


# --- tiles and entries


@LOG.filed("R.tile", who="publisher", at="key_commitment")
def altered_tile(files: Files) -> None:
    """One bit of a leaf hash in a tile is another."""
    files.rewrite("tile/0/000.p/*", lambda data: data[:40] + flipped(data[40:64]) + data[64:])


@LOG.filed("R.tile", who="publisher", where={"file": "tile/0/000.p/48"})
def missing_tile(files: Files) -> None:
    """The partial tile of the checkpoint's size is not there: nobody can prove inclusion."""
    files.path("tile/0/000.p/*").unlink()


@LOG.filed("R.tile", who="publisher", world=crowded, where={"file": "tile/1/000.p/1"})
def altered_upper_tile(files: Files) -> None:
    """A hash of the level above the leaves is another: proofs of inclusion would fail."""
    files.rewrite("tile/1/000.p/1", flipped)


@LOG.filed("R.entry", who="publisher", where={"file": "tile/entries/000.p/48"})
def missing_entries(files: Files) -> None:
    """The entries' own tile is not there."""
    files.path("tile/entries/000.p/*").unlink()


@LOG.filed("R.entry", who="publisher", where={"file": "tile/entries/000.p/48"})
def entry_too_many(files: Files) -> None:
    """An entry stands in the bundle that the checkpoint does not cover."""
    files.rewrite("tile/entries/000.p/*", lambda data: data + b"\x00\x02\x08\x07")


def _entry_with(**fields: object) -> Callable[[bytes], bytes]:
    """The second entry of a bundle, changed."""

    def change(data: bytes) -> bytes:
        start = 2 + int.from_bytes(data[:2], "big")
        end = start + 2 + int.from_bytes(data[start : start + 2], "big")
        entry = pb.Entry.FromString(data[start + 2 : end])
        for name, value in fields.items():
            setattr(entry, name, value)
        encoded = entry.SerializeToString(deterministic=True)
        return data[:start] + len(encoded).to_bytes(2, "big") + encoded + data[end:]

    return change


@LOG.filed("R.entry", who="publisher", at="key_commitment")
def entry_of_another_kind(files: Files) -> None:
    """The log's entry calls trustee 1's commitment a ballot."""
    files.rewrite("tile/entries/000.p/*", _entry_with(kind=7))


@LOG.filed("R.entry", who="publisher", at="key_commitment")
def entry_of_another_size(files: Files) -> None:
    """The log's entry gives the artifact one byte more."""
    files.rewrite("tile/entries/000.p/*", _entry_with(size=1))


@LOG.filed("R.entry", who="publisher", at="key_commitment", standard=True)
def artifacts_exchanged_on_the_disk(files: Files) -> None:
    """Two artifacts change places after the log was signed; each is good by itself."""
    data = [bytes(x) for x in files.world.data()]
    data[1], data[2] = data[2], data[1]
    files.rewrite("artifacts/000", lambda _: b"".join(_varint(len(x)) + x for x in data))


def _varint(number: int, pad: bool = False) -> bytes:
    low, high = number & 0x7F, number >> 7
    if not high:
        return bytes([low | 0x80, 0]) if pad else bytes([low])
    return bytes([low | 0x80]) + _varint(high, pad)


@LOG.filed("R.entry", who="publisher", where={"file": "artifacts/000"})
def artifacts_cut_off(files: Files) -> None:
    """The file of artifacts ends in the middle of the last one."""
    files.rewrite("artifacts/000", lambda data: data[:-1])


@LOG.filed("R.entry", who="publisher", where={"file": "artifacts/001"}, world=crowded)
def artifacts_missing(files: Files) -> None:
    """The second file of artifacts is not there."""
    (files.root / "artifacts/001").unlink()


# --- one encoding


@LOG.filed("R.encoding", who="publisher", where={"file": "artifacts/000"})
def padded_length(files: Files) -> None:
    """A length in front of an artifact is written with a byte more than it needs."""
    data = [bytes(x) for x in files.world.data()]
    framed = [_varint(len(x), pad=i == 3) + x for i, x in enumerate(data)]
    files.rewrite("artifacts/000", lambda _: b"".join(framed))


@LOG.edited("R.encoding", who="device ballot-box-1")
def unknown_field(record: Record) -> None:
    """A field that the schema does not know is appended to a ballot: room for a message."""
    record.raw("ballot", lambda data: data + b"\xfa\x7f\x05hello")


@LOG.edited("R.encoding", who="administrator")
def padded_varint(record: Record) -> None:
    """A count in the close of the polls is written with a byte more than it needs."""
    # Field 12 (polls close): 62, length, 08 07 (submitted: 7), ...
    record.raw("polls_close", lambda x: x[:1] + bytes([x[1] + 1, 8, 0x87, 0]) + x[4:])


@LOG.edited("R.encoding", who="administrator")
def fields_out_of_order(record: Record) -> None:
    """K-hat stands before K in the opening, which other programs read as the same."""
    record.raw("opening", lambda data: data[:2] + data[36:70] + data[2:36] + data[70:])


@LOG.edited("R.encoding", who="trustee 1")
def wide_element(record: Record) -> None:
    """A key is written with a zero byte in front."""
    keys = record.first("trustee_keys")
    keys.communication_key = b"\0" + keys.communication_key


@LOG.edited("R.encoding", who="device ballot-box-1")
def reduced_identifier(record: Record) -> None:
    """A device publishes 31 bytes where H_I needs 32."""
    ballot = record.ballot("spoiled")
    ballot.identifier_hash = ballot.identifier_hash[:31]


# --- signatures


@LOG.edited("R.signature", who="device ballot-box-1", standard=True)
def ballot_signed_by_another_device(record: Record) -> None:
    """Somebody with ballot box 2's key submits a ballot in the name of ballot box 1."""
    artifact = record.artifacts[record.position("ballot")]
    record.sign(artifact, Role.DEVICE, "ballot-box-2")


@LOG.edited("R.signature", who="administrator")
def result_signed_by_the_server(record: Record) -> None:
    """The server signs the result instead of the administrator."""
    record.sign(record.artifacts[-1], Role.SERVER)


@LOG.edited("R.signature", who="server")
def signature_of_another_statement(record: Record) -> None:
    """The second encrypted tally carries the signature of the first."""
    first, second = (record.artifacts[record.position("encrypted_tally", n)] for n in (0, 1))
    second.signature = first.signature


@LOG.edited("R.signature", who="trustee 2")
def signature_for_another_election(record: Record) -> None:
    """A trustee's confirmation is signed under the H_B of a rehearsal."""
    artifact = record.artifacts[record.position("key_confirmation", 1)]
    key = record.world.role_key(Role.TRUSTEE, "trustee-2")
    statement = artifact.SerializeToString(deterministic=True)
    artifact.signature = key.sign(b"sailau.v1.Artifact\0" + bytes(32) + statement[:-67])


@LOG.edited(
    "R.signature",
    who="administrator",
    server="R.encoding",
    because=NOT_AN_ARTIFACT,
)
def unsigned_election(record: Record) -> None:
    """Artifact 0 carries no signature at all."""
    record.artifacts[0].signature = b""


# --- order


@LOG.edited(
    "R.order",
    who="device ballot-box-1",
    at="ballot",
)
def ballot_before_its_device(record: Record) -> None:
    """A ballot stands before the statement with which its device begins."""
    first = record.position("device")
    record.swap(first, first + 1)


@LOG.edited("R.order", who="server", at="device")
def opening_left_out(record: Record) -> None:
    """The polls are never opened; ballots are taken all the same."""
    record.take_out("opening")


@LOG.played(
    "R.order",
    who="server",
    at="encrypted_tally decrypted_tally",
    server="R.tally-cells",
    because="the server takes the next tally and no other",
)
def tallies_exchanged(world: World, statement: Statement) -> Altered:
    """The first two tallies stand in the wrong order, encrypted and then decrypted."""
    if not isinstance(statement, EncryptedTally):
        return statement
    if statement.contest == "president" and statement.units == ("centre",):
        return ()
    if statement.contest == "council":
        return (statement, tallies(world)[0])
    return statement


@LOG.edited("R.order", who="server", at="decryption_session")
def session_after_the_end(record: Record) -> None:
    """The server begins to decrypt once more after the result."""
    session = pb.DecryptionSession(session=2, trustees=[1, 2])
    record.insert(len(record.artifacts), decryption_session=session)


@LOG.edited("R.order", who="server")
def election_twice(record: Record) -> None:
    """A second election artifact, with more trustees, stands at the end."""
    election = pb.Election()
    election.CopyFrom(record.first("election"))
    election.trustees += 1
    record.insert(len(record.artifacts), election=election)


@LOG.edited(
    "R.order",
    who="trustee 1",
    server="R.equivocation",
    because="the server names what two different messages prove",
)
def second_keys(record: Record) -> None:
    """Trustee 1 sends other keys after its first ones."""
    record.commitments_follow = False
    keys = pb.TrusteeKeys()
    keys.CopyFrom(record.first("trustee_keys"))
    keys.communication_key = keys.vote_commitments[0]
    record.insert(record.position("trustee_keys", 1), trustee_keys=keys)


@LOG.edited("R.after-close", who="server", standard=True)
def ballot_cast_after_the_close(record: Record) -> None:
    """A spoiled ballot is cast when the polls are closed, for the server to count or not."""
    ballot = record.ballot("spoiled")
    cast = pb.Cast(device=ballot.device, confirmation_code=ballot.confirmation_code)
    record.insert(record.position("polls_close") + 1, cast=cast)


@LOG.edited("R.after-close", who="server")
def device_statement_after_the_end(record: Record) -> None:
    """The administrator declares a device missing when everything is over."""
    missing = pb.DeviceMissing(device="ballot-box-2", reason="It was stolen.")
    record.insert(len(record.artifacts), device_missing=missing)


@LOG.edited(
    "R.duplicate",
    who="server",
    server="R.cast",
    because=RETRIED,
)
def cast_twice(record: Record) -> None:
    """The same cast stands in the log twice."""
    position = record.position("cast")
    copy = record.insert(position + 1)
    copy.CopyFrom(record.artifacts[position])


# --- the ends


@LOG.edited("R.complete", who="publisher", at="", standard=True)
def result_left_out(record: Record) -> None:
    """The log is cut off before the result and its checkpoint signed again."""
    record.take_out("result")


@LOG.edited("R.complete", who="publisher", at="")
def cut_off_in_the_open(record: Record) -> None:
    """The log is cut off in the middle of voting: nothing in it is wrong."""
    del record.artifacts[record.position("device_close") :]


@LOG.edited("R.complete", who="publisher", at="", options={"until": "close"})
def cut_off_before_the_last_tally(record: Record) -> None:
    """A trustee is asked to decrypt a record from which an encrypted tally is still missing."""
    del record.artifacts[record.position("encrypted_tally", -1) :]


@LOG.edited(
    "R.nothing",
    who="publisher",
    at="",
    server=None,
    because="there is no artifact 0 for the server to begin with",
)
def empty_log(record: Record) -> None:
    """The record is a signed checkpoint of nothing."""
    record.artifacts.clear()


# --- what was announced elsewhere


def _spaced() -> bytes:
    return changed_manifest(lambda document: None) + b"\n"


@LOG.played(
    "R.given-manifest",
    who="administrator",
    at="",
    manifest=_spaced(),
    server=None,
    because="what was announced elsewhere is known to the reader alone",
    options={"manifest": _spaced()[:-1]},
)
def another_manifest_than_announced(world: World, statement: Statement) -> Altered:
    """A whole election, right in itself, under a manifest that has a line feed more."""
    return statement


@LOG.edited(
    "R.given-log-key",
    who="publisher",
    at="",
    server=None,
    because="what was announced elsewhere is known to the reader alone",
    options={"log_key": "example.org/announced+00000000+AAAA"},
)
def another_log_than_announced(record: Record) -> None:
    """The record of another log is served, right in itself."""
