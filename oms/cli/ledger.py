"""`oms ledger`: the account's books, double entry; `oms ledger balance` adds them up and checks that they are even."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from msgspec import Struct

from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded, require_account
from oms.cli.output import REFUSED, AsJson, Output, short
from oms.cli.parts import Parts
from oms.cli.reads import LIMIT, AccountName, AsOf, CursorText, Limit, SymbolName, answered, listed, note_behind, only
from oms.drawdown import Curve
from oms.gateway.views import View, encode, shown
from oms.ledger import Name, unbalanced
from oms.store.codec import decode
from oms.store.log import PostgresLog
from oms.values import Currency, plain

group = typer.Typer(help="The account's books, double entry.", invoke_without_command=True)


class LedgerView(View, frozen=True, kw_only=True):
    """One transaction: what the event at `position` moved. Entries sum to zero in every asset.

    `reference` is a trade's or a payment's id at the venue, or a person's reason.
    """

    position: int
    account: str
    kind: str
    entries: Mapping[str, Mapping[str, Decimal]]
    symbol: str | None
    reference: str | None
    client_order_id: str | None
    occurred_at: datetime | None
    recorded_at: datetime

    @property
    def moved(self) -> str:
        """The entries as people read them."""
        return ", ".join(
            f"{name} {short(amount)} {asset}"
            for name, assets in self.entries.items()
            for asset, amount in assets.items()
        )


class LedgerBalanceView(View, frozen=True, kw_only=True):
    """What all entries of one asset in one account of the ledger add up to."""

    account: str
    name: str
    asset: str
    amount: Decimal


class Books(Struct, frozen=True):
    """What `balance` prints: `unbalanced` names, by account, assets that do not sum to zero, and by what."""

    position: int
    items: Sequence[LedgerBalanceView]
    unbalanced: dict[str, dict[str, str]]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="ledger")


@group.callback()
def ledger(
    context: typer.Context,
    *,
    account: AccountName = None,
    symbol: SymbolName = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the transactions, the latest first."""
    if context.invoked_subcommand is not None:
        return
    listed(
        context,
        LedgerView,
        lambda reads, accounts: reads.ledger(
            accounts=accounts, symbols=only(symbol), limit=limit, cursor=cursor
        ),
        ("position", "recorded_at", "account", "kind", "reference", "moved"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="nothing was moved",
    )  # fmt: skip


@group.command()
def balance(
    context: typer.Context,
    *,
    account: AccountName = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Add up every account of the ledger; exit 1 unless each asset sums to zero."""
    parts: Parts = context.obj
    output = Output(as_json=as_json)
    listing, behind = answered(
        parts,
        configured(config),
        output,
        lambda reads, accounts: reads.ledger_balances(accounts=accounts),
        account=account,
        as_of=as_of,
    )
    rows = [shown(LedgerBalanceView, row) for row in listing.rows]
    uneven = {
        name: {asset: plain(amount) for asset, amount in found.items()}
        for name in sorted({row.account for row in rows})
        if (found := unbalanced({(Name(row.name), row.asset): row.amount for row in rows if row.account == name}))
    }
    if as_json:
        output.write(encode(Books(listing.position, rows, uneven)))
    else:
        cells = [(row.account, row.asset, row.name, row.amount) for row in sorted(rows, key=_by_asset)]
        output.rows(("account", "asset", "of", "amount"), cells, empty="nothing was moved")
        for name, assets in uneven.items():
            output.say(f"{name} does not balance: {assets}")
        note_behind(output, behind)
    if uneven:
        raise typer.Exit(REFUSED)


@group.command()
def drawdown(
    *,
    coin: Annotated[str, typer.Option("--in", help="The coin to value everything in.")] = "USDT",
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show how far each account is below its best, net of what was brought and taken away; folded from the log."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        if account is not None:
            require_account(url, account)
        found = asyncio.run(_curves(url, Currency(coin)))
    shown_ = {name: curve.now for name, curve in found.items() if account in {None, name}}
    if as_json:
        output.document(shown_)
        return
    fields = ("value", "flows", "result", "peak", "fallen", "fraction", "worst", "worst_fraction", "worst_at")
    cells = [(name, *(getattr(each, field) for field in fields)) for name, each in shown_.items()]
    output.rows(("account", *fields), cells, empty="nothing was moved")


async def _curves(url: str, coin: Currency) -> dict[str, Curve]:
    log, found = PostgresLog(url), dict[str, Curve]()
    try:
        async for page in log.scan():
            for position, stream, _, topic, state in page:
                account = stream.split("/")[1]
                found.setdefault(account, Curve(coin)).take(position, stream, decode(topic, state))
    finally:
        await log.close()
    return found


def _by_asset(row: LedgerBalanceView) -> tuple[str, str, str]:
    return row.account, row.asset, row.name
