"""Each fault does what its name says, and only while it is on; the same seed makes the same trouble."""

import json
import zlib
from typing import Any

import pytest

from adapters.simulator.faults import DEFAULT_RATES, Faults, default_rates
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Reply, Request
from tests.adapters.simulator.floor import NOW, Client, readable

SUBMIT = "/spot/v2/submit_order"
OPEN = "/spot/v4/query/open-orders"
ORDERS = "spot/user/orders:ALL_SYMBOLS"
ORDER = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}


def client(**rates: float) -> Client:
    one = Client(Simulator(traders=False))
    one.simulator.set_faults(seed=1, rates=rates)
    return one


def submitted(one: Client) -> Reply | NoAnswer:
    body = json.dumps(ORDER).encode()
    return one.simulator.serve(Request("POST", SUBMIT, one.headers(body), body), one.now)


def live(one: Client) -> int:
    return len(one.simulator.exchange.accounts["main"].open)


# what the client sees: nothing, a JSON code, or a status with something unreadable
REQUEST_FAULTS = [
    # fault               seen                          executed
    ("request_lost",      {"nothing"},                  False),
    ("answer_lost",       {"nothing"},                  True),
    ("error_before",      {30014, 59002, 502, 504},     False),
    ("error_after",       {30014, 59002, 502, 504},     True),
    ("rate_limited",      {30013},                      False),
    ("html_answer",       {403},                        False),
    ("truncated_answer",  {200},                        True),
    ("plain_answer",      {1000},                       True),
    ("lying_page",        {200},                        False),
    ("banned",            {30017},                      False),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "seen", "executed"), REQUEST_FAULTS)
def test_a_request_goes_wrong_before_or_after_it_took_effect(fault: str, seen: set[Any], *, executed: bool) -> None:
    one = client(**{fault: 1.0})
    assert {outcome(submitted(one)) for _ in range(20)} == seen
    assert live(one) == (20 if executed else 0)


def outcome(served: Reply | NoAnswer) -> Any:
    if isinstance(served, NoAnswer):
        assert served.connected
        return "nothing"
    try:
        return json.loads(served.body)["code"]
    except ValueError:
        return served.status


def test_a_held_up_request_is_executed_up_to_a_minute_later_without_an_answer() -> None:
    one = client(request_delayed=1.0)
    assert outcome(submitted(one)) == "nothing"
    assert live(one) == 0
    one.simulator.set_faults(seed=0, rates={})
    one.step(60_000)
    assert live(one) == 1


def test_a_stale_query_misses_a_new_order_for_a_moment() -> None:
    one = client(stale_query=1.0)
    order_id = one.submit(size="0.01", price="50000")
    assert one.refusal("/spot/v4/query/order", orderId=order_id) == (400, 50005)
    one.step(1_500)
    assert one.ask("/spot/v4/query/order", orderId=order_id)["state"] == "new"


@pytest.mark.parametrize(("fault", "trades"), [("fill_before_order", 1), ("stale_query", 0)])
def test_a_fill_may_be_seen_before_its_order(fault: str, trades: int) -> None:
    one = client()
    one.submit(side="sell", size="0.01", price="60000")
    one.simulator.set_faults(seed=1, rates={fault: 1.0})
    order_id = one.submit(size="0.01", price="60000")
    assert one.refusal("/spot/v4/query/order", orderId=order_id) == (400, 50005)
    rows = one.ask("/spot/v4/query/trades")
    assert len([row for row in rows if row["orderId"] == order_id]) == trades


def test_a_repeated_client_id_may_be_taken_as_a_second_order() -> None:
    one = client(duplicate_check_off=1.0)
    first = one.submit(size="0.01", price="50000", client_order_id="mine")
    assert one.submit(size="0.01", price="50000", client_order_id="mine") != first
    one.simulator.set_faults(seed=1, rates={})
    assert one.refusal(SUBMIT, **ORDER, client_order_id="mine") == (400, 50042)


def test_lists_lose_or_repeat_a_row_once() -> None:
    one = client()
    for _ in range(3):
        one.submit(side="sell", size="0.01", price="60000")
        one.submit(size="0.01", price="60000")
        one.submit(size="0.01", price="50000")

    def rows(path: str, **rates: float) -> int:
        one.simulator.set_faults(seed=1, rates=rates)
        return len(one.ask(path))

    assert rows(OPEN, open_list_omits=1.0) == 2
    assert rows("/spot/v4/query/trades", page_gap=1.0) == 5
    assert rows("/spot/v4/query/trades", page_overlap=1.0) == 7
    assert rows("/spot/v4/query/trades") == 6


