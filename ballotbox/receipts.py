"""Receipts: the server's signed promise that a ballot is in the record.

A receipt says nothing of the choice, and neither does the confirmation code on it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ballotbox.documents import Reader, write_document
from crypto.errors import Malformed, Rejected
from record.artifacts import Role
from record.election import ElectionContext
from record.manifest import Text
from sailau.v1 import ballot_box_pb2

RECEIPT_FORMAT = "sailau-receipt/1"
RECEIPT_CHECK = "R.receipt"

_CONTEXT = b"sailau.v1.Receipt\x00"
_LIMIT = 64 << 10


class ReceiptKind(IntEnum):
    """What a receipt acknowledges, as in ballot_box.proto."""

    SUBMITTED = 1
    CAST = 2
    CHALLENGED = 3


@dataclass(frozen=True, slots=True)
class Receipt:
    """The promise that an artifact about the ballot of this code is in the record.

    H_B, the code and the artifact's SHA-256 are 32 bytes, the signature 64.
    """

    kind: ReceiptKind
    base_hash: bytes
    confirmation_code: bytes
    index: int
    artifact_sha256: bytes
    signature: bytes

    def to_message(self) -> ballot_box_pb2.Receipt:
        """As it travels."""
        return ballot_box_pb2.Receipt(
            kind=ballot_box_pb2.ReceiptKind.Name(int(self.kind)),
            base_hash=self.base_hash,
            confirmation_code=self.confirmation_code,
            index=self.index,
            artifact_sha256=self.artifact_sha256,
            signature=self.signature,
        )


def make_receipt(
    kind: ReceiptKind,
    base_hash: bytes,
    code: bytes,
    index: int,
    artifact: bytes,
    sign: Callable[[bytes], bytes],
) -> Receipt:
    """Sign a receipt for `artifact` (its bytes), which stands at `index` of the record."""
    sha256 = hashlib.sha256(artifact).digest()
    unsigned = Receipt(kind, base_hash, code, index, sha256, b"")
    signature = sign(_signed(unsigned))
    return Receipt(kind, base_hash, code, index, sha256, signature)


def parse_receipt(message: ballot_box_pb2.Receipt) -> Receipt:
    """Check a received message's form. Raises Malformed."""
    for name, width in _WIDTHS.items():
        if len(getattr(message, name)) != width:
            raise Malformed(
                f"receipt.{name}", f"has {len(getattr(message, name))} bytes instead of {width}"
            )
    return Receipt(
        _kind(message.kind),
        message.base_hash,
        message.confirmation_code,
        message.index,
        message.artifact_sha256,
        message.signature,
    )


def verify_receipt(context: ElectionContext, receipt: Receipt) -> None:
    """Raise Rejected (R.receipt) unless this election's server signed the receipt."""
    if receipt.base_hash != context.base_hash:
        raise Rejected(RECEIPT_CHECK, "the receipt is of another election", where="base_hash")
    key = context.single_key(Role.SERVER)
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(
            receipt.signature, _signed(receipt)
        )
    except InvalidSignature:
        raise Rejected(
            RECEIPT_CHECK, "the server's key did not sign this", culprit="server", where="signature"
        ) from None


def _signed(receipt: Receipt) -> bytes:
    message = receipt.to_message()
    message.ClearField("signature")
    return _CONTEXT + message.SerializeToString(deterministic=True)


def _kind(number: int) -> ReceiptKind:
    try:
        return ReceiptKind(number)
    except ValueError:
        raise Malformed("receipt.kind", f"is {number}, which is no kind of receipt") from None


_WIDTHS = {
    "base_hash": 32,
    "confirmation_code": 32,
    "artifact_sha256": 32,
    "signature": 64,
}


# --- codes as people see them


def display_code(code: bytes) -> str:
    """All of a code (32 bytes): 16 groups of four hexadecimal digits, in capitals."""
    digits = code.hex().upper()
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


def short_code(code: bytes) -> str:
    """The first four groups: to tell ballots apart on a screen, not to look one up."""
    return display_code(code[:8])


