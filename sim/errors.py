"""The simulator's own errors."""

from __future__ import annotations


class SimError(ValueError):
    """Something the simulator was given is wrong: one line saying what, where, and what to do."""
