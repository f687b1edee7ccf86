"""Where BitMart futures' spelling of orders and money ends: its messages become reports. Pure; raises ValueError for
what makes no sense.

What is undone here, and nowhere else:
- `side` 1 to 4 is a side, and with the account's position mode a leg and an effect (PROTOCOL 6.0);
- `state` 4 only says finished: how is read from what was filled and from the stream's `action` (6.9, 9.6);
- a market order shows a protective price, which is none (8.3); zero stands for "none" in prices;
- fees are costs in REST and their negation on the stream (9.25); times come in seconds here and there (9.23).
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from adapters.bitmart.elements import Reports, unreadable
from adapters.bitmart.perp import messages as wire
from adapters.bitmart.perp.spelling import executive_price, preset, symbol
from adapters.bitmart.scalars import (
    Wire,
    above_zero,
    amount,
    identity,
    instant,
    order_id,
    positive,
    required,
    required_id,
    required_order_id,
    text,
    unsigned,
    word,
)
from oms.reports import (
    BalanceReport,
    LedgerReport,
    LeverageReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import (
    EXACT,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    OrderType,
    Origin,
    PositionEffect,
    PositionLeg,
    PositionMode,
    Side,
    Symbol,
    VenueOrderId,
    Wallet,
    cost,
)

NET, LONG, SHORT = PositionLeg.NET, PositionLeg.LONG, PositionLeg.SHORT
OPEN, CLOSE = PositionEffect.OPEN, PositionEffect.CLOSE

MODES: Final = {"hedge_mode": PositionMode.HEDGE, "one_way_mode": PositionMode.ONE_WAY}

Placement = tuple[Side | None, PositionLeg | None, PositionEffect | None]
# PROTOCOL 6.0. In one-way mode 1 and 4 open, close or flip as the position has it; 2 and 3 only reduce.
PLACEMENTS: Final[Mapping[PositionMode | None, Mapping[str, Placement]]] = MappingProxyType(
    {
        PositionMode.HEDGE: {
            "1": (Side.BUY, LONG, OPEN),
            "2": (Side.BUY, SHORT, CLOSE),
            "3": (Side.SELL, LONG, CLOSE),
            "4": (Side.SELL, SHORT, OPEN),
        },
        PositionMode.ONE_WAY: {
            "1": (Side.BUY, NET, None),
            "2": (Side.BUY, NET, CLOSE),
            "3": (Side.SELL, NET, CLOSE),
            "4": (Side.SELL, NET, None),
        },
        None: {  # what both modes agree on
            "1": (Side.BUY, None, None),
            "2": (Side.BUY, None, CLOSE),
            "3": (Side.SELL, None, CLOSE),
            "4": (Side.SELL, None, None),
        },
    },
)
UNPLACED: Final[Placement] = (None, None, None)

ACCEPTED, WORKING, FINISHED = "1", "2", "4"  # `state`
SUBMIT, CANCEL = "2", "3"  # `action`
ACTIONS: Final = frozenset("123456789")  # all that are listed (PROTOCOL 8.3)
CANCEL_REASONS: Final = {"4": "liquidation", "5": "adl"}
# Orders that the venue made itself, by their type and by what the stream says of them (PROTOCOL 6.6, 8.3).
ORIGINS: Final = {
    "liquidate": Origin.LIQUIDATION,
    "bankruptcy": Origin.LIQUIDATION,
    "adl": Origin.ADL,
    "settlement": Origin.SETTLEMENT,
}
ORIGIN_OF_ACTION: Final = {"6": Origin.LIQUIDATION, "7": Origin.LIQUIDATION, "8": Origin.ADL, "9": Origin.ADL}
CANCELS: Final = (CANCEL, *CANCEL_REASONS)
CONDITIONAL: Final = ("plan", "planorder", "plan_order", "trailing", "trailing_order", "take_profit", "stop_loss")
PLAN: Final = "PLAN_"  # begins the client id of an order that a plan order has sent (PROTOCOL 9.15)

LIQUIDITIES: Final = {"maker": Liquidity.MAKER, "taker": Liquidity.TAKER}
MARGIN_MODES: Final = {
    "cross": MarginMode.CROSS,
    "isolated": MarginMode.ISOLATED,
    "1": MarginMode.ISOLATED,  # the numbers of the position stream
    "2": MarginMode.CROSS,
}
LEGS: Final = {"1": LONG, "long": LONG, "2": SHORT, "short": SHORT, "both": NET}
FLOWS: Final = {
    "transfer": "transfer",
    "realized pnl": "realized_pnl",
    "funding fee": "funding",
    "commission fee": "commission",
    "liquidation clearance": "liquidation",
    "1": "transfer",
    "2": "realized_pnl",
    "3": "funding",
    "4": "commission",
    "5": "liquidation",
}
OUTWARD: Final = ("contract_to_spot", "contract_to_fund")
INWARD: Final = ("spot_to_contract", "fund_to_contract")
# ------------------------------------------------------------------------------------------------ sides and modes


def placed(side: Wire, mode: PositionMode | None) -> Placement:
    """Return the side, leg and effect of a `side` code, as far as `mode` lets them be known."""
    return PLACEMENTS[mode].get(text(side) or "", UNPLACED)


def position_mode(value: Wire, otherwise: PositionMode | None = None) -> PositionMode | None:
    """Return the mode a payload says; recordings from before 2025 and REST trades say none."""
    return MODES.get(value.strip().lower(), otherwise) if type(value) is str else otherwise


# ------------------------------------------------------------------------------------------------ orders


def status(
    state: str | None, size: Decimal | None, filled: Decimal | None, action: str | None, *, conditional: bool
) -> VenueOrderStatus | None:
    """Return what `state` means beside the sizes and the stream's `action` (PROTOCOL 6.9); None if nobody can tell.

    Filled to its size, an order that the venue does not call finished is not finished: its trades decide.
    """
    if state == WORKING or (state == ACCEPTED and filled):
        return VenueOrderStatus.PARTIALLY_FILLED if filled else VenueOrderStatus.NEW
    if state == ACCEPTED:
        return VenueOrderStatus.NEW if conditional else VenueOrderStatus.PENDING_NEW  # waiting, not in doubt
    if state != FINISHED or filled is None or size is None:
        return None
    if filled >= size:
        return VenueOrderStatus.FILLED
    if filled or action in CANCELS:
        return VenueOrderStatus.CANCELED
    if conditional:
        return None  # canceled, or triggered: the order it sent has another id
    return VenueOrderStatus.REJECTED if action == SUBMIT else VenueOrderStatus.CANCELED


def order(
    message: wire.Order, mode: PositionMode | None, action: str | None = None, plan_order_id: str | None = None
) -> OrderReport:
    """Return the state of an order. On the stream, `action` says what has happened to it."""
    side, leg, effect = placed(message.side, position_mode(message.position_mode, mode))
    kind, state = word(message.type), text(message.state)
    size, filled = positive(message.size), unsigned(message.deal_size)
    now = status(state, size, filled, action, conditional=kind in CONDITIONAL)
    if action is not None and action not in ACTIONS:  # whatever that does to an order, its state alone does not say
        now, state = None, f"{state} by action {action}"
    venue_order_id, client_id = _order_id(message.order_id), text(message.client_order_id)
    return OrderReport(
        symbol=symbol(message.symbol),
        status=now,
        raw_status=state if now is None else None,
        venue_order_id=venue_order_id,
        client_order_id=None if client_id is None else ClientOrderId(client_id),
        side=side,
        position_leg=leg,
        effect=effect,
        order_type=kind,
        quantity=size,
        cum_quantity=filled,
        price=None if kind == OrderType.MARKET else positive(message.price),
        average_price=positive(message.deal_avg_price),
        leverage=positive(message.leverage),
        margin_mode=_margin_mode(message.open_type),
        cancel_reason=CANCEL_REASONS.get(action or "") if now is VenueOrderStatus.CANCELED else None,
        trigger_price=positive(message.trigger_price) or positive(message.activation_price),
        take_profit=preset(message.preset_take_profit_price, message.preset_take_profit_price_type),
        stop_loss=preset(message.preset_stop_loss_price, message.preset_stop_loss_price_type),
        origin=ORIGINS.get(kind or "") or ORIGIN_OF_ACTION.get(action or ""),
        triggered_by=_planned(plan_order_id, client_id, venue_order_id),
        created_ms=instant(message.create_time),
        updated_ms=instant(message.update_time),
    )


def plan_order(message: wire.PlanOrder, mode: PositionMode | None) -> OrderReport:
    """Return the state of an order that waits for its price; nothing of it is filled, its order will be another."""
    side, leg, effect = placed(message.side, position_mode(message.position_mode, mode))
    state, client_id = text(message.state), text(message.client_order_id)
    waiting = state in (ACCEPTED, WORKING) or word(state) == "active"
    return OrderReport(
        symbol=symbol(message.symbol),
        status=VenueOrderStatus.NEW if waiting else None,
        raw_status=None if waiting else state,
        venue_order_id=_order_id(message.order_id),
        client_order_id=None if client_id is None else ClientOrderId(client_id),
        side=side,
        position_leg=leg,
        effect=effect,
        order_type=word(message.type),
        quantity=positive(message.size),
        price=executive_price(message.executive_price),
        leverage=positive(message.leverage),
        margin_mode=_margin_mode(message.open_type),
        trigger_price=positive(message.trigger_price),
        take_profit=preset(message.preset_take_profit_price, message.preset_take_profit_price_type),
        stop_loss=preset(message.preset_stop_loss_price, message.preset_stop_loss_price_type),
        created_ms=instant(message.create_time),
        updated_ms=instant(message.update_time),
    )


def order_push(message: wire.OrderPush, mode: PositionMode | None) -> Reports:
    """Return the order's state and, where the push shows one, its last trade. That has no time of its own, and does
    not say who was the maker.
    """
    pushed = message.order
    report = order(pushed, mode, text(message.action), identity(pushed.plan_order_id))
    last = pushed.last_trade
    if not isinstance(last, wire.LastTrade):
        return (report,)
    try:
        return (report, *_last_trade(last, report))
    except ValueError as error:  # the order is true all the same
        return (report, unreadable(error))


def _last_trade(last: wire.LastTrade, report: OrderReport) -> tuple[TradeReport, ...]:
    exec_id = identity(last.lastTradeID)
    if exec_id is None:
        return ()
    fee = amount(last.fee)
    commission, currency = cost(fee.copy_negate() if fee else fee, _currency(last.feeCcy))
    return (
        TradeReport(
            exec_id=ExecId(exec_id),
            symbol=report.symbol,
            price=above_zero(last.fillPrice, "fillPrice"),
            quantity=above_zero(last.fillQty, "fillQty"),
            venue_order_id=report.venue_order_id,
            client_order_id=report.client_order_id,
            side=report.side,
            position_leg=report.position_leg,
            effect=report.effect,
            commission=commission,
            commission_currency=currency,
            at_ms=report.updated_ms,
        ),
    )


def trade(message: wire.Trade, mode: PositionMode | None) -> TradeReport:
    """Return a fill with what it cost: the authority on commissions, which are paid in the coin of settlement."""
    side, leg, effect = placed(message.side, position_mode(message.position_mode, mode))
    market, venue_order_id, client_id = (
        symbol(message.symbol),
        order_id(message.order_id),
        text(message.client_order_id),
    )
    commission = amount(message.paid_fees)
    return TradeReport(
        exec_id=ExecId(required_id(message.trade_id, "trade_id")),
        symbol=market,
        price=above_zero(message.price, "price"),
        quantity=above_zero(message.vol, "vol"),
        venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
        client_order_id=None if client_id is None else ClientOrderId(client_id),
        side=side,
        position_leg=leg,
        effect=effect,
        commission=commission,
        commission_currency=None if commission is None else _settle(market),
        liquidity=LIQUIDITIES.get(word(message.exec_type) or ""),
        realized_pnl=amount(message.realised_profit),
        at_ms=instant(message.create_time),
    )


# ------------------------------------------------------------------------------------------------ positions, money


def position(message: wire.Position, mode: PositionMode | None) -> PositionReport:
    """Return a row of `position`."""
    leg, quantity = _leg(message.position_type, message.current_amount, position_mode(message.position_mode, mode))
    return PositionReport(
        symbol=symbol(message.symbol),
        leg=leg,
        quantity=quantity,
        average_price=positive(message.entry_price) or positive(message.open_avg_price),
        mark_price=_mark_price(message),
        margin_mode=_margin_mode(message.margin_type),
        leverage=positive(message.leverage),
        at_ms=instant(message.timestamp),
    )


def position_v2(message: wire.PositionV2) -> PositionReport:
    """Return a row of `position-v2`: `current_amount` says how much, the sign of `position_amount` which way; without
    one a net quantity could be of either sign, and is none.
    """
    leg = LEGS.get(word(message.position_side) or "")
    quantity, signed = amount(message.current_amount), amount(message.position_amount)
    if quantity is None:
        quantity = signed
    elif leg is NET and quantity > 0:
        quantity = None if not signed else quantity.copy_negate() if signed < 0 else quantity
    return PositionReport(
        symbol=symbol(message.symbol),
        leg=leg,
        quantity=quantity,
        average_price=positive(message.entry_price) or positive(message.open_avg_price),
        cost=positive(message.position_value),
        mark_price=positive(message.mark_price),
        margin_mode=_margin_mode(message.open_type),
        leverage=positive(message.leverage),
        liquidation_price=positive(message.liquidation_price),
        at_ms=instant(message.timestamp),
    )


def position_risk(message: wire.PositionRisk) -> PositionReport:
    """Return a row of `position-risk`, which knows no average price."""
    return PositionReport(
        symbol=symbol(message.symbol),
        leg=LEGS.get(word(message.position_side) or ""),
        quantity=amount(message.position_amt),
        mark_price=positive(message.mark_price),
        margin_mode=_margin_mode(message.margin_type),
        leverage=positive(message.leverage),
        liquidation_price=positive(message.liquidation_price),
        at_ms=instant(message.update_time),
    )


def position_push(message: wire.PositionPush, mode: PositionMode | None) -> PositionReport:
    """Return an element of the position stream, which repeats itself every ten seconds."""
    leg, quantity = _leg(message.position_type, message.hold_volume, position_mode(message.position_mode, mode))
    return PositionReport(
        symbol=symbol(message.symbol),
        leg=leg,
        quantity=quantity,
        average_price=positive(message.hold_avg_price),
        margin_mode=_margin_mode(message.open_type),
        liquidation_price=positive(message.liquidate_price),
        at_ms=instant(message.update_time),
    )


def _leg(position_type: Wire, volume: Wire, mode: PositionMode | None) -> tuple[PositionLeg | None, Decimal | None]:
    """Return the leg and the quantity. A net position is signed: the venue's volume is not, its type is the sign."""
    leg, quantity = LEGS.get(word(position_type) or ""), amount(volume)
    if mode is not PositionMode.ONE_WAY:
        return leg, quantity
    if leg is SHORT and quantity is not None and quantity > 0:
        quantity = quantity.copy_negate()
    return NET, quantity


