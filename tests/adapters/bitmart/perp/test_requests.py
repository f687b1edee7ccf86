"""The exact bytes of every request, and the orders that cannot be built."""

import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bitmart.perp import queries, requests
from oms.errors import CommandRefusedError, InvalidOrderError, UnknownSymbolError
from oms.values import (
    CLIENT_ORDER_ID,
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import Amendment, NewOrder, OrderRef, Trigger
from tests.adapters.bitmart.perp.desk import BTC, KNOWN, ORDER, REF, with_

ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
NET, LONG, SHORT = PositionLeg.NET, PositionLeg.LONG, PositionLeg.SHORT
BUY, SELL = Side.BUY, Side.SELL
UP = Trigger(price=Decimal(70000), when=Crossing.RISES_TO)
DOWN = Trigger(price=Decimal(50000), when=Crossing.FALLS_TO, by=PriceSource.MARK)
BACKED = with_(ORDER, leverage=Decimal(10), margin_mode=MarginMode.CROSS)
MARKET = with_(ORDER, type=OrderType.MARKET, price=None)


def test_a_limit_order_is_the_protocols_vector_b_byte_for_byte() -> None:
    order = with_(BACKED, client_order_id=ClientOrderId("oms0000000000000000000000000002"))
    assert requests.submit(order, ONE_WAY) == (
        b'{"symbol":"BTCUSDT","client_order_id":"oms0000000000000000000000000002","side":1,"mode":1,"type":"limit",'
        b'"leverage":"10","open_type":"cross","size":5,"price":"60000.1"}'
    )


def test_a_market_order_has_no_price() -> None:
    assert requests.submit(MARKET, ONE_WAY) == (
        b'{"symbol":"BTCUSDT","client_order_id":"oms1","side":1,"mode":1,"type":"market","size":5}'
    )


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, 1),
        ({"time_in_force": TimeInForce.FOK}, 2),
        ({"time_in_force": TimeInForce.IOC}, 3),
        ({"post_only": True}, 4),
        ({"type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.IOC}, 3),
    ],
)
def test_time_in_force_and_maker_only_are_one_number(changes: dict[str, object], mode: int) -> None:
    assert msgspec.json.decode(requests.submit(with_(ORDER, **changes), ONE_WAY))["mode"] == mode


# Drawn by hand from PROTOCOL 6.0, apart from the table: mode, leg, side, code, and code with reduce_only.
CODES = """
    hedge    long   buy   1  .
    hedge    short  buy   2  2
    hedge    long   sell  3  3
    hedge    short  sell  4  .
    hedge    net    buy   .  .
    hedge    net    sell  .  .
    one_way  net    buy   1  2
    one_way  net    sell  4  3
    one_way  long   buy   .  .
    one_way  long   sell  .  .
    one_way  short  buy   .  .
    one_way  short  sell  .  .
"""


@pytest.mark.parametrize("line", [line.split() for line in CODES.strip().splitlines()], ids=" ".join)
@pytest.mark.parametrize("reduce_only", [False, True])
def test_s23_the_side_codes_of_both_modes(line: list[str], *, reduce_only: bool) -> None:
    mode, leg, side, plainly, reducing = line
    order = with_(ORDER, position_leg=PositionLeg(leg), side=Side(side), reduce_only=reduce_only)
    code = reducing if reduce_only else plainly
    if code == ".":
        with pytest.raises(InvalidOrderError):
            requests.submit(order, PositionMode(mode))
    else:
        assert msgspec.json.decode(requests.submit(order, PositionMode(mode)))["side"] == int(code)


def test_s23_every_combination_has_a_line() -> None:
    lines = {tuple(line.split()[:3]) for line in CODES.strip().splitlines()}
    assert lines == {tuple(map(str, each)) for each in itertools.product(PositionMode, PositionLeg, Side)}


def test_a_close_says_neither_leverage_nor_margin_mode() -> None:
    body = msgspec.json.decode(requests.submit(with_(BACKED, side=SELL, position_leg=LONG), HEDGE))
    assert "leverage" not in body
    assert "open_type" not in body


