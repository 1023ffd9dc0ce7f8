"""What the tags of a run together tell of the receiver, and whether the receiver is all that errs.

The noise of each antenna beside its law, the cables, the antennas' phases against one another, and how alike near
readings err: from least squares of some tags, each by itself, and what their residuals have in common.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from localization.faces import Candidates, rows_of
from localization.hypotheses import Hypotheses
from localization.observations import Observations
from localization.placing import Places
from localization.signal_model import thermal_phase_rad
from localization.thermal_kernels import fit_thermal
from localization.thermal_spread import Spread, learn_spread

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Readings of an antenna within this way err alike where reflections rule.
ALIKE_M = 0.05
#: So many pairs of such readings tell whether they do.
FEWEST_PAIRS = 30
#: As much of a stretch's variance from reflections as from the receiver: the robust fit is believed as much.
HALF_WAY, STEEPNESS = 1.0, 4.0
#: Noise wider than this (rad) is no receiver's: phases that mean nothing.
WIDEST_RAD, WIDEST_SOFT_RAD = 0.9, 0.08
#: Spreads of a group's phase about the tag's that are tried; the first is as good as any phase.
TAUS_RAD = (2.0, 0.3, 0.1, 0.03, 0.0)
#: Twice the log-likelihood that one tag may say for or against one of them, and that makes a clear difference.
MOST_SAY, CLEARLY = 6.0, 6.0
ROUNDS = 12
#: Cables are not moved by more in a round; moved by less, they are found.
DELAY_STEP_M, DELAY_DONE_M = 5.0, 0.03


@dataclass(frozen=True, slots=True)
class ThermalLaw:
    """What the tags together tell of the receiver.

    Attributes
    ----------
    noise : float64 array, shape (256,)
        Factor on ``thermal_phase_rad`` of each antenna.
    delay_m : float64 array, shape (256,)
        Electrical length of the antennas' cables beside what is taken out of the phases already.
    phase_rad : float64 array, shape (256,)
        Phase of each antenna against the others.
    tau_rad : float
        What a group's phase (an antenna's, in one pass) keeps beside that.
    alike : float
        Share of the residuals' variance that readings of an antenna within ``ALIKE_M`` have in common.
    share : float
        How far the refinement is believed, 0..1.
    spread : Spread
        How depths and heights spread on the faces' boards.
    """

    noise: Floats
    delay_m: Floats
    phase_rad: Floats
    tau_rad: float
    alike: float
    share: float
    spread: Spread = field(default_factory=Spread.supposed)


@dataclass(frozen=True, slots=True)
class ThermalRows:
    """The observations with phase of some places, tag by tag.

    ``start`` has the shape (tags + 1,); ``owner`` to ``antenna`` that of the observations, (n,), distances in m,
    phases in rad; ``middle_depth`` to ``own`` are of every tag, shape (tags,).
    """

    start: Ints
    owner: Ints
    u: Floats
    h: Floats
    z: Floats
    k: Floats
    phase: Floats
    variance: Floats
    group: Ints
    antenna: Ints
    middle_k: float
    middle_depth: Floats
    middle_height: Floats
    height_sigma: Floats
    depth_sigma: Floats
    board: Ints
    own: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls, observations: Observations, candidates: Candidates, hypotheses: Hypotheses, places: Places,
        chosen: Ints,
    ) -> ThermalRows:  # fmt: skip
        """Collect the observations of the chosen places, shape (tags,)."""
        rows = rows_of(candidates.start, places.candidate[chosen])
        owner = np.repeat(np.arange(len(chosen)), np.diff(candidates.start)[places.candidate[chosen]])
        obs = candidates.observation[rows]
        keep = np.isfinite(observations.phase_rad[obs])
        rows, owner, obs = rows[keep], owner[keep], obs[keep]
        factor = np.where(observations.doubled[obs], 2.0, 1.0)
        y = places.hypothesis[chosen]
        return cls(
            start=np.searchsorted(owner, np.arange(len(chosen) + 1)).astype(np.int64),
            owner=owner,
            u=candidates.u[rows],
            h=candidates.h[rows],
            z=candidates.z[rows],
            k=observations.wavenumber[obs],
            phase=observations.phase_rad[obs],
            variance=(factor * thermal_phase_rad(observations.rssi_dbm[obs])) ** 2
            / np.maximum(observations.count[obs], 1.0),
            group=candidates.group[rows],
            antenna=observations.antenna[obs],
            middle_k=float(np.median(observations.wavenumber[obs])) if len(obs) else 0.0,
            middle_depth=hypotheses.depth_m[y],
            middle_height=hypotheses.height_m[y],
            height_sigma=hypotheses.height_sigma_m[y],
            depth_sigma=hypotheses.depth_sigma_m[y],
            board=boards_of(hypotheses, places, chosen),
            own=np.ones(len(chosen), np.bool_),
        )

    def fit(self, law: ThermalLaw, begin: Floats) -> ThermalFit:
        """Fit every tag from ``begin``: offset, depth and height, shape (tags, 3)."""
        result = np.zeros((len(self.start) - 1, 10))
        residual, added = np.zeros(len(self.u)), np.zeros(len(self.u))
        middle, width = self.expected(law)
        fit_thermal(
            self.start, self.u, self.h, self.z, self.k, self.turned(law), self.weight(law), self.group,
            begin[:, 0].copy(), begin[:, 1].copy(), begin[:, 2].copy(), middle[:, 0].copy(), middle[:, 1].copy(),
            width[:, 0].copy(), width[:, 1].copy(), law.tau_rad, result, residual, added,
        )  # fmt: skip
        return ThermalFit(result, residual, added)

    @property
    def middle(self) -> Floats:
        """Depth and height where each tag is supposed to be before anything is learnt, shape (tags, 2)."""
        return np.stack([self.middle_depth, self.middle_height], axis=1)

    @property
    def width(self) -> Floats:
        """How far tags are supposed to spread about it, shape (tags, 2)."""
        return np.stack([self.depth_sigma, self.height_sigma], axis=1)

    def told(self, law: ThermalLaw, tags: Ints | None = None) -> tuple[Floats, Floats]:
        """Return middles and widths of the tags in deviations of what is supposed, two of shape (tags, 2)."""
        board = np.where(self.own, self.board, -1)
        return law.spread.of(board if tags is None else board[tags])

    def expected(self, law: ThermalLaw) -> tuple[Floats, Floats]:
        """Return depth and height where each tag is to be expected, and their spreads, two of shape (tags, 2)."""
        middle, width = self.told(law)
        return self.middle + self.width * middle, self.width * width

    def strangers(self) -> ThermalRows:
        """Return the same with no tag taken to be of its row."""
        return dataclasses.replace(self, own=np.zeros(len(self.own), np.bool_))

    def turned(self, law: ThermalLaw) -> Floats:
        """Return the phases with antennas' phases and cables taken out, rad, shape (n,)."""
        cable = (self.k - self.middle_k) * law.delay_m[self.antenna]
        return np.asarray(self.phase - law.phase_rad[self.antenna] - cable, np.float64)

    def weight(self, law: ThermalLaw) -> Floats:
        """Return one over the variance of each phase, rad^-2, shape (n,)."""
        return np.asarray(1.0 / (self.variance * law.noise[self.antenna] ** 2), np.float64)


