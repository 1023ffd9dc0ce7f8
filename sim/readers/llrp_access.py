"""The AccessSpecs of an emulated reader at work: what reports carry of tags' memories."""

from __future__ import annotations

import numpy as np

from reader_drivers.llrp.codec import encode_parameter, parameter
from sim.readers.gen2_memory import MemoryOf, TagMemory
from sim.readers.llrp_memory import serialized_tid
from sim.readers.llrp_reports import Content, Extras, Rows
from sim.readers.llrp_state import ReaderState


class AccessRuns:
    """Runs enabled AccessSpecs on tags that are reported.

    Parameters
    ----------
    state
        Has the specs.
    memory
        Returns a tag's memories by its EPC.
    failures
        Share of the reads that a tag does not answer.
    """

    def __init__(self, state: ReaderState, memory: MemoryOf, failures: float) -> None:
        self._state, self._memory, self._failures = state, memory, failures
        self._rng = np.random.default_rng(11)
        self._known: dict[bytes, TagMemory] = {}

    def extras(self, rows: Rows, content: Content, rospec: int) -> Extras | None:
        """Return what these reports carry beside their fields; None: nothing."""
        if not len(rows) or not (self._state.enabled or content.tid or content.access_spec_id):
            return None
        answers = self._rng.random(len(rows)) >= self._failures
        key = (rows.tag.astype(np.int64) << 9) | (rows.antenna.astype(np.int64) << 1) | answers
        # Of one tag at one port all reports carry the same, but for those that it did not answer.
        kinds, which = np.unique(key, return_inverse=True)
        blobs = [
            self._blobs(rows.tags[kind >> 9], (kind >> 1) & 0xFF, bool(kind & 1), content, rospec)
            for kind in kinds.tolist()
        ]
        return Extras(which.reshape(-1).astype(np.int64), tuple(blobs))

    def _blobs(
        self, epc: bytes, port: int, answers: bool, content: Content, rospec: int
    ) -> tuple[bytes, bytes]:
        memory = self._known.get(epc)
        if memory is None:
            memory = self._known[epc] = self._memory(epc)
        results = b""
        # The first AccessSpec that a tag fits is done on it, and no other (LLRP 1.0.1, section 11.2.1).
        for number in sorted(self._state.enabled):
            spec = self._state.access_specs[number]
            done = spec.results(epc, memory, answers=answers) if spec.serves(port, rospec) else None
            if done is not None:
                results = done
                break
        if content.access_spec_id and not results:
            results = encode_parameter(parameter("AccessSpecID"))
        return results, serialized_tid(memory) if content.tid else b""
