"""Whether our account of perpetuals and the exchange's own are the same."""

from collections import Counter
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

from adapters.simulator.exchange.futures.accounts import Account, FlowKind
from adapters.simulator.exchange.futures.orders import Order as VenueOrder
from adapters.simulator.exchange.futures.orders import PositionMode as VenuePositionMode
from oms.book import order_stream, position_stream
from oms.figures import DUST
from oms.order.state import CLOSED, Life, Order
from oms.values import EXACT, ZERO, AccountId, ClientOrderId, PositionLeg, PositionMode, Wallet, purse, signed
from tests.simulation.futures_people import SYMBOL
from tests.simulation.futures_wire import CHILD
from tests.simulation.invariants import Witness
from tests.simulation.settled import NO_FILLS

COIN: Final = "USDT"
MODES: Final = {VenuePositionMode.HEDGE: PositionMode.HEDGE, VenuePositionMode.ONE_WAY: PositionMode.ONE_WAY}

Wrong = Iterable[tuple[str, str]]


def named(order: VenueOrder) -> str:
    """Return our name of an order at the exchange, "" for one without."""
    return "" if order.client_order_id.startswith(CHILD) else order.client_order_id


def ours_of(account: AccountId, order: VenueOrder, witness: Witness) -> Order | None:
    """Return the log's order that one at the exchange belongs to."""
    name = named(order)
    if name:
        return witness.orders.get(order_stream(account, ClientOrderId(name)))
    sent = witness.by_venue_id.get(order.order_id)
    return sent or witness.by_venue_id.get(order.client_order_id.removeprefix(CHILD))


def accepted_once(account: AccountId, truth: Account, witness: Witness) -> Wrong:
    """Yield orders at the exchange that the log did not ask for (I1), or that are there twice (I2), and those that
    could only close and have opened (I15).
    """
    seen: Counter[str] = Counter()
    for order in (*truth.open.values(), *truth.closed.values()):
        name = named(order)
        if not name:
            continue  # somebody's at the website, a plan's, or the venue's own
        ours = witness.orders.get(order_stream(account, ClientOrderId(name)))
        if ours is None or not ours.attempts:
            yield "I1", f"the venue holds {name}, the log never asked for it"
            continue
        seen[name] += 1
        if seen[name] > 1 + len(ours.amends_known):  # a change may go on under another id
            yield "I2", f"{name} was accepted as {seen[name]} orders, {order.order_id} the last"
        if ours.request.position_leg is not order.leg:
            yield "I5", f"{name} is of the leg {ours.request.position_leg} here, of {order.leg} at the venue"
        if ours.request.reduces is not order.reduce_only:
            yield "I15", f"{name} can only close: {ours.request.reduces} here, {order.reduce_only} at the venue"
        if ours.request.reduces:
            opened = sum((fill.opened for fill in truth.fills_of.get(order.order_id, ())), ZERO)
            if opened:
                yield "I15", f"{name} can only close, and has opened {opened}"
    for plan in (*truth.plans.values(), *truth.past_plans.values()):
        if plan.client_order_id:
            ours = witness.orders.get(order_stream(account, ClientOrderId(plan.client_order_id)))
            if ours is None or not ours.attempts:
                yield "I1", f"the venue holds the plan {plan.client_order_id}, the log never asked for it"


def unsettled(
    account: AccountId, truth: Account, witness: Witness, mode: PositionMode | None, before: Collection[str]
) -> Wrong:
    """Yield what differs at rest. `mode` is what the log says of the account; `before` names the trades before the log
    began, which are in the positions that it took over, so that they may be missing.
    """
    yield from _orders(account, truth, witness, before)
    yield from _trades(truth, witness, before)
    yield from _legs(account, truth, witness)
    if mode is not None and mode is not MODES[truth.mode]:
        yield "I5", f"the account is in {mode} mode here, in {truth.mode} at the venue"


