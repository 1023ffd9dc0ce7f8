"""The face of Nightstack: the command line, the settings file, the demo."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("nightstack")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
