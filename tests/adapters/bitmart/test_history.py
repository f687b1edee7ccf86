"""An account's history, window by window: halved where it is full, honest where it cannot be had."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from adapters.bitmart.history import DAY_MS, SPAN_MS, Hosts, Page, history
from oms.ports import LinkAnswer
from oms.reports import OrderReport
from tests.adapters.bitmart.fakes import CREDENTIALS, LOST, Call, FakeLink, LoopClock, ok, refused, spawn, virtual
from tests.adapters.bitmart.perp.desk import fill, row, windowed
from tests.adapters.bitmart.perp.test_venue import contract

SINCE, UNTIL = 1_790_000_000_000, 1_790_000_000_000 + 2 * SPAN_MS
ORDERS, TRADES = "/spot/v4/query/history-orders", "/spot/v4/query/trades"
OPEN = "/spot/v4/query/open-orders"
WAITING, WAITED = "/spot/v4/query/algo/open-orders", "/spot/v4/query/algo/history-orders"
TRANSFERS = "/account/v1/transfer-contract-list"
F = "/contract/private/"
GONE = LinkAnswer(404, {}, msgspec.json.encode({"code": 30000, "msg": "Not found", "trace": "t"}))


def trade(number: int, at_ms: int) -> dict[str, object]:
    return {
        "tradeId": str(number),
        "orderId": "1",
        "clientOrderId": "1",
        "symbol": "BTC_USDT",
        "side": "buy",
        "price": "1",
        "size": "1",
        "fee": "0",
        "feeCoinName": "USDT",
        "tradeRole": "taker",
        "createTime": at_ms,
    }


def venue() -> FakeLink:
    link = FakeLink()
    for path in (ORDERS, TRADES, OPEN, WAITING, WAITED):
        link.on(path, ok([]))
    link.on("/spot/v1/wallet", ok({"wallet": []}))
    for name in ("transaction-history", "trades", "position-v2", "assets-detail", "get-open-orders",
                 "current-plan-order", "order-history"):  # fmt: skip
        link.on(F + name, ok([]))
    link.on("/contract/public/details", ok({"symbols": [contract("BTCUSDT"), contract("ETHUSDT")]}))
    link.on(TRANSFERS, ok({"records": []}))
    return link


async def asked(link: FakeLink, *markets: Any) -> list[Page]:
    hosts = Hosts("http://venue.test", "http://venue.test")
    pages = history(
        CREDENTIALS,
        hosts,
        markets or ("spot",),
        since_ms=SINCE,
        until_ms=UNTIL,
        link=link,
        clock=LoopClock(),
        spawn=spawn,
    )
    return [page async for page in pages]


def of(pages: list[Page], topic: str) -> list[Page]:
    return [page for page in pages if page.topic == topic]


@virtual
async def test_every_window_is_asked_of_both_kinds_of_account_and_none_twice() -> None:
    link = venue()
    pages = await asked(link)
    windows = [(page.since_ms, page.until_ms) for page in of(pages, "trades")]
    assert windows == 2 * [(SINCE, SINCE + SPAN_MS), (SINCE + SPAN_MS, UNTIL)]
    assert [call.fields()["orderMode"] for call in link.of(TRADES)] == ["spot", "spot", "iso_margin", "iso_margin"]
    assert all(page.whole for page in pages)


@virtual
async def test_s17_a_window_that_is_full_is_halved_until_nothing_can_be_missing() -> None:
    """450 trades within one hour: more than twice what the venue shows at once."""
    link = venue()
    made = [trade(number, SINCE + number * 8_000) for number in range(1, 451)]

    def answer(call: Call) -> LinkAnswer:
        fields = call.fields()
        if fields["orderMode"] != "spot":
            return ok([])
        within = [each for each in made if fields["startTime"] <= each["createTime"] <= fields["endTime"]]
        return ok(within[:200])

    link.on(TRADES, answer)
    pages = of(await asked(link), "trades")
    assert [page.why for page in pages if not page.whole] == []
    assert {report.exec_id for page in pages for report in page.reports} == {str(n) for n in range(1, 451)}  # type: ignore[union-attr]
    covered = sorted((page.since_ms, page.until_ms) for page in pages if page.reports)
    assert all(a[1] == b[0] for a, b in pairwise(covered))  # they meet: no gap between them


@virtual
async def test_s17_a_full_second_is_asked_for_once_where_the_venue_takes_whole_seconds() -> None:
    """200 trades in one second, and as many in the two around it: a second is whole only by itself."""
    link = venue()
    made = [fill(number, SINCE + 5_000) for number in range(1, 201)]
    made += [fill(number, SINCE + (4_000 if number <= 300 else 7_000)) for number in range(201, 401)]
    link.on(F + "trades", windowed(made, 1000, 200))
    pages = of(await asked(link, "futures"), "trades")
    assert {report.exec_id for page in pages for report in page.reports} == {str(n) for n in range(1, 401)}  # type: ignore[union-attr]
    holes = [page for page in pages if not page.whole]
    assert [page.since_ms // 1000 for page in holes] == [SINCE // 1000 + 4, SINCE // 1000 + 5]  # type: ignore[operator]
    assert len(link.of(F + "trades")) < 100
    assert all(a.until_ms == b.since_ms for a, b in pairwise(pages))


@virtual
async def test_a_window_that_is_too_wide_for_the_venue_is_halved_down_to_a_day() -> None:
    link = venue()

    def answer(call: Call) -> LinkAnswer:
        width = call.fields()["endTime"] - call.fields()["startTime"]
        return ok([]) if width <= 8 * DAY_MS else refused(400, 50041, "out of the queryable time range")

    link.on(ORDERS, answer)
    pages = of(await asked(link), "orders")
    assert all(page.whole for page in pages)
    assert {page.until_ms - page.since_ms for page in pages} == {SPAN_MS // 4}  # type: ignore[operator]


@virtual
async def test_what_stays_refused_is_a_hole_with_its_reason() -> None:
    link = venue()
    link.on(ORDERS, refused(400, 50041, "out of the queryable time range"))
    pages = of(await asked(link), "orders")
    assert not any(page.whole for page in pages)
    assert {page.until_ms - page.since_ms <= DAY_MS for page in pages} == {True}  # type: ignore[operator]
    assert "50041" in pages[0].why


@virtual
async def test_a_call_without_an_answer_is_made_again_and_then_is_a_hole() -> None:
    link = venue()
    link.on(TRADES, LOST, LOST, ok([]))
    assert all(page.whole for page in await asked(link))
    link.on(TRADES, LOST)
    pages = await asked(link)
    assert not any(page.whole for page in of(pages, "trades"))
    assert all(page.whole for page in of(pages, "orders"))  # the rest went on


@virtual
async def test_a_call_that_the_venue_switched_off_is_not_asked_a_hundred_times() -> None:
    link = venue()
    for name in ("transaction-history", "trades"):
        link.on(F + name, GONE)
    pages = of(await asked(link, "futures"), "ledger")
    assert len(link.of(F + "transaction-history")) == 1
    assert [(page.since_ms, page.until_ms) for page in pages] == [(SINCE, SINCE + SPAN_MS), (SINCE + SPAN_MS, UNTIL)]
    assert not any(page.whole for page in pages)


@virtual
async def test_futures_orders_are_asked_for_by_the_symbols_that_money_names_and_then_by_all_others() -> None:
    link = venue()
    funding = {
        "symbol": "ETHUSDT",
        "type": "Funding Fee",
        "flow_type": 3,
        "amount": "-0.01",
        "asset": "USDT",
        "account": "futures",
        "time": str(SINCE + 1),
        "tran_id": "9",
    }
    link.on(F + "transaction-history", ok([funding]), ok([]))
    pages = await asked(link, "futures")
    assert [page.symbol for page in of(pages, "orders")] == ["ETH/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT:USDT"]
    assert all(page.whole for page in pages)


@virtual
async def test_an_order_that_never_traded_is_found_in_a_market_that_no_money_names() -> None:
    link = venue()
    gone = row("5", "gone", symbol="ETHUSDT", state=4, create_time=SINCE + 5, update_time=SINCE + 6)
    link.on(F + "order-history", lambda call: ok([gone] if call.fields()["symbol"] == "ETHUSDT" else []))
    found = [report for page in of(await asked(link, "futures"), "orders") for report in page.reports]
    assert [report.venue_order_id for report in found if isinstance(report, OrderReport)] == ["5"]


@pytest.mark.parametrize("details", [refused(400, 30018), ok({"symbols": [contract("BTCUSDT"), {"news": 1}]})])
@virtual
async def test_what_markets_there_are_is_a_hole_where_it_cannot_be_read(details: LinkAnswer) -> None:
    link = venue()
    link.on("/contract/public/details", details)
    (page,) = of(await asked(link, "futures"), "contracts")
    assert not page.whole


@virtual
async def test_a_page_of_transfers_is_full_with_those_that_failed_too() -> None:
    link = venue()

    def answer(call: Call) -> LinkAnswer:
        numbers = {1: range(100), 2: range(100, 101)}[call.fields()["page"]]
        return ok({"records": [moved(n, "FAILED" if n == 5 else "FINISHED") for n in numbers]})

    link.on(TRANSFERS, answer)
    pages = of(await asked(link, "futures"), "transfers")
    assert len(pages) == 2
    assert all(page.whole for page in pages)
    assert len({report.ledger_id for page in pages for report in page.reports}) == 100  # type: ignore[union-attr]


def moved(number: int, state: str) -> dict[str, object]:
    return {
        "transfer_id": str(number),
        "currency": "USDT",
        "amount": "1",
        "type": "spot_to_contract",
        "state": state,
        "timestamp": SINCE + number,
    }


@virtual
async def test_open_orders_from_before_the_archive_begins_are_open_too() -> None:
    link = venue()
    old = {"orderId": "1", "clientOrderId": "x", "symbol": "BTC_USDT", "state": "new", "createTime": SINCE - DAY_MS}
    for path in (OPEN, WAITING):
        link.on(path, lambda call: ok([old] if call.fields()["startTime"] <= old["createTime"] else []))
    pages = await asked(link)
    assert [len(page.reports) for page in of(pages, "open_orders")] == [1]
    assert [len(page.reports) for page in of(pages, "open_triggers")] == [1, 1]


@virtual
async def test_what_waited_for_a_price_is_asked_for_of_either_kind() -> None:
    link = venue()
    pages = await asked(link)
    assert [call.fields()["orderMode"] for call in link.of(WAITING)] == ["trigger", "tp/sl"]
    assert [call.fields()["orderMode"] for call in link.of(WAITED)] == ["trigger", "trigger", "tp/sl", "tp/sl"]
    windows = [(page.since_ms, page.until_ms) for page in of(pages, "trigger_history")]
    assert windows == 2 * [(SINCE, SINCE + SPAN_MS), (SINCE + SPAN_MS, UNTIL)]


@pytest.mark.parametrize("path", [ORDERS, TRADES])
def test_every_page_brings_its_bytes(path: str) -> None:
    @virtual
    async def story() -> None:
        pages = await asked(venue())
        page = next(page for page in pages if page.evidence.channel == f"POST {path}")
        assert b"startTime" in page.evidence.request
        assert b'"code":1000' in page.evidence.response
        assert CREDENTIALS.key.encode() not in page.evidence.request

    story()
