"""Everything that is measured, side by side, in one run: what `make bench` prints.

    python -m benchmarks.report                                # a report in Markdown
    python -m benchmarks.report --quick                        # fewer rounds, rougher figures
    python -m benchmarks.report --json FILE --svg FILE         # all figures, and the plot
    python -m benchmarks.report --update docs/performance.md   # the report, in the document

The peers are measured where they are installed: belenios-tool if it is on the path,
electionguard by the interpreter in PEER_PYTHON, or that of .venv-test, or this one. On a
machine that does other things meanwhile, ratios on one core still hold roughly, as ours and
theirs take turns; what needs two cores does not.

Exit codes: 0 measured, whether or not the goals are reached; 1 a part could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gmpy2

from benchmarks.cost_model import NATIONAL, Costs, cost_model, count_batch
from benchmarks.plot import Plot, Series, svg
from benchmarks.processes import measure_jobs, measure_load, measure_tally, measure_trustee
from benchmarks.side_by_side import FULL, SCALES, Note, Peers, Scale, measure, on_one_core
from benchmarks.verification import OPTIONS

FORMAT = "sailau-benchmark/1"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PLOT = "performance.svg"
"""The plot's name, beside the document that `--update` writes."""
PARTS = ("peers", "jobs", "tally", "trustee", "load")
"""What can be left out."""

BUSY = 1.0
"""A load of the machine, before anything is measured, above which the report warns."""

T = TypeVar("T")
Figures = Mapping[str, Any]


# --- measuring


class Progress:
    """Says on stderr what is being done, and since when."""

    def __init__(self) -> None:
        """Begin now."""
        self._begin = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begin

    def note(self, text: str) -> None:
        """Say it."""
        print(f"{self.seconds:4.0f} s  {text}", file=sys.stderr, flush=True)


def describe_machine() -> dict[str, Any]:
    """What the figures depend on; nothing that names the machine."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int((_first("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20),
        "system": platform.system(),
        "python": platform.python_version(),
        "gmpy2": gmpy2.version(),
        "gmp": gmpy2.mp_version(),
    }


def _first(path: str, name: str) -> str | None:
    """The value of the first line `name: value` of a file in /proc."""
    if not Path(path).is_file():
        return None
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def find_python() -> str:
    """The interpreter that measures electionguard."""
    beside = Path(".venv-test/bin/python")
    return os.environ.get("PEER_PYTHON") or (str(beside) if beside.is_file() else sys.executable)


def _attempt(what: str, problems: list[str], action: Callable[[], T]) -> T | None:
    """Measure a part; if that fails, the others are measured all the same."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - whatever it was, it is said in the report
        problems.append(f"{what}: {error}")
        return None


def collect(scale: Scale, skip: Sequence[str], progress: Progress) -> dict[str, Any]:
    """Measure every part, one after the other."""
    note, problems = progress.note, list[str]()
    load_before = os.getloadavg()[0]
    figures: dict[str, Any] = {"sizes": list(scale.sizes), "peers": {}}

    def one_core() -> dict[str, Any]:
        with on_one_core(), Peers(None if "peers" in skip else find_python()) as peers:
            names = ("electionguard", "belenios")
            figures["peers"] = {name: getattr(peers, name) for name in names}
            return measure(scale, peers, note)

    parts: dict[str, Callable[[Scale, Note], dict[str, Any]]] = {
        "jobs": measure_jobs,
        "tally": measure_tally,
        "trustee": measure_trustee,
        "load": measure_load,
    }
    figures["one_core"] = _attempt("one core", problems, one_core)
    for name, part in parts.items():
        wanted = name not in skip
        figures[name] = _attempt(name, problems, partial(part, scale, note)) if wanted else None
    return {
        "format": FORMAT,
        "scale": scale.name,
        "rounds": scale.rounds,
        "machine": describe_machine(),
        "load_before": load_before,
        "seconds": progress.seconds,
        "figures": figures,
        "problems": problems,
    }


# --- the rows


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. What was not measured is None, and so is a goal that nobody set.

    `value` is what the goal is about: theirs over ours, or ours where there are no others.
    `at_least` is False where less is better.
    """

    what: str
    unit: str
    ours: float | None
    theirs: float | None
    value: float | None
    goal: float | None
    at_least: bool = True
    why_not: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None if there is none, or nothing was measured."""
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


NOT_MEASURED = "not measured"
NOT_INSTALLED = "not installed"


