"""SVG by hand: a canvas, linear and logarithmic scales, ticks. Colours are classes, to serve light and dark alike.

The series' colours are those of Okabe and Ito, "Color Universal Design" (2008), the maps' a scale from blue to orange:
both can be told apart with any of the usual colour vision deficiencies. In the dark they are lightened.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LIGHT = {
    "paper": "#ffffff", "ink": "#1c2733", "soft": "#56636f", "grid": "#dde3e9", "wood": "#e9e2d6",
    "s0": "#0072b2", "s1": "#d55e00", "s2": "#009e73", "s3": "#b5578f",
    "k0": "#08519c", "k1": "#6baed6", "k2": "#cfd6dc", "k3": "#fdae61", "k4": "#d94801", "none": "#ffffff",
}  # fmt: skip
_DARK = {
    "paper": "#14191f", "ink": "#e8edf2", "soft": "#a3b0bc", "grid": "#2f3943", "wood": "#3a352c",
    "s0": "#56b4e9", "s1": "#f0913a", "s2": "#35c795", "s3": "#e39ac3",
    "k0": "#2f7fd0", "k1": "#8cc4e6", "k2": "#66717c", "k3": "#f3b064", "k4": "#e8681f", "none": "#14191f",
}  # fmt: skip


def _rules(colour: dict[str, str]) -> str:
    rules = [f".v-paper{{fill:{colour['paper']}}}", f".v text{{fill:{colour['ink']}}}"]
    rules += [f".v text.v-soft{{fill:{colour['soft']}}}"]
    rules += [f".v-f-{name}{{fill:{value}}}.v-l-{name}{{stroke:{value}}}" for name, value in colour.items()]
    return "".join(rules)


#: What a page or a picture of its own needs to be seen in colour, in the light and in the dark.
STYLE = (
    ".v text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    ".v text.v-small{font-size:11px}.v text.v-head{font-weight:600;font-size:13px}"
    ".v-line{fill:none;stroke-width:1.6;stroke-linejoin:round}.v-thin{fill:none;stroke-width:1}"
    ".v-wide{fill:none;stroke-width:4}.v-dash{stroke-dasharray:5 4}.v-veil{fill-opacity:.2}"
    ".v-dot{fill-opacity:.6}.v-edge{stroke-width:.8}"
    + _rules(_LIGHT)
    + "@media (prefers-color-scheme:dark){"
    + _rules(_DARK)
    + "}"
)


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to a place on the picture, linear or logarithmic.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, end : float
        Their places, px.
    log : bool
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value, px; values beyond the ends stay at them."""
        return float(self.all(np.array([value]))[0])

    def all(self, values: npt.ArrayLike) -> Floats:
        """Return the places of many values, px, same shape."""
        v = np.clip(np.asarray(values, np.float64), self.low, self.high)
        low, high = self.low, self.high
        if self.log:
            v, low, high = np.log(v), math.log(low), math.log(high)
        return self.start + (v - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values to mark, at most ``most`` of a linear scale; 1, 2 and 5 of each decade of the other."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if math.log10(self.high / self.low) < 2.7 else (1,)
            marks = [step * 10.0**d for d in decades for step in steps]
            return [m for m in marks if self.low * 0.999 <= m <= self.high * 1.001]
        span = self.high - self.low
        unit = 10.0 ** math.floor(math.log10(span / most))
        step = next(unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= most)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Write a tick's value as short as it can be said."""
    return f"{value:.6g}".replace("-", "−")


class Canvas:
    """A picture being drawn; ``svg`` is its text.

    Parameters
    ----------
    width, height : float
        px of the view box; the picture scales with the room it gets.
    title : str
        What the picture shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self._parts: list[str] = []

    def svg(self, *, alone: bool = False) -> str:
        """Return the picture, with colours and background of its own where it stands ``alone``."""
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        label = f'role="img" aria-label={quoteattr(self.title)}'
        body = "".join(self._parts)
        if not alone:
            return f'<svg class="v" {size} {label}>{body}</svg>'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="v" width="{self.width:.0f}" '
            f'height="{self.height:.0f}" {size} {label}><style>{STYLE}</style>'
            f'<rect class="v-paper" width="100%" height="100%"/>{body}</svg>\n'
        )

    def open(self, cls: str = "", hint: str = "", **data: str) -> None:
        """Begin a group; ``hint`` is shown where the pointer rests on it, ``data`` is for programs."""
        attributes = f' class="{cls}"' if cls else ""
        attributes += "".join(f" data-{k.replace('_', '-')}={quoteattr(v)}" for k, v in data.items())
        self._parts.append(f"<g{attributes}>" + (f"<title>{escape(hint)}</title>" if hint else ""))

    def close(self) -> None:
        """End the group."""
        self._parts.append("</g>")

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """Draw a straight line."""
        self._parts.append(f'<path class="{cls}" d="M{_px(x1)} {_px(y1)}L{_px(x2)} {_px(y2)}"/>')

    def path(self, x: npt.ArrayLike, y: npt.ArrayLike, cls: str, *, closed: bool = False) -> None:
        """Draw a line through points, both of shape (n,); it is broken where a value is NaN."""
        parts: list[str] = []
        pen = "M"
        for px, py in zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True):
            if math.isfinite(px) and math.isfinite(py):
                parts.append(f"{pen}{_px(px)} {_px(py)}")
                pen = "L"
            else:
                pen = "M"
        if parts:
            self._parts.append(f'<path class="{cls}" d="{"".join(parts)}{"Z" if closed else ""}"/>')

    def dots(self, x: npt.ArrayLike, y: npt.ArrayLike, radius: float, cls: str) -> None:
        """Draw points, both of shape (n,), in one element: a dot is a line of no length with a round end."""
        ends = "".join(
            f"M{_px(px)} {_px(py)}h0"
            for px, py in zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True)
        )
        if ends:
            style = f"fill:none;stroke-linecap:round;stroke-width:{2 * radius:.1f}"
            self._parts.append(f'<path class="{cls}" style="{style}" d="{ends}"/>')

    def rect(self, x: float, y: float, width: float, height: float, cls: str, hint: str = "") -> None:
        """Draw a rectangle."""
        size = f'x="{_px(x)}" y="{_px(y)}" width="{_px(max(width, 0.3))}" height="{_px(height)}"'
        inside = f"><title>{escape(hint)}</title></rect>" if hint else "/>"
        self._parts.append(f'<rect class="{cls}" {size}{inside}')

    def text(
        self, x: float, y: float, words: str, cls: str = "", anchor: str = "start", turn: float = 0
    ) -> None:
        """Write; ``anchor`` is start, middle or end, ``turn`` degrees clockwise."""
        attributes = f' class="{cls}"' if cls else ""
        attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
        attributes += f' transform="rotate({turn:.0f} {_px(x)} {_px(y)})"' if turn else ""
        self._parts.append(f'<text x="{_px(x)}" y="{_px(y)}"{attributes}>{escape(words)}</text>')

    def across(
        self, scale: Scale, y: float, label: str, *, top: float | None = None, most: int = 6,
        marks: Sequence[tuple[float, str]] = (), numbers: bool = True,
    ) -> None:  # fmt: skip
        """Draw a horizontal axis at ``y``, with grid lines up to ``top``."""
        self.line(scale.start, y, scale.end, y, "v-thin v-l-soft")
        for value, said in marks or [(tick, number(tick)) for tick in scale.ticks(most)]:
            x = scale(value)
            if top is not None:
                self.line(x, y, x, top, "v-thin v-l-grid")
            self.line(x, y, x, y + 4, "v-thin v-l-soft")
            if numbers:
                self.text(x, y + 16, said, "v-soft v-small", "middle")
        if label:
            self.text((scale.start + scale.end) / 2, y + 32, label, "v-soft", "middle")

    def upward(
        self, scale: Scale, x: float, label: str, *, right: float | None = None, most: int = 5,
        marks: Sequence[tuple[float, str]] = (), away: float = 34,
    ) -> None:  # fmt: skip
        """Draw a vertical axis at ``x``, with grid lines up to ``right``; its label ``away`` px to the left."""
        for value, said in marks or [(tick, number(tick)) for tick in scale.ticks(most)]:
            y = scale(value)
            if right is not None:
                self.line(x, y, right, y, "v-thin v-l-grid")
            self.text(x - 5, y + 4, said, "v-soft v-small", "end")
        self.line(x, scale.start, x, scale.end, "v-thin v-l-soft")
        if label:
            self.text(x - away, (scale.start + scale.end) / 2, label, "v-soft", "middle", -90)

    def legend(self, x: float, y: float, entries: Iterable[tuple[str, str, str]], width: float) -> float:
        """Write a legend of (kind, class, words), kinds ``line``, ``dot``, ``box``; returns the y of its last row."""
        left = x
        for kind, cls, words in entries:
            wide = 26 + 6.1 * len(words) + 12
            if left > x and left + wide > x + width:
                left, y = x, y + 17
            if kind == "line":
                self.line(left, y - 4, left + 20, y - 4, cls)
            elif kind == "dot":
                self.dots([left + 10], [y - 4], 3, cls)
            else:
                self.rect(left + 3, y - 10, 14, 11, cls)
            self.text(left + 26, y, words, "v-soft v-small")
            left += wide
        return y


def _px(value: float) -> str:
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
