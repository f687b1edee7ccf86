"""S60: the venue takes a call away; what needs it is denied by that name, and the rest goes on."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from adapters.bitmart.answers import GONE_SECONDS
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.errors import CapabilityLostError
from oms.gateway.health import _calls, lost_calls
from oms.gateway.reconciling import VenueMetrics
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.values import Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, tell


def answer(status: int, body: bytes) -> LinkAnswer:
    return LinkAnswer(status=status, headers={"content-type": "application/json"}, body=body)


RETIRED = answer(200, b'{"code":30031,"message":"This service has been retired","trace":"t","data":{}}')
NOT_FOUND = answer(404, b'{"trace":"t","msg":"Not found","code":30000}')


@pytest.mark.parametrize("gone", [RETIRED, NOT_FOUND])
@pytest.mark.parametrize(
    ("symbol", "submit", "other", "market"),
    [
        (SPOT, spot.SUBMIT_ORDER, PERPETUAL, "bitmart spot"),
        (PERPETUAL, perp.SUBMIT_ORDER, SPOT, "bitmart perpetuals"),
    ],
)
def test_s60_after_one_refusal_new_orders_of_that_market_do_not_leave_and_everything_else_does(
    gone: LinkAnswer, symbol: Symbol, submit: str, other: Symbol, market: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        size = {SPOT: "0.01", PERPETUAL: "1"}
        await house.place("c1", "buy", size[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.answers[submit] = gone
        await house.place("c2", "buy", size[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c2") is Life.REJECTED)
        await house.place("c3", "buy", size[symbol], "50000", symbol=symbol)
        assert house.life("c3") is Life.DENIED
        assert house.order("c3").reason == f"capability_lost: {market} has retired submit"
        assert "c3" not in [each.body["client_order_id"] for each in house.network.submits()]
        assert _calls(house.engine).detail == f"{market} has retired submit"
        assert f'oms_venue_call_lost{{account="desk",call="submit",market="{market}"}} 1.0' in Scraped(house).text()
        await house.cancel("c1")  # cancels, queries, fills and the other market go on
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        house.stranger("sell", size[other], "50000", symbol=other)
        await house.place("p1", "buy", size[other], "50000", symbol=other)
        await house.until(lambda: house.life("p1") is Life.FILLED)
        assert house.oms.watcher.broken() is None
        await house.rests()

    tell(story)


@pytest.mark.parametrize(
    ("symbol", "cancel", "market"),
    [(SPOT, spot.CANCEL_ORDER, "bitmart spot"), (PERPETUAL, perp.CANCEL_ORDER, "bitmart perpetuals")],
)
def test_s60_a_cancel_that_nobody_takes_any_more_is_refused_here_by_that_name(
    symbol: Symbol, cancel: str, market: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        size = "0.01" if symbol == SPOT else "1"
        for name in ("c1", "c2"):
            await house.place(name, "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is house.life("c2") is Life.WORKING)
        house.network.answers[cancel] = RETIRED
        await house.cancel("c1")
        await house.until(lambda: house.told("c1")[-1] == "cancel-refused")
        with pytest.raises(CapabilityLostError, match=f"{market} has retired cancel"):
            await house.cancel("c2")
        assert "cancel-requested" not in house.told("c2"), "nothing of it was recorded"
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.place("c3", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c3") is Life.WORKING)
        house.stranger("sell", size, "50000", symbol=symbol)
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: not house.book.open)
        await house.rests()

    tell(story)


def test_s60_what_was_said_to_be_gone_is_tried_again_after_a_while() -> None:
    """A page in front of the venue may say it too: nobody should have to restart for that."""

    async def story(house: House) -> None:
        await house.start()
        house.network.answers[spot.SUBMIT_ORDER] = NOT_FOUND
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.REJECTED)
        house.network.mend()
        await house.place("c2", "buy", "0.01", "50000")
        assert house.life("c2") is Life.DENIED
        metrics = Scraped(house)
        assert "oms_venue_call_lost{" in metrics.text()
        await asyncio.sleep(GONE_SECONDS)
        await house.place("c3", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c3") is Life.WORKING)
        assert lost_calls(house.engine) == {}
        assert "oms_venue_call_lost{" not in metrics.text()
        await house.rests()

    tell(story)


class Scraped:
    """What a scrape shows of what is between us and the venue; one registry, as a running gateway has."""

    def __init__(self, house: House) -> None:
        self._registry = CollectorRegistry()
        self._metrics = VenueMetrics(self._registry, [house.engine], {}, house.clock)

    def text(self) -> str:
        self._metrics.look()
        return generate_latest(self._registry).decode()
