"""A book is shown only while it is whole."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bitmart.market_data.books import EARLY_MAX, LEVELS_MAX, Applied, Book
from oms.reports import BookReport
from oms.values import Symbol

BTC = Symbol("BTC/USDT")


def levels(*pairs: str) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(price), Decimal(size)) for price, size in (pair.split("x") for pair in pairs))


def snapshot(
    version: int | None, bids: tuple[str, ...] = ("99x1", "98x2"), asks: tuple[str, ...] = ("101x3",)
) -> BookReport:
    return BookReport(symbol=BTC, bids=levels(*bids), asks=levels(*asks), version=version)


def update(version: int | None, bids: tuple[str, ...] = (), asks: tuple[str, ...] = ()) -> BookReport:
    return BookReport(symbol=BTC, bids=levels(*bids), asks=levels(*asks), version=version, update=True)


def played(*reports: BookReport) -> tuple[Book, list[Applied]]:
    book = Book(BTC)
    return book, [book.apply(report) for report in reports]


def test_a_snapshot_and_its_updates_make_the_book() -> None:
    book, said = played(snapshot(4), update(5, asks=("101x0", "102x7")), update(6, bids=("99x5", "100x1")))
    assert said == [Applied.CHANGED] * 3
    view = book.view(2)
    assert view is not None
    assert (view.bids, view.asks, view.version) == (levels("100x1", "99x5"), levels("102x7"), 6)


def test_s59_a_missing_version_hides_the_book_until_a_snapshot_mends_it() -> None:
    book, said = played(snapshot(4), update(6, bids=("97x1",)))
    assert said[-1] is Applied.GAP
    assert book.view(5) is None
    assert book.apply(update(7, asks=("103x1",))) is Applied.GAP
    assert book.apply(snapshot(6)) is Applied.CHANGED, "what had come meanwhile follows it without a gap"
    view = book.view(5)
    assert view is not None
    assert view.version == 7
    assert view.asks == levels("101x3", "103x1")


def test_a_quiet_book_repeats_its_version_and_loses_nothing() -> None:
    book, said = played(snapshot(4), update(4), update(3, bids=("1x1",)), update(5))
    assert said == [Applied.CHANGED, Applied.NOTHING_NEW, Applied.NOTHING_NEW, Applied.CHANGED]
    assert book.valid


def test_updates_before_their_snapshot_wait_for_it() -> None:
    book, said = played(update(5, bids=("97x1",)), update(6, bids=("96x1",)), snapshot(5))
    assert said == [Applied.GAP, Applied.GAP, Applied.CHANGED]
    view = book.view(9)
    assert view is not None
    assert view.bids == levels("99x1", "98x2", "96x1")


def test_a_snapshot_that_what_came_before_does_not_join_is_not_enough() -> None:
    book, said = played(update(9, bids=("97x1",)), snapshot(5))
    assert said[-1] is Applied.GAP
    assert book.view(1) is None


def test_versions_that_start_again_are_believed_of_a_snapshot_alone() -> None:
    book, said = played(snapshot(900), update(2), snapshot(1), update(2, bids=("99x9",)))
    assert said == [Applied.CHANGED, Applied.NOTHING_NEW, Applied.CHANGED, Applied.CHANGED]
    assert book.valid


@pytest.mark.parametrize(
    "report", [update(5, bids=("101x1",)), update(5, asks=("99x1",)), snapshot(9, bids=("101x1",), asks=("101x1",))]
)
def test_a_crossed_book_is_no_book(report: BookReport) -> None:
    book, said = played(snapshot(4), report)
    assert said[-1] is Applied.GAP
    assert book.view(1) is None


def test_a_whole_book_without_a_version_replaces_and_a_side_that_is_not_said_stays() -> None:
    one_side = BookReport(symbol=BTC, bids=levels("97x1"), asks=None)
    book, _ = played(snapshot(None), one_side)
    view = book.view(5)
    assert view is not None
    assert (view.bids, view.asks) == (levels("97x1"), levels("101x3"))


def test_memory_is_bounded() -> None:
    book, _ = played(snapshot(0))
    for version in range(1, LEVELS_MAX * 2):
        book.apply(update(version, bids=(f"0.{version:05d}x1",), asks=(f"{1000 + version}x1",)))
    view = book.view(10_000)
    assert view is not None
    assert view.bids is not None
    assert view.asks is not None
    assert (len(view.bids), len(view.asks)) == (LEVELS_MAX, LEVELS_MAX)
    assert view.bids[0] == levels("99x1")[0], "the best stay"
    stranded, _ = played(*(update(version) for version in range(EARLY_MAX * 3)))
    assert len(stranded._early) == EARLY_MAX


@given(st.lists(st.tuples(st.integers(90, 99), st.integers(101, 110), st.integers(0, 3)), max_size=30), st.data())
def test_any_loss_is_noticed_and_any_order_of_mending_gives_the_truth(
    moves: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    updates = [
        update(n + 1, bids=(f"{bid}x{size}",), asks=(f"{ask}x{size}",)) for n, (bid, ask, size) in enumerate(moves)
    ]
    truth, _ = played(snapshot(0), *updates)
    lost = data.draw(st.sets(st.integers(0, max(len(updates) - 1, 0))))
    book, said = played(snapshot(0), *(report for index, report in enumerate(updates) if index not in lost))
    if any(index in lost for index in range(len(updates))) and max(set(range(len(updates))) - lost, default=-1) > min(
        lost
    ):
        assert Applied.GAP in said
        assert book.view(1) is None
    whole = truth.view(100)
    assert whole is not None
    book.apply(BookReport(symbol=BTC, bids=whole.bids, asks=whole.asks, version=len(updates)))
    assert book.view(100) == whole
