"""FOLIO, with folioclient's sign-in."""

from stacks.ils.folio.client import Folio
from stacks.ils.folio.settings import FolioSettings

__all__ = ["Folio", "FolioSettings"]
