"""Cheating before the polls open: parameters, manifest, roles, the trustees' keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from crypto import schnorr
from crypto.discrete_log import DiscreteLog
from crypto.group import mpz
from crypto.hashing import parameter_base_hash
from crypto.secret_sharing import Polynomial
from record.artifacts import DecryptedTally, Role, Statement, TrusteeKeys
from tests.ballots import Fate
from tests.decrypting import VOTES, Alter, Altered
from tests.tampered.kit import (
    Catalogue,
    Record,
    changed_manifest,
    flipped,
    lenient_about_manifests,
)
from tests.world import World

KEYS = Catalogue("keys")

OUT_OF_RANGE = "a scalar that is not below q is refused as bytes"

# --- 1 Parameters


@KEYS.edited("1.A", who="administrator")
def older_specification(record: Record) -> None:
    """Artifact 0 says that it follows version 2.0 of the specification."""
    record.first("election").version = "v2.0.0"


@KEYS.edited("1.B", who="administrator", standard=True)
def another_prime(record: Record) -> None:
    """p is two less, which may be no prime at all."""
    election = record.first("election")
    election.p = record.group.encode_element(mpz(record.number(election.p) - 2))


@KEYS.edited("1.C", who="administrator")
def another_order(record: Record) -> None:
    """q is another number."""
    election = record.first("election")
    election.q = flipped(election.q)


@KEYS.edited("1.D", who="administrator", standard=True)
def another_generator(record: Record) -> None:
    """g is replaced by its square, a generator just as good, whose logarithm somebody knows."""
    election = record.first("election")
    election.g = record.times(election.g, record.number(election.g))


@KEYS.edited(
    "1.B",
    "1.C",
    "1.D",
    who="administrator",
    server=None,
    at="election",
    because="the server is started under toy parameters by tests only",
    options={"parameters": "standard"},
)
def toy_parameters_for_real(record: Record) -> None:
    """An election in a toy group is presented as a real one."""


@KEYS.edited("1.E", who="administrator")
def base_hash_of_another_quorum(record: Record) -> None:
    """H_P is computed over a quorum of one where the election says two."""
    record.first("election").parameter_base_hash = parameter_base_hash(record.group, 3, 1)


@KEYS.edited("1.F", who="administrator", standard=True)
def space_in_the_manifest(record: Record) -> None:
    """A line feed is added to the manifest after H_B was computed."""
    record.first("election").manifest += b"\n"


@KEYS.edited("1.F", who="administrator")
def base_hash_of_another_manifest(record: Record) -> None:
    """H_B is recorded as that of another manifest; everybody works with the right one."""
    election = record.first("election")
    election.base_hash = flipped(election.base_hash)


def _broken(change: Callable[[Any], None], **rest: Any) -> Callable[[Alter], Alter]:
    return KEYS.played(
        "R.manifest",
        who="administrator",
        at="election",
        manifest=changed_manifest(change),
        around=lenient_about_manifests,
        **rest,
    )


@_broken(lambda document: document["dates"].update(opens="2025-12-05"))
def polls_that_close_before_they_open(world: World, statement: Statement) -> Altered:
    """The whole election runs under a manifest whose dates contradict each other."""
    return statement


@_broken(lambda document: document["contests"][0].update(selection_limit=4))
def limit_that_nobody_can_reach(world: World, statement: Statement) -> Altered:
    """A contest allows four votes on three options of one vote each."""
    return statement


@_broken(lambda document: document["units"][2].update(parent="nowhere"))
def unit_without_a_home(world: World, statement: Statement) -> Altered:
    """A unit belongs to a unit that does not exist."""
    return statement


@_broken(lambda document: document["devices"][1]["units"].append("nowhere"))
def device_for_an_unknown_unit(world: World, statement: Statement) -> Altered:
    """A device may take ballots for a unit that does not exist."""
    return statement


@KEYS.edited("R.role-keys", who="administrator")
def devices_in_another_order(record: Record) -> None:
    """The keys of the two devices stand in another order than the manifest's."""
    keys = record.first("election").role_keys
    last = type(keys[0])()
    last.CopyFrom(keys[-2])
    keys[-2].CopyFrom(keys[-1])
    keys[-1].CopyFrom(last)


@KEYS.edited("R.role-keys", who="administrator")
def one_key_for_two_trustees(record: Record) -> None:
    """Trustees 2 and 3 have one key: a single machine passes for both."""
    keys = record.first("election").role_keys
    keys[4].public_key = keys[3].public_key
    for artifact in record.artifacts:
        statement = getattr(artifact, artifact.WhichOneof("statement") or "")
        if getattr(statement, "trustee", 0) == 3:
            record.sign(artifact, Role.TRUSTEE, "trustee-2")


@KEYS.edited("R.role-keys", who="administrator")
def two_roles_of_one_name(record: Record) -> None:
    """The server has the administrator's name."""
    keys = record.first("election").role_keys
    keys[1].name = keys[0].name


@KEYS.edited(
    "R.role-keys",
    who="administrator",
    server="R.encoding",
    because="the widths and labels of artifact 0 are checked as it is parsed",
)
def name_over_two_lines(record: Record) -> None:
    """The server's name has a line feed in it, to look like two lines on a screen."""
    record.first("election").role_keys[1].name = "server\nverified"


