"""The cloud: messages in, each stored once; runs worked out, reported and mailed."""

from cloud_ingest.errors import RunNotFoundError, ServeError
from cloud_ingest.service import Serving, serve
from cloud_ingest.settings import Recipient, ServeSettings, SiteSettings

__all__ = ["Recipient", "RunNotFoundError", "ServeError", "ServeSettings", "Serving", "SiteSettings", "serve"]
