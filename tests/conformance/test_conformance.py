"""What any adapter must do to be called one (`oms/venue.py`), told of each venue in `houses.py`."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from oms.reports import (
    Ack,
    BalanceReport,
    Control,
    OrderReport,
    Refusal,
    RefusalClass,
    Report,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import ZERO, ClientOrderId, Crossing, MarginMode, OrderType, PositionMode, Side
from oms.venue import Amendment, Answer, NewOrder, NoAnswerError, NotOfferedError, OrderRef, Trigger, Window
from tests.adapters.bitmart.fakes import virtual
from tests.conformance.house import House
from tests.conformance.houses import HOUSES

PATIENCE = 30.0  # seconds for something to be seen
Story = Callable[["Guest"], Awaitable[None]]


class Guest:
    """Somebody who trades at a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.venue = house.venue
        self._names = itertools.count(1)

    def buy(self, price: Decimal | None = None, *, side: Side = Side.BUY, **terms: Any) -> NewOrder:
        """An order of the ordinary size that rests, or at a price of the caller's."""
        away = self.house.price() / 2 if side is Side.BUY else self.house.price() * 2
        return NewOrder(
            client_order_id=ClientOrderId(f"conform{next(self._names)}"),
            symbol=self.house.symbol,
            side=side,
            type=OrderType.LIMIT,
            quantity=self.house.quantity,
            price=(price or away).quantize(Decimal("0.01")),
            **terms,
        )

    def ref(self, order: NewOrder, answer: Answer | None = None) -> OrderRef:
        known = (
            next((report.venue_order_id for report in answer.reports if isinstance(report, Ack)), None)
            if answer
            else None
        )
        return OrderRef(client_order_id=order.client_order_id, symbol=order.symbol, venue_order_id=known)

    async def seen(self, order: OrderRef, *statuses: VenueOrderStatus) -> OrderReport:
        """Wait until the venue shows the order in one of `statuses`."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(NoAnswerError):  # it may be too early to tell
                    (report,) = (await self.venue.order(order)).reports
                    if isinstance(report, OrderReport) and report.status in statuses:
                        return report
                await asyncio.sleep(0.2)

    async def filled(self, order: NewOrder) -> tuple[OrderRef, OrderReport]:
        """Send an order that trades at once."""
        answer = await self.venue.submit(order)
        return self.ref(order, answer), await self.seen(self.ref(order, answer), VenueOrderStatus.FILLED)

    def marketable(self, side: Side = Side.BUY) -> NewOrder:
        factor = Decimal("1.2") if side is Side.BUY else Decimal("0.8")
        return self.buy(self.house.price() * factor, side=side)

    @contextmanager
    def trouble(self, kind: str) -> Iterator[None]:
        lose = self.house.lose_answers if kind == "answers" else self.house.lose_requests
        lose(on=True)
        try:
            yield
        finally:
            lose(on=False)


def conforms(story: Story) -> Callable[[str], None]:
    """Play a story at every house."""

    @pytest.mark.parametrize("name", HOUSES)
    @virtual
    async def play(name: str) -> None:
        house = HOUSES[name]()
        async with house.opened():
            await story(Guest(house))

    play.__name__ = story.__name__
    return play


def of(kind: type[Any], answer: Answer) -> list[Any]:
    return [report for report in answer.reports if isinstance(report, kind)]


def closed(report: Report) -> bool:
    """A refusal of a cancel that says the order can no longer be canceled."""
    return isinstance(report, Refusal) and report.klass is RefusalClass.CERTAIN


# ------------------------------------------------------------------------------------------------ one order's life


@conforms
async def test_an_order_that_the_last_look_holds_back_never_leaves(guest: Guest) -> None:
    order = guest.buy()
    with pytest.raises(NoAnswerError, match="drill") as caught:
        await guest.venue.submit(order, last_look=lambda: "halted for a drill")
    assert not caught.value.sent
    with guest.trouble("answers"), pytest.raises(NoAnswerError) as lost:
        await guest.venue.submit(order)  # the very same id: nothing has used it
    assert lost.value.sent
    await guest.seen(guest.ref(order), VenueOrderStatus.NEW)


@conforms
async def test_a_cancel_that_the_last_look_holds_back_never_leaves(guest: Guest) -> None:
    order = guest.buy()
    (ack,) = (await guest.venue.submit(order)).reports
    assert isinstance(ack, Ack)
    await guest.seen(guest.ref(order), VenueOrderStatus.NEW)
    with pytest.raises(NoAnswerError, match="the account is not ours") as caught:
        await guest.venue.cancel(guest.ref(order), last_look=lambda: "the account is not ours")
    assert not caught.value.sent
    await asyncio.sleep(0.2)
    await guest.seen(guest.ref(order), VenueOrderStatus.NEW)


@conforms
async def test_an_order_rests_is_found_and_canceled(guest: Guest) -> None:
    order = guest.buy()
    answer = await guest.venue.submit(order)
    (ack,) = answer.reports
    assert isinstance(ack, Ack)
    assert ack.client_order_id == order.client_order_id
    assert answer.evidence.sent_ns is not None
    ref = guest.ref(order, answer)
    shown = await guest.seen(ref, VenueOrderStatus.NEW)
    assert (shown.symbol, shown.side, shown.quantity, shown.price) == (
        order.symbol,
        order.side,
        order.quantity,
        order.price,
    )
    assert shown.cum_quantity == ZERO
    listed = await guest.venue.open_orders()
    assert listed.complete
    assert order.client_order_id in [one.client_order_id for one in of(OrderReport, listed)]
    (asked,) = (await guest.venue.cancel(ref)).reports
    assert isinstance(asked, Ack), "asked for: what became of it is to be read"
    assert (await guest.seen(ref, VenueOrderStatus.CANCELED)).cum_quantity == ZERO
    assert order.client_order_id not in [
        one.client_order_id for one in of(OrderReport, await guest.venue.open_orders())
    ]


@conforms
async def test_an_order_that_trades_shows_its_trades_with_what_they_cost(guest: Guest) -> None:
    since_ms = guest.house.now_ms()
    for side in Side:
        ref, shown = await guest.filled(guest.marketable(side))
        assert shown.cum_quantity == guest.house.quantity
        own = of(TradeReport, await guest.venue.order_trades(ref))
        assert sum(trade.quantity for trade in own) == guest.house.quantity
        assert all(trade.commission is not None and trade.commission_currency and trade.liquidity for trade in own)
        window = await guest.venue.trades(since_ms=since_ms, until_ms=guest.house.now_ms())
        assert window.complete
        mine = [trade for trade in of(TradeReport, window) if trade.venue_order_id == shown.venue_order_id]
        assert sorted(mine, key=lambda one: one.exec_id) == sorted(own, key=lambda one: one.exec_id)
    ids = [trade.exec_id for trade in of(TradeReport, window)]
    assert len(ids) == len(set(ids))


@conforms
async def test_a_cancel_of_what_is_over_is_refused_and_changes_nothing(guest: Guest) -> None:
    ref, _ = await guest.filled(guest.marketable())
    (late,) = (await guest.venue.cancel(ref)).reports
    assert closed(late)
    (shown,) = of(OrderReport, await guest.venue.order(ref))
    assert shown.status is VenueOrderStatus.FILLED
    resting = guest.buy()
    ref = guest.ref(resting, await guest.venue.submit(resting))
    await guest.venue.cancel(ref)
    await guest.seen(ref, VenueOrderStatus.CANCELED)
    (twice,) = (await guest.venue.cancel(ref)).reports
    assert closed(twice)


@conforms
async def test_a_resting_order_is_filled_by_the_market(guest: Guest) -> None:
    order = guest.buy(guest.house.price() * Decimal("0.9"))
    answer = await guest.venue.submit(order)
    guest.house.move(guest.house.price() * Decimal("0.8"))
    shown = await guest.seen(guest.ref(order, answer), VenueOrderStatus.FILLED)
    assert shown.cum_quantity == order.quantity


@conforms
async def test_a_post_only_order_never_takes(guest: Guest) -> None:
    order = guest.buy(guest.house.price() * Decimal("1.2"), post_only=True)
    if not guest.venue.capabilities(guest.house.symbol).post_only:
        with pytest.raises(NotOfferedError):
            await guest.venue.submit(order)
        return
    (first,) = (answer := await guest.venue.submit(order)).reports
    if isinstance(first, Ack):
        shown = await guest.seen(guest.ref(order, answer), VenueOrderStatus.CANCELED, VenueOrderStatus.REJECTED)
        assert shown.cum_quantity == ZERO
    else:
        assert closed(first)


@conforms
async def test_an_order_that_waits_is_found_and_is_still_ours_when_it_has_fired(guest: Guest) -> None:
    price = guest.house.price()
    trigger = Trigger(price=(price * Decimal("0.9")).quantize(Decimal("0.01")), when=Crossing.FALLS_TO)
    order = guest.buy(price, side=Side.SELL, trigger=trigger)
    order = msgspec.structs.replace(order, type=OrderType.MARKET, price=None)
    if not guest.venue.capabilities(guest.house.symbol).triggers:
        with pytest.raises(NotOfferedError):
            await guest.venue.submit(order)
        return
    ears = Ears(guest)
    await ears.until(lambda: ears.life() == ["connected"])
    answer = await guest.venue.submit(order)
    ref = msgspec.structs.replace(guest.ref(order, answer), conditional=True)
    waiting = await guest.seen(ref, VenueOrderStatus.NEW)
    assert waiting.trigger_price == trigger.price
    listed = of(OrderReport, await guest.venue.open_orders())
    assert order.client_order_id in [one.client_order_id for one in listed]
    guest.house.move(price * Decimal("0.85"))
    fired = await guest.seen(ref, VenueOrderStatus.FILLED)
    assert fired.triggered_by == waiting.venue_order_id
    assert fired.cum_quantity == order.quantity
    await ears.until(lambda: [one for one in ears.reports if isinstance(one, OrderReport) and one.triggered_by])
    second = msgspec.structs.replace(order, client_order_id=guest.buy().client_order_id)
    second = msgspec.structs.replace(second, trigger=msgspec.structs.replace(trigger, price=Decimal(1000)))
    ref = msgspec.structs.replace(guest.ref(second, await guest.venue.submit(second)), conditional=True)
    if guest.venue.capabilities(guest.house.symbol).amend_triggers:
        ref = await rewaited(guest, ref, second)
    await guest.venue.cancel(ref)
    await guest.seen(ref, VenueOrderStatus.CANCELED)


async def rewaited(guest: Guest, ref: OrderRef, order: NewOrder) -> OrderRef:
    """Change what an order waits for; return how the venue knows it from then on."""
    assert order.trigger is not None
    wanted = msgspec.structs.replace(order, trigger=msgspec.structs.replace(order.trigger, price=Decimal(900)))
    (ack,) = of(Ack, await guest.venue.amend(Amendment(order=ref, waiting=wanted)))
    ref = msgspec.structs.replace(ref, venue_order_id=ack.venue_order_id or ref.venue_order_id)
    assert (await guest.seen(ref, VenueOrderStatus.NEW)).trigger_price == 900
    return ref


# ------------------------------------------------------------------------------------------------ no, and no answer


@conforms
async def test_several_cancels_in_one_call_have_an_answer_each(guest: Guest) -> None:
    orders = [guest.buy(guest.house.price() * Decimal("0.5")) for _ in range(3)]
    refs = [guest.ref(order, await guest.venue.submit(order)) for order in orders]
    for ref in refs:
        await guest.seen(ref, VenueOrderStatus.NEW)
    if guest.venue.capabilities(guest.house.symbol).cancels_at_once == 1:
        with pytest.raises(NotOfferedError):
            await guest.venue.cancel_many(refs)
        return
    await guest.venue.cancel(refs[1])
    await guest.seen(refs[1], VenueOrderStatus.CANCELED)
    reports = (await guest.venue.cancel_many(refs)).reports
    assert [one.client_order_id for one in reports] == [ref.client_order_id for ref in refs]  # type: ignore[union-attr]
    assert [type(one) for one in reports] == [Ack, Refusal, Ack]
    for ref in refs:
        await guest.seen(ref, VenueOrderStatus.CANCELED)
    with guest.trouble("answers"):
        lost = (await guest.venue.cancel_many(refs)).reports
    assert [one.klass for one in lost if isinstance(one, Refusal)] == [RefusalClass.UNKNOWN] * len(refs)


@conforms
async def test_what_the_venue_does_not_take_leaves_no_trace(guest: Guest) -> None:
    order = guest.buy(Decimal("0.01"))
    try:
        (report,) = (await guest.venue.submit(order)).reports
    except NoAnswerError:
        pass  # an adapter may be unable to prove it: then it is looked up
    else:
        assert closed(report)
    await asyncio.sleep(guest.venue.capabilities(order.symbol).visibility_delay)
    (absent,) = (await guest.venue.order(guest.ref(order))).reports
    assert isinstance(absent, Refusal)
    assert (absent.klass, absent.reason) == (RefusalClass.CERTAIN, "order_not_found")


@conforms
async def test_one_id_is_at_most_one_order(guest: Guest) -> None:
    order = guest.buy()
    await guest.venue.submit(order)
    try:
        (again,) = (await guest.venue.submit(order)).reports
    except NoAnswerError:
        pass
    else:
        assert isinstance(again, Refusal)
        assert again.reason == "duplicate_id"
    listed = of(OrderReport, await guest.venue.open_orders())
    assert [one.client_order_id for one in listed].count(order.client_order_id) == 1


@conforms
async def test_an_answer_that_is_lost_is_no_answer_and_the_order_is_found(guest: Guest) -> None:
    order = guest.buy()
    with guest.trouble("answers"), pytest.raises(NoAnswerError) as caught:
        await guest.venue.submit(order)
    assert caught.value.sent
    shown = await guest.seen(guest.ref(order), VenueOrderStatus.NEW)
    with guest.trouble("answers"), pytest.raises(NoAnswerError):
        await guest.venue.cancel(guest.ref(order))
    await guest.seen(
        OrderRef(client_order_id=order.client_order_id, symbol=order.symbol, venue_order_id=shown.venue_order_id),
        VenueOrderStatus.CANCELED,
    )


@conforms
async def test_could_not_ask_is_never_not_found_nor_nothing_there(guest: Guest) -> None:
    order = guest.buy()
    await guest.venue.submit(order)
    now_ms = guest.house.now_ms()
    asks: list[Callable[[], Awaitable[Answer]]] = [
        lambda: guest.venue.order(guest.ref(order)),
        guest.venue.open_orders,
        guest.venue.balances,
        lambda: guest.venue.trades(since_ms=now_ms - 1000, until_ms=now_ms),
        lambda: guest.venue.order_history(order.symbol, since_ms=now_ms - 1000, until_ms=now_ms),
    ]
    for kind in ("requests", "answers"):
        for ask in asks:
            with guest.trouble(kind), pytest.raises(NoAnswerError):
                await ask()


@conforms
async def test_an_order_that_was_never_sent_is_not_found(guest: Guest) -> None:
    (report,) = (await guest.venue.order(guest.ref(guest.buy()))).reports
    assert isinstance(report, Refusal)
    assert report.reason == "order_not_found"


# ------------------------------------------------------------------------------------------------ lists and money


@conforms
async def test_windows_hold_what_is_in_them_and_say_so(guest: Guest) -> None:
    before_ms = guest.house.now_ms()
    ref, shown = await guest.filled(guest.marketable())
    await asyncio.sleep(1)
    after_ms = guest.house.now_ms()
    for ask in (
        guest.venue.trades,
        partial(guest.venue.order_history, ref.symbol),
    ):
        held = await ask(since_ms=before_ms, until_ms=after_ms)
        assert (held.complete, held.proven) == (True, (Window(before_ms, after_ms),))
        assert {one.venue_order_id for one in held.reports} == {shown.venue_order_id}  # type: ignore[union-attr]
        empty = await ask(since_ms=before_ms - 3_600_000, until_ms=before_ms - 1)
        assert (empty.reports, empty.complete) == ((), True)


@conforms
async def test_what_an_open_order_holds_comes_back(guest: Guest) -> None:
    def totals(answer: Answer) -> dict[str, tuple[Decimal, Decimal]]:
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for one in of(BalanceReport, answer):
            assert one.available is not None
            assert one.held is not None
            found[one.currency] = (one.available + one.held, one.held)
        return found

    before = totals(await guest.venue.balances())
    order = guest.buy()
    ref = guest.ref(order, await guest.venue.submit(order))
    during = totals(await guest.venue.balances())
    assert {coin: total for coin, (total, _) in during.items()} == {coin: total for coin, (total, _) in before.items()}
    assert sum(held for _, held in during.values()) > sum(held for _, held in before.values())
    await guest.venue.cancel(ref)
    await guest.seen(ref, VenueOrderStatus.CANCELED)
    assert totals(await guest.venue.balances()) == before


@conforms
async def test_the_market_is_in_the_catalogue_with_its_grid(guest: Guest) -> None:
    (market,) = [one for one in await guest.venue.instruments() if one.symbol == guest.house.symbol]
    assert market.tradable
    assert market.quantity(guest.house.quantity) == guest.house.quantity
    assert market.price(guest.house.price()) == guest.house.price()
    assert market.price_step > ZERO
    assert guest.venue.name


@conforms
async def test_what_is_not_offered_says_so_and_sends_nothing(guest: Guest) -> None:
    symbol = guest.house.symbol
    can = guest.venue.capabilities(symbol)
    order = guest.buy()
    ref = guest.ref(order, await guest.venue.submit(order))
    if not can.amend:
        with pytest.raises(NotOfferedError):
            await guest.venue.amend(Amendment(order=ref, price=guest.house.price()))
    if not can.leverage:
        with pytest.raises(NotOfferedError):
            await guest.venue.set_leverage(symbol, Decimal(5), MarginMode.CROSS)
    if not can.hedge_mode:
        with pytest.raises(NotOfferedError):
            await guest.venue.set_position_mode(PositionMode.HEDGE)
    if not can.dead_man:
        with pytest.raises(NotOfferedError):
            await guest.venue.dead_man(symbol, 60)
    await guest.seen(ref, VenueOrderStatus.NEW)


# ------------------------------------------------------------------------------------------------ the stream


class Ears:
    """What the stream said."""

    def __init__(self, guest: Guest) -> None:
        self.reports: list[Report] = []
        self._task = asyncio.ensure_future(self._listen(guest))  # noqa: TID251 -- a test's own task, ended by its loop

    async def _listen(self, guest: Guest) -> None:
        async for answer in guest.venue.stream():
            self.reports += answer.reports

    def life(self) -> list[str]:
        """The events of the stream's own life."""
        events = [report.event for report in self.reports if isinstance(report, Control)]
        return [event for event in events if event in {"connected", "disconnected"}]

    def orders(self, name: str) -> list[OrderReport]:
        return [one for one in self.reports if isinstance(one, OrderReport) and one.client_order_id == name]

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 -- what it waits for is a venue
                await asyncio.sleep(0.1)


