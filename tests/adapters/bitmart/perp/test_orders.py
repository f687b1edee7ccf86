"""Finding what the venue cannot look up, and never taking silence for absence."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.bitmart.perp import codec
from adapters.bitmart.perp.capabilities import CAPABILITIES
from adapters.bitmart.perp.names import Name, Names
from oms.ports import LinkAnswer, LinkError
from oms.reports import OrderReport, Refusal, RefusalClass, TradeReport, Unreadable
from oms.values import ClientOrderId, Crossing, MarginMode, Provenance, Symbol, VenueOrderId
from oms.venue import NoAnswerError, OrderRef, Trigger, Window
from tests.adapters.bitmart.fakes import LOST, Call, ok, page, refused, virtual
from tests.adapters.bitmart.perp.desk import (
    BTC,
    DAY_S,
    KNOWN,
    NOW_MS,
    NOW_S,
    ORDER,
    REF,
    WAITING,
    Desk,
    child,
    fill,
    plan,
    row,
    windowed,
    with_,
)

TRIGGER = Trigger(price=Decimal(59500), when=Crossing.FALLS_TO)
LAG = CAPABILITIES.lag
NAMELESS = with_(WAITING, venue_order_id=None)
TRACES = (codec.OPEN_ORDERS, codec.ORDER_HISTORY, codec.TRADES)
SILENCE = [LOST, page(502), refused(429, 30013), refused(200, 30019), refused(400, 40012, "System error")]


async def found(desk: Desk, order: OrderRef) -> Any:
    """Look an order up and return the one report it brings."""
    (report,) = (await desk.venue.order(order)).reports
    return report


# ------------------------------------------------------------------------------------------------ by the venue's id


@virtual
async def test_an_order_is_looked_up_by_the_venues_id() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER, ok(row(state=4, deal_size="5", deal_avg_price="60000")))
    report = await found(desk, KNOWN)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "77", "filled")
    assert desk.fields(codec.ORDER) == {"symbol": "BTCUSDT", "order_id": "77"}


@pytest.mark.parametrize("code", [40035, 40037])
@virtual
async def test_an_id_that_the_venue_does_not_have_is_not_found(code: int) -> None:
    desk = Desk()
    desk.link.on(codec.ORDER, refused(400, code))
    report = await found(desk, KNOWN)
    assert isinstance(report, Refusal)
    assert (report.klass, report.reason) == (RefusalClass.CERTAIN, "order_not_found")


@virtual
async def test_s29_an_id_that_nobody_remembers_may_be_of_an_order_that_waited() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER, refused(400, 40037))
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    report = await found(desk, KNOWN)
    assert (report.client_order_id, report.venue_order_id, report.triggered_by) == ("oms1", "99", "77")


@virtual
async def test_somebody_elses_order_is_not_the_answer() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER, ok(row("78", "oms2")))
    with pytest.raises(NoAnswerError, match="another order"):
        await desk.venue.order(KNOWN)


# ------------------------------------------------------------------------------------------------ by ours alone


@pytest.mark.parametrize("where", [codec.OPEN_ORDERS, codec.ORDER_HISTORY])
@virtual
async def test_an_order_without_the_venues_id_is_found_where_it_left_a_trace(where: str) -> None:
    desk = Desk()
    desk.link.on(where, ok([row("78", "oms2"), row()]))
    report = await found(desk, REF)
    assert (report.client_order_id, report.venue_order_id) == ("oms1", "77")
    assert desk.link.of(codec.ORDER) == []


@virtual
async def test_an_order_that_only_its_trades_show_is_found_through_them() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1), fill(2)]))
    desk.link.on(codec.ORDER, ok(row(state=4, deal_size="5")))
    report = await found(desk, REF)
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id) == ("oms1", "77")
    assert len(desk.link.of(codec.ORDER)) == 1
    assert desk.fields(codec.TRADES)["client_order_id"] == "oms1"


@virtual
async def test_an_order_whose_trades_are_known_to_be_ours_is_not_absent() -> None:
    desk = Desk()
    desk.venue.recall([KNOWN])
    desk.link.on(codec.TRADES, ok([fill(1)]))
    desk.link.on(codec.ORDER, ok(row(state=4, deal_size="5")))
    report = await found(desk, REF)
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "77", "filled")
    desk.link.on(codec.ORDER, refused(400, 40035))  # it has traded: that it is not shown is no absence
    with pytest.raises(NoAnswerError, match="77 has traded"):
        await desk.venue.order(REF)


@virtual
async def test_without_a_trace_in_all_three_it_is_not_there() -> None:
    desk = Desk()
    answer = await desk.venue.order(REF)
    (report,) = answer.reports
    assert isinstance(report, Refusal)
    assert (report.klass, report.reason, report.client_order_id) == (RefusalClass.CERTAIN, "order_not_found", "oms1")
    assert [len(desk.link.of(path)) for path in TRACES] == [1, 1, 1]
    assert answer.evidence.response.count(b"\n") == 2, "all three answers are kept"
    history = desk.fields(codec.ORDER_HISTORY)
    assert history["client_order_id"] == "oms1"
    assert int(history["end_time"]) - int(history["start_time"]) == 90 * DAY_S
    assert int(history["end_time"]) >= NOW_S


@pytest.mark.parametrize("part", TRACES)
@pytest.mark.parametrize("answer", SILENCE)
@virtual
async def test_s57_could_not_ask_is_never_not_found_and_the_part_is_named(part: str, answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(part, answer)
    with pytest.raises(NoAnswerError, match="cannot be proven absent") as caught:
        await desk.venue.order(REF)
    names = {codec.OPEN_ORDERS: "open orders", codec.ORDER_HISTORY: "order history", codec.TRADES: "trades"}
    assert [name for name in names.values() if f"{name}: " in caught.value.cause] == [names[part]]


@virtual
async def test_a_part_that_could_not_be_asked_does_not_hide_what_another_shows() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, LOST)
    desk.link.on(codec.ORDER_HISTORY, ok([row(state=4)]))
    report = await found(desk, REF)
    assert (report.client_order_id, report.status) == ("oms1", "canceled")


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        (codec.OPEN_ORDERS, [row(str(n), f"x{n}") for n in range(1, 101)]),
        (codec.ORDER_HISTORY, [row(str(n), f"x{n}") for n in range(1, 201)]),
        (codec.OPEN_ORDERS, [row(size="?")]),
        (codec.TRADES, [fill(1, price="?")]),
    ],
)
@virtual
async def test_trap_9_47_a_list_that_is_cut_or_unreadable_proves_nothing(part: str, rows: list[dict[str, Any]]) -> None:
    desk = Desk()
    desk.link.on(part, ok(rows))
    desk.link.on(codec.ORDER, ok(row("1", "x1")))
    with pytest.raises(NoAnswerError, match="cannot be proven absent"):
        await desk.venue.order(REF)


@virtual
async def test_more_orders_behind_trades_than_are_asked_for_prove_nothing() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(n, order_id=str(n)) for n in range(1, 66)]))
    desk.link.on(codec.ORDER, lambda call: ok(row(call.fields()["order_id"], f"x{call.fields()['order_id']}")))
    with pytest.raises(NoAnswerError, match="trades: "):
        await desk.venue.order(REF)


@virtual
async def test_a_fresh_trade_whose_order_cannot_be_looked_up_proves_no_absence() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1, order_id="99")]))
    desk.link.on(codec.ORDER, refused(400, 40035))
    with pytest.raises(NoAnswerError, match="trades: 99 has traded and cannot be looked up"):
        await desk.venue.order(REF)


@virtual
async def test_a_trade_whose_order_is_not_found_for_long_keeps_no_search_from_ending() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1, NOW_MS - 600_000, order_id="99")]))
    desk.link.on(codec.ORDER, refused(400, 40035))
    assert isinstance(await found(desk, REF), Refusal)


@virtual
async def test_a_venue_that_ignores_the_name_in_a_query_does_not_give_us_somebody_elses_order() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, ok([row("1", "other"), row("2", "")]))
    desk.link.on(codec.TRADES, ok([fill(1, order_id="1"), fill(2, order_id="3")]))
    desk.link.on(codec.ORDER, ok(row("3", "another")))
    report = await found(desk, REF)
    assert isinstance(report, Refusal)


# ------------------------------------------------------------------------------------------------ orders that wait


@virtual
async def test_an_order_that_waits_is_found_among_those_that_do() -> None:
    desk = Desk()
    desk.link.on(codec.PLAN_ORDERS, ok([plan("78", "oms2"), plan()]))
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "77", "new")
    assert desk.link.of(codec.ORDER) == []


@virtual
async def test_s29_after_a_restart_an_order_that_waits_nameless_is_its_callers() -> None:
    desk = Desk()
    desk.link.on(codec.PLAN_ORDERS, ok([plan("77", "")]))
    assert (await found(desk, WAITING)).client_order_id == "oms1"
    (listed,) = (await desk.venue.open_orders()).reports
    assert isinstance(listed, OrderReport)
    assert listed.client_order_id == "oms1", "and stays so"


@virtual
async def test_a_trailing_order_waits_among_the_open_ones() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([row(type="trailing", state=1)]))
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.status) == ("oms1", "new")


@pytest.mark.parametrize("where", [codec.OPEN_ORDERS, codec.ORDER_HISTORY])
@virtual
async def test_s29_an_order_that_fired_is_found_as_what_it_sent(where: str) -> None:
    desk = Desk()
    sent = child(state=4, deal_size="5") if where == codec.ORDER_HISTORY else child()
    desk.link.on(where, ok([row("78", "oms2"), sent]))
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.venue_order_id, report.triggered_by) == ("oms1", "99", "77")


@virtual
async def test_s29_the_child_comes_before_the_end_of_its_parent() -> None:
    desk = Desk()

    def history(call: Call) -> LinkAnswer:
        asked = call.fields()
        rows = [row(type="planorder", state=4, executive_order_id="99"), child(state=4, deal_size="5")]
        names = (asked.get("order_id"), asked.get("client_order_id"))
        return ok([each for each in rows if each["order_id"] in names or each["client_order_id"] in names])

    desk.link.on(codec.ORDER_HISTORY, history)
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "99", "filled")


@virtual
async def test_s29_the_fills_of_what_a_plan_order_sent_are_our_orders() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    desk.link.on(codec.TRADES, ok([fill(1, order_id="99"), fill(2, order_id="99")]))
    answer = await desk.venue.order_trades(WAITING)
    assert [(t.exec_id, t.client_order_id, t.venue_order_id) for t in answer.reports] == [  # type: ignore[union-attr]
        ("1", "oms1", "99"),
        ("2", "oms1", "99"),
    ]
    assert desk.fields(codec.TRADES)["order_id"] == "99"


@virtual
async def test_an_order_that_waited_and_sent_nothing_was_canceled() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, ok([row(type="planorder", state=4)]))
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.status, report.raw_status) == ("oms1", "canceled", None)


@virtual
async def test_trap_9_1_what_it_sent_may_not_show_yet() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, ok([row(type="planorder", state=4, update_time=NOW_MS - 2000)]))
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    await asyncio.sleep(LAG - 3)
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    await asyncio.sleep(3)
    report = await found(desk, WAITING)
    assert (report.status, report.absent) == ("canceled", ())


@virtual
async def test_s29_an_order_that_was_just_taken_is_not_called_canceled_for_as_long_as_lists_may_lag() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_PLAN_ORDER, ok({"order_id": 77}))
    await desk.venue.submit(with_(ORDER, trigger=TRIGGER, leverage=Decimal(10), margin_mode=MarginMode.CROSS))
    for _ in range(4):
        with pytest.raises(NoAnswerError, match="may not show yet"):
            await desk.venue.order(WAITING)
        await asyncio.sleep(LAG / 4 - 0.1)
    desk.link.on(codec.PLAN_ORDERS, ok([plan()]))
    assert (await found(desk, WAITING)).status == "new"


@virtual
async def test_an_order_that_waits_nowhere_was_canceled_once_what_it_sent_would_show() -> None:
    desk = Desk()
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    assert len(desk.link.of(codec.ORDER_HISTORY)) == 2, "as itself, and as what it sent"
    await asyncio.sleep(LAG)
    answer = await desk.venue.order(WAITING)
    (report,) = answer.reports
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "77", "canceled")
    assert report.absent == ()
    assert answer.source is Provenance.INFERRED
    assert answer.evidence.response.count(b"\n") == 3, "all that shows that it sent none"


@virtual
async def test_one_whose_cancel_the_venue_took_is_canceled_after_ten_seconds_and_by_its_word() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_PLAN_ORDER, ok(None))
    await desk.venue.cancel(WAITING)
    with pytest.raises(NoAnswerError, match="may not show yet") as early:
        await desk.venue.order(WAITING)
    assert early.value.early
    await asyncio.sleep(10)
    report = await found(desk, WAITING)
    assert (report.status, report.absent) == ("canceled", None)


def set_the_venues_clock(desk: Desk, seconds: int) -> None:
    clock = desk.venue._rest.server_clock
    assert clock._said is not None
    said_ns, at = clock._said
    clock._said = (said_ns + seconds * 1_000_000_000, at)


@virtual
async def test_s29_a_clock_of_the_venue_that_is_set_ahead_does_not_call_an_order_canceled_that_has_just_fired() -> None:
    desk = Desk()
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    set_the_venues_clock(desk, 240)
    await asyncio.sleep(0.5)
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    assert (await found(desk, WAITING)).status == "new"


@virtual
async def test_s29_a_clock_of_the_venue_that_is_set_back_does_not_keep_an_order_from_being_gone() -> None:
    desk = Desk()
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    set_the_venues_clock(desk, -240)
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    await asyncio.sleep(LAG)
    assert (await found(desk, WAITING)).status == "canceled"


@pytest.mark.parametrize(
    ("where", "waits"), [(codec.PLAN_ORDERS, plan()), (codec.OPEN_ORDERS, row(type="trailing", state=1))]
)
@virtual
async def test_s29_an_order_that_is_missed_and_seen_again_is_not_gone(where: str, waits: dict[str, Any]) -> None:
    desk = Desk()
    with pytest.raises(NoAnswerError):
        await desk.venue.order(WAITING)
    await asyncio.sleep(20)
    desk.link.on(where, ok([waits]))
    assert (await found(desk, WAITING)).status == "new"
    desk.link.on(where, ok([]))
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)


@virtual
async def test_s29_what_it_is_known_to_have_sent_is_asked_for_itself() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    await desk.venue.order(WAITING)
    desk.link.on(codec.OPEN_ORDERS, ok([]))
    desk.link.on(codec.ORDER, ok(child(state=4, deal_size="5")))
    report = await found(desk, WAITING)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "99", "filled")
    assert desk.fields(codec.ORDER)["order_id"] == "99"


@virtual
async def test_an_order_that_never_waited_is_not_called_canceled() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER, refused(400, 40035))
    for _ in range(2):
        assert isinstance(await found(desk, KNOWN), Refusal)
        await asyncio.sleep(20)


@virtual
async def test_s29_an_order_that_waits_without_a_name_is_told_without_one() -> None:
    """Whoever sent one whose answer was lost knows it by its terms (`oms.recognition`)."""
    desk = Desk()
    desk.link.on(codec.SUBMIT_PLAN_ORDER, LOST)
    desk.link.on(codec.PLAN_ORDERS, ok([plan("78", "")]))
    order = with_(ORDER, trigger=TRIGGER, leverage=Decimal(10), margin_mode=MarginMode.CROSS)
    with pytest.raises(NoAnswerError):
        await desk.venue.submit(order)
    answer = await desk.venue.open_orders()
    (report,) = answer.reports
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id, answer.complete) == (None, "78", True)
    assert report.trigger_price is not None
    assert isinstance(await found(desk, NAMELESS), Refusal)


@virtual
async def test_s29_an_order_that_waits_is_ours_from_its_answer_on() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_PLAN_ORDER, ok({"order_id": 78}))
    desk.link.on(codec.PLAN_ORDERS, ok([plan("78", "")]))
    order = with_(ORDER, trigger=TRIGGER, leverage=Decimal(10), margin_mode=MarginMode.CROSS)
    await desk.venue.submit(order)
    (report,) = (await desk.venue.open_orders()).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id == "oms1"


@virtual
async def test_a_nameless_row_keeps_the_name_we_gave_it() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, ok({"order_id": 77}))
    await desk.venue.submit(ORDER)
    desk.link.on(codec.OPEN_ORDERS, ok([row("77", "")]))
    (report,) = (await desk.venue.open_orders()).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id == "oms1"


@pytest.mark.parametrize("part", [codec.PLAN_ORDERS, codec.OPEN_ORDERS, codec.ORDER_HISTORY])
@pytest.mark.parametrize("answer", SILENCE)
@virtual
async def test_an_order_that_waits_is_never_absent_because_nobody_answered(part: str, answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(part, answer)
    with pytest.raises(NoAnswerError):
        await desk.venue.order(WAITING)


# ------------------------------------------------------------------------------------------------ open orders


@virtual
async def test_trap_9_47_beyond_a_hundred_open_orders_each_symbol_is_asked_for_by_itself() -> None:
    desk = Desk()
    markets = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    rows = [row(str(n), f"x{n}", symbol=markets[n % 3]) for n in range(1, 151)]

    def listed(call: Call) -> LinkAnswer:
        asked = call.fields()
        mine = [each for each in rows if asked.get("symbol") in (None, each["symbol"])]
        return ok(mine[: int(asked["limit"])])

    desk.link.on(codec.OPEN_ORDERS, listed)
    desk.link.on(codec.DETAILS, ok({"symbols": [_contract(market) for market in markets]}))
    desk.link.on(codec.TRADE_FEE_RATE, refused(200, 30019))
    answer = await desk.venue.open_orders()
    assert len(answer.reports) == 150, "each once"
    assert answer.complete
    rows += [row(str(n), f"x{n}") for n in range(1000, 1100)]
    assert not (await desk.venue.open_orders()).complete, "more than a hundred of one symbol"
    assert not (await desk.venue.open_orders(Symbol("BTC/USDT:USDT"))).complete
    other = await desk.venue.open_orders(Symbol("ETH/USDT:USDT"))
    assert other.complete, "which says nothing of the others"
    assert len(other.reports) == 50


def _cut(desk: Desk, rows: list[dict[str, Any]]) -> None:
    """Show of `rows` no more than the venue's hundred at once."""

    def listed(call: Call) -> LinkAnswer:
        asked = call.fields()
        return ok([each for each in rows if asked.get("symbol") in (None, each["symbol"])][: int(asked["limit"])])

    desk.link.on(codec.OPEN_ORDERS, listed)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "Paused"},
        {"quote_currency": "USDC"},
        {"product_type": 2},
        {"delist_time": "soon"},
        {"min_volume": "?"},
    ],
)
@virtual
async def test_trap_9_47_beyond_the_cap_markets_that_cannot_be_traded_are_asked_for_too(changes: Any) -> None:
    desk = Desk()
    rows = [row(str(n), f"x{n}") for n in range(1, 100)]
    rows += [row("500", "y1", symbol="ETHUSDT"), row("501", "y2", symbol="ETHUSDT"), row("502", "z", symbol="XRPUSDT")]
    _cut(desk, rows)
    gone = [_contract("OLDUSDT") | {"status": "Delisted"}, _contract("LEFTUSDT") | {"delist_time": NOW_S - 1}]
    listed = [_contract("BTCUSDT"), _contract("XRPUSDT") | changes, *gone]  # ETHUSDT is told by its row alone
    desk.link.on(codec.DETAILS, ok({"symbols": listed}))
    answer = await desk.venue.open_orders()
    assert (len(answer.reports), answer.complete) == (102, True)
    asked = [call.fields().get("symbol") for call in desk.link.of(codec.OPEN_ORDERS)]
    assert sorted(asked[1:]) == ["BTCUSDT", "ETHUSDT", "XRPUSDT"], "what has ended is not asked for"


