"""Tables of whose security is on, as gates, handhelds and readers export them."""

import pytest

from stacks.errors import HoldingsError
from stacks.security import read_security


def table(tmp_path, text, name="security.csv"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("header", "on", "off"),
    [
        ("security", "on", "off"),
        ("Secured", "yes", "no"),
        ("EAS bit", "1", "0"),
        ("AFI", "07", "C2"),
        ("afi", "0x07", "c2"),
        ("AFI value", "7", "0xC2"),
        ("防盗位", "开", "关"),
        ("gesichert", "ja", "nein"),
    ],
)
def test_words_and_identifiers_say_whether_it_is_on(tmp_path, header, on, off):
    read = read_security(table(tmp_path, f"epc,{header}\ne0040150aa,{on}\nE0040150BB,{off}\n"))
    assert read.by_epc == {"E0040150AA": True, "E0040150BB": False}
    assert read.notes == []


def test_barcodes_are_joined_with_their_tags_and_a_tag_goes_first(tmp_path):
    read = read_security(table(tmp_path, "barcode;tag;eas\nb1;;off\nb2;;on\nb3;E0AA;off\nb4;;\nb9;;on\n"))
    assert read.of_tags(["b1", "b2", "b3", "b4"], ["e001", "", "E0AA", "E0BB"]) == {
        "E001": False,
        "E0AA": False,
    }
    assert read.by_barcode == {"b1": False, "b2": True, "b9": True}
    assert read.notes == ["1 row left out: eas is neither on nor off, such as row 4 (line 5): ''"]


def test_of_a_tag_read_twice_the_last_reading_counts(tmp_path):
    assert read_security(table(tmp_path, "epc,afi\nE0AA,C2\nE0AA,07\n")).by_epc == {"E0AA": True}


def test_a_value_of_another_library_is_left_out_and_said(tmp_path):
    read = read_security(table(tmp_path, "epc,afi\nE0AA,C2\nE0BB,9D\n"))
    assert read.by_epc == {"E0AA": False}
    assert "neither 07 (secured) nor C2 (lent)" in read.notes[0] and "row 2 (line 3): '9D'" in read.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("epc,colour\nE0AA,red\n", "no column is named security, afi or eas (there are epc, colour)"),
        ("title,afi\nBook,07\n", "no column is named epc or barcode"),
        ("epc,afi\nE0AA,9D\n", "row 1 (line 2): '9D' is neither 07"),
        ("epc,afi\n", "says of no copy whether its security is on"),
    ],
)
def test_a_table_that_says_nothing_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(HoldingsError) as error:
        read_security(table(tmp_path, text))
    assert says in str(error.value) and "\n" not in str(error.value) and "security.csv" in str(error.value)
