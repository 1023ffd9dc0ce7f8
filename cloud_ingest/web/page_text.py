"""What the pages say, for each site's language."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from reports.phrases import Said, say, say_n

RUN_STATES: dict[str, Said] = {
    "recording": say("still being recorded"),
    "closing": say("being closed"),
    "localizing": say("being worked out"),
    "reporting": say("being reported"),
    "reported": say("reported"),
    "failed": say("failed"),
}
CASE_STATES: dict[str, Said] = {
    "open": say("open"),
    "assigned": say("assigned"),
    "resolved": say("settled"),
    "planned": say("planned"),
    "done": say("done"),
    "failed": say("failed"),
    "unknown": say("not known"),
}
MAIL_STATES: dict[str, Said] = {
    "planned": say("planned"),
    "posted": say("written"),
    "superseded": say("replaced by a newer night's"),
    "pending": say("waits"),
    "sending": say("being sent"),
    "sent": say("sent"),
    "failed": say("failed"),
    "bounced": say("came back"),
}
SHOWN: dict[str, Said] = {
    "todo": say("to be put right"),
    "assigned": say("assigned"),
    "resolved": say("settled"),
    "all": say("all"),
}
"""Which cases a page lists."""

ACTS: dict[str, Said] = {
    "reshelved": say("Put where it belongs"),
    "found": say("It is as the line says, and dealt with"),
    "checked_in": say("Checked in"),
    "retagged": say("Given a new tag"),
    "marked_missing": say("Searched for and not there"),
    "false_alarm": say("It stood right"),
    "assign": say("Give it to somebody"),
    "reopen": say("Not dealt with after all"),
}
"""What staff may record, in the order of a form."""

FOUND_MISSING = say("It stands on its shelf: the tag is dead")
"""What ``found`` means of a missing book."""

TOGETHER: dict[str, Said] = {
    "found": say("Found (the tag of a missing book is dead)"),
    "assign": say("I take it on"),
}
"""Acts that are said otherwise of several lines at once, which may be of different kinds."""

DONE: dict[str, Said] = {
    "opened": say("opened"),
    "became": say("seen differently"),
    "reopened": say("opened again"),
    "assigned": say("assigned"),
    "noted": say("noted"),
    "found": say("found"),
    "reshelved": say("reshelved"),
    "checked_in": say("checked in"),
    "marked_missing": say("marked missing"),
    "retagged": say("retagged"),
    "false_alarm": say("false alarm"),
    "seen_right": say("seen where it belongs"),
    "no_longer_expected": say("no longer expected there"),
}
"""What has happened to a case."""

WRITES: dict[str, Said] = {"missing": say("missing"), "inventory_date": say("inventory date")}

WHO: dict[str, Said] = {"scan": say("scan")}

PROBLEMS: dict[int, Said] = {
    401: say("Log in to see this"),
    403: say("This is not allowed"),
    404: say("There is no such page"),
    405: say("This page takes no such request"),
    409: say("Something has changed meanwhile"),
    413: say("That is too much at once"),
    415: say("This page takes no such data"),
    422: say("That cannot be understood"),
    500: say("Something went wrong here"),
}
"""Headings of the pages that say why there is no other one."""


LIST_GROUPS = {"search": say("To be searched for"), "pull": say("To be pulled")}
"""What lists' purposes have in common."""


