"""Each trap of PROTOCOL 9 that concerns spot, by its number: what the adapter makes of it. Where a trap has its test in
another file, the list at the end says where.
"""

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.bitmart.connection import Connection, Phase
from adapters.bitmart.envelope import opened
from adapters.bitmart.sign import sign
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.dialect import SPOT, login
from adapters.bitmart.spot.requests import SelfTrade
from adapters.bitmart.spot.venue import Options
from adapters.bitmart.transport import USER_AGENT
from oms.reports import (
    Ack,
    BalanceReport,
    CandleReport,
    InstrumentReport,
    OrderReport,
    PublicTradeReport,
    Refusal,
    RefusalClass,
    Report,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import ExecId
from oms.venue import NoAnswerError, Window
from tests.adapters.bitmart.fakes import (
    BTC,
    CREDENTIALS,
    EPOCH_NS,
    KNOWN,
    LOST,
    ORDER,
    REF,
    UNREACHABLE,
    Call,
    FakeLink,
    LoopClock,
    bitmart,
    ok,
    page,
    refused,
    virtual,
)

NOW_MS = EPOCH_NS // 1_000_000
ROW = {"orderId": "77", "clientOrderId": "oms1", "symbol": "BTC_USDT", "side": "buy", "type": "limit", "state": "new"}
FILL = {"tradeId": "9", "orderId": "77", "symbol": "BTC_USDT", "side": "buy", "price": "2", "size": "3", "fee": "0.006"}
MARKET = {
    "symbol": "A_B",
    "base_currency": "A",
    "quote_currency": "B",
    "quote_increment": "1",
    "base_min_size": "1",
    "price_max_precision": 2,
}
PUSH = {"order_id": "77", "client_order_id": "oms1", "symbol": "BTC_USDT", "side": "buy", "type": "limit"}


def answered(path: str, data: object, status: int = 200) -> tuple[Report, ...]:
    return codec.answer(path, msgspec.json.encode({"code": 1000, "message": "OK", "data": data}), status)


def pushed(table: str, *elements: object) -> tuple[Report, ...]:
    return codec.frame(msgspec.json.encode({"table": table, "data": elements}))[1]


def of(kind: type[Any], reports: tuple[Report, ...]) -> list[Any]:
    return [report for report in reports if isinstance(report, kind)]


# ------------------------------------------------------------------------------------------------ order lifecycle


@virtual
async def test_trap_9_1_not_found_means_nothing_for_as_long_as_the_capabilities_say() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005), ok(ROW))
    venue = bitmart(link)
    await venue.submit(ORDER)
    (absent,) = (await venue.order(REF)).reports
    assert isinstance(absent, Refusal)
    assert venue.capabilities(BTC).visibility_delay >= 5
    assert of(OrderReport, (await venue.order(REF)).reports)


def test_trap_9_2_s32_a_market_buy_that_ends_partially_canceled_is_filled() -> None:
    bought = ROW | {
        "type": "market",
        "state": "partially_canceled",
        "size": "0.00",
        "notional": "100",
        "filledNotional": "99.99",
        "filledSize": "0.0016",
    }
    (report,) = answered(codec.QUERY_ORDER, bought)
    assert isinstance(report, OrderReport)
    assert (report.status, report.raw_status, report.quantity) == (
        VenueOrderStatus.FILLED,
        "partially_canceled",
        None,
    )
    (ioc,) = answered(codec.QUERY_ORDER, bought | {"type": "ioc", "size": "0.004"})
    assert isinstance(ioc, OrderReport)
    assert (ioc.status, ioc.cum_quantity) == (VenueOrderStatus.CANCELED, Decimal("0.0016"))


@virtual
async def test_trap_9_3_an_acknowledged_cancel_says_nothing_of_the_orders_end() -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    answer = await bitmart(link).cancel(KNOWN)
    assert [type(report) for report in answer.reports] == [Ack]


