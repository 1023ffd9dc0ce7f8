"""What tags' memories say, put together from reports and handed out once a tag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reader_drivers._reader import TagData
from reader_drivers.llrp.codec import MemoryBank, ReadResult, Reports
from reader_drivers.llrp.rospec import OP_TID, OP_USER

_TRIES = 3
"""A tag whose memory could not be read in so many pieces of stream is handed out with what there is of it."""

_SERIALIZED_TID = 0


@dataclass(slots=True)
class _Tag:
    tid: bytes | None = None
    user: bytes | None = None
    failed: int = 0


class TagMemories:
    """Collects TID and user memory; outlives connections, so that a tag is told of once."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Tag] = {}
        self._done: set[bytes] = set()

    def collect(self, reports: Reports, arrival_ns: int, banks: frozenset[MemoryBank]) -> list[TagData]:
        """Take in the memories that came with reports; return those of tags of which all `banks` are now known."""
        count = len(reports.memory_row)
        if not count:
            return []
        # One of each tag and read is enough, so what loops here is tags, not reports: a success if there is one.
        tag = reports.tag[reports.memory_row].astype(np.int64)
        failed = reports.memory_result != ReadResult.SUCCESS
        key = (tag << 17) | (reports.memory_op.astype(np.int64) << 1) | failed
        _, pick = np.unique(key, return_index=True)
        told: list[TagData] = []
        touched: dict[bytes, int] = {}
        for index in pick.tolist():
            epc = reports.epcs[int(tag[index])]
            if not epc or epc in self._done:
                continue
            touched.setdefault(epc, index)
            self._note(self._open.setdefault(epc, _Tag()), reports, index)
        for epc, index in touched.items():
            known = self._open[epc]
            if _complete(known, banks):
                del self._open[epc]
                self._done.add(epc)
                port = int(reports.antenna[reports.memory_row[index]]) & 0xFF
                name = epc.hex().upper()
                told.append(TagData(arrival_ns, name, port, tid=known.tid or b"", memory=known.user or b""))
        return told

    def _note(self, tag: _Tag, reports: Reports, index: int) -> None:
        op = int(reports.memory_op[index])
        if reports.memory_result[index] != ReadResult.SUCCESS:
            tag.failed += 1
        elif op in (_SERIALIZED_TID, OP_TID):
            # A chip without serial number sends an empty one.
            tag.tid = reports.memory(index) or tag.tid
        elif op == OP_USER:
            tag.user = reports.memory(index)


def _complete(tag: _Tag, banks: frozenset[MemoryBank]) -> bool:
    known = {
        bank for bank, data in ((MemoryBank.TID, tag.tid), (MemoryBank.USER, tag.user)) if data is not None
    }
    return banks <= known or (bool(known) and tag.failed >= _TRIES)
