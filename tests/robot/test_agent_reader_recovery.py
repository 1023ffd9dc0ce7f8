"""A robot with every make of reader, whose readers are lost in mid-run, in real time: unplugged, booted, hung."""

import asyncio
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from recording import Activity, Events, Readings
from recording.wire import decode_batch
from sim.readers.chafon import ChafonEmulator
from sim.readers.feig import FeigEmulator
from sim.readers.hf_small_world import HfSmallWorld
from sim.readers.llrp import LlrpEmulator
from sim.readers.m100 import M100Emulator
from sim.readers.mercury import MercuryEmulator
from sim.readers.r2000 import R2000Emulator
from sim.readers.serial_emulator import SerialEmulator
from sim.readers.small_world import SmallWorld
from sim.readers.uhfreader18 import UhfReader18Emulator, UhfReader288Emulator
from tests.reader_drivers.harness import Loop, running_loop, served
from tests.robot.conftest import Night
from tests.robot.nights import MakeNight, only, places, scanning
from tests.support.counting_ingest import Counted, CountingIngest, Identity
from tests.support.scripted_base import ScriptedBase

WITHIN_S = 5.0
"""How soon after a reader's return the agent has to read again."""

HAND_OVER_NS = 600_000_000

TCP, PTY = "127.0.0.1:0", "pty"
# Name in the settings: its emulator, where that listens, and what its URL says beyond that.
READERS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "llrp": (LlrpEmulator, TCP, ""),
    "mercury": (MercuryEmulator, PTY, "?region=CN"),
    "mercury-tcp": (MercuryEmulator, TCP, "?region=CN"),
    "m100": (M100Emulator, PTY, ""),
    "r2000": (R2000Emulator, PTY, ""),
    "uhf18": (UhfReader18Emulator, PTY, ""),
    "uhf288": (UhfReader288Emulator, TCP, ""),
    "chafon": (ChafonEmulator, TCP, "?unproven=1"),
    "feig": (FeigEmulator, TCP, ""),
    "feig-pty": (FeigEmulator, PTY, ""),
}
MOUNT = {name: 20 + n for n, name in enumerate(READERS)}


def tables(urls: dict[str, str]) -> str:
    return "".join(
        f"""
[[reader]]
name = "{name}"
url = "{url}"
keepalive_s = 1.0
[[antenna]]
id = {MOUNT[name]}
reader = "{name}"
port = 1
air = "{"iso15693" if name.startswith("feig") else "gen2"}"
position_m = [0.0, -0.25, 0.5]
boresight_deg = [-90, 0]
"""
        for name, url in urls.items()
    )


@contextmanager
def emulated(loop: Loop) -> Iterator[dict[str, Any]]:
    stack = AsyncExitStack()

    async def begin() -> dict[str, Any]:
        made = {}
        for seed, (name, (make, listen, _)) in enumerate(READERS.items()):
            world = (
                HfSmallWorld(seed, swing_s=0.0)
                if name.startswith("feig")
                else SmallWorld(seed, reads_per_s=60)
            )
            made[name] = await stack.enter_async_context(make(world, listen))
        return made

    try:
        yield loop.run(begin())
    finally:
        loop.run(stack.aclose())


async def unplugged(emulator: Any) -> Callable[[], Awaitable[None]]:
    """Pull the cable; return what plugs it in again."""
    if isinstance(emulator, SerialEmulator):
        await emulator.wire.close()
        return emulator.wire.open
    await emulator.close()
    return emulator.start


async def hung(emulator: Any) -> Callable[[], Awaitable[None]]:
    """Let it hang while the line stands; return what ends that."""
    emulator.go_silent()

    async def again() -> None:
        emulator.go_silent(False)

    return again


@dataclass(frozen=True)
class Away:
    """From when on a reader was surely lost, and when it returned, ns UTC."""

    lost: int
    returned: int


async def all_at_once(emulators: dict[str, Any], lose: Callable[[Any], Awaitable[Away]]) -> dict[str, Away]:
    """Lose every reader and let it return; return when each did."""
    came = await asyncio.gather(*(lose(emulator) for emulator in emulators.values()))
    return dict(zip(emulators, came, strict=True))


async def rebooted(emulator: Any) -> Away:
    await emulator.reboot(1.0)
    returned = time.time_ns()
    return Away(returned - 1_000_000_000, returned)


async def away(emulator: Any, how: Callable[[Any], Awaitable[Any]], for_s: float) -> Away:
    back = await how(emulator)
    lost = time.time_ns()
    await asyncio.sleep(for_s)
    returned = time.time_ns()
    await back()
    return Away(lost, returned)


FAULTS: dict[str, Callable[[Any], Awaitable[Away]]] = {
    "unplugged": lambda emulator: away(emulator, unplugged, 3.0),
    "rebooted": rebooted,
    "hung": lambda emulator: away(emulator, hung, 8.0),
}


