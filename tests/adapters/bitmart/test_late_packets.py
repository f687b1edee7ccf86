"""A request that is held up on its way and arrives long after everybody gave up."""

import asyncio

import msgspec
import pytest

from adapters.bitmart.spot.venue import Options
from oms.reports import OrderReport
from oms.values import ClientOrderId
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import ORDER, REF, virtual
from tests.conformance.houses import spot_house

LATE = {"request_delayed": 1.0}  # by up to a minute


@pytest.mark.parametrize("seed", range(5))
@virtual
async def test_s54_a_late_packet_with_a_window_is_refused_by_the_venue(seed: int) -> None:
    house = spot_house("windowed", Options(submit_window_ms=3000))
    async with house.opened():
        await house.venue.open_orders()  # the clock is measured
        house.simulator.set_faults(seed=seed, rates=LATE)
        with pytest.raises(NoAnswerError):
            await house.venue.submit(ORDER)
        house.simulator.set_faults(seed=seed, rates={})
        await asyncio.sleep(house.venue.capabilities(ORDER.symbol).submit_validity)
        absent = (await house.venue.order(REF)).reports
        await asyncio.sleep(70)
        assert (await house.venue.order(REF)).reports == absent, "what was absent once the window closed stays absent"
        assert not any(isinstance(report, OrderReport) for report in absent)


@virtual
async def test_s54_without_a_window_it_executes_within_the_minute_that_the_capabilities_say() -> None:
    house = spot_house("plain")
    async with house.opened():
        await house.venue.open_orders()
        house.simulator.set_faults(seed=1, rates=LATE)
        names = [ClientOrderId(f"late{number}") for number in range(10)]
        for name in names:
            with pytest.raises(NoAnswerError):
                await house.venue.submit(msgspec.structs.replace(ORDER, client_order_id=name))
        house.simulator.set_faults(seed=1, rates={})

        def there() -> list[str]:
            return [order.client_order_id for order in house.simulator.spot.exchange.accounts["main"].open.values()]

        held_up = there()
        await asyncio.sleep(house.venue.capabilities(ORDER.symbol).submit_validity)
        arrived = there()
        assert len(arrived) > len(held_up), "some came after everybody had given up"
        await asyncio.sleep(120)
        assert there() == arrived
