"""Perpetuals in one account: margin out of the futures wallet, legs that open and close, and nothing closed twice."""

from decimal import Decimal
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.account.events import BalanceAdjusted, PositionModeSet
from oms.book import Book, account_stream, order_stream, position_stream
from oms.decide import Decided, Decider, Said
from oms.errors import BelowMinimumError, CommandRefusedError, InvalidOrderError, LimitExceededError, OffGridError
from oms.order.events import OrderDenied
from oms.order.holds import contracts
from oms.order.messages import AmendOrder, CancelOrder
from oms.order.state import CLOSED, Life, Order
from oms.position.events import FillBooked
from oms.position.state import FLAT, Position
from oms.reports import TradeReport, VenueOrderStatus
from oms.risk import Limits
from oms.values import (
    EXACT,
    AccountId,
    ClientOrderId,
    Crossing,
    Currency,
    OrderType,
    PositionEffect,
    PositionLeg,
    PositionMode,
    Protection,
    Provenance,
    Purse,
    Side,
    StrategyId,
    Symbol,
    VenueOrderId,
    Wallet,
)
from oms.venue import Trigger
from tests.order.story import BTC_PERPETUAL, BTC_USDT, FUTURES, SPOT, asking, shown, trade

MAIN = AccountId("main")
PERPETUAL = BTC_PERPETUAL.symbol
SETTLE, SPOT_USDT = Purse("futures:USDT"), Purse("USDT")
MARKETS = {BTC_USDT.symbol: BTC_USDT, PERPETUAL: BTC_PERPETUAL}
BUY, SELL = Side.BUY, Side.SELL
NET, LONG, SHORT = PositionLeg.NET, PositionLeg.LONG, PositionLeg.SHORT


def decider(limits: Limits | None = None, marks: dict[Symbol, Decimal] | None = None) -> Decider:
    return Decider(
        MAIN,
        instruments=MARKETS,
        capabilities=lambda symbol: FUTURES if ":" in symbol else SPOT,
        limits=limits or Limits(),
        marks=marks or {},
    )


class Desk:
    """One account with a thousand USDT in each wallet."""

    def __init__(self, decides: Decider | None = None, mode: PositionMode | None = None) -> None:
        self.decider = decides or decider()
        self.book = Book(MAIN)
        self.named = 0
        self.events: list[tuple[str, object]] = []
        for wallet in Wallet:
            opening = BalanceAdjusted(
                currency=Currency("USDT"), change=Decimal(1000), total=Decimal(1000), reason="opening", wallet=wallet
            )
            self.book.apply(account_stream(MAIN), opening)
        if mode is not None:
            self.book.apply(account_stream(MAIN), PositionModeSet(mode=mode))

    def say(self, message: object) -> Decided:
        said = Said(message=message, actor="test", cause="test", source=Provenance.COMMAND)  # type: ignore[arg-type]
        decided = self.decider.decide(said, self.book)
        self.events.extend((stream, event) for stream, event, _ in decided.facts)
        return decided

    def place(self, side: Side, quantity: str, leg: PositionLeg = NET, **changes: Any) -> Order:
        self.named += 1
        fields: dict[str, object] = {
            "client_order_id": ClientOrderId(f"c{self.named}"),
            "symbol": PERPETUAL,
            "side": side,
            "quantity": Decimal(quantity),
            "price": Decimal(27000),
            "position_leg": leg,
            "leverage": Decimal(10),
        }
        state = self.say(asking(**(fields | changes))).state
        assert isinstance(state, Order)
        return state

    def fill(self, order: Order, quantity: str, price: str = "27000", **changes: Any) -> Decided:
        name = order.request.client_order_id
        report = trade(f"t{len(self.events)}", quantity, price, client_order_id=name, symbol=PERPETUAL, **changes)
        return self.say(((order_stream(MAIN, name), report),))

    def traded(self, side: Side, quantity: str, leg: PositionLeg = NET, **changes: Any) -> None:
        self.fill(self.place(side, quantity, leg, **changes), quantity, str(changes.get("price", "27000")))

    def leg(self, leg: PositionLeg = NET) -> Position:
        return self.book.positions.get(position_stream(MAIN, PERPETUAL, leg), FLAT)


def test_s35_less_than_a_contract_is_refused_and_never_rounded() -> None:
    with pytest.raises(BelowMinimumError, match="below one contract"):
        Desk().place(BUY, "0.49")


