"""What a calibration states of faces against what they are off by, on sites drawn many times over.

A site has an antennas' mean centre and shifts of its faces that it keeps, shifts that it draws anew each night, and
tags that err each for itself, most of it alike every night. `learn` is given what some nights say of its reference
tags; what is left of a night's shifts is held against what the calibration states of that night.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich import box
from rich.console import Console
from rich.table import Table

from localization.calibrate import learn
from localization.calibration import OTHER_NIGHT_M
from localization.normal import Z90
from localization.witness import Witness
from recording import AntennaMount, RunInfo, Truth
from stacks.plan import Face, Floor, Plan

Floats = npt.NDArray[np.float64]

DRAWS: Final = 100
LENGTH_M: Final = 4.0
CENTRE_M, KEPT, SPEED_MPS = 0.02, 0.7, 0.1
STARTED: Final = datetime(2026, 3, 1, 22, tzinfo=UTC)
MOUNT: Final = AntennaMount(
    id=1, reader="r", port=1, air="gen2", position_m=(0.0, -0.2, 1.0), boresight_deg=(-90.0, 0.0)
)


@dataclass(frozen=True, slots=True)
class Site:
    """One kind of site; lengths are standard deviations.

    Attributes
    ----------
    faces, tags : int
        Faces, and references on each, evenly along it.
    own_m, face_m, night_m : float
        Of a tag's own error, of what a face keeps and of what it does not keep from night to night.
    along_m : float
        Over which half of the tags' own variance is alike along a face, anew each night; 0: tags err each for itself.
    nights : int
        Learnt from.
    another : bool
        Judged on another night rather than on the last of these.
    """

    faces: int = 6
    tags: int = 15
    own_m: float = 0.008
    face_m: float = 0.01
    night_m: float = OTHER_NIGHT_M
    along_m: float = 0.0
    nights: int = 1
    another: bool = False


SITES: Final[Mapping[str, Site]] = {
    "6 faces, 15 references each": Site(),
    "4 references each": Site(tags=4),
    "2 references each": Site(tags=2),
    "50 references each": Site(tags=50),
    "2 faces": Site(faces=2),
    "2 faces, 2 references each": Site(faces=2, tags=2),
    "1 face, 10 references": Site(faces=1, tags=10),
    "20 faces": Site(faces=20),
    "20 faces, 2 references each": Site(faces=20, tags=2),
    "tags err by 2 cm": Site(own_m=0.02),
    "2 references each, tags err by 2 cm, faces by 3": Site(tags=2, own_m=0.02, face_m=0.03),
    "tags err alike over 0.5 m": Site(along_m=0.5),
    "tags err alike over 2 m": Site(along_m=2.0),
    "another night": Site(another=True),
    "another night, 2 references each": Site(tags=2, another=True),
    "another night, by 4, faces keep to 3 mm": Site(nights=4, night_m=0.003, another=True),
    "another night, by 4, faces keep to 2 cm": Site(nights=4, night_m=0.02, another=True),
}
"""By name; of those not called so the night itself is judged."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What faces were off by and what was stated; lengths in cm.

    Attributes
    ----------
    off_cm, stated_cm : float
        Root mean square of what is left of faces' shifts, and of its stated deviation.
    inside : float
        Share inside the 90 % interval.
    """

    off_cm: float
    stated_cm: float
    inside: float


def table(console: Console) -> dict[str, Any]:
    """Print what all kinds of sites come to, and return it."""
    shown = Table(
        title=f"{DRAWS} drawn sites of each kind: faces' shifts", box=box.SIMPLE, title_justify="left"
    )
    for column in ("site", "off by (rms), cm", "stated (rms), cm", "in 90 %"):
        shown.add_column(column, justify="left" if column == "site" else "right")
    figures: dict[str, Any] = {}
    for name, site in SITES.items():
        found = judged(site)
        figures[name] = asdict(found)
        shown.add_row(name, f"{found.off_cm:.2f}", f"{found.stated_cm:.2f}", f"{100 * found.inside:.1f}")
    console.print(shown)
    return figures


def judged(site: Site, draws: int = DRAWS, seed: int = 1000) -> Stated:
    """Draw sites of a kind, calibrate each, and hold what is left of a night's shifts against what is stated."""
    plan, truth = _plan(site)
    left, said = np.empty((draws, site.faces)), np.empty((draws, site.faces))
    for draw in range(draws):
        nights = _nights(site, truth, np.random.default_rng([seed, draw]))
        learnt = learn([night for night, _ in nights[: site.nights]], plan, truth).calibration
        night, shift = nights[-1]
        moved = np.array([learnt.face_shift_m.get(face.id, 0.0) for face in plan.faces])
        left[draw] = shift - learnt.phase_centre_m[MOUNT.id] + moved
        said[draw] = [learnt.off_m(face.id, night.info.run_id) or 0.0 for face in plan.faces]
    return Stated(
        float(100 * np.sqrt(np.mean(left**2))),
        float(100 * np.sqrt(np.mean(said**2))),
        float(np.mean(np.abs(left) <= Z90 * said)),
    )


