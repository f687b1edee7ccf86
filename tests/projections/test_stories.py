"""What each table says after each story: the fold alone, without Postgres."""

from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from oms.errors import CorruptStreamError
from oms.order.messages import BustReport, SubmitAccepted, SubmitRefused, SubmitUnknown
from oms.reports import VenueOrderStatus
from oms.values import OrderStatus, OrderType, Provenance, Side, VenueOrderId
from projections.fold import Twin
from projections.rows import BalanceRow, FillRow, OrderRow, PositionRow
from tests.order.story import shown, trade
from tests.projections.history import MAIN, Recorder, agree, stored

ACCEPTED = SubmitAccepted(venue_order_id=VenueOrderId("v1"))


class Told:
    """The rows after a story."""

    def __init__(self, story: Recorder) -> None:
        self.twin = Twin()
        self.twin.apply(stored(story))
        self.rows = self.twin.rows()

    def order(self, name: str = "c1") -> OrderRow:
        row = self.rows["orders"][MAIN, name]
        assert isinstance(row, OrderRow)
        return row

    def fill(self, exec_id: str, name: str = "c1") -> FillRow:
        row = self.rows["fills"][MAIN, name, exec_id]
        assert isinstance(row, FillRow)
        return row

    def position(self) -> PositionRow:
        row = self.rows["positions"][MAIN, "BTC/USDT", "net"]
        assert isinstance(row, PositionRow)
        return row

    def balance(self, currency: str) -> BalanceRow:
        row = self.rows["balances"][MAIN, "spot", currency]
        assert isinstance(row, BalanceRow)
        return row


@pytest.fixture
def story() -> Recorder:
    return Recorder(usdt="1000", btc="10")


def test_an_order_on_its_way_is_sending_and_holds_its_cost(story: Recorder) -> None:
    story.place("c1", tags={"why": "quote"})
    told = Told(story)
    order = told.order()
    assert (order.status, order.open, order.leaves_quantity, order.tags) == ("sending", True, 2, {"why": "quote"})
    assert order.opened < order.position
    assert order.created_ns < order.updated_ns
    assert (told.balance("USDT").total, told.balance("USDT").held) == (1000, Decimal("200.2"))
    assert told.balance("USDT").available == Decimal("799.8")


def test_a_denied_order_says_which_limit_and_holds_nothing(story: Recorder) -> None:
    story.place("c1", quantity="100")
    told = Told(story)
    assert (told.order().status, told.order().open) == ("denied", False)
    assert "funds" in (told.order().reason or "")
    assert told.balance("USDT").held == 0


