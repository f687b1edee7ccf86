"""The perpetuals as their callers see them, over a venue that the test scripts."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.bitmart.perp import codec
from adapters.bitmart.sign import sign
from oms.ports import LinkAnswer, LinkError
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
)
from oms.values import (
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Provenance,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
    Wallet,
)
from oms.venue import Amendment, NewOrder, NoAnswerError, Trigger, Venue
from tests.adapters.bitmart.fakes import (
    CREDENTIALS,
    EPOCH_NS,
    LOST,
    UNREACHABLE,
    Call,
    LoopClock,
    ok,
    page,
    refused,
    virtual,
)
from tests.adapters.bitmart.perp.desk import (
    BTC,
    ID,
    KNOWN,
    NOW_MS,
    NOW_S,
    ORDER,
    REF,
    WAITING,
    Desk,
    child,
    held,
    plan,
    row,
    windowed,
    with_,
)

CLOSING = with_(ORDER, side=Side.SELL, reduce_only=True)
BACKED = with_(ORDER, leverage=Decimal(10), margin_mode=MarginMode.CROSS)
TRIGGER = Trigger(price=Decimal(50000), when=Crossing.FALLS_TO)
REWAITED = Amendment(order=WAITING, waiting=with_(CLOSING, trigger=TRIGGER))
DAY_MS = 86_400_000


def questions(desk: Desk) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Everything a caller can ask or command, and the path that it depends on."""
    venue = desk.venue
    return {
        "submit": (codec.SUBMIT_ORDER, lambda: venue.submit(ORDER)),
        "cancel": (codec.CANCEL_ORDER, lambda: venue.cancel(KNOWN)),
        "cancel_plan": (codec.CANCEL_PLAN_ORDER, lambda: venue.cancel(WAITING)),
        "amend_plan": (codec.MODIFY_TP_SL_ORDER, lambda: venue.amend(REWAITED)),
        "amend": (codec.MODIFY_LIMIT_ORDER, lambda: venue.amend(Amendment(order=KNOWN, price=Decimal(5)))),
        "dead_man": (codec.CANCEL_ALL_AFTER, lambda: venue.dead_man(BTC, 10)),
        "set_leverage": (codec.SUBMIT_LEVERAGE, lambda: venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)),
        "order": (codec.ORDER, lambda: venue.order(KNOWN)),
        "order_trades": (codec.TRADES, lambda: venue.order_trades(KNOWN)),
        "open_orders": (codec.OPEN_ORDERS, venue.open_orders),
        "open_plans": (codec.PLAN_ORDERS, venue.open_orders),
        "trades": (codec.TRADES, lambda: venue.trades(since_ms=0, until_ms=DAY_MS)),
        "order_history": (codec.ORDER_HISTORY, lambda: venue.order_history(BTC, since_ms=0, until_ms=DAY_MS)),
        "balances": (codec.ASSETS, venue.balances),
        "positions": (codec.POSITION_V2, venue.positions),
        "position_mode": (codec.GET_POSITION_MODE, venue.positions),
        "ledger": (codec.TRANSACTIONS, lambda: venue.ledger(since_ms=0, until_ms=DAY_MS)),
        "instruments": (codec.DETAILS, venue.instruments),
    }


ASKED = list(questions(Desk()))
COMMANDS = ("submit", "cancel", "cancel_plan", "amend", "amend_plan", "dead_man", "set_leverage")


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        page(200),
        page(502),
        page(503),
        LinkAnswer(200, {}, b'{"code":1000,"da'),
        refused(503, 30014),
        refused(200, 25601),
        refused(400, 40012, "System error"),
        refused(200, 1000, "This service is down"),
    ],
)
@virtual
async def test_traps_9_10_9_11_9_41_9_46_s56_s57_what_settles_nothing_is_no_answer(
    name: str, answer: LinkAnswer
) -> None:
    desk = Desk()
    path, ask = questions(desk)[name]
    desk.link.on(path, answer)
    with pytest.raises(NoAnswerError) as caught:
        await ask()
    assert caught.value.sent
    assert caught.value.evidence.channel.endswith(path)
    assert len(desk.link.of(path)) == 1, "nothing repeats by itself"


@pytest.mark.parametrize("name", ASKED)
@virtual
async def test_only_a_connection_that_never_was_proves_that_nothing_left(name: str) -> None:
    desk = Desk()
    path, ask = questions(desk)[name]
    desk.link.on(path, UNREACHABLE)
    with pytest.raises(NoAnswerError) as caught:
        await ask()
    assert not caught.value.sent


@pytest.mark.parametrize("name", [name for name in ASKED if name not in COMMANDS])
@pytest.mark.parametrize(
    "answer", [refused(429, 30013), refused(401, 30005), refused(400, 40011), refused(200, 30019), page(403)]
)
@virtual
async def test_a_refused_query_is_never_an_empty_answer(name: str, answer: LinkAnswer) -> None:
    desk = Desk()
    path, ask = questions(desk)[name]
    desk.link.on(path, answer)
    with pytest.raises(NoAnswerError):
        await ask()


# ------------------------------------------------------------------------------------------------ submit


@pytest.mark.parametrize("none", ["0", 0, "-", ""])
@virtual
async def test_an_acceptance_whose_id_is_none_leaves_the_order_in_doubt(none: object) -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, ok({"order_id": none}))
    with pytest.raises(NoAnswerError) as caught:
        await desk.venue.submit(ORDER)
    assert caught.value.sent


