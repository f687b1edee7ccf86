"""The market moves, hits what is near the touch, goes where it is told, and does the same again for the same seed."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.orders import NewOrder, Order, OrderType
from adapters.simulator.simulator import Simulator
from oms.values import Side
from tests.adapters.simulator.floor import Client


def run(seed: int, steps: int = 200) -> list[object]:
    one = Client(Simulator(seed=seed))
    for _ in range(steps):
        one.step()
    symbols = ("BTC_USDT", "ETH_USDT", "BMX_USDT")
    return [one.get(f"/spot/quotation/v3/trades?symbol={symbol}") for symbol in symbols]


def test_the_same_seed_makes_the_same_market() -> None:
    assert run(1) == run(1)
    assert run(1) != run(2)


def test_every_market_trades_at_once_and_its_price_moves() -> None:
    one = Client(Simulator(seed=5))
    one.step()
    assert len(one.get("/spot/quotation/v3/tickers")) == 3
    for _ in range(400):
        one.step()
    for symbol in ("BTC_USDT", "ETH_USDT", "BMX_USDT"):
        ticker = one.get(f"/spot/quotation/v3/ticker?symbol={symbol}")
        assert Decimal(ticker["high_24h"]) > Decimal(ticker["low_24h"])
        assert Decimal(ticker["bid_px"]) < Decimal(ticker["ask_px"])


@pytest.mark.parametrize("side", list(Side))
def test_a_quote_at_the_touch_is_filled_within_seconds(side: Side) -> None:
    """The typical one: half of them within two seconds, and nearly all within thirty."""
    waits = sorted(wait_for_fill(seed, side) for seed in range(12))
    assert waits[6] <= 2_000
    assert waits[10] <= 30_000


def wait_for_fill(seed: int, side: Side) -> int:
    one = Client(Simulator(seed=seed))
    for _ in range(20):
        one.step()
    best = one.simulator.exchange.book("BTC_USDT").own(side).best()
    assert best is not None
    order = quote(one, side, best.price)
    begun = one.now
    while order.live and one.now - begun < 60_000:
        one.step()
    return one.now - begun


def quote(one: Client, side: Side, price: Decimal) -> Order:
    size = Decimal("0.01")
    new = NewOrder(account="main", symbol="BTC_USDT", side=side, type=OrderType.LIMIT, size=size, price=price)
    return one.simulator.exchange.submit(new, one.now)


@pytest.mark.parametrize("traders", [True, False])
def test_a_market_that_is_moved_trades_through_everything_on_its_way(*, traders: bool) -> None:
    one = Client(Simulator(seed=1, traders=traders))
    one.step()
    near, far = quote(one, Side.SELL, Decimal(61_000)), quote(one, Side.SELL, Decimal(63_000))

    one.simulator.move_market("BTC_USDT", Decimal(62_000), one.now)

    assert (near.state, far.state) == ("filled", "new")
    assert near.filled_notional == 610  # at its own price
    assert one.get("/spot/quotation/v3/ticker?symbol=BTC_USDT")["last"] == "62000.00"
    below = quote(one, Side.BUY, Decimal(60_500))
    one.simulator.move_market("BTC_USDT", Decimal(60_000), one.now)
    assert below.state == "filled"


@pytest.mark.parametrize(
    ("symbol", "price"), [("NO_PE", "1"), ("BTC_USDT", "0"), ("BTC_USDT", "0.001"), ("BTC_USDT", "NaN")]
)
def test_a_market_goes_to_no_impossible_price(symbol: str, price: str) -> None:
    with pytest.raises(ValueError, match=r"no market is called|not on the grid"):
        Simulator().move_market(symbol, Decimal(price), 0)


def test_background_traders_leave_no_history_behind() -> None:
    one = Client(Simulator(seed=1))
    for _ in range(300):
        one.step(500)
    for name in ("~makers", "~takers"):
        account = one.simulator.exchange.accounts[name]
        assert (len(account.closed), len(account.fills), len(account.fills_of)) == (0, 0, 0)
        assert len(account.open) <= 3 * 25
