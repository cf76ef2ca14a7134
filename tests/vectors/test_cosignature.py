"""Cosignatures and notes of several signers, against answers made here with hashlib alone."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import Malformed, Rejected
from record.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint, verify_checkpoint
from record.cosignature import (
    cosign,
    cosigned_at,
    cosigned_message,
    cosigner_key,
    parse_answer,
    parse_cosigner_key,
    verify_cosignature,
)
from record.note import (
    MAX_SIGNATURES,
    NoteSignature,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    verifier_key,
    with_signatures,
)

# From C2SP tlog-cosignature: a checkpoint and the first signature line below it is the
# log's, the second a witness's. Their keys are not given.
C2SP_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
C2SP_NOTE = (
    f"{C2SP_TEXT}\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
    "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs"
    "X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
C2SP_TIME = 1679315147

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGIN, NAME, TIME = "example.org/log", "witness.example/w1", 1_800_000_000
HEAD = Checkpoint(ORIGIN, 5, hashlib.sha256(b"root").digest())
TEXT = HEAD.text()
PUBLIC = WITNESS.public_key().public_bytes_raw()
KEY = cosigner_key(NAME, PUBLIC)


def by_hand(time: int, text: str = TEXT, signer: Ed25519PrivateKey = WITNESS) -> bytes:
    """The 72 bytes after the key id, as the document says."""
    message = b"cosignature/v1\ntime " + str(time).encode() + b"\n" + text.encode()
    return time.to_bytes(8, "big") + signer.sign(message)


def line(signature: bytes, name: str = NAME, key_id: bytes = KEY.key_id) -> NoteSignature:
    return NoteSignature(name, key_id, signature)


def test_the_example_of_the_document() -> None:
    """The witness's line holds the time that the example's message has."""
    signed = parse_checkpoint(C2SP_NOTE.encode())
    assert signed.text == C2SP_TEXT
    log, witness = signed.signatures
    assert (log.name, len(log.signature)) == ("example.com/behind-the-sofa", 64)
    assert (witness.name, witness.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")
    assert len(witness.signature) == 8 + 64
    assert int.from_bytes(witness.signature[:8], "big") == C2SP_TIME
    assert cosigned_message(C2SP_TEXT, C2SP_TIME).decode() == (
        f"cosignature/v1\ntime 1679315147\n{C2SP_TEXT}"
    )
    assert witness.line() == C2SP_NOTE.splitlines(keepends=True)[-1]


def test_the_key_of_a_witness_has_an_id_of_its_own() -> None:
    """SHA-256(name || 0A || 04 || key): not that of a log with this name and key."""
    digest = hashlib.sha256(NAME.encode() + b"\n\x04" + PUBLIC).digest()
    assert KEY.key_id == digest[:4]
    text = f"{NAME}+{digest[:4].hex()}+{base64.b64encode(bytes([4]) + PUBLIC).decode()}"
    assert str(KEY) == text
    assert parse_cosigner_key(text) == KEY
    log = verifier_key(NAME, PUBLIC)
    assert log.key_id != KEY.key_id
    for parse, other in ((parse_cosigner_key, log), (parse_verifier_key, KEY)):
        with pytest.raises(Malformed, match="of type"):
            parse(str(other))


def test_a_cosignature_is_made_as_the_document_says() -> None:
    """Time, then the signature over two lines and the text: Ed25519 has one answer."""
    made = cosign(TEXT, KEY, WITNESS, TIME)
    assert made == line(by_hand(TIME))
    assert verify_cosignature(made, KEY, TEXT) == TIME
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(
        made.signature[8:], cosigned_message(TEXT, TIME)
    )


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_a_witness_never_leaves_out_the_time(time: int) -> None:
    """1 to 2^63 - 1."""
    with pytest.raises(ValueError, match="time"):
        cosign(TEXT, KEY, WITNESS, time)


def test_extension_lines_are_cosigned() -> None:
    """Another log's checkpoint may have them; a record of ours may not."""
    text = TEXT + "extension\n"
    note = f"{text}\n{cosign(text, KEY, WITNESS, TIME).line()}".encode()
    signed = parse_checkpoint(note, any_log=True)
    assert signed.checkpoint == HEAD
    assert cosigned_at(signed.signatures, KEY, signed.text) == TIME
    with pytest.raises(Rejected):
        verify_cosignature(signed.signatures[0], KEY, TEXT)
    with pytest.raises(Malformed, match="4 lines"):
        parse_checkpoint(note)


