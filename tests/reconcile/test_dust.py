"""What rounding leaves between two figures is nothing that anybody is owed."""

from decimal import Decimal

import pytest

from oms.figures import Figures, of_balances
from oms.values import Currency, Wallet, purse

USDT = purse(Wallet.FUTURES, Currency("USDT"))
OURS = Figures(totals={USDT: Decimal("3997.29669331000000000000000003636363636370")}, costs={}, legs={})


@pytest.mark.parametrize(("theirs", "breaks"), [("3997.29669331", 0), ("3997.29669332", 1)])
def test_a_share_of_a_cost_that_was_rounded_otherwise_is_no_break(theirs: str, breaks: int) -> None:
    """Found by the simulation (seed 44176920): a break of 4e-26, which no transfer could have ended."""
    assert len(list(of_balances(OURS, {USDT: Decimal(theirs)}, {}, whole=True))) == breaks
