"""Given a book, when an order comes, then these contracts change hands and this is left."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.events import OrderChanged
from adapters.simulator.exchange.futures.orders import CancelSource, Refusal
from tests.adapters.simulator.futures.pit import SYMBOL, Pit

BOOK = ("ann 4 2 @ 101", "ann 4 3 @ 102", "bob 1 2 @ 99", "bob 1 3 @ 98")

CASES = [
    # order                       dan holds   state
    ("dan 1 1 @ 100",             "flat",     "new"),
    ("dan 1 1 @ 101",             "long 1",   "filled"),
    ("dan 1 4 @ 102",             "long 4",   "filled"),
    ("dan 1 9 @ 101",             "long 2",   "partially_filled"),
    ("dan 4 3 @ 98",              "short 3",  "filled"),
    ("dan 1 9 ioc @ 101",         "long 2",   "partially_canceled"),
    ("dan 1 1 ioc @ 100",         "flat",     "canceled"),
    ("dan 1 5 fok @ 102",         "long 5",   "filled"),
    ("dan 1 6 fok @ 102",         "flat",     "canceled"),
    ("dan 1 3 fok @ 101",         "flat",     "canceled"),
    ("dan 1 1 maker_only @ 100",  "flat",     "new"),
    ("dan 1 1 maker_only @ 101",  "flat",     "canceled"),
    ("dan 1 4",                   "long 4",   "filled"),
    ("dan 4 9",                   "short 5",  "partially_canceled"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "held", "state"), CASES)
def test_an_order_trades_with_what_it_meets_and_ends_as_its_mode_says(order: str, held: str, state: str) -> None:
    pit = Pit()
    for resting in BOOK:
        pit.place(resting)

    placed = pit.place(order)

    assert pit.held("dan") == held
    assert placed.state == state


def test_an_order_is_pending_then_working_then_ended() -> None:
    pit = Pit()
    pit.place("ann 1 2 @ 100")
    pit.place("bob 4 1 @ 100")
    pit.place("bob 4 1 @ 100")

    assert pit.actions("ann") == [
        "SUBMITTED pending",
        "SUBMITTED new",
        "MATCHED partially_filled",
        "MATCHED filled",
    ]


def test_s33_a_maker_only_order_that_would_take_is_taken_in_and_canceled_without_a_word() -> None:
    pit = Pit()
    pit.place("ann 4 1 @ 100")

    order = pit.place("bob 1 1 maker_only @ 100")

    assert pit.actions("bob") == ["SUBMITTED pending", "CANCELED canceled"]
    assert order.cancel_source is CancelSource.SYSTEM
    assert order.filled_size == 0
    assert pit.wallet("bob") == (Decimal(10_000), 0, 0)


def test_a_maker_only_order_that_would_take_may_also_be_refused() -> None:
    pit = Pit(refuse_crossing_maker=True)
    pit.place("ann 4 1 @ 100")

    assert pit.refusal("bob 1 1 maker_only @ 100") is Refusal.WOULD_TAKE
    assert pit.refusal("bob 1 1 maker_only @ 99") is None


def test_a_resting_order_freezes_margin_and_the_highest_fee() -> None:
    pit = Pit()

    pit.place("ann 1 5 @ 100")

    assert pit.wallet("ann") == (Decimal("9994.97"), Decimal("5.03"), 0)  # 50 at 10x, and 0.06 % of 50


def test_a_fill_pays_the_fee_of_its_role_and_turns_frozen_into_deposit() -> None:
    pit = Pit()
    pit.place("ann 1 5 @ 100")
    pit.place("bob 4 5 @ 100")

    assert pit.wallet("ann") == (Decimal("9994.99"), 0, Decimal(5))  # maker: 0.02 % of 50
    assert pit.wallet("bob") == (Decimal("9994.97"), 0, Decimal(5))  # taker: 0.06 %
    assert pit.exchange.fees["USDT"] == Decimal("0.04")


@pytest.mark.parametrize(
    ("stp", "held", "maker", "taker"),
    [
        ("cancel_maker", "long 1", "canceled", "filled"),
        ("cancel_taker", "flat", "new", "canceled"),
        ("cancel_both", "flat", "canceled", "canceled"),
    ],
)
def test_an_account_never_trades_with_itself(stp: str, held: str, maker: str, taker: str) -> None:
    pit = Pit()
    mine = pit.place("ann 4 1 @ 100")
    pit.place("bob 4 1 @ 101")

    order = pit.place("ann 1 1 @ 101", stp=stp)

    assert (mine.state, order.state) == (maker, taker)
    assert pit.held("ann") == held


def test_a_client_order_id_is_refused_the_second_time_unless_the_venue_does_not_look() -> None:
    checking, blind = Pit(), Pit(duplicate_check=False)
    for pit in (checking, blind):
        pit.place("ann 1 1 @ 100", client_order_id="one")

    assert checking.refusal("ann 1 1 @ 100", client_order_id="one") is Refusal.DUPLICATE_CLIENT_ORDER_ID
    assert blind.refusal("ann 1 1 @ 100", client_order_id="one") is None


def test_every_fill_says_what_it_closed_and_what_it_opened() -> None:
    pit = Pit()
    pit.place("ann 1 5 @ 100")
    pit.place("bob 4 5 @ 100")

    fills = [one.fill for one in pit.events if isinstance(one, OrderChanged) and one.fill]

    assert [(one.account, one.closed, one.opened, one.realised) for one in fills] == [
        ("ann", 0, 5, 0),
        ("bob", 0, 5, 0),
    ]


def test_fill_or_kill_does_not_count_on_its_own_accounts_orders() -> None:
    pit = Pit()
    pit.place("ann 4 3 @ 100")
    pit.place("bob 4 2 @ 100")

    order = pit.place("ann 1 5 fok @ 100")

    assert (order.state, order.filled_size) == ("canceled", 0)


def test_fill_or_kill_trades_nothing_when_it_would_end_at_its_own_accounts_order() -> None:
    pit = Pit()
    pit.place("bob 4 2 @ 100")
    pit.place("ann 4 1 @ 100.5")
    pit.place("bob 4 3 @ 101")

    killed = pit.place("ann 1 5 fok @ 101", stp="cancel_taker")
    filled = pit.place("ann 1 5 fok @ 101", stp="cancel_maker")

    assert (killed.state, killed.filled_size) == ("canceled", 0)
    assert (filled.state, filled.filled_size) == ("filled", 5)


def test_a_match_can_come_in_pieces() -> None:
    pit = Pit(portion=lambda size, step: min(size, 2 * step))
    pit.place("ann 4 5 @ 100")

    pit.place("bob 1 5 @ 100")

    assert [int(fill.size) for fill in pit.account("bob").fills] == [2, 2, 1]


def test_the_past_is_kept_as_long_as_there_is_room_for_it() -> None:
    pit = Pit()
    pit.exchange.open_account("eve", {"USDT": Decimal(1_000)}, history_max=2)
    orders = []
    for _ in range(4):
        orders.append(pit.place("eve 1 1 @ 100"))
        pit.place("bob 4 1 @ 100")

    eve = pit.account("eve")
    assert list(eve.closed) == list(eve.fills_of) == [order.order_id for order in orders[2:]]
    assert (len(eve.fills), len(eve.flows)) == (2, 2)
    assert pit.exchange.open_interest(SYMBOL) == 4


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "1E+9000"])
def test_an_account_is_not_opened_twice_nor_with_what_is_no_amount(amount: str) -> None:
    pit = Pit()

    with pytest.raises(ValueError, match="exists"):
        pit.exchange.open_account("ann", {})
    with pytest.raises(ValueError, match="is not an amount"):
        pit.exchange.open_account("eve", {"USDT": Decimal(amount)})


def test_the_venues_own_door_knows_what_is_no_contract_and_no_price() -> None:
    pit = Pit()

    with pytest.raises(ValueError, match="no contract"):
        pit.exchange.set_mark("DOGEUSDT", Decimal(1), pit.now)
    with pytest.raises(ValueError, match="no price"):
        pit.exchange.set_index(SYMBOL, Decimal(0), pit.now)
    with pytest.raises(ValueError, match="no contract"):
        pit.exchange.settle_funding("DOGEUSDT", pit.now)
    assert pit.refusal("ann 1 1 @ 100", symbol="DOGEUSDT") is Refusal.UNKNOWN_SYMBOL
