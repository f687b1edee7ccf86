"""Keeps the plans that wait for a price, and turns each into an order when it comes."""

from decimal import Decimal
from typing import Final

from adapters.simulator.exchange.futures.accounts import Account, Setting
from adapters.simulator.exchange.futures.admission import check_presets, check_price, check_setting, check_size
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.matching import Matching
from adapters.simulator.exchange.futures.money import reasonable
from adapters.simulator.exchange.futures.orders import (
    Mode,
    NewOrder,
    Order,
    OrderType,
    PlanKind,
    Preset,
    PriceType,
    Refusal,
    RefusedError,
)
from adapters.simulator.exchange.futures.plans import NewPlan, Plan, PlanState, PriceWay
from adapters.simulator.exchange.futures.state import State
from adapters.simulator.exchange.futures.waiting import add_plan, end_plan, tell_plan, way_of
from oms.values import ZERO, Side

PLANS_MAX: Final = 200  # waiting, per account and contract
CALLBACK: Final = (Decimal("0.1"), Decimal(5))  # percent
_PROTECTING: Final = (PlanKind.TAKE_PROFIT, PlanKind.STOP_LOSS)


class Triggers:
    """The plans of all accounts; `matching` takes what they become."""

    def __init__(self, state: State, matching: Matching) -> None:
        self._state = state
        self._matching = matching

    def submit(self, new: NewPlan, now_ms: int) -> Plan:
        """Take a plan. Raises RefusedError: it was not taken; nothing changed."""
        contract = self._state.tradable(new.symbol)
        account = self._state.accounts[new.account]
        self._check(new, contract, account)
        if new.client_order_id and self._state.rules.duplicate_check and account.knows(new.client_order_id):
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ORDER_ID)
        assert new.trigger_price is not None
        reduce_only = new.reduce_only or new.kind in _PROTECTING
        setting = account.setting(new.symbol)
        if not reduce_only:
            setting = Setting(new.leverage or setting.leverage, new.margin_mode or setting.margin_mode)
            check_setting(account, contract, setting)
        plan = Plan(
            plan_id=self._state.next_id(now_ms),
            client_order_id=new.client_order_id,
            account=new.account,
            symbol=new.symbol,
            kind=new.kind,
            side=new.side,
            reduce_only=reduce_only,
            leg=account.leg(new.side, reduce_only=reduce_only),
            size=new.size,
            trigger_price=new.trigger_price,
            way=new.way or way_of(new.kind, new.side),
            price_type=new.price_type,
            type=OrderType.MARKET if new.price is None else OrderType.LIMIT,
            price=new.price or ZERO,
            mode=new.mode,
            leverage=setting.leverage,
            margin_mode=setting.margin_mode,
            created_ms=now_ms,
            updated_ms=now_ms,
            callback_percent=new.callback_percent or ZERO,
            take_profit=new.take_profit,
            stop_loss=new.stop_loss,
        )
        add_plan(self._state, plan)
        return plan

    def amend(
        self, plan: Plan, now_ms: int, *, trigger_price: Decimal, price: Decimal | None, price_type: PriceType
    ) -> None:
        """Change what a waiting plan waits for and what it will be. Raises RefusedError; nothing changed then."""
        contract = self._state.tradable(plan.symbol)
        check_price(trigger_price, contract)
        if price is not None:
            check_price(price, contract)
        plan.trigger_price, plan.price_type = trigger_price, price_type
        plan.type, plan.price = (OrderType.MARKET, ZERO) if price is None else (OrderType.LIMIT, price)
        plan.following, plan.updated_ms = False, now_ms
        self._state.touch(plan.symbol)
        tell_plan(self._state, plan)

    def set_presets(
        self, carrier: Order | Plan, take_profit: Preset | None, stop_loss: Preset | None, now_ms: int
    ) -> None:
        """Change what an order or a plan carries. Raises RefusedError; nothing changed then."""
        contract = self._state.tradable(carrier.symbol)
        if carrier.reduce_only:
            raise RefusedError(Refusal.PRESET_ON_CLOSE)
        check_presets(take_profit, stop_loss, contract)
        carrier.take_profit, carrier.stop_loss, carrier.updated_ms = take_profit, stop_loss, now_ms
        if isinstance(carrier, Plan):
            tell_plan(self._state, carrier)

    def fire(self, symbol: str, now_ms: int) -> None:
        """Look at every plan of a contract: end those whose position is gone, trigger those whose price has come."""
        for plan in tuple(self._state.waiting[symbol].values()):
            if not plan.live:
                continue  # ended by one before it
            if plan.kind in _PROTECTING and not self._protects(plan):
                if self._state.rules.flat_ends_protection:
                    end_plan(self._state, plan, PlanState.CANCELED, now_ms)
            elif self._come(plan):
                self._trigger(plan, now_ms)

    # -------------------------------------------------------------------------------------------- how

    def _check(self, new: NewPlan, contract: Contract, account: Account) -> None:
        if sum(plan.symbol == new.symbol for plan in account.plans.values()) >= PLANS_MAX:
            raise RefusedError(Refusal.PLANS_TOO_MANY)
        if new.trigger_price is None or (new.kind is PlanKind.PLAN and new.way is None):
            raise RefusedError(Refusal.TRIGGER_REQUIRED)
        check_price(new.trigger_price, contract)
        if new.price is not None:
            check_price(new.price, contract)
        check_presets(new.take_profit, new.stop_loss, contract)
        if new.reduce_only and (new.take_profit is not None or new.stop_loss is not None):
            raise RefusedError(Refusal.PRESET_ON_CLOSE)
        if new.size is not None:
            check_size(new.size, contract, market=new.price is None)
        elif new.kind not in _PROTECTING:
            raise RefusedError(Refusal.SIZE_TOO_SMALL)
        match new.kind:
            case PlanKind.TRAILING:
                low, high = CALLBACK
                percent = new.callback_percent
                if percent is None or not (reasonable(percent) and low <= percent <= high):
                    raise RefusedError(Refusal.CALLBACK_OUT_OF_RANGE)
            case PlanKind.TAKE_PROFIT | PlanKind.STOP_LOSS:
                position = account.position(new.symbol, account.leg(new.side, reduce_only=True))
                if position is None or not position.closable(new.side):
                    raise RefusedError(Refusal.POSITION_MISSING)
                if new.size is not None and new.size > position.size:
                    raise RefusedError(Refusal.POSITION_NOT_ENOUGH)
                if _reached(way_of(new.kind, new.side), self._price(new.symbol, new.price_type), new.trigger_price):
                    raise RefusedError(Refusal.TRIGGER_PASSED)
            case PlanKind.PLAN:
                pass

    def _protects(self, plan: Plan) -> bool:
        position = self._state.accounts[plan.account].position(plan.symbol, plan.leg)
        return position is not None and position.closable(plan.side) > ZERO

    def _come(self, plan: Plan) -> bool:
        """Say whether the plan's price is here; a trailing plan follows it first."""
        price = self._price(plan.symbol, plan.price_type)
        if plan.kind is not PlanKind.TRAILING:
            return _reached(plan.way, price, plan.trigger_price)
        if not plan.following:
            if not _reached(plan.way, price, plan.trigger_price):
                return False
            plan.following, plan.extreme = True, price
        back = plan.callback_percent / 100
        if plan.side is Side.SELL:
            plan.extreme = max(plan.extreme, price)
            return price <= plan.extreme * (1 - back)
        plan.extreme = min(plan.extreme, price)
        return price >= plan.extreme * (1 + back)

    def _trigger(self, plan: Plan, now_ms: int) -> None:
        """Become an order under a new id: one that closes goes before those that wait to close the same."""
        account = self._state.accounts[plan.account]
        size = plan.size
        position = account.position(plan.symbol, plan.leg)
        if plan.kind in _PROTECTING:
            assert position is not None
            size = position.size if size is None else min(size, position.size)
            self._matching.trim(account, plan.symbol, plan.leg, now_ms, spare=size)
        assert size is not None
        opens = not plan.reduce_only
        new = NewOrder(
            account=plan.account,
            symbol=plan.symbol,
            side=plan.side,
            reduce_only=plan.reduce_only,
            type=plan.type,
            mode=plan.mode if plan.type is OrderType.LIMIT else Mode.GTC,
            size=size,
            price=plan.price if plan.type is OrderType.LIMIT else None,
            leverage=plan.leverage if opens else None,
            margin_mode=plan.margin_mode if opens else None,
            client_order_id=f"PLAN_{plan.plan_id}",
            take_profit=plan.take_profit,
            stop_loss=plan.stop_loss,
            plan_id=plan.plan_id,
            plan_kind=plan.kind,
        )
        try:
            plan.child_order_id = self._matching.submit(new, now_ms).order_id
        except RefusedError:
            end_plan(self._state, plan, PlanState.FAILED, now_ms)
        else:
            end_plan(self._state, plan, PlanState.TRIGGERED, now_ms)

    def _price(self, symbol: str, kind: PriceType) -> Decimal:
        prices = self._state.prices[symbol]
        return prices.last if kind is PriceType.LAST else prices.mark


def _reached(way: PriceWay, price: Decimal, trigger: Decimal) -> bool:
    return price >= trigger if way is PriceWay.RISES else price <= trigger
