"""Batch and exact mode on the same records: the reports are equal, word for word."""

from __future__ import annotations

import hmac
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from crypto import elgamal
from crypto.group import Group, mpz
from crypto.range_proof import RangeProof
from sailau.v1 import record_pb2 as pb
from tests.ballots import Encryptor, Plain
from tests.decrypting import play_election
from tests.published_hints import Change, make_hints, write_entries, write_hints
from tests.publishing import publish
from tests.tampered.kit import PARAMETERS, TOY_NAME, Record, Tampering, honest
from tests.tampered.test_tampered import STANDARD, TAMPERINGS
from tests.world import World
from verifier import Report, verify
from verifier.ballot_claims import ballot_claim
from verifier.ballot_proofs import BallotChecker, Outcome
from verifier.ballot_proofs import _Waiting as Waiting
from verifier.batch import SUITABLE, Batch, Claim
from verifier.cli import main
from verifier.proofs import nonce_challenge, range_challenge


class Spy:
    """Counts what batches found."""

    def __init__(self) -> None:
        self.held = self.failed = self.claims = 0
        self._holds = Batch.holds

    def holds(self, batch: Batch, claims: list[Claim]) -> bool:
        """Ask the batch, and count."""
        found = self._holds(batch, claims)
        if claims:
            self.held += found
            self.failed += not found
            self.claims += len(claims)
        return found


def _watched(spy: Spy) -> Callable[[Batch, list[Claim]], bool]:
    def holds(batch: Batch, claims: list[Claim]) -> bool:
        return spy.holds(batch, claims)

    return holds


@pytest.fixture
def spy() -> Iterator[Spy]:
    """Have the toy group count as one whose batches can be trusted, and watch them.

    Its p - 1 is 2qs like that of the others; only its q is too small for anybody else.
    """
    spy = Spy()
    suitable = mock.patch("verifier.batch.SUITABLE", SUITABLE | {TOY_NAME})
    with suitable, mock.patch.object(Batch, "holds", _watched(spy)):
        yield spy


def both(folder: Path, spy: Spy, **options: object) -> Report:
    """Verify in both modes, compare, and return the report."""
    batch = verify(folder, **options)  # type: ignore[arg-type]
    used = spy.claims
    exact = verify(folder, exact=True, **options)  # type: ignore[arg-type]
    assert spy.claims == used, "the exact mode used a batch"
    assert batch == exact
    assert batch.to_json() == exact.to_json()
    return batch


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=str)
def test_reports_are_equal(tampering: Tampering, spy: Spy, tmp_path: Path) -> None:
    """Every way to cheat, with hints: both modes say the same, to the last count."""
    forged = tampering.publish(tmp_path)
    write_hints(tmp_path, forged.world, forged.artifacts)
    report = both(tmp_path, spy, **{"parameters": TOY_NAME, **tampering.options_in(tmp_path)})
    assert set(report.failed_ids()) == set(tampering.fails)


@pytest.mark.slow
@pytest.mark.parametrize("tampering", STANDARD, ids=str)
def test_reports_are_equal_on_the_standard_group(
    tampering: Tampering, spy: Spy, tmp_path: Path
) -> None:
    """The same with 4096 bits."""
    forged = tampering.publish(tmp_path, "standard")
    write_hints(tmp_path, forged.world, forged.artifacts)
    report = both(tmp_path, spy, **{"parameters": "standard", **tampering.options_in(tmp_path)})
    assert set(report.failed_ids()) == set(tampering.fails)


