"""The adapter as its callers see it, over a venue that the test scripts."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bitmart.sign import sign
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.venue import BitmartSpot, Options
from oms.errors import UnknownSymbolError
from oms.ports import LinkAnswer, LinkError
from oms.reports import Ack, BalanceReport, OrderReport, Refusal, RefusalClass, TradeReport
from oms.values import ClientOrderId, Currency, ExecId, Provenance, Symbol, TimeInForce, VenueOrderId
from oms.venue import NoAnswerError, OrderRef, Venue
from tests.adapters.bitmart.fakes import (
    BTC,
    CREDENTIALS,
    EPOCH_NS,
    ID,
    KNOWN,
    LOST,
    ORDER,
    REF,
    UNREACHABLE,
    Call,
    FakeLink,
    FakeSocket,
    LoopClock,
    bitmart,
    ok,
    page,
    refused,
    virtual,
)

DAY_MS = 86_400_000


def row(order_id: str = "77", client_order_id: str = "oms1", **changes: object) -> dict[str, object]:
    return {"orderId": order_id, "clientOrderId": client_order_id, "symbol": "BTC_USDT", "state": "new"} | changes


def fill(trade_id: int, at_ms: int) -> dict[str, object]:
    return {
        "tradeId": str(trade_id),
        "orderId": "77",
        "symbol": "BTC_USDT",
        "price": "1",
        "size": "1",
        "createTime": at_ms,
    }


async def asked(venue: BitmartSpot, method: str) -> NoAnswerError:
    """Ask one thing and return the NoAnswerError it must end in."""
    questions: dict[str, Callable[[], Any]] = {
        "submit": lambda: venue.submit(ORDER),
        "cancel": lambda: venue.cancel(KNOWN),
        "order": lambda: venue.order(REF),
        "order_trades": lambda: venue.order_trades(KNOWN),
        "open_orders": venue.open_orders,
        "trades": lambda: venue.trades(since_ms=0, until_ms=DAY_MS),
        "balances": venue.balances,
        "instruments": venue.instruments,
    }
    with pytest.raises(NoAnswerError) as caught:
        await questions[method]()
    return caught.value


PATHS = {
    "submit": codec.SUBMIT_ORDER,
    "cancel": codec.CANCEL_ORDER,
    "order": codec.QUERY_CLIENT_ORDER,
    "order_trades": codec.QUERY_ORDER_TRADES,
    "open_orders": codec.QUERY_OPEN_ORDERS,
    "trades": codec.QUERY_TRADES,
    "balances": codec.WALLET,
    "instruments": codec.SYMBOLS_DETAILS,
}


# ------------------------------------------------------------------------------------------------ submit


@pytest.mark.parametrize("none", ["0", 0, "-", ""])
@virtual
async def test_an_acceptance_whose_id_is_none_leaves_the_order_in_doubt(none: object) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": none}))  # acknowledged under it, its cancel could not even be built
    error = await asked(bitmart(link), "submit")
    assert error.sent


@virtual
async def test_an_accepted_order_is_acknowledged_with_the_bytes_behind_it() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue: Venue = bitmart(link)
    answer = await venue.submit(ORDER)
    assert answer.reports == (Ack(venue_order_id=VenueOrderId("77"), client_order_id=ID),)
    assert answer.source is Provenance.RESPONSE
    (call,) = link.of(codec.SUBMIT_ORDER)
    evidence = answer.evidence
    assert (evidence.channel, evidence.status) == ("POST /spot/v2/submit_order", 200)
    assert evidence.request == call.body
    assert b'"order_id":"77"' in evidence.response
    assert evidence.sent_ns is not None
    assert evidence.received_ns == evidence.sent_ns + 50_000_000
    assert CREDENTIALS.key.encode() not in msgspec.json.encode(evidence)


@virtual
async def test_what_is_sent_is_what_was_signed_with_the_venues_time() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link, LoopClock(ahead_ms=-700))
    await venue.submit(ORDER)
    (call,) = link.of(codec.SUBMIT_ORDER)
    stamp = int(call.headers["X-BM-TIMESTAMP"])
    assert stamp == EPOCH_NS // 1_000_000 + 50  # the venue's time at which it left, not ours
    assert call.headers["X-BM-SIGN"] == sign(CREDENTIALS, stamp, call.body)
    assert call.headers["Content-Type"] == "application/json"
    assert venue.skew_ms == 700


@pytest.mark.parametrize("method", list(PATHS))
@pytest.mark.parametrize(
    "answer", [LOST, page(200), page(502), page(503), LinkAnswer(200, {}, b'{"code":1000,"da'), refused(503, 30014)]
)
@virtual
async def test_an_answer_that_settles_nothing_is_no_answer(method: str, answer: LinkAnswer) -> None:
    link = FakeLink()
    link.on(PATHS[method], answer)
    error = await asked(bitmart(link), method)
    assert error.sent
    assert error.evidence.channel.endswith(PATHS[method])
    if isinstance(answer, LinkAnswer):
        assert error.evidence.response == answer.body
    assert len(link.of(PATHS[method])) == 1, "nothing repeats by itself"


@pytest.mark.parametrize("method", list(PATHS))
@virtual
async def test_only_a_connection_that_never_was_proves_that_nothing_left(method: str) -> None:
    link = FakeLink()
    link.on(PATHS[method], UNREACHABLE)
    assert not (await asked(bitmart(link), method)).sent


@pytest.mark.parametrize("method", [method for method in PATHS if method not in {"submit", "cancel"}])
@pytest.mark.parametrize(
    "answer", [refused(429, 30013), refused(401, 30005), refused(400, 50000), page(403), page(429)]
)
@virtual
async def test_a_refused_query_is_never_an_empty_answer(method: str, answer: LinkAnswer) -> None:
    link = FakeLink()
    link.on(PATHS[method], answer)
    await asked(bitmart(link), method)


@pytest.mark.parametrize(
    ("answer", "klass", "reason"),
    [
        (refused(400, 50020, "Balance not enough"), RefusalClass.CERTAIN, "insufficient_funds"),
        (refused(200, 30016), RefusalClass.TRANSIENT, "maintenance"),
        (refused(200, 30019), RefusalClass.AUTH, "permission"),
        (refused(429, 30013), RefusalClass.RATE_LIMIT, "rate_limit"),
        (page(429), RefusalClass.RATE_LIMIT, "rate_limit"),
        (page(403), RefusalClass.TRANSIENT, "edge"),
        (refused(400, 50042), RefusalClass.UNKNOWN, "duplicate_id"),
    ],
)
@virtual
async def test_a_refused_order_says_why(answer: LinkAnswer, klass: RefusalClass, reason: str) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, answer)
    (refusal,) = (await bitmart(link).submit(ORDER)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason, refusal.client_order_id) == (klass, reason, ID)


@virtual
async def test_capabilities_name_what_spot_cannot_do() -> None:
    can = bitmart(FakeLink()).capabilities(Symbol("BTC/USDT"))
    assert can.times_in_force == {TimeInForce.GTC, TimeInForce.IOC}
    assert (can.submit_validity, can.unfilled_memory) == (60, 1200)


# ------------------------------------------------------------------------------------------------ cancel


@virtual
async def test_a_cancel_goes_by_the_venues_id_when_it_is_known() -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    venue = bitmart(link)
    assert (await venue.cancel(REF)).reports == (Ack(client_order_id=ID),)
    assert (await venue.cancel(KNOWN)).reports == (Ack(client_order_id=ID, venue_order_id=VenueOrderId("77")),)
    assert [call.fields() for call in link.of(codec.CANCEL_ORDER)] == [
        {"symbol": "BTC_USDT", "client_order_id": "oms1"},
        {"symbol": "BTC_USDT", "order_id": "77"},
    ]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ok({"result": False}), "order_closed"),
        (refused(400, 50030), "already_canceled"),
        (refused(400, 50031), "already_filled"),
        (refused(400, 50032), "order_not_found"),
        (refused(400, 50036), "order_closed"),
        (refused(400, 50005), "order_not_found"),
    ],
)
@virtual
async def test_a_cancel_of_a_finished_order_is_refused_and_says_nothing_of_its_end(
    answer: LinkAnswer, reason: str
) -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDER, answer)
    (refusal,) = (await bitmart(link).cancel(KNOWN)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, reason)


# ------------------------------------------------------------------------------------------------ queries


@virtual
async def test_an_order_is_found_by_our_id() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, ok(row(state="filled", filledSize="1")))
    answer = await bitmart(link).order(REF)
    (report,) = answer.reports
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id, report.status) == ("oms1", "77", "filled")
    assert answer.source is Provenance.POLL


@virtual
async def test_an_order_that_our_id_does_not_find_is_looked_up_by_the_venues() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005))
    link.on(codec.QUERY_ORDER, ok(row(client_order_id="77")))
    (report,) = (await bitmart(link).order(KNOWN)).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id is None
    (refusal,) = (await bitmart(link).order(REF)).reports
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "order_not_found"


@virtual
async def test_somebody_elses_order_is_not_the_answer() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, ok(row(order_id="78", client_order_id="oms2")))
    assert (await asked(bitmart(link), "order")).sent


@pytest.mark.parametrize("shown", [{"symbol": "ETH_USDT"}, {"client_order_id": "oms2"}])
@virtual
async def test_an_order_of_another_market_or_name_is_not_ours_for_having_the_venues_id(shown: dict[str, str]) -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005))
    link.on(codec.QUERY_ORDER, ok(row(**shown)))
    with pytest.raises(NoAnswerError, match="another order"):
        await bitmart(link).order(KNOWN)


@virtual
async def test_an_order_that_is_known_by_the_venues_id_alone_is_found_whatever_its_name_is() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005))
    link.on(codec.QUERY_ORDER, ok(row(client_order_id="theirs")))
    unnamed = OrderRef(client_order_id=ClientOrderId("external77"), symbol=BTC, venue_order_id=VenueOrderId("77"))
    (report,) = (await bitmart(link).order(unnamed)).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id == "theirs"


@virtual
async def test_the_trades_of_an_order_whose_venue_id_is_unknown_are_found_through_it() -> None:
    link = FakeLink()
    link.on(codec.QUERY_CLIENT_ORDER, ok(row()))
    link.on(codec.QUERY_ORDER_TRADES, ok([fill(1, 1000) | {"fee": "-0.5", "feeCoinName": "BMX", "tradeRole": "maker"}]))
    answer = await bitmart(link).order_trades(REF)
    assert [(t.exec_id, t.commission, t.commission_currency, t.liquidity) for t in answer.reports] == [  # type: ignore[union-attr]
        ("1", Decimal("-0.5"), "BMX", "maker")
    ]
    assert link.of(codec.QUERY_ORDER_TRADES)[0].fields()["orderId"] == "77"


@pytest.mark.parametrize("other", [{"orderId": "78"}, {"symbol": "ETH_USDT"}])
@virtual
async def test_the_trades_of_an_order_are_of_no_other_and_not_all_where_another_shows(other: dict[str, str]) -> None:
    link = FakeLink()
    unnamed = fill(6, 10) | {"orderId": None}
    link.on(codec.QUERY_ORDER_TRADES, ok([fill(5, 10), unnamed]), ok([fill(5, 10), unnamed, fill(7, 10) | other]))
    venue = bitmart(link)
    for complete in (True, False):
        answer = await venue.order_trades(KNOWN)
        assert [t.exec_id for t in answer.reports if isinstance(t, TradeReport)] == ["5", "6"]
        assert answer.complete is complete


@virtual
async def test_open_orders_are_asked_for_beyond_the_seven_days_shown_unasked() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([row()]))
    answer = await bitmart(link).open_orders()
    assert answer.complete
    fields = link.of(codec.QUERY_OPEN_ORDERS)[0].fields()
    assert fields["startTime"] <= EPOCH_NS // 1_000_000 - 364 * DAY_MS
    assert fields["limit"] == 200


@virtual
async def test_a_list_at_the_venues_cap_is_not_called_complete() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([row(order_id=str(n)) for n in range(1, 201)]))
    answer = await bitmart(link).open_orders()
    assert (len(answer.reports), answer.complete) == (200, False)


@virtual
async def test_a_list_with_a_row_that_cannot_be_read_is_not_called_complete() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, ok([row(), row(filledSize="?")]))
    answer = await bitmart(link).open_orders()
    assert (len(answer.reports), answer.complete) == (2, False)


@virtual
async def test_a_venue_that_looks_back_less_far_shows_what_it_does_and_no_more_is_claimed() -> None:
    link = FakeLink()
    link.on(codec.QUERY_OPEN_ORDERS, refused(400, 50041), ok([row()]))
    answer = await bitmart(link).open_orders()
    assert (len(answer.reports), answer.complete) == (1, False)
    assert "startTime" not in link.of(codec.QUERY_OPEN_ORDERS)[1].fields()


def history(fills: list[dict[str, Any]]) -> Callable[[Call], LinkAnswer]:
    """A venue's trade list: the newest 200 within the window, both bounds inclusive."""

    def answer(call: Call) -> LinkAnswer:
        window = call.fields()
        inside = [f for f in fills if window["startTime"] <= f["createTime"] <= window["endTime"]]
        return ok(sorted(inside, key=lambda f: -f["createTime"])[: window["limit"]])

    return answer


