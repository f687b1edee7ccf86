"""Our book and the venue's word: what is recorded closes the gap, and what is left is named, never invented."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.account.events import PositionModeSet
from oms.book import Book, account_stream, order_stream
from oms.breaks.events import BreakKind
from oms.decide import BalancesReport, Decider, Said
from oms.folding import Fact
from oms.order.messages import SubmitAccepted, SubmitUnknown
from oms.order.state import Life
from oms.position.events import FillBooked
from oms.recognition import recognized
from oms.reconcile import Finding, Part, Picture, Reconciliation, Result, questions, reconcile
from oms.reports import (
    BalanceReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    Refusal,
    RefusalClass,
    Report,
    TradeReport,
    VenueOrderStatus,
)
from oms.risk import Limits
from oms.values import (
    AccountId,
    ClientOrderId,
    Crossing,
    Currency,
    ExecId,
    OrderType,
    PositionLeg,
    PositionMode,
    Provenance,
    Side,
    Symbol,
    VenueOrderId,
    Wallet,
)
from oms.venue import Answer, Evidence, Trigger
from tests.order.story import BTC_PERPETUAL, BTC_USDT, FUTURES, SPOT, asking

MAIN = AccountId("main")
DECIDER = Decider(MAIN, instruments={BTC_USDT.symbol: BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits())
NAMES = ("c1", "c2", "theirs")
OWNED = BalanceReport(currency=Currency("USDT"), total=Decimal(10_000))


def stream(name: str) -> str:
    return order_stream(MAIN, ClientOrderId(name))


def answer(*reports: Report, whole: bool = True) -> Answer:
    return Answer(reports=reports, evidence=Evidence(channel="test"), source=Provenance.POLL, complete=whole)


def book_with(*names: str) -> Book:
    """Return a book with 10,000 USDT in which buys of 2 at 100 are being sent."""
    book = Book(MAIN)
    opening = (account_stream(MAIN), BalancesReport(balances=(OWNED,), reason="opening"))
    say(book, Said(message=(opening,), actor="test", cause=None, source=Provenance.POLL))
    for name in names:
        said = asking(client_order_id=ClientOrderId(name))
        say(book, Said(message=said, actor="test", cause=None, source=Provenance.COMMAND))
    return book


def say(book: Book, said: Said) -> Sequence[Fact]:
    return DECIDER.decide(said, book).facts


def recorded(book: Book, findings: Sequence[Finding]) -> list[Fact]:
    """Record `findings` as whoever reconciles does; return what that causes."""
    facts: list[Fact] = []
    for finding in findings:
        facts.extend(say(book, Said(message=finding.news, actor="venue", cause=None, source=Provenance.POLL)))
    return facts


def shown(
    name: str, status: VenueOrderStatus | None = VenueOrderStatus.NEW, cum: str = "0", price: str = "100"
) -> OrderReport:
    return OrderReport(
        symbol=Symbol("BTC/USDT"),
        status=status,
        venue_order_id=VenueOrderId(f"v-{name}"),
        client_order_id=ClientOrderId(name),
        side=Side.BUY,
        quantity=Decimal(2),
        cum_quantity=Decimal(cum),
        price=Decimal(price),
    )


def trade(name: str, exec_id: str, quantity: str) -> TradeReport:
    return TradeReport(
        exec_id=ExecId(exec_id),
        symbol=Symbol("BTC/USDT"),
        price=Decimal(100),
        quantity=Decimal(quantity),
        venue_order_id=VenueOrderId(f"v-{name}"),
        client_order_id=ClientOrderId(name),
        side=Side.BUY,
        commission=Decimal("0.1"),
        commission_currency=Currency("USDT"),
    )


names = st.sampled_from(NAMES)
statuses = st.sampled_from([None, *VenueOrderStatus])
quantities = st.sampled_from(["0", "0.5", "1", "2"])
orders = st.lists(  # a venue shows an order once in a list
    st.builds(shown, names, statuses, quantities), max_size=4, unique_by=lambda report: report.client_order_id
)
trades = st.lists(
    st.builds(trade, names, st.sampled_from(["t1", "t2", "t3"]), quantities.filter(lambda quantity: quantity != "0")),
    max_size=4,
)


@forall(listed=orders, traded=trades, looked=orders, in_doubt=st.booleans())
def test_s41_reconciling_twice_finds_nothing_the_second_time(
    listed: list[OrderReport],
    traded: list[TradeReport],
    looked: list[OrderReport],
    in_doubt: bool,  # noqa: FBT001
) -> None:
    book = book_with("c1", "c2")
    if in_doubt:
        doubt = (stream("c1"), SubmitUnknown(reason="timeout", valid_until_ns=1))
        say(book, Said(message=(doubt,), actor="oms", cause=None, source=Provenance.INFERRED))
    picture = Picture(
        open_orders=answer(*listed),
        trades=answer(*traded),
        looked_up={
            stream(str(each.client_order_id)): answer(each)
            for each in looked
            if each.client_order_id not in {other.client_order_id for other in listed}
        },
    )
    first = reconcile(book, picture)
    assert reconcile(book, picture) == first  # pure: the same book and the same words, the same outcome
    facts = recorded(book, first.findings)
    assert bool(facts) == bool(first.findings)
    again = reconcile(book, picture)
    assert again.findings == ()
    moved = sum((event.quantity for _, event, _ in facts if isinstance(event, FillBooked)), Decimal(0))
    known = {each.exec_id for each in traded}
    assert moved <= sum((each.quantity for each in traded), Decimal(0)) if known else moved == 0


@forall(traded=trades)
def test_s06_no_position_moves_without_a_trade_of_the_venue(traded: list[TradeReport]) -> None:
    book = book_with("c1")
    legs = answer(PositionReport(symbol=Symbol("BTC/USDT:USDT"), leg=PositionLeg.LONG, quantity=Decimal(5)))
    reconciled = reconcile(book, Picture(trades=answer(*traded), positions=legs))
    facts = recorded(book, reconciled.findings)
    fills = {event.exec_id for _, event, _ in facts if isinstance(event, FillBooked)}
    assert fills <= {each.exec_id for each in traded}
    assert [each.break_id for each in reconciled.disagreements] == ["position:BTC/USDT:USDT/long"]


def kinds(reconciled: Reconciliation) -> dict[str, tuple[str, str]]:
    return {each.break_id: (each.ours, each.theirs) for each in reconciled.disagreements}


def test_s07_what_the_venue_holds_is_matched_found_or_asked_for() -> None:
    book = book_with("c1", "c2")
    recorded(book, reconcile(book, Picture(open_orders=answer(shown("c1"), shown("c2")))).findings)
    picture = Picture(open_orders=answer(shown("c1"), shown("theirs")), trades=answer(trade("other", "t9", "1")))
    assert set(questions(book, picture)) == {stream("c2"), stream("other")}
    facts = recorded(book, reconcile(book, picture).findings)
    assert [fact[0] for fact in facts] == [stream("theirs")]


def test_an_order_in_doubt_is_always_asked_for_and_only_once_a_picture() -> None:
    book = book_with("c1")
    doubt = (stream("c1"), SubmitUnknown(reason="timeout", valid_until_ns=1))
    say(book, Said(message=(doubt,), actor="oms", cause=None, source=Provenance.INFERRED))
    refused = answer(Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found"))
    assert questions(book, Picture()) == [stream("c1")]
    assert questions(book, Picture(looked_up={stream("c1"): refused})) == []
    assert reconcile(book, Picture(looked_up={stream("c1"): refused})).findings == ()  # not found is no news


def test_s34_a_price_the_venue_changed_is_a_disagreement_with_both_figures() -> None:
    book = book_with("c1")
    reconciled = reconcile(book, Picture(open_orders=answer(shown("c1", price="99.99"))))
    assert kinds(reconciled) == {"price:c1": ("100", "99.99")}
    assert reconciled.disagreements[0].difference == Decimal("-0.01")


def test_an_order_that_is_over_here_and_still_listed_is_a_disagreement_and_not_opened_again() -> None:
    book = book_with("c1")
    recorded(book, reconcile(book, Picture(open_orders=answer(shown("c1", VenueOrderStatus.CANCELED)))).findings)
    found = reconcile(book, Picture(open_orders=answer(shown("c1"))))
    assert found.findings == ()
    (left,) = found.disagreements
    assert (left.kind, left.subject, left.ours, left.theirs) == (BreakKind.STATE, "c1", "canceled", "listed as new")


def test_s46_an_order_whose_state_nobody_can_read_needs_a_person() -> None:
    book = book_with("c1")
    picture = Picture(open_orders=answer(replace(shown("c1"), status=None, raw_status="foo")))
    recorded(book, reconcile(book, picture).findings)
    assert list(kinds(reconcile(book, picture))) == ["order:c1"]


def test_s17_a_history_that_was_cut_is_a_disagreement_and_no_success() -> None:
    cut = reconcile(book_with(), Picture(trades=answer(whole=False), trades_since_ms=5, trades_until_ms=9))
    assert [each.break_id for each in cut.disagreements] == ["history:trades"]
    assert cut.disagreements[0].until_ms == 9
    whole = reconcile(book_with(), Picture(trades=answer()))
    assert BreakKind.HISTORY in whole.asked
    assert not whole.disagreements


def test_balances_are_compared_digit_for_digit_and_a_currency_that_is_not_listed_is_zero() -> None:
    theirs = answer(BalanceReport(currency=Currency("BMX"), available=Decimal("0.1"), held=Decimal("0.2")))
    assert kinds(reconcile(book_with(), Picture(balances=theirs))) == {
        "balance:spot/BMX": ("0", "0.3"),
        "balance:spot/USDT": ("10000", "0"),
    }
    same = answer(BalanceReport(currency=Currency("USDT"), total=Decimal("10000.00")))
    assert kinds(reconcile(book_with(), Picture(balances=same))) == {}


def test_the_position_mode_that_the_venue_shows_is_recorded_once() -> None:
    book = book_with()
    picture = Picture(positions=answer(PositionModeReport(mode=PositionMode.HEDGE)))
    facts = recorded(book, reconcile(book, picture).findings)
    assert [type(event) for _, event, _ in facts] == [PositionModeSet]
    assert reconcile(book, picture).findings == ()


def test_what_an_unsettled_order_moves_is_not_told_yet() -> None:
    book = book_with("c1")
    recorded(book, reconcile(book, Picture(open_orders=answer(shown("c1", cum="1")))).findings)
    assert reconcile(book, Picture()).unsure == {
        "balance:spot/BTC", "balance:spot/USDT", "position:BTC/USDT/net",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "result"),
    [((), Result.COMPLETE), ((Part.BALANCES,), Result.PARTIAL), (tuple(Part), Result.FAILED)],
)
def test_s42_a_part_that_could_not_be_asked_is_never_swallowed(failed: tuple[Part, ...], result: Result) -> None:
    assert Picture(failures=dict.fromkeys(failed, "connection reset")).result is result


# ------------------------------------------------------------------------------------------------ without a name


PERPETUALS = Decider(
    MAIN, instruments={BTC_PERPETUAL.symbol: BTC_PERPETUAL}, capabilities=lambda _: FUTURES, limits=Limits()
)


def waiting_book(*, known_as: str | None = "77") -> Book:
    """Return a book with a perpetual's order that the venue has taken, to wait for its price; None: nobody knows."""
    book = Book(MAIN)
    purse = BalanceReport(currency=Currency("USDT"), wallet=Wallet.FUTURES, total=Decimal(10_000))
    trigger = Trigger(price=Decimal(100), when=Crossing.FALLS_TO)
    order = asking(symbol=BTC_PERPETUAL.symbol, type=OrderType.MARKET, price=None, trigger=trigger)
    messages: list[Any] = [
        ((account_stream(MAIN), BalancesReport(balances=(purse,), reason="opening")),),
        order,
    ]
    if known_as is not None:
        messages.append(((stream("c1"), SubmitAccepted(venue_order_id=VenueOrderId(known_as))),))
    for message in messages:
        PERPETUALS.decide(Said(message=message, actor="test", cause=None, source=Provenance.COMMAND), book)
    return book


