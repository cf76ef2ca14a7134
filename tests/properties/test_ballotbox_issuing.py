"""Receipts as a server gives them out: every one holds, and stays what it was."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ballotbox.board import Board
from ballotbox.errors import StoreFailed
from ballotbox.issuing import Receipts
from ballotbox.receipts import Receipt, ReceiptKind, check_ballot, parse_receipt, verify_receipt
from ballotbox.store import SqliteStore, StoredCheckpoint
from crypto.parameters import TOY
from record.artifacts import Artifact, Ballot, Role
from record.checkpoint import parse_checkpoint
from record.entry import entry_for
from record.merkle import MerkleTree, leaf_hash
from record.policy import log_alone
from record.tlog_proof import verify_tlog_proof
from tests.ballots import begin_device, encrypt
from tests.world import World


class Polls:
    """A board at which ballots arrive, some of them together."""

    def __init__(self, path: Path) -> None:
        self.world = World.create(TOY[-1])
        begin_device(self.world)
        self.store = SqliteStore.create(path / "board.db", self.world.context.base_hash)
        self.board = self.open()
        for data in self.world.data():
            self.board.append(data)

    def open(self) -> Board:
        return Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(Role.SERVER),
            log_key=self.world.secrets.log,
        )

    def submit(self, number: int) -> list[Artifact]:
        """Ballots one after the other, as a chain has to be."""
        ballots = [self.world.append(encrypt(self.world).ballot) for _ in range(number)]
        for ballot in ballots:
            self.board.append(ballot.data)
        return ballots

    def receipt(self, receipts: Receipts, ballot: Artifact) -> Receipt:
        assert isinstance(ballot.statement, Ballot)
        code, index = ballot.statement.confirmation_code, self.board.append(ballot.data)
        return receipts.first(ReceiptKind.SUBMITTED, code, index, ballot.data)


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    """Open polls, and one device."""
    polls = Polls(tmp_path)
    yield polls
    polls.board.close()
    polls.store.close()


def test_every_receipt_holds_and_stays_what_it_was(polls: Polls) -> None:
    """Under its own group's checkpoint, at once, later, after a restart, and asked in parallel."""
    receipts, trust = Receipts(polls.board), log_alone(polls.world.log_key)
    given = {}
    for number in (1, 3, 5):
        for ballot in polls.submit(number):
            receipt = polls.receipt(receipts, ballot)
            head = verify_receipt(parse_receipt(receipt.to_bytes()), trust).checkpoint
            check_ballot(receipt, ballot.data)
            (own, *_) = polls.store.checkpoints(receipt.index + 1, 1)
            assert (own.size, own.root) == (head.size, head.root)
            given[ballot.data] = (ballot, receipt.to_bytes())
    polls.board.close()
    polls.board = polls.open()
    again = Receipts(polls.board)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda pair: polls.receipt(again, pair[0]).to_bytes(), given.values())
        assert list(answers) == [data for _, data in given.values()]


def test_the_root_is_that_of_the_record(polls: Polls) -> None:
    """The tree of the receipt is the tree of the artifacts, hashed one by one."""
    (*_, last) = polls.submit(4)
    receipt = polls.receipt(Receipts(polls.board), last)
    head = parse_checkpoint(receipt.proof.checkpoint).checkpoint
    tree = MerkleTree()
    for data in polls.world.data()[: head.size]:
        tree.append(leaf_hash(entry_for(data)))
    assert tree.root() == head.root
    trust = log_alone(polls.world.log_key)
    verify_tlog_proof(receipt.proof, leaf_hash(entry_for(last.data)), trust)


def test_no_receipt_before_its_checkpoint_may_be_shown(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not yet sure to be remembered is not promised."""
    (ballot,) = polls.submit(1)
    shown = polls.store.checkpoints(0, 2)[-1]
    assert isinstance(shown, StoredCheckpoint)
    monkeypatch.setattr(polls.board, "head", lambda: shown)
    with pytest.raises(StoreFailed):
        polls.receipt(Receipts(polls.board), ballot)
