"""Ballots for an election in memory, made from `crypto` and `record` alone.

    begin_device(world, "ballot-box-1")
    encrypted = encrypt(world, Plain({"president": (0, 1, 0), "council": (2, 1)}))
    world.append(encrypted.ballot)
    world.append(Cast(encrypted.ballot.device, encrypted.ballot.confirmation_code))

A test that wants a wrong ballot overrides one method of `Encryptor`; what is made
after that piece is made from the altered piece. To alter a finished ballot, use
`dataclasses.replace` and, if its hashes are to be right again, `rehashed`.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from crypto import elgamal, range_proof, sealing
from crypto.group import mpz
from crypto.hashing import index_bytes
from crypto.range_proof import RangeProof
from crypto.sealing import SealedNonce
from record import ballot_hashes
from record.artifacts import (
    Artifact,
    Ballot,
    BallotContest,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    Selection,
)
from record.ballot_hashes import Chain
from record.manifest import Contest, Option
from tests.world import World


class Fate(enum.Enum):
    """What a voter does with a ballot that was submitted."""

    CAST = "cast"
    CHALLENGE = "challenge"
    SPOIL = "spoil"


@dataclass(frozen=True)
class Plain:
    """A ballot before encryption: values by contest label, one an option.

    Contests left out, and None, are all zeroes; contests that are not of the style
    are ignored.
    """

    values: Mapping[str, Sequence[int]] = field(default_factory=dict)
    device: str = "ballot-box-1"
    unit: str = "centre"
    style: str = "full"
    fate: Fate = Fate.CAST
    encryptor: type[Encryptor] | None = None


@dataclass(frozen=True)
class Encrypted:
    """A ballot and the nonce xi_B (32 bytes) that opens it."""

    ballot: Ballot
    nonce: bytes


class Encryptor:
    """Encrypts one ballot on a world; every method is one piece of it (spec 3.3, 3.4).

    Values above a limit are encrypted all the same: their proofs then do not hold.
    """

    def __init__(self, world: World, plain: Plain) -> None:
        self.world, self.plain = world, plain
        self.group, self.keys = world.group, world.keys
        self.ballot_nonce = secrets.token_bytes(32)
        self.id_b = self.identifier()
        self.h_i = self.identifier_hash()

    def ballot(self) -> Ballot:
        """The whole ballot."""
        style = self.world.context.manifest.style(self.plain.style)
        contests = tuple(self.contest(c) for c in style.contests)
        b_c = self.chaining_field()
        return Ballot(
            device=self.plain.device,
            ballot_style=self.plain.style,
            unit=self.plain.unit,
            identifier=self.id_b,
            identifier_hash=self.h_i,
            contests=contests,
            encrypted_nonce=self.encrypted_nonce(),
            chaining_field=b_c,
            confirmation_code=self.confirmation_code(contests, b_c),
        )

    def identifier(self) -> bytes:
        """id_B."""
        return secrets.token_bytes(32)

    def identifier_hash(self) -> bytes:
        """H_I (32)."""
        return ballot_hashes.identifier_hash(self.keys.extended_base_hash, self.id_b)

    def value(self, contest: Contest, option: Option) -> int:
        """sigma."""
        values = self.plain.values.get(contest.label) or (0,) * len(contest.options)
        return values[option.index - 1]

    def nonce(self, contest: Contest, option: Option) -> mpz:
        """xi_i,j (33)."""
        return ballot_hashes.selection_nonce(
            self.group, self.h_i, contest.index, option.index, self.ballot_nonce
        )

    def contest(self, contest: Contest) -> BallotContest:
        """One contest with its limit proof and hash."""
        selections = tuple(self.selection(contest, o) for o in contest.options)
        return BallotContest(
            contest.index,
            selections,
            self.limit_proof(contest, selections),
            self.contest_hash(contest, selections),
        )

    def selection(self, contest: Contest, option: Option) -> Selection:
        """One option (31) and its range proof (59)."""
        value, nonce = self.value(contest, option), self.nonce(contest, option)
        c = elgamal.encrypt(self.keys.vote_key, value, nonce)
        context = index_bytes(contest.index) + index_bytes(option.index)
        proof = self._prove(c, nonce, value, contest.option_limit, context)
        return Selection(c.alpha, c.beta, proof)

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        """The proof of the selection limit (62)."""
        total = elgamal.accumulate(self.group, (s.ciphertext for s in selections))
        nonce = sum((self.nonce(contest, o) for o in contest.options), mpz(0)) % self.group.q
        value = sum(self.value(contest, o) for o in contest.options)
        return self._prove(total, nonce, value, contest.selection_limit, index_bytes(contest.index))

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        """chi_l (70)."""
        ciphertexts = (s.ciphertext for s in selections)
        return ballot_hashes.contest_hash(self.group, self.h_i, contest.index, ciphertexts)

    def encrypted_nonce(self) -> SealedNonce:
        """xi_B under K-hat (37, 38)."""
        return sealing.seal_nonce(self.keys.data_key, self.h_i, self.ballot_nonce)

    def chaining_field(self) -> bytes:
        """B_C (73, 76)."""
        state = self.world.state.devices[self.plain.device]
        return state.chain.field(state.last)

    def confirmation_code(self, contests: Sequence[BallotContest], b_c: bytes) -> bytes:
        """H_C (71)."""
        hashes = [c.contest_hash for c in contests]
        return ballot_hashes.confirmation_code(self.h_i, hashes, b_c)

    def _prove(
        self, ciphertext: elgamal.Ciphertext, nonce: mpz, value: int, limit: int, context: bytes
    ) -> RangeProof:
        return range_proof.prove(
            self.keys.vote_key, ciphertext, nonce, min(value, limit), limit, self.h_i, context
        )


def encrypt(world: World, plain: Plain | None = None) -> Encrypted:
    """Encrypt a ballot as the next one of its device, which has begun its chain."""
    plain = plain or Plain()
    encryptor = (plain.encryptor or Encryptor)(world, plain)
    return Encrypted(encryptor.ballot(), encryptor.ballot_nonce)


def rehashed(world: World, ballot: Ballot) -> Ballot:
    """The ballot with H_I, contest hashes and code as its other fields require."""
    h_i = ballot_hashes.identifier_hash(world.keys.extended_base_hash, ballot.identifier)
    contests = tuple(
        replace(
            c,
            contest_hash=ballot_hashes.contest_hash(
                world.group, h_i, c.index, (s.ciphertext for s in c.selections)
            ),
        )
        for c in ballot.contests
    )
    code = ballot_hashes.confirmation_code(
        h_i, [c.contest_hash for c in contests], ballot.chaining_field
    )
    return replace(ballot, identifier_hash=h_i, contests=contests, confirmation_code=code)


# --- what devices do


def device_chain(world: World, label: str) -> Chain:
    """The chain that the manifest and H_E prescribe for a device."""
    h_e = world.keys.extended_base_hash
    information = world.context.manifest.device(label).information
    h_di = ballot_hashes.information_hash(h_e, information)
    return Chain(world.context.manifest.chaining, h_e, h_di)


def device_statement(world: World, label: str) -> Device:
    """The statement with which a device begins."""
    chain = device_chain(world, label)
    information = world.context.manifest.device(label).information
    return Device(label, information, chain.information_hash, chain.start())


def close_statement(world: World, label: str) -> DeviceClose:
    """The statement with which a device that has begun ends its chain."""
    state = world.state.devices[label]
    return DeviceClose(label, state.ballots, *state.chain.close(state.last))


def decision(ballot: Ballot, fate: Fate) -> Cast | Challenge:
    """The statement that decides a ballot."""
    kind = Cast if fate is Fate.CAST else Challenge
    return kind(ballot.device, ballot.confirmation_code)


def submit(world: World, plain: Plain | None = None) -> Encrypted:
    """Encrypt, submit and decide one ballot; its device begins if it has not."""
    plain = plain or Plain()
    if plain.device not in world.state.devices:
        world.append(device_statement(world, plain.device))
    encrypted = encrypt(world, plain)
    world.append(encrypted.ballot)
    if plain.fate is not Fate.SPOIL:
        world.append(decision(encrypted.ballot, plain.fate))
    return encrypted


def begin_device(world: World, label: str = "ballot-box-1") -> Artifact:
    """Have a device begin its chain."""
    return world.append(device_statement(world, label))
