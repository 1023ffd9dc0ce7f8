"""A check for those who write drivers: whether a reader keeps what `Reader` promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt

from reader_drivers._open import open_reader
from reader_drivers._reader import Capabilities, Reader, ReaderBatch, ReaderError, ReaderSettings

_LATE_S: Final = 0.5
_WAIT_S: Final = 0.25
_QUIET_S: Final = 3.0
_AHEAD_NS: Final = 86_400_000_000_000


def check_reader(url: str, *, seconds: float = 2.0) -> list[str]:
    """Use a reader as the robot does, and look at all it hands out.

    Parameters
    ----------
    url
        Of a reader, real or emulated, with tags before its first antenna.
    seconds
        How long to read, with all ports and then with the first alone.

    Returns
    -------
    list of str
        What is wrong, one sentence each; empty where nothing is.
    """
    faults: list[str] = []
    threads = set(threading.enumerate())
    with _noted(faults, "an option that no driver has"):
        _check_options(url, faults)
    with _noted(faults, "the reader"):
        # A clock that nobody else has: whoever asks the machine for the time is found out.
        reader = open_reader(url, clock=lambda: time.time_ns() + _AHEAD_NS)
        try:
            _check_use(reader, seconds, faults)
        finally:
            reader.close()
            reader.close()
        left = [thread.name for thread in set(threading.enumerate()) - threads if thread.is_alive()]
        if left:
            faults.append(f"close: it left threads behind ({', '.join(sorted(left))})")
    return list(dict.fromkeys(faults))


@contextmanager
def _noted(faults: list[str], what: str) -> Generator[None]:
    try:
        yield
    except Exception as error:
        faults.append(f"{what}: {type(error).__name__}: {error}")


def _check_options(url: str, faults: list[str]) -> None:
    strange = f"{url}{'&' if '?' in url else '?'}no_such_option=1"
    try:
        open_reader(strange).close()
    except ReaderError as error:
        if "no_such_option" not in str(error).replace(strange, ""):
            faults.append(f"open: the error for an unknown option does not name it: {error}")
    else:
        faults.append(
            "open: an unknown option in the URL is not refused; a misspelt one would be passed over"
        )


def _check_use(reader: Reader, seconds: float, faults: list[str]) -> None:
    began = time.time_ns() + _AHEAD_NS
    can = reader.connect()
    faults += _of_capabilities(can, reader)
    for ports in ((), (1,)):
        reader.start(ReaderSettings(ports=ports))
        heard = _read(reader, can, ports, began, seconds, faults)
        if not heard:
            faults.append(
                f"read: no tag was heard in {seconds:g} s with ports={ports or 'all'}; hold one before port 1"
            )
        reader.stop()
        until = time.monotonic() + _QUIET_S
        while _look(reader.read(_WAIT_S), can, ports, began, faults):
            if time.monotonic() > until:
                faults.append(f"stop: readings still come {_QUIET_S:g} s later")
                break


def _read(
    reader: Reader, can: Capabilities, ports: tuple[int, ...], began: int, seconds: float, faults: list[str]
) -> int:
    heard = 0
    until = time.monotonic() + seconds
    while (asked := time.monotonic()) < until:
        batch = reader.read(_WAIT_S)
        if (took := time.monotonic() - asked) > _WAIT_S + _LATE_S:
            faults.append(f"read: it waited longer than {_WAIT_S:g} s ({took:.1f} s)")
        heard += _look(batch, can, ports, began, faults)
    return heard


def _of_capabilities(can: Capabilities, reader: Reader) -> Iterator[str]:
    if can.air not in ("gen2", "iso15693"):
        yield f"connect: air is {can.air!r}, which is neither gen2 nor iso15693"
    if reader.air not in (None, can.air):
        yield f"connect: air is {can.air}, and the driver's own `air` says {reader.air}"
    if can.antennas < 1:
        yield f"connect: {can.antennas} antennas"
    if can.phase_ambiguity not in ("none", "pi", "unknown"):
        yield f"connect: phase_ambiguity is {can.phase_ambiguity!r}; it is none, pi or unknown"
    if list(can.powers_dbm) != sorted(can.powers_dbm):
        yield "connect: powers_dbm do not ascend"


def _look(
    batch: ReaderBatch, can: Capabilities, ports: tuple[int, ...], began: int, faults: list[str]
) -> int:
    """Note what is wrong with a batch; return how many readings it has."""
    now = time.time_ns() + _AHEAD_NS
    used = np.array(ports or range(1, can.antennas + 1))
    heard = batch.readings

    def say(wrong: npt.ArrayLike, what: str) -> None:
        if np.any(wrong):
            faults.append(f"read: {what}")

    clock = "the clock that the factory was given, or beside it: ask that clock alone"
    say((heard.t < began) | (heard.t > now), f"t is not between start and now by {clock}")
    say(~np.isin(heard.antenna, used), f"antenna is none of the ports asked for, {used.tolist()}")
    say(
        ~((heard.rssi_dbm >= -120) & (heard.rssi_dbm <= 0)),
        "rssi_dbm is not from -120 to 0; recordings refuse it",
    )
    phase = heard.phase_rad[~np.isnan(heard.phase_rad)]
    say((phase < 0) | (phase >= np.float32(2 * np.pi)), "phase_rad is not in [0, 2 pi)")
    say(len(phase) and not can.phase, "phase_rad is there, and the capabilities say that there is none")
    say(heard.frequency_khz == 0, "frequency_khz is 0")
    for tag in heard.tags:
        say(not _is_hex(tag), f"a tag is {tag[:40]!r}: not whole bytes in upper-case hexadecimal")
        say(can.air == "iso15693" and len(tag) != 16, f"a tag is {tag[:40]!r}: a UID has 16 digits")
    for event in batch.events:
        say(not event.kind.isidentifier(), f"an event's kind is {event.kind!r}: write one_word")
        say("\n" in event.detail, f"the detail of {event.kind} has several lines")
        say(not began <= event.t <= now, f"t of {event.kind} is not from {clock}")
    if batch.activity is not None:
        spans = batch.activity
        say(spans.t_end <= spans.t_start, "activity ends before it begins")
        say(~np.isin(spans.antenna, used), f"activity of a port that was not asked for, of {used.tolist()}")
        say((spans.t_start < began) | (spans.t_end > now), f"activity is not from {clock}")
    for data in batch.tags:
        say(not _is_hex(data.epc), f"the memory of tag {data.epc[:40]!r}: not in upper-case hexadecimal")
    return len(heard)


def _is_hex(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and set(text) <= set("0123456789ABCDEF")
