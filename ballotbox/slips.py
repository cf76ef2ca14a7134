"""Receipts on paper: a slip in the voter's language, and a QR code of where to look."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ballotbox.receipts import Receipt, display_code
from record.checkpoint import parse_checkpoint

if TYPE_CHECKING:
    from segno import QRCode


def origin(receipt: Receipt) -> str:
    """The log's name, by which its public address is announced."""
    return parse_checkpoint(receipt.proof.checkpoint, any_log=True).checkpoint.origin


def pointer(receipt: Receipt, where: str = "") -> str:
    """What the QR code says: where to look (a URL, or the log's origin), code and index."""
    place = (where or origin(receipt)).rstrip("/")
    return f"{place}#code={receipt.confirmation_code.hex()}&index={receipt.index}"


def qr_code(receipt: Receipt, where: str = "") -> QRCode:
    """The QR code of `pointer`, with 15 % of it to spare for folds and stains (level M)."""
    import segno

    return segno.make_qr(pointer(receipt, where), error="m")


def qr_text(receipt: Receipt, where: str = "") -> str:
    """The QR code as lines of block letters, for a terminal or a printer of text."""
    out = io.StringIO()
    qr_code(receipt, where).terminal(out, compact=True, border=2)
    return out.getvalue()


def slip(receipt: Receipt, election: str, language: str, where: str = "") -> str:
    """A receipt on paper, in Kazakh ("kk"), Russian ("ru") or English (any other).

    `election` is its name in that language, or empty; `where` a URL to look at.
    """
    words = _WORDS.get(language.replace("_", "-").partition("-")[0].lower(), _WORDS["en"])
    code = display_code(receipt.confirmation_code)
    lines = [code[start : start + 20].rstrip() for start in range(0, len(code), 20)]
    return "\n".join(
        [
            words["title"],
            *([election] if election else []),
            "",
            f"{words['code']}:",
            *(f"  {line}" for line in lines),
            "",
            f"{words['status']}: {words[receipt.kind.name.lower()]}",
            f"{words['place']}: {receipt.index}",
            f"{words['where']}: {where or origin(receipt)}",
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
        "where": "Қайдан қарауға болады",
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
        "where": "Где проверить",
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
        "where": "Where to look",
        "submitted": "received, neither cast nor challenged yet",
        "cast": "cast, it counts",
        "challenged": "challenged, it will be opened and does not count",
        "note": "This shows that the ballot is in the record. It does not show your choice.",
    },
}
