"""
GRAI-96 and SGTIN-96 of the GS1 EPC Tag Data Standard, sections 14.6.1 and 14.6.3 (release 1.13).

Header (8 bits), filter (3), partition (3), company prefix and asset type or item reference (44 together, divided as the
partition says), serial (38).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from stacks.tag_data.errors import TagDataError

Scheme = Literal["grai", "sgtin"]
HEADERS: Final[Mapping[int, Scheme]] = {0x33: "grai", 0x30: "sgtin"}
_PREFIX_BITS: Final = (40, 37, 34, 30, 27, 24, 20)
_PREFIX_DIGITS: Final = (12, 11, 10, 9, 8, 7, 6)
_SERIAL_BITS = 38
_MASK, _BOTH = (1 << _SERIAL_BITS) - 1, (1 << 44) - 1
_REFERENCE_BITS: Final = tuple(44 - bits for bits in _PREFIX_BITS)
_ABOVE_PREFIX: Final = tuple(10**digits for digits in _PREFIX_DIGITS)
_ABOVE_REFERENCE: Final = {
    "grai": tuple(10 ** (12 - digits) for digits in _PREFIX_DIGITS),
    "sgtin": tuple(10 ** (13 - digits) for digits in _PREFIX_DIGITS),
}


@dataclass(frozen=True, slots=True)
class Gs1Epc:
    """
    One EPC of 96 bits.

    Attributes
    ----------
    scheme : {"grai", "sgtin"}
    company_prefix : str
        6 to 12 digits.
    reference : str
        Asset type (12 digits together with the prefix), or indicator digit and item reference (13 together).
    serial : int
    filter : int
        0 to 7.
    """

    scheme: Scheme
    company_prefix: str
    reference: str
    serial: int
    filter: int = 0

    @property
    def urn(self) -> str:
        """The pure identity: ``urn:epc:id:grai:0614141.12345.400``."""
        return f"urn:epc:id:{self.scheme}:{self.company_prefix}.{self.reference}.{self.serial}"

    @property
    def key(self) -> str:
        """GRAI without serial (14 digits), or GTIN-14; the last digit is the check digit."""
        if self.scheme == "grai":
            digits = "0" + self.company_prefix + self.reference
        else:
            digits = self.reference[:1] + self.company_prefix + self.reference[1:]
        return digits + check_digit(digits)

    def to_bytes(self) -> bytes:
        """Return the EPC, 12 bytes; raises TagDataError where a part does not fit."""
        together = 12 if self.scheme == "grai" else 13
        prefix, reference = self.company_prefix, self.reference
        if not (prefix + reference).isascii() or not (prefix + reference).isdecimal():
            raise TagDataError(f"{self.urn}: prefix and reference are to be digits")
        if len(prefix) not in _PREFIX_DIGITS or len(prefix) + len(reference) != together:
            raise TagDataError(f"{self.urn}: 6 to 12 digits of prefix, {together} with what follows them")
        if not (0 <= self.serial <= _MASK and 0 <= self.filter <= 7):
            raise TagDataError(
                f"{self.urn}: serial below 2 to the 38th, without leading zeros; filter 0 to 7"
            )
        partition = _PREFIX_DIGITS.index(len(prefix))
        header = next(h for h, name in HEADERS.items() if name == self.scheme)
        number = ((header << 3 | self.filter) << 3 | partition) << 44
        number |= int(prefix) << (44 - _PREFIX_BITS[partition]) | int(reference or "0")
        return (number << _SERIAL_BITS | self.serial).to_bytes(12, "big")


def check_digit(digits: str) -> str:
    """Return the GS1 check digit of some digits (GS1 General Specifications, 7.9)."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def decode_gs1(epc: bytes) -> Gs1Epc | None:
    """Return the EPC's parts; None where it is none of these schemes."""
    found = numbers_of(epc)
    if found is None:
        return None
    scheme, digits, prefix, reference, serial, filtered = found
    rest = (12 if scheme == "grai" else 13) - digits
    return Gs1Epc(scheme, f"{prefix:0{digits}d}", f"{reference:0{rest}d}" if rest else "", serial, filtered)


def numbers_of(epc: bytes) -> tuple[Scheme, int, int, int, int, int] | None:
    """Return scheme, digits of the prefix, prefix, reference, serial and filter; None where it is none of these."""
    scheme = HEADERS.get(epc[0]) if len(epc) == 12 else None
    if scheme is None:
        return None
    number = int.from_bytes(epc, "big")
    partition = number >> 82 & 7
    if partition > 6:
        return None
    both, width = number >> _SERIAL_BITS & _BOTH, _REFERENCE_BITS[partition]
    prefix, reference = both >> width, both & ((1 << width) - 1)
    if prefix >= _ABOVE_PREFIX[partition] or reference >= _ABOVE_REFERENCE[scheme][partition]:
        return None
    return scheme, _PREFIX_DIGITS[partition], prefix, reference, number & _MASK, number >> 85 & 7
