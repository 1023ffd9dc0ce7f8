"""Are the error bars honest? Intervals against the share inside, errors against sigmas, and all errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import binom

from localization.evaluation import Evaluation
from localization.positions import Positions
from localization.views.svg import Canvas, Scale

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 440.0, 428.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 424.0, 40.0, 320.0
#: Stated intervals, per cent.
STATED = np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99], np.float64)
MOST_POINTS = 1500
#: Borders of the classes of stated chances, per cent.
ORDER_CLASSES = np.array([60, 70, 80, 90, 95, 99], np.float64)
#: Groups of tags of like stated sigma, and how many tags make one.
MOST_GROUPS, LEAST_IN_GROUP = 8, 15


def shares_inside(error_m: Floats, sigma_m: Floats, stated: Floats = STATED) -> tuple[Floats, int]:
    """Return the share of errors inside each stated interval, per cent, shape (stated,), and of how many tags.

    An interval of ``p`` per cent is taken as a normal distribution's: ``sigma`` times its ``(100 + p) / 2`` percentile.
    """
    known = np.isfinite(error_m) & np.isfinite(sigma_m) & (sigma_m > 0)
    if not known.any():
        return np.full(len(stated), np.nan), 0
    size = np.abs(error_m[known]) / sigma_m[known]
    reach = ndtri(0.5 + stated / 200.0)
    return 100.0 * (size[:, None] <= reach).mean(axis=0), int(known.sum())


def calibration_picture(evaluation: Evaluation) -> Canvas:
    """Draw stated intervals against the share of tags inside them."""
    canvas = Canvas(WIDTH, HEIGHT, "Stated interval against the share of tags inside")
    canvas.text(8, 18, "Stated interval and share inside", "v-head")
    x, y = Scale(0, 100, LEFT, RIGHT), Scale(0, 100, BOTTOM, TOP)
    canvas.upward(y, LEFT, "share of tags inside, %", right=RIGHT)
    canvas.across(x, BOTTOM, "stated interval, %", top=TOP)
    tags = evaluation.tags
    curves = [
        ("along", "s0", "as it is", *shares_inside(tags.error_m, tags.sigma_along_m)),
        ("local", "s1", "less each face's median", *shares_inside(tags.local_error_m, tags.sigma_local_m)),
    ]
    count = max(n for *_, n in curves)
    if count:
        p = np.linspace(0.0, 100.0, 41)
        spread = 1.645 * 100.0 * np.sqrt(p / 100 * (1 - p / 100) / count)
        outline = np.concatenate([p, p[::-1]]), np.concatenate([p + spread, (p - spread)[::-1]])
        canvas.path(x.all(outline[0]), y.all(outline[1]), "v-f-soft v-veil", closed=True)
    canvas.line(x(0), y(0), x(100), y(100), "v-thin v-dash v-l-ink")
    entries = [
        ("line", "v-thin v-dash v-l-ink", "honest"),
        ("box", "v-f-soft v-veil", f"90 % by chance, {count} tags"),
    ]
    for name, colour, words, share, n in curves:
        if not n:
            continue
        at_90 = float(share[STATED == 90][0])
        for stated, inside in zip(STATED.tolist(), share.tolist(), strict=True):
            canvas.open(
                name,
                f"stated {stated:.0f} %: {inside:.1f} % inside",
                stated=f"{stated:.0f}",
                inside=f"{inside:.2f}",
            )
            canvas.dots([x(stated)], [y(inside)], 3.2, f"v-l-{colour}")
            canvas.close()
        canvas.path(x.all(STATED), y.all(share), f"v-line v-l-{colour}")
        entries.append(("line", f"v-line v-l-{colour}", f"{words} (90 %: {at_90:.0f} %)"))
    canvas.legend(8, BOTTOM + 54, entries, WIDTH - 16)
    return canvas


def sigma_picture(evaluation: Evaluation) -> Canvas:
    """Draw each tag's error, less its face's median, against the local sigma stated for it."""
    canvas = Canvas(WIDTH, HEIGHT, "Error against stated sigma")
    canvas.text(8, 18, "Error against the sigma stated for it", "v-head")
    tags = evaluation.tags
    known = np.isfinite(tags.local_error_m) & np.isfinite(tags.sigma_local_m) & (tags.sigma_local_m > 0)
    error, sigma = 100 * np.abs(tags.local_error_m[known]), 100 * tags.sigma_local_m[known]
    if not len(error):
        canvas.text(LEFT, 60, "no tag of the truth was placed", "v-soft")
        return canvas
    # Tiny errors are luck and a few huge sigmas are ignorance: both are drawn at the edge.
    most = float(np.quantile(sigma, 0.995))
    x = Scale(*_decades(np.minimum(sigma, most), 0.8, 1.25, 3.0), LEFT, RIGHT, log=True)
    y = Scale(
        0.02 * float(np.median(sigma)), max(float(error.max()) * 1.25, most * 2.6), BOTTOM, TOP, log=True
    )
    canvas.upward(y, LEFT, "error less the face's median, cm", right=RIGHT, away=42)
    canvas.across(x, BOTTOM, "stated sigma_local, cm", top=TOP)
    ends = np.array([x.low, x.high])
    canvas.path(x.all(ends), y.all(ends), "v-thin v-l-ink")
    canvas.path(x.all(ends), y.all(1.645 * ends), "v-thin v-dash v-l-ink")
    keep = np.arange(len(error))[:: max(math.ceil(len(error) / MOST_POINTS), 1)]
    canvas.open("tags")
    canvas.dots(x.all(sigma[keep]), y.all(error[keep]), 1.4, "v-l-k1")
    canvas.close()
    middle, at_68, at_90 = _groups(sigma, error)
    canvas.dots(x.all(middle), y.all(at_68), 3.2, "v-l-s0")
    canvas.dots(x.all(middle), y.all(at_90), 3.2, "v-l-s1")
    entries = [
        ("dot", "v-l-k1", "a tag"),
        ("line", "v-thin v-l-ink", "sigma"),
        ("line", "v-thin v-dash v-l-ink", "1.645 sigma"),
        ("dot", "v-l-s0", "68 % of tags of like sigma are below"),
        ("dot", "v-l-s1", "90 % are below"),
    ]
    canvas.legend(8, BOTTOM + 54, entries, WIDTH - 16)
    return canvas


def errors_picture(evaluation: Evaluation) -> Canvas:
    """Draw the share of tags whose error is below a size."""
    canvas = Canvas(WIDTH, HEIGHT, "Share of tags below an error")
    canvas.text(8, 18, "Share of tags below an error", "v-head")
    tags = evaluation.tags
    curves = [
        ("s0", "as it is", tags.error_m),
        ("s1", "less each face's median", tags.local_error_m),
        ("s2", "constant guess", tags.constant_error_m),
    ]
    sizes = [(c, words, np.sort(100 * np.abs(e[np.isfinite(e)]))) for c, words, e in curves]
    every = np.concatenate([size for *_, size in sizes])
    if not len(every):
        canvas.text(LEFT, 60, "no tag of the truth was placed", "v-soft")
        return canvas
    x = Scale(0.1, max(float(every.max()) * 1.1, 10.0), LEFT, RIGHT, log=True)
    y = Scale(0, 100, BOTTOM, TOP)
    canvas.upward(y, LEFT, "share of tags, %", right=RIGHT)
    canvas.across(x, BOTTOM, "error along the face, cm", top=TOP)
    entries: list[tuple[str, str, str]] = []
    for colour, words, size in sizes:
        if not len(size):
            continue
        at = np.unique(np.linspace(0, len(size) - 1, min(len(size), 200)).astype(np.int64))
        canvas.path(x.all(size[at]), y.all(100.0 * (at + 1) / len(size)), f"v-line v-l-{colour}")
        entries.append(("line", f"v-line v-l-{colour}", f"{words} (mean {size.mean():.2f} cm)"))
    canvas.legend(8, BOTTOM + 54, entries, WIDTH - 16)
    return canvas


def order_outcomes(positions: Positions, evaluation: Evaluation) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the stated chance of each pair of neighbours, as they were found, and whether it is right; two of (n,).

    Pairs count where the truth knows both on one face, at least a millimetre apart.
    """
    tags = evaluation.tags
    truth = {str(epc): (f, float(o)) for epc, f, o in zip(tags.epc, tags.face, tags.offset_m, strict=True)}
    place = [f"{shelf or face}" for shelf, face in zip(positions.shelf_id, positions.face_id, strict=True)]
    by_rank = {
        (name, int(rank)): row for row, (name, rank) in enumerate(zip(place, positions.rank, strict=True))
    }
    stated: list[float] = []
    right: list[bool] = []
    for row in np.flatnonzero(np.isfinite(positions.p_order) & (positions.rank > 1)).tolist():
        left = by_rank.get((place[row], int(positions.rank[row]) - 1))
        here = truth.get(str(positions.epc[row]))
        there = truth.get(str(positions.epc[left])) if left is not None else None
        if here is None or there is None or here[0] != there[0] or abs(here[1] - there[1]) < 0.001:
            continue
        stated.append(float(positions.p_order[row]))
        right.append(here[1] > there[1])
    return np.array(stated, np.float64), np.array(right, np.bool_)


