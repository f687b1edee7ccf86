"""`oms archive`: an account's whole history, taken out while the venue can still be read, and checked without it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from oms.archive import ArchiveError, Checked, Manifest, Writer, check
from oms.asof import read_as_of
from oms.cli.config import ConfigFile, configured
from oms.cli.connect import connected_keys
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.parts import Decode, Market, Parts
from oms.config import Config, Secret
from oms.connected import VenueName, World
from oms.reports import Report
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.values import AccountId
from oms.vault import NotConnectedError

BEGINNING: Final = "2018-01-01T00:00:00Z"  # BitMart opened in March of that year
BITMART: Final = "bitmart"
NOTES: Final = (
    "deposits and withdrawals are not asked for: the venue documents no list of them that could be checked",
    "spot orders that were cancelled without a fill are forgotten by the venue after about 20 minutes",
    "futures orders are asked for by symbol: of those that trades, money movements or positions name",
)
MISSING_SHOWN: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

group = typer.Typer(help="An account's whole history, on disk.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="archive")


@group.command("bitmart")
def bitmart_command(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    account: Annotated[str | None, typer.Option(help="A connected account; found without where there is one.")] = None,
    since: Annotated[str, typer.Option(help="From when on: a time with its offset.")] = BEGINNING,
    market: Annotated[Market | None, typer.Option(help="Only this market; both without.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask the venue for everything it knows of the account; exit 1 if any of it could not be had."""
    settings, output = configured(config), Output(as_json=as_json)
    since_ms = _since_ms(since)
    keys = connected_keys(settings, VenueName.BITMART)
    name, fields = _chosen(keys, account)
    if out.exists():
        raise ArchiveError(f"{out} exists already")
    manifest = asyncio.run(
        _archived(
            context.obj,
            settings,
            output,
            account=name,
            fields=fields,
            out=out,
            since_ms=since_ms,
            markets=("spot", "futures") if market is None else (market,),
        )
    )
    if as_json:
        output.document(manifest)
    else:
        _say(output, manifest)
        output.say(f"head {manifest.head}: keep it away from {out}, for oms archive verify --head")
    if not manifest.whole:
        raise typer.Exit(REFUSED)


@group.command("verify")
def verify_command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    *,
    head: Annotated[str | None, typer.Option(help="The head that was kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an archive without the venue: its seals, its files, and that its lines follow from the venue's bytes."""
    parts: Parts = context.obj
    output = Output(as_json=as_json)
    checked: Checked = check(folder, as_archived(parts.decode), head=head)
    if as_json:
        output.document(
            {
                "intact": not checked.findings,
                "findings": checked.findings,
                "whole": checked.manifest.whole,
                "pages": checked.manifest.pages,
                "head": checked.manifest.head,
                "counts": checked.manifest.counts,
            }
        )
    else:
        for finding in checked.findings:
            output.say(f"archive: {finding}")
        if not checked.findings:
            output.say(f"archive: {checked.manifest.pages} pages, every seal intact; its lines follow from them")
        _say(output, checked.manifest)
    if checked.findings:
        raise typer.Exit(REFUSED)


def _since_ms(text: str) -> int:
    moment = read_as_of(text)
    if isinstance(moment, int):
        raise typer.BadParameter("--since is a time, such as 2024-01-01T00:00:00Z")
    return max((moment - _EPOCH) // timedelta(milliseconds=1), 0)


def _chosen(
    keys: Mapping[AccountId, Mapping[str, Secret]], account: str | None
) -> tuple[AccountId, Mapping[str, Secret]]:
    """Return the account that is named, or the only one. Raises NotConnectedError."""
    names = [AccountId(account)] if account is not None else list(keys)
    if len(names) != 1:
        known = ", ".join(keys) or "none"
        raise NotConnectedError(f"name the account with --account: connected are {known}")
    if names[0] not in keys:
        raise NotConnectedError(f"no account {names[0]!r} of {BITMART} is connected")
    return names[0], keys[names[0]]


async def _archived(
    parts: Parts,
    config: Config,
    output: Output,
    *,
    account: AccountId,
    fields: Mapping[str, Secret],
    out: Path,
    since_ms: int,
    markets: tuple[Market, ...],
) -> Manifest:
    clock, tasks = SystemClock(), Tasks()
    until_ms = clock.now_ns() // 1_000_000
    writer = Writer(out)
    world, told = World(clock, TimeOrderedIds(clock), tasks), ""
    try:
        async for page in parts.history(config, world, fields, markets, since_ms=since_ms, until_ms=until_ms):
            writer.add(page)
            topic = f"{page.market} {page.topic}"
            if topic != told:
                output.note(f"reading {topic}")
                told = topic
    finally:
        await tasks.close()
    return await asyncio.to_thread(
        writer.close,
        as_archived(parts.decode),
        venue=BITMART,
        account=account,
        since_ms=since_ms,
        until_ms=until_ms,
        notes=NOTES,
    )


def as_archived(decode: Decode) -> Callable[[Market, str, bytes], Sequence[Report]]:
    """Return the adapter's reading of a REST answer, as the archive asks for it: no leg is guessed."""
    return lambda market, path, payload: decode(market, "rest", path, payload, mode=None)


def _say(output: Output, manifest: Manifest) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in manifest.counts.items())
    output.say(f"{manifest.venue} account {manifest.account}: {counts}")
    missing = [(each, span) for each in manifest.coverage for span in each.missing]
    for each, span in missing[:MISSING_SHOWN]:
        window = "" if span.since_ms is None else f" {_day(span.since_ms)} to {_day(span.until_ms or 0)}"
        output.say(f"not whole: {each.market} {each.topic} {each.symbol or ''}{window}: {span.why}")
    if len(missing) > MISSING_SHOWN:
        output.say(f"and {len(missing) - MISSING_SHOWN} more, all in manifest.json")
    for order in manifest.unmatched[:MISSING_SHOWN]:
        output.say(f"not whole: the trades of order {order} do not add up to what it filled")
    output.say("coverage: whole" if manifest.whole else "coverage: NOT whole")


def _day(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d")
