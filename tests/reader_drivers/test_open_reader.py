"""URLs, options, and drivers of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from reader_drivers import Reader, ReaderBatch, ReaderError, ReaderSettings, _open, open_reader, schemes
from reader_drivers._foreign_reader import ForeignReader
from reader_drivers.backoff import Backoff
from reader_drivers.llrp.options import parse_options
from reader_drivers.targets import merge_settings


class Foreign(Reader):
    def __init__(self, url: str, clock: Any) -> None:
        super().__init__(url)
        self.clock = clock

    def connect(self) -> Any:
        raise NotImplementedError

    def start(self, settings: ReaderSettings | None = None) -> None: ...

    def read(self, timeout_s: float) -> ReaderBatch:
        return ReaderBatch()

    def stop(self) -> None: ...

    def close(self) -> None: ...


def test_a_driver_of_another_package_is_opened_by_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("strange", f"{__name__}:Foreign", "nightstack.readers")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Foreign)
    monkeypatch.setattr(
        _open,
        "entry_points",
        lambda group, name=None: (
            [point] if group == "nightstack.readers" and name in (None, "strange") else []
        ),
    )
    reader = open_reader("strange:///dev/ttyUSB0", clock=lambda: 7)
    assert isinstance(reader, ForeignReader) and isinstance(reader.inner, Foreign)
    assert reader.inner.clock() == 7
    assert schemes() == (*_open._BUILT_IN, "strange")
    with pytest.raises(ReaderError, match="strange://"):
        open_reader("other://host")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("192.168.1.10:5084", "no driver for"),
        ("http://192.168.1.10", "no driver for http"),
        ("llrp://", "no host"),
        ("llrp://reader:99999", "port"),
        ("llrp://reader:0", "port"),
        ("llrp://[::1", "no URL"),
        ("llrp://reader?powr=30", "unknown option powr"),
        ("llrp://reader?power=loud", "option power cannot be 'loud'"),
        ("llrp://reader?phase_sign=0", "phase_sign"),
        ("llrp://reader?search=triple", "search"),
        ("llrp://reader?keepalive=-1", "keepalive"),
    ],
)
def test_urls_that_name_no_reader_say_why(url: str, says: str) -> None:
    with pytest.raises(ReaderError, match=says):
        open_reader(url)


def test_all_options() -> None:
    options = parse_options(
        "llrp://[::1]:6000?ports=1,3&power=27.5&session=2&search=focus&mode=1002&channels=4&keepalive=2"
        "&phase_sign=-1&doppler=1&population=64&timeout=3&retry=1&retry_max=9"
    )
    assert (options.target.host, options.target.port) == ("::1", 6000)
    assert options.settings == ReaderSettings((1, 3), 27.5, 2, "focus", 1002, (4,), 2.0)
    assert (options.phase_sign, options.choices.doppler, options.choices.population) == (-1, True, 64)
    assert (options.common.timeout_s, options.common.retry_s, options.common.retry_max_s) == (3.0, 1.0, 9.0)
    assert parse_options("llrp://reader").target.port == 5084
    assert parse_options("llrp://reader?phase_sign=+1").phase_sign == 1


def test_what_start_is_told_goes_before_the_url() -> None:
    base = ReaderSettings(ports=(1,), power_dbm=20.0, session=2)
    assert merge_settings(None, base) == base
    merged = merge_settings(ReaderSettings(power_dbm=30.0, keepalive_s=1.0), base)
    assert merged == ReaderSettings(ports=(1,), power_dbm=30.0, session=2, keepalive_s=1.0)


def test_backoff_doubles_with_jitter_up_to_its_limit() -> None:
    backoff = Backoff(0.5, 8.0)
    backoff.rng.seed(3)
    delays = [backoff.next_s() for _ in range(12)]
    wholes = [0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8]
    assert all(whole / 2 <= delay <= whole for delay, whole in zip(delays, wholes, strict=True))
    assert len(set(delays)) == len(delays)
    backoff.reset()
    assert backoff.next_s() <= 0.5
