"""`oms place`, `amend`, `cancel`, `cancel-all`, `halt`, `resume`: what an operator commands, through the gateway."""

from decimal import Decimal
from typing import Annotated, Final

import typer

from oms.cli.asking import ask_gateway
from oms.cli.config import ConfigFile, configured
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.reads import AccountName, StrategyName, SymbolName
from oms.gateway.commands import Halts
from oms.gateway.views import OrderAnswer, encode
from oms.values import MarginMode, OrderType, PositionLeg, Side, TimeInForce, plain

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
    time_in_force: Annotated[TimeInForce, typer.Option()] = TimeInForce.GTC,
    post_only: Annotated[bool, typer.Option("--post-only", help="Make, never take.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only ever make a position smaller.")] = False,
    position_leg: Annotated[PositionLeg, typer.Option("--leg", help="Of a perpetual in hedge mode.")] = PositionLeg.NET,
    leverage: Annotated[str | None, typer.Option(help="Of a position that a perpetual order opens.")] = None,
    margin_mode: Annotated[MarginMode | None, typer.Option(help="What backs that position.")] = None,
    client_order_id: Annotated[
        str | None, typer.Option("--id", help="1 to 32 letters and digits; made without.")
    ] = None,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Place an order; return once it is durable. The same --id and order again is the same order."""
    output = Output(as_json=as_json)
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
            client_order_id=client_order_id,
            account=account,
        ),
    )
    _show(output, order)


def amend(
    order: Annotated[str, typer.Argument(help="Its client order id.")],
    *,
    price: Annotated[str | None, typer.Option(help="In quote units; stays without.")] = None,
    quantity: Annotated[str | None, typer.Option(help="The new total, filled part included; stays without.")] = None,
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for another price or quantity of a working order; return once the request is durable."""
    output = Output(as_json=as_json)
    change = {"price": price, "quantity": quantity}
    _show(output, ask_gateway(configured(config), lambda client: client.amend(order, account=account, **change)))


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
    _show(output, ask_gateway(configured(config), lambda client: client.cancel(order, account=account, reason=reason)))


def claim(
    order: Annotated[str, typer.Argument(help="Its client order id: of one that nobody here asked for, external…")],
    *,
    strategy: Annotated[str, typer.Option(help="Who is to have it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    account: AccountName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give an order that nobody here had asked for to a strategy, with what it traded so far."""
    output = Output(as_json=as_json)
    given = ask_gateway(
        configured(config),
        lambda client: client.claim(order, strategy=strategy, reason=reason, account=account),
    )
    if as_json:
        output.write(encode(given))
        return
    output.say(f"{given.client_order_id} is {given.strategy}'s: {given.side} {given.symbol}: {given.status}")


def cancel_all(
    *,
    account: AccountName = None,
    strategy: StrategyName = None,
    symbol: SymbolName = None,
    reason: Reason = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask for the end of every open order in scope."""
    output = Output(as_json=as_json)
    answer = ask_gateway(
        configured(config),
        lambda client: client.cancel_all(account=account, strategy=strategy, symbol=symbol, reason=reason),
    )
    if as_json:
        output.write(encode(answer))
        return
    for item in answer.items:
        output.say(f"{item.client_order_id}: {item.problem.detail if item.problem else 'cancel asked for'}")
    output.say(f"{len(answer.items)} orders")


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
        ask_gateway(
            configured(config),
            lambda client: client.halt(reason, account=account, strategy=strategy, symbol=symbol),
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
        ask_gateway(
            configured(config),
            lambda client: client.resume(reason, account=account, strategy=strategy, symbol=symbol),
        ),
    )


def _halted(output: Output, answer: Halts) -> None:
    if output.as_json:
        output.write(encode(answer))
    for item in answer.items:
        if item.problem is not None:
            output.say(f"{item.account}: {item.problem.detail}")
        elif not item.halts:
            output.say(f"{item.account} trades")
        for each in item.halts:
            scope = ", ".join(name for name in (each.strategy, each.symbol) if name) or "everything"
            output.say(f"{item.account} is halted, {scope}: {each.reason} (halt {each.halt_id})")
    if any(item.problem is not None for item in answer.items):
        raise typer.Exit(REFUSED)


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
