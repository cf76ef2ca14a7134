"""The trustees' programs in the ceremony and in drills: killed, doubled, outdated, outvoted."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable

import pytest

from record.state import Phase
from tests.killing import hold_ceremony
from tests.system.programs import Place, call, refused

pytestmark = pytest.mark.system

REFUSED, UNUSABLE = 1, 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random(at: Callable[[str], Place], seed: int) -> None:
    """Whoever dies, whenever, and however often: the ceremony comes to its end."""
    place = at("made")
    killing = hold_ceremony(place, random.Random(seed), kills=6)
    assert killing.kills > 0
    killing.stop()
    place.check_outputs()


def test_a_second_program(at: Callable[[str], Place]) -> None:
    """A copy of a home on another machine is told that somebody else is there, and why."""
    place = at("made")
    place.serve()
    first = place.trustee(1)
    place.wait(lambda status: 1 in status.trustees_present)
    place.copy_home("trustee-1", "copy")
    shutil.copy(place.key("trustee-1")[1], place.root / "keys/copy")
    options = ("--yes", "--backup", place.root / "copy.backup")
    second = place.start("trustee", "run", *place.home("copy"), *options)
    second.until(lambda: b"another program is connected as trustee 1" in second.err.read_bytes())
    assert first.running()
    for i in (2, 3):
        place.trustee(i)
    place.reach(Phase.READY)
    assert not (place.root / "copy.backup").exists()
    assert second.stop().code == 0


@pytest.mark.slow
def test_an_old_key_store(at: Callable[[str], Place]) -> None:
    """A copy from before a message of its own goes no further, and says what it is."""
    place = at("made")
    place.serve()
    place.copy_home("trustee-1", "old")
    first = place.trustee(1)
    place.wait(lambda status: status.of(1).committed)
    first.stop()
    shutil.copy(place.key("trustee-1")[1], place.root / "keys/old")
    options = ("--yes", "--backup", place.root / "old.backup")
    result = place.attempt("trustee", "run", *place.home("old"), *options)
    assert result.code == REFUSED
    last = result.err.splitlines()[-1]
    assert "P.key-store" in last
    assert "old copy of the key store" in last
    # The right one goes on as if nothing had been.
    for i in (1, 2, 3):
        place.trustee(i)
    place.reach(Phase.READY)


def test_under_another_name(at: Callable[[str], Place]) -> None:
    """A trustee's certificate is no other trustee's: its home does not take the invitation."""
    place = at("made")
    result = call("trustee", "join", *place.home("trustee-1"), place.invitation("trustee-3"))
    refused(result, REFUSED, "invitation.keys", "other keys")


def test_drills(at: Callable[[str], Place]) -> None:
    """Asked, answered, told and recorded; whoever demands one is refused what it does not show."""
    place = at("ready")
    place.serve()
    drill, opening = ("election", "drill", *place.admin), ("election", "open", *place.admin)
    refused(call(*opening, "--require-drill"), REFUSED, "answered the last drill; 3 have to")
    refused(call(*drill, "--trustee", "1"), UNUSABLE, "--trustee")
    nobody = call(*drill, "--wait", "1")
    assert (nobody.code, nobody.out) == (REFUSED, "")
    assert nobody.err.splitlines()[-1].startswith("sailau: nothing was tried: waiting for 2")
    place.trustee(1)
    one = place.start("trustee", "drill", *place.home("trustee-2"))
    asked = place.run(*drill, "--trustee", "1", "--trustee", "2")
    assert "trustee 2, Болат has answered." in asked.err
    assert "The shares of trustee 1, Aigerim; trustee 2, Болат work (session 1)." in asked.out
    assert "Not asked: trustee 3, Dinara." in asked.out
    answered = one.wait()
    assert answered.code == 0, answered
    assert "Your share of the key works" in answered.out
    refused_open = call(*opening, "--require-drill")
    assert refused_open.code == REFUSED
    assert "asked 1, 2, answered 1, 2" in refused_open.out
    place.trustee(2)
    place.trustee(3)
    place.wait(lambda status: len(status.trustees_present) == 3)
    place.run(*drill)
    opened = place.run(*opening, "--require-drill")
    assert "Last drill (session 2): asked 1, 2, 3, answered 1, 2, 3." in opened.out

    # During the vote: one of those who are asked disappears.
    three = place.start("trustee", "drill", *place.home("trustee-3"))
    refused(three.wait(), UNUSABLE, "in use")
    status = call("election", "status", *place.admin[:2])
    assert "Last drill (session 2): answered by 1, 2, 3." in status.out


@pytest.mark.slow
def test_a_drill_that_is_not_answered(at: Callable[[str], Place]) -> None:
    """A trustee that disappears is named; the close demands enough answers, not all."""
    place = at("voted")
    place.serve()
    programs = {i: place.trustee(i) for i in (1, 2, 3)}
    place.wait(lambda status: len(status.trustees_present) == 3)
    programs[3].kill()
    drill = ("election", "drill", *place.admin, "--wait", "20")
    late = call(*drill)
    assert late.code == REFUSED
    assert "no answer in time: the others wait for trustee 3, Dinara. " in late.err
    for n in (1, 2):
        place.run("device", "close", *place.home(f"device-{n}"))
    close = ("election", "close", *place.admin, "--require-drill")
    refused_close = call(*close)
    assert refused_close.code == REFUSED
    assert "asked 1, 2, 3, answered nobody" in refused_close.out
    place.wait(lambda status: 3 not in status.trustees_present)
    assert call(*drill).code == 0
    closed = call(*close)
    assert closed.code == 0, closed
    assert "asked 1, 2, answered 1, 2" in closed.out
    place.reach(Phase.TALLIED)
    publish = ("election", "publish", *place.admin, "--out", place.root / "record")
    refused(call(*publish), REFUSED, "not counted")
    place.run(*publish, "--as-it-is")
    place.run("verify", place.root / "record", "--until", "close", "--quiet")
    late_drill = call("election", "drill", *place.admin)
    refused(late_drill, REFUSED, "drills stand between")
    late_trustee = place.start("trustee", "drill", *place.home("trustee-3")).wait()
    assert late_trustee.code == REFUSED
    assert "the time of drills is over" in late_trustee.err.splitlines()[-1]
