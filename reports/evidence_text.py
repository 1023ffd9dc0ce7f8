"""Sentences that say why: those of the tag, the shelf's range, and what former nights taught."""

from __future__ import annotations

from reports.phrases import Said, say, say_n


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
        case _:
            reason = say("it still has the number its chip's maker gave it")
    return say_n(
        "Never programmed: {reason}. Heard {n} time.",
        "Never programmed: {reason}. Heard {n} times.",
        readings,
        reason=reason,
    )


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
