"""`oms place`, `amend`, `cancel`, `cancel-all`, `halt`, `resume`: what an operator commands, through the gateway."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from oms.cli.asking import ask_each, ask_gateway
from oms.cli.config import ConfigFile, configured
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.reads import AccountName, StrategyName, SymbolName
from oms.errors import OrderClosedError
from oms.gateway.replies import Halts, Items
from oms.gateway.views import OrderAnswer, ShareView, encode
from oms.values import Crossing, MarginMode, OrderType, PositionLeg, PriceSource, Protection, Side, TimeInForce, plain
from oms.venue import Trigger

TIMES: Final = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
ACCEPTED: Final = "durable; whether the venue takes it shows in: oms explain"

Reason = Annotated[str | None, typer.Option(help="Why; it stands in the log.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (place, amend, cancel, claim, halt, resume):
        app.command()(command)
    app.command("cancel-all")(cancel_all)


def place(
    *,
    symbol: Annotated[str, typer.Option(help="The market, such as BTC/USDT.")],
    side: Annotated[Side, typer.Option()],
    kind: Annotated[OrderType, typer.Option("--type")] = OrderType.LIMIT,
    quantity: Annotated[str | None, typer.Option(help="In base units, or contracts.")] = None,
    notional: Annotated[str | None, typer.Option(help="In quote units, for a market buy.")] = None,
    price: Annotated[str | None, typer.Option(help="In quote units per base unit, for a limit.")] = None,
    time_in_force: Annotated[TimeInForce, typer.Option("--time-in-force", "--tif")] = TimeInForce.GTC,
    expires_at: Annotated[
        datetime | None,
        typer.Option(formats=TIMES, help="When it ends, which makes it gtd; a time in UTC or with its zone."),
    ] = None,
    post_only: Annotated[bool, typer.Option("--post-only", help="Make, never take.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only ever make a position smaller.")] = False,
    position_leg: Annotated[
        PositionLeg, typer.Option("--position-leg", "--leg", help="Of a perpetual in hedge mode.")
    ] = PositionLeg.NET,
    leverage: Annotated[str | None, typer.Option(help="Of a position that a perpetual order opens.")] = None,
    margin_mode: Annotated[MarginMode | None, typer.Option(help="What backs that position.")] = None,
    trigger: Annotated[str | None, typer.Option(help="Wait for this price; needs --when.")] = None,
    when: Annotated[Crossing | None, typer.Option(help="From which side it has to come.")] = None,
    trigger_by: Annotated[PriceSource, typer.Option(help="Which price has to.")] = PriceSource.LAST,
    callback_rate: Annotated[
        str | None, typer.Option(help="Trail by this fraction, such as 0.01, once --trigger was reached.")
    ] = None,
    take_profit: Annotated[str | None, typer.Option(help="Close at this price what the order opens.")] = None,
    stop_loss: Annotated[str | None, typer.Option(help="Likewise, at a loss.")] = None,
    protect_by: Annotated[PriceSource, typer.Option(help="Which price trips those two.")] = PriceSource.LAST,
    tag: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, kept with the order; may be given again.")] = None,
    client_order_id: Annotated[
        str | None, typer.Option("--id", help="1 to 32 letters and digits; made without.")
    ] = None,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Place an order; return once it is durable. The same --id and order again is the same order."""
    output = Output(as_json=as_json)
    waits_for = _trigger(trigger, when, trigger_by, callback_rate)
    profit, loss = (
        _protection("--take-profit", take_profit, protect_by),
        _protection("--stop-loss", stop_loss, protect_by),
    )
    order = ask_gateway(
        configured(config),
        lambda client: client.place(
            symbol=symbol,
            side=side,
            type=kind,
            quantity=quantity,
            notional=notional,
            price=price,
            time_in_force=time_in_force,
            post_only=post_only,
            reduce_only=reduce_only,
            position_leg=position_leg,
            leverage=leverage,
            margin_mode=margin_mode,
            trigger=waits_for,
            take_profit=profit,
            stop_loss=loss,
            expires_at=None if expires_at is None else _zoned(expires_at),
            tags=_tags(tag or ()),
            client_order_id=client_order_id,
            account=account,
        ),
        account=account,
    )
    _show(output, order)


