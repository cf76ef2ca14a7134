"""Cheating with ballots: what a device encrypts, proves, hashes and chains."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from crypto import elgamal, schnorr, sealing
from crypto.group import mpz
from crypto.hashing import index_bytes
from crypto.range_proof import RangeProof
from crypto.sealing import SealedNonce
from record.artifacts import Ballot, BallotContest, DeviceClose, Selection, Statement
from record.manifest import Contest, Option
from tests.ballots import Encryptor, Fate, rehashed
from tests.decrypting import Altered
from tests.tampered.kit import Catalogue, Record, flipped, honest
from tests.world import World

BALLOTS = Catalogue("ballots")

DEVICE = "device ballot-box-1"
OUT_OF_RANGE = "a scalar that is not below q is refused as bytes"


def _first_contest(ballot: Ballot, *selections: Selection) -> Ballot:
    """The ballot with other selections in its first contest, and all its hashes right."""
    contests = (replace(ballot.contests[0], selections=selections), *ballot.contests[1:])
    return replace(ballot, contests=contests)


def _spoiled(world: World, statement: Statement) -> bool:
    """Whether a statement is the ballot of VOTES that nobody will decide, the fourth."""
    return isinstance(statement, Ballot) and len(world.state.ballots) == 3


# --- 5 Identifiers


@BALLOTS.encrypted("5.A")
class OneIdentifier(Encryptor):
    """The device uses one selection encryption identifier for two ballots."""

    def identifier(self) -> bytes:
        return b"\x05" * 32


@BALLOTS.encrypted("5.B")
class FreeIdentifierHash(Encryptor):
    """The device hashes and proves everything under an H_I of its own."""

    def identifier_hash(self) -> bytes:
        return secrets.token_bytes(32)


@BALLOTS.edited("5.B", who=DEVICE)
def identifier_exchanged(record: Record) -> None:
    """A ballot shows another id_B than the one its hashes and proofs are over."""
    ballot = record.ballot("spoiled")
    ballot.identifier = flipped(ballot.identifier)


# --- 6 Selections


@BALLOTS.encrypted("6.A", "7.A", standard=True)
class NegatedAlpha(Encryptor):
    """The device multiplies an alpha by -1 and hashes the result: twice the order."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        good = super().selection(contest, option)
        return replace(good, alpha=self.group.p - good.alpha)


@BALLOTS.encrypted("6.A", "7.A")
class BetaOutside(Encryptor):
    """The device multiplies a beta by an element of an order that divides the cofactor."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        good = super().selection(contest, option)
        outside = self.group.power(mpz(3), self.group.q)
        return replace(good, beta=good.beta * outside % self.group.p)


@BALLOTS.edited("6.B", who=DEVICE, server="R.encoding", because=OUT_OF_RANGE)
def challenge_not_reduced(record: Record) -> None:
    """A challenge is q: the same number in the sum, another one in the record."""
    record.first("ballot").contests[0].selections[0].proof.challenges[0] = record.q


@BALLOTS.edited("6.C", who=DEVICE, server="R.encoding", because=OUT_OF_RANGE)
def response_not_reduced(record: Record) -> None:
    """A response is q."""
    record.first("ballot").contests[1].selections[1].proof.responses[2] = record.q


@BALLOTS.encrypted("6.D", "7.D", standard=True)
class TwoForOne(Encryptor):
    """The device encrypts two votes for one option where one is the limit."""

    def value(self, contest: Contest, option: Option) -> int:
        return 2 if (contest.index, option.index) == (1, 1) else 0


@BALLOTS.encrypted("6.D", where={"contest": "president", "option": "abai"}, standard=True)
class NegativeVote(Encryptor):
    """The device takes a vote from one option and gives it to another: the sum is right."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        if contest.index > 1 or option.index == 3:
            return super().selection(contest, option)
        value, nonce = (-1, 1)[option.index - 1], self.nonce(contest, option)
        c = elgamal.encrypt(self.keys.vote_key, int(value % self.group.q), nonce)
        context = index_bytes(contest.index) + index_bytes(option.index)
        proof = self._prove(c, nonce, max(value, 0), contest.option_limit, context)
        return Selection(c.alpha, c.beta, proof)

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        if contest.index > 1:
            return super().limit_proof(contest, selections)
        total = elgamal.accumulate(self.group, (s.ciphertext for s in selections))
        nonce = sum((self.nonce(contest, o) for o in contest.options), mpz(0)) % self.group.q
        value = sum(self.value(contest, o) for o in contest.options if o.index == 3)
        return self._prove(total, nonce, value, contest.selection_limit, index_bytes(contest.index))


