"""How orders are found on futures while the venue's clock is set."""

import asyncio

import pytest

from adapters.bitmart.perp import codec
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import ok, virtual
from tests.adapters.bitmart.perp.desk import WAITING, Desk, child
from tests.adapters.bitmart.perp.test_orders import found


@virtual
async def test_s29_a_clock_of_the_venue_that_is_set_ahead_does_not_call_an_order_canceled_that_has_just_fired() -> None:
    desk = Desk()
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    clock = desk.venue._rest.server_clock
    assert clock._said is not None
    said_ns, at = clock._said
    clock._said = (said_ns + 240_000_000_000, at)
    await asyncio.sleep(0.5)
    with pytest.raises(NoAnswerError, match="may not show yet"):
        await desk.venue.order(WAITING)
    desk.link.on(codec.OPEN_ORDERS, ok([child()]))
    assert (await found(desk, WAITING)).status == "new"
