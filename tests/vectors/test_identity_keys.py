"""Role keys, spoken fingerprints, identities and passphrases: known answers and refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from crypto.errors import InvalidProof, Malformed
from identity.errors import PassphraseError
from identity.passphrase import ask_passphrase, read_passphrase
from identity.rolekeys import (
    SMALL_ORDER,
    RoleKey,
    parse_public_key,
    spoken,
    spoken_rows,
    verify_signature,
)
from identity.roles import Identity, Role, parse_identity_uri

# RFC 8032, section 7.1, test 2.
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
P25519 = 2**255 - 19


def test_role_key_is_ed25519() -> None:
    """The key of RFC 8032 has its public half and its signature here too."""
    key = RoleKey.from_secret(SECRET)
    assert key.public_bytes == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert key.secret_bytes() == SECRET
    verify_signature(PUBLIC, SIGNATURE, b"\x72")


@pytest.mark.parametrize(
    ("public", "signature", "message"),
    [
        (PUBLIC, SIGNATURE, b"\x73"),
        (PUBLIC, SIGNATURE[:-1] + b"\x01", b"\x72"),
        (PUBLIC, SIGNATURE[:-1], b"\x72"),
        (SECRET, SIGNATURE, b"\x72"),
        (PUBLIC[:-1], SIGNATURE, b"\x72"),
    ],
    ids=["message", "signature", "short signature", "key", "short key"],
)
def test_signature_refused(public: bytes, signature: bytes, message: bytes) -> None:
    """A signature over other bytes, by another key or of another width raises."""
    with pytest.raises(InvalidProof):
        verify_signature(public, signature, message)


def test_role_key_repr_is_redacted() -> None:
    """A printed key shows its public half and not its secret one."""
    text = repr(RoleKey.from_secret(SECRET))
    assert PUBLIC.hex() in text
    assert SECRET.hex() not in text


def test_secret_of_wrong_width() -> None:
    """A secret of 31 bytes is malformed, and the message does not show it."""
    with pytest.raises(Malformed, match="31 bytes") as caught:
        RoleKey.from_secret(SECRET[:31])
    assert SECRET[:31].hex() not in str(caught.value)


def test_generated_keys_differ() -> None:
    """Two new keys are two keys."""
    assert RoleKey.generate().secret_bytes() != RoleKey.generate().secret_bytes()


def _double(point: tuple[int, int]) -> tuple[int, int]:
    """Twice a point of edwards25519 (RFC 8032, 5.1.4, in affine coordinates)."""
    d = -121665 * pow(121666, -1, P25519) % P25519
    x, y = point
    xy = d * x * x * y * y
    double_x = 2 * x * y * pow(1 + xy, -1, P25519)
    double_y = (y * y + x * x) * pow(1 - xy, -1, P25519)
    return double_x % P25519, double_y % P25519


def _decompress(encoded: bytes) -> tuple[int, int]:
    """The point with even x for an encoded y (RFC 8032, 5.1.3), y taken mod p."""
    d = -121665 * pow(121666, -1, P25519) % P25519
    y = int.from_bytes(encoded, "little") % P25519
    u, v = (y * y - 1) % P25519, (d * y * y + 1) % P25519
    x = u * pow(v, 3, P25519) * pow(u * pow(v, 7, P25519), (P25519 - 5) // 8, P25519) % P25519
    if v * x * x % P25519 != u:
        x = x * pow(2, (P25519 - 1) // 4, P25519) % P25519
    assert v * x * x % P25519 == u
    return x, y


@pytest.mark.parametrize("encoded", sorted(SMALL_ORDER), ids=lambda encoded: encoded.hex()[:8])
def test_small_order_keys_are_refused(encoded: bytes) -> None:
    """Each listed point is the neutral one when doubled thrice; with either sign it is no key."""
    point = _double(_double(_double(_decompress(encoded))))
    assert point == (0, 1)
    for sign in (0, 0x80):
        with pytest.raises(Malformed, match="small order"):
            parse_public_key(encoded[:-1] + bytes([encoded[-1] | sign]), "key")


def test_small_order_list_is_complete() -> None:
    """The y of all eight points of small order, in both encodings below 2^255, are listed."""
    listed = {int.from_bytes(encoded, "little") % P25519 for encoded in SMALL_ORDER}
    doubled = {y for y in listed if _double(_decompress(y.to_bytes(32, "little")))[1] in listed}
    assert listed == doubled
    # Points of order 1, 2, 4 and 8 have 1, 1, 1 and 2 different y.
    assert len(listed) == 5
    assert len(SMALL_ORDER) == 5 + sum(y + P25519 < 2**255 for y in listed)


def test_public_key_width() -> None:
    """A real key passes; one byte less does not."""
    assert parse_public_key(PUBLIC, "key") == PUBLIC
    with pytest.raises(Malformed, match="31 bytes"):
        parse_public_key(PUBLIC[:31], "key")


def test_spoken_known_answer() -> None:
    """The sixty digits of 32 zero bytes, computed from the definition by hand."""
    number = int(hashlib.sha256(b"sailau.v1.spoken" + bytes(33)).hexdigest(), 16) % 10**60
    groups = spoken(bytes(32)).split(" ")
    assert [len(group) for group in groups] == [5] * 12
    assert "".join(groups) == str(number).rjust(60, "0")
    assert spoken(bytes(32)) != spoken(bytes(31) + b"\x01")


def test_spoken_rows_are_the_same_digits() -> None:
    """Two rows of six groups, and nothing of the number is lost or moved."""
    rows = spoken_rows(PUBLIC)
    assert [len(row.split(" ")) for row in rows] == [6, 6]
    assert " ".join(rows) == spoken(PUBLIC)


@pytest.mark.parametrize(
    ("identity", "uri"),
    [
        (Identity(Role.TRUSTEE, "Aigul"), "sailau:trustee/Aigul"),
        (Identity(Role.DEVICE, "unit 1/a"), "sailau:device/unit%201%2Fa"),
        (Identity(Role.SERVER, "Әл"), "sailau:server/%D3%98%D0%BB"),
    ],
)
def test_identity_uri(identity: Identity, uri: str) -> None:
    """An identity has one URI, and the URI gives the identity back."""
    assert identity.uri == uri
    assert parse_identity_uri(uri) == identity


@pytest.mark.parametrize(
    "uri",
    [
        "sailau:trustee",
        "trustee/a",
        "https://trustee/a",
        "sailau:voter/a",
        "sailau:trustee/",
        "sailau:trustee/%FF",
        "sailau:trustee/%61",
        "sailau:trustee/a/b",
        "sailau:trustee/a%0A",
        "sailau:trustee/%20a",
        "sailau:TRUSTEE/a",
        "sailau:trustee/" + "a" * 101,
    ],
)
def test_identity_uri_refused(uri: str) -> None:
    """What is not the one spelling of an identity is malformed."""
    with pytest.raises(Malformed):
        parse_identity_uri(uri)


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"correct horse\n", b"correct horse"),
        (b"correct horse", b"correct horse"),
        (b"correct horse\r\n", b"correct horse"),
        (b" spaces stay \n", b" spaces stay "),
        ("и\u0306\n".encode(), "й".encode()),
    ],
)
def test_passphrase_file(tmp_path: Path, content: bytes, passphrase: bytes) -> None:
    """The line's end is dropped, everything else kept, text normalized."""
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    path.chmod(0o600)
    assert read_passphrase(path) == passphrase


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"a" * 1025, b"nul\0\n"]
)
def test_passphrase_file_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, more than a line, not text, or too long: refused without being quoted."""
    path = tmp_path / "passphrase"
    path.write_bytes(content)
    with pytest.raises(PassphraseError) as caught:
        read_passphrase(path)
    assert "lines" not in str(caught.value)
    assert "nul" not in str(caught.value)


def test_passphrase_file_missing(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(PassphraseError, match="nowhere"):
        read_passphrase(tmp_path / "nowhere")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_passphrase_file_permissions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    """A file that others may read is used, with a warning that does not quote it."""
    path = tmp_path / "passphrase"
    path.write_bytes(b"correct horse\n")
    path.chmod(mode)
    assert read_passphrase(path) == b"correct horse"
    assert ("chmod 600" in caplog.text) is warned
    assert "correct horse" not in caplog.text


def test_passphrase_asked_twice() -> None:
    """A new passphrase is asked for twice, and two that differ are refused unquoted."""
    answers = iter(["correct horse", "correct hoarse"])
    with pytest.raises(PassphraseError, match="differ") as caught:
        ask_passphrase("the key store", confirm=True, ask=lambda _: next(answers))
    assert "correct" not in str(caught.value)
    assert ask_passphrase("it", confirm=True, ask=lambda _: "й") == "й".encode()


def test_passphrase_asked_once() -> None:
    """An existing passphrase is asked for once, with what it is for."""
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return "correct horse"

    assert ask_passphrase("trustee 1", confirm=False, ask=answer) == b"correct horse"
    assert prompts == ["Passphrase for trustee 1: "]


def test_passphrase_needs_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a terminal nothing is read from standard input; a file is advised."""
    path = tmp_path / "input"
    path.write_text("correct horse\n")
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(PassphraseError, match="passphrase file"):
            ask_passphrase("it", confirm=False)
        assert file.read() == "correct horse\n"
