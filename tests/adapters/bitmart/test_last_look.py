"""The last look before the wire: every call that changes something asks once more, when its turn has come, whether it
may still leave. An account that was lost while a call waited for the venue's rates is another's by then.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.gate import Gate
from oms.reports import Refusal
from oms.values import MarginMode, PositionMode
from oms.venue import Amendment, Answer, NoAnswerError, Venue
from tests.adapters.bitmart import fakes
from tests.adapters.bitmart.fakes import FakeLink, bitmart, virtual
from tests.adapters.bitmart.perp import desk as perps

Call = Callable[[Venue], Awaitable[Answer]]

CHANGE = Amendment(order=perps.REF, price=Decimal(61_000))
ON_SPOT: dict[str, tuple[str, Call]] = {
    "submit": (spot.SUBMIT_ORDER, lambda venue: venue.submit(fakes.ORDER)),
    "cancel": (spot.CANCEL_ORDER, lambda venue: venue.cancel(fakes.KNOWN)),
    "cancel many": (spot.CANCEL_ORDERS, lambda venue: venue.cancel_many([fakes.KNOWN])),
}
ON_PERPETUALS: dict[str, tuple[str, Call]] = {
    "submit": (perp.SUBMIT_ORDER, lambda venue: venue.submit(perps.ORDER)),
    "cancel": (perp.CANCEL_ORDER, lambda venue: venue.cancel(perps.REF)),
    "amend": (perp.MODIFY_LIMIT_ORDER, lambda venue: venue.amend(CHANGE)),
    "leverage": (perp.SUBMIT_LEVERAGE, lambda venue: venue.set_leverage(perps.BTC, Decimal(5), MarginMode.CROSS)),
    "position mode": (perp.SET_POSITION_MODE, lambda venue: venue.set_position_mode(PositionMode.HEDGE)),
    "dead man": (perp.CANCEL_ALL_AFTER, lambda venue: venue.dead_man(perps.BTC, 60)),
}


class Lease:
    """Fresh when the call is asked for, and lost by the time that its turn has come."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked == 1


async def held_back(call: Call, venue: Venue) -> None:
    """The call certainly did not leave, for the lease's sake; of several orders each is told so."""
    lease = Lease()
    if call is ON_SPOT["cancel many"][1]:
        (refusal,) = (await call(Gate(venue, lease))).reports
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, "the lease on the account" in (refusal.text or "")) == ("not_sent", True)
    else:
        with pytest.raises(NoAnswerError, match="the lease on the account") as caught:
            await call(Gate(venue, lease))
        assert not caught.value.sent
    assert lease.asked == 2


@pytest.mark.parametrize("what", ON_SPOT)
@virtual
async def test_s22_on_spot_nothing_leaves_on_a_lease_that_was_lost_while_it_waited(what: str) -> None:
    link = FakeLink()
    path, call = ON_SPOT[what]
    await held_back(call, bitmart(link))
    assert not link.of(path)


@pytest.mark.parametrize("what", ON_PERPETUALS)
@virtual
async def test_s22_on_perpetuals_nothing_leaves_on_a_lease_that_was_lost_while_it_waited(what: str) -> None:
    desk = perps.Desk()
    path, call = ON_PERPETUALS[what]
    await held_back(call, desk.venue)
    assert not desk.link.of(path)


def test_every_call_that_changes_something_is_here() -> None:
    """A new one has to say how it is held back."""
    asking = {name for name, method in vars(Venue).items() if "last_look" in getattr(method, "__annotations__", {})}
    told = {"submit", "cancel", "cancel_many", "amend", "set_leverage", "set_position_mode", "dead_man"}
    assert asking == told
    assert len({*ON_SPOT, *ON_PERPETUALS}) == len(told)
