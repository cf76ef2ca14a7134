"""Cheating with the count: aggregates, decryption, the tallies and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from crypto import decryption_proof
from crypto.elgamal import Ciphertext
from crypto.group import Group, mpz
from crypto.hashing import index_bytes
from record.artifacts import (
    Ballot,
    Cast,
    DecryptedOption,
    DecryptedTally,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShare,
    DecryptionShares,
    EncryptedTally,
    OptionResult,
    Result,
    Statement,
)
from sailau.v1 import record_pb2 as pb
from tests.decrypting import Altered, Session, cast_ballots
from tests.tampered.kit import Catalogue, Record, flipped
from tests.world import World

TALLY = Catalogue("tally")

SERVER = "server"
OUT_OF_RANGE = "a scalar that is not below q is refused as bytes"
CELL = {"unit": "centre", "contest": "president"}


def _is_first(statement: Statement, kind: type) -> bool:
    """Whether a statement is the tally of the first cell."""
    return (
        isinstance(statement, kind)
        and isinstance(statement, EncryptedTally | DecryptedTally)
        and (statement.unit, statement.contest) == ("centre", "president")
    )


# --- 9 Aggregation


@TALLY.edited("R.tally-cells", who=SERVER, where=CELL, standard=True)
def tally_of_a_ballot_more(record: Record) -> None:
    """A tally says that it holds a ballot more than were cast."""
    record.first("encrypted_tally").ballots += 1


def _times(group: Group, tally: EncryptedTally, ballot: Ballot, power: int) -> EncryptedTally:
    """The tally with a ballot's first contest in it `power` times more."""
    options = tuple(
        Ciphertext(
            c.alpha * pow(s.alpha, power, group.p) % group.p,
            c.beta * pow(s.beta, power, group.p) % group.p,
        )
        for c, s in zip(tally.options, ballot.contests[0].selections, strict=True)
    )
    return replace(tally, options=options)


@TALLY.played("9.A", "9.B", who=SERVER, at="encrypted_tally", where=CELL, standard=True)
def ballot_counted_twice(world: World, statement: Statement) -> Altered:
    """One ballot is multiplied in twice; shares, proofs, counts and result are made of that."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        return _times(world.group, statement, next(cast_ballots(world)), 1)
    return statement


@TALLY.played("9.A", "9.B", who=SERVER, at="encrypted_tally", where=CELL)
def ballot_left_out(world: World, statement: Statement) -> Altered:
    """One ballot is left out of the product; everything later is made of that."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        return _times(world.group, statement, next(cast_ballots(world)), -1)
    return statement


@TALLY.played("R.tally-cells", "9.A", "9.B", who=SERVER, at="encrypted_tally decrypted_tally")
def ballot_left_out_and_not_counted(world: World, statement: Statement) -> Altered:
    """One ballot is left out of the product and of the number of ballots."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        smaller = _times(world.group, statement, next(cast_ballots(world)), -1)
        return replace(smaller, ballots=smaller.ballots - 1)
    return statement


@TALLY.played("9.A", "9.B", who=SERVER, at="encrypted_tally")
def spoiled_ballot_counted(world: World, statement: Statement) -> Altered:
    """A ballot that nobody cast is multiplied in."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        cast = {
            s.statement.confirmation_code for s in world.artifacts if isinstance(s.statement, Cast)
        }
        ballots = [s.statement for s in world.artifacts if isinstance(s.statement, Ballot)]
        spare = next(b for b in ballots if b.confirmation_code not in cast)
        return _times(world.group, statement, spare, 1)
    return statement


@TALLY.played("9.B", who=SERVER, at="encrypted_tally", where=CELL)
def vote_added_to_a_sum(world: World, statement: Statement) -> Altered:
    """B of an option is multiplied by K: a vote that nobody cast."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        first, *rest = statement.options
        more = first.beta * world.keys.vote_key.element % world.group.p
        return replace(statement, options=(Ciphertext(first.alpha, more), *rest))
    return statement


@TALLY.played("9.A", "9.B", who=SERVER, at="encrypted_tally", where=CELL)
def options_exchanged(world: World, statement: Statement) -> Altered:
    """The sums of two candidates are exchanged before they are decrypted."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        first, second, third = statement.options
        return replace(statement, options=(second, first, third))
    return statement