def order_picture(positions: Positions, evaluation: Evaluation) -> Canvas:
    """Draw the stated chance that two neighbours stand in the order found against the share that do."""
    canvas = Canvas(WIDTH, HEIGHT, "Stated chance of an order against the share in order")
    canvas.text(8, 18, "Stated chance of an order and share in order", "v-head")
    stated, right = order_outcomes(positions, evaluation)
    if not len(stated):
        canvas.text(LEFT, 60, "no two neighbours of the truth were placed", "v-soft")
        return canvas
    x, y = Scale(40, 100, LEFT, RIGHT), Scale(0, 100, BOTTOM, TOP)
    canvas.upward(y, LEFT, "share in order, %", right=RIGHT)
    canvas.across(x, BOTTOM, "stated chance, %", top=TOP)
    canvas.line(x(40), y(40), x(100), y(100), "v-thin v-dash v-l-ink")
    of_class = np.searchsorted(ORDER_CLASSES, 100 * stated, side="right")
    for number in np.unique(of_class).tolist():
        mine = of_class == number
        said, share, n = 100 * float(stated[mine].mean()), 100 * float(right[mine].mean()), int(mine.sum())
        # Ninety per cent of outcomes, were the stated chance true.
        low, high = (100 * float(v) / n for v in binom.interval(0.9, n, min(said / 100, 1.0)))
        canvas.open(
            "order",
            f"stated {said:.1f} %: {share:.1f} % of {n} in order",
            stated=f"{said:.2f}",
            share=f"{share:.2f}",
        )
        canvas.line(x(said), y(low), x(said), y(high), "v-wide v-l-k2")
        canvas.dots([x(said)], [y(share)], 2.0 + min(0.6 * math.log10(n) * 2, 4.0), "v-l-s0")
        canvas.close()
    entries = [
        ("line", "v-thin v-dash v-l-ink", "honest"),
        ("line", "v-wide v-l-k2", "90 % by chance, were it honest"),
        (
            "dot",
            "v-l-s0",
            f"pairs ({len(stated)}: {100 * right.mean():.1f} % in order, {100 * stated.mean():.1f} % stated)",
        ),
    ]
    canvas.legend(8, BOTTOM + 54, entries, WIDTH - 16)
    return canvas


def _decades(values: Floats, below: float, above: float, least: float) -> tuple[float, float]:
    """Return ends a little beyond the values, at least a factor of ``least`` apart."""
    low, high = float(values.min()) * below, float(values.max()) * above
    if high / low < least:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(least), middle * math.sqrt(least)
    return low, high


def _groups(sigma: Floats, error: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the middle sigma, and the 68.3 % and 90 % quantile of the errors, of tags of like sigma."""
    order = np.argsort(sigma, kind="stable")
    parts = np.array_split(order, max(min(MOST_GROUPS, len(order) // LEAST_IN_GROUP), 1))
    quantiles = np.array([np.quantile(error[part], [0.683, 0.9]) for part in parts])
    return np.array([np.median(sigma[part]) for part in parts]), quantiles[:, 0], quantiles[:, 1]
