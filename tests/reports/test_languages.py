"""Languages: the catalogue is whole, nothing English is left in a Chinese document, and a file adds a language."""

from __future__ import annotations

import io
import json
import re
import string
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from pypdf import PdfReader

from recording import AntennaMount, RunInfo
from reports import build_mail, build_notice, fonts, make_report, write_documents
from reports.findings import KINDS, Finding
from reports.languages import FOLDERS_VARIABLE, LanguageError, language, languages
from reports.layout import lay_out
from reports.phrases import from_json, say, say_n, to_json
from reports.run_text import R
from reports.text import T, several

ROOT = Path(__file__).parents[2]
CHINESE = ROOT / "reports" / "locale" / "zh" / "LC_MESSAGES" / "nightstack.po"
INFO = RunInfo(
    "run-7",
    "城东图书馆",
    datetime(2026, 11, 20, 14, 0, tzinfo=UTC),
    "r-1",
    (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),),
)


def blanks(template):
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.fixture(scope="module")
def catalogue():
    with CHINESE.open("rb") as file:
        return read_po(file, abort_invalid=True)


def extracted():
    """Every template of the code, as the make target takes them."""
    rooms = {"reports": "**.py", "cloud_ingest": "**_text.py"}
    for room, which in rooms.items():
        found = extract_from_dir(
            ROOT / room,
            method_map=[(which, "python")],
            keywords={"say": None, "say_n": (1, 2), "_": None},
        )
        for name, line, message, *_ in found:
            if message:
                yield f"{room}/{name}:{line}", message


def test_every_sentence_of_the_code_has_its_chinese(catalogue):
    known = list(extracted())
    assert len(known) > 200
    missing = []
    for where, message in known:
        first = message if isinstance(message, str) else message[0]
        entry = catalogue.get(first)
        words = None if entry is None else entry.string if isinstance(entry.string, str) else entry.string[0]
        if not words or entry.fuzzy:
            missing.append(f"{where}: {message!r}")
    assert missing == [], "run make translations, and write the Chinese of:\n" + "\n".join(missing)


def test_every_blank_is_filled_in_chinese(catalogue):
    for entry in catalogue:
        if not entry.id:
            continue
        wanted = [blanks(t) for t in ([entry.id] if isinstance(entry.id, str) else entry.id)]
        for said in [entry.string] if isinstance(entry.string, str) else entry.string:
            assert blanks(said) in wanted, entry.id
            assert not said.endswith((".", ",")), entry.id


def test_the_catalogue_that_is_used_is_the_one_that_was_written(catalogue):
    made = io.BytesIO()
    write_mo(made, catalogue)
    assert made.getvalue() == CHINESE.with_suffix(".mo").read_bytes(), "run make translations"


def test_every_character_of_the_chinese_has_a_glyph_that_is_embedded(catalogue):
    if fonts.find_cjk_font() is None:
        pytest.skip("no Chinese TrueType font on this machine: fonts-wqy-microhei or fonts-droid-fallback")
    for entry in [e for e in catalogue if e.id]:
        for said in [entry.string] if isinstance(entry.string, str) else entry.string:
            used = fonts.runs(said)
            assert {font for font, _ in used} <= {"Helvetica", "NightstackWide", "NightstackCJK"}, said
            assert "".join(part for _, part in used) == said