def test_what_comes_with_the_fill_is_preset_on_orders_that_open() -> None:
    protected = with_(
        ORDER,
        take_profit=Protection(price=Decimal("70000.0")),
        stop_loss=Protection(price=Decimal(5), by=PriceSource.MARK),
    )
    assert requests.submit(protected, ONE_WAY).endswith(
        b'"preset_take_profit_price_type":1,"preset_take_profit_price":"70000.0",'
        b'"preset_stop_loss_price_type":2,"preset_stop_loss_price":"5"}'
    )
    with pytest.raises(InvalidOrderError, match="closes"):
        requests.submit(with_(protected, reduce_only=True), ONE_WAY)


# ------------------------------------------------------------------------------------------------ sizes


@pytest.mark.parametrize("quantity", ["0", "0.49", "1.5", "-1", "NaN", "Infinity", "1E-3"])
def test_s35_less_than_a_contract_is_not_one_and_not_none(quantity: str) -> None:
    with pytest.raises(InvalidOrderError, match="whole contracts"):
        requests.submit(with_(ORDER, quantity=Decimal(quantity)), ONE_WAY)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10, max_value=10**9, places=3))
def test_trap_9_18_a_size_leaves_as_the_json_integer_it_is_or_not_at_all(quantity: Decimal) -> None:
    try:
        body = requests.submit(with_(ORDER, quantity=quantity), ONE_WAY)
    except InvalidOrderError:
        assert quantity < 1 or quantity != int(quantity)
        return
    assert b'"size":%d,' % int(quantity) in body
    assert int(quantity) == quantity


# ------------------------------------------------------------------------------------------------ orders that wait


def test_a_plan_order_names_its_price_and_the_side_it_comes_from() -> None:
    assert requests.submit_plan(BACKED, UP, ONE_WAY) == (
        b'{"symbol":"BTCUSDT","client_order_id":"oms1","side":1,"mode":1,"type":"limit","leverage":"10",'
        b'"open_type":"cross","size":5,"trigger_price":"70000","executive_price":"60000.1","price_way":1,"price_type":1}'
    )
    at_market = msgspec.json.decode(
        requests.submit_plan(with_(BACKED, type=OrderType.MARKET, price=None), DOWN, ONE_WAY)
    )
    assert "executive_price" not in at_market
    assert (at_market["price_way"], at_market["price_type"]) == (2, 2)


def test_a_plan_order_without_leverage_or_margin_mode_is_not_built() -> None:
    for missing in ("leverage", "margin_mode"):
        with pytest.raises(InvalidOrderError, match="names leverage and margin mode"):
            requests.submit_plan(with_(BACKED, **{missing: None}), UP, ONE_WAY)


def test_a_trailing_order_says_its_callback_in_percent() -> None:
    trailing = with_(BACKED, type=OrderType.MARKET, price=None, side=SELL)
    assert requests.submit_trail(trailing, with_(UP, callback_rate=Decimal("0.0150")), ONE_WAY) == (
        b'{"symbol":"BTCUSDT","client_order_id":"oms1","side":4,"leverage":"10","open_type":"cross","size":5,'
        b'"activation_price":"70000","callback_rate":"1.5","activation_price_type":1}'
    )


@pytest.mark.parametrize("rate", ["0.0009", "0.051", "0", "-0.01"])
def test_a_callback_outside_what_the_venue_takes_is_not_sent(rate: str) -> None:
    trailing = with_(BACKED, type=OrderType.MARKET, price=None)
    with pytest.raises(InvalidOrderError, match="callback"):
        requests.submit_trail(trailing, with_(UP, callback_rate=Decimal(rate)), ONE_WAY)


def test_a_callback_of_ten_percent_of_a_percent_and_of_five_are_the_ends() -> None:
    trailing = with_(BACKED, type=OrderType.MARKET, price=None)
    for rate, said in (("0.001", b'"0.1"'), ("0.05", b'"5"')):
        assert said in requests.submit_trail(trailing, with_(UP, callback_rate=Decimal(rate)), ONE_WAY)