@virtual
async def test_trades_beyond_the_cap_are_found_by_halving_the_window() -> None:
    link = FakeLink()
    link.on(codec.QUERY_TRADES, history([fill(n, 1000 + n * 7) for n in range(1, 751)]))
    answer = await bitmart(link).trades(since_ms=0, until_ms=10_000)
    assert answer.complete
    found = sorted(int(t.exec_id) for t in answer.reports if isinstance(t, TradeReport))
    assert found == list(range(1, 751)), "each once, none missing"
    assert answer.evidence.response.count(b"\n") == len(link.of(codec.QUERY_TRADES)) - 1


@virtual
async def test_both_sides_of_a_trade_with_oneself_are_two_trades_under_one_id() -> None:
    link = FakeLink()
    sides = [fill(5, 10) | {"side": "buy"}, fill(5, 10) | {"orderId": "78", "side": "sell"}]
    link.on(codec.QUERY_TRADES, ok(sides))
    answer = await bitmart(link).trades(since_ms=0, until_ms=DAY_MS)
    assert [(t.exec_id, t.venue_order_id, t.side) for t in answer.reports if isinstance(t, TradeReport)] == [
        ("5", "77", "buy"),
        ("5", "78", "sell"),
    ]


@virtual
async def test_more_trades_in_one_millisecond_than_the_venue_lists_are_not_called_all() -> None:
    link = FakeLink()
    link.on(codec.QUERY_TRADES, history([fill(n, 5000) for n in range(1, 251)]))
    answer = await bitmart(link).trades(since_ms=4000, until_ms=6000)
    assert (len(answer.reports), answer.complete) == (200, False)