def test_an_honest_record_goes_through_batches(spy: Spy, tmp_path: Path) -> None:
    """Nothing fails, and every ballot, share and decryption is claimed in a batch."""
    world = honest()
    publish(world, tmp_path)
    report = both(tmp_path, spy, parameters=TOY_NAME)
    assert (report.verdict, spy.failed) == ("verified", 0)
    shares = sum(len(part.shares) for part in Record(world).every("decryption_shares"))
    options = sum(len(tally.options) for tally in Record(world).every("decrypted_tally"))
    # Of each share its membership and its proof.
    assert spy.claims >= 2 * shares + options
    before = spy.claims
    write_hints(tmp_path, world)
    assert both(tmp_path, spy, parameters=TOY_NAME) == report
    assert spy.claims == 2 * before + len(Record(world).every("ballot"))
    assert spy.failed == 0


def test_a_claim_grows_with_the_ballot_and_no_faster(spy: Spy, tmp_path: Path) -> None:
    """An equation is about one factor, however many options its contest has.

    The equations of a limit proof are about all of them: a ballot of 1 MiB can have 850
    options and a limit of as many, and with each option in each equation took 94 MB.
    """
    world = honest()
    publish(world, tmp_path)
    write_hints(tmp_path, world)
    claims: list[Claim | None] = []

    def watched(*arguments: object) -> Claim | None:
        claims.append(ballot_claim(*arguments))  # type: ignore[arg-type]
        return claims[-1]

    with mock.patch("verifier.ballot_proofs.ballot_claim", watched):
        assert both(tmp_path, spy, parameters=TOY_NAME).verdict == "verified"
    assert len(claims) == len(Record(world).every("ballot"))
    for claim in claims:
        assert claim is not None
        assert {len(equation.terms) for equation in claim.equations} == {1}


@pytest.mark.parametrize("proof", ["none", "selection", "limit", "nonce"])
def test_challenges_of_zero_make_no_claim(proof: str, spy: Spy, tmp_path: Path) -> None:
    """A number to the power of 0 does not show where it is: the exact check has to look.

    No device can choose a hash that is 0. Here it is, of one proof and none or another.
    """
    world = honest()
    publish(world, tmp_path)
    write_hints(tmp_path, world)
    claims: list[Claim | None] = []

    def claimed(*arguments: Any) -> Claim | None:
        group, _, ballot, *_ = arguments
        first, zero = ballot.contests[0], bytes(group.scalar_width)
        if proof == "nonce":
            ballot.encrypted_nonce.c2.challenge = zero
        elif proof != "none":
            known = first.limit_proof if proof == "limit" else first.selections[0].proof
            known.challenges[:] = [zero] * len(known.challenges)
        claims.append(ballot_claim(*arguments))
        return claims[-1]

    def range_hash(*arguments: Any) -> int:
        context = {"selection": (1, 1), "limit": (1,)}.get(proof, ())
        encoded = b"".join(index.to_bytes(4, "big") for index in context)
        return 0 if arguments[2] == encoded else range_challenge(*arguments)

    def nonce_hash(*arguments: Any) -> int:
        return 0 if proof == "nonce" else nonce_challenge(*arguments)

    with (
        mock.patch("verifier.ballot_proofs.ballot_claim", claimed),
        mock.patch("verifier.ballot_claims.range_challenge", range_hash),
        mock.patch("verifier.ballot_claims.nonce_challenge", nonce_hash),
    ):
        verify(tmp_path, parameters=TOY_NAME)
    assert len(claims) == len(Record(world).every("ballot"))
    assert {claim is not None for claim in claims} == {proof == "none"}


def test_what_waits_for_a_batch_is_bounded(spy: Spy, tmp_path: Path) -> None:
    """Ballots without usable hints wait behind one with: no more of them than fit.

    Else 127 artifacts of 16 MiB, none of them a valid ballot, wait for the end of their shard.
    """
    world = honest()
    publish(world, tmp_path)
    entries = make_hints(world)
    ballots = [i for i, entry in enumerate(entries) if entry]
    for i in ballots[1:]:
        entries[i] = b""
    write_entries(tmp_path, entries)
    waited: list[int] = []
    finish = BallotChecker._finish

    def watched(checker: BallotChecker, waiting: Sequence[Waiting], outcome: Outcome) -> None:
        waited.append(len(waiting))
        finish(checker, waiting, outcome)

    with mock.patch.object(BallotChecker, "_finish", watched):
        before = both(tmp_path, spy, parameters=TOY_NAME)
        assert max(waited) == len(ballots)
        waited.clear()
        longest = max(len(world.data()[i]) for i in ballots)
        with mock.patch("verifier.ballot_proofs._HELD", 2 * longest, create=True):
            assert both(tmp_path, spy, parameters=TOY_NAME) == before
    assert before.verdict == "verified"
    assert 2 <= max(waited) < len(ballots)


