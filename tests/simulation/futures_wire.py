"""Holds each futures command that leaves against the log: its intent is committed before (I3)."""

from collections import Counter
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.perp import codec
from adapters.simulator.exchange.futures.accounts import Account
from oms.book import order_stream
from oms.order.state import Order
from oms.values import AccountId, ClientOrderId
from tests.simulation.invariants import VALID_SECONDS, Say, Witness

SUBMITS: Final = frozenset(
    {codec.SUBMIT_ORDER, codec.SUBMIT_PLAN_ORDER, codec.SUBMIT_TP_SL_ORDER, codec.SUBMIT_TRAIL_ORDER}
)
CANCELS: Final = frozenset({codec.CANCEL_ORDER, codec.CANCEL_PLAN_ORDER, codec.CANCEL_TRAIL_ORDER, codec.CANCEL_ORDERS})
AMENDS: Final = frozenset({codec.MODIFY_LIMIT_ORDER, codec.MODIFY_PRESET_PLAN_ORDER})
SETTINGS: Final = frozenset({codec.SUBMIT_LEVERAGE, codec.SET_POSITION_MODE})
CHILD: Final = "PLAN_"  # before the name of an order that a plan has sent
HEARTBEAT: Final = codec.CANCEL_ALL_AFTER


class _Named(Struct):
    client_order_id: str | None = None
    order_id: str | int | None = None


class FuturesLook:
    """`sends` counts, over all processes, how often each order has left."""

    def __init__(self, account: AccountId, truth: Account, witness: Witness, sends: Counter[str], say: Say) -> None:
        self._account = account
        self._truth = truth
        self._witness = witness
        self._sends = sends
        self._say = say

    def __call__(self, path: str, body: bytes) -> bool:
        """Return whether it is a command; then the log holds the intent for this very send."""
        if path in SUBMITS:
            self._submitted(body)
        elif path in CANCELS:
            order = self._order(path, body)
            if order is None or not order.cancels_known:
                self._say("I3", f"{path} {body!r} leaves and the log holds no request for it")
        elif path in AMENDS:
            order = self._order(path, body)
            if order is None or not order.amends_known:
                self._say("I3", f"{path} {body!r} leaves and the log holds no request for it")
        elif path in SETTINGS:
            self._sends[path] += 1
            if self._sends[path] > self._witness.settings[path == codec.SUBMIT_LEVERAGE]:
                self._say("I3", f"{path} {body!r} leaves and the log holds no request for it")
        else:
            return path == HEARTBEAT
        return True

    def _submitted(self, body: bytes) -> None:
        name = msgspec.json.decode(body, type=_Named).client_order_id or ""
        stream = order_stream(self._account, ClientOrderId(name))
        order = self._witness.orders.get(stream)
        self._witness.leaves(stream, VALID_SECONDS)
        self._sends[name] += 1
        intents = 0 if order is None else order.attempts
        if intents < self._sends[name]:
            self._say("I3", f"{name} leaves for the {self._sends[name]}. time, the log holds {intents} intents")

    def _order(self, path: str, body: bytes) -> Order | None:
        named = msgspec.json.decode(body, type=_Named)
        if not named.client_order_id and not named.order_id:
            self._say("I3", f"{path} {body!r} names no order: the venue takes it for all of the market")
            return None
        if named.client_order_id:
            return self._witness.orders.get(order_stream(self._account, ClientOrderId(named.client_order_id)))
        known = self._witness.by_venue_id.get(str(named.order_id))
        there = self._truth.order(str(named.order_id)) or self._truth.plan(str(named.order_id))
        name = "" if there is None else there.client_order_id
        if name.startswith(CHILD):  # what a plan has sent is ended with it, under whatever name it was booked before
            parent = self._witness.by_venue_id.get(name.removeprefix(CHILD))
            if parent is not None and (known is None or _asked(parent, path)):
                return parent
            name = ""  # the log's word for the plan's own id is on its way, too
        if known is not None:
            return known
        # The log's word for the venue's id is on its way: the venue says whose it is.
        if there is not None and not name:  # the venue keeps no name of it: one of ours that nobody has an id of yet
            return next((each for each in self._witness.orders.values() if _nameless(each, path)), None)
        return self._witness.orders.get(order_stream(self._account, ClientOrderId(name)))


def _nameless(order: Order, path: str) -> bool:
    """Whether it is an order that waits, of which that was asked for, and of which the log has no id of the venue's."""
    return order.conditional and order.venue_order_id is None and _asked(order, path)


def _asked(order: Order, path: str) -> bool:
    return bool(order.cancels_known if path in CANCELS else order.amends_known)