class Table:
    """Makes rows from figures."""

    def __init__(self, figures: Figures) -> None:
        """Take what `collect` has found."""
        self._figures = figures
        self._found: Mapping[str, float] = (figures["one_core"] or {}).get("milliseconds", {})
        self._largest = figures["sizes"][-1]

    def rows(self) -> list[Row]:
        """Those with goals first, in the order in which the goals were set."""
        batch, many = f"batch_{self._largest}", self._largest * OPTIONS
        selection, ballot = "ms a selection", "ms a ballot"
        hinted = f"verify with hints, {many:,} selections"
        their_verify = self._found.get("electionguard_verify")
        guard, tool = "electionguard", "belenios"
        encrypted = ("encrypt", self._found.get("electionguard_encrypt"))
        belenios_ballot = self._found.get("belenios_ballot")
        plain = self._found.get("plain")
        against = "against electionguard 1.4.0"
        ten = "verify a ballot of ten options, 4096 bits"
        tool_name = "against belenios-tool 2.0, 2048 bits"
        return [
            self._ratio(f"encrypt and prove, {against}", selection, *encrypted, 12, guard),
            self._ratio(f"{hinted}, {against}", selection, batch, their_verify, 24, guard),
            self._ratio(f"{hinted}, against plain powmod", selection, batch, plain, 11),
            self._ratio("verify exactly, against plain powmod", selection, "exact", plain, 2.8),
            self._ratio(
                f"{ten}, with hints, {tool_name}", ballot, "whole", belenios_ballot, 2.5, tool
            ),
            self._jobs(),
            self._load(),
            self._ratio(
                f"{ten}, exactly, {tool_name}", ballot, "whole_exact", belenios_ballot, None, tool
            ),
            self._ratio(
                f"one selection alone, with hints, {many:,}, {against}",
                selection,
                "alone_batch",
                their_verify,
                None,
                guard,
            ),
            self._ratio(
                f"one selection alone, exactly, {against}",
                selection,
                "alone_exact",
                their_verify,
                None,
                guard,
            ),
            self._alone("encrypt a ballot of ten options", "ms", "encrypt_ballot", 10),
            self._single("tables of a device", "ms", "tables_ms", 1000),
            self._single("discrete logarithm of a million votes", "ms", "million_ms", 1000),
        ]

    def _ratio(
        self,
        what: str,
        unit: str,
        name: str,
        theirs: float | None,
        goal: float | None,
        peer: str = "",
    ) -> Row:
        ours = self._found.get(name)
        value = theirs / ours if theirs and ours else None
        installed = not peer or self._figures["peers"].get(peer)
        return Row(
            what,
            unit,
            ours,
            theirs,
            value,
            goal,
            True,
            NOT_MEASURED if installed else NOT_INSTALLED,
        )

    def _jobs(self) -> Row:
        jobs, what = self._figures["jobs"] or {}, "verify with two processes, against one"
        return Row(
            what, "s", jobs.get("two"), jobs.get("one"), jobs.get("ratio"), 1.8, True, NOT_MEASURED
        )

    def _load(self) -> Row:
        load = self._figures["load"] or {}
        what = "ballots of ten options accepted over gRPC, two cores"
        if load:
            what += f", {load['devices']} devices"
        rate = load.get("ballots_per_second")
        return Row(what, "a second", rate, None, rate, 60, True, NOT_MEASURED)

    def _alone(self, what: str, unit: str, name: str, most: float) -> Row:
        ours = self._found.get(name)
        return Row(what, unit, ours, None, ours, most, False, NOT_MEASURED)

    def _single(self, what: str, unit: str, name: str, most: float) -> Row:
        ours = (self._figures["one_core"] or {}).get(name)
        return Row(what, unit, ours, None, ours, most, False, NOT_MEASURED)


def costs_of(figures: Figures) -> Costs | None:
    """What the cost model takes; None unless all of it was measured."""
    core, tally, trustee = (figures[name] for name in ("one_core", "tally", "trustee"))
    if not core or not tally or not trustee:
        return None
    found, size = core["milliseconds"], core["bytes"]
    return Costs(
        multiplication=found["multiplication"],
        encrypt=found["encrypt_ballot"],
        hinted=found["whole"],
        exact=found["whole_exact"],
        trustees=tally["trustees"],
        trustee=trustee["ms"],
        counted=tally["verify_ms"],
        counted_exact=tally["verify_exact_ms"],
        record=size["artifacts"] + size["tile"],
        hints=size["hints"],
        counted_bytes=tally["bytes"],
    )


def complete(report: dict[str, Any]) -> dict[str, Any]:
    """Add the rows and the cost model."""
    figures = report["figures"]
    rows = Table(figures).rows()
    report["rows"] = [asdict(row) | {"reached": row.reached} for row in rows]
    costs = costs_of(figures)
    model = cost_model(costs, NATIONAL) if costs is not None else None
    report["costs"] = asdict(costs) if costs is not None else None
    report["counted"] = asdict(count_batch(figures["sizes"][-1], OPTIONS))
    report["model"] = asdict(model) | {"election": asdict(NATIONAL)} if model is not None else None
    return report


