"""Connections to a library's own system: its items and their statuses, and what may be written back."""

from stacks.ils.base import Ils
from stacks.ils.clock import Clock
from stacks.ils.errors import IlsError, IlsSettingsError
from stacks.ils.items import IlsItem
from stacks.ils.journal import Journal, JournalEntry
from stacks.ils.opening import KINDS, open_ils

__all__ = [
    "KINDS",
    "Clock",
    "Ils",
    "IlsError",
    "IlsItem",
    "IlsSettingsError",
    "Journal",
    "JournalEntry",
    "open_ils",
]
