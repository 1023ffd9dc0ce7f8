"""Readers: from a protocol's bytes to columns of readings.

One folder a protocol, each in the same layers: transport, codec (framing and messages), client, driver. The codecs
import nothing but numpy, numba and, of the shared modules, `framing` and `checksums`: emulators speak with the same
bytes, and take these three alone.
"""

from reader_drivers._open import Driver, drivers, open_reader, schemes
from reader_drivers._reader import (
    Capabilities,
    DriverError,
    Reader,
    ReaderBatch,
    ReaderError,
    ReaderEvent,
    ReaderSettings,
    SettingsError,
    TagData,
)

__all__ = [
    "Capabilities",
    "Driver",
    "DriverError",
    "Reader",
    "ReaderBatch",
    "ReaderError",
    "ReaderEvent",
    "ReaderSettings",
    "SettingsError",
    "TagData",
    "drivers",
    "open_reader",
    "schemes",
]
