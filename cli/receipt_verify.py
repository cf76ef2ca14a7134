"""`sailau receipt verify`: offline, and against a record, a mirror or a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ballotbox.disputes import find_dispute
from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    check_ballot,
    check_election,
    parse_receipt,
    short_code,
    verify_receipt,
)
from cli.board import trust_options
from cli.common import json_option, print_json, say
from cli.connect import Source, open_source
from cli.receipt import FILE, found_json, read_receipt_file
from cli.receipt_log import believed, open_log, signers
from crypto.errors import Rejected
from record.checkpoint import parse_verifier_key
from record.policy import CHECK as QUORUM_CHECK
from record.policy import NONE, Judgement, Policy, log_alone

_SETTLED = "Settle it with `sailau receipt dispute`, and keep the receipt"


@dataclass(slots=True)
class _Checked:
    """What is known about a receipt so far; `code` says what binds the code to the leaf."""

    judgement: Judgement
    policy: Policy
    code: str
    found: dict[str, Any]


@click.command(short_help="Check a receipt: offline, or against a record.")
@click.argument("file", type=FILE)
@click.option("--ballot", type=FILE, help="The ballot artifact, from `receipt look-up --out`.")
@trust_options
@click.option("--record", metavar="RECORD", help="A record: directory or .zip, or its URL.")
@click.option("--server", metavar="HOST:PORT", help="Public address of a server.")
@click.option("--authority", type=FILE, help="Certificate (PEM) of the authority, for --server.")
@json_option
def verify(
    file: Path,
    ballot: Path | None,
    log_key: str | None,
    policy_file: Path | None,
    record: str | None,
    server: str | None,
    authority: Path | None,
    as_json: bool,
) -> None:
    """Check the receipt in FILE: offline, and whether a record keeps its promise.

    With --log-key or --policy alone nothing is asked of anybody. A policy demands its
    quorum of witnesses; `receipt upgrade` fetches it. A record or a server says besides
    what became of the ballot; without the two options its own log is believed.

    Exit code 0 if everything holds, 1 if something does not, 2 if FILE is no receipt.
    """
    receipt = parse_receipt(read_receipt_file(file))
    code = "" if receipt.kind is ReceiptKind.SUBMITTED else "the receipt"
    if server is not None or (record is not None and Path(record).exists()):
        place = None if record is None else Path(record)
        with open_source(place, server, authority) as source:
            policy = _policy(source, log_key, policy_file)
            checked = _Checked(_offline(receipt, policy), policy, code, {})
            _against(source, receipt, checked)
    else:
        policy = believed(log_key, policy_file, record)
        checked = _Checked(_offline(receipt, policy), policy, code, {})
    if record is not None:
        _against_tree(receipt, record, policy)
    if ballot is not None:
        if receipt.kind is not ReceiptKind.SUBMITTED:
            raise click.UsageError("--ballot is for the receipt of a ballot")
        check_ballot(receipt, read_receipt_file(ballot))
        checked.code = "the ballot"
    (_print_json if as_json else _say)(receipt, checked)


def _policy(source: Source, log_key: str | None, policy_file: Path | None) -> Policy:
    if log_key is None and policy_file is None:
        return log_alone(parse_verifier_key(source.context.election.log_key))
    return believed(log_key, policy_file, None)


def _offline(receipt: Receipt, policy: Policy) -> Judgement:
    try:
        return verify_receipt(receipt, policy)
    except Rejected as error:
        if error.check != QUORUM_CHECK:
            raise
        advice = "`sailau receipt upgrade` fetches what witnesses have signed since"
        raise Rejected(error.check, error.problem, where=error.where, advice=advice) from None


def _against(source: Source, receipt: Receipt, checked: _Checked) -> None:
    """The artifact at the index is the one acknowledged; and what became of the ballot."""
    check_election(receipt, source.context.base_hash)
    data = source.artifact(receipt.index)
    if data is None:
        raise _broken(receipt, f"the record ends before artifact {receipt.index}", "Is it older?")
    try:
        check_ballot(receipt, data)
    except Rejected as error:
        if error.where != "entry":
            raise
        problem = f"artifact {receipt.index} of the record is not what was promised"
        raise _broken(receipt, problem, _SETTLED) from None
    checked.code = "the record"
    found = source.find([receipt.confirmation_code]).get(receipt.confirmation_code)
    checked.found = found_json(receipt.confirmation_code, found)


def _against_tree(receipt: Receipt, record: str, policy: Policy) -> None:
    """The log that is published has the entry at the index, and grew from the receipt's tree."""
    with open_log(record, policy) as log:
        if log.tree.size <= receipt.index:
            problem = f"the log ends before entry {receipt.index}"
            raise _broken(receipt, problem, "Is it older?")
        if find_dispute(receipt, log.note, log.tree) is not None:
            raise _broken(receipt, "the log contradicts what it signed", _SETTLED)


def _broken(receipt: Receipt, problem: str, advice: str) -> Rejected:
    where = f"code {short_code(receipt.confirmation_code)}"
    return Rejected("R.receipt", problem, culprit="server", where=where, advice=advice)


def _print_json(receipt: Receipt, checked: _Checked) -> None:
    head, demanded = checked.judgement.checkpoint, checked.policy.quorum != NONE
    print_json(
        {
            "kept": True,
            "kind": receipt.kind.name.lower(),
            "confirmation_code": receipt.confirmation_code.hex(),
            "index": receipt.index,
            "log": head.origin,
            "size": head.size,
            "cosignatures": dict(checked.judgement.cosignatures),
            "signed_by": "quorum" if demanded else "log",
            "code_checked_with": checked.code,
            **checked.found,
        }
    )


def _say(receipt: Receipt, checked: _Checked) -> None:
    head, short = checked.judgement.checkpoint, short_code(receipt.confirmation_code)
    say(f"Entry {receipt.index} of {head.origin} is what the receipt says: {_KINDS[receipt.kind]}.")
    say(f"Signed by {signers(checked.judgement, checked.policy)}.")
    if checked.code:
        say(f"That it is the ballot {short} ..., {checked.code} shows.")
    else:
        say(f"That it is the ballot {short} ..., is not shown: give --ballot or --record.")
    if checked.found:
        say(f"The ballot {short} ... is {checked.found['status']}.")


_KINDS = {
    ReceiptKind.SUBMITTED: "a ballot",
    ReceiptKind.CAST: "a cast",
    ReceiptKind.CHALLENGED: "a challenge",
}
