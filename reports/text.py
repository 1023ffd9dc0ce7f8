"""Every sentence staff read, ready for gettext: each literal passes through `_` whole. Names are in `headings`."""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


def _(text: str) -> str:
    """Return the text in the reader's language; English is the only one so far."""
    return text


STATUS_WORDS: dict[str, str] = {
    "available": _("available"),
    "loaned": _("on loan"),
    "on_hold": _("on hold for a reader"),
    "in_transit": _("in transit"),
    "in_process": _("in process"),
    "missing": _("missing"),
    "lost": _("lost"),
    "claimed_returned": _("claimed returned"),
    "withdrawn": _("withdrawn"),
}


def centimetres(metres: float) -> str:
    """Write a length as staff measure it."""
    return _("{n}\u00a0cm").format(n=round(metres * 100))


def percent(share: float) -> str:
    """Write a share; never 100 % for anything less, nor 0 % for anything more."""
    if 0.995 <= share < 1.0:
        return _("{n}\u00a0%").format(n=min(99.9, int(share * 1000) / 10))
    if 0.0 < share < 0.005:
        return _("under 1 %")
    return _("{n}\u00a0%").format(n=round(share * 100))


def sure(confidence: float) -> str:
    """Write how sure a finding is, on one line of a narrow column: whole per cent, 99 at most."""
    return _("{n}\u00a0%").format(n=min(99, round(confidence * 100)))


def plural(count: int, one: str, many: str) -> str:
    """Choose the form for a count and put the count in."""
    return (one if count == 1 else many).format(n=f"{count:,}")


