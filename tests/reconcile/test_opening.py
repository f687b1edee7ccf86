"""A trade that was in the opening balances and is booked by itself: taken out, if figures and time agree."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

import pytest
from msgspec.structs import replace

from oms.account.events import HistoryKept, TradesCovered
from oms.account.state import OpeningRevised
from oms.baseline import MARGIN_MS
from oms.book import Book, account_stream
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.decide import Addressed, Said
from oms.opening import LAG_SECONDS, SLACK_MS, Opening, revised
from oms.order.messages import FillInferred, SubmitAccepted
from oms.order.state import Order
from oms.ports import VenueMessage
from oms.reports import TradeReport, VenueOrderStatus
from oms.store.memory import MemoryLog
from oms.values import ZERO, Currency, ExecId, Provenance, Wallet, purse
from oms.venue import Answer, Venue
from tests.adapters.bitmart.fakes import PlainIds
from tests.reconcile.test_reconcile import DECIDER, MAIN, answer, book_with, say, shown, stream, trade

OPENED_MS = 1_000_000
HIDDEN = replace(trade("theirs", "t1", "2"), at_ms=OPENED_MS - 100)  # 2 BTC at 100, for 0.1 USDT
CHANGES = {
    purse(Wallet.SPOT, Currency("BTC")): Decimal(-2),
    purse(Wallet.SPOT, Currency("USDT")): Decimal("200.1"),
}
MOVED = {"BTC": "-2", "USDT": "200.1"}  # the venue's figures less ours, where the trade counts twice


def opened(*, ours: bool = False, history: HistoryKept | None = None) -> Book:
    """Return a book that was opened, in which an order of somebody else's, or ours, then traded."""
    book = book_with("theirs") if ours else book_with()
    news = [(account_stream(MAIN), TradesCovered(until_ms=OPENED_MS))]
    if history is not None:
        news.append((account_stream(MAIN), history))  # type: ignore[arg-type]
    if ours:
        news.append((stream("theirs"), SubmitAccepted(venue_order_id="v-theirs")))  # type: ignore[arg-type]
    else:
        news.append((stream("theirs"), shown("theirs", VenueOrderStatus.FILLED, cum="2")))  # type: ignore[arg-type]
    news.append((stream("theirs"), HIDDEN))  # type: ignore[arg-type]
    say(book, Said(message=tuple(news), actor="venue", cause=None, source=Provenance.POLL))
    return book


def differing(differences: dict[str, str]) -> list[Disagreement]:
    return [
        Disagreement(kind=BreakKind.BALANCE, subject=f"spot/{coin}", ours="", theirs="", difference=Decimal(amount))
        for coin, amount in differences.items()
    ]


def test_what_differs_by_exactly_a_trade_from_before_the_opening_was_in_it() -> None:
    book = opened()
    found = revised(book, differing(MOVED | {"ETH": "7"}), answer(HIDDEN))
    assert found is not None
    assert (found.legs, found.money) == ((), OpeningRevised(changes=CHANGES, trades=(ExecId("t1"),)))
    before = dict(book.totals)
    say(book, Said(message=((account_stream(MAIN), found.money),), actor="oms", cause=None, source=Provenance.POLL))
    assert book.totals == {name: before[name] + Decimal(MOVED[name]) for name in before}
    assert book.account.opened_ms == OPENED_MS
    assert revised(book, differing(MOVED), answer(HIDDEN)) is None, "it was in it once"


def test_what_was_booked_before_the_opening_is_not_in_it_twice() -> None:
    """Another trade of the same size was taken back: its figures are those of this one."""
    book = opened(history=HistoryKept(since_ms=0, booked=(ExecId("t1"),)))
    assert revised(book, differing(MOVED), answer(HIDDEN)) is None


def test_two_trades_may_explain_it_together() -> None:
    book = opened()
    other = replace(trade("theirs", "t2", "0.5"), at_ms=OPENED_MS - 50)
    say(book, Said(message=((stream("theirs"), other),), actor="venue", cause=None, source=Provenance.POLL))
    assert revised(book, differing({"BTC": "-2.5", "USDT": "250.2"}), answer(HIDDEN, other)) is not None
    assert revised(book, differing({"BTC": "-0.5", "USDT": "50.1"}), answer(HIDDEN, other)) is not None


@pytest.mark.parametrize(
    ("differences", "traded"),
    [
        ({"BTC": "-2"}, HIDDEN),  # of the money nothing is missing
        ({"BTC": "-2", "USDT": "200"}, HIDDEN),  # the commission is
        ({"BTC": "2", "USDT": "-200.1"}, HIDDEN),  # the other way round: a trade that nobody booked
        (MOVED, replace(HIDDEN, at_ms=OPENED_MS + SLACK_MS + 1)),
        (MOVED, replace(HIDDEN, at_ms=None)),
        (MOVED, trade("theirs", "t9", "2")),  # not a trade that is booked
    ],
)
def test_nothing_is_inferred_from_less(differences: dict[str, str], traded: object) -> None:
    assert revised(opened(), differing(differences), answer(traded)) is None  # type: ignore[arg-type]


def test_our_own_orders_traded_after_the_opening() -> None:
    assert revised(opened(ours=True), differing(MOVED), answer(HIDDEN)) is None


def moved_by(book: Book, news: object) -> dict[str, Decimal]:
    """Return what is owned once the order of a story has `news`, less what was."""
    before = dict(book.totals)
    say(book, Said(message=((stream("theirs"), news),), actor="venue", cause=None, source=Provenance.POLL))  # type: ignore[arg-type]
    owned = {name: total - before.get(name, ZERO) for name, total in book.totals.items()}
    return {name: change for name, change in owned.items() if change}


