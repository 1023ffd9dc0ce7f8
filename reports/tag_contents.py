"""What the tags of a recording say, from ``tags.parquet``: their contents, and whether they are secured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from recording import TagMemories
from reports.known_tags import Remembered
from reports.tags_recalled import was_read
from stacks.tag_data import SecurityPolicy, TagContents, identify, identify_epcs
from stacks.tag_data.contents import UNIVERSITIES

_SAMPLE: Final = 500
_USED_FROM: Final = 0.5
"""Where fewer of the tags read are secured, the library secures its books in another way."""


def contents_of(memories: TagMemories, policy: SecurityPolicy) -> dict[str, TagContents]:
    """
    Return what each tag says, by EPC in capitals.

    Of several looks at one tag the last that read a thing counts; of its memories, the last without a problem: a look
    may have been cut short or spoiled.
    """
    last: dict[str, dict[str, int]] = {}
    read: dict[str, dict[tuple[bytes, int], None]] = {}
    columns = ("epc", "memory", "block_bytes", "dsfid", "afi", "eas")
    for epc, memory, block, dsfid, afi, eas in zip(
        *(getattr(memories, c).tolist() for c in columns), strict=True
    ):
        seen = last.setdefault(epc, {})
        if memory:
            looks = read.setdefault(epc, {})
            looks.pop((memory, block or 4), None)
            looks[memory, block or 4] = None
        for name, value in (("dsfid", dsfid), ("afi", afi), ("eas", eas)):
            if value >= 0:
                seen[name] = value
    made: dict[str, TagContents] = {}
    for epc, seen in last.items():
        eas = seen.pop("eas", None)
        on = None if eas is None else bool(eas)
        said: TagContents | None = None
        for memory, block in reversed(read.get(epc, {(None, 4): None})):
            look = identify(epc, memory=memory, block_bytes=block, eas=on, policy=policy, **seen)
            said = said or look
            if not look.problem:
                said = look
                break
        if said is not None:
            made[epc] = said
    return made


def names_of(
    contents: Mapping[str, TagContents], epcs: Sequence[str], remembered: Remembered | None = None
) -> tuple[list[str], list[str]]:
    """Return the barcodes that tags carry, and the tags: what is known of a barcode is known of its tag.

    Those that nobody read tonight carry what is `remembered` of them.
    """
    others = [epc for epc in epcs if not was_read(contents.get(epc.upper()))]
    named: list[tuple[str, str]] = []
    if remembered is not None:
        named += zip(*remembered.names(epc.upper() for epc in others), strict=True)
    named += [(said.item_id, epc) for epc, said in contents.items() if said.candidates and said.item_id]
    others = [epc for epc in others if epc.upper() not in contents]
    items = identify_epcs(others).item_id.tolist()
    named += [(item, epc) for item, epc in zip(items, others, strict=True) if item]
    return [item for item, _ in named], [epc for _, epc in named]


def unread_note(count: int) -> str:
    """Say that some tags' memories were not read, tonight or before."""
    return (
        f"of {count} tag{'' if count == 1 else 's'} heard the memory was not read, so which copies they are is not"
        " known: they are not listed, and no copy of the shelves they stand on is called missing for want of its tag,"
        " unless an earlier night read which tag that is"
    )


def security_of(contents: dict[str, TagContents], epcs: Sequence[str]) -> tuple[dict[str, bool], str]:
    """
    Return by EPC whether tags are secured, and a note where that is not believed.

    Beside what was read of tags, the EPCs of the Chinese universities' format say it themselves. Where most tags are
    not secured, the library's gates listen to something else, and nothing is said of any.
    """
    known = {epc: said.security for epc, said in contents.items() if said.security is not None}
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
    some = epcs[:: max(len(epcs) // _SAMPLE, 1)]
    if not some or (identify_epcs(some).format == UNIVERSITIES).mean() < _USED_FROM:
        return {}
    pairs = zip(epcs, identify_epcs(epcs).format.tolist(), strict=True)
    return {epc.upper(): not int(epc[0], 16) & 8 for epc, of in pairs if of == UNIVERSITIES}
