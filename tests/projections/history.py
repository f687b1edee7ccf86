"""Histories to project: made by the domain's own decisions, so that everything in them may happen."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import psycopg

from oms.account.events import WriterStarted
from oms.book import Book, account_stream, order_stream
from oms.decide import BalancesReport, Command, Decider, Report, Said
from oms.errors import CommandRefusedError
from oms.ledger import WALLETS, unbalanced
from oms.order.messages import CancelOrder, PlaceOrder
from oms.ports import Batch, Committed, EventLog, Meta, NewEvent, StoredEvent
from oms.reports import BalanceReport
from oms.risk import Limits
from oms.store.codec import encode, encode_meta, topic_of
from oms.values import AccountId, ClientOrderId, Currency, OrderType, Provenance, Side, StrategyId, Symbol, purse_parts
from projections.fold import Twin
from tests.order.story import BTC_USDT, SPOT

MAIN = AccountId("main")
T0 = 1_767_225_600_000_000_000  # 2026-01-01


class Recorder:
    """Says things to one account and keeps the events they cause, as the engine would write them."""

    def __init__(self, account: AccountId = MAIN, *, usdt: str = "1000000", btc: str = "1000") -> None:
        self.account = account
        self.book = Book(account, closed_kept=2**62)
        self.events: list[NewEvent] = []
        self.refused = 0
        self._decider = Decider(
            account, instruments={Symbol("BTC/USDT"): BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits()
        )
        self._versions: dict[str, int] = {}
        self._written = 0
        self.say(((account_stream(account), WriterStarted(account=account, venue="a venue")),))
        self.balances(USDT=usdt, BTC=btc)

    def place(
        self, name: str, side: str = "buy", quantity: str | None = "2", price: str | None = "100", **more: object
    ) -> None:
        fields: dict[str, object] = {
            "account": self.account,
            "client_order_id": ClientOrderId(name),
            "strategy": StrategyId("maker"),
            "symbol": Symbol("BTC/USDT"),
            "side": Side(side),
            "type": OrderType.LIMIT,
            "quantity": None if quantity is None else Decimal(quantity),
            "price": None if price is None else Decimal(price),
        }
        self.say(PlaceOrder(**(fields | more)))  # type: ignore[arg-type]

    def cancel(self, name: str, request_id: str = "r1") -> None:
        self.say(CancelOrder(account=self.account, client_order_id=ClientOrderId(name), request_id=request_id))

    def balances(self, **totals: str) -> None:
        reports = tuple(BalanceReport(currency=Currency(name), total=Decimal(total)) for name, total in totals.items())
        self.say(((account_stream(self.account), BalancesReport(balances=reports, reason="external")),))

    def hear(self, name: str, *reports: Report, source: Provenance = Provenance.STREAM) -> None:
        stream = order_stream(self.account, ClientOrderId(name))
        self.say(tuple((stream, report) for report in reports), source)

    def say(self, message: Command | tuple[tuple[str, Report], ...], source: Provenance = Provenance.STREAM) -> None:
        """Decide `message`; a refusal leaves nothing behind."""
        said = Said(message=message, actor="test", cause="test", source=source)
        try:
            facts = self._decider.decide(said, self.book).facts
        except CommandRefusedError:
            self.refused += 1
            return
        assert said.cause is not None
        for stream, event, _ in facts:
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            number = len(self.events) + 1
            meta = Meta(
                id=f"e{number}",
                recorded_ns=T0 + number,
                cause=said.cause,
                actor=said.actor,
                epoch=1,
                source=said.source,
                occurred_ns=T0,
            )
            self.events.append(NewEvent(stream, version, topic_of(event), encode(encode_meta(meta), event)))

    def fresh(self) -> Sequence[NewEvent]:
        """Return the events since the last call."""
        fresh, self._written = self.events[self._written :], len(self.events)
        return fresh


async def write(log: EventLog, events: Iterable[NewEvent]) -> None:
    """Append `events` in one commit, fenced for nobody."""
    outcome = await log.append(Batch(AccountId(""), 0, tuple(events)))
    assert isinstance(outcome, Committed), outcome


def stored(story: Recorder) -> Sequence[StoredEvent]:
    """Return everything `story` caused as a log would give it back."""
    return [
        StoredEvent(position, event.stream, event.version, event.topic, event.state)
        for position, event in enumerate(story.events, 1)
    ]


def agree(twin: Twin, book: Book) -> None:
    """Assert that the rows say what `book`, which never saw them, adds up to."""
    rows = twin.rows()
    balances = {row.currency: (row.total, row.held) for row in rows["balances"].values()}
    for currency in {*book.totals, *book.held, *balances}:
        funds = book.funds(currency)
        assert balances.get(currency, (0, 0)) == (funds.total, funds.held)
    assert {name for (_, name), row in rows["orders"].items() if row.open} == {
        stream.rpartition("/")[2] for stream in book.open
    }
    books = {(row.name, row.asset): row.amount for row in rows["ledger_balances"].values()}
    assert not unbalanced(books)
    for name, total in book.totals.items():
        wallet, currency = purse_parts(name)
        assert books.get((WALLETS[wallet], currency), 0) == total
    legs = [(row.quantity, row.open_cost, row.realized, row.commissions) for row in rows["positions"].values()]
    assert legs == [(leg.quantity, leg.open_cost, leg.realized, leg.commissions) for leg in book.positions.values()]


def emptied(url: str) -> str:
    """Return `url` once the read models there are as new."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "TRUNCATE orders, fills, positions, balances, breaks, ledger, ledger_balances, projection_checkpoints"
        )
    return url