@pytest.mark.parametrize(
    ("side", "leg", "mode", "trigger", "expected"),
    [
        (SELL, LONG, HEDGE, UP, ("take_profit", 3)),
        (SELL, LONG, HEDGE, DOWN, ("stop_loss", 3)),
        (BUY, SHORT, HEDGE, DOWN, ("take_profit", 2)),
        (BUY, SHORT, HEDGE, UP, ("stop_loss", 2)),
        (SELL, NET, ONE_WAY, UP, ("take_profit", 3)),
        (BUY, NET, ONE_WAY, UP, ("stop_loss", 2)),
    ],
)
def test_trap_9_19_what_closes_is_a_take_profit_or_a_stop_loss_for_its_quantity(
    side: Side, leg: PositionLeg, mode: PositionMode, trigger: Trigger, expected: tuple[str, int]
) -> None:
    order = with_(ORDER, side=side, position_leg=leg, reduce_only=True)
    body = msgspec.json.decode(requests.submit_tp_sl(order, trigger, mode))
    assert (body["type"], body["side"]) == expected
    assert body["size"] == 5
    assert (body["plan_category"], body["category"], body["executive_price"]) == (1, "limit", "60000.1")
    at_market = msgspec.json.decode(
        requests.submit_tp_sl(with_(order, type=OrderType.MARKET, price=None), trigger, mode)
    )
    assert (at_market["category"], at_market["executive_price"]) == ("market", "0")


# ------------------------------------------------------------------------------------------------ what cannot be built

IMPOSSIBLE = [
    with_(ORDER, price=None),
    with_(ORDER, quantity=None),
    with_(ORDER, notional=Decimal(5)),
    with_(MARKET, price=Decimal(5)),
    with_(MARKET, quantity=None, notional=Decimal(5)),
    with_(MARKET, post_only=True),
    with_(ORDER, time_in_force=TimeInForce.GTD),
    with_(ORDER, time_in_force=TimeInForce.IOC, post_only=True),
    with_(ORDER, leverage=Decimal("2.5")),
    with_(ORDER, leverage=Decimal(0)),
]


@pytest.mark.parametrize("order", IMPOSSIBLE)
def test_an_order_the_venue_does_not_know_is_never_built(order: NewOrder) -> None:
    with pytest.raises(InvalidOrderError):
        requests.submit(order, ONE_WAY)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTCUSDT", "BTC/USD:BTC", "BTC/USDC:USDC", "BTC/USDT:BTC", "", ":USDT"])
def test_trap_9_48_only_linear_perpetuals_are_traded_here(symbol: str) -> None:
    with pytest.raises(UnknownSymbolError):
        requests.submit(with_(ORDER, symbol=Symbol(symbol)), ONE_WAY)


# ------------------------------------------------------------------------------------------------ cancel and change


def test_a_cancel_names_one_order_and_exactly_one_id() -> None:
    assert requests.cancel(KNOWN) == b'{"symbol":"BTCUSDT","order_id":"77"}'
    assert requests.cancel(REF) == b'{"symbol":"BTCUSDT","client_order_id":"oms1"}'
    assert requests.cancel_trail(KNOWN) == b'{"symbol":"BTCUSDT","order_id":"77"}'


ids = (
    st.none()
    | st.text(max_size=40)
    | st.sampled_from(["", " ", "0", "00", "null", "None", "77", "-", "PLAN_7", "oms1", "\u0667"])
)


@given(symbol=st.sampled_from(["BTC/USDT:USDT", "BTC/USD:BTC"]), venue_id=ids, client_id=ids, conditional=st.booleans())
def test_s20_trap_9_4_no_cancel_leaves_without_the_id_of_one_order(
    symbol: str, venue_id: str | None, client_id: str | None, *, conditional: bool
) -> None:
    order = OrderRef(
        client_order_id=ClientOrderId(client_id or ""),
        symbol=Symbol(symbol),
        venue_order_id=None if venue_id is None else VenueOrderId(venue_id),
        conditional=conditional,
    )
    for build in (requests.cancel, requests.cancel_trail):
        try:
            body = msgspec.json.decode(build(order))
        except ValueError:
            continue
        named = [value for name, value in body.items() if name in {"order_id", "client_order_id"}]
        assert len(named) == 1, "exactly one, and never null or empty beside it"
        assert CLIENT_ORDER_ID.fullmatch(named[0])
        assert body.get("order_id") != "0", "to the venue, no id"
        assert named[0] in (venue_id, client_id)