def nameless(venue_order_id: str, **changes: Any) -> OrderReport:
    report = replace(shown("c1"), client_order_id=None, venue_order_id=VenueOrderId(venue_order_id))
    return replace(report, **{"symbol": BTC_PERPETUAL.symbol} | changes)


def test_s29_an_order_that_waits_is_known_by_the_venues_id_where_the_venue_keeps_no_name() -> None:
    seen = recognized(waiting_book(), answer(nameless("77"), nameless("78")))
    assert [each.client_order_id for each in seen.reports] == ["c1", None]  # type: ignore[union-attr]


def test_an_order_of_another_market_under_a_name_that_is_taken_is_one_of_its_own() -> None:
    """Somebody else's program may count its orders from one on spot, and from one on perpetuals."""
    book = waiting_book(known_as="77")
    before = book.orders[stream("c1")]
    other = replace(shown("c1"), venue_order_id=VenueOrderId("5"))
    traded = TradeReport(
        exec_id=ExecId("t1"), symbol=other.symbol, price=Decimal(100), quantity=Decimal(1),
        client_order_id=other.client_order_id, venue_order_id=other.venue_order_id,
    )  # fmt: skip
    assert other.symbol != before.request.symbol
    seen = recognized(book, answer(other, traded)).reports
    assert [each.client_order_id for each in seen] == [None, None]  # type: ignore[union-attr]
    said = Said(message=((stream("c1"), traded),), actor="test", cause=None, source=Provenance.POLL)
    PERPETUALS.decide(said, book)
    assert book.orders[stream("c1")] == before, "also where it was told before that order was in memory"
    mine = replace(shown("c1"), symbol=before.request.symbol, venue_order_id=VenueOrderId("5"))
    assert recognized(book, answer(mine)).reports == (mine,)


