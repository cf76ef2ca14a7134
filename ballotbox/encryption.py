"""One ballot, encrypted and proved (spec 3.3, 3.4).

    prepare(keys)                                   # once, when the program starts
    made = encrypt_ballot(context, keys, "box-1", "unit-4", "full",
                          {"president": {"abai": 1}}, chaining_field)
    made.ballot, made.secrets, made.hints

Choices are in memory here, and never in an error, a log or a repr. Every power is one of
g, K or K-hat, through a table.
"""

from __future__ import annotations

import json
import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from crypto import range_proof, sealing
from crypto.commitments import Commitments
from crypto.elgamal import PublicKey, accumulate, encrypt
from crypto.errors import Malformed
from crypto.group import mpz
from crypto.hashing import index_bytes
from record.artifacts import Ballot, BallotContest, Selection
from record.ballot_hashes import (
    confirmation_code,
    contest_hash,
    identifier_hash,
    selection_nonce,
)
from record.election import ElectionContext, ElectionKeys
from record.hints import BallotHints, format_hints
from record.manifest import BallotStyle, Contest, Manifest

Selections = Mapping[str, Mapping[str, int]]
"""What a voter chose: contest label to option label to value; what is absent is 0."""

NONCE_WIDTH = 32
IDENTIFIER_WIDTH = 32

TABLES = (32 * 2**20, 32 * 2**20, 5 * 2**20)
"""Bytes that the tables of g, K and K-hat may take on a device. A ballot has one power of
K-hat, but dozens of g and K."""


