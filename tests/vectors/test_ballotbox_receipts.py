"""Receipts and challenge files: known bytes, and one failure each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ballotbox.challenges import (
    ChallengeFile,
    audit,
    format_challenge,
    make_challenge_file,
    parse_challenge_file,
)
from ballotbox.device import encrypt_ballot
from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    display_code,
    format_receipt,
    make_receipt,
    parse_code,
    parse_receipt,
    parse_receipt_file,
    short_code,
    slip,
    verify_receipt,
)
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Ballot, Role
from sailau.v1 import ballot_box_pb2
from tests.world import World

CODE = bytes(range(0xA0, 0xC0))
ARTIFACT = b"the artifact"


@pytest.fixture(scope="module")
def world() -> World:
    """Open polls."""
    return World.create(TOY[-1])


@pytest.fixture(scope="module")
def receipt(world: World) -> Receipt:
    """A receipt for a cast."""
    sign = world.role_key(Role.SERVER).sign
    return make_receipt(ReceiptKind.CAST, world.context.base_hash, CODE, 300, ARTIFACT, sign)


# --- receipts


def test_the_signature_is_over_the_documented_bytes(world: World, receipt: Receipt) -> None:
    """Protobuf written by hand: kind, H_B, code, index, hash; the server's key verifies it."""
    encoded = (
        b"\x08\x02"
        + b"\x12\x20"
        + world.context.base_hash
        + b"\x1a\x20"
        + CODE
        + b"\x20\xac\x02"
        + b"\x2a\x20"
        + hashlib.sha256(ARTIFACT).digest()
    )
    key = world.role_key(Role.SERVER).public_key()
    key.verify(receipt.signature, b"sailau.v1.Receipt\x00" + encoded)
    sent = receipt.to_message().SerializeToString(deterministic=True)
    assert sent == encoded + b"\x7a\x40" + receipt.signature


def test_a_receipt_survives_its_journeys(world: World, receipt: Receipt) -> None:
    """Over the wire and through a file it is the same, and still verifies."""
    wire = ballot_box_pb2.Receipt.FromString(receipt.to_message().SerializeToString())
    for again in (
        parse_receipt(wire),
        parse_receipt_file(format_receipt(receipt, "test-election")),
    ):
        assert again == receipt
        verify_receipt(world.context, again)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": ReceiptKind.SUBMITTED},
        {"base_hash": bytes(32)},
        {"confirmation_code": bytes(32)},
        {"index": 301},
        {"artifact_sha256": bytes(32)},
        {"signature": bytes(64)},
    ],
)
def test_a_changed_receipt_does_not_verify(
    world: World, receipt: Receipt, change: dict[str, Any]
) -> None:
    """Every member is under the signature."""
    with pytest.raises(Rejected) as caught:
        verify_receipt(world.context, replace(receipt, **change))
    assert caught.value.check == "R.receipt"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": 0}, "receipt.kind"),
        ({"kind": 9}, "receipt.kind"),
        ({"base_hash": b""}, "receipt.base_hash"),
        ({"confirmation_code": bytes(31)}, "receipt.confirmation_code"),
        ({"artifact_sha256": bytes(33)}, "receipt.artifact_sha256"),
        ({"signature": bytes(63)}, "receipt.signature"),
    ],
)
def test_a_received_receipt_has_its_widths(
    receipt: Receipt, change: dict[str, Any], field: str
) -> None:
    """A field of the wrong width is named."""
    message = receipt.to_message()
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(Malformed) as caught:
        parse_receipt(message)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "sailau-receipt/2"}, "receipt.format"),
        ({"kind": "eaten"}, "receipt.kind"),
        ({"index": -1}, "receipt.index"),
        ({"index": True}, "receipt.index"),
        ({"index": 1.0}, "receipt.index"),
        ({"confirmation_code": "AB" * 32}, "receipt.confirmation_code"),
        ({"confirmation_code": "ab" * 31}, "receipt.confirmation_code"),
        ({"signature": None}, "receipt.signature"),
        ({"election": 7}, "receipt.election"),
        ({"choice": "abai"}, "receipt['choice']"),
    ],
)
def test_a_receipt_file_has_exactly_its_members(
    receipt: Receipt, change: dict[str, Any], field: str
) -> None:
    """Another format, type, spelling or member is refused by name."""
    document = {**json.loads(format_receipt(receipt, "test-election")), **change}
    with pytest.raises(Malformed) as caught:
        parse_receipt_file(json.dumps(document).encode())
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["format", "election", "kind", "index", "signature"])
def test_a_receipt_file_lacks_nothing(receipt: Receipt, name: str) -> None:
    """A missing member is named."""
    document = json.loads(format_receipt(receipt, "test-election"))
    del document[name]
    with pytest.raises(Malformed) as caught:
        parse_receipt_file(json.dumps(document).encode())
    assert caught.value.field == f"receipt.{name}"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"null", b" " * 100_000])
