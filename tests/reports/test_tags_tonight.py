"""Tags that no record knows, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from recording import AntennaMount, RunInfo
from reports.night import judge_night
from reports.report import make_report
from stacks.holdings import Holdings
from stacks.tag_data import Gs1Epc, TagContents, UniversityEpc, encode_fixed, encode_uii, identify

OWN, OTHER = "DE-705", "DE-18"


def uii(item: str, owner: str = OWN, **more: int) -> str:
    return encode_uii(item, owner, **more)[1].hex().upper()


def retag(library, old: str, new: str, record: str | None = None) -> str:
    """Give the book with tag `old` the tag `new`; its record gets `record`, or stays."""
    library.stands[new] = library.stands.pop(old)
    if record is not None:
        library.change(old, epc=record)
    return new


def barcode_of(library, epc: str) -> str:
    return next(h.barcode for h in library.rows if h.epc == epc)


def test_a_copy_whose_record_has_no_tag_is_known_by_the_barcode_it_carries(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    new = retag(library, epc, uii(barcode), record="")
    assert library.findings() == []
    library.insert(new, "A-03-1", None)
    (line,) = library.findings()
    assert (line.kind, line.barcode, line.shelf_id) == ("wrong_shelf", barcode, "A-03-1")


def test_a_copy_with_another_tag_than_its_record_says_is_not_missing_and_said(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    new = retag(library, epc, uii(barcode))
    (line,) = library.findings()
    assert (line.kind, line.epc, line.barcode, line.shelf_id) == ("unknown_tag", new, barcode, "A-01-3")
    assert f"carries the barcode {barcode}" in line.evidence
    assert epc in line.evidence


def test_a_second_tag_beside_a_copys_own_is_said(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    library.strangers[uii(barcode)] = ("A-02-2", 1.2)
    (line,) = library.findings()
    assert (line.kind, line.barcode, line.shelf_id) == ("unknown_tag", "", "A-02-2")
    assert f"carries the barcode {barcode}, whose own tag was heard as well" in line.evidence


def test_a_foreign_librarys_book_is_said_and_never_taken_for_our_copy(library):
    barcode = barcode_of(library, library.on("A-01-3")[4])
    library.strangers[uii(barcode, OTHER)] = ("A-02-2", 1.2)
    (line,) = library.findings(owners=[OWN])
    assert (line.kind, line.barcode) == ("unknown_tag", "")
    assert f"It belongs to {OTHER}, where it is {barcode}." in line.evidence


def test_the_librarys_own_name_is_learnt_from_the_tags_of_its_records(library):
    for epc in library.on("A-01-3"):
        retag(library, epc, new := uii(barcode_of(library, epc)), record=new)
    library.strangers[uii("X0815", OTHER)] = ("A-02-2", 1.2)
    library.strangers[uii("X0816")] = ("A-02-2", 1.3)
    foreign, ours = library.findings()
    assert f"It belongs to {OTHER}" in foreign.evidence
    assert "It says that it is X0816 of DE-705." in ours.evidence


def test_two_copies_with_one_barcode_are_not_told_apart_by_a_tag(library):
    one, other = library.on("A-01-3")[4], library.on("A-02-1")[2]
    barcode = barcode_of(library, one)
    library.change(other, barcode=barcode, epc="")
    retag(library, one, new := uii(barcode), record="")
    library.stands.pop(other)
    assert [(f.kind, f.epc) for f in library.findings()] == [("unknown_tag", new)]


def test_an_hf_tag_is_known_by_its_memory(library):
    epc = library.on("A-01-3")[4]
    barcode, uid = barcode_of(library, epc), "E004015306A22D70"
    retag(library, epc, uid, record="")
    assert [f.kind for f in library.findings()] == ["unknown_tag"]
    said = {uid: identify(uid, memory=encode_fixed(barcode, OWN))}
    assert library.findings(contents=said) == []


@pytest.mark.parametrize(
    ("memory", "kind", "words"),
    [
        (bytes(112), "blank_tag", "its memory is empty"),
        (encode_fixed("1", OWN)[:-1] + b"\1", "unknown_tag", "It says that it is 1 of DE-705"),
        (encode_fixed("1", OWN).replace(b"705", b"706"), "unknown_tag", "its checksum is wrong"),
        (b"\xe1\x40" * 10, "unknown_tag", "no copy in the catalogue carries this tag."),
        (b"\x06\x99" * 10, "unknown_tag", "no copy in the catalogue carries this tag."),
    ],
)
def test_what_is_wrong_with_an_hf_tag_is_said(library, memory, kind, words):
    uid = "E004015306A22D70"
    library.strangers[uid] = ("A-02-2", 1.2)
    (line,) = library.findings(contents={uid: identify(uid, memory=memory)})
    assert (line.kind, line.epc) == (kind, uid)
    assert words in line.evidence


def test_further_parts_of_an_item_are_no_trouble(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    retag(library, epc, uii(barcode, parts=3, part=1), record="")
    library.strangers[uii(barcode, parts=3, part=2)] = ("A-01-3", 0.3)
    library.strangers[uii(barcode, parts=3, part=3)] = ("A-01-3", 0.31)
    assert library.findings() == []


def test_serials_of_gs1_are_barcodes_only_where_most_of_a_kind_are(library):
    shelf = library.on("A-01-3")
    for n, epc in enumerate(shelf):
        library.change(epc, barcode=f"{40000 + n}", epc="")
        retag(library, epc, Gs1Epc("grai", "0614141", "12345", 40000 + n).to_bytes().hex().upper())
    assert library.findings() == []
    # A visitor's goods: one of many numbers of that kind happens to be a barcode.
    other = library.on("A-02-3")[0]
    library.change(other, barcode="50000", epc="", status="loaned")
    library.stands.pop(other)
    for n in range(5):
        visitor = Gs1Epc("sgtin", "4012345", "098765", 50000 + n).to_bytes().hex().upper()
        library.strangers[visitor] = ("A-02-3", 1.0 + 0.03 * n)
    assert [f.kind for f in library.findings()] == ["unknown_tag"] * 5


def test_a_numbers_zeros_at_its_front_may_be_lost(library):
    epc = library.on("A-01-3")[4]
    library.change(epc, barcode="0030001234567", epc="")
    retag(library, epc, "000000000000030001234567")
    assert library.findings() == []


def test_a_library_whose_records_have_no_tags_still_misses_its_books(library):
    for epc in [e for shelf in library.plan.walking_order for e in library.on(shelf.id)]:
        barcode = barcode_of(library, epc)
        retag(library, epc, uii(barcode), record="")
    gone = library.on("A-02-2")[5]
    barcode = identify(gone).item_id
    library.stands.pop(gone)
    (line,) = library.findings()
    assert (line.kind, line.barcode, line.shelf_id) == ("missing", barcode, "A-02-2")
    report = make_report(
        _info(), positions=library.positions(), coverage=library.coverage(), plan=library.plan,
        holdings=library.holdings(),
    )  # fmt: skip
    assert (report.summary.expected, report.summary.expected_heard) == (144, 143)


def test_where_few_copies_without_a_number_carry_their_barcode_none_is_called_missing(library):
    shelf = library.on("A-01-3")
    for n, epc in enumerate(shelf):
        new = uii(barcode_of(library, epc)) if n % 3 == 0 else epc
        retag(library, epc, new, record="")
        if n % 3:
            library.stands.pop(new)
    assert library.findings() == []


def test_a_lending_flag_that_was_set_makes_no_new_tag(library):
    epc = library.on("A-01-3")[4]
    library.change(epc, barcode="32103179")
    here, lent = (UniversityEpc("32103179", lent=flag).to_bytes().hex().upper() for flag in (False, True))
    library.change(epc, epc=lent)
    library.stands[here] = library.stands.pop(epc)
    assert library.findings() == []


def test_security_is_told_of_a_copy_that_its_contents_alone_name(library):
    epc = library.on("A-01-3")[4]
    barcode, uid = barcode_of(library, epc), "E004015306A22D70"
    retag(library, epc, uid, record="")
    said = {uid: identify(uid, memory=encode_fixed(barcode, OWN), afi=0xC2)}
    parts = library.positions(), library.coverage(), library.plan, library.holdings()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    (line,) = judge_night("r", at, *parts, contents=said, security={uid: False}).findings
    assert (line.kind, line.barcode, line.epc) == ("security_off", barcode, uid)


def test_two_nights_of_a_copy_without_a_number_are_one_story(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    new = retag(library, epc, uii(barcode), record="")
    library.insert(new, "A-03-1", None)
    memory, ids = None, []
    for day in (1, 2, 3):
        parts = library.positions(), library.coverage(), library.plan, library.holdings()
        night = judge_night(f"r{day}", datetime(2026, 1, day, tzinfo=UTC), *parts, memory=memory)
        memory = night.memory
        ids.append([(f.finding_id, f.kind) for f in night.findings])
    assert len(ids[0]) == 1
    assert ids[0] == ids[1] == ids[2]


def test_without_a_catalogue_nothing_is_asked_of_tags(library):
    library.strangers[uii("X")] = ("A-02-2", 1.2)
    library.rows = []
    assert [f.kind for f in library.findings()] == []
    assert len(Holdings()) == 0


def _info() -> RunInfo:
    mount = AntennaMount(1, "uhf", 1, "gen2", (0.0, -0.3, 0.5), (-90.0, 0.0))
    return RunInfo("r", "Test", datetime(2026, 1, 1, tzinfo=UTC), "r2", (mount,))


def hf_library(library, unread: Collection[int] = (), owner: str = OWN) -> dict[str, TagContents]:
    """Give every book an HF tag that no record knows; return what is read of all but some."""
    said: dict[str, TagContents] = {}
    for n, epc in enumerate(e for shelf in library.plan.walking_order for e in library.on(shelf.id)):
        uid, barcode = f"E00401{n:010X}", barcode_of(library, epc)
        retag(library, epc, uid, record="")
        if n not in unread:
            said[uid] = identify(uid, memory=encode_fixed(barcode, owner), afi=0x07)
    return said


def test_an_hf_tag_whose_memory_was_not_read_makes_no_copy_missing_and_is_no_unknown_tag(library):
    said = hf_library(library, unread=range(3, 144, 24))
    assert library.findings(contents=said) == []
    # No tag was left unread on the shelf of the next twelve.
    gone = f"E00401{17:010X}"
    library.stands.pop(gone)
    (line,) = library.findings(contents=said)
    assert (line.kind, line.barcode) == ("missing", said[gone].item_id)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    parts = library.positions(), library.coverage(), library.plan, library.holdings()
    assert judge_night("r", at, *parts, contents=said).unread == 6


def test_a_strange_uid_is_told_where_the_records_know_their_tags(library):
    library.strangers["E004015306A22D70"] = ("A-02-2", 1.2)
    assert [f.kind for f in library.findings(contents={})] == ["unknown_tag"]


def test_a_report_counts_the_copies_that_their_tags_memories_name(library):
    said = hf_library(library)
    parts = {
        "positions": library.positions(), "coverage": library.coverage(), "plan": library.plan,
        "holdings": library.holdings(),
    }  # fmt: skip
    report = make_report(_info(), **parts, contents=said)
    assert (report.summary.expected, report.summary.expected_heard) == (144, 144)
    assert report.findings == ()


def test_a_foreign_book_with_one_of_our_numbers_is_foreign_where_no_record_has_a_tag(library):
    said = hf_library(library)
    uid = library.on("A-01-3")[4]
    barcode = said[uid].item_id
    said[uid] = identify(uid, memory=encode_fixed(barcode, OTHER))
    foreign, gone = library.findings(contents=said)
    assert (foreign.kind, foreign.barcode) == ("unknown_tag", "")
    assert f"It belongs to {OTHER}, where it is {barcode}." in foreign.evidence
    assert (gone.kind, gone.barcode) == ("missing", barcode)


def test_an_isil_is_the_same_in_capitals(library):
    epc = library.on("A-01-3")[4]
    retag(library, epc, uii(barcode_of(library, epc), "US-INU-MU"), record="")
    assert library.findings(owners=["US-InU-Mu"]) == []


def test_a_patrons_card_is_no_book_and_its_number_goes_into_no_report(library):
    epc, uid = library.on("A-01-3")[4], "E004015306A22D70"
    barcode = barcode_of(library, epc)
    library.change(epc, epc="", status="loaned")
    library.stands.pop(epc)
    library.strangers[uid] = ("A-02-2", 1.2)
    for number, owner in ((barcode, OWN), ("P29001", OWN), ("P29001", OTHER)):
        card = identify(uid, memory=encode_fixed(number, owner, usage=8))
        (line,) = library.findings(contents={uid: card}, owners=[OWN])
        assert (line.kind, line.barcode) == ("unknown_tag", "")
        assert "It is a patron's card." in line.evidence
        assert number not in line.evidence


def test_further_parts_of_an_item_whose_record_names_one_are_no_trouble(library):
    epc = library.on("A-01-3")[4]
    barcode = barcode_of(library, epc)
    first, second, third = (uii(barcode, parts=3, part=n) for n in (1, 2, 3))
    at = library.at(epc)
    retag(library, epc, first, record=first)
    library.strangers |= {second: (at[0], at[1] + 0.001), third: (at[0], at[1] + 0.002)}
    assert library.findings() == []
    # Its own tag is silent: another part stands for it, and is not taken for its new tag.
    library.stands.pop(first)
    assert library.findings() == []
    # A second tag of the very part that its record names is one too many.
    library.stands[first] = at
    twin = uii(barcode, parts=3, part=1, afi=0x07) + "0000"
    library.strangers[twin] = (at[0], at[1] + 0.003)
    (line,) = library.findings()
    assert (line.kind, line.epc) == ("unknown_tag", twin)
    assert "whose own tag was heard as well" in line.evidence
