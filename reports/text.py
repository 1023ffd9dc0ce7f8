"""Every sentence staff read, told once and said in each reader's language. Names are in `headings`.

How a run went is in `run_text`. Each template is a literal of one `say` or `say_n`, whole, so that it can be extracted;
``_`` marks one that is said elsewhere.
"""

# ruff: noqa: D102 (each sentence is its own description)

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.phrases import Said, say, say_n


def _(template: str) -> str:
    """Mark a template for extraction."""
    return template


STATUS_WORDS: dict[str, Said] = {
    "available": say("available"),
    "loaned": say("on loan"),
    "on_hold": say("on hold for a reader"),
    "in_transit": say("in transit"),
    "in_process": say("in process"),
    "missing": say("missing"),
    "lost": say("lost"),
    "claimed_returned": say("claimed returned"),
    "withdrawn": say("withdrawn"),
}

# The catalogue's own words for a status, which the life of cases speaks of.
_RAW_STATUSES = (_("loaned"), _("on hold"))


def centimetres(metres: float) -> Said:
    """Write a length as staff measure it."""
    return say("{n}\u00a0cm", n=round(metres * 100))


def percent(share: float) -> Said:
    """Write a share; never 100 % for anything less, nor 0 % for anything more."""
    if 0.995 <= share < 1.0:
        return say("{x:.1f}\u00a0%", x=min(99.9, int(share * 1000) / 10))
    if 0.0 < share < 0.005:
        return say("under 1 %")
    return say("{n}\u00a0%", n=round(share * 100))


def sure(confidence: float) -> Said:
    """Write how sure a finding is, on one line of a narrow column: whole per cent, 99 at most."""
    return say("{n}\u00a0%", n=min(99, round(confidence * 100)))


def several(texts: Sequence[str]) -> str:
    """Put texts one after the other as a language separates them."""
    said = texts[0] if texts else ""
    for text in texts[1:]:
        said = say("{these}, {next}", these=said, next=text)
    return said


