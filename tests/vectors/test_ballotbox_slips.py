"""Provisional slips: they say that they are none of what a receipt is."""

from __future__ import annotations

import datetime

import pytest

from ballotbox.receipts import display_code
from ballotbox.slips import (
    ProvisionalCode,
    provisional_pointer,
    provisional_qr_text,
    provisional_slip,
)

CODE = bytes(range(0xA0, 0xC0))
SLIP = ProvisionalCode(CODE, "https://results.example.org/e/", datetime.date(2026, 6, 8))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("kk", ("түбіртек емес", "ӘЛІ ашық жазбада емес", "комиссияға")),
        ("ru-KZ", ("не квитанция", "ЕЩЁ НЕТ в открытой записи", "комиссии")),
        ("en", ("not a receipt", "NOT YET on the public board", "commission")),
        ("fr", ("not a receipt", "NOT YET on the public board", "commission")),
    ],
)
def test_a_provisional_slip_promises_no_more_than_it_can(
    language: str, words: tuple[str, ...]
) -> None:
    """Not on the board yet; where and after which day to look; what to do if it is not there."""
    text = provisional_slip(SLIP, "An election", language)
    for word in (*words, "An election", "2026-06-08", SLIP.where):
        assert word in text
    assert "".join(display_code(CODE).split()) in "".join(text.split())
    first, *_ = text.splitlines()
    assert words[0] in first


def test_the_qr_code_has_no_index() -> None:
    """There is none yet. It is as small as that of a receipt."""
    assert provisional_pointer(SLIP) == f"https://results.example.org/e#code={CODE.hex()}"
    lines = provisional_qr_text(SLIP).splitlines()
    assert 20 < len(lines) < 40
