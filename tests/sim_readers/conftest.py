import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a test's coroutine; nothing may take longer than half a minute."""

    def runner(work: Awaitable[Any]) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(work, 30)

        return asyncio.run(limited())

    return runner