@virtual
async def test_an_accepted_order_is_acknowledged_with_the_bytes_behind_it() -> None:
    desk = Desk()
    venue: Venue = desk.venue
    answer = await venue.submit(ORDER)
    assert answer.reports == (Ack(venue_order_id=VenueOrderId("77"), client_order_id=ID),)
    (call,) = desk.link.of(codec.SUBMIT_ORDER)
    assert (call.host, answer.evidence.request) == ("futures.test", call.body)
    assert answer.evidence.channel == f"POST {codec.SUBMIT_ORDER}"
    assert CREDENTIALS.key.encode() not in msgspec.json.encode(answer.evidence)


@virtual
async def test_s53_it_is_stamped_with_the_time_that_the_spot_host_says() -> None:
    desk = Desk(clock=LoopClock(ahead_ms=-6000))
    await desk.venue.submit(ORDER)
    (asked,) = desk.link.of("/system/time")
    assert asked.host == "spot.test"
    (call,) = desk.link.of(codec.SUBMIT_ORDER)
    stamp = int(call.headers["X-BM-TIMESTAMP"])
    assert 0 <= stamp - EPOCH_NS // 1_000_000 <= 200
    assert call.headers["X-BM-SIGN"] == sign(CREDENTIALS, stamp, call.body)


@pytest.mark.parametrize(
    ("answer", "klass", "reason"),
    [
        (refused(400, 40027), RefusalClass.CERTAIN, "insufficient_funds"),
        (refused(200, 42000), RefusalClass.CERTAIN, "insufficient_funds"),
        (refused(400, 40040, "Invalid Leverage"), RefusalClass.CERTAIN, "leverage"),
        (refused(400, 40034), RefusalClass.CERTAIN, "bad_symbol"),
        (refused(400, 40014), RefusalClass.CERTAIN, "bad_symbol"),
        (refused(200, 30016), RefusalClass.TRANSIENT, "maintenance"),
        (refused(200, 30019), RefusalClass.AUTH, "permission"),
        (refused(403, 40046), RefusalClass.AUTH, "account"),
        (refused(429, 30013), RefusalClass.RATE_LIMIT, "rate_limit"),
        (page(429), RefusalClass.RATE_LIMIT, "rate_limit"),
        (page(403), RefusalClass.TRANSIENT, "edge"),
        (refused(403, 40050), RefusalClass.UNKNOWN, "duplicate_id"),
    ],
)
@virtual
async def test_a_refused_order_says_why(answer: LinkAnswer, klass: RefusalClass, reason: str) -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, answer)
    (refusal,) = (await desk.venue.submit(ORDER)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason, refusal.client_order_id) == (klass, reason, ID)


@virtual
async def test_trap_9_9_a_success_without_an_order_id_proves_nothing() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, ok({"price": "60000.1"}))
    with pytest.raises(NoAnswerError):
        await desk.venue.submit(ORDER)


@pytest.mark.parametrize(
    ("order", "path", "side"),
    [
        (ORDER, codec.SUBMIT_ORDER, 1),
        (with_(BACKED, trigger=TRIGGER), codec.SUBMIT_PLAN_ORDER, 1),
        (with_(CLOSING, trigger=TRIGGER), codec.SUBMIT_TP_SL_ORDER, 3),
        (
            with_(BACKED, type=OrderType.MARKET, price=None, trigger=with_(TRIGGER, callback_rate=Decimal("0.01"))),
            codec.SUBMIT_TRAIL_ORDER,
            1,
        ),
        (with_(BACKED, side=Side.SELL, reduce_only=True, trigger=TRIGGER, post_only=True), codec.SUBMIT_PLAN_ORDER, 3),
    ],
)
@virtual
async def test_each_kind_of_order_goes_where_it_lives(order: NewOrder, path: str, side: int) -> None:
    desk = Desk()
    desk.link.on(path, ok({"order_id": "78"}))
    answer = await desk.venue.submit(order)
    assert answer.reports == (Ack(venue_order_id=VenueOrderId("78"), client_order_id=ID),)
    assert desk.fields(path)["side"] == side


@virtual
async def test_s23_a_close_in_hedge_mode_is_not_an_order_the_other_way() -> None:
    desk = Desk(mode="hedge_mode")
    await desk.venue.submit(with_(ORDER, side=Side.SELL, position_leg=PositionLeg.LONG))
    assert desk.fields(codec.SUBMIT_ORDER)["side"] == 3
    assert len(desk.link.of(codec.GET_POSITION_MODE)) == 1
    await desk.venue.submit(with_(ORDER, side=Side.SELL, position_leg=PositionLeg.SHORT))
    assert desk.fields(codec.SUBMIT_ORDER)["side"] == 4
    assert len(desk.link.of(codec.GET_POSITION_MODE)) == 1, "it is remembered"


@pytest.mark.parametrize(("mode", "leg"), [("one_way_mode", PositionLeg.LONG), ("hedge_mode", PositionLeg.NET)])
@virtual
async def test_trap_9_17_an_order_for_the_other_mode_is_refused_and_never_sent(mode: str, leg: PositionLeg) -> None:
    desk = Desk(mode=mode)
    answer = await desk.venue.submit(with_(ORDER, position_leg=leg))
    (refusal,) = answer.reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason, refusal.client_order_id) == (RefusalClass.CERTAIN, "position_mode", ID)
    assert desk.link.of(codec.SUBMIT_ORDER) == []
    await asyncio.sleep(5)
    await desk.venue.submit(with_(ORDER, position_leg=leg))
    assert len(desk.link.of(codec.GET_POSITION_MODE)) == 2, "it may have been switched since"


