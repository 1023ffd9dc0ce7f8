"""One of two UHF readers gone for half a run: the other's antennas pass off no board as scanned that they do not hear.

The lost reader has the antennas that hear what the other's do not: at another height, or on the other side.
"""

from dataclasses import replace

import numpy as np
import pytest

from localization import localize
from recording import read_recording
from reports import find_exceptions
from reports.policy import Policy
from sim.layout import LayoutSettings
from sim.library import make_library
from sim.record import record
from stacks.holdings import read_holdings
from stacks.plan import read_plan

BOOKS, SEED = 600, 3
HIGH_M = 1.2


def at_two_heights(mounts):
    """The upper antenna on a reader of its own that has 8 dB less power, as another make may have."""
    return tuple(
        replace(m, reader="stays", power_dbm=22.0) if m.position_m[2] > HIGH_M else replace(m, reader="lost")
        for m in mounts
    )


def on_two_sides(mounts):
    """The usual antennas on one reader, and as many on the other side of the robot on another."""
    left = (
        replace(
            m, id=m.id + 10, port=m.port + 10, reader="stays", boresight_deg=(90.0, 0.0),
            position_m=(m.position_m[0], -m.position_m[1], m.position_m[2]),
        )
        for m in mounts
    )  # fmt: skip
    return (*(replace(m, reader="lost") for m in mounts), *left)


def half_deaf(recording):
    """The run without what reader "lost" did and heard in its first half."""
    t = recording.poses.t
    back = int(t[0] + (t[-1] - t[0]) // 2)
    ids = [m.id for m in recording.info.antennas if m.reader == "lost"]
    heard, listened = recording.readings, recording.activity
    return replace(
        recording,
        readings=heard.select(~(np.isin(heard.antenna, ids) & (heard.t < back))).compact(),
        activity=listened.select(~(np.isin(listened.antenna, ids) & (listened.t_start < back))),
        truth=None,
    )


@pytest.mark.parametrize("antennas", [at_two_heights, on_two_sides])
def test_what_the_lost_reader_alone_would_have_heard_is_not_called_missing(tmp_path, antennas):
    library = make_library(BOOKS, SEED, layout=LayoutSettings(longest_face_bays=2))
    library = replace(library, robot=replace(library.robot, mounts=antennas(library.robot.mounts)))
    folder = record(library, tmp_path / "scan", seed=SEED + 1)
    recording = read_recording(folder)
    plan, holdings = read_plan(folder / "plan.json"), read_holdings(folder / "holdings.csv")
    truth = recording.truth.select(recording.truth.present)
    found, whole = (localize(run, plan) for run in (half_deaf(recording), replace(recording, truth=None)))
    findings, usual = (find_exceptions(run.positions, run.coverage, plan, holdings) for run in (found, whole))

    # Books that stand where coverage says they would have been heard were heard so often, at each level and face.
    cover = found.coverage
    chance = {
        (shelf, round(start * 10)): p
        for shelf, start, p in zip(cover.shelf_id, cover.from_m.tolist(), cover.p_heard.tolist(), strict=True)
    }
    p = np.array([chance[s, int(x * 10)] for s, x in zip(truth.shelf_id, truth.offset_m, strict=True)])
    heard = np.isin(truth.epc, found.positions.epc)
    scanned = p >= Policy().scanned_from
    assert 0.2 < scanned.mean() < 0.8, "the second half was scanned, and the first was not"
    shelf = truth.shelf_id.astype(str)
    for one in np.unique(shelf[scanned]):
        mine = scanned & (shelf == one)
        assert heard[mine].mean() > p[mine].mean() - 0.15, (one, int(mine.sum()))

    stands = dict(zip(truth.epc.tolist(), shelf.tolist(), strict=True))
    wrongly, usually = (
        sum(f.kind == "missing" and stands.get(f.epc) == f.shelf_id for f in of) for of in (findings, usual)
    )
    assert wrongly <= usually, "no more than of the run that lost nobody"
    zones = {f.shelf_id[:6] for f in findings if f.kind == "zone_not_scanned"}
    assert zones == {plan.faces[0].id}
