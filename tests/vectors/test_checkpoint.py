"""Checkpoints against the examples of C2SP, and one broken rule at a time."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import Malformed, Rejected
from record.checkpoint import (
    MAX_BYTES,
    MAX_SIGNATURES,
    Checkpoint,
    check_origin,
    parse_checkpoint,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)

# From C2SP signed-note, "Example": a verifier key and a note that it verifies.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_TEXT = "This is an example message.\n"
C2SP_SIGNATURE = (
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
)

# From C2SP tlog-checkpoint: its key is not given.
C2SP_CHECKPOINT = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
    "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)

ORIGIN = "example.org/election-2005"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = verifier_key(ORIGIN, SECRET.public_key().public_bytes_raw())
HEAD = Checkpoint(ORIGIN, 70000, hashlib.sha256(b"root").digest())
NOTE = sign_checkpoint(HEAD, SECRET).decode()
ROOT64 = base64.b64encode(HEAD.root).decode()
LINE = NOTE.splitlines()[-1]


def signed(text: str, *more: str) -> bytes:
    """Any text, properly signed by our log."""
    signature = base64.b64encode(KEY.key_id + SECRET.sign(text.encode())).decode()
    return "\n".join([text, *more, f"— {ORIGIN} {signature}", ""]).encode()


def test_the_key_of_the_c2sp_example() -> None:
    """Name, key id and key are read, and written as they were."""
    key = parse_verifier_key(C2SP_KEY)
    assert key.name == "example.com/foo"
    assert key.key_id.hex() == "530d903a"
    assert str(key) == C2SP_KEY
    assert verifier_key(key.name, key.public_key) == key


def test_the_signature_of_the_c2sp_example() -> None:
    """The id in the example's signature is that of its key, and the rest verifies."""
    key = parse_verifier_key(C2SP_KEY)
    data = base64.b64decode(C2SP_SIGNATURE)
    assert data[:4] == key.key_id
    Ed25519PublicKey.from_public_bytes(key.public_key).verify(data[4:], C2SP_TEXT.encode())


def test_the_checkpoint_of_the_c2sp_example() -> None:
    """Origin, size, root and signature of tlog-checkpoint's example are read."""
    note = parse_checkpoint(C2SP_CHECKPOINT.encode())
    assert note.checkpoint.origin == "example.com/behind-the-sofa"
    assert note.checkpoint.size == 20852163
    assert note.checkpoint.root.hex().startswith("0ac5186a91863e8e")
    assert note.checkpoint.text() == note.text
    (signature,) = note.signatures
    assert signature.name == note.checkpoint.origin
    assert len(signature.signature) == 64


def test_a_signed_checkpoint_has_the_form_of_the_page() -> None:
    """Three lines, a blank one, an em dash, the name, id and signature in base64."""
    lines = NOTE.split("\n")
    assert lines[:4] == [ORIGIN, "70000", ROOT64, ""]
    dash, name, signature = lines[4].split(" ")
    assert (dash, name, lines[5:]) == ("\u2014", ORIGIN, [""])
    public = SECRET.public_key().public_bytes_raw()
    expected_id = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    assert base64.b64decode(signature)[:4] == expected_id
    assert verify_checkpoint(NOTE.encode(), KEY) == HEAD


def test_an_empty_log_has_a_checkpoint() -> None:
    """Size 0 is written as one zero."""
    empty = Checkpoint(ORIGIN, 0, hashlib.sha256().digest())
    assert verify_checkpoint(sign_checkpoint(empty, SECRET), KEY) == empty


def test_other_signatures_are_ignored() -> None:
    """Witnesses, and keys that share the log's name or its id, change nothing."""
    junk = base64.b64encode(b"\x00\x01\x02\x03" + bytes(76)).decode()
    same_id = base64.b64encode(KEY.key_id + bytes(64)).decode()
    others = [f"— witness{i}.example {junk}" for i in range(16)]
    others += [f"— {ORIGIN} {junk}", f"— other.example {same_id}"]
    assert verify_checkpoint(signed(HEAD.text(), *others), KEY) == HEAD


@pytest.mark.parametrize(
    ("note", "problem"),
    [
        (NOTE.replace("70000", "70001"), "does not fit"),
        (NOTE.replace(ROOT64, base64.b64encode(bytes(32)).decode()), "does not fit"),
        (NOTE.replace(ORIGIN, "example.org/other"), "is of example.org/other"),
        (NOTE.replace(f"— {ORIGIN}", "— example.org/other"), "no signature of"),
        (f"{NOTE}— {ORIGIN} {base64.b64encode(KEY.key_id + bytes(64)).decode()}\n", "not fit"),
        (f"{NOTE}— {ORIGIN} {base64.b64encode(KEY.key_id + bytes(3)).decode()}\n", "not fit"),
    ],
    ids=["size", "root", "origin", "signer", "second signature", "short second signature"],
)
def test_a_checkpoint_that_the_log_did_not_sign_is_rejected(note: str, problem: str) -> None:
    """Any change to what is signed, and any false signature under the log's name and id."""
    with pytest.raises(Rejected, match=problem) as caught:
        verify_checkpoint(note.encode(), KEY)
    assert caught.value.check == "R.checkpoint"