# --- as text


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _figure(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row_text(row: Mapping[str, Any]) -> list[str]:
    theirs, sign = row["theirs"], "" if row["at_least"] else "at most "
    is_ratio = theirs is not None or row["value"] != row["ours"]
    missing = row["value"] is None
    reached = {True: "yes", False: "**no**", None: ""}[row["reached"]]
    return [
        row["what"],
        f"{_figure(row['ours'])} {row['unit']}" if row["ours"] is not None else "",
        row["why_not"] if missing else f"{_figure(theirs)}",
        f"{row['value']:.1f}" if is_ratio and not missing else "",
        f"{sign}{row['goal']:g}" if row["goal"] is not None else "",
        reached,
    ]


def _machine_text(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}; Python {machine['python']}, gmpy2 {machine['gmpy2']}, "
        f"{machine['gmp']}. Rounds: {report['rounds']} ({report['scale']}); medians. "
        f"Took {report['seconds']:.0f} s; load of the machine before: {report['load_before']:.1f}."
    )


WAYS = {
    "multiplication": ("a multiplication modulo p", ""),
    "power": ("a power by powmod", ""),
    "table_power": ("a power by a device's table", ""),
    "encrypt": ("encrypt and prove, by the tables of a device", "selection"),
    "encrypt_ballot": ("encrypt a ballot, its nonce and hashes included", "ballot"),
    "plain": ("verify proofs by plain powmod, nothing shared", "selection"),
    "exact": ("verifier, exactly", "selection"),
    "alone_exact": ("`crypto`, exactly, without a ballot around it", "selection"),
    "alone_batch": ("`crypto`, all in one batch, without a ballot around it", "selection"),
    "whole": ("whole verification, with hints: what a ballot adds", "ballot"),
    "whole_exact": ("whole verification, exactly: what a ballot adds", "ballot"),
    "electionguard_encrypt": ("electionguard 1.4.0: encrypt and prove", "selection"),
    "electionguard_verify": ("electionguard 1.4.0: verify", "selection"),
    "belenios_ballot": ("belenios-tool 2.0, 2048 bits: what a ballot adds", "ballot"),
}
"""What the ways of `side_by_side` are called, and of what their times are."""


def _way(name: str) -> tuple[str, str]:
    kind, _, size = name.rpartition("_")
    if kind == "batch":
        return f"verifier, batch of {int(size) * OPTIONS:,} selections", "selection"
    return WAYS[name]


def _ways_text(report: Mapping[str, Any]) -> str:
    core, lines = report["figures"]["one_core"], []
    for name, (least, most) in core["spread"].items():
        what, unit = _way(name)
        times = (core["milliseconds"][name], least, most)
        lines.append([what, unit, *(f"{x:.3g}" for x in times)])
    return _table(("every way, on one core", "of a", "median, ms", "least", "most"), lines)


def _profile_text(report: Mapping[str, Any]) -> str:
    lines = [
        [what, f"{100 * share:.1f}"] for what, share in report["figures"]["one_core"]["profile"]
    ]
    return _table(("where a batch with hints spends its time", "% (under the profiler)"), lines)


def _counted_text(report: Mapping[str, Any]) -> str:
    """What a multiplication takes, and how many a batch should need and does."""
    counted, found = report["counted"], report["figures"]["one_core"]["milliseconds"]
    one, ballots = found["multiplication"], counted["ballots"]
    alone, table, batch = (
        found[name] / one for name in ("power", "table_power", f"batch_{ballots}")
    )
    windows = (
        f"windows of {counted['commitments_window']} bits for commitments, "
        f"{counted['bases_window']} for ciphertexts"
    )
    return (
        f"A multiplication modulo p takes {1000 * one:.3g} microseconds here, a power by powmod "
        f"as long as {alone:.0f}, and by a device's table as long as {table:.0f}. In a batch of "
        f"{ballots * OPTIONS:,} selections the products are {counted['multiplications']:.0f} "
        f"multiplications a selection ({windows}); all of it takes as long as {batch:.0f}."
    )


