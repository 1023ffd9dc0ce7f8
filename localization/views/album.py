"""Every picture of a run, as SVG files and as one page that needs nothing but itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from localization.calibration import Calibration
from localization.evaluation import Evaluation
from localization.positions import Coverage, Positions
from localization.registration import Registration
from localization.steps import Progress
from localization.upright_posterior import Pinned
from localization.views import honesty, maps
from localization.views.choice import choose_shelves, choose_tags
from localization.views.one_tag import TagLooker
from localization.views.shelf_picture import ends_of, shelf_picture, shelf_view
from localization.views.svg import STYLE, Canvas
from localization.views.tag_picture import tag_picture
from localization.views.tag_view import ViewError
from recording import Recording, Truth
from recording.files import replacing
from stacks.plan import Plan


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to look at; everything but the positions may be missing, and then less is shown.

    Attributes
    ----------
    title : str
    positions : Positions
    plan : Plan or None
        Without one: no shelves and no maps.
    coverage : Coverage or None
    evaluation : Evaluation or None
        Of these positions; without one: no errors and no calibration curve.
    truth : Truth or None
        Marks where the tags shown truly stood.
    recording : Recording or None
        Without one: no tags.
    calibration : Calibration or None
        The one the positions were made with.
    registration : Registration or None
        ``Localizer.registration_``, where it is at hand; learnt again without one.
    pinned : Pinned or None
        ``Localizer.pinned_``, likewise.
    labels : mapping of EPC to str
        What people call the books.
    notes : tuple of str
    """

    title: str
    positions: Positions
    plan: Plan | None = None
    coverage: Coverage | None = None
    evaluation: Evaluation | None = None
    truth: Truth | None = None
    recording: Recording | None = None
    calibration: Calibration | None = None
    registration: Registration | None = None
    pinned: Pinned | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: the file it is kept in, where on the page it stands, and what is said below it."""

    name: str
    section: str
    caption: str
    canvas: Canvas


@dataclass(frozen=True, slots=True)
class Album:
    """The pictures of a run.

    Attributes
    ----------
    title : str
    pictures : tuple of Picture
    figures : tuple of (str, str)
        What the head of the page says in numbers.
    notes : tuple of str
    """

    title: str
    pictures: tuple[Picture, ...]
    figures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def page(self) -> str:
        """Return one HTML page with every picture in it: no script, and no address it loads from."""
        sections = [
            (name, words, [p for p in self.pictures if p.section == name]) for name, words in _SECTIONS
        ]
        return _template().render(
            title=self.title,
            style=Markup(STYLE),  # noqa: S704 - our own constant
            figures=self.figures,
            notes=self.notes,
            sections=[
                (name, words, [(p.name, p.caption, _inline(p.canvas), p.canvas.width) for p in held])
                for name, words, held in sections
                if held
            ],
        )

    def write_page(self, file: str | Path) -> None:
        """Write the page; it appears whole or not at all."""
        _write(Path(file), self.page())

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write every picture as an SVG of its own and ``index.html`` with all; returns the files, the page first."""
        where = Path(folder)
        texts = [
            ("index.html", self.page()),
            *((f"{p.name}.svg", p.canvas.svg(alone=True)) for p in self.pictures),
        ]
        where.mkdir(parents=True, exist_ok=True)
        for name, text in reversed(texts):
            _write(where / name, text)
        return tuple(where / name for name, _ in texts)


_SECTIONS = (
    (
        "Honesty",
        "A sigma is honest when as many tags lie inside each interval as it states. Tags of a face share part of their "
        "error (antenna, clock, map against survey); that part decides no order and is left out where it says "
        "“less each face's median”.",
    ),
    ("Maps", "Faces in the plan's order, each as seen from its aisle, to scale along the face; a row is a level."),
    (
        "Shelves",
        "Each book at the offset found for it, to scale. Thickness is not measured: a book is drawn to the middle "
        "of the gaps to its neighbours. The bars stand in lanes, so that they do not cover each other.",
    ),
    (
        "Tags",
        "Points: phases as the antenna heard them on its way along the face, brought to one channel, less each "
        "pass' own constant; large points count most. Lines: what the place found would have given. Coherence: the "
        "share of the signal that would add up at each offset. Below, close up: what the tag's own phases say (blue), "
        "and the interval that the positions state (green), which knows of shared errors, reflections and neighbours "
        "as well.",
    ),
)  # fmt: skip


