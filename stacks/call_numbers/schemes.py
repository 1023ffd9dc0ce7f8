"""The schemes that have a shelving order here."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from stacks.call_numbers import clc, ddc, lcc, nlm, rules, sudoc
from stacks.call_numbers.policy import DEFAULT, CallNumberPolicy

_MAKERS: Mapping[str, Callable[[CallNumberPolicy], Callable[[str], bytes | None]]] = {
    "lcc": lcc.maker,
    "ddc": ddc.maker,
    "clc": clc.maker,
    "sudoc": sudoc.maker,
    "nlm": nlm.maker,
    "local": lambda policy: rules.maker(policy.local),
}


@lru_cache(maxsize=64)
def key_maker(scheme: str, policy: CallNumberPolicy | None = None) -> Callable[[str], bytes | None] | None:
    """
    Return the function from a call number to its key, for many of them; None for an unknown scheme.

    Parameters
    ----------
    scheme : str
    policy : CallNumberPolicy, optional
        Keys of one policy only compare with each other.
    """
    make = _MAKERS.get(scheme)
    return None if make is None else make(policy or DEFAULT)


SCHEMES: Mapping[str, Callable[[str], bytes | None]] = {
    name: make(DEFAULT) for name, make in _MAKERS.items() if name != "local"
}
"""Each scheme's function under the default policy; `local` has none without rules."""


def sort_key(scheme: str, call_number: str, policy: CallNumberPolicy | None = None) -> bytes | None:
    """
    Key of a call number that compares bytewise in shelving order within its scheme.

    Parameters
    ----------
    scheme : str
        ``lcc``, ``ddc``, ``clc``, ``sudoc``, ``nlm`` or ``local``.
    call_number : str
        As printed on the label, line breaks or spaces between its parts.
    policy : CallNumberPolicy, optional
        What the library decides where sources disagree; keys of one policy only compare.

    Returns
    -------
    bytes or None
        Printable ASCII; None where the call number cannot be read, or the scheme has no order here.
        Store it under a binary collation.
    """
    make = key_maker(scheme, policy)
    return None if make is None else make(call_number)


def sort_keys(
    scheme: str, call_numbers: Sequence[str], policy: CallNumberPolicy | None = None
) -> list[bytes | None]:
    """Keys of many call numbers of one scheme, in their order; see `sort_key`."""
    make = key_maker(scheme, policy)
    return [None] * len(call_numbers) if make is None else list(map(make, call_numbers))
