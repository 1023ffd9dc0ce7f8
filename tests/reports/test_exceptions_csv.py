"""exceptions.csv: what is written is read again, and a wrong file is refused with its row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import ExceptionsError, Finding, read_exceptions, write_exceptions


def test_what_is_read_is_what_was_written(tmp_path):
    written = [
        Finding("missing", "", "AA", "B1", "QA1 .A2", "It's, \"a\"\nb", "S", -0.02, "S, last", "", 0.5, "x"),
        Finding("unknown_tag", "", "BB", confidence=1.0, evidence="-"),
    ]  # fmt: skip
    back = read_exceptions(write_exceptions(tmp_path / "e.csv", written))
    assert [replace(f, finding_id="") for f in back] == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind,epc\n", "row 1"),
        ("", "row 1"),
        ("{h}\nmissing,a\n", "row 2: 2 cells"),
        ("{h}\nlost_in_space,,,,,,,,,1,\n", "row 2: kind 'lost_in_space'"),
        ("{h}\nmissing,,,,,,x,,,1,\n", "row 2: offset_m 'x'"),
        ("{h}\nmissing,,,,,,1,,,nan,\n", "row 2: confidence 'nan'"),
        ("{h}\nmissing,,,,,,1,,,1.5,\n", "row 2: confidence 1.5"),
        ('{h}\n"missing', "not a CSV file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_row(tmp_path, text, said):
    head = "kind,epc,barcode,call_number,title,shelf_id,offset_m,belongs,move_id,confidence,evidence"
    path = tmp_path / "exceptions.csv"
    path.write_text(text.replace("{h}", head))
    with pytest.raises(ExceptionsError, match=r"exceptions\.csv") as error:
        read_exceptions(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(ExceptionsError, match="no such file"):
        read_exceptions(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExceptionsError, match="UTF-8"):
        read_exceptions(tmp_path / "bytes.csv")
