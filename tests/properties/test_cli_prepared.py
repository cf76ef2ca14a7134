"""What a device keeps for a day without a network: checked again, proved once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from cli import prepared
from cli.homes import Home
from cli.prepared import PREPARED, check_same, keep, load, read_opening
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import NotFound
from tests.world import World


@pytest.fixture(scope="module")
def world() -> World:
    """An election whose polls are open."""
    return World.create(TOY[-1])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A device's home; of its keys only the key store is used here."""
    with Keystore.create(tmp_path / "keystore", b"pass", {}, cost=ScryptCost(2, 1, 1)) as store:
        yield Home(tmp_path, store, mock.sentinel.role_key, mock.sentinel.tls_key)


def invitation(world: World) -> Any:
    """What of an invitation is compared."""
    administrator = world.context.election.role_keys[0].public_key
    return SimpleNamespace(
        base_hash=world.context.base_hash,
        administrator_key=administrator,
        log_key=world.context.election.log_key,
    )


@pytest.fixture
def proofs() -> Iterator[mock.Mock]:
    """Counts what is proved."""
    with mock.patch.object(Transcript, "prove", autospec=True, side_effect=Transcript.prove) as p:
        yield p


def test_what_was_proved_once_is_checked_and_not_proved_again(
    world: World, home: Home, proofs: mock.Mock
) -> None:
    """The digest in the key store says so, for these bytes alone."""
    opened = read_opening(world.data(), invitation(world))
    assert proofs.call_count == len(world.artifacts) - 1
    keep(home, opened)
    proofs.reset_mock()
    again = load(home, invitation(world))
    assert again is not None
    assert (again.data, proofs.call_count) == (tuple(world.data()), 0)
    assert again.transcript.phase is Phase.OPEN
    assert again.transcript.state.need_keys() == world.keys
    # Another version of the program proves for itself, and remembers.
    with mock.patch("importlib.metadata.version", return_value="99"):
        load(home, invitation(world))
        assert proofs.call_count == len(world.artifacts) - 1
        load(home, invitation(world))
        assert proofs.call_count == len(world.artifacts) - 1


def test_a_digest_is_no_reason_to_believe_other_bytes(world: World, home: Home) -> None:
    """A proof that was changed, with its signature made anew, is found: it is computed again."""
    keep(home, read_opening(world.data(), invitation(world)))
    forged = World.begin(TOY[-1], world.context.manifest.source, 3, 2)
    good = forged.trustee_keys(1)
    proof = replace(good.vote_proof, challenge=(good.vote_proof.challenge + 1) % forged.group.q)
    forged.secrets.keys[1] = replace(good, vote_proof=proof)
    with mock.patch.object(Transcript, "prove"):
        forged.play_commitments()
        forged.play_keys()
        forged.play_shares()
        forged.play_confirmations()
        forged.play_opening()
    file = home.path / PREPARED
    file.write_bytes(prepared._join(forged.data()))
    home.keystore.update({"prepared": prepared._digest(prepared._join(world.data()))})
    with pytest.raises(Rejected) as caught:
        load(home, invitation(forged))
    assert caught.value.check.startswith("2.")


def test_every_cut_and_change_is_found(world: World, home: Home) -> None:
    """The file is as untrusted as the server: it ends early, ends late, or says something else."""
    keep(home, read_opening(world.data(), invitation(world)))
    file = home.path / PREPARED
    good = file.read_bytes()
    for bad in (good[:-1], good[:2], good + b"\0", good + good[-100:]):
        file.write_bytes(bad)
        with pytest.raises(Malformed, match="device prepare"):
            load(home, invitation(world))
    file.write_bytes(good + prepared._join([world.artifacts[-1].data]))
    with pytest.raises(Malformed, match="more than the opening"):
        load(home, invitation(world))
    middle = len(prepared._join(world.data()[:5])) + 100
    file.write_bytes(good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :])
    with pytest.raises((Malformed, Rejected)):
        load(home, invitation(world))
    file.write_bytes(prepared._join(world.data()[:-1]))
    with pytest.raises(NotFound):
        load(home, invitation(world))


def test_another_election_is_not_this_one(world: World, home: Home) -> None:
    """What is left of an election that was made again does not count as prepared."""
    assert load(home, invitation(world)) is None
    keep(home, read_opening(world.data(), invitation(world)))
    assert load(home, invitation(World.create(TOY[-1]))) is None


def test_a_server_with_another_record_is_found_out(world: World) -> None:
    """Every artifact is compared; a longer record is the same one grown."""
    opened = read_opening(world.data(), invitation(world))
    check_same(opened, [*world.data(), b"a ballot"])
    for other in (world.data()[:-1], [*world.data()[:3], b"x", *world.data()[4:]]):
        with pytest.raises(Rejected) as caught:
            check_same(opened, other)
        assert caught.value.check == "R.append-only"