@virtual
async def test_s55_a_burst_of_orders_reads_the_mode_once_refused_or_not() -> None:
    desk = Desk()
    clock = LoopClock()
    desk.link.on(codec.SUBMIT_ORDER, refused(400, 40027))
    for _ in range(2):
        before = clock.monotonic()
        await asyncio.gather(*(desk.venue.submit(ORDER) for _ in range(20)))
        assert clock.monotonic() - before < 1
        await asyncio.sleep(2.5)
    assert len(desk.link.of(codec.GET_POSITION_MODE)) == 1
    await asyncio.sleep(5)
    await desk.venue.submit(ORDER)
    assert len(desk.link.of(codec.GET_POSITION_MODE)) == 2


@virtual
async def test_trap_9_17_after_a_refusal_the_mode_is_read_again() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, refused(400, 40012, "position mode conflict"), ok({"order_id": 77}))
    await desk.venue.submit(ORDER)
    await asyncio.sleep(5)
    desk.link.on(codec.GET_POSITION_MODE, ok({"position_mode": "hedge_mode"}))
    await desk.venue.submit(with_(ORDER, position_leg=PositionLeg.SHORT))
    assert desk.fields(codec.SUBMIT_ORDER)["side"] == 2


@pytest.mark.parametrize("answer", [LOST, page(502), refused(429, 30013)])
@virtual
async def test_an_order_that_waits_for_a_question_has_certainly_not_left(answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(codec.GET_POSITION_MODE, answer)
    with pytest.raises(NoAnswerError) as caught:
        await desk.venue.submit(ORDER)
    assert not caught.value.sent
    assert desk.link.of(codec.SUBMIT_ORDER) == []


@virtual
async def test_trap_9_16_an_order_that_waits_is_backed_by_what_is_set_unless_it_says() -> None:
    desk = Desk()
    desk.link.on(codec.POSITION_V2, ok([held(leverage="25", open_type="isolated")]))
    desk.link.on(codec.SUBMIT_PLAN_ORDER, ok({"order_id": 78}))
    await desk.venue.submit(with_(ORDER, trigger=TRIGGER))
    body = desk.fields(codec.SUBMIT_PLAN_ORDER)
    assert (body["leverage"], body["open_type"]) == ("25", "isolated")
    await desk.venue.submit(with_(BACKED, trigger=TRIGGER))
    body = desk.fields(codec.SUBMIT_PLAN_ORDER)
    assert (body["leverage"], body["open_type"]) == ("10", "cross")
    assert len(desk.link.of(codec.POSITION_V2)) == 1


@virtual
async def test_an_order_that_waits_and_that_nothing_backs_is_refused_and_never_sent() -> None:
    desk = Desk()
    (refusal,) = (await desk.venue.submit(with_(ORDER, trigger=TRIGGER))).reports
    assert isinstance(refusal, Refusal)
    assert "leverage" in (refusal.text or "")
    assert desk.link.of(codec.SUBMIT_PLAN_ORDER) == []


@pytest.mark.parametrize("symbol", ["BTC/USD:BTC", "BTC/USDT"])
@virtual
async def test_trap_9_48_a_coin_margined_contract_is_refused_clearly(symbol: str) -> None:
    desk = Desk()
    (refusal,) = (await desk.venue.submit(with_(ORDER, symbol=Symbol(symbol)))).reports
    assert isinstance(refusal, Refusal)
    assert refusal.klass is RefusalClass.CERTAIN
    assert symbol in (refusal.text or "")
    assert desk.link.of(codec.SUBMIT_ORDER) == []


@virtual
async def test_trap_9_22_capabilities_name_what_perpetuals_can_do_and_how_late_a_submit_may_execute() -> None:
    can = Desk().venue.capabilities(BTC)
    assert can.times_in_force == {TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}
    assert (can.amend, can.dead_man, can.hedge_mode, can.reduce_only, can.trailing) == (True,) * 5
    assert not can.looks_up_by_client_id
    assert not can.market_buy_by_notional
    assert (can.submit_validity, can.visibility_delay, can.unfilled_memory) == (60, 10, 1200)


@pytest.mark.parametrize("answer", [refused(200, 30030), refused(404, 30000)])
@virtual
async def test_trap_9_51_a_call_that_the_venue_retires_is_said_to_be_lost(answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, answer)
    with pytest.raises(NoAnswerError):
        await desk.venue.trades(since_ms=0, until_ms=1000)
    assert desk.venue.capabilities(BTC).lost == {"trades"}


@virtual
async def test_trap_9_12_a_duplicate_proves_that_an_attempt_arrived_and_nothing_more() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, refused(403, 40050))
    (refusal,) = (await desk.venue.submit(ORDER)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.UNKNOWN, "duplicate_id")


# ------------------------------------------------------------------------------------------------ cancel and change


