"""What strategies ask: read models, single orders, the log. Every answer says which position it reflects."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from oms.asof import position_of
from oms.book import order_stream
from oms.errors import CursorError
from oms.gateway.auth import Accounts, Caller, unknown_order
from oms.gateway.bodies import BreaksQuery, EventsQuery, FillsQuery, LegsQuery, MarketsQuery, OrdersQuery, ReadQuery
from oms.gateway.prices import Now, now_of, priced
from oms.gateway.problems import InvalidQueryError, PositionNotReachedError
from oms.gateway.reads import Past, Reads
from oms.gateway.sight import Sight, frame
from oms.gateway.timeline import MessageLog, timeline
from oms.gateway.tokens import Scope
from oms.gateway.views import (
    Balances,
    BalanceView,
    Breaks,
    BreakView,
    Events,
    Fills,
    FillView,
    Frame,
    Instruments,
    InstrumentView,
    OrderAnswer,
    Orders,
    OrderView,
    Positions,
    PositionView,
    Timeline,
    order_answer,
    shown,
)
from oms.order.state import Order, fold
from oms.ports import StoredEvent
from oms.store.codec import decode, decode_meta
from oms.values import EXACT, ZERO, AccountId, ClientOrderId

PAGES_MAX: Final = 10  # of the log, looked through for one answer that shows few of its events
PAGE: Final = 1_000
_K = TypeVar("_K", bound=tuple[str, ...])
_V = TypeVar("_V")
_frames: Final = msgspec.json.Decoder(Frame)


class Questions:
    """Everything a strategy can ask to know."""

    def __init__(
        self,
        accounts: Accounts,
        *,
        reads: Reads,
        past: Past,
        log: MessageLog,
        sight: Sight,
        wait_seconds: float,
    ) -> None:
        self._accounts = accounts
        self._reads = reads
        self._past = past
        self._log = log
        self._sight = sight
        self._wait_seconds = wait_seconds

    # ------------------------------------------------------------------------------------------------ read models

    async def orders(self, caller: Caller, query: OrdersQuery) -> Orders:
        """Return orders, the latest first."""
        accounts, strategy = self._scope(caller, query.account), caller.named_strategy(query.strategy)
        reads = await self._asked(query)
        listing = await reads.orders(
            accounts=accounts,
            strategy=strategy,
            symbols=caller.named_symbols(query.symbol),
            open_only=query.open,
            limit=query.limit,
            cursor=query.cursor,
        )
        items = [shown(OrderView, row) for row in listing.rows]
        return Orders(position=listing.position, items=items, next_cursor=listing.next_cursor)

    async def fills(self, caller: Caller, query: FillsQuery) -> Fills:
        """Return fills, the latest first."""
        accounts, strategy = self._scope(caller, query.account), caller.named_strategy(query.strategy)
        reads = await self._asked(query)
        listing = await reads.fills(
            accounts=accounts,
            strategy=strategy,
            symbols=caller.named_symbols(query.symbol),
            client_order_id=None if query.client_order_id is None else ClientOrderId(query.client_order_id),
            limit=query.limit,
            cursor=query.cursor,
        )
        items = [shown(FillView, row) for row in listing.rows]
        return Fills(position=listing.position, items=items, next_cursor=listing.next_cursor)

    async def positions(self, caller: Caller, query: LegsQuery) -> Positions:
        """Return the position legs of the accounts: they are the account's, whichever strategies moved them."""
        accounts = self._scope(caller, query.account)
        reads = await self._asked(query)
        listing = await reads.positions(accounts=accounts)
        # Prices are of now, so that no answer about the past has one.
        now = {} if query.as_of is not None else now_of(self._accounts.visible(caller))
        items = [_leg(caller, row, now) for row in listing.rows]
        seen = {(item.account, item.symbol, item.leg): item for item in items if caller.trades(item.symbol)}
        page, following = _page(seen, query.limit, query.cursor)
        return Positions(position=listing.position, items=page, next_cursor=following)

    async def balances(self, caller: Caller, query: LegsQuery) -> Balances:
        """Return the balances of the accounts."""
        accounts = self._scope(caller, query.account)
        reads = await self._asked(query)
        listing = await reads.balances(accounts=accounts)
        items = [shown(BalanceView, row) for row in listing.rows]
        found = {(item.account, item.wallet, item.currency): item for item in items}
        page, following = _page(found, query.limit, query.cursor)
        return Balances(position=listing.position, items=page, next_cursor=following)

    async def breaks(self, caller: Caller, query: BreaksQuery) -> Breaks:
        """Return the disagreements with the venue, the latest opened first; a page has fewer where some are of markets
        that are not the token's.
        """
        accounts = self._scope(caller, query.account)
        reads = await self._asked(query)
        listing = await reads.breaks(accounts=accounts, open_only=query.open, limit=query.limit, cursor=query.cursor)
        rows = [shown(BreakView, row) for row in listing.rows]
        items = [item for item in rows if item.symbol is None or caller.trades(item.symbol)]
        return Breaks(position=listing.position, items=items, next_cursor=listing.next_cursor)

    async def instruments(self, caller: Caller, query: MarketsQuery) -> Instruments:
        """Return the markets of the accounts."""
        position = await self._log_reach(query.min_position)
        items = {
            (engine.account, symbol): shown(InstrumentView, instrument, account=engine.account)
            for engine in self._accounts.visible(caller, query.account)
            for symbol, instrument in engine.decider.instruments.items()
            if caller.trades(symbol)
        }
        page, following = _page(items, query.limit, query.cursor)
        return Instruments(position=position, items=page, next_cursor=following)

    # ------------------------------------------------------------------------------------------------ the log itself

    async def order(self, caller: Caller, client_order_id: str, query: ReadQuery) -> OrderAnswer:
        """Return one order, folded from the log: as fresh as can be."""
        account = self._accounts.one(caller, query.account).account
        position, upto = await self._log_asked(query)
        history = await self._history(caller, account, client_order_id, upto)
        return order_answer(
            _folded(history),
            max(position, history[-1].position),
            created_ns=decode_meta(history[0].state).recorded_ns,
            updated_ns=decode_meta(history[-1].state).recorded_ns,
        )

    async def timeline(self, caller: Caller, client_order_id: str, query: ReadQuery) -> Timeline:
        """Return the whole story of one order."""
        account = self._accounts.one(caller, query.account).account
        position, upto = await self._log_asked(query)
        history = await self._history(caller, account, client_order_id, upto)
        all_bytes = caller.may(Scope.AUDIT_READ)
        return await timeline(self._log, _folded(history), history, position, all_bytes=all_bytes)

    async def events(self, caller: Caller, query: EventsQuery) -> Events:
        """Return what the caller may see of the log, in order. Raises InvalidQueryError from beyond its end."""
        _, upto = await self._log_asked(query)
        since = query.since if query.cursor is None else _position(query.cursor)
        accounts = set(self._scope(caller, query.account))
        items: list[StoredEvent] = []
        for _ in range(PAGES_MAX):
            page = await self._log.page(after=since, limit=PAGE if upto is None else min(PAGE, max(upto - since, 0)))
            if not page and since > (head := await self._log.head()):
                raise InvalidQueryError(f"since is a position in the log: 0 to {head} now")
            seen = await self._sight.seen(caller, page)
            items.extend(event for event in seen if event.stream.split("/", 2)[1] in accounts)
            since = page[-1].position if page else since
            if len(items) >= query.limit or len(page) < PAGE:
                break
        if len(items) > query.limit:
            items = items[: query.limit]
            since = items[-1].position
        frames = [_frames.decode(frame(event)) for event in items]
        return Events(position=since, items=frames, next_cursor=str(since))

    # ------------------------------------------------------------------------------------------------ inside

    def _scope(self, caller: Caller, account: str | None) -> Sequence[AccountId]:
        return [engine.account for engine in self._accounts.visible(caller, account)]

    async def _history(
        self, caller: Caller, account: AccountId, client_order_id: str, upto: int | None
    ) -> Sequence[StoredEvent]:
        if not client_order_id.isprintable():  # the log takes a NUL in no name
            raise unknown_order(client_order_id)
        history = await self._log.read(order_stream(account, ClientOrderId(client_order_id)))
        if upto is not None:
            history = [event for event in history if event.position <= upto]
        if not history or not caller.owns(_folded(history)):
            raise unknown_order(client_order_id)
        return history

    async def _asked(self, query: ReadQuery) -> Reads:
        """Return the read models as they are, once they are at `min_position`, or as they were.

        Raises:
            PositionNotReachedError: they do not come that far in time.
            AsOfError: that is no moment of this log.
        """
        if query.as_of is not None:
            return self._past.at(await position_of(self._log, query.as_of))
        wanted = query.min_position
        if wanted and not await self._reads.wait_for(wanted, self._wait_seconds):
            raise PositionNotReachedError(f"the read models have not reached position {wanted} yet")
        return self._reads

    async def _log_asked(self, query: ReadQuery) -> tuple[int, int | None]:
        """Return the position that the answer reflects, and where the log is to be cut off (None: nowhere)."""
        if query.as_of is not None:
            upto = await position_of(self._log, query.as_of)
            return upto, upto
        return await self._log_reach(query.min_position), None

    async def _log_reach(self, wanted: int) -> int:
        """Wait until the log is at `wanted`; return a position that it has reached. Raises PositionNotReachedError."""
        if wanted <= self._accounts.position:
            return self._accounts.position
        await self._log.changed(after=wanted - 1, seconds=self._wait_seconds)
        reached = await self._log.head()
        if reached < wanted:
            raise PositionNotReachedError(f"the log is at {reached}, not yet at {wanted}")
        return reached


