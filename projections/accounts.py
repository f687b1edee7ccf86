"""What every account's log adds up to at one position: the books, and what rows need beyond them.

The same `Book` that the engine decides against is folded here, so that a row cannot say anything else than the engine
saw. Closed orders leave memory; when the log speaks of one again, its stream is read and folded anew, so that memory
grows with what is open and nothing but the log is needed to go on after a restart.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from oms.book import CLOSED_KEPT, Book
from oms.errors import CorruptStreamError
from oms.ledger import Transaction, transaction
from oms.order.events import (
    CommissionReported,
    InferredFillReplaced,
    LiquidityReported,
    OrderClaimed,
    OrderFilled,
    TradeBusted,
)
from oms.order.state import Order
from oms.ports import Meta, StoredEvent
from oms.store.codec import Event, decode, decode_meta
from oms.values import AccountId, ExecId
from projections.rows import FillRow, instant, readable

FORGOTTEN_MAX: Final = 1_000  # stories of orders that left their book, before they are looked for and dropped


class Recorded(Struct, frozen=True, gc=False):
    """One event of the log, decoded, in its place."""

    position: int
    stream: str
    version: int
    event: Event
    meta: Meta


class Story(Struct, gc=False):
    """One order as its stream tells it: its state, when that began and last moved, and its trades as rows."""

    order: Order
    opened: int  # position of its first event
    created_ns: int
    position: int = 0  # of its latest event
    updated_ns: int = 0
    fills: dict[ExecId, FillRow] = field(default_factory=dict)

    def tell(self, told: Recorded, order: Order) -> None:
        """Go on with one event, which led to `order`."""
        self.order = order
        self.position = told.position
        self.updated_ns = told.meta.recorded_ns
        match told.event:
            case OrderFilled() as trade:
                self.fills[trade.exec_id] = _fill(order, trade, told)
            case CommissionReported() as late if late.exec_id in self.fills:
                self.fills[late.exec_id] = replace(
                    self.fills[late.exec_id],
                    commission=late.commission,
                    commission_currency=late.commission_currency,
                )
            case LiquidityReported(exec_id=name, liquidity=liquidity) if name in self.fills:
                self.fills[name] = replace(self.fills[name], liquidity=liquidity)
            case OrderClaimed() as claimed:
                self.fills = {name: replace(fill, strategy=claimed.strategy) for name, fill in self.fills.items()}
            case TradeBusted() | InferredFillReplaced() as bust if bust.exec_id in self.fills:
                self.fills[bust.exec_id] = replace(self.fills[bust.exec_id], busted=True)
            case _:
                pass


class Fact(Struct, frozen=True, gc=False):
    """One event and the world right after it. `story` is None for a stream that is not an order's; `moved` is what the
    event moved in the ledger.
    """

    recorded: Recorded
    account: AccountId
    book: Book
    story: Story | None
    moved: Transaction | None = None


class Accounts:
    """The books of all accounts, and the stories of the orders in them."""

    def __init__(self, *, closed_kept: int = CLOSED_KEPT) -> None:
        self.books: dict[AccountId, Book] = {}
        self._stories: dict[str, Story] = {}
        self._closed_kept = closed_kept

    def book(self, account: AccountId) -> Book:
        """Return the account's book, an empty one at first."""
        book = self.books.get(account)
        if book is None:
            book = self.books[account] = Book(account, closed_kept=self._closed_kept)
        return book

    @property
    def held(self) -> Sequence[dict[str, Any]]:
        """What memory grows with, by stream: the stories, and the orders of every book."""
        return (self._stories, *(book.orders for book in self.books.values()))

    def lacks(self, told: Recorded) -> bool:
        """Whether `told` goes on with an order that memory does not hold: `restore` it first."""
        return (
            told.version > 1 and told.stream[0] == "o" and told.stream not in self.book(account_of(told.stream)).orders
        )

    def restore(self, history: Sequence[Recorded]) -> None:
        """Take one order back into memory: `history` is its stream, from its first event to where the books stand.

        It is folded as ever, and the sums stay as they are: they hold it already.
        """
        stream = history[0].stream
        book = self.book(account_of(stream))
        self._stories.pop(stream, None)
        for told in history:
            self.apply(told)
        book.recall(stream, book.orders[stream])

    def apply(self, told: Recorded) -> Fact:
        """Fold one event.

        Raises:
            CorruptStreamError: it is not the next one of its stream, or not legal history.
        """
        account = account_of(told.stream)
        book = self.book(account)
        if told.stream[0] == "a":  # nothing of an account's own state is in a row but what its currencies add up to
            book.apply(told.stream, told.event)
            return Fact(told, account, book, None, transaction(told.stream, told.event))
        before = (book.orders if told.stream[0] == "o" else book.positions).get(told.stream)
        version = 0 if before is None else before.version
        if version != told.version - 1:
            raise CorruptStreamError(
                f"position {told.position} brings version {told.version} of {told.stream}, which is at {version}"
            )
        state = book.apply(told.stream, told.event)
        if not isinstance(state, Order):
            return Fact(told, account, book, None, transaction(told.stream, told.event))
        story = self._stories.get(told.stream)
        if story is None:
            story = self._stories[told.stream] = Story(state, told.position, told.meta.recorded_ns)
        story.tell(told, state)
        return Fact(told, account, book, story)

    def trim(self) -> None:
        """Let the longest closed orders go, and their stories with them: their rows are written."""
        for book in self.books.values():
            book.trim()
        if len(self._stories) > sum(len(book.orders) for book in self.books.values()) + FORGOTTEN_MAX:
            held = {stream for book in self.books.values() for stream in book.orders}
            self._stories = {stream: story for stream, story in self._stories.items() if stream in held}


def recorded(stored: StoredEvent) -> Recorded:
    """Return `stored` decoded. Raises CorruptStreamError if the body is not what its topic promises."""
    state = readable(stored.state)
    event, meta = decode(stored.topic, state), decode_meta(state)
    return Recorded(stored.position, stored.stream, stored.version, event, meta)


def account_of(stream: str) -> AccountId:
    """Return the account that a stream belongs to: the second word of its name."""
    return AccountId(stream.split("/", 2)[1])


def _fill(order: Order, trade: OrderFilled, told: Recorded) -> FillRow:
    request = order.request
    return FillRow(
        account=request.account,
        client_order_id=request.client_order_id,
        exec_id=trade.exec_id,
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        quantity=trade.quantity,
        price=trade.price,
        commission=trade.commission,
        commission_currency=trade.commission_currency,
        liquidity=trade.liquidity,
        source=told.meta.source,
        busted=False,
        occurred_ns=instant(told.meta.occurred_ns),
        recorded_ns=told.meta.recorded_ns,
        position=told.position,
    )
