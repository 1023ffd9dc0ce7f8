"""Names staff read: kinds, sheets, columns and headings, each in any language; the sentences are in `text`."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from reports.phrases import Said, say, say_n

KIND_TITLES: dict[str, Said] = {
    "wrong_shelf": say("On the wrong shelf"),
    "wrong_order": say("Out of order on its shelf"),
    "wrong_location": say("From another location"),
    "range_moved": say("Range has moved"),
    "found": say("Found: recorded as missing or lost"),
    "on_shelf_loaned": say("On the shelf, but on loan"),
    "on_shelf_status": say("On the shelf with a status that says otherwise"),
    "listed": say("Located: on a staff list"),
    "missing": say("Missing"),
    "dead_tag": say("On the shelf, tag dead"),
    "weak_tag": say("Tag grows weak"),
    "unknown_tag": say("Tag unknown to the catalogue"),
    "blank_tag": say("Blank tag"),
    "duplicate_tag": say("Duplicate tag"),
    "security_off": say("Security is off"),
    "lying": say("Lying or turned"),
    "bad_call_number": say("Call number cannot be sorted"),
    "low_confidence": say("Doubtful: look again"),
    "zone_not_scanned": say("Not scanned"),
}
"""What each kind is called in headings."""

KIND_ACTIONS: dict[str, Said] = {
    "wrong_shelf": say("carry to its shelf"),
    "wrong_order": say("move on this shelf"),
    "wrong_location": say("send to its location"),
    "range_moved": say("correct the shelf's range"),
    "found": say("check in, correct the record"),
    "on_shelf_loaned": say("check in"),
    "on_shelf_status": say("pull and resolve"),
    "listed": say("fetch"),
    "missing": say("search"),
    "dead_tag": say("retag"),
    "weak_tag": say("retag before it falls silent"),
    "unknown_tag": say("pull and identify"),
    "blank_tag": say("program the tag"),
    "duplicate_tag": say("retag"),
    "security_off": say("switch security on"),
    "lying": say("set upright"),
    "bad_call_number": say("correct the record"),
    "low_confidence": say("look, or wait for the next run"),
    "zone_not_scanned": say("scan again"),
}
"""What there is to do about each kind, in a few words."""

KIND_SHORT: dict[str, Said] = {
    "wrong_shelf": say("Wrong shelf"),
    "wrong_order": say("Out of order"),
    "wrong_location": say("Other location"),
    "range_moved": say("Range moved"),
    "found": say("Found"),
    "on_shelf_loaned": say("On loan"),
    "on_shelf_status": say("Status"),
    "listed": say("On a list"),
    "missing": say("Missing"),
    "dead_tag": say("Dead tag"),
    "weak_tag": say("Weak tag"),
    "unknown_tag": say("Unknown tag"),
    "blank_tag": say("Blank tag"),
    "duplicate_tag": say("Duplicate tag"),
    "security_off": say("Security off"),
    "lying": say("Lying"),
    "bad_call_number": say("Call number"),
    "low_confidence": say("Doubtful"),
    "zone_not_scanned": say("Not scanned"),
}
"""Each kind in one or two words, for labels."""


PERHAPS_MISSING = (say("Perhaps missing"), say("look only if a reader asks"))
"""Name and action of a book that was silent too few nights to be searched for."""


class X:
    """Names of sheets and columns of the spreadsheet."""

    FINDINGS = say("Findings")
    SHELVES = say("Shelves")
    RUN_SHEET = say("Run")
    FINDING_COLUMNS = (
        say("No."),
        say("What"),
        say("To do"),
        say("Title"),
        say("Call number"),
        say("Barcode"),
        say("Floor"),
        say("Face"),
        say("Bay"),
        say("Level"),
        say("Shelf"),
        say("cm from left"),
        say("Belongs"),
        say("For"),
        say("Move"),
        say("Sure"),
        say("Known since"),
        say("Evidence"),
        say("Tag"),
        say("Finding"),
    )
    SHELF_COLUMNS = (
        say("Floor"),
        say("Face"),
        say("Bay"),
        say("Level"),
        say("Shelf"),
        say("Expected"),
        say("Heard"),
        say("Read rate"),
        say("On this shelf"),
        say("In order"),
        say("Filled"),
    )
    NIGHTS = say("Nights")
    NIGHT_COLUMNS = (
        say("Night"),
        say("Due to be searched for"),
        say("Misplaced"),
        say("Copies expected on the shelves"),
        say("Expected copies heard"),
        say("Read rate"),
    )
    SITE, RUN, ROBOT, WHEN, STATE = say("Site"), say("Run"), say("Robot"), say("When"), say("State")
    COPIES = say("Copies in the catalogue")
    EXPECTED, HEARD = say("Copies expected on the shelves"), say("Expected copies heard")
    TAGS, READINGS = say("Tags heard"), say("Readings")
    SCANNED = say("Share of the shelves scanned")
    TROUBLE, NOTE = say("Trouble"), say("Note")
    DROPPED, PLAN = say("Taken off the list"), say("This morning")


class P:
    """Headings and column names of the printed page and the mail."""

    TROUBLES = say("How the run went")
    ZONES = say("Not scanned")
    LISTS = say("Staff's lists")
    TREND = say("The last nights")
    DOUBTS = say("Doubtful")
    WAIT = say("wait for another night")
    PERHAPS_NOTE = say(
        "Silent for too few nights to be searched for: wait for another night, and look only if a reader asks."
    )
    DOUBTS_NOTE = say("Not sure enough to send anybody; the next run will tell, or a look in passing.")
    NOTES = say("Notes")
    AFTERWARDS = say("At the shelf, and afterwards")
    DROPPED = say("Taken off the list")
    NEW = say("new")
    WAITING = say("waiting")
    TODAY = say("on this list")
    KIND = say("What")
    TITLE, CALL_NUMBER, BARCODE = say("Title"), say("Call number"), say("Barcode")
    CENTIMETRES = say("cm")
    NOTHING = say("Nothing to put right was found.")
    NOTHING_THERE = say("Nothing to put right was found on the shelves that were scanned.")
    COLUMNS = (say("No."), say("What"), say("Book"), say("Stands"), say("Belongs"), say("Sure"))
    FONT_NOTE = say(
        "Some titles are set in a font of your PDF reader, because the machine that made this report has none for them."
    )

    @staticmethod
    def run(when: str, run_id: str, robot_id: str) -> Said:
        return say("{when}   ·   run {run}   ·   robot {robot}", when=when, run=run_id, robot=robot_id)

    @staticmethod
    def planned(lines: int, minutes: float | None, waiting: int) -> Said:
        todo = say_n("{n} line", "{n} lines", lines)
        time = None if minutes is None else say_n("{n} minute", "{n} minutes", max(1, round(minutes)))
        if waiting:
            rest = say_n("{n} more waits", "{n} more wait", waiting)
            if time is None:
                return say("{lines}; {rest}.", lines=todo, rest=rest)
            return say("{lines}, about {time}; {rest}.", lines=todo, time=time, rest=rest)
        if time is None:
            return say("{lines}.", lines=todo)
        return say("{lines}, about {time}.", lines=todo, time=time)

    @staticmethod
    def made_for(minutes: float) -> Said:
        return say_n(
            "Chosen for the {n} minute there is this morning, in walking order.",
            "Chosen for the {n} minutes there are this morning, in walking order.",
            round(minutes),
        )

    @staticmethod
    def paced(mornings: int) -> Said:
        return say_n(
            "Planned with the pace of the last morning on record.",
            "Planned with the pace of the last {n} mornings on record.",
            mornings,
        )

    @staticmethod
    def put_off(count: int) -> Said:
        return say_n(
            "{n} of them was silent for too few nights to be called missing; it is listed once more scans agree, "
            "or a reader asks.",
            "{n} of them were silent for too few nights to be called missing; they are listed once more scans agree, "
            "or a reader asks.",
            count,
        )

    @staticmethod
    def not_there() -> Said:
        return say(
            "Not where the line says? Look beside it, on the boards above and below, and behind the row. "
            "A line that nobody could deal with stays open, and the next scan looks again."
        )

    @staticmethod
    def say_so() -> Said:
        return say(
            "Tell what you found, by the barcode: nightstack cases resolve BARCODE --as reshelved (or checked_in, "
            "retagged; found: a missing book stands there, so its tag is dead; marked_missing: searched for and "
            "nowhere; false_alarm: it stood right). What a scan sees put right closes by itself."
        )

    @staticmethod
    def say_minutes(page: str) -> Said:
        return say("Done? Say how many minutes it took, and the next lists fit better: {page}", page=page)

    @staticmethod
    def checked(time: str, dropped: int) -> Said:
        if not dropped:
            return say("Checked against the library system at {time}: every line still holds.", time=time)
        return say_n(
            "Checked against the library system at {time}: {n} line was taken off.",
            "Checked against the library system at {time}: {n} lines were taken off.",
            dropped,
            time=time,
        )

    @staticmethod
    def since(day: str) -> Said:
        return say("since {day}", day=day)

    @staticmethod
    def at(shelf: str, centimetres: str) -> Said:
        return say("{shelf}: {cm}", shelf=shelf, cm=centimetres)

    @staticmethod
    def span(day: str, start: str, end: str, zone: str) -> Said:
        if not end:
            return say("{day}, {start} {zone}", day=day, start=start, zone=zone)
        return say("{day}, {start} to {end} {zone}", day=day, start=start, end=end, zone=zone)

    @staticmethod
    def with_gap(belongs: str, gap_m: float) -> Said:
        return say("{belongs}, at\u00a0{n}\u00a0cm", belongs=belongs, n=round(gap_m * 100))

    @staticmethod
    def pick_list(site: str) -> Said:
        return say("Pick list, {site}", site=site)

    @staticmethod
    def dated(what: str, when: str) -> Said:
        return say("{what}, {when}", what=what, when=when)

    @staticmethod
    def and_more(count: int) -> Said:
        return say_n("and {n} more, in the spreadsheet", "and {n} more, in the spreadsheet", count)

    @staticmethod
    def waiting(count: int) -> Said:
        return say_n("{n} more waits", "{n} more wait", count)

    @staticmethod
    def waits(kind: str) -> Said:
        return say("{kind}, waiting", kind=kind)

    @staticmethod
    def beside(name: str, other: str) -> Said:
        return say("{name} ({other})", name=name, other=other)

    @staticmethod
    def also(said: str, rest: str) -> Said:
        return say("{said}; {rest}", said=said, rest=rest)

    @staticmethod
    def to_do(kind: str, action: str, sure: str) -> Said:
        return say("{kind}: {action} ({sure})", kind=kind, action=action, sure=sure)

    @staticmethod
    def trend(label: str, values: str, nights: int) -> Said:
        return say_n(
            "{label}: {values} (last {n} night)",
            "{label}: {values} (last {n} nights)",
            nights,
            label=label,
            values=values,
        )

    TRENDS = (say("Due to be searched for"), say("Misplaced, open"), say("Expected books heard"))

    @staticmethod
    def also_listed(action: str, lists: str) -> Said:
        return say('{action}; on the list "{lists}"', action=action, lists=lists)

    @staticmethod
    def asked_for(lists: str) -> Said:
        return say("For: {lists}", lists=lists)

    @staticmethod
    def findings(count: int) -> Said:
        return say_n("{n} finding", "{n} findings", count)

    @staticmethod
    def page(number: int, count: int) -> Said:
        return say("Page {n} of {count}", n=number, count=count)

    @staticmethod
    def more(count: int) -> Said:
        return say_n("{n} more is in the attached report.", "{n} more are in the attached report.", count)

    @staticmethod
    def more_of(what: str, count: int) -> Said:
        return say_n(
            "{what}: {n}, in the attached report", "{what}: {n}, in the attached report", count, what=what
        )
