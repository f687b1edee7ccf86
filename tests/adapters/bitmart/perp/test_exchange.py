"""The perpetuals on the simulated exchange, over BitMart's wire: two accounts trade with each other, nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest

from adapters.bitmart.perp import requests
from adapters.bitmart.perp.venue import BitmartPerp, Endpoints
from adapters.bitmart.sign import Credentials
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping, now_ms
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.keys import demo_credentials
from oms.reports import (
    Ack,
    BalanceReport,
    LedgerReport,
    LeverageReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    Refusal,
    RefusalClass,
    Report,
    TradeReport,
)
from oms.values import (
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    Side,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import Amendment, NewOrder, NoAnswerError, OrderRef, Trigger
from tests.adapters.bitmart.fakes import EPOCH_NS, LoopClock, PlainIds, spawn, virtual
from tests.adapters.bitmart.perp.desk import BTC, with_

ENDPOINTS = Endpoints(
    rest="https://api-cloud-v2.bitmart.com", ws="wss://openapi-ws-v2.bitmart.com", time="https://api-cloud.bitmart.com"
)
BUY, SELL = Side.BUY, Side.SELL
NET, LONG, SHORT = PositionLeg.NET, PositionLeg.LONG, PositionLeg.SHORT
FUNDS = {"USDT": Decimal(1_000_000)}
SINCE_MS = EPOCH_NS // 1_000_000

Found = TypeVar("Found")


class Trader:
    """One account, and what its stream has told."""

    def __init__(self, name: str, simulator: Simulator, clock: LoopClock) -> None:
        self.name = name
        self._simulator = simulator
        self._clock = clock
        self._count = 0
        self.heard: list[Report] = []
        self.restart()
        spawn(self._listen(), name=name)

    def restart(self) -> None:
        """Begin with an empty memory."""
        own = demo_credentials(self.name, 0)
        self.venue = BitmartPerp(
            Credentials(own.key, own.secret, own.memo),
            ENDPOINTS,
            link=SimulatedLink(self._simulator, self._clock, chance(0, self.name)),
            clock=self._clock,
            ids=PlainIds(),
            spawn=spawn,
        )

    async def _listen(self) -> None:
        async for answer in self.venue.stream():
            self.heard.extend(answer.reports)

    def order(self, side: Side, quantity: int, price: str | None = None, **changes: object) -> NewOrder:
        """Return an order; without a price one at market."""
        self._count += 1
        order = NewOrder(
            client_order_id=ClientOrderId(f"{self.name}{self._count}"),
            symbol=BTC,
            side=side,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
        )
        return with_(order, **changes)

    async def send(self, order: NewOrder) -> OrderRef:
        """Send an order that the venue takes."""
        (ack,) = (await self.venue.submit(order)).reports
        assert isinstance(ack, Ack), ack
        return OrderRef(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            venue_order_id=ack.venue_order_id,
            conditional=order.trigger is not None,
        )

    async def shown(self, order: OrderRef) -> OrderReport:
        """Return the order as the venue shows it, once it does."""

        async def look() -> OrderReport | None:
            (report,) = (await self.venue.order(order)).reports
            return report if isinstance(report, OrderReport) else None

        return await patiently(look)

    async def ended(self, order: OrderRef, status: str) -> OrderReport:
        async def look() -> OrderReport | None:
            report = await self.shown(order)
            return report if report.status == status else None

        return await patiently(look)

    async def legs(self) -> dict[str, Decimal]:
        """Return what is held, by leg."""
        reports = (await self.venue.positions()).reports
        return {str(r.leg): r.quantity for r in reports if isinstance(r, PositionReport) and r.quantity}

    def pushed(self, kind: type[Report], name: str) -> list[Any]:
        return [r for r in self.heard if isinstance(r, kind) and getattr(r, "client_order_id", None) == name]


async def patiently(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Return what `look` finds within a minute; what cannot be told yet is asked again."""
    for _ in range(120):
        try:
            found = await look()
        except NoAnswerError:
            found = None
        if found:
            return found
        await asyncio.sleep(0.5)
    raise AssertionError("nothing within a minute")