class Watch:
    """What arrived from the readers, and when; each batch is decoded once."""

    def __init__(self, ingest: CountingIngest) -> None:
        self._ingest = ingest
        ingest.wait_for(lambda seen: bool(seen.runs), 30)
        self.run_id = only(ingest.seen)
        self._read: set[Identity] = set()
        self._heard: dict[int, list[np.ndarray[Any, np.dtype[np.int64]]]] = {}
        self.told: list[tuple[int, str, str]] = []
        self.spans: list[Activity] = []

    def _take(self, seen: Counted) -> None:
        for identity in sorted(seen.payloads.keys() - self._read):
            self._read.add(identity)
            data = decode_batch(seen.payloads[identity]).data
            if isinstance(data, Readings):
                for mount in np.unique(data.antenna):
                    self._heard.setdefault(int(mount), []).append(data.t[data.antenna == mount])
            elif isinstance(data, Events):
                self.told += zip(data.t.tolist(), data.source.tolist(), data.kind.tolist(), strict=True)
            elif isinstance(data, Activity):
                self.spans.append(data)

    def first_after(self, name: str, t: int) -> int | None:
        """Return the time of the first reading of a reader behind `t`."""
        later = [times[times > t].min() for times in self._heard.get(MOUNT[name], ()) if np.any(times > t)]
        return min(map(int, later), default=None)

    def listened(self, name: str, begin: int, end: int) -> bool:
        """Whether anything of an interval is said to have been listened to."""
        return any(
            np.any((s.antenna == MOUNT[name]) & (s.t_start < end) & (s.t_end > begin)) for s in self.spans
        )

    def until_read_after(self, returned: dict[str, int]) -> dict[str, float]:
        """Wait until each reader was heard after its return; return how long that took, by the readings' own times."""
        took: dict[str, float] = {}

        def all_heard(seen: Counted) -> bool:
            self._take(seen)
            for name in returned.keys() - took.keys():
                first = self.first_after(name, returned[name])
                if first is not None:
                    took[name] = (first - returned[name]) / 1e9
            return took.keys() == returned.keys()

        try:
            self._ingest.wait_for(all_heard, 20)
        except AssertionError:
            raise AssertionError(
                f"not read again: {sorted(returned.keys() - took.keys())}; {self.told}"
            ) from None
        return took


def test_readers_lost_in_mid_run_are_read_again_within_five_seconds(make_night: MakeNight) -> None:
    with running_loop() as loop, emulated(loop) as emulators:
        urls = {name: emulators[name].url + READERS[name][2] for name in READERS}
        night: Night = make_night(more_readers=tables(urls), rate=20, passes=20, speed_mps=0.1)
        settings = night.agent.settings
        settings.write_text(settings.read_text().replace('clock = "base"', 'clock = "system"'))
        night.base.on_step = lambda base: time.sleep(base.step_s)  # a base in real time
        ingest = night.ingest()
        night.agent.start()
        watch = Watch(ingest)
        took = {"start": watch.until_read_after(dict.fromkeys(READERS, 0))}
        for fault, lose in FAULTS.items():
            began = time.time_ns()
            were_away = loop.run(all_at_once(emulators, lose))
            took[fault] = watch.until_read_after({name: a.returned for name, a in were_away.items()})
            for name in READERS:
                told = [(t, kind) for t, source, kind in watch.told if source == name and t > began]
                gone, back = (
                    [t for t, what in told if what == kind] for kind in ("reader_gone", "reader_back")
                )
                assert len(gone) == len(back) == 1, (fault, name, told)
                assert gone[0] < back[0]
                # What it heard before may have been under way, and a reader that hangs is not noticed at once: but
                # nobody claims that it listened.
                silent = were_away[name].lost + HAND_OVER_NS, were_away[name].returned
                assert not watch.listened(name, *silent), (fault, name)
        slow = {
            f: {name: s for name, s in by.items() if s > WITHIN_S} for f, by in took.items() if f in FAULTS
        }
        assert slow == {fault: {} for fault in FAULTS}
        night.agent.signal(signal.SIGTERM)
        assert night.agent.wait() == 1
        ingest.wait_for(lambda seen: seen.complete(watch.run_id))
        assert "SIGTERM" in ingest.seen.ends[watch.run_id].reason


def test_what_nobody_heard_while_the_only_reader_hung_is_driven_again(make_night: MakeNight) -> None:
    """A loss is noticed late: after the silence that is borne, and a question that is not answered."""
    with running_loop() as loop, served(loop, SmallWorld(1, reads_per_s=100)) as emulator:
        night = make_night(passes=1, speed_mps=0.4)
        settings = night.agent.settings
        text = re.sub(r'url = ".*"', f'url = "{emulator.url}?timeout=2"', settings.read_text())
        text = text.replace('clock = "base"', 'clock = "system"')
        settings.write_text(text.replace("[route]", '[route]\nfaces = ["S"]'))
        hung_at: list[float] = []

        def in_real_time(base: ScriptedBase) -> None:
            if not hung_at and scanning(base, "S", 1) and base.x_m < 1.8:
                loop.call(emulator.go_silent)
                hung_at.append(base.x_m)
            elif hung_at and base.v_mps == 0.0:
                loop.call(lambda: emulator.go_silent(False))
            if base.y_m > -0.75:
                time.sleep(base.step_s)

        night.base.on_step = in_real_time
        ingest = night.ingest()
        night.agent.start()
        assert night.agent.wait(90) == 0
        run_id = only(ingest.seen)
        ingest.wait_for(lambda seen: seen.complete(run_id))
        kinds = [kind for _, kind, _ in ingest.seen.events(run_id)]
        assert kinds.count("reader_gone") == kinds.count("reader_back") == 1
        _, at = places(ingest.seen, run_id)
        tenths = np.floor(at.x_m[np.abs(at.y_m + 0.7) < 0.05] * 10).astype(int)
        assert set(tenths.tolist()) >= set(range(20))