@dataclass(frozen=True, slots=True)
class ThermalFit:
    """What ``thermal_kernels.fit_thermal`` returns.

    ``result`` has the shape (tags, 10), ``residual`` and ``added`` (rad) that of the observations, (n,).
    """

    result: Floats
    residual: Floats
    added: Floats

    @property
    def place(self) -> Floats:
        """Offset, depth and height, shape (tags, 3)."""
        return self.result[:, :3]

    @property
    def excess(self) -> Floats:
        """How many deviations each tag's squares are beyond what the law gives, (tags,); NaN: too few to tell."""
        square, free = self.result[:, 4], self.result[:, 5]
        some = np.maximum(free, 1.0)
        return np.where(free >= 1.0, (square / some - 1.0) * np.sqrt(some / 2.0), np.nan)


def boards_of(hypotheses: Hypotheses, places: Places, chosen: Ints) -> Ints:
    """Return numbers of the boards of chosen places, (k,); -1 where the face has none and tags are at any height."""
    level = hypotheses.level[places.hypothesis[chosen]]
    most = int(hypotheses.level.max(initial=0)) + 1
    return np.asarray(np.where(level > 0, places.face[chosen] * most + level, -1), np.int64)


def learn_law(rows: ThermalRows, begin: Floats, crowd: float, before: ThermalLaw | None = None) -> ThermalLaw:
    """Learn from some tags how the receiver errs, and whether the receiver is all that errs.

    Parameters
    ----------
    rows : ThermalRows
    begin : float64 array, shape (tags, 3)
    crowd : float
        Readings of an antenna within a correlation length, mean.
    before : ThermalLaw, optional
        What was learnt from other places.
    """
    law = ThermalLaw(np.ones(256), np.zeros(256), np.zeros(256), TAUS_RAD[0], 1.0, 0.0)
    if before is not None:
        law = dataclasses.replace(law, noise=before.noise, delay_m=before.delay_m, spread=before.spread)
    law, fits = _settled(rows, law, rows.fit(law, begin))
    law, rows = _spread(rows, law, fits)
    fits = rows.fit(law, fits.place)
    tries, gains = [(law, fits)], [0.0]
    apart = _antenna_phases(rows, law, fits)
    for tau in TAUS_RAD[1:]:
        trial = dataclasses.replace(law, tau_rad=tau, phase_rad=apart)
        other = rows.fit(trial, fits.place)
        for _ in range(2):
            trial = dataclasses.replace(trial, phase_rad=_shifted(rows, trial, other))
            other = rows.fit(trial, other.place)
        # No tag has more than its say, and those that are not of their row have none.
        say = np.clip(fits.result[:, 6] - other.result[:, 6], -MOST_SAY, MOST_SAY)
        gains.append(float(say[rows.own].sum()))
        tries.append((trial, other))
    # The fewest unknowns that do not explain clearly less.
    best = np.flatnonzero(np.array(gains) >= max(gains) - CLEARLY).max()
    law, fits = _settled(rows, *tries[best])
    law, rows = _spread(rows, law, fits)
    law, fits = _settled(rows, law, rows.fit(law, fits.place))
    alike, pairs = _alike(rows, law, fits)
    if pairs < FEWEST_PAIRS:
        return dataclasses.replace(law, alike=alike, share=0.0)
    ratio = crowd * max(alike, 0.0) / max(1.0 - alike, 1e-3)
    width = float(np.median(rows.weight(law) ** -0.5)) if len(rows.u) else np.inf
    share = expit((WIDEST_RAD - width) / WIDEST_SOFT_RAD) / (1.0 + (ratio / HALF_WAY) ** STEEPNESS)
    return dataclasses.replace(law, alike=alike, share=float(share))