def test_a_fill_may_come_after_the_cancel_was_acknowledged() -> None:
    one = client(fill_after_cancel_ack=1.0)
    order_id = one.submit(side="sell", size="0.01", price="60000")
    assert one.ask("/spot/v3/cancel_order", symbol="BTC_USDT", order_id=order_id) == {"result": True}
    one.submit(size="0.01", price="60000")
    assert one.ask("/spot/v4/query/order", orderId=order_id)["state"] == "filled"

    other = one.submit(size="0.01", price="50000")
    one.ask("/spot/v3/cancel_order", symbol="BTC_USDT", order_id=other)
    assert one.ask("/spot/v4/query/order", orderId=other)["state"] == "new"
    one.step(1_000)
    assert one.ask("/spot/v4/query/order", orderId=other)["state"] == "canceled"


def test_a_match_may_come_in_pieces() -> None:
    one = client()
    one.submit(side="sell", size="0.01", price="60000")
    one.simulator.set_faults(seed=1, rates={"split_fill": 1.0})
    order_id = one.submit(size="0.01", price="60000")
    assert len(one.ask("/spot/v4/query/order-trades", orderId=order_id)) > 1
    assert one.ask("/spot/v4/query/order", orderId=order_id)["state"] == "filled"


# ------------------------------------------------------------------------------------------------ streams


def heard(fault: str, *, orders: int = 3, later: tuple[int, ...] = ()) -> list[Any]:
    """What a stream brings of three orders, told by their prices, under one fault."""
    one = client()
    reader = one.connect(private=True)
    reader.login()
    reader.subscribe(ORDERS)
    one.simulator.set_faults(seed=1, rates={fault: 1.0})
    frames: list[Any] = []
    for number in range(orders):
        one.submit(size="0.01", price=str(50_000 + number))
        frames += reader.connection.take()
    for milliseconds in later:
        one.step(milliseconds)
        frames += reader.connection.take()
    return [readable_price(frame) for frame in frames]


def readable_price(frame: str | bytes) -> Any:
    try:
        data = readable(frame)["data"]
        row = data[0] if data else {}
    except (ValueError, zlib.error):
        return "garbage"
    if not row:
        return "empty"
    if not isinstance(row["symbol"], str):
        return "spoiled"
    return "unknown" if row["order_state"] == "under_review" and "novelty" in row else int(row["price"][4])


STREAM_FAULTS = [
    ("frame_dropped",    []),
    ("frame_duplicated", [0, 0, 1, 1, 2, 2]),
    ("frame_reordered",  [1, 0]),
    ("frame_late",       []),
    ("frame_garbage",    ["garbage"] * 3),
    ("frame_unknown",    ["unknown"] * 3),
    ("element_spoiled",  ["spoiled"] * 3),
    ("frame_empty",      ["empty", 0, "empty", 1, "empty", 2]),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "order"), STREAM_FAULTS)
def test_frames_go_wrong(fault: str, order: list[Any]) -> None:
    assert heard(fault) == order


def test_pushes_may_wait_for_others_and_share_a_frame_of_which_one_element_is_spoiled() -> None:
    one = client(frames_joined=1.0)
    reader = one.connect(private=True)
    reader.login()
    reader.subscribe(ORDERS)
    for price in ("50000", "50001", "50002"):
        one.submit(size="0.01", price=price)
    assert reader.heard() == []
    one.simulator.set_faults(seed=1, rates={"element_spoiled": 1.0})
    one.step(500)
    (frame,) = reader.heard()
    assert [row["price"] for row in frame["data"][1:]] == ["50001.0000000000", "50002.0000000000"]
    assert frame["data"][0]["order_id"] == {"lost": one.ask(OPEN)[-1]["orderId"]}


def test_late_frames_arrive_in_the_end_and_one_held_back_does_not_wait_for_ever() -> None:
    quiet = (15_000,) * 8
    assert sorted(heard("frame_reordered", later=(500,))) == [0, 1, 2]
    one = client(frame_late=1.0)
    reader = one.connect(private=True)
    reader.login()
    reader.subscribe(ORDERS)
    one.submit(size="0.01", price="50000")
    assert reader.heard() == []
    late = []
    for milliseconds in quiet:
        reader.say("ping")
        one.step(milliseconds)
        late += [frame for frame in reader.heard() if frame != "pong"]
    assert [frame["data"][0]["price"] for frame in late] == ["50000.0000000000"]


