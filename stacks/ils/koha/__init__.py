"""Koha by its REST interface."""

from stacks.ils.koha.client import Koha
from stacks.ils.koha.settings import KohaSettings

__all__ = ["Koha", "KohaSettings"]