@virtual
async def test_trap_9_47_beyond_the_cap_and_without_the_catalogue_nothing_is_called_complete() -> None:
    desk = Desk()
    rows = [row(str(n), f"x{n}") for n in range(1, 100)]
    _cut(desk, [*rows, row("500", "y1", symbol="ETHUSDT"), row("501", "y2", symbol="ETHUSDT")])
    desk.link.on(codec.DETAILS, page(502))
    answer = await desk.venue.open_orders()
    assert (len(answer.reports), answer.complete) == (101, False)
    assert answer.unasked


def _contract(symbol: str) -> dict[str, object]:
    return {
        "symbol": symbol,
        "product_type": 1,
        "base_currency": symbol.removesuffix("USDT"),
        "quote_currency": "USDT",
        "contract_size": "0.001",
        "price_precision": "0.1",
        "vol_precision": "1",
        "min_volume": "1",
        "status": "Trading",
        "delist_time": 0,
    }


@virtual
async def test_a_list_with_a_row_that_cannot_be_read_is_not_called_complete() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([row(), row("78", size="?")]))
    answer = await desk.venue.open_orders()
    assert [type(report) for report in answer.reports] == [OrderReport, Unreadable]
    assert not answer.complete


# ------------------------------------------------------------------------------------------------ trades and history


