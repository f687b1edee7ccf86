"""S72: money comes and goes between a gain and a loss, and the drawdown is the loss alone."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from oms.breaks.decisions import ResolveBreak
from oms.drawdown import Curve, Drawdown
from oms.order.state import Life
from oms.store.codec import decode
from oms.values import RATIO, Currency, Symbol
from tests.cli.conftest import clean_environment, home, oms, traded  # noqa: F401 - fixtures
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, tell

USDT = Currency("USDT")


@pytest.mark.parametrize(("symbol", "size", "unit"), [(SPOT, "0.01", "1"), (PERPETUAL, "10", "0.001")])
@pytest.mark.parametrize("flows", [(), ("50000", "-30000"), ("-30000", "50000")])
def test_s72_deposits_and_withdrawals_are_neither_gain_nor_loss(
    symbol: Symbol, size: str, unit: str, flows: tuple[str, ...]
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await trade(house, symbol, "a", size, (50_000, 51_000))
        best = made(house)
        for flow in flows[:1]:
            await brought(house, flow)
        await trade(house, symbol, "b", size, (51_000, 48_000))
        for flow in flows[1:]:
            await brought(house, flow)
        now = drawdown(house)
        assert (now.peak, now.result) == (best, made(house))
        moved = Decimal(size) * Decimal(unit) * 3_000
        fees = paid(house, "b1") + paid(house, "b2")
        assert now.fallen == now.worst == moved + fees, "three thousand a coin, and what the venue took for it"
        assert now.flows == 200_000 + sum(map(Decimal, flows))
        assert now.fraction == RATIO.divide(now.fallen, now.flows + best)
        assert now.value == now.flows + now.result == owned(house)
        before = now
        await house.restart()
        await house.rests()
        assert drawdown(house) == before, "another machine reads the same"

    tell(story, lambda: House(funds={"USDT": "100000"}, margin={"USDT": "100000"}))


def test_s72_what_an_open_perpetual_would_lose_is_fallen_already() -> None:
    """Ten contracts bought at 50000, and one more at 49000: the ten would lose ten."""

    async def story(house: House) -> None:
        await house.start()
        for name, size, price in (("p1", "10", "50000"), ("p2", "1", "49000")):
            house.stranger("sell", size, price, symbol=PERPETUAL)
            await house.place(name, "buy", size, price, symbol=PERPETUAL)
            await house.until(lambda name=name: house.life(name) is Life.FILLED)  # type: ignore[misc]
        await house.rests()
        now = drawdown(house)
        assert now.fallen == 10 + paid(house, "p1") + paid(house, "p2")
        assert now.result == -now.fallen

    tell(story)


@pytest.mark.postgres
def test_s72_the_drawdown_is_read_off_the_log_by_a_command(oms: Callable[..., Any], traded: str) -> None:  # noqa: F811
    shown = oms("ledger", "drawdown", "--json")
    assert shown.code == 0
    [account] = shown.json.values()
    assert account["fallen"] == account["worst"]
    assert Decimal(account["value"]) == Decimal(account["flows"]) + Decimal(account["result"])


async def trade(house: House, symbol: Symbol, name: str, size: str, prices: tuple[int, int]) -> None:
    """Buy, then sell as much."""
    for suffix, side, other, price in (("1", "buy", "sell", prices[0]), ("2", "sell", "buy", prices[1])):
        house.stranger(other, size, str(price), symbol=symbol)
        await house.place(name + suffix, side, size, str(price), symbol=symbol)
        await house.until(lambda order=name + suffix: house.life(order) is Life.FILLED)  # type: ignore[misc]
    await house.rests()


async def brought(house: House, amount: str) -> None:
    """Somebody pays into the account, or out of it; a person says so."""
    house.spot.balances["USDT"].available += Decimal(amount)
    await house.until(lambda: "balance:spot/USDT" in house.breaks(), seconds=60)
    await house.give(ResolveBreak(account=DESK, break_id="balance:spot/USDT", reason="a transfer"))
    await asyncio.sleep(1)
    await house.rests()


def drawdown(house: House) -> Drawdown:
    curve = Curve(USDT)
    for position, each in enumerate(house.log._events, 1):
        curve.take(position, each.stream, decode(each.topic, each.state))
    return curve.now


def owned(house: House) -> Decimal:
    """Return what the venue says that the account has: nothing is open, so it is all in one coin."""
    spot = house.spot.balances["USDT"]
    return spot.available + spot.frozen + house.futures.wallets["USDT"].total


def made(house: House) -> Decimal:
    """Return what trading made of the account, by the venue's own fills."""
    result = Decimal(0)
    for fill in house.spot.fills:
        result += (1 if fill.side.value == "sell" else -1) * fill.size * fill.price - fill.fee
    for contract in house.futures.fills:
        signed = (1 if contract.side.value == "sell" else -1) * contract.size * Decimal("0.001")
        result += signed * contract.price - contract.fee
    return result


def paid(house: House, name: str) -> Decimal:
    trades = house.order(name).trades
    return sum((trade.commission or Decimal(0) for trade in trades), Decimal(0))
