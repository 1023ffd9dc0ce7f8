"""Run the service as a process of its own: ``python run_service.py SETTINGS.json``. Prints its addresses when ready."""

import json
import logging
import sys
from datetime import time
from pathlib import Path

from cloud_ingest import Recipient, Schedule, ServeSettings, SiteSettings, serve


def recipient(who: str | dict) -> Recipient:
    if isinstance(who, str):
        return Recipient(who)
    told = dict(who)
    if "schedule" in told:
        days, hour = told["schedule"]
        told["schedule"] = Schedule(tuple(days), time.fromisoformat(hour))
    return Recipient(**{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()})


def settings_of(told: dict) -> ServeSettings:
    told = dict(told)
    told["data"] = Path(told["data"])
    told["recipients"] = tuple(recipient(who) for who in told.get("recipients", ()))
    for name in ("bounces",):
        if name in told:
            told[name] = Path(told[name])
    told["sites"] = tuple(SiteSettings(name, **site) for name, site in told.get("sites", {}).items())
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