@virtual
async def test_trap_9_23_trades_beyond_the_cap_are_found_by_halving_a_window_in_seconds() -> None:
    desk = Desk()
    since_ms = NOW_MS - 1_000_000
    fills = [fill(n, since_ms + n * 1000 + 7) for n in range(1, 751)]
    desk.link.on(codec.TRADES, windowed(fills, 1000, 200))
    desk.link.on(codec.ORDER, ok(row()))
    answer = await desk.venue.trades(since_ms=since_ms, until_ms=NOW_MS)
    assert answer.complete
    assert answer.proven == (Window(since_ms, NOW_MS),)
    assert sorted(int(t.exec_id) for t in answer.reports if isinstance(t, TradeReport)) == list(range(1, 751))
    assert all(int(call.fields()["start_time"]) < 10**11 for call in desk.link.of(codec.TRADES))


@virtual
async def test_what_else_happened_in_the_same_second_is_not_in_the_window() -> None:
    desk = Desk()
    fills = [fill(n, NOW_MS + n) for n in range(1000)]
    desk.link.on(codec.TRADES, windowed(fills[90:210], 1000, 200))
    desk.link.on(codec.ORDER, ok(row()))
    ended = [row(str(n), create_time=NOW_MS + n, update_time=NOW_MS + n + 5) for n in (1, 90, 195, 201)]
    desk.link.on(codec.ORDER_HISTORY, ok(ended))
    answer = await desk.venue.trades(since_ms=NOW_MS + 100, until_ms=NOW_MS + 200)
    assert {t.at_ms for t in answer.reports if isinstance(t, TradeReport)} == set(range(NOW_MS + 100, NOW_MS + 201))
    answer = await desk.venue.order_history(BTC, since_ms=NOW_MS + 95, until_ms=NOW_MS + 200)
    assert [o.venue_order_id for o in answer.reports] == ["90", "195"]  # type: ignore[union-attr]
    assert answer.proven == (Window(NOW_MS + 95, NOW_MS + 200),)


