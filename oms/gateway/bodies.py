"""What the door takes: one Struct per body, strict: no unknown field, decimals as strings, ids checked."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from oms.errors import InvalidOrderError
from oms.gateway.problems import IdempotencyKeyError, InvalidBodyError, InvalidQueryError, MalformedJsonError
from oms.order.messages import AmendOrder, PlaceOrder
from oms.values import (
    CLIENT_ORDER_ID,
    AccountId,
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
)
from oms.venue import Trigger

BATCH_MAX: Final = 100  # orders in one request
LIST_MAX: Final = 500  # rows in one answer
TAGS_MAX: Final = 16
TEXT_MAX: Final = 200  # characters of a reason, a tag's name or its value

# Forty digits on either side are more than any market has; an exponent may only move the point as far.
DECIMAL_PATTERN: Final = r"^[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$"
_DECIMAL: Final = re.compile(DECIMAL_PATTERN)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_KEY: Final = re.compile(r"[!-~]{1,64}")


class Amount(Decimal):
    """A decimal that came as a JSON string, digit for digit."""


class _Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Refuses what it does not know."""


class TriggerBody(_Body, frozen=True, kw_only=True):
    """Waits at the venue until the price arrives at `price`; with `callback_rate` it then trails by this fraction."""

    price: Amount
    when: Crossing
    by: PriceSource = PriceSource.LAST
    callback_rate: Amount | None = None


class ProtectionBody(_Body, frozen=True, kw_only=True):
    """A take-profit or a stop-loss that comes into force with the order's fill, as a market order at `price`."""

    price: Amount
    by: PriceSource = PriceSource.LAST


class PlaceBody(_Body, frozen=True, kw_only=True):
    """An order to place: `quantity` in base units or contracts, or `notional` in quote units for a market buy on spot.

    `leverage`, `margin_mode`, `take_profit` and `stop_loss` are for orders that open on a perpetual.
    `expires_at` is when an order ends that is `gtd`, which it is without saying so.
    `account` may be left out where the token sees only one; `strategy` is the token's and may be left out.
    """

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    account: str | None = None
    strategy: str | None = None
    quantity: Amount | None = None
    notional: Amount | None = None
    price: Amount | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    position_leg: PositionLeg = PositionLeg.NET
    tags: dict[str, str] | None = None
    leverage: Amount | None = None
    margin_mode: MarginMode | None = None
    trigger: TriggerBody | None = None
    take_profit: ProtectionBody | None = None
    stop_loss: ProtectionBody | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class BatchBody(_Body, frozen=True, kw_only=True):
    """Up to a hundred orders, each with an outcome of its own. A malformed one refuses the whole beforehand."""

    orders: list[PlaceBody]


class AmendBody(_Body, frozen=True, kw_only=True):
    """What is to change: what is not named stays. `quantity` is the order's new total, filled part included,
    `trigger_price` what an order that waits is to wait for. `take_profit` and `stop_loss`, of an order that opens and
    is not filled yet, are changed alone.
    """

    price: Amount | None = None
    quantity: Amount | None = None
    trigger_price: Amount | None = None
    take_profit: ProtectionBody | None = None
    stop_loss: ProtectionBody | None = None


class CancelBody(_Body, frozen=True, kw_only=True):
    """Why an order is canceled; the body may be left out."""

    reason: str | None = None


class ClaimBody(_Body, frozen=True, kw_only=True):
    """Which strategy an order of nobody's is given to, and why."""

    strategy: str
    reason: str


class ClaimShareBody(_Body, frozen=True, kw_only=True):
    """Which strategy is given how much of a leg's share that is nobody's, and why: all of it without a `quantity`, at
    the leg's average price without a `price`.
    """

    symbol: str
    strategy: str
    reason: str
    position_leg: PositionLeg = PositionLeg.NET
    quantity: Amount | None = None
    price: Amount | None = None
    account: str | None = None


class CancelAllBody(_Body, frozen=True, kw_only=True):
    """Which open orders to cancel: those that match all that is given."""

    account: str | None = None
    strategy: str | None = None
    symbol: str | None = None
    reason: str | None = None


class HaltBody(_Body, frozen=True, kw_only=True):
    """Why trading is halted or resumed, and whose and where: what is not named is every one there is."""

    reason: str
    account: str | None = None
    strategy: str | None = None
    symbol: str | None = None