def test_an_order_that_opens_holds_margin_and_commission_in_the_futures_wallet_alone() -> None:
    desk = Desk()
    desk.place(BUY, "10")
    assert desk.book.funds(SETTLE).held == Decimal("27.27")  # 270 / 10, and a thousandth of 270
    assert desk.book.funds(SPOT_USDT).held == 0


def test_spot_and_futures_do_not_pay_for_each_other() -> None:
    desk = Desk()
    assert desk.place(BUY, "400", leverage=Decimal(10)).life is Life.DENIED
    assert desk.place(BUY, "360", leverage=Decimal(10)).life is Life.SENDING
    spot = desk.say(asking(client_order_id=ClientOrderId("s1"), quantity=Decimal(9), price=Decimal(100))).state
    assert isinstance(spot, Order)
    assert spot.life is Life.SENDING
    assert desk.book.funds(SPOT_USDT).held == Decimal("900.9")


def test_a_denial_for_margin_says_the_figures() -> None:
    desk = Desk()
    desk.place(BUY, "400")
    (_, denied) = desk.events[-1]
    assert denied == OrderDenied(
        limit="insufficient_funds",
        detail="needs 1090.800000 USDT, 1000 is available after open orders and positions in the futures wallet",
    )


def test_a_fill_moves_margin_from_the_order_to_the_position_and_pays_its_commission() -> None:
    desk = Desk()
    desk.fill(desk.place(BUY, "10"), "4", "26900", commission=Decimal("0.1076"))
    funds = desk.book.funds(SETTLE)
    assert funds.total == Decimal("999.8924")
    assert funds.held == Decimal("10.76") + Decimal("16.362")  # 107.6 / 10, and six contracts that still rest
    assert desk.book.funds(Purse("BTC")).total == 0


def test_closing_realizes_into_the_futures_wallet_and_frees_the_margin() -> None:
    desk = Desk()
    desk.traded(BUY, "10")
    desk.traded(SELL, "10", reduce_only=True, price=Decimal(27100))
    funds = desk.book.funds(SETTLE)
    assert funds.total == 1000 + Decimal("1.0") - Decimal("0.2")
    assert funds.held == 0


def test_an_unknown_leverage_holds_the_whole_worth() -> None:
    desk = Desk()
    desk.place(BUY, "2", leverage=None)
    assert desk.book.funds(SETTLE).held == Decimal("54.054")


def test_a_known_leverage_is_taken_for_the_next_order() -> None:
    desk = Desk()
    desk.traded(BUY, "1")
    order = desk.place(BUY, "2", leverage=None)
    assert (order.request.leverage, order.request.margin_leverage) == (None, 10)


def test_a_market_order_is_valued_at_the_mark() -> None:
    desk = Desk(decider(marks={PERPETUAL: Decimal(28000)}))
    order = desk.place(BUY, "2", type=OrderType.MARKET, price=None)
    assert order.request.reference_price == 28000
    assert desk.book.funds(SETTLE).held == Decimal("5.656")


# fmt: off
S23 = [  # mode, held long and short (or net), side, leg -> long and short (or net) after 2 of 2 traded; None: denied
    ("hedge", (5, -3), SELL, LONG, (3, -3)),
    ("hedge", (5, -3), BUY, LONG, (7, -3)),
    ("hedge", (5, -3), SELL, SHORT, (5, -5)),
    ("hedge", (5, -3), BUY, SHORT, (5, -1)),
    ("hedge", (1, -3), SELL, LONG, None),
    ("hedge", (5, -1), BUY, SHORT, None),
    ("hedge", (0, -3), SELL, LONG, None),
    ("one_way", (5,), SELL, NET, (3,)),
    ("one_way", (5,), BUY, NET, (7,)),
    ("one_way", (-3,), BUY, NET, (-1,)),
    ("one_way", (1,), SELL, NET, (-1,)),
]
# fmt: on


@pytest.mark.parametrize(("mode", "held", "side", "leg", "after"), S23)
def test_s23_side_and_leg_say_what_opens_and_what_closes(
    mode: str, held: tuple[int, ...], side: Side, leg: PositionLeg, after: tuple[int, ...] | None
) -> None:
    desk = Desk(mode=PositionMode(mode))
    legs = (NET,) if mode == "one_way" else (LONG, SHORT)
    for each, quantity in zip(legs, held, strict=True):
        if quantity:
            desk.traded(BUY if quantity > 0 else SELL, str(abs(quantity)), each)
    order = desk.place(side, "2", leg)
    if after is None:
        assert order.reason is not None
        assert order.reason.startswith("reduce_only")
        return
    desk.fill(order, "1")
    desk.fill(order, "1")
    assert tuple(desk.leg(each).quantity for each in legs) == after


