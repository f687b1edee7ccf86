"""Orders that wait at the venue for a price: sent, found, canceled, fired."""

from decimal import Decimal

import msgspec
import pytest

from adapters.bitmart.spot import codec
from oms.errors import InvalidOrderError
from oms.ports import LinkAnswer
from oms.reports import Ack, OrderReport, Refusal, VenueOrderStatus
from oms.values import Crossing, OrderType, PriceSource, Side, TimeInForce, VenueOrderId
from oms.venue import NewOrder, NoAnswerError, Trigger
from tests.adapters.bitmart.fakes import (
    EPOCH_NS,
    KNOWN,
    LOST,
    ORDER,
    REF,
    Call,
    FakeLink,
    bitmart,
    ok,
    page,
    refused,
    virtual,
)

WAITING_REF = msgspec.structs.replace(REF, conditional=True)
KNOWN_WAITING = msgspec.structs.replace(KNOWN, conditional=True)
STOP = Trigger(price=Decimal("55000.5"), when=Crossing.FALLS_TO)
BUY = msgspec.structs.replace(ORDER, trigger=STOP)
SELL = msgspec.structs.replace(ORDER, trigger=STOP, side=Side.SELL, type=OrderType.MARKET, price=None, reduce_only=True)
ROW = {"orderId": "77", "clientOrderId": "oms1", "symbol": "BTC_USDT", "orderMode": "trigger", "state": "new"}
GONE = refused(400, 50005)
DAY_MS = 86_400_000


def statuses(reports: tuple[object, ...]) -> list[tuple[str | None, object]]:
    return [(report.venue_order_id, report.status) for report in reports if isinstance(report, OrderReport)]


@virtual
async def test_a_trigger_leaves_in_the_spelling_of_its_own_call() -> None:
    link = FakeLink()
    link.on(codec.ALGO_SUBMIT, ok({"order_id": "77"}))
    venue = bitmart(link)
    assert (await venue.submit(BUY)).reports == (
        Ack(venue_order_id=VenueOrderId("77"), client_order_id=BUY.client_order_id),
    )
    await venue.submit(SELL)
    plan, stop = (call.fields() for call in link.of(codec.ALGO_SUBMIT))
    assert plan == {
        "symbol": "BTC_USDT",
        "side": "buy",
        "type": "trigger",
        "trigger_price": "55000.5",
        "trigger_type": "limit",
        "client_order_id": "oms1",
        "price": "60000",
        "size": "0.001",
    }
    assert (stop["type"], stop["trigger_type"], "price" in stop) == ("tp/sl", "market", False)


@pytest.mark.parametrize(
    "order",
    [
        msgspec.structs.replace(BUY, trigger=msgspec.structs.replace(STOP, callback_rate=Decimal("0.01"))),
        msgspec.structs.replace(BUY, trigger=msgspec.structs.replace(STOP, by=PriceSource.MARK)),
        msgspec.structs.replace(BUY, post_only=True),
        msgspec.structs.replace(BUY, time_in_force=TimeInForce.IOC),
        msgspec.structs.replace(BUY, reduce_only=True),
        msgspec.structs.replace(ORDER, reduce_only=True),
    ],
)
@virtual
async def test_what_spot_cannot_have_wait_is_never_sent(order: NewOrder) -> None:
    link = FakeLink()
    with pytest.raises(InvalidOrderError):
        await bitmart(link).submit(order)
    assert not link.calls


@virtual
async def test_a_waiting_order_is_looked_up_where_waiting_orders_are() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, ok(ROW))
    found = await bitmart(link).order(WAITING_REF)
    assert statuses(found.reports) == [("77", VenueOrderStatus.NEW)]
    assert not link.of(codec.QUERY_CLIENT_ORDER)


@pytest.mark.parametrize("algo", [GONE, ok(ROW | {"state": "effective"}), ok(ROW | {"state": "canceled"})])
@virtual
async def test_one_that_fired_is_found_as_the_order_it_became(algo: object) -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, algo)  # type: ignore[arg-type]
    link.on(codec.QUERY_CLIENT_ORDER, ok(ROW | {"orderId": "99", "state": "filled"}))
    found = await bitmart(link).order(WAITING_REF)
    assert statuses(found.reports) == [("99", VenueOrderStatus.FILLED)]


