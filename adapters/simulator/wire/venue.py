"""What the REST endpoints share: the exchange behind them, and how much of it a query may see."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from adapters.simulator.exchange.accounts import Account
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Order, OrderState
from adapters.simulator.faults import Faults
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.keys import Keys
from adapters.simulator.wire.tape import Tape

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
T = TypeVar("T")


class Settings(Struct):
    """The wire's knobs; may be turned at any time. Defaults are BitMart's documented behaviour.

    `visibility_ms` is how long a new order stays unknown to queries, drawn between the two (PROTOCOL 9.1); off by
    default, (0, 300) is life-like. `closed` refuses every submit (PROTOCOL 0.1), queries stay.
    """

    rate_limits: bool = True
    visibility_ms: tuple[int, int] = (0, 0)
    unfilled_memory_ms: int = 20 * MINUTE_MS
    list_window_ms: int = 7 * DAY_MS
    closed: bool = False


class Call(Struct, frozen=True, kw_only=True):
    """One request past the gateway: who asks, what, when. `body` is the JSON object, `query` the URL's parameters."""

    account: str
    query: Mapping[str, str]
    body: Mapping[str, object]
    now_ms: int

    def take(self, shape: type[T]) -> T:
        """Return the body as `shape`; what `shape` does not name is silently ignored, as the venue does.

        Raises:
            WireError: 50028 for a missing field, 50000 for one of the wrong type.
        """
        try:
            return msgspec.convert(self.body, shape)
        except msgspec.ValidationError as error:
            raise WireError(50028 if "missing" in str(error) else 50000, str(error)) from error


class Venue:
    """The exchange as its REST endpoints see it. `later` runs a piece of work after so many milliseconds."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        keys: Keys,
        tape: Tape,
        faults: Faults,
        settings: Settings,
        later: Callable[[int, Callable[[int], None]], None],
    ) -> None:
        self.exchange = exchange
        self.keys = keys
        self.tape = tape
        self.faults = faults
        self.settings = settings
        self.later = later
        self._hidden: dict[str, bool] = {}  # order id -> its trades too; for 30 s at most

    def account(self, call: Call) -> Account:
        return self.exchange.accounts[call.account]

    def accepted(self, order_id: str) -> None:
        """Decide how long a new order stays unseen."""
        low, high = self.settings.visibility_ms
        delay_ms = self.faults.between(low, high) if high else 0
        trades_too = True
        if self.faults.fires("stale_query"):
            delay_ms = self.faults.between(1, 1_500)
        elif self.faults.fires("stale_query_long"):
            delay_ms = self.faults.between(1_500, 30_000)
        elif self.faults.fires("fill_before_order"):
            delay_ms, trades_too = self.faults.between(1, 1_500), False
        if delay_ms:
            self._hidden[order_id] = trades_too
            self.later(delay_ms, lambda _: self._show(order_id))

    def sees(self, order: Order, now_ms: int) -> bool:
        """Say whether queries find `order`: not before it is visible, and not for ever if it never traded."""
        if order.order_id in self._hidden:
            return False
        forgotten = order.state is OrderState.CANCELED and now_ms - order.updated_ms > self.settings.unfilled_memory_ms
        return not forgotten

    def sees_trades_of(self, order_id: str) -> bool:
        return not self._hidden.get(order_id, False)

    def _show(self, order_id: str) -> None:
        self._hidden.pop(order_id, None)


def text(value: Decimal, decimals: int = 0) -> str:
    """Spell a decimal with at least `decimals` decimals and without losing a digit."""
    spelled, present = format(value, "f"), places(value)
    if present >= decimals:
        return spelled
    return f"{spelled}{'' if present else '.'}{'0' * (decimals - present)}"


def places(value: Decimal) -> int:
    """How many decimals a number is spelled with."""
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
