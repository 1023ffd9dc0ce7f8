import json

import pytest

from localization import Calibration, CalibrationError, read_calibration, write_calibration


def test_a_calibration_survives_its_file(tmp_path):
    calibration = Calibration(
        latency_s=0.1, phase_centre_m={1: 0.02}, face_shift_m={"A": -0.01}, sigma_m=0.01
    )
    write_calibration(tmp_path / "c.json", calibration)
    assert read_calibration(tmp_path / "c.json") == calibration


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": "other/1"}, "not a nightstack-calibration/1"),
        ({"latency_s": "soon"}, "latency_s is 'soon'"),
        ({"latency_s": 100}, "beyond 5"),
        ({"phase_centre_m": {"one": 0.1}}, "names no antenna"),
        ({"face_shift_m": [1]}, "not an object"),
        ({"sigma_m": True}, "sigma_m is True"),
    ],
)
def test_a_wrong_calibration_is_refused_in_one_line(tmp_path, change, word):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(Calibration().to_json() | change))
    with pytest.raises(CalibrationError, match=word) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file(tmp_path):
    with pytest.raises(CalibrationError, match="no such file"):
        read_calibration(tmp_path / "none.json")
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(CalibrationError, match="cannot be read as JSON"):
        read_calibration(tmp_path / "c.json")