# --- proofs over the wrong commitments


class Forger(Encryptor):
    """Hashes the first commitment of every selection's proof times `factor`."""

    @staticmethod
    def factor(group: Group) -> int:
        """Minus one, which a square would hide."""
        return int(group.p) - 1

    def _prove(
        self, ciphertext: elgamal.Ciphertext, nonce: mpz, value: int, limit: int, context: bytes
    ) -> RangeProof:
        if len(context) == 4:
            return super()._prove(ciphertext, nonce, value, limit, context)
        group, key, q = self.group, self.keys.vote_key, int(self.group.q)
        u = [group.random_scalar() for _ in range(limit + 1)]
        c = [group.random_scalar() for _ in range(limit + 1)]
        data = b"\x24" + context
        data += group.encode_element(ciphertext.alpha) + group.encode_element(ciphertext.beta)
        for j in range(limit + 1):
            a = group.g_power(u[j]) * (self.factor(group) if j == 0 else 1) % group.p
            b = key.power((u[j] + (value - j) * c[j]) % q)
            data += group.encode_element(a) + group.encode_element(b)
        digest = int.from_bytes(hmac.digest(self.h_i, data, "sha256"), "big")
        c[value] = (digest - sum(c) + c[value]) % q
        v = tuple((x - y * nonce) % q for x, y in zip(u, c, strict=True))
        return RangeProof(tuple(c), v)


class ForgerOfOrderS(Forger):
    """With a factor of the large prime order beside q."""

    @staticmethod
    def factor(group: Group) -> int:
        """An element outside the group, and no -1 in it."""
        return int(group.power(mpz(3), 2 * group.q))


class ForgerInside(Forger):
    """With a factor in the group."""

    @staticmethod
    def factor(group: Group) -> int:
        """g squared."""
        return int(group.g_power(2))


class ForgerBack(Forger):
    """With the inverse of `ForgerInside`'s, so that the two cancel in a plain product."""

    @staticmethod
    def factor(group: Group) -> int:
        """One through g squared."""
        return int(group.g_power(group.q - 2))


def as_forged(world: World, forgers: Sequence[type[Forger] | None]) -> Change:
    """The hints that fit the hashes of forged ballots: what the forgers have hashed."""
    group, made = world.group, iter(forgers)

    def change(_: int, hints: pb.BallotHints) -> bytes:
        forger, width = next(made), group.parameters.element_width
        if forger is not None:
            for i, proof in enumerate(hints.proofs):
                if i in (0, 1, 2, 4, 5):  # selections of "full": three, limit, two, limit, nonce
                    first = int.from_bytes(proof[:width], "big") * forger.factor(group)
                    hints.proofs[i] = group.encode_element(mpz(first) % group.p) + proof[width:]
        return hints.SerializeToString()

    return change


FORGERS: dict[str, list[type[Forger] | None]] = {
    "one": [None, None, Forger, None],
    "two": [Forger, None, Forger, None],
    "all": [Forger] * 4,
    "of order s": [None, ForgerOfOrderS, None, ForgerOfOrderS],
    "inside": [ForgerInside, None, None, None],
    "cancelling": [ForgerInside, None, ForgerBack, None],
}


