"""Nothing is written unless the site turned it on; every write is journalled, and one of unknown outcome stays one."""

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date

import pytest

from sim.ils.folio import INVENTORY_NOTE_TYPE
from stacks.ils import IlsError, Journal, open_ils
from tests.stacks.ils.support import CuttingProxy, emulated, quick_clock, settings

DAY = date(2026, 11, 21)
CAN_MARK = ("koha", "folio")
ALL = ("koha", "folio", "alma", "sip2")


def written(emulator, copy):
    """Return the inventory date that the system has."""
    if copy.notes:
        return copy.notes[0]["note"]
    return copy.inventory_date or (str(copy.last_seen) if copy.last_seen else "")


def test_writes_are_off_unless_turned_on(system, connect):
    ils = connect(system)
    copy = system.stock.copies[0]
    with pytest.raises(IlsError, match=r"not turned it on \(ils.writes"):
        ils.record_inventory(copy.barcode, DAY)
    with pytest.raises(IlsError, match="not turned it on"):
        ils.mark_missing(copy.barcode, "not there")
    assert (copy.version, copy.state, written(system, copy)) == (1, "available", "")
    assert ils.journal.entries() == []
    assert not ils.journal.path.exists()


def test_an_inventory_date_reaches_the_system_and_the_journal(system, connect):
    ils = connect(system, writes=["inventory_date"])
    copy = system.stock.copies[0]
    ils.record_inventory(copy.barcode, DAY)
    assert "2026-11-21" in written(system, copy)
    assert (copy.state, copy.title) == ("available", "红楼梦 第一册")
    [entry] = ils.journal.entries()
    assert (entry.what, entry.barcode, entry.value, entry.outcome) == (
        "inventory_date",
        copy.barcode,
        "2026-11-21",
        "done",
    )
    assert entry.at <= entry.settled_at
    assert ils.item(copy.barcode).status == "available"


@pytest.mark.parametrize("kind", CAN_MARK)
def test_missing_is_marked_where_it_may_be(kind, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator, writes=["missing"])
        copy = emulator.stock.copies[0]
        ils.mark_missing(copy.barcode, "three nights")
        assert copy.state == "missing"
        assert ils.item(copy.barcode).status == "missing"
        lent = emulator.stock.copies[1]
        emulator.stock.lend(lent.barcode)
        with pytest.raises(IlsError, match=r"on loan|Checked out"):
            ils.mark_missing(lent.barcode, "three nights")
        assert lent.state == "loaned"
        assert [e.outcome for e in ils.journal.entries()] == ["done", "failed"]


@pytest.mark.parametrize("kind", ["alma", "sip2"])
def test_what_a_system_cannot_be_told_is_refused_when_it_is_opened(kind, tmp_path):
    with emulated(kind) as emulator, pytest.raises(IlsError, match="cannot be told missing"):
        open_ils(settings(emulator, tmp_path, writes=["missing"]))


def test_an_unknown_barcode_is_a_failed_write(system, connect):
    ils = connect(system, writes=["inventory_date"])
    with pytest.raises(IlsError):
        ils.record_inventory("999", DAY)
    assert [e.outcome for e in ils.journal.entries()] == ["failed"]


@pytest.mark.parametrize("kind", ALL)
def test_a_write_whose_answer_is_lost_is_unknown_and_never_sent_again_by_itself(kind, tmp_path):
    begins = {"sip2": b"\r19", "koha": b"PUT ", "folio": b"PUT ", "alma": b"PUT "}[kind]
    with emulated(kind) as emulator:
        begins = b"19" if kind == "sip2" else begins
        port = emulator.port if kind == "sip2" else int(emulator.address.rpartition(":")[2])
        with CuttingProxy(port, b"" if kind == "sip2" else begins) as proxy:
            given = settings(emulator, tmp_path, writes=["inventory_date"])
            given |= {"port": proxy.port} if kind == "sip2" else {"url": f"http://127.0.0.1:{proxy.port}"}
            if kind == "alma":  # its links name its own address
                emulator._port = proxy.port
            with open_ils(given, quick_clock()) as ils:
                copy = emulator.stock.copies[0]
                assert ils.item(copy.barcode) is not None
                proxy.cut_at = begins
                with pytest.raises(IlsError) as raised:
                    ils.record_inventory(copy.barcode, DAY)
                assert raised.value.maybe_done
                assert proxy.cut.is_set()
                assert "2026-11-21" in written(emulator, copy), "the system did it, and we cannot know"
                [entry] = ils.journal.entries()
                assert entry.outcome == "unknown"
                version = copy.version
                proxy.cut_at = b""
                with pytest.raises(IlsError, match=rf"unknown outcome.*--settle {entry.id}"):
                    ils.record_inventory(copy.barcode, DAY)
                assert copy.version == version
                assert len(ils.journal.entries()) == 1
                ils.journal.end(entry.id, "failed", "looked")
                ils.record_inventory(copy.barcode, DAY)
                assert [e.outcome for e in ils.journal.entries()] == ["failed", "done"]


