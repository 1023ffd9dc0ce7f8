"""Silence that coverage does not explain: books gone, or a scan deaf to a share of the tags it should have heard.

How many books are silent tells the two apart: libraries miss a few per cent, while a run with a loose cable or
jammed channels may lose any share.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, logit

from reports.books import Catalogue
from reports.findings import Finding
from reports.memory import AWAY, GONE, HERE
from reports.missing import Silent
from reports.places import Places
from reports.policy import Policy
from reports.silence import after_silence, first_night
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
    return expit(logit(_DEAF) + deaf - gone)


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
    home, covered = c.home[silent.copy], silent.looked
    every = np.bincount(c.home[expected], minlength=count)
    # What former nights already knew to be gone or dead is no news tonight.
    news = _news(silent, policy)
    gone = np.bincount(home[covered], minlength=count)
    known = np.bincount(home, weights=1.0 - news, minlength=count)
    due = (every - np.bincount(home[~covered], minlength=count)).astype(np.float64) - known
    new_gone = np.bincount(home[covered], weights=news[covered], minlength=count)
    not_there = np.where(covered, silent.states[:, AWAY] + silent.states[:, GONE], 0.0)
    unexplained = np.bincount(home, weights=not_there * news, minlength=count).astype(np.float64)
    due = np.maximum(due, 0.0)
    run_due, run_silent = np.array([float(due.sum())]), np.array([float(unexplained.sum())])
    run_deaf = chance_deaf(run_silent, run_due, policy.missing_share)
    shelf_deaf = chance_deaf(unexplained, due, policy.missing_share, spread=_SHELVES_DIFFER)
    states = silent.states
    for deaf, quiet, of in (
        (run_deaf, run_silent, run_due),
        (shelf_deaf[home], unexplained[home], due[home]),
    ):
        there = _if_deaf(silent, quiet, of, policy)
        states = (1.0 - deaf)[:, None] * states + deaf[:, None] * there
    doubted = (every - known >= _FEW_BOOKS) & ((2 * new_gone > every - known) | (shelf_deaf >= 0.5))
    doubted |= (run_deaf[0] >= 0.5) & (gone > 0)
    looked = covered & ~doubted[home]
    missing = np.where(looked, np.minimum(states[:, GONE], 0.995), 0.0)
    findings: list[Finding] = []
    for zone in blocks(places, doubted):
        at = list(zone.places)
        name = zone_name([places.rows[i] for i in at], zone)
        sentence = T.silent_shelf(name, int(gone[at].sum()), int(every[at].sum()))
        findings.append(
            Finding("zone_not_scanned", "", shelf_id=places.rows[at[0]].id, offset_m=zone.from_m, confidence=0.9,
                    evidence=sentence, extent_m=zone.to_m - zone.from_m)
        )  # fmt: skip
    return replace(silent, states=states, missing=missing, looked=looked), findings


def _news(silent: Silent, policy: Policy) -> Floats:
    """Return how much of each silence is new tonight: 1 for a copy as likely there as any copy of a first night."""
    usual = float(first_night(policy, policy.missing_share)[HERE])
    return np.clip(silent.prior[:, HERE] / usual, 0.0, 1.0)


def _if_deaf(silent: Silent, quiet: Floats, due: Floats, policy: Policy) -> Floats:
    """Return the four chances in a deaf scan, where all but the usual share of the silent ones are there."""
    usual = policy.missing_share
    share = np.maximum(quiet / np.maximum(due, 1.0) - usual, 0.0)
    start = first_night(policy, usual)
    # A run's own share of missing books is no prior where the run is deaf.
    prior = np.where(
        (silent.prior[:, HERE] < start[HERE])[:, None] & silent.fresh[:, None], start, silent.prior
    )
    return after_silence(prior, np.maximum(silent.unheard, share))
