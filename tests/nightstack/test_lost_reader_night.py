"""A night on which one of two readers is unplugged along a whole face: the staff read that it was not scanned."""

import asyncio
import email
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from email import policy

import pytest

from nightstack.demo.mailbox import Mailbox
from recording import read_recording
from sim.library import load_library, make_library
from sim.readers.llrp import LlrpEmulator
from sim.world import World, serve
from tests.nightstack.night import Night, csv_rows, nightstack
from tests.robot.harness import ROOT


def mounts_of(library):
    """The upper antenna on a reader of its own."""
    return tuple(
        replace(mount, reader="high" if mount.position_m[2] > 1.2 else "low", port=mount.port)
        for mount in library.robot.mounts
    )


def serve_it(folder):
    """Serve the library's world; the lower reader's cable is out while the robot passes the first face.

    The program below runs this.
    """

    async def work():
        library = load_library(folder)
        world = World(library, mounts_of(library))
        made = {}

        def low(source, listen):
            made["low"] = LlrpEmulator(source, listen)
            return made["low"]

        async with serve(world, readers={"low": low}) as addresses:
            print(json.dumps({"base": addresses.base, **addresses.urls}), flush=True)
            first = world.base.pose.y_m
            while not world.ended.is_set() and world.base.v_mps < 0.05:
                await asyncio.sleep(0.005)
            await made["low"].close()
            # The aisle of the other face is on the other side of the row.
            while not world.ended.is_set() and abs(world.base.pose.y_m - first) < 1.5:
                await asyncio.sleep(0.005)
            await made["low"].start()
            await world.ended.wait()

    asyncio.run(work())


@pytest.fixture
def world(tmp_path):
    library = make_library(150, 3)
    library.save(tmp_path / "library")
    code = "import sys; from tests.nightstack.test_lost_reader_night import serve_it; serve_it(sys.argv[1])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "library")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield library, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def robot_settings(night, library, urls):
    readers = "".join(f'[[reader]]\nname = "{name}"\nurl = "{urls[name]}"\n' for name in ("low", "high"))
    antennas = "".join(
        f'[[antenna]]\nid = {m.id}\nreader = "{m.reader}"\nport = {m.port}\n'
        f"position_m = {list(m.position_m)}\nboresight_deg = {list(m.boresight_deg)}\n"
        for m in mounts_of(library)
    )
    file = night.folder / "robot.toml"
    file.write_text(
        f'site = "test"\nrobot = "r1"\nbroker = "{night.broker}"\nplan = "{night.library / "plan.json"}"\n'
        f'base = "tcp://{urls["base"]}"\nclock = "base"\nspool = "spool.db"\n'
        f"[route]\npasses = 1\nspeed_mps = 0.1\n{readers}{antennas}"
    )
    return file


def test_a_reader_lost_along_a_face_leaves_it_not_scanned(world, tmp_path):
    library, urls = world
    with Mailbox(tmp_path / "mail") as mailbox:
        night = Night(tmp_path, tmp_path / "library", mailbox)
        with closing(night):
            night.serve()
            done = nightstack("robot", "run", robot_settings(night, library, urls))
            assert done.returncode == 0, done.stderr
            run = night.stored_in("reported")
            folder = night.data / "runs" / run["run_id"]
            heard = read_recording(folder / "recording")
            events = list(zip(heard.events.source.tolist(), heard.events.kind.tolist(), strict=True))
            gone, back = events.index(("low", "reader_gone")), events.index(("low", "reader_back"))
            assert gone < back and not [kind for name, kind in events if name == "high"]
            rows = csv_rows(folder / "exceptions.csv")
            zones = {row["shelf_id"] for row in rows if row["kind"] == "zone_not_scanned"}
            # What only the lower antennas hear, of the face that they passed unplugged.
            assert zones and zones <= {"1-R01S-01-1", "1-R01S-01-2"}
            assert not [row for row in rows if row["kind"] == "missing"]
            mail = email.message_from_bytes(mailbox.wait(30).read_bytes(), policy=policy.default)
            said = mail.get_body(preferencelist=("plain",)).get_content()
            assert "Reader low was gone" in said
            assert "zones not scanned" in mail["Subject"] and "Face 1-R01S, bay 1, level 1" in said