@BALLOTS.played("6.D", who=DEVICE, at="ballot")
def ciphertexts_exchanged(world: World, statement: Statement) -> Altered:
    """The votes of two candidates are exchanged, proofs left where they were, hashes right."""
    if not (_spoiled(world, statement) and isinstance(statement, Ballot)):
        return statement
    a, b, c = statement.contests[0].selections
    exchanged = (Selection(b.alpha, b.beta, a.proof), Selection(a.alpha, a.beta, b.proof), c)
    return rehashed(world, _first_contest(statement, *exchanged))


@BALLOTS.played("6.D", who=DEVICE, at="ballot")
def selections_exchanged(world: World, statement: Statement) -> Altered:
    """The votes of two candidates are exchanged together with their proofs."""
    if not (_spoiled(world, statement) and isinstance(statement, Ballot)):
        return statement
    a, b, c = statement.contests[0].selections
    return rehashed(world, _first_contest(statement, b, a, c))


@BALLOTS.played("6.D", "7.D", who=DEVICE, at="ballot")
def alpha_for_beta(world: World, statement: Statement) -> Altered:
    """Alpha and beta of a selection are exchanged."""
    if not (_spoiled(world, statement) and isinstance(statement, Ballot)):
        return statement
    a, b, c = statement.contests[0].selections
    return rehashed(world, _first_contest(statement, Selection(a.beta, a.alpha, a.proof), b, c))


@BALLOTS.edited("6.D", who=DEVICE, where={"contest": "president", "option": "abai"})
def proof_of_another_option(record: Record) -> None:
    """A selection carries the proof of the option beside it."""
    first, second = record.first("ballot").contests[0].selections[:2]
    first.proof.CopyFrom(second.proof)


@BALLOTS.edited("6.D", who=DEVICE, where={"contest": "council", "option": "no"})
def proof_moved_within_another_contest(record: Record) -> None:
    """In the second contest the last option carries the proof of the first."""
    yes, no = record.first("ballot").contests[1].selections
    no.proof.CopyFrom(yes.proof)


@BALLOTS.edited("6.D", who=DEVICE, where={"contest": "president"})
def proof_of_another_ballot(record: Record) -> None:
    """A selection carries the proof of the same option on another ballot."""
    mine, theirs = record.every("ballot")[:2]
    mine.contests[0].selections[0].proof.CopyFrom(theirs.contests[0].selections[0].proof)


@BALLOTS.edited("6.D", who=DEVICE)
def proof_in_disorder(record: Record) -> None:
    """The two halves of a proof are exchanged: the challenges still add up."""
    proof = record.first("ballot").contests[0].selections[0].proof
    for numbers in (proof.challenges, proof.responses):
        numbers[0], numbers[1] = numbers[1], numbers[0]


# --- 7 Vote limits


@BALLOTS.edited("7.B", who=DEVICE, server="R.encoding", because=OUT_OF_RANGE)
def limit_challenge_not_reduced(record: Record) -> None:
    """A challenge of a limit proof is q."""
    record.first("ballot").contests[0].limit_proof.challenges[0] = record.q


@BALLOTS.edited("7.C", who=DEVICE, server="R.encoding", because=OUT_OF_RANGE)
def limit_response_not_reduced(record: Record) -> None:
    """A response of a limit proof is q."""
    record.first("ballot").contests[1].limit_proof.responses[3] = record.q


@BALLOTS.encrypted(
    "7.D", values={"president": (1, 1, 0)}, where={"contest": "president"}, standard=True
)
class Overvote(Encryptor):
    """The device gives one vote to each of two candidates where one is the limit."""


