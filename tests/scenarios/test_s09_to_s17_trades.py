"""S09, S12, S13, S17: a trade is booked once, whenever and however often it is told; a dead order that shows lives."""

import asyncio
from decimal import Decimal
from itertools import permutations
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.simulator.exchange.orders import Fill, NewOrder, OrderState, OrderType
from adapters.simulator.simulator import NoAnswer
from adapters.simulator.wire.gateway import Reply, Request
from oms.baseline import MARGIN_MS
from oms.breaks.events import BreakKind, BreakOpened
from oms.order.messages import OrderNews
from oms.order.state import Life, status
from oms.reports import TradeReport
from oms.values import Currency, Liquidity, OrderStatus, Provenance, Side, Symbol
from projections.fold import Twin
from tests.golden.corpus import shown
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, stream, tell

DAY_SECONDS = 86_400
COMMISSION, LIQUIDITY = "commission", "liquidity"


@pytest.mark.parametrize(
    ("symbol", "size", "unsaid"),  # what the stream leaves to the lists
    [(SPOT, "0.01", {COMMISSION}), (PERPETUAL, "5", {LIQUIDITY}), (PERPETUAL, "5", {COMMISSION, LIQUIDITY})],
)
def test_s09_one_trade_by_stream_poll_restart_and_again_is_one_fill_in_all_24_orders(
    symbol: Symbol, size: str, unsaid: set[str]
) -> None:
    ends: list[tuple[object, ...]] = []
    tables: list[bytes] = []

    async def story(house: House, order: tuple[str, ...]) -> None:
        await house.start()
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.cut()
        house.stranger("sell", size, "50000", symbol=symbol)
        [fill] = house.spot.fills if symbol == SPOT else house.futures.fills
        venue_order_id = house.order("c1").venue_order_id
        for way in order:
            if way == "restart":
                house.kill()
                house.network.mend()
                await house.start()
                continue
            trade = TradeReport(
                exec_id=fill.trade_id,  # type: ignore[arg-type]  # as the venue says it
                symbol=symbol,
                price=fill.price,
                quantity=fill.size,
                venue_order_id=venue_order_id,
                client_order_id=house.order("c1").request.client_order_id,
                side=fill.side,
                liquidity=None if way == "stream" and LIQUIDITY in unsaid else fill.role,
                commission=None if way == "stream" and COMMISSION in unsaid else fill.fee,
                commission_currency=None if way == "stream" and COMMISSION in unsaid else Currency("USDT"),
                at_ms=fill.at_ms,
            )
            source = {"stream": Provenance.STREAM, "poll": Provenance.POLL, "import": Provenance.IMPORT}[way]
            news: OrderNews = trade
            await house.engine.report([(stream("c1"), news)], source=source)
        house.network.mend()
        await house.rests()
        assert house.told("c1").count("order-filled") == 1
        tables.append(projected(house))
        ours, leg = house.order("c1"), house.position(symbol)
        funds = tuple(sorted(house.book.totals.items()))
        # A commission that comes apart from its trade is one event more: all but the counts of events is the same.
        ends.append(
            (
                ours.life,
                ours.cum_quantity,
                ours.cum_cost,
                *ours.trades,
                replace(leg, version=0),
                repr(house.breaks()),
                *funds,
            )
        )

    for order in permutations(("stream", "poll", "restart", "import")):
        tell(lambda house, way=order: story(house, way))  # type: ignore[misc]  # one world an order
    assert len(ends) == len(tables) == 24
    assert all(end == ends[0] for end in ends)
    assert set(tables) == {tables[0]}, "the rows of every table are the same, byte for byte"
    assert b'"liquidity":"maker"' in tables[0]


# Where a row stands in the log, when and in how many steps it was written down (a commission may come apart from its
# trade), and which witness told first: all else is what was told.
OURS_ALONE = {"version", "position", "opened", "created_ns", "updated_ns", "recorded_ns", "occurred_ns", "source"}


def projected(house: House) -> bytes:
    """Return every row that the projections make of the log, as JSON, without what is ours alone."""
    twin = Twin()
    twin.apply(house.log._events)
    rows = shown(twin.rows())
    told = {
        table: [{key: row[key] for key in row if key not in OURS_ALONE} for row in each]
        for table, each in rows.items()
        if table != "ledger"  # the journal: an entry a step; what its entries add up to is in `ledger_balances`
    }
    return msgspec.json.encode(told, order="sorted")


