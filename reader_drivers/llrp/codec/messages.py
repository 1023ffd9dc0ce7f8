"""Messages: one header, fixed fields, then parameters."""

from __future__ import annotations

from dataclasses import dataclass

from reader_drivers.llrp.codec.constants import Version
from reader_drivers.llrp.codec.errors import CodecError
from reader_drivers.llrp.codec.fields import Value
from reader_drivers.llrp.codec.framing import Frame, encode_frame
from reader_drivers.llrp.codec.kinds import CUSTOM, MESSAGE_BY_NAME, MESSAGE_BY_NUMBER, Kind, unknown_kind
from reader_drivers.llrp.codec.parameters import (
    Node,
    Parameter,
    decode_parameters,
    encode_parameter,
    parameter,
)


@dataclass(frozen=True, slots=True)
class Message(Node):
    """One message; `id` is echoed by the answer, `version` is 1 (LLRP 1.0.1) or 2 (LLRP 1.1)."""

    kind: Kind
    id: int
    values: dict[str, Value]
    children: tuple[Parameter, ...] = ()
    version: int = 1


def message(
    name: str, message_id: int, *children: Parameter, version_: int = Version.V1_0_1, **values: Value
) -> Message:
    """Make a message by the standard's name of its kind; `version_` is the header's."""
    return Message(MESSAGE_BY_NAME[name], message_id, values, children, version_)


def encode_message(item: Message) -> bytes:
    """Return a message's bytes, header and all.

    Raises
    ------
    CodecError
        A value does not fit its field.
    """
    kind = item.kind
    body = kind.layout.pack(item.values, kind.name) + b"".join(
        encode_parameter(child) for child in item.children
    )
    if kind.vendor:
        body = kind.vendor.to_bytes(4, "big") + kind.number.to_bytes(1, "big") + body
    return encode_frame(CUSTOM if kind.vendor else kind.number, item.id, body, item.version)


def decode_message(frame: Frame) -> Message:
    """Decode a frame; a message of a kind not in the tables keeps its body as `raw`.

    Raises
    ------
    CodecError
        The body is malformed.
    """
    body, at, number, vendor = frame.body, 0, frame.type, 0
    if number == CUSTOM:
        if len(body) < 5:
            raise CodecError(f"custom message of {len(body)} bytes: vendor and subtype need 5")
        vendor, number, at = int.from_bytes(body[:4], "big"), body[4], 5
    kind = MESSAGE_BY_NUMBER.get((vendor, number)) or unknown_kind(number, vendor)
    values, at = kind.layout.unpack(body, at, len(body), kind.name)
    return Message(kind, frame.id, values, decode_parameters(body, at, len(body)), frame.version)


def status(code: int = 0, description: str = "") -> Parameter:
    """Make an LLRPStatus."""
    return parameter("LLRPStatus", code=code, description=description)


def event(microseconds: int, *what: Parameter, message_id: int = 0) -> Message:
    """Make a READER_EVENT_NOTIFICATION at a time of the reader's UTC clock."""
    stamp = parameter("UTCTimestamp", microseconds=microseconds)
    return message(
        "READER_EVENT_NOTIFICATION", message_id, parameter("ReaderEventNotificationData", stamp, *what)
    )
