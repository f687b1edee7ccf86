"""The strategy: places and cancels on both markets, and asks again with the same ids until it is answered."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random  # noqa: TID251 - what happens comes from a seed
from typing import Any, Final

import oms
from oms.client import Client, ClientError, RefusedError
from tests.chaos.figures import Figures
from tests.chaos.stage import Stage

HANDS: Final = 8  # that work at once, each doing one thing after the other
PACE_SECONDS: Final = 0.25  # between two things a hand does: the venue takes twenty submits a second
RESTING_MAX: Final = 10  # orders that a hand leaves lying; the oldest goes for a new one
ANSWER_SECONDS: Final = 2.0
FAR: Final = "30000"  # nobody sells bitcoin at half its price

SPOT: Final[dict[str, Any]] = {"symbol": "BTC/USDT"}
PERPETUAL: Final[dict[str, Any]] = {"symbol": "BTC/USDT:USDT", "position_leg": "long", "quantity": "1"}
RESTING: Final[tuple[dict[str, Any], ...]] = (
    SPOT | {"side": "buy", "type": "limit", "quantity": "0.001", "price": FAR},
    PERPETUAL | {"side": "buy", "type": "limit", "price": FAR},
)
TAKING: Final[tuple[dict[str, Any], ...]] = (
    SPOT | {"side": "buy", "type": "market", "notional": "20"},
    SPOT | {"side": "sell", "type": "market", "quantity": "0.0003"},
    PERPETUAL | {"side": "buy", "type": "market"},
    PERPETUAL | {"side": "sell", "type": "market", "reduce_only": True},
)


class Strategy:
    """Whoever trades meanwhile."""

    def __init__(self, stage: Stage, dice: Random) -> None:
        self.acknowledged: set[str] = set()
        self._stage = stage
        self._dice = dice
        self._count = 0
        self._answered = asyncio.Event()

    async def trade(self, over: asyncio.Event) -> None:
        """Work with all hands until it is over and everything asked for is answered."""
        async with asyncio.TaskGroup() as hands:
            for _ in range(HANDS):
                hands.create_task(self._work(over))

    async def until_acknowledged(self, seconds: float) -> None:
        """Return once the next order is acknowledged; raises TimeoutError."""
        self._answered.clear()
        await asyncio.wait_for(self._answered.wait(), seconds)

    @property
    def figures(self) -> Figures:
        return self._stage.figures

    async def _work(self, over: asyncio.Event) -> None:
        resting: deque[str] = deque()
        while not over.is_set():
            rests = self._dice.random() < 0.6
            name = await self._place(self._dice.choice(RESTING if rests else TAKING))
            if rests:
                resting.append(name)
            while resting and (len(resting) > RESTING_MAX or self._dice.random() < 0.6):
                await self._cancel(resting.popleft())

    async def _place(self, order: dict[str, Any]) -> str:
        self._count += 1
        name, tries = f"c{self._count}", 0

        async def ask(client: Client) -> None:
            await client.place(**order, client_order_id=name)
            self.acknowledged.add(name)
            self._answered.set()

        while not await self._ask(ask):
            tries += 1
        self.figures.repeated += tries > 0
        self.figures.acknowledged = len(self.acknowledged)
        return name

    async def _cancel(self, name: str) -> None:
        async def ask(client: Client) -> None:
            await client.cancel(name)

        while not await self._ask(ask):  # whoever lets one lie soon has more open than the venue lists
            continue

    async def _ask(self, ask: Callable[[Client], Awaitable[None]]) -> bool:
        """Ask once; whether there was an answer for good."""
        try:
            async with oms.connect(self._stage.gateway, token=self._stage.token, timeout=ANSWER_SECONDS) as client:
                await ask(client)
        except RefusedError as refused:
            return not refused.retryable
        except (ClientError, OSError):
            return False
        finally:
            await asyncio.sleep(PACE_SECONDS * self._dice.uniform(0.5, 1.5))
        return True
