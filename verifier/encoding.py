"""Widths and ranges of everything in a trustee's statement, for accusations.

On the record some of this is found under other ids (2.A, 2.B) or does not matter.
A message that is accused has to be perfect in form before anything else is asked of it.
"""

from __future__ import annotations

from typing import Any

from verifier.findings import Findings, Place
from verifier.group import Group
from verifier.wire import Reader

_MAX_INDEX = 2**31 - 1
_MAX_COUNT = 2**53


class _Form:
    """Says whether values are what docs/record.md, "Values", allows."""

    def __init__(self, group: Group) -> None:
        self._findings = Findings(limit=1)
        self._reader = Reader(group, self._findings, Place(), "")

    def element(self, data: bytes, what: str) -> None:
        self._reader.ranged_element(data, what)

    def scalar(self, data: bytes, what: str) -> None:
        self._reader.ranged_scalar(data, what)

    def hash(self, data: bytes, what: str) -> None:
        self._reader.hash(data, what)

    def fixed(self, data: bytes, width: int, what: str) -> None:
        self._reader.fixed(data, width, what)

    def number(self, number: int, low: int, high: int, what: str) -> None:
        if not low <= number <= high:
            self._reader.problem(f"{what} is {number}, not from {low} to {high}")

    def index(self, number: int, what: str) -> None:
        self.number(number, 1, _MAX_INDEX, what)

    @property
    def problem(self) -> str:
        """The first thing that is wrong, "" if nothing is."""
        return self._findings.failures[0].message if self._findings.failures else ""


def misfit(group: Group, kind: str, statement: Any) -> str:
    """Say which value of a trustee's statement has the wrong width or range, "" if none."""
    form = _Form(group)
    form.hash(statement.transcript, "the transcript")
    if kind == "key_commitment":
        form.hash(statement.commitment, "the commitment")
    elif kind == "trustee_keys":
        _keys(form, statement)
    elif kind == "encrypted_shares":
        _shares(form, statement)
    elif kind == "share_complaint":
        form.index(statement.sender, "the sender")
    elif kind == "share_answer":
        form.index(statement.recipient, "the recipient")
        form.scalar(statement.nonce, "the nonce")
    elif kind == "key_confirmation":
        form.hash(statement.base_hash, "H_B")
        form.hash(statement.key_ceremony_hash, "H_G")
    else:
        _part(form, kind, statement)
    return form.problem


def _keys(form: _Form, statement: Any) -> None:
    for commitment in (*statement.vote_commitments, *statement.data_commitments):
        form.element(commitment, "a commitment")
    form.element(statement.communication_key, "kappa")
    for proof in (statement.vote_proof, statement.data_proof):
        form.scalar(proof.challenge, "the challenge of a proof")
        for response in proof.responses:
            form.scalar(response, "a response of a proof")


def _shares(form: _Form, statement: Any) -> None:
    for share in statement.shares:
        form.index(share.recipient, "the recipient of a share")
        form.element(share.c0, "C_0 of a share")
        form.fixed(share.c1, 64, "C_1 of a share")
        form.scalar(share.c2.challenge, "c of a share")
        form.scalar(share.c2.response, "v of a share")


def _part(form: _Form, kind: str, statement: Any) -> None:
    form.index(statement.session, "the session")
    form.number(statement.first, 0, _MAX_COUNT, "the number of the first ciphertext")
    if kind == "decryption_commitments":
        for commitment in statement.commitments:
            form.hash(commitment, "a commitment")
    elif kind == "decryption_shares":
        for share in statement.shares:
            form.element(share.partial_decryption, "M_i")
            form.element(share.a, "a_i")
            form.element(share.b, "b_i")
    else:
        for response in statement.responses:
            form.scalar(response, "a response")