@virtual
async def test_more_trades_in_one_second_than_the_venue_lists_are_not_called_all() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, windowed([fill(n, NOW_MS - 5000) for n in range(1, 251)], 1000, 200))
    desk.link.on(codec.ORDER, ok(row()))
    answer = await desk.venue.trades(since_ms=NOW_MS - 60_000, until_ms=NOW_MS)
    assert (len(answer.reports), answer.complete) == (200, False)
    assert all(not (part.since_ms <= NOW_MS - 5000 <= part.until_ms) for part in answer.proven)


@virtual
async def test_a_trade_id_that_two_symbols_share_is_two_trades() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1), fill(1, symbol="ETHUSDT", order_id="88")]))
    desk.link.on(codec.ORDER, lambda call: ok(row(call.fields()["order_id"], "oms1", symbol=call.fields()["symbol"])))
    answer = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert len(answer.reports) == 2


@virtual
async def test_a_window_of_more_than_ninety_days_is_asked_for_in_parts() -> None:
    desk = Desk()
    inner = windowed([fill(n, NOW_MS - n * DAY_S * 1000) for n in range(1, 200)], 1000, 200)

    def answer(call: Call) -> LinkAnswer:
        asked = call.fields()
        wide = int(asked["end_time"]) - int(asked["start_time"]) > 90 * DAY_S
        return refused(400, 40007) if wide else inner(call)

    desk.link.on(codec.TRADES, answer)
    desk.link.on(codec.ORDER, ok(row()))
    found = await desk.venue.trades(since_ms=NOW_MS - 199 * DAY_S * 1000, until_ms=NOW_MS)
    assert (len(found.reports), found.complete) == (199, True)
    assert len(desk.link.of(codec.TRADES)) == 3


