"""What a `Wiretap` heard as a capture file: Ethernet, IPv4 and TCP around it, as a sniffer would have seen it.

Formats: pcap (libpcap, pcap-savefile(5)), RFC 791 (IPv4), RFC 9293 (TCP).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from tests.reader_drivers.wiretap import Piece

_CLIENT, _READER = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
_SEGMENT = 1400
_SYN, _FIN, _PSH, _ACK = 2, 1, 8, 16


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class _Conversation:
    """One TCP connection; each end's next sequence number."""

    def __init__(self, client_port: int, reader_port: int) -> None:
        self._ports = (client_port, reader_port)
        self._next = [1000, 2000]
        self._id = 0

    def packet(self, sent: bool, flags: int, data: bytes = b"") -> bytes:
        me, other = (0, 1) if sent else (1, 0)
        addresses = (_CLIENT, _READER) if sent else (_READER, _CLIENT)
        acknowledged = self._next[other] if flags & _ACK else 0
        head = (self._ports[me], self._ports[other], self._next[me], acknowledged, 5 << 12 | flags, 65535)
        tcp = struct.pack(">HHIIHHHH", *head, 0, 0) + data
        pseudo = addresses[0] + addresses[1] + struct.pack(">BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp)) + tcp[18:]
        self._id = (self._id + 1) & 0xFFFF
        start = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), self._id, 0x4000, 64, 6, 0)
        ip = start + addresses[0] + addresses[1]
        ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
        self._next[me] = (self._next[me] + len(data) + bool(flags & (_SYN | _FIN))) & 0xFFFFFFFF
        macs = (b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2")
        return macs[other] + macs[me] + b"\x08\x00" + ip + tcp


def write_pcap(path: Path, pieces: Iterable[Piece], port: int) -> int:
    """Write every piece in the order heard, each connection opened and closed; return how many packets."""
    conversations: dict[int, _Conversation] = {}
    count = 0
    last = 0
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))

        def put(t_ns: int, packet: bytes) -> None:
            nonlocal count
            microseconds = t_ns // 1000
            times = divmod(microseconds, 1_000_000)
            out.write(struct.pack("<IIII", *times, len(packet), len(packet)) + packet)
            count += 1

        for piece in pieces:
            last = piece.t_ns
            if piece.connection not in conversations:
                line = conversations[piece.connection] = _Conversation(40_000 + piece.connection, port)
                put(piece.t_ns, line.packet(True, _SYN))
                put(piece.t_ns, line.packet(False, _SYN | _ACK))
                put(piece.t_ns, line.packet(True, _ACK))
            line = conversations[piece.connection]
            for at in range(0, len(piece.data), _SEGMENT):
                put(piece.t_ns, line.packet(piece.sent, _PSH | _ACK, piece.data[at : at + _SEGMENT]))
            put(piece.t_ns, line.packet(not piece.sent, _ACK))
        for line in conversations.values():
            put(last, line.packet(True, _FIN | _ACK))
            put(last, line.packet(False, _FIN | _ACK))
            put(last, line.packet(True, _ACK))
    return count