class T:
    """Sentences with blanks."""

    @staticmethod
    def face(face_id: str) -> str:
        return _("face {face}").format(face=face_id)

    @staticmethod
    def whole_face(face: str) -> str:
        return _("{face}, all of it").format(face=face)

    @staticmethod
    def part_of_face(face: str, from_m: float, to_m: float) -> str:
        return _("{face}, {a:.1f} to {b:.1f} m from its left end").format(face=face, a=from_m, b=to_m)

    @staticmethod
    def part_of_shelf(shelf: str, from_m: float, to_m: float) -> str:
        a, b = round(from_m * 100), round(to_m * 100)
        return _("{shelf}, {a} to {b} cm from its left end").format(shelf=shelf, a=a, b=b)

    @staticmethod
    def bays(bays: Sequence[str]) -> str:
        if len(bays) == 1:
            return _("bay {bay}").format(bay=bays[0])
        if len(bays) == 2:
            return _("bays {a} and {b}").format(a=bays[0], b=bays[1])
        return _("bays {a} to {b}").format(a=bays[0], b=bays[-1])

    @staticmethod
    def levels(levels: Sequence[int]) -> str:
        if len(levels) == 1:
            return _("level {level}").format(level=levels[0])
        if len(levels) == 2:
            return _("levels {a} and {b}").format(a=levels[0], b=levels[1])
        if levels[-1] - levels[0] == len(levels) - 1:
            return _("levels {a} to {b}").format(a=levels[0], b=levels[-1])
        return _("levels {levels}").format(levels=", ".join(str(x) for x in levels))

    @staticmethod
    def belongs(shelf: str, left: str, right: str) -> str:
        if left and right:
            return _("{shelf}, between {left} and {right}").format(shelf=shelf, left=left, right=right)
        if right:
            return _("{shelf}, first, before {right}").format(shelf=shelf, right=right)
        return _("{shelf}, last, after {left}").format(shelf=shelf, left=left)

    @staticmethod
    def zone_evidence(zone: str, metres: float, silent: int) -> str:
        name = zone[:1].upper() + zone[1:]
        books = plural(silent, _("{n} book expected there was"), _("{n} books expected there were"))
        if not silent:
            return _("{zone}: {m:.1f} m of shelf were not scanned.").format(zone=name, m=metres)
        return _(
            "{zone}: {m:.1f} m of shelf were not scanned; {books} not heard and not called missing."
        ).format(zone=name, m=metres, books=books)

    @staticmethod
    def silent_shelf(zone: str, silent: int, expected: int) -> str:
        return _(
            "{zone}: {silent} of {expected} books expected there were silent although they were in reach, more than"
            " usually go missing, so the scan is in doubt and none of them is called missing."
        ).format(zone=zone[:1].upper() + zone[1:], silent=silent, expected=expected)

    @staticmethod
    def missing(p_heard: float, near: float | None, between: str) -> str:
        said = _("Silent; a book {where} was heard with a chance of {p}").format(
            where=between, p=percent(p_heard)
        )
        if near is None:
            return said + "."
        return said + _(", and its neighbours gave {n} readings each.").format(n=f"{near:.0f}")

    @staticmethod
    def heard_earlier() -> str:
        return " " + _("It was heard on an earlier night.")

    @staticmethod
    def missing_place(left: str, right: str) -> str:
        if left and right:
            return _("between {left} and {right}").format(left=left, right=right)
        return _("on that shelf")

    @staticmethod
    def wrong_shelf(home: str, readings: int, p: float) -> str:
        return _("Heard {n} times; stands here, not on {home}, with a chance of {p}.").format(
            n=readings, home=home, p=percent(p)
        )

    @staticmethod
    def wrong_order(by_m: float, passed: int, sigma_m: float) -> str:
        books = plural(passed, _("{n} book"), _("{n} books"))
        return _(
            "Stands {cm} on the wrong side of its place, past {books}; its place here is known to {sigma}."
        ).format(
            cm=_("{x:.1f}\u00a0cm").format(x=by_m * 100),
            books=books,
            sigma=_("{x:.1f}\u00a0cm").format(x=sigma_m * 100),
        )

    @staticmethod
    def wrong_location(home: str, here: str) -> str:
        return _("Its record places it at {home}, and it stands on {here}.").format(home=home, here=here)

    @staticmethod
    def status(status: str, readings: int) -> str:
        word = STATUS_WORDS.get(status, status)
        return _("The catalogue says {status}; it was heard {n} times on this shelf.").format(
            status=word, n=readings
        )

    @staticmethod
    def status_behind(status: str, home: str, readings: int) -> str:
        word = STATUS_WORDS.get(status, status)
        times = plural(readings, _("once"), _("{n} times"))
        return _(
            "The catalogue says {status}; it was heard {times} from afar, through or over a bookcase, and most likely"
            " stands at {home}, which was not scanned."
        ).format(status=word, home=home, times=times)

    @staticmethod
    def unknown_tag(readings: int) -> str:
        times = plural(readings, _("once"), _("{n} times"))
        return _("Heard {times}; no copy in the catalogue carries this tag.").format(times=times)

    @staticmethod
    def perhaps_behind() -> str:
        return _(
            " It may stand near here on a shelf that was not scanned, such as the other side of the bookcase."
        )

    @staticmethod
    def duplicate_epc(copies: int, barcodes: str) -> str:
        return _("The catalogue gives this tag to {n} copies: {barcodes}.").format(
            n=copies, barcodes=barcodes
        )

    @staticmethod
    def duplicate_barcode(tags: int) -> str:
        return _("{n} tags heard tonight carry this barcode.").format(n=tags)

    @staticmethod
    def bad_call_number(call_number: str, scheme: str) -> str:
        if not call_number:
            return _("The record has no call number, so its order on the shelf was not checked.")
        return _(
            "{call} does not follow the {scheme} scheme, so its order on the shelf was not checked."
        ).format(call=call_number, scheme=scheme.upper())

    @staticmethod
    def unplaced(readings: int) -> str:
        times = plural(readings, _("once"), _("{n} times"))
        return _("Heard {times}, too little to say on which shelf it stands.").format(times=times)

    @staticmethod
    def moves(readings: int) -> str:
        times = plural(readings, _("once"), _("{n} times"))
        return _("Heard {times}, but not from one place: on a trolley or in the aisle?").format(times=times)

    @staticmethod
    def lying(beside: int) -> str:
        if beside < 1:
            return _("Its tag is turned as a lying book's.")
        others = plural(beside, _("another"), _("{n} others"))
        return _("Lies flat, its tag turned and in a pile with {others}.").format(others=others)

    @staticmethod
    def may_lie(p: float) -> str:
        return _("May lie flat in a pile: the chance is {p}.").format(p=percent(p))

    @staticmethod
    def may_stand_behind(p: float) -> str:
        return _("May stand behind the row: the chance is {p}.").format(p=percent(p))

    @staticmethod
    def perhaps_old() -> str:
        return _(" It sits within a book that has another tag: perhaps the book's old one.")

    @staticmethod
    def doubtful_shelf(home: str, p: float) -> str:
        return _("May stand here instead of on {home}: the chance is {p}.").format(home=home, p=percent(p))

    @staticmethod
    def doubtful_order(p: float) -> str:
        return _("May stand out of order: the chance is {p}.").format(p=percent(p))

    @staticmethod
    def subject(site: str, state: str, counts: Mapping[str, int], to_act_on: int) -> str:
        if state == "failed":
            return _("{site}: last night's run failed").format(site=site)
        moves = sum(counts.get(k, 0) for k in ("wrong_shelf", "wrong_order", "wrong_location"))
        missing, zones = counts.get("missing", 0), counts.get("zone_not_scanned", 0)
        parts = [_("{n} misplaced").format(n=moves), _("{n} missing").format(n=missing)]
        if other := to_act_on - moves - missing:
            parts.append(_("{n} other").format(n=other))
        if zones:
            parts.append(plural(zones, _("{n} zone not scanned"), _("{n} zones not scanned")))
        said = _("{site}: {counts}").format(site=site, counts=", ".join(parts))
        return said + _(" (run not finished)") if state == "aborted" else said

    @staticmethod
    def left_behind(names: Sequence[str], where: str) -> str:
        return _("Too large to be attached: {names}. You find them at {where}").format(
            names=", ".join(names), where=where
        )

    @staticmethod
    def signature(site: str) -> str:
        return _("Nightstack, stocktaking at {site}. This mail was made by a program.").format(site=site)

    @staticmethod
    def bay_level(bay: str, level: int) -> str:
        return _("Bay {bay}, level {level}").format(bay=bay, level=level)

    @staticmethod
    def floor_face(floor: str, face: str) -> str:
        return _("Floor {floor}, face {face}").format(floor=floor, face=face)

    @staticmethod
    def stands(from_left_m: float) -> str:
        return _("{cm} from the left").format(cm=centimetres(from_left_m))

    @staticmethod
    def block(count: int) -> str:
        return _("{n} books, one move").format(n=count)

    @staticmethod
    def figure(name: str) -> str:
        return {
            "moves": _("misplaced"),
            "missing": _("missing"),
            "other": _("other to resolve"),
            "scanned": _("of the shelves scanned"),
        }[name]

    @staticmethod
    def figure_heard(heard: int, expected: int) -> str:
        if not expected:
            return _("expected books heard")
        return _("heard: {a} of {b} expected").format(a=f"{heard:,}", b=f"{expected:,}")

    @staticmethod
    def no_title() -> str:
        return _("(no title)")

    @staticmethod
    def tag(epc: str) -> str:
        return _("Tag {epc}").format(epc=epc)

    @staticmethod
    def no_place() -> str:
        return _("Without a place")

    @staticmethod
    def no_shelf() -> str:
        return _("Shelf not known")

    @staticmethod
    def strip_label(length: str, marks: int) -> str:
        found = plural(marks, _("{n} finding"), _("{n} findings"))
        return _("The shelf, {length} long, with {found}").format(length=length, found=found)

    @staticmethod
    def title(site: str) -> str:
        return _("Shelf report, {site}").format(site=site)

    @staticmethod
    def state(state: str) -> str:
        return {"done": _("finished"), "aborted": _("not finished"), "failed": _("failed")}[state]

    EVENTS: ClassVar[dict[str, str]] = {
        "reader_missing": _("Reader {source} was not there"),
        "reader_gone": _("Reader {source} was gone"),
        "reader_unreachable": _("Reader {source} could not be reached"),
        "reader_exception": _("Reader {source} reported a fault"),
        "antenna_gone": _("An antenna of {source} was gone"),
        "unknown_antenna": _("Reader {source} has an antenna the settings do not know"),
        "buffer_overflow": _("The buffer of {source} ran over, readings were lost"),
        "clock_stepped": _("The clock of {source} stepped"),
        "base_gone": _("The robot's base did not answer"),
        "blocked": _("The way was blocked"),
        "aisle_blocked": _("An aisle was blocked"),
        "no_way": _("There was no way to a part of the route"),
        "leg_skipped": _("A part of the route was left out"),
        "not_home": _("The robot did not get home"),
        "run_resumed": _("The robot started again in mid-run"),
        "spool_full": _("The robot's store ran full"),
        "batch_refused": _("The robot's store refused a batch"),
        "batch_gone": _("A batch was lost on the robot"),
    }

    @staticmethod
    def event(kind: str, source: str, times: int, detail: str) -> str:
        said = T.EVENTS[kind].format(source=source or _("the robot"))
        if times > 1:
            said += " " + _("({n} times)").format(n=times)
        return f"{said}: {detail.rstrip('.')}." if detail else said + "."

    @staticmethod
    def run_ended(state: str, reason: str) -> str:
        why = reason.strip().rstrip(".")
        if state == "failed":
            return (
                _("The run could not be worked out: {why}.").format(why=why) if why else _("The run failed.")
            )
        if why:
            return _("The robot did not finish its route: {why}.").format(why=why)
        return _("The robot did not finish its route.")

    @staticmethod
    def no_positions() -> str:
        return _("There are no positions, so nothing can be said about single books.")

    @staticmethod
    def no_plan() -> str:
        return _("There is no plan of the shelves, so only statuses and unknown tags were looked at.")

    @staticmethod
    def no_coverage() -> str:
        return _("It is not known which shelves were in reach, so no book is called missing.")

    @staticmethod
    def no_holdings() -> str:
        return _("There are no holdings, so only what was not scanned is listed.")