@virtual
async def test_what_fired_says_which_waiting_order_it_came_from_wherever_it_shows() -> None:
    link = FakeLink()
    link.on(codec.ALGO_SUBMIT, ok({"order_id": "77"}))
    link.on(codec.QUERY_OPEN_ORDERS, ok([ROW | {"orderId": "99"}, ROW | {"orderId": "5", "clientOrderId": "other"}]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, ok([ROW | {"triggerPrice": "55000.5"}]))
    link.on(codec.QUERY_HISTORY_ORDERS, ok([ROW | {"orderId": "99", "state": "filled"}]))
    venue = bitmart(link)
    await venue.submit(BUY)
    listed = [report for report in (await venue.open_orders()).reports if isinstance(report, OrderReport)]
    assert [(one.venue_order_id, one.triggered_by, one.trigger_price) for one in listed] == [
        ("99", "77", None),
        ("5", None, None),
        ("77", None, Decimal("55000.5")),
    ]
    (ended,) = (await venue.order_history(ORDER.symbol, since_ms=0, until_ms=1)).reports
    assert isinstance(ended, OrderReport)
    assert ended.triggered_by == "77"


@pytest.mark.parametrize("recalled", [False, True])
@virtual
async def test_after_a_restart_what_fired_says_which_waiting_order_it_came_from(recalled: bool) -> None:  # noqa: FBT001
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, GONE)
    link.on(codec.QUERY_CLIENT_ORDER, ok(ROW | {"orderId": "99"}))
    link.on(codec.QUERY_OPEN_ORDERS, ok([ROW | {"orderId": "99"}]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, ok([]))
    venue = bitmart(link)
    if recalled:
        venue.recall([KNOWN, KNOWN_WAITING])
        answer = await venue.open_orders()
    else:
        answer = await venue.order(KNOWN_WAITING)
    (found,) = answer.reports
    assert isinstance(found, OrderReport)
    assert (found.venue_order_id, found.triggered_by) == ("99", "77")


@virtual
async def test_the_id_of_a_waiting_order_is_not_looked_up_among_those_that_do_not_wait() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, GONE)
    link.on(codec.QUERY_CLIENT_ORDER, GONE)
    link.on(codec.QUERY_ORDER, ok(ROW | {"clientOrderId": "", "state": "filled"}))  # another, under the same number
    (refusal,) = (await bitmart(link).order(KNOWN_WAITING)).reports
    assert isinstance(refusal, Refusal)
    assert not link.of(codec.QUERY_ORDER)


@virtual
async def test_one_that_was_canceled_before_it_fired_says_so_itself() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, ok(ROW | {"state": "canceled"}))
    link.on(codec.QUERY_CLIENT_ORDER, GONE)
    assert statuses((await bitmart(link).order(WAITING_REF)).reports) == [("77", VenueOrderStatus.CANCELED)]


@virtual
async def test_a_waiting_order_is_canceled_by_its_venue_id_whichever_kind_it_is() -> None:
    link = FakeLink()
    link.on(codec.ALGO_CANCEL, GONE, ok({"result": True}))
    (ack,) = (await bitmart(link).cancel(KNOWN_WAITING)).reports
    assert isinstance(ack, Ack)
    assert [call.fields() for call in link.of(codec.ALGO_CANCEL)] == [
        {"symbol": "BTC_USDT", "order_id": "77", "type": kind} for kind in ("trigger", "tp/sl")
    ]


@virtual
async def test_without_its_venue_id_it_is_looked_up_first() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, ok(ROW))
    link.on(codec.ALGO_CANCEL, ok({}))
    await bitmart(link).cancel(WAITING_REF)
    assert link.of(codec.ALGO_CANCEL)[0].fields()["order_id"] == "77"


@virtual
async def test_one_that_has_fired_is_canceled_as_the_order_it_became() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, GONE)
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    await bitmart(link).cancel(WAITING_REF)
    assert link.of(codec.CANCEL_ORDER)[0].fields() == {"symbol": "BTC_USDT", "client_order_id": "oms1"}


