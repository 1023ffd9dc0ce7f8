"""Simulated libraries with planted trouble: from exact places with errors added, and from a scan of the radio."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from localization import localize
from localization.positions import Coverage, Positions
from recording import read_recording
from reports import find_exceptions
from sim.library import make_library
from sim.library_folder import save_library, truth_of
from sim.record import record
from stacks.holdings import read_holdings
from stacks.plan import read_plan


def positions_of(truth, plan, rng, *, sigma, slips):
    """Return positions as a localizer would that errs by `sigma`, and by a board in a share `slips` of books."""
    n = len(truth.epc)
    p = Positions.empty(n)
    p.epc[:], p.shelf_id[:], p.face_id[:] = truth.epc, truth.shelf_id, truth.face
    p.offset_m[:] = truth.offset_m + rng.normal(0.0, sigma, n)
    p.x_m[:], p.y_m[:], p.z_m[:] = truth.x_m, truth.y_m, truth.z_m
    p.sigma_along_m[:], p.sigma_local_m[:] = sigma + 0.005, sigma
    p.readings[:], p.antennas[:], p.quality[:] = rng.poisson(14, n) + 1, 2, 0.9
    p.p_shelf[:] = 0.999
    p.p_alt[:] = 0.001
    for i in np.flatnonzero(rng.random(n) < slips):
        face, shelf = plan.shelf(p.shelf_id[i])
        beside = [s for s in face.shelves if s.bay == shelf.bay and abs(s.level - shelf.level) == 1]
        other = beside[int(rng.integers(len(beside)))]
        p.alt_shelf_id[i], p.alt_offset_m[i] = shelf.id, p.offset_m[i]
        p.shelf_id[i] = other.id
        p.z_m[i] += other.board_z_m - shelf.board_z_m
        p.p_shelf[i] = rng.uniform(0.6, 0.98)
        p.p_alt[i] = 0.9 * (1.0 - p.p_shelf[i])
    for shelf_id in set(p.shelf_id):
        rows = np.flatnonzero(p.shelf_id == shelf_id)
        p.rank[rows[np.argsort(p.offset_m[rows])]] = np.arange(1, len(rows) + 1)
    return p


def coverage_of(plan):
    cells = [
        (face.id, s.level, s.id, a, a + 0.1)
        for face in plan.faces
        for s in face.shelves
        for a in np.arange(s.from_m, s.to_m - 1e-6, 0.1)
    ]
    c = Coverage.empty(len(cells))
    names = ("face_id", "level", "shelf_id", "from_m", "to_m")
    for name, values in zip(names, zip(*cells, strict=True), strict=True):
        getattr(c, name)[:] = values
    c.readings[:], c.p_heard[:] = 14.0, 0.994
    return c


def compare(findings, planted):
    """Return per kind: planted, reported, right."""
    told, known = defaultdict(set), defaultdict(set)
    for f in findings:
        told[f.kind].add(f.epc or f.barcode)
    for p in planted:
        known[p.kind].add(p.epc or p.barcode)
    return {k: (known[k], told[k], known[k] & told[k]) for k in {*told, *known}}


@pytest.mark.parametrize(("seed", "sigma", "slips", "least"), [(1, 0.003, 0.0, 1.0), (2, 0.008, 0.05, 0.9)])
def test_planted_trouble_is_found_and_nobody_else_accused(tmp_path, seed, sigma, slips, least):
    library = make_library(2000, seed)
    save_library(library, tmp_path / "library")
    plan, holdings = read_plan(tmp_path / "library"), read_holdings(tmp_path / "library")
    truth = truth_of(library)
    truth = truth.select(np.asarray(truth.present, bool))
    positions = positions_of(truth, plan, np.random.default_rng(seed), sigma=sigma, slips=slips)
    found = compare(find_exceptions(positions, coverage_of(plan), plan, holdings), library.planted)
    for kind in ("missing", "on_shelf_loaned", "unknown_tag"):
        known, told, _ = found[kind]
        assert told == known, kind
    for kind in ("wrong_shelf", "wrong_order"):
        known, told, right = found[kind]
        assert told == right, kind
        assert len(right) >= least * len(known), kind


def test_a_scan_of_the_radio_end_to_end(tmp_path):
    """Places are only as good as the scan; but what does not need them is found, and few are accused wrongly."""
    library = make_library(700, 5)
    record(library, tmp_path / "run", seed=5)
    heard = read_recording(tmp_path / "run", truth=False)
    plan, holdings = read_plan(heard.plan_path), read_holdings(heard.holdings_path)
    where = localize(heard, plan)
    found = compare(find_exceptions(where.positions, where.coverage, plan, holdings), library.planted)
    for kind in ("on_shelf_loaned", "unknown_tag"):
        known, told, _ = found[kind]
        assert told == known, kind
    known, told, right = found["missing"]
    assert len(right) >= 0.8 * len(known)
    assert len(told) <= len(known) + 3
    wrongly = sum(len(found[k][1] - found[k][2]) for k in ("wrong_shelf", "wrong_order") if k in found)
    assert wrongly <= 0.02 * len(holdings)