class W:
    """Words and sentences of the pages."""

    HOME = say("All stocktakes")
    STOCKTAKES = say("Stocktakes")
    TO_DO = say("To be put right")
    LISTS = say("Staff's lists")
    PACE = say("Pace")
    REFUSED = say("This cannot be done.")
    ADDRESS = say("Look at its address, or begin anew from all stocktakes.")
    UNWELL = say("the service is not well, see /healthz")

    RUNS, RUN, SITE, STATE = say("Runs"), say("Stocktake"), say("Site"), say("State")
    READINGS, DOCUMENTS = say("Readings"), say("Documents")
    NOTHING_YET = say("No robot has sent anything yet.")
    UNDELIVERED = say("Mail that does not arrive")
    RECIPIENT, HAPPENED = say("Recipient"), say("What happened")
    MAILS, RECEIVED, NOTES, MAIL = say("Mails"), say("Received"), say("Notes"), say("mail")
    TO, KIND = say("To"), say("Kind")
    BATCHES, ANNOUNCED, ROWS, GAPS = say("Batches"), say("Announced"), say("Rows"), say("Not there")
    CAME_BACK = say("came back")

    WHAT, BOOK, SHELF, SURE = say("What"), say("Book"), say("Shelf"), say("Sure")
    NIGHTS, SINCE = say("Nights"), say("Since")
    FIND = say("Barcode, call number, title or shelf")
    SHOW = say("Show")
    NONE_SUCH = say("There is no such case.")
    JUST = say("Just recorded")
    RECORD_TITLE = say("What was done there?")
    WHY = say("In your own words (may be left empty)")
    TO_WHOM = say("To whom (empty: to me)")
    DONE_WITH = say("With the lines ticked")
    CHOOSE = say("choose")
    RECORD = say("Record")
    ALREADY = say("Settled already. It can be opened again, or recorded otherwise.")
    NO_STAFF = say(
        "Nothing can be recorded on this page until staff and their keys are named in the service's settings "
        "([staff]); until then: nightstack cases resolve."
    )
    CHOOSE_ONE = say("Choose what was done.")
    TICK_ONE = say("Tick the lines it was done with.")
    NAME_SITE = say("Choose one site to record something here.")
    CHANGED = say("Somebody has recorded something here since you opened the page; look again below.")
    NOT_RESOLVED = say("Only what is settled can be opened again; this is still open.")
    PUT_AWAY = say("Put away: it was settled long ago.")

    LIST, WHAT_FOR, BARCODES, LAST_RUN = say("List"), say("What for"), say("Barcodes"), say("Last run")
    LISTS_ARE = say(
        "Copies that are to be found. When a run hears one of them on a shelf, it is a line of the morning's list; "
        "the others are counted."
    )
    NONE_SINCE = say("none since")
    REMOVE = say("Remove")
    ANOTHER = say("Another list")
    NAME, REPLACED = say("Name"), say("A list of the same name is replaced.")
    FILE, OR_BARCODES = say("File"), say("or barcodes, one a line")
    FILE_IS = say(
        "CSV, TSV, XLSX or ODS with a column named barcode, and if you like note and until (2026-12-31); or barcodes "
        "alone, one a line. Name no reader in a note: it is mailed."
    )
    UPLOAD = say("Upload")
    NO_SITE = say("No site is known yet: a site has lists from its first run on.")

    MINUTES = say(
        "This morning took so many minutes, from the first line to the last book put away, breaks left out"
    )
    WHOLE_LIST = say("The whole list of the last mail is done.")
    ONLY_MINE = say("Only the lines I have recorded since.")
    FINISHED = say("Done")
    YOURS = say("It is your morning: of whoever is logged in.")
    NOT_LEARNT = say("Nothing is learnt here: the settings say so.")
    ASSUMED_ALL = say("Nobody has recorded anything yet: these are assumed values.")
    SECONDS, ASSUMED, TIMES = say("Seconds"), say("Assumed"), say("Times")
    BY_HAND = say("set by hand")
    MORNINGS = say("Mornings told")
    LOG_IN = say("log in with your name and your key")
    NOBODY_MAY = say("nobody may do this here: name staff and their keys in the settings ([staff])")
    FROM_ELSEWHERE = say("sent by another site's page: use the page of this service")
    TOO_LONG = say("the form is too long")
    WRITE_A_NUMBER = say("minutes: write a number, such as 45")

    @staticmethod
    def about(what: str, which: str) -> Said:
        return say("{what}: {which}", what=what, which=which)

    @staticmethod
    def times(zone: str) -> Said:
        return say("Times are those of {zone}; point at one to read it in UTC.", zone=zone)

    @staticmethod
    def problem_number(number: str) -> Said:
        return say(
            "What went wrong stands in the service's log under {number}. Try again; if it stays so, tell whoever "
            "looks after the service.",
            number=number,
        )

    @staticmethod
    def wrong_fields(names: str) -> Said:
        return say("This part of the address cannot be as it is: {names}.", names=names)

    @staticmethod
    def name_site(sites: str) -> Said:
        return say("name a site with cases: ?site= one of {sites}", sites=sites or say("none yet"))

    @staticmethod
    def split_list(megabytes: int) -> Said:
        return say("more than {n} MB; split the list", n=megabytes)

    @staticmethod
    def not_for_others(name: str) -> Said:
        return say("you are logged in as {name}: leave the name out, or log in as the other", name=name)

    @staticmethod
    def no_run(run_id: str) -> Said:
        return say("no run {run}", run=run_id)

    @staticmethod
    def no_case(finding_id: str) -> Said:
        return say("no case {id}", id=finding_id)

    @staticmethod
    def robot_of(site: str, robot: str) -> Said:
        return say("{site}, robot {robot}", site=site, robot=robot)

    @staticmethod
    def strays(count: int) -> Said:
        return say_n(
            "{n} message in the Maildir of returned mail is about no mail of this service.",
            "{n} messages in the Maildir of returned mail are about no mail of this service.",
            count,
        )

    @staticmethod
    def size(count: int) -> Said:
        return say_n("{n} byte", "{n} bytes", count)

    @staticmethod
    def twice(duplicates: int, quarantined: int) -> Said:
        return say_n(
            "{n} batch came twice and was stored once; ",
            "{n} batches came twice and were stored once; ",
            duplicates,
        ) + say_n("{n} message was put aside.", "{n} messages were put aside.", quarantined)

    @staticmethod
    def mailed(kind: str, recipient: str, state: str) -> Said:
        return say("{kind} to {recipient}: {state}", kind=kind, recipient=recipient, state=state)

    @staticmethod
    def cases(count: int) -> Said:
        return say_n("{n} case", "{n} cases", count)

    @staticmethod
    def surest(count: int) -> Said:
        return say_n("the {n} surest is shown", "the {n} surest are shown", count)

    @staticmethod
    def sure(sure: str, nights: int) -> Said:
        return say_n("{sure} sure after {n} night", "{sure} sure after {n} nights", nights, sure=sure)

    LAST_MAILED = say("last mailed")

    @staticmethod
    def belongs(where: str) -> Said:
        return say("Belongs: {where}", where=where)

    @staticmethod
    def library_system(what: str, state: str) -> Said:
        return say("Library system, {what}: {state}", what=what, state=state)

    @staticmethod
    def logged_in(name: str) -> Said:
        return say("as {name}", name=name)

    @staticmethod
    def asks_for_log_in() -> Said:
        return say("It is recorded under your name: you are asked to log in.")

    @staticmethod
    def pace_of(site: str) -> Said:
        return say("How fast the work goes: {site}", site=site)

    @staticmethod
    def learnt(mornings: int, times: int) -> Said:
        return say_n(
            "Learnt from {n} morning: {times:,} times between lines.",
            "Learnt from {n} mornings: {times:,} times between lines.",
            mornings,
            times=times,
        )

    @staticmethod
    def told(count: int) -> Said:
        return say_n("Minutes were told of {n} of them.", "Minutes were told of {n} of them.", count)

    @staticmethod
    def left_out(together: int, breaks: int, unknown: int) -> Said:
        return say(
            "Left out: {together:,} entered together, {breaks:,} with a break, {unknown:,} without a known place.",
            together=together,
            breaks=breaks,
            unknown=unknown,
        )

    @staticmethod
    def level(level: float) -> Said:
        return say("All in all, work takes {level:.2f} of what was assumed.", level=level)

    @staticmethod
    def walking(mps: float, assumed: float, floor: float) -> Said:
        return say(
            "Walking {mps:.2f} m/s (assumed {assumed:.2f}), {floor:.0f} s a floor.",
            mps=mps,
            assumed=assumed,
            floor=floor,
        )

    @staticmethod
    def minutes(count: float) -> Said:
        return say_n("{n} minute", "{n} minutes", round(count))

    @staticmethod
    def lines(count: int) -> Said:
        return say_n("{n} line", "{n} lines", count)