@virtual
async def test_trap_9_3_a_cancel_is_asked_for_by_the_venues_id_and_only_acknowledged() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_ORDER, ok({}))
    assert (await desk.venue.cancel(REF)).reports == (Ack(client_order_id=ID),)
    assert (await desk.venue.cancel(KNOWN)).reports == (Ack(client_order_id=ID, venue_order_id=VenueOrderId("77")),)
    assert [call.fields() for call in desk.link.of(codec.CANCEL_ORDER)] == [
        {"symbol": "BTCUSDT", "client_order_id": "oms1"},
        {"symbol": "BTCUSDT", "order_id": "77"},
    ]


@virtual
async def test_s20_trap_9_4_a_cancel_without_an_id_never_leaves() -> None:
    desk = Desk()
    for order in (with_(REF, client_order_id=""), with_(WAITING, client_order_id="", venue_order_id="")):
        with pytest.raises(ValueError, match="without an id"):
            await desk.venue.cancel(order)
    assert desk.link.calls == []


@pytest.mark.parametrize(
    ("code", "reason"), [(40035, "order_not_found"), (40036, "order_closed"), (40037, "order_not_found")]
)
@virtual
async def test_trap_9_5_a_cancel_of_a_finished_order_says_nothing_of_its_end(code: int, reason: str) -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_ORDER, refused(400, code))
    (refusal,) = (await desk.venue.cancel(KNOWN)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, reason)


@virtual
async def test_an_order_that_waits_is_canceled_where_it_lives() -> None:
    desk = Desk()
    for path in (codec.CANCEL_PLAN_ORDER, codec.CANCEL_TRAIL_ORDER):
        desk.link.on(path, ok({}))
    assert (await desk.venue.cancel(WAITING)).reports == (Ack(client_order_id=ID, venue_order_id=VenueOrderId("77")),)
    assert desk.fields(codec.CANCEL_PLAN_ORDER) == {"symbol": "BTCUSDT", "order_id": "77"}
    desk.link.on(codec.OPEN_ORDERS, ok([row("79", "oms2", type="trailing")]))
    await desk.venue.open_orders()
    await desk.venue.cancel(with_(WAITING, client_order_id="oms2", venue_order_id="79"))
    assert desk.fields(codec.CANCEL_TRAIL_ORDER) == {"symbol": "BTCUSDT", "order_id": "79"}


@virtual
async def test_what_the_plan_orders_do_not_have_may_be_a_trailing_one() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_PLAN_ORDER, refused(400, 40037))
    desk.link.on(codec.CANCEL_TRAIL_ORDER, ok({}))
    assert (await desk.venue.cancel(WAITING)).reports == (Ack(client_order_id=ID, venue_order_id=VenueOrderId("77")),)


@virtual
async def test_an_order_that_has_fired_is_canceled_as_what_it_sent() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_ORDER, ok({}))
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    await desk.venue.order(WAITING)
    assert (await desk.venue.cancel(WAITING)).reports == (Ack(client_order_id=ID, venue_order_id=VenueOrderId("77")),)
    assert desk.fields(codec.CANCEL_ORDER) == {"symbol": "BTCUSDT", "order_id": "99"}
    assert desk.link.of(codec.CANCEL_PLAN_ORDER) == []


@pytest.mark.parametrize("missed", [False, True])
@virtual
async def test_a_trailing_order_that_the_plan_orders_show_is_canceled_as_one(*, missed: bool) -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_TRAIL_ORDER, ok({}))
    if missed:
        with pytest.raises(NoAnswerError, match="no longer waits"):
            await desk.venue.order(WAITING)
    desk.link.on(codec.PLAN_ORDERS, ok([plan(type="trailing")]))
    await desk.venue.open_orders()
    await desk.venue.cancel(WAITING)
    assert desk.fields(codec.CANCEL_TRAIL_ORDER) == {"symbol": "BTCUSDT", "order_id": "77"}


@virtual
async def test_an_order_that_was_seen_in_the_book_is_canceled_there_whatever_the_caller_thinks() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_ORDER, ok({}))
    await desk.venue.submit(ORDER)
    await desk.venue.cancel(WAITING)
    assert len(desk.link.of(codec.CANCEL_ORDER)) == 1


@virtual
async def test_the_id_that_a_change_returns_is_the_orders_from_then_on() -> None:
    desk = Desk()
    desk.link.on(codec.MODIFY_LIMIT_ORDER, ok({"order_id": 78, "client_order_id": "oms1"}))
    answer = await desk.venue.amend(Amendment(order=KNOWN, price=Decimal("60001.0"), quantity=Decimal(6)))
    assert answer.reports == (Ack(venue_order_id=VenueOrderId("78"), client_order_id=ID),)
    assert desk.fields(codec.MODIFY_LIMIT_ORDER) == {
        "symbol": "BTCUSDT",
        "order_id": 77,
        "price": "60001.0",
        "size": 6,
    }


@virtual
async def test_what_a_plan_order_waits_for_is_changed_whole_and_the_returned_id_counts() -> None:
    desk = Desk()
    desk.link.on(codec.MODIFY_PLAN_ORDER, ok({"order_id": "78"}))
    by_mark = Trigger(price=Decimal("50000.0"), when=Crossing.FALLS_TO, by=PriceSource.MARK)
    wanted = with_(ORDER, trigger=by_mark)
    answer = await desk.venue.amend(Amendment(order=WAITING, waiting=wanted))
    assert answer.reports == (Ack(venue_order_id=VenueOrderId("78"), client_order_id=ID),)
    limited = {"symbol": "BTCUSDT", "order_id": "77", "trigger_price": "50000.0", "price_type": 2, "type": "limit"}
    assert desk.fields(codec.MODIFY_PLAN_ORDER) == limited | {"executive_price": "60000.1"}
    at_market = with_(wanted, type=OrderType.MARKET, price=None)
    await desk.venue.amend(Amendment(order=WAITING, waiting=at_market))
    assert desk.fields(codec.MODIFY_PLAN_ORDER) == limited | {"type": "market"}
    desk.link.on(codec.CANCEL_PLAN_ORDER, ok({}))
    known = with_(WAITING, venue_order_id=VenueOrderId("78"))
    await desk.venue.cancel(known)
    assert desk.link.of(codec.CANCEL_PLAN_ORDER), "the new id is a plan order's"


