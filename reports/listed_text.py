"""Sentences about staff's own lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reports.findings import Finding
from reports.phrases import Phrase, Said, say, say_n
from reports.text import STATUS_WORDS, several
from stacks.staff_lists import ListNote

PURPOSE_WORDS: dict[str, Said] = {
    "wanted": say("a reader waits"),
    "claimed_returned": say("claimed returned"),
    "reported_missing": say("reported missing"),
    "search": say("search"),
    "hold": say("to be put on hold"),
    "binding": say("for the bindery"),
    "exhibition": say("for an exhibition"),
    "weeding": say("weeding"),
    "pull": say("to be pulled"),
}
"""What a list is for."""

LIST_ACTIONS: dict[str, Said] = {
    "wanted": say("fetch for the reader"),
    "claimed_returned": say("fetch, clear the claim"),
    "reported_missing": say("fetch, correct the record"),
    "search": say("fetch"),
    "hold": say("fetch, put on the hold shelf"),
    "binding": say("pull for the bindery"),
    "exhibition": say("pull for the exhibition"),
    "weeding": say("pull: weeding"),
    "pull": say("pull"),
}
"""What there is to do with a copy on a list, by the list's purpose."""


def beside(left: str, right: str) -> Said:
    """Say between which two books a copy stands."""
    if left and right:
        return say("between {left} and {right}", left=left, right=right)
    if left:
        return say("after {left}", left=left)
    return say("before {right}", right=right) if right else Said(())


def heard_here(readings: int, beside: str) -> Said:
    """Say that a copy was heard on this shelf, and between which books."""
    if not beside:
        return say_n("Heard {n} time on this shelf.", "Heard {n} times on this shelf.", readings)
    return say_n(
        "Heard {n} time on this shelf, {beside}.",
        "Heard {n} times on this shelf, {beside}.",
        readings,
        beside=beside,
    )


def heard_behind(home: str, readings: int) -> Said:
    """Say that a copy was heard from afar."""
    return say_n(
        "Heard {n} time from afar, through or over a bookcase; most likely it stands at {home},"
        " which was not scanned.",
        "Heard {n} times from afar, through or over a bookcase; most likely it stands at {home},"
        " which was not scanned.",
        readings,
        home=home,
    )


def on_list(name: str, purpose: str, note: str) -> Said:
    """Say that a copy is on a list, with staff's note."""
    why = PURPOSE_WORDS[purpose]
    if note:
        # As in _WITH_NOTE.
        return say(
            ' On the list "{list}" ({purpose}): {note}.', list=name, purpose=why, note=note.rstrip(".")
        )
    return say(' On the list "{list}" ({purpose}).', list=name, purpose=why)


def off_list(f: Finding) -> Finding:
    """Return a finding without the lists its copy was on, and without what its evidence says of them."""
    evidence = f.evidence
    if isinstance(evidence, Said):
        said = (p for p in evidence.phrases if isinstance(p, str) or p.template not in _ON_LIST)
        evidence = Said(tuple(said))
    return replace(f, evidence=evidence, lists=(), purpose="", listed_at=None)


_ON_LIST = frozenset(
    phrase.template
    for note in ("", "-")
    for phrase in on_list("", "search", note).phrases
    if isinstance(phrase, Phrase)
)


def for_list(name: str, purpose: str, note: str) -> Said:
    """Say for which list a copy is to be fetched, what that is for, and staff's note."""
    why = PURPOSE_WORDS[purpose]
    if note:
        return say("{list} ({purpose}): {note}", list=name, purpose=why, note=note)
    return say("{list} ({purpose})", list=name, purpose=why)


_WITH_NOTE = {
    ' On the list "{list}" ({purpose}): {note}.': ' On the list "{list}" ({purpose}).',
    "{list} ({purpose}): {note}": "{list} ({purpose})",
}


def without_notes(text: str) -> str:
    """Return a text without the notes of staff's lists, for those who are not staff."""
    if not isinstance(text, Said):
        return text
    made: list[Phrase | str] = []
    for phrase in text.phrases:
        if isinstance(phrase, Phrase):
            values = {k: without_notes(v) if isinstance(v, str) else v for k, v in phrase.values.items()}
            bare = _WITH_NOTE.get(phrase.template)
            if bare is not None:
                del values["note"]
            made.append(Phrase(bare or phrase.template, values, phrase.many, phrase.count))
        else:
            made.append(phrase)
    return Said(tuple(made))


def tally(
    name: str,
    purpose: str,
    counts: tuple[int, int, int, int, int],
    away: Mapping[str, int],
    unknown: tuple[Sequence[str], int],
    expired: int,
    notes: Sequence[ListNote],
) -> Said:
    """Say what became of a list: located, asked, without a place, not heard, and of these not looked for."""
    located, asked, unplaced, silent, not_looked = counts
    parts = [say("{a:,} of {b:,} located", a=located, b=asked)]
    if unplaced:
        parts.append(say("{n:,} heard without a place", n=unplaced))
    parts += [say("{n:,} {status}", n=n, status=STATUS_WORDS[status]) for status, n in away.items()]
    if silent and not_looked == silent:
        parts.append(say("{n:,} not looked for tonight", n=silent))
    elif not_looked:
        parts.append(say("{n:,} not heard tonight ({m:,} of them not looked for)", n=silent, m=not_looked))
    elif silent:
        parts.append(say("{n:,} not heard tonight", n=silent))
    named, total = unknown
    if total:
        parts.append(say("{n:,} not in the catalogue", n=total))
    said = say(
        '"{list}" ({purpose}): {counts}.', list=name, purpose=PURPOSE_WORDS[purpose], counts=several(parts)
    )
    if total:
        those = several([*named, "..."] if total > len(named) else list(named))
        said += say(" The catalogue does not know {barcodes}.", barcodes=those)
    if expired:
        said += say_n(" {n} row is past its last day.", " {n} rows are past their last day.", expired)
    for note in notes:
        if note.kind == "header":  # of use where the file is uploaded, not every morning
            continue
        said += say(" Of the file: {note}.", note=file_note(note))
    return said


def file_note(note: ListNote) -> Said:
    """Say how a list's file was read or what was left out of it, without the full stop."""
    place = (
        say("row {n} (line {line})", n=note.row, line=note.line) if note.line else say("row {n}", n=note.row)
    )
    if note.kind == "header":
        if not note.row:
            place = say("line {n}", n=note.line)
        if not note.text:
            return say("{row} was taken for the header; what stands above it is blank", row=place)
        return say('{row} was taken for the header; above it stands "{text}"', row=place, text=note.text)
    if note.kind == "no_barcode":
        return say("{row} has no barcode, and is left out", row=place)
    if note.kind == "fields":
        return say(
            "{row} has {a} fields where the header has {b}, and is left out",
            row=place,
            a=note.count,
            b=note.of,
        )
    if note.kind == "twice":
        return say_n(
            "{n} row names a barcode that stands above already, and is left out",
            "{n} rows name a barcode that stands above already, and are left out",
            note.count,
        )
    if note.kind == "more":
        return say_n("and {n} more row like these", "and {n} more rows like these", note.count)
    return Said((note.text.rstrip("."),))


def off_lists(run_id: str) -> Said:
    """Say why a case closed: no list names the copy any more."""
    return say("By the scan {run} no list named it any more.", run=run_id)