@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
@pytest.mark.parametrize("way", ["stream", "poll", "list"])
def test_s12_a_trade_that_shows_long_after_the_cancel_is_booked_and_somebody_is_told(seconds: int, way: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        assert house.held() == 0
        await house.rests()
        house.kill()
        house.leap(seconds)
        await house.start()
        matched_ms = house.now_ms
        if way != "poll":
            matched_ms -= seconds * 1000  # it was matched before the cancel: no list from here on reaches back to it
        if way != "stream":
            house.faults(frame_dropped=1)
        trade_late(house, "c1", "0.004", at_ms=matched_ms)
        await house.until(lambda: house.order("c1").cum_quantity == Decimal("0.004"))
        house.faults()
        await house.until(lambda: not house.order("c1").trades_missing)
        assert house.position(SPOT).quantity == Decimal("0.004")
        assert status(house.order("c1")) is OrderStatus.CANCELED
        assert house.held() == 0
        assert house.order("c1").flagged
        await house.until(lambda: "order:c1" in house.breaks(), seconds=60)
        assert set(house.breaks()) == {"order:c1"}, "and nothing else disagrees: the money moved as the venue moved it"

    tell(story)


def test_s12_a_balance_that_no_trade_explains_is_looked_back_for_twice_an_hour_and_stays_a_break() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.rests()
        first_ms = house.engine.opened_ns // 1_000_000 - MARGIN_MS
        house.kill()
        house.leap(10 * DAY_SECONDS)
        await house.start()
        asked, serve = list[int](), house.simulator.serve

        def heard(request: Request, now_ms: int, **more: Any) -> Reply | NoAnswer:
            if request.target == spot.QUERY_TRADES:
                asked.append(msgspec.json.decode(request.body)["startTime"])
            return serve(request, now_ms, **more)

        house.simulator.serve = heard  # type: ignore[method-assign]  # an ear at the venue's door
        house.spot.balance("USDT").available += 5  # as a deposit does
        await asyncio.sleep(1.5 * 3600)
        far = [since_ms for since_ms in asked if first_ms <= since_ms < house.now_ms - DAY_SECONDS * 1000]
        assert len(far) == 8, "four times, each in two parts: a week, and what is left to the log's beginning"
        assert min(far) == first_ms, "what is older is in what was taken over"
        assert set(house.breaks()) == {"balance:spot/USDT"}

    tell(story)


@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
def test_s12_a_trade_of_an_order_that_was_proven_absent_brings_it_back_and_somebody_is_told(seconds: int) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add(spot.SUBMIT_ORDER)
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=200)
        house.network.mend()
        house.kill()
        house.leap(seconds)
        held_up(house, "c1")
        house.stranger("sell", "0.004", "50000")  # it trades before anybody here has seen it
        await house.start()
        await house.until(lambda: house.order("c1").cum_quantity == Decimal("0.004"))
        assert house.life("c1") is Life.WORKING
        assert house.held() > 300, "what is left of it is reserved again"
        await house.until(lambda: "order:c1" in house.breaks(), seconds=60)
        house.stranger("sell", "0.006", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        assert house.held() == 0
        assert house.position(SPOT).quantity == Decimal("0.01")

    tell(story)


def trade_late(house: House, name: str, size: str, *, at_ms: int, trade_id: str | None = None) -> None:
    """Have the venue say of an order of ours on spot, long over, that it traded after all, at its price and at `at_ms`:
    its lists, its balances and its stream do from now on. `trade_id` is of a trade that it once had taken back.
    """
    account, exchange = house.spot, house.simulator.spot.exchange
    order = account.order_by_client_id(name)
    assert order is not None, f"the venue does not know {name}"
    assert not order.live, f"{name} is not over"
    notional = Decimal(size) * order.price
    fill = Fill(
        trade_id=trade_id or exchange.next_id(house.now_ms),
        order_id=order.order_id,
        client_order_id=name,
        account=DESK,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        stp=order.stp,
        price=order.price,
        size=Decimal(size),
        notional=notional,
        fee=notional * account.maker_fee,
        fee_coin="USDT",
        role=Liquidity.MAKER,
        at_ms=at_ms,
    )
    order.filled_size += fill.size
    order.filled_notional += notional
    order.state = OrderState.PARTIALLY_CANCELED
    order.updated_ms = house.now_ms
    sold = order.side is Side.SELL
    account.balance("BTC").available += -fill.size if sold else fill.size
    account.balance("USDT").available += (notional if sold else -notional) - fill.fee
    account.filled(fill)
    exchange._tell(order, fill)


def held_up(house: House, name: str) -> None:
    """Let a packet arrive at the venue that was held up on the way: a buy of 0.01 at 50000."""
    late = NewOrder(
        account=DESK,
        symbol="BTC_USDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=Decimal("0.01"),
        price=Decimal(50_000),
        client_order_id=name,
    )
    house.simulator.spot.exchange.submit(late, house.now_ms)


def test_s13_an_order_that_was_proven_absent_and_shows_after_all_lives_again_and_keeps_its_story() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add(spot.SUBMIT_ORDER)
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=200)
        assert "absence-proven" in house.told("c1")
        house.network.mend()
        held_up(house, "c1")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.until(lambda: set(house.breaks()) == {"order:c1"}, seconds=60)  # we were wrong: somebody is told
        assert len(house.spot.open) == 1
        assert house.told("c1").index("venue-searched") < house.told("c1").index("absence-proven")
        assert house.told("c1")[-1] == "venue-accepted"
        assert house.order("c1").request.strategy == "maker"
        assert house.held() > 500

    tell(story)