@pytest.mark.parametrize(
    "answer",
    [ok({"result": False}), ok(data=False), *(refused(400, code) for code in (50005, 50030, 50031, 50032, 50036))],
)
@virtual
async def test_trap_9_5_no_shape_of_a_late_cancel_is_ever_a_canceled_order(answer: object) -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDER, answer)  # type: ignore[arg-type]
    (report,) = (await bitmart(link).cancel(KNOWN)).reports
    assert isinstance(report, Refusal)
    assert report.klass is RefusalClass.CERTAIN, "the request had no effect; the order is to be read"


@virtual
async def test_trap_9_7_s16_the_adapter_says_how_long_the_venue_remembers_and_shows_fills_for_longer() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005))
    link.on(codec.QUERY_ORDER, refused(400, 50005))
    link.on(codec.QUERY_TRADES, ok([FILL | {"createTime": NOW_MS}]))
    venue = bitmart(link)
    assert venue.capabilities(BTC).unfilled_memory == 20 * 60
    (absent,) = (await venue.order(KNOWN)).reports
    assert isinstance(absent, Refusal)
    assert len((await venue.trades(since_ms=NOW_MS - 1, until_ms=NOW_MS)).reports) == 1


def test_trap_9_8_a_refusal_for_funds_has_a_reason_of_its_own() -> None:
    refusal = opened(b'{"code":50020,"message":"Balance not enough"}', 400)
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, "insufficient_funds")


@pytest.mark.parametrize("code", [30016, 30019, 30030, 30031, 70003, 99999])
@virtual
async def test_trap_9_9_a_refusal_with_http_200_is_a_refusal(code: int) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, refused(200, code))
    try:
        (report,) = (await bitmart(link).submit(ORDER)).reports
    except NoAnswerError:
        assert code == 99999, "only a code that nobody knows proves nothing"
    else:
        assert isinstance(report, Refusal)


@virtual
async def test_trap_9_10_success_in_the_code_and_an_error_in_the_words_proves_nothing() -> None:
    link = FakeLink()
    body = b'{"errno":"OK","message":"This service is down","code":1000,"trace":"","data":{}}'
    link.on(codec.SUBMIT_ORDER, msgspec.structs.replace(ok({}), body=body))
    with pytest.raises(NoAnswerError):
        await bitmart(link).submit(ORDER)


@virtual
async def test_trap_9_12_a_duplicate_id_proves_that_an_earlier_attempt_arrived_and_nothing_of_its_end() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, refused(400, 50042))
    (report,) = (await bitmart(link).submit(ORDER)).reports
    assert isinstance(report, Refusal)
    assert (report.klass, report.reason) == (RefusalClass.UNKNOWN, "duplicate_id")


@pytest.mark.parametrize(
    "silence", [refused(404, 30000), refused(200, 30031), page(502), ok(ROW | {"orderId": "9", "clientOrderId": "b"})]
)
@virtual
async def test_trap_9_51_where_the_look_up_by_client_id_is_gone_the_venues_id_finds_the_order(silence: Any) -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, silence)
    link.on(codec.QUERY_ORDER, ok(ROW))
    venue = bitmart(link)
    (report,) = (await venue.order(KNOWN)).reports
    assert isinstance(report, OrderReport)
    assert report.venue_order_id == "77"
    link.on(codec.QUERY_CLIENT_ORDER, page(502))
    with pytest.raises(NoAnswerError):
        await venue.order(REF)


@virtual
async def test_trap_9_13_a_look_up_by_client_id_that_finds_nothing_falls_back_to_the_venues_id() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005))
    link.on(codec.QUERY_ORDER, ok(ROW | {"clientOrderId": "77"}))
    found = of(OrderReport, (await bitmart(link).order(KNOWN)).reports)
    assert [one.venue_order_id for one in found] == ["77"]


@pytest.mark.parametrize("shown", ["77", "", None])
def test_trap_9_14_a_client_id_that_is_the_order_id_or_empty_is_not_ours(shown: str | None) -> None:
    (report,) = answered(codec.QUERY_OPEN_ORDERS, [{**ROW, "clientOrderId": shown}])
    assert isinstance(report, OrderReport)
    assert report.client_order_id is None
    (push,) = pushed("spot/user/orders", PUSH | {"client_order_id": shown, "order_state": "new"})
    assert isinstance(push, OrderReport)
    assert push.client_order_id is None


