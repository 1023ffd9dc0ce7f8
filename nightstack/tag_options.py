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
        An AFI is no hexadecimal byte, or stands on both sides.
    """
    from stacks.tag_data import SecurityPolicy, TagDataError

    usual = SecurityPolicy()
    if by not in ("either", "afi", "eas"):
        raise InputError(f"--security-by {by}: none of either, afi and eas")
    try:
        return SecurityPolicy(
            by,  # type: ignore[arg-type]
            frozenset(byte_of("--afi-on", afi) for afi in on) or usual.secured,
            frozenset(byte_of("--afi-off", afi) for afi in off) or usual.lent,
        )
    except TagDataError as error:
        raise InputError(f"--afi-on, --afi-off: {error}") from None


def byte_of(option: str, text: str, bits: int = 8) -> int:
    """Return a hexadecimal number of up to so many bits; raises InputError."""
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << bits or text.strip().startswith(("+", "-")):
        such = "C2" if bits == 8 else "45C2"
        raise InputError(f"{option} {text}: give it as {bits // 4} hexadecimal digits, such as {such}")
    return value
