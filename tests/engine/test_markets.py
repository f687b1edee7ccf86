"""What the running system does about markets by itself."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.decide import Decider
from oms.instrument import Instrument
from oms.markets import AGAIN_SECONDS, REFRESH_SECONDS, keep_instruments
from oms.risk import Limits
from oms.venue import Evidence, NoAnswerError
from tests.adapters.bitmart.fakes import spawn, virtual
from tests.engine.desk import MAIN
from tests.order.story import BTC_PERPETUAL, BTC_USDT, SPOT


class Catalogue:
    """A venue that is asked for its markets alone."""

    def __init__(self) -> None:
        self.markets: tuple[Instrument, ...] = ()
        self.down = False

    async def instruments(self) -> tuple[Instrument, ...]:
        if self.down:
            raise NoAnswerError("timed out", Evidence(channel="GET /symbols"))
        return self.markets


@virtual
async def test_markets_are_asked_for_again_and_one_that_went_takes_no_orders() -> None:
    venue = Catalogue()
    known = {each.symbol: each for each in (BTC_USDT, BTC_PERPETUAL)}
    decider = Decider(MAIN, instruments=known, capabilities=lambda _: SPOT, limits=Limits())
    spawn(keep_instruments(decider, venue), name="markets")  # type: ignore[arg-type]  # it asks nothing else
    venue.markets = (replace(BTC_USDT, taker_fee=Decimal("0.002")),)
    venue.down = True
    await asyncio.sleep(REFRESH_SECONDS + 1)
    assert decider.instruments == known, "a catalogue that cannot be had changes nothing"
    venue.down = False
    await asyncio.sleep(AGAIN_SECONDS)
    assert decider.instruments[BTC_USDT.symbol].taker_fee == Decimal("0.002")
    assert decider.instruments == {
        BTC_USDT.symbol: venue.markets[0],
        BTC_PERPETUAL.symbol: replace(BTC_PERPETUAL, tradable=False),
    }


@virtual
async def test_who_takes_over_after_days_of_waiting_trades_by_the_markets_of_now() -> None:
    """It had asked for them before it waited for the lease."""
    venue = Catalogue()
    decider = Decider(MAIN, instruments={BTC_USDT.symbol: BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits())
    venue.markets = (replace(BTC_USDT, tradable=False),)
    spawn(keep_instruments(decider, venue, age=2 * 86_400.0), name="markets")  # type: ignore[arg-type]  # as above
    await asyncio.sleep(1)
    assert decider.instruments == {BTC_USDT.symbol: venue.markets[0]}
