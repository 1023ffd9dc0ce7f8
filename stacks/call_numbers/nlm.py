"""
Shelving order of the National Library of Medicine Classification (W, QS to QZ), and of LCC beside it.

Its call numbers are built as the Library of Congress's are: schedule letters, a class number whole, decimals
and Cutters digit by digit, work marks, dates, volumes (NLM, Shelflisting Procedures for Monographs and Classed
Serials). Serials (``W1 JO456N``) and Table G (``WA 11 AA1``) have Cutters of several letters.
"""

from collections.abc import Callable

from stacks.call_numbers import lcc
from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy


def maker(policy: CallNumberPolicy = DEFAULT, *, fast: bool = True) -> Callable[[str], bytes | None]:
    """Return the function from a call number to its key under a policy; `fast` False: the plain path alone."""
    return lcc.maker(policy, fast=fast)
