"""Tag reports as a reader sends them: which fields, quantised how, in how many messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader_drivers.llrp.codec import IMPINJ, PHASE_STEPS, RO_ACCESS_REPORT, Parameter, Version
from sim.readers.clock import ReaderClock
from sim.readers.source import ReportSlice

# Head of a custom TLV: type 1023, length 14, vendor, subtype.
_CUSTOM = np.dtype(
    [("type", ">u2"), ("length", ">u2"), ("vendor", ">u4"), ("subtype", ">u4"), ("value", ">u2")]
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a TagReportContentSelector asked for, Impinj's part included."""

    rospec_id: bool = False
    spec_index: bool = False
    inventory_spec_id: bool = False
    antenna_id: bool = False
    channel_index: bool = False
    peak_rssi: bool = False
    first_seen: bool = False
    last_seen: bool = False
    seen_count: bool = False
    access_spec_id: bool = False
    crc: bool = False
    pc: bool = False
    phase: bool = False
    fine_rssi: bool = False
    doppler: bool = False
    tid: bool = False

    @classmethod
    def of(cls, spec: Parameter | None) -> Content:
        """Read a ROReportSpec."""
        if spec is None:
            return cls()
        chosen: dict[str, bool] = {}
        if (selector := spec.first("TagReportContentSelector")) is not None:
            chosen = {name: bool(selector.number(name)) for name in selector.values}
            if (memory := selector.first("C1G2EPCMemorySelector")) is not None:
                # What 1.1 adds, the XPC words, our tags have not.
                chosen |= {"crc": bool(memory.number("crc")), "pc": bool(memory.number("pc"))}
        for name, kind in (
            ("phase", "ImpinjEnableRFPhaseAngle"),
            ("fine_rssi", "ImpinjEnablePeakRSSI"),
            ("doppler", "ImpinjEnableRFDopplerFrequency"),
            ("tid", "ImpinjEnableSerializedTID"),
        ):
            chosen[name] = any(item.number("mode") == 1 for item in spec.find(kind))
        return cls(**chosen)


@dataclass(frozen=True, slots=True)
class Rows:
    """Tag reports ready to be sent, columns of one length."""

    tag: NDArray[np.uint32]
    tags: tuple[bytes, ...]
    antenna: NDArray[Any]
    channel: NDArray[Any]
    rssi_cdbm: NDArray[Any]
    phase: NDArray[Any]
    doppler: NDArray[Any]
    first_us: NDArray[Any]
    last_us: NDArray[Any]
    seen: NDArray[Any]

    def __len__(self) -> int:
        return len(self.tag)

    def part(self, rows: Any) -> Rows:
        """Return the rows of a slice, mask or index array."""
        columns = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "tags"}
        return Rows(tags=self.tags, **columns)

    @classmethod
    def join(cls, parts: list[Rows]) -> Rows:
        """Put rows of several slices behind each other; their tags are renumbered if they differ."""
        if len(parts) == 1:
            return parts[0]
        number: dict[bytes, int] = {}
        tag: list[NDArray[np.uint32]] = []
        for part in parts:
            new = np.array([number.setdefault(epc, len(number)) for epc in part.tags], np.uint32)
            tag.append(new[part.tag])
        names = [name for name in cls.__slots__ if name not in ("tag", "tags")]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(np.concatenate(tag), tuple(number), **columns)


def quantise(heard: ReportSlice, clock: ReaderClock, phase_sign: int) -> Rows:
    """Make of exact reads what an Impinj reader would report: 4096 phase steps, 0.5 dB, its own clock and sign."""
    turns = phase_sign * heard.phase_rad.astype(np.float64) / (2 * np.pi)
    stamp = clock.microseconds(heard.t_ns)
    doppler = np.zeros(len(heard), np.float32) if heard.doppler_hz is None else heard.doppler_hz
    return Rows(
        tag=heard.tag,
        tags=heard.tags,
        antenna=heard.port,
        channel=heard.channel,
        rssi_cdbm=np.clip(np.rint(heard.rssi_dbm.astype(np.float64) * 2) * 50, -12700, 0).astype(np.int64),
        phase=np.rint(turns * PHASE_STEPS).astype(np.int64) % PHASE_STEPS,
        doppler=np.clip(np.rint(doppler * 16), -32767, 32767).astype(np.int64),
        first_us=stamp,
        last_us=stamp,
        seen=np.ones(len(heard), np.int64),
    )