def test_origins_of_other_logs() -> None:
    """tlog-checkpoint only demands that there is one; ours can name a key."""
    text = TEXT.replace(ORIGIN, "go.sum database tree")
    note = f"{text}\n{cosign(text, KEY, WITNESS, TIME).line()}".encode()
    assert parse_checkpoint(note, any_log=True).checkpoint.origin == "go.sum database tree"
    with pytest.raises(Malformed):
        parse_checkpoint(note)


FALSE = {
    "another time": (TIME + 1).to_bytes(8, "big") + by_hand(TIME)[8:],
    "another text": by_hand(TIME, TEXT.replace("\n5\n", "\n6\n")),
    "another signer": by_hand(TIME, signer=LOG),
    "no time": by_hand(TIME)[8:],
    "the text alone": TIME.to_bytes(8, "big") + WITNESS.sign(TEXT.encode()),
    "a byte short": by_hand(TIME)[:-1],
    "a byte long": by_hand(TIME) + b"\0",
    "too far in the future": by_hand(2**63),
    "a byte": b"\0",
}


@pytest.mark.parametrize("signature", FALSE.values(), ids=FALSE)
def test_a_false_cosignature_is_rejected(signature: bytes) -> None:
    """Whatever has the witness's name and id has to hold."""
    with pytest.raises(Rejected) as caught:
        verify_cosignature(line(signature), KEY, TEXT)
    assert caught.value.check == "R.cosignature"
    assert caught.value.culprit == NAME
    with pytest.raises(Rejected):
        cosigned_at([cosign(TEXT, KEY, WITNESS, TIME), line(signature)], KEY, TEXT)


def test_who_did_not_sign_did_not_sign() -> None:
    """Names and ids alone, of others, mean nothing."""
    others = [line(bytes(72), "other.example"), line(bytes(72), key_id=b"none")]
    assert cosigned_at(others, KEY, TEXT) is None
    twice = [cosign(TEXT, KEY, WITNESS, TIME + step) for step in (5, 0)]
    assert cosigned_at([*others, *twice], KEY, TEXT) == TIME + 5


def test_a_note_of_sixteen_signatures() -> None:
    """And of a hundred; not of more."""
    note = sign_checkpoint(HEAD, LOG)
    witnesses = [
        NoteSignature(f"witness.example/{i}", bytes([0, 0, 0, i]), bytes(2420 + 8))
        for i in range(15)
    ]
    note = with_signatures(note, witnesses)
    assert len(parse_note(note).signatures) == 16
    assert verify_checkpoint(note, verifier_key(ORIGIN, LOG.public_key().public_bytes_raw()))
    lines = "".join(line(bytes(1), f"w{i}").line() for i in range(MAX_SIGNATURES + 1)).encode()
    assert len(parse_signatures(lines[: lines.index(b"w100") - 4])) == MAX_SIGNATURES
    with pytest.raises(Malformed, match="signatures"):
        parse_signatures(lines)


def test_a_newer_cosignature_takes_the_place_of_the_older() -> None:
    """One line for each name and id; the log's stays, the text stays."""
    note = sign_checkpoint(HEAD, LOG)
    first, second = (cosign(TEXT, KEY, WITNESS, TIME + i) for i in range(2))
    merged = with_signatures(with_signatures(note, [first]), [second])
    assert merged == note + second.line().encode()
    assert with_signatures(merged, []) == merged


def test_what_a_witness_answers() -> None:
    """Its own lines, each with a time; those of others are left out."""
    ours, other = cosign(TEXT, KEY, WITNESS, TIME), line(bytes(72), "other.example")
    answer = (other.line() + ours.line()).encode()
    assert parse_answer(answer, KEY, TEXT) == (ours,)
    with pytest.raises(Rejected, match="no cosignature"):
        parse_answer(other.line().encode(), KEY, TEXT)
    with pytest.raises(Rejected, match="leaves out"):
        parse_answer(line(by_hand(0)).line().encode(), KEY, TEXT)
    with pytest.raises(Rejected, match="does not fit"):
        parse_answer(answer, KEY, TEXT + "more\n")


@pytest.mark.parametrize("answer", [b"", b"\n", b"\xff\n", b"no\n", "— a AAAAAAAA".encode()])
def test_what_is_no_answer_is_malformed(answer: bytes) -> None:
    """One or more signature lines, each with its newline."""
    with pytest.raises(Malformed):
        parse_answer(answer, KEY, TEXT)