def check_names(tags: Sequence[str], shelves: Sequence[str], heard: Sequence[str], plan: Plan | None) -> None:
    """Refuse tags that were not heard and shelves that the plan does not have, before any work is done.

    Raises
    ------
    ViewError
    """
    known = set(heard)
    for epc in tags:
        if epc not in known:
            raise ViewError(f"--tag {epc}: was not heard in this recording")
    for name in shelves:
        if plan is None:
            raise ViewError(f"--shelf {name}: there is no plan; name one with --plan FILE")
        try:
            ends_of(plan, name)
        except KeyError:
            raise ViewError(
                f"--shelf {name}: the plan has no such shelf, nor a face of that name without shelves"
            ) from None


def make_album(
    seen: Seen, *, tags: Sequence[str] = (), shelves: Sequence[str] = (), progress: Progress | None = None
) -> Album:
    """Draw a run.

    Parameters
    ----------
    seen : Seen
    tags : sequence of str
        EPCs to show beside those that are chosen (worst error, quality and bars, and median ones).
    shelves : sequence of str
        Shelves, or faces without shelves, likewise.
    progress : callable(share, text), optional

    Raises
    ------
    ViewError
        A named tag or shelf is not there.
    """
    tell: Progress = progress or (lambda _share, _text: None)
    check_names(tags, shelves, [str(epc) for epc in seen.positions.epc], seen.plan)
    if tags and seen.recording is None:
        raise ViewError("--tag: the phases of a tag are in its recording; name that with --recording FOLDER")
    tell(0.0, "drawing the errors")
    pictures = _honesty(seen)
    tell(0.1, "drawing maps")
    pictures += _maps(seen)
    tell(0.2, "drawing shelves")
    pictures += _shelves(seen, shelves, tell)
    tell(0.4, "drawing tags")
    pictures += _tags(seen, tags, tell)
    tell(1.0, "done")
    return Album(seen.title, tuple(pictures), _figures(seen), seen.notes)


def _honesty(seen: Seen) -> list[Picture]:
    found = seen.evaluation
    if found is None or not found.placed:
        return []
    return [
        Picture("calibration", "Honesty", "", honesty.calibration_picture(found)),
        Picture("error-against-sigma", "Honesty", "", honesty.sigma_picture(found)),
        Picture("order", "Honesty", "", honesty.order_picture(seen.positions, found)),
        Picture("errors", "Honesty", "", honesty.errors_picture(found)),
    ]


def _maps(seen: Seen) -> list[Picture]:
    if seen.plan is None:
        return []
    data = [maps.quality_map(seen.positions, seen.plan), maps.sigma_map(seen.positions, seen.plan)]
    if seen.coverage is not None:
        data = [*maps.coverage_maps(seen.coverage), *data]
    if seen.evaluation is not None:
        data.insert(0, maps.error_map(seen.evaluation, seen.plan))
    drawn = [(one, maps.map_picture(one, seen.plan)) for one in data]
    return [Picture(f"map-{one.name}", "Maps", "", canvas) for one, canvas in drawn if canvas is not None]


def _shelves(seen: Seen, named: Sequence[str], tell: Progress) -> list[Picture]:
    if seen.plan is None:
        return []
    chosen = choose_shelves(seen.positions, seen.plan, seen.evaluation, named)
    pictures: list[Picture] = []
    for number, (name, why) in enumerate(chosen):
        tell(0.2 + 0.2 * number / len(chosen), "drawing shelves")
        view = shelf_view(seen.positions, seen.plan, name, seen.evaluation, seen.labels)
        pictures.append(Picture(_file("shelf", view.name), "Shelves", why, shelf_picture(view)))
    return pictures