def test_a_connection_may_break_stay_silent_or_ignore_what_it_is_asked() -> None:
    closed = client(connection_closed=1.0)
    reader = closed.connect()
    closed.step(1_000)
    closed.step(1_000)
    assert reader.connection.closed

    dead = client(half_open=1.0)
    reader = dead.connect()
    dead.step(1_000)
    dead.step(1_000)
    assert (reader.say("ping"), reader.connection.closed) == ([], False)
    dead.step(30_000)
    assert not reader.connection.closed  # the client does not learn that the venue gave up
    assert dead.simulator.connections == []

    deaf = client(ping_ignored=1.0)
    assert deaf.connect().say("ping") == []

    ignoring = client(subscription_ignored=1.0)
    reader = ignoring.connect()
    answers = [reader.subscribe("spot/trade:BTC_USDT") for _ in range(20)]
    assert {len(answer) for answer in answers} == {0, 1}  # acknowledged or not
    assert not reader.connection.stream.topics


# ------------------------------------------------------------------------------------------------ the venue itself


def test_the_venue_goes_down_and_comes_back() -> None:
    one = client(restart=1.0)
    reader = one.connect()
    one.step(1_000)
    one.step(1_000)
    assert reader.connection.closed
    served = one.simulator.serve(Request("GET", "/system/time", {}, b""), one.now)
    assert isinstance(served, NoAnswer)
    assert not served.connected
    assert one.simulator.connect(one.now, private=False, notify=lambda: None) is None
    one.simulator.set_faults(seed=0, rates={})
    assert one.get("/system/time")


def test_maintenance_refuses_with_status_200() -> None:
    one = client(maintenance=1.0)
    one.step(1_000)
    one.step(1_000)
    assert one.refusal(SUBMIT, **ORDER) == (200, 30016)
    assert live(one) == 0


@pytest.mark.parametrize(("fault", "most"), [("clock_skew", 1_000), ("clock_step", 300_000)])
def test_the_venues_clock_goes_wrong(fault: str, most: int) -> None:
    one = client()
    one.step(1_000)
    one.simulator.set_faults(seed=1, rates={fault: 1.0})
    one.step(1_000)
    off = one.get("/system/time")["server_time"] - one.now
    assert 0 < abs(off) <= most


def test_the_venue_may_cancel_an_order_by_itself() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000")
    one.step(1_000)
    one.simulator.set_faults(seed=1, rates={"venue_cancel": 1.0})
    one.step(1_000)
    row = one.ask("/spot/v4/query/order", orderId=order_id)
    assert (row["state"], row["cancelSource"]) == ("canceled", "system")


# ------------------------------------------------------------------------------------------------ rates and seeds


def test_all_is_off_until_rates_are_set_and_firings_are_counted() -> None:
    faults = Faults()
    assert not any(faults.fires(name) for name in DEFAULT_RATES)
    faults.set(seed=1, rates={"answer_lost": 1.0})
    assert faults.fires("answer_lost")
    told = {fault.name: fault for fault in faults.overview()}
    assert list(told) == list(DEFAULT_RATES)
    assert (told["answer_lost"].rate, told["answer_lost"].fired, told["request_lost"].fired) == (1.0, 1, 0)


@pytest.mark.parametrize("rates", [{"nonsense": 0.5}, {"answer_lost": 1.5}, {"answer_lost": -0.1}])
def test_a_fault_nobody_knows_or_a_rate_that_is_none_changes_nothing(rates: dict[str, float]) -> None:
    faults = Faults(rates={"request_lost": 1.0})
    with pytest.raises(ValueError, match=r"no fault is called|not between"):
        faults.set(seed=1, rates=rates)
    assert faults.fires("request_lost")


def test_the_same_seed_makes_the_same_trouble_and_another_seed_other_trouble() -> None:
    def world(seed: int) -> list[Any]:
        one = Client(Simulator(seed=7))
        one.simulator.set_faults(seed=seed, rates=default_rates(2.0))
        told: list[Any] = []
        for _ in range(200):
            one.step()
            served = submitted(one)
            told.append(served.body if isinstance(served, Reply) else served)
        return told

    assert world(1) == world(1)
    assert world(1) != world(2)


def test_a_thousand_steps_of_everything_at_once_hold_together() -> None:
    one = Client(Simulator(seed=3))
    one.simulator.set_faults(seed=3, rates=default_rates(2.0))
    readers = []
    for number in range(1_000):
        one.step(200)
        submitted(one)
        if number % 20 == 0 and (one.simulator.connect(one.now, private=True, notify=lambda: None)) is not None:
            readers.append(number)
    one.simulator.set_faults(seed=0, rates={})
    one.now += 120_000
    one.step()
    status, answer = one.post(OPEN)
    assert (status, answer["code"], one.now > NOW) == (200, 1000, True)
    assert readers
