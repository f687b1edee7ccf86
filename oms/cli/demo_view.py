"""What the demo shows while it runs: the read models and the gateway's own figures, twice a second."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from oms.cli.output import cell, short
from oms.gateway.reads import Reads
from oms.values import AccountId

OPEN_SHOWN: Final = 6
FILLS_SHOWN: Final = 8
OPEN_MAX: Final = 500
COINS: Final = ("USDT", "BTC", "ETH")


class Pulse(Struct, frozen=True, kw_only=True):
    """One look: how far the log is, how fast it grows, how long a command takes to be durable, how far rows lag."""

    elapsed: float
    total: float
    position: int
    events_per_second: float
    command_ms: float | None
    lag: int
    open_orders: Sequence[Any]
    fills: Sequence[Any]
    balances: Sequence[Any]


async def look(
    reads: Reads,
    account: AccountId,
    *,
    position: int,
    rate: float,
    command_ms: float | None,
    elapsed: float,
    total: float,
) -> Pulse:
    """Ask the read models. `position` is the head of the log."""
    accounts = (account,)
    orders = await reads.orders(accounts=accounts, open_only=True, limit=OPEN_MAX)
    fills = await reads.fills(accounts=accounts, limit=FILLS_SHOWN)
    balances = await reads.balances(accounts=accounts)
    return Pulse(
        elapsed=elapsed,
        total=total,
        position=position,
        events_per_second=rate,
        command_ms=command_ms,
        lag=max(position - balances.position, 0),
        open_orders=orders.rows,
        fills=fills.rows,
        balances=balances.rows,
    )


class View:
    """A live screen on a terminal, a line every few seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._lines = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, pulse: Pulse) -> None:
        """Show one look."""
        if self._live is not None:
            self._live.update(_screen(pulse))
        elif pulse.elapsed >= self._lines * 5:
            self._lines += 1
            self._console.print(_line(pulse), markup=False, highlight=False)


def _line(pulse: Pulse) -> str:
    return (
        f"{pulse.elapsed:5.1f} s  {pulse.position} events, {pulse.events_per_second:.0f}/s  "
        f"{len(pulse.open_orders)} open  command {_ms(pulse.command_ms)}  lag {pulse.lag}"
    )


def _screen(pulse: Pulse) -> RenderableType:
    head = Text()
    head.append("two strategies → OMS → simulated BitMart   ", "bold")
    head.append(f"{pulse.elapsed:4.1f} / {pulse.total:.0f} s", "dim")
    figures = Table.grid(padding=(0, 4))
    figures.add_row(
        f"[b]{pulse.position}[/b] events in the log",
        f"[b]{pulse.events_per_second:.0f}[/b] events/s",
        f"durable command [b]{_ms(pulse.command_ms)}[/b]",
        f"projections [b]{pulse.lag}[/b] events behind",
    )
    orders = _table(
        ("order", "strategy", "side", "quantity", "price", "status"),
        [
            (row.client_order_id, row.strategy, f"{row.side} {row.symbol}", row.quantity, row.price, row.status)
            for row in pulse.open_orders[:OPEN_SHOWN]
        ],
        OPEN_SHOWN,
    )
    fills = _table(
        ("trade", "strategy", "side", "quantity", "price", "fee", "as"),
        [
            (
                row.exec_id,
                row.strategy,
                f"{row.side} {row.symbol}",
                row.quantity,
                row.price,
                None if row.commission is None else f"{short(row.commission)} {row.commission_currency}",
                row.liquidity,
            )
            for row in pulse.fills
        ],
        FILLS_SHOWN,
    )
    owned: Mapping[str, Any] = {row.currency: row for row in pulse.balances}
    funds = _table(
        ("coin", "total", "held", "available"),
        [(coin, owned[coin].total, owned[coin].held, owned[coin].available) for coin in COINS if coin in owned],
        len(COINS),
    )
    return Panel(
        Group(
            head,
            figures,
            Panel(orders, title=f"open orders: {len(pulse.open_orders)}", title_align="left"),
            Panel(fills, title="last fills", title_align="left"),
            Panel(funds, title="balances", title_align="left"),
        ),
        title="oms demo",
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], height: int) -> Table:
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    for _ in range(height - len(rows)):
        table.add_row("")
    return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
