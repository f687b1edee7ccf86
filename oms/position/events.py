"""What can happen to one leg of a position. The tags are stored names: never reuse one, never edit one."""

from decimal import Decimal

from msgspec import Struct

from oms.values import ONE, ClientOrderId, Currency, ExecId, MarginMode, StrategyId


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class FillBooked(_Event, frozen=True, tag="fill-booked/1"):
    """One trade, as it moved the leg. `quantity` is signed: a buy adds, a sell takes away.

    `cost_change` is the signed change of the open cost (quote units), `realized` what the closed part earned before
    commissions: `quantity x contract_size x price = cost_change - realized`, exactly. A trade that flips the leg is
    booked twice under its one id, as a close and as an open. `leverage` is what backs the leg from here on, and
    `margin_mode` how, if told.
    """

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    cost_change: Decimal
    realized: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    contract_size: Decimal = ONE
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


class FillReversed(_Event, frozen=True, tag="fill-reversed/1"):
    """A busted trade, taken back: the opposite quantity at the trade's own price, its commission returned."""

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    cost_change: Decimal
    realized: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    contract_size: Decimal = ONE


class CommissionBooked(_Event, frozen=True, tag="commission-booked/1"):
    """The commission of an earlier fill, told late by the venue."""

    exec_id: ExecId
    commission: Decimal
    commission_currency: Currency


class FundingBooked(_Event, frozen=True, tag="funding-booked/1"):
    """One periodic payment between long and short, in the market's settlement coin: negative left the account.

    A venue tells it for a market, not for a leg: it stands in the stream of the leg ``net`` in either position mode.
    `ledger_id` is the venue's, unique only together with the market and `at_ms`.
    """

    ledger_id: str
    amount: Decimal
    at_ms: int


class ClearanceBooked(_Event, frozen=True, tag="clearance-booked/1"):
    """What a liquidation left over went to the venue's insurance fund: a cost when `amount` is negative, as it is in
    the venue's ledger. Told for a market and known again like funding.
    """

    ledger_id: str
    amount: Decimal
    currency: Currency
    at_ms: int


class LegTakenOver(_Event, frozen=True, tag="leg-taken-over/1"):
    """What the venue held of a leg when this log began, and no trade in it explains: taken over as balances are. Or
    what was in there of a trade that is told of later: taken out, as it moves the leg by itself.

    `quantity` (signed) and `cost_change` are what was added to ours to arrive at `total` at the average `price`, the
    venue's own at the opening; it is None where the leg is flat. Nothing was realized, and no money moved.
    """

    quantity: Decimal
    total: Decimal
    cost_change: Decimal
    reason: str  # as of `BalanceAdjusted`: opening
    price: Decimal | None = None
    contract_size: Decimal = ONE
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


class LeverageRequested(_Event, frozen=True, tag="leverage-requested/1"):
    """Somebody asked for another leverage of the market. From this commit on the request may reach the venue."""

    request_id: str
    leverage: Decimal
    margin_mode: MarginMode


class LeverageRefused(_Event, frozen=True, tag="leverage-refused/1"):
    """What backs the market stays as it was, as far as anybody knows."""

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class LeverageSet(_Event, frozen=True, tag="leverage-set/1"):
    """What backs the leg from here on: asked for and read back, or seen at the venue."""

    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


class ShareClaimed(_Event, frozen=True, tag="share-claimed/1"):
    """A part of the leg that no strategy's order had made was given to one: `quantity` (signed), as if it had traded at
    `price` with whoever had it. The leg itself stays as it is. `reason` is a person's word.
    """

    request_id: str
    strategy: StrategyId
    quantity: Decimal
    price: Decimal
    reason: str
    contract_size: Decimal = ONE


PositionEvent = (
    FillBooked
    | FillReversed
    | CommissionBooked
    | FundingBooked
    | ClearanceBooked
    | LegTakenOver
    | LeverageRequested
    | LeverageRefused
    | LeverageSet
    | ShareClaimed
)
