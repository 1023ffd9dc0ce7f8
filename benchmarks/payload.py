"""Speed and size of the MQTT payload: batches of readings to bytes and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from recording import Readings
from recording.wire import Batch, decode_batch, encode_batch

READINGS = 1_000  # about five seconds of one robot's four antennas
TAGS = 120
SECONDS = 1.0


def main() -> dict[str, Any]:
    """Print and return readings a second each way and bytes a reading."""
    batch = Batch(run_id="bench", kind="readings", seq=0, data=_readings())
    payload = encode_batch(batch)
    figures = {
        "readings_per_batch": READINGS,
        "bytes_per_reading": len(payload) / READINGS,
        "encoded_per_s": READINGS * _rate(lambda: encode_batch(batch)),
        "decoded_per_s": READINGS * _rate(lambda: decode_batch(payload)),
    }
    print(
        f"  {figures['bytes_per_reading']:.1f} bytes a reading; "
        f"encoded {figures['encoded_per_s'] / 1e6:.2f} M, "
        f"decoded {figures['decoded_per_s'] / 1e6:.2f} M readings/s on one core"
    )
    return figures


def _rate(call: Callable[[], object]) -> float:
    call()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        call()
        done += 1
    return done / (time.perf_counter() - start)


def _readings() -> Readings:
    rng = np.random.default_rng(1)
    return Readings(
        t=1_700_000_000_000_000_000 + np.cumsum(rng.integers(2_000_000, 9_000_000, READINGS)),
        tag=rng.integers(0, TAGS, READINGS).astype(np.uint32),
        tags=tuple(f"3034{k:020X}" for k in range(TAGS)),
        antenna=rng.integers(1, 5, READINGS).astype(np.uint8),
        frequency_khz=(920_625 + 250 * rng.integers(0, 16, READINGS)).astype(np.uint32),
        rssi_dbm=(rng.integers(-140, -80, READINGS) / 2).astype(np.float32),
        phase_rad=(rng.integers(0, 1024, READINGS) * (2 * np.pi / 1024)).astype(np.float32),
    )
