"""What goes wrong at the futures host, fault by fault: the same as on spot, and what befalls positions."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adapters.simulator.faults import default_rates
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Reply, Request
from tests.adapters.simulator.futures.trader import (
    BTC,
    CANCEL,
    LIMIT,
    OPEN_LONG,
    OPEN_SHORT,
    PRIVATE,
    SUBMIT,
    Trader,
    another,
    trader,
)

ORDER = "futures/order"


def struck(one: Trader, **rates: float) -> Trader:
    one.simulator.set_faults(seed=1, rates=rates)
    return one


def submitted(one: Trader) -> Any:
    """What a client sees of a submit: nothing, a JSON code, or the status of something unreadable."""
    body = json.dumps(LIMIT).encode()
    served = one.simulator.serve(Request("POST", SUBMIT, one.headers(body), body), one.now, product=one.product)
    if isinstance(served, NoAnswer):
        return "nothing"
    try:
        return json.loads(served.body)["code"]
    except ValueError:
        return served.status


REQUEST_FAULTS = [
    ("request_lost",     {"nothing"},              False),
    ("answer_lost",      {"nothing"},              True),
    ("error_before",     {30014, 59002, 502, 504}, False),
    ("error_after",      {30014, 59002, 502, 504}, True),
    ("rate_limited",     {30013},                  False),
    ("html_answer",      {403},                    False),
    ("truncated_answer", {200},                    True),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "seen", "executed"), REQUEST_FAULTS)
def test_a_request_goes_wrong_before_or_after_it_took_effect(fault: str, seen: set[Any], *, executed: bool) -> None:
    one = struck(trader(), **{fault: 1.0})
    assert {submitted(one) for _ in range(20)} == seen
    assert len(one.simulator.futures.exchange.accounts["main"].open) == (20 if executed else 0)


def test_a_held_up_request_is_executed_up_to_a_minute_later() -> None:
    one = struck(trader(), request_delayed=1.0)
    assert submitted(one) == "nothing"
    struck(one).step(60_000)
    assert len(one.open()) == 1


def test_a_stale_query_misses_a_new_order_and_a_fill_may_be_seen_before_it() -> None:
    one = struck(trader(), stale_query=1.0)
    order_id = one.order()
    assert one.open() == []
    one.step(1_500)
    assert one.look(order_id)["state"] == 2

    one = trader()
    another(one).order(side=OPEN_SHORT, price="60000")
    order_id = struck(one, fill_before_order=1.0).order(price="60000")
    assert [row["order_id"] for row in one.trades()] == [order_id]
    assert one.get(f"{PRIVATE}/order-history?symbol={BTC}") == []


def test_a_repeated_client_id_may_be_taken_as_a_second_order() -> None:
    one = struck(trader(), duplicate_check_off=1.0)
    assert one.order(client_order_id="mine") != one.order(client_order_id="mine")
    assert struck(one).refusal(SUBMIT, **LIMIT, client_order_id="mine") == (403, 40050)


def test_lists_lose_or_repeat_a_row() -> None:
    one = trader(rate_limits=False)
    another(one).order(side=OPEN_SHORT, size=30, price="60000")
    for _ in range(3):
        one.order(price="60000")
        one.order()
    assert len(struck(one, open_list_omits=1.0).open()) == 2
    assert len(struck(one, page_gap=1.0).trades()) == 2
    assert len(struck(one, page_overlap=1.0).trades()) == 4
    assert len(struck(one).trades()) == len(one.open()) == 3


def test_a_cancel_may_take_a_second_and_a_match_may_come_in_pieces() -> None:
    one = struck(trader(), fill_after_cancel_ack=1.0)
    order_id = one.order()
    one.ask(CANCEL, symbol=BTC, order_id=order_id)
    one.step(1_000)
    assert one.look(order_id)["state"] == 4

    one = trader()
    another(one).order(side=OPEN_SHORT, price="60000")
    struck(one, split_fill=1.0).order(price="60000")
    pieces = one.trades()
    assert len(pieces) > 1
    assert sum(int(row["vol"]) for row in pieces) == 10


STREAM_FAULTS = [
    ("frame_dropped",    0),
    ("frame_duplicated", 2),
    ("frame_garbage",    1),
    ("frame_unknown",    1),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "frames"), STREAM_FAULTS)
def test_data_frames_go_wrong_and_control_frames_do_not(fault: str, frames: int) -> None:
    one = trader()
    stream = struck(one, **{fault: 1.0}).reader(ORDER)
    one.order()
    heard = stream.connection.take()
    assert len(heard) == frames
    for text in heard:
        if fault == "frame_garbage":
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                json.loads(text)
        else:
            (first, *_) = json.loads(text)["data"]
            assert first["action"] == (99 if fault == "frame_unknown" else 2)
    assert stream.say({"action": "ping"})[0]["group"] == "System"


def test_a_ping_may_be_ignored_and_a_subscription_too() -> None:
    assert struck(trader(), ping_ignored=1.0).viewer().say({"action": "ping"}) == []
    viewer = struck(trader(), subscription_ignored=1.0).viewer()
    answers = [viewer.subscribe("futures/ticker:BTCUSDT") for _ in range(20)]
    assert min(len(answer) for answer in answers) == 0
    assert not viewer.connection.stream.topics


def holding() -> tuple[Trader, Trader]:
    one = trader(rate_limits=False)
    two = another(one)
    two.order(side=OPEN_SHORT, size=10, price="60000", leverage="10", open_type="isolated")
    one.order(side=OPEN_LONG, size=10, price="60000", leverage="10", open_type="isolated")
    one.step(1_000)
    return one, two


def test_the_venue_may_cancel_an_order_by_itself() -> None:
    one = trader()
    order_id = one.order()
    one.step(1_000)
    struck(one, venue_cancel=1.0).step(1_000)
    assert one.look(order_id)["state"] == 4


def test_a_position_may_be_liquidated_and_its_stream_shows_orders_nobody_sent() -> None:
    one, two = holding()
    streams = one.reader(ORDER), two.reader(ORDER)
    struck(one, liquidation=1.0).step(1_000)
    actions = {
        element["action"]: element["order"] for stream in streams for data in stream.data(ORDER) for element in data
    }
    assert set(actions) & {6, 7, 8, 9}
    assert all(order["client_order_id"] == "" for order in actions.values())
    assert {order["type"] for order in actions.values()} <= {"liquidate", "bankruptcy", "adl"}


def test_a_winner_may_be_deleveraged() -> None:
    one, two = holding()
    streams = one.reader(ORDER), two.reader(ORDER)
    struck(one, adl=1.0).step(1_000)
    actions = {element["action"] for stream in streams for data in stream.data(ORDER) for element in data}
    assert actions & {8, 9}


def test_funding_may_be_settled_out_of_its_hour() -> None:
    one, two = holding()
    struck(one, funding=1.0).step(1_000)
    two.now = one.now
    (mine,) = one.get(f"{PRIVATE}/transaction-history?flow_type=3")
    (theirs,) = two.get(f"{PRIVATE}/transaction-history?flow_type=3")
    assert Decimal(mine["amount"]) + Decimal(theirs["amount"]) == 0


def test_nothing_befalls_whoever_holds_nothing() -> None:
    one = struck(trader(), liquidation=1.0, adl=1.0, funding=1.0)
    one.step(1_000)
    told = {fault.name: fault.fired for fault in one.simulator.faults.overview()}
    assert (told["liquidation"], told["adl"], told["funding"]) == (0, 0, 0)


def test_a_thousand_steps_of_everything_at_once_hold_together() -> None:
    one = Trader(Simulator(seed=3))
    one.simulator.set_faults(seed=3, rates=default_rates(2.0))
    for number in range(1_000):
        one.step(200)
        submitted(one)
        if number % 20 == 0:
            one.simulator.connect(one.now, private=True, notify=lambda: None, product=one.product)
    one.simulator.set_faults(seed=0, rates={})
    one.now += 120_000
    one.step()
    served = one.simulator.serve(
        Request("GET", f"{PRIVATE}/get-open-orders", {"X-BM-KEY": one.key}, b""), one.now, product=one.product
    )
    assert isinstance(served, Reply)
    assert json.loads(served.body)["code"] == 1000
