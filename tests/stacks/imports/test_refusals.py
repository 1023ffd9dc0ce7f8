"""A file whose rows are wrong is refused as a whole, and everything that is wrong is told at once."""

import pytest

from stacks.errors import HoldingsError
from stacks.imports import RowsError, import_holdings, mapping_of
from tests.stacks.imports.tables import imported, write
from tests.stacks.imports.test_marc import many

HEAD = "barcode,call_number,title,status,epc\n"
WORDS = ("constants:scheme=lcc",)


def refusal(file, *options, **more):
    with pytest.raises(RowsError) as caught:
        imported(file, *(options or WORDS), **more)
    assert isinstance(caught.value, HoldingsError) and "\n" not in str(caught.value)
    return caught.value


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    rows = (
        "1,QA 1,A,available,E201\n"
        ",QA 2,B,available,E202\n"
        "3,QA 3,C,available,XYZ\n"
        "4,QA 4,BÃ¼cher,available,E204\n"
        "5,QA 5,E,on display,E205\n"
        "6,QA 6\n"
        ",QA 7,G,available,nix\n"
        "8,QA 8,H,gone,E208\n"
        "9,QA 9,I,on display,E209\n"
    )
    error = refusal(write(tmp_path / "x.csv", HEAD + rows))
    found = {group.kind: group for group in error.groups}
    assert {kind: group.count for kind, group in found.items()} == {
        "fields": 1, "no_barcode": 2, "epc": 2, "wrong_encoding": 1, "status": 3,
    }  # fmt: skip
    assert [(e.row, e.line) for e in found["no_barcode"].examples] == [(2, 3), (7, 8)]
    assert [(e.row, e.line) for e in found["epc"].examples] == [(3, 4), (7, 8)]
    assert "'XYZ'" in found["epc"].examples[0].said
    assert "2 fields" in found["fields"].examples[0].said and found["fields"].examples[0].row == 6
    assert "Ã¼" in found["wrong_encoding"].examples[0].said
    said = [(e.row, e.said) for e in found["status"].examples]
    assert said == [(5, "'on display' (2 times)"), (8, "'gone' (1 time)")]
    for what in ("4 of 9 rows", "--most-bad", "--encoding", "'on display' (2 times)", "--status"):
        assert what in str(error)
    assert error.rows == 9


def test_twenty_are_shown_and_every_kind_among_them(tmp_path):
    rows = ",QA 1,A,available,E201\n" * 500 + "2,QA 2,B,available,XYZ\n" * 3 + "3,QA 3\n"
    error = refusal(write(tmp_path / "x.csv", HEAD + rows))
    found = {group.kind: group for group in error.groups}
    shown = {kind: len(group.examples) for kind, group in found.items()}
    assert sum(shown.values()) == 20 and shown["epc"] == 3 and shown["fields"] == 1
    assert [e.row for e in found["no_barcode"].examples] == list(range(1, 17))
    assert found["no_barcode"].count == 500
    made = "\n".join(error.lines())
    assert "484 more" in made and "row 501 (line 502)" in made


def test_rows_that_may_be_left_out_are_no_reason(tmp_path):
    rows = "".join(f"{i},QA {i},A,fine,E2{i:04X}\n" for i in range(300)) + ",QA 1,B,strange,E2\n"
    error = refusal(write(tmp_path / "x.csv", HEAD + rows))
    assert [(group.kind, group.count) for group in error.groups] == [("status", 300)]
    assert [e.said for e in error.groups[0].examples] == ["'fine' (300 times)"]
    made = imported(tmp_path / "x.csv", *WORDS, "statuses:fine=available")
    assert len(made.holdings) == 300 and made.left_out_count == 1


def test_a_column_taken_for_another_ends_with_some_of_its_words(tmp_path):
    rows = "".join(f"{i},QA {i},A,word {i},\n" for i in range(5000))
    error = refusal(write(tmp_path / "x.csv", HEAD + rows))
    (group,) = error.groups
    assert group.count == 5000 and len(group.examples) == 20
    assert "more" in str(error) and len(str(error)) < 1500


def test_wrong_tags_are_told_at_once(tmp_path):
    file = write(tmp_path / "x.csv", HEAD + "1,QA 1,A,available,\n")
    tags = write(tmp_path / "tags.csv", "Tags of today\nbarcode,epc\n1,zz\n2,E2\n3,E\n4\n")
    error = refusal(file, tags=tags)
    assert str(tags) in str(error)
    assert [(g.kind, [e.line for e in g.examples]) for g in error.groups] == [
        ("fields", [6]),
        ("epc", [3, 5]),
    ]


def test_records_of_marc_that_cannot_be_used(tmp_path):
    chunks = many(30)
    chunks[3] = b"00" + chunks[3][2:30] + b"\x1d"
    chunks[9] = b"garbage\x1d"
    error = refusal(write(tmp_path / "x.mrc", b"".join(chunks)), "constants:status=available")
    (group,) = error.groups
    assert [(e.where, e.row) for e in group.examples] == [("record 4", 4), ("record 10", 10)]
    assert any("record 4: " in line for line in error.lines())


def test_memory_does_not_grow_with_what_is_wrong(tmp_path):
    """Ten times as many wrong rows, of every kind, in hardly more memory."""
    import resource
    import subprocess
    import sys

    code = (
        "import resource, sys\n"
        "from stacks.imports import import_holdings, mapping_of, RowsError\n"
        "try: import_holdings(sys.argv[1], mapping_of(constants=['scheme=lcc']))\n"
        "except RowsError as error: print(sum(g.count for g in error.groups), "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    assert resource.RUSAGE_SELF == 0
    used = []
    for count in (30_000, 300_000):
        rows = "".join(
            (f",QA {i},A,s {i},E2\n", f"{i},QA {i},BÃ¼cher,available,E2\n", f"{i},QA {i},A,s {i},X{i}\n", f"{i}\n",
             f"{i},QA {i},A,s {i},E2\n")[i % 5]
            for i in range(count)
        )  # fmt: skip
        file = write(tmp_path / "x.csv", HEAD + rows)
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=120, check=True
        )
        found, kilobytes = map(int, done.stdout.split())
        assert found >= count
        used.append(kilobytes / 1024)
    assert used[1] - used[0] < 40


def test_what_is_wrong_with_the_whole_and_with_rows_is_told_together(tmp_path):
    file = write(tmp_path / "x.csv", "barcode,call_number\n,QA 1\n2,QA 2\n")
    with pytest.raises(HoldingsError) as caught:
        import_holdings(file, mapping_of())
    for what in ("1 of 2 rows", "has no status", "--set scheme=lcc"):
        assert what in str(caught.value)