@BALLOTS.edited("7.D", who=DEVICE, where={"contest": "president"})
def limit_proof_of_another_ballot(record: Record) -> None:
    """A contest carries the limit proof of another ballot."""
    mine, theirs = record.every("ballot")[:2]
    mine.contests[0].limit_proof.CopyFrom(theirs.contests[0].limit_proof)


@BALLOTS.edited("7.D", who=DEVICE, where={"contest": "president"})
def limit_proof_of_a_selection(record: Record) -> None:
    """A contest carries the proof of one of its selections, of the same length."""
    contest = record.first("ballot").contests[0]
    contest.limit_proof.CopyFrom(contest.selections[0].proof)


# --- the ballot nonce


@BALLOTS.edited("R.nonce-proof", who=DEVICE)
def nonce_altered(record: Record) -> None:
    """One bit of the encrypted nonce is another: the ballot could not be opened."""
    nonce = record.ballot("spoiled").encrypted_nonce
    nonce.c1 = flipped(nonce.c1)


@BALLOTS.edited("R.nonce-proof", who=DEVICE)
def nonce_of_another_ballot(record: Record) -> None:
    """A ballot carries the encrypted nonce of another, proof and all."""
    mine, theirs = record.every("ballot")[:2]
    mine.encrypted_nonce.CopyFrom(theirs.encrypted_nonce)


@BALLOTS.encrypted("R.nonce-proof", standard=True)
class NonceOutside(Encryptor):
    """C_0 of the nonce is not in the group, under a proof whose equation holds."""

    def encrypted_nonce(self) -> SealedNonce:
        group = self.group
        while True:
            # For an even challenge (-C_0)^c = C_0^c, and nobody sees the sign.
            secret = group.random_scalar()
            c0 = group.p - group.g_power(secret)
            challenge_of = sealing._nonce_challenge(group, self.h_i, c0, bytes(32))
            proof = schnorr.prove(group, secret, challenge_of)
            if proof.challenge % 2 == 0:
                return SealedNonce(c0, bytes(32), proof)


# --- 8 Confirmation codes and chains


@BALLOTS.encrypted("8.A")
class FreeContestHash(Encryptor):
    """The device makes the code over contest hashes of its own."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        return secrets.token_bytes(32)


@BALLOTS.encrypted("8.B")
class FreeCode(Encryptor):
    """The device prints any code and chains on with it."""

    def confirmation_code(self, contests: Sequence[BallotContest], b_c: bytes) -> bytes:
        return secrets.token_bytes(32)


@BALLOTS.edited("8.C", who=DEVICE)
def information_hash_altered(record: Record) -> None:
    """A device begins with another H_DI; its chain is right."""
    device = record.first("device")
    device.information_hash = flipped(device.information_hash)


@BALLOTS.encrypted("8.D", chaining="none")
class ChainedUnasked(Encryptor):
    """Without chaining, a device puts a number of its own where its identity should stand."""

    def chaining_field(self) -> bytes:
        return bytes(4) + secrets.token_bytes(32)


@BALLOTS.encrypted("8.E")
class ChainOfItsOwn(Encryptor):
    """The device makes its codes over a chain that the record does not hold."""

    def chaining_field(self) -> bytes:
        return b"\0\0\0\1" + secrets.token_bytes(32)


@BALLOTS.encrypted("8.E")
class NoChain(Encryptor):
    """The device writes the chaining field of the other mode."""

    def chaining_field(self) -> bytes:
        state = self.world.state.devices[self.plain.device]
        return bytes(4) + state.chain.information_hash


@BALLOTS.edited("8.E", who=DEVICE, at="ballot", standard=True)
def ballots_reordered(record: Record) -> None:
    """The server publishes two ballots of a device in the other order."""
    first, second = (record.position("ballot", n) for n in (0, 1))
    earlier = record.artifacts[first:second]
    later = record.artifacts[second : second + 2]
    record.artifacts[first : second + 2] = later + earlier


@BALLOTS.edited("8.E", who=DEVICE, at="ballot")
def ballot_dropped_from_the_chain(record: Record) -> None:
    """A ballot that nobody decided is left out, and every count made to fit."""
    position = record.artifacts.index(
        next(a for a in record.artifacts if a.ballot == record.ballot("spoiled"))
    )
    del record.artifacts[position]
    record.first("device_close").ballots -= 1
    close = record.first("polls_close")
    close.submitted -= 1
    close.spoiled -= 1


@BALLOTS.edited("8.F", who=DEVICE)
def chain_that_begins_elsewhere(record: Record) -> None:
    """A device announces an H_0 that is not its own."""
    device = record.first("device")
    device.initial_hash = flipped(device.initial_hash)


@BALLOTS.edited("8.G", who=DEVICE)
def chain_closed_over_another_code(record: Record) -> None:
    """A device closes its chain over another field."""
    close = record.first("device_close")
    close.chaining_field = flipped(close.chaining_field)


@BALLOTS.played("R.device-close", "8.G", who=DEVICE, at="device_close", standard=True)
def last_ballot_dropped(world: World, statement: Statement) -> Altered:
    """The server drops the last ballot of a device: only the device's close can tell."""
    if isinstance(statement, DeviceClose) and statement.device == "ballot-box-1":
        state = world.state.devices[statement.device]
        close = state.chain.close(secrets.token_bytes(32))
        return DeviceClose(statement.device, state.ballots + 1, *close)
    return statement


