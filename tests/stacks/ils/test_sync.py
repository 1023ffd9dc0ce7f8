"""The holdings follow the library system, and lose nothing that only they know."""

import json
from dataclasses import replace

import pytest

from sim.ils import Stock
from stacks.holdings import Holdings, read_holdings, write_holdings
from stacks.ils import IlsError
from stacks.ils.sip2.client import _due
from stacks.ils.sync import sync
from tests.stacks.ils.support import emulated, some_holdings


def rows_of(file):
    return {row.barcode: row for row in read_holdings(file)}


def tagged(rows):
    return [
        replace(
            row, epc=f"3085E4A63B2177990000{i:04X}", extra={**row.extra, "tagged": "no", "shelf_mark": "x"}
        )
        for i, row in enumerate(rows)
    ]


def test_a_first_sync_makes_the_file_and_the_next_one_only_changes(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        made = sync(ils, file)
        assert (made.full, made.pulled, len(made.difference.added), made.rows, made.written) == (
            True,
            30,
            30,
            30,
            True,
        )
        rows = rows_of(file)
        assert rows["31822000003"].extra["requests"] == "2"
        assert rows["31822000003"].extra["item_id"] == "4"
        assert rows["31822000003"].extra["loans"] == "3"
        emulator.stock.lend("31822000000")
        before = len(emulator.trouble.seen)
        made = sync(ils, file)
        assert (made.full, made.difference.changed["status"], made.written) == (False, 1, True)
        assert made.pulled < 30
        assert len(emulator.trouble.seen) - before <= 6, "only the changes were asked for"
        assert rows_of(file)["31822000000"].status == "loaned"
        again = sync(ils, file)
        assert (
            again.written,
            again.difference.changed,
            again.difference.added,
            again.difference.removed,
        ) == (False, {}, (), ())


@pytest.mark.parametrize("kind", ["koha", "folio", "alma", "sip2"])
def test_what_only_the_file_knows_is_kept(kind, connect, tmp_path):
    file = tmp_path / "holdings.csv"
    old = [replace(row, status="available", home_location="A-1-1") for row in tagged(some_holdings())]
    write_holdings(file, Holdings.of(old))
    with emulated(kind) as emulator:
        ils = connect(emulator)
        made = sync(ils, file, keep=["home_location"])
        now = rows_of(file)
        for row in old:
            new = now[row.barcode]
            assert (new.epc, new.home_location) == (row.epc, "A-1-1")
            assert (new.extra["tagged"], new.extra["shelf_mark"]) == ("no", "x")
            assert (new.call_number, new.scheme, new.title) == (row.call_number, row.scheme, row.title)
        assert [r.barcode for r in read_holdings(file)] == [r.barcode for r in old], "in the order they had"
        assert {r.status for r in now.values()} > {"available", "loaned"}
        assert made.kept_epcs == 30
        assert made.difference.changed["status"] > 5


def test_a_copy_with_a_new_barcode_keeps_its_tag(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        sync(ils, file)
        first, *rest = read_holdings(file)
        write_holdings(file, Holdings.of([replace(first, epc="AA00"), *rest]))
        copy = emulator.stock.copies[0]
        copy.barcode = "NEW1"
        emulator.stock.touch(copy)
        made = sync(ils, file, full=True)
        now = rows_of(file)
        assert now["NEW1"].epc == "AA00"
        assert first.barcode not in now
        assert (made.difference.added, made.difference.removed) == ((), ())
        assert made.difference.examples["barcode"] == (f"{first.barcode}: '{first.barcode}' -> 'NEW1'",)


def test_two_items_of_one_barcode_are_two_rows(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        sync(ils, file)
        emulator.stock.copies[1].barcode = emulator.stock.copies[0].barcode
        made = sync(ils, file, full=True)
        assert made.rows == 30
        assert any("stands 2 times" in note for note in made.notes)
        assert sync(ils, file, full=True).written is False


def test_a_dry_run_writes_nothing_and_says_what_would_be(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        sync(ils, file)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        emulator.stock.lend("31822000000")
        made = sync(ils, file, dry_run=True)
        assert made.difference.changed["status"] == 1
        assert made.difference.examples["status"] == ("31822000000: 'available' -> 'loaned'",)
        assert made.difference.status_changes == {"available -> loaned": 1}
        assert not made.written
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_catalogue_that_shrinks_too_much_is_not_believed(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    write_holdings(file, Holdings.of(tagged(some_holdings(600))))
    before = file.read_bytes()
    with emulated("koha", some_holdings(560)) as emulator:
        ils = connect(emulator, page_size=500)
        with pytest.raises(IlsError, match=r"40 of 600 copies no more, over 5%.*--allow-loss"):
            sync(ils, file)
        assert file.read_bytes() == before
        made = sync(ils, file, most_loss=0.1)
        assert (len(made.difference.removed), made.rows) == (40, 560)
    with emulated("koha", []) as emulator, pytest.raises(IlsError, match=r"no more|no item at all"):
        sync(connect(emulator), file, full=True)


def test_an_interrupted_pull_loses_nothing(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        sync(ils, file)
        kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        emulator.stock.lend("31822000000")
        pages = []

        def stop(count):
            pages.append(count)
            if len(pages) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sync(ils, file, full=True, progress=stop)
        emulator.trouble.add("500", times=100, method="GET")
        with pytest.raises(IlsError):
            sync(ils, file)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
        emulator.trouble._queue.clear()
        assert sync(ils, file).difference.changed["status"] == 1, "the change is still seen"


def test_a_change_while_a_pull_runs_is_in_the_next_one(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        changed = []

        def meanwhile(count):
            if not changed:  # the first page, with this copy, is read already; later pages carry later times
                changed.append(emulator.stock.lend("31822000000"))
                emulator.stock.lend("31822000028")

        sync(ils, file, progress=meanwhile)
        assert rows_of(file)["31822000000"].status == "available"
        sync(ils, file)
        assert rows_of(file)["31822000000"].status == "loaned"


def test_state_of_another_system_or_none_means_everything(connect, tmp_path):
    file, state = tmp_path / "holdings.csv", tmp_path / "state.json"
    with emulated("koha") as emulator:
        ils = connect(emulator)
        sync(ils, file, state=state)
        assert json.loads(state.read_text())["kind"] == "koha"
        assert not sync(ils, file, state=state).full
        for text in (
            "",
            "[]",
            '{"format": 1}',
            state.read_text().replace("koha", "folio"),
            state.read_text().replace("20", "xx"),
        ):
            state.write_text(text)
            assert sync(ils, file, state=state).full
            assert not sync(ils, file, state=state).full


def test_copies_whose_record_cannot_be_read_stay(connect, tmp_path, monkeypatch):
    import sim.ils.koha as koha

    file = tmp_path / "holdings.csv"
    rows = some_holdings(1200)
    with emulated("koha", rows) as emulator:
        ils = connect(emulator, page_size=500)
        sync(ils, file)
        shown = koha._shown
        monkeypatch.setattr(
            koha, "_shown", lambda c, e: {**shown(c, e), **({"lost_status": "x"} if c.number == 9 else {})}
        )
        made = sync(ils, file, full=True)
        assert made.difference.removed == ()
        assert rows[8].barcode in rows_of(file)
        assert any("could not be read" in note for note in made.notes)


def test_sip2_brings_statuses_of_what_the_file_has(connect, tmp_path):
    file = tmp_path / "holdings.csv"
    write_holdings(file, Holdings.of([*some_holdings(10), replace(some_holdings(1)[0], barcode="NOT-THERE")]))
    with emulated("sip2", some_holdings(10)) as emulator:
        emulator.stock.lend("31822000000")
        made = sync(connect(emulator), file)
        assert rows_of(file)["31822000000"].status == "loaned"
        assert "NOT-THERE" in rows_of(file)
        assert made.notes == ("1 copies of the file are unknown to the system and stay as they are",)


def test_no_empty_file_is_made(connect, tmp_path):
    file = tmp_path / "typo.csv"
    with (
        emulated("sip2", some_holdings(10)) as emulator,
        pytest.raises(IlsError, match="is missing, and sip2 cannot"),
    ):
        sync(connect(emulator), file)
    with emulated("koha", []) as emulator, pytest.raises(IlsError, match="told no item at all"):
        sync(connect(emulator), file)
    assert not file.exists()


@pytest.mark.parametrize(
    ("told", "due"),
    [
        ("20150129    090000", "2015-01-29T09:00:00"),
        ("20150129   Z090000", "2015-01-29T09:00:00Z"),
        ("20150129", "2015-01-29"),
        ("29.1.2015", "29.1.2015"),
        ("", ""),
    ],
)
def test_sip2_due_dates_are_iso_8601(told, due):
    assert _due(told) == due


def test_the_stock_counts_what_the_holdings_say():
    stock = Stock(some_holdings())
    assert [c.loans for c in stock][:4] == [0, 1, 2, 3]
