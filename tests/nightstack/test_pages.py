"""What the pages tell a reader to type exists; what they point to is there; their words are the files' words."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from cloud_ingest import ServeSettings
from localization.positions import Coverage, Positions
from nightstack.command_reference import pages
from nightstack.settings import ServeFile
from reader_drivers.llrp.options import parse_options
from reports import KINDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def typed(page):
    """Return the command lines of a page: in blocks, and between backticks."""
    text = page.read_text()
    shown = (line for block in BLOCK.findall(text) for line in block.splitlines())
    lines = [re.split(r" +# ", line)[0].strip() for line in shown]
    lines += re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
    return [line for line in lines if line]


def anchors(page):
    """Return the anchors that GitHub gives a page's headings."""
    heads = re.findall(r"^#+ +(.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head).replace("`", "").lower() for head in heads)
    return {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "commands.md"], ids=lambda page: page.name)
def test_commands_and_options_that_pages_name_exist(page):
    known = dict(pages())
    for line in typed(page):
        if not line.startswith("nightstack ") or not re.match(r"nightstack [a-z]", line):
            continue
        words = shlex.split(line.replace("…", ""))
        path = next((p for n in (4, 3, 2) if (p := " ".join(words[:n])) in known), None)
        assert path is not None, f"{page.name}: {line}"
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"^ +{option}\b", known[path], re.MULTILINE), f"{page.name}: {line}: {option}"


def test_the_first_page_says_how_the_shell_finds_the_command_before_it_is_used():
    text = (ROOT / "README.md").read_text()
    assert 0 < text.index(". .venv/bin/activate") < text.index("\nnightstack ")
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            assert ".venv/bin/nightstack" not in block, f"{page.name}: one way to name the command, not two"


def test_targets_and_benchmarks_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    benchmarks = (ROOT / "benchmarks" / "__main__.py").read_text()
    for page in PAGES:
        for line in typed(page):
            if made := re.match(r"make ([a-z]+)", line):
                assert made[1] in targets, f"{page.name}: {line}"
            if run := re.match(r"python -m benchmarks ([a-z_]+)", line):
                assert f'"{run[1]}"' in benchmarks, f"{page.name}: {line}"
            if (run := re.match(r"python -m ([a-z_.]+)", line)) and (ROOT / run[1].split(".")[0]).is_dir():
                module = ROOT.joinpath(*run[1].split("."))
                assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), (
                    f"{page.name}: {line}"
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


def test_every_page_is_named_on_the_first_one():
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[2:] if f"(docs/{page.name})" not in text] == []


def test_columns_the_glossary_names_are_columns_of_the_files():
    text = (ROOT / "docs" / "glossary.md").read_text()
    columns = set(re.findall(r"`((?:sigma|p|alt)_[a-z_]+)`", text)) - {"sigma_xy_m"}  # a column of poses
    assert columns
    assert columns <= {*Positions.__slots__, *Coverage.__slots__}
    assert {"missing", "zone_not_scanned"} <= set(KINDS)


def test_the_services_settings_are_listed_with_their_defaults():
    table = (ROOT / "docs" / "cloud_ingest.md").read_text().split("| setting | default |")[1].split("\n\n")[0]
    listed = {}
    for names, default in re.findall(r"^\| (`.*?`) \| (.*?) \|", table, re.MULTILINE):
        known = re.findall(r"`(\w+)`", names)
        values = default.replace("`", "").split(", ")
        listed |= dict(
            zip(known, values if len(values) == len(known) else [default] * len(known), strict=True)
        )
    assert set(listed) == {*ServeFile.model_fields, "role"} - {"site"} and "[site.NAME]" in table
    defaults = {field.name: field.default for field in dataclasses.fields(ServeSettings)}
    for name, said in listed.items():
        if isinstance(defaults[name], int | float):
            assert float(said) == defaults[name], name
        elif isinstance(defaults[name], str) and defaults[name]:
            assert said == defaults[name], name


def test_the_readers_options_are_taken_as_they_are_listed():
    table = (
        (ROOT / "docs" / "reader_drivers.md").read_text().split("| option | meaning |")[1].split("\n\n")[0]
    )
    options = [
        option for names in re.findall(r"^\| ([^|]*(?:\\\|[^|]*)*) \|", table.replace("\\|", "/"), re.MULTILINE)
        for option in re.findall(r"`([a-z_]+=[^`]+)`", names)
    ]  # fmt: skip
    assert len(options) > 10
    for option in options:
        name, _, values = option.partition("=")
        for value in values.split("/"):
            tls = "tls=1&" if name in ("ca", "cert", "verify") else ""  # only they need another one
            parse_options(f"llrp://reader.example?{tls}{name}={value.split('..')[0]}")
