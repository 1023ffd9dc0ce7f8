"""The radio's errors are of the measured size, length and shape, and not independent noise."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy.special import sici

from benchmarks import slide_rows as sl_rows
from benchmarks.peers import METHODS
from benchmarks.slide import Compared, simulated
from benchmarks.slide_rows import Figure, alike, figures, kind_of, simulated_row
from sim import slide as sl
from sim.slide_physics import THICK_M, Row, dipoles, fields
from sim.slide_scan import CHANNELS_KHZ
from sim.slide_statistics import LAGS, one_over_e

BARE = replace(
    sl.SLIDE,
    end_metal=(0.0, 0.0),
    weak_metal=(0.0, 0.0),
    wall_reflection=(0.0, 0.0),
    tag_centre_sd_m=0.0,
    placing_sd_m=0.0,
    hanging_sd_m=0.0,
    am_pm_rad_per_db=0.0,
)


@pytest.fixture(scope="module")
def statistics() -> dict[float, sl.Residuals]:
    return sl.table(rows=60, seed=1)


@pytest.mark.parametrize("pitch", sorted(sl.MEASURED))
def test_residuals_are_as_measured(statistics: dict[float, sl.Residuals], pitch: float) -> None:
    sim, real = statistics[pitch], sl.MEASURED[pitch]
    assert sim.rms_rad == pytest.approx(real.rms_rad, rel=0.20)
    assert sim.over_1_rad == pytest.approx(real.over_1_rad, rel=0.30, abs=0.025)
    assert sim.length_m == pytest.approx(real.length_m, rel=0.38)
    assert sim.rssi_sd_db == pytest.approx(real.rssi_sd_db, rel=0.27)
    # Measured at each pitch but 8 cm on one set alone; simulated sets of six tags scatter by .3 to .35.
    assert sim.neighbours == pytest.approx(real.neighbours, abs=0.3)


def test_closer_tags_disturb_each_other_more(statistics: dict[float, sl.Residuals]) -> None:
    by_pitch = [statistics[pitch] for pitch in sorted(statistics)]
    assert min(by_pitch[0].neighbours, by_pitch[2].neighbours) > by_pitch[-1].neighbours + 0.15
    assert by_pitch[0].rms_rad > 1.6 * by_pitch[-1].rms_rad


def test_independent_noise_of_a_tenth_of_a_radian_would_not_pass() -> None:
    # S = 1: tags that take nothing from the field and give nothing back
    clean = replace(
        BARE, tag_answer=(1.0, 1.0), tag_answer_rad=0.0, tag_answer_sd_rad=0.0, shift_sd_m=0.0, depth_sd_m=0.0
    )
    rng = np.random.default_rng(1)
    scans = []
    for n in range(10):
        scan = sl.slide(0.08, 0.6, n, clean)
        noisy = np.remainder(scan.phase_rad + 0.1 * rng.standard_normal(scan.phase_rad.shape), 2 * np.pi)
        scans.append(replace(scan, phase_rad=noisy))
    found = sl.residual_statistics(scans)
    assert 0.09 < found.rms_rad < 0.15
    assert found.length_m < 0.06
    assert found.over_1_rad < 0.001


def test_deep_fades_with_swings_of_pi_occur_at_eight_centimetres() -> None:
    fading = 0
    scans = [sl.slide(0.08, depth, n) for n, depth in enumerate(np.linspace(0.45, 0.9, 20))]
    for scan in scans:
        level = scan.rssi_dbm[:, :, 0] + 40 * np.log10(scan.distance_m)
        deep = np.nanmedian(level, axis=1) - np.nanmin(level, axis=1)
        k = 4 * np.pi * 920.625e6 / 299_792_458.0
        residual = scan.phase_rad[:, :, 0] - k * scan.distance_m
        swing = np.abs(np.angle(np.exp(1j * (residual[:, 4:] - residual[:, :-4]))))
        fading += int(np.sum((deep > 8.0) & (np.nanmax(swing, axis=1) > 1.5)))
    assert fading > 0.3 * sum(scan.along_m.size for scan in scans)


def _hologram(scans: list[sl.Scan]) -> tuple[float, float]:
    """Mean error (m) and share of adjacent tags in order of a SAR hologram of known depth."""
    errors, ordered = [], []
    for n, scan in enumerate(scans):
        row = simulated_row(scan, f"row-{n}")
        positions = METHODS["SAR, known depth"](row.recording, row.plan)
        assert row.recording.truth is not None
        place = dict(zip(positions.epc.tolist(), positions.x_m.tolist(), strict=True))
        found = np.array([place[epc] for epc in row.recording.truth.epc.tolist()])
        errors.append(np.abs(found - row.recording.truth.x_m))
        left, right = scan.pairs.T
        ordered.append(found[right] > found[left])
    return float(np.mean(np.concatenate(errors))), float(np.mean(np.concatenate(ordered)))


@pytest.mark.parametrize(
    ("pitch", "error_m", "order"),
    [(0.20, (0.014, 0.024), (0.97, 1.0)), (0.08, (0.029, 0.056), (0.81, 0.96))],
)
def test_a_hologram_does_as_badly_as_on_the_measured_rows(
    pitch: float, error_m: tuple[float, float], order: tuple[float, float]
) -> None:
    """Measured: 1.8 cm and all in order at 20 cm pitch, 2.8 to 5.1 cm and .90 in order at 8 cm."""
    depths = np.linspace(0.45, 0.9, 16).tolist()
    found, in_order = _hologram([sl.slide(pitch, depth, 100 + n) for n, depth in enumerate(depths)])
    assert error_m[0] < found < error_m[1]
    assert order[0] <= in_order <= order[1]


def test_a_hologram_does_as_badly_as_on_the_measured_three_lines() -> None:
    """Published for twenty tags 4 cm apart on three lines: 6.3 cm and .63 in order, of one laboratory.

    Here 24 laboratories of four scans each err by 9.4 cm, a mean known to 0.65 cm as laboratories scatter by 3.2.
    """
    sets = np.array(
        [
            _hologram([sl.three_lines(depth, n, laboratory=(n,)) for depth in (0.5, 0.6, 0.7, 0.8)])
            for n in range(24)
        ]
    )
    found, in_order = sets.mean(axis=0)
    least, least_in_order = np.quantile(sets, 0.05, axis=0)
    assert least < 0.063 < found < 0.095  # the measured set is one of the better ones, none out of the way
    assert least_in_order < 0.63 < in_order < 0.78


def test_three_lines_hang_one_above_the_other() -> None:
    scan = sl.three_lines(0.6, 1)
    assert kind_of(scan) == "4 cm, 3 lines"
    assert sorted(np.unique(scan.line, return_counts=True)[1].tolist()) == [5, 5, 10]
    assert len(scan.pairs) == 9 + 4 + 4
    assert np.allclose(np.unique(np.round(scan.away_m, 6)), [0.6, np.hypot(0.6, 0.125)], atol=1e-6)
    left, right = scan.pairs.T
    assert np.allclose(scan.along_m[right] - scan.along_m[left], 0.04)


def test_a_recording_gives_back_its_scan() -> None:
    for scan in (sl.slide(0.08, 0.6, 3), sl.three_lines(0.5, 3)):
        recording, _ = sl.to_recording(scan)
        back = sl.from_recording(recording)
        order = np.lexsort((scan.along_m, scan.line, scan.away_m))
        again = np.lexsort((back.along_m, back.line, back.away_m))
        assert np.allclose(back.along_m[again], scan.along_m[order])
        assert np.allclose(back.phase_rad[again], scan.phase_rad[order], atol=1e-5, equal_nan=True)
        assert np.allclose(back.rssi_dbm[again], scan.rssi_dbm[order], atol=1e-4, equal_nan=True)
        found, wanted = (astuple(sl.residual_statistics([one])) for one in (back, scan))
        assert found == pytest.approx(wanted, rel=1e-3)


def test_lines_surveyed_by_their_distance_alone_are_told_apart() -> None:
    scan = sl.three_lines(0.6, 1)
    recording, _ = sl.to_recording(scan)
    assert recording.truth is not None
    back = sl.from_recording(replace(recording, truth=replace(recording.truth, face=None)))
    assert kind_of(back) == kind_of(scan)
    assert len(back.pairs) == len(scan.pairs)
    left, right = back.pairs.T
    assert np.allclose(back.along_m[right] - back.along_m[left], 0.04)


def test_another_kind_of_recording_is_refused() -> None:
    recording, _ = sl.to_recording(sl.slide(0.2, 0.6, 1))
    with pytest.raises(ValueError, match="no truth"):
        sl.from_recording(replace(recording, truth=None))
    with pytest.raises(ValueError, match="off the rail"):
        sl.from_recording(replace(recording, poses=replace(recording.poses, x_m=recording.poses.x_m + 1.0)))


def _pair(apart_m: float, strength: complex) -> np.ndarray:
    row = Row(
        np.array([[0.5, 0.7, 0.0], [0.5 + apart_m, 0.7, 0.0]]),
        np.array([strength, strength], np.complex128),
        tags=2,
    )
    short = replace(BARE, tag_length_m=0.004)
    return fields(row, sl.STOPS_M, np.array([922e6]), short, 0.0)[:, :, 0]


def test_a_tag_that_answers_nothing_leaves_free_space() -> None:
    d = np.hypot(sl.STOPS_M - 0.5, 0.7)
    k = 2 * np.pi * 922e6 / 299_792_458.0
    free = (0.7 / d) ** BARE.antenna_exponent * np.exp(-1j * k * d) / d
    assert np.allclose(_pair(0.04, 0.0)[0], free)
    assert np.abs(_pair(5.0, -0.5)[0] / free - 1.0).max() < 0.1


def test_two_tags_in_one_place_share_what_one_would_take() -> None:
    """A dipole's own radiation resistance is what a second one in its place hears of it: the kernel tends to 1."""
    strength, apart_m = -0.4, 0.02
    alone, coupled = _pair(apart_m, 0.0).sum(axis=0), _pair(apart_m, strength).sum(axis=0)
    # Their sum obeys E = E0 + T K E with K = R + j X: the real part of E0 / E is 1 - T R whatever the reactance.
    x = 2 * np.pi * 922e6 / 299_792_458.0 * np.hypot(apart_m, THICK_M)
    assert np.allclose(np.real(alone / coupled), 1.0 - strength * (1.0 - x**2 / 5), atol=0.01)
    assert np.abs(np.imag(alone / coupled)).min() > 1.0


