"""Tags that grow weak: heard far less often than their neighbours, or silent on nights on which they were there.

A dead tag can only be searched for; a weak one can still be found by the robot, and retagged in passing. What nights
have taught of each tag (`reports.memory`) is set against three laws: that of the usual tag, that of a *faint* one,
heard with far fewer readings than its neighbours, and that of a *fitful* one, silent every few nights. How strong
usual tags are, the library's own tell (robustly, by quantiles; P. J. Huber, Robust Statistics, 1981), and how many
are weak, expectation maximization does (A. P. Dempster, N. M. Laird, D. B. Rubin, J. R. Stat. Soc. B 39, 1977).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, logit

from reports import evidence_text as say_why
from reports.book_findings import book_finding, standing
from reports.books import Catalogue
from reports.copy_rows import rows_of
from reports.exceptions import Judged
from reports.findings import Finding
from reports.memory import Memory
from reports.odd import is_odd
from reports.places import Places
from reports.policy import Policy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NIGHTS = 3.0  # before that many nights nothing is said
_SPREAD, _SPREAD_BOOKS = 0.45, 50.0  # of usual tags' strength, and how many books that prior is worth
_OUTLIERS, _WIDER = 0.01, 1.7  # a few usual tags stand badly: beside an upright, deep in the row
_FAINT = (-4.0, -0.7)  # a faint tag's strength beside the usual one's: any from a half on downwards
_FITFUL = (-5.0, 1.0)
# Beta laws of a tag's chance to be silent on a night it is there; the usual one's mean is that of `reports.silence`.
_USUAL_SILENT, _FAINT_SILENT, _FITFUL_SILENT = (0.1, 30.0), (0.2, 3.0), (2.0, 4.0)
_PRIOR_BOOKS = 100.0  # how many books the policy's share of faint tags is worth
_MOST = 0.99
_ODD = ("lying", "pushed_back", "double", "moving")  # weak for another reason than the tag


@dataclass(frozen=True)
class Weakness:
    """How weak each tag is; one row a row of the memory.

    Attributes
    ----------
    chance : float64 array, shape (n,)
        Chance that the tag is weak; 0 where too few nights have said something.
    ratio : float64 array, shape (n,)
        Its readings over those a usual tag gives between its neighbours; NaN: never heard.
    nights, heard : float64 array, shape (n,)
        Nights on which it was there, as far as can be told, and on which of them it was heard.
    share : float
        Share of weak tags, as this library's own tell.
    """

    chance: Floats
    ratio: Floats
    nights: Floats
    heard: Floats
    share: float


def weigh(memory: Memory, policy: Policy) -> Weakness:
    """Weigh for every tag that it is weak against that it is as usual."""
    heard, missed = memory.heard.astype(np.float64), memory.missed.astype(np.float64)
    strength = memory.strength.astype(np.float64)
    told = (heard >= 1.0) & (heard + missed >= _NIGHTS - 0.5)
    usual_at, spread = _usual(strength[told & np.isfinite(strength)])
    chance = np.zeros(len(memory))
    odds = _odds(strength[told] - usual_at, spread, heard[told], missed[told])
    share, chance[told] = _posterior(odds, policy.faint_share)
    ratio = np.exp(np.clip(strength - usual_at, -10.0, 10.0))
    return Weakness(chance, ratio, heard + missed, heard, share)


def weak_findings(
    memory: Memory, judged: Judged, c: Catalogue, places: Places, policy: Policy
) -> Iterator[Finding]:
    """List the weak tags that were heard tonight; `memory` is that after the night."""
    if not len(memory):
        return
    w, s = weigh(memory, policy), judged.shelved
    row_in = _weak_rows(memory, np.minimum(w.chance, _MOST) >= policy.weak_from, c)
    rows = np.flatnonzero((s.copy >= 0) & (s.place >= 0) & ~judged.elsewhere)
    rows = rows[judged.behind[rows] < policy.doubt_from]
    for kind in _ODD:
        rows = rows[~is_odd(s, kind, policy.doubt_from)[rows]]
    at = row_in[s.copy[rows]]
    rows, at = rows[at >= 0], at[at >= 0]
    chances = np.minimum(w.chance[at], _MOST)
    weak = np.flatnonzero(chances >= policy.weak_from)
    for row, i, chance in zip(rows[weak].tolist(), at[weak].tolist(), chances[weak].tolist(), strict=True):
        heard, nights = round(float(w.heard[i])), round(float(w.nights[i]))
        evidence = say_why.weak_tag(heard, nights, float(w.ratio[i]), chance)
        yield book_finding(
            c,
            int(s.copy[row]),
            "weak_tag",
            confidence=chance,
            evidence=evidence,
            **standing(s, row, places),
        )


def _weak_rows(memory: Memory, weak: Bools, c: Catalogue) -> Ints:
    """Return the row of each copy whose barcode is one of the weak tags' in memory, shape (copies,); -1: it is none."""
    named = set(memory.barcode[weak].tolist())
    # Few are: no index of a million is made beside the memories of two nights.
    rows = np.flatnonzero(np.fromiter((b in named for b in memory.barcode), bool, len(memory)))
    at = rows_of((memory.barcode[rows], memory.epc[rows]), (c.barcode, c.epc))
    return np.where(at >= 0, rows[at], -1) if len(rows) else at