@given(order_id=ids, client_order_id=ids)
def test_s20_the_body_itself_refuses_to_be(order_id: str | None, client_order_id: str | None) -> None:
    for make in (
        lambda: requests.CancelOrder("BTCUSDT", order_id, client_order_id),
        lambda: requests.CancelTrailOrder("BTCUSDT", order_id or ""),
    ):
        try:
            body = make()
        except ValueError:
            continue
        given_ids = [each for each in (body.order_id, getattr(body, "client_order_id", None)) if each is not None]
        assert len(given_ids) == 1
        assert given_ids[0].isascii()
        assert given_ids[0].isalnum()


def test_trap_9_18_a_change_names_the_order_with_an_integer() -> None:
    assert requests.modify(Amendment(order=KNOWN, price=Decimal("61000.0"), quantity=Decimal(7))) == (
        b'{"symbol":"BTCUSDT","order_id":77,"price":"61000.0","size":7}'
    )
    assert requests.modify(Amendment(order=REF, price=Decimal(61000))) == (
        b'{"symbol":"BTCUSDT","client_order_id":"oms1","price":"61000"}'
    )


@pytest.mark.parametrize(
    "change",
    [
        Amendment(order=KNOWN),
        Amendment(order=KNOWN, quantity=Decimal("0.5")),
        Amendment(order=KNOWN, price=Decimal(0)),
        Amendment(order=KNOWN, price=Decimal("NaN")),
    ],
)
def test_a_change_to_nothing_is_not_built(change: Amendment) -> None:
    with pytest.raises(InvalidOrderError):
        requests.modify(change)


def test_the_dead_man_is_in_seconds_five_at_least_or_disarmed() -> None:
    assert requests.cancel_all_after(BTC, 30) == b'{"symbol":"BTCUSDT","timeout":30}'
    assert requests.cancel_all_after(BTC, 0) == b'{"symbol":"BTCUSDT","timeout":0}'
    for seconds in (-1, 1, 4):
        with pytest.raises(ValueError, match="at least"):
            requests.cancel_all_after(BTC, seconds)


def test_settings() -> None:
    assert requests.submit_leverage(BTC, Decimal(20), MarginMode.ISOLATED) == (
        b'{"symbol":"BTCUSDT","leverage":"20","open_type":"isolated"}'
    )
    assert requests.set_position_mode(HEDGE) == b'{"position_mode":"hedge_mode"}'
    with pytest.raises(CommandRefusedError):
        requests.submit_leverage(BTC, Decimal("1.5"), MarginMode.CROSS)


# ------------------------------------------------------------------------------------------------ queries


def test_trap_9_23_trades_and_history_are_asked_for_in_seconds_and_the_ledger_in_milliseconds() -> None:
    start_s, end_s = queries.seconds(1_662_368_173_001, 1_662_368_179_001)
    assert queries.query_window(start_s, end_s, BTC, client_order_id="oms1") == {
        "symbol": "BTCUSDT",
        "client_order_id": "oms1",
        "start_time": 1_662_368_173,
        "end_time": 1_662_368_180,
    }
    assert queries.query_ledger(1_662_368_173_001, 1_662_368_179_001)["start_time"] == 1_662_368_173_001


@given(since=st.integers(0, 10**13), length=st.integers(0, 10**12))
def test_a_window_in_seconds_holds_all_of_the_one_in_milliseconds(since: int, length: int) -> None:
    start_s, end_s = queries.seconds(since, since + length)
    assert start_s * 1000 <= since
    assert end_s * 1000 >= since + length
    assert end_s * 1000 - length - since < 1000


@given(start=st.integers(0, 10**6), length=st.integers(0, 10**6), span=st.integers(1, 10**6))
def test_spans_cover_the_window_and_none_is_wider_than_the_venue_takes(start: int, length: int, span: int) -> None:
    if length // span > 1000:
        span = length // 1000 + 1
    parts = queries.spans(start, start + length, span)
    assert (parts[0][0], parts[-1][1]) == (start, start + length)
    assert all(0 <= end - begin <= span for begin, end in parts)
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(parts))