def test_a_file_that_is_no_json_object_is_malformed(data: bytes) -> None:
    """Whatever it is instead."""
    with pytest.raises(Malformed):
        parse_receipt_file(data)


def test_codes_are_shown_and_read_back() -> None:
    """Sixteen groups of four; separators and case do not matter when typed."""
    text = display_code(CODE)
    assert text.startswith("A0A1 A2A3 A4A5 A6A7 A8A9")
    assert len(text.split()) == 16
    assert short_code(CODE) == "A0A1 A2A3 A4A5 A6A7"
    for typed in (text, text.lower(), CODE.hex(), text.replace(" ", "-"), f"  {text}\n"):
        assert parse_code(typed) == CODE


@pytest.mark.parametrize("typed", ["", "A0A1", CODE.hex() + "00", "g" * 64, CODE.hex()[:-1] + "x"])
def test_what_is_no_code_is_refused(typed: str) -> None:
    """Too short, too long, not hexadecimal."""
    with pytest.raises(Malformed, match="64 hexadecimal digits"):
        parse_code(typed)


@pytest.mark.parametrize(
    ("language", "title"),
    [("kk", "Бюллетень түбіртегі"), ("ru-KZ", "Квитанция"), ("en", "Ballot receipt")],
)
def test_slips_speak_three_languages(
    world: World, receipt: Receipt, language: str, title: str
) -> None:
    """Title, election, the whole code and the number in the record are on each."""
    text = slip(receipt, world.context.manifest.name, language)
    assert title in text
    assert world.context.manifest.name.in_language(language) in text
    assert "".join(display_code(CODE).split()) in "".join(text.split())
    assert "300" in text


def test_every_language_has_every_word(world: World, receipt: Receipt) -> None:
    """All kinds of receipts can be printed in all of them."""
    name = world.context.manifest.name
    slips = {
        slip(replace(receipt, kind=kind), name, language)
        for kind in ReceiptKind
        for language in ("kk", "ru", "en")
    }
    assert len(slips) == 9


# --- challenge files


@pytest.fixture(scope="module")
def challenged(world: World) -> tuple[Ballot, ChallengeFile]:
    """A ballot and what its device hands over."""
    ballot, secrets = encrypt_ballot(
        world.context,
        world.keys,
        "ballot-box-1",
        "centre",
        "full",
        {"president": {"beimbet": 1}, "council": {"no": 1}},
        bytes(36),
    )
    file = make_challenge_file(
        world.context, world.keys, ballot, secrets.ballot_nonce, secrets.selections
    )
    return ballot, file