def _mark_price(message: wire.Position) -> Decimal | None:
    """Return the mark price. Before `mark_value` was added this field held that value (PROTOCOL 6.8)."""
    mark = positive(message.mark_price)
    if mark is None or message.mark_value is not None:
        return mark
    entry, value = positive(message.entry_price), positive(message.position_value)
    if entry is not None and value is not None and abs(mark - value) < abs(mark - entry):
        return None
    return mark


def asset(message: wire.Asset) -> BalanceReport:
    """Return a coin of the futures wallet: what orders freeze and what positions tie up is held."""
    frozen, tied = amount(message.frozen_balance), amount(message.position_deposit)
    equity, unrealized = amount(message.equity), amount(message.unrealized)
    return BalanceReport(
        currency=Currency(message.currency),
        wallet=Wallet.FUTURES,
        available=amount(message.available_balance),
        held=frozen if tied is None else tied if frozen is None else EXACT.add(frozen, tied),
        total=None if equity is None or unrealized is None else EXACT.subtract(equity, unrealized),
        equity=equity,
    )


def wallet_entry(message: wire.WalletEntry) -> BalanceReport:
    """Return a coin of a sub-account's wallet."""
    return BalanceReport(
        currency=Currency(message.currency),
        wallet=Wallet.FUTURES,
        available=amount(message.available),
        held=amount(message.frozen),
    )


