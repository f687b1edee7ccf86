"""Whether our account of things and the exchange's own are the same: what must be true once nothing moves."""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final, Protocol

from adapters.simulator.exchange.accounts import Account
from adapters.simulator.exchange.orders import Order as VenueOrder
from oms.book import order_stream, position_stream
from oms.breaks.events import BreakKind
from oms.order.decisions import EXTERNAL_PREFIX
from oms.order.events import OrderFilled
from oms.order.state import CLOSED, Life
from oms.values import ZERO, AccountId, ClientOrderId, PositionLeg, Symbol, signed
from tests.simulation.invariants import Witness
from tests.simulation.people import SYMBOL
from tests.simulation.running import Running

UNSETTLED: Final = frozenset({Life.NEW, Life.SENDING, Life.IN_DOUBT})
NO_FILLS: Final[Mapping[str, OrderFilled]] = {}


class Told(Protocol):
    """A trade at the venue."""

    @property
    def trade_id(self) -> str: ...


def stream_of(account: AccountId, order: VenueOrder) -> str:
    """Return the stream that an order at the exchange belongs to."""
    name = order.client_order_id or f"{EXTERNAL_PREFIX}{order.order_id}"
    return order_stream(account, ClientOrderId(name))


def accepted_once(account: AccountId, truth: Account, witness: Witness) -> Iterable[tuple[str, str]]:
    """Yield orders at the exchange that the log did not ask for (I1), or that are there twice (I2)."""
    seen: dict[str, str] = {}
    for order in (*truth.open.values(), *truth.closed.values()):
        name = order.client_order_id
        if not name:
            continue  # somebody's at the website
        if name in seen:
            yield "I2", f"{name} was accepted as {seen[name]} and as {order.order_id}"
        seen[name] = order.order_id
        ours = witness.orders.get(stream_of(account, order))
        if ours is None or not ours.attempts:
            yield "I1", f"the venue holds {name}, the log never asked for it"


def half_told(fills_of: Mapping[str, Iterable[Told]], symbol: Symbol, witness: Witness) -> frozenset[str]:
    """Return the trades of orders of `symbol` that the log knows of without having booked them, or without what they
    cost. `fills_of` are the venue's, by its order.
    """
    found: set[str] = set()
    for ours in (witness.orders[stream] for stream in witness.unsettled):
        if ours.trades_missing and ours.request.symbol == symbol:
            charged = {trade.exec_id for trade in ours.trades if trade.commission is not None}
            fills = fills_of.get(ours.venue_order_id or "", ())
            found.update(fill.trade_id for fill in fills if fill.trade_id not in charged)
    return frozenset(found)


def unsettled(
    running: Running, truth: Account, witness: Witness, account: AccountId, before: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Yield what keeps the OMS and the exchange from agreeing. `before` names the trades before the log began: their
    coins are in the opening balances, so they may be missing.
    """
    yield from at_work(running, witness)
    yield from agreed(truth, witness, account, before)


def at_work(running: Running, witness: Witness) -> Iterable[tuple[str, str]]:
    """Yield what the OMS itself has still to do, or is told to be wrong."""
    engine, dispatcher, watcher = running.engine, running.dispatcher, running.watcher
    if engine is None or dispatcher is None or watcher is None or not engine.trading:
        yield "I10", "the OMS is not up"
        return
    if engine._waiting or not engine.ready or dispatcher.in_flight:
        yield "I10", "the OMS is still at work"
    for stream, order in witness.orders.items():
        if order.life in UNSETTLED or order.unsettled:
            yield "I10", f"{stream} is left {order.life}, its trades missing: {order.trades_missing}"
        if order.request.expires_ns is not None and order.life not in CLOSED:
            yield "I10", f"the time of {stream} is over by now, and it is left {order.life}"
    for each in engine.book.account.breaks.open.values():
        # The venue said what nobody can read: that is for a person to end.
        if each.kind is not BreakKind.ORDER:
            yield "I7", f"a break is open: {each}"
    broken = watcher.broken()
    if broken is not None:
        yield "I10", f"the watcher says: {broken}"


def agreed(truth: Account, witness: Witness, account: AccountId, before: Collection[str]) -> Iterable[tuple[str, str]]:
    """Yield where spot differs."""
    yield from _orders(account, truth, witness, before)
    yield from _money(account, truth, witness, before)


def _orders(account: AccountId, truth: Account, witness: Witness, before: Collection[str]) -> Iterable[tuple[str, str]]:
    live = {stream_of(account, order): order for order in truth.open.values()}
    for stream, order in witness.orders.items():
        if order.life not in CLOSED and order.request.symbol == SYMBOL and stream not in live:
            yield "I1", f"{stream} is {order.life} here and not open at the venue"
    for venues in (*truth.open.values(), *truth.closed.values()):
        stream = stream_of(account, venues)
        ours = witness.orders.get(stream)
        if ours is None:
            fills = [fill for fill in truth.fills_of.get(venues.order_id, ()) if fill.trade_id not in before]
            if venues.live or fills:  # what came and went unfilled, or before the log began, moves nothing
                yield "I1", f"{stream} is {venues.state} at the venue and not in the log"
            continue
        if venues.live and ours.life is not Life.WORKING:
            yield "I1", f"{stream} is live at the venue and {ours.life} here"
        if ours.life is Life.REJECTED:
            yield "I10", f"{stream} is rejected here, and the venue had taken it"
        if ours.cum_quantity != venues.filled_size:
            yield "I5", f"{stream} filled {venues.filled_size} at the venue, {ours.cum_quantity} here"


def _money(account: AccountId, truth: Account, witness: Witness, before: Collection[str]) -> Iterable[tuple[str, str]]:
    ours = {(name, fill.price, fill.quantity) for name, fill in witness.fills.get(SYMBOL, NO_FILLS).items()}
    theirs = {(fill.trade_id, fill.price, fill.size): fill for fill in truth.fills}
    if missing := sorted(trade for trade in theirs if trade not in ours and trade[0] not in before):
        yield "I5", f"trades of the venue that nobody booked: {missing}"
    if invented := sorted(ours - set(theirs)):
        yield "I8", f"booked trades that the venue does not know: {invented}"
    booked = [fill for trade, fill in theirs.items() if trade in ours or trade[0] not in before]
    position = sum((signed(fill.side, fill.size) for fill in booked), ZERO)
    leg = position_stream(account, SYMBOL, PositionLeg.NET)
    if position != witness.booked.get(leg, ZERO):
        yield "I5", f"the venue's fills sum to {position}, the position is {witness.booked.get(leg, ZERO)}"
    for coin in sorted({*truth.balances, *(name for name in witness.totals if ":" not in name)}):
        balance = truth.balance(coin)
        total: Decimal = balance.available + balance.frozen
        if total != witness.totals.get(coin, ZERO):
            yield "I7", f"the venue holds {total} {coin}, the log adds up to {witness.totals.get(coin, ZERO)}"
