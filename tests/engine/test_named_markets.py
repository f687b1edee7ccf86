"""A setting that names a market which no account has would hold nothing: it is refused, and said where it stands."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from oms.decide import Decider
from oms.errors import UnknownSymbolError
from oms.markets import follow_markets
from oms.risk import Limits
from oms.values import AccountId, Symbol
from tests.order.story import BTC_USDT, SPOT

MAIN = AccountId("main")
BTC = Symbol("BTC/USDT")


class Followed:
    """Market data that only says what it was told to follow."""

    def __init__(self) -> None:
        self.followed: set[Symbol] = set()
        self.quote = None

    def on_mark(self, keep: object) -> None:
        """Nothing is marked here."""

    def follow(self, symbols: set[Symbol]) -> None:
        self.followed |= symbols


def following(limits: Limits, names: tuple[str, ...] = (), *, cut: bool = False) -> set[Symbol]:
    decider = Decider(MAIN, instruments={BTC: BTC_USDT}, capabilities=lambda _: SPOT, limits=limits)
    markets: Mapping[AccountId, Any] = {MAIN: Followed()}
    follow_markets(names, markets, {MAIN: decider}, cut=cut)
    return markets[MAIN].followed  # type: ignore[no-any-return]


ONE = Decimal(1)
MISSPELLED = [
    (Limits(position_max={Symbol("BTCUSDT"): ONE}), (), "BTCUSDT"),
    (Limits(position_max={BTC: ONE, Symbol("BTCUSDT:USDT"): ONE}), (), "BTCUSDT:USDT"),
    (Limits(collar={Symbol("btc/usdt"): Decimal("0.02")}), (), "btc/usdt"),
    (Limits(), ("FOO/BAR",), "FOO/BAR"),
]


@pytest.mark.parametrize(("limits", "names", "named"), MISSPELLED)
def test_a_market_that_no_account_has_is_refused_wherever_it_is_named(
    limits: Limits, names: tuple[str, ...], named: str
) -> None:
    with pytest.raises(UnknownSymbolError, match="which no account has") as refused:
        following(limits, names)
    for part in (named, "limits.position_max", "limits.collar", "market_data.follow"):
        assert part in refused.value.cause
    assert "BTC/USDT," not in refused.value.cause


@pytest.mark.parametrize(("limits", "names", "named"), MISSPELLED)
def test_while_a_venue_has_not_named_all_of_its_markets_it_may_be_one_of_the_others(
    limits: Limits, names: tuple[str, ...], named: str
) -> None:
    assert Symbol(named) not in following(limits, names, cut=True)


def test_a_market_with_a_limit_of_its_position_alone_is_not_followed_for_it() -> None:
    assert following(Limits(position_max={BTC: ONE})) == set()
    assert following(Limits(collar={BTC: Decimal("0.02")})) == {BTC}
