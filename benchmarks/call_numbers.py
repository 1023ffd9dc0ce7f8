"""
Call numbers: keys per second on one core of each scheme, beside other programs, and who sorts which list right.

Peers: pycallnumber (Python) and Library::CallNumber::LC (Perl, LCC alone), each in a process of its own over the
same distinct texts; a missing one is said.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

from benchmarks.call_number_lists import LISTS
from stacks.call_numbers import sort_keys

N = 100_000
PEER_N = 2_000

_PERL = """
use strict; use Library::CallNumber::LC; use Time::HiRes qw(time); use JSON::PP;
my @in = @{decode_json(join '', <STDIN>)}; my $t = time;
my @out = map { my $k = eval { Library::CallNumber::LC->new($_)->normalize }; $k } @in;
print encode_json([time - $t, \\@out]);
"""
_PYTHON = """
import json, sys, time
import pycallnumber
texts = json.load(sys.stdin)
def key(text):
    try:
        return pycallnumber.callnumber(text).for_sort()
    except Exception:
        return None
key(texts[0])
start = time.perf_counter()
keys = [key(t) for t in texts]
json.dump([time.perf_counter() - start, keys], sys.stdout)
"""
PEERS = {"pycallnumber": [sys.executable, "-W", "ignore", "-c", _PYTHON], "Perl": ["perl", "-e", _PERL]}


def peer(name: str, texts: list[str]) -> tuple[float, list[str | None]] | None:
    """Return seconds and keys of a peer over texts; None where it is not installed."""
    try:
        run = subprocess.run(PEERS[name], input=json.dumps(texts), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    seconds, keys = json.loads(run.stdout)
    return seconds, keys


def draw(scheme: str, n: int) -> list[str]:
    """Draw different call numbers in the forms that collections have them, odd ones among them; seeded."""
    rng = random.Random(f"{scheme} {n}")
    made: dict[str, None] = {}
    while len(made) < n:
        text = _FORMS[scheme](rng)
        if rng.random() < 0.02:
            text = rng.choice((text.lower(), f"REF {text}", text.replace(" ", "\u3000"), text + " +"))
        made[text] = None
    return list(made)


def odd(texts: list[str]) -> list[str]:
    """Return call numbers none of which is written as usual: prefixes, small letters, wide forms, long tails."""
    wide = str.maketrans({c: chr(c + 0xFEE0) for c in range(33, 127)} | {32: "\u3000"})
    forms: list[Callable[[str], str]] = [
        lambda t: f"REF {t}",
        str.lower,
        lambda t: t.translate(wide),
        lambda t: t.replace(" ", "  ") + " ",
        lambda t: f"{t} c.2 1999 index",
        lambda t: t.replace(" ", "\n"),
    ]
    return [forms[i % len(forms)](t) for i, t in enumerate(texts)]


def _letter(rng: random.Random) -> str:
    return rng.choice("ABCDEFGHJKLMNPRSTW")


def _digits(rng: random.Random, most: int) -> str:
    return str(rng.randrange(1, 10 ** rng.randint(1, most)))


def _tail(rng: random.Random) -> str:
    text = f" {rng.randint(1890, 2025)}{rng.choice(['', '', '', 'b'])}" if rng.random() < 0.6 else ""
    text += f" v.{rng.randint(1, 40)}" if rng.random() < 0.2 else ""
    return text + (f" c.{rng.randint(2, 4)}" if rng.random() < 0.1 else "")


def _lcc(rng: random.Random) -> str:
    text = _letter(rng) + rng.choice(("", "", _letter(rng), _letter(rng), "FA"))[:2] + rng.choice(("", " "))
    text += _digits(rng, 4) + (f".{_digits(rng, 3)}" if rng.random() < 0.3 else "")
    text += rng.choice((" .", ".")) + _letter(rng) + _digits(rng, 4)
    text += f" {_letter(rng)}{_digits(rng, 3)}{rng.choice(['', '', 'x'])}" if rng.random() < 0.5 else ""
    if rng.random() < 0.02:
        text += f" {rng.randint(2, 12)}th"
    return text + _tail(rng)


def _ddc(rng: random.Random) -> str:
    text = f"{rng.randint(1, 999):03d}" + (f".{_digits(rng, 6)}" if rng.random() < 0.8 else "")
    author = rng.choice((f"{_letter(rng)}{_digits(rng, 4)}{rng.choice('abcm')}", _letter(rng) + "OW"))
    text = rng.choice(("", "", "", "", "", "", "J ", "R ")) + text
    return f"{text} {author}{_tail(rng)}"


def _clc(rng: random.Random) -> str:
    text = rng.choice(("I", "K", "O", "TP", "TN", "D", "F", "H", "G")) + _digits(rng, 3)
    text += f".{_digits(rng, 3)}" if rng.random() < 0.5 else ""
    text += rng.choice(
        ("", "", "", f"-{rng.randint(1, 79)}", f"={rng.randint(1, 7)}", f"({rng.randint(1, 7)})", ":TP3")
    )
    text += f"/{rng.choice(['', _letter(rng)])}{_digits(rng, 4)}"
    return text + rng.choice(("", "", "", f":{rng.randint(1, 9)}", f"({rng.randint(1, 9)})", "=2", " v.2"))


def _sudoc(rng: random.Random) -> str:
    text = f"{rng.choice(['A', 'C', 'D', 'ED', 'HE', 'I', 'Y', 'PrEx'])} {_digits(rng, 3)}.{_digits(rng, 3)}"
    text += f"/{rng.randint(1, 9)}" if rng.random() < 0.3 else ""
    text += ":" + rng.choice((_digits(rng, 4), f"{_letter(rng)} {_digits(rng, 2)}", f"Oc {_digits(rng, 3)}"))
    return text + rng.choice(
        ("", f"/{rng.randint(2, 9)}", f"/{rng.randint(970, 999)}", f"/{rng.randint(2000, 2025)}", "/v.2")
    )


def _nlm(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return f"W1 {_letter(rng)}{_letter(rng)}{_digits(rng, 3)} v.{rng.randint(1, 99)}"
    text = f"{rng.choice(['QS', 'QV', 'QZ', 'W', 'WA', 'WB', 'WZ'])} {_digits(rng, 3)}"
    return f"{text} {_letter(rng)}{_digits(rng, 4)}{rng.choice(['', '', 'a'])}{_tail(rng)}"


_FORMS: dict[str, Callable[[random.Random], str]] = {
    "lcc": _lcc, "ddc": _ddc, "clc": _clc, "sudoc": _sudoc, "nlm": _nlm
}  # fmt: skip


def main() -> dict[str, object]:
    """Measure, print and return the figures."""
    speed: dict[str, dict[str, float | None]] = {}
    print(f"keys per second, one core, {N:,} different texts (peers: {PEER_N:,} of them)")
    for scheme in _FORMS:
        texts = draw(scheme, N)
        strange = odd(texts)
        sort_keys(scheme, texts[:100])
        start = time.perf_counter()
        keys = sort_keys(scheme, texts)
        row: dict[str, float | None] = {"ours": N / (time.perf_counter() - start)}
        start = time.perf_counter()
        sort_keys(scheme, strange)
        row["odd"] = N / (time.perf_counter() - start)
        row["unread"] = keys.count(None)
        for name in PEERS if scheme == "lcc" else ("pycallnumber",) if scheme in ("ddc", "sudoc") else ():
            ran = peer(name, texts[:PEER_N])
            row[name] = None if ran is None else PEER_N / ran[0]
        speed[scheme] = row
        print(
            f"  {scheme:6s}"
            + "".join(f"  {k} {'missing' if v is None else format(v, ',.0f')}" for k, v in row.items())
        )
    print("lists sorted right")
    agreement: dict[str, dict[str, str]] = {}
    for scheme, group in LISTS.items():
        row2 = {"ours": f"{sum(_in_order(sort_keys(scheme, e)) for e in group.values())} of {len(group)}"}
        for name in PEERS if scheme == "lcc" else ("pycallnumber",) if scheme in ("ddc", "sudoc") else ():
            right = [peer(name, e) for e in group.values()]
            row2[name] = (
                "missing" if None in right else f"{sum(_in_order(r[1]) for r in right if r)} of {len(group)}"
            )
        agreement[scheme] = row2
        print(f"  {scheme:6s}  " + "  ".join(f"{k} {v}" for k, v in row2.items()))
    return {"keys_per_second": speed, "lists": agreement}


def _in_order(keys: Sequence[bytes | str | None]) -> bool:
    return None not in keys and all(a < b for a, b in pairwise(keys))
