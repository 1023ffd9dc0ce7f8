"""Connections to a library's own system: its items and their statuses, and what may be written back."""

from stacks.ils.items import IlsItem

__all__ = ["IlsItem"]
