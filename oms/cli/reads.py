"""`oms orders`, `fills`, `positions`, `balances`: what the projections say, read from the database itself.

They answer whether or not the OMS runs, in the same words as the gateway.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer
from msgspec import Struct

from oms.asof import position_of
from oms.cli.asking import ask_each, runs
from oms.cli.bar import bar
from oms.cli.config import ConfigFile, configured
from oms.cli.database import accounts_of, recorded, require_account
from oms.cli.output import AsJson, Output
from oms.cli.parts import Parts
from oms.config import Config
from oms.errors import OmsError
from oms.gateway.reads import Listing, Reads
from oms.gateway.views import BalanceView, FillView, OrderView, PositionView, View, encode, shown
from oms.store.audit import head
from oms.store.log import PostgresLog
from oms.values import AccountId, ClientOrderId, StrategyId, Symbol

LIMIT: Final = 100
LIMIT_MAX: Final = 500
CATCH_UP_SECONDS: Final = 2.0  # how long a read waits for projections that are a few events behind

AccountName = Annotated[str | None, typer.Option("--account", help="One account; all of them without.")]
Limit = Annotated[int, typer.Option(min=1, max=LIMIT_MAX, help="Rows at most.")]
SymbolName = Annotated[str | None, typer.Option("--symbol", help="One market, such as BTC/USDT.")]
StrategyName = Annotated[str | None, typer.Option("--strategy")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="How it was: a position of the log, or a time.")]
CursorText = Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier answer ended.")]

_V = TypeVar("_V", bound=View)


class Answer(Struct, frozen=True, omit_defaults=True):
    """What a list prints with --json: rows as of a log position; `behind` counts events they do not reflect yet."""

    position: int
    items: Sequence[View]
    next_cursor: str | None = None
    behind: int = 0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (orders, fills, positions, balances):
        app.command()(command)


def orders(
    context: typer.Context,
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that may still trade.")] = False,
    account: AccountName = None,
    symbol: SymbolName = None,
    strategy: StrategyName = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List orders, the latest first."""
    listed(
        context,
        OrderView,
        lambda reads, accounts: reads.orders(
            accounts=accounts,
            strategy=None if strategy is None else StrategyId(strategy),
            symbols=only(symbol),
            open_only=open_only,
            limit=limit,
            cursor=cursor,
        ),
        ("client_order_id", "account", "strategy", "symbol", "side", "type", "quantity", "price", "status",
         "cum_quantity"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="no orders",
    )  # fmt: skip


def fills(
    context: typer.Context,
    *,
    order: Annotated[str | None, typer.Option(help="Of one order, by its client order id.")] = None,
    account: AccountName = None,
    symbol: SymbolName = None,
    strategy: StrategyName = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List fills, the latest first."""
    listed(
        context,
        FillView,
        lambda reads, accounts: reads.fills(
            accounts=accounts,
            strategy=None if strategy is None else StrategyId(strategy),
            symbols=only(symbol),
            client_order_id=None if order is None else ClientOrderId(order),
            limit=limit,
            cursor=cursor,
        ),
        ("recorded_at", "exec_id", "client_order_id", "symbol", "side", "quantity", "price", "commission",
         "commission_currency", "liquidity"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="no fills",
    )  # fmt: skip


def positions(
    context: typer.Context,
    *,
    account: AccountName = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List position legs; while the OMS runs, with what they are worth at the mark and where they are liquidated."""
    listed(
        context,
        PositionView,
        lambda reads, accounts: reads.positions(accounts=accounts),
        ("account", "symbol", "leg", "quantity", "average_price", "open_cost", "realized", "mark_price", "unrealized",
         "liquidation_price", "venue_liquidation_price", "value", "dust"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="no positions",
        completed=None if as_of is not None else _priced,
    )  # fmt: skip


def _priced(config: Config, legs: Sequence[PositionView]) -> Sequence[PositionView]:
    """Return the legs with what a running OMS knows of their prices; as they are where none answers."""
    if not legs or not runs(config):
        return legs
    try:
        told = {
            (each.account, each.symbol, each.leg): each
            for answer in ask_each(config, lambda client: client.positions())
            for each in answer
        }
    except OmsError:
        return legs
    return [_with_prices(leg, told.get((leg.account, leg.symbol, leg.leg))) for leg in legs]


def _with_prices(leg: PositionView, told: PositionView | None) -> PositionView:
    if told is None or told.quantity != leg.quantity:
        return leg
    return msgspec.structs.replace(
        leg,
        mark_price=told.mark_price,
        unrealized=told.unrealized,
        liquidation_price=told.liquidation_price,
        venue_liquidation_price=told.venue_liquidation_price,
        value=told.value,
        dust=told.dust,
    )


def balances(
    context: typer.Context,
    *,
    account: AccountName = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List what each account owns, holds and may spend."""
    listed(
        context,
        BalanceView,
        lambda reads, accounts: reads.balances(accounts=accounts),
        ("account", "wallet", "currency", "total", "held", "available"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="no balances",
    )  # fmt: skip


def listed(
    context: typer.Context,
    view: type[_V],
    ask: Callable[[Reads, Sequence[AccountId]], Awaitable[Listing]],
    columns: Sequence[str],
    *,
    config: Any,  # noqa: ANN401 - a path or None, as ConfigFile says
    account: str | None,
    as_of: str | None,
    as_json: bool,
    empty: str,
    completed: Callable[[Config, Sequence[_V]], Sequence[_V]] | None = None,
) -> None:
    """Ask the read models once they have caught up, or the past, and print the rows, `completed` with what no table
    holds.
    """
    parts: Parts = context.obj
    output = Output(as_json=as_json)
    settings = configured(config)
    listing, behind = answered(parts, settings, output, ask, account=account, as_of=as_of)
    rows: Sequence[_V] = [shown(view, row) for row in listing.rows]
    if completed is not None:
        rows = completed(settings, rows)
    if as_json:
        output.write(encode(Answer(listing.position, rows, listing.next_cursor, behind)))
        return
    output.rows(columns, [[getattr(row, column) for column in columns] for row in rows], empty=empty)
    note_behind(output, behind)
    if listing.next_cursor:
        output.note(f"there are more: --cursor {listing.next_cursor}")


def only(symbol: str | None) -> Sequence[Symbol] | None:
    """Return the markets to ask for: the one that was named, or all of them."""
    return None if symbol is None else (Symbol(symbol),)


def note_behind(output: Output, events: int) -> None:
    """Say beside the answer what it does not reflect yet."""
    if events:
        output.note(f"the projections are {events} events behind the log")


def answered(
    parts: Parts,
    settings: Config,
    output: Output,
    ask: Callable[[Reads, Sequence[AccountId]], Awaitable[Listing]],
    *,
    account: str | None,
    as_of: str | None,
) -> tuple[Listing, int]:
    """Return what the read models, or the past, answer, and how many events that is behind the log."""
    with recorded(settings) as url:
        accounts = accounts_of(url) if account is None else [require_account(url, account)]
        if as_of is None:
            return asyncio.run(_ask(parts, url, lambda reads: ask(reads, accounts)))
        return asyncio.run(_ask_past(parts, url, as_of, output, lambda reads: ask(reads, accounts))), 0


async def _ask(parts: Parts, url: str, ask: Callable[[Reads], Awaitable[Listing]]) -> tuple[Listing, int]:
    """Ask once the projections have reached the head of the log, or after a while as they are."""
    top = (await asyncio.to_thread(head, url)).position
    async with parts.reads(url) as reads:
        await reads.wait_for(top, CATCH_UP_SECONDS)
        listing = await ask(reads)
    return listing, max(top - listing.position, 0)


async def _ask_past(
    parts: Parts, url: str, as_of: str, output: Output, ask: Callable[[Reads], Awaitable[Listing]]
) -> Listing:
    """Fold the log from nothing to that moment, and ask what came of it. Raises AsOfError."""
    log = PostgresLog(url)
    try:
        position = await position_of(log, as_of)
        with bar(output, position, "fold") as folded:
            return await ask(parts.past(log, progress=folded.advance).at(position))
    finally:
        await log.close()
