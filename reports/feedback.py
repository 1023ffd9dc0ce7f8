"""What staff find teaches how sure to be: chances said again, and from which chance on a line is worth mailing.

Each kind has a logistic correction of its own, ``logit q = c + a + b (logit p - c)``, fitted to the outcomes with a
strong prior that ``a`` is 0 and ``b`` is 1 (maximum a posteriori; J. Platt's scaling with a Gaussian prior, Advances
in Large Margin Classifiers, 1999); ``c`` is the log odds of .95, about what is mailed. Ten outcomes move it little,
hundreds move it to where they are. From the corrected chances follows the least stated chance at which the lines
mailed are still right as often as wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from reports.outcomes import Outcome
from reports.policy import Policy

Floats = npt.NDArray[np.float64]

CENTRE = 3.0
_SHIFT_SD, _SLOPE_SD = 0.2, 0.2
_LEAST = 1e-4
_SLACK = 0.01  # a threshold that moved by less would only make lines come and go
_GRID = np.arange(0.5, 0.9951, 0.005)
_FEW = 20  # verdicts that say nothing of a kind's precision yet
_MOVES = ("wrong_shelf", "wrong_order")


@dataclass(frozen=True, slots=True)
class Correction:
    """How the stated chances of one kind are to be read.

    Attributes
    ----------
    shift, slope : float
        ``logit q = CENTRE + shift + slope * (logit p - CENTRE)``.
    looked, true : int
        Lines that somebody looked at, and those of them that were true.
    """

    shift: float = 0.0
    slope: float = 1.0
    looked: int = 0
    true: int = 0

    def __call__(self, p: Floats | float) -> Floats:
        """Return the corrected chances."""
        q = np.clip(np.asarray(p, np.float64), _LEAST, 1.0 - _LEAST)
        return expit(CENTRE + self.shift + self.slope * (logit(q) - CENTRE))


@dataclass(frozen=True)
class Feedback:
    """What a site's outcomes have taught, by kind."""

    kinds: Mapping[str, Correction] = field(default_factory=dict[str, Correction])
    stated: Mapping[str, Floats] = field(default_factory=dict[str, Floats])

    def calibrated(self, kind: str, p: float) -> float:
        """Return the chance that a line of a kind is true that was said to be so with chance `p`."""
        return float(self.kinds.get(kind, Correction())(p))

    def mail_from(self, target: float = 0.95, base: Policy | None = None) -> dict[str, float]:
        """Return by kind the least stated chance from which on a line is worth mailing.

        A line is worth it where its *corrected* chance reaches what the policy asks of the stated one: a kind whose
        lines were as often true as they said keeps the policy's own threshold, however low that is; one verdict
        moves it by next to nothing. Where twenty and more lines that staff looked at were credibly (Wilson's interval
        of 90 %) less often true than `target` and than they said, the threshold rises until those above it are right
        as often as `target` on the average; where not even the surest are, only those of .995 are mailed: staff
        still see some, and the figure can recover. Kinds without outcomes have no threshold.
        """
        chosen = base or Policy()
        made: dict[str, float] = {}
        for kind, correction in self.kinds.items():
            least = chosen.accuse_from if kind in _MOVES else chosen.missing_from
            stated = np.asarray(self.stated.get(kind, np.zeros(0)), np.float64)
            _, most = wilson(correction.true, correction.looked)
            # As often true as they said, or as often as wanted: then each line's own chance tells.
            said = min(target, float(stated.mean())) if len(stated) else target
            bad = correction.looked >= _FEW and most < said
            made[kind] = float(_GRID[-1])
            for threshold in _GRID[least - 1e-9 <= _GRID].tolist():
                above = stated >= threshold
                # Without a line above it, the threshold itself is what the next line may be.
                corrected = correction(stated[above]) if above.any() else correction(threshold)
                enough = (
                    float(np.mean(corrected)) >= target
                    if bad
                    else float(correction(threshold)) >= least - _SLACK
                )
                if enough:
                    made[kind] = round(threshold, 3)
                    break
        return made

    def policy(self, base: Policy | None = None, target: float = 0.95) -> Policy:
        """Return the thresholds of the exceptions, moved by what staff found (`mail_from`).

        The kinds of moves share one threshold: the lower of theirs is taken here, and `mail_from` holds the other
        back (`reports.worklist.make_worklist`). Kinds that nobody has looked at leave the policy as it is, and a
        list is never made longer than the policy's own.
        """
        chosen = base or Policy()
        least = self.mail_from(target, chosen)
        moves = [least[kind] for kind in _MOVES if kind in least]
        accuse = max(chosen.accuse_from, min(moves)) if moves else chosen.accuse_from
        missing = max(chosen.missing_from, least.get("missing", 0.0))
        return replace(chosen, accuse_from=min(accuse, 0.99), missing_from=min(missing, 0.99))


