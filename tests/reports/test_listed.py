"""Staff's lists: located copies are lines of their own, the others are counted, none is dropped."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from reports.findings import finding_id
from reports.languages import language_or_english
from reports.ledger import Ledger, act, mailed, update
from reports.listed import ListTally, Wanted
from reports.listed_text import file_note
from reports.night import judge_night
from reports.policy import Policy
from reports.worklist import make_worklist
from stacks.staff_lists import ListNote, ListRow, StaffList
from tests.reports.nights import FIRST, Months, epc_of, found

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def judged(library, *lists, **more):
    return judge_night(
        "r1", AT, library.positions(), library.coverage(), library.plan, library.holdings(), lists=lists, **more
    )  # fmt: skip


def of(name, purpose, *rows):
    return StaffList(name, purpose, tuple(r if isinstance(r, ListRow) else ListRow(r) for r in rows))


def about(night, n):
    return [f for f in night.findings if f.barcode == f"B{n:05d}"]


def test_a_listed_copy_on_its_shelf_is_a_line_with_place_neighbours_list_and_note(library):
    night = judged(library, of("Course", "wanted", ListRow("B00005", "for the 9 o'clock class")))
    (f,) = about(night, 5)
    left, right = library.book(4).call_number, library.book(6).call_number
    assert f.kind == "listed" and f.shelf_id == library.at(f.epc)[0] and f.confidence > 0.95
    assert f.offset_m == pytest.approx(library.at(f.epc)[1], abs=0.01)
    assert f.beside == f"between {left} and {right}"
    assert f.belongs == f.belongs_shelf_id == library.at(f.epc)[0], (
        "it belongs on its shelf, whoever waits for it"
    )
    assert f.asked_for == "Course (a reader waits): for the 9 o'clock class"
    assert f"on this shelf, between {left} and {right}." in f.evidence
    assert 'On the list "Course" (a reader waits): for the 9 o\'clock class.' in f.evidence
    assert [x.kind for x in night.findings] == ["listed"]


def test_every_row_of_a_list_is_counted_once(library):
    lent, gone, other = library.book(7), library.book(8), library.book(20)
    for h in (lent, gone):
        library.stands.pop(h.epc)
    library.set_status(lent.epc, "loaned")
    library.p_heard[library.at(other.epc)[0], 0.0, 9.0] = 0.0
    library.stands.pop(other.epc)
    rows = (
        "B00005",
        lent.barcode,
        gone.barcode,
        other.barcode,
        "B99999",
        ListRow("B00006", until=date(2026, 2, 28)),
    )
    night = judged(library, of("Weeding", "weeding", *rows))
    (t,) = night.lists
    assert (t.asked, t.located, t.unplaced, t.silent, t.not_looked, t.expired) == (5, 1, 0, 1, 1, 1)
    assert t.away == {"loaned": 1} and t.unknown == ("B99999",)
    assert t.said == (
        '"Weeding" (weeding): 1 of 5 located, 1 on loan, 2 not heard tonight (1 of them not looked for), '
        "1 not in the catalogue. The catalogue does not know B99999. 1 row is past its last day."
    )
    assert not about(night, 6)


def test_what_must_be_put_right_stays_what_it_is_and_says_that_it_is_listed(library):
    book = library.book(5)
    far = library.plan.walking_order[6].id
    library.insert(book.epc, far, library.on(far)[3])
    library.set_status(library.book(9).epc, "loaned")
    night = judged(library, of("Course", "wanted", "B00005", "B00009"), of("Binding", "binding", "B00005"))
    (moved,) = about(night, 5)
    assert moved.kind == "wrong_shelf" and (moved.lists, moved.purpose) == (("Course", "Binding"), "wanted")
    assert 'On the list "Course"' in moved.evidence and 'On the list "Binding"' in moved.evidence
    (lent,) = about(night, 9)
    assert lent.kind == "on_shelf_loaned" and 'On the list "Course"' in lent.evidence
    assert [t.located for t in night.lists] == [2, 1]


def test_a_doubt_about_a_listed_copy_is_its_line(library):
    book = library.book(5)
    far = library.plan.walking_order[6].id
    library.insert(book.epc, far, library.on(far)[3])
    unsure = Policy(accuse_from=0.9999)
    assert [f.kind for f in about(judged(library, policy=unsure), 5)] == ["low_confidence"]
    (f,) = about(judged(library, of("Course", "search", "B00005"), policy=unsure), 5)
    assert f.kind == "listed" and f.shelf_id == far and "May stand here instead of" in f.evidence


def test_a_missing_copy_that_is_listed_says_so(library):
    library.stands.pop(library.book(5).epc)
    (f,) = about(judged(library, of("Course", "wanted", "B00005")), 5)
    assert f.kind == "missing" and f.purpose == "wanted" and 'On the list "Course"' in f.evidence


def test_without_lists_nothing_is_counted_and_no_copy_is_looked_at():
    assert Wanted((), (), ()).tallies(None, None, None) == ()


def test_of_two_copies_with_one_barcode_either_may_be_located(library):
    first, second = library.book(5), library.book(40)
    library.change(second.epc, barcode=first.barcode)
    library.stands.pop(first.epc)
    (tally,) = judged(library, of("Course", "search", first.barcode)).lists
    assert (tally.asked, tally.located, tally.silent) == (1, 1, 0)


def test_without_lists_nothing_changes(library):
    library.stands.pop(library.book(5).epc)
    assert judged(library).findings == judged(library, of("Empty", "pull", "B99999")).findings


# -- the life of a listed case ---------------------------------------------------------------------------------


def listed(n, lists=("Course",), purpose="wanted", **more):
    return found("listed", n, shelf="A-01-1", p=0.99, lists=lists, purpose=purpose, **more)


def staff(m, n, did):
    m.ledger = act(m.ledger, m.case(n).id, did, who="desk", at=m.now + timedelta(hours=7))


def test_a_search_stays_open_until_staff_say_found_and_does_not_come_back():
    m = Months()
    for _ in range(3):
        m.night(listed(1))
    m.night(b1=("silent", 0.2), on_lists=["b1"])
    m.night(b1=("not_looked",), on_lists=["b1"])
    assert m.case(1).state == "open" and m.case(1).nights == 3 and len(m.ledger) == 1
    staff(m, 1, "found")
    for _ in range(3):
        m.night(listed(1))
    assert (m.case(1).state, m.case(1).resolution) == ("resolved", "found")
    m.night(listed(1, ("Course", "Bindery")))
    assert m.case(1).state == "open", "a further list asks for it again"


@pytest.mark.parametrize(
    ("note", "en", "zh"),
    [
        (ListNote("twice", count=1), "1 row names a barcode that", "1 行"),
        (ListNote("twice", count=2), "2 rows name a barcode that", "2 行"),
        (
            ListNote("no_barcode", 2, 3),
            "row 2 (line 3) has no barcode, and",
            "第 2 行（文件第 3 行）没有条码",
        ),
        (ListNote("no_barcode", 2), "row 2 has no barcode, and", "第 2 行没有条码"),
        (ListNote("fields", 4, 5, 3, 2), "row 4 (line 5) has 3 fields where the header has 2", "3"),
        (ListNote("more", count=1), "and 1 more row like these", "1"),
        (ListNote("said", text="in words."), "in words", "in words"),
    ],
)
def test_what_was_left_out_of_a_file_is_said_in_the_readers_language(note, en, zh):
    tally = ListTally("Course", "wanted", 3, notes=(note,)).said
    assert f"Of the file: {en}" in tally and ".." not in tally
    chinese = language_or_english("zh")(tally)
    assert zh in chinese and ("Of the file" not in chinese and "left out" not in chinese)


@pytest.mark.parametrize(
    ("note", "en", "zh"),
    [
        (
            ListNote("header", 0, 3, text="Weeding 2026"),
            'line 3 was taken for the header; above it stands "Weeding 2026"',
            "表头取自文件第 3 行，其上的内容是“Weeding 2026”",
        ),
        (
            ListNote("header", 4),
            "row 4 was taken for the header; what stands above it is blank",
            "表头取自第 4 行，其上为空行",
        ),
    ],
)
def test_which_row_is_the_header_is_said_of_the_file_and_not_every_morning(note, en, zh):
    assert file_note(note) == en and language_or_english("zh")(file_note(note)) == zh
    tally = ListTally("Course", "wanted", 3, notes=(note, ListNote("more", count=1))).said
    assert "header" not in tally and "and 1 more row" in tally


def test_a_list_of_the_same_name_that_is_put_there_later_asks_again():
    m = Months()
    m.night(listed(1, listed_at=FIRST))
    staff(m, 1, "found")
    m.night(listed(1, listed_at=FIRST))
    m.night(on_lists=())
    assert m.case(1).resolution == "found"
    m.day += 90
    m.night(listed(1, listed_at=m.now - timedelta(days=1)))
    assert m.case(1).state == "open"


def test_names_of_lists_may_hold_anything_and_old_ledgers_are_read():
    m = Months()
    m.night(listed(1, ("Course; part 2",), listed_at=FIRST))
    obj = json.loads(json.dumps(m.ledger.to_json()))
    assert Ledger.from_json(obj) == m.ledger
    staff(m, 1, "found")
    m.night(listed(1, ("Course",)))
    assert m.case(1).state == "open", "another list"
    obj["cases"][0]["finding"] |= {"lists": "Course; Bindery"}
    del obj["cases"][0]["finding"]["listed_at"]
    (old,) = Ledger.from_json(obj).cases.values()
    assert old.finding.lists == ("Course", "Bindery") and old.finding.listed_at is None


def test_a_list_that_is_removed_leaves_no_weight_and_no_words(library):
    home, _ = library.at(library.book(5).epc)
    library.stands.pop(library.book(5).epc)
    away = judged(library, of("Course", "wanted", ListRow("B00005", "for the 9 o'clock class")))
    book = update(Ledger(), away, library.holdings())
    # A night that looked elsewhere, and no list any more.
    library.p_heard[home, 0.0, 9.0] = 0.0
    later = judge_night(
        "r2", AT + timedelta(days=1), library.positions(), library.coverage(), library.plan, library.holdings()
    )  # fmt: skip
    assert not about(later, 5)
    before, after = (of_b5(b).finding for b in (book, update(book, later, library.holdings())))
    assert (before.kind, before.lists, before.purpose) == ("missing", ("Course",), "wanted")
    assert (after.kind, after.lists, after.purpose, after.listed_at) == ("missing", (), "", None)
    assert after.evidence and before.evidence.startswith(after.evidence)
    assert "Course" in before.evidence and "Course" not in after.evidence


def of_b5(ledger):
    return next(c for c in ledger.cases.values() if c.finding.barcode == "B00005")


def test_it_closes_when_the_list_is_removed_or_the_copy_is_lent():
    m = Months()
    m.night(listed(1), listed(2))
    m.set_status(2, "loaned")
    m.night(on_lists=["b2"])
    assert [m.case(n).resolution for n in (1, 2)] == ["no_longer_expected"] * 2
    assert "no list named it" in m.case(1).history[-1].why
    m.night(listed(1))
    assert m.case(1).state == "open"


def test_of_a_lost_copy_the_search_goes_on():
    m = Months()
    m.night(listed(1, purpose="reported_missing"))
    m.set_status(1, "missing")
    m.night(on_lists=["b1"])
    assert m.case(1).state == "open"


def test_a_misplaced_copy_that_is_put_right_is_still_to_be_fetched():
    m = Months()
    m.night(found("wrong_shelf", 1, lists=("Course",), purpose="wanted"))
    assert m.case(1).finding.kind == "wrong_shelf"
    m.night(listed(1))
    assert (m.case(1).state, m.case(1).finding.kind) == ("open", "listed")
    m.night(found("wrong_shelf", 1, lists=("Course",), purpose="wanted"))
    staff(m, 1, "reshelved")
    m.night(listed(1))
    assert (m.case(1).state, m.case(1).finding.kind) == ("open", "listed")


def test_a_claim_that_is_doubted_tonight_does_not_become_a_list_line():
    m = Months()
    m.night(found("wrong_shelf", 1))
    m.night(listed(1), b1=("unsure", 0.6, "A-02-1"))
    assert m.case(1).finding.kind == "wrong_shelf"


def test_a_reader_who_waits_goes_before_weeding(library):
    m = Months()
    shelf = library.plan.walking_order[0].id
    rows = []
    for n, purpose in ((1, "weeding"), (2, "wanted")):
        rows.append(found("listed", n, shelf=shelf, at=0.2, purpose=purpose, lists=(purpose,)))
    m.night(*rows)
    work = make_worklist(m.ledger.open, library.plan, library.holdings(), minutes=0.6)
    assert [f.purpose for f in work.findings] == ["wanted"] and work.backlog == {"listed": 1}


def test_a_weak_tag_is_shown_once_and_stays_until_it_is_retagged():
    m = Months()
    weak = found("weak_tag", 1, shelf="A-01-1", p=0.9)
    m.night(weak)
    m.ledger = mailed(m.ledger, [finding_id("weak_tag", "b1")], m.now)
    for _ in range(4):
        m.night()
    m.night(weak)
    (case,) = m.ledger.cases.values()
    assert case.state == "open" and case.quiet and case.nights == 2
    assert make_worklist(m.ledger.open, None, None, minutes=None).quiet == {"weak_tag": 1}
    m.retag(1, "E2FF")
    m.night()
    (case,) = m.ledger.cases.values()
    assert case.resolution == "retagged"


def test_a_weak_tag_that_was_no_trouble_stays_away():
    m = Months()
    weak = found("weak_tag", 1, shelf="A-01-1", p=0.9)
    m.night(weak)
    m.ledger = act(m.ledger, weak.finding_id, "false_alarm", who="desk", at=m.now + timedelta(hours=7))
    m.day += 100
    m.night(weak)
    assert [c.state for c in m.ledger.cases.values()] == ["resolved"]


def test_a_weak_tag_beside_a_misplaced_book_is_a_line_of_its_own():
    m = Months()
    m.night(found("wrong_shelf", 1), found("weak_tag", 1, p=0.9))
    assert sorted(c.finding.kind for c in m.ledger.open) == ["weak_tag", "wrong_shelf"]


def test_security_that_is_off_stays_open_until_it_is_read_again_and_is_on():
    m = Months()
    off = found("security_off", 1, shelf="A-01-1", p=0.99)
    m.night(off)
    for _ in range(4):
        m.night()  # nobody read it
    m.night(secured=[epc_of(2)])
    (case,) = m.ledger.cases.values()
    assert case.state == "open"
    m.night(secured=[epc_of(1)])
    (case,) = m.ledger.cases.values()
    assert (case.state, case.resolution) == ("resolved", "seen_right")
    m.night(off)
    (case,) = m.ledger.cases.values()
    assert case.state == "open"
