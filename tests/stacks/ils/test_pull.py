"""Items come out of each system as its stock has them: all, those that changed, one, none."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from stacks.ils import IlsError
from tests.stacks.ils.support import emulated, some_holdings

#: What a system cannot tell apart. Koha has no word for a claimed return (lost, by its default values), and tells
#: a wait at the desk or a transit only where a reader holds the copy; SIP2 says "other" of a withdrawn one.
BLURRED = {
    "koha": {"claimed_returned": "lost"},
    "alma": {"withdrawn": "in_process"},
    "sip2": {"withdrawn": "in_process"},
}


def everything(ils, emulator, since=None):
    pages = ils.items(since) if ils.lists else ils.items_of([c.barcode for c in emulator.stock])
    return {item.barcode: item for page in pages for item in page}


def holdings_with_holds():
    """Give each copy that waits or travels a reader, as systems that know holds only see it so."""
    return [
        replace(row, extra={"loans": "3", "requests": "1"})
        if row.status in ("on_hold", "in_transit")
        else row
        for row in some_holdings()
    ]


@pytest.mark.parametrize("kind", ["koha", "folio", "alma", "sip2"])
def test_a_pull_gives_every_copy_as_the_system_has_it(kind, connect):
    rows = holdings_with_holds()
    with emulated(kind, rows) as emulator:
        ils = connect(emulator)
        found = everything(ils, emulator)
        assert sorted(found) == sorted(row.barcode for row in rows)
        for row in rows:
            item = found[row.barcode]
            assert item.title == row.title
            assert item.home_location == row.home_location
            assert item.status == BLURRED.get(kind, {}).get(row.status, row.status)
            waiting = int(row.extra["requests"])
            assert item.requests == (min(waiting, 1) if kind == "alma" else waiting)
            if kind != "sip2":
                assert (item.call_number, item.scheme) == (row.call_number, row.scheme)
        assert ils.notes == []


@pytest.mark.parametrize("system", ["koha", "folio", "alma"], indirect=True)
def test_changes_since_a_time_are_told_and_the_rest_is_not(system, connect):
    ils = connect(system)
    before = everything(ils, system)
    barcode = next(b for b, item in before.items() if item.status == "available")
    system.stock.lend(barcode)
    since = datetime(2026, 11, 1, tzinfo=UTC)
    changed = everything(ils, system, since)
    assert changed[barcode].status == "loaned"
    if ils.kind != "alma":  # which cannot tell, and gives all
        assert set(changed) == {barcode}
        assert changed[barcode].updated_at > since
        assert everything(ils, system, datetime(2027, 1, 1, tzinfo=UTC)) == {}


def test_one_item_is_asked_for_as_it_is_now(system, connect):
    ils = connect(system)
    barcode = system.stock.copies[0].barcode
    assert ils.item(barcode).status == "available"
    system.stock.lend(barcode)
    assert ils.item(barcode).status == "loaned"
    system.stock.give_back(barcode)
    system.stock.put(barcode, "missing")
    item = ils.item(barcode)
    assert (item.barcode, item.status, item.title) == (barcode, "missing", "红楼梦 第一册")


def test_an_unknown_barcode_is_none_and_no_error(system, connect):
    ils = connect(system)
    for barcode in ("999", 'x"y*', "无此书"):
        assert ils.item(barcode) is None


@pytest.mark.parametrize("system", ["koha", "folio"], indirect=True)
def test_the_last_loan_is_the_last_activity(system, connect):
    ils = connect(system)
    barcode = system.stock.copies[0].barcode
    system.stock.lend(barcode)
    system.stock.give_back(barcode)
    item = ils.item(barcode)
    assert item.last_activity.date() == system.stock.copies[0].last_seen.date()


def test_an_inventory_date_of_ours_is_no_readers_doing(connect):
    """Koha keeps both in one field: what we wrote must not look like a loan of last night."""
    with emulated("koha") as emulator:
        ils = connect(emulator, writes=["inventory_date"])
        barcode = emulator.stock.copies[0].barcode
        ils.record_inventory(barcode, datetime(2026, 11, 21, 2, 30, tzinfo=UTC))
        assert emulator.stock.copies[0].last_seen == datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
        assert everything(ils, emulator)[barcode].last_activity is None
        ils.record_inventory(barcode, date(2026, 11, 22))
        assert emulator.stock.copies[0].last_seen.date() == date(2026, 11, 22)
        assert ils.item(barcode).last_activity is None
        emulator.stock.lend(barcode)
        assert ils.item(barcode).last_activity == emulator.stock.copies[0].last_seen


def test_sip2_says_that_it_has_no_lists(connect):
    with emulated("sip2") as emulator, pytest.raises(IlsError, match="lists no items; import a file"):
        connect(emulator).items()


def test_alma_without_a_set_says_what_to_do(connect):
    with emulated("alma") as emulator, pytest.raises(IlsError, match="set_id"):
        list(connect(emulator, set_id=None).items())


def test_status_words_of_a_library_are_mapped_by_its_own_table(connect):
    with emulated("folio") as emulator:
        emulator.stock.copies[0].state = "in_process"
        ils = connect(emulator, statuses={"In process": "available"})
        assert ils.item(emulator.stock.copies[0].barcode).status == "available"
    with emulated("koha") as emulator:
        emulator.stock.copies[0].state = "missing"
        ils = connect(emulator, lost={"4": "lost"}, locations={"GEN": "A-1"})
        item = ils.item(emulator.stock.copies[0].barcode)
        assert (item.status, item.home_location, item.raw_status) == ("lost", "A-1", "lost_status=4")
