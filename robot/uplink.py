"""The uplink: what waits in the spool goes to the broker, until ingest's watermark covers it.

One thread owns the MQTT client and its connection; a connection that breaks, or a client that behaves
oddly, is thrown away whole and a new one is made. A PUBACK only says that the broker has a message in
memory, so nothing is dropped on it: a batch stays in the spool, and is sent again on every new connection
and whenever ingest makes no progress, until an `ack` of ingest covers its number. MQTT 3.1.1 with clean
sessions is enough for that, and every broker speaks it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from recording import PayloadError
from recording.topics import Ack, Status, Topics, encode_run
from robot.settings import UplinkTable, broker_address
from robot.spool import RunState, Spool, SpooledBatch

log = logging.getLogger("nightstack.robot")

_CONNECT_S: Final = 10.0
_PUBACK_S: Final = 30.0
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
_STUCK_TRIES: Final = 4
_PROBES: Final = 4

Key = tuple[str, str, int]


@dataclass(slots=True)
class _Sent:
    at: float
    tries: int


class UplinkOwner(Protocol):
    """What the uplink asks of a robot's settings, so that a recording can be played as if by one."""

    @property
    def site(self) -> str:
        """The site whose topics are used."""
        ...

    @property
    def robot(self) -> str:
        """The robot whose topics are used."""
        ...

    @property
    def broker(self) -> str:
        """The broker's URL."""
        ...

    @property
    def uplink(self) -> UplinkTable:
        """Batches, and how they are sent."""
        ...


class Uplink(threading.Thread):
    """Sends the spool to the broker for as long as it lives.

    Parameters
    ----------
    settings, spool
        Broker, names and waiting times; what is to be sent.
    status
        What the status topic says beside the state: run, progress ...
    clock
        Nanoseconds UTC, for the status.
    report
        Told of events worth keeping: kind and one sentence.
    """

    def __init__(
        self,
        settings: UplinkOwner,
        spool: Spool,
        *,
        status: Callable[[], dict[str, Any]],
        clock: Callable[[], int],
        report: Callable[[str, str], None],
    ) -> None:
        super().__init__(name="uplink", daemon=True)
        self.connected = threading.Event()
        self._settings = settings
        self._address = broker_address(settings.broker)
        self._topics = Topics(settings.site, settings.robot)
        self._spool = spool
        self._status = status
        self._clock = clock
        self._report = report
        self._ending = threading.Event()
        self._goodbye = "offline"

    def stop(self, timeout_s: float = 5.0) -> None:
        """Say `offline`, disconnect and end the thread."""
        self._ending.set()
        self.join(timeout_s)

    def run(self) -> None:
        """Connect, send, and connect again; whatever happens, until `stop`."""
        failures = 0
        while not self._ending.is_set():
            began = time.monotonic()
            was_connected = False
            try:
                _Connection(self).serve()
            except Exception as error:  # a broken link or client must never end the uplink
                was_connected = self.connected.is_set()
                why = f"{self._address}: {error or type(error).__name__}"
                if was_connected or failures == 0:
                    self._report("broker_gone", f"{why}; batches wait in the spool")
                log.warning("uplink: %s", why)
            self.connected.clear()
            failures = 0 if was_connected or time.monotonic() - began > 60 else failures + 1
            self._ending.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])


