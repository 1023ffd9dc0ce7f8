"""Compiled loop over one tag's phases: where it stands when depth, height and the way it lies are left open."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

from localization.kernels import STUDENT_NU

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Gauss-Newton steps, and the longest one of offset, depth, height (m) and turn.
STEPS = 10
LONGEST = (0.03, 0.03, 0.04, 0.5)
#: A group's scale is drawn to that of all by so much weight; scales are kept between these.
SCALE_PRIOR, SCALE_LEAST, SCALE_MOST = 4.0, 0.05, 1.5


@nb.njit(cache=True, nogil=True, error_model="numpy")
def free_fit(
    start: Ints, u: Floats, h: Floats, z: Floats, k: Floats, phase: Floats, weight: Floats, group: Ints,
    turns: Floats, begin: Floats, centre: Floats, sigma: Floats, out: Floats, covariance: Floats,
) -> None:  # fmt: skip
    """Fit offset, depth, height and turn of every tag; one phase offset a group is profiled out at each step.

    ``phase = k d(offset, depth, height) + turn * turns * twist + const``: what ``kernels.refine`` fits, with wide
    priors and the phase by which a circular antenna sees a dipole along the shelf turned against an upright one
    (``twist`` of the direction, two way; an antenna taken as a Huygens source, C. A. Balanis, *Antenna Theory*, 4th
    ed., section 12.5). Iteratively reweighted Gauss-Newton for a Student-t residual.

    Parameters
    ----------
    start : int64 array, shape (tags + 1,)
    u, h, z, k, phase, weight, group : shape (observations,)
        As in ``kernels.refine``.
    turns : shape (observations,)
        Twists a unit of turn counts for: 1, or 2 where the phase was taken twice.
    begin, centre : shape (tags, 4)
        Where to begin, and what the priors are about.
    sigma : shape (4,)
        Of the Gaussian priors; infinite: none.
    out : shape (tags, 7)
        Out: offset, depth, height, turn, cost, scale (rad), sum of weights.
    covariance : shape (tags, 4, 4)
        Out: of the four, the priors taken out.
    """
    most_groups = 1
    for i in range(len(group)):
        most_groups = max(most_groups, group[i] + 1)
    longest = 1
    for c in range(len(start) - 1):
        longest = max(longest, start[c + 1] - start[c])
    jac = np.zeros((longest, 4))
    res = np.zeros(longest)
    rob = np.ones(longest)
    gre, gim, gw = np.zeros(most_groups), np.zeros(most_groups), np.zeros(most_groups)
    gtotal, gnum, gscale = np.zeros(most_groups), np.zeros(most_groups), np.zeros(most_groups)
    gj = np.zeros((most_groups, 4))
    m = np.zeros((4, 4))
    v = np.zeros(4)
    j = np.zeros(4)
    prior = 1.0 / (sigma * sigma)
    for c in range(len(start) - 1):
        a = start[c]
        n = start[c + 1] - a
        p = begin[c].copy()
        total, scale, cost = 0.0, 0.6, 0.0
        gtotal[:] = 0.0
        gscale[:] = scale
        for i in range(n):
            rob[i] = 1.0
            total += weight[a + i]
            gtotal[group[a + i]] += weight[a + i]
        for step in range(STEPS + 1):
            gre[:] = 0.0
            gim[:] = 0.0
            gw[:] = 0.0
            gj[:] = 0.0
            for i in range(n):
                o = a + i
                du, dh, dz = p[0] - u[o], h[o] + p[1], p[2] - z[o]
                d = math.sqrt(du * du + dh * dh + dz * dz) + 1e-9
                along, out_of, up = du / d, dh / d, dz / d
                both = along * up
                twist = (
                    2.0
                    * turns[o]
                    * (
                        math.atan2(both, 1.0 + out_of - up * up)
                        + math.atan2(both, 1.0 + out_of - along * along)
                    )
                )
                res[i] = phase[o] - k[o] * d - p[3] * twist
                jac[i, 0], jac[i, 1], jac[i, 2], jac[i, 3] = k[o] * along, k[o] * out_of, k[o] * up, twist
                g = group[o]
                w = weight[o] * rob[i]
                gre[g] += w * math.cos(res[i])
                gim[g] += w * math.sin(res[i])
            gnum[:] = 0.0
            for i in range(n):
                g = group[a + i]
                r = res[i] - math.atan2(gim[g], gre[g])
                r -= 2.0 * math.pi * math.floor(r / (2.0 * math.pi) + 0.5)
                res[i] = r
                q = r * r / (gscale[g] * gscale[g])
                gnum[g] += weight[a + i] * (STUDENT_NU + 1.0) / (STUDENT_NU + q) * r * r
            num = 0.0
            for g in range(most_groups):
                num += gnum[g]
            scale = min(max(math.sqrt(num / max(total, 1e-9)), SCALE_LEAST), SCALE_MOST)
            cost = 0.0
            for g in range(most_groups):
                square = (gnum[g] + SCALE_PRIOR * scale * scale) / (gtotal[g] + SCALE_PRIOR)
                gscale[g] = min(max(math.sqrt(square), SCALE_LEAST), SCALE_MOST)
                cost += gtotal[g] * math.log(gscale[g])
            for i in range(n):
                g = group[a + i]
                q = res[i] * res[i] / (gscale[g] * gscale[g])
                cost += weight[a + i] * 0.5 * (STUDENT_NU + 1.0) * math.log(1.0 + q / STUDENT_NU)
                rob[i] = (STUDENT_NU + 1.0) / (STUDENT_NU + q) / (gscale[g] * gscale[g])
                w = weight[a + i] * rob[i]
                gw[g] += w
                for b in range(4):
                    gj[g, b] += w * jac[i, b]
            for g in range(most_groups):
                if gw[g] > 0.0:
                    for b in range(4):
                        gj[g, b] /= gw[g]
            m[:] = 0.0
            v[:] = 0.0
            for i in range(n):
                g = group[a + i]
                w = weight[a + i] * rob[i]
                for b in range(4):
                    j[b] = jac[i, b] - gj[g, b]
                for b in range(4):
                    v[b] += w * j[b] * res[i]
                    for e in range(b, 4):
                        m[b, e] += w * j[b] * j[e]
            for b in range(4):
                m[b, b] += 1e-6
                for e in range(b):
                    m[b, e] = m[e, b]
            if step == STEPS:
                for b in range(4):
                    cost += 0.5 * prior[b] * (p[b] - centre[c, b]) ** 2
                break
            whole = m.copy()
            for b in range(4):
                whole[b, b] += prior[b]
                v[b] -= prior[b] * (p[b] - centre[c, b])
            move = np.linalg.solve(whole, v)
            for b in range(4):
                p[b] += min(max(move[b], -LONGEST[b]), LONGEST[b])
        for b in range(4):
            out[c, b] = p[b]
        out[c, 4] = cost
        out[c, 5] = scale
        out[c, 6] = total
        covariance[c] = np.linalg.inv(m)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def scan_piles(
    start: Ints, x: Floats, sigma: Floats, evidence: Floats, member: Floats, share: float, width_m: float,
    away_m: float, step_m: float, log_prior: float, odds: Floats, total: Floats,
) -> None:  # fmt: skip
    """Look for a pile of lying books everywhere along every shelf.

    A pile at ``X`` of kind ``t`` takes each tag within ``width_m / 2`` with probability ``member[t]``; a member's tag
    lies at ``X`` give or take ``sigma`` rather than anywhere in that width, and is ``exp(evidence)`` times likelier to
    lie than to stand. Piles are nearer to one another than ``away_m`` at no shelf.

    Parameters
    ----------
    start : int64 array, shape (shelves + 1,)
        Tags of each shelf, sorted by place.
    x, sigma : shape (tags,)
    evidence : shape (kinds, tags)
    member : shape (kinds,)
    share : float
        Power to which the places' likelihood ratio is believed, 0 to 1.
    step_m : float
        Step of ``X``.
    log_prior : float
        Of a pile of one kind in one step.
    odds : shape (tags,)
        Out: odds that the tag lies in a pile.
    total : shape (shelves,)
        Out: log of how much likelier the shelf's tags are where there may be a pile.
    """
    kinds = len(member)
    half = 0.5 * width_m
    for s in range(len(start) - 1):
        a, b = start[s], start[s + 1]
        total[s] = 0.0
        for i in range(a, b):
            odds[i] = 0.0
        if b - a < 2:
            continue
        cells = int((x[b - 1] - x[a]) / step_m) + 1
        cell_odds = np.zeros(cells)
        every = 0.0
        for pass_ in range(2):
            low = a
            for c in range(cells):
                at = float(x[a] + c * step_m)
                while low < b and x[low] < at - half:
                    low += 1
                for t in range(kinds):
                    log_ratio, count = log_prior, 0
                    i = low
                    while i < b and x[i] <= at + half:
                        log_ratio += math.log(_ratio(i, t, at, x, sigma, evidence, member, share, width_m))
                        count += 1
                        i += 1
                    if count < 2:
                        continue
                    here = math.exp(min(log_ratio, 300.0))
                    if pass_ == 0:
                        cell_odds[c] += here
                        every += here
                        continue
                    # Of piles so near that there can be only one, each has its share.
                    reach = int(away_m / step_m)
                    rivals = 1.0
                    for e in range(max(c - reach, 0), min(c + reach + 1, cells)):
                        rivals += cell_odds[e]
                    i = low
                    while i < b and x[i] <= at + half:
                        ratio = _ratio(i, t, at, x, sigma, evidence, member, share, width_m)
                        odds[i] += here / rivals * (1.0 - (1.0 - member[t]) / ratio)
                        i += 1
        total[s] = math.log1p(every)
        for i in range(a, b):
            p = min(odds[i], 1.0 - 1e-9)
            odds[i] = p / (1.0 - p)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _ratio(
    i: int,
    t: int,
    at: float,
    x: Floats,
    sigma: Floats,
    evidence: Floats,
    member: Floats,
    share: float,
    width: float,
) -> float:
    s = sigma[i]
    place = math.log(width / (s * math.sqrt(2.0 * math.pi))) - 0.5 * ((x[i] - at) / s) ** 2
    return 1.0 - member[t] + member[t] * math.exp(share * place + min(evidence[t, i], 50.0))