@conforms
async def test_the_stream_says_when_it_begins_and_then_everything(guest: Guest) -> None:
    ears = Ears(guest)
    await ears.until(lambda: ears.life() == ["connected"])
    order = guest.marketable()
    ref, _ = await guest.filled(order)
    await ears.until(lambda: VenueOrderStatus.FILLED in [one.status for one in ears.orders(order.client_order_id)])
    told = {one.exec_id: one.quantity for one in ears.reports if isinstance(one, TradeReport)}
    asked = {one.exec_id: one.quantity for one in of(TradeReport, await guest.venue.order_trades(ref))}
    assert told == asked, "the stream and the query are two witnesses of the same trades, under the same ids"


@conforms
async def test_a_gap_is_told_at_both_ends_and_what_fell_into_it_is_there_to_be_asked_for(guest: Guest) -> None:
    ears = Ears(guest)
    await ears.until(lambda: ears.life() == ["connected"])
    guest.house.cut_streams()
    order = guest.marketable()
    ref, _ = await guest.filled(order)
    await ears.until(lambda: ears.life() == ["connected", "disconnected", "connected"])
    assert of(TradeReport, await guest.venue.order_trades(ref))
    later = guest.buy()
    await guest.venue.submit(later)
    await ears.until(lambda: ears.orders(later.client_order_id))
