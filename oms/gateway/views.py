"""What the door shows: one Struct per answer. The server encodes them, the SDK decodes them, OpenAPI describes them.

Decimals are exact and travel as strings without an exponent; times are UTC.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from oms.instrument import Instrument
from oms.order.state import Order, status
from oms.values import (
    AccountId,
    Liquidity,
    MarginMode,
    OrderStatus,
    OrderType,
    Origin,
    PositionLeg,
    PositionMode,
    Protection,
    Provenance,
    Side,
    TimeInForce,
    Wallet,
    plain,
)
from oms.venue import Trigger


class View(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Absent values are None and left out."""


class OrderView(View, frozen=True, kw_only=True):
    """One order. `quantity` in base units or contracts, or `notional` in quote units; `reason` says why it ended or is
    in doubt. `origin` says who made an order that nobody asked for here, `parent` which conditional order it came from.

    `flagged` means that the venue contradicted itself or us and a person should look. Times are when we wrote it down;
    the answer to a command does not show them.
    """

    client_order_id: str
    account: str
    strategy: str
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    quantity: Decimal | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    position_leg: PositionLeg
    cum_quantity: Decimal
    leaves_quantity: Decimal
    average_price: Decimal | None = None
    venue_order_id: str | None = None
    reason: str | None = None
    flagged: bool = False
    tags: Mapping[str, str] | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    trigger: Trigger | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None
    origin: Origin | None = None
    parent: str | None = None
    expires_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class OrderAnswer(OrderView, frozen=True, kw_only=True):
    """One order, as of log position `position`. `untold_quantity` of it has traded, as the venue says, and is not
    booked yet: its trades were not told. Absent where all is.
    """

    position: int
    untold_quantity: Decimal | None = None


class FillView(View, frozen=True, kw_only=True):
    """One fill. `commission` is a cost when positive, a rebate when negative, absent until the venue tells it.

    `source` is how we learned of it, `busted` that the venue took it back, `occurred_at` the venue's time.
    """

    exec_id: str
    client_order_id: str
    account: str
    strategy: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal | None = None
    commission_currency: str | None = None
    liquidity: Liquidity | None = None
    source: Provenance
    busted: bool = False
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None


class PositionView(View, frozen=True, kw_only=True):
    """One leg: signed quantity in base units or contracts; `commissions` by currency, other amounts in quote units.

    `shares`, by strategy, add up to `quantity`; a strategy sees its own and the sum of the `others`. `margin` backs the
    leg, `funding` is received less paid, `unrealized` what closing at the last known mark would earn. Where the mark is
    to take the leg over, `liquidation_price` is worked out here, `venue_liquidation_price` what the venue said last.
    `value` is what it is worth now, unsigned; `dust` says that it is too small for any order to close.
    """

    account: str
    symbol: str
    leg: PositionLeg
    quantity: Decimal
    open_cost: Decimal
    average_price: Decimal | None = None
    realized: Decimal
    commissions: Mapping[str, Decimal]
    contract_size: Decimal
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    margin: Decimal | None = None
    funding: Decimal
    shares: Mapping[str, Decimal]
    mark_price: Decimal | None = None
    unrealized: Decimal | None = None
    liquidation_price: Decimal | None = None
    venue_liquidation_price: Decimal | None = None
    value: Decimal | None = None
    dust: bool | None = None
    updated_at: datetime | None = None


class BalanceView(View, frozen=True, kw_only=True):
    """One currency in a wallet: total = available + held, where `held` is what open orders and positions keep."""

    account: str
    wallet: Wallet
    currency: str
    total: Decimal
    held: Decimal
    available: Decimal
    updated_at: datetime | None = None


class InstrumentView(View, frozen=True, kw_only=True):
    """One market's grid, exact: `price_step` and `notional_min` in quote units, quantities in base units or contracts.

    A contract is `contract_size` base units; `settle` is the coin of a perpetual's margin and profit.
    """

    account: str
    symbol: str
    base: str
    quote: str
    price_step: Decimal
    quantity_step: Decimal
    quantity_min: Decimal
    notional_min: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    tradable: bool
    wallet: Wallet
    settle: str | None = None
    contract_size: Decimal
    quantity_max: Decimal | None = None
    leverage_max: Decimal | None = None