def test_another_logs_key_is_rejected() -> None:
    """A key of the same origin with another id has not signed this."""
    other = verifier_key(ORIGIN, bytes(range(32)))
    with pytest.raises(Rejected, match="no signature"):
        verify_checkpoint(NOTE.encode(), other)


MALFORMED = {
    "empty": b"",
    "no blank line": NOTE.replace("\n\n", "\n").encode(),
    "no signature": HEAD.text().encode() + b"\n",
    "no newline at the end": NOTE[:-1].encode(),
    "blank line at the end": NOTE.encode() + b"\n",
    "carriage returns": NOTE.replace("\n", "\r\n").encode(),
    "control character": signed(HEAD.text().replace("example", "exa\x01mple")),
    "not UTF-8": NOTE.encode() + b"\xff\n",
    "hyphen for the dash": NOTE.replace("\u2014", "-").encode(),
    "two spaces": NOTE.replace("\u2014 ", "\u2014  ").encode(),
    "signature of nothing": (NOTE + "— a AAAAAA==\n").encode(),
    "signature not base64": (NOTE + "— a AAAA!AAA\n").encode(),
    "signature without padding": NOTE.replace("=\n\n", "\n\n").encode(),
    "key name with plus": (NOTE + "— a+b AAAAAAAA\n").encode(),
    "two lines": signed(f"{ORIGIN}\n70000\n"),
    "four lines": signed(HEAD.text() + "more\n"),
    "blank line inside": signed(f"{ORIGIN}\n\n{ROOT64}\n"),
    "no origin": signed(f"\n70000\n{ROOT64}\n"),
    "origin with space": signed(f"example org\n70000\n{ROOT64}\n"),
    "leading zero": signed(f"{ORIGIN}\n070000\n{ROOT64}\n"),
    "plus sign": signed(f"{ORIGIN}\n+7\n{ROOT64}\n"),
    "negative": signed(f"{ORIGIN}\n-7\n{ROOT64}\n"),
    "other digits": signed(f"{ORIGIN}\n٧\n{ROOT64}\n"),
    "huge size": signed(f"{ORIGIN}\n{2**63}\n{ROOT64}\n"),
    "endless size": signed(f"{ORIGIN}\n{'9' * 5000}\n{ROOT64}\n"),
    "short root": signed(f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n"),
    "root in hexadecimal": signed(f"{ORIGIN}\n7\n{HEAD.root.hex()}\n"),
    "root with stray bits": signed(f"{ORIGIN}\n7\n{ROOT64[:-2]}{chr(ord(ROOT64[-2]) + 1)}=\n"),
    "too many signatures": signed(HEAD.text(), *["— a AAAAAAAA"] * MAX_SIGNATURES),
    "too long": b"x" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_checkpoint_is_malformed(data: bytes) -> None:
    """A text of another form is refused even when our log has signed it."""
    with pytest.raises(Malformed) as caught:
        verify_checkpoint(data, KEY, "record/checkpoint")
    assert caught.value.field == "record/checkpoint"


NO_KEYS = {
    "empty": "",
    "two parts": C2SP_KEY.rpartition("+")[0],
    "no name": C2SP_KEY.removeprefix("example.com/foo"),
    "space in name": C2SP_KEY.replace("example", "exam ple"),
    "other name": C2SP_KEY.replace("foo", "bar"),
    "other id": C2SP_KEY.replace("530d903a", "530d903b"),
    "id in capitals": C2SP_KEY.replace("530d903a", "530D903A"),
    "other type": C2SP_KEY.replace("AekyeR", "BOkyeR"),
    "no padding where needed": C2SP_KEY[:-1],
    "short key": C2SP_KEY[:-4],
    "newline at the end": C2SP_KEY + "\n",
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_verifier_key_is_malformed(text: str) -> None:
    """Form, name, id, type and key all have to fit together."""
    with pytest.raises(Malformed) as caught:
        parse_verifier_key(text, "election.log_key")
    assert caught.value.field == "election.log_key"


@pytest.mark.parametrize(
    "origin", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b", "a\x7f", "x" * 201, "a\ud800"]
)
def test_an_origin_names_a_key_as_well(origin: str) -> None:
    """No white space, no plus sign, nothing unprintable, 1 to 200 characters."""
    with pytest.raises(Malformed) as caught:
        check_origin(origin)
    assert caught.value.field == "origin"
    check_origin("сайлау.қаз/2005")
