"""The picture of one tag: its phases along the track with the fit, and where along the face they put it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from localization.normal import Z90
from localization.views.svg import Canvas, Scale, number
from localization.views.tag_view import Pass, TagView

Floats = npt.NDArray[np.float64]

WIDTH, LEFT, RIGHT = 440.0, 58.0, 428.0
PANEL, GAP = 84.0, 18.0
#: Antennas shown: those with the most observations; and points of each.
MOST_ANTENNAS, MOST_POINTS = 4, 500
#: Of the weight of the observation that counts most: what counts less does not stretch the picture,
WORTH_SHOWING = 0.02
#: nor does a truth farther off than so many half intervals.
FAR_TRUTH = 3.0
_TURN = ((-math.pi, "−π"), (0.0, "0"), (math.pi, "π"))


def tag_picture(view: TagView) -> Canvas:
    """Draw a tag.

    Parameters
    ----------
    view : TagView

    Returns
    -------
    Canvas
        From top to bottom: a panel for each antenna, the coherence over the whole track, and close up the posterior
        with the stated 90 % interval.
    """
    shown = _shown(view)
    wide = 150.0
    height = (
        80.0 + len(shown) * (PANEL + GAP) + (PANEL + 64.0 if len(view.grid_m) else 40.0 if shown else 0.0)
    )
    placed = math.isfinite(view.offset_m)
    canvas = Canvas(WIDTH, height + (wide + 96.0 if placed else 20.0), f"Tag {view.epc}")
    canvas.text(8, 18, view.epc, "v-head")
    said = f"{view.place} at {view.offset_m:.3f} m" if placed else view.place or "not placed"
    canvas.text(8, 35, f"{said} · {view.readings} readings · quality {view.quality:.2f}", "v-soft v-small")
    y = 46.0
    if view.note:
        canvas.text(8, y + 6, view.note, "v-small")
        y += 16.0
    elif view.has_phase:
        known = "phases known up to π and doubled" if view.doubled else "phases known fully"
        canvas.text(8, y + 6, f"{known} · residuals {view.residual_rad:.2f} rad", "v-soft v-small")
        y += 16.0
    if shown:
        y = canvas.legend(LEFT - 6, y + 10, _passes(view), RIGHT - LEFT) + 12.0
        track = _track(view, shown)
        for antenna, passes in shown:
            y = _antenna(canvas, view, antenna, passes, track, y)
        if len(view.grid_m):
            y = _coherence(canvas, view, track, y)
        else:
            canvas.across(track, y - GAP, "offset along the face, m")
            y += 40.0
    if placed:
        _close_up(canvas, view, y + 14.0, wide)
    return canvas


def _shown(view: TagView) -> list[tuple[int, list[Pass]]]:
    by_antenna: dict[int, list[Pass]] = {}
    for one in view.passes:
        by_antenna.setdefault(one.antenna, []).append(one)
    most = sorted(by_antenna, key=lambda a: -sum(len(p.u_m) for p in by_antenna[a]))[:MOST_ANTENNAS]
    return [(antenna, by_antenna[antenna]) for antenna in sorted(most)]


def _passes(view: TagView) -> list[tuple[str, str, str]]:
    most = max(one.number for one in view.passes)
    entries = [("dot", f"v-l-s{(n - 1) % 4}", f"pass {n}") for n in range(1, min(most, 4) + 1)]
    return [*entries, ("line", "v-thin v-l-ink", "fit")] if view.has_phase else entries


def _track(view: TagView, shown: list[tuple[int, list[Pass]]]) -> Scale:
    u = np.concatenate([p.u_m for _, passes in shown for p in passes])
    weight = np.concatenate([p.weight for _, passes in shown for p in passes])
    # Far along the track a tag is heard by reflection, and its phases count for nothing.
    u = u[weight >= WORTH_SHOWING * weight.max()]
    low, high = min(float(u.min()), view.offset_m) - 0.05, max(float(u.max()), view.offset_m) + 0.05
    return Scale(low, high, LEFT, RIGHT)


def _antenna(
    canvas: Canvas, view: TagView, antenna: int, passes: list[Pass], track: Scale, y: float
) -> float:
    """Draw what one antenna heard: phases and the fitted curve, or RSSI where there is no phase."""
    if view.has_phase:
        scale = Scale(-math.pi, math.pi, y + PANEL, y)
        canvas.upward(scale, LEFT, f"ant. {antenna}, rad", right=RIGHT, marks=_TURN)
    else:
        rssi = np.concatenate([p.rssi_dbm for p in passes])
        scale = Scale(float(rssi.min()) - 2.0, float(rssi.max()) + 2.0, y + PANEL, y)
        canvas.upward(scale, LEFT, f"ant. {antenna}, dBm", right=RIGHT, most=4)
    canvas.open("antenna", antenna=str(antenna))
    every = max(sum(len(p.u_m) for p in passes) // MOST_POINTS, 1)
    for one in passes:
        colour = f"s{(one.number - 1) % 4}"
        if view.has_phase:
            on = np.isfinite(one.curve_rad) & _on(track, one.curve_u_m)
            x = np.where(on, track.all(one.curve_u_m), np.nan)
            curve = np.nan_to_num(one.curve_rad)
            canvas.path(x, scale.all(curve), f"v-line v-edge v-l-{colour}")
        values = one.phase_rad if view.has_phase else one.rssi_dbm
        keep = np.flatnonzero(np.isfinite(values) & _on(track, one.u_m))[::every]
        # What counts little is drawn small.
        strong = (
            one.weight[keep] >= 0.3 * max(float(one.weight.max()), 1e-12) if view.has_phase else keep >= 0
        )
        canvas.dots(track.all(one.u_m[keep][strong]), scale.all(values[keep][strong]), 2.0, f"v-l-{colour}")
        canvas.dots(track.all(one.u_m[keep][~strong]), scale.all(values[keep][~strong]), 0.9, f"v-l-{colour}")
    canvas.close()
    _places(canvas, view, track, y, y + PANEL)
    return y + PANEL + GAP


def _on(scale: Scale, values: Floats) -> npt.NDArray[np.bool_]:
    return (values >= scale.low) & (values <= scale.high)


def _places(canvas: Canvas, view: TagView, scale: Scale, top: float, bottom: float) -> None:
    if scale.low <= view.offset_m <= scale.high:
        canvas.line(scale(view.offset_m), top, scale(view.offset_m), bottom, "v-thin v-l-ink")
    if math.isfinite(view.truth_m) and scale.low <= view.truth_m <= scale.high:
        canvas.line(scale(view.truth_m), top, scale(view.truth_m), bottom, "v-line v-dash v-l-s3")


def _coherence(canvas: Canvas, view: TagView, track: Scale, y: float) -> float:
    """Draw where else along the track the phases would add up."""
    scale = Scale(0.0, 1.0, y + PANEL, y)
    canvas.upward(scale, LEFT, "coherence", right=RIGHT, marks=((0.0, "0"), (0.5, "0.5"), (1.0, "1")))
    canvas.across(track, y + PANEL, "offset along the face, m", top=y)
    inside = (view.grid_m >= track.low) & (view.grid_m <= track.high)
    step = max(int(inside.sum()) // 400, 1)
    canvas.path(
        track.all(view.grid_m[inside][::step]), scale.all(view.coherence[inside][::step]), "v-line v-l-ink"
    )
    _places(canvas, view, track, y, y + PANEL)
    return y + PANEL + 52.0


def _close_up(canvas: Canvas, view: TagView, y: float, height: float) -> None:
    """Draw the posterior close up, with the interval that the positions state."""
    reach = Z90 * view.sigma_along_m
    ends = [view.offset_m - 1.4 * reach, view.offset_m + 1.4 * reach, view.truth_m, *view.interval_m]
    known = [e for e in ends if math.isfinite(e) and abs(e - view.offset_m) <= FAR_TRUTH * reach]
    low, high = min(known), max(known)
    low, high = low - 0.06 * (high - low) - 0.005, high + 0.06 * (high - low) + 0.005
    scale = Scale(low, high, LEFT, RIGHT)
    stated = np.linspace(low, high, 200)
    bell = np.exp(-0.5 * ((stated - view.offset_m) / view.sigma_along_m) ** 2)
    entries: list[tuple[str, str, str]] = []
    base = y + height
    tall = Scale(0.0, 1.08, base, y + 8)
    canvas.line(LEFT, base, LEFT, y, "v-thin v-l-soft")
    canvas.text(LEFT - 14, (y + base) / 2, "density (each to its top)", "v-soft", "middle", -90)
    canvas.open("stated", low_m=f"{view.offset_m - reach:.5f}", high_m=f"{view.offset_m + reach:.5f}")
    left, right = scale(view.offset_m - reach), scale(view.offset_m + reach)
    canvas.rect(left, y, right - left, height, "v-f-s2 v-veil")
    canvas.close()
    if len(view.grid_m):
        inside = (view.grid_m >= low) & (view.grid_m <= high)
        x, p = view.grid_m[inside], view.posterior[inside]
        top = max(float(p.max()), 1e-12) if len(p) else 1.0
        outline = np.concatenate([[0.0], p / top, [0.0]])
        x = np.concatenate([x[:1], x, x[-1:]])
        canvas.open("posterior", low_m=f"{view.interval_m[0]:.5f}", high_m=f"{view.interval_m[1]:.5f}")
        canvas.path(scale.all(x), tall.all(outline), "v-f-s0 v-veil", closed=True)
        canvas.path(scale.all(x), tall.all(outline), "v-line v-l-s0")
        canvas.line(scale(view.interval_m[0]), y + 3, scale(view.interval_m[1]), y + 3, "v-wide v-l-s0")
        canvas.close()
        entries.append(("line", "v-wide v-l-s0", "its own phases, and their 90 %"))
    canvas.path(scale.all(stated), tall.all(bell), "v-line v-l-s2")
    canvas.line(scale(view.offset_m), y, scale(view.offset_m), base, "v-thin v-l-ink")
    entries.append(("box", "v-f-s2 v-veil", f"stated 90 %: ±{number(round(100 * reach, 2))} cm"))
    entries.append(("line", "v-thin v-l-ink", "place"))
    if math.isfinite(view.truth_m):
        if low <= view.truth_m <= high:
            canvas.line(scale(view.truth_m), y, scale(view.truth_m), base, "v-line v-dash v-l-s3")
        off = 100 * (view.offset_m - view.truth_m)
        entries.append(("line", "v-line v-dash v-l-s3", f"truth ({off:+.1f} cm off)".replace("-", "−")))
    canvas.across(scale, base, "offset along the face, m", most=5)
    canvas.legend(LEFT - 40, base + 54, entries, RIGHT - LEFT + 44)