@pytest.mark.parametrize(("symbol", "one", "path"), [(SPOT, "0.001", spot.QUERY_TRADES), (PERPETUAL, "1", perp.TRADES)])
def test_s17_four_hundred_and_fifty_fills_in_an_hours_gap_are_all_found_by_halving_the_window(
    symbol: Symbol, one: str, path: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", str(450 * Decimal(one)), "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        covered_ms = house.book.account.covered_ms
        house.kill()
        for _ in range(450):
            house.stranger("sell", one, "50000", symbol=symbol)
            house.leap(8)
        rows = answered_rows(house, path)
        begun_ms = house.now_ms
        await house.start()
        await house.rests()
        assert len(house.order("c1").trades) == 450
        assert house.life("c1") is Life.FILLED
        assert not house.breaks()
        assert max(rows) == 200, "the first answer was cut"
        assert sum(count for count in rows if count < 200) >= 450, "each part was asked for until it was whole"
        await house.until(lambda: house.book.account.covered_ms >= begun_ms, seconds=90)
        assert covered_ms < begun_ms - 3_000_000

    tell(story)


@pytest.mark.parametrize(("symbol", "one", "path"), [(SPOT, "0.001", spot.QUERY_TRADES), (PERPETUAL, "1", perp.TRADES)])
def test_s17_where_no_question_reaches_every_fill_a_break_says_so_and_nothing_opens(
    symbol: Symbol, one: str, path: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", str(450 * Decimal(one)), "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        house.kill()
        house.leap(3600)
        for _ in range(450):
            house.stranger("sell", one, "50000", symbol=symbol)  # all in one millisecond: no window divides them
        covered_ms = house.book.account.covered_ms
        rows = answered_rows(house, path)
        house.begin()
        await house.oms.leads.wait()
        await house.until(lambda: "history:trades" in house.breaks(), seconds=120)
        assert max(rows) == 200
        assert "cut" in house.breaks()["history:trades"][1]
        [opened] = [each for each in house.account_events() if isinstance(each, BreakOpened)]
        assert opened.kind is BreakKind.HISTORY
        assert house.book.account.covered_ms == covered_ms, "what is not proven is not called covered"
        await house.place("c2", "buy", one, "40000", symbol=symbol)
        assert house.life("c2") is Life.DENIED
        assert "history:trades" in (house.order("c2").reason or "")

    tell(story)


def answered_rows(house: House, path: str) -> list[int]:
    """Return how many rows the venue answers with, from now on, when that is asked."""
    rows, serve = list[int](), house.simulator.serve

    def counted(request: Request, now_ms: int, **more: Any) -> Reply | NoAnswer:
        reply = serve(request, now_ms, **more)
        if isinstance(reply, Reply) and request.target.partition("?")[0] == path:
            rows.append(len(msgspec.json.decode(reply.body)["data"]))
        return reply

    house.simulator.serve = counted  # type: ignore[method-assign]  # an ear at the venue's door
    return rows
