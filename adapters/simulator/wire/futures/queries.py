"""Orders, trades, positions, flows and settings of an account: KEYED GETs (PROTOCOL 6.6, 6.7). Orders and trades are
asked for in seconds, flows in milliseconds, and all answer in milliseconds.
"""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import localcontext
from heapq import nlargest
from typing import Final, Protocol, TypeVar

from adapters.simulator.exchange.futures.accounts import Account, Setting
from adapters.simulator.exchange.futures.orders import OrderState, PlanKind, PositionMode
from adapters.simulator.exchange.futures.plans import Plan
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.rows import (
    PositionView,
    flow_row,
    order_row,
    plan_row,
    trade_row,
    trailing_row,
)
from adapters.simulator.wire.futures.venue import Venue, whole
from adapters.simulator.wire.futures.words import ACCOUNT, COINS, FLOWS, POSITION_MODES, figure
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.house import DAY_MS
from oms.values import EXACT, PositionLeg, Side

OPEN_MAX: Final = 100  # live orders, or plans, in one answer
FLOWS_MAX: Final = 1_000
FLOWS_DEFAULT: Final = 100
SPAN_MAX_MS: Final = 90 * DAY_MS
SECOND_MS: Final = 1_000
MODE_WORDS: Final = {mode: word for word, mode in POSITION_MODES.items()}
T = TypeVar("T")


class Named(Protocol):
    """What the filters look at."""

    @property
    def symbol(self) -> str: ...
    @property
    def order_id(self) -> str: ...
    @property
    def client_order_id(self) -> str: ...


N = TypeVar("N", bound=Named)