@virtual
async def test_each_trade_says_whose_it_is_and_each_order_is_asked_for_once() -> None:
    desk = Desk()
    await desk.venue.submit(ORDER)
    fills = [fill(1), fill(2, order_id="78"), fill(3, order_id="78"), fill(4, order_id="79")]
    desk.link.on(codec.TRADES, ok(fills))

    def order(call: Call) -> LinkAnswer:
        known = {"78": row("78", "oms2"), "79": row("79", "")}
        return ok(known[call.fields()["order_id"]])

    desk.link.on(codec.ORDER, order)
    for _ in range(2):
        answer = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
        assert [t.client_order_id for t in answer.reports] == ["oms1", "oms2", "oms2", None]  # type: ignore[union-attr]
    assert [call.fields()["order_id"] for call in desk.link.of(codec.ORDER)] == ["78", "79"]


@virtual
async def test_a_process_that_begins_asks_for_no_order_that_the_log_knows_to_say_whose_a_trade_is() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1), fill(2, order_id="78")]))
    desk.link.on(codec.ORDER, lambda call: ok(row(call.fields()["order_id"], "oms2")))
    desk.venue.recall([KNOWN, REF])
    answer = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert [t.client_order_id for t in answer.reports] == ["oms1", "oms2"]  # type: ignore[union-attr]
    assert [call.fields()["order_id"] for call in desk.link.of(codec.ORDER)] == ["78"], "the one nobody remembers"


