"""How fast books of this library come and go, as its own nights tell: the rates of the hidden states.

How many books lie on reading tables overnight, how soon they are back and how many vanish for good differs widely
between libraries, and decides whether the third silent night of a book means that it is gone. Absences that have ended
say how long they last (each day away is a trial of coming back, a geometric law), how often they begin, and the copies
by now believed gone how often books vanish; all beside the policy's own rates, which count as a few absences.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reports.memory import Memory
from reports.policy import Policy

_PRIOR_RETURNS = 6.0  # how many days away the policy's rate of coming back is worth
_PRIOR_DAYS = 5000.0  # how many days of one book on its shelf its shares of used and lost books are worth
_LEAST_BACK, _MOST_BACK = 0.05, 0.95
_MOST_USED, _MOST_LOST = 0.05, 0.01


def fit_turnover(memory: Memory, policy: Policy) -> Policy:
    """Return the policy with the library's own rates of use in the house, coming back, and loss.

    Parameters
    ----------
    memory : Memory
    policy : Policy
        Its `used_share`, `back_per_day` and `lost_per_day` are the prior.
    """
    known = memory.heard > 0.0
    if not known.any():
        return policy
    days = float(memory.watched[known].sum(dtype=np.float64))
    silent = memory.silent[known].astype(np.float64)
    away = memory.p_away[known].astype(np.float64)
    ended = float(memory.returns[known].sum(dtype=np.float64))
    # Those still away have not come back on so many days; the last of their nights has had no day after it yet.
    nights = float((memory.heard[known] + silent - 1.0).sum())
    still = float((away * np.maximum(silent - 1.0, 0.0)).sum()) * days / max(nights, 1.0)
    spent = float(memory.away[known].sum(dtype=np.float64)) + still
    back = (ended + _PRIOR_RETURNS * policy.back_per_day) / (max(spent, ended) + _PRIOR_RETURNS)
    back = float(np.clip(back, _LEAST_BACK, _MOST_BACK))
    begun = ended + float(away.sum())
    per_day = -np.log1p(-policy.back_per_day) * policy.used_share
    used = (begun + _PRIOR_DAYS * per_day) / (days + _PRIOR_DAYS) / -np.log1p(-back)
    gone = float(memory.p_gone[known].sum(dtype=np.float64))
    lost = (gone + _PRIOR_DAYS * policy.lost_per_day) / (days + _PRIOR_DAYS)
    return replace(
        policy,
        back_per_day=back,
        used_share=float(np.clip(used, 1e-5, _MOST_USED)),
        lost_per_day=float(np.clip(lost, 1e-6, _MOST_LOST)),
    )
