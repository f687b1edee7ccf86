"""S51: three strategies and a hand at the website trade one symbol of one account, and each is held to its own."""

from decimal import Decimal

import pytest

from oms.order.state import Life
from oms.position.claims import ClaimShare
from oms.risk import Limits
from oms.values import ZERO, PositionLeg, StrategyId, Symbol
from projections.fold import Twin
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, tell

A, B, C = "a", "b", "c"
SIZES = {SPOT: ("0.01", "0.003", "0.005"), PERPETUAL: ("10", "3", "5")}


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s51_the_shares_of_all_and_what_is_nobodys_add_up_to_the_venues_position(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        large, some, more = SIZES[symbol]
        house.stranger("sell", large, "50000", symbol=symbol)
        house.stranger("sell", large, "50100", symbol=symbol)
        house.stranger("buy", large, "49000", symbol=symbol)
        for name, strategy, side, size, price in (
            ("a1", A, "buy", large, "50000"),
            ("b1", B, "sell", some, "49000"),  # against what a has bought
            ("c1", C, "buy", some, "50100"),
            ("c2", C, "sell", more, "49000"),  # more than c has: its share turns
        ):
            await house.place(name, side, size, price, symbol=symbol, strategy=strategy)
            await house.until(lambda name=name: house.life(name) is Life.FILLED)  # type: ignore[misc]
            await adds_up(house, symbol)
        house.by_hand("buy", some, "50100", symbol=symbol)
        await house.rests()
        await adds_up(house, symbol)
        await house.restart()
        await house.rests()
        shares = await adds_up(house, symbol)
        mine = [Decimal(size) for size in (large, some, more)]
        assert shares == {A: mine[0], B: -mine[1], C: mine[1] - mine[2], "unattributed": mine[1]}

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s51_a_loss_of_one_strategy_stops_it_and_no_other(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        large, little, _ = SIZES[symbol]
        await loses(house, symbol, A, large)
        await house.place("a9", "buy", little, "40000", symbol=symbol, strategy=A)
        assert house.life("a9") is Life.DENIED
        assert "strategy_loss_max: a has lost 10" in (house.order("a9").reason or "")
        for strategy in (B, C):
            await house.place(f"{strategy}9", "buy", little, "40000", symbol=symbol, strategy=strategy)
            assert house.life(f"{strategy}9") is not Life.DENIED, f"{strategy} has lost nothing"
        await house.restart()
        await house.place("a10", "buy", little, "40000", symbol=symbol, strategy=A)
        await house.place("b10", "buy", little, "40000", symbol=symbol, strategy=B)
        assert house.life("a10") is Life.DENIED, "a restart forgives a loss"
        assert house.life("b10") is not Life.DENIED
        await house.rests()

    tell(story, limited)


def test_s51_a_strategy_that_has_lost_may_still_close_what_it_holds() -> None:
    async def story(house: House) -> None:
        await house.start()
        await loses(house, PERPETUAL, A, "10", kept="2")
        await house.place("a9", "sell", "2", "40000", symbol=PERPETUAL, strategy=A, reduce_only=True)
        await house.until(lambda: house.life("a9") is Life.WORKING)
        await house.rests()

    tell(story, limited)


def test_s51_what_was_there_before_the_log_is_given_to_strategies_and_all_of_it_adds_up() -> None:
    async def story(house: House) -> None:
        house.stranger("sell", "10", "50000", symbol=PERPETUAL)
        house.by_hand("buy", "10", "50000", symbol=PERPETUAL)
        await house.start()
        assert await adds_up(house, PERPETUAL) == {"unattributed": 10}
        await house.give(share(A, "4", "k1"))
        house.stranger("sell", "2", "51000", symbol=PERPETUAL)
        house.by_hand("buy", "2", "51000", symbol=PERPETUAL)  # by the website, while it runs
        await house.until(lambda: house.position().quantity == 12)
        await house.restart()
        await house.give(share(A, "4", "k1"))  # its answer was lost: the very same request
        await house.give(share(B, "3", "k2"))
        assert await adds_up(house, PERPETUAL) == {A: 4, B: 3, "unattributed": 5}
        house.stranger("buy", "4", "49000", symbol=PERPETUAL)
        await house.place("a1", "sell", "4", "49000", symbol=PERPETUAL, strategy=A, reduce_only=True)
        await house.until(lambda: house.life("a1") is Life.FILLED)
        assert await adds_up(house, PERPETUAL) == {B: 3, "unattributed": 5}
        await house.place("a2", "buy", "1", "40000", symbol=PERPETUAL, strategy=A)
        assert house.life("a2") is not Life.DENIED
        house.stranger("buy", "3", "46000", symbol=PERPETUAL)
        await house.place("b1", "sell", "3", "46000", symbol=PERPETUAL, strategy=B, reduce_only=True)
        await house.until(lambda: house.life("b1") is Life.FILLED)
        await house.place("b2", "buy", "1", "40000", symbol=PERPETUAL, strategy=B)
        assert house.life("b2") is Life.DENIED, "what it was given at 50000 and some, it sold at 46000"
        await house.until(lambda: not house.breaks())

    tell(story, limited)


def share(strategy: str, quantity: str, request_id: str) -> ClaimShare:
    return ClaimShare(
        account=DESK,
        symbol=PERPETUAL,
        position_leg=PositionLeg.NET,
        request_id=request_id,
        strategy=StrategyId(strategy),
        reason="it was his",
        quantity=Decimal(quantity),
    )


def limited() -> House:
    return House(limits=Limits(strategy_loss_max={StrategyId(name): Decimal(10) for name in (A, B)}))


async def loses(house: House, symbol: Symbol, strategy: str, size: str, *, kept: str = "0") -> None:
    """Buy dear, sell cheap: ten of quote and the commissions are lost, unless some is kept."""
    unit = Decimal(1) if symbol == SPOT else Decimal("0.001")
    price = Decimal(50_000)
    lower = price - Decimal(10) / (Decimal(size) * unit) * (Decimal(size) / (Decimal(size) - Decimal(kept)))
    house.stranger("sell", size, str(price), symbol=symbol)
    await house.place(f"{strategy}1", "buy", size, str(price), symbol=symbol, strategy=strategy)
    await house.until(lambda: house.life(f"{strategy}1") is Life.FILLED)
    left = str(Decimal(size) - Decimal(kept))
    house.stranger("buy", left, str(lower), symbol=symbol)
    await house.place(f"{strategy}2", "sell", left, str(lower), symbol=symbol, strategy=strategy)
    await house.until(lambda: house.life(f"{strategy}2") is Life.FILLED)


async def adds_up(house: House, symbol: Symbol) -> dict[str, Decimal]:
    """See that the shares, as the projection has them, add up to the venue's position; return them."""
    await house.until(lambda: house.position(symbol).quantity == house.venue_position(symbol, PositionLeg.NET))
    twin = Twin()
    twin.apply(house.log._events)
    [row] = [row for key, row in twin.rows()["positions"].items() if symbol in key]
    assert sum(row.shares.values(), ZERO) == house.venue_position(symbol, PositionLeg.NET)
    return dict(row.shares)