@virtual
async def test_halving_ends_also_at_a_venue_that_always_answers_full() -> None:
    link = FakeLink()
    link.on(codec.QUERY_TRADES, ok([fill(n, 5000) for n in range(1, 201)]))
    answer = await bitmart(link).trades(since_ms=0, until_ms=10**12)
    assert not answer.complete
    assert len(link.of(codec.QUERY_TRADES)) == 64


@virtual
async def test_a_window_wider_than_the_venue_takes_is_asked_for_in_parts() -> None:
    link = FakeLink()
    inner = history([fill(n, n * DAY_MS) for n in range(1, 11)])

    def answer(call: Call) -> LinkAnswer:
        window = call.fields()
        return refused(400, 50041) if window["endTime"] - window["startTime"] > 7 * DAY_MS else inner(call)

    link.on(codec.QUERY_TRADES, answer)
    found = await bitmart(link).trades(since_ms=0, until_ms=11 * DAY_MS)
    assert (len(found.reports), found.complete) == (10, True)


@virtual
async def test_balances_are_what_is_listed() -> None:
    link = FakeLink()
    link.on(codec.WALLET, ok({"wallet": [{"id": "BTC", "name": "Bitcoin", "available": "1.5", "frozen": "0.5"}]}))
    answer = await bitmart(link).balances()
    assert answer.reports == (BalanceReport(currency=Currency("BTC"), available=Decimal("1.5"), held=Decimal("0.5")),)
    (call,) = link.of(codec.WALLET)
    assert call.headers == {"X-BM-KEY": CREDENTIALS.key}
    assert (call.method, call.body) == ("GET", b"")


