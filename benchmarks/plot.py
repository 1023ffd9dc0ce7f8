"""Line charts as plain SVG: a grid of panels, one line a method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

COLOURS: Final = ("#0b5394", "#cc4125", "#38761d", "#b45f06", "#674ea7", "#444444")
WIDE, HIGH, LEFT, TOP, GAP_X, GAP_Y = 230, 150, 62, 46, 34, 50
TICK_SHARE, LEGEND = 0.25, 160
FONT: Final = 'font-family="sans-serif" fill="#222222"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart.

    Attributes
    ----------
    title : str
    lines : dict of str to sequence of float
        Values at each x by the line's name; NaN leaves a gap.
    low, high : float
        The axis; a NaN ``high`` is the largest value.
    band : tuple of float, optional
        Shaded: where values should be.
    """

    title: str
    lines: Mapping[str, Sequence[float]]
    low: float = 0.0
    high: float = math.nan
    band: tuple[float, float] | None = None


def draw(path: Path, title: str, x: Sequence[float], x_label: str, panels: Sequence[Sequence[Panel]]) -> Path:
    """Write rows of panels over one logarithmic x axis, as SVG, and return the file."""
    columns = max(len(row) for row in panels)
    names = list(dict.fromkeys(name for row in panels for panel in row for name in panel.lines))
    colour = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    width = LEFT + max(columns * (WIDE + GAP_X), LEGEND * len(names))
    height = TOP + len(panels) * (HIGH + GAP_Y) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="16" font-size="13" font-weight="bold" {FONT}>{escape(title)}</text>',
    ]
    for n, name in enumerate(names):
        at = LEFT + LEGEND * n
        parts.append(
            f'<line x1="{at}" y1="28" x2="{at + 22}" y2="28" stroke="{colour[name]}" stroke-width="2"/>'
        )
        parts.append(f'<text x="{at + 27}" y="32" font-size="11" {FONT}>{escape(name)}</text>')
    for i, row in enumerate(panels):
        for j, panel in enumerate(row):
            corner = LEFT + j * (WIDE + GAP_X), TOP + i * (HIGH + GAP_Y) + 16
            parts += _panel(panel, corner, x, x_label if i == len(panels) - 1 else "", colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
    return path


def _panel(
    panel: Panel, corner: tuple[int, int], x: Sequence[float], x_label: str, colour: Mapping[str, str]
) -> list[str]:
    left, top = corner
    known = [v for line in panel.lines.values() for v in line if math.isfinite(v)]
    high = panel.high if math.isfinite(panel.high) else 1.05 * max(known, default=1.0)
    high = high if high > panel.low else panel.low + 1.0
    first, last = math.log(min(x)), math.log(max(x))

    def place(value: float, at: float) -> tuple[float, float]:
        share = (math.log(at) - first) / (last - first) if last > first else 0.5
        up = (min(max(value, panel.low), high) - panel.low) / (high - panel.low)
        return left + WIDE * share, top + HIGH * (1 - up)

    parts = [
        f'<text x="{left}" y="{top - 6}" font-size="11" {FONT}>{escape(panel.title)}</text>',
        f'<rect x="{left}" y="{top}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#999999"/>',
    ]
    if panel.band is not None:
        y1, y0 = place(panel.band[1], x[0])[1], place(panel.band[0], x[0])[1]
        parts.append(f'<rect x="{left}" y="{y1:.1f}" width="{WIDE}" height="{y0 - y1:.1f}" fill="#e8f0e4"/>')
    for step in range(round(1 / TICK_SHARE) + 1):
        value = panel.low + step * TICK_SHARE * (high - panel.low)
        y = place(value, x[0])[1]
        parts.append(
            f'<text x="{left - 5}" y="{y + 4:.1f}" font-size="9" text-anchor="end" {FONT}>{value:.3g}</text>'
        )
    for at in x:
        px = place(panel.low, at)[0]
        parts.append(
            f'<text x="{px:.1f}" y="{top + HIGH + 12}" font-size="9" text-anchor="middle" {FONT}>{at:g}</text>'
        )
    if x_label:
        parts.append(
            f'<text x="{left + WIDE / 2}" y="{top + HIGH + 26}" font-size="10" text-anchor="middle" {FONT}>'
            f"{escape(x_label)}</text>"
        )
    for name, values in panel.lines.items():
        points = [place(v, at) for v, at in zip(values, x, strict=True) if math.isfinite(v)]
        joined = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour[name]}" stroke-width="2"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="{colour[name]}"/>' for px, py in points]
    return parts