def test_a_program_that_is_killed_while_writing_leaves_an_unknown_write(tmp_path):
    """The journal is on disk before the request is: the kill comes while the server thinks about it."""
    with emulated("koha") as emulator:
        emulator.trouble.delay_s = 60.0
        emulator.trouble.add("slow", method="PUT")
        given = settings(emulator, tmp_path, writes=["missing"])
        code = f"from stacks.ils import open_ils\nopen_ils({given!r}).mark_missing('31822000000', 'gone')"
        child = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        while emulator.trouble.count("PUT") == 0:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        [entry] = Journal(given["journal"]).entries()
        assert (entry.outcome, entry.barcode, entry.settled_at) == ("unknown", "31822000000", None)
        with open_ils(given) as ils, pytest.raises(IlsError, match="unknown outcome"):
            ils.mark_missing("31822000000", "gone")


def test_the_journal_is_only_ever_added_to(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    number = journal.begin("koha", "missing", "1", "note")
    journal.end(number, "done", "ok")
    with sqlite3.connect(journal.path) as db:
        for sql in ("UPDATE steps SET step = 'failed'", "DELETE FROM steps"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
                db.execute(sql)
    db.close()
    assert [e.outcome for e in Journal(journal.path).entries()] == ["done"]
    with pytest.raises(IlsError, match="has no write 99"):
        journal.end(99, "done")


def test_without_a_journal_nothing_is_written(connect, tmp_path):
    with emulated("koha") as emulator:
        (tmp_path / "spoiled").write_bytes(
            b"this is no database at all, but long enough to be looked at" * 20
        )
        ils = connect(emulator, writes=["missing"], journal=str(tmp_path / "spoiled"))
        with pytest.raises(IlsError, match="nothing is written back without it"):
            ils.mark_missing(emulator.stock.copies[0].barcode, "")
        assert emulator.stock.copies[0].state == "available"


def test_permissions_that_are_missing_are_said(connect):
    with emulated("koha") as emulator:
        emulator.permissions.discard("edit_items")
        ils = connect(emulator, writes=["missing"])
        with pytest.raises(IlsError, match="give the account the permission"):
            ils.mark_missing(emulator.stock.copies[0].barcode, "")
        assert [e.outcome for e in ils.journal.entries()] == ["failed"]
    with emulated("folio") as emulator:
        emulator.permissions.discard("inventory.items.item.mark-missing.post")
        ils = connect(emulator, writes=["missing"])
        with pytest.raises(IlsError, match="give the account the permission"):
            ils.mark_missing(emulator.stock.copies[0].barcode, "")
        assert emulator.trouble.count("POST /inventory") == 1, "a write is not repeated, whatever the answer"


def test_a_write_is_sent_once_whatever_goes_wrong(connect):
    with emulated("koha") as emulator:
        ils = connect(emulator, writes=["missing"])
        emulator.trouble.add("500", method="PUT")
        with pytest.raises(IlsError) as raised:
            ils.mark_missing(emulator.stock.copies[0].barcode, "")
        assert raised.value.maybe_done
        assert emulator.trouble.count("PUT") == 1
        assert [e.outcome for e in ils.journal.entries()] == ["unknown"]
        emulator.trouble.add("429", method="PUT")
        with pytest.raises(IlsError):
            ils.mark_missing(emulator.stock.copies[1].barcode, "")
        assert [e.outcome for e in ils.journal.entries()] == ["unknown", "failed"]


@pytest.mark.parametrize("kind", CAN_MARK)
def test_a_token_that_ends_between_reading_and_writing_is_renewed(kind, connect):
    with emulated(kind) as emulator:
        ils = connect(emulator, writes=["missing"])
        copy = emulator.stock.copies[0]
        emulator.trouble.add("expire", method={"koha": "PUT", "folio": "POST"}[kind])
        ils.item(copy.barcode)
        if kind == "folio":  # the sign-in is a POST, too, and was the one that made tokens worthless
            emulator.trouble.add("expire", method="POST")
        ils.mark_missing(copy.barcode, "")
        assert copy.state == "missing"
        assert [e.outcome for e in ils.journal.entries()] == ["done"]


def test_koha_loses_no_subfields_by_us(connect):
    with emulated("koha") as emulator:
        copy = emulator.stock.copies[0]
        copy.hidden = "<collection/>"
        ils = connect(emulator, writes=["missing", "inventory_date"])
        with pytest.raises(IlsError, match="extended subfields"):
            ils.record_inventory(copy.barcode, DAY)
        assert (copy.hidden, copy.version) == ("<collection/>", 1)
        brave = connect(emulator, writes=["inventory_date"], clear_extended_subfields=True)
        brave.record_inventory(copy.barcode, DAY)
        assert copy.hidden == ""


def test_kohas_barcode_file_is_an_alternative_to_writing(connect, tmp_path):
    with emulated("koha") as emulator:
        file = tmp_path / "inventory.txt"
        ils = connect(emulator, writes=["inventory_date"], inventory_file=str(file))
        for copy in emulator.stock.copies[:3]:
            ils.record_inventory(copy.barcode, DAY)
        assert file.read_text().split() == [c.barcode for c in emulator.stock.copies[:3]]
        assert emulator.trouble.count("PUT") == 0
        assert {e.outcome for e in ils.journal.entries()} == {"done"}


def test_folio_keeps_one_note_and_what_others_wrote(connect):
    with emulated("folio") as emulator:
        copy = emulator.stock.copies[0]
        copy.notes = [{"itemNoteTypeId": INVENTORY_NOTE_TYPE, "note": "spine torn", "staffOnly": False}]
        ils = connect(emulator, writes=["inventory_date"])
        ils.record_inventory(copy.barcode, DAY)
        ils.record_inventory(copy.barcode, date(2026, 11, 22))
        assert [n["note"] for n in copy.notes] == ["spine torn", "Nightstack inventory: 2026-11-22"]


def test_folio_reads_again_when_somebody_was_faster(connect, monkeypatch):
    with emulated("folio") as emulator:
        copy = emulator.stock.copies[0]
        ils = connect(emulator, writes=["inventory_date"])
        find, left = ils._find, [1]

        def overtaken(barcode):
            found = find(barcode)
            if left and left.pop():
                copy.notes = [
                    {"itemNoteTypeId": INVENTORY_NOTE_TYPE, "note": "meanwhile", "staffOnly": False}
                ]
                emulator.stock.touch(copy)
            return found

        monkeypatch.setattr(ils, "_find", overtaken)
        ils.record_inventory(copy.barcode, DAY)
        assert [n["note"] for n in copy.notes] == ["meanwhile", "Nightstack inventory: 2026-11-21"]


def test_alma_gets_the_whole_item_back(connect):
    with emulated("alma") as emulator:
        copy = emulator.stock.copies[0]
        copy.hidden = "an internal note"
        ils = connect(emulator, writes=["inventory_date"])
        ils.record_inventory(copy.barcode, DAY)
        assert (copy.hidden, copy.barcode, copy.inventory_date) == (
            "an internal note",
            "31822000000",
            "2026-11-21Z",
        )
        emulator.stock.lend(copy.barcode)
        with pytest.raises(IlsError, match="is on loan"):
            ils.record_inventory(copy.barcode, DAY)
