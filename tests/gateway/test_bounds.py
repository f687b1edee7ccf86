"""What a token is bound to beside its strategy: markets, and limits of its own."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from oms.book import account_stream
from oms.breaks.decisions import Disagreement, DisagreementsReport
from oms.breaks.events import BreakKind
from oms.gateway.allowance import RateLimitedError, TokenLimits
from oms.gateway.tokens import InvalidTokenError, PostgresTokens, Scope, mint, read_limits
from oms.market_data import unquoted
from oms.order.messages import SubmitAccepted
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.values import AccountId, ClientOrderId, ExecId, Side, StrategyId, Symbol, VenueOrderId
from tests.gateway.house import MAIN, TRADER, House
from tests.order.story import BTC_PERPETUAL, SPOT

BTC, ETH = "BTC/USDT", "ETH/USDT"


def small(**limits: Any) -> TokenLimits:
    return TokenLimits(**limits)


async def filled(house: House, name: str, symbol: str, token: str) -> None:
    placed = await house.place(client_order_id=name, symbol=symbol, token=token)
    assert placed.status == 202, placed
    trade = TradeReport(exec_id=ExecId(name), symbol=Symbol(symbol), price=Decimal(60000), quantity=Decimal("0.01"))
    await house.report(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), trade)


async def test_a_token_trades_and_sees_its_own_markets_alone(house: House) -> None:
    wide, narrow = house.token, house.tokens.create("maker", symbols=[BTC])
    await filled(house, "b1", BTC, narrow)
    await filled(house, "e1", ETH, wide)

    refused = await house.place(client_order_id="e2", symbol=ETH, token=narrow)
    assert (refused.status, refused.json["code"], refused.json["outcome"]) == (403, "forbidden", "none")
    for path, seen in (
        ("/v1/orders", ["b1"]),
        ("/v1/fills", ["b1"]),
        ("/v1/positions", [BTC]),
        ("/v1/instruments", [BTC]),
    ):
        items = (await house.call("GET", path, token=narrow)).json["items"]
        assert [item.get("client_order_id", item["symbol"]) for item in items] == seen
    for path in ("/v1/orders/e1", "/v1/orders/e1/timeline"):
        assert (await house.call("GET", path, token=narrow)).status == 404
    for path in ("/v1/orders?symbol=ETH/USDT", "/v1/fills?symbol=ETH/USDT"):
        assert (await house.call("GET", path, token=narrow)).status == 403
    streams = {event["data"]["stream"] for event in (await house.call("GET", "/v1/events", token=narrow)).json["items"]}
    assert streams == {"account/main", "order/main/b1", "position/main/BTC/USDT/net"}


async def test_cancel_all_reaches_the_tokens_own_markets_alone(house: House) -> None:
    narrow = house.tokens.create("maker", symbols=[BTC])
    for name, symbol in (("b1", BTC), ("e1", ETH)):
        await house.place(client_order_id=name, symbol=symbol)
        await house.report(name, SubmitAccepted(venue_order_id=VenueOrderId(name)))
    assert (await house.call("DELETE", "/v1/orders/e1", token=narrow, headers={"Idempotency-Key": "k"})).status == 404
    items = (await house.call("POST", "/v1/cancel-all", {}, token=narrow)).json["items"]
    assert [item["client_order_id"] for item in items] == ["b1"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"quantity": "0.01", "price": "60000"}, 202),  # 600
        ({"quantity": "0.01", "price": "60001"}, 422),
        ({"type": "market", "quantity": None, "price": None, "notional": "600"}, 202),
        ({"type": "market", "quantity": None, "price": None, "notional": "600.01"}, 422),
        ({"type": "market", "side": "sell", "price": None}, 422),  # it may be worth anything
    ],
)
async def test_a_token_places_no_more_at_once_than_its_limit(
    house: House, changes: dict[str, Any], status: int
) -> None:
    token = house.tokens.create(limits=small(order_notional_max=Decimal(600)))
    before = await house.log.head()
    answer = await house.place(token=token, **changes)
    assert answer.status == status
    if status == 422:
        assert (answer.json["code"], answer.json["outcome"]) == ("order_notional_max", "none")
        assert await house.log.head() == before
        assert (await house.place(**changes)).status == 202  # another token of the same strategy may


async def test_a_tokens_sell_is_worth_what_its_market_bids_however_little_it_asks_for(house: House) -> None:
    token = house.tokens.create(limits=small(order_notional_max=Decimal(600)))
    house.engine.decider.quotes = lambda symbol: replace(unquoted(symbol), bid=Decimal(60_000))
    for quantity, price, status in (("0.01", "60000", 202), ("0.02", "1", 422), ("0.02", "30000", 422)):
        ask = {"client_order_id": f"{quantity} {price}".replace(" ", "x").replace(".", "d"), "side": "sell"}
        assert (await house.place(token=token, quantity=quantity, price=price, **ask)).status == status
    assert (await house.place(token=token, side="buy", quantity="0.02", price="30000")).status == 202


async def test_a_token_places_no_faster_than_its_limit(house: House) -> None:
    token = house.tokens.create(limits=small(orders_per_second=3))
    answers = [await house.place(client_order_id=f"o{number}", token=token) for number in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    refused = answers[-1]
    assert (refused.json["code"], refused.json["retryable"], refused.json["outcome"]) == ("rate_limited", True, "none")
    assert refused.headers["Retry-After"] == "1"
    assert (await house.place(client_order_id="mine")).status == 202  # nobody else waits for it
    assert (await house.call("POST", "/v1/cancel-all", {}, token=token)).status == 200  # nor does a cancel
    await asyncio.sleep(1.0)
    assert (await house.place(client_order_id="o3", token=token)).status == 202


@pytest.mark.parametrize("limits", [{"order_notional_max": Decimal(500)}, {"orders_per_second": 1}])
async def test_a_repeated_placing_hears_what_the_first_one_heard_whatever_its_token_may_place_now(
    house: House, limits: dict[str, Any]
) -> None:
    """Told that nothing happened, its strategy would place it once more, smaller and under another id."""
    first = await house.place(client_order_id="mine", quantity="0.01", price="60000")
    token = house.tokens.create(limits=small(**limits))
    await house.place(client_order_id="other", quantity="0.001", price="60000", token=token)
    again = await house.place(client_order_id="mine", quantity="0.01", price="60000", token=token)
    assert (again.status, again.json) == (first.status, first.json) == (202, first.json)
    refused = await house.place(client_order_id="new", quantity="0.01", price="60000", token=token)
    assert refused.json["outcome"] == "none"
    stranger = house.tokens.create("taker", limits=small(**limits))
    await house.place(client_order_id="third", quantity="0.001", price="60000", token=stranger)
    theirs = await house.place(client_order_id="mine", quantity="0.01", price="60000", token=stranger)
    assert theirs.json["code"] == refused.json["code"], "which orders others have is nobody's to find out"


async def test_each_order_of_a_batch_counts(house: House) -> None:
    token = house.tokens.create(limits=small(orders_per_second=2))
    orders = [{"client_order_id": f"o{n}", "symbol": BTC, "side": "buy", "type": "limit", "quantity": "0.01",
               "price": "60000"} for n in range(3)]  # fmt: skip
    items = (await house.call("POST", "/v1/orders/batch", {"orders": orders}, token=token)).json["items"]
    assert [item["status"] for item in items] == [202, 202, 429]
    assert items[2]["problem"]["code"] == RateLimitedError.code


async def test_bounds_live_in_postgres(database: str) -> None:
    store = PostgresTokens(database)
    limits = small(order_notional_max=Decimal("1000.50"), orders_per_second=5)
    token, _ = store.create(
        strategy=StrategyId("s"),
        accounts=[AccountId("main")],
        scopes=TRADER,
        symbols=[Symbol(BTC), Symbol("BTC/USDT:USDT")],
        limits=limits,
    )
    (kept,) = await store.valid()
    assert (kept.token_id, kept.symbols, kept.limits) == (token.token_id, (BTC, "BTC/USDT:USDT"), limits)


def test_limits_are_read_by_name() -> None:
    assert read_limits(["order_notional_max=10.5", "orders_per_second=2"]) == small(
        order_notional_max=Decimal("10.5"), orders_per_second=2
    )
    assert read_limits([]) == TokenLimits()


@pytest.mark.parametrize(
    "texts",
    [["orders=1"], ["order_notional_max"], ["order_notional_max=x"], ["orders_per_second=1.5"],
     ["orders_per_second=1", "orders_per_second=2"]],
)  # fmt: skip
def test_a_limit_that_cannot_be_meant_is_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidTokenError):
        read_limits(texts)


@pytest.mark.parametrize(
    ("symbols", "limits"),
    [
        (["BTCUSDT"], TokenLimits()),
        ([], small(order_notional_max=Decimal(0))),
        ([], small(order_notional_max=Decimal("NaN"))),
        ([], small(orders_per_second=0)),
    ],
)
def test_a_token_with_bounds_that_mean_nothing_is_not_made(symbols: list[str], limits: TokenLimits) -> None:
    with pytest.raises(InvalidTokenError):
        mint(
            strategy=StrategyId("s"),
            accounts=[AccountId("a")],
            scopes=[Scope.READ],
            symbols=[Symbol(symbol) for symbol in symbols],
            limits=limits,
        )


async def test_an_order_is_not_amended_beyond_the_limit(house: House) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, amend=True)
    token = house.tokens.create(limits=small(order_notional_max=Decimal(600)))
    assert (await house.place(token=token)).status == 202  # 0.01 at 60000
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    for change, status in (({"price": "60001"}, 422), ({"quantity": "0.02"}, 422), ({"price": "59999"}, 202)):
        answer = await house.call(
            "PATCH", "/v1/orders/c1", change, token=token, headers={"Idempotency-Key": str(change)[2:8]}
        )
        assert answer.status == status, answer
        assert answer.json.get("code") in {None, "order_notional_max"}


async def test_a_tokens_limit_counts_the_changes_that_are_on_their_way(house: House) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, amend=True)
    token = house.tokens.create(limits=small(order_notional_max=Decimal(150)))
    await house.place(token=token, quantity="1", price="100")
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    path = "/v1/orders/c1"
    larger = await house.call("PATCH", path, {"quantity": "1.4"}, headers={"Idempotency-Key": "a1"}, token=token)
    assert larger.status == 202, larger
    dearer = await house.call("PATCH", path, {"price": "140"}, headers={"Idempotency-Key": "a2"}, token=token)
    assert (dearer.status, dearer.json["code"]) == (422, "order_notional_max"), "both: 196 of the 150 allowed"


async def test_a_repeated_change_is_answered_as_the_first_though_another_one_came_between(house: House) -> None:
    house.engine.decider.capabilities = lambda _: replace(SPOT, amend=True)
    token = house.tokens.create(limits=small(order_notional_max=Decimal(150)))
    await house.place(token=token, quantity="1", price="100")
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))

    async def changed(key: str, **change: str) -> Any:
        return await house.call("PATCH", "/v1/orders/c1", change, headers={"Idempotency-Key": key}, token=token)

    first = await changed("a1", price="140")
    assert first.status == 202, first
    picture = OrderReport(
        symbol=Symbol(BTC),
        status=VenueOrderStatus.NEW,
        client_order_id=ClientOrderId("c1"),
        venue_order_id=VenueOrderId("v1"),
        side=Side.BUY,
        quantity=Decimal(1),
        price=Decimal(140),
        cum_quantity=Decimal(0),
    )
    await house.report("c1", picture)
    assert (await changed("a2", price="100", quantity="1.4")).status == 202
    await house.report("c1", replace(picture, price=Decimal(100), quantity=Decimal("1.4")))
    again = await changed("a1", price="140")  # would make it worth 196 today
    assert again.json == first.json, again


RISK = (Scope.READ, Scope.RISK_WRITE)
KEY = {"Idempotency-Key": "k"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/leverage", {"symbol": BTC_PERPETUAL.symbol, "leverage": "20", "margin_mode": "cross"}),
        ("PUT", "/v1/position-mode", {"mode": "hedge"}),
        ("POST", "/v1/halt", {"reason": "r", "symbol": BTC}),
        ("POST", "/v1/halt", {"reason": "r"}),
        ("POST", "/v1/resume", {"reason": "r", "symbol": BTC}),
        ("POST", "/v1/resume", {"reason": "r"}),
    ],
)
async def test_a_token_for_one_market_sets_halts_and_resumes_no_other(
    house: House, method: str, path: str, body: dict[str, str]
) -> None:
    house.engine.decider.instruments = {**house.engine.decider.instruments, BTC_PERPETUAL.symbol: BTC_PERPETUAL}
    guard = house.tokens.create("guard", scopes=RISK)
    for symbol in (BTC, None):
        await house.call("POST", "/v1/halt", {"reason": "storm", "symbol": symbol}, token=guard)
    narrow, before = house.tokens.create("maker", scopes=RISK, symbols=[ETH]), await house.log.head()
    refused = await house.call(method, path, body, token=narrow, headers=KEY)
    assert (refused.status, refused.json["code"], refused.json["outcome"]) == (403, "forbidden", "none")
    assert await house.log.head() == before
    done = await house.call(method, path, body, token=guard, headers=KEY)
    assert done.status in {200, 202}


async def test_a_token_for_one_market_halts_and_resumes_its_own(house: House) -> None:
    narrow = house.tokens.create("maker", scopes=RISK, symbols=[ETH])
    for path, halts in (("/v1/halt", 1), ("/v1/resume", 0)):
        said = await house.call("POST", path, {"reason": "r", "symbol": ETH}, token=narrow)
        assert [len(item["halts"]) for item in said.json["items"]] == [halts]


async def test_a_token_for_one_market_sees_and_ends_no_break_of_another(house: House) -> None:
    found = [
        Disagreement(kind=BreakKind.PRICE, subject=name, ours="1", theirs="2", symbol=Symbol(symbol))
        for name, symbol in (("b1", BTC), ("e1", ETH))
    ]
    told = DisagreementsReport(disagreements=tuple(found), kinds=frozenset({BreakKind.PRICE}))
    await house.engine.report([(account_stream(MAIN), told)])
    narrow = house.tokens.create("maker", scopes=RISK, symbols=[ETH])
    seen = (await house.call("GET", "/v1/breaks", token=narrow)).json["items"]
    assert [item["subject"] for item in seen] == ["e1"]
    for path in ("/v1/breaks/explain", "/v1/breaks/resolve"):
        body = {"break_id": found[0].break_id, "reason": "r"}
        refused = await house.call("POST", path, body, token=narrow)
        assert (refused.status, refused.json["code"]) == (422, "unknown_break")
    mine = await house.call("POST", path, {"break_id": found[1].break_id, "reason": "r"}, token=narrow)
    assert (mine.status, mine.json["items"]) == (200, [])