@virtual
async def test_a_cancel_that_finds_it_fired_meanwhile_ends_what_it_has_become() -> None:
    link = FakeLink()
    link.on(codec.ALGO_CANCEL, GONE)
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    (ack,) = (await bitmart(link).cancel(KNOWN_WAITING)).reports
    assert isinstance(ack, Ack)
    assert link.of(codec.CANCEL_ORDER)[0].fields() == {"symbol": "BTC_USDT", "client_order_id": "oms1"}


@virtual
async def test_a_cancel_whose_look_up_was_not_answered_certainly_never_left() -> None:
    link = FakeLink()
    link.on(codec.QUERY_ALGO_CLIENT_ORDER, LOST)
    with pytest.raises(NoAnswerError) as lost:
        await bitmart(link).cancel(WAITING_REF)
    assert not link.of(codec.ALGO_CANCEL)
    assert not link.of(codec.CANCEL_ORDER)
    assert not lost.value.sent


@virtual
async def test_a_waiting_order_that_is_gone_is_said_to_be_gone() -> None:
    link = FakeLink()
    link.on(codec.ALGO_CANCEL, GONE)
    link.on(codec.CANCEL_ORDER, GONE)
    (refusal,) = (await bitmart(link).cancel(KNOWN_WAITING)).reports
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "order_not_found"


@virtual
async def test_open_orders_are_those_that_rest_and_those_that_wait() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([ROW | {"orderId": "1"}]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, ok([ROW, {"news": 1}]))
    answer = await bitmart(link).open_orders()
    assert [venue_order_id for venue_order_id, _ in statuses(answer.reports)] == ["1", "77"]
    assert not answer.complete, "one row was not understood"


@virtual
async def test_open_orders_of_one_market_are_without_those_that_wait_in_others() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, ok([ROW, ROW | {"orderId": "79", "symbol": "ETH_USDT"}]))
    answer = await bitmart(link).open_orders(ORDER.symbol)
    assert statuses(answer.reports) == [("77", VenueOrderStatus.NEW)]
    assert answer.complete


@virtual
async def test_s60_a_venue_that_retired_waiting_orders_still_shows_the_others() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([ROW]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, refused(200, 30031))
    venue = bitmart(link)
    answer = await venue.open_orders()
    assert (len(answer.reports), answer.complete) == (1, True)
    assert venue.capabilities(ORDER.symbol).lost == {"open_triggers"}
    await venue.open_orders()
    assert len(link.of(codec.QUERY_ALGO_OPEN_ORDERS)) == 1, "it is not asked again"


@virtual
async def test_waiting_orders_that_could_not_be_asked_for_are_not_absent() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([ROW]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, page(503))
    answer = await bitmart(link).open_orders()
    assert (len(answer.reports), answer.complete) == (1, False)


@virtual
async def test_trap_9_47_a_waiting_order_older_than_seven_days_is_among_the_open_ones() -> None:
    link = FakeLink()
    now_ms = EPOCH_NS // 1_000_000
    created_ms = now_ms - 8 * DAY_MS

    def listed(call: Call) -> LinkAnswer:
        return ok([ROW] if call.fields().get("startTime", now_ms - 7 * DAY_MS) <= created_ms else [])

    link.on(codec.QUERY_OPEN_ORDERS, ok([]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, listed)
    answer = await bitmart(link).open_orders()
    assert [venue_order_id for venue_order_id, _ in statuses(answer.reports)] == ["77"]
    assert answer.complete


@virtual
async def test_where_the_venue_looks_back_less_far_for_waiting_orders_no_more_is_claimed() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([]))
    link.on(codec.QUERY_ALGO_OPEN_ORDERS, refused(400, 50041), ok([ROW]))
    answer = await bitmart(link).open_orders()
    assert (len(answer.reports), answer.complete) == (1, False)
    unasked = link.of(codec.QUERY_ALGO_OPEN_ORDERS)[1].fields()
    assert "startTime" not in unasked
    assert "orderMode" not in unasked, "both kinds of them"