def amend(
    order: Annotated[str, typer.Argument(help="Its client order id.")],
    *,
    price: Annotated[str | None, typer.Option(help="In quote units; stays without.")] = None,
    quantity: Annotated[str | None, typer.Option(help="The new total, filled part included; stays without.")] = None,
    trigger_price: Annotated[
        str | None, typer.Option("--trigger", "--trigger-price", help="What an order that waits is to wait for.")
    ] = None,
    take_profit: Annotated[str | None, typer.Option(help="Close at this price what the order opens.")] = None,
    stop_loss: Annotated[str | None, typer.Option(help="Likewise, at a loss.")] = None,
    protect_by: Annotated[PriceSource, typer.Option(help="Which price trips those two.")] = PriceSource.LAST,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a change of a working order, or of what one waits for; return once the request is durable."""
    output = Output(as_json=as_json)
    if not any((price, quantity, trigger_price, take_profit, stop_loss)):
        raise typer.BadParameter(
            "name what is to change: --price, --quantity, --trigger, or --take-profit and --stop-loss"
        )
    profit = _protection("--take-profit", take_profit, protect_by)
    loss = _protection("--stop-loss", stop_loss, protect_by)
    changed = ask_gateway(
        configured(config),
        lambda client: client.amend(
            order,
            price=price,
            quantity=quantity,
            trigger_price=trigger_price,
            take_profit=profit,
            stop_loss=loss,
            account=account,
        ),
        account=account,
    )
    _show(output, changed)


def cancel(
    order: Annotated[str, typer.Argument(help="Its client order id.")],
    *,
    account: AccountName = None,
    reason: Reason = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for an order's end; return once the request is durable."""
    output = Output(as_json=as_json)
    canceled = ask_gateway(
        configured(config), lambda client: client.cancel(order, account=account, reason=reason), account=account
    )
    _show(output, canceled)


def claim(
    order: Annotated[
        str | None, typer.Argument(help="Its client order id: of one that nobody here asked for, external…")
    ] = None,
    *,
    strategy: Annotated[str, typer.Option(help="Who is to have it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    symbol: Annotated[str | None, typer.Option(help="Instead of an order: whose position it is a share of.")] = None,
    position_leg: Annotated[
        PositionLeg, typer.Option("--position-leg", "--leg", help="Of a perpetual in hedge mode.")
    ] = PositionLeg.NET,
    quantity: Annotated[str | None, typer.Option(help="How much of that share; all of it without.")] = None,
    price: Annotated[str | None, typer.Option(help="At which price; the leg's average without.")] = None,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a strategy an order that nobody here had asked for, with what it traded so far; or with --symbol the share
    of a position that no order here has made.
    """
    output = Output(as_json=as_json)
    if symbol is not None and order is None:
        _claim_share(
            output,
            ask_gateway(
                configured(config),
                lambda client: client.claim_share(
                    symbol,
                    strategy=strategy,
                    reason=reason,
                    leg=position_leg,
                    quantity=quantity,
                    price=price,
                    account=account,
                ),
                account=account,
            ),
        )
        return
    if order is None or symbol is not None:
        raise typer.BadParameter("name an order, or a market with --symbol")
    given = ask_gateway(
        configured(config),
        lambda client: client.claim(order, strategy=strategy, reason=reason, account=account),
        account=account,
    )
    if as_json:
        output.write(encode(given))
        return
    output.say(f"{given.client_order_id} is {given.strategy}'s: {given.side} {given.symbol}: {given.status}")


def _claim_share(output: Output, share: ShareView) -> None:
    if output.as_json:
        output.write(encode(share))
        return
    output.say(f"{share.strategy} has its share of {share.symbol} {share.leg}; {plain(share.nobodys)} is nobody's")


def cancel_all(
    *,
    account: AccountName = None,
    strategy: StrategyName = None,
    symbol: SymbolName = None,
    reason: Reason = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the end of every open order in scope. Exit code 1 where one of them may go on."""
    output = Output(as_json=as_json)
    answers = ask_each(
        configured(config),
        lambda client: client.cancel_all(account=account, strategy=strategy, symbol=symbol, reason=reason),
        account=account,
    )
    items = [item for answer in answers for item in answer.items]
    if as_json:
        output.write(encode(Items(position=max(answer.position for answer in answers), items=items)))
    for item in items:
        output.say(f"{item.client_order_id}: {item.problem.detail if item.problem else 'cancel asked for'}")
    refused = [item for item in items if item.problem is not None and item.problem.code != OrderClosedError.code]
    output.say(f"{len(items)} orders" + (f", {len(refused)} of them refused and not over" if refused else ""))
    if refused:
        raise typer.Exit(REFUSED)


def halt(
    *,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    account: AccountName = None,
    strategy: StrategyName = None,
    symbol: SymbolName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything that opens, of a strategy, in a market, on an account, or everywhere; cancels pass."""
    _halted(
        Output(as_json=as_json),
        ask_each(
            configured(config),
            lambda client: client.halt(reason, account=account, strategy=strategy, symbol=symbol),
            account=account,
        ),
    )


def resume(
    *,
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    account: AccountName = None,
    strategy: StrategyName = None,
    symbol: SymbolName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End the halt of that very scope."""
    _halted(
        Output(as_json=as_json),
        ask_each(
            configured(config),
            lambda client: client.resume(reason, account=account, strategy=strategy, symbol=symbol),
            account=account,
        ),
    )


def _halted(output: Output, answers: Sequence[Halts]) -> None:
    items = [item for answer in answers for item in answer.items]
    if output.as_json:
        output.write(encode(Halts(position=max(answer.position for answer in answers), items=items)))
    for item in items:
        if item.problem is not None:
            output.say(f"{item.account}: {item.problem.detail}")
        elif not item.halts:
            output.say(f"{item.account} trades")
        if item.note is not None:
            output.say(f"{item.account}: {item.note}")
        for each in item.halts:
            scope = ", ".join(name for name in (each.strategy, each.symbol) if name) or "everything"
            output.say(f"{item.account} is halted, {scope}: {each.reason} (halt {each.halt_id})")
    if any(item.problem is not None for item in items):
        raise typer.Exit(REFUSED)


def _trigger(price: str | None, when: Crossing | None, by: PriceSource, rate: str | None) -> Trigger | None:
    """Return what an order waits for. Raises BadParameter for half of it."""
    if price is None:
        if when is not None or rate is not None:
            raise typer.BadParameter("--when and --callback-rate go with --trigger, the price that is waited for")
        return None
    if when is None:
        raise typer.BadParameter("--trigger needs --when: rises_to or falls_to")
    trails_by = None if rate is None else _decimal("--callback-rate", rate)
    return Trigger(price=_decimal("--trigger", price), when=when, by=by, callback_rate=trails_by)


def _protection(option: str, price: str | None, by: PriceSource) -> Protection | None:
    return None if price is None else Protection(price=_decimal(option, price), by=by)


def _decimal(option: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise typer.BadParameter(f"{option} {text!r} is not a decimal")
    return value


def _zoned(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _tags(pairs: Iterable[str]) -> dict[str, str] | None:
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--tag {pair!r} is not NAME=VALUE")
        tags[name] = value
    return tags or None


def _show(output: Output, order: OrderAnswer) -> None:
    if output.as_json:
        output.write(encode(order))
        return
    size = f"{_spelled(order.quantity)}" if order.quantity is not None else f"{_spelled(order.notional)} worth of"
    at = f" at {_spelled(order.price)}" if order.price is not None else ""
    output.say(f"{order.client_order_id}: {order.side} {size} {order.symbol}{at}: {order.status}")
    output.note(f"position {order.position}; {ACCEPTED} {order.client_order_id}")


def _spelled(value: Decimal | None) -> str:
    return "" if value is None else plain(value)
