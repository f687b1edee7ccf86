"""What happens to perpetuals without an order of ours: funding, settings, and what the venue does by itself."""

from decimal import Decimal

import pytest

from oms.account.events import PositionModeRefused, PositionModeRequested, PositionModeSet, TradingHalted
from oms.account.modes import PositionModeError, PositionModeRejected, SetPositionMode
from oms.account.state import Account
from oms.book import account_stream, position_stream
from oms.errors import CommandRefusedError, InvalidOrderError, UnknownSymbolError
from oms.order.events import ExternalOrderSeen
from oms.order.state import Life
from oms.position.events import FundingBooked, LeverageRefused, LeverageRequested, LeverageSet
from oms.position.settings import LeverageError, LeverageRejected, SetLeverage
from oms.reports import LedgerReport, LeverageReport, OrderReport, PositionModeReport, VenueOrderStatus
from oms.risk import Limits
from oms.values import Currency, MarginMode, Origin, PositionLeg, PositionMode, Side, Symbol
from tests.account.test_perpetuals import BUY, LONG, MAIN, NET, PERPETUAL, SELL, SETTLE, SHORT, Desk, decider
from tests.order.story import shown, trade

HEDGE, ONE_WAY = PositionMode.HEDGE, PositionMode.ONE_WAY
MARKET = position_stream(MAIN, PERPETUAL, NET)
ACCOUNT = account_stream(MAIN)


def funding(
    amount: str, ledger_id: str | None = "9", at_ms: int = 1_764_000_000_000, **changes: object
) -> LedgerReport:
    fields: dict[str, object] = {
        "currency": Currency("USDT"),
        "amount": Decimal(amount),
        "flow": "funding",
        "symbol": PERPETUAL,
        "ledger_id": ledger_id,
        "at_ms": at_ms,
    }
    return LedgerReport(**(fields | changes))  # type: ignore[arg-type]


def test_s38_overlapping_windows_and_a_restart_post_a_payment_once() -> None:
    desk = Desk(mode=HEDGE)
    desk.traded(BUY, "5", LONG)
    before = desk.book.funds(SETTLE).total
    first, second = funding("-0.5"), funding("0.2", at_ms=1_764_028_800_000)
    for report in (first, second, first):
        desk.say(((MARKET, report),))
    restarted = Desk(mode=HEDGE)
    for stream, event in desk.events:
        restarted.book.apply(stream, event)  # type: ignore[arg-type]
    for report in (second, first):
        restarted.say(((MARKET, report),))
    for each in (desk, restarted):
        assert each.leg(NET).funding == Decimal("-0.3")
        assert each.book.funds(SETTLE).total == before - Decimal("0.3")
    assert [type(event) for _, event in desk.events].count(FundingBooked) == 2


def test_s38_the_same_id_in_another_flow_is_not_funding() -> None:
    desk = Desk()
    for flow in ("realized_pnl", "commission", "transfer"):
        assert not desk.say(((MARKET, funding("-0.5", flow=flow)),)).facts
    assert not desk.say(((MARKET, funding("-0.5", ledger_id=None)),)).facts  # nobody could know it again


def test_what_backs_a_market_is_asked_for_and_read_back() -> None:
    desk = Desk()
    desk.traded(BUY, "10")
    ask = SetLeverage(
        account=MAIN, symbol=PERPETUAL, request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS
    )
    desk.say(ask)
    assert desk.events[-1] == (
        MARKET,
        LeverageRequested(request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS),
    )
    assert desk.leg().leverage == 10  # nobody has read it back
    desk.say(((MARKET, LeverageReport(symbol=PERPETUAL, leverage=Decimal(20), margin_mode=MarginMode.CROSS)),))
    assert desk.events[-1] == (MARKET, LeverageSet(leverage=Decimal(20), margin_mode=MarginMode.CROSS))
    assert desk.book.funds(SETTLE).held == Decimal("13.5")  # 270 / 20
    desk.say(((MARKET, LeverageRejected(request_id="l2", reason="leverage", code="40040")),))
    assert desk.events[-1] == (MARKET, LeverageRefused(request_id="l2", reason="leverage", code="40040"))
    assert desk.leg().leverage == 20


def test_a_leverage_that_is_shown_holds_for_every_leg() -> None:
    desk = Desk(mode=HEDGE)
    desk.traded(BUY, "5", LONG)
    desk.traded(SELL, "3", SHORT)
    report = LeverageReport(symbol=PERPETUAL, leverage=Decimal(25), margin_mode=MarginMode.ISOLATED)
    desk.say(((MARKET, report),))
    desk.say(((MARKET, report),))
    assert {desk.leg(leg).leverage for leg in PositionLeg} == {25}
    assert [type(event) for _, event in desk.events].count(LeverageSet) == 3
    assert desk.place(BUY, "1", LONG, leverage=None).request.margin_leverage == 25


@pytest.mark.parametrize(
    ("symbol", "leverage", "error"),
    [
        (PERPETUAL, "101", LeverageError),
        (PERPETUAL, "51", LeverageError),
        (PERPETUAL, "0", InvalidOrderError),
        (PERPETUAL, "NaN", InvalidOrderError),
        (Symbol("BTC/USDT"), "5", UnknownSymbolError),
        (Symbol("X/USDT:USDT"), "5", UnknownSymbolError),
    ],
)
def test_a_leverage_that_may_not_be_set_is_refused(
    symbol: Symbol, leverage: str, error: type[CommandRefusedError]
) -> None:
    desk = Desk(decider(Limits(leverage_max=Decimal(50))))
    with pytest.raises(error):
        desk.say(
            SetLeverage(
                account=MAIN,
                symbol=symbol,
                request_id="l1",
                leverage=Decimal(leverage),
                margin_mode=MarginMode.CROSS,
            )
        )


