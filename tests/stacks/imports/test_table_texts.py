"""In which encoding a table is, and texts that were once read in a wrong one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.holdings import HoldingsError
from stacks.imports import import_holdings
from stacks.imports.encodings import bad_text, sniff_encoding
from tests.stacks.imports.tables import CHINESE, GERMAN, imported, write


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "byte order mark"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "without a mark"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_a_german_export_with_semicolons(tmp_path, encoding, said):
    made = imported(write(tmp_path / "export.csv", GERMAN.encode(encoding)), "constants:scheme=lcc")
    assert [(h.barcode, h.call_number, h.title, h.home_location, h.status) for h in made.holdings] == [
        ("31001", "QA 76.9 .D3", "Bücher; über Käfer", "Lesesaal", "available"),
        ("31002", "QA 77 .A1", "Spaß mit Straßen", "Magazin", "loaned"),
    ]
    notes = "\n".join(made.notes)
    assert said in notes and "semicolons" in notes and "call_number = 'Signatur'" in notes


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_chinese_export_with_tabs(tmp_path, encoding):
    made = imported(write(tmp_path / "export.txt", CHINESE.encode(encoding)), "constants:scheme=clc")
    assert [(h.call_number, h.title, h.status) for h in made.holdings] == [
        ("TP312/123", "程序设计语言基础教程", "available"),
        ("I247.57/9", "红楼梦研究与欣赏", "loaned"),
    ]
    if encoding == "gb18030":
        assert any("GB18030" in note for note in made.notes)


def test_an_encoding_that_cannot_be_told_is_not_guessed(tmp_path):
    file = write(tmp_path / "x.csv", b"barcode,call_number,status\n1,QA 1 \x81\x8d,available\n")
    with pytest.raises(HoldingsError, match="--encoding"):
        imported(file, "constants:scheme=lcc")
    assert (
        imported(file, "constants:scheme=lcc", encoding="latin-1", bad_text="keep").holdings.rows[0].barcode
        == "1"
    )
    with pytest.raises(HoldingsError, match="is no encoding"):
        imported(file, encoding="klingon")


@pytest.mark.parametrize(
    "title",
    [
        "BÃ¼cher",
        "Itâ€™s",
        "ÐŸÑ€Ð¸Ð²ÐµÑ‚",
        "å›¾ä¹¦",
        "lost \ufffd here",
        "锟斤拷",
        "程序设计语言基础".encode().decode("gb18030", "ignore"),
    ],
)
def test_text_once_read_wrong_is_refused_with_its_row(tmp_path, title):
    file = write(
        tmp_path / "x.csv",
        f"barcode,call_number,title,status\n1,QA 1,Good,available\n2,QA 2,{title},available\n",
    )
    with pytest.raises(HoldingsError, match=r"row 2 \(line 3\): title .*wrong encoding"):
        imported(file, "constants:scheme=lcc")
    skipped = imported(file, "constants:scheme=lcc", bad_text="skip", most_bad=0.6)
    assert [h.barcode for h in skipped.holdings] == ["1"] and skipped.left_out_count == 1
    assert len(imported(file, "constants:scheme=lcc", bad_text="keep").holdings) == 2


@pytest.mark.parametrize(
    "good",
    [
        "Viel Spaß“",
        "À la recherche…",
        "CAFÉ»",
        "passé…”",
        "São Paulo",
        "ÄÖÜ – ßàéî",
        "naïve",
        "Œuvres",
        "程序设计",
        "红楼梦研究",
        "Преступление и наказание",
        "Ὀδύσσεια",
        "日本語の本",
        "한국어",
        "Việt Nam",
        "ÃO",
    ],
)
def test_good_texts_are_not_suspected(good):
    assert bad_text(good) is None


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_utf8_read_as_windows_1252_is_seen(text):
    # Words of letters beyond ASCII, as they come out when UTF-8 is taken for Latin-1.
    umlauts = "".join("äöüéèñçßøåæ"[ord(c) % 11] for c in text)
    assert bad_text(umlauts.encode().decode("latin-1")) is not None


def test_any_bytes_are_sniffed_or_refused(tmp_path):
    @given(st.binary(max_size=300))
    @settings(max_examples=200, deadline=None, derandomize=True)
    def check(data):
        file = write(tmp_path / "any.csv", b"barcode,call_number,status,scheme\n" + data)
        try:
            sniff_encoding(file)
            import_holdings(file)
        except HoldingsError as e:
            assert "\n" not in str(e)

    check()