# --- what fits the manifest


@BALLOTS.edited("R.device", who=DEVICE)
def device_with_other_information(record: Record) -> None:
    """A device says that it stands elsewhere than the manifest has it."""
    record.first("device").information = "Hall 3"


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def ballot_for_another_unit(world: World, statement: Statement) -> Altered:
    """A full ballot is submitted in the village, which takes short ones."""
    if _spoiled(world, statement) and isinstance(statement, Ballot):
        return replace(statement, unit="village")
    return statement


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def ballot_for_the_whole_city(world: World, statement: Statement) -> Altered:
    """A ballot is submitted for a unit of units, which takes none."""
    if _spoiled(world, statement) and isinstance(statement, Ballot):
        return replace(statement, unit="city")
    return statement


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def ballot_of_another_style(world: World, statement: Statement) -> Altered:
    """A ballot with both contests says that it is a short one."""
    if _spoiled(world, statement) and isinstance(statement, Ballot):
        return replace(statement, ballot_style="short")
    return statement


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def contests_exchanged(world: World, statement: Statement) -> Altered:
    """A ballot's contests stand in the other order, and its code is over that order."""
    if _spoiled(world, statement) and isinstance(statement, Ballot):
        return rehashed(world, replace(statement, contests=statement.contests[::-1]))
    return statement


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def contest_left_out(world: World, statement: Statement) -> Altered:
    """A ballot leaves out a contest of its style."""
    if _spoiled(world, statement) and isinstance(statement, Ballot):
        return rehashed(world, replace(statement, contests=statement.contests[:1]))
    return statement


@BALLOTS.played("R.ballot", who=DEVICE, at="ballot")
def option_too_many(world: World, statement: Statement) -> Altered:
    """A contest of a ballot has an encryption more than the contest has options."""
    if not (_spoiled(world, statement) and isinstance(statement, Ballot)):
        return statement
    selections = statement.contests[0].selections
    return rehashed(world, _first_contest(statement, *selections, selections[0]))


@BALLOTS.encrypted(
    "R.ballot",
    fate=Fate.SPOIL,
)
class WiderProof(Encryptor):
    """The device proves 0..2 where the limit is one, and well."""

    def value(self, contest: Contest, option: Option) -> int:
        return 2 if (contest.index, option.index) == (1, 1) else 0

    def selection(self, contest: Contest, option: Option) -> Selection:
        wider = replace(contest, option_limit=contest.option_limit + 1)
        return super().selection(wider, option)

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        wider = replace(contest, selection_limit=contest.selection_limit + 1)
        return super().limit_proof(wider, selections)


@BALLOTS.played("8.E", "5.B", "6.D", "7.D", who=DEVICE, at="ballot")
def ballot_of_another_election(world: World, statement: Statement) -> Altered:
    """A device submits a ballot of another election again, as it stood there."""
    if not _spoiled(world, statement):
        return statement
    return next(a.statement for a in honest().artifacts if isinstance(a.statement, Ballot))
