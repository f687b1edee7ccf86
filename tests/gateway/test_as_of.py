"""`?as_of=` travels: every read answers as it would have answered then."""

import pytest

from oms.order.messages import SubmitAccepted
from oms.values import VenueOrderId
from tests.gateway.house import House
from tests.order.story import trade


@pytest.fixture
async def story(house: House) -> tuple[House, int]:
    """An order that was accepted, then filled; and the position between the two."""
    await house.place()
    between = await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    await house.report("c1", trade("t1", "0.01", "60000"))
    await house.place(client_order_id="c2")
    return house, between


async def test_every_list_says_what_it_would_have_said_then(story: tuple[House, int]) -> None:
    house, between = story

    async def asked(path: str) -> dict[str, list[object]]:
        answer = await house.call("GET", f"{path}?as_of={between}")
        assert (answer.status, answer.json["position"], answer.headers["OMS-Position"]) == (200, between, str(between))
        return dict(answer.json)

    assert [(item["client_order_id"], item["status"]) for item in (await asked("/v1/orders"))["items"]] == [  # type: ignore[index]
        ("c1", "open")
    ]
    assert (await asked("/v1/fills"))["items"] == []
    assert (await asked("/v1/positions"))["items"] == []
    balances = {item["currency"]: item for item in (await asked("/v1/balances"))["items"]}  # type: ignore[index]
    assert (balances["BTC"]["total"], balances["USDT"]["held"]) == ("100", "600.60000")  # type: ignore[index]
    assert (await asked("/v1/events"))["items"][-1]["position"] == between  # type: ignore[index]


async def test_an_order_and_its_story_are_cut_off_there(story: tuple[House, int]) -> None:
    house, between = story
    order = (await house.call("GET", f"/v1/orders/c1?as_of={between}")).json
    assert (order["status"], order["cum_quantity"], order["position"]) == ("open", "0", between)
    told = (await house.call("GET", f"/v1/orders/c1/timeline?as_of={between}")).json
    assert [item["type"] for item in told["items"]][-1] == "venue-accepted/1"
    assert (await house.call("GET", f"/v1/orders/c2?as_of={between}")).status == 404
    assert (await house.call("GET", "/v1/orders/c1")).json["status"] == "filled"


async def test_a_time_is_a_moment_too(story: tuple[House, int]) -> None:
    house, _ = story
    assert (await house.call("GET", "/v1/orders?as_of=2000-01-01T00:00:00Z")).json["items"] == []
    items = (await house.call("GET", "/v1/orders?as_of=2100-01-01T00:00:00Z")).json["items"]
    assert [item["client_order_id"] for item in items] == ["c2", "c1"]


@pytest.mark.parametrize("text", ["yesterday", "-1", "99999", "2026-01-01"])
async def test_what_is_no_moment_of_the_log_is_refused(story: tuple[House, int], text: str) -> None:
    answer = await story[0].call("GET", f"/v1/orders?as_of={text}")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, "invalid_as_of", "none")


async def test_too_far_back_says_where_to_ask(house: House) -> None:
    for number in range(120):
        await house.place(client_order_id=f"c{number}", quantity="1000")  # denied, and both are in the log
    answer = await house.call("GET", f"/v1/balances?as_of={await house.log.head()}")
    assert (answer.status, answer.json["code"]) == (422, "as_of_too_large")
    assert "--as-of" in answer.json["next_step"]


async def test_the_sdk_travels_too(story: tuple[House, int]) -> None:
    house, between = story
    async with house.client() as client:
        assert (await client.order("c1", as_of=between)).status == "open"
        assert (await client.orders(as_of=between)).position == between
        assert await client.positions(as_of=between) == []
        assert len(await client.positions()) == 1