OLD = replace(trade("theirs", "t0", "1"), at_ms=OPENED_MS - MARGIN_MS - 1)
YOUNGER = replace(OLD, at_ms=OPENED_MS - MARGIN_MS)
WORTH = {"BTC": Decimal(1), "USDT": Decimal("-100.1")}


@pytest.mark.parametrize(
    ("report", "book", "moves"),
    [
        (OLD, opened(), {}),
        (YOUNGER, opened(), WORTH),  # it may be of now: the venue's clock was set back since
        (OLD, opened(history=HistoryKept(since_ms=OPENED_MS - 2 * MARGIN_MS)), WORTH),  # the log began long before
        (OLD, opened(ours=True), WORTH),  # nothing of ours left before the opening
        (OLD, book_with("theirs"), WORTH),  # nothing is taken over yet
    ],
)
def test_a_trade_that_is_dated_from_long_before_the_opening_is_in_it(
    report: TradeReport, book: Book, moves: dict[str, Decimal]
) -> None:
    assert moved_by(book, report) == moves


def test_a_trade_of_then_that_takes_the_place_of_a_guess_moves_what_the_guess_did_not() -> None:
    book = book_with()
    mark = Said(
        message=((account_stream(MAIN), TradesCovered(until_ms=OPENED_MS)),),
        actor="oms",
        cause=None,
        source=Provenance.POLL,
    )
    say(book, mark)
    moved_by(book, shown("theirs", VenueOrderStatus.CANCELED, cum="1"))
    assert moved_by(book, FillInferred(cum_quantity=Decimal(1), average_price=Decimal(100))) == {"BTC": 1, "USDT": -100}
    assert moved_by(book, OLD) == {"USDT": Decimal("-0.1")}
    assert moved_by(book, OLD) == {}


class Desk:
    """Records what it is told in a book; its venue lists one trade, until it lists it no more."""

    account, opened_ns, decider = MAIN, 0, DECIDER

    def __init__(self) -> None:
        self.book = opened()
        self.listed = answer(HIDDEN)
        self.seconds = 0.0
        self.asked = 0
        self.forgotten: dict[str, Order] = {}  # orders that left memory

    async def known(self, name: str) -> bool:
        if name in self.forgotten:
            self.book.restore(name, self.forgotten.pop(name))
        return name in self.book.orders

    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = Provenance.POLL,
        evidence: Sequence[VenueMessage] = (),
    ) -> None:
        say(self.book, Said(message=tuple(reports), actor="oms", cause=None, source=source))

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        self.asked += 1
        return self.listed

    def monotonic(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return 0


def test_the_opening_is_revised_by_what_two_looks_show() -> None:
    desk = Desk()
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    before = dict(desk.book.totals)
    assert not asyncio.run(opening.corrected(differing(MOVED)))
    desk.seconds += LAG_SECONDS - 1
    assert not asyncio.run(opening.corrected(differing(MOVED)))
    assert desk.book.totals == before, "lists lag: what was taken back may show in them for a moment"
    desk.seconds += 1
    assert asyncio.run(opening.corrected(differing(MOVED)))
    assert desk.book.totals == {name: before[name] + Decimal(MOVED[name]) for name in before}


def test_the_opening_is_revised_by_a_trade_that_is_listed_under_the_venues_id_of_a_known_order_alone() -> None:
    """What a plan has sent trades so, and is booked on the plan's order (seed 44176920)."""
    desk = Desk()
    order = desk.book.orders[stream("theirs")]
    desk.listed = answer(replace(HIDDEN, client_order_id=None, venue_order_id=order.venue_order_id))
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    assert not asyncio.run(opening.corrected(differing(MOVED)))
    desk.seconds += LAG_SECONDS
    assert asyncio.run(opening.corrected(differing(MOVED)))


def test_the_opening_is_not_revised_by_what_the_venue_lists_no_more() -> None:
    desk = Desk()
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    asyncio.run(opening.corrected(differing(MOVED)))
    desk.listed = answer()
    for _ in range(5):
        desk.seconds += LAG_SECONDS
        assert not asyncio.run(opening.corrected(differing(MOVED)))


def test_what_explained_a_difference_that_went_away_proves_nothing_of_the_next_one() -> None:
    desk = Desk()
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    for differences in (differing(MOVED), [], differing(MOVED)):
        assert not asyncio.run(opening.corrected(differences))
        desk.seconds += LAG_SECONDS
    assert asyncio.run(opening.corrected(differing(MOVED)))


def test_a_break_that_nothing_explains_is_looked_for_ever_more_rarely() -> None:
    desk = Desk()
    desk.listed = answer()
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    counts = []
    for _ in range(4):
        for _ in range(360):  # an hour
            asyncio.run(opening.corrected(differing(MOVED)))
            desk.seconds += 10
        counts.append(desk.asked)
    assert counts[0] <= 10
    assert counts[-1] <= counts[0] + 4


def test_a_trade_of_an_order_that_left_memory_is_looked_for_too() -> None:
    """Seed 1013512: it cost a look."""
    desk = Desk()
    desk.forgotten[stream("theirs")] = desk.book.orders[stream("theirs")]
    desk.book._closed_kept = 0
    desk.book.trim()
    assert stream("theirs") not in desk.book.orders
    opening = Opening(desk, cast(Venue, desk), event_log=MemoryLog(), clock=desk, ids=PlainIds())
    assert not asyncio.run(opening.corrected(differing(MOVED)))
    desk.seconds += LAG_SECONDS
    assert asyncio.run(opening.corrected(differing(MOVED)))
