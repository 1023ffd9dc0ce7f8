"""Names staff read: kinds, sheets, columns and headings, ready for gettext; the sentences are in `text`."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from reports.text import _, plural

KIND_TITLES: dict[str, str] = {
    "wrong_shelf": _("On the wrong shelf"),
    "wrong_order": _("Out of order on its shelf"),
    "wrong_location": _("From another location"),
    "range_moved": _("Range has moved"),
    "found": _("Found: recorded as missing or lost"),
    "on_shelf_loaned": _("On the shelf, but on loan"),
    "on_shelf_status": _("On the shelf with a status that says otherwise"),
    "missing": _("Missing"),
    "dead_tag": _("On the shelf, tag dead"),
    "unknown_tag": _("Tag unknown to the catalogue"),
    "blank_tag": _("Blank tag"),
    "duplicate_tag": _("Duplicate tag"),
    "security_off": _("Security is off"),
    "lying": _("Lying or turned"),
    "bad_call_number": _("Call number cannot be sorted"),
    "low_confidence": _("Doubtful: look again"),
    "zone_not_scanned": _("Not scanned"),
}
"""What each kind is called in headings."""

KIND_ACTIONS: dict[str, str] = {
    "wrong_shelf": _("carry to its shelf"),
    "wrong_order": _("move on this shelf"),
    "wrong_location": _("send to its location"),
    "range_moved": _("correct the shelf's range"),
    "found": _("check in, correct the record"),
    "on_shelf_loaned": _("check in"),
    "on_shelf_status": _("pull and resolve"),
    "missing": _("search"),
    "dead_tag": _("retag"),
    "unknown_tag": _("pull and identify"),
    "blank_tag": _("program the tag"),
    "duplicate_tag": _("retag"),
    "security_off": _("switch security on"),
    "lying": _("set upright"),
    "bad_call_number": _("correct the record"),
    "low_confidence": _("look, or wait for the next run"),
    "zone_not_scanned": _("scan again"),
}
"""What there is to do about each kind, in a few words."""

KIND_SHORT: dict[str, str] = {
    "wrong_shelf": _("Wrong shelf"),
    "wrong_order": _("Out of order"),
    "wrong_location": _("Other location"),
    "range_moved": _("Range moved"),
    "found": _("Found"),
    "on_shelf_loaned": _("On loan"),
    "on_shelf_status": _("Status"),
    "missing": _("Missing"),
    "dead_tag": _("Dead tag"),
    "unknown_tag": _("Unknown tag"),
    "blank_tag": _("Blank tag"),
    "duplicate_tag": _("Duplicate tag"),
    "security_off": _("Security off"),
    "lying": _("Lying"),
    "bad_call_number": _("Call number"),
    "low_confidence": _("Doubtful"),
    "zone_not_scanned": _("Not scanned"),
}
"""Each kind in one or two words, for labels."""


class X:
    """Names of sheets and columns of the spreadsheet."""

    FINDINGS = _("Findings")
    SHELVES = _("Shelves")
    RUN_SHEET = _("Run")
    FINDING_COLUMNS = (
        _("No."),
        _("What"),
        _("To do"),
        _("Title"),
        _("Call number"),
        _("Barcode"),
        _("Floor"),
        _("Face"),
        _("Bay"),
        _("Level"),
        _("Shelf"),
        _("cm from left"),
        _("Belongs"),
        _("Move"),
        _("Sure"),
        _("Evidence"),
        _("Tag"),
        _("Finding"),
    )
    SHELF_COLUMNS = (
        _("Floor"),
        _("Face"),
        _("Bay"),
        _("Level"),
        _("Shelf"),
        _("Expected"),
        _("Heard"),
        _("Read rate"),
    )
    SITE, RUN, ROBOT, WHEN, STATE = _("Site"), _("Run"), _("Robot"), _("When"), _("State")
    COPIES = _("Copies in the catalogue")
    EXPECTED, HEARD = _("Copies expected on the shelves"), _("Expected copies heard")
    TAGS, READINGS = _("Tags heard"), _("Readings")
    SCANNED = _("Share of the shelves scanned")
    TROUBLE, NOTE = _("Trouble"), _("Note")


class P:
    """Headings and column names of the printed page and the mail."""

    TROUBLES = _("How the run went")
    ZONES = _("Not scanned")
    DOUBTS = _("Doubtful")
    DOUBTS_NOTE = _("Not sure enough to send anybody; the next run will tell, or a look in passing.")
    NOTES = _("Notes")
    NOTHING = _("Nothing to put right was found.")
    NOTHING_KNOWN = _("Nothing is known about the shelves from this run.")
    COLUMNS = (_("No."), _("What"), _("Book"), _("Stands"), _("Belongs"), _("Sure"))
    FONT_NOTE = _(
        "Some titles are set in a font of your PDF reader, because the machine that made this report has none for them."
    )

    @staticmethod
    def run(when: str, run_id: str, robot_id: str) -> str:
        return _("{when}   ·   run {run}   ·   robot {robot}").format(when=when, run=run_id, robot=robot_id)

    @staticmethod
    def findings(count: int) -> str:
        return plural(count, _("{n} finding"), _("{n} findings"))

    @staticmethod
    def page(number: int, count: int) -> str:
        return _("Page {n} of {count}").format(n=number, count=count)

    @staticmethod
    def more(count: int) -> str:
        return plural(
            count, _("{n} more is in the attached report."), _("{n} more are in the attached report.")
        )
