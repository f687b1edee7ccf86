"""Whatever is traded, no coin appears and none is lost."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given as forall
from hypothesis import strategies as st

from adapters.simulator.exchange.orders import NewOrder, OrderType, RefusedError, SelfTrade
from oms.values import Side
from tests.adapters.simulator.floor import NOW, Floor

WHO = ("ann", "bob", "cyd")
orders = st.fixed_dictionaries(
    {
        "account": st.sampled_from(WHO),
        "side": st.sampled_from(Side),
        "type": st.sampled_from(OrderType),
        "stp": st.sampled_from(SelfTrade),
        "size": st.integers(1, 4_000).map(lambda tenths: Decimal(tenths) / 10),
        "price": st.integers(9_500, 10_500).map(lambda cents: Decimal(cents) / 100),
        "notional": st.integers(1, 5_000_000).map(lambda cents: Decimal(cents) / 100),
    }
)
cancels = st.integers(0, 50)
busts = st.tuples(st.just("bust"), st.integers(0, 100))


def total(floor: Floor, coin: str) -> Decimal:
    held = [floor.has(name, coin) for name in WHO]
    return sum((available + frozen for available, frozen in held), floor.exchange.fees.get(coin, Decimal(0)))


def act(floor: Floor, action: Any, placed: list[tuple[str, str]]) -> None:
    try:
        if isinstance(action, tuple):
            trades = [fill.trade_id for name in WHO for fill in floor.exchange.accounts[name].fills]
            if trades:
                with suppress(ValueError):  # what it brought is spent
                    floor.exchange.bust(trades[action[1] % len(trades)], NOW)
            return
        if isinstance(action, int):
            if placed:
                floor.exchange.cancel(*placed[action % len(placed)], NOW)
            return
        order = floor.exchange.submit(NewOrder(symbol="BTC_USDT", **action), NOW)
        placed.append((order.account, order.order_id))
    except RefusedError:
        pass


@forall(actions=st.lists(st.one_of(orders, orders, cancels, busts), max_size=40))
def test_coins_are_conserved_holds_match_open_orders_and_the_book_never_crosses(actions: list[Any]) -> None:
    floor = Floor()
    placed: list[tuple[str, str]] = []
    for action in actions:
        act(floor, action, placed)

        assert total(floor, "BTC") == 3_000
        assert total(floor, "USDT") == 300_000
        for name in WHO:
            account = floor.exchange.accounts[name]
            assert all(b.available >= 0 and b.frozen >= 0 for b in account.balances.values())
            for coin, side in (("USDT", Side.BUY), ("BTC", Side.SELL)):
                held = sum((o.held for o in account.open.values() if o.side is side), Decimal(0))
                assert account.balance(coin).frozen == held
        book = floor.exchange.book("BTC_USDT")
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid.price < ask.price


@forall(actions=st.lists(st.one_of(orders, cancels, busts), max_size=40))
def test_what_an_order_shows_as_filled_is_the_sum_of_its_fills(actions: list[Any]) -> None:
    floor = Floor()
    placed: list[tuple[str, str]] = []
    for action in actions:
        act(floor, action, placed)

    for name, order_id in placed:
        account = floor.exchange.accounts[name]
        order = account.order(order_id)
        assert order is not None
        fills = account.fills_of.get(order_id, [])
        assert order.filled_size == sum((fill.size for fill in fills), Decimal(0))
        assert order.filled_notional == sum((fill.notional for fill in fills), Decimal(0))
        assert order.leaves >= 0
        assert (order_id in account.open) == order.live
    ids = [fill.trade_id for name in WHO for fill in floor.exchange.accounts[name].fills]
    assert len(ids) == len(set(ids))