class T:
    """Sentences with blanks."""

    @staticmethod
    def face(face_id: str) -> Said:
        return say("Face {face}", face=face_id)

    @staticmethod
    def whole_face(face: str) -> Said:
        return say("{face}, all of it", face=face)

    @staticmethod
    def part_of_face(face: str, from_m: float, to_m: float) -> Said:
        return say("{face}, {a:.1f} to {b:.1f} m from its left end", face=face, a=from_m, b=to_m)

    @staticmethod
    def part_of_shelf(shelf: str, from_m: float, to_m: float) -> Said:
        a, b = round(from_m * 100), round(to_m * 100)
        return say("{shelf}, {a} to {b} cm from its left end", shelf=shelf, a=a, b=b)

    @staticmethod
    def bays(bays: Sequence[str]) -> Said:
        if len(bays) == 1:
            return say("bay {bay}", bay=bays[0])
        if len(bays) == 2:
            return say("bays {a} and {b}", a=bays[0], b=bays[1])
        return say("bays {a} to {b}", a=bays[0], b=bays[-1])

    @staticmethod
    def part_of_bays(face: str, bays: str, levels: str) -> Said:
        return say("{face}, {bays}, {levels}", face=face, bays=bays, levels=levels)

    @staticmethod
    def levels(levels: Sequence[int]) -> Said:
        if len(levels) == 1:
            return say("level {level}", level=levels[0])
        if len(levels) == 2:
            return say("levels {a} and {b}", a=levels[0], b=levels[1])
        if levels[-1] - levels[0] == len(levels) - 1:
            return say("levels {a} to {b}", a=levels[0], b=levels[-1])
        return say("levels {levels}", levels=several([str(x) for x in levels]))

    @staticmethod
    def belongs(shelf: str, left: str, right: str) -> Said:
        if left and right:
            return say("{shelf}, between {left} and {right}", shelf=shelf, left=left, right=right)
        if right:
            return say("{shelf}, first, before {right}", shelf=shelf, right=right)
        return say("{shelf}, last, after {left}", shelf=shelf, left=left)

    @staticmethod
    def zone_of_hf(zone: str) -> Said:
        return say("{zone} (HF tags)", zone=zone)

    @staticmethod
    def zone_of_uhf(zone: str) -> Said:
        return say("{zone} (UHF tags)", zone=zone)

    @staticmethod
    def zone_evidence(zone: str, metres: float, silent: int) -> Said:
        if not silent:
            return say("{zone}: {m:.1f} m of shelf were not scanned.", zone=zone, m=metres)
        return say_n(
            "{zone}: {m:.1f} m of shelf were not scanned; {n} book expected there was not heard and"
            " not called missing.",
            "{zone}: {m:.1f} m of shelf were not scanned; {n} books expected there were not heard and"
            " not called missing.",
            silent,
            zone=zone,
            m=metres,
        )

    @staticmethod
    def silent_shelf(zone: str, silent: int, expected: int) -> Said:
        return say(
            "{zone}: {silent} of {expected} books expected there were silent although they were in reach, more than"
            " usually go missing, so the scan is in doubt and none of them is called missing.",
            zone=zone,
            silent=silent,
            expected=expected,
        )

    @staticmethod
    def missing(p_heard: float, near: float | None, between: str) -> Said:
        p = percent(p_heard)
        if near is None:
            return say("Silent; a book {where} was heard with a chance of {p}.", where=between, p=p)
        return say(
            "Silent; a book {where} was heard with a chance of {p}, and its neighbours gave {n:.0f} readings each.",
            where=between,
            p=p,
            n=near,
        )

    @staticmethod
    def heard_earlier() -> Said:
        return say(" It was heard on an earlier night.")

    @staticmethod
    def missing_place(left: str, right: str) -> Said:
        if left and right:
            return say("between {left} and {right}", left=left, right=right)
        return say("on that shelf")

    @staticmethod
    def wrong_shelf(home: str, readings: int, p: float) -> Said:
        return say(
            "Heard {n} times; stands here, not on {home}, with a chance of {p}.",
            n=readings,
            home=home,
            p=percent(p),
        )

    @staticmethod
    def wrong_order(by_m: float, passed: int, sigma_m: float) -> Said:
        books = say_n("{n} book", "{n} books", passed)
        return say(
            "Stands {cm} on the wrong side of its place, past {books}; its place here is known to {sigma}.",
            cm=say("{x:.1f}\u00a0cm", x=by_m * 100),
            books=books,
            sigma=say("{x:.1f}\u00a0cm", x=sigma_m * 100),
        )

    @staticmethod
    def wrong_location(home: str, here: str) -> Said:
        return say("Its record places it at {home}, and it stands on {here}.", home=home, here=here)

    @staticmethod
    def status(status: str, readings: int) -> Said:
        word = STATUS_WORDS.get(status, status)
        return say(
            "The catalogue says {status}; it was heard {n} times on this shelf.", status=word, n=readings
        )

    @staticmethod
    def status_behind(status: str, home: str, readings: int) -> Said:
        word = STATUS_WORDS.get(status, status)
        times = say_n("once", "{n} times", readings)
        return say(
            "The catalogue says {status}; it was heard {times} from afar, through or over a bookcase, and most likely"
            " stands at {home}, which was not scanned.",
            status=word,
            home=home,
            times=times,
        )

    @staticmethod
    def unknown_tag(readings: int) -> Said:
        times = say_n("once", "{n} times", readings)
        return say("Heard {times}; no copy in the catalogue carries this tag.", times=times)

    @staticmethod
    def perhaps_behind() -> Said:
        return say(
            " It may stand near here on a shelf that was not scanned, such as the other side of the bookcase."
        )

    @staticmethod
    def duplicate_epc(copies: int, barcodes: str) -> Said:
        return say("The catalogue gives this tag to {n} copies: {barcodes}.", n=copies, barcodes=barcodes)

    @staticmethod
    def duplicate_barcode(tags: int) -> Said:
        return say("{n} tags heard tonight carry this barcode.", n=tags)

    @staticmethod
    def bad_call_number(call_number: str, scheme: str) -> Said:
        if not call_number:
            return say("The record has no call number, so its order on the shelf was not checked.")
        return say(
            "{call} does not follow the {scheme} scheme, so its order on the shelf was not checked.",
            call=call_number,
            scheme=scheme.upper(),
        )

    @staticmethod
    def unplaced(readings: int) -> Said:
        times = say_n("once", "{n} times", readings)
        return say("Heard {times}, too little to say on which shelf it stands.", times=times)

    @staticmethod
    def moves(readings: int) -> Said:
        times = say_n("once", "{n} times", readings)
        return say("Heard {times}, but not from one place: on a trolley or in the aisle?", times=times)

    @staticmethod
    def lying(beside: int) -> Said:
        if beside < 1:
            return say("Its tag is turned as a lying book's.")
        others = say_n("another", "{n} others", beside)
        return say("Lies flat, its tag turned and in a pile with {others}.", others=others)

    @staticmethod
    def may_lie(p: float) -> Said:
        return say("May lie flat in a pile: the chance is {p}.", p=percent(p))

    @staticmethod
    def may_stand_behind(p: float) -> Said:
        return say("May stand behind the row: the chance is {p}.", p=percent(p))

    @staticmethod
    def perhaps_old() -> Said:
        return say(" It sits within a book that has another tag: perhaps the book's old one.")

    @staticmethod
    def doubtful_shelf(home: str, p: float) -> Said:
        return say("May stand here instead of on {home}: the chance is {p}.", home=home, p=percent(p))

    @staticmethod
    def doubtful_order(p: float) -> Said:
        return say("May stand out of order: the chance is {p}.", p=percent(p))

    @staticmethod
    def subject(
        site: str, state: str, counts: Mapping[str, int], to_act_on: int, *, blank: bool = False
    ) -> Said:
        """Return a mail's subject; `blank`: the run tells nothing of the shelves."""
        if state == "failed":
            return say("{site}: last night's run failed", site=site)
        if blank:
            return say("{site}: last night's run tells nothing of the shelves", site=site)
        moves = sum(counts.get(k, 0) for k in ("wrong_shelf", "wrong_order", "wrong_location"))
        missing, zones = counts.get("missing", 0), counts.get("zone_not_scanned", 0)
        parts = [say("{n:,} misplaced", n=moves), say("{n:,} missing", n=missing)]
        if other := to_act_on - moves - missing:
            parts.append(say("{n:,} other", n=other))
        if zones:
            parts.append(say_n("{n} zone not scanned", "{n} zones not scanned", zones))
        if state == "aborted":
            return say("{site}: run not finished; {counts}", site=site, counts=several(parts))
        return say("{site}: {counts}", site=site, counts=several(parts))

    @staticmethod
    def left_behind(names: Sequence[str], where: str) -> Said:
        return say(
            "Too large to be attached: {names}. You find them at {where}", names=several(names), where=where
        )

    @staticmethod
    def signature(site: str) -> Said:
        return say("Nightstack, stocktaking at {site}. Made by a program.", site=site)

    @staticmethod
    def bay_level(bay: str, level: int) -> Said:
        return say("Bay {bay}, level {level}", bay=bay, level=level)

    @staticmethod
    def floor_face(floor: str, face: str) -> Said:
        return say("Floor {floor}, face {face}", floor=floor, face=face)

    @staticmethod
    def stands(from_left_m: float) -> Said:
        return say("{cm} from the left", cm=centimetres(from_left_m))

    @staticmethod
    def block(count: int) -> Said:
        return say_n("{n} book, one move", "{n} books, one move", count)

    @staticmethod
    def figure(name: str) -> Said:
        return {
            "moves": say("misplaced"),
            "missing": say("missing books"),
            "perhaps": say("perhaps missing (wait for another night)"),
            "other": say("other to resolve"),
            "new": say("new tonight"),
            "scanned": say("of the shelves scanned"),
        }[name]

    @staticmethod
    def figure_heard(heard: int, expected: int) -> Said:
        if not expected:
            return say("expected books heard")
        return say("heard: {a:,} of {b:,} expected", a=heard, b=expected)

    @staticmethod
    def no_title() -> Said:
        return say("(no title)")

    @staticmethod
    def tag(epc: str) -> Said:
        return say("Tag {epc}", epc=epc)

    @staticmethod
    def no_place() -> Said:
        return say("Without a place")

    @staticmethod
    def no_shelf() -> Said:
        return say("Shelf not known")

    @staticmethod
    def strip_label(length: str, marks: int) -> Said:
        found = say_n("{n} finding", "{n} findings", marks)
        return say("The shelf, {length} long, with {found}", length=length, found=found)

    @staticmethod
    def title(site: str) -> Said:
        return say("Shelf report, {site}", site=site)

    @staticmethod
    def state(state: str) -> Said:
        return {"done": say("finished"), "aborted": say("not finished"), "failed": say("failed")}[state]
