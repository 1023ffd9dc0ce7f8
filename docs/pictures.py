"""Draw the pictures of docs/reports.md anew: pages of the PDF, the mail on a phone, and the page for browsers.

    make pictures

An English night is a demo's (``--demo FOLDER``: one that is there already); the Chinese one is put together below.
Chromium draws the mail and the page; ``--chromium`` names it where it is not on the path.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from PIL import Image

from localization.positions import Positions, read_coverage, read_positions
from recording import AntennaMount, RunInfo, read_recording
from reports import Finding, RunReport, Summary, build_mail, make_report, write_documents
from reports.run_text import R
from reports.text import T
from stacks import read_holdings, read_plan
from stacks.call_numbers import sort_key
from stacks.plan import Plan

IMAGES = Path(__file__).parent / "images"
PHONE, DESK = 390, 1000
COLOURS = 96  # a palette keeps a page under 200 kB

BOOKS = (
    ("红楼梦", "I242.4/55"), ("围城", "I246.5/128"), ("平凡的世界（第二部）", "I247.57/361/2"),
    ("三体Ⅱ：黑暗森林", "I247.55/87/2"), ("中国文学史", "I209/42"), ("唐诗三百首详析", "I222.742/16"),
    ("数据库系统概论（第5版）", "TP311.13/207=5"), ("深入理解计算机系统", "TP3/195"), ("算法导论", "TP301.6/73"),
    ("机器学习", "TP181/256"), ("Python编程：从入门到实践", "TP311.56/342"), ("现代操作系统", "TP316/88"),
    ("无线射频识别（RFID）技术与应用", "TN911.23/61"), ("通信原理", "TN911/30"), ("信号与系统", "TN911.6/22"),
    ("图书馆学基础", "G250/19"), ("中国图书馆分类法（第五版）", "G254.122/7=5"), ("图书馆自动化系统", "G250.7/33"),
)  # fmt: skip


def neighbours(call_number: str) -> tuple[str, str]:
    """Return the call numbers before and after one of `BOOKS` in shelving order."""
    order = sorted((call for _, call in BOOKS), key=lambda call: sort_key("clc", call) or b"")
    at = order.index(call_number)
    return order[at - 1] if at else "", order[at + 1] if at + 1 < len(order) else ""


def chinese_night() -> RunReport:
    """Put together a morning in a Chinese library: every kind of line, a list for 45 minutes, a blocked aisle."""
    shelves = [
        {"id": f"3-A{face}-{bay:02d}-{level}", "bay": f"{bay}", "level": level, "from_m": 0.9 * (bay - 1),
         "to_m": 0.9 * bay, "board_z_m": 0.1 + 0.35 * (level - 1), "clear_m": 0.32}
        for face in (1, 2) for bay in (1, 2, 3) for level in (5, 4, 3, 2, 1)
    ]  # fmt: skip
    faces = [
        {"id": f"A{face}", "origin_m": [0.0, 2.0 * face], "direction_deg": 0.0, "normal_deg": -90.0,
         "length_m": 2.7, "tag_depth_m": 0.1, "shelves": [s for s in shelves if s["id"].startswith(f"3-A{face}")]}
        for face in (1, 2)
    ]  # fmt: skip
    floors = [{"id": "3", "faces": faces}]
    plan = Plan.from_json(
        {"format": "nightstack-plan/1", "site": "城东图书馆", "version": 1, "floors": floors}, "plan"
    )
    rng = np.random.default_rng(4)
    places = [
        (s["id"], x)
        for s in shelves
        for x in np.cumsum(rng.uniform(0.016, 0.045, 26)) + s["from_m"]
        if x < s["to_m"] - 0.05
    ]  # fmt: skip
    positions = Positions.empty(len(places))
    positions.epc[:] = [f"{0x30000000 + i:024X}" for i in range(len(places))]
    positions.shelf_id[:] = [shelf for shelf, _ in places]
    positions.face_id[:] = [shelf[2:4] for shelf, _ in places]
    positions.offset_m[:] = [x for _, x in places]
    on = {s["id"]: [x for shelf, x in places if shelf == s["id"]] for s in shelves}

    def line(
        kind: str,
        book: int,
        shelf: str,
        at: int,
        evidence: str,
        goal: str = "",
        gap: int = 0,
        p: float = 0.98,
    ) -> Finding:
        title, call = BOOKS[book]
        left, right = neighbours(call)
        middle = (on[goal][gap] + on[goal][gap + 1]) / 2 if goal else None
        belongs = T.belongs(goal, left, right) if goal else ""
        return Finding(
            kind, f"f{book}", epc=f"E280{book:020X}", barcode=f"T{3310045 + 7 * book}", call_number=call,
            title=title, shelf_id=shelf, offset_m=on[shelf][at], belongs=belongs, confidence=p,
            evidence=evidence, belongs_shelf_id=goal, belongs_m=middle, move_id="",
        )  # fmt: skip

    a, b, c, d = "3-A1-01-4", "3-A1-02-3", "3-A2-01-5", "3-A2-03-2"
    missing = T.missing(0.97, 31.0, T.missing_place(*neighbours(BOOKS[4][1])))
    silent = T.missing(0.97, 31.0, T.missing_place(*neighbours(BOOKS[7][1])))
    findings = (
        line("wrong_order", 0, a, 3, T.wrong_order(0.31, 9, 0.006), a, 14),
        line("wrong_order", 1, a, 18, T.wrong_order(0.12, 4, 0.007), a, 9, 0.96),
        line("wrong_shelf", 8, a, 21, T.wrong_shelf(c, 52, 0.98), c, 8),
        line("on_shelf_loaned", 2, "3-A1-01-2", 5, T.status("loaned", 44)),
        line("missing", 4, "3-A1-01-2", 11, missing, p=0.91),
        line("wrong_shelf", 15, b, 7, T.wrong_shelf(d, 38, 0.95), d, 3, 0.95),
        line("found", 3, b, 12, T.status("missing", 27)),
        line("wrong_order", 5, "3-A1-03-5", 16, T.wrong_order(0.22, 7, 0.006), "3-A1-03-5", 5),
        line("missing", 7, c, 4, silent + T.heard_earlier(), p=0.84),
        line("wrong_order", 9, c, 12, T.wrong_order(0.15, 5, 0.006), c, 17),
        line("on_shelf_status", 10, c, 15, T.status("on_hold", 61)),
        line("bad_call_number", 12, "3-A2-02-3", 9, T.bad_call_number("TN911.23/?", "clc"), p=0.99),
        line("wrong_shelf", 6, d, 10, T.wrong_shelf(a, 47, 0.97), a, 6, 0.97),
        line("unknown_tag", 13, d, 14, T.unknown_tag(35)),
        Finding("zone_not_scanned", "z1", shelf_id="3-A2-03-1", offset_m=1.8, confidence=1.0, extent_m=0.9,
                evidence=T.zone_evidence(T.part_of_bays(T.face("A2"), T.bays(["3"]), T.levels([1])), 0.9, 23)),
    )  # fmt: skip
    info = RunInfo("chengdong-20261122T140000", "城东图书馆", datetime(2026, 11, 22, 14, 0, tzinfo=UTC), "robot-1",
                   (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),))  # fmt: skip
    summary = Summary(
        copies=12840, expected=11902, expected_heard=11785, tags_heard=len(places), coverage_share=0.987
    )
    days = {
        f"f{n}": info.started_at.date() - timedelta(days=back)
        for n, back in ((4, 3), (7, 9), (12, 2), (15, 1))
    }
    return RunReport(
        info, findings, plan, summary, state="aborted", positions=positions, time_zone="Asia/Shanghai",
        language="zh_CN",
        ended_at=info.started_at + timedelta(hours=6, minutes=20), minutes=43.0, minutes_asked=45.0, first_seen=days,
        backlog={"wrong_order": 210, "wrong_shelf": 64, "missing": 36},
        troubles=(R.event("aisle_blocked", "", 1, ""), R.run_ended("aborted", "")),
        checked_at=info.started_at + timedelta(hours=9),
    )  # fmt: skip


def english_night(demo: Path) -> RunReport:
    """Return a demo's night."""
    night = read_recording(demo / "recording", truth=False)
    return make_report(
        night.info,
        positions=read_positions(demo / "positions.parquet"),
        coverage=read_coverage(demo / "coverage.parquet"),
        plan=read_plan(demo / "library"),
        holdings=read_holdings(demo / "library" / "holdings.csv"),
        ended_at=datetime.fromtimestamp(int(night.poses.t[-1]) / 1e9, UTC),
    )


