"""What a reader hears, gathered second by second: for `readers probe` and `readers watch`."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from nightstack.tag_says import TagsSay
from reader_drivers import ReaderBatch, ReaderEvent
from recording import Readings

_KEPT_EVENTS: Final = 200
_NS: Final = 1_000_000_000
WEAK_DBM, STRONG_DBM = -85.0, -35.0
"""Ends of the bar that shows a reading's strength."""


@dataclass(slots=True)
class Heard:
    """One tag, as a table shows it."""

    epc: str
    reads: int = 0
    rate: float = 0.0
    rssi_dbm: float = float("nan")
    phase_rad: float = float("nan")
    ports: tuple[int, ...] = ()
    last_ns: int = 0
    """When it was last heard, ns UTC."""


@dataclass(slots=True)
class Board:
    """Everything heard of late.

    Parameters
    ----------
    window_s
        Over how long rates and means are taken.
    strength
        Whether the reader tells strengths; of one that does not `Heard.rssi_dbm` is NaN.
    """

    window_s: float = 2.0
    strength: bool = True
    reads: int = 0
    events: deque[ReaderEvent] = field(default_factory=lambda: deque[ReaderEvent](maxlen=_KEPT_EVENTS))
    tags: dict[str, int] = field(default_factory=dict[str, int])
    """Every tag so far, and how often it was heard."""
    ports: dict[int, int] = field(default_factory=dict[int, int])
    """Readings by antenna port."""
    powers: dict[int, float] = field(default_factory=dict[int, float])
    """Ports that listened, and at which power, dBm (NaN: not known)."""
    says: TagsSay = field(default_factory=TagsSay)
    gone: ReaderEvent | None = None
    """Why and since when the reader is not there; None: it is."""
    _recent: deque[Readings] = field(default_factory=deque[Readings])
    _began_ns: int = 0

    def add(self, batch: ReaderBatch) -> None:
        """Take what a reader handed out."""
        self.events.extend(batch.events)
        for event in batch.events:
            if event.kind == "reader_gone":
                self.gone = event
            elif event.kind == "reader_back":
                self.gone = None
        for data in batch.tags:
            self.says.add(data)
        if batch.activity is not None:
            self.powers |= dict(
                zip(batch.activity.antenna.tolist(), batch.activity.power_dbm.tolist(), strict=True)
            )
        heard = batch.readings
        if not len(heard):
            return
        self._began_ns = self._began_ns or int(heard.t[0])
        self.reads += len(heard)
        count = np.bincount(heard.tag, minlength=len(heard.tags))
        for tag in np.flatnonzero(count).tolist():
            self.tags[heard.tags[tag]] = self.tags.get(heard.tags[tag], 0) + int(count[tag])
        for port, n in zip(*np.unique(heard.antenna, return_counts=True), strict=True):
            self.ports[int(port)] = self.ports.get(int(port), 0) + int(n)
        self._recent.append(heard)

    def now(self, now_ns: int) -> tuple[float, list[Heard]]:
        """Return readings a second, and each tag heard within the window, the most often heard first."""
        since = now_ns - round(self.window_s * _NS)
        while self._recent and int(self._recent[0].t.max()) < since:
            self._recent.popleft()
        recent = Readings.concat(list(self._recent))
        recent = recent.select(recent.t >= since)
        span_s = (
            min(self.window_s, max((now_ns - self._began_ns) / _NS, 0.2)) if self._began_ns else self.window_s
        )
        if not len(recent):
            return 0.0, []
        count = np.bincount(recent.tag, minlength=len(recent.tags))
        total = np.bincount(recent.tag, weights=recent.rssi_dbm, minlength=len(recent.tags))
        # The last reading of each tag: later ones overwrite earlier ones.
        last = np.zeros(len(recent.tags), np.int64)
        last[recent.tag] = np.arange(len(recent))
        shown: list[Heard] = []
        for tag in np.argsort(-count, kind="stable").tolist():
            if not count[tag]:
                break
            row, epc = int(last[tag]), recent.tags[tag]
            ports = np.unique(recent.antenna[recent.tag == tag]).tolist() if len(shown) < 100 else ()
            rate = float(count[tag]) / span_s
            mean = float(total[tag] / count[tag]) if self.strength else float("nan")
            phase, at = float(recent.phase_rad[row]), int(recent.t[row])
            shown.append(
                Heard(epc, self.tags.get(epc, 0), rate, mean, phase, tuple(int(p) for p in ports), at)
            )
        return len(recent) / span_s, shown


def bar(rssi_dbm: float, width: int = 10) -> str:
    """Return a bar for a signal's strength, full at `STRONG_DBM`; empty where there is none (NaN)."""
    if rssi_dbm != rssi_dbm:
        return ""
    share = float(np.clip((rssi_dbm - WEAK_DBM) / (STRONG_DBM - WEAK_DBM), 0.0, 1.0))
    full = round(share * width)
    return "█" * full + "·" * (width - full)


def plain(detail: str) -> str:
    """Return what an event says, without the reader's URL in front, which whoever watches one reader knows."""
    return re.sub(r"^[a-z][a-z0-9]*://\S*?: ", "", detail)
