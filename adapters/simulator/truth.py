"""What an exchange knows of an account, as the simulator's own door tells it (`interfaces.md`): BitMart's symbols,
decimals as text, nothing hidden and nothing delayed.
"""

from collections.abc import Mapping

from adapters.simulator.exchange.futures import orders as futures_orders
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Fill, Order
from oms.values import PositionLeg, plain


def spot_truth(exchange: Exchange, name: str) -> Mapping[str, object]:
    """Return balances, orders and trades of an account on spot."""
    account = exchange.accounts[name]
    return {
        "balances": {
            coin: {"available": plain(balance.available), "frozen": plain(balance.frozen)}
            for coin, balance in account.balances.items()
        },
        "orders": [_order(order) for order in (*account.closed.values(), *account.open.values())],
        "trades": [_trade(fill) for fill in account.fills],
    }


def futures_truth(exchange: FuturesExchange, name: str) -> Mapping[str, object]:
    """Return balances, positions, orders and trades of an account on futures. A balance also tells its `deposit`, the
    margin of positions; sizes are contracts; a position that became flat is told with size zero.
    """
    account = exchange.accounts[name]
    return {
        "balances": {
            coin: {
                "available": plain(wallet.available),
                "frozen": plain(wallet.frozen),
                "deposit": plain(wallet.deposit),
            }
            for coin, wallet in account.wallets.items()
        },
        "positions": [_position(position, exchange) for position in account.positions.values()],
        "orders": [_order(order) for order in (*account.closed.values(), *account.open.values())],
        "trades": [_trade(fill) for fill in account.fills],
    }


def _order(order: Order | futures_orders.Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "price": plain(order.price),
        "size": plain(order.size),
        "filled": plain(order.filled_size),
        "state": order.state.value,
        "created_ms": order.created_ms,
        "updated_ms": order.updated_ms,
    }


def _trade(fill: Fill | futures_orders.Fill) -> dict[str, object]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_coin": fill.fee_coin,
        "role": fill.role.value,
        "at_ms": fill.at_ms,
    }


def _position(position: Position, exchange: FuturesExchange) -> dict[str, object]:
    """`realised` is without fees and funding, since the position was opened from flat."""
    signed = position.leg is PositionLeg.NET
    return {
        "symbol": position.symbol,
        "leg": position.leg.value,
        "size": plain(position.signed_size if signed else position.size),
        "average_price": plain(position.average_price(exchange.contracts[position.symbol])),
        "realised": plain(position.realised),
        "fees": plain(position.fees),
        "funding": plain(position.funding),
    }