def test_s25_two_reduce_only_orders_never_close_the_same_contract() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    desk.traded(BUY, "1")
    first = desk.place(SELL, "1", reduce_only=True)
    second = desk.place(SELL, "1", reduce_only=True)
    assert (first.life, second.life) == (Life.SENDING, Life.DENIED)
    assert second.reason == (
        "reduce_only: closes 1 of BTC/USDT:USDT net, 0 is held and not being closed by live orders"
    )
    desk.fill(first, "1")
    assert desk.leg().quantity == 0
    assert desk.place(SELL, "1", reduce_only=True).life is Life.DENIED


def test_s25_a_canceled_reduce_gives_back_what_it_would_have_closed() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    desk.traded(SELL, "3")
    first = desk.place(BUY, "3", reduce_only=True)
    name = first.request.client_order_id
    ended = shown(VenueOrderStatus.CANCELED, "1", symbol=PERPETUAL, client_order_id=name)
    desk.fill(first, "1")
    desk.say(((order_stream(MAIN, name), ended),))
    assert desk.place(BUY, "2", reduce_only=True).life is Life.SENDING


STOP = Trigger(price=Decimal(26000), when=Crossing.FALLS_TO)
TARGET = Trigger(price=Decimal(28000), when=Crossing.RISES_TO)


def protected(desk: Desk) -> tuple[Order, Order]:
    """Five long, with a stop and a target for all of it."""
    desk.traded(BUY, "5")
    close = partial(desk.place, SELL, "5", reduce_only=True, type=OrderType.MARKET, price=None)
    return close(trigger=STOP), close(trigger=TARGET)


def named(order: Order) -> str:
    return order_stream(MAIN, order.request.client_order_id)


def test_a_stop_and_a_target_stand_for_the_same_contracts() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    stop, target = protected(desk)
    assert (stop.life, target.life) == (Life.SENDING, Life.SENDING)
    assert desk.place(SELL, "5", reduce_only=True).life is Life.SENDING  # nor do they keep anybody from closing
    assert desk.place(SELL, "6", reduce_only=True, trigger=STOP).life is Life.DENIED


def test_s28_when_one_of_a_bracket_fills_the_other_is_canceled_once() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    stop, target = protected(desk)
    name = target.request.client_order_id
    fired = shown(VenueOrderStatus.NEW, symbol=PERPETUAL, client_order_id=name, venue_order_id="v7", triggered_by="v2")
    desk.say(((named(target), fired),))
    assert desk.book.held[contracts(PERPETUAL, NET, SELL)] == 5
    desk.fill(target, "2", "28000")
    assert not desk.book.orders[named(stop)].cancels
    desk.fill(target, "3", "28000")
    assert len(desk.book.orders[named(stop)].cancels) == 1
    assert not desk.book.orders[named(target)].cancels
    restarted = Desk(mode=PositionMode.ONE_WAY)
    for stream, event in desk.events:
        restarted.book.apply(stream, event)  # type: ignore[arg-type]
    assert restarted.book.orders[named(stop)].cancels == desk.book.orders[named(stop)].cancels


def test_s27_a_human_who_closes_the_position_leaves_no_protection_behind() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    orders = protected(desk)
    seen = shown(
        VenueOrderStatus.NEW,
        symbol=PERPETUAL,
        venue_order_id="v9",
        client_order_id=None,
        side=SELL,
        quantity=Decimal(5),
        order_type="market",
    )
    closed = trade("x1", "5", "27000", symbol=PERPETUAL, venue_order_id="v9", client_order_id=None)
    desk.say((("order/main/externalv9", seen), ("order/main/externalv9", closed)))
    assert desk.leg().quantity == 0
    assert all(desk.book.orders[named(order)].cancels for order in orders)


def test_somebody_elses_protection_keeps_nobody_from_closing() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    desk.traded(BUY, "5")
    seen = shown(
        VenueOrderStatus.NEW,
        symbol=PERPETUAL,
        venue_order_id="v9",
        client_order_id=None,
        side=SELL,
        effect=PositionEffect.CLOSE,
        quantity=Decimal(5),
        trigger_price=Decimal(26000),
    )
    desk.say((("order/main/externalv9", seen),))
    close = desk.place(SELL, "5", reduce_only=True)
    assert close.life is Life.SENDING
    desk.fill(close, "5")
    assert not desk.book.orders["order/main/externalv9"].cancels  # whoever made it looks after it


