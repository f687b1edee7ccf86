"""Placing, reading and cancelling orders over HTTP."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from oms.book import account_stream
from oms.errors import LogUnavailableError
from oms.gateway.tokens import Scope
from oms.order.messages import SubmitAccepted, SubmitRefused
from oms.reports import OrderReport, PositionModeReport, VenueOrderStatus
from oms.store.codec import decode_meta
from oms.values import PositionMode, Provenance, Side, Symbol, VenueOrderId
from tests.gateway.house import ETH_USDT, MAIN, House, order
from tests.order.story import BTC_PERPETUAL, SPOT, shown, trade


async def test_a_placed_order_is_answered_once_it_is_in_the_log(house: House) -> None:
    answer = await house.place(post_only=True, tags={"why": "test"})
    assert answer.status == 202
    assert answer.json == {
        "client_order_id": "c1",
        "account": "main",
        "strategy": "maker",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "status": "sending",
        "quantity": "0.01",
        "price": "60000",
        "time_in_force": "gtc",
        "post_only": True,
        "reduce_only": False,
        "position_leg": "net",
        "cum_quantity": "0",
        "leaves_quantity": "0.01",
        "tags": {"why": "test"},
        "position": await house.log.head(),
    }
    assert answer.headers["OMS-Position"] == str(answer.json["position"])
    assert [event.topic for event in await house.log.read("order/main/c1")] == ["order-requested/1", "send-started/1"]


async def test_the_same_order_again_gets_the_first_answer_and_writes_nothing(house: House) -> None:
    first = await house.place()
    before = await house.log.head()
    again = await house.place()
    assert again.status == first.status
    assert again.json == first.json
    assert await house.log.head() == before


async def test_an_id_that_was_used_for_another_order_is_a_conflict(house: House) -> None:
    await house.place()
    before = await house.log.head()
    answer = await house.place(quantity="0.02")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (409, "duplicate_client_order_id", "none")
    assert await house.log.head() == before


async def test_a_repeat_gets_the_first_answer_whatever_has_happened_since(house: House) -> None:
    placed = await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    canceled = await house.cancel("c1")
    await house.report("c1", trade("t1", "0.01", "60000"))
    assert (await house.call("GET", "/v1/orders/c1")).json["status"] == "filled"
    before = await house.log.head()
    for first, again in ((placed, await house.place()), (canceled, await house.cancel("c1"))):
        assert (again.status, again.json, again.headers["OMS-Position"]) == (
            first.status,
            first.json,
            first.headers["OMS-Position"],
        )
    assert await house.log.head() == before


async def test_an_order_beyond_the_funds_is_denied_and_the_denial_is_recorded(house: House) -> None:
    answer = await house.place(quantity="1000")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, "insufficient_funds", "recorded")
    assert answer.json["order"]["status"] == "denied"
    assert answer.json["position"] == await house.log.head()
    assert "needs 60060000" in answer.json["detail"]
    again = await house.place(quantity="1000")
    assert (again.status, again.json) == (422, answer.json)


async def test_an_order_is_read_as_the_log_tells_it(house: House) -> None:
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), trade("t1", "0.004", "59999.5"))
    answer = await house.call("GET", "/v1/orders/c1")
    assert answer.status == 200
    assert answer.json["status"] == "partially_filled"
    assert (answer.json["cum_quantity"], answer.json["leaves_quantity"]) == ("0.004", "0.006")
    assert (answer.json["average_price"], answer.json["venue_order_id"]) == ("59999.5", "v1")
    assert answer.json["created_at"] < answer.json["updated_at"]
    assert answer.json["position"] == await house.log.head()


async def test_a_small_amount_is_spelled_without_an_exponent(house: House) -> None:
    await house.place()
    await house.report("c1", trade("t1", "0.0000001", "60000"))
    answer = await house.call("GET", "/v1/orders/c1")
    assert answer.json["cum_quantity"] == "0.0000001"


async def test_a_cancel_is_answered_once_it_is_asked_for(house: House) -> None:
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    answer = await house.cancel("c1")
    assert (answer.status, answer.json["status"]) == (202, "pending_cancel")
    before = await house.log.head()
    repeated = await house.cancel("c1")
    assert (repeated.status, await house.log.head()) == (202, before)


async def test_a_cancel_without_a_key_is_refused(house: House) -> None:
    await house.place()
    before = await house.log.head()
    answer = await house.cancel("c1", key=None)
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (400, "idempotency_key_required", "none")
    assert await house.log.head() == before


async def test_a_cancel_repeated_after_the_order_ended_is_still_the_same_request(house: House) -> None:
    await house.place()
    first = await house.cancel("c1", key="k1")
    await house.report("c1", shown(VenueOrderStatus.CANCELED))
    assert (await house.cancel("c1", key="k1")).json == first.json
    late = await house.cancel("c1", key="k2")
    assert (late.status, late.json["code"]) == (409, "order_closed")


async def test_an_order_cannot_be_amended_and_the_answer_says_so(house: House) -> None:
    await house.place()
    answer = await house.call("PATCH", "/v1/orders/c1", {"price": "1"}, headers={"Idempotency-Key": "a"})
    assert (answer.status, answer.json["code"], answer.json["outcome"]) == (422, "unsupported", "none")


async def test_a_batch_answers_for_each_order_by_itself(house: House) -> None:
    orders = [
        order(client_order_id="a"),
        order(client_order_id="b", quantity="1000"),
        order(client_order_id="c", price="60000.001"),
        order(client_order_id="a"),
        order(client_order_id="a", side="sell"),
    ]
    answer = await house.call("POST", "/v1/orders/batch", {"orders": orders})
    assert answer.status == 200
    assert [item["status"] for item in answer.json["items"]] == [202, 422, 422, 202, 409]
    codes = [item.get("problem", {}).get("code") for item in answer.json["items"]]
    assert codes == [None, "insufficient_funds", "off_grid", None, "duplicate_client_order_id"]
    assert await house.log.existing(["order/main/a", "order/main/b", "order/main/c"]) == {
        "order/main/a",
        "order/main/b",
    }


async def test_an_order_of_a_batch_that_left_memory_gets_its_first_answer_where_it_would_be_refused_today(
    house: House,
) -> None:
    await house.place(client_order_id="a")
    await house.report("a", SubmitRefused(reason="insufficient_funds"))
    engine = house.engine
    engine.book._closed_kept = 0
    engine.book.trim()
    engine.decider.instruments = {ETH_USDT.symbol: ETH_USDT}  # the other one was delisted meanwhile
    before = len(house.log.sealed())
    new = {"symbol": "ETH/USDT", "price": "3000"}
    orders = [
        order(client_order_id="a"),
        order(client_order_id="b"),
        order(client_order_id="c", **new),
        order(client_order_id="d", **new),
    ]
    answer = await house.call("POST", "/v1/orders/batch", {"orders": orders})
    items = answer.json["items"]
    codes = [item.get("problem", {}).get("code") for item in items]
    assert codes == [None, "unknown_symbol", None, None]
    assert items[0]["status"] == 202
    assert len(house.log.sealed()) == before + 1, "what is new shares a commit"


async def test_one_malformed_order_refuses_a_batch_before_any_is_taken(house: House) -> None:
    before = await house.log.head()
    orders = [order(client_order_id="a"), order(client_order_id="b", price=60000)]
    answer = await house.call("POST", "/v1/orders/batch", {"orders": orders})
    assert (answer.status, answer.json["code"]) == (422, "invalid_body")
    assert "$.orders[1].price" in answer.json["detail"]
    assert await house.log.head() == before


async def test_s19_cancel_all_cancels_a_strategys_own_orders_and_no_others(house: House) -> None:
    taker = house.tokens.create("taker")
    by_hand = OrderReport(
        symbol=Symbol("BTC/USDT"),
        status=VenueOrderStatus.NEW,
        venue_order_id=VenueOrderId("v9"),
        side=Side.BUY,
        order_type="limit",
        quantity=Decimal(1),
        price=Decimal(50_000),
    )
    await house.report("v9", by_hand, source=Provenance.POLL)
    await house.place(client_order_id="m1")
    await house.place(client_order_id="m2", symbol="ETH/USDT", price="3000")
    await house.place(client_order_id="t1", token=taker)
    answer = await house.call("POST", "/v1/cancel-all", {"symbol": "BTC/USDT"})
    assert [(item["client_order_id"], item["status"]) for item in answer.json["items"]] == [("m1", 202)]
    answer = await house.call("POST", "/v1/cancel-all")
    assert sorted(item["client_order_id"] for item in answer.json["items"]) == ["m1", "m2"]
    assert (await house.call("GET", "/v1/orders/t1", token=taker)).json["status"] == "sending"
    operator = house.tokens.create("operator", scopes=(Scope.ADMIN,))
    assert (await house.call("GET", "/v1/orders/v9", token=operator)).json["status"] == "open"
    cancels = [event.stream for event in await house.events() if event.topic.startswith("cancel-requested/")]
    assert sorted(cancels) == ["order/main/m1", "order/main/m1", "order/main/m2"], "each request is kept"


async def test_orders_are_listed_page_by_page_though_new_ones_arrive(house: House) -> None:
    for number in range(5):
        await house.place(client_order_id=f"c{number}")
    first = await house.call("GET", "/v1/orders?limit=2")
    await house.place(client_order_id="late")
    second = await house.call("GET", f"/v1/orders?limit=2&cursor={first.json['next_cursor']}")
    third = await house.call("GET", f"/v1/orders?limit=2&cursor={second.json['next_cursor']}")
    names = [item["client_order_id"] for page in (first, second, third) for item in page.json["items"]]
    assert names == ["c4", "c3", "c2", "c1", "c0"]
    assert "next_cursor" not in third.json


async def test_orders_are_listed_by_what_is_asked(house: House) -> None:
    await house.place(client_order_id="a")
    await house.place(client_order_id="b", symbol="ETH/USDT", price="3000")
    await house.place(client_order_id="c", quantity="1000")
    listed = await house.call("GET", "/v1/orders?open=true&symbol=BTC/USDT&account=main&strategy=maker")
    assert [item["client_order_id"] for item in listed.json["items"]] == ["a"]


async def test_what_was_written_can_be_waited_for(house: House) -> None:
    house.reads.held_at = await house.log.head()
    placed = await house.place()
    late = await house.call("GET", f"/v1/orders?min_position={placed.json['position']}")
    assert (late.status, late.json["code"], late.json["retryable"]) == (504, "position_not_reached", True)

    async def catch_up() -> None:
        await asyncio.sleep(0.05)
        house.reads.held_at = None

    reading = house.call("GET", f"/v1/orders?min_position={placed.json['position']}")
    listed, _ = await asyncio.gather(reading, catch_up())
    assert [item["client_order_id"] for item in listed.json["items"]] == ["c1"]
    assert listed.json["position"] >= placed.json["position"]
    beyond = await house.call("GET", f"/v1/orders/c1?min_position={placed.json['position'] + 1}")
    assert (beyond.status, beyond.json["code"]) == (504, "position_not_reached")


async def test_fills_positions_and_balances_show_what_a_trade_did(house: House) -> None:
    await house.place()
    await house.report("c1", trade("t1", "0.004", "60000", commission=Decimal("0.24")))
    fill = (await house.call("GET", "/v1/fills")).json["items"][0]
    assert (fill["exec_id"], fill["quantity"], fill["commission"]) == ("t1", "0.004", "0.24")
    leg = (await house.call("GET", "/v1/positions")).json["items"][0]
    assert (leg["symbol"], leg["leg"], leg["quantity"], leg["open_cost"]) == ("BTC/USDT", "net", "0.004", "240.000")
    balances = {item["currency"]: item for item in (await house.call("GET", "/v1/balances")).json["items"]}
    assert balances["BTC"]["total"] == "100.004"
    assert balances["USDT"]["held"] == "360.360000"


async def test_instruments_show_the_grid(house: House) -> None:
    items = (await house.call("GET", "/v1/instruments")).json["items"]
    assert [(item["symbol"], item["price_step"]) for item in items] == [("BTC/USDT", "0.01"), ("ETH/USDT", "0.01")]


async def test_the_timeline_tells_the_whole_story_with_its_bytes(house: House) -> None:
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), wire=True)
    await house.report("c1", trade("t1", "0.01", "60000"), wire=True)
    story = (await house.call("GET", "/v1/orders/c1/timeline")).json
    assert [entry["type"] for entry in story["items"]] == [
        "order-requested/1",
        "send-started/1",
        "venue-accepted/1",
        "order-filled/1",
        "fill-booked/1",
    ]
    asked, _, accepted, filled, booked = story["items"]
    assert (asked["actor"], asked["source"], asked["epoch"]) == ("maker", "command", 1)
    assert (accepted["actor"], accepted["event"]) == ("venue", {"venue_order_id": "v1"})
    assert [(message["direction"], message["body"]) for message in accepted["messages"]] == [
        ("out", '{"ask":1}'),
        ("in", '{"answer":2}'),
    ]
    assert booked["cause"] == filled["cause"] == filled["messages"][-1]["message_id"]
    assert booked["stream"] == "position/main/BTC/USDT/net"
    assert story["order"]["status"] == "filled"


async def test_bytes_that_may_speak_of_others_are_for_who_may_read_the_account(house: House) -> None:
    await house.place()
    await house.report("c1", trade("t1", "0.01", "60000"), wire=True, source=Provenance.STREAM)
    auditor = house.tokens.create("maker", scopes=(Scope.READ, Scope.AUDIT_READ))
    for token, body in ((house.token, None), (auditor, '{"answer":2}')):
        story = (await house.call("GET", "/v1/orders/c1/timeline", token=token)).json
        message = story["items"][-1]["messages"][-1]
        assert (message.get("body"), message.get("withheld", False)) == (body, body is None)
        assert message["channel"] == "POST /spot/v4/query"


async def test_a_request_named_like_a_message_does_not_open_it(house: House) -> None:
    await house.place(client_order_id="theirs", token=house.tokens.create("taker"))
    await house.report("theirs", SubmitAccepted(venue_order_id=VenueOrderId("v1")), wire=True)
    secret = decode_meta((await house.log.read("order/main/theirs"))[-1].state).cause
    assert await house.log.messages([secret])
    await house.place(client_order_id="mine")
    assert (await house.cancel("mine", key=secret)).status == 202
    story = (await house.call("GET", "/v1/orders/mine/timeline")).json
    assert story["items"][-1]["cause"] == secret
    assert story["items"][-1]["messages"] == []


async def test_s18_halted_trading_denies_orders_with_the_halts_id_until_it_is_resumed(house: House) -> None:
    guard = house.tokens.create("guard", scopes=(Scope.RISK_WRITE,))
    halted = await house.call("POST", "/v1/halt", {"reason": "storm"}, token=guard)
    assert halted.status == 200
    (item,) = halted.json["items"]
    (halt,) = item["halts"]
    assert (item["account"], halt["reason"]) == ("main", "storm")
    denied = await house.place()
    assert (denied.status, denied.json["code"], denied.json["outcome"]) == (422, "trading_halted", "recorded")
    assert denied.json["detail"].endswith(f"storm (halt {halt['halt_id']})")
    assert any(halt["halt_id"].encode() in event.state for event in await house.events() if event.stream[0] == "a")
    resumed = await house.call("POST", "/v1/resume", {"reason": "calm"}, token=guard)
    assert resumed.json["items"] == [{"account": "main", "status": 200, "halts": []}]
    assert (await house.place(client_order_id="c2")).status == 202


async def test_a_halt_may_be_of_one_strategy_or_one_market(house: House) -> None:
    guard, taker = house.tokens.create("guard", scopes=(Scope.RISK_WRITE,)), house.tokens.create("taker")
    await house.call("POST", "/v1/halt", {"reason": "r", "strategy": "maker"}, token=guard)
    await house.call("POST", "/v1/halt", {"reason": "r", "symbol": "ETH/USDT"}, token=guard)
    assert (await house.place(client_order_id="a1")).status == 422
    assert (await house.place(client_order_id="a2", token=taker)).status == 202
    assert (await house.place(client_order_id="a3", token=taker, symbol="ETH/USDT")).status == 422
    (item,) = (await house.call("POST", "/v1/resume", {"reason": "r", "strategy": "maker"}, token=guard)).json["items"]
    assert [halt.get("symbol") for halt in item["halts"]] == ["ETH/USDT"]
    assert (await house.place(client_order_id="a4")).status == 202


async def test_a_halt_that_names_no_account_is_of_every_account_the_token_sees() -> None:
    async with House.opened(accounts=("main", "other", "third")) as house:
        guard = house.tokens.create("guard", accounts=("main", "other"), scopes=(Scope.RISK_WRITE,))
        items = (await house.call("POST", "/v1/halt", {"reason": "storm"}, token=guard)).json["items"]
        assert [(item["account"], len(item["halts"])) for item in items] == [("main", 1), ("other", 1)]
        trader = house.tokens.create("maker", accounts=("main", "other", "third"))
        for account, status in (("main", 422), ("other", 422), ("third", 202)):
            assert (await house.place(account=account, token=trader)).status == status


async def test_a_change_is_answered_once_it_is_in_the_log(house: House) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, amend=True)
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    path, key = "/v1/orders/c1", {"Idempotency-Key": "a1"}
    answer = await house.call("PATCH", path, {"price": "59000.00"}, headers=key)
    assert (answer.status, answer.json["status"], answer.json["price"]) == (202, "pending_amend", "60000")
    again = await house.call("PATCH", path, {"price": "59000.00"}, headers=key)
    assert again.json == answer.json
    topics = [event.topic for event in await house.log.read("order/main/c1")]
    assert topics.count("amend-requested/1") == 1
    for body, headers, code in (
        ({"price": "59000.00"}, {}, "idempotency_key_required"),
        ({}, key, "invalid_order"),
        ({"price": "59000.001"}, {"Idempotency-Key": "a2"}, "off_grid"),
        ({"price": 59000}, {"Idempotency-Key": "a3"}, "invalid_body"),
        ({"quantity": "90000"}, {"Idempotency-Key": "a4"}, "limit_exceeded"),
    ):
        assert (await house.call("PATCH", path, body, headers=headers)).json["code"] == code


async def test_settings_of_perpetuals_are_asked_for_and_shown_once_read_back(house: House) -> None:
    house.engine.decider.instruments = {BTC_PERPETUAL.symbol: BTC_PERPETUAL}
    key = {"Idempotency-Key": "s1"}
    body = {"symbol": "BTC/USDT:USDT", "leverage": "20", "margin_mode": "cross"}
    answer = await house.call("PUT", "/v1/leverage", body, headers=key)
    assert (answer.status, answer.json.get("leverage")) == (403, None)
    risk = house.tokens.create("guard", scopes=(Scope.RISK_WRITE,))
    answer = await house.call("PUT", "/v1/leverage", body, headers=key, token=risk)
    assert (answer.status, answer.json.get("leverage")) == (202, None)
    too_much = await house.call("PUT", "/v1/leverage", body | {"leverage": "200"}, headers=key, token=risk)
    assert (too_much.status, too_much.json["code"]) == (422, "leverage")
    mode = await house.call("PUT", "/v1/position-mode", {"mode": "hedge"}, headers=key, token=risk)
    assert (mode.status, mode.json["requested"]) == (202, "hedge")
    await house.engine.report([(account_stream(MAIN), PositionModeReport(mode=PositionMode.HEDGE))])
    again = await house.call("PUT", "/v1/position-mode", {"mode": "hedge"}, headers=key, token=risk)
    assert again.json["mode"] == "hedge"
    assert "requested" not in again.json


async def test_an_order_may_be_good_till_a_time(house: House) -> None:
    until = "2030-01-02T03:04:05.600000Z"
    answer = await house.place(expires_at=until)
    assert answer.status == 202
    assert (answer.json["time_in_force"], answer.json["expires_at"]) == ("gtd", until)
    again = await house.place(expires_at="2030-01-02T04:04:05.6+01:00", time_in_force="gtd")
    assert again.json["position"] == answer.json["position"], "the same moment is the same order"
    other = await house.place(expires_at="2030-01-02T03:04:06Z")
    assert other.json["code"] == "duplicate_client_order_id"
    (listed,) = (await house.call("GET", "/v1/orders")).json["items"]
    assert listed["expires_at"] == until
    (event,) = (each for each in await house.events() if each.topic == "order-requested/1")
    assert b'"expires_ns":1893553445600000000' in event.state


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": "gtd"},
        {"time_in_force": "ioc", "expires_at": "2030-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": "tomorrow"},
        {"expires_at": 1893456000},
        {"expires_at": "9999-12-31T23:59:59-12:00"},  # past the last year that there is a name for
        {"expires_at": "2262-04-11T23:47:16.854776Z"},  # past what a table can hold
        {"expires_at": "1969-12-31T23:59:59.999999Z"},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
    ],
)
async def test_a_time_that_is_none_is_refused(house: House, changes: dict[str, Any]) -> None:
    answer = await house.place(**changes)
    assert answer.status == 422
    assert answer.json["outcome"] == "none"
    assert not any(event.topic == "order-requested/1" for event in await house.events())


async def test_a_change_does_not_hang_while_the_log_is_gone(house: House) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, amend=True)
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    house.engine._ready.clear()
    placed = await house.place(client_order_id="c2")
    operator, key = house.tokens.create("operator", scopes=(Scope.ADMIN,)), {"Idempotency-Key": "a1"}
    claim = {"strategy": "maker", "reason": "placed by hand"}
    for call in (
        house.call("PATCH", "/v1/orders/c1", {"price": "59000.00"}, headers=key),
        house.cancel("c1"),
        house.call("POST", "/v1/orders/c1/claim", claim, token=operator),
    ):
        answer = await asyncio.wait_for(call, 2)
        assert (answer.status, answer.json["code"], answer.json["outcome"]) == (503, "log_unavailable", "none")
        assert answer.json == placed.json
    house.engine._ready.set()


async def test_a_repeated_cancel_all_ends_nothing_that_came_after_it(house: House) -> None:
    await house.place(client_order_id="c1")
    key = {"Idempotency-Key": "all1"}
    first = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert [each["client_order_id"] for each in first.json["items"]] == ["c1"]
    await house.place(client_order_id="c2")
    again = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert again.json["items"] == first.json["items"]
    assert "order/main/c2" in house.engine.book.open
    assert not house.engine.book.orders["order/main/c2"].cancels
    other = await house.call("POST", "/v1/cancel-all", {}, headers={"Idempotency-Key": "all2"})
    assert [each["client_order_id"] for each in other.json["items"]] == ["c1", "c2"]


async def test_a_repeated_cancel_all_asks_for_what_the_first_one_did_not_come_to(house: House) -> None:
    for name in ("c1", "c2"):
        await house.place(client_order_id=name)
    key, offer = {"Idempotency-Key": "k1"}, house.engine.offer

    def once(command: Any, **said: Any) -> Any:
        if command.client_order_id == "c2":
            raise LogUnavailableError("it went away")
        return offer(command, **said)

    house.engine.offer = once  # type: ignore[method-assign]
    first = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert [each["status"] for each in first.json["items"]] == [202, 503]
    house.engine.offer = offer  # type: ignore[method-assign]
    await house.place(client_order_id="c3")
    again = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert [(each["client_order_id"], each["status"]) for each in again.json["items"]] == [("c1", 202), ("c2", 202)]


async def test_a_cancel_of_one_order_is_not_taken_for_a_cancel_all_of_that_key(house: House) -> None:
    await house.place(client_order_id="c1")
    await house.cancel("c1", key="k1")
    await house.place(client_order_id="c2")
    answer = await house.call("POST", "/v1/cancel-all", {}, headers={"Idempotency-Key": "k1"})
    assert [each["client_order_id"] for each in answer.json["items"]] == ["c1", "c2"]


async def test_a_key_of_a_cancel_all_is_its_callers_own(house: House) -> None:
    taker, admin = house.tokens.create("taker"), house.tokens.create("desk", scopes=[Scope.ADMIN])
    key = {"Idempotency-Key": "1"}
    await house.place(client_order_id="a1")
    first = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert [each["client_order_id"] for each in first.json["items"]] == ["a1"]
    await house.place(client_order_id="b1", token=taker)
    everybodys = await house.call("POST", "/v1/cancel-all", {}, token=admin, headers=key)
    assert [each["client_order_id"] for each in everybodys.json["items"]] == ["a1", "b1"]
    assert house.engine.book.orders["order/main/b1"].cancels
    await house.place(client_order_id="a2")
    again = await house.call("POST", "/v1/cancel-all", {}, headers=key)
    assert again.json["items"] == first.json["items"]
