"""What a driver tells a ThingMagic module, byte by byte, and powers of single ports in every layout."""

from __future__ import annotations

from typing import Any

import pytest

from reader_drivers import ReaderError, ReaderSettings, open_reader
from reader_drivers.mercury.codec import Op, Status
from sim.readers.mercury import MercuryEmulator
from sim.readers.mercury_identity import Model
from sim.readers.small_world import SmallWorld
from tests.reader_drivers.harness import Heard, Loop
from tests.reader_drivers.mercury_harness import URL, enough, world
from tests.reader_drivers.serial_harness import FAST, serving


class Listening(MercuryEmulator):
    """Keeps the frames that it is sent."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.frames_heard: list[str] = []
        super().__init__(*args, **options)

    async def answer(self, frame: bytes) -> None:
        self.frames_heard.append(frame.hex(" ").upper())
        await super().answer(frame)


# Known frames; the start differs from the known one in its metadata, 007F for 01FF.
SETTINGS = (
    "FF 03 2F 00 00 02 5E 86",  # end a stream
    "FF 00 0C 1D 03",  # which program runs
    "FF 00 03 1D 0C",  # version
    "FF 01 62 01 BE BC",  # power with its limits
    "FF 02 93 00 05 51 7D",  # Gen2
    "FF 03 9B 05 00 01 DC E9",  # session 1
    "FF 03 9A 01 0C 00 A3 5D",  # read filter off
)


@pytest.mark.parametrize(
    ("model", "settings", "region", "known"),
    [
        (
            "nano",
            ReaderSettings(power_dbm=27.0),
            "ETSI",
            ("FF 01 97 08 4B B5", "FF 02 92 0A 8C 4B D5", "FF 03 91 02 01 01 42 C5"),
        ),
        (
            "m6e",
            ReaderSettings(power_dbm=30.0, ports=(1, 2)),
            "FCC",
            ("FF 01 97 01 4B BC", "FF 02 92 0B B8 4A E1", "FF 05 91 02 01 01 02 02 2D C0"),
        ),
        ("m7e", ReaderSettings(ports=(1, 2)), "CN", ("FF 01 97 06 4B BB", "FF 03 91 82 01 02 D3 4E")),
    ],
)
def test_settings_go_out_in_the_known_frames(
    loop: Loop, model: Model, settings: ReaderSettings, region: Any, known: tuple[str, ...]
) -> None:
    radio = SmallWorld(3, reads_per_s=200, region=region)
    # Usual names, where the modules' own are NA and EU3.
    name = {"FCC": "US", "ETSI": "EU"}.get(region, region)
    with (
        serving(loop, lambda: Listening(radio, model=model)) as emulator,
        open_reader(f"{emulator.url}?{FAST}&region={name}&temperature=0.05") as reader,
    ):
        reader.connect()
        reader.start(settings)
        Heard(reader).until(lambda heard: "temperature" in heard.kinds)
        reader.stop()
    assert set(SETTINGS + known) <= set(emulator.frames_heard)
    starts = [
        frame
        for frame in emulator.frames_heard
        if frame.startswith("FF 10 2F 00 00 01 22 00 00 05 07 22 10 00")
    ]
    assert {frame[:-6] for frame in starts} == {"FF 10 2F 00 00 01 22 00 00 05 07 22 10 00 1B 03 E8 00 7F"}


@pytest.mark.parametrize(
    ("model", "short", "singly"),
    [
        ("micro", False, False),
        ("m6e", False, False),
        ("m6e", True, False),  # newer firmware
        ("m7e", True, True),
        ("m7e", False, False),
        ("m7e", False, True),
    ],
)
def test_ports_get_the_power_asked_for_in_every_layout(
    loop: Loop, model: Model, short: bool, singly: bool
) -> None:
    radio = world()
    with (
        serving(loop, lambda: Listening(radio, model=model)) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        emulator.state.short_entries, emulator.state.listed_singly = short, singly
        reader.connect()
        for settings, power in (
            (ReaderSettings(ports=(1, 2), power_dbm=24.0), (24.0, 24.0)),
            (ReaderSettings(ports=(1, 2), power_dbm=24.0, port_power_dbm={2: 17.5}), (24.0, 17.5)),
            (ReaderSettings(ports=(1, 2), power_dbm=20.0), (20.0, 20.0)),
        ):
            reader.start(settings)
            # The second search begins where the first one ended: wait for one that has these powers.
            Heard(reader).until(
                lambda _, power=power: radio.inventory is not None and radio.inventory.power_dbm == power
            )
            reader.stop()


def test_powers_that_an_earlier_client_left_do_not_stay(loop: Loop) -> None:
    radio = world()
    with (
        serving(loop, lambda: Listening(radio, model="micro")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        # 0 dBm, which on this module is a power like any other.
        emulator.state.port_power[2] = 0
        reader.connect()
        reader.start(ReaderSettings(power_dbm=24.0))
        Heard(reader).until(enough(20))
        assert radio.inventory is not None and radio.inventory.power_dbm == (24.0, 24.0)


def test_a_module_with_one_power_for_all_ports_says_so_only_where_it_matters(loop: Loop) -> None:
    with (
        serving(loop, lambda: MercuryEmulator(world(), model="m6e")) as emulator,
        open_reader(f"{emulator.url}?{URL}") as reader,
    ):
        reader.connect()
        emulator.refused[Op.GET_ANTENNA] = Status.BAD_OPCODE
        with pytest.raises(ReaderError, match="one power for all ports; leave port_power out"):
            reader.start(ReaderSettings(port_power_dbm={2: 17.5}))
        reader.start(ReaderSettings(power_dbm=20.0))
        Heard(reader).until(enough(5))
