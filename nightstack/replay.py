"""Play a recording into a broker the way a robot would: through a spool and the robot's own uplink."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nightstack.errors import CommandError, InputError
from nightstack.progress import ProgressCallback
from recording import Recording
from robot.settings import UplinkTable, broker_address
from robot.spool import Columns, Spool
from robot.uplink import Uplink

_BATCH_ROWS = 1000  # as the robot's own default
_QUIET = logging.NullHandler()
_WINDOW_S = 1.0  # span of scan time cut into batches at a time: what a robot would have flushed by then


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What was played and confirmed."""

    run_id: str
    readings: int
    poses: int
    batches: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Target:
    """The robot that a recording is played as, a ``robot.uplink.UplinkOwner``."""

    site: str
    robot: str
    broker: str
    uplink: UplinkTable


def replay_recording(
    heard: Recording, broker: str, *, speed: float, timeout_s: float, progress: ProgressCallback
) -> ReplayOutcome:
    """Play a recording and wait until the ingest has confirmed every batch.

    The run keeps its id and its batches come out the same each time, so a recording played twice is stored once.

    Parameters
    ----------
    heard
        The recording.
    broker
        ``mqtt://host:port``.
    speed
        1 is as fast as it was scanned; 0 as fast as it goes.
    timeout_s
        Seconds without any new confirmation after which the replay fails.
    progress
        Told the share confirmed.

    Returns
    -------
    ReplayOutcome
        What was played.

    Raises
    ------
    InputError
        The broker's URL is wrong.
    CommandError
        The broker takes no connection, or nothing was confirmed for ``timeout_s``: no ingest listens to it.
    """
    try:
        broker_address(broker)
    except ValueError as error:
        raise InputError(f"--broker: {error}") from None
    with tempfile.TemporaryDirectory(prefix="nightstack-replay-") as folder:
        spool = Spool(Path(folder) / "spool.db", max_bytes=1 << 40)
        target = _Target(heard.info.site, heard.info.robot_id, broker, UplinkTable())
        trouble: list[str] = []
        uplink = Uplink(
            target,
            spool,
            status=lambda: {"run_id": heard.info.run_id, "replay": True},
            clock=time.time_ns,
            report=lambda kind, text: trouble.append(f"{kind}: {text}"),
        )
        # Its warnings are for a robot's log; here they are in the error, once.
        logging.getLogger("nightstack.robot").addHandler(_QUIET)
        uplink.start()
        try:
            _await_connection(uplink, trouble)
            batches = _play(heard, spool, speed, progress)
            _await_confirmation(spool, batches, timeout_s, progress, broker, trouble)
        finally:
            uplink.stop()
            spool.close()
            logging.getLogger("nightstack.robot").removeHandler(_QUIET)
    return ReplayOutcome(heard.info.run_id, len(heard.readings), len(heard.poses), batches)


def _await_connection(uplink: Uplink, trouble: list[str]) -> None:
    """Wait for the first connection; raises CommandError when it fails, rather than to try for a minute."""
    while not uplink.connected.wait(0.02):
        gone = next((line for line in trouble if line.startswith("broker_gone")), None)
        if gone is not None:
            raise CommandError(
                f"{_plain(gone)}; start the broker (`nightstack serve` has one), or name it with --broker"
            )


def _plain(gone: str) -> str:
    # A robot's spool keeps what waits; a replay's own spool goes with it, so that part would not be true.
    return gone.removeprefix("broker_gone: ").removesuffix("; batches wait in the spool")


def _play(heard: Recording, spool: Spool, speed: float, progress: ProgressCallback) -> int:
    spool.begin(heard.info, "replay", int(heard.poses.t[0]) if len(heard.poses) else 0)
    began = time.monotonic()
    batches = 0
    start, end = _span(heard)
    for until, parts in _windows(heard, start, end):
        if speed > 0:
            time.sleep(max(0.0, (until - start) / 1e9 / speed - (time.monotonic() - began)))
        batches += len(spool.add(heard.info.run_id, parts))
        progress(0.5 * (until - start) / max(end - start, 1), f"{batches} batches")
    spool.end(heard.info.run_id, "done")
    return batches


def _span(heard: Recording) -> tuple[int, int]:
    times = [columns.t for columns in (heard.readings, heard.poses, heard.events) if columns is not None]
    times = [t for t in times if len(t)]
    if not times:
        raise InputError(f"{heard.path}: holds neither readings nor poses; there is nothing to play")
    return min(int(t[0]) for t in times), max(int(t[-1]) for t in times)


def _windows(heard: Recording, start: int, end: int) -> Iterator[tuple[int, list[tuple[str, Columns]]]]:
    """Cut the recording into what a robot would have flushed: batches in the order of their time."""
    step = int(_WINDOW_S * 1e9)
    kinds: list[tuple[str, Any, np.ndarray[Any, Any]]] = [
        (kind, columns, key)
        for kind, columns, key in (
            ("readings", heard.readings, heard.readings.t),
            ("poses", heard.poses, heard.poses.t),
            ("events", heard.events, heard.events.t if heard.events is not None else None),
            ("activity", heard.activity, heard.activity.t_start if heard.activity is not None else None),
            ("tags", heard.tag_memories, heard.tag_memories.t if heard.tag_memories is not None else None),
        )
        if columns is not None and key is not None and len(key)
    ]
    position = dict.fromkeys((kind for kind, _, _ in kinds), 0)
    for until in [*range(start + step, end + 1, step), end + 1]:
        parts: list[tuple[str, Columns]] = []
        for kind, columns, key in kinds:
            stop = int(np.searchsorted(key, until))
            while position[kind] < stop:
                upto = min(position[kind] + _BATCH_ROWS, stop)
                # A batch names only its own tags.
                parts.append((kind, columns.select(np.arange(position[kind], upto))))
                position[kind] = upto
        if parts:
            yield until, parts


def _await_confirmation(
    spool: Spool, batches: int, timeout_s: float, progress: ProgressCallback, broker: str, trouble: list[str]
) -> None:
    waiting, since = batches, time.monotonic()
    while spool.runs():  # the uplink forgets the run when its last batch and its end are confirmed
        left = spool.waiting()
        if left != waiting:
            waiting, since = left, time.monotonic()
        elif time.monotonic() - since > timeout_s:
            why = next((line for line in reversed(trouble) if line.startswith("broker_gone")), "")
            hint = _plain(why) or "is `nightstack serve` listening to this broker?"
            raise CommandError(f"{broker}: {left} batches not confirmed for {timeout_s:.0f} s; {hint}")
        progress(0.5 + 0.5 * (batches - left) / max(batches, 1), f"{left} batches to confirm")
        time.sleep(0.05)
