"""What `localization.hf_kernels.hf_posterior` computes, in plain numpy: the definition, and the kernel's judge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def hf_posterior(
    start: Ints, bins: Ints, channels: Ints, face: Ints, levels: Ints, curve: Ints, lattice: Ints, first: Ints,
    last: Ints, gain: Floats, silence: Floats, log_class: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Return log-evidence, mean, variance and class of every tag by level, four of shape (tags, levels).

    Parameters as those of ``hf_kernels.hf_posterior``.
    """
    most, reach = curve.shape[1], gain.shape[2] - 1
    out = np.full((4, len(face), most), np.nan)
    for i, f in enumerate(face.tolist()):
        b, c = bins[start[i] : start[i + 1]], channels[start[i] : start[i + 1]]
        middle = int(np.sort(b)[len(b) // 2])
        low = int(np.clip(middle - reach, first[f], last[f]))
        high = int(np.clip(middle + reach, first[f], last[f]))
        x = np.arange(low, high + 1)
        lag = np.minimum(np.abs(b[:, None] - x), reach)
        for level in range(int(levels[f])):
            heard = gain[curve[f, level, c]][np.arange(len(b))[:, None], :, lag].sum(axis=0)
            joint = log_class[:, None] + silence[level][:, lattice[f] + x] + heard.T
            z = logsumexp(joint)
            p = np.exp(joint - z)
            mean = float((p * x).sum())
            out[:, i, level] = (
                z, mean, (p * (x - mean) ** 2).sum(), (p * np.arange(len(log_class))[:, None]).sum()
            )  # fmt: skip
    return out[0], out[1], out[2], out[3]