@pytest.mark.parametrize("answer", SILENCE)
@virtual
async def test_a_trade_whose_order_could_not_be_asked_for_is_not_called_nobodys(answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1)]))
    desk.link.on(codec.ORDER, answer)
    with pytest.raises(NoAnswerError):
        await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)


@pytest.mark.parametrize("silence", SILENCE)
@virtual
async def test_an_order_that_could_not_be_asked_for_hides_no_other_trade(silence: LinkAnswer | LinkError) -> None:
    desk = Desk()
    await desk.venue.submit(ORDER)
    fills = [fill(1), fill(2, order_id="99"), fill(3, order_id="99"), fill(4, order_id="78")]
    desk.link.on(codec.TRADES, ok(fills))

    def order(call: Call) -> LinkAnswer | LinkError:
        return silence if call.fields()["order_id"] == "99" else ok(row("78", "oms2"))

    desk.link.on(codec.ORDER, order)
    answer = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert {t.exec_id for t in answer.reports if isinstance(t, TradeReport)} >= {"1"}
    assert "2" not in {t.exec_id for t in answer.reports if isinstance(t, TradeReport)}
    assert (answer.complete, answer.proven, bool(answer.unasked)) == (False, (), True)
    asked = [call for call in desk.link.of(codec.ORDER) if call.fields()["order_id"] == "99"]
    again = isinstance(silence, LinkAnswer) and silence.status == 429  # which is asked once more, as any query
    assert len(asked) == (2 if again else 1), "for both of its trades"


