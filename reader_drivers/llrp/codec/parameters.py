"""Parameters: the tree that LLRP messages are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reader_drivers.llrp.codec.errors import CodecError
from reader_drivers.llrp.codec.fields import Value
from reader_drivers.llrp.codec.kinds import (
    CUSTOM,
    PARAMETER_BY_NAME,
    PARAMETER_BY_NUMBER,
    TV_SIZES,
    Kind,
    unknown_kind,
)

MAX_DEPTH = 16
"""Parameters nested deeper than this are refused; the standard's deepest tree has 8 levels."""


class Node:
    """Access to the values and children that parameters and messages have alike."""

    __slots__ = ()
    kind: Kind
    values: dict[str, Value]
    children: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """The standard's name of this kind."""
        return self.kind.name

    def number(self, field: str) -> int:
        """Return an integer field; one left out is zero."""
        if field not in self.kind.layout.names:
            raise KeyError(f"{self.kind.name} has no field {field}")
        value = self.values.get(field, 0)
        if not isinstance(value, int):
            raise TypeError(f"{self.kind.name}.{field} is no integer")
        return value

    def text(self, field: str) -> str:
        """Return a text field."""
        value = self.values[field]
        if not isinstance(value, str):
            raise TypeError(f"{self.kind.name}.{field} is no text")
        return value

    def numbers(self, field: str) -> tuple[int, ...]:
        """Return an array field."""
        value = self.values[field]
        if not isinstance(value, tuple):
            raise TypeError(f"{self.kind.name}.{field} is no array")
        return tuple(item for item in value if isinstance(item, int))

    def all(self, name: str) -> Iterator[Parameter]:
        """Yield the children of a kind."""
        return (child for child in self.children if child.kind.name == name)

    def first(self, name: str) -> Parameter | None:
        """Return the first child of a kind, or None."""
        return next(self.all(name), None)

    def find(self, name: str) -> Iterator[Parameter]:
        """Yield every parameter of a kind in the tree below, depth first."""
        for child in self.children:
            if child.kind.name == name:
                yield child
            yield from child.find(name)


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """One parameter; `values` by field name, `children` in wire order."""

    kind: Kind
    values: dict[str, Value]
    children: tuple[Parameter, ...] = ()


def parameter(name: str, *children: Parameter, **values: Value) -> Parameter:
    """Make a parameter by the standard's name of its kind; fields left out are zero."""
    return Parameter(PARAMETER_BY_NAME[name], values, children)


def encode_parameter(item: Parameter) -> bytes:
    """Return a parameter's bytes.

    Raises
    ------
    CodecError
        A value does not fit its field, or the parameter does not fit its length field.
    """
    kind = item.kind
    body = kind.layout.pack(item.values, kind.name) + b"".join(
        encode_parameter(child) for child in item.children
    )
    if kind.tv:
        return bytes([0x80 | kind.number]) + body
    number = kind.number
    if kind.vendor:
        body = kind.vendor.to_bytes(4, "big") + number.to_bytes(4, "big") + body
        number = CUSTOM
    if len(body) > 0xFFFF - 4:
        raise CodecError(f"{kind.name}: {len(body)} bytes do not fit a parameter; split it")
    return number.to_bytes(2, "big") + (len(body) + 4).to_bytes(2, "big") + body


def walk(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield `(vendor, number, body start, body end)` of each parameter in a span, without looking inside.

    Raises
    ------
    CodecError
        A parameter is cut off, shorter than its own head, or of a TV type whose size is not known.
    """
    while at < end:
        if data[at] & 0x80:
            number = data[at] & 0x7F
            size = TV_SIZES.get(number)
            if size is None:
                raise CodecError(f"TV parameter {number} at byte {at}: size unknown")
            if at + 1 + size > end:
                raise CodecError(f"TV parameter {number} at byte {at}: cut off")
            yield 0, number, at + 1, at + 1 + size
            at += 1 + size
            continue
        if at + 4 > end:
            raise CodecError(f"parameter at byte {at}: head cut off")
        head = data[at] << 8 | data[at + 1]
        length = data[at + 2] << 8 | data[at + 3]
        if head >> 10:
            raise CodecError(f"parameter at byte {at}: reserved bits set")
        number, vendor, start = head & 0x3FF, 0, at + 4
        if number == CUSTOM:
            start = at + 12
        if at + length > end or at + length < start:
            raise CodecError(f"parameter {number} at byte {at}: length {length} does not fit")
        if number == CUSTOM:
            vendor = int.from_bytes(data[at + 4 : at + 8], "big")
            number = int.from_bytes(data[at + 8 : at + 12], "big")
        yield vendor, number, start, at + length
        at += length


def decode_parameters(data: bytes, at: int, end: int, depth: int = 0) -> tuple[Parameter, ...]:
    """Decode the parameters of a span; unknown TLV and custom ones are kept as raw bytes.

    Raises
    ------
    CodecError
        As `walk`, or a known parameter's fields do not fit it, or the tree is too deep.
    """
    if depth > MAX_DEPTH:
        raise CodecError(f"parameters nested deeper than {MAX_DEPTH} at byte {at}")
    items: list[Parameter] = []
    for vendor, number, start, stop in walk(data, at, end):
        kind = PARAMETER_BY_NUMBER.get((vendor, number)) or unknown_kind(number, vendor)
        values, rest = kind.layout.unpack(data, start, stop, kind.name)
        # Impinj appends fields and parameters to its custom parameters from firmware to firmware; none of those inside
        # a report's values is of use here.
        children = decode_parameters(data, rest, stop, depth + 1) if rest < stop else ()
        items.append(Parameter(kind, values, children))
    return tuple(items)