def _tags(seen: Seen, named: Sequence[str], tell: Progress) -> list[Picture]:
    if seen.recording is None or len(seen.recording.poses.t) == 0:
        return []
    heard = set(seen.recording.readings.tags)
    chosen = [pair for pair in choose_tags(seen.positions, seen.evaluation, named) if pair[0] in heard]
    if not chosen:
        return []
    looker = TagLooker(seen.recording, seen.plan, seen.calibration, seen.registration, seen.pinned)
    where: dict[str, tuple[float, float]] = {}
    if seen.truth is not None:
        there = np.ones(len(seen.truth.epc), np.bool_) if seen.truth.present is None else seen.truth.present
        columns = (seen.truth.epc, seen.truth.x_m, seen.truth.y_m, there)
        where = {str(epc): (float(x), float(y)) for epc, x, y, here in zip(*columns, strict=True) if here}
    pictures: list[Picture] = []
    for number, (epc, why) in enumerate(chosen):
        tell(0.4 + 0.6 * number / len(chosen), "drawing tags")
        view = looker.look(seen.positions, epc, where.get(epc))
        label = seen.labels.get(epc)
        caption = f"{why}: {label}" if label else why
        pictures.append(Picture(_file("tag", epc), "Tags", caption, tag_picture(view)))
    return pictures


def _figures(seen: Seen) -> tuple[tuple[str, str], ...]:
    positions, found = seen.positions, seen.evaluation
    placed = positions.placed
    rows = [("tags heard / placed", f"{len(positions)} / {int(placed.sum())}")]
    if placed.any():
        local, along = np.median(positions.sigma_local_m[placed]), np.median(positions.sigma_along_m[placed])
        rows.append(("stated sigma along / local, median", f"{100 * along:.2f} / {100 * local:.2f} cm"))
        rows.append(("quality, median", f"{np.median(positions.quality[placed]):.2f}"))
        if np.isfinite(positions.p_shelf).any():
            rows.append(("stated chance of the shelf, mean", f"{100 * np.nanmean(positions.p_shelf):.1f} %"))
        if np.isfinite(positions.p_order).any():
            rows.append(("stated chance of the order, mean", f"{100 * np.nanmean(positions.p_order):.1f} %"))
    if found is None:
        return tuple(rows)
    rows += [
        ("tags of the truth present / heard / placed", f"{found.present} / {found.heard} / {found.placed}"),
        ("error along the face, mean / median / 90 %", _errors(found.error)),
        ("less each face's median", _errors(found.local_error)),
        ("adjacent tags in order", _share(found.order.right, found.order.pairs)),
        *((f"gap {gap}", _share(order.right, order.pairs)) for gap, order in found.order_by_gap.items()),
        ("right face", _per_cent(found.face_accuracy)),
        ("right shelf", _per_cent(found.shelf_accuracy)),
        ("inside the stated 90 %", _per_cent(found.coverage_along)),
        ("inside, less each face's median", _per_cent(found.coverage_local)),
    ]
    return tuple(rows)


def _errors(figures: object) -> str:
    values = [getattr(figures, name) for name in ("mean_cm", "median_cm", "p90_cm")]
    return " / ".join("–" if np.isnan(value) else f"{value:.2f}" for value in values) + " cm"


def _share(right: int, of: int) -> str:
    return f"{right} of {of} ({100 * right / of:.1f} %)" if of else "–"


def _per_cent(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.1f} %"


def _file(kind: str, name: str) -> str:
    """Return a file name for anything a plan may call a shelf."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80]
    if plain != name:
        plain += "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{kind}-{plain}"


def _inline(canvas: Canvas) -> Markup:
    return Markup(canvas.svg())  # noqa: S704 - the canvas escapes every text it is given


def _write(file: Path, text: str) -> None:
    with replacing(file) as partial:
        partial.write_text(text, encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("localization.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
