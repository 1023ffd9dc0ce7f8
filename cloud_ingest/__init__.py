"""The cloud: messages in, each stored once; runs worked out, reported and mailed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloud_ingest.errors import RunNotFoundError, ServeError
    from cloud_ingest.mail_days import Schedule
    from cloud_ingest.service import Serving, serve
    from cloud_ingest.settings import ServeSettings
    from cloud_ingest.sites import Recipient, SiteSettings

__all__ = [
    "Recipient",
    "RunNotFoundError",
    "Schedule",
    "ServeError",
    "ServeSettings",
    "Serving",
    "SiteSettings",
    "serve",
]

_MODULES = {
    "errors": ("RunNotFoundError", "ServeError"),
    "service": ("Serving", "serve"),
    "mail_days": ("Schedule",),
    "settings": ("ServeSettings",),
    "sites": ("Recipient", "SiteSettings"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a module when the first of its names is asked for: a worker needs neither database nor broker."""
    if name not in _HOME:
        raise AttributeError(f"module 'cloud_ingest' has no attribute {name!r}")
    return getattr(import_module(f"cloud_ingest.{_HOME[name]}"), name)
