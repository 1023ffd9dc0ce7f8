"""A run to make sheets of, and what is on a sheet as other people's programs read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pypdfium2 as pdfium
from pypdf import PdfReader

from recording import AntennaMount, RunInfo
from reports import make_report

INFO = RunInfo(
    "run-7",
    "North Library",
    datetime(2026, 11, 20, 21, 0, tzinfo=UTC),
    "robot-1",
    (AntennaMount(1, "r", 1, "gen2", (0.0, 0.0, 1.0), (90.0, 0.0)),),
)
MARGIN_MM = 6.0


def report_of(world, **more):
    return make_report(
        INFO,
        positions=world.positions(),
        coverage=world.coverage(),
        plan=world.plan,
        holdings=world.holdings(),
        ended_at=INFO.started_at + timedelta(hours=7),
        **more,
    )


def flat(text):
    return " ".join(text.replace("\u00a0", " ").split())


def pages(path):
    return [flat(page.extract_text()) for page in PdfReader(path).pages]


def ink(path):
    """Where something is printed on each page: left, top, right, bottom in mm, and the share of the page."""
    document = pdfium.PdfDocument(path)
    for page in document:
        dark = np.array(page.render(scale=1.0).to_pil().convert("L")) < 245
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        mm = 25.4 / 72
        yield columns[0] * mm, rows[0] * mm, columns[-1] * mm, rows[-1] * mm, dark.mean()
    document.close()