def test_trap_9_20_s33_a_post_only_order_canceled_at_once_says_by_whom() -> None:
    (report,) = answered(
        codec.QUERY_ORDER, ROW | {"type": "limit_maker", "state": "canceled", "cancelSource": "system"}
    )
    assert isinstance(report, OrderReport)
    assert (report.status, report.cancel_reason, report.order_type) == (
        VenueOrderStatus.CANCELED,
        "system",
        "limit_maker",
    )
    for code in (50034, 50035):
        refusal = opened(b'{"code":%d,"message":"no matching depth"}' % code, 400)
        assert isinstance(refusal, Refusal)
        assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, "no_depth")


@virtual
async def test_trap_9_22_s54_a_submit_may_execute_as_late_as_its_stamp_is_good() -> None:
    assert bitmart(FakeLink()).capabilities(BTC).submit_validity == 60
    windowed = bitmart(FakeLink(), options=Options(submit_window_ms=2500))
    assert windowed.capabilities(BTC).submit_validity == 2.5
    assert windowed.capabilities(BTC).lag > 30, "queries lag by half a minute, which no window makes shorter"


# ------------------------------------------------------------------------------------------------ numbers


def test_trap_9_23_candles_come_in_seconds_and_everything_else_in_milliseconds() -> None:
    (candle,) = answered(codec.KLINES, [["1689736680", "1", "2", "1", "2", "3", "4"]])
    assert isinstance(candle, CandleReport)
    assert candle.open_ms == 1689736680000
    (push,) = pushed("spot/kline1m", {"symbol": "BTC_USDT", "candle": [1709025360, "1", "1", "1", "1", "1"]})
    assert isinstance(push, CandleReport)
    assert push.open_ms == 1709025360000
    (order,) = answered(codec.QUERY_ORDER, ROW | {"createTime": 1681701557927})
    assert isinstance(order, OrderReport)
    assert order.created_ms == 1681701557927
    (old,) = pushed("spot/trade", {"symbol": "BTC_USDT", "price": "1", "size": "1", "s_t": 1542337219})
    assert isinstance(old, PublicTradeReport)
    assert old.at_ms == 1542337219000


def test_trap_9_25_a_spot_fee_is_positive_when_paid_and_in_the_coin_that_it_names() -> None:
    for coin in ("USDT", "BMX"):
        (trade,) = answered(codec.QUERY_TRADES, [FILL | {"feeCoinName": coin}])
        assert isinstance(trade, TradeReport)
        assert (trade.commission, trade.commission_currency) == (Decimal("0.006"), coin)
    pair = pushed(
        "spot/user/orders",
        PUSH
        | {
            "order_state": "filled",
            "filled_size": "1",
            "last_fill_price": "2",
            "last_fill_count": "1",
            "detail_id": "9",
            "dealFee": "10.00",
        },
    )
    (trade,) = of(TradeReport, pair)
    assert trade.commission is None, "whose fee that is, is unverified: the query says it"


def test_trap_9_51_a_spot_fee_without_its_coin_is_none_and_no_fee_needs_none() -> None:
    for fee, coin, expected in (("0.006", None, None), ("0.006", "", None), ("0", None, Decimal(0))):
        (trade,) = answered(codec.QUERY_TRADES, [{**FILL, "fee": fee, "feeCoinName": coin}])
        assert isinstance(trade, TradeReport)
        assert (trade.commission, trade.commission_currency) == (expected, None)


def test_trap_9_26_quote_increment_is_a_step_of_the_base_size() -> None:
    details = {
        "symbol": "GXC_BTC",
        "base_currency": "GXC",
        "quote_currency": "BTC",
        "quote_increment": "1.00000000",
        "base_min_size": "2.00000000",
        "price_max_precision": 8,
        "min_buy_amount": "0.00010000",
        "min_sell_amount": "0.00020000",
        "trade_status": "trading",
    }
    (market,) = answered(codec.SYMBOLS_DETAILS, {"symbols": [details]})
    assert isinstance(market, InstrumentReport)
    assert (market.quantity_step, market.quantity_min) == (Decimal(1), Decimal(2))
    assert (market.price_step, market.notional_min) == (Decimal("1E-8"), Decimal("0.0002"))


