"""How many readings a second the service stores: ``python -m tests.cloud_ingest.ingest_rate mosquitto``.

This process sends 1000-row batches over a real broker to the service in a process of its
own, and waits for the application's acknowledgement of the last. Printed: rows a second from the first publish to
that acknowledgement.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from pathlib import Path

from tests.cloud_ingest.conftest import Robot, Service, make_batch, until
from tests.support.mqtt_broker import free_port, start_amqtt, start_mosquitto
from tests.support.runs import make_info


def measure(kind: str, batches: int, rows: int, database: str | None = None) -> dict[str, object]:
    """Run one measurement; the folder is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = None if kind == "embedded" else (start_amqtt if kind == "amqtt" else start_mosquitto)(folder)
        settings = {
            "data": str(folder / "data"),
            "role": "ingest",
            "broker": None if broker is None else broker.url,
            "broker_listen": f"127.0.0.1:{free_port()}",
            "database": database,
        }
        service = Service(folder, settings)
        service.start()
        robot = Robot(int(service.broker.rsplit(":", 1)[1]))
        try:
            robot.begin(make_info())
            robot.spool(*(make_batch(seq=seq, rows=rows) for seq in range(batches)))
            sizes = sum(map(len, robot.pending.values()))
            began = time.monotonic()
            robot.push()
            until(lambda: not robot.pending, 300, 0.01)
            seconds = time.monotonic() - began
            with sqlite3.connect(folder / "data" / "nightstack.db") as db:
                stored = db.execute("SELECT count(*), sum(rows) FROM batches").fetchone()
            db.close()
        finally:
            robot.close()
            service.kill()
            if broker is not None:
                broker.close()
    return {
        "broker": kind,
        "batches": stored[0],
        "rows": stored[1],
        "seconds": round(seconds, 2),
        "rows_per_s": round(stored[1] / seconds),
        "batches_per_s": round(batches / seconds),
        "bytes_per_row": round(sizes / (rows * batches), 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("broker", nargs="?", default="amqtt", choices=("amqtt", "mosquitto", "embedded"))
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000)
    told = parser.parse_args()
    print(json.dumps(measure(told.broker, told.batches, told.rows)))