@virtual
async def test_instruments_carry_the_accounts_fees_and_a_broken_market_costs_only_itself() -> None:
    link = FakeLink()
    market = {
        "symbol": "BTC_USDT",
        "base_currency": "BTC",
        "quote_currency": "USDT",
        "quote_increment": "0.00001",
        "base_min_size": "0.00001",
        "price_min_precision": -1,
        "price_max_precision": 2,
        "min_buy_amount": "5.00",
        "min_sell_amount": "4.00",
        "trade_status": "trading",
    }
    opening = market | {"symbol": "NEW_USDT", "trade_status": "pre-trade"}
    link.on(codec.SYMBOLS_DETAILS, ok({"symbols": [market, market | {"price_max_precision": "many"}, opening]}))
    link.on(codec.USER_FEE, ok({"taker_fee_rate_A": "0.001", "maker_fee_rate_A": "-0.0001", "level": "LV1"}))
    bitcoin, new = await bitmart(link).instruments()
    assert (bitcoin.symbol, bitcoin.venue_symbol, bitcoin.tradable, new.tradable) == (BTC, "BTC_USDT", True, False)
    assert (bitcoin.price_step, bitcoin.quantity_step) == (Decimal("0.01"), Decimal("0.00001"))
    assert (bitcoin.notional_min, bitcoin.maker_fee, bitcoin.taker_fee) == (
        Decimal("5.00"),
        Decimal("-0.0001"),
        Decimal("0.001"),
    )


