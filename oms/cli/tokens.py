"""`oms token`: who may do what; and the operator's own token, which every command uses."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from oms.cli.config import ConfigFile, configured
from oms.cli.database import accounts_of, recorded, unknown
from oms.cli.output import AsJson, Output
from oms.config import Config
from oms.errors import OmsError
from oms.gateway.tokens import PostgresTokens, Scope, read_limits
from oms.values import AccountId, StrategyId, Symbol

OPERATOR: Final = StrategyId("operator")
FILE: Final = "operator.token"  # under the home, for its owner's eyes

group = typer.Typer(help="Tokens of strategies.", no_args_is_help=True)


class NoTokenError(OmsError):
    """Nothing says who is asking."""

    code = "no_token"
    next_step = "set OMS_TOKEN, or run on the machine and with the OMS_HOME where `oms up` runs"


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="token")


def operator_token(config: Config, environment: Mapping[str, str]) -> str:
    """Return OMS_TOKEN, or the operator's token under the home. Raises NoTokenError."""
    given = environment.get("OMS_TOKEN")
    if given:
        return given
    try:
        return (config.home / FILE).read_text().strip()
    except OSError as error:
        raise NoTokenError(f"OMS_TOKEN is not set, and {config.home / FILE} cannot be read") from error


def keep_operator_token(config: Config, url: str) -> None:
    """Make the operator's token if there is none that the database knows. It may do everything."""
    file = config.home / FILE
    tokens = PostgresTokens(url)
    if file.exists():
        text = file.read_text().strip()
        if any(text.startswith(f"oms_{token.token_id}_") for token in tokens.list() if token.revoked_at is None):
            return
    _, text = tokens.create(strategy=OPERATOR, accounts=(), scopes=(Scope.ADMIN,))
    _write_private(file, text + "\n")


def _write_private(file: Path, text: str) -> None:
    """Write beside and rename: never readable by others, never half-written."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    fresh.replace(file)


@group.command()
def create(
    *,
    strategy: Annotated[str, typer.Option(help="The strategy it is bound to.")],
    account: Annotated[list[str] | None, typer.Option(help="An account it may use; several times for several.")] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; several times for several.")] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="A market it is for; all of them without.")] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="order_notional_max=AMOUNT or orders_per_second=N; both may be given.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown this once and kept as a hash."""
    scopes = tuple(scope or (Scope.READ, Scope.ORDERS_WRITE, Scope.ORDERS_CANCEL))
    output, limits = Output(as_json=as_json), read_limits(limit or ())
    with recorded(configured(config)) as url:
        known = accounts_of(url)
        for name in account or ():
            if name not in known:
                output.note(f"warning: {unknown(known, name)}; the token is for it all the same")
        token, text = PostgresTokens(url).create(
            strategy=StrategyId(strategy),
            accounts=tuple(AccountId(name) for name in account or ()),
            scopes=scopes,
            symbols=tuple(Symbol(name) for name in symbol or ()),
            limits=limits,
        )
    if as_json:
        output.document({"id": token.token_id, "token": text})
    else:
        output.say(text)
        output.note(f"token {token.token_id} of {strategy}: {', '.join(scopes)}; it is not shown again")


@group.command("list")
def list_command(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List every token ever made."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        tokens = PostgresTokens(url).list()
    if as_json:
        output.document(
            [
                {
                    "id": token.token_id,
                    "strategy": token.strategy,
                    "accounts": token.accounts,
                    "scopes": token.scopes,
                    "symbols": token.symbols,
                    "limits": token.limits,
                    "created_at": token.created_at,
                    "revoked_at": token.revoked_at,
                }
                for token in tokens
            ]
        )
        return
    output.rows(
        ("id", "strategy", "accounts", "scopes", "symbols", "limits", "created", "revoked"),
        [
            (
                token.token_id,
                token.strategy,
                ", ".join(token.accounts) or "all",
                ", ".join(token.scopes),
                ", ".join(token.symbols) or "all",
                ", ".join(f"{name}={value}" for name, value in msgspec.to_builtins(token.limits).items()) or "none",
                token.created_at,
                token.revoked_at,
            )
            for token in tokens
        ],
        empty="no tokens",
    )


@group.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID")], *, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """End a token; a running gateway knows within a second."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        PostgresTokens(url).revoke(token_id)
    if as_json:
        output.document({"id": token_id, "revoked": True})
    else:
        output.say(f"token {token_id} is revoked")
