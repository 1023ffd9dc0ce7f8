"""One broker, base, ingest and agent a test, all stopped at its end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.robot.harness import AgentProcess
from tests.support.counting_ingest import CountingIngest
from tests.support.mqtt_broker import BrokerProcess, start_amqtt
from tests.support.scripted_base import ScriptedBase


@dataclass
class Night:
    """Everything outside the agent, and the agent's process."""

    broker: BrokerProcess
    base: ScriptedBase
    agent: AgentProcess
    stack: ExitStack

    def ingest(self, **options: Any) -> CountingIngest:
        ingest = CountingIngest(self.broker.port, **options)
        self.stack.callback(ingest.close)
        return ingest


@pytest.fixture
def make_night(tmp_path: Path) -> Iterator[Callable[..., Night]]:
    with ExitStack() as stack:

        def make(start: Callable[[Path], BrokerProcess] = start_amqtt, **changes: Any) -> Night:
            broker = start(tmp_path)
            stack.callback(broker.close)
            base = ScriptedBase()
            stack.callback(base.close)
            agent = AgentProcess(tmp_path, broker.port, base.url, **changes)
            stack.callback(agent.close)
            return Night(broker, base, agent, stack)

        yield make