# ------------------------------------------------------------------------------------------------ the clock, the end


@virtual
async def test_the_clock_is_measured_again_every_minute_and_nobody_waits_for_it() -> None:
    link, clock = FakeLink(), LoopClock()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link, clock)
    await venue.submit(ORDER)
    clock.ahead_ms = 400
    await asyncio.sleep(61)
    before = clock.monotonic()
    await venue.submit(ORDER)
    assert clock.monotonic() - before == pytest.approx(link.latency)
    await asyncio.sleep(1)
    assert len(link.of("/system/time")) == 2
    assert venue.skew_ms == -400


@pytest.mark.parametrize("ahead_ms", [300_000, -300_000])
@virtual
async def test_s53_setting_our_own_clock_by_minutes_moves_no_stamp(ahead_ms: int) -> None:
    link, clock = FakeLink(), LoopClock()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link, clock)
    await venue.submit(ORDER)
    await asyncio.sleep(20)
    clock.ahead_ms = ahead_ms
    await venue.submit(ORDER)
    first, second = (int(call.headers["X-BM-TIMESTAMP"]) for call in link.of(codec.SUBMIT_ORDER))
    assert second - first == pytest.approx(20_000, abs=1_000)
    assert venue.now_ns() == pytest.approx(clock.now_ns() - ahead_ms * 1_000_000, abs=1_000_000_000)
    assert len(link.of("/system/time")) == 1


@virtual
async def test_a_refused_stamp_has_the_clock_measured_before_the_next_request() -> None:
    link, clock = FakeLink(), LoopClock()
    link.on(codec.SUBMIT_ORDER, refused(401, 30007, "Header X-BM-TIMESTAMP range"), ok({"order_id": "77"}))
    venue = bitmart(link, clock)
    clock.ahead_ms = 90_000  # stepped after the clock was measured
    (refusal,) = (await venue.submit(ORDER)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.AUTH, "clock")
    await venue.submit(ORDER)
    assert [call.path for call in link.calls][-2:] == ["/system/time", codec.SUBMIT_ORDER]
    assert int(link.calls[-1].headers["X-BM-TIMESTAMP"]) < EPOCH_NS // 1_000_000 + 10_000


