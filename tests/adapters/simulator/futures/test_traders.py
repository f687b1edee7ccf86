"""The others in the perpetual market."""

from decimal import Decimal

from adapters.simulator.chance import chance
from adapters.simulator.exchange.futures.contracts import CONTRACTS, Status
from adapters.simulator.exchange.futures.events import Event, Printed
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import NewOrder, OrderType, PlanKind
from adapters.simulator.exchange.futures.plans import NewPlan
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.futures_traders import FuturesTraders
from adapters.simulator.spot import MARKETS
from adapters.simulator.street import MAKERS, TAKERS
from adapters.simulator.traders import Traders
from oms.values import ZERO, Side
from tests.adapters.simulator.futures.pit import NOW

SYMBOL = "BTCUSDT"


class Day:
    """Spot and perpetual traders side by side, and what was printed."""

    def __init__(self, seed: int = 1, *, active: bool = True) -> None:
        self.events: list[Event] = []
        self.now = NOW
        spot = Exchange(MARKETS, lambda _: None)
        self.spot = Traders(spot, chance(seed, "spot"), active=active)
        self.exchange = FuturesExchange(CONTRACTS, self.events.append)
        self.traders = FuturesTraders(self.exchange, chance(seed, "futures"), self.spot.mid, active=active)

    def pass_by(self, seconds: int) -> None:
        for _ in range(seconds * 10):
            self.now += 100
            self.spot.step(self.now, self.now)
            self.traders.step(self.now, self.now)
            self.exchange.step(self.now)

    def printed(self) -> list[tuple[str, Decimal, Decimal]]:
        return [(one.symbol, one.price, one.size) for one in self.events if isinstance(one, Printed)]


def test_the_same_seed_prints_the_same_trades() -> None:
    one, same, other = Day(1), Day(1), Day(2)
    for day in (one, same, other):
        day.pass_by(10)

    assert one.printed() == same.printed() != other.printed()
    assert len(one.printed()) > 10


def test_the_mark_stays_with_the_spot_market() -> None:
    day = Day()
    for _ in range(6):
        day.pass_by(10)
        spot = day.spot.mid("BTC", "USDT")
        assert spot is not None
        assert abs(day.exchange.prices(SYMBOL).mark / spot - 1) < Decimal("0.002")


def test_when_spot_is_moved_the_contract_follows() -> None:
    day = Day()
    day.pass_by(2)

    day.spot.move("BTC_USDT", Decimal(50_000), day.now)
    day.pass_by(5)

    assert abs(day.exchange.prices(SYMBOL).last - 50_000) < 100


def test_a_contract_that_is_moved_trades_there_and_keeps_its_distance_from_spot() -> None:
    for active in (True, False):
        day = Day(active=active)
        day.pass_by(2)

        for price in (48_000, 50_000):
            day.traders.move(SYMBOL, Decimal(price), day.now)

            assert day.exchange.prices(SYMBOL).last == price
            day.pass_by(5)
            assert abs(day.exchange.prices(SYMBOL).last - price) < 100


def test_whatever_a_moved_price_fires_finds_somebody_to_trade_with() -> None:
    day = Day()
    day.pass_by(2)
    day.exchange.open_account("ann", {"USDT": Decimal(10_000)})
    order = NewOrder(account="ann", symbol=SYMBOL, side=Side.BUY, type=OrderType.MARKET, size=Decimal(5))
    day.exchange.submit(order, day.now)
    target = Decimal(66_000)
    plan = NewPlan(
        account="ann", symbol=SYMBOL, kind=PlanKind.TAKE_PROFIT, side=Side.SELL, reduce_only=True, trigger_price=target
    )
    day.exchange.submit_plan(plan, day.now)

    day.traders.move(SYMBOL, target, day.now)

    bought, sold = day.exchange.accounts["ann"].fills
    assert (sold.side, sold.size) == (Side.SELL, bought.size)
    assert abs(sold.price - target) < 100


def test_a_contract_that_ends_ends_their_trading_in_it_and_nothing_else() -> None:
    day = Day()
    day.pass_by(2)

    day.exchange.set_status(SYMBOL, Status.DELISTED, day.now)
    day.events.clear()
    day.pass_by(5)

    assert {symbol for symbol, _, _ in day.printed()} == {"ETHUSDT"}
    assert day.exchange.open_interest(SYMBOL) == 0


def test_they_leave_no_history_behind_and_no_money_is_made() -> None:
    day = Day()
    day.pass_by(60)

    accounts = [day.exchange.accounts[name] for name in (MAKERS, TAKERS)]
    assert all(not one.closed and not one.fills and not one.flows and len(one.open) <= 24 for one in accounts)
    assert sum((day.exchange.equity(name, "USDT") for name in (MAKERS, TAKERS)), ZERO) == 2 * Decimal(10) ** 15
