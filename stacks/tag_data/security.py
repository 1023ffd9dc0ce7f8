"""
Whether a tag is secured, by what a reader says of it beside its contents.

A tag can be secured in two ways. It carries an application family identifier (AFI), of which ISO 28560 libraries use 07
for a copy that is in the library and C2 for one that is lent; some chips have an electronic article surveillance (EAS)
bit besides. Which of them a library's gates listen to, and which other values its tags still have, is the library's to
say: it is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from stacks.tag_data.errors import TagDataError

AFI_SECURED: Final = 0x07
AFI_LENT: Final = 0xC2

By = Literal["either", "afi", "eas"]
_BY: Final[Mapping[str, By]] = {"either": "either", "afi": "afi", "eas": "eas"}


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """
    How a library secures its books.

    Attributes
    ----------
    by : {"either", "afi", "eas"}
        What the gates listen to. ``either``: a known AFI decides, and an EAS bit that is on; one that is off says
        nothing, as most libraries use the AFI alone.
    secured, lent : frozenset of int
        AFIs of secured and of lent copies.

    Raises
    ------
    TagDataError
        One AFI is to mean both.
    """

    by: By = "either"
    secured: frozenset[int] = frozenset((AFI_SECURED,))
    lent: frozenset[int] = frozenset((AFI_LENT,))

    def __post_init__(self) -> None:
        both = self.secured & self.lent
        if both:
            raise TagDataError(f"AFI {min(both):02X} cannot mean both secured and lent")

    @classmethod
    def of_texts(cls, by: str, secured: Iterable[str] = (), lent: Iterable[str] = ()) -> SecurityPolicy:
        """
        Return the policy that settings or options say; AFIs left out are those of ISO 28560 libraries.

        Raises
        ------
        TagDataError
            There is no such way, an AFI is no byte, or one means both; one line.
        """
        way = _BY.get(by)
        if way is None:
            raise TagDataError(f"security by {by[:40]!r}: is none of {', '.join(_BY)}")
        on, off = (frozenset(hexadecimal("AFI", text) for text in texts) for texts in (secured, lent))
        return cls(way, on or frozenset((AFI_SECURED,)), off or frozenset((AFI_LENT,)))

    def of_afi(self, afi: int | None) -> bool | None:
        """Return what an AFI says; None: nothing."""
        if afi is None:
            return None
        return True if afi in self.secured else False if afi in self.lent else None

    def judge(self, afi: int | None, eas: bool | None) -> tuple[bool | None, str]:
        """Return whether a tag is secured (None: not known), and what does not agree, if anything."""
        told = self.of_afi(afi)
        if self.by == "afi":
            return told, ""
        if self.by == "eas":
            return eas, ""
        if eas and told is False:
            return None, f"AFI {afi:02X} says lent, and EAS is on"
        return (True if eas else told), ""


def hexadecimal(what: str, text: str, bits: int = 8) -> int:
    """Return a hexadecimal number of up to so many bits; raises TagDataError, naming what it is."""
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << bits or text.strip().startswith(("+", "-")):
        such = "C2" if bits == 8 else "45C2"
        raise TagDataError(f"{what} {text[:20]}: give it as {bits // 4} hexadecimal digits, such as {such}")
    return value
