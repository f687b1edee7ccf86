"""The funding rates of a perpetual: the one to come, and those that were settled, as the exchange settled them."""

import asyncio
from decimal import Decimal

import pytest

from adapters.bitmart.perp import codec
from adapters.simulator.pace import now_ms
from oms.errors import UnknownSymbolError
from oms.reports import FundingReport
from oms.values import Symbol
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import refused, virtual
from tests.adapters.bitmart.perp.desk import BTC, Desk
from tests.adapters.bitmart.perp.test_exchange import Market


@virtual
async def test_a_rate_is_to_come_until_it_was_settled_and_then_the_newest_of_its_history() -> None:
    market = await Market.opened()
    venue = market.ann.venue
    settled = (Decimal("0.0003"), Decimal("-0.0001"))
    for rate in settled:
        market.simulator.settle_funding("BTCUSDT", rate, now_ms(market.clock))
        await asyncio.sleep(2)
    market.simulator.futures.exchange.expect_funding("BTCUSDT", Decimal("0.0007"), now_ms(market.clock))
    (now,) = (await venue.funding(BTC)).reports
    assert isinstance(now, FundingReport)
    assert (now.symbol, now.rate, now.expected_rate) == (BTC, settled[-1], Decimal("0.0007"))
    assert now.next_ms is not None
    assert now.next_ms > now_ms(market.clock)
    answer = await venue.funding_history(BTC)
    rates = sorted((r.at_ms or 0, r.rate) for r in answer.reports if isinstance(r, FundingReport))
    assert tuple(rate for _, rate in rates)[-2:] == settled
    assert answer.complete
    (newest,) = (await venue.funding_history(BTC, limit=1)).reports
    assert isinstance(newest, FundingReport)
    assert newest.rate == settled[-1]


@virtual
async def test_rates_of_no_linear_perpetual_are_not_asked_for_and_a_refusal_is_no_empty_history() -> None:
    desk = Desk()
    with pytest.raises(UnknownSymbolError):
        await desk.venue.funding(Symbol("BTC/USD:BTC"))
    desk.link.on(codec.FUNDING_RATE_HISTORY, refused(400, 40034))
    with pytest.raises(NoAnswerError):
        await desk.venue.funding_history(BTC)