@virtual
async def test_what_a_stop_waits_for_is_changed_by_the_call_of_its_kind() -> None:
    desk = Desk()
    desk.link.on(codec.MODIFY_TP_SL_ORDER, ok({"order_id": "77"}))
    await desk.venue.amend(REWAITED)
    fields = {
        "symbol": "BTCUSDT",
        "trigger_price": "50000",
        "executive_price": "60000.1",
        "price_type": 1,
        "plan_category": 1,
        "category": "limit",
    }
    assert desk.fields(codec.MODIFY_TP_SL_ORDER) == fields | {"order_id": "77"}
    unnamed = with_(WAITING, venue_order_id=None)
    at_market = with_(CLOSING, trigger=TRIGGER, type=OrderType.MARKET, price=None)
    await desk.venue.amend(Amendment(order=unnamed, waiting=at_market))
    changed = {"executive_price": "0", "category": "market", "client_order_id": "oms1"}
    assert desk.fields(codec.MODIFY_TP_SL_ORDER) == fields | changed


@virtual
async def test_what_comes_with_an_orders_fill_is_changed_by_a_call_of_its_own_both_together() -> None:
    desk = Desk()
    desk.link.on(codec.MODIFY_PRESET_PLAN_ORDER, ok({"order_id": "77"}))
    profit, loss = Protection(price=Decimal("61000.0")), Protection(price=Decimal(59000), by=PriceSource.MARK)
    profits = {"preset_take_profit_price": "61000.0", "preset_take_profit_price_type": 1}
    losses = {"preset_stop_loss_price": "59000", "preset_stop_loss_price_type": 2}
    for ref in (KNOWN, WAITING):
        answer = await desk.venue.amend(Amendment(order=ref, take_profit=profit, stop_loss=loss))
        assert answer.reports == (Ack(venue_order_id=VenueOrderId("77"), client_order_id=ID),)
        named = {"symbol": "BTCUSDT", "order_id": "77"}
        assert desk.fields(codec.MODIFY_PRESET_PLAN_ORDER) == named | profits | losses
    await desk.venue.amend(Amendment(order=KNOWN, stop_loss=loss))
    assert desk.fields(codec.MODIFY_PRESET_PLAN_ORDER) == named | losses
    assert desk.link.of(codec.MODIFY_LIMIT_ORDER) == []


@virtual
async def test_what_comes_with_an_order_is_read_back_from_its_rows() -> None:
    desk = Desk()
    preset = {"preset_take_profit_price": "61000", "preset_take_profit_price_type": 2, "preset_stop_loss_price": ""}
    desk.link.on(codec.ORDER, ok(row("77", "oms1", **preset)))
    (report,) = (await desk.venue.order(KNOWN)).reports
    assert isinstance(report, OrderReport)
    assert report.take_profit == Protection(price=Decimal(61000), by=PriceSource.MARK)
    assert report.stop_loss is None
    desk.link.on(codec.ORDER, ok(row("77", "oms1", **(preset | {"preset_take_profit_price_type": 3}))))
    (report,) = (await desk.venue.order(KNOWN)).reports
    assert isinstance(report, OrderReport)
    assert report.take_profit is None, "by which price it goes, nobody can tell"


@virtual
async def test_a_change_that_cannot_be_is_refused_and_never_sent() -> None:
    desk = Desk()
    trailing = with_(TRIGGER, callback_rate=Decimal("0.01"))
    for change in (
        Amendment(order=KNOWN, quantity=Decimal("0.5")),
        Amendment(order=WAITING, price=Decimal(5)),
        Amendment(order=with_(WAITING, venue_order_id=None), waiting=with_(ORDER, trigger=TRIGGER)),
        Amendment(order=WAITING, waiting=with_(ORDER, trigger=trailing)),
        Amendment(order=KNOWN, price=Decimal(5), stop_loss=Protection(price=Decimal(4))),
        Amendment(order=REF, stop_loss=Protection(price=Decimal(4))),
    ):
        (refusal,) = (await desk.venue.amend(change)).reports
        assert isinstance(refusal, Refusal)
        assert (refusal.klass, refusal.client_order_id) == (RefusalClass.CERTAIN, ID)
    assert desk.link.of(codec.MODIFY_LIMIT_ORDER) == desk.link.of(codec.MODIFY_PRESET_PLAN_ORDER) == []


@virtual
async def test_the_dead_man_is_armed_and_disarmed() -> None:
    desk = Desk()
    desk.link.on(codec.CANCEL_ALL_AFTER, ok({"result": True, "set_time": NOW_S, "cancel_time": NOW_S + 60}))
    assert (await desk.venue.dead_man(BTC, 60)).reports == (Ack(),)
    await desk.venue.dead_man(BTC, 0)
    assert desk.fields(codec.CANCEL_ALL_AFTER) == {"symbol": "BTCUSDT", "timeout": 0}


