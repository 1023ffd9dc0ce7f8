"""The cloud's end of the link for tests: takes batches, acknowledges them as ingest does, and counts."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from recording import Readings
from recording.topics import Ack, End, Topics, parse_topic
from recording.wire import Batch, decode_batch

Identity = tuple[str, str, int]


@dataclass
class Counted:
    """What has come in so far."""

    payloads: dict[Identity, bytes] = field(default_factory=dict)
    conflicts: list[Identity] = field(default_factory=list)
    duplicates: int = 0
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[str, End] = field(default_factory=dict)
    status: list[dict[str, Any]] = field(default_factory=list)

    def batches(self, run_id: str, kind: str) -> list[Batch]:
        """Batches of a kind, by seq."""
        found = sorted(key for key in self.payloads if key[:2] == (run_id, kind))
        return [decode_batch(self.payloads[key]) for key in found]

    def readings(self, run_id: str) -> Readings:
        return Readings.concat([batch.data for batch in self.batches(run_id, "readings")])

    def events(self, run_id: str) -> list[tuple[str, str, str]]:
        return [
            row
            for batch in self.batches(run_id, "events")
            for row in zip(batch.data.source, batch.data.kind, batch.data.detail, strict=True)
        ]

    def complete(self, run_id: str) -> bool:
        """Whether everything the end message promises is there."""
        end = self.ends.get(run_id)
        return end is not None and all(
            (run_id, kind, seq) in self.payloads
            for kind, count in end.batches.items()
            for seq in range(count)
        )


class CountingIngest:
    """Subscribes and acknowledges; `silent` takes without acknowledging, `forget` loses batches from memory."""

    def __init__(
        self,
        port: int,
        site: str = "site",
        robot: str = "robot",
        *,
        silent: bool = False,
        ca: Path | None = None,
    ) -> None:
        self.seen = Counted()
        self.silent = silent
        self.changed = threading.Condition()
        self._ignore: Callable[[Identity], bool] = lambda _identity: False
        self._upto: dict[tuple[str, str], int] = {}
        self._highest: dict[tuple[str, str], int] = {}
        self._topics = Topics(site, robot)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="counting-ingest", protocol=mqtt.MQTTv311
        )
        self._client.on_connect = lambda client, *_: client.subscribe("nightstack/v1/+/+/+", 1)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        if ca is not None:
            self._client.tls_set(str(ca))
        self._client.connect("localhost" if ca else "127.0.0.1", port, keepalive=5)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def lose_once(self, kind: str, seq: int) -> None:
        """Throw the batch away the first time it comes, and ask for it again with the next ack of its kind."""
        lost: set[Identity] = set()

        def ignore(identity: Identity) -> bool:
            if identity[1:] == (kind, seq) and identity not in lost:
                lost.add(identity)
                return True
            return False

        self._ignore = ignore

    def wait_for(self, condition: Callable[[Counted], bool], timeout_s: float = 60.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.seen), timeout_s), "waited in vain"

    def publish(self, topic: str, payload: bytes) -> None:
        """Say anything to anybody."""
        self._client.publish(topic, payload, 1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        _, _, leaf = parse_topic(message.topic)
        with self.changed:
            if leaf == "run":
                run = json.loads(message.payload)
                self.seen.runs[run["run_id"]] = run
            elif leaf == "end":
                end = End.from_json(message.payload)
                self.seen.ends[end.run_id] = end
            elif leaf == "status":
                self.seen.status.append(json.loads(message.payload))
            elif leaf != "ack":
                self._take(bytes(message.payload))
            self.changed.notify_all()

    def _take(self, payload: bytes) -> None:
        batch = decode_batch(payload)
        identity = (batch.run_id, batch.kind, batch.seq)
        if self._ignore(identity):
            return
        place = identity[:2]
        self._highest[place] = max(batch.seq, self._highest.get(place, -1))
        known = self.seen.payloads.setdefault(identity, payload)
        if known is not payload:
            self.seen.duplicates += 1
            if known != payload:
                self.seen.conflicts.append(identity)
        if not self.silent:
            self.acknowledge(batch.run_id, batch.kind)

    def acknowledge(self, run_id: str, kind: str) -> None:
        place = (run_id, kind)
        upto = self._upto.get(place, -1)
        while (run_id, kind, upto + 1) in self.seen.payloads:
            upto += 1
        self._upto[place] = upto
        missing = tuple(
            seq
            for seq in range(upto + 1, self._highest.get(place, -1))
            if (run_id, kind, seq) not in self.seen.payloads
        )
        self._client.publish(self._topics.ack, Ack(run_id, kind, upto, missing).to_json(), 1)
