"""Whose account it is: what he does at the venue without the OMS, and what he says to it about halts and breaks."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from math import exp, log
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from oms.account.state import HaltTrading, ResumeTrading
from oms.book import Book
from oms.breaks.decisions import ResolveBreak
from oms.breaks.events import BreakKind
from oms.breaks.state import Break
from oms.decide import Command
from oms.order.messages import CancelOrder, ClaimOrder
from oms.order.state import EXTERNAL
from oms.position.claims import ClaimShare
from oms.sums import leg_of, symbol_of, traded
from oms.values import AccountId
from tests.simulation.futures_people import NAMES
from tests.simulation.scenes import Scene

BEFORE_RATE: Final = 0.15  # worlds in which he traded before there was an OMS
BEFORE_ACTS: Final = 8  # that often at most
BEFORE_SECONDS: Final = 3.0  # for so long at most before the first start; the rest of it comes while that goes on
BEFORE_PAUSE_SECONDS: Final = (0.05, 0.8)
LONG_BEFORE_RATE: Final = 0.06  # worlds in which he traded for hours by then, and left orders open
LONG_BEFORE_ACTS: Final = (3, 60)
LONG_BEFORE_HOURS: Final = (0.1, 150.0)  # within the week of which a first start reads the ledger
LONG_BEFORE_TRADES: Final = 6  # that often at most somebody trades with him after each act
OUTAGE_RATE: Final = 0.1  # worlds in which nobody starts the OMS again for hours, once
OUTAGE_HOURS: Final = (0.05, 60.0)
OUTAGE_ACTS: Final = (0, 40)
OUTAGE_HAND_RATE: Final = 0.2  # of those: his
STRUCK_RATE: Final = 0.5  # of those: in which coming up for the first time is as hard as everything else
MONEY_RATE: Final = 0.15  # worlds in which he brings money in, or takes some out
MONEY_ACTS: Final = 3  # that often at most
CLAIM_RATE: Final = 0.5  # worlds in which he gives strategies what is nobody's, and may have it canceled then
CLAIM_ACTS: Final = 4  # that often at most
HALT_RATE: Final = 0.3  # worlds in which he halts trading for a while
ORDERS_RATE: Final = 0.7  # claims of orders, where there are any
ENDED_RATE: Final = 0.5  # of those: canceled then
PATIENCE_SECONDS: Final = (0.5, 10.0)  # for which a break is open before he ends it
LOOK_SECONDS: Final = 1.0


class Owner:
    """One account's. `now_ms` is UTC; `give` brings a command to the OMS that runs now; whether it was taken."""

    def __init__(
        self,
        account: AccountId,
        scene: Scene,
        *,
        dice_for: Callable[[str], Random],
        now_ms: Callable[[], int],
        give: Callable[[Command], Awaitable[bool]],
        without: Collection[str],
    ) -> None:
        self._account = account
        self._scene = scene
        self._now_ms = now_ms
        self._give = give
        self._before, self._money, self._halts = dice_for("before"), dice_for("money"), dice_for("operator")
        self.traded_before = self._before.random() < BEFORE_RATE and "before" not in without
        self.struck_before = self.traded_before and self._before.random() < STRUCK_RATE
        self._outages = dice_for("outage")
        away = self._outages.random() < OUTAGE_RATE and "outage" not in without
        self.hours_away = exp(self._outages.uniform(*map(log, OUTAGE_HOURS))) if away else 0.0
        self._long_before = dice_for("long before")
        self.traded_long_before = self._long_before.random() < LONG_BEFORE_RATE and "long before" not in without
        # What was taken back shows as a difference until it is proven: nobody ends that one meanwhile.
        moves = self._money.random() < MONEY_RATE and "money" not in without
        self.moves_money = moves and not scene.taken_back
        self._claims = dice_for("claims")
        self._claiming = self._claims.random() < CLAIM_RATE and "claim" not in without
        self._halting = self._halts.random() < HALT_RATE and "halt" not in without

    def trade_long_before(self, step: Callable[[int], None]) -> None:
        """Trade at the website, hours before there is an OMS, and so do others. `step` brings the venue to a time."""
        if not self.traded_long_before:
            return
        chances, scene = self._long_before, self._scene
        begun, until = self._now_ms() - round(chances.uniform(*LONG_BEFORE_HOURS) * 3_600_000), self._now_ms()
        for now_ms in _passing(chances, begun, until, LONG_BEFORE_ACTS, step):
            scene.by_hand(chances, self._account, now_ms)
            for _ in range(chances.randint(0, LONG_BEFORE_TRADES)):
                scene.trade(now_ms)

    def goes_on_alone(self, step: Callable[[int], None]) -> float:
        """Let hours pass at the venue from now on, once, in which others trade, and he may, as nothing of ours runs;
        return how many.
        """
        chances, scene, begun = self._outages, self._scene, self._now_ms()
        hours, self.hours_away = self.hours_away, 0.0
        if not hours:
            return hours
        until = begun + round(hours * 3_600_000)
        for now_ms in _passing(chances, begun, until, OUTAGE_ACTS, step):
            scene.trade(now_ms)
            if chances.random() < OUTAGE_HAND_RATE:
                scene.by_hand(chances, self._account, now_ms)
        return hours

    async def trade_before(self) -> None:
        """Trade at the website, without any OMS at first."""
        for _ in range(self._before.randint(1, BEFORE_ACTS)):
            self._scene.by_hand(self._before, self._account, self._now_ms())
            await asyncio.sleep(self._before.uniform(*BEFORE_PAUSE_SECONDS))

    async def start_after(self) -> None:
        """Wait until the OMS is first started."""
        if self.traded_before:
            await asyncio.sleep(self._before.uniform(0, BEFORE_SECONDS))

    async def move_money(self, seconds: float) -> None:
        """Bring money in or take it out, within `seconds`."""
        if self.moves_money:
            for _ in range(self._money.randint(1, MONEY_ACTS)):
                await asyncio.sleep(self._money.uniform(0, seconds / MONEY_ACTS))
                self._scene.move_money(self._money, self._account, self._now_ms())

    async def look_after(self, breaks: Callable[[], Iterable[Break]]) -> None:
        """End every break of a balance that has been open for a while: the venue's figure is right."""
        ends: dict[str, float] = {}
        while self.moves_money:
            await asyncio.sleep(LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            there = [each.break_id for each in breaks() if each.kind is BreakKind.BALANCE]
            ends = {name: ends.get(name) or now + self._money.uniform(*PATIENCE_SECONDS) for name in there}
            for name in there:
                if now >= ends[name]:
                    await self._give(ResolveBreak(account=self._account, break_id=name, reason="money was moved"))

    async def claim(self, seconds: float, book: Callable[[], Book | None]) -> None:
        """Give a strategy orders of his own, and shares of perpetuals, within `seconds`; and end some of the orders."""
        chances = self._claims
        for number in range(chances.randint(1, CLAIM_ACTS) if self._claiming else 0):
            await asyncio.sleep(chances.uniform(0, seconds / CLAIM_ACTS))
            known = book()
            if known is None:
                continue
            strategy = chances.choice(NAMES)
            names = sorted(
                order.request.client_order_id
                for order in known.orders.values()
                if order.request.strategy == EXTERNAL and not order.attempts
            )
            legs = [stream for stream in sorted(known.positions) if traded(stream).base is None]
            if names and chances.random() < ORDERS_RATE:
                name = chances.choice(names)
                claim = ClaimOrder(
                    account=self._account, client_order_id=name, strategy=strategy, reason="it is theirs"
                )
                if await self._give(claim) and chances.random() < ENDED_RATE:
                    await self._give(
                        CancelOrder(account=self._account, client_order_id=name, request_id=f"claimed{number}")
                    )
            elif legs:
                leg = chances.choice(legs)
                await self._give(
                    ClaimShare(
                        account=self._account,
                        symbol=symbol_of(leg),
                        position_leg=leg_of(leg),
                        request_id=f"share{number}",
                        strategy=strategy,
                        reason="theirs",
                    )
                )

    async def halt(self, seconds: float) -> None:
        """Halt trading for a while, within `seconds`."""
        if not self._halting:
            return
        await asyncio.sleep(self._halts.uniform(0, seconds / 2))
        halt = HaltTrading(account=self._account, reason="lunch", halt_id="h1")
        if await self._give(halt):
            await asyncio.sleep(self._halts.uniform(0, seconds / 2))
            resume = ResumeTrading(account=self._account, reason="lunch is over")
            while not await self._give(resume):  # noqa: ASYNC110 - until somebody takes it
                await asyncio.sleep(1.0)


def _passing(
    chances: Random, begun: int, until: int, acts: tuple[int, int], step: Callable[[int], None]
) -> Iterator[int]:
    """Bring the venue from `begun` to `until` (UTC ms), and yield at moments between, as many as `acts` leaves open."""
    for now_ms in sorted(chances.randrange(begun, until) for _ in range(chances.randint(*acts))):
        step(now_ms)
        yield now_ms
    step(until)
