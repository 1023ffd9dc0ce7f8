"""
Call numbers: keys that sort as the books stand, and the shelf a call number belongs on.

Each scheme is one module with a function ``sort_key(text) -> bytes | None``; adding a scheme is adding
such a module and its line in `SCHEMES`.
"""

from stacks.call_numbers.ranges import ShelfRanges
from stacks.call_numbers.schemes import SCHEMES, sort_key

__all__ = ["SCHEMES", "ShelfRanges", "sort_key"]