class _Connection:
    """One client and one connection, from connect to its end."""

    def __init__(self, owner: Uplink) -> None:
        self._owner = owner
        self._spool = owner._spool
        self._topics = owner._topics
        self._settings = owner._settings.uplink
        self._in_flight: dict[Key, _Sent] = {}
        self._last_id = 0
        self._announced: set[str] = set()
        self._end_mids: dict[int, str] = {}
        self._end_sent: dict[str, float] = {}
        self._end_acked: set[str] = set()
        self._watermarks: dict[tuple[str, str], int] = {}
        self._wanted: dict[tuple[str, str], tuple[int, ...]] = {}
        self._progressed: dict[tuple[str, str], float] = {}
        self._newest_covered = 0.0
        self._last_ack = -1e9
        self._unacked: dict[int, float] = {}
        self._runs: dict[str, RunState] = {}
        self._next: dict[str, float] = {"runs": 0.0, "status": 0.0, "overdue": 0.0}
        self._ready = False
        self._failure = ""

        settings = owner._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"nightstack-{settings.site}-{settings.robot}",
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        client.connect_timeout = 5.0
        client.max_inflight_messages_set(100)
        if owner._address.user is not None:
            client.username_pw_set(owner._address.user, owner._address.password)
        if owner._address.tls:
            client.tls_set(ca_certs=str(self._settings.ca_file) if self._settings.ca_file else None)
        client.will_set(self._topics.status, self._status_payload("offline"), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        self._client = client

    # The callbacks run inside `loop`, in the uplink's thread; an exception in one of them must not leave it.

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._failure = f"the broker refuses: {reason}"
            return
        result, _ = client.subscribe(self._topics.ack, qos=1)
        if result is not mqtt.MQTT_ERR_SUCCESS:
            self._failure = f"cannot subscribe: {mqtt.error_string(result)}"

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any
    ) -> None:
        # Without acks nothing would ever leave the spool, and nobody would know why.
        if any(reason.is_failure for reason in reasons):
            self._failure = (
                f"the broker lets nobody of this name read {self._topics.ack}: allow it in its rules"
            )
        else:
            self._ready = True

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic != self._topics.ack:
            return  # a broker may hand a resumed session what it kept of others
        try:
            ack = Ack.from_json(bytes(message.payload), message.topic)
        except PayloadError as error:
            log.warning("uplink: ack not understood: %s", error)
            return
        except Exception as error:
            log.warning("uplink: ack not understood: %r", error)
            return
        self._last_ack = time.monotonic()
        place = (ack.run_id, ack.kind)
        # The watermark never falls; what is missing, the last word counts.
        self._watermarks[place] = max(ack.upto, self._watermarks.get(place, -1))
        self._wanted[place] = ack.missing[: self._settings.window]

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._unacked.pop(mid, None)
        run_id = self._end_mids.pop(mid, None)
        if run_id is not None:
            self._end_acked.add(run_id)

    def serve(self) -> None:
        """Work until the owner ends; raises when the connection is over."""
        address = self._owner._address
        try:
            self._client.connect(address.host, address.port, keepalive=self._settings.keepalive_s)
            until = time.monotonic() + _CONNECT_S
            while not self._ready:
                self._loop(0.1)
                if time.monotonic() > until:
                    raise OSError(f"no answer to CONNECT and SUBSCRIBE within {_CONNECT_S:g} s")
            if not self._owner.connected.is_set():
                self._owner.connected.set()
                self._owner._report("broker_connected", f"{address}: {self._spool.waiting()} batches wait")
            while not self._owner._ending.is_set():
                self._loop(0.02 if self._work() else 0.1)
            self._say_goodbye()
        finally:
            client = self._client
            client.on_message = None
            client.disconnect()
            # A ring of references would keep the client's sockets open until the collector passes by.
            client.on_connect = client.on_subscribe = client.on_publish = None

    def _loop(self, timeout_s: float) -> None:
        result = self._client.loop(timeout_s)
        if self._failure:
            raise OSError(self._failure)
        if result is not mqtt.MQTT_ERR_SUCCESS:
            raise OSError(mqtt.error_string(result))

    def _work(self) -> bool:
        """Do what is due; return whether there is more to do at once."""
        now = time.monotonic()
        self._apply_acks(now)
        if self._due("runs", now, 0.25):
            self._runs = {run.info.run_id: run for run in self._spool.runs()}
            self._publish_ends(now)
        busy = self._fill_window(now)
        if self._due("overdue", now, 0.2):
            self._send_overdue(now)
        if self._due("status", now, self._settings.status_s):
            self._publish(self._topics.status, self._status_payload("online"), retain=True)
        if self._unacked and now - min(self._unacked.values()) > _PUBACK_S:
            raise OSError(f"the broker has acknowledged nothing for {_PUBACK_S:g} s")
        return busy

    def _due(self, what: str, now: float, every_s: float) -> bool:
        if now < self._next[what]:
            return False
        self._next[what] = now + every_s
        return True

    def _apply_acks(self, now: float) -> None:
        marks, self._watermarks = self._watermarks, {}
        for (run_id, kind), upto in marks.items():
            if self._spool.drop(run_id, kind, upto):
                self._progressed[run_id, kind] = now
                covered = [key for key in self._in_flight if key[:2] == (run_id, kind) and key[2] <= upto]
                for key in covered:
                    self._newest_covered = max(self._newest_covered, self._in_flight.pop(key).at)
        wanted, self._wanted = self._wanted, {}
        for key in [(*place, seq) for place, missing in wanted.items() for seq in missing]:
            sent = self._in_flight.get(key)
            # A batch that is on its way crosses with the question for it; asking again after a second counts.
            if sent is not None and now - sent.at > 1.0:
                self._resend(key, now)
            elif sent is None and key[0] in self._runs:
                self._check_gone(key)

    def _check_gone(self, key: Key) -> None:
        run_id, kind, seq = key
        made = self._runs[run_id].batches.get(kind, 0)
        if seq < made and self._spool.get(run_id, kind, seq) is None:
            self._owner._report(
                "batch_gone", f"ingest asks for {kind} {seq} of {run_id}, which it had acknowledged"
            )

    def _fill_window(self, now: float) -> bool:
        stuck = sum(sent.tries >= _STUCK_TRIES for sent in self._in_flight.values())
        room = self._settings.window - (len(self._in_flight) - stuck)
        if room <= 0:
            return False
        batches = self._spool.after(self._last_id, min(room, 50))
        for batch in batches:
            self._send(batch, _Sent(now, 0))
            self._last_id = batch.id
        return bool(batches)

    def _send_overdue(self, now: float) -> None:
        wait = self._settings.ack_timeout_s
        # Overdue is what has waited its time while its kind came no further, or while something that was sent much
        # later has arrived: the broker keeps the order, so this one was lost.
        overdue = [
            key
            for key, sent in self._in_flight.items()
            if now - sent.at > wait
            and (now - self._progressed.get(key[:2], 0.0) > wait or sent.at < self._newest_covered - wait / 2)
        ]
        heard = now - self._last_ack < wait
        # Nobody takes anything: a few batches are enough to find out when somebody is there again.
        for key in overdue if heard else overdue[:_PROBES]:
            if heard:
                self._in_flight[key].tries += 1
            self._resend(key, now)

    def _resend(self, key: Key, now: float) -> None:
        batch = self._spool.get(*key)
        if batch is None:
            self._in_flight.pop(key, None)
            return
        self._send(batch, _Sent(now, self._in_flight[key].tries))

    def _send(self, batch: SpooledBatch, sent: _Sent) -> None:
        if batch.run_id not in self._announced:
            self._announce(batch.run_id)
        self._publish(self._topics.topic(batch.kind), batch.payload)
        self._in_flight[batch.run_id, batch.kind, batch.seq] = sent

    def _announce(self, run_id: str) -> None:
        if run_id not in self._runs:
            self._runs = {run.info.run_id: run for run in self._spool.runs()}
        run = self._runs.get(run_id)
        if run is not None:
            self._publish(self._topics.run, encode_run(run.info), retain=True)
            self._announced.add(run_id)

    def _publish_ends(self, now: float) -> None:
        for run_id, run in self._runs.items():
            if run.reason is None:
                if run_id not in self._announced:
                    self._announce(run_id)
                continue
            if run_id in self._end_acked and self._spool.forget(run_id):
                continue
            if now - self._end_sent.get(run_id, -1e9) > self._settings.ack_timeout_s:
                if run_id not in self._announced:
                    self._announce(run_id)
                # Retained as well: an ingest that comes after the agent has gone still learns of the end.
                mid = self._publish(self._topics.end, run.end().to_json(), retain=True)
                self._end_mids[mid] = run_id
                self._end_sent[run_id] = now

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc is not mqtt.MQTT_ERR_SUCCESS:
            raise OSError(mqtt.error_string(info.rc))
        self._unacked[info.mid] = time.monotonic()
        return info.mid

    def _status_payload(self, state: str) -> bytes:
        extra = self._owner._status()
        return Status(state, extra.pop("run_id", None), self._owner._clock(), extra).to_json()

    def _say_goodbye(self) -> None:
        self._apply_acks(time.monotonic())
        self._publish(self._topics.status, self._status_payload("offline"), retain=True)
        until = time.monotonic() + 2.0
        while self._unacked and time.monotonic() < until:
            self._loop(0.05)
