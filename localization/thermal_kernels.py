"""Compiled least squares of one tag whose errors are the receiver's alone; ``thermal_reference`` is its numpy twin."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Gauss-Newton steps, and the longest: along the face, in depth, in height.
STEPS = 8
STEP_MOST_M = 0.03


@nb.njit(cache=True, nogil=True, error_model="numpy")
def fit_thermal(
    start: Ints,
    u: Floats,
    h: Floats,
    z: Floats,
    k: Floats,
    phase: Floats,
    weight: Floats,
    group: Ints,
    x0: Floats,
    depth0: Floats,
    height0: Floats,
    middle_depth: Floats,
    middle_height: Floats,
    depth_sigma: Floats,
    height_sigma: Floats,
    tau: float,
    result: Floats,
    residual: Floats,
    added: Floats,
) -> None:
    """Weighted least squares of each tag: offset, depth, height, its own phase, and what each group adds to it.

    With a phase ``C + e_g`` for group g and ``e_g ~ N(0, tau^2)`` eliminated, a group's readings have the precision
    ``W - W 1 1' W / (1 / tau^2 + 1' W 1)`` (Sherman & Morrison, Annals of Mathematical Statistics 21, 1950): at
    ``tau = 0`` the tag has one phase, at a large one every group has its own.

    Parameters
    ----------
    start : shape (tags + 1,)
        Tag ``i`` owns observations ``start[i]:start[i + 1]``, those of one group side by side.
    u, h, z, k, phase, weight, group : shape (observations,)
        ``weight`` is one over the variance of the phase; 0: no phase.
    x0, depth0, height0 : shape (tags,)
        Where to begin.
    middle_depth, middle_height, depth_sigma, height_sigma : shape (tags,)
        Gaussian priors.
    tau : float
        Radians.
    result : shape (tags, 10)
        Out: offset, depth, height, variance of the offset (inverse of the information), sum of squares of the
        normalised residuals, what is left of the observations' number when parameters are taken off, minus
        twice the logarithm of the marginal likelihood (up to a constant for each tag and prior), and variance of
        the depth, covariance of both, variance of the height.
    residual, added : shape (observations,)
        Out: radians, wrapped; and what the observation's group adds to the tag's phase.
    """
    groups = 1
    for i in range(len(group)):
        groups = max(groups, group[i] + 1)
    gre, gim, gw = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    gj = np.zeros((groups, 5))
    extra = np.zeros(groups)
    normal = np.zeros((4, 4))
    right = np.zeros(4)
    one = np.zeros(4)
    loose = 1.0 / max(tau, 1e-6) ** 2
    for c in range(len(x0)):
        a, b = start[c], start[c + 1]
        x, dep, hei, phi = x0[c], depth0[c], height0[c], 0.0
        prior_d = 1.0 / max(depth_sigma[c], 1e-4) ** 2
        prior_h = 1.0 / max(height_sigma[c], 1e-4) ** 2
        for step in range(STEPS + 1):
            if step == 0:
                gre[:] = 0.0
                gim[:] = 0.0
                gw[:] = 0.0
                for i in range(a, b):
                    du, dh, dz = u[i] - x, h[i] + dep, z[i] - hei
                    r = phase[i] - k[i] * math.sqrt(du * du + dh * dh + dz * dz)
                    gre[group[i]] += weight[i] * math.cos(r)
                    gim[group[i]] += weight[i] * math.sin(r)
                    gw[group[i]] += weight[i]
                phi = math.atan2(gim.sum(), gre.sum())
                for g in range(groups):
                    own = math.atan2(gim[g], gre[g]) - phi
                    own -= 2.0 * math.pi * math.floor(own / (2.0 * math.pi) + 0.5)
                    extra[g] = own * gw[g] / (loose + gw[g])
            gj[:] = 0.0
            normal[:] = 0.0
            right[:] = 0.0
            for i in range(a, b):
                du, dh, dz = u[i] - x, h[i] + dep, z[i] - hei
                d = math.sqrt(du * du + dh * dh + dz * dz) + 1e-9
                g = group[i]
                r = phase[i] - k[i] * d - phi - extra[g]
                r -= 2.0 * math.pi * math.floor(r / (2.0 * math.pi) + 0.5)
                residual[i] = r
                # Of the whole of what is not the tag's own: the groups' part is eliminated, not held.
                full = r + extra[g]
                one[0], one[1], one[2], one[3] = -k[i] * du / d, k[i] * dh / d, -k[i] * dz / d, 1.0
                w = weight[i]
                for p in range(4):
                    gj[g, p] += w * one[p]
                    right[p] += w * one[p] * full
                    for q in range(p + 1):
                        normal[p, q] += w * one[p] * one[q]
                gj[g, 4] += w * full
            for g in range(groups):
                if gj[g, 3] > 0.0:
                    share = 1.0 / (loose + gj[g, 3])
                    for p in range(4):
                        right[p] -= share * gj[g, p] * gj[g, 4]
                        for q in range(p + 1):
                            normal[p, q] -= share * gj[g, p] * gj[g, q]
            for p in range(4):
                for q in range(p):
                    normal[q, p] = normal[p, q]
            normal[0, 0] += 1e-6
            normal[1, 1] += prior_d
            normal[2, 2] += prior_h
            normal[3, 3] += 1e-6
            if step == STEPS:
                break
            right[1] -= prior_d * (dep - middle_depth[c])
            right[2] -= prior_h * (hei - middle_height[c])
            move = np.linalg.solve(normal, right)
            for g in range(groups):
                if gj[g, 3] > 0.0:
                    left = gj[g, 4]
                    for p in range(4):
                        left -= gj[g, p] * move[p]
                    extra[g] = left / (loose + gj[g, 3])
            x += min(max(move[0], -STEP_MOST_M), STEP_MOST_M)
            dep += min(max(move[1], -STEP_MOST_M), STEP_MOST_M)
            hei += min(max(move[2], -STEP_MOST_M), STEP_MOST_M)
            phi += move[3]
        square, count, spent, shared, cost = 0.0, 0, 1.0, 0.0, 0.0
        for i in range(a, b):
            added[i] = extra[group[i]]
            if weight[i] > 0.0:
                square += weight[i] * residual[i] * residual[i]
                count += 1
        for g in range(groups):
            shared += loose * gj[g, 3] / (loose + gj[g, 3])
        for g in range(groups):
            # What the groups take is their deviations from a common phase, each as far as its readings tell.
            own = gj[g, 3] / (loose + gj[g, 3])
            if gj[g, 3] > 0.0:
                spent += own * (1.0 - loose * own / shared)
                cost += loose * extra[g] * extra[g] + math.log(1.0 + gj[g, 3] / loose)
        inverse = np.linalg.inv(normal)
        # Of depth and height the data tell the part that the prior does not.
        spent += 1.0 + (1.0 - prior_d * inverse[1, 1]) + (1.0 - prior_h * inverse[2, 2])
        cost += square + math.log(np.linalg.det(normal))
        cost += prior_d * (dep - middle_depth[c]) ** 2 + prior_h * (hei - middle_height[c]) ** 2
        result[c, 0] = x
        result[c, 1] = dep
        result[c, 2] = hei
        result[c, 3] = inverse[0, 0]
        result[c, 4] = square
        result[c, 5] = count - spent
        result[c, 6] = cost
        result[c, 7] = inverse[1, 1]
        result[c, 8] = inverse[1, 2]
        result[c, 9] = inverse[2, 2]