def test_trap_9_27_s34_a_price_leaves_digit_for_digit_and_what_the_venue_made_of_it_is_shown() -> None:
    order = msgspec.structs.replace(ORDER, price=Decimal("60000.12345678"))
    assert msgspec.json.decode(requests.submit(order))["price"] == "60000.12345678"
    (report,) = answered(codec.QUERY_ORDER, ROW | {"price": "60000.12"})
    assert isinstance(report, OrderReport)
    assert report.price == Decimal("60000.12"), "the difference is for the core to see"


@pytest.mark.parametrize("size", ["1.50", 1.50, "1.500000000000000000000000000000"])
@pytest.mark.parametrize("order_id", ["118100034543076010", 118100034543076010])
def test_trap_9_28_strings_numbers_and_big_ids_read_the_same(size: object, order_id: object) -> None:
    (report,) = answered(codec.QUERY_ORDER, ROW | {"orderId": order_id, "size": size, "filledSize": "", "price": "-"})
    assert isinstance(report, OrderReport)
    assert (report.venue_order_id, report.quantity) == ("118100034543076010", Decimal("1.5"))
    assert (report.cum_quantity, report.price) == (None, None)
    assert pushed("spot/user/orders") == ()
    assert codec.frame(b'{"table":"spot/user/orders","data":""}')[1] == ()
    (balance,) = pushed(
        "spot/user/balance",
        {"event_type": "TRANSACTION_COMPLETED  ", "balance_details": [{"ccy": "BTC", "av_bal": 1, "fz_bal": "0"}]},
    )
    assert isinstance(balance, BalanceReport)


# ------------------------------------------------------------------------------------------------ streams


def test_trap_9_31_a_push_is_a_total_and_one_last_trade() -> None:
    fills = {"order_state": "partially_filled", "filled_size": "3", "last_fill_price": "2", "last_fill_count": "1"}
    order, trade = pushed("spot/user/orders", PUSH | fills | {"detail_id": "9", "exec_type": "M"})
    assert isinstance(order, OrderReport)
    assert isinstance(trade, TradeReport)
    assert (order.cum_quantity, trade.quantity, trade.exec_id) == (Decimal(3), Decimal(1), ExecId("9"))


@pytest.mark.parametrize("mode", ["spot", "0", "", None])
def test_a_push_of_a_margin_account_says_nothing_of_the_spot_account(mode: str | None) -> None:
    """Its fills move no balance here; whichever way an order of ours is marked, it is ours."""
    fills = {"order_state": "partially_filled", "filled_size": "3", "last_fill_price": "2", "last_fill_count": "1"}
    push = PUSH | fills | {"detail_id": "9", "exec_type": "M"}
    assert pushed("spot/user/orders", push | {"order_mode": "iso_margin"}) == ()
    assert pushed("spot/user/orders", push | {"order_mode": mode}) == pushed("spot/user/orders", push)


def test_trap_9_33_times_that_run_backwards_are_shown_as_they_came() -> None:
    (report,) = answered(codec.QUERY_ORDER, ROW | {"createTime": 1681701559408, "updateTime": 1681701557927})
    assert isinstance(report, OrderReport)
    assert report.created_ms is not None
    assert report.updated_ms is not None
    assert report.updated_ms < report.created_ms


def test_trap_9_34_s45_every_order_of_a_push_is_read_and_a_broken_one_costs_only_itself() -> None:
    orders = [PUSH | {"order_id": str(number), "order_state": "new"} for number in (1, 2)]
    reports = pushed("spot/user/orders", orders[0], {"order_id": "x"}, 7, orders[1])
    assert [one.venue_order_id for one in of(OrderReport, reports)] == ["1", "2"]
    assert len(reports) == 4


def test_trap_9_35_the_spot_ping_is_a_text_and_no_json() -> None:
    connection = Connection(SPOT, 0.0)
    assert connection.ping(11.0) == "ping"