class Orders(View, frozen=True, kw_only=True):
    """Orders as of `position`; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[OrderView]
    next_cursor: str | None = None


class Fills(View, frozen=True, kw_only=True):
    """Fills as of `position`; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[FillView]
    next_cursor: str | None = None


class Positions(View, frozen=True, kw_only=True):
    """Position legs as of `position`; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[PositionView]
    next_cursor: str | None = None


class Balances(View, frozen=True, kw_only=True):
    """Balances as of `position`; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[BalanceView]
    next_cursor: str | None = None


class Instruments(View, frozen=True, kw_only=True):
    """The markets of the accounts that the token may see; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[InstrumentView]
    next_cursor: str | None = None


class LeverageView(View, frozen=True, kw_only=True):
    """What backs a market as of `position`, as far as it is known; what was asked for shows once it was read back."""

    position: int
    account: str
    symbol: str
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


class ShareView(View, frozen=True, kw_only=True):
    """What of a leg is still nobody's, as of `position`, after a share of it was given to a strategy."""

    position: int
    account: str
    symbol: str
    leg: PositionLeg
    strategy: str
    nobodys: Decimal


class PositionModeView(View, frozen=True, kw_only=True):
    """The mode of an account's perpetuals as of `position`; `requested` is one that was not read back yet."""

    position: int
    account: str
    mode: PositionMode | None = None
    requested: PositionMode | None = None


class HaltView(View, frozen=True, kw_only=True):
    """One halt: `strategy` and `symbol` where it is of them alone; denials name its `halt_id`."""

    halt_id: str
    reason: str
    strategy: str | None = None
    symbol: str | None = None


class BreakView(View, frozen=True, kw_only=True):
    """One disagreement with the venue. `difference` is theirs less ours, where they are amounts; `evidence` names the
    messages of the venue that the figures were read in. `resolution`: agreed (by itself) or accepted (by a person).
    """

    break_id: str
    account: str
    kind: str
    subject: str
    symbol: str | None = None
    ours: str
    theirs: str
    difference: Decimal | None = None
    open: bool
    explanation: str | None = None
    resolution: str | None = None
    reason: str | None = None
    evidence: Sequence[str] = ()
    opened_at: datetime | None = None
    updated_at: datetime | None = None


class Breaks(View, frozen=True, kw_only=True):
    """Breaks as of `position`, the latest opened first; `next_cursor` asks for more, absent at the end."""

    position: int
    items: Sequence[BreakView]
    next_cursor: str | None = None


class Frame(View, frozen=True, kw_only=True):
    """One event of the log, or a word of the stream itself (``subscribed``, ``heartbeat``, ``reply``, ``problem``).

    `type` is the event's stored name with its version, such as ``order-filled/1``; `at` is when it was recorded. `data`
    holds the stream it belongs to, what its name says (`account`, `client_order_id`, `symbol`, `leg`), what
    stands beside every event (`id`, `cause`, `actor`, `epoch`, `source`, `recorded_ns`, `occurred_ns`), and its own.
    """

    position: int
    type: str
    at: datetime
    data: Mapping[str, Any]


class Events(View, frozen=True, kw_only=True):
    """Events up to `position`, all that the token may see of them; `next_cursor` asks for what follows."""

    position: int
    items: Sequence[Frame]
    next_cursor: str


class WireMessage(View, frozen=True, kw_only=True):
    """What went over the wire to or from the venue, redacted. `body` is text; bytes that are none stand in base64.

    `withheld` bytes may speak of other strategies' orders: the scope audit:read shows them.
    """

    message_id: str
    at: datetime | None
    direction: str
    channel: str
    body: str | None = None
    body_base64: str | None = None
    withheld: bool = False


class TimelineEntry(View, frozen=True, kw_only=True):
    """One event of an order's story, with who and what caused it, and the bytes behind it.

    `at` is when we wrote it down, `occurred_at` the venue's time where it told one.
    """

    position: int
    stream: str
    version: int
    type: str
    at: datetime | None
    occurred_at: datetime | None = None
    actor: str
    cause: str
    epoch: int
    source: Provenance
    event: Mapping[str, Any]
    messages: Sequence[WireMessage] = ()


