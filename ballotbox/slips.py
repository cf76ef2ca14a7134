"""Receipts on paper: a slip in the voter's language, and a QR code of where to look.

A device without a network gives a provisional slip: it has a code and no receipt.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping
from dataclasses import dataclass
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
    return _as_text(qr_code(receipt, where))


def slip(receipt: Receipt, election: str, language: str, where: str = "") -> str:
    """A receipt on paper, in Kazakh ("kk"), Russian ("ru") or English (any other).

    `election` is its name in that language, or empty; `where` a URL to look at.
    """
    words = _words(language)
    return "\n".join(
        [
            words["title"],
            *([election] if election else []),
            "",
            f"{words['code']}:",
            *_code_lines(receipt.confirmation_code),
            "",
            f"{words['status']}: {words[receipt.kind.name.lower()]}",
            f"{words['place']}: {receipt.index}",
            f"{words['where']}: {where or origin(receipt)}",
            "",
            words["note"],
            "",
        ]
    )


@dataclass(frozen=True, slots=True)
class ProvisionalCode:
    """A code (32 bytes) of a ballot that is not on the record yet.

    `where` to look it up (a URL, or the log's origin), and after which day.
    """

    code: bytes
    where: str
    after: datetime.date


def provisional_pointer(slip: ProvisionalCode) -> str:
    """What the QR code of a provisional slip says: as `pointer`, without an index."""
    return f"{slip.where.rstrip('/')}#code={slip.code.hex()}"


def provisional_qr_text(slip: ProvisionalCode) -> str:
    """The QR code of `provisional_pointer`, as `qr_text`."""
    import segno

    return _as_text(segno.make_qr(provisional_pointer(slip), error="m"))


def provisional_slip(slip: ProvisionalCode, election: str, language: str) -> str:
    """A provisional code on paper, which says first of all that it is no receipt.

    What becomes of the ballot is not on it: the voter may not have decided yet.
    """
    words = _words(language)
    return "\n".join(
        [
            words["provisional"],
            *([election] if election else []),
            "",
            words["not yet"],
            "",
            f"{words['code']}:",
            *_code_lines(slip.code),
            "",
            f"{words['after']}: {slip.after.isoformat()}",
            f"{words['where']}: {slip.where}",
            "",
            words["if missing"],
            "",
        ]
    )


def _words(language: str) -> Mapping[str, str]:
    return _WORDS.get(language.replace("_", "-").partition("-")[0].lower(), _WORDS["en"])


def _code_lines(code: bytes) -> list[str]:
    text = display_code(code)
    return [f"  {text[start : start + 20].rstrip()}" for start in range(0, len(text), 20)]


def _as_text(code: QRCode) -> str:
    out = io.StringIO()
    code.terminal(out, compact=True, border=2)
    return out.getvalue()


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
        "provisional": "Уақытша код (түбіртек емес)",
        "not yet": "Бюллетень ӘЛІ ашық жазбада емес: терминалда байланыс жоқ. Оны кейін жібереді.",
        "after": "Осы код бойынша қараңыз, мына күннен кейін",
        "if missing": "Ол күннен кейін код жазбада болмаса, осы парақты комиссияға көрсетіңіз.",
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
        "provisional": "Предварительный код (не квитанция)",
        "not yet": "Бюллетеня ЕЩЁ НЕТ в открытой записи: у терминала нет связи, отправка позже.",
        "after": "Найдите бюллетень по этому коду после",
        "if missing": "Если после этого дня кода в записи нет, покажите этот листок комиссии.",
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
        "provisional": "Provisional code (not a receipt)",
        "not yet": "NOT YET on the public board: this terminal is offline. It sends it later.",
        "after": "Look the ballot up by this code after",
        "if missing": "If the code is not there after that day, show this slip to the commission.",
    },
}
