"""A night on which one of two readers is unplugged along a whole face: the staff read that it was not scanned."""

import asyncio
import email
import json
import re
from contextlib import closing
from dataclasses import replace
from email import policy

import pytest

from nightstack.demo.mailbox import Mailbox
from recording import read_recording, read_truth
from sim.library import load_library, make_library
from sim.readers.llrp import LlrpEmulator
from sim.world import World, serve
from tests.nightstack.night import Night, csv_rows, nightstack
from tests.robot.simulated_night import calling, served_world


def mounts_of(library):
    """The upper antenna on a reader of its own."""
    return tuple(
        replace(mount, reader="high" if mount.position_m[2] > 1.2 else "low", port=mount.port)
        for mount in library.robot.mounts
    )


class LosingWorld(World):
    """The lower reader's cable is out while the robot passes the first face."""

    low: LlrpEmulator
    out: bool | None = None

    async def _step_virtual(self):
        # The aisle of the other face is on the other side of the row.
        here = self.base.pose.y_m < 0 and self.base.v_mps > 0.05
        if here and self.out is None:
            self.out = True
            await self.low.close()
        elif self.out and self.base.pose.y_m > 0:
            self.out = False
            # Time stands until it is read again: the way back is shorter than a driver's patience.
            await self.low.start()
            while not self.low.source.listening:
                await asyncio.sleep(0.01)
        await super()._step_virtual()


def serve_it(folder):
    """Serve the library's world; a program of its own runs this."""

    async def work():
        library = load_library(folder)
        world = LosingWorld(library, mounts_of(library))

        def low(source, listen):
            world.low = LlrpEmulator(source, listen)
            return world.low

        async with serve(world, readers={"low": low}) as addresses:
            print(json.dumps({"base": addresses.base, **addresses.urls}), flush=True)
            await world.ended.wait()

    asyncio.run(work())


@pytest.fixture
def world(tmp_path):
    library = make_library(150, 3)
    library.save(tmp_path / "library")
    with served_world(calling(serve_it), tmp_path / "library") as line:
        yield library, json.loads(line)


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
            # Of the face that the lower antennas passed unplugged, and there above all what the upper one hears least.
            assert zones & {"1-R01S-01-1", "1-R01S-01-2"} and all(zone.startswith("1-R01S") for zone in zones)
            # A book that is gone may stand anywhere by its record, and one that was not passed is not called missing.
            home = {h.barcode: h.home_location for h in library.holdings}
            missing = {home[row["barcode"]] for row in rows if row["kind"] == "missing"}
            assert not missing & zones
            # Books of that face are heard through the bookcase from the other side: they are not called misplaced.
            truth = read_truth(night.library / "truth.parquet")
            stands = dict(zip(truth.epc.tolist(), truth.shelf_id.tolist(), strict=True))
            at_home = {h.epc for h in library.holdings if stands.get(h.epc) == h.home_location}
            accused = [
                row
                for row in rows
                if row["kind"] == "wrong_shelf"
                and row["epc"] in at_home
                and row["shelf_id"].startswith("1-R01N")
            ]
            assert len(accused) <= 2
            mail = email.message_from_bytes(mailbox.wait(30).read_bytes(), policy=policy.default)
            said = mail.get_body(preferencelist=("plain",)).get_content()
            assert re.search(r"Reader low was gone for \d+ s in all: ", " ".join(said.split()))
            assert "did not read for a part of the run" not in said, "said once is enough"
            assert re.search(r"^note: reader low was away: \d+ s of \d+ s$", done.stderr, re.MULTILINE)
            assert "not scanned" in mail["Subject"] and "Face 1-R01S, bay 1, level" in said