def draw_pdf(pdf: Path, page: int, name: str, scale: float = 1.35) -> None:
    """Draw one page of a PDF."""
    document = pdfium.PdfDocument(pdf)
    save(document[page].render(scale=scale).to_pil(), name)
    document.close()


def draw_html(chromium: str, html: str, width: int, height: int, name: str, scale: float = 1.5) -> None:
    """Draw the upper part of a page as a screen of this width shows it."""
    with tempfile.TemporaryDirectory() as folder:
        page, frame, shot = (Path(folder) / n for n in ("page.html", "frame.html", "shot.png"))
        page.write_text(html)
        # A window cannot be as narrow as a phone; a frame in it can.
        frame.write_text(
            f'<body style="margin:0"><iframe src="page.html" style="border:0;width:{width}px;height:{height}px"'
            ' scrolling="no"></iframe></body>'
        )
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--screenshot={shot}",
             f"--window-size={max(width, 600)},{height}", f"--force-device-scale-factor={scale}", frame.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        save(Image.open(shot).crop((0, 0, round(width * scale), round(height * scale))), name)


def save(image: Image.Image, name: str) -> None:
    """Write a picture with few colours."""
    out = io.BytesIO()
    image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    (IMAGES / name).write_bytes(out.getvalue())
    print(f"{name}: {len(out.getvalue()) / 1000:.0f} kB, {image.width} x {image.height}")


def main() -> None:
    """Draw them all."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--demo", type=Path, help="folder of a demo; none: one is made")
    options.add_argument(
        "--chromium", default=shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    )
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demo = chosen.demo or Path(folder) / "demo"
        if chosen.demo is None:
            subprocess.run(["nightstack", "demo", "--out", str(demo)], check=True)
        for language, report in (("en", english_night(demo)), ("zh", chinese_night())):
            made = write_documents(report, Path(folder) / language)
            if language == "en":
                draw_pdf(made.pdf, 0, "report.png", 1.25)
                draw_pdf(made.pdf, 1, "sheet-en.png")
            else:
                draw_pdf(made.pdf, 0, "sheet-zh.png")
                draw_pdf(made.picklist, 0, "picklist-zh.png")
                draw_html(chosen.chromium, made.html.read_text(), DESK, 1500, "page-zh.png", 1.2)
            mail = build_mail(report, None, "desk@library.example", "nightstack@library.example")
            body = mail.get_body(("html",))
            assert body is not None
            draw_html(chosen.chromium, body.get_content(), PHONE, 1500, f"mail-{language}.png")


if __name__ == "__main__":
    main()
