"""What an account owns and holds follows from its log, and an undo takes back exactly what was done."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.account.events import BalanceAdjusted, TradingHalted, TradingResumed
from oms.account.state import (
    NOBODY,
    Halt,
    HaltTrading,
    ResumeTrading,
    TooManyHaltsError,
    adjust,
    evolve,
    halt,
    resume,
)
from oms.book import Book, account_stream
from oms.decide import Decider, Said
from oms.errors import CommandRefusedError
from oms.folding import Fact
from oms.order.events import CancelRequested, CancelUnknown, OrderVanished, VenueAccepted
from oms.order.holds import hold
from oms.order.messages import CancelOrder, SubmitAccepted, SubmitUnknown
from oms.order.state import CLOSED
from oms.reports import VenueOrderStatus
from oms.risk import Limits
from oms.values import AccountId, ClientOrderId, Currency, Provenance, Purse, Side, StrategyId, Symbol, VenueOrderId
from tests.order.story import BTC_USDT, SPOT, asking, sent, shown, trade

MAIN = AccountId("main")
USDT, BTC = Purse("USDT"), Purse("BTC")
DECIDER = Decider(MAIN, instruments={Symbol("BTC/USDT"): BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits())


def book_with(*tallied: str, **amounts: str) -> Book:
    book = Book(MAIN, tallied=[StrategyId(name) for name in tallied])
    for currency, amount in amounts.items():
        event = BalanceAdjusted(
            currency=Currency(currency), change=Decimal(amount), total=Decimal(amount), reason="opening"
        )
        book.apply(account_stream(MAIN), event)
    book.cut()
    return book


def say(book: Book, message: object, stream: str | None = None) -> Sequence[Fact]:
    told = message if stream is None else ((stream, message),)
    said = Said(message=told, actor="test", cause="test", source=Provenance.COMMAND)  # type: ignore[arg-type]
    return DECIDER.decide(said, book).facts


def test_an_open_order_holds_and_a_fill_spends() -> None:
    book = book_with(USDT="1000")
    say(book, asking(quantity=Decimal(2), price=Decimal(100)))
    assert book.funds(USDT).available == Decimal("799.8")
    say(book, trade("t1", "0.5", "90", commission=Decimal("0.045")), "order/main/c1")
    assert book.funds(USDT).total == Decimal("954.955")
    assert book.funds(USDT).held == Decimal("150.15")
    assert book.funds(BTC).total == Decimal("0.5")
    say(book, shown(VenueOrderStatus.CANCELED, "0.5"), "order/main/c1")
    assert book.funds(USDT).held == 0
    assert book.positions["position/main/BTC/USDT/net"].quantity == Decimal("0.5")


def test_s21_twenty_buys_of_a_hundred_out_of_a_thousand_send_nine() -> None:
    """Nine, not ten: each holds its commission as well."""
    book = book_with(USDT="1000")
    for n in range(20):
        say(book, asking(client_order_id=ClientOrderId(f"c{n}"), quantity=Decimal(1)))
    sent = [order for order in book.orders.values() if order.life not in CLOSED]
    assert len(sent) == 9
    assert book.funds(USDT).held == Decimal("900.9")
    for n in range(9):
        say(book, shown(VenueOrderStatus.CANCELED, client_order_id=f"c{n}"), f"order/main/c{n}")
    assert book.funds(USDT).held == 0


def test_the_venues_balances_are_taken_over_with_the_reason() -> None:
    totals = {USDT: Decimal(5)}
    changes = adjust(totals, {USDT: Decimal(7), BTC: Decimal(1)}, "external")
    assert [(c.currency, c.change, c.total) for c in changes] == [(BTC, 1, 1), (USDT, 2, 7)]
    assert adjust(totals, totals, "external") == []
    assert [c.change for c in adjust(totals, {}, "external")] == [-5]  # not listed is zero


def test_a_halt_is_put_on_once_and_taken_off_once() -> None:
    stop, go = HaltTrading(account=MAIN, reason="drill", halt_id="h1"), ResumeTrading(account=MAIN, reason="over")
    on = TradingHalted(reason="drill", halt_id="h1")
    assert halt(stop, NOBODY) == (on,)
    halted = evolve(NOBODY, on)
    assert halt(stop, halted) == ()
    assert resume(go, halted) == (TradingResumed(reason="over"),)
    assert resume(go, NOBODY) == ()
    assert evolve(halted, TradingResumed(reason="over")).halts == {}


HALTED = """
                 maker BTC   maker ETH   taker BTC   taker ETH
