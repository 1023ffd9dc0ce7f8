"""A package of drivers that go wrong, each in its own way: ``broken-SOMETHING://``."""

from pathlib import Path

_MODULE = '''
import threading
import time
import numpy as np
from recording import Readings
from reader_drivers import Capabilities, Reader, ReaderBatch, ReaderEvent, TagData


class Good(Reader):
    def __init__(self, url, clock):
        super().__init__(url)

    def connect(self):
        return Capabilities("M", "N", "1", "gen2", 1, False, "unknown", 0.0, (915250,), (20.0, 30.0), "FCC")

    def start(self, settings=None):
        pass

    def read(self, timeout_s):
        time.sleep(timeout_s)
        return ReaderBatch()

    def stop(self):
        pass

    def close(self):
        pass


def factory(url, clock):
    raise ValueError("no such\\nplace")


def nothing(url, clock):
    return 7


def alone(url):
    return Good(url, None)


NUMBER = 7


class Plain:
    def __init__(self, url, clock):
        pass


class Half(Reader):
    def __init__(self, url, clock):
        super().__init__(url)

    def connect(self):
        pass


class Start(Good):
    def start(self, settings=None):
        raise RuntimeError("cannot start")


class Connect(Good):
    def connect(self):
        return {"model": "dict"}


class Air(Good):
    air = "UHF"

    def connect(self):
        return Capabilities("M", "N", "1", "uhf", 1, False, "unknown", 0.0, (915250,), (20.0, 30.0), "FCC")


class Read(Good):
    def read(self, timeout_s):
        return []


class Events(Good):
    def read(self, timeout_s):
        return ReaderBatch(events=("gone",))


class Raises(Good):
    def read(self, timeout_s):
        raise KeyError("column")


class Sloppy(Good):
    """Passes over options, asks the machine for the time, reports what it was not asked for, and never stops."""

    def connect(self):
        self.thread = threading.Thread(target=time.sleep, args=(20,), daemon=True, name="sloppy")
        self.thread.start()
        return super().connect()

    def read(self, timeout_s):
        time.sleep(min(timeout_s, 0.05))
        return ReaderBatch(
            Readings.from_epc(
                ["E280"],
                t=np.array([time.time_ns()]),
                antenna=np.array([3], np.uint8),
                frequency_khz=np.array([0], np.uint32),
                rssi_dbm=np.array([np.nan], np.float32),
                phase_rad=np.array([7.0], np.float32),
            ),
            events=(ReaderEvent(time.time_ns(), "two words", "a\\nb"),),
            tags=(TagData(0, "xyz", 1),),
        )
'''

_EXITS = "raise SystemExit(3)\n"

POINTS = {
    "broken-missing": "broken_drivers:Nowhere",
    "broken-module": "no_such_module_at_all:Reader",
    "broken-factory": "broken_drivers:factory",
    "broken-nothing": "broken_drivers:nothing",
    "broken-start": "broken_drivers:Start",
    "broken-connect": "broken_drivers:Connect",
    "broken-air": "broken_drivers:Air",
    "broken-read": "broken_drivers:Read",
    "broken-events": "broken_drivers:Events",
    "broken-raises": "broken_drivers:Raises",
    "broken-sloppy": "broken_drivers:Sloppy",
    "broken-alone": "broken_drivers:alone",
    "broken-number": "broken_drivers:NUMBER",
    "broken-plain": "broken_drivers:Plain",
    "broken-half": "broken_drivers:Half",
    "broken-exits": "broken_exits:Reader",
    "broken-words": "broken drivers",
    "broken_scheme": "broken_drivers:Good",
}


def install(folder: Path) -> Path:
    """Install the package below `folder`; return what belongs on PYTHONPATH."""
    place = folder / "broken"
    info = place / "broken_drivers-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-drivers\nVersion: 0.3\n")
    lines = "".join(f"{scheme} = {what}\n" for scheme, what in POINTS.items())
    (info / "entry_points.txt").write_text(f"[nightstack.readers]\n{lines}")
    (place / "broken_drivers.py").write_text(_MODULE)
    (place / "broken_exits.py").write_text(_EXITS)
    return place
