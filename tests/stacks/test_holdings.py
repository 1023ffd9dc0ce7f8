"""Holdings: columns, rows, what is odd and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.holdings import (
    SCHEMES,
    STATUSES,
    Holding,
    Holdings,
    HoldingsError,
    parse_holdings,
    read_holdings,
    write_holdings,
)

HEADER = "barcode,epc,call_number,scheme,title,home_location,status"
ROW = "31001,e28011,QA76.9 .D3,lcc,Data,A-1-2,available"


def test_a_file_is_read_whatever_its_mark_order_and_quotes(tmp_path: Path) -> None:
    file = tmp_path / "holdings.csv"
    text = (
        "status,title,barcode,epc,scheme,call_number,home_location,owner\r\n"
        'available,"Data, ""and"" more\nin two lines",31001,e28011,lcc,QA76.9 .D3,A-1-2,Main\r\n'
        "\r\n"
        'loaned,书名,31002,,ddc,"813.54 ROW",,Annex\r\n'
    )
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    holdings = read_holdings(tmp_path)
    assert len(holdings) == 2
    assert holdings.notes == ()
    first, second = holdings.rows
    assert first == Holding(
        "31001",
        "E28011",
        "QA76.9 .D3",
        "lcc",
        'Data, "and" more\nin two lines',
        "A-1-2",
        "available",
        {"owner": "Main"},
    )
    assert (second.title, second.epc, second.home_location, second.extra["owner"]) == (
        "书名",
        "",
        "",
        "Annex",
    )
    assert set(holdings.by_epc) == {"E28011"}
    assert holdings.by_barcode["31002"] is second


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ('"bar\ncode",epc\n', "it has bar code, epc"),
        ("barcode,epc\n", "call_number, scheme, title, home_location, status is missing"),
        (f"{HEADER},title\n", "'title' is there twice"),
        (f"{HEADER}\n{ROW}\n{ROW},more\n", r"row 2 \(line 3\): has 8 fields where the header has 7"),
        (f"{HEADER}\n\n{ROW.replace('31001', '')}\n", r"row 1 \(line 3\): barcode"),
        (f"{HEADER}\n{ROW.replace('e28011', 'e2801')}\n", r"row 1 \(line 2\): epc 'e2801'"),
        (f"{HEADER}\n{ROW.replace('e28011', 'xyz1')}\n", r"row 1 \(line 2\): epc"),
        (f"{HEADER}\n{ROW.replace('lcc', 'LCC')}\n", r"row 1 \(line 2\): scheme 'LCC' is none of lcc, ddc"),
        (
            f"{HEADER}\n{ROW}\n{ROW.replace('available', 'on shelf')}\n",
            r"row 2 \(line 3\): status 'on shelf'",
        ),
        (f'{HEADER}\n"31001"x,e28011,a,lcc,b,c,available\n', r"row 1 \(line 2\): is no usable CSV"),
        (f'{HEADER}\n"31001\n', "is no usable CSV"),
        (f"{HEADER}\n{ROW.replace('Data', 'x' * 70_000)}\n", "is no usable CSV"),
    ],
)
def test_a_wrong_file_is_refused_with_its_row(text: str, what: str) -> None:
    with pytest.raises(HoldingsError, match=what) as caught:
        parse_holdings(text, "some.csv")
    assert str(caught.value).startswith("some.csv: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HoldingsError, match="is missing"):
        read_holdings(tmp_path / "holdings.csv")
    (tmp_path / "holdings.csv").write_bytes(f"{HEADER}\n31,E2,a,lcc,Th\xe9,b,lost\n".encode("latin-1"))
    with pytest.raises(HoldingsError, match="not UTF-8"):
        read_holdings(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "holdings.csv").mkdir()
    with pytest.raises(HoldingsError, match="cannot be read"):
        read_holdings(tmp_path / "folder")


def test_what_stands_twice_is_kept_and_said() -> None:
    rows = [
        ROW,
        ROW.replace("31001", "31002"),
        ROW.replace("e28011", "e29000"),
        ROW.replace("31001", "31003").replace("e28011", ""),
    ]
    holdings = parse_holdings("\n".join([HEADER, *rows]))
    assert len(holdings) == 4
    assert holdings.notes == ("barcode 31001 stands 2 times", "EPC E28011 stands 2 times")
    assert [h.barcode for h in holdings.duplicate_epcs["E28011"]] == ["31001", "31002"]
    assert [h.epc for h in holdings.duplicate_barcodes["31001"]] == ["E28011", "E29000"]
    assert holdings.by_epc["E28011"] is holdings.rows[0]
    assert holdings.by_barcode["31001"] is holdings.rows[0]


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


@given(
    rows=st.lists(
        st.builds(
            Holding,
            barcode=st.text("0123456789ABC", min_size=1, max_size=8),
            epc=st.binary(max_size=12).map(lambda b: b.hex().upper()),
            call_number=_TEXT,
            scheme=st.sampled_from(SCHEMES),
            title=_TEXT,
            home_location=_TEXT,
            status=st.sampled_from(STATUSES),
            extra=st.fixed_dictionaries({"owner": _TEXT}),
        ),
        max_size=8,
    )
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_is_written_is_read_again(rows: list[Holding]) -> None:
    holdings = Holdings.of(rows)
    assert parse_holdings(holdings.to_csv()) == holdings


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    holdings = parse_holdings(f"{HEADER}\n{ROW}\n")
    write_holdings(tmp_path / "holdings.csv", holdings)
    assert read_holdings(tmp_path) == holdings
    assert [p.name for p in tmp_path.iterdir()] == ["holdings.csv"]
    with pytest.raises(HoldingsError, match="cannot be written"):
        write_holdings(tmp_path / "nowhere" / "holdings.csv", holdings)


def test_half_a_character_is_refused_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    holdings = parse_holdings(f"{HEADER}\n{ROW}\n")
    write_holdings(tmp_path / "holdings.csv", holdings)
    with pytest.raises(HoldingsError, match="is no text"):
        write_holdings(tmp_path / "holdings.csv", Holdings.of([replace(holdings.rows[0], title="a\ud800")]))
    assert read_holdings(tmp_path) == holdings
    assert [p.name for p in tmp_path.iterdir()] == ["holdings.csv"]


@given(text=st.text(max_size=200))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"{HEADER}\n{text}", f"{HEADER}\n{ROW}\n{text}"):
        try:
            parse_holdings(candidate)
        except HoldingsError as e:
            assert "\n" not in str(e)
