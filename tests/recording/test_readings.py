"""Readings as columns: what they check and how they are joined and picked."""

import numpy as np
import pytest

from recording import NO_TIME, Readings
from tests.recording.making import readings


def some(**changes: object) -> Readings:
    columns = {
        "t": [3, 1, 2],
        "tag": [0, 1, 0],
        "tags": ("AA", "BB"),
        "antenna": [1, 2, 1],
        "frequency_khz": [865700] * 3,
        "rssi_dbm": [-50, -60, -70],
        "phase_rad": [0.5, np.nan, 1.5],
    }
    return Readings(**columns | changes)


def test_columns_have_the_types_of_the_format() -> None:
    made = some()
    types = {name: values.dtype.str for name, values in made.columns()}
    assert types == {
        "t": "<i8",
        "tag": "<u4",
        "antenna": "|u1",
        "frequency_khz": "<u4",
        "rssi_dbm": "<f4",
        "phase_rad": "<f4",
    }
    assert made.epc.tolist() == ["AA", "BB", "AA"]
    assert len(made) == 3


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"antenna": [1, 2]}, "antenna has 2 rows"),
        ({"antenna": [1, 2, 256]}, "antenna must be uint8"),
        ({"antenna": [1, 2, -1]}, "antenna must be uint8"),
        ({"tag": [0, 1, 2]}, "past the 2 tags"),
        ({"t": [0.5, 1, 2]}, "t must be int64"),
        ({"t": [1, 2, np.nan]}, "t must be int64"),
        ({"t": np.array([1, 2, 3], "M8[ns]")}, "int64 nanoseconds"),
        ({"rssi_dbm": ["a", "b", "c"]}, "rssi_dbm must be float32"),
        ({"seen_count": [1]}, "seen_count has 1 rows"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        some(**changes)


def test_sorting_and_selecting() -> None:
    assert some().sorted().t.tolist() == [1, 2, 3]
    assert some().sorted().epc.tolist() == ["BB", "AA", "AA"]
    assert some().select([0, 2]).epc.tolist() == ["AA", "AA"]
    assert some().select(np.array([False, True, False])).epc.tolist() == ["BB"]
    assert some().select(slice(1, 2)).tags == ("AA", "BB")


def test_tags_that_are_not_heard_can_be_left_out() -> None:
    made = some(tags=("AA", "BB", "CC"), tag=[2, 0, 2]).compact()
    assert made.tags == ("AA", "CC")
    assert made.epc.tolist() == ["CC", "AA", "CC"]
    assert Readings.empty().compact().tags == ()


def test_joining_puts_all_on_one_list_of_tags() -> None:
    other = some(tags=("BB", "CC"), seen_count=[4, 5, 6], reader_t=[1, 2, 3])
    joined = Readings.concat([some(), Readings.empty(), other])
    assert joined.tags == ("AA", "BB", "CC")
    assert joined.epc.tolist() == ["AA", "BB", "AA", "BB", "CC", "BB"]
    assert joined.seen_count is not None and joined.seen_count.tolist() == [1, 1, 1, 4, 5, 6]
    assert joined.reader_t is not None and joined.reader_t.tolist() == [NO_TIME] * 3 + [1, 2, 3]
    assert joined.doppler_hz is None
    assert len(Readings.concat([])) == 0
    parts = [readings().select(slice(k, k + 100)) for k in range(0, 600, 100)]
    assert Readings.concat(parts).same_as(readings())


def test_readings_from_one_epc_a_row() -> None:
    columns = dict(some().columns())
    del columns["tag"]
    made = Readings.from_epc(["aa", "BB", "AA"], **columns)
    assert made.tags == ("AA", "BB")
    assert made.same_as(some())


def test_sameness_is_that_of_bits() -> None:
    assert some().same_as(some(tags=("BB", "AA"), tag=[1, 0, 1]))
    assert not some().same_as(some(tags=("BB", "AA")))
    assert not some(rssi_dbm=[0.0] * 3).same_as(some(rssi_dbm=[-0.0] * 3))
    assert not some().same_as(some(seen_count=[1, 1, 1]))
    assert not some().same_as(some().select([0, 1]))