@virtual
async def test_s55_a_heartbeat_finds_a_place_while_a_slow_venue_holds_every_submit() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_ORDER, ok({"order_id": 77, "price": "60000.1"}))
    desk.link.on(codec.CANCEL_ALL_AFTER, ok({"result": True, "set_time": NOW_S, "cancel_time": NOW_S + 60}))
    await desk.venue.submit(ORDER)  # what a first order asks before is asked
    desk.link.latency = 8.0
    loop = asyncio.get_running_loop()
    submits = [loop.create_task(desk.venue.submit(ORDER)) for _ in range(150)]
    await asyncio.sleep(7)
    before = loop.time()
    assert (await desk.venue.dead_man(BTC, 60)).reports == (Ack(),)
    assert loop.time() - before == pytest.approx(8.0), "it waited for nobody"
    done = await asyncio.gather(*submits, return_exceptions=True)
    assert [error for error in done if isinstance(error, NoAnswerError) and not error.sent], "there was no place left"


# ------------------------------------------------------------------------------------------------ settings, read back


@virtual
async def test_s24_a_leverage_is_what_is_read_back_not_what_was_answered() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_LEVERAGE, ok({"symbol": "BTCUSDT", "leverage": "5", "open_type": "cross"}))
    desk.link.on(codec.POSITION_V2, ok([held(leverage="20", open_type="isolated")]))
    answer = await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)
    assert answer.reports == (LeverageReport(symbol=BTC, leverage=Decimal(20), margin_mode=MarginMode.ISOLATED),)
    assert desk.fields(codec.POSITION_V2) == {"symbol": "BTCUSDT"}
    assert answer.evidence.response.count(b"\n") == 1, "both answers are kept"


@virtual
async def test_where_a_flat_position_shows_no_leverage_the_venues_answer_is_all_there_is() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_LEVERAGE, ok({"symbol": "BTCUSDT", "leverage": "5", "open_type": "cross"}))
    desk.link.on(codec.POSITION_V2, ok([held(leverage="0")]))
    (report,) = (await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)).reports
    assert report == LeverageReport(symbol=BTC, leverage=Decimal(5), margin_mode=MarginMode.CROSS)


@virtual
async def test_s24_a_flat_leg_that_shows_what_it_was_held_on_is_not_what_is_set() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_LEVERAGE, ok({"symbol": "BTCUSDT", "leverage": "5", "open_type": "cross"}))
    flat = held(leverage="20", position_side="long")
    desk.link.on(codec.POSITION_V2, ok([flat, held(leverage="5", position_side="short", current_amount="3")]))
    desk.link.on(codec.POSITION_V2, ok([flat, held(leverage="10", position_side="short")]))
    for _ in range(2):  # a leg that is held shows it; where none is and they differ, the answer is all there is
        (report,) = (await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)).reports
        assert report == LeverageReport(symbol=BTC, leverage=Decimal(5), margin_mode=MarginMode.CROSS)


@virtual
async def test_a_leverage_that_an_open_position_forbids_is_refused() -> None:
    desk = Desk()
    desk.link.on(codec.SUBMIT_LEVERAGE, refused(400, 40040))
    (refusal,) = (await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)).reports
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "leverage"
    assert desk.link.of(codec.POSITION_V2) == []


@virtual
async def test_s24_a_position_mode_says_changed_and_was_not() -> None:
    desk = Desk()
    desk.link.on(codec.SET_POSITION_MODE, ok({"position_mode": "hedge_mode"}))
    answer = await desk.venue.set_position_mode(PositionMode.HEDGE)
    assert answer.reports == (PositionModeReport(mode=PositionMode.ONE_WAY),)
    assert answer.source is Provenance.POLL
    await desk.venue.submit(ORDER)
    assert desk.fields(codec.SUBMIT_ORDER)["side"] == 1, "orders follow what was read"


@virtual
async def test_s24_a_switch_is_refused_while_orders_are_open() -> None:
    desk = Desk()
    desk.link.on(codec.SET_POSITION_MODE, refused(400, 40059, "Some positions exist and the mode switching fails."))
    (refusal,) = (await desk.venue.set_position_mode(PositionMode.HEDGE)).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, "position_mode")


@virtual
async def test_s24_what_is_read_back_settles_a_switch_whose_answer_was_lost_only_if_it_shows_there() -> None:
    desk = Desk(mode="hedge_mode")
    desk.link.on(codec.SET_POSITION_MODE, LOST)
    assert (await desk.venue.set_position_mode(PositionMode.HEDGE)).reports == (
        PositionModeReport(mode=PositionMode.HEDGE),
    )
    with pytest.raises(NoAnswerError):
        await desk.venue.set_position_mode(PositionMode.ONE_WAY)


# ------------------------------------------------------------------------------------------------ account


