"""Worlds of other physics that the benchmarks draw: they are what their names say."""

import numpy as np
import pytest

from benchmarks.calibrated_sites import SITES, judged
from benchmarks.oddities import OTHERS, RATES, scan_other, true_oddities
from recording import read_recording
from sim.oddities import OddityRates


@pytest.mark.parametrize("name", OTHERS)
def test_a_library_of_other_physics_is_scanned_as_it_is_called(name, tmp_path):
    library, path = scan_other(OTHERS[name], 5, OddityRates(), tmp_path, books=80)
    recording = read_recording(path)
    assert library.radio.pi_flips == name.startswith(("phases flip", "as `sim record`"))
    assert len(recording.info.antennas) == (2 if "two antennas" in name else 3)
    assert np.isnan(recording.readings.phase_rad).all() == (name == "no phases")
    assert not set(true_oddities(library, recording).values())
    metal, coupling = library.radio.end_scatterer[1], library.radio.coupling
    assert (coupling > 5.0 * metal) == (name == "coupling, no metal")


def test_the_same_library_may_hold_what_is_unusual(tmp_path):
    library, path = scan_other(OTHERS["two antennas, easy"], 5, RATES, tmp_path, books=80)
    kinds = {true.split()[0] for true in true_oddities(library, read_recording(path)).values()}
    assert {"lying", "pushed_back", "double", "moving"} <= kinds


def test_drawn_sites_differ_in_what_they_are_drawn_by():
    few, many = (judged(SITES[f"{count} references each"], draws=8) for count in (4, 50))
    assert few.off_cm > 2.0 * many.off_cm
    assert few.stated_cm > 2.0 * many.stated_cm
    another = judged(SITES["another night"], draws=8)
    assert another.off_cm > 1.0
    alike = judged(SITES["tags err alike over 2 m"], draws=8)
    assert alike.stated_cm > alike.off_cm
