"""A small robot base over TCP for tests: a kinematic one in virtual time, which waits for every answer."""

import contextlib
import math
import socket
import threading
from collections.abc import Callable

from robot.base_link import Flags, Framer, Info, Message, PoseReport, Stop, Velocity, format_line

START_US = 1_770_000_000_000_000


class ScriptedBase:
    """Serves one agent after the other; keeps its pose and its clock between them.

    Parameters
    ----------
    step_s
        Virtual time between two reports.
    on_step
        Called with this base before every report; may change `flags`, `sigma_xy_m`, call `drop` or block on an event.
    """

    def __init__(
        self, *, step_s: float = 0.05, on_step: Callable[["ScriptedBase"], None] | None = None
    ) -> None:
        self.step_s = step_s
        self.on_step = on_step
        self.x_m, self.y_m, self.yaw_rad = 0.0, -1.0, 0.0
        self.v_mps, self.w_radps = 0.0, 0.0
        self.t_us = START_US
        self.seq = 0
        self.flags = Flags.NONE
        self.sigma_xy_m = 0.01
        self.stops = 0
        self.connections = 0
        self.track: list[tuple[int, float, float, float, float]] = []
        self._ending = threading.Event()
        self._dropping = threading.Event()
        self._pause_condition: Callable[[ScriptedBase], bool] | None = None
        self._paused = threading.Event()
        self._go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def pause_when(self, condition: Callable[["ScriptedBase"], bool]) -> threading.Event:
        """Let virtual time stand still, once, when `condition` holds; the event returned is set then. See `go_on`."""
        self._paused.clear()
        self._go.clear()
        self._pause_condition = condition
        return self._paused

    def go_on(self) -> None:
        self._go.set()

    def drop(self) -> None:
        """Break the connection after this step, as a pulled cable does."""
        self._dropping.set()

    def close(self) -> None:
        self._ending.set()
        self._go.set()
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        self._listener.settimeout(0.1)
        while not self._ending.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(0.2)
                with contextlib.suppress(OSError):
                    self._drive(connection)
            # A base without commands stops by itself.
            self.v_mps = self.w_radps = 0.0

    def _drive(self, connection: socket.socket) -> None:
        framer = Framer()
        connection.sendall(format_line(Info("scripted", 1, 0.6, 1.2)))
        while not self._ending.is_set():
            if self.on_step is not None:
                self.on_step(self)
            if self._pause_condition is not None and self._pause_condition(self):
                self._pause_condition = None
                self._paused.set()
                self._go.wait(60)
                self._go.clear()
            if self._dropping.is_set():
                self._dropping.clear()
                return
            connection.sendall(
                format_line(
                    PoseReport(
                        self.seq, self.t_us, self.x_m, self.y_m, self.yaw_rad, self.v_mps, self.w_radps,
                        self.sigma_xy_m, 0.005, self.flags,
                    )
                )
            )  # fmt: skip
            if not self._await_answer(connection, framer):
                return
            self._move()

    def _await_answer(self, connection: socket.socket, framer: Framer) -> bool:
        while not self._ending.is_set():
            try:
                data = connection.recv(4096)
            except TimeoutError:
                continue
            if not data:
                return False
            answers = [self._take(message) for message in framer.feed(data)]
            if any(answers):
                return True
        return False

    def _take(self, message: Message) -> bool:
        if isinstance(message, Stop):
            self.stops += 1
            self.v_mps = self.w_radps = 0.0
        if isinstance(message, Velocity) and message.seq == self.seq:
            self.v_mps, self.w_radps = message.v_mps, message.w_radps
            if self.flags & Flags.OBSTACLE and self.v_mps > 0:
                self.v_mps = 0.0
            return True
        return False

    def _move(self) -> None:
        dt = self.step_s
        self.yaw_rad = math.remainder(self.yaw_rad + self.w_radps * dt, math.tau)
        self.x_m += self.v_mps * dt * math.cos(self.yaw_rad)
        self.y_m += self.v_mps * dt * math.sin(self.yaw_rad)
        self.t_us += round(dt * 1e6)
        self.seq += 1
        self.track.append((self.t_us, self.x_m, self.y_m, self.yaw_rad, self.v_mps))
