"""An exchange that goes on where another one ended: orders put back on their books, under their own ids."""

from collections.abc import Iterable
from decimal import Decimal, localcontext

from msgspec import Struct

from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Order, OrderState, OrderType, SelfTrade
from oms.values import EXACT, Side


class Standing(Struct, frozen=True, kw_only=True):
    """One order as it rested: spelled as BitMart does, amounts in base and quote units."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    post_only: bool
    price: Decimal
    size: Decimal
    filled_size: Decimal
    filled_notional: Decimal
    created_ms: int


def put_back(exchange: Exchange, account: str, orders: Iterable[Standing]) -> None:
    """Let `orders` rest again, the oldest first, out of the account's available coins. Nobody is told: it is no news.

    Raises:
        RefusedError: the account has not what they hold.
        KeyError: there is no such account or market.
    """
    owner = exchange.accounts[account]
    with localcontext(EXACT):
        for each in sorted(orders, key=lambda standing: standing.order_id):
            market = exchange.markets[each.symbol]
            order = Order(
                order_id=each.order_id,
                client_order_id=each.client_order_id,
                account=account,
                symbol=each.symbol,
                side=each.side,
                type=OrderType.LIMIT_MAKER if each.post_only else OrderType.LIMIT,
                stp=SelfTrade.NONE,
                price=each.price,
                size=each.size,
                notional=each.price * each.size,
                created_ms=each.created_ms,
                updated_ms=each.created_ms,
                state=OrderState.PARTIALLY_FILLED if each.filled_size else OrderState.NEW,
                filled_size=each.filled_size,
                filled_notional=each.filled_notional,
            )
            buys = each.side is Side.BUY
            order.held = order.leaves * order.price * (1 + owner.hold_rate) if buys else order.leaves
            owner.freeze(market.quote if buys else market.base, order.held)
            owner.opened(order)
            exchange.book(each.symbol).add(order)
