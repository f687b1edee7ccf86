"""One position: what it cost, what it holds as margin, and how a trade changes it."""

from decimal import Decimal

from msgspec import Struct

from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.money import margin_of_one, share
from adapters.simulator.exchange.futures.orders import MarginMode
from oms.values import EXACT, RATIO, ZERO, PositionLeg, Side


class Position(Struct, kw_only=True):
    """One leg of one contract. All money in the margin coin; the figures of a life begin anew when it opens from flat.

    `cost` is the notional at entry of what is still held: exact, where an average price would be rounded.
    """

    account: str
    symbol: str
    leg: PositionLeg
    direction: Side  # BUY is long; of a flat NET leg, whatever it was last
    leverage: int
    margin_mode: MarginMode
    size: Decimal = ZERO  # contracts, never negative
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    opened_size: Decimal = ZERO
    opened_cost: Decimal = ZERO
    closed_size: Decimal = ZERO
    closed_value: Decimal = ZERO  # what was closed, at the prices it was closed at
    realised: Decimal = ZERO  # without fees and funding
    fees: Decimal = ZERO  # positive is paid
    funding: Decimal = ZERO  # positive is received
    opened_ms: int = 0
    updated_ms: int = 0

    @property
    def signed_size(self) -> Decimal:
        """Contracts, negative when short."""
        return self.size if self.direction is Side.BUY else -self.size

    def average_price(self, contract: Contract) -> Decimal:
        """Return the price at entry, rounded to 40 digits; zero when flat."""
        return _average(self.cost, self.size, contract)

    def open_average(self, contract: Contract) -> Decimal:
        return _average(self.opened_cost, self.opened_size, contract)

    def close_average(self, contract: Contract) -> Decimal:
        return _average(self.closed_value, self.closed_size, contract)

    def unrealised(self, contract: Contract, mark: Decimal) -> Decimal:
        """Return the profit that closing at `mark` would make, without fees."""
        if not self.size:
            return ZERO
        value = contract.value(self.size, mark)
        return EXACT.subtract(value, self.cost) if self.direction is Side.BUY else EXACT.subtract(self.cost, value)

    def closable(self, side: Side) -> Decimal:
        """Return how many contracts a trade on `side` would close before it opens any."""
        return self.size if self.direction is not side else ZERO

    def close(self, size: Decimal, price: Decimal, contract: Contract, now_ms: int) -> tuple[Decimal, Decimal]:
        """Close `size` contracts at `price`; return (profit without fees, margin set free)."""
        value = contract.value(size, price)
        cost, margin = share(self.cost, size, self.size), share(self.margin, size, self.size)
        profit = value - cost if self.direction is Side.BUY else cost - value
        self.size -= size
        self.cost -= cost
        self.margin -= margin
        self.closed_size += size
        self.closed_value += value
        self.realised += profit
        self.updated_ms = now_ms
        return profit, margin

    def open(self, side: Side, size: Decimal, price: Decimal, contract: Contract, now_ms: int) -> Decimal:
        """Add `size` contracts at `price`; return the margin they take."""
        if not self.size:
            self._begin(side, now_ms)
        value = contract.value(size, price)
        margin = size * margin_of_one(contract.value(Decimal(1), price), self.leverage)
        self.size += size
        self.cost += value
        self.margin += margin
        self.opened_size += size
        self.opened_cost += value
        self.updated_ms = now_ms
        return margin

    def _begin(self, side: Side, now_ms: int) -> None:
        self.direction = side
        self.opened_ms = now_ms
        self.opened_size = self.opened_cost = self.closed_size = self.closed_value = ZERO
        self.realised = self.fees = self.funding = ZERO


def _average(value: Decimal, size: Decimal, contract: Contract) -> Decimal:
    return RATIO.divide(value, EXACT.multiply(size, contract.contract_size)) if size else ZERO
