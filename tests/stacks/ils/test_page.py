"""The page about library systems lists the settings that there are, with their defaults."""

import re
from pathlib import Path

import pytest

from sim.ils import TROUBLES
from stacks.ils.alma import AlmaSettings
from stacks.ils.folio import FolioSettings
from stacks.ils.koha import KohaSettings
from stacks.ils.settings import HttpSettings, Settings
from stacks.ils.sip2 import Sip2Settings

PAGE = (Path(__file__).parents[3] / "docs" / "ils.md").read_text()


def table(after):
    """Return the settings and defaults of the first table behind a text."""
    text = PAGE.split(after)[1].split("\n## ")[0].split("\n### ")[0].split("\n| system |")[0]
    text = text.split("\n| Koha, FOLIO and Alma |")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|([^|]*)\|", text, re.MULTILINE)
    return {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(
    ("after", "model", "others"),
    [
        ("| Koha, FOLIO and Alma | default |", HttpSettings, Settings),
        ("### Koha\n", KohaSettings, HttpSettings),
        ("### FOLIO\n", FolioSettings, HttpSettings),
        ("### Alma\n", AlmaSettings, HttpSettings),
        ("### SIP2\n", Sip2Settings, Settings),
    ],
)
def test_every_setting_is_listed(after, model, others):
    own = set(model.model_fields) - (
        set(others.model_fields) | {"page_size"} if model is not HttpSettings else set(Settings.model_fields)
    )
    assert set(table(after)) == own


def test_what_all_have_is_listed_with_its_default():
    listed = table("| all systems | default |")
    assert {k for k in listed if k in Settings.model_fields} == set(Settings.model_fields)
    for name in ("timeout_s", "retries"):
        assert float(listed[name]) == Settings.model_fields[name].default


def test_the_troubles_are_listed():
    assert set(re.findall(r"`(\w+)`", PAGE.split('"method": "GET"}`')[1].split(". The SIP2")[0])) == set(
        TROUBLES
    )
