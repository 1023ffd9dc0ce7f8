"""A reader whose URL names a line or a device server, with options of its protocol's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from reader_drivers.targets import Line, Table, read_url
from reader_drivers.threaded import L, ThreadedReader

Own = TypeVar("Own")


class SerialReader(ThreadedReader[L], Generic[L, Own]):
    """A `ThreadedReader` that reads its URL; its protocol's options are a dataclass.

    Parameters
    ----------
    url
        Where it is, with options.
    clock
        Host time, ns UTC.
    """

    line: ClassVar[Line]
    """How readers of the protocol are wired."""
    own: ClassVar[Table]
    """The protocol's own options: name to field of `options_type` and reader of the value."""
    options_type: Callable[..., Own]

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._address = read_url(url, self.line, self.own)
        own: dict[str, Any] = dict(self._address.own)
        self._options = self.options_type(**own)
        super().__init__(url, clock, self._address)
