"""Tags' memories, read between inventories without keeping these waiting for long.

A tag is read while it is in the field: of those that the inventory just done heard. After each inventory some time is
put aside, a share of what the inventory took; requests are sent while there is some left, so that over time no more
than that share goes into memories, and between two inventories no more than `MOST_S` and one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from reader_drivers._reader import TagData
from reader_drivers.feig.codec import (
    Answer,
    Control,
    Iso,
    Status,
    decode_blocks,
    decode_system_info,
    eas_request,
    iso_request,
    read_request,
    reverse_blocks,
)
from reader_drivers.feig.options import FeigOptions
from reader_drivers.inbox import Inbox

MOST_S: Final = 0.25
"""Time put aside at most."""

_NOT_AGAIN_NS: Final = 1_000_000_000
"""A tag that could not be read is left alone for so long."""

_MOST_BYTES: Final = 128
"""That older readers take from a tag at once (manuals ID ISC.LR200, MR101)."""

_BIT_S, _COMMAND_S = 1 / 26_480, 0.005
"""What a request takes at least (ISO/IEC 15693-3 at high data rate, pauses): virtual time does not pass meanwhile."""

_TOO_MUCH: Final = frozenset(
    (Status.ISO_ERROR, Status.ADDRESS_ERROR, Status.WRONG_TYPE, Status.LENGTH_ERROR, Status.PARAMETER_RANGE)
)
"""What a tag or reader says that cannot give so many blocks at once, or has no such block."""


class ReadBefore:
    """Which tags have been read, and which could not be just now.

    Parameters
    ----------
    again_s
        After so long a tag is read again; 0: never.
    """

    def __init__(self, again_s: float) -> None:
        self._again_ns = round(again_s * 1e9)
        self._due: dict[bytes, int | None] = {}

    def wanted(self, uid: bytes, now: int) -> bool:
        """Tell whether a tag is to be read."""
        due = self._due.get(uid, now)
        return due is not None and due <= now

    def done(self, uid: bytes, now: int) -> None:
        """Note that it was read."""
        self._due[uid] = now + self._again_ns if self._again_ns > 0 else None

    def failed(self, uid: bytes, now: int) -> None:
        """Note that it could not be read."""
        self._due[uid] = now + _NOT_AGAIN_NS


class Memories:
    """Reads memories.

    Parameters
    ----------
    options
    before
        What was read before this connection.
    ask
        Sends a request: control, data, what it is; returns the answer.
    clock
        Host time, ns UTC.
    inbox
        Where memories go.
    """

    def __init__(
        self,
        options: FeigOptions,
        before: ReadBefore,
        ask: Callable[[int, bytes, str], Answer],
        clock: Callable[[], int],
        inbox: Inbox,
    ) -> None:
        self._options, self._before, self._ask = options, before, ask
        self._clock, self._inbox = clock, inbox
        self._aside_s = 0.0
        self._under_way: dict[int, Iterator[None]] = {}

    def work(self, port: int, heard: Mapping[bytes, int], inventory_s: float) -> None:
        """Use the time behind an inventory.

        Parameters
        ----------
        port
            That was asked.
        heard
            Its tags, with their DSFID.
        inventory_s
            How long it took.
        """
        share = self._options.memory_share
        self._aside_s = min(self._aside_s + inventory_s * share / (1.0 - share), MOST_S)
        while self._aside_s > 0:
            job = self._under_way.get(port) or self._next(port, heard)
            if job is None:
                return
            self._under_way[port] = job
            if next(job, self) is self:
                del self._under_way[port]

    def _next(self, port: int, heard: Mapping[bytes, int]) -> Iterator[None] | None:
        now = self._clock()
        uid = next((tag for tag in heard if self._before.wanted(tag, now)), None)
        return None if uid is None else self._read(uid, port, heard[uid])

    def _request(self, control: int, data: bytes) -> Answer:
        began = self._clock()
        answer = self._ask(control, data, "a tag's memory")
        least = (len(data) + len(answer.data)) * 8 * _BIT_S + _COMMAND_S
        self._aside_s -= max((self._clock() - began) * 1e-9, least)
        return answer

    def _eas(self, uid: bytes) -> bool | None:
        """Return whether a tag's EAS bit is on; None: it cannot be told.

        A tag whose bit is off keeps silent, and so does one that has left the field. Off is what was silent twice and
        answers to something else after each.
        """
        for _ in range(2):
            if self._request(Control.CUSTOM, eas_request(uid)).status == Status.OK:
                return True
            if self._request(Control.ISO, iso_request(Iso.SYSTEM_INFO, uid)).status != Status.OK:
                return None
        return False

    def _read(self, uid: bytes, port: int, dsfid: int) -> Iterator[None]:
        """Read a tag, one request at a time."""
        answer = self._request(Control.ISO, iso_request(Iso.SYSTEM_INFO, uid))
        info = decode_system_info(answer.data) if answer.status == Status.OK else None
        if info is not None and info.uid[-4:] != uid[-4:]:
            # Older readers fill in the last four bytes only; another tag's answer is none.
            info = None
        if info is None and answer.status not in (Status.OK, *_TOO_MUCH):
            self._before.failed(uid, self._clock())
            return
        yield
        memory, size, complete = bytearray(), 0, True
        most = self._options.memory_blocks
        end = most if info is None else min(info.blocks, most)
        usual = 4 if info is None else info.block_bytes
        step, first = max(1, _MOST_BYTES // usual), 0
        while first < end:
            count = min(step, end - first)
            answer = self._request(Control.ISO, read_request(uid, first, count))
            got = decode_blocks(answer.data) if answer.status == Status.OK else None
            if got is not None and got.count == count and size in (0, got.size):
                size = got.size
                memory += got.data
                first += count
            elif count > 1 and answer.status in _TOO_MUCH:
                step = count // 2
            else:
                # A tag that does not say how large it is ends where it gives no more.
                complete = info is None and first > 0 and answer.status in _TOO_MUCH
                break
            if first < end:
                yield
        if not complete:
            self._before.failed(uid, self._clock())
            return
        eas = None
        if self._options.eas and uid[1] == 0x04:
            yield
            eas = self._eas(uid)
            if eas is None:
                self._before.failed(uid, self._clock())
                return
        data = bytes(memory)
        if self._options.block_order == "reversed":
            data = reverse_blocks(data, size)
        now = self._clock()
        self._before.done(uid, now)
        self._inbox.add_tag_data(
            TagData(
                t=now,
                epc=uid.hex().upper(),
                antenna=port,
                afi=None if info is None else info.afi,
                eas=eas,
                dsfid=dsfid if info is None else info.dsfid,
                memory=data,
                block_bytes=size,
            )
        )
