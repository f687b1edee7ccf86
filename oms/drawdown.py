"""How far an account has fallen from its best, by the books: equity net of what was brought and taken away (S72). Pure.

Prices are those of the log's own trades, so that a replay tells the same: a coin counts from its first trade on, on
both sides, and a perpetual is worth what closing it at its last trade would earn. A best that is reached while a
commission is still to be told is none.
"""

from decimal import Decimal

from msgspec import Struct

from oms.ledger import Ledger, equity
from oms.order.events import INFERRED
from oms.position.events import CommissionBooked, FillBooked, FillReversed
from oms.position.state import FLAT, Position, evolve
from oms.sums import traded
from oms.values import EXACT, ONE, RATIO, ZERO, Currency, purse_parts


class Drawdown(Struct, frozen=True, kw_only=True):
    """In one coin. `result` is what trading made of the account, `peak` the most it ever was, `fallen` how far below it
    is now and `worst` ever was. A fraction is of what the account would be worth at its peak, with today's capital.
    """

    value: Decimal = ZERO
    flows: Decimal = ZERO
    result: Decimal = ZERO
    peak: Decimal = ZERO
    fallen: Decimal = ZERO
    fraction: Decimal = ZERO
    worst: Decimal = ZERO
    worst_fraction: Decimal = ZERO
    worst_at: int = 0  # a position of the log


class Curve:
    """One account's equity, event by event, valued in `coin`."""

    def __init__(self, coin: Currency) -> None:
        self.now = Drawdown()
        self.ledger = Ledger()
        self._coin = coin
        self._prices: dict[str, Decimal] = {coin: ONE}
        self._uncharged: set[str] = set()  # trades whose commission is not told yet
        self._charged: dict[str, str] = {}  # by leg: the last trade that came with it; what it opened is booked after
        self._marks: dict[str, tuple[Position, Decimal]] = {}  # of perpetuals by stream: the leg, and its last price

    def take(self, position: int, stream: str, event: object) -> Drawdown:
        """Fold the next event of the log, and return how it stands."""
        moved = self.ledger.book(stream, event)
        self._charge(stream, event)
        if stream[0] == "p":
            self._trade(stream, event)
        if moved is not None:
            self.now = self._looked(position)
        return self.now

    def _charge(self, stream: str, event: object) -> None:
        match event:
            case FillBooked(exec_id=name) if event.commission is not None:
                self._charged[stream] = name
            case FillBooked(exec_id=name):
                if not name.startswith(INFERRED) and self._charged.get(stream) != name:
                    self._uncharged.add(name)
            case CommissionBooked(exec_id=name) | FillReversed(exec_id=name):
                self._uncharged.discard(name)
                if isinstance(event, FillReversed) and self._charged.get(stream) == name:
                    del self._charged[stream]  # it may be told again without
            case _:
                pass

    def _trade(self, stream: str, event: object) -> None:
        base, quote = traded(stream)
        if base is None:
            leg, mark = self._marks.get(stream, (FLAT, ZERO))
            after = evolve(leg, event)  # type: ignore[arg-type]  # a leg's stream holds a leg's events
            self._marks[stream] = (after, event.price if isinstance(event, FillBooked) else mark)
        elif isinstance(event, FillBooked) and purse_parts(quote)[1] == self._coin:
            self._prices[purse_parts(base)[1]] = event.price

    def _looked(self, position: int) -> Drawdown:
        known = {key: amount for key, amount in self.ledger.balances.items() if key[1] in self._prices}
        worth = equity(known, prices=self._prices, unrealized=self._unrealized())
        before = self.now
        peak = before.peak if self._uncharged else max(before.peak, worth.result)
        fallen = max(EXACT.subtract(peak, worth.result), ZERO)
        base = EXACT.add(worth.value, fallen)
        fraction = RATIO.divide(fallen, base) if base > 0 else ZERO
        worse = fallen > before.worst
        return Drawdown(
            value=worth.value,
            flows=worth.flows,
            result=worth.result,
            peak=peak,
            fallen=fallen,
            fraction=fraction,
            worst=fallen if worse else before.worst,
            worst_fraction=max(fraction, before.worst_fraction),
            worst_at=position if worse else before.worst_at,
        )

    def _unrealized(self) -> dict[Currency, Decimal]:
        earned: dict[Currency, Decimal] = {}
        for stream, (leg, mark) in self._marks.items():
            settle = purse_parts(traded(stream).quote)[1]
            if settle in self._prices and leg.quantity:
                earned[settle] = EXACT.add(earned.get(settle, ZERO), leg.unrealized(mark))
        return earned
