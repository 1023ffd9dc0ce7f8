"""Whether a file may be imported for all that was seen of it; if not, everything that is wrong in one error."""

from __future__ import annotations

from stacks.holding import SCHEMES, STATUSES
from stacks.imports.builder import Builder
from stacks.imports.faults import Words, refused, times

_MANY = 100
"""In files of so many rows one may always be left out."""
_MOST_WORDS = 12


def check_rows(builder: Builder, most_bad: float, records: int = 0) -> None:
    """
    Refuse a file whose rows were all taken, if it has to be.

    Parameters
    ----------
    builder : Builder
        It has taken all batches.
    most_bad : float
        The largest share of rows or records that may be left out.
    records : int
        How many records there were, where that is not the number of copies.

    Raises
    ------
    RowsError
        Too many rows cannot be used, texts were once read in a wrong encoding and that is refused, words for statuses
        or schemes are not known, or the file says nothing of either.
    """
    everything = max(builder.rows, records)
    # One row of a hundred and more is an accident, whatever the share; of a few it is the share that counts.
    allowed = max(most_bad * everything, 1 if most_bad > 0 and everything >= _MANY else 0)
    reasons: list[str] = []
    too_many = builder.left_out_count > allowed
    if too_many:
        share = builder.left_out_count / everything
        reasons.append(
            f"{builder.left_out_count:,} of {everything:,} rows or records ({share:.1%}) cannot be used, the first: "
            f"{builder.left_out[0]}; mend the export, or allow more with --most-bad {min(1.0, share + 0.01):.2f}"
        )
    if texts := builder.refused_texts:
        first = builder.faults.first("wrong_encoding")
        counted = f"{texts:,} texts were once read in a wrong encoding, the first: " if texts > 1 else ""
        reasons.append(
            f"{counted}{first.where}: {first.said}; export it anew or name its encoding with --encoding (or "
            "--bad-text skip, or keep)"
        )
    # What may be left out is no reason.
    groups = [
        group for group in builder.faults.groups() if too_many or (texts and group.kind == "wrong_encoding")
    ]
    for name in ("status", "scheme"):
        words = builder.unknown[name]
        if too_many:
            words = words.with_those_of(builder.unknown_of_bad[name])
        if words.rows:
            reasons.append(_said_unknown(name, words))
            groups.append(words.group(name))
    reasons += _lacking(builder)
    if reasons:
        raise refused(f"{builder.source}: {'; also: '.join(reasons)}", everything, groups)


def _said_unknown(name: str, words: Words) -> str:
    common, ours = words.common(), STATUSES if name == "status" else SCHEMES
    said = ", ".join(f"{word[:80]!r} ({times(n)})" for word, n in common[:_MOST_WORDS])
    return (
        f"no {name} of ours is known for {said}{words.more(_MOST_WORDS)}; map each, as "
        f"--{name} '{common[0][0][:80]}={ours[0]}', to one of {', '.join(ours)}"
    )


def _lacking(builder: Builder) -> list[str]:
    made: list[str] = []
    shown = ", ".join(name for name in builder.header if name)[:300]
    if "status" not in builder.names and builder.copies:
        made.append(
            "has no status; name its column with --map status=HEADER, or say that all copies have one with "
            f"--set status=available{f'; it has {shown}' if shown else ''}"
        )
    if "scheme" not in builder.names and builder.copies:
        made.append(
            "does not say the scheme of its call numbers; name it with --set scheme=lcc (one of "
            f"{', '.join(SCHEMES)}), or its column with --map scheme=HEADER"
        )
    return made
