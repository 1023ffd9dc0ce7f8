"""MARC as other systems write it, made by pymarc or byte by byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymarc import Field, Indicators, MARCReader, Record, Subfield, record_to_xml

from stacks.holdings import HoldingsError
from stacks.imports import Mapped, import_holdings, mapping_of, read_mapping


def field(tag, *pairs, indicators="  "):
    return Field(tag, Indicators(*indicators), [Subfield(code, value) for code, value in pairs])


def record(number, *fields, leader="00000nam a2200000 a 4500"):
    made = Record(leader=leader)
    made.add_field(Field("001", data=f"rec{number}"))
    for one in fields:
        made.add_field(one)
    return made


def raw(tags, encoding, *, coding=" ", wrong_lengths=False):
    """An ISO 2709 record by hand: (tag, indicators, [(code, text)]) or (tag, text)."""
    bodies = []
    for tag, *content in tags:
        if len(content) == 1:
            bodies.append((tag, content[0].encode(encoding) if isinstance(content[0], str) else content[0]))
            continue
        indicators, pairs = content
        data = indicators.encode()
        for code, text in pairs:
            data += b"\x1f" + code.encode() + (text.encode(encoding) if isinstance(text, str) else text)
        bodies.append((tag, data))
    directory, at = b"", 0
    for tag, data in bodies:
        length = len(data) + 1 - (2 if wrong_lengths else 0)
        directory += f"{tag}{length:04d}{at:05d}".encode()
        at += length
    base = 24 + len(directory) + 1
    body = b"".join(data + b"\x1e" for _, data in bodies) + b"\x1d"
    return f"{base + len(body):05d}nam {coding}22{base:05d} i 4500".encode()[:24] + directory + b"\x1e" + body


TITLE = field(
    "245", ("a", "The pragmatic programmer :"), ("b", "from journeyman to master /"), ("c", "A. Hunt.")
)


def test_koha_items(tmp_path):
    def item(*pairs):
        return field("952", *pairs)

    file = tmp_path / "koha.mrc"
    file.write_bytes(
        record(
            1,
            TITLE,
            item(
                ("0", "0"),
                ("1", "0"),
                ("2", "ddc"),
                ("9", "77"),
                ("a", "CPL"),
                ("c", "GEN"),
                ("l", "12"),
                ("o", "005.1 HUN"),
                ("p", "3001"),
                ("s", "2026-01-02"),
            ),
            item(("1", "4"), ("2", "ddc"), ("a", "CPL"), ("o", "005.1 HUN c.2"), ("p", "3002")),
            item(("q", "2026-12-01"), ("2", "ddc"), ("o", "005.1 HUN c.3"), ("p", "3003")),
            item(("0", "1"), ("2", "ddc"), ("o", "005.1 HUN c.4"), ("p", "3004")),
        ).as_marc()
        + record(2, field("245", ("a", "No copies"))).as_marc()
    )
    made = import_holdings(file)
    rows = made.holdings.rows
    assert [(h.barcode, h.call_number, h.scheme, h.home_location, h.status) for h in rows] == [
        ("3001", "005.1 HUN", "ddc", "GEN", "available"),
        ("3002", "005.1 HUN c.2", "ddc", "CPL", "missing"),
        ("3003", "005.1 HUN c.3", "ddc", "", "loaned"),
        ("3004", "005.1 HUN c.4", "ddc", "", "withdrawn"),
    ]
    assert rows[0].title == "The pragmatic programmer : from journeyman to master"
    assert rows[0].extra["item_id"] == "77" and rows[0].extra["loans"] == "12"
    assert rows[0].extra["last_activity"] == "2026-01-02T00:00:00Z"
    assert any("1 of 2 records have no copy" in note for note in made.notes)


@pytest.mark.parametrize(
    ("indicator", "scheme"), [("0", "lcc"), ("1", "ddc"), ("2", "nlm"), ("3", "sudoc"), ("8", "local")]
)
def test_holdings_852_and_their_first_indicator(tmp_path, indicator, scheme):
    file = tmp_path / "x.mrc"
    holdings = field(
        "852",
        ("b", "MAIN"),
        ("c", "stacks"),
        ("k", "REF"),
        ("h", "QA76"),
        ("i", ".H8 1999"),
        ("p", "3001"),
        indicators=indicator + " ",
    )
    file.write_bytes(record(1, TITLE, holdings).as_marc())
    (copy,) = import_holdings(file).holdings
    assert (copy.scheme, copy.call_number, copy.home_location) == (scheme, "REF QA76 .H8 1999", "stacks")


def test_items_876_take_their_call_number_from_the_852_they_are_tied_to(tmp_path):
    file = tmp_path / "x.mrc"
    file.write_bytes(
        record(
            1,
            TITLE,
            field("852", ("8", "1"), ("b", "MAIN"), ("h", "QA76"), ("i", ".A1"), indicators="0 "),
            field("852", ("8", "2"), ("b", "ANNEX"), ("h", "813.5"), ("i", "HUN"), indicators="1 "),
            field("876", ("8", "2.1"), ("a", "i2"), ("p", "3002"), ("j", "Checked out")),
            field("876", ("8", "1.1"), ("a", "i1"), ("p", "3001"), ("l", "desk")),
        ).as_marc()
    )
    rows = import_holdings(file).holdings.rows
    assert [(h.barcode, h.call_number, h.scheme, h.home_location, h.status) for h in rows] == [
        ("3002", "813.5 HUN", "ddc", "ANNEX", "loaned"),
        ("3001", "QA76 .A1", "lcc", "desk", "available"),
    ]


def test_949_and_a_profile_of_ones_own(tmp_path):
    file = tmp_path / "x.mrc"
    file.write_bytes(
        record(1, TITLE, field("949", ("a", "QA1 .A1"), ("i", "3001"), ("l", "main"), ("x", "f"))).as_marc()
    )
    with pytest.raises(HoldingsError, match="no scheme of ours is known for ''"):
        import_holdings(file)
    made = import_holdings(file, mapping_of(schemes=["=lcc"]))
    assert (made.holdings.rows[0].call_number, made.holdings.rows[0].scheme) == ("QA1 .A1", "lcc")
    toml = tmp_path / "m.toml"
    toml.write_text(
        '[set]\nscheme = "lcc"\n[marc]\nstatus = "x"\nhome_location = "l"\n[statuses]\nf = "in_process"\n'
    )
    assert import_holdings(file, read_mapping(toml), profile="949").holdings.rows[0].status == "in_process"
    other = tmp_path / "y.mrc"
    other.write_bytes(record(1, TITLE, field("999", ("a", "QA1 .A1"), ("b", "3001"))).as_marc())
    with pytest.raises(HoldingsError, match=r"none of 852.*they have 999.*--profile"):
        import_holdings(other)
    with pytest.raises(HoldingsError, match="which subfield is the barcode"):
        import_holdings(other, profile="999")
    toml.write_text('[set]\nscheme = "lcc"\n[marc]\nfield = "999"\nbarcode = "b"\ncall_number = "a"\n')
    assert import_holdings(other, read_mapping(toml)).holdings.rows[0].barcode == "3001"


def cnmarc(n, barcodes, *, klass="TP312", mark="123"):
    pairs = [("a", "230001"), *(("b", b) for b in barcodes)]
    if klass:
        pairs.append(("d", klass))
    return [
        ("001", f"0120{n:05d}"),
        ("100", "  ", [("a", "20260101d2025    em y0chiy0120    ea")]),
        ("200", "1 ", [("a", "程序设计语言"), ("e", "基础教程")]),
        ("690", "  ", [("a", "TP311"), ("v", "5")]),
        ("905", "  ", [*pairs, ("e", mark)]),
    ]


@pytest.mark.parametrize(("encoding", "coding"), [("gb18030", " "), ("utf-8", " "), ("utf-8", "a")])
def test_cnmarc_905_in_either_encoding(tmp_path, encoding, coding):
    file = tmp_path / "x.iso"
    file.write_bytes(
        raw(cnmarc(1, ["3001", "3002"]), encoding, coding=coding)
        + b"\r\n"
        + raw(cnmarc(2, ["3003"], klass=""), encoding, coding=coding)
    )
    made = import_holdings(file)
    assert [(h.barcode, h.call_number, h.scheme, h.title) for h in made.holdings] == [
        ("3001", "TP312/123", "clc", "程序设计语言. 基础教程"),
        ("3002", "TP312/123", "clc", "程序设计语言. 基础教程"),
        ("3003", "TP311/123", "clc", "程序设计语言. 基础教程"),
    ]
    assert any(("GB18030" if encoding == "gb18030" else "UTF-8") in note for note in made.notes)


def marc8(title, *, coding=" "):
    return raw(
        [("001", "r1"), ("245", "10", [("a", title)]), ("852", "0 ", [("h", "QA1"), ("p", "3001")])],
        "ascii",
        coding=coding,
    )


def test_marc8_with_its_accents(tmp_path):
    file = tmp_path / "x.mrc"
    file.write_bytes(marc8(b"B\xe8ucher \xe2elan \xb2 \xa1\xe2ozko"))
    made = import_holdings(file)
    assert made.holdings.rows[0].title == "Bücher élan ø Łózko"
    assert any("MARC-8" in note for note in made.notes)


def test_an_encoding_that_is_none_of_these_is_refused_with_its_record(tmp_path):
    file = tmp_path / "x.mrc"
    latin = marc8("Café, Straße und Größe".encode("latin-1"))
    file.write_bytes(latin)
    with pytest.raises(
        HoldingsError, match="record 1: is neither UTF-8 nor MARC-8; name its encoding with --encoding"
    ):
        import_holdings(file)
    assert import_holdings(file, encoding="latin-1").holdings.rows[0].title == "Café, Straße und Größe"
    file.write_bytes(marc8("Café, Straße".encode("latin-1"), coding="a"))
    with pytest.raises(HoldingsError, match="record 1: is not the UTF-8 that its leader says"):
        import_holdings(file)
    file.write_bytes(marc8("BÃ¼cher".encode(), coding="a"))
    with pytest.raises(HoldingsError, match=r"record 1 \(r1\): title has 'Ã¼'"):
        import_holdings(file)


def many(n):
    return [
        record(i, TITLE, field("852", ("h", f"QA{i + 1}"), ("p", f"{3000 + i}"), indicators="0 ")).as_marc()
        for i in range(n)
    ]


def test_broken_records_are_named_and_skipped(tmp_path):
    chunks = many(300)
    chunks[3] = b"00" + chunks[3][2:30] + b"\x1d"
    chunks[7] = chunks[7][:24] + b"\xff" * 12 + chunks[7][36:]
    chunks[9] = b"garbage\x1d"
    chunks[-1] = chunks[-1][:50]
    file = tmp_path / "x.mrc"
    file.write_bytes(b"".join(chunks))
    made = import_holdings(file, most_bad=0.02)
    assert len(made.holdings) == 296 and made.left_out_count == 4
    assert [what.split(":")[0] for what in made.left_out] == [
        "record 4",
        "record 8",
        "record 10",
        "record 300",
    ]
    assert "cut off after 50 bytes; the file ends there" in made.left_out[-1]
    with pytest.raises(HoldingsError, match=r"4 of 300 .*--most-bad"):
        import_holdings(file)


def test_a_record_with_wrong_lengths_is_put_together_again(tmp_path):
    file = tmp_path / "x.iso"
    file.write_bytes(raw(cnmarc(1, ["3001"]), "utf-8", wrong_lengths=True))
    made = import_holdings(file)
    assert made.holdings.rows[0].call_number == "TP312/123"
    assert any("wrong lengths" in note for note in made.notes)


@pytest.mark.parametrize("leader", ["", "00000nam", "     nam a22        4500   more", None])
def test_a_leader_of_marcxml_may_be_anything(tmp_path, leader):
    said = "" if leader is None else f"<leader>{leader}</leader>"
    file = tmp_path / "x.xml"
    file.write_text(
        f'<collection xmlns="http://www.loc.gov/MARC21/slim"><record>{said}'
        '<datafield tag="852" ind1="0" ind2=" "><subfield code="p">B1</subfield>'
        '<subfield code="h">QA76</subfield><subfield code="i">.A5</subfield></datafield></record></collection>'
    )
    assert [(h.barcode, h.call_number) for h in import_holdings(file).holdings] == [("B1", "QA76 .A5")]


def test_marcxml_whole_and_cut_short(tmp_path):
    records = [
        record(
            i, TITLE, field("852", ("h", f"QA{i + 1}"), ("i", ".Ü1"), ("p", f"{3000 + i}"), indicators="0 ")
        )
        for i in range(200)
    ]
    body = b'<?xml version="1.0" encoding="UTF-8"?><collection>' + b"".join(
        record_to_xml(r, namespace=True) for r in records
    )
    file = tmp_path / "x.xml"
    file.write_bytes(body + b"</collection>")
    made = import_holdings(file)
    assert len(made.holdings) == 200 and made.holdings.rows[1].call_number == "QA2 .Ü1"
    file.write_bytes(body[:-40])
    made = import_holdings(file)
    assert len(made.holdings) == 199
    assert "record 200: and all behind it cannot be read" in made.left_out[0]


@pytest.mark.parametrize("xml", [False, True])
@given(
    noise=st.binary(max_size=400) | st.sampled_from([b"<x>", b"</record>", b"<!--"]), at=st.integers(0, 600)
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_bytes_kill_the_import(tmp_path_factory, xml, noise, at):
    file = tmp_path_factory.mktemp("marc") / "x.mrc"
    data = b"".join(many(3))
    if xml:
        data = (
            b"<collection>"
            + b"".join(record_to_xml(r, namespace=True) for r in MARCReader(data))
            + b"</collection>"
        )
    file.write_bytes(data[:at] + noise + data[at:])
    try:
        import_holdings(file, Mapped(), most_bad=1.0, kind="marc", profile="852", bad_text="skip")
    except HoldingsError as e:
        assert "\n" not in str(e)
