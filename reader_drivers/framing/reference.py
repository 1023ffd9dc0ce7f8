"""The plain reference of `kernels.scan`."""

from __future__ import annotations

from reader_drivers.framing import FrameFormat


def scan(data: bytes, layout: FrameFormat, final: bool) -> tuple[list[tuple[int, int]], int, int, int]:
    """Return `([(offset, length)], end, garbage bytes, frames with a wrong check)`; see `kernels.scan`."""
    f = layout
    found: list[tuple[int, int]] = []
    at = garbage = wrong = 0
    while at < len(data):
        if f.head < 0 or data[at] == f.head:
            told = data[at + f.length_at : at + f.length_at + f.length_bytes]
            whole = len(told) == f.length_bytes
            length = int.from_bytes(told, "big") + f.extra
            if not final and not whole:
                break
            if whole and f.least <= length <= f.most:
                frame = data[at : at + length]
                if len(frame) == length:
                    if f.tail < 0 or frame[-1] == f.tail:
                        checked = 1 if f.check in (3, 4) else 2
                        body = frame[: length - checked - (f.tail >= 0)]
                        if f.seal(body) == frame:
                            found.append((at, length))
                            at += length
                            continue
                        wrong += 1
                elif not final:
                    break
        at += 1
        garbage += 1
    return found, at, garbage, wrong
