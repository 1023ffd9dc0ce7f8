"""The base link: the line protocol between the agent and the robot's base, as bytes.

One ASCII line is one message; its fields are parted by single spaces, and it is closed by ``*``, the CRC-16
of everything before the ``*`` as four upper-case hexadecimal digits, and a newline (a carriage return
before it is accepted)::

    base -> host
        P <seq> <t_us> <x_m> <y_m> <yaw_rad> <v_mps> <w_radps> <sigma_xy_m> <sigma_yaw_rad> <flags>*<crc>
        I <name> <protocol version> <max v> <max w>*<crc>
    host -> base
        V <seq> <v_mps> <w_radps>*<crc>
        S <seq>*<crc>

The CRC is CRC-16/IBM-3740, better known as CCITT-FALSE: polynomial 0x1021, start value 0xFFFF, nothing
reflected, no final exclusive or; its check value over ``123456789`` is 0x29B1 (catalogue of parametrised CRC
algorithms, G. Cook).

`parse_line` reads one line and says what is wrong with a bad one; `Framer` reads any byte stream, in pieces
of any size, and never raises: it counts what it had to throw away.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

PROTOCOL_VERSION: Final = 1
"""The version an `Info` line carries for the messages of this module."""

MAX_LINE: Final = 200
"""Longest line in bytes, CRC included and newline not; a longer one is thrown away up to its newline."""

STOP_AFTER_S: Final = 0.5
"""A base that hears no command for this long stops by itself."""

_SEQ_LIMIT: Final = 1 << 32
_T_US_LIMIT: Final = 1 << 53
_VALUE_LIMIT: Final = 1e6
_DECIMAL: Final = re.compile(rb"-?[0-9]{1,7}(?:\.[0-9]{1,9})?\Z")
_COUNT: Final = re.compile(rb"[0-9]{1,16}\Z")
_NAME: Final = re.compile(rb"[!-)+-~]{1,40}\Z")
_CRC: Final = re.compile(rb"[0-9A-Fa-f]{4}\Z")


class BaseLinkError(ValueError):
    """A line that cannot be read, or a message that cannot be written; the text says why."""


class Flags(IntFlag):
    """What a base reports of itself beside its pose; unknown bits are kept."""

    NONE = 0
    OBSTACLE = 1
    """Something stands in the way; the base refuses to drive on."""
    EMERGENCY_STOP = 2
    """The emergency stop is pressed."""
    POSE_LOST = 4
    """The base does not know where it is."""
    BATTERY_LOW = 8
    """The battery will not last much longer."""
    DOCKED = 16
    """The base stands in its charging dock."""


@dataclass(frozen=True, slots=True)
class PoseReport:
    """``P``: where the base is and how fast it goes, 10 to 50 times a second.

    `t_us` is microseconds since 1970-01-01 UTC by the base's clock. Pose and velocity are those of the base's
    centre in the map frame: `v_mps` forward, `w_radps` counter-clockwise. The sigmas are one standard
    deviation.
    """

    seq: int
    t_us: int
    x_m: float
    y_m: float
    yaw_rad: float
    v_mps: float
    w_radps: float
    sigma_xy_m: float
    sigma_yaw_rad: float
    flags: Flags = Flags.NONE


@dataclass(frozen=True, slots=True)
class Info:
    """``I``: who the base is and what it can do; sent once after connecting."""

    name: str
    version: int
    max_v_mps: float
    max_w_radps: float


@dataclass(frozen=True, slots=True)
class Velocity:
    """``V``: the answer to the pose report of the same `seq`: forward and counter-clockwise speed."""

    seq: int
    v_mps: float
    w_radps: float


@dataclass(frozen=True, slots=True)
class Stop:
    """``S``: stop now; `seq` is the last pose report heard."""

    seq: int


Message = PoseReport | Info | Velocity | Stop


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE of `data` (check value over ``123456789``: 0x29B1)."""
    return crc_hqx(data, 0xFFFF)


def format_line(message: Message) -> bytes:
    """Write one message as its line, CRC and newline included.

    Lengths and angles are written to a micrometre and a microradian.

    Raises
    ------
    BaseLinkError
        When a field cannot be carried: not finite, out of range, or a name with spaces or a ``*``.
    """
    match message:
        case PoseReport():
            values = (
                message.x_m,
                message.y_m,
                message.yaw_rad,
                message.v_mps,
                message.w_radps,
                _checked_sigma(message.sigma_xy_m),
                _checked_sigma(message.sigma_yaw_rad),
            )
            body = b"P %d %d %b %d" % (
                _checked_count("seq", message.seq, _SEQ_LIMIT),
                _checked_count("t_us", message.t_us, _T_US_LIMIT),
                b" ".join([_decimal(value) for value in values]),
                _checked_count("flags", int(message.flags), 1 << 16),
            )
        case Velocity():
            body = b"V %d %b %b" % (
                _checked_count("seq", message.seq, _SEQ_LIMIT),
                _decimal(message.v_mps),
                _decimal(message.w_radps),
            )
        case Stop():
            body = b"S %d" % _checked_count("seq", message.seq, _SEQ_LIMIT)
        case Info():
            name = message.name.encode("ascii", "replace")
            if not _NAME.match(name) or not message.name.isascii():
                raise BaseLinkError(
                    f"base name {message.name!r} is not 1 to 40 printable ASCII characters other than *"
                )
            body = b"I %b %d %b %b" % (
                name,
                _checked_count("version", message.version, 1000),
                _decimal(_checked_sigma(message.max_v_mps)),
                _decimal(_checked_sigma(message.max_w_radps)),
            )
    return b"%b*%04X\n" % (body, crc_hqx(body, 0xFFFF))


