"""Facts of a run, for tests that need one and do not care which."""

from datetime import UTC, datetime

from recording import AntennaMount, RunInfo

MOUNT = AntennaMount(1, "reader", 1, "gen2", (0.0, 0.2, 1.0), (90.0, 0.0))


def make_info(run_id: str = "run-1", site: str = "site", robot: str = "robot") -> RunInfo:
    return RunInfo(run_id, site, datetime(2026, 1, 31, 22, tzinfo=UTC), robot, (MOUNT,))
