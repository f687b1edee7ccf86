"""S52: a trade that the venue takes back without a word. What notices it are figures that no longer agree; what proves
it are the order's record and a whole list of trades, twice. The bust of one trade in the log: `test_kept_exactly.py`.
"""

import asyncio
from decimal import Decimal

import pytest

from adapters.bitmart.perp.codec import TRANSACTIONS
from adapters.bitmart.spot import codec
from adapters.simulator.host import Product
from oms.order.state import Life
from oms.reports import TradeReport
from oms.store.codec import decode_meta
from oms.values import ClientOrderId, Provenance, Side, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, stream, tell
from tests.scenarios.test_s09_to_s17_trades import trade_late
from tests.scenarios.test_s27_to_s29_triggers import arrive, planned

BUSTED, COUNTED = "trade-busted", "count-lowered"
MARKETS = [(SPOT, Product.SPOT, "0.01"), (PERPETUAL, Product.FUTURES, "10")]
by_market = pytest.mark.parametrize(("symbol", "product", "size"), MARKETS)


async def traded(house: House, symbol: Symbol, size: str) -> str:
    """An order that is filled by two trades of `size`; return the id of the second."""
    await house.start()
    for number in (1, 2):
        house.stranger("sell", size, str(60_000 + number), symbol=symbol)
    double = str(2 * int(size)) if symbol == PERPETUAL else "0.02"
    await house.place("c1", "buy", double, "60010", symbol=symbol)
    await house.until(lambda: house.life("c1") is Life.FILLED)
    await house.rests()
    return trades_at_venue(house, symbol)[-1]


async def before_the_opening(house: House) -> None:
    """Begin, without an answer about what the account owns: so it is not taken over."""
    house.network.lost_requests.add(codec.WALLET)
    await house.begin().leads.wait()
    await asyncio.sleep(5)


def trades_at_venue(house: House, symbol: Symbol) -> list[str]:
    account = house.spot if symbol == SPOT else house.futures
    return [fill.trade_id for fill in account.fills]


@by_market
def test_s52_a_trade_that_is_gone_for_good_is_taken_back_with_its_money(
    symbol: Symbol, product: Product, size: str
) -> None:
    async def story(house: House) -> None:
        trade_id = await traded(house, symbol, size)
        house.simulator.bust(product, trade_id, house.now_ms)
        await asyncio.sleep(60)
        assert BUSTED not in house.told("c1"), "one look proves nothing: queries lag"
        await asyncio.sleep(90)
        assert house.told("c1").count(BUSTED) == 1
        assert [trade.exec_id for trade in house.order("c1").trades] == trades_at_venue(house, symbol)
        assert house.life("c1") is Life.CANCELED, "as the venue's record says"
        (busted,) = [each for each in house.log._streams[stream("c1")].values() if each.topic.startswith(BUSTED)]
        assert decode_meta(busted.state).source is Provenance.INFERRED
        assert decode_meta(busted.state).cause in house.log._messages, "the answers that prove it are kept"
        assert list(house.breaks()) == ["order:c1"], "a person should look, and the figures agree again"
        head = await house.log.head()
        await asyncio.sleep(600)
        assert house.told("c1").count(BUSTED) == 1
        assert await house.log.head() <= head + 10, "nothing is written for ever"
        assert [each for each in house.differences() if "order:c1" not in each] == []

    tell(story)


@by_market
@pytest.mark.parametrize("hours", [3, 100])
def test_s52_also_where_the_order_ended_long_ago(hours: int, symbol: Symbol, product: Product, size: str) -> None:
    async def story(house: House) -> None:
        trade_id = await traded(house, symbol, size)
        house.kill()
        house.leap(hours * 3600)
        await house.start()
        await house.rests()
        house.simulator.bust(product, trade_id, house.now_ms)
        await house.until(lambda: BUSTED in house.told("c1"), seconds=240)
        assert [trade.exec_id for trade in house.order("c1").trades] == trades_at_venue(house, symbol)
        await house.until(lambda: list(house.breaks()) == ["order:c1"])

    tell(story)


