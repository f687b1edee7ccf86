"""Orders that are put back hold what they held, keep their place, and trade as before."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Event, NewOrder, OrderState, OrderType, RefusedError
from adapters.simulator.exchange.standing import Standing, put_back
from adapters.simulator.spot import MARKETS
from oms.values import Side


def resting(name: str, side: Side = Side.BUY, filled: str = "0") -> Standing:
    return Standing(
        order_id=name,
        client_order_id=f"c{name}",
        symbol="BTC_USDT",
        side=side,
        post_only=False,
        price=Decimal(100),
        size=Decimal(2),
        filled_size=Decimal(filled),
        filled_notional=Decimal(filled) * 100,
        created_ms=1,
    )


def pit() -> tuple[Exchange, list[Event]]:
    events: list[Event] = []
    exchange = Exchange(MARKETS, events.append)
    exchange.open_account("paper", {"USDT": Decimal(1000), "BTC": Decimal(5)})
    exchange.open_account("other", {"USDT": Decimal(1000), "BTC": Decimal(5)})
    return exchange, events


def test_what_rested_holds_what_it_held_and_nobody_is_told() -> None:
    exchange, events = pit()
    put_back(exchange, "paper", [resting("1"), resting("2", filled="1.5")])
    balance = exchange.accounts["paper"].balances["USDT"]
    assert (balance.available, balance.frozen) == (Decimal("749.75"), Decimal("250.25"))  # 2.5 at 100, the fee on top
    assert events == []
    assert exchange.accounts["paper"].knows("c1")


def test_the_oldest_trades_first_and_the_rest_goes_on_from_where_it_was() -> None:
    exchange, _ = pit()
    put_back(exchange, "paper", [resting("2", filled="1.5"), resting("1")])
    exchange.submit(
        NewOrder(
            account="other",
            symbol="BTC_USDT",
            side=Side.SELL,
            type=OrderType.LIMIT,
            size=Decimal("2.5"),
            price=Decimal(100),
        ),
        5,
    )
    fills = [(fill.order_id, fill.size) for fill in exchange.accounts["paper"].fills]
    assert fills == [("1", Decimal(2)), ("2", Decimal("0.5"))]
    assert {order.state for order in exchange.accounts["paper"].closed.values()} == {OrderState.FILLED}
    assert exchange.accounts["paper"].balances["USDT"].frozen == 0


def test_a_sell_holds_coins_and_a_cancel_frees_them() -> None:
    exchange, _ = pit()
    put_back(exchange, "paper", [resting("1", Side.SELL)])
    assert exchange.accounts["paper"].balances["BTC"].frozen == 2
    exchange.cancel("paper", "1", 5)
    assert exchange.accounts["paper"].balances["BTC"].frozen == 0


def test_more_than_the_account_has_cannot_rest() -> None:
    exchange, _ = pit()
    with pytest.raises(RefusedError):
        put_back(exchange, "paper", [resting(str(number)) for number in range(6)])
