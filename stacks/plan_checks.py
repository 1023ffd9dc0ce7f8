"""What a face of a plan must be like: ids, lengths, directions, boards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

from stacks.plan_json import Fields
from stacks.shelving import SLACK_M, Face, Shelf

Ids = dict[str, dict[str, str]]
_SLACK_DEG = 0.01
_MAX_M = 100_000.0
_LABEL_BESIDE_M = 0.1
"""A shelf's label hangs on its board or on the upright beside it."""


def no_ids() -> Ids:
    """Return the record of what must be there once, empty."""
    return {kind: {} for kind in ("floor", "face", "shelf", "tag", "sequence")}


def version_from_json(entry: Fields, key: str) -> int | str:
    """Return the plan's edition, a count or a text; raises PlanError."""
    value = entry.value(key)
    return entry.integer(key, 0, 2**53) if isinstance(value, int) else entry.text(key)


def once(entry: Fields, key: str, what: str, ids: Ids) -> str:
    """Return an id that no other one of its kind may have; raises PlanError."""
    name = entry.text(key)
    if name in ids[what]:
        entry.fail(key, f"{name!r} is the {what} of {ids[what][name]}, too; each must be its own")
    ids[what][name] = entry.path
    return name


def _metres(entry: Fields, key: str, low: float) -> float:
    value = entry.number(key)
    if not low <= value <= _MAX_M:
        entry.fail(key, f"is {value:g} m and must lie in {low:g} to {_MAX_M:g}")
    return value


def _length(entry: Fields, key: str) -> float:
    value = _metres(entry, key, 0.0)
    if value <= 0:
        entry.fail(key, "must be longer than 0 m")
    return value


def face_from_json(entry: Fields, ids: Ids) -> Face:
    """
    Return a face with its shelves, checked.

    Parameters
    ----------
    entry : Fields
        Its object.
    ids : mapping
        Where each id, label and place in the sequence was seen, by kind; added to.

    Raises
    ------
    PlanError
        Naming the JSON path of what is wrong.
    """
    face_id = once(entry, "id", "face", ids)
    x, y = entry.numbers("origin_m", 2)
    direction, normal = entry.number("direction_deg"), entry.number("normal_deg")
    if abs(math.remainder(direction - normal - 90.0, 360.0)) > _SLACK_DEG:
        if abs(math.remainder(direction - normal + 90.0, 360.0)) <= _SLACK_DEG:
            entry.fail(
                "direction_deg",
                "runs right to left as seen from the aisle; it must be normal_deg + 90, with origin_m at the left end",
            )
        entry.fail("direction_deg", f"is {direction:g} and must be normal_deg + 90 = {normal + 90:g}")
    length = _length(entry, "length_m")
    depth = _metres(entry, "tag_depth_m", -2.0)
    entries = entry.objects("shelves")
    shelves = tuple(_shelf(shelf, length, ids) for shelf in entries)
    _check_boards(shelves, entries)
    return Face(face_id, (x, y), direction, normal, length, depth, shelves, entry.rest())


def _shelf(entry: Fields, length_m: float, ids: Ids) -> Shelf:
    shelf_id = once(entry, "id", "shelf", ids)
    start, end = entry.number("from_m"), entry.number("to_m")
    if start < -SLACK_M or end > length_m + SLACK_M:
        entry.fail("from_m" if start < 0 else "to_m", f"lies outside the face, which is {length_m:g} m long")
    if start >= end:
        entry.fail("to_m", f"is {end:g} and must be greater than from_m, {start:g}")
    tag = entry.optional("tag", entry.text)
    if tag is not None:
        try:
            tag = bytes.fromhex(tag).hex().upper()
        except ValueError:
            entry.fail("tag", f"{tag[:40]!r} is no EPC in hexadecimal")
        if tag in ids["tag"]:
            entry.fail("tag", f"is that of {ids['tag'][tag]}, too; each label must have its own")
        ids["tag"][tag] = entry.path
    label_at = entry.optional("tag_offset_m", entry.number)
    if label_at is not None and not start - _LABEL_BESIDE_M <= label_at <= end + _LABEL_BESIDE_M:
        entry.fail("tag_offset_m", f"is {label_at:g}, beside the shelf, which is {start:g} to {end:g}")
    sequence = entry.optional("sequence", lambda key: entry.integer(key, 0, 2**53))
    if sequence is not None:
        if str(sequence) in ids["sequence"]:
            entry.fail("sequence", f"{sequence} is that of {ids['sequence'][str(sequence)]}, too")
        ids["sequence"][str(sequence)] = entry.path
    return Shelf(
        id=shelf_id,
        bay=_bay(entry),
        level=entry.integer("level", 1, 100),
        from_m=start,
        to_m=end,
        board_z_m=_metres(entry, "board_z_m", 0.0),
        clear_m=_length(entry, "clear_m"),
        range_start=entry.optional("range_start", entry.text),
        sequence=sequence,
        tag=tag,
        tag_offset_m=label_at,
        tag_z_m=entry.optional("tag_z_m", lambda key: _metres(entry, key, 0.0)),
        extra=entry.rest(),
    )


def _bay(entry: Fields) -> str:
    value = entry.value("bay")
    return str(entry.integer("bay", -(2**53), 2**53)) if isinstance(value, int) else entry.text("bay")


def _check_boards(shelves: tuple[Shelf, ...], entries: Iterable[Fields]) -> None:
    """No two shelves in one place; in a bay, boards get higher with the level and leave room below."""
    made = list(zip(shelves, entries, strict=True))
    by_level: dict[int, list[tuple[Shelf, Fields]]] = {}
    by_bay: dict[str, list[tuple[Shelf, Fields]]] = {}
    for shelf, entry in made:
        by_level.setdefault(shelf.level, []).append((shelf, entry))
        by_bay.setdefault(shelf.bay, []).append((shelf, entry))
    for level, row in by_level.items():
        row.sort(key=lambda pair: pair[0].from_m)
        for (left, _), (right, entry) in itertools.pairwise(row):
            if right.from_m < left.to_m - SLACK_M:
                entry.fail(
                    "from_m", f"is {right.from_m:g}, inside shelf {left.id!r} of the same level {level}"
                )
    for bay, column in by_bay.items():
        column.sort(key=lambda pair: (pair[0].level, pair[0].from_m))
        for i, (lower, entry) in enumerate(column):
            for upper, above in column[i + 1 :]:
                if (
                    upper.level == lower.level
                    or min(upper.to_m, lower.to_m) <= max(upper.from_m, lower.from_m) + SLACK_M
                ):
                    continue
                if upper.board_z_m <= lower.board_z_m:
                    above.fail(
                        "board_z_m", f"is not above that of the lower shelf {lower.id!r} in bay {bay!r}"
                    )
                if lower.board_z_m + lower.clear_m > upper.board_z_m + SLACK_M:
                    entry.fail("clear_m", f"reaches through the next board, that of shelf {upper.id!r}")