@virtual
async def test_balances_are_of_the_futures_wallet_and_their_total_is_without_what_is_unrealized() -> None:
    desk = Desk()
    desk.link.on(
        codec.ASSETS,
        ok(
            [
                {
                    "currency": "USDT",
                    "available_balance": "50000.5",
                    "frozen_balance": "5000",
                    "position_deposit": "10000",
                    "equity": "65100.5",
                    "unrealized": "100",
                }
            ]
        ),
    )
    (balance,) = (await desk.venue.balances()).reports
    assert isinstance(balance, BalanceReport)
    assert (balance.wallet, balance.available) == (Wallet.FUTURES, Decimal("50000.5"))
    assert (balance.held, balance.total, balance.equity) == (Decimal(15000), Decimal("65000.5"), Decimal("65100.5"))
    (call,) = desk.link.of(codec.ASSETS)
    assert call.headers == {"X-BM-KEY": CREDENTIALS.key}


@virtual
async def test_a_net_position_of_no_sign_is_not_taken_for_long() -> None:
    desk = Desk()
    desk.link.on(codec.POSITION_V2, ok([held(current_amount="5", position_amount="0")]))
    answer = await desk.venue.positions()
    assert not any(isinstance(report, PositionReport) for report in answer.reports)
    assert not answer.complete


@virtual
async def test_positions_come_with_the_accounts_mode() -> None:
    desk = Desk(mode="hedge_mode")
    desk.link.on(
        codec.POSITION_V2,
        ok([held(position_side="long", current_amount="5", entry_price="60000"), held(position_side="short")]),
    )
    answer = await desk.venue.positions()
    mode, long, short = answer.reports
    assert mode == PositionModeReport(mode=PositionMode.HEDGE)
    assert isinstance(long, PositionReport)
    assert isinstance(short, PositionReport)
    assert (long.leg, long.quantity, short.leg, short.quantity) == ("long", 5, "short", 0)
    assert answer.complete
    desk.link.on(codec.POSITION_V2, ok([held(current_amount="?")]))
    assert not (await desk.venue.positions()).complete


def payment(number: int, at_ms: int, **changes: object) -> dict[str, object]:
    return {
        "symbol": "BTCUSDT",
        "type": "Funding Fee",
        "amount": "-0.01",
        "asset": "USDT",
        "account": "futures",
        "time": str(at_ms),
        "tran_id": str(number),
    } | changes


@virtual
async def test_s38_each_movement_once_however_the_windows_overlap() -> None:
    desk = Desk()
    rows = [payment(n, NOW_MS + n * 10) for n in range(2500)]
    rows += [payment(7, NOW_MS + 70, type="Commission Fee")]  # the same id in another flow is another movement
    desk.link.on(codec.TRANSACTIONS, windowed(rows, 1, 1000, "time"))
    answer = await desk.venue.ledger(since_ms=NOW_MS, until_ms=NOW_MS + 100_000)
    assert answer.complete
    found = [(r.flow, r.ledger_id, r.symbol, r.at_ms) for r in answer.reports if isinstance(r, LedgerReport)]
    assert len(found) == len(set(found)) == 2501
    assert len(desk.link.of(codec.TRANSACTIONS)) > 3
    assert desk.fields(codec.TRANSACTIONS, 0)["start_time"] == str(NOW_MS), "in milliseconds"


# ------------------------------------------------------------------------------------------------ instruments


def contract(symbol: str = "BTCUSDT", **changes: object) -> dict[str, object]:
    return {
        "symbol": symbol,
        "product_type": 1,
        "base_currency": symbol.removesuffix("USDT"),
        "quote_currency": "USDT",
        "contract_size": "0.001",
        "max_leverage": "100",
        "price_precision": "0.1",
        "vol_precision": "1",
        "max_volume": "1000000",
        "min_volume": "1",
        "expire_timestamp": 0,
        "status": "Trading",
        "delist_time": 0,
    } | changes


@virtual
async def test_trap_9_42_instruments_are_the_linear_perpetuals_and_tradable_those_that_still_trade() -> None:
    desk = Desk()
    desk.link.on(
        codec.DETAILS,
        ok(
            {
                "symbols": [
                    contract(),
                    contract("ETHUSDT", contract_size="0.01", delist_time=NOW_S + 60),
                    contract("OLDUSDT", delist_time=NOW_S - 60),  # listed as trading, and gone
                    contract("OFFUSDT", status="Delisted"),
                    contract("BTCUSD", base_currency="BTC", quote_currency="USD"),
                    contract("BTCUSDC", base_currency="BTC", quote_currency="USDC"),
                    contract("BADUSDT", contract_size="none"),
                ]
            }
        ),
    )
    desk.link.on(
        codec.TRADE_FEE_RATE, ok({"symbol": "BTCUSDT", "taker_fee_rate": "0.0005", "maker_fee_rate": "-0.0001"})
    )
    found = {each.symbol: each for each in await desk.venue.instruments()}
    assert {symbol: each.tradable for symbol, each in found.items()} == {
        "BTC/USDT:USDT": True,
        "ETH/USDT:USDT": True,
        "OLD/USDT:USDT": False,
        "OFF/USDT:USDT": False,
    }
    bitcoin = found[BTC]
    assert (bitcoin.wallet, bitcoin.settle, bitcoin.contract_size) == (Wallet.FUTURES, "USDT", Decimal("0.001"))
    assert (bitcoin.price_step, bitcoin.quantity_step, bitcoin.quantity_min) == (Decimal("0.1"), 1, 1)
    assert (bitcoin.quantity_max, bitcoin.leverage_max) == (1_000_000, 100)
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("-0.0001"), Decimal("0.0005"))


