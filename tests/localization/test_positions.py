import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localization.positions import (
    Coverage,
    Positions,
    PositionsError,
    read_coverage,
    read_positions,
    write_coverage,
    write_positions,
)


def three() -> Positions:
    blank = Positions.empty(3)
    return dataclasses.replace(
        blank,
        epc=np.array(["E2801100", "E2801101", "E2801102"], object),
        x_m=np.array([1.0, 2.0, np.nan]),
        shelf_id=np.array(["A-1", None, None], object),
        rank=np.array([1, 0, 0]),
        readings=np.array([5, 6, 1]),
        heard_from=np.array([1_700_000_000_123_456_789, 2, 3]),
    )


def test_positions_survive_the_file(tmp_path):
    path = tmp_path / "positions.parquet"
    write_positions(path, three())
    back = read_positions(path)
    for field in dataclasses.fields(Positions):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(three(), field.name))
    stored = pq.read_table(path)
    assert stored.column("x_m").null_count == 1
    assert stored.column("rank").null_count == 2
    assert stored.schema.field("heard_from").type == pa.timestamp("ns", tz="UTC")
    assert stored.schema.metadata[b"format"] == b"nightstack-positions/1"
    assert list(back.placed) == [True, True, False]
    assert list(back.select([2, 0]).readings) == [1, 5]


def test_optional_columns_may_be_missing(tmp_path):
    path = tmp_path / "positions.parquet"
    write_positions(path, three())
    kept = pq.read_table(path).drop_columns(["alt_shelf_id", "p_alt", "heard_from", "rank"])
    pq.write_table(kept, path)
    back = read_positions(path)
    assert np.isnan(back.p_alt).all()
    assert list(back.rank) == [0, 0, 0]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda t: t.drop_columns(["x_m"]), "'x_m' is missing"),
        (lambda t: t.set_column(1, "x_m", pa.array(["a", "b", "c"])), "'x_m' is string"),
        (lambda t: t.replace_schema_metadata({"format": "other/9"}), "other/9"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, spoil, word):
    path = tmp_path / "positions.parquet"
    write_positions(path, three())
    pq.write_table(spoil(pq.read_table(path)), path)
    with pytest.raises(PositionsError, match=word) as caught:
        read_positions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(PositionsError, match="no such file"):
        read_positions(tmp_path / "none.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(PositionsError, match="not a readable Parquet"):
        read_coverage(tmp_path / "broken.parquet")


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(PositionsError, match="differ in length"):
        dataclasses.replace(three(), x_m=np.zeros(2))


def test_coverage_survives_the_file(tmp_path):
    cells = dataclasses.replace(
        Coverage.empty(2),
        face_id=np.array(["A", "A"], object),
        level=np.array([1, 2]),
        from_m=np.array([0.0, 0.1]),
        to_m=np.array([0.1, 0.2]),
        readings=np.array([12.5, 0.0]),
        p_heard=np.array([0.99, 0.0]),
    )
    write_coverage(tmp_path / "coverage.parquet", cells)
    back = read_coverage(tmp_path / "coverage.parquet")
    for field in dataclasses.fields(Coverage):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(cells, field.name))