def _folded(history: Sequence[StoredEvent]) -> Order:
    order = fold(decode(stored.topic, stored.state) for stored in history)  # type: ignore[misc]  # an order's stream
    assert order is not None
    return order


def _page(items: Mapping[_K, _V], limit: int, cursor: str | None) -> tuple[Sequence[_V], str | None]:
    """Return the items behind `cursor` in the order of their keys, and what asks for more: stable under inserts."""
    try:
        after = () if cursor is None else msgspec.json.decode(urlsafe_b64decode(cursor), type=tuple[str, ...])
    except (msgspec.MsgspecError, ValueError) as error:
        raise CursorError("the cursor cannot be read") from error
    keys = sorted(key for key in items if key > after)
    following = urlsafe_b64encode(msgspec.json.encode(keys[limit - 1])).decode() if len(keys) > limit else None
    return [items[key] for key in keys[:limit]], following


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):  # noqa: PLR2004  # below 2**63
        raise InvalidQueryError("the cursor is none that this list gave out")
    return int(cursor)


def _leg(caller: Caller, row: object, now: Mapping[AccountId, Now]) -> PositionView:
    """Return a leg as `caller` may see it: another strategy's share is nobody's business."""
    leg = shown(PositionView, row)
    shares = leg.shares
    if not caller.admin:
        own = shares.get(caller.strategy, ZERO)
        seen = {str(caller.strategy): own, "others": EXACT.subtract(leg.quantity, own)}
        shares = {owner: share for owner, share in seen.items() if share}
    return shown(PositionView, row, shares=shares, **priced(leg, now))