def learn(outcomes: Iterable[Outcome]) -> Feedback:
    """Return what the outcomes teach."""
    by_kind: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_kind.setdefault(outcome.kind, []).append(outcome)
    stated = {kind: np.array([o.confidence for o in some]) for kind, some in by_kind.items()}
    made = {kind: _fit(stated[kind], np.array([o.true for o in some])) for kind, some in by_kind.items()}
    return Feedback(made, stated)


def _fit(p: Floats, true: npt.NDArray[np.bool_]) -> Correction:
    """Fit one kind's correction by Newton's method; the posterior is concave, halved steps never overshoot."""
    q = np.clip(p, _LEAST, 1.0 - _LEAST)
    x = np.stack([np.ones(len(q)), logit(q) - CENTRE], axis=1)
    prior, weight = np.array([0.0, 1.0]), np.array([_SHIFT_SD**-2, _SLOPE_SD**-2])

    def loss(w: Floats) -> float:
        z = CENTRE + x @ w
        return float(np.sum(np.logaddexp(0.0, z) - true * z) + 0.5 * np.sum(weight * (w - prior) ** 2))

    w: Floats = prior.copy()
    for _ in range(50):
        r = expit(CENTRE + x @ w)
        slope = x.T @ (r - true) + weight * (w - prior)
        step = np.asarray(np.linalg.solve((x.T * (r * (1.0 - r))) @ x + np.diag(weight), slope), np.float64)
        size = 1.0
        while loss(w - size * step) > loss(w) and size > 1e-6:
            size /= 2.0
        w = np.asarray(w - size * step, np.float64)
        if float(np.abs(step).max()) < 1e-9:
            break
    # A correction that turned the order of lines round would be noise.
    return Correction(float(w[0]), max(float(w[1]), 0.05), len(p), int(true.sum()))


def brier(stated: Sequence[float] | Floats, true: Sequence[bool] | npt.NDArray[np.bool_]) -> float:
    """Return the mean squared difference of stated chances and what was so; NaN without any.

    0 is perfect, 0.25 is always saying one half (G. Brier, Monthly Weather Review 78, 1950).
    """
    p, t = np.asarray(stated, np.float64), np.asarray(true, np.float64)
    return float(np.mean((p - t) ** 2)) if len(p) else float("nan")


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a reliability table.

    Attributes
    ----------
    low, high : float
        Stated chances from and to.
    n : int
        Lines in it.
    stated, true : float
        Their mean stated chance, and the share that was true.
    true_low, true_high : float
        Interval of 90 % for that share (Wilson's score).
    """

    low: float
    high: float
    n: int
    stated: float
    true: float
    true_low: float
    true_high: float


def reliability(
    stated: Sequence[float] | Floats,
    true: Sequence[bool] | npt.NDArray[np.bool_],
    edges: Sequence[float] = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
) -> list[Bin]:
    """Return how often what was said with each chance was so; bins without a line are left out."""
    p, t = np.asarray(stated, np.float64), np.asarray(true, bool)
    made: list[Bin] = []
    at = np.clip(np.searchsorted(np.asarray(edges), p, side="right") - 1, 0, len(edges) - 2)
    for i in range(len(edges) - 1):
        inside = at == i
        n = int(inside.sum())
        if n:
            share = float(t[inside].mean())
            low, high = wilson(int(t[inside].sum()), n)
            made.append(Bin(edges[i], edges[i + 1], n, float(p[inside].mean()), share, low, high))
    return made


def wilson(true: int, n: int, z: float = 1.645) -> tuple[float, float]:
    """Return the interval of a share (E. Wilson, Journal of the American Statistical Association 22, 1927)."""
    if n == 0:
        return 0.0, 1.0
    share = true / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
