"""What a dispute comes to, without any record: for people, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from verifier.disputes import ENTRY, Dispute, Judgement, Signed
from verifier.exhibits import clock, cosignatures_json
from verifier.text import clean

FORMAT = "sailau-judgement/1"


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Return JSON-ready values (docs/verification.md)."""
    dispute, refused = judgement.dispute, judgement.refused
    receipt = dispute.receipt
    found: dict[str, Any] = {
        "format": FORMAT,
        "verdict": "unproved" if refused is not None else "proved",
        "claim": dispute.claim,
        "index": receipt.index,
        "acknowledges": receipt.name,
        "confirmation_code": receipt.code.hex(),
    }
    if refused is not None:
        return found | {"check": refused.check, "problem": refused.problem}
    assert judgement.signed is not None, "what is proved is signed"
    first, later = judgement.signed
    names = [key.text for key in dict.fromkeys((first.log, later.log))]
    return found | {
        "culprit": "log",
        "log": first.checkpoint.origin,
        "log_keys": names,
        "reasons": list(_reasons(dispute, first, later)),
        "receipt": _signed_json(first),
        "record": _signed_json(later),
    }


def _signed_json(signed: Signed) -> dict[str, Any]:
    return {
        "size": signed.checkpoint.size,
        "root": signed.checkpoint.root.hex(),
        "cosignatures": cosignatures_json(signed.cosignatures),
        "quorum": signed.quorum,
    }


def _signing(signed: Signed, where: str) -> str:
    head = signed.checkpoint
    witnesses = "".join(
        f"; cosigned by {c.name} ({c.key}), {clock(c.time)}" for c in signed.cosignatures
    )
    return (
        f"The log's key has signed the checkpoint {where}: {head.size:,} artifacts, "
        f"root {head.root.hex()}{witnesses}."
    )


def _reasons(dispute: Dispute, first: Signed, later: Signed) -> Iterator[str]:
    """Yield, step by step, who did what and what shows it."""
    receipt = dispute.receipt
    yield _signing(first, "in the receipt")
    yield (
        f"Entry {receipt.index} of that tree has the leaf hash {receipt.leaf.hex()}: it is the "
        f"{receipt.name} with SHA-256 {receipt.sha256.hex()}. The receipt's audit path leads "
        "from it to the root."
    )
    yield _signing(later, "of the record")
    if dispute.claim == ENTRY:
        yield (
            f"Entry {receipt.index} of that tree has another leaf hash, {dispute.digest.hex()}. "
            "The audit path in the dispute leads from it to the root."
        )
        yield "A log that only grows has one entry at an index for ever."
    else:
        yield (
            f"The first {first.checkpoint.size:,} leaves of that tree have another root, "
            f"{dispute.digest.hex()}. The consistency proof in the dispute shows it."
        )
        yield "The smaller tree of a log that only grows is the beginning of every larger one."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, 100, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
    )


def render_judgement(judgement: Judgement) -> str:
    """Return the judgement for people, ending in a newline."""
    dispute, refused = judgement.dispute, judgement.refused
    receipt = dispute.receipt
    claim = (
        f"the record has another entry {receipt.index} than the receipt"
        if dispute.claim == ENTRY
        else "the record does not continue the receipt's tree"
    )
    lines = [
        f"Claim        {claim}",
        f"Receipt      of a {receipt.name}, artifact {receipt.index}, code {receipt.code.hex()}",
        f"Log          {clean(receipt.proof.checkpoint.origin)}",
    ]
    if refused is not None:
        lines += ["", f"NOT PROVED: {clean(refused.problem)} ({refused.check})."]
        lines += ["This file convicts nobody."]
        return "\n".join(lines) + "\n"
    assert judgement.signed is not None, "what is proved is signed"
    first, later = judgement.signed
    lines += [f"Key          {clean(key.text)}" for key in dict.fromkeys((first.log, later.log))]
    lines.append("")
    for number, text in enumerate(_reasons(dispute, first, later), 1):
        lines += _wrapped(f"{number}. {clean(text)}")
    lines += ["", f"PROVED: the log {clean(first.checkpoint.origin)} contradicts what it signed."]
    lines.append("Nobody but the holder of its key can have signed both.")
    return "\n".join(lines) + "\n"
