"""Other people's decoders on the same bytes: epcpy (GRAI and SGTIN), in a process of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from stacks.tag_data import Gs1Epc
from stacks.tag_data.gs1 import decode_gs1

PYTHON = os.environ.get("NIGHTSTACK_EPCPY_PYTHON", sys.executable)
"""A Python that has epcpy: the tests' own where it is installed there."""
_READ = """
import json, sys
from epcpy import hex_to_tag_encodable
from epcpy.epc_schemes.grai import GRAI, GRAIFilterValue
from epcpy.epc_schemes.sgtin import SGTIN, SGTINFilterValue
schemes = {"grai": (GRAI, "GRAI_96", GRAIFilterValue), "sgtin": (SGTIN, "SGTIN_96", SGTINFilterValue)}
out = []
for kind, text in json.load(sys.stdin):
    if kind == "read":
        out.append(hex_to_tag_encodable(text).epc_uri)
        continue
    scheme, name, filters = schemes[kind]
    coding = scheme.BinaryCodingScheme[name]
    out.append(scheme(text).hex(binary_coding_scheme=coding, filter_value=filters("0")))
print(json.dumps(out))
"""


def epcpy(asked: list[tuple[str, str]]) -> list[str]:
    there = subprocess.run([PYTHON, "-c", "import epcpy"], capture_output=True)
    if there.returncode:
        pytest.skip(
            "epcpy 0.1.8 is not installed: `pip install epcpy`, or NIGHTSTACK_EPCPY_PYTHON names its Python"
        )
    done = subprocess.run(
        [PYTHON, "-c", _READ], input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def some(count: int) -> list[Gs1Epc]:
    draw = random.Random(5)
    made: list[Gs1Epc] = []
    for n in range(count):
        scheme, together = (("grai", 12), ("sgtin", 13))[n % 2]
        digits = draw.randint(6, 12)
        text = "".join(draw.choice("0123456789") for _ in range(together))
        made.append(Gs1Epc(scheme, text[:digits], text[digits:], draw.randrange(1 << draw.randint(1, 38))))
    return made


def test_epcpy_reads_what_we_write():
    ours = some(200)
    assert epcpy([("read", e.to_bytes().hex().upper()) for e in ours]) == [e.urn for e in ours]


def test_we_read_what_epcpy_writes():
    ours = some(200)
    theirs = epcpy([(e.scheme, e.urn) for e in ours])
    assert [decode_gs1(bytes.fromhex(text)) for text in theirs] == ours
