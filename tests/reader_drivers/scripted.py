"""Programs on a socket that are no readers, or strange ones."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from reader_drivers.llrp.codec import parameter


class Scripted:
    """Runs a script on each connection, one at a time."""

    def __init__(self, script: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self._thread = threading.Thread(target=self._serve, args=(script,), daemon=True)
        self._thread.start()

    def _serve(self, script: Any) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection, contextlib.suppress(ConnectionError):
                    script(connection)

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *exc: object) -> None:
        # Closing alone does not end an accept that waits.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


def capabilities() -> list[Any]:
    """What a plain reader with one port on one channel says it can do."""
    band = parameter(
        "UHFBandCapabilities",
        parameter("TransmitPowerLevelTableEntry", index=1, power_cdbm=3000),
        parameter("FrequencyInformation", parameter("FixedFrequencyTable", frequencies_khz=(866_900,))),
    )
    general = parameter("GeneralDeviceCapabilities", max_antennas=1, has_utc_clock=1, manufacturer=1, model=1)
    return [general, parameter("RegulatoryCapabilities", band, country=276, standard=2)]
