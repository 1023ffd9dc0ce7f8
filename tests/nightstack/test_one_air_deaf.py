"""A library of UHF and HF tags, and the readers of one of them dead for a night: the other speaks for no book of it."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from localization import Localizer, read_coverage, write_coverage
from localization.positions import HF_AIR, UHF_AIR
from recording import read_recording
from reports import Memory, judge_night
from reports.night import NOT_LOOKED, SILENT
from reports.report import make_report
from sim.hf_record import hf_library, record_hf
from sim.layout import LayoutSettings
from sim.library import make_library
from stacks.holdings import read_holdings
from stacks.plan import read_plan

LOW = 101
"""The HF antenna of the lowest shelves."""
DAY = timedelta(days=1)


def without(recording, ids):
    """The recording as a robot without these antennas makes it."""
    heard, listened = recording.readings, recording.activity
    return replace(
        recording,
        info=replace(recording.info, antennas=tuple(m for m in recording.info.antennas if m.id not in ids)),
        readings=heard.select(~np.isin(heard.antenna, ids)).compact(),
        activity=listened.select(~np.isin(listened.antenna, ids)),
        truth=None,
    )


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Whole nights, and others that lack an HF antenna, all of them, and all UHF antennas; localized."""
    library = hf_library(make_library(240, 5, layout=LayoutSettings(longest_face_bays=2)), 0.5)
    folder = record_hf(library, tmp_path_factory.mktemp("night") / "scan", seed=6, uhf=True)
    recording = read_recording(folder)
    plan, holdings = read_plan(folder / "plan.json"), read_holdings(folder / "holdings.csv")
    of_air = {air: [m.id for m in recording.info.antennas if m.air == air] for air in (UHF_AIR, HF_AIR)}

    def located(ids):
        return Localizer(plan, fast=True).fit(without(recording, ids)).localization_

    return SimpleNamespace(
        plan=plan, holdings=holdings, info=recording.info, usual=located([]), low=located([LOW]),
        no_hf=located(of_air[HF_AIR]), no_uhf=located(of_air[UHF_AIR]),
    )  # fmt: skip


def judged(nights, *several):
    memory, made = Memory.empty(), []
    for n, found in enumerate(several):
        night = judge_night(
            f"r{n}", nights.info.started_at + n * DAY, found.positions, found.coverage, nights.plan, nights.holdings,
            memory=memory,
        )  # fmt: skip
        memory = night.memory
        made.append(night)
    return made


def scanned_share(nights, found, findings):
    return make_report(
        nights.info, positions=found.positions, coverage=found.coverage, plan=nights.plan,
        holdings=nights.holdings, findings=findings,
    ).summary.coverage_share  # fmt: skip


def due(nights, night, *, hf, level=None):
    """Rows of the looks of the copies of one air, due on the shelves of a level."""
    shelves = {s.id for f in nights.plan.faces for s in f.shelves if level is None or s.level == level}
    home = {b.barcode: b.home_location for b in nights.holdings}
    named = np.array([home[b] in shelves for b in night.looks.barcode.tolist()])
    is_hf = np.array([e.startswith("E0") and len(e) == 16 for e in night.looks.epc.tolist()])
    return np.flatnonzero(named & (is_hf == hf) & np.isfinite(night.looks.p_heard))


def quiet(night, rows):
    """Those of the rows that were not heard."""
    return rows[np.isin(night.looks.what[rows], (NOT_LOOKED, SILENT))]


def zones(night):
    return [f for f in night.findings if f.kind == "zone_not_scanned"]


def about(night, kind, barcodes):
    return [f for f in night.findings if f.kind == kind and f.barcode in barcodes]


def test_the_level_of_a_dead_hf_antenna_is_not_scanned_for_hf_books(nights):
    before, deaf, after = judged(nights, nights.usual, nights.low, nights.usual)
    silent = quiet(deaf, due(nights, deaf, hf=True, level=1))
    assert len(silent) > 8
    barcodes = set(deaf.looks.barcode[silent].tolist())
    named = {f.shelf_id for f in zones(deaf) if "HF" in f.evidence.split(":")[0]}
    low = {s.id for f in nights.plan.faces for s in f.shelves if s.level == 1}
    assert named, "the level is named"
    assert named <= low
    assert not zones(before)
    assert (deaf.looks.what[silent] == NOT_LOOKED).all(), "of their silence nothing is learnt"
    assert not about(deaf, "missing", barcodes)
    rows = deaf.memory.rows_of(deaf.looks.barcode[silent], deaf.looks.epc[silent])
    then = before.memory.rows_of(before.looks.barcode[silent], before.looks.epc[silent])
    assert (rows >= 0).all()
    assert (deaf.memory.silent[rows] == before.memory.silent[then]).all()
    assert (deaf.memory.at[rows] == before.memory.at[then]).all()
    alone = {
        f.barcode for f in judged(nights, nights.usual, nights.usual)[1].findings if f.kind == "weak_tag"
    }
    assert {f.barcode for f in after.findings if f.kind == "weak_tag"} <= alone
    whole, part = (
        scanned_share(nights, found, night.findings)
        for found, night in ((nights.usual, before), (nights.low, deaf))
    )
    assert whole > 0.99
    assert part < 0.95, "a fifth of the shelves, for half of the books"
    # UHF books of that level are judged as ever.
    uhf = due(nights, deaf, hf=False, level=1)
    assert (deaf.looks.what[uhf] != NOT_LOOKED).all()


@pytest.mark.parametrize(("lost", "hf"), [("no_hf", True), ("no_uhf", False)])
def test_no_air_speaks_for_the_books_of_the_other(nights, lost, hf):
    found = getattr(nights, lost)
    _, deaf, after = judged(nights, nights.usual, found, nights.usual)
    rows = due(nights, deaf, hf=hf)
    barcodes = set(deaf.looks.barcode[rows].tolist())
    assert (deaf.looks.what[rows] == NOT_LOOKED).all()
    assert not about(deaf, "missing", barcodes)
    assert not about(after, "weak_tag", barcodes)
    assert any(("(HF tags)" if hf else "(UHF tags)") in f.evidence for f in zones(deaf))
    assert 0.2 < scanned_share(nights, found, deaf.findings) < 0.8
    other = due(nights, deaf, hf=not hf)
    assert (deaf.looks.what[other] == NOT_LOOKED).mean() < 0.05, "books of the living air are judged"


def test_the_file_tells_of_which_tags_it_speaks(nights, tmp_path):
    cover = nights.usual.coverage
    assert set(cover.air) == {UHF_AIR, HF_AIR}
    write_coverage(tmp_path / "coverage.parquet", cover)
    assert read_coverage(tmp_path / "coverage.parquet").air.tolist() == cover.air.tolist()
    assert set(nights.no_uhf.coverage.air) == {HF_AIR}
    # Files of before have no such column, and hold for any tag.
    old = cover.select(cover.air == UHF_AIR)
    write_coverage(tmp_path / "old.parquet", replace(old, air=np.full(len(old), None, object)))
    assert set(read_coverage(tmp_path / "old.parquet").air) == {None}
