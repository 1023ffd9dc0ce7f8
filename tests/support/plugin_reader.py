"""A reader driver as a plug-in of another package: ``count://NAME?rate=R`` reports numbered tags at a steady rate.

While the file of `gone=FILE` exists the reader is gone; what stands in that of `fault=FILE` is what the driver does
wrong.

`install` writes the module and its entry point into a folder that a child process gets on its PYTHONPATH, as an
installed distribution would.
"""

from pathlib import Path

_MODULE = '''
import time
from urllib.parse import parse_qs, urlsplit
import numpy as np
from pathlib import Path
from recording import Activity, Readings
from reader_drivers import Capabilities, Reader, ReaderBatch, ReaderError, ReaderEvent


class CountingReader(Reader):
    """Reads of tag number k at time k / rate; while FILE exists it is gone."""

    def __init__(self, url, clock):
        super().__init__(url)
        options = {key: value[0] for key, value in parse_qs(urlsplit(url).query).items()}
        self._period = int(1e9 / float(options.get("rate", "50")))
        self._gone_file = Path(options["gone"]) if "gone" in options else None
        self._fault_file = Path(options["fault"]) if "fault" in options else None
        self._air = options.get("air", "gen2")
        self._gone = False
        self._clock = clock
        self._ports = ()

    def _fault(self):
        file = self._fault_file
        return file.read_text().strip() if file is not None and file.exists() else ""

    def connect(self):
        if self._gone_file is not None and self._gone_file.exists():
            raise ReaderError(f"{self.url}: nobody answers")
        return Capabilities("Test", "Counter", "1", self._air, 4, True, "pi", 0.5, (915250,), (30.0,), "FCC")

    def start(self, settings=None):
        self._ports = (settings and settings.ports) or (1, 2, 3, 4)
        self._since = self._clock()
        self._next = self._clock() // self._period

    def read(self, timeout_s):
        while self._fault() == "hangs":
            time.sleep(0.01)
        gone = self._gone_file is not None and self._gone_file.exists()
        if gone != self._gone:
            self._gone = gone
            self._next = self._clock() // self._period
            kind = "reader_gone" if gone else "reader_back"
            return ReaderBatch(events=(ReaderEvent(self._clock(), kind, "as the file says"),))
        until = time.monotonic() + timeout_s
        while (last := self._clock() // self._period) <= self._next or gone:
            if time.monotonic() > until:
                return ReaderBatch()
            time.sleep(0.001)
        k = np.arange(self._next, last)
        self._next = last
        t = k * self._period
        antenna = np.array(self._ports, np.uint8)[k % len(self._ports)]
        rssi = np.full(len(k), -55.5, np.float32)
        phase = ((k % 628) / 100).astype(np.float32)
        events, activity = (), None
        match self._fault():
            case "seconds":
                t = t // 10**9
            case "milliseconds":
                t = t // 10**6
            case "monotonic":
                t = np.full(len(k), time.monotonic_ns())
            case "ahead":
                t = t + 7200 * 10**9
            case "frozen":
                t = np.full(len(k), self._since)
            case "first":
                t = np.where(np.arange(len(k)) == 0, 0, t)
            case "floats":
                t = t / 1e9
            case "degrees":
                phase = phase * 57 + 7
            case "negative":
                phase = phase - 7
            case "watts":
                rssi = -rssi
            case "port":
                antenna = np.full(len(k), 9, np.uint8)
            case "short":
                rssi = rssi[1:]
            case "event":
                events = (ReaderEvent(7, "temperature", "warm"),)
            case "activity":
                n = len(k)
                activity = Activity(
                    t_start=t // 10**9, t_end=t // 10**9 + 1, antenna=antenna, power_dbm=np.full(n, 30.0, np.float32),
                    session=np.ones(n, np.uint8), rounds=np.zeros(n, np.uint32),
                )
            case "session" if len(t):
                n = len(self._ports)
                activity = Activity(
                    t_start=np.full(n, t[0]), t_end=np.full(n, t[-1] + 1), antenna=np.array(self._ports, np.uint8),
                    power_dbm=np.full(n, 30.0, np.float32), session=np.ones(n, np.uint8), rounds=np.zeros(n, np.uint32),
                )
        return ReaderBatch(
            Readings.from_epc(
                [f"{i:024X}" for i in k.tolist()],
                t=t,
                antenna=antenna,
                frequency_khz=np.full(len(k), 915250, np.uint32),
                rssi_dbm=rssi,
                phase_rad=phase,
            ),
            events,
            activity,
        )

    def stop(self):
        self._next = self._clock() // self._period + 10**9

    def close(self):
        pass
'''


def install(folder: Path) -> Path:
    """Install the plug-in below `folder`; return what belongs on PYTHONPATH."""
    place = folder / "plugin"
    info = place / "counting_reader-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nightstack.readers]\ncount = counting_reader:CountingReader\n")
    (place / "counting_reader.py").write_text(_MODULE)
    return place