# PROTOCOL 4.8, drawn by hand: the code, whether the connection goes on, whether it stays away for long, whether the
# clock is measured again before the next login.
STREAM_CODES = """
90001 lost . .  | 90002 lost . .   | 90003 lost . .   | 90004 lost . .
90005 lost . .  | 90006 lost . .   | 90007 lost away . | 90008 on  . .
90009 lost . .  | 91001 lost . .   | 91002 lost . .   | 91003 lost . .
91004 lost . .  | 91005 on   . .   | 91006 lost . .   | 91010 lost . .
91011 lost . .  | 91021 lost . clock | 91022 lost . clock | 91023 lost . clock
92001 lost . .  | 94001 lost away . | 94002 lost away . | 95000 lost . .
"""
STREAM_ROWS = [cell.split() for line in STREAM_CODES.strip().splitlines() for cell in line.split("|")]


@pytest.mark.parametrize(("code", "then", "away", "clock"), STREAM_ROWS)
def test_trap_9_36_a_code_of_the_stream_means(code: str, then: str, away: str, clock: str) -> None:
    connection = Connection(SPOT, 0.0)
    connection.receive('{"event":"login"}', 0.0)
    connection.receive(msgspec.json.encode({"event": "subscribe", "errorCode": code, "errorMessage": "words"}), 0.0)
    assert (connection.phase is Phase.LOST) == (then == "lost")
    assert (connection.cool_down > 0) == (away == "away")
    assert connection.clock_off == (clock == "clock")


@virtual
async def test_trap_9_36_a_login_with_a_stamp_that_is_off_measures_the_clock_and_tries_again_soon() -> None:
    link = FakeLink()
    link.on_connect = lambda socket: socket.push('{"event":"login","errorCode":"91022","errorMessage":"a minute"}')
    venue = bitmart(link)

    async def listen() -> None:
        async for _ in venue.stream():
            pass

    listening = asyncio.ensure_future(listen())  # noqa: TID251 -- the test's own
    await asyncio.sleep(20)
    listening.cancel()
    assert len(link.connected_at) > 1
    assert len(link.of("/system/time")) >= len(link.connected_at), "before each login"


def test_trap_9_40_public_trades_have_no_id_and_get_none() -> None:
    (row,) = answered("/spot/quotation/v3/trades", [["BTC_USDT", "1717212457302", "67643.11", "0.00106", "sell"]])
    assert isinstance(row, PublicTradeReport)
    assert row.trade_id is None


# ------------------------------------------------------------------------------------------------ environment


@pytest.mark.parametrize("status", [403, 503])
@virtual
async def test_trap_9_41_s56_a_page_of_the_edge_is_in_doubt_unless_the_edge_stopped_it(status: int) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, page(status))
    link.on(codec.QUERY_OPEN_ORDERS, page(status))
    venue = bitmart(link)
    if status == 403:
        (report,) = (await venue.submit(ORDER)).reports
        assert isinstance(report, Refusal)
        assert report.klass is RefusalClass.TRANSIENT
    else:
        with pytest.raises(NoAnswerError):
            await venue.submit(ORDER)
    with pytest.raises(NoAnswerError):
        await venue.open_orders()
    assert not re.match(r"python|aiohttp|go", USER_AGENT, re.IGNORECASE)


def test_trap_9_42_only_what_is_said_to_trade_is_tradable() -> None:
    for said, tradable in (("trading", True), ("pre-trade", False), (None, False), ("news", False)):
        (market,) = answered(codec.SYMBOLS_DETAILS, {"symbols": [MARKET | {"trade_status": said}]})
        assert isinstance(market, InstrumentReport)
        assert market.tradable is tradable
    for code in (50023, 50040, 51008):
        refusal = opened(b'{"code":%d,"message":"no"}' % code, 400)
        assert isinstance(refusal, Refusal)
        assert refusal.reason == "bad_symbol"


@virtual
async def test_trap_9_43_s55_the_header_that_is_called_remaining_counts_what_was_used() -> None:
    link = FakeLink()
    counted = {"x_bm_ratelimit_remaining": "12", "x_bm_ratelimit_limit": "12", "x_bm_ratelimit_reset": "2"}
    link.on(codec.QUERY_TRADES, ok([], **counted))
    venue = bitmart(link)
    for _ in range(2):
        await venue.trades(since_ms=0, until_ms=1)
    first, second = (call.at for call in link.of(codec.QUERY_TRADES))
    assert second - first >= 2, "twelve of twelve are used"