def _model_text(report: Mapping[str, Any]) -> str:
    model, costs = report["model"], report["costs"]
    nation, giga = model["election"], 10**9
    each = [
        ["multiplications to encrypt and prove", _figure(model["multiplications_encrypt"])],
        ["multiplications to verify, with hints", _figure(model["multiplications_hinted"])],
        ["multiplications to verify, exactly", _figure(model["multiplications_exact"])],
        ["bytes on the record, log included", _figure(model["record_bytes"])],
        ["bytes of hints", _figure(model["hint_bytes"])],
    ]
    whole = [
        ["encrypt, on all devices together", f"{_figure(model['encrypt_hours'])} core-hours"],
        ["verify, with hints", f"{_figure(model['hinted_hours'])} core-hours"],
        ["verify, exactly", f"{_figure(model['exact_hours'])} core-hours"],
        [
            "add up the ballots (part of verifying)",
            f"{_figure(model['aggregate_hours'])} core-hours",
        ],
        ["decrypt the tallies, each trustee", f"{_figure(model['trustee_hours'])} core-hours"],
        [
            f"decrypt the tallies, {costs['trustees']} trustees together",
            f"{_figure(model['trustees_hours'])} core-hours",
        ],
        ["record", f"{_figure(model['record_size'] / giga)} GB"],
        ["hints, which may be left out", f"{_figure(model['hints_size'] / giga)} GB"],
    ]
    size = f"{nation['ballots']:,} ballots, {nation['options']} options, {nation['units']:,} units"
    title = f"one selection, of ballots of {nation['options']} options"
    return "\n\n".join(
        (
            _table((title, ""), each),
            _counted_text(report),
            _table((size, ""), whole),
        )
    )


def markdown(report: Mapping[str, Any]) -> str:
    """The report. Parts that were not measured are left out or say so."""
    head = ("", "ours", "the other", "times faster", "goal", "reached")
    parts = [_machine_text(report), _table(head, [_row_text(row) for row in report["rows"]])]
    if report["model"]:
        parts.append(_model_text(report))
    if report["figures"]["one_core"]:
        parts += [_profile_text(report), _ways_text(report)]
    if report["load_before"] > BUSY:
        parts.insert(
            1,
            "**The machine was busy with other things.** Rows by the clock on the wall (two "
            "processes, the ballot box) say little; measure again when it is not.",
        )
    parts += [f"Not measured: {problem}" for problem in report["problems"]]
    return "\n\n".join(parts) + "\n"


def plot_of(figures: Figures) -> Plot:
    """The cost of verifying against the number of ballots in a batch."""
    found = figures["one_core"]["milliseconds"]
    sizes = figures["sizes"]
    batches = tuple((size * OPTIONS, found[f"batch_{size}"]) for size in sizes)
    ends = (batches[0][0], batches[-1][0])
    flat = [("ours, exactly", found["exact"]), ("plain powmod", found["plain"])]
    if "electionguard_verify" in found:
        flat.append(("electionguard 1.4.0", found["electionguard_verify"]))
    if "belenios_ballot" in found:
        flat.append(("Belenios 2.0, 2048 bits", found["belenios_ballot"] / OPTIONS))
    lines = [Series(name, tuple((x, value) for x in ends)) for name, value in flat]
    return Plot(
        "What it costs to verify a selection",
        "selections in a batch",
        "milliseconds for a selection",
        (Series("ours, with hints", batches), *lines),
    )


def update(document: Path, text: str) -> None:
    """Replace what stands between the markers. Raises ValueError where they are not."""
    whole = document.read_text()
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document}: the lines {BEGIN} and {END} are not there")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


# --- the command


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the same as --scale quick")
    size.add_argument("--scale", choices=tuple(SCALES), default=FULL.name, help="(%(default)s)")
    parser.add_argument("--skip", choices=PARTS, nargs="+", default=[], help="parts to leave out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the plot")
    parser.add_argument(
        "--update",
        type=Path,
        metavar="FILE",
        help=f"put the report between the markers of a document, and {PLOT} beside it",
    )
    return parser


def main() -> None:
    """Measure, print, write."""
    chosen = _arguments().parse_args()
    if chosen.update is not None:  # before four minutes are spent
        whole = chosen.update.read_text()
        if BEGIN not in whole or END not in whole:
            raise SystemExit(f"{chosen.update}: the lines {BEGIN} and {END} are not there")
    scale = SCALES["quick" if chosen.quick else chosen.scale]
    report = complete(collect(scale, chosen.skip, Progress()))
    text = markdown(report)
    print(text)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n")
    if chosen.markdown is not None:
        chosen.markdown.write_text(text)
    if chosen.update is not None:
        update(chosen.update, text)
    plots = [chosen.svg, chosen.update and chosen.update.with_name(PLOT)]
    if report["figures"]["one_core"]:
        drawing = svg(plot_of(report["figures"]))
        for path in filter(None, plots):
            path.write_text(drawing)
    raise SystemExit(1 if report["problems"] else 0)


if __name__ == "__main__":
    main()