def _settled(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> tuple[ThermalLaw, ThermalFit]:
    """Alternate the tags' places with the noise, the cables and the antennas' phases until the cables stay."""
    for _ in range(ROUNDS):
        delay = _delays(rows, law, fits)
        step = float(np.abs(delay - law.delay_m).max())
        law = dataclasses.replace(
            law, delay_m=delay, noise=_noise(rows, law, fits), phase_rad=_shifted(rows, law, fits)
        )
        fits = rows.fit(law, fits.place)
        if step < DELAY_DONE_M:
            break
    return law, fits


def _spread(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> tuple[ThermalLaw, ThermalRows]:
    """Learn how the tags' depths and heights spread, and which tags are of their row."""
    chosen = np.flatnonzero(_usual(fits) & (rows.board >= 0))
    unit = rows.width[chosen]
    across = fits.result[chosen][:, [7, 8, 8, 9]].reshape(-1, 2, 2) / (unit[:, :, None] * unit[:, None, :])
    place = (fits.place[chosen, 1:] - rows.middle[chosen]) / unit
    spread, chance = learn_spread(rows.board[chosen], place, across, *rows.told(law, chosen))
    own = np.ones(len(rows.own), np.bool_)
    own[chosen] = chance > 0.5
    return dataclasses.replace(law, spread=spread), dataclasses.replace(rows, own=own)


def _usual(fits: ThermalFit) -> npt.NDArray[np.bool_]:
    """Tell the tags whose residuals are not far wider than most others': those on a wrong peak teach nothing."""
    free = fits.result[:, 5]
    mean = fits.result[:, 4] / np.maximum(free, 1.0)
    some = free >= 1.0
    return np.asarray(some & (mean <= 3.0 * np.median(mean[some])) if some.any() else some, np.bool_)


def _noise(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> Floats:
    """Return each antenna's factor on the receiver's noise."""
    usual = _usual(fits)[rows.owner]
    square = rows.weight(law) * fits.residual**2
    count = np.diff(rows.start)
    left = (np.maximum(fits.result[:, 5], 0.0) / np.maximum(count, 1.0))[rows.owner]
    total = np.bincount(rows.antenna[usual], square[usual], 256)
    free = np.bincount(rows.antenna[usual], left[usual], 256)
    together = total.sum() / max(free.sum(), 1e-9)
    # An antenna that was hardly heard has the others' noise.
    ratio = (total + 20.0 * together) / (free + 20.0)
    return np.clip(law.noise * np.sqrt(ratio), 0.2, 100.0)


def _delays(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> Floats:
    """Return each antenna's cable, with what residuals still grow by from channel to channel taken in."""
    usual = _usual(fits)[rows.owner].astype(np.float64)
    weight = rows.weight(law) * usual
    key = rows.owner * (rows.group.max() + 1 if len(rows.group) else 1) + rows.group
    n = int(key.max()) + 1 if len(key) else 0
    total = np.maximum(np.bincount(key, weight, n), 1e-12)
    k = rows.k - (np.bincount(key, weight * rows.k, n) / total)[key]
    slope = np.bincount(rows.antenna, weight * k * fits.residual, 256)
    norm = np.bincount(rows.antenna, weight * k**2, 256)
    # Half a deviation of doubt keeps antennas of one channel where they are.
    step = slope / (norm + 1.0)
    return law.delay_m + np.clip(step, -DELAY_STEP_M, DELAY_STEP_M)


def _antenna_phases(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> Floats:
    """Return the antennas' phases against one another: phase synchronization over the tags that several hear."""
    tags = len(rows.start) - 1
    weight = rows.weight(law) * _usual(fits)[rows.owner]
    key = rows.owner * 256 + rows.antenna
    unit = np.bincount(key, weight * np.cos(fits.added), tags * 256) + 1j * np.bincount(
        key, weight * np.sin(fits.added), tags * 256
    )
    table = unit.reshape(tags, 256)
    table = table / np.sqrt(np.maximum(np.abs(table), 1e-12))
    turn = np.ones(256, np.complex128)
    for _ in range(20):
        own = (table * np.conj(turn)).sum(axis=1)
        own = own / np.maximum(np.abs(own), 1e-12)
        turn = (table * np.conj(own)[:, None]).sum(axis=0)
        turn = np.where(np.abs(turn) > 0, turn / np.maximum(np.abs(turn), 1e-12), 1.0)
    return np.angle(turn)


def _shifted(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> Floats:
    """Return the antennas' phases with what their residuals have in common taken in."""
    if law.tau_rad == TAUS_RAD[0]:
        return law.phase_rad
    weight = rows.weight(law) * _usual(fits)[rows.owner]
    total = np.bincount(rows.antenna, weight, 256)
    mean = np.bincount(rows.antenna, weight * (fits.residual + fits.added), 256) / np.maximum(total, 1e-12)
    return law.phase_rad + np.where(total > 0, mean, 0.0)


def _alike(rows: ThermalRows, law: ThermalLaw, fits: ThermalFit) -> tuple[float, int]:
    """Return the share of variance that near readings of an antenna have in common, and the pairs that told it."""
    usual = _usual(fits)
    normal = fits.residual * np.sqrt(rows.weight(law))
    count = np.diff(rows.start)
    # Fitting takes as much from the product of two near residuals as from their squares.
    taken = (1.0 - fits.result[:, 5] / np.maximum(count, 1.0))[rows.owner]
    product, square, pairs = 0.0, 0.0, 0
    for ahead in (1, 2, 3):
        a, b = slice(None, -ahead), slice(ahead, None)
        near = (rows.owner[a] == rows.owner[b]) & (rows.group[a] == rows.group[b])
        near &= (np.abs(rows.u[a] - rows.u[b]) < ALIKE_M) & usual[rows.owner[a]]
        product += float((normal[a] * normal[b] + taken[a])[near].sum())
        square += float((0.5 * (normal[a] ** 2 + normal[b] ** 2) + taken[a])[near].sum())
        pairs += int(near.sum())
    return product / max(square, 1e-9), pairs
