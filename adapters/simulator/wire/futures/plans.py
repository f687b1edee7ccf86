"""Orders that wait for a price, over futures REST: plan, take-profit, stop-loss, trailing (PROTOCOL 6.5)."""

from decimal import Decimal
from functools import partial
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import OrderType, PlanKind, RefusedError
from adapters.simulator.exchange.futures.plans import NewPlan, Plan
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.trading import GTC, client_id, leverage_of, open_type, preset
from adapters.simulator.wire.futures.venue import Venue, amount, number, read, refused, word
from adapters.simulator.wire.futures.words import MODES, PRICE_TYPES, SIDES, TYPES, WAYS
from adapters.simulator.wire.gateway import Call

PROTECTING: Final = {"take_profit": PlanKind.TAKE_PROFIT, "stop_loss": PlanKind.STOP_LOSS}
CLOSING_SIDES: Final = (2, 3)
PART: Final = 1  # of plan_category: for a quantity
WHOLE: Final = 2  # for all of the position; the default since 2024-10-10
UNTRAILED: Final = (PlanKind.PLAN, PlanKind.TAKE_PROFIT, PlanKind.STOP_LOSS)


class _SubmitPlan(Struct):
    symbol: str
    side: int
    size: int
    trigger_price: str
    price_way: int
    price_type: int
    type: str | None = None
    mode: int | None = None
    leverage: str | None = None
    open_type: str | None = None
    executive_price: str | None = None
    preset_take_profit_price: str | None = None
    preset_take_profit_price_type: int | None = None
    preset_stop_loss_price: str | None = None
    preset_stop_loss_price_type: int | None = None


class _SubmitProtection(Struct):
    symbol: str
    type: str
    side: int
    trigger_price: str
    price_type: int
    executive_price: str | None = None
    size: int | None = None
    plan_category: int | None = None
    client_order_id: str | None = None
    category: str | None = None


class _SubmitTrail(Struct):
    symbol: str
    side: int
    size: int
    leverage: str
    open_type: str
    activation_price: str
    callback_rate: str
    activation_price_type: int


class _ModifyPlan(Struct):
    symbol: str
    order_id: str
    trigger_price: str
    price_type: int
    type: str
    executive_price: str | None = None


class _ModifyProtection(Struct):
    symbol: str
    trigger_price: str
    price_type: int
    executive_price: str | None = None
    order_id: str | None = None
    client_order_id: str | None = None
    category: str | None = None


class _ModifyPresets(Struct):
    symbol: str
    order_id: str
    preset_take_profit_price: str | None = None
    preset_take_profit_price_type: int | None = None
    preset_stop_loss_price: str | None = None
    preset_stop_loss_price_type: int | None = None


