"""The MQTT side: messages in, and out to the robots what has been stored.

A message is acknowledged to the broker (PUBACK) and to its robot (`ack`) only after the transaction that
stored it is committed. What is lost in between - this process, the broker, the network - the robot sends
again, because its spool gives up a batch only when a watermark covers it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy.exc import InterfaceError, OperationalError

from cloud_ingest.messages import Arrival, Sender
from cloud_ingest.settings import BrokerAddress, ServeSettings
from cloud_ingest.store import Outcome, Store
from recording.topics import SUBSCRIPTION, Ack, Topics

_LOG = logging.getLogger(__name__)
_KEEPALIVE_S = 30
_WAITING = 2000  # messages between the network and the database; a robot's batch is some 25 KB
_GROUP_BYTES = 16 << 20
_FULL_S = 20.0
_RETRY_S = (0.2, 5.0)
_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Waiting:
    connection: int
    mid: int
    qos: int
    arrival: Arrival


class Consumer:
    """Receives from a broker, stores through a `Store`, acknowledges.

    Parameters
    ----------
    store
        Where messages go.
    settings
        Client id, certificate authority, size of a group.
    broker
        URL of the broker.
    clock
        Nanoseconds UTC.
    """

    def __init__(
        self, store: Store, settings: ServeSettings, broker: str, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._store = store
        self._group = settings.group_messages
        self._clock = clock
        self._address = BrokerAddress.from_url(broker)
        self._queue: queue.Queue[_Waiting] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._stopped_taking = threading.Event()
        self._lost = False
        self._connection = 0
        self._connected_at: int | None = None
        self._subscribed = threading.Event()
        self.problem: str | None = "not connected yet"
        self.dropped = 0
        self._client = self._make_client(settings)
        self._network = threading.Thread(target=self._run_network, name="mqtt", daemon=True)
        self._writer = threading.Thread(target=self._run_writer, name="ingest", daemon=True)

    @property
    def connected_at(self) -> int | None:
        """Since when messages have been coming in, nanoseconds UTC; None: they are not."""
        return self._connected_at

    @property
    def broker(self) -> str:
        """The broker's URL without user and password."""
        return str(self._address)

    @property
    def alive(self) -> bool:
        """Whether both threads run."""
        return self._network.is_alive() and self._writer.is_alive()

    @property
    def backlog(self) -> int:
        """Messages received and not stored yet."""
        return self._queue.qsize()

    def start(self) -> None:
        """Connect in the background, and again whenever the broker is gone."""
        self._client.connect_async(self._address.host, self._address.port, keepalive=_KEEPALIVE_S)
        self._writer.start()
        self._network.start()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has taken the subscription."""
        return self._subscribed.wait(timeout_s)

    def stop(self) -> None:
        """Take no more, store and acknowledge what has been received, disconnect."""
        self._stopped_taking.set()
        self._stop.set()
        if self._writer.ident is not None:
            self._writer.join(30.0)
        self._client.disconnect()
        if self._network.ident is not None:
            self._network.join(10.0)

    def publish(self, acks: Sequence[tuple[Sender, Ack]]) -> None:
        """Tell robots what is stored. Nothing waits for it: a lost one is said again."""
        if self._connected_at is None:
            return
        for sender, ack in acks:
            self._client.publish(Topics(sender.site, sender.robot).ack, ack.to_json(), qos=1)

    def _make_client(self, settings: ServeSettings) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or "",
            clean_session=settings.client_id is None,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        client.reconnect_delay_set(1, 10)
        client.max_inflight_messages_set(1000)
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.tls:
            client.tls_set(ca_certs=None if settings.broker_ca is None else str(settings.broker_ca))
        client.on_connect = _guarded(self._on_connect)
        client.on_disconnect = _guarded(self._on_disconnect)
        client.on_subscribe = _guarded(self._on_subscribe)
        client.on_message = _guarded(self._on_message)
        return client

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, code: Any, _props: object
    ) -> None:
        if code.is_failure:
            self.problem = f"broker {self._address} refuses: {code}; check user, password and its access list"
            _LOG.error("%s", self.problem)
            return
        self._connection += 1
        client.subscribe(SUBSCRIPTION, qos=1)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: Any, _props: object
    ) -> None:
        if any(code.is_failure for code in codes):
            self.problem = (
                f"broker {self._address} refuses the subscription to {SUBSCRIPTION}; check its access list"
            )
            _LOG.error("%s", self.problem)
            return
        # The first time goes without saying: the service says what it listens on.
        _LOG.log(logging.INFO if self._lost else logging.DEBUG, "connected to %s", self._address)
        self._lost = False
        self.problem = None
        self._connected_at = self._clock()
        self._subscribed.set()

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, _flags: object, code: Any, _props: object
    ) -> None:
        self._connected_at = None
        self._subscribed.clear()
        if not self._stop.is_set():
            self._lost = True
            self.problem = f"broker {self._address} is gone ({code}); reconnecting"
            _LOG.warning("%s", self.problem)

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        if self._stopped_taking.is_set():
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        arrival = Arrival(topic, bytes(message.payload), self._clock(), bool(message.retain))
        try:
            self._queue.put(_Waiting(self._connection, message.mid, message.qos, arrival), timeout=_FULL_S)
        except queue.Full:
            # Not stored and not acknowledged: its robot sends it again.
            self.dropped += 1
            _LOG.error(
                "the database has not kept up for %.0f s; a message on %s waits at its robot", _FULL_S, topic
            )

    def _run_network(self) -> None:
        while not self._stop.is_set():
            try:
                self._client.loop_forever(retry_first_connection=True)
            except Exception:
                _LOG.exception("the connection to the broker failed in an unforeseen way; starting it again")
            if not self._stop.is_set():
                self._connected_at = None
                time.sleep(_RETRY_S[0])

    def _run_writer(self) -> None:
        while True:
            group = self._next_group()
            if group:
                try:
                    self._store_group(group)
                except Exception:
                    # Not acknowledged, so it comes again; this thread must outlive it.
                    _LOG.exception(
                        "unforeseen while storing %d messages; their robots send them again", len(group)
                    )
            elif self._stop.is_set():
                return

    def _next_group(self) -> list[_Waiting]:
        try:
            group = [self._queue.get(timeout=0.1)]
        except queue.Empty:
            return []
        size = len(group[0].arrival.payload)
        while len(group) < self._group and size < _GROUP_BYTES:
            try:
                group.append(self._queue.get_nowait())
            except queue.Empty:
                break
            size += len(group[-1].arrival.payload)
        return group

    def _store_group(self, group: Sequence[_Waiting]) -> None:
        wait_s, tries = _RETRY_S[0], 0
        while True:
            try:
                outcome = self._store.accept([waiting.arrival for waiting in group])
                break
            except Exception as err:
                tries += 1
                _LOG.error("could not store %d messages: %s", len(group), _first_line(err))
                if tries >= _TRIES and not isinstance(err, OperationalError | InterfaceError):
                    # Something in one of them: the others must not wait for it.
                    if len(group) > 1:
                        for waiting in group:
                            self._store_group([waiting])
                        return
                    outcome = self._put_aside(group[0], err)
                    if outcome is not None:
                        break
                if self._stop.is_set() and tries >= _TRIES:
                    return
                self._stop.wait(wait_s)
                wait_s = min(2 * wait_s, _RETRY_S[1])
        self._acknowledge(group, outcome)

    def _put_aside(self, waiting: _Waiting, err: Exception) -> Outcome | None:
        try:
            return self._store.reject(waiting.arrival, f"could not be stored: {_first_line(err)}")
        except Exception:
            _LOG.exception("could not quarantine a message; trying again")
            return None

    def _acknowledge(self, group: Sequence[_Waiting], outcome: Outcome) -> None:
        for waiting in group:
            # A message of an earlier connection was forgotten with it; its number may mean another one now.
            if waiting.qos > 0 and waiting.connection == self._connection:
                self._client.ack(waiting.mid, waiting.qos)
        self.publish(outcome.acks)


def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Keep an exception from ending the client's network thread, which would go unnoticed."""

    def call(*args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            _LOG.exception("unforeseen in %s", callback.__name__)

    return call


def _first_line(err: Exception) -> str:
    return (str(err).strip() or type(err).__name__).splitlines()[0][:300]