def _usual(strength: Floats) -> tuple[float, float]:
    """Return where usual tags' strength lies and how far it spreads below; weak ones hardly move a quantile."""
    n = len(strength)
    if not n:
        return 0.0, _SPREAD
    low, middle = np.quantile(strength, [0.1, 0.5])
    own = (middle - low) / 1.2816  # the normal law's tenth
    spread = np.sqrt((n * own**2 + _SPREAD_BOOKS * _SPREAD**2) / (n + _SPREAD_BOOKS))
    return float(middle * n / (n + _SPREAD_BOOKS)), float(spread)


def _odds(strength: Floats, spread: float, heard: Floats, missed: Floats) -> Floats:
    """Return the likelihood of each tag's nights if it is weak over that if it is usual, as a logarithm."""
    known = np.isfinite(strength)
    at = np.where(known, strength, 0.0)
    usual = np.logaddexp(
        np.log1p(-_OUTLIERS) + _normal(at, spread), np.log(_OUTLIERS) + _normal(at, _WIDER * spread)
    )
    faint = _even(at, _FAINT)
    # What is silent now and then may be as loud as any when it answers.
    fitful = np.logaddexp(usual, _even(at, _FITFUL)) - np.log(2.0)
    usual, faint, fitful = (np.where(known, law, 0.0) for law in (usual, faint, fitful))
    usual = usual + _silences(heard, missed, _USUAL_SILENT)
    faint = faint + _silences(heard, missed, _FAINT_SILENT)
    fitful = fitful + _silences(heard, missed, _FITFUL_SILENT)
    return np.logaddexp(faint, fitful) - np.log(2.0) - usual


def _normal(x: Floats, spread: float) -> Floats:
    return -0.5 * (x / spread) ** 2 - np.log(spread * np.sqrt(2.0 * np.pi))


def _even(x: Floats, between: tuple[float, float]) -> Floats:
    low, high = between
    return np.where((x >= low) & (x <= high), -np.log(high - low), -30.0)


def _silences(heard: Floats, missed: Floats, law: tuple[float, float]) -> Floats:
    """Return the log-likelihood of nights heard and missed where the chance to be silent has a beta law."""
    a, b = law
    made: Floats = betaln(a + missed, b + heard) - betaln(a, b)
    return made


def _posterior(odds: Floats, share: float) -> tuple[float, Floats]:
    """Return the share of weak tags, beginning with the policy's, and each tag's chance."""
    usual = share
    chance = np.zeros(len(odds))
    for _ in range(20):
        chance = expit(logit(share) + odds)
        share = float((chance.sum() + _PRIOR_BOOKS * usual) / (len(odds) + _PRIOR_BOOKS))
    return share, chance
