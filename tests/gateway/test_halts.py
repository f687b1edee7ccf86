"""A halt that would stop nothing is not called one: its market exists, and what was not halted is not resumed."""

import pytest

from oms.book import position_stream
from oms.gateway.tokens import Scope
from oms.order.messages import SubmitAccepted
from oms.values import PositionLeg, Symbol, VenueOrderId
from tests.gateway.house import MAIN, House
from tests.order.story import trade

HALT, RESUME = "/v1/halt", "/v1/resume"


def guard(house: House) -> str:
    return house.tokens.create("guard", scopes=(Scope.RISK_WRITE,))


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc/usdt", "FOO/BAR", "BTC/USDT:USDT", "BTC/USD:BTC"])
async def test_a_halt_of_a_market_that_no_account_has_is_refused_as_an_order_is(house: House, symbol: str) -> None:
    head = await house.log.head()
    refused = await house.call("POST", HALT, {"reason": "storm", "symbol": symbol}, token=guard(house))
    assert (refused.status, refused.json["code"], refused.json["outcome"]) == (422, "unknown_symbol", "none")
    assert await house.log.head() == head
    assert (await house.call("POST", HALT, {"reason": "storm", "symbol": "BTC/USDT"}, token=guard(house))).status == 200


async def test_a_market_of_one_account_alone_is_halted_on_all() -> None:
    async with House.opened(accounts=("main", "other")) as house:
        del house.engine.decider.instruments[Symbol("ETH/USDT")]  # type: ignore[attr-defined]
        token = house.tokens.create("guard", accounts=("main", "other"), scopes=(Scope.RISK_WRITE,))
        body = {"reason": "storm", "symbol": "ETH/USDT"}
        items = (await house.call("POST", HALT, body, token=token)).json["items"]
        assert [len(item["halts"]) for item in items] == [1, 1]
        refused = await house.call("POST", HALT, body | {"account": "main", "symbol": "FOO/BAR"}, token=token)
        assert refused.json["code"] == "unknown_symbol"


async def test_a_market_that_is_listed_no_more_is_halted_where_an_order_or_a_position_is(house: House) -> None:
    await house.place()
    house.engine.decider.instruments = {}
    body = {"reason": "delisted", "symbol": "BTC/USDT"}
    assert (await house.call("POST", HALT, body, token=guard(house))).status == 200
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), trade("t1", "0.01", "60000"))
    house.engine.book.orders.clear()  # the position alone is left
    assert position_stream(MAIN, Symbol("BTC/USDT"), PositionLeg.NET) in house.engine.book.positions
    await house.call("POST", RESUME, body, token=guard(house))
    assert (await house.call("POST", HALT, body, token=guard(house))).status == 200


async def test_a_halt_is_taken_while_nobody_knows_yet_which_markets_there_are(house: House) -> None:
    house.engine.decider.instruments = {}
    house.engine.trading = False
    body = {"reason": "storm", "symbol": "SOL/USDT:USDT"}
    (item,) = (await house.call("POST", HALT, body, token=guard(house))).json["items"]
    assert [halt["symbol"] for halt in item["halts"]] == ["SOL/USDT:USDT"]
    spelled = await house.call("POST", HALT, body | {"symbol": "SOLUSDT"}, token=guard(house))
    assert spelled.json["code"] == "unknown_symbol", "no market is spelled like that"
    house.engine.trading = True
    assert (await house.call("POST", RESUME, body, token=guard(house))).json["items"][0]["halts"] == []


async def test_a_resume_of_what_is_not_halted_says_so(house: House) -> None:
    token = guard(house)
    await house.call("POST", HALT, {"reason": "storm", "symbol": "BTC/USDT"}, token=token)
    for scope in ({}, {"symbol": "ETH/USDT"}, {"strategy": "maker"}, {"symbol": "BTC/USDT", "strategy": "maker"}):
        said = await house.call("POST", RESUME, {"reason": "calm"} | scope, token=token)
        (item,) = said.json["items"]
        assert (said.status, item["note"]) == (200, "nothing was halted in that scope"), item
        assert [halt["symbol"] for halt in item["halts"]] == ["BTC/USDT"], "as it was"
    (item,) = (await house.call("POST", RESUME, {"reason": "calm", "symbol": "BTC/USDT"}, token=token)).json["items"]
    assert item == {"account": "main", "status": 200, "halts": []}


@pytest.mark.parametrize(
    ("path", "body"), [(HALT, {"reason": "panic"}), (RESUME, {"reason": "calm"}), ("/v1/cancel-all", {})]
)
async def test_a_command_that_reaches_no_account_is_refused_and_not_called_done(
    house: House, path: str, body: dict[str, str]
) -> None:
    scopes = (Scope.RISK_WRITE, Scope.ORDERS_CANCEL)
    elsewhere = house.tokens.create("guard", accounts=("another",), scopes=scopes)
    refused = await house.call("POST", path, body, token=elsewhere)
    assert (refused.status, refused.json["code"], refused.json["outcome"]) == (422, "unknown_account", "none")
