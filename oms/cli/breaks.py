"""`oms breaks`: what disagrees with the venue; `explain` and `resolve`, with a reason, through the gateway."""

from typing import Annotated

import typer

from oms.cli.asking import LOOKED_SECONDS, ask_gateway
from oms.cli.config import ConfigFile, configured
from oms.cli.output import AsJson, Output
from oms.cli.reads import LIMIT, AccountName, AsOf, CursorText, Limit, listed
from oms.gateway.operations import AccountBreaks
from oms.gateway.views import BreakView, encode

BreakId = Annotated[str, typer.Argument(help="Its id, such as balance:spot/USDT.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]

group = typer.Typer(help="Disagreements with the venue.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="breaks")


@group.callback()
def breaks(
    context: typer.Context,
    *,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that nobody has ended.")] = False,
    account: AccountName = None,
    limit: Limit = LIMIT,
    cursor: CursorText = None,
    as_of: AsOf = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List breaks, the latest opened first."""
    if context.invoked_subcommand is not None:
        return
    listed(
        context,
        BreakView,
        lambda reads, accounts: reads.breaks(accounts=accounts, open_only=open_only, limit=limit, cursor=cursor),
        ("break_id", "account", "ours", "theirs", "difference", "open", "explanation", "resolution", "opened_at"),
        config=config, account=account, as_of=as_of, as_json=as_json, empty="no breaks",
    )  # fmt: skip


@group.command()
def explain(
    break_id: BreakId,
    *,
    reason: Reason,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what an open break comes from; it stays open."""
    said = ask_gateway(
        configured(config), lambda client: client.explain_break(break_id, reason, account=account), account=account
    )
    _show(Output(as_json=as_json), said, f"{break_id} is explained")


@group.command()
def resolve(
    break_id: BreakId,
    *,
    reason: Reason,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End an open break; of a balance the venue's figure becomes ours."""
    said = ask_gateway(
        configured(config),
        lambda client: client.resolve_break(break_id, reason, account=account),
        account=account,
        seconds=LOOKED_SECONDS,
    )
    _show(Output(as_json=as_json), said, f"{break_id} is resolved")


def _show(output: Output, left: AccountBreaks, done: str) -> None:
    if output.as_json:
        output.write(encode(left))
        return
    output.say(done)
    output.rows(
        ("break_id", "ours", "theirs", "explanation"),
        [(each.break_id, each.ours, each.theirs, each.explanation) for each in left.items],
        empty="no break is open",
    )