def test_the_code_can_be_computed_from_the_file_with_hmac_alone(
    world: World, challenged: tuple[Ballot, ChallengeFile]
) -> None:
    """Equations 31, 32, 70 and 71 written out with the standard library."""
    ballot, file = challenged
    p, g, k = world.group.parameters.p, world.group.parameters.g, int(world.keys.vote_key.element)

    def h(key: bytes, *parts: bytes) -> bytes:
        return hmac.new(key, b"".join(parts), "sha256").digest()

    h_i = h(file.extended_base_hash, b"\x20", ballot.identifier)
    hashes = []
    for index, contest in enumerate(file.contests, start=1):
        parts = [b"\x28", index.to_bytes(4, "big")]
        for option in contest.options:
            alpha = pow(g, int(option.nonce), p)
            beta = pow(k, option.value + int(option.nonce), p)
            parts += [alpha.to_bytes(32, "big"), beta.to_bytes(32, "big")]
        hashes.append(h(h_i, *parts))
    assert h(h_i, b"\x29", *hashes, ballot.chaining_field) == file.confirmation_code


def test_an_honest_device_passes_the_audit(
    world: World, challenged: tuple[Ballot, ChallengeFile]
) -> None:
    """Also through the file."""
    ballot, file = challenged
    read = parse_challenge_file(format_challenge(file, world.context), world.context)
    assert read == file
    audit(world.context, world.keys, ballot, read)


def test_the_file_does_not_give_the_ballot_nonce_away(world: World) -> None:
    """Only nonces of selections are in it."""
    ballot, secrets = encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "short", {}, bytes(36)
    )
    file = make_challenge_file(
        world.context, world.keys, ballot, secrets.ballot_nonce, secrets.selections
    )
    assert secrets.ballot_nonce.hex().encode() not in format_challenge(file, world.context)


def with_option(file: ChallengeFile, **change: Any) -> ChallengeFile:
    """The file with another first option of the first contest."""
    first, *rest = file.contests
    option, *options = first.options
    return replace(
        file, contests=(replace(first, options=(replace(option, **change), *options)), *rest)
    )


FALSE_FILES: dict[str, tuple[str, str, Callable[[ChallengeFile], ChallengeFile]]] = {
    "value": ("13.B", "option abai", lambda f: with_option(f, value=1)),
    "nonce": (
        "13.B",
        "option abai",
        lambda f: with_option(f, nonce=f.contests[0].options[0].nonce ^ 1),
    ),
    "option label": ("14.D", "contest president", lambda f: with_option(f, option="gulnar")),
    "option left out": (
        "14.D",
        "contest president",
        lambda f: replace(
            f,
            contests=(
                replace(f.contests[0], options=f.contests[0].options[:-1]),
                *f.contests[1:],
            ),
        ),
    ),
    "contest left out": ("14.B", "contests", lambda f: replace(f, contests=f.contests[:1])),
    "contests exchanged": ("14.B", "contests", lambda f: replace(f, contests=f.contests[::-1])),
    "election": ("R.challenge-file", "base_hash", lambda f: replace(f, base_hash=bytes(32))),
    "keys": (
        "R.challenge-file",
        "extended_base_hash",
        lambda f: replace(f, extended_base_hash=bytes(32)),
    ),
    "code": (
        "R.challenge-file",
        "confirmation_code",
        lambda f: replace(f, confirmation_code=bytes(32)),
    ),
    "unit": ("R.challenge-file", "unit", lambda f: replace(f, unit="village")),
    "style": ("R.challenge-file", "ballot_style", lambda f: replace(f, ballot_style="short")),
    "device": ("R.challenge-file", "device", lambda f: replace(f, device="ballot-box-2")),
}


@pytest.mark.parametrize("name", FALSE_FILES)
def test_a_false_file_is_found_out_where_it_is_false(
    world: World, challenged: tuple[Ballot, ChallengeFile], name: str
) -> None:
    """A device that claims another choice than it encrypted names its place."""
    check, place, change = FALSE_FILES[name]
    ballot, file = challenged
    with pytest.raises(Rejected) as caught:
        audit(world.context, world.keys, ballot, change(file))
    assert caught.value.check == check
    assert caught.value.where.endswith(place)
    assert caught.value.culprit == "device ballot-box-1"


def in_contest(ballot: Ballot, **change: Any) -> Ballot:
    """The ballot with another first contest."""
    first, *rest = ballot.contests
    return replace(ballot, contests=(replace(first, **change), *rest))


