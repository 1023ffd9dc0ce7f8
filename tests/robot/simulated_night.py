"""A night of the agent, as a process, in a simulated world over a real broker."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from recording import AntennaMount
from robot.settings import RobotSettings
from tests.robot.harness import PROGRAM, ROOT
from tests.support.counting_ingest import Counted, CountingIngest
from tests.support.mqtt_broker import start_amqtt
from tests.support.processes import running


def calling(function: Callable[[str], None]) -> list[str]:
    """What Python runs to call a function of a module of tests with the last argument."""
    module, name = function.__module__, function.__name__
    return ["-c", f"import sys; from {module} import {name}; {name}(sys.argv[1])"]


@contextmanager
def served_world(program: Sequence[str], folder: Path) -> Iterator[str]:
    """Serve the world of the library in a folder, in a process of its own; give its first line: what listens where."""
    with running([sys.executable, *program, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline()
        process.terminate()
        process.wait(20)


def drive(
    folder: Path, base: str, readers: Mapping[str, str], mounts: Iterable[AntennaMount], speed_mps: float
) -> tuple[Counted, str]:
    """Drive one pass along the library in `folder`/library; return what arrived, and the run's id.

    `base` is the base link's address, `readers` are their URLs by the names that `mounts` refer to.
    """
    tables = "".join(f"[[reader]]\nname = '{name}'\nurl = '{url}'\n" for name, url in readers.items())
    tables += f"[route]\npasses = 1\nspeed_mps = {speed_mps}\nstandoff_m = 0.75\n" + "".join(
        f"[[antenna]]\nid = {m.id}\nreader = '{m.reader}'\nport = {m.port}\nair = '{m.air}'\n"
        f"position_m = {list(map(float, m.position_m))}\nboresight_deg = {list(map(float, m.boresight_deg))}\n"
        for m in mounts
    )
    broker = start_amqtt(folder)
    try:
        ingest = CountingIngest(broker.port)
        settings = folder / "robot.toml"
        settings.write_text(
            f"site = 'site'\nrobot = 'robot'\nbroker = '{broker.url}'\nplan = 'library/plan.json'\n"
            f"base = 'tcp://{base}'\nclock = 'base'\n{tables}"
        )
        RobotSettings.read(settings)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(settings)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=220,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (run_id,) = ingest.seen.runs
        ingest.wait_for(lambda seen: seen.complete(run_id))
        ingest.close()
    finally:
        broker.close()
    assert ingest.seen.conflicts == []
    return ingest.seen, run_id
