"""An order of nobody's is seen, is given to a strategy with a reason, and is from then on that strategy's."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.gateway.tokens import Scope
from oms.ports import AppendOutcome, Batch, StoredEvent
from oms.reports import OrderReport, VenueOrderStatus
from oms.values import Origin, Side, Symbol, VenueOrderId
from tests.gateway.house import House
from tests.order.story import trade

SEEN = OrderReport(
    symbol=Symbol("BTC/USDT"),
    status=VenueOrderStatus.NEW,
    venue_order_id=VenueOrderId("7"),
    side=Side.BUY,
    quantity=Decimal(2),
    price=Decimal(100),
)
CLAIM = {"strategy": "maker", "reason": "placed by hand for the maker"}
PATH = "/v1/orders/external7"


async def risk_token(house: House) -> str:
    return house.tokens.create("desk", scopes=[Scope.READ, Scope.RISK_WRITE])


async def test_a_claimed_order_is_the_strategys_with_what_it_traded_and_may_be_canceled_by_it(house: House) -> None:
    await house.report("external7", SEEN, trade("t1", "0.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
    assert (await house.call("GET", PATH)).status == 404
    assert (await house.cancel("external7")).status == 404
    claimed = await house.call("POST", f"{PATH}/claim", CLAIM, token=await risk_token(house))
    assert (claimed.status, claimed.json["strategy"], claimed.json["status"]) == (200, "maker", "partially_filled")
    position = claimed.json["position"]
    assert (await house.call("GET", f"{PATH}?min_position={position}")).json["strategy"] == "maker"
    (fill,) = (await house.call("GET", "/v1/fills")).json["items"]
    assert (fill["exec_id"], fill["strategy"]) == ("t1", "maker")
    (leg,) = (await house.call("GET", "/v1/positions")).json["items"]
    assert leg["shares"] == {"maker": "0.5"}
    assert (await house.cancel("external7")).status == 202
    story = (await house.call("GET", f"{PATH}/timeline?min_position={position}")).json["items"]
    (told,) = [each for each in story if each["type"] == "order-claimed/1"]
    assert (told["event"]["reason"], told["actor"]) == (CLAIM["reason"], "desk")


async def test_the_same_claim_again_writes_nothing_and_another_ones_order_cannot_be_taken(house: House) -> None:
    await house.report("external7", SEEN)
    token = await risk_token(house)
    await house.call("POST", f"{PATH}/claim", CLAIM, token=token)
    head = await house.log.head()
    again = await house.call("POST", f"{PATH}/claim", CLAIM, token=token)
    assert (again.status, await house.log.head()) == (200, head)
    other = await house.call("POST", f"{PATH}/claim", CLAIM | {"strategy": "taker"}, token=token)
    assert (other.status, other.json["code"], other.json["outcome"]) == (422, "not_claimable", "none")
    assert "an order of the strategy maker" in other.json["detail"]
    await house.place(client_order_id="c1")
    mine = await house.call("POST", "/v1/orders/c1/claim", CLAIM | {"strategy": "taker"}, token=token)
    assert mine.json["code"] == "not_claimable"


async def test_what_is_not_there_or_is_the_venues_own_or_gave_nothing_cannot_be_claimed(house: House) -> None:
    token = await risk_token(house)
    assert (await house.call("POST", f"{PATH}/claim", CLAIM, token=token)).status == 404
    await house.report("external8", replace(SEEN, venue_order_id=VenueOrderId("8"), origin=Origin.ADL))
    ended = replace(SEEN, venue_order_id=VenueOrderId("9"), status=VenueOrderStatus.CANCELED)
    await house.report("external9", ended)
    for name, why in (("external8", "the venue's own: a adl"), ("external9", "there is nothing to give")):
        said = await house.call("POST", f"/v1/orders/{name}/claim", CLAIM, token=token)
        assert (said.status, said.json["code"], why in said.json["detail"]) == (422, "not_claimable", True), said.json
    await house.report("external7", SEEN)
    nobody = await house.call("POST", f"{PATH}/claim", CLAIM | {"strategy": "external"}, token=token)
    assert nobody.json["code"] == "not_claimable"
    assert (await house.call("POST", f"{PATH}/claim", CLAIM)).status == 403  # a strategy does not help itself


async def test_a_reader_sees_an_order_from_its_claim_on(house: House) -> None:
    begun = await house.log.head()
    await house.report("external7", SEEN)
    async with house.client() as client:
        await house.call("POST", f"{PATH}/claim", CLAIM, token=await risk_token(house))
        await house.report("external7", trade("t1", "0.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
        seen = []
        async for event in client.events(since=begun):
            seen.append(event.type)
            if len(seen) == 3:
                break
    assert seen == ["order-claimed/1", "order-filled/1", "fill-booked/1"]


@pytest.mark.parametrize("looked_at", [1, 2])
async def test_a_claimed_orders_fill_reaches_its_strategy_though_others_read_what_came_before_the_claim(
    house: House, looked_at: int
) -> None:
    other = house.tokens.create("taker")
    begun = await house.log.head()
    await house.report("external7", SEEN)
    await house.report("external7", trade("t1", "0.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
    await house.call("GET", f"/v1/events?since={begun}", token=other)  # it is nobody's yet
    await house.call("POST", f"{PATH}/claim", CLAIM, token=await risk_token(house))
    past = f"/v1/events?since={begun}&as_of={begun + looked_at}"
    assert (await house.call("GET", past, token=other)).json["items"] == []
    now = await house.log.head()
    await house.report("external7", trade("t2", "0.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
    told = (await house.call("GET", f"/v1/events?since={now}")).json["items"]
    assert [each["type"] for each in told] == ["order-filled/1", "fill-booked/1"]


async def test_an_order_of_nobodys_is_read_once_for_each_of_its_events_however_many_ask(house: House) -> None:
    begun, reads, read = await house.log.head(), 0, house.log.read
    await house.report("external7", SEEN)
    for number in range(3):
        fill = trade(f"t{number}", "0.5", client_order_id=None, venue_order_id=VenueOrderId("7"))
        await house.report("external7", fill)

    async def counted(stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
        nonlocal reads
        reads += 1
        return await read(stream, after_version=after_version)

    house.log.read = counted  # type: ignore[method-assign]
    for _ in range(3):
        assert (await house.call("GET", f"/v1/events?since={begun}")).json["items"] == []
    assert reads == 1


SHARE = CLAIM | {"symbol": "BTC/USDT", "quantity": "0.5"}
K1 = {"Idempotency-Key": "k1"}


async def test_a_share_that_no_order_made_is_given_in_parts_and_once_a_key(house: House) -> None:
    await house.report("external7", SEEN, trade("t1", "1.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
    token = await risk_token(house)
    path = "/v1/positions/claim"
    assert (await house.call("POST", path, SHARE, token=token)).json["code"] == "idempotency_key_required"
    first = await house.call("POST", path, SHARE, token=token, headers=K1)
    assert (first.status, first.json["nobodys"], first.json["strategy"]) == (200, "1.0", "maker")
    again = await house.call("POST", path, SHARE, token=token, headers=K1)
    assert (again.status, again.json["nobodys"]) == (200, "1.0")
    (leg,) = (await house.call("GET", f"/v1/positions?min_position={first.json['position']}")).json["items"]
    assert (leg["quantity"], leg["shares"]) == ("1.5", {"maker": "0.5", "others": "1.0"})
    much = await house.call("POST", path, SHARE | {"quantity": "1.1"}, token=token, headers={"Idempotency-Key": "k2"})
    assert (much.status, much.json["code"], much.json["outcome"]) == (422, "not_claimable", "none")
    assert (await house.call("POST", path, SHARE, headers=K1)).status == 403, "a strategy does not help itself"
    taker = house.tokens.create("taker", scopes=[Scope.READ])
    for reader, count in (("", 1), (taker, 0)):
        events = (await house.call("GET", "/v1/events", token=reader)).json["items"]
        told = [each["data"]["reason"] for each in events if each["type"] == "share-claimed/1"]
        assert told == [CLAIM["reason"]] * count


async def test_an_answer_about_a_share_shows_nothing_that_is_not_in_the_log(house: House) -> None:
    await house.report("external7", SEEN, trade("t1", "1.5", client_order_id=None, venue_order_id=VenueOrderId("7")))
    token, append = await risk_token(house), house.log.append

    async def slow(batch: Batch) -> AppendOutcome:
        await asyncio.sleep(0.3)
        return await append(batch)

    house.log.append = slow  # type: ignore[method-assign]

    async def claimed(key: str) -> str:
        answer = await house.call("POST", "/v1/positions/claim", SHARE, token=token, headers={"Idempotency-Key": key})
        return str(answer.json["nobodys"])

    async with asyncio.TaskGroup() as group:
        first = group.create_task(claimed("k1"))
        await asyncio.sleep(0.1)
        second = group.create_task(claimed("k2"))
    assert (first.result(), second.result()) == ("1.0", "0.5")
