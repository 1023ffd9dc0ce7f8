"""What an evaluation holds: errors of tags, order of neighbours, and the figures made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from localization.normal import Z90

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

GAP_CLASSES = (("under 1.5 cm", 0.0, 0.015), ("1.5-3 cm", 0.015, 0.03), ("over 3 cm", 0.03, np.inf))


@dataclass(frozen=True, slots=True)
class TagErrors:
    """One row for every tag that stood in the room, heard or not; all columns have shape (n,).

    Attributes
    ----------
    run : object array of str
        The recording's label.
    epc : object array of str
    face, shelf : object array of str or None
        Where it truly stood.
    offset_m : float64 array
        True place along the face (along x without a plan).
    heard, placed : bool array
        Whether positions have a row for it, and whether that row has a place.
    error_m : float64 array
        Estimate less truth along the face; NaN where not placed.
    local_error_m : float64 array
        ``error_m`` less the median of its face in its run.
    height_error_m : float64 array
    sigma_along_m, sigma_local_m : float64 array
    face_right, shelf_right : float64 array
        1 right, 0 wrong, NaN where the truth or the estimate names none.
    constant_error_m : float64 array
        The error of always naming the middle of the face.
    """

    run: Texts
    epc: Texts
    face: Texts
    shelf: Texts
    offset_m: Floats
    heard: Bools
    placed: Bools
    error_m: Floats
    local_error_m: Floats
    height_error_m: Floats
    sigma_along_m: Floats
    sigma_local_m: Floats
    face_right: Floats
    shelf_right: Floats
    constant_error_m: Floats

    def __len__(self) -> int:
        return len(self.epc)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Adjacent tags of one row; all columns have shape (n,).

    Attributes
    ----------
    left, right : object array of str
        The EPCs, as they truly stood.
    gap_m : float64 array
        True distance along the face.
    judged : bool array
        Both were placed.
    in_order : bool array
        Both were placed on one face, the right one right of the left one.
    """

    left: Texts
    right: Texts
    gap_m: Floats
    judged: Bools
    in_order: Bools


@dataclass(frozen=True, slots=True)
class ErrorFigures:
    """Mean, median and percentiles of absolute errors, in centimetres; NaN where there is none."""

    mean_cm: float
    median_cm: float
    p90_cm: float
    p99_cm: float


