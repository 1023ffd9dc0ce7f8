"""Run the service as a process of its own: ``python run_service.py SETTINGS.json``. Prints its addresses when ready."""

import json
import logging
import sys
from datetime import time
from pathlib import Path

from cloud_ingest import Recipient, ServeSettings, serve


def settings_of(told: dict) -> ServeSettings:
    told = dict(told)
    told["data"] = Path(told["data"])
    told["recipients"] = tuple(Recipient(address) for address in told.get("recipients", ()))
    if "morning" in told:
        told["morning"] = time.fromisoformat(told["morning"])
    if told.get("smtp"):
        from reports.smtp import SmtpSettings

        told["smtp"] = SmtpSettings(**told["smtp"])
    return ServeSettings(**told)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(threadName)s %(name)s %(message)s")
    settings = settings_of(json.loads(Path(sys.argv[1]).read_text()))
    serve(settings, on_ready=lambda s: print(json.dumps({"http": s.http, "broker": s.broker}), flush=True))
    print("stopped", flush=True)
