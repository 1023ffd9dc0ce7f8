"""A bare LLRP client for tests: sends what it is told and shows what comes back."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from reader_drivers.llrp.codec import (
    FrameReader,
    Message,
    Parameter,
    Reports,
    decode_message,
    decode_reports,
    encode_message,
    message,
    parameter,
)
from sim.readers.small_world import SmallWorld

EVERYTHING = dict.fromkeys(
    ("rospec_id", "antenna_id", "channel_index", "peak_rssi", "first_seen", "last_seen", "seen_count"), 1
)


class Client:
    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._frames = FrameReader()
        self._id = 0
        self.inbox: list[Message] = []
        self.log: list[str] = []
        self.reports: list[Reports] = []
        self.acknowledge = True

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.close()

    async def send(self, item: Message | bytes) -> None:
        self._writer.write(item if isinstance(item, bytes) else encode_message(item))
        await self._writer.drain()

    async def pump(self) -> bool:
        """Take in what comes next; False at the end of the connection."""
        data = await self._reader.read(65536)
        batch = self._frames.feed(data)
        for i in range(len(batch)):
            item = decode_message(batch.frame(i))
            self.log.append(item.name)
            if item.name == "RO_ACCESS_REPORT":
                self.reports.append(decode_reports(batch, i, i + 1))
            elif item.name == "KEEPALIVE" and self.acknowledge:
                await self.send(message("KEEPALIVE_ACK", item.id))
            self.inbox.append(item)
        return bool(data)

    async def until(self, name: str) -> Message:
        """Return the next message of a kind, taking in everything before it."""
        while True:
            for i, item in enumerate(self.inbox):
                if item.name == name:
                    del self.inbox[: i + 1]
                    return item
            self.inbox.clear()
            assert await self.pump(), f"connection ended before {name}; came {self.log[-5:]}"

    async def ask(self, name: str, *children: Parameter, **values: Any) -> Message:
        """Send a request; return its response or the ERROR_MESSAGE."""
        self._id += 1
        await self.send(message(name, self._id, *children, **values))
        while True:
            for i, item in enumerate(self.inbox):
                if item.id == self._id and item.name in (f"{name}_RESPONSE", "ERROR_MESSAGE"):
                    del self.inbox[: i + 1]
                    return item
            assert await self.pump(), f"connection ended before the answer to {name}"

    async def expect(self, name: str, *children: Parameter, code: int = 0, **values: Any) -> Message:
        """`ask`, and check the status."""
        answer = await self.ask(name, *children, **values)
        state = answer.first("LLRPStatus")
        assert state is not None
        assert state.number("code") == code, (name, state.values)
        return answer

    async def until_rospec_ends(self) -> None:
        """Wait for the event that says so; it must have been asked for."""
        while True:
            told = await self.until("READER_EVENT_NOTIFICATION")
            if any(found.number("event") == 1 for found in told.find("ROSpecEvent")):
                return

    async def reads(self, count: int) -> list[Reports]:
        """Wait for so many reports."""
        while sum(len(part) for part in self.reports) < count:
            assert await self.pump()
        return self.reports


def rospec(
    *content: Parameter,
    number: int = 1,
    start: int = 1,
    antennas: tuple[int, ...] = (0,),
    trigger: int = 2,
    n: int = 1,
    duration_ms: int = 0,
    configuration: tuple[Parameter, ...] = (),
    ai_stop: Parameter | None = None,
    **selected: int,
) -> Parameter:
    """A ROSpec as small as the standard allows."""
    selector = parameter("TagReportContentSelector", **selected)
    stop = parameter("ROSpecStopTrigger", trigger=int(duration_ms > 0), duration_ms=duration_ms)
    return parameter(
        "ROSpec",
        parameter("ROBoundarySpec", parameter("ROSpecStartTrigger", trigger=start), stop),
        parameter(
            "AISpec",
            ai_stop or parameter("AISpecStopTrigger"),
            parameter("InventoryParameterSpec", *configuration, spec_id=1, protocol=1),
            antenna_ids=antennas,
        ),
        parameter("ROReportSpec", selector, *content, trigger=trigger, n=n),
        rospec_id=number,
    )


def impinj_content(**wanted: bool) -> Parameter:
    kinds = {
        "phase": "ImpinjEnableRFPhaseAngle",
        "rssi": "ImpinjEnablePeakRSSI",
        "doppler": "ImpinjEnableRFDopplerFrequency",
    }
    return parameter(
        "ImpinjTagReportContentSelector",
        *(parameter(kinds[name], mode=int(on)) for name, on in wanted.items()),
    )


def virtual(seed: int = 1, **options: Any) -> SmallWorld:
    made = SmallWorld(seed, virtual=True, t0_ns=1_750_000_000_000_000_000, **options)
    made.keep = True
    return made


def notify(*kinds: int) -> Parameter:
    states = (parameter("EventNotificationState", event=kind, enabled=1) for kind in kinds)
    return parameter("ReaderEventNotificationSpec", *states)
