"""Receipts and challenge files: known bytes, and one failure each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.challenges import (
    ChallengeFile,
    audit,
    format_challenge,
    make_challenge_file,
    parse_challenge_file,
)
from ballotbox.disputes import Claim, judge, parse_dispute
from ballotbox.encryption import encrypt_ballot
from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    check_ballot,
    check_election,
    display_code,
    is_about,
    make_receipt,
    parse_code,
    parse_receipt,
    parse_receipt_message,
    short_code,
    verify_receipt,
)
from ballotbox.slips import origin, pointer, qr_code, qr_text, slip
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Ballot
from record.note import parse_verifier_key
from record.policy import Log, Policy, Witness, log_alone
from sailau.v1 import ballot_box_pb2
from tests.world import World

CODE = bytes(range(0xA0, 0xC0))
BASE_HASH = bytes(range(32))
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGIN = "example.org/election"


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field, with a number below 16 and fewer than 128 bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


def vkey(name: str, key: Ed25519PrivateKey, kind: int) -> str:
    """A verifier key as signed-note has it."""
    public = bytes([kind]) + key.public_key().public_bytes_raw()
    key_id = sha(name.encode() + b"\n" + public)[:4]
    return f"{name}+{key_id.hex()}+{b64(public).decode()}"


def signature(name: str, key: Ed25519PrivateKey, kind: int, data: bytes) -> bytes:
    """A line of a signed note."""
    key_id = bytes.fromhex(vkey(name, key, kind).split("+")[1])
    return "\u2014 ".encode() + name.encode() + b" " + b64(key_id + data) + b"\n"


# A log of three by hand. Its entry 1 is a cast: Artifact.cast is field 8, Artifact.signature
# field 1000, whose tag has two bytes.
CAST = field(8, field(1, b"box-1") + field(2, CODE)) + b"\xc2\x3e\x40" + bytes(64)
ENTRY = b"\x08\x08" + field(2, sha(CAST)) + b"\x18" + bytes([len(CAST)])
CONTENTS = b"\x08\x02" + field(2, BASE_HASH) + field(3, CODE) + field(4, ENTRY) + field(5, CAST)
LEAVES = [sha(b"\x00" + data) for data in (b"first", ENTRY, b"third")]
ROOT = sha(b"\x01" + sha(b"\x01" + LEAVES[0] + LEAVES[1]) + LEAVES[2])
TEXT = ORIGIN.encode() + b"\n3\n" + b64(ROOT) + b"\n"
NOTE = TEXT + b"\n" + signature(ORIGIN, LOG, 1, LOG.sign(TEXT))
EXTRA = b"extra " + b64(CONTENTS) + b"\n"
PATH = b64(LEAVES[0]) + b"\n" + b64(LEAVES[2]) + b"\n"
FILE = b"c2sp.org/tlog-proof@v1\n" + EXTRA + b"index 1\n" + PATH + b"\n" + NOTE

TRUST = log_alone(parse_verifier_key(vkey(ORIGIN, LOG, 1)))


def with_extra(contents: bytes) -> bytes:
    """The file with other contents in its extra line."""
    return FILE.replace(EXTRA, b"extra " + b64(contents) + b"\n")


@pytest.fixture(scope="module")
def world() -> World:
    """Open polls."""
    return World.create(TOY[-1])


@pytest.fixture
def receipt() -> Receipt:
    """The receipt made by hand."""
    return parse_receipt(FILE)


# --- receipts


def test_a_receipt_made_by_hand(receipt: Receipt) -> None:
    """Read, verified, and written as it was; made by us it has the same bytes."""
    assert (receipt.kind, receipt.index) == (ReceiptKind.CAST, 1)
    assert (receipt.base_hash, receipt.confirmation_code) == (BASE_HASH, CODE)
    assert (receipt.entry, receipt.artifact) == (ENTRY, CAST)
    assert receipt.leaf == LEAVES[1]
    judgement = verify_receipt(receipt, TRUST)
    assert (judgement.checkpoint.size, judgement.checkpoint.root) == (3, ROOT)
    assert receipt.to_bytes() == FILE
    hashes = (LEAVES[0], LEAVES[2])
    made = make_receipt(ReceiptKind.CAST, BASE_HASH, CODE, CAST, 1, hashes, NOTE)
    assert made == receipt
    assert is_about(made, ReceiptKind.CAST, CODE, CAST)
    assert not is_about(made, ReceiptKind.CAST, CODE, CAST + b"\0")


def test_a_receipt_survives_the_wire(receipt: Receipt) -> None:
    """Code and index beside the proof have to be those in it."""
    message = ballot_box_pb2.Receipt.FromString(receipt.to_message().SerializeToString())
    assert parse_receipt_message(message) == receipt
    for change in ({"index": 2}, {"confirmation_code": bytes(32)}):
        other = receipt.to_message()
        for name, value in change.items():
            setattr(other, name, value)
        with pytest.raises(Rejected) as caught:
            parse_receipt_message(other)
        assert caught.value.check == "R.receipt"


def test_the_contents_are_small() -> None:
    """A receipt of a cast is a file of some hundred bytes and travels in a status's details."""
    assert len(FILE) < 1000