def claimed(message: wire.Claimed) -> BalanceReport:
    """Return what the demo account holds after its wallet was topped up."""
    return BalanceReport(
        currency=Currency(message.currency), wallet=Wallet.FUTURES, total=required(message.amount, "amount")
    )


def transaction(message: wire.Transaction) -> LedgerReport:
    """Return one movement; its type is a text, beside which a number may stand."""
    market, kind = text(message.symbol), text(message.type)
    flow = FLOWS.get(word(kind) or "") or FLOWS.get(text(message.flow_type) or "")
    if flow is None:
        if kind is None:
            raise ValueError("a transaction without its type")
        flow = "_".join(kind.lower().split())
    return LedgerReport(
        currency=Currency(message.asset),
        amount=required(message.amount, "amount"),
        flow=flow,
        symbol=None if market is None else symbol(market),
        ledger_id=text(message.tran_id),
        at_ms=instant(message.time),
    )


def transfer(message: wire.Transfer) -> Reports:
    """Return a transfer as the futures wallet sees it; one that is under way or has failed moved nothing."""
    if word(message.state) != "finished":
        return ()
    moved, way = required(message.amount, "amount"), word(message.type)
    if way not in (*OUTWARD, *INWARD):
        raise ValueError(f"a transfer of type {way!r:.80}")
    return (
        LedgerReport(
            currency=Currency(message.currency),
            amount=moved.copy_negate() if moved and way in OUTWARD else moved,
            flow="transfer",
            ledger_id=text(message.transfer_id),
            at_ms=instant(message.timestamp),
        ),
    )