everything           1           1           1           1
maker                1           1           .           .
BTC                  1           .           1           .
maker BTC            1           .           .           .     """


def test_a_halt_stops_whom_it_names_where_it_says() -> None:
    head, *rows = HALTED.strip("\n").splitlines()
    pairs = list(zip(head.split()[::2], head.split()[1::2], strict=True))
    for row in rows:
        *scope, a, b, c, d = row.split()
        strategy = StrategyId("maker") if "maker" in scope else None
        symbol = Symbol("BTC") if "BTC" in scope else None
        on = TradingHalted(reason="drill", halt_id="h1", strategy=strategy, symbol=symbol)
        halted = evolve(NOBODY, on)
        stopped = [halted.halt_of(StrategyId(who), Symbol(where)) is not None for who, where in pairs]
        assert stopped == [cell == "1" for cell in (a, b, c, d)], row
        other = ResumeTrading(account=MAIN, reason="over", strategy=StrategyId("nobody"))
        assert resume(other, halted) == ()  # another scope's end is not this one's


def test_a_thousand_scopes_are_enough_and_the_whole_account_is_one_more() -> None:
    halted, everything = NOBODY, HaltTrading(account=MAIN, reason="drill", halt_id="h1")
    for n in range(1000):
        halted = evolve(halted, TradingHalted(reason="r", halt_id=str(n), strategy=StrategyId(str(n))))
    with pytest.raises(TooManyHaltsError):
        halt(replace(everything, strategy=StrategyId("one more")), halted)
    (stopped,) = halt(everything, halted)  # as the refusal advises
    halted = evolve(halted, stopped)
    assert halt(everything, halted) == ()
    assert halted.halt_of(StrategyId("7"), Symbol("BTC/USDT")) == Halt("drill", "h1")
    with pytest.raises(TooManyHaltsError):
        halt(replace(everything, strategy=StrategyId("one more")), halted)


def test_s51_what_a_strategy_lost_is_tallied_taken_back_and_never_anothers() -> None:
    """Its own trades alone: bought at 100, sold at 90 and then at 60, with commissions in quote and in another coin."""
    book, in_bmx = book_with("maker", USDT="1000"), {"commission": Decimal(7), "commission_currency": Currency("BMX")}
    say(book, asking(strategy=StrategyId("other"), client_order_id=ClientOrderId("o1"), quantity=Decimal(2)))
    say(book, trade("t0", "2", "10", client_order_id="o1"), "order/main/o1")
    say(book, asking(quantity=Decimal(2)))
    say(book, trade("t1", "2", "100", commission=Decimal("0.2")), "order/main/c1")
    assert book.loss(StrategyId("maker")) == Decimal("0.2")
    say(book, asking(client_order_id=ClientOrderId("c2"), side=Side.SELL, quantity=Decimal(2)))
    book.cut()
    say(book, trade("t2", "1", "90", client_order_id="c2", **in_bmx), "order/main/c2")
    assert book.loss(StrategyId("maker")) == Decimal("10.2")
    journal = book.cut()
    say(book, trade("t3", "1", "60", client_order_id="c2", **in_bmx), "order/main/c2")
    assert book.loss(StrategyId("maker")) == Decimal("50.2")
    book.undo(book.cut())
    assert book.loss(StrategyId("maker")) == Decimal("10.2")
    book.undo(journal)
    assert book.loss(StrategyId("maker")) == Decimal("0.2")
    assert book.loss(StrategyId("other")) == 0, "nobody asked to know"


def test_closed_orders_leave_memory_unless_something_is_missing() -> None:
    book = Book(MAIN, closed_kept=1)
    book.apply(
        account_stream(MAIN),
        BalanceAdjusted(currency=Currency("USDT"), change=Decimal(10**6), total=Decimal(10**6), reason="opening"),
    )
    for n in range(4):
        say(book, asking(client_order_id=ClientOrderId(f"c{n}")))
        ended = shown(VenueOrderStatus.CANCELED, "0.5" if n == 0 else "0", client_order_id=f"c{n}")
        say(book, ended, f"order/main/c{n}")
        book.trim()
    assert set(book.orders) == {"order/main/c0", "order/main/c3"}  # the first still waits for its trade


def test_the_venues_ids_come_and_go_with_the_orders_in_memory() -> None:
    book = book_with(USDT="1000000")
    book._closed_kept = 1

    def known() -> set[str]:
        ids = {f"v{n}": book.known_as(Symbol("BTC/USDT"), VenueOrderId(f"v{n}")) for n in range(5)}
        return {f"{name} {order.request.client_order_id}" for name, order in ids.items() if order is not None}

    for n in range(4):
        say(book, asking(client_order_id=ClientOrderId(f"c{n}")))
        say(book, SubmitAccepted(venue_order_id=VenueOrderId(f"v{n}")), f"order/main/c{n}")
    assert known() == {"v0 c0", "v1 c1", "v2 c2", "v3 c3"}
    first = book.orders["order/main/c0"]
    for n in range(3):
        ended = shown(VenueOrderStatus.CANCELED, venue_order_id=f"v{n}", client_order_id=f"c{n}")
        say(book, ended, f"order/main/c{n}")
        book.trim()
    assert known() == {"v2 c2", "v3 c3"}
    assert Book.of_image(MAIN, book.image()).known_as(Symbol("BTC/USDT"), VenueOrderId("v3")) is not None
    book.cut()
    say(book, asking(client_order_id=ClientOrderId("c4")))
    say(book, SubmitAccepted(venue_order_id=VenueOrderId("v4")), "order/main/c4")
    assert known() == {"v2 c2", "v3 c3", "v4 c4"}
    book.undo(book.cut())
    book.restore("order/main/c0", first)
    assert known() == {"v0 c0", "v2 c2", "v3 c3"}


def test_what_was_read_before_we_knew_the_venues_id_is_recorded_under_our_name() -> None:
    book = book_with(USDT="1000")
    say(book, asking())
    say(book, SubmitAccepted(venue_order_id=VenueOrderId("v1")), "order/main/c1")
    for unnamed in (trade("t1", "0.5"), shown(VenueOrderStatus.PARTIALLY_FILLED, "0.5", client_order_id=None)):
        say(book, unnamed, "order/main/externalv1")
    assert list(book.orders) == ["order/main/c1"]
    assert book.orders["order/main/c1"].cum_quantity == Decimal("0.5")


messages = st.lists(
    st.one_of(
        st.builds(
            lambda n, q, s: asking(client_order_id=ClientOrderId(f"c{n}"), quantity=Decimal(q), side=s),
            st.integers(1, 3),
            st.integers(1, 4),
            st.sampled_from(Side),
        ),
        st.builds(
            lambda n: CancelOrder(account=MAIN, client_order_id=ClientOrderId(f"c{n}"), request_id="r"),
            st.integers(1, 3),
        ),
        st.builds(lambda n, t: (f"c{n}", trade(f"t{t}", "0.5")), st.integers(1, 3), st.integers(1, 3)),
        st.builds(
            lambda n, s: (f"c{n}", shown(s, "0.5", client_order_id=f"c{n}")),
            st.integers(1, 3),
            st.sampled_from(VenueOrderStatus),
        ),
        st.builds(lambda n: (f"c{n}", SubmitAccepted(venue_order_id=VenueOrderId("v1"))), st.integers(1, 3)),
        st.builds(lambda n: (f"c{n}", SubmitUnknown(reason="x", valid_until_ns=1)), st.integers(1, 3)),
        st.just(HaltTrading(account=MAIN, reason="x", halt_id="h1")),
        st.just(ResumeTrading(account=MAIN, reason="x")),
    ),
    max_size=12,
)


def tell(book: Book, message: object) -> Sequence[Fact]:
    try:
        if isinstance(message, tuple):
            return say(book, message[1], f"order/main/{message[0]}")
        return say(book, message)
    except CommandRefusedError:
        return ()


@forall(before=messages, after=messages)
def test_an_undo_takes_back_exactly_what_was_done(before: list[object], after: list[object]) -> None:
    book = book_with(USDT="1000", BTC="3")
    for message in before:
        tell(book, message)
    book.cut()
    summary, unsettled = book.summary(), set(book.unsettled)
    for message in after:
        tell(book, message)
    book.undo(book.cut())
    assert book.summary() == summary
    assert set(book.unsettled) == unsettled


@forall(told=messages, looks=st.sets(st.integers(0, 12)))
def test_adding_up_at_the_end_equals_adding_up_along_the_way(told: list[object], looks: set[int]) -> None:
    watched, unwatched = book_with(USDT="1000", BTC="3"), book_with(USDT="1000", BTC="3")
    for number, message in enumerate(told):
        facts = tell(watched, message)
        if number in looks:
            watched.summary()
        for stream, event, _ in facts:
            unwatched.apply(stream, event)
    assert unwatched.summary() == watched.summary()


@forall(told=messages)
def test_what_is_held_is_the_sum_over_open_orders(told: list[object]) -> None:
    book = book_with(USDT="1000", BTC="3")
    for message in told:
        tell(book, message)
        for currency in (USDT, BTC):
            holds = [hold(order) for order in book.orders.values()]
            assert book.funds(currency).held == sum((amount for held, amount in holds if held == currency), Decimal(0))
        assert set(book.open) == {stream for stream, order in book.orders.items() if order.life not in CLOSED}
        assert set(book.unsettled) == {stream for stream, order in book.orders.items() if order.unsettled}


def test_an_undo_brings_a_doubt_back_that_was_asked_for_meanwhile() -> None:
    book, name = Book(MAIN), "order/main/c1"
    doubted = (
        *sent(),
        VenueAccepted(venue_order_id=VenueOrderId("v1")),
        CancelRequested(request_id="r1"),
        CancelUnknown(request_id="r1", reason="timeout"),
    )
    for event in doubted:
        book.apply(name, event)
    book.cut()
    book.apply(name, OrderVanished(evidence=("m1",)))
    assert not book.unproven()
    book.undo(book.cut())
    assert [order.request.client_order_id for order in book.unproven()] == ["c1"]
