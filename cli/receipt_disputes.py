"""`sailau receipt upgrade`, `dispute` and `judge`: witnesses' signatures, and broken promises."""

from __future__ import annotations

from pathlib import Path

import click

from ballotbox.disputes import Claim, Dispute, find_dispute, parse_dispute
from ballotbox.disputes import judge as judge_dispute
from ballotbox.receipts import parse_receipt, verify_receipt
from cli.board import trust_options, trusted
from cli.common import REFUSED, UNUSABLE, fail, json_option, print_json, say, write_new
from cli.receipt import FILE, read_receipt_file
from cli.receipt_log import believed, open_log, signers
from crypto.errors import Rejected
from record.policy import Judgement
from record.tlog_proof import HEADER

_OUT = click.Path(dir_okay=False, path_type=Path)
_record_option = click.option(
    "--record", required=True, metavar="RECORD", help="A record: directory, .zip, or its URL."
)


@click.command(short_help="Put a receipt under what witnesses have signed.")
@click.argument("file", type=FILE)
@_record_option
@trust_options
@click.option("--out", type=_OUT, help="Where the better receipt goes; without it, to FILE.")
def upgrade(
    file: Path, record: str, log_key: str | None, policy_file: Path | None, out: Path | None
) -> None:
    """Put the receipt in FILE under a checkpoint that the policy's quorum has signed.

    RECORD is where the log is published, or any copy of it. The receipt stays what it
    was: the same entry at the same index. Exit code 1 if the quorum has not signed yet.
    """
    receipt, policy = parse_receipt(read_receipt_file(file)), trusted(log_key, policy_file)
    verify_receipt(receipt, policy, quorum=False)
    with open_log(record, policy) as log:
        if find_dispute(receipt, log.note, log.tree) is not None:
            advice = "Settle it with `sailau receipt dispute`"
            problem = "the log contradicts what it signed"
            raise Rejected("R.receipt", problem, culprit="server", where=str(file), advice=advice)
        if log.tree.size <= receipt.index:
            problem = f"the log ends before entry {receipt.index}"
            raise Rejected("R.receipt", problem, where=record, advice="Is it older?")
        better = receipt.under(log.note, log.tree.inclusion_proof(receipt.index))
    judgement = verify_receipt(better, policy, field="the better receipt")
    write_new(out or file, better.to_bytes())
    say(f"{out or file}: signed by {signers(judgement, policy)}")


@click.command(short_help="Prove that RECORD breaks what a receipt promises.")
@click.argument("file", type=FILE)
@_record_option
@trust_options
@click.option("--out", type=_OUT, required=True, help="Where the proof goes.")
def dispute(
    file: Path, record: str, log_key: str | None, policy_file: Path | None, out: Path
) -> None:
    """Prove to anybody that RECORD does not hold what the receipt in FILE promises.

    The proof has both signed checkpoints, and why not both can be of one log that only
    grew. Exit code 0 if it was written; 1 if there is nothing to prove: the record keeps
    the promise, or is older than the receipt, or another log's.
    """
    receipt, policy = parse_receipt(read_receipt_file(file)), believed(log_key, policy_file, record)
    verify_receipt(receipt, policy, quorum=False)
    with open_log(record, policy) as log:
        found = find_dispute(receipt, log.note, log.tree)
        ended = log.tree.size <= receipt.index
    if found is None:
        problem = "the record keeps what the receipt promises"
        if ended:
            problem = f"the record ends before entry {receipt.index}, which proves nothing"
        fail(f"{record}: {problem}. There is nothing to dispute.", REFUSED)
    # What is handed out convinces: it is judged as its reader will judge it.
    judge_dispute(found, policy)
    write_new(out, found.to_bytes())
    say(f"{out}: {_why(found)}.")
    say("Give it to the commission and to observers: `sailau verify --dispute` judges it.")


@click.command(short_help="Say whether DISPUTE proves a broken promise.")
@click.argument("file", metavar="DISPUTE", type=FILE)
@trust_options
@json_option
def judge(file: Path, log_key: str | None, policy_file: Path | None, as_json: bool) -> None:
    """Say whether the file DISPUTE proves that a log has broken its promise.

    Exit code 0 if it does, 1 if it proves nothing, 2 if it is no such file.
    """
    policy = trusted(log_key, policy_file)
    data = read_receipt_file(file)
    if data.startswith(HEADER.encode()):
        fail(f"{file} is a receipt, and no dispute: `sailau receipt verify` checks it", UNUSABLE)
    parsed = parse_dispute(data)
    first, later = judge_dispute(parsed, policy)
    if as_json:
        print_json({"proved": True, "claim": parsed.claim.value, **_heads(first, later)})
        return
    say(f"PROVED: {_why(parsed)}.")
    for judgement in (first, later):
        head = judgement.checkpoint
        say(f"{head.origin} signed: {head.size} entries, root {head.root.hex()}")


def _heads(first: Judgement, later: Judgement) -> dict[str, object]:
    return {
        "log": first.checkpoint.origin,
        "receipt": {"size": first.checkpoint.size, "root": first.checkpoint.root.hex()},
        "record": {"size": later.checkpoint.size, "root": later.checkpoint.root.hex()},
    }


def _why(found: Dispute) -> str:
    index = found.receipt.index
    if found.claim is Claim.ENTRY:
        return f"the log has signed two different entries {index}"
    return "the log has signed a tree that does not continue the one in the receipt"
