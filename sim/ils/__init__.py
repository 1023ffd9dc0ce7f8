"""Library systems as they answer from outside: Koha, FOLIO, Alma and SIP2, on real sockets, from one stock."""

from sim.ils.alma import AlmaEmulator
from sim.ils.folio import FolioEmulator
from sim.ils.koha import KohaEmulator
from sim.ils.serving import HttpEmulator
from sim.ils.sip2 import Sip2Emulator
from sim.ils.stock import Copy, Stock
from sim.ils.trouble import TROUBLES, Trouble

__all__ = [
    "TROUBLES",
    "AlmaEmulator",
    "Copy",
    "FolioEmulator",
    "HttpEmulator",
    "KohaEmulator",
    "Sip2Emulator",
    "Stock",
    "Trouble",
]