def _plan(site: Site) -> tuple[Plan, Truth]:
    """Return the faces, in rows of two, and where their references stand."""
    faces = tuple(
        Face(f"F{n}", (4.0 + 5.0 * (n % 2), 2.0 * (n // 2)), 180.0, 90.0, LENGTH_M, 0.03, ())
        for n in range(site.faces)
    )
    offset = _offsets(site)
    x, y = (np.concatenate(column) for column in zip(*(face.to_map(offset) for face in faces), strict=True))
    count = len(x)
    return Plan("drawn", 1, (Floor("1", faces),)), Truth(
        epc=np.array([f"30{n:022X}" for n in range(count)], object),
        x_m=x,
        y_m=y,
        z_m=np.ones(count),
        face=np.repeat([face.id for face in faces], site.tags).astype(object),
        offset_m=np.tile(offset, site.faces),
    )


def _offsets(site: Site) -> Floats:
    return (np.arange(site.tags) + 0.5) * LENGTH_M / site.tags


def _nights(site: Site, truth: Truth, rng: np.random.Generator) -> list[tuple[Witness, Floats]]:
    """Return what each night says of the tags, and by how much each face's places are too far."""
    assert truth.face is not None and truth.offset_m is not None
    kept = CENTRE_M * rng.standard_normal() + site.face_m * rng.standard_normal(site.faces)
    shape = (site.faces, site.tags)
    apart = site.own_m * np.sqrt(0.5 if site.along_m else 1.0)
    always = apart * np.sqrt(KEPT) * rng.standard_normal(shape)
    nights: list[tuple[Witness, Floats]] = []
    for number in range(site.nights + site.another):
        shift = kept + site.night_m * rng.standard_normal(site.faces)
        own = always + apart * np.sqrt(1.0 - KEPT) * rng.standard_normal(shape)
        wander, mean = _wander(site, rng)
        # What wanders along a face and does not average out over it is a shift of the face.
        shift = shift + mean
        found = truth.offset_m + np.ravel(shift[:, None] + own + wander - mean[:, None])
        info = RunInfo(f"night-{number}", "drawn", STARTED + timedelta(days=number), "r", (MOUNT,))
        ones = np.ones(len(found))
        told = (site.own_m * ones, -ones, -SPEED_MPS * ones)
        nights.append((Witness(info, truth.epc, truth.face, found, *told, None), shift))
    return nights


def _wander(site: Site, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what tags of a face err alike, shape (faces, tags), and its mean over each face, (faces,)."""
    if not site.along_m:
        return np.zeros((site.faces, site.tags)), np.zeros(site.faces)
    places = np.concatenate([_offsets(site), np.linspace(0.0, LENGTH_M, 41)])
    alike = np.exp(-np.abs(places[:, None] - places) / site.along_m) + 1e-9 * np.eye(len(places))
    field = rng.standard_normal((site.faces, len(places))) @ np.linalg.cholesky(alike).T
    field *= site.own_m * np.sqrt(0.5)
    return field[:, : site.tags], field[:, site.tags :].mean(axis=1)
