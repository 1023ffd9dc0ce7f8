"""Call numbers of a made-up library, in shelving order by construction.

Both schemes are built from parts whose order is beyond doubt (class letters, whole numbers, decimal fractions without a
trailing zero, years), so that sorting the parts sorts the call numbers; nothing here parses one.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from sim.errors import SimError

Scheme = Literal["lcc", "ddc"]

_LCC_CLASSES: Final = (
    ("B", 1, 5802), ("BF", 1, 990), ("D", 1, 2009), ("DS", 1, 937), ("E", 11, 909), ("G", 1, 922), ("GV", 1, 1860),
    ("HB", 1, 3840), ("HD", 28, 9999), ("HF", 1, 6182), ("HM", 401, 1281), ("JC", 11, 628), ("K", 1, 7720),
    ("LB", 5, 3640), ("ML", 1, 3930), ("N", 1, 9211), ("NA", 1, 9428), ("P", 1, 1091), ("PL", 1, 8844),
    ("PN", 1, 6790), ("PR", 1, 9680), ("PS", 1, 3626), ("Q", 1, 390), ("QA", 1, 939), ("QB", 1, 991),
    ("QC", 1, 999), ("QD", 1, 999), ("QE", 1, 996), ("QH", 1, 705), ("QK", 1, 989), ("QL", 1, 991), ("QP", 1, 981),
    ("R", 5, 920), ("RC", 31, 1245), ("S", 1, 972), ("SB", 1, 1110), ("T", 1, 995), ("TA", 1, 2040),
    ("TK", 1, 9971), ("TP", 1, 1185), ("TS", 1, 2301), ("Z", 4, 8999),
)  # fmt: skip
_LETTERS: Final = "ABCDEFGHJKLMNPRSTVWXYZ"


def _fraction(rng: np.random.Generator, longest: int) -> str:
    """Digits of a decimal fraction: no trailing zero, so text order is number order."""
    digits = int(
        rng.choice(np.arange(1, longest + 1), p=np.arange(longest, 0, -1) / (longest * (longest + 1) / 2))
    )
    head = "".join(str(d) for d in rng.integers(0, 10, digits - 1)) if digits > 1 else ""
    first = str(rng.integers(1, 10))
    return (first + head[1:] if head else "") + str(rng.integers(1, 10)) if digits > 1 else first


def _cutter(rng: np.random.Generator, longest: int) -> tuple[str, str]:
    return _LETTERS[int(rng.integers(len(_LETTERS)))], _fraction(rng, longest)


def _lcc(rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` LCC numbers in order."""
    # A library holds clusters: few class numbers, each with many books under it.
    clusters = max(1, n // 6)
    numbers: list[tuple[str, int, str]] = []
    for _ in range(clusters):
        letters, low, high = _LCC_CLASSES[int(rng.integers(len(_LCC_CLASSES)))]
        decimal = _fraction(rng, 2) if rng.random() < 0.25 else ""
        numbers.append((letters, int(rng.integers(low, high)), decimal))
    parts: set[tuple[str, int, str, str, str, str, str, int]] = set()
    while len(parts) < n:
        letters, number, decimal = numbers[int(rng.integers(clusters))]
        letter, digits = _cutter(rng, 3)
        letter2, digits2 = _cutter(rng, 2) if rng.random() < 0.3 else ("", "")
        parts.add((letters, number, decimal, letter, digits, letter2, digits2, int(rng.integers(1955, 2026))))
    rows: list[str] = []
    for letters, number, decimal, letter, digits, letter2, digits2, year in sorted(parts):
        point = f".{decimal}" if decimal else ""
        second_text = f" {letter2}{digits2}" if letter2 else ""
        rows.append(f"{letters}{number}{point} .{letter}{digits}{second_text} {year}")
    return rows


def _ddc(rng: np.random.Generator, n: int) -> list[str]:
    """Draw ``n`` DDC numbers in order."""
    clusters = max(1, n // 6)
    numbers = [
        (int(rng.integers(1, 1000)), _fraction(rng, 4) if rng.random() < 0.75 else "")
        for _ in range(clusters)
    ]
    parts: set[tuple[int, str, str, str, int]] = set()
    while len(parts) < n:
        number, decimal = numbers[int(rng.integers(clusters))]
        letter, digits = _cutter(rng, 3)
        parts.add((number, decimal, letter, digits, int(rng.integers(1955, 2026))))
    return [
        f"{number:03d}{'.' + decimal if decimal else ''} {letter}{digits} {year}"
        for number, decimal, letter, digits, year in sorted(parts)
    ]


def draw_call_numbers(rng: np.random.Generator, n: int, scheme: Scheme) -> list[str]:
    """Draw ``n`` different call numbers, in shelving order.

    Parameters
    ----------
    rng : Generator
    n : int
    scheme : {"lcc", "ddc"}
        Library of Congress Classification (``QA76.73 .P98 2019``) or Dewey Decimal Classification
        (``005.133 P98 2019``).

    Raises
    ------
    SimError
        For another scheme.
    """
    if scheme == "lcc":
        return _lcc(rng, n)
    if scheme == "ddc":
        return _ddc(rng, n)
    raise SimError(f"no call numbers of scheme {scheme!r} can be made; there are lcc and ddc")