def parse_line(line: bytes) -> Message:
    """Read one line, with or without its newline.

    Raises
    ------
    BaseLinkError
        When the line is too long, has no or a wrong CRC, or a field that is not what the protocol says.
    """
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_LINE:
        raise BaseLinkError(f"line of {len(line)} bytes; at most {MAX_LINE} are allowed")
    body, star, crc = line.rpartition(b"*")
    if not star or not _CRC.match(crc):
        raise BaseLinkError(f"no CRC at the end of {line[:60]!r}")
    if int(crc, 16) != crc_hqx(body, 0xFFFF):
        raise BaseLinkError(f"wrong CRC at the end of {line[:60]!r}")
    kind, *fields = body.split(b" ")
    wanted = _FIELDS.get(kind)
    if wanted is None:
        raise BaseLinkError(f"unknown message {body[:60]!r}; P, I, V and S are known")
    if len(fields) != wanted:
        raise BaseLinkError(f"message {kind.decode()} with {len(fields)} fields; it has {wanted}")
    if kind == b"P":
        x_m, y_m, yaw_rad, v_mps, w_radps, sigma_xy_m, sigma_yaw_rad = map(_number, fields[2:9])
        return PoseReport(
            seq=_count("seq", fields[0], _SEQ_LIMIT),
            t_us=_count("t_us", fields[1], _T_US_LIMIT),
            x_m=x_m,
            y_m=y_m,
            yaw_rad=yaw_rad,
            v_mps=v_mps,
            w_radps=w_radps,
            sigma_xy_m=_checked_sigma(sigma_xy_m),
            sigma_yaw_rad=_checked_sigma(sigma_yaw_rad),
            flags=Flags(_count("flags", fields[9], 1 << 16)),
        )
    if kind == b"V":
        return Velocity(_count("seq", fields[0], _SEQ_LIMIT), _number(fields[1]), _number(fields[2]))
    if kind == b"S":
        return Stop(_count("seq", fields[0], _SEQ_LIMIT))
    if not _NAME.match(fields[0]):
        raise BaseLinkError(f"base name {fields[0]!r} is not 1 to 40 printable ASCII characters")
    return Info(
        fields[0].decode("ascii"),
        _count("version", fields[1], 1000),
        _checked_sigma(_number(fields[2])),
        _checked_sigma(_number(fields[3])),
    )


class Framer:
    """Messages out of a byte stream that arrives in pieces; it survives any bytes and keeps at most one line.

    Attributes
    ----------
    rejected : int
        Lines thrown away so far: bad CRC, unknown message, bad field, too long.
    last_error : str
        Why the last of them was; empty when none was.
    """

    def __init__(self) -> None:
        self.rejected = 0
        self.last_error = ""
        self._buffer = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; return the messages they complete, in stream order. Never raises."""
        messages: list[Message] = []
        *lines, rest = (self._buffer + data).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
                continue
            if not line.strip(b"\r"):
                continue
            try:
                messages.append(parse_line(line))
            except BaseLinkError as error:
                self._reject(str(error))
        if self._skipping:
            rest = b""
        elif len(rest) > MAX_LINE + 1:
            self._reject(f"line of more than {MAX_LINE} bytes")
            self._skipping = True
            rest = b""
        self._buffer = rest
        return messages

    def reset(self) -> None:
        """Forget a half line, as after a reconnect."""
        self._buffer = b""
        self._skipping = False

    def _reject(self, why: str) -> None:
        self.rejected += 1
        self.last_error = why


_FIELDS: Final = {b"P": 10, b"I": 4, b"V": 3, b"S": 1}


def _decimal(value: float) -> bytes:
    # The limit is checked as rounded, so that what is written can be read.
    if not -_VALUE_LIMIT < round(value, 6) < _VALUE_LIMIT:
        raise BaseLinkError(f"value {value!r} is not within +-{_VALUE_LIMIT:g}")
    return b"%.6f" % value


def _number(field: bytes) -> float:
    if not _DECIMAL.match(field):
        raise BaseLinkError(f"{field[:30]!r} is not a decimal number")
    value = float(field)
    if not -_VALUE_LIMIT < value < _VALUE_LIMIT:
        raise BaseLinkError(f"value {value!r} is not within +-{_VALUE_LIMIT:g}")
    return value


def _count(name: str, field: bytes, limit: int) -> int:
    if not _COUNT.match(field):
        raise BaseLinkError(f"{name} {field[:30]!r} is not a whole number")
    return _checked_count(name, int(field), limit)


def _checked_count(name: str, value: int, limit: int) -> int:
    if not 0 <= value < limit:
        raise BaseLinkError(f"{name} {value} is not within 0..{limit - 1}")
    return value


def _checked_sigma(value: float) -> float:
    if value < 0:
        raise BaseLinkError(f"value {value!r} must not be negative")
    return value