@pytest.mark.parametrize("name", FORGERS)
def test_forged_ballots_are_found_in_their_batch(name: str, spy: Spy, tmp_path: Path) -> None:
    """Hashes and hints agree, only the equations do not: the batch fails and is searched."""
    forgers = FORGERS[name]
    votes = [Plain({"president": (0, 1, 0)}, encryptor=forger) for forger in forgers]
    world = play_election(PARAMETERS[TOY_NAME], votes, alter=lambda _, piece: piece)
    publish(world, tmp_path)
    write_hints(tmp_path, world, change=as_forged(world, forgers))
    report = both(tmp_path, spy, parameters=TOY_NAME)
    assert report.failed_ids() == ("6.D",)
    assert report.failures_total == 5 * sum(forger is not None for forger in forgers)
    assert spy.failed > 0
    assert spy.held > 0


# --- hints that are no good


def _bit(_: int, hints: pb.BallotHints) -> bytes:
    """One bit is wrong."""
    proof = hints.proofs[1]
    hints.proofs[1] = proof[:40] + bytes([proof[40] ^ 4]) + proof[41:]
    return hints.SerializeToString()


def _swapped(_: int, hints: pb.BallotHints) -> bytes:
    """Two proofs in the wrong order."""
    hints.proofs[0], hints.proofs[1] = hints.proofs[1], hints.proofs[0]
    return hints.SerializeToString()


def _short(_: int, hints: pb.BallotHints) -> bytes:
    """The last proof is missing."""
    del hints.proofs[-1]
    return hints.SerializeToString()


def _long(_: int, hints: pb.BallotHints) -> bytes:
    """One more than there are proofs."""
    hints.proofs.append(hints.proofs[-1])
    return hints.SerializeToString()


def _narrow(_: int, hints: pb.BallotHints) -> bytes:
    """An element is a byte too short."""
    hints.proofs[-1] = hints.proofs[-1][1:]
    return hints.SerializeToString()


def _outside(_: int, hints: pb.BallotHints) -> bytes:
    """An element is 0, another above p."""
    hints.proofs[0] = bytes(len(hints.proofs[0]))
    hints.proofs[-1] = b"\xff" * len(hints.proofs[-1])
    return hints.SerializeToString()


def _negative(_: int, hints: pb.BallotHints) -> bytes:
    """Every commitment is its negative, which squares to the same."""
    p = PARAMETERS[TOY_NAME].p
    for i, proof in enumerate(hints.proofs):
        parts = (proof[j : j + 32] for j in range(0, len(proof), 32))
        hints.proofs[i] = b"".join((p - int.from_bytes(x, "big")).to_bytes(32) for x in parts)
    return hints.SerializeToString()


def _garbage(number: int, _: pb.BallotHints) -> bytes:
    """No message at all."""
    return b"\xff" * (1 + number % 7)


def _none(_: int, hints: pb.BallotHints) -> bytes:
    """Nothing."""
    return b""


CHANGES = (_bit, _swapped, _short, _long, _narrow, _outside, _negative, _garbage, _none)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_bad_hints_change_nothing(change: Change, spy: Spy, tmp_path: Path) -> None:
    """Whatever stands there, the verdict is that without; and no batch fails for it."""
    world = honest()
    publish(world, tmp_path)
    without = verify(tmp_path, parameters=TOY_NAME)
    claims = spy.claims
    write_hints(tmp_path, world, change=change)
    assert both(tmp_path, spy, parameters=TOY_NAME) == without
    assert without.verdict == "verified"
    assert spy.failed == 0
    assert spy.claims == 2 * claims, "a ballot was claimed on the word of bad hints"


def test_hints_of_other_ballots(spy: Spy, tmp_path: Path) -> None:
    """Every ballot has the hints of the one before it."""
    world = honest()
    publish(world, tmp_path)
    entries = make_hints(world)
    ballots = [i for i, entry in enumerate(entries) if entry]
    hints = [entries[i] for i in ballots]
    for i, entry in zip(ballots, hints[-1:] + hints[:-1], strict=True):
        entries[i] = entry
    write_entries(tmp_path, entries)
    assert both(tmp_path, spy, parameters=TOY_NAME).verdict == "verified"
    assert spy.failed == 0


