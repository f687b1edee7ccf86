"""Many orders in one call, a result for each; and one order in a batch of one, so that a late packet cannot execute."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.requests import SelfTrade
from adapters.bitmart.spot.venue import Options
from oms.errors import InvalidOrderError
from oms.ports import LinkAnswer
from oms.reports import Ack, Refusal, RefusalClass, Report
from oms.values import ClientOrderId, OrderType, Side, Symbol, VenueOrderId
from oms.venue import NewOrder, NoAnswerError, OrderRef
from tests.adapters.bitmart.fakes import (
    BTC,
    KNOWN,
    LOST,
    ORDER,
    UNREACHABLE,
    FakeLink,
    bitmart,
    ok,
    page,
    refused,
    virtual,
)

ETH = Symbol("ETH/USDT")


def order(number: int, symbol: Symbol = BTC) -> NewOrder:
    return msgspec.structs.replace(ORDER, client_order_id=ClientOrderId(f"oms{number}"), symbol=symbol)


def ref(number: int, venue_id: str | None = None, symbol: Symbol = BTC) -> OrderRef:
    known = None if venue_id is None else VenueOrderId(venue_id)
    return OrderRef(client_order_id=ClientOrderId(f"oms{number}"), symbol=symbol, venue_order_id=known)


def taken(*ids: str | None, code: int = 0, msg: str = "success") -> object:
    return ok({"code": code, "msg": msg, "data": {"orderIds": list(ids)}})


def results(reports: Sequence[Report]) -> list[str]:
    """Say each result in a word or two."""
    said = []
    for report in reports:
        assert isinstance(report, Ack | Refusal)
        what = f"ack {report.venue_order_id}" if isinstance(report, Ack) else f"{report.klass} {report.reason}"
        said.append(f"{report.client_order_id}: {what}")
    return said


# ------------------------------------------------------------------------------------------------ submits


@virtual
async def test_a_batch_leaves_in_the_venues_own_spelling_with_an_integer_window() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, taken("11", "12"))  # type: ignore[arg-type]
    market = NewOrder(
        client_order_id=ClientOrderId("oms2"),
        symbol=BTC,
        side=Side.BUY,
        type=OrderType.MARKET,
        notional=Decimal("25.50"),
    )
    await bitmart(link).submit_many([order(1), market])
    (call,) = link.of(codec.BATCH_ORDERS)
    assert call.fields() == {
        "symbol": "BTC_USDT",
        "orderParams": [
            {
                "side": "buy",
                "type": "limit",
                "clientOrderId": "oms1",
                "size": "0.001",
                "price": "60000",
                "stpMode": "none",
            },
            {"side": "buy", "type": "market", "clientOrderId": "oms2", "notional": "25.50", "stpMode": "none"},
        ],
        "recvWindow": 5000,
    }
    assert b'"recvWindow":5000' in call.body, "a JSON integer, not a string"


@virtual
async def test_trap_9_21_ids_without_mapping_are_never_taken_for_anyones() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, taken("12", "11"))  # type: ignore[arg-type]
    answer = await bitmart(link).submit_many([order(1), order(2)])
    assert results(answer.reports) == ["oms1: ack None", "oms2: ack None"]


@virtual
async def test_fewer_ids_than_orders_are_resolved_by_our_own_id_each() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, taken("11", None))  # type: ignore[arg-type]
    row = {"orderId": "11", "clientOrderId": "oms1", "symbol": "BTC_USDT", "state": "new"}
    link.on(codec.QUERY_CLIENT_ORDER, ok(row), refused(400, 50005))
    answer = await bitmart(link).submit_many([order(1), order(2)])
    assert results(answer.reports) == ["oms1: ack 11", "oms2: unknown unproven"]
    assert [call.fields()["clientOrderId"] for call in link.of(codec.QUERY_CLIENT_ORDER)] == ["oms1", "oms2"]
    assert answer.evidence.request.count(b"\n") == 2, "all three calls are the evidence"


@virtual
async def test_a_batch_whose_inner_envelope_says_no_is_looked_up_not_believed() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, taken(code=50020, msg="Balance not enough"))  # type: ignore[arg-type]
    row = {"orderId": "12", "clientOrderId": "oms2", "symbol": "BTC_USDT", "state": "new"}
    link.on(codec.QUERY_CLIENT_ORDER, refused(400, 50005), ok(row), LOST)
    answer = await bitmart(link).submit_many([order(1), order(2), order(3)])
    assert results(answer.reports) == ["oms1: unknown unproven", "oms2: ack 12", "oms3: unknown unproven"]
    first = answer.reports[0]
    assert isinstance(first, Refusal)
    assert first.text == "50020 Balance not enough"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused(400, 50033), "certain invalid_request"),
        (refused(401, 30007), "auth clock"),
        (refused(429, 30013), "rate_limit rate_limit"),
        (refused(200, 30016), "transient maintenance"),
        (page(502), "unknown unreadable"),
        (LOST, "unknown no_answer"),
        (UNREACHABLE, "transient not_sent"),
    ],
)
@virtual
async def test_what_befalls_the_whole_batch_befalls_each(answer: object, said: str) -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, answer)  # type: ignore[arg-type]
    reports = (await bitmart(link).submit_many([order(1), order(2)])).reports
    assert results(reports) == [f"oms1: {said}", f"oms2: {said}"]


@virtual
async def test_more_than_a_batch_goes_in_parts_of_one_symbol_and_comes_back_in_order() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, lambda call: taken(*[str(n + 1) for n, _ in enumerate(call.fields()["orderParams"])]))  # type: ignore[arg-type,return-value]
    orders = [order(number, ETH if number % 3 == 0 else BTC) for number in range(25)]
    answer = await bitmart(link).submit_many(orders)
    assert [report.client_order_id for report in answer.reports if isinstance(report, Ack)] == [
        one.client_order_id for one in orders
    ]
    sizes = [(call.fields()["symbol"], len(call.fields()["orderParams"])) for call in link.of(codec.BATCH_ORDERS)]
    assert sorted(sizes) == [("BTC_USDT", 6), ("BTC_USDT", 10), ("ETH_USDT", 9)]


@virtual
async def test_nothing_is_asked_for_nothing() -> None:
    link = FakeLink()
    assert (await bitmart(link).submit_many([])).reports == ()
    assert (await bitmart(link).cancel_many([])).reports == ()
    assert not link.calls


@pytest.mark.parametrize("orders", [[], [order(n) for n in range(11)]])
def test_a_batch_of_a_size_the_venue_does_not_take_is_never_built(orders: list[NewOrder]) -> None:
    with pytest.raises(ValueError, match="batch"):
        requests.batch(orders)


@pytest.mark.parametrize("window_ms", [0, 60_001])
def test_a_window_the_venue_does_not_take_is_never_sent(window_ms: int) -> None:
    with pytest.raises(ValueError, match="window"):
        requests.batch([order(1)], window_ms=window_ms)


def test_a_batch_of_two_symbols_is_none() -> None:
    with pytest.raises(InvalidOrderError):
        requests.batch([order(1), order(2, ETH)])


# ------------------------------------------------------------------------------------------------ one, with a window


WINDOWED = Options(submit_window_ms=3000)


@virtual
async def test_s54_with_a_window_one_order_goes_as_a_batch_and_is_valid_no_longer() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, taken("77"))  # type: ignore[arg-type]
    venue = bitmart(link, options=WINDOWED)
    assert (await venue.submit(order(1))).reports == (
        Ack(venue_order_id=VenueOrderId("77"), client_order_id=ClientOrderId("oms1")),
    )
    (call,) = link.of(codec.BATCH_ORDERS)
    assert call.fields()["recvWindow"] == 3000
    assert venue.capabilities(BTC).submit_validity == 3
    assert bitmart(link).capabilities(BTC).submit_validity == 60, "the v2 call has no window"


@pytest.mark.parametrize("answer", [taken(), taken(None), taken("1", "2"), taken(code=50020), LOST, page(504)])
@virtual
async def test_a_batch_of_one_that_settles_nothing_is_no_answer(answer: object) -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, answer)  # type: ignore[arg-type]
    with pytest.raises(NoAnswerError):
        await bitmart(link, options=WINDOWED).submit(order(1))
    assert len(link.of(codec.BATCH_ORDERS)) == 1


@virtual
async def test_a_batch_of_one_that_came_too_late_is_certainly_not_executed() -> None:
    link = FakeLink()
    link.on(codec.BATCH_ORDERS, refused(401, 30007))
    (refusal,) = (await bitmart(link, options=WINDOWED).submit(order(1))).reports
    assert isinstance(refusal, Refusal)
    assert (refusal.klass, refusal.reason) == (RefusalClass.AUTH, "clock")


@pytest.mark.parametrize("mode", list(SelfTrade))
@virtual
async def test_self_trade_prevention_is_always_said(mode: SelfTrade) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "1"}))
    link.on(codec.BATCH_ORDERS, taken("2"))  # type: ignore[arg-type]
    await bitmart(link, options=Options(self_trade=mode)).submit(order(1))
    await bitmart(link, options=Options(self_trade=mode, submit_window_ms=500)).submit(order(1))
    assert link.of(codec.SUBMIT_ORDER)[0].fields()["stpMode"] == mode.value
    assert link.of(codec.BATCH_ORDERS)[0].fields()["orderParams"][0]["stpMode"] == mode.value


# ------------------------------------------------------------------------------------------------ cancels


@virtual
async def test_many_cancels_go_by_the_venues_ids_if_all_are_known_else_by_ours() -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDERS, ok({"successIds": ["11"], "failIds": ["12"]}), ok({"successIds": ["oms1"]}))
    venue = bitmart(link)
    known = await venue.cancel_many([ref(1, "11"), ref(2, "12")])
    assert results(known.reports) == ["oms1: ack 11", "oms2: certain order_closed"]
    mixed = await venue.cancel_many([ref(1), ref(2, "12")])
    assert results(mixed.reports) == ["oms1: ack None", "oms2: unknown unproven"], "of the second nothing was said"
    first, second = (call.fields() for call in link.of(codec.CANCEL_ORDERS))
    assert first == {"symbol": "BTC_USDT", "orderIds": ["11", "12"], "recvWindow": 5000}
    assert second == {"symbol": "BTC_USDT", "clientOrderIds": ["oms1", "oms2"], "recvWindow": 5000}


@virtual
async def test_an_answer_in_the_other_spelling_of_the_ids_is_understood() -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDERS, ok({"successIds": ["oms1", 12], "failIds": []}))
    answer = await bitmart(link).cancel_many([ref(1, "11"), ref(2, "12")])
    assert results(answer.reports) == ["oms1: ack 11", "oms2: ack 12"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused(429, 30013), "rate_limit rate_limit"),
        (refused(400, 50033), "certain invalid_request"),
        (page(503), "unknown unreadable"),
        (LOST, "unknown no_answer"),
        (UNREACHABLE, "transient not_sent"),
    ],
)
@virtual
async def test_one_part_that_fails_does_not_lose_the_others_results(answer: object, said: str) -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDERS, ok({"successIds": ["11"]}), answer)  # type: ignore[arg-type]
    reports = (await bitmart(link).cancel_many([ref(1, "11"), ref(2, "12", ETH)])).reports
    assert results(reports) == ["oms1: ack 11", f"oms2: {said}"]


@virtual
async def test_s20_no_cancel_without_an_id_is_ever_built() -> None:
    nameless = OrderRef(client_order_id=ClientOrderId(""), symbol=BTC)
    for build in (requests.cancel, lambda one: requests.cancel_many([one])):
        with pytest.raises(ValueError, match="without an id"):
            build(nameless)
    with pytest.raises(ValueError, match="without an id"):
        requests.cancel_algo(nameless, requests.AlgoKind.TRIGGER)
    link = FakeLink()
    with pytest.raises(ValueError, match="without an id"):
        await bitmart(link).cancel_many([KNOWN, msgspec.structs.replace(nameless, symbol=ETH)])
    assert not link.calls, "the good one did not leave either"


@virtual
async def test_a_cancel_of_everything_says_what_it_reaches_and_waits_its_turn() -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ALL, ok({}))
    venue = bitmart(link)
    assert (await venue.cancel_all()).reports == (Ack(),)
    await venue.cancel_all(BTC, Side.SELL)
    first, second = link.of(codec.CANCEL_ALL)
    assert (first.body, second.fields()) == (b"{}", {"symbol": "BTC_USDT", "side": "sell"})
    assert second.at - first.at >= 3, "one in three seconds"
    assert asyncio.get_running_loop().time() < 5


@pytest.mark.parametrize("status", [200, 401, 405, 429, 502])
@virtual
async def test_a_cancel_of_many_whose_answer_has_no_words_says_of_no_order_that_it_is_closed(status: int) -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDERS, LinkAnswer(status, {}, b""))
    for orders in ([ref(1)], [ref(1), ref(2, "78")]):
        for report in (await bitmart(link).cancel_many(orders)).reports:
            assert isinstance(report, Refusal)
            assert report.reason != "order_closed"