@by_market
def test_s52_also_where_the_stream_told_nothing_and_the_process_is_new(
    symbol: Symbol, product: Product, size: str
) -> None:
    async def story(house: House) -> None:
        trade_id = await traded(house, symbol, size)
        house.kill()
        house.simulator.bust(product, trade_id, house.now_ms)
        await house.start()
        await asyncio.sleep(150)
        assert house.told("c1").count(BUSTED) == 1
        assert list(house.breaks()) == ["order:c1"]

    tell(story)


def test_s52_what_was_taken_back_and_is_counted_again_is_booked_again_and_late_frames_alone_book_nothing() -> None:
    async def story(house: House) -> None:
        trade_id = await traded(house, SPOT, "0.01")
        busted = next(trade for trade in house.order("c1").trades if trade.exec_id == trade_id)
        house.simulator.bust(Product.SPOT, trade_id, house.now_ms)
        await asyncio.sleep(150)
        assert house.told("c1").count(BUSTED) == 1
        late = TradeReport(
            symbol=SPOT,
            exec_id=busted.exec_id,
            side=Side.BUY,
            quantity=busted.quantity,
            price=busted.price,
            client_order_id=ClientOrderId("c1"),
        )
        await house.engine.report([(stream("c1"), late)], source=Provenance.STREAM)
        assert house.order("c1").cum_quantity == Decimal("0.01")
        house.faults(frame_dropped=1)
        trade_late(house, "c1", "0.01", at_ms=house.now_ms - 60_000, trade_id=trade_id)
        await house.until(lambda: house.order("c1").cum_quantity == Decimal("0.02"), seconds=120)
        await house.until(lambda: list(house.breaks()) == ["order:c1"])

    tell(story)


# ------------------------------------------------------------------------------------------------ what hides it


WHAT_TRADES_COST = {codec.QUERY_TRADES, codec.QUERY_ORDER_TRADES}


def test_s52_what_was_paid_for_a_position_that_came_and_went_unseen_is_booked() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.kill()
        house.stranger("sell", "10", "60000", symbol=PERPETUAL)
        house.by_hand("buy", "10", "60000", symbol=PERPETUAL)
        house.simulator.settle_funding("BTCUSDT", Decimal("0.001"), house.now_ms)
        house.simulator.bust(Product.FUTURES, house.futures.fills[-1].trade_id, house.now_ms)
        await house.start()
        await house.until(lambda: house.position().funding < 0, seconds=120)
        await asyncio.sleep(60)
        assert list(house.breaks()) == []

    tell(story)


def test_s52_also_where_a_plan_of_ours_had_sent_the_order() -> None:
    async def story(house: House) -> None:
        await planned(house)
        house.stranger("sell", "3", "61010", symbol=PERPETUAL)
        arrive(house, "61000")
        await house.until(lambda: house.life("p1") is Life.FILLED, seconds=30)
        await house.restart()  # the adapter has forgotten what the plan sent, the log has not
        await house.rests()
        house.faults(frame_dropped=1)
        house.simulator.bust(Product.FUTURES, house.futures.fills[-1].trade_id, house.now_ms)
        await house.until(lambda: BUSTED in house.told("p1"), seconds=240)
        assert house.position().quantity == 0
        await house.until(lambda: list(house.breaks()) == ["order:p1"])

    tell(story)


def test_s52_also_where_the_order_is_no_longer_in_memory() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "0.01", "60010")
        await house.place("c1", "buy", "0.01", "60010")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        await asyncio.sleep(120)  # its trade is asked for no more
        house.book._closed_kept = 0
        await house.place("c2", "buy", "0.01", "50000")
        await house.cancel("c2")
        await house.until(lambda: stream("c1") not in house.book.orders)
        house.faults(frame_dropped=1)
        house.simulator.bust(Product.SPOT, house.spot.fills[-1].trade_id, house.now_ms)
        await house.until(lambda: BUSTED in house.told("c1"), seconds=240)
        await asyncio.sleep(30)
        assert [each for each in house.breaks() if each.startswith("balance")] == []

    tell(story)


