"""The table `orders`: one row an order, as it stands."""

from collections.abc import Mapping, Sequence
from typing import Final

from oms.order.state import CLOSED, status
from projections.accounts import Accounts, Fact, Story
from projections.rows import OrderRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "client_order_id": "text",
    "strategy": "text",
    "symbol": "text",
    "side": "text",
    "type": "text",
    "quantity": "numeric",
    "notional": "numeric",
    "price": "numeric",
    "time_in_force": "text",
    "post_only": "bool",
    "reduce_only": "bool",
    "position_leg": "text",
    "tags": "jsonb",
    "status": "text",
    "life": "text",
    "open": "bool",
    "venue_order_id": "text",
    "cum_quantity": "numeric",
    "cum_cost": "numeric",
    "average_price": "numeric",
    "leaves_quantity": "numeric",
    "reason": "text",
    "flagged": "bool",
    "created_ns": "int8",
    "updated_ns": "int8",
    "opened": "int8",
    "position": "int8",
    "leverage": "numeric",
    "margin_mode": "text",
    "trigger": "jsonb",
    "take_profit": "jsonb",
    "stop_loss": "jsonb",
    "origin": "text",
    "parent": "text",
    "expires_ns": "int8",
}


class Orders:
    """Projects every order. It remembers nothing: the accounts hold the stories."""

    recalls: Final = False

    def __init__(self, table: str = "orders") -> None:
        self.table = Table(table, OrderRow, key=("account", "client_order_id"), types=_TYPES)
        self._touched: dict[str, Story] = {}

    def recall(self, rows: Sequence[OrderRow], accounts: Accounts) -> None:
        """Do nothing."""

    def fold(self, fact: Fact) -> None:
        if fact.story is not None:
            self._touched[fact.recorded.stream] = fact.story

    def drain(self) -> Sequence[OrderRow]:
        touched, self._touched = self._touched, {}
        return [_row(story) for story in touched.values()]


def _row(story: Story) -> OrderRow:
    order = story.order
    request = order.request
    return OrderRow(
        account=request.account,
        client_order_id=request.client_order_id,
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        type=request.order_type,
        quantity=request.quantity,
        notional=request.notional,
        price=request.price,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        position_leg=request.position_leg,
        tags=request.tags or {},
        status=status(order),
        life=order.life,
        open=order.life not in CLOSED,
        venue_order_id=order.venue_order_id,
        cum_quantity=order.cum_quantity,
        cum_cost=order.cum_cost,
        average_price=order.average_price,
        leaves_quantity=order.leaves_quantity,
        reason=order.reason,
        flagged=order.flagged,
        created_ns=story.created_ns,
        updated_ns=story.updated_ns,
        opened=story.opened,
        position=story.position,
        leverage=request.leverage,
        margin_mode=request.margin_mode,
        trigger=request.trigger,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        origin=order.origin,
        parent=order.parent,
        expires_ns=request.expires_ns,
    )
