"""What an opening remembers of the time before it, and what that tells of a row that the venue dates from there."""

from decimal import Decimal

from msgspec.structs import replace

from oms import baseline
from oms.account.events import HistoryKept
from oms.account.state import NOBODY, evolve
from oms.account.state import keep as recorded
from oms.baseline import ROWS_MAX, History, news_of
from oms.reports import LedgerReport
from oms.values import Currency, ExecId, Symbol
from oms.venue import Answer
from tests.reconcile.test_reconcile import answer, trade

SINCE_MS, OPENED_NS = 100_000, 1_000_000_000_000
OLD, NEW = trade("theirs", "t1", "2"), trade("theirs", "t2", "1")


def payment(name: str, flow: str = "funding", at_ms: int | None = 200_000) -> LedgerReport:
    perpetual = Symbol("BTC/USDT:USDT")
    usdt = Currency("USDT")
    return LedgerReport(currency=usdt, amount=Decimal(1), flow=flow, symbol=perpetual, ledger_id=name, at_ms=at_ms)


def history(traded: Answer, paid: Answer) -> HistoryKept | None:
    return History(since_ms=SINCE_MS, opened_ms=OPENED_NS // 1_000_000, traded=traded, paid=paid).kept(())


def test_the_opening_remembers_trades_and_payments_and_no_movement_that_trades_tell_of() -> None:
    kept = history(answer(OLD, OLD), answer(payment("f1"), payment("c1", "commission")))
    assert kept is not None
    assert kept.trades == ("t1",)
    assert len(kept.payments) == 1


def test_what_it_remembers_is_no_news_and_everything_else_from_there_is() -> None:
    kept = history(answer(OLD), answer(payment("f1")))
    assert kept is not None
    account = evolve(NOBODY, kept)
    # One id in two kinds of flow, or at two moments, is two payments.
    later = (NEW, payment("f2"), payment("f1", "liquidation"), payment("f1", at_ms=200_001))
    assert news_of(account, answer(OLD, payment("f1"), *later)).reports == later
    assert baseline.since_ms(account, OPENED_NS) == SINCE_MS
    assert recorded(replace(kept, trades=()), account) == (), "an account is taken over once"


def test_what_was_booked_by_then_is_remembered_apart() -> None:
    dated = replace(OLD, at_ms=1)
    kept = History(since_ms=0, opened_ms=0, traded=answer(dated, replace(NEW, at_ms=1)), paid=answer()).kept(
        [OLD.exec_id]
    )
    assert kept == HistoryKept(since_ms=0, trades=(ExecId("t2"),), booked=(ExecId("t1"),))


def test_a_part_of_what_was_there_is_not_remembered_and_then_only_dates_tell() -> None:
    cut = replace(answer(OLD), complete=False)
    crowd = answer(*(trade("theirs", f"t{number}", "1") for number in range(ROWS_MAX + 1)))
    assert history(cut, answer()) is history(answer(), replace(answer(), complete=False)) is None
    assert history(crowd, answer()) is None
    assert baseline.since_ms(NOBODY, OPENED_NS) == OPENED_NS // 1_000_000
    assert news_of(NOBODY, answer(OLD)) == answer(OLD)
