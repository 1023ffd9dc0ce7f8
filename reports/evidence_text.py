"""Sentences that say why: those of the tag, the shelf's range, and what former nights taught."""

from __future__ import annotations

from typing import Final

from reports.phrases import Said, say, say_n
from stacks.tag_data import TagContents
from stacks.tag_data.contents import FIXED_BLOCK, OBJECTS, TEXT, UHF, UNIVERSITIES

_NAMES_AN_ITEM: Final = frozenset((OBJECTS, FIXED_BLOCK, UHF, UNIVERSITIES, TEXT))
"""Formats whose item identifier is most likely a barcode, whether a copy has it or not."""


def what_to_do(status: str) -> Said:
    """Say what to do about a copy on a shelf with this status; a status is never cleared by itself."""
    match status:
        case "on_hold":
            return say(" A reader waits for it: put it on the hold shelf.")
        case "in_transit":
            return say(" Check it in, so that it goes on its way.")
        case "in_process":
            return say(" Take it back to the work room that has it in hand.")
        case "claimed_returned":
            return say(" The reader said it was returned: check it in, and clear the claim.")
        case "withdrawn":
            return say(" It was weeded: take it off the shelf.")
        case "missing":
            return say(" Check it in, so that the record no longer has it missing.")
        case "lost":
            return say(" Check it in, and see whether somebody was billed for it.")
        case "loaned":
            return say(" Check it in once you hold it: it came back past the desk, or was never taken out.")
        case _:
            return Said(())


def nights_silent(nights: int) -> Said:
    """Say for how many nights in a row a copy was silent."""
    return say_n(" Silent for {n} night in a row.", " Silent for {n} nights in a row.", nights)


def heard_before(nights: int, chance: float) -> Said:
    """Say that a tag used to be heard, and how likely it would have been heard tonight."""
    return say_n(
        " Its tag was heard on {n} night before; it would be silent here with a chance of {chance}.",
        " Its tag was heard on {n} nights before; it would be silent here with a chance of {chance}.",
        nights,
        chance=f"{max(chance, 0.001):.1%}",
    )


def never_heard(dead: float) -> Said:
    """Say that a tag was never heard, and how likely it is there with a dead tag."""
    return say(
        " Its tag was never heard: with a chance of {dead} it stands there, and its tag is dead.",
        dead=f"{dead:.0%}",
    )


def perhaps_in_use(away: float) -> Said:
    """Say how likely a silent copy is in use in the house."""
    return say(" It may be in use in the house ({away}).", away=f"{away:.0%}")


def dead_tag() -> Said:
    """Say that a tag is dead."""
    return say("Staff found it on its shelf while its tag was silent: the tag is dead. Give it a new one.")


def weak_tag(heard: int, nights: int, ratio: float, chance: float) -> Said:
    """Say how weak a tag is: on how many nights it was heard, and how often beside its neighbours."""
    said = say("Heard on {heard} of {nights} nights", heard=heard, nights=max(heard, nights))
    if ratio < 0.67:
        said += say(
            ", with one reading for every {n} a usual tag gives there", n=round(1.0 / max(ratio, 0.01))
        )
    return said + say(
        ". With a chance of {p} its tag is weak: give it a new one before it falls silent.", p=f"{chance:.0%}"
    )


def blank_tag(why: str, readings: int) -> Said:
    """Say that a tag was never programmed; `why` is what `stacks.tag_data.blank` returns, or ``memory``."""
    match why:
        case "zeros":
            reason = say("it answers with zeros only")
        case "ones":
            reason = say("it answers with ones only")
        case "repeats":
            reason = say("it answers with one pattern over and over")
        case "memory":
            reason = say("its memory is empty")
        case _:
            reason = say("it still has the number its chip's maker gave it")
    return say_n(
        "Never programmed: {reason}. Heard {n} time.",
        "Never programmed: {reason}. Heard {n} times.",
        readings,
        reason=reason,
    )


def renumbered(barcode: str, epc: str) -> Said:
    """Say that a tag carries the barcode of a copy whose record has another tag number."""
    return say(
        "This tag carries the barcode {barcode}, and that record has another tag number ({epc}), which was not heard:"
        " the copy has got a new tag. Put its number into the record.",
        barcode=barcode,
        epc=epc,
    )


def tag_says(said: TagContents, foreign: str, second: str) -> Said:
    """Say what an unknown tag says of itself.

    Parameters
    ----------
    said : TagContents
    foreign : str
        ISIL of the other library that it names; empty: none.
    second : str
        Barcode of the copy that it names although that copy's own tag was heard; empty: none.
    """
    if said.patron_card:  # whose it is goes into no report
        return say(" It is a patron's card.")
    if second:
        return say(" It carries the barcode {barcode}, whose own tag was heard as well.", barcode=second)
    if foreign and said.item_id:
        return say(" It belongs to {owner}, where it is {item}.", owner=foreign, item=said.item_id)
    if foreign:
        return say(" It belongs to {owner}.", owner=foreign)
    match said.problem:
        case "bad CRC":
            return say(" What it carries is damaged: its checksum is wrong.")
        case "ambiguous":
            ways = {way.item_id for way in said.readings}
            return say(
                " What it carries can be read in {n} ways, and no single one names a copy.", n=len(ways)
            )
        case "broken" | "contradiction":
            return say(" What it carries is not as its format should be.")
        case _:
            pass
    if said.format not in _NAMES_AN_ITEM or not said.item_id:
        return Said(())
    if said.owner:
        return say(" It says that it is {item} of {owner}.", item=said.item_id, owner=said.owner)
    return say(" It says that it is {item}.", item=said.item_id)


def two_places(apart_m: float) -> Said:
    """Say that one number is heard at two places."""
    return say(
        "One tag number is heard at two places {apart} m apart: two tags carry it.", apart=f"{apart_m:.1f}"
    )


def security_off() -> Said:
    """Say that a tag's theft bit is off although the book stands on its shelf."""
    return say(
        "It stands on the shelf as available, and its security bit is off: it would pass the gate unheard."
    )


def range_moved(first: str, last: str, count: int, here: str, home: str) -> Said:
    """Say that a run of books stands in order on a shelf next to their own."""
    return say_n(
        "{n} book, {first} to {last}, stands on {here} in order; by the record it belongs on {home}.",
        "{n} books, {first} to {last}, stand on {here} in order; by the record they belong on {home}.",
        count,
        first=first,
        last=last,
        here=here,
        home=home,
    )


def range_to(shelf: str, start: str) -> Said:
    """Say where a shelf's range should start."""
    return say("Let the range of {shelf} start at {start}", shelf=shelf, start=start)
