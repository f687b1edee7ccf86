"""A whole gateway over loopback: a real engine on the log in memory, and read models folded from it."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.house import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House.opened() as opened:
        yield opened
