"""Lists whose rows have names: page by page in the order of the names, whatever appears meanwhile."""

from decimal import Decimal

import pytest

from oms.gateway.tokens import Scope
from oms.gateway.views import encode, moment
from oms.order.messages import SubmitAccepted
from oms.values import Symbol, VenueOrderId
from tests.gateway.house import House
from tests.order.story import trade


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/balances", ["BTC", "USDT"]),
        ("/v1/instruments", ["BTC/USDT", "ETH/USDT"]),
    ],
)
async def test_pages_go_by_name_and_none_comes_twice(house: House, path: str, names: list[str]) -> None:
    first = (await house.call("GET", f"{path}?limit=1")).json
    second = (await house.call("GET", f"{path}?limit=1&cursor={first['next_cursor']}")).json
    items = [*first["items"], *second["items"]]
    assert [item.get("currency") or item["symbol"] for item in items] == names
    assert "next_cursor" not in second
    for cursor in ("x", "e30="):
        refused = await house.call("GET", f"{path}?cursor={cursor}")
        assert (refused.status, refused.json["code"]) == (422, "invalid_cursor")
    assert (await house.call("GET", f"{path}?limit=0")).json["code"] == "invalid_query"


async def test_positions_go_by_name_and_the_sdk_reads_all_pages(house: House) -> None:
    for name, symbol in (("e", "ETH/USDT"), ("b", "BTC/USDT")):
        await house.place(client_order_id=name, symbol=symbol)
        done = trade(name, "0.01", "60000", symbol=Symbol(symbol))
        await house.report(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), done)
    first = (await house.call("GET", "/v1/positions?limit=1")).json
    assert [item["symbol"] for item in first["items"]] == ["BTC/USDT"]
    async with house.client() as client:
        assert [position.symbol for position in await client.positions()] == ["BTC/USDT", "ETH/USDT"]
        assert {balance.currency for balance in await client.balances()} == {"BTC", "ETH", "USDT"}
        assert sum(position.quantity for position in await client.positions()) == Decimal("0.02")


async def test_markets_wait_for_a_position_and_travel_nowhere(house: House) -> None:
    assert (await house.call("GET", "/v1/instruments?min_position=1")).status == 200
    assert (await house.call("GET", "/v1/instruments?min_position=999999")).status == 504
    assert (await house.call("GET", "/v1/instruments?as_of=1")).json["code"] == "invalid_query"


def test_a_time_has_its_microseconds_also_where_they_are_none() -> None:
    assert encode(moment(1_700_000_000_000_000_000)) == b'"2023-11-14T22:13:20.000000Z"'
    assert encode(moment(1_700_000_000_123_456_789)) == b'"2023-11-14T22:13:20.123456Z"'


@pytest.mark.parametrize("name", ["orders", "fills", "positions", "balances", "breaks", "instruments", "events"])
async def test_a_list_of_an_account_that_does_not_run_here_is_refused_and_not_empty(house: House, name: str) -> None:
    answer = await house.call("GET", f"/v1/{name}?account=nope")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, "unknown_account", "none")
    admin = house.tokens.create("boss", accounts=(), scopes=[Scope.ADMIN])
    assert (await house.call("GET", f"/v1/{name}?account=nope", token=admin)).json["code"] == "unknown_account"