@pytest.fixture
def everything(library):
    """A Chinese reader's morning with a line of every kind, troubles, zones, backlog and dropped lines."""
    library.insert(library.on("A-01-1")[3], "A-03-4", library.on("A-03-4")[5])
    order = library.on("A-02-3")
    library.insert(order[8], "A-02-3", order[1])
    library.insert(order[9], "A-02-3", order[8])
    del library.stands[library.on("A-01-3")[5]]
    library.set_status(library.on("A-01-4")[2], "loaned")
    library.strangers["AB" * 12] = ("A-01-3", 0.4)
    library.p_heard = {("A-02-1", 0.9, 1.8): 0.05}
    for epc in library.on("A-02-1"):
        del library.stands[epc]
    report = make_report(
        INFO,
        positions=library.positions(),
        coverage=library.coverage(),
        plan=library.plan,
        holdings=library.holdings(),
        ended_at=INFO.started_at + timedelta(hours=7),
        state="aborted",
        reason="",
        time_zone="Asia/Shanghai",
        language="zh_CN",
    )
    extra = [
        Finding(kind, f"x{i}", barcode=f"B9{i}", title="围城", call_number="I246.5/128", shelf_id="A-01-4",
                offset_m=0.5, confidence=0.7, evidence=evidence)
        for i, (kind, evidence) in enumerate([
            *((kind, T.unplaced(3)) for kind in KINDS if kind != "zone_not_scanned"),
            ("lying", T.lying(3)), ("duplicate_tag", T.duplicate_epc(2, "B1, B2")),
            ("low_confidence", T.doubtful_order(0.4)),
        ])
    ]  # fmt: skip
    return replace(
        report,
        findings=(*report.findings, *extra),
        troubles=(
            *report.troubles,
            R.no_coverage(),
            *map(gone_for, (None, (35.0, True), (200.0, True), (5.0, False))),
        ),
        first_seen={f.finding_id: date(2026, 11, 18) for f in report.findings[::2]},
        minutes=43.0,
        minutes_asked=45.0,
        backlog={"missing": 1234},
        dropped=(say("It was marked missing and is heard again."),),
        checked_at=INFO.started_at + timedelta(hours=9),
    )


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.skipped, self.lang = [], 0, None

    def handle_starttag(self, tag, attrs):
        self.skipped += tag == "style"
        self.lang = dict(attrs).get("lang", self.lang)
        self.text += [v for k, v in attrs if k in ("aria-label", "title", "alt")]

    def handle_endtag(self, tag):
        self.skipped -= tag == "style"

    def handle_data(self, data):
        if not self.skipped:
            self.text.append(data)


def english_in(text, report):
    """Words of three Latin letters and more that are no data of the library's."""
    names = {"Nightstack", "CST", "LCC", "PDF", "run", "Book", report.info.run_id, report.info.robot_id}
    data = {
        getattr(f, name)
        for f in report.findings
        for name in ("epc", "barcode", "call_number", "title", "finding_id", "move_id")
    }
    for known in sorted(data | names, key=len, reverse=True):
        text = text.replace(known, " ") if known else text
    return re.findall(r"[A-Za-z]{3,}", re.sub(r"\bQA[\d.]+\b|(AB){3,}", " ", text))


def latin_marks_in(text):
    """Where a Latin comma, semicolon, colon or bracket stands beside Chinese."""
    return re.findall(
        r".{0,12}[\u3000-\u9fff\uff00-\uffef] ?[,;:?!(] ?.{0,8}|.{0,8}[,;:!)] ?[\u4e00-\u9fff].{0,8}", text
    )


def test_nothing_english_is_left_in_chinese_documents(everything, tmp_path):
    twice = T.duplicate_epc(2, several(["馆藏一", "馆藏二"]))
    shared = Finding(
        "duplicate_tag", "x99", barcode="B99", title="家", evidence=twice, shelf_id="A-01-4", offset_m=0.6
    )
    moved = [
        replace(f, move_id="m1") if f.kind in ("wrong_order", "wrong_shelf") else f
        for f in everything.findings
    ]
    everything = replace(everything, findings=(*moved, shared), backlog={"missing": 1234, "wrong_order": 2})
    made = write_documents(everything, tmp_path)
    mail = build_mail(everything, made, "desk@library.example", "nightstack@library.example")
    page, body = Words(), Words()
    page.feed(made.html.read_text(encoding="utf-8"))
    body.feed(mail.get_body(("html",)).get_content())
    assert page.lang == body.lang == mail["Content-Language"] == "zh-CN"
    shown = {
        "page": " ".join(page.text),
        "mail": " ".join(body.text),
        "plain": mail.get_body(("plain",)).get_content(),
        "subject": mail["Subject"],
    }
    for file in (made.pdf, made.picklist):
        paper = PdfReader(file)
        assert paper.trailer["/Root"]["/Lang"] == "zh-CN"
        shown[file.name] = " ".join(p.extract_text() for p in paper.pages)
    for sheet in openpyxl.load_workbook(made.xlsx):
        rows = [*sheet.iter_rows(values_only=True)]
        shown[f"sheet {sheet.title}"] = f"{sheet.title} " + " ".join(str(v) for row in rows for v in row if v)
    for name, text in shown.items():
        assert english_in(text, everything) == [], name
        assert latin_marks_in(text) == [], name
    assert "错乱架" in shown["subject"]
    for words in (
        "盘点报告",
        "约需 43 分钟",
        "另有 1,234 条",
        "07:00 已与图书馆系统核对",
        "架面 A",
        "索书号",
    ):
        assert any(words in text for text in shown.values()), words
    for words in ("未扫描区域", "距左端", "机器人没有走完路线。", "11月18日", "新增"):
        assert words in shown["mail"], words


