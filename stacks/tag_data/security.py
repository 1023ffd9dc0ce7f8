"""
Whether a tag is secured, by what a reader says of it beside its contents.

A tag can be secured in two ways. It carries an application family identifier (AFI), of which ISO 28560 libraries use 07
for a copy that is in the library and C2 for one that is lent; some chips have an electronic article surveillance (EAS)
bit besides. Which of them a library's gates listen to, and which other values its tags still have, is the library's to
say: it is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from stacks.tag_data.errors import TagDataError

AFI_SECURED: Final = 0x07
AFI_LENT: Final = 0xC2


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

    by: Literal["either", "afi", "eas"] = "either"
    secured: frozenset[int] = frozenset((AFI_SECURED,))
    lent: frozenset[int] = frozenset((AFI_LENT,))

    def __post_init__(self) -> None:
        both = self.secured & self.lent
        if both:
            raise TagDataError(f"AFI {min(both):02X} cannot mean both secured and lent")

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
