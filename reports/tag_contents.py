"""What the tags of a recording say, from ``tags.parquet``: their contents, and whether they are secured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from recording import TagMemories
from recording.words import counted
from reports.known_tags import Remembered
from reports.tags_recalled import spread, was_read
from stacks.tag_data import SecurityPolicy, TagContents, TagTable, identify, identify_epcs
from stacks.tag_data.contents import UNIVERSITIES

Texts = npt.NDArray[np.object_]

_SAMPLE: Final = 500
_USED_FROM: Final = 0.5
"""Where fewer of the tags read are secured, the library secures its books in another way."""


def contents_of(memories: TagMemories | None, policy: SecurityPolicy) -> TagTable:
    """
    Return what each tag says, by EPC in capitals; without memories an empty table.

    Of several looks at one tag the last that read a thing counts; of its memories, the last without a problem: a look
    may have been cut short or spoiled.
    """
    return TagTable() if memories is None else TagTable(_contents(memories, policy))


def _contents(memories: TagMemories, policy: SecurityPolicy) -> Iterator[tuple[str, TagContents]]:
    columns = ("memory", "block_bytes", "dsfid", "afi", "eas")
    for epc, rows in _looks(memories.epc):
        seen, read = dict[str, int](), dict[tuple[bytes, int], None]()
        for row in rows:
            memory, block, *rest = (getattr(memories, name)[row] for name in columns)
            if memory:
                read.pop((memory, int(block) or 4), None)
                read[memory, int(block) or 4] = None
            for name, value in zip(columns[2:], rest, strict=True):
                if value >= 0:
                    seen[name] = int(value)
        eas = seen.pop("eas", None)
        on = None if eas is None else bool(eas)
        look = partial(identify, epc, eas=on, policy=policy, **seen)
        if not read:
            yield epc, look()
            continue
        (memory, block), *older = reversed(read)
        said = look(memory=memory, block_bytes=block)
        if said.problem:
            before = (look(memory=memory, block_bytes=block) for memory, block in older)
            said = next((other for other in before if not other.problem), said)
        yield epc, said


def _looks(epcs: Texts) -> Iterator[tuple[str, list[int]]]:
    """Yield each tag, in the order in which they came, and the rows of its looks; most have one."""
    number: dict[str, int] = {}
    tag = np.fromiter((number.setdefault(epc, len(number)) for epc in epcs.tolist()), np.int64, len(epcs))
    order = np.argsort(tag, kind="stable")
    ends = np.searchsorted(tag[order], np.arange(len(number)), "right").tolist()
    start = 0
    for epc, end in zip(number, ends, strict=True):
        yield epc, order[start:end].tolist()
        start = end


def names_of(
    contents: Mapping[str, TagContents], epcs: Sequence[str], remembered: Remembered | None = None
) -> tuple[list[str], list[str]]:
    """Return the barcodes that tags carry, and the tags: what is known of a barcode is known of its tag.

    Those that nobody read tonight carry what is `remembered` of them.
    """
    table, numbers = TagTable.of(contents), [epc.upper() for epc in epcs]
    unread = np.flatnonzero(~table.holds(numbers, was_read)).tolist()
    named: list[tuple[str, str]] = []
    if remembered is not None:
        named += zip(*remembered.names(numbers[i] for i in unread), strict=True)
    rows = np.flatnonzero(table.named & ~table.where(lambda kind: kind.patron_card))
    named += zip(table.item_ids(rows), table.keys_of.epcs(rows), strict=True)
    others = [epcs[i] for i in np.flatnonzero(table.rows(numbers) < 0).tolist()]
    items = identify_epcs(others).item_id.tolist()
    named += [(item, epc) for item, epc in zip(items, others, strict=True) if item]
    return [item for item, _ in named], [epc for _, epc in named]


def unread_note(count: int) -> str:
    """Say that some tags' memories were not read, tonight or before; nothing where there are none."""
    if not count:
        return ""
    return (
        f"of {counted(count, 'tag')} heard the memory was not read, so which copies they are is not"
        " known: they are not listed, and no copy of the shelves they stand on is called missing for want of its tag,"
        " unless an earlier night read which tag that is"
    )


def security_of(contents: Mapping[str, TagContents], epcs: Sequence[str]) -> tuple[dict[str, bool], str]:
    """
    Return by EPC whether tags are secured, and a note where that is not believed.

    Beside what was read of tags, the EPCs of the Chinese universities' format say it themselves. Where most tags are
    not secured, the library's gates listen to something else, and nothing is said of any.
    """
    table = TagTable.of(contents)
    told = np.flatnonzero(table.where(lambda kind: kind.security is not None))
    known = dict(zip(table.keys_of.epcs(told), table.column("security")[told].tolist(), strict=True))
    known = _lending_flags(epcs) | known
    on = sum(known.values())
    if known and on < _USED_FROM * len(known):
        return {}, (
            f"{on} of the {len(known)} tags whose AFI, EAS or lending flag was read are secured, so"
            " books here seem to be secured in another way; --afi-on and --afi-off say which AFIs mean what"
        )
    return known, ""


def _lending_flags(epcs: Sequence[str]) -> dict[str, bool]:
    """Return what the lending flags of EPCs say, where most EPCs have one."""
    some = spread(epcs, _SAMPLE)
    if not some or (identify_epcs(some).format == UNIVERSITIES).mean() < _USED_FROM:
        return {}
    pairs = zip(epcs, identify_epcs(epcs).format.tolist(), strict=True)
    return {epc.upper(): not int(epc[0], 16) & 8 for epc, of in pairs if of == UNIVERSITIES}
