"""What a venue dates from before a log's opening, told apart: what it had listed when the log opened, and what is new.

A venue's clock may be set back, and then it dates what happens now from before the log began. A date alone would make
that history, which the opening balances hold. So the opening keeps by their ids the rows that the venue lists of the
time right before it, and a row from there that is not among them came later. Where figures agree nobody asks.
"""

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.account.events import HistoryKept
from oms.account.state import Account
from oms.position.flows import payment_of
from oms.reports import LedgerReport, Report, TradeReport
from oms.values import ExecId
from oms.venue import Answer

MARGIN_MS: Final = 15 * 60_000  # how far back a clock is thought to be set at most
ROWS_MAX: Final = 5_000  # that are kept; a busier account, and a list that was cut, is told by its dates alone


class History(Struct, frozen=True, kw_only=True):
    """What the venue listed at an opening: of the time right before `opened_ms` (UTC), and what it dates from later,
    even ahead of its own clock.
    """

    since_ms: int
    opened_ms: int
    traded: Answer
    paid: Answer

    @property
    def rows(self) -> HistoryKept | None:
        """All of it, however it is dated: the venue's clock may have been set. None where it was not listed whole."""
        return self._kept(lambda _: True)

    def kept(self, booked: Collection[ExecId]) -> HistoryKept | None:
        """What the log is to remember of it: but for the trades that it has `booked`, all were before the balances."""
        return self._kept(lambda trade: (trade.at_ms or 0) <= self.opened_ms or trade.exec_id not in booked, booked)

    def _kept(self, counts: Callable[[TradeReport], bool], booked: Collection[ExecId] = ()) -> HistoryKept | None:
        listed = (each for each in self.traded.reports if isinstance(each, TradeReport))
        trades = sorted({each.exec_id for each in listed if counts(each)})
        payments = sorted({name for each in self.paid.reports if (name := _payment(each)) is not None})
        if not (self.traded.complete and self.paid.complete) or len(trades) + len(payments) + len(booked) > ROWS_MAX:
            return None
        return HistoryKept(
            since_ms=self.since_ms, trades=tuple(trades), payments=tuple(payments), booked=tuple(sorted(booked))
        )


def since_ms(account: Account, opened_ns: int) -> int:
    """Return from when on the venue may be asked for what this log lacks: nothing older can be news."""
    return account.history.since_ms if account.history is not None else opened_ns // 1_000_000


def is_before(account: Account, dated_ms: int | None) -> bool:
    """Whether what the venue dates so (UTC ms) is older than a clock may have been set back since the opening, whose
    figures hold it then.
    """
    history, opened_ms = account.history, account.opened_ms
    return dated_ms is not None and dated_ms < (opened_ms - MARGIN_MS if history is None else history.since_ms)


def news_of(account: Account, answer: Answer) -> Answer:
    """Return `answer` without what the opening balances hold; where nothing was remembered, payments go by their date
    alone, while trades from before are told by figures.
    """
    if account.history is None:
        dated = (each for each in answer.reports if not isinstance(each, LedgerReport) or _after(account, each))
        return replace(answer, reports=tuple(dated))
    trades, payments = frozenset[ExecId](account.history.trades), frozenset(account.history.payments)
    news = tuple(
        each
        for each in answer.reports
        if not (isinstance(each, TradeReport) and each.exec_id in trades) and _payment(each) not in payments
    )
    return replace(answer, reports=news)


def _after(account: Account, report: LedgerReport) -> bool:
    return report.at_ms is None or report.at_ms > account.opened_ms


def _payment(report: Report) -> str | None:
    """Return what a payment is known by, as the venue's id alone is not unique; None for what trades tell of."""
    if not isinstance(report, LedgerReport) or payment_of(report) is None:
        return None
    return f"{report.flow} {report.symbol or ''} {report.ledger_id} {report.at_ms}"