def test_tags_half_a_wave_long_are_coupled_as_half_wave_dipoles() -> None:
    """P. S. Carter, Proc. IRE 20, 1004 (1932), in the closed form of Balanis, equation (8-69), over 73.13 ohms."""
    k = 2 * np.pi * 922e6 / 299_792_458.0
    length = np.pi / k
    apart = np.array([0.03, 0.04, 0.08, 0.2, 0.4])
    ends = np.hypot(apart, length)
    (s0, c0), (s1, c1), (s2, c2) = (sici(u) for u in (k * apart, k * (ends + length), k * (ends - length)))
    carter = (30 * (2 * c0 - c1 - c2) - 30j * (2 * s0 - s1 - s2)) / 73.13
    assert np.allclose(dipoles(k, apart, length), carter, atol=0.005)


def test_tags_of_one_row_are_shielded_alike_at_four_centimetres() -> None:
    """Measured: the end tags are 0.3 dB weaker than those between them, their distances taken out."""
    scans = [sl.slide(0.04, depth, n) for n, depth in enumerate(np.linspace(0.48, 0.77, 40))]
    level = np.array(
        [
            np.nanmean(scan.rssi_dbm + 40 * np.log10(scan.distance_m)[:, :, None], axis=(1, 2))
            for scan in scans
        ]
    )
    assert abs(np.mean(level[:, [0, -1]]) - np.mean(level[:, 1:-1])) < 1.5


