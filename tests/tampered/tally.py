"""Cheating with the count: aggregates, decryption, the tallies and the result."""

from __future__ import annotations

from dataclasses import replace

from crypto import decryption_proof
from crypto.elgamal import Ciphertext, accumulate
from crypto.group import Group, mpz
from crypto.hashing import index_bytes
from record.artifacts import (
    Ballot,
    Cast,
    DecryptedTally,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShare,
    DecryptionShares,
    EncryptedTally,
    Result,
    Statement,
)
from sailau.v1 import record_pb2 as pb
from tests.decrypting import VOTES, Altered, Session, cast_ballots, tallies
from tests.tampered.kit import Catalogue, Record, flipped
from tests.world import World

TALLY = Catalogue("tally")

SERVER = "server"
OUT_OF_RANGE = "a scalar that is not below q is refused as bytes"
NEXT_ONLY = "the server takes the next tally, option by option, and no other"
SEEN_FIRST = "the server sees that a share does not open d_i before there is a response to it"
CELL = {"units": ("centre",), "contest": "president"}


def _is_first(statement: Statement, kind: type) -> bool:
    """Whether a statement is the tally of the first cell."""
    return (
        isinstance(statement, kind)
        and isinstance(statement, EncryptedTally | DecryptedTally)
        and (statement.units, statement.contest) == (("centre",), "president")
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


@TALLY.played(
    "R.tally-cells",
    "9.A",
    "9.B",
    "R.result",
    who=(SERVER, "administrator"),
    at="encrypted_tally decrypted_tally result",
)
def ballot_left_out_and_not_counted(world: World, statement: Statement) -> Altered:
    """One ballot is left out of the product and of the number of ballots, to the very end."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        smaller = _times(world.group, statement, next(cast_ballots(world)), -1)
        return replace(smaller, ballots=smaller.ballots - 1)
    return statement


@TALLY.played("9.A", "9.B", who=SERVER, at="encrypted_tally")
def spoiled_ballot_counted(world: World, statement: Statement) -> Altered:
    """A ballot that nobody cast is multiplied in."""
    if _is_first(statement, EncryptedTally) and isinstance(statement, EncryptedTally):
        statements = [artifact.statement for artifact in world.artifacts]
        cast = {s.confirmation_code for s in statements if isinstance(s, Cast)}
        ballots = (s for s in statements if isinstance(s, Ballot))
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


@TALLY.played(
    "R.tally-cells",
    "11.D",
    who=SERVER,
    at="",
    where={"units": ("village",), "contest": "president"},
    server="R.order",
    because="the server waits for the tally and takes nothing else before it",
)
def village_left_out(world: World, statement: Statement) -> Altered:
    """The village is tallied neither encrypted nor decrypted; only its ballots are counted."""
    if isinstance(statement, EncryptedTally) and statement.units == ("village",):
        return ()
    if isinstance(statement, Result):
        first, *rest = statement.contests
        return Result((replace(first, ballots=4), *rest))
    return statement


def _city(world: World) -> EncryptedTally:
    """The product over all units of the first contest, as a tally of the city."""
    mine = [t for t in tallies(world) if t.contest == "president"]
    options = tuple(
        accumulate(world.group, column) for column in zip(*(t.options for t in mine), strict=True)
    )
    return EncryptedTally(("city",), "president", sum(t.ballots for t in mine), options)


@TALLY.played("R.tally-cells", who=SERVER, at="encrypted_tally", where={"units": ("city",)})
def tally_of_the_whole_city(world: World, statement: Statement) -> Altered:
    """The server publishes the sum over a unit of units, as if it were one more unit."""
    if _is_first(statement, EncryptedTally):
        return (world.sign(_city(world)), statement)
    return statement


@TALLY.played("R.tally-cells", who=SERVER, at="decrypted_tally", where={"units": ("city",)})
def sum_decrypted_by_itself(world: World, statement: Statement) -> Altered:
    """The server publishes a decryption of the sum over a unit of units beside the others."""
    if isinstance(statement, DecryptedTally) and statement.units == ("village",):
        return (statement, world.sign(replace(statement, units=("city",))))
    return statement


@TALLY.edited("R.tally-cells", who=SERVER)
def tally_decrypted_twice(record: Record) -> None:
    """A tally is decrypted again, with other counts: which is right?"""
    again = pb.DecryptedTally()
    again.CopyFrom(record.last("decrypted_tally"))
    again.options[0].count += 1
    record.insert(record.position("decrypted_tally", -1) + 1, decrypted_tally=again)


# --- 10 Decryption sessions


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


@TALLY.played("R.session", who=SERVER, at="decryption_session decrypted_tally")
def session_after_a_tally(world: World, statement: Statement) -> Altered:
    """After the first decrypted tally the server begins another session with other trustees."""
    if _is_first(statement, DecryptedTally):
        return (statement, DecryptionSession(2, (1, 2)))
    return statement


@TALLY.edited(
    "R.session",
    who=SERVER,
    at="decryption_shares decryption_responses decrypted_tally",
)
def shares_before_all_commitments(record: Record) -> None:
    """Trustee 2 shows its shares before trustee 3 commits, which can then choose its own."""
    record.swap(record.position("decryption_commitments", 1), record.position("decryption_shares"))


@TALLY.edited("R.session", who=SERVER, at="decryption_responses decrypted_tally")
def part_with_a_gap(record: Record) -> None:
    """Trustee 3's responses begin at the second ciphertext."""
    record.last("decryption_responses").first += 1


@TALLY.played("R.decryption-commitment", who="trustee 3", at="decryption_shares")
def commitment_to_something_else(world: World, statement: Statement) -> Altered:
    """Trustee 3 chooses its a, b and M when it has seen those of the others."""
    if isinstance(statement, DecryptionCommitments) and statement.trustee == 3:
        first, *rest = statement.commitments
        return replace(statement, commitments=(flipped(first), *rest))
    return statement


@TALLY.edited(
    "R.decryption-share",
    who="trustee 2",
    at="decryption_responses",
    server="R.decryption-commitment",
    because=SEEN_FIRST,
    standard=True,
)
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


@TALLY.edited(
    "R.decryption-share",
    who="trustee 2",
    at="decryption_responses",
    server="R.decryption-commitment",
    because=SEEN_FIRST,
)
def shares_exchanged(record: Record) -> None:
    """Trustee 2's shares of two ciphertexts stand in each other's place."""
    first, second = record.first("decryption_shares").shares[:2]
    kept = pb.DecryptionShare()
    kept.CopyFrom(first)
    first.CopyFrom(second)
    second.CopyFrom(kept)


@TALLY.edited(
    "R.decryption-share",
    who="trustee 3",
    at="decryption_shares",
    server="R.decryption-commitment",
    because=SEEN_FIRST,
)
def share_outside(record: Record) -> None:
    """b of trustee 3's share is negated: not in the group."""
    share = record.last("decryption_shares").shares[-1]
    share.b = record.negated(share.b)


def _two_sessions(world: World) -> tuple[Session, Session]:
    """Two sessions of the same trustees, numbered 1 and 2."""
    first, second = Session(world, (2, 3)), Session(world, (2, 3))
    second.number = 2
    return first, second


@TALLY.played("R.decryption-share", who="trustee 2", at="decryption_shares")
def share_outside_in_a_session_given_up(world: World, statement: Statement) -> Altered:
    """Trustee 2 sends numbers outside the group and goes away; another session is begun."""
    if not isinstance(statement, DecryptionSession) or statement.session != 1:
        return _renumbered(statement)
    first, _ = _two_sessions(world)
    share = first.parts[2][0]
    first.parts[2][0] = replace(share, b=world.group.p - share.b)
    rounds = [first.commitments(i) for i in (2, 3)] + [first.shares(i) for i in (2, 3)]
    pieces = [part for round_ in rounds for part in round_]
    return (first.statement(), *pieces, replace(statement, session=2))


def _rounds(session: Session) -> list[Statement]:
    """A whole session, its statement first."""
    rounds = (session.commitments, session.shares, session.responses)
    return [session.statement(), *(x for r in rounds for i in session.available for x in r(i))]


_LATER: dict[int, Session] = {}


@TALLY.played("R.decryption-share", who=("trustee 2", "trustee 3"), at="decryption_responses")
def challenge_borrowed_from_a_later_session(world: World, statement: Statement) -> Altered:
    """In a session given up a wrong share is proved under the challenge of the next one."""
    if isinstance(statement, DecryptedTally):
        mine = _LATER[id(world)].decrypted_tallies()
        return next(t for t in mine if (t.units, t.contest) == (statement.units, statement.contest))
    if isinstance(statement, DecryptionCommitments | DecryptionShares | DecryptionResponses):
        return ()
    if not isinstance(statement, DecryptionSession):
        return statement
    group, shares = world.group, world.secrets.vote_shares
    first, second = _two_sessions(world)
    _LATER[id(world)] = second
    challenges = second.joint()[0].challenges
    pad, wrong = first.places[0].ciphertext.alpha, first.parts[2][0].partial_decryption ** 2
    wrong, answer, c = wrong % group.p, group.random_scalar(), challenges[2]
    first.parts[2][0] = DecryptionShare(
        wrong,
        group.g_power((answer + c * shares[2]) % group.q),
        group.power(pad, answer) * group.power(wrong, c) % group.p,
    )
    answers = {2: answer, 3: (first.nonces[3][0] - challenges[3] * shares[3]) % group.q}
    pieces = [
        replace(x, responses=(answers[x.trustee], *x.responses[1:]))
        if isinstance(x, DecryptionResponses)
        else x
        for x in _rounds(first)
    ]
    return [*pieces, *_rounds(second)]


# --- 10 and 11 Decrypted tallies


@TALLY.played(
    "R.combination",
    who=SERVER,
    at="decrypted_tally",
    where=CELL,
    server=None,
    because="the server makes the tallies itself, and V10 shows that they are right",
    standard=True,
)
def proof_by_somebody_else(world: World, statement: Statement) -> Altered:
    """Somebody who has the whole secret key proves the right count: not the trustees' shares."""
    if not (_is_first(statement, DecryptedTally) and isinstance(statement, DecryptedTally)):
        return statement
    group, keys = world.group, world.keys
    secret = sum((p.coefficients[0] for p in world.secrets.vote_polynomials.values()), mpz(0))
    first, *rest = statement.options
    ciphertext = world.state.encrypted_tallies[0].options[0]
    u, a, b = decryption_proof.commit(group, ciphertext.alpha)
    m = group.power(ciphertext.alpha, secret % group.q)
    context = index_bytes(1) + index_bytes(1)
    c = decryption_proof.joint_challenge(
        group, keys.extended_base_hash, context, ciphertext, a, b, m
    )
    own = replace(first, challenge=c, response=(u - c * secret) % group.q)
    return replace(statement, options=(own, *rest))


@TALLY.edited("10.A", who=SERVER, server="R.encoding", because=OUT_OF_RANGE)
def response_not_reduced(record: Record) -> None:
    """v of a decryption is q."""
    record.first("decrypted_tally").options[0].response = record.q


@TALLY.played("10.B", who=SERVER, at="decrypted_tally", where=CELL, standard=True)
def vote_added_to_a_count(world: World, statement: Statement) -> Altered:
    """A vote is added to a count, T made to fit, and the result is the sum of that."""
    if _is_first(statement, DecryptedTally) and isinstance(statement, DecryptedTally):
        first, *rest = statement.options
        value = first.value * world.keys.vote_key.element % world.group.p
        more = replace(first, count=first.count + 1, value=value)
        return replace(statement, options=(more, *rest))
    return statement


@TALLY.played("10.B", who=SERVER, at="decrypted_tally", votes=VOTES[:3])
def votes_where_nobody_voted(world: World, statement: Statement) -> Altered:
    """In the village nobody has voted, and A = B = 1: the server finds five votes in it."""
    if isinstance(statement, DecryptedTally) and statement.units == ("village",):
        first, *rest = statement.options
        value = world.keys.vote_key.power(mpz(5))
        return replace(statement, options=(replace(first, count=5, value=value), *rest))
    return statement


@TALLY.edited("10.B", who=SERVER, where={**CELL, "option": "abai"})
def proof_of_another_option(record: Record) -> None:
    """A decryption carries the proof of the option beside it."""
    first, second = record.first("decrypted_tally").options[:2]
    first.challenge, first.response = second.challenge, second.response


@TALLY.played("10.C", who=SERVER, at="decrypted_tally", where=CELL)
def count_that_is_not_the_value(world: World, statement: Statement) -> Altered:
    """A count is larger than the T beside it, and the result is the sum of the counts."""
    if _is_first(statement, DecryptedTally) and isinstance(statement, DecryptedTally):
        first, *rest = statement.options
        return replace(statement, options=(replace(first, count=first.count + 1), *rest))
    return statement


@TALLY.edited("11.A", who=SERVER, server="R.tally-cells", because=NEXT_ONLY)
def tally_of_an_unknown_contest(record: Record) -> None:
    """A decrypted tally is labelled with a contest that the manifest does not have."""
    record.first("decrypted_tally").contest = "mayor"


@TALLY.edited("11.B", who=SERVER)
def option_from_nowhere(record: Record) -> None:
    """A decrypted tally has an option more, with a count of its own."""
    options = record.first("decrypted_tally").options
    options.add().CopyFrom(options[0])
    options[-1].option = "nobody"


@TALLY.edited("11.C", who=SERVER)
def option_left_out(record: Record) -> None:
    """A decrypted tally leaves out an option."""
    del record.first("decrypted_tally").options[-1]


@TALLY.edited(
    "11.D",
    who=SERVER,
    at="",
    where={"units": ("centre",), "contest": "council"},
    server="R.tally-cells",
    because=NEXT_ONLY,
)
def tally_never_decrypted(record: Record) -> None:
    """A tally stays encrypted; the result gives its counts all the same."""
    record.take_out("decrypted_tally", 1)


@TALLY.edited(
    "R.order", who=SERVER, at="decrypted_tally", server="R.tally-cells", because=NEXT_ONLY
)
def decrypted_tallies_exchanged(record: Record) -> None:
    """Two decrypted tallies stand in another order than the encrypted ones."""
    record.swap(record.position("decrypted_tally", 0), record.position("decrypted_tally", 1))


@TALLY.edited("R.order", who=SERVER)
def options_exchanged_in_a_decryption(record: Record) -> None:
    """The options of a decrypted tally stand in another order, each with its own proof."""
    options = record.first("decrypted_tally").options
    kept = pb.DecryptedOption()
    kept.CopyFrom(options[0])
    options[0].CopyFrom(options[1])
    options[1].CopyFrom(kept)


# --- the result


@TALLY.edited("R.result", who="administrator", where={"contest": "president"}, standard=True)
def vote_moved_in_the_result(record: Record) -> None:
    """The result gives a vote of one candidate to another: the sum is right."""
    first, second = record.first("result").contests[0].options[:2]
    first.count, second.count = first.count + 1, second.count - 1


@TALLY.edited("R.result", who="administrator")
def candidates_exchanged_in_the_result(record: Record) -> None:
    """The result lists two candidates in the other order, with their own counts."""
    options = record.first("result").contests[0].options
    first, second = options[0].option, options[1].option
    options[0].option, options[1].option = second, first


@TALLY.edited("R.result", who="administrator")
def contest_left_out_of_the_result(record: Record) -> None:
    """The result leaves out a contest."""
    del record.first("result").contests[-1]


@TALLY.edited("R.result", who="administrator", where={"contest": "council"})
def turnout_altered(record: Record) -> None:
    """The result gives a contest a ballot more than were cast in it."""
    record.first("result").contests[1].ballots += 1
