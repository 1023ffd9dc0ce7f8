"""Alma by its REST interface."""

from stacks.ils.alma.client import Alma
from stacks.ils.alma.settings import AlmaSettings

__all__ = ["Alma", "AlmaSettings"]