def test_s29_what_it_sends_is_ours_and_so_are_its_trades() -> None:
    fill = TradeReport(
        exec_id=ExecId("t1"),
        symbol=BTC_PERPETUAL.symbol,
        price=Decimal(100),
        quantity=Decimal(1),
        venue_order_id=VenueOrderId("99"),
    )
    sent = nameless("99", triggered_by=VenueOrderId("77"))
    seen = recognized(waiting_book(), answer(fill, sent))
    assert [each.client_order_id for each in seen.reports] == ["c1", "c1"]  # type: ignore[union-attr]
    once_known = recognized(waiting_book(known_as="99"), answer(fill))
    assert [each.client_order_id for each in once_known.reports] == ["c1"]  # type: ignore[union-attr]


def test_s29_what_closed_and_left_memory_is_known_by_its_ids_all_the_same() -> None:
    """Its trades may be told again after a restart: booked under another name they would be booked twice."""
    book = waiting_book()
    end = ((stream("c1"), replace(nameless("77"), status=VenueOrderStatus.CANCELED)),)
    PERPETUALS.decide(Said(message=end, actor="test", cause=None, source=Provenance.POLL), book)
    book.orders.clear()
    seen = recognized(book, answer(nameless("99", triggered_by=VenueOrderId("77"))))
    assert [each.client_order_id for each in seen.reports] == ["c1"]  # type: ignore[union-attr]


