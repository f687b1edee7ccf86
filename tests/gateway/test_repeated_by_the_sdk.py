"""The whole way: the SDK, a wire that loses one answer, the gateway, the engine."""

import asyncio
import socket

import pytest

import oms
from oms.account.events import TradingResumed
from oms.account.state import HaltTrading
from oms.client_wire import RefusedError, UnreachableError
from oms.gateway.allowance import TokenLimits
from oms.gateway.tokens import Scope
from tests.gateway.conftest import house as house  # noqa: PLC0414 - the fixture
from tests.gateway.house import MAIN, House
from tests.gateway.test_client import GOOD, Lossy


async def test_a_resume_whose_answer_is_lost_ends_no_halt_that_came_after_it(house: House) -> None:
    token = house.tokens.create(scopes=(Scope.READ, Scope.RISK_WRITE))
    await house.engine.execute(HaltTrading(account=MAIN, reason="no feed", halt_id="h1"), actor="operator")
    seized: list[asyncio.Task[object]] = []

    def resumed(facts: object) -> None:
        if not seized and any(isinstance(event, TradingResumed) for _, event, _ in facts):  # type: ignore[attr-defined]
            halt = HaltTrading(account=MAIN, reason="liquidation by the venue", halt_id="h2")
            seized.append(asyncio.get_running_loop().create_task(house.engine.execute(halt, actor="oms")))

    house.engine.on_commit.append(resumed)
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=token) as client:
        lossy.plan = ["lose the answer"]
        with pytest.raises(UnreachableError, match="it may be done; look before you ask again"):
            await client.resume("the feed is back", account="main")  # one call of a person's
        assert lossy.plan == []
    assert seized
    halt = house.engine.book.account.halts.get((None, None))
    assert halt is not None
    assert halt.halt_id == "h2"


async def test_the_sdk_never_says_none_of_an_order_that_may_have_landed(house: House) -> None:
    """The first answer is lost; whoever starts anew is not reconciled for longer than the SDK asks."""
    append = house.log.append

    async def slow(batch):  # type: ignore[no-untyped-def]
        outcome = await append(batch)
        house.engine.trading = False  # by now another process is up, and not reconciled yet
        await asyncio.sleep(0.5)
        return outcome

    house.log.append = slow  # type: ignore[method-assign]
    async with oms.connect(house.url, token=house.token, timeout=0.2) as client:
        with pytest.raises(RefusedError) as refused:
            await client.place(**GOOD)
    (landed,) = [event.stream for event in await house.events() if event.topic == "order-requested/1"]
    assert (refused.value.code, refused.value.outcome) == ("not_ready", "unknown")
    assert refused.value.problem.outcome == "unknown"
    assert "an attempt before may have arrived; of the last: " in refused.value.cause
    assert f"order/main/{refused.value.client_order_id}" == landed
    assert f"order {refused.value.client_order_id}: " in str(refused.value)


async def test_the_sdk_hears_of_an_order_that_landed_where_the_token_has_a_pace(house: House) -> None:
    token = house.tokens.create(limits=TokenLimits(orders_per_second=1))
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=token) as client:
        lossy.plan = ["lose the answer"]
        placed = await client.place(**GOOD, client_order_id="c1")
    assert placed.client_order_id == "c1"
    assert await house.log.read("order/main/c1")


async def test_an_oms_that_takes_the_call_and_says_nothing_is_said_to_have_been_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.client_calls.PAUSES", (0.001,))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections, and nobody reads them
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with oms.connect(url, token="oms_a_b", timeout=0.05) as client:
            with pytest.raises(UnreachableError, match="attempts: none came in time") as unreachable:
                await client.cancel_all()
    assert unreachable.value.outcome == "unknown"