def merge(rows: Rows, content: Content) -> Rows:
    """Merge reads that one report stands for: same tag, and same antenna and channel where those are reported.

    First and last time, count and the highest RSSI are the merged ones; phase and Doppler are of the last read
    (LLRP 1.0.1, section 13.2.3: accumulation of TagReportData).
    """
    if len(rows) < 2:
        return rows
    key = rows.tag.astype(np.int64) << 32
    if content.antenna_id:
        key |= rows.antenna.astype(np.int64) << 16
    if content.channel_index:
        key |= rows.channel.astype(np.int64)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    ends = np.r_[starts[1:], len(order)] - 1
    merged = rows.part(order[ends])
    merged = replace(
        merged,
        first_us=rows.first_us[order[starts]],
        rssi_cdbm=np.maximum.reduceat(rows.rssi_cdbm[order], starts),
        seen=np.minimum(np.add.reduceat(rows.seen[order], starts), 0xFFFF),
    )
    return merged.part(np.argsort(order[starts], kind="stable"))


@dataclass(frozen=True, slots=True)
class Extras:
    """Parameters of reports that are ready bytes, the same for many rows.

    Parameters
    ----------
    which : int64[n]
        Which of the blobs each row carries.
    blobs
        `(AccessSpecID and results, custom parameters)`.
    """

    which: NDArray[np.int64]
    blobs: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def none(cls, n: int) -> Extras:
        """Return no extras for `n` rows."""
        return cls(np.zeros(n, np.int64), ((b"", b""),))

    def part(self, rows: Any) -> Extras:
        """Return those of the rows of a slice, mask or index array."""
        return Extras(self.which[rows], self.blobs)


def _layout(content: Content, epc_bytes: int, results: int, custom: int) -> np.dtype[Any]:
    """Return the packed record of one TagReportData (LLRP 1.0.1, section 16.2.7.3) with parts of these lengths."""
    fields: list[tuple[str, Any]] = [("type", ">u2"), ("length", ">u2")]
    if epc_bytes == 12:
        fields += [("epc_head", "u1")]
    else:
        fields += [("epc_type", ">u2"), ("epc_length", ">u2"), ("epc_bits", ">u2")]
    fields += [("epc", f"V{epc_bytes}")] if epc_bytes else []
    for wanted, number, kind in (
        (content.rospec_id, 9, ">u4"),
        (content.spec_index, 14, ">u2"),
        (content.inventory_spec_id, 10, ">u2"),
        (content.antenna_id, 1, ">u2"),
        (content.peak_rssi, 6, "i1"),
        (content.channel_index, 7, ">u2"),
        (content.first_seen, 2, ">u8"),
        (content.last_seen, 4, ">u8"),
        (content.seen_count, 8, ">u2"),
        (content.pc, 12, ">u2"),
        (content.crc, 11, ">u2"),
    ):
        if wanted:
            fields += [(f"tv{number}", "u1"), (f"v{number}", kind)]
    fields += [("results", f"V{results}")] if results else []
    fields += [("custom", f"V{custom}")] if custom else []
    for wanted, subtype in ((content.phase, 56), (content.fine_rssi, 57), (content.doppler, 68)):
        if wanted:
            fields.append((f"c{subtype}", _CUSTOM))
    return np.dtype(fields)


