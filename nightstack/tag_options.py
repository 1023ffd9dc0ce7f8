"""Options that say how a library's tags are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nightstack.errors import InputError

if TYPE_CHECKING:
    from stacks.tag_data import SecurityPolicy


def policy_of(on: Iterable[str], off: Iterable[str], by: str = "either") -> SecurityPolicy:
    """Return the library's policy from the options of a command.

    Raises
    ------
    InputError
        There is no such way, an AFI is no hexadecimal byte, or stands on both sides.
    """
    from stacks.tag_data import SecurityPolicy, TagDataError

    try:
        return SecurityPolicy.of_texts(by, on, off)
    except TagDataError as error:
        raise InputError(f"--security-by, --afi-on, --afi-off: {error}") from None


def byte_of(option: str, text: str, bits: int = 8) -> int:
    """Return a hexadecimal number of up to so many bits; raises InputError."""
    from stacks.tag_data import TagDataError
    from stacks.tag_data.security import hexadecimal

    try:
        return hexadecimal(option, text, bits)
    except TagDataError as error:
        raise InputError(str(error)) from None