def test_a_partial_fill_moves_every_table(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", ACCEPTED, trade("t1", "0.5", "99"))
    told = Told(story)
    order = told.order()
    assert (order.status, order.venue_order_id) == ("partially_filled", "v1")
    assert (order.cum_quantity, order.cum_cost, order.average_price) == (Decimal("0.5"), Decimal("49.5"), 99)
    assert order.leaves_quantity == Decimal("1.5")
    assert (told.fill("t1").price, told.fill("t1").source, told.fill("t1").side) == (99, "stream", "buy")
    assert (told.position().quantity, told.position().open_cost) == (Decimal("0.5"), Decimal("49.5"))
    assert told.position().commissions == {"USDT": Decimal("0.1")}
    assert told.balance("BTC").total == Decimal("10.5")
    assert told.balance("USDT").total == 1000 - Decimal("49.5") - Decimal("0.1")


def test_a_filled_order_is_closed_and_frees_what_it_held(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", trade("t1", "2"))
    told = Told(story)
    assert (told.order().status, told.order().open, told.order().leaves_quantity) == ("filled", False, 0)
    assert told.balance("USDT").held == 0


def test_a_market_order_is_sized_by_notional(story: Recorder) -> None:
    story.place("c1", type=OrderType.MARKET, quantity=None, notional=Decimal(50), price=None)
    order = Told(story).order()
    assert (order.type, order.quantity, order.notional, order.price) == ("market", None, 50, None)


def test_a_commission_told_late_completes_its_fill(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", trade("t1", "2", commission=None, commission_currency=None))
    assert Told(story).fill("t1").commission is None
    story.hear("c1", trade("t1", "2"))
    told = Told(story)
    assert (told.fill("t1").commission, told.fill("t1").commission_currency) == (Decimal("0.1"), "USDT")
    assert told.position().commissions == {"USDT": Decimal("0.1")}


def test_a_busted_trade_stays_marked_and_its_money_comes_back(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", ACCEPTED, trade("t1", "2"))
    story.hear("c1", BustReport(exec_id="t1"))
    told = Told(story)
    assert told.fill("t1").busted
    assert (told.order().status, told.order().cum_quantity, told.order().flagged) == ("open", 0, True)
    assert told.position().quantity == 0
    assert (told.balance("USDT").total, told.balance("BTC").total) == (1000, 10)


def test_a_trade_booked_again_after_its_bust_is_a_trade_again(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", ACCEPTED, trade("t1", "2"))
    story.hear("c1", BustReport(exec_id="t1"))
    story.hear("c1", shown(VenueOrderStatus.FILLED, "2"), trade("t1", "2"), source=Provenance.POLL)
    told = Told(story)
    assert not told.fill("t1").busted
    assert len(told.rows["fills"]) == 1


def test_a_trade_with_ourselves_is_two_fills_of_one_id(story: Recorder) -> None:
    story.place("c1")
    story.place("c2", "sell")
    story.hear("c1", trade("t1", "2"))
    story.hear("c2", trade("t1", "2", venue_order_id=VenueOrderId("v2")))
    told = Told(story)
    assert (told.fill("t1", "c1").side, told.fill("t1", "c2").side) == ("buy", "sell")


def test_doubt_refusal_and_cancel_show_with_their_reasons(story: Recorder) -> None:
    for name in ("c1", "c2", "c3"):
        story.place(name, quantity="1")
    story.hear("c1", SubmitUnknown(reason="timeout", valid_until_ns=1))
    story.hear("c2", SubmitRefused(reason="insufficient_funds"))
    story.hear("c3", ACCEPTED)
    story.cancel("c3")
    told = Told(story)
    assert (told.order("c1").status, told.order("c1").reason) == ("in_doubt", "timeout")
    assert (told.order("c2").status, told.order("c2").reason) == ("rejected", "insufficient_funds")
    assert told.order("c3").status is OrderStatus.PENDING_CANCEL
    story.hear("c3", shown(VenueOrderStatus.CANCELED, client_order_id="c3", cancel_reason="user"))
    assert (Told(story).order("c3").status, Told(story).order("c3").reason) == ("canceled", "user")


def test_an_order_of_somebody_else_at_the_venue_is_shown_as_external(story: Recorder) -> None:
    report = shown(VenueOrderStatus.NEW, client_order_id="x1", side=Side.BUY, quantity=Decimal(1), price=Decimal(9))
    story.hear("x1", report)
    order = Told(story).order("x1")
    assert (order.strategy, order.status, order.quantity) == ("external", "open", 1)


def test_a_deposit_shows_in_its_currency_alone(story: Recorder) -> None:
    story.balances(USDT="1000", BTC="10", ETH="3")
    told = Told(story)
    assert (told.balance("ETH").total, told.balance("ETH").available) == (3, 3)
    assert told.balance("USDT").position < told.balance("ETH").position


def test_text_that_postgres_cannot_hold_is_shown_without_it(story: Recorder) -> None:
    story.place("c1", tags={"a\0": "b\0"})
    assert Told(story).order().tags == {"a\N{REPLACEMENT CHARACTER}": "b\N{REPLACEMENT CHARACTER}"}


def test_a_coin_whose_name_postgres_cannot_hold_goes_by_one_name_in_every_row(story: Recorder) -> None:
    name = "A\N{REPLACEMENT CHARACTER}B"
    story.balances(**{"A\0B": "3"})
    story.balances(**{"A\0B": "5"})
    told = Told(story)
    assert told.balance(name).total == 5
    assert [row.amount for row in told.rows["ledger_balances"].values() if row.asset == name] == [5, -5]
    assert "\0" not in repr(told.rows)


def test_only_a_nul_is_replaced_and_no_text_that_spells_one(story: Recorder) -> None:
    story.place("c1", tags={"a": "\\u0000", "b": "\\\0\0", "c": "\\\\u0000"})
    spelled = {"a": "\\u0000", "b": "\\" + 2 * "\N{REPLACEMENT CHARACTER}", "c": "\\\\u0000"}
    assert Told(story).order().tags == spelled


def test_rows_add_up_to_the_book(story: Recorder) -> None:
    story.place("c1")
    story.place("c2", "sell", "3", "101")
    story.hear("c1", ACCEPTED, trade("t1", "0.5", "99"))
    told = Told(story)
    agree(told.twin, story.book)


def test_a_hole_in_the_log_is_not_passed(story: Recorder) -> None:
    story.place("c1")
    story.hear("c1", ACCEPTED)
    history = stored(story)
    with pytest.raises(CorruptStreamError, match="right after"):
        Twin().apply([*history[:3], *history[4:]])


@forall(
    trades=st.lists(
        st.tuples(st.sampled_from(["ann", "bob", "cy", None]), st.sampled_from(Side), st.integers(1, 4), st.booleans()),
        max_size=12,
    )
)
def test_s51_the_shares_of_a_leg_add_up_to_it(trades: list[tuple[str | None, Side, int, bool]]) -> None:
    story = Recorder(usdt="1000000", btc="1000")
    expected: dict[str, int] = {}
    for n, (who, side, quantity, busted) in enumerate(trades):
        name = f"c{n}"
        if who is None:
            seen = shown(
                VenueOrderStatus.NEW,
                client_order_id=None,
                venue_order_id=f"v{n}",
                side=side,
                quantity=Decimal(quantity),
            )
            name = f"externalv{n}"
            story.hear(name, seen)
        else:
            story.place(name, strategy=who, side=side, quantity=str(quantity))
        story.hear(name, trade(f"t{n}", str(quantity), client_order_id=None, venue_order_id=f"v{n}"))
        if busted:
            story.hear(name, BustReport(exec_id=f"t{n}"))
        else:
            owner = who or "unattributed"
            expected[owner] = expected.get(owner, 0) + (quantity if side is Side.BUY else -quantity)
    legs = list(Told(story).rows["positions"].values())
    assert [dict(leg.shares) for leg in legs] == [{who: n for who, n in expected.items() if n}] * bool(trades)
    for leg in legs:
        assert sum(leg.shares.values()) == leg.quantity
