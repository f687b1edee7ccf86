"""The traps of the futures wire (PROTOCOL 6.9, 8.3, 9): what the codec makes of payloads that say it sideways."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bitmart.perp import codec
from adapters.bitmart.perp.spelling import symbol, venue_symbol
from adapters.bitmart.perp.translate import placed
from adapters.bitmart.scalars import instant
from oms.errors import UnknownSymbolError
from oms.reports import (
    Ack,
    BalanceReport,
    BookReport,
    CandleReport,
    Control,
    FundingReport,
    InstrumentReport,
    LedgerReport,
    OrderReport,
    PositionReport,
    PublicTradeReport,
    Refusal,
    RefusalClass,
    Report,
    TickerReport,
    TradeReport,
    Unreadable,
    VenueOrderStatus,
)
from oms.values import Origin, PositionMode, Side, Symbol

ORDER = {
    "order_id": "900000000000007",
    "client_order_id": "oms1",
    "price": "0.125",
    "size": "10",
    "symbol": "DOGEUSDT",
    "state": 2,
    "side": 1,
    "type": "limit",
    "leverage": "10",
    "open_type": "cross",
    "position_mode": "hedge_mode",
    "deal_avg_price": "0",
    "deal_size": "0",
    "create_time": 1790000000000,
    "update_time": 1790000000012,
}
LAST_TRADE = {"lastTradeID": 1247592391, "fillQty": "1", "fillPrice": "74.17", "fee": "-0.000044502", "feeCcy": "USDT"}


def body(data: object) -> bytes:
    return msgspec.json.encode({"code": 1000, "message": "Ok", "data": data})


def asked(mode: PositionMode | None = None, **changes: object) -> OrderReport:
    (report,) = codec.answer(codec.ORDER, body(ORDER | changes), 200, mode=mode)
    assert isinstance(report, OrderReport)
    return report


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in ORDER.items() if name != field}


def pushed(action: int, mode: PositionMode | None = None, **changes: object) -> tuple[Report, ...]:
    data = [{"action": action, "order": ORDER | {"plan_order_id": "", "last_trade": None} | changes}]
    group, reports = codec.frame(msgspec.json.encode({"group": "futures/order", "data": data}), mode=mode)
    assert group == "futures/order"
    return reports


def pushed_order(action: int, **changes: Any) -> OrderReport:
    report = pushed(action, **changes)[0]
    assert isinstance(report, OrderReport)
    return report


def streamed(group: str, data: object) -> Report:
    (report,) = codec.frame(msgspec.json.encode({"group": group, "data": data}))[1]
    return report


M = TypeVar("M")


def only(kind: type[M], reports: tuple[Report, ...]) -> M:
    (report,) = reports
    assert isinstance(report, kind)
    return report


# PROTOCOL 6.9, a second time. A dash: the venue's state alone does not tell.
GRID = """
state  filled  rest              submit            match             cancel    liquidated  adl
1      0       pending_new       pending_new       pending_new       pending_new pending_new pending_new
1      4       partially_filled  partially_filled  partially_filled  partially_filled partially_filled partially_filled
1      10      partially_filled  partially_filled  partially_filled  partially_filled partially_filled partially_filled
2      0       new               new               new               new       new         new
2      4       partially_filled  partially_filled  partially_filled  partially_filled partially_filled partially_filled
2      10      partially_filled  partially_filled  partially_filled  partially_filled partially_filled partially_filled
4      0       canceled          rejected          canceled          canceled  canceled    canceled
4      4       canceled          canceled          canceled          canceled  canceled    canceled
4      10      filled            filled            filled            filled    filled      filled
"""
ACTIONS = (None, 2, 1, 3, 4, 5)


@pytest.mark.parametrize("line", GRID.strip().splitlines()[1:])
def test_9_6_state_4_is_told_by_the_sizes_and_the_action(line: str) -> None:
    state, filled, *expected = line.split()
    sizes: dict[str, Any] = {"state": int(state), "deal_size": filled}
    reports = [asked(**sizes) if action is None else pushed_order(action, **sizes) for action in ACTIONS]
    assert [report.status for report in reports] == expected


def test_9_6_a_terminal_state_without_sizes_is_not_guessed() -> None:
    for changes in ({"deal_size": ""}, {"deal_size": "-"}, {"size": "0"}, {"state": 3}, {"state": "soon"}):
        report = asked(**{"state": 4} | changes)
        assert report.status is None
        assert report.raw_status == str(changes.get("state", 4))


def test_6_9_filled_to_its_size_but_not_finished_the_trades_decide() -> None:
    assert asked(state=2, deal_size="10").status is VenueOrderStatus.PARTIALLY_FILLED
    assert asked(state=4, deal_size="10.0").status is VenueOrderStatus.FILLED


@pytest.mark.parametrize(
    ("action", "origin"),
    [(6, Origin.LIQUIDATION), (7, Origin.LIQUIDATION), (8, Origin.ADL), (9, Origin.ADL), (2, None), (3, None)],
)
def test_s26_the_action_alone_tells_what_the_venue_seized(action: int, origin: Origin | None) -> None:
    assert pushed_order(action, state=4, type="market", client_order_id="").origin is origin


def test_who_ended_it_is_said_only_of_an_order_that_ended() -> None:
    assert pushed_order(4, state=4).cancel_reason == "liquidation"
    assert pushed_order(5, state=4).cancel_reason == "adl"
    assert pushed_order(3, state=4).cancel_reason is None  # a user or the system: the venue does not say which
    assert pushed_order(4, state=2).cancel_reason is None
    assert asked(state=4).cancel_reason is None


@pytest.mark.parametrize("action", [6, 7, 8, 9])
def test_actions_of_orders_that_were_never_placed_are_read_as_any_order(action: int) -> None:
    reports = pushed(action, state=4, deal_size="10", type="liquidate", client_order_id="", last_trade=LAST_TRADE)
    order, trade = reports
    assert isinstance(order, OrderReport)
    assert isinstance(trade, TradeReport)
    assert (order.status, order.order_type, order.client_order_id) == ("filled", "liquidate", None)


PLACED = """
code  side  hedge        one-way    unknown
1     buy   long  open   net  -     -  -
2     buy   short close  net  close -  close
3     sell  long  close  net  close -  close
4     sell  short open   net  -     -  -
"""


@pytest.mark.parametrize("line", PLACED.strip().splitlines()[1:])
@pytest.mark.parametrize("as_text", [False, True])
def test_6_0_a_side_code_is_a_side_and_with_the_mode_a_leg_and_an_effect(line: str, *, as_text: bool) -> None:
    code, side, *cells = line.split()
    spelled: int | str = code if as_text else int(code)
    expected = [None if cell == "-" else cell for cell in cells]
    for number, mode in enumerate(("hedge_mode", "one_way_mode", "another_mode")):
        report = asked(side=spelled, position_mode=mode)
        assert (report.side, report.position_leg, report.effect) == (side, *expected[2 * number : 2 * number + 2])


def test_an_unknown_side_code_is_no_side() -> None:
    for side in (0, 5, "", None, "buy"):
        assert placed(side, PositionMode.HEDGE) == (None, None, None)


def test_9_17_what_the_payload_says_of_the_mode_wins_over_what_we_believe() -> None:
    believed = PositionMode.HEDGE
    assert asked(believed, position_mode="one_way_mode").position_leg == "net"
    data = [{"action": 1, "order": without("position_mode")}]
    for mode, leg in ((None, None), (PositionMode.HEDGE, "long"), (PositionMode.ONE_WAY, "net")):
        frame = msgspec.json.encode({"group": "futures/order", "data": data})
        assert only(OrderReport, codec.frame(frame, mode=mode)[1]).position_leg == leg


def test_a_trade_says_no_mode_and_takes_the_accounts() -> None:
    row = {"order_id": "1", "trade_id": "2", "symbol": "DOGEUSDT", "side": 4, "price": "1", "vol": "1"}
    for mode, leg, effect in (
        (None, None, None),
        (PositionMode.HEDGE, "short", "open"),
        (PositionMode.ONE_WAY, "net", None),
    ):
        report = only(TradeReport, codec.answer(codec.TRADES, body([row]), 200, mode=mode))
        assert (report.side, report.position_leg, report.effect) == ("sell", leg, effect)


def test_9_25_a_fee_is_a_cost_on_the_stream_as_in_rest() -> None:
    trade = pushed(1, state=2, deal_size="1", last_trade=LAST_TRADE)[1]
    assert isinstance(trade, TradeReport)
    assert trade.commission == Decimal("0.000044502")
    row = {"trade_id": "1247592391", "symbol": "LTCUSDT", "price": "74.17", "vol": "1", "paid_fees": "0.000044502"}
    report = only(TradeReport, codec.answer(codec.TRADES, body([row]), 200))
    assert (report.exec_id, report.commission) == (trade.exec_id, trade.commission)


def test_9_25_no_fee_is_zero_and_an_absent_one_is_absent() -> None:
    for fee, expected in (("0", "0"), ("0.00", "0.00"), (0, "0"), ("0.5", "-0.5"), ("-0.5", "0.5")):
        trade = pushed(1, last_trade=LAST_TRADE | {"fee": fee})[1]
        assert isinstance(trade, TradeReport)
        assert str(trade.commission) == expected
    for absent in ("", "-", None):
        trade = pushed(1, last_trade=LAST_TRADE | {"fee": absent})[1]
        assert isinstance(trade, TradeReport)
        assert trade.commission is None


def test_9_51_a_pushed_fee_without_its_coin_is_none() -> None:
    for absent in ("", "-", None):
        trade = pushed(1, last_trade=LAST_TRADE | {"feeCcy": absent})[1]
        assert isinstance(trade, TradeReport)
        assert (trade.commission, trade.commission_currency) == (None, None)


def test_9_31_a_push_is_cumulative_totals_and_one_last_trade() -> None:
    order, trade = pushed(1, state=2, deal_size="7", last_trade=LAST_TRADE | {"fillQty": "2"})
    assert isinstance(order, OrderReport)
    assert isinstance(trade, TradeReport)
    assert (order.cum_quantity, trade.quantity, trade.venue_order_id) == (7, 2, order.venue_order_id)


@pytest.mark.parametrize("absent", [None, "", "-", {}, {"lastTradeID": 0, "fillQty": "0", "fillPrice": "0"}])
def test_a_push_without_a_trade_is_the_order_alone(absent: object) -> None:
    assert [type(report) for report in pushed(2, last_trade=absent)] == [OrderReport]


def test_9_34_every_element_of_a_push_is_read() -> None:
    data = [{"action": 2, "order": ORDER | {"order_id": str(number)}} for number in range(1, 4)]
    _, reports = codec.frame(msgspec.json.encode({"group": "futures/order", "data": data}))
    assert [report.venue_order_id for report in reports if isinstance(report, OrderReport)] == ["1", "2", "3"]


def test_9_32_a_market_order_shows_a_protective_price_that_is_none() -> None:
    for report in (pushed_order(2, state=1, type="market", price="71.617"), asked(type="market", price="71.617")):
        assert report.price is None
    assert pushed_order(2, state=1, type="market").status is VenueOrderStatus.PENDING_NEW


def test_9_33_update_may_come_before_create_and_both_are_kept() -> None:
    report = pushed_order(2, create_time=1790000000006, update_time=1790000000000)
    assert (report.created_ms, report.updated_ms) == (1790000000006, 1790000000000)


def test_9_15_what_a_plan_order_sent_names_it() -> None:
    assert asked(client_order_id="PLAN_800000000000001").triggered_by == "800000000000001"
    assert pushed_order(2, plan_order_id="800000000000001").triggered_by == "800000000000001"
    assert pushed_order(2, plan_order_id=ORDER["order_id"]).triggered_by is None  # the plan order itself
    for none in ("", "0", None):
        assert pushed_order(2, plan_order_id=none).triggered_by is None


@pytest.mark.parametrize("kind", ["plan_order", "trailing_order", "take_profit", "stop_loss", "planorder", "trailing"])
def test_an_order_that_waits_for_its_price_is_working(kind: str) -> None:
    assert pushed_order(2, state=1, type=kind).status is VenueOrderStatus.NEW
    assert pushed_order(3, state=4, type=kind).status is VenueOrderStatus.CANCELED
    ended = pushed_order(1, state=4, type=kind)  # canceled, or triggered: its order has another id
    assert (ended.status, ended.raw_status) == (None, "4")


def test_9_28_absent_values_come_in_every_spelling() -> None:
    for absent in ("", "-", None, "0"):
        report = asked(client_order_id="" if absent == "0" else absent, price=absent, deal_avg_price=absent,
                       leverage=absent, trigger_price=absent, update_time=absent)  # fmt: skip
        assert report.price is report.average_price is report.leverage is report.trigger_price is None
        assert report.updated_ms is None


@pytest.mark.parametrize("spelled", ["Cross", "cross", "CROSS"])
def test_9_28_casing_varies(spelled: str) -> None:
    assert asked(open_type=spelled).margin_mode == "cross"
    row = {"symbol": "DOGEUSDT", "position_side": "LONG", "position_amt": "1", "margin_type": spelled}
    report = only(PositionReport, codec.answer(codec.POSITION_RISK, body([row]), 200))
    assert (report.margin_mode, report.leg) == ("cross", "long")


def test_position_stream_numbers_its_margin_modes() -> None:
    for number, mode in ((1, "isolated"), (2, "cross"), (3, None)):
        report = streamed("futures/position", [{"symbol": "DOGEUSDT", "hold_volume": "1", "open_type": number}])
        assert isinstance(report, PositionReport)
        assert report.margin_mode == mode


@pytest.mark.parametrize(
    ("side", "current", "amount_", "expected"),
    [
        ("both", "5", "-5", "-5"),
        ("both", "5", "5", "5"),
        ("both", "-5", "-5", "-5"),
        ("both", None, "-5", "-5"),
        ("long", "5", "5", "5"),
        ("short", "5", "5", "5"),
        ("short", "5", "-5", "5"),
        ("both", "0", "5", "0"),  # the doc sample: nothing is held
    ],
)
def test_how_much_is_held_and_which_way(side: str, current: str | None, amount_: str, expected: str) -> None:
    row = {"symbol": "DOGEUSDT", "position_side": side, "current_amount": current, "position_amount": amount_}
    report = only(PositionReport, codec.answer(codec.POSITION_V2, body([row]), 200))
    assert report.quantity == Decimal(expected)


@pytest.mark.parametrize(
    ("mode", "kind", "volume", "leg", "expected"),
    [
        ("hedge_mode", 1, "5", "long", "5"),
        ("hedge_mode", 2, "5", "short", "5"),
        ("one_way_mode", 1, "5", "net", "5"),
        ("one_way_mode", 2, "5", "net", "-5"),
        ("one_way_mode", 2, "-5", "net", "-5"),
        ("one_way_mode", 2, "0", "net", "0"),
    ],
)
def test_a_net_position_that_is_short_is_negative(mode: str, kind: int, volume: str, leg: str, expected: str) -> None:
    push = {"symbol": "DOGEUSDT", "hold_volume": volume, "position_type": kind, "position_mode": mode}
    row = {"symbol": "DOGEUSDT", "current_amount": volume, "position_type": kind, "position_mode": mode}
    for report in (
        streamed("futures/position", [push]),
        only(PositionReport, codec.answer(codec.POSITION, body([row]), 200)),
    ):
        assert isinstance(report, PositionReport)
        assert (report.leg, str(report.quantity)) == (leg, expected)


def test_6_8_a_mark_price_that_was_the_positions_value_is_no_price() -> None:
    row = {"symbol": "BTCUSDT", "entry_price": "27407.9", "position_value": "27.4079", "mark_price": "27.4039",
           "current_amount": "1", "position_type": 1}  # fmt: skip
    for changes, expected in (({}, None), ({"mark_value": "27.4039", "mark_price": "27403.9"}, Decimal("27403.9")),
                              ({"mark_price": "27403.9"}, Decimal("27403.9"))):  # fmt: skip
        report = only(PositionReport, codec.answer(codec.POSITION, body([row | changes]), 200))
        assert report.mark_price == expected


def test_9_24_9_40_public_trades_are_coins_in_rest_and_contracts_on_the_stream() -> None:
    row = {"symbol": "DOGEUSDT", "price": "1", "qty": "0.5", "time": 1790000000}
    push = {"symbol": "DOGEUSDT", "deal_price": "1", "deal_vol": "5"}
    in_rest = only(PublicTradeReport, codec.answer(codec.MARKET_TRADE, body([row]), 200))
    on_stream = streamed("futures/trade:DOGEUSDT", [push])
    assert isinstance(on_stream, PublicTradeReport)
    assert (in_rest.in_base, on_stream.in_base) == (True, False)


@pytest.mark.parametrize("way", range(1, 9))
def test_8_2_the_older_way_of_a_public_trade(way: int) -> None:
    report = streamed("futures/trade:A", [{"symbol": "AUSDT", "deal_price": "1", "deal_vol": "1", "way": way}])
    assert isinstance(report, PublicTradeReport)
    assert report.side is (Side.BUY if way <= 4 else Side.SELL)


@pytest.mark.parametrize(
    ("sent", "ms"),
    [
        (1790000000, 1790000000000),
        (1790000000123, 1790000000123),
        ("1790000000", 1790000000000),
        ("1790000000123", 1790000000123),
        (Decimal("1790000000.5"), None),
        (0, "absent"),
        ("0", "absent"),
        ("", "absent"),
        (-1, None),
        (10**18, None),
        ("1e30", None),
        (True, None),
    ],
)
def test_9_23_seconds_and_milliseconds_are_told_by_their_size(sent: object, ms: object) -> None:
    if ms is None:
        with pytest.raises(ValueError, match=r"not a|beyond"):
            instant(sent)
    else:
        assert instant(sent) == (None if ms == "absent" else ms)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("BTCUSDT", "BTC/USDT:USDT"),
        ("1000PEPEUSDT", "1000PEPE/USDT:USDT"),
        ("BTCUSDC", "BTC/USDC:USDC"),
        ("BTCUSD", "BTC/USD:BTC"),
        ("USDCUSDT", "USDC/USDT:USDT"),
    ],
)
def test_9_48_symbols_of_every_family(theirs: str, ours: str) -> None:
    assert symbol(theirs) == ours
    assert venue_symbol(Symbol(ours)) == theirs


@pytest.mark.parametrize("theirs", ["", "BTC", "USDT", "USD", "BTC_USD", "BTCEUR", "B" * 100 + "USDT"])
def test_a_symbol_of_no_family_is_not_guessed(theirs: str) -> None:
    with pytest.raises(ValueError, match="perpetual"):
        symbol(theirs)


@pytest.mark.parametrize(
    "ours", ["BTC/USDT", "BTC/USDT:BTC", "BTC/USD:USD", "/USDT:USDT", "BTC", "BTC/USDT:USDT-261225"]
)
def test_what_is_no_perpetual_has_no_name_at_the_venue(ours: str) -> None:
    with pytest.raises(UnknownSymbolError):
        venue_symbol(Symbol(ours))


def test_9_42_only_a_perpetual_that_trades_is_tradable() -> None:
    row = {"symbol": "DOGEUSDT", "base_currency": "DOGE", "quote_currency": "USDT", "contract_size": "10",
           "price_precision": "0.00001", "vol_precision": "1", "min_volume": "1", "product_type": 1}  # fmt: skip
    for changes, tradable in (({"status": "Trading"}, True), ({"status": "Delisted"}, False), ({}, False)):
        data = {"symbols": [row | changes]}
        assert only(InstrumentReport, codec.answer(codec.DETAILS, body(data), 200)).tradable is tradable


def test_9_29_the_size_step_has_two_names() -> None:
    row = {"symbol": "DOGEUSDT", "base_currency": "DOGE", "quote_currency": "USDT", "contract_size": "10",
           "price_precision": "0.00001", "volume_precision": "2", "min_volume": "2"}  # fmt: skip
    report = only(InstrumentReport, codec.answer(codec.DETAILS, body({"symbols": [row]}), 200))
    assert report.quantity_step == 2


def test_9_51_one_contract_that_cannot_be_read_costs_only_itself() -> None:
    good = {"symbol": "DOGEUSDT", "base_currency": "DOGE", "quote_currency": "USDT", "contract_size": "10",
            "price_precision": "0.00001", "vol_precision": "1", "min_volume": "1"}  # fmt: skip
    data = {"symbols": [good, {"symbol": "X"}, good | {"min_volume": None}, good | {"symbol": "EURO"}, good]}
    kinds = [type(report) for report in codec.answer(codec.DETAILS, body(data), 200)]
    assert kinds == [InstrumentReport, Unreadable, Unreadable, Unreadable, InstrumentReport]


def test_9_3_a_cancel_that_is_taken_is_an_acknowledgement_and_no_state() -> None:
    for path in (codec.CANCEL_ORDER, codec.CANCEL_ORDERS, codec.CANCEL_PLAN_ORDER, codec.CANCEL_TRAIL_ORDER):
        assert codec.answer(path, body({}), 200) == (Ack(),)


@pytest.mark.parametrize(
    ("code", "reason"), [(40035, "order_not_found"), (40036, "order_closed"), (40037, "order_not_found")]
)
def test_9_5_a_cancel_that_finds_no_open_order_says_nothing_of_its_end(code: int, reason: str) -> None:
    answer = b'{"code":%d,"message":"Order not exist"}' % code
    refusal = only(Refusal, codec.answer(codec.CANCEL_ORDER, answer, 400))
    assert (refusal.klass, refusal.reason) == (RefusalClass.CERTAIN, reason)


@pytest.mark.parametrize("data", [b"{}", b"null", b"[]", b'""', b'{"order_id":null}', b'{"order_id":0}', b'"1"'])
@pytest.mark.parametrize("path", [codec.SUBMIT_ORDER, codec.SUBMIT_PLAN_ORDER, codec.MODIFY_LIMIT_ORDER])
def test_9_9_a_submit_without_its_id_proves_nothing(path: str, data: bytes) -> None:
    answer = b'{"code":1000,"message":"Ok","data":%b}' % data
    assert only(Refusal, codec.answer(path, answer, 200)).klass is RefusalClass.UNKNOWN


def test_9_10_a_retired_endpoint_that_says_success_proves_nothing() -> None:
    answer = b'{"errno":"OK","message":"This service is down","code":1000,"trace":"","data":{}}'
    for path in (codec.SUBMIT_ORDER, codec.CANCEL_ORDER, codec.OPEN_ORDERS, codec.POSITION_V2, codec.ASSETS):
        assert only(Refusal, codec.answer(path, answer, 200)).klass is RefusalClass.UNKNOWN


def test_10_28_an_id_is_the_same_as_a_number_and_as_a_text() -> None:
    assert codec.answer(codec.SUBMIT_ORDER, body({"order_id": 90071992547409931}), 200) == codec.answer(
        codec.SUBMIT_ORDER, body({"order_id": "90071992547409931"}), 200
    )


def test_10_16_the_next_settlement_is_not_about_now() -> None:
    push = {"symbol": "DOGEUSDT", "fundingRate": "1", "fundingTime": 1790000000000, "nextFundingTime": 1790006400000}
    report = streamed("futures/fundingRate:DOGEUSDT", push)
    assert isinstance(report, FundingReport)
    assert report.next_ms == 1790006400000


def test_10_17_bars_come_in_items_and_flat() -> None:
    bar = {"o": "1", "h": "3", "l": "0.5", "c": "2", "v": "7", "ts": 1790000041}
    group = "futures/klineBin5m:DOGEUSDT"
    assert streamed(group, {"symbol": "DOGEUSDT"} | bar) == streamed(group, {"symbol": "DOGEUSDT", "items": [bar]})


@pytest.mark.parametrize(
    ("interval", "opened"),
    [("1m", "08:00"), ("1H", "08:00"), ("2H", "08:00"), ("4H", "08:00"), ("12H", "00:00"), ("1D", "00:00")],
)
def test_8_2_the_time_of_a_pushed_bar_lies_in_it(interval: str, opened: str) -> None:
    bar = {"o": "1", "h": "3", "l": "0.5", "c": "2", "v": "7", "ts": 1721030401}  # 2024-07-15 08:00:01 UTC
    report = streamed(f"futures/klineBin{interval}:DOGEUSDT", {"symbol": "DOGEUSDT", "items": [bar]})
    assert isinstance(report, CandleReport)
    midnight_ms = 1721001600000
    assert report.open_ms == midnight_ms + (8 * 3_600_000 if opened == "08:00" else 0)


def test_9_39_a_group_may_have_a_speed_that_was_not_asked_for() -> None:
    for group in ("futures/ticker", "futures/ticker:AUSDT", "futures/ticker:AUSDT@100ms", "futures/ticker@100ms"):
        report = streamed(group, {"symbol": "AUSDT", "last_price": "1"})
        assert report == TickerReport(symbol=Symbol("A/USDT:USDT"), last=Decimal(1))


def test_a_book_of_which_one_side_is_pushed_says_nothing_of_the_other() -> None:
    push = {"symbol": "AUSDT", "way": 1, "depths": [{"price": "1", "vol": "2"}]}
    report = streamed("futures/depth5:AUSDT", push)
    assert report == BookReport(symbol=Symbol("A/USDT:USDT"), bids=((Decimal(1), Decimal(2)),), asks=None)


def test_6_7_what_orders_freeze_and_what_positions_tie_up_is_held() -> None:
    data = {"currency": "USDT", "available_balance": "1", "frozen_balance": "0.1", "position_deposit": "0.02"}
    report = streamed("futures/asset:USDT", data)
    assert isinstance(report, BalanceReport)
    assert (report.held, report.total, report.equity, report.wallet) == (Decimal("0.12"), None, None, "futures")
    for part in ("frozen_balance", "position_deposit"):
        report = streamed("futures/asset:USDT", {name: value for name, value in data.items() if name != part})
        assert isinstance(report, BalanceReport)
        assert report.held is not None


def test_sums_are_exact_or_the_element_is_unreadable() -> None:
    data = {"currency": "USDT", "frozen_balance": "9" * 60, "position_deposit": "0." + "1" * 60}
    assert isinstance(streamed("futures/asset:USDT", data), Unreadable)


def test_a_tran_id_is_not_unique_across_flows() -> None:
    rows = [{"asset": "USDT", "amount": "1", "flow_type": flow, "type": "", "tran_id": "9"} for flow in (3, 4)]
    reports = codec.answer(codec.TRANSACTIONS, body(rows), 200)
    assert [(report.flow, report.ledger_id) for report in reports if isinstance(report, LedgerReport)] == [
        ("funding", "9"),
        ("commission", "9"),
    ]


def test_the_key_that_a_refused_login_repeats_goes_no_further() -> None:
    frame = b'{"action":"access","success":false,"error":"access failed: openapi auth: apiKey SECRETKEY failed"}'
    report = only(Control, codec.frame(frame)[1])
    assert "SECRETKEY" not in repr(report)
    assert report.event == "error"


@given(st.lists(st.integers(0, 100), max_size=8))
@settings(max_examples=50)
def test_what_one_element_says_does_not_depend_on_its_neighbours(broken: list[int]) -> None:
    data: list[object] = [{"action": 2, "order": ORDER}]
    for where in broken:
        data.insert(where % (len(data) + 1), {"action": where})
    _, reports = codec.frame(msgspec.json.encode({"group": "futures/order", "data": data}))
    assert [report for report in reports if not isinstance(report, Unreadable)] == list(pushed(2))
    assert len(reports) == len(data)