class BreakBody(_Body, frozen=True, kw_only=True):
    """Which open break is explained or resolved, and why. Resolving a balance takes the venue's figure over."""

    break_id: str
    reason: str
    account: str | None = None


class ReconcileBody(_Body, frozen=True, kw_only=True):
    """Which account to compare with its venue; with `dry_run` nothing is recorded, and the events are shown."""

    account: str | None = None
    dry_run: bool = False


class LeverageBody(_Body, frozen=True, kw_only=True):
    """What new positions of a perpetual are backed by."""

    symbol: str
    leverage: Amount
    margin_mode: MarginMode
    account: str | None = None


class PositionModeBody(_Body, frozen=True, kw_only=True):
    """Whether an account's perpetuals are kept as one net position a market, or as a long and a short one."""

    mode: PositionMode
    account: str | None = None


class _Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Refuses what it does not know."""


class NoQuery(_Query, frozen=True, kw_only=True):
    """For what takes none."""


class NameQuery(_Query, frozen=True, kw_only=True):
    """Whose order is named; may be left out where the token sees only one account."""

    account: str | None = None


class ReadQuery(_Query, frozen=True, kw_only=True):
    """`min_position` waits until the answer reflects that position: read your own write.

    `as_of`, a position or a time, asks how it was then.
    """

    min_position: int = 0
    as_of: str | None = None
    account: str | None = None


class LegsQuery(ReadQuery, frozen=True, kw_only=True):
    """Which positions or balances to list."""

    limit: int = LIST_MAX
    cursor: str | None = None


class MarketsQuery(NameQuery, frozen=True, kw_only=True):
    """Which markets to list; they are what the venue says now, and stand in no log."""

    min_position: int = 0
    limit: int = LIST_MAX
    cursor: str | None = None


class OrdersQuery(ReadQuery, frozen=True, kw_only=True):
    """Which orders to list; `open=true` leaves the others out."""

    open: bool = False
    symbol: str | None = None
    strategy: str | None = None
    limit: int = 100
    cursor: str | None = None


class FillsQuery(ReadQuery, frozen=True, kw_only=True):
    """Which fills to list."""

    symbol: str | None = None
    strategy: str | None = None
    client_order_id: str | None = None
    limit: int = 100
    cursor: str | None = None


class BreaksQuery(ReadQuery, frozen=True, kw_only=True):
    """Which breaks to list; `open=true` leaves the others out."""

    open: bool = False
    limit: int = 100
    cursor: str | None = None


class EventsQuery(ReadQuery, frozen=True, kw_only=True):
    """Events after position `since`, or, with a `cursor`, after where that answer stopped."""

    since: int = 0
    limit: int = 100
    cursor: str | None = None


def _amount(kind: type, value: object) -> object:
    assert kind is Amount
    if not isinstance(value, str):
        raise ValueError('a decimal is a JSON string, such as "0.01": a JSON number loses digits on the way')  # noqa: TRY004  # what msgspec turns into a ValidationError
    if _DECIMAL.fullmatch(value) is None:
        raise ValueError(f"{value[:50]!r} is not a decimal")
    return Amount(value)


_B = TypeVar("_B", bound=Struct)


class BodyDecoder:
    """Decodes bodies, with one compiled decoder a type."""

    def __init__(self) -> None:
        self._decoders: dict[type[Struct], msgspec.json.Decoder[Any]] = {}

    def __call__(self, kind: type[_B], body: bytes) -> _B:
        """Return `body` as a `kind`.

        Raises:
            MalformedJsonError: it is not JSON.
            InvalidBodyError: it is not what `kind` says.
        """
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind, dec_hook=_amount)
        try:
            decoded: _B = decoder.decode(body)
        except msgspec.ValidationError as error:
            raise InvalidBodyError(str(error)) from error
        except msgspec.DecodeError as error:
            raise MalformedJsonError(f"the body is not JSON: {error}") from error
        return decoded


decode_body: Final = BodyDecoder()


def read_query(kind: type[_B], given: Mapping[str, str]) -> _B:
    """Return the parameters of a query, of which some may stand there twice, as a `kind`.

    Raises:
        InvalidQueryError: one is unknown, repeated or has a value it cannot have.
    """
    values = dict(given)
    if len(values) < len(given):
        raise InvalidQueryError("a query parameter stands there twice")
    for name, value in values.items():
        if not value.isprintable():  # nothing that is kept has such a name, and no database takes a NUL
            raise InvalidQueryError(f"{name[:40]!r} holds a character that cannot be printed")
    try:
        query = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidQueryError(str(error)) from error
    for name in ("min_position", "since"):
        if not 0 <= getattr(query, name, 0) < 2**63:
            raise InvalidQueryError(f"{name} is a position in the log, 0 or more")
    if not 1 <= getattr(query, "limit", 1) <= LIST_MAX:
        raise InvalidQueryError(f"limit is from 1 to {LIST_MAX}")
    return query


def place_order(body: PlaceBody, account: AccountId, strategy: StrategyId) -> PlaceOrder:
    """Return the command that `body` asks for.

    Raises:
        InvalidOrderError: its id or its tags cannot be kept.
    """
    tags = body.tags or None
    if tags is not None:
        if len(tags) > TAGS_MAX:
            raise InvalidOrderError(f"{len(tags)} tags are more than the {TAGS_MAX} that an order takes")
        for name, value in tags.items():
            checked_text(name, "a tag's name")
            checked_text(value, f"tag {name}")
    return PlaceOrder(
        account=account,
        client_order_id=checked_id(body.client_order_id),
        strategy=strategy,
        symbol=Symbol(body.symbol),
        side=body.side,
        type=body.type,
        quantity=_plain(body.quantity),
        notional=_plain(body.notional),
        price=_plain(body.price),
        time_in_force=_timed(body),
        post_only=body.post_only,
        reduce_only=body.reduce_only,
        position_leg=body.position_leg,
        tags=tags,
        leverage=_plain(body.leverage),
        margin_mode=body.margin_mode,
        trigger=_trigger(body.trigger),
        take_profit=_protection(body.take_profit),
        stop_loss=_protection(body.stop_loss),
        expires_ns=None if body.expires_at is None else (body.expires_at - _EPOCH) // _MICROSECOND * 1000,
    )


def amend_order(body: AmendBody, account: AccountId, client_order_id: str, key: str) -> AmendOrder:
    """Return the command that `body` asks for; `key` is its Idempotency-Key.

    Raises:
        InvalidOrderError: it asks for nothing.
    """
    if body == AmendBody():
        raise InvalidOrderError("a change names a price, a quantity, a trigger_price, a take_profit or a stop_loss")
    return AmendOrder(
        account=account,
        client_order_id=ClientOrderId(client_order_id),
        request_id=key,
        price=_plain(body.price),
        quantity=_plain(body.quantity),
        trigger_price=_plain(body.trigger_price),
        take_profit=_protection(body.take_profit),
        stop_loss=_protection(body.stop_loss),
    )


def _timed(body: PlaceBody) -> TimeInForce:
    """Return the order's time in force: one that ends at a time is good till then."""
    until = body.expires_at is not None and body.time_in_force is TimeInForce.GTC
    return TimeInForce.GTD if until else body.time_in_force


