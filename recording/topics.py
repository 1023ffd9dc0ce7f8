"""MQTT topics of one robot, and the JSON that travels on some of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recording.errors import PayloadError, RecordingError
from recording.json_checks import Json, parse_json
from recording.run_info import RunInfo, is_name, is_run_id

ROOT = "nightstack/v1"
KINDS = ("readings", "poses", "events", "activity", "tags")
"""What batches hold; `tags` is what was read of tags beside their number (`TagMemories`)."""
LEAVES = ("run", *KINDS, "end", "status", "ack")
SUBSCRIPTION = f"{ROOT}/+/+/+"
"""What ingest subscribes to: every topic of every robot."""

_MAX_JSON = 1 << 20
_MAX_SEQ = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Topics:
    """
    The topics of one robot at one site, one attribute each.

    Raises
    ------
    ValueError
        If site or robot cannot be a topic level.
    """

    site: str
    robot: str

    def __post_init__(self) -> None:
        for what, name in (("site", self.site), ("robot", self.robot)):
            if not is_name(name):
                raise ValueError(
                    f"{what} {name!r} cannot be a topic level; choose a plain name without / + #"
                )

    def topic(self, leaf: str) -> str:
        """Return the topic of a leaf, which for a batch is its kind."""
        if leaf not in LEAVES:
            raise ValueError(f"no topic {leaf!r}; there are {', '.join(LEAVES)}")
        return f"{ROOT}/{self.site}/{self.robot}/{leaf}"

    @property
    def run(self) -> str:
        """``run.json`` of the run, retained."""
        return self.topic("run")

    @property
    def readings(self) -> str:
        """Batches of readings."""
        return self.topic("readings")

    @property
    def poses(self) -> str:
        """Batches of poses."""
        return self.topic("poses")

    @property
    def events(self) -> str:
        """Batches of events."""
        return self.topic("events")

    @property
    def activity(self) -> str:
        """Batches of antenna activity."""
        return self.topic("activity")

    @property
    def tags(self) -> str:
        """Batches of what was read of tags beside their number."""
        return self.topic("tags")

    @property
    def end(self) -> str:
        """How many batches of each kind the run has: `End`."""
        return self.topic("end")

    @property
    def status(self) -> str:
        """Whether the robot is there: `Status`, retained, last will."""
        return self.topic("status")

    @property
    def ack(self) -> str:
        """What ingest has stored: `Ack`."""
        return self.topic("ack")


def parse_topic(topic: str) -> tuple[str, str, str]:
    """
    Site, robot and leaf of a topic.

    Raises
    ------
    PayloadError
        If it is none of ours.
    """
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT:
        raise PayloadError(f"topic {topic[:120]!r} is not {ROOT}/SITE/ROBOT/LEAF")
    _, _, site, robot, leaf = parts
    if leaf not in LEAVES:
        raise PayloadError(f"topic {topic[:120]!r} ends in none of {', '.join(LEAVES)}")
    if not (is_name(site) and is_name(robot)):
        raise PayloadError(f"topic {topic[:120]!r} has a site or robot that cannot be a name")
    return site, robot, leaf


def _parse(payload: bytes, source: str) -> Json:
    if len(payload) > _MAX_JSON:
        raise PayloadError(f"{source}: {len(payload)} bytes are more than the {_MAX_JSON} allowed")
    return Json(parse_json(bytes(payload), source, PayloadError), source, PayloadError)


def _run_id(obj: Json) -> str:
    run_id = obj.text("run_id")
    if not is_run_id(run_id):
        obj.fail("run_id", "may hold letters, digits and . _ - only, at most 128")
    return run_id


def _dump(obj: Mapping[str, Any]) -> bytes:
    return json.dumps(obj, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def encode_run(info: RunInfo) -> bytes:
    """Return the payload of the topic `run`."""
    return _dump(info.to_json())


def decode_run(payload: bytes, source: str = "run") -> RunInfo:
    """Return the run of a payload of the topic `run`; raises PayloadError."""
    obj = _parse(payload, source)
    try:
        return RunInfo.from_json(obj.value, source)
    except RecordingError as e:
        raise PayloadError(str(e)) from None


@dataclass(frozen=True, slots=True)
class End:
    """
    A run has ended.

    Attributes
    ----------
    run_id : str
        The run.
    batches : mapping of str to int
        How many batches of each kind were made; `seq` ran from 0 to that less one.
    reason : str
        ``done``, or ``aborted: ...`` with the reason.
    """

    run_id: str
    batches: Mapping[str, int]
    reason: str = "done"

    def to_json(self) -> bytes:
        """Return the payload."""
        return _dump({"run_id": self.run_id, "batches": dict(self.batches), "reason": self.reason})

    @classmethod
    def from_json(cls, payload: bytes, source: str = "end") -> End:
        """From a payload; raises PayloadError."""
        obj = _parse(payload, source)
        kinds = KINDS
        if "batches" in obj.value:
            batches = obj.object("batches")
            for kind in batches.value:
                if kind not in kinds:
                    batches.fail(kind[:40], f"is no kind of batch; there are {', '.join(kinds)}")
        else:  # a robot of another make may write the counts beside run_id
            batches = obj
            if not any(kind in obj.value for kind in kinds):
                obj.fail("batches", "is missing: how many batches of each kind were made")
        counts = {kind: batches.integer(kind, 0, _MAX_SEQ) for kind in kinds if kind in batches.value}
        return cls(run_id=_run_id(obj), batches=counts, reason=obj.optional_text("reason") or "done")


@dataclass(frozen=True, slots=True)
class Ack:
    """
    What ingest has stored of one kind of batches.

    Attributes
    ----------
    run_id, kind : str
        The run and the kind.
    upto : int
        Every seq up to and including this one is stored; -1: none.
    missing : tuple of int
        Seqs above `upto` that are wanted again.
    """

    run_id: str
    kind: str
    upto: int
    missing: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """Return the payload."""
        return _dump(
            {"run_id": self.run_id, "kind": self.kind, "upto": self.upto, "missing": list(self.missing)}
        )

    @classmethod
    def from_json(cls, payload: bytes, source: str = "ack") -> Ack:
        """From a payload; raises PayloadError."""
        obj = _parse(payload, source)
        missing = obj.value.get("missing", [])
        if not isinstance(missing, list):
            obj.fail("missing", "must be a list of integers")
        upto = obj.integer("upto", -1, _MAX_SEQ)
        for i, seq in enumerate(missing):
            if isinstance(seq, bool) or not isinstance(seq, int) or not upto < seq <= _MAX_SEQ:
                obj.fail(f"missing[{i}]", "must be an integer above upto")
        kind = obj.choice("kind", KINDS)
        return cls(run_id=_run_id(obj), kind=kind, upto=upto, missing=tuple(missing))


@dataclass(frozen=True, slots=True)
class Status:
    """
    Whether a robot is there.

    Attributes
    ----------
    state : str
        ``online`` or ``offline``.
    run_id : str, optional
        The run it is on.
    t : int
        Nanoseconds UTC of the message; of the connect for a last will.
    extra : mapping
        Anything else the robot says of itself (battery, free space ...).
    """

    state: str
    run_id: str | None
    t: int
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> bytes:
        """Return the payload."""
        return _dump({"state": self.state, "run_id": self.run_id, "t": self.t} | dict(self.extra))

    @classmethod
    def from_json(cls, payload: bytes, source: str = "status") -> Status:
        """From a payload; raises PayloadError."""
        obj = _parse(payload, source)
        return cls(
            state=obj.choice("state", ("online", "offline")),
            run_id=None if obj.value.get("run_id") is None else _run_id(obj),
            t=obj.integer("t", -(1 << 63), _MAX_SEQ),
            extra=obj.others({"state", "run_id", "t"}),
        )
