"""A plot as plain SVG: lines over a logarithmic axis each way.

    svg(Plot(title, x_label, y_label, (Series("ours", ((10, 1.6), (100, 1.0))), ...)))

Colours and text follow the reader's light or dark setting; nothing is loaded from elsewhere.
Every line has its name at its end, and its own colour, dashes and marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 76, 190, 52, 58
GAP = 17
"""Between the names of two lines, at least."""

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: 600 }
  .grid { stroke: #ddd } .axis { stroke: #555 }
  .background { fill: #fff }
  .line { fill: none; stroke-width: 2 }
  .s0 { stroke: #0b62a4 } .s1 { stroke: #b0430c } .s2 { stroke: #2c7a2c }
  .s3 { stroke: #7b3fa0 } .s4 { stroke: #666 }
  .d0 { fill: #0b62a4 } .d1 { fill: #b0430c } .d2 { fill: #2c7a2c }
  .d3 { fill: #7b3fa0 } .d4 { fill: #666 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .grid { stroke: #333 } .axis { stroke: #aaa }
    .background { fill: #111 }
    .s0 { stroke: #6cb8f0 } .s1 { stroke: #f0985f } .s2 { stroke: #7fd07f }
    .s3 { stroke: #c79be6 } .s4 { stroke: #aaa }
    .d0 { fill: #6cb8f0 } .d1 { fill: #f0985f } .d2 { fill: #7fd07f }
    .d3 { fill: #c79be6 } .d4 { fill: #aaa }
  }
"""
DASHES = ("", "7 4", "2 4", "10 3 2 3", "4 2")


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name and its points, x ascending, all above 0."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn; at most five lines."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from `low` to `high` over pixels from `first` to `last`, logarithmically."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.first + share * (self.last - self.first)

    def ticks(self) -> Iterator[float]:
        """1, 2 and 5 times the powers of ten."""
        for power in range(floor(log10(self.low)), ceil(log10(self.high)) + 1):
            for digit in (1, 2, 5):
                value = digit * 10.0**power
                if self.low * 0.999 <= value <= self.high * 1.001:
                    yield value


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _spread(wanted: Sequence[float]) -> list[float]:
    """Heights of names: those that are wanted, moved apart."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    found = list(wanted)
    for above, below in zip(order, order[1:], strict=False):
        found[below] = max(found[below], found[above] + GAP)
    return found


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _grid(x: _Axis, y: _Axis) -> Iterator[str]:
    for value in y.ticks():
        at = y.at(value)
        yield f'<path class="grid" d="M{x.first} {at:.1f}H{x.last}"/>'
        yield _text(x.first - 8, at + 4, _number(value), "end")
    for value in x.ticks():
        at = x.at(value)
        yield f'<path class="grid" d="M{at:.1f} {y.first}V{y.last}"/>'
        yield _text(at, y.first + 19, _number(value))
    yield f'<path class="axis" fill="none" d="M{x.first} {y.last}V{y.first}H{x.last}"/>'


def _lines(series: Sequence[Series], x: _Axis, y: _Axis) -> Iterator[str]:
    heights = _spread([y.at(line.points[-1][1]) for line in series])
    for n, (line, height) in enumerate(zip(series, heights, strict=True)):
        places = [(x.at(a), y.at(b)) for a, b in line.points]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        yield f'<path class="line s{n}" stroke-dasharray="{DASHES[n]}" d="M{path}"/>'
        for a, b in places:
            yield f'<circle class="d{n}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>'
        yield _text(x.last + 12, height + 4, line.name, "start")


def svg(plot: Plot) -> str:
    """The document. Raises ValueError without points or with too many lines."""
    points = [point for line in plot.series for point in line.points]
    if not points or len(plot.series) > len(DASHES):
        raise ValueError("one to five lines with points can be drawn")
    xs, ys = [a for a, _ in points], [b for _, b in points]
    x = _Axis(min(xs), max(*xs, 2 * min(xs)), LEFT, WIDTH - RIGHT)
    y = _Axis(min(ys) / 1.3, max(ys) * 1.3, HEIGHT - BOTTOM, TOP)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f' transform="rotate(-90 20 {middle})"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(plot.title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="background" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(LEFT, 28, plot.title, "start", ' class="title"'),
        *_grid(x, y),
        *_lines(plot.series, x, y),
        _text((x.first + x.last) / 2, HEIGHT - 14, plot.x_label),
        _text(20, middle, plot.y_label, "middle", turned),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
