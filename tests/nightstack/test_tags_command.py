"""``stacks tag``, and ``exceptions`` on a recording with ``tags.parquet``."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from localization.positions import read_coverage, read_positions, write_coverage, write_positions
from nightstack.cli import main
from nightstack.commands.exceptions import hardly_known
from recording import read_recording, write_recording
from reports.exceptions_csv import read_exceptions
from stacks.tag_data import DataObject, encode_fixed, encode_objects
from tests.nightstack.night import csv_rows
from tests.recording.making import tag_memories

PAGE = Path(__file__).parents[2] / "docs" / "tag_data.md"
BLOCK = encode_fixed("11223344", "DE-705").hex()


def run(capsys, *args):
    capsys.readouterr()
    status = main([*map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["3314257BF40C0E4000000190"], ["format grai-96", "item 400", "security unknown"]),
        (
            ["E004015306A22D70", "--memory", BLOCK, "--dsfid", "3E", "--afi", "07"],
            ["format iso-28560-3", "item 11223344", "owner DE-705", "part 1 of 1", "security on"],
        ),
        (["E004015306A22D70", "--memory", BLOCK, "--afi", "9d", "--afi-on", "9D"], ["security on"]),
        (["E004015306A22D70", "--afi", "07", "--no-eas", "--security-by", "eas"], ["security off"]),
        (["E0 04 01 53 06 A2 2D 70", "--memory", BLOCK[:-2] + "01"], ["note checksum of 32 bytes on a longer tag"]),
        (
            ["E004015306A22D70", "--memory", "12" + BLOCK[2:]],
            ["problem bad CRC: it has a library's format, and its checksum is wrong"],
        ),
        (
            ["141CC04FC70BADB5C6E2DA1DED4DD319", "--pc", "45C2"],
            ["format iso-28560-4", "item 12345678", "owner CH-000134-1", "part 1 of 3", "security off"],
        ),
        (["0" * 24], ["problem blank: nobody has programmed it"]),
    ],
)  # fmt: skip
def test_a_tag_is_told_in_plain_lines(capsys, args, lines):
    status, out, _ = run(capsys, "stacks", "tag", *args)
    assert status == 0
    told = [" ".join(line.split()) for line in out.splitlines()]
    assert set(lines) <= set(told)


def test_a_tag_is_told_as_json(capsys):
    status, out, _ = run(capsys, "stacks", "tag", "1703000398130803F4040000", "--json")
    said = json.loads(out)
    assert status == 0
    assert (said["format"], said["item_id"]) == ("cn-university", "32103179")
    assert (said["lent"], said["security"]) == (False, True)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["XYZ"], "EPC XYZ is no hexadecimal"),
        (["0x"], "EPC is empty"),
        (["E004015306A22D70", "--memory", "123"], "--memory 123 is no hexadecimal"),
        (["E004015306A22D70", "--afi", "107"], "--afi 107: give it as 2 hexadecimal digits"),
        (["E004015306A22D70", "--pc", "zz"], "--pc zz: give it as 4 hexadecimal digits"),
        (["E004015306A22D70", "--afi-on", "07", "--afi-off", "07"], "AFI 07 cannot mean both"),
        (
            ["E004015306A22D70", "--security-by", "luck"],
            "--security-by, --afi-on, --afi-off: security by 'luck': is none of either, afi, eas",
        ),
    ],
)
def test_wrong_arguments_are_one_line(capsys, args, words):
    status, _, err = run(capsys, "stacks", "tag", *args)
    assert status == 2
    assert words in err
    assert err.count("\n") == 1


@pytest.fixture(scope="module")
def placed(scanned, tmp_path_factory):
    """The scan with its positions."""
    folder = shutil.copytree(scanned, tmp_path_factory.mktemp("placed") / "night")
    assert main(["localize", str(folder)]) == 0
    return folder


def at(made):
    """When and by which antenna a recording's tags are read."""
    return {"t0": int(made.readings.t[0]), "antenna": made.info.antennas[0].id}


def with_tags(placed, folder, afi_of):
    """Copy a recording, and add what a reader read of each tag in its catalogue: its AFI."""
    shutil.copytree(placed, folder)
    epcs = [row["epc"] for row in csv_rows(folder / "holdings.csv") if row["epc"]]
    made = read_recording(folder)
    tags = tag_memories(epcs, afi=[afi_of(i) for i in range(len(epcs))], block_bytes=0, **at(made))
    write_recording(folder, replace(made, tag_memories=tags))
    return epcs


def off(folder):
    return {f.epc for f in read_exceptions(folder / "exceptions.csv") if f.kind == "security_off"}


def test_security_is_taken_from_what_the_robot_read_and_a_file_goes_first(placed, tmp_path, capsys):
    folder = tmp_path / "night"
    epcs = with_tags(placed, folder, lambda i: 0xC2 if i % 10 == 0 else 0x07)
    status, _, err = run(capsys, "exceptions", folder)
    assert status == 0, err
    found = off(folder)
    assert len(found) >= 5
    assert found <= set(epcs[::10])
    one = min(found)
    (folder / "security.csv").write_text(f"epc,security\n{one},on\n")
    assert run(capsys, "exceptions", folder)[0] == 0
    assert off(folder) == found - {one}
    # 07 means lent here: then nearly all are off, which is not believed.
    status, _, err = run(capsys, "exceptions", folder, "--afi-on", "C2", "--afi-off", "07")
    assert status == 0
    assert "books here seem to be secured in another way" in err
    assert off(folder) == set()


