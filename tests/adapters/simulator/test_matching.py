"""Given a book, when an order comes, then these trades and this state."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.orders import BalanceChanged, OrderChanged, Refusal, RefusedError
from tests.adapters.simulator.floor import NOW, Floor

BOOK = ["ann sell 2 @ 101", "ann sell 3 @ 102", "bob buy 2 @ 99", "bob buy 3 @ 98"]

CASES = [
    # order                    trades                                                          state
    ("cyd buy 1 @ 100",        [],                                                             "new"),
    ("cyd buy 1 @ 101",        ["cyd buys 1 of ann at 101"],                                   "filled"),
    ("cyd buy 1 @ 150",        ["cyd buys 1 of ann at 101"],                                   "filled"),
    ("cyd buy 4 @ 102",        ["cyd buys 2 of ann at 101", "cyd buys 2 of ann at 102"],       "filled"),
    ("cyd buy 9 @ 101",        ["cyd buys 2 of ann at 101"],                                   "partially_filled"),
    ("cyd sell 3 @ 98",        ["cyd sells 2 of bob at 99", "cyd sells 1 of bob at 98"],       "filled"),
    ("cyd buy 9 ioc @ 101",    ["cyd buys 2 of ann at 101"],                                   "partially_canceled"),
    ("cyd buy 1 ioc @ 100",    [],                                                             "canceled"),
    ("cyd buy 1 ioc @ 101",    ["cyd buys 1 of ann at 101"],                                   "filled"),
    ("cyd sell 4 market",      ["cyd sells 2 of bob at 99", "cyd sells 2 of bob at 98"],       "filled"),
    ("cyd sell 9 market",      ["cyd sells 2 of bob at 99", "cyd sells 3 of bob at 98"],       "partially_canceled"),
    ("cyd buy 202 market",     ["cyd buys 2 of ann at 101"],                                 "filled"),
    ("cyd buy 105 market",     ["cyd buys 1 of ann at 101"],                                 "partially_canceled"),
    ("cyd buy 999 market",     ["cyd buys 2 of ann at 101", "cyd buys 3 of ann at 102"],       "partially_canceled"),
    ("cyd buy 1 limit_maker @ 100", [],                                                        "new"),
    ("cyd buy 1 limit_maker @ 101", [],                                                        "canceled"),
    ("cyd buy 0.1 limit_maker @ 1", [],                                                        "canceled"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "trades", "state"), CASES)
def test_an_order_trades_with_what_it_meets_and_ends_as_its_type_says(
    order: str, trades: list[str], state: str
) -> None:
    floor = Floor()
    for resting in BOOK:
        floor.place(*resting.split(maxsplit=1))
    account, text = order.split(maxsplit=1)

    placed = floor.place(account, text)

    assert floor.fills() == trades
    assert placed.state == state


def test_the_better_price_goes_first_and_at_one_price_who_came_first() -> None:
    floor = Floor()
    floor.place("ann", "sell 1 @ 102")
    floor.place("bob", "sell 1 @ 101")
    floor.place("ann", "sell 1 @ 101")

    floor.place("cyd", "buy 3 @ 102")

    assert floor.fills() == ["cyd buys 1 of bob at 101", "cyd buys 1 of ann at 101", "cyd buys 1 of ann at 102"]


def test_a_partial_fill_keeps_its_place_in_the_queue() -> None:
    floor = Floor()
    floor.place("ann", "sell 2 @ 101")
    floor.place("bob", "sell 2 @ 101")
    floor.place("cyd", "buy 1 @ 101")

    floor.place("cyd", "buy 2 @ 101")

    assert floor.fills()[1:] == ["cyd buys 1 of ann at 101", "cyd buys 1 of bob at 101"]


def test_a_resting_buy_freezes_its_worth_and_the_fee_on_top() -> None:
    floor = Floor()

    floor.place("ann", "buy 2 @ 100")

    assert floor.has("ann", "USDT") == (Decimal("99799.8"), Decimal("200.2"))


def test_a_fill_below_the_limit_gives_the_difference_back_and_fees_are_in_quote() -> None:
    floor = Floor()
    floor.place("ann", "sell 2 @ 90")

    floor.place("bob", "buy 2 @ 100")

    assert floor.has("bob", "USDT") == (Decimal("99819.82"), Decimal(0))  # 180 and a taker's 0.18 on top
    assert floor.has("bob", "BTC") == (Decimal(1002), Decimal(0))  # the whole size arrives
    assert floor.has("ann", "USDT") == (Decimal("100179.856"), Decimal(0))  # 180 less a maker's 0.144
    assert floor.exchange.fees == {"USDT": Decimal("0.324")}


def test_the_residue_of_a_market_buy_that_buys_no_step_is_given_back() -> None:
    floor = Floor()
    floor.place("ann", "sell 10 @ 101")

    order = floor.place("bob", "buy 105 market")

    assert (order.state, order.cancel_source) == ("partially_canceled", "system")
    assert (order.filled_size, order.filled_notional, order.held) == (Decimal("1.0"), Decimal("101.0"), Decimal(0))
    assert floor.has("bob", "USDT")[1] == 0


def test_canceling_frees_what_was_frozen_and_cannot_be_done_twice() -> None:
    floor = Floor()
    order = floor.place("ann", "sell 2 @ 101")

    floor.exchange.cancel("ann", order.order_id, NOW)

    assert floor.has("ann", "BTC") == (Decimal(1000), Decimal(0))
    assert (order.state, order.cancel_source) == ("canceled", "user")
    with pytest.raises(RefusedError) as refused:
        floor.exchange.cancel("ann", order.order_id, NOW)
    assert refused.value.reason is Refusal.ORDER_CANCELED


def test_nobody_cancels_anothers_order() -> None:
    floor = Floor()
    order = floor.place("ann", "sell 2 @ 101")

    with pytest.raises(RefusedError) as refused:
        floor.exchange.cancel("bob", order.order_id, NOW)

    assert refused.value.reason is Refusal.ORDER_UNKNOWN
    assert order.live


SELF_TRADE = [
    # mode             own resting   taker               who else trades
    ("none",           "filled",     "filled",           ["ann buys 1 of ann at 100", "ann buys 1 of bob at 100"]),
    ("cancel_maker",   "canceled",   "partially_filled", ["ann buys 1 of bob at 100"]),
    ("cancel_taker",   "new",        "canceled",         []),
    ("cancel_both",    "canceled",   "canceled",         []),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "maker_state", "taker_state", "trades"), SELF_TRADE)
def test_the_takers_mode_decides_what_happens_when_an_account_meets_itself(
    mode: str, maker_state: str, taker_state: str, trades: list[str]
) -> None:
    floor = Floor()
    own = floor.place("ann", "sell 1 @ 100")
    floor.place("bob", "sell 1 @ 100")

    taker = floor.place("ann", "buy 2 @ 100", stp=mode)

    assert (own.state, taker.state, floor.fills()) == (maker_state, taker_state, trades)
    assert {order.cancel_source for order in (own, taker) if order.state == "canceled"} <= {"stp"}


REFUSED = [
    ("buy 0.15 @ 100", Refusal.SIZE_OFF_STEP),
    ("buy 0 @ 100", Refusal.SIZE_TOO_SMALL),
    ("sell 0 market", Refusal.MARKET_SELL_TOO_SMALL),
    ("buy 0.1 @ 49", Refusal.NOTIONAL_TOO_SMALL),
    ("buy 4.99 market", Refusal.MARKET_BUY_TOO_SMALL),
    ("buy 1 @ 0.009", Refusal.PRICE_TOO_LOW),
    ("buy 1", Refusal.PRICE_REQUIRED),
    ("buy 1000 @ 100", Refusal.BALANCE_NOT_ENOUGH),  # exactly the coins, but the fee comes on top
    ("sell 1000.1 @ 100", Refusal.BALANCE_NOT_ENOUGH),
    ("buy 100000 market", Refusal.BALANCE_NOT_ENOUGH),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_a_refused_order_leaves_no_trace(text: str, reason: Refusal) -> None:
    floor = Floor()

    with pytest.raises(RefusedError) as refused:
        floor.place("ann", text, id="once")

    assert refused.value.reason is reason
    assert floor.events == []
    assert floor.has("ann", "USDT") == (Decimal(100_000), Decimal(0))
    assert floor.has("ann", "BTC") == (Decimal(1_000), Decimal(0))
    floor.place("ann", "buy 1 @ 100", id="once")  # the id is still free


def test_an_over_precise_price_is_cut_not_refused() -> None:
    assert Floor().place("ann", "sell 1 @ 100.019").price == Decimal("100.01")


def test_a_client_order_id_names_one_order_for_ever_but_only_in_its_account() -> None:
    floor = Floor()
    order = floor.place("ann", "buy 1 @ 100", id="once")
    floor.exchange.cancel("ann", order.order_id, NOW)

    with pytest.raises(RefusedError) as refused:
        floor.place("ann", "buy 1 @ 100", id="once")

    assert refused.value.reason is Refusal.DUPLICATE_CLIENT_ORDER_ID
    floor.place("bob", "buy 1 @ 99", id="once")


def test_without_the_check_the_same_client_order_id_makes_a_second_order() -> None:
    floor = Floor(duplicate_check=False)

    first, second = floor.place("ann", "buy 1 @ 100", id="once"), floor.place("ann", "buy 1 @ 100", id="once")

    assert first.order_id != second.order_id
    assert floor.exchange.accounts["ann"].order_by_client_id("once") is second


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("buy 1 limit_maker @ 101", Refusal.WOULD_BUY_AT_ONCE),
        ("sell 1 limit_maker @ 99", Refusal.WOULD_SELL_AT_ONCE),
    ],
)
def test_a_crossing_limit_maker_can_be_refused_instead(text: str, reason: Refusal) -> None:
    floor = Floor(refuse_crossing_maker=True)
    floor.place("ann", "sell 1 @ 101")
    floor.place("bob", "buy 1 @ 99")

    with pytest.raises(RefusedError) as refused:
        floor.place("cyd", text)

    assert refused.value.reason is reason


def test_events_come_in_the_order_of_things_and_never_change_afterwards() -> None:
    floor = Floor()
    floor.place("ann", "sell 1 @ 101")
    floor.place("bob", "buy 2 @ 101")

    told = [(e.order.account, e.order.state) for e in floor.events if isinstance(e, OrderChanged)]
    held = [(e.account, e.coins) for e in floor.events if isinstance(e, BalanceChanged)]

    assert told == [("ann", "new"), ("bob", "new"), ("ann", "filled"), ("bob", "partially_filled")]
    assert held[0] == ("ann", (("BTC", Decimal(999), Decimal(1)),))


def test_ids_have_eighteen_digits_and_rise() -> None:
    floor = Floor()
    ids = [floor.place("ann", "buy 1 @ 90").order_id for _ in range(3)]

    assert all(len(one) == 18 and one.isdecimal() for one in ids)
    assert ids == sorted(set(ids))


def test_the_past_forgets_its_oldest_when_its_memory_is_full() -> None:
    floor = Floor()
    floor.exchange.open_account("dan", {"USDT": Decimal(1_000)}, history_max=2)
    ids = []
    for _ in range(3):
        ids.append(floor.place("dan", "buy 1 @ 50").order_id)
        floor.exchange.cancel("dan", ids[-1], NOW)

    dan = floor.exchange.accounts["dan"]

    assert [dan.order(one) is not None for one in ids] == [False, True, True]
