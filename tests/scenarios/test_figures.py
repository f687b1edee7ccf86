"""S33 to S41: prices, quantities, commissions and positions, to the last digit."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial

import pytest

from oms.errors import BelowMinimumError, OffGridError
from oms.folding import Fact
from oms.gateway.views import order_view
from oms.order.events import OrderFilled
from oms.order.state import Life, status
from oms.position.events import FillBooked, FundingBooked
from oms.store.codec import decode
from oms.values import Currency, OrderStatus, PositionLeg, Symbol, Wallet, purse
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, Oms, stream, tell


def bookings(house: House) -> list[FillBooked]:
    """Return what the log says moved a leg of the perpetual, in order."""
    events = [decode(each.topic, each.state) for each in house.log._events if each.stream.startswith("position/")]
    return [each for each in events if isinstance(each, FillBooked)]


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "5")])
@pytest.mark.parametrize("heard", [True, False])
def test_s33_a_post_only_order_that_would_take_has_one_outcome_and_the_log_keeps_both_facts(
    symbol: Symbol,
    size: str,
    heard: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await house.start()
        seen: list[OrderStatus] = []  # what whoever follows the commits is shown, one after the other

        def look(facts: Sequence[Fact]) -> None:
            seen.extend(status(state) for name, _, state in facts[-1:] if name == stream("c1"))  # type: ignore[arg-type]  # an order's

        house.engine.on_commit.append(look)
        house.stranger("sell", size, "50000", symbol=symbol)
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        await house.place("c1", "buy", size, "50100", symbol=symbol, post_only=True)
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        house.faults()
        await house.rests()
        shown = order_view(house.order("c1"))
        assert (shown.status, shown.reason) == (OrderStatus.REJECTED, "would take")
        assert seen[-1] is OrderStatus.REJECTED
        assert OrderStatus.CANCELED not in seen
        assert house.told("c1")[-3:] == ["venue-accepted", "venue-canceled", "post-only-refused"]
        assert not {"order-filled", "cancel-requested"} & set(house.told("c1"))
        assert house.held() == 0
        await house.restart()  # the log says the same
        assert status(house.replayed().orders[stream("c1")]) is OrderStatus.REJECTED

    tell(story)


def test_s34_a_price_with_more_digits_than_the_market_has_is_never_left_to_the_venue_to_truncate() -> None:
    async def story(house: House) -> None:
        await house.start()
        with pytest.raises(OffGridError, match=r"50000\.12345678"):
            await house.place("c1", "buy", "0.01", "50000.12345678")
        assert house.network.submits() == []
        await house.place("c2", "buy", "0.01", "50000.12")
        await house.until(lambda: house.life("c2") is Life.WORKING)
        assert Decimal(house.network.submits()[0].body["price"]) == Decimal("50000.12")
        (resting,) = house.spot.open.values()
        resting.price = Decimal("50000.1")  # the venue works it at another price than it was sent
        await house.until(lambda: "price:c2" in house.breaks(), seconds=60)
        assert [*map(Decimal, house.breaks()["price:c2"])] == [Decimal("50000.12"), Decimal("50000.1")]

    tell(story)


def test_s35_less_than_one_contract_is_denied_and_never_sent_as_none_or_as_one() -> None:
    async def story(house: House) -> None:
        await house.start()
        market = house.engine.decider.instruments[PERPETUAL]
        assert market.contract_size == Decimal("0.001")
        contracts = Decimal("0.00049") / market.contract_size
        with pytest.raises((BelowMinimumError, OffGridError), match=r"0\.49"):
            await house.place("c1", "buy", str(contracts), "50000", symbol=PERPETUAL)
        assert house.network.submits() == []
        assert house.told("c1") == []

    tell(story)


def test_s39_thirty_seven_partial_fills_add_up_to_the_exact_rational_average_fee_and_balance() -> None:
    async def story(house: House) -> None:
        await house.start()
        prices = [Decimal(50_000) + Decimal("0.37") * n for n in range(37)]
        for price in prices:
            house.stranger("sell", "0.00111", str(price))
        await house.place("c1", "buy", "0.04107", "60000")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        await house.rests()
        fills = [event for event in house.events("c1") if isinstance(event, OrderFilled)]
        assert len(fills) == 37
        order, size = house.order("c1"), Decimal("0.00111")
        cost = sum((Fraction(size) * Fraction(price) for price in prices), Fraction(0))
        assert Fraction(order.cum_cost) == cost
        average = order.average_price
        assert average is not None
        assert abs(Fraction(average) - cost / Fraction(order.cum_quantity)) < Fraction(1, 10**20)
        fees = sum((Fraction(fill.fee) for fill in house.spot.fills), Fraction(0))
        usdt = house.book.funds(purse(Wallet.SPOT, Currency("USDT"))).total
        assert Fraction(usdt) == Fraction(100_000) - cost - fees
        assert house.position(SPOT).commissions == {"USDT": Decimal(fees.numerator) / Decimal(fees.denominator)}

    tell(story)


def test_s40_selling_five_while_long_three_closes_three_and_opens_two_under_one_trade() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "3", "50000", symbol=PERPETUAL)
        await house.place("c1", "buy", "3", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 3)
        house.stranger("buy", "5", "50100", symbol=PERPETUAL)
        await house.place("c2", "sell", "5", "50100", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == -2)
        await house.rests()
        _, close, opened = bookings(house)
        assert (close.quantity, close.realized) == (-3, Decimal("0.3"))  # 3 contracts of 0.001, 100 higher
        assert (opened.quantity, opened.realized) == (-2, 0)
        assert close.exec_id == opened.exec_id == house.futures.fills[-1].trade_id
        assert house.position(leg=PositionLeg.NET).open_cost == Decimal("-100.2")
        before = house.position()
        await house.restart()
        after = house.position()
        assert (after.quantity, after.open_cost, after.realized) == (before.quantity, before.open_cost, before.realized)
        await house.rests()

    tell(story)


def test_s38_funding_is_posted_once_over_windows_that_overlap_and_a_restart() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "10", "50000", symbol=PERPETUAL)
        await house.place("c1", "buy", "10", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 10)
        house.simulator.settle_funding("BTCUSDT", Decimal("0.0001"), house.now_ms)
        await house.until(lambda: house.position().funding != 0, seconds=300)
        await asyncio.sleep(60)
        await house.restart()
        await asyncio.sleep(300)
        (paid,) = (decode(each.topic, each.state) for each in house.log._events if "funding" in each.topic)
        assert isinstance(paid, FundingBooked)
        assert paid.amount == house.position().funding < 0  # a long pays
        await house.rests()
        house.simulator.settle_funding("BTCUSDT", Decimal("-0.0001"), house.now_ms)
        await house.until(lambda: house.position().funding != paid.amount, seconds=300)
        await house.rests()

    tell(story)


def test_s41_the_same_reports_twice_leave_no_new_event_and_two_machines_call_everything_alike() -> None:
    logs: list[list[tuple[str, int, str]]] = []
    messages: list[set[str]] = []

    async def story(house: House, *, machine: int) -> None:
        await begin(house, machine)
        await house.place("c1", "buy", "0.02", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.kill()
        house.stranger("sell", "0.01", "50000")
        house.by_hand("buy", "0.01", "40000")
        await begin(house, machine + 1)
        await house.rests()
        head = await house.log.head()
        assert await house.oms.watcher.compare()
        assert await house.oms.watcher.compare()
        assert await house.log.head() == head
        assert sum(each.stream.startswith(f"order/{DESK}/") and each.version == 1 for each in house.log._events) == 2
        logs.append([(each.stream, each.version, each.topic) for each in house.log._events])
        messages.append(set(house.log._messages))

    for machine in (1, 11):
        tell(partial(story, machine=machine))
    assert logs[0] == logs[1]
    assert not messages[0] & messages[1], "two machines that name alike what only they have seen are one"


async def begin(house: House, number: int) -> None:
    """Start a process whose ids are those of its number, and return once it trades."""
    oms = Oms(house, number)
    house._processes.append(oms)
    await oms.leads.wait()
    await oms.watcher.synced.wait()