# --- 2 The trustees' keys


@KEYS.edited("2.A", who="trustee 1", where={"trustee": 1}, standard=True)
def negated_commitment(record: Record) -> None:
    """Trustee 1 publishes -K_1,1, which has twice the order."""
    keys = record.first("trustee_keys")
    keys.vote_commitments[1] = record.negated(keys.vote_commitments[1])


@KEYS.edited("2.A", who="trustee 2", where={"trustee": 2})
def commitment_outside(record: Record) -> None:
    """Trustee 2 multiplies K-hat_2,0 by an element whose order divides the cofactor."""
    keys = record.every("trustee_keys")[1]
    keys.data_commitments[0] = record.times(keys.data_commitments[0], record.outside())


@KEYS.edited("2.A", who="trustee 3", where={"trustee": 3})
def communication_key_outside(record: Record) -> None:
    """Trustee 3's kappa is not in the group: what is sent to it could be confined to a few keys."""
    keys = record.last("trustee_keys")
    keys.communication_key = record.negated(keys.communication_key)


@KEYS.edited("2.B", who="trustee 1", server="R.encoding", because=OUT_OF_RANGE, standard=True)
def response_not_reduced(record: Record) -> None:
    """A response of trustee 1's proof is q, which is 0 and yet another number."""
    record.first("trustee_keys").vote_proof.responses[0] = record.q


@KEYS.edited("2.C", who="trustee 2", where={"trustee": 2})
def copied_keys(record: Record) -> None:
    """Trustee 2 publishes trustee 1's keys and proofs as its own."""
    first, second = record.every("trustee_keys")[:2]
    second.CopyFrom(first)
    second.trustee = 2


@KEYS.edited("2.C", who="trustee 1")
def proof_for_the_other_key(record: Record) -> None:
    """The proof for the votes' key stands where that for the other data should."""
    keys = record.first("trustee_keys")
    keys.data_proof.CopyFrom(keys.vote_proof)


@KEYS.edited("2.C", who="trustee 3", standard=True)
def unknown_secret(record: Record) -> None:
    """Trustee 3 publishes a K_3,0 made of the others' so that K becomes what it likes."""
    first, second, third = record.every("trustee_keys")
    product = record.times(first.vote_commitments[0], record.number(second.vote_commitments[0]))
    inverse = record.group.inverse(mpz(record.number(product)))
    third.vote_commitments[0] = record.times(third.vote_commitments[0], int(inverse))


def _keys_of(world: World, i: int, vote: Polynomial, data: Polynomial) -> TrusteeKeys:
    """Trustee i's statement of these polynomials, with good proofs of them."""
    zeta = world.secrets.communication_keys[i]
    kappa = world.group.g_power(zeta)
    h_p = world.context.election.parameter_base_hash
    world.secrets.vote_polynomials[i], world.secrets.data_polynomials[i] = vote, data
    vote_proof, data_proof = (
        schnorr.prove_keys(
            world.group,
            h_p,
            label,
            i,
            [*polynomial.coefficients, zeta],
            [*polynomial.commitments(world.group), kappa],
        )
        for label, polynomial in ((schnorr.VOTE_LABEL, vote), (schnorr.DATA_LABEL, data))
    )
    commitments = vote.commitments(world.group), data.commitments(world.group)
    return TrusteeKeys(i, *commitments, kappa, vote_proof, data_proof)


def _zero_sum(world: World, mine: Polynomial, others: dict[int, Polynomial]) -> Polynomial:
    """A polynomial like `mine` whose constant makes all constants add up to 0."""
    rest = sum(
        (p.coefficients[0] for i, p in others.items() if i != world.context.trustees), mpz(0)
    )
    return Polynomial((-rest % world.group.q, *mine.coefficients[1:]))


@contextmanager
def _any_logarithm() -> Iterator[None]:
    """Under K = 1 every count is a logarithm of everything."""
    with mock.patch.object(DiscreteLog, "find", return_value=0):
        yield


UNOPENED = tuple(plain for plain in VOTES if plain.fate is not Fate.CHALLENGE)


@KEYS.played(
    "R.joint-keys",
    who="administrator",
    at="opening",
    votes=UNOPENED,
    around=_any_logarithm,
)
def key_that_opens_to_anything(world: World, statement: Statement) -> Altered:
    """All trustees choose secrets that add up to 0, so that K = 1; then the totals are invented."""
    if isinstance(statement, TrusteeKeys) and statement.trustee == 3:
        secrets = world.secrets
        vote, data = secrets.vote_polynomials[3], secrets.data_polynomials[3]
        return _keys_of(world, 3, _zero_sum(world, vote, secrets.vote_polynomials), data)
    if isinstance(statement, DecryptedTally):
        invented = (replace(o, count=1000 * i) for i, o in enumerate(statement.options))
        return replace(statement, options=tuple(invented))
    return statement