def test_power_misleads_on_rows_of_the_earlier_tags() -> None:
    """Measured at 20 cm pitch: the centroid of power errs by 12.5 cm and orders .73 of the neighbours."""

    def judged(parameters: sl.SlideParameters | None) -> tuple[float, float]:
        errors, ordered = [], []
        for n, depth in enumerate(np.linspace(0.5, 0.88, 60).tolist()):
            scan = sl.slide(0.2, depth, n, parameters)
            power = np.nan_to_num(10 ** (scan.rssi_dbm / 10)).mean(axis=2)
            middle = power @ sl.STOPS_M / power.sum(axis=1)
            errors.append(np.abs(middle - scan.along_m).mean())
            ordered.append(np.mean(np.diff(middle) > 0))
        return float(np.mean(errors)), float(np.mean(ordered))

    error_m, order = judged(None)
    assert 0.100 < error_m < 0.145
    assert 0.6 < order < 0.88
    later_error_m, later_order = judged(sl.SLIDE)
    assert later_error_m < error_m - 0.015
    assert later_order > order + 0.08


def test_length_of_a_known_correlation() -> None:
    curve = np.exp(-0.02 * LAGS / 0.113)
    assert one_over_e(curve[None, :])[0] == pytest.approx(0.113, rel=0.01)
    assert one_over_e(np.ones((1, LAGS.size)))[0] == pytest.approx(0.02 * LAGS.size)


def test_figures_carry_their_sampling_interval() -> None:
    few = figures([simulated_row(sl.slide(0.2, 0.6, n), f"a{n}") for n in range(4)], ours=False)
    many = figures([simulated_row(sl.slide(0.2, 0.6, n), f"a{n}") for n in range(24)], ours=False)
    names = ("rms rad", "RSSI sd dB", "SAR, known depth: error cm")
    for name in names:
        low, high = many[name].interval
        assert low < many[name].value < high
    wide, narrow = (
        sum(float(np.ptp(of[name].interval)) / of[name].value for name in names) for of in (few, many)
    )
    assert narrow < 0.9 * wide
    one_rig = figures([simulated_row(sl.slide(0.2, 0.6, n), "rig") for n in range(4)], ours=False)
    assert one_rig["rms rad"].interval == pytest.approx((one_rig["rms rad"].value,) * 2)