@virtual
async def test_our_own_clock_may_step_while_the_venues_is_asked() -> None:
    link, clock = FakeLink(), LoopClock()
    told = link.answers["/system/time"]

    def answer(call: Call) -> LinkAnswer | LinkError:
        clock.ahead_ms += 1_500
        return told(call)

    link.on("/system/time", answer)
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link, clock)
    await venue.submit(ORDER)
    assert venue.skew_ms == pytest.approx(-1_500, abs=1)


@virtual
async def test_after_a_refused_stamp_a_cancel_asks_the_time_before_submits_that_hang_are_answered() -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, refused(401, 30007, "Header X-BM-TIMESTAMP range"), LOST)
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    venue = bitmart(link)
    submits = [asyncio.get_running_loop().create_task(venue.submit(ORDER)) for _ in range(60)]
    await asyncio.sleep(0.5)  # the first was refused, the others hold every place but those that are kept
    began = asyncio.get_running_loop().time()
    await venue.cancel(KNOWN)
    assert [call.path for call in link.calls][-2:] == ["/system/time", codec.CANCEL_ORDER]
    assert asyncio.get_running_loop().time() - began == pytest.approx(2 * link.latency)
    await asyncio.gather(*submits, return_exceptions=True)


NO_TIME = (0, "0", -1, EPOCH_NS // 1_000_000_000, 10**15)  # of a time in ms: seconds, or later than any year


@pytest.mark.parametrize(
    "answer",
    [
        *(LOST, page(502), refused(429, 30013), ok({"server_time": "soon"}), ok({})),
        *(ok({"server_time": said}) for said in NO_TIME),
    ],
)
@virtual
async def test_a_clock_that_cannot_be_measured_does_not_stop_an_order(answer: LinkAnswer) -> None:
    link = FakeLink()
    link.on("/system/time", answer)
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "77"}))
    venue = bitmart(link)
    await venue.submit(ORDER)
    await venue.submit(ORDER)
    assert len(link.of("/system/time")) == 1, "and is not asked again at once"
    assert venue.skew_ms == 0


@virtual
async def test_closing_closes_the_link() -> None:
    link = FakeLink()
    await bitmart(link).close()
    assert link.closed


def test_the_exec_id_is_the_key_of_a_trade() -> None:
    body = msgspec.json.encode({"code": 1000, "message": "OK", "data": [fill(5, 1)]})
    (trade,) = codec.answer(codec.QUERY_TRADES, body, 200)
    assert isinstance(trade, TradeReport)
    assert trade.exec_id == ExecId("5")


# ------------------------------------------------------------------------------------------------ what a pair costs


DETAILS = {
    "base_currency": "BTC",
    "quote_currency": "USDT",
    "quote_increment": "0.00001",
    "base_min_size": "0.00001",
    "price_max_precision": 2,
    "trade_status": "trading",
}
CLASS_A = {"taker_fee_rate_A": "0.0010", "maker_fee_rate_A": "0.0008"}
OWN = {
    "symbol": "BTC_USDT",
    "buy_taker_fee_rate": "0.0020",
    "sell_taker_fee_rate": "0.0025",
    "buy_maker_fee_rate": "0.0012",
    "sell_maker_fee_rate": "0.0010",
}


@virtual
async def test_pairs_that_are_named_carry_their_own_fees_and_the_rest_those_of_class_a() -> None:
    link = FakeLink()
    link.on(codec.SYMBOLS_DETAILS, ok({"symbols": [DETAILS | {"symbol": name} for name in ("BTC_USDT", "ETH_USDT")]}))
    link.on(codec.USER_FEE, ok(CLASS_A))
    link.on(codec.TRADE_FEE, ok(OWN))
    markets = await bitmart(link, options=Options(fees_of=(BTC,))).instruments()
    assert [(one.maker_fee, one.taker_fee) for one in markets] == [
        (Decimal("0.0012"), Decimal("0.0025")),  # of buys and sells the higher
        (Decimal("0.0008"), Decimal("0.0010")),
    ]
    (call,) = link.of(codec.TRADE_FEE)
    assert call.headers["X-BM-KEY"] == CREDENTIALS.key


