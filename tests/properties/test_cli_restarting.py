"""The same election planned again: who takes whose place, and under which base hash."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.plans import Plan, check_plan, read_plan
from cli.restarting import reason_for, restarted
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from identity.enrolment import make_enrolment, parse_enrolment
from identity.rolekeys import RoleKey
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey
from record.manifest import parse_manifest
from tests.world import manifest_bytes


@cache
def enrolment(role: Role, name: str) -> bytes:
    """Somebody's enrolment."""
    return make_enrolment(Identity(role, name), RoleKey.generate(), TlsKey.generate())


@cache
def plan(trustees: int = 3, quorum: int = 2) -> Plan:
    """The test election."""
    manifest = manifest_bytes()
    labels = [d.label for d in parse_manifest(manifest).devices]
    return Plan(
        manifest=manifest,
        parameters=TOY[-1],
        trustees=[enrolment(Role.TRUSTEE, f"T{i}") for i in range(1, trustees + 1)],
        devices=[enrolment(Role.DEVICE, label) for label in labels],
        quorum=quorum,
        hosts=["vote.example.org", "10.0.0.1"],
        public_port=8443,
        roles_port=8444,
        origin="",
    )


def names(planned: Plan) -> list[str]:
    """The trustees, by index."""
    return [parse_enrolment(data).identity.name for data in planned.trustees]


NEW = [enrolment(Role.TRUSTEE, name) for name in ("N1", "N2")]


@pytest.mark.parametrize(
    ("without", "new", "expected"),
    [
        ((), 0, ["T1", "T2", "T3"]),
        ((2,), 0, ["T1", "T3"]),
        ((2,), 1, ["T1", "N1", "T3"]),
        ((2,), 2, ["T1", "N1", "T3", "N2"]),
        ((3, 1), 1, ["N1", "T2"]),
        ((1, 2, 3), 2, ["N1", "N2"]),
        ((), 1, ["T1", "T2", "T3", "N1"]),
    ],
)
def test_who_takes_whose_place(without: tuple[int, ...], new: int, expected: list[str]) -> None:
    """A new trustee has the index of one that left; further ones come last."""
    again = restarted(plan(), without, NEW[:new], None)
    assert names(again) == expected
    assert again.quorum == 2
    assert (again.hosts, again.roles_port, again.devices) == (
        plan().hosts, plan().roles_port, plan().devices,
    )  # fmt: skip


def test_what_cannot_be() -> None:
    """No election is planned with a quorum, a trustee or a role that cannot be."""
    for error, without, new, quorum in (
        (Malformed, (4,), (), None),
        (Malformed, (0,), (), None),
        (Malformed, (1, 2), (), None),
        (Malformed, (2,), (), 3),
        (Rejected, (2,), (plan().trustees[0],), None),
        (Malformed, (2,), (plan().devices[0],), None),
        (Malformed, (2,), (b"{}",), None),
    ):
        with pytest.raises(error):
            restarted(plan(), without, new, quorum)


@given(st.lists(st.sampled_from([(), (1,), (2,)]), min_size=1, max_size=6))
def test_a_base_hash_never_comes_again(steps: list[tuple[int, ...]]) -> None:
    """However often it is made again: H_B is new, and the manifest means the same."""
    planned, seen = plan(), {plan().base_hash()}
    for number, without in enumerate(steps):
        new = [enrolment(Role.TRUSTEE, f"S{number}")] if without else []
        planned = restarted(planned, without, new, None)
        assert planned.base_hash() not in seen
        seen.add(planned.base_hash())
        assert set(planned.before) == seen - {planned.base_hash()}
    assert planned.manifest.rstrip(b"\n") == plan().manifest.rstrip(b"\n")
    manifest, _, _ = check_plan(planned)
    assert manifest == replace(parse_manifest(plan().manifest), source=planned.manifest)


def test_only_a_changed_number_changes_the_base_hash_alone() -> None:
    """Where n or k is another one, the manifest stays byte for byte."""
    assert restarted(plan(), (2,), [], None).manifest == plan().manifest
    assert restarted(plan(), (), [], 3).manifest == plan().manifest
    assert restarted(plan(), (2,), NEW[:1], None).manifest == plan().manifest + b"\n"


def test_kept(tmp_path: Path) -> None:
    """What the administrator's home keeps comes back; what somebody changed does not pass."""
    planned = replace(plan(), before=[bytes(32)])
    planned.keep(tmp_path)
    assert read_plan(tmp_path) == planned
    with pytest.raises(Malformed, match="without keeping"):
        read_plan(tmp_path / "none")
    file = tmp_path / "plan/plan.json"
    document = json.loads(file.read_text())
    for change in (
        {"format": "sailau-plan/2"},
        {"parameters": "none"},
        {"quorum": None},
        {"before": ["x"]},
        {"hosts": 7},
    ):
        file.write_text(json.dumps({**document, **change}))
        with pytest.raises(Malformed, match=r"plan\.json"):
            read_plan(tmp_path)


def test_reasons() -> None:
    """What the public reads names who is left out."""
    assert reason_for(plan(), ()) == "The election is made again."
    assert reason_for(plan(), (2,)).endswith("without trustee 2 (T2).")
    assert reason_for(plan(), (3, 1)).endswith("without trustees 3 (T3), 1 (T1).")