@virtual
async def test_a_venue_that_answers_no_look_up_is_not_asked_for_each_of_them() -> None:
    desk = Desk()
    await desk.venue.submit(ORDER)
    strangers = [fill(n, order_id=str(n)) for n in range(100, 140)]
    desk.link.on(codec.TRADES, ok([*strangers, fill(1)]))
    desk.link.on(codec.ORDER, page(502))
    answer = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert [t.exec_id for t in answer.reports if isinstance(t, TradeReport)] == ["1"], "ours needs no look-up"
    assert not answer.complete
    assert len(desk.link.of(codec.ORDER)) == 3


@virtual
async def test_more_unknown_orders_than_are_asked_for_at_once_are_left_for_the_next_time() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(n, order_id=str(n)) for n in range(1, 101)]))
    desk.link.on(codec.ORDER, lambda call: ok(row(call.fields()["order_id"], f"x{call.fields()['order_id']}")))
    first = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert (len(first.reports), first.complete, first.proven) == (64, False, ())
    second = await desk.venue.trades(since_ms=NOW_MS - 1000, until_ms=NOW_MS)
    assert (len(second.reports), second.complete) == (100, True)


@virtual
async def test_trap_9_31_one_orders_trades_are_looked_for_as_far_back_as_the_venue_shows() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1), fill(2), fill(3, order_id="78")]))
    answer = await desk.venue.order_trades(KNOWN)
    assert [t.exec_id for t in answer.reports] == ["1", "2"], "and only that order's"  # type: ignore[union-attr]
    asked = desk.fields(codec.TRADES)
    assert (asked["order_id"], asked["symbol"]) == ("77", "BTCUSDT")
    assert int(asked["end_time"]) - int(asked["start_time"]) == 90 * DAY_S


