"""From a URL to a driver: one scheme a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from urllib.parse import urlsplit

from reader_drivers._foreign import broken, package_of
from reader_drivers._foreign_reader import open_foreign
from reader_drivers._reader import Reader, SettingsError

Factory = Callable[[str, Callable[[], int]], Reader]

ENTRY_POINTS = "nightstack.readers"
"""Entry point group in which other packages offer drivers: name = URL scheme, object = `factory(url, clock) ->
Reader`."""

_BUILT_IN = {
    "llrp": "reader_drivers.llrp:open_llrp",
    "m100": "reader_drivers.m100:open_m100",
    "mercury": "reader_drivers.mercury:open_mercury",
    "r2000": "reader_drivers.r2000:open_r2000",
    "uhfreader18": "reader_drivers.uhfreader18:open_uhfreader18",
    "chafon": "reader_drivers.chafon:open_chafon",
    "feig": "reader_drivers.feig:open_feig",
}


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver that is installed.

    Attributes
    ----------
    scheme
        What its URLs begin with.
    package, version
        What brought it.
    used
        Whether `open_reader` takes this one: built-in drivers go before those of other packages, which are then found
        in the order of their installation.
    broken
        Why it can never be used, one clause that names what failed; "": nothing is known against it.
    """

    scheme: str
    package: str
    version: str
    used: bool
    broken: str = ""


def drivers() -> tuple[Driver, ...]:
    """Return every driver that is installed, built-in ones first; others are loaded, to see whether they can be."""
    try:
        own = version("nightstack")
    except PackageNotFoundError:
        own = ""
    found = [Driver(scheme, "nightstack", own, True) for scheme in _BUILT_IN]
    taken = set(_BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        found.append(Driver(point.name, *package_of(point), point.name not in taken, broken(point)))
        taken.add(point.name)
    return (*found[: len(_BUILT_IN)], *sorted(found[len(_BUILT_IN) :], key=lambda driver: driver.scheme))


def schemes() -> tuple[str, ...]:
    """Return the URL schemes that can be opened, built-in ones first."""
    foreign = {point.name for point in entry_points(group=ENTRY_POINTS)} - _BUILT_IN.keys()
    return (*_BUILT_IN, *sorted(foreign))


def open_reader(url: str, *, clock: Callable[[], int] = time.time_ns) -> Reader:
    """Make the driver for a reader; nothing is sent before `Reader.connect`.

    Parameters
    ----------
    url
        `scheme://host:port?option=value`; the scheme names the protocol, the options are the driver's.
    clock
        Returns the host's time, ns UTC. Every time a driver hands out comes from it or is mapped to it.

    Raises
    ------
    SettingsError
        No URL, no driver for its scheme, or options that the driver does not know.
    DriverError
        A driver of another package that is broken.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise SettingsError(f"{url}: is no URL ({error}); write llrp://HOST:PORT") from error
    if scheme in _BUILT_IN:
        module, name = _BUILT_IN[scheme].split(":")
        factory: Factory = getattr(import_module(module), name)
        return factory(url, clock)
    for point in entry_points(group=ENTRY_POINTS, name=scheme):
        return open_foreign(point, url, clock)
    known = ", ".join(f"{name}://" for name in schemes())
    raise SettingsError(f"{url}: no driver for {scheme or 'a URL without scheme'}; use one of {known}")