class Queries:
    """The endpoints that tell an account its own; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    # -------------------------------------------------------------------------------------------- orders

    def order(self, call: Call) -> object:
        """One order by the venue's id; there is no look-up by client order id here."""
        self._venue.contract(call)
        order = self._venue.account(call).order(call.query.get("order_id", ""))
        if order is None or order.symbol != call.query["symbol"] or not self._venue.house.sees(order.order_id):
            raise WireError(40035)
        return order_row(order)

    def open_orders(self, call: Call) -> object:
        """Live orders, newest first: at most a hundred, and no way to the rest but by symbol."""
        symbol, kind = self._symbol(call), call.query.get("type") or ""
        if kind not in {"", "limit", "market", "trailing"}:
            raise WireError(40042)
        state = call.query.get("order_state") or "all"
        if state not in {"all", "partially_filled"}:
            raise WireError(40011)
        account, sees = self._venue.account(call), self._venue.house.sees
        rows = [
            (order.created_ms, order.order_id, order_row(order))
            for order in account.open.values()
            if symbol in {"", order.symbol}
            and kind in {"", order.type.value}
            and (state == "all" or order.state is OrderState.PARTIALLY_FILLED)
            and sees(order.order_id)
        ]
        if kind in {"", "trailing"} and state == "all":
            rows += [
                (plan.created_ms, plan.plan_id, trailing_row(plan))
                for plan in account.plans.values()
                if plan.kind is PlanKind.TRAILING and symbol in {"", plan.symbol} and sees(plan.plan_id)
            ]
        newest = nlargest(self._limit(call, OPEN_MAX), rows, key=lambda row: row[:2])
        listed = [row for _, _, row in newest]
        if listed and self._venue.faults.fires("open_list_omits"):
            del listed[self._venue.faults.between(0, len(listed) - 1)]
        return listed

    def order_history(self, call: Call) -> object:
        """Ended orders of one contract, newest first: two hundred at most, more only through narrower windows."""
        self._venue.contract(call)
        sees = self._venue.house.sees
        ended = (order for order in self._venue.account(call).closed.values() if sees(order.order_id))
        rows = [order_row(order) for order in self._chosen(call, ended, lambda order: order.created_ms)]
        return self._torn(rows)

    def trades(self, call: Call) -> object:
        """Fills, newest first, likewise."""
        sees = self._venue.house.sees_trades_of
        fills = (fill for fill in self._venue.account(call).fills if sees(fill.order_id))
        return self._torn([trade_row(fill) for fill in self._chosen(call, fills, lambda fill: fill.at_ms)])

    def plans(self, call: Call) -> object:
        """Waiting plans but the trailing ones, newest first, at most a hundred."""
        symbol, kind, group = self._symbol(call), call.query.get("type") or "", call.query.get("plan_type") or ""
        if kind not in {"", "limit", "market"} or group not in {"", "plan", "profit_loss"}:
            raise WireError(40042)
        listed = [
            plan
            for plan in self._venue.account(call).plans.values()
            if plan.kind is not PlanKind.TRAILING
            and symbol in {"", plan.symbol}
            and kind in {"", plan.type.value}
            and group in {"", "plan" if plan.kind is PlanKind.PLAN else "profit_loss"}
            and self._venue.house.sees(plan.plan_id)
        ]
        newest: list[Plan] = nlargest(self._limit(call, OPEN_MAX), listed, key=lambda plan: plan.plan_id)
        return [plan_row(plan) for plan in newest]

    def transaction_history(self, call: Call) -> object:
        """Everything that moved money, newest first: the only source of funding payments."""
        symbol, number = self._symbol(call), whole(call, "flow_type") or 0
        if number not in range(len(FLOWS) + 1):
            raise WireError(40011)
        start_ms, end_ms = self._window(call, 1)
        rows = [
            flow
            for flow in self._venue.account(call).flows
            if start_ms <= flow.at_ms <= end_ms and symbol in {"", flow.symbol} and number in {0, FLOWS[flow.kind][0]}
        ]
        size = whole(call, "page_size")
        size = FLOWS_DEFAULT if size is None else size
        if not 1 <= size <= FLOWS_MAX:
            raise WireError(40011)
        return self._torn([flow_row(flow) for flow in nlargest(size, rows, key=lambda flow: flow.tran_id)])

    # -------------------------------------------------------------------------------------------- positions, settings

    def position(self, call: Call) -> object:
        return [self._view(one).v1(call.now_ms) for one in self._positions(call, flat=False)]

    def position_v2(self, call: Call) -> object:
        """With a symbol also what is flat: two rows in hedge mode."""
        return [
            self._view(one).v2(call.now_ms, self._venue.exchange.liquidation_price(one))
            for one in self._positions(call)
        ]

    def position_risk(self, call: Call) -> object:
        return [
            self._view(one).risk(self._venue.exchange.liquidation_price(one))
            for one in self._positions(call, flat=False)
        ]

    def assets(self, call: Call) -> object:
        exchange = self._venue.exchange
        account = self._venue.account(call)
        owned = {coin: account.wallet(coin) for coin in dict.fromkeys((*COINS, *account.wallets))}
        wallets = self._venue.shown.view(call.account, owned)
        unrealised = {coin: exchange.unrealised(call.account, coin) for coin in wallets}
        with localcontext(EXACT):
            equities = {coin: wallet.total + unrealised[coin] for coin, wallet in wallets.items()}
        return [
            {
                "currency": coin,
                "position_deposit": figure(wallet.deposit),
                "frozen_balance": figure(wallet.frozen),
                "available_balance": figure(wallet.available),
                "equity": figure(equities[coin]),
                "unrealized": figure(unrealised[coin]),
            }
            for coin, wallet in wallets.items()
        ]

    def fee_rate(self, call: Call) -> object:
        account = self._venue.account(call)
        return {
            "symbol": self._venue.contract(call).symbol,
            "taker_fee_rate": figure(account.taker_fee),
            "maker_fee_rate": figure(account.maker_fee),
        }

    def mode(self, call: Call) -> object:
        return {"position_mode": MODE_WORDS[self._venue.account(call).mode]}

    # -------------------------------------------------------------------------------------------- how

    def _symbol(self, call: Call) -> str:
        """Return the symbol of the filter, "" for all."""
        self._check_account(call)
        return self._venue.contract(call).symbol if call.query.get("symbol") else ""

    @staticmethod
    def _check_account(call: Call) -> None:
        if call.query.get("account") not in {None, "", ACCOUNT, "copy_trading"}:
            raise WireError(40011)

    @staticmethod
    def _limit(call: Call, most: int) -> int:
        limit = whole(call, "limit")
        if limit is None:
            return most
        if not 1 <= limit <= most:
            raise WireError(40011)
        return limit

    def _window(self, call: Call, unit_ms: int) -> tuple[int, int]:
        """Return the bounds in milliseconds; both are included, the end with all of its unit."""
        start, end = whole(call, "start_time", 40039), whole(call, "end_time", 40039)
        end_ms = call.now_ms if end is None else end * unit_ms + unit_ms - 1
        start_ms = end_ms - self._venue.house.settings.list_window_ms if start is None else start * unit_ms
        if start_ms > end_ms or end_ms - start_ms > SPAN_MAX_MS + unit_ms:
            raise WireError(40039)
        return start_ms, end_ms

    def _chosen(self, call: Call, things: Iterable[N], at_ms: Callable[[N], int]) -> list[N]:
        """Return the newest inside the window that the filters leave; `things` come oldest first."""
        symbol = self._symbol(call)
        start_ms, end_ms = self._window(call, SECOND_MS)
        order_id, client_order_id = call.query.get("order_id") or "", call.query.get("client_order_id") or ""
        if call.query.get("account") == "copy_trading":
            return []
        chosen = deque(
            (
                one
                for one in things
                if start_ms <= at_ms(one) <= end_ms
                and symbol in {"", one.symbol}
                and order_id in {"", one.order_id}
                and client_order_id in {"", one.client_order_id}
            ),
            maxlen=self._venue.house.settings.rows_max,
        )
        return list(reversed(chosen))

    def _torn(self, rows: list[T]) -> list[T]:
        """Return the rows, or one less or one twice where those faults strike."""
        faults = self._venue.faults
        if rows and faults.fires("page_gap"):
            del rows[faults.between(0, len(rows) - 1)]
        if rows and faults.fires("page_overlap"):
            rows.append(rows[faults.between(0, len(rows) - 1)])
        return rows

    def _view(self, position: Position) -> PositionView:
        prices = self._venue.exchange.prices(position.symbol)
        contract = self._venue.exchange.contracts[position.symbol]
        return PositionView(position, contract, prices.mark, prices.last)

    def _positions(self, call: Call, *, flat: bool = True) -> list[Position]:
        """Return what is held; of a contract that is named also its flat legs."""
        symbol, account = self._symbol(call), self._venue.account(call)
        if not symbol or not flat:
            return list(account.held_positions(symbol or None))
        legs = (PositionLeg.NET,) if account.mode is PositionMode.ONE_WAY else (PositionLeg.LONG, PositionLeg.SHORT)
        return [account.position(symbol, leg) or _flat(account, symbol, leg) for leg in legs]


def _flat(account: Account, symbol: str, leg: PositionLeg) -> Position:
    setting: Setting = account.setting(symbol)
    return Position(
        account=account.name,
        symbol=symbol,
        leg=leg,
        direction=Side.SELL if leg is PositionLeg.SHORT else Side.BUY,
        leverage=setting.leverage,
        margin_mode=setting.margin_mode,
    )