@pytest.mark.parametrize("answer", [refused(200, 30019), ok({"symbol": "BTCUSDT"}), refused(400, 40034)])
@virtual
async def test_an_account_whose_rates_cannot_be_read_pays_the_published_ones(answer: LinkAnswer) -> None:
    desk = Desk()
    desk.link.on(codec.DETAILS, ok({"symbols": [contract()]}))
    desk.link.on(codec.TRADE_FEE_RATE, answer)
    (bitcoin,) = await desk.venue.instruments()
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("0.0004"), Decimal("0.0006"))


@virtual
async def test_contracts_that_are_named_carry_their_own_fees() -> None:
    desk = Desk(fees_of=(Symbol("ETH/USDT:USDT"), Symbol("NO/USDT:USDT")))
    desk.link.on(codec.DETAILS, ok({"symbols": [contract(), contract("ETHUSDT"), contract("XRPUSDT")]}))

    def rates(call: Call) -> LinkAnswer:
        own = {"BTCUSDT": ("0.0006", "0.0002"), "ETHUSDT": ("0.0005", "-0.0001")}
        taker, maker = own.get(call.fields()["symbol"], ("", ""))
        return ok({"symbol": call.fields()["symbol"], "taker_fee_rate": taker, "maker_fee_rate": maker})

    desk.link.on(codec.TRADE_FEE_RATE, rates)
    found = {each.base: (each.maker_fee, each.taker_fee) for each in await desk.venue.instruments()}
    usual = (Decimal("0.0002"), Decimal("0.0006"))
    assert found == {"BTC": usual, "ETH": (Decimal("-0.0001"), Decimal("0.0005")), "XRP": usual}
    assert len(desk.link.of(codec.TRADE_FEE_RATE)) == 3, "one call for each that is named, and one for the rest"


@virtual
async def test_contracts_carry_their_brackets_and_a_malformed_one_spoils_no_other() -> None:
    desk = Desk()
    desk.link.on(codec.DETAILS, ok({"symbols": [contract(), contract("ETHUSDT"), contract("XRPUSDT")]}))
    desk.link.on(codec.TRADE_FEE_RATE, refused(200, 30019))
    tier = {"bracket": 2, "initial_leverage": 50, "maint_margin_ratio": "0.01", "cum": "50"}
    first = {"bracket": 1, "notional_floor": "0", "notional_cap": "10000", "maint_margin_ratio": "0.005", "cum": "0"}
    second = tier | {"notional_floor": "10000", "notional_cap": "50000"}
    rules = [
        {"symbol": "BTCUSDT", "brackets": [second, first]},
        {"symbol": "ETHUSDT", "brackets": [first | {"notional_cap": "much"}]},
        {"symbol": "XRPUSDT"},
    ]
    desk.link.on(codec.LEVERAGE_BRACKET, ok({"rules": rules}))
    bitcoin, ether, ripple = await desk.venue.instruments()
    assert [(one.cap, one.maintenance_rate, one.deduction) for one in bitcoin.brackets] == [
        (10_000, Decimal("0.005"), 0),
        (50_000, Decimal("0.01"), 50),
    ]
    assert bitcoin.maintenance(Decimal(10_000)) == 50 == bitcoin.maintenance(Decimal("10000.00"))
    assert bitcoin.maintenance(Decimal(20_000)) == 150
    assert bitcoin.maintenance(Decimal(50_001)) is None
    assert ether.brackets == ripple.brackets == ()


@pytest.mark.parametrize("answer", [refused(400, 40034), LOST, ok({"rules": "none"})])
@virtual
async def test_brackets_that_cannot_be_had_stop_nothing(answer: LinkAnswer | LinkError) -> None:
    desk = Desk()
    desk.link.on(codec.DETAILS, ok({"symbols": [contract()]}))
    desk.link.on(codec.TRADE_FEE_RATE, refused(200, 30019))
    desk.link.on(codec.LEVERAGE_BRACKET, answer)
    (bitcoin,) = await desk.venue.instruments()
    assert bitcoin.brackets == ()


@virtual
async def test_closing_closes_the_link() -> None:
    desk = Desk()
    await desk.venue.close()
    assert desk.link.closed


@virtual
async def test_a_plan_order_shows_among_the_open_orders() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([row()]))
    desk.link.on(codec.PLAN_ORDERS, ok([plan("78", "oms2")]))
    answer = await desk.venue.open_orders()
    assert [(r.client_order_id, r.status) for r in answer.reports] == [("oms1", "new"), ("oms2", "new")]  # type: ignore[union-attr]
    assert answer.complete


@virtual
async def test_a_look_at_the_mode_that_was_asked_for_earlier_does_not_outlive_a_later_one() -> None:
    desk = Desk()
    answers = [("one_way_mode", 3.0), ("hedge_mode", 0.05)]
    plain = desk.link.call

    async def call(method: str, url: str, headers: Any, body: bytes, seconds: float) -> LinkAnswer:
        if codec.GET_POSITION_MODE not in url:
            return await plain(method, url, headers, body, seconds)
        said, late = answers.pop(0)
        await asyncio.sleep(late)
        return ok({"position_mode": said})

    desk.link.call = call  # type: ignore[method-assign]
    desk.link.on(codec.SET_POSITION_MODE, ok({"position_mode": "hedge_mode"}))
    early = asyncio.get_running_loop().create_task(desk.venue.positions())
    await asyncio.sleep(0.1)
    await desk.venue.set_position_mode(PositionMode.HEDGE)
    await early
    assert desk.venue._mode.last is PositionMode.HEDGE