def test_what_the_joint_fit_finds_is_a_figure_where_it_finds_anything() -> None:
    rows = {pitch: [simulated_row(sl.slide(pitch, 0.6, 3), "row")] for pitch in (0.08, 0.2)}
    close, apart = (figures(of) for of in rows.values())
    left, gain, count, strength = (close[name].value for name in sl_rows.FOUND)
    assert 0.005 < left < 0.2
    assert gain > 0.2
    assert 1 <= count <= 8
    assert strength > sl_rows.WORTH_COUNTING * np.sqrt(count)
    assert np.isnan(
        [apart[name].value for name in sl_rows.FOUND]
    ).all()  # three tags share nothing that is fitted


@pytest.mark.parametrize(
    ("simulated", "interval", "verdict"),
    [
        (1.15, (0.99, 1.01), "20 %"),
        (1.5, (0.6, 1.6), "interval"),
        (1.5, (0.7, 1.3), "NO"),
        (1.25, (0.9, 1.28), "NO"),  # the set tells this figure to 20 %: it is judged
        (0.7, None, "NO"),
    ],
)
def test_what_counts_as_matched(simulated: float, interval: tuple[float, float] | None, verdict: str) -> None:
    compared = Compared(1.0, None, interval, simulated, (simulated, simulated))
    assert compared.verdict == verdict


def test_a_figure_of_one_set_scatters_as_sets_do() -> None:
    each = np.array([1.0, 2.0, 4.0, 2.0, 1.0, 4.0])
    low, high = Figure(2.0, each, each).scatter(3.0) or (0.0, 0.0)
    assert low * high == pytest.approx(9.0)
    assert high / 3.0 == pytest.approx(np.exp(1.645 * np.std(np.log(each), ddof=1)))
    low, high = Figure(0.0, each, each - 2.0).scatter(0.1) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(0.1)
    assert Figure(2.0, each, each[:3]).scatter(3.0) is None


def test_an_interval_is_of_the_draws_that_have_the_figure() -> None:
    draws = np.concatenate([np.linspace(1.0, 2.0, 101), np.full(30, np.nan)])
    assert Figure(1.5, draws, draws[:4]).interval == pytest.approx((1.05, 1.95))
    assert np.isnan(Figure(np.nan, np.full(3, np.nan), draws[:4]).interval).all()


def _set(parameters: sl.SlideParameters, count: int, *, shared: bool) -> list[sl_rows.Row]:
    """Sets of rows 9 cm one behind the other."""
    rows = []
    for n in range(count):
        for m, depth in enumerate((0.5, 0.59, 0.68, 0.77)):
            laboratory = (n,) if shared else (n, m)
            scan = sl.slide(0.2, depth, n, parameters, laboratory=laboratory)
            rows.append(simulated_row(scan, f"{n}-{m}", f"set {n}", f"set {n}"))
    return rows


def _alike(rows: list[sl_rows.Row]) -> list[float]:
    """Correlation of residuals in scans of one laboratory 9 and 18 cm apart in depth."""
    return [sum(top for top, _ in each) / sum(count for _, count in each) for each in alike(rows)]


def test_scans_of_one_laboratory_are_alike_and_come_again_with_half_a_wave() -> None:
    near, again = _alike(_set(sl.SLIDE, 24, shared=True))
    assert again > near + 0.1
    assert again > 0.4
    near, again = _alike(_set(replace(sl.SLIDE, wall_reflection=(0.0, 0.0)), 24, shared=True))
    assert near > again > 0.3
    assert max(map(abs, _alike(_set(sl.SLIDE, 24, shared=False)))) < 0.25


def test_a_simulated_set_has_the_measured_geometry() -> None:
    like = [simulated_row(sl.slide(0.08, depth, 1), f"{depth}", laboratory="one") for depth in (0.5, 0.7)]
    like += [simulated_row(sl.slide(0.08, 0.6, 2, tags=6), "other")]
    made = simulated("8 cm", like, 3)
    assert len(made) == 9
    assert [row.scan.along_m.size for row in made[:3]] == [10, 10, 6]
    assert np.allclose(made[1].scan.away_m, 0.7)
    assert len({row.rig for row in made}) == 3
    assert len({row.laboratory for row in made}) == 6


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert sl.main(["--rows", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(sl.MEASURED)
    assert lines[0].startswith("pitch")
    assert CHANNELS_KHZ.size == 8