def test_s29_a_trade_is_booked_once_whoever_its_order_was_taken_for() -> None:
    """Found by the simulation, seeds 99, 684 and 2139: what a plan had sent was known before the plan was."""
    book = waiting_book(known_as=None)
    sent = nameless("99", triggered_by=VenueOrderId("77"), status=VenueOrderStatus.FILLED, cum_quantity=Decimal(1))
    fill = TradeReport(
        exec_id=ExecId("t1"),
        symbol=BTC_PERPETUAL.symbol,
        price=Decimal(100),
        quantity=Decimal(1),
        venue_order_id=VenueOrderId("99"),
        commission=Decimal(0),
        commission_currency=Currency("USDT"),
    )

    def told(*news: Any) -> None:
        said = Said(message=news, actor="test", cause=None, source=Provenance.POLL)
        PERPETUALS.decide(said, book)

    told((stream("external99"), sent), (stream("external99"), fill))
    told((stream("c1"), SubmitAccepted(venue_order_id=VenueOrderId("77"))))
    mine = {"client_order_id": ClientOrderId("c1")}
    told((stream("c1"), replace(sent, **mine)), (stream("c1"), replace(fill, **mine)))
    (leg,) = [each for name, each in book.positions.items() if name.startswith("position/")]
    assert leg.quantity == 1
    assert book.orders[stream("c1")].life is Life.CANCELED
    assert book.orders[stream("c1")].reason == "its price came: see external99"


def test_s29_what_a_plan_sent_ends_where_it_was_booked_though_the_plan_is_over() -> None:
    """Found by the simulation, seed 13050: told by the plan's name, the end went to the plan, again and again."""
    book = waiting_book(known_as=None)
    sent = nameless("99", triggered_by=VenueOrderId("77"), cum_quantity=Decimal(0))
    mine = replace(sent, client_order_id=ClientOrderId("c1"))

    def told(*news: Any) -> None:
        said = Said(message=news, actor="test", cause=None, source=Provenance.POLL)
        PERPETUALS.decide(said, book)

    told((stream("external99"), sent))
    told((stream("c1"), SubmitAccepted(venue_order_id=VenueOrderId("77"))))
    told((stream("c1"), mine))
    assert book.orders[stream("external99")].life is Life.WORKING
    for shown in (sent, mine):  # seed 39486: told by the plan's name, it was a break of the plan
        (named,) = recognized(book, answer(shown)).reports
        assert isinstance(named, OrderReport)
        assert named.client_order_id == "external99"
    told((stream("c1"), replace(mine, status=VenueOrderStatus.CANCELED)))
    assert book.orders[stream("external99")].life is Life.CANCELED


