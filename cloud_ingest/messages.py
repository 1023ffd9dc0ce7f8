"""What a robot's message is: read and checked before anything is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud_ingest.texts import one_line
from recording.errors import PayloadError, RecordingError
from recording.json_checks import parse_json
from recording.run_info import RunInfo
from recording.topics import End, Status, parse_topic
from recording.wire import decode_batch

_MAX_RUN_JSON = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as the broker handed it over.

    Attributes
    ----------
    topic, payload
        As received.
    at
        When, nanoseconds UTC.
    retained
        The broker kept it from earlier: it says what was, not that a robot is at work now.
    """

    topic: str
    payload: bytes
    at: int
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose topic a message came on."""

    site: str
    robot: str


@dataclass(frozen=True, slots=True)
class BatchMessage:
    """One batch; its payload has been decoded and is kept as received."""

    sender: Sender
    run_id: str
    kind: str
    seq: int
    rows: int
    payload: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class RunMessage:
    """``run.json`` of a run."""

    sender: Sender
    run_id: str
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndMessage:
    """How many batches of each kind a run has."""

    sender: Sender
    run_id: str
    batches: Mapping[str, int]
    reason: str


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """Whether a robot is there, and on which run."""

    sender: Sender
    run_id: str | None
    online: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be stored, and why."""

    reason: str
    site: str | None = None
    run_id: str | None = None
    kind: str | None = None
    seq: int | None = None


Message = BatchMessage | RunMessage | EndMessage | StatusMessage | Rejected


def read_message(arrival: Arrival) -> Message | None:
    """Read one message; None for one that is not meant for us (our own acknowledgements, a cleared topic).

    Whatever is wrong with it comes back as `Rejected`, never as an exception.
    """
    site = None
    try:
        site, robot, leaf = parse_topic(arrival.topic)
        if leaf == "ack" or (not arrival.payload and leaf in ("run", "end", "status")):
            return None
        return _READERS.get(leaf, _read_batch)(Sender(site, robot), leaf, arrival.payload)
    except (PayloadError, RecordingError) as err:
        return Rejected(str(err), site)
    except Exception as err:  # a decoder's own fault must not stop the ingest of everybody else
        return Rejected(f"could not be read: {type(err).__name__}: {err}", site)


def _read_batch(sender: Sender, leaf: str, payload: bytes) -> Message:
    batch = decode_batch(payload)
    named = (sender.site, batch.run_id, batch.kind, batch.seq)
    if batch.kind != leaf:
        return Rejected(f"a batch of {batch.kind} came on the topic of {leaf}", *named)
    return BatchMessage(
        sender,
        batch.run_id,
        batch.kind,
        batch.seq,
        len(batch.data),
        payload,
        hashlib.sha256(payload).digest(),
    )


def _read_run(sender: Sender, _leaf: str, payload: bytes) -> Message:
    if len(payload) > _MAX_RUN_JSON:
        raise PayloadError(f"run: {len(payload)} bytes are more than the {_MAX_RUN_JSON} allowed")
    info = RunInfo.from_json(parse_json(payload, "run", PayloadError), "run")
    if info.site != sender.site:
        return Rejected(f"run.json says site {info.site}, the topic {sender.site}", sender.site, info.run_id)
    return RunMessage(sender, info.run_id, info.to_json())


def _read_end(sender: Sender, _leaf: str, payload: bytes) -> Message:
    end = End.from_json(payload)
    return EndMessage(sender, end.run_id, dict(end.batches), one_line(end.reason))


def _read_status(sender: Sender, _leaf: str, payload: bytes) -> Message:
    status = Status.from_json(payload)
    return StatusMessage(sender, status.run_id, status.state == "online")


_READERS = {"run": _read_run, "end": _read_end, "status": _read_status}