@KEYS.played(
    "R.joint-keys",
    who="administrator",
    at="opening",
    votes=UNOPENED,
)
def key_that_hides_nothing(world: World, statement: Statement) -> Altered:
    """All trustees make K-hat = 1, so that everybody can read every ballot's nonce."""
    if isinstance(statement, TrusteeKeys) and statement.trustee == 3:
        secrets = world.secrets
        vote, data = secrets.vote_polynomials[3], secrets.data_polynomials[3]
        return _keys_of(world, 3, vote, _zero_sum(world, data, secrets.data_polynomials))
    return statement


@KEYS.played("R.trustee-keys", who="trustee 2", at="trustee_keys", available=(1, 2, 3))
def polynomial_of_higher_degree(world: World, statement: Statement) -> Altered:
    """Trustee 2's polynomial has a coefficient more, with proofs of all: k trustees are too few."""
    if isinstance(statement, TrusteeKeys) and statement.trustee == 2:
        return _keys_of(world, 2, *(Polynomial.generate(world.group, 3) for _ in range(2)))
    return statement


@KEYS.edited("R.trustee-keys", who="trustee 1")
def response_too_many(record: Record) -> None:
    """Trustee 1's proof has a response more than it has keys."""
    proof = record.first("trustee_keys").data_proof
    proof.responses.append(proof.responses[0])


# --- shares and confirmations


@KEYS.edited("R.share-recipients", who="trustee 1")
def share_withheld(record: Record) -> None:
    """Trustee 1 sends trustee 3 no share: it could never decrypt."""
    del record.first("encrypted_shares").shares[-1]


@KEYS.edited("R.share-recipients", who="trustee 1")
def shares_exchanged(record: Record) -> None:
    """Trustee 1's shares stand in descending order."""
    statement = record.first("encrypted_shares")
    shares = sorted(statement.shares, key=lambda share: -int(share.recipient))
    del statement.shares[:]
    statement.shares.extend(shares)


@KEYS.edited("R.share-proof", who="trustee 1")
def share_altered(record: Record) -> None:
    """One bit of an encrypted share is another."""
    share = record.first("encrypted_shares").shares[0]
    share.c1 = flipped(share.c1)


@KEYS.edited("R.share-proof", who="trustee 1")
def share_readdressed(record: Record) -> None:
    """The share for trustee 2 is sent to trustee 3 as well, with its proof."""
    shares = record.first("encrypted_shares").shares
    shares[1].CopyFrom(shares[0])
    shares[1].recipient = 3


@KEYS.edited("R.share-proof", who="trustee 2")
def share_copied(record: Record) -> None:
    """Trustee 2 sends trustee 3 what trustee 1 sent it."""
    first, second = record.every("encrypted_shares")[:2]
    second.shares[1].CopyFrom(first.shares[1])


@KEYS.edited("R.share-proof", who="trustee 1")
def share_under_a_key_outside(record: Record) -> None:
    """C_0 of a share is negated: not in the group, and the proof even may hold."""
    share = record.first("encrypted_shares").shares[0]
    share.c0 = record.negated(share.c0)


@KEYS.edited("R.confirmation", who="trustee 3", standard=True)
def other_keys_confirmed(record: Record) -> None:
    """Trustee 3 was shown other keys than the others, and confirms those."""
    confirmation = record.last("key_confirmation")
    confirmation.key_ceremony_hash = flipped(confirmation.key_ceremony_hash)


@KEYS.edited("R.confirmation", who="trustee 2")
def other_manifest_confirmed(record: Record) -> None:
    """Trustee 2 confirms another manifest."""
    confirmation = record.every("key_confirmation")[1]
    confirmation.base_hash = flipped(confirmation.base_hash)


# --- 3 and 4 The joint keys


@KEYS.edited("3.A", who="administrator", standard=True)
def key_with_a_factor(record: Record) -> None:
    """The published K is multiplied by a key of which the administrator knows the secret."""
    opening = record.first("opening")
    opening.vote_key = record.times(opening.vote_key, int(record.group.g_power(mpz(5))))


@KEYS.edited("3.A", who="administrator")
def negated_key(record: Record) -> None:
    """The published K is -K."""
    opening = record.first("opening")
    opening.vote_key = record.negated(opening.vote_key)


@KEYS.edited("3.B", who="administrator")
def keys_exchanged_in_part(record: Record) -> None:
    """K stands where K-hat should: ballot nonces would open with the votes' key."""
    opening = record.first("opening")
    opening.data_key = opening.vote_key


@KEYS.edited("4.A", who="administrator")
def extended_hash_altered(record: Record) -> None:
    """H_E is another; ballots are made under the right one."""
    opening = record.first("opening")
    opening.extended_base_hash = flipped(opening.extended_base_hash)


@KEYS.edited("4.A", who="administrator")
def extended_hash_of_exchanged_keys(record: Record) -> None:
    """H_E is computed over K-hat and K instead of K and K-hat."""
    opening = record.first("opening")
    context = record.world.context
    from crypto.hashing import extended_base_hash

    swapped = (mpz(record.number(x)) for x in (opening.data_key, opening.vote_key))
    opening.extended_base_hash = extended_base_hash(record.group, context.base_hash, *swapped)