FALSE_BALLOTS: dict[str, tuple[str, Callable[[Ballot], Ballot]]] = {
    "identifier hash": ("5.B", lambda b: replace(b, identifier_hash=bytes(32))),
    "contest hash": ("8.A", lambda b: in_contest(b, contest_hash=bytes(32))),
    "chaining field": ("8.B", lambda b: replace(b, chaining_field=b"\x01" * 36)),
    "ciphertexts": (
        "13.B",
        lambda b: in_contest(b, selections=b.contests[0].selections[::-1]),
    ),
}


@pytest.mark.parametrize("name", FALSE_BALLOTS)
def test_a_ballot_that_was_exchanged_is_found_out(
    world: World, challenged: tuple[Ballot, ChallengeFile], name: str
) -> None:
    """What stands on the record has to be what the code stands for."""
    check, change = FALSE_BALLOTS[name]
    ballot, file = challenged
    with pytest.raises(Rejected) as caught:
        audit(world.context, world.keys, change(ballot), file)
    assert caught.value.check == check


def test_a_device_that_encrypts_above_a_limit_is_found_out(world: World) -> None:
    """Encrypted and claimed alike: the limits are checked even without the proofs."""
    from crypto.elgamal import encrypt
    from record.ballot_hashes import confirmation_code, contest_hash

    ballot, secrets = encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "short", {}, bytes(36)
    )
    file = make_challenge_file(
        world.context, world.keys, ballot, secrets.ballot_nonce, secrets.selections
    )
    for values, check in (((2, 0, 0), "14.E"), ((1, 1, 0), "14.F")):
        (contest,) = file.contests
        options = tuple(
            replace(o, value=value) for o, value in zip(contest.options, values, strict=True)
        )
        ciphertexts = [encrypt(world.keys.vote_key, o.value, o.nonce) for o in options]
        chi = contest_hash(world.group, ballot.identifier_hash, 1, ciphertexts)
        code = confirmation_code(ballot.identifier_hash, [chi], ballot.chaining_field)
        sealed = tuple(
            replace(s, alpha=c.alpha, beta=c.beta)
            for s, c in zip(ballot.contests[0].selections, ciphertexts, strict=True)
        )
        forged = replace(
            in_contest(ballot, selections=sealed, contest_hash=chi), confirmation_code=code
        )
        claim = replace(file, confirmation_code=code, contests=(replace(contest, options=options),))
        with pytest.raises(Rejected) as caught:
            audit(world.context, world.keys, forged, claim)
        assert caught.value.check == check


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("format",), "sailau-challenge/0", "challenge.format"),
        (("base_hash",), "00", "challenge.base_hash"),
        (("contests",), {}, "challenge.contests"),
        (("contests", 0), [], "challenge.contests[0]"),
        (("contests", 0, "contest"), 1, "challenge.contests[0].contest"),
        (
            ("contests", 1, "selections", 1, "value"),
            "1",
            "challenge.contests[1].selections[1].value",
        ),
        (
            ("contests", 1, "selections", 1, "value"),
            -1,
            "challenge.contests[1].selections[1].value",
        ),
        (
            ("contests", 0, "selections", 2, "nonce"),
            "0",
            "challenge.contests[0].selections[2].nonce",
        ),
        (
            ("contests", 0, "selections", 2, "nonce"),
            "f" * 16,
            "challenge.contests[0].selections[2].nonce",
        ),
        (("contests", 0, "selections", 0, "x"), 0, "challenge.contests[0].selections[0]['x']"),
    ],
)
def test_a_challenge_file_is_read_strictly(
    world: World,
    challenged: tuple[Ballot, ChallengeFile],
    place: tuple[Any, ...],
    value: object,
    field: str,
) -> None:
    """What is wrong is named with its path; nonces are below q."""
    document = json.loads(format_challenge(challenged[1], world.context))
    target = document
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    with pytest.raises(Malformed) as caught:
        parse_challenge_file(json.dumps(document).encode(), world.context)
    assert caught.value.field == field
