"""Tags that nobody has programmed: by their number, and by their memory."""

from __future__ import annotations

import re

# Chips often leave the factory with their TID as EPC (so we take it; the standard does not say so). A TID is class E2,
# three flags (the first: more follows) and nine bits of the maker (1 Impinj, 3 Alien, 6 NXP), twelve of the model: GS1,
# "Mask Designer ID (MDID) Assignment", after EPC Tag Data Standard, section 16. Of the models, those in the table of
# Turck's TBEN RFID manual (2022, p. 137) are 105, 10C, 130, 160, 170 (Impinj), 412, 414 (Alien), 890 (NXP), and in
# TAGS.md of klks/UHF_RFID_Notes 894 and 995 (NXP); the others are not verified. An EPC of a model that is not here is
# an unknown tag.
_FACTORY = re.compile(
    "E2(?:"
    "80(?:11(?:05|0C|14|30|50|60|70|71|90|91|A0|A1|B0|B1)|68(?:10|90|94|95)|69(?:15|95))"
    "|00(?:34(?:11|12|13|14|15)|38(?:11|21)|60(?:01|02|03|04|05|06)|10(?:01|93)|11(?:05|0C|30))"
    ")[0-9A-F]*"
)
_SHORTEST = 8
_LONGEST_UNIT = 8


def blank(epc: str) -> str:
    """Say why a tag's EPC was never programmed, or return an empty text.

    Parameters
    ----------
    epc : str
        Upper-case hexadecimal.

    Returns
    -------
    str
        ``zeros``, ``ones``, ``repeats`` (one pattern of up to four bytes three times and more) or ``factory`` (the
        chip's own number); empty where the number looks like one somebody gave it.
    """
    if len(epc) < _SHORTEST:
        return ""
    if not epc.strip("0"):
        return "zeros"
    if not epc.strip("F"):
        return "ones"
    for unit in (1, 2, 4, _LONGEST_UNIT):
        if len(epc) >= 3 * unit and epc == (epc[:unit] * (len(epc) // unit + 1))[: len(epc)]:
            return "repeats"
    return "factory" if _FACTORY.fullmatch(epc) else ""


def blank_memory(memory: bytes) -> bool:
    """Whether a tag's memory is as it left a factory: one byte over and over, or one up to zeros at its end."""
    return len(set(memory)) <= 1 or len(set(memory.rstrip(b"\0"))) <= 1
