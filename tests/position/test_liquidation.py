"""Where a leg is taken over: golden numbers, worked out by hand, and the rule itself as a property.

The market of all of them: a contract is 0.001 BTC, the taker pays 0.06 %, tiers up to 10,000 at 0.5 % and up to 50,000
at 1 % less 50. A hundred contracts at 60,000 cost 6000; ten times leverage is 600 of margin, maintenance is 30.
"""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.instrument import Bracket, Instrument
from oms.position.liquidation import Key, liquidation_prices
from oms.position.state import Position
from oms.values import Currency, MarginMode, PositionLeg, Symbol
from tests.order.story import BTC_PERPETUAL

BTC, ETH = Symbol("BTC/USDT:USDT"), Symbol("ETH/USDT:USDT")
NET, LONG, SHORT = PositionLeg.NET, PositionLeg.LONG, PositionLeg.SHORT
TIERS = (
    Bracket(floor=Decimal(0), cap=Decimal(10_000), maintenance_rate=Decimal("0.005"), deduction=Decimal(0)),
    Bracket(floor=Decimal(10_000), cap=Decimal(50_000), maintenance_rate=Decimal("0.01"), deduction=Decimal(50)),
)
BITCOIN = replace(BTC_PERPETUAL, taker_fee=Decimal("0.0006"), brackets=TIERS)
ETHER = replace(
    BITCOIN,
    symbol=ETH,
    base=Currency("ETH"),
    contract_size=Decimal("0.01"),
    price_step=Decimal("0.01"),
)
MARKETS: Mapping[Symbol, Instrument] = {BTC: BITCOIN, ETH: ETHER}


def leg(
    quantity: int,
    entry: int,
    mode: MarginMode | None = MarginMode.ISOLATED,
    *,
    market: Instrument = BITCOIN,
    leverage: int | None = 10,
) -> Position:
    return Position(
        quantity=Decimal(quantity),
        open_cost=quantity * market.contract_size * entry,
        contract_size=market.contract_size,
        leverage=None if leverage is None else Decimal(leverage),
        margin_mode=mode,
    )


CROSS = MarginMode.CROSS


def prices(
    legs: Mapping[Key, Position], available: int = 400, marks: Mapping[Symbol, Decimal] | None = None
) -> dict[Key, str]:
    found = liquidation_prices(legs, MARKETS, marks or {}, Decimal(available))
    return {key: str(price) for key, price in found.items()}


def test_an_isolated_long_has_its_margin_alone() -> None:
    # (6000 + 30 - 600) / (0.1 x 0.9994) = 54332.5995..., one step up: there it is in danger
    assert prices({(BTC, NET): leg(100, 60_000)}) == {(BTC, NET): "54332.6"}
    assert prices({(BTC, NET): leg(100, 60_000)}, available=0) == {(BTC, NET): "54332.6"}


def test_an_isolated_short_is_in_danger_above() -> None:
    # (6000 + 600 - 30) / (0.1 x 1.0006) = 65660.6036..., a step down
    assert prices({(BTC, NET): leg(-100, 60_000)}) == {(BTC, NET): "65660.6"}


def test_a_larger_position_needs_more() -> None:
    # cost 18000, margin 1800, second tier: 180 - 50 = 130; (18000 + 130 - 1800) / (0.3 x 0.9994) = 54466.0129...
    assert prices({(BTC, NET): leg(300, 60_000)}) == {(BTC, NET): "54466.1"}


def test_a_cross_leg_has_the_wallet_behind_it() -> None:
    # cushion 400 + 600 - 30 = 970; (6000 - 970) / 0.09994 = 50330.1981...
    assert prices({(BTC, NET): leg(100, 60_000, CROSS)}) == {(BTC, NET): "50330.2"}


def test_cross_markets_stand_for_each_other() -> None:
    # Bitcoin long as above; ether short, 1 at 3000: margin 300, maintenance 15.
    # Cushion without profits: 400 + 570 + 285 = 1255. Each market loses 100 at its mark for the other.
    legs = {(BTC, NET): leg(100, 60_000, CROSS), (ETH, NET): leg(-100, 3000, CROSS, market=ETHER)}
    marks = {BTC: Decimal(59_000), ETH: Decimal(3100)}
    # (6000 - 1155) / 0.09994 = 48479.0874...; (3000 + 1155) / 1.0006 = 4152.5084...
    assert prices(legs, marks=marks) == {(BTC, NET): "48479.1", (ETH, NET): "4152.50"}
    assert prices(legs, marks={BTC: Decimal(59_000)}) == {(ETH, NET): "4152.50"}, "ether's mark is not known"


def test_long_and_short_of_one_market_fall_together() -> None:
    # long 100 at 60000, short 40 at 62000: cost 6000 - 2480, cushion 400 + 570 + (248 - 12.4) = 1205.6
    legs = {(BTC, LONG): leg(100, 60_000, CROSS), (BTC, SHORT): leg(-40, 62_000, CROSS)}
    # (3520 - 1205.6) / (0.06 - 0.0006 x 0.14) = 38627.4117...
    assert prices(legs) == {(BTC, LONG): "38627.5", (BTC, SHORT): "38627.5"}


def test_legs_that_cancel_out_are_in_no_danger() -> None:
    legs = {(BTC, LONG): leg(100, 60_000, CROSS), (BTC, SHORT): leg(-100, 60_000, CROSS)}
    assert prices(legs) == {}


def test_where_money_enough_is_there_no_price_is_low_enough() -> None:
    assert prices({(BTC, NET): leg(100, 60_000, CROSS)}, available=10_000) == {}


@pytest.mark.parametrize(
    "unknown",
    [leg(100, 60_000, None), leg(100, 60_000, leverage=None), leg(1000, 60_000)],
    ids=["no margin mode", "no leverage", "beyond every tier"],
)
def test_what_nobody_has_told_gives_no_price(unknown: Position) -> None:
    assert prices({(BTC, NET): unknown}) == {}
    both = {(BTC, NET): unknown, (ETH, NET): leg(-100, 3000, CROSS, market=ETHER)}
    assert prices(both, marks={BTC: Decimal(60_000), ETH: Decimal(3000)}) == {}, (
        "what it takes from the wallet is not known"
    )


@forall(
    quantity=st.integers(-800, 800).filter(bool),
    entry=st.integers(1000, 60_000),
    leverage=st.integers(1, 50),
    available=st.integers(0, 5000),
)
def test_at_the_price_the_balance_is_what_must_be_there(
    quantity: int, entry: int, leverage: int, available: int
) -> None:
    position = leg(quantity, entry, CROSS, leverage=leverage)
    found = liquidation_prices({(BTC, NET): position}, MARKETS, {}, Decimal(available)).get((BTC, NET))
    if found is None:
        return
    maintenance = BITCOIN.maintenance(position.open_cost.copy_abs())
    assert maintenance is not None

    def spare(mark: Decimal) -> Decimal:
        closing = abs(quantity) * BITCOIN.contract_size * mark * BITCOIN.taker_fee
        return available + position.margin + position.unrealized(mark) - closing - maintenance

    step = BITCOIN.price_step if quantity < 0 else -BITCOIN.price_step
    assert spare(found) >= 0 > spare(found + step) - Decimal("1E-20")