@dataclass(frozen=True, slots=True, repr=False)
class BallotSecrets:
    """What only the device knows of a ballot: xi_B (32 bytes) and the values.

    `selections` has the values by contest of the ballot style and by option, in the
    order of the manifest.
    """

    ballot_nonce: bytes
    selections: tuple[tuple[int, ...], ...]

    def __repr__(self) -> str:
        return "BallotSecrets(<redacted>)"

    def to_bytes(self) -> bytes:
        """For the journal, which encrypts it."""
        return json.dumps([self.ballot_nonce.hex(), self.selections]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` made of it."""
        nonce, selections = json.loads(data)
        return cls(bytes.fromhex(nonce), tuple(tuple(values) for values in selections))


@dataclass(frozen=True, slots=True)
class EncryptedBallot:
    """A ballot, what only the device knows of it, and its hints (a serialized BallotHints)."""

    ballot: Ballot
    secrets: BallotSecrets
    hints: bytes


def prepare(keys: ElectionKeys) -> None:
    """Build the tables for encryption, so that the first voter does not wait for them.

    Under a second with the standard parameters, and `TABLES` bytes. Without it they are
    built at the first ballot, and smaller.
    """
    tables = keys.vote_key.group.table, keys.vote_key.table, keys.data_key.table
    for table, memory in zip(tables, TABLES, strict=True):
        table.prepare(memory)


def encrypt_ballot(
    context: ElectionContext,
    keys: ElectionKeys,
    device: str,
    unit: str,
    style: str,
    selections: Selections,
    chaining_field: bytes,
) -> EncryptedBallot:
    """Encrypt a ballot and prove that it is well-formed (spec 3.3, 3.4).

    `device`, `unit` and `style` are labels, `chaining_field` is B_C (36 bytes). Raises
    Malformed with the path of what is wrong with the arguments; it never quotes a value.
    """
    ballot_style = _check_place(context.manifest, device, unit, style)
    values = _check_selections(ballot_style, selections)
    identifier = randomness.token_bytes(IDENTIFIER_WIDTH)
    ballot_nonce = randomness.token_bytes(NONCE_WIDTH)
    h_i = identifier_hash(keys.extended_base_hash, identifier)
    commitments: list[Commitments] = []
    contests = tuple(
        _encrypt_contest(keys.vote_key, h_i, contest, contest_values, ballot_nonce, commitments)
        for contest, contest_values in zip(ballot_style.contests, values, strict=True)
    )
    sealed, commitment = sealing.seal_nonce_and_commit(keys.data_key, h_i, ballot_nonce)
    ballot = Ballot(
        device=device,
        ballot_style=style,
        unit=unit,
        identifier=identifier,
        identifier_hash=h_i,
        contests=contests,
        encrypted_nonce=sealed,
        chaining_field=chaining_field,
        confirmation_code=confirmation_code(
            h_i, [c.contest_hash for c in contests], chaining_field
        ),
    )
    hints = format_hints(BallotHints((*commitments, commitment)))
    return EncryptedBallot(ballot, BallotSecrets(ballot_nonce, values), hints)


def _encrypt_contest(
    key: PublicKey,
    h_i: bytes,
    contest: Contest,
    values: Sequence[int],
    ballot_nonce: bytes,
    commitments: list[Commitments],
) -> BallotContest:
    """A contest; the commitments of its proofs are appended to `commitments`, in order."""
    group, i = key.group, contest.index
    nonces = [
        selection_nonce(group, h_i, i, option.index, ballot_nonce) for option in contest.options
    ]
    selections = tuple(
        _encrypt_selection(key, h_i, contest, option.index, value, nonce, commitments)
        for option, value, nonce in zip(contest.options, values, nonces, strict=True)
    )
    ciphertexts = [s.ciphertext for s in selections]
    limit_proof, committed = range_proof.prove_and_commit(
        key,
        accumulate(group, ciphertexts),
        sum(nonces, mpz(0)) % group.q,
        sum(values),
        contest.selection_limit,
        h_i,
        index_bytes(i),
    )
    commitments.append(committed)
    return BallotContest(i, selections, limit_proof, contest_hash(group, h_i, i, ciphertexts))


def _encrypt_selection(
    key: PublicKey,
    h_i: bytes,
    contest: Contest,
    option: int,
    value: int,
    nonce: mpz,
    commitments: list[Commitments],
) -> Selection:
    ciphertext = encrypt(key, value, nonce)
    proof, committed = range_proof.prove_and_commit(
        key,
        ciphertext,
        nonce,
        value,
        contest.option_limit,
        h_i,
        index_bytes(contest.index) + index_bytes(option),
    )
    commitments.append(committed)
    return Selection(ciphertext.alpha, ciphertext.beta, proof)


def _check_place(manifest: Manifest, device: str, unit: str, style: str) -> BallotStyle:
    ballot_style = manifest.style(style)
    if unit not in manifest.device(device).units:
        manifest.unit(unit)
        raise Malformed("unit", f"the device {device!r} does not serve {unit!r}")
    if style not in manifest.unit(unit).ballot_styles:
        raise Malformed("ballot_style", f"the unit {unit!r} has no ballot style {style!r}")
    return ballot_style


def _check_selections(style: BallotStyle, selections: Selections) -> tuple[tuple[int, ...], ...]:
    contests = {contest.label for contest in style.contests}
    for label in selections:
        if label not in contests:
            raise Malformed(
                f"selections[{label!r}]", f"the ballot style {style.label!r} has no such contest"
            )
    return tuple(_check_contest(c, selections.get(c.label, {})) for c in style.contests)


def _check_contest(contest: Contest, chosen: Mapping[str, int]) -> tuple[int, ...]:
    path = f"selections[{contest.label!r}]"
    options = {option.label for option in contest.options}
    for label, value in chosen.items():
        if label not in options:
            raise Malformed(f"{path}[{label!r}]", "the contest has no such option")
        if type(value) is not int or not 0 <= value <= contest.option_limit:
            raise Malformed(path, f"an option's value is not in 0..{contest.option_limit}")
    if sum(chosen.values()) > contest.selection_limit:
        raise Malformed(
            path,
            f"is an overvote: the values add up to more than {contest.selection_limit}",
            "Let the voter correct it, or leave the contest out.",
        )
    return tuple(chosen.get(option.label, 0) for option in contest.options)
