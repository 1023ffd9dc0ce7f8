"""Drivers of other packages: how they are found, loaded and named. What is wrong with one is one line that names it."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from reader_drivers._reader import DriverError, Reader, ReaderError

log = logging.getLogger("nightstack.readers")

Got = TypeVar("Got")

_MEND = "tell its maker (docs/writing_a_driver.md)"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a driver is.

    Parameters
    ----------
    who
        Where and whose it is, before each message.
    package
        Name and version of the package.
    """

    who: str
    package: str

    def fault(self, text: str) -> DriverError:
        """Return the error that says what this driver does wrong."""
        return DriverError(f"{self.who}: {text}; {_MEND}", self.package)

    def call(self, failing: str, what: Callable[[], Got]) -> Got:
        """Do what the driver does; whatever is not a ReaderError is its fault."""
        try:
            return what()
        except ReaderError:
            raise
        except (Exception, SystemExit) as error:
            log.debug("%s: %s", self.who, failing, exc_info=True)
            raise self.fault(f"{failing} ({_said(error)})") from error


def maker(point: EntryPoint) -> str:
    """Return what messages call a driver: scheme, package and version."""
    return f"driver {point.name} of package {package_label(point)}"


def package_of(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the package that brings an entry point."""
    dist = point.dist
    return (dist.name or "of no name", dist.version or "") if dist is not None else ("of no name", "")


def package_label(point: EntryPoint) -> str:
    """Return name and version of the package in one."""
    return " ".join(package_of(point)).rstrip()


def broken(point: EntryPoint) -> str:
    """Return why a driver can never be used, one clause; "": nothing is seen from here.

    It is loaded, and its factory is asked once for a URL that names no place.
    """
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", point.name):
        return f"{point.name} is no URL scheme: small letters, digits, + - . and a letter first"
    if point.pattern.match(point.value) is None:
        return f"its entry point {point.value!r} is not written MODULE:NAME"
    try:
        factory: Any = point.load()
    except (Exception, SystemExit) as error:
        return f"{point.value} cannot be loaded ({_said(error)})"
    if not callable(factory):
        return f"{point.value} is {a(factory)}, not a class or function"
    if isinstance(factory, type) and not issubclass(factory, Reader):
        return f"{point.value} is a class that is no reader_drivers.Reader"
    if missing := sorted(getattr(factory, "__abstractmethods__", ())):
        return f"{point.value} has no {', '.join(missing)}"
    try:
        make: Any = factory
        inspect.signature(make).bind("url", int)
    except TypeError as error:
        return f"{point.value} does not take (url, clock): {error}"
    except ValueError:  # of C, which tells no signature
        return ""
    try:
        made = make(f"{point.name}://", lambda: 0)
    except (Exception, SystemExit):
        # Whatever it says of such a URL may be right.
        return ""
    return "" if isinstance(made, Reader) else f"{point.value} makes {a(made)}, not a reader_drivers.Reader"


def a(value: Any) -> str:
    """Return what kind of thing a value, or a class, is: `an int`."""
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