@dataclass(frozen=True, slots=True)
class OrderFigures:
    """How many adjacent pairs came out in the right order."""

    right: int
    pairs: int

    @property
    def share(self) -> float:
        """Return right / pairs; NaN without pairs."""
        return self.right / self.pairs if self.pairs else float("nan")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes
    ----------
    label : str
        What was evaluated: a run, or how many.
    tags : TagErrors
    neighbours : Neighbours
    present, heard, placed : int
        Tags that stood in the room, that were heard, that got a place.
    error, local_error : ErrorFigures
        Along the face, as they are and less the median of each face.
    constant_guess : ErrorFigures
        Of always naming the middle of the face.
    height : ErrorFigures
    order : OrderFigures
        Over all adjacent pairs with both tags placed.
    order_by_gap : dict of str to OrderFigures
    pairs_not_judged : int
        Adjacent pairs with a tag that has no place.
    face_accuracy, shelf_accuracy : float
        Share of the placed tags; NaN where nothing names a face or shelf.
    coverage_along, coverage_local : float
        Share of the errors (less the median: of the local ones) inside the 90 % interval, 1.645 sigma each
        way.
    sigma_along_cm, sigma_local_cm : float
        Medians.
    not_in_truth : tuple of str
        EPCs heard of which the truth knows nothing.
    missing_placed : tuple of str
        EPCs that the truth knows to be absent and that were placed all the same.
    notes : tuple of str
        What was left out, one sentence each.
    """

    label: str
    tags: TagErrors
    neighbours: Neighbours
    present: int
    heard: int
    placed: int
    error: ErrorFigures
    local_error: ErrorFigures
    constant_guess: ErrorFigures
    height: ErrorFigures
    order: OrderFigures
    order_by_gap: dict[str, OrderFigures]
    pairs_not_judged: int
    face_accuracy: float
    shelf_accuracy: float
    coverage_along: float
    coverage_local: float
    sigma_along_cm: float
    sigma_local_cm: float
    not_in_truth: tuple[str, ...]
    missing_placed: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self, *, per_tag: bool = False) -> dict[str, Any]:
        """Return the figures as JSON values (NaN becomes null), with the table of tags if asked for."""
        out = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("tags", "neighbours")}
        for name in ("error", "local_error", "constant_guess", "height"):
            out[name] = asdict(out[name])
        out["order"] = _order_json(self.order)
        out["order_by_gap"] = {gap: _order_json(order) for gap, order in self.order_by_gap.items()}
        if per_tag:
            names = [f.name for f in fields(self.tags)]
            columns = [getattr(self.tags, name).tolist() for name in names]
            out["tags"] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return _plain(out)

    def table(self) -> str:
        """Return the figures as a plain text table."""
        rows = [
            ("tags present / heard / placed", f"{self.present} / {self.heard} / {self.placed}"),
            ("", "  mean  median     p90     p99"),
            ("error along the face, cm", _errors(self.error)),
            ("  less each face's median, cm", _errors(self.local_error)),
            ("  constant guess, cm", _errors(self.constant_guess)),
            ("height error, cm", _errors(self.height)),
            ("adjacent tags in order", _order(self.order)),
            *((f"  gap {gap}", _order(order)) for gap, order in self.order_by_gap.items()),
            ("  pairs with a tag not placed", str(self.pairs_not_judged)),
            ("right face", _share(self.face_accuracy)),
            ("right shelf", _share(self.shelf_accuracy)),
            ("inside the 90 % interval", _share(self.coverage_along)),
            ("  of sigma_local, less the median", _share(self.coverage_local)),
            (
                "sigma along / local, median, cm",
                f"{_number(self.sigma_along_cm)} / {_number(self.sigma_local_cm)}",
            ),
            ("heard but not in the truth", str(len(self.not_in_truth))),
            ("absent but placed", str(len(self.missing_placed))),
        ]
        lines = [self.label, *(f"  {name:<36}{value}".rstrip() for name, value in rows)]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def summarise(
    label: str,
    tags: TagErrors,
    pairs: Neighbours,
    not_in_truth: tuple[str, ...],
    missing_placed: tuple[str, ...],
    notes: tuple[str, ...],
) -> Evaluation:
    """Return the figures of errors and pairs; how they are made is said at :class:`Evaluation`."""
    by_gap = {name: _count(pairs, (pairs.gap_m >= lo) & (pairs.gap_m < hi)) for name, lo, hi in GAP_CLASSES}
    return Evaluation(
        label=label,
        tags=tags,
        neighbours=pairs,
        present=len(tags),
        heard=int(tags.heard.sum()),
        placed=int(tags.placed.sum()),
        error=_figures(tags.error_m),
        local_error=_figures(tags.local_error_m),
        constant_guess=_figures(tags.constant_error_m),
        height=_figures(tags.height_error_m),
        order=_count(pairs, np.ones(len(pairs.gap_m), np.bool_)),
        order_by_gap=by_gap,
        pairs_not_judged=int((~pairs.judged).sum()),
        face_accuracy=_mean(tags.face_right),
        shelf_accuracy=_mean(tags.shelf_right),
        coverage_along=_inside(tags.error_m, tags.sigma_along_m),
        coverage_local=_inside(tags.local_error_m, tags.sigma_local_m),
        sigma_along_cm=_median(tags.sigma_along_m) * 100,
        sigma_local_cm=_median(tags.sigma_local_m) * 100,
        not_in_truth=not_in_truth,
        missing_placed=missing_placed,
        notes=notes,
    )


def _count(pairs: Neighbours, mask: Bools) -> OrderFigures:
    return OrderFigures(int((pairs.in_order & mask).sum()), int((pairs.judged & mask).sum()))


def _figures(error_m: Floats) -> ErrorFigures:
    size = np.abs(error_m[np.isfinite(error_m)]) * 100
    if not len(size):
        return ErrorFigures(*[float("nan")] * 4)
    median, p90, p99 = np.percentile(size, [50, 90, 99]).tolist()
    return ErrorFigures(float(size.mean()), median, p90, p99)


def _inside(error: Floats, sigma: Floats) -> float:
    known = np.isfinite(error) & np.isfinite(sigma)
    return float(np.mean(np.abs(error[known]) <= Z90 * sigma[known])) if known.any() else float("nan")


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _order_json(order: OrderFigures) -> dict[str, Any]:
    return {"right": order.right, "pairs": order.pairs, "share": order.share}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _errors(figures: ErrorFigures) -> str:
    every = (figures.mean_cm, figures.median_cm, figures.p90_cm, figures.p99_cm)
    return "  ".join(f"{_number(value):>6}" for value in every)


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _order(order: OrderFigures) -> str:
    return f"{order.right} / {order.pairs}" + (f"  ({order.share:.3f})" if order.pairs else "")


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f} %"