def parse_code(text: str, field: str = "code") -> bytes:
    """The code that a person typed: 64 digits, whatever separates them. Raises Malformed."""
    digits = re.sub(r"[\s:-]", "", text).lower()
    if len(digits) != 64 or not re.fullmatch("[0-9a-f]*", digits):
        raise Malformed(
            field, "is not 64 hexadecimal digits", "Spaces and dashes between them do not matter."
        )
    return bytes.fromhex(digits)


# --- receipt files and slips


def format_receipt(receipt: Receipt, election: str) -> bytes:
    """A receipt file: JSON with hexadecimal members. `election` is the manifest's label."""
    return write_document(
        {
            "format": RECEIPT_FORMAT,
            "election": election,
            "base_hash": receipt.base_hash.hex(),
            "kind": receipt.kind.name.lower(),
            "confirmation_code": receipt.confirmation_code.hex(),
            "index": receipt.index,
            "artifact_sha256": receipt.artifact_sha256.hex(),
            "signature": receipt.signature.hex(),
        }
    )


def parse_receipt_file(data: bytes) -> Receipt:
    """The receipt that a file holds; who signed it is not checked. Raises Malformed."""
    reader = Reader.of(data, "receipt", RECEIPT_FORMAT, _LIMIT)
    reader.text("election")
    name = reader.text("kind")
    kinds = {kind.name.lower(): kind for kind in ReceiptKind}
    if name not in kinds:
        raise Malformed("receipt.kind", f"is none of {', '.join(kinds)}")
    receipt = Receipt(
        kinds[name],
        reader.hex("base_hash", 32),
        reader.hex("confirmation_code", 32),
        reader.integer("index", 2**53),
        reader.hex("artifact_sha256", 32),
        reader.hex("signature", 64),
    )
    reader.end()
    return receipt


def slip(receipt: Receipt, election: Text, language: str) -> str:
    """A receipt on paper, in Kazakh ("kk"), Russian ("ru") or English (any other)."""
    words = _WORDS.get(language.replace("_", "-").partition("-")[0].lower(), _WORDS["en"])
    code = display_code(receipt.confirmation_code)
    lines = [code[start : start + 20].rstrip() for start in range(0, len(code), 20)]
    return "\n".join(
        [
            words["title"],
            election.in_language(language),
            "",
            f"{words['code']}:",
            *(f"  {line}" for line in lines),
            "",
            f"{words['status']}: {words[receipt.kind.name.lower()]}",
            f"{words['place']}: {receipt.index}",
            "",
            words["note"],
            "",
        ]
    )


_WORDS: Mapping[str, Mapping[str, str]] = {
    "kk": {
        "title": "Бюллетень түбіртегі",
        "code": "Растау коды",
        "status": "Бюллетень",
        "place": "Жазбадағы нөмірі",
        "submitted": "қабылданды, шешім әлі жоқ",
        "cast": "жәшікке салынды, есептеледі",
        "challenged": "тексеруге ашылады, есептелмейді",
        "note": "Түбіртек бюллетеньнің жазбада тұрғанын көрсетеді. Таңдауыңызды көрсетпейді.",
    },
    "ru": {
        "title": "Квитанция о бюллетене",
        "code": "Код подтверждения",
        "status": "Бюллетень",
        "place": "Номер в протоколе записей",
        "submitted": "принят, решение ещё не принято",
        "cast": "опущен, будет учтён",
        "challenged": "вскрывается для проверки, не учитывается",
        "note": "Квитанция показывает, что бюллетень записан. Вашего выбора она не показывает.",
    },
    "en": {
        "title": "Ballot receipt",
        "code": "Confirmation code",
        "status": "Ballot",
        "place": "Number in the record",
        "submitted": "received, neither cast nor challenged yet",
        "cast": "cast, it counts",
        "challenged": "challenged, it will be opened and does not count",
        "note": "This shows that the ballot is in the record. It does not show your choice.",
    },
}
