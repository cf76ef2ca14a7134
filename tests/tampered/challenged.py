"""Cheating with challenged ballots: what is opened, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crypto import elgamal
from record.artifacts import ChallengedBallotDecryption, Selection, Statement
from record.manifest import Contest
from sailau.v1 import record_pb2 as pb
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import Altered, opening
from tests.tampered.kit import FEW, Catalogue, Record
from tests.world import World

CHALLENGED = Catalogue("challenged")

SERVER = "server"


# --- which ballots are opened


@CHALLENGED.edited("R.challenged", who=SERVER, at="ballot")
def opening_left_out(record: Record) -> None:
    """A challenged ballot is never opened: what did the device encrypt?"""
    record.take_out("challenged_ballot_decryption")


@CHALLENGED.edited("R.challenged", who=SERVER, at="challenged_ballot_decryption")
def openings_exchanged(record: Record) -> None:
    """Two openings stand in another order than the challenges."""
    kind = "challenged_ballot_decryption"
    record.swap(record.position(kind, 0), record.position(kind, 1))


@CHALLENGED.edited("R.challenged", who=SERVER)
def opened_twice(record: Record) -> None:
    """A challenged ballot is opened once as it is and once as something else."""
    kind = "challenged_ballot_decryption"
    again = pb.ChallengedBallotDecryption()
    again.CopyFrom(record.first(kind))
    again.contests[0].selections[0].value = 1
    record.insert(record.position(kind) + 1, challenged_ballot_decryption=again)


@CHALLENGED.played("R.challenged", who=SERVER, at="challenged_ballot_decryption")
def cast_ballot_opened(world: World, statement: Statement) -> Altered:
    """A ballot that counts is opened with the challenged ones: its voter's secret is out."""
    first = isinstance(statement, ChallengedBallotDecryption) and not world.state.opened
    if first:
        code = next(c for c, entry in world.state.ballots.items() if entry.status == 1)
        return (world.sign(opening(world, code)), statement)
    return statement


# --- 13 What is shown is what was encrypted


@CHALLENGED.edited("13.B", who=SERVER, standard=True)
def another_choice_shown(record: Record) -> None:
    """The server shows another choice than the ballot's, as the voter remembers it."""
    selections = record.first("challenged_ballot_decryption").contests[0].selections
    values = [s.value for s in selections]
    for selection, value in zip(selections, values[1:] + values[:1], strict=True):
        selection.value = value


@CHALLENGED.edited("13.B", who=SERVER)
def nonce_of_another_option(record: Record) -> None:
    """An option is opened with the nonce of the option beside it."""
    first, second = record.first("challenged_ballot_decryption").contests[0].selections[:2]
    first.nonce = second.nonce


@CHALLENGED.edited("13.B", who=SERVER)
def opening_of_another_ballot(record: Record) -> None:
    """One challenged ballot is opened with what was in the other."""
    first, second = record.every("challenged_ballot_decryption")
    second.contests[0].CopyFrom(first.contests[0])


class TwoFaced(Encryptor):
    """Hashes one choice and publishes another, both under the same nonces."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        hidden = [
            replace(s, alpha=c.alpha, beta=c.beta)
            for s, c in zip(selections, self._hidden(contest), strict=True)
        ]
        return super().contest_hash(contest, hidden)

    def _hidden(self, contest: Contest) -> list[elgamal.Ciphertext]:
        """No vote at all, under the nonces of the vote that is published."""
        nonces = (self.nonce(contest, option) for option in contest.options)
        return [elgamal.encrypt(self.keys.vote_key, 0, nonce) for nonce in nonces]


@CHALLENGED.played(
    "8.A",
    "R.challenged-nonce",
    who=("device ballot-box-1", SERVER),
    at="ballot challenged_ballot_decryption",
    votes=[Plain({"president": (0, 1, 0)}, fate=Fate.CHALLENGE, encryptor=TwoFaced), *FEW],
)
def two_faces(world: World, statement: Statement) -> Altered:
    """A code over an empty ballot, opened as empty; published, and proved, is a vote."""
    if not isinstance(statement, ChallengedBallotDecryption) or world.state.opened:
        return statement
    contests = (
        replace(c, selections=tuple(replace(s, value=0) for s in c.selections))
        for c in statement.contests
    )
    return replace(statement, contests=tuple(contests))


# --- 14 Well-formed openings


@CHALLENGED.edited("14.A", who=SERVER)
def contest_that_the_ballot_lacks(record: Record) -> None:
    """The opening of a short ballot shows the contest that it has not."""
    first, second = record.every("challenged_ballot_decryption")
    second.contests.add().CopyFrom(first.contests[1])


@CHALLENGED.edited("14.B", who=SERVER, where={"contest": "council"})
def contest_kept_shut(record: Record) -> None:
    """The opening leaves out a contest."""
    del record.first("challenged_ballot_decryption").contests[-1]


@CHALLENGED.edited("14.C", who=SERVER, where={"contest": "president", "option": "nobody"})
def option_from_nowhere(record: Record) -> None:
    """The opening shows an option that the contest does not have."""
    selections = record.first("challenged_ballot_decryption").contests[0].selections
    selections.add().CopyFrom(selections[0])
    selections[-1].option = "nobody"


@CHALLENGED.edited("14.D", who=SERVER, where={"contest": "president", "option": "gulnar"})
def option_kept_shut(record: Record) -> None:
    """The opening leaves out an option."""
    del record.first("challenged_ballot_decryption").contests[0].selections[-1]


@CHALLENGED.edited("14.E", who=SERVER, where={"contest": "council", "option": "no"})
def value_above_the_limit(record: Record) -> None:
    """The opening shows three votes for an option that takes two."""
    record.first("challenged_ballot_decryption").contests[1].selections[1].value = 3


@CHALLENGED.edited("14.F", who=SERVER, where={"contest": "president"})
def sum_above_the_limit(record: Record) -> None:
    """The opening shows two candidates chosen where one can be."""
    record.first("challenged_ballot_decryption").contests[0].selections[0].value = 1


@CHALLENGED.edited("R.challenged", who=SERVER)
def contests_exchanged(record: Record) -> None:
    """The opening shows the contests in the other order."""
    contests = record.first("challenged_ballot_decryption").contests
    kept = pb.ChallengedContest()
    kept.CopyFrom(contests[0])
    contests[0].CopyFrom(contests[1])
    contests[1].CopyFrom(kept)


@CHALLENGED.edited(
    "R.challenged",
    who=SERVER,
    server="R.encoding",
    because="a scalar that is not below q is refused as bytes",
)
def nonce_not_reduced(record: Record) -> None:
    """A nonce is q."""
    record.first("challenged_ballot_decryption").contests[0].selections[0].nonce = record.q
