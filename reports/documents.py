"""The documents of a run, written whole into one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reports._files import write_atomically
from reports.exceptions_csv import exceptions_csv
from reports.html import page_html
from reports.layout import lay_out
from reports.pdf import pdf_bytes
from reports.pdf_picklist import picklist_bytes
from reports.report import RunReport
from reports.spreadsheet import xlsx_bytes


@dataclass(frozen=True, slots=True)
class Documents:
    """Where the documents of a run are."""

    html: Path
    pdf: Path
    csv: Path
    xlsx: Path
    picklist: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder they are all in."""
        return self.html.parent


def write_documents(report: RunReport, out_dir: str | Path) -> Documents:
    """Write ``report.html``, ``report.pdf``, ``exceptions.csv``, ``report.xlsx`` and ``picklist.pdf``.

    They are in the report's language, but for ``exceptions.csv``, which programs read. The same report gives the
    same bytes. All are made before the first is written, and each appears whole or not at all.

    Parameters
    ----------
    report
        What `make_report` made.
    out_dir
        Made where it is not there.
    """
    folder = Path(out_dir)
    layout = lay_out(report)
    made = {
        "report.html": page_html(report, layout).encode(),
        "report.pdf": pdf_bytes(report, layout),
        "exceptions.csv": exceptions_csv(report.findings),
        "report.xlsx": xlsx_bytes(report, layout),
        "picklist.pdf": picklist_bytes(report, layout),
    }
    folder.mkdir(parents=True, exist_ok=True)
    return Documents(*(write_atomically(folder / name, data) for name, data in made.items()))