@virtual
async def test_trap_9_51_a_named_pair_that_is_gone_costs_nobody_else_the_catalogue() -> None:
    link = FakeLink()
    link.on(codec.SYMBOLS_DETAILS, ok({"symbols": [DETAILS | {"symbol": name} for name in ("BTC_USDT", "OLD_USDT")]}))
    link.on(codec.USER_FEE, ok(CLASS_A))
    link.on(codec.TRADE_FEE, refused(400, 50001, "symbol not found"), ok(OWN), LOST)
    venue = bitmart(link, options=Options(fees_of=(Symbol("OLD/USDT"), BTC)))
    assert [(one.symbol, one.taker_fee) for one in await venue.instruments()] == [
        ("BTC/USDT", Decimal("0.0025")),
        ("OLD/USDT", Decimal("0.0010")),  # what is usual
    ]
    with pytest.raises(NoAnswerError):  # what settles nothing does not mean that it is gone
        await venue.instruments()


@pytest.mark.parametrize("answer", [LOST, refused(400, 50001), ok(OWN | {"buy_taker_fee_rate": "?"}), ok({})])
@virtual
async def test_a_fee_that_could_not_be_asked_for_is_no_fee(answer: LinkAnswer) -> None:
    link = FakeLink()
    link.on(codec.TRADE_FEE, answer)
    with pytest.raises(NoAnswerError):
        await bitmart(link).fees(BTC)


# ------------------------------------------------------------------------------------------------ whose orders


@virtual
async def test_a_stream_of_some_symbols_subscribes_to_those_and_the_balances() -> None:
    link = FakeLink()

    def behaves(socket: FakeSocket) -> None:
        def answer(frame: str) -> None:
            said = msgspec.json.decode(frame)
            if said["op"] == "login":
                socket.push('{"event":"login"}')
            for topic in said["args"] if said["op"] == "subscribe" else ():
                socket.push(msgspec.json.encode({"event": "subscribe", "topic": topic}).decode())
            if said["op"] == "subscribe":
                push = {"order_id": "7", "symbol": "BTC_USDT", "order_state": "new"}
                socket.push(msgspec.json.encode({"table": "spot/user/order", "data": [push]}))

        socket.on_send = answer

    link.on_connect = behaves
    heard: list[object] = []
    async for answer in bitmart(link).stream([BTC, Symbol("ETH/USDT")]):
        heard += answer.reports
        if isinstance(heard[-1], OrderReport):
            break
    assert msgspec.json.decode(link.sockets[0].sent[1])["args"] == [
        "spot/user/order:BTC_USDT",
        "spot/user/order:ETH_USDT",
        "spot/user/balance:BALANCE_UPDATE",
    ]
    with pytest.raises(ValueError, match="listen to all"):
        await anext(bitmart(link).stream([Symbol(f"C{number}/USDT") for number in range(20)]))


# ------------------------------------------------------------------------------------------------ never without an id


@given(
    client_order_id=st.text(max_size=3),
    venue_order_id=st.none() | st.text(max_size=3),
    symbol=st.sampled_from(["BTC/USDT", "BTC/USDT:USDT", "BTC", ""]),
    many=st.booleans(),
)
def test_s20_whatever_is_asked_for_a_cancel_that_leaves_names_an_order(
    client_order_id: str, venue_order_id: str | None, symbol: str, *, many: bool
) -> None:
    known = None if venue_order_id is None else VenueOrderId(venue_order_id)
    order = OrderRef(client_order_id=ClientOrderId(client_order_id), symbol=Symbol(symbol), venue_order_id=known)
    try:
        body = requests.cancel_many([order]) if many else requests.cancel(order)
    except (ValueError, UnknownSymbolError):
        return
    said = msgspec.json.decode(body)
    names = (said.get(field) for field in ("order_id", "client_order_id", "orderIds", "clientOrderIds"))
    assert any(names), "an id-less cancel would be everybody's"
    assert said["symbol"] == "BTC_USDT"
