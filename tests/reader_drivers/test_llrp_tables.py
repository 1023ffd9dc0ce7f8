"""Regulatory tables of many kinds of reader; contradictions are refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from reader_drivers import ReaderError, ReaderSettings
from reader_drivers.llrp.capabilities import read_capabilities
from reader_drivers.llrp.checks import power_entry
from reader_drivers.llrp.codec import (
    FrameReader,
    Parameter,
    decode_message,
    encode_message,
    message,
    parameter,
    region_name,
)
from reader_drivers.llrp.options import Choices
from reader_drivers.llrp.rospec import build_rospec

EUROPE = (865_700, 866_300, 866_900, 867_500)
JAPAN = (916_800, 918_000, 919_200, 920_400)


def fixed(*frequencies: int) -> Parameter:
    return parameter("FixedFrequencyTable", frequencies_khz=frequencies)


def hop(number: int, *frequencies: int) -> Parameter:
    return parameter("FrequencyHopTable", hop_table_id=number, frequencies_khz=frequencies)


def tables(*items: Parameter, hopping: bool) -> Parameter:
    return parameter("FrequencyInformation", *items, hopping=int(hopping))


def powers(*entries: tuple[int, int]) -> list[Parameter]:
    return [parameter("TransmitPowerLevelTableEntry", index=i, power_cdbm=p) for i, p in entries]


def modes(*numbers: int) -> Parameter:
    entries = [parameter("UHFC1G2RFModeTableEntry", mode=number) for number in numbers]
    return parameter("UHFC1G2RFModeTable", *entries)


USUAL = (*powers((1, 1000), (2, 2000)), tables(fixed(*EUROPE), hopping=False))


def read(
    *band: Parameter, standard: int = 2, country: int = 276, antennas: int = 4, hop_table: int | None = None
) -> Any:
    """What the driver makes of an answer that went over the wire."""
    general = parameter("GeneralDeviceCapabilities", max_antennas=antennas, manufacturer=161)
    law = parameter(
        "RegulatoryCapabilities",
        parameter("UHFBandCapabilities", *band),
        country=country,
        standard=standard,
    )
    answer = message("GET_READER_CAPABILITIES_RESPONSE", 1, general, law)
    (frame,) = [FrameReader().feed(encode_message(answer)).frame(0)]
    return read_capabilities(decode_message(frame), "llrp://here", hop_table)


def test_a_fixed_table() -> None:
    found = read(*USUAL)
    assert (found.hopping, found.public.frequencies_khz, found.public.region) == (False, EUROPE, "ETSI")
    assert found.frequency_khz.tolist() == [0, *EUROPE]


def test_of_several_hop_tables_the_first_that_has_channels_or_the_one_named() -> None:
    band = (*powers((1, 1000)), tables(hop(0), hop(3, *JAPAN), hop(9, *EUROPE), hopping=True))
    assert (read(*band).channels.table_id, read(*band).public.frequencies_khz) == (3, JAPAN)
    named = read(*band, hop_table=9)
    assert (named.channels.table_id, named.public.frequencies_khz) == (9, EUROPE)
    spec = build_rospec(ReaderSettings(), named, "here", Choices(hop_table=9))
    assert {item.number("hop_table_id") for item in spec.find("RFTransmitter")} == {9}
    assert {item.number("channel_index") for item in spec.find("RFTransmitter")} == {1}


@pytest.mark.parametrize(
    ("entries", "asked", "index"),
    [
        (((0, 1000), (1, 2000)), None, 1),
        (((1, 1000), (2, 2000)), 15.0, 1),
        (((7, 3000), (9, 1000), (3, 2000)), 29.9, 3),
        (((7, 3000), (9, 1000), (3, 2000)), None, 7),
        (((5, -300), (6, 0)), -1.0, 5),
    ],
)
def test_powers_go_by_the_index_that_the_reader_gives_them(
    entries: Any, asked: float | None, index: int
) -> None:
    found = read(*powers(*entries), USUAL[-1])
    assert list(found.public.powers_dbm) == sorted(found.public.powers_dbm)
    assert power_entry(ReaderSettings(power_dbm=asked), found, "here")[1] == index


def test_modes_of_several_tables() -> None:
    assert read(*USUAL, modes(1, 2), modes(7)).modes == (1, 2, 7)
    assert read(*USUAL).modes == ()
    # A reader that lists none takes whatever it is told.
    build_rospec(ReaderSettings(rf_mode=5), read(*USUAL), "here")


@pytest.mark.parametrize(
    ("band", "more", "says"),
    [
        (USUAL[:2], {}, "0 FrequencyInformation"),
        ((*USUAL, USUAL[-1]), {}, "2 FrequencyInformation"),
        ((*USUAL[:2], tables(hopping=True)), {}, "no frequencies"),
        ((*USUAL[:2], tables(hop(1), hopping=True)), {}, "no frequencies"),
        ((*USUAL[:2], tables(fixed(), hopping=False)), {}, "no frequencies"),
        ((*USUAL[:2], tables(fixed(*EUROPE), hopping=True)), {}, "lists fixed ones"),
        ((*USUAL[:2], tables(hop(1, *EUROPE), hopping=False)), {}, "lists hop ones"),
        ((*USUAL[:2], tables(fixed(*EUROPE), fixed(*JAPAN), hopping=False)), {}, "2 fixed frequency tables"),
        ((*USUAL[:2], tables(hop(1, *EUROPE), hop(1, *JAPAN), hopping=True)), {}, "listed twice"),
        ((*USUAL[:2], tables(fixed(866_300_000), hopping=False)), {}, "866300000 kHz"),
        ((*USUAL[:2], tables(fixed(866_300, 0), hopping=False)), {}, "names 0 kHz"),
        ((USUAL[-1],), {}, "no transmit power table"),
        ((*powers((1, 1000), (1, 2000)), USUAL[-1]), {}, "two powers"),
        ((*powers((1, 30_000)), USUAL[-1]), {}, "300 dBm"),
        (USUAL, {"antennas": 0}, "0 antenna ports"),
        (USUAL, {"antennas": 300}, "300 antenna ports"),
        (USUAL, {"hop_table": 1}, "no hop tables"),
        ((*USUAL[:2], tables(hop(1, *EUROPE), hopping=True)), {"hop_table": 2}, "it has 1"),
        ((*USUAL[:2], tables(hop(1, *EUROPE), hop(2), hopping=True)), {"hop_table": 2}, "2 is empty"),
    ],
)
def test_odd_tables_are_refused_in_one_line(band: Any, more: dict[str, int], says: str) -> None:
    with pytest.raises(ReaderError, match=says) as refused:
        read(*band, **more)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).startswith("llrp://here: ")


@pytest.mark.parametrize(
    ("standard", "country", "name"),
    [
        (1, 840, "FCC"),
        (2, 276, "ETSI"),
        (0, 156, "CN"),
        (0, 702, "SG"),
        (6, 392, "JP"),
        (0, 392, "JP"),
        (9, 410, "KR"),
        (0, 12, "country 12"),
    ],
)
def test_names_of_regions(standard: int, country: int, name: str) -> None:
    assert region_name(standard, country) == name
    assert read(*USUAL, standard=standard, country=country).public.region == name