def test_what_is_owned_is_compared_without_what_is_held_did_cost() -> None:
    """Found by the simulation, seed 72: what was earned hangs on the order in which trades were learned."""
    book = waiting_book()
    symbol = BTC_PERPETUAL.symbol
    size = BTC_PERPETUAL.contract_size

    def purse(total: Decimal) -> Answer:
        return answer(BalanceReport(currency=Currency("USDT"), wallet=Wallet.FUTURES, total=total))

    # At the venue: bought at 100 and at 110, one sold at 120, for half of the cost. The second is learned last.
    for name, side, price in (("b1", Side.BUY, 100), ("s1", Side.SELL, 120), ("b2", Side.BUY, 110)):
        asked = {"symbol": symbol, "side": side, "quantity": Decimal(1), "price": Decimal(price)}
        order = asking(client_order_id=ClientOrderId(name), **asked)
        fill = TradeReport(
            exec_id=ExecId(name),
            symbol=symbol,
            price=Decimal(price),
            quantity=Decimal(1),
            commission=Decimal(0),
            commission_currency=Currency("USDT"),
        )
        for message in (order, ((stream(name), fill),)):
            PERPETUALS.decide(Said(message=message, actor="test", cause=None, source=Provenance.COMMAND), book)
    leg = answer(PositionReport(symbol=symbol, leg=PositionLeg.NET, quantity=Decimal(1), cost=Decimal(105) * size))
    theirs = Decimal(10_000) + 15 * size
    assert book.totals["futures:USDT"] == Decimal(10_000) + 20 * size  # type: ignore[index]
    assert not kinds(reconcile(book, Picture(balances=purse(theirs), positions=leg)))
    assert "balance:futures/USDT" in kinds(reconcile(book, Picture(balances=purse(theirs))))
    # A person who ends what differs takes over what came, and not what evens out by itself once the position is closed.
    (brought,) = reconcile(book, Picture(balances=purse(theirs + 7), positions=leg)).disagreements
    assert brought.difference == 7


def test_trades_that_are_listed_together_are_recorded_in_the_order_in_which_they_happened() -> None:
    """Found by the simulation: what a start read, newest first, earned another share than at the venue."""
    book = book_with("c1", "c2")
    happened = [("c1", "t1"), ("c2", "t2"), ("c1", "t3")]
    rows = [replace(trade(name, exec_id, "0.5"), at_ms=at_ms) for at_ms, (name, exec_id) in enumerate(happened, 1)]
    (found,) = reconcile(book, Picture(trades=answer(*reversed(rows)))).findings
    assert [each.exec_id for _, each in found.news if isinstance(each, TradeReport)] == ["t1", "t2", "t3"]


def test_s29_an_order_whose_answer_was_lost_is_known_by_its_terms_where_only_one_fits() -> None:
    book = waiting_book(known_as=None)
    waits = nameless("77", trigger_price=Decimal(100))
    assert [each.client_order_id for each in recognized(book, answer(waits)).reports] == ["c1"]  # type: ignore[union-attr]
    for other in (
        replace(waits, trigger_price=Decimal(101)),
        replace(waits, side=Side.SELL),
        replace(waits, quantity=Decimal(7)),
        replace(waits, trigger_price=None),
    ):
        seen = recognized(book, answer(other))
        assert [each.client_order_id for each in seen.reports] == [None]  # type: ignore[union-attr]
        assert seen.complete
    twins = recognized(book, answer(waits, replace(waits, venue_order_id=VenueOrderId("78"))))
    assert (twins.reports, twins.complete) == ((), False), "which of them is ours nobody can tell yet"


def test_s29_an_order_whose_answer_came_takes_no_other_for_its_own() -> None:
    stranger = nameless("78", trigger_price=Decimal(100))
    seen = recognized(waiting_book(), answer(stranger))
    assert [each.client_order_id for each in seen.reports] == [None]  # type: ignore[union-attr]


def test_a_name_that_the_venue_says_is_left_as_it_is_and_an_id_counts_only_in_its_market() -> None:
    theirs = nameless("77", client_order_id=ClientOrderId("theirs"))
    elsewhere = nameless("77", symbol=BTC_USDT.symbol)
    seen = answer(theirs, elsewhere)
    assert recognized(waiting_book(), seen).reports == seen.reports
