"""Batches made up, and their bytes."""

import zlib
from typing import Any

import msgpack
import numpy as np
import pytest

from recording import Activity, Events, PayloadError
from recording.wire import Batch, decode_batch, encode_batch
from tests.recording.making import readings


def message(batch: Batch) -> dict[str, Any]:
    """A payload taken apart without the code under test."""
    return msgpack.unpackb(zlib.decompress(encode_batch(batch)))


def packed(obj: Any, **options: Any) -> bytes:
    return zlib.compress(msgpack.packb(obj, **options))


def batch(**changes: Any) -> Batch:
    return Batch(**{"run_id": "night-1", "kind": "readings", "seq": 7, "data": readings(5)} | changes)


def refused(payload: bytes, word: str = "") -> None:
    with pytest.raises(PayloadError) as caught:
        decode_batch(payload)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert word in str(caught.value)


def events() -> Events:
    return Events(
        t=[1, 2], source=["uhf", "基座"], kind=["reader_gone", ""], detail=["no answer", "line\nbreak"]
    )


def activity() -> Activity:
    return Activity(
        t_start=[1, 5], t_end=[5, 9], antenna=[1, 2], power_dbm=[30.0, np.nan], session=[1, 2], rounds=[3, 0]
    )
