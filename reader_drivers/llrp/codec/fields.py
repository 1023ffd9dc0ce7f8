"""Fixed fields of messages and parameters: a small layout language and its packing.

A layout is a line of `name:type` words. Types: `u8 u16 u32 u64 s8 s16 s32` (big-endian), `b1`..`b7` (bits, most
significant first, filling whole bytes together with `x`), `x1`.. (reserved bits, sent as zero, not looked at), `u8*
u16* u32*` (arrays behind a u16 count), `str` (UTF-8 behind a u16 byte count), `bits` (a bit string behind a u16 bit
count: value is `(bit count, bytes)`), `raw` (all that is left).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from reader_drivers.llrp.codec.errors import CodecError

_T = TypeVar("_T", str, bytes)

Value = int | str | bytes | tuple[int, ...] | tuple[int, bytes]

_INTEGERS = {"u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False)} | {
    "s8": (1, True),
    "s16": (2, True),
    "s32": (4, True),
}


@dataclass(frozen=True)
class Layout:
    """The fixed fields at the head of a message or parameter.

    Parameters
    ----------
    words
        `(name, type)` in wire order; reserved bits have an empty name.
    """

    words: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Parse a line of the layout language."""
        words = (word.partition(":") for word in text.split())
        return cls(tuple((name, kind) if kind else ("", name) for name, _, kind in words))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the values, in wire order."""
        return tuple(name for name, _ in self.words if name)

    @cached_property
    def size(self) -> int:
        """Bytes of the fields when every field has a fixed size."""
        bits = 0
        for _, kind in self.words:
            bits += _INTEGERS[kind][0] * 8 if kind in _INTEGERS else int(kind[1:])
        return bits // 8

    def pack(self, values: dict[str, Value], where: str) -> bytes:
        """Return the bytes of `values`; missing integers are 0, missing strings and arrays empty.

        Raises
        ------
        CodecError
            A value does not fit its field, or there is no such field.
        """
        if unknown := values.keys() - set(self.names):
            raise CodecError(
                f"{where} has no field {', '.join(sorted(unknown))}; it has {', '.join(self.names)}"
            )
        out = bytearray()
        bits = width = 0
        for name, kind in self.words:
            if kind[0] in "bx" and kind != "bits":
                count = int(kind[1:])
                value = values.get(name, 0) if name else 0
                if not isinstance(value, int) or not 0 <= value < 1 << count:
                    raise CodecError(f"{where}.{name}: {value!r} does not fit {count} bits")
                bits, width = bits << count | value, width + count
                if width % 8 == 0:
                    out += bits.to_bytes(width // 8, "big")
                    bits = width = 0
                continue
            try:
                out += _pack_one(kind, values.get(name))
            except (OverflowError, TypeError, ValueError) as error:
                raise CodecError(
                    f"{where}.{name}: {values.get(name)!r} does not fit {kind} ({error})"
                ) from error
        return bytes(out)

    def unpack(self, data: bytes, at: int, end: int, where: str) -> tuple[dict[str, Value], int]:
        """Return the values of the fields that begin at `at`, and where they end.

        Raises
        ------
        CodecError
            The fields do not fit before `end`.
        """
        values: dict[str, Value] = {}
        bits = width = 0
        for name, kind in self.words:
            if kind[0] in "bx" and kind != "bits":
                count = int(kind[1:])
                while width < count:
                    if at >= end:
                        raise CodecError(f"{where}: ends inside {name or 'reserved bits'} at byte {at}")
                    bits, width, at = bits << 8 | data[at], width + 8, at + 1
                width -= count
                if name:
                    values[name] = bits >> width
                bits &= (1 << width) - 1
                continue
            values[name], at = _unpack_one(kind, data, at, end, f"{where}.{name}")
        return values, at


def _pack_one(kind: str, value: Value | None) -> bytes:
    if kind in _INTEGERS:
        size, signed = _INTEGERS[kind]
        if value is None:
            value = 0
        if not isinstance(value, int):
            raise TypeError("not an integer")
        return value.to_bytes(size, "big", signed=signed)
    if kind == "raw":
        return _typed(value, b"")
    if kind == "str":
        text = _typed(value, "").encode()
        return len(text).to_bytes(2, "big") + text
    if kind == "bits":
        count, body = value if isinstance(value, tuple) and len(value) == 2 else (0, b"")
        if not isinstance(body, bytes) or len(body) != (count + 7) // 8:
            raise ValueError("bit count and bytes differ")
        return count.to_bytes(2, "big") + body
    size, _ = _INTEGERS[kind[:-1]]
    if value is not None and not isinstance(value, tuple):
        raise TypeError("not a tuple")
    packed = b"".join(item.to_bytes(size, "big") for item in value or () if isinstance(item, int))
    return (len(packed) // size).to_bytes(2, "big") + packed


def _typed(value: Value | None, empty: _T) -> _T:
    if value is None:
        return empty
    if not isinstance(value, type(empty)):
        raise TypeError(f"not {type(empty).__name__}")
    return value


def _unpack_one(kind: str, data: bytes, at: int, end: int, where: str) -> tuple[Value, int]:
    if kind in _INTEGERS:
        size, signed = _INTEGERS[kind]
        _need(at + size, end, where)
        return int.from_bytes(data[at : at + size], "big", signed=signed), at + size
    if kind == "raw":
        return bytes(data[at:end]), end
    _need(at + 2, end, where)
    count, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    if kind == "str":
        _need(at + count, end, where)
        return data[at : at + count].decode("utf-8", "replace"), at + count
    if kind == "bits":
        size = (count + 7) // 8
        _need(at + size, end, where)
        return (count, bytes(data[at : at + size])), at + size
    size, _ = _INTEGERS[kind[:-1]]
    stop = at + count * size
    _need(stop, end, where)
    return tuple(int.from_bytes(data[i : i + size], "big") for i in range(at, stop, size)), stop


def _need(stop: int, end: int, where: str) -> None:
    if stop > end:
        raise CodecError(f"{where}: {stop - end} bytes short at byte {end}")
