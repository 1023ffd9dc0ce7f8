"""
Call numbers: keys that sort as the books stand, and the shelf a call number belongs on.

Each scheme is one module with a function ``maker(policy) -> Callable[[str], bytes | None]``; adding a scheme
is adding such a module and its line in `stacks.call_numbers.schemes`.
"""

from stacks.call_numbers.policy import CallNumberPolicy, policy_of
from stacks.call_numbers.ranges import ShelfRanges
from stacks.call_numbers.rules import LocalRules, RulesError
from stacks.call_numbers.schemes import SCHEMES, key_maker, sort_key, sort_keys

__all__ = [
    "SCHEMES",
    "CallNumberPolicy",
    "LocalRules",
    "RulesError",
    "ShelfRanges",
    "key_maker",
    "policy_of",
    "sort_key",
    "sort_keys",
]