@pytest.mark.parametrize("what", ["trigger", "take_profit", "stop_loss"])
def test_what_an_order_waits_for_is_on_the_grid(what: str) -> None:
    off = Decimal("26000.05")
    terms: Any = Trigger(price=off, when=Crossing.FALLS_TO) if what == "trigger" else Protection(price=off)
    with pytest.raises(OffGridError, match=what):
        Desk().place(BUY, "1", **{what: terms})


def test_s40_a_flip_is_two_bookings_of_one_trade() -> None:
    desk = Desk(mode=PositionMode.ONE_WAY)
    desk.traded(BUY, "3")
    facts = desk.fill(desk.place(SELL, "5", price=Decimal(27000)), "5", "27100").facts
    booked = [event for _, event, _ in facts if isinstance(event, FillBooked)]
    assert [(event.quantity, event.realized) for event in booked] == [(-3, Decimal("0.3")), (-2, 0)]
    assert len({event.exec_id for event in booked}) == 1
    assert desk.leg().quantity == -2
    assert desk.leg().open_cost == Decimal("-54.2")


@pytest.mark.parametrize(
    ("mode", "side", "leg", "changes", "why"),
    [
        ("one_way", BUY, LONG, {}, "position_leg is net"),
        ("hedge", BUY, NET, {}, "position_leg is long or short"),
        ("hedge", BUY, LONG, {"reduce_only": True}, "cannot be reduce-only"),
        ("hedge", SELL, SHORT, {"reduce_only": True}, "cannot be reduce-only"),
        ("one_way", BUY, NET, {"leverage": Decimal("0.5")}, "from 1 upward"),
        ("one_way", BUY, NET, {"leverage": Decimal(101)}, "above the maximum of 100"),
        ("one_way", BUY, NET, {"quantity": "1000001"}, "above the maximum"),
        ("one_way", BUY, NET, {"type": OrderType.MARKET, "price": None, "notional": Decimal(5)}, "sized by quantity"),
        ("one_way", BUY, NET, {"symbol": BTC_USDT.symbol}, "takes neither leverage nor margin_mode"),
    ],
)
def test_what_contradicts_itself_is_refused(
    mode: str, side: Side, leg: PositionLeg, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(InvalidOrderError, match=why):
        Desk(mode=PositionMode(mode)).place(side, leg=leg, **({"quantity": "2"} | changes))


def test_a_change_on_its_way_counts_against_the_limit_of_the_position() -> None:
    """Found by the simulation: what the order was counted, and not what it may have become."""
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(5)})))
    first = desk.place(BUY, "1")
    name = first.request.client_order_id
    desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a1", quantity=Decimal(4)))
    late = desk.place(BUY, "2")
    assert late.reason == "position_max: BTC/USDT:USDT net could come to 6, 5 is allowed"
    assert desk.place(BUY, "1").life is Life.SENDING
    desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a2", quantity=Decimal(3)))
    with pytest.raises(LimitExceededError, match="could come to 6, 5 is allowed"):
        desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a3", quantity=Decimal(5)))


def test_what_has_traded_and_was_not_told_counts_against_the_limit_though_its_order_is_over() -> None:
    """Seed 1016885: canceled with three traded, of which nobody had seen a trade yet, it counted as nothing."""
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(5)})))
    name = desk.place(BUY, "4").request.client_order_id
    over = shown(VenueOrderStatus.CANCELED, "3", symbol=PERPETUAL, client_order_id=name)
    ended = desk.say(((order_stream(MAIN, name), over),)).state
    assert isinstance(ended, Order)
    assert (ended.life, ended.untold_quantity) == (Life.CANCELED, Decimal(3))
    assert desk.place(BUY, "3").reason == "position_max: BTC/USDT:USDT net could come to 6, 5 is allowed"
    assert desk.place(BUY, "2").life is Life.SENDING
    desk.fill(ended, "3")
    assert desk.place(BUY, "1").reason == "position_max: BTC/USDT:USDT net could come to 6, 5 is allowed"


