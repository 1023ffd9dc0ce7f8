"""Silence that coverage does not explain: books gone, or a scan deaf to a share of the tags it should have heard.

How many books are silent tells the two apart: libraries miss a few per cent, while a run with a loose cable or
jammed channels may lose any share.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit

from reports.books import Catalogue
from reports.findings import Finding
from reports.missing import Silent
from reports.places import Places
from reports.policy import Policy
from reports.text import T
from reports.zones import blocks, zone_name

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DEAF = 0.02  # share of runs, and of shelves in a run, that are deaf in a way coverage does not notice
_SHELVES_DIFFER = 2.0  # much-read shelves lose more, and books are borrowed in blocks
_FEW_BOOKS = 5  # a shelf with fewer expected books is too small to be in doubt as a whole


def chance_deaf(silent: Floats, due: Floats, missing_share: float, *, spread: float = 1.0) -> Floats:
    """Return the chance that silence is the scan's, from how many of the books due were silent.

    The odds of two beta-binomial laws of the number silent: a missing share of Beta(1/s, (1/m - 1)/s), whose mean is
    the usual share m, against any share at all (A. Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, section 2.4).

    Parameters
    ----------
    silent, due : float64 arrays, shape (n,)
        Silent books that coverage does not explain, and all books due; counts, not necessarily whole.
    missing_share : float
        Share of the expected books that is usually missing.
    spread : float
        How much shares differ: 1 from run to run.
    """
    some, others = 1.0 / spread, (1.0 / missing_share - 1.0) / spread
    heard = np.maximum(due - silent, 0.0)
    gone = betaln(silent + some, heard + others) - betaln(some, others)
    deaf = betaln(silent + 1.0, heard + 1.0)
    return expit(np.log(_DEAF / (1.0 - _DEAF)) + deaf - gone)


def doubt_silence(
    silent: Silent, expected: Ints, c: Catalogue, places: Places, policy: Policy
) -> tuple[Silent, list[Finding]]:
    """Weigh each missing book against a deaf run and a deaf shelf; where those are likelier, say so instead.

    In a deaf run the usual few are still missing among the silent ones. A shelf more than half of whose books are
    silent is in doubt in any case: that is no theft but a scan gone wrong.

    Returns
    -------
    silent : Silent
        With `missing` lowered; 0 on the shelves in doubt.
    findings : list of Finding
        The shelves in doubt, as zones to scan again.
    """
    if not len(silent.copy):
        return silent, []
    count = len(places)
    home, covered = c.home[silent.copy], silent.p_heard >= policy.scanned_from
    every = np.bincount(c.home[expected], minlength=count)
    gone = np.bincount(home[covered], minlength=count)
    due = every - np.bincount(home[~covered], minlength=count)
    unexplained = np.bincount(home, weights=silent.missing, minlength=count).astype(np.float64)
    run_due, run_silent = np.array([float(due.sum())]), np.array([float(unexplained.sum())])
    run_deaf = chance_deaf(run_silent, run_due, policy.missing_share)
    shelf_deaf = chance_deaf(
        unexplained, due.astype(np.float64), policy.missing_share, spread=_SHELVES_DIFFER
    )
    missing = _lowered(silent.missing, run_deaf, run_silent, run_due, policy)
    missing = _lowered(missing, shelf_deaf[home], unexplained[home], due[home].astype(np.float64), policy)
    doubted = (every >= _FEW_BOOKS) & ((2 * gone > every) | (shelf_deaf >= 0.5))
    doubted |= (run_deaf[0] >= 0.5) & (gone > 0)
    findings: list[Finding] = []
    for zone in blocks(places, doubted):
        at = list(zone.places)
        name = zone_name([places.rows[i] for i in at], zone)
        sentence = T.silent_shelf(name, int(gone[at].sum()), int(every[at].sum()))
        findings.append(
            Finding("zone_not_scanned", "", shelf_id=places.rows[at[0]].id, offset_m=zone.from_m, confidence=0.9,
                    evidence=sentence, extent_m=zone.to_m - zone.from_m)
        )  # fmt: skip
    return replace(silent, missing=np.where(doubted[home], 0.0, missing)), findings


def _lowered(missing: Floats, deaf: Floats, silent: Floats, due: Floats, policy: Policy) -> Floats:
    """Mix the chance to be missing with that in a deaf scan, where all but the usual share are there."""
    usual = policy.missing_share
    unheard = np.maximum(silent / np.maximum(due, 1.0) - usual, 0.0)
    there = np.minimum(missing, usual / (usual + (1.0 - usual) * unheard))
    return (1.0 - deaf) * missing + deaf * there