@virtual
async def test_trap_9_44_a_keyed_answer_says_nothing_of_the_secret_and_the_signed_one_does() -> None:
    link = FakeLink()
    link.on(codec.WALLET, ok({"wallet": []}))
    link.on(codec.QUERY_OPEN_ORDERS, refused(401, 30005))
    venue = bitmart(link)
    assert (await venue.balances()).reports == ()
    with pytest.raises(NoAnswerError, match="auth signature"):
        await venue.open_orders()


@virtual
async def test_trap_9_45_the_bytes_that_leave_are_the_bytes_that_were_signed() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, ok({"code": 0, "msg": "", "data": {"orderIds": ["1"]}}))
    link.on(codec.CANCEL_ALL, ok({}))
    venue = bitmart(link)
    await venue.submit_many([ORDER])
    await venue.cancel_all()
    for call in (link.of(codec.BATCH_ORDERS)[0], link.of(codec.CANCEL_ALL)[0]):
        assert call.headers["X-BM-SIGN"] == sign(CREDENTIALS, int(call.headers["X-BM-TIMESTAMP"]), call.body)


@virtual
async def test_trap_9_47_open_orders_are_asked_for_as_far_back_as_any_may_live() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([]))
    await bitmart(link).open_orders()
    (call,) = link.of(codec.QUERY_OPEN_ORDERS)
    assert call.fields()["startTime"] < NOW_MS - 300 * 86_400_000
    assert "endTime" not in call.fields()


@virtual
async def test_trap_9_47_s17_more_rows_than_the_cap_are_found_by_halving_and_what_is_proven_is_said() -> None:
    fills = [FILL | {"tradeId": str(number), "createTime": NOW_MS + number * 8_000} for number in range(1, 451)]
    link = FakeLink()

    def listed(call: Call) -> Any:
        asked = call.fields()
        found = [one for one in fills if asked["startTime"] <= one["createTime"] <= asked["endTime"]]
        return ok(found[-asked["limit"] :])

    link.on(codec.QUERY_TRADES, listed)
    answer = await bitmart(link).trades(since_ms=NOW_MS, until_ms=NOW_MS + 3_600_000)
    assert len({one.exec_id for one in of(TradeReport, answer.reports)}) == len(answer.reports) == 450
    assert (answer.complete, answer.proven) == (True, (Window(NOW_MS, NOW_MS + 3_600_000),))


@virtual
async def test_s17_what_could_not_be_proven_is_left_out_of_what_is_proven() -> None:
    crowd = [FILL | {"tradeId": str(number), "createTime": NOW_MS + 5_000} for number in range(1, 251)]  # in one moment
    link = FakeLink()

    def listed(call: Call) -> Any:
        asked = call.fields()
        return ok([one for one in crowd if asked["startTime"] <= one["createTime"] <= asked["endTime"]][:200])

    link.on(codec.QUERY_TRADES, listed)
    answer = await bitmart(link).trades(since_ms=NOW_MS, until_ms=NOW_MS + 10_000)
    assert not answer.complete
    before, after = answer.proven
    assert (before.since_ms, after.until_ms) == (NOW_MS, NOW_MS + 10_000)
    assert before.until_ms <= NOW_MS + 5_000 <= after.since_ms


@virtual
async def test_s10_two_trades_under_one_id_are_both_shown_and_a_repeat_is_not() -> None:
    one = FILL | {"createTime": NOW_MS}
    link = FakeLink()
    link.on(codec.QUERY_TRADES, ok([one, one, one | {"size": "4"}]))
    answer = await bitmart(link).trades(since_ms=NOW_MS, until_ms=NOW_MS + 1)
    assert [trade.quantity for trade in of(TradeReport, answer.reports)] == [Decimal(3), Decimal(4)]