def test_where_no_tag_is_secured_nothing_is_said(placed, tmp_path, capsys):
    folder = tmp_path / "night"
    with_tags(placed, folder, lambda _: 0xC2)
    status, _, err = run(capsys, "exceptions", folder)
    assert (status, off(folder)) == (0, set())
    assert "0 of the" in err


def test_tags_known_by_their_barcodes_are_known(tmp_path):
    heard = [f"{n:024X}" for n in range(40)]
    assert "none of the 40 tags" in hardly_known(heard, [""] * 40, tmp_path / "holdings.csv")
    assert hardly_known(heard, [""] * 40, tmp_path / "holdings.csv", 40) == ""


def test_security_told_by_barcode_is_known_of_a_copy_that_its_tag_alone_names(placed, tmp_path, capsys):
    folder = tmp_path / "night"
    shutil.copytree(placed, folder)
    made, rows = read_recording(folder), csv_rows(folder / "holdings.csv")
    shelved = {row["epc"]: row["barcode"] for row in rows if row["epc"] and row["status"] == "available"}
    heard = [epc for epc in made.readings.tags if epc in shelved]
    n = len(heard)
    memory = [b"\x06" + encode_objects([DataObject(1, shelved[epc])]) for epc in heard]
    tags = tag_memories(heard, memory, block_bytes=0, **at(made))
    write_recording(folder, replace(made, tag_memories=tags))
    text = (folder / "holdings.csv").read_text()
    for epc in shelved:
        text = text.replace(epc, "")
    (folder / "holdings.csv").write_text(text)
    (folder / "security.csv").write_text(
        "barcode,security\n" + "".join(f"{b},off\n" for b in shelved.values())
    )
    status, _, err = run(capsys, "exceptions", folder)
    assert status == 0, err
    assert n > 200 and len(off(folder)) == n


def test_the_examples_of_the_page_are_what_the_command_prints(capsys):
    shown = re.findall(
        r"^```\n\$ nightstack (stacks tag .*?[^\\])\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(shown) == 2
    for command, printed in shown:
        status, out, _ = run(capsys, *shlex.split(command.replace("\\\n", " ")))
        assert (status, out) == (0, printed)


def test_tags_read_on_former_nights_are_known_with_a_ledger(placed, tmp_path, capsys):
    made, rows = read_recording(placed), csv_rows(placed / "holdings.csv")
    positions = read_positions(placed / "positions.parquet")
    uid = {epc: f"E00401{n:010X}" for n, epc in enumerate(positions.epc.tolist())}
    barcode = {uid[row["epc"]]: row["barcode"] for row in rows if row["epc"] in uid}
    shelved = [
        uid[row["epc"]]
        for row in rows
        if row["epc"] in uid and row["status"] == "available" and row["home_location"]
    ]
    rng = np.random.default_rng(3)
    vanished = set(rng.choice(shelved, 5, replace=False).tolist())
    positions.epc[:] = [uid[epc] for epc in positions.epc.tolist()]
    readings = replace(made.readings, tags=tuple(uid.get(epc, epc) for epc in made.readings.tags))
    made = replace(made, readings=readings)
    ledger, unread, findings = tmp_path / "cases.json", [], []
    for night in range(6):
        folder = tmp_path / f"night-{night}"
        shutil.copytree(placed, folder)
        # From the third night on some books are gone, most of which an earlier night has read.
        there = positions.select(
            np.array([night < 2 or epc not in vanished for epc in positions.epc.tolist()])
        )
        write_positions(folder / "positions.parquet", there)
        # Tags whose numbers are UIDs are HF tags, and so were the antennas that covered their shelves.
        covered = read_coverage(folder / "coverage.parquet")
        write_coverage(folder / "coverage.parquet", covered.of_air("iso15693"))
        heard = [epc for epc in there.epc.tolist() if epc in barcode]
        read = rng.choice(heard, len(heard) // 3, replace=False).tolist()
        info = replace(
            made.info, run_id=f"night-{night}", started_at=made.info.started_at + timedelta(days=night)
        )
        write_recording(
            folder, replace(made, info=info, tag_memories=memories_of(made, {e: barcode[e] for e in read}))
        )
        text = (folder / "holdings.csv").read_text()
        for epc in uid:
            text = text.replace(epc, "")
        (folder / "holdings.csv").write_text(text)
        status, _, err = run(capsys, "exceptions", folder, "--ledger", ledger)
        assert status == 0, err
        note = re.search(r"of (\d+) tags heard the memory was not read", err)
        assert note is not None, err
        unread.append(int(note[1]))
        lines = read_exceptions(folder / "exceptions.csv")
        findings.append({f.barcode for f in lines if f.kind == "missing"})
    assert all(a > b for a, b in itertools.pairwise(unread))
    heard_here = {barcode[epc] for epc in positions.epc.tolist() if epc in barcode}
    gone = {barcode[epc] for epc in vanished}
    # Whatever else is missing was never heard: no book that a tag stands for is called so.
    assert all(lines & heard_here <= gone for lines in findings)
    assert len(findings[-1] & gone) >= 3
    assert not findings[1] & gone


def memories_of(made, barcodes):
    return tag_memories(list(barcodes), [encode_fixed(b, "DE-705") for b in barcodes.values()], **at(made))
