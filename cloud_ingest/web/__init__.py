"""API and pages."""

from cloud_ingest.web.app import make_app

__all__ = ["make_app"]