class Market:
    """An exchange with two traders."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.simulator = Simulator(traders=False)
        for name in ("ann", "bob"):
            self.simulator.open_account(demo_credentials(name, 0), {}, FUNDS)
        spawn(keep_stepping(self.simulator, self.clock), name="steps")
        self.ann, self.bob = (Trader(name, self.simulator, self.clock) for name in ("ann", "bob"))

    @classmethod
    async def opened(cls, mode: PositionMode = PositionMode.ONE_WAY) -> "Market":
        """Return one whose first trader has that position mode; the second one nets."""
        market = cls()
        for trader, wanted in ((market.ann, mode), (market.bob, PositionMode.ONE_WAY)):
            (report,) = (await trader.venue.set_position_mode(wanted)).reports
            assert report == PositionModeReport(mode=wanted)
        await asyncio.sleep(1)
        return market

    def move(self, price: str) -> None:
        self.simulator.move_market("BTCUSDT", Decimal(price), now_ms(self.clock))


@virtual
async def test_a_limit_order_rests_is_changed_and_is_canceled() -> None:
    market = await Market.opened()
    ann = market.ann
    ref = await ann.send(ann.order(BUY, 5, "50000.0"))
    report = await ann.ended(ref, "new")
    assert (report.quantity, report.price, report.side) == (5, Decimal(50000), "buy")
    (ack,) = (await ann.venue.amend(Amendment(order=ref, price=Decimal(51000), quantity=Decimal(7)))).reports
    assert isinstance(ack, Ack)
    ref = with_(ref, venue_order_id=ack.venue_order_id)
    report = await ann.ended(ref, "new")
    assert (report.quantity, report.price) == (7, Decimal(51000))
    assert [r.client_order_id for r in (await ann.venue.open_orders()).reports] == [ref.client_order_id]  # type: ignore[union-attr]
    (ack,) = (await ann.venue.cancel(ref)).reports
    assert isinstance(ack, Ack)
    assert (await ann.ended(ref, "canceled")).cum_quantity == 0
    assert ann.pushed(OrderReport, ref.client_order_id)[-1].status == "canceled"


@virtual
async def test_a_match_is_heard_and_read_alike_and_costs_what_it_costs() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    before = await total(ann)
    rests = await bob.send(bob.order(SELL, 5, "60000.0"))
    takes = await ann.send(ann.order(BUY, 5))
    await ann.ended(takes, "filled")
    answer = await ann.venue.trades(since_ms=SINCE_MS, until_ms=now_ms(market.clock))
    (trade,) = answer.reports
    assert isinstance(trade, TradeReport)
    assert (trade.client_order_id, trade.quantity, trade.price) == (takes.client_order_id, 5, 60000)
    assert trade.commission == 60000 * 5 * Decimal("0.001") * Decimal("0.0006")
    assert (trade.commission_currency, trade.liquidity, answer.complete) == ("USDT", "taker", True)
    (pushed,) = ann.pushed(TradeReport, takes.client_order_id)
    assert (pushed.exec_id, pushed.commission) == (trade.exec_id, trade.commission)
    (made,) = (await bob.venue.order_trades(rests)).reports
    assert isinstance(made, TradeReport)
    assert (made.liquidity, made.client_order_id) == ("maker", rests.client_order_id)
    assert await ann.legs() == {"net": 5}
    assert await bob.legs() == {"net": -5}
    assert before - await total(ann) == trade.commission


async def total(trader: Trader) -> Decimal:
    balances = (await trader.venue.balances()).reports
    (usdt,) = (each for each in balances if isinstance(each, BalanceReport) and each.currency == "USDT")
    assert usdt.total is not None
    return usdt.total


@virtual
async def test_s23_closing_one_leg_leaves_the_other_alone() -> None:
    market = await Market.opened(PositionMode.HEDGE)
    ann, bob = market.ann, market.bob
    await bob.send(bob.order(SELL, 5, "60000.0"))
    await ann.ended(await ann.send(ann.order(BUY, 5, position_leg=LONG)), "filled")
    await bob.send(bob.order(BUY, 3, "59000.0"))
    await ann.ended(await ann.send(ann.order(SELL, 3, position_leg=SHORT)), "filled")
    assert await ann.legs() == {"long": 5, "short": 3}
    await bob.send(bob.order(BUY, 5, "59000.0"))
    close = await ann.send(ann.order(SELL, 2, position_leg=LONG))
    assert (await ann.ended(close, "filled")).effect == "close"
    assert await ann.legs() == {"long": 3, "short": 3}, "a part"
    await ann.ended(await ann.send(ann.order(SELL, 3, position_leg=LONG, reduce_only=True)), "filled")
    assert await ann.legs() == {"short": 3}
    await bob.send(bob.order(SELL, 3, "60000.0"))
    await ann.ended(await ann.send(ann.order(BUY, 3, position_leg=SHORT)), "filled")
    assert await ann.legs() == {}


# Mode, then orders "side leg quantity (r: reduce-only)", each with the code it leaves with and what is held after it.
LIVES = """
hedge    | buy long 5       1 long=5           | sell long 2     3 long=3          | sell long 3 r   3
hedge    | sell short 4     4 short=4          | buy short 1 r   2 short=3         | buy short 3     2
hedge    | buy long 2       1 long=2           | sell short 3    4 long=2 short=3  | buy short 3 r   2 long=2
one_way  | buy net 5        1 net=5            | sell net 2 r    3 net=3           | sell net 3      4
one_way  | sell net 4       4 net=-4           | buy net 1 r     2 net=-3          | buy net 5       1 net=2
one_way  | buy net 2        1 net=2            | sell net 5      4 net=-3          | buy net 3 r     2
"""


@pytest.mark.parametrize("line", LIVES.strip().splitlines())
@virtual
async def test_s23_open_part_close_flip_and_reduce_only_in_both_modes(line: str) -> None:
    mode, *steps = (part.split() for part in line.split("|"))
    market = await Market.opened(PositionMode(mode[0]))
    ann, bob = market.ann, market.bob
    for price in ("59000.0", "61000.0"):
        await bob.send(bob.order(BUY if price < "6" else SELL, 50, price))
    await asyncio.sleep(1)
    for side, leg, quantity, *rest in steps:
        reduce_only = rest[0] == "r"
        code, *held = rest[1:] if reduce_only else rest
        order = ann.order(Side(side), int(quantity), position_leg=PositionLeg(leg), reduce_only=reduce_only)
        assert requests.side_code(order, PositionMode(mode[0])) == int(code)
        report = await ann.ended(await ann.send(order), "filled")
        assert (report.side, report.position_leg) == (side, leg)
        assert await ann.legs() == {name: Decimal(size) for name, size in (each.split("=") for each in held)}


@pytest.mark.parametrize(("mode", "leg"), [(PositionMode.ONE_WAY, NET), (PositionMode.HEDGE, LONG)])
@virtual
async def test_s23_what_only_reduces_opens_nothing(mode: PositionMode, leg: PositionLeg) -> None:
    market = await Market.opened(mode)
    ann, bob = market.ann, market.bob
    await bob.ended(await bob.send(bob.order(BUY, 50, "59000.0")), "new")
    (refusal,) = (await ann.venue.submit(ann.order(SELL, 1, position_leg=leg, reduce_only=True))).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, "position")
    assert await ann.legs() == {}


@virtual
async def test_s24_the_mode_is_not_switched_under_open_orders_and_leverage_is_read_back() -> None:
    market = await Market.opened()
    ann = market.ann
    (report,) = (await ann.venue.set_leverage(BTC, Decimal(20), MarginMode.ISOLATED)).reports
    assert report == LeverageReport(symbol=BTC, leverage=Decimal(20), margin_mode=MarginMode.ISOLATED)
    ref = await ann.send(ann.order(BUY, 1, "50000.0"))
    await ann.ended(ref, "new")
    (refusal,) = (await ann.venue.set_position_mode(PositionMode.HEDGE)).reports
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "position_mode"
    assert (await ann.venue.positions()).reports[0] == PositionModeReport(mode=PositionMode.ONE_WAY)


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"time_in_force": TimeInForce.FOK}, "canceled"),
        ({"time_in_force": TimeInForce.IOC}, "canceled"),
        ({"post_only": True}, "canceled"),
        ({}, "partially_filled"),
    ],
)
@virtual
async def test_trap_9_20_s33_what_each_kind_of_limit_order_becomes_where_it_crosses_half(
    changes: dict[str, object], ends: str
) -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await bob.ended(await bob.send(bob.order(SELL, 2, "60000.0")), "new")
    ref = await ann.send(ann.order(BUY, 4, "60000.0", **changes))
    report = await ann.ended(ref, ends)
    expected = 2 if ends == "partially_filled" or changes.get("time_in_force") is TimeInForce.IOC else 0
    assert report.cum_quantity == expected


@virtual
async def test_s29_a_plan_order_fires_and_its_fills_are_ours() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await ann.venue.set_leverage(BTC, Decimal(10), MarginMode.CROSS)
    market.move("60000")
    trigger = Trigger(price=Decimal(61000), when=Crossing.RISES_TO)
    ref = await ann.send(ann.order(BUY, 2, "63000.0", trigger=trigger))
    assert (await ann.ended(ref, "new")).trigger_price == 61000
    await bob.ended(await bob.send(bob.order(SELL, 2, "61500.0")), "new")
    market.move("61200")
    report = await ann.ended(ref, "filled")
    assert (report.client_order_id, report.triggered_by) == (ref.client_order_id, ref.venue_order_id)
    assert report.venue_order_id != ref.venue_order_id
    traded = (await ann.venue.trades(since_ms=SINCE_MS, until_ms=now_ms(market.clock))).reports
    assert [r.client_order_id for r in traded] == [ref.client_order_id] * len(traded)  # type: ignore[union-attr]
    assert sum(r.quantity for r in traded if isinstance(r, TradeReport)) == 2
    told = [r for r in ann.heard if isinstance(r, OrderReport | TradeReport)]
    named = {
        r.client_order_id for r in told if r.venue_order_id != ref.venue_order_id
    }  # a plan's push may outrun its answer
    assert named == {ref.client_order_id}
    statuses = [r.status for r in ann.pushed(OrderReport, ref.client_order_id)]
    assert "canceled" not in statuses
    assert statuses[-1] == "filled"


@virtual
async def test_what_an_order_waits_for_is_changed_and_it_fires_at_the_new_price() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await ann.venue.set_leverage(BTC, Decimal(10), MarginMode.CROSS)
    market.move("60000")
    order = ann.order(BUY, 2, "63000.0", trigger=Trigger(price=Decimal(60500), when=Crossing.RISES_TO))
    ref = await ann.send(order)
    later = msgspec.structs.replace(order, trigger=Trigger(price=Decimal(61000), when=Crossing.RISES_TO))
    (ack,) = (await ann.venue.amend(Amendment(order=ref, waiting=later))).reports
    assert isinstance(ack, Ack)
    assert (await ann.ended(ref, "new")).trigger_price == 61000
    market.move("60800")
    await asyncio.sleep(15)
    assert (await ann.shown(ref)).status == "new", "the old price fires nothing"
    await bob.ended(await bob.send(bob.order(SELL, 2, "61500.0")), "new")
    market.move("61200")
    await ann.ended(ref, "filled")
    stop = ann.order(SELL, 2, reduce_only=True, trigger=Trigger(price=Decimal(59000), when=Crossing.FALLS_TO))
    placed = await ann.send(stop)
    tighter = msgspec.structs.replace(stop, trigger=Trigger(price=Decimal(60000), when=Crossing.FALLS_TO))
    (ack,) = (await ann.venue.amend(Amendment(order=placed, waiting=tighter))).reports
    assert isinstance(ack, Ack)
    assert (await ann.ended(placed, "new")).trigger_price == 60000


@virtual
async def test_a_plan_order_that_is_canceled_is_canceled_and_not_lost() -> None:
    market = await Market.opened()
    ann = market.ann
    await ann.venue.set_leverage(BTC, Decimal(10), MarginMode.CROSS)
    trigger = Trigger(price=Decimal(50000), when=Crossing.FALLS_TO)
    ref = await ann.send(ann.order(BUY, 2, "49000.0", trigger=trigger))
    await ann.ended(ref, "new")
    (ack,) = (await ann.venue.cancel(ref)).reports
    assert isinstance(ack, Ack)
    assert (await ann.ended(ref, "canceled")).client_order_id == ref.client_order_id


@virtual
async def test_what_protects_a_position_closes_it_and_a_trailing_order_follows() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    market.move("60000")
    await bob.send(bob.order(SELL, 6, "60000.5"))
    await ann.ended(await ann.send(ann.order(BUY, 6, "60000.5")), "filled")
    stop = await ann.send(
        ann.order(SELL, 2, reduce_only=True, trigger=Trigger(price=Decimal(59000), when=Crossing.FALLS_TO))
    )
    take = await ann.send(
        ann.order(SELL, 3, reduce_only=True, trigger=Trigger(price=Decimal(61000), when=Crossing.RISES_TO))
    )
    opened = await ann.venue.open_orders()
    assert {r.client_order_id for r in opened.reports} == {stop.client_order_id, take.client_order_id}  # type: ignore[union-attr]
    await bob.ended(await bob.send(bob.order(BUY, 50, "61000.0")), "new")
    market.move("61100")
    await ann.ended(take, "filled")
    assert await ann.legs() == {"net": 3}
    follow = await ann.send(
        ann.order(
            SELL,
            1,
            reduce_only=True,
            leverage=Decimal(10),
            margin_mode=MarginMode.CROSS,
            trigger=Trigger(price=Decimal(61500), when=Crossing.RISES_TO, callback_rate=Decimal("0.01")),
        )
    )
    assert (await ann.ended(follow, "new")).client_order_id == follow.client_order_id
    (ack,) = (await ann.venue.cancel(follow)).reports
    assert isinstance(ack, Ack)
    await ann.ended(follow, "canceled")


@virtual
async def test_a_dead_man_cancels_what_nobody_watches() -> None:
    market = await Market.opened()
    ann = market.ann
    ref = await ann.send(ann.order(BUY, 1, "50000.0"))
    await ann.ended(ref, "new")
    await ann.venue.dead_man(BTC, 5)
    await asyncio.sleep(4)
    await ann.venue.dead_man(BTC, 5)
    await asyncio.sleep(4)
    assert (await ann.shown(ref)).status == "new", "it was armed anew"
    await asyncio.sleep(2)
    await ann.ended(ref, "canceled")


@virtual
async def test_s38_funding_is_in_the_ledger_once() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await bob.send(bob.order(SELL, 5, "60000.0"))
    await ann.ended(await ann.send(ann.order(BUY, 5)), "filled")
    market.simulator.settle_funding("BTCUSDT", Decimal("0.001"), now_ms(market.clock))
    ledger = await ann.venue.ledger(since_ms=SINCE_MS, until_ms=now_ms(market.clock) + 1000)
    (funding,) = (r for r in ledger.reports if isinstance(r, LedgerReport) and r.flow == "funding")
    assert funding.amount < 0, "longs pay"
    assert (funding.currency, funding.symbol, ledger.complete) == ("USDT", BTC, True)


@virtual
async def test_without_the_venues_id_an_order_is_found_or_proven_absent() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await bob.send(bob.order(SELL, 5, "60000.0"))
    filled = await ann.send(ann.order(BUY, 1))
    resting = await ann.send(ann.order(BUY, 1, "50000.0"))
    await asyncio.sleep(2)
    ann.restart()
    for ref, status in ((filled, "filled"), (resting, "new")):
        report = await ann.shown(with_(ref, venue_order_id=None))
        assert (report.status, report.venue_order_id) == (status, ref.venue_order_id)
    (refusal,) = (await ann.venue.order(OrderRef(client_order_id=ClientOrderId("never"), symbol=BTC))).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, "order_not_found")


@virtual
async def test_a_duplicate_says_that_the_first_arrived_and_a_refusal_says_why() -> None:
    market = await Market.opened()
    ann = market.ann
    order = ann.order(BUY, 1, "50000.0")
    await ann.send(order)
    await asyncio.sleep(1)
    (duplicate,) = (await ann.venue.submit(order)).reports
    assert isinstance(duplicate, Refusal)
    assert (duplicate.klass, duplicate.reason) == (RefusalClass.UNKNOWN, "duplicate_id")
    (poor,) = (await ann.venue.submit(ann.order(BUY, 900_000, "60000.0"))).reports
    assert isinstance(poor, Refusal)
    assert poor.klass is RefusalClass.CERTAIN
    nobodys = OrderRef(client_order_id=ClientOrderId("x"), symbol=BTC, venue_order_id=VenueOrderId("12345"))
    (gone,) = (await ann.venue.order(nobodys)).reports
    assert isinstance(gone, Refusal)


@virtual
async def test_the_catalogue_and_both_accounts_rates() -> None:
    market = await Market.opened()
    found = {each.symbol: each for each in await market.ann.venue.instruments()}
    bitcoin = found[BTC]
    assert bitcoin.tradable
    assert (bitcoin.contract_size, bitcoin.price_step) == (Decimal("0.001"), Decimal("0.1"))
    assert all(symbol.endswith("/USDT:USDT") for symbol in found)
