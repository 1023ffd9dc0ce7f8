"""``nightstack sim ils``: be a library's own system, to try the connections against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightstack.errors import InputError
from nightstack.inputs import input_file

_KINDS = ("koha", "folio", "alma", "sip2")


def ils(
    kind: Annotated[str, typer.Argument(help="koha, folio, alma or sip2.", metavar="KIND")],
    holdings: Annotated[Path, typer.Option(help="holdings.csv of what it has.", metavar="FILE")],
    listen: Annotated[str, typer.Option(help="Where to listen.", metavar="HOST:PORT")] = "127.0.0.1:8090",
) -> int:
    """Be a library system with these holdings; prints `listening HOST:PORT`.

    docs/ils.md says what it accepts as names and passwords, and how to make it lend, forget and fail.
    """
    if kind not in _KINDS:
        raise InputError(f"{kind}: no such library system; there are {', '.join(_KINDS)}")
    input_file(holdings, "make one with: nightstack sim library")
    from sim.ils import AlmaEmulator, FolioEmulator, KohaEmulator, Sip2Emulator, Stock
    from sim.readers.emulate import serve_until_stopped

    emulators = {"koha": KohaEmulator, "folio": FolioEmulator, "alma": AlmaEmulator, "sip2": Sip2Emulator}
    stock = Stock.read(holdings)
    return serve_until_stopped(listen, lambda address: emulators[kind](stock, address))
