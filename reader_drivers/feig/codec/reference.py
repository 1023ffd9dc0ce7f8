"""The plain reference of `_kernels.walk`."""

from __future__ import annotations


def walk(answers: list[bytes], ant: bool) -> tuple[list[tuple[int, bytes, int, int, int, int, int]], int]:
    """Return `([(answer, identifier, type, DSFID, antenna, RSSI byte, phase)], sets left out)`."""
    rows: list[tuple[int, bytes, int, int, int, int, int]] = []
    bad = 0
    for i, data in enumerate(answers):
        if not data:
            continue
        found, rest = [], data[1:]
        good = True
        for _ in range(data[0]):
            rest = rest[1:] if ant else rest
            kind = rest[0] if rest else -1
            if kind in (3, 0) and len(rest) >= 10:
                dsfid, name, rest = rest[1], rest[2:10], rest[10:]
            elif kind & 0xC0 == 0x80 and len(rest) >= 3 and len(rest) >= 3 + rest[2]:
                dsfid, name, rest = 0, rest[3 : 3 + rest[2]], rest[3 + rest[2] :]
            else:
                good = False
                break
            seen = 0
            if ant:
                if not rest or len(rest) < 1 + 7 * rest[0]:
                    good = False
                    break
                seen, rest = rest[0], rest[1:]
            if not seen:
                found.append((i, name, kind, dsfid, 0, -1, -1))
            for _ in range(seen):
                found.append((i, name, kind, dsfid, rest[0], rest[2], rest[3] << 8 | rest[4]))
                rest = rest[7:]
        if good and not rest:
            rows += found
        else:
            bad += max(data[0], 1)
    return rows, bad
