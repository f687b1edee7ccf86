"""Trades that the venue took back, and what still speaks of them: late frames, which must not bring them back.

A trade that was taken back is booked again only where a query lists it and the venue counts it again, in a record that
is later than the one that proved it gone.
"""

from oms.order.events import CountLowered, TradeBusted
from oms.order.messages import BustReport, CountReport
from oms.order.state import Order, Trade
from oms.reports import OrderReport, TradeReport
from oms.values import ZERO, Provenance

_STREAM = Provenance.STREAM  # bound once, as in `oms.decide`


def bust(news: BustReport, order: Order) -> tuple[TradeBusted, ...]:
    """Return the reversal of a trade; none for one that is not booked."""
    return tuple(_reversed(trade, news.at_ms) for trade in order.trades if trade.exec_id == news.exec_id)


def lowered(news: CountReport, order: Order) -> tuple[CountLowered, ...]:
    """Return that less is counted; none where something else is booked by now, or nothing more was told."""
    if news.cum_quantity != order.cum_quantity or order.venue_cum <= news.cum_quantity:
        return ()
    return (CountLowered(cum_quantity=news.cum_quantity, at_ms=news.at_ms),)


def gone(trade: TradeReport, order: Order, source: Provenance) -> bool:
    """Whether a trade was taken back and is not there again. What is counted beyond what is booked may be any other
    trade, so that a stream proves nothing: its frame may be an old one. A query lists what is there.
    """
    return trade.exec_id in order.busted and (source is _STREAM or order.venue_cum <= order.cum_quantity)


def outdated(report: OrderReport, order: Order) -> bool:
    """Whether a picture of the order counts what was taken back, and is no later than the record that proved it."""
    if order.busted_ms is None or report.updated_ms is None:
        return False
    return report.updated_ms <= order.busted_ms and (report.cum_quantity or ZERO) > order.cum_quantity


def _reversed(trade: Trade, at_ms: int | None) -> TradeBusted:
    return TradeBusted(
        exec_id=trade.exec_id,
        quantity=trade.quantity,
        price=trade.price,
        commission=trade.commission,
        commission_currency=trade.commission_currency,
        at_ms=at_ms,
    )