class _Cancel(Struct):
    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class Plans:
    """The endpoints about waiting orders; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def submit(self, call: Call) -> object:
        asked = read(call, _SubmitPlan)
        side, reduce_only = number(SIDES, asked.side, 40041)
        new = NewPlan(
            account=call.account,
            symbol=asked.symbol,
            kind=PlanKind.PLAN,
            side=side,
            reduce_only=reduce_only,
            size=Decimal(asked.size),
            trigger_price=amount(asked.trigger_price),
            way=number(WAYS, asked.price_way, 40011),
            price_type=number(PRICE_TYPES, asked.price_type, 40011),
            price=_limit(asked.type or "limit", asked.executive_price),
            mode=number(MODES, asked.mode or GTC, 40042),
            leverage=leverage_of(asked.leverage),
            margin_mode=open_type(asked.open_type),
            take_profit=preset(asked.preset_take_profit_price, asked.preset_take_profit_price_type),
            stop_loss=preset(asked.preset_stop_loss_price, asked.preset_stop_loss_price_type),
        )
        return {"order_id": int(self._placed(call, new).plan_id)}

    def submit_protection(self, call: Call) -> object:
        """A take-profit or stop-loss of a position that is there; without a size, or by its category, of all of it."""
        asked = read(call, _SubmitProtection)
        if asked.side not in CLOSING_SIDES:
            raise WireError(40041)
        category = asked.plan_category or WHOLE
        if category not in {PART, WHOLE}:
            raise WireError(40011)
        size = None if asked.size is None or category == WHOLE else Decimal(asked.size)
        new = NewPlan(
            account=call.account,
            symbol=asked.symbol,
            kind=word(PROTECTING, asked.type, 40042),
            side=SIDES[asked.side][0],
            reduce_only=True,
            size=size,
            trigger_price=amount(asked.trigger_price),
            price_type=number(PRICE_TYPES, asked.price_type, 40011),
            price=_limit(asked.category or ("market" if size is None else "limit"), asked.executive_price),
            client_order_id=client_id(asked.client_order_id),
        )
        plan = self._placed(call, new)
        return {"order_id": plan.plan_id, "client_order_id": plan.client_order_id}

    def submit_trail(self, call: Call) -> object:
        asked = read(call, _SubmitTrail)
        side, reduce_only = number(SIDES, asked.side, 40041)
        new = NewPlan(
            account=call.account,
            symbol=asked.symbol,
            kind=PlanKind.TRAILING,
            side=side,
            reduce_only=reduce_only,
            size=Decimal(asked.size),
            trigger_price=amount(asked.activation_price),
            price_type=number(PRICE_TYPES, asked.activation_price_type, 40011),
            leverage=leverage_of(asked.leverage),
            margin_mode=open_type(asked.open_type),
            callback_percent=amount(asked.callback_rate),
        )
        return {"order_id": int(self._placed(call, new).plan_id)}

    def modify(self, call: Call) -> object:
        asked = read(call, _ModifyPlan)
        plan = self._named(call, asked.symbol, asked.order_id, None)
        return self._amended(
            call, plan, asked.trigger_price, asked.price_type, _limit(asked.type, asked.executive_price)
        )

    def modify_protection(self, call: Call) -> object:
        asked = read(call, _ModifyProtection)
        plan = self._named(call, asked.symbol, asked.order_id, asked.client_order_id)
        price = _limit(asked.category or plan.type.value, asked.executive_price)
        return self._amended(call, plan, asked.trigger_price, asked.price_type, price)

    def modify_presets(self, call: Call) -> object:
        """Change the take-profit and stop-loss that an opening order, or a plan, carries."""
        asked = read(call, _ModifyPresets)
        self._venue.listed(asked.symbol)
        try:
            self._venue.exchange.set_presets(
                call.account,
                asked.order_id,
                call.now_ms,
                take_profit=preset(asked.preset_take_profit_price, asked.preset_take_profit_price_type),
                stop_loss=preset(asked.preset_stop_loss_price, asked.preset_stop_loss_price_type),
            )
        except RefusedError as error:
            raise refused(error) from error
        return {"order_id": asked.order_id}

    def cancel(self, call: Call) -> object:
        """Acknowledge at once, cancel in a moment; without an id every plan of the symbol but the trailing ones."""
        asked = read(call, _Cancel)
        return self._cancel(call, asked, UNTRAILED)

    def cancel_trail(self, call: Call) -> object:
        """Likewise for trailing orders."""
        return self._cancel(call, read(call, _Cancel), (PlanKind.TRAILING,))

    # -------------------------------------------------------------------------------------------- how

    def _placed(self, call: Call, new: NewPlan) -> Plan:
        self._venue.check_schedule(call, opens=not new.reduce_only)
        try:
            return self._venue.exchange.submit_plan(new, call.now_ms)
        except RefusedError as error:
            raise refused(error) from error

    def _amended(self, call: Call, plan: Plan, trigger: str, price_type: int, price: Decimal | None) -> object:
        trigger_price = amount(trigger)
        if trigger_price is None:
            raise WireError(40011)
        try:
            plan = self._venue.exchange.amend_plan(
                call.account,
                plan.plan_id,
                call.now_ms,
                trigger_price=trigger_price,
                price=price,
                price_type=number(PRICE_TYPES, price_type, 40011),
            )
        except RefusedError as error:
            raise refused(error) from error
        return {"order_id": plan.plan_id}

    def _cancel(self, call: Call, asked: _Cancel, kinds: tuple[PlanKind, ...]) -> object:
        self._venue.listed(asked.symbol)
        if asked.order_id or asked.client_order_id:
            plans = [self._named(call, asked.symbol, asked.order_id, asked.client_order_id)]
            if not plans[0].live:
                raise WireError(40036)
        else:
            waiting = self._venue.account(call).plans.values()
            plans = [one for one in waiting if one.symbol == asked.symbol and one.kind in kinds]
        for plan in plans:
            self._venue.house.cancel_later(partial(self._cancel_now, plan))
        return {}

    def _cancel_now(self, plan: Plan, now_ms: int) -> None:
        if plan.live:
            self._venue.exchange.cancel_plan(plan.account, plan.plan_id, now_ms)

    def _named(self, call: Call, symbol: str, order_id: str | None, client_order_id: str | None) -> Plan:
        self._venue.listed(symbol)
        account = self._venue.account(call)
        if order_id:
            plan = account.plan(order_id)
        elif client_order_id:
            plan = account.plan_by_client_id(client_order_id)
        else:
            raise WireError(40011)
        if plan is None or plan.symbol != symbol:
            raise WireError(40037)
        return plan


def _limit(kind: str, price: str | None) -> Decimal | None:
    """Return the limit of the order that a plan becomes, None for a market order. "0" is said for none."""
    if word(TYPES, kind, 40042) is OrderType.MARKET:
        return None
    value = amount(price)
    if not value:
        raise WireError(40011)
    return value
