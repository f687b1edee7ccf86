"""The perpetuals where everything goes wrong that can: what the adapter says is true, or it says nothing."""

import asyncio
import contextlib
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from adapters.bitmart.perp.translate import PLAN
from adapters.simulator.chance import Chance, chance
from adapters.simulator.faults import default_rates
from adapters.simulator.truth import futures_truth
from oms.reports import Ack, OrderReport, PositionReport, Refusal, RefusalClass, Report
from oms.values import Crossing, MarginMode, Side
from oms.venue import NewOrder, NoAnswerError, OrderRef, Trigger
from tests.adapters.bitmart.fakes import virtual
from tests.adapters.bitmart.perp.test_exchange import SINCE_MS, Market, Trader, patiently

ACTIONS = 80
STEP_MAX_MS = 400_000  # the venue's clock may have been off by five minutes when a trade was stamped
NO_EFFECT = (RefusalClass.CERTAIN, RefusalClass.TRANSIENT, RefusalClass.RATE_LIMIT, RefusalClass.AUTH)


class Life:
    """One trader's orders through the storm, each sent once, and what was answered."""

    def __init__(self, trader: Trader, draws: Chance) -> None:
        self.trader = trader
        self.sent: dict[str, tuple[NewOrder, Report | None]] = {}  # None: no answer
        self._draws = draws

    async def act(self) -> None:
        """Send an order, or cancel one."""
        if self._draws.random() < 0.7 or not self.sent:
            order = self._order()
            self.sent[order.client_order_id] = order, await self._submitted(order)
        else:
            name = list(self.sent)[self._draws.randint(0, len(self.sent) - 1)]
            with contextlib.suppress(NoAnswerError):
                await self.trader.venue.cancel(self.ref(name))

    async def _submitted(self, order: NewOrder) -> Report | None:
        try:
            (report,) = (await self.trader.venue.submit(order)).reports
        except NoAnswerError as error:
            if not error.sent:
                return Refusal(klass=RefusalClass.TRANSIENT, reason="not_sent")
            return None
        return report

    def ref(self, name: str) -> OrderRef:
        order, answer = self.sent[name]
        known = answer.venue_order_id if isinstance(answer, Ack) else None
        return OrderRef(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            venue_order_id=known,
            conditional=order.trigger is not None,
        )

    def _order(self) -> NewOrder:
        draws = self._draws
        side = Side.BUY if draws.random() < 0.5 else Side.SELL
        price = str(60_000 + draws.randint(-300, 300))
        match draws.randint(0, 3):
            case 0:
                return self.trader.order(side, draws.randint(1, 5))
            case 1:
                return self.trader.order(side, draws.randint(1, 5), price, post_only=draws.random() < 0.3)
            case 2:
                return self.trader.order(side, draws.randint(1, 5), price)
            case _:
                up = draws.random() < 0.5
                trigger = Trigger(
                    price=Decimal(60_000 + draws.randint(20, 300) * (1 if up else -1)),
                    when=Crossing.RISES_TO if up else Crossing.FALLS_TO,
                )
                backed = partial(self.trader.order, leverage=Decimal(10), margin_mode=MarginMode.CROSS)
                return backed(side, draws.randint(1, 5), trigger=trigger)


@pytest.mark.parametrize("seed", range(4))
@virtual
async def test_whatever_goes_wrong_what_is_said_is_true(seed: int) -> None:
    market = await Market.opened()
    ann = market.ann
    market.simulator.futures.traders.active = True
    market.simulator.spot.traders.active = True
    life = Life(ann, chance(seed, "life"))
    market.simulator.set_faults(seed=seed, rates=default_rates())
    for _ in range(ACTIONS):
        await life.act()
        await asyncio.sleep(0.5)
    market.simulator.set_faults(seed=seed, rates={})
    market.simulator.futures.traders.active = False
    market.simulator.spot.traders.active = False
    await asyncio.sleep(120)  # by then nothing that was delayed is still on its way
    truth: Mapping[str, Any] = futures_truth(market.simulator.futures.exchange, "ann")
    names = whose(truth, life)
    await check_orders(life, truth)
    answer = await patiently(lambda: asked(ann, market))
    told = {(each.exec_id, each.client_order_id, each.quantity) for each in answer.reports}
    assert told == {(t["trade_id"], names.get(t["order_id"]), Decimal(t["size"])) for t in truth["trades"]}
    held = sum(Decimal(p["size"]) * (1 if p["leg"] != "short" else -1) for p in truth["positions"])
    positions = (await ann.venue.positions()).reports
    legs = [p.quantity or Decimal(0) for p in positions if isinstance(p, PositionReport)]
    assert sum(abs(quantity) for quantity in legs) == abs(held)


async def asked(trader: Trader, market: Market) -> Any:
    until_ms = market.clock.now_ns() // 1_000_000 + STEP_MAX_MS
    answer = await trader.venue.trades(since_ms=SINCE_MS - STEP_MAX_MS, until_ms=until_ms)
    return answer if answer.complete else None


def whose(truth: Mapping[str, Any], life: Life) -> dict[str, str | None]:
    """Return by the venue's id whose each order is: ours, what a plan order of ours has sent, or nobody's."""
    plans = {str(r.venue_order_id): n for n, (_, r) in life.sent.items() if isinstance(r, Ack)}
    found: dict[str, str | None] = {}
    for order in truth["orders"]:
        name = order["client_order_id"]
        found[order["order_id"]] = plans.get(name.removeprefix(PLAN)) if name.startswith(PLAN) else name or None
    return found


async def check_orders(life: Life, truth: Mapping[str, Any]) -> None:
    orders = {order["client_order_id"]: order for order in truth["orders"]}
    for name, (order, answer) in life.sent.items():
        waits = order.trigger is not None
        there = orders.get(f"{PLAN}{answer.venue_order_id}" if waits and isinstance(answer, Ack) else name)
        if isinstance(answer, Refusal) and answer.klass in NO_EFFECT:
            assert there is None, f"{name} was refused, and is there"
            continue
        if waits and not isinstance(answer, Ack):
            continue  # nobody can tell: the venue keeps no name of it
        (report,) = await patiently(partial(found, life, name))
        if there is None:
            assert isinstance(report, Refusal) or waits, f"{name} is not there"
        else:
            assert isinstance(report, OrderReport), f"{name} is there"
            assert (report.client_order_id, report.venue_order_id) == (name, there["order_id"])
            assert report.cum_quantity == Decimal(there["filled"])


async def found(life: Life, name: str) -> Any:
    return (await life.trader.venue.order(life.ref(name))).reports
