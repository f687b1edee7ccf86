"""`oms reconcile`: compare with the venue now, through the OMS that runs, or by itself where none does."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer

from oms.cli.asking import LOOKED_SECONDS, ask_each
from oms.cli.config import ConfigFile, configured
from oms.cli.connect import connected_keys
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.parts import Parts
from oms.cli.presence import leaders
from oms.cli.reads import AccountName
from oms.client import UnreachableError
from oms.config import Config
from oms.connected import VenueName
from oms.gateway.operations import Comparison, Comparisons
from oms.gateway.reconciling import comparison
from oms.gateway.views import encode
from oms.reconcile import Result
from oms.system import reconcile_once
from oms.vault import Keys


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reconcile)


def reconcile(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record nothing; print what would be.")] = False,
    venue: Annotated[VenueName, typer.Option(help="Where the accounts are, if no OMS runs.")] = VenueName.BITMART,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare with the venue now; exit 1 unless all of it could be compared."""
    parts: Parts = context.obj
    settings, output = configured(config), Output(as_json=as_json)
    items = _through_gateway(settings, output, account=account, dry_run=dry_run)
    if items is None:
        keys = connected_keys(settings, venue)
        items = asyncio.run(_alone(parts, settings, venue, output.note, keys, account=account, dry_run=dry_run))
    if as_json:
        output.write(encode(Comparisons(position=0, items=items)))
    for item in () if as_json else items:
        _tell(output, item, dry_run=dry_run)
    if any(item.result != Result.COMPLETE for item in items):
        raise typer.Exit(REFUSED)


def _through_gateway(
    settings: Config, output: Output, *, account: str | None, dry_run: bool
) -> Sequence[Comparison] | None:
    """Ask the OMS that runs, or each; None where none does, or none leads the account."""
    leading = leaders(settings.home)
    if not leading or account not in {None, *leading}:
        return None
    try:
        answers = ask_each(
            settings,
            lambda client: client.reconcile(account=account, dry_run=dry_run),
            account=account,
            seconds=LOOKED_SECONDS,
        )
        return [item for answer in answers for item in answer]
    except UnreachableError as error:
        output.note(f"no OMS answers ({error.cause}): comparing by ourselves")
        return None


async def _alone(
    parts: Parts,
    settings: Config,
    venue: VenueName,
    tell: Callable[[str], None],
    keys: Keys,
    *,
    account: str | None,
    dry_run: bool,
) -> Sequence[Comparison]:
    compared = await reconcile_once(
        settings, venue, venues=partial(parts.venues, keys=keys), tell=tell, account=account, dry_run=dry_run
    )
    return [comparison(name, each.standing, each.events) for name, each in compared.items()]


def _tell(output: Output, item: Comparison, *, dry_run: bool) -> None:
    output.say(f"{item.account}: {item.result}")
    for part, cause in item.failures.items():
        output.say(f"  {part} could not be compared: {cause}")
    for name, (ours, theirs) in item.disagreements.items():
        output.say(f"  {name}: {ours} here, {theirs} at the venue")
    output.rows(("order", "is"), sorted(item.orders.items()), empty="  no order is open")
    if dry_run:
        output.rows(
            ("stream", "version", "type", "known by"),
            [(event.stream, event.version, event.type, event.data["source"]) for event in item.events],
            empty="  nothing would be recorded",
        )
