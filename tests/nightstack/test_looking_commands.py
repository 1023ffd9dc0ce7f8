"""``localize --plot`` and ``evaluate --page``: what they leave in a folder, and what they refuse."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from nightstack.cli import main

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Checks that every element is closed where it should be, and counts figures."""

    def __init__(self):
        super().__init__()
        self.open, self.figures = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "figure":
            self.figures.append(dict(attrs)["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def figures_of(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|@import|url\(|src=|https?://", text), "it must work offline"
    page = Balanced()
    page.feed(text)
    page.close()
    assert page.open == []
    return page.figures


@pytest.fixture(scope="module")
def localized(scanned, tmp_path_factory):
    out = tmp_path_factory.mktemp("localized")
    assert main(["localize", str(scanned), "--out", str(out), "--plot"]) == 0
    return out


def refused(arguments, capsys, *names):
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if not line.startswith(("note:", "draw:", "localize:"))]
    assert said.out == ""
    assert len(lines) == 1, said.err
    assert "fault in nightstack" not in lines[0]
    for name in names:
        assert name in lines[0]


def test_plot_leaves_a_page_and_its_pictures(localized):
    folder = localized / "looking"
    figures = figures_of(folder / "index.html")
    files = {file.name for file in folder.iterdir()}
    assert files == {"index.html", *(f"{name}.svg" for name in figures)}
    for name in figures:
        ElementTree.parse(folder / f"{name}.svg")
    assert {"calibration", "map-error", "map-coverage", "map-quality"} <= set(figures)
    assert (folder / "index.html").stat().st_size < 2_000_000


def test_a_shelf_has_as_many_books_as_positions_say(localized, scanned, tmp_path, capsys):
    table = pq.read_table(localized / "positions.parquet")
    counts = {
        row["values"]: row["counts"] for row in pc.value_counts(table["shelf_id"].drop_null()).to_pylist()
    }
    shelf = min(counts)
    epc = table["epc"][7].as_py()
    file = tmp_path / "new folder" / "page.html"
    arguments = ["evaluate", localized, scanned, "--page", file, "--shelf", shelf, "--tag", epc.lower()]
    assert main([str(argument) for argument in arguments]) == 0
    assert str(file) in capsys.readouterr().out
    figures = figures_of(file)
    assert f"tag-{epc}" in figures
    text = file.read_text(encoding="utf-8")
    start = text.index(f'id="shelf-{shelf}"')
    assert text.count('class="book"', start, text.index("</figure>", start)) == counts[shelf]
    assert [f.name for f in file.parent.iterdir()] == ["page.html"]


def test_the_figures_are_the_same_with_a_page(localized, scanned, tmp_path, capsys):
    assert main(["evaluate", str(localized), str(scanned), "--json"]) == 0
    without = json.loads(capsys.readouterr().out)
    assert main(["evaluate", str(localized), str(scanned), "--json", "--page", str(tmp_path / "p.html")]) == 0
    assert json.loads(capsys.readouterr().out) == without


def test_plotting_changes_no_position(localized, scanned, tmp_path, capsys):
    assert main(["localize", str(scanned), "--out", str(tmp_path), "--json"]) == 0
    assert "page" not in json.loads(capsys.readouterr().out)
    assert pq.read_table(tmp_path / "positions.parquet").equals(
        pq.read_table(localized / "positions.parquet")
    )
    assert not (tmp_path / "looking").exists()


def test_without_truth_there_are_no_errors_to_show(recording, tmp_path, capsys):
    (recording / "truth.parquet").unlink()
    out, where = tmp_path / "out", tmp_path / "pictures"
    arguments = ["localize", recording, "--out", out, "--plot-out", where, "--json"]
    assert main([str(argument) for argument in arguments]) == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(where / "index.html")
    figures = figures_of(where / "index.html")
    assert "map-quality" in figures
    assert not {"map-error", "calibration"} & set(figures)


def test_a_truth_file_alone_gives_a_page_without_tags(localized, recording, tmp_path, capsys):
    lonely = tmp_path / "truth.parquet"
    (recording / "truth.parquet").rename(lonely)
    page = tmp_path / "page.html"
    plan = recording / "plan.json"
    arguments = ["evaluate", localized, lonely, "--plan", plan, "--page", page]
    assert main([str(argument) for argument in arguments]) == 0
    assert not [name for name in figures_of(page) if name.startswith("tag-")]
    with_tags = [*arguments, "--recording", recording]
    assert main([str(argument) for argument in with_tags]) == 0
    assert [name for name in figures_of(page) if name.startswith("tag-")]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--plot", "--tag", "no hex"], ["--tag", "hexadecimal"]),
        (["--plot", "--tag", "ABCDEF"], ["--tag", "ABCDEF"]),
        (["--plot", "--shelf", "nowhere"], ["--shelf", "nowhere"]),
        (["--shelf", "nowhere"], ["--plot"]),
        (["--tag", "ABCDEF"], ["--plot"]),
    ],
)
def test_localize_refuses_before_it_works(recording, tmp_path, capsys, options, names):
    out = tmp_path / "out"
    refused(["localize", recording, "--out", out, *options], capsys, *names)
    assert not out.exists()


def test_pictures_cannot_go_into_a_file(recording, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    refused(
        ["localize", recording, "--out", tmp_path / "out", "--plot-out", file], capsys, "--plot-out", "file"
    )
    assert file.read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_a_spoiled_truth_or_catalogue_is_named_and_nothing_is_written(recording, tmp_path, capsys):
    (recording / "truth.parquet").write_bytes(b"no parquet")
    out = tmp_path / "out"
    refused(["localize", recording, "--out", out, "--plot"], capsys, "truth.parquet")
    assert not out.exists()
    assert main(["localize", str(recording), "--out", str(out)]) == 0, (
        "without pictures nobody asks for a truth"
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--page", "{}"], ["--page", "folder"]),
        (["--page", "{}/p.html", "--tag", "ABCDEF"], ["ABCDEF"]),
        (["--page", "{}/p.html", "--shelf", "nowhere"], ["nowhere"]),
        (["--page", "{}/p.html", "--recording", "{}/none"], ["none"]),
        (["--page", "{}/p.html", "--calibration", "{}/none.json"], ["none.json"]),
        (["--tag", "ABCDEF"], ["--page"]),
    ],
)
def test_evaluate_refuses_and_leaves_nothing(localized, scanned, tmp_path, capsys, options, names):
    filled = [option.format(tmp_path) for option in options]
    refused(["evaluate", localized, scanned, *filled], capsys, *names)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_page_stays_when_a_new_one_cannot_be_made(localized, scanned, tmp_path, capsys):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html>the earlier one")
    refused(["evaluate", localized, scanned, "--page", page, "--shelf", "nowhere"], capsys, "nowhere")
    assert page.read_text() == "<!doctype html>the earlier one"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