def test_the_same_finding_in_english_and_chinese(everything):
    chinese, english = (lay_out(replace(everything, language=name)) for name in ("zh", "en"))
    assert chinese.when == "2026年11月20日星期五 22:00 至星期六 05:00（CST）"
    assert english.when == "Friday, 20 November 2026, 22:00 to Saturday 05:00 CST"
    order = next(i for i, x in enumerate(english.lines) if x.finding.kind == "wrong_order")
    assert "on the wrong side of its place" in english.lines[order].evidence
    assert "偏离应在位置" in chinese.lines[order].evidence
    assert "之间" in chinese.lines[order].belongs


def test_a_finding_kept_as_json_is_told_in_any_language():
    said = from_json(json.loads(json.dumps(to_json(T.wrong_shelf("A-01", 12, 0.97) + T.perhaps_behind()))))
    assert said == T.wrong_shelf("A-01", 12, 0.97) + T.perhaps_behind()
    assert language("zh")(said).startswith("读到 12 次；在此处而不在 A-01 的概率为 97%。它可能")


POLISH = r"""
msgid ""
msgstr ""
"Language: pl\n"
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\n"

msgid "{n} book"
msgid_plural "{n} books"
msgstr[0] "{n} książka"
msgstr[1] "{n} książki"
msgstr[2] "{n} książek"

msgid "missing"
msgstr "{nobody}"

msgid "{x:.1f}\u00a0cm"
msgstr "{x:.1f} cm"
"""


@pytest.fixture
def polish(tmp_path, monkeypatch):
    folder = tmp_path / "locales" / "pl" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "nightstack.po").write_text(POLISH.replace(r"\u00a0", "\u00a0"), encoding="utf-8")
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "locales"))
    return folder


def test_a_file_adds_a_language(polish):
    pl = language("pl-PL")
    assert languages() == ("en", "pl", "zh")
    books = [pl(say_n("{n} book", "{n} books", n)) for n in (1, 3, 12, 12345)]
    assert [b.replace("\u00a0", " ") for b in books] == [
        "1 książka",
        "3 książki",
        "12 książek",
        "12 345 książek",
    ]
    assert pl(say("{x:.1f}\u00a0cm", x=3.25)) in ("3,2 cm", "3,3 cm")
    assert pl.tag == "pl-PL"
    assert pl("a title") == "a title"


def test_a_wrong_blank_costs_no_mail(polish):
    assert language("pl")(say("missing")) == "missing"
    assert language("pl")(say("not in the file")) == "not in the file"


def test_a_broken_file_and_an_unknown_language_are_said_and_cost_no_mail(polish, everything):
    (polish / "nightstack.po").write_text('msgid "x\nmsgstr', encoding="utf-8")
    for name, words in (("pl_XX", "pl"), ("tlh", "tlh"), ("", "''"), ("../zh", "../zh"), ("zh_TW", "zh_TW")):
        with pytest.raises(LanguageError, match=re.escape(words)) as error:
            language(name)
        assert "\n" not in str(error.value)
    assert lay_out(replace(everything, language="tlh")).title == "Shelf report, 城东图书馆"


def test_notices_in_chinese():
    lines = [say("No stocktake has begun since {when}.", when="2026-11-20"), "plain words"]
    notice = build_notice(
        "城东", say("stocktake {run} failed", run="r7"), lines, "a@b.example", "n@l.example", language="zh"
    )
    assert notice["Subject"] == "城东：盘点 r7 失败"
    assert notice.get_content().startswith("自 2026-11-20 以来没有开始过盘点。\n\nplain words")
    english = build_notice(
        "城东", say("stocktake {run} failed", run="r7"), lines, "a@b.example", "n@l.example"
    )
    assert english["Message-ID"] == notice["Message-ID"]


def gone_for(away):
    return R.event("reader_gone", "r-1", 3, "", away)
