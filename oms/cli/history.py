"""`oms events` and `oms explain`: the log itself, and the whole story of one order."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from oms.book import order_stream
from oms.cli.config import ConfigFile, configured
from oms.cli.database import accounts_of, recorded
from oms.cli.output import AsJson, Output, short
from oms.cli.story import Step, body_of, instant, tell
from oms.errors import UnknownOrderError
from oms.evidence import behind, effects
from oms.ports import StoredEvent
from oms.store.codec import decode_meta
from oms.store.log import PostgresLog
from oms.values import AccountId, ClientOrderId, Provenance

PAGE: Final = 2_000
FOLLOW_SECONDS: Final = 5.0  # a look at the log even without a notice
DECIMAL: Final = re.compile(r"-?\d+(\.\d+|E[+-]?\d+)")  # and not an id, which has digits only
BODY_SHOWN: Final = 600  # characters of one message, for people; --json has all


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(events)
    app.command()(explain)


def events(
    *,
    start: Annotated[int, typer.Option("--from", min=1, help="The first position to show.")] = 1,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the log grows, until Ctrl-C.")] = False,
    stream: Annotated[str | None, typer.Option(help="Only this stream, or those that begin so.")] = None,
    source: Annotated[
        Provenance | None, typer.Option(help="Only what came to be known so; recovered: made good from the venue.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the log in order: one event a line."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        asyncio.run(_print_events(url, output, start=start, follow=follow, stream=stream, source=source))


async def _print_events(
    url: str, output: Output, *, start: int, follow: bool, stream: str | None, source: Provenance | None
) -> None:
    log = PostgresLog(url)
    try:
        async for stored in _events(log, start, follow=follow):
            if stream is not None and not stored.stream.startswith(stream):
                continue
            meta = decode_meta(stored.state)
            if source is not None and meta.source is not source:
                continue
            if output.as_json:
                output.document(frame(stored))
            else:
                output.say(
                    f"{stored.position:>8}  {instant(meta.recorded_ns)}  {stored.topic:<24} {stored.stream:<48} "
                    f"{_terse(body_of(stored))}"
                )
    finally:
        await log.close()


async def _events(log: PostgresLog, start: int, *, follow: bool) -> AsyncIterator[StoredEvent]:
    after = start - 1
    while True:
        page = await log.page(after=after, limit=PAGE)
        for stored in page:
            yield stored
        if page:
            after = page[-1].position
        elif follow:
            await log.changed(after=after, seconds=FOLLOW_SECONDS)
        else:
            return


def frame(stored: StoredEvent) -> Mapping[str, object]:
    """Return one event as the gateway's stream shows it: position, type, at, and everything that is stored of it."""
    body: dict[str, Any] = msgspec.json.decode(stored.state)
    return {
        "position": stored.position,
        "type": stored.topic,
        "at": instant(body["recorded_ns"]),
        "data": {"stream": stored.stream, "version": stored.version, **body},
    }


def explain(
    order: Annotated[str, typer.Argument(help="Its client order id.")],
    *,
    account: Annotated[
        str | None, typer.Option(help="Its account; found without where only one has such an id.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of one order: each event, what it changed, who said so, how long it took, in which bytes."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        name, steps = asyncio.run(story_of(url, order, account))
    if as_json:
        output.document({"client_order_id": order, "account": name, "steps": steps})
    else:
        print_story(output, order, name, steps)


async def story_of(url: str, order: str, account: str | None) -> tuple[AccountId, Sequence[Step]]:
    """Return an order's account and its steps. Raises UnknownOrderError, LogUnavailableError."""
    log = PostgresLog(url)
    try:
        accounts = [AccountId(account)] if account else await asyncio.to_thread(accounts_of, url)
        streams = {order_stream(name, ClientOrderId(order)): name for name in accounts}
        found = sorted(await log.existing(list(streams)))
        if not found:
            raise UnknownOrderError(f"no order {order!r} is in the log", next_step="oms orders lists what there is")
        if len(found) > 1:
            names = ", ".join(streams[stream] for stream in found)
            raise UnknownOrderError(f"{order!r} is an order of {names}", next_step="name one with --account")
        history = await log.read(found[0])
        named = {name: None for each in history for name in behind(decode_meta(each.state), body_of(each))}
        messages = {message.message_id: message for message in await log.messages(list(named))}
        return streams[found[0]], list(tell(history, await effects(log, history), messages))
    finally:
        await log.close()


def print_story(output: Output, order: str, account: AccountId, steps: Sequence[Step]) -> None:
    """Print an order's story as a timeline for people."""
    asked = steps[0].data
    what = " ".join(
        _spelled(asked[name])
        for name in ("side", "quantity", "notional", "symbol", "order_type", "price")
        if name in asked
    )
    output.say(f"order {order} of {account}: {what}")
    for step in steps:
        line = Text()
        line.append(f"{step.position:>7}  {step.at[11:26]}  +{step.after_ms:>9.3f} ms  ", "dim")
        line.append(f"{step.type.partition('/')[0]:<22}", "bold")
        line.append(f"{step.status:<17}", "cyan")
        line.append(f"{step.actor} · {step.source} · epoch {step.epoch}", "dim")
        output.out.print(line)
        moved = ", ".join(
            f"{name} {_spelled(was)} → {_spelled(now)}" for name, (was, now) in step.changed.items() if name != "status"
        )
        for label, text in (
            ("changed", moved),
            *(("position", _terse(effect)) for effect in step.effects),
            ("cause", step.cause),
            ("venue time", step.occurred_at or ""),
        ):
            if text:
                output.out.print(
                    Text(f"{'':>9}{label}: {text}", "default" if label in {"changed", "position"} else "dim")
                )
        for wire in step.wire:
            arrow = "→ venue" if wire.direction == "out" else "← venue"
            body = wire.body if isinstance(wire.body, str) else msgspec.json.encode(wire.body).decode()
            if len(body) > BODY_SHOWN:
                body = f"{body[:BODY_SHOWN]} … {len(body)} characters, all with --json"
            output.out.print(Text(f"{'':>9}{arrow} {wire.channel} at {wire.at[11:26]}: {body}", "green"))


def _terse(fields: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_spelled(value)}" for name, value in fields.items())


def _spelled(value: object) -> str:
    """Spell a stored value for people; a decimal, stored as text, without trailing zeros."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return short(Decimal(value))
    return "-" if value is None else str(value)