def test_what_is_held_on_the_other_side_may_be_closed_before_the_rest_trades() -> None:
    """Seed 1210746 of harsher worlds: a long of 19 was closed twice, by what only closes and by what opens."""
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(26)})))
    desk.traded(BUY, "19")
    desk.place(SELL, "20")
    desk.place(SELL, "17", reduce_only=True)
    late = desk.place(SELL, "11")
    assert late.reason == "position_max: BTC/USDT:USDT net could come to 29, 26 is allowed"
    last = desk.place(SELL, "8")
    assert last.life is Life.SENDING  # to 26 short, once the 17 are closed
    closes = desk.place(SELL, "1", reduce_only=True)
    assert closes.reason == "position_max: BTC/USDT:USDT net could come to 27, 26 is allowed"
    desk.say(CancelOrder(account=MAIN, client_order_id=last.request.client_order_id, request_id="x1"))
    canceled = shown(VenueOrderStatus.CANCELED, "0", symbol=PERPETUAL, client_order_id=last.request.client_order_id)
    desk.say(((order_stream(MAIN, last.request.client_order_id), canceled),))
    assert desk.place(SELL, "1", reduce_only=True).life is Life.SENDING


def test_what_only_closes_is_held_against_nothing_where_nothing_opens_on_its_side() -> None:
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(5)})))
    desk.traded(BUY, "9")  # more than is allowed: the limit was wider once
    desk.place(BUY, "1")
    assert desk.place(SELL, "9", reduce_only=True).life is Life.SENDING


def test_a_change_of_what_closes_counts_as_well() -> None:
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(5)})))
    desk.traded(BUY, "4")
    closes = desk.place(SELL, "1", reduce_only=True)
    desk.place(SELL, "7")
    name = closes.request.client_order_id
    with pytest.raises(LimitExceededError, match="could come to 6, 5 is allowed"):
        desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a1", quantity=Decimal(3)))
    desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a2", quantity=Decimal(2)))


def test_an_order_by_notional_opens_nothing_where_the_position_has_a_limit() -> None:
    """Found by the simulation: nobody knows how much it buys, and it passed as if it bought nothing."""
    desk = Desk(decider(Limits(position_max={Symbol("BTC/USDT"): Decimal(5)})))
    by_notional = {"type": OrderType.MARKET, "notional": Decimal(100), "quantity": None, "price": None}
    denied = desk.say(asking(client_order_id=ClientOrderId("m1"), **by_notional)).state
    assert isinstance(denied, Order)
    assert denied.reason == (
        "position_max: BTC/USDT may come to 5, and nobody can say how much an order by notional buys"
    )


def test_limits_of_leverage_and_position_deny_with_their_figures() -> None:
    desk = Desk(decider(Limits(leverage_max=Decimal(20), position_max={PERPETUAL: Decimal(5)})))
    assert desk.place(BUY, "1", leverage=Decimal(25)).reason == "leverage_max: leverage 25, 20 is allowed"
    desk.traded(BUY, "2")
    desk.place(BUY, "2")
    late = desk.place(BUY, "2")
    assert late.reason == "position_max: BTC/USDT:USDT net could come to 6, 5 is allowed"
    assert desk.place(SELL, "7").life is Life.SENDING  # to five short
    assert desk.place(SELL, "1").life is Life.DENIED
    differs = desk.place(BUY, "1", leverage=Decimal(20))
    assert differs.reason == "leverage: leverage 20 differs from 10 of the open position"


def test_an_order_of_a_market_that_nobody_knows_is_not_guessed_at() -> None:
    desk = Desk()
    report = shown(
        VenueOrderStatus.NEW, symbol=Symbol("X/USDT:USDT"), client_order_id=None, side=BUY, quantity=Decimal(1)
    )
    assert not desk.say((("order/main/externalv1", report),)).facts


def test_somebody_elses_close_of_a_leg_is_booked_on_that_leg() -> None:
    desk = Desk(mode=PositionMode.HEDGE)
    desk.traded(BUY, "5", LONG)
    report = shown(
        VenueOrderStatus.NEW,
        symbol=PERPETUAL,
        venue_order_id="v9",
        client_order_id=None,
        side=SELL,
        position_leg=LONG,
        quantity=Decimal(5),
        leverage=Decimal(10),
    )
    desk.say((("order/main/externalv9", report),))
    closed = trade("x1", "5", "27000", symbol=PERPETUAL, venue_order_id="v9", client_order_id=None)
    desk.say((("order/main/externalv9", closed),))
    assert desk.leg(LONG).quantity == 0
    assert desk.book.funds(SETTLE).held == 0


# ------------------------------------------------------------------------------------------------ on any path