def leverage(message: wire.Leverage) -> LeverageReport:
    """Return what one symbol's positions are backed by."""
    return LeverageReport(
        symbol=symbol(message.symbol),
        leverage=positive(message.leverage),
        margin_mode=_margin_mode(message.open_type),
    )


def account_mode(message: wire.PositionMode) -> PositionModeReport:
    """Return the account's position mode."""
    mode = position_mode(message.position_mode)
    if mode is None:
        raise ValueError(f"a position mode of {message.position_mode!r:.80}")
    return PositionModeReport(mode=mode)


# ------------------------------------------------------------------------------------------------ scalars


def _order_id(value: Wire) -> VenueOrderId:
    return VenueOrderId(required_order_id(value))


def _planned(plan_order_id: str | None, client_order_id: str | None, own: VenueOrderId) -> VenueOrderId | None:
    """Return the plan order that sent this one: the stream names it, REST only in the client id."""
    if plan_order_id is None and client_order_id is not None and client_order_id.startswith(PLAN):
        plan_order_id = client_order_id.removeprefix(PLAN)
    return VenueOrderId(plan_order_id) if plan_order_id and plan_order_id != own else None


def _margin_mode(value: Wire) -> MarginMode | None:
    return MARGIN_MODES.get(word(value) or "")


def _currency(value: Wire) -> Currency | None:
    name = text(value)
    return None if name is None else Currency(name)


def _settle(market: Symbol) -> Currency:
    return Currency(market.partition(":")[2])