OTHER_CAST = field(8, field(1, b"box-1") + field(2, bytes(32))) + b"\xc2\x3e\x40" + bytes(64)
ALTERED: dict[str, tuple[str, bytes]] = {
    "index": ("R.inclusion", FILE.replace(b"index 1", b"index 2")),
    "index outside": ("R.inclusion", FILE.replace(b"index 1", b"index 3")),
    "path": ("R.inclusion", FILE.replace(b64(LEAVES[0]), b64(LEAVES[2]))),
    "shorter path": ("R.inclusion", FILE.replace(b64(LEAVES[2]) + b"\n", b"")),
    "size": ("R.checkpoint", FILE.replace(b"\n3\n", b"\n4\n")),
    "root": ("R.checkpoint", FILE.replace(b64(ROOT), b64(LEAVES[0]))),
    "origin": ("R.checkpoint", FILE.replace(ORIGIN.encode(), b"example.org/elsewhere")),
    "log's signature": ("R.checkpoint", FILE[:-6] + b"AAAA=\n"),
    "kind": ("R.receipt", with_extra(b"\x08\x03" + CONTENTS[2:])),
    "code": ("R.receipt", with_extra(CONTENTS.replace(field(3, CODE), field(3, bytes(32))))),
    "entry's hash": ("R.inclusion", with_extra(CONTENTS.replace(sha(CAST), bytes(32)))),
    "entry's length": (
        "R.inclusion",
        with_extra(CONTENTS.replace(ENTRY, ENTRY[:-1] + bytes([len(CAST) + 1]))),
    ),
    "entry's kind": ("R.inclusion", with_extra(CONTENTS.replace(ENTRY, b"\x08\x09" + ENTRY[2:]))),
    "artifact": ("R.receipt", with_extra(CONTENTS.replace(CAST, OTHER_CAST))),
    "artifact and code": (
        "R.receipt",
        with_extra(CONTENTS.replace(CODE, bytes(32))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_receipt_does_not_verify(name: str) -> None:
    """It can be read, and what it says is not so: Rejected, with the check that says why."""
    check, data = ALTERED[name]
    assert data != FILE
    altered = parse_receipt(data)
    with pytest.raises(Rejected) as caught:
        verify_receipt(altered, TRUST)
    assert caught.value.check == check


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "nothing": ("empty line", b""),
    "another header": ("does not begin", FILE.replace(b"@v1", b"@v2")),
    "no extra": ("no extra line", FILE.replace(EXTRA, b"")),
    "empty extra": ("base64", FILE.replace(EXTRA, b"extra \n")),
    "no protobuf": ("no ReceiptContents", with_extra(b"\xff")),
    "other order": ("serialized", with_extra(CONTENTS[2:] + CONTENTS[:2])),
    "unknown field": ("unknown fields", with_extra(CONTENTS + field(6, b"x"))),
    "unknown field in the entry": (
        "unknown fields",
        with_extra(CONTENTS.replace(field(4, ENTRY), field(4, ENTRY + field(6, b"x")))),
    ),
    "no kind": ("no kind of receipt", with_extra(CONTENTS[2:])),
    "kind 4": ("no kind of receipt", with_extra(b"\x08\x04" + CONTENTS[2:])),
    "short H_B": (
        "31 bytes",
        with_extra(CONTENTS.replace(field(2, BASE_HASH), field(2, BASE_HASH[1:]))),
    ),
    "no code": ("0 bytes", with_extra(CONTENTS.replace(field(3, CODE), b""))),
    "no entry": ("0 bytes", with_extra(CONTENTS.replace(field(4, ENTRY), b""))),
    "entry of an opening": (
        "no receipts",
        with_extra(CONTENTS.replace(ENTRY, b"\x08\x05" + ENTRY[2:])),
    ),
    "entry of nothing": (
        "is not in 1..",
        with_extra(CONTENTS.replace(field(4, ENTRY), field(4, ENTRY[:-2]))),
    ),
    "no artifact": ("is missing", with_extra(CONTENTS.replace(field(5, CAST), b""))),
    "an artifact beside a ballot": ("beside a ballot", with_extra(b"\x08\x01" + CONTENTS[2:])),
    "negative index": ("decimal", FILE.replace(b"index 1", b"index -1")),
    "no checkpoint": ("", FILE[: -len(NOTE)]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_receipt_is_malformed(name: str) -> None:
    """Missing, misspelt, too much: said of the part that it is in."""
    words, data = UNREADABLE[name]
    with pytest.raises(Malformed) as caught:
        parse_receipt(data)
    assert words in str(caught.value)


def test_a_quorum_is_demanded_by_a_policy() -> None:
    """The log's signature alone, then the witness's beside it, then a false one."""
    key = parse_verifier_key(vkey("witness.example/w", WITNESS, 4), "key", 4)  # type: ignore[arg-type]
    policy = Policy(TRUST.logs, (Witness("w", key),), (), "w")
    with pytest.raises(Rejected) as caught:
        verify_receipt(parse_receipt(FILE), policy)
    assert caught.value.check == "R.quorum"
    assert not verify_receipt(parse_receipt(FILE), policy, quorum=False).quorum
    said = WITNESS.sign(b"cosignature/v1\ntime 1700000000\n" + TEXT)
    line = signature("witness.example/w", WITNESS, 4, (1700000000).to_bytes(8, "big") + said)
    judgement = verify_receipt(parse_receipt(FILE + line), policy)
    assert (dict(judgement.cosignatures), judgement.quorum) == ({"w": 1700000000}, True)
    false = signature("witness.example/w", WITNESS, 4, (1700000001).to_bytes(8, "big") + said)
    with pytest.raises(Rejected) as caught:
        verify_receipt(parse_receipt(FILE + false), policy, quorum=False)
    assert caught.value.check == "R.cosignature"


def test_another_log_is_not_believed(receipt: Receipt) -> None:
    """Its name may be the same: the key is what counts."""
    stranger = Policy((Log(parse_verifier_key(vkey(ORIGIN, WITNESS, 1))),))
    with pytest.raises(Rejected) as caught:
        verify_receipt(receipt, stranger)
    assert caught.value.check == "R.checkpoint"


def test_the_election_is_the_records_to_say(receipt: Receipt) -> None:
    """H_B is a claim until it is compared."""
    check_election(receipt, BASE_HASH)
    with pytest.raises(Rejected) as caught:
        check_election(receipt, bytes(32))
    assert caught.value.check == "R.receipt"


BALLOT = field(7, field(1, b"box-1") + b"\x4a\x20" + CODE) + b"\xc2\x3e\x40" + bytes(64)


def ballot_receipt(code: bytes = CODE) -> Receipt:
    """The receipt of a ballot that is a log's only entry."""
    entry = b"\x08\x07" + field(2, sha(BALLOT)) + b"\x18" + bytes([len(BALLOT)])
    text = ORIGIN.encode() + b"\n1\n" + b64(sha(b"\x00" + entry)) + b"\n"
    note = text + b"\n" + signature(ORIGIN, LOG, 1, LOG.sign(text))
    return make_receipt(ReceiptKind.SUBMITTED, BASE_HASH, code, BALLOT, 0, (), note)


def test_the_code_of_a_ballot_is_bound_by_the_ballot() -> None:
    """The proof shows the entry; only the ballot with that hash shows whose code it is."""
    true, false = ballot_receipt(), ballot_receipt(bytes(32))
    assert true.artifact == b""
    for receipt in (true, false):
        verify_receipt(parse_receipt(receipt.to_bytes()), TRUST)
    check_ballot(true, BALLOT)
    for receipt, data, where in (
        (false, BALLOT, "confirmation_code"),
        (true, BALLOT[:-1] + b"\1", "entry"),
        (true, CAST, "entry"),
    ):
        with pytest.raises(Rejected) as caught:
            check_ballot(receipt, data)
        assert (caught.value.check, caught.value.where) == ("R.receipt", where)
    with pytest.raises(Malformed):
        check_ballot(true, b"no ballot")


# --- disputes

OTHER, FOURTH = sha(b"\x00other"), sha(b"\x00fourth")
PAIR = sha(b"\x01" + LEAVES[0] + LEAVES[1])


def signed(size: int, root: bytes) -> bytes:
    """Another note of the same log."""
    text = ORIGIN.encode() + b"\n%d\n" % size + b64(root) + b"\n"
    return text + b"\n" + signature(ORIGIN, LOG, 1, LOG.sign(text))


def dispute_file(note: bytes, claim: str, digest: bytes, *proof: bytes) -> bytes:
    """A dispute about the receipt made by hand, as JSON of the standard library."""
    return json.dumps(
        {
            "format": "sailau-dispute/1",
            "receipt": FILE.decode(),
            "checkpoint": note.decode(),
            "claim": claim,
            "hash": digest.hex(),
            "proof": "".join(b64(h).decode() + "\n" for h in proof),
        }
    ).encode()


# A log of two, whose entry 1 is another; and one of four, whose entry 2 is another.
FORK_OF_TWO = signed(2, sha(b"\x01" + LEAVES[0] + OTHER))
BEGINNING = sha(b"\x01" + PAIR + OTHER)
FORK_OF_FOUR = signed(4, sha(b"\x01" + PAIR + sha(b"\x01" + OTHER + FOURTH)))
HONEST_FOUR = signed(4, sha(b"\x01" + PAIR + sha(b"\x01" + LEAVES[2] + FOURTH)))


def test_disputes_made_by_hand() -> None:
    """RFC 6962: the path of leaf 1 of two, and the consistency of 3 with 4."""
    for data, claim in (
        (dispute_file(FORK_OF_TWO, "entry", OTHER, LEAVES[0]), Claim.ENTRY),
        (dispute_file(FORK_OF_FOUR, "prefix", BEGINNING, OTHER, FOURTH, PAIR), Claim.PREFIX),
    ):
        dispute = parse_dispute(data)
        assert dispute.claim is claim
        judge(dispute, TRUST)


def test_a_log_that_grew_is_not_convicted() -> None:
    """The same proofs about a log that did nothing wrong."""
    for data in (
        dispute_file(HONEST_FOUR, "entry", LEAVES[1], LEAVES[0], sha(b"\x01" + LEAVES[2] + FOURTH)),
        dispute_file(HONEST_FOUR, "prefix", ROOT, LEAVES[2], FOURTH, PAIR),
    ):
        with pytest.raises(Rejected) as caught:
            judge(parse_dispute(data), TRUST)
        assert caught.value.check == "R.dispute"


# --- codes, slips


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
def test_slips_speak_three_languages(receipt: Receipt, language: str, title: str) -> None:
    """Title, election, the whole code, the number in the record and where to look."""
    text = slip(receipt, "An election", language)
    for words in (title, "An election", ": 1", ORIGIN):
        assert words in text
    assert "".join(display_code(CODE).split()) in "".join(text.split())
    assert "https://example.org/e" in slip(receipt, "", language, "https://example.org/e")


def test_every_language_has_every_word(receipt: Receipt) -> None:
    """All kinds of receipts can be printed in all of them."""
    slips = {
        slip(replace(receipt, kind=kind), "", language)
        for kind in ReceiptKind
        for language in ("kk", "ru", "en")
    }
    assert len(slips) == 9


def test_the_qr_code_says_where_to_look(receipt: Receipt) -> None:
    """Code, index and place, and nothing else; small enough for a slip of 58 mm."""
    assert origin(receipt) == ORIGIN
    assert pointer(receipt) == f"{ORIGIN}#code={CODE.hex()}&index=1"
    place = "https://results.example.org/elections/2005-12-04"
    assert pointer(receipt, place + "/") == f"{place}#code={CODE.hex()}&index=1"
    code = qr_code(receipt, place)
    assert not code.is_micro
    assert isinstance(code.version, int)
    assert code.version <= 10
    assert code.error in ("M", "Q", "H")
    assert qr_text(receipt).count("\n") > 20


# --- challenge files


@pytest.fixture(scope="module")
def challenged(world: World) -> tuple[Ballot, ChallengeFile]:
    """A ballot and what its device hands over."""
    made = encrypt_ballot(
        world.context,
        world.keys,
        "ballot-box-1",
        "centre",
        "full",
        {"president": {"beimbet": 1}, "council": {"no": 1}},
        bytes(36),
    )
    ballot, secrets = made.ballot, made.secrets
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
    made = encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "short", {}, bytes(36)
    )
    ballot, secrets = made.ballot, made.secrets
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

    made = encrypt_ballot(
        world.context, world.keys, "ballot-box-1", "centre", "short", {}, bytes(36)
    )
    ballot, secrets = made.ballot, made.secrets
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