@virtual
async def test_a_trade_that_names_no_order_is_of_the_one_that_was_asked_for() -> None:
    desk = Desk()
    nameless = fill(2)
    del nameless["order_id"]
    desk.link.on(codec.TRADES, ok([fill(1), nameless]))
    answer = await desk.venue.order_trades(KNOWN)
    assert [(t.exec_id, t.client_order_id, t.venue_order_id) for t in answer.reports] == [  # type: ignore[union-attr]
        ("1", "oms1", "77"),
        ("2", "oms1", "77"),
    ]
    assert answer.complete


@virtual
async def test_history_is_asked_for_by_symbol() -> None:
    desk = Desk()
    desk.link.on(codec.ORDER_HISTORY, ok([row(state=4), row("78", "oms2", state=4, deal_size="5")]))
    answer = await desk.venue.order_history(BTC, since_ms=NOW_MS - 90_000, until_ms=NOW_MS)
    assert [(o.client_order_id, o.status) for o in answer.reports] == [("oms1", "canceled"), ("oms2", "filled")]  # type: ignore[union-attr]
    assert desk.fields(codec.ORDER_HISTORY)["symbol"] == "BTCUSDT"


# ------------------------------------------------------------------------------------------------ the memory


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    names = Names(size=3)
    for number in range(5):
        names.put(BTC, VenueOrderId(str(number)), Name(ClientOrderId(f"x{number}")))
    kept = [names.get(BTC, VenueOrderId(str(number))) for number in range(5)]
    assert [name and name.client_order_id for name in kept] == [None, None, "x2", "x3", "x4"]


def test_an_id_names_an_order_within_its_symbol_only() -> None:
    names = Names()
    names.put(BTC, VenueOrderId("1"), Name(ClientOrderId("x1")))
    assert names.get(Symbol("ETH/USDT:USDT"), VenueOrderId("1")) is None