async def gone_before_it_was_charged(house: House) -> None:
    """An order whose one trade is taken back before anybody said what it cost."""
    await house.start()
    house.network.lost_requests |= WHAT_TRADES_COST
    await house.place("c1", "buy", "0.01", "60010")
    house.stranger("sell", "0.01", "60010")
    await house.until(lambda: house.life("c1") is Life.FILLED)
    house.simulator.bust(Product.SPOT, house.spot.fills[-1].trade_id, house.now_ms)
    house.network.lost_requests.clear()


def test_s52_also_where_nobody_ever_said_what_the_trade_cost() -> None:
    async def story(house: House) -> None:
        await gone_before_it_was_charged(house)
        await asyncio.sleep(60)
        assert BUSTED not in house.told("c1"), "one look proves nothing"
        await house.until(lambda: BUSTED in house.told("c1"), seconds=120)
        assert not house.order("c1").unsettled
        await house.until(lambda: list(house.breaks()) == ["order:c1"])

    tell(story)


@pytest.mark.parametrize("out", ["of everything", "of its records"])
def test_s52_also_where_nobody_could_ask_for_longer_than_is_searched(out: str) -> None:
    """Seed 2000827: in question before a ban of minutes, a trade that was taken back in it was looked for no more."""

    async def story(house: House) -> None:
        await gone_before_it_was_charged(house)
        await asyncio.sleep(15)
        if out == "of everything":
            house.network.cut()
        else:
            house.network.lost_requests |= {codec.QUERY_HISTORY_ORDERS, codec.QUERY_CLIENT_ORDER}
        await asyncio.sleep(600)
        house.network.mend()
        await house.until(lambda: BUSTED in house.told("c1"), seconds=180)
        await house.until(lambda: list(house.breaks()) == ["order:c1"])

    tell(story)


def test_s52_a_look_that_had_no_answer_holds_up_no_later_one() -> None:
    async def story(house: House) -> None:
        await traded(house, SPOT, "0.01")
        house.network.lost_requests.add(codec.QUERY_HISTORY_ORDERS)
        house.spot.balance("USDT").available += 5
        await asyncio.sleep(60)
        house.spot.balance("USDT").available -= 5
        await house.until(lambda: list(house.breaks()) == [])
        house.network.lost_requests = set(WHAT_TRADES_COST)
        await house.place("c2", "buy", "0.01", "60010")
        house.stranger("sell", "0.01", "60010")
        await house.until(lambda: house.life("c2") is Life.FILLED)
        house.simulator.bust(Product.SPOT, house.spot.fills[-1].trade_id, house.now_ms)
        house.network.mend()
        await house.until(lambda: BUSTED in house.told("c2"), seconds=240)

    tell(story)


def test_s52_what_was_told_and_taken_back_before_it_was_booked_is_awaited_no_more() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.05", "60010")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.lost_requests |= WHAT_TRADES_COST
        house.faults(frame_dropped=1)
        house.stranger("sell", "0.02", "60010")
        unheard = house.spot.fills[-1].trade_id
        await asyncio.sleep(1)
        house.faults()
        house.stranger("sell", "0.01", "60010")
        await house.until(lambda: house.order("c1").venue_cum == Decimal("0.03"))
        assert house.order("c1").cum_quantity == Decimal("0.01")
        house.simulator.bust(Product.SPOT, unheard, house.now_ms)
        house.network.lost_requests.clear()
        await asyncio.sleep(60)
        assert COUNTED not in house.told("c1"), "one look proves nothing"
        await house.until(lambda: COUNTED in house.told("c1"), seconds=120)
        assert not house.order("c1").unsettled
        assert (house.life("c1"), house.order("c1").cum_quantity) == (Life.CANCELED, Decimal("0.01"))
        await house.until(lambda: list(house.breaks()) == ["order:c1"])

    tell(story)