@TALLY.edited("9.A", who=SERVER, where={**CELL, "option": "beimbet"})
def negated_product(record: Record) -> None:
    """A of an option is -A."""
    option = record.first("encrypted_tally").options[1]
    option.a = record.negated(option.a)


@TALLY.edited("R.tally-cells", who=SERVER, at="")
def tally_left_out(record: Record) -> None:
    """The village is tallied neither encrypted nor decrypted; the result keeps its votes."""


@TALLY.played("R.tally-cells", who=SERVER, at="encrypted_tally")
def tally_of_the_whole_city(world: World, statement: Statement) -> Altered:
    """The server has the sum over a unit of units tallied, as if it were one more unit."""
    return statement


# --- 10 Decryption sessions


def _small_session(world: World) -> Session:
    return Session(world, (1,))


@TALLY.played("R.session", who=SERVER, at="decryption_session", standard=True)
def session_below_the_quorum(world: World, statement: Statement) -> Altered:
    """The server begins with one trustee where two are needed, and then once more with two."""
    if isinstance(statement, DecryptionSession) and statement.session == 1:
        return (DecryptionSession(1, (1,)), replace(statement, session=2))
    return _renumbered(statement)


def _renumbered(statement: Statement) -> Statement:
    """The same for the second session."""
    if isinstance(statement, DecryptionCommitments | DecryptionShares | DecryptionResponses):
        return replace(statement, session=2)
    return statement


@TALLY.played("R.session", who=SERVER, at="decryption_session")
def session_with_one_trustee_twice(world: World, statement: Statement) -> Altered:
    """The server begins with one trustee that stands in U twice."""
    if isinstance(statement, DecryptionSession) and statement.session == 1:
        return (DecryptionSession(1, (2, 2)), replace(statement, session=2))
    return _renumbered(statement)


@TALLY.played("R.session", who=SERVER, at="decryption_session")
def session_skipped(world: World, statement: Statement) -> Altered:
    """The first session has the number 2: what became of the first one?"""
    if isinstance(statement, DecryptionSession):
        return replace(statement, session=2)
    return _renumbered(statement)


@TALLY.played("R.session", who=SERVER, at="decryption_session")
def session_after_a_tally(world: World, statement: Statement) -> Altered:
    """After the first decrypted tally the server begins another session with other trustees."""
    if _is_first(statement, DecryptedTally):
        return (statement, DecryptionSession(2, (1, 2)))
    return statement


@TALLY.edited("R.session", who="trustee 3", at="decryption_shares")
def shares_before_all_commitments(record: Record) -> None:
    """Trustee 3 shows its shares before trustee 2 has committed to its own."""


@TALLY.played("R.decryption-commitment", who="trustee 3", at="decryption_shares")
def commitment_to_something_else(world: World, statement: Statement) -> Altered:
    """Trustee 3 chooses its a, b and M when it has seen those of the others."""
    if isinstance(statement, DecryptionCommitments) and statement.trustee == 3:
        first, *rest = statement.commitments
        return replace(statement, commitments=(flipped(first), *rest))
    return statement


@TALLY.edited("R.decryption-share", who="trustee 2", at="decryption_responses", standard=True)
def share_altered(record: Record) -> None:
    """Trustee 2's partial decryption in the record is not the one that was combined."""
    share = record.first("decryption_shares").shares[0]
    square = record.times(share.partial_decryption, record.number(share.partial_decryption))
    share.partial_decryption = square


@TALLY.edited("R.decryption-share", who="trustee 2", at="decryption_responses")
def response_altered(record: Record) -> None:
    """Trustee 2's response does not answer the challenge."""
    responses = record.first("decryption_responses").responses
    responses[1] = record.more(responses[1])


@TALLY.edited("R.decryption-share", who="trustee 2", at="decryption_responses")
def shares_exchanged(record: Record) -> None:
    """Trustee 2's shares of two ciphertexts stand in each other's place."""


@TALLY.edited("R.decryption-share", who="trustee 3", at="decryption_shares")
def share_outside(record: Record) -> None:
    """b of trustee 3's share is negated: not in the group."""
    share = record.last("decryption_shares").shares[-1]
    share.b = record.negated(share.b)
