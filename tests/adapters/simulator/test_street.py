"""Where the background traders quote, how far their takers reach, and what they leave behind: nothing."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from adapters.simulator.street import MAKERS, Street, withdraw
from oms.values import Side


def test_makers_quote_level_by_level_around_the_middle_and_never_below_one_step() -> None:
    street = Street(step=Decimal("0.1"), mid=20_000)
    assert list(street.ladder(2)) == [
        (Side.BUY, Decimal("1999.8")),
        (Side.SELL, Decimal("2000.2")),
        (Side.BUY, Decimal("1999.6")),
        (Side.SELL, Decimal("2000.4")),
    ]
    assert [price for side, price in Street(step=Decimal("0.1"), mid=1).ladder(2) if side is Side.BUY] == [
        Decimal("0.1"),
        Decimal("0.1"),
    ]


@pytest.mark.parametrize(
    ("side", "best", "worst"),
    [(Side.BUY, "2000", "2000.6"), (Side.SELL, "2000", "1999.4"), (Side.SELL, "0.3", "0.1")],
)
def test_a_taker_reaches_a_few_levels_beyond_the_best_price_and_never_below_one_step(
    side: Side, best: str, worst: str
) -> None:
    assert Street(step=Decimal("0.1"), mid=20_000).reach(side, Decimal(best)) == Decimal(worst)


def test_the_quotes_that_are_still_live_are_canceled_and_all_are_forgotten() -> None:
    canceled: list[str] = []
    exchange = SimpleNamespace(
        accounts={MAKERS: SimpleNamespace(open={"live": None})},
        cancel=lambda account, order_id, now_ms: canceled.append(f"{account} {order_id} {now_ms}"),
    )
    street = Street(step=Decimal("0.1"), quotes=["traded", "live"])
    withdraw(exchange, street, 7)
    assert canceled == ["~makers live 7"]
    assert street.quotes == []