def _trigger(body: TriggerBody | None) -> Trigger | None:
    if body is None:
        return None
    return Trigger(price=Decimal(body.price), when=body.when, by=body.by, callback_rate=_plain(body.callback_rate))


def _protection(body: ProtectionBody | None) -> Protection | None:
    return None if body is None else Protection(price=Decimal(body.price), by=body.by)


def _plain(amount: Amount | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def checked_id(text: str) -> ClientOrderId:
    """Return `text` as a client order id. Raises InvalidOrderError."""
    if CLIENT_ORDER_ID.fullmatch(text) is None:
        raise InvalidOrderError(
            f"client_order_id {text[:40]!r} has {len(text)} characters: it takes 1 to 32 of A-Z, a-z, 0-9",
            next_step="send it with an id that fits",
        )
    return ClientOrderId(text)


def checked_key(text: str | None) -> str:
    """Return an Idempotency-Key. Raises IdempotencyKeyError."""
    if text is None:
        raise IdempotencyKeyError("this request needs an Idempotency-Key")
    if _KEY.fullmatch(text) is None:
        raise IdempotencyKeyError("the Idempotency-Key is not 1 to 64 visible ASCII characters")
    return text


def checked_text(text: str, what: str) -> str:
    """Return a text that people will read again, in one line. Raises InvalidBodyError."""
    if not 1 <= len(text) <= TEXT_MAX or not text.isprintable():
        raise InvalidBodyError(f"{what} is not 1 to {TEXT_MAX} printable characters")
    return text