# ------------------------------------------------------------------------------------------------ S24


def test_s24_a_switch_is_refused_while_anything_is_open() -> None:
    desk = Desk(mode=ONE_WAY)
    order = desk.place(BUY, "2")
    with pytest.raises(PositionModeError, match="order c1 is open"):
        desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    desk.fill(order, "2")
    with pytest.raises(PositionModeError, match="2 of BTC/USDT:USDT are held"):
        desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    desk.traded(SELL, "2", reduce_only=True)
    desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    assert desk.events[-1] == (ACCOUNT, PositionModeRequested(mode=HEDGE))


def test_s24_nothing_opens_until_the_mode_is_read_back() -> None:
    desk = Desk(mode=ONE_WAY)
    desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    assert desk.place(BUY, "1").reason == "trading_halted: a switch to hedge is on its way"
    with pytest.raises(PositionModeError, match="is on its way"):
        desk.say(SetPositionMode(account=MAIN, mode=ONE_WAY))
    desk.say(((ACCOUNT, PositionModeReport(mode=HEDGE)),))
    assert desk.book.account.position_mode is HEDGE
    assert desk.place(BUY, "1", LONG).life is Life.SENDING
    assert not desk.say(((ACCOUNT, PositionModeReport(mode=HEDGE)),)).facts


def test_s24_a_mode_that_did_not_switch_halts_the_account() -> None:
    desk = Desk(mode=ONE_WAY)
    desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    facts = desk.say(((ACCOUNT, PositionModeReport(mode=ONE_WAY)),)).facts
    kinds = [type(event) for _, event, _ in facts]
    assert kinds == [PositionModeSet, TradingHalted]
    denied = desk.place(BUY, "1")
    assert denied.reason is not None
    assert denied.reason.startswith("trading_halted: the account was to switch to hedge and is one_way (halt mode")


def test_s24_a_refused_switch_leaves_everything_as_it_was() -> None:
    desk = Desk(mode=ONE_WAY)
    desk.say(SetPositionMode(account=MAIN, mode=HEDGE))
    desk.say(((ACCOUNT, PositionModeRejected(reason="open_orders", code="40059")),))
    assert desk.events[-1] == (ACCOUNT, PositionModeRefused(reason="open_orders", code="40059"))
    assert desk.place(BUY, "1").life is Life.SENDING
    assert not desk.say(((ACCOUNT, PositionModeRejected(reason="open_orders")),)).facts
    assert not desk.say(SetPositionMode(account=MAIN, mode=ONE_WAY)).facts


# ------------------------------------------------------------------------------------------------ S26, S62


def seized(origin: Origin, side: Side, leg: PositionLeg = NET, venue_order_id: str = "v9") -> OrderReport:
    return shown(
        VenueOrderStatus.NEW,
        symbol=PERPETUAL,
        client_order_id=None,
        venue_order_id=venue_order_id,
        side=side,
        position_leg=leg,
        quantity=Decimal(5),
        origin=origin,
    )


def closing(desk: Desk, price: str = "26000") -> None:
    report = trade("x1", "5", price, client_order_id=None, symbol=PERPETUAL, venue_order_id="v9", commission=Decimal(0))
    desk.say((("order/main/externalv9", report),))


@pytest.mark.parametrize("origin", [Origin.LIQUIDATION, Origin.ADL])
def test_s26_what_the_venue_seizes_is_booked_and_nothing_opens_there_until_resumed(origin: Origin) -> None:
    desk = Desk(mode=ONE_WAY)
    desk.traded(BUY, "5")
    desk.say((("order/main/externalv9", seized(origin, SELL)),))
    closing(desk)
    assert desk.leg().quantity == 0
    assert desk.leg().realized == -5
    (seen,) = [event for _, event in desk.events if isinstance(event, ExternalOrderSeen)]
    assert seen.origin is origin
    assert desk.book.orders["order/main/externalv9"].origin is origin
    denied = desk.place(BUY, "1")
    assert denied.reason == f"trading_halted: {origin} of BTC/USDT:USDT by the venue (halt {origin}v9)"
    desk.say((("order/main/externalv9", seized(origin, SELL)),))
    assert [type(event) for _, event in desk.events].count(TradingHalted) == 1


def test_s26_where_the_policy_says_so_trading_goes_on() -> None:
    desk = Desk(decider(Limits(halt_on_seizure=False)))
    desk.say((("order/main/externalv9", seized(Origin.LIQUIDATION, SELL)),))
    assert desk.book.account == Account(version=2, adjustments=desk.book.account.adjustments)


def test_s62_a_settlement_is_booked_as_the_venues_and_what_was_held_is_free() -> None:
    desk = Desk(mode=HEDGE)
    desk.traded(BUY, "5", LONG)
    desk.say((("order/main/externalv9", seized(Origin.SETTLEMENT, SELL, LONG)),))
    closing(desk, "27100")
    assert desk.leg(LONG).quantity == 0
    assert desk.book.funds(SETTLE).held == 0
    assert desk.book.orders["order/main/externalv9"].origin is Origin.SETTLEMENT
    assert not desk.book.account.halts
