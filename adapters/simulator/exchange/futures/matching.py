"""Matches orders by price and time, and keeps each account's promises to close within what it holds."""

from decimal import Decimal

from msgspec import structs

from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.futures.accounts import Account
from adapters.simulator.exchange.futures.admission import Terms, admit, readmit
from adapters.simulator.exchange.futures.booking import book, end, release
from adapters.simulator.exchange.futures.events import Action, Printed
from adapters.simulator.exchange.futures.orders import (
    CancelSource,
    Fill,
    Mode,
    NewOrder,
    Order,
    OrderState,
    OrderType,
    Refusal,
    RefusedError,
    SelfTrade,
)
from adapters.simulator.exchange.futures.state import State
from adapters.simulator.exchange.futures.waiting import protect
from oms.values import ZERO, Liquidity, PositionLeg, Side


class Matching:
    """Works on the books of `state`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def submit(self, new: NewOrder, now_ms: int) -> Order:
        """Take an order and work it. Raises RefusedError: it was not taken; nothing changed."""
        state = self._state
        contract = state.tradable(new.symbol)
        account = state.accounts[new.account]
        terms = admit(new, contract, account, state)
        if new.client_order_id and state.rules.duplicate_check and account.knows(new.client_order_id):
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ORDER_ID)
        refusing = state.rules.refuse_crossing_maker and new.mode is Mode.MAKER_ONLY
        if refusing and state.books[new.symbol].crosses(new.side, terms.price):
            raise RefusedError(Refusal.WOULD_TAKE)
        if terms.opens and terms.opens * terms.unit_hold > state.spendable(account, contract.margin_coin):
            raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
        order = Order(
            order_id=state.next_id(now_ms),
            client_order_id=new.client_order_id,
            account=new.account,
            symbol=new.symbol,
            side=new.side,
            reduce_only=new.reduce_only,
            leg=terms.leg,
            type=new.type,
            mode=new.mode,
            stp=new.stp,
            price=terms.price,
            size=new.size,
            leverage=terms.setting.leverage,
            margin_mode=terms.setting.margin_mode,
            created_ms=now_ms,
            updated_ms=now_ms,
            take_profit=new.take_profit,
            stop_loss=new.stop_loss,
            plan_id=new.plan_id,
            plan_kind=new.plan_kind,
        )
        self._freeze(order, account, terms)
        if not order.reduce_only:
            account.use(new.symbol, terms.setting)
        account.opened(order)
        self._submitted(order, account, now_ms)
        if order.reduce_only:
            self.trim(account, order.symbol, order.leg, now_ms)
        self._start(order, now_ms)
        return order

    def amend(self, order: Order, price: Decimal | None, size: Decimal | None, now_ms: int) -> Order:
        """Change a resting limit order and work it anew, behind those that were there; `size` is the whole order's.

        Raises:
            RefusedError: the new terms are not to be had; nothing changed.
        """
        state = self._state
        account, contract = state.accounts[order.account], state.tradable(order.symbol)
        if order.type is not OrderType.LIMIT or (price is None and size is None):
            raise RefusedError(Refusal.NOTHING_TO_AMEND)
        price = order.price if price is None else price
        size = order.size if size is None else size
        terms = readmit(order, price, size, contract, state)
        more = terms.opens * terms.unit_hold - order.held
        if more > max(state.spendable(account, contract.margin_coin), ZERO):
            raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
        if state.rules.amend_keeps_id:
            state.books[order.symbol].remove(order)
            release(state, order)
            order.price, order.size, order.updated_ms = price, size, now_ms
        else:
            end(state, order, CancelSource.USER, now_ms)
            order = self._continued(order, price, size - order.filled_size, now_ms)
            account.opened(order)
        self._freeze(order, account, terms)
        self._submitted(order, account, now_ms)
        if order.reduce_only:
            self.trim(account, order.symbol, order.leg, now_ms)
        self._start(order, now_ms)
        return order

    def trim(
        self,
        account: Account,
        symbol: str,
        leg: PositionLeg,
        now_ms: int,
        *,
        spare: Decimal = ZERO,
        source: CancelSource = CancelSource.SYSTEM,
    ) -> None:
        """Let no more wait to close than is held, less `spare`: first come, the reduce-only order that does not fit
        any more ends; a one-way order that would open instead takes margin, or ends where there is none.
        """
        position = account.position(symbol, leg)
        if position is None or not account.watched:
            return
        side = Side.SELL if position.direction is Side.BUY else Side.BUY
        budget = max(position.size - spare, ZERO)
        for order in [one for one in account.live_orders(symbol) if one.reduce_only and one.leg is leg]:
            if order.side is side and order.leaves <= budget:
                budget -= order.leaves
            else:
                end(self._state, order, source, now_ms)
        if leg is not PositionLeg.NET:
            return
        for order in [one for one in account.live_orders(symbol) if not one.reduce_only]:
            closes = order.leaves - order.opens
            if order.side is side and closes <= budget:
                budget -= closes
            elif closes:
                closes = min(closes, budget) if order.side is side else ZERO
                budget -= closes
                self._open_more(order, account, order.leaves - closes, now_ms)

    # -------------------------------------------------------------------------------------------- how

    def _freeze(self, order: Order, account: Account, terms: Terms) -> None:
        """Move the margin of what the order would open from available to frozen."""
        wallet = account.wallet(self._state.contracts[order.symbol].margin_coin)
        order.opens, order.unit_hold = terms.opens, terms.unit_hold
        wallet.available -= order.held
        wallet.frozen += order.held

    def _open_more(self, order: Order, account: Account, opens: Decimal, now_ms: int) -> None:
        """Take margin for more of a waiting order than before; where there is none, it ends."""
        contract = self._state.contracts[order.symbol]
        wallet = account.wallet(contract.margin_coin)
        needed = (opens - order.opens) * order.unit_hold
        if needed > self._state.spendable(account, contract.margin_coin):
            end(self._state, order, CancelSource.SYSTEM, now_ms)
            return
        wallet.available -= needed
        wallet.frozen += needed
        order.opens = opens
        self._state.tell_wallet(account, contract.margin_coin, now_ms)

    def _continued(self, order: Order, price: Decimal, size: Decimal, now_ms: int) -> Order:
        """Return what is left of an ended order as one of its own."""
        return structs.replace(
            order,
            order_id=self._state.next_id(now_ms),
            price=price,
            size=size,
            filled_size=ZERO,
            filled_value=ZERO,
            cancel_source=CancelSource.NOBODY,
            created_ms=now_ms,
            updated_ms=now_ms,
        )

    def _submitted(self, order: Order, account: Account, now_ms: int) -> None:
        order.state = OrderState.PENDING
        self._state.tell(Action.SUBMITTED, order)
        if order.reduce_only and (position := account.position(order.symbol, order.leg)) is not None:
            self._state.tell_position(account, position, now_ms)
        if order.opens:
            self._state.tell_wallet(account, self._state.contracts[order.symbol].margin_coin, now_ms)

    def _start(self, order: Order, now_ms: int) -> None:
        """Work an order that is in no book: end at once what may not trade, match the rest."""
        orders = self._state.books[order.symbol]
        takes = order.mode is Mode.MAKER_ONLY and orders.crosses(order.side, order.price)
        falls_short = order.mode is Mode.FOK and not _fillable(order, orders)
        if takes or falls_short:
            end(self._state, order, CancelSource.SYSTEM, now_ms)
        elif order.live:
            self._work(order, orders, now_ms)

    def _work(self, order: Order, orders: Book[Order], now_ms: int) -> None:
        """Match what can be matched; then rest, or end."""
        while order.live and orders.crosses(order.side, order.price):
            maker = orders.against(order.side).best()
            assert maker is not None
            if maker.account == order.account:
                self._part(order, maker, now_ms)
            else:
                self.match(order, maker, self._portion(min(order.leaves, maker.leaves)), now_ms)
        if not order.live:
            return
        if order.type is OrderType.LIMIT and order.mode in {Mode.GTC, Mode.MAKER_ONLY}:
            order.state = OrderState.PARTIALLY_FILLED if order.filled_size else OrderState.NEW
            orders.add(order)
            self._state.tell(Action.SUBMITTED, order)
        else:
            end(self._state, order, CancelSource.SYSTEM, now_ms)

    def match(self, taker: Order, maker: Order, size: Decimal, now_ms: int, *, action: Action = Action.MATCHED) -> Fill:
        """Trade `size` contracts at the maker's price; `action` is how the taker's side is told."""
        orders = self._state.books[taker.symbol]
        price, state = maker.price, self._state
        made = book(
            state, maker, size, price, role=Liquidity.MAKER, action=Action.MATCHED, now_ms=now_ms, against=taker
        )
        if maker.live:
            orders.touched()
        else:
            orders.remove(maker)
        self._follow(maker, made, now_ms)
        taken = book(state, taker, size, price, role=Liquidity.TAKER, action=action, now_ms=now_ms, against=maker)
        self._follow(taker, taken, now_ms)
        printed = Printed(
            trade_id=taken.trade_id,
            symbol=taker.symbol,
            price=maker.price,
            size=size,
            side=taker.side,
            at_ms=now_ms,
        )
        self._state.print(printed)
        return taken

    def _follow(self, order: Order, fill: Fill, now_ms: int) -> None:
        """Do what a fill brings about for the account's other orders."""
        if fill.closed:
            self.trim(self._state.accounts[order.account], order.symbol, order.leg, now_ms)
        if fill.opened and (order.take_profit is not None or order.stop_loss is not None):
            protect(self._state, order, fill)

    def _part(self, taker: Order, maker: Order, now_ms: int) -> None:
        """Keep an account from trading with itself, as the taker's mode says."""
        if taker.stp is not SelfTrade.CANCEL_TAKER:
            end(self._state, maker, CancelSource.STP, now_ms)
        if taker.stp is not SelfTrade.CANCEL_MAKER:
            end(self._state, taker, CancelSource.STP, now_ms)

    def _portion(self, size: Decimal) -> Decimal:
        return size if self._state.portion is None else self._state.portion(size, Decimal(1))


def _fillable(order: Order, orders: Book[Order]) -> bool:
    """Say whether others offer all of a fill-or-kill order, before it would meet its own account's and end."""
    left = order.size
    for maker in orders.against(order.side):
        if left <= ZERO or not _reaches(order, maker.price):
            break
        if maker.account != order.account:
            left -= maker.leaves
        elif order.stp is not SelfTrade.CANCEL_MAKER:
            break
    return left <= ZERO


def _reaches(order: Order, price: Decimal) -> bool:
    return order.price >= price if order.side is Side.BUY else order.price <= price