@pytest.mark.parametrize("damage", ["cut", "shifted", "garbage", "endless", "folder", "missing"])
def test_damaged_files_of_hints(damage: str, spy: Spy, tmp_path: Path) -> None:
    """Files that end early, or are none: what could be read is used, the rest passed over."""
    world = honest()
    publish(world, tmp_path)
    write_hints(tmp_path, world)
    path = tmp_path / "hints/000"
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "shifted":
        path.write_bytes(b"\0" + data)
    elif damage == "garbage":
        path.write_bytes(b"\xff" * 100)
    elif damage == "endless":
        path.write_bytes(b"\xff\xff\xff\x7f" + data)
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    assert both(tmp_path, spy, parameters=TOY_NAME).verdict == "verified"
    assert spy.failed == 0


def test_hints_in_a_zip(spy: Spy, tmp_path: Path) -> None:
    """They are read from a .zip as from a directory."""
    world = honest()
    publish(world, tmp_path / "record")
    report = verify(tmp_path / "record", parameters=TOY_NAME)
    without = spy.claims
    write_hints(tmp_path / "record", world)
    with zipfile.ZipFile(tmp_path / "record.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in (p for p in (tmp_path / "record").rglob("*") if p.is_file()):
            packed.write(file, str(file.relative_to(tmp_path)))
    assert both(tmp_path / "record.zip", spy, parameters=TOY_NAME) == report
    assert spy.claims == 2 * without + len(Record(world).every("ballot"))


# --- what else must not matter


def test_a_session_of_very_many_trustees(spy: Spy, tmp_path: Path) -> None:
    """Their weights are computed one by one, and come to the same."""
    world = honest()
    publish(world, tmp_path)
    report = both(tmp_path, spy, parameters=TOY_NAME)
    with mock.patch("verifier.shares._MANY", 0):
        assert both(tmp_path, spy, parameters=TOY_NAME) == report


def test_a_group_that_does_not_allow_it(tmp_path: Path) -> None:
    """Under toy parameters no batch is asked, whatever hints there are."""
    world = honest()
    publish(world, tmp_path)
    write_hints(tmp_path, world)
    with mock.patch.object(Batch, "holds", side_effect=AssertionError):
        assert verify(tmp_path, parameters=TOY_NAME).verdict == "verified"


def test_the_option(spy: Spy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--exact` asks no batch and prints the same report."""
    world = honest()
    publish(world, tmp_path)
    arguments = [str(tmp_path), "--json", "--jobs", "1", "--parameters", TOY_NAME]
    assert main(arguments) == 0
    used, printed = spy.claims, capsys.readouterr().out
    assert used
    assert main([*arguments, "--exact"]) == 0
    assert spy.claims == used
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("limit", [1, 60])
def test_batches_of_any_size(limit: int, spy: Spy, tmp_path: Path) -> None:
    """A shard with more powers than a batch takes is several batches, in order."""
    forgers: list[type[Forger] | None] = [None, Forger, None, None, Forger, None]
    votes = [Plain({"president": (0, 1, 0)}, encryptor=forger) for forger in forgers]
    world = play_election(PARAMETERS[TOY_NAME], votes, alter=lambda _, piece: piece)
    publish(world, tmp_path)
    write_hints(tmp_path, world, change=as_forged(world, forgers))
    with mock.patch("verifier.ballot_proofs._BATCH", limit):
        report = both(tmp_path, spy, parameters=TOY_NAME)
    assert report.failures_total == 10
    assert [f.place.artifact for f in report.failures] == sorted(
        f.place.artifact or 0 for f in report.failures
    )