def _orders(account: AccountId, truth: Account, witness: Witness, before: Collection[str]) -> Wrong:
    there = {*truth.open, *truth.plans}
    for stream, order in witness.orders.items():
        if order.request.symbol == SYMBOL and order.life not in CLOSED and order.venue_order_id not in there:
            yield "I1", f"{stream} is {order.life} here and {order.venue_order_id} not open at the venue"
    filled: Counter[str] = Counter()
    for venues in (*truth.open.values(), *truth.closed.values()):
        ours = ours_of(account, venues, witness)
        if ours is None:
            fills = [fill for fill in truth.fills_of.get(venues.order_id, ()) if fill.trade_id not in before]
            if venues.live or fills:  # what came and went unfilled, or before the log began, moves nothing
                yield "I1", f"{venues.order_id} {venues.client_order_id} is {venues.state} at the venue, not in the log"
            continue
        if venues.live and ours.life is not Life.WORKING:
            yield "I1", f"{ours.request.client_order_id} is live at the venue and {ours.life} here"
        filled[ours.request.client_order_id] += int(venues.filled_size)
    for name, size in filled.items():
        ours = witness.orders[order_stream(account, ClientOrderId(name))]
        if ours.cum_quantity != size:
            yield "I5", f"{name} filled {size} at the venue, {ours.cum_quantity} here"
    for plan in truth.plans.values():
        waiting = witness.by_venue_id.get(plan.plan_id)
        if waiting is None or waiting.life is not Life.WORKING:
            yield (
                "I1",
                f"plan {plan.plan_id} {plan.client_order_id} waits at the venue and is {waiting and waiting.life}",
            )


def _trades(truth: Account, witness: Witness, before: Collection[str]) -> Wrong:
    ours = {
        (name, fill.price, fill.quantity, fill.commission) for name, fill in witness.fills.get(SYMBOL, NO_FILLS).items()
    }
    theirs = {(fill.trade_id, fill.price, fill.size, fill.fee) for fill in truth.fills}
    if missing := sorted(trade for trade in theirs - ours if trade[0] not in before):
        yield "I5", f"trades of the venue that nobody booked so: {missing}"
    if invented := sorted(ours - theirs, key=str):
        yield "I8", f"booked trades that the venue does not know so: {invented}"


def _legs(account: AccountId, truth: Account, witness: Witness) -> Wrong:
    """What is held, leg by leg; and what is owned, apart from what it cost: that hangs on no order of trades."""
    quantities = witness.legs.quantities()
    for leg in PositionLeg:
        position = truth.position("BTCUSDT", leg)
        held = ZERO if position is None else position.signed_size
        summed = sum((signed(fill.side, fill.size) for fill in truth.fills if fill.leg is leg), ZERO)
        stream = position_stream(account, SYMBOL, leg)
        ours = quantities.get(stream, ZERO)
        if not ours == held == summed:
            yield "I5", f"{leg}: {held} held at the venue, its fills sum to {summed}, {ours} here"
        market = position_stream(account, SYMBOL, PositionLeg.NET)
        backed = [one.leverage for name in (stream, market) if (one := witness.legs.by_stream.get(name)) is not None]
        leverage = next((each for each in backed if each is not None), None)
        if position is not None and held and leverage != position.leverage:
            yield "I7", f"{leg} stands at {position.leverage} times at the venue, at {leverage} times here"
    cost: Decimal = sum((one.cost if one.signed_size > ZERO else -one.cost for one in truth.held_positions()), ZERO)
    theirs = EXACT.subtract(truth.wallet(COIN).total, cost)
    owned = EXACT.subtract(witness.totals.get(purse(Wallet.FUTURES, COIN), ZERO), witness.legs.cost)
    if EXACT.subtract(theirs, owned).copy_abs() > DUST:
        flows = {kind: sum((one.amount for one in truth.flows if one.kind is kind), ZERO) for kind in FlowKind}
        told = {kind.value: str(amount) for kind, amount in flows.items() if amount}
        yield "I7", f"without what is held the venue has {theirs} {COIN}, the log adds up to {owned}; flows {told}"
