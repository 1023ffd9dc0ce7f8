"""What `check_reader` says of capabilities and batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt

from reader_drivers._foreign_rows import RSSI_RANGE, clock_of, possible_phase, possible_rssi
from reader_drivers._reader import Capabilities, Reader, ReaderBatch, TagData
from recording import Air, PhaseAmbiguity

_CARRIERS_KHZ: Final = {"gen2": (840_000, 960_000), "iso15693": (13_560, 13_560)}
_CLOCK: Final = "by the clock that the factory was given"

_TYPES: Final[dict[str, tuple[str, Any]]] = {
    "manufacturer": ("text", str),
    "model": ("text", str),
    "firmware": ("text", str),
    "region": ("text", str),
    "antennas": ("a whole number", int),
    "phase": ("True or False", bool),
    "rssi_step_db": ("a number", (int, float)),
    "frequencies_khz": ("a tuple of whole numbers", int),
    "powers_dbm": ("a tuple of numbers", (int, float)),
}
_TUPLES: Final = ("frequencies_khz", "powers_dbm")


def mistyped(can: Capabilities) -> list[str]:
    """Say which of a reader's capabilities are of another kind than they have to be."""
    return [
        f"connect: {name} is {getattr(can, name)!r}, not {what}"
        for name, (what, kind) in _TYPES.items()
        if not _is(getattr(can, name), name, kind)
    ]


def of_capabilities(can: Capabilities, reader: Reader) -> Iterator[str]:
    """Say what is wrong with what a reader says of itself."""
    if can.air not in get_args(Air):
        yield f"connect: air is {can.air!r}, which is neither gen2 nor iso15693"
    if reader.air not in (None, can.air):
        yield f"connect: air is {can.air}, and the driver's own `air` says {reader.air}"
    if can.phase_ambiguity not in get_args(PhaseAmbiguity):
        yield f"connect: phase_ambiguity is {can.phase_ambiguity!r}; it is none, pi or unknown"
    if not 1 <= can.antennas <= 255:
        yield f"connect: {can.antennas} antennas"
    if list(can.powers_dbm) != sorted(can.powers_dbm):
        yield "connect: powers_dbm do not ascend"
    low, high = _CARRIERS_KHZ.get(can.air, (0, 2**32))
    if wrong := [khz for khz in can.frequencies_khz if not low <= khz <= high]:
        yield f"connect: frequencies_khz has {wrong[0]}, which is no carrier of {can.air} in kHz"


def _is(value: Any, name: str, kind: Any) -> bool:
    if name in _TUPLES:
        return isinstance(value, tuple) and all(isinstance(one, kind) for one in value)
    return isinstance(value, kind)


def of_batch(
    batch: ReaderBatch, can: Capabilities, ports: tuple[int, ...], span: tuple[int, int]
) -> Iterator[str]:
    """Say what is wrong with a batch.

    Parameters
    ----------
    batch, can
    ports
        That were asked for; empty: all.
    span
        From when to when anything in it can be, by the driver's clock; ns UTC.
    """
    began, now = span
    used = np.array(ports or range(1, can.antennas + 1))
    heard = batch.readings
    off = (heard.t < began) | (heard.t > now)
    if off.any():
        looks = clock_of(int(heard.t[off][0]), now)
        yield f"t is not between start and now {_CLOCK}: it is {looks}; ask that clock alone"
    yield from _of_ports(heard.antenna, used, can, "antenna is none of the ports asked for")
    if not possible_rssi(heard).all():
        yield f"rssi_dbm is not {RSSI_RANGE}; recordings refuse it"
    if not possible_phase(heard).all():
        yield "phase_rad is not in [0, 2 pi); recordings refuse it"
    if not can.phase and not np.isnan(heard.phase_rad).all():
        yield "phase_rad is there, and the capabilities say that there is none"
    low, high = _CARRIERS_KHZ.get(can.air, (0, 2**32))
    strange = heard.frequency_khz[(heard.frequency_khz < low) | (heard.frequency_khz > high)]
    if len(strange):
        yield f"frequency_khz is {strange[0]}, which is no carrier of {can.air} in kHz"
    for tag in heard.tags:
        if not _is_hex(tag):
            yield f"a tag is {tag[:40]!r}: not whole bytes in upper-case hexadecimal"
        elif can.air == "iso15693" and len(tag) != 16:
            yield f"a tag is {tag[:40]!r}: a UID has 16 digits"
    for event in batch.events:
        if not event.kind.isidentifier():
            yield f"an event's kind is {event.kind!r}: write one_word"
        if "\n" in event.detail:
            yield f"the detail of {event.kind} has several lines"
        if not began <= event.t <= now:
            yield f"t of {event.kind} is not between start and now {_CLOCK}: it is {clock_of(event.t, now)}"
    if batch.activity is not None:
        spans = batch.activity
        if np.any(spans.t_end <= spans.t_start):
            yield "activity ends before it begins"
        yield from _of_ports(spans.antenna, used, can, "activity is of a port that was not asked for")
        off = (spans.t_start < began) | (spans.t_end > now)
        if off.any():
            first, last = int(spans.t_start[off][0]), int(spans.t_end[off][0])
            looks = clock_of(first if first < began else last, now)
            yield f"activity is not between start and now {_CLOCK}: it is {looks}"
    for data in batch.tags:
        yield from _of_memory(data)


def _of_ports(
    antenna: npt.NDArray[np.uint8], used: npt.NDArray[Any], can: Capabilities, what: str
) -> Iterator[str]:
    beyond = antenna[(antenna < 1) | (antenna > can.antennas)]
    if len(beyond):
        yield f"{what}: port {beyond[0]}, and the capabilities have {can.antennas}"
    elif not np.isin(antenna, used).all():
        yield f"{what}, {used.tolist()}"


def _of_memory(data: TagData) -> Iterator[str]:
    if not _is_hex(data.epc):
        yield f"the memory of tag {data.epc[:40]!r}: not in upper-case hexadecimal"
    for name in ("memory", "tid"):
        if not isinstance(getattr(data, name), bytes):
            yield f"{name} of a tag's data is no bytes"
    for name in ("afi", "dsfid"):
        value = getattr(data, name)
        if value is not None and not (isinstance(value, int) and 0 <= value <= 255):
            yield f"{name} of a tag's data is {value!r}, not from 0 to 255"


def _is_hex(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and set(text) <= set("0123456789ABCDEF")
