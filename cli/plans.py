"""What an election is made from, and how the administrator's home keeps it.

HOME/plan/plan.json        numbers and addresses
HOME/plan/manifest.json    the manifest, byte for byte
HOME/plan/trustee-N.json   everybody's enrolments, in the order of the indices
HOME/plan/device-N.json

Nothing of it is secret. It is kept for `sailau election restart`, which makes the same
election again with other trustees.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli.common import write_new
from cli.parameters import ALL
from crypto.errors import Malformed, Rejected
from crypto.group import group_for
from crypto.hashing import base_hash, parameter_base_hash
from crypto.parameters import Parameters
from identity.enrolment import Enrolment, parse_enrolment
from identity.invitation import HOST
from identity.roles import Role
from record.manifest import Manifest, parse_manifest

_FORMAT = "sailau-plan/1"
_PLAN, _MANIFEST = "plan.json", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the administrator decides. `trustees` and `devices` are enrolment files.

    `before` are the base hashes of the elections that this one takes the place of.
    """

    manifest: bytes
    parameters: Parameters
    trustees: Sequence[bytes]
    devices: Sequence[bytes]
    quorum: int
    hosts: Sequence[str]
    public_port: int
    roles_port: int
    origin: str
    before: Sequence[bytes] = ()

    def base_hash(self) -> bytes:
        """H_B of the election that is made from it."""
        h_p = parameter_base_hash(group_for(self.parameters), len(self.trustees), self.quorum)
        return base_hash(h_p, self.manifest)

    def with_base_hash_of_its_own(self) -> Plan:
        """The same plan under an H_B that none before it had.

        H_B is what tells the elections apart in which a role key signs. It covers the
        manifest byte for byte, and n and k, but no keys; so if nothing else has changed
        the manifest gets an empty line at its end.
        """
        plan = self
        while plan.base_hash() in self.before:
            plan = replace(plan, manifest=plan.manifest + b"\n")
        return plan

    def keep(self, home: Path) -> None:
        """Write it into the administrator's home."""
        folder = home / "plan"
        document = {
            "format": _FORMAT,
            "parameters": self.parameters.name,
            "quorum": self.quorum,
            "hosts": list(self.hosts),
            "public_port": self.public_port,
            "roles_port": self.roles_port,
            "origin": self.origin,
            "trustees": len(self.trustees),
            "devices": len(self.devices),
            "before": [known.hex() for known in self.before],
        }
        write_new(folder / _MANIFEST, self.manifest)
        for role, files in (("trustee", self.trustees), ("device", self.devices)):
            for number, data in enumerate(files, start=1):
                write_new(folder / f"{role}-{number}.json", data)
        text = json.dumps(document, indent=2, ensure_ascii=False)
        write_new(folder / _PLAN, text.encode() + b"\n")


def read_plan(home: Path) -> Plan:
    """The plan in an administrator's home. Raises Malformed if it is not there or damaged."""
    folder = home / "plan"
    if not (folder / _PLAN).exists():
        raise Malformed(
            str(folder),
            "is missing: this election was made without keeping what it was made from",
            "make the new election with `sailau election new` and everybody's enrolments",
        )
    try:
        document = json.loads((folder / _PLAN).read_text())
        if document["format"] != _FORMAT:
            raise ValueError("another format")
        files = {
            role: [
                (folder / f"{role}-{number}.json").read_bytes()
                for number in range(1, int(document[f"{role}s"]) + 1)
            ]
            for role in ("trustee", "device")
        }
        return Plan(
            manifest=(folder / _MANIFEST).read_bytes(),
            parameters=ALL[document["parameters"]],
            trustees=files["trustee"],
            devices=files["device"],
            quorum=int(document["quorum"]),
            hosts=[str(host) for host in document["hosts"]],
            public_port=int(document["public_port"]),
            roles_port=int(document["roles_port"]),
            origin=str(document["origin"]),
            before=[bytes.fromhex(known) for known in document["before"]],
        )
    except (ValueError, KeyError, TypeError):
        raise Malformed(str(folder / _PLAN), "is not what `election new` wrote") from None


# --- what is wrong with a plan


def check_plan(plan: Plan) -> tuple[Manifest, list[Enrolment], list[Enrolment]]:
    """The manifest, the trustees in order, and the devices in the manifest's.

    Raises Malformed or Rejected if no election can be made from the plan.
    """
    manifest = parse_manifest(plan.manifest)
    trustees, devices = (list(map(parse_enrolment, x)) for x in (plan.trustees, plan.devices))
    devices = _in_manifest_order(manifest, devices)
    _check_roles(trustees, devices)
    _check_unique([*trustees, *devices])
    _check_numbers(plan)
    return manifest, trustees, devices


def _in_manifest_order(manifest: Manifest, devices: Sequence[Enrolment]) -> list[Enrolment]:
    enrolled = {d.identity.name: d for d in devices}
    wanted = [d.label for d in manifest.devices]
    missing = [label for label in wanted if label not in enrolled]
    extra = [name for name in enrolled if name not in wanted]
    if missing or extra or len(enrolled) != len(devices):
        raise Malformed(
            "--device",
            f"enrolled and not in the manifest: {extra or 'none'}; "
            f"in the manifest and not enrolled: {missing or 'none'}",
            "give one enrolment for each device of the manifest, named by its label",
        )
    return [enrolled[label] for label in wanted]


def _check_roles(trustees: Sequence[Enrolment], devices: Sequence[Enrolment]) -> None:
    for option, role, enrolments in (
        ("--trustee", Role.TRUSTEE, trustees),
        ("--device", Role.DEVICE, devices),
    ):
        for enrolment in enrolments:
            if enrolment.identity.role is not role:
                raise Malformed(option, f"{enrolment.identity} is enrolled as something else")


def _check_unique(enrolments: Sequence[Enrolment]) -> None:
    """As the election artifact demands it, but before anything is done."""
    names = ["administrator", "server", *(e.identity.name for e in enrolments)]
    keys = [e.public_key for e in enrolments]
    for what, values in (("name", names), ("key", keys)):
        if len(set(values)) != len(values):
            raise Rejected("R.role-keys", f"two roles have the same {what}", where="enrolments")


def _check_numbers(plan: Plan) -> None:
    for host in plan.hosts:
        if not _is_host(host):
            raise Malformed("--host", f"{host!r} is not a host's name or address")
    if not 1 <= plan.quorum <= len(plan.trustees):
        raise Malformed("--quorum", f"is {plan.quorum}, with {len(plan.trustees)} trustees")


def _is_host(text: str) -> bool:
    """A name or an address: no port, no brackets."""
    if ":" not in text:
        return HOST.fullmatch(text) is not None
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