orders = st.tuples(
    st.sampled_from([BUY, SELL]),
    st.sampled_from([NET, LONG, SHORT]),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["26990", "27000", "27010.5"]),
)
acts = st.lists(
    st.one_of(
        orders,
        st.tuples(st.just("fill"), st.integers(1, 6), st.integers(1, 3), st.sampled_from(["26950.5", "27100"])),
        st.tuples(st.just("end"), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(1, 6)),
    ),
    max_size=25,
)


def play(desk: Desk, script: list[tuple[Any, ...]]) -> list[TradeReport]:
    """Act, and return the trades that happened."""
    trades = []
    for n, act in enumerate(script):
        try:
            match act:
                case ("fill", number, quantity, price):
                    order = desk.book.orders.get(f"order/main/c{number}")
                    if order is not None and order.leaves_quantity >= quantity:
                        report = trade(f"t{n}", str(quantity), str(price), symbol=PERPETUAL)
                        desk.say(((f"order/main/c{number}", report),))
                        trades.append(report)
                case ("end", number):
                    ended = shown(VenueOrderStatus.CANCELED, symbol=PERPETUAL, client_order_id=f"c{number}")
                    if f"order/main/c{number}" in desk.book.orders:
                        desk.say(((f"order/main/c{number}", ended),))
                case ("cancel", number):
                    desk.say(CancelOrder(account=MAIN, client_order_id=ClientOrderId(f"c{number}"), request_id="r"))
                case _:
                    side, leg, quantity, reduce_only, price = act
                    desk.place(side, str(quantity), leg, reduce_only=reduce_only, price=Decimal(price))
        except CommandRefusedError:
            continue
    return trades


@forall(script=acts, mode=st.sampled_from([None, *PositionMode]))
def test_replay_equals_live(script: list[tuple[object, ...]], mode: PositionMode | None) -> None:
    desk = Desk(mode=mode)
    play(desk, script)
    again = Desk(mode=mode)
    for stream, event in desk.events:
        again.book.apply(stream, event)  # type: ignore[arg-type]
    assert again.book.summary() == desk.book.summary()


@forall(script=acts, more=acts)
def test_an_undo_takes_back_exactly_what_was_done(
    script: list[tuple[object, ...]], more: list[tuple[object, ...]]
) -> None:
    desk = Desk()
    play(desk, script)
    desk.book.cut()
    before = desk.book.summary()
    play(desk, more)
    desk.book.undo(desk.book.cut())
    assert desk.book.summary() == before


@forall(script=acts)
def test_closing_orders_never_flip_a_leg_and_funds_follow_from_what_traded(script: list[tuple[object, ...]]) -> None:
    desk = Desk(mode=PositionMode.HEDGE)
    trades = play(desk, script)
    assert desk.leg(LONG).quantity >= 0
    assert desk.leg(SHORT).quantity <= 0
    realized = EXACT.add(desk.leg(LONG).realized, desk.leg(SHORT).realized)
    assert desk.book.funds(SETTLE).total == 1000 + realized - Decimal("0.1") * len(trades)
    backing = sum((desk.leg(leg).margin for leg in (LONG, SHORT)), Decimal(0))
    assert desk.book.funds(SETTLE).held >= backing
    if all(order.life in CLOSED for order in desk.book.orders.values()):
        assert desk.book.funds(SETTLE).held == backing


def test_reports_of_a_perpetual_may_arrive_in_any_order() -> None:
    figures = set()
    reports = [
        trade("t1", "1", "27000", symbol=PERPETUAL),
        trade("t2", "2", "27010", symbol=PERPETUAL),
        trade("t2", "2", "27010", symbol=PERPETUAL),
        shown(VenueOrderStatus.CANCELED, "3", symbol=PERPETUAL),
        shown(VenueOrderStatus.NEW, symbol=PERPETUAL, venue_order_id=VenueOrderId("v1")),
    ]
    for told in permutations(reports):
        desk = Desk(mode=PositionMode.ONE_WAY)
        desk.place(BUY, "5")
        for report in told:
            desk.say((("order/main/c1", report),))
        order = desk.book.orders["order/main/c1"]
        figures.add((order.life, order.cum_quantity, order.cum_cost, desk.leg().open_cost, desk.book.funds(SETTLE)))
    assert len(figures) == 1


def test_the_strategy_is_not_asked_twice() -> None:
    desk = Desk()
    order = desk.place(BUY, "2")
    again = replace(
        asking(
            client_order_id=ClientOrderId("c1"),
            symbol=PERPETUAL,
            quantity=Decimal(2),
            price=Decimal(27000),
            leverage=Decimal(10),
        ),
        strategy=StrategyId("maker"),
    )
    assert desk.say(again).state == order
