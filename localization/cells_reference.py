"""The cells of one tag before one face in plain numpy: what ``cells.gather_cells`` is held equal to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from localization.cells import Rows
from localization.faces import PASS_M, Frames
from localization.observations import Mounts
from localization.signal_model import CORRELATION_M, thermal_phase_rad, wavenumber
from recording import Poses

Floats = npt.NDArray[np.float64]


def cells_of(
    rows: Rows, poses: Poses, way_m: Floats, mounts: Mounts, frames: Frames, face: int,
    doubled: npt.NDArray[np.bool_], delay_m: Floats, reference_per_m: float, cell_m: float,
) -> dict[str, Floats]:  # fmt: skip
    """Return columns of the cells that one tag's readings (all of which look at the face) make.

    ``way_m`` has the shape (poses,), ``doubled`` and ``delay_m`` (256,); each column one number a cell.
    """
    at = poses.at(rows.t)
    antenna = rows.antenna.astype(np.int64)
    where, _ = mounts.place(at, antenna)
    gap = where[:, :2] - frames.origin_m[face]
    u, z = gap @ frames.direction[face], where[:, 2]
    h = gap @ frames.normal[face] + frames.tag_depth_m[face]
    way = np.interp(rows.t, poses.t, way_m)
    power = 10.0 ** (rows.rssi_dbm.astype(np.float64) / 10.0)
    centre, height = (power * u).sum() / power.sum(), (power * z).sum() / power.sum()
    factor = np.where(doubled[antenna], 2.0, 1.0)
    k = wavenumber(rows.frequency_khz)
    phase = (rows.phase_rad - (k - reference_per_m) * delay_m[antenna]) * factor
    k = k * factor

    def far(along: Floats, out: Floats, up: Floats) -> Floats:
        return np.asarray(np.sqrt((along - centre) ** 2 + out**2 + (up - height) ** 2), np.float64)

    turned = np.exp(1j * (phase - k * far(u, h, z)))
    columns: dict[str, list[float]] = {
        name: [] for name in ("u", "h", "z", "rssi", "heard", "group", "phase", "variance")
    }
    group = -1
    for number in np.unique(antenna):
        mine = np.flatnonzero(antenna == number)
        begins, fresh = [0], [True]
        for i in range(1, len(mine)):
            new_pass = way[mine[i]] - way[mine[i - 1]] > PASS_M
            if new_pass or abs(u[mine[i]] - u[mine[begins[-1]]]) > cell_m:
                begins.append(i)
                fresh.append(bool(new_pass))
        for part, first_of_pass in zip(np.split(mine, begins[1:]), fresh, strict=True):
            group += int(first_of_pass)
            n = len(part)
            total = turned[part].sum()
            rssi = float(rows.rssi_dbm[part].astype(np.float64).mean())
            noise = (factor[part[0]] * float(thermal_phase_rad(rssi))) ** 2 / n
            here = far(u[part].mean(keepdims=True), h[part].mean(keepdims=True), z[part].mean(keepdims=True))
            values = (u[part].mean(), h[part].mean(), z[part].mean(), rssi, n, group)
            agreement = np.clip(np.abs(total) / n, 1e-3, 1.0)
            values += (np.angle(total) + k[part].mean() * here[0], noise - 2.0 * np.log(agreement) / n)
            for name, value in zip(columns, values, strict=True):
                columns[name].append(float(value))
    made = {name: np.array(values, np.float64) for name, values in columns.items()}
    near = np.abs(made["u"][:, None] - made["u"]) <= 0.5 * CORRELATION_M
    near &= made["group"][:, None] == made["group"]
    made["density"] = (near * made["heard"]).sum(axis=1) / made["heard"]
    return made