def test_s52_nothing_is_taken_over_that_a_trade_is_part_of_which_is_gone() -> None:
    async def story(house: House) -> None:
        await before_the_opening(house)
        order_id = house.by_hand("buy", "0.01", "60010")
        house.stranger("sell", "0.01", "60010")
        name = f"external{order_id}"
        await house.until(lambda: stream(name) in house.book.orders and house.life(name) is Life.FILLED)
        await house.until(lambda: not house.order(name).unsettled)
        house.faults(frame_dropped=1)
        house.simulator.bust(Product.SPOT, house.spot.fills[-1].trade_id, house.now_ms)
        house.network.lost_requests.clear()
        await house.until(lambda: BUSTED in house.told(name), seconds=240)
        await house.oms.watcher.synced.wait()
        assert house.order(name).trades == ()
        assert [each for each in house.differences() if f"order:{name}" not in each] == []

    tell(story)


class AfterALook(set[str]):
    """Loses the question about all trades that follows the one about an order."""

    def __init__(self, house: House) -> None:
        self._sent = house.network.sent

    def __contains__(self, path: object) -> bool:
        return path == codec.QUERY_TRADES and self._sent[-2].path in {codec.QUERY_ORDER, codec.QUERY_CLIENT_ORDER}


def test_s52_no_order_that_traded_leaves_memory_while_the_first_start_waits_for_its_proof() -> None:
    async def story(house: House) -> None:
        await before_the_opening(house)
        house.book._closed_kept = 0

        async def ended(price: str) -> str:
            name = f"external{house.by_hand('buy', '0.01', price)}"
            house.stranger("sell", "0.01", price)
            await house.until(lambda: "commission-reported" in house.told(name))
            return name

        name = await ended("60010")
        house.faults(frame_dropped=1)
        house.simulator.bust(Product.SPOT, house.spot.fills[-1].trade_id, house.now_ms)
        house.faults()
        house.network.lost_requests = AfterALook(house)
        other = await ended("60020")
        assert stream(name) in house.book.orders
        house.network.lost_requests = set()
        await house.until(lambda: BUSTED in house.told(name), seconds=240)
        await house.oms.watcher.synced.wait()
        assert [each for each in house.differences() if f"order:{name}" not in each] == []
        await house.until(lambda: stream(other) not in house.book.orders, seconds=240)

    tell(story)


class BeforeTheBalances(set[str]):
    """Takes a trade back right before the balances are asked for that the opening takes over."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __contains__(self, path: object) -> bool:
        asked = [each.path for each in self._house.network.sent[-2:]]
        if asked == [TRANSACTIONS, codec.WALLET] and self._house.spot.fills:
            self._house.simulator.bust(Product.SPOT, self._house.spot.fills[-1].trade_id, self._house.now_ms)
        return False


def test_s52_nothing_is_taken_over_either_where_the_trade_is_gone_between_the_looks() -> None:
    async def story(house: House) -> None:
        await before_the_opening(house)
        name = f"external{house.by_hand('buy', '0.01', '60010')}"
        house.stranger("sell", "0.01", "60010")
        await house.until(lambda: "commission-reported" in house.told(name))
        house.faults(frame_dropped=1)
        house.network.lost_requests = BeforeTheBalances(house)
        await house.until(lambda: BUSTED in house.told(name), seconds=240)
        await house.oms.watcher.synced.wait()
        assert not house.spot.fills
        assert [each for each in house.differences() if f"order:{name}" not in each] == []

    tell(story)


def test_s52_a_look_that_the_venue_does_not_answer_is_made_again_and_forgets_nothing() -> None:
    async def story(house: House) -> None:
        trade_id = await traded(house, SPOT, "0.01")
        house.simulator.bust(Product.SPOT, trade_id, house.now_ms)
        await asyncio.sleep(60)
        house.network.lost_requests = AfterALook(house)
        await asyncio.sleep(60)
        house.network.lost_requests = set()
        assert BUSTED not in house.told("c1")
        await house.until(lambda: BUSTED in house.told("c1"), seconds=45)

    tell(story)