def encode_reports(
    rows: Rows,
    content: Content,
    gen2_words: list[tuple[int, int]],
    rospec_id: int,
    per_message: int,
    message_id: int,
    *,
    extras: Extras | None = None,
    version: int = Version.V1_0_1,
) -> bytes:
    """Return RO_ACCESS_REPORT messages of at most `per_message` reports each.

    Parameters
    ----------
    gen2_words
        `(PC, StoredCRC)` of each of `rows.tags`; looked at only where they were asked for.
    extras
        What else the reports carry.
    version
        Of the messages' headers.
    """
    n = len(rows)
    extras = extras or Extras.none(n)
    # Records of one shape, by the lengths of their variable parts, are filled together.
    lengths = np.array([(len(results), len(custom)) for results, custom in extras.blobs], np.int64)
    epc_sizes = np.array([len(epc) for epc in rows.tags], np.int64)[rows.tag]
    shape = np.column_stack([epc_sizes, lengths[extras.which]]) if n else np.zeros((0, 3), np.int64)
    shapes, kind = np.unique(shape, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    layouts = [_layout(content, *(int(size) for size in one)) for one in shapes]
    record = np.array([layout.itemsize for layout in layouts], np.int64)[kind] if n else np.zeros(0, np.int64)
    opens = np.arange(n) % per_message == 0
    start = np.cumsum(record + 10 * opens) - record
    out = np.zeros(int(start[-1] + record[-1]) if n else 0, np.uint8)
    heads = start[opens] - 10
    head = np.zeros(len(heads), np.dtype([("type", ">u2"), ("length", ">u4"), ("id", ">u4")]))
    head["type"] = version << 10 | RO_ACCESS_REPORT
    head["length"] = np.diff(np.r_[heads, len(out)])
    head["id"] = message_id + np.arange(len(heads))
    _scatter(out, heads, head)
    for number, layout in enumerate(layouts):
        mine = np.flatnonzero(kind == number)
        filled = _fill(rows.part(mine), layout, int(shapes[number, 0]), gen2_words, rospec_id)
        _fill_extras(filled, extras.part(mine))
        _scatter(out, start[mine], filled)
    return out.tobytes()


def _scatter(out: NDArray[np.uint8], at: NDArray[np.int64], records: NDArray[Any]) -> None:
    size = records.dtype.itemsize
    out[at[:, None] + np.arange(size)] = records.view(np.uint8).reshape(-1, size)


def _fill_extras(out: NDArray[Any], extras: Extras) -> None:
    for place, name in enumerate(("results", "custom")):
        if name in (out.dtype.names or ()):
            size = out.dtype[name].itemsize
            table = np.array(
                [blob[place].ljust(size, b"\0")[:size] for blob in extras.blobs], dtype=f"V{size}"
            )
            out[name] = table[extras.which]


def _fill(
    rows: Rows, layout: np.dtype[Any], size: int, gen2_words: list[tuple[int, int]], rospec_id: int
) -> NDArray[Any]:
    out = np.zeros(len(rows), layout)
    out["type"], out["length"] = 240, layout.itemsize
    if size == 12:
        out["epc_head"] = 0x80 | 13
    else:
        out["epc_type"], out["epc_length"], out["epc_bits"] = 241, 6 + size, 8 * size
    if size:
        table = np.array([epc if len(epc) == size else bytes(size) for epc in rows.tags], dtype=f"V{size}")
        out["epc"] = table[rows.tag]
    words = np.array(gen2_words or [(0, 0)], np.int64)
    values: dict[int, Any] = {
        9: rospec_id,
        14: 1,
        10: 1,
        1: rows.antenna,
        6: np.clip(np.rint(rows.rssi_cdbm / 100), -128, 127),
        7: rows.channel,
        2: rows.first_us,
        4: rows.last_us,
        8: rows.seen,
    }
    if "v12" in (layout.names or ()):
        values[12] = words[rows.tag, 0]
    if "v11" in (layout.names or ()):
        values[11] = words[rows.tag, 1]
    for number, value in values.items():
        if f"v{number}" in (layout.names or ()):
            out[f"tv{number}"] = 0x80 | number
            out[f"v{number}"] = value
    for subtype, value in ((56, rows.phase), (57, rows.rssi_cdbm), (68, rows.doppler)):
        if f"c{subtype}" in (layout.names or ()):
            custom = out[f"c{subtype}"]
            custom["type"], custom["length"], custom["vendor"], custom["subtype"] = 1023, 14, IMPINJ, subtype
            custom["value"] = np.asarray(value, np.int64) & 0xFFFF
    return out