class Timeline(View, frozen=True, kw_only=True):
    """The whole story of one order: its events, and those of the position leg that they moved, in order."""

    position: int
    order: OrderView
    items: Sequence[TimelineEntry]


class _Plain(Decimal):
    """A decimal that is spelled without an exponent: the encoder's own spelling of small ones is 1E-7."""


class _Moment(datetime):
    """A UTC time that is spelled with its microseconds: the encoder's own spelling leaves them out where they are 0."""


_EPOCH: Final = _Moment(1970, 1, 1, tzinfo=UTC)


def _spell(value: object) -> str:
    if isinstance(value, _Plain):
        return plain(value)
    if isinstance(value, _Moment):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    raise NotImplementedError(f"{type(value).__name__} has no place in an answer")


_encoder: Final = msgspec.json.Encoder(enc_hook=_spell)
encode: Final = _encoder.encode

_V = TypeVar("_V", bound=View)


def shown(kind: type[_V], row: object, **more: object) -> _V:
    """Return `row` as a `kind`: by name, where a time `x_at` is the row's `x_ns`; `more` is what the row has not."""
    values: dict[str, Any] = dict(more)
    for name in kind.__struct_fields__:
        if name not in values:
            values[name] = moment(getattr(row, f"{name[:-3]}_ns")) if name.endswith("_at") else getattr(row, name)
    return kind(**{name: _spelled(value) for name, value in values.items()})


def _spelled(value: Any) -> Any:  # noqa: ANN401  # any column's value
    if isinstance(value, Decimal):
        return _Plain(value)
    if isinstance(value, Mapping):
        return {key: _spelled(inner) for key, inner in value.items()}
    if isinstance(value, Trigger | Protection):
        return replace(value, **{name: _spelled(getattr(value, name)) for name in value.__struct_fields__})
    return value


def moment(ns: int | None) -> datetime | None:
    """Return nanoseconds since 1970 as a UTC time, to the microsecond; None for none."""
    if ns is None:
        return None
    return _EPOCH + timedelta(microseconds=ns // 1000)  # a sum is of the type of its first part


def order_view(order: Order, *, created_ns: int | None = None, updated_ns: int | None = None) -> OrderView:
    """Return `order` as it is shown."""
    return OrderView(**_order_fields(order, created_ns, updated_ns))


def order_answer(
    order: Order, position: int, *, created_ns: int | None = None, updated_ns: int | None = None
) -> OrderAnswer:
    """Return `order` as of `position`."""
    untold = _optional(order.untold_quantity or None)
    return OrderAnswer(position=position, untold_quantity=untold, **_order_fields(order, created_ns, updated_ns))


def _order_fields(order: Order, created_ns: int | None, updated_ns: int | None) -> dict[str, Any]:
    request = order.request
    return {
        "client_order_id": request.client_order_id,
        "account": request.account,
        "strategy": request.strategy,
        "symbol": request.symbol,
        "side": request.side,
        "type": request.order_type,
        "status": status(order),
        "quantity": _optional(request.quantity),
        "notional": _optional(request.notional),
        "price": _optional(request.price),
        "time_in_force": request.time_in_force,
        "post_only": request.post_only,
        "reduce_only": request.reduce_only,
        "position_leg": request.position_leg,
        "cum_quantity": _Plain(order.cum_quantity),
        "leaves_quantity": _Plain(order.leaves_quantity),
        "average_price": _optional(order.average_price),
        "venue_order_id": order.venue_order_id,
        "reason": order.reason,
        "flagged": order.flagged,
        "tags": request.tags,
        "leverage": _optional(request.leverage),
        "margin_mode": request.margin_mode,
        "trigger": _spelled(request.trigger),
        "take_profit": _spelled(request.take_profit),
        "stop_loss": _spelled(request.stop_loss),
        "origin": order.origin,
        "parent": order.parent,
        "expires_at": moment(request.expires_ns),
        "created_at": moment(created_ns),
        "updated_at": moment(updated_ns),
    }


def _optional(value: Decimal | None) -> Decimal | None:
    return None if value is None else _Plain(value)


def instrument_view(account: AccountId, instrument: Instrument) -> InstrumentView:
    """Return one market of `account`."""
    return shown(InstrumentView, instrument, account=account)
