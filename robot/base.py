"""The base's side of the agent: a byte line to it, and the thread that answers its reports."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from robot.base_link import Framer, Info, PoseReport, Stop, Velocity, format_line
from robot.clock import Clock
from robot.collector import Collector
from robot.driver import Driver
from robot.errors import BaseGoneError
from robot.settings import RobotSettings, host_and_port

log = logging.getLogger("nightstack.robot")

_SILENCE_S: Final = 5.0
_VIRTUAL_SILENCE_S: Final = 120.0
_BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0)


class Line(Protocol):
    """A byte line to the base."""

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after `timeout_s`; raises OSError when the line is broken."""
        ...

    def send(self, data: bytes) -> None:
        """Send bytes; raises OSError when the line is broken."""
        ...

    def close(self) -> None:
        """Let go of the line."""
        ...


class TcpLine:
    """``tcp://host:port``; small lines leave at once (no Nagle delay)."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), 5.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout_s = -1.0

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after `timeout_s`."""
        if timeout_s != self._timeout_s:
            self._socket.settimeout(timeout_s)
            self._timeout_s = timeout_s
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return b""
        if not data:
            raise BaseGoneError("the base closed the connection")
        return data

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def close(self) -> None:
        """Close the connection, after what was sent has been read.

        Closing with unread reports in the buffer would reset the connection, and the base might never see the stop.
        """
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(0.2)
            for _ in range(20):
                if not self._socket.recv(65536):
                    break
        self._socket.close()


class SerialLine:
    """A serial device, or any other URL of pyserial."""

    def __init__(self, url: str, baud: int) -> None:
        import serial

        try:
            self._port = cast(Any, serial.serial_for_url(url, baudrate=baud, timeout=1.0, write_timeout=1.0))
        except (serial.SerialException, ValueError) as error:
            raise BaseGoneError(str(error)) from None

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come, or nothing after `timeout_s`."""
        self._port.timeout = timeout_s
        return bytes(self._port.read(max(1, self._port.in_waiting)))

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._port.write(data)

    def close(self) -> None:
        """Close the device."""
        self._port.close()


def open_line(url: str, baud: int) -> Line:
    """Open the line to the base.

    Raises
    ------
    OSError
        Nobody answers there.
    """
    if url.startswith("tcp://"):
        return TcpLine(*host_and_port(url, None))
    return SerialLine(url, baud)


class BaseRunner(threading.Thread):
    """Keeps the line to the base, stamps its poses, and answers every report with the driver's speeds.

    Only this thread commands the base, and only as an answer: without fresh reports nothing drives.

    Parameters
    ----------
    settings, clock, collector, driver
        Where the base is, whose time it is, who takes the poses, who says how fast.
    report
        Told of events: source, kind, one sentence.
    """

    def __init__(
        self,
        settings: RobotSettings,
        clock: Clock,
        collector: Collector,
        driver: Driver,
        report: Callable[[str, str, str], None],
    ) -> None:
        super().__init__(name="base", daemon=True)
        self.seen = threading.Event()
        """Set with the first pose report."""
        self.last_error = "it was never reached"
        self.reports = 0
        self._settings = settings
        self._clock = clock
        self._collector = collector
        self._driver = driver
        self._report = report
        self._ending = threading.Event()
        self._silent_since = time.monotonic()
        self._gone = False
        self._seq = 0

    @property
    def silent_s(self) -> float:
        """Seconds since the last pose report, or since the thread was made."""
        return time.monotonic() - self._silent_since

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop the base and end the thread."""
        self._ending.set()
        if self.is_alive():
            self.join(timeout_s)

    def run(self) -> None:
        """Connect, answer, connect again, until `stop`."""
        failures = 0
        while not self._ending.is_set():
            before = self.reports
            try:
                line = open_line(self._settings.base, self._settings.baud)
                try:
                    self._serve(line)
                finally:
                    line.close()
            except (
                Exception
            ) as error:  # whatever breaks here, the base stops by itself and the line is opened anew
                if not isinstance(error, OSError):
                    log.exception("base: unexpected error")
                self.last_error = f"{error or type(error).__name__}"
                failures = 0 if self.reports > before else failures + 1
                self._say_gone(f"{self._settings.base}: {self.last_error}")
                self._ending.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])

    def _say_gone(self, why: str) -> None:
        if self.seen.is_set() and not self._gone:
            self._gone = True
            self._report("base", "base_gone", why)

    def _serve(self, line: Line) -> None:
        framer = Framer()
        rejected = 0
        # A base whose clock is the time may be a simulated one, which takes as long for a step as it takes.
        silence_s = _SILENCE_S if self._settings.clock == "system" else _VIRTUAL_SILENCE_S
        opened = time.monotonic()
        while not self._ending.is_set():
            data = line.receive(0.2)
            if data:
                self._take(line, framer.feed(data))
            # Bytes alone are no sign of life: a line at the wrong speed is never silent.
            if min(self.silent_s, time.monotonic() - opened) > silence_s:
                raise BaseGoneError(f"no pose report for {silence_s:g} s")
            if framer.rejected > rejected:
                if rejected == 0:
                    self._report("base", "bad_line", framer.last_error)
                rejected = framer.rejected
        line.send(format_line(Stop(self._seq)))

    def _take(self, line: Line, messages: list[Any]) -> None:
        answers: list[bytes] = []
        for message in messages:
            if isinstance(message, PoseReport):
                v, w = self._on_pose(message)
                answers.append(format_line(Velocity(message.seq, v, w)))
            elif isinstance(message, Info):
                self._driver.limit(message.max_v_mps, message.max_w_radps)
                log.info("base: %s, protocol %d", message.name, message.version)
        if answers:
            line.send(b"".join(answers))

    def _on_pose(self, report: PoseReport) -> tuple[float, float]:
        t = self._clock.stamp(report.t_us)
        if self._gone:
            self._gone = False
            self._report("base", "base_back", f"after {self.silent_s:.0f} s")
        self._silent_since = time.monotonic()
        self._seq = report.seq
        self.reports += 1
        row = (t, report.x_m, report.y_m, report.yaw_rad, report.sigma_xy_m, report.sigma_yaw_rad)
        if not self._collector.add_pose(row):
            log.debug("base: pose %d does not advance in time", report.seq)
        self.seen.set()
        return self._driver.answer(report, t)
