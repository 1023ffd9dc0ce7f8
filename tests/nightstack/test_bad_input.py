"""Wrong arguments, settings and files: one line saying what, where and what to do; exit status 2; nothing written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import nightstack
from localization.positions import Positions, write_positions
from nightstack.cli import main
from nightstack.errors import one_line


def refused(arguments, capsys, *names):
    """Run a command that must be refused; its one line must name what is wrong."""
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, said.err
    assert lines[0].startswith("nightstack: ")
    assert "fault in nightstack" not in lines[0]
    for name in names:
        assert str(name) in lines[0]


def test_unknown_command_option_and_missing_argument(capsys):
    refused(["locate"], capsys, "locate")
    refused(["localize"], capsys, "RECORDING")
    refused(["localize", "x", "--quick"], capsys, "--quick")
    refused(["sim", "library", "--out", "x", "--books", "many"], capsys, "--books")


def test_a_recording_that_is_not_there(tmp_path, capsys):
    refused(["localize", tmp_path / "nowhere"], capsys, "nowhere")


@pytest.mark.parametrize("name", ["run.json", "readings.parquet", "poses.parquet"])
@pytest.mark.parametrize("spoil", ["missing", "empty", "garbage", "folder"])
def test_a_spoiled_recording_is_refused_and_nothing_is_written(recording, capsys, tmp_path, name, spoil):
    file = recording / name
    if spoil == "garbage":
        file.write_bytes(b"\x00\xffnot what it should be" * 50)
    elif spoil == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
        if spoil == "folder":
            file.mkdir()
    out = tmp_path / "out"
    refused(["localize", recording, "--out", out], capsys, name)
    assert not out.exists()


def test_a_reading_of_an_antenna_nobody_mounted(recording, capsys, tmp_path):
    run = json.loads((recording / "run.json").read_text())
    run["robot"]["antennas"] = run["robot"]["antennas"][:1]
    (recording / "run.json").write_text(json.dumps(run))
    refused(["localize", recording, "--out", tmp_path / "out"], capsys, "readings.parquet", "row")


def test_a_missing_column_is_named(recording, capsys, tmp_path):
    table = pq.read_table(recording / "readings.parquet")
    pq.write_table(table.drop_columns(["rssi_dbm"]), recording / "readings.parquet")
    refused(["localize", recording, "--out", tmp_path / "out"], capsys, "readings.parquet", "rssi_dbm")


def test_a_plan_with_a_shelf_outside_its_face(recording, capsys, tmp_path):
    plan = json.loads((recording / "plan.json").read_text())
    plan["floors"][0]["faces"][0]["shelves"][0]["to_m"] = 1e6
    (recording / "plan.json").write_text(json.dumps(plan))
    refused(["localize", recording, "--out", tmp_path / "out"], capsys, "plan.json", "shelves")
    assert not (tmp_path / "out").exists()


def test_holdings_with_an_unknown_status(recording, capsys, tmp_path):
    file = recording / "holdings.csv"
    file.write_text(file.read_text().replace(",available", ",on the moon", 1))
    out = tmp_path / "exceptions.csv"
    refused(["exceptions", recording, "--out", out], capsys, "holdings.csv", "on the moon")
    assert not out.exists()


def test_settings_of_the_service(tmp_path, capsys):
    file = tmp_path / "serve.toml"
    refused(["serve", "--settings", file], capsys, "serve.toml")
    for text, word in (
        ("data = [", "TOML"),
        ("colour = 1", "colour"),
        ("silence_s = 'long'", "silence_s"),
        ("silence_s = -1", "silence_s"),
        ("broker = 'http://x'", "broker"),
        ("time_zone = 'Mars/Base'", "time_zone"),
        ("recipients = [{address = 'nobody'}]", "nobody"),
        ("[smtp]\nhost = 'x'\nport = 99999", "smtp.port"),
        ("[smtp]\nhost = 'x'\nca_file = 'nowhere.pem'", "nowhere.pem"),
        ("sender = 'nobody'", "sender"),
    ):
        file.write_text(text)
        refused(["serve", "--settings", file, "--data", tmp_path / "data"], capsys, word)
        assert not (tmp_path / "data").exists()


def test_settings_of_the_robot(tmp_path, capsys):
    file = tmp_path / "robot.toml"
    refused(["robot", "run", file], capsys, "robot.toml")
    file.write_text("site = 'x'\nspeed = 3")
    refused(["robot", "run", file], capsys, "robot.toml")


def test_the_demo_does_not_replace_what_is_no_demo(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    refused(["demo", "--out", tmp_path], capsys, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_replay_to_no_broker_is_failed_work(recording, capsys):
    capsys.readouterr()
    assert main(["replay", str(recording), "--broker", "mqtt://127.0.0.1:1", "--json"]) == 1  # at once
    said = capsys.readouterr().err
    assert "refused" in said and said.count("\n") == 1
    assert "127.0.0.1:1" in said
    refused(["replay", recording, "--broker", "127.0.0.1:1883"], capsys, "--broker")


def test_help_version_and_a_pipe_that_closes():
    command = [sys.executable, "-m", "nightstack"]
    page = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    assert "localize" in page
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("nightstack ")
    bare = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert "Usage" in bare.stderr
    assert Path(sys.executable).exists()


@pytest.mark.parametrize("url", ["rfid://127.0.0.1", "127.0.0.1", "llrp://", "llrp://127.0.0.1:99999"])
def test_a_url_that_is_no_readers(capsys, url):
    refused(["readers", "probe", url], capsys, url)


def test_a_reader_that_is_off_is_failed_work(capsys):
    assert main(["readers", "probe", "llrp://127.0.0.1:1"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize(("listen", "status"), [("nonsense", 2), ("192.0.2.1:0", 1)])
def test_an_emulator_that_cannot_listen_says_so(capsys, listen, status):
    assert main(["readers", "emulate", "llrp", "--listen", listen]) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert listen in said.err


def test_a_preset_that_does_not_exist_costs_no_earlier_demo(tmp_path, capsys):
    out = tmp_path / "demo"
    out.mkdir()
    (out / ".nightstack-demo").write_text("")
    (out / "report.pdf").write_text("of last night")
    refused(["demo", "--out", out, "--preset", "hopeless"], capsys, "hopeless", "ordinary")
    assert (out / "report.pdf").exists()


def test_places_results_cannot_go_to_are_refused_before_the_work(recording, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("x")
    refused(["exceptions", recording, "--out", tmp_path], capsys, tmp_path, "--out")
    refused(["exceptions", recording, "--out", file / "x.csv"], capsys, file, "--out")
    refused(["localize", recording, "--out", file / "x"], capsys, file, "--out")
    refused(["report", recording, "--out", file], capsys, file, "--out")


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        (["localize", "--fast"], "--out", "readings.parquet"),
        (["localize", "--fast"], "--out", "poses.parquet"),
        (["calibrate", "--reference-tags", "2"], "--out", "plan.json"),
        (["calibrate", "--reference-tags", "2"], "--out", "run.json"),
        (["exceptions"], "--out", "holdings.csv"),
        (["exceptions"], "--out", "readings.parquet"),
    ],
)
def test_results_do_not_replace_what_the_recording_is_made_of(recording, capsys, command, option, name):
    file = Path(recording) / name
    before = file.read_bytes()
    refused([command[0], recording, *command[1:], option, file], capsys, file, option)
    assert file.read_bytes() == before


def test_the_page_replaces_pages_only(recording, tmp_path, capsys):
    assert main(["localize", str(recording), "--fast", "--out", str(tmp_path)]) == 0
    judge = ["evaluate", tmp_path / "positions.parquet", Path(recording) / "truth.parquet", "--page"]
    capsys.readouterr()
    refused([*judge, Path(recording) / "run.json"], capsys, "run.json", "--page")
    refused([*judge, tmp_path / "page.pdf"], capsys, "page.pdf", "--page")
    other = tmp_path / "of-others.html"
    other.write_text("mine")
    refused([*judge, other], capsys, other, "--page")
    assert other.read_text() == "mine"
    page = tmp_path / "page.html"
    for _ in range(2):
        assert main([str(part) for part in (*judge, page)]) == 0


def test_coverage_does_not_replace_what_it_is_not(recording, tmp_path, capsys):
    (tmp_path / "coverage.parquet").write_text("mine")
    refused(["localize", recording, "--fast", "--out", tmp_path], capsys, "coverage.parquet", "--out")
    assert (tmp_path / "coverage.parquet").read_text() == "mine"


def test_positions_and_epcs_that_are_not_there(recording, tmp_path, capsys):
    nowhere = tmp_path / "nowhere.parquet"
    refused(["exceptions", recording, "--positions", nowhere], capsys, nowhere)
    refused(["evaluate", recording, recording], capsys, "positions.parquet")


def test_the_simulator_refuses_places_before_the_scan(library, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("x")
    refused(["sim", "library", "--out", file / "lib", "--books", "60"], capsys, file, "--out")
    refused(["sim", "record", library, "--out", file / "night"], capsys, file, "--out")


def test_options_are_answered_in_plain_words_with_the_command_that_tells_more(capsys):
    refused(
        ["sim", "library", "--out", "x", "--books", "many"],
        capsys,
        "whole number",
        "`nightstack sim library --help`",
    )
    refused(["sim", "library", "--out", "x", "--books", "0"], capsys, "1 or more")
    refused(["localize", "x", "--quick"], capsys, "`nightstack localize --help`")
    refused(["locate"], capsys, "`nightstack --help`")


def test_what_a_recording_folder_is_and_empty_and_endless_names(tmp_path, capsys):
    refused(["localize", tmp_path / "nosuch"], capsys, "nosuch", "run.json", "poses.parquet")
    refused(["localize", ""], capsys, "empty")
    assert main(["localize", "x" * 5000]) == 2
    assert len(capsys.readouterr().err) < 1000


def test_plans_that_are_none(recording, tmp_path, capsys):
    refused(
        ["localize", recording, "--plan", tmp_path / "nosuch.json"], capsys, "nosuch.json", "plan.json of the"
    )
    refused(["localize", recording, "--plan", recording / "poses.parquet"], capsys, "is a Parquet file")


def test_files_cut_short_or_damaged_are_to_be_copied_again(recording, capsys):
    file = recording / "readings.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused(["localize", recording], capsys, "readings.parquet", "copy it again")
    file.write_bytes(whole)
    group = pq.ParquetFile(file).metadata.row_group(0)
    epc = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "epc")
    begin = epc.dictionary_page_offset or epc.data_page_offset
    spoiled = bytearray(whole)
    spoiled[begin : begin + epc.total_compressed_size] = b"\xff" * epc.total_compressed_size
    file.write_bytes(spoiled)
    assert main(["localize", str(recording)]) == 2
    said = capsys.readouterr().err
    assert said.count("readings.parquet") == 1
    assert said.count("damaged") == 1


def test_a_folder_whose_name_is_no_text_is_to_be_renamed(recording, capsys):
    odd = os.fsdecode(os.fsencode(recording.parent) + b"/night\xff")
    recording.rename(odd)
    refused(["localize", odd], capsys, "rename the folder")


def test_a_full_disk_is_named_with_the_file(tmp_path):
    (tmp_path / "positions.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="positions") as caught:
        write_positions(tmp_path / "positions.parquet", Positions.empty(0))
    said = one_line(caught.value)
    assert said.startswith(f"{tmp_path}/positions.parquet: no space left")
    assert "name another place with --out" in said
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_modules_are_read_is_one_line(tmp_path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    root = str(Path(nightstack.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-m", "nightstack", "--version"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
    )  # fmt: skip
    assert found.returncode == 130
    assert found.stderr.splitlines() == ["nightstack: stopped by the keyboard"]