def test_trap_9_49_self_trade_prevention_is_said_and_never_left_to_a_default() -> None:
    for mode in SelfTrade:
        assert msgspec.json.decode(requests.submit(ORDER, mode))["stpMode"] == mode.value
    assert msgspec.json.decode(requests.submit(ORDER))["stpMode"] == "none"


def test_trap_9_50_spot_speaks_its_own_dialect() -> None:
    said = msgspec.json.decode(login(CREDENTIALS, 1))
    assert (set(said), said["op"], len(said["args"])) == ({"op", "args"}, "login", 3)
    assert msgspec.json.decode(requests.submit(ORDER))["symbol"] == "BTC_USDT"


def test_trap_9_51_what_vanishes_from_one_market_costs_that_market_alone() -> None:
    broken = {name: value for name, value in MARKET.items() if name != "quote_increment"}
    reports = answered(codec.SYMBOLS_DETAILS, {"symbols": [MARKET, broken, MARKET | {"symbol": "C_B", "new": 1}]})
    assert [one.symbol for one in of(InstrumentReport, reports)] == ["A/B", "C/B"]


@pytest.mark.parametrize("answer", [refused(404, 30000), refused(200, 30031)])
@virtual
async def test_trap_9_51_s60_a_retired_call_is_named_among_what_is_lost_and_the_rest_works(answer: object) -> None:
    link = FakeLink()
    link.on(codec.QUERY_TRADES, answer)  # type: ignore[arg-type]
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    link.on(codec.CANCEL_ORDER, answer)  # type: ignore[arg-type]
    venue = bitmart(link)
    with pytest.raises(NoAnswerError):
        await venue.trades(since_ms=0, until_ms=1)
    assert venue.capabilities(BTC).lost == {"trades"}
    (refusal,) = (await venue.cancel(KNOWN)).reports
    assert isinstance(refusal, Refusal)
    assert venue.capabilities(BTC).lost == {"trades", "cancel"}
    assert of(Ack, (await venue.submit(ORDER)).reports)


# ------------------------------------------------------------------------------------------------ clock and certainty


@pytest.mark.parametrize("ahead_ms", [1500, -6000])
@virtual
async def test_s53_a_clock_that_is_off_is_corrected_from_the_venues(ahead_ms: int) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link, LoopClock(ahead_ms=ahead_ms))
    await venue.submit(ORDER)
    (call,) = link.of(codec.SUBMIT_ORDER)
    assert abs(int(call.headers["X-BM-TIMESTAMP"]) - (NOW_MS + 50)) <= 50
    assert venue.skew_ms == pytest.approx(-ahead_ms, abs=50)


@virtual
async def test_s53_a_refused_stamp_is_certainly_not_executed_and_the_next_call_measures_first() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, refused(401, 30007), ok({"order_id": "77"}))
    venue = bitmart(link)
    (refusal,) = (await venue.submit(ORDER)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.AUTH, "clock")
    await venue.submit(ORDER)
    assert len(link.of("/system/time")) == 2


@pytest.mark.parametrize(("answer", "sent"), [(LOST, True), (UNREACHABLE, False), (page(502), True)])
@virtual
async def test_s57_what_settles_nothing_leaves_the_order_in_doubt(answer: object, sent: bool) -> None:  # noqa: FBT001
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, answer)  # type: ignore[arg-type]
    with pytest.raises(NoAnswerError) as caught:
        await bitmart(link).submit(ORDER)
    assert caught.value.sent is sent


ELSEWHERE = {
    "9_21": "test_batches.py",
    "9_30": "test_stream.py",
    "9_37": "market_data/test_feed.py",
}
NOT_SPOT = {4, 6, 11, 15, 16, 17, 18, 19, 24, 29, 32, 38, 39, 46, 48}


def test_no_trap_of_spot_is_without_a_test() -> None:
    here = {int(found) for found in re.findall(r"def test_trap_9_(\d+)_", Path(__file__).read_text())}
    there = {int(name.partition("_")[2]) for name in ELSEWHERE}
    assert here | there | NOT_SPOT == set(range(1, 52))
    assert all((Path(__file__).parent / file).exists() for file in ELSEWHERE.values())
